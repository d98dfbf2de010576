#include "enclave/pull.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/command.h"
#include "enclave/incoming.h"
#include "enclave/place.h"

#define ENV_MAX (ENTRY_PASS_MAX + 12)

static void say(struct pull_result *ret, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct pull_result *ret, int err, const char *fmt, ...)
{
	va_list ap;

	ret->err = err;
	va_start(ap, fmt);
	vsnprintf(ret->why, sizeof(ret->why), fmt, ap);
	va_end(ap);
}

const char *pull_find_why(int err)
{
	switch (-err) {
	case ENOENT:
		return "no such program; a name is looked for in " PROGRAM_PATH
		       ", a path with '/' begins beside the file";
	case EACCES:
		return "the program cannot be executed; try chmod +x";
	case EINVAL:
		return "the program is not a regular file";
	case EFBIG:
		return "the program is longer than 256 MiB";
	default:
		return strerror(-err);
	}
}

/* --- the command ----------------------------------------------------------------------------- */

struct env {
	char *list[ENV_MAX];
	size_t n;
};

static int env_add(struct env *env, const char *name, const char *value)
{
	if (!value)
		return 0;
	if (env->n + 1 >= ENV_MAX || asprintf(&env->list[env->n], "%s=%s", name, value) < 0)
		return -ENOMEM;
	env->list[++env->n] = NULL;
	return 0;
}

static void env_done(struct env *env)
{
	for (size_t i = 0; i < env->n; i++)
		free(env->list[i]);
}

/* Temporary files of the command belong into the vault, too. */
static int env_fill(const struct pull *p, const struct entry *e, struct env *env)
{
	autofree char *tmp = NULL;
	autoclose int dir = place_dir(p->root, PLACE_OWN "/tmp", true);
	const char *tty = p->consent->terminal ? ttyname(STDERR_FILENO) : NULL;
	int r = dir < 0 ? dir : 0;

	if (r == 0 && asprintf(&tmp, "%s/" PLACE_DIR "/" PLACE_OWN "/tmp", p->home) < 0)
		return -ENOMEM;
	const struct {
		const char *name, *value;
	} fixed[] = {
		{ "PATH", PROGRAM_PATH }, { "HOME", p->home },
		{ "USER", p->user },	  { "LOGNAME", p->user },
		{ "LANG", "C.UTF-8" },	  { "TMPDIR", tmp },
		{ "GPG_TTY", tty },	  { "TERM", tty ? getenv("TERM") : NULL },
	};

	for (size_t i = 0; r == 0 && i < sizeof(fixed) / sizeof(*fixed); i++)
		r = env_add(env, fixed[i].name, fixed[i].value);
	for (size_t i = 0; r == 0 && e->pass && e->pass[i]; i++)
		r = env_add(env, e->pass[i], getenv(e->pass[i]));
	return r;
}

static void say_end(const struct pull *p, const struct command_end *end, struct pull_result *ret)
{
	ret->signal = end->signal;
	if (end->signal || end->status == 128 + SIGINT) {
		if (!ret->signal)
			ret->signal = SIGINT;
		say(ret, -ECANCELED, "interrupted; the old file stays");
	} else if (end->timed_out) {
		say(ret, -ETIMEDOUT,
		    "it did not end within %u s and was killed; the old file stays; --timeout "
		    "gives it more",
		    p->timeout_sec);
	} else if (end->status == 128 + SIGXFSZ) {
		say(ret, -EFBIG, "it wrote more than %d MiB; the old file stays",
		    PULL_BYTES_MAX >> 20);
	} else if (end->status > 128) {
		say(ret, -ECHILD, "signal %d ended it; the old file stays", end->status - 128);
	} else if (end->status) {
		say(ret, -ECHILD, "it ended with status %d; the old file stays", end->status);
	}
}

