#include "enclave/keyworker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/cmd.h"
#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"
#include "enclave/base/privs.h"
#include "enclave/luks.h"
#include "enclave/worker.h"

#define BLOCK 4096

_Static_assert(PROTO_KEYS == LUKS_KEYS_MAX, "every key can be listed");

struct keywork {
	struct key_job job;
	struct key_result res;
	uint8_t public_key[SECRET_PUBKEY_BYTES];
	struct secret *private_key, *current, *fresh;
};

/* What luks_change() and luks_list() say, for the client. */
static enum proto_why why_of(int err)
{
	static const struct {
		int err;
		enum proto_why why;
	} table[] = {
		{ -EPERM, WHY_WRONG_PASSPHRASE }, { -ENOMEM, WHY_MEMORY },
		{ -ENOSPC, WHY_NO_SLOT },	  { -EEXIST, WHY_LABEL },
		{ -ENOENT, WHY_NO_KEY },	  { -ENOTUNIQ, WHY_WHICH_KEY },
		{ -EBUSY, WHY_LAST_KEY },	  { -EALREADY, WHY_SAME_KEY },
		{ -EKEYREJECTED, WHY_HEADER },	  { -EINVAL, WHY_DAMAGED },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (table[i].err == err)
			return table[i].why;
	return WHY_NONE;
}

static int copy_header(int from, int to)
{
	autofree uint8_t *buf = malloc(LUKS_HEADER_BYTES);
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	n = io_pread_full(from, buf, LUKS_HEADER_BYTES, 0);
	if (n < 0)
		return n;
	return n == LUKS_HEADER_BYTES ? io_pwrite_full(to, buf, n, 0) : -EINVAL;
}

/* A copy of the header in RAM: libcryptsetup writes into it as it likes. Descriptor or -errno. */
static int header_of(const struct key_job *job, int fd)
{
	autoclose int copy = memfd_create("taz-header", MFD_CLOEXEC);
	autoclose int file = -EBADF;
	int r;

	if (copy < 0)
		return -errno;
	if (job->in_dir) {
		file = openat(fd, job->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (file < 0)
			return -errno;
	}
	r = copy_header(job->in_dir ? file : fd, copy);
	return r < 0 ? r : take_fd(&copy);
}

static int do_list(struct keywork *w, int header)
{
	struct luks_key keys[LUKS_KEYS_MAX];
	struct res_keys *ret = &w->res.keys;
	int n = luks_list(header, keys);

	for (int i = 0; i < n; i++)
		ret->keys[i] = (struct proto_key_info){ .slot = keys[i].slot,
							.memory_kib = keys[i].memory_kib,
							.passes = keys[i].passes,
							.threads = keys[i].threads,
							.token = keys[i].token };
	ret->op = RES_KEYS;
	ret->n = n < 0 ? 0 : n;
	ret->verified = !w->job.in_dir;
	return n < 0 ? n : 0;
}

static int unseal(struct keywork *w, const uint8_t *box, uint32_t len, struct secret **ret)
{
	*ret = secret_new(SECRET_PASSPHRASE_MAX);
	if (!*ret)
		return -ENOMEM;
	if (len > PROTO_BOX_MAX ||
	    secret_unseal(box, len, w->public_key, w->private_key, *ret) < 0 ||
	    secret_check_passphrase(*ret) < 0)
		return -EPERM;
	return 0;
}

static int do_change(struct keywork *w, int header)
{
	static const enum luks_what what[] = {
		[KEY_ADD] = LUKS_ADD, [KEY_REPLACE] = LUKS_REPLACE, [KEY_REMOVE] = LUKS_REMOVE
	};
	const struct req_key_sealed *sealed = &w->job.sealed;
	struct req_key *req = &w->job.req;
	struct luks_change c = { .token = req->token, .which = req->which };
	int r;

	req->which[sizeof(req->which) - 1] = '\0';
	if (req->what < KEY_ADD || req->what > KEY_REMOVE || keytoken_check(&req->token) < 0)
		return -EBADMSG;
	c.what = what[req->what];
	c.token.made_sec = time(NULL);
	r = unseal(w, sealed->current, sealed->current_len, &w->current);
	if (r == 0 && req->what != KEY_REMOVE)
		r = unseal(w, sealed->fresh, sealed->fresh_len, &w->fresh);
	if (r < 0)
		return r;
	c.current = w->current;
	c.fresh = w->fresh;
	r = luks_change(header, &c);
	w->res.slot = r;
	return r < 0 ? r : 0;
}

static int do_job(struct keywork *w, int fd, int *ret_header)
{
	autoclose int header = header_of(&w->job, fd);
	int r;

	if (header < 0)
		return header;
	if (w->job.req.what == KEY_LIST)
		return do_list(w, header);
	r = do_change(w, header);
	if (r == 0)
		*ret_header = take_fd(&header);
	return r;
}

static int ask(struct keywork *w)
{
	struct worker_ask msg = { .op = WORKER_ASK };
	int r = secret_keypair(w->public_key, &w->private_key);

	if (r < 0)
		return r;
	memcpy(msg.public_key, w->public_key, sizeof(msg.public_key));
	return msg_send(WORKER_FD, &msg, sizeof(msg), NULL, 0);
}

static int begin(struct keywork *w)
{
	int r = privs_hide();

	if (r == 0)
		r = privs_die_with_parent(getppid());
	if (r == 0)
		r = privs_lock_memory();
	return r < 0 ? r : ask(w);
}

int keyworker_main(void)
{
	static struct keywork w = { .res = { .op = WORKER_KEY_DONE, .slot = -1 } };
	autoclose int fd = -EBADF, header = -EBADF;
	ssize_t n;
	int r = begin(&w);

	if (r < 0) {
		log_err(r, "start the worker for keys");
		return CMD_FAILED;
	}
	n = msg_recv(WORKER_FD, &w.job, sizeof(w.job), &fd, 1);
	if (n == sizeof(w.job) && w.job.op == WORKER_KEY) {
		w.res.err = do_job(&w, fd, &header);
		w.res.why = w.res.err < 0 ? why_of(w.res.err) : WHY_NONE;
	}
	secret_free(w.current);
	secret_free(w.fresh);
	secret_free(w.private_key);
	if (n != sizeof(w.job))
		return n == 0 ? CMD_DONE : CMD_FAILED; /* nobody wants it any more */
	r = msg_send(WORKER_FD, &w.res, sizeof(w.res), &header, header >= 0 ? 1 : 0);
	return r < 0 || w.res.err < 0 ? CMD_FAILED : CMD_DONE;
}

int keyworker_apply(int header, int image)
{
	uint8_t from[BLOCK], to[BLOCK];

	for (uint64_t at = 0; at < LUKS_HEADER_BYTES; at += BLOCK) {
		int r = 0;

		if (io_pread_full(header, from, BLOCK, at) != BLOCK ||
		    io_pread_full(image, to, BLOCK, at) != BLOCK)
			return -EIO;
		if (memcmp(from, to, BLOCK))
			r = io_pwrite_full(image, from, BLOCK, at);
		if (r < 0)
			return r;
	}
	return 0;
}
