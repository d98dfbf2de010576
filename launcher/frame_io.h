/* frame_io - the first step on a fresh stream, for the engines' dial() */
#ifndef TAZ_LAUNCHER_FRAME_IO_H
#define TAZ_LAUNCHER_FRAME_IO_H

/*
 * frame_hello_wait - wait until the agent has said HELLO
 * @fd: a connected stream, borrowed; may be blocking
 *
 * Takes exactly the HELLO off the stream. Returns 0, or
 *   -ETIMEDOUT   nobody spoke within @timeout_ms
 *   -ECONNRESET  the other side has closed
 *   -EBADMSG     something else was said: a left-over, or not an agent
 */
int frame_hello_wait(int fd, int timeout_ms);

#endif
