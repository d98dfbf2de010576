#include "enclave/base/keytoken.h"

#include <errno.h>
#include <json-c/json.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "enclave/base/keyfile.h"
#include "enclave/base/recovery.h"

#define LABEL_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@+-"
#define LETTERS	    52 /* of LABEL_CHARS */

static const char *const kinds[KEY_KINDS] = {
	[KEY_PASSPHRASE] = "passphrase",
	[KEY_FILE] = "key-file",
	[KEY_RECOVERY] = "recovery",
	[KEY_FIDO2] = "fido2",
};

const char *keytoken_kind_name(uint32_t kind)
{
	return kind < KEY_KINDS ? kinds[kind] : "unknown";
}

int keytoken_label_ok(const char *label)
{
	size_t len = strnlen(label, KEYTOKEN_LABEL);

	return len && len < KEYTOKEN_LABEL && strspn(label, LABEL_CHARS) == len &&
	       memchr(LABEL_CHARS, *label, LETTERS);
}

static int rp_ok(const char *rp)
{
	size_t len = strnlen(rp, KEYTOKEN_RP);

	return len && len < KEYTOKEN_RP && strspn(rp, LABEL_CHARS) == len;
}

int keytoken_check(const struct keytoken *t)
{
	if (t->kind >= KEY_KINDS || (*t->label && !keytoken_label_ok(t->label)))
		return -EINVAL;
	if (t->kind != KEY_FIDO2)
		return 0;
	return t->credential_len && t->credential_len <= KEYTOKEN_CREDENTIAL && rp_ok(t->rp) &&
			       t->flags <= KEYTOKEN_FLAGS
		       ? 0
		       : -EINVAL;
}

static int all_of(const char *text, size_t len, const char *chars)
{
	for (size_t i = 0; i < len; i++)
		if (!text[i] || !strchr(chars, text[i]))
			return 0;
	return 1;
}

int keytoken_may_be(uint32_t kind, const char *text, size_t len)
{
	switch (kind) {
	case KEY_RECOVERY:
		return len == RECOVERY_TEXT &&
		       all_of(text, len, "0123456789ABCDEFGHJKMNPQRSTVWXYZ-");
	case KEY_FILE:
	case KEY_FIDO2:
		return len == KEYFILE_TEXT && all_of(text, len, "0123456789abcdef");
	default:
		return 1;
	}
}

/* Nothing in it needs escaping: that is what the checks are for. */
int keytoken_format(const struct keytoken *t, int slot, char *buf, size_t size)
{
	char credential[KEYTOKEN_CREDENTIAL * 2 + 1], salt[KEYTOKEN_SALT * 2 + 1];
	int n;

	if (keytoken_check(t) < 0 || slot < 0)
		return -EINVAL;
	n = snprintf(buf, size,
		     "{\"type\":\"taz-key\",\"keyslots\":[\"%d\"],\"kind\":\"%s\",\"label\":\"%s\","
		     "\"made\":%llu",
		     slot, kinds[t->kind], t->label, (unsigned long long)(t->made_sec & INT64_MAX));
	if (n < 0 || (size_t)n >= size)
		return -E2BIG;
	if (t->kind == KEY_FIDO2) {
		sodium_bin2hex(credential, sizeof(credential), t->credential, t->credential_len);
		sodium_bin2hex(salt, sizeof(salt), t->salt, sizeof(t->salt));
		n += snprintf(buf + n, size - n,
			      ",\"rp\":\"%s\",\"credential\":\"%s\",\"salt\":\"%s\",\"flags\":%u",
			      t->rp, credential, salt, t->flags);
	}
	if ((size_t)n + 2 > size)
		return -E2BIG;
	strcpy(buf + n, "}");
	return n + 1;
}

/* A member that is a string without a NUL inside, or NULL. */
static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *v;
	const char *text;

	if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_string))
		return NULL;
	text = json_object_get_string(v);
	return strlen(text) == (size_t)json_object_get_string_len(v) ? text : NULL;
}

