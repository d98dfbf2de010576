#include "launcher/relay_env.h"

#include <errno.h>
#include <locale.h>
#include <pwd.h>
#include <stdio.h>

static void env_add(struct relay_env *e, const char *name, const char *value)
{
	int i = 0;

	while (e->list[i])
		i++;
	if (!*value || i >= RELAY_ENV_MAX - 1)
		return;
	snprintf(e->text[i], sizeof(e->text[i]), "%s=%s", name, value);
	e->list[i] = e->text[i];
}

/* A locale that is not installed here makes every program complain. */
static const char *locale_or_default(const char *lang)
{
	locale_t loc = *lang ? newlocale(LC_ALL_MASK, lang, NULL) : NULL;

	if (!loc)
		return "C.UTF-8";
	freelocale(loc);
	return lang;
}

int relay_env_build(struct relay_env *e, const struct request *req)
{
	const struct passwd *pw = getpwnam(req->user == REQUEST_ROOT ? "root" : "taz");

	if (!pw)
		return -ENOENT;
	env_add(e, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	env_add(e, "HOME", pw->pw_dir);
	env_add(e, "USER", pw->pw_name);
	env_add(e, "LOGNAME", pw->pw_name);
	env_add(e, "SHELL", *pw->pw_shell ? pw->pw_shell : "/bin/sh");
	env_add(e, "TERM", req->term);
	env_add(e, "LANG", locale_or_default(req->lang));
	env_add(e, "COLORTERM", req->colorterm);
	env_add(e, "TZ", req->tz);
	return 0;
}
