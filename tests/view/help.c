#include "help.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/msg.h"
#include "enclave/base/proc.h"
#include "enclave/base/run.h"

#define WAIT_MS 10000

/* Of the last fixture: a child that kept a copy would keep the view from seeing the end. */
static int keeper_end = -EBADF;

/* What the keeper does: a mount of our own making, detached first. */
static int make_mount(int fusefd, const char *at)
{
	autoclose int fs = fsopen("fuse", FSOPEN_CLOEXEC);
	char text[32];
	int mnt;

	assert_true(fs >= 0);
	snprintf(text, sizeof(text), "%d", fusefd);
	assert_int_equal(fsconfig(fs, FSCONFIG_SET_STRING, "fd", text, 0), 0);
	assert_int_equal(fsconfig(fs, FSCONFIG_SET_STRING, "rootmode", "40000", 0), 0);
	snprintf(text, sizeof(text), "%d", OWNER);
	assert_int_equal(fsconfig(fs, FSCONFIG_SET_STRING, "user_id", text, 0), 0);
	assert_int_equal(fsconfig(fs, FSCONFIG_SET_STRING, "group_id", text, 0), 0);
	if (!getenv("TAZ_NO_DEFAULT_PERMISSIONS"))
		assert_int_equal(fsconfig(fs, FSCONFIG_SET_FLAG, "default_permissions", NULL, 0),
				 0);
	assert_int_equal(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), 0);
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	assert_true(mnt >= 0);
	assert_int_equal(move_mount(mnt, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH), 0);
	return mnt;
}

static void start_view(struct view_fixture *f, int how, int channel, int root)
{
	char *argv[] = { "tazfs",    "view",   "--uid",	  "64001", "--gid", "64001",
			 "--memory", "cached", "--fsync", "store", NULL };
	const struct run_fd fds[] = {
		{ STDERR_FILENO, STDERR_FILENO }, { channel, VIEW_FD_KEEPER },
		{ root, VIEW_FD_ROOT },		  { f->fusefd, VIEW_FD_FUSE },
		{ f->mountfd, VIEW_FD_MOUNT },
	};

	if (how & STRICT)
		argv[7] = "strict";
	if (how & FSYNC_SAVES)
		argv[9] = "save";
	assert_non_null(getenv("TAZFS"));
	assert_int_equal(run_start(getenv("TAZFS"), argv, NULL, fds, 5, &f->view), 0);
}

static const char *place(const char *variable, const char *otherwise)
{
	const char *set = getenv(variable);

	return set ? set : otherwise;
}

static void must_run(char *const argv[])
{
	pid_t pid;

	assert_int_equal(run_start(argv[0], argv, NULL, NULL, 0, &pid), 0);
	assert_int_equal(run_wait(pid), 0);
}

/* The loop device goes with the mount. */
static void mount_ext4(struct view_fixture *f)
{
	char *mkfs[] = { "/sbin/mkfs.ext4", "-q", "-F", f->image, "64M", NULL };
	char *mount[] = { "/bin/mount", "-o", "loop", f->image, f->src, NULL };

	snprintf(f->image, sizeof(f->image), "%s/image", f->dir);
	must_run(mkfs);
	must_run(mount);
}

/* As an earlier view has kept it. */
static void leave_policy(struct view_fixture *f)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/.tazfs", f->src);
	assert_int_equal(mkdir(path, 0700) | chown(path, OWNER, OWNER), 0);
	snprintf(path, sizeof(path), "%s/.tazfs/policy", f->src);
	assert_int_equal(write_file(path, f->policy) | chown(path, OWNER, OWNER), 0);
	snprintf(path, sizeof(path), "%s/.tazfs/audit.key", f->src);
	assert_int_equal(f->no_audit && mkdir(path, 0700), 0);
}

