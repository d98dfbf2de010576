/* asked - a person's part, for the tests of rules that ask: the test is the keeper */
#ifndef TAZ_TESTS_VIEW_ASKED_H
#define TAZ_TESTS_VIEW_ASKED_H

#include "policy.h"

#include <poll.h>

#include "enclave/base/io.h"
#include "enclave/base/msg.h"
#include "enclave/base/run.h"

#define ASKS "allow session l **\nask session - kube/**\nallow session - **\n"

static struct view_ask got;

/* The next question, or what is over; others are passed over. False: none within that time. */
static inline bool question_within(int ms)
{
	uint64_t until = io_boottime_ns() + (uint64_t)ms * 1000000;
	struct pollfd p = { .fd = f.keeper, .events = POLLIN };

	while (io_boottime_ns() < until) {
		ssize_t n;

		if (poll(&p, 1, (int)((until - io_boottime_ns()) / 1000000) + 1) != 1)
			return false;
		n = msg_recv(f.keeper, &got, sizeof(got), NULL, 0);
		assert_true(n > 0);
		if (got.op == VIEW_ASK) {
			assert_int_equal(n, sizeof(got));
			return true;
		}
	}
	return false;
}

static inline void answer(uint32_t answer)
{
	const struct view_answer a = { .op = VIEW_ANSWER, .reply = { got.put.id, answer } };

	assert_int_equal(msg_send(f.keeper, &a, sizeof(a), NULL, 0), 0);
}

static inline pid_t start(int (*fn)(void *), const char *name, int *done)
{
	return child_start(MEMBER, fn, (void *)path_in(&f, name), done);
}

static inline int end(pid_t pid, int done)
{
	int r = child_result(done);

	run_wait(pid);
	return r;
}

/* One operation of a new process that is asked about. */
static inline int asked(int (*fn)(void *), const char *name, uint32_t said)
{
	int done;
	pid_t pid = start(fn, name, &done);

	assert_true(question_within(5000));
	assert_false(got.put.over);
	answer(said);
	return end(pid, done);
}

struct command {
	const char *argv[4], *env[2];
	char path[256]; /* what it reads, its last argument */
};

/* In a process of the member's own, as a shell does it. */
static inline int command(void *arg)
{
	struct command *c = arg;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execve(c->argv[0], (char **)c->argv, (char **)c->env);
		_exit(127);
	}
	return pid < 0 ? -EAGAIN : run_wait(pid) ? -EACCES : 0;
}

static inline pid_t start_cat(const char *cat, const char *env, int *done)
{
	static struct command c;

	snprintf(c.path, sizeof(c.path), "%s", path_in(&f, "kube/config"));
	c = (struct command){ .argv = { cat, c.path }, .env = { env } };
	snprintf(c.path, sizeof(c.path), "%s", path_in(&f, "kube/config"));
	return child_start(MEMBER, command, &c, done);
}

static inline bool is_yes(uint32_t offers, uint32_t said)
{
	return question_offers(offers, said) &&
	       (said == QUESTION_SESSION || said == QUESTION_PROGRAM || question_times(said));
}

enum { UNASKED = 100 };

/* What it was offered, or UNASKED; @said: the answer, or what it got when it was not asked. */
static inline unsigned run_cat(const char *cat, const char *env, int said)
{
	unsigned offers = UNASKED;
	int done;
	pid_t pid = start_cat(cat, env, &done);

	if (question_within(1500)) {
		assert_false(got.put.over);
		assert_int_equal(question_check(&got.put.q), 0);
		offers = got.put.q.offers;
		answer(said);
		assert_int_equal(end(pid, done), is_yes(offers, said) ? 0 : -EACCES);
	} else {
		assert_int_equal(end(pid, done), said);
	}
	return offers;
}

static inline void copy_program(const char *from, const char *to)
{
	static char buf[1 << 20];
	autoclose int in = open(from, O_RDONLY | O_CLOEXEC);
	autoclose int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	ssize_t n = io_read_full(in, buf, sizeof(buf));

	assert_in_range(n, 1, sizeof(buf) - 1);
	assert_int_equal(io_write_full(out, buf, n), 0);
}

#define CAT	"/usr/bin/cat"
#define UNCLEAN "LD_BIND_NOW=1"

#endif
