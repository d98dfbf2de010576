#include "needle.h"

#include <stdio.h>
#include <string.h>

/* splitmix64: spreads whatever goes in over all 64 bits. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

const char *needle_class_name(enum needle_class c)
{
	static const char *const names[NEEDLE_CLASSES] = {
		"big",	   "shared", "private", "small",  "appended", "replaced",
		"deleted", "orphan", "cut",	"copied", "name",
	};

	return names[c];
}

uint64_t needle_head(uint64_t seed, unsigned epoch, enum needle_class c)
{
	return mix(mix(seed) ^ (uint64_t)(epoch + 1) << 32 ^ (uint64_t)(c + 1));
}

void needle_marker(uint64_t seed, unsigned epoch, enum needle_class c, uint32_t index, uint8_t *out)
{
	uint64_t word[2] = { needle_head(seed, epoch, c) };

	word[1] = (mix(word[0] ^ index) & 0xffffffff00000000ULL) | index;
	memcpy(out, word, NEEDLE_BYTES);
}

void needle_name(uint64_t seed, unsigned epoch, uint32_t index, char *out)
{
	snprintf(out, NEEDLE_NAME_BYTES + 1, "%016llx%08x",
		 (unsigned long long)needle_head(seed, epoch, NEEDLE_NAME), index);
}

char needle_letter(uint64_t seed, unsigned i)
{
	return (char)('a' + mix(mix(seed ^ 0x70617373) + i) % 26);
}
