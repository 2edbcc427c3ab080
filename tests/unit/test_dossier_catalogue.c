// with: services/dossier/rules.c services/dossier/rules_text.c services/dossier/rules_form.c services/dossier/rules_procedure.c
/* What may stand in the catalogue, and what a form's fields let through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "services/dossier/rules.h"

#define TODAY civil_from_ymd(2024, 5, 21)
#define EMAIL_254                                                                                  \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"     \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"     \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@a.example"

/* A procedure whose parts can be broken one by one. */
struct sample {
	Dossier__Procedure p;
	Dossier__LegalBasis basis, *bases[1];
	Dossier__FeeItem fee[2], *fees[2];
	Dossier__Component component, *components[1];
	Dossier__Condition if_married, if_given;
	Dossier__FormFieldRule field[3], *form[3];
	Dossier__FormOption option[2], *options[2];
	Dossier__StepOpinion opinion[2], *opinions[2];
	Dossier__Step step[2], *steps[2];
	const char *values[1], *actions[2];
};

static void make_form(struct sample *s)
{
	static const char *const names[] = {"status", "spouse", "copies"};
	static const char *const types[] = {"choice", "citizen_number", "integer"};

	for (size_t i = 0; i < 2; i++) {
		dossier__form_option__init(&s->option[i]);
		s->option[i].label = s->option[i].code = i == 0 ? "single" : "married";
		s->options[i] = &s->option[i];
	}
	for (size_t i = 0; i < 3; i++) {
		dossier__form_field_rule__init(&s->field[i]);
		s->field[i].name = s->field[i].label = names[i];
		s->field[i].type = types[i];
		s->form[i] = &s->field[i];
	}
	s->field[0].options = s->options;
	s->field[0].n_options = 2;
	s->field[2].least_case = DOSSIER__FORM_FIELD_RULE__LEAST_MIN;
	s->field[2].min = 1;
	s->field[2].most_case = DOSSIER__FORM_FIELD_RULE__MOST_MAX;
	s->field[2].max = 20;
	s->values[0] = "married";
	dossier__condition__init(&s->if_married);
	s->if_married.field = "status";
	s->if_married.values = s->values;
	s->if_married.n_values = 1;
	s->field[1].required_if = &s->if_married;
	s->p.form = s->form;
	s->p.n_form = 3;
}

static void make_steps(struct sample *s)
{
	for (size_t i = 0; i < 2; i++) {
		dossier__step_opinion__init(&s->opinion[i]);
		s->opinion[i].agency_code = i == 0 ? "H40.14" : "H40.13";
		s->opinion[i].hours = 24;
		s->opinion[i].question = "Quy hoạch?";
		s->opinions[i] = &s->opinion[i];
		dossier__step__init(&s->step[i]);
		s->step[i].ordinal = (uint32_t)i + 1;
		s->step[i].role = i == 0 ? "clerk" : "officer";
		s->step[i].agency_rule = i == 0 ? "receiving" : "H40.13";
		s->step[i].hours = 8;
		s->step[i].name = "Bước";
		s->steps[i] = &s->step[i];
	}
	s->actions[0] = "accept";
	s->actions[1] = "request_opinion";
	s->step[0].actions = s->actions;
	s->step[0].n_actions = 2;
	s->step[1].opinions = s->opinions;
	s->step[1].n_opinions = 2;
	s->p.steps = s->steps;
	s->p.n_steps = 2;
}

static void make_fees(struct sample *s)
{
	for (size_t i = 0; i < 2; i++) {
		dossier__fee_item__init(&s->fee[i]);
		s->fee[i].code = i == 0 ? "cap" : "ban-sao";
		s->fee[i].name = "Lệ phí";
		s->fee[i].kind = "le_phi";
		s->fee[i].amount_vnd = i == 0 ? 50000 : 8000;
		s->fee[i].per = i == 0 ? "" : "copy";
		s->fee[i].timing = DOSSIER__FEE_TIMING__FEE_TIMING_BEFORE;
		s->fees[i] = &s->fee[i];
	}
	s->fee[0].exempt_online = true;
	s->p.fees = s->fees;
	s->p.n_fees = 2;
	s->p.fee_kind = "le_phi";
	s->p.fee_vnd = 58000;
}

