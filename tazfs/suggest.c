#include "tazfs/suggest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tazfs/policy_names.h"
#include "tazfs/policy_parse.h"

/* One record, and what is made of it. */
struct suggest_item {
	enum suggest_kind kind;
	const char *why;
	unsigned line;
	char *exe, *script, *path; /* one allocation, which @exe or else @path is the begin of */
	char *mem;
	unsigned may;
	uint64_t count, last_ns;
	bool dropped, doubt, answered;
	/* As it was decided, and as it would be now. */
	unsigned replaced;
	struct decision was, now;
	unsigned conditions;
};

void suggest_init(struct suggest *s, const struct policy *policy, bool in_force,
		  suggest_wrong_t *wrong)
{
	size_t size;
	const char *text = policy_text(policy, &size);

	*s = (struct suggest){ .policy = policy, .in_force = in_force, .wrong = wrong };
	policy_sum(text, size, s->hash);
}

void suggest_done(struct suggest *s)
{
	for (size_t i = 0; i < s->n_items; i++)
		free(s->items[i].mem);
	for (size_t i = 0; i < s->n_units; i++)
		free(s->units[i]);
	free(s->items);
	free(s->units);
	free(s->uses);
	free(s->entries);
	*s = (struct suggest){ 0 };
}

/* --- what can be no rule ------------------------------------------------------------------------
 */

