// with: services/dossier/rules.c services/dossier/rules_steps.c services/dossier/rules_reasons.c services/dossier/rules_supplement.c services/dossier/rules_notice.c services/dossier/rules_due.c
/* The pure rules of processing: whose a dossier is, steps, reasons, supplements, notices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "services/dossier/rules_deadline.h"
#include "services/dossier/rules_work.h"

#define HOUR_US INT64_C(3600000000)

/* --- who of the holder --- */

static void test_assignee(void **state)
{
	static const char *const absent[] = {"lan", "minh"};
	static const struct {
		const char *assignee, *subject;
		bool leader, stands_in;
		bool may;
		const char *acting_for;
	} cases[] = {
		{"", "hoa", false, false, true, ""},
		{"hoa", "hoa", false, false, true, ""},
		{"lan", "hoa", false, false, false, ""},
		{"lan", "hoa", true, false, true, ""},
		{"lan", "hoa", false, true, true, "lan"},
		{"minh", "hoa", true, true, true, "minh"}, /* said even of a leader */
		{"tu", "hoa", false, true, false, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rules_actor actor = {.subject = cases[i].subject,
					    .leader = cases[i].leader,
					    .absent = absent,
					    .n_absent = cases[i].stands_in ? 2 : 0};
		struct err err = {.status = 0};
		const char *acting_for = NULL;
		int r = rules_assignee(cases[i].assignee, &actor, &acting_for, &err);

		assert_int_equal(r, cases[i].may ? 0 : ERR_DENIED);
		assert_string_equal(err_code(&err), cases[i].may ? "" : "NOT_ASSIGNEE");
		assert_string_equal(acting_for, cases[i].acting_for);
	}
}

/* An officer's act is one the table gives to the holder. */
static void test_officers_acts(void **state)
{
	int n = 0;

	(void)state;
	for (int a = 1; a <= RULES_ACTIONS; a++) {
		bool holders = false;

		for (size_t i = 0; i < rules_n_transitions; i++)
			holders = holders || ((int)rules_transitions[i].action == a &&
					      (rules_transitions[i].parties & RULES_HOLDER));
		if (rules_is_officers((enum rules_action)a)) {
			assert_true(holders);
			n++;
		}
	}
	assert_int_equal(n, 13);
	assert_false(rules_is_officers(RULES_CLAIM));
	assert_false(rules_is_officers(RULES_SIGN_OFF)); /* a leader's */
	assert_false(rules_is_officers(RULES_RETURN));   /* the desk's */
}

/* --- steps --- */

/* Clerk at the desk, officer and leader where it is decided, a registry, the desk again. */
static const struct {
	uint32_t ordinal;
	const char *role, *rule;
} steps[] = {
	{4, "clerk", "receiving"},  {1, "clerk", "receiving"}, {2, "officer", "competent"},
	{3, "leader", "competent"}, {7, "clerk", "H40.19"},
};

static Dossier__Step step_rows[ARRAY_LEN(steps)];
static Dossier__Step *step_list[ARRAY_LEN(steps)];
static Dossier__Procedure template;

static void make_template(void)
{
	dossier__procedure__init(&template);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		dossier__step__init(&step_rows[i]);
		step_rows[i].ordinal = steps[i].ordinal;
		step_rows[i].role = steps[i].role;
		step_rows[i].agency_rule = steps[i].rule;
		step_list[i] = &step_rows[i];
	}
	template.steps = step_list;
	template.n_steps = ARRAY_LEN(steps);
}

