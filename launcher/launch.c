#include "launcher/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/privs.h"
#include "launcher/attach.h"
#include "launcher/layers.h"
#include "launcher/project.h"
#include "launcher/watch.h"

void std_fds_open(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	fd_close(&fd);
}

struct opts *launch_globals(void)
{
	static struct opts globals;

	return &globals;
}

/* --- what can go wrong ----------------------------------------------------------------------- */

const char *launch_checks(enum launch_stage stage)
{
	static const char *const checks[STAGES] = {
		[STAGE_LOCK] = "root, state-room",
		[STAGE_ENGINE] = "engine, modules",
		[STAGE_BUILD] = "engine, cache-room, image",
		[STAGE_SEEN] = "vault",
		[STAGE_RECORD] = "record, state-room",
		[STAGE_START] = "engine, modules, kvm, cache-room",
		[STAGE_KEEPER] = "modules, vault, state-room",
	};

	return checks[stage];
}

/* All errors of `up` come through here, after they were said. */
static int failed(const struct launch *l, enum launch_stage stage, int r)
{
	if (r < 0)
		log_info("'sudo tazlaunch doctor --name %s' tells what this machine lacks; look "
			 "there at: %s",
			 l->o.name, launch_checks(stage));
	return r;
}

/* --- the line, and the workshop that is meant ------------------------------------------------ */

static int usage(const struct cmd *cmd, const char *before, const char *what, const char *after)
{
	log_error("%s%s%s", before, what, after);
	cmd_usage(cmd);
	return -EINVAL;
}

int launch_line(struct opts *o, const struct cmd *cmd, unsigned allowed, int max_words, int argc,
		char *argv[])
{
	char why[160];
	int n = opts_take(o, argc - 1, argv + 1, why, sizeof(why)), at = n + 1;
	const char *refused = n < 0 ? NULL : opts_refused(o, allowed);

	if (n < 0)
		return usage(cmd, "", why, "");
	if (refused && !strcmp(refused, "--through"))
		return usage(cmd, "", refused,
			     " has no meaning here: a workshop that is elsewhere is built, started "
			     "and stopped there");
	if (refused)
		return usage(cmd, "", refused, " has no meaning here");
	if (at < argc && argv[at][0] == '-' && strcmp(argv[n], "--"))
		return usage(cmd, "no option ", argv[at], "");
	if (argc - at > max_words)
		return usage(cmd, "one word too many: ", argv[at + max_words], "");
	return at;
}

/* What is for one that is started here. */
static int check_through(const struct launch *l, const struct cmd *cmd)
{
	const unsigned not_here = (OPT_UP | OPT_ENGINE) & ~(OPT_NAME | OPT_TIMEZONE);
	const char *refused = opts_refused(&l->o, ~not_here);

	return refused ? usage(cmd, "", refused, " has no meaning with --through") : 0;
}

static int parse(struct launch *l, const struct cmd *cmd, unsigned allowed, bool takes_args,
		 int argc, char *argv[])
{
	int at;

	l->o = *launch_globals();
	at = launch_line(&l->o, cmd, allowed, takes_args ? INT_MAX : 0, argc, argv);
	if (at < 0)
		return CMD_USAGE;
	l->args = argv + at;
	l->n_args = argc - at;
	/* Nor does a file of this directory say anything of it. */
	if (l->o.through)
		return check_through(l, cmd) < 0 ? CMD_USAGE : 0;
	return allowed & (OPT_LAYER | OPT_WITHOUT) && project_load(&l->o, allowed) < 0 ? CMD_FAILED
										       : 0;
}

static int begin_through(struct launch *l)
{
	int r = privs_hide();

	/* Not root's, maybe: a passphrase in our memory is for no other process of this user. */
	if (r < 0) {
		log_err(r, "keep others of this user out of this process");
		return CMD_FAILED;
	}
	r = workshop_through_dir(l->o.name, l->state_dir, sizeof(l->state_dir));
	if (r < 0) {
		log_err(r,
			"find the folder for what is known of %s (HOME, XDG_STATE_HOME, TAZ_STATE)",
			l->o.name);
		return CMD_FAILED;
	}
	l->engine = &engine_through;
	strcpy(l->rec.engine, engine_through.name);
	return 0;
}

