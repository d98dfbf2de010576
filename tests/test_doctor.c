#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/seal_footer.h"
#include "launcher/doctor.h"
#include "launcher/launch.h"

static struct doctor_facts f;
static struct doctor_finding found[DOCTOR_CHECKS];
static size_t n;

static void all_is_well(void)
{
	f = (struct doctor_facts){
		.release = "6.12.1",
		.has_dm = true,
		.has_loop = true,
		.has_fuse = true,
		.has_noswap = true,
		.clears_freed = true,
		.yama = 1,
		.core_pattern = "core",
		.root = true,
		.kvm = true,
		.state_free = 1ULL << 40,
		.cache_free = 1ULL << 40,
		.was_up = true,
		.vault_there = true,
		.vault_private = true,
		.vault_luks = true,
		.vault_sealed = true,
		.generation = 7,
		.vault_id = "0123456789abcdef0123456789abcdef",
		.seen = { .generation = 7, .vault = "0123456789abcdef0123456789abcdef" },
		.caps = ~0ULL,
		.workshop = "default",
		.vault = "/v",
		.image_there = true,
		.watched = WATCH_LISTENS,
		.is_up = true,
	};
}

static enum doctor_level level_of(const char *name)
{
	n = doctor_look(&f, found);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(found[i].name, name)) {
			/* Whoever is told something is told why, and what to do. */
			assert_true((found[i].level == DOCTOR_GOOD) == !found[i].why);
			assert_true(!found[i].why == !found[i].mend);
			assert_true(*found[i].what);
			return found[i].level;
		}
	fail_msg("no check %s", name);
	return DOCTOR_STOPS;
}

static void test_where_all_is_well_all_is_good(void **state)
{
	all_is_well();
	n = doctor_look(&f, found);
	assert_true(n > 10);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(found[i].level, DOCTOR_GOOD);
}

static void test_each_lack_is_found_by_its_check_alone(void **state)
{
#define LACK(which, how, grade)                                                \
	do {                                                                   \
		all_is_well();                                                 \
		how;                                                           \
		assert_int_equal(level_of(which), grade);                      \
		for (size_t i = 0; i < n; i++)                                 \
			if (strcmp(found[i].name, which))                      \
				assert_int_equal(found[i].level, DOCTOR_GOOD); \
	} while (0)
	LACK("root", f.root = false, DOCTOR_WARNS);
	LACK("root", f.caps &= ~(1ULL << CAP_SYS_ADMIN), DOCTOR_WARNS);
	LACK("engine", strcpy(f.docker, "no"), DOCTOR_GOOD);
	LACK("engine", strcpy(f.podman, "no"), DOCTOR_GOOD);
	LACK("modules", f.has_dm = false, DOCTOR_WARNS);
	LACK("modules", f.has_fuse = false, DOCTOR_WARNS);
	LACK("init_on_free", f.clears_freed = false, DOCTOR_WARNS);
	LACK("noswap", f.has_noswap = false, DOCTOR_WARNS);
	LACK("swap", strcpy(f.swap, "/dev/sda2"), DOCTOR_WARNS);
	LACK("swap", strcpy(f.swap, "/dev/zram0"), DOCTOR_GOOD);
	LACK("yama", f.yama = 0, DOCTOR_WARNS);
	LACK("yama", f.yama = -1, DOCTOR_WARNS);
	LACK("core_pattern", strcpy(f.core_pattern, "@/run/systemd/coredump.socket"), DOCTOR_WARNS);
	LACK("core_pattern", strcpy(f.core_pattern, "|/lib/systemd/systemd-coredump"), DOCTOR_GOOD);
	LACK("state-room", f.state_free = 500ULL << 20, DOCTOR_WARNS);
	LACK("state-room", f.state_free = 0, DOCTOR_STOPS);
	LACK("cache-room", f.cache_free = 0, DOCTOR_STOPS);
	LACK("vault", f.vault_there = false, DOCTOR_STOPS);
	LACK("vault", f.vault_there = false; f.seen.generation = 0, DOCTOR_GOOD);
	LACK("vault", f.vault_luks = false, DOCTOR_STOPS);
	LACK("vault", f.vault_sealed = false, DOCTOR_STOPS);
	LACK("vault", f.generation = 6, DOCTOR_STOPS);
	LACK("vault", *f.vault_id = 'f', DOCTOR_STOPS);
	LACK("vault", f.generation = 8, DOCTOR_GOOD);
	LACK("vault", f.seen_bad = true, DOCTOR_STOPS);
	LACK("vault", f.vault_private = false, DOCTOR_WARNS);
	LACK("record", f.record_bad = true, DOCTOR_STOPS);
	LACK("image", f.image_there = false, DOCTOR_WARNS);
	LACK("image", f.image_there = f.was_up = false, DOCTOR_GOOD);
	LACK("host-events", f.host_deaf = "no system bus answers", DOCTOR_WARNS);
	LACK("host-events", f.watched = WATCH_NONE, DOCTOR_WARNS);
	LACK("host-events", f.watched = WATCH_DEAF, DOCTOR_WARNS);
	LACK("host-events", f.watched = WATCH_NONE; f.is_up = false, DOCTOR_GOOD);
}

