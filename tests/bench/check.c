/*
 * check THRESHOLDS RUN.json…: takes each figure's median ratio over the runs and compares it with
 * the line "name least-ratio [optional]" of the thresholds file. Exit 1 when one is below, or
 * missing and not optional.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "tests/bench/bench.h"

#define RUNS_MAX 32

/* The ratios of one figure in all runs; returns how many. */
static size_t collect(const char *name, char **files, int n_files, double *ret_ratios)
{
	size_t n = 0;

	for (int i = 0; i < n_files && n < RUNS_MAX; i++) {
		json_t *all = json_load_file(files[i], 0, NULL), *entry;
		size_t at;

		json_array_foreach(all, at, entry)
		{
			const char *found = json_string_value(json_object_get(entry, "name"));

			if (found && strcmp(found, name) == 0 && n < RUNS_MAX)
				ret_ratios[n++] = json_real_value(json_object_get(entry, "ratio"));
		}
		json_decref(all);
	}
	return n;
}

static bool check_line(const char *name, double least, bool optional, char **files, int n_files)
{
	double ratios[RUNS_MAX], median;
	size_t n = collect(name, files, n_files, ratios);

	if (n == 0) {
		printf("%-28s no figure in these runs%s\n", name, optional ? ": optional" : "");
		return optional;
	}
	median = bench_median(ratios, n);
	printf("%-28s median of %zu: %.2f, least %.2f: %s\n", name, n, median, least,
	       median >= least ? "ok" : "BELOW");
	return median >= least;
}

int main(int argc, char **argv)
{
	CLEANUP_FILE FILE *file = argc > 2 ? fopen(argv[1], "re") : NULL;
	char line[256], name[128], word[16];
	bool good = true;
	double least;

	if (!file) {
		fprintf(stderr, "usage: check THRESHOLDS RUN.json...\n");
		return 2;
	}
	while (fgets(line, sizeof(line), file)) {
		int n;

		line[strcspn(line, "#\n")] = 0;
		n = sscanf(line, "%127s %lf %15s", name, &least, word);
		if (n >= 2)
			good = check_line(name, least, n == 3, argv + 2, argc - 2) && good;
	}
	return good ? 0 : 1;
}
