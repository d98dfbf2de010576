#include "launcher/question.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define COLS_MIN 40
#define LABEL	 12 /* columns */
#define MAY_BITS 6

/* Foreign bytes only ever get into here by put_shown(). */
struct canvas {
	char *buf;
	size_t at, size;
	unsigned row, col, rows, cols; /* row and col from 1; rows: the last one to write to */
	bool full;
};

static const char *const operations[MAY_BITS] = { "read",   "write",   "create",
						  "delete", "execute", "list" };

/* --- drawing ---------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void put(struct canvas *c, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(c->buf + c->at, c->size - c->at, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= c->size - c->at)
		c->full = true;
	else
		c->at += n;
}

/* By its place, not by line feeds: a program may have set margins. */
static void go(struct canvas *c, unsigned row, unsigned col)
{
	c->row = row;
	c->col = col;
	if (row > c->rows)
		c->full = true;
	else
		put(c, "\033[%u;%uH", row, col);
}

static void begin_line(struct canvas *c, const char *label)
{
	go(c, c->row + 1, 2);
	put(c, "%s", label);
	go(c, c->row, 2 + LABEL);
}

static bool is_plain(unsigned char b)
{
	return b >= 0x20 && b < 0x7f && b != '\'' && b != '\\';
}

/* Breaks lines itself: where a terminal does it is up to the program's modes. A cell is one
 * character or one \xHH, and is never torn apart. */
static void put_cell(struct canvas *c, unsigned char b)
{
	unsigned width = is_plain(b) ? 1 : 4;

	if (c->col + width > c->cols + 1)
		go(c, c->row + 1, 2 + LABEL);
	if (is_plain(b))
		put(c, "%c", b);
	else
		put(c, "\\x%02x", b);
	c->col += width;
}

static void put_quote(struct canvas *c)
{
	if (c->col > c->cols)
		go(c, c->row + 1, 2 + LABEL);
	put(c, "'");
	c->col++;
}

static void put_shown(struct canvas *c, const char *text)
{
	put_quote(c);
	for (; *text && !c->full; text++)
		put_cell(c, *text);
	put_quote(c);
}

static void put_field(struct canvas *c, const char *label, const char *text)
{
	begin_line(c, label);
	put_shown(c, text);
}

static void put_operations(struct canvas *c, uint32_t may)
{
	begin_line(c, "wants to");
	for (unsigned i = 0; i < MAY_BITS; i++) {
		const char *between = may >> (i + 1) ? ", " : "";
		unsigned width = strlen(operations[i]) + strlen(between);

		if (!(may & (1u << i)))
			continue;
		if (c->col + width > c->cols + 1)
			go(c, c->row + 1, 2 + LABEL);
		put(c, "%s%s", operations[i], between);
		c->col += width;
	}
}

/* Two lines: 64 digits and the label are more than many a terminal has columns. */
static void put_hash(struct canvas *c, const struct question *q)
{
	begin_line(c, "SHA-256");
	if (!q->hashed) {
		put(c, "not known");
		return;
	}
	for (unsigned i = 0; i < QUESTION_HASH; i++) {
		if (c->col + 2 > c->cols + 1)
			go(c, c->row + 1, 2 + LABEL);
		put(c, "%02x", q->hash[i]);
		c->col += 2;
	}
}

/* What must be seen: without it nobody knows what he says yes to. */
static void put_needed(struct canvas *c, const struct question *q)
{
	char pid[16];

	go(c, 1, 2);
	put(c, "taz: may this program have a secret?");
	c->row++;
	put_operations(c, q->may);
	put_field(c, "file", q->path);
	put_field(c, "program", q->exe);
	if (*q->script)
		put_field(c, "script", q->script);
	snprintf(pid, sizeof(pid), "%u", q->pid);
	begin_line(c, "process");
	put(c, "%s", pid);
	put_hash(c, q);
}

/* What helps, as far as there is room: a text that does not fit is taken back to three dots. */
static bool put_helpful(struct canvas *c, const char *label, const char *text, bool more)
{
	struct canvas before = *c;

	put_field(c, label, text);
	if (!c->full && more && c->col + 4 <= c->cols + 1)
		put(c, " ...");
	if (!c->full)
		return true;
	*c = before;
	if (c->row < c->rows) {
		begin_line(c, label);
		put(c, "...");
	}
	return false;
}

static void put_rest(struct canvas *c, const struct question *q)
{
	bool room = !*q->args || put_helpful(c, "says it is", q->args, q->more_args);

	for (uint32_t i = 0; room && i < q->n_chain; i++)
		room = put_helpful(c, i ? "" : "started by", q->chain[i],
				   q->more_chain && i + 1 == q->n_chain);
}

#define STRING(x)  STRING_(x)
#define STRING_(x) #x

/* Two where there is room for them beside each other, or one that is for some questions only. */
static const struct {
	uint32_t offer; /* 0: always */
	const char *text, *beside;
} choices[] = {
	{ 0, "o  yes, this once", "p  yes, to this process" },
	{ QUESTION_OFFERS_SESSION,
	  "s  yes, to it in this session, " STRING(QUESTION_SESSION_MIN) " min", NULL },
	{ QUESTION_OFFERS_SESSION, "2-" STRING(QUESTION_TIMES_MAX) "  yes, to it so many times",
	  NULL },
	{ QUESTION_OFFERS_PROGRAM, "h  yes, to this SHA-256, until the lock", NULL },
	{ 0, "n  no, not this process", "e  never, until the lock" },
};

