/* secrets.conf: what comes through obeys every rule, whatever the workspace wrote. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/conf.h"
#include "enclave/quote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct entry *e)
{
	if (entry_name_why(e->name) || entry_file_why(e->file) || (e->env && entry_env_why(e->env)))
		abort();
	if (e->mode & ~0700U || !(e->mode & 0400))
		abort();
	for (char **a = e->argv; a && *a; a++) {
		char *shown = quote_show(*a);

		if (entry_arg_why(*a) || !shown)
			abort();
		free(shown);
	}
	/* A marker that only the environment has: nothing is ever filled in. */
	if (strstr(e->file, "FILLED-IN") || (e->argv && strstr(e->argv[0], "FILLED-IN")))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_error err = { 0 };
	struct conf *conf = NULL;

	if (memmem(data, size, "FILLED-IN", 9)) /* the fuzzer has found the word itself */
		return 0;
	setenv("X", "FILLED-IN", 1);
	if (conf_parse((const char *)data, size, &conf, &err) < 0) {
		if (!*err.text)
			abort();
		return 0;
	}
	for (size_t i = 0; i < conf->n; i++)
		check(&conf->entries[i]);
	conf_free(conf);
	return 0;
}
