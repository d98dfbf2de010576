/* "tazfs grants": who sees what a person has answered, and what can be taken back, by whom. */
#include "asked.h"
#include "tool.h"

#include <signal.h>
#include <sys/ioctl.h>

#include "tazfs/control.h"

/* --- the command ------------------------------------------------------------------------------ */

static const char *grants(enum role role, int expected, const char *const *args)
{
	static struct call c;
	int n = 2;

	c = (struct call){ .argv = { "tazfs", "grants" } };
	for (; *args; args++)
		c.argv[n++] = (char *)*args;
	c.argv[n++] = "--dir";
	c.argv[n] = f.mnt;
	tool_call(&c, role, expected);
	return c.text;
}

#define GRANTS(role, expected, ...) grants(role, expected, (const char *const[]){ __VA_ARGS__ })

static const char *list(void)
{
	return GRANTS(MEMBER, 0, "--json", NULL);
}

/* --- without the command ---------------------------------------------------------------------- */

static int ask_view(int root, uint32_t op, uint64_t *at)
{
	static struct control c;
	int r;

	c = (struct control){ .op = op, .at = *at };
	r = ioctl(root, CONTROL_ASK, &c) < 0 ? -errno : 0;
	*at = c.at;
	return r < 0 ? r : (int)c.size;
}