int launch_begin(struct launch *l, const struct cmd *cmd, unsigned allowed, bool takes_args,
		 int argc, char *argv[])
{
	int r;

	memset(l, 0, sizeof(*l));
	r = parse(l, cmd, allowed, takes_args, argc, argv);
	if (r)
		return r;
	if (l->o.through)
		return begin_through(l);
	if (geteuid() != 0) {
		log_error("needs root: sudo tazlaunch %s ...", cmd->name);
		return CMD_FAILED;
	}
	r = workshop_state_dir(l->o.name, l->state_dir, sizeof(l->state_dir));
	if (r == 0)
		r = record_load(l->state_dir, &l->rec);
	if (r < 0 && r != -ENOENT) {
		failed(l, STAGE_RECORD, log_err(r, "read %s/workshop", l->state_dir));
		return CMD_FAILED;
	}
	l->was_up = r == 0;
	return 0;
}

struct workshop launch_describe(const struct launch *l)
{
	return (struct workshop){
		.name = l->o.name,
		.state_dir = l->state_dir,
		.workspace = l->rec.workspace,
		.image = l->rec.image,
		.instance = l->rec.instance,
		.vault_bytes = l->o.vault_bytes,
		.memory_bytes = l->o.memory_bytes,
		.cpus = l->o.cpus,
		.least = l->o.least,
		.network = l->o.network,
		.mounts = l->mounts,
		.idle_sec = l->o.idle_sec,
		.keep = l->o.keep,
		.seen_generation = l->seen.generation,
		.seen_vault = l->seen.vault,
		.durability = l->o.durability,
		.view_memory = l->o.view_memory,
		.through = l->o.through,
	};
}

/* --- which engine ---------------------------------------------------------------------------- */

static int check_same_engine(const struct launch *l)
{
	if (!l->o.engine || !strcmp(l->o.engine, l->engine->name))
		return 0;
	log_error("%s is up with engine %s; 'tazlaunch down --name %s' first", l->o.name,
		  l->engine->name, l->o.name);
	return -EBUSY;
}

/* Who asks for less of this host must not get what was started with all of it. */
static int check_rights(const struct launch *l)
{
	if (!l->o.least || !strcmp(l->rec.rights, RIGHTS_LEAST) || l->engine == &engine_vm)
		return 0;
	log_error("%s is up with all of this host, and not with --least; 'tazlaunch down --name "
		  "%s' first",
		  l->o.name, l->o.name);
	return -EBUSY;
}

static const char *rights_of(const struct launch *l)
{
	if (l->engine == &engine_vm)
		return RIGHTS_NONE;
	return l->o.least ? RIGHTS_LEAST : RIGHTS_ALL;
}

static int use_given(struct launch *l)
{
	const struct engine *e = engine_find(l->o.engine);
	char why[256] = "";
	int r;

	r = e->usable(e->client, why, sizeof(why));
	if (r < 0 && !(l->build_only && r == -ENODEV)) {
		log_error("engine %s cannot be used here: %s", e->name, why);
		return r;
	}
	l->engine = e;
	return 0;
}

static int use_best(struct launch *l)
{
	char why[600];

	l->engine = engine_choose(why, sizeof(why));
	if (!l->engine) {
		log_error("%s", why);
		return -ENODEV;
	}
	if (*why)
		log_info("%s: using engine %s", why, l->engine->name);
	return 0;
}

int launch_engine(struct launch *l)
{
	if (l->engine)
		return 0;
	return failed(l, STAGE_ENGINE, l->o.engine ? use_given(l) : use_best(l));
}

