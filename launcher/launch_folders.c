#include "launcher/launch.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "launcher/cache.h"
#include "launcher/layers.h"
#include "launcher/project.h"
#include "launcher/source.h"

static int is_up(const char *name, const char *dir, const struct record *rec)
{
	const struct engine *e = engine_find(rec->engine);
	const struct workshop w = { .name = name, .state_dir = dir };

	return e ? e->running(e->client, &w) : 0;
}

static int check_around(const struct launch *l, const char *dir)
{
	char name[WORKSHOP_NAME_MAX + 1] = "";
	int r = workshop_around(l->state_dir, dir, is_up, name);

	if (r < 0)
		return log_err(r, "look whether %s is in a folder of %s", dir, name);
	if (r == 0)
		return 0;
	log_error("%s is in a folder of %s, which is up: from inside there it can be exchanged "
		  "for any other; use another, or go on after 'tazlaunch down --name %s'",
		  dir, name, name);
	return -EBUSY;
}

/* What root runs on this host, does as it is told by, and where it keeps what it knows: never
 * inside a workshop, whose root may be the same one to these files. */
#define OWN(state)                                                                          \
	{                                                                                   \
		layers_source(), "/proc/self/exe", project_host(), cache_dir(), state, NULL \
	}

static int choose_mounts(struct launch *l)
{
	char all[PATH_MAX];
	const char *const own[] = OWN(all);
	int r = binds_parse(l->o.mounts, &l->mounts);

	snprintf(all, sizeof(all), "%s/..", l->state_dir);
	if (r == 0)
		r = binds_check(&l->mounts, own);
	for (int i = 0; r == 0 && i < l->mounts.n; i++)
		r = check_around(l, l->mounts.v[i].source);
	if (r == 0)
		strcpy(l->rec.mounts, l->o.mounts);
	return r;
}

/* Another workshop's vault and what is written down of it; what begins with a dot is none's. */
static bool is_in_state(const struct launch *l, const char *cwd)
{
	char all[PATH_MAX], root[PATH_MAX];
	size_t n;

	snprintf(all, sizeof(all), "%s/..", l->state_dir);
	if (!realpath(all, root))
		return false;
	n = strlen(root);
	return !strncmp(cwd, root, n) && cwd[n] == '/' && cwd[n + 1] != '.';
}

static const char *refused(const struct launch *l, const char *cwd)
{
	const char *const own[] = OWN(l->state_dir);

	if (is_in_state(l, cwd))
		return "this directory is a workshop's own, with its vault, so it is not given "
		       "away";
	return workspace_refused(cwd, own);
}

static int choose_workspace(struct launch *l)
{
	autofree char *cwd = getcwd(NULL, 0);
	char empty[PATH_MAX];
	const char *why;

	if (!cwd)
		return log_err(-errno, "current directory");
	/* A tour stands in the empty folder already. */
	snprintf(empty, sizeof(empty), "%s/work", l->state_dir);
	why = strcmp(cwd, empty) ? refused(l, cwd) : NULL;
	if (why) {
		log_info("%s: /workspace is an empty folder; start it in a project's directory",
			 why);
		free(cwd);
		cwd = strdup(empty);
		if (!cwd)
			return log_err(-ENOMEM, "choose a workspace");
	}
	if (strlen(cwd) >= sizeof(l->rec.workspace) || strchr(cwd, '\n')) {
		log_error("this directory's name cannot be a workspace");
		return -EINVAL;
	}
	strcpy(l->rec.workspace, cwd);
	return check_around(l, cwd);
}

int launch_choose_folders(struct launch *l)
{
	int r = choose_workspace(l);

	return r < 0 ? r : choose_mounts(l);
}
