/*
 * residue_search - what is left in a machine's RAM: runs on the host, beside the emulator
 *
 *	residue_search keys SEED VAULT		the keys of a sealed vault, as lines for "find"
 *	residue_search find RAM SEED EPOCH	counts; the lines of "keys" are standard input
 *
 * The volume key is taken from the LUKS2 header with libcryptsetup and the seal key from that as
 * enclave/seal.h documents it, both without the code under test. "find" prints one "NAME COUNT"
 * line for each kind of thing; of markers it counts every copy, whichever its index. "contents" is
 * the sum of all that a lock promises to clear in either mode.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "needle.h"

#define VOLUME_KEY_BYTES 64
#define SEAL_KEY_BYTES	 32
#define ROUNDS		 14 /* of AES-256 */
#define BLOCK		 16
#define CHUNK		 (1UL << 20)
#define OVERLAP		 64UL
#define NEEDLES_MAX	 256

struct needle {
	uint64_t head;
	uint8_t bytes[64];
	size_t len;	   /* 0: a marker, told by its head and its checksum */
	unsigned class_of; /* counter */
};

enum { PASSPHRASE = NEEDLE_CLASSES, VOLUME_KEY, SCHEDULE, SEAL_KEY, COUNTERS };

static struct needle needles[NEEDLES_MAX];
static size_t n_needles;
static uint8_t filter[1 << 16];
static unsigned long counts[COUNTERS];

/* --- AES-256's key schedule, and its equivalent inverse (FIPS 197), for what ciphers keep ---- */

static uint8_t sbox[256];

static uint8_t xtime(uint8_t x)
{
	return (uint8_t)(x << 1 ^ (x & 0x80 ? 0x1b : 0));
}

static uint8_t mul(uint8_t a, uint8_t b)
{
	uint8_t r = 0;

	for (; b; b >>= 1, a = xtime(a))
		if (b & 1)
			r ^= a;
	return r;
}

static uint8_t rotl(uint8_t x, int n)
{
	return (uint8_t)(x << n | x >> (8 - n));
}

static void make_sbox(void)
{
	for (int x = 0; x < 256; x++) {
		uint8_t inv = 0;

		for (int y = 1; y < 256 && x; y++)
			if (mul((uint8_t)x, (uint8_t)y) == 1)
				inv = (uint8_t)y;
		sbox[x] = inv ^ rotl(inv, 1) ^ rotl(inv, 2) ^ rotl(inv, 3) ^ rotl(inv, 4) ^ 0x63;
	}
}

static void expand(const uint8_t key[32], uint8_t out[(ROUNDS + 1) * BLOCK])
{
	uint8_t rcon = 1;

	memcpy(out, key, 32);
	for (int i = 8; i < 4 * (ROUNDS + 1); i++) {
		uint8_t t[4], first;

		memcpy(t, out + 4 * (i - 1), 4);
		if (i % 8 == 0) {
			first = t[0];
			t[0] = sbox[t[1]] ^ rcon;
			t[1] = sbox[t[2]];
			t[2] = sbox[t[3]];
			t[3] = sbox[first];
			rcon = xtime(rcon);
		} else if (i % 8 == 4) {
			for (int j = 0; j < 4; j++)
				t[j] = sbox[t[j]];
		}
		for (int j = 0; j < 4; j++)
			out[4 * i + j] = out[4 * (i - 8) + j] ^ t[j];
	}
}

static void inv_mix(const uint8_t in[BLOCK], uint8_t out[BLOCK])
{
	static const uint8_t row[4] = { 14, 11, 13, 9 };

	for (int c = 0; c < 4; c++)
		for (int r = 0; r < 4; r++) {
			out[4 * c + r] = 0;
			for (int k = 0; k < 4; k++)
				out[4 * c + r] ^= mul(in[4 * c + k], row[(k - r + 4) % 4]);
		}
}

/* --- needles --------------------------------------------------------------------------------- */

static unsigned hash(uint64_t head)
{
	return (unsigned)(head * 0x9e3779b97f4a7c15ULL >> 48);
}

static void add(unsigned counter, const void *bytes, size_t len)
{
	struct needle *n = &needles[n_needles];

	if (n_needles == NEEDLES_MAX) {
		fprintf(stderr, "residue_search: too many needles\n");
		exit(1);
	}
	memcpy(n->bytes, bytes, len);
	memcpy(&n->head, bytes, sizeof(n->head));
	n->len = len;
	n->class_of = counter;
	filter[hash(n->head)] = 1;
	n_needles++;
}

