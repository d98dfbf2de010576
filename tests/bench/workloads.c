/* What is measured. Paths are whole ones, as programs use them: each open looks up two names. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/run.h"
#include "tests/bench/bench.h"

#define CHUNK	  (128UL << 10) /* what cat(1) and cp(1) read and write at once */
#define PROCESSES 4
#define SPAWNS	  50
#define PREADS	  100

extern char **environ;

struct path {
	char text[512];
};

__attribute__((format(printf, 2, 3))) static struct path path_of(const struct place *p,
								 const char *fmt, ...)
{
	struct path path;
	int n = snprintf(path.text, sizeof(path.text), "%s/", p->who->dir);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path.text + n, sizeof(path.text) - (size_t)n, fmt, ap);
	va_end(ap);
	return path;
}

static struct path file_path(const struct place *p, int i)
{
	return path_of(p, "files/file-%03d", i);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void add_time(struct place *p, double us)
{
	if (p->n_times < PLACE_TIMES)
		p->us[p->n_times++] = us;
}

static unsigned times(const struct place *p, unsigned whole)
{
	return p->quick ? (whole + 9) / 10 : whole;
}

static size_t big_bytes(const struct place *p)
{
	return (p->quick ? BENCH_MIB / 8UL : BENCH_MIB) << 20;
}

/* --- what they have in common -------------------------------------------------------------------
 */

/* One read, as of a program that knows how long a key is. */
static int read_file(const char *path)
{
	char buf[BENCH_FILE_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, sizeof(buf));
	close(fd);
	return n == sizeof(buf) ? 0 : -EIO;
}

static int write_new(const char *path, bool sync)
{
	static const char text[BENCH_FILE_BYTES] = { 's', 'e', 'c', 'r', 'e', 't' };
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : io_write_full(fd, text, sizeof(text));

	return r == 0 && sync && fsync(fd) < 0 ? -errno : r;
}

/* In chunks to the end; @fd is closed. */
static int read_all(int fd)
{
	static char buf[CHUNK];
	ssize_t n;

	if (fd < 0)
		return -errno;
	do
		n = read(fd, buf, sizeof(buf));
	while (n > 0);
	close(fd);
	return n < 0 ? -errno : 0;
}

static int write_big(const char *path, size_t bytes, bool sync)
{
	static char buf[CHUNK];
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : 0;

	memset(buf, 's', sizeof(buf));
	for (size_t at = 0; at < bytes && r == 0; at += sizeof(buf))
		r = io_write_full(fd, buf, sizeof(buf));
	return r == 0 && sync && fsync(fd) < 0 ? -errno : r;
}

int workload_prepare(struct place *p)
{
	static const char *const dirs[] = { "files", "saved", "new" };
	int r = 0;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++)
		if (mkdir(path_of(p, "%s", dirs[i]).text, 0700) < 0)
			return -errno;
	for (int i = 0; i < BENCH_FILES && r == 0; i++)
		r = write_new(file_path(p, i).text, false);
	for (int i = 0; i < BENCH_FILES && r == 0; i++)
		r = write_new(path_of(p, "saved/file-%03d", i).text, false);
	return r < 0 ? r : write_big(path_of(p, "big").text, big_bytes(p), true);
}

/* --- small files --------------------------------------------------------------------------------
 */

static int open_once(struct place *p)
{
	for (int i = 0; i < BENCH_FILES; i++) {
		struct path path = file_path(p, i);
		double start = now_us();
		int r = read_file(path.text);

		if (r < 0)
			return r;
		add_time(p, now_us() - start);
	}
	return 0;
}

static int run_open(struct place *p)
{
	int r = 0;

	for (unsigned n = times(p, 10); n && r == 0; n--)
		r = open_once(p);
	return r;
}

/* A child waits until the pipe is closed, so that all of them start together. */
static pid_t start_opener(struct place *p, const int go[2])
{
	pid_t pid = fork();
	char byte;
	int r = 0;

	if (pid)
		return pid;
	close(go[1]);
	if (read(go[0], &byte, 1) < 0)
		_exit(1);
	for (unsigned n = times(p, 10); n && r == 0; n--)
		r = open_once(p);
	_exit(r < 0);
}

/* The time of all of them over the number of opens. */
static int run_open4(struct place *p)
{
	pid_t pids[PROCESSES];
	int go[2], bad = 0;
	double start;

	if (pipe2(go, O_CLOEXEC) < 0)
		return -errno;
	for (int i = 0; i < PROCESSES; i++)
		pids[i] = start_opener(p, go);
	close(go[0]);
	start = now_us();
	close(go[1]);
	for (int i = 0; i < PROCESSES; i++)
		bad |= pids[i] < 0 || run_wait(pids[i]) != 0;
	add_time(p, (now_us() - start) / (PROCESSES * times(p, 10) * BENCH_FILES));
	return bad ? -EIO : 0;
}

static int run_stat(struct place *p)
{
	for (unsigned n = times(p, 10) * BENCH_FILES; n; n--) {
		struct path path = file_path(p, (int)(n % BENCH_FILES));
		double start = now_us();
		struct stat st;

		if (stat(path.text, &st) < 0)
			return -errno;
		add_time(p, now_us() - start);
	}
	return 0;
}

/* As find(1) and rsync(1) do it. Returns how many files there are. */
static int list_once(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int files = 0;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		struct stat st;

		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			files += S_ISREG(st.st_mode);
	}
	closedir(d);
	return files;
}

