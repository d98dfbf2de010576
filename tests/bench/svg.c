/* The results as a drawing: a panel a workload, in it a bar for each file system's median, and a
 * line from there to its p99. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/bench/report.h"

#define COLUMNS	 3
#define PANEL_W	 330
#define LABEL_W	 78
#define VALUE_W	 56
#define BAR_W	 (PANEL_W - LABEL_W - VALUE_W)
#define BAR_H	 11
#define TITLE_H	 22
#define MARGIN	 12
#define HEADER_H 34

struct frame {
	FILE *f;
	const struct bench *b;
	double x, y, us_wide; /* of the panel; what a bar of full width stands for */
};

static double or_zero(double value)
{
	return isnan(value) ? 0 : value;
}

/* The longest bar is the slowest median. A line to a p99 beyond it is cut off. */
static double widest(const struct bench *b, size_t w)
{
	double most = 0;

	for (size_t c = 0; c < b->n_contenders; c++)
		most = fmax(most, or_zero(result_judged(&b->results[w][c], &workloads[w])));
	return most > 0 ? most : 1;
}

static double width_of(const struct frame *p, double us)
{
	return fmin(fmax(us, 0) / p->us_wide, 1.0) * BAR_W;
}

static bool is_ours(const char *name)
{
	static const char *const ours[] = { "cached", "strict", "rules", "unchecked" };

	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		if (!strcmp(name, ours[i]))
			return true;
	return false;
}

static void put_value(const struct frame *p, const struct workload *w, double x, double y,
		      double us)
{
	double mib = p->b->quick ? BENCH_MIB / 8 : BENCH_MIB;
	double value = w->rate ? mib / us * 1e6 : us;

	fprintf(p->f, "<text x=\"%.0f\" y=\"%.0f\">%.*f</text>\n", x, y, value < 100 ? 1 : 0,
		value);
}

static void draw_bar(const struct frame *p, size_t w, size_t c)
{
	const struct result *r = &p->b->results[w][c];
	double median = result_judged(r, &workloads[w]),
	       y = p->y + TITLE_H + (double)c * (BAR_H + 3);
	double x = p->x + LABEL_W, wide, far;

	fprintf(p->f, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">%s</text>\n", x - 4,
		y + BAR_H - 2, p->b->contenders[c].name);
	if (isnan(median))
		return;
	wide = width_of(p, median);
	far = fmax(width_of(p, result_best_p99(r)), wide);
	fprintf(p->f, "<rect x=\"%.0f\" y=\"%.0f\" width=\"%.1f\" height=\"%d\" class=\"%s\"/>\n",
		x, y, fmax(wide, 0.5), BAR_H, is_ours(p->b->contenders[c].name) ? "o" : "p");
	fprintf(p->f, "<path d=\"M%.1f %.1fH%.1f\"/>\n", x + wide, y + BAR_H / 2.0, x + far);
	put_value(p, &workloads[w], x + far + 4, y + BAR_H - 2, median);
}

static void draw_panel(struct frame *p, size_t w, unsigned place)
{
	double high = TITLE_H + MARGIN + (double)p->b->n_contenders * (BAR_H + 3);

	p->x = MARGIN + (double)(place % COLUMNS) * (PANEL_W + MARGIN);
	p->y = HEADER_H + (double)(place / COLUMNS) * high;
	p->us_wide = widest(p->b, w);
	fprintf(p->f, "<text x=\"%.0f\" y=\"%.0f\" class=\"t\">%s, %s</text>\n", p->x, p->y + 14,
		workloads[w].name, workloads[w].rate ? "MiB/s" : "us");
	for (size_t c = 0; c < p->b->n_contenders; c++)
		draw_bar(p, w, c);
}

static unsigned n_panels(const struct bench *b)
{
	unsigned n = 0;

	for (size_t w = 0; w < n_workloads; w++)
		n += bench_wants(b, &workloads[w]);
	return n;
}

static void draw_head(const struct frame *p)
{
	unsigned rows = (n_panels(p->b) + COLUMNS - 1) / COLUMNS;
	double wide = MARGIN + COLUMNS * (PANEL_W + MARGIN);
	double high =
		HEADER_H + rows * (TITLE_H + MARGIN + (double)p->b->n_contenders * (BAR_H + 3));

	fprintf(p->f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
		"font-family=\"sans-serif\" font-size=\"10\">\n"
		"<style>.o{fill:#c4571b}.p{fill:#7b93ab}.t{font-size:12px;font-weight:bold}"
		"path{stroke:#444}</style>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
		"<text x=\"%d\" y=\"20\" font-size=\"13\">Shorter is faster; bar: the best of %u rounds, "
		"line: to the p99; %s%s</text>\n",
		wide, high, MARGIN, p->b->rounds,
		p->b->cpu >= 0 ? "file system and program on one CPU" : "on any CPU",
		p->b->quick ? "; quick: the figures mean nothing" : "");
}

int report_svg(const struct bench *b, FILE *f)
{
	struct frame p = { .f = f, .b = b };
	unsigned place = 0;

	draw_head(&p);
	for (size_t w = 0; w < n_workloads; w++)
		if (bench_wants(b, &workloads[w]))
			draw_panel(&p, w, place++);
	fputs("</svg>\n", f);
	return fflush(f) == 0 && !ferror(f) ? 0 : -EIO;
}
