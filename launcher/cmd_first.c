#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/size.h"
#include "launcher/agent.h"
#include "launcher/cmd.h"
#include "launcher/devices.h"
#include "launcher/pod.h"

#define KEEPER "/usr/bin/enclave"
#define OWNER  "taz"

struct init {
	const char *instance, *pod, *vault_size, *idle, *durability, *memory, *agent, *keep, *seen;
};

static const struct option_row {
	const char *name;
	size_t offset;
} rows[] = {
	{ "--instance", offsetof(struct init, instance) },
	{ "--pod", offsetof(struct init, pod) },
	{ "--vault-size", offsetof(struct init, vault_size) },
	{ "--idle", offsetof(struct init, idle) },
	{ "--durability", offsetof(struct init, durability) },
	{ "--memory", offsetof(struct init, memory) },
	{ "--agent", offsetof(struct init, agent) },
	{ "--keep", offsetof(struct init, keep) },
	{ "--seen", offsetof(struct init, seen) },
};

#define N_ROWS (sizeof(rows) / sizeof(*rows))

static const char **value_of(struct init *in, const struct option_row *row)
{
	return (const char **)(void *)((char *)in + row->offset);
}

/* All of them, each with a value: our own launcher wrote the line. Of the first two one is given.
 */
static int parse(int argc, char *argv[], struct init *in)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		size_t k = 0;

		while (k < N_ROWS && strcmp(argv[i], rows[k].name))
			k++;
		if (k == N_ROWS)
			return -EINVAL;
		*value_of(in, &rows[k]) = argv[i + 1];
	}
	for (size_t k = 2; k < N_ROWS; k++)
		if (!*value_of(in, &rows[k]))
			return -EINVAL;
	return argc % 2 == 0 || !in->instance == !in->pod ? -EINVAL : 0;
}

/* 0755 root, and nothing of it from the image: who could write here could answer for the keeper. */
static int make_run_dir(const char *path)
{
	struct stat st;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (lstat(path, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) || st.st_uid != 0)
		return -EACCES;
	return chmod(path, 0755) < 0 ? -errno : 0;
}

_Noreturn static void agent_main(int sock)
{
	int r;

	setsid(); /* in no session of anybody, and no signal of the terminal's */
	r = sock >= 0 ? agent_serve_unix(sock) : agent_serve_virtio();
	log_err(r, "the agent has ended");
	_exit(1);
}

/* A socket is made before the fork, so that its failure is ours. */
static int start_agent(const char *where)
{
	autoclose int sock = -EBADF;
	pid_t pid;

	if (!strncmp(where, "unix:", 5)) {
		sock = agent_listen_unix(where + 5);
		if (sock < 0)
			return log_err(sock, "listen at %s", where + 5);
	} else if (strcmp(where, "virtio")) {
		return log_err(-EINVAL, "--agent %s", where);
	}
	pid = fork();
	if (pid < 0)
		return log_err(-errno, "fork");
	if (!pid)
		agent_main(take_fd(&sock));
	return 0;
}

static int exec_keeper(const struct init *in)
{
	char idle[32];
	const char *argv[] = {
		KEEPER,		"serve",
		"--instance",	in->instance,
		"--owner",	OWNER,
		"--door",	"/home/taz/secrets",
		"--vault",	"/var/lib/taz/vault.luks",
		"--size",	in->vault_size,
		"--idle",	idle,
		"--keep",	in->keep,
		"--seen",	in->seen,
		"--durability", in->durability,
		"--memory",	in->memory,
		NULL,
	};
	static char *const envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", NULL };

	snprintf(idle, sizeof(idle), "%ss", in->idle);
	execve(KEEPER, (char *const *)argv, envp);
	return log_err(-errno, "run %s", KEEPER);
}

static int check_numbers(const struct init *in)
{
	long long n;

	if (num_parse(in->vault_size, 1, INT64_MAX, &n) < 0)
		return log_err(-EINVAL, "--vault-size %s", in->vault_size);
	if (num_parse(in->idle, 0, 366LL * 24 * 3600, &n) < 0)
		return log_err(-EINVAL, "--idle %s", in->idle);
	return 0;
}

/*
 * An engine lays an empty file over /proc/keys, and the keeper looks there whether a key is gone.
 * What a process sees there is its own and root's alone. Source: proc_keys(5).
 */
#define COVERS_MAX 4 /* an engine lays one; more than a few are no engine's */

static int unmask_keys(void)
{
	static const char path[] = "/proc/keys";
	struct statfs fs;

	for (int i = 0; i < COVERS_MAX; i++) {
		if (statfs(path, &fs) < 0)
			return errno == ENOENT ? 0 : -errno; /* a kernel without keyrings */
		if (fs.f_type == PROC_SUPER_MAGIC)
			return 0;
		if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
			return -errno;
	}
	return -EBUSY;
}

/*
 * No program makes anybody root for a moment, whatever a layer, the workspace or a mount has: who
 * got fusermount3 from one could mount over a home directory. Source: mount_setattr(2).
 */
static int forbid_setuid(void)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID };

	return mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

/* What an engine would have done before, and the name that --instance would have been. */
static int prepare_pod(struct init *in)
{
	static char instance[POD_INSTANCE_MAX];
	int r;

	if (!in->pod)
		return 0;
	r = pod_instance(in->pod, instance);
	if (r < 0)
		return log_err(r, "--pod %s", in->pod);
	in->instance = instance;
	return pod_prepare(OWNER);
}

static int init(struct init *in)
{
	char missing[160] = "";
	int r = check_numbers(in);

	if (r == 0)
		r = prepare_pod(in);
	if (r < 0)
		return r;
	r = forbid_setuid();
	if (r < 0)
		return log_err(r, "forbid programs that are setuid");
	r = devices_make_all("/dev", missing, sizeof(missing));
	if (r == -ENODEV) {
		log_error("%s", missing);
		return r;
	}
	if (r < 0)
		return log_err(r, "make the device nodes");
	r = unmask_keys();
	if (r < 0)
		return log_err(r, "uncover /proc/keys");
	r = make_run_dir("/run/taz");
	if (r < 0)
		return log_err(r, "make /run/taz");
	r = start_agent(in->agent);
	return r < 0 ? r : exec_keeper(in);
}

static int run(int argc, char *argv[])
{
	struct init in = { 0 };

	if (parse(argc, argv, &in) < 0)
		return cmd_usage(&cmd_first);
	init(&in); /* comes back only when it failed */
	return CMD_FAILED;
}

const struct cmd cmd_first = {
	.name = "first-process",
	.args = "--instance ID|--pod NAME --vault-size BYTES --idle SEC --durability HOW --memory MODE --keep N --seen GENERATION[:VAULT]\n"
		"         --agent unix:PATH|virtio",
	.help = "the workshop's first process: device nodes, agent, then the keeper",
	.details =
		"Example:  tazlaunch first-process --instance default-1a2b3c4d --vault-size 268435456 \\\n"
		"            --idle 900 --durability fsync --memory cached --keep 3 --seen 0 --agent unix:/run/taz-host/agent.sock\n"
		"\n"
		"With --pod nobody has made the folders: /run and /tmp are covered by memory, the volume at\n"
		"/var/lib/taz becomes root's alone, an empty one at /workspace the user's; and the instance\n"
		"is NAME and random digits.\n"
		"\n"
		"Exit codes: 1 the nodes, the agent or the keeper could not be started; 2 usage.\n",
	.internal = true,
	.run = run,
};
