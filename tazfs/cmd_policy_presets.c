#include <getopt.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "enclave/base/json.h"
#include "tazfs/cmd_policy.h"
#include "tazfs/policy_preset.h"

static void print_text(void)
{
	for (const struct policy_preset *p = policy_presets(); p->name; p++)
		printf("%-9s %s\n", p->name, p->help);
}

static void print_json(void)
{
	struct json_object *list = json_object_new_array();

	for (const struct policy_preset *p = policy_presets(); p->name; p++) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "name", json_object_new_string(p->name));
		json_object_object_add(o, "help", json_object_new_string(p->help));
		json_object_object_add(
			o, "default",
			json_object_new_boolean(!strcmp(p->name, POLICY_PRESET_DEFAULT)));
		json_object_array_add(list, o);
	}
	json_print(list);
}

static int run(int argc, char *argv[])
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
						 { NULL, 0, NULL, 0 } };
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c != 'j')
			return cmd_usage(&cmd_policy_presets);
		json = true;
	}
	if (optind != argc)
		return cmd_usage(&cmd_policy_presets);
	(json ? print_json : print_text)();
	return CMD_DONE;
}

const struct cmd cmd_policy_presets = {
	.name = "policy presets",
	.args = "[--json]",
	.help = "list the policies that come with tazfs",
	.details = "Options:\n"
		   "  --json   an array of objects: name, help, default\n"
		   "\n"
		   "Example:\n"
		   "  tazfs policy presets\n"
		   "\n"
		   "Exit codes: 0 listed, 2 usage.\n",
	.run = run,
};
