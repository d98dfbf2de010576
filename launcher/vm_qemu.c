#include "launcher/vm_qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"
#include "enclave/base/run.h"
#include "enclave/base/size.h"
#include "launcher/opts.h"

#define MIB		(1024ULL * 1024)
#define ARGV_MAX	192
#define KILL_TIMEOUT_MS 10000
#define PIDFILE_MS	5000
#define SETSID		"/usr/bin/setsid"
#define NOGROUP		65534
#define INSIDE_UID	1000 /* of the workshop's user, and its group */
#define FS_FD		3    /* virtiofsd: the socket that it listens at */
#define ALIVE_FD	3    /* QEMU: inherited for its lock alone */

/* --- a command line -------------------------------------------------------------------------- */

struct argv {
	char *v[ARGV_MAX + 1];
	size_t n;
	bool failed;
};

static void argv_done(struct argv *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i]);
}

#define autoargv __attribute__((cleanup(argv_done)))

static void add(struct argv *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct argv *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (a->n == ARGV_MAX || vasprintf(&a->v[a->n], fmt, ap) < 0)
		a->failed = true;
	else
		a->n++;
	va_end(ap);
	a->v[a->n] = NULL;
}

/* Programs of the tree run with the loader and the libraries of the tree. */
static void add_program(struct argv *a, const char *tools, const char *program)
{
	add(a, "%s/usr/lib64/ld-linux-x86-64.so.2", tools);
	add(a, "--library-path");
	add(a, "%s/usr/lib/x86_64-linux-gnu", tools);
	add(a, "%s/usr/%s", tools, program);
}

/* --- is it alive? ---------------------------------------------------------------------------- */

int vm_path(const struct workshop *w, const char *file, char *buf, size_t size)
{
	if ((size_t)snprintf(buf, size, "%s/run/%s", w->state_dir, file) >= size)
		return -ENAMETOOLONG;
	return 0;
}

/* The lock, taken: a descriptor; -EBUSY: a guest has it. */
static int take_alive(const struct workshop *w, int flags)
{
	char path[PATH_MAX];
	autoclose int fd = -EBADF;
	int r = vm_path(w, "alive", path, sizeof(path));

	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return take_fd(&fd);
}

int vm_alive(const struct workshop *w)
{
	int fd = take_alive(w, 0);

	if (fd == -EBUSY)
		return 1;
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	fd_close(&fd);
	return 0;
}

/* The number in qemu.pid, or -ENOENT: it has not written it yet. */
static int read_pid(const struct workshop *w)
{
	char path[PATH_MAX], text[32];
	long long pid;
	int r = vm_path(w, "qemu.pid", path, sizeof(path));

	if (r == 0)
		r = (int)io_read_text(AT_FDCWD, path, text, sizeof(text));
	if (r < 0)
		return r;
	if (!strchr(text, '\n'))
		return -ENOENT;
	text[strcspn(text, "\n")] = '\0';
	r = num_parse(text, 2, 1 << 22, &pid);
	return r < 0 ? r : (int)pid;
}

int vm_pidfd(const struct workshop *w)
{
	autoclose int fd = -EBADF;
	int pid, r = vm_alive(w);

	/* It lives before it has written who it is. */
	for (int ms = 0; r == 1 && (pid = read_pid(w)) == -ENOENT && ms < PIDFILE_MS; ms += 10) {
		usleep(10 * 1000);
		r = vm_alive(w);
	}
	if (r <= 0)
		return r < 0 ? r : -ESRCH;
	if (pid < 0)
		return pid;
	fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	if (fd < 0)
		return -errno;
	/* Again: while the lock is held the file is true, so this was no recycled pid. */
	r = vm_alive(w);
	if (r <= 0)
		return r < 0 ? r : -ESRCH;
	return take_fd(&fd);
}

