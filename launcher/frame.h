/*
 * frame - the codec of the stream between tazlaunch on the host and its agent in the workshop
 *
 * A frame is an eight-byte header (type, three zero bytes, length; little endian) and a payload.
 * Pure functions: no I/O, no allocation. Both ends treat the other's bytes as foreign: a type that
 * is unknown or comes from the wrong side, or a length outside its type's bounds, ends the stream.
 *
 *	agent                                host
 *	HELLO                          ->
 *	                               <-    REQUEST
 *	(SEAL_ASK -> , <- SEAL_BOX, SEAL_VERDICT ->) as base/sealfd.h says, not for EXEC
 *	STDOUT STDERR CREDIT           <->   STDIN EOF WINCH SIGNAL CLOSE
 *	(QUESTION -> , <- ANSWER) to a session with a terminal
 *	EXIT or ERROR                  ->
 *
 * Closing the stream before EXIT is a hang-up: what runs behind it is ended.
 */
#ifndef TAZ_LAUNCHER_FRAME_H
#define TAZ_LAUNCHER_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FRAME_HEADER 8
#define FRAME_MAX    (128 * 1024) /* bytes of payload */
#define FRAME_DATA   (16 * 1024)  /* bytes of STDIN, STDOUT, STDERR in one frame */
#define FRAME_TEXT   1024	  /* bytes of an error's sentence */
#define FRAME_WINDOW (64 * 1024)  /* bytes of STDIN on their way; CREDIT gives them back */

enum frame_type {
	/* agent to host */
	FRAME_HELLO = 1,    /* "taz1": the agent is there */
	FRAME_STDOUT,	    /* bytes; with a terminal everything comes as STDOUT */
	FRAME_STDERR,	    /* bytes */
	FRAME_CREDIT,	    /* u32: that many bytes of STDIN have reached the program */
	FRAME_SEAL_ASK,	    /* struct seal_ask (base/sealfd.h) */
	FRAME_SEAL_VERDICT, /* struct seal_verdict */
	FRAME_EXIT,	    /* u32: exit status 0 to 255, 128 + N for signal N */
	FRAME_ERROR,	    /* u32 exit code for the host, then a sentence */
	FRAME_QUESTION,	    /* struct question_put (base/question.h) */

	/* host to agent */
	FRAME_REQUEST = 32, /* struct request */
	FRAME_STDIN,	    /* bytes, never more than FRAME_WINDOW without CREDIT */
	FRAME_EOF,	    /* no more STDIN */
	FRAME_WINCH,	    /* u16 rows, u16 columns */
	FRAME_SIGNAL,	    /* u32: to the program's process group */
	FRAME_CLOSE,	    /* u32, 1 or 2: nobody reads that stream any more */
	FRAME_SEAL_BOX,	    /* struct seal_box */
	FRAME_ANSWER,	    /* struct question_reply */
};

#define FRAME_HELLO_TEXT "taz1"

struct frame {
	enum frame_type type;
	size_t len;
	const uint8_t *data; /* inside the buffer that was decoded */
};

enum frame_side { FRAME_FROM_AGENT, FRAME_FROM_HOST };

/*
 * frame_decode - take one frame off the front of a buffer
 * @from: whose bytes these are
 *
 * Returns the bytes it takes, 0 when more are needed, or
 *   -EBADMSG  unknown type, wrong side, non-zero reserved byte, length out of bounds
 */
ssize_t frame_decode(const uint8_t *buf, size_t len, enum frame_side from, struct frame *ret);

/* frame_header - fill @head for a payload of @len bytes (at most FRAME_MAX) */
void frame_header(uint8_t head[FRAME_HEADER], enum frame_type type, uint32_t len);

/* The number that CREDIT, EXIT, ERROR, SIGNAL and CLOSE begin with, and WINCH's two. */
uint32_t frame_u32(const struct frame *f);
void frame_put_u32(uint8_t out[4], uint32_t v);

/* frame_text - what follows the number of ERROR, NUL-terminated */
void frame_text(const struct frame *f, char *buf, size_t size);

/* --- the request ----------------------------------------------------------------------------- */

enum request_kind {
	REQUEST_EXEC = 1,
	REQUEST_SESSION = 2,
	REQUEST_VAULT =
		3, /* a command of enclave that asks for the passphrase: restore, passwd, key */
};
enum request_user { REQUEST_TAZ = 1, REQUEST_ROOT = 2 };
enum request_flags { REQUEST_TTY = 1, REQUEST_CREATE = 2, REQUEST_ACCEPT_ROLLBACK = 4 };

#define REQUEST_ARGS_MAX 2048

struct request {
	uint8_t kind, user, flags;
	uint16_t rows, cols;
	const char *cwd;  /* absolute */
	const char *term; /* TERM, LANG, COLORTERM: [A-Za-z0-9._+@-]*, empty for none */
	const char *lang;
	const char *colorterm;
	const char *tz;
	int argc;
	const char *argv[REQUEST_ARGS_MAX + 1]; /* ended by NULL; none: SESSION's login shell */
};

/*
 * request_encode - the payload of a REQUEST
 * Returns its length, or -E2BIG when it does not fit or has too many arguments, -EINVAL as below.
 */
ssize_t request_encode(const struct request *req, uint8_t *buf, size_t size);

/*
 * request_decode - the strings of @ret point into @data
 * Returns 0, or
 *   -EBADMSG  it is not the shape above
 *   -EINVAL   a value is out of its range: unknown kind, user or flag, a relative directory, a
 *             variable with other characters, EXEC without a program, SESSION as root, VAULT
 *             not as root, with a terminal, or with a command that it does not have
 */
int request_decode(const uint8_t *data, size_t len, struct request *ret);

/* timezone_ok - may this value of TZ cross? "" or a relative name: "Europe/Berlin", no ".." */
bool timezone_ok(const char *value);

/* request_env_ok - may this value of TERM, LANG, COLORTERM cross? */
bool request_env_ok(const char *value);

#endif