static void test_steps(void **state)
{
	static const struct rules_agencies of = {
		.receiving = "H40.31.01", .competent = "H40.31", .holder = "H40.31.01"};
	static const struct rules_agencies same = {
		.receiving = "H40.31", .competent = "H40.31", .holder = "H40.31"};
	static const Dossier__Procedure none = DOSSIER__PROCEDURE__INIT;

	(void)state;
	make_template();
	assert_int_equal(rules_step_next(&template, 0), 1);
	assert_int_equal(rules_step_next(&template, 3), 4);
	assert_int_equal(rules_step_next(&template, 4), 7);
	assert_int_equal(rules_step_next(&template, 7), 0);
	assert_int_equal(rules_step_next(&none, 0), 0);
	assert_null(rules_step(&template, 0));
	assert_null(rules_step(&template, 5));
	assert_string_equal(rules_step_agency(rules_step(&template, 1), &of), "H40.31.01");
	assert_string_equal(rules_step_agency(rules_step(&template, 2), &of), "H40.31");
	assert_string_equal(rules_step_agency(rules_step(&template, 7), &of), "H40.19");

	assert_int_equal(rules_step_at(&template, &of, 1, "H40.31"), 2);
	assert_int_equal(rules_step_at(&template, &of, 3, "H40.31.01"), 4);
	assert_int_equal(rules_step_at(&template, &of, 2, "H40.03"), 2); /* outside the template */
	assert_int_equal(rules_step_at(&template, &of, 4, "H40.31"), 4); /* never backwards */
	assert_int_equal(rules_step_at(&template, &same, 1, "H40.31"), 2);
	assert_int_equal(rules_step_at(&none, &of, 0, "H40.31"), 0);

	assert_int_equal(rules_step_back(&template, 3), 2);
	assert_int_equal(rules_step_back(&template, 4), 2); /* not the leader's */
	assert_int_equal(rules_step_back(&template, 1), 1);
	assert_int_equal(rules_step_last(&template, 2), 4);
	assert_int_equal(rules_step_last(&template, 3), 4);
	assert_int_equal(rules_step_last(&template, 4), 7);
	assert_int_equal(rules_step_last(&none, 0), 0);
	assert_true(rules_step_signs(&template));
	assert_false(rules_step_signs(&none));
}

static void test_step_permits(void **state)
{
	static const char *actions[] = {"request_supplement", "forward"};
	Dossier__Step step = DOSSIER__STEP__INIT;
	struct err err = {.status = 0};

	(void)state;
	assert_int_equal(rules_step_permits(NULL, RULES_ISSUE_RESULT, &err), 0);
	assert_int_equal(rules_step_permits(&step, RULES_ISSUE_RESULT, &err), 0); /* names none */
	step.actions = actions;
	step.n_actions = 2;
	assert_int_equal(rules_step_permits(&step, RULES_FORWARD, &err), 0);
	assert_int_equal(rules_step_permits(&step, RULES_CLAIM, &err), 0); /* is no work on it */
	for (int a = 1; a <= RULES_ACTIONS; a++) {
		enum rules_action action = (enum rules_action)a;
		bool work = rules_is_officers(action) || action == RULES_SIGN_OFF ||
			    action == RULES_REWORK;
		bool named = action == RULES_FORWARD || action == RULES_REQUEST_SUPPLEMENT ||
			     action == RULES_CONTINUE; /* always */

		err_clear(&err);
		assert_int_equal(rules_step_permits(&step, action, &err),
				 work && !named ? ERR_CONFLICT : 0);
		assert_string_equal(err_code(&err), work && !named ? "STEP_FORBIDS" : "");
	}
}

static void test_step_verdict(void **state)
{
	const int64_t due = INT64_C(1716260400000000);

	(void)state;
	assert_int_equal(rules_step_verdict(0, due), DOSSIER__VERDICT__VERDICT_ON_TIME);
	assert_int_equal(rules_step_verdict(due, due - HOUR_US), DOSSIER__VERDICT__VERDICT_EARLY);
	assert_int_equal(rules_step_verdict(due, due - HOUR_US + 1),
			 DOSSIER__VERDICT__VERDICT_ON_TIME);
	assert_int_equal(rules_step_verdict(due, due), DOSSIER__VERDICT__VERDICT_ON_TIME);
	assert_int_equal(rules_step_verdict(due, due + 1), DOSSIER__VERDICT__VERDICT_LATE);
}

/* 07:30-11:30 and 13:30-17:30 of a working week. */
static void test_step_due(void **state)
{
	int32_t tuesday = civil_from_ymd(2024, 5, 21);
	struct rules_pause night = {.from_us = civil_to_us(tuesday, 17 * 60 + 30),
				    .to_us = civil_to_us(tuesday + 1, 7 * 60 + 30)};
	struct rules_pause hours = {.from_us = civil_to_us(tuesday, 10 * 60),
				    .to_us = civil_to_us(tuesday, 15 * 60)};
	struct rules_office office = {.hours = calendar_timetable_default};
	struct err err = {.status = 0};
	struct calendar *cal = NULL;
	int64_t due;

	(void)state;
	assert_int_equal(calendar_new(NULL, 0, civil_from_ymd(2024, 1, 1),
				      civil_from_ymd(2024, 12, 31), 1, &cal, &err),
			 0);
	office.cal = cal;
	due = rules_step_due(cal, &calendar_timetable_default, civil_to_us(tuesday, 8 * 60), 4)
		      .due_us;
	assert_int_equal(due, civil_to_us(tuesday, 14 * 60));
	assert_int_equal(rules_step_after_pause(&office, due, night), due);
	assert_int_equal(rules_step_after_pause(&office, due, hours),
			 civil_to_us(tuesday, 17 * 60)); /* three hours of work went by */
	assert_int_equal(rules_step_after_pause(&office, 0, hours), 0);
	calendar_free(cal);
}

