/*
 * faults - kill (or stop) each of our processes, pairs of them and all, at the points of a life
 *
 *	faults [--ack fsync|save] [--kills N | --full] [--phase NAME] [--part I/N] [--seed S]
 *	       [--verbose]
 *	faults --left
 *
 * --left says what is left of a vault, and ends with 1 when something is: a check of the checks.
 *Runs as root in a machine of its own, with a vault that opens with /tmp/faults.pass. Prints a line
 *for each test and one with the numbers; status 1 when one failed.
 */
#include <errno.h>
#include <getopt.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enclave/base/size.h"
#include "tests/faults/kernel.h"
#include "tests/faults/scene.h"

#define POINTS_MAX  8192
#define KILLS_MAX   8192
#define FULL_POINTS 200 /* each process that lives there, each pair, and all */
#define TRIES	    3	/* of what was late */

struct args {
	const char *ack;
	long long kills, part, parts, seed;
	bool full, verbose, left;
	int phase; /* only strikes in that one; -1: in all */
};

struct plan {
	struct scene_point points[POINTS_MAX];
	unsigned n_points;
	struct strike list[KILLS_MAX];
	unsigned n;
};

struct tally {
	unsigned kills, missed, late, failed, slowest_ms, n_points;
	unsigned sets, seen_sets[ROLE_SETS];
	bool owed; /* nobody has got in since the last kill */
	char last[160];
};

/* --- the plan ----------------------------------------------------------------------------------
 */

static void plan_add(struct plan *p, unsigned at, unsigned set, int signal)
{
	if (p->n < KILLS_MAX && at && set)
		p->list[p->n++] = (struct strike){ .at = at, .set = set, .signal = signal };
}

/* The @k-th of @of points, evenly over those where all of @set live (and, but for PHASES, in
 * @phase). 0: there is none. */
static unsigned pick(const struct plan *p, unsigned set, enum phase phase, unsigned k, unsigned of)
{
	unsigned n = 0, want;

	for (int pass = 0; pass < 2; pass++) {
		want = pass ? (2 * k + 1) * n / (2 * of) : 0;
		n = 0;
		for (unsigned i = 0; i < p->n_points; i++) {
			const struct scene_point *sp = &p->points[i];

			if ((sp->point.alive & set) != set ||
			    (phase != PHASES && sp->phase != phase))
				continue;
			if (pass && n == want)
				return i + 1;
			n++;
		}
	}
	return 0;
}

static unsigned alive_at(const struct plan *p, unsigned at)
{
	return p->points[at - 1].point.alive;
}

/* Singles, pairs, and all, by turns. */
static void plan_short(struct plan *p, unsigned kills, unsigned seed)
{
	static const unsigned sets[] = {
		ROLE_BIT(ROLE_KEEPER),
		ROLE_BIT(ROLE_VIEW),
		ROLE_BIT(ROLE_WORKER),
		ROLE_BIT(ROLE_SAVER),
		ROLE_BIT(ROLE_CLIENT),
		ROLE_BIT(ROLE_KEEPER) | ROLE_BIT(ROLE_VIEW),
		ROLE_BIT(ROLE_KEEPER) | ROLE_BIT(ROLE_WORKER),
		ROLE_BIT(ROLE_VIEW) | ROLE_BIT(ROLE_SAVER),
		ROLE_BIT(ROLE_KEEPER) | ROLE_BIT(ROLE_SAVER),
		ROLE_BIT(ROLE_VIEW) | ROLE_BIT(ROLE_CLIENT),
		0, /* all */
	};
	unsigned n = sizeof(sets) / sizeof(*sets), of = (kills + n - 1) / n;

	for (unsigned i = 0; i < kills; i++) {
		unsigned k = (i / n + seed) % of;
		unsigned at = pick(p, sets[i % n], PHASES, k, of);

		plan_add(p, at, sets[i % n] ? sets[i % n] : at ? alive_at(p, at) : 0, SIGKILL);
	}
}

static void plan_every_set(struct plan *p, unsigned at)
{
	unsigned alive = alive_at(p, at);

	for (int role = 1; role < ROLES; role++)
		plan_add(p, at, alive & ROLE_BIT(role), SIGKILL);
	for (int a = 1; a < ROLES; a++)
		for (int b = a + 1; b < ROLES; b++)
			if ((alive & ROLE_BIT(a)) && (alive & ROLE_BIT(b)))
				plan_add(p, at, ROLE_BIT(a) | ROLE_BIT(b), SIGKILL);
	if (__builtin_popcount(alive) > 2)
		plan_add(p, at, alive, SIGKILL);
}

static void plan_full(struct plan *p)
{
	for (unsigned k = 0; k < FULL_POINTS; k++)
		plan_every_set(p, pick(p, 0, PHASES, k, FULL_POINTS));
}

/* ATTACKS A3: each stopped in each phase in which it lives. */
static void plan_stops(struct plan *p, unsigned each)
{
	for (int role = 1; role < ROLES; role++)
		for (int phase = 0; phase < PHASES; phase++)
			for (unsigned k = 0; k < each; k++)
				plan_add(p, pick(p, ROLE_BIT(role), phase, k, each), ROLE_BIT(role),
					 SIGSTOP);
}

