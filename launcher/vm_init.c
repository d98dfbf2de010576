/*
 * taz-vm-init - the first process of the vm engine's guest
 *
 * The engine's part of the work of a container runtime, and nothing more: load the modules, mount
 * the image read-only below a layer of memory, bring in the two shared folders, and start
 * "tazlaunch first-process" as process 1 of a pid and a mount namespace of its own. From there on
 * everything is the same as in a container: /dev has only what a container gets, the nodes of loop,
 * device-mapper and fuse are made by tazlaunch. When it ends, the machine is switched off.
 *
 * A static program in the initramfs, so it uses none of our libraries, and what goes wrong is one
 * line on the console, which the engine shows. No secret ever passes here.
 *
 * Source: Documentation/filesystems/ramfs-rootfs-initramfs.rst, pid_namespaces(7), reboot(2).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOT	   "/newroot"
#define PORTS	   "/sys/class/virtio-ports"
#define POWER_PORT "taz.power"
#define TAZLAUNCH  "/usr/bin/tazlaunch"
#define WAIT_TRIES 500 /* of 10 ms */

/* The engine waits for this on the console when it finds out whether KVM really runs guests. */
#define ALIVE "taz-vm: alive"

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vdprintf(STDERR_FILENO, fmt, ap);
	va_end(ap);
	dprintf(STDERR_FILENO, "\n");
}

_Noreturn static void power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

/* Half a workshop is none: whatever fails before it runs ends the machine. */
_Noreturn static void die(const char *what)
{
	say("taz-vm: %s: %s", what, strerror(errno));
	power_off();
}

/* --- what the engine tells us, on the kernel's command line ---------------------------------- */

static char cmdline[4096];

static const char *param(const char *name)
{
	static char copy[sizeof(cmdline)];
	size_t len = strlen(name);

	strcpy(copy, cmdline);
	for (char *word = strtok(copy, " \n"); word; word = strtok(NULL, " \n"))
		if (!strncmp(word, name, len) && word[len] == '=')
			return strdup(word + len + 1);
	errno = ENOENT;
	die(name);
}

static void read_cmdline(void)
{
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, cmdline, sizeof(cmdline) - 1);

	if (n < 0)
		die("/proc/cmdline");
	close(fd);
}

/* --- mounts ---------------------------------------------------------------------------------- */

struct mounted {
	const char *type, *source, *target;
	unsigned long flags;
	const char *data;
};

#define SAFE (MS_NOSUID | MS_NODEV)

/* Enough to load modules and see the disk. */
static const struct mounted early[] = {
	{ "devtmpfs", "dev", "/dev", MS_NOSUID, "mode=755" },
	{ "proc", "proc", "/proc", SAFE | MS_NOEXEC, NULL },
	{ "sysfs", "sys", "/sys", SAFE | MS_NOEXEC, NULL },
};

/* The workshop's tree. What is written to the image's root stays in the guest's memory. */
static const struct mounted image[] = {
	{ "erofs", "/dev/vda", "/lower", MS_RDONLY | MS_NODEV, NULL },
	{ "tmpfs", "upper", "/upper", SAFE, "mode=755,size=50%" },
};

static const struct mounted tree[] = {
	{ "overlay", "root", ROOT, MS_NODEV,
	  "lowerdir=/lower,upperdir=/upper/up,workdir=/upper/work" },
	{ "sysfs", "sys", ROOT "/sys", SAFE | MS_NOEXEC | MS_RDONLY, NULL },
	{ "tmpfs", "dev", ROOT "/dev", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k" },
	{ "devpts", "pts", ROOT "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666" },
	{ "tmpfs", "shm", ROOT "/dev/shm", SAFE | MS_NOEXEC, "mode=1777" },
	{ "mqueue", "mqueue", ROOT "/dev/mqueue", SAFE | MS_NOEXEC, NULL },
	{ "tmpfs", "run", ROOT "/run", SAFE, "mode=755" },
	{ "tmpfs", "tmp", ROOT "/tmp", SAFE, "mode=1777" },
	{ "virtiofs", "vault", ROOT "/var/lib/taz", SAFE | MS_NOEXEC, NULL },
	{ "virtiofs", "workspace", ROOT "/workspace", SAFE, NULL },
};

static void mount_all(const struct mounted *m, size_t n)
{
	for (; n > 0; n--, m++) {
		mkdir(m->target, 0755);
		if (mount(m->source, m->target, m->type, m->flags, m->data) < 0)
			die(m->target);
	}
}

/* More of the host's folders: their names, with commas; the tags are vm_qemu.c's. */
static void mount_more(char *names)
{
	for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
		char tag[64], target[64];

		snprintf(tag, sizeof(tag), "mnt.%s", name);
		snprintf(target, sizeof(target), ROOT "/mnt/%s", name);
		mount_all(&(struct mounted){ "virtiofs", tag, target, SAFE, NULL }, 1);
	}
}

