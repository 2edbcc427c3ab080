/*
 * The rules between the rows of a profile. Rows that did not parse are passed over here: the reader
 * has reported them.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "services/ctl/profile.h"

#define HOURS_A_DAY 8

struct period {
	int32_t from, to;
};

/* Columns of a file whose rows are dated; -1 where there is none. */
struct dated {
	enum profile_file file;
	int key, second_key, from, to, successor;
	const char *what;
};

static const struct dated units = {PROFILE_UNITS, UNIT_CODE,      -1,    UNIT_FROM,
				   UNIT_TO,       UNIT_SUCCESSOR, "unit"};
static const struct dated agencies = {PROFILE_AGENCIES, AGENCY_CODE,      -1,      AGENCY_FROM,
				      AGENCY_TO,        AGENCY_SUCCESSOR, "agency"};
static const struct dated categories = {
	PROFILE_CATEGORIES, CATEGORY_CODE, CATEGORY_NAME, CATEGORY_FROM, CATEGORY_TO, -1, "entry"};
static const struct dated officers = {
	PROFILE_OFFICERS, OFFICER_SUBJECT, OFFICER_AGENCY, OFFICER_FROM, OFFICER_TO, -1, "officer"};
static const struct dated systems = {PROFILE_SYSTEMS, SYSTEM_MEMBER, -1, SYSTEM_FROM, SYSTEM_TO, -1,
				     "system"};
static const struct dated procedures = {
	PROFILE_PROCEDURES, PROCEDURE_CODE, -1, PROCEDURE_FROM, PROCEDURE_TO, -1, "procedure"};
static const struct dated fees = {PROFILE_FEES, FEE_PROCEDURE, FEE_KIND, FEE_FROM, FEE_TO,
				  -1,           "fee"};
static const struct dated accounts = {
	PROFILE_ACCOUNTS, ACCOUNT_AGENCY, -1, ACCOUNT_FROM, ACCOUNT_TO, -1, "account"};

static const struct csv_table *table_of(const struct profile *p, enum profile_file file)
{
	return &p->tables[file];
}

#define FAULT(p, file, row, ...)                                                                   \
	csv_fault(&(p)->report, profile_file_name(file), (row)->line, __VA_ARGS__)

static bool period_of(const struct dated *d, const struct csv_row *row, struct period *ret)
{
	return civil_parse(row->cells[d->from], &ret->from) == 0 &&
	       civil_parse_or_forever(row->cells[d->to], &ret->to) == 0;
}

static bool same_key(const struct dated *d, const struct csv_row *a, const struct csv_row *b)
{
	return strcmp(a->cells[d->key], b->cells[d->key]) == 0 &&
	       (d->second_key < 0 || strcmp(a->cells[d->second_key], b->cells[d->second_key]) == 0);
}

/* The row of a code in force on a day; NULL when there is none. */
static const struct csv_row *row_on(const struct profile *p, const struct dated *d,
				    const char *code, int32_t day)
{
	const struct csv_table *t = table_of(p, d->file);
	struct period period;

	for (size_t i = 0; i < t->n_rows; i++) {
		if (strcmp(t->rows[i].cells[d->key], code) == 0 &&
		    period_of(d, &t->rows[i], &period) && period.from <= day && day <= period.to)
			return &t->rows[i];
	}
	return NULL;
}