static void add_markers(uint64_t seed, unsigned epoch)
{
	char name[NEEDLE_NAME_BYTES + 1];

	for (unsigned c = 0; c < NEEDLE_NAME; c++) {
		uint64_t head = needle_head(seed, epoch, c);

		add(c, &head, sizeof(head));
		needles[n_needles - 1].len = 0;
	}
	needle_name(seed, epoch, 0, name);
	add(NEEDLE_NAME, name, 16);
}

static void add_passphrase(uint64_t seed)
{
	char text[NEEDLE_PASSPHRASE];

	for (unsigned i = 0; i < NEEDLE_PASSPHRASE; i++)
		text[i] = needle_letter(seed, i);
	/* Either half tells it, too. */
	add(PASSPHRASE, text, NEEDLE_PASSPHRASE / 2);
	add(PASSPHRASE, text + NEEDLE_PASSPHRASE / 2, NEEDLE_PASSPHRASE / 2);
}

/* Every 16 bytes of a key, and every round key that is not the key itself. */
static void add_volume_key(const uint8_t key[VOLUME_KEY_BYTES])
{
	uint8_t schedule[(ROUNDS + 1) * BLOCK], inverse[BLOCK];

	make_sbox();
	for (int i = 0; i < VOLUME_KEY_BYTES; i += BLOCK)
		add(VOLUME_KEY, key + i, BLOCK);
	for (int half = 0; half < VOLUME_KEY_BYTES; half += 32) {
		expand(key + half, schedule);
		for (int i = 2; i <= ROUNDS; i++)
			add(SCHEDULE, schedule + i * BLOCK, BLOCK);
		for (int i = 1; i < ROUNDS; i++) {
			inv_mix(schedule + i * BLOCK, inverse);
			add(SCHEDULE, inverse, BLOCK);
		}
	}
}

static int read_hex(FILE *f, uint8_t *out, size_t size)
{
	char line[2 * VOLUME_KEY_BYTES + 2];
	size_t len;

	if (!fgets(line, sizeof(line), f))
		return -1;
	return sodium_hex2bin(out, size, line, strlen(line), "\n", &len, NULL) == 0 && len == size
		       ? 0
		       : -1;
}

static int add_keys(void)
{
	uint8_t volume[VOLUME_KEY_BYTES], seal[SEAL_KEY_BYTES];

	if (read_hex(stdin, volume, sizeof(volume)) < 0 || read_hex(stdin, seal, sizeof(seal)) < 0)
		return -1;
	add_volume_key(volume);
	add(SEAL_KEY, seal, BLOCK);
	add(SEAL_KEY, seal + BLOCK, BLOCK);
	return 0;
}

/* --- the search ------------------------------------------------------------------------------ */

static bool is_marker(uint64_t seed, unsigned epoch, unsigned c, const uint8_t *at)
{
	uint8_t want[NEEDLE_BYTES];
	uint32_t index;

	memcpy(&index, at + 8, sizeof(index));
	needle_marker(seed, epoch, c, index, want);
	return !memcmp(at, want, NEEDLE_BYTES);
}

static void look(uint64_t seed, unsigned epoch, const uint8_t *at, uint64_t head, uint64_t where)
{
	for (size_t i = 0; i < n_needles; i++) {
		const struct needle *n = &needles[i];

		if (n->head != head)
			continue;
		if (n->len ? memcmp(at, n->bytes, n->len) != 0
			   : !is_marker(seed, epoch, n->class_of, at))
			continue;
		counts[n->class_of]++;
		if (getenv("RESIDUE_WHERE"))
			fprintf(stderr, "where %u %llx\n", n->class_of, (unsigned long long)where);
	}
}

/* Every offset of @bytes: what is kept need not be aligned. */
static void scan(uint64_t seed, unsigned epoch, const uint8_t *buf, size_t bytes, uint64_t where)
{
	for (size_t i = 0; i < bytes; i++) {
		uint64_t head;

		memcpy(&head, buf + i, sizeof(head));
		if (filter[hash(head)])
			look(seed, epoch, buf + i, head, where + i);
	}
}

