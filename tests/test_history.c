#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/history.h"

#define VAULT "vault.luks"

/* --- names ----------------------------------------------------------------------------------- */

static void test_our_names_are_told_from_foreign_ones(void **state)
{
	static const struct {
		const char *name;
		enum history_kind kind;
		uint64_t generation;
	} ours[] = {
		{ VAULT, HISTORY_CURRENT, 0 },
		{ VAULT ".1", HISTORY_KEPT, 1 },
		{ VAULT ".1234567890", HISTORY_KEPT, 1234567890 },
		{ VAULT ".conflict-7-0123abcd", HISTORY_CONFLICT, 7 },
		{ VAULT ".damaged-0123abcd", HISTORY_ASIDE, 0 },
	};
	static const char *const foreign[] = {
		"",
		"vault",
		"vault.luksx",
		VAULT ".",
		VAULT ".0",
		VAULT ".007",
		VAULT ".-1",
		VAULT ".+1",
		VAULT ". 1",
		VAULT ".1x",
		VAULT ".1.bak",
		VAULT ".99999999999999999999",
		VAULT ".bak",
		VAULT ".conflict-7-0123ABCD",
		VAULT ".conflict-7-0123abcde",
		VAULT ".conflict-x-0123abcd",
		VAULT ".conflict-7",
		VAULT ".damaged-",
		"." VAULT ".1.new",
		"other.luks.1",
	};
	struct history_entry e;

	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
		assert_true(history_parse(VAULT, ours[i].name, &e));
		assert_int_equal(e.kind, ours[i].kind);
		assert_int_equal(e.generation, ours[i].generation);
		assert_string_equal(e.name, ours[i].name);
	}
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
		assert_false(history_parse(VAULT, foreign[i], &e));
}

static void test_what_a_person_types_finds_a_file_beside_the_vault_and_no_other(void **state)
{
	static const char *const bad[] = { "",	     "0",   "7x",     "../7", "/etc/passwd",
					   "7/../8", VAULT, "luks.7", "-1",   "new" };
	char name[HISTORY_NAME_MAX];

	assert_int_equal(history_find_name(VAULT, "7", name, sizeof(name)), 0);
	assert_string_equal(name, VAULT ".7");
	assert_int_equal(history_find_name(VAULT, VAULT ".7", name, sizeof(name)), 0);
	assert_string_equal(name, VAULT ".7");
	assert_int_equal(history_find_name(VAULT, "conflict-7-0123abcd", name, sizeof(name)), 0);
	assert_string_equal(name, VAULT ".conflict-7-0123abcd");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(history_find_name(VAULT, bad[i], name, sizeof(name)), -EINVAL);
}

static struct history_entry kept(uint64_t generation, ino_t inode)
{
	return (struct history_entry){
		.kind = HISTORY_KEPT, .whole = true, .generation = generation, .inode = inode
	};
}

static void test_the_oldest_kept_ones_expire_and_nothing_else(void **state)
{
	struct history_entry e[] = {
		kept(3, 13),
		kept(9, 19),
		{ .kind = HISTORY_CONFLICT, .whole = true, .generation = 1, .inode = 21 },
		{ .kind = HISTORY_CURRENT, .whole = true, .generation = 10, .inode = 10 },
		kept(10, 10), /* the current one under a second name */
		{ .kind = HISTORY_KEPT, .generation = 2, .inode = 12 }, /* not whole: foreign */
		kept(8, 18),
		{ .kind = HISTORY_ASIDE, .inode = 22 },
		kept(4, 14),
	};
	static const uint64_t order[] = { 10, 10, 9, 8, 4, 3, 2 };
	size_t n = sizeof(e) / sizeof(*e);

	history_sort(e, n);
	assert_int_equal(e[0].kind, HISTORY_CURRENT);
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
		assert_int_equal(e[i].generation, order[i]);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(history_expired(e, n, i, 3),
				 e[i].kind == HISTORY_KEPT && e[i].generation == 3);
		assert_int_equal(history_expired(e, n, i, 0),
				 e[i].kind == HISTORY_KEPT && e[i].whole && e[i].generation != 10);
		assert_false(history_expired(e, n, i, 4));
	}
}

/* --- files ----------------------------------------------------------------------------------- */

struct fixture {
	char path[64];
	int dir;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->path, "/tmp/test-history-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf -- %s", f->path);
	assert_int_equal(system(cmd), 0);
	close(f->dir);
	free(f);
	return 0;
}

