/* Who and what an answer is for. */
#include "grant_fixture.h"

static void test_without_an_answer_there_is_none(void **state)
{
	assert_int_equal(asked(runs(10, 5)), GRANT_NONE);
}

static void test_a_process_is_its_pid_its_start_and_what_it_runs(void **state)
{
	struct program other = runs(10, 5);

	assert_int_equal(add(to(GRANT_PROCESS, true, runs(10, 5))), 1);
	assert_int_equal(asked(runs(10, 5)), GRANT_YES);
	assert_int_equal(asked(runs(11, 5)), GRANT_NONE);
	other.pid++; /* which began in the same tick */
	assert_int_equal(asked(other), GRANT_NONE);
	other = runs(10, 5);
	other.start++; /* the number was given to another process */
	assert_int_equal(asked(other), GRANT_NONE);
	assert_int_equal(asked(runs(10, 6)), GRANT_NONE); /* execve(2) */
	other = runs(10, 5);
	other.script = (struct file_id){ 7, 9 };
	assert_int_equal(asked(other), GRANT_NONE);
	other = runs(10, 5);
	other.doubt = true; /* execve(2), of who knows what */
	assert_int_equal(asked(other), GRANT_NONE);
	other = runs(10, 5);
	other.exe.dev++;
	assert_int_equal(asked(other), GRANT_NONE);
	other = runs(10, 5);
	other.known = false;
	assert_int_equal(asked(other), GRANT_NONE);
}

static void test_a_session_is_whoever_runs_that_file_in_it(void **state)
{
	add(to(GRANT_SESSION, true, whole(10, 5)));
	assert_int_equal(asked(whole(11, 5)), GRANT_YES);
	assert_int_equal(asked(whole(11, 6)), GRANT_NONE);
	assert_int_equal(in_session(whole(11, 5), 2), GRANT_NONE);
	assert_int_equal(asked(hashed(runs(11, 5), 2)), GRANT_NONE); /* written over */
	assert_int_equal(asked(runs(11, 5)), GRANT_NONE);	     /* nobody has looked */
}

static void test_a_wide_yes_is_for_who_is_plain(void **state)
{
	struct program p = whole(11, 5);
	struct grant_request req = { &p, false, 1, MAY_READ, PATH, 0 };

	add(to(GRANT_SESSION, true, whole(10, 5)));
	add(to(GRANT_PROGRAM, true, whole(10, 5)));
	assert_int_equal(grants_answer(&g, &req, NULL), GRANT_NONE);
	add(to(GRANT_PROCESS, true, whole(11, 5))); /* that one was looked at */
	assert_int_equal(grants_answer(&g, &req, NULL), GRANT_YES);
	grants_clear(&g);
	add(to(GRANT_PROGRAM, false, whole(10, 5)));
	assert_int_equal(grants_answer(&g, &req, NULL), GRANT_NO);
}

static void test_of_an_interpreter_the_session_gets_one_script_and_nobody_the_hash(void **state)
{
	struct program p = python(11, 9), doubt = python(11, 9);

	assert_true(add(to(GRANT_SESSION, true, python(10, 9))) > 0);
	assert_int_equal(asked(p), GRANT_YES);
	assert_int_equal(asked(python(11, 10)), GRANT_NONE);
	assert_int_equal(asked(python(11, 0)), GRANT_NONE); /* what is typed into it */
	p.script_changed_ns++;				    /* edited since */
	assert_int_equal(asked(p), GRANT_NONE);
	doubt.doubt = true;
	assert_int_equal(asked(doubt), GRANT_NONE);
	assert_int_equal(add(to(GRANT_SESSION, true, python(10, 0))), -EINVAL);
	assert_int_equal(add(to(GRANT_PROGRAM, true, python(10, 9))), -EINVAL);
	assert_int_equal(add(to(GRANT_PROGRAM, true, python(10, 0))), -EINVAL);
	assert_true(add(to(GRANT_PROGRAM, true, whole(10, 5))) > 0);
	assert_int_equal(asked(python(11, 0)), GRANT_NONE); /* the same content by its own name */
}

static void test_what_can_be_wide(void **state)
{
	struct program p = whole(10, 5), unknown = p, guess = python(10, 9);

	assert_true(grant_can_be_wide(GRANT_SESSION, &p) && grant_can_be_wide(GRANT_PROGRAM, &p));
	p = runs(10, 5);
	assert_false(grant_can_be_wide(GRANT_SESSION, &p) || grant_can_be_wide(GRANT_PROGRAM, &p));
	p = python(10, 9);
	assert_true(grant_can_be_wide(GRANT_SESSION, &p) && !grant_can_be_wide(GRANT_PROGRAM, &p));
	p = python(10, 0);
	assert_false(grant_can_be_wide(GRANT_SESSION, &p) || grant_can_be_wide(GRANT_PROGRAM, &p));
	unknown.known = false;
	assert_false(grant_can_be_wide(GRANT_SESSION, &unknown));
	guess.doubt = true;
	assert_false(grant_can_be_wide(GRANT_SESSION, &guess));
}

static void test_only_a_wide_one_makes_it_worth_to_look_closely(void **state)
{
	add(to(GRANT_PROCESS, true, whole(10, 5)));
	assert_false(grants_are_wide(&g, PATH));
	add(to(GRANT_PROGRAM, false, whole(10, 5)));
	assert_true(grants_are_wide(&g, PATH));
	assert_false(grants_are_wide(&g, "kube"));
	grants_clear(&g);
	add(to(GRANT_SESSION, true, whole(10, 5)));
	assert_true(grants_are_wide(&g, PATH));
}

