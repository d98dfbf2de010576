#include "tazfs/explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tazfs/policy_why.h"

#define FACTS_ALL ~0u
#define SHOWN_MAX 8 /* rules that say why they do not decide */

struct text {
	char *buf;
	size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, t->size - t->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n < t->size - t->len ? (size_t)n : t->size - t->len - 1;
}

/* A program's path is for the eye only: rules look at the file. Control characters are not shown.
 */
static void say_program(struct text *t, const struct program *p)
{
	char path[512];

	if (!p->known || caller_exe(p, path, sizeof(path)) < 0)
		strcpy(path, "(the kernel does not tell what it runs)");
	for (char *c = path; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	say(t, "  %d %s%s\n", p->pid, path, p->script.ino ? " with a script" : "");
}

static void say_facts(struct text *t, const struct facts *f)
{
	say(t, "process %d: uid %u, %s, %s, %s, %s\n", f->n_chain ? f->chain[0].pid : 0, f->uid,
	    f->session ? "in a session" : "in no session",
	    f->tty ? "with a terminal" : "without a terminal", f->traced ? "traced" : "not traced",
	    f->clean_env ? "clean environment" : "environment that makes programs load code");
	if (f->open)
		say(t, "somebody outside of the session could trace it\n");
	for (unsigned i = 0; i < f->n_chain; i++)
		say_program(t, &f->chain[i]);
	if (!f->whole)
		say(t, "  (somebody in between has ended: it could be under anything)\n");
}

static void say_rule(struct text *t, const struct policy *p, unsigned line)
{
	const char *rule;
	size_t n = policy_line(p, line, &rule);

	say(t, "line %u: %.*s\n", line, (int)n, rule);
}

/* Rules for that path before the one that decides, which are for other callers. */
static void say_others(struct text *t, const struct policy *p, const struct facts *f,
		       const struct file_id *programs, unsigned before, unsigned may,
		       const char *path)
{
	unsigned shown = 0;

	for (unsigned line = 1; line < before && shown < SHOWN_MAX; line++) {
		struct policy_why why = policy_why(p, line, f, programs, may, path);

		if (why.why != WHY_CALLER)
			continue;
		say(t, "not line %u: %s %s\n", line, why.term, why.because);
		shown++;
	}
}

static void say_verdict(struct text *t, struct judge *j, const struct facts *f,
			const struct file_id *programs, unsigned may, const char *path)
{
	const struct policy *p = j->policy;
	struct policy_who who = former_who(j->former, p, f, programs);
	struct decision d = may ? policy_decide(p, &who, may, path) : policy_look(p, &who, path);
	unsigned lines = 1;
	size_t size;

	say(t, "%s\n", policy_verdict_name(d.verdict));
	if (d.line)
		say_rule(t, p, d.line);
	else
		say(t, "no rule fits\n");
	for (const char *c = policy_text(p, &size), *end = c + size; c < end; c++)
		lines += *c == '\n';
	say_others(t, p, f, programs, d.line ? d.line : lines + 1, may, path);
	if (policy_audit_only(p) && d.verdict != VERDICT_ALLOW)
		say(t, "and yet it is let through: the policy only records (audit-only)\n");
}

size_t explain(struct judge *j, const struct givens *givens, pid_t pid, unsigned may,
	       const char *path, char *buf, size_t size)
{
	struct text t = { .buf = buf, .size = size };
	struct caller caller;
	struct facts facts;
	int r = callers_facts(j->callers, pid, FACTS_ALL, &facts);

	if (r < 0) {
		say(&t, "deny\nprocess %d: %s\n", pid, strerror(-r));
		return t.len;
	}
	pthread_rwlock_rdlock(&j->lock);
	caller = caller_look(j->callers, pid);
	if (decide(&caller, givens) == ADMIT_NOBODY) {
		say(&t, "deny\nno rule lets in who is in no session, or could be traced from "
			"outside of it\n");
	} else if (!j->policy) {
		say(&t, "allow\nthere is no policy\n");
	} else {
		struct file_id programs[POLICY_PROGRAMS_MAX];

		if (judge_find_programs(j, programs))
			say_verdict(&t, j, &facts, programs, may, path);
		else
			say(&t, "deny\na program that the policy names cannot be looked at\n");
	}
	pthread_rwlock_unlock(&j->lock);
	say_facts(&t, &facts);
	return t.len;
}
