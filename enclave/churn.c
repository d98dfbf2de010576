#include "enclave/churn.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIPE_BYTES (1UL << 20) /* what root may have in one */
#define PIPES	   (CHURN_BYTES / PIPE_BYTES)
#define CHUNK	   65536UL

/* Movable pages, as page caches and programs have them: the kernel clears them for us. */
static void take_movable(void)
{
	char *p = mmap(NULL, CHURN_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p != MAP_FAILED)
		munmap(p, CHURN_BYTES);
}

static void fill(int fd)
{
	static const char zeros[CHUNK];

	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
}

/* Pages that stay where they are, as the kernel's own do: what lies in a pipe is in such. */
static void take_unmovable(void)
{
	int fds[PIPES][2];
	unsigned n = 0;

	while (n < PIPES && pipe2(fds[n], O_CLOEXEC | O_NONBLOCK) == 0) {
		fcntl(fds[n][1], F_SETPIPE_SZ, (int)PIPE_BYTES);
		fill(fds[n][1]);
		n++;
	}
	for (unsigned i = 0; i < n; i++) {
		close(fds[i][0]);
		close(fds[i][1]);
	}
}

void churn(void)
{
	cpu_set_t all, one;

	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one) < 0)
			continue;
		take_unmovable();
		take_movable();
	}
}
