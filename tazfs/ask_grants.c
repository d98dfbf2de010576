/* What was answered: kept, and found again. */
#include "tazfs/ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "enclave/base/io.h"
#include "enclave/base/secret.h"

#define MIN_NS (60 * 1000000000ULL)

/* What an answer means beyond the question. */
static const struct {
	enum ask_end end;
	enum grant_to to;
	bool open; /* only for what is opened by it */
	unsigned minutes;
} meanings[QUESTION_ANSWERS] = {
	[QUESTION_ONCE] = { ASK_YES, GRANT_PROCESS, .open = true },
	[QUESTION_PROCESS] = { ASK_YES, GRANT_PROCESS },
	[QUESTION_SESSION] = { ASK_YES, GRANT_SESSION, .minutes = QUESTION_SESSION_MIN },
	[QUESTION_PROGRAM] = { ASK_YES, GRANT_PROGRAM },
	[QUESTION_NO] = { ASK_NO, GRANT_PROCESS },
	[QUESTION_NEVER] = { ASK_NO, GRANT_PROGRAM },
};

/* For who reads a list: what is cut says so. */
static void put_text(char to[GRANT_TEXT_MAX], const char *from)
{
	if (snprintf(to, GRANT_TEXT_MAX, "%s", from) >= GRANT_TEXT_MAX)
		strcpy(to + GRANT_TEXT_MAX - 4, "...");
}

static void add_grant(struct grants *g, const struct grant *new, uint64_t now)
{
	/* Where all that is kept is "never", one more is not: it is asked about again. */
	if (grants_add(g, new, now) == -ENOSPC && grants_make_room(g) == 0)
		grants_add(g, new, now);
}

enum ask_end asks_keep(struct asks *a, const struct ask_question *q, uint32_t answer)
{
	uint64_t now = io_boottime_ns();
	struct grant g = { .session = q->session, .who = q->who, .may = q->may, .rule = q->rule };

	if (answer == QUESTION_NOBODY)
		return ASK_NOBODY;
	if (!question_offers(q->text.offers, answer))
		return ASK_NO;
	g.yes = meanings[answer].end == ASK_YES;
	g.to = meanings[answer].to;
	if (meanings[answer].minutes)
		g.until_ns = now + meanings[answer].minutes * MIN_NS;
	strcpy(g.path, q->path);
	put_text(g.exe, q->text.exe);
	put_text(g.script, q->text.script);
	add_grant(meanings[answer].open ? &a->open : &a->grants, &g, now);
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
					   .may = what->may,
					   .path = what->path,
					   .now_ns = io_boottime_ns() };
	enum grant_answer answer;

	pthread_mutex_lock(&a->lock);
	answer = grants_answer(&a->grants, &req, NULL);
	if (answer == GRANT_NONE && what->again)
		answer = grants_answer(&a->open, &req, NULL);
	pthread_mutex_unlock(&a->lock);
	*ret = answer == GRANT_YES ? ASK_YES : ASK_NO;
	return answer != GRANT_NONE;
}

void asks_end_session(struct asks *a, uint32_t session)
{
	pthread_mutex_lock(&a->lock);
	grants_end_session(&a->grants, session);
	grants_end_session(&a->open, session);
	pthread_mutex_unlock(&a->lock);
}
