/* What was answered: kept, found again, listed, and taken back. */
#include "tazfs/ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/proc.h"
#include "enclave/base/secret.h"
#include "tazfs/view.h"

#define MIN_NS (60 * 1000000000ULL)

/* What an answer means beyond the question. */
static const struct {
	enum ask_end end;
	enum grant_to to;
	bool open; /* only for what is opened by it */
	unsigned minutes;
} meanings[] = {
	[QUESTION_ONCE] = { ASK_YES, GRANT_PROCESS, .open = true },
	[QUESTION_PROCESS] = { ASK_YES, GRANT_PROCESS },
	[QUESTION_SESSION] = { ASK_YES, GRANT_SESSION, .minutes = QUESTION_SESSION_MIN },
	[QUESTION_PROGRAM] = { ASK_YES, GRANT_PROGRAM },
	[QUESTION_TIMES] = { ASK_YES, GRANT_SESSION },
	[QUESTION_NO] = { ASK_NO, GRANT_PROCESS },
	[QUESTION_NEVER] = { ASK_NO, GRANT_PROGRAM },
};

/* For who reads a list: what is cut says so. */
static void put_text(char to[GRANT_TEXT_MAX], const char *from)
{
	if (snprintf(to, GRANT_TEXT_MAX, "%s", from) >= GRANT_TEXT_MAX)
		strcpy(to + GRANT_TEXT_MAX - 4, "...");
}

static void add_grant(struct asks *a, struct grants *g, const struct grant *new, uint64_t now)
{
	int r = grants_add(g, new, now);

	/* Where all that is kept is "never", one more is not: it is asked about again. */
	if (r == -ENOSPC && grants_make_room(g) == 0)
		r = grants_add(g, new, now);
	if (r > 0)
		a->grants.last_number = a->open.last_number = (unsigned)r;
}

/* One of so many times is used up: what that process does with what it opens is not counted. */
static void add_opened(struct asks *a, const struct grant *by, const struct program *who,
		       unsigned may, uint64_t now)
{
	struct grant g = *by;

	g.to = GRANT_PROCESS;
	g.who = *who;
	g.may = may;
	g.left = 0;
	add_grant(a, &a->open, &g, now);
	secret_wipe(&g, sizeof(g));
}

enum ask_end asks_keep(struct asks *a, const struct ask_question *q, uint32_t answer)
{
	uint64_t now = io_boottime_ns();
	struct grant g = { .session = q->session, .who = q->who, .may = q->may, .rule = q->rule };
	unsigned times = question_times(answer);

	if (answer == QUESTION_NOBODY)
		return ASK_NOBODY;
	if (!question_offers(q->text.offers, answer))
		return ASK_NO;
	if (times)
		answer = QUESTION_TIMES;
	g.yes = meanings[answer].end == ASK_YES;
	g.left = times ? times - 1 : 0; /* this is the first */
	g.to = meanings[answer].to;
	if (meanings[answer].minutes)
		g.until_ns = now + meanings[answer].minutes * MIN_NS;
	strcpy(g.path, q->path);
	put_text(g.exe, q->text.exe);
	put_text(g.script, q->text.script);
	add_grant(a, meanings[answer].open ? &a->open : &a->grants, &g, now);
	if (times)
		add_opened(a, &g, &q->who, q->may, now);
	secret_wipe(&g, sizeof(g));
	return meanings[answer].end;
}

bool asks_know(struct asks *a, const struct ask_question *q)
{
	const struct grant_request req = { .who = &q->who,
					   .plain = q->text.offers,
					   .session = q->session,
					   .may = q->may,
					   .path = q->path,
					   .now_ns = io_boottime_ns() };

	return grants_know(&a->grants, &req);
}

bool asks_are_wide(struct asks *a, const char *path)
{
	bool wide;

	pthread_mutex_lock(&a->lock);
	wide = grants_are_wide(&a->grants, path);
	pthread_mutex_unlock(&a->lock);
	return wide;
}

bool asks_are_answered(struct asks *a, const struct ask_what *what, const struct ask_who *who,
		       enum ask_end *ret)
{
	const struct grant_request req = { .who = &who->runs,
					   .plain = who->plain,
					   .session = what->session,
					   .again = what->again,
					   .may = what->may,
					   .path = what->path,
					   .now_ns = io_boottime_ns() };
	struct grant by = { 0 };
	enum grant_answer answer;

