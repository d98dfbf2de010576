#include "enclave/opening.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/cmd.h"
#include "enclave/base/countdown.h"
#include "enclave/base/fd.h"
#include "enclave/base/fido2.h"
#include "enclave/base/keyfile.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"
#include "enclave/base/size.h"
#include "enclave/client.h"

#define ATTEMPTS 3
#define WAITS	 10 /* that others have caused, before a person is told to come back later */

/* Which generations it is about: the list knows. */
static void explain_rollback(char *buf, size_t size)
{
	static struct res_history h;
	enum proto_why why;

	if (client_history(&h, &why) < 0 || !h.n) {
		snprintf(buf, size, "%s", client_why(WHY_ROLLED_BACK));
		return;
	}
	snprintf(
		buf, size,
		"the sealed vault is authentic, but its generation is %llu and this host has seen "
		"%llu: it was rolled back. 'enclave history' lists what is kept; --accept-rollback "
		"opens it all the same",
		(unsigned long long)h.entries[0].generation, (unsigned long long)h.seen);
}

/* One sentence; also what a relay shows to the person. */
static void explain(int err, const struct res_done *no, char *buf, size_t size)
{
	const char *text = client_why(no->why);

	if (!text && client_no_keeper(err, buf, size))
		return;
	if (err == -ECANCELED && !text)
		text = "given up";
	if (no->why == WHY_ROLLED_BACK)
		explain_rollback(buf, size);
	else if (text && no->why == WHY_KERNEL)
		snprintf(buf, size, "%s (%s)", text, strerror(-err));
	else if (text && no->wait_sec)
		snprintf(buf, size, "%s; the next try in %u s", text, no->wait_sec);
	else
		snprintf(buf, size, "%s", text ? text : prompt_why(err));
}

void opening_say_conflict(const char *what)
{
	struct res_status s;

	if (client_status(&s) < 0 || !*s.conflict) {
		log_error("%s: %s", what, client_why(WHY_CONFLICT));
		return;
	}
	log_error(
		"%s: somebody else has written the sealed file since it was opened here. That file "
		"is left as it is, and the next unlock opens it; this session is saved beside it, "
		"as %s. 'enclave history' shows both; 'enclave restore %s' makes this one current, "
		"and keeps the other",
		what, s.conflict, s.conflict);
}

int opening_parse_fd(const char *option, const char *text, int *ret)
{
	long long fd;

	if (num_parse(text, 0, 1023, &fd) < 0) {
		log_error("--%s takes a descriptor's number, not '%s'", option, text);
		return -EINVAL;
	}
	*ret = fd;
	return 0;
}

int opening_exit_code(int err)
{
	switch (err) {
	case -EUCLEAN:
		return 3;
	case -EBADE:
		return 4;
	case -ESTALE:
		return 5;
	default:
		return CMD_FAILED;
	}
}

int opening_say(int err, unsigned why, const char *what)
{
	struct res_done no = { .why = why };
	char text[256];

	explain(err, &no, text, sizeof(text));
	log_error("%s: %s", what, text);
	return err;
}

int opening_box(const struct opening *o, struct prompt *prompt, const struct seal_ask *ask,
		struct seal_box *box)
{
	autoclose int asks = -EBADF;
	ssize_t n;
	int r;

	memset(box, 0, sizeof(*box));
	if (o->seal_fd < 0)
		return prompt_answer(prompt, ask, box);
	r = msg_send(o->seal_fd, ask, sizeof(*ask), NULL, 0);
	if (r < 0)
		return r;
	n = msg_recv(o->seal_fd, box, sizeof(*box), &asks, 1);
	if (asks >= 0 && o->ret_asks) {
		fd_close(o->ret_asks);
		*o->ret_asks = take_fd(&asks);
	}
	if (n != sizeof(*box) || !box->len || box->len > sizeof(box->box)) {
		box->len = 0;
		return -ECANCELED;
	}
	return 0;
}

void opening_tell(const struct opening *o, int err, const struct res_done *no, bool more,
		  const char *what)
{
	struct seal_verdict verdict = { .err = err, .more = more, .wait_sec = no->wait_sec };

	if (err < 0)
		explain(err, no, verdict.text, sizeof(verdict.text));
	if (o->seal_fd >= 0)
		msg_send(o->seal_fd, &verdict, sizeof(verdict), NULL, 0);
	else if (err < 0)
		log_error("%s: %s", what, verdict.text);
}

