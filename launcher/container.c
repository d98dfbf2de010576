#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"
#include "enclave/base/run.h"
#include "launcher/argv.h"
#include "launcher/client.h"
#include "launcher/container.h"
#include "launcher/devices.h"
#include "launcher/first.h"
#include "launcher/frame_io.h"
#include "launcher/least.h"

#define LABEL	    "io.taz.workshop"
#define LABEL_STATE "io.taz.state"
#define READY_MS    30000
#define HELLO_MS    3000
#define TEXT(n)	    #n
#define NUMBER(n)   TEXT(n)
#define STOP_SEC    NUMBER(FIRST_STOP_SEC)

/* --- what this machine can do ---------------------------------------------------------------- */

static void load_modules(void)
{
	static const char *const modules[] = { "loop", "dm_mod", "dm_crypt", "dm_zero", "fuse" };
	static const char *const paths[] = { "/usr/sbin/modprobe", "/sbin/modprobe" };
	const char *path = access(paths[0], X_OK) == 0 ? paths[0] : paths[1];

	for (size_t i = 0; i < sizeof(modules) / sizeof(*modules); i++) {
		char *argv[] = { "modprobe", "-q", (char *)modules[i], NULL };
		pid_t pid;

		/* A failure shows when the kernel is looked at afterwards: it may be built in. */
		if (run_start(path, argv, NULL, NULL, 0, &pid) == 0)
			run_wait(pid);
	}
}

int container_kernel(char *why, size_t size)
{
	int r = devices_kernel_has(why, size);

	if (r == 0 && geteuid() == 0) {
		load_modules();
		r = devices_kernel_has(why, size);
	}
	return r == 1 ? 0 : r == 0 ? -ENODEV : r;
}

/* --- images ---------------------------------------------------------------------------------- */

int container_has_image(const struct client *c, const char *tag)
{
	const char *const args[] = { "image", "inspect", "--format", "{{.Id}}", tag, NULL };
	char err[512] = "";
	int r = client_call(c, args, NULL, 0, err, sizeof(err));

	if (r <= 0)
		return r < 0 ? r : 1;
	if (strcasestr(err, "no such image") || strstr(err, "image not known"))
		return 0;
	log_error("%s: %s", c->name, err);
	return -EIO;
}

int container_build(const struct client *c, const char *tag, const char *dockerfile,
		    const char *context, const char *const args[])
{
	/* A name without a value is taken from the environment (docker build --help). */
	static const char *const proxies[] = { "http_proxy", "https_proxy", "no_proxy" };
	autoargv struct argv line = { 0 };
	int r;

	argv_add_words(&line, "build", "--network=host", "-t", tag, "-f", dockerfile, NULL);
	for (size_t i = 0; i < sizeof(proxies) / sizeof(*proxies); i++)
		if (getenv(proxies[i]))
			argv_add_words(&line, "--build-arg", proxies[i], NULL);
	for (; *args; args++)
		argv_add_words(&line, "--build-arg", *args, NULL);
	for (const char *const *more = c->build; *more; more++)
		argv_add(&line, "%s", *more);
	argv_add(&line, "%s", context);
	if (line.failed)
		return -E2BIG;
	r = client_show(c, (const char *const *)line.v, -EBADF);
	return r > 0 ? -EIO : r;
}

int container_import(const struct client *c, const char *tar, const char *tag)
{
	const char *const args[] = { "import", tar, tag, NULL };
	int r = client_show(c, args, -EBADF);

	return r > 0 ? -EIO : r;
}

void container_our_names(char *lines)
{
	static const char host[] = "localhost/", ours[] = "localhost/taz/";
	char *to = lines;

	for (const char *from = lines; *from;) {
		size_t n = strcspn(from, "\n");

		n += from[n] == '\n';
		if (!strncmp(from, ours, strlen(ours))) {
			from += strlen(host);
			n -= strlen(host);
		}
		memmove(to, from, n);
		to += n;
		from += n;
	}
	*to = '\0';
}

int container_list_images(const struct client *c, char *buf, size_t size)
{
	static const char *const args[] = { "images",
					    "--format",
					    "{{.Repository}}:{{.Tag}}",
					    "--filter",
					    "reference=taz/*",
					    "--filter",
					    "reference=localhost/taz/*",
					    "--filter",
					    "reference=localhost/taz-debian",
					    NULL };
	char err[512] = "";
	int r = client_call(c, args, buf, size, err, sizeof(err));

	if (r > 0)
		log_error("%s: %s", c->name, err);
	if (r != 0)
		return r < 0 ? r : -EIO;
	if (strlen(buf) + 1 >= size)
		return -EMSGSIZE;
	container_our_names(buf);
	return 0;
}

int container_remove_image(const struct client *c, const char *tag)
{
	const char *const args[] = { "rmi", tag, NULL };
	char err[512] = "";
	int r = client_call(c, args, NULL, 0, err, sizeof(err));

	if (r > 0)
		log_error("%s: %s", c->name, err);
	return r > 0 ? -EIO : r;
}

