/* The second field of a rule: its terms, what they take, and which of them make no sense. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tazfs/policy_parse.h"

enum takes { NOTHING, PATHS, HASHES, NUMBERS };

static const struct {
	const char *name;
	enum takes takes;
	unsigned needs;
} types[] = {
	[TERM_ANY] = { "any", NOTHING, 0 },
	[TERM_SESSION] = { "session", NOTHING, 0 },
	[TERM_EXE] = { "exe=", PATHS, FACT_EXE },
	[TERM_PIN] = { "pin=", HASHES, FACT_EXE | FACT_HASH },
	[TERM_SCRIPT] = { "script=", PATHS, FACT_EXE | FACT_SCRIPT },
	[TERM_UNDER] = { "under=", PATHS, FACT_EXE | FACT_SCRIPT | FACT_CHAIN },
	[TERM_NOT_UNDER] = { "not-under=", PATHS, FACT_EXE | FACT_SCRIPT | FACT_CHAIN },
	[TERM_UID] = { "uid=", NUMBERS, FACT_UID },
	[TERM_TTY] = { "tty", NOTHING, FACT_TTY },
	[TERM_TRACED] = { "traced", NOTHING, FACT_TRACED },
	[TERM_CLEAN_ENV] = { "clean-env", NOTHING, FACT_ENV },
	[TERM_INTERPRETER_OK] = { "interpreter-ok", NOTHING, 0 },
};

/* Programs that do what a file says. A version may follow: python3.11, lua5.4, perl5.36. */
static const char *const interpreters[] = {
	"sh",	  "bash", "dash", "zsh",  "fish",   "ksh",   "mksh",   "csh",  "tcsh",	 "busybox",
	"toybox", "perl", "ruby", "node", "nodejs", "bun",   "deno",   "lua",  "luajit", "php",
	"awk",	  "gawk", "mawk", "nawk", "env",    "tclsh", "expect", "pwsh", "guile",	 NULL,
};

const char *policy_term_name(enum term term)
{
	return types[term].name;
}

static bool is_version(const char *s)
{
	return !*s || (*s >= '0' && *s <= '9') || *s == '.' || *s == '-';
}

bool policy_interpreter(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	/* The dynamic loader runs any file that it is given. */
	if (!strncmp(name, "python", 6) || !strncmp(name, "pypy", 4) || !strncmp(name, "ld-", 3) ||
	    !strncmp(name, "ld.so", 5))
		return true;
	for (const char *const *i = interpreters; *i; i++)
		if (!strncmp(name, *i, strlen(*i)) && is_version(name + strlen(*i)))
			return true;
	return false;
}

static int add_value(struct parse *ps, struct rule *rule, enum term term, const struct value *v)
{
	struct policy *p = ps->p;
	struct range *of = &rule->values[term];
	int r = parse_room(&p->values, p->n_values, sizeof(*p->values));

	if (r < 0)
		return r;
	if (!of->n)
		of->from = p->n_values;
	p->values[p->n_values++] = *v;
	of->n++;
	return 0;
}

static int find_program(struct parse *ps, const char *path, unsigned column, unsigned *ret)
{
	struct policy *p = ps->p;
	int r;

	for (unsigned i = 0; i < p->n_programs; i++)
		if (!strcmp(p->programs[i], path)) {
			*ret = i;
			return 0;
		}
	if (p->n_programs == POLICY_PROGRAMS_MAX)
		return parse_fail(ps, column, "more than %d different programs",
				  POLICY_PROGRAMS_MAX);
	r = parse_room(&p->programs, p->n_programs, sizeof(*p->programs));
	if (r < 0)
		return r;
	p->programs[p->n_programs] = strdup(path);
	if (!p->programs[p->n_programs])
		return -ENOMEM;
	*ret = p->n_programs++;
	return 0;
}

static int add_path(struct parse *ps, struct rule *rule, enum term term, char *text,
		    unsigned column)
{
	struct value v = { 0 };
	int r = parse_path(ps, column, text);

	if (r == 0)
		r = find_program(ps, text, column, &v.number);
	return r < 0 ? r : add_value(ps, rule, term, &v);
}

static int add_hash(struct parse *ps, struct rule *rule, enum term term, const char *text,
		    unsigned column)
{
	struct value v = { 0 };
	int r = parse_hash(ps, column, text, v.hash);

	return r < 0 ? r : add_value(ps, rule, term, &v);
}

static int add_number(struct parse *ps, struct rule *rule, enum term term, const char *text,
		      unsigned column)
{
	struct value v = { 0 };
	int r = parse_uid(ps, column, text, &v.number);

	return r < 0 ? r : add_value(ps, rule, term, &v);
}

static int add_one(struct parse *ps, struct rule *rule, enum term term, char *text, unsigned column)
{
	if (!*text)
		return parse_fail(ps, column, "%s without a value, or a comma too many",
				  types[term].name);
	if (types[term].takes == PATHS)
		return add_path(ps, rule, term, text, column);
	if (types[term].takes == HASHES)
		return add_hash(ps, rule, term, text, column);
	return add_number(ps, rule, term, text, column);
}

static int add_values(struct parse *ps, struct rule *rule, enum term term, char *list)
{
	int r = 0;

	while (r == 0 && list) {
		unsigned column = ps->column + (list - ps->word);
		char *end = parse_comma(list), *next = *end ? end + 1 : NULL;

		*end = '\0';
		r = add_one(ps, rule, term, list, column);
		list = next;
	}
	return r;
}

