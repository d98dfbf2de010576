#include "tazfs/suggest_paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/base/utf8.h"
#include "tazfs/policy.h"

/* A slash comes before everything, so that a directory is followed by what is below it. */
static int char_order(unsigned char a, unsigned char b)
{
	a = a == '/' ? 1 : a == 1 ? '/' : a;
	b = b == '/' ? 1 : b == 1 ? '/' : b;
	return a - b;
}

int suggest_path_order(const char *a, const char *b)
{
	for (; *a && *a == *b; a++, b++)
		;
	return char_order((unsigned char)*a, (unsigned char)*b);
}

static bool is_below(const char *path, const char *dir, size_t len)
{
	return !len || (!strncmp(path, dir, len) && path[len] == '/');
}

/* --- units --------------------------------------------------------------------------------------
 */

struct units {
	struct suggest_unit *list;
	size_t n;
};

static void add(struct units *to, const struct suggest_use *use, unsigned may,
		enum suggest_shape shape)
{
	struct suggest_unit *last = to->n ? &to->list[to->n - 1] : NULL;

	/* Of one path the letters come together. */
	if (!last || last->len != strlen(use->path) || memcmp(last->path, use->path, last->len) ||
	    last->shape != shape) {
		last = &to->list[to->n++];
		*last = (struct suggest_unit){
			.path = use->path, .len = strlen(use->path), .shape = shape, .uses = 1
		};
	}
	last->may |= may;
	last->count += use->count;
	if (use->last_ns > last->last_ns)
		last->last_ns = use->last_ns;
}

/* What a use asks for in one of the shapes. */
static unsigned part_of(const struct suggest_use *use, enum suggest_shape shape)
{
	if (use->may == MAY_ALL)
		return shape == SUGGEST_TREE ? MAY_ALL : 0;
	return shape == SUGGEST_LISTED ? use->may & MAY_LIST
	       : shape == SUGGEST_SELF ? use->may & ~(unsigned)MAY_LIST
				       : 0;
}

static void add_all(struct units *to, const struct suggest_use *uses, size_t n,
		    enum suggest_shape shape)
{
	for (size_t i = 0; i < n; i++)
		if (part_of(&uses[i], shape))
			add(to, &uses[i], part_of(&uses[i], shape), shape);
}

static int unit_order(const void *a, const void *b)
{
	const struct suggest_unit *x = a, *y = b;
	int r = (x->may > y->may) - (x->may < y->may);

	r = r ? r : suggest_path_order(x->path, y->path);
	return r ? r : (int)y->shape - (int)x->shape;
}

/* --- folding ------------------------------------------------------------------------------------
 */

struct fold {
	struct suggest_unit *list; /* of the same letters, in order of their paths */
	suggest_keep_t *keep;
	void *arg;
};

static bool may_fold(const struct fold *f, const struct suggest_unit *u, size_t len)
{
	char *dir = strndup(u->path, len);
	bool may = dir && !f->keep(f->arg, dir);

	free(dir);
	return may;
}

/* All of them become the first one, which is the directory of that many bytes. */
static void fold_into(struct suggest_unit *list, size_t from, size_t to, size_t len)
{
	struct suggest_unit *first = &list[from];

	for (size_t i = from + 1; i < to; i++) {
		first->uses += list[i].uses;
		first->count += list[i].count;
		if (list[i].last_ns > first->last_ns)
			first->last_ns = list[i].last_ns;
		first->looked &= list[i].looked;
		list[i].uses = 0; /* gone */
	}
	first->len = len;
	first->shape = SUGGEST_TREE;
	first->folded = true;
}

/* Where the part that begins at @at ends. */
static size_t part_end(const struct suggest_unit *u, size_t at)
{
	const char *slash = memchr(u->path + at, '/', u->len - at);

	return slash ? (size_t)(slash - u->path) : u->len;
}

/* The units @from to @to are at or below the directory of the first @len bytes. What is below is
 * folded first; a path that is too deep for a rule is none for us either. */
static void fold(const struct fold *f, size_t from, size_t to, size_t len, unsigned depth)
{
	size_t names = 0;

	for (size_t i = from, next; i < to; i = next) {
		const struct suggest_unit *u = &f->list[i];
		size_t at = len ? len + 1 : 0, end;

		next = i + 1;
		if (u->len <= len)
			continue; /* the directory itself */
		end = part_end(u, at);
		while (next < to && f->list[next].len >= end &&
		       !memcmp(f->list[next].path, u->path, end) &&
		       (f->list[next].len == end || f->list[next].path[end] == '/'))
			next++;
		if (next - i > 1 && depth < 64)
			fold(f, i, next, end, depth + 1);
		names++;
	}
	if (len && names > SUGGEST_SIBLINGS && may_fold(f, &f->list[from], len))
		fold_into(f->list, from, to, len);
}

static void drop_gone(struct units *of)
{
	size_t n = 0;

	for (size_t i = 0; i < of->n; i++)
		if (of->list[i].uses)
			of->list[n++] = of->list[i];
	of->n = n;
}

