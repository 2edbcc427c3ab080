/* The rules of a profile's catalogue: procedures with their parts, and channels. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/number.h"
#include "services/ctl/profile_rules.h"

#define HOURS_A_DAY 8
#define BOUND_MAX   1000000000000LL /* of a number in a form */

/* Rows of a procedure in a file whose first column names it. */
static int count_of(const struct profile *p, enum profile_file file, const char *code)
{
	const struct csv_table *t = profile_table(p, file);
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
	const struct csv_table *t = profile_table(p, PROFILE_STEPS);
	const char *unit = procedure->cells[PROCEDURE_LIMIT_UNIT];
	int64_t limit = csv_number(procedure->cells[PROCEDURE_LIMIT_VALUE]);
	int64_t hours = 0, ordinal = 0;

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];

		if (strcmp(row->cells[STEP_PROCEDURE], procedure->cells[PROCEDURE_CODE]) != 0)
			continue;
		if (csv_number(row->cells[STEP_ORDINAL]) != ++ordinal)
			PROFILE_FAULT(p, PROFILE_STEPS, row, "ordinal %s instead of %d",
				      row->cells[STEP_ORDINAL], (int)ordinal);
		hours += csv_number(row->cells[STEP_HOURS]);
	}
	if (strcmp(unit, "same_day") == 0)
		limit = HOURS_A_DAY;
	else if (strcmp(unit, "working_hour") != 0)
		limit *= HOURS_A_DAY;
	if (hours > limit)
		PROFILE_FAULT(p, PROFILE_PROCEDURES, procedure,
			      "its steps take %d hours, its limit leaves %d", (int)hours,
			      (int)limit);
}

/* fees.csv has what payment takes for it, fee-items.csv what that is made of. */
static void check_fee(struct profile *p, const struct csv_row *procedure)
{
	const char *code = procedure->cells[PROCEDURE_CODE];
	struct profile_period period;

	if (!profile_period(&profile_procedures, procedure, &period))
		return;
	const struct csv_row *fee = profile_row_on(p, &profile_fees, code, period.from);

	if (!fee)
		PROFILE_FAULT(p, PROFILE_PROCEDURES, procedure, "fees.csv has no fee of %s on %s",
			      code, procedure->cells[PROCEDURE_FROM]);
	else if (strcmp(fee->cells[FEE_KIND], procedure->cells[PROCEDURE_FEE_KIND]) != 0 ||
		 csv_number(fee->cells[FEE_AMOUNT]) != csv_number(procedure->cells[PROCEDURE_FEE]))
		PROFILE_FAULT(p, PROFILE_FEES, fee, "is not the fee of procedures.csv:%d",
			      procedure->line);
}

static void check_items(struct profile *p, const struct csv_row *procedure)
{
	const struct csv_table *t = profile_table(p, PROFILE_ITEMS);
	int64_t fee = csv_number(procedure->cells[PROCEDURE_FEE]), sum = 0;

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];

		if (strcmp(row->cells[ITEM_PROCEDURE], procedure->cells[PROCEDURE_CODE]) != 0)
			continue;
		sum += csv_number(row->cells[ITEM_AMOUNT]);
		if (strcmp(row->cells[ITEM_KIND], procedure->cells[PROCEDURE_FEE_KIND]) != 0)
			PROFILE_FAULT(p, PROFILE_ITEMS, row,
				      "kind %s is not that of procedures.csv:%d",
				      row->cells[ITEM_KIND], procedure->line);
	}
	if (sum != fee)
		PROFILE_FAULT(p, PROFILE_PROCEDURES, procedure,
			      "fee-items.csv makes %" PRId64 " dong, fee_vnd is %" PRId64, sum,
			      fee);
}

/* The decree's kinds are what levels 3 and 4 became; who is offered there was found fit for it. */
static void check_online(struct profile *p, const struct csv_row *row)
{
	bool online = csv_number(row->cells[PROCEDURE_ONLINE_LEVEL]) >= 3;
	bool service = strcmp(row->cells[PROCEDURE_SERVICE], "information") != 0;

	if (online != service)
		PROFILE_FAULT(p, PROFILE_PROCEDURES, row,
			      "online_service %s does not go with online_level %s",
			      row->cells[PROCEDURE_SERVICE], row->cells[PROCEDURE_ONLINE_LEVEL]);
	if (online && strcmp(row->cells[PROCEDURE_ELIGIBLE], "true") != 0)
		PROFILE_FAULT(p, PROFILE_PROCEDURES, row,
			      "is offered at level %s, but not eligible",
			      row->cells[PROCEDURE_ONLINE_LEVEL]);
}

