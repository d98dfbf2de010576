/*
 * residue_type SEED COMMAND... - run COMMAND on a terminal of its own and type the passphrase there
 *
 * Types like a human, one letter at a time, whenever a question for it appears; the passphrase is
 * never whole in our memory. What the terminal shows goes to standard error. Exits as COMMAND does.
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "needle.h"

#define TEXT 256

static void type(int master, uint64_t seed)
{
	volatile char c = 0;

	for (unsigned i = 0; i < NEEDLE_PASSPHRASE; i++) {
		c = needle_letter(seed, i);
		if (write(master, (const void *)&c, 1) != 1)
			return;
	}
	c = '\n';
	if (write(master, (const void *)&c, 1) != 1)
		return;
}

/* "Passphrase: ", "New passphrase for this vault: ", "The same again: ". */
static bool asks(const char *text)
{
	size_t len = strlen(text);

	return len > 2 && !strcmp(text + len - 2, ": ") &&
	       (strstr(text, "assphrase") || strstr(text, "again"));
}

static void relay(int master, uint64_t seed)
{
	char text[TEXT] = "";
	ssize_t n;

	while ((n = read(master, text, sizeof(text) - 1)) > 0) {
		text[n] = '\0';
		fputs(text, stderr);
		if (asks(text))
			type(master, seed);
	}
}

int main(int argc, char *argv[])
{
	int master, status;
	uint64_t seed;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: residue_type SEED COMMAND...\n");
		return 2;
	}
	seed = strtoull(argv[1], NULL, 10);
	pid = forkpty(&master, NULL, NULL, NULL);
	if (pid < 0)
		return 1;
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	relay(master, seed);
	if (waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
