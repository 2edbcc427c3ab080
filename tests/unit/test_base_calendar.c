/*
 * Deadlines of the working calendar: cases of the law and of the years 2021-2027, and a second,
 * naive implementation (day by day, minute by minute) compared over thousands of random intervals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/calendar.h"
#include "common/base/civil.h"
#include "common/base/clock.h"

#define MINUTE_US (60 * CLOCK_US_PER_S)

/* As announced for 2021-2026, as the Labour Code makes one expect for 2027. */
static const char *const off_days[] = {
	"2021-01-01", "2021-02-10", "2021-02-11", "2021-02-12", "2021-02-15", "2021-02-16",
	"2021-04-21", "2021-04-30", "2021-05-03", "2021-09-02", "2021-09-03", "2022-01-03",
	"2022-01-31", "2022-02-01", "2022-02-02", "2022-02-03", "2022-02-04", "2022-04-11",
	"2022-05-02", "2022-05-03", "2022-09-01", "2022-09-02", "2023-01-02", "2023-01-20",
	"2023-01-23", "2023-01-24", "2023-01-25", "2023-01-26", "2023-05-01", "2023-05-02",
	"2023-05-03", "2023-09-01", "2023-09-04", "2024-01-01", "2024-02-08", "2024-02-09",
	"2024-02-12", "2024-02-13", "2024-02-14", "2024-04-18", "2024-04-29", "2024-04-30",
	"2024-05-01", "2024-09-02", "2024-09-03", "2025-01-01", "2025-01-27", "2025-01-28",
	"2025-01-29", "2025-01-30", "2025-01-31", "2025-04-07", "2025-04-30", "2025-05-01",
	"2025-05-02", "2025-09-01", "2025-09-02", "2026-01-01", "2026-01-02", "2026-02-16",
	"2026-02-17", "2026-02-18", "2026-02-19", "2026-02-20", "2026-04-27", "2026-04-30",
	"2026-05-01", "2026-08-31", "2026-09-01", "2026-09-02", "2026-11-24", "2027-01-01",
	"2027-02-04", "2027-02-05", "2027-02-08", "2027-02-09", "2027-02-10", "2027-04-16",
	"2027-04-30", "2027-05-03", "2027-09-02", "2027-09-03", "2027-11-24",
};

/* Saturdays worked in exchange for a day off. */
static const char *const work_days[] = {
	"2024-05-04",
	"2025-04-26",
	"2026-01-10",
	"2026-08-22",
};

static int32_t day_of(const char *text)
{
	int32_t day = 0;

	if (civil_parse(text, &day) < 0)
		fail_msg("not a date: %s", text);
	return day;
}

/* "2024-05-21 08:00" or with seconds, local time. */
static int64_t moment(const char *text)
{
	char rfc[40];
	int64_t us = 0;

	snprintf(rfc, sizeof(rfc), "%s%s+07:00", text, strlen(text) == 16 ? ":00" : "");
	if (clock_parse_rfc3339(rfc, &us) < 0)
		fail_msg("not a moment: %s", text);
	return us;
}

static const char *local_text(int64_t us, char out[static 40])
{
	char date[11];
	int32_t day = civil_of_us(us);
	int64_t of_day = us - civil_to_us(day, 0);

	civil_format(day, date);
	snprintf(out, 40, "%s %02d:%02d", date, (int)(of_day / MINUTE_US / 60),
		 (int)(of_day / MINUTE_US % 60));
	if (of_day % MINUTE_US)
		snprintf(out + 16, 24, ":%09.6f", (double)(of_day % MINUTE_US) / 1e6);
	return out;
}

static size_t all_rows(struct calendar_day *rows)
{
	size_t n = 0;

	/* Not in order of dates: calendar_new() has to sort. */
	for (size_t i = 0; i < ARRAY_LEN(work_days); i++)
		rows[n++] = (struct calendar_day){day_of(work_days[i]), CALENDAR_WORK};
	for (size_t i = ARRAY_LEN(off_days); i-- > 0;)
		rows[n++] = (struct calendar_day){day_of(off_days[i]), CALENDAR_OFF};
	return n;
}

/* Announced until the end of 2026; the rows of 2027 are estimates. */
static struct calendar *vietnam(void)
{
	struct calendar_day rows[ARRAY_LEN(off_days) + ARRAY_LEN(work_days)];
	struct calendar *cal = NULL;
	struct err err;

	assert_int_equal(calendar_new(rows, all_rows(rows), day_of("2021-01-01"),
				      day_of("2026-12-31"), 7, &cal, &err),
			 0);
	return cal;
}

/* Monday … Friday the same hours, for ever. */
static void every_weekday(struct calendar_weekday_hours rows[static 5], struct calendar_hours hours)
{
	for (int i = 0; i < 5; i++)
		rows[i] = (struct calendar_weekday_hours){i + 1, INT32_MIN, INT32_MAX, hours};
}

static const struct calendar_hours half_day = {
	.am_start = 8 * 60, .am_end = 12 * 60, .pm_start = 12 * 60, .pm_end = 12 * 60};