static void test_to_know_an_answer_uses_nothing_up(void **state)
{
	struct grant x = to(GRANT_PROCESS, true, runs(10, 5));
	struct program p = runs(10, 5);
	struct grant_request req = { &p, true, 1, MAY_READ, PATH, 0 };

	assert_false(grants_know(&g, &req));
	x.left = 1;
	x.until_ns = 60 * SEC;
	add(x);
	for (int i = 0; i < 3; i++)
		assert_true(grants_know(&g, &req));
	assert_int_equal(asked(p), GRANT_YES);
	assert_false(grants_know(&g, &req));
	add(x);
	req.now_ns = 60 * SEC;
	assert_false(grants_know(&g, &req));
}

static void test_a_program_is_its_content_in_any_session(void **state)
{
	struct program script = hashed(runs(11, 6), 1), doubt = script;

	add(to(GRANT_PROGRAM, true, hashed(runs(10, 5), 1)));
	assert_int_equal(in_session(hashed(runs(11, 6), 1), 2), GRANT_YES);
	assert_int_equal(asked(hashed(runs(10, 5), 2)), GRANT_NONE); /* replaced in place */
	assert_int_equal(asked(runs(10, 5)), GRANT_NONE);	     /* not hashed */
	script.script.ino = 9;
	doubt.doubt = true;
	assert_int_equal(asked(script), GRANT_NONE);
	assert_int_equal(asked(doubt), GRANT_NONE);
}

static void test_never_fits_the_file_or_its_content(void **state)
{
	add(to(GRANT_PROGRAM, false, hashed(runs(10, 5), 1)));
	assert_int_equal(asked(runs(11, 5)), GRANT_NO);
	assert_int_equal(asked(hashed(runs(11, 6), 1)), GRANT_NO); /* a copy */
	assert_int_equal(asked(hashed(runs(11, 6), 2)), GRANT_NONE);
}

static void test_never_to_a_script_is_not_never_to_its_interpreter(void **state)
{
	struct program script = hashed(runs(10, 5), 1), other;

	script.script = (struct file_id){ 7, 9 };
	other = script;
	other.script.ino = 10;
	add(to(GRANT_PROGRAM, false, script));
	assert_int_equal(asked(script), GRANT_NO);
	assert_int_equal(asked(other), GRANT_NONE);
}

static void test_a_yes_is_for_all_that_is_asked_and_a_no_for_any_of_it(void **state)
{
	struct grant x = to(GRANT_PROCESS, true, runs(10, 5));

	x.may = MAY_READ | MAY_WRITE;
	add(x);
	assert_int_equal(asked_for(runs(10, 5), MAY_WRITE, PATH, 0), GRANT_YES);
	assert_int_equal(asked_for(runs(10, 5), MAY_READ | MAY_DELETE, PATH, 0), GRANT_NONE);
	add(to(GRANT_PROCESS, false, runs(11, 5)));
	assert_int_equal(asked_for(runs(11, 5), MAY_READ | MAY_WRITE, PATH, 0), GRANT_NO);
	assert_int_equal(asked_for(runs(11, 5), MAY_WRITE, PATH, 0), GRANT_NONE);
}

static void test_only_that_very_path_is_meant(void **state)
{
	add(to(GRANT_PROCESS, true, runs(10, 5)));
	assert_int_equal(asked_for(runs(10, 5), MAY_READ, "kube", 0), GRANT_NONE);
	assert_int_equal(asked_for(runs(10, 5), MAY_READ, PATH ".bak", 0), GRANT_NONE);
	assert_int_equal(asked_for(runs(10, 5), MAY_READ, "", 0), GRANT_NONE);
	assert_int_equal(asked_for(runs(10, 5), 0, PATH, 0), GRANT_NONE); /* to ask for nothing */
}

static void test_a_refusal_comes_before_any_yes(void **state)
{
	add(to(GRANT_PROCESS, true, whole(10, 5)));
	add(to(GRANT_SESSION, true, whole(10, 5)));
	add(to(GRANT_PROGRAM, false, whole(10, 5)));
	add(to(GRANT_PROCESS, true, whole(10, 5)));
	assert_int_equal(asked(whole(10, 5)), GRANT_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, setup)
		T(test_without_an_answer_there_is_none),
		T(test_a_process_is_its_pid_its_start_and_what_it_runs),
		T(test_a_session_is_whoever_runs_that_file_in_it),
		T(test_a_wide_yes_is_for_who_is_plain),
		T(test_of_an_interpreter_the_session_gets_one_script_and_nobody_the_hash),
		T(test_what_can_be_wide),
		T(test_only_a_wide_one_makes_it_worth_to_look_closely),
		T(test_to_know_an_answer_uses_nothing_up),
		T(test_a_program_is_its_content_in_any_session),
		T(test_never_fits_the_file_or_its_content),
		T(test_never_to_a_script_is_not_never_to_its_interpreter),
		T(test_a_yes_is_for_all_that_is_asked_and_a_no_for_any_of_it),
		T(test_only_that_very_path_is_meant),
		T(test_a_refusal_comes_before_any_yes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