/* Neither a term nor operations: what could it be? */
static int unknown(struct parse *ps)
{
	size_t key = strcspn(ps->word, "="), good = strspn(ps->word, POLICY_LETTERS);
	const char *meant, *names[N_TERMS + 1] = { NULL };
	char c = ps->word[key], name[64];

	for (unsigned t = 0; t < N_TERMS; t++)
		names[t] = types[t].name;
	snprintf(name, sizeof(name), "%.*s%s", (int)(key < 60 ? key : 60), ps->word, c ? "=" : "");
	meant = parse_nearest(name, names);
	if (meant)
		return parse_fail(ps, ps->column, "'%.60s' is unknown: did you mean '%s'?", name,
				  meant);
	if (!c && strpbrk(ps->word, "*?[/."))
		return parse_fail(ps, ps->column,
				  "'%.60s' is a path, but what may be done with it is missing "
				  "before it: letters of rwcdxl, or - for everything",
				  ps->word);
	if (good && !c)
		return parse_fail(ps, ps->column + good,
				  "'%.60s': what may be done is r(ead) w(rite) c(reate) d(elete) "
				  "(e)x(ecute) l(ist), each once, or - for everything",
				  ps->word);
	return parse_fail(ps, ps->column,
			  "'%.60s' is unknown: expected who (any, session, exe=, pin=, script=, "
			  "under=, not-under=, uid=, tty, traced, clean-env), or what it may do",
			  ps->word);
}

/* The term whose name the word is or begins with, or N_TERMS. */
static enum term find_term(const char *word)
{
	for (unsigned t = 0; t < N_TERMS; t++) {
		size_t len = strlen(types[t].name);

		if (types[t].takes == NOTHING ? !strcmp(word, types[t].name)
					      : !strncmp(word, types[t].name, len))
			return t;
	}
	return N_TERMS;
}

int parse_term(struct parse *ps, struct rule *rule)
{
	enum term term = find_term(ps->word);

	if (term == N_TERMS)
		return unknown(ps);
	if (rule->terms >> term & 1)
		return parse_fail(ps, ps->column, "'%s' is given twice%s", types[term].name,
				  types[term].takes == NOTHING
					  ? ""
					  : ": write its values with commas between them");
	rule->terms |= 1u << term;
	ps->columns[term] = ps->column;
	ps->p->needs |= types[term].needs;
	if (types[term].takes == NOTHING)
		return 0;
	return add_values(ps, rule, term, ps->word + strlen(types[term].name));
}

static bool has(const struct rule *rule, enum term term)
{
	return rule->terms >> term & 1;
}

/* The first interpreter that the rule is about, or NULL. */
static const char *interpreter_of(const struct policy *p, const struct rule *rule)
{
	const struct range *of = &rule->values[TERM_EXE];

	for (unsigned i = of->from; i < of->from + of->n; i++)
		if (policy_interpreter(p->programs[p->values[i].number]))
			return p->programs[p->values[i].number];
	return NULL;
}

static int check_refusing(struct parse *ps, const struct rule *rule)
{
	if (has(rule, TERM_CLEAN_ENV))
		return parse_fail(ps, ps->columns[TERM_CLEAN_ENV],
				  "clean-env is for rules that allow or ask: give it to those, and "
				  "an environment that is not clean gets nothing from them");
	if (has(rule, TERM_INTERPRETER_OK))
		return parse_fail(ps, ps->columns[TERM_INTERPRETER_OK],
				  "interpreter-ok is for rules that allow or ask: leave it out");
	return 0;
}

/* A rule that gives something must mean one program, not everything that one can be told to do. */
static int check_giving(struct parse *ps, const struct rule *rule)
{
	const char *runs = interpreter_of(ps->p, rule);

	if (has(rule, TERM_TRACED) && rule->verdict == VERDICT_ALLOW)
		return parse_fail(ps, ps->columns[TERM_TRACED],
				  "a rule can't allow what is traced: its debugger reads along; "
				  "write a deny rule with traced before it");
	if (has(rule, TERM_SCRIPT) && !has(rule, TERM_EXE) && !has(rule, TERM_PIN))
		return parse_fail(
			ps, ps->columns[TERM_SCRIPT],
			"any program can be given that script: name its interpreter, too, "
			"with exe=/path");
	if (runs && !has(rule, TERM_SCRIPT) && !has(rule, TERM_INTERPRETER_OK))
		return parse_fail(ps, ps->columns[TERM_EXE],
				  "%.100s does what any file says: name the script, too, with "
				  "script=/path, or add interpreter-ok to mean all of them",
				  runs);
	if (has(rule, TERM_INTERPRETER_OK) && (!runs || has(rule, TERM_SCRIPT)))
		return parse_fail(ps, ps->columns[TERM_INTERPRETER_OK],
				  "interpreter-ok means an interpreter in exe= without a script=: "
				  "there is none, leave it out");
	return 0;
}

int parse_who_check(struct parse *ps, const struct rule *rule)
{
	if (!rule->terms)
		return parse_fail(ps, ps->column,
				  "who is missing before what it may do: write any for everybody, "
				  "session for the members of a session");
	if (has(rule, TERM_ANY) && rule->terms != 1u << TERM_ANY)
		return parse_fail(ps, ps->columns[TERM_ANY],
				  "any means everybody, so nothing else can stand beside it");
	return policy_refuses(rule->verdict) ? check_refusing(ps, rule) : check_giving(ps, rule);
}
