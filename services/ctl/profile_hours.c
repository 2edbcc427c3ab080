/* hours.csv: what its rows say and the rules between them. */
#include <stdio.h>
#include <string.h>

#include "common/base/civil.h"
#include "services/ctl/profile.h"

#define LEVELS "* T H X V"

#define FAULT(p, row, ...)                                                                         \
	csv_fault(&(p)->report, profile_file_name(PROFILE_HOURS), (row)->line, __VA_ARGS__)

/* "07:30-11:30" into minutes; an empty session lies at a moment without length. */
static int session(const char *text, int empty_at, int *ret_start, int *ret_end)
{
	int start, end;

	if (text[0] == '\0') {
		*ret_start = *ret_end = empty_at;
		return 0;
	}
	if (strlen(text) != 11 || text[5] != '-' || civil_minute_prefix(text, &start) < 0 ||
	    civil_minute_prefix(text + 6, &end) < 0 || start >= end)
		return -1;
	*ret_start = start;
	*ret_end = end;
	return 0;
}

int profile_hours(const struct csv_row *row, struct calendar_hours *ret)
{
	struct calendar_hours h;

	if (session(row->cells[HOURS_AM], 0, &h.am_start, &h.am_end) < 0 ||
	    session(row->cells[HOURS_PM], h.am_end, &h.pm_start, &h.pm_end) < 0)
		return -1;
	for (const char *p = row->cells[HOURS_WEEKDAYS]; *p; p++) {
		if (*p != ' ' && !calendar_hours_valid(&h, (*p - '0') % 7))
			return -1;
	}
	*ret = h;
	return 0;
}

static bool period_of(const struct csv_row *row, int32_t *ret_from, int32_t *ret_to)
{
	return civil_parse(row->cells[HOURS_FROM], ret_from) == 0 &&
	       civil_parse_or_forever(row->cells[HOURS_TO], ret_to) == 0;
}

/* An agency of the bundle in force on the row's first day. */
static bool is_agency(const struct profile *p, const char *code, int32_t day)
{
	const struct csv_table *t = &p->tables[PROFILE_AGENCIES];
	int32_t from, to;

	for (size_t i = 0; i < t->n_rows; i++) {
		const char *const *c = t->rows[i].cells;

		if (strcmp(c[AGENCY_CODE], code) == 0 && civil_parse(c[AGENCY_FROM], &from) == 0 &&
		    civil_parse_or_forever(c[AGENCY_TO], &to) == 0 && from <= day && day <= to)
			return true;
	}
	return false;
}

static bool shares_weekday(const struct csv_row *a, const struct csv_row *b)
{
	const char *days = a->cells[HOURS_WEEKDAYS];

	for (const char *p = b->cells[HOURS_WEEKDAYS]; *p; p++) {
		if (*p != ' ' && strchr(days, *p))
			return true;
	}
	return false;
}

static void check_twice(struct profile *p, const struct csv_row *row, const struct csv_row *before)
{
	int32_t from, to, from_b, to_b;

	if (strcmp(row->cells[HOURS_SCOPE], before->cells[HOURS_SCOPE]) == 0 &&
	    shares_weekday(row, before) && period_of(row, &from, &to) &&
	    period_of(before, &from_b, &to_b) && from <= to_b && from_b <= to)
		FAULT(p, row, "a weekday of %s has hours twice on some days (see line %d)",
		      row->cells[HOURS_SCOPE], before->line);
}

void profile_check_hours(struct profile *p)
{
	const struct csv_table *t = &p->tables[PROFILE_HOURS];

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];
		const char *scope = row->cells[HOURS_SCOPE];
		struct calendar_hours hours;
		int32_t from, to;

		if (profile_hours(row, &hours) < 0)
			FAULT(p, row, "am and pm are no hours of weekdays %s",
			      row->cells[HOURS_WEEKDAYS]);
		if (!period_of(row, &from, &to))
			continue;
		if (from > to)
			FAULT(p, row, "valid_to is before valid_from");
		if (!csv_word_in(scope, LEVELS) && !is_agency(p, scope, from))
			FAULT(p, row, "scope: %s is neither *, a level nor an agency in force",
			      scope);
		for (size_t k = 0; k < i; k++)
			check_twice(p, row, &t->rows[k]);
	}
}