static bool is_known(const struct profile *p, const struct dated *d, const char *code)
{
	const struct csv_table *t = table_of(p, d->file);

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
static int32_t first_gap(const struct profile *p, const struct dated *d, const char *code,
			 struct period period)
{
	int32_t day = period.from;

	for (size_t steps = 0; steps <= table_of(p, d->file)->n_rows; steps++) {
		const struct csv_row *row = row_on(p, d, code, day);
		struct period in_force;

		if (!row)
			return day;
		period_of(d, row, &in_force);
		if (in_force.to >= period.to)
			return CIVIL_FOREVER;
		day = in_force.to + 1;
		if (!row_on(p, d, code, day) && d->successor >= 0 && row->cells[d->successor][0])
			code = row->cells[d->successor];
	}
	return day;
}

/* A code that another row names must be in force, itself or by successors, as long as that row. */
static void check_named(struct profile *p, const struct dated *from, const struct csv_row *row,
			int column, const struct dated *d)
{
	const char *code = row->cells[column];
	const char *name = p->tables[from->file].columns[column].name;
	struct period period;
	char day[11];

	if (!is_known(p, d, code)) {
		FAULT(p, from->file, row, "%s: there is no %s %s", name, d->what, code);
		return;
	}
	if (!period_of(from, row, &period))
		return;
	int32_t gap = first_gap(p, d, code, period);

	if (gap == CIVIL_FOREVER)
		return;
	civil_format(gap, day);
	FAULT(p, from->file, row, "%s: %s %s is not in force on %s, nor is a successor", name,
	      d->what, code, day);
}

/* Dates in order; the same key never twice on one day. */
static void check_dates(struct profile *p, const struct dated *d)
{
	const struct csv_table *t = table_of(p, d->file);

	for (size_t i = 0; i < t->n_rows; i++) {
		struct period a, b;

		if (!period_of(d, &t->rows[i], &a))
			continue;
		if (a.from > a.to)
			FAULT(p, d->file, &t->rows[i], "valid_to is before valid_from");
		for (size_t k = 0; k < i; k++) {
			if (same_key(d, &t->rows[i], &t->rows[k]) &&
			    period_of(d, &t->rows[k], &b) && a.from <= b.to && b.from <= a.to)
				FAULT(p, d->file, &t->rows[i],
				      "%s %s is in force twice on some days (see line %d)", d->what,
				      t->rows[i].cells[d->key], t->rows[k].line);
		}
	}
}

static void check_successors(struct profile *p, const struct dated *d)
{
	const struct csv_table *t = table_of(p, d->file);

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];
		const char *code = row->cells[d->successor];
		struct period period;
		char day[11];

		if (!code[0] || !period_of(d, row, &period))
			continue;
		if (!is_known(p, d, code)) {
			FAULT(p, d->file, row, "successor: there is no %s %s", d->what, code);
		} else if (period.to == CIVIL_FOREVER) {
			FAULT(p, d->file, row, "has a successor but no valid_to");
		} else if (!row_on(p, d, code, period.to + 1)) {
			civil_format(period.to + 1, day);
			FAULT(p, d->file, row, "successor %s is not in force on %s", code, day);
		}
	}
}

/* Following parents must come to an end. */
static void check_circle(struct profile *p, const struct dated *d, int parent)
{
	const struct csv_table *t = table_of(p, d->file);

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];
		size_t steps = 0;

		while (row && row->cells[parent][0] && steps <= t->n_rows) {
			struct period period;
			const char *up = row->cells[parent];

			if (!period_of(d, row, &period))
				break;
			row = row_on(p, d, up, period.from);
			steps++;
		}
		if (steps > t->n_rows)
			FAULT(p, d->file, &t->rows[i], "its parents form a circle");
	}
}

/* --- units and agencies --- */

static void check_units(struct profile *p)
{
	static const char *const levels[] = {"province", "district", "commune"};
	const struct csv_table *t = table_of(p, PROFILE_UNITS);

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];
		const char *parent = row->cells[UNIT_PARENT], *level = row->cells[UNIT_LEVEL];
		bool top = strcmp(level, levels[0]) == 0;
		struct period period;

		if (top != (parent[0] == '\0')) {
			FAULT(p, PROFILE_UNITS, row, "%s",
			      top ? "a province has no parent" : "parent_gso_code is empty");
			continue;
		}
		if (top)
			continue;
		check_named(p, &units, row, UNIT_PARENT, &units);
		const struct csv_row *up = period_of(&units, row, &period)
						   ? row_on(p, &units, parent, period.from)
						   : NULL;
		bool district = strcmp(level, levels[1]) == 0;

		/* Since 2025-07-01 communes stand directly below their province. */
		if (up && (strcmp(up->cells[UNIT_LEVEL], levels[2]) == 0 ||
			   (district && strcmp(up->cells[UNIT_LEVEL], levels[0]) != 0)))
			FAULT(p, PROFILE_UNITS, row, "parent %s is a %s", parent,
			      up->cells[UNIT_LEVEL]);
	}
	check_dates(p, &units);
	check_successors(p, &units);
	check_circle(p, &units, UNIT_PARENT);
}

