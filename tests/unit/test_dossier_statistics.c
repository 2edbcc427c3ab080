// with: services/dossier/rules_statistics.c
/* Which days a period of statistics has, and what is no period. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "services/dossier/rules_statistics.h"

#define K(name) DOSSIER__PERIOD_KIND__PERIOD_KIND_##name

static const struct {
	Dossier__PeriodKind kind;
	uint32_t year, ordinal;
	bool reporting;
	const char *from_date, *to_date;
	const char *from, *to; /* of the period; or the field at fault, and NULL */
} cases[] = {
	{K(MONTH), 2024, 2, false, "", "", "2024-02-01", "2024-02-29"},
	{K(MONTH), 2023, 12, false, "", "", "2023-12-01", "2023-12-31"},
	{K(QUARTER), 2024, 1, false, "", "", "2024-01-01", "2024-03-31"},
	{K(QUARTER), 2024, 4, false, "", "", "2024-10-01", "2024-12-31"},
	{K(HALF_YEAR), 2024, 1, false, "", "", "2024-01-01", "2024-06-30"},
	{K(HALF_YEAR), 2024, 2, false, "", "", "2024-07-01", "2024-12-31"},
	{K(NINE_MONTHS), 2024, 0, false, "", "", "2024-01-01", "2024-09-30"},
	{K(YEAR), 2024, 0, false, "", "", "2024-01-01", "2024-12-31"},
	/* Decree 09/2019 Art. 12: from the 15th to the 14th */
	{K(MONTH), 2024, 1, true, "", "", "2023-12-15", "2024-01-14"},
	{K(MONTH), 2024, 5, true, "", "", "2024-04-15", "2024-05-14"},
	{K(QUARTER), 2024, 1, true, "", "", "2023-12-15", "2024-03-14"},
	{K(QUARTER), 2024, 3, true, "", "", "2024-06-15", "2024-09-14"},
	{K(HALF_YEAR), 2024, 1, true, "", "", "2023-12-15", "2024-06-14"},
	{K(HALF_YEAR), 2024, 2, true, "", "", "2024-06-15", "2024-12-14"},
	{K(NINE_MONTHS), 2024, 0, true, "", "", "2023-12-15", "2024-09-14"},
	{K(YEAR), 2024, 0, true, "", "", "2023-12-15", "2024-12-14"},
	/* any days */
	{K(UNSPECIFIED), 0, 0, false, "2024-05-21", "2024-05-21", "2024-05-21", "2024-05-21"},
	{K(UNSPECIFIED), 0, 0, false, "2023-11-05", "2024-02-03", "2023-11-05", "2024-02-03"},
	/* no period */
	{K(UNSPECIFIED), 0, 0, false, "2024-05-22", "2024-05-21", "to_date", NULL},
	{K(UNSPECIFIED), 0, 0, false, "", "2024-05-21", "from_date", NULL},
	{K(UNSPECIFIED), 0, 0, false, "2024-05-21", "", "to_date", NULL},
	{K(UNSPECIFIED), 0, 0, true, "2024-05-21", "2024-05-21", "reporting", NULL},
	{K(MONTH), 2024, 0, false, "", "", "ordinal", NULL},
	{K(MONTH), 2024, 13, false, "", "", "ordinal", NULL},
	{K(QUARTER), 2024, 5, false, "", "", "ordinal", NULL},
	{K(HALF_YEAR), 2024, 3, false, "", "", "ordinal", NULL},
	{K(YEAR), 2024, 1, false, "", "", "ordinal", NULL},
	{K(NINE_MONTHS), 2024, 4294967295U, false, "", "", "ordinal", NULL},
	{K(MONTH), 1999, 1, false, "", "", "year", NULL},
	{K(MONTH), 2200, 1, false, "", "", "year", NULL},
	{K(MONTH), 4294967295U, 1, false, "", "", "year", NULL},
	{K(YEAR), 2024, 0, false, "2024-01-01", "", "from_date", NULL},
	{(Dossier__PeriodKind)6, 2024, 0, false, "", "", "kind", NULL},
	{(Dossier__PeriodKind)-1, 2024, 0, false, "", "", "kind", NULL},
};

static void test_periods(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		Dossier__StatisticsRequest in = DOSSIER__STATISTICS_REQUEST__INIT;
		struct rules_span span;
		struct err err = {0};
		char from[11], to[11];

		in.kind = cases[i].kind;
		in.year = cases[i].year;
		in.ordinal = cases[i].ordinal;
		in.reporting = cases[i].reporting;
		in.from_date = cases[i].from_date;
		in.to_date = cases[i].to_date;
		rules_statistics_span(&in, &span, &err);
		if (!cases[i].to) {
			if (err.status == 0 || strcmp(err.items[0].field, cases[i].from) != 0)
				fail_msg("case %zu: %s", i, err.status ? err.items[0].field : "ok");
			continue;
		}
		civil_format(span.from, from);
		civil_format(span.to, to);
		if (err.status != 0 || strcmp(from, cases[i].from) != 0 ||
		    strcmp(to, cases[i].to) != 0)
			fail_msg("case %zu: %s to %s", i, from, to);
	}
}

/* Periods of a year follow each other without gap or overlap, reporting or not. */
static void test_periods_are_a_partition(void **state)
{
	static const Dossier__PeriodKind each[] = {K(MONTH), K(QUARTER), K(HALF_YEAR), K(YEAR)};
	static const uint32_t per_year[] = {12, 4, 2, 1};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(each); k++) {
		int32_t next[2] = {0, 0};

		for (uint32_t n = 0; n < 8 * per_year[k]; n++) {
			Dossier__StatisticsRequest in = DOSSIER__STATISTICS_REQUEST__INIT;

			in.kind = each[k];
			in.year = 2020 + n / per_year[k];
			in.ordinal = each[k] == K(YEAR) ? 0 : n % per_year[k] + 1;
			for (int reporting = 0; reporting < 2; reporting++) {
				struct rules_span span;
				struct err err = {0};

				in.reporting = reporting;
				rules_statistics_span(&in, &span, &err);
				assert_int_equal(err.status, 0);
				if (n > 0)
					assert_int_equal(span.from, next[reporting]);
				next[reporting] = span.to + 1;
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_periods),
		cmocka_unit_test(test_periods_are_a_partition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