static int scan_extent(int fd, uint64_t seed, unsigned epoch, off_t from, off_t to)
{
	static uint8_t buf[CHUNK + OVERLAP];

	for (; from < to; from += (off_t)CHUNK) {
		size_t want = to - from < (off_t)CHUNK ? (size_t)(to - from) : CHUNK;
		ssize_t n = pread(fd, buf, want + OVERLAP, from);

		if (n < (ssize_t)want)
			return -1;
		memset(buf + n, 0, sizeof(buf) - (size_t)n);
		scan(seed, epoch, buf, want, (uint64_t)from);
	}
	return 0;
}

/* What the guest never touched is a hole in the file. */
static int scan_ram(const char *path, uint64_t seed, unsigned epoch)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;
	off_t data = 0, hole = 0;

	if (fd < 0)
		return -1;
	while (r == 0 && (data = lseek(fd, hole, SEEK_DATA)) >= 0) {
		hole = lseek(fd, data, SEEK_HOLE);
		r = hole < 0 ? -1 : scan_extent(fd, seed, epoch, data, hole);
	}
	close(fd);
	return r;
}

static int find(const char *ram, uint64_t seed, unsigned epoch)
{
	unsigned long contents = 0;

	add_markers(seed, epoch);
	add_passphrase(seed);
	if (add_keys() < 0 || scan_ram(ram, seed, epoch) < 0) {
		fprintf(stderr, "residue_search: %s: %s\n", ram, strerror(errno));
		return 1;
	}
	printf("passphrase %lu\nvolume_key %lu\nschedule %lu\nseal_key %lu\n", counts[PASSPHRASE],
	       counts[VOLUME_KEY], counts[SCHEDULE], counts[SEAL_KEY]);
	for (unsigned c = 0; c < NEEDLE_CLASSES; c++) {
		printf("%s %lu\n", needle_class_name(c), counts[c]);
		contents += c == NEEDLE_NAME || c == NEEDLE_ORPHAN ? 0 : counts[c];
	}
	printf("contents %lu\n", contents);
	return 0;
}

/* --- the keys of a vault --------------------------------------------------------------------- */

static int volume_key(const char *vault, uint64_t seed, uint8_t key[VOLUME_KEY_BYTES])
{
	char passphrase[NEEDLE_PASSPHRASE];
	size_t size = VOLUME_KEY_BYTES;
	struct crypt_device *cd;
	int r = crypt_init(&cd, vault);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < NEEDLE_PASSPHRASE; i++)
		passphrase[i] = needle_letter(seed, i);
	crypt_metadata_locking(NULL, 0);
	r = crypt_load(cd, CRYPT_LUKS2, NULL);
	if (r == 0)
		r = crypt_volume_key_get(cd, CRYPT_ANY_SLOT, (char *)key, &size, passphrase,
					 sizeof(passphrase));
	crypt_free(cd);
	return r < 0 ? r : size == VOLUME_KEY_BYTES ? 0 : -EINVAL;
}

/* As enclave/seal.h says: a hash of the volume key is the master, the seal key is its first subkey.
 */
static int keys(uint64_t seed, const char *vault)
{
	uint8_t key[VOLUME_KEY_BYTES], master[crypto_kdf_KEYBYTES], seal[SEAL_KEY_BYTES];
	char hex[2 * VOLUME_KEY_BYTES + 1];
	int r = volume_key(vault, seed, key);

	if (r < 0) {
		fprintf(stderr, "residue_search: %s: %s\n", vault, strerror(-r));
		return 1;
	}
	crypto_generichash(master, sizeof(master), key, sizeof(key), NULL, 0);
	crypto_kdf_derive_from_key(seal, sizeof(seal), 1, "taz-seal", master);
	puts(sodium_bin2hex(hex, sizeof(hex), key, sizeof(key)));
	puts(sodium_bin2hex(hex, sizeof(hex), seal, sizeof(seal)));
	return 0;
}

int main(int argc, char *argv[])
{
	if (sodium_init() < 0)
		return 1;
	if (argc == 4 && !strcmp(argv[1], "keys"))
		return keys(strtoull(argv[2], NULL, 10), argv[3]);
	if (argc == 5 && !strcmp(argv[1], "find"))
		return find(argv[2], strtoull(argv[3], NULL, 10),
			    (unsigned)strtoul(argv[4], NULL, 10));
	fprintf(stderr, "usage: residue_search keys SEED VAULT | find RAM SEED EPOCH <KEYS\n");
	return 2;
}
