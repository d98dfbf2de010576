/*
 * What base/fido2.c says to a token, and what it makes of the answers. The linker puts our own
 * between it and libfido2's search for devices (meson.build): the tokens are in this process, and
 * their state in memory that the short-lived children share.
 */
#include <errno.h>
#include <fido.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <cmocka.h>

#include "enclave/base/fido2.h"
#include "enclave/base/prompt.h"
#include "tests/fido2/ctaphid.h"

#define SOCKETS 3

struct plugged {
	struct authenticator auth;
	struct ctaphid hid;
	bool goes;	   /* as soon as it waits for a touch */
	bool gone, locked; /* it is; another program has it */
};

/* Everything that a child changes and a test asks for. */
static struct world {
	struct plugged tokens[SOCKETS];
	unsigned n;
	const char *pin; /* what is typed; NULL: there is nobody to type */
	unsigned typed;
} * world;

/* --- instead of libfido2's devices ----------------------------------------------------------- */

int __real_fido_dev_open(fido_dev_t *dev, const char *path);
int __wrap_fido_dev_open(fido_dev_t *dev, const char *path);
int __wrap_fido_dev_info_manifest(fido_dev_info_t *list, size_t max, size_t *n);
const fido_dev_info_t *__wrap_fido_dev_info_ptr(const fido_dev_info_t *list, size_t i);
const char *__wrap_fido_dev_info_path(const fido_dev_info_t *di);
int __wrap_prompt_ask(const char *question, int again, struct secret **ret);

static const char *const paths[SOCKETS] = { "0", "1", "2" };

int __wrap_fido_dev_info_manifest(fido_dev_info_t *list, size_t max, size_t *n)
{
	*n = world->n < max ? world->n : max;
	return FIDO_OK;
}

const fido_dev_info_t *__wrap_fido_dev_info_ptr(const fido_dev_info_t *list, size_t i)
{
	return (const fido_dev_info_t *)paths[i];
}

const char *__wrap_fido_dev_info_path(const fido_dev_info_t *di)
{
	return (const char *)di;
}

static void *open_token(const char *path)
{
	struct plugged *p = &world->tokens[atoi(path)];

	if (p->gone || p->locked)
		return NULL;
	p->hid.auth = &p->auth;
	return p;
}

static void close_token(void *handle)
{
}

static int read_report(void *handle, unsigned char *buf, size_t len, int ms)
{
	const struct timespec tick = { .tv_nsec = 2000000 };
	struct plugged *p = handle;
	int64_t end = ctaphid_now() + ms;
	int next;

	for (;;) {
		p->gone |= p->goes && p->hid.waits;
		if (p->gone)
			return -1;
		if (ctaphid_give(&p->hid, buf, ctaphid_now(), &next))
			return CTAPHID_REPORT;
		if (ms >= 0 && ctaphid_now() >= end)
			return -1;
		nanosleep(&tick, NULL);
	}
}

static int write_report(void *handle, const unsigned char *buf, size_t len)
{
	struct plugged *p = handle;

	if (p->gone || len != CTAPHID_REPORT + 1)
		return -1;
	ctaphid_take(&p->hid, buf + 1, ctaphid_now());
	return len;
}

int __wrap_fido_dev_open(fido_dev_t *dev, const char *path)
{
	const fido_dev_io_t io = { open_token, close_token, read_report, write_report };

	return fido_dev_set_io_functions(dev, &io) == FIDO_OK ? __real_fido_dev_open(dev, path)
							      : FIDO_ERR_INTERNAL;
}

int __wrap_prompt_ask(const char *question, int again, struct secret **ret)
{
	if (!world->pin)
		return -ENOTTY;
	world->typed++;
	*ret = secret_new(SECRET_PASSPHRASE_MAX);
	assert_non_null(*ret);
	(*ret)->len = strlen(world->pin);
	memcpy((*ret)->data, world->pin, (*ret)->len);
	return 0;
}

/* --- help ------------------------------------------------------------------------------------ */

static struct plugged *plug_in(const char *master, const char *pin, bool hmac_secret)
{
	struct plugged *p = &world->tokens[world->n++];

	*p = (struct plugged){ .hid.patience_ms = 30000 };
	ctap2_init(&p->auth, master, pin, hmac_secret);
	return p;
}

static int setup(void **state)
{
	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	return world == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
	return munmap(world, sizeof(*world));
}

/* Enrols, and gives the key as text; a passphrase is at most that long. */
static struct keytoken enrolled(char text[SECRET_PASSPHRASE_MAX])
{
	struct keytoken t = { 0 };
	struct secret *key = NULL;

	assert_int_equal(fido2_enroll(&t, &key), 0);
	assert_int_equal(key->len, 64);
	memcpy(text, key->data, key->len);
	text[key->len] = '\0';
	secret_free(key);
	return t;
}

static void assert_opens(const struct keytoken *tokens, size_t n, const char *text)
{
	struct secret *key = NULL;

	assert_int_equal(fido2_open(tokens, n, &key), 0);
	assert_int_equal(key->len, 64);
	assert_memory_equal(key->data, text, 64);
	secret_free(key);
}

