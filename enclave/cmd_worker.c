#include "enclave/cmd.h"
#include "enclave/worker.h"

static int run(int argc, char *argv[])
{
	return argc == 2 ? worker_main(argv[1]) : cmd_usage(&cmd_worker);
}

const struct cmd cmd_worker = {
	.name = "worker",
	.args = "unlock|save",
	.help = "what the keeper starts for work with passphrases and keys",
	.internal = true,
	.run = run,
};
