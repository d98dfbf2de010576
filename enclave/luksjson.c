#include "enclave/luksjson.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CIPHER	      "aes-xts-plain64"
#define KEY_BYTES     64
#define SECTOR_BYTES  4096
#define STRIPES	      4000
#define THREADS_MAX   4	       /* libcryptsetup's own limit */
#define DIGEST_PASSES 1000     /* the least that libcryptsetup takes */
#define DIGEST_MAX    50000000 /* some seconds */
#define KEYSLOTS_MAX  32

/* --- the values ------------------------------------------------------------------------------ */

static struct json_object *get(struct json_object *o, const char *key, enum json_type type)
{
	struct json_object *v;

	return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &v) &&
			       json_object_is_type(v, type)
		       ? v
		       : NULL;
}

static bool has(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v);
}

static bool is_text(struct json_object *o, const char *key, const char *text)
{
	struct json_object *v = get(o, key, json_type_string);

	return v && !strcmp(json_object_get_string(v), text);
}

/* A number, also as LUKS2's 64-bit ones are written: in a string. */
static bool is_between(struct json_object *o, const char *key, uint64_t min, uint64_t max)
{
	struct json_object *v = get(o, key, json_type_int), *text;
	int64_t n;

	if (!v) {
		char *end;
		uint64_t big;

		text = get(o, key, json_type_string);
		if (!text || *json_object_get_string(text) < '0' ||
		    *json_object_get_string(text) > '9')
			return false;
		errno = 0;
		big = strtoull(json_object_get_string(text), &end, 10);
		return !errno && !*end && big >= min && big <= max;
	}
	n = json_object_get_int64(v);
	return n >= 0 && (uint64_t)n >= min && (uint64_t)n <= max;
}

/* --- the parts ------------------------------------------------------------------------------- */

static const char *check_kdf(struct json_object *kdf, const struct luksjson_limits *limits)
{
	if (!is_text(kdf, "type", "argon2id"))
		return "a keyslot's key derivation is not Argon2id";
	if (!is_between(kdf, "time", limits->min_passes, UINT32_MAX) ||
	    !is_between(kdf, "memory", limits->min_kib, UINT32_MAX) ||
	    !is_between(kdf, "cpus", 1, THREADS_MAX))
		return "a keyslot's key derivation is weaker than ours";
	if (!is_between(kdf, "memory", 0, limits->max_kib) ||
	    (uint64_t)json_object_get_int64(get(kdf, "time", json_type_int)) *
			    (uint64_t)json_object_get_int64(get(kdf, "memory", json_type_int)) >
		    LUKSJSON_COST_MAX)
		return "a keyslot's key derivation costs more than a passphrase may";
	return NULL;
}

static const char *check_keyslot(struct json_object *slot, const struct luksjson_limits *limits)
{
	struct json_object *area = get(slot, "area", json_type_object);
	struct json_object *af = get(slot, "af", json_type_object);

	if (!is_text(slot, "type", "luks2") || !is_between(slot, "key_size", KEY_BYTES, KEY_BYTES))
		return "a keyslot holds another kind of key";
	if (!is_text(area, "type", "raw") || !is_text(area, "encryption", CIPHER) ||
	    !is_between(area, "key_size", KEY_BYTES, KEY_BYTES))
		return "a keyslot has another cipher";
	if (!is_text(af, "type", "luks1") || !is_between(af, "stripes", STRIPES, STRIPES))
		return "a keyslot is not split as ours are";
	return check_kdf(get(slot, "kdf", json_type_object), limits);
}

static const char *check_keyslots(struct json_object *all, const struct luksjson_limits *limits)
{
	int n = all ? json_object_object_length(all) : 0;

	if (n < 1 || n > KEYSLOTS_MAX)
		return "there is no keyslot";
	json_object_object_foreach(all, name, slot)
	{
		const char *wrong = *name ? check_keyslot(slot, limits) : "a keyslot has no number";

		if (wrong)
			return wrong;
	}
	return NULL;
}

/* One segment, to the end of the image; nothing beside what is looked at. */
static const char *check_segments(struct json_object *all, const struct luksjson_limits *limits)
{
	static const char *const known[] = { "type",	 "offset",     "size",
					     "iv_tweak", "encryption", "sector_size" };
	struct json_object *only = get(all, "0", json_type_object);

	if (!only || json_object_object_length(all) != 1)
		return "there is not exactly one segment";
	if (json_object_object_length(only) != sizeof(known) / sizeof(*known))
		return "the segment asks for something more, or less";
	if (!is_text(only, "type", "crypt") || !is_text(only, "encryption", CIPHER))
		return "the segment has another cipher";
	if (!is_between(only, "offset", limits->offset_bytes, limits->offset_bytes) ||
	    !is_text(only, "size", "dynamic") || !is_between(only, "iv_tweak", 0, 0) ||
	    !is_between(only, "sector_size", SECTOR_BYTES, SECTOR_BYTES))
		return "the segment is laid out in another way";
	return NULL;
}

static const char *check_digests(struct json_object *all)
{
	struct json_object *only = get(all, "0", json_type_object);

	if (!only || json_object_object_length(all) != 1 || !is_text(only, "type", "pbkdf2") ||
	    !is_between(only, "iterations", DIGEST_PASSES, DIGEST_MAX))
		return "the digest is another one";
	return NULL;
}

static const char *check_config(struct json_object *config)
{
	if (!config || has(config, "requirements") || has(config, "flags"))
		return "it requires what we do not do, or sets flags";
	return NULL;
}

int luksjson_check(const char *json, const struct luksjson_limits *limits, const char **ret_what)
{
	struct json_object *o = json_tokener_parse(json);
	const char *wrong = check_segments(get(o, "segments", json_type_object), limits);

	if (!wrong)
		wrong = check_keyslots(get(o, "keyslots", json_type_object), limits);
	if (!wrong)
		wrong = check_digests(get(o, "digests", json_type_object));
	if (!wrong)
		wrong = check_config(get(o, "config", json_type_object));
	json_object_put(o);
	if (!wrong)
		return 0;
	*ret_what = wrong;
	return -EKEYREJECTED;
}
