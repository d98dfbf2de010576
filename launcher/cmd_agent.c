#include <errno.h>
#include <string.h>

#include "enclave/base/log.h"
#include "launcher/agent.h"
#include "launcher/cmd.h"

/* @where: "unix:PATH" or "virtio", as init and agent take it */
static int serve(const char *where)
{
	int sock;

	if (!strcmp(where, "virtio"))
		return log_err(agent_serve_virtio(), "serve the virtio ports");
	if (strncmp(where, "unix:", 5))
		return log_err(-EINVAL, "--listen %s", where);
	sock = agent_listen_unix(where + 5);
	if (sock < 0)
		return log_err(sock, "listen at %s", where + 5);
	return log_err(agent_serve_unix(sock), "serve %s", where + 5);
}

static int run(int argc, char *argv[])
{
	if (argc != 3 || strcmp(argv[1], "--listen"))
		return cmd_usage(&cmd_agent);
	return serve(argv[2]) < 0 ? CMD_FAILED : CMD_DONE;
}

const struct cmd cmd_agent = {
	.name = "agent",
	.args = "--listen unix:PATH|virtio",
	.help = "inside the workshop: serve the host's requests, without a keeper (for tests)",
	.details = "Example:  tazlaunch agent --listen unix:/run/taz-host/agent.sock\n"
		   "\n"
		   "Exit codes: 1 it could not listen; 2 usage.\n",
	.internal = true,
	.run = run,
};
