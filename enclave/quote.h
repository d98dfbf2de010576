/*
 * quote - a string for a shell to evaluate, or for a person to read: pure
 */
#ifndef TAZ_ENCLAVE_QUOTE_H
#define TAZ_ENCLAVE_QUOTE_H

/*
 * quote_shell - one word of a POSIX shell that is exactly @s, whatever bytes it has
 * Returns a string to be freed, or NULL (ENOMEM).
 * Source: POSIX, Shell Command Language 2.2.2: nothing is special in single quotes but the quote.
 */
char *quote_shell(const char *s);

/*
 * quote_show - @s in single quotes for a terminal: printable ASCII only, every other byte, the
 * quote and the backslash as \xHH. No two strings look the same, and none moves the cursor. Returns
 * a string to be freed, or NULL (ENOMEM).
 */
char *quote_show(const char *s);

#endif
