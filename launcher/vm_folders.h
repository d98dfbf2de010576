/*
 * vm_folders - folders of the host in a guest: one virtiofsd each, with the rights of its owner
 *
 * Source: virtiofsd(1).
 */
#ifndef TAZ_LAUNCHER_VM_FOLDERS_H
#define TAZ_LAUNCHER_VM_FOLDERS_H

#include "launcher/binds.h"
#include "launcher/engine.h"

#define VM_FOLDERS_MAX (2 + BINDS_MAX) /* the vault's, the workspace, and more */

/*
 * vm_folder_serve - start a server of one folder, at the socket RUN/@name.sock; it ends when the
 * guest does
 * @tools: the tree that has virtiofsd
 * @more: of virtiofsd: how long the guest may believe what it has seen, or that nothing is written
 *
 * A device node or a setuid program of root, made by a guest's root, is nothing we have to look
 * for: the host's kernel makes none for the folder's owner. Returns 0, or -errno after saying why.
 */
int vm_folder_serve(const struct workshop *w, const char *tools, const char *name, const char *dir,
		    const char *more);

/* vm_folders_kill - those that this process has started, for a guest that never came */
void vm_folders_kill(void);

#endif
