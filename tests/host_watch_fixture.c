#include "tests/host_watch_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/base/io.h"
#include "enclave/base/msg.h"
#include "enclave/base/run.h"
#include "launcher/stream.h"
#include "launcher/workshop.h"

struct shop *shops;
char state_dir[64];

static char dir[48];
static pid_t bus, logind;
static int to_logind = -1, from_logind = -1;
static char heard[4096];

static char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void end(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		run_wait(*pid);
	}
	*pid = 0;
}

/* --- bus and logind -------------------------------------------------------------------------- */

/* As the system bus: of other kinds sd-bus takes other addresses. */
static const char bus_conf[] =
	"<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
	" \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
	"<busconfig><type>system</type><listen>unix:path=%s/bus</listen>"
	"<auth>EXTERNAL</auth><policy context=\"default\"><allow own=\"*\"/>"
	"<allow send_destination=\"*\"/><allow receive_sender=\"*\"/>"
	"<allow send_type=\"signal\"/><allow user=\"*\"/></policy></busconfig>\n";

static bool answers(const char *path)
{
	int fd = msg_connect(path, SOCK_STREAM);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void bus_start(void)
{
	char option[160], sock[128];
	FILE *f = fopen(path_of("bus.conf"), "we");

	assert_non_null(f);
	fprintf(f, bus_conf, dir);
	fclose(f);
	snprintf(option, sizeof(option), "--config-file=%s", path_of("bus.conf"));
	snprintf(sock, sizeof(sock), "%s", path_of("bus"));
	char *argv[] = { "dbus-daemon", option, "--nofork", "--nopidfile", "--nosyslog", NULL };

	assert_int_equal(run_start("/usr/bin/dbus-daemon", argv, environ, NULL, 0, &bus), 0);
	WITHIN(5000, answers(sock));
}

static void logind_end(void)
{
	if (to_logind >= 0) {
		close(to_logind);
		close(from_logind);
	}
	to_logind = from_logind = -1;
	*heard = '\0';
	end(&logind);
}

void bus_end(void)
{
	end(&bus);
	unlink(path_of("bus"));
	logind_end();
}

void logind_start(int delay_ms)
{
	int in[2], out[2];
	char delay[16];
	char *argv[] = { "mock_logind", delay, NULL };

	logind_end();
	snprintf(delay, sizeof(delay), "%d", delay_ms);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(run_start(MOCK_LOGIND, argv, environ,
				   (struct run_fd[]){ { in[0], 0 }, { out[1], 1 }, { 2, 2 } }, 3,
				   &logind),
			 0);
	close(in[0]);
	close(out[1]);
	to_logind = in[1];
	from_logind = out[0];
	hear("ready");
}

void tell(const char *line)
{
	assert_int_equal(write(to_logind, line, strlen(line)), strlen(line));
}

/* The next whole line, or NULL when none comes in time; stays until the next call. */
static char *next_line(int timeout_ms)
{
	static char line[256];
	int64_t until = io_monotonic_ms() + timeout_ms;
	size_t n = strlen(heard);
	char *lf;

	while (!(lf = strchr(heard, '\n'))) {
		struct pollfd p = { .fd = from_logind, .events = POLLIN };
		int64_t left = until - io_monotonic_ms();
		ssize_t r;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return NULL;
		r = read(from_logind, heard + n, sizeof(heard) - 1 - n);
		if (r <= 0)
			return NULL;
		n += (size_t)r;
		heard[n] = '\0';
	}
	*lf = '\0';
	snprintf(line, sizeof(line), "%.200s", heard);
	memmove(heard, lf + 1, strlen(lf + 1) + 1);
	return line;
}

long hear(const char *text)
{
	char *line = next_line(30000);

	if (!line || strncmp(line, text, strlen(text)) != 0)
		fail_msg("logind was to say '%s', and said '%s'", text, line ? line : "nothing");
	return strtol(line + strlen(text), NULL, 10);
}

void hears_nothing(int ms)
{
	char *line = next_line(ms);

	if (line)
		fail_msg("logind said '%s'", line);
}

/* --- workshops ------------------------------------------------------------------------------- */

/* One request. Of a lock it is counted when it begins and, before the host is told, its end. */
static void serve_one(struct shop *s, int conn)
{
	static struct request req;
	struct stream *st = stream_new(conn, FRAME_FROM_HOST);
	struct frame f;
	int status = 1;

	if (stream_send(st, FRAME_HELLO, FRAME_HELLO_TEXT, strlen(FRAME_HELLO_TEXT)) < 0 ||
	    stream_wait(st, &f, 5000) != 1 || f.type != FRAME_REQUEST ||
	    request_decode(f.data, f.len, &req) < 0)
		_exit(0);
	if (req.argc == 2 && !strcmp(req.argv[0], "/usr/bin/enclave") &&
	    !strcmp(req.argv[1], "lock")) {
		__atomic_add_fetch(&s->begun, 1, __ATOMIC_SEQ_CST);
		if (s->lock_ms < 0)
			pause();
		usleep(s->lock_ms * 1000);
		status = __atomic_sub_fetch(&s->fails, 1, __ATOMIC_SEQ_CST) >= 0;
		if (!status)
			__atomic_add_fetch(&s->done, 1, __ATOMIC_SEQ_CST);
	}
	stream_send_u32(st, FRAME_EXIT, (uint32_t)status);
	stream_drain(st, 2000);
	_exit(0);
}

static void serve(struct shop *s, int sock)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* and who watches sees that none is up */
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int conn = accept4(sock, NULL, NULL, SOCK_CLOEXEC);

		if (conn >= 0 && fork() == 0)
			serve_one(s, conn);
		close(conn);
	}
}

