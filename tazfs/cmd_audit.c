#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/hash.h"
#include "enclave/base/json.h"
#include "enclave/base/log.h"
#include "enclave/base/size.h"
#include "tazfs/audit_key.h"
#include "tazfs/audit_print.h"
#include "tazfs/audit_source.h"
#include "tazfs/cmd.h"

static int run_show(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "follow", no_argument, NULL, 'f' },	  { "since", required_argument, NULL, 's' },
		{ "denied", no_argument, NULL, 'd' },	  { "json", no_argument, NULL, 'j' },
		{ "file", required_argument, NULL, 'F' }, { NULL, 0, NULL, 0 }
	};
	struct audit_print a = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == 's' && audit_print_since(optarg, &a.filter.since_ns) < 0)
			return CMD_USAGE;
		a.follow |= c == 'f';
		a.filter.denied |= c == 'd';
		a.json |= c == 'j';
		a.file = c == 'F' ? optarg : a.file;
		if (c == '?')
			return cmd_usage(&cmd_audit);
	}
	if (argc - optind > 1 || (a.file && optind != argc))
		return cmd_usage(&cmd_audit);
	a.dir = argv[optind];
	return audit_print(&a) < 0 ? CMD_FAILED : CMD_DONE;
}

/* --- verify -------------------------------------------------------------------------------------
 */

struct verify_args {
	const char *key;
	long long until;
	bool json;
	int n;
	char *const *files; /* none, or one directory: a view */
};

static void print_json(const struct audit_check *c, const char *file)
{
	struct json_object *o = json_object_new_object();
	char mac[HASH_HEX_MAX];
	bool whole = c->flaw == AUDIT_WHOLE;

	hash_hex_of(c->last.mac, AUDIT_MAC_BYTES, mac);
	json_object_object_add(o, "whole", json_object_new_boolean(whole));
	json_object_object_add(o, "lines", json_object_new_uint64(c->lines));
	json_object_object_add(o, "first", json_object_new_uint64(c->first_seq));
	json_object_object_add(o, "last", json_object_new_uint64(c->last.seq));
	json_object_object_add(o, "mac", json_object_new_string(mac));
	json_object_object_add(o, "file", whole ? NULL : json_object_new_string(file));
	json_object_object_add(o, "line", whole ? NULL : json_object_new_uint64(c->line));
	json_object_object_add(o, "flaw",
			       whole ? NULL : json_object_new_string(audit_flaw_text[c->flaw]));
	json_print(o);
}

static void print_text(const struct audit_check *c, const char *file)
{
	char mac[HASH_HEX_MAX];

	if (c->flaw != AUDIT_WHOLE) {
		if (c->line)
			log_error("%s, line %llu: %s", file, (unsigned long long)c->line,
				  audit_flaw_text[c->flaw]);
		else
			log_error("%s: %s", file, audit_flaw_text[c->flaw]);
		if (c->missing)
			log_error("so many lines are missing there: %llu",
				  (unsigned long long)c->missing);
		return;
	}
	if (!c->lines) {
		puts("whole: nothing has been written yet");
		return;
	}
	hash_hex_of(c->last.mac, AUDIT_MAC_BYTES, mac);
	printf("whole: %llu lines, number %llu to %llu\n", (unsigned long long)c->lines,
	       (unsigned long long)c->first_seq, (unsigned long long)c->last.seq);
	printf("mac of the last: %s\n", mac);
	if (c->first_seq > 1)
		printf("lines before number %llu are not there: rotated away, or removed\n",
		       (unsigned long long)c->first_seq);
}

static int say(const struct verify_args *a, const struct audit_check *c, const char *file)
{
	(a->json ? print_json : print_text)(c, file);
	return c->flaw == AUDIT_WHOLE ? CMD_DONE : CMD_FAILED;
}

static int load_key(const char *path, struct secret **ret)
{
	autofclose FILE *f = fopen(path, "re");
	char text[4096 + 1];
	size_t n;
	int r;

	if (!f)
		return log_err(-errno, "open the key %s", path);
	n = fread(text, 1, sizeof(text), f);
	r = n < sizeof(text) ? audit_key_parse(text, n, ret) : -EBADMSG;
	secret_wipe(text, sizeof(text));
	if (r == -EBADMSG)
		log_error("%s holds no key: it is 64 digits 0-9a-f, as in audit.key", path);
	else if (r < 0)
		log_err(r, "read the key %s", path);
	return r;
}

