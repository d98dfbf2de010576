#include <string.h>

#include "enclave/cmd.h"
#include "enclave/keyworker.h"
#include "enclave/worker.h"

static int run(int argc, char *argv[])
{
	if (argc == 2 && !strcmp(argv[1], "key"))
		return keyworker_main();
	return argc == 2 ? worker_main(argv[1]) : cmd_usage(&cmd_worker);
}

const struct cmd cmd_worker = {
	.name = "worker",
	.args = "unlock|save|key",
	.help = "what the keeper starts for work with passphrases and keys",
	.internal = true,
	.run = run,
};