/* --- the container --------------------------------------------------------------------------- */

static const char *container(const struct workshop *w, char buf[64])
{
	snprintf(buf, 64, "taz-%s", w->name);
	return buf;
}

static const char running_and_state[] =
	"{{.State.Running}} {{index .Config.Labels \"" LABEL_STATE "\"}}";

enum found { NONE, STOPPED, RUNNING, FOREIGN };

/* Is there a container of that name, and is it of this very state folder? */
static int find(const struct client *c, const struct workshop *w)
{
	char name[64], out[PATH_MAX + 64], err[512] = "";
	const char *const args[] = { "container",	"inspect",	    "--format",
				     running_and_state, container(w, name), NULL };
	int r = client_call(c, args, out, sizeof(out), err, sizeof(err));
	const char *state;

	if (r < 0)
		return r;
	if (r > 0 && strcasestr(err, "no such container"))
		return NONE;
	state = strchr(out, ' ');
	if (r > 0 || !state) {
		log_error("%s: %s", c->name, err);
		return -EIO;
	}
	if (strcmp(state + 1, w->state_dir))
		return FOREIGN;
	return !strncmp(out, "true ", 5) ? RUNNING : STOPPED;
}

static int remove_container(const struct client *c, const struct workshop *w)
{
	char name[64], err[512] = "";
	const char *const args[] = { "rm", "--force", container(w, name), NULL };
	int r = client_call(c, args, NULL, 0, err, sizeof(err));

	if (r > 0)
		log_error("%s: %s", c->name, err);
	return r > 0 ? -EIO : r;
}

/* What it said before it ended: the reason is there. */
static void show_logs(const struct client *c, const struct workshop *w)
{
	char name[64];
	const char *const args[] = { "logs", "--tail", "20", container(w, name), NULL };
	char out[4096] = "", err[4096] = "";

	client_call(c, args, out, sizeof(out), err, sizeof(err));
	if (*out || *err)
		log_error("its last words:\n%s%s%s", out, *out && *err ? "\n" : "", err);
}

/* A docker daemon that was started with --bridge=none has no network called "bridge". */
static bool has_network(const struct client *c)
{
	const char *const args[] = { "network",	    "inspect",	"--format",
				     "{{.Driver}}", c->network, NULL };

	return client_call(c, args, NULL, 0, NULL, 0) == 0;
}

/* --mount is a line of CSV: a field in quotes may hold a comma, a quote is doubled. */
static void add_mount(struct argv *a, const char *source, const char *target, const char *more)
{
	char field[2 * PATH_MAX];
	size_t n = 0;

	for (; *source && n + 3 < sizeof(field); source++) {
		if (*source == '"')
			field[n++] = '"';
		field[n++] = *source;
	}
	field[n] = '\0';
	if (*source)
		a->failed = true;
	argv_add(a, "--mount");
	argv_add(a, "type=bind,\"source=%s\",target=%s%s", field, target, more);
}

static void add_mounts(struct argv *a, const struct workshop *w)
{
	char path[PATH_MAX];

	/* Nothing that a tool writes for a moment may reach the engine's disk. */
	argv_add_words(a, "--tmpfs", "/run:rw,nosuid,nodev,mode=755", NULL);
	argv_add_words(a, "--tmpfs", "/tmp:rw,nosuid,nodev,exec,mode=1777", NULL);
	snprintf(path, sizeof(path), "%s/vault", w->state_dir);
	add_mount(a, path, "/var/lib/taz", "");
	snprintf(path, sizeof(path), "%s/run", w->state_dir);
	add_mount(a, path, "/run/taz-host", "");
	add_mount(a, w->workspace, "/workspace", "");
	for (int i = 0; i < w->mounts.n; i++) {
		const struct bind *b = &w->mounts.v[i];

		snprintf(path, sizeof(path), BINDS_DIR "%s", b->name);
		/* What is mounted below it would not be read-only with it. */
		add_mount(a, b->source, path, b->read_only ? ",readonly,bind-nonrecursive" : "");
	}
}

/* What it has of this host: everything, or what the stack needs. */
static int add_rights(struct argv *a, const struct workshop *w)
{
	int r;

	if (!w->least) {
		argv_add(a, "--privileged");
		return 0;
	}
	r = least_add(a, w->state_dir);
	return r < 0 ? log_err(r, "write down what the container may use of this host") : 0;
}

