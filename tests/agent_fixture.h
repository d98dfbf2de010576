/* agent_fixture - an agent at a socket; it ends with the test */
#ifndef TAZ_TESTS_AGENT_FIXTURE_H
#define TAZ_TESTS_AGENT_FIXTURE_H

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "launcher/agent.h"

/* agent_start - its pid, which the caller ends and waits for, or -1 */
static inline pid_t agent_start(const char *sock_path)
{
	int sock = agent_listen_unix(sock_path);
	pid_t pid = sock < 0 ? -1 : fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		agent_serve_unix(sock);
		_exit(1);
	}
	if (sock >= 0)
		close(sock);
	return pid;
}

#endif
