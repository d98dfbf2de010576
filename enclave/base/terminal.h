/*
 * terminal - our terminal while a program on another one owns it
 *
 * terminal_raw() puts it into raw mode; it is put back by terminal_restore(), at exit(3), and by
 * every signal that ends us (they are caught for that, and raised again).
 */
#ifndef TAZ_BASE_TERMINAL_H
#define TAZ_BASE_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

/* terminal_raw - every key is a byte from now on. Returns 0 or -errno (-ENOTTY). */
int terminal_raw(int fd);

/* terminal_restore - as it was before terminal_raw(); may be called again, and in a handler */
void terminal_restore(void);

/* terminal_size - rows and columns, 0 when unknown */
void terminal_size(int fd, uint16_t *ret_rows, uint16_t *ret_cols);

/*
 * terminal_can_ask - is there a person? A controlling terminal can be opened, and standard input
 * or standard error shows it. A tool whose streams are all pipes is not a person, though it may
 * have inherited a terminal.
 */
bool terminal_can_ask(void);

#endif
