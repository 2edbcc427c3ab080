/*
 * The rules between the rows of a profile. Rows that did not parse are passed over here: the reader
 * has reported them.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "services/ctl/profile_rules.h"

static const struct profile_dated units = {PROFILE_UNITS, UNIT_CODE,      -1,    UNIT_FROM,
					   UNIT_TO,       UNIT_SUCCESSOR, "unit"};
const struct profile_dated profile_agencies = {
	PROFILE_AGENCIES, AGENCY_CODE, -1, AGENCY_FROM, AGENCY_TO, AGENCY_SUCCESSOR, "agency"};
static const struct profile_dated categories = {
	PROFILE_CATEGORIES, CATEGORY_CODE, CATEGORY_NAME, CATEGORY_FROM, CATEGORY_TO, -1, "entry"};
static const struct profile_dated officers = {
	PROFILE_OFFICERS, OFFICER_SUBJECT, OFFICER_AGENCY, OFFICER_FROM, OFFICER_TO, -1, "officer"};
static const struct profile_dated systems = {
	PROFILE_SYSTEMS, SYSTEM_MEMBER, -1, SYSTEM_FROM, SYSTEM_TO, -1, "system"};
const struct profile_dated profile_procedures = {
	PROFILE_PROCEDURES, PROCEDURE_CODE, -1, PROCEDURE_FROM, PROCEDURE_TO, -1, "procedure"};
const struct profile_dated profile_fees = {PROFILE_FEES, FEE_PROCEDURE, FEE_KIND, FEE_FROM, FEE_TO,
					   -1,           "fee"};
static const struct profile_dated accounts = {
	PROFILE_ACCOUNTS, ACCOUNT_AGENCY, -1, ACCOUNT_FROM, ACCOUNT_TO, -1, "account"};

const struct csv_table *profile_table(const struct profile *p, enum profile_file file)
{
	return &p->tables[file];
}

bool profile_period(const struct profile_dated *d, const struct csv_row *row,
		    struct profile_period *ret)
{
	return civil_parse(row->cells[d->from], &ret->from) == 0 &&
	       civil_parse_or_forever(row->cells[d->to], &ret->to) == 0;
}

static bool same_key(const struct profile_dated *d, const struct csv_row *a,
		     const struct csv_row *b)
{
	return strcmp(a->cells[d->key], b->cells[d->key]) == 0 &&
	       (d->second_key < 0 || strcmp(a->cells[d->second_key], b->cells[d->second_key]) == 0);
}

/* The row of a code in force on a day; NULL when there is none. */
const struct csv_row *profile_row_on(const struct profile *p, const struct profile_dated *d,
				     const char *code, int32_t day)
{
	const struct csv_table *t = profile_table(p, d->file);
	struct profile_period period;

	for (size_t i = 0; i < t->n_rows; i++) {
		if (strcmp(t->rows[i].cells[d->key], code) == 0 &&
		    profile_period(d, &t->rows[i], &period) && period.from <= day &&
		    day <= period.to)
			return &t->rows[i];
	}
	return NULL;
}

bool profile_is_known(const struct profile *p, const struct profile_dated *d, const char *code)
{
	const struct csv_table *t = profile_table(p, d->file);

	for (size_t i = 0; i < t->n_rows; i++) {
		if (strcmp(t->rows[i].cells[d->key], code) == 0)
			return true;
	}
	return false;
}

/*
 * The first day of a period on which neither the code nor a successor is in force; CIVIL_FOREVER
 * when there is none.
 */
static int32_t first_gap(const struct profile *p, const struct profile_dated *d, const char *code,
			 struct profile_period period)
{
	int32_t day = period.from;

	for (size_t steps = 0; steps <= profile_table(p, d->file)->n_rows; steps++) {
		const struct csv_row *row = profile_row_on(p, d, code, day);
		struct profile_period in_force;

		if (!row)
			return day;
		profile_period(d, row, &in_force);
		if (in_force.to >= period.to)
			return CIVIL_FOREVER;
		day = in_force.to + 1;
		if (!profile_row_on(p, d, code, day) && d->successor >= 0 &&
		    row->cells[d->successor][0])
			code = row->cells[d->successor];
	}
	return day;
}

