#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "launcher/opts.h"
#include "launcher/seen.h"
#include "launcher/workshop.h"

/* Source: proc(5), /proc/PID/syscall: the number of the system call that it is in. */
static bool waits_for_lock(pid_t pid)
{
	char path[64];
	FILE *f;
	int nr = -1;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%d", &nr) != 1)
		nr = -1;
	fclose(f);
	return nr == SYS_flock;
}

static void test_names_are_harmless_everywhere(void **state)
{
	static const char *const good[] = { "default", "a", "0", "work-2",
					    "abcdefghijklmnopqrstuvwxyz012345" };
	static const char *const bad[] = { "",	     "-a",  "A",
					   "a b",    "a/b", "..",
					   "a.b",    "a\n", "ä",
					   "--name", "a_b", "abcdefghijklmnopqrstuvwxyz0123456" };

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(workshop_name_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(workshop_name_ok(bad[i]));
}

static void test_a_directory_is_mapped_into_the_workspace(void **state)
{
	char buf[64];

	assert_int_equal(workspace_inside("/home/u/p", "/home/u/p", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "/workspace");
	assert_int_equal(workspace_inside("/home/u/p", "/home/u/p/x/y", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "/workspace/x/y");
	assert_int_equal(workspace_inside("/home/u/p", "/home/u/pq", buf, sizeof(buf)), -ENOENT);
	assert_string_equal(buf, "/workspace");
	assert_int_equal(workspace_inside("/home/u/p", "/", buf, sizeof(buf)), -ENOENT);
}

/* Whoever is inside could change there what root runs next. */
static void test_what_root_runs_is_in_no_workspace(void **state)
{
	char root[] = "/tmp/test_workshop.XXXXXX", taz[64], src[64], near[64], link[64];
	const char *const own[] = { link, NULL };

	assert_non_null(mkdtemp(root));
	snprintf(taz, sizeof(taz), "%s/taz", root);
	snprintf(src, sizeof(src), "%s/taz/launcher", root);
	snprintf(near, sizeof(near), "%s/taz2", root);
	snprintf(link, sizeof(link), "%s/link", root);
	assert_int_equal(mkdir(taz, 0700), 0);
	assert_int_equal(mkdir(src, 0700), 0);
	assert_null(workspace_refused(taz, own)); /* there is no such link yet */
	assert_int_equal(symlink(taz, link), 0);
	assert_non_null(workspace_refused(taz, own));
	assert_non_null(workspace_refused(src, own));
	assert_non_null(workspace_refused(root, own));
	assert_non_null(workspace_refused("/", own));
	assert_null(workspace_refused(near, own));
	assert_null(workspace_refused(link, (const char *const[]){ NULL }));
	assert_int_equal(unlink(link), 0);
	assert_int_equal(rmdir(src), 0);
	assert_int_equal(rmdir(taz), 0);
	assert_int_equal(rmdir(root), 0);
}

static const char *up_name;
static int up_answer;

static int says(const char *name, const char *dir, const struct record *rec)
{
	assert_string_equal(strrchr(dir, '/') + 1, name);
	return !strcmp(name, up_name) ? up_answer : 0;
}

static void save_workspace(const char *root, const char *name, const char *workspace)
{
	struct record rec = { .engine = "vm",
			      .image = "i",
			      .instance = "x-1",
			      .mounts = "/more:/mnt/m,/seen:/mnt/s:ro" };
	char dir[64];

	snprintf(dir, sizeof(dir), "%s/%s", root, name);
	assert_int_equal(workshop_make_dirs(dir), 0);
	strcpy(rec.workspace, workspace);
	assert_int_equal(record_save(dir, &rec), 0);
}

static void test_a_workspace_inside_of_that_of_one_that_is_up_is_noticed(void **state)
{
	char root[] = "/tmp/test_workshop.XXXXXX", mine[64], name[WORKSHOP_NAME_MAX + 1], cmd[64];

	assert_non_null(mkdtemp(root));
	snprintf(mine, sizeof(mine), "%s/mine", root);
	save_workspace(root, "mine", "/p");
	save_workspace(root, "far", "/elsewhere");
	save_workspace(root, "near", "/p/a");
	up_name = "near";
	up_answer = 1;
	assert_int_equal(workshop_around(mine, "/p/a/b", says, name), 1);
	assert_string_equal(name, "near");
	assert_int_equal(workshop_around(mine, "/p/a", says, name), 0); /* two of one workspace */
	assert_int_equal(workshop_around(mine, "/p", says, name), 0);
	assert_int_equal(workshop_around(mine, "/p/ab/c", says, name), 0);
	assert_int_equal(workshop_around(mine, "/more/b", says, name), 1);
	assert_int_equal(workshop_around(mine, "/more", says, name), 0);
	assert_int_equal(workshop_around(mine, "/seen/b", says, name), 1); /* root may remount it */
	up_answer = 0;
	assert_int_equal(workshop_around(mine, "/p/a/b", says, name), 0);
	up_answer = -ECONNREFUSED; /* who can't be asked may be up */
	assert_int_equal(workshop_around(mine, "/p/a/b", says, name), -ECONNREFUSED);
	assert_string_equal(name, "near");
	up_name = "mine";
	up_answer = 1;
	assert_int_equal(workshop_around(mine, "/p/b", says, name), 0);
	snprintf(cmd, sizeof(cmd), "rm -r %s", root);
	assert_int_equal(system(cmd), 0);
}

static void test_removing_a_workshop_leaves_what_a_link_in_it_leads_to(void **state)
{
	char dir[] = "/tmp/taz-remove-XXXXXX", path[96], outside[] = "/tmp/taz-kept-XXXXXX";
	int fd = mkstemp(outside);

	assert_true(fd >= 0);
	close(fd);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(workshop_make_dirs(dir), 0);
	snprintf(path, sizeof(path), "%s/vault/vault.luks", dir);
	close(creat(path, 0600));
	snprintf(path, sizeof(path), "%s/work/link", dir);
	assert_int_equal(symlink(outside, path), 0);
	assert_int_equal(workshop_remove(dir), 0);
	assert_int_equal(access(dir, F_OK), -1);
	assert_int_equal(access(outside, F_OK), 0);
	unlink(outside);
	assert_int_equal(workshop_remove(dir), -ENOENT);
}

/* What the child waits for is removed meanwhile: it must not hold the lock of nothing. */
static void test_who_waits_for_a_lock_does_not_get_that_of_a_removed_workshop(void **state)
{
	char root[] = "/tmp/taz-lock-XXXXXX", dir[96], c;
	int lock, go[2], status;
	struct stat st;
	pid_t pid;

	assert_non_null(mkdtemp(root));
	snprintf(dir, sizeof(dir), "%s/w", root);
	assert_int_equal(workshop_make_dirs(dir), 0);
	lock = workshop_lock(dir);
	assert_true(lock >= 0);
	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		close(lock);
		_exit(write(go[1], "x", 1) == 1 && workshop_lock(dir) == -ENOENT ? 0 : 1);
	}
	assert_int_equal(read(go[0], &c, 1), 1);
	while (!waits_for_lock(pid))
		usleep(1000);
	assert_int_equal(workshop_remove(dir), 0);
	assert_int_equal(lstat(dir, &st), -1);
	close(lock);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(go[0]);
	close(go[1]);
	assert_int_equal(rmdir(root), 0); /* nothing is left beside it */
}

static void test_an_interrupted_removal_is_gone_on_with(void **state)
{
	char root[] = "/tmp/taz-half-XXXXXX", dir[96], aside[128];

	assert_non_null(mkdtemp(root));
	snprintf(dir, sizeof(dir), "%s/w", root);
	snprintf(aside, sizeof(aside), "%s.removed", dir);
	assert_false(workshop_exists(dir));
	assert_int_equal(workshop_make_dirs(aside), 0);
	assert_true(workshop_exists(dir));
	assert_int_equal(workshop_make_dirs(dir), 0);
	assert_int_equal(workshop_remove(dir), 0);
	assert_false(workshop_exists(dir));
	assert_int_equal(workshop_make_dirs(aside), 0);
	assert_int_equal(workshop_remove(dir), 0);
	assert_false(workshop_exists(dir));
	assert_int_equal(workshop_remove(dir), -ENOENT);
	assert_int_equal(rmdir(root), 0);
}

static void test_a_record_with_anything_odd_is_refused(void **state)
{
	static const char good[] = "engine=vm\nimage=taz/base:1\ninstance=a-1\nworkspace=/a=b\n";
	static const char *const bad[] = {
		"",
		"engine=vm\nimage=x\ninstance=a\n",
		"engine=vm\nengine=vm\nimage=x\ninstance=a\nworkspace=/\n",
		"engine=vm\nimage=x\ninstance=a\nworkspace=/\nmore=1\n",
		"engine=vm\nimage=x\ninstance=a\nworkspace\n",
		"engine=averyveryverylongname\nimage=x\ninstance=a\nworkspace=/\n",
		"engine=\nimage=x\ninstance=a\nworkspace=/\n",
	};
	static struct record rec;

	assert_int_equal(record_parse(good, &rec), 0);
	assert_string_equal(rec.workspace, "/a=b");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(record_parse(bad[i], &rec), -EBADMSG);
}

static void test_a_record_is_read_as_it_was_saved(void **state)
{
	static struct record in = { "docker",		"taz/base:0",
				    "default-1",	"/home/u/my, \"p\"",
				    "/srv:/mnt/srv:ro", "least" };
	static struct record out;
	char dir[] = "/tmp/taz-workshop-XXXXXX", path[128];
	struct stat st;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/w", dir);
	assert_int_equal(record_load(path, &out), -ENOENT);
	assert_int_equal(workshop_make_dirs(path), 0);
	assert_int_equal(workshop_make_dirs(path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(record_save(path, &in), 0);
	assert_int_equal(record_load(path, &out), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	*in.rights = '\0'; /* as an older version wrote it */
	assert_int_equal(record_save(path, &in), 0);
	assert_int_equal(record_load(path, &out), 0);
	assert_string_equal(out.rights, "");
	strcpy(in.workspace, "/a\nengine=vm");
	assert_int_equal(record_save(path, &in), -EINVAL);
	snprintf(path, sizeof(path), "rm -r %s", dir);
	assert_int_equal(system(path), 0);
}

static int take(struct opts *o, char *why, char *const argv[])
{
	int argc = 0;

	while (argv[argc])
		argc++;
	opts_init(o);
	return opts_take(o, argc, argv, why, 160);
}

#define TAKE(...) take(&o, why, (char *[]){ __VA_ARGS__, NULL })

static void test_options_end_where_the_command_begins(void **state)
{
	struct opts o;
	char why[160];

	assert_int_equal(TAKE("--name", "w", "--engine=vm", "run", "--json"), 3);
	assert_string_equal(o.name, "w");
	assert_string_equal(o.engine, "vm");
	assert_false(o.json);
	assert_int_equal(TAKE("--create", "--", "--name", "x"), 2);
	assert_true(o.create);
	assert_string_equal(o.name, "default");
	assert_int_equal(TAKE("--help"), 0);
	assert_int_equal(TAKE("--vault-size", "1G", "--idle", "90s"), 4);
	assert_int_equal(o.vault_bytes, 1 << 30);
	assert_int_equal(o.idle_sec, 90);
	assert_string_equal(opts_refused(&o, OPT_COMMON), "--vault-size");
	assert_null(opts_refused(&o, OPT_UP));
}

static void test_a_bad_value_says_what_it_wants(void **state)
{
	struct opts o;
	char why[160];

	assert_int_equal(TAKE("--name", "../x"), -EINVAL);
	assert_non_null(strstr(why, "--name wants a name"));
	assert_int_equal(TAKE("--name"), -EINVAL);
	assert_int_equal(TAKE("--engine", "qemu"), -EINVAL);
	assert_int_equal(TAKE("--vault-size", "5"), -EINVAL);
	assert_int_equal(TAKE("--idle", "5x"), -EINVAL);
	assert_int_equal(TAKE("--view-memory", "Strict"), -EINVAL);
	assert_non_null(strstr(why, "cached or strict"));
	assert_int_equal(TAKE("--json=1"), -EINVAL);
	assert_int_equal(TAKE("--passphrase-fd", "0x"), -EINVAL);
	assert_int_equal(TAKE("--passphrase-fd", "1000"), -EINVAL);
	assert_int_equal(TAKE("--passphrase-fd", "0"), 2);
	assert_int_equal(o.passphrase_fd, 0);
	assert_int_equal(TAKE("--namex", "w"), 0);
}

#define ID_A "0123456789abcdef0123456789abcdef"
#define ID_B "ffffffffffffffffffffffffffffffff"

static void test_a_seen_file_with_anything_odd_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"7\n",
		"0:" ID_A "\n",
		"-1:" ID_A "\n",
		"7:" ID_A,
		"7:" ID_A "\n\n",
		"7:" ID_A "0\n",
		"7:0123456789ABCDEF0123456789abcdef\n",
		"7:0123\n",
		"7: " ID_A "\n",
		"99999999999999999999:" ID_A "\n",
		"9223372036854775807:" ID_A "\n",
	};
	struct seen seen;

	assert_int_equal(seen_parse("7:" ID_A "\n", &seen), 0);
	assert_int_equal(seen.generation, 7);
	assert_string_equal(seen.vault, ID_A);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(seen_parse(bad[i], &seen), -EBADMSG);
}

static void test_what_was_seen_never_goes_back(void **state)
{
	struct seen seen = { 0 };

	assert_int_equal(seen_merge(&seen, &(struct seen){ 0 }), 0);
	assert_int_equal(seen_merge(&seen, &(struct seen){ 5, ID_A }), 1);
	assert_int_equal(seen_merge(&seen, &(struct seen){ 5, ID_A }), 0);
	assert_int_equal(seen_merge(&seen, &(struct seen){ 4, ID_A }), 0);
	assert_int_equal(seen.generation, 5);
	assert_int_equal(seen_merge(&seen, &(struct seen){ 2, ID_B }), 1);
	assert_int_equal(seen.generation, 5);
	assert_string_equal(seen.vault, ID_B);
	assert_int_equal(seen_merge(&seen, &(struct seen){ INT64_MAX, ID_B }), -EINVAL);
	assert_int_equal(seen_merge(&seen, &(struct seen){ 9, "../x" }), -EINVAL);
	assert_int_equal(seen.generation, 5);
}

static void test_what_was_seen_is_read_back_and_an_edited_file_is_left_alone(void **state)
{
	char dir[] = "/tmp/test-seen-XXXXXX", path[64], cmd[64];
	struct seen seen;
	FILE *f;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(seen_load(dir, &seen), 0);
	assert_int_equal(seen.generation, 0);
	assert_int_equal(seen_update(dir, &(struct seen){ 7, ID_A }), 0);
	assert_int_equal(seen_update(dir, &(struct seen){ 6, ID_A }), 0);
	assert_int_equal(seen_load(dir, &seen), 0);
	assert_int_equal(seen.generation, 7);
	snprintf(path, sizeof(path), "%s/seen", dir);
	f = fopen(path, "we");
	assert_true(f && fputs("7:nonsense\n", f) > 0 && fclose(f) == 0);
	assert_int_equal(seen_load(dir, &seen), -EBADMSG);
	assert_int_equal(seen_update(dir, &(struct seen){ 9, ID_A }), -EBADMSG);
	assert_int_equal(seen_load(dir, &seen), -EBADMSG);
	snprintf(cmd, sizeof(cmd), "rm -r -- %s", dir);
	assert_int_equal(system(cmd), 0);
}

static void test_what_the_keeper_says_is_taken_as_numbers_only(void **state)
{
	struct seen seen;

	assert_int_equal(seen_in_status("{\"seen\":12,\"vault_id\":\"" ID_A "\"}", &seen), 0);
	assert_int_equal(seen.generation, 12);
	assert_string_equal(seen.vault, ID_A);
	assert_int_equal(seen_in_status("{\"seen\":0,\"vault_id\":null}", &seen), 0);
	assert_int_equal(seen.generation, 0);
	assert_int_equal(seen_in_status("{\"generation\":3}", &seen), -EBADMSG);
	assert_int_equal(seen_in_status("{\"seen\":\"12\",\"vault_id\":\"x\"}", &seen), -EBADMSG);
	assert_int_equal(seen_in_status("[]", &seen), -EBADMSG);
	assert_int_equal(seen_in_status("", &seen), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_harmless_everywhere),
		cmocka_unit_test(test_who_waits_for_a_lock_does_not_get_that_of_a_removed_workshop),
		cmocka_unit_test(test_an_interrupted_removal_is_gone_on_with),
		cmocka_unit_test(test_a_directory_is_mapped_into_the_workspace),
		cmocka_unit_test(test_what_root_runs_is_in_no_workspace),
		cmocka_unit_test(test_a_workspace_inside_of_that_of_one_that_is_up_is_noticed),
		cmocka_unit_test(test_removing_a_workshop_leaves_what_a_link_in_it_leads_to),
		cmocka_unit_test(test_a_record_with_anything_odd_is_refused),
		cmocka_unit_test(test_a_record_is_read_as_it_was_saved),
		cmocka_unit_test(test_options_end_where_the_command_begins),
		cmocka_unit_test(test_a_bad_value_says_what_it_wants),
		cmocka_unit_test(test_a_seen_file_with_anything_odd_is_refused),
		cmocka_unit_test(test_what_was_seen_never_goes_back),
		cmocka_unit_test(test_what_was_seen_is_read_back_and_an_edited_file_is_left_alone),
		cmocka_unit_test(test_what_the_keeper_says_is_taken_as_numbers_only),
	};

	return cmocka_run_group_tests_name("workshop", tests, NULL, NULL);
}
