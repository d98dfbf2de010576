#include "enclave/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/atrest.h"
#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/history.h"

struct work {
	const struct restore *r;
	struct luks_volume vol;
	struct secret *key; /* holds the keybox */
	int image;
	struct seal_footer source;
};

static struct keybox *box(const struct work *w)
{
	return (struct keybox *)(void *)w->key->data;
}

static int open_file(const struct restore *r, const char *name)
{
	int fd = openat(r->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int prove_source(struct work *w, const struct secret *passphrase, enum proto_why *ret_why)
{
	autoclose int file = open_file(w->r, w->r->source);
	int r;

	if (file < 0) {
		*ret_why = file == -ENOENT ? WHY_NO_SUCH : WHY_NONE;
		return file;
	}
	r = atrest_read(file, &w->image, &w->source, ret_why);
	if (r == 0)
		r = atrest_prove(w->image, &w->source, passphrase, &w->vol, box(w), ret_why);
	return r;
}

/* Sealed with this vault's key? Its footer alone tells: the generation is covered by the mac. */
static bool footer_is_ours(const struct work *w, int file, struct seal_footer *ret)
{
	return seal_read_footer(file, ret) == 0 && seal_verify(ret, box(w)->key) == 0;
}

/* The highest generation among those that nobody but us can have written. */
static uint64_t highest(const struct work *w)
{
	autofree struct history_entry *e = calloc(HISTORY_MAX, sizeof(*e));
	uint64_t max = w->r->seen;
	ssize_t n = e ? history_list(w->r->dir, w->r->vault, e, HISTORY_MAX) : 0;

	for (ssize_t i = 0; i < n; i++) {
		autoclose int file = open_file(w->r, e[i].name);
		struct seal_footer footer;

		if (file >= 0 && footer_is_ours(w, file, &footer) && footer.generation > max)
			max = footer.generation;
	}
	return max;
}

/*
 * A second name for what is current, so that nothing is lost. One whose bytes are damaged has a
 * footer that is ours all the same: who restores it later is told.
 */
static int keep_current(const struct work *w, struct seal_origin *ret)
{
	autoclose int file = open_file(w->r, w->r->vault);
	struct seal_footer footer;

	*ret = seal_origin_of(&w->source);
	if (file == -ENOENT)
		return 0;
	if (file < 0)
		return file;
	if (!footer_is_ours(w, file, &footer))
		return history_keep(w->r->dir, w->r->vault, file, HISTORY_ASIDE, 0, NULL);
	*ret = seal_origin_of(&footer);
	return history_keep(w->r->dir, w->r->vault, file, HISTORY_KEPT, footer.generation, NULL);
}

static int put_in_place(const struct work *w, const char *temp, int file,
			struct seal_footer *footer)
{
	int r = seal_store(file, w->image, box(w)->key, footer);

	if (r < 0)
		return r;
	if (fsync(file) < 0 || renameat(w->r->dir, temp, w->r->dir, w->r->vault) < 0 ||
	    fsync(w->r->dir) < 0)
		return -errno;
	return 0;
}

static int write_new(const struct work *w, const struct seal_origin *parent,
		     struct seal_origin *ret)
{
	struct seal_footer footer = seal_next(parent, w->source.image_bytes, highest(w));
	char temp[HISTORY_NAME_MAX + 16];
	autoclose int file = -EBADF;
	int r;

	snprintf(temp, sizeof(temp), ".%s.restore", w->r->vault);
	if (unlinkat(w->r->dir, temp, 0) < 0 && errno != ENOENT)
		return -errno;
	file = openat(w->r->dir, temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file < 0)
		return -errno;
	r = put_in_place(w, temp, file, &footer);
	if (r < 0) {
		unlinkat(w->r->dir, temp, 0);
		return log_err(r, "write the restored vault");
	}
	*ret = seal_origin_of(&footer);
	return 0;
}

static int run(struct work *w, const struct secret *passphrase, struct seal_origin *ret,
	       enum proto_why *ret_why)
{
	struct seal_origin parent;
	int r = prove_source(w, passphrase, ret_why);

	if (r < 0)
		return r;
	r = keep_current(w, &parent);
	if (r < 0)
		return log_err(r, "keep the vault that is current");
	return write_new(w, &parent, ret);
}

int restore_run(const struct restore *r, const struct secret *passphrase, struct seal_origin *ret,
		enum proto_why *ret_why)
{
	autosecret struct secret *key = secret_new(sizeof(struct keybox));
	struct work w = { .r = r, .key = key, .image = -EBADF };
	int err = key ? run(&w, passphrase, ret, ret_why) : -ENOMEM;

	secret_free(w.vol.key);
	fd_close(&w.image);
	return err;
}
