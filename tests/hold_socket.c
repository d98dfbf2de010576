/*
 * hold_socket PATH - be a bad client of the keeper, until killed; makes /tmp/crowded when it is
 *
 * Asks for the status until nothing more can be sent, and reads no answer; then fills every place
 * with connections that say nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "enclave/base/msg.h"
#include "enclave/proto.h"

#define CROWD 40

int main(int argc, char *argv[])
{
	struct req_plain req = { .op = REQ_STATUS };
	int sock = argc == 2 ? msg_connect(argv[1], SOCK_SEQPACKET) : -EINVAL;

	if (sock < 0) {
		fprintf(stderr, "hold_socket: cannot connect\n");
		return 1;
	}
	fcntl(sock, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 2000; i++) {
		if (msg_send(sock, &req, sizeof(req), NULL, 0) < 0)
			usleep(1000);
	}
	for (int i = 0; i < CROWD; i++)
		msg_connect(argv[1], SOCK_SEQPACKET);
	close(open("/tmp/crowded", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	pause();
	return 0;
}
