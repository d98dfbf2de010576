#include "enclave/base/fido2.h"

#include <errno.h>
#include <fido.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/keyfile.h"
#include "enclave/base/log.h"
#include "enclave/base/prompt.h"
#include "enclave/base/shortlife.h"

#define RP	     "taz"
#define SECRET_BYTES 32
#define PIN_MIN	     4	/* CTAP 2.1: code points */
#define PIN_MAX	     63 /* CTAP 2.1: bytes */
#define PLUGGED_MAX  8

/* A token that never ends a request is not waited for. Most give up by themselves after 30 s. */
#ifndef FIDO2_TOUCH_SEC
#define FIDO2_TOUCH_SEC 30
#endif
#ifndef FIDO2_ANSWER_SEC
#define FIDO2_ANSWER_SEC 5 /* of what needs no person */
#endif

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

/* --- in the child: one token ----------------------------------------------------------------- */

struct device {
	fido_dev_t *dev;
	const char *pin; /* or NULL */
	int64_t late_ms; /* until when it may answer */
};

static const struct {
	int says, err;
} errors[] = {
	{ FIDO_OK, 0 },
	{ FIDO_ERR_PIN_REQUIRED, -EAGAIN },
	{ FIDO_ERR_PIN_INVALID, -EPERM },
	{ FIDO_ERR_PIN_AUTH_BLOCKED, -EKEYEXPIRED },
	{ FIDO_ERR_PIN_BLOCKED, -EKEYREVOKED },
	{ FIDO_ERR_NO_CREDENTIALS, -ENOKEY },
	{ FIDO_ERR_INVALID_CREDENTIAL, -ENOKEY },
	{ FIDO_ERR_OPERATION_DENIED, -ECANCELED },
	{ FIDO_ERR_KEEPALIVE_CANCEL, -ECANCELED },
	{ FIDO_ERR_ACTION_TIMEOUT, -ETIME },
	{ FIDO_ERR_USER_ACTION_TIMEOUT, -ETIME },
	{ FIDO_ERR_TIMEOUT, -ETIME },
	{ FIDO_ERR_UNSUPPORTED_EXTENSION, -ENOSYS },
	{ FIDO_ERR_UNSUPPORTED_OPTION, -ENOSYS },
};

static void wait_at_most(struct device *d, unsigned sec)
{
	d->late_ms = io_monotonic_ms() + sec * 1000;
	fido_dev_set_timeout(d->dev, sec * 1000);
}

/* libfido2 tells a token that is late and one that is gone by the same code. */
static int no_answer(struct device *d)
{
	if (io_monotonic_ms() < d->late_ms)
		return -ENXIO;
	fido_dev_cancel(d->dev); /* or it would be busy for the next one who asks */
	return -ETIME;
}

static int translate(struct device *d, int r)
{
	int left;

	if (r == FIDO_ERR_RX || r == FIDO_ERR_TX)
		return no_answer(d);
	if (r == FIDO_ERR_PIN_INVALID && fido_dev_get_retry_count(d->dev, &left) == FIDO_OK)
		log_warn("the FIDO2 token blocks itself after %d more wrong PINs", left);
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].says == r)
			return errors[i].err;
	log_warn("the FIDO2 token says: %s", fido_strerr(r));
	return -EIO;
}

/* Asked first: a token makes a credential without an extension that it does not know. */
static bool makes_secrets(fido_dev_t *dev)
{
	fido_cbor_info_t *info = fido_cbor_info_new();
	bool found = false;

	if (info && fido_dev_get_cbor_info(dev, info) == FIDO_OK)
		for (size_t i = 0; i < fido_cbor_info_extensions_len(info); i++)
			found |= !strcmp(fido_cbor_info_extensions_ptr(info)[i], "hmac-secret");
	fido_cbor_info_free(&info);
	return found;
}

static void device_close(struct device *d)
{
	if (d->dev)
		fido_dev_close(d->dev);
	fido_dev_free(&d->dev);
}

static int device_open(struct device *d, const char *path)
{
	d->dev = fido_dev_new();
	if (!d->dev)
		return -ENOMEM;
	wait_at_most(d, FIDO2_ANSWER_SEC);
	if (fido_dev_open(d->dev, path) != FIDO_OK)
		return -EBUSY;
	return fido_dev_is_fido2(d->dev) && makes_secrets(d->dev) ? 0 : -ENOSYS;
}

/* --- in the child: what it is asked ---------------------------------------------------------- */

static int make_credential(struct device *d, struct keytoken *t)
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
	wait_at_most(d, FIDO2_TOUCH_SEC);
	r = translate(d, fido_dev_make_cred(d->dev, cred, d->pin));
	if (r < 0)
		return r;
	if (fido_cred_id_len(cred) > sizeof(t->credential)) {
		log_warn("the FIDO2 token's credential has %zu bytes, and %zu are the most",
			 fido_cred_id_len(cred), sizeof(t->credential));
		return -EIO;
	}
	t->kind = KEY_FIDO2;
	strcpy(t->rp, RP);
	t->flags = KEYTOKEN_PRESENCE | (d->pin ? KEYTOKEN_PIN : 0);
	t->credential_len = fido_cred_id_len(cred);
	memcpy(t->credential, fido_cred_id_ptr(cred), t->credential_len);
	secret_random(t->salt, sizeof(t->salt));
	return 0;
}

