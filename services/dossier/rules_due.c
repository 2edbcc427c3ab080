/* Due dates, what moves them, and the verdicts on them: docs/adr/0001-deadlines.md. */
#include "services/dossier/rules_deadline.h"

#include "common/base/civil.h"
#include "common/base/clock.h"

#define DAY_US (86400 * CLOCK_US_PER_S)

const struct err_kind rules_no_due_date = {ERR_CONFLICT, "NO_DUE_DATE",
					   "Hồ sơ không có thời hạn trả kết quả",
					   "the dossier has no due date"};
static const struct err_kind already_extended = {ERR_CONFLICT, "ALREADY_EXTENDED",
						 "Hồ sơ đã được gia hạn một lần",
						 "the dossier has been given another date once"};
static const struct err_kind due_date_passed = {
	ERR_CONFLICT, "DUE_DATE_PASSED", "Đã quá hạn trả kết quả, không gia hạn được nữa",
	"the due date has passed: it is too late to give another"};
static const struct err_kind not_later = {ERR_INVALID, "DUE_DATE_NOT_LATER",
					  "Ngày hẹn mới phải sau ngày hẹn trước",
					  "the new due date must be later than the present one"};

static bool no_limit(struct rules_limit limit)
{
	return limit.unit == DOSSIER__LIMIT_UNIT__LIMIT_UNIT_UNSPECIFIED;
}

struct calendar_due rules_due_after_pause(const struct rules_office *office,
					  struct rules_limit limit, int64_t due_us,
					  struct rules_pause pause)
{
	if (no_limit(limit) || due_us == 0)
		return (struct calendar_due){.due_us = 0};
	return calendar_resume(office->cal, &office->hours, (enum calendar_limit)limit.unit, due_us,
			       pause.from_us, pause.to_us);
}

struct calendar_due rules_due_extended(const struct rules_office *office, int64_t due_us,
				       struct rules_extension extension)
{
	int32_t day = extension.to_day;

	if (extension.working_days > 0)
		day = civil_of_us(due_us);
	return calendar_due(office->cal, &office->hours, civil_to_us(day, 0), CALENDAR_WORKING_DAYS,
			    extension.working_days);
}

static struct calendar_due shifted(const struct rules_office *office, struct rules_limit limit,
				   int64_t due_us, const struct rules_shift *shift)
{
	if (shift->is_extension)
		return rules_due_extended(office, due_us, shift->extension);
	return rules_due_after_pause(office, limit, due_us, shift->pause);
}

static struct calendar_due moved(const struct rules_office *office, struct rules_limit limit,
				 struct calendar_due due, const struct rules_shift *shifts,
				 size_t n)
{
	bool provisional = due.provisional;

	for (size_t i = 0; i < n; i++) {
		due = shifted(office, limit, due.due_us, &shifts[i]);
		provisional = provisional || due.provisional;
	}
	due.provisional = provisional;
	return due;
}

struct calendar_due rules_due(const struct rules_office *office, struct rules_limit limit,
			      int64_t from_us, const struct rules_shift *shifts, size_t n)
{
	if (no_limit(limit))
		return (struct calendar_due){.due_us = 0};
	return moved(office, limit,
		     calendar_due(office->cal, &office->hours, from_us,
				  (enum calendar_limit)limit.unit, limit.value),
		     shifts, n);
}

struct calendar_due rules_due_moved(const struct rules_office *office, struct rules_limit limit,
				    int64_t due_us, const struct rules_shift *shifts, size_t n)
{
	return moved(office, limit, (struct calendar_due){.due_us = due_us}, shifts, n);
}

int rules_check_extend(const struct rules_extendable *of, int64_t now_us, int64_t new_due_us,
		       struct err *err)
{
	if (of->due_us == 0)
		return err_set(err, &rules_no_due_date, "code", NULL);
	if (of->extended)
		return err_set(err, &already_extended, "code", NULL);
	if ((of->paused_us ? of->paused_us : now_us) > of->due_us)
		return err_set(err, &due_date_passed, "code", NULL);
	if (new_due_us <= of->due_us)
		return err_set(err, &not_later, "due_date", NULL);
	if (new_due_us - of->due_us > RULES_EXTENSION_DAYS * DAY_US)
		return err_set(err, &err_invalid_field, "due_date", "0..366");
	return 0;
}

void rules_check_extension(uint32_t working_days, const char *due_date,
			   struct rules_extension *ret_extension, struct err *err)
{
	struct rules_extension e = {.working_days = 0};

	if ((working_days == 0) == (due_date[0] == '\0'))
		err_add(err, &err_invalid_field, "working_days", "working_days | due_date");
	else if (due_date[0] != '\0' && civil_parse(due_date, &e.to_day) < 0)
		err_add(err, &err_invalid_field, "due_date", "YYYY-MM-DD");
	else if (working_days > RULES_EXTENSION_MAX)
		err_add(err, &err_invalid_field, "working_days", "1..180");
	else
		e.working_days = (int)working_days;
	*ret_extension = e;
}

struct calendar_due rules_step_due(const struct calendar *cal, const struct calendar_timetable *at,
				   int64_t start_us, int hours)
{
	return calendar_add_working_minutes(cal, at, start_us, hours * 60LL);
}

int64_t rules_step_after_pause(const struct rules_office *office, int64_t due_us,
			       struct rules_pause pause)
{
	int64_t minutes =
		calendar_working_minutes(office->cal, &office->hours, pause.from_us, pause.to_us);

	if (due_us == 0 || minutes == 0)
		return due_us;
	return calendar_add_working_minutes(office->cal, &office->hours, due_us, minutes).due_us;
}

struct calendar_due rules_answer_due(const struct rules_office *office, int64_t submitted_us)
{
	return calendar_add_working_minutes(office->cal, &office->hours, submitted_us,
					    RULES_ANSWER_MINUTES);
}

bool rules_answer_counts(Dossier__Channel channel)
{
	return channel == DOSSIER__CHANNEL__CHANNEL_OWN_PORTAL ||
	       channel == DOSSIER__CHANNEL__CHANNEL_NATIONAL_PORTAL;
}

Dossier__Verdict rules_verdict(int64_t due_us, int64_t finished_us)
{
	int32_t due_day, day;

	if (due_us == 0)
		return DOSSIER__VERDICT__VERDICT_ON_TIME;
	due_day = civil_of_us(due_us);
	day = civil_of_us(finished_us);
	if (day < due_day)
		return DOSSIER__VERDICT__VERDICT_EARLY;
	return day == due_day ? DOSSIER__VERDICT__VERDICT_ON_TIME : DOSSIER__VERDICT__VERDICT_LATE;
}