#define MOUNT_ALL(table) mount_all(table, sizeof(table) / sizeof(*(table)))

/* What every container has, and no more. */
static const struct {
	const char *path;
	unsigned major, minor;
} nodes[] = {
	{ ROOT "/dev/null", 1, 3 },   { ROOT "/dev/zero", 1, 5 },    { ROOT "/dev/full", 1, 7 },
	{ ROOT "/dev/random", 1, 8 }, { ROOT "/dev/urandom", 1, 9 }, { ROOT "/dev/tty", 5, 0 },
};

static const char *const links[][2] = {
	{ "pts/ptmx", ROOT "/dev/ptmx" },	   { "/proc/self/fd", ROOT "/dev/fd" },
	{ "/proc/self/fd/0", ROOT "/dev/stdin" },  { "/proc/self/fd/1", ROOT "/dev/stdout" },
	{ "/proc/self/fd/2", ROOT "/dev/stderr" },
};

static void fill_dev(void)
{
	for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++) {
		dev_t dev = makedev(nodes[i].major, nodes[i].minor);

		if (mknod(nodes[i].path, S_IFCHR | 0666, dev) < 0 || chmod(nodes[i].path, 0666) < 0)
			die(nodes[i].path);
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
		if (symlink(links[i][0], links[i][1]) < 0)
			die(links[i][1]);
}

/* --- the kernel ------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void load_module(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die(name);
	/* ENODEV: the CPU has no such instructions; a slower one of its kind does it. */
	if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST && errno != ENODEV)
		die(name);
	close(fd);
	/* It is in the kernel now: give its copy back. */
	unlinkat(dirfd, name, 0);
}

/* Their names begin with a number: the order of their needs. */
static void load_modules(void)
{
	char *names[64];
	size_t n = 0;
	DIR *dir = opendir("/modules");

	if (!dir)
		die("/modules");
	for (struct dirent *e; n < 64 && (e = readdir(dir));)
		if (e->d_name[0] != '.' && !(names[n++] = strdup(e->d_name)))
			die("memory");
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++)
		load_module(dirfd(dir), names[i]);
	closedir(dir);
}

/* Disks are looked for while we go on. */
static void wait_for(const char *path)
{
	for (int i = 0; i < WAIT_TRIES; i++) {
		if (access(path, F_OK) == 0)
			return;
		usleep(10 * 1000);
	}
	die(path);
}

static void set_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static void lo_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		die("lo");
	close(fd);
}

/* --- the power button: a port on which the engine says "down" --------------------------------- */

static int open_power_port(void)
{
	char path[300], name[64] = "";
	struct dirent *e;
	DIR *dir = opendir(PORTS);

	while (dir && (e = readdir(dir))) {
		snprintf(path, sizeof(path), PORTS "/%s/name", e->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);

		if (fd >= 0)
			close(fd);
		if (n < (ssize_t)strlen(POWER_PORT) ||
		    strncmp(name, POWER_PORT, strlen(POWER_PORT)))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", e->d_name);
		closedir(dir);
		return open(path, O_RDWR | O_CLOEXEC);
	}
	errno = ENOENT;
	return -1;
}

