/*
 * engine_vm - the same image in a small virtual machine, where there is no container engine
 *
 * Its guest has a kernel of its own with device-mapper, so the host needs nothing but a processor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"
#include "enclave/base/run.h"
#include "launcher/cache.h"
#include "launcher/engine.h"
#include "launcher/frame.h"
#include "launcher/frame_io.h"
#include "launcher/vm_host.h"
#include "launcher/vm_qemu.h"

#define BOOT_MS	  90000 /* a busy machine without KVM; usual are a few seconds */
#define KVM_MS	  5000	/* to the first byte on the console */
#define HELLO_MS  5000	/* the agent's port was just left by somebody else */
#define DOWN_MS	  60000 /* lock, save, end */
#define STEP_MS	  50
#define TAIL_SIZE 3000

static int usable(const struct client *c, char *why, size_t size)
{
	static const char *const programs[] = { "/usr/bin/mmdebstrap", "/usr/bin/buildah" };
	char path[PATH_MAX];

#ifndef __x86_64__
	snprintf(why, size, "it is for x86-64 only");
	return -ENOEXEC;
#endif
	if (geteuid() != 0) {
		snprintf(why, size, "it needs root");
		return -EPERM;
	}
	if (vm_script("vm/tools", path, sizeof(path)) < 0) {
		snprintf(why, size, "%s is missing", path);
		return -ENOENT;
	}
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		if (access(programs[i], X_OK) < 0) {
			snprintf(why, size, "%s is not installed", programs[i]);
			return -ENOENT;
		}
	return 0;
}

/* --- images ---------------------------------------------------------------------------------- */

static int has_image(const struct client *c, const char *tag)
{
	return vm_has_image(tag);
}

static int build(const struct client *c, const char *tag, const char *dockerfile,
		 const char *context, const char *const args[])
{
	const char *argv[32] = { "build", tag, dockerfile, context };
	size_t n = 4;
	int r;

	while (*args && n + 1 < sizeof(argv) / sizeof(*argv))
		argv[n++] = *args++;
	if (*args)
		return -E2BIG;
	r = vm_store(argv);
	return r > 0 ? -EIO : r;
}

static int import(const struct client *c, const char *tar, const char *tag)
{
	const char *const argv[] = { "import", tar, tag, NULL };
	int r = vm_store(argv);

	return r > 0 ? -EIO : r;
}

static int list_images(const struct client *c, char *buf, size_t size)
{
	char path[PATH_MAX], *argv[] = { path, "list", NULL };
	int r = vm_script("vm/store", path, sizeof(path));

	if (r == 0)
		r = run_output(path, argv, environ, buf, size);
	if (r != 0)
		return r < 0 ? r : -EIO;
	return strlen(buf) + 1 < size ? 0 : -EMSGSIZE;
}

static int remove_image(const struct client *c, const char *tag)
{
	const char *const argv[] = { "remove", tag, NULL };
	int r = vm_store(argv);

	return r > 0 ? -EIO : r;
}

/* What it says is a registry's word, too: never to a terminal as it comes. */
static int store_call(const char *const args[], char *out, size_t size)
{
	char err[2048] = "";
	int r = vm_store_call(args, out, size, err, sizeof(err));

	if (r != 0 && *err)
		log_error("%s", err);
	return r;
}

static const char *tls(const struct reference *ref)
{
	return ref->loopback ? "false" : "true";
}

static int label(const struct client *c, const char *tag, char *buf, size_t size)
{
	const char *const argv[] = { "label", tag, NULL };
	int r = store_call(argv, buf, size);

	return r > 0 ? -EIO : r;
}

static int push(const struct client *c, const char *tag, const struct reference *ref,
		char digest[REFERENCE_DIGEST_MAX])
{
	const char *const argv[] = { "push", tag, ref->name, tls(ref), NULL };
	int r = store_call(argv, digest, REFERENCE_DIGEST_MAX);

	return r > 0 ? -EIO : r;
}

static int pull(const struct client *c, const struct reference *ref, const char *tag,
		char *ret_label, size_t size)
{
	char name[REFERENCE_MAX];
	const char *const argv[] = { "pull", name, tag, tls(ref), NULL };
	int r;

	snprintf(name, sizeof(name), "%s@%s", ref->name, ref->digest);
	r = store_call(argv, ret_label, size);
	return r == 3 ? -EBADMSG : r > 0 ? -EIO : r;
}

