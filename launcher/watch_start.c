#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/run.h"
#include "launcher/engine.h"
#include "launcher/watch.h"
#include "launcher/watch_file.h"
#include "launcher/workshop.h"

static const char *const kept[] = {
	"PATH=",
	"HOME=",
	"LANG=",
	"TAZ_STATE=",
	"TAZ_CACHE=",
	"DOCKER_HOST=",
	"DOCKER_CONTEXT=",
	"DOCKER_CONFIG=",
	"CONTAINERS_CONF=",
	"DBUS_SYSTEM_BUS_ADDRESS=",
};

#define N_KEPT (sizeof(kept) / sizeof(*kept))
_Static_assert(N_KEPT <= WATCH_ENV_MAX, "each has room");

static bool is_kept(const char *variable)
{
	for (size_t i = 0; i < N_KEPT; i++)
		if (!strncmp(variable, kept[i], strlen(kept[i])))
			return true;
	return false;
}

void watch_env(char *const all[], char *ret[WATCH_ENV_MAX + 1])
{
	size_t n = 0;

	for (; *all && n < WATCH_ENV_MAX; all++)
		if (is_kept(*all))
			ret[n++] = *all;
	ret[n] = NULL;
}

void watch_start(void)
{
	char *argv[] = { "tazlaunch", "watch-host", NULL };
	char *envp[WATCH_ENV_MAX + 1];
	char root[PATH_MAX];
	pid_t pid;
	int r = watch_root(root, sizeof(root));

	if (r == 0 && watch_file_look(root) != WATCH_NONE)
		return;
	watch_env(environ, envp);
	if (r == 0)
		r = run_start("/proc/self/exe", argv, envp,
			      &(struct run_fd){ STDERR_FILENO, STDERR_FILENO }, 1, &pid);
	if (r == 0)
		r = run_wait(pid);
	if (r != 0)
		log_warn("workshops are not locked when this host sleeps or its screen is locked; "
			 "'sudo tazlaunch doctor' tells more: look there at host-events");
}

void watch_workshop_ended(void)
{
	char root[PATH_MAX];

	if (watch_root(root, sizeof(root)) == 0)
		watch_file_poke(root);
}

/*
 * What can't be told is taken for up. Who starts or stops it is waited for: its state would be old
 * at once, and to ask the engine vm takes its guest's lock for a moment, in which nobody may ask.
 */
static bool is_up(const char *root, const char *name)
{
	char dir[PATH_MAX];
	const struct workshop w = { .name = name, .state_dir = dir };
	const struct engine *e;
	autoclose int lock = -EBADF;
	struct record rec;
	int r;

	if (!workshop_name_ok(name) ||
	    snprintf(dir, sizeof(dir), "%s/%s", root, name) >= (int)sizeof(dir))
		return false;
	if (record_load(dir, &rec) == -ENOENT)
		return false;
	lock = workshop_lock(dir);
	r = lock < 0 ? lock : record_load(dir, &rec);
	if (r < 0)
		return r != -ENOENT;
	e = engine_find(rec.engine);
	return !e || e->running(e->client, &w) != 0;
}

int watch_any_up(const char *root)
{
	DIR *d = opendir(root);
	const struct dirent *e;
	bool up = false;

	if (!d)
		return errno != ENOENT;
	while (!up && (e = readdir(d)))
		up = is_up(root, e->d_name);
	closedir(d);
	return up;
}
