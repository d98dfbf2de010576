#include "tazfs/audit_show.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "enclave/base/size.h"

#define NS 1000000000ULL

bool audit_filter_fits(const struct audit_filter *f, const struct audit_record *r)
{
	uint64_t last = r->last_ns ? r->last_ns : r->time_ns;

	if (last < f->since_ns)
		return false;
	return !f->denied || (r->verdict && r->verdict != AUDIT_ALLOW);
}

/* The whole text, and a day and an hour that there are. */
static bool parse_moment(const char *text, const char *form, bool utc, time_t *ret)
{
	struct tm tm = { .tm_isdst = -1 }, was;
	const char *end = strptime(text, form, &tm);

	if (!end || strcmp(end, utc ? "Z" : ""))
		return false;
	was = tm;
	*ret = utc ? timegm(&tm) : mktime(&tm);
	return *ret > 0 && was.tm_mday == tm.tm_mday && was.tm_mon == tm.tm_mon;
}

int audit_since(const char *text, uint64_t now_ns, uint64_t *ret_ns)
{
	static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M",
					     "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S" };
	const char *at = text;
	unsigned sec;
	time_t t;

	if (duration_parse(text, &sec) == 0) {
		*ret_ns = now_ns > sec * NS ? now_ns - sec * NS : 0;
		return 0;
	}
	/* As it stands in the log. */
	if (audit_get_time(&at, text + strlen(text), ret_ns) == 0 && !*at)
		return 0;
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		for (int utc = 0; utc < 2; utc++)
			if (parse_moment(text, forms[i], utc, &t)) {
				*ret_ns = (uint64_t)t * NS;
				return 0;
			}
	return -EINVAL;
}

/* --- a line -------------------------------------------------------------------------------------
 */

static const char *const verdict_color[AUDIT_VERDICTS] = {
	[AUDIT_DENY] = "\033[31m",  [AUDIT_HIDE] = "\033[35m", [AUDIT_DECOY] = "\033[1;31m",
	[AUDIT_ALLOW] = "\033[32m", [AUDIT_ASK] = "\033[33m",
};

static const char *const by_words[AUDIT_BYS] = {
	[AUDIT_BY_ANSWER] = "as answered",  [AUDIT_BY_TIMEOUT] = "nobody answered",
	[AUDIT_BY_GRANT] = "by a grant",    [AUDIT_BY_NOBODY] = "audit only",
	[AUDIT_BY_ALONE] = "nobody to ask",
};

static const char *const event_words[AUDIT_EVENTS] = {
	[AUDIT_FILE] = "a file of the log begins",
	[AUDIT_START] = "the view starts",
	[AUDIT_END] = "the view is locked",
	[AUDIT_REST] = "more of them, too many to be kept one by one",
	[AUDIT_NOTE] = "",
};

/* @from: 0 for the day and the time, or where the time alone begins */
#define TIME_ONLY 11

static void put_local(struct audit_out *o, uint64_t ns, size_t from)
{
	time_t sec = (time_t)(ns / NS);
	char text[64] = "";
	struct tm tm;

	if (localtime_r(&sec, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) > from)
		audit_puts(o, text + from);
}

static void pad(struct audit_out *o, size_t from, size_t width)
{
	for (size_t n = o->n - from; n < width && !o->full; n++)
		audit_puts(o, " ");
}

static void put_verdict(struct audit_out *o, uint32_t verdict, bool color)
{
	size_t from;

	if (color && verdict)
		audit_puts(o, verdict_color[verdict]);
	from = o->n;
	audit_puts(o, verdict ? audit_verdict_text[verdict] : "-");
	pad(o, from, 5);
	if (color && verdict)
		audit_puts(o, "\033[0m");
	audit_puts(o, "  ");
}

static void put_program(struct audit_out *o, const char *exe, uint32_t pid)
{
	if (exe)
		audit_put_name(o, exe);
	else
		audit_puts(o, "?");
	if (!pid)
		return;
	audit_puts(o, "[");
	audit_put_number(o, pid);
	audit_puts(o, "]");
}

static void put_caller(struct audit_out *o, const struct audit_record *r)
{
	if (!r->pid && !r->exe)
		return;
	audit_puts(o, "  ");
	put_program(o, r->exe, r->pid);
	if (r->script) {
		audit_puts(o, " ");
		audit_put_name(o, r->script);
	}
	for (uint32_t i = 0; i < r->n_chain && i < AUDIT_CHAIN_MAX; i++) {
		audit_puts(o, " < ");
		put_program(o, r->chain[i].exe, r->chain[i].pid);
	}
}

/* "(2 times until 08:15:00, rule 3, session 1, pts/3)" */
static void put_words(struct audit_out *o, const char **between, const char *words,
		      const char *name)
{
	audit_puts(o, *between);
	*between = ", ";
	audit_puts(o, words);
	if (name)
		audit_put_name(o, name);
}

static void put_word_number(struct audit_out *o, const char **between, const char *words,
			    uint64_t n)
{
	if (!n)
		return;
	put_words(o, between, words, NULL);
	audit_put_number(o, n);
}

static void put_details(struct audit_out *o, const struct audit_record *r)
{
	const char *between = "  (";

	if (r->count > 1) {
		put_word_number(o, &between, "", r->count);
		audit_puts(o, " times until ");
		put_local(o, r->last_ns, TIME_ONLY);
	}
	if (r->rule)
		put_word_number(o, &between, "rule ", r->rule);
	else if (r->event == AUDIT_DECISION && r->path && !r->by)
		put_words(o, &between, "no rule", NULL);
	if (r->by)
		put_words(o, &between, by_words[r->by], NULL);
	put_word_number(o, &between, "session ", r->session);
	if (r->tty)
		put_words(o, &between, "", r->tty);
	put_word_number(o, &between, "bytes of a line that was not whole, cut off: ", r->torn);
	if (*between == ',')
		audit_puts(o, ")");
}

bool audit_show_words(struct audit_out *o, const struct audit_record *r)
{
	size_t from = o->n;

	if (r->event) {
		audit_puts(o, event_words[r->event]);
		if (r->text) {
			audit_puts(o, o->n > from ? ": " : "");
			audit_put_name(o, r->text);
		}
		return true;
	}
	if (r->path)
		return false;
	audit_puts(o, r->pid ? "more of this process" : "more of processes of this program");
	audit_puts(o, ", too many to be kept one by one");
	return true;
}

static void put_what(struct audit_out *o, const struct audit_record *r)
{
	size_t from = o->n;

	if (audit_show_words(o, r))
		return;
	audit_put_name(o, r->op ? r->op : "?");
	pad(o, from, 8);
	audit_puts(o, "  ");
	audit_put_name(o, *r->path ? r->path : ".");
	if (r->to) {
		audit_puts(o, " -> ");
		audit_put_name(o, r->to);
	}
}

void audit_show(struct audit_out *o, const struct audit_record *r, bool color)
{
	put_local(o, r->time_ns, 0);
	audit_puts(o, "  ");
	put_verdict(o, r->verdict, color);
	put_what(o, r);
	if (color)
		audit_puts(o, "\033[2m");
	put_caller(o, r);
	put_details(o, r);
	if (color)
		audit_puts(o, "\033[0m");
}
