#include "tazfs/watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "enclave/base/cmd.h"
#include "enclave/base/fd.h"
#include "enclave/base/io.h"
#include "enclave/base/log.h"
#include "enclave/base/secret.h"
#include "enclave/client.h"
#include "tazfs/audit_source.h"
#include "tazfs/cmd_grants.h"
#include "tazfs/feed.h"
#include "tazfs/watch_screen.h"
#include "tazfs/watch_ui.h"

#define MS 1000000ULL

/* How often it is drawn at most: a flood is read faster than anybody sees. */
#define DRAW_NS (50 * MS)

/* After an unlock the view may need a moment more. Not for ever: to open its root counts as use,
 * and would keep the vault open that we may not look at. */
#define TRIES 3

struct watch {
	struct watch_ui ui;
	struct audit_print log; /* what the child writes to its pipe */
	struct feed audit, status, lock, grants;
	char answers[64 * 1024]; /* what grants has told so far, with a NUL */
	size_t n_answers;
	struct audit_cutter cutter;
	char *mem; /* AUDIT_PARSE_MEM(AUDIT_LINE_MAX) */
	int signals;
	uint64_t drawn_ns; /* CLOCK_BOOTTIME */
	int tries;	   /* how often it may still be tried to look again */
	bool dirty, redraw, quit;
	int fatal; /* the signal to end by */
};

/* --- the children -------------------------------------------------------------------------------
 */

static int run_audit(void *arg)
{
	return audit_print(arg) < 0 ? CMD_FAILED : CMD_DONE;
}

/* A struct watch_status each second: less than PIPE_BUF, so never in parts. */
static int run_status(void *arg)
{
	for (;;) {
		const struct timespec second = { .tv_sec = 1 };
		struct res_status st = { 0 };
		int r = client_status(&st);
		const struct watch_status tell = { .err = r,
						   .lock = st.lock,
						   .sessions = st.sessions,
						   .idle_limit_sec = st.idle_limit_sec,
						   .idle_left_sec = st.idle_left_sec };

		if (io_write_full(STDOUT_FILENO, &tell, sizeof(tell)) < 0)
			return CMD_FAILED;
		nanosleep(&second, NULL);
	}
}

static void still_trying(const struct res_lock *so_far)
{
	log_info("the lock is late, and goes on");
}

static int run_lock(void *arg)
{
	struct res_lock res = { 0 };
	int r = client_lock(&res, still_trying);

	if (r < 0) {
		client_say(r, res.op == RES_LOCK ? res.why : WHY_NONE, "lock");
		return CMD_FAILED;
	}
	if (res.why == WHY_CONFLICT)
		log_info("locked; %s", client_why(res.why));
	else if (res.n_held)
		log_info("locked and saved; others hold some of it, without a key: 'enclave lock' "
			 "says who");
	else
		log_info("locked and saved");
	return CMD_DONE;
}

static int run_grants(void *arg)
{
	const struct watch *w = arg;

	return grants_show(w->log.dir, w->ui.number) < 0 ? CMD_FAILED : CMD_DONE;
}

/* Without the program's name, which log.h puts there. */
static const char *said(const struct feed *f, const char *otherwise)
{
	static const char name[] = "tazfs: ";

	if (!*f->said)
		return otherwise;
	return strncmp(f->said, name, strlen(name)) ? f->said : f->said + strlen(name);
}

/* --- what they tell -----------------------------------------------------------------------------
 */

static int on_log_line(void *arg, const char *line, size_t size)
{
	struct watch *w = arg;

	return watch_ui_line(&w->ui, line, size, w->mem);
}

static void start_audit(struct watch *w)
{
	int r = feed_start(&w->audit, run_audit, &w->log);

	w->cutter.n = 0;
	if (r < 0)
		watch_ui_off(&w->ui, strerror(-r));
}

/* What may be asked no longer is shown no longer. */
static void end_audit(struct watch *w, const char *why)
{
	/* It went well before: a lock may be over before the keeper was asked again. */
	if (!w->ui.off)
		w->tries = TRIES;
	feed_end(&w->audit);
	secret_wipe(w->cutter.buf, AUDIT_LINE_MAX + AUDIT_CHUNK);
	watch_ui_off(&w->ui, said(&w->audit, why));
}

static void hear_audit(struct watch *w)
{
	ssize_t n = read(w->audit.out, audit_cutter_room(&w->cutter), AUDIT_CHUNK);
	int r;

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		end_audit(w, "The log can't be read any more.");
		return;
	}
	watch_ui_on(&w->ui);
	r = audit_cutter_took(&w->cutter, (size_t)n);
	if (r < 0)
		end_audit(w, r == -ENOMEM ? "There is not enough memory." : "That is no log.");
}

