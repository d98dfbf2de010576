#include "enclave/conf.h"

#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/base/fd.h"

/*
 * libconfuse gives its callbacks no pointer of ours, and its lexer is static: one parse at a time,
 * and this is what it fills.
 */
static struct {
	struct conf_error *err;
	bool failed;
} now;

/* The first error is the cause; what follows from it is not said. */
static void fail(const cfg_t *cfg, const char *text)
{
	if (!now.failed)
		conf_error_set(now.err, (unsigned)cfg->line, "%s", text);
	now.failed = true;
}

static void on_error(cfg_t *cfg, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char text[160];

	vsnprintf(text, sizeof(text), fmt, ap);
	fail(cfg, text);
}

static int refuse(const cfg_t *cfg, const char *key, const char *why)
{
	char text[220];

	if (!why)
		return 0;
	snprintf(text, sizeof(text), "%s: %s", key, why);
	fail(cfg, text);
	return -1;
}

static const char *mode_why(const char *text)
{
	mode_t mode;

	return entry_mode_why(text, &mode);
}

/* The keys that hold strings, and each one's rule; a list's rule is that of its members. */
static const struct {
	const char *key;
	const char *(*why)(const char *);
	unsigned max;
} rules[] = {
	{ "file", entry_file_why, 1 },
	{ "env", entry_env_why, 1 },
	{ "mode", mode_why, 1 },
	{ "command", entry_arg_why, ENTRY_ARGS_MAX },
	{ "pass", entry_env_why, ENTRY_PASS_MAX },
};

/* Called after each value, with the line it stands on. */
static int check_value(cfg_t *cfg, cfg_opt_t *opt)
{
	unsigned n = cfg_opt_size(opt);
	char text[64];

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		if (strcmp(rules[i].key, cfg_opt_name(opt)))
			continue;
		if (n > rules[i].max) {
			snprintf(text, sizeof(text), "more than %u values", rules[i].max);
			return refuse(cfg, rules[i].key, text);
		}
		return n ? refuse(cfg, rules[i].key, rules[i].why(cfg_opt_getnstr(opt, n - 1))) : 0;
	}
	return 0;
}

/* Called at an entry's closing brace. */
static int check_entry(cfg_t *cfg, cfg_opt_t *opt)
{
	unsigned n = cfg_opt_size(opt);
	cfg_t *sec = cfg_opt_getnsec(opt, n - 1);
	const char *name = cfg_title(sec);

	if (n > CONF_ENTRIES_MAX)
		return refuse(cfg, "entry", "more than 128 entries: split the file, use --file");
	if (refuse(cfg, "entry", entry_name_why(name)))
		return -1;
	if (!cfg_getstr(sec, "file"))
		return refuse(cfg, name, "this entry has no 'file': say where in ~/secrets it is");
	if (cfg_size(sec, "command") && !*cfg_getnstr(sec, "command", 0))
		return refuse(cfg, name, "the command's first word is empty: name a program");
	if (cfg_getbool(sec, "value") && !cfg_getstr(sec, "env"))
		return refuse(cfg, name, "'value' without 'env': name the variable");
	if (cfg_size(sec, "pass") && !cfg_size(sec, "command"))
		return refuse(cfg, name,
			      "'pass' without 'command': there is nothing to pass it to");
	return 0;
}

static int take_str(cfg_t *sec, const char *key, char **ret)
{
	const char *s = cfg_getstr(sec, key);

	*ret = s ? strdup(s) : NULL;
	return s && !*ret ? -ENOMEM : 0;
}

static int take_list(cfg_t *sec, const char *key, char ***ret)
{
	unsigned n = cfg_size(sec, key);

	if (!n)
		return 0;
	*ret = calloc(n + 1, sizeof(char *));
	if (!*ret)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		(*ret)[i] = strdup(cfg_getnstr(sec, key, i));
		if (!(*ret)[i])
			return -ENOMEM;
	}
	return 0;
}

static int take_entry(cfg_t *sec, struct entry *e)
{
	int r;

	e->line = (unsigned)sec->line;
	e->mode = 0600;
	e->value = cfg_getbool(sec, "value");
	if (cfg_getstr(sec, "mode"))
		entry_mode_why(cfg_getstr(sec, "mode"), &e->mode);
	e->name = strdup(cfg_title(sec));
	r = e->name ? take_str(sec, "file", &e->file) : -ENOMEM;
	if (r == 0)
		r = take_str(sec, "env", &e->env);
	if (r == 0)
		r = take_list(sec, "command", &e->argv);
	if (r == 0)
		r = take_list(sec, "pass", &e->pass);
	return r;
}

