#include <stdio.h>
#include <string.h>

#include "enclave/base/keyargs.h"
#include "enclave/base/log.h"
#include "enclave/base/privs.h"
#include "launcher/cmd.h"
#include "launcher/launch.h"

#define WORDS_MAX 40

/* What goes inside: what was asked for, without anything that is a key or stays here. */
static int inner_argv(const struct keyargs *a, const char *token, const char **argv)
{
	static const struct {
		enum keyargs_what what;
		const char *words[2];
	} table[] = {
		{ KEYARGS_PASSWD, { "passwd" } },
		{ KEYARGS_ADD, { "key", "add" } },
		{ KEYARGS_REMOVE, { "key", "remove" } },
		{ KEYARGS_RECOVERY, { "key", "recovery" } },
	};
	int n = 0;

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		for (int j = 0; table[i].what == a->what && j < 2 && table[i].words[j]; j++)
			argv[n++] = table[i].words[j];
	if (a->what == KEYARGS_ADD) {
		argv[n++] = "--kind";
		argv[n++] = a->kind;
	}
	if (*token) {
		argv[n++] = "--token";
		argv[n++] = token;
	}
	if (a->label) {
		argv[n++] = "--label";
		argv[n++] = a->label;
	}
	if (a->forget_history)
		argv[n++] = "--forget-history";
	if (a->which && a->what == KEYARGS_PASSWD)
		argv[n++] = "--slot";
	else if (a->which)
		argv[n++] = "--";
	if (a->which)
		argv[n++] = a->which;
	argv[n] = NULL;
	return n;
}

static int change(struct launch *l, struct keyargs *a)
{
	char token[KEYTOKEN_JSON] = "";
	const char *argv[16];
	struct prompt p = { 0 };
	int r;

	if (a->with_fido2)
		a->n_tokens = launch_tokens(l, a->tokens, KEYARGS_TOKENS);
	r = keyargs_prompt(a, &p);
	if (r == 0 && a->token.credential_len)
		keytoken_format(&a->token, 0, token, sizeof(token));

	std_fds_open(); /* a later open(2) must not become standard input */
	if (r < 0) {
		prompt_done(&p);
		return CMD_FAILED;
	}
	l->n_args = inner_argv(a, token, argv);
	l->args = (char **)argv;
	r = launch_vault(l, &p);
	if (r == 0) {
		log_info("done, and saved");
		keyargs_finish(a, &p);
	}
	prompt_done(&p);
	return r;
}

static int list(struct launch *l, const struct keyargs *a)
{
	const char *argv[] = { "/usr/bin/enclave", "key", "list", a->json ? "--json" : NULL, NULL };
	char text[8192];
	int r = launch_capture(l, argv, text, sizeof(text));

	if (r < 0)
		return CMD_FAILED;
	fputs(text, stdout);
	return r;
}

/* The options that say which workshop may stand anywhere: they go to the front. */
static int sort_words(int argc, char *argv[], char *front[], char *rest[])
{
	int f = 1, n = 0;

	front[0] = argv[0];
	for (int i = 0; i < argc; i++) {
		bool ours = i && opts_is_one(argv[i], OPT_INSIDE);

		if (ours)
			front[f++] = argv[i];
		if (ours && !strchr(argv[i], '=') && i + 1 < argc)
			front[f++] = argv[++i];
		if (!ours)
			rest[n++] = argv[i];
	}
	front[f] = rest[n] = NULL;
	return f;
}

static int run_with(const struct cmd *cmd, int argc, char *argv[])
{
	static struct launch l;
	char *front[WORDS_MAX + 1], *rest[WORDS_MAX + 1], why[160] = "too many words";
	struct keyargs a;
	int n = 0, r = argc <= WORDS_MAX ? 0 : -1;

	if (r == 0) {
		n = sort_words(argc, argv, front, rest);
		r = keyargs_parse(argc - n + 1, rest, &a, why, sizeof(why));
	}
	if (r == 0 && a.seal_fd >= 0) {
		snprintf(why, sizeof(why), "--seal-fd has no meaning here");
		r = -1;
	}
	if (r < 0) {
		if (*why)
			log_error("%s", why);
		return cmd_usage(cmd);
	}
	r = launch_begin(&l, cmd, OPT_INSIDE, false, n, front);
	if (r)
		return r;
	if (privs_hide() < 0)
		return CMD_FAILED;
	return a.what == KEYARGS_LIST ? list(&l, &a) : change(&l, &a);
}

static int run_key(int argc, char *argv[])
{
	return run_with(&cmd_key, argc, argv);
}

static int run_passwd(int argc, char *argv[])
{
	return run_with(&cmd_passwd, argc, argv);
}

const struct cmd cmd_key = {
	.name = "key",
	.args = KEYARGS_KEY_ARGS,
	.help = "the vault's keys: more passphrases, key files, a recovery key",
	.details = KEYARGS_KEY_HELP KEYARGS_FD_HELP OPTS_HELP_INSIDE
	"\n"
	"The workshop must be up. Passphrases are typed, key files are read and a recovery\n"
	"key is made and shown on this machine; only sealed boxes go inside. Every change\n"
	"asks for a valid key first. Copies and older generations of the sealed vault still\n"
	"open with a key that was removed.\n"
	"\n"
	"Example:  sudo tazlaunch key recovery --name work\n"
	"\n"
	"Exit codes: 0 done and saved; 1 not, and why is said; 2 usage.\n",
	.run = run_key,
};

const struct cmd cmd_passwd = {
	.name = "passwd",
	.args = "[--slot SLOT|LABEL] [--forget-history]",
	.help = "change the passphrase, also a forgotten one with the recovery key",
	.details = KEYARGS_PASSWD_HELP KEYARGS_FORGET_HELP KEYARGS_FD_HELP OPTS_HELP_INSIDE
	"\n"
	"The workshop must be up. Asks for the current passphrase, or any other key, and\n"
	"twice for the new one, on this terminal; only sealed boxes go inside. At every\n"
	"instant the old or the new one opens. Copies and older generations of the sealed\n"
	"vault still open with the old one.\n"
	"\n"
	"Example:  sudo tazlaunch passwd --name work\n"
	"\n"
	"Exit codes: 0 changed and saved; 1 not, and why is said; 2 usage.\n",
	.run = run_passwd,
};
