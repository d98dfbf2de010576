/*
 * opening - the client's side of opening a session: passphrase in, verdict out
 *
 * Fail closed: everything but a keeper that says yes is an error, and the caller ends with it.
 */
#ifndef TAZ_ENCLAVE_OPENING_H
#define TAZ_ENCLAVE_OPENING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enclave/base/prompt.h"
#include "enclave/proto.h"

/* Where the passphrase comes from: the first that is given. */
struct opening {
	int seal_fd;	      /* a relay (base/sealfd.h), or -1 */
	int passphrase_fd;    /* a descriptor that is read to its end and closed, or -1 */
	const char *key_file; /* base/keyfile.h, or NULL */
	bool fido2;	      /* a FIDO2 token that is plugged in here (base/fido2.h) */
	/* otherwise the terminal; three attempts there and with a relay */
	uint32_t flags;	       /* enum req_open_flags */
	const char *restore;   /* instead of a session: a kept state becomes the current one */
	struct prompt *prompt; /* borrowed: already has what is needed; NULL: one of our own */
	bool goes_on;	       /* a relay is not told of success: it is asked for more */
	int *ret_sock; /* gets the connection on which it was opened, for client_policy(); NULL: not
			  wanted */
	int *ret_asks; /* gets the socket for questions that a relay sends with a box, and has it
			  passed on: it is the caller's to close; NULL: not wanted */
	struct res_done *ret; /* the keeper's last answer is kept there, or NULL */
};

/*
 * opening_run - open a session whose leader is this process, or its terminal's (OPEN_TERMINAL), or
 * restore a state
 * After a wrong passphrase a person waits with a countdown; who cannot be asked gets the error.
 * Says by itself what went wrong. Returns 0 when the session is open, or the state is the current
 * one, or -errno.
 */
int opening_run(const struct opening *o);

/* opening_parse_fd - the value of --@option. Returns 0, or -EINVAL after saying what it takes. */
int opening_parse_fd(const char *option, const char *text, int *ret);

/* opening_tokens - the vault's FIDO2 keys. Returns how many, 0 when the keeper does not say. */
int opening_tokens(struct keytoken *ret, size_t max);

/* opening_hint_fido2 - after fido2_enroll() or fido2_open(): where the token is, if @err is that
 * none is here */
void opening_hint_fido2(int err);

/* opening_box - have an ask answered, by the relay or the prompt. Returns as prompt_answer(). */
int opening_box(const struct opening *o, struct prompt *prompt, const struct seal_ask *ask,
		struct seal_box *box);

/* opening_tell - say how it went: to the relay when there is one, otherwise here (only errors) */
void opening_tell(const struct opening *o, int err, const struct res_done *no, bool more,
		  const char *what);

/*
 * opening_show - show the view at ~/secrets of the owner, @dir. Says what went wrong.
 * Returns 0 or -errno.
 */
int opening_show(const char *dir);

/* opening_exit_code - for a command that opens: 3 damaged, 4 tampered with, 5 rolled back, 1 else
 */
int opening_exit_code(int err);

/* opening_say_conflict - the save went beside the vault, because another one's file is there: which
 * file is whose, and how to go on */
void opening_say_conflict(const char *what);

/* opening_say - log a failed request to the keeper in words for a person. Returns @err. */
int opening_say(int err, unsigned why, const char *what);

#endif
