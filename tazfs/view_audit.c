/* What a view records of its decisions, and when that is written (audit.h). */
#include "tazfs/view.h"

#include <limits.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/proc.h"
#include "tazfs/own.h"
#include "tazfs/peek.h"

_Static_assert(VERDICT_ALLOW + AUDIT_DENY == AUDIT_ALLOW &&
		       VERDICT_HIDE + AUDIT_DENY == AUDIT_HIDE &&
		       VERDICT_DECOY + AUDIT_DENY == AUDIT_DECOY &&
		       VERDICT_ASK + AUDIT_DENY == AUDIT_ASK,
	       "the audit's verdicts are the policy's, with one for none before them");

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

/* The letters of the policy, or "look". */
static const char *operation(unsigned may, char buf[8])
{
	char *at = buf;

	for (int i = 0; POLICY_LETTERS[i]; i++)
		if (may & (1u << i))
			*at++ = POLICY_LETTERS[i];
	*at = '\0';
	return may ? buf : "look";
}

struct describe {
	struct view *v;
	pid_t tid;
	struct caller_text text;
	char exe[FACTS_CHAIN_MAX][EXE_BYTES];
};

static const char *exe_of(const struct program *p, char buf[EXE_BYTES])
{
	return caller_exe(p, buf, EXE_BYTES) < 0 ? NULL : buf;
}

static void describe(struct audit_record *r, void *arg)
{
	struct describe *d = arg;
	struct facts facts;

	if (callers_facts(d->v->callers, d->tid, FACT_EXE | FACT_SCRIPT | FACT_CHAIN, &facts) < 0)
		return;
	r->pid = facts.chain[0].pid;
	r->exe = exe_of(&facts.chain[0], d->exe[0]);
	if (facts.chain[0].script.ino && caller_text(&facts.chain[0], &d->text) == 0 &&
	    *d->text.script)
		r->script = d->text.script;
	r->doubt = r->script && facts.chain[0].doubt;
	for (unsigned i = 1; i < facts.n_chain && r->n_chain < AUDIT_CHAIN_MAX; i++)
		r->chain[r->n_chain++] =
			(struct audit_program){ .pid = facts.chain[i].pid,
						.exe = exe_of(&facts.chain[i], d->exe[i]) };
}

/*
 * Refusals, whatever they are about; and what was allowed when the policy asks for it, but for
 * looks: each open begins with several, and what is decided again each read and write of an open
 * file.
 */
static bool is_recorded(const struct judgement *j, const struct judge_request *req)
{
	/* Also when audit-only lets it pass: who reads the record to its end would never get there.
	 */
	if (req->unrecorded && j->granted)
		return false;
	if (j->by && j->granted && req->again)
		return false;
	if (j->decision.verdict != VERDICT_ALLOW)
		return true;
	return j->records_all && req->may && !req->again;
}

/* Differs once the process runs another program: what that one does is a record of its own. */
static uint64_t program_of(pid_t tid)
{
	autoclose int procfd = proc_open(tid);
	struct peek_exe exe;

	if (procfd < 0 || peek_exe(procfd, &exe) < 0)
		return 0;
	return exe.id.dev << 40 ^ exe.id.ino;
}

static void record(struct view *v, pid_t tid, const struct judge_request *req,
		   const struct judgement *j)
{
	bool refused = j->decision.verdict != VERDICT_ALLOW;
	enum verdict asked = j->granted ? VERDICT_ALLOW : VERDICT_DENY;
	char path[PATH_MAX], op[8];
	struct describe d;
	struct audit_record r = {
		.verdict = (j->by ? asked : j->decision.verdict) + AUDIT_DENY,
		.by = j->by		      ? j->by
		      : j->granted && refused ? AUDIT_BY_NOBODY
					      : AUDIT_BY_RULE,
		.rule = j->decision.line,
		.op = operation(req->may, op),
		.path = path,
		.pid = tid,
		.session = j->session,
		.start = j->start,
		.program = program_of(tid),
	};

	d.v = v;
	d.tid = tid;
	judge_path(&v->judge, req, path, sizeof(path));
	atomic_store_explicit(&v->noted, true, memory_order_relaxed);
	audit_note(v->audit, &r, describe, &d);
}

/* Nearly every decision is none for the record: what one needs is not made ready before. */
void view_note(struct view *v, pid_t tid, const struct judge_request *req,
	       const struct judgement *j)
{
	if (v->audit && is_recorded(j, req))
		record(v, tid, req, j);
}

void view_audit_say(struct view *v, const char *text)
{
	if (!v->audit)
		return;
	audit_say(v->audit, text);
	atomic_store(&v->noted, true);
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
