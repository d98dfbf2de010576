/* In a mount namespace of its own, as root: its folders are real volumes. */
#include <errno.h>
#include <linux/magic.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "launcher/pod.h"

#define USER 1000

static char dir[64], volume[96], other[96];

static int setup_all(void **state)
{
	return unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0;
}

/* A volume as a cluster's may be: open to all, on a mount of its own. */
static int setup(void **state)
{
	strcpy(dir, "/tmp/taz-pod-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(volume, sizeof(volume), "%s/volume", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	if (mkdir(volume, 0755) < 0 || mkdir(other, 0755) < 0)
		return -1;
	return mount("tmpfs", volume, "tmpfs", 0, "mode=0777");
}

static int teardown(void **state)
{
	while (umount2(volume, MNT_DETACH) == 0)
		;
	unlink(volume);
	rmdir(volume);
	rmdir(other);
	return rmdir(dir);
}

static void is_mode(const char *path, mode_t mode, uid_t uid)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
	assert_int_equal(st.st_uid, uid);
}

static void make(const char *name, mode_t mode)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", volume, name);
	assert_int_equal(mode & S_IFDIR ? mkdir(path, mode & 0777) : mknod(path, mode, 0), 0);
}

/* The volume's place is a link to another folder. */
static void volume_is_a_link(void)
{
	assert_int_equal(umount2(volume, MNT_DETACH), 0);
	assert_int_equal(rmdir(volume), 0);
	assert_int_equal(symlink(other, volume), 0);
}

static void test_the_vaults_volume_becomes_roots_alone(void **state)
{
	assert_int_equal(chown(volume, USER, USER), 0);
	assert_int_equal(pod_take(volume), 0);
	is_mode(volume, 0700, 0);
}

static void test_a_vault_without_a_volume_is_refused(void **state)
{
	assert_int_equal(pod_take(other), -ENODEV);
	is_mode(other, 0755, 0);
}

static void test_a_link_leads_nowhere(void **state)
{
	volume_is_a_link();
	assert_int_equal(mount("tmpfs", other, "tmpfs", 0, "mode=0777"), 0);
	assert_int_equal(pod_take(volume), -ENOTDIR);
	assert_int_equal(pod_give(volume, USER, USER), -ENOTDIR);
	assert_int_equal(pod_cover(volume, "755"), -ENOTDIR);
	is_mode(other, 0777, 0);
	assert_int_equal(umount2(other, MNT_DETACH), 0);
}

static void test_a_new_workspace_becomes_the_users(void **state)
{
	assert_int_equal(pod_give(volume, USER, USER), 1);
	is_mode(volume, 0755, USER);
	assert_int_equal(pod_give(volume, USER + 1, USER + 1), 0);
	is_mode(volume, 0755, USER);
}

static void test_what_mkfs_has_made_is_no_content(void **state)
{
	make("lost+found", S_IFDIR | 0700);
	assert_int_equal(pod_give(volume, USER, USER), 1);
	is_mode(volume, 0755, USER);
}

static void test_a_workspace_that_has_anything_in_it_stays_as_it_is(void **state)
{
	make(".hidden", S_IFREG | 0600);
	assert_int_equal(pod_give(volume, USER, USER), 0);
	is_mode(volume, 0777, 0);
}

static void test_a_link_called_lost_and_found_is_content(void **state)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/lost+found", volume);
	assert_int_equal(symlink("/etc", path), 0);
	assert_int_equal(pod_give(volume, USER, USER), 0);
	is_mode(volume, 0777, 0);
}

static void test_memory_covers_what_was_left(void **state)
{
	struct statvfs flags;
	struct statfs fs;
	char path[160];

	make("left", S_IFREG | 0644);
	assert_int_equal(pod_cover(other, "1777"), 0);
	is_mode(other, 01777, 0);
	assert_int_equal(statfs(other, &fs), 0);
	assert_int_equal(fs.f_type, TMPFS_MAGIC);
	assert_int_equal(statvfs(other, &flags), 0);
	assert_true(flags.f_flag & ST_NOSUID && flags.f_flag & ST_NODEV);
	assert_int_equal(umount2(other, MNT_DETACH), 0);
	assert_int_equal(pod_cover(volume, "755"), 0);
	is_mode(volume, 0755, 0);
	snprintf(path, sizeof(path), "%s/left", volume);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_no_two_instances_are_the_same(void **state)
{
	char a[POD_INSTANCE_MAX], b[POD_INSTANCE_MAX];

	assert_int_equal(pod_instance("work", a), 0);
	assert_int_equal(pod_instance("work", b), 0);
	assert_string_not_equal(a, b);
	assert_int_equal(strncmp(a, "work-", 5), 0);
	assert_int_equal(strspn(a, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen("work-") + 16);
	assert_int_equal(strlen(a), strlen("work-") + 16);
	assert_int_equal(pod_instance("a/b", a), -EINVAL);
}

int main(void)
{
#define WITH_VOLUME(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_VOLUME(test_the_vaults_volume_becomes_roots_alone),
		WITH_VOLUME(test_a_vault_without_a_volume_is_refused),
		WITH_VOLUME(test_a_link_leads_nowhere),
		WITH_VOLUME(test_a_new_workspace_becomes_the_users),
		WITH_VOLUME(test_what_mkfs_has_made_is_no_content),
		WITH_VOLUME(test_a_workspace_that_has_anything_in_it_stays_as_it_is),
		WITH_VOLUME(test_a_link_called_lost_and_found_is_content),
		WITH_VOLUME(test_memory_covers_what_was_left),
		cmocka_unit_test(test_no_two_instances_are_the_same),
	};

	return cmocka_run_group_tests(tests, setup_all, NULL);
}
