#include "enclave/base/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "enclave/base/completion.h"
#include "enclave/base/log.h"

static const struct cmd_program *program;

const char *cmd_own_name(const struct cmd *cmd)
{
	const char *space = strrchr(cmd->name, ' ');

	return space ? space + 1 : cmd->name;
}

static void print_list(FILE *to, const struct cmd *const *cmds)
{
	fprintf(to, "Commands:\n");
	for (; *cmds; cmds++)
		if (!(*cmds)->internal)
			fprintf(to, "  %-10s %s\n", cmd_own_name(*cmds), (*cmds)->help);
}

static void print_program(FILE *to)
{
	fprintf(to, "%s - %s\n\nUsage: %s COMMAND [ARGUMENT...]\n\n", program->name,
		program->summary, program->name);
	print_list(to, program->cmds);
	fprintf(to, "\n'%s COMMAND --help' tells more. Exit codes: 0 done, 1 failed, 2 usage.\n",
		program->name);
	if (program->trailer)
		fprintf(to, "\n%s", program->trailer);
}

static void print_cmd(FILE *to, const struct cmd *cmd)
{
	fprintf(to, "Usage: %s %s%s%s\n\n%s.\n", program->name, cmd->name, *cmd->args ? " " : "",
		cmd->args, cmd->help);
	if (cmd->subs) {
		fprintf(to, "\n");
		print_list(to, cmd->subs);
		fprintf(to, "\n'%s %s COMMAND --help' tells more.\n", program->name, cmd->name);
	}
	if (cmd->details)
		fprintf(to, "\n%s", cmd->details);
}

static const struct cmd *find(const struct cmd *const *cmds, const char *name)
{
	for (; *cmds; cmds++)
		if (!strcmp(cmd_own_name(*cmds), name))
			return *cmds;
	return NULL;
}

static bool is_help(const char *arg)
{
	return !strcmp(arg, "--help") || !strcmp(arg, "-h");
}

/* --help counts up to "--": what follows belongs to the user's own program. */
static bool wants_help(int argc, char *argv[])
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (is_help(argv[i]))
			return true;
	return false;
}

int cmd_usage(const struct cmd *cmd)
{
	fprintf(stderr, "Usage: %s %s%s%s\n'%s %s --help' tells more.\n", program->name, cmd->name,
		*cmd->args ? " " : "", cmd->args, program->name, cmd->name);
	return CMD_USAGE;
}

static int unknown(const char *name)
{
	log_error("no command '%s'; '%s --help' lists them", name, program->name);
	return CMD_USAGE;
}

static int unknown_sub(const struct cmd *cmd, const char *name)
{
	log_error("no command '%s %s'; '%s %s --help' lists them", cmd->name, name, program->name,
		  cmd->name);
	return CMD_USAGE;
}

static int help(int argc, char *argv[])
{
	const struct cmd *cmd, *sub;

	if (argc < 2) {
		print_program(stdout);
		return CMD_DONE;
	}
	cmd = find(program->cmds, argv[1]);
	if (!cmd)
		return unknown(argv[1]);
	sub = cmd->subs && argc > 2 ? find(cmd->subs, argv[2]) : NULL;
	if (cmd->subs && argc > 2 && !sub)
		return unknown_sub(cmd, argv[2]);
	print_cmd(stdout, sub ? sub : cmd);
	return CMD_DONE;
}

static int run_cmd(const struct cmd *cmd, int argc, char *argv[])
{
	const struct cmd *sub = cmd->subs && argc > 1 ? find(cmd->subs, argv[1]) : NULL;

	if (sub)
		return run_cmd(sub, argc - 1, argv + 1);
	if (cmd->run && wants_help(argc, argv)) {
		print_cmd(stdout, cmd);
		return CMD_DONE;
	}
	if (cmd->run)
		return cmd->run(argc, argv);
	if (argc < 2 || is_help(argv[1])) {
		print_cmd(argc < 2 ? stderr : stdout, cmd);
		return argc < 2 ? CMD_USAGE : CMD_DONE;
	}
	return unknown_sub(cmd, argv[1]);
}

static int complete(int argc, char *argv[])
{
	int r = argc == 2 ? completion_print(program, argv[1]) : -EINVAL;

	if (r == -EINVAL)
		return cmd_usage(&cmd_completion);
	if (r < 0)
		log_err(r, "print the completion for %s", argv[1]);
	return r < 0 ? CMD_FAILED : CMD_DONE;
}

const struct cmd cmd_completion = {
	.name = "completion",
	.args = "bash|zsh|fish",
	.help = "print what a shell needs to complete commands and options",
	.details = "Where a package has installed it, nothing is to be done.\n"
		   "\n"
		   "Example:  source <(PROGRAM completion bash)\n"
		   "\n"
		   "Exit codes: 0 printed; 1 failed; 2 usage.\n",
	.run = complete,
};

static int run_program(int argc, char *argv[])
{
	const struct cmd *cmd;

	if (argc < 2) {
		if (program->fallback)
			return program->fallback->run(argc, argv);
		print_program(stderr);
		return CMD_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--version")) {
		printf("%s %s\n", program->name, TAZ_VERSION);
		return CMD_DONE;
	}
	cmd = find(program->cmds, argv[1]);
	return cmd ? run_cmd(cmd, argc - 1, argv + 1) : unknown(argv[1]);
}

int cmd_main(const struct cmd_program *prog, int argc, char *argv[])
{
	int code;

	program = prog;
	log_init(prog->name);
	code = run_program(argc, argv);
	errno = 0;
	/* Half a report, or half of the exports, must not look like all of it. */
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	log_err(errno ? -errno : -EIO, "write what is to be reported");
	return CMD_FAILED;
}
