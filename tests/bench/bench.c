#include "tests/bench/bench.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static const char *out_path(void)
{
	const char *path = getenv("BENCH_OUT");

	return path ? path : "build/bench.json";
}

static double ratio_of(const struct bench_result *r)
{
	if (r->value <= 0 || r->baseline_value <= 0)
		return 0;
	return r->less_is_better ? r->baseline_value / r->value : r->value / r->baseline_value;
}

void bench_report(const struct bench_result *r)
{
	json_t *all = json_load_file(out_path(), 0, NULL);
	double ratio = ratio_of(r);

	if (!json_is_array(all)) {
		json_decref(all);
		all = json_array();
	}
	json_array_append_new(all, json_pack("{s:s, s:f, s:s, s:s, s:f, s:f, s:s}", "name", r->name,
					     "value", r->value, "unit", r->unit, "baseline",
					     r->baseline ? r->baseline : "limit", "baseline_value",
					     r->baseline_value, "ratio", ratio, "note",
					     r->note ? r->note : ""));
	if (json_dump_file(all, out_path(), JSON_INDENT(1) | JSON_REAL_PRECISION(6)) < 0) {
		perror(out_path());
		exit(1);
	}
	json_decref(all);
	printf("%-24s %12.1f %-12s %s %.1f  ratio %.2f  %s\n", r->name, r->value, r->unit,
	       r->baseline ? r->baseline : "limit", r->baseline_value, ratio,
	       r->note ? r->note : "");
	fflush(stdout);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double bench_median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}
