/* What may stand in the catalogue: procedures and channels of a profile. */
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/identity.h"
#include "services/dossier/rules.h"

#define COMPONENTS_MAX  100
#define STEPS_MAX       99
#define HOURS_MAX       8000
#define FEE_MAX_VND     1000000000000LL
#define BOUND_MAX       1000000000000LL /* of a form's number; scaled it stays an int64 */
#define LEGAL_BASES_MAX 50
#define OPTIONS_MAX     200

/* --- the procedure's own columns --- */

static bool limit_fits(const Dossier__Procedure *p)
{
	switch (p->limit_unit) {
	case DOSSIER__LIMIT_UNIT__LIMIT_UNIT_UNSPECIFIED:
	case DOSSIER__LIMIT_UNIT__LIMIT_UNIT_SAME_DAY:
		return p->limit_value == 0;
	case DOSSIER__LIMIT_UNIT__LIMIT_UNIT_WORKING_DAY:
	case DOSSIER__LIMIT_UNIT__LIMIT_UNIT_CALENDAR_DAY:
		return p->limit_value >= 1 && p->limit_value <= 3660;
	case DOSSIER__LIMIT_UNIT__LIMIT_UNIT_WORKING_HOUR:
		return p->limit_value >= 1 && p->limit_value <= 8000;
	case _DOSSIER__LIMIT_UNIT_IS_INT_SIZE:
		break;
	}
	return false;
}

static bool is_code(const char *s)
{
	return strlen(s) <= 60 && rules_matches(s, "^[0-9a-z._-]+$");
}

/* Columns of text and numbers; NULL when all are well. */
static const char *bad_column(const Dossier__Procedure *p)
{
	static const char *const classes[] = {"basic", "sensitive", "child", NULL};

	if (!rules_matches(p->code, "^[0-9A-Z.-]{1,60}$"))
		return "code";
	if (rules_blank(p->name) || !rules_text(p->name, 500))
		return "name";
	if (rules_blank(p->field) || !rules_text(p->field, 200))
		return "field";
	if (!rules_matches(p->levels, "^[THX]{1,3}$"))
		return "levels";
	if (!limit_fits(p))
		return "limit_value";
	if (!rules_one_of(p->data_class, classes))
		return "data_class";
	if (p->reply_days > RULES_REPLY_DAYS_MAX)
		return "reply_days";
	return NULL;
}

/* An online service is what level 3 and 4 mean; a lower level is information at most. */
static const char *bad_online(const Dossier__Procedure *p)
{
	bool service = p->online_service >= DOSSIER__ONLINE_SERVICE__ONLINE_SERVICE_PARTIAL;

	if (p->online_level < 1 || p->online_level > 4)
		return "online_level";
	if (p->online_service != DOSSIER__ONLINE_SERVICE__ONLINE_SERVICE_UNSPECIFIED &&
	    service != (p->online_level >= 3))
		return "online_service";
	return NULL;
}

static const char *bad_dates(const Dossier__Procedure *p)
{
	int32_t from, to, decided = 0, published;

	if (civil_parse(p->valid_from, &from) < 0)
		return "valid_from";
	if (civil_parse_or_forever(p->valid_to, &to) < 0 || to < from)
		return "valid_to";
	if (p->decided_on[0] && civil_parse(p->decided_on, &decided) < 0)
		return "decided_on";
	if (!rules_text(p->decision_number, 100))
		return "decision_number";
	if (p->published_on[0] &&
	    (!p->decided_on[0] || civil_parse(p->published_on, &published) < 0 ||
	     published < decided))
		return "published_on";
	return NULL;
}

static const char *bad_legal_basis(const Dossier__Procedure *p)
{
	if (p->n_legal_bases > LEGAL_BASES_MAX)
		return "legal_bases";
	for (size_t i = 0; i < p->n_legal_bases; i++) {
		const Dossier__LegalBasis *l = p->legal_bases[i];

		if (rules_blank(l->number) || !rules_text(l->number, 100) ||
		    !rules_text(l->title, 500) || !rules_text(l->article, 200))
			return "legal_bases";
	}
	return NULL;
}

/* --- fees --- */

