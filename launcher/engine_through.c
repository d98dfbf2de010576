/*
 * through: a workshop that runs elsewhere, reached by a command of the user's (through.h)
 *
 * Nothing of it is started, stopped or built from here, so it is in no table of engines: only
 * --through chooses it.
 */
#include <errno.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "launcher/engine.h"
#include "launcher/frame_io.h"
#include "launcher/through.h"

#define HELLO_MS 30000 /* a cluster may be slow */

static int greeted = -EBADF; /* by a look whether it runs; it is for the request that follows */

int through_connect(const char *command, int hello_ms)
{
	autoclose int fd = through_start(command);
	int r = fd < 0 ? fd : frame_hello_wait(fd, hello_ms);

	if (r == 0)
		return take_fd(&fd);
	if (fd < 0)
		log_err(r, "start '%s'", command);
	else if (r == -ETIMEDOUT)
		log_error("nothing came through '%s' in %g seconds: is a workshop there?", command,
			  hello_ms / 1000.0);
	else if (r == -EBADMSG)
		log_error("what came through '%s' is not a workshop's greeting: it has to run the "
			  "words that follow it there, and print nothing else",
			  command);
	else
		log_error("no workshop was reached through '%s'", command);
	return r;
}

static int through_running(const struct client *c, const struct workshop *w)
{
	if (greeted < 0)
		greeted = through_connect(w->through, HELLO_MS);
	return greeted < 0 ? greeted : 1;
}

static int through_dial(const struct client *c, const struct workshop *w)
{
	return greeted >= 0 ? take_fd(&greeted) : through_connect(w->through, HELLO_MS);
}

const struct engine engine_through = {
	.name = "through",
	.running = through_running,
	.dial = through_dial,
};