/* --- the cases --- */

static const struct {
	const char *start;
	enum calendar_limit limit;
	int value;
	const char *due;
	bool provisional;
} due_cases[] = {
	/* plain working days: the day of acceptance does not count, whatever its hour */
	{"2024-05-21 08:00", CALENDAR_WORKING_DAYS, 5, "2024-05-28 17:30", false},
	{"2024-05-21 17:29", CALENDAR_WORKING_DAYS, 5, "2024-05-28 17:30", false},
	{"2024-05-21 00:00", CALENDAR_WORKING_DAYS, 5, "2024-05-28 17:30", false},
	{"2024-05-21 23:59:59", CALENDAR_WORKING_DAYS, 5, "2024-05-28 17:30", false},
	{"2024-05-21 08:00", CALENDAR_WORKING_DAYS, 0, "2024-05-21 17:30", false},
	{"2024-05-26 08:00", CALENDAR_WORKING_DAYS, 0, "2024-05-27 17:30", false},
	{"2024-05-26 08:00", CALENDAR_WORKING_DAYS, 1, "2024-05-27 17:30", false},
	{"2024-05-24 08:00", CALENDAR_WORKING_DAYS, 1, "2024-05-27 17:30", false},
	{"2024-05-21 08:00", CALENDAR_WORKING_DAYS, -3, "2024-05-21 17:30", false},
	{"2024-05-21 08:00", CALENDAR_CALENDAR_DAYS, -3, "2024-05-21 17:30", false},
	{"2024-05-21 08:00", CALENDAR_WORKING_HOURS, -3, "2024-05-21 08:00", false},
	/* Tet */
	{"2021-02-09 10:00", CALENDAR_WORKING_DAYS, 1, "2021-02-17 17:30", false},
	{"2022-01-28 10:00", CALENDAR_WORKING_DAYS, 2, "2022-02-08 17:30", false},
	{"2023-01-19 10:00", CALENDAR_WORKING_DAYS, 1, "2023-01-27 17:30", false},
	{"2024-02-07 09:00", CALENDAR_WORKING_DAYS, 3, "2024-02-19 17:30", false},
	{"2025-01-24 09:00", CALENDAR_WORKING_DAYS, 1, "2025-02-03 17:30", false},
	{"2026-02-13 09:00", CALENDAR_WORKING_DAYS, 1, "2026-02-23 17:30", false},
	/* make-up Saturdays and the days they were swapped with */
	{"2024-04-26 09:00", CALENDAR_WORKING_DAYS, 1, "2024-05-02 17:30", false},
	{"2024-04-26 09:00", CALENDAR_WORKING_DAYS, 3, "2024-05-04 17:30", false},
	{"2024-04-26 09:00", CALENDAR_WORKING_DAYS, 4, "2024-05-06 17:30", false},
	{"2025-04-25 09:00", CALENDAR_WORKING_DAYS, 1, "2025-04-26 17:30", false},
	{"2025-04-25 09:00", CALENDAR_WORKING_DAYS, 4, "2025-05-05 17:30", false},
	{"2025-12-31 09:00", CALENDAR_WORKING_DAYS, 1, "2026-01-05 17:30", false},
	{"2026-01-09 09:00", CALENDAR_WORKING_DAYS, 1, "2026-01-10 17:30", false},
	{"2026-08-21 09:00", CALENDAR_WORKING_DAYS, 1, "2026-08-22 17:30", false},
	{"2026-08-21 09:00", CALENDAR_WORKING_DAYS, 7, "2026-09-03 17:30", false},
	/* single holidays, substitutes for those on a rest day, the new one of 2026 */
	{"2022-04-08 09:00", CALENDAR_WORKING_DAYS, 1, "2022-04-12 17:30", false},
	{"2023-04-28 09:00", CALENDAR_WORKING_DAYS, 1, "2023-05-04 17:30", false},
	{"2026-11-23 09:00", CALENDAR_WORKING_DAYS, 1, "2026-11-25 17:30", false},
	/* same day: before 15:00 that day, else the next working day */
	{"2024-05-21 14:59", CALENDAR_SAME_DAY, 0, "2024-05-21 17:30", false},
	{"2024-05-21 14:59:59.999999", CALENDAR_SAME_DAY, 99, "2024-05-21 17:30", false},
	{"2024-05-21 15:00", CALENDAR_SAME_DAY, 0, "2024-05-22 17:30", false},
	{"2024-05-24 15:30", CALENDAR_SAME_DAY, 0, "2024-05-27 17:30", false},
	{"2024-05-25 09:00", CALENDAR_SAME_DAY, 0, "2024-05-27 17:30", false},
	{"2024-02-07 16:00", CALENDAR_SAME_DAY, 0, "2024-02-15 17:30", false},
	{"2024-05-04 10:00", CALENDAR_SAME_DAY, 0, "2024-05-04 17:30", false},
	{"2024-05-04 16:00", CALENDAR_SAME_DAY, 0, "2024-05-06 17:30", false},
	/* calendar days, pushed off closed days */
	{"2024-05-21 16:00", CALENDAR_CALENDAR_DAYS, 3, "2024-05-24 17:30", false},
	{"2024-05-21 16:00", CALENDAR_CALENDAR_DAYS, 4, "2024-05-27 17:30", false},
	{"2024-05-21 16:00", CALENDAR_CALENDAR_DAYS, 5, "2024-05-27 17:30", false},
	{"2024-02-01 09:00", CALENDAR_CALENDAR_DAYS, 8, "2024-02-15 17:30", false},
	{"2024-04-26 09:00", CALENDAR_CALENDAR_DAYS, 8, "2024-05-04 17:30", false},
	{"2024-04-26 09:00", CALENDAR_CALENDAR_DAYS, 3, "2024-05-02 17:30", false},
	/* working hours: from when work starts */
	{"2024-05-21 08:00", CALENDAR_WORKING_HOURS, 4, "2024-05-21 14:00", false},
	{"2024-05-21 08:00", CALENDAR_WORKING_HOURS, 8, "2024-05-22 08:00", false},
	{"2024-05-21 08:30", CALENDAR_WORKING_HOURS, 3, "2024-05-21 11:30", false},
	{"2024-05-21 05:00", CALENDAR_WORKING_HOURS, 1, "2024-05-21 08:30", false},
	{"2024-05-21 12:00", CALENDAR_WORKING_HOURS, 1, "2024-05-21 14:30", false},
	{"2024-05-21 14:59", CALENDAR_WORKING_HOURS, 1, "2024-05-21 15:59", false},
	{"2024-05-21 15:00", CALENDAR_WORKING_HOURS, 1, "2024-05-22 08:30", false},
	{"2024-05-24 15:00", CALENDAR_WORKING_HOURS, 8, "2024-05-27 17:30", false},
	{"2024-05-26 10:00", CALENDAR_WORKING_HOURS, 9, "2024-05-28 08:30", false},
	{"2024-05-26 10:00", CALENDAR_WORKING_HOURS, 0, "2024-05-27 07:30", false},
	{"2024-02-07 14:30", CALENDAR_WORKING_HOURS, 4, "2024-02-15 08:30", false},
	/* beyond what has been announced */
	{"2026-12-30 09:00", CALENDAR_WORKING_DAYS, 1, "2026-12-31 17:30", false},
	{"2026-12-30 09:00", CALENDAR_WORKING_DAYS, 2, "2027-01-04 17:30", true},
	{"2026-12-31 15:00", CALENDAR_SAME_DAY, 0, "2027-01-04 17:30", true},
	{"2026-12-20 09:00", CALENDAR_CALENDAR_DAYS, 11, "2026-12-31 17:30", false},
	{"2026-12-20 09:00", CALENDAR_CALENDAR_DAYS, 14, "2027-01-04 17:30", true},
	{"2026-12-31 14:30", CALENDAR_WORKING_HOURS, 3, "2026-12-31 17:30", false},
	{"2026-12-31 14:30", CALENDAR_WORKING_HOURS, 4, "2027-01-04 08:30", true},
	{"2026-12-31 16:00", CALENDAR_WORKING_HOURS, 1, "2027-01-04 08:30", true},
	{"2020-12-31 09:00", CALENDAR_WORKING_DAYS, 1, "2021-01-04 17:30", false},
	{"2020-12-31 09:00", CALENDAR_SAME_DAY, 0, "2020-12-31 17:30", true},
	{"2020-12-30 09:00", CALENDAR_WORKING_DAYS, 2, "2021-01-04 17:30", true},
	{"2028-02-01 09:00", CALENDAR_WORKING_DAYS, 4, "2028-02-07 17:30", true},
};

