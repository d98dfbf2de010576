#include "launcher/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/msg.h"
#include "launcher/relay.h"

/* The folder is what keeps others out: root's, and nobody else may even enter it. */
static int check_folder(const char *socket_path)
{
	char copy[PATH_MAX];
	struct stat st;

	if (strlen(socket_path) >= sizeof(copy))
		return -ENAMETOOLONG;
	strcpy(copy, socket_path);
	if (lstat(dirname(copy), &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) && st.st_uid == 0 && !(st.st_mode & 077) ? 0 : -EACCES;
}

int agent_listen_unix(const char *path)
{
	int r = check_folder(path);

	return r < 0 ? r : msg_listen(path, 0600, SOCK_STREAM);
}

/* A peer outside our pid namespace has pid 0, but its uid is true. */
static int peer_is_root(int conn)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == 0;
}

_Noreturn static void serve_one(int conn)
{
	signal(SIGCHLD, SIG_DFL); /* the relay waits for its program itself */
	_exit(relay_serve(conn) < 0);
}

int agent_serve_unix(int sock)
{
	/* No zombies, and nobody to wait for: each relay is on its own. */
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		autoclose int conn = accept4(sock, NULL, NULL, SOCK_CLOEXEC);
		pid_t pid;

		if (conn < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			if (errno != EMFILE && errno != ENFILE && errno != ENOMEM)
				return -errno;
			sleep(1); /* a shortage passes */
			continue;
		}
		if (!peer_is_root(conn))
			continue;
		pid = fork();
		if (pid == 0) {
			fd_close(&sock);
			serve_one(take_fd(&conn));
		}
	}
}