	pthread_mutex_lock(&a->lock);
	answer = grants_answer(&a->grants, &req, &by);
	if (by.left)
		add_opened(a, &by, req.who, req.may, req.now_ns);
	if (answer == GRANT_NONE && what->again)
		answer = grants_answer(&a->open, &req, NULL);
	pthread_mutex_unlock(&a->lock);
	secret_wipe(&by, sizeof(by));
	*ret = answer == GRANT_YES ? ASK_YES : ASK_NO;
	return answer != GRANT_NONE;
}

/* --- a list, and what is taken back ----------------------------------------------------------- */

/* What cannot be found out is no end. */
static bool has_ended(const struct program *p)
{
	autoclose int procfd = proc_open(p->pid);
	struct proc_stat st;
	int r;

	if (procfd < 0)
		return procfd == -ENOENT || procfd == -ESRCH;
	r = proc_stat_read(procfd, &st);
	return r == -ESRCH || (r == 0 && st.start != p->start);
}

static bool find_next(struct asks *a, unsigned after, bool again, struct ask_kept *ret)
{
	uint64_t now = io_boottime_ns();
	const struct grant *x, *once;

	pthread_mutex_lock(&a->lock);
	x = grants_next(&a->grants, after, now);
	once = again ? grants_next(&a->open, after, now) : NULL;
	ret->once = once && (!x || once->number < x->number);
	if (ret->once)
		x = once;
	if (x) {
		ret->grant = *x;
		ret->left_ns = x->until_ns ? x->until_ns - now : 0;
	}
	pthread_mutex_unlock(&a->lock);
	return x;
}

static void forget(struct asks *a, unsigned number)
{
	pthread_mutex_lock(&a->lock);
	grants_forget(&a->grants, number);
	grants_forget(&a->open, number);
	pthread_mutex_unlock(&a->lock);
}

bool asks_next(struct asks *a, unsigned after, bool again, struct ask_kept *ret)
{
	while (find_next(a, after, again, ret)) {
		after = ret->grant.number;
		if (ret->grant.to != GRANT_PROCESS || !has_ended(&ret->grant.who))
			return true;
		forget(a, after);
	}
	return false;
}

static int take_back(struct asks *a, unsigned number)
{
	uint64_t now = io_boottime_ns();
	int r;

	pthread_mutex_lock(&a->lock);
	r = grants_revoke(&a->grants, number, now);
	if (r == -ENOENT)
		r = grants_revoke(&a->open, number, now);
	pthread_mutex_unlock(&a->lock);
	return r == -ENOENT ? -ESRCH : r;
}

/* The number is in no other record: so the audit says what it was about. */
static void say_revoked(struct view *v, const struct grant *x, pid_t by)
{
	char text[GRANT_PATH_MAX + 128];

	snprintf(text, sizeof(text), "answer %u was taken back by process %d: %s", x->number, by,
		 *x->path ? x->path : ".");
	view_audit_say(v, text);
	secret_wipe(text, sizeof(text));
}

int asks_revoke(struct view *v, unsigned number, pid_t by)
{
	struct ask_kept x;
	int r = -ESRCH;

	if (number && asks_next(v->asks, number - 1, true, &x) && x.grant.number == number)
		r = take_back(v->asks, number);
	if (r == 0)
		say_revoked(v, &x.grant, by);
	secret_wipe(&x, sizeof(x));
	return r;
}

/* What was spent as long as reads were not decided again would count when they are. */
unsigned asks_revoke_all(struct view *v, pid_t by)
{
	bool again = judge_rechecks(&v->judge);
	struct ask_kept x = { 0 };
	unsigned n = 0;

	while (asks_next(v->asks, x.grant.number, true, &x)) {
		if (!x.grant.yes || take_back(v->asks, x.grant.number) < 0 || (x.once && !again))
			continue;
		say_revoked(v, &x.grant, by);
		n++;
	}
	secret_wipe(&x, sizeof(x));
	return n;
}

void asks_end_session(struct asks *a, uint32_t session)
{
	pthread_mutex_lock(&a->lock);
	grants_end_session(&a->grants, session);
	grants_end_session(&a->open, session);
	pthread_mutex_unlock(&a->lock);
}
