#include "launcher/vm_qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
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
#include "enclave/base/run.h"
#include "enclave/base/size.h"
#include "launcher/argv.h"
#include "launcher/opts.h"
#include "launcher/vm_folders.h"

#define MIB		(1024ULL * 1024)
#define KILL_TIMEOUT_MS 10000
#define PIDFILE_MS	5000
#define VM_MNT		"mnt."
#define ALIVE_FD	3 /* QEMU: inherited for its lock alone */

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

int vm_kill(const struct workshop *w)
{
	autoclose int pidfd = vm_pidfd(w);

	vm_folders_kill();
	if (pidfd < 0)
		return pidfd == -ESRCH ? 0 : pidfd;
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return -errno;
	return vm_wait_end(pidfd, KILL_TIMEOUT_MS);
}

/* --- the machine ----------------------------------------------------------------------------- */

static void add_machine(struct argv *a, const struct workshop *w, enum vm_accel accel)
{
	unsigned long long mib =
		((w->memory_bytes ? w->memory_bytes : OPTS_MEMORY_BYTES + w->vault_bytes) + MIB -
		 1) /
		MIB;

	if (accel == VM_KVM) {
		argv_add(a, "-accel"), argv_add(a, "kvm");
		argv_add(a, "-cpu"), argv_add(a, "host");
	} else {
		argv_add(a, "-accel"), argv_add(a, "tcg,thread=multi");
		/* What programs take for granted today (x86-64-v2: Node.js dies without popcnt) and
		 * Argon2 and the cipher are fast with, and nothing that needs a kernel to patch
		 * itself more than it must. */
		argv_add(a, "-cpu");
		argv_add(a, "qemu64,+aes,+ssse3,+sse4.1,+sse4.2,+popcnt,+pclmulqdq,+rdrand");
	}
	argv_add(a, "-smp"), argv_add(a, "%u", w->cpus ? w->cpus : 2);
	argv_add(a, "-M"), argv_add(a, "pc,hpet=off,dump-guest-core=off,memory-backend=mem");
	argv_add(a, "-m"), argv_add(a, "%llu", mib);
	/* Shared, because the folders' servers read and write it. */
	argv_add(a, "-object"), argv_add(a, "memory-backend-memfd,id=mem,size=%lluM,share=on", mib);
	/* The guest's RAM holds the open vault: it must never reach the host's swap. */
	argv_add(a, "-overcommit"), argv_add(a, "mem-lock=on-fault");
	argv_add(a, "-nodefaults"), argv_add(a, "-no-user-config"), argv_add(a, "-no-reboot");
	argv_add(a, "-display"), argv_add(a, "none");
	argv_add(a, "-sandbox"), argv_add(a, "on,obsolete=deny,elevateprivileges=deny,spawn=deny");
}

static void add_kernel(struct argv *a, const struct workshop *w, const struct vm_files *files)
{
	char names[BINDS_MAX * sizeof(w->mounts.v->name)] = "";

	for (int i = 0; i < w->mounts.n; i++)
		strcat(strcat(names, i ? "," : ""), w->mounts.v[i].name);
	argv_add(a, "-L"), argv_add(a, "%s/usr/share/qemu", files->tools);
	argv_add(a, "-L"), argv_add(a, "%s/usr/share/seabios", files->tools);
	argv_add(a, "-kernel"), argv_add(a, "%s/boot/vmlinuz", files->tools);
	argv_add(a, "-initrd"), argv_add(a, "%s", files->initrd);
	argv_add(a, "-append");
	/* An emulated CPU on a busy machine gets its first ticks too late for the kernel's test of
	 * the timer, which then gives up ("IO-APIC + timer doesn't work!"): no_timer_check. */
	argv_add(
		a,
		"console=ttyS0 quiet panic=-1 no_timer_check init_on_free=1 "
		"taz.name=%s taz.vault=%llu taz.idle=%u taz.durability=%s taz.memory=%s taz.keep=%u taz.seen=%llu%s%s taz.mounts=%s",
		w->name, (unsigned long long)w->vault_bytes, w->idle_sec, w->durability,
		w->view_memory, w->keep, (unsigned long long)w->seen_generation,
		*w->seen_vault ? ":" : "", w->seen_vault, names);
	argv_add(a, "-serial"), argv_add(a, "file:%s/run/console.log", w->state_dir);
	argv_add(a, "-drive"),
		argv_add(a, "file=%s,format=raw,if=none,id=root,readonly=on", files->root);
	argv_add(a, "-device"), argv_add(a, "virtio-blk-pci,drive=root");
	argv_add(a, "-device"), argv_add(a, "virtio-rng-pci");
}