static void say_commit(int r, struct pull_result *ret)
{
	switch (-r) {
	case 0:
		break;
	case ENODATA:
		say(ret, r, "it printed nothing; the old file stays");
		break;
	case EFBIG:
		say(ret, r, "it printed more than %d MiB; the old file stays",
		    PULL_BYTES_MAX >> 20);
		break;
	case ENOSPC:
		say(ret, r, "the vault is full; the old file stays; remove something");
		break;
	case ETXTBSY:
		say(ret, r,
		    "a program that it left behind still has its output open; the old file "
		    "stays");
		break;
	case EEXIST:
	case EISDIR:
	case ENOTDIR:
	case ELOOP:
		say(ret, r,
		    "something that is no plain file, or no directory, of the vault is in its "
		    "way; move it: ls -lR ~/secrets");
		break;
	default:
		say(ret, r, "put it into the vault: %s; the old file stays", strerror(-r));
	}
}

struct growth {
	const char *name;
	int fd;
	off_t was;
};

/* Only when there is more: a command that asks for something is not talked into. */
static void say_growth(void *arg)
{
	struct growth *g = arg;
	struct stat st;

	if (fstat(g->fd, &st) < 0 || st.st_size == g->was)
		return;
	g->was = st.st_size;
	log_info("%s: %lld bytes so far", g->name, (long long)g->was);
}

static void run(const struct pull *p, const struct entry *e, const struct program *prog,
		struct incoming *in, struct pull_result *ret)
{
	struct growth growth = { .name = e->name, .fd = in->out };
	struct env env = { 0 };
	struct command_end end = { 0 };
	struct command c = {
		.program = prog,
		.argv = e->argv,
		.envp = env.list,
		.cwd = p->file->dirfd,
		.out = in->out,
		.out_max = PULL_BYTES_MAX,
		.timeout_sec = p->timeout_sec,
		.terminal = p->consent->terminal,
		.tick = p->consent->terminal ? say_growth : NULL,
		.arg = &growth,
	};
	int r = env_fill(p, e, &env);

	if (r == 0)
		r = command_run(&c, p->consent->watch, &end);
	env_done(&env);
	if (r < 0)
		say(ret, r, "run it: %s", strerror(-r));
	else
		say_end(p, &end, ret);
}

static void produce(const struct pull *p, const struct entry *e, const struct program *prog,
		    struct pull_result *ret)
{
	uint64_t start = io_boottime_ns();
	struct incoming in;
	int r = incoming_begin(p->root, e->name, &in);

	if (r < 0) {
		say(ret, r, "make a file in the vault: %s", strerror(-r));
		return;
	}
	run(p, e, prog, &in, ret);
	if (ret->err == 0)
		say_commit(incoming_commit(&in, p->root, e->file, e->mode, PULL_BYTES_MAX,
					   &ret->bytes),
			   ret);
	incoming_drop(&in);
	ret->ms = (unsigned)((io_boottime_ns() - start) / 1000000);
}

static void confirm(const struct pull *p, const struct entry *e, const struct approval *a,
		    struct pull_result *ret)
{
	struct refusal no;
	int r = consent_get(p->consent, p->root, e, a, "enclave pull --list", &no);

	ret->signal = no.signal;
	if (r < 0)
		say(ret, r, "%s", no.why);
}

void pull_entry(const struct pull *p, const struct entry *e, struct pull_result *ret)
{
	struct program prog = PROGRAM_NONE;
	struct approval a = { 0 };
	int r;

	*ret = (struct pull_result){ 0 };
	if (!e->argv) {
		say(ret, -EINVAL, "it has no command: put the file into ~/secrets yourself");
		return;
	}
	r = program_find(p->file->dirfd, e->argv[0], &prog);
	if (r < 0) {
		say(ret, r, "%s", pull_find_why(r));
		return;
	}
	r = approval_init(e, &prog, p->file->dir, &a);
	if (r < 0)
		say(ret, r, "%s", strerror(-r));
	else
		confirm(p, e, &a, ret);
	if (ret->err == 0)
		produce(p, e, &prog, ret);
	approval_done(&a);
	program_done(&prog);
}
