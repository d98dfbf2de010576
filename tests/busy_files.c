/*
 * busy_files DIR N READY - N open files of DIR, each read and written without a pause
 *
 * Makes the file READY when all of them are at work. Ends when each has met an error, and prints
 * "N handles: R reads, W writes, E ended with EIO".
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HANDLES_MAX 1000
#define BLOCK	    4096

static const char *dir;
static atomic_ulong reads, writes, eio;
static atomic_int working;

/* Two of three are reads. */
static void *work(void *arg)
{
	char path[300], buf[BLOCK];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/busy%ld", dir, (long)arg);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		perror(path);
		exit(1);
	}
	memset(buf, 'b', sizeof(buf));
	for (unsigned i = 0; n >= 0; i++) {
		n = i % 3 ? pread(fd, buf, BLOCK, 0) : pwrite(fd, buf, BLOCK, 0);
		if (n >= 0)
			(i % 3 ? &reads : &writes)[0]++;
		if (i == 3)
			working++;
	}
	if (errno == EIO)
		eio++;
	return NULL;
}

int main(int argc, char *argv[])
{
	long n = argc == 4 ? strtol(argv[2], NULL, 10) : 0;
	pthread_t threads[HANDLES_MAX];

	if (n < 1 || n > HANDLES_MAX)
		return 2;
	dir = argv[1];
	for (long i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, work, (void *)i))
			return 1;
	while (working < n)
		usleep(1000);
	close(open(argv[3], O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	for (long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	printf("%ld handles: %lu reads, %lu writes, %lu ended with EIO\n", n, reads, writes, eio);
	return 0;
}
