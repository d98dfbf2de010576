#include "enclave/entry.h"

#include <string.h>

#include "enclave/base/utf8.h"
#include "enclave/place.h"
#include "enclave/proto.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS	"0123456789"

/*
 * Names that decide what runs, or how: a file of the workspace's choice in one of them would be
 * started, loaded or evaluated by the shell, the linker, or a common tool. No such list is
 * complete; what it spares a person is the question (approval.h), which comes for each other name.
 */
static const char *const env_prefixes[] = {
	"LD_",	    "DYLD_", "BASH_",	    "GIT_",	   "PYTHON",  "PERL",	   "RUBY",
	"MALLOC_",  "TAZ_",  "ENCLAVE_",    "OPENSSL_",	   "LESS",    "XDG_",	   "SYSTEMD_",
	"KUBECTL_", "KREW_", "npm_config_", "NPM_CONFIG_", "P11_KIT", "GTK_",	   "GIO_",
	"LC_",	    "QT_",   "ZSH_",	    "FISH_",	   "TMUX",    "STARSHIP_",
};
static const char *const env_names[] = {
	/* the shell's */
	"PATH",
	"HOME",
	"IFS",
	"ENV",
	"SHELL",
	"SHELLOPTS",
	"BASHOPTS",
	"BASH",
	"PROMPT_COMMAND",
	"PS0",
	"PS1",
	"PS2",
	"PS3",
	"PS4",
	"CDPATH",
	"FPATH",
	"ZDOTDIR",
	"INPUTRC",
	"PWD",
	"OLDPWD",
	"USER",
	"LOGNAME",
	"UID",
	"EUID",
	"PPID",
	"GROUPS",
	"OPTIND",
	"OPTARG",
	"TMOUT",
	"HISTFILE",
	"FIGNORE",
	"GLOBIGNORE",
	"EXECIGNORE",
	"FCEDIT",
	"MAILPATH",
	"TIMEFORMAT",
	"_",
	/* the C library's */
	"GCONV_PATH",
	"GETCONF_DIR",
	"GLIBC_TUNABLES",
	"HOSTALIASES",
	"LOCALDOMAIN",
	"LOCPATH",
	"NLSPATH",
	"RESOLV_HOST_CONF",
	"RES_OPTIONS",
	"TMPDIR",
	"TZ",
	"TZDIR",
	"TERM",
	"TERMCAP",
	"TERMINFO",
	"TERMINFO_DIRS",
	"NIS_PATH",
	/* where secrets would be sent to */
	"http_proxy",
	"https_proxy",
	"all_proxy",
	"ftp_proxy",
	"no_proxy",
	"HTTP_PROXY",
	"HTTPS_PROXY",
	"ALL_PROXY",
	"FTP_PROXY",
	"NO_PROXY",
	/* programs that others start */
	"EDITOR",
	"VISUAL",
	"PAGER",
	"MANPAGER",
	"BROWSER",
	"LESSOPEN",
	"LESSCLOSE",
	"SYSTEMD_EDITOR",
	"KUBE_EDITOR",
	"SOPS_EDITOR",
	"SSH_ASKPASS",
	"SSH_SK_PROVIDER",
	"NVIM_LISTEN_ADDRESS",
	"NVIM",
	"SUDO_ASKPASS",
	"SUDO_EDITOR",
	"CC",
	"CXX",
	"MAKEFLAGS",
	"MAKEFILES",
	"RUSTC_WRAPPER",
	"CARGO_BUILD_RUSTC_WRAPPER",
	/* interpreters' */
	"NODE_OPTIONS",
	"NODE_PATH",
	"JAVA_TOOL_OPTIONS",
	"_JAVA_OPTIONS",
	"JDK_JAVA_OPTIONS",
	"CLASSPATH",
	"LUA_INIT",
	"LUA_PATH",
	"LUA_CPATH",
	"VIMINIT",
	"EXINIT",
	"NVIM_APPNAME",
	"GOFLAGS",
};

const char *entry_name_why(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > ENTRY_NAME_MAX)
		return "a name has 1 to 64 characters";
	if (strspn(name, LETTERS DIGITS "-_") != len || !strspn(name, LETTERS DIGITS))
		return "a name is letters, digits, '-' and '_', and begins with a letter or digit";
	return NULL;
}

static bool is_dots(const char *part, size_t len)
{
	return (len == 1 || len == 2) && !memcmp(part, "..", len);
}

/* Ours is PLACE_OWN, and what the view keeps, which it shows nobody. */
static bool is_ours(const char *file)
{
	static const char *const ours[] = { PLACE_OWN, PROTO_VIEW_DIR };

	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
		size_t n = strlen(ours[i]);

		if (!strncmp(file, ours[i], n) && (!file[n] || file[n] == '/'))
			return true;
	}
	return false;
}

const char *entry_file_why(const char *file)
{
	size_t len = strlen(file);

	if (!len || len > ENTRY_FILE_MAX)
		return "a file's path has 1 to 255 bytes";
	if (file[0] == '/' || file[0] == '~')
		return "a file's path is relative to ~/secrets: write 'kube/config'";
	if (utf8_has_control(file))
		return "a file's path holds no control characters";
	if (is_ours(file))
		return "'.taz' and '.tazfs' in the vault are ours: choose another path";
	for (const char *part = file;; part += strcspn(part, "/") + 1) {
		size_t n = strcspn(part, "/");

		if (!n)
			return "a file's path has no empty part, and does not end with '/'";
		if (is_dots(part, n))
			return "a file's path has no '.' and no '..' in it: it stays in the vault";
		if (!part[n])
			return NULL;
	}
}

static bool is_denied(const char *env)
{
	for (size_t i = 0; i < sizeof(env_prefixes) / sizeof(*env_prefixes); i++)
		if (!strncmp(env, env_prefixes[i], strlen(env_prefixes[i])))
			return true;
	for (size_t i = 0; i < sizeof(env_names) / sizeof(*env_names); i++)
		if (!strcmp(env, env_names[i]))
			return true;
	return false;
}

const char *entry_env_why(const char *env)
{
	size_t len = strlen(env);

	if (!len || len > ENTRY_ENV_MAX)
		return "a variable's name has 1 to 128 characters";
	if (strspn(env, LETTERS DIGITS "_") != len || strspn(env, DIGITS))
		return "a variable's name is letters, digits and '_', and begins with no digit";
	if (is_denied(env))
		return "this variable changes what programs run or load, and no secret is named so";
	return NULL;
}

const char *entry_arg_why(const char *arg)
{
	if (strlen(arg) > ENTRY_ARG_BYTES)
		return "an argument has at most 4096 bytes";
	if (utf8_has_control(arg))
		return "an argument holds no control characters: put what needs them into a script";
	return NULL;
}

const char *entry_mode_why(const char *text, mode_t *ret)
{
	size_t len = strlen(text);
	mode_t mode = 0;

	if (len < 3 || len > 4 || strspn(text, "01234567") != len)
		return "a mode is three or four octal digits, such as 0600";
	for (; *text; text++)
		mode = mode * 8 + (mode_t)(*text - '0');
	if (mode & ~(mode_t)0700 || !(mode & 0400))
		return "a secret's mode is its owner's alone, and readable: 0400, 0500, 0600 or 0700";
	*ret = mode;
	return NULL;
}
