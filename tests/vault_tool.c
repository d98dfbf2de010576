/*
 * vault_tool - what an attacker does to a sealed vault, and what an unlock says to it
 *
 *	vault_tool sums FILE		make every checksum right again, as who has no key can
 *	vault_tool json FILE		the LUKS2 header's JSON
 *	vault_tool set-json FILE <JSON	put it in both headers' place, with their right checksums
 *	vault_tool flip FILE OFFSET	one bit
 *	vault_tool crash-restore DIR	a restore, killed at each system call that matters
 *	vault_tool flips FILE N SEED <PASSPHRASE
 *
 * The last one flips N times a bit in a sector of its own: is each refused, as damage when the sums
 * are left as they are, as tampering when they fit?
 *
 * Source: the LUKS2 On-Disk Format Specification, section 2.1 (the binary header).
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/atrest.h"
#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/history.h"
#include "enclave/restore.h"
#include "tests/measure.h"

#define HEADER_BYTES 16384
#define JSON_AT	     4096
#define CSUM_AT	     448
#define CSUM_BYTES   64

_Noreturn static void die(const char *what)
{
	fprintf(stderr, "vault_tool: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	errno = -r;
	die(what);
}

static int open_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die(path);
	return fd;
}

/* --- right sums ------------------------------------------------------------------------------ */

static const uint8_t *hash_of(void *arg, uint64_t index)
{
	static uint8_t buf[SEAL_CHUNK_BYTES], hash[SEAL_HASH_BYTES];
	off_t at = index * sizeof(buf), data = lseek(*(int *)arg, at, SEEK_DATA);
	ssize_t n;

	if (data < 0 || data >= at + (off_t)sizeof(buf))
		return NULL; /* a hole */
	n = io_pread_full(*(int *)arg, buf, sizeof(buf), at);
	check(n, "read");
	if (seal_is_zero(buf, n))
		return NULL;
	seal_hash(buf, n, hash);
	return hash;
}

/* The footer as it is, whatever it says. */
static void read_footer(int fd, struct seal_footer *footer, uint64_t *ret_bytes)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		die("stat");
	*ret_bytes = st.st_size - SEAL_FOOTER_BYTES;
	check(io_pread_full(fd, footer, sizeof(*footer), *ret_bytes), "read");
}

static void fix_sums(int fd)
{
	static const uint8_t guess[SEAL_KEY_BYTES];
	struct seal_footer footer;
	uint64_t bytes;

	read_footer(fd, &footer, &bytes);
	if (bytes % SEAL_CHUNK_BYTES)
		check(-EINVAL, "the size is no multiple of a chunk");
	seal_mac(&footer, guess, bytes / SEAL_CHUNK_BYTES, hash_of, &fd);
	check(io_pwrite_full(fd, &footer, sizeof(footer), bytes), "write");
}

static int cmd_sums(char *argv[])
{
	fix_sums(open_file(argv[0]));
	return 0;
}

/* --- the LUKS2 header ------------------------------------------------------------------------ */

static int cmd_json(char *argv[])
{
	char header[HEADER_BYTES];

	check(io_pread_full(open_file(argv[0]), header, sizeof(header), 0), "read");
	printf("%.*s\n", HEADER_BYTES - JSON_AT - 1, header + JSON_AT);
	return 0;
}

static void set_json(int fd, off_t at, const char *json, size_t len)
{
	uint8_t header[HEADER_BYTES];

	check(io_pread_full(fd, header, sizeof(header), at), "read");
	memset(header + JSON_AT, 0, HEADER_BYTES - JSON_AT);
	memcpy(header + JSON_AT, json, len);
	memset(header + CSUM_AT, 0, CSUM_BYTES);
	crypto_hash_sha256(header + CSUM_AT, header, sizeof(header));
	check(io_pwrite_full(fd, header, sizeof(header), at), "write");
}

static int cmd_set_json(char *argv[])
{
	char json[HEADER_BYTES];
	ssize_t n = io_read_full(STDIN_FILENO, json, sizeof(json));
	int fd = open_file(argv[0]);

	if (n <= 0 || n >= HEADER_BYTES - JSON_AT)
		check(-EMSGSIZE, "JSON on standard input");
	set_json(fd, 0, json, n);
	set_json(fd, HEADER_BYTES, json, n);
	fix_sums(fd);
	return 0;
}

/* --- flipped bits ---------------------------------------------------------------------------- */

static void flip(int fd, off_t at, unsigned bit)
{
	uint8_t b;

	check(io_pread_full(fd, &b, 1, at), "read");
	b ^= 1 << bit;
	check(io_pwrite_full(fd, &b, 1, at), "write");
}

static int cmd_flip(char *argv[])
{
	flip(open_file(argv[0]), atoll(argv[1]), 3);
	return 0;
}

