#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/json.h"
#include "enclave/base/log.h"
#include "enclave/base/size.h"
#include "tazfs/cmd_policy.h"
#include "tazfs/control_client.h"

struct args {
	const char *dir, *path;
	long long pid;
	unsigned may;
	bool json;
};

static int parse_may(const char *text, unsigned *ret)
{
	*ret = 0;
	for (; *text; text++) {
		const char *at = strchr(POLICY_LETTERS, *text);

		if (!at)
			return -EINVAL;
		*ret |= 1u << (at - POLICY_LETTERS);
	}
	return 0;
}

static int parse(int argc, char *argv[], struct args *a)
{
	static const struct option options[] = { { "pid", required_argument, NULL, 'p' },
						 { "may", required_argument, NULL, 'm' },
						 { "dir", required_argument, NULL, 'd' },
						 { "json", no_argument, NULL, 'j' },
						 { NULL, 0, NULL, 0 } };
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == 'p')
			r = num_parse(optarg, 1, INT_MAX, &a->pid);
		else if (c == 'm')
			r = parse_may(optarg, &a->may);
		else if (c == 'd')
			a->dir = optarg;
		else if (c == 'j')
			a->json = true;
		else
			r = -EINVAL;
	}
	a->path = argv[optind];
	return r == 0 && optind + 1 == argc ? 0 : -EINVAL;
}

/* Below the root, whether it was given so or as a whole path into the default mount. */
static const char *below_root(const char *path)
{
	char secrets[PATH_MAX];
	size_t n = control_default(secrets, sizeof(secrets)) < 0 ? 0 : strlen(secrets);

	if (n && !strncmp(path, secrets, n) && (!path[n] || path[n] == '/'))
		path += n;
	path += strspn(path, "/");
	return strcmp(path, ".") ? path : "";
}

static void print_json(const char *text, size_t size)
{
	const char *end = memchr(text, '\n', size);
	size_t n = end ? (size_t)(end - text) : size;
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "verdict", json_object_new_string_len(text, n));
	json_object_object_add(o, "why",
			       end ? json_object_new_string_len(end + 1, size - n - 1) : NULL);
	json_print(o);
}

static int explain(const struct args *a)
{
	autoclose int root = control_open(a->dir);
	struct control c = { .op = CONTROL_EXPLAIN, .pid = a->pid, .may = a->may };
	const char *path = below_root(a->path);
	int r;

	if (root < 0)
		return root;
	c.size = strlen(path);
	if (c.size >= PATH_MAX) {
		log_error("the path is longer than a path can be");
		return -ENAMETOOLONG;
	}
	memcpy(c.data, path, c.size);
	r = control_ask(root, &c);
	if (r < 0)
		return r;
	if (a->json)
		print_json(c.data, c.size);
	else
		printf("%.*s", (int)c.size, c.data);
	return strncmp(c.data, "allow\n", 6) ? 1 : 0;
}

static int run(int argc, char *argv[])
{
	struct args a = { .pid = getppid(), .may = MAY_READ };
	int r;

	if (parse(argc, argv, &a) < 0)
		return cmd_usage(&cmd_policy_explain);
	r = explain(&a);
	return r < 0 ? CMD_FAILED : r ? EXPLAIN_REFUSED : CMD_DONE;
}

const struct cmd cmd_policy_explain = {
	.name = "policy explain",
	.args = "[--pid N] [--may LETTERS] [--dir DIR] [--json] PATH",
	.help = "say what a process may do with PATH, by which rule, and why",
	.details = "PATH is below the root of the view (ssh/id), or a whole path into ~/secrets.\n"
		   "\n"
		   "Options:\n"
		   "  --pid N        of which process; otherwise the shell that this was typed in\n"
		   "  --may LETTERS  of rwcdxl, all of them together (r); '' is only to look\n"
		   "  --dir DIR      where the view is mounted, when not at ~/secrets\n"
		   "  --json         one JSON object: verdict, why\n"
		   "\n"
		   "Example:\n"
		   "  tazfs policy explain --pid $(pgrep -o gemini) ssh/id_ed25519\n"
		   "\n"
		   "Exit codes: 0 it may, 1 failed, 2 usage, 3 it may not.\n",
	.run = run,
};
