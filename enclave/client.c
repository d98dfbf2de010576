#include "enclave/client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"
#include "enclave/base/proc.h"

#define LOOK_MS	  2000	/* between two looks at a keeper that does not answer */
#define ANSWER_MS 10000 /* for what it answers at once */

static const char *const why_text[] = {
	[WHY_NO_VAULT] = "there is no vault yet; make one with --create",
	[WHY_WRONG_PASSPHRASE] = "wrong passphrase",
	[WHY_DAMAGED] = "the sealed vault is damaged: it is cut short or cannot be read; "
			"restore the file from a copy",
	[WHY_TAMPERED] = "the sealed vault was changed by someone without its key; it is not "
			 "opened; restore the file from a copy",
	[WHY_BUSY] = "another unlock or lock is under way; try again in a moment",
	[WHY_LOCKED] = "the vault is locked; open a session first ('enclave unlock')",
	[WHY_NOT_YOURS] = "only the vault's owner may do that, on a directory of its own",
	[WHY_NO_TERMINAL] = "there is no terminal whose shell could become the session",
	[WHY_KERNEL] = "the kernel refused a part of the vault's stack; "
		       "'tazlaunch status' and the workshop's log say which",
	[WHY_NOT_SAVED] = "the sealed file could not be written; the ciphertext stays "
			  "in RAM: make room, then 'enclave save'",
	[WHY_SAVE_HANGS] = "not saved yet: the disk of the sealed file does not answer; the "
			   "ciphertext stays in RAM and is saved when it does; 'enclave status' "
			   "tells",
	[WHY_HEADER] = "the vault's LUKS2 header asks for weaker protection than taz accepts; it "
		       "is not opened; restore the file from a copy",
	[WHY_ROLLED_BACK] =
		"the sealed vault is authentic, but older than what this host has seen: it "
		"was rolled back",
	[WHY_MISSING] = "the sealed vault is gone, and this host has seen it before: put it back "
			"(a kept state lies beside it: cp); --accept-rollback --create makes a new "
			"one",
	[WHY_CONFLICT] =
		"somebody else has written the sealed file meanwhile; it is left as it is, "
		"and this session is saved beside it",
	[WHY_NO_SUCH] = "there is no such kept state; 'enclave history' lists them",
	[WHY_OPEN] = "the vault is open; lock it first ('enclave lock')",
	[WHY_WAIT] = "too many wrong passphrases",
	[WHY_MEMORY] = "there is not enough memory for the key derivation of that key; give the "
		       "workshop more, or open the vault with the recovery key, which needs little",
	[WHY_NO_SLOT] = "seven keys are the most; remove one first ('enclave key list')",
	[WHY_LABEL] =
		"another key has that label; choose one that 'enclave key list' does not show",
	[WHY_NO_KEY] = "there is no such key, or it is no passphrase; see 'enclave key list'",
	[WHY_WHICH_KEY] = "there are several passphrases; say which one with --slot",
	[WHY_LAST_KEY] = "it is the last key; add another one first",
	[WHY_UNPROVED] = "the policy is changed by 'enclave policy', which asks for the passphrase",
	[WHY_POLICY] =
		"the policy has a mistake; 'tazfs policy check FILE' says where; the old one "
		"stays in force",
	[WHY_DISK] =
		"the disk of the sealed file does not answer those who asked before; try again "
		"when it does",
	[WHY_SAME_KEY] = "the new passphrase is the old one; nothing was changed",
};

const char *client_why(enum proto_why why)
{
	return (size_t)why < sizeof(why_text) / sizeof(*why_text) ? why_text[why] : NULL;
}

static int reach(void)
{
	int sock = msg_connect(PROTO_SOCKET, SOCK_SEQPACKET);

	return sock == -ETIMEDOUT ? -EHOSTDOWN : sock;
}

static pid_t keeper_pid(int sock)
{
	struct ucred who;
	socklen_t size = sizeof(who);

	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 ? 0 : who.pid;
}

