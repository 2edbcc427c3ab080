#include "common/base/calendar.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/clock.h"

#define MINUTE_US (60 * CLOCK_US_PER_S)

/* Civil dates outside 1900 … 2199 are moved to the nearest one inside: loops stay bounded. */
#define DAY_MIN (-25567)
#define DAY_MAX 84005

#define LIMIT_MAX 36500

/* "Sau 15 giờ": Decree 61/2018 Art. 18. */
#define LATE_MINUTE (15 * 60)

const struct calendar_hours calendar_hours_default = {
	.am_start = 7 * 60 + 30,
	.am_end = 11 * 60 + 30,
	.pm_start = 13 * 60 + 30,
	.pm_end = 17 * 60 + 30,
};

const struct calendar_timetable calendar_timetable_default = {.n = 0};

/* Of each day, so that every question is one look: whether it is worked, whether a row says OFF. */
enum day_flag { DAY_WORKS = 1, DAY_OFF = 2 };

struct calendar {
	int32_t covers_from, covers_to, version;
	uint8_t flags[DAY_MAX - DAY_MIN + 1];
	size_t n;
	struct calendar_day days[]; /* by date */
};

static const struct err_kind bad_coverage = {ERR_INVALID, "CALENDAR_COVERAGE",
					     "Lịch làm việc có khoảng thời gian không hợp lệ",
					     "the working calendar covers no valid range of dates"};
static const struct err_kind bad_kind = {ERR_INVALID, "CALENDAR_KIND",
					 "Ngày %s trong lịch làm việc có loại không hợp lệ",
					 "day %s of the working calendar has an unknown kind"};
static const struct err_kind doubled = {ERR_INVALID, "CALENDAR_DOUBLED",
					"Ngày %s xuất hiện hai lần trong lịch làm việc",
					"day %s appears twice in the working calendar"};

static int by_day(const void *a, const void *b)
{
	const struct calendar_day *x = a, *y = b;

	return (x->day > y->day) - (x->day < y->day);
}

static int check_rows(const struct calendar *cal, struct err *err)
{
	char text[11];

	for (size_t i = 0; i < cal->n; i++) {
		const struct calendar_day *row = &cal->days[i];

		civil_format(row->day, text);
		if (row->kind != CALENDAR_OFF && row->kind != CALENDAR_WORK)
			return err_set(err, &bad_kind, "kind", text);
		if (i > 0 && row[-1].day == row->day)
			return err_set(err, &doubled, "date", text);
	}
	return 0;
}

static int32_t clamp_day(int32_t day)
{
	return day < DAY_MIN ? DAY_MIN : day > DAY_MAX ? DAY_MAX : day;
}

static bool is_weekend(int32_t day)
{
	int weekday = civil_weekday(day);

	return weekday == 0 || weekday == 6;
}

static void set_flags(struct calendar *cal)
{
	for (int32_t day = DAY_MIN; day <= DAY_MAX; day++)
		cal->flags[day - DAY_MIN] = is_weekend(day) ? 0 : DAY_WORKS;
	for (size_t i = 0; i < cal->n; i++) {
		const struct calendar_day *row = &cal->days[i];

		if (row->day >= DAY_MIN && row->day <= DAY_MAX)
			cal->flags[row->day - DAY_MIN] =
				row->kind == CALENDAR_WORK ? DAY_WORKS : DAY_OFF;
	}
}

int calendar_new(const struct calendar_day *days, size_t n, int32_t covers_from, int32_t covers_to,
		 int32_t version, struct calendar **ret_calendar, struct err *err)
{
	struct calendar *cal;
	int r;

	if (covers_from > covers_to)
		return err_set(err, &bad_coverage, "covers_from", NULL);
	cal = base_alloc(sizeof(*cal) + n * sizeof(cal->days[0]));
	cal->covers_from = covers_from;
	cal->covers_to = covers_to;
	cal->version = version;
	cal->n = n;
	if (n > 0)
		memcpy(cal->days, days, n * sizeof(days[0]));
	qsort(cal->days, n, sizeof(days[0]), by_day);
	r = check_rows(cal, err);
	if (r < 0) {
		calendar_free(cal);
		return r;
	}
	set_flags(cal);
	*ret_calendar = cal;
	return 0;
}

