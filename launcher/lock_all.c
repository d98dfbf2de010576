#include "launcher/lock_all.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/log.h"
#include "enclave/base/run.h"
#include "launcher/workshop.h"

#define RETRY_MS 300
#define TRIES	 5 /* what fails so often fails: nobody is held up for it */

struct shop {
	char name[WORKSHOP_NAME_MAX + 1];
	bool busy;	 /* it is neither locked nor given up */
	bool again;	 /* it was asked for once more while a lock was running */
	bool failed;	 /* it was given up */
	int tries;	 /* that have failed */
	pid_t pid;	 /* of the lock that runs, or 0: the next begins at @next_ms */
	int64_t next_ms; /* meaningful without a pid */
	int64_t end_ms;	 /* when it is given up */
};

struct lock_all {
	const char *root;
	struct shop *shops;
	size_t n;
};

struct lock_all *lock_all_new(const char *root)
{
	struct lock_all *a = calloc(1, sizeof(*a));

	if (a)
		a->root = root;
	return a;
}

void lock_all_free(struct lock_all *a)
{
	if (a)
		free(a->shops);
	free(a);
}

/* --- one ------------------------------------------------------------------------------------- */

static void give_up(struct shop *s)
{
	if (s->pid)
		kill(s->pid, SIGKILL); /* it is reaped as any other one */
	s->busy = s->again = false;
	s->failed = true;
	log_error("%s did not lock: 'tazlaunch lock --name %s' tells more", s->name, s->name);
}

static void failed(struct shop *s, int64_t now_ms)
{
	s->pid = 0;
	s->next_ms = now_ms + RETRY_MS;
	if (++s->tries == TRIES)
		give_up(s);
}

static void try_now(struct shop *s, int64_t now_ms)
{
	char *argv[] = { "tazlaunch", "lock", "--name", s->name, NULL };
	int r = run_start("/proc/self/exe", argv, environ,
			  &(struct run_fd){ STDERR_FILENO, STDERR_FILENO }, 1, &s->pid);

	s->again = false;
	if (r == 0)
		return;
	log_err(r, "start the lock of %s", s->name);
	failed(s, now_ms);
}

static void ask(struct shop *s, int64_t now_ms)
{
	s->end_ms = now_ms + LOCK_ALL_MS;
	s->busy = true;
	s->tries = 0;
	if (s->pid)
		s->again = true;
	else
		try_now(s, now_ms);
}

static void ended(struct shop *s, int status, int64_t now_ms)
{
	s->pid = 0;
	if (!s->busy)
		return;
	if (s->again)
		try_now(s, now_ms);
	else if (status == 0)
		s->busy = false;
	else
		failed(s, now_ms);
}

/* --- all ------------------------------------------------------------------------------------- */

static struct shop *find(struct lock_all *a, const char *name)
{
	struct shop *more;

	for (size_t i = 0; i < a->n; i++)
		if (!strcmp(a->shops[i].name, name))
			return &a->shops[i];
	more = reallocarray(a->shops, a->n + 1, sizeof(*more));
	if (!more)
		return NULL;
	a->shops = more;
	memset(&more[a->n], 0, sizeof(*more));
	strcpy(more[a->n].name, name); /* a workshop's name is short */
	return &more[a->n++];
}

/* One whose record can't be read may be up: it is tried, and tells. */
static int ask_one(struct lock_all *a, const char *name, int64_t now_ms)
{
	char dir[PATH_MAX];
	struct record rec;
	struct shop *s;

	if (!workshop_name_ok(name))
		return 0;
	if (snprintf(dir, sizeof(dir), "%s/%s", a->root, name) >= (int)sizeof(dir))
		return -ENAMETOOLONG;
	if (record_load(dir, &rec) == -ENOENT)
		return 0;
	s = find(a, name);
	if (!s)
		return -ENOMEM;
	ask(s, now_ms);
	return 0;
}

int lock_all_begin(struct lock_all *a, int64_t now_ms)
{
	DIR *d = opendir(a->root);
	int r = d ? 0 : -errno;

	/* Also of one that has been removed since: nobody asks for that any more. */
	for (size_t i = 0; i < a->n; i++)
		a->shops[i].failed = false;
	while (d) {
		const struct dirent *e;
		int one;

		errno = 0;
		e = readdir(d);
		one = e ? ask_one(a, e->d_name, now_ms) : -errno;
		if (one < 0)
			r = one;
		if (!e)
			break;
	}
	if (d)
		closedir(d);
	return r;
}

bool lock_all_busy(const struct lock_all *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->shops[i].busy)
			return true;
	return false;
}

bool lock_all_failed(const struct lock_all *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->shops[i].failed)
			return true;
	return false;
}

bool lock_all_ended(struct lock_all *a, pid_t pid, int status, int64_t now_ms)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->shops[i].pid == pid) {
			ended(&a->shops[i], status, now_ms);
			return true;
		}
	return false;
}

int64_t lock_all_next_ms(const struct lock_all *a)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < a->n; i++) {
		const struct shop *s = &a->shops[i];
		int64_t at = s->pid || s->end_ms < s->next_ms ? s->end_ms : s->next_ms;

		if (s->busy && at < next)
			next = at;
	}
	return next;
}

void lock_all_tick(struct lock_all *a, int64_t now_ms)
{
	for (size_t i = 0; i < a->n; i++) {
		struct shop *s = &a->shops[i];

		if (!s->busy)
			continue;
		if (now_ms >= s->end_ms)
			give_up(s);
		else if (!s->pid && now_ms >= s->next_ms)
			try_now(s, now_ms);
	}
}

void lock_all_tell(const struct lock_all *a, const char *when)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->shops[i].busy)
			log_error("%s is not locked, %s", a->shops[i].name, when);
}
