#include "tests/faults/tracer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"

#define TRACEES_MAX 256
#define ENDED_MAX   256
#define HIT_MAX	    16
#define OPTIONS                                                                                   \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | \
	 PTRACE_O_TRACEEXEC)

struct tracee {
	pid_t tid, tgid;
	enum role role;
	bool counts; /* it is past its dynamic linker */
};

struct tracer {
	struct strike strike;
	void (*on_point)(void *arg, unsigned n, const struct point *p);
	void *arg;
	struct tracee list[TRACEES_MAX];
	unsigned n, points;
	bool letting_go;
	uint64_t struck_ns;
	struct point struck_at;
	pid_t hit[HIT_MAX];
	unsigned n_hit;
	struct {
		pid_t pid;
		int status;
	} ended[ENDED_MAX];
	unsigned n_ended;
};

/* What only looks, waits, or concerns nobody but the caller. */
static const int noise[] = {
	SYS_brk,
	SYS_futex,
	SYS_clock_gettime,
	SYS_clock_nanosleep,
	SYS_nanosleep,
	SYS_getpid,
	SYS_gettid,
	SYS_getppid,
	SYS_getuid,
	SYS_geteuid,
	SYS_getgid,
	SYS_getegid,
	SYS_getresuid,
	SYS_getresgid,
	SYS_rt_sigaction,
	SYS_rt_sigprocmask,
	SYS_rt_sigreturn,
	SYS_sigaltstack,
	SYS_fstat,
	SYS_newfstatat,
	SYS_statx,
	SYS_stat,
	SYS_lstat,
	SYS_lseek,
	SYS_getrandom,
	SYS_mprotect,
	SYS_madvise,
	SYS_epoll_wait,
	SYS_poll,
	SYS_ppoll,
	SYS_select,
	SYS_pselect6,
	SYS_readlink,
	SYS_readlinkat,
	SYS_getdents64,
	SYS_access,
	SYS_faccessat,
	SYS_faccessat2,
	SYS_uname,
	SYS_arch_prctl,
	SYS_rseq,
	SYS_set_robust_list,
	SYS_set_tid_address,
	SYS_prlimit64,
	SYS_getrlimit,
	SYS_sched_yield,
	SYS_sched_getaffinity,
	SYS_wait4,
	SYS_waitid,
	SYS_rt_sigtimedwait,
	SYS_sysinfo,
	SYS_capget,
	SYS_timerfd_gettime,
	SYS_fcntl,
	SYS_statfs,
	SYS_fstatfs,
	SYS_getcwd,
	SYS_restart_syscall,
	SYS_gettimeofday,
	SYS_pread64,
	SYS_munmap,
	SYS_getxattr,
	SYS_mremap,
};

static bool matters(int nr)
{
	for (size_t i = 0; i < sizeof(noise) / sizeof(*noise); i++)
		if (noise[i] == nr)
			return false;
	return true;
}

struct tracer *tracer_new(const struct strike *strike,
			  void (*on_point)(void *arg, unsigned n, const struct point *p), void *arg)
{
	struct tracer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->strike = *strike;
	t->on_point = on_point;
	t->arg = arg;
	return t;
}

static struct tracee *find(struct tracer *t, pid_t tid)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->list[i].tid == tid)
			return &t->list[i];
	return NULL;
}

static pid_t tgid_of(pid_t tid)
{
	char path[40], text[2048], *at;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	if (io_read_text(-1, path, text, sizeof(text)) < 0)
		return tid;
	at = strstr(text, "\nTgid:");
	return at ? atoi(at + 6) : tid;
}

/* A thread has its process's role; a child has none before its exec, but what it does counts. */
static struct tracee *add(struct tracer *t, pid_t tid, bool counts)
{
	struct tracee *e = find(t, tid);
	pid_t tgid = tgid_of(tid);
	struct tracee *leader = find(t, tgid);

	if (e)
		return e;
	if (t->n == TRACEES_MAX)
		abort();
	e = &t->list[t->n++];
	*e = (struct tracee){ .tid = tid, .tgid = tgid, .counts = counts };
	if (tid != tgid && leader)
		e->role = leader->role;
	return e;
}

static void drop(struct tracer *t, pid_t tid)
{
	struct tracee *e = find(t, tid);

	if (e)
		*e = t->list[--t->n];
}

int tracer_add(struct tracer *t, pid_t pid)
{
	enum role role = role_of(pid);

	if (ptrace(PTRACE_SEIZE, pid, 0, OPTIONS) < 0)
		return -errno;
	add(t, pid, role != ROLE_NONE)->role = role;
	/* Seized, it runs on untold; from its first stop on each of its calls stops it. */
	return ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0 ? -errno : 0;
}

/* --- points ------------------------------------------------------------------------------------
 */

static unsigned alive(const struct tracer *t)
{
	unsigned set = 0;

	for (unsigned i = 0; i < t->n; i++)
		if (t->list[i].role)
			set |= ROLE_BIT(t->list[i].role);
	return set;
}