static void add_socket_port(struct argv *a, const struct workshop *w, const char *file,
			    const char *name)
{
	argv_add(a, "-chardev");
	argv_add(a, "socket,id=%s,path=%s/run/%s,server=on,wait=off", file, w->state_dir, file);
	argv_add(a, "-device"), argv_add(a, "virtserialport,chardev=%s,name=%s", file, name);
}

/* What the guest mounts, by its tag; see vm_init.c. */
static void add_folder(struct argv *a, const struct workshop *w, const char *tag)
{
	argv_add(a, "-chardev");
	argv_add(a, "socket,id=%s,path=%s/run/%s.sock", tag, w->state_dir, tag);
	argv_add(a, "-device"), argv_add(a, "vhost-user-fs-pci,chardev=%s,tag=%s", tag, tag);
}

static void add_folders(struct argv *a, const struct workshop *w)
{
	char tag[sizeof(VM_MNT) + sizeof(w->mounts.v->name)];

	add_folder(a, w, "vault");
	add_folder(a, w, "workspace");
	for (int i = 0; i < w->mounts.n; i++) {
		snprintf(tag, sizeof(tag), VM_MNT "%s", w->mounts.v[i].name);
		add_folder(a, w, tag);
	}
}

static void add_ports(struct argv *a, const struct workshop *w)
{
	char file[32], name[32];

	argv_add(a, "-device"), argv_add(a, "virtio-serial-pci");
	add_socket_port(a, w, "power", "taz.power");
	for (int i = 0; i < VM_PORTS; i++) {
		snprintf(file, sizeof(file), "port.%d", i);
		snprintf(name, sizeof(name), "taz.%d", i);
		add_socket_port(a, w, file, name);
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
	argv_add(&a, "setsid");
	argv_add_program(&a, files->tools, "bin/qemu-system-x86_64");
	add_machine(&a, w, accel);
	add_kernel(&a, w, files);
	add_ports(&a, w);
	add_folders(&a, w);
	argv_add(&a, "-pidfile"), argv_add(&a, "%s/run/qemu.pid", w->state_dir);
	if (a.failed)
		return -ENOMEM;
	fds[0] = (struct run_fd){ alive, ALIVE_FD };
	fds[1] = (struct run_fd){ log, STDERR_FILENO };
	/* Not in the workspace: QEMU takes its firmware (bios-256k.bin, option ROMs) from the
	 * current directory before it looks where -L says. Source: qemu_find_file() in
	 * system/datadir.c. */
	return run_start_in("/", "/usr/bin/setsid", a.v, NULL, fds, 2, &pid);
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
	char vault[PATH_MAX], name[sizeof(VM_MNT) + sizeof(((struct bind *)0)->name)];
	int r = make_dirs(w);

	if (r < 0)
		return r;
	alive = take_alive(w, O_CREAT);
	if (alive < 0)
		return alive;
	remove_stale(w);
	snprintf(vault, sizeof(vault), "%s/vault", w->state_dir);
	/* What is sealed is read once and written through: no copy in between, on either side. */
	r = vm_folder_serve(w, files->tools, "vault", vault, "--cache=never");
	if (r == 0)
		r = vm_folder_serve(w, files->tools, "workspace", w->workspace, "--cache=auto");
	for (int i = 0; r == 0 && i < w->mounts.n; i++) {
		snprintf(name, sizeof(name), VM_MNT "%s", w->mounts.v[i].name);
		r = vm_folder_serve(w, files->tools, name, w->mounts.v[i].source,
				    w->mounts.v[i].read_only ? "--readonly" : "--cache=auto");
	}
	if (r == 0)
		r = start_qemu(w, files, accel, alive);
	if (r < 0)
		vm_folders_kill();
	return r;
}