static int check_pair(const struct entry *a, const struct entry *b, struct conf_error *err)
{
	if (!strcmp(a->name, b->name))
		return conf_error_set(err, b->line, "two entries are called '%s': rename one",
				      b->name);
	if (a->env && b->env && !strcmp(a->env, b->env))
		return conf_error_set(err, b->line,
				      "the entries '%s' and '%s' both set %s: drop one", a->name,
				      b->name, b->env);
	if (a->argv && b->argv && !strcmp(a->file, b->file))
		return conf_error_set(err, b->line,
				      "the commands of '%s' and '%s' both make the same file: "
				      "change one's 'file'",
				      a->name, b->name);
	return 0;
}

static int take_all(cfg_t *cfg, struct conf *conf, struct conf_error *err)
{
	unsigned n = cfg_size(cfg, "entry");

	conf->entries = calloc(n ? n : 1, sizeof(*conf->entries));
	if (!conf->entries)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		int r;

		conf->n = i + 1; /* what is half made is freed, too */
		r = take_entry(cfg_getnsec(cfg, "entry", i), &conf->entries[i]);
		for (unsigned j = 0; r == 0 && j < i; j++)
			r = check_pair(&conf->entries[j], &conf->entries[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static cfg_t *make_parser(void)
{
	/* cfg_init() copies them. No function is offered, so there is no include(). */
	cfg_opt_t entry_opts[] = {
		CFG_STR("file", NULL, CFGF_NODEFAULT),
		CFG_STR("env", NULL, CFGF_NODEFAULT),
		CFG_STR("mode", NULL, CFGF_NODEFAULT),
		CFG_BOOL("value", cfg_false, CFGF_NONE),
		CFG_STR_LIST("command", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("pass", NULL, CFGF_NODEFAULT),
		CFG_END(),
	};
	cfg_opt_t opts[] = {
		CFG_SEC("entry", entry_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
		CFG_END(),
	};
	char key[32];
	cfg_t *cfg = cfg_init(opts, CFGF_NONE);

	if (!cfg)
		return NULL;
	cfg_set_error_function(cfg, on_error);
	cfg_set_validate_func(cfg, "entry", check_entry);
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		snprintf(key, sizeof(key), "entry|%s", rules[i].key);
		cfg_set_validate_func(cfg, key, check_value);
	}
	return cfg;
}

static int parse(const char *text, struct conf *conf, struct conf_error *err)
{
	cfg_t *cfg = make_parser();
	int r;

	if (!cfg)
		return -ENOMEM;
	now.err = err;
	now.failed = false;
	r = cfg_parse_buf(cfg, text);
	if (r != CFG_SUCCESS || now.failed) {
		fail(cfg, "it cannot be read as entries");
		r = -EINVAL;
	} else {
		r = take_all(cfg, conf, err);
	}
	cfg_free(cfg);
	now.err = NULL;
	return r;
}

int conf_parse(const char *text, size_t size, struct conf **ret, struct conf_error *err)
{
	autoconf struct conf *conf = NULL;
	autofree char *copy = NULL;
	int r = conf_scan(text, size, err);

	if (r < 0)
		return r;
	conf = calloc(1, sizeof(*conf));
	copy = strndup(text, size);
	if (!conf || !copy)
		return -ENOMEM;
	r = parse(copy, conf, err);
	if (r < 0)
		return r;
	*ret = take_ptr(&conf);
	return 0;
}

static void free_list(char **list)
{
	for (char **p = list; p && *p; p++)
		free(*p);
	free((void *)list);
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	for (size_t i = 0; conf->entries && i < conf->n; i++) {
		free(conf->entries[i].name);
		free(conf->entries[i].file);
		free(conf->entries[i].env);
		free_list(conf->entries[i].argv);
		free_list(conf->entries[i].pass);
	}
	free(conf->entries);
	free(conf);
}

void conf_freep(struct conf **conf)
{
	conf_free(*conf);
}

const struct entry *conf_find(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->n; i++)
		if (!strcmp(conf->entries[i].name, name))
			return &conf->entries[i];
	return NULL;
}
