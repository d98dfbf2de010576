/*
 * audit_text - names as text: any bytes become something that can be printed, and back
 *
 * What can be printed stands for itself, as UTF-8. A backslash is doubled; every other byte is
 * \xNN: what is no UTF-8, control characters, and characters that cannot be seen or that turn the
 * order of what follows, so that no file can have a name that looks like another one or that
 * commands a terminal. "a\xffb" is therefore exactly three bytes, and printf '%b' makes them again.
 *
 * In JSON, quotes and backslashes get a backslash once more; nothing else of JSON's escapes is
 * used.
 */
#ifndef TAZ_TAZFS_AUDIT_TEXT_H
#define TAZ_TAZFS_AUDIT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text that grows in a given room; what does not fit sets @full, and nothing is written any more.
 */
struct audit_out {
	char *data;
	size_t n, room;
	bool full;
};

void audit_put(struct audit_out *o, const char *data, size_t size);
void audit_puts(struct audit_out *o, const char *text);
void audit_put_number(struct audit_out *o, uint64_t n);

/* audit_plain - how many bytes at @s are one character that stands for itself; 0: it does not */
size_t audit_plain(const char *s);

/* audit_put_name - the bytes up to the NUL, so that they can be printed */
void audit_put_name(struct audit_out *o, const char *name);

/* audit_put_string - the same as a JSON string with its quotes */
void audit_put_string(struct audit_out *o, const char *name);

/*
 * audit_get_string - read a JSON string of audit_put_string()
 * @at: its opening quote; moved behind its closing one
 * @out: at least as long as the string; gets the bytes and a NUL
 * Returns the number of bytes, or -1 when it is no such string. Other ways to write the same are
 * partly accepted; who wants one way only writes it again and compares.
 */
long audit_get_string(const char **at, const char *end, char *out);

#endif