void calendar_free(struct calendar *cal)
{
	free(cal);
}

int32_t calendar_version(const struct calendar *cal)
{
	return cal->version;
}

bool calendar_covers(const struct calendar *cal, int32_t day)
{
	return day >= cal->covers_from && day <= cal->covers_to;
}

/* Index of the first row on or after day. */
static size_t row_at(const struct calendar *cal, int32_t day)
{
	size_t lo = 0, hi = cal->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (cal->days[mid].day < day)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static unsigned flags_of(const struct calendar *cal, int32_t day)
{
	return cal->flags[clamp_day(day) - DAY_MIN];
}

bool calendar_is_working(const struct calendar *cal, int32_t day)
{
	return (flags_of(cal, day) & DAY_WORKS) != 0;
}

/* As calendar_is_working(), noting when nobody has announced that day's state. */
static bool ask(const struct calendar *cal, int32_t day, bool *provisional)
{
	if (!calendar_covers(cal, day))
		*provisional = true;
	return calendar_is_working(cal, day);
}

/* day itself when it is worked, else the next one that is. */
static int32_t push(const struct calendar *cal, int32_t day, bool *provisional)
{
	while (day < DAY_MAX && !ask(cal, day, provisional))
		day++;
	return day;
}

static int32_t nth_working_day(const struct calendar *cal, int32_t day, int n, bool *provisional)
{
	day = clamp_day(day);
	if (n <= 0)
		return push(cal, day, provisional);
	for (; n > 0 && day < DAY_MAX; n--)
		day = push(cal, day + 1, provisional);
	return day;
}

int32_t calendar_add_working_days(const struct calendar *cal, int32_t day, int n)
{
	bool ignored = false;

	return nth_working_day(cal, day, n, &ignored);
}

/* Days Monday … Friday among the days before day, up to a constant. */
static int32_t weekdays_before(int32_t day)
{
	int32_t since_monday = day - DAY_MIN; /* 1900-01-01 was a Monday */

	return since_monday / 7 * 5 + (since_monday % 7 < 5 ? since_monday % 7 : 5);
}

int calendar_working_days_between(const struct calendar *cal, int32_t from, int32_t to)
{
	int n;

	from = clamp_day(from);
	to = clamp_day(to);
	if (to < from)
		return -calendar_working_days_between(cal, to, from);
	n = weekdays_before(to + 1) - weekdays_before(from + 1);
	for (size_t i = row_at(cal, from + 1); i < cal->n && cal->days[i].day <= to; i++) {
		bool work = cal->days[i].kind == CALENDAR_WORK;

		if (work == is_weekend(cal->days[i].day))
			n += work ? 1 : -1;
	}
	return n;
}

/* --- hours of a day; all in microseconds from local midnight --- */

static int64_t overlap(int start_minute, int end_minute, int64_t until_us)
{
	int64_t start = start_minute * MINUTE_US, end = end_minute * MINUTE_US;

	if (end > until_us)
		end = until_us;
	return end > start ? end - start : 0;
}

/* Working time from midnight to that moment. */
static int64_t worked_us(const struct calendar_hours *hours, int64_t until_us)
{
	return overlap(hours->am_start, hours->am_end, until_us) +
	       overlap(hours->pm_start, hours->pm_end, until_us);
}

static int64_t full_day_us(const struct calendar_hours *hours)
{
	return (hours->am_end - hours->am_start + hours->pm_end - hours->pm_start) * MINUTE_US;
}

static int end_minute(const struct calendar_hours *hours)
{
	return hours->pm_end > hours->pm_start ? hours->pm_end : hours->am_end;
}

/* The earliest moment of a day at which work_us > 0 have been worked. */
static int64_t moment_of(const struct calendar_hours *hours, int64_t work_us)
{
	int64_t am = overlap(hours->am_start, hours->am_end, INT64_MAX);

	if (work_us <= am)
		return hours->am_start * MINUTE_US + work_us;
	return hours->pm_start * MINUTE_US + (work_us - am);
}

/* --- hours of an agency --- */

static const struct calendar_hours closed;

bool calendar_hours_valid(const struct calendar_hours *h, int weekday)
{
	return h->am_start >= 0 && h->am_start <= h->am_end && h->am_end <= h->pm_start &&
	       h->pm_start <= h->pm_end && h->pm_end <= 24 * 60 && weekday >= 0 && weekday <= 6 &&
	       (full_day_us(h) > 0 || weekday == 0 || weekday == 6);
}

static const struct calendar_hours *weekday_hours(const struct calendar_timetable *at, int32_t day,
						  int weekday)
{
	for (size_t i = 0; i < at->n; i++) {
		const struct calendar_weekday_hours *row = &at->rows[i];

		if (row->weekday == weekday && row->from <= day && day <= row->to)
			return &row->hours;
	}
	return weekday == 0 || weekday == 6 ? &closed : &calendar_hours_default;
}

/* The hours of a day known to be worked. */
static const struct calendar_hours *worked_hours(const struct calendar_timetable *at, int32_t day)
{
	return weekday_hours(at, day, is_weekend(day) ? 1 : civil_weekday(day));
}

struct calendar_hours calendar_hours_of(const struct calendar *cal,
					const struct calendar_timetable *at, int32_t day)
{
	return calendar_is_working(cal, day) ? *worked_hours(at, day) : closed;
}

/* Whose time is counted: a procedure's, or the desk's with its service hours. */
enum clock { PROCEDURE_CLOCK, DESK_CLOCK };

struct office {
	const struct calendar *cal;
	const struct calendar_timetable *at;
	enum clock clock;
};

static bool is_day_off(const struct calendar *cal, int32_t day)
{
	return (flags_of(cal, day) & DAY_OFF) != 0;
}

/* Whether nobody serves on that Saturday or Sunday: it belongs to a holiday. */
static bool is_holiday_weekend(const struct calendar *cal, int32_t day)
{
	int32_t friday = day - (civil_weekday(day) == 6 ? 1 : 2);

	return is_day_off(cal, day) || is_day_off(cal, friday) || is_day_off(cal, friday + 3);
}

/* The hours that count on a day, noting when nobody has announced that day's state. */
static const struct calendar_hours *hours_on(const struct office *o, int32_t day, bool *provisional)
{
	if (ask(o->cal, day, provisional))
		return worked_hours(o->at, day);
	if (o->clock == DESK_CLOCK && is_weekend(day) && !is_holiday_weekend(o->cal, day))
		return weekday_hours(o->at, day, civil_weekday(day));
	return &closed;
}

/* A moment's civil day, clamped, and its distance from that day's midnight. */
static int32_t split(int64_t us, int64_t *ret_of_day_us)
{
	int64_t first = civil_to_us(DAY_MIN, 0), last = civil_to_us(DAY_MAX + 1, 0) - 1;
	int32_t day;

	us = us < first ? first : us > last ? last : us;
	day = civil_of_us(us);
	*ret_of_day_us = us - civil_to_us(day, 0);
	return day;
}

static int64_t working_us(const struct office *o, int64_t from_us, int64_t to_us)
{
	int64_t from_of_day, to_of_day, total = 0;
	bool ignored = false;
	int32_t from, to;

	if (to_us <= from_us)
		return 0;
	from = split(from_us, &from_of_day);
	to = split(to_us, &to_of_day);
	/* Whole days from .. to - 1, then what is left of the last less what was gone of the first.
	 */
	for (int32_t day = from; day < to; day++)
		total += full_day_us(hours_on(o, day, &ignored));
	total += worked_us(hours_on(o, to, &ignored), to_of_day);
	return total - worked_us(hours_on(o, from, &ignored), from_of_day);
}

int64_t calendar_working_minutes(const struct calendar *cal, const struct calendar_timetable *at,
				 int64_t from_us, int64_t to_us)
{
	const struct office o = {cal, at, DESK_CLOCK};

	return working_us(&o, from_us, to_us) / MINUTE_US;
}

static struct calendar_due add_working_us(const struct office *o, int64_t start_us, int64_t left_us)
{
	struct calendar_due due = {.due_us = start_us};
	const struct calendar_hours *hours;
	int64_t of_day, full;
	int32_t day;

	if (left_us <= 0)
		return due;
	day = split(start_us, &of_day);
	hours = hours_on(o, day, &due.provisional);
	/* Counted from that day's midnight, the days before the last are whole ones. */
	left_us += worked_us(hours, of_day);
	for (full = full_day_us(hours); left_us > full && day < DAY_MAX;
	     full = full_day_us(hours)) {
		left_us -= full;
		hours = hours_on(o, ++day, &due.provisional);
	}
	if (left_us > full)
		left_us = full;
	due.due_us = civil_to_us(day, 0) + moment_of(hours, left_us);
	return due;
}

static struct calendar_due add_minutes(const struct office *o, int64_t start_us, int64_t minutes)
{
	if (minutes > LIMIT_MAX * 1440LL)
		minutes = LIMIT_MAX * 1440LL;
	return add_working_us(o, start_us, minutes * MINUTE_US);
}

struct calendar_due calendar_add_working_minutes(const struct calendar *cal,
						 const struct calendar_timetable *at,
						 int64_t start_us, int64_t minutes)
{
	const struct office o = {cal, at, DESK_CLOCK};

	return add_minutes(&o, start_us, minutes);
}

/* --- limits of procedures --- */

static int64_t day_end(const struct office *o, int32_t day)
{
	return civil_to_us(day, end_minute(worked_hours(o->at, day)));
}

/* When work on something taken in at start_us begins: not on a day off, not after 15:00. */
static int64_t work_start(const struct office *o, int64_t start_us, bool *provisional)
{
	int64_t of_day;
	int32_t day = split(start_us, &of_day);
	const struct calendar_hours *hours;

	if (ask(o->cal, day, provisional) && of_day < LATE_MINUTE * MINUTE_US)
		return start_us;
	day = nth_working_day(o->cal, day, 1, provisional);
	hours = worked_hours(o->at, day);
	return civil_to_us(day,
			   hours->am_end > hours->am_start ? hours->am_start : hours->pm_start);
}

static struct calendar_due due_by_hours(const struct office *o, int64_t start_us, int value)
{
	bool provisional = false;
	int64_t start = work_start(o, start_us, &provisional);
	struct calendar_due due = add_minutes(o, start, value * 60LL);

	due.provisional |= provisional;
	return due;
}

struct calendar_due calendar_due(const struct calendar *cal, const struct calendar_timetable *at,
				 int64_t start_us, enum calendar_limit limit, int value)
{
	const struct office o = {cal, at, PROCEDURE_CLOCK};
	struct calendar_due due = {0};
	int64_t of_day;
	int32_t day = split(start_us, &of_day);

	value = value < 0 ? 0 : value > LIMIT_MAX ? LIMIT_MAX : value;
	switch (limit) {
	case CALENDAR_SAME_DAY:
		day = nth_working_day(cal, day, of_day >= LATE_MINUTE * MINUTE_US ? 1 : 0,
				      &due.provisional);
		break;
	case CALENDAR_WORKING_DAYS:
		day = nth_working_day(cal, day, value, &due.provisional);
		break;
	case CALENDAR_CALENDAR_DAYS:
		day = push(cal, clamp_day(day + value), &due.provisional);
		break;
	case CALENDAR_WORKING_HOURS:
		return due_by_hours(&o, start_us, value);
	}
	due.due_us = day_end(&o, day);
	return due;
}

/* A due date on a day off moves to the end of the next working day. */
static void push_due(const struct office *o, struct calendar_due *due)
{
	int64_t of_day;
	int32_t day = split(due->due_us, &of_day);

	if (!ask(o->cal, day, &due->provisional))
		due->due_us = day_end(o, push(o->cal, day, &due->provisional));
}

struct calendar_due calendar_resume(const struct calendar *cal, const struct calendar_timetable *at,
				    enum calendar_limit limit, int64_t due_us, int64_t pause_us,
				    int64_t resume_us)
{
	const struct office o = {cal, at, PROCEDURE_CLOCK};
	struct calendar_due due = {.due_us = due_us};
	int64_t ignored;
	int32_t from = split(pause_us, &ignored), to = split(resume_us, &ignored);
	bool unknown = !calendar_covers(cal, from) || !calendar_covers(cal, to);

	if (resume_us > pause_us && limit == CALENDAR_CALENDAR_DAYS) {
		due.due_us = day_end(&o, split(due_us, &ignored) + to - from);
	} else if (resume_us > pause_us) {
		due = add_working_us(&o, due_us, working_us(&o, pause_us, resume_us));
		due.provisional |= unknown;
	}
	push_due(&o, &due);
	return due;
}
