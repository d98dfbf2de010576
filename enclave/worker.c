#include "enclave/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/atrest.h"
#include "enclave/base/cmd.h"
#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"
#include "enclave/base/privs.h"
#include "enclave/base/run.h"
#include "enclave/keybox.h"
#include "enclave/luks.h"
#include "enclave/restore.h"
#include "enclave/saver.h"
#include "enclave/seal.h"
#include "enclave/stack.h"

struct work {
	struct worker_job job;
	int fds[3];
	uint8_t public_key[SECRET_PUBKEY_BYTES];
	struct secret *private_key, *passphrase;
	struct luks_volume vol;
	struct worker_result res;
	enum proto_why why;
};

/* Says why, for the client, and passes the error on. */
static int because(struct work *w, int err, enum proto_why why)
{
	w->why = why;
	return err;
}

static int open_luks(struct work *w, int image)
{
	return atrest_luks(image, w->passphrase, &w->vol, &w->why);
}

/* Authentic is not enough: it must not be an older one than this host has seen. */
static int check_age(struct work *w, const struct seal_footer *footer)
{
	if (w->job.flags & WORKER_ACCEPT_ROLLBACK ||
	    !atrest_is_older(&w->job.seen, footer->generation, footer->vault_id))
		return 0;
	return because(w, -ESTALE, WHY_ROLLED_BACK);
}

static int open_existing(struct work *w, int file, struct keybox *box, int *ret_image)
{
	struct seal_footer footer;
	int r = atrest_read(file, ret_image, &footer, &w->why);

	if (r == 0)
		r = atrest_prove(*ret_image, &footer, w->passphrase, &w->vol, box, &w->why);
	if (r < 0)
		return r;
	w->res.origin = seal_origin_of(&footer);
	return check_age(w, &footer);
}

static int open_new(struct work *w, struct keybox *box, int *ret_image)
{
	bool noswap;
	int r;

	if (!(w->job.flags & WORKER_MAY_CREATE))
		return because(w, -ENOENT, WHY_NO_VAULT);
	if (w->job.seen.generation && !(w->job.flags & WORKER_ACCEPT_ROLLBACK))
		return because(w, -ENOENT, WHY_MISSING);
	*ret_image = stack_image(w->job.vault_bytes, &noswap);
	if (*ret_image < 0)
		return log_err(*ret_image, "make the image in RAM");
	r = luks_format(*ret_image, w->passphrase, &w->vol);
	if (r == -ENOMEM)
		return because(w, r, WHY_MEMORY);
	if (r < 0)
		return log_err(r, "format the vault");
	w->res.created = 1;
	return seal_derive_key(w->vol.key, box);
}

/* A ciphertext that could not be saved at the last lock is newer than the file. */
static int open_ram(struct work *w, struct keybox *box, int image)
{
	int r = open_luks(w, image);

	w->res.origin = w->job.origin;
	return r < 0 ? r : seal_derive_key(w->vol.key, box);
}

