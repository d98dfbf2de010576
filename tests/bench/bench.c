/*
 * bench - measure file systems beside each other; tests/bench/run makes and mounts them
 *
 *	bench [OPTION...] NAME=DIR,STORE...
 */
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enclave/base/fd.h"
#include "enclave/base/log.h"
#include "enclave/base/size.h"
#include "tests/bench/report.h"

static const char usage[] =
	"Usage: bench [OPTION...] NAME=DIR,STORE...\n"
	"\n"
	"Each DIR, an empty directory of a file system whose files are kept in STORE, is measured.\n"
	"  --rounds N      that many (9)\n"
	"  --only KEY,...  only these workloads\n"
	"  --cpu N         stay on that one; start the file systems there, too\n"
	"  --quick         a tenth of everything: the figures mean nothing\n"
	"  --missing TEXT  a file system that is not here, and why: said with the results\n"
	"  --json          the results as one JSON object, instead of tables\n"
	"  --out NAME      into NAME.json, and drawn into NAME.svg, too\n"
	"\n"
	"Example:\n"
	"  bench --rounds 5 ext4=/mnt/a,/mnt/a cached=/mnt/view,/mnt/b\n"
	"\n"
	"What a file system could not do is said with the results.\n"
	"Exit codes: 0 measured, 1 failed, 2 usage.\n";

static const struct option options[] = {
	{ "rounds", required_argument, NULL, 'r' },
	{ "only", required_argument, NULL, 'o' },
	{ "cpu", required_argument, NULL, 'c' },
	{ "quick", no_argument, NULL, 'q' },
	{ "json", no_argument, NULL, 'j' },
	{ "out", required_argument, NULL, 'O' },
	{ "missing", required_argument, NULL, 'm' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct output {
	bool json;
	const char *name;
};

static int set_option(struct bench *b, struct output *out, int c)
{
	long long n;

	switch (c) {
	case 'r':
		if (num_parse(optarg, 1, ROUNDS_MAX, &n) < 0)
			return log_err(-EINVAL, "--rounds: '%s'", optarg);
		b->rounds = (unsigned)n;
		return 0;
	case 'c':
		if (num_parse(optarg, 0, CPU_SETSIZE - 1, &n) < 0)
			return log_err(-EINVAL, "--cpu: '%s'", optarg);
		b->cpu = (int)n;
		return 0;
	case 'o':
		b->only = optarg;
		return 0;
	case 'q':
		b->quick = true;
		return 0;
	case 'j':
		out->json = true;
		return 0;
	case 'O':
		out->name = optarg;
		return 0;
	case 'm':
		if (b->n_missing < MISSING_MAX)
			b->missing[b->n_missing++] = optarg;
		return 0;
	default:
		return -EINVAL;
	}
}

/* NAME=DIR,STORE, in place. */
static int add_contender(struct bench *b, char *arg)
{
	struct contender *c = &b->contenders[b->n_contenders];
	char *dir = strchr(arg, '='), *store = dir ? strchr(dir, ',') : NULL;

	if (!store)
		return log_err(-EINVAL, "NAME=DIR,STORE, not '%s'", arg);
	if (b->n_contenders == CONTENDERS_MAX)
		return log_err(-E2BIG, "more than %d file systems", CONTENDERS_MAX);
	*dir++ = *store++ = '\0';
	*c = (struct contender){ .name = arg, .dir = dir, .store = store };
	b->n_contenders++;
	return 0;
}

static int parse(int argc, char *argv[], struct bench *b, struct output *out)
{
	int c, r = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0 && r == 0) {
		if (c == 'h') {
			fputs(usage, stdout);
			exit(0);
		}
		r = set_option(b, out, c);
	}
	while (optind < argc && r == 0)
		r = add_contender(b, argv[optind++]);
	return r < 0 || !b->n_contenders ? -EINVAL : 0;
}

static int stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) < 0 ? -errno : 0;
}

/* What a workload left to be written is not the next one's burden. */
static void settle(const struct contender *c)
{
	autoclose int fd = open(c->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		syncfs(fd);
}

/* @keep: false for the first time, in which caches fill */
static void measure(struct bench *b, size_t w, size_t c, bool keep)
{
	static double us[PLACE_TIMES];
	struct place p = { .who = &b->contenders[c], .quick = b->quick, .us = us };
	struct result *result = &b->results[w][c];
	int r;

	if (result->err)
		return;
	r = workloads[w].run(&p);
	settle(p.who);
	if (r < 0)
		result->err = r;
	else if (keep && p.n_times)
		result_add(result, us, p.n_times);
}

/* Who comes first changes from round to round. */
static void measure_round(struct bench *b, unsigned round)
{
	for (size_t w = 0; w < n_workloads; w++)
		for (size_t i = 0; i < b->n_contenders && bench_wants(b, &workloads[w]); i++)
			measure(b, w, (i + round) % b->n_contenders, round > 0);
}

static int prepare(struct bench *b)
{
	b->results = calloc(n_workloads, sizeof(*b->results));
	if (!b->results)
		return log_err(-ENOMEM, "start");
	for (size_t c = 0; c < b->n_contenders; c++) {
		struct place p = { .who = &b->contenders[c], .quick = b->quick };
		int r = workload_prepare(&p);

		if (r < 0)
			return log_err(r, "make the files in %s", p.who->dir);
		settle(p.who);
	}
	if (b->cpu >= 0 && stay_on(b->cpu) < 0)
		return log_err(-errno, "stay on CPU %d", b->cpu);
	return 0;
}

typedef int report_fn(const struct bench *b, FILE *f);

static int report_into(const struct bench *b, report_fn *report, const char *name, const char *end)
{
	autofree char *path = NULL;
	autofclose FILE *f = NULL;
	int r;

	if (asprintf(&path, "%s.%s", name, end) < 0)
		return log_err(-ENOMEM, "write the results");
	f = fopen(path, "we");
	r = f ? report(b, f) : -errno;
	return r < 0 ? log_err(r, "write %s", path) : 0;
}

static int report(const struct bench *b, const struct output *out)
{
	int r = 0;

	if (!out->json)
		report_tables(b);
	else
		r = report_json(b, stdout);
	if (r == 0 && out->name)
		r = report_into(b, report_json, out->name, "json");
	if (r == 0 && out->name)
		r = report_into(b, report_svg, out->name, "svg");
	return r;
}

int main(int argc, char *argv[])
{
	struct bench b = { .cpu = -1, .rounds = 9 };
	struct output out = { 0 };
	int r;

	log_init("bench");
	if (parse(argc, argv, &b, &out) < 0) {
		fputs(usage, stderr);
		return 2;
	}
	if (prepare(&b) < 0)
		return 1;
	for (unsigned round = 0; round <= b.rounds; round++)
		measure_round(&b, round);
	r = report(&b, &out);
	free(b.results);
	return r < 0;
}
