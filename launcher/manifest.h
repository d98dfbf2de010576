/*
 * manifest - a workshop as Kubernetes and "podman kube play" have it: two claims and a Pod
 *
 * Pure. What is printed is YAML; each value is a double-quoted scalar in ASCII.
 */
#ifndef TAZ_LAUNCHER_MANIFEST_H
#define TAZ_LAUNCHER_MANIFEST_H

#include <stdio.h>

#include "launcher/engine.h"
#include "launcher/reference.h"

#define MANIFEST_IMAGE_MAX REFERENCE_MAX

/*
 * manifest_image - where the image of a Pod comes from
 * @ref: HOST/PATH@sha256:DIGEST, or a tag of this host: taz/LAYER:HASH, also with localhost/ before
 * it
 * @buf: how it is written in the manifest
 * @why: on an error one sentence
 *
 * Returns 1 for a digest, 0 for a tag of this host, or -EINVAL.
 */
int manifest_image(const char *ref, char buf[MANIFEST_IMAGE_MAX], char *why, size_t size);

/* manifest_name - may a Pod have the name of this workshop? 0, or -EINVAL with a sentence in @why.
 */
int manifest_name(const char *name, char *why, size_t size);

/*
 * manifest_vault_claim - the room that a vault needs on its disk at most, in bytes
 * Each kept state, the current one and the spare may be as large as the vault.
 */
uint64_t manifest_vault_claim(uint64_t vault_bytes, unsigned keep);

/*
 * manifest_quote - a YAML scalar in double quotes, whatever is in the text
 * Source: YAML 1.2.2, 5.7 Escaped Characters.
 * Returns 0, or -EILSEQ when @text is no UTF-8.
 */
int manifest_quote(FILE *to, const char *text);

/*
 * manifest_print - @w: without an instance; its image as manifest_image() has it
 * Returns 0, -EILSEQ as above, or -ENOMEM; an error of @to is for the caller to ask for.
 */
int manifest_print(FILE *to, const struct workshop *w);

#endif
