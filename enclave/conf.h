/*
 * conf - secrets.conf: a workspace's entries; the only file that knows libconfuse
 *
 *	entry kubeconfig {
 *		file    = 'kube/config'
 *		env     = KUBECONFIG
 *		mode    = 0600
 *		command = {'sops', '--decrypt', 'kubeconfig.enc.yaml'}
 *	}
 *
 * What the library would do behind a reader's back is refused before it sees the text: it replaces
 * ${VAR} in double quotes by the environment, takes a missing last brace, lets a repeated key win,
 * goes on over a line's end in a string, and knows escapes for every byte. So a first look
 * (conf_scan.c) lets through: comments with '#', words, strings of one line in which a backslash
 * stands only before a quote or a backslash, '{', '}', '=' and ','.
 *
 * Source: libconfuse 3.3, src/lexer.l and cfg_parse_internal().
 */
#ifndef TAZ_ENCLAVE_CONF_H
#define TAZ_ENCLAVE_CONF_H

#include <stddef.h>

#include "enclave/entry.h"

enum {
	CONF_BYTES_MAX = 64 << 10,
	CONF_ENTRIES_MAX = 128,
};

struct conf {
	struct entry *entries;
	size_t n;
};

/* What is wrong, where, and what to do: one line without control characters. */
struct conf_error {
	unsigned line; /* 0: the whole file */
	char text[256];
};

/*
 * conf_parse - the whole text or nothing
 * @text, @size: any bytes; need not end with a NUL
 * @ret: to be freed with conf_free()
 *
 * Not for two threads at once: the library's lexer is static.
 * Returns 0, -EINVAL with @err filled, or -ENOMEM.
 */
int conf_parse(const char *text, size_t size, struct conf **ret, struct conf_error *err);
void conf_free(struct conf *conf);

void conf_freep(struct conf **conf);
#define autoconf __attribute__((cleanup(conf_freep)))

/* conf_find - the entry of that name, or NULL */
const struct entry *conf_find(const struct conf *conf, const char *name);

/* conf_scan - the first look alone: is the library allowed to see it? 0 or -EINVAL. */
int conf_scan(const char *text, size_t size, struct conf_error *err);

/* conf_error_set - fill it in, every control or foreign byte made visible. Returns -EINVAL. */
int conf_error_set(struct conf_error *err, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
