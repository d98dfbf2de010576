/*
 * attach - the host's end of one request: ask, open the passphrase's box, relay until it ends
 */
#ifndef TAZ_LAUNCHER_ATTACH_H
#define TAZ_LAUNCHER_ATTACH_H

#include <stdbool.h>

#include "enclave/base/prompt.h"
#include "launcher/frame.h"

struct attach {
	int in, out, err;      /* borrowed; < 0: nothing to read, or nowhere to show */
	struct prompt *prompt; /* for SESSION; NULL otherwise */
	/* Words for a person: what is not plain text (utf8_clean()) becomes '?'. Whoever is root in
	 * the workshop writes them, and may not steer a terminal of this host's root. */
	bool clean_out, clean_err;
};

/*
 * attach_run - send @req on @stream_fd (taken; its hello has been read) and stay until it ends
 *
 * With REQUEST_TTY @in is a terminal and in raw mode while the program runs. SIGINT, SIGTERM and
 * SIGQUIT go to the program when it has no terminal of its own; SIGHUP hangs up.
 *
 * Returns the program's status (0 to 255, 128 + N for signal N), or, after saying why on stderr,
 *   -EPERM       the passphrase was not accepted, or none was given
 *   -ECONNRESET  the workshop went away
 *   -errno
 */
int attach_run(int stream_fd, const struct request *req, const struct attach *a);

/*
 * attach_capture - EXEC as root, and keep what it prints
 * @err: where its complaints go, cleaned; borrowed; < 0: nowhere
 * @buf, @size: at most @size - 1 bytes and a NUL, cleaned; what is more is not kept anywhere
 * Returns as attach_run().
 */
int attach_capture(int stream_fd, const char *const argv[], int err, char *buf, size_t size);

#endif
