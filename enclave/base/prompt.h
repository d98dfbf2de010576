/*
 * prompt - where a passphrase comes from, and how it leaves: sealed, or not at all
 *
 * Fail closed: everything that is not a whole passphrase is an error, and an error sends a box of
 * length 0, which means "given up". The terminal's echo is restored by readpassphrase(3bsd), also
 * when a signal arrives, which is then raised again.
 */
#ifndef TAZ_BASE_PROMPT_H
#define TAZ_BASE_PROMPT_H

#include <stdbool.h>

#include "enclave/base/sealfd.h"
#include "enclave/base/secret.h"

struct prompt {
	struct secret *given; /* of --passphrase-fd or --key-file, or NULL: a person is asked */
	bool used;	      /* it was sent: there is no second attempt */
	bool keep;	      /* for a change of keys: remember what was sent last */
	struct secret *last;  /* that */
	struct secret *fresh; /* the new key, or NULL: a person is asked for a passphrase */
};

/* prompt_done - wipe and free what it holds */
void prompt_done(struct prompt *p);

/*
 * prompt_ask - ask a person, on the terminal
 * @again: ask twice, and compare
 * @ret: to be freed by the caller
 *
 * Returns 0, or
 *   -ENODATA  empty, or end of file
 *   -E2BIG    longer than SECRET_PASSPHRASE_MAX
 *   -EILSEQ   a NUL byte inside
 *   -EKEYREJECTED  the two were not the same
 *   -EBADMSG  meant to be a recovery key, and mistyped; which group was said
 *   -ENOTTY   no terminal to ask on
 *   -errno    from readpassphrase(3bsd), secret_new()
 */
int prompt_ask(const char *question, int again, struct secret **ret);

/* prompt_read_fd - the whole of a descriptor, which is closed. Returns as secret_read_passphrase(),
 * and -EBADMSG as prompt_ask(). */
int prompt_read_fd(int fd, struct secret **ret);

/*
 * prompt_confirm - a yes-or-no question on the terminal; @format as printf(3), with "[y/N] "
 * Returns true for y or yes. No terminal, end of file, anything else: false.
 */
bool prompt_confirm(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* prompt_why - a sentence for a person: what was wrong with it and what to do */
const char *prompt_why(int err);

/*
 * prompt_answer - answer an ask with a box
 * @box: always filled; len 0 when there was no passphrase
 *
 * Returns 0 or the error of prompt_ask(); a --passphrase-fd is used for one attempt only (-ENOKEY
 * after it), and SEAL_SAME has no answer without an earlier one.
 */
int prompt_answer(struct prompt *p, const struct seal_ask *ask, struct seal_box *box);

#endif
