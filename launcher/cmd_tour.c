#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/log.h"
#include "enclave/base/utf8.h"
#include "launcher/cmd.h"
#include "launcher/launch.h"
#include "launcher/tour.h"

#define SECRET "token-of-the-tour"
#define LATER  "what-comes-later"
#define TRIES  40
#define TRY_MS 250

/* One line is read before something happens, and the rest of the same open file after it. */
static const char hold[] = "exec 3<~/secrets/token; read -r line <&3; "
			   "echo \"user $(id -u) reads $line\"; read -r wait; cat <&3";

static const struct step {
	const char *say; /* whole lines */
	enum tour_how how;
	const char *args[TOUR_ARGS + 1]; /* none: what is held is let go */
	bool refused;			 /* it must end with an error */
	const char *shows, *never;	 /* must be, must not be in what it prints; or NULL */
	bool soon;			 /* it may take a moment until it shows that */
} steps[] = {
	{ "A workshop for this tour alone. It starts locked, and its workspace is empty.\n",
	  TOUR_PLAIN,
	  { "up", "--name", "NAME", "--vault-size", "32M" } },
	{ "A session makes the vault, puts a secret into it and reads it. The passphrase is random,\n"
	  "and only this program has it; it goes in sealed, as one that you type would.\n",
	  TOUR_SESSION,
	  { "run", "--name", "NAME", "--create", "--passphrase-fd", "0", "--", "sh", "-c",
	    "printf '%s\\n' " SECRET " " LATER " >~/secrets/token; cat ~/secrets/token" },
	  .shows = SECRET },
	{ "It was the last session, so the vault has locked by itself.\n",
	  TOUR_KEPT,
	  { "status", "--name", "NAME" },
	  .shows = ": locked",
	  .soon = true },
	{ "A second session opens the file, reads its first line, and keeps it open.\n",
	  TOUR_HELD,
	  { "run", "--name", "NAME", "--passphrase-fd", "3", "--", "sh", "-c", hold },
	  .shows = "reads " SECRET },
	{ "Meanwhile, an outsider: the same user in the same container, but in no session.\n",
	  TOUR_KEPT,
	  { "exec", "--name", "NAME", "--", "sh", "-c",
	    "echo \"user $(id -u)\"; cat /home/taz/secrets/token" },
	  .refused = true,
	  .shows = "Permission denied",
	  .never = SECRET },
	{ "The outsider kills the view, the process that shows ~/secrets, with kill -9.\n",
	  TOUR_KEPT,
	  { "exec", "--name", "NAME", "--", "pkill", "-KILL", "-x", "tazfs" } },
	{ "All is locked: nothing had to be cleaned up.\n",
	  TOUR_KEPT,
	  { "status", "--name", "NAME" },
	  .shows = ": locked",
	  .soon = true },
	{ "The session reads on in the file that it still has open: there is nothing to read.\n",
	  .refused = true, .shows = "cat: ", .never = LATER },
	{ "The passphrase opens it again, and a session holds the file once more.\n",
	  TOUR_HELD,
	  { "run", "--name", "NAME", "--passphrase-fd", "3", "--", "sh", "-c", hold },
	  .shows = "reads " SECRET },
	{ "Now a lock, under the open file. It says what it has verified.\n",
	  TOUR_KEPT,
	  { "lock", "--name", "NAME" },
	  .shows = "locked: " },
	{ "And the session reads on: an error, and not one byte.\n", .refused = true,
	  .shows = "cat: ", .never = LATER },
	{ "Nothing was lost. With the passphrase it is all there.\n",
	  TOUR_SESSION,
	  { "run", "--name", "NAME", "--passphrase-fd", "0", "--", "sh", "-c",
	    "cat ~/secrets/token" },
	  .shows = LATER },
};

#define N_STEPS (sizeof(steps) / sizeof(*steps))

/* As it would be typed; no word of the table has a quote of both kinds. */
static void print_word(const char *word)
{
	const char *quote = strpbrk(word, " $<>;&\"'~\\") ? strchr(word, '\'') ? "\"" : "'" : "";

	printf(" %s%s%s", quote, word, quote);
}