/* Each where it matters most. */
static void plan_short_stops(struct plan *p)
{
	static const struct {
		enum role role;
		enum phase phase;
	} stops[] = { { ROLE_WORKER, PHASE_UNLOCK }, { ROLE_KEEPER, PHASE_USE },
		      { ROLE_VIEW, PHASE_USE },	     { ROLE_VIEW, PHASE_SAVE },
		      { ROLE_SAVER, PHASE_SAVE },    { ROLE_CLIENT, PHASE_USE } };

	for (size_t i = 0; i < sizeof(stops) / sizeof(*stops); i++)
		plan_add(p, pick(p, ROLE_BIT(stops[i].role), stops[i].phase, 0, 1),
			 ROLE_BIT(stops[i].role), SIGSTOP);
}

/* What the keeper bounds by itself: a worker that opens the vault and does not answer. */
static void plan_alone(struct plan *p)
{
	unsigned first = p->n;

	for (unsigned k = 0; k < 2; k++)
		plan_add(p, pick(p, ROLE_BIT(ROLE_WORKER), PHASE_UNLOCK, k, 2),
			 ROLE_BIT(ROLE_WORKER), SIGSTOP);
	for (; first < p->n; first++)
		p->list[first].alone = true;
}

/* --- the runs ----------------------------------------------------------------------------------
 */

static void describe(const struct strike *s, const struct scene_result *r, const struct plan *p,
		     char *buf, size_t size)
{
	char *call = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, r->at.syscall);

	snprintf(buf, size, "%s %s at point %u of %u (%s, %s of %s)",
		 s->signal == SIGKILL ? "killed" : "stopped", role_set_name(s->set), s->at,
		 p->n_points, phase_name(p->points[s->at - 1].phase), call ? call : "?",
		 role_name(r->at.caller));
	free(call);
}

static void blame(struct tally *t, const char *what, const char *why)
{
	printf("# faults: FAILED: %s: %s\n", what, why);
	t->failed++;
}

/* What this session found there is what the kill before it left. */
static void settle_debt(struct tally *t, const struct scene_result *r, bool must_get_in)
{
	if (!r->checked && must_get_in)
		blame(t, t->owed ? t->last : "before any kill", "the next unlock did not work");
	if (r->checked || must_get_in)
		t->owed = false;
}

static void verify(struct scene *s, struct tally *t)
{
	static const struct strike none = { 0 };
	struct scene_result r;

	if (!t->owed)
		return;
	scene_play(s, &none, NULL, 0, &r);
	if (r.failed[0])
		blame(t, t->last, r.failed);
	settle_debt(t, &r, true);
}

static void note(struct tally *t, const struct strike *k, const struct scene_result *r)
{
	t->kills++;
	if (!t->seen_sets[k->set]++)
		t->sets++;
	if (r->clean_ms > t->slowest_ms)
		t->slowest_ms = r->clean_ms;
}

/* Returns true when the machine was too slow to tell: it is to be done again. */
static bool strike_once(const struct args *a, struct scene *s, const struct plan *p,
			const struct strike *k, struct tally *t)
{
	struct scene_result r;

	/* Struck before the session looks, it would not tell whether the last kill did harm. */
	if (p->points[k->at - 1].phase == PHASE_UNLOCK)
		verify(s, t);
	scene_play(s, k, NULL, 0, &r);
	settle_debt(t, &r, !r.struck || p->points[k->at - 1].phase > PHASE_SAVE);
	if (!r.struck) {
		t->missed++;
		if (r.failed[0])
			blame(t, "a life without a strike", r.failed);
		return false;
	}
	describe(k, &r, p, t->last, sizeof(t->last));
	note(t, k, &r);
	t->owed = true;
	if (r.failed[0])
		blame(t, t->last, r.failed);
	else if (a->verbose || r.late)
		printf("# faults: %s: clean in %u ms, all in %u ms\n", t->last, r.clean_ms,
		       r.took_ms);
	return r.late && !r.failed[0];
}

/* A bound of seconds on a machine that others use too: what is late is late each time. */
static void strike_fairly(const struct args *a, struct scene *s, const struct plan *p,
			  const struct strike *k, struct tally *t)
{
	for (int i = 0; i < TRIES; i++) {
		if (!strike_once(a, s, p, k, t))
			return;
		t->late++;
	}
	blame(t, t->last, "it was late each time");
}

static bool is_in_phase(const struct args *a, const struct plan *p, const struct strike *k)
{
	return a->phase < 0 || (int)p->points[k->at - 1].phase == a->phase;
}

static void run_plan(const struct args *a, struct scene *s, struct plan *p, struct tally *t)
{
	static bool used[POINTS_MAX + 1];

	memset(used, 0, sizeof(used));
	for (unsigned i = 0; i < p->n; i++)
		if (i % a->parts == a->part && is_in_phase(a, p, &p->list[i])) {
			t->n_points += !used[p->list[i].at];
			used[p->list[i].at] = true;
			strike_fairly(a, s, p, &p->list[i], t);
			fflush(stdout);
		}
	verify(s, t);
}