static void make_sample(struct sample *s)
{
	memset(s, 0, sizeof(*s));
	dossier__procedure__init(&s->p);
	s->p.code = "1.004873";
	s->p.name = "Xác nhận tình trạng hôn nhân";
	s->p.field = "ho-tich";
	s->p.levels = "X";
	s->p.limit_unit = DOSSIER__LIMIT_UNIT__LIMIT_UNIT_WORKING_HOUR;
	s->p.limit_value = 4; /* half a day */
	s->p.online_level = 4;
	s->p.online_service = DOSSIER__ONLINE_SERVICE__ONLINE_SERVICE_FULL;
	s->p.data_class = "basic";
	s->p.valid_from = "2021-01-01";
	s->p.decision_number = "123/QĐ-UBND";
	s->p.decided_on = "2020-12-01";
	s->p.published_on = "2020-12-11";
	dossier__legal_basis__init(&s->basis);
	s->basis.number = "60/2014/QH13";
	s->basis.title = "Luật Hộ tịch";
	s->bases[0] = &s->basis;
	s->p.legal_bases = s->bases;
	s->p.n_legal_bases = 1;
	dossier__component__init(&s->component);
	s->component.code = s->component.name = "giay-to";
	dossier__condition__init(&s->if_given);
	s->if_given.field = "spouse";
	s->component.required_if = &s->if_given;
	s->components[0] = &s->component;
	s->p.components = s->components;
	s->p.n_components = 1;
	make_form(s);
	make_steps(s);
	make_fees(s);
}

static void test_procedures(void **state)
{
	struct err err = {.status = 0};
	struct sample s;

	(void)state;
	make_sample(&s);
	assert_int_equal(rules_check_procedure(&s.p, "p", &err), 0);
#define REFUSED(change, where)                                                                     \
	do {                                                                                       \
		make_sample(&s);                                                                   \
		change;                                                                            \
		assert_int_equal(rules_check_procedure(&s.p, "p", &err), ERR_INVALID);             \
		assert_string_equal(err.items[0].field, "p." where);                               \
	} while (0)
	REFUSED(s.p.limit_value = 0, "limit_value");
	REFUSED(s.p.online_level = 2, "online_service");
	REFUSED(s.p.online_service = DOSSIER__ONLINE_SERVICE__ONLINE_SERVICE_INFORMATION,
		"online_service");
	REFUSED(s.p.decided_on = "2020-12-32", "decided_on");
	REFUSED(s.p.published_on = "2020-11-30", "published_on");
	REFUSED(s.p.decided_on = "", "published_on");
	REFUSED(s.basis.number = " ", "legal_bases");
	REFUSED(s.fee[1].code = "cap", "fees");
	REFUSED(s.fee[1].kind = "phi", "fees");
	REFUSED(s.fee[1].amount_vnd = 8001, "fees");
	REFUSED(s.fee[1].amount_vnd = 0, "fees");
	REFUSED(s.fee[1].per = "per page", "fees");
	REFUSED(s.fee[1].timing = DOSSIER__FEE_TIMING__FEE_TIMING_UNSPECIFIED, "fees");
	REFUSED(s.if_given.field = "husband", "components");
	REFUSED(s.field[1].type = "person", "form");
	REFUSED(s.field[1].min_length = 3, "form");
	REFUSED(s.field[1].pattern = "digits", "form");
	REFUSED(s.field[1].date_rule = "not_past", "form");
	REFUSED(s.field[1].least_case = DOSSIER__FORM_FIELD_RULE__LEAST_MIN, "form");
	REFUSED(s.field[2].min = 21, "form");
	REFUSED(s.field[2].max = 1000000000001LL, "form");
	REFUSED(s.field[0].n_options = 0, "form");
	REFUSED(s.option[1].code = "single", "form");
	REFUSED(s.field[1].options = s.options; s.field[1].n_options = 1, "form");
	REFUSED(s.if_married.field = "spouse", "form"); /* of itself */
	REFUSED(s.if_married.field = "nothing", "form");
	REFUSED(s.step[1].ordinal = 3, "steps");
	REFUSED(s.step[1].agency_rule = "somebody", "steps");
	REFUSED(s.step[0].hours = 8001, "steps");
	REFUSED(s.actions[1] = "approve", "steps");
	REFUSED(s.opinion[1].agency_code = "H40.14", "steps");
	REFUSED(s.opinion[1].agency_code = "h40", "steps");
	REFUSED(s.opinion[1].hours = 0, "steps");
	REFUSED(s.opinion[1].question = "", "steps");
#undef REFUSED
}

