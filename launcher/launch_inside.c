#include "launcher/launch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/fido2.h"
#include "enclave/base/keyfile.h"
#include "enclave/base/log.h"
#include "enclave/base/terminal.h"
#include "launcher/attach.h"

/* --- streams and programs -------------------------------------------------------------------- */

int launch_dial(struct launch *l)
{
	struct workshop w = launch_describe(l);
	int fd, r = launch_running(l);

	if (r < 0)
		return r;
	if (!r) {
		log_error("%s is down; start it with: tazlaunch up --name %s", l->o.name,
			  l->o.name);
		return -ENOTCONN;
	}
	fd = l->engine->dial(l->engine->client, &w);
	if (l->o.through)
		return fd; /* it has said why */
	if (fd == -EBUSY)
		log_error("every way into %s is in use; close a session first", l->o.name);
	else if (fd < 0)
		log_err(fd, "reach the agent of %s", l->o.name);
	return fd;
}

int launch_capture(struct launch *l, const char *const argv[], char *buf, size_t size)
{
	int fd = launch_dial(l);

	return fd < 0 ? fd : attach_capture(fd, argv, STDERR_FILENO, buf, size);
}

static const char *clean_env(const char *name)
{
	const char *v = getenv(name);

	return v && request_env_ok(v) ? v : "";
}

/* The host's zone, as tzset(3) finds it; "" (UTC inside) when its name cannot be told. */
static const char *host_timezone(char *buf, size_t size)
{
	ssize_t n = readlink("/etc/localtime", buf, size - 1);
	const char *name;

	if (n < 0)
		return "";
	buf[n] = '\0';
	name = strstr(buf, "/zoneinfo/");
	name = name ? name + strlen("/zoneinfo/") : "";
	return timezone_ok(name) ? name : "";
}

static void set_place(struct launch *l, struct request *req, char *buf, size_t size)
{
	autofree char *cwd = getcwd(NULL, 0);

	req->cwd = buf;
	if (l->o.through) {
		snprintf(buf, size, "/workspace");
		return;
	}
	if (workspace_inside(l->rec.workspace, cwd ? cwd : "/", buf, size) < 0)
		log_info("this directory is not in the workspace %s: starting in /workspace",
			 l->rec.workspace);
}

static int run_request(struct launch *l, enum request_kind kind, struct prompt *prompt,
		       unsigned flags, bool close_stdin)
{
	struct request req;
	char place[PATH_MAX], zone[PATH_MAX];
	struct attach a = { .in = close_stdin ? -EBADF : STDIN_FILENO,
			    .out = STDOUT_FILENO,
			    .err = STDERR_FILENO,
			    .prompt = prompt,
			    .clean_out = kind == REQUEST_VAULT,
			    .clean_err = kind == REQUEST_VAULT };
	bool tty = kind != REQUEST_VAULT && !close_stdin && isatty(STDIN_FILENO) &&
		   isatty(STDOUT_FILENO);
	int fd, r;

	if (l->n_args > REQUEST_ARGS_MAX) {
		log_error("too many arguments");
		return CMD_FAILED;
	}
	fd = launch_dial(l);
	if (fd < 0)
		return CMD_FAILED;
	req = (struct request){
		.kind = kind,
		.user = kind == REQUEST_VAULT ? REQUEST_ROOT : REQUEST_TAZ,
		.flags = flags | (tty ? REQUEST_TTY : 0),
		.term = clean_env("TERM"),
		.lang = clean_env("LANG"),
		.colorterm = clean_env("COLORTERM"),
		.tz = l->o.timezone ? l->o.timezone : host_timezone(zone, sizeof(zone)),
		.argc = l->n_args,
	};
	memcpy(req.argv, l->args, l->n_args * sizeof(*req.argv));
	if (tty)
		terminal_size(STDIN_FILENO, &req.rows, &req.cols);
	set_place(l, &req, place, sizeof(place));
	r = attach_run(fd, &req, &a);
	l->lost = r < 0 && r != -EPERM;
	return r < 0 ? CMD_FAILED : r;
}

int launch_run(struct launch *l, struct prompt *prompt, unsigned flags, bool close_stdin)
{
	int r = run_request(l, prompt ? REQUEST_SESSION : REQUEST_EXEC, prompt, flags, close_stdin);

	if (prompt)
		launch_note_seen(l, NULL);
	return r;
}

