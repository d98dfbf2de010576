/*
 * load - write into a vault, promise what is durable, and check what was promised
 *
 *	load write --dir DIR --ack fsync|save|write --round N [--writers N] [--seconds S]
 *	load check --dir DIR --promises FILE
 *	load use   --dir DIR --promises FILE --ack ... --round N [--lock]
 *
 * write: until it is killed or the time is over; a promise is a line on standard output, in one
 * write, before the next thing is done. check: status 1 when one is lost. use: check FILE, write
 * once in each way with the promises added to FILE, read back, and with --lock ask for the lock.
 * Versions of a later round are later versions. "G N" says that generation N is on disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/size.h"
#include "enclave/client.h"
#include "tests/load/promise.h"

#define ROUND	    1000000ULL
#define SLOTS	    6 /* files of each writer */
#define NEW_KEPT    4 /* of the new files the last ones stay */
#define WRITERS_MAX 16
#define ASK_MS	    200 /* how often the generation is asked for */

struct args {
	const char *dir, *promises;
	enum ack ack;
	long long round, writers, seconds;
	bool lock;
};

static int parse(int argc, char *argv[], struct args *a)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "promises", required_argument, NULL, 'p' },
		{ "ack", required_argument, NULL, 'a' },
		{ "round", required_argument, NULL, 'r' },
		{ "writers", required_argument, NULL, 'w' },
		{ "seconds", required_argument, NULL, 's' },
		{ "lock", no_argument, NULL, 'l' },
		{ 0 },
	};
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (c) {
		case 'd':
			a->dir = optarg;
			break;
		case 'p':
			a->promises = optarg;
			break;
		case 'a':
			r = ack_parse(optarg, &a->ack);
			break;
		case 'r':
			r = num_parse(optarg, 0, 1000000, &a->round);
			break;
		case 'w':
			r = num_parse(optarg, 1, WRITERS_MAX, &a->writers);
			break;
		case 's':
			r = num_parse(optarg, 1, 100000, &a->seconds);
			break;
		case 'l':
			a->lock = true;
			break;
		default:
			r = -EINVAL;
		}
	}
	return r < 0 || optind != argc || !a->dir ? -EINVAL : 0;
}

/* --- writing --------------------------------------------------------------------------------- */

static void name_of(char kind, unsigned writer, uint64_t seq, char name[PROMISE_NAME_MAX])
{
	uint64_t slot = kind == 'n' ? seq : kind == 'a' ? 0 : seq % SLOTS;

	snprintf(name, PROMISE_NAME_MAX, "%c%u-%llu", kind, writer, (unsigned long long)slot);
}

/* Withdrawn first: from then on it may be there or not. */
static int withdraw(int dir, int out, const char *name, uint64_t seq)
{
	int r = promise_say(out, 'D', name, seq);

	if (r == 0)
		unlinkat(dir, name, 0);
	return r;
}

static int remove_old(int dir, int out, unsigned writer, uint64_t seq)
{
	char name[PROMISE_NAME_MAX];

	name_of('n', writer, seq, name);
	return withdraw(dir, out, name, seq);
}

/* All of them: who should have removed one was killed before. A vault that gets fuller with each
 * life has another life each time. */
static int remove_all_old(int dir, int promises, uint64_t before)
{
	struct promises *p = lseek(promises, 0, SEEK_SET) < 0 ? NULL : promises_read(promises);
	unsigned at = 0;
	const char *name;
	uint64_t seq;
	int r = 0;

	if (!p)
		return -ENOMEM;
	while (r == 0 && (name = promises_old(p, 'n', before, &at, &seq)))
		r = withdraw(dir, promises, name, seq);
	promises_free(p);
	return r;
}

static int step(const struct args *a, int dir, int out, char kind, unsigned writer, uint64_t seq)
{
	char name[PROMISE_NAME_MAX];
	int r;

	name_of(kind, writer, seq, name);
	r = promise_keep(dir, name, seq, a->ack);
	if (r == 0 && a->ack == ACK_SAVE)
		r = promise_save();
	return r < 0 ? r : promise_say(out, 'P', name, seq);
}

static void writer(const struct args *a, int dir, unsigned number)
{
	char kind = "rain"[number % 4];
	time_t end = time(NULL) + a->seconds;

	for (uint64_t n = 0; !a->seconds || time(NULL) < end; n++) {
		uint64_t seq = a->round * ROUND + n;
		int r = step(a, dir, STDOUT_FILENO, kind, number, seq);

		if (r == 0 && kind == 'n' && n >= NEW_KEPT)
			r = remove_old(dir, STDOUT_FILENO, number, seq - NEW_KEPT);
		if (r < 0) {
			dprintf(STDOUT_FILENO, "E writer %u: %s\n", number, strerror(-r));
			_exit(1);
		}
	}
	_exit(0);
}

