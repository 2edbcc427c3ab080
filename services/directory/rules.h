/*
 * The directory's rules. Pure: no clock, no database. They add every violation they find to the
 * error, with its path in the request, up to the error's maximum.
 */
#ifndef LGSP_DIRECTORY_RULES_H
#define LGSP_DIRECTORY_RULES_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "lgsp/directory/v1/directory.pb-c.h"

#define RULES_POSTS_MAX 64

/* First and last day in force; CIVIL_FOREVER when open. */
struct rules_period {
	int32_t from, to;
};

/*
 * A bundle is whole in itself: codes, names, dates and levels are well formed; periods of a code do
 * not overlap; parents, agencies' units, officers' and systems' agencies are in the bundle and in
 * force on the first day of what refers to them; the calendar's days are covered and unique; hours
 * are in order and belong to all, a level or an agency.
 * Successors may lie outside: a province is merged into another one.
 */
int rules_check_profile(const Directory__ImportProfileRequest *profile, struct arena *arena,
			struct err *err);

/* One officer by itself. field: its path in the request. */
int rules_check_officer(const Directory__Officer *officer, const char *field,
			struct rules_period *ret_period, struct err *err);

/*
 * A new post beside the ones the person holds in that agency, which end on the new one's first day
 * or later, in order. *ret_ends: the one that ends the day before, or -1. A post that begins later
 * must not be overrun: LATER_POST.
 */
int rules_check_appointment(const struct rules_period *posts, int n,
			    const struct rules_period *period, int *ret_ends, struct err *err);

/*
 * What is proven of an account, by an officer with this subject or, "", a system: an officer saw a
 * paper, of somebody else; a system heard from the e-identification. Adds all errors.
 */
int rules_check_account(const Directory__VerifyAccountRequest *in, const char *by, int32_t today,
			struct err *err);
int rules_check_release(const Directory__ReleaseAccountRequest *in, struct err *err);

/*
 * Hours that are ordered for an agency from a day on, today at the earliest: 1..7 weekdays, each
 * once, with hours in order. Adds all errors.
 */
int rules_check_order(const Directory__SetWorkingHoursRequest *in, int32_t today, int32_t *ret_from,
		      struct err *err);

/* Days of a decision: well formed, unique, inside the coverage. */
int rules_check_days(Directory__CalendarDay *const *days, size_t n,
		     const struct rules_period *covers, const char *field, struct err *err);

#endif
