#include "tests/faults/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/client.h"
#include "tests/faults/kernel.h"

#define ENCLAVE	   "/usr/bin/enclave"
#define DOOR	   "/home/taz/secrets"
#define PASSPHRASE "/tmp/faults.pass"
#define PROMISES   "/tmp/faults.promises"
#define LOG	   "/tmp/faults.log"

#define MS	      1000000ULL
#define NAP_MS	      2
#define START_MS      20000 /* a keeper answers by then, on a busy machine */
#define LIFE_MS	      90000 /* an unlock that takes longer hangs */
#define STOPPED_MS    300   /* how long somebody is stopped before the lock is asked for */
#define LOCK_REPLY_MS 40000 /* the lock's report, which waits for a save */

struct scene {
	const char *ack;
	unsigned round;
	pid_t keeper;
	int promises; /* PROMISES, for reading */
	off_t seen;   /* what scenes before have said there */
};

/* What one scene is about, while it runs. */
struct life {
	struct scene *s;
	struct tracer *t;
	const struct strike *strike;
	struct scene_result *res;
	struct scene_point *points;
	unsigned max;
	pid_t client, locker;
	uint64_t measure_ns; /* since when the kernel should be getting clean; 0 not yet */
	bool measured;
};

/* Until somebody stops or ends, but not long. SIGCHLD is blocked (scene_new), so none is missed. */
static void nap(void)
{
	const struct timespec t = { .tv_nsec = NAP_MS * MS };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigtimedwait(&set, NULL, &t);
}

static uint64_t ms_since(uint64_t ns)
{
	return (io_boottime_ns() - ns) / MS;
}

static void fail(struct scene_result *res, const char *what, const char *detail)
{
	if (!res->failed[0])
		snprintf(res->failed, sizeof(res->failed), "%s%s", what, detail);
}

/* --- what the session said ---------------------------------------------------------------------
 */

static void read_news(const struct scene *s, char *buf, size_t size)
{
	ssize_t n = io_pread_full(s->promises, buf, size - 1, s->seen);

	buf[n < 0 ? 0 : n] = '\0';
}

/* The saver lives on after its save: what it does itself is what counts. A lock saves, too. */
static enum phase phase_now(const struct scene *s, const struct point *p)
{
	char news[8192];

	read_news(s, news, sizeof(news));
	if (!strstr(news, "CHECKED"))
		return PHASE_UNLOCK;
	if (strstr(news, "\nUSED"))
		return PHASE_LOCK;
	return p->caller == ROLE_SAVER ? PHASE_SAVE : PHASE_USE;
}

static void on_point(void *arg, unsigned n, const struct point *p)
{
	struct life *l = arg;

	if (n <= l->max)
		l->points[n - 1] = (struct scene_point){ .point = *p, .phase = phase_now(l->s, p) };
}

static void judge_promises(struct scene *s, struct scene_result *res)
{
	char news[8192], *lost;
	struct stat st;

	read_news(s, news, sizeof(news));
	lost = strstr(news, "LOST");
	if (lost) {
		lost[strcspn(lost, "\n")] = '\0';
		fail(res, "an acknowledged promise: ", lost);
	}
	res->checked = !lost && strstr(news, "CHECKED");
	if (fstat(s->promises, &st) == 0)
		s->seen = st.st_size;
}

/* --- processes ---------------------------------------------------------------------------------
 */

