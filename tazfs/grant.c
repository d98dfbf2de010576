#include "tazfs/grant.h"

#include <errno.h>
#include <string.h>

#include "enclave/base/secret.h"
#include "tazfs/policy.h"

#define FOR_GRANTS(g, x)                                               \
	for (__auto_type x = (g)->all; x < (g)->all + GRANTS_MAX; x++) \
		if (x->number)

static void forget(struct grant *x)
{
	secret_wipe(x, sizeof(*x));
}

static void expire(struct grants *g, uint64_t now_ns)
{
	FOR_GRANTS(g, x)
	if (x->until_ns && x->until_ns <= now_ns)
		forget(x);
}

/* --- who -------------------------------------------------------------------------------------- */

static bool is_same_file(const struct file_id *a, const struct file_id *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

/* Both are known: ino 0 of an executable names nothing. Of a script it is "none". */
static bool runs_same_file(const struct program *a, const struct program *b)
{
	return a->known && b->known && a->exe.ino && is_same_file(&a->exe, &b->exe) &&
	       is_same_file(&a->script, &b->script) && a->doubt == b->doubt;
}

static bool has_same_content(const struct program *a, const struct program *b)
{
	return a->known && b->known && a->hashed && b->hashed &&
	       !memcmp(a->hash, b->hash, sizeof(a->hash));
}

/* The script is what it does, and may be any when it is a guess; without one it does what is typed
 * into it. */
static bool is_interpreter(const struct program *p)
{
	return p->interpreter || p->script.ino || p->doubt;
}

bool grant_can_be_wide(enum grant_to to, const struct program *who)
{
	if (!who->known || !who->hashed || who->doubt)
		return false;
	return !is_interpreter(who) || (to == GRANT_SESSION && who->script.ino);
}

/* Of a wide yes. */
static bool is_content(const struct grant *x, const struct grant_request *req)
{
	return req->plain && has_same_content(&x->who, req->who) &&
	       x->who.script_changed_ns == req->who->script_changed_ns &&
	       grant_can_be_wide(x->to, req->who);
}

static bool is_program(const struct grant *x, const struct grant_request *req)
{
	if (x->yes)
		return is_content(x, req);
	/* Of an interpreter the content is that of every script's. */
	return runs_same_file(&x->who, req->who) ||
	       (has_same_content(&x->who, req->who) && !is_interpreter(&x->who));
}

static bool is_whose(const struct grant *x, const struct grant_request *req)
{
	switch (x->to) {
	case GRANT_PROCESS:
		return x->who.pid == req->who->pid && x->who.start == req->who->start &&
		       runs_same_file(&x->who, req->who);
	case GRANT_SESSION:
		return x->session == req->session && runs_same_file(&x->who, req->who) &&
		       (!x->yes || is_content(x, req));
	default:
		return is_program(x, req);
	}
}

/* --- what ------------------------------------------------------------------------------------- */

static bool is_what(const struct grant *x, const struct grant_request *req)
{
	if (strcmp(x->path, req->path) != 0 || (x->left && req->again))
		return false;
	return x->yes ? (x->may & req->may) == req->may : x->may & req->may;
}

/* Which of two that say yes is to be used: without a count, or else the one that ends first. */
static bool is_better(const struct grant *x, const struct grant *than)
{
	if (!than || !x->left || !than->left)
		return !than || (!x->left && than->left);
	return x->until_ns && (!than->until_ns || x->until_ns < than->until_ns);
}

static struct grant *find(struct grants *g, const struct grant_request *req, bool yes)
{
	struct grant *best = NULL;

	FOR_GRANTS(g, x)
	if (x->yes == yes && is_what(x, req) && is_whose(x, req) && is_better(x, best))
		best = x;
	return best;
}

enum grant_answer grants_answer(struct grants *g, const struct grant_request *req,
				struct grant *ret)
{
	struct grant *x;
	bool yes;

	if (!req->may)
		return GRANT_NONE;
	expire(g, req->now_ns);
	x = find(g, req, false);
	if (!x)
		x = find(g, req, true);
	if (!x)
		return GRANT_NONE;
	yes = x->yes;
	if (ret)
		*ret = *x;
	if (x->left && !--x->left)
		forget(x);
	return yes ? GRANT_YES : GRANT_NO;
}

bool grants_know(struct grants *g, const struct grant_request *req)
{
	expire(g, req->now_ns);
	return req->may && (find(g, req, false) || find(g, req, true));
}

/* --- the table -------------------------------------------------------------------------------- */

static bool names_somebody(const struct grant *x)
{
	const struct program *who = &x->who;

	if (!who->known || !who->exe.ino)
		return false;
	switch (x->to) {
	case GRANT_PROCESS:
		return who->pid > 0;
	case GRANT_SESSION:
		return x->session && (!x->yes || grant_can_be_wide(x->to, who));
	case GRANT_PROGRAM:
		return !x->yes || grant_can_be_wide(x->to, who);
	default:
		return false;
	}
}

/* After an execve(2) of the same interpreter nobody could tell: such a yes is for this once. */
static bool is_too_much(const struct grant *x)
{
	return x->yes && x->who.doubt && (x->to != GRANT_PROCESS || x->left != 1);
}

static bool is_sound(const struct grant *x)
{
	return names_somebody(x) && !is_too_much(x) && x->may && !(x->may & ~(unsigned)MAY_ALL) &&
	       memchr(x->path, '\0', sizeof(x->path)) && (x->yes || !x->left);
}

static struct grant *find_room(struct grants *g, bool yes)
{
	struct grant *oldest = NULL;

	for (struct grant *x = g->all; x < g->all + GRANTS_MAX; x++) {
		if (!x->number)
			return x;
		if (!yes && x->yes && (!oldest || x->number < oldest->number))
			oldest = x;
	}
	return oldest;
}

int grants_add(struct grants *g, const struct grant *new, uint64_t now_ns)
{
	struct grant *x;

	if (!is_sound(new))
		return -EINVAL;
	expire(g, now_ns);
	x = find_room(g, new->yes);
	if (!x)
		return -ENOSPC;
	*x = *new;
	x->number = ++g->last_number;
	return (int)x->number;
}

/* Which of two is to give way: the one about a process, or else the older one. */
static bool gives_way(const struct grant *x, const struct grant *before)
{
	if (!before || (x->to == GRANT_PROCESS) != (before->to == GRANT_PROCESS))
		return !before || x->to == GRANT_PROCESS;
	return x->number < before->number;
}

int grants_make_room(struct grants *g)
{
	struct grant *oldest = NULL;

	FOR_GRANTS(g, x)
	if ((x->to == GRANT_PROCESS || x->yes) && gives_way(x, oldest))
		oldest = x;
	if (!oldest)
		return -ENOSPC;
	forget(oldest);
	return 0;
}

bool grants_are_wide(const struct grants *g, const char *path)
{
	FOR_GRANTS(g, x)
	if (x->to != GRANT_PROCESS && !strcmp(x->path, path))
		return true;
	return false;
}

static struct grant *find_number(struct grants *g, unsigned number)
{
	FOR_GRANTS(g, x)
	if (x->number == number)
		return x;
	return NULL;
}

int grants_revoke(struct grants *g, unsigned number, uint64_t now_ns)
{
	struct grant *x;

	expire(g, now_ns);
	x = find_number(g, number);
	if (!x)
		return -ENOENT;
	if (!x->yes)
		return -EPERM;
	forget(x);
	return 0;
}

void grants_forget(struct grants *g, unsigned number)
{
	struct grant *x = find_number(g, number);

	if (x)
		forget(x);
}

void grants_end_session(struct grants *g, uint32_t session)
{
	FOR_GRANTS(g, x)
	if (x->session == session && x->to != GRANT_PROGRAM)
		forget(x);
}

const struct grant *grants_next(struct grants *g, unsigned after, uint64_t now_ns)
{
	const struct grant *next = NULL;

	expire(g, now_ns);
	FOR_GRANTS(g, x)
	if (x->number > after && (!next || x->number < next->number))
		next = x;
	return next;
}

void grants_clear(struct grants *g)
{
	secret_wipe(g, sizeof(*g));
}
