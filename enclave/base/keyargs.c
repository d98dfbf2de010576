#include "enclave/base/keyargs.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fido2.h"
#include "enclave/base/io.h"
#include "enclave/base/keyfile.h"
#include "enclave/base/log.h"
#include "enclave/base/qr.h"
#include "enclave/base/recovery.h"
#include "enclave/base/size.h"

/* --- the command line ------------------------------------------------------------------------ */

#define CHANGES (KEYARGS_PASSWD | KEYARGS_ADD | KEYARGS_REMOVE | KEYARGS_RECOVERY)
#define FRESH	(KEYARGS_PASSWD | KEYARGS_ADD)

enum {
	O_LABEL,
	O_KIND,
	O_KEY_FILE,
	O_WITH,
	O_FD,
	O_NEW_FD,
	O_SEAL,
	O_SLOT,
	O_JSON,
	O_YES,
	O_FORGET,
	O_FIDO2,
	O_WITH_FIDO2,
	O_TOKEN
};

static const struct option options[] = {
	{ "label", required_argument, NULL, O_LABEL },
	{ "kind", required_argument, NULL, O_KIND },
	{ "key-file", required_argument, NULL, O_KEY_FILE },
	{ "with-key-file", required_argument, NULL, O_WITH },
	{ "passphrase-fd", required_argument, NULL, O_FD },
	{ "new-passphrase-fd", required_argument, NULL, O_NEW_FD },
	{ "seal-fd", required_argument, NULL, O_SEAL },
	{ "slot", required_argument, NULL, O_SLOT },
	{ "json", no_argument, NULL, O_JSON },
	{ "yes-to-stdout", no_argument, NULL, O_YES },
	{ "forget-history", no_argument, NULL, O_FORGET },
	{ "fido2", no_argument, NULL, O_FIDO2 },
	{ "with-fido2", no_argument, NULL, O_WITH_FIDO2 },
	{ "token", required_argument, NULL, O_TOKEN },
	{ 0 },
};

static const unsigned allowed[] = {
	[O_LABEL] = KEYARGS_ADD | KEYARGS_RECOVERY,
	[O_KIND] = KEYARGS_ADD,
	[O_KEY_FILE] = KEYARGS_ADD,
	[O_WITH] = CHANGES,
	[O_FD] = CHANGES,
	[O_NEW_FD] = FRESH,
	[O_SEAL] = CHANGES,
	[O_SLOT] = KEYARGS_PASSWD,
	[O_JSON] = KEYARGS_LIST,
	[O_YES] = KEYARGS_RECOVERY,
	[O_FORGET] = KEYARGS_PASSWD | KEYARGS_REMOVE,
	[O_FIDO2] = KEYARGS_ADD,
	[O_WITH_FIDO2] = CHANGES,
	[O_TOKEN] = KEYARGS_ADD,
};

static int set_fd(const char *text, int *ret)
{
	long long fd;

	if (num_parse(text, 0, 1023, &fd) < 0)
		return -EINVAL;
	*ret = fd;
	return 0;
}

static int set(struct keyargs *a, int option, const char *value)
{
	switch (option) {
	case O_LABEL:
		a->label = value;
		return 0;
	case O_KIND:
		a->kind = value;
		return 0;
	case O_KEY_FILE:
		a->key_file = value;
		a->kind = "key-file";
		return 0;
	case O_WITH:
		a->with_key_file = value;
		return 0;
	case O_FD:
		return set_fd(value, &a->passphrase_fd);
	case O_NEW_FD:
		return set_fd(value, &a->new_passphrase_fd);
	case O_SEAL:
		return set_fd(value, &a->seal_fd);
	case O_SLOT:
		a->which = value;
		return 0;
	case O_JSON:
		a->json = true;
		return 0;
	case O_FORGET:
		a->forget_history = true;
		return 0;
	case O_FIDO2:
		a->fido2 = true;
		return 0;
	case O_WITH_FIDO2:
		a->with_fido2 = true;
		return 0;
	case O_TOKEN:
		return keytoken_parse(value, &a->token);
	default:
		a->yes_to_stdout = true;
		return 0;
	}
}

