/* The dossier service's part of a profile: procedures with all that belongs to them, channels. */
#include <string.h>

#include "common/base/base.h"
#include "lgsp/dossier/v1/dossier.pb-c.h"
#include "services/ctl/profile_apply.h"

static bool is_true(const char *cell)
{
	return strcmp(cell, "true") == 0;
}

/* Number of the word in the list, counted from 1; 0 when it is none. */
static int word_number(const char *word, const char *const *list)
{
	for (int i = 0; list[i]; i++)
		if (strcmp(list[i], word) == 0)
			return i + 1;
	return 0;
}

/* Indexes of a file's rows whose first cell is code, in order. */
static size_t rows_of(const struct csv_table *t, const char *code, const struct csv_row **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_rows; i++) {
		if (strcmp(t->rows[i].cells[0], code) == 0)
			ret[n++] = &t->rows[i];
	}
	return n;
}

static const struct csv_row **rows_room(const struct csv_table *t, struct arena *arena)
{
	const struct csv_row **rows = arena_calloc(arena, t->n_rows + 1, sizeof *rows);

	CHECK(rows);
	return rows;
}

/* "field" or "field=value|value"; NULL when empty. */
static Dossier__Condition *condition(struct arena *arena, const char *cell)
{
	Dossier__Condition *out;
	size_t n = strcspn(cell, "=");

	if (!cell[0])
		return NULL;
	out = arena_alloc(arena, sizeof *out);
	CHECK(out);
	dossier__condition__init(out);
	out->field = arena_memdup(arena, cell, n);
	if (cell[n] == '=')
		out->values = profile_split(arena, "|", cell + n + 1, &out->n_values);
	return out;
}

static void add_components(const struct profile *p, struct arena *arena, Dossier__Procedure *out)
{
	const struct csv_table *t = &p->tables[PROFILE_COMPONENTS];
	const struct csv_row **rows = rows_room(t, arena);

	out->n_components = rows_of(t, out->code, rows);
	PROFILE_LIST(arena, Dossier__Component, dossier__component__init, out->n_components,
		     out->components);
	for (size_t i = 0; i < out->n_components; i++) {
		const char *const *c = rows[i]->cells;
		Dossier__Component *to = out->components[i];

		to->code = c[COMPONENT_CODE];
		to->name = c[COMPONENT_NAME];
		to->required = is_true(c[COMPONENT_REQUIRED]);
		to->record_types =
			profile_split(arena, " ", c[COMPONENT_RECORDS], &to->n_record_types);
		to->originals = (uint32_t)csv_number(c[COMPONENT_ORIGINALS]);
		to->copies = (uint32_t)csv_number(c[COMPONENT_COPIES]);
		to->required_if = condition(arena, c[COMPONENT_IF]);
	}
}

/* "code=label|code=label". */
static void add_options(struct arena *arena, const char *cell, Dossier__FormFieldRule *out)
{
	const char **pairs = profile_split(arena, "|", cell, &out->n_options);

	PROFILE_LIST(arena, Dossier__FormOption, dossier__form_option__init, out->n_options,
		     out->options);
	for (size_t i = 0; i < out->n_options; i++) {
		size_t n = strcspn(pairs[i], "=");

		out->options[i]->code = arena_memdup(arena, pairs[i], n);
		out->options[i]->label = pairs[i] + n + (pairs[i][n] == '=');
	}
}

static void add_field(struct arena *arena, const char *const *c, Dossier__FormFieldRule *out)
{
	out->name = c[FORM_NAME];
	out->label = c[FORM_LABEL];
	out->type = c[FORM_TYPE];
	out->required = is_true(c[FORM_REQUIRED]);
	out->max_length = (uint32_t)csv_number(c[FORM_MAX_LENGTH]);
	out->min_length = (uint32_t)csv_number(c[FORM_MIN_LENGTH]);
	out->pattern = c[FORM_PATTERN];
	out->date_rule = c[FORM_DATE_RULE];
	if (c[FORM_MIN][0]) {
		out->least_case = DOSSIER__FORM_FIELD_RULE__LEAST_MIN;
		out->min = csv_number(c[FORM_MIN]);
	}
	if (c[FORM_MAX][0]) {
		out->most_case = DOSSIER__FORM_FIELD_RULE__MOST_MAX;
		out->max = csv_number(c[FORM_MAX]);
	}
	add_options(arena, c[FORM_OPTIONS], out);
	out->required_if = condition(arena, c[FORM_IF]);
}