static void check_publication(struct profile *p, const struct csv_row *row)
{
	int32_t decided, published;

	if (!row->cells[PROCEDURE_PUBLISHED][0])
		return;
	if (civil_parse(row->cells[PROCEDURE_DECIDED], &decided) < 0)
		PROFILE_FAULT(p, PROFILE_PROCEDURES, row, "published_on without decided_on");
	else if (civil_parse(row->cells[PROCEDURE_PUBLISHED], &published) == 0 &&
		 published < decided)
		PROFILE_FAULT(p, PROFILE_PROCEDURES, row, "published_on is before decided_on");
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
		PROFILE_FAULT(p, PROFILE_PROCEDURES, row, "levels \"%s\" is not some of T, H, X",
			      row->cells[PROCEDURE_LEVELS]);
	if (!profile_in_category(p, "procedure-field", row->cells[PROCEDURE_FIELD]))
		PROFILE_FAULT(p, PROFILE_PROCEDURES, row, "field: no procedure-field %s",
			      row->cells[PROCEDURE_FIELD]);
	if (!profile_in_category(p, "record-type", row->cells[PROCEDURE_RESULT]))
		PROFILE_FAULT(p, PROFILE_PROCEDURES, row, "result_type: no record-type %s",
			      row->cells[PROCEDURE_RESULT]);
	if (same_day != (csv_number(row->cells[PROCEDURE_LIMIT_VALUE]) == 0))
		PROFILE_FAULT(p, PROFILE_PROCEDURES, row,
			      "limit_value does not go with limit_unit");
	if (has_fee != (strcmp(kind, "phi") == 0 || strcmp(kind, "le_phi") == 0) ||
	    (!has_fee && kind[0]))
		PROFILE_FAULT(p, PROFILE_PROCEDURES, row,
			      "fee_kind \"%s\" does not go with fee_vnd", kind);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (count_of(p, parts[i].file, code) == 0)
			PROFILE_FAULT(p, PROFILE_PROCEDURES, row, "has no %s", parts[i].what);
	}
	check_steps(p, row);
	check_items(p, row);
	check_online(p, row);
	check_publication(p, row);
	if (has_fee)
		check_fee(p, row);
}

/* Rows of a procedure's part: the procedure exists, the second column is unique within it. */
static void check_part(struct profile *p, enum profile_file file)
{
	const struct csv_table *t = profile_table(p, file);

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];

		if (!profile_is_known(p, &profile_procedures, row->cells[0]))
			PROFILE_FAULT(p, file, row, "there is no procedure %s", row->cells[0]);
		for (size_t k = 0; k < i; k++) {
			if (strcmp(t->rows[k].cells[0], row->cells[0]) == 0 &&
			    strcmp(t->rows[k].cells[1], row->cells[1]) == 0)
				PROFILE_FAULT(p, file, row, "%s %s twice (see line %d)",
					      t->columns[1].name, row->cells[1], t->rows[k].line);
		}
	}
}

static void check_record_types(struct profile *p)
{
	const struct csv_table *t = profile_table(p, PROFILE_COMPONENTS);

	for (size_t i = 0; i < t->n_rows; i++) {
		char word[64];

		for (const char *s = t->rows[i].cells[COMPONENT_RECORDS]; *s;) {
			size_t n = strcspn(s, " ");

			snprintf(word, sizeof word, "%.*s", (int)n, s);
			if (!profile_in_category(p, "record-type", word))
				PROFILE_FAULT(p, PROFILE_COMPONENTS, &t->rows[i],
					      "record_types: no record-type %s", word);
			s += n + (s[n] == ' ');
		}
	}
}

/* --- the form --- */

static bool has_field(const struct profile *p, const char *procedure, const char *name, size_t n)
{
	const struct csv_table *t = profile_table(p, PROFILE_FORM);

	for (size_t i = 0; i < t->n_rows; i++) {
		const char *const *c = t->rows[i].cells;

		if (strcmp(c[FORM_PROCEDURE], procedure) == 0 && strlen(c[FORM_NAME]) == n &&
		    strncmp(c[FORM_NAME], name, n) == 0)
			return true;
	}
	return false;
}

