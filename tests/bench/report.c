#include "tests/bench/report.h"

#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/bench/targets.h"

/* A time in us as it is shown: a rate is that of the large file. */
static double shown(const struct bench *b, const struct workload *w, double us)
{
	return w->rate ? (b->quick ? BENCH_MIB / 8 : BENCH_MIB) / us * 1e6 : us;
}

static void print_value(double value)
{
	if (isnan(value))
		printf(" %11s", "-");
	else
		printf(" %11.*f", value < 100 ? 2 : 0, value);
}

static void print_heading(const struct bench *b, const char *what)
{
	printf("\n%-36s", what);
	for (size_t c = 0; c < b->n_contenders; c++)
		printf(" %11s", b->contenders[c].name);
	putchar('\n');
}

static void print_name(const struct workload *w, bool ratio)
{
	printf("%-30s %-5s", w->name, ratio ? "" : w->rate ? "MiB/s" : "us");
}

typedef double value_fn(const struct result *r);

static void print_table(const struct bench *b, const char *what, value_fn *value)
{
	print_heading(b, what);
	for (size_t w = 0; w < n_workloads; w++) {
		if (!bench_wants(b, &workloads[w]))
			continue;
		print_name(&workloads[w], false);
		for (size_t c = 0; c < b->n_contenders; c++)
			print_value(shown(b, &workloads[w], value(&b->results[w][c])));
		putchar('\n');
	}
}

/* Times the first one, which is the plain file system; of rates, too, more is slower. */
static void print_ratios(const struct bench *b)
{
	char what[64];

	snprintf(what, sizeof(what), "best round, time over that of %s", b->contenders[0].name);
	print_heading(b, what);
	for (size_t w = 0; w < n_workloads; w++) {
		double first = result_judged(&b->results[w][0], &workloads[w]);

		if (!bench_wants(b, &workloads[w]))
			continue;
		print_name(&workloads[w], true);
		for (size_t c = 0; c < b->n_contenders; c++)
			print_value(result_judged(&b->results[w][c], &workloads[w]) / first);
		putchar('\n');
	}
}

static const struct workload *find_workload(const char *key)
{
	size_t w = 0;

	while (w + 1 < n_workloads && strcmp(workloads[w].key, key) != 0)
		w++;
	return &workloads[w];
}

static const char *verdict(const struct bench *b, const struct target *t)
{
	return target_met(b, t) ? "met" : "MISSED";
}

static void print_targets(const struct bench *b)
{
	printf("\n%-36s %-7s %-11s %8s %8s\n", "targets", "view", "against", "ratio", "wanted");
	for (size_t i = 0; i < n_targets; i++) {
		const struct target *t = &targets[i];
		const struct workload *w = find_workload(t->workload);
		double ratio = target_ratio(b, t);

		if (isnan(ratio))
			continue;
		printf("%-30s %-5s %-7s %-11s %8.2f  %s%6.2f  %s\n", w->name,
		       t->p99	 ? "p99"
		       : w->rate ? "rate"
				 : "",
		       t->view, t->against, ratio, w->rate ? ">=" : "<=", t->wanted, verdict(b, t));
	}
}

static void print_missing(const struct bench *b)
{
	for (size_t i = 0; i < b->n_missing; i++)
		printf("not measured: %s\n", b->missing[i]);
	for (size_t w = 0; w < n_workloads; w++)
		for (size_t c = 0; c < b->n_contenders; c++)
			if (b->results[w][c].err)
				printf("not measured: %s: %s: %s\n", b->contenders[c].name,
				       workloads[w].name, strerror(-b->results[w][c].err));
}

void report_tables(const struct bench *b)
{
	printf("%u rounds, ", b->rounds);
	if (b->cpu >= 0)
		printf("file system and program on CPU %d", b->cpu);
	else
		printf("on any CPU");
	printf("%s\n", b->quick ? "; quick: the figures mean nothing" : "");
	print_missing(b);
	print_table(b, "the best round's median", result_best);
	print_table(b, "median of the rounds' medians", result_median);
	print_table(b, "the best round's p99", result_best_p99);
	print_table(b, "median of the rounds' p99", result_p99);
	print_ratios(b);
	print_targets(b);
	fflush(stdout);
}

/* --- JSON ---------------------------------------------------------------------------------------
 */

static void add_number(struct json_object *o, const char *key, double value)
{
	json_object_object_add(o, key, isnan(value) ? NULL : json_object_new_double(value));
}

static void add_string(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

static struct json_object *json_rounds(const double *values, unsigned n)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < n; i++)
		json_object_array_add(list, json_object_new_double(values[i]));
	return list;
}

static struct json_object *json_result(const struct contender *c, const struct result *r)
{
	struct json_object *o = json_object_new_object();

	add_string(o, "name", c->name);
	if (r->err)
		add_string(o, "error", strerror(-r->err));
	add_number(o, "median_us", result_median(r));
	add_number(o, "best_us", result_best(r));
	add_number(o, "p99_us", result_p99(r));
	add_number(o, "best_p99_us", result_best_p99(r));
	json_object_object_add(o, "round_median_us", json_rounds(r->median, r->rounds));
	json_object_object_add(o, "round_p99_us", json_rounds(r->p99, r->rounds));
	return o;
}

static struct json_object *json_workload(const struct bench *b, size_t w)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	add_string(o, "key", workloads[w].key);
	add_string(o, "name", workloads[w].name);
	for (size_t c = 0; c < b->n_contenders; c++)
		json_object_array_add(list, json_result(&b->contenders[c], &b->results[w][c]));
	json_object_object_add(o, "results", list);
	return o;
}

static struct json_object *json_target(const struct bench *b, const struct target *t)
{
	struct json_object *o = json_object_new_object();

	add_string(o, "workload", t->workload);
	add_string(o, "of", t->p99 ? "p99" : find_workload(t->workload)->rate ? "rate" : "median");
	add_string(o, "view", t->view);
	add_string(o, "against", t->against);
	add_number(o, "ratio", target_ratio(b, t));
	add_number(o, "wanted", t->wanted);
	json_object_object_add(o, "met", json_object_new_boolean(target_met(b, t)));
	return o;
}

static struct json_object *json_missing(const struct bench *b)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < b->n_missing; i++)
		json_object_array_add(list, json_object_new_string(b->missing[i]));
	return list;
}

int report_json(const struct bench *b, FILE *f)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	struct json_object *judged = json_object_new_array();

	json_object_object_add(o, "rounds", json_object_new_int((int)b->rounds));
	json_object_object_add(o, "cpu", b->cpu < 0 ? NULL : json_object_new_int(b->cpu));
	json_object_object_add(o, "quick", json_object_new_boolean(b->quick));
	json_object_object_add(o, "missing", json_missing(b));
	for (size_t w = 0; w < n_workloads; w++)
		if (bench_wants(b, &workloads[w]))
			json_object_array_add(list, json_workload(b, w));
	for (size_t i = 0; i < n_targets; i++)
		if (!isnan(target_ratio(b, &targets[i])))
			json_object_array_add(judged, json_target(b, &targets[i]));
	json_object_object_add(o, "workloads", list);
	json_object_object_add(o, "targets", judged);
	fprintf(f, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
	json_object_put(o);
	return fflush(f) == 0 && !ferror(f) ? 0 : -EIO;
}
