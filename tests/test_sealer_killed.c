/* A save is killed with SIGKILL before and after each of its system calls. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "tests/measure.h"
#include "tests/sealer_fixture.h"

#define STEPS_IMAGE (2 * MIB)
#define STEPS_SAVES (measure_full() ? 8 : 3)

/* Both processes see how far it has got. */
struct progress {
	uint64_t begun, acknowledged; /* saves */
	uint64_t saving;
};

static void write_version(uint64_t version)
{
	fill((version % 4) * 100 * SEAL_BLOCK_BYTES, 3 * SEAL_BLOCK_BYTES, version);
	assert_int_equal(pwrite(f.image, &version, sizeof(version), 0), sizeof(version));
	if (version % 2)
		assert_int_equal(fallocate(f.image, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					   MIB + 40 * SEAL_BLOCK_BYTES, 128 * 1024),
				 0);
	else
		fill(MIB, 200 * 1024, version);
}

/* The child: whole, then incremental saves; each step is one more. */
static _Noreturn void save_all(struct progress *p)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(77);
	raise(SIGSTOP);
	for (uint64_t v = 1, n = STEPS_SAVES; v <= n; v++) {
		write_version(v);
		p->begun = v;
		p->saving = 1;
		if (try_save() < 0)
			_exit(1);
		p->acknowledged = v;
		p->saving = 0;
	}
	sealer_free(f.sealer);
	_exit(0);
}

/* Lets it go on to its @stop'th entry into or exit from the kernel and kills it there. False: it
 * has ended before. */
static bool run_to(unsigned stop, struct progress *p, unsigned *ret_stops)
{
	pid_t pid = fork();
	unsigned at = 0;
	int status;

	if (!pid)
		save_all(p);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_true(WIFSTOPPED(status));
	ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(long)PTRACE_O_EXITKILL);
	while (at < stop) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			*ret_stops = at;
			return false;
		}
		at += p->saving;
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return true;
}

static void assert_old_or_new(const struct progress *p, unsigned stop)
{
	autoclose int loaded = -EBADF;
	struct seal_footer footer;
	uint64_t version;
	int r = load(&footer, &loaded);

	if (r == -ENOENT && p->acknowledged == 0)
		return;
	if (r < 0)
		fail_msg("killed at %u: %s", stop, strerror(-r));
	assert_int_equal(pread(loaded, &version, sizeof(version), 0), sizeof(version));
	assert_int_equal(version, footer.generation);
	if (version != p->acknowledged && version != p->begun)
		fail_msg("killed at %u: generation %lu, acknowledged %lu", stop,
			 (unsigned long)version, (unsigned long)p->acknowledged);
}

static void test_killed_at_any_system_call_the_old_or_the_new_vault_is_there(void **state)
{
	struct progress *p =
		mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned stop = 0, stops = 0;
	bool more = true;

	for (stop = 1; more; stop++) {
		make(STEPS_IMAGE);
		*p = (struct progress){ 0 };
		more = run_to(stop, p, &stops);
		assert_old_or_new(p, stop);
		sealer_clean(f.dir, NAME);
		assert_true(names_in_dir() <= 1);
		teardown(state);
	}
	assert_int_equal(p->acknowledged, STEPS_SAVES);
	printf("# saves killed at each of %u points (before and after each system call), %d saves\n",
	       stops, STEPS_SAVES);
	assert_true(stops >= 200);
	munmap(p, sizeof(*p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_at_any_system_call_the_old_or_the_new_vault_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
