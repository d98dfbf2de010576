#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/terminal.h"
#include "launcher/cmd.h"
#include "launcher/launch.h"

/* A yes is typed too fast for what nobody can bring back. */
static bool name_typed(const struct launch *l)
{
	char line[WORKSHOP_NAME_MAX + 2] = "";
	FILE *tty = fopen("/dev/tty", "r+e");

	if (!tty)
		return false;
	fprintf(tty,
		"This removes the workshop %s with its vault and every kept state of it (%s).\n"
		"No key brings them back. To go on, type its name: ",
		l->o.name, l->state_dir);
	fflush(tty);
	if (!fgets(line, sizeof(line), tty))
		line[0] = '\0';
	fclose(tty);
	line[strcspn(line, "\n")] = '\0';
	return !strcmp(line, l->o.name);
}

static int remove_it(struct launch *l)
{
	autoclose int lock = -EBADF;
	const struct engine *e;
	struct workshop w;
	/* Held to the end, so that nobody starts it meanwhile. */
	int r = launch_lock(l, true, &lock);

	if (r == 0)
		r = launch_running(l);
	if (r == 1) {
		log_error("%s is up, and its vault may be open; first: tazlaunch down --name %s",
			  l->o.name, l->o.name);
		return -EBUSY;
	}
	if (r < 0)
		return r;
	w = launch_describe(l);
	/* What an engine has left of it: a container that was killed. */
	e = l->was_up ? engine_find(l->rec.engine) : NULL;
	r = e ? e->down(e->client, &w) : 0;
	if (r < 0)
		return r;
	r = workshop_remove(l->state_dir);
	return r < 0 ? log_err(r, "remove %s (what is left of it goes with the next try)",
			       l->state_dir)
		     : 0;
}

static int run(int argc, char *argv[])
{
	static struct launch l;
	const char *name = argv[argc - 1];
	int r;

	if (argc < 2 || !workshop_name_ok(name)) {
		if (argc >= 2 && name[0] != '-')
			log_error("'%s' is no workshop's name", name);
		return cmd_usage(&cmd_remove);
	}
	launch_globals()->name = name;
	r = launch_begin(&l, &cmd_remove, OPT_YES, false, argc - 1, argv);
	if (r)
		return r;
	if (!workshop_exists(l.state_dir)) {
		log_error("there is no workshop %s: no %s", name, l.state_dir);
		return CMD_FAILED;
	}
	if (!l.o.yes && !terminal_can_ask()) {
		log_error("there is no terminal, so nothing is asked; if it is meant: "
			  "tazlaunch remove --yes %s",
			  name);
		return CMD_USAGE;
	}
	if (!l.o.yes && !name_typed(&l)) {
		log_error("that is not its name: nothing was removed");
		return CMD_FAILED;
	}
	if (remove_it(&l) < 0)
		return CMD_FAILED;
	if (isatty(STDERR_FILENO))
		log_info("%s is removed", name);
	return CMD_DONE;
}

const struct cmd cmd_remove = {
	.name = "remove",
	.args = "[--yes] NAME",
	.help = "remove a workshop that is down, with its vault and every kept state",
	.details =
		"  --yes                do not ask; without a terminal it is needed\n"
		"\n"
		"NAME has to be given, also for the workshop 'default', and is asked for once\n"
		"more. No key brings the vault back. Copies of it elsewhere, your workspace, and\n"
		"the images (/var/cache/taz or the engine's) stay.\n"
		"\n"
		"Example:  sudo tazlaunch remove work\n"
		"\n"
		"Exit codes: 0 it is gone; 1 it is not: there is none, it is up, or another name\n"
		"was typed; 2 usage, or no terminal.\n",
	.run = run,
};