static void add_form(const struct profile *p, struct arena *arena, Dossier__Procedure *out)
{
	const struct csv_table *t = &p->tables[PROFILE_FORM];
	const struct csv_row **rows = rows_room(t, arena);

	out->n_form = rows_of(t, out->code, rows);
	PROFILE_LIST(arena, Dossier__FormFieldRule, dossier__form_field_rule__init, out->n_form,
		     out->form);
	for (size_t i = 0; i < out->n_form; i++)
		add_field(arena, rows[i]->cells, out->form[i]);
}

static void add_opinions(const struct profile *p, struct arena *arena, const char *const *step,
			 Dossier__Step *out)
{
	const struct csv_table *t = &p->tables[PROFILE_OPINIONS];
	const struct csv_row **rows = rows_room(t, arena);
	size_t n = rows_of(t, step[STEP_PROCEDURE], rows);

	PROFILE_LIST(arena, Dossier__StepOpinion, dossier__step_opinion__init, n, out->opinions);
	for (size_t i = 0; i < n; i++) {
		const char *const *c = rows[i]->cells;
		Dossier__StepOpinion *to = out->opinions[out->n_opinions];

		if (strcmp(c[OPINION_STEP], step[STEP_ORDINAL]) != 0)
			continue;
		to->agency_code = c[OPINION_AGENCY];
		to->hours = (uint32_t)csv_number(c[OPINION_HOURS]);
		to->question = c[OPINION_QUESTION];
		out->n_opinions++;
	}
}

static void add_steps(const struct profile *p, struct arena *arena, Dossier__Procedure *out)
{
	const struct csv_table *t = &p->tables[PROFILE_STEPS];
	const struct csv_row **rows = rows_room(t, arena);

	out->n_steps = rows_of(t, out->code, rows);
	PROFILE_LIST(arena, Dossier__Step, dossier__step__init, out->n_steps, out->steps);
	for (size_t i = 0; i < out->n_steps; i++) {
		const char *const *c = rows[i]->cells;

		out->steps[i]->ordinal = (uint32_t)csv_number(c[STEP_ORDINAL]);
		out->steps[i]->role = c[STEP_ROLE];
		out->steps[i]->agency_rule = c[STEP_AGENCY];
		out->steps[i]->hours = (uint32_t)csv_number(c[STEP_HOURS]);
		out->steps[i]->name = c[STEP_NAME];
		out->steps[i]->actions =
			profile_split(arena, " ", c[STEP_ACTIONS], &out->steps[i]->n_actions);
		add_opinions(p, arena, c, out->steps[i]);
	}
}

static void add_legal_bases(const struct profile *p, struct arena *arena, Dossier__Procedure *out)
{
	const struct csv_table *t = &p->tables[PROFILE_LEGAL];
	const struct csv_row **rows = rows_room(t, arena);

	out->n_legal_bases = rows_of(t, out->code, rows);
	PROFILE_LIST(arena, Dossier__LegalBasis, dossier__legal_basis__init, out->n_legal_bases,
		     out->legal_bases);
	for (size_t i = 0; i < out->n_legal_bases; i++) {
		out->legal_bases[i]->number = rows[i]->cells[LEGAL_NUMBER];
		out->legal_bases[i]->title = rows[i]->cells[LEGAL_TITLE];
		out->legal_bases[i]->article = rows[i]->cells[LEGAL_ARTICLE];
	}
}

static void add_fees(const struct profile *p, struct arena *arena, Dossier__Procedure *out)
{
	static const char *const timings[] = {"before", "during", "after", NULL};
	const struct csv_table *t = &p->tables[PROFILE_ITEMS];
	const struct csv_row **rows = rows_room(t, arena);

	out->n_fees = rows_of(t, out->code, rows);
	PROFILE_LIST(arena, Dossier__FeeItem, dossier__fee_item__init, out->n_fees, out->fees);
	for (size_t i = 0; i < out->n_fees; i++) {
		const char *const *c = rows[i]->cells;
		Dossier__FeeItem *to = out->fees[i];

		to->code = c[ITEM_CODE];
		to->name = c[ITEM_NAME];
		to->kind = c[ITEM_KIND];
		to->amount_vnd = csv_number(c[ITEM_AMOUNT]);
		to->per = c[ITEM_PER];
		to->timing = (Dossier__FeeTiming)word_number(c[ITEM_TIMING], timings);
		to->exempt_online = is_true(c[ITEM_EXEMPT]);
	}
}