static void check_agencies(struct profile *p)
{
	static const char ranks[] = "THX"; /* a parent never stands below its child */
	const struct csv_table *t = table_of(p, PROFILE_AGENCIES);

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];
		const char *parent = row->cells[AGENCY_PARENT], *level = row->cells[AGENCY_LEVEL];
		struct period period;

		check_named(p, &agencies, row, AGENCY_UNIT, &units);
		if (!parent[0]) {
			if (strcmp(level, "H") == 0 || strcmp(level, "X") == 0)
				FAULT(p, PROFILE_AGENCIES, row, "parent_agency_code is empty");
			continue;
		}
		check_named(p, &agencies, row, AGENCY_PARENT, &agencies);
		const struct csv_row *up = period_of(&agencies, row, &period)
						   ? row_on(p, &agencies, parent, period.from)
						   : NULL;
		const char *above = up ? strchr(ranks, up->cells[AGENCY_LEVEL][0]) : NULL;
		const char *below = strchr(ranks, level[0]);

		if (above && below && above > below)
			FAULT(p, PROFILE_AGENCIES, row, "parent %s is of a lower level", parent);
	}
	check_dates(p, &agencies);
	check_successors(p, &agencies);
	check_circle(p, &agencies, AGENCY_PARENT);
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
		FAULT(p, PROFILE_CALENDAR, row, "%s lies outside the calendar's coverage",
		      row->cells[DAY_DATE]);
	if (strcmp(row->cells[DAY_KIND], "WORK") == 0 && weekday != 0 && weekday != 6)
		FAULT(p, PROFILE_CALENDAR, row, "WORK, but %s is no weekend", row->cells[DAY_DATE]);
	for (size_t k = 0; k < i; k++) {
		if (civil_parse(t->rows[k].cells[DAY_DATE], &other) == 0 && other == day)
			FAULT(p, PROFILE_CALENDAR, row, "%s twice (see line %d)",
			      row->cells[DAY_DATE], t->rows[k].line);
	}
}