/*
 * A port without a host reads as end of file at once, but a write to it sleeps until somebody is
 * there (drivers/char/virtio_console.c, wait_port_writable()): so we greet, and then read.
 */
_Noreturn static void watch_power(int port, pid_t workshop)
{
	char c;

	for (;;) {
		if (write(port, "?", 1) < 0 && errno != EINTR)
			usleep(100 * 1000);
		if (read(port, &c, 1) == 1)
			kill(workshop, SIGTERM); /* locked, saved, ended */
	}
}

/* --- the workshop ---------------------------------------------------------------------------- */

/* From here on the initramfs is gone but for its empty folders. */
static void enter_root(void)
{
	unlink("/init");
	if (chdir(ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		die("root");
}

_Noreturn static void become_workshop(void)
{
	static char *const env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
				     "LANG=C.UTF-8", NULL };
	char *const argv[] = { "tazlaunch",
			       "first-process",
			       "--instance",
			       (char *)param("taz.name"),
			       "--vault-size",
			       (char *)param("taz.vault"),
			       "--idle",
			       (char *)param("taz.idle"),
			       "--keep",
			       (char *)param("taz.keep"),
			       "--seen",
			       (char *)param("taz.seen"),
			       "--durability",
			       (char *)param("taz.durability"),
			       "--memory",
			       (char *)param("taz.memory"),
			       "--agent",
			       "virtio",
			       NULL };

	setsid();
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", SAFE | MS_NOEXEC, NULL) < 0)
		die("namespace");
	execve(TAZLAUNCH, argv, env);
	die(TAZLAUNCH);
}

/* Process 1's other duty is to reap whatever is left to it. */
static int wait_for_end(pid_t workshop)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, 0)) != workshop)
		if (pid < 0 && errno != EINTR)
			die("waitpid");
	return status;
}

static pid_t start_workshop(void)
{
	pid_t pid;

	if (unshare(CLONE_NEWPID) < 0)
		die("pid namespace");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
		become_workshop();
	return pid;
}

/* The watcher is forked before the pid namespace is there, so it is told by a pipe whom to stop. */
static int start_watcher(int port)
{
	int pipe_fds[2];
	pid_t pid, workshop;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid > 0) {
		close(pipe_fds[0]);
		return pipe_fds[1];
	}
	close(pipe_fds[1]);
	if (read(pipe_fds[0], &workshop, sizeof(workshop)) != sizeof(workshop))
		_exit(1);
	watch_power(port, workshop);
}

static void prepare(void)
{
	const char *name;
	int fd;

	MOUNT_ALL(early);
	fd = open("/dev/console", O_RDWR | O_NOCTTY);
	for (int i = 0; fd >= 0 && i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
	say(ALIVE);
	read_cmdline();
	load_modules();
	wait_for("/dev/vda");
	MOUNT_ALL(image);
	mkdir("/upper/up", 0755);
	mkdir("/upper/work", 0755);
	MOUNT_ALL(tree);
	mount_more((char *)param("taz.mounts"));
	fill_dev();
	lo_up();
	name = param("taz.name");
	if (sethostname(name, strlen(name)) < 0)
		say("the guest keeps its kernel's host name");
	/* A crashed program's memory is nobody's business. */
	set_text("/proc/sys/kernel/core_pattern", "|/bin/false");
	set_text("/proc/sys/kernel/dmesg_restrict", "1");
	set_text("/proc/sys/kernel/kptr_restrict", "2");
	/* Only what it has started may be traced: no program gets into another one's session. */
	set_text("/proc/sys/kernel/yama/ptrace_scope", "1");
}

int main(void)
{
	int port, to_watcher, status;
	pid_t workshop;

	umask(022);
	prepare();
	port = open_power_port();
	if (port < 0)
		die(POWER_PORT);
	to_watcher = start_watcher(port);
	enter_root();
	workshop = start_workshop();
	if (write(to_watcher, &workshop, sizeof(workshop)) != sizeof(workshop))
		die("watcher");
	status = wait_for_end(workshop);
	if (status)
		say("taz-vm: the workshop ended with status %#x", status);
	kill(-1, SIGKILL);
	power_off();
}