/* A code that another row names must be in force, itself or by successors, as long as that row. */
void profile_check_named(struct profile *p, const struct profile_dated *from,
			 const struct csv_row *row, int column, const struct profile_dated *d)
{
	const char *code = row->cells[column];
	const char *name = p->tables[from->file].columns[column].name;
	struct profile_period period;
	char day[11];

	if (!profile_is_known(p, d, code)) {
		PROFILE_FAULT(p, from->file, row, "%s: there is no %s %s", name, d->what, code);
		return;
	}
	if (!profile_period(from, row, &period))
		return;
	int32_t gap = first_gap(p, d, code, period);

	if (gap == CIVIL_FOREVER)
		return;
	civil_format(gap, day);
	PROFILE_FAULT(p, from->file, row, "%s: %s %s is not in force on %s, nor is a successor",
		      name, d->what, code, day);
}

/* Dates in order; the same key never twice on one day. */
void profile_check_dates(struct profile *p, const struct profile_dated *d)
{
	const struct csv_table *t = profile_table(p, d->file);

	for (size_t i = 0; i < t->n_rows; i++) {
		struct profile_period a, b;

		if (!profile_period(d, &t->rows[i], &a))
			continue;
		if (a.from > a.to)
			PROFILE_FAULT(p, d->file, &t->rows[i], "valid_to is before valid_from");
		for (size_t k = 0; k < i; k++) {
			if (same_key(d, &t->rows[i], &t->rows[k]) &&
			    profile_period(d, &t->rows[k], &b) && a.from <= b.to && b.from <= a.to)
				PROFILE_FAULT(p, d->file, &t->rows[i],
					      "%s %s is in force twice on some days (see line %d)",
					      d->what, t->rows[i].cells[d->key], t->rows[k].line);
		}
	}
}

static void check_successors(struct profile *p, const struct profile_dated *d)
{
	const struct csv_table *t = profile_table(p, d->file);

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];
		const char *code = row->cells[d->successor];
		struct profile_period period;
		char day[11];

		if (!code[0] || !profile_period(d, row, &period))
			continue;
		if (!profile_is_known(p, d, code)) {
			PROFILE_FAULT(p, d->file, row, "successor: there is no %s %s", d->what,
				      code);
		} else if (period.to == CIVIL_FOREVER) {
			PROFILE_FAULT(p, d->file, row, "has a successor but no valid_to");
		} else if (!profile_row_on(p, d, code, period.to + 1)) {
			civil_format(period.to + 1, day);
			PROFILE_FAULT(p, d->file, row, "successor %s is not in force on %s", code,
				      day);
		}
	}
}

/* Following parents must come to an end. */
static void check_circle(struct profile *p, const struct profile_dated *d, int parent)
{
	const struct csv_table *t = profile_table(p, d->file);

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];
		size_t steps = 0;

		while (row && row->cells[parent][0] && steps <= t->n_rows) {
			struct profile_period period;
			const char *up = row->cells[parent];

			if (!profile_period(d, row, &period))
				break;
			row = profile_row_on(p, d, up, period.from);
			steps++;
		}
		if (steps > t->n_rows)
			PROFILE_FAULT(p, d->file, &t->rows[i], "its parents form a circle");
	}
}

/* --- units and agencies --- */

static void check_units(struct profile *p)
{
	static const char *const levels[] = {"province", "district", "commune"};
	const struct csv_table *t = profile_table(p, PROFILE_UNITS);

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];
		const char *parent = row->cells[UNIT_PARENT], *level = row->cells[UNIT_LEVEL];
		bool top = strcmp(level, levels[0]) == 0;
		struct profile_period period;

		if (top != (parent[0] == '\0')) {
			PROFILE_FAULT(p, PROFILE_UNITS, row, "%s",
				      top ? "a province has no parent"
					  : "parent_gso_code is empty");
			continue;
		}
		if (top)
			continue;
		profile_check_named(p, &units, row, UNIT_PARENT, &units);
		const struct csv_row *up = profile_period(&units, row, &period)
						   ? profile_row_on(p, &units, parent, period.from)
						   : NULL;
		bool district = strcmp(level, levels[1]) == 0;

		/* Since 2025-07-01 communes stand directly below their province. */
		if (up && (strcmp(up->cells[UNIT_LEVEL], levels[2]) == 0 ||
			   (district && strcmp(up->cells[UNIT_LEVEL], levels[0]) != 0)))
			PROFILE_FAULT(p, PROFILE_UNITS, row, "parent %s is a %s", parent,
				      up->cells[UNIT_LEVEL]);
	}
	profile_check_dates(p, &units);
	check_successors(p, &units);
	check_circle(p, &units, UNIT_PARENT);
}

