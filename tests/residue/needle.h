/*
 * needle - what the residue test hides in the guest and looks for on the host
 *
 * Both sides make the same bytes from a seed, so that no list of them has to lie anywhere: neither
 * the script nor the programs in the guest hold one that would be found by itself.
 */
#ifndef TAZ_TESTS_NEEDLE_H
#define TAZ_TESTS_NEEDLE_H

#include <stddef.h>
#include <stdint.h>

#define NEEDLE_BYTES	  16 /* of a marker */
#define NEEDLE_PASSPHRASE 40 /* letters of a passphrase */
#define NEEDLE_NAME_BYTES 24 /* of a marker in a name, which is text */
#define NEEDLE_EPOCHS	  16 /* each stage has markers of its own */

/* What a marker was written as; the report has a line for each. */
enum needle_class {
	NEEDLE_BIG,	 /* 1 MiB by write(2), read back by read(2) */
	NEEDLE_SHARED,	 /* written through a shared map */
	NEEDLE_PRIVATE,	 /* read through a private map */
	NEEDLE_SMALL,	 /* files of odd sizes */
	NEEDLE_APPENDED, /* a log, a line at a time */
	NEEDLE_REPLACED, /* saved by a rename over the old file */
	NEEDLE_DELETED,	 /* deleted after use */
	NEEDLE_ORPHAN,	 /* deleted while open, then closed */
	NEEDLE_CUT,	 /* made shorter: ftruncate, O_TRUNC, a punched hole */
	NEEDLE_COPIED,	 /* copied in the kernel: copy_file_range, sendfile */
	NEEDLE_NAME,	 /* names of files and directories */
	NEEDLE_CLASSES,
};

const char *needle_class_name(enum needle_class c);

/* needle_marker - NEEDLE_BYTES of a marker at @out */
void needle_marker(uint64_t seed, unsigned epoch, enum needle_class c, uint32_t index,
		   uint8_t *out);

/* needle_head - the first 8 bytes, the same for all markers of an epoch's class */
uint64_t needle_head(uint64_t seed, unsigned epoch, enum needle_class c);

/* needle_name - a marker that can be a file's name; @out has NEEDLE_NAME_BYTES and a NUL */
void needle_name(uint64_t seed, unsigned epoch, uint32_t index, char *out);

/* needle_letter - the letter @i of the passphrase: it is never whole in the typist's memory */
char needle_letter(uint64_t seed, unsigned i);

#endif