static bool ends(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

/* Of a program's path: it is written as it is, or not at all. */
static bool is_plain(const char *text)
{
	for (size_t n; *text; text += n) {
		n = *text == '\\' ? 1 : audit_plain(text);
		if (!n)
			return false;
	}
	return true;
}

static const char *wrong_file(const char *path)
{
	if (ends(path, " (deleted)"))
		return "its program was deleted or replaced while it ran";
	if (*path != '/')
		return "its program is not at a path of the file system";
	if (ends(path, "..."))
		return "the path of its program or script is longer than the audit keeps";
	return is_plain(path) ? NULL
			      : "the path of its program or script has characters that no "
				"policy can hold";
}

/* A script means something with an interpreter only, and when it is no guess. */
static bool is_certain(const struct suggest_item *i)
{
	return i->script && *i->script == '/' && !i->doubt && policy_interpreter(i->exe);
}

static const char *wrong_caller(const struct suggest *s, const struct suggest_item *i)
{
	const char *script, *why;

	if (!i->exe)
		return "what it ran is not known";
	script = is_certain(i) ? i->script : NULL;
	why = wrong_file(i->exe);
	if (!why && script)
		why = wrong_file(script);
	if (!why && s->wrong)
		why = s->wrong(i->exe, script);
	return why;
}

/* Would the parser take it as a path, and is it that path? */
static bool is_path(const char *path)
{
	char text[GLOB_BYTES_MAX + 16];
	struct audit_out o = { .data = text, .room = sizeof(text) - 1 };
	const struct suggest_unit unit = { .path = path,
					   .len = strlen(path),
					   .shape = SUGGEST_TREE };
	struct policy_error err;
	struct policy *p = NULL;
	bool good;

	audit_puts(&o, "allow any r ");
	suggest_put_unit(&o, &unit);
	good = !o.full && policy_parse(o.data, o.n, &p, &err) == 0 &&
	       policy_path(p, &p->rules[0], path, strlen(path));
	policy_free(p);
	return good;
}

static const char *wrong(const struct suggest *s, const struct audit_record *r,
			 const struct suggest_item *i)
{
	if (!r->session)
		return "it is in no session, or somebody outside could trace it: no rule lets it in";
	if (!r->path)
		return "so much was not kept one by one";
	if (!strcmp(r->path, "/"))
		return "the file had no name any more";
	if (!is_path(r->path) || (!*r->path && i->may == MAY_ALL))
		return "the path is longer or deeper than one in a policy can be";
	return wrong_caller(s, i);
}

/* --- a record -----------------------------------------------------------------------------------
 */

static struct program by_path(const struct policy *p, const char *path)
{
	return path ? (struct program){ .known = true, .exe = policy_by_path(p, path) }
		    : (struct program){ 0 };
}

/*
 * The caller again, as far as the record tells. What it does not tell is as it would have been good
 * for the caller: what then would be allowed was refused for another reason.
 */
static struct facts facts_of(const struct policy *p, const struct audit_record *r)
{
	struct facts f = { .session = r->session,
			   .uid = (uid_t)-1,
			   .tty = true,
			   .clean_env = true,
			   .whole = true,
			   .n_chain = 1 };

	f.chain[0] = by_path(p, r->exe);
	if (r->script)
		f.chain[0].script = policy_by_path(p, r->script);
	f.chain[0].doubt = r->doubt;
	for (uint32_t i = 0; i < r->n_chain && f.n_chain < FACTS_CHAIN_MAX; i++)
		f.chain[f.n_chain++] = by_path(p, r->chain[i].exe);
	return f;
}

static void decide_again(const struct policy *p, const struct audit_record *r,
			 struct suggest_item *i)
{
	struct file_id programs[POLICY_PROGRAMS_MAX];
	struct facts facts = facts_of(p, r);
	struct policy_who who;

	policy_all_by_path(p, programs);
	who = policy_who(p, &facts, programs);
	if (i->may == MAY_ALL)
		i->now = policy_decide_tree(p, &who, i->path);
	else if (i->may)
		i->now = policy_decide(p, &who, i->may, i->path);
	else
		i->now = policy_look(p, &who, i->path);
	i->conditions = policy_conditions(p, &facts, programs, i->may, i->path);
}

static char *put_copy(char **at, const char *text)
{
	char *copy = *at;

	if (!text)
		return NULL;
	strcpy(copy, text);
	*at += strlen(text) + 1;
	return copy;
}

static int copy_texts(struct suggest_item *i, const struct audit_record *r)
{
	const char *path = r->path ? r->path : "";
	char *at = malloc((r->exe ? strlen(r->exe) + 1 : 0) +
			  (r->script ? strlen(r->script) + 1 : 0) + strlen(path) + 1);

	if (!at)
		return -ENOMEM;
	i->mem = at;
	i->exe = put_copy(&at, r->exe);
	i->script = put_copy(&at, r->script);
	i->path = put_copy(&at, path);
	return 0;
}

static int add_item(struct suggest *s, const struct audit_record *r, unsigned may)
{
	struct suggest_item *i;
	int e = parse_room(&s->items, (unsigned)s->n_items, sizeof(*s->items));

	if (e < 0)
		return e;
	i = &s->items[s->n_items];
	*i = (struct suggest_item){
		.may = may,
		.count = r->count ? r->count : 1,
		.last_ns = r->last_ns ? r->last_ns : r->time_ns,
		.doubt = r->doubt,
		.answered = r->by == AUDIT_BY_ANSWER,
		.replaced = s->replaced,
		.was = { .verdict = r->verdict - AUDIT_DENY, .line = r->rule },
	};
	e = copy_texts(i, r);
	if (e < 0)
		return e;
	s->n_items++;
	i->why = wrong(s, r, i);
	if (i->why)
		i->kind = SUGGEST_NONE;
	else
		decide_again(s->policy, r, i);
	return 0;
}

static void take_note(struct suggest *s, const char *text)
{
	const char *hash = strstr(text, AUDIT_NOTE_SHA256);

	if (strncmp(text, AUDIT_NOTE_POLICY, strlen(AUDIT_NOTE_POLICY)) != 0)
		return;
	s->replaced++;
	snprintf(s->last_hash, sizeof(s->last_hash), "%s",
		 hash ? hash + strlen(AUDIT_NOTE_SHA256) : "");
}

/* Letters of a policy, or "look"; anything else is of another version. */
static bool get_may(const char *op, unsigned *ret)
{
	*ret = op ? parse_may(op) : 0;
	return op && (*ret || !strcmp(op, "look")) && strcmp(op, "-") != 0;
}

static void saw(struct suggest *s, const struct audit_record *r)
{
	uint64_t last = r->last_ns ? r->last_ns : r->time_ns;

	s->refused += r->count ? r->count : 1;
	if (!s->since_ns || r->time_ns < s->since_ns)
		s->since_ns = r->time_ns;
	if (last > s->until_ns)
		s->until_ns = last;
}

int suggest_add(struct suggest *s, const struct audit_record *r)
{
	unsigned may;

	if (r->event == AUDIT_NOTE && r->text)
		take_note(s, r->text);
	if (!r->verdict || r->verdict == AUDIT_ALLOW ||
	    (r->event != AUDIT_DECISION && r->event != AUDIT_REST))
		return 0;
	saw(s, r);
	if (r->event == AUDIT_REST || (r->path && !get_may(r->op, &may))) {
		s->rest += r->count ? r->count : 1;
		return 0;
	}
	return add_item(s, r, r->path ? may : 0);
}

/* --- the end ------------------------------------------------------------------------------------
 */

static void become(struct suggest_item *i, enum suggest_kind kind, unsigned line, const char *why)
{
	i->kind = kind;
	i->line = line;
	i->why = why;
}

/* Was it decided by the policy that we have? Then by that rule, whatever the record leaves out. */
static struct decision decision_of(const struct suggest *s, const struct suggest_item *i)
{
	bool ours = s->replaced ? !strcmp(s->hash, s->last_hash) : s->in_force;
	enum verdict verdict;

	if (!ours || i->replaced != s->replaced)
		return i->now;
	if (i->was.line &&
	    (!policy_verdict_of(s->policy, i->was.line, &verdict) || verdict != i->was.verdict))
		return i->now;
	return i->was;
}

static void settle(struct suggest *s, struct suggest_item *i)
{
	struct decision d = decision_of(s, i);

	if (i->kind == SUGGEST_NONE)
		return;
	if (d.verdict == VERDICT_ALLOW) {
		i->dropped = true;
		s->allowed += i->count;
	} else if (i->answered) {
		become(i, SUGGEST_PURPOSE, d.line, "somebody at the terminal said no");
	} else if (policy_on_purpose(s->policy, d.line)) {
		become(i, SUGGEST_PURPOSE, d.line, "refused on purpose");
	} else if (d.verdict != VERDICT_ASK && i->conditions) {
		become(i, SUGGEST_PURPOSE, i->conditions,
		       "allowed, or asked about, under conditions that were not so");
	} else if (policy_interpreter(i->exe) && !is_certain(i)) {
		become(i, SUGGEST_INTERPRETER, 0, "which file it was told to run is not certain");
	} else {
		become(i, SUGGEST_RULE, d.verdict == VERDICT_ASK ? d.line : 0, NULL);
	}
	if (!is_certain(i))
		i->script = NULL;
}

static int text_order(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

/* Of one program, with one reason? */
static int group_order(const struct suggest_item *x, const struct suggest_item *y)
{
	int r = (int)x->kind - (int)y->kind;

	r = r ? r : text_order(x->exe, y->exe);
	r = r ? r : text_order(x->script, y->script);
	r = r ? r : text_order(x->why, y->why);
	return r || x->kind == SUGGEST_RULE ? r : (x->line > y->line) - (x->line < y->line);
}

static int item_order(const void *a, const void *b)
{
	const struct suggest_item *x = a, *y = b;
	int r = group_order(x, y);

	r = r ? r : suggest_path_order(x->path, y->path);
	r = r ? r : (x->may > y->may) - (x->may < y->may);
	return r ? r : (x->line > y->line) - (x->line < y->line);
}

static bool keeps(void *policy, const char *dir)
{
	return policy_refuses_at(policy, dir, true, 0);
}

/* What no rule can say is told path by path. */
static int none_units(const struct suggest_use *uses, size_t n, struct suggest_unit **ret,
		      size_t *ret_n)
{
	struct suggest_unit *u = calloc(n, sizeof(*u)), *last = NULL;

	if (!u)
		return -ENOMEM;
	*ret_n = 0;
	for (size_t i = 0; i < n; i++) {
		if (!last || strcmp(last->path, uses[i].path) != 0) {
			last = &u[(*ret_n)++];
			*last = (struct suggest_unit){ .path = uses[i].path,
						       .len = strlen(uses[i].path),
						       .uses = 1 };
		}
		last->count += uses[i].count;
		if (uses[i].last_ns > last->last_ns)
			last->last_ns = uses[i].last_ns;
	}
	*ret = u;
	return 0;
}

/* An entry for each run of the same letters. */
static int add_entries(struct suggest *s, const struct suggest_item *of,
		       const struct suggest_unit *u, size_t n)
{
	struct suggest_entry *e = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!e || e->may != u[i].may) {
			int r = parse_room(&s->entries, (unsigned)s->n, sizeof(*s->entries));

			if (r < 0)
				return r;
			e = &s->entries[s->n++];
			*e = (struct suggest_entry){ .kind = of->kind,
						     .exe = of->exe,
						     .script = of->script,
						     .why = of->why,
						     .line = of->line,
						     .may = u[i].may,
						     .units = &u[i] };
		}
		e->n++;
		e->count += u[i].count;
		if (u[i].last_ns > e->last_ns)
			e->last_ns = u[i].last_ns;
	}
	return 0;
}

