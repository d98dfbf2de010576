/* The policy of a view: where it is kept, and how it comes into force. */
#include "tazfs/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "tazfs/fs.h"
#include "tazfs/own.h"
#include "tazfs/policy_preset.h"

#define NAME  "policy"
#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)

_Static_assert(POLICY_BYTES_MAX == PROTO_POLICY_MAX, "what is sent is what is read");

static const char nobody[] = "deny any - **\n";

/* Says what is wrong with it. */
static int parse(const char *text, size_t size, struct policy **ret)
{
	struct policy_error error;
	int r = policy_parse(text, size, ret, &error);

	if (r == -EINVAL)
		log_warn("the policy, line %u, column %u: %s", error.line, error.column,
			 error.text);
	return r;
}

static int put_in_force(struct view *v, const char *text, size_t size)
{
	struct policy *p;
	int r = parse(text, size, &p);

	if (r == 0)
		judge_set(&v->judge, p);
	return r;
}

int view_policy_load(struct view *v)
{
	autofree char *text = malloc(POLICY_BYTES_MAX);
	const char *preset = policy_preset(POLICY_PRESET_DEFAULT)->text;
	ssize_t n = text ? own_read(v->rootfd, NAME, text, POLICY_BYTES_MAX) : -ENOMEM;
	int r;

	if (n == -ENOENT)
		r = put_in_force(v, preset, strlen(preset));
	else
		r = n < 0 ? (int)n : put_in_force(v, text, n);
	if (r == -EINVAL) {
		log_warn("nobody is let in; 'enclave policy FILE' puts another one in force");
		r = put_in_force(v, nobody, sizeof(nobody) - 1);
	}
	return r;
}

int view_policy_file(struct view *v, int fd, const char *name)
{
	autofree char *text = malloc(POLICY_BYTES_MAX + 1);
	ssize_t n = text ? io_read_full(fd, text, POLICY_BYTES_MAX + 1) : -ENOMEM;

	if (n > POLICY_BYTES_MAX)
		n = -EFBIG;
	if (n < 0)
		return log_err((int)n, "read the policy %s", name);
	return put_in_force(v, text, n);
}

/* Whoever made it could otherwise change it after it was parsed, or let us wait in read(2). */
static bool is_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS;
}

static int keep(struct view *v, const char *text, size_t size)
{
	int r;

	view_changed(v);
	if (!gate_enter(&v->gate))
		return -EBUSY;
	r = own_write(v->rootfd, NAME, text, size);
	gate_leave(&v->gate);
	return r;
}

/* So that the audit tells which rules its verdicts are of. */
static void say_replaced(struct view *v, const char *text, size_t size)
{
	char said[96], sum[POLICY_SUM_MAX];

	policy_sum(text, size, sum);
	snprintf(said, sizeof(said), AUDIT_NOTE_POLICY "%zu bytes" AUDIT_NOTE_SHA256 "%s", size,
		 sum);
	view_audit_say(v, said);
}

struct dropping {
	struct fs *fs;
	int err; /* the first one: the others are dropped all the same */
};

static int drop_one(void *arg, struct node *n, bool is_dir, uint64_t cached, unsigned writers)
{
	struct dropping *d = arg;
	int r = !is_dir && cached ? fs_wipe(d->fs, node_id(n), 0) : 0;

	if (r < 0 && d->err == 0)
		d->err = r;
	return 0;
}

/* What the kernel has of files it gives to whoever has them open. Now nothing of it is asked for
 * without us; what maps have changed is written back by this. */
static int begin_rechecks(struct view *v)
{
	struct dropping d = { .fs = v->fs };

	node_each(v->nodes, drop_one, &d);
	return d.err < 0 ? log_err(d.err, "drop cached pages of files that are open; the policy is "
					  "in force, and who has them may read those pages on")
			 : 0;
}

int view_policy_set(struct view *v, int fd)
{
	bool reopened = atomic_load(&v->judge.reopens);
	autofree char *text = malloc(POLICY_BYTES_MAX + 1);
	struct policy *p;
	ssize_t n;
	int r;

	if (!text)
		return -ENOMEM;
	if (!is_sealed(fd))
		return -EINVAL;
	n = io_pread_full(fd, text, POLICY_BYTES_MAX + 1, 0);
	if (n < 0 || n > POLICY_BYTES_MAX)
		return n < 0 ? (int)n : -EINVAL;
	r = parse(text, n, &p);
	if (r < 0)
		return r;
	r = keep(v, text, n);
	if (r < 0) {
		policy_free(p);
		return r;
	}
	judge_set(&v->judge, p);
	say_replaced(v, text, n);
	return !reopened && atomic_load(&v->judge.reopens) ? begin_rechecks(v) : 0;
}
