/*
 * container - a workshop in a container, by the client of an engine: what docker and podman share
 *
 * Most functions are those of struct engine with the same name (engine.h).
 */
#ifndef TAZ_LAUNCHER_CONTAINER_H
#define TAZ_LAUNCHER_CONTAINER_H

#include <stddef.h>

#include "launcher/client.h"
#include "launcher/engine.h"

/* container_kernel - can a container of this kernel hold a vault? As engine's usable(). */
int container_kernel(char *why, size_t size);

/*
 * container_our_names - what an engine calls images, one a line, as layers.h calls them; in place
 *
 * A name without a host is "localhost/NAME" to podman when it was made here.
 * Source: podman-build(1) --tag.
 */
void container_our_names(char *lines);

/* CONTAINER_FUNCTIONS - of a struct engine, all but usable */
#define CONTAINER_FUNCTIONS                                                                     \
	.has_image = container_has_image, .build = container_build, .import = container_import, \
	.list_images = container_list_images, .remove_image = container_remove_image,           \
	.label = container_label, .push = container_push, .pull = container_pull,               \
	.running = container_running, .up = container_up, .down = container_down,               \
	.dial = container_dial

int container_has_image(const struct client *c, const char *tag);
int container_build(const struct client *c, const char *tag, const char *dockerfile,
		    const char *context, const char *const args[]);
int container_import(const struct client *c, const char *tar, const char *tag);
int container_list_images(const struct client *c, char *buf, size_t size);
int container_remove_image(const struct client *c, const char *tag);
/* These three: container_registry.c */
int container_label(const struct client *c, const char *tag, char *buf, size_t size);
int container_push(const struct client *c, const char *tag, const struct reference *ref,
		   char digest[REFERENCE_DIGEST_MAX]);
int container_pull(const struct client *c, const struct reference *ref, const char *tag,
		   char *label, size_t size);

int container_running(const struct client *c, const struct workshop *w);
int container_up(const struct client *c, const struct workshop *w);
int container_down(const struct client *c, const struct workshop *w);
int container_dial(const struct client *c, const struct workshop *w);

#endif
