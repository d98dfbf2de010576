/* What base/shortlife.c leaves behind: seen by a process that shares the child's memory. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "enclave/base/shortlife.h"

#define MARKS	   64
#define STACK_SIZE 65536
#define MARK	   0x5a

/* Shared memory: the child's own is gone when it is asked. */
static struct seen {
	uint8_t *stack, *heap; /* where the child had a secret */
	long child;
	volatile int stack_left, heap_left, done;
	char watcher_stack[STACK_SIZE];
} * seen;

__attribute__((no_sanitize("address", "undefined"))) static int count(const volatile uint8_t *p)
{
	int n = 0;

	for (int i = 0; i < MARKS; i++)
		n += p[i] == MARK;
	return n;
}

/* Has nothing of its own in the child's memory but its code: the child wipes all that it can write.
 */
__attribute__((no_sanitize("address", "undefined"))) static int watch(void *arg)
{
	struct seen *volatile s = arg;
	long (*volatile raw)(long number, ...) = syscall;

	while (raw(SYS_getppid) == s->child)
		raw(SYS_sched_yield);
	s->stack_left = count(s->stack);
	s->heap_left = count(s->heap);
	s->done = 1;
	raw(SYS_exit_group, 0);
	return 0;
}

/* Deep enough that what is called afterwards does not happen to write there. */
__attribute__((noinline, no_sanitize("address", "undefined"))) static void have_secrets(void)
{
	volatile uint8_t frame[20000];

	for (int i = 0; i < MARKS; i++)
		frame[i] = MARK;
	seen->stack = (uint8_t *)frame;
	seen->heap = malloc(MARKS);
	memset(seen->heap, MARK, MARKS);
}

static int child(void *arg)
{
	have_secrets();
	seen->child = getpid();
	return clone(watch, seen->watcher_stack + STACK_SIZE, CLONE_VM, seen) > 0 ? 0 : 1;
}

static void test_a_short_life_leaves_nothing_on_heap_and_stack(void **state)
{
	const struct timespec tick = { .tv_nsec = 10000000 };

	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(seen, MAP_FAILED);
	assert_int_equal(shortlife_run(child, NULL), 0);
	for (int i = 0; i < 500 && !seen->done; i++)
		nanosleep(&tick, NULL);
	assert_int_equal(seen->done, 1);
	assert_int_equal(seen->heap_left, 0);
	assert_int_equal(seen->stack_left, 0);
	munmap(seen, sizeof(*seen));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_short_life_leaves_nothing_on_heap_and_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
