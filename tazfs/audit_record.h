/*
 * audit_record - one decision, or event, as one line of JSON. Pure.
 *
 *	{"seq":7,"time":"2026-01-31T08:15:00.123456789Z","verdict":"deny","rule":3,"op":"open",
 *	 "path":"ssh/id","count":2,"last":"...","pid":41,"exe":"/usr/bin/cat","script":"...",
 *	 "tty":"pts/3","session":1,"chain":[{"pid":40,"exe":"/usr/bin/bash"}],"mac":"..."}
 *
 * Members stand in this order; what is zero or not known is left out. Strings are any bytes, as
 * audit_text.h writes them, so a line is valid JSON whatever a file is called.
 */
#ifndef TAZ_TAZFS_AUDIT_RECORD_H
#define TAZ_TAZFS_AUDIT_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tazfs/audit_text.h"

#define AUDIT_CHAIN_MAX 32	       /* ancestors */
#define AUDIT_LINE_MAX	(128UL * 1024) /* bytes, with its end */

enum audit_verdict { /* what was done; 0: an event that is no decision */
		     AUDIT_DENY = 1,
		     AUDIT_HIDE,
		     AUDIT_DECOY,
		     AUDIT_ASK, /* a question was put; how it ended is another record */
		     AUDIT_ALLOW,
		     AUDIT_VERDICTS, /* how many, with 0 */
};

enum audit_by { /* who decided, when it was not the rule alone */
		AUDIT_BY_RULE,
		AUDIT_BY_ANSWER,  /* somebody at the terminal */
		AUDIT_BY_TIMEOUT, /* there was no answer in time */
		AUDIT_BY_GRANT,	  /* an earlier answer */
		AUDIT_BY_NOBODY,  /* audit-only: the verdict is what would have been done */
		AUDIT_BY_ALONE,	  /* the session has no terminal where somebody could be asked */
		AUDIT_BYS,
};

/* The begin of the note of a policy that has come into force, and what its SHA-256 is behind. */
#define AUDIT_NOTE_POLICY "the policy was replaced by "
#define AUDIT_NOTE_SHA256 ", SHA-256 "

enum audit_event {
	AUDIT_DECISION,
	AUDIT_FILE,  /* a file of the log begins: @prev is the mac of the line before */
	AUDIT_START, /* a view; @torn bytes of a line that was not whole have been cut off */
	AUDIT_END,   /* it was locked in order; without it, it was killed */
	AUDIT_REST,  /* @count decisions of this verdict for which there was no room one by one */
	AUDIT_NOTE,  /* @text says it: the policy was replaced, a grant revoked, ... */
	AUDIT_EVENTS,
};

struct audit_program {
	uint32_t pid;
	const char *exe; /* NULL: not known */
};

/* Strings are borrowed. */
struct audit_record {
	uint64_t seq;	  /* in the log, from 1 */
	uint64_t tick;	  /* in audit_recent() instead */
	uint64_t time_ns; /* since 1970, UTC; of the first of @count */
	uint32_t event;	  /* enum audit_event */
	uint32_t verdict; /* enum audit_verdict */
	uint32_t by;	  /* enum audit_by */
	uint32_t rule;	  /* its line; 0: none fits */
	const char *op;	  /* "open", "create", "rename", ... */
	const char *path; /* below the root. A decision without one: @count further ones of this
			     process, of which there were too many */
	const char *to;	  /* of a rename or link: the other one */
	const char *text; /* of a note */
	uint64_t count;	  /* of a decision: at least 1 */
	uint64_t last_ns; /* of the last of @count, when that is more than 1 */
	uint32_t torn;	  /* of a start */
	uint32_t pid;	  /* the caller's process, and what it runs */
	const char *exe;
	const char *script;
	uint32_t doubt;	 /* 1: that script is a guess (script.h): rules that allow do not take it */
	const char *tty; /* "pts/3" */
	uint32_t session; /* 0: a member of none */
	uint32_t n_chain; /* the ancestors, parent first */
	struct audit_program chain[AUDIT_CHAIN_MAX];
	const char *prev, *mac; /* hex */

	/* Not written; they tell callers apart when repeats are folded: when the process began, in
	 * clock ticks since boot, and any number that is another one once it runs another program.
	 */
	uint64_t start, program;
	uint32_t key_pid; /* @pid as audit_note() was given it: to describe may be to correct it */
};

extern const char *const audit_verdict_text[AUDIT_VERDICTS];

/*
 * audit_format - write a record, without a line's end
 * Returns the number of bytes, or -ENOSPC when they don't fit, or -EINVAL when there is no such
 * event, verdict or @by.
 */
ssize_t audit_format(const struct audit_record *r, char *buf, size_t size);

/*
 * audit_parse - read such a line back
 * @line, @size: without the line's end
 * @mem: at least AUDIT_PARSE_MEM(@size) bytes; the strings of @ret are there
 * Accepts exactly what audit_format() writes. Returns 0 or -EBADMSG.
 */
#define AUDIT_PARSE_MEM(size) (2 * (size) + 64)
int audit_parse(const char *line, size_t size, char *mem, struct audit_record *ret);

/* audit_put_time - "2026-01-31T08:15:00.123456789Z" */
void audit_put_time(struct audit_out *o, uint64_t ns);

/* audit_get_time - read that; @at is moved behind it. Returns 0 or -EBADMSG. */
int audit_get_time(const char **at, const char *end, uint64_t *ret_ns);

#endif
