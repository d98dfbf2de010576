#include "launcher/argv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void argv_done(struct argv *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i]);
}

void argv_add(struct argv *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (a->n == ARGV_MAX || vasprintf(&a->v[a->n], fmt, ap) < 0)
		a->failed = true;
	else
		a->n++;
	va_end(ap);
	a->v[a->n] = NULL;
}

void argv_add_words(struct argv *a, ...)
{
	const char *word;
	va_list ap;

	va_start(ap, a);
	while ((word = va_arg(ap, const char *)))
		argv_add(a, "%s", word);
	va_end(ap);
}

void argv_add_program(struct argv *a, const char *tree, const char *program)
{
	argv_add(a, "%s/usr/lib64/ld-linux-x86-64.so.2", tree);
	argv_add(a, "--library-path");
	argv_add(a, "%s/usr/lib/x86_64-linux-gnu", tree);
	argv_add(a, "%s/usr/%s", tree, program);
}