static int find_what(const char *command, const char *word)
{
	static const struct {
		const char *word;
		enum keyargs_what what;
	} words[] = { { "add", KEYARGS_ADD },
		      { "list", KEYARGS_LIST },
		      { "remove", KEYARGS_REMOVE },
		      { "recovery", KEYARGS_RECOVERY } };

	if (!strcmp(command, "passwd"))
		return KEYARGS_PASSWD;
	for (size_t i = 0; word && i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(words[i].word, word))
			return words[i].what;
	return -EINVAL;
}

static int take_options(int argc, char *argv[], struct keyargs *a, char *why, size_t size)
{
	int c;

	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?') {
			snprintf(why, size, "no option %s here, or its value is missing",
				 argv[optind - 1]);
			return -EINVAL;
		}
		if (!(allowed[c] & a->what)) {
			snprintf(why, size, "--%s has no meaning here", options[c].name);
			return -EINVAL;
		}
		if (set(a, c, optarg) < 0) {
			snprintf(why, size, "--%s takes %s, not '%s'", options[c].name,
				 c == O_TOKEN ? "a token" : "a descriptor's number", optarg);
			return -EINVAL;
		}
	}
	return 0;
}

static int check(const struct keyargs *a, char *why, size_t size)
{
	if (a->key_file && a->new_passphrase_fd >= 0)
		snprintf(why, size, "a new key is a file or a passphrase, not both");
	else if (a->fido2 && (a->key_file || a->new_passphrase_fd >= 0))
		snprintf(why, size, "a new key is a FIDO2 token's or another, not both");
	else if ((a->with_key_file != NULL) + (a->passphrase_fd >= 0) + a->with_fido2 > 1)
		snprintf(why, size, "the current key comes from one place, not from several");
	else if (a->passphrase_fd >= 0 && a->passphrase_fd == a->new_passphrase_fd)
		snprintf(why, size, "two passphrases need two descriptors");
	else if (a->what == KEYARGS_REMOVE && !a->which)
		snprintf(why, size, "which key? 'key list' shows their slots and labels");
	else
		return 0;
	return -EINVAL;
}

/* A relay puts "--seal-fd N" behind the command's name: it goes behind the word that follows. */
static void put_word_first(int argc, char *argv[])
{
	if (argc > 3 && !strcmp(argv[0], "key") && !strcmp(argv[1], "--seal-fd")) {
		char *word = argv[3];

		argv[3] = argv[2];
		argv[2] = argv[1];
		argv[1] = word;
	}
}

int keyargs_parse(int argc, char *argv[], struct keyargs *ret, char *why, size_t size)
{
	int what, skip;

	put_word_first(argc, argv);
	what = find_what(argv[0], argc > 1 ? argv[1] : NULL);
	skip = what != KEYARGS_PASSWD;
	*why = '\0';
	if (what < 0) {
		if (argc > 1)
			snprintf(why, size, "no '%s %s'", argv[0], argv[1]);
		return -EINVAL;
	}
	*ret = (struct keyargs){ .what = what,
				 .kind = what == KEYARGS_RECOVERY ? "recovery" : "passphrase",
				 .passphrase_fd = -1,
				 .new_passphrase_fd = -1,
				 .seal_fd = -1 };
	if (take_options(argc - skip, argv + skip, ret, why, size) < 0)
		return -EINVAL;
	argc -= skip + optind;
	argv += skip + optind;
	if (argc && ret->what == KEYARGS_REMOVE) {
		ret->which = *argv++;
		argc--;
	}
	if (argc) {
		snprintf(why, size, "one word too many: %s", *argv);
		return -EINVAL;
	}
	if (ret->fido2)
		ret->kind = "fido2";
	return check(ret, why, size);
}

/* --- both keys ------------------------------------------------------------------------------- */

static int read_file(const char *path, struct secret **ret)
{
	int r = keyfile_read(path, ret);

	if (r < 0)
		log_error("key file %s: %s", path, keyfile_why(r));
	else if (keyfile_is_open(path))
		log_warn("key file %s can be read by others: chmod 600", path);
	return r;
}

