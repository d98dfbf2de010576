#include "tests/faults/role.h"

#include <stdio.h>
#include <string.h>

#include "enclave/base/fd.h"

static const struct {
	const char *program, *first, *second; /* NULL: any */
	enum role role;
} roles[] = {
	{ "enclave", "serve", NULL, ROLE_KEEPER },  { "enclave", "worker", "save", ROLE_SAVER },
	{ "enclave", "worker", NULL, ROLE_WORKER }, { "enclave", "session", NULL, ROLE_CLIENT },
	{ "tazfs", "view", NULL, ROLE_VIEW },
};

/* The first three arguments; what is missing is empty. */
static int read_args(pid_t pid, char buf[256], const char *args[3])
{
	char path[40];
	autofclose FILE *f = NULL;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	f = fopen(path, "re");
	n = f ? fread(buf, 1, 255, f) : 0;
	memset(buf + n, 0, 256 - n);
	for (int i = 0; i < 3; i++) {
		args[i] = buf;
		if (buf - args[0] < 250)
			buf += strlen(buf) + 1;
	}
	return n ? 0 : -1;
}

enum role role_of(pid_t pid)
{
	char buf[256];
	const char *args[3], *base;

	if (read_args(pid, buf, args) < 0)
		return ROLE_NONE;
	base = strrchr(args[0], '/');
	base = base ? base + 1 : args[0];
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		if (!strcmp(base, roles[i].program) && !strcmp(args[1], roles[i].first) &&
		    (!roles[i].second || !strcmp(args[2], roles[i].second)))
			return roles[i].role;
	return ROLE_NONE;
}

const char *role_name(enum role role)
{
	static const char *const names[ROLES] = { "none",   "keeper", "view",
						  "worker", "saver",  "client" };

	return names[role];
}

const char *role_set_name(unsigned set)
{
	static char text[80];
	size_t n = 0;

	text[0] = '\0';
	for (int role = 1; role < ROLES; role++)
		if (set & ROLE_BIT(role))
			n += snprintf(text + n, sizeof(text) - n, "%s%s", n ? "+" : "",
				      role_name(role));
	return text;
}