/* --- ports ----------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	return (int64_t)(io_boottime_ns() / 1000000);
}

/* A port that nobody of this host uses: its stream, and its lock in @ret_lock. */
static int claim(const struct workshop *w, int port, int timeout_ms, int *ret_lock)
{
	char path[PATH_MAX], file[32];
	autoclose int lock = -EBADF, fd = -EBADF;
	int r;

	snprintf(file, sizeof(file), "port.%d.lock", port);
	r = vm_path(w, file, path, sizeof(path));
	if (r < 0)
		return r;
	lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return -errno;
	if (flock(lock, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	*strrchr(path, '.') = '\0';
	fd = msg_connect(path, SOCK_STREAM);
	if (fd < 0)
		return fd;
	/* Anything but a hello is the tail of a session whose client has just gone: not this port.
	 */
	r = frame_hello_wait(fd, timeout_ms);
	if (r < 0)
		return r;
	*ret_lock = take_fd(&lock);
	return take_fd(&fd);
}

static int running(const struct client *c, const struct workshop *w)
{
	return vm_alive(w);
}

static int dial(const struct client *c, const struct workshop *w)
{
	int first = getpid() % VM_PORTS;
	int r = vm_alive(w);

	if (r <= 0)
		return r < 0 ? r : -ENOTCONN;
	/* Not always the same first one: the agent needs a moment to be ready for the next. */
	for (int i = 0; i < VM_PORTS; i++) {
		int lock;
		int fd = claim(w, (first + i) % VM_PORTS, HELLO_MS, &lock);

		/* The lock stays open on purpose: it ends with this process, as the stream does. */
		if (fd >= 0)
			return fd;
		if (fd == -ECONNREFUSED || fd == -ENOENT)
			return -ENOTCONN;
	}
	return -EBUSY;
}

/* --- up -------------------------------------------------------------------------------------- */

/* The last lines of one of its logs: why it did not start. */
static void show_log(const struct workshop *w, const char *file)
{
	char path[PATH_MAX], text[TAIL_SIZE];
	autoclose int fd = -EBADF;
	off_t size, from;
	ssize_t n;

	if (vm_path(w, file, path, sizeof(path)) < 0)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	size = lseek(fd, 0, SEEK_END);
	from = size > TAIL_SIZE - 1 ? size - TAIL_SIZE + 1 : 0;
	n = io_pread_full(fd, text, sizeof(text) - 1, from);
	text[n < 0 ? 0 : n] = '\0';
	for (char *line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n"))
		log_error("%s: %s", file, line);
}

static off_t console_size(const struct workshop *w)
{
	char path[PATH_MAX];
	autoclose int fd = -EBADF;

	if (vm_path(w, "console.log", path, sizeof(path)) < 0)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
}

/* Wait for the agent on the first port. -ENOTCONN: the guest ended; -ETIMEDOUT. */
static int wait_agent(const struct workshop *w)
{
	int64_t end = now_ms() + BOOT_MS;
	int lock = -EBADF;

	while (now_ms() < end) {
		int fd = claim(w, 0, 1000, &lock);

		if (fd >= 0) {
			fd_close(&fd);
			fd_close(&lock);
			return 0;
		}
		if (vm_alive(w) <= 0)
			return -ENOTCONN;
		if (fd != -ETIMEDOUT)
			usleep(STEP_MS * 1000);
	}
	return -ETIMEDOUT;
}

/*
 * KVM: a device that opens is no proof that guests run under it. The first start is the proof, and
 * its verdict is kept for as long as the host runs this kernel.
 */
static void kvm_verdict_path(char *buf, size_t size)
{
	struct utsname u;

	uname(&u);
	snprintf(buf, size, "%s/vm-no-kvm-%s", cache_dir(), u.release);
}

bool vm_kvm_worth_a_try(void)
{
	char path[PATH_MAX];
	autoclose int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	kvm_verdict_path(path, sizeof(path));
	return fd >= 0 && access(path, F_OK) < 0;
}

static int start_kvm(const struct workshop *w, const struct vm_files *files)
{
	char path[PATH_MAX];
	autoclose int fd = -EBADF;
	int64_t end = now_ms() + KVM_MS;
	int r = vm_start(w, files, VM_KVM);

	while (r == 0 && vm_alive(w) == 1 && now_ms() < end) {
		if (console_size(w) > 0)
			return 0;
		usleep(STEP_MS * 1000);
	}
	vm_kill(w);
	kvm_verdict_path(path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		log_err(-errno, "write down in %s that KVM runs no guest here", path);
	log_info("KVM is there but runs no guest on this machine: emulating from now on (%s)",
		 path);
	return -EIO;
}

static int up(const struct client *c, const struct workshop *w)
{
	struct vm_files files;
	int r = vm_alive(w);

	if (r != 0)
		return r < 0 ? log_err(r, "look for the guest of %s", w->name) : 0;
	if (w->network && strcmp(w->network, "none")) {
		log_error("engine vm has no network: --network %s is for docker and podman",
			  w->network);
		return -EOPNOTSUPP;
	}
	r = vm_files_get(w->image, &files);
	if (r < 0)
		return log_err(r, "prepare the virtual machine");
	if (!vm_kvm_worth_a_try() || start_kvm(w, &files) < 0) {
		r = vm_start(w, &files, VM_TCG);
		if (r < 0)
			return log_err(r, "start the virtual machine");
	}
	r = wait_agent(w);
	if (r < 0) {
		log_err(r, "the virtual machine did not come up");
		show_log(w, "console.log");
		show_log(w, "qemu.log");
		vm_kill(w);
	}
	return r;
}

/* --- down ------------------------------------------------------------------------------------ */

static int press_power(const struct workshop *w)
{
	char path[PATH_MAX];
	autoclose int fd = -EBADF;
	int r = vm_path(w, "power", path, sizeof(path));

	if (r < 0)
		return r;
	fd = msg_connect(path, SOCK_STREAM);
	if (fd < 0)
		return fd;
	r = io_write_full(fd, "d", 1);
	return r < 0 ? r : take_fd(&fd);
}

static int down(const struct client *c, const struct workshop *w)
{
	autoclose int pidfd = vm_pidfd(w), power = -EBADF;
	int r;

	if (pidfd < 0)
		return pidfd == -ESRCH ? 0 : log_err(pidfd, "look for the guest of %s", w->name);
	power = press_power(w);
	if (power < 0)
		log_err(power, "ask the guest of %s to end", w->name);
	r = power < 0 ? power : vm_wait_end(pidfd, DOWN_MS);
	if (r == 0)
		return 0;
	log_error("the guest of %s did not end in order: it is ended now", w->name);
	vm_kill(w);
	return r;
}

const struct engine engine_vm = {
	.name = "vm",
	.usable = usable,
	.has_image = has_image,
	.build = build,
	.import = import,
	.list_images = list_images,
	.remove_image = remove_image,
	.label = label,
	.push = push,
	.pull = pull,
	.running = running,
	.up = up,
	.down = down,
	.dial = dial,
};
