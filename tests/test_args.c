#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tazfs/args.h"

/* @line: arguments with ',' in place of the NULs. Says what was found, as a text. */
static const char *found(const char *program, const char *line)
{
	static char text[300], args[256];
	const char *script = "";
	static const char *const names[] = { "unknown", "none", "file", "loose" };
	size_t size = strlen(line) + 1;
	enum args_script r;

	strcpy(args, line);
	for (char *p = args; *p; p++)
		if (*p == ',')
			*p = '\0';
	r = args_script(program, args, size, true, &script);
	snprintf(text, sizeof(text), "%s %s", names[r], script);
	return text;
}

#define assert_found(program, line, expected) assert_string_equal(found(program, line), expected)

static void test_the_script_is_the_first_argument(void **state)
{
	assert_found("/usr/bin/python3.11", "python3,/usr/bin/aws,s3,ls", "file /usr/bin/aws");
	assert_found("/usr/bin/bash", "/bin/bash,/usr/bin/tool,-c,x", "file /usr/bin/tool");
	assert_found("/usr/bin/node", "node,/usr/bin/gemini", "file /usr/bin/gemini");
	assert_found("/usr/bin/lua5.4", "lua,x.lua", "file x.lua");
}

static void test_options_that_run_no_other_code_may_stand_before_it(void **state)
{
	assert_found("/usr/bin/python3", "/usr/bin/python3,-I,/usr/bin/x", "file /usr/bin/x");
	assert_found("/usr/bin/python3", "python3,-Su,-E,/usr/bin/x", "file /usr/bin/x");
	assert_found("/usr/bin/bash", "bash,-eux,+x,/x", "file /x");
	assert_found("/usr/bin/perl", "perl,-wT,/x", "file /x");
	assert_found("/usr/bin/node", "node,--no-warnings=DEP0040,/x", "file /x");
}

static void test_options_that_can_run_other_code_leave_only_a_guess(void **state)
{
	assert_found("/usr/bin/python3", "python3,-i,/x", "loose /x");
	assert_found("/usr/bin/node", "node,--require=/evil.js,/x", "loose /x");
	assert_found("/usr/bin/node", "node,--experimental-vm-modules,/x", "loose /x");
	assert_found("/usr/bin/bash", "bash,--rcfile=/evil,/x", "loose /x");
	assert_found("/usr/bin/bash", "bash,-l,/x", "loose /x");
	assert_found("/usr/bin/bash", "bash,-s,/x", "loose /x");
	assert_found("/usr/bin/bash", "bash,--login,/x", "loose /x");
	assert_found("/usr/bin/bash", "bash,-O,extglob,/x", "loose /x");
	assert_found("/usr/bin/python3", "python3,-W,error,/x", "loose /x");
	assert_found("/usr/bin/python3", "python3,-Xdev,/x", "loose /x");
	assert_found("/usr/bin/node", "node,-r,/evil.js,/x", "loose /x");
	assert_found("/usr/bin/perl", "perl,-Mevil,/x", "loose /x");
	assert_found("/usr/bin/perl", "perl,-I,/evil,/x", "loose /x");
	assert_found("/usr/bin/ruby", "ruby,-r,evil,/x", "loose /x");
}

static void test_an_option_that_is_not_understood_leaves_nothing(void **state)
{
	assert_found("/usr/bin/python3", "python3,-m,aider", "unknown ");
	assert_found("/usr/bin/node", "node,--require,/evil.js,/x", "unknown ");
	assert_found("/usr/bin/bash", "bash,--rcfile,/evil,/x", "unknown ");
	assert_found("/usr/bin/gawk", "gawk,-f,/x", "unknown ");
	assert_found("/usr/bin/bash", "bash,-o", "unknown ");
	assert_found("/usr/bin/bash", "bash,--,/x", "unknown ");
	assert_found("/usr/bin/bash", "bash,-,/x", "unknown ");
	assert_found("/lib/ld-linux-x86-64.so.2", "ld,/x", "unknown ");
}

static void test_code_in_an_argument_is_no_script(void **state)
{
	assert_found("/usr/bin/bash", "bash,-c,cat x,/x", "none ");
	assert_found("/usr/bin/dash", "sh,-ec,cat x", "none ");
	assert_found("/usr/bin/python3", "python3,-c,code,/x", "none ");
	assert_found("/usr/bin/perl", "perl,-we,code,/x", "none ");
	assert_found("/usr/bin/node", "node,-e,code,/x", "none ");
	assert_found("/usr/bin/mawk", "awk,-F:,{ print },/x", "none ");
	assert_found("/usr/bin/mawk", "awk,-v,a=b,{ print },/x", "none ");
	assert_found("/usr/bin/bash", "-bash", "none ");
	assert_found("/usr/bin/bash", "bash,-i", "none ");
}