static void say_generation(void)
{
	struct res_status st;

	if (client_status(&st) == 0)
		dprintf(STDOUT_FILENO, "G %llu\n", (unsigned long long)st.generation);
}

static int run_write(const struct args *a, int dir)
{
	const struct timespec pause = { .tv_nsec = ASK_MS * 1000000L };
	int status, failed = 0;
	pid_t pid = 0;

	for (unsigned i = 0; i < a->writers && pid >= 0; i++) {
		pid = fork();
		if (!pid)
			writer(a, dir, i);
	}
	while ((pid = waitpid(-1, &status, WNOHANG)) >= 0) {
		if (pid > 0)
			failed |= status;
		say_generation();
		nanosleep(&pause, NULL);
	}
	return failed ? 1 : 0;
}

/* --- checking -------------------------------------------------------------------------------- */

/* Says "CHECKED" only when it could look at all of them. Returns the number that were not found. */
static int check(int dir, int promises, int out)
{
	struct promises *p = promises_read(promises);
	struct promises_found found = { 0 };

	if (!p)
		return 1;
	found = promises_check(p, dir, out);
	promises_free(p);
	if (!found.unreadable)
		dprintf(out, "CHECKED %u promises, %u lost\n", found.n, found.lost);
	return found.lost + found.unreadable;
}

static int run_check(const struct args *a, int dir)
{
	autoclose int promises = open(a->promises, O_RDONLY | O_CLOEXEC);

	say_generation();
	return promises < 0 || check(dir, promises, STDOUT_FILENO) ? 1 : 0;
}

/* --- a short life ---------------------------------------------------------------------------- */

static int read_back(int dir, uint64_t seq)
{
	char name[PROMISE_NAME_MAX];
	int failed = 0;

	for (const char *kind = "rain"; *kind; kind++) {
		uint64_t there = 0;

		name_of(*kind, 0, seq, name);
		failed |= promise_look(dir, name, &there) < 0 || there < seq;
	}
	return failed;
}

/* Two ways of writing, one save, two promises: what several savers at once would do. */
static int step_twice(const struct args *a, int dir, int out, const char kinds[2], uint64_t seq)
{
	char name[PROMISE_NAME_MAX];
	int r = 0;

	if (a->ack != ACK_SAVE) {
		r = step(a, dir, out, kinds[0], 0, seq);
		return r < 0 ? r : step(a, dir, out, kinds[1], 0, seq);
	}
	for (int i = 0; i < 2 && r == 0; i++) {
		name_of(kinds[i], 0, seq, name);
		r = promise_keep(dir, name, seq, a->ack);
	}
	if (r == 0)
		r = promise_save();
	for (int i = 0; i < 2 && r == 0; i++) {
		name_of(kinds[i], 0, seq, name);
		r = promise_say(out, 'P', name, seq);
	}
	return r;
}

/* A step that fails promises nothing: after a kill that is what is to be expected. */
static int run_use(const struct args *a, int dir)
{
	autoclose int promises = open(a->promises, O_RDWR | O_APPEND | O_CLOEXEC);
	uint64_t seq = a->round * ROUND;
	struct res_lock res;
	int failed = 0;

	if (promises < 0)
		return 2;
	if (check(dir, promises, promises))
		return 3;
	failed |= step_twice(a, dir, promises, "ra", seq) < 0;
	failed |= step_twice(a, dir, promises, "in", seq) < 0;
	if (a->round > NEW_KEPT)
		failed |= remove_all_old(dir, promises, seq - (NEW_KEPT - 1) * ROUND) < 0;
	failed |= read_back(dir, seq);
	dprintf(promises, "USED %lld %s\n", a->round, failed ? "in part" : "whole");
	if (a->lock)
		failed |= client_lock(&res, NULL) < 0;
	return failed ? 1 : 0;
}

int main(int argc, char *argv[])
{
	struct args a = { .writers = 1 };
	const char *what = argc > 1 ? argv[1] : "";
	autoclose int dir = -EBADF;

	if (parse(argc - 1, argv + 1, &a) < 0) {
		fprintf(stderr, "load: see the head of load.c\n");
		return 2;
	}
	dir = open(a.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		perror(a.dir);
		return 2;
	}
	if (!strcmp(what, "write"))
		return run_write(&a, dir);
	if (!strcmp(what, "check") && a.promises)
		return run_check(&a, dir);
	return !strcmp(what, "use") && a.promises ? run_use(&a, dir) : 2;
}