/* "field" or "field=value|value", of the same procedure's form and not the row's own. */
static void check_condition(struct profile *p, enum profile_file file, const struct csv_row *row,
			    int column)
{
	const char *cell = row->cells[column];
	size_t n = strcspn(cell, "=");

	if (!cell[0])
		return;
	if (!has_field(p, row->cells[0], cell, n))
		PROFILE_FAULT(p, file, row, "required_if: the form has no field %.*s", (int)n,
			      cell);
	else if (file == PROFILE_FORM && strlen(row->cells[FORM_NAME]) == n &&
		 strncmp(row->cells[FORM_NAME], cell, n) == 0)
		PROFILE_FAULT(p, file, row, "required_if: asks its own field");
}

/* A rule stands only at the types it is for. */
static void check_for(struct profile *p, const struct csv_row *row, int column, const char *types)
{
	const char *name = profile_table(p, PROFILE_FORM)->columns[column].name;

	if (row->cells[column][0] && !csv_word_in(row->cells[FORM_TYPE], types))
		PROFILE_FAULT(p, PROFILE_FORM, row, "%s is only for %s", name, types);
}

static void check_word(struct profile *p, const struct csv_row *row, int column, const char *words)
{
	const char *name = profile_table(p, PROFILE_FORM)->columns[column].name;

	if (row->cells[column][0] && !csv_word_in(row->cells[column], words))
		PROFILE_FAULT(p, PROFILE_FORM, row, "%s \"%s\" is none of: %s", name,
			      row->cells[column], words);
}

static void check_bounds(struct profile *p, const struct csv_row *row)
{
	const char *least = row->cells[FORM_MIN], *most = row->cells[FORM_MAX];
	int64_t min = -BOUND_MAX, max = BOUND_MAX;

	if ((least[0] && number_parse(least, -BOUND_MAX, BOUND_MAX, &min) < 0) ||
	    (most[0] && number_parse(most, -BOUND_MAX, BOUND_MAX, &max) < 0) || min > max)
		PROFILE_FAULT(p, PROFILE_FORM, row, "min \"%s\" and max \"%s\" are no range", least,
			      most);
}

/* "code=label|code=label". */
static void check_options(struct profile *p, const struct csv_row *row)
{
	const char *cell = row->cells[FORM_OPTIONS];

	if ((strcmp(row->cells[FORM_TYPE], "choice") == 0) != (cell[0] != '\0'))
		PROFILE_FAULT(p, PROFILE_FORM, row, "options go with type choice");
	while (*cell) {
		size_t n = strcspn(cell, "|"), code = strcspn(cell, "=|");

		if (code == 0 || code + 1 >= n)
			PROFILE_FAULT(p, PROFILE_FORM, row, "options: \"%.*s\" is not code=label",
				      (int)n, cell);
		cell += n + (cell[n] == '|');
	}
}

static void check_form(struct profile *p)
{
	const struct csv_table *t = profile_table(p, PROFILE_FORM);

	check_part(p, PROFILE_FORM);
	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];

		check_for(p, row, FORM_PATTERN, "text");
		check_for(p, row, FORM_DATE_RULE, "date");
		check_for(p, row, FORM_MIN, "integer decimal money");
		check_for(p, row, FORM_MAX, "integer decimal money");
		check_word(p, row, FORM_PATTERN, "letters digits code plate");
		check_word(p, row, FORM_DATE_RULE, "not_future not_past");
		check_bounds(p, row);
		check_options(p, row);
		check_condition(p, PROFILE_FORM, row, FORM_IF);
	}
}

/* --- steps --- */

/* As in the state table (docs/dossier.md); tests/unit/test_ctl_profile.c compares them. */
static const char actions[] =
	"submit accept refuse request_supplement supplement request_payment pay exempt_fee "
	"lift_payment forward receive claim assign stand_in next_step request_opinion "
	"give_opinion withdraw_opinion late_opinion open_child sign_off return_for_rework extend "
	"stop continue issue_result return hand_over withdraw expire reopen complain "
	"answer_complaint rate rebase due_changed reuse reissue_receipt late_answer import_legacy";