static void hear_status(struct watch *w)
{
	struct watch_status st;
	ssize_t n = io_read_full(w->status.out, &st, sizeof(st));

	if (n != sizeof(st)) {
		st = (struct watch_status){ .err = -EPIPE };
		feed_end(&w->status);
	}
	w->ui.st = st;
	w->ui.has_status = true;
	if (st.err || st.lock != PROTO_UNLOCKED)
		w->tries = TRIES;
	else if (!w->audit.pid && w->tries-- > 0)
		start_audit(w);
}

/* It says something once or twice, and ends. */
static void hear_lock(struct watch *w)
{
	char none[64];

	if (read(w->lock.out, none, sizeof(none)) > 0)
		return;
	feed_end(&w->lock);
	watch_ui_say(&w->ui, said(&w->lock, "the lock was not done"));
}

/* The list when it is whole, below what is said about the one that was taken back. */
static void hear_grants(struct watch *w)
{
	char text[sizeof(w->answers) + FEED_SAID];
	size_t room = sizeof(w->answers) - 1 - w->n_answers;
	ssize_t n = room ? read(w->grants.out, w->answers + w->n_answers, room) : 0;
	const char *why;

	if (n > 0) {
		w->n_answers += (size_t)n;
		return;
	}
	feed_end(&w->grants);
	why = said(&w->grants, "");
	w->answers[w->n_answers] = '\0';
	snprintf(text, sizeof(text), "%s%s%s", why, *why ? "\n\n" : "", w->answers);
	if (!w->n_answers)
		watch_ui_say(&w->ui, *why ? why : "the answers can't be read");
	else
		watch_ui_answers(&w->ui, text);
	secret_wipe(w->answers, sizeof(w->answers));
	secret_wipe(text, sizeof(text));
}

static void hear_said(struct watch *w, struct feed *f)
{
	feed_hear(f);
	if (f == &w->lock)
		watch_ui_say(&w->ui, said(f, ""));
}

/* --- keys and signals ---------------------------------------------------------------------------
 */

static void begin_lock(struct watch *w)
{
	int r;

	if (w->lock.pid)
		return;
	r = feed_start(&w->lock, run_lock, NULL);
	watch_ui_say(&w->ui, r < 0 ? strerror(-r) : "locking ...");
}

static void begin_grants(struct watch *w)
{
	int r = w->grants.pid ? -EALREADY : feed_start(&w->grants, run_grants, w);

	w->n_answers = r < 0 ? w->n_answers : 0;
	if (r < 0 && r != -EALREADY)
		watch_ui_say(&w->ui, strerror(-r));
}

static void on_want(struct watch *w, enum watch_want want)
{
	switch (want) {
	case WANT_QUIT:
		w->quit = true;
		break;
	case WANT_LOCK:
		begin_lock(w);
		break;
	case WANT_RETRY:
		if (!w->audit.pid)
			start_audit(w);
		break;
	case WANT_REDRAW:
		w->redraw = true;
		break;
	case WANT_ANSWERS:
		begin_grants(w);
		break;
	case WANT_NOTHING:
		break;
	}
}

static void hear_keys(struct watch *w, bool hung_up)
{
	uint32_t key;

	w->quit |= hung_up;
	while (!w->quit && watch_screen_key(&key))
		on_want(w, watch_ui_key(&w->ui, key));
}

static void take_terminal(struct watch *w)
{
	watch_screen_return();
	w->redraw = true;
}

/* As the shell wants it: the terminal is its own while we are stopped. Where there is no shell that
 * could let us go on, the kernel doesn't stop us (setpgid(2): an orphaned process group). */
static void stop(struct watch *w)
{
	sigset_t tstp;

	watch_screen_leave();
	sigemptyset(&tstp);
	sigaddset(&tstp, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &tstp, NULL);
	sigprocmask(SIG_BLOCK, &tstp, NULL);
	take_terminal(w);
}

static void on_signal(struct watch *w, int signal)
{
	switch (signal) {
	case SIGINT:
		w->quit = true;
		break;
	case SIGTSTP:
		stop(w);
		break;
	case SIGCONT: /* of SIGSTOP, which nobody sees come */
		take_terminal(w);
		break;
	case SIGWINCH:
		watch_screen_resize();
		w->redraw = true;
		break;
	default:
		w->quit = true;
		w->fatal = signal;
		break;
	}
}

static void hear_signals(struct watch *w)
{
	struct signalfd_siginfo s;

	if (read(w->signals, &s, sizeof(s)) == sizeof(s))
		on_signal(w, (int)s.ssi_signo);
}

/* --- the loop -----------------------------------------------------------------------------------
 */

enum {
	AT_KEYS,
	AT_SIGNALS,
	AT_AUDIT,
	AT_STATUS,
	AT_LOCK,
	AT_GRANTS,
	AT_AUDIT_SAID,
	AT_STATUS_SAID,
	AT_LOCK_SAID,
	AT_GRANTS_SAID,
	ATS
};

