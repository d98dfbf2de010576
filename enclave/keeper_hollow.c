/*
 * In the middle of a lock: the view has synced the store and wants its device to read as zeros, so
 * that it can overwrite what ext4 has cached. That takes the key away, too, before the view is
 * dead.
 *
 * Making a file system hold still may block for as long as somebody pleases, so it is done in a
 * child that can be left behind; the lock's own bound goes on running meanwhile. The view never
 * sends writes to a device that it has not seen to be hollow, so whatever happens here costs no
 * data.
 */
#include "enclave/keeper_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"
#include "enclave/base/privs.h"
#include "enclave/churn.h"
#include "enclave/dm.h"

static void answer(struct keeper *k, int err)
{
	struct view_plain msg = { .op = VIEW_HOLLOWED, .err = err };

	if (err < 0)
		log_err(err, "take the key of %s away before the view ends", k->dm_name);
	if (k->view.fd >= 0)
		msg_send(k->view.fd, &msg, sizeof(msg), NULL, 0);
}

/* The child has written its result, or died. */
static void on_done(struct keeper *k, struct source *s)
{
	int err = -EIO;

	if (read(s->fd, &err, sizeof(err)) != sizeof(err))
		err = -EIO;
	keeper_unwatch(k, s);
	answer(k, err);
}

/* Keeps nothing of the keeper's: whoever waits for the keeper's end must not wait for ours. */
_Noreturn static void child(const char *dm_name, pid_t keeper, int out)
{
	int err;

	dm_forget_control();
	if (dup2(out, 3) < 0 || close_range(4, ~0U, 0) < 0)
		_exit(1);
	err = privs_die_with_parent(keeper);
	if (err == 0)
		err = dm_replace_still(dm_name, "zero");
	if (write(3, &err, sizeof(err)) != sizeof(err))
		_exit(1);
	churn();
	_exit(0);
}

static int start(struct keeper *k)
{
	autoclose int in = -EBADF, out = -EBADF;
	int pair[2], r;
	pid_t keeper = getpid(), pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	in = pair[0];
	out = pair[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child(k->dm_name, keeper, out);
	r = keeper_watch(k, &k->hollow, in, on_done);
	if (r == 0)
		take_fd(&in);
	return r;
}

void hollow_start(struct keeper *k)
{
	int r = k->state == LS_CLOSING && k->hollow.fd < 0 ? start(k) : -EBADMSG;

	if (r < 0)
		answer(k, r);
}

void hollow_forget(struct keeper *k)
{
	keeper_unwatch(k, &k->hollow);
}