#define CHOICES	    (sizeof(choices) / sizeof(*choices))
#define BESIDE	    27 /* columns behind the first */
#define CHOICES_COL 52 /* columns that two take, with the margin */

static bool is_beside(unsigned cols)
{
	return cols >= CHOICES_COL;
}

/* How many lines put_foot() takes. */
static unsigned foot_rows(uint32_t offers, unsigned cols)
{
	unsigned rows = 2;

	for (size_t i = 0; i < CHOICES; i++)
		if (!choices[i].offer || choices[i].offer & offers)
			rows += choices[i].beside && !is_beside(cols) ? 2 : 1;
	return rows;
}

static void put_choice(struct canvas *c, const char *text, const char *beside)
{
	go(c, c->row + 1, 2);
	put(c, "%s", text);
	if (beside && is_beside(c->cols))
		go(c, c->row, 2 + BESIDE);
	else if (beside)
		go(c, c->row + 1, 2);
	if (beside)
		put(c, "%s", beside);
}

static void put_foot(struct canvas *c, uint32_t offers, unsigned left_sec, char typed)
{
	for (size_t i = 0; i < CHOICES; i++)
		if (!choices[i].offer || choices[i].offer & offers)
			put_choice(c, choices[i].text, choices[i].beside);
	go(c, c->row + 1, 2);
	put(c, "Without an answer in %u s: no.", left_sec);
	go(c, c->row + 1, 2);
	put(c, "A letter or digit, then Enter: ");
	if (typed)
		put(c, "%c", typed);
}

ssize_t question_draw(const struct question *q, unsigned rows, unsigned cols, unsigned left_sec,
		      char typed, char *buf, size_t size)
{
	struct canvas c = { .buf = buf, .size = size, .cols = cols };
	unsigned foot = foot_rows(q->offers, cols);

	if (rows <= foot || cols < COLS_MIN)
		return -ENOSPC;
	c.rows = rows - foot - 1; /* one is left free */
	put(&c, "\033[2J");
	put_needed(&c, q);
	put_rest(&c, q);
	c.rows = rows;
	c.row++;
	put_foot(&c, q->offers, left_sec, typed);
	return c.full ? -ENOSPC : (ssize_t)c.at;
}

/* --- the keys --------------------------------------------------------------------------------- */

#define QUIET_NS (QUESTION_QUIET_MS * 1000000ULL)
#define CTRL_C	 3
#define CTRL_D	 4
#define BS	 8
#define ESC	 27
#define DEL	 127

static const struct {
	char letter;
	enum question_answer answer;
} letters[] = {
	{ 'o', QUESTION_ONCE },	   { 'p', QUESTION_PROCESS }, { 's', QUESTION_SESSION },
	{ 'h', QUESTION_PROGRAM }, { 'n', QUESTION_NO },      { 'e', QUESTION_NEVER },
};

static enum question_answer times_of(const struct question_keys *k, char digit)
{
	uint32_t answer = QUESTION_TIMES + (uint32_t)(digit - '0');

	return question_offers(k->offers, answer) ? answer : QUESTION_OPEN;
}

static enum question_answer answer_of(const struct question_keys *k, char letter)
{
	if (letter >= '0' && letter <= '9')
		return times_of(k, letter);
	for (size_t i = 0; i < sizeof(letters) / sizeof(*letters); i++)
		if (letters[i].letter == letter && question_offers(k->offers, letters[i].answer))
			return letters[i].answer;
	return QUESTION_OPEN;
}

static void new_line(struct question_keys *k)
{
	k->letter = 0;
	k->spoilt = false;
}

void question_keys_begin(struct question_keys *k, uint32_t offers, uint64_t now_ns)
{
	*k = (struct question_keys){ .quiet_ns = now_ns + QUIET_NS, .offers = offers };
}

static void on_letter(struct question_keys *k, uint8_t b)
{
	if (k->letter || k->spoilt || answer_of(k, (char)b) == QUESTION_OPEN) {
		k->letter = 0;
		k->spoilt = true;
	} else {
		k->letter = (char)b;
	}
}

static enum question_answer on_key(struct question_keys *k, uint8_t b)
{
	enum question_answer answer = QUESTION_OPEN;

	switch (b) {
	case CTRL_C:
	case CTRL_D:
		return QUESTION_NO;
	case '\r':
	case '\n':
		answer = k->letter ? answer_of(k, k->letter) : QUESTION_OPEN;
		new_line(k);
		return answer;
	case BS:
	case DEL:
		new_line(k);
		return QUESTION_OPEN;
	default:
		on_letter(k, b);
		return QUESTION_OPEN;
	}
}

enum question_answer question_keys_feed(struct question_keys *k, const uint8_t *buf, size_t n,
					uint64_t now_ns)
{
	/* Typed for the program, or held down: until it stops nothing is meant for us. A report of
	 * the terminal, a key that moves and a paste in brackets all have an ESC. */
	if (now_ns < k->quiet_ns || memchr(buf, ESC, n)) {
		if (n)
			question_keys_begin(k, k->offers, now_ns);
		return QUESTION_OPEN;
	}
	for (size_t i = 0; i < n; i++) {
		enum question_answer answer = on_key(k, buf[i]);

		if (answer != QUESTION_OPEN)
			return answer;
	}
	return QUESTION_OPEN;
}

char question_typed(const struct question_keys *k)
{
	return k->spoilt ? '?' : k->letter;
}