static void assert_refused(const struct keytoken *tokens, size_t n, int err)
{
	struct secret *key = NULL;

	assert_int_equal(fido2_open(tokens, n, &key), err);
	assert_null(key);
}

static void assert_not_enrolled(int err)
{
	struct keytoken t = { .kind = 77 };
	struct secret *key = NULL;

	assert_int_equal(fido2_enroll(&t, &key), err);
	assert_null(key);
	assert_int_equal(t.kind, 77);
}

/* --- tests ----------------------------------------------------------------------------------- */

static void test_a_token_makes_the_same_key_again_after_it_was_unplugged(void **state)
{
	char text[SECRET_PASSPHRASE_MAX], other[SECRET_PASSPHRASE_MAX];
	struct plugged *p = plug_in("one", NULL, true);
	struct keytoken t = enrolled(text);
	struct secret *key = NULL;

	assert_int_equal(t.kind, KEY_FIDO2);
	assert_string_equal(t.rp, "taz");
	assert_int_equal(t.flags, KEYTOKEN_PRESENCE);
	assert_int_equal(keytoken_check(&t), 0);
	assert_int_equal(p->hid.touches, 2);
	ctap2_power_up(&p->auth);
	assert_opens(&t, 1, text);
	assert_int_equal(p->hid.touches, 3);
	/* Another credential is another key; another salt too. */
	enrolled(other);
	assert_string_not_equal(text, other);
	t.salt[0] ^= 1;
	assert_int_equal(fido2_open(&t, 1, &key), 0);
	assert_memory_not_equal(key->data, text, 64);
	secret_free(key);
}

static void test_another_token_is_refused_without_a_touch(void **state)
{
	char text[SECRET_PASSPHRASE_MAX];
	struct plugged *p = plug_in("one", NULL, true);
	struct keytoken t = enrolled(text);

	ctap2_init(&p->auth, "two", NULL, true);
	p->hid.touches = 0;
	assert_refused(&t, 1, -ENOKEY);
	assert_int_equal(p->hid.touches, 0);
}

static void test_of_several_tokens_the_one_that_knows_a_key_is_used(void **state)
{
	char text[SECRET_PASSPHRASE_MAX];
	struct keytoken list[3] = { { .kind = KEY_PASSPHRASE }, { .kind = KEY_FIDO2 } };
	struct plugged *p = plug_in("one", NULL, true), *other, *u2f;

	list[1].credential_len = 64;
	strcpy(list[1].rp, "taz");
	list[2] = enrolled(text);
	world->n = 0;
	other = plug_in("two", NULL, true);
	u2f = plug_in("three", NULL, false);
	p = plug_in("one", NULL, true);
	assert_opens(list, 3, text);
	assert_int_equal(other->hid.touches + u2f->hid.touches, 0);
	assert_int_equal(p->hid.touches, 1);
	/* One that another program has, or that hangs, is no hindrance. */
	other->locked = true;
	assert_opens(list, 3, text);
}

static void test_a_key_is_made_only_where_one_token_is_plugged_in(void **state)
{
	struct plugged *p = plug_in("one", NULL, true);

	plug_in("two", NULL, true);
	assert_not_enrolled(-ENOTUNIQ);
	assert_int_equal(p->hid.touches, 0);
	world->n = 0;
	assert_not_enrolled(-ENODEV);
}

static void test_a_token_without_the_extension_is_refused_before_it_is_touched(void **state)
{
	struct plugged *p = plug_in("one", NULL, false);

	assert_not_enrolled(-ENOSYS);
	assert_int_equal(p->hid.touches, 0);
}

static void test_a_pin_is_asked_for_when_the_key_was_made_with_one(void **state)
{
	char text[SECRET_PASSPHRASE_MAX];
	struct plugged *p = plug_in("one", "1234", true);
	struct keytoken t;

	world->pin = "1234";
	t = enrolled(text);
	assert_int_equal(t.flags, KEYTOKEN_PRESENCE | KEYTOKEN_PIN);
	assert_int_equal(world->typed, 1);
	assert_opens(&t, 1, text);
	assert_int_equal(world->typed, 2);
	assert_int_equal(p->hid.touches, 3);
	/* Nobody to ask, or nothing typed: the token is asked nothing that counts. */
	world->pin = NULL;
	assert_refused(&t, 1, -ENOTTY);
	world->pin = "a PIN of more bytes than any token takes, which are sixty-three of them";
	assert_refused(&t, 1, -EPERM);
	assert_int_equal(p->auth.pin_left, CTAP2_PIN_TRIES);
}

static void test_a_key_without_a_pin_stays_one_when_the_token_gets_a_pin(void **state)
{
	char text[SECRET_PASSPHRASE_MAX];
	struct plugged *p = plug_in("one", NULL, true);
	struct keytoken t = enrolled(text);

	strcpy(p->auth.pin, "1234");
	assert_opens(&t, 1, text);
	assert_int_equal(world->typed, 0);
}

