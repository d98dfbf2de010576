/*
 * What an audit may hold, in whatever order: the first line is a policy, and then fields that end
 * in NUL: an operation, a program, a script, a path. What is suggested is a policy that allows and
 * does nothing else, without anything that a terminal would obey.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tazfs/policy_parse.h"
#include "tazfs/suggest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *take(const char **at, const char *end)
{
	const char *text = *at, *nul = memchr(text, '\0', (size_t)(end - text));

	*at = nul ? nul + 1 : end;
	return text;
}

static void add_all(struct suggest *s, const char *at, const char *end)
{
	static const char *const ops[] = { "r", "w", "rwc", "d", "l", "look", "rwcdxl", "?" };

	for (unsigned i = 0; at < end; i++) {
		const char *op = take(&at, end);
		struct audit_record r = { .verdict = AUDIT_DENY + *op % 4,
					  .time_ns = i + 1,
					  .op = ops[*op & 7],
					  .rule = i & 3,
					  .session = 1 };

		r.exe = take(&at, end);
		r.script = take(&at, end);
		r.script = *r.script ? r.script : NULL;
		r.path = take(&at, end);
		if (suggest_add(s, &r) < 0)
			abort();
	}
}

static void check(const struct suggest *s)
{
	struct audit_out o = { .data = malloc(SUGGEST_TEXT_MAX), .room = SUGGEST_TEXT_MAX };
	struct policy_error err;
	struct policy *p = NULL;

	suggest_text(s, &o);
	if (o.full || policy_parse(o.data, o.n, &p, &err) < 0 || p->audit_only || p->audit_all ||
	    policy_rechecks(p))
		abort();
	for (unsigned i = 0; i < p->n_rules; i++)
		if (p->rules[i].verdict != VERDICT_ALLOW ||
		    p->rules[i].terms & ~(1u << TERM_SESSION | 1u << TERM_EXE | 1u << TERM_SCRIPT))
			abort();
	for (size_t i = 0; i < o.n; i++)
		if ((unsigned char)o.data[i] < ' ' && o.data[i] != '\n')
			abort();
	policy_free(p);
	free(o.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	const char *line;
	struct policy_error err;
	struct policy *p = NULL;
	struct suggest s;

	memcpy(text, data, size);
	text[size] = '\0';
	line = memchr(text, '\n', size);
	if (line && policy_parse(text, (size_t)(line - text), &p, &err) == 0) {
		suggest_init(&s, p, true, NULL);
		add_all(&s, line + 1, text + size);
		if (suggest_end(&s) < 0)
			abort();
		check(&s);
		suggest_done(&s);
	}
	policy_free(p);
	free(text);
	return 0;
}
