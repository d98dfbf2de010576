#include "tazfs/watch_screen.h"

#include <ncurses.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "enclave/base/log.h"
#include "enclave/base/terminal.h"
#include "tazfs/audit_record.h"

/* So long a key's sequence may take: over a slow line, and yet Escape feels like a key. */
#define ESCAPE_MS 50

static SCREEN *screen;
static bool left;

/* --- size ---------------------------------------------------------------------------------------
 */

static int within(uint16_t n, int otherwise, int most)
{
	return !n ? otherwise : n < most ? n : most;
}

static void size_now(int *ret_rows, int *ret_cols)
{
	uint16_t rows, cols;

	terminal_size(STDOUT_FILENO, &rows, &cols);
	*ret_rows = within(rows, 24, WATCH_ROWS_MAX);
	*ret_cols = within(cols, 80, WATCH_COLS_MAX);
}

void watch_screen_resize(void)
{
	int rows, cols;

	size_now(&rows, &cols);
	resizeterm(rows, cols);
}

/* ncurses would ask the terminal itself, and get room for as much as that says: 65535 times 65535,
 * if somebody has told it so. */
static void fix_size(void)
{
	int rows, cols;
	char text[16];

	size_now(&rows, &cols);
	snprintf(text, sizeof(text), "%d", rows);
	setenv("LINES", text, 1);
	snprintf(text, sizeof(text), "%d", cols);
	setenv("COLUMNS", text, 1);
}

/* --- open and close -----------------------------------------------------------------------------
 */

static bool can(const char *capability)
{
	char name[8];
	const char *has;

	snprintf(name, sizeof(name), "%s", capability); /* a parameter without const */
	has = tigetstr(name);
	return has && has != (char *)-1;
}

/* Before newterm(3x), which writes to it. */
static const char *look_at_terminal(void)
{
	bool fits;
	int err;

	if (!getenv("TERM") || !*getenv("TERM"))
		return "TERM is not set, which tells what kind of terminal this is";
	if (setupterm(NULL, STDOUT_FILENO, &err) != OK)
		return "nothing is known here about a terminal of the kind that TERM names: try "
		       "TERM=xterm-256color";
	fits = can("cup") && can("clear");
	del_curterm(cur_term);
	return fits ? NULL : "a terminal of the kind that TERM names can't show a full screen";
}

/* Reverse and bold are no colours: they stay with NO_COLOR. */
static const short colors[AUDIT_VERDICTS] = {
	[AUDIT_DENY] = COLOR_RED,    [AUDIT_HIDE] = COLOR_MAGENTA, [AUDIT_DECOY] = COLOR_RED,
	[AUDIT_ALLOW] = COLOR_GREEN, [AUDIT_ASK] = COLOR_YELLOW,
};

static void begin_colors(void)
{
	if (!log_is_fancy(STDOUT_FILENO) || !has_colors() || start_color() != OK)
		return;
	use_default_colors();
	for (short i = 1; i < AUDIT_VERDICTS; i++)
		init_pair(i, colors[i], -1);
}

/* ^S would hold up whatever we write, and with it each signal that we look for in between. */
static void let_nobody_stop_it(void)
{
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &t) < 0)
		return;
	t.c_iflag &= ~(tcflag_t)IXON;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &t) == 0)
		def_prog_mode();
}

/* By newterm(3x). The first two would end us without cleaning up. */
static const int caught[] = { SIGINT, SIGTERM, SIGTSTP, SIGWINCH };

const char *watch_screen_open(void)
{
	const char *why;

	unsetenv("HOME");
	unsetenv("TERMINFO");
	unsetenv("TERMINFO_DIRS");
	why = look_at_terminal();
	if (why)
		return why;
	fix_size();
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return "this terminal can't be used";
	for (size_t i = 0; i < sizeof(caught) / sizeof(*caught); i++)
		signal(caught[i], SIG_DFL);
	cbreak();
	noecho();
	nonl(); /* Enter is what it is, and ^J too */
	let_nobody_stop_it();
	intrflush(stdscr, FALSE);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
	curs_set(0);
	begin_colors();
	return NULL;
}

void watch_screen_close(void)
{
	if (!screen)
		return;
	if (!left)
		endwin();
	delscreen(screen);
	screen = NULL;
}