/* --- reasons --- */

static const struct rules_reason some_reasons[] = {{"incorrect", false},
						   {"outdated", false},
						   {"unclear", false},
						   {"other", true},
						   {"no_answer", false}};
static const struct rules_reasons reasons = {some_reasons, ARRAY_LEN(some_reasons)};

static void test_reasons(void **state)
{
	static const struct {
		const char *code, *note, *refusal, *field;
	} cases[] = {
		{"incorrect", "", "", ""},
		{"other", "vì thế", "", ""},
		{"other", "", "REQUIRED_FIELD", "note"},
		{"because", "", "UNKNOWN_REASON", "reason"},
		{"", "", "UNKNOWN_REASON", "reason"},
		{"no_answer", "", "UNKNOWN_REASON", "reason"}, /* the suite's own */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {.status = 0};
		bool taken = cases[i].refusal[0] == '\0';

		assert_int_equal(
			rules_reason(&reasons, cases[i].code, cases[i].note, "reason", &err),
			taken ? 0 : ERR_INVALID);
		assert_string_equal(err_code(&err), cases[i].refusal);
		if (!taken)
			assert_string_equal(err.items[0].field, cases[i].field);
	}
}

/* Each kind has a list of its own. */
static void test_reasons_apart(void **state)
{
	(void)state;
	for (int k = 1; k <= RULES_REASON_KINDS; k++) {
		const char *list = rules_reason_list((enum rules_reason_kind)k);

		assert_true(strncmp(list, "reason-", 7) == 0);
		for (int j = 1; j < k; j++)
			assert_string_not_equal(list, rules_reason_list((enum rules_reason_kind)j));
	}
}

/* --- supplement --- */

static Dossier__Component component = DOSSIER__COMPONENT__INIT;
static Dossier__FormFieldRule rule = DOSSIER__FORM_FIELD_RULE__INIT;

static void make_procedure(Dossier__Procedure *p)
{
	static Dossier__Component *components[] = {&component};
	static Dossier__FormFieldRule *rules[] = {&rule};

	dossier__procedure__init(p);
	component.code = "TP1";
	rule.name = "purpose";
	p->components = components;
	p->n_components = 1;
	p->form = rules;
	p->n_form = 1;
}

static bool has(const struct err *err, const char *code, const char *field)
{
	for (unsigned i = 0; i < err->n_items; i++)
		if (strcmp(err->items[i].code, code) == 0 &&
		    strcmp(err->items[i].field, field) == 0)
			return true;
	return false;
}

