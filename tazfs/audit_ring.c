#include "tazfs/audit_ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "enclave/base/secret.h"

/* The strings of a record, in the order in which they lie behind it. */
static const struct {
	size_t at; /* in struct audit_record */
	size_t max;
	bool same; /* two decisions with another one are not the same */
} texts[] = {
	{ offsetof(struct audit_record, op), AUDIT_SHORT_MAX, true },
	{ offsetof(struct audit_record, path), AUDIT_PATH_MAX, true },
	{ offsetof(struct audit_record, to), AUDIT_PATH_MAX, true },
	{ offsetof(struct audit_record, text), AUDIT_SHORT_MAX, true },
	{ offsetof(struct audit_record, exe), AUDIT_EXE_MAX, false },
	{ offsetof(struct audit_record, script), AUDIT_EXE_MAX, false },
	{ offsetof(struct audit_record, tty), AUDIT_SHORT_MAX, false },
};

#define TEXTS (sizeof(texts) / sizeof(*texts))

struct entry {
	uint64_t hash, tick, time_ns, last_ns, count, start, program;
	uint32_t size; /* to the next entry */
	uint32_t event, verdict, by, rule, pid, key_pid, session, doubt, n_chain;
	uint32_t text[TEXTS]; /* from the entry's beginning; 0: none */
	struct {
		uint32_t pid, exe;
	} chain[]; /* then the strings */
};

#define ENTRY_MAX                                                                    \
	(sizeof(struct entry) + 2 * (AUDIT_PATH_MAX + 1) + 2 * (AUDIT_EXE_MAX + 1) + \
	 3 * (AUDIT_SHORT_MAX + 1) + AUDIT_CHAIN_MAX * (AUDIT_SHORT_MAX + 1 + 8) + 8)

/* In the worst case a byte becomes five; numbers, names and the MAC take less than the rest. */
_Static_assert(ENTRY_MAX * 5 + 4096 < AUDIT_LINE_MAX, "each record fits a line");
_Static_assert(AUDIT_RING_BYTES / sizeof(struct entry) < AUDIT_RING_INDEX / 3 * 2, "a free place");

static const char *text_of(const struct audit_record *r, size_t i)
{
	return *(const char *const *)(const void *)((const char *)r + texts[i].at);
}

static struct entry *entry_at(const struct audit_ring *g, size_t at)
{
	return (struct entry *)(void *)(g->mem + at);
}

