#include "enclave/base/cmd.h"

#include <stdio.h>
#include <string.h>

#include "enclave/base/log.h"

static const struct cmd_program *program;

static void print_program(FILE *to)
{
	fprintf(to, "%s - %s\n\nUsage: %s COMMAND [ARGUMENT...]\n\nCommands:\n", program->name,
		program->summary, program->name);
	for (const struct cmd *const *c = program->cmds; *c; c++)
		if (!(*c)->internal)
			fprintf(to, "  %-10s %s\n", (*c)->name, (*c)->help);
	fprintf(to, "\n'%s COMMAND --help' tells more. Exit codes: 0 done, 1 failed, 2 usage.\n",
		program->name);
	if (program->trailer)
		fprintf(to, "\n%s", program->trailer);
}

static void print_cmd(FILE *to, const struct cmd *cmd)
{
	fprintf(to, "Usage: %s %s%s%s\n\n%s.\n", program->name, cmd->name, *cmd->args ? " " : "",
		cmd->args, cmd->help);
	if (cmd->details)
		fprintf(to, "\n%s", cmd->details);
}

static const struct cmd *find(const char *name)
{
	for (const struct cmd *const *c = program->cmds; *c; c++)
		if (!strcmp((*c)->name, name))
			return *c;
	return NULL;
}

/* --help counts up to "--": what follows belongs to the user's own program. */
static bool wants_help(int argc, char *argv[])
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
	return false;
}

int cmd_usage(const struct cmd *cmd)
{
	fprintf(stderr, "Usage: %s %s%s%s\n'%s %s --help' tells more.\n", program->name, cmd->name,
		*cmd->args ? " " : "", cmd->args, program->name, cmd->name);
	return CMD_USAGE;
}

static int help(int argc, char *argv[])
{
	const struct cmd *cmd = argc > 1 ? find(argv[1]) : NULL;

	if (cmd)
		print_cmd(stdout, cmd);
	else
		print_program(stdout);
	return CMD_DONE;
}

int cmd_main(const struct cmd_program *prog, int argc, char *argv[])
{
	const struct cmd *cmd;

	program = prog;
	log_init(prog->name);
	if (argc < 2) {
		if (prog->fallback)
			return prog->fallback->run(argc, argv);
		print_program(stderr);
		return CMD_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--version")) {
		printf("%s %s\n", prog->name, TAZ_VERSION);
		return CMD_DONE;
	}
	cmd = find(argv[1]);
	if (!cmd) {
		log_error("no command '%s'; '%s --help' lists them", argv[1], prog->name);
		return CMD_USAGE;
	}
	if (wants_help(argc - 1, argv + 1)) {
		print_cmd(stdout, cmd);
		return CMD_DONE;
	}
	return cmd->run(argc - 1, argv + 1);
}
