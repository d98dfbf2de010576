#include "enclave/declared.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/secret.h"
#include "enclave/place.h"

static int call(const struct entry *e, int root, const char *home,
		int (*fn)(const struct declared *d, void *arg), void *arg)
{
	autoclose int fd = place_file(root, e->file);
	autofree char *path = NULL;
	struct declared d = { .entry = e, .present = fd >= 0, .root = root };

	if (fd == -EIO) /* locked in between */
		return log_err(fd, "look at the file of %s", e->name);
	if (asprintf(&path, "%s/%s/%s", home, PLACE_DIR, e->file) < 0)
		return -ENOMEM;
	d.path = path;
	if (fd == -ENOENT && e->argv)
		log_warn("%s: its file is not there yet; 'enclave pull %s' makes it", e->name,
			 e->name);
	else if (fd < 0)
		log_warn("%s: its file cannot be used: %s", e->name, strerror(-fd));
	return fn(&d, arg);
}

static int confirm(const struct entry *e, int root, struct consent *consent)
{
	struct approval a;
	struct refusal no;
	int r = approval_init_env(e, &a);

	if (r < 0)
		return log_err(r, "look at the variable of %s", e->name);
	r = consent_get(consent, root, e, &a, DECLARED_LISTER, &no);
	approval_done(&a);
	if (r < 0)
		log_error("%s, %s: %s", e->name, e->env, no.why);
	return r;
}

int declared_each(const struct conf_file *f, const char *home, struct consent *consent,
		  int (*fn)(const struct declared *d, void *arg), void *arg)
{
	autoclose int root = place_open(home);
	int r = 0;

	if (root < 0) {
		const char *why = place_why(root);

		log_error("%s/%s: %s", home, PLACE_DIR, why ? why : strerror(-root));
		return root;
	}
	for (size_t i = 0; r == 0 && i < f->conf->n; i++) {
		const struct entry *e = &f->conf->entries[i];

		if (!e->env)
			continue;
		r = consent ? confirm(e, root, consent) : 0;
		if (r == 0)
			r = call(e, root, home, fn, arg);
	}
	if (r == 0 && consent)
		r = consent_check(consent, DECLARED_LISTER);
	return r;
}

static int read_value(const struct declared *d, char *buf, size_t size)
{
	autoclose int fd = place_file(d->root, d->entry->file);
	ssize_t n = fd < 0 ? fd : io_read_full(fd, buf, size - 1);

	if (n < 0)
		return (int)n;
	if (n > DECLARED_VALUE_MAX)
		return -EFBIG;
	buf[n] = '\0';
	if (memchr(buf, '\0', n))
		return -EILSEQ;
	if (n && buf[n - 1] == '\n')
		buf[n - 1] = '\0';
	return 0;
}

static int set_value(const struct declared *d)
{
	const size_t size = DECLARED_VALUE_MAX + 2;
	char *buf = malloc(size);
	int r = buf ? read_value(d, buf, size) : -ENOMEM;

	if (r == 0 && setenv(d->entry->env, buf, 1) < 0)
		r = -errno;
	if (buf)
		secret_wipe(buf, size);
	free(buf);
	if (r == -EFBIG)
		log_error("%s: longer than 64 KiB: give it as a path", d->entry->name);
	else if (r == -EILSEQ)
		log_error("%s: it holds a NUL byte: give it as a path", d->entry->name);
	else if (r < 0)
		log_err(r, "read the value of %s", d->entry->name);
	return r;
}

int declared_set(const struct declared *d, void *arg)
{
	if (!d->present)
		return 0;
	if (d->entry->value)
		return set_value(d);
	return setenv(d->entry->env, d->path, 1) < 0 ? log_err(-errno, "set %s", d->entry->env) : 0;
}
