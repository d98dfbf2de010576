#include "launcher/binds.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "enclave/base/log.h"
#include "enclave/base/utf8.h"
#include "launcher/workshop.h"

_Static_assert(BINDS_MAX == 8, "BINDS_WANT says so");
_Static_assert(sizeof(((struct bind *)0)->name) == WORKSHOP_NAME_MAX + 1, "room for a name");

/* "SOURCE:/mnt/NAME[:ro]"; it is cut into its parts. */
static int parse_one(char *text, struct bind *ret)
{
	const char *source = strsep(&text, ":"), *target = strsep(&text, ":");
	const char *how = strsep(&text, ":");

	if (!target || text || *source != '/' || strncmp(target, BINDS_DIR, strlen(BINDS_DIR)) != 0)
		return -EINVAL;
	target += strlen(BINDS_DIR);
	if (!workshop_name_ok(target) || (how && strcmp(how, "ro") != 0))
		return -EINVAL;
	strcpy(ret->source, source); /* the whole text has room there */
	strcpy(ret->name, target);
	ret->read_only = how;
	return 0;
}

static bool has_name(const struct binds *b, const char *name)
{
	for (int i = 0; i < b->n; i++)
		if (!strcmp(b->v[i].name, name))
			return true;
	return false;
}

int binds_parse(const char *text, struct binds *ret)
{
	char copy[BINDS_TEXT], *rest = copy, *one;

	ret->n = 0;
	if (strlen(text) >= sizeof(copy) || utf8_has_control(text))
		return -EINVAL;
	strcpy(copy, text);
	while (*text && (one = strsep(&rest, ","))) {
		struct bind b;

		if (ret->n == BINDS_MAX || parse_one(one, &b) < 0 || has_name(ret, b.name))
			return -EINVAL;
		ret->v[ret->n++] = b;
	}
	return 0;
}

static int check_one(const struct bind *b, const char *const own[])
{
	char real[PATH_MAX];
	struct stat st;
	const char *why;

	if (!realpath(b->source, real) || stat(real, &st) < 0)
		return log_err(-errno, "mount %s", b->source);
	if (strcmp(real, b->source) != 0) {
		log_error(
			"mount %s: there is a link in it, and who exchanges that has any folder of "
			"this host inside; name the folder itself, which is now %s",
			b->source, real);
		return -EINVAL;
	}
	why = S_ISDIR(st.st_mode) ? workspace_refused(real, own) : "it is no folder";
	if (!why)
		return 0;
	log_error("mount %s: %s", b->source, why);
	return -EINVAL;
}

int binds_check(const struct binds *b, const char *const own[])
{
	int r = 0;

	for (int i = 0; r == 0 && i < b->n; i++)
		r = check_one(&b->v[i], own);
	return r;
}