static void become(int in, char *const argv[])
{
	static char *const env[] = { "HOME=/home/taz", "PATH=/usr/bin:/bin", NULL };
	int out = open(LOG, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execve(argv[0], argv, env);
	_exit(127);
}

static int keeper_start(struct scene *s)
{
	char *const argv[] = { ENCLAVE, "serve", "--size", "64M", NULL };
	uint64_t since = io_boottime_ns();
	struct res_status status;

	s->keeper = fork();
	if (s->keeper < 0)
		return -errno;
	if (!s->keeper) {
		autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

		become(null, argv);
	}
	while (client_status(&status) < 0) {
		if (ms_since(since) > START_MS)
			return -ETIMEDOUT;
		nap();
	}
	return 0;
}

/* Starts the session's leader; it waits until it is followed. Returns its pid or -errno. */
static pid_t client_start(struct scene *s, int go, bool lock)
{
	char round[16];
	char *argv[] = { ENCLAVE,
			 "session",
			 "--user",
			 "taz",
			 "--passphrase-fd",
			 "0",
			 "--",
			 "/usr/bin/load",
			 "use",
			 "--dir",
			 DOOR,
			 "--promises",
			 PROMISES,
			 "--ack",
			 (char *)s->ack,
			 "--round",
			 round,
			 lock ? "--lock" : NULL,
			 NULL };
	pid_t pid;

	snprintf(round, sizeof(round), "%u", ++s->round);
	pid = fork();
	if (!pid) {
		autoclose int pass = open(PASSPHRASE, O_RDONLY | O_CLOEXEC);
		char c;

		if (read(go, &c, 1) != 1)
			_exit(126);
		become(pass, argv);
	}
	return pid < 0 ? -errno : pid;
}

static int follow(struct life *l)
{
	int go[2], r;

	if (pipe2(go, O_CLOEXEC) < 0)
		return -errno;
	/* By turns the session ends by itself and the lock is asked for from inside. */
	l->client = client_start(l->s, go[0], l->s->round % 2);
	r = l->client < 0 ? l->client : tracer_add(l->t, l->s->keeper);
	if (r == 0)
		r = tracer_add(l->t, l->client);
	if (r == 0 && write(go[1], "g", 1) != 1)
		r = -errno;
	close(go[0]);
	close(go[1]);
	return r;
}

/* --- after the strike --------------------------------------------------------------------------
 */

static bool is_struck(const struct life *l, enum role role)
{
	return l->strike->set & ROLE_BIT(role);
}

/* A saver that is killed costs a save and no more: the session goes on. */
static bool strike_locks(const struct life *l)
{
	if (l->strike->signal == SIGSTOP)
		return !l->strike->alone;
	return l->strike->set != ROLE_BIT(ROLE_SAVER);
}

/* Somebody is stopped: ask for the lock, and count from there. */
static void ask_lock(struct life *l)
{
	struct res_lock res;

	if (is_struck(l, ROLE_KEEPER))
		kill(l->s->keeper, SIGCONT);
	l->measure_ns = io_boottime_ns();
	l->locker = fork();
	if (l->locker == 0)
		_exit(client_lock(&res, NULL) < 0 && res.op != RES_LOCK ? 1 : 0);
}

static void watch(struct life *l)
{
	uint64_t struck = tracer_struck(l->t, &l->res->at);
	const char *left;
	int status;

	if (!struck || !strike_locks(l) || l->measured)
		return;
	if (l->strike->signal == SIGSTOP && !l->locker) {
		if (ms_since(struck) >= STOPPED_MS)
			ask_lock(l);
		return;
	}
	if (l->strike->signal == SIGKILL)
		l->measure_ns = struck;
	left = kernel_left(!is_struck(l, ROLE_KEEPER) || l->strike->signal == SIGSTOP);
	l->res->clean_ms = ms_since(l->measure_ns);
	l->res->late = l->res->clean_ms > SCENE_BOUND_MS;
	if (left && l->res->clean_ms <= SCENE_HANG_MS)
		return;
	if (left)
		fail(l->res, "after 10 s there is still ", left);
	l->measured = true;
	if (l->locker && !tracer_status(l->t, l->locker, &status))
		l->measure_ns = io_boottime_ns();
}

/* Those that were stopped go on, once the lock has been reported, or was waited for long enough. */
static bool wake_stopped(struct life *l)
{
	int status;

	if (!l->locker)
		return true;
	if (!tracer_status(l->t, l->locker, &status)) {
		if (ms_since(l->measure_ns) < LOCK_REPLY_MS)
			return false;
		fail(l->res, "the lock was never reported", "");
		kill(l->locker, SIGKILL);
	} else if (status) {
		fail(l->res, "the lock ended without a report", "");
	}
	tracer_wake(l->t);
	l->locker = 0;
	return true;
}

static bool is_over(struct life *l)
{
	uint64_t struck = tracer_struck(l->t, NULL);
	int status;

	if (struck && strike_locks(l) && (!l->measured || !wake_stopped(l)))
		return false;
	return tracer_status(l->t, l->client, &status);
}

static void live(struct life *l)
{
	uint64_t since = io_boottime_ns();

	while (!is_over(l)) {
		if (ms_since(since) > LIFE_MS) {
			fail(l->res, "the session hangs", "");
			kill(l->client, SIGKILL);
			return;
		}
		while (tracer_poll(l->t))
			;
		watch(l);
		nap();
	}
}

/* --- the end -----------------------------------------------------------------------------------
 */

/* In an own process: what hangs there hangs alone. */
static bool door_answers(void)
{
	uint64_t since = io_boottime_ns();
	int status = 1;
	pid_t pid = fork();

	if (!pid)
		_exit(kernel_door_answers(DOOR) ? 0 : 1);
	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (ms_since(since) > SCENE_HANG_MS) {
			kill(pid, SIGKILL);
			return false;
		}
		nap();
	}
	return status == 0;
}

