/* The log as a chain of lines that nobody mends. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "tazfs/audit_chain.h"
#include "tazfs/audit_record.h"

#define WHEN  1769847300123456789ULL /* 2026-01-31T08:15:00.123456789Z */
#define LINES 20
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

struct chain_fixture {
	struct secret *key;
	struct audit_chain chain;
	char text[64 * 1024];
	size_t n, at[LINES + 2]; /* where each line begins */
};

static void add(struct chain_fixture *x, struct audit_record *r)
{
	ssize_t n;

	r->seq = x->chain.seq + 1;
	n = audit_format(r, x->text + x->n, 4096);
	assert_true(n > 0);
	n = audit_chain_add(x->key, &x->chain, x->text + x->n, (size_t)n, 4096);
	assert_true(n > 0);
	x->n += (size_t)n;
}

static int setup(void **state)
{
	struct chain_fixture *x = calloc(1, sizeof(*x));
	struct audit_record head = { .time_ns = WHEN, .event = AUDIT_FILE, .prev = ZEROS };
	struct audit_record r = { .time_ns = WHEN + 876543211,
				  .verdict = AUDIT_DENY,
				  .op = "open",
				  .path = "a",
				  .count = 1 };

	x->key = secret_new(AUDIT_KEY_BYTES);
	for (int i = 0; i < AUDIT_KEY_BYTES; i++)
		x->key->data[i] = (uint8_t)i;
	x->key->len = AUDIT_KEY_BYTES;
	add(x, &head);
	for (int i = 1; i < LINES; i++) {
		x->at[i] = x->n;
		add(x, &r);
	}
	x->at[LINES] = x->n;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct chain_fixture *x = *state;

	secret_free(x->key);
	free(x);
	return 0;
}

/* Fed in pieces of that size. */
static struct audit_check check(const struct chain_fixture *x, size_t piece, uint64_t until)
{
	struct audit_check c;

	assert_int_equal(audit_check_init(&c, x->key), 0);
	for (size_t at = 0; at < x->n; at += piece)
		audit_check_feed(&c, x->text + at, x->n - at < piece ? x->n - at : piece);
	audit_check_file(&c);
	audit_check_end(&c, until);
	audit_check_done(&c);
	return c;
}

static void finds(const struct chain_fixture *x, enum audit_flaw flaw, uint64_t at)
{
	struct audit_check c = check(x, 4096, 0);

	assert_string_equal(audit_flaw_text[c.flaw], audit_flaw_text[flaw]);
	assert_int_equal(c.line, at);
}

/* Made by Python's hashlib.blake2b, as audit_chain.h describes it. */
static void test_the_macs_are_those_that_another_program_computes(void **state)
{
	struct chain_fixture *x = *state;

	assert_non_null(strstr(
		x->text,
		"\"mac\":\"13fa824c9fe680a7c228e0a8e1b41d207df21aacd9f871885adc280a96b3ff97\"}\n"));
	assert_non_null(strstr(
		x->text,
		"\"mac\":\"d1a54e968529ecae579d83a3c25180bd375d6de2f212a626326d16b252207000\"}\n"));
}

static void test_a_whole_log_is_whole_in_whatever_pieces_it_comes(void **state)
{
	struct chain_fixture *x = *state;

	for (size_t piece = 1; piece < 700; piece += 13) {
		struct audit_check c = check(x, piece, LINES);

		assert_int_equal(c.flaw, AUDIT_WHOLE);
		assert_int_equal(c.lines, LINES);
		assert_int_equal(c.last.seq, LINES);
	}
}

static void test_a_flipped_bit_is_found_in_its_line_whichever_it_is(void **state)
{
	struct chain_fixture *x = *state;

	for (int i = 0; i < LINES; i++)
		for (size_t at = x->at[i]; at < x->at[i + 1]; at++) {
			struct audit_check c;

			x->text[at] ^= 1;
			c = check(x, 4096, 0);
			assert_int_not_equal(c.flaw, AUDIT_WHOLE);
			/* Without its end it is one line with the next. */
			assert_int_equal(c.line, i + 1);
			x->text[at] ^= 1;
		}
	assert_int_equal(check(x, 4096, 0).flaw, AUDIT_WHOLE);
}

static void test_a_changed_letter_is_a_changed_line(void **state)
{
	struct chain_fixture *x = *state;
	char *path = strstr(x->text + x->at[6], "\"path\":\"a\"");

	path[8] = 'b';
	finds(x, AUDIT_BAD_MAC, 7);
}

static void test_a_removed_line_is_found_where_it_was(void **state)
{
	struct chain_fixture *x = *state;
	struct audit_check c;

	memmove(x->text + x->at[4], x->text + x->at[6], x->n - x->at[6]);
	x->n -= x->at[6] - x->at[4];
	finds(x, AUDIT_BAD_ORDER, 5);
	c = check(x, 4096, 0);
	assert_int_equal(c.missing, 2);
}