static void print_command(const struct tour *t, const struct step *s)
{
	bool fancy = log_is_fancy(STDOUT_FILENO);

	printf("%s$ %ssudo tazlaunch", fancy ? "\033[1m" : "",
	       s->how == TOUR_SESSION ? "printf %s \"$PASS\" | " : "");
	for (const char *const *a = s->args; *a; a++)
		print_word(!strcmp(*a, "NAME") ? t->name : *a);
	if (t->engine && s->how == TOUR_PLAIN)
		printf(" --engine %s", t->engine);
	printf("%s%s\n", s->how == TOUR_HELD ? " 3< <(printf %s \"$PASS\") &" : "",
	       fancy ? "\033[0m" : "");
}

/* Line by line, without what could steer the terminal: some of it comes from inside. */
static void print_output(const struct tour *t)
{
	char text[sizeof(t->out)], *save = NULL;

	strcpy(text, t->out);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		utf8_clean(line, "\t");
		puts(line);
	}
}

static bool is_right(const struct tour *t, const struct step *s, int status)
{
	return status >= 0 && (s->refused ? status != 0 : status == 0) &&
	       (!s->shows || strstr(t->out, s->shows)) && (!s->never || !strstr(t->out, s->never));
}

static int run_once(struct tour *t, const struct step *s)
{
	return s->args[0] ? tour_run(t, s->how, s->args) : tour_let_go(t);
}

static int complain(const struct step *s, int status)
{
	if (status < 0)
		log_err(status, "run it");
	log_error("this is not what should be: it should %s%s%s%s; it ended with %d",
		  s->refused ? "be refused" : "succeed", s->shows ? ", and show '" : "",
		  s->shows ? s->shows : "", s->shows ? "'" : "", status);
	log_error("the tour ends here. 'sudo tazlaunch doctor' says what this machine lacks; if it "
		  "finds nothing, report this as a bug, with the lines above");
	return -EPROTO;
}

static int take_step(struct tour *t, const struct step *s)
{
	int status;

	printf("\n%s", s->say);
	if (s->args[0])
		print_command(t, s);
	fflush(stdout);
	status = run_once(t, s);
	for (int i = 0; s->soon && i < TRIES && status == 0 && !is_right(t, s, status); i++) {
		usleep(TRY_MS * 1000);
		status = run_once(t, s);
	}
	print_output(t);
	fflush(stdout);
	if (status == -EINTR)
		return -EINTR;
	return is_right(t, s, status) ? 0 : complain(s, status);
}

static int take_steps(struct tour *t, bool ask)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < N_STEPS; i++) {
		r = take_step(t, &steps[i]);
		if (r == 0 && ask) {
			printf("\n[%zu of %zu] Enter goes on, Ctrl+C ends and tidies up: ", i + 1,
			       N_STEPS);
			fflush(stdout);
			r = tour_wait_enter(t);
		}
	}
	return r;
}

static int run(int argc, char *argv[])
{
	static struct launch l;
	static struct tour t;
	int r = launch_begin(&l, &cmd_tour, OPT_ENGINE | OPT_YES, false, argc, argv), end;

	if (r)
		return r;
	r = tour_begin(&t, l.o.engine);
	if (r == 0)
		r = take_steps(&t, !l.o.yes && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
	if (r == -EINTR)
		log_info("the tour ends early");
	end = tour_end(&t);
	if (r < 0 || end < 0)
		return CMD_FAILED;
	puts("\nThat was all: the workshop of the tour is removed. Yours begins with: sudo tazlaunch");
	return CMD_DONE;
}

const struct cmd cmd_tour = {
	.name = "tour",
	.args = "[--yes] [--engine docker|podman|vm]",
	.help = "five minutes that show what it does, on a workshop that is thrown away",
	.details =
		"  --yes                do not wait for Enter between the steps; nor is it waited for\n"
		"                       without a terminal\n"
		"  --engine ENGINE      docker, podman or vm (default: what this machine can do)\n"
		"\n"
		"Each step is a real command, shown with what it really prints: a session that reads a\n"
		"secret, an outsider of the same user who is denied, a kill -9 that locks, and a lock\n"
		"under an open file. The workshop, its vault and its random passphrase are this tour's\n"
		"own, and are removed at its end, also after Ctrl+C; what a killed tour has left is\n"
		"removed by the next one. The image is built first when it is not there.\n"
		"\n"
		"Example:  sudo tazlaunch tour\n"
		"\n"
		"Exit codes: 0 all was as it should be; 1 a step was not, or the tour was ended\n"
		"early; 2 usage.\n",
	.run = run,
};
