#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "tazfs/caller_priv.h"

#define DEPTH 256 /* no process has that many ancestors; a loop is refused */

static bool find(struct ask *a, pid_t pid, int depth, struct kin *ret);

static void read_script(void *arg, int procfd)
{
	struct run *run = arg;

	run->image = script_image(procfd);
	script_read(procfd, &run->script);
}

void kin_run(struct ask *a, int procfd, struct run *ret)
{
	*ret = (struct run){ .script.doubt = true };
	if (peek_exe(procfd, &ret->exe) < 0 || !(a->needs & FACT_SCRIPT))
		return;
	ret->interpreter = script_is_possible(procfd);
	ret->script.doubt = ret->interpreter;
	if (ret->interpreter)
		ask_slow(a, read_script, ret, procfd);
}

static void read_image(void *arg, int procfd)
{
	*(uint64_t *)arg = script_image(procfd);
}

/* An interpreter that became another one, of the same executable, runs another script. */
static bool is_image_still(struct ask *a, const struct kin *kin)
{
	autoclose int procfd = -EBADF;
	uint64_t image = 0;

	if (!(a->needs & FACT_CHAIN) || !(a->needs & FACT_SCRIPT) || !kin->run.interpreter)
		return true;
	procfd = proc_open(kin->pid);
	return procfd >= 0 && ask_slow(a, read_image, &image, procfd) && image &&
	       image == kin->run.image;
}

bool kin_recall(struct ask *a, pid_t pid, struct kin *ret)
{
	return known_recall_kin(a, pid, ret) && is_image_still(a, ret);
}

/*
 * The command of a leader is the first of its children: the kernel lists them oldest first, and
 * adds those that it hands over at the end. The leader reaps its command last of all.
 * Source: proc(5) /proc/PID/task/TID/children; reparent_leader() in kernel/exit.c. A kernel without
 * that file (CONFIG_PROC_CHILDREN) has no chain that is whole.
 */
static bool is_command(pid_t pid, pid_t leader)
{
	autoclose int fd = -EBADF;
	char text[64];
	ssize_t n;

	snprintf(text, sizeof(text), "/proc/%d/task/%d/children", leader, leader);
	fd = open(text, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -errno : io_read_full(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return strtol(text, NULL, 10) == pid;
}

/*
 * The parent's facts count only if it is still the parent after they were read: a pid is given to
 * another process only after its owner has died, and then the child has been handed to an older
 * ancestor, which never has the same number.
 */
static void find_parent(struct ask *a, int procfd, const struct proc_stat *child, int depth,
			struct kin *ret)
{
	struct sessions *sessions = a->c->sessions;
	struct proc_stat st = *child;

	for (int i = 0; i < CALLER_TRIES && st.ppid > 0; i++) {
		pid_t ppid = st.ppid;
		struct kin parent;
		bool found = find(a, ppid, depth + 1, &parent);
		bool orphan = found && parent.leads &&
			      sessions_kind(sessions, parent.session) & SESSION_COMMAND &&
			      !is_command(child->pid, ppid);

		if (proc_stat_read(procfd, &st) < 0 || st.start != child->start)
			return;
		if (st.ppid != ppid)
			continue;
		if (found && parent.start <= st.start) {
			ret->session = parent.session;
			ret->ppid = ppid;
			ret->pstart = parent.start;
			ret->orphan = orphan;
		}
		return;
	}
}

static bool find(struct ask *a, pid_t pid, int depth, struct kin *ret)
{
	autoclose int procfd = -EBADF;
	struct known k = { .tid = pid, .needs = a->needs };
	struct proc_stat st;

	if (depth > DEPTH)
		return false;
	if (kin_recall(a, pid, ret))
		return true;
	k.generation = sessions_generation(a->c->sessions);
	procfd = proc_open(pid);
	if (procfd < 0 || proc_stat_read(procfd, &st) < 0)
		return false;
	k.kin = (struct kin){ .pid = pid, .start = st.start };
	k.kin.session = sessions_find(a->c->sessions, pid, st.start);
	k.kin.leads = k.kin.session != 0;
	if (a->needs & FACT_CHAIN)
		kin_run(a, procfd, &k.kin.run);
	if (!k.kin.leads)
		find_parent(a, procfd, &st, depth, &k.kin);
	*ret = k.kin;
	known_remember(a, &k, &procfd);
	return true;
}

bool kin_find(struct ask *a, pid_t pid, struct kin *ret)
{
	return find(a, pid, 0, ret);
}

void kin_add(struct facts *f, const struct kin *kin, const struct run *run)
{
	f->chain[f->n_chain++] = (struct program){
		.pid = kin->pid,
		.start = kin->start,
		.known = run->exe.id.ino != 0,
		.exe = run->exe.id,
		.script = run->script.id,
		.doubt = run->script.doubt,
		.interpreter = run->interpreter,
		.script_changed_ns = run->script.changed_ns,
	};
}

/* A leader that is "enclave session" is left out: it is our own program, which shows itself to
 * nobody. */
void kin_add_ancestors(struct ask *a, const struct kin *self, struct facts *f)
{
	bool command = sessions_kind(a->c->sessions, self->session) & SESSION_COMMAND;
	struct kin kin = *self;
	bool gap = false;

	while (kin.session && !kin.leads) {
		uint64_t pstart = kin.pstart;

		gap |= kin.orphan;
		if (!kin.ppid || !kin_find(a, kin.ppid, &kin) || kin.start != pstart)
			return;
		if (kin.leads && command)
			break;
		if (f->n_chain == FACTS_CHAIN_MAX)
			return;
		kin_add(f, &kin, &kin.run);
	}
	f->whole = kin.session && !gap;
}