static void due_dates_of_the_law(void **state)
{
	struct calendar *cal = vietnam();
	char text[40];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(due_cases); i++) {
		struct calendar_due due =
			calendar_due(cal, &calendar_timetable_default, moment(due_cases[i].start),
				     due_cases[i].limit, due_cases[i].value);

		if (strcmp(local_text(due.due_us, text), due_cases[i].due) != 0 ||
		    due.provisional != due_cases[i].provisional)
			fail_msg("%s, limit %d of %d: %s%s, not %s", due_cases[i].start,
				 (int)due_cases[i].limit, due_cases[i].value, text,
				 due.provisional ? " (provisional)" : "", due_cases[i].due);
	}
	calendar_free(cal);
}

static const struct {
	enum calendar_limit limit;
	const char *due, *pause, *resume, *new_due;
	bool provisional;
} pause_cases[] = {
	/* two working days from 9 to 9 */
	{CALENDAR_WORKING_DAYS, "2024-05-28 17:30", "2024-05-21 09:00", "2024-05-23 09:00",
	 "2024-05-30 17:30", false},
	/* three working hours around lunch */
	{CALENDAR_WORKING_DAYS, "2024-05-28 17:30", "2024-05-21 10:00", "2024-05-21 15:00",
	 "2024-05-29 10:30", false},
	{CALENDAR_WORKING_DAYS, "2024-05-28 17:30", "2024-05-21 10:00:10", "2024-05-21 10:00:40",
	 "2024-05-29 07:30:30.000000", false},
	/* a night, a week-end, Tet: no working time passed */
	{CALENDAR_WORKING_DAYS, "2024-05-28 17:30", "2024-05-21 17:30", "2024-05-22 07:30",
	 "2024-05-28 17:30", false},
	{CALENDAR_WORKING_DAYS, "2024-05-28 17:30", "2024-05-25 08:00", "2024-05-26 20:00",
	 "2024-05-28 17:30", false},
	{CALENDAR_WORKING_DAYS, "2024-02-16 17:30", "2024-02-07 18:00", "2024-02-15 06:00",
	 "2024-02-16 17:30", false},
	/* over Tet and one day more; the new date lands behind a week-end */
	{CALENDAR_WORKING_DAYS, "2024-02-16 17:30", "2024-02-07 17:30", "2024-02-15 17:30",
	 "2024-02-19 17:30", false},
	/* a make-up Saturday counts */
	{CALENDAR_WORKING_DAYS, "2024-05-03 17:30", "2024-05-03 07:30", "2024-05-03 17:30",
	 "2024-05-04 17:30", false},
	{CALENDAR_SAME_DAY, "2024-05-21 17:30", "2024-05-21 16:00", "2024-05-21 17:00",
	 "2024-05-22 08:30", false},
	{CALENDAR_WORKING_HOURS, "2024-05-21 14:00", "2024-05-21 09:00", "2024-05-21 10:00",
	 "2024-05-21 15:00", false},
	/* paused after it was due */
	{CALENDAR_WORKING_DAYS, "2024-05-20 17:30", "2024-05-21 07:30", "2024-05-21 17:30",
	 "2024-05-21 17:30", false},
	/* calendar days: by civil dates, then off the closed day */
	{CALENDAR_CALENDAR_DAYS, "2024-05-27 17:30", "2024-05-21 23:00", "2024-05-25 01:00",
	 "2024-05-31 17:30", false},
	{CALENDAR_CALENDAR_DAYS, "2024-05-27 17:30", "2024-05-21 08:00", "2024-05-26 08:00",
	 "2024-06-03 17:30", false},
	{CALENDAR_CALENDAR_DAYS, "2024-05-27 17:30", "2024-05-21 08:00", "2024-05-21 17:00",
	 "2024-05-27 17:30", false},
	/* nonsense in time: no shift */
	{CALENDAR_WORKING_DAYS, "2024-05-28 17:30", "2024-05-23 09:00", "2024-05-21 09:00",
	 "2024-05-28 17:30", false},
	{CALENDAR_CALENDAR_DAYS, "2024-05-28 17:30", "2024-05-23 09:00", "2024-05-21 09:00",
	 "2024-05-28 17:30", false},
	/* the day became one off after the date was set (2024-04-29 was announced late) */
	{CALENDAR_WORKING_DAYS, "2024-04-29 17:30", "2024-04-26 18:00", "2024-04-27 18:00",
	 "2024-05-02 17:30", false},
	/* beyond the announced days */
	{CALENDAR_WORKING_DAYS, "2026-12-30 17:30", "2026-12-21 07:30", "2026-12-21 17:30",
	 "2026-12-31 17:30", false},
	{CALENDAR_WORKING_DAYS, "2026-12-31 17:30", "2026-12-21 07:30", "2026-12-21 17:30",
	 "2027-01-04 17:30", true},
	{CALENDAR_WORKING_DAYS, "2026-12-30 17:30", "2027-01-05 07:30", "2027-01-05 08:30",
	 "2026-12-31 08:30", true},
	{CALENDAR_CALENDAR_DAYS, "2026-12-31 17:30", "2026-12-21 07:30", "2026-12-22 17:30",
	 "2027-01-04 17:30", true},
};

