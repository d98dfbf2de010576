/*
 * question - what a person is asked about a program, on its way from the view to a terminal
 *
 *	view -> keeper (proto.h, VIEW_ASK) -> relay of the session -> host's tazlaunch, and back
 *
 * Between keeper and relay it is a SOCK_SEQPACKET pair of which the relay gives one end away with
 * the passphrase's box (sealfd.h); to the host both are frames. One question at a time a session.
 */
#ifndef TAZ_BASE_QUESTION_H
#define TAZ_BASE_QUESTION_H

#include <stdbool.h>
#include <stdint.h>

#define QUESTION_SEC   30   /* no answer by then is a no */
#define QUESTION_PATH  1024 /* bytes, with the NUL */
#define QUESTION_TEXT  512
#define QUESTION_CHAIN 8
#define QUESTION_HASH  32 /* SHA-256 */

#define QUESTION_SESSION_MIN 15 /* minutes that QUESTION_SESSION is good for */
#define QUESTION_TIMES_MAX   9

enum question_answer {
	QUESTION_OPEN, /* not answered yet */
	QUESTION_ONCE,
	QUESTION_PROCESS,
	QUESTION_NO,	  /* nor is this process asked about again */
	QUESTION_NEVER,	  /* nor is this program, until the lock */
	QUESTION_NOBODY,  /* there is no terminal to ask on, or it is gone */
	QUESTION_SESSION, /* whoever runs that program in this session, for a while */
	QUESTION_PROGRAM, /* whoever runs a program of that content, until the lock */
	/* Plus 2 to QUESTION_TIMES_MAX: as QUESTION_SESSION, but so many times and no more, this
	 * one among them. question_times() is the number. */
	QUESTION_TIMES,
	QUESTION_ANSWERS = QUESTION_TIMES + QUESTION_TIMES_MAX + 1,
};

/* Answers that are for others than who asks: not for everybody, see grant.h. */
enum question_offer {
	QUESTION_OFFERS_SESSION = 1,
	QUESTION_OFFERS_PROGRAM = 2, /* only where there is a hash */
	QUESTION_OFFERS = 3,
};

/* Strings have any bytes but NUL, which ends them. */
struct question {
	uint32_t may;	 /* bits: read write create delete execute list, in this order */
	uint32_t offers; /* bits of enum question_offer */
	uint32_t pid;
	uint32_t hashed;     /* 1: @hash is there */
	uint32_t more_args;  /* 1: there are more than those in @args */
	uint32_t n_chain;    /* who started it, parent first */
	uint32_t more_chain; /* 1: there are more */
	uint8_t hash[QUESTION_HASH];
	char path[QUESTION_PATH]; /* below ~/secrets */
	char exe[QUESTION_PATH];
	char script[QUESTION_PATH];		   /* "": none */
	char args[QUESTION_TEXT];		   /* as the process says, joined by spaces */
	char chain[QUESTION_CHAIN][QUESTION_TEXT]; /* programs */
};

struct question_put { /* keeper -> host */
	uint32_t id;
	uint32_t over; /* 1: nobody waits for the answer any more; the rest is void */
	struct question q;
};

struct question_reply { /* host -> keeper */
	uint32_t id;
	uint32_t answer; /* enum question_answer, from QUESTION_ONCE on */
};

/* question_offers - is that answer one to a question with those offers? */
bool question_offers(uint32_t offers, uint32_t answer);

/* question_times - how often, when it is QUESTION_TIMES plus a number; otherwise 0 */
unsigned question_times(uint32_t answer);

/* question_check - is it one? Returns 0 or -EBADMSG: a string without end, bits or counts out of
 * range, no path, no program, an offer for a hash that is not there. Whoever handles a question has
 * checked it first. */
int question_check(const struct question *q);

#endif
