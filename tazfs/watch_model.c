#include "tazfs/watch_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/base/hash.h"
#include "enclave/base/secret.h"
#include "tazfs/audit_show.h"

int watch_model_init(struct watch_model *m)
{
	*m = (struct watch_model){ .rows = calloc(WATCH_ROWS, sizeof(*m->rows)),
				   .shown = calloc(WATCH_ROWS, sizeof(*m->shown)) };
	if (m->rows && m->shown)
		return 0;
	watch_model_done(m);
	return -ENOMEM;
}

/* Names of secrets are no secrets, but nobody needs them any longer. */
static void row_free(struct watch_model *m, struct watch_row *row)
{
	m->bytes -= row->bytes;
	secret_wipe(row, row->bytes);
	free(row);
}

void watch_model_clear(struct watch_model *m)
{
	for (size_t i = 0; i < m->n; i++)
		row_free(m, m->rows[i]);
	m->n = m->n_shown = m->at = 0;
	m->gone = 0;
	m->selected = NULL;
}

void watch_model_done(struct watch_model *m)
{
	watch_model_clear(m);
	free(m->rows);
	free(m->shown);
	*m = (struct watch_model){ 0 };
}

/* --- a row --------------------------------------------------------------------------------------
 */

/* The strings of a record, each with its place in it. */
static const size_t strings[] = {
	offsetof(struct audit_record, op),   offsetof(struct audit_record, path),
	offsetof(struct audit_record, to),   offsetof(struct audit_record, exe),
	offsetof(struct audit_record, text), offsetof(struct audit_record, script),
	offsetof(struct audit_record, tty),
};

#define N_STRINGS (sizeof(strings) / sizeof(*strings))
#define N_SAME	  6 /* the first of them make records the same; not the terminal */

static const char *string_of(const struct audit_record *r, size_t i)
{
	return *(const char *const *)(const void *)((const char *)r + strings[i]);
}

static const char *keep(char **at, const char *text)
{
	size_t size = text ? strlen(text) + 1 : 0;
	char *copy = *at;

	if (!text)
		return NULL;
	memcpy(copy, text, size);
	*at += size;
	return copy;
}

static uint32_t chain_of(const struct audit_record *r)
{
	return r->n_chain < AUDIT_CHAIN_MAX ? r->n_chain : AUDIT_CHAIN_MAX;
}

static size_t bytes_of(const struct audit_record *r)
{
	size_t n = sizeof(struct watch_row);

	for (size_t i = 0; i < N_STRINGS; i++)
		n += string_of(r, i) ? strlen(string_of(r, i)) + 1 : 0;
	for (uint32_t i = 0; i < chain_of(r); i++)
		n += r->chain[i].exe ? strlen(r->chain[i].exe) + 1 : 0;
	return n;
}

static struct watch_row *row_new(const struct audit_record *r)
{
	size_t bytes = bytes_of(r);
	struct watch_row *row = malloc(bytes);
	char *at;

	if (!row)
		return NULL;
	*row = (struct watch_row){ .r = *r,
				   .count = r->count ? r->count : 1,
				   .first_ns = r->time_ns,
				   .last_ns = r->last_ns ? r->last_ns : r->time_ns,
				   .bytes = bytes };
	at = row->mem;
	for (size_t i = 0; i < N_STRINGS; i++)
		*(const char **)(void *)((char *)&row->r + strings[i]) = keep(&at, string_of(r, i));
	row->r.n_chain = chain_of(r);
	for (uint32_t i = 0; i < row->r.n_chain; i++)
		row->r.chain[i].exe = keep(&at, r->chain[i].exe);
	row->r.prev = row->r.mac = NULL; /* the caller's, and not shown */
	return row;
}

