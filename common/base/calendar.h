/*
 * The working calendar: which days are worked, the working hours of a day, and the deadlines
 * counted on them. Pure: no clock, no database. A calendar knows the range its rows cover; a result
 * that had to look beyond it is provisional (weekends are still honoured there, and rows that are
 * estimates; other holidays are not known). Dates outside 1900 … 2199 count as the nearest inside.
 *
 * Rules: Labour Code 2019 Art. 111-112 and the Prime Minister's yearly swaps (rows OFF and WORK);
 * Decree 61/2018 Art. 18 (after 15:00 work starts the next working day; same-day procedures taken
 * in after 15:00 are due the next working day); 1 working day = 8 working hours. A dossier's
 * working-day limit of n days is due at the end of the n-th working day after the day it was
 * accepted; a due date on a day off moves to the end of the next working day.
 */
#ifndef LGSP_BASE_CALENDAR_H
#define LGSP_BASE_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

enum calendar_kind { CALENDAR_OFF = 1, CALENDAR_WORK = 2 };

struct calendar_day {
	int32_t day; /* civil date */
	enum calendar_kind kind;
};

/* Working sessions of a day in minutes from midnight; a half day is one session. */
struct calendar_hours {
	int am_start, am_end, pm_start, pm_end;
};

/* 07:30-11:30 and 13:30-17:30. */
extern const struct calendar_hours calendar_hours_default;

/* The hours of a weekday, from one civil date to another. */
struct calendar_weekday_hours {
	int weekday; /* 0 Sunday … 6 Saturday, as civil_weekday() */
	int32_t from, to;
	struct calendar_hours hours;
};

/*
 * The hours of an agency. Of the rows for a weekday that are in force on a day the first counts;
 * without one it is calendar_hours_default from Monday to Friday. A make-up Saturday or Sunday is
 * worked by Monday's hours. Hours on a Saturday or Sunday that is not worked are service hours: the
 * desk is open then, but no procedure's limit counts them (docs/adr/0001-deadlines.md), and nobody
 * serves on a week-end beside a day off: a holiday that falls on it has no row of its own.
 */
struct calendar_timetable {
	const struct calendar_weekday_hours *rows;
	size_t n;
};

extern const struct calendar_timetable calendar_timetable_default;

/*
 * Whether sessions are in order and inside a day; on Monday … Friday there is at least one, for
 * what the calendar calls a working day is worked.
 */
bool calendar_hours_valid(const struct calendar_hours *hours, int weekday);

struct calendar;

/* Copies the rows (any order; the same date twice is ERR_INVALID). covers_from <= covers_to. */
int calendar_new(const struct calendar_day *days, size_t n, int32_t covers_from, int32_t covers_to,
		 int32_t version, struct calendar **ret_calendar, struct err *err);
void calendar_free(struct calendar *cal);
int32_t calendar_version(const struct calendar *cal);
bool calendar_covers(const struct calendar *cal, int32_t day);

bool calendar_is_working(const struct calendar *cal, int32_t day);
/* The n-th working day after day (n >= 0; 0 gives day itself or the next working day). */
int32_t calendar_add_working_days(const struct calendar *cal, int32_t day, int n);
/* Working days after from, up to and including to; negative when to < from. */
int calendar_working_days_between(const struct calendar *cal, int32_t from, int32_t to);

/* How a procedure's time limit is counted; the numbers equal lgsp.dossier.v1.LimitUnit. */
enum calendar_limit {
	CALENDAR_SAME_DAY = 1,
	CALENDAR_WORKING_DAYS = 2,
	CALENDAR_CALENDAR_DAYS = 3,
	CALENDAR_WORKING_HOURS = 4,
};

struct calendar_due {
	int64_t due_us;
	bool provisional; /* the calendar does not cover every day that was counted */
};

/*
 * When something accepted at start_us is due. value: days or hours, 0 … 36500, ignored for
 * SAME_DAY. "After 15:00" is 15:00:00 and later. Working days are whole days after the day of
 * acceptance, whatever its hour; working hours run from when work starts, which after 15:00 and on
 * a day off is the start of the next working day (for hours without that rule:
 * calendar_add_working_minutes()).
 */
struct calendar_due calendar_due(const struct calendar *cal, const struct calendar_timetable *at,
				 int64_t start_us, enum calendar_limit limit, int value);

/* The hours worked on a day; all 0 on a day off, whatever the desk's service hours are. */
struct calendar_hours calendar_hours_of(const struct calendar *cal,
					const struct calendar_timetable *at, int32_t day);

/*
 * The earliest moment with that much working time behind start_us; minutes >= 0. Service hours
 * count: this is for what the desk itself must do in time.
 */
struct calendar_due calendar_add_working_minutes(const struct calendar *cal,
						 const struct calendar_timetable *at,
						 int64_t start_us, int64_t minutes);
/* Working minutes in [from_us, to_us), service hours among them; 0 when to_us <= from_us. */
int64_t calendar_working_minutes(const struct calendar *cal, const struct calendar_timetable *at,
				 int64_t from_us, int64_t to_us);

/*
 * The due date after a pause from pause_us to resume_us: shifted by the pause (working limits by
 * its working time, calendar limits by its civil days), then pushed to a working day.
 */
struct calendar_due calendar_resume(const struct calendar *cal, const struct calendar_timetable *at,
				    enum calendar_limit limit, int64_t due_us, int64_t pause_us,
				    int64_t resume_us);

#endif
