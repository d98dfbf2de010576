/*
 * hold_files DIR READY GO WHAT... - hold on to DIR in each way of WHAT, and say what that is worth
 * later
 *
 * WHAT: fd shared private opath dir cwd reader dirty
 * DIR has a file "token". Makes the file READY when it holds all, waits until the file GO is there,
 * tries each, and prints one line each, "fd: EIO", "shared: SIGBUS", "dir: ok". Then it waits to be
 * killed: it lives.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096

static int dirfd_, fd = -1, opath = -1, dir = -1;
static char *shared, *private, *dirty;
static _Atomic int reader_err;
static sigjmp_buf bus;

static void on_bus(int sig)
{
	siglongjmp(bus, 1);
}

static void must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static const char *touch(volatile const char *p)
{
	static volatile char got;

	if (sigsetjmp(bus, 1))
		return "SIGBUS";
	got = *p;
	return got ? "ok" : "zero";
}

static void *map(int prot, int flags, const char *name, int oflags)
{
	int f = openat(dirfd_, name, oflags | O_CLOEXEC, 0600);
	void *p;

	must(f >= 0, name);
	if (oflags & O_CREAT)
		must(ftruncate(f, PAGE) == 0, "ftruncate");
	p = mmap(NULL, PAGE, prot, flags, f, 0);
	must(p != MAP_FAILED, "mmap");
	close(f);
	return p;
}

static void *read_on(void *arg)
{
	int f = openat(dirfd_, "token", O_RDONLY | O_CLOEXEC);
	char buf[64];

	must(f >= 0, "reader");
	while (pread(f, buf, sizeof(buf), 0) >= 0)
		;
	atomic_store(&reader_err, errno);
	return NULL;
}

static void hold(const char *what)
{
	pthread_t thread;

	if (!strcmp(what, "fd"))
		must((fd = openat(dirfd_, "token", O_RDONLY | O_CLOEXEC)) >= 0, "open token");
	else if (!strcmp(what, "shared"))
		touch(shared = map(PROT_READ, MAP_SHARED, "token", O_RDONLY));
	else if (!strcmp(what, "private"))
		touch(private = map(PROT_READ, MAP_PRIVATE, "token", O_RDONLY));
	else if (!strcmp(what, "dirty"))
		memcpy(dirty = map(PROT_READ | PROT_WRITE, MAP_SHARED, "dirty", O_RDWR | O_CREAT),
		       "dirty page", 10);
	else if (!strcmp(what, "opath"))
		must((opath = openat(dirfd_, "token", O_PATH | O_CLOEXEC)) >= 0, "O_PATH");
	else if (!strcmp(what, "dir"))
		must((dir = openat(dirfd_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0, "dir");
	else if (!strcmp(what, "cwd"))
		must(fchdir(dirfd_) == 0, "fchdir");
	else if (!strcmp(what, "reader"))
		must(pthread_create(&thread, NULL, read_on, NULL) == 0, "thread");
	else
		must(0, what);
}

static const char *name_of(int err)
{
	static char text[16];

	switch (err) {
	case 0:
		return "ok";
	case EIO:
		return "EIO";
	case EACCES:
		return "EACCES";
	case ENOTCONN:
		return "ENOTCONN";
	case ECONNABORTED:
		return "ECONNABORTED";
	default:
		snprintf(text, sizeof(text), "%d", err);
		return text;
	}
}

static int try_open(int at, const char *path)
{
	int f = openat(at, path, O_RDONLY | O_CLOEXEC);
	int err = f < 0 ? errno : 0;

	if (f >= 0)
		close(f);
	return err;
}

static const char *attempt(const char *what)
{
	char path[40], c;

	if (!strcmp(what, "fd"))
		return name_of(pread(fd, &c, 1, 0) < 0 ? errno : 0);
	if (!strcmp(what, "shared"))
		return touch(shared);
	if (!strcmp(what, "private"))
		return touch(private);
	if (!strcmp(what, "dirty"))
		return touch(dirty);
	if (!strcmp(what, "dir"))
		return name_of(try_open(dir, "token"));
	if (!strcmp(what, "cwd"))
		return name_of(try_open(AT_FDCWD, "token"));
	if (!strcmp(what, "reader"))
		return name_of(atomic_load(&reader_err));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", opath);
	return name_of(try_open(AT_FDCWD, path));
}

int main(int argc, char *argv[])
{
	struct sigaction sa = { .sa_handler = on_bus };

	if (argc < 5)
		return 2;
	sigaction(SIGBUS, &sa, NULL);
	dirfd_ = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(dirfd_ >= 0, argv[1]);
	for (int i = 4; i < argc; i++)
		hold(argv[i]);
	close(dirfd_);
	close(open(argv[2], O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	while (access(argv[3], F_OK) < 0)
		usleep(10000);
	for (int i = 4; i < argc; i++)
		printf("%s: %s\n", argv[i], attempt(argv[i]));
	fflush(stdout);
	for (;;)
		pause();
}
