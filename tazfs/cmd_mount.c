#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/privs.h"
#include "enclave/base/size.h"
#include "enclave/client.h"
#include "tazfs/cmd.h"
#include "tazfs/fs.h"
#include "tazfs/link.h"
#include "tazfs/serve.h"
#include "tazfs/view.h"

#define OPTIONS "fsname=tazfs,subtype=tazfs,default_permissions,nosuid,nodev"

struct mount_args {
	const char *source, *mountpoint, *policy;
	bool strict, foreground, allow_other;
	pid_t leaders[SESSIONS_MAX];
	int n_leaders;
};

static const struct option options[] = {
	{ "source", required_argument, NULL, 's' },
	{ "leader", required_argument, NULL, 'l' },
	{ "memory", required_argument, NULL, 'm' },
	{ "policy", required_argument, NULL, 'p' },
	{ "foreground", no_argument, NULL, 'f' },
	{ "allow-other", no_argument, NULL, 'o' },
	{ NULL, 0, NULL, 0 },
};

static int set_option(struct mount_args *a, int c)
{
	long long pid;

	switch (c) {
	case 's':
		a->source = optarg;
		return 0;
	case 'f':
		a->foreground = true;
		return 0;
	case 'o':
		a->allow_other = true;
		return 0;
	case 'p':
		a->policy = optarg;
		return 0;
	case 'm':
		if (serve_memory(optarg, &a->strict) == 0)
			return 0;
		log_error("--memory is 'cached' or 'strict', not '%s'", optarg);
		return -EINVAL;
	case 'l':
		if (a->n_leaders < SESSIONS_MAX && num_parse(optarg, 1, INT_MAX, &pid) == 0) {
			a->leaders[a->n_leaders++] = (pid_t)pid;
			return 0;
		}
		log_error("--leader: '%s' is no process number, or one too many", optarg);
		return -EINVAL;
	default:
		return -EINVAL;
	}
}

static int parse(int argc, char *argv[], struct mount_args *a)
{
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
		if (set_option(a, c) < 0)
			return -EINVAL;
	if (optind + 1 != argc)
		return -EINVAL;
	a->mountpoint = argv[optind];
	if (!a->source &&
	    (a->strict || a->foreground || a->n_leaders || a->policy || a->allow_other)) {
		log_error(
			"--leader, --memory, --policy, --allow-other and --foreground need --source");
		return -EINVAL;
	}
	return 0;
}

static int mount_vault(const char *path)
{
	autoclose int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	enum proto_why why = WHY_NONE;
	char what[PATH_MAX + 32];
	int r;

	if (fd < 0) {
		log_err(-errno, "open %s", path);
		return CMD_FAILED;
	}
	r = client_mount(fd, &why);
	if (r == 0)
		return CMD_DONE;
	snprintf(what, sizeof(what), "mount the vault at %s", path);
	client_say(r, why, what);
	return CMD_FAILED;
}

static int add_leaders(struct view *v, const struct mount_args *a)
{
	v->everyone = a->n_leaders == 0;
	for (int i = 0; i < a->n_leaders; i++) {
		int r = sessions_add_pid(v->sessions, a->leaders[i]);

		if (r < 0)
			return log_err(r, "process %d as a session's leader", a->leaders[i]);
	}
	return 0;
}

static void block_signals(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
}

/* Mounts and starts the workers; nothing is left mounted after an error. */
static int start(struct view *v, const char *mountpoint, int *ret_ended)
{
	int r = fs_mount(v->fs, mountpoint);

	if (r < 0)
		return r;
	v->mountpoint = mountpoint;
	r = fs_start(v->fs, VIEW_WORKERS, ret_ended);
	if (r < 0)
		fs_unmount(v->fs);
	return r;
}

