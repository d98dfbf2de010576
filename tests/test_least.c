/* What the list of denied system calls does: it is loaded as an engine would, and tried. */
#include <errno.h>
#include <json-c/json.h>
#include <linux/keyctl.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/run.h"
#include "launcher/least.h"

#define SECRET "of the host"

static struct json_object *get(struct json_object *o, const char *key)
{
	return json_object_object_get(o, key);
}

/* Of the arguments there is one at most, in what is ours. */
static int add_rule(scmp_filter_ctx ctx, struct json_object *rule, const char *name)
{
	struct json_object *args = get(rule, "args"), *a;
	uint32_t no = SCMP_ACT_ERRNO(json_object_get_int(get(rule, "errnoRet")));
	int nr = seccomp_syscall_resolve_name(name);

	if (nr == __NR_SCMP_ERROR)
		return 0; /* as an engine does */
	if (!args)
		return seccomp_rule_add(ctx, no, nr, 0);
	a = json_object_array_get_idx(args, 0);
	if (json_object_array_length(args) != 1 ||
	    strcmp(json_object_get_string(get(a, "op")), "SCMP_CMP_MASKED_EQ") != 0)
		return -EINVAL;
	return seccomp_rule_add(ctx, no, nr, 1,
				SCMP_CMP64(json_object_get_int(get(a, "index")), SCMP_CMP_MASKED_EQ,
					   json_object_get_uint64(get(a, "value")),
					   json_object_get_uint64(get(a, "valueTwo"))));
}

/* 0, or what is wrong with it. */
static int load(const char *profile)
{
	struct json_object *all = json_tokener_parse(profile), *rules = get(all, "syscalls");
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_object_array_length(rules); i++) {
		struct json_object *rule = json_object_array_get_idx(rules, i);
		struct json_object *names = get(rule, "names");

		for (size_t n = 0; r == 0 && n < json_object_array_length(names); n++)
			r = add_rule(ctx, rule,
				     json_object_get_string(json_object_array_get_idx(names, n)));
	}
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	json_object_put(all);
	return r;
}

static long keyctl(unsigned long op, long a, long b, long c, long d)
{
	return syscall(SYS_keyctl, op, a, b, c, d);
}

/* As somebody who has the uid of one who keeps a key; the number is what failed. */
static int try_keys(long ring, const char *profile)
{
	char buf[64];
	long key = syscall(SYS_add_key, "user", "taz-test", SECRET, strlen(SECRET), ring);
	uint32_t params[3] = { (uint32_t)key, (uint32_t)key, (uint32_t)key };

	if (key < 0 || keyctl(KEYCTL_READ, key, (long)buf, sizeof(buf), 0) != strlen(SECRET))
		return 1;
	if (load(profile) != 0)
		return 2;
	memset(buf, 0, sizeof(buf));
	if (keyctl(KEYCTL_READ, key, (long)buf, sizeof(buf), 0) != -1 || errno != EPERM)
		return 3;
	/* The kernel's option is an int. */
	if (keyctl(KEYCTL_READ | 1UL << 32, key, (long)buf, sizeof(buf), 0) != -1 || errno != EPERM)
		return 4;
	if (keyctl(KEYCTL_DH_COMPUTE, (long)params, (long)buf, sizeof(buf), 0) != -1 ||
	    errno != EPERM || memcmp(buf, (char[64]){ 0 }, sizeof(buf)) != 0)
		return 5;
	/* What the stack does with a key. */
	if (keyctl(KEYCTL_INVALIDATE, key, 0, 0, 0) != 0)
		return 6;
	key = syscall(SYS_add_key, "user", "taz-test", SECRET, strlen(SECRET), ring);
	return key < 0 || keyctl(KEYCTL_UNLINK, key, ring, 0, 0) != 0 ? 7 : 0;
}

static void test_keys_are_kept_and_forgotten_but_not_read(void **state)
{
	char profile[8192];
	pid_t pid;

	assert_true(least_profile(profile, sizeof(profile)) > 0);
	pid = fork();
	if (pid == 0)
		_exit(try_keys(KEY_SPEC_PROCESS_KEYRING, profile));
	assert_int_equal(run_wait(pid), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_are_kept_and_forgotten_but_not_read),
	};

	/* A container of a test may have no keys. */
	if (keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1, 0, 0) < 0)
		return 77;
	return cmocka_run_group_tests_name("least", tests, NULL, NULL);
}
