#include "launcher/vm_host.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/run.h"
#include "launcher/cache.h"
#include "launcher/client.h"
#include "launcher/source.h"

#define VM_INIT	 "taz-vm-init"
#define ARGS_MAX 64

extern char **environ;

int vm_script(const char *name, char *buf, size_t size)
{
	if ((size_t)snprintf(buf, size, "%s/images/%s", layers_source(), name) >= size)
		return -ENAMETOOLONG;
	return access(buf, X_OK) < 0 ? -errno : 0;
}

/* What a failed script had printed, to where a person looks. */
static void show(int out)
{
	char buf[4096];
	ssize_t n;

	lseek(out, 0, SEEK_SET);
	while ((n = read(out, buf, sizeof(buf))) > 0)
		if (write(STDERR_FILENO, buf, (size_t)n) < 0)
			return;
}

/* Run it with these as its standard output and error. */
static int run_store(const char *const args[], int out, int err)
{
	char path[PATH_MAX];
	const char *argv[ARGS_MAX] = { path };
	pid_t pid;
	size_t n = 0;
	int r = vm_script("vm/store", path, sizeof(path));

	if (r < 0)
		return r;
	while (args[n] && n + 2 < ARGS_MAX) {
		argv[n + 1] = args[n];
		n++;
	}
	if (args[n])
		return -E2BIG;
	r = run_start(path, (char **)argv, environ,
		      (struct run_fd[]){ { out, STDOUT_FILENO }, { err, STDERR_FILENO } }, 2, &pid);
	return r < 0 ? r : run_wait(pid);
}

int vm_store(const char *const args[])
{
	autoclose int kept = -EBADF;
	int r, to = STDERR_FILENO;

	if (!log_is_fancy(STDERR_FILENO))
		kept = memfd_create("output", MFD_CLOEXEC);
	if (kept >= 0)
		to = kept;
	r = run_store(args, to, to);
	if (r != 0 && kept >= 0)
		show(kept);
	return r;
}

int vm_store_call(const char *const args[], char *out, size_t size, char *err, size_t err_size)
{
	autoclose int o = memfd_create("store-out", MFD_CLOEXEC);
	autoclose int e = memfd_create("store-err", MFD_CLOEXEC);
	int r;

	if (o < 0 || e < 0)
		return -errno;
	r = run_store(args, o, e);
	client_read_back(o, out, size);
	client_read_back(e, err, err_size);
	return r;
}

int vm_has_image(const char *tag)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/vm-store/images/", cache_dir());

	/* The same name as images/vm/store gives the marker. */
	for (; *tag && n < (int)sizeof(path) - 1; tag++)
		path[n++] = isalnum((unsigned char)*tag) || strchr("._-", *tag) ? *tag : '_';
	if (*tag)
		return -ENAMETOOLONG;
	path[n] = '\0';
	if (access(path, F_OK) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

/* Run a script that prints one path on its standard output. */
static int path_of(const char *script, const char *arg1, const char *arg2, char *ret, size_t size)
{
	char path[PATH_MAX];
	char *const argv[] = { path, (char *)arg1, (char *)arg2, NULL };
	int r = vm_script(script, path, sizeof(path));

	if (r < 0)
		return log_err(r, "%s", path);
	r = run_output(path, argv, environ, ret, size);
	if (r < 0)
		return r;
	ret[strcspn(ret, "\n")] = '\0';
	return r == 0 && ret[0] == '/' ? 0 : -EIO;
}

/* Our guest's first process: beside tazlaunch in a build, in libexec once it is installed. */
static int find_init(char *buf, size_t size)
{
	static const char *const places[] = { "", "../libexec/taz/" };
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return -errno;
	self[n] = '\0';
	*(strrchr(self, '/') + 1) = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if ((size_t)snprintf(buf, size, "%s%s%s", self, places[i], VM_INIT) >= size)
			return -ENAMETOOLONG;
		if (access(buf, R_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

int vm_files_get(const char *image, struct vm_files *ret)
{
	char init[PATH_MAX];
	int r = find_init(init, sizeof(init));

	if (r < 0)
		return log_err(r, "%s", init);
	r = path_of("vm/tools", NULL, NULL, ret->tools, sizeof(ret->tools));
	if (r == 0)
		r = path_of("vm/initrd", init, NULL, ret->initrd, sizeof(ret->initrd));
	if (r == 0)
		r = path_of("vm/store", "root", image, ret->root, sizeof(ret->root));
	return r;
}