/* To be freed by the caller; NULL: no memory, or libfido2 does not take it. */
static fido_assert_t *question_about(const struct keytoken *t, bool touch)
{
	fido_assert_t *a = fido_assert_new();
	uint8_t challenge[32];

	secret_random(challenge, sizeof(challenge));
	if (a && fido_assert_set_clientdata_hash(a, challenge, sizeof(challenge)) == FIDO_OK &&
	    fido_assert_set_rp(a, t->rp) == FIDO_OK &&
	    fido_assert_allow_cred(a, t->credential, t->credential_len) == FIDO_OK &&
	    fido_assert_set_up(a, touch ? FIDO_OPT_TRUE : FIDO_OPT_FALSE) == FIDO_OK)
		return a;
	fido_assert_free(&a);
	return NULL;
}

/*
 * Without a touch and a PIN a token tells whether a credential is its own. Anything but a plain no
 * counts as a yes: some answer no question without a PIN.
 */
static bool may_know(struct device *d, const struct keytoken *t)
{
	fido_assert_t *a = question_about(t, false);
	int r = -EIO;

	wait_at_most(d, FIDO2_ANSWER_SEC);
	if (a)
		r = fido_dev_get_assert(d->dev, a, NULL);
	fido_assert_free(&a);
	return r != FIDO_ERR_NO_CREDENTIALS && r != FIDO_ERR_INVALID_CREDENTIAL;
}

static int get_secret(struct device *d, const struct keytoken *t, uint8_t hmac[SECRET_BYTES])
{
	fido_assert_t *a = question_about(t, true);
	int r;

	if (!a)
		return -ENOMEM;
	if (t->flags & KEYTOKEN_PIN && !d->pin)
		return -EAGAIN;
	if (fido_assert_set_extensions(a, FIDO_EXT_HMAC_SECRET) != FIDO_OK ||
	    fido_assert_set_hmac_salt(a, t->salt, sizeof(t->salt)) != FIDO_OK)
		return -EIO;
	log_info("touch the FIDO2 token");
	wait_at_most(d, FIDO2_TOUCH_SEC);
	/* With the PIN it is another secret than without: as it was when the key was made. */
	r = translate(d, fido_dev_get_assert(d->dev, a, t->flags & KEYTOKEN_PIN ? d->pin : NULL));
	if (r < 0)
		return r;
	if (fido_assert_count(a) < 1 || fido_assert_hmac_secret_len(a, 0) != SECRET_BYTES)
		return -ENOSYS;
	memcpy(hmac, fido_assert_hmac_secret_ptr(a, 0), SECRET_BYTES);
	return 0;
}

/* --- in the child: all that are plugged in --------------------------------------------------- */

static const char *path_of(const fido_dev_info_t *list, size_t i)
{
	return fido_dev_info_path(fido_dev_info_ptr(list, i));
}

static int enroll(struct device *d, const fido_dev_info_t *list, size_t n, struct shared *out)
{
	int r = n > 1 ? -ENOTUNIQ : device_open(d, path_of(list, 0));

	if (r == 0 && fido_dev_has_pin(d->dev) && !d->pin)
		return -EAGAIN;
	if (r == 0)
		r = make_credential(d, &out->token);
	return r < 0 ? r : get_secret(d, &out->token, out->hmac);
}

static int open_with(struct device *d, const char *path, const struct job *job)
{
	int r = device_open(d, path);

	if (r < 0)
		return r;
	r = -ENOKEY;
	for (size_t i = 0; i < job->n && r == -ENOKEY; i++)
		if (job->tokens[i].kind == KEY_FIDO2 && may_know(d, &job->tokens[i]))
			r = get_secret(d, &job->tokens[i], job->out->hmac);
	return r;
}

/* A token that is not the one says how much that tells: the next may be it. */
static int rank(int err)
{
	switch (err) {
	case -ENOSYS:
		return 1;
	case -ENOKEY:
		return 2;
	case -EBUSY:
		return 3;
	default:
		return 4; /* it is the one: there is no need to look further */
	}
}

static int open_any(struct device *d, const fido_dev_info_t *list, size_t n, const struct job *job)
{
	int found = -ENOSYS;

	for (size_t i = 0; i < n && rank(found) < 4; i++) {
		int r = open_with(d, path_of(list, i), job);

		device_close(d);
		if (rank(r) > rank(found))
			found = r;
	}
	return found;
}

static int ask(const struct job *job, const char *pin)
{
	fido_dev_info_t *list = fido_dev_info_new(PLUGGED_MAX);
	struct device d = { .pin = pin };
	size_t n = 0;

	if (!list)
		return -ENOMEM;
	if (fido_dev_info_manifest(list, PLUGGED_MAX, &n) != FIDO_OK || !n)
		return -ENODEV;
	return job->tokens ? open_any(&d, list, n, job) : enroll(&d, list, n, job->out);
}

static const char *pin_text(const struct job *job, char buf[PIN_MAX + 1])
{
	if (!job->pin)
		return NULL;
	memcpy(buf, job->pin->data, job->pin->len);
	buf[job->pin->len] = '\0';
	return buf;
}

/* What it does not free or close goes with the child. */
static int in_child(void *arg)
{
	const struct job *job = arg;
	char buf[PIN_MAX + 1];

	fido_init(0);
	job->out->err = ask(job, pin_text(job, buf));
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
		if (pin->len < PIN_MIN || pin->len > PIN_MAX)
			return -EPERM; /* no token would take it, but it would count as a try */
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
