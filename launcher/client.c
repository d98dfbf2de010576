#include "launcher/client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/run.h"
#include "enclave/base/utf8.h"
#include "launcher/argv.h"

const char *client_path(const struct client *c)
{
	for (const char *const *path = c->paths; *path; path++)
		if (access(*path, X_OK) == 0)
			return *path;
	return NULL;
}

/* What the client may see of our environment: where its daemon is, and the way to the network. */
static void build_env(const struct client *c, struct argv *env)
{
	argv_add(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	for (const char *const *name = c->env; *name; name++) {
		const char *value = getenv(*name);

		if (value)
			argv_add(env, "%s=%s", *name, value);
	}
}

static int run_client(const struct client *c, const char *const args[], const struct run_fd *fds,
		      size_t n_fds)
{
	const char *path = client_path(c);
	autoargv struct argv argv = { 0 }, env = { 0 };
	pid_t pid;
	int r;

	if (!path)
		return -ENOENT;
	argv_add(&argv, "%s", c->name);
	while (*args)
		argv_add(&argv, "%s", *args++);
	build_env(c, &env);
	if (argv.failed || env.failed)
		return -E2BIG;
	r = run_start(path, argv.v, env.v, fds, n_fds, &pid);
	return r < 0 ? r : run_wait(pid);
}

void client_read_back(int mem, char *buf, size_t size)
{
	ssize_t n;

	if (!buf)
		return;
	n = io_pread_full(mem, buf, size - 1, 0);
	buf[n < 0 ? 0 : n] = '\0';
	for (n = strlen(buf); n > 0 && strchr("\r\n", buf[n - 1]); n--)
		buf[n - 1] = '\0';
}

int client_call(const struct client *c, const char *const args[], char *out, size_t size, char *err,
		size_t err_size)
{
	autoclose int o = memfd_create("client-out", MFD_CLOEXEC);
	autoclose int e = memfd_create("client-err", MFD_CLOEXEC);
	int r;

	if (o < 0 || e < 0)
		return -errno;
	r = run_client(c, args, (struct run_fd[]){ { o, STDOUT_FILENO }, { e, STDERR_FILENO } }, 2);
	client_read_back(o, out, size);
	client_read_back(e, err, err_size);
	return r;
}

/* Programs that were fetched have had their say in it, and with NO_COLOR it goes to a terminal. */
static void show_kept(int mem)
{
	char buf[4096 + 1];
	off_t at = 0;
	ssize_t n;

	while ((n = io_pread_full(mem, buf, sizeof(buf) - 1, at)) > 0) {
		utf8_clean_bytes(buf, (size_t)n, "\n\t");
		if (io_write_full(STDERR_FILENO, buf, n) < 0)
			return;
		at += n;
	}
}

int client_show(const struct client *c, const char *const args[], int stdin_fd)
{
	autoclose int mem = memfd_create("client", MFD_CLOEXEC);
	bool live = log_is_fancy(STDERR_FILENO);
	int to = live ? STDERR_FILENO : mem;
	struct run_fd fds[] = { { to, STDOUT_FILENO },
				{ to, STDERR_FILENO },
				{ stdin_fd, STDIN_FILENO } };
	int r;

	if (mem < 0)
		return -errno;
	r = run_client(c, args, fds, stdin_fd >= 0 ? 3 : 2);
	if (r != 0 && !live)
		show_kept(mem);
	return r;
}