static int feed(struct audit_check *c, const char *path)
{
	struct audit_source *s;
	char buf[65536];
	uint64_t at = 0;
	ssize_t n;
	int r = audit_source_file(path, &s);

	if (r < 0)
		return log_err(r, "open %s", path);
	while ((n = s->read(s, &at, buf, sizeof(buf))) > 0 && audit_check_feed(c, buf, (size_t)n))
		at += (uint64_t)n;
	s->close(s);
	if (n < 0)
		return log_err((int)n, "read %s", path);
	audit_check_file(c);
	return 0;
}

static int verify_files(const struct verify_args *a)
{
	autosecret struct secret *key = NULL;
	struct audit_check c;
	int code = CMD_FAILED, i = 0, r = 0;

	if (load_key(a->key, &key) < 0)
		return CMD_FAILED;
	if (audit_check_init(&c, key) < 0)
		return CMD_FAILED;
	for (; i < a->n && r == 0 && c.flaw == AUDIT_WHOLE; i++)
		r = feed(&c, a->files[i]);
	audit_check_end(&c, (uint64_t)a->until);
	if (r == 0)
		code = say(a, &c, a->files[i - 1]);
	audit_check_done(&c);
	return code;
}

static int verify_view(const struct verify_args *a)
{
	struct audit_source *s;
	struct audit_check c;
	char name[64];
	int r = audit_source_view(a->n ? a->files[0] : NULL, &s);

	if (r < 0)
		return CMD_FAILED;
	r = s->verify(s, &c);
	s->close(s);
	if (r < 0)
		return CMD_FAILED;
	if (a->until || c.lines)
		audit_check_end(&c, (uint64_t)a->until);
	snprintf(name, sizeof(name), "file %u of the log, from the oldest", c.file);
	return say(a, &c, name);
}

static int run_verify(int argc, char *argv[])
{
	static const struct option options[] = { { "key", required_argument, NULL, 'k' },
						 { "until", required_argument, NULL, 'u' },
						 { "json", no_argument, NULL, 'j' },
						 { NULL, 0, NULL, 0 } };
	struct verify_args a = { 0 };
	struct stat st;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == '?')
			return cmd_usage(&cmd_audit);
		a.key = c == 'k' ? optarg : a.key;
		a.json |= c == 'j';
		if (c == 'u' && num_parse(optarg, 1, INT64_MAX, &a.until) < 0) {
			log_error("--until '%s' is no number of a line", optarg);
			return CMD_USAGE;
		}
	}
	a.n = argc - optind;
	a.files = argv + optind;
	if (a.key)
		return a.n ? verify_files(&a) : cmd_usage(&cmd_audit);
	/* Of a view that does not let us look nobody says that it is a directory. */
	if (a.n < 2 && (!a.n || stat(a.files[0], &st) < 0 || S_ISDIR(st.st_mode)))
		return verify_view(&a);
	log_error("files can only be checked with their key: --key FILE");
	return CMD_USAGE;
}

static int run(int argc, char *argv[])
{
	if (argc > 1 && !strcmp(argv[1], "verify"))
		return run_verify(argc - 1, argv + 1);
	return run_show(argc, argv);
}

const struct cmd cmd_audit = {
	.name = "audit",
	.args = "[--follow] [--since TIME] [--denied] [--json] [--file FILE | DIR]\n"
		"       tazfs audit verify [--until N] [--json] [DIR | --key KEYFILE FILE...]",
	.help = "show what a view has decided, or check that nobody has changed that log",
	.details =
		"Options:\n"
		"  --follow       go on, as new decisions are written\n"
		"  --since TIME   10m, 2h, 90 (seconds); or 2026-01-31, 2026-01-31T08:15 (local time,\n"
		"                 with Z at its end UTC)\n"
		"  --denied       only what was not allowed\n"
		"  --json         the lines as they are: one object each, see tazfs(1)\n"
		"  --file FILE    a copy that was made with --json; - is standard input\n"
		"\n"
		"verify names the first line that was changed, removed, moved or put there. The view\n"
		"at DIR checks its own log. Of copies name all files, oldest first, and the key.\n"
		"  --key KEYFILE  a copy of audit.key, which lies beside the log in the vault\n"
		"  --until N      the log must reach line number N, as an earlier check said\n"
		"  --json         one object: whole, lines, first, last, mac, file, line, flaw\n"
		"\n"
		"Example:\n"
		"  tazfs audit --since 1h --denied\n"
		"  tazfs audit --json > log && tazfs audit verify --key audit.key log\n"
		"\n"
		"Exit codes: 0 shown, or whole; 1 failed, or not whole; 2 usage.\n",
	.run = run,
};