static void test_items(void **state)
{
	Dossier__RequestSupplementRequest in = DOSSIER__REQUEST_SUPPLEMENT_REQUEST__INIT;
	Dossier__SupplementItem item[RULES_SUPPLEMENT_ITEMS_MAX + 1];
	Dossier__SupplementItem *list[RULES_SUPPLEMENT_ITEMS_MAX + 1];
	Dossier__Procedure p;
	struct err err = {.status = 0};

	(void)state;
	make_procedure(&p);
	p.reply_days = 30;
	rules_check_items(&p, &reasons, &in, &err);
	assert_true(has(&err, "NO_ITEM", "items"));

	for (size_t i = 0; i < ARRAY_LEN(item); i++) {
		dossier__supplement_item__init(&item[i]);
		item[i].component = "TP1";
		item[i].reason = "unclear";
		item[i].text = "Bản chụp mờ";
		list[i] = &item[i];
	}
	in.items = list;
	in.n_items = 2;
	item[1].component = "";
	item[1].field = "purpose";
	err_clear(&err);
	rules_check_items(&p, &reasons, &in, &err);
	assert_int_equal(err.status, 0);

	item[1].component = "TP1"; /* both */
	item[0].reason = "because";
	item[0].text = "";
	in.reply_days = 181;
	rules_check_items(&p, &reasons, &in, &err);
	assert_true(has(&err, "INVALID_FIELD", "items[1]"));
	assert_true(has(&err, "UNKNOWN_REASON", "items[0].reason"));
	assert_true(has(&err, "INVALID_FIELD", "items[0].text"));
	assert_true(has(&err, "INVALID_FIELD", "reply_days"));
	assert_int_equal(err.n_items, 4);

	/* The procedure gives the days, or the request has to. */
	err_clear(&err);
	in.reply_days = p.reply_days = 0;
	rules_check_items(&p, &reasons, &in, &err);
	assert_true(has(&err, "REQUIRED_FIELD", "reply_days"));
	p.reply_days = 30;

	err_clear(&err);
	in.reply_days = 180;
	item[0].reason = "outdated";
	item[0].text = "Hết hạn";
	item[1].field = "";
	rules_check_items(&p, &reasons, &in, &err);
	assert_true(has(&err, "DUPLICATE_ITEM", "items[1]"));

	err_clear(&err);
	item[0].component = "TP9";
	item[1].component = "";
	item[1].field = "colour";
	rules_check_items(&p, &reasons, &in, &err);
	assert_true(has(&err, "UNKNOWN_ITEM", "items[0]"));
	assert_true(has(&err, "UNKNOWN_ITEM", "items[1]"));

	err_clear(&err);
	in.n_items = ARRAY_LEN(item);
	rules_check_items(&p, &reasons, &in, &err);
	assert_true(has(&err, "INVALID_FIELD", "items") || err.truncated);
}

static void test_answers(void **state)
{
	static const char *const fields[] = {"purpose"}, *const components[] = {"TP1"};
	static const char *files[] = {"file"};
	struct rules_asked asked = {fields, 1, components, 1, false};
	Dossier__SupplementRequest in = DOSSIER__SUPPLEMENT_REQUEST__INIT;
	Dossier__ComponentInput input = DOSSIER__COMPONENT_INPUT__INIT;
	Dossier__FormField field = DOSSIER__FORM_FIELD__INIT;
	Dossier__ComponentInput *inputs[] = {&input, &input};
	Dossier__FormField *form[] = {&field, &field};
	struct err err = {.status = 0};

	(void)state;
	rules_check_answer(&asked, &in, &err);
	assert_true(has(&err, "NOT_ANSWERED", "form"));
	assert_true(has(&err, "NOT_ANSWERED", "components"));

	field.name = "purpose";
	input.code = "TP1";
	in.form = form;
	in.components = inputs;
	in.n_form = in.n_components = 1;
	err_clear(&err);
	rules_check_answer(&asked, &in, &err); /* named, but nothing handed in */
	assert_true(has(&err, "NOT_ANSWERED", "components"));
	assert_int_equal(err.n_items, 1);

	input.file_ids = files;
	input.n_file_ids = 1;
	err_clear(&err);
	rules_check_answer(&asked, &in, &err);
	assert_int_equal(err.status, 0);
	input.n_file_ids = 0;
	input.paper_copies = 2;
	rules_check_answer(&asked, &in, &err);
	assert_int_equal(err.status, 0);

	in.n_form = in.n_components = 2;
	rules_check_answer(&asked, &in, &err);
	assert_true(has(&err, "DUPLICATE_ITEM", "form"));
	assert_true(has(&err, "DUPLICATE_ITEM", "components"));

	err_clear(&err);
	in.n_form = in.n_components = 1;
	field.name = "colour";
	input.code = "TP2";
	rules_check_answer(&asked, &in, &err);
	assert_true(has(&err, "NOT_ASKED", "form[0]"));
	assert_true(has(&err, "NOT_ASKED", "components[0]"));
	assert_true(has(&err, "NOT_ANSWERED", "form"));

	/* What an older system asked for is not known: nothing is missing, and no more than once.
	 */
	asked.unknown = true;
	err_clear(&err);
	in.n_form = in.n_components = 0;
	rules_check_answer(&asked, &in, &err);
	assert_int_equal(err.status, 0);
	in.n_form = in.n_components = 2;
	field.name = "purpose";
	rules_check_answer(&asked, &in, &err);
	assert_true(has(&err, "DUPLICATE_ITEM", "form"));
	assert_true(has(&err, "NOT_ASKED", "components[0]"));
}

/* --- notices --- */

