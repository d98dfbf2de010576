/*
 * doctor - what this machine has and lacks for a workshop, why it matters, and how to mend it
 *
 * A check is a row of one table: a name, a question to the facts, why, and what to do. The facts
 * are gathered before, so that every check can be tested with facts that are drawn.
 */
#ifndef TAZ_LAUNCHER_DOCTOR_H
#define TAZ_LAUNCHER_DOCTOR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "enclave/base/seal_footer.h"
#include "launcher/seen.h"
#include "launcher/watch_file.h"

enum doctor_level {
	DOCTOR_GOOD,
	DOCTOR_WARNS, /* it works, and protects less than it could, or is slow */
	DOCTOR_STOPS, /* something does not work */
	DOCTOR_LEVELS
};

struct doctor_facts {
	/* The kernel of this host; what a virtual machine of ours has is known. */
	char release[64]; /* as uname(2) says */
	bool has_dm, has_loop, has_fuse, has_noswap;
	bool clears_freed; /* init_on_free=1 */
	int yama;	   /* ptrace_scope; -1: there is no yama */
	char core_pattern[128];
	char swap[128]; /* the first swap that is on, "" for none */

	bool root;
	bool kvm; /* vm_kvm_worth_a_try() */
	/* Why an engine can't be used; "" when it can. */
	char docker[256], podman[256], vm[256];

	uint64_t state_free, cache_free; /* bytes for us in the file systems of both folders */

	uint64_t caps; /* of this process, as bits */

	/* The workshop --name; a vault only after its first session. */
	bool was_up, vault_there, vault_private;
	bool record_bad;   /* what it was started with can't be read */
	bool vault_luks;   /* it begins as LUKS2 does */
	bool vault_sealed; /* it ends as a sealed vault does; then of its end: */
	uint64_t generation;
	char vault_id[2 * SEAL_ID_BYTES + 1];
	struct seen seen; /* what this host knows of; its generation is 0 when that is nothing */
	bool seen_bad;	  /* it can't be read */
	char workshop[40], vault[PATH_MAX];
	bool image_there; /* in its engine's store; meaningful when it was up */

	const char *host_deaf;	  /* why this host's events can't be heard, or NULL */
	enum watch_state watched; /* by who watches for the workshops; root only */
	bool is_up;		  /* the workshop */
};

/*
 * doctor_kernel - the facts that files tell
 * @root: "" for this machine, or a folder that stands for / (tests)
 */
void doctor_kernel(struct doctor_facts *f, const char *root);

/* doctor_vault - what can be read of f->vault without a key */
void doctor_vault(struct doctor_facts *f);

struct doctor_finding {
	const char *name; /* of the check, as the messages of "up" say it */
	enum doctor_level level;
	char what[320];
	const char *why, *mend; /* NULL when it is good */
};

#define DOCTOR_CHECKS 15 /* at most */

/* doctor_look - all checks. Returns how many findings there are in @ret. */
size_t doctor_look(const struct doctor_facts *f, struct doctor_finding ret[DOCTOR_CHECKS]);

#endif