static bool fee_fits(const Dossier__Procedure *p, size_t i)
{
	const Dossier__FeeItem *f = p->fees[i];

	for (size_t j = 0; j < i; j++)
		if (strcmp(f->code, p->fees[j]->code) == 0)
			return false;
	return is_code(f->code) && !rules_blank(f->name) && rules_text(f->name, 200) &&
	       strcmp(f->kind, p->fee_kind) == 0 && f->amount_vnd > 0 &&
	       f->amount_vnd <= FEE_MAX_VND && rules_matches(f->per, "^[a-z_]{0,20}$") &&
	       f->timing != DOSSIER__FEE_TIMING__FEE_TIMING_UNSPECIFIED;
}

/* The items are what the one amount is made of. */
static const char *bad_fee(const Dossier__Procedure *p)
{
	static const char *const kinds[] = {"phi", "le_phi", NULL};
	int64_t sum = 0;

	if (p->fee_vnd < 0 || p->fee_vnd > FEE_MAX_VND ||
	    (p->fee_vnd > 0) != (p->fee_kind[0] != '\0'))
		return "fee_vnd";
	if (p->fee_vnd > 0 && !rules_one_of(p->fee_kind, kinds))
		return "fee_kind";
	for (size_t i = 0; i < p->n_fees; i++) {
		if (i == RULES_FEES_MAX || !fee_fits(p, i))
			return "fees";
		sum += p->fees[i]->amount_vnd;
	}
	return p->n_fees > 0 && sum != p->fee_vnd ? "fees" : NULL;
}

/* --- what is handed in --- */

static bool has_field(const Dossier__Procedure *p, const char *name)
{
	for (size_t i = 0; i < p->n_form; i++)
		if (strcmp(p->form[i]->name, name) == 0)
			return true;
	return false;
}

/* A condition asks a field of the form; not the one it stands at, which is NULL for a component. */
static bool condition_fits(const Dossier__Procedure *p, const Dossier__Condition *c,
			   const char *own)
{
	if (!c)
		return true;
	return has_field(p, c->field) && (!own || strcmp(c->field, own) != 0) &&
	       c->n_values <= OPTIONS_MAX;
}

static const char *bad_component(const Dossier__Procedure *p)
{
	if (p->n_components > COMPONENTS_MAX)
		return "components";
	for (size_t i = 0; i < p->n_components; i++) {
		const Dossier__Component *c = p->components[i];

		if (rules_blank(c->code) || rules_blank(c->name) || strlen(c->code) > 60 ||
		    !condition_fits(p, c->required_if, NULL))
			return "components";
		for (size_t j = 0; j < i; j++)
			if (strcmp(c->code, p->components[j]->code) == 0)
				return "components";
	}
	return NULL;
}

static bool is_number(const Dossier__FormFieldRule *f)
{
	static const char *const numbers[] = {"integer", "decimal", "money", NULL};

	return rules_one_of(f->type, numbers);
}

static bool bounds_fit(const Dossier__FormFieldRule *f)
{
	bool least = f->least_case == DOSSIER__FORM_FIELD_RULE__LEAST_MIN;
	bool most = f->most_case == DOSSIER__FORM_FIELD_RULE__MOST_MAX;

	if (!least && !most)
		return true;
	return is_number(f) && (!least || (f->min >= -BOUND_MAX && f->min <= BOUND_MAX)) &&
	       (!most || (f->max >= -BOUND_MAX && f->max <= BOUND_MAX)) &&
	       (!least || !most || f->min <= f->max);
}

static bool options_fit(const Dossier__FormFieldRule *f)
{
	if ((f->n_options > 0) != (strcmp(f->type, "choice") == 0) || f->n_options > OPTIONS_MAX)
		return false;
	for (size_t i = 0; i < f->n_options; i++) {
		if (rules_blank(f->options[i]->code) || rules_blank(f->options[i]->label))
			return false;
		for (size_t j = 0; j < i; j++)
			if (strcmp(f->options[i]->code, f->options[j]->code) == 0)
				return false;
	}
	return true;
}

