// with: services/kpi/rules.c
/* Periods, the target a period is judged by, verdicts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "services/kpi/kpi.h"

static int32_t day(const char *s)
{
	int32_t d = 0;

	assert_int_equal(civil_parse(s, &d), 0);
	return d;
}

static void test_periods(void **state)
{
	static const struct {
		const char *text, *from, *to; /* from NULL: refused */
	} cases[] = {
		{"2024", "2024-01-01", "2025-01-01"},
		{"2024-05", "2024-05-01", "2024-06-01"},
		{"2024-12", "2024-12-01", "2025-01-01"},
		{"2024-02", "2024-02-01", "2024-03-01"},
		{"2024-Q1", "2024-01-01", "2024-04-01"},
		{"2024-Q4", "2024-10-01", "2025-01-01"},
		{"", NULL, NULL},
		{"24", NULL, NULL},
		{"2024-", NULL, NULL},
		{"2024-13", NULL, NULL},
		{"2024-00", NULL, NULL},
		{"2024-Q0", NULL, NULL},
		{"2024-Q5", NULL, NULL},
		{"2024-5", NULL, NULL},
		{"2024-05-01", NULL, NULL},
		{"1999", NULL, NULL},
		{"2024x05", NULL, NULL},
		{"2024-Qx", NULL, NULL},
		{"2024-Q12", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct period p;

		if (!cases[i].from) {
			assert_int_equal(rules_period(cases[i].text, &p), ERR_INVALID);
			continue;
		}
		assert_int_equal(rules_period(cases[i].text, &p), 0);
		assert_int_equal(p.from, day(cases[i].from));
		assert_int_equal(p.to, day(cases[i].to));
	}
}

/* A moment belongs to the month of its date in Viet Nam: 17:00 UTC is the next day there. */
static void test_month(void **state)
{
	(void)state;
	assert_int_equal(rules_month_of_us(civil_to_us(day("2024-05-31"), 23 * 60 + 59)),
			 day("2024-05-01"));
	assert_int_equal(rules_month_of_us(civil_to_us(day("2024-06-01"), 0)), day("2024-06-01"));
}

static void test_targets(void **state)
{
	struct rules_target all[] = {{"ALL", day("2025-12-31"), ">=", 8000},
				     {"ALL", day("2030-12-31"), ">=", 10000}};
	struct rules_target levels[] = {{"T", day("2024-12-31"), ">=", 9000},
					{"H", day("2024-12-31"), ">=", 8000},
					{"X", day("2024-12-31"), ">=", 7500},
					{"X", day("2023-12-31"), ">=", 5500}};
	const struct {
		const struct rules_target *targets;
		size_t n;
		const char *level, *period;
		int want;
	} cases[] = {
		{all, 2, "", "2024-05", 0},  {all, 2, "X", "2025-12", 0},
		{all, 2, "", "2026-01", 1},  {all, 2, "T", "2035", 1},
		{levels, 4, "X", "2023", 3}, {levels, 4, "X", "2024-01", 2},
		{levels, 4, "H", "2022", 1}, {levels, 4, "", "2024", 0},
		{levels, 4, "T", "2026", 0}, {levels, 0, "T", "2026", -1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct period p;

		assert_int_equal(rules_period(cases[i].period, &p), 0);
		assert_int_equal(
			rules_choose_target(cases[i].targets, cases[i].n, cases[i].level, &p),
			cases[i].want);
	}
}

static void test_verdicts(void **state)
{
	const struct rules_target at_least = {"ALL", day("2025-12-31"), ">=", 8000};
	const struct rules_target above = {"ALL", day("2025-12-31"), ">", 8000};
	const struct {
		const struct rules_target *target;
		int64_t value;
		const char *period, *today;
		Kpi__TargetVerdict want;
	} cases[] = {
		{&at_least, 8000, "2024-05", "2024-05-21", KPI__TARGET_VERDICT__TARGET_VERDICT_MET},
		{&at_least, 7999, "2024-05", "2024-05-21",
		 KPI__TARGET_VERDICT__TARGET_VERDICT_NOT_YET_DUE},
		{&above, 8000, "2025-12", "2026-01-05",
		 KPI__TARGET_VERDICT__TARGET_VERDICT_NOT_MET},
		{&above, 8001, "2025-12", "2026-01-05", KPI__TARGET_VERDICT__TARGET_VERDICT_MET},
		{&at_least, 7999, "2025-12", "2025-12-31",
		 KPI__TARGET_VERDICT__TARGET_VERDICT_NOT_YET_DUE},
		{&at_least, 7999, "2025-12", "2026-01-01",
		 KPI__TARGET_VERDICT__TARGET_VERDICT_NOT_MET},
		/* To be kept: the last target goes on after its date. */
		{&at_least, 7999, "2027", "2028-01-01",
		 KPI__TARGET_VERDICT__TARGET_VERDICT_NOT_MET},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct period p;

		assert_int_equal(rules_period(cases[i].period, &p), 0);
		assert_int_equal(
			rules_verdict(cases[i].target, cases[i].value, &p, day(cases[i].today)),
			cases[i].want);
	}
}

static void test_percent(void **state)
{
	(void)state;
	assert_int_equal(rules_percent_hundredths(0, 7), 0);
	assert_int_equal(rules_percent_hundredths(1, 3), 3333);
	assert_int_equal(rules_percent_hundredths(2, 3), 6667);
	assert_int_equal(rules_percent_hundredths(1, 8), 1250);
	assert_int_equal(rules_percent_hundredths(7, 7), 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_periods), cmocka_unit_test(test_month),
		cmocka_unit_test(test_targets), cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_percent),
	};

	return cmocka_run_group_tests_name("kpi_rules", tests, NULL, NULL);
}
