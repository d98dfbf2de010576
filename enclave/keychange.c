#include "enclave/keychange.h"

#include <errno.h>
#include <string.h>

#include "enclave/base/cmd.h"
#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/privs.h"
#include "enclave/client.h"
#include "enclave/opening.h"

struct change {
	struct opening opening;
	struct prompt *prompt;
	struct req_key req;
	const char *what; /* for messages */
};

static uint32_t kind_of(const char *name)
{
	uint32_t kind = 0;

	while (kind < KEY_KINDS && strcmp(keytoken_kind_name(kind), name))
		kind++;
	return kind;
}

static int copy_name(char buf[KEYTOKEN_LABEL], const char *name, const char *option)
{
	if (!name)
		return 0;
	if (strlen(name) >= KEYTOKEN_LABEL) {
		log_error("%s '%s' is longer than %d characters", option, name, KEYTOKEN_LABEL - 1);
		return -EINVAL;
	}
	strcpy(buf, name);
	return 0;
}

static int fill(struct change *c, const struct keyargs *a)
{
	static const struct {
		enum keyargs_what args;
		enum proto_key what;
		const char *name;
	} table[] = { { KEYARGS_PASSWD, KEY_REPLACE, "passwd" },
		      { KEYARGS_ADD, KEY_ADD, "key add" },
		      { KEYARGS_REMOVE, KEY_REMOVE, "key remove" },
		      { KEYARGS_RECOVERY, KEY_ADD, "key recovery" } };

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (table[i].args == a->what) {
			c->req.what = table[i].what;
			c->what = table[i].name;
		}
	c->req.forget = a->forget_history;
	c->req.token = a->token; /* of a FIDO2 key; zeros otherwise */
	c->req.token.kind = kind_of(a->kind);
	if (c->req.token.kind == KEY_KINDS || !c->what) {
		log_error("no kind of key is called '%s'", a->kind);
		return -EINVAL;
	}
	if (a->label && !keytoken_label_ok(a->label)) {
		log_error("a label is 1 to %d letters, digits and ._@+-, and begins with a letter; "
			  "not '%s'",
			  KEYTOKEN_LABEL - 1, a->label);
		return -EINVAL;
	}
	return copy_name(c->req.token.label, a->label, "the label") < 0 ||
			       copy_name(c->req.which, a->which, "the name") < 0
		       ? -EINVAL
		       : 0;
}

static int get_box(struct change *c, const struct res_seal_to *to, enum seal_what what,
		   uint8_t box[PROTO_BOX_MAX], uint32_t *ret_len)
{
	struct seal_ask ask = { .what = what, .attempt = 1 };
	struct seal_box sealed;
	int r = -EKEYREJECTED;

	memcpy(ask.public_key, to->public_key, sizeof(ask.public_key));
	/* Two that differ are a slip, not an answer. */
	for (int i = 0; i < 3 && r == -EKEYREJECTED; i++) {
		r = opening_box(&c->opening, c->prompt, &ask, &sealed);
		if (r == -EKEYREJECTED)
			log_error("%s", prompt_why(r));
	}
	*ret_len = sealed.len;
	memcpy(box, sealed.box, sealed.len);
	return r;
}

/* Both boxes, and the verdict. With none the keeper is told that it was given up. */
static int send_keys(struct change *c, struct res_done *ret)
{
	static struct req_key_sealed sealed;
	struct res_seal_to to;
	autoclose int sock = client_key(&c->req, &to, ret);
	int r;

	if (sock < 0)
		return sock;
	r = get_box(c, &to, SEAL_SAME, sealed.current, &sealed.current_len);
	if (r == 0 && c->req.what != KEY_REMOVE)
		r = get_box(c, &to, SEAL_FRESH, sealed.fresh, &sealed.fresh_len);
	if (r < 0)
		return r; /* the connection's end tells the keeper */
	return client_key_sealed(sock, &sealed, ret);
}

static int change(struct change *c, struct res_done *ret)
{
	struct res_done saved;
	int r = send_keys(c, ret);

	if (r < 0)
		return r;
	r = client_save(&saved);
	if (r < 0)
		*ret = saved;
	return r;
}

/* As keyargs_prompt(), with the vault's FIDO2 keys. A relay has both keys already. */
static int get_keys(struct keyargs *a, struct prompt *p)
{
	int r;

	if (a->seal_fd >= 0)
		return 0;
	if (a->with_fido2)
		a->n_tokens = opening_tokens(a->tokens, KEYARGS_TOKENS);
	r = keyargs_prompt(a, p);
	if (a->fido2 || a->with_fido2)
		opening_hint_fido2(r);
	return r;
}

/* Returns the slot that was made or removed, or -errno. */
static int run(const struct keyargs *a, struct prompt *p)
{
	struct change c = { .opening = { .seal_fd = a->seal_fd,
					 .passphrase_fd = -1,
					 .prompt = p,
					 .goes_on = true },
			    .prompt = p };
	struct res_done res = { 0 };
	struct res_lock left;
	int r = fill(&c, a), end;

	if (r == 0)
		r = opening_run(&c.opening);
	if (r < 0)
		return r;
	r = change(&c, &res);
	end = client_leave(&left, NULL);
	if (r == 0 && end < 0 && end != -ESRCH) {
		r = end;
		res.why = left.why;
	}
	opening_tell(&c.opening, r, &res, false, c.what);
	return r < 0 ? r : res.slot;
}

int keychange_parse(int argc, char *argv[], struct keyargs *ret)
{
	char why[160];
	int r = keyargs_parse(argc, argv, ret, why, sizeof(why));

	if (r < 0 && *why)
		log_error("%s", why);
	return r;
}

int keychange_main(struct keyargs *a)
{
	struct prompt p = { 0 };
	int r = privs_hide();

	if (r == 0)
		r = get_keys(a, &p);
	if (r == 0)
		r = run(a, &p);
	if (r >= 0 && a->seal_fd < 0) {
		log_info("%s (slot %d) and saved",
			 a->what == KEYARGS_PASSWD   ? "the passphrase is changed"
			 : a->what == KEYARGS_REMOVE ? "the key is removed"
						     : "one more key is made",
			 r);
		keyargs_finish(a, &p);
	}
	prompt_done(&p);
	return r < 0 ? CMD_FAILED : CMD_DONE;
}
