/*
 * stream - frames over a descriptor that must never block its owner
 *
 * One buffer each way. What is queued is written when poll(2) says so; a caller looks at
 * stream_room() before it takes more to send, so that a slow reader slows the writer down.
 */
#ifndef TAZ_LAUNCHER_STREAM_H
#define TAZ_LAUNCHER_STREAM_H

#include "launcher/frame.h"

struct stream;

/*
 * stream_new - frames over @fd, which becomes non-blocking and is owned by the stream
 * @from: whose frames arrive
 * Returns NULL with errno; @fd is then still the caller's.
 */
struct stream *stream_new(int fd, enum frame_side from);
void stream_free(struct stream *s); /* closes; NULL is allowed */
void stream_freep(struct stream **s);
#define autostream __attribute__((cleanup(stream_freep)))

int stream_fd(const struct stream *s);

/* stream_events - what to ask poll(2) for: POLLIN always, POLLOUT while something is queued */
short stream_events(const struct stream *s);

/*
 * stream_next - the next whole frame
 * @ret: valid until the next call
 *
 * Reads at most once. Returns 1, 0 when there is none yet, or
 *   -ECONNRESET  the other side has closed (also in the middle of a frame)
 *   -EBADMSG     what came is not a frame of the other side
 *   -errno       from read(2)
 */
int stream_next(struct stream *s, struct frame *ret);

/* stream_wait - stream_next(), waiting; @timeout_ms < 0 for ever. -ETIMEDOUT, or as above. */
int stream_wait(struct stream *s, struct frame *ret, int timeout_ms);

/* stream_room - bytes of payload that can be queued now; 0 when it is full */
size_t stream_room(const struct stream *s);

/* stream_send - queue one frame and write what can be. Returns 0, -ENOBUFS, or as stream_flush().
 */
int stream_send(struct stream *s, enum frame_type type, const void *data, size_t len);
int stream_send_u32(struct stream *s, enum frame_type type, uint32_t v);

/* stream_flush - write what is queued, as far as it goes. Returns 0, -ECONNRESET or -errno. */
int stream_flush(struct stream *s);

/* stream_drain - write all of it, waiting up to @timeout_ms. Returns 0, -ETIMEDOUT or as above. */
int stream_drain(struct stream *s, int timeout_ms);

#endif