static int run_line(const struct client *c, const struct workshop *w, struct argv *a)
{
	char name[64];
	int r;

	argv_add_words(a, "run", "--detach", "--name", container(w, name), NULL);
	argv_add_words(a, "--hostname", w->name, "--stop-timeout", STOP_SEC, NULL);
	argv_add(a, "--label=" LABEL "=%s", w->name);
	argv_add(a, "--label=" LABEL_STATE "=%s", w->state_dir);
	argv_add_words(a, "--user", "0:0", "--restart", "no", NULL);
	r = add_rights(a, w);
	if (r < 0)
		return r;
	add_mounts(a, w);
	if (!w->network ? !has_network(c) : !strcmp(w->network, "none"))
		argv_add_words(a, "--network", "none", NULL);
	if (w->cpus)
		argv_add(a, "--cpus=%u", w->cpus);
	if (w->memory_bytes) {
		argv_add(a, "--memory=%llu", (unsigned long long)w->memory_bytes);
		/* The same with swap: to keep the limit, nothing is swapped out. */
		argv_add(a, "--memory-swap=%llu", (unsigned long long)w->memory_bytes);
	}
	for (const char *const *more = c->run; *more; more++)
		argv_add(a, "%s", *more);
	argv_add_words(a, "--entrypoint", FIRST_PROGRAM, w->image, NULL);
	first_add_words(a, w);
	return a->failed ? log_err(-E2BIG, "what %s is told", c->name) : 0;
}

/* Connecting is cheap, so it is tried often; the engine is asked seldom. */
static int wait_ready(const struct client *c, const struct workshop *w)
{
	uint64_t end = io_boottime_ns() + READY_MS * 1000000ULL;

	for (int i = 1; io_boottime_ns() < end; i++) {
		autoclose int fd = container_dial(c, w);

		if (fd >= 0)
			return 0;
		if (i % 20 == 0 && find(c, w) != RUNNING) {
			log_error("the container of %s has ended", w->name);
			return -ECONNREFUSED;
		}
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
	log_error("the agent of %s does not answer", w->name);
	return -ETIMEDOUT;
}

static void agent_path(const struct workshop *w, char *buf, size_t size)
{
	snprintf(buf, size, "%s/run/agent.sock", w->state_dir);
}

int container_dial(const struct client *c, const struct workshop *w)
{
	char path[PATH_MAX], magic[32];
	autoclose int node = -EBADF, fd = -EBADF;
	struct stat st;
	int r;

	agent_path(w, path, sizeof(path));
	/* The container's root writes in run/: a link there must not lead to another agent. */
	node = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (node < 0)
		return errno == ENOENT ? -ENOTCONN : -errno;
	if (fstat(node, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTCONN;
	/* Source: proc(5): such a link leads to the very file, whatever its name is by now. */
	snprintf(magic, sizeof(magic), "/proc/self/fd/%d", node);
	fd = msg_connect(magic, SOCK_STREAM);
	if (fd == -ECONNREFUSED)
		return -ENOTCONN;
	if (fd < 0)
		return fd;
	r = frame_hello_wait(fd, HELLO_MS);
	return r < 0 ? r : take_fd(&fd);
}

/* Whose agent answers is running: a vault must also be locked where the engine's client is gone. */
int container_running(const struct client *c, const struct workshop *w)
{
	autoclose int fd = container_dial(c, w);
	int r = fd < 0 ? find(c, w) : RUNNING;

	if (r == -ENOENT)
		log_error("neither the agent of %s answers (%s/run/agent.sock), nor is %s "
			  "installed here to ask",
			  w->name, w->state_dir, c->name);
	return r < 0 ? r : r == RUNNING;
}

static int make_room(const struct client *c, const struct workshop *w)
{
	char path[PATH_MAX];
	int r = find(c, w);

	if (r == FOREIGN) {
		log_error("there is a container taz-%s that is not ours; remove or rename it",
			  w->name);
		return -EEXIST;
	}
	if (r == STOPPED)
		r = remove_container(c, w);
	agent_path(w, path, sizeof(path));
	unlink(path); /* of a container that was killed */
	return r < 0 ? r : 0;
}

int container_up(const struct client *c, const struct workshop *w)
{
	autoargv struct argv line = { 0 };
	char err[2048] = "";
	int r = make_room(c, w);

	if (r < 0)
		return r;
	r = run_line(c, w, &line);
	if (r < 0)
		return r;
	r = client_call(c, (const char *const *)line.v, NULL, 0, err, sizeof(err));
	if (r == 0)
		r = wait_ready(c, w);
	else
		log_error("%s: %s", c->name, err);
	if (r == 0)
		return 0;
	show_logs(c, w);
	remove_container(c, w);
	return r < 0 ? r : -EIO;
}

int container_down(const struct client *c, const struct workshop *w)
{
	char name[64], err[512] = "";
	const char *const args[] = { "stop", "--time", STOP_SEC, container(w, name), NULL };
	int r = find(c, w);

	if (r < 0 || r == NONE || r == FOREIGN)
		return r < 0 ? r : 0;
	if (r == RUNNING) {
		r = client_call(c, args, NULL, 0, err, sizeof(err));
		if (r > 0)
			log_error("%s: %s", c->name, err);
		if (r)
			return r < 0 ? r : -EIO;
	}
	return remove_container(c, w);
}
