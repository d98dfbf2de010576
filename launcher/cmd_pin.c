#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "enclave/base/log.h"
#include "enclave/base/run.h"
#include "launcher/cmd.h"
#include "launcher/launch.h"
#include "launcher/layers.h"
#include "launcher/source.h"

#define WORDS_MAX 64

static int pin(const struct layer *layer, int n, char *words[])
{
	char script[PATH_MAX], dir[PATH_MAX];
	char *argv[WORDS_MAX + 4] = { script, "--pin", dir };
	pid_t pid;
	int r;

	snprintf(script, sizeof(script), "%s/images/fetch", layers_source());
	snprintf(dir, sizeof(dir), "%s/%s", layers_source(), layer->dir);
	for (int i = 0; i < n; i++)
		argv[3 + i] = words[i];
	r = run_start(script, argv, environ, (struct run_fd[]){ { 2, 1 }, { 2, 2 } }, 2, &pid);
	if (r == 0)
		r = run_wait(pid);
	if (r < 0)
		log_err(r, "run %s", script);
	return r == 0 ? CMD_DONE : CMD_FAILED;
}

static int run(int argc, char *argv[])
{
	struct opts o = *launch_globals();
	struct layer layer;
	int r, at = launch_line(&o, &cmd_pin, 0, WORDS_MAX + 1, argc, argv);

	if (at < 0)
		return CMD_USAGE;
	if (at == argc) {
		log_error("which layer?");
		return cmd_usage(&cmd_pin);
	}
	r = layer_read(layers_source(), argv[at], &layer);
	if (r < 0 || !layer.has_releases) {
		log_error("there is no file images/%s/releases below %s", argv[at],
			  layers_source());
		return CMD_FAILED;
	}
	return pin(&layer, argc - at - 1, argv + at + 1);
}

const struct cmd cmd_pin = {
	.name = "pin",
	.args = "LAYER [NAME[=VERSION]...]",
	.help = "fetch a layer's releases, and write down the hashes that count from now on",
	.details =
		"Renews images/LAYER/releases in the checkout: all lines, or those of the names that\n"
		"are given, with another version when one is given. Nothing is written unless all\n"
		"could be fetched. What was fetched is believed this once, so look at the change, and\n"
		"compare it with what the makers have published, before you commit it.\n"
		"\n"
		"Example:  tazlaunch pin k8s helm=4.2.5 && git diff images/\n"
		"\n"
		"Exit codes: 0 done; 1 nothing was written; 2 usage.\n",
	.run = run,
};
