/*
 * audit_fixture - an audit in a folder of its own, and its log read back: what the audit's tests
 * share
 */
#ifndef TAZ_TESTS_AUDIT_FIXTURE_H
#define TAZ_TESTS_AUDIT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include "tazfs/audit.h"
#include "tazfs/audit_log.h"

#define LOG_MAX (32UL * 1024 * 1024)

struct fixture {
	char dir[64];
	int dirfd;
	struct audit *a;
	char *log; /* of read_log() */
	size_t n;
};

extern const struct audit_limits small; /* files are full soon, and processes never */

/* For cmocka: a new folder in *@state, and all of it away. open_dir: opened again after a mount. */
int setup(void **state);
int teardown(void **state);
int open_dir(struct fixture *x);

/* start - the audit anew, as another view */
void start(struct fixture *x, const struct audit_limits *limits);

/* note - a refusal of the path; note_as: with that caller and verdict; note_number: one of many */
void note(struct fixture *x, const char *path);
void note_as(struct fixture *x, uint32_t pid, unsigned verdict, const char *path);
void note_number(struct fixture *x, uint32_t pid, unsigned i);

/* read_log - all of it into @x->log; each: @look for each record there; sum: read, and added up */
void read_log(struct fixture *x);
void each(struct fixture *x, void (*look)(const struct audit_record *r, void *arg), void *arg);

struct sum {
	uint64_t lines, events[AUDIT_EVENTS], count[AUDIT_VERDICTS], all, audit_only;
	uint32_t torn;
};
struct sum sum(struct fixture *x);

/* whole - the log must check as whole */
void whole(struct fixture *x);

/* size_of - of a file in the folder; -1: there is none */
off_t size_of(struct fixture *x, const char *name);

#endif
