#include "tazfs/policy_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tazfs/policy_names.h"
#include "tazfs/policy_parse.h"

struct table {
	const struct policy *p;
	struct file_id programs[POLICY_PROGRAMS_MAX];
	table_fn each;
	void *ctx;
	/* Of the line that is read: the row, and which facts it has. */
	struct table_row row;
	unsigned facts;
};

static int take_file(struct parse *ps, struct table *t, unsigned column, char *value,
		     struct file_id *ret)
{
	int r = parse_path(ps, column, value);

	if (r == 0)
		*ret = policy_by_path(t->p, value);
	return r;
}

static int take_exe(struct parse *ps, struct table *t, unsigned column, char *value)
{
	return take_file(ps, t, column, value, &t->row.facts.chain[0].exe);
}

static int take_script(struct parse *ps, struct table *t, unsigned column, char *value)
{
	return take_file(ps, t, column, value, &t->row.facts.chain[0].script);
}

static int take_pin(struct parse *ps, struct table *t, unsigned column, char *value)
{
	return parse_hash(ps, column, value, t->row.facts.chain[0].hash);
}

static int take_uid(struct parse *ps, struct table *t, unsigned column, char *value)
{
	return parse_uid(ps, column, value, &t->row.facts.uid);
}

/* The nearest first: a parent, its parent... */
static int take_under(struct parse *ps, struct table *t, unsigned column, char *value)
{
	struct facts *f = &t->row.facts;
	int r = 0;

	for (char *next = value; r == 0 && next; value = next) {
		char *end = parse_comma(value);

		if (f->n_chain == FACTS_CHAIN_MAX)
			return parse_fail(ps, column, "more than %d ancestors",
					  FACTS_CHAIN_MAX - 1);
		next = *end ? end + 1 : NULL;
		*end = '\0';
		f->chain[f->n_chain].known = true;
		r = take_file(ps, t, column, value, &f->chain[f->n_chain++].exe);
	}
	return r;
}

static void set_session(struct facts *f)
{
	f->session = 1;
}

static void set_outsider(struct facts *f)
{
	f->session = 0;
}

static void set_open(struct facts *f)
{
	f->open = true;
}

static void set_tty(struct facts *f)
{
	f->tty = true;
}

static void set_traced(struct facts *f)
{
	f->traced = true;
}

static void set_clean_env(struct facts *f)
{
	f->clean_env = true;
}

static void set_orphan(struct facts *f)
{
	f->whole = false;
}

static void set_unknown(struct facts *f)
{
	f->chain[0].known = false;
}

static const struct fact {
	const char *name;
	void (*set)(struct facts *f);
	int (*take)(struct parse *ps, struct table *t, unsigned column, char *value);
} facts[] = {
	{ "session", set_session },	{ "outsider", set_outsider },
	{ "open", set_open },		{ "tty", set_tty },
	{ "traced", set_traced },	{ "clean-env", set_clean_env },
	{ "orphan", set_orphan },	{ "unknown", set_unknown },
	{ "exe=", NULL, take_exe },	{ "script=", NULL, take_script },
	{ "under=", NULL, take_under }, { "pin=", NULL, take_pin },
	{ "uid=", NULL, take_uid },
};

enum { N_FACTS = sizeof(facts) / sizeof(*facts), WHERE = 1 | 2 /* session, outsider */ };

static int unknown_fact(struct parse *ps)
{
	const char *names[N_FACTS + 1] = { NULL }, *meant;

	for (unsigned i = 0; i < N_FACTS; i++)
		names[i] = facts[i].name;
	meant = parse_nearest(ps->word, names);
	return parse_fail(ps, ps->column, "'%.60s' is unknown: %s%s%s", ps->word,
			  meant ? "did you mean '"
				: "expected the caller (session or outsider, exe=, script=, "
				  "under=, pin=, uid=, tty, traced, clean-env, open, orphan, "
				  "unknown), or what it does (letters of rwcdxl, - or look)",
			  meant ? meant : "", meant ? "'?" : "");
}

