/*
 * opts - the options of all commands in one table; each command says which it takes
 *
 * They may stand before the command, too: main() takes those off first.
 */
#ifndef TAZ_LAUNCHER_OPTS_H
#define TAZ_LAUNCHER_OPTS_H

#include <stdbool.h>
#include <stdint.h>

enum opt_bit {
	OPT_NAME = 1 << 0,
	OPT_ENGINE = 1 << 1,
	OPT_VAULT_SIZE = 1 << 2,
	OPT_IDLE = 1 << 3,
	OPT_CREATE = 1 << 4,
	OPT_PASSPHRASE_FD = 1 << 5,
	OPT_JSON = 1 << 6,
	OPT_MEMORY = 1 << 7,
	OPT_ACCEPT_ROLLBACK = 1 << 8,
	OPT_KEEP = 1 << 9,
	OPT_YES = 1 << 10,
	OPT_KEY_FILE = 1 << 11,
	OPT_DURABILITY = 1 << 12,
	OPT_VIEW_MEMORY = 1 << 13,
	OPT_FIDO2 = 1 << 14,
	OPT_LAYER = 1 << 15,
	OPT_WITHOUT = 1 << 16,
	OPT_DRY_RUN = 1 << 17,
	OPT_EXPLAIN = 1 << 18,
	OPT_CPUS = 1 << 19,
	OPT_NETWORK = 1 << 20,
	OPT_TIMEZONE = 1 << 21,
	OPT_LEAST = 1 << 22,
	OPT_MOUNT = 1 << 23,
	OPT_IMAGE = 1 << 24,
	OPT_THROUGH = 1 << 25,

	OPT_COMMON = OPT_NAME | OPT_ENGINE,
	OPT_INSIDE = OPT_COMMON | OPT_THROUGH, /* what is done in one that is up */
	OPT_UP = OPT_COMMON | OPT_VAULT_SIZE | OPT_IDLE | OPT_MEMORY | OPT_KEEP | OPT_DURABILITY |
		 OPT_VIEW_MEMORY | OPT_LAYER | OPT_WITHOUT | OPT_CPUS | OPT_NETWORK | OPT_TIMEZONE |
		 OPT_LEAST | OPT_MOUNT,
};

#define OPTS_MEMORY_BYTES \
	(1024ULL << 20) /* RAM of a virtual machine by default, beside its vault */

struct opts {
	unsigned given; /* which of opt_bit were */
	const char *name;
	const char *engine;  /* NULL: choose */
	const char *through; /* the command that reaches it elsewhere, or NULL: it is here */
	uint64_t vault_bytes;
	uint64_t memory_bytes; /* 0: the engine's default */
	unsigned idle_sec;
	unsigned cpus; /* 0: the engine's default */
	unsigned keep; /* how many earlier states of the vault */
	const char *durability;
	const char *view_memory; /* "cached" or "strict" */
	int passphrase_fd;	 /* < 0: ask */
	const char *key_file;	 /* NULL: none */
	const char *layer;	 /* of images/ */
	const char *network;	 /* "none", "nat", or NULL: the engine's default */
	const char *timezone;	 /* such as Europe/Berlin, or NULL: the host's */
	const char *without;	 /* releases that are left out, with commas; "" for none */
	bool fido2, create, json, accept_rollback, yes, dry_run, explain;
	const char *image;  /* of a Pod; NULL: what a build would give */
	const char *mounts; /* more folders of the host, as binds_parse() has them; "" for none */
	bool least;	    /* a container has no more of the host than it needs */
};

/* opts_init - the defaults */
void opts_init(struct opts *o);

/*
 * opts_take - take options off the front of an argument list
 * @argv, @argc: begins with the first candidate
 * @why: on -EINVAL one sentence
 *
 * Ends before the first word that is not an option of the table, and after "--". Both
 * "--name VALUE" and "--name=VALUE" are understood; later ones win.
 * Returns how many words were taken, or -EINVAL: a bad or missing value.
 */
int opts_take(struct opts *o, int argc, char *const argv[], char *why, unsigned long size);

/* opts_is_one - is that word one of the options with those bits, with or without "=VALUE"? */
bool opts_is_one(const char *word, unsigned bits);

/* opts_is_name - is it an option, given without its dashes? */
bool opts_is_name(const char *name);

/* opts_wants - what the value of an option (without its dashes) must be, in words */
const char *opts_wants(const char *name);

/* opts_refused - an option that was given but is not in @allowed, or NULL */
const char *opts_refused(const struct opts *o, unsigned allowed);

#define OPTS_HELP_LAYER                                                                              \
	"  --layer LAYER        what is in the image: base (default), k8s, gemini, or a folder of\n" \
	"                       your own in images/; counts when the workshop is started\n"          \
	"  --without NAME,...   leave these programs out that are fetched from their makers; all\n"  \
	"                       for every one\n"

/* What stands in every --help. */
#define OPTS_HELP_COMMON                                                                       \
	"  --name NAME          which workshop (default: default)\n"                           \
	"  --engine ENGINE      docker, podman or vm (default: what it was started with, or\n" \
	"                       what this machine can do)\n"
#define OPTS_HELP_THROUGH                                                                       \
	"  --through COMMAND    it is up elsewhere, and COMMAND runs programs there, such as\n" \
	"                       'kubectl exec -i taz-work -c workshop --'; no root is needed here\n"
#define OPTS_HELP_INSIDE OPTS_HELP_COMMON OPTS_HELP_THROUGH
#define OPTS_HELP_UP                                                                                          \
	"  --vault-size SIZE    room in the vault, such as 256M (default) or 1G; counts when\n"               \
	"                       the vault is made\n"                                                          \
	"  --idle TIME          lock after that long without use, such as 15m (default)\n"                    \
	"  --durability HOW     when a write is on the disk: before its fsync is answered (fsync,\n"          \
	"                       default), within seconds (settle), at the lock (lock)\n"                      \
	"  --keep N             how many earlier states of the vault are kept (3)\n"                          \
	"  --memory SIZE        RAM of a virtual machine, or a container's limit (default: none)\n"           \
	"  --cpus N             how many processors (default: 2 of a virtual machine, or all)\n"              \
	"  --network HOW        none, or nat: out, but not in (default: nat, but none with vm)\n"             \
	"  --least              the container gets what it needs of this host, and no more\n"                 \
	"  --privileged         the container gets all of this host (default)\n"                              \
	"  --mount LIST         more folders of this host, with commas between:\n"                            \
	"                       /path:/mnt/NAME or /path:/mnt/NAME:ro\n"                                      \
	"  --timezone ZONE      of sessions, such as Europe/Berlin (default: this host's)\n"                  \
	"  --view-memory MODE   cached (default), or strict: the kernel caches no contents\n" OPTS_HELP_LAYER \
		OPTS_HELP_COMMON

#define OPTS_HELP_ACCEPT_ROLLBACK                                                                  \
	"  --accept-rollback    open the vault although this host has seen a newer state of it;\n" \
	"                       what is saved then counts as newer than both\n"

#endif