static Dossier__LimitUnit limit_unit(const char *text)
{
	static const struct {
		const char *text;
		Dossier__LimitUnit unit;
	} names[] = {
		{"same_day", DOSSIER__LIMIT_UNIT__LIMIT_UNIT_SAME_DAY},
		{"working_day", DOSSIER__LIMIT_UNIT__LIMIT_UNIT_WORKING_DAY},
		{"calendar_day", DOSSIER__LIMIT_UNIT__LIMIT_UNIT_CALENDAR_DAY},
		{"working_hour", DOSSIER__LIMIT_UNIT__LIMIT_UNIT_WORKING_HOUR},
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(names[i].text, text) == 0)
			return names[i].unit;
	}
	return DOSSIER__LIMIT_UNIT__LIMIT_UNIT_UNSPECIFIED;
}

/* How it is offered and when it was announced. */
static void add_standing(const struct profile *p, const char *const *c, Dossier__Procedure *out)
{
	static const char *const services[] = {"information", "partial", "full", NULL};

	out->internal = is_true(c[PROCEDURE_INTERNAL]);
	out->online_service = (Dossier__OnlineService)word_number(c[PROCEDURE_SERVICE], services);
	out->online_eligible = is_true(c[PROCEDURE_ELIGIBLE]);
	out->decision_number = c[PROCEDURE_DECISION];
	out->decided_on = c[PROCEDURE_DECIDED];
	out->published_on = c[PROCEDURE_PUBLISHED];
	out->reply_days = (uint32_t)csv_number(c[PROCEDURE_REPLY]);
	if (out->reply_days == 0)
		out->reply_days = p->reply_days;
}

static void add_procedure(const struct profile *p, struct arena *arena, const char *const *c,
			  Dossier__Procedure *out)
{
	out->code = c[PROCEDURE_CODE];
	out->name = c[PROCEDURE_NAME];
	out->field = c[PROCEDURE_FIELD];
	out->levels = c[PROCEDURE_LEVELS];
	out->limit_unit = limit_unit(c[PROCEDURE_LIMIT_UNIT]);
	out->limit_value = (uint32_t)csv_number(c[PROCEDURE_LIMIT_VALUE]);
	out->fee_kind = c[PROCEDURE_FEE_KIND];
	out->fee_vnd = csv_number(c[PROCEDURE_FEE]);
	out->online_level = (uint32_t)csv_number(c[PROCEDURE_ONLINE_LEVEL]);
	out->data_class = c[PROCEDURE_DATA_CLASS];
	out->result_type = c[PROCEDURE_RESULT];
	out->valid_from = c[PROCEDURE_FROM];
	out->valid_to = c[PROCEDURE_TO];
	add_standing(p, c, out);
	add_legal_bases(p, arena, out);
	add_fees(p, arena, out);
	add_components(p, arena, out);
	add_form(p, arena, out);
	add_steps(p, arena, out);
}

static void add_channels(const struct profile *p, struct arena *arena,
			 Dossier__ImportProfileRequest *in)
{
	static const char *const names[] = {"counter", "post", "own_portal", "national_portal",
					    NULL};
	const struct csv_table *t = &p->tables[PROFILE_CHANNELS];

	in->n_channels = t->n_rows;
	PROFILE_LIST(arena, Dossier__ChannelRule, dossier__channel_rule__init, t->n_rows,
		     in->channels);
	for (size_t i = 0; i < t->n_rows; i++) {
		const char *const *c = t->rows[i].cells;

		in->channels[i]->channel = (Dossier__Channel)word_number(c[CHANNEL_NAME], names);
		in->channels[i]->opens = c[CHANNEL_OPENS];
		in->channels[i]->closes = c[CHANNEL_CLOSES];
		in->channels[i]->legal_basis = c[CHANNEL_BASIS];
		in->channels[i]->instead = c[CHANNEL_INSTEAD];
	}
}

const ProtobufCMessage *profile_dossier_part(const struct profile *p, struct arena *arena)
{
	const struct csv_table *t = &p->tables[PROFILE_PROCEDURES];
	Dossier__ImportProfileRequest *in = arena_alloc(arena, sizeof *in);

	CHECK(in);
	dossier__import_profile_request__init(in);
	in->manifest_sha256 = p->manifest_sha256;
	in->profile = p->name;
	in->n_procedures = t->n_rows;
	PROFILE_LIST(arena, Dossier__Procedure, dossier__procedure__init, t->n_rows,
		     in->procedures);
	for (size_t i = 0; i < t->n_rows; i++)
		add_procedure(p, arena, t->rows[i].cells, in->procedures[i]);
	add_channels(p, arena, in);
	return &in->base;
}