static void test_wrong_pins_are_told_from_a_pin_that_is_blocked(void **state)
{
	char text[SECRET_PASSPHRASE_MAX];
	struct plugged *p = plug_in("one", "1234", true);
	struct keytoken t;

	world->pin = "1234";
	t = enrolled(text);
	world->pin = "4321";
	assert_refused(&t, 1, -EPERM);
	assert_int_equal(p->auth.pin_left, CTAP2_PIN_TRIES - 1);
	assert_refused(&t, 1, -EPERM);
	assert_refused(&t, 1, -EKEYEXPIRED); /* three in a row: until it is plugged in again */
	world->pin = "1234";
	assert_refused(&t, 1, -EKEYEXPIRED);
	ctap2_power_up(&p->auth);
	assert_opens(&t, 1, text);
	assert_int_equal(p->auth.pin_left, CTAP2_PIN_TRIES);
	p->auth.pin_left = 1;
	world->pin = "4321";
	assert_refused(&t, 1, -EKEYREVOKED);
	world->pin = "1234";
	assert_refused(&t, 1, -EKEYREVOKED);
	assert_not_enrolled(-EKEYREVOKED);
}

static void test_no_touch_and_a_refusal_say_so(void **state)
{
	char text[SECRET_PASSPHRASE_MAX];
	struct plugged *p = plug_in("one", NULL, true);
	struct keytoken t = enrolled(text);

	p->hid.finger = REFUSES;
	assert_refused(&t, 1, -ECANCELED);
	assert_not_enrolled(-ECANCELED);
	p->hid.finger = NEVER_TOUCHES;
	p->hid.patience_ms = 300;
	assert_refused(&t, 1, -ETIME);
	assert_not_enrolled(-ETIME);
}

/* FIDO2_TOUCH_SEC and FIDO2_ANSWER_SEC are shorter here: meson.build. */
static void test_a_token_that_waits_for_ever_is_left_as_it_was(void **state)
{
	char text[SECRET_PASSPHRASE_MAX];
	struct plugged *p = plug_in("one", NULL, true);
	struct keytoken t = enrolled(text);
	int64_t begin = ctaphid_now();

	p->hid.finger = NEVER_TOUCHES;
	p->hid.patience_ms = 0;
	assert_refused(&t, 1, -ETIME);
	assert_in_range(ctaphid_now() - begin, 1900, 20000);
	assert_false(p->hid.waits);
	p->hid.finger = TOUCHES;
	assert_opens(&t, 1, text);
}

static void test_a_token_that_does_not_answer_is_not_waited_for(void **state)
{
	char text[SECRET_PASSPHRASE_MAX];
	struct plugged *p = plug_in("one", NULL, true);
	struct keytoken t = enrolled(text);

	/* It waits for a touch, for a program that was killed. */
	p->hid.finger = NEVER_TOUCHES;
	p->hid.patience_ms = 0;
	p->hid.channel = 1;
	p->hid.waits = true;
	assert_refused(&t, 1, -EBUSY);
	p->hid.waits = false;
	p->hid.mute = true;
	assert_refused(&t, 1, -EBUSY);
	assert_not_enrolled(-EBUSY);
}

static void test_a_token_that_is_unplugged_while_it_waits_gives_no_key(void **state)
{
	char text[SECRET_PASSPHRASE_MAX];
	struct plugged *p = plug_in("one", NULL, true);
	struct keytoken t = enrolled(text);

	p->goes = true;
	assert_refused(&t, 1, -ENXIO);
	assert_refused(&t, 1, -EBUSY);
	p->gone = p->hid.waits = false;
	p->hid.channel = 0;
	assert_not_enrolled(-ENXIO);
}

static void test_a_token_that_another_program_has_is_not_missing(void **state)
{
	struct plugged *p = plug_in("one", NULL, true);

	p->locked = true;
	assert_not_enrolled(-EBUSY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_a_token_makes_the_same_key_again_after_it_was_unplugged),
		TEST(test_another_token_is_refused_without_a_touch),
		TEST(test_of_several_tokens_the_one_that_knows_a_key_is_used),
		TEST(test_a_key_is_made_only_where_one_token_is_plugged_in),
		TEST(test_a_token_without_the_extension_is_refused_before_it_is_touched),
		TEST(test_a_pin_is_asked_for_when_the_key_was_made_with_one),
		TEST(test_a_key_without_a_pin_stays_one_when_the_token_gets_a_pin),
		TEST(test_wrong_pins_are_told_from_a_pin_that_is_blocked),
		TEST(test_no_touch_and_a_refusal_say_so),
		TEST(test_a_token_that_waits_for_ever_is_left_as_it_was),
		TEST(test_a_token_that_does_not_answer_is_not_waited_for),
		TEST(test_a_token_that_is_unplugged_while_it_waits_gives_no_key),
		TEST(test_a_token_that_another_program_has_is_not_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