static void check_agencies(struct profile *p)
{
	static const char ranks[] = "THX"; /* a parent never stands below its child */
	const struct csv_table *t = profile_table(p, PROFILE_AGENCIES);

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];
		const char *parent = row->cells[AGENCY_PARENT], *level = row->cells[AGENCY_LEVEL];
		struct profile_period period;

		profile_check_named(p, &profile_agencies, row, AGENCY_UNIT, &units);
		if (!parent[0]) {
			if (strcmp(level, "H") == 0 || strcmp(level, "X") == 0)
				PROFILE_FAULT(p, PROFILE_AGENCIES, row,
					      "parent_agency_code is empty");
			continue;
		}
		profile_check_named(p, &profile_agencies, row, AGENCY_PARENT, &profile_agencies);
		const struct csv_row *up =
			profile_period(&profile_agencies, row, &period)
				? profile_row_on(p, &profile_agencies, parent, period.from)
				: NULL;
		const char *above = up ? strchr(ranks, up->cells[AGENCY_LEVEL][0]) : NULL;
		const char *below = strchr(ranks, level[0]);

		if (above && below && above > below)
			PROFILE_FAULT(p, PROFILE_AGENCIES, row, "parent %s is of a lower level",
				      parent);
	}
	profile_check_dates(p, &profile_agencies);
	check_successors(p, &profile_agencies);
	check_circle(p, &profile_agencies, AGENCY_PARENT);
}

/* --- calendar --- */

static void check_day(struct profile *p, const struct csv_table *t, size_t i)
{
	const struct csv_row *row = &t->rows[i];
	int32_t day, other;

	if (civil_parse(row->cells[DAY_DATE], &day) < 0)
		return;
	int weekday = civil_weekday(day);

	if (day < p->covers_from || day > p->covers_to)
		PROFILE_FAULT(p, PROFILE_CALENDAR, row, "%s lies outside the calendar's coverage",
			      row->cells[DAY_DATE]);
	if (strcmp(row->cells[DAY_KIND], "WORK") == 0 && weekday != 0 && weekday != 6)
		PROFILE_FAULT(p, PROFILE_CALENDAR, row, "WORK, but %s is no weekend",
			      row->cells[DAY_DATE]);
	for (size_t k = 0; k < i; k++) {
		if (civil_parse(t->rows[k].cells[DAY_DATE], &other) == 0 && other == day)
			PROFILE_FAULT(p, PROFILE_CALENDAR, row, "%s twice (see line %d)",
				      row->cells[DAY_DATE], t->rows[k].line);
	}
}

static void check_calendar(struct profile *p)
{
	const struct csv_table *t = profile_table(p, PROFILE_CALENDAR);

	if (p->covers_from > p->covers_to)
		csv_fault(&p->report, "manifest.csv", 0, "calendar_to is before calendar_from");
	if (p->demo_us > 0 &&
	    (civil_of_us(p->demo_us) < p->covers_from || civil_of_us(p->demo_us) > p->covers_to))
		csv_fault(&p->report, "manifest.csv", 0,
			  "demo_time lies outside the calendar's coverage");
	for (size_t i = 0; i < t->n_rows; i++)
		check_day(p, t, i);
}

/* --- people, categories, systems --- */