/* @number: in; how many were taken back. Only 0 is all. */
static int revoke_it(void *number)
{
	autoclose int root = open(f.mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return root < 0 ? -errno : ask_view(root, CONTROL_REVOKE, number);
}

static int taken_back(uint64_t number)
{
	return as(MEMBER, revoke_it, &number);
}

/* --- what is shown ---------------------------------------------------------------------------- */

static void test_what_was_answered_is_listed_with_whom_it_is_for(void **state)
{
	static const char *const shown[] = {
		"{\"id\":1,\"verdict\":\"allow\",\"to\":\"session\",\"path\":\"kube/config\","
		"\"may\":\"r\",\"seconds_left\":",
		"\"exe\":\"/usr/bin/cat\",\"script\":null,\"sha256\":\"",
		"{\"id\":2,\"verdict\":\"allow\",\"to\":\"program\",\"path\":\"kube/config\","
		"\"may\":\"r\",\"seconds_left\":null,\"times_left\":null,\"rule\":2,",
		"{\"id\":3,\"verdict\":\"deny\",\"to\":\"program\",",
	};
	const char *text;

	in_force(ASKS);
	assert_string_equal(list(), "[]\n");
	shows_text(GRANTS(MEMBER, 0, NULL), "no answer of a person counts now");
	run_cat(CAT, NULL, QUESTION_SESSION);
	run_cat("/usr/bin/head", NULL, QUESTION_PROGRAM);
	run_cat("/usr/bin/tail", NULL, QUESTION_NEVER);
	text = list();
	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
		shows_text(text, shown[i]);
	text = GRANTS(MEMBER, 0, NULL);
	shows_text(text, "   1  allow   r       1");
	shows_text(text, " min    kube/config  /usr/bin/cat in session ");
	shows_text(text,
		   "   2  allow   r       the lock  kube/config  any program with the SHA-256 of "
		   "/usr/bin/head\n");
	shows_text(text, "   3  deny    r       the lock  kube/config  /usr/bin/tail\n");
}

static void test_a_count_is_listed_with_what_is_left_of_it(void **state)
{
	in_force(ASKS);
	run_cat(CAT, NULL, QUESTION_TIMES + 3);
	shows_text(list(), "\"may\":\"r\",\"seconds_left\":null,\"times_left\":2,");
	run_cat(CAT, NULL, 0);
	shows_text(GRANTS(MEMBER, 0, NULL),
		   "   1  allow   r       1 more    kube/config  /usr/bin/cat in session ");
	run_cat(CAT, NULL, 0);
	assert_string_equal(list(), "[]\n");
}

static int read_and_wait(void *path)
{
	int r = read_it(path);

	if (r == 0)
		sleep(20);
	return r;
}

static void test_a_process_is_listed_until_it_ends(void **state)
{
	char line[128];
	int done;
	pid_t pid;

	in_force(ASKS);
	pid = start(read_and_wait, "kube/config", &done);
	assert_true(question_within(5000));
	answer(QUESTION_PROCESS);
	snprintf(line, sizeof(line), "\"to\":\"process\",\"path\":\"kube/config\",\"may\":\"r\",%s",
		 "\"seconds_left\":null,\"times_left\":null,\"rule\":2,");
	while (!strstr(list(), line)) /* the answer is on its way; this test has a limit */
		usleep(10000);
	snprintf(line, sizeof(line), "it ends   kube/config  process %d, /", pid);
	shows_text(GRANTS(MEMBER, 0, NULL), line);
	kill(pid, SIGKILL);
	close(done);
	run_wait(pid);
	assert_string_equal(list(), "[]\n");
	assert_int_equal(taken_back(1), -ESRCH);
}

static void test_a_name_commands_no_terminal_and_breaks_no_line(void **state)
{
	static const char name[] = "kube/a\n\033[31m\"\xff";

	in_force(ASKS);
	assert_int_equal(asked(create_it, name, QUESTION_NEVER), -EACCES);
	shows_text(GRANTS(MEMBER, 0, NULL), "kube/a\\x0a\\x1b[31m\"\\xff  ");
	shows_text(list(), "\"path\":\"kube/a\\\\x0a\\\\x1b[31m\\\"\\\\xff\",\"may\":\"wc\"");
}

static int pass_root(void *sock)
{
	autoclose int root = open(f.mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return root < 0 ? -errno : msg_send(*(int *)sock, "x", 1, &root, 1);
}

static int ask_through_it(void *sock)
{
	autoclose int root = -EBADF;
	uint64_t at = 0;
	char c;
	int r;

	if (msg_recv(*(int *)sock, &c, 1, &root, 1) != 1)
		return -EBADMSG;
	r = ask_view(root, CONTROL_REVOKE, &at);
	return r < 0 ? ask_view(root, CONTROL_GRANTS, &at) : r;
}

static void test_nobody_outside_sees_or_revokes_not_even_through_a_members_descriptor(void **state)
{
	const char *outside = "this process may not look at it: it is locked, or in no session";
	int pair[2];

	in_force(ASKS);
	run_cat(CAT, NULL, QUESTION_PROGRAM);
	shows_text(GRANTS(OUTSIDER, 1, NULL), outside);
	shows_text(GRANTS(OUTSIDER, 1, "revoke", "--all", NULL), outside);
	shows_text(GRANTS(ROOT_OUTSIDE, 1, "revoke", "1", NULL), outside);
	assert_int_equal(msg_pair(pair), 0);
	assert_int_equal(as(MEMBER, pass_root, &pair[0]), 0);
	assert_int_equal(as(OUTSIDER, ask_through_it, &pair[1]), -EACCES);
	fd_close(&pair[0]);
	fd_close(&pair[1]);
	assert_int_equal(run_cat(CAT, NULL, 0), UNASKED);
}

/* A question about the list would be one that only a program can have wanted. */
static void test_the_policy_says_who_may_and_asks_nobody_about_it(void **state)
{
	static const char *const policies[] = {
		"deny session - .tazfs/grants\nallow session - **\n",
		"hide session - .tazfs/**\nallow session - **\n",
		"allow session l **\nask session - **\n",
	};

	for (size_t i = 0; i < 3; i++) {
		in_force(policies[i]);
		shows_text(GRANTS(MEMBER, 1, NULL),
			   "the policy does not let this process see that");
		shows_text(GRANTS(MEMBER, 1, "revoke", "1", NULL), "the policy does not let this");
	}
	assert_false(question_within(300));
	in_force("allow session l **\nallow session r .tazfs/grants\nask session - **\n");
	assert_string_equal(list(), "[]\n");
}

/* --- what is taken back ----------------------------------------------------------------------- */

static void test_what_was_taken_back_is_asked_about_again(void **state)
{
	in_force(ASKS);
	run_cat(CAT, NULL, QUESTION_SESSION);
	run_cat("/usr/bin/head", NULL, QUESTION_PROGRAM);
	shows_text(GRANTS(MEMBER, 0, "revoke", "1", NULL), "answer 1 was taken back\n");
	assert_int_equal(run_cat("/usr/bin/head", NULL, 0), UNASKED);
	assert_int_equal(run_cat(CAT, NULL, QUESTION_PROGRAM), QUESTION_OFFERS);
	shows_text(GRANTS(MEMBER, 1, "revoke", "1", NULL), "no answer has the number 1 (any more)");
	/* Its number is another one than the one that was taken back. */
	shows_text(GRANTS(MEMBER, 1, "revoke", "3", "9", "2", NULL), "no answer has the number 9");
	assert_string_equal(list(), "[]\n");
	assert_int_equal(run_cat("/usr/bin/head", NULL, QUESTION_NO), QUESTION_OFFERS);
}

static void test_all_is_all_that_was_allowed(void **state)
{
	in_force(ASKS);
	run_cat(CAT, NULL, QUESTION_SESSION);
	run_cat("/usr/bin/head", NULL, QUESTION_PROGRAM);
	run_cat("/usr/bin/tail", NULL, QUESTION_NEVER);
	shows_text(GRANTS(MEMBER, 0, "revoke", "--all", NULL), "answers that were taken back: 2\n");
	shows_text(GRANTS(MEMBER, 0, "revoke", "--all", NULL), "answers that were taken back: 0\n");
	assert_int_equal(run_cat(CAT, NULL, QUESTION_NO), QUESTION_OFFERS);
	assert_int_equal(run_cat("/usr/bin/tail", NULL, -EACCES), UNASKED);
}

/* What was refused tries to be asked about again. */
static int refused_for_ever(void *path)
{
	uint64_t one = 1, all = 0;
	int r = read_it(path);

	if (r != -EACCES || revoke_it(&one) != -EPERM || revoke_it(&all) != 0 || all)
		return -EILSEQ;
	return read_it(path);
}

static void test_a_refusal_is_not_taken_back_by_whom_it_refuses(void **state)
{
	in_force(ASKS);
	assert_int_equal(asked(refused_for_ever, "kube/config", QUESTION_NO), -EACCES);
	assert_int_equal(asked(read_it, "kube/config", QUESTION_NEVER), -EACCES);
	shows_text(GRANTS(MEMBER, 1, "revoke", "2", NULL), "answer 2 is a refusal");
	assert_int_equal(member(read_it, "kube/config"), -EACCES);
	assert_false(question_within(300));
}

static int forge(void *arg)
{
	autoclose int root = open(f.mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t wide = UINT64_C(1) << 32, wider = wide | 1, most = UINT32_MAX;

	if (ask_view(root, CONTROL_REVOKE, &wide) != -EINVAL ||
	    ask_view(root, CONTROL_REVOKE, &wider) != -EINVAL ||
	    ask_view(root, CONTROL_GRANTS, &wider) != -EINVAL ||
	    ask_view(root, CONTROL_REVOKE, &most) != -ESRCH ||
	    ask_view(root, CONTROL_GRANTS, &most) != 0 ||
	    ask_view(root, CONTROL_REVOKE + 1, &most) != -EINVAL)
		return -EILSEQ;
	return 0;
}

static void test_a_forged_number_takes_nothing_back(void **state)
{
	in_force(ASKS);
	run_cat(CAT, NULL, QUESTION_PROGRAM);
	assert_int_equal(as(MEMBER, forge, NULL), 0);
	assert_int_equal(run_cat(CAT, NULL, 0), UNASKED);
}

static void test_wrong_use_takes_nothing_back(void **state)
{
	in_force(ASKS);
	run_cat(CAT, NULL, QUESTION_PROGRAM);
	shows_text(GRANTS(MEMBER, 2, "revoke", NULL), "which answer?");
	shows_text(GRANTS(MEMBER, 2, "revoke", "1", "--all", NULL), "not both");
	shows_text(GRANTS(MEMBER, 2, "revoke", "0", NULL), "'0' is no number of an answer");
	shows_text(GRANTS(MEMBER, 2, "revoke", "1", "1x", NULL), "'1x' is no number of an answer");
	shows_text(GRANTS(MEMBER, 2, "revoke", "4294967297", NULL), "'4294967297' is no number");
	shows_text(GRANTS(MEMBER, 2, "revoked", NULL), "no command 'revoked'");
	shows_text(GRANTS(MEMBER, 2, "--all", NULL), "Usage: tazfs grants");
	assert_int_equal(run_cat(CAT, NULL, 0), UNASKED);
}

enum { MANY = 12 };

static void test_of_two_at_once_one_takes_it_back(void **state)
{
	uint64_t number = 1;
	int done[MANY], taken = 0;
	pid_t pid[MANY];

	in_force(ASKS);
	run_cat(CAT, NULL, QUESTION_PROGRAM);
	for (int i = 0; i < MANY; i++)
		pid[i] = child_start(MEMBER, revoke_it, &number, &done[i]);
	for (int i = 0; i < MANY; i++) {
		int r = end(pid[i], done[i]);

		assert_true(r == 0 || r == -ESRCH);
		taken += r == 0;
	}
	assert_int_equal(taken, 1);
}

/* --- open files ------------------------------------------------------------------------------- */

struct reader {
	int go[2], at[2]; /* pipes: it waits at the one, and says at the other that it does */
};

/* False: what went before, or the test, has failed. */
static bool wait_for_it(const struct reader *r, bool well)
{
	char c;

	close(r->go[1]);
	return well && write(r->at[1], "x", 1) == 1 && read(r->go[0], &c, 1) == 1;
}

static pid_t start_reader(struct reader *r, int (*fn)(void *), int *done)
{
	assert_int_equal(pipe2(r->go, O_CLOEXEC) | pipe2(r->at, O_CLOEXEC), 0);
	return child_start(MEMBER, fn, r, done);
}

static int end_reader(struct reader *r, pid_t pid, int done)
{
	int result;

	assert_int_equal(write(r->go[1], "x", 1), 1);
	result = end(pid, done);
	for (int i = 0; i < 2; i++) {
		fd_close(&r->go[i]);
		fd_close(&r->at[i]);
	}
	return result;
}

static int read_around(void *arg)
{
	struct reader *r = arg;
	autoclose int fd = open(path_in(&f, "kube/config"), O_RDONLY | O_CLOEXEC);
	char c;

	if (!wait_for_it(r, fd >= 0 && pread(fd, &c, 1, 0) == 1))
		return -EILSEQ;
	return pread(fd, &c, 1, 0) == 1 ? 0 : -errno;
}

/* What a file is worth that was opened by an answer which is taken back then. */
static int after_it_was_taken_back(const char *policy, uint32_t said, const char *listed)
{
	struct reader r;
	int done;
	pid_t pid;
	char c;

	in_force(policy);
	pid = start_reader(&r, read_around, &done);
	assert_true(question_within(5000));
	answer(said);
	assert_int_equal(read(r.at[0], &c, 1), 1);
	shows_text(list(), listed);
	shows_text(GRANTS(MEMBER, 0, "revoke", "--all", NULL),
		   *listed == '[' ? "taken back: 0\n" : "taken back: 1\n");
	assert_string_equal(list(), "[]\n");
	return end_reader(&r, pid, done);
}

static void test_an_open_file_is_read_no_more_where_reads_are_decided_again(void **state)
{
	static const char again[] = "recheck-always\n" ASKS;

	assert_int_equal(after_it_was_taken_back(again, QUESTION_PROCESS, "\"to\":\"process\""),
			 -EACCES);
	assert_int_equal(after_it_was_taken_back(again, QUESTION_ONCE, "\"to\":\"once\""), -EACCES);
	/* Otherwise as with a policy that is replaced. */
	assert_int_equal(after_it_was_taken_back(ASKS, QUESTION_PROCESS, "\"to\":\"process\""), 0);
	assert_int_equal(after_it_was_taken_back(ASKS, QUESTION_ONCE, "[]\n"), 0);
}

static int read_open_and_write(void *arg)
{
	struct reader *r = arg;
	autoclose int fd = open(path_in(&f, "kube/config"), O_RDONLY | O_CLOEXEC);
	int written = write_it((void *)path_in(&f, "kube/config"));
	char c;

	if (!wait_for_it(r, fd >= 0 && written == 0))
		return -EILSEQ;
	written = write_it((void *)path_in(&f, "kube/config"));
	return written || pread(fd, &c, 1, 0) == 1 ? -EILSEQ : -errno;
}

/* "once" and "this process" are kept apart, and have no number twice. */
static void test_one_of_two_answers_about_a_process_is_taken_back(void **state)
{
	struct reader r;
	int done;
	pid_t pid;
	char c;

	in_force("recheck-always\n" ASKS);
	pid = start_reader(&r, read_open_and_write, &done);
	assert_true(question_within(5000));
	answer(QUESTION_ONCE);
	assert_true(question_within(5000));
	answer(QUESTION_PROCESS);
	assert_int_equal(read(r.at[0], &c, 1), 1);
	shows_text(list(), "[{\"id\":1,\"verdict\":\"allow\",\"to\":\"once\",");
	shows_text(list(), "{\"id\":2,\"verdict\":\"allow\",\"to\":\"process\",");
	assert_int_equal(taken_back(1), 0);
	assert_int_equal(end_reader(&r, pid, done), -EACCES);
}

/* --- the record, and the lock ----------------------------------------------------------------- */

static void test_the_audit_says_what_was_taken_back(void **state)
{
	static struct call c = { .argv = { "tazfs", "audit", "--json", f.mnt } };

	in_force(ASKS);
	run_cat(CAT, NULL, QUESTION_PROGRAM);
	assert_int_equal(taken_back(1), 0);
	assert_int_equal(taken_back(1), -ESRCH);
	tool_call(&c, MEMBER, 0);
	shows_text(c.text, "\"answer 1 was taken back by process ");
	shows_text(c.text, ": kube/config\"");
	assert_null(strstr(strstr(c.text, "taken back") + 1, "taken back"));
}

static int ask_after_the_lock(void *sock)
{
	uint64_t at = 0;
	autoclose int root = open(f.mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char c;

	if (root < 0 || write(*(int *)sock, "x", 1) != 1 || read(*(int *)sock, &c, 1) != 1)
		return -EILSEQ;
	return ask_view(root, CONTROL_GRANTS, &at);
}

static void test_locked_it_says_nothing(void **state)
{
	int pair[2], done, r;
	pid_t pid;
	char c;

	in_force(ASKS);
	run_cat(CAT, NULL, QUESTION_PROGRAM);
	assert_int_equal(msg_pair(pair), 0);
	pid = child_start(MEMBER, ask_after_the_lock, &pair[0], &done);
	assert_int_equal(read(pair[1], &c, 1), 1);
	assert_int_equal(fixture_lock(&f), 0);
	assert_int_equal(write(pair[1], "x", 1), 1);
	r = end(pid, done);
	assert_true(r == -EIO || r == -ENOTCONN);
	fd_close(&pair[0]);
	fd_close(&pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_what_was_answered_is_listed_with_whom_it_is_for),
		T(test_a_count_is_listed_with_what_is_left_of_it),
		T(test_a_process_is_listed_until_it_ends),
		T(test_a_name_commands_no_terminal_and_breaks_no_line),
		T(test_nobody_outside_sees_or_revokes_not_even_through_a_members_descriptor),
		T(test_the_policy_says_who_may_and_asks_nobody_about_it),
		T(test_what_was_taken_back_is_asked_about_again),
		T(test_all_is_all_that_was_allowed),
		T(test_a_refusal_is_not_taken_back_by_whom_it_refuses),
		T(test_a_forged_number_takes_nothing_back),
		T(test_wrong_use_takes_nothing_back),
		T(test_of_two_at_once_one_takes_it_back),
		T(test_an_open_file_is_read_no_more_where_reads_are_decided_again),
		T(test_one_of_two_answers_about_a_process_is_taken_back),
		T(test_the_audit_says_what_was_taken_back),
		T(test_locked_it_says_nothing),
	};

	return tool_open() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
