/* What of "tazfs watch" is where. */
#include <stdlib.h>
#include <string.h>

#include "tazfs/watch_ui.h"

/* One line, cut or filled. @text: printable */
static void put(const struct watch_paper *p, size_t row, const char *text, size_t size,
		enum watch_style style)
{
	char one[WATCH_LINE_MAX], fit[WATCH_LINE_MAX];
	struct audit_out o = { .data = fit, .room = sizeof(fit) - 1 };

	size = size < sizeof(one) ? size : sizeof(one) - 1;
	memcpy(one, text, size);
	one[size] = '\0';
	watch_fit(&o, one, p->cols, WATCH_BEGIN);
	fit[o.n] = '\0';
	p->line(p->arg, row, fit, style);
}

/* The longest begin of a line of @n bytes that ends with a blank; all of it when there is none. */
static size_t whole_words(const char *line, size_t n)
{
	for (size_t i = n; i > n / 2; i--)
		if (line[i - 1] == ' ')
			return i;
	return n;
}

/* How much of @text is its next line on paper: up to its end, or as many words, or as much as
 * fits. *@ret_skip: with its newline. At least one byte, so that it ends on any paper. */
static size_t next_line(const char *text, size_t cols, size_t *ret_skip)
{
	size_t whole = strcspn(text, "\n"), n;
	char one[WATCH_LINE_MAX];

	n = whole < sizeof(one) ? whole : sizeof(one) - 1;
	memcpy(one, text, n);
	one[n] = '\0';
	n = watch_cut(one, cols, NULL);
	if (!n && whole)
		n = 1;
	if (n < whole)
		n = whole_words(text, n);
	*ret_skip = n + (n == whole && text[n] == '\n');
	return n;
}

static size_t count_lines(const char *text, size_t cols)
{
	size_t lines = 0, skip;

	for (; *text; text += skip, lines++)
		next_line(text, cols, &skip);
	return lines;
}

static void draw_text(const struct watch_paper *p, const char *text, size_t skip_lines,
		      size_t first, size_t end)
{
	size_t skip, n;

	for (size_t i = 0; *text && first < end; text += skip, i++) {
		n = next_line(text, p->cols, &skip);
		if (i >= skip_lines)
			put(p, first++, text, n, WATCH_PLAIN);
	}
}

static void draw_page(struct watch_ui *u, const struct watch_paper *p, size_t first, size_t end)
{
	size_t lines = count_lines(u->page, p->cols), last = lines > u->seen ? lines - u->seen : 0;

	if (u->from > last)
		u->from = last;
	draw_text(p, u->page, u->from, first, end);
}

static const char *nothing_yet(const struct watch_ui *u)
{
	if (u->m.n)
		return "No row has that. Escape shows all of them.\n";
	return "Nothing has been recorded yet.\n\nWhat a policy refuses is recorded, and what it "
	       "allows, too, when it says audit-all: 'tazfs policy edit'.\n";
}

static void draw_off(struct watch_ui *u, const struct watch_paper *p, size_t first, size_t end)
{
	static const char format[] =
		"\n\nWhat was shown here has been forgotten. It begins again by itself when the "
		"vault is unlocked for this session (^Z, enclave unlock, fg); Enter tries at once.\n";
	char *text = malloc(strlen(u->off) + sizeof(format));

	if (!text)
		return;
	strcpy(text, u->off);
	strcat(text, format);
	draw_text(p, text, 0, first, end);
	free(text);
}

static void draw_row(const struct watch_ui *u, const struct watch_paper *p, size_t i, size_t row,
		     uint64_t now_ns)
{
	char text[WATCH_LINE_MAX];
	struct audit_out o = { .data = text, .room = sizeof(text) - 1 };
	size_t cols = WATCH_VERDICT_COLS;

	watch_line(&o, u->m.shown[i], p->cols, now_ns);
	text[o.n] = '\0';
	p->line(p->arg, row, text, i == u->m.at ? WATCH_CHOSEN : WATCH_PLAIN);
	if (p->cols <= WATCH_VERDICT_AT || !u->m.shown[i]->r.verdict)
		return;
	if (cols > p->cols - WATCH_VERDICT_AT)
		cols = p->cols - WATCH_VERDICT_AT;
	p->verdict(p->arg, row, WATCH_VERDICT_AT, cols, u->m.shown[i]->r.verdict);
}

