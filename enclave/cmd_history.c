#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <time.h>

#include "enclave/base/json.h"
#include "enclave/client.h"
#include "enclave/cmd.h"
#include "enclave/history.h"
#include "enclave/opening.h"

static const char *const kinds[] = { [HISTORY_CURRENT] = "current",
				     [HISTORY_KEPT] = "kept",
				     [HISTORY_CONFLICT] = "conflict",
				     [HISTORY_ASIDE] = "set-aside" };

static struct json_object *entry_json(const struct res_history_entry *e)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(e->name));
	json_object_object_add(o, "kind", json_object_new_string(kinds[e->kind]));
	json_object_object_add(o, "current", json_object_new_boolean(e->kind == HISTORY_CURRENT));
	json_object_object_add(o, "generation", json_object_new_uint64(e->generation));
	json_object_object_add(o, "saved_at", json_object_new_uint64(e->saved_at));
	json_object_object_add(o, "disk_bytes", json_object_new_uint64(e->disk_bytes));
	json_object_object_add(o, "whole", json_object_new_boolean(e->whole));
	return o;
}

static void print_json(const struct res_history *h)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	for (uint32_t i = 0; i < h->n; i++)
		json_object_array_add(list, entry_json(&h->entries[i]));
	json_object_object_add(o, "vault", json_object_new_string(h->vault));
	json_object_object_add(o, "seen", json_object_new_uint64(h->seen));
	json_object_object_add(o, "entries", list);
	json_print(o);
}

static void print_entry(const struct res_history_entry *e)
{
	char when[32] = "?", generation[24] = "-";
	time_t at = e->saved_at;
	struct tm tm;

	if (localtime_r(&at, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	if (e->generation)
		snprintf(generation, sizeof(generation), "%llu", (unsigned long long)e->generation);
	printf("%10s  %s  %8.1f MiB  %-9s  %s%s\n", generation, when, e->disk_bytes / 1048576.0,
	       kinds[e->kind], e->name, e->whole ? "" : "  (damaged)");
}

static void print(const struct res_history *h)
{
	if (!h->n) {
		puts("nothing was saved yet");
		return;
	}
	puts("generation  saved                     on disk  state      file");
	for (uint32_t i = 0; i < h->n; i++)
		print_entry(&h->entries[i]);
}

static int check(const struct res_history *h)
{
	if (h->n > PROTO_HISTORY_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < h->n; i++)
		if (h->entries[i].kind > HISTORY_ASIDE)
			return -EBADMSG;
	return 0;
}

static int run(int argc, char *argv[])
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
	static struct res_history h;
	enum proto_why why = WHY_NONE;
	int c, json = 0, r;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'j')
			return cmd_usage(&cmd_history);
		json = 1;
	}
	if (optind != argc)
		return cmd_usage(&cmd_history);
	r = client_history(&h, &why);
	if (r == 0)
		r = check(&h);
	if (r < 0) {
		opening_say(r, why, "history");
		return CMD_FAILED;
	}
	if (json)
		print_json(&h);
	else
		print(&h);
	return CMD_DONE;
}

const struct cmd cmd_history = {
	.name = "history",
	.args = "[--json]",
	.help = "the states of the vault that are kept: generation, when saved, size",
	.details =
		"  --json  one object: vault, seen (the newest generation this host knows of), entries\n"
		"          (name, kind, current, generation, saved_at, disk_bytes, whole)\n"
		"\n"
		"kept: as the sealed file was found at an unlock. conflict: what was saved beside the\n"
		"vault because somebody else had written it. set-aside: what a restore replaced and\n"
		"could not prove. What is said of them is what their footers say; 'enclave restore'\n"
		"proves it.\n"
		"\n"
		"Example:  enclave history --json | jq -r '.entries[].name'\n"
		"\n"
		"Exit codes: 0 the keeper answered; 1 it did not; 2 usage.\n",
	.run = run,
};
