/* Due dates and the verdict on them: docs/adr/0001-deadlines.md. */
#include "services/dossier/rules.h"

#include "common/base/civil.h"

struct calendar_due rules_due_after_pause(const struct calendar *cal, struct rules_limit limit,
					  int64_t due_us, struct rules_pause pause)
{
	if (limit.unit == DOSSIER__LIMIT_UNIT__LIMIT_UNIT_UNSPECIFIED || due_us == 0)
		return (struct calendar_due){.due_us = 0};
	return calendar_resume(cal, &calendar_timetable_default, (enum calendar_limit)limit.unit,
			       due_us, pause.from_us, pause.to_us);
}

struct calendar_due rules_due(const struct calendar *cal, struct rules_limit limit,
			      int64_t accepted_us, const struct rules_pause *pauses,
			      size_t n_pauses)
{
	struct calendar_due due;
	bool provisional;

	if (limit.unit == DOSSIER__LIMIT_UNIT__LIMIT_UNIT_UNSPECIFIED)
		return (struct calendar_due){.due_us = 0};
	due = calendar_due(cal, &calendar_timetable_default, accepted_us,
			   (enum calendar_limit)limit.unit, limit.value);
	provisional = due.provisional;
	for (size_t i = 0; i < n_pauses; i++) {
		due = rules_due_after_pause(cal, limit, due.due_us, pauses[i]);
		provisional = provisional || due.provisional;
	}
	due.provisional = provisional;
	return due;
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
