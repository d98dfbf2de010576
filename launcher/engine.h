/*
 * engine - what differs between docker, podman and a virtual machine, behind one table of functions
 *
 * Everything else (nodes, keeper, agent, sessions, passphrase) is the same image and the same path.
 */
#ifndef TAZ_LAUNCHER_ENGINE_H
#define TAZ_LAUNCHER_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launcher/binds.h"
#include "launcher/reference.h"

/* One workshop on this host; all strings borrowed. */
struct workshop {
	const char *name;      /* --name; [a-z0-9][a-z0-9-]{0,31} */
	const char *state_dir; /* /var/lib/taz/NAME, 0700 root; holds vault/ and run/ */
	const char *workspace; /* absolute host directory, shown at /workspace */
	const char *image;     /* tag of the layer to run, as layers.h computed it */
	const char *instance;  /* unique on this host's kernel; [a-z0-9-], at most 63 bytes */
	uint64_t vault_bytes;
	uint64_t memory_bytes; /* RAM of a guest, limit of a container; 0: the engine's default */
	unsigned cpus;	       /* 0: the engine's default */
	bool least;	       /* a container: no more of this host than it needs (least.h) */
	const char *network;   /* "none", "nat" or NULL: the engine's default */
	struct binds mounts;   /* more of the host's folders; only up needs them */
	unsigned idle_sec;
	const char *durability;	  /* fsync, settle or lock: as enclave serve has it */
	unsigned keep;		  /* how many earlier states of the vault */
	uint64_t seen_generation; /* the newest that this host knows of (seen.h); 0: none */
	const char *seen_vault;	  /* of which vault; "" with 0 */
	const char *view_memory;  /* "cached" or "strict" */
	const char *through;	  /* COMMAND of --through, for engine_through alone */
};

struct client;

/* Each function's first argument is @client. */
struct engine {
	const char *name;	     /* "docker", "podman", "vm" */
	const struct client *client; /* what container.h's functions call; NULL: not by a client */

	/*
	 * Can this machine use it? 0, or -errno with one sentence for a person in @why; -ENODEV:
	 * it can build, but this kernel lacks something to run.
	 */
	int (*usable)(const struct client *c, char *why, size_t size);

	/* Does the engine's store hold this tag? 1, 0 or -errno. */
	int (*has_image)(const struct client *c, const char *tag);

	/*
	 * Build one layer: Dockerfile @dockerfile in context directory @context, as @tag.
	 * @args: "NAME=VALUE" build arguments, ended by NULL. Progress goes to stderr when it is a
	 * terminal; otherwise the output is kept and shown only when the build fails.
	 */
	int (*build)(const struct client *c, const char *tag, const char *dockerfile,
		     const char *context, const char *const args[]);

	/* Import a root file system (an uncompressed tar) as @tag. */
	int (*import)(const struct client *c, const char *tar, const char *tag);

	/* The tags of our images in the store, one a line. 0, -EMSGSIZE when they don't fit, or
	 * -errno after saying why. */
	int (*list_images)(const struct client *c, char *buf, size_t size);

	/* Remove a tag, and what only it had. 0 or -errno after saying why. */
	int (*remove_image)(const struct client *c, const char *tag);

	/*
	 * The image's label io.taz.tag in double quotes, with what is not plain escaped as in C: it
	 * may be a stranger's. Two quotes: it has none. 0 or -errno after saying why.
	 */
	int (*label)(const struct client *c, const char *tag, char *buf, size_t size);

	/*
	 * Send an image to a registry, as @ref's name with the hash of @tag; @digest gets what the
	 * registry has it as. Nothing in the store is changed. 0 or -errno after saying why.
	 */
	int (*push)(const struct client *c, const char *tag, const struct reference *ref,
		    char digest[REFERENCE_DIGEST_MAX]);

	/*
	 * Fetch @ref, and give it @tag when that is its label io.taz.tag, and it is for this kind
	 * of machine. 0; -EBADMSG: its label is another one (@label, as above); or -errno after
	 * saying why. With an error the store is as before. Two at once, or one that is killed: the
	 * tag is there with all of its image, or not.
	 */
	int (*pull)(const struct client *c, const struct reference *ref, const char *tag,
		    char *label, size_t size);

	/* Is the workshop running? 1, 0 or -errno. */
	int (*running)(const struct client *c, const struct workshop *w);

	/* Start it; returns 0 when its agent can be reached, or -errno after saying why (log_err).
	 */
	int (*up)(const struct client *c, const struct workshop *w);

	/* An orderly stop: locked, saved, ended. 0 also when it was not running. */
	int (*down)(const struct client *c, const struct workshop *w);

	/*
	 * A connected stream to the workshop's agent, for one request (frame.h). When the stream is
	 * closed the session on it ends. -ENOTCONN: not running; -EBUSY: every port is in use.
	 */
	int (*dial)(const struct client *c, const struct workshop *w);
};

extern const struct engine engine_docker;
extern const struct engine engine_podman;
extern const struct engine engine_vm;
/* Elsewhere, by --through: it has running and dial, and nothing else; engine_find() does not know
 * it. What is wrong it says itself. */
extern const struct engine engine_through;

/* engine_find - by name, or NULL */
const struct engine *engine_find(const char *name);

/*
 * engine_choose - the first that this machine can use, in the table's order
 * @ret_why: why the ones before it were passed over, "" when none was
 * Returns NULL when there is none; @ret_why then tells about all.
 */
const struct engine *engine_choose(char *ret_why, size_t size);

#endif