static void pauses_shift_due_dates(void **state)
{
	struct calendar *cal = vietnam();
	char text[40];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pause_cases); i++) {
		struct calendar_due due =
			calendar_resume(cal, &calendar_timetable_default, pause_cases[i].limit,
					moment(pause_cases[i].due), moment(pause_cases[i].pause),
					moment(pause_cases[i].resume));

		if (strcmp(local_text(due.due_us, text), pause_cases[i].new_due) != 0 ||
		    due.provisional != pause_cases[i].provisional)
			fail_msg("case %zu: %s%s, not %s", i, text,
				 due.provisional ? " (provisional)" : "", pause_cases[i].new_due);
	}
	calendar_free(cal);
}

static void answers_within_eight_working_hours(void **state)
{
	struct calendar_weekday_hours rows[5];
	const struct calendar_timetable mornings = {rows, 5};
	struct calendar *cal = vietnam();
	struct calendar_due due;
	char text[40];

	(void)state;
	every_weekday(rows, half_day);
	/* The rule of 15:00 is about taking in, not about answering an online submission. */
	due = calendar_add_working_minutes(cal, &calendar_timetable_default,
					   moment("2024-05-24 15:30"), 480);
	assert_string_equal(local_text(due.due_us, text), "2024-05-27 15:30");
	due = calendar_add_working_minutes(cal, &calendar_timetable_default,
					   moment("2024-05-25 15:30"), 0);
	assert_string_equal(local_text(due.due_us, text), "2024-05-25 15:30");
	due = calendar_due(cal, &mornings, moment("2024-05-21 09:00"), CALENDAR_WORKING_DAYS, 1);
	assert_string_equal(local_text(due.due_us, text), "2024-05-22 12:00");
	due = calendar_add_working_minutes(cal, &mornings, moment("2024-05-21 09:00"), 480);
	assert_string_equal(local_text(due.due_us, text), "2024-05-23 09:00");
	calendar_free(cal);
}

