/*
 * relay - serve one request on one stream, in a process of its own
 *
 * The relay is the parent of what it starts and is itself in no session: belonging to a session
 * goes by ancestors, and "enclave session" is its child, not the other way round.
 */
#ifndef TAZ_LAUNCHER_RELAY_H
#define TAZ_LAUNCHER_RELAY_H

/*
 * relay_serve - say hello, read one request, run it, relay until it or the host has ended
 * @fd: the stream, taken
 *
 * Returns 0 when the host has got an EXIT or an ERROR, or
 *   -ECONNRESET  the host hung up; what ran was ended
 *   -EBADMSG, -EINVAL  the host did not speak our language
 *   -ETIMEDOUT   no request came in time
 */
int relay_serve(int fd);

/* relay_serve_greeted - the same on a stream where our hello has been said */
int relay_serve_greeted(int fd);

#endif