/* Each run of the same letters by itself; trees stand for themselves already. */
static void fold_all(struct units *of, suggest_keep_t *keep, void *arg)
{
	size_t from = 0, to;

	qsort(of->list, of->n, sizeof(*of->list), unit_order);
	for (; from < of->n; from = to) {
		struct fold f = { .list = of->list + from, .keep = keep, .arg = arg };

		for (to = from + 1; to < of->n && of->list[to].may == of->list[from].may; to++)
			;
		fold(&f, 0, to - from, 0, 0);
	}
	drop_gone(of);
}

/* --- looks --------------------------------------------------------------------------------------
 */

static int shown_order(const void *a, const void *b)
{
	const struct suggest_unit *x = a, *y = b;
	size_t len = x->len < y->len ? x->len : y->len;
	int r = len ? memcmp(x->path, y->path, len) : 0;

	r = r ? r : (x->len > y->len) - (x->len < y->len);
	return r ? r : (int)x->shape - (int)y->shape;
}

/* Is there a unit of exactly that path and shape? */
static bool has(const struct units *of, const char *path, size_t len, enum suggest_shape shape)
{
	const struct suggest_unit key = { .path = path, .len = len, .shape = shape };

	return of->n && bsearch(&key, of->list, of->n, sizeof(key), shown_order);
}

/* Does a directory above show it, because all below it or the names in it are allowed? */
static bool is_shown(const struct units *by, const char *path)
{
	size_t len = strlen(path), parent = len;

	while (parent && path[parent - 1] != '/')
		parent--;
	if (len && has(by, path, parent ? parent - 1 : 0, SUGGEST_LISTED))
		return true;
	for (size_t i = 1; i <= len; i++)
		if ((i == len || path[i] == '/') && has(by, path, i, SUGGEST_TREE))
			return true;
	return false;
}

/* Whoever may do anything with it, or sees something below it, sees it, too. */
static bool leads_on(const struct suggest_use *uses, size_t n, size_t i)
{
	for (size_t k = i; k < n; k++) {
		if (strcmp(uses[k].path, uses[i].path) != 0)
			return is_below(uses[k].path, uses[i].path, strlen(uses[i].path));
		if (uses[k].may)
			return true;
	}
	return false;
}

static void add_looks(struct units *to, const struct units *by, const struct suggest_use *uses,
		      size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (uses[i].may || leads_on(uses, n, i) || is_shown(by, uses[i].path))
			continue;
		add(to, &uses[i], MAY_LIST, SUGGEST_SELF);
		to->list[to->n - 1].looked = true;
	}
}

/* --- together -----------------------------------------------------------------------------------
 */

int suggest_units(const struct suggest_use *uses, size_t n, suggest_keep_t *keep, void *arg,
		  struct suggest_unit **ret, size_t *ret_n)
{
	struct units all = { 0 }, lists = { 0 }, shown = { 0 };

	/* SELF and LISTED of each, or TREE; and what shows something once more, to look it up. */
	all.list = calloc(5 * n + 1, sizeof(*all.list));
	if (!all.list)
		return -ENOMEM;
	add_all(&all, uses, n, SUGGEST_SELF);
	fold_all(&all, keep, arg);
	add_all(&all, uses, n, SUGGEST_TREE);
	lists.list = all.list + all.n;
	add_all(&lists, uses, n, SUGGEST_LISTED);
	shown = (struct units){ .list = lists.list + lists.n + n, .n = all.n + lists.n };
	memcpy(shown.list, all.list, shown.n * sizeof(*shown.list));
	qsort(shown.list, shown.n, sizeof(*shown.list), shown_order);
	add_looks(&lists, &shown, uses, n);
	fold_all(&lists, keep, arg);
	all.n += lists.n;
	qsort(all.list, all.n, sizeof(*all.list), unit_order);
	*ret = all.list;
	*ret_n = all.n;
	return 0;
}

/* --- text ---------------------------------------------------------------------------------------
 */

/* A character that a text can't hold, or that can't be seen there, is any one character. */
static size_t put_char(struct audit_out *o, const char *s, size_t left, bool is_first)
{
	size_t n = utf8_length(s, left);

	if (*s != '\\' && (!n || audit_plain(s) != n)) {
		audit_puts(o, "?");
		return n ? n : 1;
	}
	if (strchr("\\*?[\"',", *s) || (is_first && strchr("#~", *s)))
		audit_puts(o, "\\");
	audit_put(o, s, n);
	return n;
}

void suggest_put_word(struct audit_out *o, const char *before, const char *path, size_t len,
		      const char *more)
{
	const char *quote = memchr(path, ' ', len) ? "\"" : "";

	audit_puts(o, quote);
	audit_puts(o, before);
	for (size_t i = 0; i < len;)
		i += put_char(o, path + i, len - i, !i);
	audit_puts(o, more);
	audit_puts(o, quote);
}

unsigned suggest_put_unit(struct audit_out *o, const struct suggest_unit *u)
{
	static const char *const more[] = {
		[SUGGEST_SELF] = "", [SUGGEST_LISTED] = "", [SUGGEST_TREE] = "/**"
	};

	if (!u->len) {
		audit_puts(o, u->shape == SUGGEST_LISTED ? ". *" : ".");
		return u->shape == SUGGEST_LISTED ? 2 : 1;
	}
	suggest_put_word(o, "", u->path, u->len, more[u->shape]);
	if (u->shape != SUGGEST_LISTED)
		return 1;
	audit_puts(o, " ");
	suggest_put_word(o, "", u->path, u->len, "/*");
	return 2;
}