/* A ward's desk: mornings on Friday, Saturday service, other hours in summer. */
static const struct calendar_weekday_hours ward_rows[] = {
	{1, 19844, 19966, {6 * 60 + 30, 11 * 60, 14 * 60, 17 * 60 + 30}}, /* 2024-05-01 … 08-31 */
	{5, INT32_MIN, INT32_MAX, {450, 690, 690, 690}},
	{6, INT32_MIN, INT32_MAX, {450, 690, 690, 690}},
};
static const struct calendar_timetable ward = {ward_rows, ARRAY_LEN(ward_rows)};

static const struct {
	const char *start;
	enum calendar_limit limit;
	int value;
	const char *due;
} ward_cases[] = {
	/* a due day ends when the agency closes */
	{"2024-05-20 08:00", CALENDAR_WORKING_DAYS, 4, "2024-05-24 11:30"},
	{"2024-05-24 08:00", CALENDAR_SAME_DAY, 0, "2024-05-24 11:30"},
	{"2024-05-23 08:00", CALENDAR_CALENDAR_DAYS, 1, "2024-05-24 11:30"},
	/* the day's own hours, before and from the summer on */
	{"2024-04-26 10:30", CALENDAR_WORKING_HOURS, 2, "2024-05-02 08:30"},
	{"2024-05-03 10:30", CALENDAR_WORKING_HOURS, 2, "2024-05-04 07:30"},
	{"2024-05-17 11:00", CALENDAR_WORKING_HOURS, 1, "2024-05-20 07:00"},
	{"2024-09-06 11:00", CALENDAR_WORKING_HOURS, 1, "2024-09-09 08:00"},
	/* a make-up Saturday has Monday's hours, not the service's */
	{"2024-05-03 10:00", CALENDAR_WORKING_DAYS, 1, "2024-05-04 17:30"},
	/* service on a Saturday is no working day: nothing is due then, nothing counts */
	{"2024-05-23 16:00", CALENDAR_WORKING_DAYS, 2, "2024-05-27 17:30"},
	{"2024-05-25 08:00", CALENDAR_SAME_DAY, 0, "2024-05-27 17:30"},
	{"2024-05-25 08:00", CALENDAR_WORKING_HOURS, 1, "2024-05-27 07:30"},
	{"2024-05-24 10:30", CALENDAR_WORKING_HOURS, 2, "2024-05-27 07:30"},
};

static void each_agency_has_its_hours(void **state)
{
	struct calendar *cal = vietnam();
	char text[40];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ward_cases); i++) {
		struct calendar_due due = calendar_due(cal, &ward, moment(ward_cases[i].start),
						       ward_cases[i].limit, ward_cases[i].value);

		if (strcmp(local_text(due.due_us, text), ward_cases[i].due) != 0)
			fail_msg("case %zu, %s: %s, not %s", i, ward_cases[i].start, text,
				 ward_cases[i].due);
	}
	assert_int_equal(calendar_hours_of(cal, &ward, day_of("2024-05-24")).pm_end, 690);
	assert_int_equal(calendar_hours_of(cal, &ward, day_of("2024-05-25")).am_end, 0);
	calendar_free(cal);
}

/* What the desk must do in time runs while the desk is open; a holiday is one all the same. */
static void service_hours_count_for_the_desk(void **state)
{
	struct calendar *cal = vietnam();
	char text[40];
	int64_t due;

	(void)state;
	due = calendar_add_working_minutes(cal, &ward, moment("2024-05-24 10:30"), 120).due_us;
	assert_string_equal(local_text(due, text), "2024-05-25 08:30");
	assert_int_equal(calendar_working_minutes(cal, &ward, moment("2024-05-24 12:00"),
						  moment("2024-05-27 06:00")),
			 240);
	/* Tet: Saturday 10 and Sunday 11 February 2024 are holidays without a row */
	assert_int_equal(calendar_working_minutes(cal, &ward, moment("2024-02-08 00:00"),
						  moment("2024-02-15 00:00")),
			 0);
	assert_int_equal(calendar_working_minutes(cal, &ward, moment("2024-02-03 00:00"),
						  moment("2024-02-04 00:00")),
			 240);
	calendar_free(cal);
}