/* A workshop that was never up runs nowhere: no engine needs to be asked. */
int launch_running(struct launch *l)
{
	const struct engine *e = l->was_up ? engine_find(l->rec.engine) : NULL;
	struct workshop w = launch_describe(l);
	int r;

	if (l->o.through)
		return engine_through.running(engine_through.client, &w);
	if (l->was_up && !e) {
		log_error("%s/workshop names the unknown engine '%s'", l->state_dir, l->rec.engine);
		return failed(l, STAGE_RECORD, -EBADMSG);
	}
	r = e ? e->running(e->client, &w) : 0;
	if (r < 0)
		return failed(l, STAGE_ENGINE,
			      log_err(r, "ask engine %s about %s", e->name, l->o.name));
	if (r == 1)
		l->engine = e;
	return r;
}

/* --- up and down ----------------------------------------------------------------------------- */

/* A wrong name is no lack of this machine. */
static int check_layer(const struct launch *l)
{
	int r = layers_check(l->o.layer);

	return r == -EINVAL ? r : failed(l, STAGE_BUILD, r);
}

int launch_build(struct launch *l)
{
	const struct layers_choice choice = { .layer = l->o.layer,
					      .without = l->o.without,
					      .again = l->build_only };
	int r = check_layer(l);

	if (r == 0)
		r = launch_engine(l);
	if (r < 0)
		return r;
	r = layers_build(l->engine, &choice, l->rec.image, sizeof(l->rec.image));
	return failed(l, STAGE_BUILD, r);
}

/* What the kernel's global names begin with: two hosts' folders of one name never meet. */
static void choose_instance(struct launch *l)
{
	uint32_t random;

	secret_random(&random, sizeof(random));
	snprintf(l->rec.instance, sizeof(l->rec.instance), "%s-%08x", l->o.name, random);
}

/* A file that cannot be read would let an older vault pass: it is not passed over. */
static int load_seen(struct launch *l)
{
	int r = seen_load(l->state_dir, &l->seen);

	if (r < 0)
		log_err(r,
			"read %s/seen (the newest state of the vault that this host knows of); put "
			"it back from a copy, or remove it and an older vault is not noticed",
			l->state_dir);
	return failed(l, STAGE_SEEN, r);
}

static int start(struct launch *l)
{
	struct workshop w;
	int r = launch_build(l);

	if (r == 0)
		r = launch_choose_folders(l);
	if (r == 0)
		r = load_seen(l);
	if (r < 0)
		return r;
	choose_instance(l);
	snprintf(l->rec.engine, sizeof(l->rec.engine), "%s", l->engine->name);
	snprintf(l->rec.rights, sizeof(l->rec.rights), "%s", rights_of(l));
	r = record_save(l->state_dir, &l->rec);
	if (r < 0)
		return failed(l, STAGE_RECORD, log_err(r, "write %s/workshop", l->state_dir));
	l->was_up = true;
	w = launch_describe(l);
	if (log_is_fancy(STDERR_FILENO))
		log_info("starting %s with engine %s", l->o.name, l->engine->name);
	return failed(l, STAGE_START, l->engine->up(l->engine->client, &w));
}

/*
 * The agent answers before the keeper has its socket: wait until the keeper does, too. The waiting
 * is done inside, by one request: a port of a virtual machine is used once, not once a look.
 */
static int wait_keeper(struct launch *l)
{
	static const char *const argv[] = {
		"/bin/sh", "-c",
		"i=0; until /usr/bin/enclave status --json >/dev/null 2>&1; do i=$((i + 1));"
		"[ $i -lt 200 ] || exit 1; sleep 0.1; done",
		NULL
	};
	struct workshop w = launch_describe(l);
	char text[64];
	int fd = l->engine->dial(l->engine->client, &w);
	int r = fd < 0 ? fd : attach_capture(fd, argv, -EBADF, text, sizeof(text));

	if (r == 0)
		return 0;
	log_error("%s has started, but its keeper does not answer", l->o.name);
	return failed(l, STAGE_KEEPER, r < 0 ? r : -ETIMEDOUT);
}