static void test_channels(void **state)
{
	static const struct {
		Dossier__Channel channel;
		const char *opens, *closes, *instead, *bad;
	} cases[] = {
		{3, "2021-01-01", "2025-06-30", "https://dichvucong.gov.vn", NULL},
		{3, "2021-01-01", "", "", NULL},
		{0, "2021-01-01", "", "", "c.channel"},
		{3, "2021-13-01", "", "", "c.opens"},
		{3, "2021-01-01", "2020-12-31", "x", "c.closes"},
		{3, "2021-01-01", "soon", "x", "c.closes"},
		{3, "2021-01-01", "2025-06-30", "", "c.instead"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		Dossier__ChannelRule r = DOSSIER__CHANNEL_RULE__INIT;
		struct err err = {.status = 0};

		r.channel = cases[i].channel;
		r.opens = cases[i].opens;
		r.closes = cases[i].closes;
		r.instead = cases[i].instead;
		assert_int_equal(rules_check_channel(&r, "c", &err),
				 cases[i].bad ? ERR_INVALID : 0);
		if (cases[i].bad)
			assert_string_equal(err.items[0].field, cases[i].bad);
	}
}

/* --- values --- */

/* What the form says of one value of one field; "" when it is taken. */
static const char *verdict(Dossier__FormFieldRule *rule, const char *value, struct err *err)
{
	Dossier__FormFieldRule *rules[] = {rule};
	Dossier__FormField field = DOSSIER__FORM_FIELD__INIT;
	Dossier__FormField *fields[] = {&field};
	Dossier__Procedure p = DOSSIER__PROCEDURE__INIT;
	Dossier__SubmitRequest in = DOSSIER__SUBMIT_REQUEST__INIT;

	p.form = rules;
	p.n_form = 1;
	field.name = rule->name = rule->label = "f";
	field.value = value;
	in.form = fields;
	in.n_form = 1;
	memset(err, 0, sizeof(*err));
	rules_check_form(&p, &in, TODAY, err);
	if (err->n_items > 0)
		assert_string_equal(err->items[0].field, "form[0].value");
	return err_code(err);
}

static void test_values(void **state)
{
	static const struct {
		const char *type, *value, *code;
	} cases[] = {
		{"date", "2024-02-29", ""},
		{"date", "2023-02-29", "BAD_DATE"},
		{"date", "29/02/2024", "BAD_DATE"},
		{"integer", "-12", ""},
		{"integer", "999999999999999999", ""},
		{"integer", "1000000000000000000", "BAD_INTEGER"},
		{"integer", "1.0", "BAD_INTEGER"},
		{"integer", "12 ", "BAD_INTEGER"},
		{"decimal", "12", ""},
		{"decimal", "-0.5", ""},
		{"decimal", "999999999999.999999", ""},
		{"decimal", "1.1234567", "BAD_DECIMAL"},
		{"decimal", "1,5", "BAD_DECIMAL"},
		{"decimal", ".5", "BAD_DECIMAL"},
		{"decimal", "1e3", "BAD_DECIMAL"},
		{"money", "0", ""},
		{"money", "50000000", ""},
		{"money", "-1", "BAD_MONEY"},
		{"money", "50.000", "BAD_MONEY"},
		{"boolean", "true", ""},
		{"boolean", "false", ""},
		{"boolean", "yes", "BAD_BOOLEAN"},
		{"citizen_number", "036190000017", ""},
		{"citizen_number", "003190000017", "BAD_CITIZEN_NUMBER"},
		{"tax_code", "0100109106", ""},
		{"tax_code", "0100109107", "BAD_TAX_CODE"},
		{"phone", "+84912345678", ""},
		{"phone", "1234", "BAD_PHONE"},
		{"email", "an.nguyen+hs@namdinh.gov.vn", ""},
		{"email", "a@b.vn", ""},
		{"email", "a@b", "BAD_EMAIL"},
		{"email", "a b@c.vn", "BAD_EMAIL"},
		{"email", ".a@c.vn", "BAD_EMAIL"},
		{"email", "a@-c.vn", "BAD_EMAIL"},
		{"email", EMAIL_254, "BAD_EMAIL"},
		{"agency", "H40.31.01", ""},
		{"agency", "H40..01", "BAD_AGENCY_CODE"},
		{"text", "Vay vốn", ""},
		{"text", "a\x01", "BAD_TEXT"},
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		Dossier__FormFieldRule rule = DOSSIER__FORM_FIELD_RULE__INIT;

		rule.type = cases[i].type;
		if (strcmp(verdict(&rule, cases[i].value, &err), cases[i].code) != 0)
			fail_msg("%s \"%s\": %s", cases[i].type, cases[i].value, err_code(&err));
	}
}

static void test_text_rules(void **state)
{
	static const struct {
		const char *pattern;
		uint32_t min, max;
		const char *value, *code;
	} cases[] = {
		{"letters", 0, 0, "Nguyễn Thị Ánh-Dương", ""},
		{"letters", 0, 0, "D'Arc J. Đặng", ""},
		{"letters", 0, 0, "Nguyen 2", "BAD_PATTERN"},
		{"letters", 0, 0, "a@b", "BAD_PATTERN"},
		{"digits", 0, 0, "0012", ""},
		{"digits", 0, 0, "12a", "BAD_PATTERN"},
		{"code", 0, 0, "AB-12/2024", ""},
		{"code", 0, 0, "ab", "BAD_PATTERN"},
		{"plate", 0, 0, "18A-123.45", ""},
		{"plate", 0, 0, "18B1 12345", ""},
		{"plate", 0, 0, "18A1234", ""},
		{"plate", 0, 0, "1A-123.45", "BAD_PATTERN"},
		{"plate", 0, 0, "18A-123456", "BAD_PATTERN"},
		{"", 3, 5, "năm", ""},
		{"", 4, 5, "năm", "TOO_SHORT"},
		{"", 0, 2, "năm", "BAD_TEXT"},
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		Dossier__FormFieldRule rule = DOSSIER__FORM_FIELD_RULE__INIT;

		rule.type = "text";
		rule.pattern = cases[i].pattern;
		rule.min_length = cases[i].min;
		rule.max_length = cases[i].max;
		if (strcmp(verdict(&rule, cases[i].value, &err), cases[i].code) != 0)
			fail_msg("case %zu \"%s\": %s", i, cases[i].value, err_code(&err));
	}
}

static void test_ranges(void **state)
{
	static const struct {
		const char *type, *value, *code;
	} cases[] = {
		{"integer", "1", ""},
		{"integer", "20", ""},
		{"integer", "0", "OUT_OF_RANGE"},
		{"integer", "21", "OUT_OF_RANGE"},
		{"decimal", "1.000000", ""},
		{"decimal", "0.999999", "OUT_OF_RANGE"},
		{"decimal", "20.0", ""},
		{"decimal", "20.000001", "OUT_OF_RANGE"},
		{"decimal", "-5", "OUT_OF_RANGE"},
		{"money", "20", ""},
		{"money", "21", "OUT_OF_RANGE"},
	};
	struct sample s;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		make_sample(&s);
		s.field[2].type = cases[i].type;
		if (strcmp(verdict(&s.field[2], cases[i].value, &err), cases[i].code) != 0)
			fail_msg("%s %s: %s", cases[i].type, cases[i].value, err_code(&err));
	}
	assert_non_null(strstr(err.items[0].en, "[1; 20]"));
	make_sample(&s);
	assert_string_equal(verdict(&s.field[0], "married", &err), "");
	assert_string_equal(verdict(&s.field[0], "divorced", &err), "BAD_CHOICE");
}