static void check_step_words(struct profile *p, const struct csv_row *row)
{
	const char *place = row->cells[STEP_AGENCY];
	char word[64];

	if (!csv_word_in(place, "receiving competent") &&
	    !profile_is_known(p, &profile_agencies, place))
		PROFILE_FAULT(p, PROFILE_STEPS, row,
			      "agency_rule: \"%s\" is neither receiving, competent nor an agency",
			      place);
	for (const char *s = row->cells[STEP_ACTIONS]; *s;) {
		size_t n = strcspn(s, " ");

		snprintf(word, sizeof word, "%.*s", (int)n, s);
		if (!csv_word_in(word, actions))
			PROFILE_FAULT(p, PROFILE_STEPS, row, "actions: there is no act \"%s\"",
				      word);
		s += n + (s[n] == ' ');
	}
}

static bool has_step(const struct profile *p, const struct csv_row *opinion)
{
	const struct csv_table *t = profile_table(p, PROFILE_STEPS);

	for (size_t i = 0; i < t->n_rows; i++) {
		const char *const *c = t->rows[i].cells;

		if (strcmp(c[STEP_PROCEDURE], opinion->cells[OPINION_PROCEDURE]) == 0 &&
		    strcmp(c[STEP_ORDINAL], opinion->cells[OPINION_STEP]) == 0)
			return true;
	}
	return false;
}

static void check_opinions(struct profile *p)
{
	const struct csv_table *t = profile_table(p, PROFILE_OPINIONS);

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct csv_row *row = &t->rows[i];

		if (!has_step(p, row))
			PROFILE_FAULT(p, PROFILE_OPINIONS, row, "procedure %s has no step %s",
				      row->cells[OPINION_PROCEDURE], row->cells[OPINION_STEP]);
		if (!profile_is_known(p, &profile_agencies, row->cells[OPINION_AGENCY]))
			PROFILE_FAULT(p, PROFILE_OPINIONS, row, "there is no agency %s",
				      row->cells[OPINION_AGENCY]);
		for (size_t k = 0; k < i; k++) {
			const char *const *a = t->rows[k].cells, *const *b = row->cells;

			if (strcmp(a[OPINION_PROCEDURE], b[OPINION_PROCEDURE]) == 0 &&
			    strcmp(a[OPINION_STEP], b[OPINION_STEP]) == 0 &&
			    strcmp(a[OPINION_AGENCY], b[OPINION_AGENCY]) == 0)
				PROFILE_FAULT(p, PROFILE_OPINIONS, row,
					      "the same opinion as in line %d", t->rows[k].line);
		}
	}
}

/* --- channels --- */

static const struct profile_dated channels = {
	PROFILE_CHANNELS, CHANNEL_NAME, -1, CHANNEL_OPENS, CHANNEL_CLOSES, -1, "channel"};

static void check_channels(struct profile *p)
{
	static const char *const all[] = {"counter", "post", "own_portal", "national_portal"};
	const struct csv_table *t = profile_table(p, PROFILE_CHANNELS);

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (!profile_is_known(p, &channels, all[i]))
			csv_fault(&p->report, t->file, 0, "says nothing of channel %s", all[i]);
	for (size_t i = 0; i < t->n_rows; i++) {
		const char *const *c = t->rows[i].cells;

		if (c[CHANNEL_CLOSES][0] && !c[CHANNEL_INSTEAD][0])
			PROFILE_FAULT(p, PROFILE_CHANNELS, &t->rows[i],
				      "closes, but does not say where to file instead");
	}
	profile_check_dates(p, &channels);
}

void profile_check_procedures(struct profile *p)
{
	const struct csv_table *t = profile_table(p, PROFILE_PROCEDURES);
	const struct csv_table *components = profile_table(p, PROFILE_COMPONENTS);
	const struct csv_table *steps = profile_table(p, PROFILE_STEPS);

	for (size_t i = 0; i < t->n_rows; i++)
		check_procedure(p, &t->rows[i]);
	profile_check_dates(p, &profile_procedures);
	check_part(p, PROFILE_STEPS);
	check_part(p, PROFILE_COMPONENTS);
	check_part(p, PROFILE_LEGAL);
	check_part(p, PROFILE_ITEMS);
	check_form(p);
	check_record_types(p);
	for (size_t i = 0; i < components->n_rows; i++)
		check_condition(p, PROFILE_COMPONENTS, &components->rows[i], COMPONENT_IF);
	for (size_t i = 0; i < steps->n_rows; i++)
		check_step_words(p, &steps->rows[i]);
	check_opinions(p);
	check_channels(p);
}
