#include "tazfs/watch_text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include "enclave/base/secret.h"
#include "enclave/proto.h"
#include "tazfs/audit_show.h"
#include "tazfs/policy_parse.h"
#include "tazfs/policy_why.h"
#include "tazfs/suggest_paths.h"

#define NS 1000000000ULL

/* --- cutting ------------------------------------------------------------------------------------
 */

/* One character at *@text, which is moved behind it, as it is shown in @o (NULL: only counted).
 * What could change how its neighbours are seen has no width: its bytes are shown. Returns columns.
 */
static size_t put_char(struct audit_out *o, const char **text)
{
	static const char hex[] = "0123456789abcdef";
	const char *s = *text;
	mbstate_t state = { 0 };
	wchar_t c;
	size_t n = mbrtowc(&c, s, strlen(s), &state);
	int width = n && n <= MB_LEN_MAX ? wcwidth(c) : -1;
	char byte[4] = { '\\', 'x', hex[(unsigned char)*s >> 4], hex[*s & 15] };

	if (*s == '\\') { /* of audit_put_name(): \\ or \xNN */
		n = strnlen(s, s[1] == 'x' ? 4 : 2);
		width = (int)n;
	}
	*text += width > 0 ? n : 1;
	if (o)
		audit_put(o, width > 0 ? s : byte, width > 0 ? n : sizeof(byte));
	return width > 0 ? (size_t)width : sizeof(byte);
}

size_t watch_cut(const char *text, size_t cols, size_t *ret_cols)
{
	const char *at = text, *next = text;
	size_t used = 0;

	while (*next) {
		size_t more = put_char(NULL, &next);

		if (more > cols - used)
			break;
		used += more;
		at = next;
	}
	if (ret_cols)
		*ret_cols = used;
	return (size_t)(at - text);
}

static size_t put_until(struct audit_out *o, const char *text, const char *end)
{
	size_t used = 0;

	while (text < end)
		used += put_char(o, &text);
	return used;
}

/* The longest end of @text that fits into @cols columns. */
static const char *end_of(const char *text, size_t cols)
{
	size_t used, whole;

	watch_cut(text, SIZE_MAX, &whole);
	for (used = whole; used > cols;)
		used -= put_char(NULL, &text);
	return text;
}

void watch_fit(struct audit_out *o, const char *text, size_t cols, enum watch_keep keep)
{
	size_t n = watch_cut(text, cols, NULL), used;

	if (!cols)
		return;
	if (!text[n]) {
		used = put_until(o, text, text + n);
	} else if (keep == WATCH_END) {
		text = end_of(text, cols - 1);
		audit_puts(o, "<");
		used = 1 + put_until(o, text, text + strlen(text));
	} else {
		used = put_until(o, text, text + watch_cut(text, cols - 1, NULL));
		audit_puts(o, ">");
		used++;
	}
	while (used++ < cols)
		audit_puts(o, " ");
}

/* --- a row --------------------------------------------------------------------------------------
 */

enum { TIME, VERDICT, COUNT, OP, PROGRAM, WHAT, COLUMNS };

/* With the blank behind it; of the last two it depends. */
static const struct column {
	const char *name;
	size_t cols;
} columns[COLUMNS] = {
	[TIME] = { "last", 9 }, [VERDICT] = { "verdict", 8 }, [COUNT] = { "times", 7 },
	[OP] = { "may", 7 },	[PROGRAM] = { "program" },    [WHAT] = { "what" },
};

#define FIXED		31 /* of the first four together */
#define PROGRAM_LEAST	12 /* a program that has less is left out */
#define PROGRAM_PERCENT 40 /* of what is left */

static size_t cols_of(int column, size_t cols)
{
	size_t left = cols > FIXED ? cols - FIXED : 0, program = left * PROGRAM_PERCENT / 100;

	if (program < PROGRAM_LEAST)
		program = 0;
	return column == PROGRAM ? program : column == WHAT ? left - program : columns[column].cols;
}

