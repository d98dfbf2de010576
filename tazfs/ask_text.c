/* Who asks: facts to know it again by, and words for a person. */
#include "tazfs/ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tazfs/view.h"

/* Whole, or not at all: what is cut could be another one. */
static int put_whole(char *to, size_t size, const char *from)
{
	if (strlen(from) >= size)
		return -ENAMETOOLONG;
	strcpy(to, from);
	return 0;
}

static void put_args(struct question *q, const struct caller_text *text)
{
	size_t n = text->args_size ? text->args_size - 1 : 0; /* the last NUL stays one */

	q->more_args = text->args_cut || n >= sizeof(q->args);
	if (n >= sizeof(q->args))
		n = sizeof(q->args) - 1;
	for (size_t i = 0; i < n; i++)
		q->args[i] = text->args[i] ? text->args[i] : ' ';
}

static void put_chain(struct question *q, const struct facts *facts)
{
	for (unsigned i = 1; i < facts->n_chain && q->n_chain < QUESTION_CHAIN; i++) {
		char *to = q->chain[q->n_chain];

		if (caller_exe(&facts->chain[i], to, QUESTION_TEXT) < 0)
			strcpy(to, "?");
		q->n_chain++;
	}
	q->more_chain = facts->n_chain > QUESTION_CHAIN + 1;
}

static uint32_t offers_of(const struct ask_who *who)
{
	if (!who->plain)
		return 0;
	return (grant_can_be_wide(GRANT_SESSION, &who->runs) ? QUESTION_OFFERS_SESSION : 0) |
	       (grant_can_be_wide(GRANT_PROGRAM, &who->runs) ? QUESTION_OFFERS_PROGRAM : 0);
}

static int put_words(struct question *q, const struct ask_what *what, const struct facts *facts,
		     uint32_t offers)
{
	const struct program *who = &facts->chain[0];
	struct caller_text text;
	int r = caller_text(who, &text);

	*q = (struct question){ .may = what->may, .pid = (uint32_t)who->pid, .offers = offers };
	if (r == 0)
		r = put_whole(q->path, sizeof(q->path), *what->path ? what->path : ".");
	if (r == 0)
		r = put_whole(q->exe, sizeof(q->exe), text.exe);
	if (r == 0 && who->script.ino)
		r = put_whole(q->script, sizeof(q->script), text.script);
	if (r < 0)
		return r;
	if (who->hashed) {
		q->hashed = 1;
		memcpy(q->hash, who->hash, sizeof(q->hash));
	}
	put_args(q, &text);
	put_chain(q, facts);
	return question_check(q);
}

#define CLOSELY (FACT_HASH | FACT_ENV | FACT_TRACED)

int ask_describe(struct view *v, const struct ask_what *what, bool closely, struct ask_who *ret_who,
		 struct question *ret_text)
{
	unsigned needs =
		FACT_EXE | FACT_SCRIPT | (ret_text ? FACT_CHAIN : 0) | (closely ? CLOSELY : 0);
	struct facts facts;
	int r = callers_facts(v->callers, what->tid, needs, &facts);

	if (r < 0)
		return r;
	if (!facts.n_chain || !facts.chain[0].known || facts.session != what->session)
		return -ESRCH;
	*ret_who = (struct ask_who){ .runs = facts.chain[0],
				     .plain = closely && facts.clean_env && !facts.traced };
	return ret_text ? put_words(ret_text, what, &facts, offers_of(ret_who)) : 0;
}
