/*
 * notice - what a session's leader is told when the vault has locked, and how its user reads it
 *
 * The keeper sends a leader NOTICE_SIGNAL with the notice as its value (pidfd_send_signal(2)): a
 * message that needs no connection, and that a leader of another program (a shell that "enclave
 * unlock" adopted) does not notice. It is never more than a line on a terminal: nothing is decided
 * by it, so it does not matter that others of the leader's uid can send one.
 */
#ifndef TAZ_ENCLAVE_NOTICE_H
#define TAZ_ENCLAVE_NOTICE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/* Ignored where nobody asked for it, and kept while it is blocked. Source: signal(7), and
 * sig_ignored() in kernel/signal.c. */
#define NOTICE_SIGNAL SIGURG

enum notice_why {
	NOTICE_FAULT, /* the view has ended, or does not answer */
	NOTICE_IDLE,
	NOTICE_ASKED, /* by a process that is not of this session */
	NOTICE_DECOY,
	NOTICE_STOP, /* the workshop stops */
	NOTICE_WHYS,
};

struct notice {
	enum notice_why why;
	bool not_saved;
	unsigned idle_sec; /* NOTICE_IDLE: how long it was not used */
};

/* notice_pack - as a signal's value; an idle_sec that is too long for it becomes the longest */
int notice_pack(const struct notice *n);

/* notice_unpack - of any value. Returns 0, or -EINVAL when it is none. */
int notice_unpack(int value, struct notice *ret);

/* notice_text - one line for the user, without its end */
void notice_text(const struct notice *n, char *buf, size_t size);

/*
 * notice_show - that line on the terminal of standard error, or nothing when it is none
 * Never blocks: a terminal that takes nothing (^S) is not told.
 */
void notice_show(const struct notice *n);

#endif