static void test_date_rules(void **state)
{
	static const struct {
		const char *rule, *value, *code;
	} cases[] = {
		{"not_future", "2024-05-21", ""}, {"not_future", "2024-05-22", "DATE_IN_FUTURE"},
		{"not_past", "2024-05-21", ""},   {"not_past", "2024-05-20", "DATE_IN_PAST"},
		{"", "2034-01-01", ""},
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		Dossier__FormFieldRule rule = DOSSIER__FORM_FIELD_RULE__INIT;

		rule.type = "date";
		rule.date_rule = cases[i].rule;
		assert_string_equal(verdict(&rule, cases[i].value, &err), cases[i].code);
	}
}

/* A field is required when another has a value; a component when a field is given at all. */
static void test_conditions(void **state)
{
	static const struct {
		const char *status, *spouse;
		bool missing, component;
	} cases[] = {
		{"single", "", false, false},  {"married", "", true, false},
		{"married", " ", true, false}, {"married", "036190000017", false, true},
		{"", "", false, false},
	};
	struct sample s;

	(void)state;
	make_sample(&s);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		Dossier__SubmitRequest in = DOSSIER__SUBMIT_REQUEST__INIT;
		Dossier__FormField field[2] = {DOSSIER__FORM_FIELD__INIT,
					       DOSSIER__FORM_FIELD__INIT};
		Dossier__FormField *fields[] = {&field[0], &field[1]};
		struct err err = {.status = 0};

		field[0].name = "status";
		field[0].value = cases[i].status;
		field[1].name = "spouse";
		field[1].value = cases[i].spouse;
		in.form = fields;
		in.n_form = 2;
		rules_check_form(&s.p, &in, TODAY, &err);
		assert_string_equal(err_code(&err), cases[i].missing ? "MISSING_FORM_FIELD" : "");
		if (cases[i].missing)
			assert_string_equal(err.items[0].field, "form.spouse");
		assert_int_equal(rules_condition(s.component.required_if, &in), cases[i].component);
		assert_false(rules_condition(NULL, &in));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_procedures), cmocka_unit_test(test_channels),
		cmocka_unit_test(test_values),     cmocka_unit_test(test_text_rules),
		cmocka_unit_test(test_ranges),     cmocka_unit_test(test_date_rules),
		cmocka_unit_test(test_conditions),
	};

	return cmocka_run_group_tests_name("dossier_catalogue", tests, NULL, NULL);
}
