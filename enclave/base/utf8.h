/* utf8 - characters of UTF-8 (RFC 3629). Pure. */
#ifndef TAZ_BASE_UTF8_H
#define TAZ_BASE_UTF8_H

#include <stddef.h>

/* utf8_length - the bytes of the character at @text: 1 to 4, or 0 when it is none, or @left is 0 */
size_t utf8_length(const char *text, size_t left);

#endif