int launch_vault(struct launch *l, struct prompt *prompt)
{
	int r = run_request(l, REQUEST_VAULT, prompt, 0, true);

	launch_note_seen(l, NULL);
	return r;
}

/* --- what this host has seen ----------------------------------------------------------------- */

/* Nothing is complained about but the writing: the workshop may be gone, or its agent busy. */
static int ask_status(struct launch *l, char *text, size_t size)
{
	static const char *const argv[] = { "/usr/bin/enclave", "status", "--json", NULL };
	struct workshop w = launch_describe(l);
	int fd = l->engine ? l->engine->dial(l->engine->client, &w) : -ENOTCONN;

	return fd < 0 ? fd : attach_capture(fd, argv, -EBADF, text, size);
}

/*
 * Beside this host's own workshops, for another vault's state must not count for one of them. The
 * keeper was told at its start, elsewhere, what is known there: that this host knows more is a
 * warning, and comes when the vault was open. Nor has that keeper compared its vault with what this
 * host knows, so another one does not take the place of what was seen: whoever relays could have
 * named it.
 */
static int note_elsewhere(const struct launch *l, const struct seen *news)
{
	struct seen old = { 0 };
	int r = workshop_make_through_dir(l->state_dir);

	if (r == 0)
		r = seen_load(l->state_dir, &old);
	if (r < 0)
		return r;
	if (old.generation && strcmp(old.vault, news->vault) != 0) {
		log_warn("this is another vault than the one that this host has seen as %s; --name "
			 "keeps workshops apart, and without %s/seen the new one is noted",
			 l->o.name, l->state_dir);
		return 0;
	}
	if (news->generation < old.generation)
		log_warn("the vault of %s is at generation %llu, and this host has seen generation "
			 "%llu of it: an older one may have been put back",
			 l->o.name, (unsigned long long)news->generation,
			 (unsigned long long)old.generation);
	return seen_update(l->state_dir, news);
}

void launch_note_seen(struct launch *l, const char *status)
{
	char text[4096];
	struct seen news;
	int r;

	if (l->o.through && l->lost)
		return;
	if (!status) {
		if (ask_status(l, text, sizeof(text)) != 0)
			return;
		status = text;
	}
	if (seen_in_status(status, &news) < 0 || !news.generation)
		return;
	r = l->o.through ? note_elsewhere(l, &news) : seen_update(l->state_dir, &news);
	/* A file that cannot be read is `up`'s to complain about; it is not overwritten. */
	if (r < 0 && r != -EBADMSG)
		log_err(r, "write down in %s/seen that generation %llu of the vault was seen",
			l->state_dir, (unsigned long long)news.generation);
}

/* --- the key --------------------------------------------------------------------------------- */

int launch_tokens(struct launch *l, struct keytoken *ret, size_t max)
{
	static const char *const argv[] = { "/usr/bin/enclave", "key", "list", "--json", NULL };
	char text[16384];
	int n = launch_capture(l, argv, text, sizeof(text)) == 0
			? keytoken_parse_list(text, ret, max)
			: 0;

	return n < 0 ? 0 : n;
}

static int ask_fido2(struct launch *l, struct prompt *p)
{
	struct keytoken tokens[16];
	int n = launch_tokens(l, tokens, 16), r = fido2_open(tokens, n, &p->given);

	if (r < 0)
		log_error("--fido2: %s", fido2_why(r));
	return r;
}

int launch_passphrase(struct launch *l, struct prompt *p)
{
	int r;

	if (l->o.fido2)
		return ask_fido2(l, p);
	if (l->o.key_file) {
		r = keyfile_read(l->o.key_file, &p->given);
		return r < 0 ? (log_error("key file %s: %s", l->o.key_file, keyfile_why(r)), r) : 0;
	}
	if (!(l->o.given & OPT_PASSPHRASE_FD))
		return 0;
	r = prompt_read_fd(l->o.passphrase_fd, &p->given);
	std_fds_open(); /* a later open(2) must not become standard input */
	if (r < 0)
		log_error("--passphrase-fd %d: %s", l->o.passphrase_fd, prompt_why(r));
	return r;
}
