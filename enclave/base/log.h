/*
 * log - one line on stderr for each failure, spoken at the surface only
 *
 * Deep code returns -errno; main(), cmd_*.c and the keeper say it once, with log_err().
 * Every line is "<program>: <text>"; colours only when stderr is a terminal and NO_COLOR is unset.
 * A text may have what others wrote: it is cleaned of what could steer a terminal (utf8_clean()),
 * and a second line of it is indented.
 */
#ifndef TAZ_BASE_LOG_H
#define TAZ_BASE_LOG_H

/* log_init - name the program for every later line; @name is borrowed for ever */
void log_init(const char *name);

/* log_info, log_warn, log_error - print one line; printf(3) format, without the line's end */
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * log_err - print "<what>: <strerror(-err)>"
 * @err: a negative errno
 *
 * Returns @err, so that a caller can say "return log_err(r, ...)".
 */
int log_err(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * log_is_fancy - may this descriptor's stream carry colour and progress?
 * True for a terminal when NO_COLOR (https://no-color.org) is unset or empty.
 */
int log_is_fancy(int fd);

#endif