void fixture_start(struct view_fixture *f, int how)
{
	autoclose int root = -EBADF;
	int pair[2];

	/* A set-up that failed had no teardown. */
	if (f->dir[0])
		fixture_stop(f);
	*f = (struct view_fixture){ .keeper = -EBADF,
				    .mountfd = -EBADF,
				    .fusefd = -EBADF,
				    .policy = f->policy,
				    .no_audit = f->no_audit };
	snprintf(
		f->dir, sizeof(f->dir), "%s/taz-view.XXXXXX",
		place(how & IN_RAM ? "TAZ_RAM_DIR" : "TMPDIR", how & IN_RAM ? "/dev/shm" : "/tmp"));
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(chmod(f->dir, 0755), 0);
	snprintf(f->src, sizeof(f->src), "%s/src", f->dir);
	snprintf(f->mnt, sizeof(f->mnt), "%s/mnt", f->dir);
	assert_int_equal(mkdir(f->src, 0755) | mkdir(f->mnt, 0755), 0);
	if ((how & ON_EXT4) == ON_EXT4)
		mount_ext4(f);
	assert_int_equal(chown(f->src, OWNER, OWNER) | chown(f->mnt, OWNER, OWNER), 0);
	if (f->policy)
		leave_policy(f);
	root = open(f->src, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->fusefd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	assert_true(root >= 0 && f->fusefd >= 0);
	f->mountfd = make_mount(f->fusefd, f->mnt);
	assert_int_equal(msg_pair(pair), 0);
	f->keeper = keeper_end = pair[0];
	start_view(f, how, pair[1], root);
	fd_close(&pair[1]);
	assert_int_equal(fixture_wait(f, VIEW_READY), 0);
	fd_close(&f->fusefd);
	if (!(how & NO_SESSION))
		fixture_add(f, getpid());
}

void fixture_stop(struct view_fixture *f)
{
	char rm[128];

	fd_close(&f->keeper);
	if (f->view > 0) {
		kill(f->view, SIGKILL);
		run_wait(f->view);
		f->view = 0;
	}
	fd_close(&f->fusefd);
	fd_close(&f->mountfd);
	umount2(f->mnt, MNT_DETACH);
	umount2(f->src, MNT_DETACH);
	snprintf(rm, sizeof(rm), "%s", f->dir);
	if (strstr(rm, "/taz-view.")) {
		char *argv[] = { "rm", "-rf", "--one-file-system", rm, NULL };
		pid_t pid;

		if (run_start("/bin/rm", argv, NULL, NULL, 0, &pid) == 0)
			run_wait(pid);
	}
	f->dir[0] = '\0';
}

void fixture_add(struct view_fixture *f, pid_t leader)
{
	autoclose int pidfd = (int)syscall(SYS_pidfd_open, leader, 0);
	autoclose int procfd = proc_open(leader);
	struct view_session msg = { .op = VIEW_SESSION_ADD, .pid = leader };
	struct proc_stat st;

	assert_true(pidfd >= 0 && procfd >= 0);
	assert_int_equal(proc_stat_read(procfd, &st), 0);
	msg.start = st.start;
	assert_int_equal(msg_send(f->keeper, &msg, sizeof(msg), &pidfd, 1), 0);
	fixture_wait(f, VIEW_SESSION_ADDED);
}

void fixture_send(struct view_fixture *f, uint32_t op)
{
	struct view_plain msg = { .op = op };

	assert_int_equal(msg_send(f->keeper, &msg, sizeof(msg), NULL, 0), 0);
}

/* There is no device below to be replaced. */
static void answer_hollow(struct view_fixture *f)
{
	struct view_plain msg = { .op = VIEW_HOLLOWED, .err = f->lies ? 0 : -EOPNOTSUPP };

	assert_int_equal(msg_send(f->keeper, &msg, sizeof(msg), NULL, 0), 0);
	f->asked_hollow++;
}

int fixture_wait(struct view_fixture *f, uint32_t op)
{
	union {
		struct view_plain plain;
		struct view_session session;
		struct view_idle idle;
	} msg = { 0 };

	for (;;) {
		struct pollfd p = { .fd = f->keeper, .events = POLLIN };
		ssize_t n;

		if (poll(&p, 1, WAIT_MS) <= 0)
			fail_msg("no message %u within %d ms", op, WAIT_MS);
		n = msg_recv(f->keeper, &msg, sizeof(msg), NULL, 0);
		if (n <= 0)
			fail_msg("the view ended before message %u", op);
		if (msg.plain.op == VIEW_HOLLOW)
			answer_hollow(f);
		if (msg.plain.op == op)
			return op == VIEW_SESSION_ADDED || op == VIEW_IDLE ? 0 : msg.plain.err;
	}
}

int fixture_policy(struct view_fixture *f, const char *text)
{
	const struct view_plain msg = { .op = VIEW_POLICY };
	autoclose int fd = memfd_create("policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(io_pwrite_full(fd, text, strlen(text), 0), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), 0);
	assert_int_equal(msg_send(f->keeper, &msg, sizeof(msg), &fd, 1), 0);
	return fixture_wait(f, VIEW_POLICY_SET);
}

int fixture_lock(struct view_fixture *f)
{
	int err, status;

	fixture_send(f, VIEW_LOCK);
	err = fixture_wait(f, VIEW_LOCKED);
	status = run_wait(f->view);
	f->view = 0;
	return err < 0 ? err : status;
}

int become_owner(void)
{
	if (setresgid(OWNER, OWNER, OWNER) < 0 || setresuid(OWNER, OWNER, OWNER) < 0)
		return -errno;
	/* Changing the uid made us undumpable, which hides /proc/PID/fd: then the view is not what
	 * denies. */
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static void report(int done, int result)
{
	if (write(done, &result, sizeof(result)) < 0)
		_exit(125);
	_exit(0);
}

static void run_role(enum role role, int (*fn)(void *arg), void *arg, int done)
{
	pid_t parent = getpid();
	int r = 0;

	if (role != MEMBER) {
		pid_t pid = fork();

		if (pid)
			_exit(pid < 0);
		while (getppid() == parent)
			usleep(200);
	}
	umask(022);
	if (role != ROOT_OUTSIDE)
		r = become_owner();
	report(done, r < 0 ? r : fn(arg));
}

pid_t child_start(enum role role, int (*fn)(void *arg), void *arg, int *ret_done)
{
	int done[2];
	pid_t pid;

	assert_int_equal(pipe2(done, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(done[0]);
		close(keeper_end);
		run_role(role, fn, arg, done[1]);
	}
	close(done[1]);
	*ret_done = done[0];
	return pid;
}

int child_result(int done)
{
	int result;
	ssize_t n = io_read_full(done, &result, sizeof(result));

	close(done);
	return n == sizeof(result) ? result : -ECHILD;
}

int as(enum role role, int (*fn)(void *arg), void *arg)
{
	int done, result, status;
	pid_t pid = child_start(role, fn, arg, &done);

	result = child_result(done);
	status = run_wait(pid);
	return status > 128 ? -1000 - (status - 128) : result;
}

static const char *join(const char *dir, const char *name)
{
	static char buf[4][512];
	static int next;
	char *b = buf[next++ % 4];

	snprintf(b, sizeof(buf[0]), "%s/%s", dir, name);
	return b;
}

const char *path_in(const struct view_fixture *f, const char *name)
{
	return join(f->mnt, name);
}

const char *path_below(const struct view_fixture *f, const char *name)
{
	return join(f->src, name);
}

int write_file(const char *path, const char *text)
{
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : io_write_full(fd, text, strlen(text));
}

int check_file(const char *path, const char *text)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[4096];
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = io_read_full(fd, buf, sizeof(buf));
	if (n < 0)
		return (int)n;
	return (size_t)n == strlen(text) && !memcmp(buf, text, n) ? 0 : -EILSEQ;
}
