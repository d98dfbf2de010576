#include "enclave/quote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each byte becomes at most four. */
static char *room_for(const char *s)
{
	return malloc(strlen(s) * 4 + 3);
}

char *quote_shell(const char *s)
{
	char *out = room_for(s), *p = out;

	if (!out)
		return NULL;
	*p++ = '\'';
	for (; *s; s++) {
		if (*s == '\'')
			p = stpcpy(p, "'\\''");
		else
			*p++ = *s;
	}
	strcpy(p, "'");
	return out;
}

char *quote_show(const char *s)
{
	char *out = room_for(s), *p = out;

	if (!out)
		return NULL;
	*p++ = '\'';
	for (; *s; s++) {
		if (*s < 0x20 || *s > 0x7e || *s == '\'' || *s == '\\')
			p += sprintf(p, "\\x%02x", (unsigned char)*s);
		else
			*p++ = *s;
	}
	strcpy(p, "'");
	return out;
}