static int run_list(struct place *p)
{
	struct path path = path_of(p, "files");

	for (unsigned n = times(p, 10); n; n--) {
		double start = now_us();
		int files = list_once(path.text);

		add_time(p, now_us() - start);
		if (files != BENCH_FILES)
			return files < 0 ? files : -EIO;
	}
	return 0;
}

/* As editors do it: under another name, then in its place. These are files of their own: some file
 * systems have trouble with a replaced file, which is no other workload's concern. */
static int run_save(struct place *p)
{
	struct path tmp = path_of(p, "saved/file.tmp");

	for (unsigned n = times(p, BENCH_FILES); n; n--) {
		struct path path = path_of(p, "saved/file-%03d", (int)n - 1);
		double start = now_us();
		int r = write_new(tmp.text, false);

		if (r == 0 && rename(tmp.text, path.text) < 0)
			r = -errno;
		if (r < 0)
			return r;
		add_time(p, now_us() - start);
	}
	return 0;
}

static int run_fsync(struct place *p)
{
	for (unsigned n = times(p, BENCH_FILES); n; n--) {
		struct path path = path_of(p, "new/file-%u", n);
		double start = now_us();
		int r = write_new(path.text, true);

		if (r < 0)
			return r;
		add_time(p, now_us() - start);
		if (unlink(path.text) < 0)
			return -errno;
	}
	return 0;
}

/* One time is that of PREADS over their number: a clock costs as much as a read. */
static int run_pread(struct place *p)
{
	autoclose int fd = open(file_path(p, 0).text, O_RDONLY | O_CLOEXEC);
	char buf[BENCH_FILE_BYTES];

	if (fd < 0)
		return -errno;
	for (unsigned n = times(p, 100); n; n--) {
		double start = now_us();

		for (int i = 0; i < PREADS; i++)
			if (pread(fd, buf, sizeof(buf), 0) != sizeof(buf))
				return -EIO;
		add_time(p, (now_us() - start) / PREADS);
	}
	return 0;
}

/* --- the large file -----------------------------------------------------------------------------
 */

static int drop_pages(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	autoclose int fd = type == FTW_F ? open(path, O_RDONLY | O_CLOEXEC) : -EBADF;

	if (fd >= 0)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}

/* Its page caches above and below are emptied, of what is clean. */
static int cool(struct place *p)
{
	autoclose int below = open(p->who->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct path big = path_of(p, "big");
	struct stat st;

	if (below < 0 || stat(big.text, &st) < 0)
		return -errno;
	drop_pages(big.text, &st, FTW_F, NULL);
	if (syncfs(below) < 0 || nftw(p->who->store, drop_pages, 16, FTW_PHYS) != 0)
		return -errno;
	return 0;
}

static int read_big(struct place *p)
{
	struct path path = path_of(p, "big");
	double start = now_us();
	int r = read_all(open(path.text, O_RDONLY | O_CLOEXEC));

	add_time(p, now_us() - start);
	return r;
}

static int run_read_warm(struct place *p)
{
	int r = read_all(open(path_of(p, "big").text, O_RDONLY | O_CLOEXEC));

	return r < 0 ? r : read_big(p);
}

static int run_read_cold(struct place *p)
{
	int r = cool(p);

	return r < 0 ? r : read_big(p);
}

static int write_timed(struct place *p, bool sync)
{
	struct path path = path_of(p, "big.new");
	double start = now_us();
	int r = write_big(path.text, big_bytes(p), sync);

	add_time(p, now_us() - start);
	return unlink(path.text) < 0 && r == 0 ? -errno : r;
}

static int run_write(struct place *p)
{
	return write_timed(p, false);
}

static int run_write_fsync(struct place *p)
{
	return write_timed(p, true);
}

/* --- a program ----------------------------------------------------------------------------------
 */

static int cat(const char *path, double *ret_us)
{
	char *argv[] = { "cat", (char *)path, NULL };
	double start = now_us();
	pid_t pid;
	int r = run_start("/bin/cat", argv, environ, NULL, 0, &pid);

	if (r == 0)
		r = run_wait(pid);
	*ret_us = now_us() - start;
	return r > 0 ? -EIO : r;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The one's median less the other's, taken in turn. */
static int run_spawn(struct place *p)
{
	double with[SPAWNS], without[SPAWNS];
	unsigned n = times(p, SPAWNS);

	for (unsigned i = 0; i < n; i++) {
		int r = cat("/dev/null", &without[i]);

		if (r == 0)
			r = cat(file_path(p, (int)i).text, &with[i]);
		if (r < 0)
			return r;
	}
	qsort(with, n, sizeof(*with), compare);
	qsort(without, n, sizeof(*without), compare);
	add_time(p, with[n / 2] - without[n / 2]);
	return 0;
}

const struct workload workloads[] = {
	{ "open", "open + read + close", .run = run_open },
	{ "open4", "the same from 4 processes", .run = run_open4 },
	{ "stat", "stat", .run = run_stat },
	{ "list", "list + stat of 200", .run = run_list },
	{ "save", "atomic save", .run = run_save },
	{ "fsync", "create + write + fsync", .run = run_fsync },
	{ "pread", "warm 4 KiB pread", .run = run_pread },
	{ "read-warm", "read 64 MiB, warm", .rate = true, .run = run_read_warm },
	{ "read-cold", "read 64 MiB, cold", .rate = true, .run = run_read_cold },
	{ "write", "write 64 MiB", .rate = true, .run = run_write },
	{ "write-fsync", "write 64 MiB + fsync", .rate = true, .run = run_write_fsync },
	{ "spawn", "spawn cat FILE, less /dev/null", .difference = true, .run = run_spawn },
};
const size_t n_workloads = sizeof(workloads) / sizeof(*workloads);
