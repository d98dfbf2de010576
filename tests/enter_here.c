/*
 * enter_here - the host's end of "tazlaunch enter" and the relay of the workshop's, on one machine
 *
 *	enter_here PASSFILE [COMMAND...]
 *
 * Both are tazlaunch's own; only the engine between them is left out. A session of taz, as root.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/base/terminal.h"
#include "launcher/attach.h"
#include "launcher/frame_io.h"
#include "launcher/relay.h"

int main(int argc, char *argv[])
{
	struct request req = { .kind = REQUEST_SESSION,
			       .user = REQUEST_TAZ,
			       .flags = REQUEST_TTY,
			       .cwd = "/tmp",
			       .term = "xterm",
			       .lang = "",
			       .colorterm = "",
			       .tz = "" };
	const struct attach a = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO,
				  &(struct prompt){ 0 } };
	int pair[2], fd = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	pid_t pid;

	if (fd < 0 || prompt_read_fd(fd, &a.prompt->given) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		fprintf(stderr, "usage: enter_here PASSFILE [COMMAND...]\n");
		return 2;
	}
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		_exit(setsid() < 0 || relay_serve(pair[1]) < 0);
	}
	close(pair[1]);
	if (pid < 0 || frame_hello_wait(pair[0], 5000) < 0)
		return 1;
	terminal_size(STDIN_FILENO, &req.rows, &req.cols);
	for (int i = 2; i < argc && req.argc < REQUEST_ARGS_MAX; i++)
		req.argv[req.argc++] = argv[i];
	fd = attach_run(pair[0], &req, &a);
	waitpid(pid, NULL, 0);
	return fd < 0 ? 1 : fd;
}
