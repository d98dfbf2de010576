/*
 * bridge - where tools keep secrets leads into the vault: ~/.kube is a link to secrets/kube, and so
 * on
 *
 * The image has the links; a session puts back what is missing. A link leads nowhere while the
 * vault is locked, so a tool that saves then gets an error, and never leaves plaintext (invariant
 * 8).
 */
#ifndef TAZ_ENCLAVE_BRIDGE_H
#define TAZ_ENCLAVE_BRIDGE_H

struct bridge {
	const char *name;   /* in the home directory */
	const char *target; /* of the link, relative to the home directory */
};

/* The table; its end has no name. images/base/setup makes the same links (a test compares). */
extern const struct bridge bridges[];

/*
 * bridge_repair - make links and the directories they lead to, where nothing is there
 * @home: of the caller, who must be a member of an open session
 *
 * A file or directory that is there is never replaced: it is named, with what to do. Nothing here
 * fails a session; what could not be made is said.
 */
void bridge_repair(const char *home);

/*
 * bridge_repair_at - the same below descriptors
 * @home: where the links go; @vault: the vault's root, or negative when there is none to make
 * directories in
 * Returns how many of the bridges lead into the vault.
 */
int bridge_repair_at(int home, int vault);

#endif
