#include "enclave/approval.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/place.h"
#include "enclave/quote.h"

static const struct {
	const char *word, *dir;
} kinds[] = {
	[APPROVAL_COMMAND] = { "command", PLACE_OWN "/approved" },
	[APPROVAL_VARIABLE] = { "variable", PLACE_OWN "/approved-env" },
};

const char *approval_word(const struct approval *a)
{
	return kinds[a->kind].word;
}

static const struct {
	const char *word, *text;
} states[] = {
	[APPROVAL_GIVEN] = { "confirmed", "confirmed" },
	[APPROVAL_NEW] = { "new", "never confirmed" },
	[APPROVAL_CHANGED] = { "changed", "changed since it was confirmed" },
};

const char *approval_state_word(enum approval_state state)
{
	return states[state].word;
}

const char *approval_state_text(enum approval_state state)
{
	return states[state].text;
}

/* --- the hash -------------------------------------------------------------------------------- */

static void hash_list(struct hash *h, char *const *list)
{
	char n[24];
	size_t count = 0;

	while (list && list[count])
		count++;
	snprintf(n, sizeof(n), "%zu", count);
	hash_text(h, n);
	for (size_t i = 0; i < count; i++)
		hash_text(h, list[i]);
}

static void hash_variable(struct hash *h, const struct entry *e)
{
	hash_text(h, e->name);
	hash_text(h, e->file);
	hash_text(h, e->env ? e->env : "");
	hash_text(h, e->value ? "contents" : "path");
}

static void make_env_hash(const struct entry *e, char hex[HASH_HEX_MAX])
{
	struct hash h;

	hash_init(&h);
	hash_text(&h, "taz-approval-env-1");
	hash_variable(&h, e);
	hash_hex(&h, APPROVAL_HEX / 2, hex);
}

static void make_hash(const struct entry *e, const struct program *p, const char *dir,
		      char hex[HASH_HEX_MAX])
{
	struct hash h;
	char mode[8];

	snprintf(mode, sizeof(mode), "%04o", e->mode & 07777U);
	hash_init(&h);
	hash_text(&h, "taz-approval-2");
	hash_variable(&h, e);
	hash_text(&h, mode);
	hash_text(&h, dir);
	hash_text(&h, p->path);
	hash_text(&h, p->hash);
	hash_text(&h, PROGRAM_PATH);
	hash_list(&h, e->argv);
	hash_list(&h, e->pass);
	hash_hex(&h, APPROVAL_HEX / 2, hex);
}

/* --- what is shown --------------------------------------------------------------------------- */

static void put(FILE *f, const char *what, const char *value)
{
	autofree char *shown = quote_show(value);

	fprintf(f, "  %-10s %s\n", what, shown ? shown : "?");
}

static void put_variable(FILE *f, const struct entry *e)
{
	if (!e->env)
		return;
	put(f, "variable", e->env);
	fprintf(f, "  %-10s %s\n", "it holds",
		e->value ? "the file's contents" : "the file's path");
}

static void write_env_text(FILE *f, const struct entry *e, const char *hash)
{
	put(f, "entry", e->name);
	put(f, "file", e->file);
	put_variable(f, e);
	fprintf(f, "  %-10s %s\n", "hash", hash);
}

static void write_text(FILE *f, const struct entry *e, const struct program *p, const char *dir,
		       const char *hash)
{
	size_t n = 0, bytes = 0;

	put(f, "entry", e->name);
	put(f, "makes", e->file);
	fprintf(f, "  %-10s %04o\n", "mode", e->mode & 07777U);
	put_variable(f, e);
	put(f, "program", p->path);
	fprintf(f, "  %-10s %s%s\n", "contents", p->hash,
		p->copied ? " (not only root can change it: a copy of this runs)" : "");
	put(f, "runs in", dir);
	for (; e->argv[n]; n++) {
		char what[24];

		snprintf(what, sizeof(what), "word %zu", n);
		put(f, what, e->argv[n]);
		bytes += strlen(e->argv[n]);
	}
	for (size_t i = 0; e->pass && e->pass[i]; i++)
		put(f, "gets", e->pass[i]);
	/* Last, where it is seen: long words may have pushed the first ones off the screen. */
	fprintf(f, "  %-10s %zu word%s of %zu bytes\n", "in all", n, n == 1 ? "" : "s", bytes);
	fprintf(f, "  %-10s %s\n", "hash", hash);
}