/* By a signal or a tracer. What can't be seen is no reason to give up. */
static bool is_stopped(pid_t pid)
{
	autoclose int proc = pid > 0 ? proc_open(pid) : -EBADF;
	struct proc_stat st;

	return proc >= 0 && proc_stat_read(proc, &st) == 0 && (st.state == 'T' || st.state == 't');
}

/* What takes as long as it takes (a passphrase, a save, a lock) has no limit. */
static unsigned limit_ms(uint32_t op)
{
	return op == RES_STATUS || op == RES_HISTORY || op == RES_KEYS ? ANSWER_MS : UINT_MAX;
}

/* One that is frozen (a control group), or hangs, does not look stopped. Whoever works on something
 * else answers this at once; that it turns us away is an answer, too. */
static bool is_alive(void)
{
	struct res_status status;

	return client_status(&status) != -EHOSTDOWN;
}

/* Until there is something to read. A keeper that is stopped at two looks is not waited for. */
static int await(int sock, unsigned limit)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	bool was_stopped = false, stopped;
	unsigned waited = 0;

	for (;;) {
		int r = poll(&p, 1, LOOK_MS);

		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r < 0)
			continue;
		waited += LOOK_MS;
		stopped = is_stopped(keeper_pid(sock));
		if ((stopped && was_stopped) || waited >= limit)
			return -EHOSTDOWN;
		if (waited % ANSWER_MS == 0 && !is_alive() && poll(&p, 1, 0) <= 0)
			return -EHOSTDOWN;
		was_stopped = stopped;
	}
}

/* Waits for one answer of exactly @size bytes that begins with @op, or a res_done. */
static int answer(int sock, uint32_t op, void *res, size_t size, struct res_done *done)
{
	union {
		uint32_t op;
		struct res_done done;
		struct res_status status;
		struct res_seal_to seal;
		struct res_lock lock;
		struct res_history history;
		struct res_keys keys;
	} buf;
	ssize_t n = await(sock, limit_ms(op));

	if (n < 0)
		return (int)n;
	n = msg_recv(sock, &buf, sizeof(buf), NULL, 0);
	if (n <= 0)
		return n < 0 ? (int)n : -ECONNRESET;
	if (buf.op == RES_DONE && n == sizeof(buf.done)) {
		*done = buf.done;
		if (op != RES_DONE)
			return buf.done.err < 0 ? buf.done.err : -EBADMSG;
		return buf.done.err;
	}
	if ((buf.op != op && (op != RES_LOCK || buf.op != RES_LOCK_TRYING)) || (size_t)n != size)
		return -EBADMSG;
	memcpy(res, &buf, size);
	return 0;
}

static int ask(int sock, const void *req, size_t req_size, int fd, uint32_t op, void *res,
	       size_t size, struct res_done *done)
{
	int r = msg_send(sock, req, req_size, &fd, fd >= 0 ? 1 : 0);

	return r < 0 ? r : answer(sock, op, res, size, done);
}

static int call(uint32_t op, int fd, uint32_t res_op, void *res, size_t size, struct res_done *done)
{
	autoclose int sock = reach();
	struct req_plain req = { .op = op };

	if (sock < 0)
		return sock;
	return ask(sock, &req, sizeof(req), fd, res_op, res, size, done);
}

/* What a stopped one had open ends by itself: the view looks after it. */
static void say_silent(char *buf, size_t size)
{
	autoclose int sock = msg_connect(PROTO_SOCKET, SOCK_SEQPACKET | SOCK_NONBLOCK);
	char who[32] = "";

	/* Not when more wait for it than it has room for. */
	if (sock >= 0)
		snprintf(who, sizeof(who), " (process %d)", keeper_pid(sock));
	snprintf(
		buf, size,
		"the keeper%s does not answer: it is stopped, or hangs. The view notices it within "
		"%d s, and locks what was open; 'kill -CONT' lets the keeper go on, 'kill -9' (by "
		"root) ends it, and what was not saved is lost",
		who, (VIEW_PULSES + 1) * VIEW_PULSE_SEC);
}