int vm_wait_end(int pidfd, int timeout_ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int r;

	do
		r = poll(&p, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

/*
 * The folders' servers that this process has started. They end with their guest; one whose guest
 * never came is ended by vm_kill().
 */
static pid_t servers[2];
static size_t n_servers;

static void kill_servers(void)
{
	while (n_servers > 0) {
		kill(servers[--n_servers], SIGKILL);
		run_wait(servers[n_servers]);
	}
}

int vm_kill(const struct workshop *w)
{
	autoclose int pidfd = vm_pidfd(w);

	kill_servers();
	if (pidfd < 0)
		return pidfd == -ESRCH ? 0 : pidfd;
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return -errno;
	return vm_wait_end(pidfd, KILL_TIMEOUT_MS);
}

/* --- folders --------------------------------------------------------------------------------- */

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
	add(a, "setpriv");
	add(a, "--reuid=%u", o->uid);
	add(a, "--regid=%u", o->gid);
	add(a, o->known ? "--init-groups" : "--clear-groups");
	add(a, "--bounding-set=-all");
	add(a, "--no-new-privs");
}

/* Whoever it is in the guest, on the host it is the owner; and the owner's files are the user's. */
static void add_translation(struct argv *a, const struct owner *o)
{
	if (o->uid == 0)
		return;
	add(a, "--translate-uid=squash-guest:0:%u:%u", o->uid, UINT_MAX);
	add(a, "--translate-uid=host:%u:%u:1", o->uid, INSIDE_UID);
	add(a, "--translate-gid=squash-guest:0:%u:%u", o->gid, UINT_MAX);
	add(a, "--translate-gid=host:%u:%u:1", o->gid, INSIDE_UID);
	add(a, "--sandbox=%s", users_may_unshare() ? "namespace" : "none");
}

/*
 * A server of one host folder, with the rights of the folder's owner; it ends when the guest does.
 * So a device node or a setuid program of root, made by a guest's root, is nothing we have to
 * look for: the host's kernel makes none for the owner.
 * @cache: how long the guest may believe what it has seen
 */
static int serve_folder(const struct workshop *w, const struct vm_files *files, const char *name,
			const char *dir, const char *cache)
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
	add(&a, "setsid");
	add_setpriv(&a, &owner);
	add_program(&a, files->tools, "libexec/virtiofsd");
	add(&a, "--fd=%d", FS_FD);
	add(&a, "--shared-dir=%s", dir);
	add(&a, "--cache=%s", cache);
	add_translation(&a, &owner);
	add(&a, "--log-level=error");
	if (a.failed)
		return log_err(-ENOMEM, "virtiofsd");
	fds[0] = (struct run_fd){ listener, FS_FD };
	fds[1] = (struct run_fd){ log, STDERR_FILENO };
	r = run_start(SETSID, a.v, NULL, fds, 2, &servers[n_servers]);
	if (r < 0)
		return log_err(r, "start virtiofsd");
	n_servers++;
	return 0;
}

/* --- the machine ----------------------------------------------------------------------------- */

static void add_machine(struct argv *a, const struct workshop *w, enum vm_accel accel)
{
	unsigned long long mib =
		((w->memory_bytes ? w->memory_bytes : OPTS_MEMORY_BYTES + w->vault_bytes) + MIB -
		 1) /
		MIB;

	if (accel == VM_KVM) {
		add(a, "-accel"), add(a, "kvm");
		add(a, "-cpu"), add(a, "host");
	} else {
		add(a, "-accel"), add(a, "tcg,thread=multi");
		/* What programs take for granted today (x86-64-v2: Node.js dies without popcnt) and
		 * Argon2 and the cipher are fast with, and nothing that needs a kernel to patch
		 * itself more than it must. */
		add(a, "-cpu");
		add(a, "qemu64,+aes,+ssse3,+sse4.1,+sse4.2,+popcnt,+pclmulqdq,+rdrand");
	}
	add(a, "-smp"), add(a, "%u", w->cpus ? w->cpus : 2);
	add(a, "-M"), add(a, "pc,hpet=off,dump-guest-core=off,memory-backend=mem");
	add(a, "-m"), add(a, "%llu", mib);
	/* Shared, because the folders' servers read and write it. */
	add(a, "-object"), add(a, "memory-backend-memfd,id=mem,size=%lluM,share=on", mib);
	/* The guest's RAM holds the open vault: it must never reach the host's swap. */
	add(a, "-overcommit"), add(a, "mem-lock=on-fault");
	add(a, "-nodefaults"), add(a, "-no-user-config"), add(a, "-no-reboot");
	add(a, "-display"), add(a, "none");
	add(a, "-sandbox"), add(a, "on,obsolete=deny,elevateprivileges=deny,spawn=deny");
}

