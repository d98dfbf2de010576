/*
 * qr - a QR code of half blocks on a terminal
 *
 * Source: libqrencode; its input, its data streams and its frames are copies of the text on its
 * heap, freed unwiped: so it runs in a child that wipes itself (base/shortlife.h).
 */
#ifndef TAZ_BASE_QR_H
#define TAZ_BASE_QR_H

#include <stddef.h>

#include "enclave/base/secret.h"

/*
 * qr_show - draw @s in black on white
 * @fd: a terminal, borrowed
 * Returns 0, or
 *   -ENOTTY  it is no terminal
 *   -E2BIG   it is not wide enough
 *   -errno
 */
int qr_show(const struct secret *s, int fd);

/*
 * qr_draw - the lines of a square of @width modules, two to a line
 * @modules: bit 0 of each byte: dark; @width * @width bytes
 * @row: from 0 to qr_rows(@width) - 1
 * @buf: gets at most QR_ROW_MAX bytes, without a line's end
 * Returns the length. Pure.
 */
#define QR_QUIET   2 /* modules of white around: fewer than the standard's four are read well */
#define QR_ROW_MAX (3 * 200)
int qr_rows(int width);
size_t qr_draw(const unsigned char *modules, int width, int row, char buf[QR_ROW_MAX]);

#endif
