/*
 * saving - what a program sees of saves, for the tests in the guest
 *
 *	saving fsyncs N DIR         N threads write a file each and then all fsync at once
 *	saving pause N FILE         write and read FILE all the while; N times "enclave save"; how
 *long did the longest write, and the longest read, take in each saving unlinked FILE        make
 *FILE, unlink it, say so, close it after a line on standard input
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/base/io.h"
#include "tests/measure.h"

#define BLOCK	   4096
#define PAUSES_MAX 2000

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* --- fsyncs ---------------------------------------------------------------------------------- */

static pthread_barrier_t barrier;
static const char *dir;
static _Atomic int failed;

static void *write_and_fsync(void *arg)
{
	char path[256], block[BLOCK];
	int fd;

	snprintf(path, sizeof(path), "%s/f%d", dir, (int)(intptr_t)arg);
	memset(block, 'a' + (intptr_t)arg % 26, sizeof(block));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, block, sizeof(block)) != sizeof(block))
		die(path);
	pthread_barrier_wait(&barrier);
	if (fsync(fd) < 0)
		failed = errno;
	close(fd);
	return NULL;
}

static int fsyncs(int n)
{
	pthread_t *threads = calloc(n, sizeof(*threads));
	uint64_t start;

	pthread_barrier_init(&barrier, NULL, n + 1);
	for (intptr_t i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, write_and_fsync, (void *)i))
			die("pthread_create");
	pthread_barrier_wait(&barrier);
	start = io_boottime_ns();
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	printf("# %d fsyncs at once took %.1f ms\n", n, (io_boottime_ns() - start) / 1e6);
	free(threads);
	return failed ? 1 : 0;
}

/* --- pause ----------------------------------------------------------------------------------- */

struct meter {
	int fd;
	bool writes;
	_Atomic uint64_t max_ns, count;
};

static _Atomic bool stop;

static void *measure(void *arg)
{
	struct meter *m = arg;
	static char block[BLOCK];
	off_t size = lseek(m->fd, 0, SEEK_END), at = 0;
	char buf[BLOCK];

	while (!stop) {
		uint64_t start = io_boottime_ns(), ns;
		ssize_t n =
			m->writes ? pwrite(m->fd, block, BLOCK, at) : pread(m->fd, buf, BLOCK, at);

		if (n != BLOCK)
			die(m->writes ? "write" : "read");
		ns = io_boottime_ns() - start;
		m->count++;
		if (ns > m->max_ns)
			m->max_ns = ns;
		at = (at + 37 * BLOCK) % size;
		usleep(200); /* a busy program, not one that takes all there is */
	}
	return NULL;
}

static void save(void)
{
	char *argv[] = { "enclave", "save", NULL }, *envp[] = { "PATH=/usr/bin:/bin", NULL };
	int status;
	pid_t pid;

	if (posix_spawn(&pid, "/usr/bin/enclave", NULL, NULL, argv, envp))
		die("enclave");
	if (waitpid(pid, &status, 0) != pid || status)
		die("enclave save");
}

static double save_pause_ms(void)
{
	FILE *f = popen("enclave status --json | jq .save_pause_ms", "r"); // NOLINT(cert-env33-c)
	double ms = -1;

	if (!f || fscanf(f, "%lf", &ms) != 1)
		die("enclave status");
	pclose(f);
	return ms;
}

static int pause_of(int n, const char *path)
{
	static double writes[PAUSES_MAX], reads[PAUSES_MAX], gates[PAUSES_MAX];
	struct meter w = { .fd = open(path, O_WRONLY | O_CLOEXEC), .writes = true };
	struct meter r = { .fd = open(path, O_RDONLY | O_CLOEXEC) };
	pthread_t tw, tr;

	if (w.fd < 0 || r.fd < 0 || n > PAUSES_MAX)
		die(path);
	save();
	save();
	if (pthread_create(&tw, NULL, measure, &w) || pthread_create(&tr, NULL, measure, &r))
		die("pthread_create");
	for (int i = 0; i < n; i++) {
		usleep(50000);
		w.max_ns = r.max_ns = 0;
		save();
		writes[i] = w.max_ns / 1e6;
		reads[i] = r.max_ns / 1e6;
		gates[i] = save_pause_ms();
	}
	stop = true;
	pthread_join(tw, NULL);
	pthread_join(tr, NULL);
	measure_print("the gate was closed", gates, n);
	measure_print("the longest write during a save", writes, n);
	measure_print("the longest read during a save", reads, n);
	printf("# %llu writes, %llu reads\n", (unsigned long long)w.count,
	       (unsigned long long)r.count);
	return 0;
}

/* --- unlinked -------------------------------------------------------------------------------- */

static int unlinked(const char *path)
{
	static char block[1 << 20];
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, block, sizeof(block)) != sizeof(block) || unlink(path) < 0)
		die(path);
	puts("unlinked");
	fflush(stdout);
	if (getchar() == EOF)
		return 1;
	close(fd);
	return 0;
}

int main(int argc, char *argv[])
{
	if (argc == 4 && !strcmp(argv[1], "fsyncs")) {
		dir = argv[3];
		return fsyncs(atoi(argv[2]));
	}
	if (argc == 4 && !strcmp(argv[1], "pause"))
		return pause_of(atoi(argv[2]), argv[3]);
	if (argc == 3 && !strcmp(argv[1], "unlinked"))
		return unlinked(argv[2]);
	fprintf(stderr, "usage: saving fsyncs N DIR | pause N FILE | unlinked FILE\n");
	return 2;
}