/* Rules that only one type knows stand at no other. */
static bool rules_fit_type(const Dossier__FormFieldRule *f)
{
	static const char *const date_rules[] = {"not_future", "not_past", NULL};
	uint32_t max = f->max_length ? f->max_length : RULES_FORM_TEXT_MAX;

	if ((f->min_length > 0 || f->pattern[0]) && strcmp(f->type, "text") != 0)
		return false;
	if (f->max_length > RULES_FORM_TEXT_MAX || f->min_length > max ||
	    (f->pattern[0] && !rules_form_pattern(f->pattern)))
		return false;
	if (f->date_rule[0] &&
	    (strcmp(f->type, "date") != 0 || !rules_one_of(f->date_rule, date_rules)))
		return false;
	return bounds_fit(f) && options_fit(f);
}

static const char *bad_form(const Dossier__Procedure *p)
{
	if (p->n_form > RULES_FORM_FIELDS_MAX)
		return "form";
	for (size_t i = 0; i < p->n_form; i++) {
		const Dossier__FormFieldRule *f = p->form[i];

		if (rules_blank(f->name) || strlen(f->name) > 80 || rules_blank(f->label) ||
		    !rules_form_type(f->type) || !rules_fit_type(f) ||
		    !condition_fits(p, f->required_if, f->name))
			return "form";
		for (size_t j = 0; j < i; j++)
			if (strcmp(f->name, p->form[j]->name) == 0)
				return "form";
	}
	return NULL;
}

/* --- steps --- */

static bool is_action(const char *name)
{
	for (int a = 1; a <= RULES_ACTIONS; a++)
		if (strcmp(rules_action_name((enum rules_action)a), name) == 0)
			return true;
	return false;
}

static bool opinions_fit(const Dossier__Step *s)
{
	for (size_t i = 0; i < s->n_opinions; i++) {
		const Dossier__StepOpinion *o = s->opinions[i];

		if (!identity_agency_code(o->agency_code) || o->hours < 1 || o->hours > HOURS_MAX ||
		    rules_blank(o->question) || !rules_text(o->question, RULES_NOTE_MAX))
			return false;
		for (size_t j = 0; j < i; j++)
			if (strcmp(o->agency_code, s->opinions[j]->agency_code) == 0)
				return false;
	}
	return true;
}

static bool step_fits(const Dossier__Step *s)
{
	static const char *const places[] = {"receiving", "competent", NULL};

	if (rules_blank(s->role) || rules_blank(s->name) || s->hours > HOURS_MAX)
		return false;
	if (!rules_one_of(s->agency_rule, places) && !identity_agency_code(s->agency_rule))
		return false;
	for (size_t i = 0; i < s->n_actions; i++)
		if (!is_action(s->actions[i]))
			return false;
	return opinions_fit(s);
}

static const char *bad_step(const Dossier__Procedure *p)
{
	if (p->n_steps > STEPS_MAX)
		return "steps";
	for (size_t i = 0; i < p->n_steps; i++)
		if (p->steps[i]->ordinal != i + 1 || !step_fits(p->steps[i]))
			return "steps";
	return NULL;
}

int rules_check_procedure(const Dossier__Procedure *p, const char *path, struct err *err)
{
	static const char *(*const checks[])(const Dossier__Procedure *p) = {
		bad_column, bad_online,    bad_dates, bad_legal_basis,
		bad_fee,    bad_component, bad_form,  bad_step,
	};
	char field[96];

	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		const char *bad = checks[i](p);

		if (!bad)
			continue;
		snprintf(field, sizeof(field), "%s.%s", path, bad);
		return err_set(err, &err_invalid_field, field, p->code);
	}
	return 0;
}

/* --- channels --- */

int rules_check_channel(const Dossier__ChannelRule *r, const char *path, struct err *err)
{
	int32_t opens, closes;
	const char *bad = NULL;
	char field[96];

	if (r->channel == DOSSIER__CHANNEL__CHANNEL_UNSPECIFIED)
		bad = "channel";
	else if (civil_parse(r->opens, &opens) < 0)
		bad = "opens";
	else if (civil_parse_or_forever(r->closes, &closes) < 0 || closes < opens)
		bad = "closes";
	else if (!rules_text(r->legal_basis, 200))
		bad = "legal_basis";
	else if (!rules_text(r->instead, 200) || (r->closes[0] && rules_blank(r->instead)))
		bad = "instead";
	if (!bad)
		return 0;
	snprintf(field, sizeof(field), "%s.%s", path, bad);
	return err_set(err, &err_invalid_field, field, r->opens);
}
