/*
 * attach_fixture - the host's end in a process of its own on a real terminal, and a double of the
 * relay: what the tests of the prompt share
 */
#ifndef TAZ_TESTS_ATTACH_FIXTURE_H
#define TAZ_TESTS_ATTACH_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

#include <cmocka.h>

#include "enclave/base/secret.h"
#include "launcher/stream.h"

struct fixture {
	struct stream *relay;
	struct secret *private;
	uint8_t public[32];
	struct termios before;
	int master, slave;
	pid_t host;
	char seen[8192]; /* what the terminal showed */
	size_t n_seen;
};

/*
 * start - the host has been asked for a session
 * @terminal: it leads a session on a terminal; otherwise it has none
 * @passphrase_fd: borrowed, what it reads the passphrase from; -1: it asks
 * Returns what done() takes.
 */
struct fixture *start(bool terminal, int passphrase_fd);

/* start_on - the same on a stream of the caller's: @host is its end and @relay the double's; takes
 * both */
struct fixture *start_on(bool terminal, int passphrase_fd, int host, int relay);
void done(struct fixture *f);

/* at_prompt - a host that waits for a passphrase to be typed; @is_new: of a new vault */
struct fixture *at_prompt(int is_new);

/* wait_until_it_reads - what is typed from here on is read by the prompt */
void wait_until_it_reads(struct fixture *f);

/* type - on the keyboard; see - the next text on the terminal: what was seen does not count again
 */
void type(struct fixture *f, const char *keys, size_t n);
void see(struct fixture *f, const char *text);

#define TYPE(f, keys) type(f, keys, sizeof(keys) - 1)

/* The relay's side: what it hears, asks and says. */
void expect_request(struct fixture *f);
void ask(struct fixture *f, int is_new, int attempt);
void verdict(struct fixture *f, int err, int more);

/* expect_box - one that opens to @want; NULL: an empty one, or none because the host is gone */
void expect_box(struct fixture *f, const char *want);

/* expect_echo_is_back - the terminal is as before the prompt */
void expect_echo_is_back(struct fixture *f);

/* expect_refusal - fail closed: nothing was sealed, it ended badly, the terminal is as before;
 * done() */
void expect_refusal(struct fixture *f);

#endif
