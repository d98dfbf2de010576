#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "enclave/base/json.h"
#include "enclave/base/log.h"
#include "enclave/base/utf8.h"
#include "launcher/cmd.h"
#include "launcher/frame.h"
#include "launcher/launch.h"

struct status {
	const char *state; /* down, locked, opening, unlocked, locking */
	int64_t sessions, idle_limit_sec, idle_left_sec, generation;
	bool saved;
};

static const char *const states[] = { "locked", "opening", "unlocked", "locking" };

static int64_t number(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_int)
		       ? json_object_get_int64(v)
		       : 0;
}

/* The state as one of our own words, so that nothing of the other side's text is passed on. */
static const char *state_word(struct json_object *o)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, "state", &v) || !json_object_is_type(v, json_type_string))
		return NULL;
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (!strcmp(json_object_get_string(v), states[i]))
			return states[i];
	return NULL;
}

static int read_answer(const char *text, struct status *st)
{
	struct json_object *o = json_tokener_parse(text), *saved;
	const char *state = json_object_is_type(o, json_type_object) ? state_word(o) : NULL;

	if (!state) {
		json_object_put(o);
		return -EBADMSG;
	}
	*st = (struct status){
		.state = state,
		.sessions = number(o, "sessions"),
		.idle_limit_sec = number(o, "idle_limit_sec"),
		.idle_left_sec = number(o, "idle_left_sec"),
		.generation = number(o, "generation"),
		.saved = !json_object_object_get_ex(o, "saved", &saved) ||
			 json_object_get_boolean(saved),
	};
	json_object_put(o);
	return 0;
}

static int ask(struct launch *l, struct status *st)
{
	static const char *const argv[] = { "/usr/bin/enclave", "status", "--json", NULL };
	char text[4096];
	int r = launch_running(l);

	if (r <= 0)
		return r;
	r = launch_capture(l, argv, text, sizeof(text));
	if (r)
		return r < 0 ? r : -EIO; /* the reason is said already */
	r = read_answer(text, st);
	if (r == 0)
		launch_note_seen(l, text);
	return r < 0 ? log_err(r, "what the keeper of %s says", l->o.name) : 0;
}

static void add(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, *value ? json_object_new_string(value) : NULL);
}

static void print_json(const struct launch *l, const struct status *st)
{
	struct json_object *o = json_object_new_object();

	add(o, "name", l->o.name);
	add(o, "engine", l->rec.engine);
	add(o, "rights", l->rec.rights);
	add(o, "state", st->state);
	json_object_object_add(o, "sessions", json_object_new_int64(st->sessions));
	json_object_object_add(o, "idle", json_object_new_int64(st->idle_left_sec));
	json_object_object_add(o, "idle_limit", json_object_new_int64(st->idle_limit_sec));
	json_object_object_add(o, "generation", json_object_new_int64(st->generation));
	json_object_object_add(o, "saved", json_object_new_boolean(st->saved));
	add(o, "workspace", l->rec.workspace);
	add(o, "image", l->rec.image);
	json_print(o);
}

static void print(const struct launch *l, const struct status *st)
{
	char workspace[sizeof(l->rec.workspace)];

	printf("%s: %s", l->o.name, st->state);
	if (!strcmp(st->state, "down")) {
		putchar('\n');
		return;
	}
	printf(", %lld session%s, engine %s%s\n", (long long)st->sessions,
	       st->sessions == 1 ? "" : "s", l->rec.engine,
	       !strcmp(l->rec.rights, RIGHTS_LEAST) ? " (least)" : "");
	if (!strcmp(st->state, "unlocked") && st->idle_limit_sec)
		printf("locks in %lld s unless it is used\n", (long long)st->idle_left_sec);
	if (!st->saved)
		puts("changes are not saved yet");
	/* A folder's name may come from somebody else. */
	strcpy(workspace, l->rec.workspace);
	utf8_clean(workspace, "");
	printf("generation %lld", (long long)st->generation);
	if (!l->o.through)
		printf(", workspace %s, image %s", workspace, l->rec.image);
	putchar('\n');
}

static int run(int argc, char *argv[])
{
	static struct launch l;
	struct status st = { .state = "down", .saved = true };
	int r = launch_begin(&l, &cmd_status, OPT_INSIDE | OPT_JSON, false, argc, argv);

	if (r)
		return r;
	if (ask(&l, &st) < 0)
		return CMD_FAILED;
	if (l.o.json)
		print_json(&l, &st);
	else
		print(&l, &st);
	return CMD_DONE;
}

const struct cmd cmd_status = {
	.name = "status",
	.args = "[--json] [OPTION...]",
	.help = "down, locked or unlocked; sessions; time to lock",
	.details =
		"  --json               one object: name, engine, rights (of this host: privileged, least,\n"
		"                       none), state (down, locked, opening, unlocked, locking),\n"
		"                       sessions, idle (seconds to lock), idle_limit, generation,\n"
		"                       saved, workspace, image\n" OPTS_HELP_INSIDE "\n"
		"Example:  sudo tazlaunch status --json | jq -r .state\n"
		"\n"
		"Exit codes: 0 it is known, also when it is down; 1 it could not be asked; 2 usage.\n",
	.run = run,
};