static void hours_are_checked(void **state)
{
	static const struct {
		struct calendar_hours hours;
		int weekday;
		bool valid;
	} cases[] = {
		{{450, 690, 810, 1050}, 1, true},
		{{450, 690, 690, 690}, 5, true},
		{{0, 0, 0, 0}, 6, true},
		{{0, 0, 0, 0}, 0, true},
		{{0, 720, 720, 1440}, 3, true},
		{{0, 0, 0, 0}, 3, false},
		{{690, 450, 810, 1050}, 1, false},
		{{450, 690, 600, 1050}, 1, false},
		{{450, 690, 810, 800}, 1, false},
		{{450, 690, 810, 1441}, 1, false},
		{{-1, 690, 810, 1050}, 1, false},
		{{450, 690, 810, 1050}, 7, false},
		{{450, 690, 810, 1050}, -1, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (calendar_hours_valid(&cases[i].hours, cases[i].weekday) != cases[i].valid)
			fail_msg("case %zu", i);
}

static void rows_are_checked(void **state)
{
	struct calendar_day rows[] = {{100, CALENDAR_OFF}, {7, CALENDAR_WORK}, {100, CALENDAR_OFF}};
	struct calendar *cal = NULL;
	struct err err;

	(void)state;
	err_clear(&err);
	assert_int_equal(calendar_new(rows, 3, 0, 200, 1, &cal, &err), ERR_INVALID);
	assert_string_equal(err_code(&err), "CALENDAR_DOUBLED");
	assert_non_null(strstr(err.items[0].en, "1970-04-11"));
	assert_int_equal(calendar_new(rows, 2, 200, 199, 1, &cal, &err), ERR_INVALID);
	assert_string_equal(err_code(&err), "CALENDAR_COVERAGE");
	rows[1].kind = (enum calendar_kind)3;
	assert_int_equal(calendar_new(rows, 2, 0, 200, 1, &cal, &err), ERR_INVALID);
	assert_string_equal(err_code(&err), "CALENDAR_KIND");
	assert_null(cal);
	assert_int_equal(calendar_new(NULL, 0, 5, 5, 9, &cal, &err), 0);
	assert_int_equal(calendar_version(cal), 9);
	assert_true(calendar_covers(cal, 5));
	assert_false(calendar_covers(cal, 4) || calendar_covers(cal, 6));
	calendar_free(cal);
	calendar_free(NULL);
}

/* Dates and limits that peers can choose must end soon and not overflow. */
static void extremes_stay_bounded(void **state)
{
	static const int64_t moments[] = {INT64_MIN, -1, 0, INT64_MAX};
	struct calendar_weekday_hours rows[5];
	const struct calendar_timetable never = {rows, 5};
	struct calendar *cal = vietnam();

	(void)state;
	every_weekday(rows, (struct calendar_hours){0});
	for (size_t i = 0; i < ARRAY_LEN(moments); i++) {
		for (int limit = CALENDAR_SAME_DAY; limit <= CALENDAR_WORKING_HOURS; limit++) {
			calendar_due(cal, &calendar_timetable_default, moments[i],
				     (enum calendar_limit)limit, INT32_MAX);
			calendar_due(cal, &never, moments[i], (enum calendar_limit)limit, 10);
		}
		for (size_t j = 0; j < ARRAY_LEN(moments); j++)
			calendar_working_minutes(cal, &calendar_timetable_default, moments[i],
						 moments[j]);
		calendar_add_working_minutes(cal, &calendar_timetable_default, moments[i],
					     INT64_MAX);
	}
	assert_int_equal(calendar_working_days_between(cal, INT32_MIN, INT32_MAX),
			 -calendar_working_days_between(cal, INT32_MAX, INT32_MIN));
	assert_true(calendar_working_days_between(cal, INT32_MIN, INT32_MAX) > 300 * 250);
	assert_int_equal(calendar_add_working_days(cal, INT32_MAX, INT32_MAX),
			 day_of("2199-12-31"));
	calendar_free(cal);
}

/* --- the oracle --- */

struct oracle {
	struct calendar_day rows[400];
	size_t n;
	int32_t from, to;
	struct calendar_weekday_hours week[24];
	size_t n_week;
	bool looked_beyond;
};

static bool oracle_works(struct oracle *o, int32_t day)
{
	if (day < o->from || day > o->to)
		o->looked_beyond = true;
	for (size_t i = 0; i < o->n; i++)
		if (o->rows[i].day == day)
			return o->rows[i].kind == CALENDAR_WORK;
	return civil_weekday(day) >= 1 && civil_weekday(day) <= 5;
}

static bool oracle_is_off(const struct oracle *o, int32_t day)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->rows[i].day == day && o->rows[i].kind == CALENDAR_OFF)
			return true;
	return false;
}

/* Neither the day, nor the working days before and behind its week-end, are holidays. */
static bool oracle_serves(const struct oracle *o, int32_t day)
{
	int32_t last = day, next = day;

	while (civil_weekday(last) != 5)
		last--;
	while (civil_weekday(next) != 1)
		next++;
	return !oracle_is_off(o, day) && !oracle_is_off(o, last) && !oracle_is_off(o, next);
}

