/*
 * How long saves hold writers back, and how long locks take, on this machine's own kernel: ext4 in
 * an image in RAM, the view on it, the sealer that an enclave has. What is missing is dm-crypt
 * between ext4 and the image, and taking the two devices down. The numbers are printed; TAZ_FULL=1
 * takes more of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/msg.h"
#include "enclave/base/run.h"
#include "enclave/keybox.h"
#include "enclave/sealer.h"
#include "help.h"
#include "tests/measure.h"

#define MIB	  (1 << 20)
#define BLOCK	  4096
#define HANDLES	  "100"
#define TIMES_MAX 400

/* Shared with the children. */
struct meter {
	_Atomic uint64_t max_ns, count;
	_Atomic bool stop;
};

static struct view_fixture f;
static struct meter *writer, *reader;
static struct sealer *sealer;
static int image = -EBADF, dir = -EBADF;
static const uint8_t key[SEAL_KEY_BYTES] = { 7 };

static struct meter *meter_new(void)
{
	void *p = mmap(NULL, sizeof(struct meter), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static int setup(void **state)
{
	fixture_start(&f, CACHED | ON_EXT4);
	return 0;
}

static int teardown(void **state)
{
	fixture_stop(&f);
	return 0;
}

static int setup_saving(void **state)
{
	const struct seal_origin origin[2] = { 0 };
	const struct sealer_told told = { 0 };

	setup(state);
	writer = meter_new();
	reader = meter_new();
	image = open(f.image, O_RDWR | O_CLOEXEC);
	dir = open(getenv("TMPDIR") ?: "/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(sealer_new(dir, "pause.luks", image, key, origin, &told, &sealer), 0);
	return 0;
}

static int teardown_saving(void **state)
{
	writer->stop = reader->stop = true;
	sealer_free(sealer);
	unlinkat(dir, "pause.luks", 0);
	fd_close(&dir);
	fd_close(&image);
	return teardown(state);
}

static int fill_10_mib(void *arg)
{
	autoclose int fd = open(path_in(&f, "big"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char block[BLOCK];

	for (int i = 0; i < 10 * MIB / BLOCK; i++) {
		memset(block, 1 + i % 255, sizeof(block));
		if (fd < 0 || write(fd, block, sizeof(block)) != sizeof(block))
			return -errno;
	}
	return 0;
}

/* A busy program, not one that takes all there is. */
static int use(void *arg)
{
	struct meter *m = arg;
	autoclose int fd = open(path_in(&f, "big"), O_RDWR | O_CLOEXEC);
	char block[BLOCK] = { 0 };

	for (off_t at = 0; !m->stop; at = (at + 37 * BLOCK) % (10 * MIB)) {
		uint64_t start = io_boottime_ns(), ns;
		ssize_t n =
			m == writer ? pwrite(fd, block, BLOCK, at) : pread(fd, block, BLOCK, at);

		if (n != BLOCK)
			return -errno;
		ns = io_boottime_ns() - start;
		if (ns > m->max_ns)
			m->max_ns = ns;
		m->count++;
		usleep(200);
	}
	return 0;
}

/* How long the view says that its gate was closed. */
static double resumed_ms(void)
{
	union {
		uint32_t op;
		struct view_resumed resumed;
		struct view_session others;
	} m = { 0 };

	fixture_send(&f, VIEW_RESUME);
	while (m.op != VIEW_RESUMED)
		assert_true(msg_recv(f.keeper, &m, sizeof(m), NULL, 0) > 0);
	return m.resumed.pause_us / 1e3;
}

static double save(void)
{
	struct seal_origin now;
	struct sealer_cost cost;
	double ms;

	assert_int_equal(sealer_prepare(sealer), 0);
	fixture_send(&f, VIEW_QUIESCE);
	assert_int_equal(fixture_wait(&f, VIEW_QUIESCED), 0);
	assert_int_equal(sealer_copy(sealer), 0);
	ms = resumed_ms();
	assert_int_equal(sealer_commit(sealer, &now, &cost), 0);
	return ms;
}

static void test_writers_pause_shortly_and_readers_go_on(void **state)
{
	static double gates[TIMES_MAX], writes[TIMES_MAX], reads[TIMES_MAX];
	int n = measure_full() ? TIMES_MAX : 40, done[2];
	pid_t pid[2];

	assert_int_equal(as(MEMBER, fill_10_mib, NULL), 0);
	save();
	save();
	pid[0] = child_start(MEMBER, use, writer, &done[0]);
	pid[1] = child_start(MEMBER, use, reader, &done[1]);
	for (int i = 0; i < n; i++) {
		uint64_t before = writer->count;

		while (writer->count < before + 20) /* it changes something each time */
			usleep(1000);
		writer->max_ns = reader->max_ns = 0;
		gates[i] = save();
		writes[i] = writer->max_ns / 1e6;
		reads[i] = reader->max_ns / 1e6;
	}
	writer->stop = reader->stop = true;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(child_result(done[i]), 0);
		run_wait(pid[i]);
	}
	measure_print("a save of 10 MiB holds writers back", gates, n);
	measure_print("the longest write meanwhile", writes, n);
	measure_print("the longest read meanwhile", reads, n);
}

static int busy(void *arg)
{
	char program[300];

	snprintf(program, sizeof(program), "%.*s/tests/busy_files",
		 (int)(strlen(getenv("TAZFS")) - strlen("/tazfs/tazfs")), getenv("TAZFS"));
	execl(program, "busy_files", f.mnt, HANDLES, path_in(&f, "ready"), NULL);
	return -errno;
}

static double lock_while_busy(void)
{
	uint64_t start;
	double ms;
	int done;
	pid_t pid = child_start(MEMBER, busy, NULL, &done);

	for (int i = 0; i < 10000 && access(path_below(&f, "ready"), F_OK) < 0; i++)
		usleep(1000);
	assert_int_equal(access(path_below(&f, "ready"), F_OK), 0);
	start = io_boottime_ns();
	assert_int_equal(fixture_lock(&f), 0);
	ms = (io_boottime_ns() - start) / 1e6;
	/* Each handle has met an error, and nobody was killed. */
	assert_int_equal(run_wait(pid), 0);
	close(done);
	return ms;
}

static void test_locks_with_a_hundred_busy_handles_are_quick(void **state)
{
	static double locks[TIMES_MAX];
	int n = measure_full() ? 100 : 20;

	for (int i = 0; i < n; i++) {
		locks[i] = lock_while_busy();
		teardown(state);
		setup(state);
	}
	measure_print("a lock with " HANDLES " busy handles", locks, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_writers_pause_shortly_and_readers_go_on,
						setup_saving, teardown_saving),
		cmocka_unit_test_setup_teardown(test_locks_with_a_hundred_busy_handles_are_quick,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