bool client_no_keeper(int err, char *buf, size_t size)
{
	if (err == -ENOENT)
		snprintf(
			buf, size,
			"no keeper is running here ('enclave serve' is started by 'tazlaunch up')");
	else if (err == -ECONNREFUSED)
		snprintf(buf, size,
			 "the keeper has ended; start the workshop again ('tazlaunch up')");
	else if (err == -EHOSTDOWN)
		say_silent(buf, size);
	else
		return false;
	return true;
}

int client_say(int err, enum proto_why why, const char *what)
{
	char text[256];

	if (why != WHY_NONE)
		log_error("%s", client_why(why));
	else if (client_no_keeper(err, text, sizeof(text)))
		log_error("%s", text);
	else
		log_err(err, "%s", what);
	return err;
}

int client_status(struct res_status *ret)
{
	struct res_done done = { 0 };

	return call(REQ_STATUS, -EBADF, RES_STATUS, ret, sizeof(*ret), &done);
}

int client_mount(int dirfd, enum proto_why *ret_why)
{
	struct res_done done = { 0 };
	int r = call(REQ_MOUNT, dirfd, RES_DONE, NULL, 0, &done);

	*ret_why = done.why;
	return r;
}

static int call_lock(uint32_t op, struct res_lock *ret,
		     void (*trying)(const struct res_lock *so_far))
{
	autoclose int sock = reach();
	struct req_plain req = { .op = op };
	struct res_done done = { 0 };
	int r = sock < 0 ? sock : 0;

	*ret = (struct res_lock){ 0 };
	if (r == 0)
		r = ask(sock, &req, sizeof(req), -EBADF, RES_LOCK, ret, sizeof(*ret), &done);
	while (r == 0 && ret->op == RES_LOCK_TRYING) {
		if (trying)
			trying(ret);
		r = answer(sock, RES_LOCK, ret, sizeof(*ret), &done);
	}
	if (r < 0) {
		ret->why = done.why;
		/* A leave that locks nothing is answered in short. */
		return op == REQ_LEAVE && done.op == RES_DONE ? done.err : r;
	}
	return ret->err;
}

int client_lock(struct res_lock *ret, void (*trying)(const struct res_lock *so_far))
{
	return call_lock(REQ_LOCK, ret, trying);
}

int client_leave(struct res_lock *ret, void (*trying)(const struct res_lock *so_far))
{
	return call_lock(REQ_LEAVE, ret, trying);
}

const char *client_check_name(enum proto_check check)
{
	static const char *const names[PROTO_CHECKS] = { "view", "mapping", "loop", "mount",
							 "key" };

	return (size_t)check < PROTO_CHECKS ? names[check] : "?";
}

void client_hold_text(const struct proto_holder *h, char *buf, size_t size)
{
	static const char *const words[PROTO_HOLDS] = {
		[HOLD_FD] = "fd",
		[HOLD_CWD] = "working directory",
		[HOLD_ROOT] = "root directory",
		[HOLD_EXE] = "the program that runs",
		[HOLD_MAP] = "map",
		[HOLD_DEVICE] = "the mapping as a device, fd",
		[HOLD_LOOP] = "the loop device, fd",
		[HOLD_MOUNT] = "mount at",
		[HOLD_STACKED] = "block device on top:",
		[HOLD_UNKNOWN] =
			"nobody that /proc shows: a descriptor in flight, or the kernel itself",
	};
	int n = snprintf(buf, size, "%s", h->how < PROTO_HOLDS ? words[h->how] : "?");

	if (n > 0 && (size_t)n < size && h->fd >= 0)
		n += snprintf(buf + n, size - n, " %d", h->fd);
	if (n > 0 && (size_t)n < size && h->where[0])
		n += snprintf(buf + n, size - n, " %.63s", h->where);
	if (n > 0 && (size_t)n < size && h->more)
		snprintf(buf + n, size - n, " and %u more", h->more);
}