/* The chosen row is always on the paper. */
static void draw_rows(struct watch_ui *u, const struct watch_paper *p, size_t first, size_t end,
		      uint64_t now_ns)
{
	size_t n = u->m.n_shown, last = n > u->seen ? n - u->seen : 0;

	if (u->from > last)
		u->from = last;
	if (u->from > u->m.at)
		u->from = u->m.at;
	if (u->from + u->seen <= u->m.at)
		u->from = u->m.at - u->seen + 1;
	for (size_t i = u->from; i < n && first < end; i++)
		draw_row(u, p, i, first++, now_ns);
}

static void draw_body(struct watch_ui *u, const struct watch_paper *p, size_t first, size_t end,
		      uint64_t now_ns)
{
	u->seen = end - first;
	if (u->page)
		draw_page(u, p, first, end);
	else if (u->off)
		draw_off(u, p, first, end);
	else if (!u->m.n_shown)
		draw_text(p, nothing_yet(u), 0, first, end);
	else
		draw_rows(u, p, first, end, now_ns);
}

static void put_filter(struct audit_out *o, const struct watch_model *m)
{
	if (m->denied)
		audit_puts(o, "not allowed only  ");
	if (*m->filter) {
		audit_puts(o, "/");
		audit_put_name(o, m->filter);
		audit_puts(o, "  ");
	}
	if (m->denied || *m->filter) {
		audit_put_number(o, m->n_shown);
		audit_puts(o, " of ");
		audit_put_number(o, m->n);
		audit_puts(o, " rows  ");
	}
	if (m->gone) {
		audit_put_number(o, m->gone);
		audit_puts(o, " older left out  ");
	}
}

static void draw_keys(const struct watch_ui *u, const struct watch_paper *p, size_t row)
{
	char text[4 * WATCH_FILTER + 256];
	struct audit_out o = { .data = text, .room = sizeof(text) - 1 };
	enum watch_style style = WATCH_KEYS;

	if (u->mode == MODE_LOCK) {
		audit_puts(&o,
			   "Lock the vault now, whatever is open?  y: lock   any other key: no");
		style = WATCH_QUESTION;
	} else if (u->mode == MODE_TYPE) {
		audit_puts(&o, "/");
		audit_put_name(&o, u->m.filter);
		audit_puts(&o, "_   Enter: keep it   Escape: as before");
		style = WATCH_QUESTION;
	} else if (u->mode == MODE_TAKE) {
		audit_puts(&o, "Take back which answer?  ");
		if (u->number)
			audit_put_number(&o, u->number);
		audit_puts(&o, "_   Enter: take it back   Escape: no");
		style = WATCH_QUESTION;
	} else if (u->mode == MODE_PAGE) {
		audit_puts(&o, u->answers ? "r: take one back   " : "");
		audit_puts(&o, "up, down: scroll   any other key: back");
	} else {
		put_filter(&o, &u->m);
		audit_puts(
			&o,
			"q quit  l lock  Enter more  d rule  a answers  / filter  ! not allowed  ? help");
	}
	text[o.n] = '\0';
	if (u->said && u->mode == MODE_LIST)
		put(p, row, u->said, strlen(u->said), WATCH_QUESTION);
	else
		put(p, row, text, o.n, style);
}

static void draw_top(const struct watch_ui *u, const struct watch_paper *p, bool head)
{
	char text[WATCH_LINE_MAX];
	struct audit_out o = { .data = text, .room = sizeof(text) - 1 };

	watch_title(&o, u->has_status ? &u->st : NULL, p->cols);
	text[o.n] = '\0';
	p->line(p->arg, 0, text, WATCH_TITLE);
	if (!head)
		return;
	o.n = 0;
	watch_head(&o, p->cols);
	text[o.n] = '\0';
	p->line(p->arg, 1, text, WATCH_HEAD);
}

/* On few rows the least important line goes first: the head, the title, the keys. A question is
 * never left out. */
void watch_ui_draw(struct watch_ui *u, const struct watch_paper *p, uint64_t now_ns)
{
	bool asks = u->mode != MODE_LIST && u->mode != MODE_PAGE;
	size_t keys = p->rows >= 2 || asks, title = p->rows >= 3, head = p->rows >= 5;

	if (!p->rows || !p->cols)
		return;
	if (title)
		draw_top(u, p, head);
	draw_body(u, p, title + head, p->rows - keys, now_ns);
	if (keys)
		draw_keys(u, p, p->rows - 1);
}
