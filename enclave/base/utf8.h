/* utf8 - characters of UTF-8 (RFC 3629), and text that others wrote. Pure. */
#ifndef TAZ_BASE_UTF8_H
#define TAZ_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* utf8_length - the bytes of the character at @text: 1 to 4, or 0 when it is none, or @left is 0 */
size_t utf8_length(const char *text, size_t left);

/*
 * utf8_plain - the same for a string, and 0 also for what must not reach a terminal as it is: a
 * control, and what is not seen or changes how its neighbours are seen
 *
 * Source: Unicode's Default_Ignorable_Code_Point, Bidi_Control, line and paragraph separators.
 */
size_t utf8_plain(const char *s);

/* utf8_has_control - is one of its bytes a control of ASCII (a newline and a tab, too)? */
bool utf8_has_control(const char *s);

/* utf8_clean - put a '?' for each byte of @text that is not plain, nor a character of @keep */
void utf8_clean(char *text, const char *keep);

/* utf8_clean_bytes - the same of a piece of something longer; @bytes has room for a NUL behind it
 */
void utf8_clean_bytes(char *bytes, size_t size, const char *keep);

#endif
