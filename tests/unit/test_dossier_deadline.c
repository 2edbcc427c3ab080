// with: services/dossier/rules_due.c
/*
 * Deadlines of dossiers: what moves a due date and in which order, the one extension and its
 * refusals, steps by the hours of the agency, answers to online filings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/clock.h"
#include "services/dossier/rules_deadline.h"

#define L(name) DOSSIER__LIMIT_UNIT__LIMIT_UNIT_##name

/* Tet 2024, and the swap of 29 April with Saturday 4 May. */
static const struct {
	const char *date;
	enum calendar_kind kind;
} days[] = {
	{"2024-02-08", CALENDAR_OFF}, {"2024-02-09", CALENDAR_OFF}, {"2024-02-12", CALENDAR_OFF},
	{"2024-02-13", CALENDAR_OFF}, {"2024-02-14", CALENDAR_OFF}, {"2024-04-29", CALENDAR_OFF},
	{"2024-04-30", CALENDAR_OFF}, {"2024-05-01", CALENDAR_OFF}, {"2024-05-04", CALENDAR_WORK},
};

/* Fridays end at 11:30; service on Saturday mornings. */
static const struct calendar_weekday_hours short_friday[] = {
	{5, INT32_MIN, INT32_MAX, {450, 690, 690, 690}},
	{6, INT32_MIN, INT32_MAX, {450, 690, 690, 690}},
};

static struct rules_office usual, ward;

static int32_t day_of(const char *text)
{
	int32_t day = 0;

	assert_int_equal(civil_parse(text, &day), 0);
	return day;
}

/* "2024-05-21 08:00"; "" is no moment. */
static int64_t moment(const char *text)
{
	char date[11] = "";
	int h, m;

	if (text[0] == '\0')
		return 0;
	memcpy(date, text, 10);
	h = (text[11] - '0') * 10 + text[12] - '0';
	m = (text[14] - '0') * 10 + text[15] - '0';
	return civil_to_us(day_of(date), h * 60 + m);
}

static void expect(const char *name, size_t i, struct calendar_due due, const char *want)
{
	char date[11];
	int32_t day = civil_of_us(due.due_us);
	int64_t minute = (due.due_us - civil_to_us(day, 0)) / (60 * CLOCK_US_PER_S);

	civil_format(day, date);
	if (due.due_us != moment(want))
		fail_msg("%s, case %zu: %s %02d:%02d, not %s", name, i, date, (int)minute / 60,
			 (int)minute % 60, want);
}

static int setup(void **state)
{
	struct calendar_day rows[ARRAY_LEN(days)];
	struct calendar *cal;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(days); i++)
		rows[i] = (struct calendar_day){day_of(days[i].date), days[i].kind};
	if (calendar_new(rows, ARRAY_LEN(rows), day_of("2024-01-01"), day_of("2024-12-31"), 1, &cal,
			 &err) < 0)
		return -1;
	usual = (struct rules_office){.cal = cal};
	ward = (struct rules_office){.cal = cal, .hours = {short_friday, ARRAY_LEN(short_friday)}};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	calendar_free((struct calendar *)usual.cal);
	return 0;
}