static int add_group(struct suggest *s, size_t from, size_t to)
{
	const struct suggest_item *first = &s->items[from];
	struct suggest_unit *units = NULL;
	unsigned asks = 0;
	size_t n = 0;
	int r = parse_room(&s->units, (unsigned)s->n_units, sizeof(*s->units));

	if (r < 0)
		return r;
	for (size_t i = from; i < to; i++) {
		const struct suggest_item *it = &s->items[i];

		s->uses[i] = (struct suggest_use){
			.path = it->path, .may = it->may, .count = it->count, .last_ns = it->last_ns
		};
		asks = it->line > asks ? it->line : asks;
	}
	if (first->kind == SUGGEST_NONE)
		r = none_units(s->uses + from, to - from, &units, &n);
	else
		r = suggest_units(s->uses + from, to - from, keeps, (void *)s->policy, &units, &n);
	if (r < 0)
		return r;
	s->units[s->n_units++] = units;
	s->items[from].line = asks;
	return add_entries(s, first, units, n);
}

static void drop_allowed(struct suggest *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_items; i++)
		if (s->items[i].dropped)
			free(s->items[i].mem);
		else
			s->items[n++] = s->items[i];
	s->n_items = n;
}

int suggest_end(struct suggest *s)
{
	int r = 0;

	for (size_t i = 0; i < s->n_items; i++)
		settle(s, &s->items[i]);
	drop_allowed(s);
	s->uses = calloc(s->n_items + 1, sizeof(*s->uses));
	if (!s->uses)
		return -ENOMEM;
	if (s->n_items)
		qsort(s->items, s->n_items, sizeof(*s->items), item_order);
	for (size_t from = 0, to; r == 0 && from < s->n_items; from = to) {
		for (to = from + 1;
		     to < s->n_items && group_order(&s->items[from], &s->items[to]) == 0; to++)
			;
		r = add_group(s, from, to);
	}
	return r;
}
