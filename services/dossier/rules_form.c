/*
 * The form of a filing against the fields of its procedure: each value by its type and rules, and
 * which fields the other answers make required.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/identity.h"
#include "common/base/number.h"
#include "common/base/utf8.h"
#include "services/dossier/rules.h"

#define DECIMALS      6
#define DECIMAL_SCALE 1000000

static const struct err_kind unknown_form_field = {ERR_INVALID, "UNKNOWN_FORM_FIELD",
						   "Biểu mẫu không có trường %s",
						   "the form has no field %s"};
static const struct err_kind missing_form_field = {ERR_INVALID, "MISSING_FORM_FIELD",
						   "Thiếu trường bắt buộc của biểu mẫu: %s",
						   "a required form field is missing: %s"};
static const struct err_kind bad_date = {ERR_INVALID, "BAD_DATE", "Ngày không hợp lệ (YYYY-MM-DD)",
					 "not a valid date (YYYY-MM-DD)"};
static const struct err_kind bad_integer = {ERR_INVALID, "BAD_INTEGER", "Không phải số nguyên",
					    "not an integer"};
static const struct err_kind bad_decimal = {ERR_INVALID, "BAD_DECIMAL",
					    "Không phải số thập phân (tối đa 6 chữ số lẻ)",
					    "not a decimal number (at most 6 decimals)"};
static const struct err_kind bad_money = {ERR_INVALID, "BAD_MONEY", "Không phải số tiền (đồng)",
					  "not an amount of whole dong"};
static const struct err_kind bad_choice = {ERR_INVALID, "BAD_CHOICE",
					   "Giá trị không có trong danh sách của trường %s",
					   "not one of the choices of %s"};
static const struct err_kind bad_boolean = {ERR_INVALID, "BAD_BOOLEAN",
					    "Giá trị phải là true hoặc false", "not true or false"};
static const struct err_kind bad_agency_code = {
	ERR_INVALID, "BAD_AGENCY_CODE", "Mã cơ quan không hợp lệ", "not a valid code of an agency"};
static const struct err_kind too_short = {ERR_INVALID, "TOO_SHORT",
					  "Nội dung quá ngắn (tối thiểu %s ký tự)",
					  "too short (at least %s characters)"};
static const struct err_kind bad_pattern = {ERR_INVALID, "BAD_PATTERN",
					    "Nội dung không đúng dạng quy định (%s)",
					    "not of the form asked for (%s)"};
static const struct err_kind date_in_future = {ERR_INVALID, "DATE_IN_FUTURE",
					       "Ngày không được sau hôm nay",
					       "the date may not lie in the future"};
static const struct err_kind date_in_past = {ERR_INVALID, "DATE_IN_PAST",
					     "Ngày không được trước hôm nay",
					     "the date may not lie in the past"};
static const struct err_kind out_of_range = {
	ERR_INVALID, "OUT_OF_RANGE", "Giá trị phải trong khoảng %s", "the value must lie in %s"};

/* --- patterns --- */

static bool is_plate(const char *s)
{
	return rules_matches(s, "^[0-9]{2}[A-Z][A-Z0-9]?[- ]?([0-9]{4}|[0-9]{3}\\.?[0-9]{2})$");
}

static bool is_digits(const char *s)
{
	return rules_matches(s, "^[0-9]+$");
}

static bool is_code(const char *s)
{
	return rules_matches(s, "^[A-Z0-9./-]+$");
}

static const struct {
	const char *name;
	bool (*fits)(const char *s);
} patterns[] = {
	{"letters", utf8_is_letters},
	{"digits", is_digits},
	{"code", is_code},
	{"plate", is_plate},
};

bool rules_form_pattern(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++)
		if (strcmp(patterns[i].name, name) == 0)
			return true;
	return false;
}

static bool fits_pattern(const char *name, const char *value)
{
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++)
		if (strcmp(patterns[i].name, name) == 0)
			return patterns[i].fits(value);
	return true;
}

/* --- values by type --- */

/* One value on its way through the checks of its field. */
struct value {
	const Dossier__FormFieldRule *rule;
	const char *text;
	const char *field; /* path in the request */
	int32_t today;
};

