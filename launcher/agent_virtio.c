#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "launcher/agent.h"
#include "launcher/devices.h"
#include "launcher/frame.h"
#include "launcher/relay.h"

#define PORTS_DIR "/sys/class/virtio-ports"
#define PORTS_MAX 32

struct port {
	char node[32]; /* vport1p2 */
	pid_t pid;
};

/* "taz.0" and so on; other ports of the guest are not ours */
static bool is_ours(const char *name)
{
	size_t n = strspn(name + (strncmp(name, "taz.", 4) ? 0 : 4), "0123456789");

	return !strncmp(name, "taz.", 4) && n && (!name[4 + n] || name[4 + n] == '\n');
}

/* @dir's "name" is "taz.N" and "dev" its number: make /dev/vportXpY for it. */
static int add_port(int dirfd, const char *entry, struct port *p)
{
	char path[300], name[64], dev[32];
	autoclose int devfd = -EBADF;
	unsigned maj, min;

	snprintf(path, sizeof(path), "%s/name", entry);
	if (io_read_text(dirfd, path, name, sizeof(name)) < 0 || !is_ours(name))
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/dev", entry);
	if (io_read_text(dirfd, path, dev, sizeof(dev)) < 0 ||
	    sscanf(dev, "%u:%u", &maj, &min) != 2)
		return -ENODEV;
	if (strlen(entry) >= sizeof(p->node))
		return -ENAMETOOLONG;
	strcpy(p->node, entry);
	devfd = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (devfd < 0)
		return -errno;
	return devices_make_node(devfd, p->node, S_IFCHR | 0600, makedev(maj, min));
}

static int find_ports(struct port *ports, int max)
{
	DIR *d = opendir(PORTS_DIR);
	struct dirent *e;
	int n = 0;

	if (!d)
		return -errno;
	while (n < max && (e = readdir(d)))
		if (e->d_name[0] != '.' && add_port(dirfd(d), e->d_name, &ports[n]) == 0)
			n++;
	closedir(d);
	return n ? n : -ENOENT;
}

/*
 * poll(2) on a port without a host says POLLHUP at once, for ever. But a blocking write sleeps
 * until a host is there (will_write_block() in virtio_console.c), so nothing polls while nobody
 * calls: the hello itself is what waits.
 */
static int wait_host(int fd)
{
	uint8_t hello[FRAME_HEADER + 4];

	frame_header(hello, FRAME_HELLO, 4);
	memcpy(hello + FRAME_HEADER, FRAME_HELLO_TEXT, 4);
	return io_write_full(fd, hello, sizeof(hello));
}

_Noreturn static void serve_port(const struct port *p)
{
	char path[64];
	int fd, r;

	signal(SIGCHLD, SIG_DFL);
	snprintf(path, sizeof(path), "/dev/%s", p->node);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || wait_host(fd) < 0) {
		sleep(1); /* the port is held, or gone: do not spin */
		_exit(1);
	}
	r = relay_serve_greeted(fd);
	_exit(r < 0);
}

static void start_port(struct port *p)
{
	while ((p->pid = fork()) < 0)
		sleep(1); /* a shortage passes */
	if (p->pid == 0)
		serve_port(p);
}

int agent_serve_virtio(void)
{
	static struct port ports[PORTS_MAX];
	int n = find_ports(ports, PORTS_MAX);

	if (n < 0)
		return n;
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < n; i++)
		start_port(&ports[i]);
	for (;;) {
		pid_t pid = wait(NULL);

		if (pid < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n; i++)
			if (ports[i].pid == pid)
				start_port(&ports[i]);
	}
}