static int serve(const struct mount_args *a, int ready)
{
	autoclose int rootfd = open(a->source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int policy = a->policy ? open(a->policy, O_RDONLY | O_CLOEXEC) : -EBADF;
	struct view v;
	int ended = -EBADF, r;

	if (rootfd < 0)
		return log_err(-errno, "open %s", a->source);
	if (a->policy && policy < 0)
		return log_err(-errno, "open the policy %s", a->policy);
	r = view_init(&v, rootfd, -EBADF, -EBADF);
	if (r < 0)
		return log_err(r, "prepare the view");
	v.strict = a->strict;
	v.transparent = a->allow_other;
	r = add_leaders(&v, a);
	if (r == 0 && policy >= 0)
		r = view_policy_file(&v, policy, a->policy);
	if (r < 0)
		return r;
	r = fs_new(&v, a->allow_other ? OPTIONS ",allow_other" : OPTIONS);
	if (r == 0)
		r = start(&v, a->mountpoint, &ended);
	if (r < 0)
		return log_err(r, "mount at %s", a->mountpoint);
	/* In the foreground nobody waits for it. */
	if (write(ready, "", 1) < 0 && !a->foreground)
		log_warn("nobody waits for the mount any more");
	fd_close(&ready);
	r = link_signals(&v, ended);
	fs_unmount(v.fs);
	/* The workers are in the kernel or about to end. */
	_exit(r < 0 ? CMD_FAILED : CMD_DONE);
}

/* The parent ends when the child is mounted, with its result. */
static int wait_ready(int ready)
{
	char byte;

	return io_read_full(ready, &byte, 1) == 1 ? CMD_DONE : CMD_FAILED;
}

static int into_background(void)
{
	autoclose int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || setsid() < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		return -errno;
	return chdir("/") < 0 ? -errno : 0;
}

/* The whole path, which is still right after chdir(2); NULL when there is none, which is said. */
static char *resolve(const char *path)
{
	char *whole = realpath(path, NULL);

	if (!whole)
		log_err(-errno, "find %s", path);
	return whole;
}

static int mount_source(const struct mount_args *a)
{
	autofree char *source = resolve(a->source);
	autofree char *mountpoint = source ? resolve(a->mountpoint) : NULL;
	autofree char *policy = a->policy ? resolve(a->policy) : NULL;
	struct mount_args abs = *a;
	int ready[2];
	pid_t pid;

	if (!mountpoint || (a->policy && !policy))
		return CMD_FAILED;
	abs.source = source;
	abs.mountpoint = mountpoint;
	abs.policy = policy;
	if (pipe2(ready, O_CLOEXEC) < 0)
		return CMD_FAILED;
	block_signals();
	serve_prepare();
	if (privs_hide() < 0)
		return CMD_FAILED;
	pid = a->foreground ? 0 : fork();
	if (pid > 0) {
		fd_close(&ready[1]);
		return wait_ready(ready[0]);
	}
	fd_close(&ready[0]);
	if (pid < 0 || (!a->foreground && into_background() < 0)) {
		log_err(-errno, "start in the background");
		return CMD_FAILED;
	}
	serve(&abs, ready[1]);
	return CMD_FAILED;
}

static int run(int argc, char *argv[])
{
	struct mount_args a = { 0 };

	if (parse(argc, argv, &a) < 0)
		return cmd_usage(&cmd_mount);
	if (a.allow_other && geteuid() != 0) {
		log_error("--allow-other is for root: nobody else can make what belongs to others");
		return CMD_FAILED;
	}
	return a.source ? mount_source(&a) : mount_vault(a.mountpoint);
}

const struct cmd cmd_mount = {
	.name = "mount",
	.args = "[--source DIR [--leader PID]... [--memory cached|strict] [--policy FILE]"
		" [--allow-other] [--foreground]] DIR",
	.help = "show the vault, or a plain directory, at DIR",
	.details =
		"Without options the keeper mounts the unlocked vault at DIR, which must be yours.\n"
		"\n"
		"Options:\n"
		"  --source DIR      show this directory; no vault and no keeper are needed\n"
		"  --leader PID      only this process and its descendants may look; may be repeated.\n"
		"                    Without it every process of your user may\n"
		"  --memory cached   the kernel may cache contents; wiped when it is locked (default)\n"
		"  --memory strict   the kernel caches nothing; no shared maps\n"
		"  --policy FILE     decide by it, tazfs-policy(5); otherwise everything is allowed\n"
		"  --allow-other     as root: other users may look, too, as their permissions below let\n"
		"                    them, and what they make belongs to them\n"
		"  --foreground      stay; otherwise return when mounted\n"
		"\n"
		"SIGTERM to the process locks and unmounts a plain directory.\n"
		"\n"
		"Example:\n"
		"  tazfs mount ~/secrets\n"
		"  tazfs mount --source ~/.store --leader $$ ~/view\n"
		"\n"
		"Exit codes: 0 mounted, 1 failed, 2 usage.\n",
	.run = run,
};
