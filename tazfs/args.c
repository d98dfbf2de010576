#include "tazfs/args.h"

#include <string.h>
#include <strings.h>

#include "tazfs/policy_parse.h"

/* What the options of an interpreter mean that come before the script. */
struct kind {
	const char *const *names;  /* a version may follow */
	const char *const *words;  /* harmless long options; a value follows a '=' */
	const char *const *starts; /* others that take no value */
	const char *harmless;	   /* letters that take no value and run no other code */
	const char *others;	   /* letters that take no value */
	const char *values;	   /* letters whose value is the rest, or else the next argument */
	const char *code;	   /* letters after which the next argument is the program */
	bool plus;		   /* "+x" is an option as well */
	bool first_is_code;	   /* what is no option is the program */
};

static const char *const boxes[] = { "busybox", "toybox", NULL };
static const char *const none[] = { NULL };
static const char *const shells[] = { "sh",   "bash", "dash",	 "zsh",	   "ksh",
				      "mksh", "ash",  "busybox", "toybox", NULL };
static const char *const pythons[] = { "python", "pypy", NULL };
static const char *const perls[] = { "perl", NULL };
static const char *const rubies[] = { "ruby", NULL };
static const char *const nodes[] = { "node", "nodejs", NULL };
static const char *const awks[] = { "awk", "gawk", "mawk", "nawk", NULL };
static const char *const plain[] = { "lua",   "luajit", "php", "tclsh", "expect",
				     "guile", "fish",	"csh", "tcsh",	NULL };
static const char *const bash_starts[] = { "--login",	  "--norc",	  "--noprofile", "--posix",
					   "--noediting", "--restricted", NULL };
static const char *const node_words[] = { "--no-warnings",	  "--no-deprecation",
					  "--trace-warnings",	  "--trace-deprecation",
					  "--max-old-space-size", "--max-semi-space-size",
					  "--enable-source-maps", NULL };
static const char *const node_starts[] = { "--no-", "--experimental-", "--inspect", NULL };

static const struct kind kinds[] = {
	{ shells, none, bash_starts, "eufxvhbmpBCEHPT", "ilrsantD", "oO", "c", .plus = true },
	{ pythons, none, none, "sSEIBuOqvbdPRt", "ixh", "WX", "c" },
	{ perls, none, none, "wtTWX", "Uscnu", "IMm", "eE" },
	{ rubies, none, none, "w", "Uscnlp", "Ir", "e" },
	{ nodes, node_words, node_starts, "", "i", "rC", "ep" },
	{ awks, none, none, "", "", "Fv", "", .first_is_code = true },
	{ plain, none, none, "", "", "", "" },
};

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_one_of(const char *name, const char *const *names)
{
	for (; *names; names++) {
		size_t n = strlen(*names);

		if (!strncmp(name, *names, n) && (!name[n] || strchr("0123456789.-", name[n])))
			return true;
	}
	return false;
}

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (is_one_of(name, kinds[i].names))
			return &kinds[i];
	return NULL;
}

/*
 * The meaning of one option: as enum args_script, of which ARGS_FILE means "go on", and ARGS_LOOSE
 * "go on, but it is a guess".
 */
static enum args_script long_option(const struct kind *kind, const char *arg)
{
	size_t n = strcspn(arg, "=");

	for (const char *const *w = kind->words; *w; w++)
		if (strlen(*w) == n && !strncmp(arg, *w, n))
			return ARGS_FILE;
	for (const char *const *w = kind->starts; *w; w++)
		if (!strncmp(arg, *w, strlen(*w)))
			return ARGS_LOOSE;
	return arg[n] ? ARGS_LOOSE : ARGS_UNKNOWN;
}

/* @ret_value: the next argument belongs to it */
static enum args_script short_options(const struct kind *kind, const char *letters, bool *ret_value)
{
	enum args_script all = ARGS_FILE;

	for (; *letters; letters++) {
		if (strchr(kind->code, *letters))
			return ARGS_NONE;
		if (strchr(kind->values, *letters)) {
			*ret_value = !letters[1];
			return ARGS_LOOSE;
		}
		if (strchr(kind->others, *letters))
			all = ARGS_LOOSE;
		else if (!strchr(kind->harmless, *letters))
			return ARGS_UNKNOWN;
	}
	return all;
}

static enum args_script option(const struct kind *kind, const char *arg, bool *ret_value)
{
	if (!strcmp(arg, "-") || !strcmp(arg, "--"))
		return ARGS_UNKNOWN;
	return arg[1] == '-' ? long_option(kind, arg) : short_options(kind, arg + 1, ret_value);
}

static const char *next(const char *arg, const char *end)
{
	const char *nul = arg < end ? memchr(arg, '\0', end - arg) : NULL;

	return nul ? nul + 1 : NULL;
}

/* @arg: after the first one. Each that is looked at ends before @end. */
static enum args_script walk(const struct kind *kind, const char *arg, const char *end, bool whole,
			     const char **ret)
{
	enum args_script all = ARGS_FILE;
	bool value = false;

	for (; arg < end; arg = next(arg, end)) {
		enum args_script one;

		if (!*arg || !next(arg, end))
			return ARGS_UNKNOWN;
		if (value) {
			value = false;
			continue;
		}
		if (*arg != '-' && !(kind->plus && *arg == '+')) {
			if (kind->first_is_code)
				return ARGS_NONE;
			*ret = arg;
			return all;
		}
		one = option(kind, arg, &value);
		if (one == ARGS_UNKNOWN || one == ARGS_NONE)
			return one;
		if (one == ARGS_LOOSE)
			all = one;
	}
	return whole && !value ? ARGS_NONE : ARGS_UNKNOWN;
}

