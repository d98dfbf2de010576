#include "enclave/base/question.h"

#include <errno.h>
#include <string.h>

#define MAY_BITS 6

#define ENDS(text) memchr(text, '\0', sizeof(text))

unsigned question_times(uint32_t answer)
{
	return answer >= QUESTION_TIMES + 2 && answer < QUESTION_ANSWERS ? answer - QUESTION_TIMES
									 : 0;
}

bool question_offers(uint32_t offers, uint32_t answer)
{
	if (answer >= QUESTION_TIMES)
		return question_times(answer) && offers & QUESTION_OFFERS_SESSION;
	switch (answer) {
	case QUESTION_SESSION:
		return offers & QUESTION_OFFERS_SESSION;
	case QUESTION_PROGRAM:
		return offers & QUESTION_OFFERS_PROGRAM;
	default:
		return answer != QUESTION_OPEN;
	}
}

int question_check(const struct question *q)
{
	if (!q->may || q->may >> MAY_BITS || q->hashed > 1 || q->more_args > 1 ||
	    q->more_chain > 1 || q->n_chain > QUESTION_CHAIN || q->offers & ~QUESTION_OFFERS)
		return -EBADMSG;
	if (q->offers & QUESTION_OFFERS_PROGRAM && !q->hashed)
		return -EBADMSG;
	if (!ENDS(q->path) || !ENDS(q->exe) || !ENDS(q->script) || !ENDS(q->args))
		return -EBADMSG;
	for (uint32_t i = 0; i < q->n_chain; i++)
		if (!ENDS(q->chain[i]))
			return -EBADMSG;
	return *q->path && *q->exe ? 0 : -EBADMSG;
}
