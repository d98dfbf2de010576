#include "tazfs/former.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct former {
	unsigned n_programs;  /* does not change */
	bool *watched;	      /* does not change */
	pthread_mutex_t lock; /* guards what follows */
	unsigned *n_files;    /* of each program: how many there have been at its path */
	unsigned n_rows;      /* the most of them */
	bool lost;	      /* there were more than there is room for */
	/*
	 * FORMER_MAX rows of n_programs: the first file of each, the second... Where a program had
	 * fewer its last one stands, so that a row is a time as far as one path at a time changes.
	 */
	struct file_id *rows;
};

static struct former *empty(const struct policy *p, unsigned n)
{
	struct former *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	pthread_mutex_init(&f->lock, NULL);
	f->n_programs = n;
	f->watched = calloc(n + 1, sizeof(*f->watched));
	f->n_files = calloc(n + 1, sizeof(*f->n_files));
	f->rows = calloc((size_t)FORMER_MAX * n + 1, sizeof(*f->rows));
	if (!f->watched || !f->n_files || !f->rows) {
		former_free(f);
		return NULL;
	}
	for (unsigned i = 0; i < n; i++)
		f->watched[i] = policy_watches(p, i);
	return f;
}

static struct file_id *row_of(const struct former *f, unsigned row)
{
	return f->rows + (size_t)row * f->n_programs;
}

/* What is known of a path, whatever place it had among the programs. */
static void inherit(struct former *f, const char *const *programs, const struct former *old,
		    const char *const *old_programs)
{
	f->n_rows = old->n_rows;
	f->lost = old->lost;
	for (unsigned i = 0; i < f->n_programs; i++)
		for (unsigned o = 0; o < old->n_programs; o++) {
			if (strcmp(programs[i], old_programs[o]))
				continue;
			f->n_files[i] = old->n_files[o];
			for (unsigned row = 0; row < FORMER_MAX; row++)
				row_of(f, row)[i] = row_of(old, row)[o];
		}
}

struct former *former_new(const struct policy *p, const struct former *old,
			  const struct policy *old_policy)
{
	const char *const *programs, *const *old_programs;
	struct former *f = empty(p, policy_programs(p, &programs));

	if (f && old) {
		policy_programs(old_policy, &old_programs);
		inherit(f, programs, old, old_programs);
	}
	return f;
}

void former_free(struct former *f)
{
	if (!f)
		return;
	pthread_mutex_destroy(&f->lock);
	free(f->watched);
	free(f->n_files);
	free(f->rows);
	free(f);
}

static bool is_known(const struct former *f, unsigned program, const struct file_id *id)
{
	for (unsigned row = 0; row < f->n_files[program]; row++) {
		const struct file_id *was = row_of(f, row) + program;

		if (was->ino == id->ino && was->dev == id->dev)
			return true;
	}
	return false;
}

static void remember_one(struct former *f, unsigned program, const struct file_id *id)
{
	unsigned row = f->n_files[program];

	if (row == FORMER_MAX) {
		f->lost = true;
		return;
	}
	f->n_files[program]++;
	if (f->n_rows < f->n_files[program])
		f->n_rows = f->n_files[program];
	for (; row < FORMER_MAX; row++)
		row_of(f, row)[program] = *id;
}

/* Only a file that was never there counts: to go back and forth between two fills nothing. */
static void remember(struct former *f, const struct file_id *programs)
{
	for (unsigned i = 0; i < f->n_programs; i++)
		if (f->watched[i] && programs[i].ino && !is_known(f, i, &programs[i]))
			remember_one(f, i, &programs[i]);
}

struct policy_who former_who(struct former *f, const struct policy *p, const struct facts *facts,
			     const struct file_id *programs)
{
	struct policy_who who = policy_who(p, facts, programs);

	if (!f) {
		policy_who_before(p, facts, NULL, &who);
		return who;
	}
	pthread_mutex_lock(&f->lock);
	remember(f, programs);
	for (unsigned row = 0; row < f->n_rows; row++)
		policy_who_before(p, facts, row_of(f, row), &who);
	if (f->lost)
		policy_who_before(p, facts, NULL, &who);
	pthread_mutex_unlock(&f->lock);
	return who;
}
