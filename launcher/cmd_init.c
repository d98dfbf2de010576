#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/json.h"
#include "enclave/base/log.h"
#include "launcher/cmd.h"
#include "launcher/launch.h"
#include "launcher/starter.h"

static void report(const struct starter_file *file, int lines)
{
	if (!lines)
		printf("%-13s is there already, and is as it was\n", file->name);
	else
		printf("%-13s %d lines written\n", file->name, lines);
}

static void report_json(struct json_object *all, const struct starter_file *file, int lines)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "file", json_object_new_string(file->name));
	json_object_object_add(o, "lines", json_object_new_int(lines));
	json_object_array_add(all, o);
}

static const char *mend(int r)
{
	switch (r) {
	case -ELOOP:
		return "it is a link; add the lines to the file it leads to";
	case -EMLINK:
		return "it has a second name (a hard link); put a copy in its place";
	case -EINVAL:
		return "it is no text file; move it away";
	case -E2BIG:
		return "it is longer than 64 KiB; move it away, then add yours to the new one";
	case -EAGAIN:
		return "another program has locked it; try once more";
	}
	return NULL;
}

/* One that can't be written does not keep the others from it. */
static int write_all(int dir, struct json_object *all)
{
	int code = CMD_DONE;

	for (size_t i = 0; i < starter_n_files; i++) {
		const struct starter_file *file = &starter_files[i];
		int r = starter_write(dir, file);

		if (r < 0) {
			code = CMD_FAILED;
			if (mend(r))
				log_error("%s: %s", file->name, mend(r));
			else
				log_err(r, "write %s", file->name);
		} else if (all) {
			report_json(all, file, r);
		} else {
			report(file, r);
		}
	}
	return code;
}

static int run(int argc, char *argv[])
{
	struct opts o = *launch_globals();
	int at = launch_line(&o, &cmd_init, OPT_JSON, 1, argc, argv), code;
	const char *path = at > 0 && at < argc ? argv[at] : ".";
	autoclose int dir = -EBADF;
	struct json_object *all;

	if (at < 0)
		return CMD_USAGE;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		log_err(-errno, "open the directory %s", path);
		return CMD_FAILED;
	}
	all = o.json ? json_object_new_array() : NULL;
	code = write_all(dir, all);
	json_print(all);
	return code;
}

const struct cmd cmd_init = {
	.name = "init",
	.args = "[--json] [DIRECTORY]",
	.help = "begin a workspace: taz.conf, secrets.conf, and lines of .gitignore",
	.details =
		"  --json               one array on one line: file, lines (0: it was there already)\n"
		"\n"
		"In DIRECTORY, or here. taz.conf and secrets.conf have examples, and every line of them\n"
		"is a comment. .gitignore gets the lines that it lacks. What is there is never replaced.\n"
		"Needs no root; with sudo the files are the directory's owner's.\n"
		"\n"
		"Example:  cd ~/project && tazlaunch init\n"
		"\n"
		"Exit codes: 0 all are there; 1 one could not be written; 2 usage.\n",
	.run = run,
};
