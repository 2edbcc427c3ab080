// with: services/dossier/rules_due.c services/dossier/rules_code.c services/dossier/rules_text.c
/* The dossier's pure rules: codes, due dates, verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "services/dossier/rules_deadline.h"

#define TODAY civil_from_ymd(2024, 5, 21)

/* --- codes --- */

struct text_case {
	const char *s;
	bool ok;
};

static void test_codes(void **state)
{
	static const struct text_case cases[] = {
		{"H40.31.01-240521-0001", true},
		{"H40-240521-0001", true},
		{"H40.31.01-240521-12345", true},
		{"H40.31.01-240521-001", false},
		{"H40.31.01-24052-00001", false},
		{"H40.31.01-2405210001", false},
		{"h40.31.01-240521-0001", false},
		{"-240521-0001", false},
		{"H40.31.01-240521-0001 ", false},
		{"H40.31.01-240521-", false},
		{"H40..01-240521-0001", false},
		{"H40.-240521-0001", false},
		{"", false},
		{"-", false},
		{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-240521-0001", false},
	};
	struct arena arena;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (rules_dossier_code(cases[i].s) != cases[i].ok)
			fail_msg("code \"%s\"", cases[i].s);
	arena_init(&arena, 65536);
	assert_string_equal(rules_make_code(&arena, "H40.31.01", TODAY, 1),
			    "H40.31.01-240521-0001");
	assert_string_equal(rules_make_code(&arena, "H40.31.01", TODAY, 9999),
			    "H40.31.01-240521-9999");
	assert_string_equal(rules_make_code(&arena, "H40.31.01", TODAY, 10000),
			    "H40.31.01-240521-10000");
	arena_done(&arena);
}

/* --- deadlines --- */

#define AT(y, mo, d, h, mi) civil_to_us(civil_from_ymd(y, mo, d), (h)*60 + (mi))

static struct calendar *make_calendar(int32_t to)
{
	static const struct {
		int y, m, d;
		enum calendar_kind kind;
	} rows[] = {{2024, 4, 29, CALENDAR_OFF},
		    {2024, 4, 30, CALENDAR_OFF},
		    {2024, 5, 1, CALENDAR_OFF},
		    {2024, 5, 4, CALENDAR_WORK}};
	struct calendar_day days[ARRAY_LEN(rows)];
	struct calendar *cal;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		days[i] = (struct calendar_day){
			.day = civil_from_ymd(rows[i].y, rows[i].m, rows[i].d),
			.kind = rows[i].kind};
	assert_int_equal(
		calendar_new(days, ARRAY_LEN(days), civil_from_ymd(2024, 1, 1), to, 7, &cal, &err),
		0);
	return cal;
}

static void test_due(void **state)
{
	struct rules_limit three = {DOSSIER__LIMIT_UNIT__LIMIT_UNIT_WORKING_DAY, 3};
	struct rules_limit none = {DOSSIER__LIMIT_UNIT__LIMIT_UNIT_UNSPECIFIED, 0};
	struct calendar *cal = make_calendar(civil_from_ymd(2024, 12, 31));
	struct calendar *shorter = make_calendar(civil_from_ymd(2024, 4, 27));
	struct rules_office office = {.cal = cal}, beyond = {.cal = shorter};
	struct rules_shift shift = {.pause = {AT(2024, 4, 26, 9, 0), AT(2024, 5, 3, 9, 0)}};
	struct calendar_due due, again;

	(void)state;
	/* Friday 26 April; 29, 30 and 1 May are off, Saturday 4 May is worked. */
	due = rules_due(&office, three, AT(2024, 4, 26, 9, 0), NULL, 0);
	assert_int_equal(civil_of_us(due.due_us), civil_from_ymd(2024, 5, 4));
	assert_false(due.provisional);
	due = rules_due(&beyond, three, AT(2024, 4, 26, 9, 0), NULL, 0);
	assert_true(due.provisional);
	due = rules_due(&office, none, AT(2024, 4, 26, 9, 0), &shift, 1);
	assert_int_equal(due.due_us, 0);
	assert_false(due.provisional);

	/* A pause shifts; all at once and one after the other agree. */
	due = rules_due(&office, three, AT(2024, 4, 26, 9, 0), &shift, 1);
	again = rules_due(&office, three, AT(2024, 4, 26, 9, 0), NULL, 0);
	assert_true(due.due_us > again.due_us);
	again = rules_due_after_pause(&office, three, again.due_us, shift.pause);
	assert_int_equal(due.due_us, again.due_us);
	calendar_free(cal);
	calendar_free(shorter);
}

static void test_verdict(void **state)
{
	int64_t due = AT(2024, 5, 24, 17, 30);

	(void)state;
	assert_int_equal(rules_verdict(due, AT(2024, 5, 23, 23, 59)),
			 DOSSIER__VERDICT__VERDICT_EARLY);
	assert_int_equal(rules_verdict(due, AT(2024, 5, 24, 0, 0)),
			 DOSSIER__VERDICT__VERDICT_ON_TIME);
	assert_int_equal(rules_verdict(due, AT(2024, 5, 24, 23, 59)),
			 DOSSIER__VERDICT__VERDICT_ON_TIME); /* by date, not by hour */
	assert_int_equal(rules_verdict(due, AT(2024, 5, 25, 0, 0)), DOSSIER__VERDICT__VERDICT_LATE);
	assert_int_equal(rules_verdict(0, AT(2034, 5, 25, 0, 0)),
			 DOSSIER__VERDICT__VERDICT_ON_TIME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
