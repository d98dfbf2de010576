/*
 * bench - how long file systems take for what people do with secrets
 *
 * A workload is a function that does something to one file system and says how long each time took.
 * They run in rounds: in each, every workload runs on every file system, one after the other, so
 * that what else the machine does meets all of them. A round's result is its median and its p99;
 * what counts at the end is the median of the rounds.
 */
#ifndef TAZ_TESTS_BENCH_H
#define TAZ_TESTS_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#define BENCH_FILES	 200
#define BENCH_FILE_BYTES 4096
#define BENCH_MIB	 64 /* of the large file */
#define ROUNDS_MAX	 99
#define CONTENDERS_MAX	 16
#define MISSING_MAX	 16

/* One file system. */
struct contender {
	const char *name;
	const char *dir;   /* where it is mounted, and may be written */
	const char *store; /* the directory below, whose page cache is emptied for a cold read */
};

/* A file system while one workload runs there, and what it took. */
struct place {
	const struct contender *who;
	bool quick;	/* a tenth of it: to see that it runs */
	double *us;	/* microseconds, room for PLACE_TIMES */
	size_t n_times; /* as many are taken */
};

#define PLACE_TIMES 4096

struct workload {
	const char *key;	     /* in JSON, and for --only */
	const char *name;	     /* in tables */
	bool rate;		     /* shown as MiB/s: a time is that of the large file */
	bool difference;	     /* of two times: its best round is only its luckiest */
	int (*run)(struct place *p); /* 0 or -errno */
};

extern const struct workload workloads[];
extern const size_t n_workloads;

/* workload_prepare - make the files that the workloads use. 0 or -errno. */
int workload_prepare(struct place *p);

/* What one workload took on one file system, in us a time: of each round, and at the end. */
struct result {
	double median[ROUNDS_MAX], p99[ROUNDS_MAX];
	unsigned rounds;
	int err; /* it could not be done there */
};

/* Of the rounds; NaN when it was not measured. */
double result_median(const struct result *r);
double result_p99(const struct result *r);
double result_best(const struct result *r);
double result_best_p99(const struct result *r);

/* result_judged - the one that counts: the best round, or of a difference the median */
double result_judged(const struct result *r, const struct workload *w);

/* result_add - a round's times; sorts them. @n: at least 1 */
void result_add(struct result *r, double *us, size_t n);

/* Everything. */
struct bench {
	struct contender contenders[CONTENDERS_MAX];
	size_t n_contenders;
	const char *missing[MISSING_MAX]; /* file systems that are not among them, and why */
	size_t n_missing;
	const char *only; /* keys, with commas between; NULL: all */
	int cpu;	  /* everything runs there; -1: anywhere */
	unsigned rounds;
	bool quick;
	struct result (*results)[CONTENDERS_MAX]; /* by workload */
};

/* bench_result - NULL when there is no such workload or contender */
const struct result *bench_result(const struct bench *b, const char *workload,
				  const char *contender);

/* bench_wants - was this workload asked for? */
bool bench_wants(const struct bench *b, const struct workload *w);

#endif