/* Acts that change what the applicant has to expect although the state stays. */
static bool is_told_in_place(enum rules_action action)
{
	static const enum rules_action acts[] = {
		RULES_EXTEND,          RULES_RECOUNT,    RULES_HAND_OVER,
		RULES_COMPLAIN,        RULES_PAY,        RULES_ANSWER_COMPLAINT,
		RULES_REQUEST_PAYMENT, RULES_EXEMPT_FEE, RULES_EXPIRE};

	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (acts[i] == action)
			return true;
	return false;
}

/* Every change of the national state is told but the agency's own work, and nothing else is. */
static void test_notices(void **state)
{
	bool used[64] = {false};

	(void)state;
	assert_true(rules_n_notices <= ARRAY_LEN(used));
	for (size_t i = 0; i < rules_n_transitions; i++) {
		const struct rules_transition *row = &rules_transitions[i];
		const struct rules_notice *n = rules_notice(row->action, row->from, row->to);
		bool told = row->from == row->to ? is_told_in_place(row->action)
						 : row->action != RULES_FORWARD &&
							   row->action != RULES_IMPORT_LEGACY;

		if ((n != NULL) != told)
			fail_msg("notice of %s from %d to %d", rules_action_name(row->action),
				 row->from, row->to);
		if (!n)
			continue;
		used[n - rules_notices] = true;
		assert_true(n->name[0] != '\0');
		assert_true(n->version > 0);
	}
	for (size_t i = 0; i < rules_n_notices; i++)
		assert_true(used[i]);
}

/* By the ways of the template that were given; by post when none of them was. */
static void test_notice_ways(void **state)
{
	const struct rules_notice *prompt = rules_notice(RULES_ACCEPT, 1, 2);
	const struct rules_notice *formal = rules_notice(RULES_REFUSE, 1, 3);
	const struct rules_notice *inform = rules_notice(RULES_PAY, 6, 4);
	const unsigned all = RULES_PORTAL | RULES_SMS | RULES_EMAIL | RULES_POST;

	(void)state;
	assert_int_equal(rules_notice_ways(prompt, all), RULES_PORTAL | RULES_SMS | RULES_EMAIL);
	assert_int_equal(rules_notice_ways(formal, all), all);
	assert_int_equal(rules_notice_ways(inform, all), RULES_PORTAL | RULES_EMAIL);
	assert_int_equal(rules_notice_ways(inform, RULES_SMS), 0);
	assert_int_equal(rules_notice_ways(inform, RULES_SMS | RULES_POST), RULES_POST);
	assert_int_equal(rules_notice_ways(prompt, RULES_POST), RULES_POST);
	assert_int_equal(rules_notice_ways(formal, RULES_EMAIL), RULES_EMAIL);
	assert_int_equal(rules_notice_ways(formal, 0), 0);
	for (unsigned i = 0; i < RULES_WAYS; i++)
		assert_true(rules_way_name(i)[0] != '\0');
	assert_string_equal(rules_way_name(2), "email");
}

static void test_notice_choice(void **state)
{
	(void)state;
	assert_string_equal(rules_notice(RULES_PAY, 6, 4)->name, "paid");
	assert_string_equal(rules_notice(RULES_PAY, 7, 7)->name, "paid_late");
	assert_string_equal(rules_notice(RULES_EXPIRE, 5, 3)->name, "refused");
	assert_string_equal(rules_notice(RULES_EXPIRE, 6, 8)->name, "stopped");
	assert_string_equal(rules_notice(RULES_EXPIRE, 9, 9)->name, "payment_expired");
	assert_int_equal(rules_notice(RULES_EXEMPT_FEE, 6, 6)->date, RULES_TELL_NOTHING);
	assert_int_equal(rules_notice(RULES_LIFT_PAYMENT, 6, 4)->date, RULES_TELL_DUE);
	assert_int_equal(rules_notice(RULES_REQUEST_SUPPLEMENT, 2, 5)->date, RULES_TELL_REPLY_BY);
	assert_null(rules_notice(RULES_CLAIM, 4, 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_assignee),     cmocka_unit_test(test_officers_acts),
		cmocka_unit_test(test_steps),        cmocka_unit_test(test_step_verdict),
		cmocka_unit_test(test_step_permits), cmocka_unit_test(test_step_due),
		cmocka_unit_test(test_reasons),      cmocka_unit_test(test_reasons_apart),
		cmocka_unit_test(test_items),        cmocka_unit_test(test_answers),
		cmocka_unit_test(test_notices),      cmocka_unit_test(test_notice_choice),
		cmocka_unit_test(test_notice_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
