#include "enclave/atrest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/base/fd.h"
#include "enclave/base/hash.h"
#include "enclave/base/log.h"
#include "enclave/stack.h"

/* More than a vault may be (enclave serve --size): such a footer is not one of ours. */
#define IMAGE_MAX (64ULL << 30)

static const uint8_t no_id[SEAL_ID_BYTES];

static int because(enum proto_why *ret_why, int err, enum proto_why why)
{
	*ret_why = why;
	return err;
}

/* What reading a file that is not in order says. */
static bool is_damage(int err)
{
	return err == -EBADMSG || err == -EIO;
}

int atrest_read(int file, int *ret_image, struct seal_footer *ret_footer, enum proto_why *ret_why)
{
	autoclose int image = -EBADF;
	bool noswap;
	int r = seal_read_footer(file, ret_footer);

	if (r == 0 && ret_footer->image_bytes > IMAGE_MAX)
		r = -EBADMSG;
	if (r < 0)
		return is_damage(r) ? because(ret_why, -EUCLEAN, WHY_DAMAGED) : r;
	image = stack_image(ret_footer->image_bytes, &noswap);
	if (image < 0)
		return log_err(image, "make the image in RAM");
	r = seal_load(file, ret_footer, image);
	if (is_damage(r))
		return because(ret_why, -EUCLEAN, WHY_DAMAGED);
	if (r < 0)
		return log_err(r, "read the sealed vault");
	*ret_image = take_fd(&image);
	return 0;
}

int atrest_luks(int image, const struct secret *passphrase, struct luks_volume *ret,
		enum proto_why *ret_why)
{
	int r = luks_open(image, passphrase, ret);

	if (r == -EPERM)
		return because(ret_why, r, WHY_WRONG_PASSPHRASE);
	if (r == -ENOMEM)
		return because(ret_why, r, WHY_MEMORY);
	/* The checksum was right: a header that cannot even be read was written by somebody. */
	return r == -EKEYREJECTED || r == -EINVAL ? because(ret_why, -EBADE, WHY_HEADER) : r;
}

int atrest_prove(int image, const struct seal_footer *footer, const struct secret *passphrase,
		 struct luks_volume *vol, struct keybox *box, enum proto_why *ret_why)
{
	int r = atrest_luks(image, passphrase, vol, ret_why);

	if (r == 0)
		r = seal_derive_key(vol->key, box);
	if (r == 0)
		r = seal_verify(footer, box->key);
	return r == -EBADMSG ? because(ret_why, -EBADE, WHY_TAMPERED) : r;
}

bool atrest_is_older(const struct atrest_seen *seen, uint64_t generation,
		     const uint8_t vault_id[SEAL_ID_BYTES])
{
	if (!seen->generation)
		return false;
	return generation < seen->generation || (memcmp(seen->vault_id, no_id, SEAL_ID_BYTES) &&
						 memcmp(seen->vault_id, vault_id, SEAL_ID_BYTES));
}

void atrest_note(struct atrest_seen *seen, uint64_t generation,
		 const uint8_t vault_id[SEAL_ID_BYTES])
{
	if (generation > seen->generation)
		seen->generation = generation;
	memcpy(seen->vault_id, vault_id, SEAL_ID_BYTES);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_id(const char *text, uint8_t id[SEAL_ID_BYTES])
{
	if (strlen(text) != 2 * SEAL_ID_BYTES)
		return -EINVAL;
	for (size_t i = 0; i < SEAL_ID_BYTES; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		id[i] = high << 4 | low;
	}
	return 0;
}

int atrest_seen_parse(const char *text, struct atrest_seen *ret)
{
	struct atrest_seen seen = { 0 };
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	seen.generation = strtoull(text, &end, 10);
	if (errno || seen.generation > SEAL_GENERATION_MAX || (*end && *end != ':') ||
	    (*end && parse_id(end + 1, seen.vault_id) < 0))
		return -EINVAL;
	*ret = seen;
	return 0;
}

void atrest_id_text(const uint8_t vault_id[SEAL_ID_BYTES], char buf[2 * SEAL_ID_BYTES + 1])
{
	hash_hex_of(vault_id, SEAL_ID_BYTES, buf);
}