static void test_what_is_no_interpreter_runs_no_script(void **state)
{
	assert_found("/usr/bin/cat", "python3,/x", "none ");
	assert_found("/usr/bin/nvim", "nvim,/x", "none ");
	assert_found("/usr/bin/nodeprobe", "node,/x", "none ");
}

static void test_a_file_that_is_many_programs_is_what_it_is_called(void **state)
{
	assert_found("/bin/busybox", "sh,/x", "file /x");
	assert_found("/bin/busybox", "cat,/x", "none ");
	assert_found("/bin/busybox", "busybox,/x", "file /x"); /* it runs nothing: no such applet */
	assert_found("/bin/busybox", "busybox,sh,/x", "file sh");
}

static void test_a_title_over_the_arguments_is_unknown(void **state)
{
	const char *script;

	assert_found("/usr/bin/node", "claude,,,,,,", "unknown ");
	assert_found("/usr/bin/node", "claude", "unknown ");
	assert_found("/usr/bin/perl", "perl,,/x", "unknown ");
	assert_int_equal(args_script("/usr/bin/node", "", 0, true, &script), ARGS_UNKNOWN);
	assert_int_equal(args_script("/usr/bin/node", "node", 4, true, &script), ARGS_UNKNOWN);
	assert_int_equal(args_script("/usr/bin/node", "node\0/x", 7, true, &script), ARGS_UNKNOWN);
	assert_int_equal(args_script("/usr/bin/bash", "bash\0-x", 8, false, &script), ARGS_UNKNOWN);
}

static bool clean(const char *line)
{
	static char env[256];
	size_t size = strlen(line) + 1;

	strcpy(env, line);
	for (char *p = env; *p; p++)
		if (*p == ',')
			*p = '\0';
	return args_env_is_clean(env, size);
}

static void test_an_environment_is_clean_without_a_variable_that_loads_code(void **state)
{
	static const char *const bad[] = {
		"LD_PRELOAD=/x.so",
		"LD_AUDIT=x",
		"LD_LIBRARY_PATH=.",
		"PYTHONPATH=/x",
		"NODE_OPTIONS=-r",
		"BASH_ENV=/x",
		"BASH_FUNC_ls%%=() {",
		"GIT_SSH_COMMAND=x",
		"PERL5OPT=-Mx",
		"RUBYOPT=-rx",
		"ENV=/x",
		"GCONV_PATH=/x",
		"LUA_INIT_5_4=@x",
		"GIT_CONFIG_KEY_0=x",
		"npm_config_script_shell=/x",
	};
	char line[300];

	assert_true(clean("PATH=/bin,HOME=/home/taz,ENVIRONMENT=x,GIT_CONFIG_GLOBAL=/x,A="));
	assert_true(args_env_is_clean(NULL, 0));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(line, sizeof(line), "PATH=/bin,%s,HOME=/", bad[i]);
		assert_false(clean(line));
	}
}

static void test_an_environment_that_was_written_over_is_not_clean(void **state)
{
	assert_false(clean("PATH=/bin,,,"));
	assert_false(clean("PATH=/bin,a title"));
	assert_false(clean("=x"));
	assert_false(args_env_is_clean("PATH=/bin", 9));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_script_is_the_first_argument),
		cmocka_unit_test(test_options_that_run_no_other_code_may_stand_before_it),
		cmocka_unit_test(test_options_that_can_run_other_code_leave_only_a_guess),
		cmocka_unit_test(test_an_option_that_is_not_understood_leaves_nothing),
		cmocka_unit_test(test_code_in_an_argument_is_no_script),
		cmocka_unit_test(test_what_is_no_interpreter_runs_no_script),
		cmocka_unit_test(test_a_file_that_is_many_programs_is_what_it_is_called),
		cmocka_unit_test(test_a_title_over_the_arguments_is_unknown),
		cmocka_unit_test(test_an_environment_is_clean_without_a_variable_that_loads_code),
		cmocka_unit_test(test_an_environment_that_was_written_over_is_not_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
