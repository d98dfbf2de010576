#include <errno.h>
#include <stdlib.h>

#include "enclave/base/fd.h"
#include "tazfs/caller_priv.h"

#define STAMP_ONE (UINT64_C(1) << 32)

int callers_new(struct sessions *sessions, struct callers **ret)
{
	struct callers *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->sessions = sessions;
	c->stamp = STAMP_ONE;
	r = peek_init(&c->peek);
	if (r < 0) {
		free(c);
		return r;
	}
	pthread_rwlock_init(&c->rules, NULL);
	pins_init(&c->pins);
	known_init(c);
	*ret = c;
	return 0;
}

void callers_free(struct callers *c)
{
	if (!c)
		return;
	known_done(c);
	peek_done(&c->peek);
	pins_done(&c->pins);
	pthread_rwlock_destroy(&c->rules);
	free(c);
}

void callers_set_classifier(struct callers *c, unsigned needs, callers_classify_t *fn, void *arg)
{
	pthread_rwlock_wrlock(&c->rules);
	c->fn = fn;
	c->arg = arg;
	atomic_store(&c->stamp, (atomic_load(&c->stamp) / STAMP_ONE + 1) * STAMP_ONE + needs);
	pthread_rwlock_unlock(&c->rules);
}

/* False: the classifier is another one by now. */
static bool classify(struct callers *c, uint64_t stamp, const struct facts *facts,
		     struct policy_who *ret)
{
	bool current;

	pthread_rwlock_rdlock(&c->rules);
	current = atomic_load(&c->stamp) == stamp;
	if (current && c->fn)
		c->fn(c->arg, facts, ret);
	pthread_rwlock_unlock(&c->rules);
	return current;
}

static int look_and_judge(struct callers *c, pid_t tid, uint64_t stamp, struct caller *ret)
{
	autoclose int procfd = -EBADF;
	struct ask a = { .c = c, .pins = &c->pins, .needs = (uint32_t)stamp };
	struct facts facts;
	struct known k;
	int r = facts_read(&a, tid, &k, &facts, &procfd);

	if (r < 0)
		return r;
	if (!classify(c, stamp, &facts, &k.who))
		return -EAGAIN;
	k.stamp = stamp;
	*ret = (struct caller){ .tid = tid,
				.tgid = k.kin.pid,
				.start = k.kin.start,
				.session = k.kin.session,
				.open = k.now.open,
				.who = k.who };
	known_remember(&a, &k, &procfd);
	return 0;
}

struct caller caller_look(struct callers *c, pid_t tid)
{
	struct caller who = { 0 };

	for (int i = 0; i < CALLER_TRIES && tid > 0; i++) {
		uint64_t stamp = atomic_load(&c->stamp);
		int r;

		if (known_recall(c, tid, stamp, &who))
			return who;
		r = look_and_judge(c, tid, stamp, &who);
		if (r == 0)
			return who;
		if (r != -EAGAIN)
			break;
	}
	return (struct caller){ .tid = tid > 0 ? tid : 0 };
}

int callers_facts(struct callers *c, pid_t tid, unsigned needs, struct facts *ret)
{
	struct callers *fresh = NULL; /* a memory of its own, that knows nothing */
	int r = tid <= 0 ? -ESRCH : callers_new(c->sessions, &fresh);

	for (int i = 0; i < CALLER_TRIES && (r == 0 || r == -EAGAIN); i++) {
		autoclose int procfd = -EBADF;
		struct ask a = { .c = fresh, .pins = &c->pins, .needs = needs };
		struct known k;

		r = facts_read(&a, tid, &k, ret, &procfd);
		if (r == 0)
			break;
	}
	callers_free(fresh);
	return r == -EAGAIN ? -ESRCH : r;
}
