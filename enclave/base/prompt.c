#include "enclave/base/prompt.h"

#include <bsd/readpassphrase.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/recovery.h"
#include "enclave/base/strength.h"

/* One byte more than is allowed, so that a longer line is seen, and the final NUL. */
#define LINE_SIZE (SECRET_PASSPHRASE_MAX + 2)

/*
 * readpassphrase(3bsd) keeps a NUL that was typed, and does not tell the length. So the buffer is
 * filled with something else before: the last NUL in it ends the line, an earlier one was typed.
 */
static int line_length(const struct secret *s)
{
	const uint8_t *last = memrchr(s->data, '\0', s->size);

	if (!last || memchr(s->data, '\0', last - s->data))
		return -EILSEQ;
	if (last == s->data)
		return -ENODATA;
	return last - s->data > SECRET_PASSPHRASE_MAX ? -E2BIG : last - s->data;
}

static int ask_once(const char *question, struct secret **ret)
{
	autosecret struct secret *s = secret_new(LINE_SIZE);
	int r;

	if (!s)
		return -ENOMEM;
	memset(s->data, 0xff, s->size);
	if (!readpassphrase(question, (char *)s->data, s->size, RPP_ECHO_OFF | RPP_REQUIRE_TTY))
		r = errno == ENXIO ? -ENOTTY : errno > 0 ? -errno : -EIO;
	else
		r = line_length(s);
	if (r < 0)
		return r;
	s->len = r;
	*ret = take_ptr(&s);
	return 0;
}

/* A recovery key opens as any passphrase does, however it was typed. */
static int accept_recovery(struct secret *s)
{
	unsigned group;

	switch (recovery_check(s, &group)) {
	case RECOVERY_TYPO:
		if (group)
			log_error("group %u of the recovery key is not as it was printed", group);
		else
			log_error("the recovery key is not as it was printed");
		return -EBADMSG;
	case RECOVERY_MISSING:
		log_error("a recovery key has %d groups of five; something is missing, or too much",
			  RECOVERY_GROUPS);
		return -EBADMSG;
	default:
		return 0;
	}
}

int prompt_ask(const char *question, int again, struct secret **ret)
{
	autosecret struct secret *first = NULL, *second = NULL;
	int r = ask_once(question, &first);

	if (r == 0)
		r = accept_recovery(first);
	if (r == 0 && again) {
		strength_hint(first);
		r = ask_once("The same again: ", &second);
		if (r == 0)
			r = accept_recovery(second);
		if (r == 0 &&
		    (first->len != second->len || memcmp(first->data, second->data, first->len)))
			r = -EKEYREJECTED;
	}
	if (r < 0)
		return r;
	*ret = take_ptr(&first);
	return 0;
}

int prompt_read_fd(int fd, struct secret **ret)
{
	autosecret struct secret *s = secret_new(SECRET_PASSPHRASE_MAX);
	int r = s ? secret_read_passphrase(fd, s) : -errno;

	fd_close(&fd);
	if (r == 0)
		r = accept_recovery(s);
	if (r < 0)
		return r;
	*ret = take_ptr(&s);
	return 0;
}

bool prompt_confirm(const char *format, ...)
{
	char question[512], answer[8];
	va_list ap;

	va_start(ap, format);
	vsnprintf(question, sizeof(question), format, ap);
	va_end(ap);
	if (!readpassphrase(question, answer, sizeof(answer), RPP_ECHO_ON | RPP_REQUIRE_TTY))
		return false;
	return !strcasecmp(answer, "y") || !strcasecmp(answer, "yes");
}

const char *prompt_why(int err)
{
	switch (-err) {
	case ENODATA:
		return "an empty passphrase opens nothing";
	case E2BIG:
		return "the passphrase is longer than 512 bytes";
	case EILSEQ:
		return "a passphrase is one line without NUL bytes";
	case EKEYREJECTED:
		return "the two passphrases are not the same";
	case ENOTTY:
		return "there is no terminal to ask for the passphrase on";
	case EBADMSG:
		return "the recovery key was mistyped";
	case ENOKEY:
		return "the passphrase was not accepted";
	case ENOMEM:
		return "no memory could be locked for the passphrase; 'ulimit -l' is the limit";
	default:
		return strerror(-err);
	}
}

void prompt_done(struct prompt *p)
{
	secret_free(take_ptr(&p->given));
	secret_free(take_ptr(&p->last));
	secret_free(take_ptr(&p->fresh));
}

static int seal(const struct secret *s, const struct seal_ask *ask, struct seal_box *box)
{
	ssize_t n = secret_seal(s, ask->public_key, box->box, sizeof(box->box));

	if (n < 0)
		return n;
	box->len = n;
	return 0;
}

/* A typo in a recovery key costs no attempt: it is seen here, before anything is sent. */
static int ask_person(const char *question, int again, struct secret **ret)
{
	int r = -EBADMSG;

	for (int i = 0; i < 3 && r == -EBADMSG; i++)
		r = prompt_ask(question, again, ret);
	return r;
}

static int take_passphrase(struct prompt *p, const struct seal_ask *ask, struct secret **ret)
{
	const char *question = ask->what == SEAL_CREATE ? "New passphrase for this vault: "
			       : p->keep		? "Current passphrase: "
							: "Passphrase: ";

	if (p->used)
		return -ENOKEY;
	if (!p->given)
		return ask_person(question, ask->what == SEAL_CREATE, ret);
	p->used = true;
	*ret = take_ptr(&p->given);
	return 0;
}

static int answer_open(struct prompt *p, const struct seal_ask *ask, struct seal_box *box)
{
	autosecret struct secret *s = NULL;
	int r = take_passphrase(p, ask, &s);

	if (r == 0)
		r = seal(s, ask, box);
	if (r == 0 && p->keep) {
		secret_free(p->last);
		p->last = take_ptr(&s);
	}
	return r;
}

static int answer_fresh(struct prompt *p, const struct seal_ask *ask, struct seal_box *box)
{
	autosecret struct secret *s = NULL;
	int r;

	if (p->fresh)
		return seal(p->fresh, ask, box);
	r = ask_person("New passphrase: ", 1, &s);
	return r < 0 ? r : seal(s, ask, box);
}

int prompt_answer(struct prompt *p, const struct seal_ask *ask, struct seal_box *box)
{
	memset(box, 0, sizeof(*box));
	switch (ask->what) {
	case SEAL_OPEN:
	case SEAL_CREATE:
		return answer_open(p, ask, box);
	case SEAL_SAME:
		return p->keep && p->last ? seal(p->last, ask, box) : -ENOKEY;
	case SEAL_FRESH:
		/* Only a change of keys has anything new to say. */
		return p->keep ? answer_fresh(p, ask, box) : -ENOKEY;
	default:
		return -EBADMSG;
	}
}
