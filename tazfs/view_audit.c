/* What a view records of its decisions, and when that is written (audit.h). */
#include "tazfs/view.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/proc.h"
#include "tazfs/own.h"

#define EXE_BYTES 256 /* of a program's path, for the eye */

void view_audit_start(struct view *v)
{
	autoclose int folder = own_folder(v->rootfd);
	int r = folder < 0 ? folder : audit_new(folder, NULL, &v->audit);

	if (r < 0)
		log_err(r, "open the audit of the vault: nothing is recorded");
}

/* --- one decision ------------------------------------------------------------------------------
 */

static enum audit_verdict verdict_of(enum verdict verdict)
{
	static const enum audit_verdict table[] = {
		[VERDICT_DENY] = AUDIT_DENY,   [VERDICT_HIDE] = AUDIT_HIDE,
		[VERDICT_DECOY] = AUDIT_DECOY, [VERDICT_ASK] = AUDIT_ASK,
		[VERDICT_ALLOW] = AUDIT_ALLOW,
	};

	return table[verdict];
}

/* The letters of the policy, or "look". */
static const char *operation(unsigned may, char buf[8])
{
	static const char letters[] = "rwcdxl";
	char *at = buf;

	for (int i = 0; letters[i]; i++)
		if (may & (1u << i))
			*at++ = letters[i];
	*at = '\0';
	return may ? buf : "look";
}

struct describe {
	struct view *v;
	pid_t tid;
	char tty[16];
	char exe[FACTS_CHAIN_MAX][EXE_BYTES];
};

static const char *exe_of(pid_t pid, char buf[EXE_BYTES])
{
	autoclose int procfd = proc_open(pid);
	ssize_t n = procfd < 0 ? -1 : readlinkat(procfd, "exe", buf, EXE_BYTES - 1);

	if (n < 0)
		return NULL;
	buf[n] = '\0';
	return buf;
}

static void describe(struct audit_record *r, void *arg)
{
	struct describe *d = arg;
	struct facts facts;

	if (callers_facts(d->v->callers, d->tid, FACT_EXE | FACT_CHAIN, &facts) < 0)
		return;
	r->pid = facts.chain[0].pid;
	r->exe = exe_of(facts.chain[0].pid, d->exe[0]);
	for (unsigned i = 1; i < facts.n_chain && r->n_chain < AUDIT_CHAIN_MAX; i++)
		r->chain[r->n_chain++] =
			(struct audit_program){ .pid = facts.chain[i].pid,
						.exe = exe_of(facts.chain[i].pid, d->exe[i]) };
}

/*
 * Refusals, whatever they are about; and what was allowed when the policy asks for it, but for
 * looks: each open begins with several.
 */
static bool is_recorded(const struct judgement *j, const struct judge_request *req)
{
	if (j->decision.verdict != VERDICT_ALLOW)
		return true;
	return j->records_all && req->may && !req->unrecorded;
}

/* Differs once the process runs another program: what that one does is a record of its own. */
static uint64_t program_of(pid_t tid)
{
	autoclose int procfd = proc_open(tid);
	struct stat st;

	if (procfd < 0 || fstatat(procfd, "exe", &st, 0) < 0)
		return 0;
	return ((uint64_t)st.st_dev << 40) ^ st.st_ino;
}

void view_note(struct view *v, pid_t tid, const struct judge_request *req,
	       const struct judgement *j)
{
	char path[PATH_MAX], op[8];
	struct describe d = { .v = v, .tid = tid };
	struct audit_record r = {
		.verdict = verdict_of(j->decision.verdict),
		.by = j->granted && j->decision.verdict != VERDICT_ALLOW ? AUDIT_BY_NOBODY
									 : AUDIT_BY_RULE,
		.rule = j->decision.line,
		.op = operation(req->may, op),
		.pid = tid,
		.session = j->session,
		.start = j->start,
	};

	if (!v->audit || !is_recorded(j, req))
		return;
	if (judge_path(&v->judge, req, path, sizeof(path)) < 0)
		strcpy(path, "/"); /* it has no name any more */
	r.path = path;
	r.program = program_of(tid);
	atomic_store_explicit(&v->noted, true, memory_order_relaxed);
	audit_note(v->audit, &r, describe, &d);
}

/* --- when it is written ------------------------------------------------------------------------
 */

void view_audit_flush(struct view *v)
{
	int r;

	if (!v->audit || !atomic_load(&v->noted))
		return;
	view_changed(v);
	if (!gate_enter(&v->gate))
		return; /* after the save, then */
	atomic_store(&v->noted, false);
	r = audit_flush(v->audit);
	gate_leave(&v->gate);
	if (r < 0)
		log_err(r, "write the audit; it is kept in memory");
}

void view_audit_end(struct view *v)
{
	int r;

	if (!v->audit)
		return;
	if (atomic_load(&v->noted))
		view_changed(v);
	r = audit_end(v->audit);
	if (r < 0)
		log_err(r, "write the last of the audit");
}
