#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "enclave/base/recovery.h"

static struct secret *typed(const char *text)
{
	struct secret *s = secret_new(SECRET_PASSPHRASE_MAX);

	assert_non_null(s);
	s->len = strlen(text);
	memcpy(s->data, text, s->len);
	return s;
}

static enum recovery_is check(const char *text, unsigned *group)
{
	struct secret *s = typed(text);
	enum recovery_is is = recovery_check(s, group);

	secret_free(s);
	return is;
}

/* A fresh one as a string. */
static void fresh(char text[RECOVERY_TEXT + 1])
{
	struct secret *s;

	assert_int_equal(recovery_new(&s), 0);
	assert_int_equal(s->len, RECOVERY_TEXT);
	memcpy(text, s->data, s->len);
	text[s->len] = '\0';
	secret_free(s);
}

static void test_it_is_thirteen_groups_of_five_that_nobody_misreads(void **state)
{
	char text[RECOVERY_TEXT + 1];

	fresh(text);
	assert_int_equal(strlen(text), 77);
	for (int i = 0; i < 77; i++)
		if (i % 6 == 5)
			assert_int_equal(text[i], '-');
		else
			assert_non_null(strchr("0123456789ABCDEFGHJKMNPQRSTVWXYZ", text[i]));
}

static void test_a_known_key_has_always_the_same_text(void **state)
{
	uint8_t key[RECOVERY_BYTES], text[RECOVERY_TEXT];

	for (int i = 0; i < RECOVERY_BYTES; i++)
		key[i] = i * 7;
	recovery_encode(key, text);
	/* What was printed once must be understood for ever. */
	assert_memory_equal(
		text,
		"003G8-W58W4-4CN3Y-2E1Z1-8S6NG-8PV2M-D5R75-EZM50-HJ9S6-N8D8P-NYVB2-VH6BJ-TBCT7",
		RECOVERY_TEXT);
}

static void test_it_is_understood_however_it_is_typed(void **state)
{
	char text[RECOVERY_TEXT + 1], other[RECOVERY_TEXT * 2 + 1];
	unsigned group;

	for (int round = 0; round < 200; round++) {
		size_t n = 0;
		struct secret *s;

		fresh(text);
		for (int i = 0; i < RECOVERY_TEXT; i++) {
			char c = round & 1 ? tolower(text[i]) : text[i];

			if (text[i] == '-' && round & 2)
				continue;
			if (round & 4 && text[i] == '-')
				c = ' ';
			if (round & 8 && text[i] == '0')
				c = round & 1 ? 'o' : 'O';
			if (round & 8 && text[i] == '1')
				c = round & 16 ? 'l' : 'I';
			other[n++] = c;
			if (round & 32 && i % 7 == 0)
				other[n++] = ' ';
		}
		other[n] = '\0';
		s = typed(other);
		assert_int_equal(recovery_check(s, &group), RECOVERY_YES);
		assert_int_equal(s->len, RECOVERY_TEXT);
		assert_memory_equal(s->data, text, RECOVERY_TEXT);
		secret_free(s);
	}
}

static void test_every_wrong_symbol_is_a_typo_and_its_group_is_named(void **state)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	char text[RECOVERY_TEXT + 1];
	unsigned group;

	fresh(text);
	for (int i = 0; i < RECOVERY_TEXT; i++) {
		char right = text[i];

		if (right == '-')
			continue;
		for (const char *c = alphabet; *c; c++) {
			if (*c == right)
				continue;
			text[i] = *c;
			assert_int_equal(check(text, &group), RECOVERY_TYPO);
			assert_int_equal(group, i / 6 + 1);
		}
		text[i] = right;
	}
}

static void swap(char *a, char *b)
{
	char c = *a;

	*a = *b;
	*b = c;
}

static void test_two_that_changed_places_are_a_typo(void **state)
{
	char text[RECOVERY_TEXT + 1];
	unsigned group;

	for (int round = 0; round < 50; round++) {
		fresh(text);
		for (int i = 0; i + 1 < RECOVERY_TEXT; i++) {
			int j = text[i + 1] == '-' ? i + 2 : i + 1;

			if (text[i] == '-' || j >= RECOVERY_TEXT || text[i] == text[j])
				continue;
			swap(&text[i], &text[j]);
			assert_int_equal(check(text, &group), RECOVERY_TYPO);
			swap(&text[i], &text[j]);
		}
	}
}

static void test_two_groups_that_changed_places_are_a_typo(void **state)
{
	char text[RECOVERY_TEXT + 1];
	unsigned group;

	fresh(text);
	for (int i = 0; i < 5; i++)
		swap(&text[6 + i], &text[42 + i]);
	assert_int_equal(check(text, &group), RECOVERY_TYPO);
}

static void test_one_too_few_or_too_many_is_said_so(void **state)
{
	char text[RECOVERY_TEXT + 1], other[RECOVERY_TEXT + 3];
	unsigned group;

	fresh(text);
	for (int i = 0; i < RECOVERY_TEXT; i++) {
		if (text[i] == '-')
			continue;
		snprintf(other, sizeof(other), "%.*s%s", i, text, text + i + 1);
		assert_int_equal(check(other, &group), RECOVERY_MISSING);
		snprintf(other, sizeof(other), "%.*sX%s", i, text, text + i);
		assert_int_equal(check(other, &group), RECOVERY_MISSING);
	}
}

static void test_a_passphrase_is_never_taken_for_one(void **state)
{
	static const char *const no[] = {
		"",
		"correct horse battery staple",
		"00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000-00000",
		"aaaaabbbbbcccccdddddeeeeefffffggggghhhhhjjjjjkkkkkmmmmmnnnnnppppp",
		"we all live in a yellow vessel made by friends and they are here 123",
	};
	char text[RECOVERY_TEXT + 1];
	unsigned group;

	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		assert_int_equal(check(no[i], &group), RECOVERY_NO);
	fresh(text);
	text[10] = 'U'; /* not of the alphabet */
	assert_int_equal(check(text, &group), RECOVERY_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_is_thirteen_groups_of_five_that_nobody_misreads),
		cmocka_unit_test(test_a_known_key_has_always_the_same_text),
		cmocka_unit_test(test_it_is_understood_however_it_is_typed),
		cmocka_unit_test(test_every_wrong_symbol_is_a_typo_and_its_group_is_named),
		cmocka_unit_test(test_two_that_changed_places_are_a_typo),
		cmocka_unit_test(test_two_groups_that_changed_places_are_a_typo),
		cmocka_unit_test(test_one_too_few_or_too_many_is_said_so),
		cmocka_unit_test(test_a_passphrase_is_never_taken_for_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