/* Which minutes of a day count; desk: service hours too. */
static void oracle_day(struct oracle *o, int32_t day, bool desk, bool minutes[static 1440])
{
	static const struct calendar_hours usual = {450, 690, 810, 1050};
	int weekday = civil_weekday(day);
	bool weekend = weekday == 0 || weekday == 6, works = oracle_works(o, day);
	const struct calendar_hours *h = NULL;

	if (works && weekend)
		weekday = 1;
	for (size_t i = o->n_week; i-- > 0;)
		if (o->week[i].weekday == weekday && o->week[i].from <= day && o->week[i].to >= day)
			h = &o->week[i].hours;
	if (!h && weekday >= 1 && weekday <= 5)
		h = &usual;
	for (int m = 0; m < 1440; m++)
		minutes[m] = h && (works || (desk && weekend && oracle_serves(o, day))) &&
			     ((m >= h->am_start && m < h->am_end) ||
			      (m >= h->pm_start && m < h->pm_end));
}

/* Minutes since 1970 local. */
static int64_t oracle_count(struct oracle *o, bool desk, int64_t from, int64_t to)
{
	bool minutes[1440];
	int32_t day = INT32_MIN;
	int64_t n = 0;

	for (int64_t m = from; m < to; m++) {
		if (m / 1440 != day) {
			day = (int32_t)(m / 1440);
			oracle_day(o, day, desk, minutes);
		}
		n += minutes[m % 1440];
	}
	return n;
}

static int64_t oracle_add(struct oracle *o, bool desk, int64_t from, int64_t count)
{
	bool minutes[1440];
	int32_t day = INT32_MIN;
	int64_t m;

	for (m = from; count > 0; m++) {
		if (m / 1440 != day) {
			day = (int32_t)(m / 1440);
			oracle_day(o, day, desk, minutes);
		}
		count -= minutes[m % 1440];
	}
	return m;
}

static int32_t oracle_nth(struct oracle *o, int32_t day, int n)
{
	if (n == 0)
		while (!oracle_works(o, day))
			day++;
	while (n > 0)
		n -= oracle_works(o, ++day);
	return day;
}

/* First (end: behind the last) minute worked on a working day. */
static int oracle_edge(struct oracle *o, int32_t day, bool end)
{
	bool minutes[1440];
	int first = -1, last = 0;

	oracle_day(o, day, false, minutes);
	for (int m = 0; m < 1440; m++) {
		first = first < 0 && minutes[m] ? m : first;
		last = minutes[m] ? m + 1 : last;
	}
	return end ? last : first;
}

static int64_t oracle_due(struct oracle *o, int64_t start, enum calendar_limit limit, int value)
{
	int32_t day = (int32_t)(start / 1440);
	bool late = start % 1440 >= 900;

	switch (limit) {
	case CALENDAR_SAME_DAY:
		day = oracle_nth(o, day, late ? 1 : 0);
		break;
	case CALENDAR_WORKING_DAYS:
		day = oracle_nth(o, day, value);
		break;
	case CALENDAR_CALENDAR_DAYS:
		day = oracle_nth(o, day + value, 0);
		break;
	case CALENDAR_WORKING_HOURS:
		if (!oracle_works(o, day) || late) {
			day = oracle_nth(o, day, 1);
			start = day * 1440LL + oracle_edge(o, day, false);
		}
		return oracle_add(o, false, start, value * 60);
	}
	return day * 1440LL + oracle_edge(o, day, true);
}

static int64_t oracle_resume(struct oracle *o, enum calendar_limit limit, int64_t due,
			     int64_t pause, int64_t resume)
{
	int32_t day;

	if (limit == CALENDAR_CALENDAR_DAYS && resume > pause) {
		day = (int32_t)(due / 1440 + resume / 1440 - pause / 1440);
		due = day * 1440LL + (oracle_works(o, day) ? oracle_edge(o, day, true) : 0);
	} else {
		due = oracle_add(o, false, due, oracle_count(o, false, pause, resume));
	}
	day = (int32_t)(due / 1440);
	if (oracle_works(o, day))
		return due;
	day = oracle_nth(o, day, 0);
	return day * 1440LL + oracle_edge(o, day, true);
}

static uint64_t random_state = 0x9e3779b97f4a7c15;

static int64_t random_below(int64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (int64_t)(random_state % (uint64_t)n);
}

static int64_t us_of(int64_t minutes)
{
	return minutes * MINUTE_US - CLOCK_TZ_OFFSET_US;
}