static void strike(struct tracer *t, const struct point *p)
{
	t->struck_ns = io_boottime_ns();
	t->struck_at = *p;
	for (unsigned i = 0; i < t->n && t->n_hit < HIT_MAX; i++)
		if (t->list[i].tid == t->list[i].tgid && t->strike.set & ROLE_BIT(t->list[i].role))
			t->hit[t->n_hit++] = t->list[i].tgid;
	for (unsigned i = 0; i < t->n_hit; i++)
		kill(t->hit[i], t->strike.signal);
	tracer_let_go(t);
}

static void at_point(struct tracer *t, const struct tracee *e, int nr)
{
	struct point p = { .alive = alive(t), .caller = e->role, .syscall = nr };

	t->points++;
	if (t->on_point)
		t->on_point(t->arg, t->points, &p);
	if (t->strike.at && !t->struck_ns && t->points >= t->strike.at &&
	    (p.alive & t->strike.set) == t->strike.set)
		strike(t, &p);
}

static void on_syscall(struct tracer *t, struct tracee *e)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, e->tid, sizeof(info), &info) < 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	/* The linker's last act is to unmap its cache of libraries. */
	if (info.entry.nr == SYS_munmap)
		e->counts = true;
	if (e->counts && !t->letting_go && matters(info.entry.nr))
		at_point(t, e, info.entry.nr);
}

/* --- events ------------------------------------------------------------------------------------
 */

/* Its other threads are gone, and it has the process's number now. Returns false: none of ours. */
static bool on_exec(struct tracer *t, pid_t pid)
{
	struct tracee *e;

	for (unsigned i = t->n; i-- > 0;)
		if (t->list[i].tgid == pid && t->list[i].tid != pid)
			drop(t, t->list[i].tid);
	e = add(t, pid, false);
	e->role = role_of(pid);
	e->counts = false;
	if (e->role && !t->letting_go)
		at_point(t, e, SYS_execve);
	return e->role != ROLE_NONE;
}

static void go_on(struct tracer *t, pid_t tid, bool keep, int sig)
{
	if (keep && !t->letting_go) {
		ptrace(PTRACE_SYSCALL, tid, 0, sig);
	} else {
		ptrace(PTRACE_DETACH, tid, 0, sig);
		drop(t, tid);
	}
}

static void on_stop(struct tracer *t, pid_t tid, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;
	struct tracee *e = find(t, tid);
	bool keep = true;

	/* A new child's first stop may come before its parent tells of it. */
	if (!e)
		e = add(t, tid, true);
	if (event == PTRACE_EVENT_STOP && sig != SIGTRAP) {
		/* A group stop: let go of, it stays stopped. */
		if (!t->letting_go) {
			ptrace(PTRACE_LISTEN, tid, 0, 0);
			return;
		}
		sig = 0;
	} else if (sig == (SIGTRAP | 0x80)) {
		on_syscall(t, e);
		sig = 0;
	} else if (event) {
		if (event == PTRACE_EVENT_EXEC)
			keep = on_exec(t, tid);
		sig = 0;
	}
	go_on(t, tid, keep, sig);
}

static void on_end(struct tracer *t, pid_t tid, int status)
{
	drop(t, tid);
	if (t->n_ended < ENDED_MAX) {
		t->ended[t->n_ended].pid = tid;
		t->ended[t->n_ended++].status = status;
	}
}

bool tracer_poll(struct tracer *t)
{
	int status;
	pid_t tid = waitpid(-1, &status, __WALL | WNOHANG);

	if (tid <= 0)
		return false;
	if (WIFSTOPPED(status))
		on_stop(t, tid, status);
	else
		on_end(t, tid, status);
	return true;
}

void tracer_let_go(struct tracer *t)
{
	if (t->letting_go)
		return;
	t->letting_go = true;
	for (unsigned i = 0; i < t->n; i++)
		ptrace(PTRACE_INTERRUPT, t->list[i].tid, 0, 0);
}

void tracer_free(struct tracer *t)
{
	uint64_t end = io_boottime_ns() + 5000000000ULL;
	const struct timespec ms = { .tv_nsec = 1000000 };

	if (!t)
		return;
	tracer_let_go(t);
	while (t->n && io_boottime_ns() < end)
		if (!tracer_poll(t))
			nanosleep(&ms, NULL);
	free(t);
}

uint64_t tracer_struck(const struct tracer *t, struct point *ret_point)
{
	if (ret_point)
		*ret_point = t->struck_at;
	return t->struck_ns;
}

void tracer_wake(struct tracer *t)
{
	for (unsigned i = 0; i < t->n_hit; i++)
		kill(t->hit[i], SIGCONT);
}

unsigned tracer_points(const struct tracer *t)
{
	return t->points;
}

bool tracer_status(const struct tracer *t, pid_t pid, int *ret_status)
{
	for (unsigned i = t->n_ended; i-- > 0;)
		if (t->ended[i].pid == pid) {
			*ret_status = t->ended[i].status;
			return true;
		}
	return false;
}