static void test_what_the_virtual_machine_has_is_no_lack_without_containers(void **state)
{
	all_is_well();
	strcpy(f.docker, "no");
	f.yama = 0;
	assert_int_equal(level_of("yama"), DOCTOR_WARNS); /* podman's containers are here, too */
	strcpy(f.podman, "no");
	f.clears_freed = f.has_noswap = f.kvm = false;
	f.yama = 0;
	assert_int_equal(level_of("init_on_free"), DOCTOR_GOOD);
	assert_int_equal(level_of("noswap"), DOCTOR_GOOD);
	assert_int_equal(level_of("yama"), DOCTOR_GOOD);
	assert_int_equal(level_of("kvm"), DOCTOR_WARNS);
	strcpy(f.vm, "no");
	f.has_dm = false;
	assert_int_equal(level_of("engine"), DOCTOR_STOPS);
	assert_int_equal(level_of("modules"), DOCTOR_STOPS);
}

/* Its folder is root's alone: what is not seen is not said to be missing. */
static void test_without_root_nothing_is_said_of_the_vault(void **state)
{
	all_is_well();
	f.root = f.vault_there = f.was_up = false;
	f.seen = (struct seen){ 0 };
	assert_int_equal(level_of("vault"), DOCTOR_GOOD);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(found[i].name, "vault") || !strcmp(found[i].name, "image"))
			assert_non_null(strstr(found[i].what, "not looked at"));
}

static void test_what_up_points_to_is_there(void **state)
{
	all_is_well();
	for (int stage = 0; stage < STAGES; stage++) {
		char names[120], *save = NULL;

		assert_non_null(launch_checks(stage));
		snprintf(names, sizeof(names), "%s", launch_checks(stage));
		for (char *name = strtok_r(names, ", ", &save); name;
		     name = strtok_r(NULL, ", ", &save))
			level_of(name);
	}
}

/* --- the files ------------------------------------------------------------------------------- */

static char root[] = "/tmp/taz-doctor-XXXXXX";