/* @p: NULL for the variable */
static int init(const struct entry *e, const struct program *p, const char *dir,
		struct approval *ret)
{
	struct approval a = { .kind = p ? APPROVAL_COMMAND : APPROVAL_VARIABLE };
	size_t size;
	FILE *f = open_memstream(&a.text, &size);
	bool ok;

	if (!f)
		return -ENOMEM;
	if (p) {
		make_hash(e, p, dir, a.hash);
		write_text(f, e, p, dir, a.hash);
	} else {
		make_env_hash(e, a.hash);
		write_env_text(f, e, a.hash);
	}
	ok = !ferror(f);
	if (fclose(f) || !ok) {
		free(a.text);
		return -ENOMEM;
	}
	*ret = a;
	return 0;
}

int approval_init(const struct entry *e, const struct program *p, const char *dir,
		  struct approval *ret)
{
	return init(e, p, dir, ret);
}

int approval_init_env(const struct entry *e, struct approval *ret)
{
	return init(e, NULL, NULL, ret);
}

void approval_done(struct approval *a)
{
	free(a->text);
	a->text = NULL;
}

/* --- what is kept ---------------------------------------------------------------------------- */

static void file_name(const struct entry *e, const struct approval *a, char *buf, size_t size)
{
	snprintf(buf, size, "%s-%s", e->name, a->hash);
}

/* Is there a yes to anything of this entry? A hash has a fixed length, so no name is ambiguous. */
static bool has_other(int fd, const char *name)
{
	size_t len = strlen(name);
	struct dirent *d;
	DIR *dir = fdopendir(fd); /* takes it */
	bool found = false;

	if (!dir) {
		close(fd);
		return false;
	}
	while (!found && (d = readdir(dir)))
		found = strlen(d->d_name) == len + 1 + APPROVAL_HEX &&
			!memcmp(d->d_name, name, len) && d->d_name[len] == '-';
	closedir(dir);
	return found;
}

int approval_state(int root, const struct entry *e, const struct approval *a)
{
	autoclose int dir = place_dir(root, kinds[a->kind].dir, false);
	char name[ENTRY_NAME_MAX + HASH_HEX_MAX + 2];
	struct stat st;

	if (dir < 0)
		return dir == -ENOENT ? APPROVAL_NEW : dir;
	file_name(e, a, name, sizeof(name));
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
		return APPROVAL_GIVEN;
	if (errno != ENOENT)
		return -errno;
	return has_other(take_fd(&dir), e->name) ? APPROVAL_CHANGED : APPROVAL_NEW;
}

static int keep(int root, const struct entry *e, const struct approval *a)
{
	autoclose int dir = place_dir(root, kinds[a->kind].dir, true);
	autoclose int fd = -EBADF;
	char name[ENTRY_NAME_MAX + HASH_HEX_MAX + 2];
	int r;

	if (dir < 0)
		return dir;
	file_name(e, a, name, sizeof(name));
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = io_write_full(fd, a->text, strlen(a->text));
	if (r == 0 && (fsync(fd) < 0 || fsync(dir) < 0))
		r = -errno;
	return r;
}

int approval_give(int root, const struct entry *e, const struct approval *a)
{
	struct approval env;
	int r = keep(root, e, a);

	if (r < 0 || a->kind != APPROVAL_COMMAND || !e->env)
		return r;
	r = approval_init_env(e, &env);
	if (r < 0)
		return r;
	r = keep(root, e, &env);
	approval_done(&env);
	return r;
}