/* It spares comparisons, no more: whose hash is the same is compared. So it needs no secret key. */
static uint64_t hash_of(const struct audit_record *r)
{
	static const uint8_t key[HASH_SHORT_KEY];
	const uint32_t numbers[] = { r->event, r->verdict, r->by, r->pid };
	uint64_t h = hash_short(key, 0, numbers, sizeof(numbers));

	for (size_t i = 0; i < N_SAME; i++) {
		const char *s = string_of(r, i);

		h = hash_short(key, h, s ? s : "", s ? strlen(s) + 1 : 0);
	}
	return h;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool is_repeat(const struct watch_row *row, const struct audit_record *r, uint64_t hash)
{
	if (row->hash != hash || row->r.event != r->event || row->r.verdict != r->verdict ||
	    row->r.by != r->by || row->r.pid != r->pid)
		return false;
	for (size_t i = 0; i < N_SAME; i++)
		if (!same_text(string_of(&row->r, i), string_of(r, i)))
			return false;
	return true;
}

/* --- which rows ---------------------------------------------------------------------------------
 */

static bool holds(const char *name, const char *text)
{
	struct audit_out o;
	bool found;

	if (!name)
		return false;
	if (strstr(name, text))
		return true;
	o = (struct audit_out){ .room = 4 * strlen(name) };
	o.data = malloc(o.room + 1);
	if (!o.data)
		return false;
	audit_put_name(&o, name);
	o.data[o.n] = '\0';
	found = strstr(o.data, text);
	secret_wipe(o.data, o.n);
	free(o.data);
	return found;
}

static bool fits(const struct watch_model *m, const struct audit_record *r)
{
	const struct audit_filter f = { .denied = m->denied };

	if (!audit_filter_fits(&f, r))
		return false;
	if (!*m->filter || (r->verdict && r->verdict < AUDIT_VERDICTS &&
			    holds(audit_verdict_text[r->verdict], m->filter)))
		return true;
	for (size_t i = 0; i < N_STRINGS; i++)
		if (holds(string_of(r, i), m->filter))
			return true;
	return false;
}

/* The selection stays with its row; when that is gone, at its place. */
static void list(struct watch_model *m)
{
	bool found = false;

	m->n_shown = 0;
	for (size_t i = m->n; i-- > 0;) {
		if (!m->rows[i]->fits)
			continue;
		if (m->rows[i] == m->selected) {
			m->at = m->n_shown;
			found = true;
		}
		m->shown[m->n_shown++] = m->rows[i];
	}
	if (!m->selected)
		m->at = 0;
	else if (!found)
		watch_model_move(m, 0);
}

static void choose(struct watch_model *m)
{
	for (size_t i = 0; i < m->n; i++)
		m->rows[i]->fits = fits(m, &m->rows[i]->r);
	list(m);
}

void watch_model_filter(struct watch_model *m, const char *text)
{
	size_t n = strnlen(text, WATCH_FILTER - 1);

	memmove(m->filter, text, n); /* it may be the filter */
	m->filter[n] = '\0';
	choose(m);
}

void watch_model_denied(struct watch_model *m, bool denied)
{
	m->denied = denied;
	choose(m);
}

void watch_model_move(struct watch_model *m, long by)
{
	long last = (long)m->n_shown - 1, to = (long)m->at;

	/* Not their sum: @by may be as large as it gets. */
	if (by > last - to)
		to = last;
	else if (by < -to)
		to = 0;
	else
		to += by;
	m->at = to > 0 ? (size_t)to : 0;
	m->selected = m->at ? m->shown[m->at] : NULL;
}

const struct watch_row *watch_model_selected(const struct watch_model *m)
{
	return m->n_shown ? m->shown[m->at] : NULL;
}

/* --- one more -----------------------------------------------------------------------------------
 */

static struct watch_row *take_out(struct watch_model *m, size_t i)
{
	struct watch_row *row = m->rows[i];

	m->n--;
	memmove(m->rows + i, m->rows + i + 1, (m->n - i) * sizeof(*m->rows));
	return row;
}

static void make_room(struct watch_model *m, size_t bytes)
{
	while (m->n && (m->n == WATCH_ROWS || m->bytes + bytes > WATCH_BYTES)) {
		struct watch_row *row = take_out(m, 0);

		m->gone += row->count;
		row_free(m, row);
	}
}

static void fold(struct watch_model *m, struct watch_row *row)
{
	for (size_t i = m->n; i-- > 0;) {
		struct watch_row *old = m->rows[i];

		if (!is_repeat(old, &row->r, row->hash))
			continue;
		row->count += old->count;
		if (old->first_ns < row->first_ns)
			row->first_ns = old->first_ns;
		if (old->last_ns > row->last_ns)
			row->last_ns = old->last_ns;
		if (m->selected == old)
			m->selected = row;
		row_free(m, take_out(m, i));
		return;
	}
}

int watch_model_add(struct watch_model *m, const struct audit_record *r)
{
	struct watch_row *row;

	if (r->event == AUDIT_FILE)
		return 0;
	row = row_new(r);
	if (!row)
		return -ENOMEM;
	row->hash = hash_of(r);
	row->fits = fits(m, r);
	fold(m, row);
	make_room(m, row->bytes);
	m->rows[m->n++] = row;
	m->bytes += row->bytes;
	list(m);
	return 0;
}
