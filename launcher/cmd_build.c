#include <json-c/json.h>
#include <stdio.h>

#include "enclave/base/json.h"
#include "enclave/base/log.h"
#include "launcher/cmd.h"
#include "launcher/launch.h"
#include "launcher/layers.h"

enum { ALLOWED = OPT_COMMON | OPT_LAYER | OPT_WITHOUT | OPT_EXPLAIN | OPT_JSON };

/* The options may stand on both sides of the layer. */
static bool take_layer(struct launch *l)
{
	if (!l->n_args)
		return true;
	if (!workshop_name_ok(l->args[0])) {
		log_error("'%s' is no layer's name", l->args[0]);
		cmd_usage(&cmd_build);
		return false;
	}
	l->o.layer = l->args[0];
	return launch_line(&l->o, &cmd_build, ALLOWED, 0, l->n_args, l->args) >= 0;
}

static int explain(struct launch *l)
{
	const struct layers_choice choice = { .layer = l->o.layer, .without = l->o.without };
	struct json_object *all = l->o.json ? json_object_new_array() : NULL;
	int r = launch_engine(l);

	if (r == 0)
		r = layers_explain(l->engine, &choice, all);
	if (r == 0)
		json_print(all);
	else
		json_object_put(all);
	return r < 0 ? CMD_FAILED : CMD_DONE;
}

static int run(int argc, char *argv[])
{
	static struct launch l;
	int r = launch_begin(&l, &cmd_build, ALLOWED, true, argc, argv);

	if (r)
		return r;
	if (!take_layer(&l))
		return CMD_USAGE;
	l.build_only = true;
	if (l.o.json && !l.o.explain) {
		log_error("--json goes with --explain");
		return cmd_usage(&cmd_build);
	}
	if (l.o.explain)
		return explain(&l);
	if (launch_build(&l) < 0)
		return CMD_FAILED;
	puts(l.rec.image);
	return CMD_DONE;
}

const struct cmd cmd_build = {
	.name = "build",
	.args = "[OPTION...] [LAYER]",
	.help = "build the images whose contents have changed, and print the tag",
	.details =
		"  --explain            build nothing, and say of each layer whether it would be, and why\n"
		"  --json               with --explain: one array on one line\n" OPTS_HELP_LAYER
			OPTS_HELP_COMMON "\n"
		"Each layer stands on another one: base, then k8s, then gemini; the dotfiles come last.\n"
		"What has its tag already is not built. What a build before could not fetch, and left\n"
		"out, is tried again.\n"
		"\n"
		"Example:  sudo tazlaunch build --without talosctl k8s\n"
		"\n"
		"Exit codes: 0 the image is there; 1 it is not; 2 usage.\n",
	.run = run,
};