static void check_calendar(struct profile *p)
{
	const struct csv_table *t = table_of(p, PROFILE_CALENDAR);

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

static void check_officers(struct profile *p)
{
	const struct csv_table *t = table_of(p, PROFILE_OFFICERS);

	for (size_t i = 0; i < t->n_rows; i++)
		check_named(p, &officers, &t->rows[i], OFFICER_AGENCY, &agencies);
	check_dates(p, &officers);
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
	const struct csv_table *t = table_of(p, PROFILE_SYSTEMS);

	for (size_t i = 0; i < t->n_rows; i++) {
		check_named(p, &systems, &t->rows[i], SYSTEM_OWNER, &agencies);
		if (!is_address(t->rows[i].cells[SYSTEM_MEMBER]))
			FAULT(p, PROFILE_SYSTEMS, &t->rows[i],
			      "member is not instance/class/member/subsystem");
	}
	check_dates(p, &systems);
}

static bool in_category(const struct profile *p, const char *category, const char *code)
{
	const struct csv_table *t = table_of(p, PROFILE_CATEGORIES);

	for (size_t i = 0; i < t->n_rows; i++) {
		if (strcmp(t->rows[i].cells[CATEGORY_NAME], category) == 0 &&
		    strcmp(t->rows[i].cells[CATEGORY_CODE], code) == 0)
			return true;
	}
	return false;
}

/* --- procedures and what belongs to them --- */

/* Rows of a procedure in a file whose first column names it. */
static int count_of(const struct profile *p, enum profile_file file, const char *code)
{
	const struct csv_table *t = table_of(p, file);
	int n = 0;

	for (size_t i = 0; i < t->n_rows; i++)
		n += strcmp(t->rows[i].cells[0], code) == 0;
	return n;
}

static bool levels_ok(const char *levels)
{
	return levels[0] && strspn(levels, "THX") == strlen(levels) &&
	       strchr(levels, levels[0]) == strrchr(levels, levels[0]) &&
	       (strlen(levels) < 2 || strchr(levels, levels[1]) == strrchr(levels, levels[1]));
}

/* Steps numbered from 1 without a gap, whose hours fit into the limit. */
static void check_steps(struct profile *p, const struct csv_row *procedure)
{
	const struct csv_table *t = table_of(p, PROFILE_STEPS);
	const char *unit = procedure->cells[PROCEDURE_LIMIT_UNIT];
	int64_t limit = csv_number(procedure->cells[PROCEDURE_LIMIT_VALUE]);
	int64_t hours = 0, ordinal = 0;

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];

		if (strcmp(row->cells[STEP_PROCEDURE], procedure->cells[PROCEDURE_CODE]) != 0)
			continue;
		if (csv_number(row->cells[STEP_ORDINAL]) != ++ordinal)
			FAULT(p, PROFILE_STEPS, row, "ordinal %s instead of %d",
			      row->cells[STEP_ORDINAL], (int)ordinal);
		hours += csv_number(row->cells[STEP_HOURS]);
	}
	if (strcmp(unit, "same_day") == 0)
		limit = HOURS_A_DAY;
	else if (strcmp(unit, "working_hour") != 0)
		limit *= HOURS_A_DAY;
	if (hours > limit)
		FAULT(p, PROFILE_PROCEDURES, procedure,
		      "its steps take %d hours, its limit leaves %d", (int)hours, (int)limit);
}

static void check_fee(struct profile *p, const struct csv_row *procedure)
{
	const char *code = procedure->cells[PROCEDURE_CODE];
	struct period period;

	if (!period_of(&procedures, procedure, &period))
		return;
	const struct csv_row *fee = row_on(p, &fees, code, period.from);

	if (!fee)
		FAULT(p, PROFILE_PROCEDURES, procedure, "fees.csv has no fee of %s on %s", code,
		      procedure->cells[PROCEDURE_FROM]);
	else if (strcmp(fee->cells[FEE_KIND], procedure->cells[PROCEDURE_FEE_KIND]) != 0 ||
		 csv_number(fee->cells[FEE_AMOUNT]) != csv_number(procedure->cells[PROCEDURE_FEE]))
		FAULT(p, PROFILE_FEES, fee, "is not the fee of procedures.csv:%d", procedure->line);
}

static void check_procedure(struct profile *p, const struct csv_row *row)
{
	static const struct {
		enum profile_file file;
		const char *what;
	} parts[] = {{PROFILE_STEPS, "step"},
		     {PROFILE_COMPONENTS, "component"},
		     {PROFILE_FORM, "form field"}};
	const char *code = row->cells[PROCEDURE_CODE], *kind = row->cells[PROCEDURE_FEE_KIND];
	bool same_day = strcmp(row->cells[PROCEDURE_LIMIT_UNIT], "same_day") == 0;
	bool has_fee = csv_number(row->cells[PROCEDURE_FEE]) > 0;

	if (!levels_ok(row->cells[PROCEDURE_LEVELS]))
		FAULT(p, PROFILE_PROCEDURES, row, "levels \"%s\" is not some of T, H, X",
		      row->cells[PROCEDURE_LEVELS]);
	if (!in_category(p, "procedure-field", row->cells[PROCEDURE_FIELD]))
		FAULT(p, PROFILE_PROCEDURES, row, "field: no procedure-field %s",
		      row->cells[PROCEDURE_FIELD]);
	if (!in_category(p, "record-type", row->cells[PROCEDURE_RESULT]))
		FAULT(p, PROFILE_PROCEDURES, row, "result_type: no record-type %s",
		      row->cells[PROCEDURE_RESULT]);
	if (same_day != (csv_number(row->cells[PROCEDURE_LIMIT_VALUE]) == 0))
		FAULT(p, PROFILE_PROCEDURES, row, "limit_value does not go with limit_unit");
	if (has_fee != (strcmp(kind, "phi") == 0 || strcmp(kind, "le_phi") == 0) ||
	    (!has_fee && kind[0]))
		FAULT(p, PROFILE_PROCEDURES, row, "fee_kind \"%s\" does not go with fee_vnd", kind);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (count_of(p, parts[i].file, code) == 0)
			FAULT(p, PROFILE_PROCEDURES, row, "has no %s", parts[i].what);
	}
	check_steps(p, row);
	if (has_fee)
		check_fee(p, row);
}

