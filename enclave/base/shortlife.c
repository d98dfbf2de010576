#include "enclave/base/shortlife.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/privs.h"
#include "enclave/base/run.h"
#include "enclave/base/secret.h"

#define MAPS_MAX      512
/* A sanitizer's shadow is terabytes of nothing; what we and our libraries use is far smaller. */
#define MAP_MAX_BYTES (32UL << 20)
#define FRAME_BYTES   (48UL << 10) /* of wipe_all() and of what it calls */
#define STACK_BYTES   (64UL << 10) /* more than that */

struct map {
	uintptr_t from, to;
};

/* The private, writable mappings, as the kernel lists them. */
static int find_maps(struct map *maps)
{
	autofclose FILE *f = fopen("/proc/self/maps", "re");
	char line[4400];
	int n = 0;

	while (f && n < MAPS_MAX && fgets(line, sizeof(line), f)) {
		unsigned long from, to;
		char mode[5];

		if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 && !strcmp(mode, "rw-p") &&
		    to - from <= MAP_MAX_BYTES)
			maps[n++] = (struct map){ from, to };
	}
	return n;
}

/*
 * The part of the stack that wipe_all() leaves to itself is where @fn was called before: what it
 * had there goes first. Volatile: nobody reads it any more, and the compiler must not see that.
 */
__attribute__((noinline, no_sanitize("address", "undefined"))) static void wipe_stack(void)
{
	volatile char below[STACK_BYTES];

	for (size_t i = 0; i < sizeof(below); i++)
		below[i] = 0;
}

/*
 * Nothing is called between the first byte and exit_group(2) but syscall(2), which touches no
 * memory and whose address is taken before, and nothing returns: canary, tables, heap and stdio are
 * gone.
 */
__attribute__((noinline, no_sanitize("address", "undefined"))) _Noreturn static void wipe_all(
	int status)
{
	long (*volatile raw)(long number, ...) = syscall;
	struct map maps[MAPS_MAX];
	volatile int n = find_maps(maps);
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	for (int i = 0; i < n; i++) {
		uintptr_t to = maps[i].to;

		/* Our own frame stays, with what is above it: main() and the environment. */
		if (maps[i].from <= here && here < to)
			to = here - FRAME_BYTES > maps[i].from ? here - FRAME_BYTES : maps[i].from;
		for (volatile uint64_t *p = (uint64_t *)maps[i].from; (uintptr_t)p < to; p++)
			*p = 0;
	}
	for (;;)
		raw(SYS_exit_group, status);
}

int shortlife_run(int (*fn)(void *arg), void *arg)
{
	pid_t parent = getpid(), pid;
	int r;

	fflush(NULL); /* what we buffered is not to be printed twice */
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0)
		return run_wait(pid);
	r = privs_hide();
	if (r == 0)
		r = privs_die_with_parent(parent);
	privs_lock_memory(); /* as the limits allow */
	r = r == 0 ? fn(arg) : 101;
	wipe_stack();
	secret_clear_registers();
	wipe_all(r);
}
