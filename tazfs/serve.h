/* serve - what "mount --source" and "view" do before they become one or the other */
#ifndef TAZ_TAZFS_SERVE_H
#define TAZ_TAZFS_SERVE_H

#include <stdbool.h>

/* serve_memory - "cached" or "strict". Returns 0 or -EINVAL; @ret_strict tells which. */
int serve_memory(const char *text, bool *ret_strict);

/* serve_prepare - umask 0 (the kernel applied the caller's), one small heap, small stacks; no
 * thread may run yet */
void serve_prepare(void);

#endif