/* A sealed file of that generation; @text makes its contents. Returns its descriptor. */
static int seal(struct fixture *f, const char *name, uint64_t generation, const char *text)
{
	uint8_t key[SEAL_KEY_BYTES] = { 5 };
	struct seal_origin origin = { .generation = generation - 1 };
	struct seal_footer footer = seal_next(&origin, SEAL_CHUNK_BYTES, 0);
	autoclose int image = openat(f->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int file;

	unlinkat(f->dir, name, 0); /* as a save does: a new file takes the name */
	file = openat(f->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(file >= 0);
	assert_int_equal(ftruncate(image, SEAL_CHUNK_BYTES), 0);
	assert_int_equal(pwrite(image, text, strlen(text), 0), strlen(text));
	assert_int_equal(seal_store(file, image, key, &footer), 0);
	return file;
}

static size_t list(struct fixture *f, struct history_entry *e)
{
	ssize_t n = history_list(f->dir, VAULT, e, HISTORY_MAX);

	assert_true(n >= 0);
	return n;
}

static void test_sessions_leave_their_ends_and_the_last_three_stay(void **state)
{
	struct fixture *f = *state;
	struct history_entry e[HISTORY_MAX];
	char text[16];

	close(seal(f, VAULT, 1, "session 0"));
	for (uint64_t session = 1; session <= 6; session++) {
		autoclose int found = openat(f->dir, VAULT, O_RDONLY | O_CLOEXEC);

		assert_int_equal(
			history_keep(f->dir, VAULT, found, HISTORY_KEPT, session * 10 - 9, NULL),
			0);
		snprintf(text, sizeof(text), "session %d", (int)session);
		close(seal(f, VAULT, session * 10 + 1, text));
		assert_true(history_prune(f->dir, VAULT, 3) >= 0);
	}
	assert_int_equal(list(f, e), 4);
	assert_int_equal(e[0].generation, 61);
	assert_int_equal(e[1].generation, 51);
	assert_int_equal(e[2].generation, 41);
	assert_int_equal(e[3].generation, 31);
	assert_true(e[3].whole && e[3].disk_bytes > 0 && e[3].saved_at > 1700000000);
}

static void test_a_kept_file_is_still_whole_when_the_vault_is_replaced(void **state)
{
	struct fixture *f = *state;
	uint8_t key[SEAL_KEY_BYTES] = { 5 };
	struct seal_footer footer;
	autoclose int old = seal(f, VAULT, 4, "old");
	autoclose int image = openat(f->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	autoclose int kept_file = -EBADF;
	char name[HISTORY_NAME_MAX];

	assert_int_equal(history_keep(f->dir, VAULT, old, HISTORY_KEPT, 4, name), 0);
	assert_string_equal(name, VAULT ".4");
	close(seal(f, VAULT, 5, "new"));
	kept_file = openat(f->dir, name, O_RDONLY | O_CLOEXEC);
	assert_int_equal(seal_read_footer(kept_file, &footer), 0);
	assert_int_equal(ftruncate(image, footer.image_bytes), 0);
	assert_int_equal(seal_load(kept_file, &footer, image), 0);
	assert_int_equal(seal_verify(&footer, key), 0);
}

static void test_keeping_twice_is_keeping_once(void **state)
{
	struct fixture *f = *state;
	struct history_entry e[HISTORY_MAX];
	autoclose int file = seal(f, VAULT, 4, "x");

	assert_int_equal(history_keep(f->dir, VAULT, file, HISTORY_KEPT, 4, NULL), 0);
	assert_int_equal(history_keep(f->dir, VAULT, file, HISTORY_KEPT, 4, NULL), 0);
	assert_int_equal(list(f, e), 2);
	/* A save was cut off here: the second name does not push out another one. */
	assert_int_equal(history_prune(f->dir, VAULT, 0), 0);
}

static void test_another_state_of_that_generation_is_not_overwritten(void **state)
{
	struct fixture *f = *state;
	struct history_entry e[HISTORY_MAX];
	char name[HISTORY_NAME_MAX];
	autoclose int mine = seal(f, VAULT, 4, "mine");

	close(seal(f, VAULT ".4", 4, "the other host's"));
	assert_int_equal(history_keep(f->dir, VAULT, mine, HISTORY_KEPT, 4, name), 0);
	assert_non_null(strstr(name, ".conflict-4-"));
	assert_int_equal(list(f, e), 3);
	assert_int_equal(e[2].kind, HISTORY_CONFLICT);
	assert_int_equal(e[2].generation, 4);
}

static void test_foreign_files_are_neither_listed_nor_removed(void **state)
{
	struct fixture *f = *state;
	struct history_entry e[HISTORY_MAX];

	close(seal(f, VAULT, 9, "x"));
	close(seal(f, VAULT ".1", 2, "somebody's copy: its name does not fit"));
	close(seal(f, VAULT ".bak", 1, "x"));
	close(openat(f->dir, VAULT ".3", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)); /* empty */
	assert_int_equal(mkdirat(f->dir, VAULT ".4", 0700), 0);
	assert_int_equal(symlinkat("/etc/passwd", f->dir, VAULT ".5"), 0);
	assert_int_equal(mkfifoat(f->dir, VAULT ".6", 0600), 0);
	assert_int_equal(list(f, e), 3);
	assert_int_equal(e[0].kind, HISTORY_CURRENT);
	assert_false(e[1].whole || e[2].whole);
	assert_int_equal(history_prune(f->dir, VAULT, 0), 0);
	assert_int_equal(faccessat(f->dir, VAULT ".1", F_OK, 0), 0);
	assert_int_equal(faccessat(f->dir, VAULT ".3", F_OK, 0), 0);
}

static void test_what_cannot_be_proved_is_set_aside_under_a_name_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct history_entry e[HISTORY_MAX];
	autoclose int file = openat(f->dir, VAULT, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	assert_int_equal(write(file, "no vault", 8), 8);
	assert_int_equal(history_keep(f->dir, VAULT, file, HISTORY_ASIDE, 0, NULL), 0);
	assert_int_equal(list(f, e), 2);
	assert_int_equal(e[1].kind, HISTORY_ASIDE);
	assert_false(e[1].whole);
	assert_int_equal(history_prune(f->dir, VAULT, 0), 0);
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_our_names_are_told_from_foreign_ones),
		cmocka_unit_test(
			test_what_a_person_types_finds_a_file_beside_the_vault_and_no_other),
		cmocka_unit_test(test_the_oldest_kept_ones_expire_and_nothing_else),
		IN_DIR(test_sessions_leave_their_ends_and_the_last_three_stay),
		IN_DIR(test_a_kept_file_is_still_whole_when_the_vault_is_replaced),
		IN_DIR(test_keeping_twice_is_keeping_once),
		IN_DIR(test_another_state_of_that_generation_is_not_overwritten),
		IN_DIR(test_foreign_files_are_neither_listed_nor_removed),
		IN_DIR(test_what_cannot_be_proved_is_set_aside_under_a_name_of_its_own),
	};

	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
