/*
 * The pure rules of deadlines (docs/adr/0001-deadlines.md): due dates of dossiers, of steps and of
 * answers, what moves them, and the verdicts on them. As rules.h: no clock, no database, no bus.
 */
#ifndef LGSP_DOSSIER_RULES_DEADLINE_H
#define LGSP_DOSSIER_RULES_DEADLINE_H

#include "services/dossier/rules.h"

#define RULES_SHIFTS_MAX     128
#define RULES_EXTENSION_MAX  180 /* working days */
#define RULES_EXTENSION_DAYS 366 /* by a date */
#define RULES_ANSWER_MINUTES (8 * 60)
#define RULES_LATE_DEFAULT   100
#define RULES_LATE_PER_PAGE  500

/* What an agency's time is counted with. */
struct rules_office {
	const struct calendar *cal;
	struct calendar_timetable hours;
};

/* The clock stood still. */
struct rules_pause {
	int64_t from_us, to_us;
};

/* The one extension: by working days, or to the end of a day. */
struct rules_extension {
	int working_days; /* 0: to_day counts */
	int32_t to_day;
};

/* Whatever has moved a due date, in the order it did. */
struct rules_shift {
	bool is_extension;
	struct rules_pause pause;
	struct rules_extension extension;
};

/*
 * Due date of a dossier whose clock runs from from_us after these shifts, in order; 0 without a
 * limit.
 */
struct calendar_due rules_due(const struct rules_office *office, struct rules_limit limit,
			      int64_t from_us, const struct rules_shift *shifts, size_t n);
/* The same of a dossier taken over with a due date: counted is only what has moved it here. */
struct calendar_due rules_due_moved(const struct rules_office *office, struct rules_limit limit,
				    int64_t due_us, const struct rules_shift *shifts, size_t n);
/* The due date after one more pause, or extension. */
struct calendar_due rules_due_after_pause(const struct rules_office *office,
					  struct rules_limit limit, int64_t due_us,
					  struct rules_pause pause);
struct calendar_due rules_due_extended(const struct rules_office *office, int64_t due_us,
				       struct rules_extension extension);

extern const struct err_kind rules_no_due_date; /* NO_DUE_DATE */

/* What decides whether a dossier may be given another due date. */
struct rules_extendable {
	int64_t due_us;
	int64_t paused_us; /* 0: the clock runs */
	bool extended;
};

/*
 * At most once, in writing before the due date has passed (Decree 61/2018 Art. 19), and to a later
 * day. While the clock stands it has not passed. CONFLICT with code NO_DUE_DATE, ALREADY_EXTENDED
 * or DUE_DATE_PASSED; INVALID with DUE_DATE_NOT_LATER.
 */
int rules_check_extend(const struct rules_extendable *of, int64_t now_us, int64_t new_due_us,
		       struct err *err);
/* Exactly one of the two ways to say it, in bounds; adds errors. */
void rules_check_extension(uint32_t working_days, const char *due_date,
			   struct rules_extension *ret_extension, struct err *err);

/* When a step that begins at start_us is due: by the hours the agency is open. */
struct calendar_due rules_step_due(const struct calendar *cal, const struct calendar_timetable *at,
				   int64_t start_us, int hours);
/* Its due date after a pause: later by the time the agency worked meanwhile. */
int64_t rules_step_after_pause(const struct rules_office *office, int64_t due_us,
			       struct rules_pause pause);
/* When an agency has to have answered an online filing (Decree 45/2020): 8 working hours. */
struct calendar_due rules_answer_due(const struct rules_office *office, int64_t submitted_us);
/* Whether a channel's filings have to be answered in that time. */
bool rules_answer_counts(Dossier__Channel channel);

/*
 * The verdict on the deadline, by date as the national statistics count it (no due date: on time).
 */
Dossier__Verdict rules_verdict(int64_t due_us, int64_t finished_us);

#endif
