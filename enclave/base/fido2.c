#include "enclave/base/fido2.h"

#include <errno.h>
#include <fido.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "enclave/base/fd.h"
#include "enclave/base/keyfile.h"
#include "enclave/base/log.h"
#include "enclave/base/prompt.h"
#include "enclave/base/shortlife.h"

#define RP	     "taz"
#define SECRET_BYTES 32
#define PIN_MAX	     63 /* CTAP 2.1: bytes */

/* What child and parent share: a locked page that is wiped by the parent. */
struct shared {
	int err;
	uint8_t hmac[SECRET_BYTES];
	struct keytoken token;
};

struct job {
	const struct keytoken *tokens; /* NULL: enrol */
	size_t n;
	const struct secret *pin; /* or NULL */
	struct shared *out;
};

/* --- in the child ---------------------------------------------------------------------------- */

static int translate(int r)
{
	switch (r) {
	case FIDO_OK:
		return 0;
	case FIDO_ERR_PIN_REQUIRED:
		return -EAGAIN;
	case FIDO_ERR_PIN_INVALID:
	case FIDO_ERR_PIN_BLOCKED:
	case FIDO_ERR_PIN_AUTH_BLOCKED:
		return -EPERM;
	case FIDO_ERR_NO_CREDENTIALS:
	case FIDO_ERR_INVALID_CREDENTIAL:
		return -ENOKEY;
	case FIDO_ERR_ACTION_TIMEOUT:
	case FIDO_ERR_USER_ACTION_TIMEOUT:
	case FIDO_ERR_TIMEOUT:
		return -ETIME;
	case FIDO_ERR_UNSUPPORTED_EXTENSION:
	case FIDO_ERR_UNSUPPORTED_OPTION:
		return -ENOSYS;
	default:
		log_warn("the FIDO2 token says: %s", fido_strerr(r));
		return -EIO;
	}
}

/* The first token that is plugged in. */
static int open_token(fido_dev_t **ret)
{
	fido_dev_info_t *list = fido_dev_info_new(8);
	fido_dev_t *dev = fido_dev_new();
	size_t n = 0;
	int r = -ENODEV;

	if (!list || !dev)
		return -ENOMEM;
	if (fido_dev_info_manifest(list, 8, &n) == FIDO_OK && n > 0 &&
	    fido_dev_open(dev, fido_dev_info_path(fido_dev_info_ptr(list, 0))) == FIDO_OK)
		r = 0;
	if (n > 1)
		log_info("there are several FIDO2 tokens: the first one is used");
	*ret = dev;
	return r;
}

static const char *pin_text(const struct job *job, char buf[PIN_MAX + 1])
{
	if (!job->pin)
		return NULL;
	memcpy(buf, job->pin->data, job->pin->len);
	buf[job->pin->len] = '\0';
	return buf;
}

static int make_credential(fido_dev_t *dev, const char *pin, struct keytoken *t)
{
	fido_cred_t *cred = fido_cred_new();
	uint8_t user[32], challenge[32];
	int r;

	if (!cred)
		return -ENOMEM;
	secret_random(user, sizeof(user));
	secret_random(challenge, sizeof(challenge));
	if (fido_cred_set_type(cred, COSE_ES256) != FIDO_OK ||
	    fido_cred_set_clientdata_hash(cred, challenge, sizeof(challenge)) != FIDO_OK ||
	    fido_cred_set_rp(cred, RP, "taz vault") != FIDO_OK ||
	    fido_cred_set_user(cred, user, sizeof(user), "vault", "taz vault", NULL) != FIDO_OK ||
	    fido_cred_set_extensions(cred, FIDO_EXT_HMAC_SECRET) != FIDO_OK ||
	    fido_cred_set_rk(cred, FIDO_OPT_FALSE) != FIDO_OK)
		return -EIO;
	log_info("touch the FIDO2 token: it makes a credential");
	r = translate(fido_dev_make_cred(dev, cred, pin));
	if (r < 0)
		return r;
	if (fido_cred_id_len(cred) > sizeof(t->credential))
		return -EIO;
	t->kind = KEY_FIDO2;
	strcpy(t->rp, RP);
	t->flags = KEYTOKEN_PRESENCE | (pin ? KEYTOKEN_PIN : 0);
	t->credential_len = fido_cred_id_len(cred);
	memcpy(t->credential, fido_cred_id_ptr(cred), t->credential_len);
	secret_random(t->salt, sizeof(t->salt));
	return 0;
}

