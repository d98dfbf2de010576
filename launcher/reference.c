#include "launcher/reference.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "enclave/base/size.h"

#define DIGITS	    "0123456789"
#define LOWER	    "abcdefghijklmnopqrstuvwxyz"
#define UPPER	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define HEX_LOWER   DIGITS "abcdef"
#define PREFIX	    "sha256:"
#define HEX_LETTERS 64

bool reference_digest_ok(const char *digest)
{
	size_t n = strlen(PREFIX);

	return !strncmp(digest, PREFIX, n) && strspn(digest + n, HEX_LOWER) == HEX_LETTERS &&
	       !digest[n + HEX_LETTERS];
}

/* --- the host -------------------------------------------------------------------------------- */

static bool port_ok(const char *text)
{
	long long n;

	return strspn(text, DIGITS) == strlen(text) && num_parse(text, 1, 65535, &n) == 0;
}

/* Letters, digits and dashes, no dash at an end, with a dot between two of them. */
static bool domain_ok(const char *host)
{
	for (;;) {
		size_t n = strspn(host, LOWER UPPER DIGITS "-");

		if (!n || host[0] == '-' || host[n - 1] == '-')
			return false;
		if (!host[n])
			return true;
		if (host[n] != '.')
			return false;
		host += n + 1;
	}
}

static bool v4_loopback(const char *host)
{
	struct in_addr a;

	return inet_pton(AF_INET, host, &a) == 1 && ntohl(a.s_addr) >> 24 == 127;
}

/* @host: "[ADDRESS]" or "[ADDRESS]:PORT"; is cut up */
static bool v6_ok(char *host, bool *ret_loopback)
{
	char *end = strchr(host, ']');
	struct in6_addr a;

	if (!end || (end[1] && (end[1] != ':' || !port_ok(end + 2))))
		return false;
	*end = '\0';
	if (inet_pton(AF_INET6, host + 1, &a) != 1)
		return false;
	*ret_loopback = IN6_IS_ADDR_LOOPBACK(&a);
	return true;
}

/* @host: with its port; is cut up */
static bool host_ok(char *host, bool *ret_loopback)
{
	char *port = strchr(host, ':');

	if (*host == '[')
		return v6_ok(host, ret_loopback);
	if (port)
		*port++ = '\0';
	if (!domain_ok(host) || (port && !port_ok(port)))
		return false;
	*ret_loopback = !strcmp(host, "localhost") || v4_loopback(host);
	return port || strchr(host, '.') || *ret_loopback;
}

/* --- the path -------------------------------------------------------------------------------- */

/* What stands between two words of a part: one of ". _ __", or dashes. Its length, or 0. */
static size_t separator(const char *p)
{
	if (*p == '.')
		return 1;
	if (*p == '_')
		return p[1] == '_' ? 2 : 1;
	return strspn(p, "-");
}

/* Words of small letters and digits, with separators between; a slash between two parts. */
static bool path_ok(const char *p)
{
	for (;;) {
		size_t n = strspn(p, LOWER DIGITS);

		if (!n)
			return false;
		p += n;
		if (!*p)
			return true;
		n = *p == '/' ? 1 : separator(p);
		if (!n)
			return false;
		p += n;
	}
}

/* --- all of it ------------------------------------------------------------------------------- */

static int refuse(char *why, size_t size, const char *text)
{
	snprintf(why, size, "%s", text);
	return -EINVAL;
}

/* Cuts the digest off. */
static int take_digest(char *name, bool wanted, struct reference *ret, char *why, size_t size)
{
	char *at = strchr(name, '@');

	*ret->digest = '\0';
	if (!at && wanted)
		return refuse(why, size,
			      "a tag is whatever its registry says today: name the digest, as in "
			      "HOST[:PORT]/PATH@sha256:DIGEST");
	if (at && !wanted)
		return refuse(
			why, size,
			"it has a digest, which only the push itself makes: HOST[:PORT]/PATH");
	if (!at)
		return 0;
	if (!reference_digest_ok(at + 1))
		return refuse(why, size, "a digest is sha256: and 64 digits of 0-9 and a-f");
	strcpy(ret->digest, at + 1);
	*at = '\0';
	return 0;
}

int reference_parse(const char *text, bool wants_digest, struct reference *ret, char *why,
		    size_t size)
{
	char name[REFERENCE_MAX], host[REFERENCE_NAME_MAX];
	size_t n;
	int r;

	if (strlen(text) >= sizeof(name))
		return refuse(why, size, "it is longer than 255 bytes");
	strcpy(name, text);
	r = take_digest(name, wants_digest, ret, why, size);
	if (r < 0)
		return r;
	if (strlen(name) >= sizeof(ret->name))
		return refuse(why, size, "it is longer than 255 bytes");
	strcpy(ret->name, name);
	n = strcspn(name, "/");
	snprintf(host, sizeof(host), "%.*s", (int)n, name);
	if (!name[n] || !host_ok(host, &ret->loopback))
		return refuse(
			why, size,
			"it must begin with a host, such as registry.example or localhost:5000, "
			"and have a path behind it");
	if (strchr(name + n, ':'))
		return refuse(why, size,
			      wants_digest
				      ? "it has a tag beside the digest: leave the tag out"
				      : "it has a tag, which push makes itself: HOST[:PORT]/PATH");
	if (!path_ok(name + n + 1))
		return refuse(why, size,
			      "its path is small letters and digits, with . _ - or / between");
	return 0;
}
