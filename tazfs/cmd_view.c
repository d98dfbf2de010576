#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/privs.h"
#include "enclave/base/size.h"
#include "enclave/proto.h"
#include "tazfs/cmd.h"
#include "tazfs/fs.h"
#include "tazfs/link.h"
#include "tazfs/sandbox.h"
#include "tazfs/serve.h"
#include "tazfs/view.h"

struct view_args {
	long long uid, gid;
	bool strict, fsync_saves;
};

static int parse_fsync(const char *text, bool *ret)
{
	*ret = !strcmp(text, "save");
	return *ret || !strcmp(text, "store") ? 0 : -EINVAL;
}

static int parse(int argc, char *argv[], struct view_args *a)
{
	static const struct option options[] = {
		{ "uid", required_argument, NULL, 'u' },
		{ "gid", required_argument, NULL, 'g' },
		{ "fsync", required_argument, NULL, 'f' },
		{ "memory", required_argument, NULL, 'm' },
		{ NULL, 0, NULL, 0 },
	};
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == 'u')
			r = num_parse(optarg, 0, UINT_MAX - 1, &a->uid);
		else if (c == 'g')
			r = num_parse(optarg, 0, UINT_MAX - 1, &a->gid);
		else if (c == 'f')
			r = parse_fsync(optarg, &a->fsync_saves);
		else if (c == 'm')
			r = serve_memory(optarg, &a->strict);
		else
			r = -EINVAL;
	}
	return r == 0 && optind == argc && a->uid >= 0 && a->gid >= 0 ? 0 : -EINVAL;
}

/* The descriptors are the keeper's promise; a broken one is found before anything is served. */
static int check_fds(void)
{
	for (int fd = VIEW_FD_KEEPER; fd <= VIEW_FD_MOUNT; fd++)
		if (fd_set_cloexec(fd, 1) < 0)
			return log_err(-EBADF, "descriptor %d of the keeper", fd);
	return 0;
}

static int give_up_rights(const struct view_args *a)
{
	/* The mark shows us what members run (peek.h); it gives no other right that matters. */
	int r = privs_become(NULL, (uid_t)a->uid, (gid_t)a->gid, 1);

	/* Whoever has our uid can stop us; nobody else would be left who kills us then. */
	if (r == 0)
		r = privs_wake_with_parent();
	if (r == 0)
		r = privs_no_new();
	if (r == 0)
		r = privs_hide();
	if (r == 0)
		r = privs_lock_memory();
	return r < 0 ? log_err(r, "give up rights and lock memory") : 0;
}

static int serve(const struct view_args *a)
{
	static struct view v;
	char dev_fuse[32];
	int ended = -EBADF, r;

	serve_prepare();
	signal(SIGPIPE, SIG_IGN);
	r = view_init(&v, VIEW_FD_ROOT, VIEW_FD_MOUNT, VIEW_FD_KEEPER);
	if (r < 0)
		return log_err(r, "prepare the view");
	close(VIEW_FD_ROOT);
	v.strict = a->strict;
	v.fsync_saves = a->fsync_saves;
	r = give_up_rights(a);
	if (r < 0)
		return r;
	r = view_policy_load(&v);
	if (r < 0)
		return log_err(r, "read the policy of the vault");
	view_audit_start(&v);
	snprintf(dev_fuse, sizeof(dev_fuse), "/dev/fd/%d", VIEW_FD_FUSE);
	r = fs_new(&v, NULL);
	if (r == 0)
		r = fs_mount(v.fs, dev_fuse);
	if (r < 0)
		return log_err(r, "take the mount from the keeper");
	r = sandbox_enter();
	if (r < 0)
		return log_err(r, "enter the sandbox");
	r = fs_start(v.fs, VIEW_WORKERS, &ended);
	if (r < 0)
		return log_err(r, "start");
	r = link_keeper(&v, ended);
	log_err(r, "serve the view");
	_exit(CMD_FAILED);
}

static int run(int argc, char *argv[])
{
	struct view_args a = { .uid = -1, .gid = -1 };

	if (parse(argc, argv, &a) < 0)
		return cmd_usage(&cmd_view);
	if (check_fds() < 0)
		return CMD_FAILED;
	serve(&a);
	return CMD_FAILED;
}

const struct cmd cmd_view = {
	.name = "view",
	.args = "--uid U --gid G [--memory cached|strict] [--fsync store|save]",
	.help = "serve the mount that the keeper made (only the keeper starts this)",
	.details =
		"Descriptors 3 to 6 are as in enclave/proto.h: channel, root, /dev/fuse, mount.\n"
		"\n"
		"Exit codes: 0 locked, 1 failed or the keeper is gone, 2 usage.\n",
	.internal = true,
	.run = run,
};