static void add_kernel(struct argv *a, const struct workshop *w, const struct vm_files *files)
{
	add(a, "-L"), add(a, "%s/usr/share/qemu", files->tools);
	add(a, "-L"), add(a, "%s/usr/share/seabios", files->tools);
	add(a, "-kernel"), add(a, "%s/boot/vmlinuz", files->tools);
	add(a, "-initrd"), add(a, "%s", files->initrd);
	add(a, "-append");
	/* An emulated CPU on a busy machine gets its first ticks too late for the kernel's test of
	 * the timer, which then gives up ("IO-APIC + timer doesn't work!"): no_timer_check. */
	add(a,
	    "console=ttyS0 quiet panic=-1 no_timer_check init_on_free=1 "
	    "taz.name=%s taz.vault=%llu taz.idle=%u taz.durability=%s taz.memory=%s taz.keep=%u taz.seen=%llu%s%s",
	    w->name, (unsigned long long)w->vault_bytes, w->idle_sec, w->durability, w->view_memory,
	    w->keep, (unsigned long long)w->seen_generation, *w->seen_vault ? ":" : "",
	    w->seen_vault);
	add(a, "-serial"), add(a, "file:%s/run/console.log", w->state_dir);
	add(a, "-drive"), add(a, "file=%s,format=raw,if=none,id=root,readonly=on", files->root);
	add(a, "-device"), add(a, "virtio-blk-pci,drive=root");
	add(a, "-device"), add(a, "virtio-rng-pci");
}

static void add_socket_port(struct argv *a, const struct workshop *w, const char *file,
			    const char *name)
{
	add(a, "-chardev");
	add(a, "socket,id=%s,path=%s/run/%s,server=on,wait=off", file, w->state_dir, file);
	add(a, "-device"), add(a, "virtserialport,chardev=%s,name=%s", file, name);
}

static void add_ports(struct argv *a, const struct workshop *w)
{
	static const char *const folders[] = { "vault", "workspace" };
	char file[32], name[32];

	add(a, "-device"), add(a, "virtio-serial-pci");
	add_socket_port(a, w, "power", "taz.power");
	for (int i = 0; i < VM_PORTS; i++) {
		snprintf(file, sizeof(file), "port.%d", i);
		snprintf(name, sizeof(name), "taz.%d", i);
		add_socket_port(a, w, file, name);
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		add(a, "-chardev");
		add(a, "socket,id=%s,path=%s/run/%s.sock", folders[i], w->state_dir, folders[i]);
		add(a, "-device");
		add(a, "vhost-user-fs-pci,chardev=%s,tag=%s", folders[i], folders[i]);
	}
}

static int start_qemu(const struct workshop *w, const struct vm_files *files, enum vm_accel accel,
		      int alive)
{
	autoargv struct argv a = { 0 };
	autoclose int log = -EBADF;
	char path[PATH_MAX];
	struct run_fd fds[2];
	pid_t pid;
	int r = vm_path(w, "qemu.log", path, sizeof(path));

	if (r < 0)
		return r;
	log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (log < 0)
		return -errno;
	/* Its sandbox forbids it to fork, so it does not go to the background by itself. */
	add(&a, "setsid");
	add_program(&a, files->tools, "bin/qemu-system-x86_64");
	add_machine(&a, w, accel);
	add_kernel(&a, w, files);
	add_ports(&a, w);
	add(&a, "-pidfile"), add(&a, "%s/run/qemu.pid", w->state_dir);
	if (a.failed)
		return -ENOMEM;
	fds[0] = (struct run_fd){ alive, ALIVE_FD };
	fds[1] = (struct run_fd){ log, STDERR_FILENO };
	return run_start(SETSID, a.v, NULL, fds, 2, &pid);
}

static void remove_stale(const struct workshop *w)
{
	static const char *const files[] = { "qemu.pid", "qemu.log", "power", "console.log" };
	char path[PATH_MAX], name[32];

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (vm_path(w, files[i], path, sizeof(path)) == 0)
			unlink(path);
	for (int i = 0; i < VM_PORTS; i++) {
		snprintf(name, sizeof(name), "port.%d", i);
		if (vm_path(w, name, path, sizeof(path)) == 0)
			unlink(path);
	}
}

static int make_dirs(const struct workshop *w)
{
	static const char *const dirs[] = { "", "/run", "/vault" };
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		if ((size_t)snprintf(path, sizeof(path), "%s%s", w->state_dir, dirs[i]) >=
		    sizeof(path))
			return -ENAMETOOLONG;
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return log_err(-errno, "make %s", path);
	}
	return 0;
}

int vm_start(const struct workshop *w, const struct vm_files *files, enum vm_accel accel)
{
	autoclose int alive = -EBADF;
	char vault[PATH_MAX];
	int r = make_dirs(w);

	if (r < 0)
		return r;
	alive = take_alive(w, O_CREAT);
	if (alive < 0)
		return alive;
	remove_stale(w);
	snprintf(vault, sizeof(vault), "%s/vault", w->state_dir);
	/* What is sealed is read once and written through: no copy in between, on either side. */
	r = serve_folder(w, files, "vault", vault, "never");
	if (r == 0)
		r = serve_folder(w, files, "workspace", w->workspace, "auto");
	if (r == 0)
		r = start_qemu(w, files, accel, alive);
	if (r < 0)
		kill_servers();
	return r;
}