/* Somebody else may have started it while we waited for the lock: the record is read again. */
int launch_lock(struct launch *l, bool make, int *ret_lock)
{
	int r;

	do {
		r = make ? workshop_make_dirs(l->state_dir) : 0;
		if (r < 0)
			return failed(l, STAGE_LOCK, log_err(r, "make %s", l->state_dir));
		*ret_lock = workshop_lock(l->state_dir);
		/* Removed while we waited: then it is made anew. */
	} while (make && *ret_lock == -ENOENT);
	if (*ret_lock < 0)
		return failed(l, STAGE_LOCK, log_err(*ret_lock, "lock %s", l->state_dir));
	r = record_load(l->state_dir, &l->rec);
	l->was_up = r == 0;
	if (r < 0 && r != -ENOENT)
		return failed(l, STAGE_RECORD, log_err(r, "read %s/workshop", l->state_dir));
	return 0;
}

static int bring_up(struct launch *l)
{
	autoclose int lock = -EBADF;
	int r = l->was_up ? 0 : check_layer(l); /* nothing is made for a wrong name */

	if (r == 0)
		r = launch_lock(l, true, &lock);
	if (r == 0)
		r = launch_running(l);
	if (r == 1) {
		r = check_same_engine(l);
		return r < 0 ? r : check_rights(l);
	}
	if (r == 0)
		r = start(l);
	if (r == 0)
		r = wait_keeper(l);
	return r;
}

int launch_up(struct launch *l)
{
	int r;

	if (l->o.through)
		return 0; /* who wants something of it finds out */
	r = bring_up(l);

	/* Also for one that was up: whoever watched may have been killed. */
	if (r == 0)
		watch_start();
	return r;
}

/* Saved before it is stopped: a vault that cannot be saved keeps its workshop. 1 when it is locked
 * and saved; 0: nobody tells, and it is to be stopped all the same; or -errno. */
static int lock_first(struct launch *l)
{
	static const char *const argv[] = { "/usr/bin/enclave", "lock", NULL };
	char text[4096];
	struct workshop w = launch_describe(l);
	int fd = l->engine->dial(l->engine->client, &w);
	int r;

	if (fd == -ENOTCONN || fd == -ECONNREFUSED || fd == -ENOENT)
		return 0; /* its agent is dead: nobody to ask; the keeper locks when it is stopped
			   */
	if (fd < 0)
		return log_err(fd, "reach the agent of %s", l->o.name);
	r = attach_capture(fd, argv, STDERR_FILENO, text, sizeof(text));
	launch_note_seen(l, NULL);
	if (r == 0)
		return 1;
	log_error("%s does not lock, so it is not stopped; 'tazlaunch lock --name %s' tells more",
		  l->o.name, l->o.name);
	return -EBUSY;
}

static void tell(const struct launch *l, const char *what)
{
	if (log_is_fancy(STDERR_FILENO))
		log_info("%s %s", l->o.name, what);
}

static int take_down(struct launch *l)
{
	autoclose int lock = -EBADF;
	struct workshop w;
	int r, running, saved = 0;

	if (!l->was_up) {
		tell(l, "was never up: there is nothing to stop");
		return 0;
	}
	r = launch_lock(l, false, &lock);
	running = r == 0 ? launch_running(l) : r;
	if (running == 1)
		saved = lock_first(l);
	if (running < 0 || saved < 0)
		return running < 0 ? running : saved;
	/* Also when it is not running: what is left of it goes. */
	l->engine = engine_find(l->rec.engine);
	w = launch_describe(l);
	r = l->engine->down(l->engine->client, &w);
	if (r == 0)
		tell(l, saved	  ? "is locked, saved and stopped"
			: running ? "is stopped"
				  : "was down already");
	return r;
}

int launch_down(struct launch *l)
{
	int r = take_down(l);

	watch_workshop_ended();
	return r;
}