struct opened {
	struct secret *key;
	struct luks_volume vol;
};

static struct keybox *box(const struct opened *o)
{
	return (struct keybox *)(void *)o->key->data;
}

static struct secret *read_passphrase(int fd)
{
	struct secret *s = secret_new(SECRET_PASSPHRASE_MAX);

	if (!s)
		die("secret");
	check(secret_read_passphrase(fd, s), "passphrase");
	return s;
}

/* Everything that an unlock does before it maps, but the rollback. Returns what it says. */
static enum proto_why prove(int fd, const struct secret *passphrase, struct opened *ret)
{
	autoclose int image = -EBADF;
	struct seal_footer footer;
	enum proto_why why = WHY_NONE;
	int r;

	ret->key = secret_new(sizeof(struct keybox));
	r = atrest_read(fd, &image, &footer, &why);
	if (r == 0)
		r = atrest_prove(image, &footer, passphrase, &ret->vol, box(ret), &why);
	return r < 0 && why == WHY_NONE ? WHY_KERNEL : why;
}

/* The same with the key at hand: the passphrase costs a second. */
static enum proto_why prove_with_key(int fd, const uint8_t key[SEAL_KEY_BYTES])
{
	autoclose int image = -EBADF;
	struct seal_footer footer;
	enum proto_why why = WHY_NONE;
	int r = atrest_read(fd, &image, &footer, &why);

	if (r == 0 && seal_verify(&footer, key) < 0)
		return WHY_TAMPERED;
	return r < 0 && why == WHY_NONE ? WHY_KERNEL : why;
}

/* Sectors with something in them: in a hole a bit is as well placed as anywhere, and half of them
 * are tried there. */
static off_t pick(int fd, uint64_t sectors, bool *used)
{
	uint8_t block[SEAL_BLOCK_BYTES];

	for (bool want_data = rand() % 2;;) {
		uint64_t i = rand() % sectors;

		if (used[i])
			continue;
		check(io_pread_full(fd, block, sizeof(block), i * sizeof(block)), "read");
		if (want_data && seal_is_zero(block, sizeof(block)))
			continue;
		used[i] = true;
		return i * SEAL_BLOCK_BYTES + rand() % SEAL_BLOCK_BYTES;
	}
}

static int cmd_flips(char *argv[])
{
	int fd = open_file(argv[0]), n = atoi(argv[1]), damaged = 0, tampered = 0;
	struct secret *passphrase = read_passphrase(STDIN_FILENO);
	struct seal_footer footer;
	struct opened o = { 0 };
	uint64_t bytes;
	bool *used;

	srand(atoi(argv[2]));
	if (prove(fd, passphrase, &o) != WHY_NONE)
		check(-EBADMSG, "the vault as it was");
	read_footer(fd, &footer, &bytes);
	used = calloc(bytes / SEAL_BLOCK_BYTES, sizeof(*used));
	for (int i = 0; i < n; i++) {
		unsigned bit = rand() % 8;
		off_t at = pick(fd, bytes / SEAL_BLOCK_BYTES, used);

		flip(fd, at, bit);
		damaged += prove_with_key(fd, box(&o)->key) == WHY_DAMAGED;
		fix_sums(fd);
		tampered += prove_with_key(fd, box(&o)->key) == WHY_TAMPERED;
		flip(fd, at, bit);
		check(io_pwrite_full(fd, &footer, sizeof(footer), bytes), "write");
	}
	printf("# a bit flipped in each of %d sectors: %d refused as damaged; with every checksum made "
	       "right: %d refused as tampered with\n",
	       n, damaged, tampered);
	if (prove_with_key(fd, box(&o)->key) != WHY_NONE)
		check(-EBADMSG, "the vault as it was");
	return damaged == n && tampered == n ? 0 : 1;
}

/* --- a restore that dies --------------------------------------------------------------------- */

#define VAULT "vault.luks"

static void write_state(int dir, const char *name, int image, const struct opened *o,
			uint64_t generation, const char *text)
{
	struct seal_origin origin = { .generation = generation - 1, .vault_id = { 1 } };
	struct seal_footer footer;
	struct stat st;
	autoclose int fd = openat(dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || fstat(image, &st) < 0)
		die(name);
	check(io_pwrite_full(image, text, strlen(text), 4 << 20), "write");
	footer = seal_next(&origin, st.st_size, 0);
	check(seal_store(fd, image, box(o)->key, &footer), "seal");
}

/* Which text it holds, or NULL when it is not whole and ours. */
static const char *text_of(int dir, const char *name, const struct opened *o)
{
	static char text[4];
	autoclose int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || prove_with_key(fd, box(o)->key) != WHY_NONE ||
	    io_pread_full(fd, text, 3, 4 << 20) != 3)
		return NULL;
	return text;
}