static const struct {
	Dossier__LimitUnit unit;
	int value;
	const char *from;
	struct {
		const char *from, *to; /* of a pause; to "" : an extension by days or to a date */
		int days;
	} shifts[3];
	const char *due;
} chains[] = {
	{L(WORKING_DAY), 5, "2024-05-21 09:00", {{NULL}}, "2024-05-28 17:30"},
	{L(WORKING_DAY),
	 5,
	 "2024-05-21 09:00",
	 {{"2024-05-22 09:00", "2024-05-24 09:00", 0}},
	 "2024-05-30 17:30"},
	/* two pauses, the second begun and ended outside hours */
	{L(WORKING_DAY),
	 5,
	 "2024-05-21 09:00",
	 {{"2024-05-22 09:00", "2024-05-24 09:00", 0}, {"2024-05-24 19:00", "2024-05-27 06:00", 0}},
	 "2024-05-30 17:30"},
	/* over Tet: 7 and 15 February are worked, between them nothing */
	{L(WORKING_DAY),
	 3,
	 "2024-02-06 10:00",
	 {{"2024-02-07 07:30", "2024-02-15 17:30", 0}},
	 "2024-02-20 17:30"},
	{L(WORKING_DAY),
	 3,
	 "2024-02-06 10:00",
	 {{"2024-02-07 17:30", "2024-02-15 07:30", 0}},
	 "2024-02-16 17:30"},
	/* an extension counts from the due date it finds, later pauses from the new one */
	{L(WORKING_DAY), 5, "2024-05-21 09:00", {{"", "", 3}}, "2024-05-31 17:30"},
	{L(WORKING_DAY), 5, "2024-05-21 09:00", {{"2024-06-05", "", 0}}, "2024-06-05 17:30"},
	{L(WORKING_DAY), 5, "2024-05-21 09:00", {{"2024-06-08", "", 0}}, "2024-06-10 17:30"},
	{L(WORKING_DAY),
	 5,
	 "2024-05-21 09:00",
	 {{"2024-05-22 09:00", "2024-05-23 09:00", 0},
	  {"", "", 3},
	  {"2024-05-28 09:00", "2024-05-29 09:00", 0}},
	 "2024-06-04 17:30"},
	{L(WORKING_DAY),
	 5,
	 "2024-05-21 09:00",
	 {{"2024-06-03", "", 0}, {"2024-05-28 09:00", "2024-05-29 09:00", 0}},
	 "2024-06-04 17:30"},
	{L(CALENDAR_DAY), 30, "2024-01-15 16:00", {{NULL}}, "2024-02-15 17:30"},
	{L(CALENDAR_DAY),
	 10,
	 "2024-05-21 16:00",
	 {{"2024-05-23 10:00", "2024-05-25 08:00", 0}},
	 "2024-06-03 17:30"},
	{L(WORKING_HOUR), 4, "2024-05-21 15:00", {{NULL}}, "2024-05-22 11:30"},
	{L(WORKING_HOUR), 4, "2024-05-21 14:59", {{NULL}}, "2024-05-22 08:59"},
	{L(SAME_DAY), 0, "2024-05-21 14:59", {{NULL}}, "2024-05-21 17:30"},
	{L(SAME_DAY), 0, "2024-05-21 15:00", {{NULL}}, "2024-05-22 17:30"},
	{L(SAME_DAY),
	 0,
	 "2024-05-21 09:00",
	 {{"2024-05-21 10:00", "2024-05-21 11:00", 0}},
	 "2024-05-22 08:30"},
	{L(UNSPECIFIED), 0, "2024-05-21 09:00", {{"2024-05-22 09:00", "2024-05-24 09:00", 0}}, ""},
};

static size_t shifts_of(size_t i, struct rules_shift ret[static 3])
{
	size_t n = 0;

	for (; n < 3 && chains[i].shifts[n].from; n++) {
		const char *from = chains[i].shifts[n].from, *to = chains[i].shifts[n].to;

		memset(&ret[n], 0, sizeof(ret[n]));
		ret[n].is_extension = to[0] == '\0';
		ret[n].extension.working_days = chains[i].shifts[n].days;
		if (!ret[n].is_extension)
			ret[n].pause = (struct rules_pause){moment(from), moment(to)};
		else if (from[0] != '\0')
			ret[n].extension.to_day = day_of(from);
	}
	return n;
}

static void test_shifts_move_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(chains); i++) {
		struct rules_limit limit = {chains[i].unit, chains[i].value};
		struct rules_shift shifts[3];
		size_t n = shifts_of(i, shifts);

		expect("chain", i, rules_due(&usual, limit, moment(chains[i].from), shifts, n),
		       chains[i].due);
	}
}

