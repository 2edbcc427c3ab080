/*
 * The directory's reference data in a service's own schema: tables ref_unit, ref_agency,
 * ref_officer, ref_calendar, ref_calendar_day, ref_hours, ref_category, filled from the directory's
 * feed by one consumer that every service puts into its table. So nobody computes with another
 * calendar, and a service goes on when the directory is away.
 */
#ifndef LGSP_SVC_REFDATA_H
#define LGSP_SVC_REFDATA_H

#include "common/base/calendar.h"
#include "common/svc/svc.h"

/* Put it into svc.consumers: { .source = "directory", .apply = refdata_apply }. */
int refdata_apply(struct call *c, const struct svc_event *ev);

struct refdata_agency {
	const char *code;
	const char *parent_code;
	const char *level;
	const char *unit_code;
	const char *name;
};

/*
 * The agency as in force on a civil day. >0 found, 0 not in force or unknown, <0 error. Inside a
 * transaction it flushes what is queued; outside it is a read of its own.
 */
int refdata_agency(struct call *c, const char *code, int32_t day,
		   struct refdata_agency *ret_agency);

struct refdata_entry {
	const char *code;
	const char *name; /* in Vietnamese */
	bool needs_note;  /* whoever chooses it says more in words */
};

/*
 * The entries of a shared list in force on a civil day, by code, in the call's arena. 0 or the
 * error. As refdata_agency() in or outside a transaction.
 */
int refdata_category(struct call *c, const char *category, int32_t day,
		     struct refdata_entry **ret_entries, size_t *ret_n);

/*
 * The working calendar, shared and immutable; release it with refdata_calendar_put(). 0, or
 * ERR_UNAVAILABLE while none has arrived. Also gives its version and the directory's feed position
 * it came with, which decisions store beside their due date.
 */
int refdata_calendar(struct call *c, const struct calendar **ret_calendar, int64_t *ret_pos);
void refdata_calendar_put(const struct calendar *cal);

/*
 * The working hours of an agency, all periods, in the call's arena: its own before its level's
 * before everybody's. The position of the newest of these rows in the directory's feed; 0 without
 * one. 0 or the error.
 */
int refdata_hours(struct call *c, const char *agency_code, struct calendar_timetable *ret_hours,
		  int64_t *ret_pos);

#endif
