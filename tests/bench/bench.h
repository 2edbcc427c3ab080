/*
 * Results of the benchmarks: each program measures itself against a baseline in the same run and
 * appends to the JSON array in $BENCH_OUT (build/bench.json) {name, value, unit, baseline,
 * baseline_value, ratio, note}. ratio = value / baseline_value; for units where less is better
 * (less_is_better) it is baseline_value / value, so that more is always better.
 */
#ifndef LGSP_TESTS_BENCH_BENCH_H
#define LGSP_TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>

struct bench_result {
	const char *name; /* e.g. "bus.request_reply" */
	double value;
	const char *unit;     /* e.g. "requests/s" */
	const char *baseline; /* what it is compared with; NULL: a limit */
	double baseline_value;
	bool less_is_better;
	const char *note;
};

/* Appends and prints one line. Ends the program when the file cannot be written. */
void bench_report(const struct bench_result *result);

/* Median of n values, which are sorted in place. */
double bench_median(double *values, size_t n);

#endif