static void record(const struct shop *s, const char *engine)
{
	struct record rec = { .image = "taz/base:0", .instance = "i", .workspace = "/w" };
	char home[128];

	snprintf(home, sizeof(home), "%s/%s", state_dir, s->name);
	strcpy(rec.engine, engine);
	assert_int_equal(workshop_make_dirs(home), 0);
	assert_int_equal(record_save(home, &rec), 0);
}

struct shop *shop_start(const char *name, int lock_ms)
{
	struct shop *s = shops;
	char path[160];
	pid_t pid;
	int sock;

	while (*s->name)
		s++;
	assert_true(s < shops + SHOPS);
	*s = (struct shop){ .lock_ms = lock_ms };
	strcpy(s->name, name);
	record(s, "docker"); /* whose agent answers is up: no client of docker is asked */
	snprintf(path, sizeof(path), "%s/%s/run/agent.sock", state_dir, name);
	sock = msg_listen(path, 0600, SOCK_STREAM);
	assert_true(sock >= 0);
	pid = fork();
	if (pid == 0)
		serve(s, sock);
	s->pid = pid; /* the child has the same memory */
	close(sock);
	return s;
}

/* That it is down is the engine's to say: vm says it of one without a machine. */
void shop_end(struct shop *s)
{
	if (s->pid) {
		setpgid(s->pid, s->pid);
		kill(-s->pid, SIGKILL);
		run_wait(s->pid);
		record(s, "vm");
	}
	s->pid = 0;
}

void shop_remove(struct shop *s)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s/workshop", state_dir, s->name);
	assert_int_equal(unlink(path), 0);
}

/* --- who watches ----------------------------------------------------------------------------- */

pid_t watcher_start(void)
{
	char *argv[] = { "tazlaunch", "watch-host", "--foreground", NULL };
	int log = open(path_of("log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	pid_t pid;

	assert_int_equal(run_start(TAZLAUNCH, argv, environ, &(struct run_fd){ log, 2 }, 1, &pid),
			 0);
	close(log);
	return pid;
}

bool watcher_said(const char *text)
{
	char log[16384];
	FILE *f = fopen(path_of("log"), "re");
	size_t n = f ? fread(log, 1, sizeof(log) - 1, f) : 0;

	if (f)
		fclose(f);
	log[n] = '\0';
	return strstr(log, text);
}

int watcher_detach(void)
{
	char *argv[] = { "tazlaunch", "watch-host", NULL };
	pid_t pid;

	assert_int_equal(run_start(TAZLAUNCH, argv, environ, &(struct run_fd){ 2, 2 }, 1, &pid), 0);
	return run_wait(pid);
}

static bool is_watcher(pid_t pid)
{
	char path[64], text[128] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	f = fopen(path, "re");
	if (f) {
		if (fread(text, 1, sizeof(text) - 1, f) == 0)
			*text = '\0';
		fclose(f);
	}
	return !strcmp(text, "tazlaunch") && !strcmp(text + strlen(text) + 1, "watch-host");
}

pid_t watcher_find(void)
{
	char path[64];
	pid_t pid, found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1)
		if (is_watcher(pid))
			found = pid;
	if (f)
		fclose(f);
	return found;
}

/* --- begin and end --------------------------------------------------------------------------- */

int setup_watch(void **state)
{
	char address[96];

	strcpy(dir, "/tmp/taz-watch-XXXXXX");
	if (!mkdtemp(dir) || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return -1;
	snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
	snprintf(address, sizeof(address), "unix:path=%s/bus", dir);
	if (mkdir(state_dir, 0755) < 0 || setenv("TAZ_STATE", state_dir, 1) < 0 ||
	    setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1) < 0)
		return -1;
	shops = mmap(NULL, SHOPS * sizeof(*shops), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bus_start();
	logind_start(20000);
	return 0;
}

int teardown_watch(void **state)
{
	char cmd[128], path[64];
	pid_t pid;
	FILE *f;

	for (int i = 0; i < SHOPS; i++)
		shop_end(&shops[i]);
	bus_end();
	/* Whatever is left is a child of ours. */
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1)
		kill(pid, SIGKILL);
	if (f)
		fclose(f);
	while (waitpid(-1, NULL, 0) > 0)
		;
	munmap(shops, SHOPS * sizeof(*shops));
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	return system(cmd);
}