enum args_script args_script(const char *program, const char *args, size_t size, bool whole,
			     const char **ret)
{
	const char *name = base_of(program), *end = args + size, *second = next(args, end);
	const struct kind *kind = find_kind(name);
	const char *called;

	if (!policy_interpreter(name))
		return ARGS_NONE;
	if (!kind || !second)
		return ARGS_UNKNOWN;
	called = base_of(args + (*args == '-'));
	/* One file, many programs: it is what it is called. */
	if (is_one_of(name, boxes) && !is_one_of(called, shells))
		return ARGS_NONE;
	/* A name of its own, and nothing after it: more likely a title than an interpreter. */
	if (second == end && !policy_interpreter(called))
		return ARGS_UNKNOWN;
	return walk(kind, second, end, whole, ret);
}

/* Names; one that ends in '*' is a beginning. Of the C library, of interpreters, of libraries that
 * load modules, and git's that start programs in its name. */
static const char *const loaders[] = {
	"LD_*",
	"GCONV_PATH",
	"GLIBC_TUNABLES",
	"LOCPATH",
	"MALLOC_TRACE",
	"BASH_ENV",
	"ENV",
	"BASH_FUNC_*",
	"SHELLOPTS",
	"BASHOPTS",
	"PS4",
	"PROMPT_COMMAND",
	"ZDOTDIR",
	"FPATH",
	"PYTHONPATH",
	"PYTHONHOME",
	"PYTHONSTARTUP",
	"PYTHONUSERBASE",
	"PYTHONINSPECT",
	"PYTHONBREAKPOINT",
	"PYTHONWARNINGS",
	"PYTHONEXECUTABLE",
	"PYTHONPLATLIBDIR",
	"PYTHONPYCACHEPREFIX",
	"PYTHONCASEOK",
	"PERL5LIB",
	"PERLLIB",
	"PERL5OPT",
	"PERL5DB",
	"PERL5SHELL",
	"RUBYOPT",
	"RUBYLIB",
	"RUBYSHELL",
	"GEM_PATH",
	"GEM_HOME",
	"BUNDLE_GEMFILE",
	"NODE_OPTIONS",
	"NODE_PATH",
	"NODE_REPL_EXTERNAL_MODULE",
	"NPM_CONFIG_NODE_OPTIONS",
	"NPM_CONFIG_SCRIPT_SHELL",
	"ELECTRON_RUN_AS_NODE",
	"BUN_OPTIONS",
	"BUN_INSPECT*",
	"LUA_INIT*",
	"LUA_PATH*",
	"LUA_CPATH*",
	"TCLLIBPATH",
	"GUILE_LOAD_PATH",
	"GUILE_LOAD_COMPILED_PATH",
	"PHPRC",
	"PHP_INI_SCAN_DIR",
	"AWKPATH",
	"AWKLIBPATH",
	"JAVA_TOOL_OPTIONS",
	"_JAVA_OPTIONS",
	"JDK_JAVA_OPTIONS",
	"CLASSPATH",
	"OPENSSL_CONF",
	"OPENSSL_MODULES",
	"OPENSSL_ENGINES",
	"GIO_EXTRA_MODULES",
	"GIO_MODULE_DIR",
	"GTK_PATH",
	"GTK_MODULES",
	"GTK3_MODULES",
	"QT_PLUGIN_PATH",
	"KRB5_CONFIG",
	"SASL_PATH",
	"VIMINIT",
	"EXINIT",
	"VIMRUNTIME",
	"NVIM_RPLUGIN_MANIFEST",
	"SUDO_ASKPASS",
	"GIT_SSH",
	"GIT_SSH_COMMAND",
	"GIT_EXEC_PATH",
	"GIT_EXTERNAL_DIFF",
	"GIT_ASKPASS",
	"GIT_EDITOR",
	"GIT_SEQUENCE_EDITOR",
	"GIT_PAGER",
	"GIT_PROXY_COMMAND",
	"GIT_CONFIG_COUNT",
	"GIT_CONFIG_PARAMETERS",
	"GIT_CONFIG_KEY_*",
	"GIT_CONFIG",
	"GIT_TEMPLATE_DIR",
};

static bool is_loader(const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof(loaders) / sizeof(*loaders); i++) {
		size_t len = strcspn(loaders[i], "*");
		bool starts = loaders[i][len] == '*';

		/* npm takes its own in either case. */
		if ((starts ? n >= len : n == len) && !strncasecmp(name, loaders[i], len))
			return true;
	}
	return false;
}

bool args_env_is_clean(const char *env, size_t size)
{
	const char *end = env + size, *after;

	for (; env < end; env = after) {
		size_t n;

		after = next(env, end);
		if (!after)
			return false;
		n = strcspn(env, "=");
		if (!n || !env[n] || is_loader(env, n))
			return false;
	}
	return true;
}
