#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "tazfs/args.h"
#include "tazfs/caller_priv.h"
#include "tazfs/slow.h"

/* What does not fit is cut, and says so. */
static void cut(char *text, size_t size)
{
	if (strlen(text) == size - 1)
		strcpy(text + size - 4, "...");
}

static int read_exe(int procfd, char *text, size_t size)
{
	ssize_t n = readlinkat(procfd, "exe", text, size - 1);
	int r = n < 0 ? -errno : 0;

	text[n < 0 ? 0 : n] = '\0';
	cut(text, size);
	return r;
}

static void read_comm(int procfd, char *text, size_t size)
{
	ssize_t n = io_read_text(procfd, "comm", text, size);

	text[n < 0 ? 0 : strcspn(text, "\n")] = '\0';
}

/* Always ends in NUL, so that each argument does. */
static void read_args(void *arg, int procfd)
{
	struct caller_text *ret = arg;
	autoclose int fd = openat(procfd, "cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : io_read_full(fd, ret->args, sizeof(ret->args) - 1);

	ret->args_size = n < 0 ? 0 : n;
	ret->args_cut = ret->args_size == sizeof(ret->args) - 1;
	if (ret->args_size && ret->args[ret->args_size - 1])
		ret->args_size++;
}

static void read_script(const struct program *p, struct caller_text *ret)
{
	const char *path;
	enum args_script found =
		args_script(ret->exe, ret->args, ret->args_size, !ret->args_cut, &path);

	if (!p->script.ino || (found != ARGS_FILE && found != ARGS_LOOSE))
		return;
	snprintf(ret->script, sizeof(ret->script), "%s", path);
	cut(ret->script, sizeof(ret->script));
}

static bool is_it(int procfd, const struct program *p)
{
	struct proc_stat st;

	return proc_stat_read(procfd, &st) == 0 && st.start == p->start;
}

int caller_exe(const struct program *p, char *buf, size_t size)
{
	autoclose int procfd = proc_open(p->pid);

	return procfd < 0 || !is_it(procfd, p) ? -ESRCH : read_exe(procfd, buf, size);
}

int caller_text(const struct program *p, struct caller_text *ret)
{
	autoclose int procfd = proc_open(p->pid);

	memset(ret, 0, sizeof(*ret));
	if (procfd < 0 || !is_it(procfd, p))
		return -ESRCH;
	read_exe(procfd, ret->exe, sizeof(ret->exe));
	read_comm(procfd, ret->comm, sizeof(ret->comm));
	slow_run(SLOW_LOOK, read_args, ret, procfd);
	read_script(p, ret);
	return 0;
}
