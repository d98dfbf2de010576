/*
 * Who had a session when the lock began is told when it is verified, and not before. Not whose
 * session asked for the lock: it gets the report.
 */
#include "enclave/keeper_priv.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "enclave/base/fd.h"

void notice_begin(struct keeper *k)
{
	struct notices *to = &k->notices;
	const struct session *asked = to->asker > 0 ? sessions_of(k, to->asker) : NULL;

	for (const struct session *s = k->sessions; s < k->sessions + KEEPER_SESSIONS; s++) {
		int fd = s->used && s != asked ? fcntl(s->src.fd, F_DUPFD_CLOEXEC, 3) : -1;

		if (fd >= 0 && to->n < KEEPER_SESSIONS)
			to->pidfds[to->n++] = fd;
		else
			fd_close(&fd);
	}
}

void notice_end(struct keeper *k, bool not_saved)
{
	struct notices *to = &k->notices;
	const struct notice n = { .why = to->why,
				  .not_saved = not_saved,
				  .idle_sec = k->cfg->idle_sec };
	siginfo_t si = { .si_signo = NOTICE_SIGNAL, .si_code = SI_QUEUE };

	si.si_value.sival_int = notice_pack(&n);
	si.si_pid = getpid();
	while (to->n > 0) {
		/* One that has died meanwhile needs no word. */
		syscall(SYS_pidfd_send_signal, to->pidfds[--to->n], NOTICE_SIGNAL, &si, 0);
		fd_close(&to->pidfds[to->n]);
	}
	to->why = NOTICE_FAULT;
	to->asker = 0;
}

void notice_lock(struct keeper *k, enum notice_why why, pid_t asker)
{
	/* The first reason is the one: what asks while it locks changes nothing. */
	if (k->state == LS_UNLOCKED) {
		k->notices.why = why;
		k->notices.asker = asker;
	}
	keeper_event(k, LE_LOCK);
}