/* Reasons that acts of the dossier service give: each list has some, and those of its own jobs. */
static void check_reasons(struct profile *p)
{
	static const char *const lists[] = {
		"reason-supplement", "reason-refusal",   "reason-stop",     "reason-withdrawal",
		"reason-decision",   "reason-reopening", "reason-extension"};
	static const char *const own[][2] = {{"reason-refusal", "no_answer"},
					     {"reason-stop", "no_answer"},
					     {"reason-stop", "unpaid"}};
	const struct csv_table *t = profile_table(p, PROFILE_CATEGORIES);
	const char *file = profile_file_name(PROFILE_CATEGORIES);

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		bool found = false;

		for (size_t k = 0; k < t->n_rows && !found; k++)
			found = strcmp(t->rows[k].cells[CATEGORY_NAME], lists[i]) == 0;
		if (!found)
			csv_fault(&p->report, file, 0, "no entry of %s", lists[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (!profile_in_category(p, own[i][0], own[i][1]))
			csv_fault(&p->report, file, 0, "no entry %s of %s", own[i][1], own[i][0]);
}

static void check_officers(struct profile *p)
{
	const struct csv_table *t = profile_table(p, PROFILE_OFFICERS);

	for (size_t i = 0; i < t->n_rows; i++)
		profile_check_named(p, &officers, &t->rows[i], OFFICER_AGENCY, &profile_agencies);
	profile_check_dates(p, &officers);
}

static bool is_address(const char *s)
{
	int slashes = 0;

	for (const char *p = s; *p; p++)
		slashes += *p == '/';
	return slashes == 3 && s[0] != '/' && s[strlen(s) - 1] != '/' && !strstr(s, "//") &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-/") ==
		       strlen(s);
}

static void check_systems(struct profile *p)
{
	const struct csv_table *t = profile_table(p, PROFILE_SYSTEMS);

	for (size_t i = 0; i < t->n_rows; i++) {
		profile_check_named(p, &systems, &t->rows[i], SYSTEM_OWNER, &profile_agencies);
		if (!is_address(t->rows[i].cells[SYSTEM_MEMBER]))
			PROFILE_FAULT(p, PROFILE_SYSTEMS, &t->rows[i],
				      "member is not instance/class/member/subsystem");
	}
	profile_check_dates(p, &systems);
}

bool profile_in_category(const struct profile *p, const char *category, const char *code)
{
	const struct csv_table *t = profile_table(p, PROFILE_CATEGORIES);

	for (size_t i = 0; i < t->n_rows; i++) {
		if (strcmp(t->rows[i].cells[CATEGORY_NAME], category) == 0 &&
		    strcmp(t->rows[i].cells[CATEGORY_CODE], code) == 0)
			return true;
	}
	return false;
}

/* --- money --- */

static void check_fees(struct profile *p)
{
	const struct csv_table *t = profile_table(p, PROFILE_FEES);

	for (size_t i = 0; i < t->n_rows; i++)
		profile_check_named(p, &profile_fees, &t->rows[i], FEE_PROCEDURE,
				    &profile_procedures);
	profile_check_dates(p, &profile_fees);
}

static bool is_digits(const char *s, size_t min, size_t max)
{
	size_t n = strspn(s, "0123456789");

	return s[n] == '\0' && n >= min && n <= max;
}

/* An agency that takes fees has an account, or one above it has. */
static void check_account_reach(struct profile *p)
{
	const struct csv_table *t = profile_table(p, PROFILE_AGENCIES);

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];
		struct profile_period period;

		if (strcmp(row->cells[AGENCY_LEVEL], "V") == 0 ||
		    !profile_period(&profile_agencies, row, &period))
			continue;
		for (size_t s = 0; row && s <= t->n_rows; s++) {
			if (profile_row_on(p, &accounts, row->cells[AGENCY_CODE], period.from))
				break;
			row = row->cells[AGENCY_PARENT][0]
				      ? profile_row_on(p, &profile_agencies,
						       row->cells[AGENCY_PARENT], period.from)
				      : NULL;
		}
		if (!row)
			PROFILE_FAULT(p, PROFILE_AGENCIES, &t->rows[i],
				      "neither it nor an agency above it has an account on %s",
				      t->rows[i].cells[AGENCY_FROM]);
	}
}

static void check_accounts(struct profile *p)
{
	const struct csv_table *t = profile_table(p, PROFILE_ACCOUNTS);

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];

		profile_check_named(p, &accounts, row, ACCOUNT_AGENCY, &profile_agencies);
		if (!is_digits(row->cells[ACCOUNT_BIN], 6, 6))
			PROFILE_FAULT(p, PROFILE_ACCOUNTS, row, "bin is not six digits");
		if (!is_digits(row->cells[ACCOUNT_NUMBER], 6, 19))
			PROFILE_FAULT(p, PROFILE_ACCOUNTS, row, "number is not 6 to 19 digits");
	}
	profile_check_dates(p, &accounts);
	check_account_reach(p);
}

/* --- indicators and targets --- */

