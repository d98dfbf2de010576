#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "enclave/base/json.h"
#include "enclave/base/log.h"
#include "launcher/cache.h"
#include "launcher/cmd.h"
#include "launcher/doctor.h"
#include "launcher/host_bus.h"
#include "launcher/launch.h"
#include "launcher/vm_host.h"

enum { DOCTOR_EXIT_WARNS = 3 };

/* Of the folder, or of the nearest above it that is there. */
static uint64_t free_bytes(const char *dir)
{
	char path[PATH_MAX];
	struct statvfs fs;

	snprintf(path, sizeof(path), "%s", dir);
	while (statvfs(path, &fs) < 0) {
		char *slash = strrchr(path, '/');

		if (!slash || slash == path)
			return statvfs("/", &fs) < 0 ? 0 : fs.f_bavail * fs.f_frsize;
		*slash = '\0';
	}
	return fs.f_bavail * fs.f_frsize;
}

static void ask_engine(const struct engine *e, char *why, size_t size)
{
	*why = '\0';
	if (e->usable(e->client, why, size) < 0 && !*why)
		snprintf(why, size, "it cannot be used");
}

static void look_at_workshop(struct doctor_facts *f, const char *name)
{
	char dir[PATH_MAX - 64];
	const struct engine *e;
	struct record rec;
	int r;

	snprintf(f->workshop, sizeof(f->workshop), "%s", name);
	if (workshop_state_dir(name, dir, sizeof(dir)) < 0)
		return;
	f->state_free = free_bytes(dir);
	snprintf(f->vault, sizeof(f->vault), "%s/vault/vault.luks", dir);
	if (seen_load(dir, &f->seen) < 0)
		f->seen_bad = true;
	doctor_vault(f);
	r = record_load(dir, &rec);
	f->was_up = r == 0;
	e = f->was_up ? engine_find(rec.engine) : NULL;
	f->record_bad = (r < 0 && r != -ENOENT) || (f->was_up && !e);
	f->image_there = e && e->has_image(e->client, rec.image) == 1;
	f->is_up = e &&
		   e->running(e->client, &(struct workshop){ .name = name, .state_dir = dir }) == 1;
}

static void gather(struct doctor_facts *f, const char *name)
{
	char root[PATH_MAX];

	doctor_kernel(f, "");
	f->root = geteuid() == 0;
	f->kvm = vm_kvm_worth_a_try();
	ask_engine(&engine_docker, f->docker, sizeof(f->docker));
	ask_engine(&engine_podman, f->podman, sizeof(f->podman));
	ask_engine(&engine_vm, f->vm, sizeof(f->vm));
	f->cache_free = free_bytes(cache_dir());
	look_at_workshop(f, name);
	f->host_deaf = host_bus_ask();
	if (watch_root(root, sizeof(root)) == 0)
		f->watched = watch_file_look(root);
}

/* --- the report ------------------------------------------------------------------------------ */

static const char *const words[DOCTOR_LEVELS] = {
	[DOCTOR_GOOD] = "good", [DOCTOR_WARNS] = "warning", [DOCTOR_STOPS] = "stops"
};

/* A word, never only a colour. */
static void print(const struct doctor_finding *d)
{
	static const char *const colours[DOCTOR_LEVELS] = {
		[DOCTOR_GOOD] = "\033[32m", [DOCTOR_WARNS] = "\033[33m", [DOCTOR_STOPS] = "\033[31m"
	};
	bool fancy = log_is_fancy(STDOUT_FILENO);

	printf("%s%-8s%s %-13s %s\n", fancy ? colours[d->level] : "", words[d->level],
	       fancy ? "\033[0m" : "", d->name, d->what);
	if (d->why)
		printf("         why:  %s\n         mend: %s\n", d->why, d->mend);
}

static void print_json(const struct doctor_finding *d, size_t n)
{
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "check", json_object_new_string(d[i].name));
		json_object_object_add(o, "level", json_object_new_string(words[d[i].level]));
		json_object_object_add(o, "what", json_object_new_string(d[i].what));
		json_object_object_add(o, "why",
				       d[i].why ? json_object_new_string(d[i].why) : NULL);
		json_object_object_add(o, "mend",
				       d[i].mend ? json_object_new_string(d[i].mend) : NULL);
		json_object_array_add(all, o);
	}
	json_print(all);
}

static int run(int argc, char *argv[])
{
	static struct doctor_finding found[DOCTOR_CHECKS];
	static struct doctor_facts facts;
	static const int codes[DOCTOR_LEVELS] = { CMD_DONE, DOCTOR_EXIT_WARNS, CMD_FAILED };
	enum doctor_level worst = DOCTOR_GOOD;
	struct opts o = *launch_globals();
	size_t n;

	if (launch_line(&o, &cmd_doctor, OPT_NAME | OPT_JSON, 0, argc, argv) < 0)
		return CMD_USAGE;
	gather(&facts, o.name);
	n = doctor_look(&facts, found);
	for (size_t i = 0; i < n; i++) {
		if (!o.json)
			print(&found[i]);
		if (found[i].level > worst)
			worst = found[i].level;
	}
	if (o.json)
		print_json(found, n);
	return codes[worst];
}

const struct cmd cmd_doctor = {
	.name = "doctor",
	.args = "[--name NAME] [--json]",
	.help = "say what this machine lacks, why it matters, and how to mend it",
	.details =
		"  --name NAME          which workshop's vault and image (default: default)\n"
		"  --json               one array on one line: check, level, what, why, mend\n"
		"\n"
		"Changes nothing, but that modules of the kernel may be loaded. Without root the\n"
		"engines and the vault can't be looked at.\n"
		"\n"
		"Example:  sudo tazlaunch doctor\n"
		"\n"
		"Exit codes: 0 all is good; 3 there are warnings; 1 something does not work; 2 usage.\n",
	.run = run,
};
