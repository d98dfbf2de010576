/*
 * reference - the name of an image in a registry: HOST[:PORT]/PATH, and
 * HOST[:PORT]/PATH@sha256:DIGEST. Pure.
 *
 * The host must be one: it has a dot or a port, is in brackets, or is "localhost". Elsewhere
 * docker.io would be meant, which nobody has typed. Source: github.com/distribution/reference,
 * regexp.go.
 */
#ifndef TAZ_LAUNCHER_REFERENCE_H
#define TAZ_LAUNCHER_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

#define REFERENCE_NAME_MAX   256 /* 255 bytes, as the source has it, and a NUL */
#define REFERENCE_DIGEST_MAX 72	 /* "sha256:", 64 digits, and a NUL */
#define REFERENCE_MAX	     (REFERENCE_NAME_MAX + REFERENCE_DIGEST_MAX)

struct reference {
	char name[REFERENCE_NAME_MAX];	   /* HOST[:PORT]/PATH */
	char digest[REFERENCE_DIGEST_MAX]; /* "sha256:..."; "" for none */
	bool loopback;			   /* of this machine: it may speak without TLS */
};

/*
 * reference_parse - take a name apart
 * @wants_digest: it must have a digest; otherwise it must have none
 * @why: on -EINVAL one sentence, which has nothing of @text in it
 *
 * A tag is always refused. Returns 0 or -EINVAL.
 */
int reference_parse(const char *text, bool wants_digest, struct reference *ret, char *why,
		    size_t size);

/* reference_digest_ok - "sha256:" and 64 digits of lower case hex, and nothing else? */
bool reference_digest_ok(const char *digest);

#endif
