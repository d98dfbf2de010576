#include "launcher/seen.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"

#define FILE_NAME "seen"

static bool vault_ok(const char *text, size_t len)
{
	return len == 32 && strspn(text, "0123456789abcdef") >= len;
}

int seen_parse(const char *text, struct seen *ret)
{
	struct seen seen = { 0 };
	char *end;

	if (*text < '1' || *text > '9')
		return -EBADMSG;
	errno = 0;
	seen.generation = strtoull(text, &end, 10);
	if (errno || seen.generation > INT64_MAX / 2 || *end != ':' ||
	    !vault_ok(end + 1, strcspn(end + 1, "\n")) || strcmp(end + 33, "\n") != 0)
		return -EBADMSG;
	memcpy(seen.vault, end + 1, 32);
	*ret = seen;
	return 0;
}

static int load(int dirfd, struct seen *ret)
{
	char text[128];
	ssize_t n = io_read_text(dirfd, FILE_NAME, text, sizeof(text));

	*ret = (struct seen){ 0 };
	if (n == -ENOENT)
		return 0;
	if (n < 0)
		return n == -EFBIG ? -EBADMSG : (int)n;
	return strlen(text) == (size_t)n ? seen_parse(text, ret) : -EBADMSG;
}

int seen_load(const char *state_dir, struct seen *ret)
{
	autoclose int dirfd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*ret = (struct seen){ 0 };
	if (dirfd < 0)
		return errno == ENOENT ? 0 : -errno;
	return load(dirfd, ret);
}

static int save(int dirfd, const struct seen *seen)
{
	autoclose int fd = -EBADF;
	char text[128];
	int r, n = snprintf(text, sizeof(text), "%" PRIu64 ":%s\n", seen->generation, seen->vault);

	fd = openat(dirfd, FILE_NAME ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd < 0)
		return -errno;
	r = io_write_full(fd, text, n);
	if (r < 0)
		return r;
	if (fsync(fd) < 0 || renameat(dirfd, FILE_NAME ".new", dirfd, FILE_NAME) < 0 ||
	    fsync(dirfd) < 0)
		return -errno;
	return 0;
}

int seen_merge(struct seen *seen, const struct seen *news)
{
	struct seen old = *seen;

	if (!news->generation)
		return 0;
	if (news->generation > INT64_MAX / 2 || !vault_ok(news->vault, strlen(news->vault)))
		return -EINVAL;
	memcpy(seen->vault, news->vault, sizeof(seen->vault));
	if (news->generation > seen->generation)
		seen->generation = news->generation;
	return seen->generation != old.generation || strcmp(seen->vault, old.vault) != 0;
}

int seen_update(const char *state_dir, const struct seen *news)
{
	autoclose int dirfd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct seen seen;
	int r;

	if (dirfd < 0)
		return -errno;
	/* Two commands that end at once must not write the older of their two answers last. */
	while (flock(dirfd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	r = load(dirfd, &seen);
	if (r == 0)
		r = seen_merge(&seen, news);
	return r == 1 ? save(dirfd, &seen) : r;
}

int seen_in_status(const char *json, struct seen *ret)
{
	struct json_object *o = json_tokener_parse(json), *generation, *vault;
	int r = -EBADMSG;

	*ret = (struct seen){ 0 };
	if (json_object_is_type(o, json_type_object) &&
	    json_object_object_get_ex(o, "seen", &generation) &&
	    json_object_is_type(generation, json_type_int) &&
	    json_object_object_get_ex(o, "vault_id", &vault)) {
		r = 0;
		if (json_object_get_int64(generation) > 0 && vault) {
			ret->generation = json_object_get_int64(generation);
			snprintf(ret->vault, sizeof(ret->vault), "%s",
				 json_object_get_string(vault));
		}
	}
	json_object_put(o);
	return r;
}