/* Rows of a procedure's part: the procedure exists, the second column is unique within it. */
static void check_part(struct profile *p, enum profile_file file)
{
	const struct csv_table *t = table_of(p, file);

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];

		if (!is_known(p, &procedures, row->cells[0]))
			FAULT(p, file, row, "there is no procedure %s", row->cells[0]);
		for (size_t k = 0; k < i; k++) {
			if (strcmp(t->rows[k].cells[0], row->cells[0]) == 0 &&
			    strcmp(t->rows[k].cells[1], row->cells[1]) == 0)
				FAULT(p, file, row, "%s %s twice (see line %d)", t->columns[1].name,
				      row->cells[1], t->rows[k].line);
		}
	}
}

static void check_record_types(struct profile *p)
{
	const struct csv_table *t = table_of(p, PROFILE_COMPONENTS);

	for (size_t i = 0; i < t->n_rows; i++) {
		char word[64];

		for (const char *s = t->rows[i].cells[COMPONENT_RECORDS]; *s;) {
			size_t n = strcspn(s, " ");

			snprintf(word, sizeof word, "%.*s", (int)n, s);
			if (!in_category(p, "record-type", word))
				FAULT(p, PROFILE_COMPONENTS, &t->rows[i],
				      "record_types: no record-type %s", word);
			s += n + (s[n] == ' ');
		}
	}
}

static void check_procedures(struct profile *p)
{
	const struct csv_table *t = table_of(p, PROFILE_PROCEDURES);

	for (size_t i = 0; i < t->n_rows; i++)
		check_procedure(p, &t->rows[i]);
	check_dates(p, &procedures);
	check_part(p, PROFILE_STEPS);
	check_part(p, PROFILE_COMPONENTS);
	check_part(p, PROFILE_FORM);
	check_record_types(p);
}

/* --- money --- */

static void check_fees(struct profile *p)
{
	const struct csv_table *t = table_of(p, PROFILE_FEES);

	for (size_t i = 0; i < t->n_rows; i++)
		check_named(p, &fees, &t->rows[i], FEE_PROCEDURE, &procedures);
	check_dates(p, &fees);
}

static bool is_digits(const char *s, size_t min, size_t max)
{
	size_t n = strspn(s, "0123456789");

	return s[n] == '\0' && n >= min && n <= max;
}

/* An agency that takes fees has an account, or one above it has. */
static void check_account_reach(struct profile *p)
{
	const struct csv_table *t = table_of(p, PROFILE_AGENCIES);

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];
		struct period period;

		if (strcmp(row->cells[AGENCY_LEVEL], "V") == 0 ||
		    !period_of(&agencies, row, &period))
			continue;
		for (size_t s = 0; row && s <= t->n_rows; s++) {
			if (row_on(p, &accounts, row->cells[AGENCY_CODE], period.from))
				break;
			row = row->cells[AGENCY_PARENT][0]
				      ? row_on(p, &agencies, row->cells[AGENCY_PARENT], period.from)
				      : NULL;
		}
		if (!row)
			FAULT(p, PROFILE_AGENCIES, &t->rows[i],
			      "neither it nor an agency above it has an account on %s",
			      t->rows[i].cells[AGENCY_FROM]);
	}
}