static const struct csv_row *indicator_row(const struct profile *p, const char *id)
{
	const struct csv_table *t = profile_table(p, PROFILE_INDICATORS);

	for (size_t i = 0; i < t->n_rows; i++) {
		if (strcmp(t->rows[i].cells[INDICATOR_ID], id) == 0)
			return &t->rows[i];
	}
	return NULL;
}

static void check_indicators(struct profile *p)
{
	const struct csv_table *t = profile_table(p, PROFILE_INDICATORS);

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];
		const char *scopes = row->cells[INDICATOR_SCOPES];

		if (indicator_row(p, row->cells[INDICATOR_ID]) != row)
			PROFILE_FAULT(p, PROFILE_INDICATORS, row, "%s twice",
				      row->cells[INDICATOR_ID]);
		if (!profile_is_known(p, &profile_agencies, row->cells[INDICATOR_OWNER]))
			PROFILE_FAULT(p, PROFILE_INDICATORS, row,
				      "owner_agency: there is no agency %s",
				      row->cells[INDICATOR_OWNER]);
		if (strcmp(scopes, "ALL") != 0 && strspn(scopes, "THX|") != strlen(scopes))
			PROFILE_FAULT(p, PROFILE_INDICATORS, row,
				      "scopes \"%s\" is neither ALL nor of T, H, X", scopes);
		if (strcmp(row->cells[INDICATOR_KIND], "milestone") != 0 &&
		    !row->cells[INDICATOR_DENOMINATOR][0])
			PROFILE_FAULT(p, PROFILE_INDICATORS, row, "denominator is empty");
	}
}

static bool scope_fits(const char *scope, const char *scopes)
{
	return strcmp(scope, "ALL") == 0 || strcmp(scopes, "ALL") == 0 ||
	       strchr(scopes, scope[0]) != NULL;
}

static void check_target(struct profile *p, const struct csv_table *t, size_t i)
{
	const struct csv_row *row = &t->rows[i];
	const struct csv_row *of = indicator_row(p, row->cells[TARGET_INDICATOR]);
	bool milestone = strcmp(row->cells[TARGET_OPERATOR], "milestone") == 0;

	if (!of) {
		PROFILE_FAULT(p, PROFILE_TARGETS, row, "there is no indicator %s",
			      row->cells[TARGET_INDICATOR]);
		return;
	}
	if (!scope_fits(row->cells[TARGET_SCOPE], of->cells[INDICATOR_SCOPES]))
		PROFILE_FAULT(p, PROFILE_TARGETS, row, "scope %s, but %s is measured for %s",
			      row->cells[TARGET_SCOPE], of->cells[INDICATOR_ID],
			      of->cells[INDICATOR_SCOPES]);
	if (milestone != (strcmp(of->cells[INDICATOR_KIND], "milestone") == 0))
		PROFILE_FAULT(p, PROFILE_TARGETS, row, "operator %s for an indicator of kind %s",
			      row->cells[TARGET_OPERATOR], of->cells[INDICATOR_KIND]);
	if (profile_hundredths(row->cells[TARGET_VALUE]) < 0)
		PROFILE_FAULT(p, PROFILE_TARGETS, row,
			      "value \"%s\" is no number with at most two decimals",
			      row->cells[TARGET_VALUE]);
	for (size_t k = 0; k < i; k++) {
		const char *const *a = t->rows[k].cells, *const *b = row->cells;

		if (strcmp(a[TARGET_INDICATOR], b[TARGET_INDICATOR]) == 0 &&
		    strcmp(a[TARGET_SCOPE], b[TARGET_SCOPE]) == 0 &&
		    strcmp(a[TARGET_DUE], b[TARGET_DUE]) == 0)
			PROFILE_FAULT(p, PROFILE_TARGETS, row, "the same target as in line %d",
				      t->rows[k].line);
	}
}

void profile_check(struct profile *p)
{
	const struct csv_table *targets = profile_table(p, PROFILE_TARGETS);

	check_units(p);
	check_agencies(p);
	check_calendar(p);
	profile_check_hours(p);
	check_officers(p);
	profile_check_dates(p, &categories);
	check_reasons(p);
	check_systems(p);
	profile_check_procedures(p);
	check_fees(p);
	check_accounts(p);
	check_indicators(p);
	for (size_t i = 0; i < targets->n_rows; i++)
		check_target(p, targets, i);
}