/* Bounds are given in whole numbers; scaled values are compared with scaled bounds. */
static void check_range(const struct value *v, int64_t number, int64_t scale, struct err *err)
{
	const Dossier__FormFieldRule *r = v->rule;
	bool least = r->least_case == DOSSIER__FORM_FIELD_RULE__LEAST_MIN;
	bool most = r->most_case == DOSSIER__FORM_FIELD_RULE__MOST_MAX;
	char range[64], min[24] = "", max[24] = "";

	if ((!least || number >= r->min * scale) && (!most || number <= r->max * scale))
		return;
	if (least)
		snprintf(min, sizeof(min), "%" PRId64, r->min);
	if (most)
		snprintf(max, sizeof(max), "%" PRId64, r->max);
	snprintf(range, sizeof(range), "[%s; %s]", min, max);
	err_add(err, &out_of_range, v->field, range);
}

static void check_free_text(const struct value *v, struct err *err)
{
	char arg[16];

	if (utf8_length(v->text) < v->rule->min_length) {
		snprintf(arg, sizeof(arg), "%u", v->rule->min_length);
		err_add(err, &too_short, v->field, arg);
	} else if (!fits_pattern(v->rule->pattern, v->text)) {
		err_add(err, &bad_pattern, v->field, v->rule->pattern);
	}
}

static void check_date(const struct value *v, struct err *err)
{
	int32_t day;

	if (civil_parse(v->text, &day) < 0)
		err_add(err, &bad_date, v->field, NULL);
	else if (strcmp(v->rule->date_rule, "not_future") == 0 && day > v->today)
		err_add(err, &date_in_future, v->field, NULL);
	else if (strcmp(v->rule->date_rule, "not_past") == 0 && day < v->today)
		err_add(err, &date_in_past, v->field, NULL);
}

static void check_integer(const struct value *v, struct err *err)
{
	int64_t number;

	if (number_parse(v->text, -RULES_NUMBER_MAX, RULES_NUMBER_MAX, &number) < 0)
		err_add(err, &bad_integer, v->field, NULL);
	else
		check_range(v, number, 1, err);
}

static void check_money(const struct value *v, struct err *err)
{
	int64_t amount;

	if (number_parse(v->text, 0, RULES_NUMBER_MAX, &amount) < 0)
		err_add(err, &bad_money, v->field, NULL);
	else
		check_range(v, amount, 1, err);
}

static void check_decimal(const struct value *v, struct err *err)
{
	char digits[32];
	const char *point = strchr(v->text, '.');
	size_t whole = point ? (size_t)(point - v->text) : strlen(v->text);
	int64_t number = 0;

	if (!rules_matches(v->text, "^-?[0-9]{1,12}(\\.[0-9]{1,6})?$")) {
		err_add(err, &bad_decimal, v->field, NULL);
		return;
	}
	/* The same digits with six decimals and no point. */
	snprintf(digits, sizeof(digits), "%.*s%-*.*s", (int)whole, v->text, DECIMALS, DECIMALS,
		 point ? point + 1 : "");
	for (char *p = digits; *p; p++)
		*p = (char)(*p == ' ' ? '0' : *p);
	CHECK(number_parse(digits, INT64_MIN, INT64_MAX, &number) == 0);
	check_range(v, number, DECIMAL_SCALE, err);
}

static void check_choice(const struct value *v, struct err *err)
{
	for (size_t i = 0; i < v->rule->n_options; i++)
		if (strcmp(v->rule->options[i]->code, v->text) == 0)
			return;
	err_add(err, &bad_choice, v->field, v->rule->label);
}

static void check_boolean(const struct value *v, struct err *err)
{
	if (strcmp(v->text, "true") != 0 && strcmp(v->text, "false") != 0)
		err_add(err, &bad_boolean, v->field, NULL);
}

static void check_citizen_number(const struct value *v, struct err *err)
{
	if (!identity_citizen_number(v->text, v->today))
		err_add(err, &rules_bad_citizen_number, v->field, NULL);
}

static void check_tax_code(const struct value *v, struct err *err)
{
	if (!identity_tax_code(v->text))
		err_add(err, &rules_bad_tax_code, v->field, NULL);
}

static void check_phone(const struct value *v, struct err *err)
{
	if (!identity_phone(v->text))
		err_add(err, &rules_bad_phone, v->field, NULL);
}