static void hear(struct watch *w, const struct pollfd *p)
{
	static void (*const out[])(struct watch * w) = { [AT_SIGNALS] = hear_signals,
							 [AT_AUDIT] = hear_audit,
							 [AT_STATUS] = hear_status,
							 [AT_LOCK] = hear_lock,
							 [AT_GRANTS] = hear_grants };
	struct feed *const err[] = { &w->audit, &w->status, &w->lock, &w->grants };

	if (p[AT_KEYS].revents)
		hear_keys(w, p[AT_KEYS].revents & ~POLLIN);
	/* What is said before what is told: the end of a child comes last. */
	for (int i = AT_AUDIT_SAID; i < ATS; i++)
		if (p[i].revents)
			hear_said(w, err[i - AT_AUDIT_SAID]);
	for (int i = AT_SIGNALS; i <= AT_GRANTS; i++)
		if (p[i].revents)
			out[i](w);
}

static void draw_if_due(struct watch *w)
{
	uint64_t now = io_boottime_ns();

	if (!w->redraw && (!w->dirty || now < w->drawn_ns + DRAW_NS))
		return;
	watch_screen_draw(&w->ui, w->redraw);
	w->dirty = w->redraw = false;
	w->drawn_ns = now;
}

static int loop(struct watch *w)
{
	w->redraw = true;
	while (!w->quit && !watch_screen_is_lost()) {
		struct pollfd p[ATS] = { [AT_KEYS] = { .fd = STDIN_FILENO },
					 [AT_SIGNALS] = { .fd = w->signals },
					 [AT_AUDIT] = { .fd = w->audit.out },
					 [AT_STATUS] = { .fd = w->status.out },
					 [AT_LOCK] = { .fd = w->lock.out },
					 [AT_GRANTS] = { .fd = w->grants.out },
					 [AT_AUDIT_SAID] = { .fd = w->audit.err },
					 [AT_STATUS_SAID] = { .fd = w->status.err },
					 [AT_LOCK_SAID] = { .fd = w->lock.err },
					 [AT_GRANTS_SAID] = { .fd = w->grants.err } };
		int n;

		draw_if_due(w);
		for (int i = 0; i < ATS; i++)
			p[i].events = POLLIN;
		n = poll(p, ATS, w->dirty ? (int)(DRAW_NS / MS) : -1);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			hear(w, p);
			w->dirty = true;
		}
	}
	return 0;
}

/* --- begin and end ------------------------------------------------------------------------------
 */

static int take_signals(struct watch *w)
{
	static const int all[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		sigaddset(&set, all[i]);
	w->signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (w->signals < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	return 0;
}

/* As the signal would have, had it not been ours: who waits for us sees it. */
static int end_by(int sig)
{
	sigset_t one;

	signal(sig, SIG_DFL);
	raise(sig);
	sigemptyset(&one);
	sigaddset(&one, sig);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	return CMD_FAILED;
}

/* Says what went wrong while there is no screen yet, and after it. */
static int on_screen(struct watch *w)
{
	const char *why = watch_screen_open();
	int r;

	if (why) {
		log_error("%s; 'tazfs audit --follow' shows the same as lines", why);
		return CMD_USAGE;
	}
	start_audit(w);
	r = feed_start(&w->status, run_status, NULL);
	if (r == 0)
		r = loop(w);
	watch_screen_close();
	if (r < 0)
		log_err(r, "watch");
	return r < 0 ? CMD_FAILED : CMD_DONE;
}

static int run_watch(struct watch *w)
{
	int code = CMD_FAILED, r = watch_ui_init(&w->ui);

	watch_model_denied(&w->ui.m, w->log.filter.denied);
	w->log.filter.denied = false; /* it can be seen, by a key */
	w->mem = malloc(AUDIT_PARSE_MEM(AUDIT_LINE_MAX));
	if (r == 0)
		r = audit_cutter_init(&w->cutter, on_log_line, w);
	if (r == 0)
		r = w->mem ? take_signals(w) : -ENOMEM;
	if (r < 0)
		log_err(r, "watch");
	else
		code = on_screen(w);
	feed_end(&w->audit);
	feed_end(&w->status);
	feed_end(&w->lock);
	feed_end(&w->grants);
	audit_cutter_done(&w->cutter);
	free(w->mem);
	watch_ui_done(&w->ui);
	fd_close(&w->signals);
	return w->fatal ? end_by(w->fatal) : code;
}

int watch(const struct audit_print *log)
{
	struct watch w = { .log = *log,
			   .audit = FEED_NONE,
			   .status = FEED_NONE,
			   .lock = FEED_NONE,
			   .grants = FEED_NONE,
			   .signals = -EBADF };

	w.log.follow = w.log.json = true;
	return run_watch(&w);
}