/* Cut where the terminal ends, too. */
static void put_column(struct audit_out *o, int column, size_t cols, const char *text)
{
	size_t before = 0, width = cols_of(column, cols);

	for (int i = 0; i < column; i++)
		before += cols_of(i, cols);
	if (before >= cols || !width)
		return;
	if (width > cols - before)
		width = cols - before;
	watch_fit(o, text, column == WHAT ? width : width - 1,
		  column == PROGRAM ? WATCH_END : WATCH_BEGIN);
	if (column != WHAT)
		audit_puts(o, " ");
}

void watch_head(struct audit_out *o, size_t cols)
{
	for (int i = 0; i < COLUMNS; i++)
		put_column(o, i, cols, columns[i].name);
}

static void put_time(struct audit_out *o, uint64_t ns, uint64_t now_ns, size_t cols)
{
	time_t then = (time_t)(ns / NS), now = (time_t)(now_ns / NS);
	char text[32] = "";
	struct tm a, b;

	if (localtime_r(&then, &a) && localtime_r(&now, &b)) {
		bool today = a.tm_year == b.tm_year && a.tm_yday == b.tm_yday;

		if (!strftime(text, sizeof(text), today ? "%H:%M:%S" : "%d %b", &a))
			*text = '\0';
	}
	put_column(o, TIME, cols, text);
}

/* Behind a mark for what was refused, asked, or by audit-only only noted: a colour is not for all.
 */
static void put_verdict(struct audit_out *o, const struct audit_record *r, size_t cols)
{
	static const char marks[AUDIT_VERDICTS] = {
		[0] = ' ',	     [AUDIT_DENY] = '!', [AUDIT_HIDE] = '!',
		[AUDIT_DECOY] = '!', [AUDIT_ASK] = '?',	 [AUDIT_ALLOW] = ' ',
	};
	char text[16];
	struct audit_out t = { .data = text, .room = sizeof(text) - 1 };

	audit_puts(&t, r->by == AUDIT_BY_NOBODY ? "~" : (char[2]){ marks[r->verdict] });
	audit_puts(&t, r->verdict ? audit_verdict_text[r->verdict] : "-");
	text[t.n] = '\0';
	put_column(o, VERDICT, cols, text);
}

static void put_count(struct audit_out *o, uint64_t count, size_t cols)
{
	char text[24];
	struct audit_out t = { .data = text, .room = sizeof(text) - 1 };
	bool millions = count > 999999; /* exactly in the details */

	audit_put_number(&t, millions ? count / 1000000 : count);
	audit_puts(&t, millions ? "M" : "");
	text[t.n] = '\0';
	put_column(o, COUNT, cols, text);
}

static void put_program(struct audit_out *o, const struct audit_record *r, size_t cols,
			struct audit_out *t)
{
	t->n = 0;
	if (r->exe)
		audit_put_name(t, r->exe);
	else
		audit_puts(t, r->pid ? "?" : "");
	if (r->pid) {
		audit_puts(t, "[");
		audit_put_number(t, r->pid);
		audit_puts(t, "]");
	}
	if (r->script) {
		audit_puts(t, " ");
		audit_put_name(t, r->script);
	}
	t->data[t->n] = '\0';
	put_column(o, PROGRAM, cols, t->data);
}

static void put_what(struct audit_out *o, const struct audit_record *r, size_t cols,
		     struct audit_out *t)
{
	t->n = 0;
	if (!audit_show_words(t, r)) {
		audit_put_name(t, r->path && *r->path ? r->path : ".");
		if (r->to) {
			audit_puts(t, " -> ");
			audit_put_name(t, r->to);
		}
	}
	t->data[t->n] = '\0';
	put_column(o, WHAT, cols, t->data);
}

/* Room for all the strings of a row, with what is between them: a byte becomes four at most. Its
 * last byte is kept for a NUL. */
static bool room_for(const struct watch_row *row, struct audit_out *t)
{
	*t = (struct audit_out){ .room = 4 * row->bytes + 4096 };
	t->data = malloc(t->room + 1);
	return t->data;
}

static void room_free(struct audit_out *t)
{
	secret_wipe(t->data, t->room);
	free(t->data);
}

