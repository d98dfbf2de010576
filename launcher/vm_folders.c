#include "launcher/vm_folders.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"
#include "enclave/base/run.h"
#include "launcher/argv.h"

#define NOGROUP	   65534
#define INSIDE_UID 1000 /* of the workshop's user, and its group */
#define LISTEN_FD  3

static pid_t servers[VM_FOLDERS_MAX];
static size_t n_servers;

void vm_folders_kill(void)
{
	while (n_servers > 0) {
		kill(servers[--n_servers], SIGKILL);
		run_wait(servers[n_servers]);
	}
}

/* May somebody who isn't root make a user namespace here? Source: user_namespaces(7); Debian's and
 * Ubuntu's own switches are absent elsewhere. */
static bool users_may_unshare(void)
{
	static const struct {
		const char *file;
		const char *forbids;
	} switches[] = {
		{ "/proc/sys/user/max_user_namespaces", "0\n" },
		{ "/proc/sys/kernel/unprivileged_userns_clone", "0\n" },
		{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n" },
	};

	for (size_t i = 0; i < sizeof(switches) / sizeof(*switches); i++) {
		char text[32];

		if (io_read_text(AT_FDCWD, switches[i].file, text, sizeof(text)) > 0 &&
		    !strcmp(text, switches[i].forbids))
			return false;
	}
	return true;
}

/* Whose rights a folder's server has. */
struct owner {
	uid_t uid;
	gid_t gid;
	bool known; /* to the host, with groups */
};

static int owner_of(const char *dir, struct owner *ret)
{
	struct stat st;
	const struct passwd *pw;

	if (stat(dir, &st) < 0)
		return log_err(-errno, "look at %s", dir);
	/* Not the folder's group: that may be one its owner is not in. */
	pw = getpwuid(st.st_uid);
	*ret = (struct owner){ st.st_uid, pw ? pw->pw_gid : NOGROUP, pw };
	return 0;
}

/* Who isn't root serves with no right of root's; otherwise nothing is added. */
static void add_setpriv(struct argv *a, const struct owner *o)
{
	if (o->uid == 0)
		return;
	argv_add(a, "setpriv");
	argv_add(a, "--reuid=%u", o->uid);
	argv_add(a, "--regid=%u", o->gid);
	argv_add(a, o->known ? "--init-groups" : "--clear-groups");
	argv_add(a, "--bounding-set=-all");
	argv_add(a, "--no-new-privs");
}

/* Whoever it is in the guest, on the host it is the owner; and the owner's files are the user's. */
static void add_translation(struct argv *a, const struct owner *o)
{
	if (o->uid == 0)
		return;
	argv_add(a, "--translate-uid=squash-guest:0:%u:%u", o->uid, UINT_MAX);
	argv_add(a, "--translate-uid=host:%u:%u:1", o->uid, INSIDE_UID);
	argv_add(a, "--translate-gid=squash-guest:0:%u:%u", o->gid, UINT_MAX);
	argv_add(a, "--translate-gid=host:%u:%u:1", o->gid, INSIDE_UID);
	argv_add(a, "--sandbox=%s", users_may_unshare() ? "namespace" : "none");
}

int vm_folder_serve(const struct workshop *w, const char *tools, const char *name, const char *dir,
		    const char *more)
{
	struct owner owner = { 0 };
	autoargv struct argv a = { 0 };
	autoclose int listener = -EBADF, log = -EBADF;
	char path[PATH_MAX];
	struct run_fd fds[2];
	int r = owner_of(dir, &owner);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/run/%s.sock", w->state_dir, name);
	listener = msg_listen(path, 0600, SOCK_STREAM);
	if (listener < 0)
		return log_err(listener, "socket %s", path);
	snprintf(path, sizeof(path), "%s/run/%s.log", w->state_dir, name);
	log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (log < 0)
		return log_err(-errno, "log %s", path);
	/* A session of its own: a Ctrl+C at our terminal is not meant for it. */
	argv_add(&a, "setsid");
	add_setpriv(&a, &owner);
	argv_add_program(&a, tools, "libexec/virtiofsd");
	argv_add(&a, "--fd=%d", LISTEN_FD);
	argv_add(&a, "--shared-dir=%s", dir);
	argv_add(&a, "%s", more);
	add_translation(&a, &owner);
	argv_add(&a, "--log-level=error");
	if (a.failed)
		return log_err(-ENOMEM, "virtiofsd");
	fds[0] = (struct run_fd){ listener, LISTEN_FD };
	fds[1] = (struct run_fd){ log, STDERR_FILENO };
	r = run_start("/usr/bin/setsid", a.v, NULL, fds, 2, &servers[n_servers]);
	if (r < 0)
		return log_err(r, "start virtiofsd");
	n_servers++;
	return 0;
}