static void check_accounts(struct profile *p)
{
	const struct csv_table *t = table_of(p, PROFILE_ACCOUNTS);

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];

		check_named(p, &accounts, row, ACCOUNT_AGENCY, &agencies);
		if (!is_digits(row->cells[ACCOUNT_BIN], 6, 6))
			FAULT(p, PROFILE_ACCOUNTS, row, "bin is not six digits");
		if (!is_digits(row->cells[ACCOUNT_NUMBER], 6, 19))
			FAULT(p, PROFILE_ACCOUNTS, row, "number is not 6 to 19 digits");
	}
	check_dates(p, &accounts);
	check_account_reach(p);
}

/* --- indicators and targets --- */

static const struct csv_row *indicator_row(const struct profile *p, const char *id)
{
	const struct csv_table *t = table_of(p, PROFILE_INDICATORS);

	for (size_t i = 0; i < t->n_rows; i++) {
		if (strcmp(t->rows[i].cells[INDICATOR_ID], id) == 0)
			return &t->rows[i];
	}
	return NULL;
}

static void check_indicators(struct profile *p)
{
	const struct csv_table *t = table_of(p, PROFILE_INDICATORS);

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];
		const char *scopes = row->cells[INDICATOR_SCOPES];

		if (indicator_row(p, row->cells[INDICATOR_ID]) != row)
			FAULT(p, PROFILE_INDICATORS, row, "%s twice", row->cells[INDICATOR_ID]);
		if (!is_known(p, &agencies, row->cells[INDICATOR_OWNER]))
			FAULT(p, PROFILE_INDICATORS, row, "owner_agency: there is no agency %s",
			      row->cells[INDICATOR_OWNER]);
		if (strcmp(scopes, "ALL") != 0 && strspn(scopes, "THX|") != strlen(scopes))
			FAULT(p, PROFILE_INDICATORS, row,
			      "scopes \"%s\" is neither ALL nor of T, H, X", scopes);
		if (strcmp(row->cells[INDICATOR_KIND], "milestone") != 0 &&
		    !row->cells[INDICATOR_DENOMINATOR][0])
			FAULT(p, PROFILE_INDICATORS, row, "denominator is empty");
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
		FAULT(p, PROFILE_TARGETS, row, "there is no indicator %s",
		      row->cells[TARGET_INDICATOR]);
		return;
	}
	if (!scope_fits(row->cells[TARGET_SCOPE], of->cells[INDICATOR_SCOPES]))
		FAULT(p, PROFILE_TARGETS, row, "scope %s, but %s is measured for %s",
		      row->cells[TARGET_SCOPE], of->cells[INDICATOR_ID],
		      of->cells[INDICATOR_SCOPES]);
	if (milestone != (strcmp(of->cells[INDICATOR_KIND], "milestone") == 0))
		FAULT(p, PROFILE_TARGETS, row, "operator %s for an indicator of kind %s",
		      row->cells[TARGET_OPERATOR], of->cells[INDICATOR_KIND]);
	if (profile_hundredths(row->cells[TARGET_VALUE]) < 0)
		FAULT(p, PROFILE_TARGETS, row,
		      "value \"%s\" is no number with at most two decimals",
		      row->cells[TARGET_VALUE]);
	for (size_t k = 0; k < i; k++) {
		const char *const *a = t->rows[k].cells, *const *b = row->cells;

		if (strcmp(a[TARGET_INDICATOR], b[TARGET_INDICATOR]) == 0 &&
		    strcmp(a[TARGET_SCOPE], b[TARGET_SCOPE]) == 0 &&
		    strcmp(a[TARGET_DUE], b[TARGET_DUE]) == 0)
			FAULT(p, PROFILE_TARGETS, row, "the same target as in line %d",
			      t->rows[k].line);
	}
}

void profile_check(struct profile *p)
{
	const struct csv_table *targets = table_of(p, PROFILE_TARGETS);

	check_units(p);
	check_agencies(p);
	check_calendar(p);
	profile_check_hours(p);
	check_officers(p);
	check_dates(p, &categories);
	check_systems(p);
	check_procedures(p);
	check_fees(p);
	check_accounts(p);
	check_indicators(p);
	for (size_t i = 0; i < targets->n_rows; i++)
		check_target(p, targets, i);
}