static void check_email(const struct value *v, struct err *err)
{
	if (!rules_email(v->text))
		err_add(err, &rules_bad_email, v->field, NULL);
}

static void check_agency(const struct value *v, struct err *err)
{
	if (!identity_agency_code(v->text))
		err_add(err, &bad_agency_code, v->field, NULL);
}

static const struct {
	const char *name;
	void (*check)(const struct value *v, struct err *err);
} types[] = {
	{"text", check_free_text},    {"date", check_date},
	{"integer", check_integer},   {"decimal", check_decimal},
	{"money", check_money},       {"choice", check_choice},
	{"boolean", check_boolean},   {"citizen_number", check_citizen_number},
	{"tax_code", check_tax_code}, {"phone", check_phone},
	{"email", check_email},       {"agency", check_agency},
};

bool rules_form_type(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(types[i].name, name) == 0)
			return true;
	return false;
}

static void check_value(const struct value *v, struct err *err)
{
	size_t max = v->rule->max_length ? v->rule->max_length : RULES_FORM_TEXT_MAX;

	if (!rules_text(v->text, max)) {
		rules_check_text(v->text, max, v->field, err);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(types[i].name, v->rule->type) == 0)
			types[i].check(v, err);
}

/* --- the form --- */

static const Dossier__FormFieldRule *find_rule(const Dossier__Procedure *p, const char *name)
{
	for (size_t i = 0; i < p->n_form; i++)
		if (strcmp(p->form[i]->name, name) == 0)
			return p->form[i];
	return NULL;
}

/* The value of a field; NULL when not given or blank. */
static const char *answer(const Dossier__SubmitRequest *in, const char *name)
{
	for (size_t i = 0; i < in->n_form; i++)
		if (strcmp(in->form[i]->name, name) == 0)
			return rules_blank(in->form[i]->value) ? NULL : in->form[i]->value;
	return NULL;
}

bool rules_condition(const Dossier__Condition *condition, const Dossier__SubmitRequest *in)
{
	const char *value = condition ? answer(in, condition->field) : NULL;

	if (!value)
		return false;
	for (size_t i = 0; i < condition->n_values; i++)
		if (strcmp(condition->values[i], value) == 0)
			return true;
	return condition->n_values == 0;
}

static void check_given(const Dossier__Procedure *procedure, const Dossier__SubmitRequest *in,
			size_t i, int32_t today, struct err *err)
{
	char field[160];
	struct value v = {
		.rule = find_rule(procedure, in->form[i]->name),
		.text = in->form[i]->value,
		.field = field,
		.today = today,
	};

	snprintf(field, sizeof(field), "form[%zu].value", i);
	if (!v.rule)
		err_add(err, &unknown_form_field, field, in->form[i]->name);
	else if (!rules_blank(v.text))
		check_value(&v, err);
}

void rules_check_form(const Dossier__Procedure *procedure, const Dossier__SubmitRequest *in,
		      int32_t today, struct err *err)
{
	char field[160];

	if (in->n_form > RULES_FORM_FIELDS_MAX)
		return; /* reported by rules_check_filing() */
	for (size_t i = 0; i < in->n_form; i++)
		check_given(procedure, in, i, today, err);
	for (size_t i = 0; i < procedure->n_form; i++) {
		const Dossier__FormFieldRule *rule = procedure->form[i];
		bool required = rule->required || rules_condition(rule->required_if, in);

		if (!required || answer(in, rule->name))
			continue;
		snprintf(field, sizeof(field), "form.%s", rule->name);
		err_add(err, &missing_form_field, field, rule->label);
	}
}

/* --- likeness --- */

static bool answers(const struct rules_answers *a, const char *name, const char *value)
{
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->names[i], name) == 0)
			return strcmp(a->values[i], value) == 0;
	return false;
}

static size_t given(const struct rules_answers *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++)
		n += !rules_blank(a->values[i]);
	return n;
}

bool rules_similar(const struct rules_answers *a, const struct rules_answers *b)
{
	size_t most = given(a) > given(b) ? given(a) : given(b), same = 0;

	for (size_t i = 0; i < a->n; i++)
		same += !rules_blank(a->values[i]) && answers(b, a->names[i], a->values[i]);
	return same * 5 >= most * 4;
}