static void test_lines_that_changed_places_are_found(void **state)
{
	struct chain_fixture *x = *state;
	size_t first = x->at[11] - x->at[10], second = x->at[12] - x->at[11];
	char kept[1024];

	memcpy(kept, x->text + x->at[10], first);
	memmove(x->text + x->at[10], x->text + x->at[11], second);
	memcpy(x->text + x->at[10] + second, kept, first);
	finds(x, AUDIT_BAD_ORDER, 11);
}

static void test_a_line_twice_is_found(void **state)
{
	struct chain_fixture *x = *state;
	size_t n = x->at[9] - x->at[8];

	memmove(x->text + x->at[9], x->text + x->at[8], x->n - x->at[8]);
	x->n += n;
	finds(x, AUDIT_BAD_ORDER, 10);
}

static void test_a_log_without_its_first_line_is_not_whole(void **state)
{
	struct chain_fixture *x = *state;

	memmove(x->text, x->text + x->at[1], x->n - x->at[1]);
	x->n -= x->at[1];
	finds(x, AUDIT_NO_HEAD, 1);
}

static void test_a_missing_end_is_found_when_it_is_known_how_far_it_goes(void **state)
{
	struct chain_fixture *x = *state;

	x->n = x->at[LINES - 2];
	assert_int_equal(check(x, 4096, 0).flaw, AUDIT_WHOLE);
	assert_int_equal(check(x, 4096, LINES).flaw, AUDIT_SHORT);
	x->n -= 10;
	finds(x, AUDIT_TORN, LINES - 2);
}

static void test_another_key_is_said_to_be_one(void **state)
{
	struct chain_fixture *x = *state;

	x->key->data[31] ^= 1;
	finds(x, AUDIT_BAD_FIRST_MAC, 1);
}

/* Who changes a line and has no key can give it a right number, a form, and no MAC. */
static void test_a_line_made_with_another_key_is_found(void **state)
{
	struct chain_fixture *x = *state;
	struct audit_record r = {
		.time_ns = WHEN, .verdict = AUDIT_ALLOW, .op = "open", .path = "b", .count = 1
	};

	x->key->data[0] ^= 1;
	add(x, &r);
	x->key->data[0] ^= 1;
	finds(x, AUDIT_BAD_MAC, LINES + 1);
}

static void test_files_that_follow_each_other_are_one_chain(void **state)
{
	struct chain_fixture *x = *state, *y;
	char prev[AUDIT_MAC_HEX + 1] = "";
	struct audit_record head = { .time_ns = WHEN, .event = AUDIT_FILE, .prev = prev };
	struct audit_check c;
	static char first[sizeof(x->text)];
	size_t n_first = x->n;

	memcpy(first, x->text, x->n);
	memcpy(prev, strstr(x->text + x->at[LINES - 1], "\"mac\":\"") + 7, AUDIT_MAC_HEX);
	y = x;
	y->n = 0;
	add(y, &head);
	for (int missing = 0; missing < 2; missing++) {
		assert_int_equal(audit_check_init(&c, x->key), 0);
		audit_check_feed(&c, first, missing ? x->at[LINES - 1] : n_first);
		audit_check_feed(&c, "\n\n", 2); /* padding */
		audit_check_file(&c);
		audit_check_feed(&c, y->text, y->n);
		audit_check_file(&c);
		audit_check_end(&c, 0);
		audit_check_done(&c);
		assert_int_equal(c.flaw, missing ? AUDIT_BAD_HEAD : AUDIT_WHOLE);
		assert_true(!missing || (c.file == 2 && c.line == 1 && c.missing == 1));
	}
}

static void test_a_line_without_end_is_refused_before_it_fills_the_memory(void **state)
{
	struct chain_fixture *x = *state;
	static char block[65536];
	struct audit_check c;

	memset(block, 'x', sizeof(block));
	assert_int_equal(audit_check_init(&c, x->key), 0);
	assert_true(audit_check_feed(&c, block, sizeof(block)));
	assert_true(audit_check_feed(&c, block, sizeof(block)));
	assert_false(audit_check_feed(&c, block, 1));
	assert_int_equal(c.flaw, AUDIT_NO_LINE);
	audit_check_done(&c);
	assert_int_equal(audit_check_init(&c, x->key), 0);
	assert_true(audit_check_file(&c));
	assert_false(audit_check_end(&c, 0));
	assert_int_equal(c.flaw, AUDIT_EMPTY);
	audit_check_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define C(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		C(test_the_macs_are_those_that_another_program_computes),
		C(test_a_whole_log_is_whole_in_whatever_pieces_it_comes),
		C(test_a_flipped_bit_is_found_in_its_line_whichever_it_is),
		C(test_a_changed_letter_is_a_changed_line),
		C(test_a_removed_line_is_found_where_it_was),
		C(test_lines_that_changed_places_are_found),
		C(test_a_line_twice_is_found),
		C(test_a_log_without_its_first_line_is_not_whole),
		C(test_a_missing_end_is_found_when_it_is_known_how_far_it_goes),
		C(test_another_key_is_said_to_be_one),
		C(test_a_line_made_with_another_key_is_found),
		C(test_files_that_follow_each_other_are_one_chain),
		C(test_a_line_without_end_is_refused_before_it_fills_the_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
