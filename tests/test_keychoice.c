#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "enclave/keychoice.h"

static struct luks_key key(int slot, uint32_t kind, const char *label)
{
	struct luks_key k = { .slot = slot, .token.kind = kind };

	strcpy(k.token.label, label);
	return k;
}

static void test_a_key_is_found_by_its_slot_or_its_label(void **state)
{
	const struct luks_key keys[] = { key(0, KEY_PASSPHRASE, "laptop"), key(3, KEY_FILE, "x3") };

	assert_int_equal(keychoice_find(keys, 2, "0"), 0);
	assert_int_equal(keychoice_find(keys, 2, "3"), 3);
	assert_int_equal(keychoice_find(keys, 2, "laptop"), 0);
	assert_int_equal(keychoice_find(keys, 2, "x3"), 3);
	assert_int_equal(keychoice_find(keys, 2, "1"), -ENOENT);
	assert_int_equal(keychoice_find(keys, 2, "lap"), -ENOENT);
	assert_int_equal(keychoice_find(keys, 2, ""), -ENOENT);
}

static void test_the_typed_passphrase_is_replaced_or_the_named_one_or_the_only_one(void **state)
{
	const struct luks_key keys[] = { key(0, KEY_PASSPHRASE, "a"), key(1, KEY_RECOVERY, "r"),
					 key(2, KEY_PASSPHRASE, "b") };

	assert_int_equal(keychoice_replaced(keys, 3, 2, ""), 2);
	assert_int_equal(keychoice_replaced(keys, 3, 2, "a"), 0);
	assert_int_equal(keychoice_replaced(keys, 3, 2, "r"), -ENOENT); /* no passphrase */
	assert_int_equal(keychoice_replaced(keys, 3, 2, "c"), -ENOENT);
	assert_int_equal(keychoice_replaced(keys, 3, 1, ""), -ENOTUNIQ);
	assert_int_equal(keychoice_replaced(keys, 2, 1, ""), 0); /* it was forgotten */
	assert_int_equal(keychoice_replaced(keys + 1, 1, 1, ""), -ENOENT);
}

static void test_a_key_without_a_label_is_called_by_its_kind(void **state)
{
	const struct luks_key keys[] = { key(0, KEY_RECOVERY, "recovery"),
					 key(1, KEY_RECOVERY, "recovery-2") };
	struct keytoken t = { .kind = KEY_RECOVERY };

	keychoice_name(keys, 0, &t);
	assert_string_equal(t.label, "recovery");
	keychoice_name(keys, 2, &t);
	assert_string_equal(t.label, "recovery-3");
	assert_true(keytoken_label_ok(t.label));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_key_is_found_by_its_slot_or_its_label),
		cmocka_unit_test(
			test_the_typed_passphrase_is_replaced_or_the_named_one_or_the_only_one),
		cmocka_unit_test(test_a_key_without_a_label_is_called_by_its_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
