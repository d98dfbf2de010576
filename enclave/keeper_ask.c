/*
 * Questions of the view go to the relay of the session that the process belongs to, and its answers
 * come back. A session has one question at a time: the view sees to it. Only the relay that root's
 * "enclave session" was started by has the other end, so whoever answers sits outside.
 */
#include "enclave/keeper_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"

static void tell_view(struct keeper *k, uint32_t id, uint32_t answer)
{
	const struct view_answer msg = { .op = VIEW_ANSWER, .reply = { id, answer } };

	view_send_msg(k, &msg, sizeof(msg));
}

void ask_end(struct keeper *k, struct session *s)
{
	uint32_t id = s->asked;

	keeper_unwatch(k, &s->asks);
	s->asked = 0;
	if (id)
		tell_view(k, id, QUESTION_NOBODY);
}

static void on_relay(struct keeper *k, struct source *src)
{
	struct session *s = (struct session *)((char *)src - offsetof(struct session, asks));
	struct question_reply m;
	ssize_t n = msg_recv(src->fd, &m, sizeof(m), NULL, 0);

	if (n != sizeof(m) || m.answer == QUESTION_OPEN || m.answer >= QUESTION_ANSWERS) {
		ask_end(k, s);
		return;
	}
	/* One that comes too late is for nobody. */
	if (!s->asked || m.id != s->asked)
		return;
	s->asked = 0;
	tell_view(k, m.id, m.answer);
}

int ask_take(struct keeper *k, struct conn *c, int fd)
{
	if (fd < 0)
		return 0;
	/* Who is not root would be answered by his own processes. */
	if (c->uid != 0)
		return -EPERM;
	fd_close(&c->leader.asks);
	c->leader.asks = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (c->leader.asks < 0)
		return -errno;
	/* A relay that does not read must not hold up the keeper. */
	return fcntl(c->leader.asks, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

void ask_begin(struct keeper *k, struct session *s)
{
	s->asks.fd = -EBADF;
	s->asked = 0;
	if (s->leader.asks >= 0 && keeper_watch(k, &s->asks, s->leader.asks, on_relay) == 0)
		s->leader.asks = -EBADF;
	else
		fd_close(&s->leader.asks);
}

static struct session *find_asked(struct keeper *k, uint32_t id)
{
	for (struct session *s = k->sessions; s < k->sessions + KEEPER_SESSIONS; s++)
		if (s->used && s->asked == id)
			return s;
	return NULL;
}

void ask_on_view(struct keeper *k, const struct view_ask *m)
{
	struct session *s = m->put.over ? find_asked(k, m->put.id) : sessions_of(k, m->pid);

	if (m->put.over && s) {
		s->asked = 0;
		msg_send(s->asks.fd, &m->put, sizeof(m->put), NULL, 0);
	}
	if (m->put.over)
		return;
	if (!s || s->asks.fd < 0 || s->asked || question_check(&m->put.q) < 0 ||
	    msg_send(s->asks.fd, &m->put, sizeof(m->put), NULL, 0) < 0)
		tell_view(k, m->put.id, QUESTION_NOBODY);
	else
		s->asked = m->put.id;
}
