#include "tazfs/policy_machine.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "tazfs/policy_parse.h"

struct notes {
	struct policy_error *ret;
	unsigned n, max;
};

__attribute__((format(printf, 3, 4))) static void note(struct notes *to, const struct rule *rule,
						       const char *fmt, ...)
{
	va_list ap;

	if (to->n < to->max) {
		struct policy_error *e = &to->ret[to->n];

		e->line = rule->line;
		e->column = 1;
		va_start(ap, fmt);
		vsnprintf(e->text, sizeof(e->text), fmt, ap);
		va_end(ap);
	}
	to->n++;
}

static bool is_there(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

static bool is_script(const char *path)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char begin[2];

	return fd >= 0 && io_read_full(fd, begin, sizeof(begin)) == sizeof(begin) &&
	       !memcmp(begin, "#!", 2);
}

static void look_at_exe(const struct rule *rule, const char *path, struct notes *to)
{
	autofree char *real = realpath(path, NULL);
	bool all = rule->terms & (1u << TERM_SCRIPT | 1u << TERM_INTERPRETER_OK);

	if (!real)
		return;
	if (is_script(real))
		note(to, rule,
		     "exe=%.80s never fits: it is a script, and what runs is its interpreter; name "
		     "that with exe= and this with script=",
		     path);
	else if (!policy_refuses(rule->verdict) && !all && policy_interpreter(real))
		note(to, rule,
		     "%.60s is %.60s, which does what any file says: name the script, too, with "
		     "script=/path, or add interpreter-ok",
		     path, real);
}

static void look_at_term(const struct policy *p, const struct rule *rule, enum term term,
			 struct notes *to)
{
	const struct range *of = &rule->values[term];
	unsigned there = 0;

	for (unsigned i = of->from; i < of->from + of->n; i++) {
		const char *path = p->programs[p->values[i].number];

		there += is_there(path);
		if (term == TERM_EXE)
			look_at_exe(rule, path, to);
	}
	if (!there)
		note(to, rule, "%s%.100s%s on this machine now: it fits %s", policy_term_name(term),
		     p->programs[p->values[of->from].number],
		     of->n > 1 ? " and the others: none is" : " is not",
		     term == TERM_NOT_UNDER ? "everybody" : "nobody");
}

unsigned policy_machine(const struct policy *p, struct policy_error *ret, unsigned max)
{
	static const enum term paths[] = { TERM_EXE, TERM_SCRIPT, TERM_UNDER, TERM_NOT_UNDER };
	struct notes to = { .ret = ret, .max = max };

	for (unsigned i = 0; i < p->n_rules; i++)
		for (unsigned t = 0; t < sizeof(paths) / sizeof(*paths); t++)
			if (p->rules[i].values[paths[t]].n)
				look_at_term(p, &p->rules[i], paths[t], &to);
	return to.n;
}