/* A date that came from elsewhere is moved as one that was counted here. */
static void test_a_date_taken_over_is_moved(void **state)
{
	struct rules_limit five = {L(WORKING_DAY), 5}, none = {L(UNSPECIFIED), 0};
	struct rules_shift shifts[] = {
		{.pause = {moment("2024-05-22 09:00"), moment("2024-05-24 09:00")}},
		{.is_extension = true, .extension = {.working_days = 3}},
	};
	int64_t promised = moment("2024-06-12 17:00");

	(void)state;
	expect("taken over", 0, rules_due_moved(&usual, five, promised, NULL, 0),
	       "2024-06-12 17:00");
	expect("taken over", 1, rules_due_moved(&usual, five, promised, shifts, 1),
	       "2024-06-14 17:00");
	expect("taken over", 2, rules_due_moved(&usual, five, promised, shifts, 2),
	       "2024-06-19 17:30");
	expect("taken over", 3, rules_due_moved(&usual, none, promised, NULL, 0),
	       "2024-06-12 17:00");
}

static void test_due_dates_end_when_the_agency_closes(void **state)
{
	struct rules_limit four = {L(WORKING_DAY), 4};
	struct rules_shift shift = {.is_extension = true, .extension = {.working_days = 5}};

	(void)state;
	expect("ward", 0, rules_due(&ward, four, moment("2024-05-20 09:00"), NULL, 0),
	       "2024-05-24 11:30");
	expect("ward", 1, rules_due(&ward, four, moment("2024-05-20 09:00"), &shift, 1),
	       "2024-05-31 11:30");
}

static void test_what_lies_beyond_the_calendar_is_provisional(void **state)
{
	struct rules_limit two = {L(WORKING_DAY), 2};
	struct rules_shift shift = {.is_extension = true, .extension = {.working_days = 9}};

	(void)state;
	assert_true(rules_due(&usual, two, moment("2024-12-30 09:00"), NULL, 0).provisional);
	assert_false(rules_due(&usual, two, moment("2024-12-20 09:00"), NULL, 0).provisional);
	assert_true(rules_due(&usual, two, moment("2024-12-20 09:00"), &shift, 1).provisional);
}

static const struct {
	const char *due, *paused, *now, *new_due;
	bool extended;
	const char *code; /* "": allowed */
} extends[] = {
	{"2024-05-28 17:30", "", "2024-05-28 17:30", "2024-05-31 17:30", false, ""},
	{"2024-05-28 17:30", "", "2024-05-28 17:31", "2024-05-31 17:30", false, "DUE_DATE_PASSED"},
	{"2024-05-28 17:30", "", "2024-05-21 08:00", "2024-05-31 17:30", true, "ALREADY_EXTENDED"},
	{"", "", "2024-05-21 08:00", "2024-05-31 17:30", false, "NO_DUE_DATE"},
	{"2024-05-28 17:30", "", "2024-05-21 08:00", "2024-05-28 17:30", false,
	 "DUE_DATE_NOT_LATER"},
	{"2024-05-28 17:30", "", "2024-05-21 08:00", "2024-05-27 17:30", false,
	 "DUE_DATE_NOT_LATER"},
	{"2024-05-28 17:30", "", "2024-05-21 08:00", "2025-05-30 17:30", false, "INVALID_FIELD"},
	/* the clock stood still before it was due */
	{"2024-05-28 17:30", "2024-05-24 09:00", "2024-06-20 09:00", "2024-05-31 17:30", false, ""},
	{"2024-05-28 17:30", "2024-05-29 09:00", "2024-06-20 09:00", "2024-05-31 17:30", false,
	 "DUE_DATE_PASSED"},
};

static void test_one_extension_before_it_is_due(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(extends); i++) {
		struct rules_extendable of = {.due_us = moment(extends[i].due),
					      .paused_us = moment(extends[i].paused),
					      .extended = extends[i].extended};
		struct err err = {0};
		int r = rules_check_extend(&of, moment(extends[i].now), moment(extends[i].new_due),
					   &err);

		if (strcmp(r < 0 ? err_code(&err) : "", extends[i].code) != 0)
			fail_msg("case %zu: %s", i, r < 0 ? err_code(&err) : "allowed");
	}
}