static void put(const char *path, const char *text)
{
	char cmd[400], name[200];
	FILE *file;

	snprintf(name, sizeof(name), "%s%s", root, path);
	snprintf(cmd, sizeof(cmd), "mkdir -p $(dirname %s)", name);
	assert_int_equal(system(cmd), 0);
	file = fopen(name, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int make_root(void **state)
{
	strcpy(strrchr(root, '-') + 1, "XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	char cmd[100];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	return system(cmd);
}

static void test_the_kernel_is_read_from_its_files(void **state)
{
	put("/proc/sys/kernel/osrelease", "6.4.0-1-amd64\n");
	put("/proc/devices", "Block devices:\n  7 loop\n254 device-mapper\n");
	put("/proc/filesystems", "nodev\ttmpfs\n\text4\nnodev\tfuse\n");
	put("/proc/cmdline", "root=/dev/sda1 init_on_free=1 quiet\n");
	put("/proc/sys/kernel/yama/ptrace_scope", "2\n");
	put("/proc/sys/kernel/core_pattern", "|/usr/bin/keeper %p\n");
	put("/proc/self/status", "Name:\tx\nCapPrm:\t1\nCapEff:\t000001ffffffffff\n");
	put("/proc/swaps", "Filename\tType\n/dev/sda2    partition 1 0 -2\n");
	f = (struct doctor_facts){ 0 };
	doctor_kernel(&f, root);
	assert_string_equal(f.release, "6.4.0-1-amd64");
	assert_true(f.has_noswap && f.has_dm && f.has_loop && f.has_fuse && f.clears_freed);
	assert_int_equal(f.yama, 2);
	assert_string_equal(f.core_pattern, "|/usr/bin/keeper %p");
	assert_string_equal(f.swap, "/dev/sda2");
	assert_true(f.caps == 0x1ffffffffffULL);
}

static void test_device_mapper_without_crypt_is_not_enough(void **state)
{
	put("/proc/sys/kernel/osrelease", "6.1.0\n");
	put("/proc/devices", "Block devices:\n254 device-mapper\n");
	put("/lib/modules/6.1.0/modules.dep", "kernel/drivers/md/dm-zero.ko: x\n");
	f = (struct doctor_facts){ 0 };
	doctor_kernel(&f, root);
	assert_false(f.has_dm);
	put("/sys/module/dm_crypt/refcnt", "0\n");
	doctor_kernel(&f, root);
	assert_true(f.has_dm);
}

/* --- the vault ------------------------------------------------------------------------------- */

static void put_vault(off_t size, const char *begin, const struct seal_footer *end)
{
	FILE *file;

	put("/vault.luks", "");
	snprintf(f.vault, sizeof(f.vault), "%s/vault.luks", root);
	assert_int_equal(truncate(f.vault, size), 0);
	assert_int_equal(chmod(f.vault, 0600), 0);
	file = fopen(f.vault, "r+");
	assert_non_null(file);
	fwrite(begin, 1, 8, file);
	if (end) {
		fseek(file, size - SEAL_FOOTER_BYTES, SEEK_SET);
		fwrite(end, 1, sizeof(*end), file);
	}
	fclose(file);
}

static void test_the_vault_is_read_from_both_of_its_ends(void **state)
{
	static const struct seal_footer footer = { .magic = SEAL_MAGIC,
						   .version = SEAL_VERSION,
						   .footer_bytes = SEAL_FOOTER_BYTES,
						   .generation = 41,
						   .image_bytes = 8192,
						   .vault_id = { 0xab, 0xcd } };

	f = (struct doctor_facts){ 0 };
	put_vault(8192 + SEAL_FOOTER_BYTES, "LUKS\xba\xbe\0\2", &footer);
	doctor_vault(&f);
	assert_true(f.vault_there && f.vault_luks && f.vault_sealed);
	assert_int_equal(f.generation, 41);
	assert_string_equal(f.vault_id, "abcd0000000000000000000000000000");
	put_vault(4096 + SEAL_FOOTER_BYTES, "LUKS\xba\xbe\0\1", &footer);
	doctor_vault(&f);
	assert_true(f.vault_there);
	assert_false(f.vault_luks || f.vault_sealed);
	f = (struct doctor_facts){ .vault = "/nowhere/vault.luks" };
	doctor_vault(&f);
	assert_false(f.vault_there || f.vault_luks || f.vault_sealed);
}

static void test_a_module_that_is_not_loaded_yet_counts(void **state)
{
	put("/proc/sys/kernel/osrelease", "6.1.0\n");
	put("/proc/devices", "Block devices:\n254 device-mapper-like\n");
	put("/lib/modules/6.1.0/modules.dep", "kernel/drivers/md/dm-crypt.ko.xz: x\n");
	put("/lib/modules/6.1.0/modules.builtin", "kernel/fs/fuse/fuse.ko\n");
	f = (struct doctor_facts){ 0 };
	doctor_kernel(&f, root);
	assert_true(f.has_dm && f.has_fuse);
	assert_false(f.has_loop || f.has_noswap || f.clears_freed);
	assert_int_equal(f.yama, -1);
}

static void test_a_machine_that_tells_nothing_has_nothing(void **state)
{
	f = (struct doctor_facts){ 0 };
	doctor_kernel(&f, root);
	assert_false(f.has_dm || f.has_loop || f.has_fuse || f.has_noswap || f.clears_freed);
	assert_string_equal(f.swap, "");
}

int main(void)
{
#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_all_is_well_all_is_good),
		cmocka_unit_test(test_each_lack_is_found_by_its_check_alone),
		cmocka_unit_test(test_what_the_virtual_machine_has_is_no_lack_without_containers),
		cmocka_unit_test(test_without_root_nothing_is_said_of_the_vault),
		cmocka_unit_test(test_what_up_points_to_is_there),
		WITH_ROOT(test_the_kernel_is_read_from_its_files),
		WITH_ROOT(test_device_mapper_without_crypt_is_not_enough),
		WITH_ROOT(test_the_vault_is_read_from_both_of_its_ends),
		WITH_ROOT(test_a_module_that_is_not_loaded_yet_counts),
		WITH_ROOT(test_a_machine_that_tells_nothing_has_nothing),
	};

	return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
