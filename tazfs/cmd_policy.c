#include "tazfs/cmd_policy.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "tazfs/cmd.h"

static const struct cmd *const subs[] = {
	&cmd_policy_show,  &cmd_policy_edit, &cmd_policy_explain, &cmd_policy_suggest,
	&cmd_policy_check, &cmd_policy_test, &cmd_policy_presets, NULL,
};

const struct cmd cmd_policy = {
	.name = "policy",
	.args = "COMMAND [ARGUMENT...]",
	.help = "look at the rules that say who may do what with which file",
	.details = "Example:\n"
		   "  tazfs policy show --preset tools >my.policy\n"
		   "  tazfs policy check my.policy && enclave policy my.policy\n"
		   "\n"
		   "tazfs-policy(5) describes the language.\n",
	.subs = subs,
};

static int read_fd(int fd, struct policy_file *f)
{
	char *text = malloc(POLICY_BYTES_MAX + 1);
	ssize_t n = text ? io_read_full(fd, text, POLICY_BYTES_MAX + 1) : -ENOMEM;

	if (n < 0) {
		free(text);
		return n;
	}
	f->text = text;
	f->size = n;
	return 0;
}

int policy_file_read(const char *path, struct policy_file *ret)
{
	autoclose int fd = -EBADF;
	int r;

	*ret = (struct policy_file){ .name = path };
	if (!strcmp(path, "-")) {
		ret->name = "standard input";
		if (isatty(STDIN_FILENO))
			log_info("reading the terminal, up to Ctrl+D on a line of its own");
		r = read_fd(STDIN_FILENO, ret);
	} else {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		r = fd < 0 ? -errno : read_fd(fd, ret);
	}
	return r < 0 ? log_err(r, "read %s", ret->name) : 0;
}

void policy_file_done(struct policy_file *f)
{
	free(f->text);
	f->text = NULL;
}

/* One byte of the text, so that columns stay below each other and nothing moves the cursor. */
static char shown(char c)
{
	return c == '\t' ? ' ' : c < 0x20 || c > 0x7e ? '?' : c;
}

static void say_line(const struct policy_file *f, const struct policy_error *err)
{
	const char *at = f->text, *end = f->text + f->size;

	for (unsigned line = 1; at < end && line < err->line; line++) {
		const char *nl = memchr(at, '\n', end - at);

		at = nl ? nl + 1 : end;
	}
	fputs("  ", stderr);
	for (; at < end && *at != '\n'; at++)
		fputc(shown(*at), stderr);
	fprintf(stderr, "\n  %*s\n", (int)err->column, "^");
}

void policy_file_say(const struct policy_file *f, const struct policy_error *err)
{
	log_error("%s:%u:%u: %s", f->name, err->line, err->column, err->text);
	if (err->line && f->size <= POLICY_BYTES_MAX)
		say_line(f, err);
}

int policy_file_parse(const char *path, struct policy_file *ret_file, struct policy **ret)
{
	struct policy_error err;
	int r = policy_file_read(path, ret_file);

	if (r < 0)
		return r;
	r = policy_parse(ret_file->text, ret_file->size, ret, &err);
	if (r == -EINVAL)
		policy_file_say(ret_file, &err);
	else if (r < 0)
		log_err(r, "parse %s", ret_file->name);
	return r;
}

struct json_object *policy_file_json(const struct policy_error *err)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "line", json_object_new_int64(err->line));
	json_object_object_add(o, "column", json_object_new_int64(err->column));
	json_object_object_add(o, "text", json_object_new_string(err->text));
	return o;
}

int policy_no_preset(const char *name)
{
	log_error("no preset is called '%s'; 'tazfs policy presets' lists them", name);
	return CMD_FAILED;
}