static int take_fact(struct parse *ps, struct table *t)
{
	for (unsigned i = 0; i < N_FACTS; i++) {
		const struct fact *fact = &facts[i];
		size_t len = strlen(fact->name);

		if (fact->set ? strcmp(ps->word, fact->name) : strncmp(ps->word, fact->name, len))
			continue;
		if (t->facts >> i & 1)
			return parse_fail(ps, ps->column, "'%s' is given twice", fact->name);
		t->facts |= 1u << i;
		if (fact->take)
			return fact->take(ps, t, ps->column + len, ps->word + len);
		fact->set(&t->row.facts);
		return 0;
	}
	return unknown_fact(ps);
}

static int read_caller(struct parse *ps, struct table *t)
{
	struct table_row *row = &t->row;
	int r;

	while ((r = parse_next(ps)) > 0) {
		row->look = !strcmp(ps->word, "look");
		row->may = row->look ? MAY_ALL : parse_may(ps->word);
		if (row->may)
			break;
		r = take_fact(ps, t);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (r == 0)
		return parse_fail(ps, ps->column, "the line ends before what is done, and a path");
	if ((t->facts & WHERE) == 0 || (t->facts & WHERE) == WHERE)
		return parse_fail(ps, ps->column,
				  "is the caller in a session or not? Write session, or outsider");
	return 0;
}

/* A path is no glob; "." is the root. */
static int read_path(struct parse *ps, struct table *t)
{
	struct glob_error why;
	struct glob g;
	int r = glob_init(&g, ps->word, ps->len, &why);

	if (r == -EINVAL)
		return parse_fail(ps, ps->column + why.at, "%s", why.why);
	if (r < 0)
		return r;
	if (g.kind != GLOB_EXACT)
		r = parse_fail(ps, ps->column, "a path and no glob: a real '*' is written \\*");
	if (r == 0) {
		memcpy(ps->word, g.literal, g.literal_len);
		ps->word[g.literal_len] = '\0';
		t->row.path = ps->word;
	}
	glob_done(&g);
	return r;
}

static void decide_row(struct table *t)
{
	struct table_row *row = &t->row;
	struct policy_who who = policy_who(t->p, &row->facts, row->programs);

	row->is = row->look ? policy_look(t->p, &who, row->path)
			    : policy_decide(t->p, &who, row->may, row->path);
	t->each(t->ctx, row);
}

static int read_paths(struct parse *ps, struct table *t)
{
	unsigned n = 0;
	int r;

	while ((r = parse_next(ps)) > 0) {
		r = read_path(ps, t);
		if (r < 0)
			return r;
		decide_row(t);
		n++;
	}
	if (r == 0 && !n)
		return parse_fail(ps, ps->column, "the line ends before a path");
	return r;
}

static int read_line(struct parse *ps, void *ctx)
{
	struct table *t = ctx;
	int r = parse_next(ps);

	if (r <= 0)
		return r;
	t->facts = 0;
	t->row = (struct table_row){
		.line = ps->line,
		.programs = t->programs,
		.facts = { .uid = 1000, .whole = true, .n_chain = 1 },
	};
	t->row.facts.chain[0] =
		(struct program){ .known = true, .hashed = true, .exe = policy_by_path(t->p, "") };
	r = parse_verdict(ps, &t->row.expected);
	if (r == 0)
		r = read_caller(ps, t);
	return r < 0 ? r : read_paths(ps, t);
}

int policy_table(const struct policy *p, const char *text, size_t size, table_fn each, void *ctx,
		 struct policy_error *ret_error)
{
	struct table t = { .p = p, .each = each, .ctx = ctx };
	struct parse ps = { .err = ret_error, .line = 1 };
	int r;

	*ret_error = (struct policy_error){ 0 };
	if (size > POLICY_BYTES_MAX)
		return parse_fail(&ps, 1, "a table of more than %d KiB", POLICY_BYTES_MAX >> 10);
	policy_all_by_path(p, t.programs);
	ps.word = malloc(size + 1);
	if (!ps.word)
		return -ENOMEM;
	r = parse_lines(&ps, text, size, read_line, &t);
	free(ps.word);
	return r;
}