void watch_line(struct audit_out *o, const struct watch_row *row, size_t cols, uint64_t now_ns)
{
	const struct audit_record *r = &row->r;
	struct audit_out t;

	if (!room_for(row, &t))
		return;
	put_time(o, row->last_ns, now_ns, cols);
	put_verdict(o, r, cols);
	put_count(o, row->count, cols);
	put_column(o, OP, cols, !r->event && r->path && r->op ? r->op : "");
	put_program(o, r, cols, &t);
	put_what(o, r, cols, &t);
	room_free(&t);
}

void watch_details(struct audit_out *o, const struct watch_row *row)
{
	struct audit_record r = row->r;

	r.time_ns = row->first_ns;
	r.count = row->r.event && row->count == 1 ? 0 : row->count;
	r.last_ns = row->last_ns;
	audit_show(o, &r, false);
}

/* --- the title ----------------------------------------------------------------------------------
 */

static void put_status(struct audit_out *o, const struct watch_status *st)
{
	static const char *const locks[] = { [PROTO_LOCKED] = "locked",
					     [PROTO_OPENING] = "opening",
					     [PROTO_UNLOCKED] = "unlocked",
					     [PROTO_LOCKING] = "locking" };

	audit_puts(o, "vault ");
	audit_puts(o, st->lock < sizeof(locks) / sizeof(*locks) ? locks[st->lock] : "?");
	audit_puts(o, "  ");
	audit_put_number(o, st->sessions);
	audit_puts(o, st->sessions == 1 ? " session  " : " sessions  ");
	if (st->lock != PROTO_UNLOCKED)
		return;
	if (!st->idle_limit_sec) {
		audit_puts(o, "no idle lock");
		return;
	}
	audit_puts(o, "locks in ");
	audit_put_number(o, st->idle_left_sec / 60);
	audit_puts(o, " min ");
	audit_put_number(o, st->idle_left_sec % 60);
	audit_puts(o, " s");
}

void watch_title(struct audit_out *o, const struct watch_status *st, size_t cols)
{
	char text[160];
	struct audit_out t = { .data = text, .room = sizeof(text) - 1 };

	audit_puts(&t, "tazfs watch  ");
	if (st && !st->err)
		put_status(&t, st);
	else
		audit_puts(&t, st ? "the keeper does not answer" : "asking the keeper");
	text[t.n] = '\0';
	watch_fit(o, text, cols, WATCH_BEGIN);
}

/* --- a rule -------------------------------------------------------------------------------------
 */

/* The parser's word is the last one. */
static bool refuses(const char *text, size_t size)
{
	struct policy_error err;
	struct policy *p = NULL;
	bool good = policy_parse(text, size, &p, &err) == 0 && policy_rules(p) == 1 &&
		    p->rules[0].verdict == VERDICT_DENY;

	policy_free(p);
	return good;
}

static const char *no_rule(const struct audit_record *r)
{
	if (r->event || !r->verdict)
		return "that is no decision about a file";
	if (r->by == AUDIT_BY_NOBODY)
		return "the policy refuses it already, but for audit-only, which lets it pass";
	if (r->verdict != AUDIT_ALLOW && r->verdict != AUDIT_ASK)
		return "the policy refuses it already; 'tazfs policy suggest' writes rules that "
		       "allow";
	if (!r->path)
		return "these were too many to be kept one by one: no path is known";
	if (!r->exe)
		return "the program is not known, so no rule can name it";
	/* "-" means all of them in a rule, and no single thing that was done. */
	if (!r->op || !strcmp(r->op, "-") || !parse_may(r->op))
		return "no rule names that operation";
	return NULL;
}

const char *watch_rule(struct audit_out *o, const struct audit_record *r)
{
	const char *why = no_rule(r);
	struct suggest_unit unit;
	size_t from = o->n;

	if (why)
		return why;
	unit = (struct suggest_unit){ .path = r->path, .len = strlen(r->path) };
	audit_puts(o, "deny  session ");
	suggest_put_word(o, "exe=", r->exe, strlen(r->exe), "");
	if (r->script) {
		audit_puts(o, " ");
		suggest_put_word(o, "script=", r->script, strlen(r->script), "");
	}
	audit_puts(o, "  ");
	audit_puts(o, r->op);
	audit_puts(o, "  ");
	suggest_put_unit(o, &unit);
	return !o->full && refuses(o->data + from, o->n - from)
		       ? NULL
		       : "no rule of the language says that";
}
