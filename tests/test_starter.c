#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/conf.h"
#include "launcher/project.h"
#include "launcher/starter.h"

static char text[STARTER_MERGE_MAX + 4096], why[240], path[] = "/tmp/taz-starter-XXXXXX";
static int dir;

static int enter_dir(void **state)
{
	strcpy(strrchr(path, '-') + 1, "XXXXXX");
	dir = mkdtemp(path) && chdir(path) == 0 ? open(path, O_RDONLY | O_DIRECTORY) : -1;
	return dir < 0 ? -1 : 0;
}

static int leave_dir(void **state)
{
	char cmd[100];

	close(dir);
	snprintf(cmd, sizeof(cmd), "cd / && rm -rf %s", path);
	return system(cmd);
}

static const struct starter_file *file_named(const char *name)
{
	for (size_t i = 0; i < starter_n_files; i++)
		if (!strcmp(starter_files[i].name, name))
			return &starter_files[i];
	fail_msg("no file %s", name);
	return NULL;
}

static int begin(const char *name)
{
	return starter_write(dir, file_named(name));
}

static void put(const char *name, const char *what)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(what, f);
	fclose(f);
}

static const char *get(const char *name)
{
	FILE *f = fopen(name, "r");

	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

/* The file as it is when every example counts: "#" goes where no blank follows it. */
static char *with_examples(const char *name)
{
	char *to = text;

	for (const char *from = file_named(name)->text; *from;) {
		size_t n = strcspn(from, "\n") + 1;
		bool example = from[0] == '#' && from[1] != ' ' && from[1] != '\n';

		memcpy(to, from + example, n - example);
		to += n - example;
		from += n;
	}
	*to = '\0';
	return text;
}

/* --- what is in them ------------------------------------------------------------------------- */

static void test_what_is_written_decides_nothing(void **state)
{
	struct conf_error err;
	struct conf *conf;
	struct opts base, o;

	opts_init(&o);
	opts_init(&base);
	strcpy(text, file_named("taz.conf")->text);
	assert_int_equal(project_parse(&o, PROJECT_FILE, text, strlen(text), OPT_UP, &base, why,
				       sizeof(why)),
			 0);
	assert_int_equal(o.given, 0);
	strcpy(text, file_named("secrets.conf")->text);
	assert_int_equal(conf_parse(text, strlen(text), &conf, &err), 0);
	assert_int_equal(conf->n, 0);
	conf_free(conf);
}

static void test_every_option_of_a_workspace_has_a_valid_example(void **state)
{
	static char unknown[] = "x = 1\n";
	char names[240];
	struct opts base, o;
	size_t n = 0;

	opts_init(&o);
	opts_init(&base);
	assert_int_equal(
		project_parse(&o, PROJECT_FILE, unknown, 6, OPT_UP, &base, names, sizeof(names)),
		-EINVAL);
	for (char *name = strtok(strstr(names, "there are: ") + 11, ", "); name;
	     name = strtok(NULL, ", "), n++) {
		char line[64];

		snprintf(line, sizeof(line), "\n#%s = ", name);
		if (!strstr(file_named("taz.conf")->text, line))
			fail_msg("taz.conf has no example of %s", name);
	}
	assert_true(n >= 7);
	with_examples("taz.conf");
	if (project_parse(&o, PROJECT_FILE, text, strlen(text), OPT_UP, &base, why, sizeof(why)) <
	    0)
		fail_msg("%s", why);
	assert_string_equal(o.layer, "k8s");
}

static void test_the_examples_of_secrets_are_valid(void **state)
{
	struct conf_error err;
	struct conf *conf;

	with_examples("secrets.conf");
	if (conf_parse(text, strlen(text), &conf, &err) < 0)
		fail_msg("%u: %s", err.line, err.text);
	assert_int_equal(conf->n, 4);
	assert_non_null(conf_find(conf, "kubeconfig"));
	conf_free(conf);
}

static void test_git_ignores_secrets_and_takes_what_is_encrypted(void **state)
{
	assert_true(begin(".gitignore") > 5);
	assert_int_equal(
		system("git init -q . && mkdir sub && for f in .env .env.local kubeconfig "
		       "sub/id_ed25519 tls.key; do git check-ignore -q $f || exit 1; done"),
		0);
	assert_int_equal(system("for f in .env.example kubeconfig.age settings.enc.yaml "
				"secrets.conf taz.conf id_ed25519.pub .gitignore; do "
				"if git check-ignore -q $f; then exit 1; fi; done"),
			 0);
}

/* --- how they are written -------------------------------------------------------------------- */

static void test_a_second_time_changes_nothing(void **state)
{
	for (size_t i = 0; i < starter_n_files; i++) {
		assert_true(starter_write(dir, &starter_files[i]) > 5);
		assert_int_equal(starter_write(dir, &starter_files[i]), 0);
		assert_string_equal(get(starter_files[i].name), starter_files[i].text);
	}
}

static void test_what_is_there_is_not_replaced(void **state)
{
	put("taz.conf", "layer = mine\n");
	assert_int_equal(symlink("elsewhere", "secrets.conf"), 0);
	assert_int_equal(begin("taz.conf"), 0);
	assert_int_equal(begin("secrets.conf"), 0);
	assert_string_equal(get("taz.conf"), "layer = mine\n");
	assert_int_equal(access("elsewhere", F_OK), -1);
}

static void test_only_missing_lines_are_added(void **state)
{
	const char *at;

	put(".gitignore", "/build/\n.env \r\n*.pem.bak\nlast");
	assert_true(begin(".gitignore") > 5);
	at = get(".gitignore");
	assert_ptr_equal(strstr(at, "/build/\n.env \r\n*.pem.bak\nlast\n"), at);
	assert_null(strstr(at, "\n.env\n"));
	assert_non_null(strstr(at, "\n*.pem\n"));
	assert_int_equal(begin(".gitignore"), 0);
}

static void test_nothing_elsewhere_is_written_into(void **state)
{
	put("victim", "");
	assert_int_equal(symlink("victim", ".gitignore"), 0);
	assert_int_equal(begin(".gitignore"), -ELOOP);
	unlink(".gitignore");
	assert_int_equal(link("victim", ".gitignore"), 0);
	assert_int_equal(begin(".gitignore"), -EMLINK);
	unlink(".gitignore");
	assert_int_equal(mkfifo(".gitignore", 0600), 0);
	assert_int_equal(begin(".gitignore"), -EINVAL);
	assert_string_equal(get("victim"), "");
}

static void test_a_file_that_is_too_long_or_no_text_stays_as_it_is(void **state)
{
	put(".gitignore", "x");
	assert_int_equal(truncate(".gitignore", STARTER_MERGE_MAX), 0);
	assert_int_equal(begin(".gitignore"), -EINVAL); /* zero bytes */
	assert_int_equal(truncate(".gitignore", STARTER_MERGE_MAX + 1), 0);
	assert_int_equal(begin(".gitignore"), -E2BIG);
}

static void test_two_at_once_do_not_both_add(void **state)
{
	int other;

	put(".gitignore", "");
	other = open(".gitignore", O_RDONLY);
	assert_int_equal(flock(other, LOCK_EX), 0);
	assert_int_equal(begin(".gitignore"), -EAGAIN);
	close(other);
	assert_true(begin(".gitignore") > 5);
}

static void test_roots_files_are_the_directorys_owners(void **state)
{
	struct stat st;

	if (geteuid() != 0)
		skip();
	assert_int_equal(fchown(dir, 1000, 1001), 0);
	assert_true(begin("taz.conf") > 5);
	assert_int_equal(lstat("taz.conf", &st), 0);
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(st.st_gid, 1001);
	assert_int_equal(st.st_mode & 07133, 0);
}

/* RLIMIT_FSIZE stands for a full disk: the write ends short, and the next one fails. */
static void test_what_cannot_be_written_whole_is_not_written(void **state)
{
	const struct rlimit small = { 100, RLIM_INFINITY }, none = { RLIM_INFINITY, RLIM_INFINITY };
	int made, merged;

	put(".gitignore", "/build/\n");
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	made = begin("taz.conf");
	merged = begin(".gitignore");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(made, -EFBIG);
	assert_int_equal(merged, -EFBIG);
	assert_int_equal(access("taz.conf", F_OK), -1);
	assert_string_equal(get(".gitignore"), "/build/\n");
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, enter_dir, leave_dir)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_decides_nothing),
		cmocka_unit_test(test_every_option_of_a_workspace_has_a_valid_example),
		cmocka_unit_test(test_the_examples_of_secrets_are_valid),
		IN_DIR(test_git_ignores_secrets_and_takes_what_is_encrypted),
		IN_DIR(test_a_second_time_changes_nothing),
		IN_DIR(test_what_is_there_is_not_replaced),
		IN_DIR(test_only_missing_lines_are_added),
		IN_DIR(test_nothing_elsewhere_is_written_into),
		IN_DIR(test_a_file_that_is_too_long_or_no_text_stays_as_it_is),
		IN_DIR(test_two_at_once_do_not_both_add),
		IN_DIR(test_roots_files_are_the_directorys_owners),
		IN_DIR(test_what_cannot_be_written_whole_is_not_written),
	};

	return cmocka_run_group_tests_name("starter", tests, NULL, NULL);
}