static void come_to_rest(struct scene_result *res)
{
	uint64_t since = io_boottime_ns();
	const char *left;

	while ((left = kernel_left(true)) && ms_since(since) < SCENE_HANG_MS)
		nap();
	if (left)
		fail(res, "at the end there is ", left);
	if (!door_answers())
		fail(res, "the mount point does not answer", "");
}

static void revive(struct scene *s, struct scene_result *res, const struct tracer *t)
{
	int status;

	if (!tracer_status(t, s->keeper, &status))
		return;
	if (!WIFSIGNALED(status))
		fail(res, "the keeper ended by itself", "");
	if (keeper_start(s) < 0)
		fail(res, "no new keeper starts", "");
}

void scene_play(struct scene *s, const struct strike *strike, struct scene_point *points,
		unsigned max, struct scene_result *ret)
{
	struct life l = { .s = s, .strike = strike, .res = ret, .points = points, .max = max };
	uint64_t since = io_boottime_ns();

	*ret = (struct scene_result){ 0 };
	l.t = tracer_new(strike, points ? on_point : NULL, &l);
	if (!l.t || follow(&l) < 0) {
		fail(ret, "it cannot be followed", "");
		tracer_free(l.t);
		return;
	}
	/* Nobody wants its points: it takes half the time when it is not stopped at each. */
	if (!strike->at && !points)
		tracer_let_go(l.t);
	live(&l);
	ret->struck = tracer_struck(l.t, &ret->at) != 0;
	ret->points = tracer_points(l.t);
	tracer_let_go(l.t);
	while (tracer_poll(l.t))
		;
	revive(s, ret, l.t);
	tracer_free(l.t);
	come_to_rest(ret);
	judge_promises(s, ret);
	ret->took_ms = ms_since(since);
}

struct scene *scene_new(const char *ack)
{
	struct scene *s = calloc(1, sizeof(*s));
	sigset_t set;

	if (!s)
		return NULL;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->ack = ack;
	s->promises = open(PROMISES, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (s->promises < 0 || fchmod(s->promises, 0666) < 0 || keeper_start(s) < 0) {
		perror("faults: start");
		free(s);
		return NULL;
	}
	return s;
}

void scene_free(struct scene *s)
{
	int status;

	kill(s->keeper, SIGTERM);
	waitpid(s->keeper, &status, 0);
	close(s->promises);
	free(s);
}

const char *phase_name(enum phase phase)
{
	static const char *const names[PHASES] = { "unlock", "use", "save", "lock" };

	return names[phase];
}
