#include "enclave/stale.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/secret.h"
#include "enclave/client.h"
#include "enclave/holders.h"
#include "enclave/stack.h"

#define HOME_DIGITS   16
#define RANDOM_DIGITS 8
#define WAIT_STEP_US  20000
#define WAIT_STEPS    50 /* a second */

static int read_home(const char *path, uint64_t *ret)
{
	char text[32], end;
	ssize_t n = io_read_text(AT_FDCWD, path, text, sizeof(text));

	if (n < 0)
		return n;
	return n == HOME_DIGITS && sscanf(text, "%16" SCNx64 "%c", ret, &end) == 1 ? 0 : -EBADMSG;
}

static int write_home(const char *path, uint64_t home)
{
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	char text[32];

	if (fd < 0)
		return -errno;
	snprintf(text, sizeof(text), "%016" PRIx64, home);
	return io_write_full(fd, text, HOME_DIGITS);
}

int stale_home(const char *path, uint64_t *ret_home)
{
	int r = read_home(path, ret_home);

	/* A torn file is of a keeper that had no mapping yet: it is written before the first. */
	if (r != -ENOENT && r != -EBADMSG && r != -EFBIG)
		return r;
	secret_random(ret_home, sizeof(*ret_home));
	return write_home(path, *ret_home);
}

void stale_name(const char *instance, uint64_t home, uint32_t random, char buf[DM_NAME_MAX])
{
	snprintf(buf, DM_NAME_MAX, "taz-%s-%016" PRIx64 "%08" PRIx32, instance, home, random);
}

bool stale_is_ours(const char *name, const char *instance, uint64_t home)
{
	char prefix[DM_NAME_MAX];
	size_t len;

	stale_name(instance, home, 0, prefix);
	len = strlen(prefix);
	return strlen(name) == len && !strncmp(name, prefix, len - RANDOM_DIGITS) &&
	       strspn(name + len - RANDOM_DIGITS, "0123456789abcdef") == RANDOM_DIGITS;
}

struct listing {
	const char *instance;
	uint64_t home;
	struct stale *to;
};

static void add(const char *name, void *arg)
{
	const struct listing *l = arg;

	if (l->to->n < STALE_MAX && stale_is_ours(name, l->instance, l->home))
		snprintf(l->to->names[l->to->n++], DM_NAME_MAX, "%s", name);
}

int stale_list(const char *instance, uint64_t home, struct stale *ret)
{
	struct listing l = { .instance = instance, .home = home, .to = ret };

	ret->n = 0;
	return dm_each(add, &l);
}

static void say_holders(const char *name)
{
	struct holders list = { 0 };
	struct dm_look now;
	char how[192];

	if (dm_look(name, &now) < 0)
		return; /* it is gone by now */
	holders_find(now.dev, 0, NULL, 0, &list);
	if (!list.n)
		log_warn("%s of a keeper that was killed is still there, without a key", name);
	for (uint32_t i = 0; i < list.n; i++) {
		client_hold_text(&list.held[i], how, sizeof(how));
		log_warn("%s of a keeper that was killed is held, without a key, by %d %s: %s",
			 name, list.held[i].pid, list.held[i].program, how);
	}
}

/* The view of a dead keeper scrubs before it ends; what is normal needs no word. */
static void wait_until_unused(const char *name)
{
	struct dm_look now;

	for (int i = 0; i < WAIT_STEPS && dm_look(name, &now) == 0 && now.open_count; i++)
		usleep(WAIT_STEP_US);
}

void stale_sweep(const struct stale *stale)
{
	for (unsigned i = 0; i < stale->n; i++) {
		const char *name = stale->names[i];
		int r;

		wait_until_unused(name);
		r = stack_cut(name);
		/* Without a table there is no key in it, and nothing to cut. */
		if (r < 0 && r != -ENODATA && r != -ENXIO)
			log_err(r, "take the key from %s, which a killed keeper left", name);
		if (dm_remove(name) == 0)
			continue;
		stack_shut_fs(name);
		say_holders(name);
	}
}