static int copy_text(struct json_object *o, const char *key, char *buf, size_t size)
{
	const char *text = text_of(o, key);

	if (!text || strlen(text) >= size)
		return -EBADMSG;
	strcpy(buf, text);
	return 0;
}

static int number_of(struct json_object *o, const char *key, int64_t max, int64_t *ret)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_int))
		return -EBADMSG;
	*ret = json_object_get_int64(v);
	return *ret < 0 || *ret > max ? -EBADMSG : 0;
}

/* Hex, all of it, at most @size bytes. Returns how many or -EBADMSG. */
static int hex_of(struct json_object *o, const char *key, uint8_t *buf, size_t size)
{
	const char *text = text_of(o, key), *end;
	size_t n;

	if (!text || sodium_hex2bin(buf, size, text, strlen(text), NULL, &n, &end) != 0 || *end)
		return -EBADMSG;
	return n;
}

static int kind_of(struct json_object *o, uint32_t *ret)
{
	const char *text = text_of(o, "kind");

	for (uint32_t i = 0; text && i < KEY_KINDS; i++)
		if (!strcmp(kinds[i], text)) {
			*ret = i;
			return 0;
		}
	return -EBADMSG;
}

static int read_fido2(struct json_object *o, struct keytoken *t)
{
	int64_t flags;
	int n;

	if (copy_text(o, "rp", t->rp, sizeof(t->rp)) < 0 ||
	    number_of(o, "flags", KEYTOKEN_FLAGS, &flags) < 0)
		return -EBADMSG;
	t->flags = flags;
	n = hex_of(o, "credential", t->credential, sizeof(t->credential));
	if (n <= 0)
		return -EBADMSG;
	t->credential_len = n;
	return hex_of(o, "salt", t->salt, sizeof(t->salt)) == KEYTOKEN_SALT ? 0 : -EBADMSG;
}

static int read_token(struct json_object *o, struct keytoken *t)
{
	const char *type;
	int64_t made;

	if (!json_object_is_type(o, json_type_object))
		return -ENOENT;
	type = text_of(o, "type");
	if (!type || strcmp(type, "taz-key"))
		return -ENOENT;
	if (kind_of(o, &t->kind) < 0 || copy_text(o, "label", t->label, sizeof(t->label)) < 0 ||
	    number_of(o, "made", INT64_MAX, &made) < 0)
		return -EBADMSG;
	t->made_sec = made;
	if (t->kind == KEY_FIDO2 && read_fido2(o, t) < 0)
		return -EBADMSG;
	return keytoken_check(t) < 0 ? -EBADMSG : 0;
}

int keytoken_parse(const char *text, struct keytoken *ret)
{
	struct json_object *o = strlen(text) < KEYTOKEN_JSON ? json_tokener_parse(text) : NULL;
	struct keytoken t = { 0 };
	int r = o ? read_token(o, &t) : -ENOENT;

	json_object_put(o);
	if (r == 0)
		*ret = t;
	return r;
}

static int take_list(struct json_object *o, struct keytoken *ret, size_t max)
{
	struct json_object *keys, *token;
	int n = 0;

	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, "keys", &keys) ||
	    !json_object_is_type(keys, json_type_array))
		return -EBADMSG;
	for (size_t i = 0; i < json_object_array_length(keys) && (size_t)n < max; i++) {
		struct json_object *key = json_object_array_get_idx(keys, i);
		struct keytoken t = { 0 };

		if (json_object_is_type(key, json_type_object) &&
		    json_object_object_get_ex(key, "token", &token) && read_token(token, &t) == 0)
			ret[n++] = t;
	}
	return n;
}

int keytoken_parse_list(const char *text, struct keytoken *ret, size_t max)
{
	struct json_object *o = json_tokener_parse(text);
	int n = take_list(o, ret, max);

	json_object_put(o);
	return n;
}
