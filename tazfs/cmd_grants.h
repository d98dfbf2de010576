/* cmd_grants - what "tazfs grants" does, for who has a terminal of its own */
#ifndef TAZ_TAZFS_CMD_GRANTS_H
#define TAZ_TAZFS_CMD_GRANTS_H

#include <stdint.h>

/*
 * grants_show - print the list; before that, take back an answer and print that it was
 * @dir: where the view is, or NULL
 * @number: of the answer, or 0: only the list
 * Says what went wrong. Returns 0 or more, or -errno: nothing could be listed.
 */
int grants_show(const char *dir, uint32_t number);

#endif