static void compare_once(const struct calendar *cal, struct oracle *o, int64_t first, int64_t span)
{
	int64_t a = first + random_below(span), b = a + random_below(20 * 1440);
	const struct calendar_timetable at = {o->week, o->n_week};
	int64_t due_at = a + random_below(30 * 1440), minutes = random_below(6000);
	enum calendar_limit limit = (enum calendar_limit)(1 + random_below(4));
	int value = (int)random_below(limit == CALENDAR_WORKING_HOURS ? 90 : 40);
	int32_t from = (int32_t)(a / 1440), to = (int32_t)(b / 1440);
	struct calendar_due due;
	int days = 0;

	assert_int_equal(calendar_working_minutes(cal, &at, us_of(a), us_of(b)),
			 oracle_count(o, true, a, b));
	for (int32_t day = from + 1; day <= to; day++)
		days += oracle_works(o, day);
	assert_int_equal(calendar_working_days_between(cal, from, to), days);
	assert_int_equal(calendar_working_days_between(cal, to, from), -days);
	assert_int_equal(calendar_add_working_days(cal, from, value), oracle_nth(o, from, value));

	o->looked_beyond = false;
	due = calendar_add_working_minutes(cal, &at, us_of(a), minutes);
	assert_int_equal(due.due_us, us_of(oracle_add(o, true, a, minutes)));
	assert_int_equal(due.provisional, o->looked_beyond);

	o->looked_beyond = false;
	due = calendar_due(cal, &at, us_of(a), limit, value);
	assert_int_equal(due.due_us, us_of(oracle_due(o, a, limit, value)));
	assert_int_equal(due.provisional, o->looked_beyond);

	due = calendar_resume(cal, &at, limit, us_of(due_at), us_of(a), us_of(b));
	assert_int_equal(due.due_us, us_of(oracle_resume(o, limit, due_at, a, b)));
}

/* To the microsecond: what add_working_minutes() promises, by its own inverse. */
static void compare_inverse(const struct calendar *cal, const struct oracle *o, int64_t first,
			    int64_t span)
{
	const struct calendar_timetable at = {o->week, o->n_week};
	int64_t start = us_of(first + random_below(span)) + random_below(MINUTE_US);
	int64_t minutes = 1 + random_below(6000);
	int64_t due = calendar_add_working_minutes(cal, &at, start, minutes).due_us;

	assert_int_equal(calendar_working_minutes(cal, &at, start, due), minutes);
	assert_int_equal(calendar_working_minutes(cal, &at, start, due - 1), minutes - 1);
}

static void compare_many(struct oracle *o, int rounds)
{
	struct calendar *cal = NULL;
	struct err err;
	int64_t first = (o->from - 60) * 1440LL, span = (o->to - o->from + 90) * 1440LL;

	assert_int_equal(calendar_new(o->rows, o->n, o->from, o->to, 1, &cal, &err), 0);
	for (int i = 0; i < rounds; i++) {
		compare_once(cal, o, first, span);
		compare_inverse(cal, o, first, span);
	}
	calendar_free(cal);
}

static void oracle_agrees_on_the_real_calendar(void **state)
{
	struct oracle o = {.from = day_of("2021-01-01"), .to = day_of("2026-12-31")};

	(void)state;
	o.n = all_rows(o.rows);
	compare_many(&o, 1500);
	every_weekday(o.week, half_day);
	o.n_week = 5;
	compare_many(&o, 500);
}

/* Sessions with something in them, or - closed - perhaps nothing. */
static struct calendar_hours random_hours(bool closed)
{
	int am = (int)random_below(600), noon = am + 1 + (int)random_below(240);
	int pm = noon + (int)random_below(120), night = pm + (int)random_below(1440 - pm);

	if (closed)
		noon = am, night = pm;
	else if (random_below(4) == 0)
		noon = am, night = pm + 60; /* afternoons only */
	return (struct calendar_hours){am, noon, pm, night};
}

/* Other hours from some day on, service on Saturdays or Sundays, weekdays nobody has said. */
static void random_week(struct oracle *o)
{
	for (o->n_week = 0; o->n_week < ARRAY_LEN(o->week); o->n_week++) {
		int32_t from = o->from - 30 + (int32_t)random_below(300);
		int weekday = (int)random_below(7);

		o->week[o->n_week] = (struct calendar_weekday_hours){
			weekday, from, from + (int32_t)random_below(200),
			random_hours((weekday == 0 || weekday == 6) && random_below(3) == 0)};
	}
}

/* Calendars nobody would announce: long closures, worked week-ends, odd hours. */
static void oracle_agrees_on_random_calendars(void **state)
{
	(void)state;
	for (int round = 0; round < 60; round++) {
		struct oracle o = {.from = day_of("2024-01-01")};

		o.to = o.from + 300;
		random_week(&o);
		for (int32_t day = o.from - 30; day < o.to + 30; day++)
			if (random_below(3) == 0)
				o.rows[o.n++] = (struct calendar_day){
					day, random_below(4) ? CALENDAR_OFF : CALENDAR_WORK};
		compare_many(&o, 50);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(due_dates_of_the_law),
		cmocka_unit_test(pauses_shift_due_dates),
		cmocka_unit_test(answers_within_eight_working_hours),
		cmocka_unit_test(each_agency_has_its_hours),
		cmocka_unit_test(service_hours_count_for_the_desk),
		cmocka_unit_test(hours_are_checked),
		cmocka_unit_test(rows_are_checked),
		cmocka_unit_test(extremes_stay_bounded),
		cmocka_unit_test(oracle_agrees_on_the_real_calendar),
		cmocka_unit_test(oracle_agrees_on_random_calendars),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