static bool has(int dir, const char *name, const struct opened *o, const char *text)
{
	const char *there = text_of(dir, name, o);

	return there && !strcmp(there, text);
}

static void make_states(int dir, const struct secret *passphrase, struct opened *o)
{
	static int image = -1;
	struct history_entry e[HISTORY_MAX];
	ssize_t n = history_list(dir, VAULT, e, HISTORY_MAX);

	for (ssize_t i = 0; i < n; i++)
		unlinkat(dir, e[i].name, 0);
	if (image < 0) {
		image = memfd_create("image", MFD_CLOEXEC);
		o->key = secret_new(sizeof(struct keybox));
		if (image < 0 || ftruncate(image, 16 << 20) < 0 || !o->key)
			die("image");
		check(luks_format(image, passphrase, &o->vol), "format");
		check(seal_derive_key(o->vol.key, box(o)), "derive");
	}
	write_state(dir, VAULT ".5", image, o, 5, "old");
	write_state(dir, VAULT, image, o, 9, "now");
}

/* Those that change a folder or make something durable; with TAZ_FULL=1 every write and open, too.
 */
static bool matters(uint64_t nr)
{
	static const long calls[] = { SYS_linkat, SYS_renameat,	 SYS_renameat2, SYS_unlinkat,
				      SYS_fsync,  SYS_ftruncate, SYS_pwrite64,	SYS_openat };
	size_t n = measure_full() ? 8 : 6;

	for (size_t i = 0; i < n; i++)
		if (nr == (uint64_t)calls[i])
			return true;
	return false;
}

_Noreturn static void restore_child(int dir, const struct secret *passphrase)
{
	struct restore r = { .dir = dir, .vault = VAULT, .source = VAULT ".5", .seen = 9 };
	struct seal_origin origin;
	enum proto_why why;

	if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
		_exit(9);
	raise(SIGSTOP);
	_exit(restore_run(&r, passphrase, &origin, &why) < 0 ? 1 : 0);
}

/* Returns true when it was killed at its call number @at, false when it came to its end. */
static bool restore_until(int dir, const struct secret *passphrase, int at)
{
	struct __ptrace_syscall_info info;
	int status, n = 0;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid)
		restore_child(dir, passphrase);
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) < 0)
		die("ptrace");
	for (int sig = 0;; sig = 0) {
		if (ptrace(PTRACE_SYSCALL, pid, 0, sig) < 0 || waitpid(pid, &status, 0) != pid)
			die("ptrace");
		if (WIFEXITED(status)) {
			if (WEXITSTATUS(status))
				check(-EIO, "the restore failed");
			return false;
		}
		if (!WIFSTOPPED(status))
			check(-EIO, "the restore died");
		if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
			sig = WSTOPSIG(status);
			continue;
		}
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 &&
		    info.op == PTRACE_SYSCALL_INFO_ENTRY && matters(info.entry.nr) && n++ == at) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return true;
		}
	}
}

static int cmd_crash_restore(char *argv[])
{
	int dir = open(argv[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC), points = 0, good = 0;
	struct secret *passphrase = secret_new(SECRET_PASSPHRASE_MAX);
	struct opened o = { 0 };
	bool killed = true;

	if (dir < 0 || !passphrase)
		die(argv[0]);
	memcpy(passphrase->data, "crash", 5);
	passphrase->len = 5;
	while (killed) {
		bool is_old, is_new;

		make_states(dir, passphrase, &o);
		killed = restore_until(dir, passphrase, points);
		is_old = has(dir, VAULT, &o, "now");
		is_new = has(dir, VAULT, &o, "old") && has(dir, VAULT ".9", &o, "now");
		if ((killed ? is_old || is_new : is_new) && has(dir, VAULT ".5", &o, "old"))
			good += killed;
		else
			fprintf(stderr, "killed at call %d: something is lost\n", points);
		points += killed;
	}
	printf("# a restore killed at each of %d system calls: %d times the vault is the old or the "
	       "new one, whole, and every kept state is there\n",
	       points, good);
	secret_free(o.key);
	secret_free(o.vol.key);
	secret_free(passphrase);
	close(dir);
	return points > 5 && good == points ? 0 : 1;
}

static const struct {
	const char *name;
	int args;
	int (*run)(char *argv[]);
} commands[] = {
	{ "sums", 1, cmd_sums },	 { "json", 1, cmd_json },
	{ "set-json", 1, cmd_set_json }, { "flip", 2, cmd_flip },
	{ "flips", 3, cmd_flips },	 { "crash-restore", 1, cmd_crash_restore },
};

int main(int argc, char *argv[])
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (argc == commands[i].args + 2 && !strcmp(argv[1], commands[i].name))
			return commands[i].run(argv + 2);
	fprintf(stderr, "usage: see the head of vault_tool.c\n");
	return 2;
}