static int read_fd(const char *option, int fd, struct secret **ret)
{
	int r = prompt_read_fd(fd, ret);

	if (r < 0)
		log_error("--%s %d: %s", option, fd, prompt_why(r));
	return r;
}

static bool asks_fresh(const struct keyargs *a)
{
	return a->what & FRESH && a->new_passphrase_fd < 0 && !a->key_file && !a->fido2;
}

static bool asks(const struct keyargs *a)
{
	return (a->passphrase_fd < 0 && !a->with_key_file && !a->with_fido2) || asks_fresh(a);
}

static int said(const char *option, int r)
{
	if (r < 0)
		log_error("--%s: %s", option, fido2_why(r));
	return r;
}

static int read_current(const struct keyargs *a, struct secret **ret)
{
	if (a->with_fido2)
		return said("with-fido2", fido2_open(a->tokens, a->n_tokens, ret));
	if (a->with_key_file)
		return read_file(a->with_key_file, ret);
	return a->passphrase_fd >= 0 ? read_fd("passphrase-fd", a->passphrase_fd, ret) : 0;
}

static int read_fresh(struct keyargs *a, struct secret **ret)
{
	if (a->fido2)
		return said("fido2", fido2_enroll(&a->token, ret));
	if (a->key_file)
		return read_file(a->key_file, ret);
	if (a->new_passphrase_fd >= 0)
		return read_fd("new-passphrase-fd", a->new_passphrase_fd, ret);
	return a->what == KEYARGS_RECOVERY ? recovery_new(ret) : 0;
}

int keyargs_prompt(struct keyargs *a, struct prompt *p)
{
	int r = 0;

	p->keep = true;
	if (a->what == KEYARGS_RECOVERY && !a->yes_to_stdout && !isatty(STDOUT_FILENO)) {
		log_error("a recovery key is shown on a terminal; --yes-to-stdout if you mean it");
		return -ENOTTY;
	}
	if (asks(a) && !isatty(STDIN_FILENO)) {
		log_error("there is no terminal to ask on; use --passphrase-fd N%s",
			  asks_fresh(a) ? " and --new-passphrase-fd M" : "");
		return -ENOTTY;
	}
	r = read_current(a, &p->given);
	if (r == 0)
		r = read_fresh(a, &p->fresh);
	return r;
}

/* --- afterwards ------------------------------------------------------------------------------ */

#define SAY(text) io_write_full(STDOUT_FILENO, text, sizeof(text) - 1)

/* Straight from locked memory to the descriptor: stdio would keep a copy. */
static void show_recovery(const struct secret *s)
{
	int r;

	if (!isatty(STDOUT_FILENO)) {
		io_write_full(STDOUT_FILENO, s->data, s->len);
		SAY("\n");
		return;
	}
	SAY("\nThe recovery key. It is shown this once: write it down, or photograph the code with\n"
	    "a device you trust, and keep it away from this machine. It opens the vault wherever a\n"
	    "passphrase is asked for; upper or lower case, dashes and spaces do not matter.\n\n");
	for (size_t at = 0; at < s->len; at += 30) {
		size_t n = s->len - at < 30 ? s->len - at : 30;

		SAY("    ");
		io_write_full(STDOUT_FILENO, s->data + at, n);
		SAY("\n");
	}
	SAY("\n");
	r = qr_show(s, STDOUT_FILENO);
	if (r == -E2BIG)
		SAY("(this terminal is too narrow for the QR code)\n");
	SAY("\nThen clear this terminal and what it can scroll back to.\n");
}

void keyargs_finish(const struct keyargs *a, const struct prompt *p)
{
	if (a->what == KEYARGS_RECOVERY && p->fresh)
		show_recovery(p->fresh);
	if (a->what & (KEYARGS_PASSWD | KEYARGS_REMOVE))
		log_info("copies of the sealed vault that were made before%s still open with the "
			 "old key",
			 a->forget_history ? "" : ", older generations among them,");
}
