#include <stdio.h>

#include "enclave/client.h"
#include "enclave/cmd.h"
#include "enclave/opening.h"

static int run(int argc, char *argv[])
{
	struct res_done res;
	int r;

	if (argc != 1)
		return cmd_usage(&cmd_save);
	r = client_save(&res);
	if (r < 0) {
		opening_say(r, res.why, "save");
		return CMD_FAILED;
	}
	if (res.why == WHY_CONFLICT) {
		opening_say_conflict("save");
		return CMD_FAILED;
	}
	printf("saved: generation %llu\n", (unsigned long long)res.generation);
	return CMD_DONE;
}

const struct cmd cmd_save = {
	.name = "save",
	.args = "",
	.help = "write the sealed vault to disk now",
	.details =
		"Saving happens by itself: shortly after a change and at every lock. This waits until\n"
		"the ciphertext is durable.\n"
		"\n"
		"Example:  enclave save\n"
		"\n"
		"Exit codes: 0 durable; 1 not (the old file is untouched), or not there: somebody else\n"
		"has written the sealed file, and what is in RAM is durable beside it; 2 usage.\n",
	.run = run,
};