int audit_ring_init(struct audit_ring *g)
{
	void *mem = mmap(NULL, AUDIT_RING_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*g = (struct audit_ring){ 0 };
	if (mem == MAP_FAILED)
		return -ENOMEM;
	g->mem = mem;
	return 0;
}

void audit_ring_clear(struct audit_ring *g)
{
	secret_wipe(g->mem, g->used);
	memset(g->index, 0, sizeof(g->index));
	g->used = 0;
}

void audit_ring_done(struct audit_ring *g)
{
	if (!g->mem)
		return;
	audit_ring_clear(g);
	munmap(g->mem, AUDIT_RING_BYTES);
	g->mem = NULL;
}

/* --- finding ------------------------------------------------------------------------------------
 */

uint64_t audit_ring_hash(const uint8_t key[HASH_SHORT_KEY], const struct audit_record *r)
{
	const uint64_t numbers[] = { r->start, r->program, (uint64_t)r->key_pid << 32 | r->rule,
				     (uint64_t)r->event << 32 | r->verdict << 8 | r->by };
	uint64_t h = hash_short(key, 0, numbers, sizeof(numbers));

	for (size_t i = 0; i < TEXTS; i++)
		if (texts[i].same && text_of(r, i))
			h = hash_short(key, h + i + 1, text_of(r, i), strlen(text_of(r, i)));
	return h;
}

static bool is_same(const struct entry *e, const struct audit_record *r, uint64_t hash)
{
	if (e->hash != hash || e->key_pid != r->key_pid || e->start != r->start ||
	    e->program != r->program || e->verdict != r->verdict || e->rule != r->rule ||
	    e->event != r->event || e->by != r->by)
		return false;
	for (size_t i = 0; i < TEXTS; i++) {
		const char *text = text_of(r, i);

		if (!texts[i].same || (!text && !e->text[i]))
			continue;
		/* What was cut is told apart by its hash: nobody knows that hash's key. */
		if (!text || !e->text[i] ||
		    (strlen(text) <= texts[i].max && strcmp(text, (const char *)e + e->text[i])))
			return false;
	}
	return true;
}

/* Where in the index it is, or would be. */
static uint32_t *find(struct audit_ring *g, const struct audit_record *r, uint64_t hash)
{
	uint32_t i = (uint32_t)hash % AUDIT_RING_INDEX;

	while (g->index[i] && !is_same(entry_at(g, g->index[i] - 1), r, hash))
		i = (i + 1) % AUDIT_RING_INDEX;
	return &g->index[i];
}

bool audit_ring_repeat(struct audit_ring *g, const struct audit_record *r, uint64_t hash,
		       uint64_t window_ns)
{
	uint32_t place = *find(g, r, hash);
	struct entry *e;
	uint64_t apart;

	if (!place)
		return false;
	e = entry_at(g, place - 1);
	/* Two threads may come in another order than their times; a clock may be set back. */
	apart = r->time_ns > e->time_ns ? r->time_ns - e->time_ns : e->time_ns - r->time_ns;
	if (apart > window_ns)
		return false;
	e->count += r->count;
	if (r->time_ns > e->last_ns)
		e->last_ns = r->time_ns;
	e->tick = r->tick;
	return true;
}

/* --- adding -------------------------------------------------------------------------------------
 */

/* The end of a string that is too long, behind "...". Returns the place of its NUL + 1. */
static size_t put_text(char *to, const char *text, size_t max)
{
	size_t n = strlen(text);

	if (n <= max) {
		memcpy(to, text, n + 1);
		return n + 1;
	}
	strcpy(to, "...");
	strcpy(to + 3, text + n - (max - 3));
	return max + 1;
}

static size_t size_of(const char *text, size_t max)
{
	size_t n = text ? strlen(text) : 0;

	return text ? (n < max ? n : max) + 1 : 0;
}

static size_t need(const struct audit_record *r, uint32_t n_chain)
{
	size_t n = sizeof(struct entry) + n_chain * sizeof(((struct entry *)NULL)->chain[0]);

	for (size_t i = 0; i < TEXTS; i++)
		n += size_of(text_of(r, i), texts[i].max);
	for (uint32_t i = 0; i < n_chain; i++)
		n += size_of(r->chain[i].exe, AUDIT_SHORT_MAX);
	return (n + 7) & ~(size_t)7;
}

static void fill(struct entry *e, const struct audit_record *r)
{
	char *begin = (char *)e;
	size_t at = sizeof(*e) + e->n_chain * sizeof(e->chain[0]);

	for (size_t i = 0; i < TEXTS; i++) {
		if (!text_of(r, i))
			continue;
		e->text[i] = (uint32_t)at;
		at += put_text(begin + at, text_of(r, i), texts[i].max);
	}
	for (uint32_t i = 0; i < e->n_chain; i++) {
		e->chain[i].pid = r->chain[i].pid;
		e->chain[i].exe = r->chain[i].exe ? (uint32_t)at : 0;
		if (r->chain[i].exe)
			at += put_text(begin + at, r->chain[i].exe, AUDIT_SHORT_MAX);
	}
}

bool audit_ring_add(struct audit_ring *g, const struct audit_record *r, uint64_t hash)
{
	uint32_t n_chain = r->n_chain < AUDIT_CHAIN_MAX ? r->n_chain : AUDIT_CHAIN_MAX;
	size_t size = need(r, n_chain);
	struct entry *e;

	if (size > AUDIT_RING_BYTES - g->used)
		return false;
	*find(g, r, hash) = (uint32_t)g->used + 1;
	e = entry_at(g, g->used);
	*e = (struct entry){ .hash = hash,
			     .tick = r->tick,
			     .time_ns = r->time_ns,
			     .last_ns = r->time_ns,
			     .count = r->count,
			     .start = r->start,
			     .program = r->program,
			     .size = (uint32_t)size,
			     .event = r->event,
			     .verdict = r->verdict,
			     .by = r->by,
			     .rule = r->rule,
			     .pid = r->pid,
			     .key_pid = r->key_pid,
			     .session = r->session,
			     .doubt = r->doubt,
			     .n_chain = n_chain };
	fill(e, r);
	g->used += size;
	return true;
}

/* --- reading ------------------------------------------------------------------------------------
 */

bool audit_ring_counters(const struct audit_ring *g, size_t *at, struct audit_record *ret)
{
	const struct entry *e = entry_at(g, *at);

	if (*at >= g->used)
		return false;
	ret->tick = e->tick;
	ret->time_ns = e->time_ns;
	ret->last_ns = e->last_ns;
	ret->count = e->count;
	*at += e->size;
	return true;
}

bool audit_ring_next(const struct audit_ring *g, size_t *at, struct audit_record *ret)
{
	const struct entry *e = entry_at(g, *at);

	*ret = (struct audit_record){ 0 };
	if (!audit_ring_counters(g, at, ret))
		return false;
	ret->event = e->event;
	ret->verdict = e->verdict;
	ret->by = e->by;
	ret->rule = e->rule;
	ret->pid = e->pid;
	ret->session = e->session;
	ret->doubt = e->doubt;
	ret->n_chain = e->n_chain;
	for (size_t i = 0; i < TEXTS; i++)
		if (e->text[i])
			*(const char **)(void *)((char *)ret + texts[i].at) =
				(const char *)e + e->text[i];
	for (uint32_t i = 0; i < e->n_chain; i++) {
		ret->chain[i].pid = e->chain[i].pid;
		if (e->chain[i].exe)
			ret->chain[i].exe = (const char *)e + e->chain[i].exe;
	}
	return true;
}

/* --- the quota ----------------------------------------------------------------------------------
 */

struct audit_record audit_ring_whole(const struct audit_record *r, enum audit_level level)
{
	struct audit_record all = *r;

	all.op = all.path = all.to = NULL;
	all.rule = 0;
	/* What was refused and what would have been are never one number. */
	if (all.by != AUDIT_BY_NOBODY)
		all.by = AUDIT_BY_RULE;
	if (level == AUDIT_PROGRAM) {
		all.pid = all.key_pid = all.n_chain = 0;
		all.start = 0;
		all.script = all.tty = NULL;
	}
	return all;
}

static struct audit_share *share_of(struct audit_quota *q, const struct audit_record *r)
{
	struct audit_share *oldest = q->procs;

	for (struct audit_share *s = q->procs; s < q->procs + AUDIT_PROCS; s++) {
		if (s->pid == r->key_pid && s->start == r->start)
			return s;
		if (s->since_ns < oldest->since_ns)
			oldest = s;
	}
	*oldest = (struct audit_share){ .pid = r->key_pid, .start = r->start };
	return oldest;
}

static bool is_used_up(struct audit_share *s, uint64_t now_ns, unsigned limit, uint64_t window_ns)
{
	if (now_ns < s->since_ns || now_ns - s->since_ns > window_ns) {
		s->since_ns = now_ns;
		s->n = 0;
	}
	return s->n >= limit;
}

enum audit_level audit_quota_level(struct audit_quota *q, const struct audit_record *r, bool take,
				   unsigned limit, uint64_t window_ns)
{
	struct audit_share *own = share_of(q, r);
	bool process = is_used_up(own, r->time_ns, limit, window_ns);

	if (is_used_up(&q->all, r->time_ns, AUDIT_QUOTA_ALL * limit, window_ns))
		return AUDIT_PROGRAM;
	own->n += take && !process;
	q->all.n += take;
	return process ? AUDIT_PROCESS : AUDIT_OWN;
}