bool watch_screen_is_lost(void)
{
	pid_t owner = tcgetpgrp(STDIN_FILENO); /* -1: a terminal, but not our session's */

	return owner > 0 && owner != getpgrp();
}

void watch_screen_leave(void)
{
	endwin();
	left = true;
}

void watch_screen_return(void)
{
	left = false;
	reset_prog_mode();
	watch_screen_resize();
}

/* --- keys ---------------------------------------------------------------------------------------
 */

static const struct {
	wint_t code;
	uint32_t key;
} special[] = {
	{ KEY_UP, KEY_IS_UP },	       { KEY_DOWN, KEY_IS_DOWN },
	{ KEY_PPAGE, KEY_IS_PAGE_UP }, { KEY_NPAGE, KEY_IS_PAGE_DOWN },
	{ KEY_HOME, KEY_IS_HOME },     { KEY_END, KEY_IS_END },
	{ KEY_ENTER, KEY_IS_ENTER },   { KEY_BACKSPACE, KEY_IS_BACKSPACE },
	{ KEY_DC, KEY_IS_BACKSPACE },
};

static uint32_t special_key(wint_t code)
{
	for (size_t i = 0; i < sizeof(special) / sizeof(*special); i++)
		if (special[i].code == code)
			return special[i].key;
	return KEY_IS_UNKNOWN;
}

enum { BS = 0x08, ESC = 0x1b, DEL = 0x7f };

static uint32_t plain_key(wint_t c)
{
	switch (c) {
	case '\r':
	case '\n':
		return KEY_IS_ENTER;
	case ESC:
		return KEY_IS_ESCAPE;
	case BS:
	case DEL:
		return KEY_IS_BACKSPACE;
	default:
		return c < KEY_IS_UP ? c : KEY_IS_UNKNOWN;
	}
}

bool watch_screen_key(uint32_t *ret)
{
	wint_t c;

	switch (wget_wch(stdscr, &c)) {
	case KEY_CODE_YES:
		*ret = special_key(c);
		return true;
	case OK:
		*ret = plain_key(c);
		return true;
	default:
		return false;
	}
}

/* --- drawing ------------------------------------------------------------------------------------
 */

static const attr_t attrs[] = {
	[WATCH_PLAIN] = A_NORMAL,   [WATCH_TITLE] = A_REVERSE, [WATCH_HEAD] = A_UNDERLINE,
	[WATCH_CHOSEN] = A_REVERSE, [WATCH_KEYS] = A_DIM,      [WATCH_QUESTION] = A_BOLD,
};

/* The last gate: whatever was made of a name, what reaches the terminal can be printed. */
static int to_wide(const char *text, wchar_t *wide, int room)
{
	mbstate_t state = { 0 };
	int n = 0;

	while (*text && n < room) {
		size_t used = mbrtowc(wide + n, text, strlen(text), &state);

		if (used == (size_t)-1 || used == (size_t)-2) {
			state = (mbstate_t){ 0 };
			used = 1;
			wide[n] = L'?';
		}
		if (!iswprint(wide[n]) || wcwidth(wide[n]) < 1)
			wide[n] = L'?';
		text += used;
		n++;
	}
	return n;
}

static void on_line(void *arg, size_t row, const char *text, enum watch_style style)
{
	static wchar_t wide[WATCH_LINE_MAX];
	int n = to_wide(text, wide, WATCH_LINE_MAX);

	attrset((int)attrs[style]);
	mvaddnwstr((int)row, 0, wide, n);
	attrset(A_NORMAL);
}

static void on_verdict(void *arg, size_t row, size_t col, size_t cols, uint32_t verdict)
{
	attr_t had = mvinch((int)row, (int)col) & A_REVERSE;

	if (verdict < AUDIT_VERDICTS && verdict != AUDIT_ALLOW)
		had |= A_BOLD;
	mvchgat((int)row, (int)col, (int)cols, had, (short)verdict, NULL);
}

void watch_screen_draw(struct watch_ui *u, bool all)
{
	struct watch_paper p = {
		.rows = (size_t)LINES, .cols = (size_t)COLS, .line = on_line, .verdict = on_verdict
	};
	struct timespec now;

	if (left)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	erase();
	watch_ui_draw(u, &p, (uint64_t)now.tv_sec * 1000000000);
	if (all)
		clearok(curscr, TRUE);
	refresh();
}
