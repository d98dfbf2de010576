#include "tests/callers_fixture.h"

#include <linux/capability.h>
#include <sched.h>

#include "enclave/base/privs.h"

/* --- as members and the view really are: one uid, and the mark --- */

static void drop_caps(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	if (syscall(SYS_capset, &h, none) < 0)
		_exit(9);
}

enum member { HEALTHY, MARK_LOST, HIDDEN, OTHER_USER_NS, HIDDEN_AND_LOST };

static pid_t member(enum member what)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_DUMPABLE, 1); /* as after an exec */
		if (what == MARK_LOST || what == HIDDEN_AND_LOST)
			drop_caps();
		if (what == HIDDEN || what == HIDDEN_AND_LOST)
			prctl(PR_SET_DUMPABLE, 0);
		if (what == OTHER_USER_NS && unshare(CLONE_NEWUSER) < 0)
			_exit(9);
		raise(SIGSTOP);
		for (;;)
			pause();
	}
	waitpid(pid, NULL, WUNTRACED);
	return pid;
}

static int look_at_members(void)
{
	static const struct {
		enum member what;
		bool open, known;
	} table[] = {
		{ HEALTHY, false, true },	  { MARK_LOST, true, true },
		{ HIDDEN, false, false },	  { OTHER_USER_NS, true, true },
		{ HIDDEN_AND_LOST, true, false },
	};
	int r = 0;

	if (privs_become(NULL, 1000, 1000, 1) < 0)
		return 77;
	/* What privs_become() leaves is not dumpable: neither are our children, until they say so.
	 */
	lead(getpid(), SESSION_MARKED);
	for (size_t i = 0; i < sizeof(table) / sizeof(*table) && r == 0; i++) {
		pid_t pid = member(table[i].what);

		for (int again = 0; again < 2; again++) {
			struct caller who = caller_look(c, pid);

			if (!who.session || who.open != table[i].open ||
			    seen.open != table[i].open || seen.chain[0].known != table[i].known)
				r = 10 + (int)i;
		}
		end(pid);
	}
	return r;
}

static void test_a_marked_member_is_closed_and_known_unless_it_lost_the_mark_or_hides(void **state)
{
	int r;

	if (getuid())
		skip();
	r = in_child(look_at_members);
	if (r == 77)
		skip();
	assert_int_equal(r, 0);
}

static int lose_the_mark_later(void)
{
	pid_t pid;
	int r = 0;

	if (privs_become(NULL, 1000, 1000, 1) < 0)
		return 77;
	lead(getpid(), SESSION_MARKED);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_DUMPABLE, 1);
		raise(SIGSTOP);
		drop_caps();
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, NULL, WUNTRACED);
	if (caller_look(c, pid).open)
		r = 1;
	kill(pid, SIGCONT);
	waitpid(pid, NULL, WUNTRACED);
	if (!caller_look(c, pid).open)
		r = 2;
	end(pid);
	return r;
}

static void test_a_member_that_loses_the_mark_is_open_at_its_next_request(void **state)
{
	int r;

	if (getuid())
		skip();
	r = in_child(lose_the_mark_later);
	if (r == 77)
		skip();
	assert_int_equal(r, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_a_marked_member_is_closed_and_known_unless_it_lost_the_mark_or_hides),
		T(test_a_member_that_loses_the_mark_is_open_at_its_next_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
