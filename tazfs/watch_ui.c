#include "tazfs/watch_ui.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "enclave/base/secret.h"
#include "enclave/base/utf8.h"

static void wipe(char **text)
{
	if (*text)
		secret_wipe(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

int watch_ui_init(struct watch_ui *u)
{
	*u = (struct watch_ui){ 0 };
	return watch_model_init(&u->m);
}

void watch_ui_done(struct watch_ui *u)
{
	wipe(&u->off);
	wipe(&u->said);
	wipe(&u->page);
	watch_model_done(&u->m);
}

int watch_ui_line(struct watch_ui *u, const char *line, size_t size, char *mem)
{
	struct audit_record r;

	return audit_parse(line, size, mem, &r) < 0 ? 0 : watch_model_add(&u->m, &r);
}

/* Without memory there is no text: that is seen, and no more. */
static char *printable(const char *text)
{
	struct audit_out o = { .room = 4 * strlen(text) };

	o.data = calloc(1, o.room + 1);
	if (o.data)
		audit_put_name(&o, text);
	return o.data;
}

static void leave_page(struct watch_ui *u)
{
	wipe(&u->page);
	u->answers = false;
	u->mode = MODE_LIST;
	u->from = 0;
}

void watch_ui_off(struct watch_ui *u, const char *why)
{
	if (!u->off) {
		leave_page(u);
		watch_model_clear(&u->m);
	}
	wipe(&u->off);
	u->off = printable(why);
}

void watch_ui_on(struct watch_ui *u)
{
	wipe(&u->off);
}

void watch_ui_say(struct watch_ui *u, const char *text)
{
	wipe(&u->said);
	u->said = printable(text);
}

/* --- pages --------------------------------------------------------------------------------------
 */

static const char help_text[] =
	"Each row is what one process did with one file: when last, the verdict, how often, "
	"what for (r read, w write, c create, d delete, x execute, l list), and the program. "
	"The newest is on top, and stays chosen while nothing else is.\n"
	"\n"
	"  !deny !hide !decoy   refused\n"
	"  ?ask                 a person was asked\n"
	"  ~deny                audit-only: would have been refused\n"
	"   allow               only with a policy that says audit-all\n"
	"\n"
	"  up, down, k, j       choose a row        Enter   all that is known of it\n"
	"  page keys, g, G      further             d       a rule that denies it\n"
	"  /                    rows with a text    !       only what was not allowed\n"
	"  l                    lock the vault      a       what a person has answered,\n"
	"  Escape               all rows again              and take it back\n"
	"  ^L                   draw again          q       quit\n"
	"\n"
	"To watch keeps no vault open: the time to lock goes on.\n";

static void turn_to(struct watch_ui *u, char *page)
{
	if (!page)
		return;
	leave_page(u);
	u->page = page;
	u->mode = MODE_PAGE;
}

void watch_ui_answers(struct watch_ui *u, const char *text)
{
	char *page = strdup(text);

	if (!page)
		return;
	utf8_clean(page, "\n");
	turn_to(u, page);
	u->answers = true;
}

/* Room for a row's strings, four times, and for words between. */
static struct audit_out page_for(const struct watch_row *row)
{
	struct audit_out o = { .room = 4 * row->bytes + 8192 };

	o.data = calloc(1, o.room + 1);
	if (!o.data)
		o.full = true;
	return o;
}

static void show_row(struct watch_ui *u)
{
	const struct watch_row *row = watch_model_selected(&u->m);
	struct audit_out o;

	if (!row)
		return;
	o = page_for(row);
	watch_details(&o, row);
	turn_to(u, o.data);
}

static void show_rule(struct watch_ui *u)
{
	const struct watch_row *row = watch_model_selected(&u->m);
	struct audit_out o;
	const char *why;

	if (!row)
		return;
	o = page_for(row);
	why = watch_rule(&o, &row->r);
	if (why) {
		watch_ui_say(u, why);
		free(o.data);
		return;
	}
	audit_puts(&o, "\n\nThis rule denies that, when it stands before the rules that allow it. "
		       "Nothing has been changed: 'tazfs policy edit' puts it in force, with the "
		       "passphrase.\n");
	turn_to(u, o.data);
}

/* --- keys ---------------------------------------------------------------------------------------
 */

#define CTRL(c) ((c)&31)

static void move_by(struct watch_ui *u, long by)
{
	if (u->mode != MODE_PAGE)
		watch_model_move(&u->m, by);
	else if (by < 0)
		u->from -= (size_t)-by < u->from ? (size_t)-by : u->from;
	else
		u->from += (size_t)by; /* as far as there is something: watch_ui_draw() */
}

static bool moved(struct watch_ui *u, uint32_t key)
{
	long page = u->seen > 1 ? (long)u->seen - 1 : 1;
	const struct {
		uint32_t keys[3];
		long by;
	} moves[] = {
		{ { KEY_IS_UP, 'k', CTRL('P') }, -1 },
		{ { KEY_IS_DOWN, 'j', CTRL('N') }, 1 },
		{ { KEY_IS_PAGE_UP, CTRL('B') }, -page },
		{ { KEY_IS_PAGE_DOWN, CTRL('F'), ' ' }, page },
		{ { KEY_IS_HOME, 'g' }, -INT_MAX },
		{ { KEY_IS_END, 'G' }, INT_MAX },
	};

	for (size_t i = 0; i < sizeof(moves) / sizeof(*moves); i++)
		for (int k = 0; k < 3; k++)
			if (moves[i].keys[k] == key) {
				move_by(u, moves[i].by);
				return true;
			}
	return false;
}

static void begin_to_type(struct watch_ui *u)
{
	memcpy(u->before, u->m.filter, sizeof(u->before));
	u->mode = MODE_TYPE;
}

static enum watch_want key_in_list(struct watch_ui *u, uint32_t key)
{
	switch (key) {
	case 'q':
		return WANT_QUIT;
	case 'l':
		u->mode = MODE_LOCK;
		break;
	case '/':
		begin_to_type(u);
		break;
	case '!':
		watch_model_denied(&u->m, !u->m.denied);
		break;
	case KEY_IS_ESCAPE:
		watch_model_denied(&u->m, false);
		watch_model_filter(&u->m, "");
		break;
	case KEY_IS_ENTER:
		if (u->off)
			return WANT_RETRY;
		show_row(u);
		break;
	case 'd':
		show_rule(u);
		break;
	case 'a':
		u->number = 0;
		return WANT_ANSWERS;
	case '?':
	case 'h':
		turn_to(u, strdup(help_text));
		break;
	default:
		break;
	}
	return WANT_NOTHING;
}

/* What can't be seen when it is typed isn't taken. */
static void append(char *text, uint32_t key)
{
	mbstate_t state = { 0 };
	char bytes[MB_LEN_MAX];
	size_t had = strlen(text), n;

	if (key >= KEY_IS_UP || wcwidth((wchar_t)key) < 1)
		return;
	n = wcrtomb(bytes, (wchar_t)key, &state);
	if (n == (size_t)-1 || had + n >= WATCH_FILTER)
		return;
	memcpy(text + had, bytes, n);
	text[had + n] = '\0';
}

static void drop_last(char *text)
{
	size_t last = 0;
	mbstate_t state = { 0 };

	for (size_t at = 0; text[at];) {
		size_t n = mbrlen(text + at, strlen(text + at), &state);

		last = at;
		at += n && n <= MB_LEN_MAX ? n : 1;
	}
	text[last] = '\0';
}

/* The rows follow what is typed. */
static void key_in_filter(struct watch_ui *u, uint32_t key)
{
	char text[WATCH_FILTER];

	memcpy(text, u->m.filter, sizeof(text));
	if (key == KEY_IS_ENTER || key == KEY_IS_ESCAPE)
		u->mode = MODE_LIST;
	if (key == KEY_IS_ESCAPE)
		memcpy(text, u->before, sizeof(text));
	else if (key == CTRL('U'))
		*text = '\0';
	else if (key == KEY_IS_BACKSPACE)
		drop_last(text);
	else
		append(text, key);
	watch_model_filter(&u->m, text);
}

static enum watch_want key_in_number(struct watch_ui *u, uint32_t key)
{
	if (key >= '0' && key <= '9' && u->number < UINT32_MAX / 10) {
		u->number = u->number * 10 + (key - '0');
	} else if (key == KEY_IS_BACKSPACE) {
		u->number /= 10;
	} else if (key == KEY_IS_ENTER || key == KEY_IS_ESCAPE) {
		u->mode = MODE_PAGE;
		if (key == KEY_IS_ENTER && u->number)
			return WANT_ANSWERS;
	}
	return WANT_NOTHING;
}

static void key_in_page(struct watch_ui *u, uint32_t key)
{
	if (moved(u, key))
		return;
	if (!u->answers || key != 'r') {
		leave_page(u);
		return;
	}
	u->number = 0;
	u->mode = MODE_TAKE;
}

enum watch_want watch_ui_key(struct watch_ui *u, uint32_t key)
{
	wipe(&u->said);
	if (key == CTRL('L'))
		return WANT_REDRAW;
	switch (u->mode) {
	case MODE_TYPE:
		key_in_filter(u, key);
		return WANT_NOTHING;
	case MODE_LOCK:
		u->mode = MODE_LIST;
		return key == 'y' || key == 'Y' ? WANT_LOCK : WANT_NOTHING;
	case MODE_PAGE:
		key_in_page(u, key);
		return WANT_NOTHING;
	case MODE_TAKE:
		return key_in_number(u, key);
	case MODE_LIST:
		break;
	}
	return moved(u, key) ? WANT_NOTHING : key_in_list(u, key);
}