static int get_image(struct work *w, struct keybox *box, int *ret_image)
{
	autoclose int file = -EBADF;

	if (w->fds[2] >= 0) {
		*ret_image = take_fd(&w->fds[2]);
		return open_ram(w, box, *ret_image);
	}
	file = openat(w->fds[0], w->job.name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (file >= 0)
		return open_existing(w, file, box, ret_image);
	if (errno != ENOENT)
		return log_err(-errno, "open the sealed vault");
	return open_new(w, box, ret_image);
}

static int do_open(struct work *w, int *ret_fds)
{
	struct stack_owner owner = { .uid = w->job.uid, .gid = w->job.gid };
	struct keybox *box = keybox_map(w->fds[1]);
	/* An image that only RAM has: its key must outlive our errors. */
	bool kept = w->fds[2] >= 0;
	dev_t loop = 0;
	struct stat st;
	int r;

	if (!box)
		return log_err(-errno, "map the seal key's page");
	r = get_image(w, box, &ret_fds[0]);
	if (r == 0) {
		ret_fds[1] = stack_up(ret_fds[0], &w->vol, w->job.dm_name,
				      w->res.created ? &owner : NULL, &box->loop);
		loop = box->loop;
		if (ret_fds[1] < 0)
			r = because(w, ret_fds[1], WHY_KERNEL);
	}
	if (r < 0 && !kept)
		keybox_wipe(box);
	keybox_unmap(box);
	w->res.loop_dev = loop;
	if (r == 0 && fstat(ret_fds[0], &st) == 0)
		w->res.vault_bytes = st.st_size;
	return r;
}

static int do_restore(struct work *w)
{
	struct restore r = { .dir = w->fds[0],
			     .vault = w->job.name,
			     .source = w->job.source,
			     .seen = w->job.seen.generation };

	return restore_run(&r, w->passphrase, &w->res.origin, &w->why);
}

static int unseal(struct work *w)
{
	w->passphrase = secret_new(SECRET_PASSPHRASE_MAX);
	if (!w->passphrase)
		return -errno;
	if (w->job.box_len > sizeof(w->job.box) ||
	    secret_unseal(w->job.box, w->job.box_len, w->public_key, w->private_key,
			  w->passphrase) < 0 ||
	    secret_check_passphrase(w->passphrase) < 0)
		return because(w, -EPERM, WHY_WRONG_PASSPHRASE);
	return 0;
}

static int do_job(struct work *w, int *ret_fds)
{
	int r = unseal(w);

	if (r < 0)
		return r;
	switch (w->job.op) {
	case WORKER_OPEN:
		return do_open(w, ret_fds);
	case WORKER_VERIFY:
		return open_luks(w, w->fds[0]);
	case WORKER_RESTORE:
		return do_restore(w);
	default:
		return -EBADMSG;
	}
}

static int ask(struct work *w)
{
	struct worker_ask msg = { .op = WORKER_ASK };
	int r = secret_keypair(w->public_key, &w->private_key);

	if (r < 0)
		return r;
	memcpy(msg.public_key, w->public_key, sizeof(msg.public_key));
	return msg_send(WORKER_FD, &msg, sizeof(msg), NULL, 0);
}

static void forget(struct work *w)
{
	secret_free(w->passphrase);
	secret_free(w->private_key);
	secret_free(w->vol.key);
}

/* Our parent's death before PR_SET_PDEATHSIG sends no signal, and our getppid(2) is another's then.
 * But what it held is closed before we get another parent, so the socket tells. */
static int keeper_lives(void)
{
	struct pollfd p = { .fd = WORKER_FD, .events = POLLRDHUP };

	if (poll(&p, 1, 0) < 0)
		return -errno;
	return p.revents & (POLLHUP | POLLRDHUP | POLLERR | POLLNVAL) ? -ESRCH : 0;
}

int worker_main(const char *kind)
{
	struct work w = { .fds = { -EBADF, -EBADF, -EBADF }, .res = { .op = WORKER_RESULT } };
	int fds[2] = { -EBADF, -EBADF };
	bool save = !strcmp(kind, "save");
	ssize_t n;
	int r = privs_hide();

	if (r == 0)
		r = privs_die_with_parent(getppid());
	if (r == 0)
		r = keeper_lives();
	if (r == 0)
		r = save ? privs_lock_touched() : privs_lock_memory();
	if (r == 0 && save)
		return saver_main(WORKER_FD);
	if (r == 0)
		r = ask(&w);
	if (r < 0) {
		log_err(r, "start the worker");
		forget(&w);
		return CMD_FAILED;
	}
	n = msg_recv(WORKER_FD, &w.job, sizeof(w.job), w.fds, 3);
	if (n != sizeof(w.job)) {
		forget(&w);
		return n == 0 ? CMD_DONE : CMD_FAILED; /* nobody wants it any more */
	}
	w.res.err = do_job(&w, fds);
	w.res.why = w.why;
	forget(&w);
	r = msg_send(WORKER_FD, &w.res, sizeof(w.res), fds,
		     w.res.err == 0 && w.job.op == WORKER_OPEN ? 2 : 0);
	return r < 0 || w.res.err < 0 ? CMD_FAILED : CMD_DONE;
}

int worker_start(const char *kind, pid_t *ret_pid, int *ret_sock)
{
	autoclose int ours = -EBADF, theirs = -EBADF;
	char *const argv[] = { "enclave", "worker", (char *)kind, NULL };
	int pair[2], r = msg_pair(pair);

	if (r < 0)
		return r;
	ours = pair[0];
	theirs = pair[1];
	r = run_start("/proc/self/exe", argv, NULL,
		      (struct run_fd[]){ { theirs, WORKER_FD }, { STDERR_FILENO, STDERR_FILENO } },
		      2, ret_pid);
	if (r < 0)
		return r;
	*ret_sock = take_fd(&ours);
	return 0;
}