static void test_an_extension_says_days_or_a_date(void **state)
{
	static const struct {
		uint32_t working_days;
		const char *due_date, *field; /* "": right */
	} cases[] = {
		{5, "", ""},
		{0, "2024-06-05", ""},
		{180, "", ""},
		{0, "", "working_days"},
		{5, "2024-06-05", "working_days"},
		{181, "", "working_days"},
		{4294967295U, "", "working_days"},
		{0, "5/6/2024", "due_date"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rules_extension e;
		struct err err = {0};

		rules_check_extension(cases[i].working_days, cases[i].due_date, &e, &err);
		if (strcmp(err.status ? err.items[0].field : "", cases[i].field) != 0)
			fail_msg("case %zu: \"%s\"", i, err.status ? err.items[0].field : "");
		if (err.status == 0)
			assert_int_equal(e.working_days, cases[i].working_days);
	}
}

static void test_steps_run_while_the_agency_is_open(void **state)
{
	(void)state;
	expect("step", 0, rules_step_due(usual.cal, &usual.hours, moment("2024-05-21 16:30"), 2),
	       "2024-05-22 08:30");
	expect("step", 1, rules_step_due(ward.cal, &ward.hours, moment("2024-05-24 10:30"), 2),
	       "2024-05-25 08:30");
	assert_int_equal(rules_step_after_pause(&ward, moment("2024-05-24 10:30"),
						(struct rules_pause){moment("2024-05-24 09:00"),
								     moment("2024-05-25 08:30")}),
			 moment("2024-05-25 10:00")); /* 2:30 and 1:00 later */
	assert_int_equal(rules_step_after_pause(&usual, moment("2024-05-24 10:30"),
						(struct rules_pause){moment("2024-05-24 18:00"),
								     moment("2024-05-26 08:30")}),
			 moment("2024-05-24 10:30")); /* nobody was there */
	expect("step", 2, rules_step_due(usual.cal, &usual.hours, moment("2024-02-07 16:30"), 2),
	       "2024-02-15 08:30");
}

static void test_answers_are_due_in_eight_working_hours(void **state)
{
	(void)state;
	/* no rule of 15:00; a filing in the night runs from the morning */
	expect("answer", 0, rules_answer_due(&usual, moment("2024-05-21 16:00")),
	       "2024-05-22 16:00");
	expect("answer", 1, rules_answer_due(&usual, moment("2024-05-21 22:00")),
	       "2024-05-22 17:30");
	expect("answer", 2, rules_answer_due(&usual, moment("2024-02-08 10:00")),
	       "2024-02-15 17:30");
	expect("answer", 3, rules_answer_due(&ward, moment("2024-05-24 09:30")),
	       "2024-05-27 09:30");
	assert_true(rules_answer_counts(DOSSIER__CHANNEL__CHANNEL_OWN_PORTAL));
	assert_true(rules_answer_counts(DOSSIER__CHANNEL__CHANNEL_NATIONAL_PORTAL));
	assert_false(rules_answer_counts(DOSSIER__CHANNEL__CHANNEL_COUNTER));
	assert_false(rules_answer_counts(DOSSIER__CHANNEL__CHANNEL_POST));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shifts_move_in_order),
		cmocka_unit_test(test_a_date_taken_over_is_moved),
		cmocka_unit_test(test_due_dates_end_when_the_agency_closes),
		cmocka_unit_test(test_what_lies_beyond_the_calendar_is_provisional),
		cmocka_unit_test(test_one_extension_before_it_is_due),
		cmocka_unit_test(test_an_extension_says_days_or_a_date),
		cmocka_unit_test(test_steps_run_while_the_agency_is_open),
		cmocka_unit_test(test_answers_are_due_in_eight_working_hours),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
