#include "launcher/carry.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REST_MS 1000 /* for what a side that is deaf has still to say */

enum { P_HOST_IN, P_HOST_OUT, P_AGENT_IN, P_AGENT_OUT };

_Static_assert(P_AGENT_OUT + 1 == CARRY_POLL, "one each");

void carry_init(struct carry *c, int host_in, int host_out, int agent_in, int agent_out)
{
	memset(c, 0, sizeof(*c));
	c->up.from = host_in;
	c->up.to = agent_in;
	c->down.from = agent_out;
	c->down.to = host_out;
}

static short to_read(const struct carry_way *w)
{
	return w->len ? 0 : POLLIN;
}

static short to_write(const struct carry_way *w)
{
	return w->len ? POLLOUT : 0;
}

/* Also where nothing is to be done poll(2) tells of a hang-up: but of the agent's while there is
 * something of it to be shown, and that would be for ever. */
void carry_fill(const struct carry *c, struct pollfd p[CARRY_POLL])
{
	p[P_HOST_IN] = (struct pollfd){ c->up.from, c->deaf ? 0 : to_read(&c->up), 0 };
	p[P_HOST_OUT] = (struct pollfd){ c->down.to, to_write(&c->down), 0 };
	p[P_AGENT_IN] = (struct pollfd){ c->deaf ? -1 : c->up.to, to_write(&c->up), 0 };
	p[P_AGENT_OUT] = (struct pollfd){ c->down.len ? -1 : c->down.from, POLLIN, 0 };
}

int carry_wait_ms(const struct carry *c)
{
	return c->deaf && !c->down.len ? REST_MS : -1;
}

/* Returns false at the end. */
static bool take(struct carry_way *w)
{
	ssize_t n = read(w->from, w->buf, sizeof(w->buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	w->at = 0;
	w->len = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static ssize_t put(int fd, const char *data, size_t len)
{
	ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	return n < 0 && errno == ENOTSOCK ? write(fd, data, len) : n;
}

/* Returns false when nobody takes it any more. */
static bool give(struct carry_way *w)
{
	ssize_t n = put(w->to, w->buf + w->at, w->len);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	w->at += (size_t)n;
	w->len -= (size_t)n;
	return true;
}

void carry_be_deaf(struct carry *c)
{
	c->deaf = true;
	c->up.len = 0;
}

enum carry_end carry_turn(struct carry *c, const struct pollfd p[CARRY_POLL])
{
	const short gone = POLLHUP | POLLERR | POLLNVAL;

	if (p[P_HOST_IN].revents & gone || p[P_HOST_OUT].revents & gone)
		return CARRY_HOST_GONE;
	if (p[P_HOST_IN].revents & POLLIN) {
		if (!take(&c->up))
			return CARRY_HOST_GONE;
		c->started = true;
	}
	if (p[P_HOST_OUT].revents & POLLOUT && !give(&c->down))
		return CARRY_HOST_GONE;
	if (p[P_AGENT_IN].revents & gone || (p[P_AGENT_IN].revents & POLLOUT && !give(&c->up)))
		carry_be_deaf(c);
	if (p[P_AGENT_OUT].revents && !take(&c->down))
		return CARRY_AGENT_GONE;
	c->answered |= c->down.len > 0;
	return CARRY_ON;
}