static int get_secret(fido_dev_t *dev, const char *pin, const struct keytoken *t,
		      uint8_t hmac[SECRET_BYTES])
{
	fido_assert_t *a = fido_assert_new();
	uint8_t challenge[32];
	int r;

	if (!a)
		return -ENOMEM;
	if (t->flags & KEYTOKEN_PIN && !pin)
		return -EAGAIN;
	secret_random(challenge, sizeof(challenge));
	if (fido_assert_set_clientdata_hash(a, challenge, sizeof(challenge)) != FIDO_OK ||
	    fido_assert_set_rp(a, t->rp) != FIDO_OK ||
	    fido_assert_allow_cred(a, t->credential, t->credential_len) != FIDO_OK ||
	    fido_assert_set_extensions(a, FIDO_EXT_HMAC_SECRET) != FIDO_OK ||
	    fido_assert_set_hmac_salt(a, t->salt, sizeof(t->salt)) != FIDO_OK ||
	    fido_assert_set_up(a, FIDO_OPT_TRUE) != FIDO_OK)
		return -EIO;
	log_info("touch the FIDO2 token");
	r = translate(fido_dev_get_assert(dev, a, t->flags & KEYTOKEN_PIN ? pin : NULL));
	if (r < 0)
		return r;
	if (fido_assert_count(a) < 1 || fido_assert_hmac_secret_len(a, 0) != SECRET_BYTES)
		return -ENOSYS;
	memcpy(hmac, fido_assert_hmac_secret_ptr(a, 0), SECRET_BYTES);
	return 0;
}

static int enroll(fido_dev_t *dev, const char *pin, struct shared *out)
{
	int r;

	if (fido_dev_has_pin(dev) && !pin)
		return -EAGAIN;
	r = make_credential(dev, pin, &out->token);
	return r < 0 ? r : get_secret(dev, pin, &out->token, out->hmac);
}

static int open_any(fido_dev_t *dev, const char *pin, const struct job *job)
{
	int r = -ENOKEY;

	for (size_t i = 0; i < job->n && r == -ENOKEY; i++)
		if (job->tokens[i].kind == KEY_FIDO2)
			r = get_secret(dev, pin, &job->tokens[i], job->out->hmac);
	return r;
}

static int in_child(void *arg)
{
	const struct job *job = arg;
	char buf[PIN_MAX + 1];
	const char *pin = pin_text(job, buf);
	fido_dev_t *dev = NULL;
	int r;

	fido_init(0);
	r = open_token(&dev);
	if (r == 0)
		r = job->tokens ? open_any(dev, pin, job) : enroll(dev, pin, job->out);
	job->out->err = r;
	return 0;
}

/* --- in the parent --------------------------------------------------------------------------- */

static int talk(struct job *job)
{
	autosecret struct secret *pin = NULL;
	int r = shortlife_run(in_child, job);

	if (r == 0 && job->out->err == -EAGAIN) {
		r = prompt_ask("PIN of the FIDO2 token: ", 0, &pin);
		if (r < 0)
			return r;
		if (pin->len > PIN_MAX)
			return -EPERM;
		job->pin = pin;
		r = shortlife_run(in_child, job);
		job->pin = NULL;
	}
	if (r != 0)
		return r < 0 ? r : -EIO;
	return job->out->err == -EAGAIN ? -EPERM : job->out->err;
}

static int run(const struct keytoken *tokens, size_t n, struct keytoken *ret,
	       struct secret **ret_key)
{
	struct shared *out =
		mmap(NULL, sizeof(*out), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct job job = { .tokens = tokens, .n = n, .out = out };
	int r;

	if (out == MAP_FAILED)
		return -errno;
	r = mlock(out, sizeof(*out)) < 0 ? -errno : talk(&job);
	if (r == 0)
		r = keyfile_hash("taz fido2 1\n", out->hmac, sizeof(out->hmac), ret_key);
	if (r == 0 && ret)
		*ret = out->token;
	secret_wipe(out, sizeof(*out));
	munmap(out, sizeof(*out));
	return r;
}

int fido2_enroll(struct keytoken *ret, struct secret **ret_key)
{
	return run(NULL, 0, ret, ret_key);
}

int fido2_open(const struct keytoken *tokens, size_t n, struct secret **ret_key)
{
	size_t ours = 0;

	for (size_t i = 0; i < n; i++)
		ours += tokens[i].kind == KEY_FIDO2;
	return ours ? run(tokens, n, NULL, ret_key) : -ENOKEY;
}