static int report(const struct tally *t, const char *sentence)
{
	printf("%s - faults: %s (%u)\n", t->failed || !t->kills ? "not ok" : "ok", sentence,
	       t->kills);
	return t->failed || !t->kills ? 1 : 0;
}

static int kills(const struct args *a, struct scene *s, struct plan *p)
{
	struct tally t = { 0 };

	p->n = 0;
	if (a->full)
		plan_full(p);
	else
		plan_short(p, a->kills, a->seed);
	run_plan(a, s, p, &t);
	printf("# faults: %u points x %u sets, %u kills, failed %u, slowest clean-up %u ms (%u late and "
	       "repeated, %u missed)\n",
	       t.n_points, t.sets, t.kills, t.failed, t.slowest_ms, t.late, t.missed);
	return report(&t,
		      "whoever is killed at whatever point, it is a lock, the next unlock works "
		      "and all that was promised is there");
}

static int stops(const struct args *a, struct scene *s, struct plan *p)
{
	struct tally t = { 0 };

	p->n = 0;
	if (a->full) {
		plan_stops(p, 4);
		plan_alone(p);
	} else {
		plan_short_stops(p);
	}
	run_plan(a, s, p, &t);
	printf("# faults: %u points, %u stops, failed %u, slowest lock %u ms (%u late and repeated)\n",
	       t.n_points, t.kills, t.failed, t.slowest_ms, t.late);
	return report(&t, "whoever is stopped at whatever point, a lock that is asked for comes");
}

static int count(const struct args *a, struct scene *s, struct plan *p)
{
	static const struct strike none = { 0 };
	unsigned in[PHASES] = { 0 };
	struct scene_result r;

	for (int i = 0; i < 2; i++) /* the first one fills caches */
		scene_play(s, &none, p->points, POINTS_MAX, &r);
	if (r.failed[0] || !r.checked || !r.points) {
		printf("not ok - faults: a life without a fault (%s)\n", r.failed);
		return -EIO;
	}
	p->n_points = r.points < POINTS_MAX ? r.points : POINTS_MAX;
	for (unsigned i = 0; i < p->n_points; i++)
		in[p->points[i].phase]++;
	printf("# faults: a life has %u points: unlock %u, use %u, save %u, lock %u; %u ms\n",
	       p->n_points, in[0], in[1], in[2], in[3], r.took_ms);
	fflush(stdout);
	return 0;
}

/* --- arguments ---------------------------------------------------------------------------------
 */

static int parse_phase(const char *text, int *ret)
{
	for (int phase = 0; phase < PHASES; phase++)
		if (!strcmp(text, phase_name(phase))) {
			*ret = phase;
			return 0;
		}
	return -EINVAL;
}

static int parse_part(const char *text, struct args *a)
{
	return sscanf(text, "%lld/%lld", &a->part, &a->parts) == 2 && a->parts > 0 ? 0 : -EINVAL;
}

static int parse(int argc, char *argv[], struct args *a)
{
	static const struct option options[] = {
		{ "ack", required_argument, NULL, 'a' },
		{ "kills", required_argument, NULL, 'k' },
		{ "full", no_argument, NULL, 'f' },
		{ "part", required_argument, NULL, 'p' },
		{ "seed", required_argument, NULL, 's' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "left", no_argument, NULL, 'l' },
		{ "phase", required_argument, NULL, 'P' },
		{ 0 },
	};
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (c) {
		case 'a':
			a->ack = optarg;
			break;
		case 'k':
			r = num_parse(optarg, 1, KILLS_MAX, &a->kills);
			break;
		case 'f':
			a->full = true;
			break;
		case 'p':
			r = parse_part(optarg, a);
			break;
		case 's':
			r = num_parse(optarg, 0, 1000000, &a->seed);
			break;
		case 'v':
			a->verbose = true;
			break;
		case 'l':
			a->left = true;
			break;
		case 'P':
			r = parse_phase(optarg, &a->phase);
			break;
		default:
			r = -EINVAL;
		}
	}
	return r < 0 || optind != argc ? -EINVAL : 0;
}

static int say_left(void)
{
	const char *left = kernel_left(true);

	printf("%s\n", left ? left : "nothing");
	return left ? 1 : 0;
}

int main(int argc, char *argv[])
{
	static struct plan plan;
	struct args a = { .ack = "fsync", .kills = 11, .parts = 1, .phase = -1 };
	struct scene *s;
	int failed;

	if (parse(argc, argv, &a) < 0) {
		fprintf(stderr, "faults: see the head of faults.c\n");
		return 2;
	}
	if (a.left)
		return say_left();
	s = scene_new(a.ack);
	if (!s)
		return 1;
	failed = count(&a, s, &plan) < 0;
	if (!failed) {
		failed = kills(&a, s, &plan);
		failed |= stops(&a, s, &plan);
	}
	scene_free(s);
	return failed;
}
