/* The rules that are suggested, as a policy with comments. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tazfs/policy_names.h"
#include "tazfs/policy_parse.h"
#include "tazfs/policy_why.h"
#include "tazfs/suggest.h"

#define PATHS_SHOWN 8	 /* of those that no rule can say */
#define LINES_SHOWN 3	 /* of the policy's, for one rule */
#define NAME_BYTES  200	 /* of a name in a comment */
#define LAST_BYTES  1024 /* kept for the last comment */
#define ENTRY_BYTES POLICY_BYTES_MAX

static void put_may(struct audit_out *o, unsigned may)
{
	if (may == MAY_ALL) {
		audit_puts(o, "-");
		return;
	}
	for (unsigned i = 0; POLICY_LETTERS[i]; i++)
		if (may >> i & 1)
			audit_put(o, &POLICY_LETTERS[i], 1);
}

/* The parser's word is the last one. */
static bool is_rule(const char *text, size_t size)
{
	struct policy_error err;
	struct policy *p = NULL;
	bool good = policy_parse(text, size, &p, &err) == 0 && policy_rules(p) == 1 &&
		    p->rules[0].verdict == VERDICT_ALLOW;

	policy_free(p);
	return good;
}

int suggest_put_rule(struct audit_out *o, const struct suggest_entry *e)
{
	size_t from = o->n;
	unsigned n = 0;

	audit_puts(o, "allow  session ");
	suggest_put_word(o, "exe=", e->exe, strlen(e->exe), "");
	if (e->script) {
		audit_puts(o, " ");
		suggest_put_word(o, "script=", e->script, strlen(e->script), "");
	} else if (policy_interpreter(e->exe)) {
		audit_puts(o, " interpreter-ok");
	}
	audit_puts(o, "  ");
	put_may(o, e->may);
	audit_puts(o, " ");
	for (size_t i = 0; i < e->n; i++) {
		audit_puts(o, " ");
		n += suggest_put_unit(o, &e->units[i]);
	}
	return o->full || !is_rule(o->data + from, o->n - from) ? -EINVAL : (int)n;
}

/* --- comments -----------------------------------------------------------------------------------
 */

/* In seconds, in UTC: the same wherever it is read. */
static void put_when(struct audit_out *o, uint64_t ns)
{
	char text[64];
	struct audit_out t = { .data = text, .room = sizeof(text) };

	audit_put_time(&t, ns);
	audit_put(o, text, t.n > 19 ? 19 : t.n);
	audit_puts(o, "Z");
}

/* Cut when it is very long, before its bytes become text. */
static void put_name(struct audit_out *o, const char *name, size_t len)
{
	char text[NAME_BYTES + 4];

	if (len > NAME_BYTES) {
		memcpy(text, name, NAME_BYTES);
		strcpy(text + NAME_BYTES, "...");
	} else {
		memcpy(text, name, len);
		text[len] = '\0';
	}
	audit_put_name(o, text);
}

static void put_times(struct audit_out *o, uint64_t count, uint64_t last_ns)
{
	audit_put_number(o, count);
	audit_puts(o, count == 1 ? " time, last " : " times, last ");
	put_when(o, last_ns);
}

static void put_line(struct audit_out *o, const struct policy *p, unsigned line, const char *says)
{
	const char *text;
	size_t n = policy_line(p, line, &text);

	audit_puts(o, "# line ");
	audit_put_number(o, line);
	audit_puts(o, says);
	put_name(o, text, n);
	audit_puts(o, "\n");
}

/* Rules of the policy that refuse something of this to somebody, by name. */
static void put_refusing(struct audit_out *o, const struct policy *p, const struct suggest_entry *e)
{
	unsigned shown = 0, lines[LINES_SHOWN];

	for (size_t i = 0; i < e->n && shown < LINES_SHOWN; i++) {
		const struct suggest_unit *u = &e->units[i];
		char *path = strndup(u->path, u->len);
		unsigned line = 0;

		while (path && shown < LINES_SHOWN &&
		       (line = policy_refuses_at(p, path, u->shape != SUGGEST_SELF, line))) {
			bool again = line == e->line;

			for (unsigned k = 0; k < shown; k++)
				again |= lines[k] == line;
			if (again)
				continue;
			lines[shown++] = line;
			put_line(o, p, line, " refuses by name, put this rule after it: ");
		}
		free(path);
	}
}

static void put_widened(struct audit_out *o, const struct suggest_entry *e)
{
	bool listed = false, looked = false;

	for (size_t i = 0; i < e->n; i++) {
		const struct suggest_unit *u = &e->units[i];

		listed |= u->shape == SUGGEST_LISTED;
		looked |= u->looked;
		if (!u->folded)
			continue;
		audit_puts(o, "# ");
		put_name(o, u->path, u->len);
		audit_puts(o, "/** stands for ");
		audit_put_number(o, u->uses);
		audit_puts(o, " paths\n");
	}
	if (listed)
		audit_puts(o, "# who lists a directory sees the names in it\n");
	if (looked)
		audit_puts(o, "# names were looked at: l is the least that shows them\n");
}

static void put_notes(struct audit_out *o, const struct suggest *s, const struct suggest_entry *e)
{
	if (e->line && e->kind == SUGGEST_RULE)
		put_line(o, s->policy, e->line, " asks somebody: ");
	else if (e->line)
		put_line(o, s->policy, e->line, ": ");
	put_refusing(o, s->policy, e);
	put_widened(o, e);
}

/* --- entries ------------------------------------------------------------------------------------
 */

