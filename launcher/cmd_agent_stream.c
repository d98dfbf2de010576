#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/msg.h"
#include "launcher/carry.h"
#include "launcher/cmd.h"
#include "launcher/through.h"

#define AGENT_SOCKET "/run/taz-host/agent.sock"

/* Standard input's end is the host's: closing the socket hangs up, and the session ends. */
static enum carry_end carry(int sock, struct carry *c)
{
	enum carry_end end = CARRY_ON;

	carry_init(c, STDIN_FILENO, STDOUT_FILENO, sock, sock);
	while (end == CARRY_ON) {
		struct pollfd p[CARRY_POLL];
		int n;

		carry_fill(c, p);
		n = poll(p, CARRY_POLL, carry_wait_ms(c));
		if (n < 0 && errno == EINTR)
			continue;
		end = n > 0 ? carry_turn(c, p) : CARRY_AGENT_GONE;
	}
	return end;
}

static int serve(const char *path)
{
	static struct carry c;
	autoclose int sock = msg_connect(path, SOCK_STREAM);

	if (sock < 0) {
		log_err(sock, "no workshop is up here; its agent at %s", path);
		return CMD_FAILED;
	}
	signal(SIGPIPE, SIG_IGN);
	if (carry(sock, &c) == CARRY_HOST_GONE && !c.started) {
		log_error("standard input ended before anything came: the command that starts this "
			  "has to keep it open ('exec -i')");
		return CMD_FAILED;
	}
	return CMD_DONE;
}

static int run(int argc, char *argv[])
{
	bool path = argc == 3 && !strcmp(argv[1], "--socket");

	if (argc != 1 && !path)
		return cmd_usage(&cmd_agent_stream);
	if (geteuid() != 0) {
		log_error("needs root of the workshop: its agent speaks to nobody else");
		return CMD_FAILED;
	}
	if (isatty(STDIN_FILENO) || isatty(STDOUT_FILENO)) {
		log_error("speaks to 'tazlaunch --through' and to no terminal: leave out the -t of "
			  "'exec -it'");
		return CMD_USAGE;
	}
	return serve(path ? argv[2] : AGENT_SOCKET);
}

const struct cmd cmd_agent_stream = {
	.name = THROUGH_INSIDE_COMMAND,
	.args = "[--socket PATH]",
	.help = "inside the workshop: join standard input and output to its agent, for --through",
	.details =
		"  --socket PATH        of the agent (default: " AGENT_SOCKET ")\n"
		"\n"
		"Example:  kubectl exec -i taz-work -c workshop -- " THROUGH_INSIDE_PROGRAM
		" " THROUGH_INSIDE_COMMAND "\n"
		"\n"
		"What follows is the end of one request. It ends with its standard input, and the\n"
		"session with it. Exit codes: 0 one side has ended; 1 no agent was reached, or\n"
		"nothing came; 2 usage, or a terminal.\n",
	.internal = true,
	.run = run,
};