int client_save(struct res_done *ret)
{
	*ret = (struct res_done){ 0 };
	return call(REQ_SAVE, -EBADF, RES_DONE, NULL, 0, ret);
}

int client_history(struct res_history *ret, enum proto_why *ret_why)
{
	struct res_done done = { 0 };
	int r = call(REQ_HISTORY, -EBADF, RES_HISTORY, ret, sizeof(*ret), &done);

	*ret_why = done.why;
	return r;
}

/* A request that begins a conversation: the connection stays. */
static int begin(const void *req, size_t size, struct res_seal_to *ret_seal, struct res_done *ret)
{
	autoclose int sock = reach();
	int r;

	*ret = (struct res_done){ 0 };
	if (sock < 0)
		return sock;
	r = ask(sock, req, size, -EBADF, RES_SEAL_TO, ret_seal, sizeof(*ret_seal), ret);
	return r < 0 ? r : take_fd(&sock);
}

int client_open(uint32_t flags, struct res_seal_to *ret_seal, struct res_done *ret)
{
	struct req_open req = { .op = REQ_OPEN, .flags = flags };

	return begin(&req, sizeof(req), ret_seal, ret);
}

/* The sealed passphrase for either of the two; the answer is the verdict. */
static int send_box(enum proto_op op, int sock, const uint8_t *box, uint32_t len, int fd,
		    struct res_done *ret)
{
	struct req_sealed req = { .op = op, .len = len };

	*ret = (struct res_done){ 0 };
	if (len > sizeof(req.box))
		return -EMSGSIZE;
	memcpy(req.box, box, len);
	return ask(sock, &req, sizeof(req), fd, RES_DONE, NULL, 0, ret);
}

int client_policy(int sock, int fd, struct res_done *ret)
{
	struct req_plain req = { .op = REQ_POLICY };

	*ret = (struct res_done){ 0 };
	return ask(sock, &req, sizeof(req), fd, RES_DONE, NULL, 0, ret);
}

int client_sealed(int sock, const uint8_t *box, uint32_t len, int asks, struct res_done *ret)
{
	return send_box(REQ_SEALED, sock, box, len, asks, ret);
}

int client_restore(const char *what, struct res_seal_to *ret_seal, struct res_done *ret)
{
	struct req_restore req = { .op = REQ_RESTORE };

	if (strlen(what) >= sizeof(req.what)) {
		*ret = (struct res_done){ .why = WHY_NO_SUCH };
		return -ENOENT;
	}
	strcpy(req.what, what);
	return begin(&req, sizeof(req), ret_seal, ret);
}

int client_restore_sealed(int sock, const uint8_t *box, uint32_t len, struct res_done *ret)
{
	return send_box(REQ_RESTORE_SEALED, sock, box, len, -EBADF, ret);
}

int client_keys(struct res_keys *ret, struct res_done *ret_done)
{
	autoclose int sock = reach();
	struct req_key req = { .op = REQ_KEY, .what = KEY_LIST };
	int r;

	*ret_done = (struct res_done){ 0 };
	if (sock < 0)
		return sock;
	r = ask(sock, &req, sizeof(req), -EBADF, RES_KEYS, ret, sizeof(*ret), ret_done);
	return r == 0 && ret->n > PROTO_KEYS ? -EBADMSG : r;
}

int client_key(struct req_key *req, struct res_seal_to *ret_seal, struct res_done *ret)
{
	req->op = REQ_KEY;
	return begin(req, sizeof(*req), ret_seal, ret);
}

int client_key_sealed(int sock, struct req_key_sealed *req, struct res_done *ret)
{
	*ret = (struct res_done){ 0 };
	req->op = REQ_KEY_SEALED;
	return ask(sock, req, sizeof(*req), -EBADF, RES_DONE, NULL, 0, ret);
}
