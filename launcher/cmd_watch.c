#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/privs.h"
#include "launcher/cmd.h"
#include "launcher/host_bus.h"
#include "launcher/launch.h"
#include "launcher/watch.h"
#include "launcher/watch_file.h"

/* Its words go to the journal. They are lost where there is none, and while it does not read
 * (O_NONBLOCK): a host on its way to sleep waits for nobody's words. */
static int change_streams(void)
{
	autoclose int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	autoclose int journal = host_bus_journal();

	if (journal >= 0 && fcntl(journal, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(journal < 0 ? null : journal, STDERR_FILENO) < 0)
		return -errno;
	return 0;
}

/* Files and sockets of root are all that it needs: no capability, and no program gets one back. */
static int give_up_rights(void)
{
	int r = privs_no_new();

	return r < 0 ? r : privs_leave();
}

static int watch(const char *root, int file)
{
	int r = give_up_rights();

	if (r < 0) {
		fd_close(&file);
		return log_err(r, "give rights away");
	}
	return watch_run(root, file);
}

/* Whoever started us goes on, and our parent is the one that reaps everybody. */
static int watch_detached(const char *root, int file)
{
	pid_t pid = fork();

	if (pid < 0)
		return log_err(-errno, "start a process");
	if (pid > 0)
		return 0;
	if (setsid() < 0 || chdir("/") < 0 || change_streams() < 0)
		_exit(CMD_FAILED);
	_exit(watch(root, file) < 0 ? CMD_FAILED : CMD_DONE);
}

static int begin(const char *root, bool stay)
{
	autoclose int file = watch_file_take(root);
	int r;

	if (file == -EBUSY) {
		if (stay)
			log_error("there is one for %s already", root);
		return stay ? CMD_FAILED : CMD_DONE;
	}
	if (file == -EACCES || file == -ELOOP) {
		log_error("%s/.watch-host is no file of root's; remove it", root);
		return CMD_FAILED;
	}
	if (file < 0) {
		log_err(file, "lock %s/.watch-host", root);
		return CMD_FAILED;
	}
	r = stay ? watch(root, take_fd(&file)) : watch_detached(root, file);
	return r < 0 ? CMD_FAILED : CMD_DONE;
}

static int run(int argc, char *argv[])
{
	bool look = argc == 2 && !strcmp(argv[1], "--look");
	bool stay = argc == 2 && !strcmp(argv[1], "--foreground");
	char root[PATH_MAX];
	int r;

	if (argc != 1 && !look && !stay) {
		log_error("no option %s", argv[argc == 2 ? 1 : 2]);
		return cmd_usage(&cmd_watch);
	}
	if (geteuid() != 0) {
		log_error("needs root: sudo tazlaunch watch-host");
		return CMD_FAILED;
	}
	r = watch_root(root, sizeof(root));
	if (r < 0) {
		log_err(r, "the folder of workshops (TAZ_STATE)");
		return CMD_FAILED;
	}
	if (look)
		return watch_any_up(root) ? CMD_DONE : CMD_FAILED;
	return begin(root, stay);
}

const struct cmd cmd_watch = {
	.name = "watch-host",
	.args = "[--foreground|--look]",
	.help = "lock the workshops when this host sleeps or its screen is locked",
	.details =
		"  --foreground         do not detach; what it does is said on standard error\n"
		"  --look               only look whether a workshop is up\n"
		"\n"
		"'up' starts it, and it ends with the last workshop. There is one for a state\n"
		"directory.\n"
		"\n"
		"Example:  sudo tazlaunch watch-host --foreground\n"
		"\n"
		"Exit codes: 0 done, or there is one already; 1 failed; with --look: none is up;\n"
		"2 usage.\n",
	.internal = true,
	.run = run,
};