static void put_caller(struct audit_out *o, const struct suggest_entry *e)
{
	if (!e->exe) {
		audit_puts(o, "?");
		return;
	}
	put_name(o, e->exe, strlen(e->exe));
	if (e->script) {
		audit_puts(o, " ");
		put_name(o, e->script, strlen(e->script));
	}
}

static void put_none(struct audit_out *o, const struct suggest_entry *e, const char *why)
{
	audit_puts(o, "# ");
	put_caller(o, e);
	audit_puts(o, ": ");
	audit_puts(o, why);
	audit_puts(o, " (");
	put_times(o, e->count, e->last_ns);
	audit_puts(o, "):");
	for (size_t i = 0; i < e->n && i < PATHS_SHOWN; i++) {
		audit_puts(o, " ");
		put_name(o, e->units[i].len ? e->units[i].path : ".",
			 e->units[i].len ? e->units[i].len : 1);
	}
	if (e->n > PATHS_SHOWN) {
		audit_puts(o, " and ");
		audit_put_number(o, e->n - PATHS_SHOWN);
		audit_puts(o, " more");
	}
	audit_puts(o, "\n");
}

/* Returns the paths of a rule that is in force, or 0. */
static unsigned put_entry(struct audit_out *o, const struct suggest *s,
			  const struct suggest_entry *e)
{
	size_t from = o->n;
	int n;

	if (e->kind == SUGGEST_NONE) {
		put_none(o, e, e->why);
		return 0;
	}
	audit_puts(o, "# ");
	put_times(o, e->count, e->last_ns);
	if (e->why) {
		audit_puts(o, "; ");
		audit_puts(o, e->why);
	}
	audit_puts(o, "\n");
	put_notes(o, s, e);
	audit_puts(o, e->kind == SUGGEST_RULE ? "" : "# ");
	n = suggest_put_rule(o, e);
	audit_puts(o, "\n");
	if (n > 0 || o->full)
		return n > 0 && e->kind == SUGGEST_RULE ? (unsigned)n : 0;
	o->n = from;
	put_none(o, e, "no rule of the language says that");
	return 0;
}

static const char *const headings[SUGGEST_KINDS] = {
	[SUGGEST_INTERPRETER] =
		"# Interpreters do what a file says, and which one is not certain here: a rule for\n"
		"# them is one for whatever they are told. Take the '#' away if you mean that.\n",
	[SUGGEST_PURPOSE] =
		"# The policy refuses these on purpose. Take the '#' away if it should not.\n",
	[SUGGEST_NONE] = "# No rule can allow these:\n",
};

static void put_purposes(struct audit_out *o, const struct policy *p)
{
	unsigned shown = 0;

	for (unsigned line = 1; line <= policy_last_line(p); line++) {
		if (!policy_on_purpose(p, line))
			continue;
		audit_puts(o, shown++ ? ", "
				      : "# In a policy they belong after what refuses on purpose, "
					"now line ");
		audit_put_number(o, line);
	}
	audit_puts(o, shown ? ".\n" : "");
}

static void put_counted(struct audit_out *o, uint64_t n, const char *what)
{
	if (!n)
		return;
	audit_puts(o, "# ");
	audit_put_number(o, n);
	audit_puts(o, what);
}

static void put_head(struct audit_out *o, const struct suggest *s)
{
	audit_puts(o, "# Suggested by \"tazfs policy suggest\"");
	if (!s->refused) {
		audit_puts(o, ": nothing was refused.\n");
		return;
	}
	audit_puts(o, " from what was refused, or only recorded, between\n# ");
	put_when(o, s->since_ns);
	audit_puts(o, " and ");
	put_when(o, s->until_ns);
	audit_puts(o, ". Read each rule: whatever ran in that time is in here.\n");
	put_purposes(o, s->policy);
	put_counted(o, s->allowed, " of these decisions the policy allows now.\n");
	put_counted(o, s->rest, " are not here: the audit had no room for them one by one.\n");
}

/* What is used up of a policy's limits. */
struct used {
	unsigned rules, paths, left_out;
};

/* Made beside @o, and taken when it fits. */
static bool take_entry(struct audit_out *o, const struct suggest *s, const struct suggest_entry *e,
		       struct audit_out *beside, struct used *used, bool heading)
{
	unsigned paths;

	*beside = (struct audit_out){ .data = beside->data, .room = ENTRY_BYTES };
	audit_puts(beside, heading || e->kind != SUGGEST_NONE ? "\n" : "");
	audit_puts(beside, heading && headings[e->kind] ? headings[e->kind] : "");
	paths = put_entry(beside, s, e);
	if (beside->full || beside->n > o->room - o->n - LAST_BYTES ||
	    used->rules + !!paths > POLICY_RULES_MAX || used->paths + paths > POLICY_GLOBS_MAX)
		return false;
	audit_put(o, beside->data, beside->n);
	used->rules += !!paths;
	used->paths += paths;
	return true;
}

unsigned suggest_text(const struct suggest *s, struct audit_out *o)
{
	struct audit_out beside = { .data = malloc(ENTRY_BYTES) };
	bool begun[SUGGEST_KINDS] = { [SUGGEST_RULE] = true };
	struct used used = { 0 };

	put_head(o, s);
	for (size_t i = 0; i < s->n; i++) {
		const struct suggest_entry *e = &s->entries[i];

		if (beside.data && take_entry(o, s, e, &beside, &used, !begun[e->kind]))
			begun[e->kind] = true;
		else
			used.left_out++;
	}
	put_counted(o, used.left_out,
		    " more had no room here: look at less of the audit (--since).\n");
	free(beside.data);
	return used.left_out;
}