/* One attempt; each has a worker and a one-time key of its own. */
static int attempt(const struct opening *o, struct prompt *prompt, unsigned number,
		   struct res_done *ret)
{
	struct res_seal_to to;
	struct seal_ask ask = { .attempt = number };
	struct seal_box box;
	autoclose int sock =
		o->restore ? client_restore(o->restore, &to, ret) : client_open(o->flags, &to, ret);
	int r, given_up;

	if (sock < 0)
		return sock;
	ask.what = to.is_new ? SEAL_CREATE : SEAL_OPEN;
	memcpy(ask.public_key, to.public_key, sizeof(ask.public_key));
	given_up = opening_box(o, prompt, &ask, &box);
	r = o->restore ? client_restore_sealed(sock, box.box, box.len, ret)
		       : client_sealed(sock, box.box, box.len, o->ret_asks ? *o->ret_asks : -EBADF,
				       ret);
	if (given_up < 0) {
		*ret = (struct res_done){ 0 };
		return given_up;
	}
	if (r == 0 && o->ret_sock)
		*o->ret_sock = take_fd(&sock);
	return r;
}

int opening_tokens(struct keytoken *ret, size_t max)
{
	struct res_keys keys;
	struct res_done no;
	size_t n = 0;

	if (client_keys(&keys, &no) < 0)
		return 0;
	for (uint32_t i = 0; i < keys.n && n < max; i++)
		if (keys.keys[i].token.kind == KEY_FIDO2)
			ret[n++] = keys.keys[i].token;
	return n;
}

/* A container sees what was plugged in when it was started, or nothing; tazlaunch asks outside. */
void opening_hint_fido2(int err)
{
	if (err == -ENODEV)
		log_info("a workshop's token is plugged into its host: there 'tazlaunch enter "
			 "--fido2' and 'tazlaunch key add --fido2' ask it");
}

static int ask_fido2(struct secret **ret)
{
	struct keytoken tokens[PROTO_KEYS];
	int n = opening_tokens(tokens, PROTO_KEYS), r = fido2_open(tokens, n, ret);

	if (r < 0)
		log_error("--fido2: %s", fido2_why(r));
	opening_hint_fido2(r);
	return r;
}

static const char *name_of(const struct opening *o)
{
	return o->restore ? "restore" : "unlock";
}

/* What was given once is not to be asked for. */
static int fill_prompt(const struct opening *o, struct prompt *prompt)
{
	int r = 0;

	if (o->seal_fd >= 0 || o->prompt)
		return 0;
	if (o->fido2)
		return ask_fido2(&prompt->given);
	if (o->passphrase_fd >= 0)
		r = prompt_read_fd(o->passphrase_fd, &prompt->given);
	else if (o->key_file)
		r = keyfile_read(o->key_file, &prompt->given);
	if (r < 0 && o->passphrase_fd < 0)
		log_error("%s: %s", o->key_file, keyfile_why(r));
	else if (r < 0)
		opening_say(r, WHY_NONE, name_of(o));
	return r;
}

static void wait_for(const struct opening *o, unsigned sec)
{
	/* A relay was told, and shows it to the person. */
	if (o->seal_fd >= 0)
		sleep(sec);
	else
		countdown_wait(sec);
}

static int try(const struct opening *o, struct prompt *prompt)
{
	bool asks = o->seal_fd >= 0 || !prompt->given;
	unsigned number = 1, waits = 0;
	int r;

	for (;;) {
		struct res_done no;
		bool more;

		r = attempt(o, prompt, number, &no);
		if (o->ret)
			*o->ret = no;
		if (r == 0 && o->goes_on)
			return 0;
		more = asks && ((no.why == WHY_WRONG_PASSPHRASE && number++ < ATTEMPTS) ||
				(no.why == WHY_WAIT && waits++ < WAITS));
		opening_tell(o, r, &no, more, name_of(o));
		if (!more)
			return r;
		wait_for(o, no.wait_sec);
	}
}

int opening_run(const struct opening *o)
{
	struct prompt own = { 0 }, *prompt = o->prompt ? o->prompt : &own;
	int r = fill_prompt(o, prompt);

	if (r == 0)
		r = try(o, prompt);
	prompt_done(&own);
	return r;
}

int opening_show(const char *dir)
{
	autoclose int fd = open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	enum proto_why why = WHY_NONE;
	int r = fd < 0 ? -errno : client_mount(fd, &why);

	return r < 0 ? opening_say(r, why, dir) : 0;
}
