// with: services/dossier/rules_lists.c services/dossier/rules_legacy.c services/dossier/rules.c services/dossier/rules_code.c services/dossier/rules_form.c services/dossier/rules_text.c services/dossier/rules_due.c
/* The pure rules of lists and of the opening import. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "services/dossier/legacy.h"
#include "services/dossier/lists.h"

/* --- cursors --- */

static void test_a_cursor_comes_back_as_it_went(void **state)
{
	static const struct lists_cursor cursors[] = {
		{'i', INT64_MAX, "", "H40.31.01-240521-0001"},
		{'n', 0, "nguyen van an", "H40.31.01-240521-10000"},
		{'t', 1, "", ""},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena, 65536);
	for (size_t i = 0; i < ARRAY_LEN(cursors); i++) {
		struct lists_cursor back;
		struct err err = {0};
		char *text = rules_cursor_text(&arena, &cursors[i]);

		assert_int_equal(rules_cursor_parse(&arena, cursors[i].list, text, &back, &err), 0);
		assert_true(back.us == cursors[i].us);
		assert_string_equal(back.key, cursors[i].key);
		assert_string_equal(back.code, cursors[i].code);
		assert_int_equal(rules_cursor_parse(&arena, 'x', text, &back, &err), ERR_INVALID);
		assert_string_equal(err_code(&err), "BAD_CURSOR");
	}
	arena_done(&arena);
}

/* Whatever a client makes of it is refused, never read beyond. */
static void test_a_damaged_cursor_is_refused(void **state)
{
	struct lists_cursor good = {'i', 1716253200000000, "k", "H40.31.01-240521-0001"}, back;
	struct arena arena;
	char *text;
	size_t refused = 0;

	(void)state;
	arena_init(&arena, 1 << 20);
	text = rules_cursor_text(&arena, &good);
	for (size_t cut = 0; cut < strlen(text); cut++) {
		struct err err = {0};
		char *part = arena_printf(&arena, "%.*s", (int)cut, text);

		refused += rules_cursor_parse(&arena, 'i', part, &back, &err) < 0;
	}
	/* Only cuts within the code, behind both line ends, leave a cursor. */
	assert_true(refused >= 26);
	for (size_t i = 0; i < strlen(text); i++) {
		struct err err = {0};
		char *other = arena_strdup(&arena, text);

		other[i] = '?';
		assert_int_equal(rules_cursor_parse(&arena, 'i', other, &back, &err), ERR_INVALID);
	}
	arena_done(&arena);
}

/* --- what waits for whom --- */

static void test_states_that_wait_for_a_role(void **state)
{
	static const struct {
		const char *role;
		int n;
	} cases[] = {{"", 7}, {"clerk", 5}, {"officer", 3}, {"leader", 2}};
	int64_t states[RULES_LIST_STATES];
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(rules_list_states(cases[i].role, states, &err), cases[i].n);
		for (int j = 0; j < cases[i].n; j++)
			assert_in_range(states[j], 1, 9); /* nobody waits with what is returned */
	}
	assert_int_equal(rules_list_states("cook", states, &err), ERR_INVALID);
}

static void test_names_are_shown_to_who_may_see_them(void **state)
{
	(void)state;
	assert_true(rules_list_named(true, false, ""));
	assert_true(rules_list_named(true, true, "x"));
	assert_false(rules_list_named(true, true, ""));
	assert_false(rules_list_named(false, false, "x"));
	assert_false(rules_list_named(false, true, "x"));
}

static void test_sizes(void **state)
{
	struct err err = {0};
	uint32_t n;

	(void)state;
	assert_int_equal(rules_list_limit(0, &n, &err), 0);
	assert_int_equal(n, 50);
	assert_int_equal(rules_list_limit(100, &n, &err), 0);
	assert_int_equal(n, 100);
	assert_int_equal(rules_list_limit(101, &n, &err), ERR_INVALID);
	assert_int_equal(rules_list_soon(0, &n, &err), 0);
	assert_int_equal(n, 8);
	assert_int_equal(rules_list_soon(81, &n, &err), ERR_INVALID);
}

/* --- the opening import --- */

static void test_a_code_has_parts(void **state)
{
	static const char *const bad[] = {"",
					  "H40",
					  "H40.31.01-241321-0001",
					  "H40.31.01-240521-0000",
					  "H40.31.01-240230-0001",
					  "h40-240521-0001",
					  "H40.31.01-240521-1",
					  "H40.31.01-240521-0001x"};
	size_t agency;
	int32_t day;
	int64_t ordinal;

	(void)state;
	assert_int_equal(rules_split_code("H40.31.01-240521-10007", &agency, &day, &ordinal), 0);
	assert_int_equal(agency, 9);
	assert_int_equal(day, civil_from_ymd(2024, 5, 21));
	assert_int_equal(ordinal, 10007);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (rules_split_code(bad[i], &agency, &day, &ordinal) != ERR_INVALID)
			fail_msg("%s", bad[i]);
}

static const int64_t now = 1716253200000000; /* 2024-05-21 08:00 in Viet Nam */

static Dossier__Applicant applicant;

static Dossier__LegacyDossier in_work(void)
{
	Dossier__LegacyDossier d = DOSSIER__LEGACY_DOSSIER__INIT;

	dossier__applicant__init(&applicant);
	applicant.kind = "citizen";
	applicant.number = "036190000017";
	applicant.name = "A";
	d.code = "H40.31.01-240520-0001";
	d.procedure_code = "1.1";
	d.receiving_agency_code = d.competent_agency_code = "H40.31.01";
	d.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
	d.applicant = &applicant;
	d.submitted_us = now - 86400000000;
	d.accepted_us = now - 86400000000;
	d.state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_PROCESSING;
	return d;
}

static const struct rules_legacy known = {
	.receiving_known = true,
	.competent_known = true,
	.holder_in_force = true,
	.procedure_version = 1,
	.limit = {DOSSIER__LIMIT_UNIT__LIMIT_UNIT_WORKING_DAY, 2},
};

static void test_each_rule_of_the_import(void **state)
{
	static const struct {
		const char *what, *code, *field;
	} cases[] = {
		{"good", "", NULL},
		{"late limit", "NEEDED_IN_STATE", "due_us"},
		{"paused in work", "NOT_OF_STATE", "paused_us"},
		{"finished in work", "NOT_OF_STATE", "finished_us"},
		{"result in work", "NOT_OF_STATE", "result_number"},
		{"not accepted", "NEEDED_IN_STATE", "accepted_us"},
		{"stopped since when", "NEEDED_IN_STATE", "paused_us"},
		{"due before accepted", "BAD_ORDER_OF_TIMES", "due_us"},
		{"paid nothing", "INVALID_FIELD", "fee_vnd"},
		{"paying what", "INVALID_FIELD", "fee_vnd"},
		{"no state", "REQUIRED_FIELD", "state"},
		{"no applicant", "REQUIRED_FIELD", "applicant"},
		{"old number", "", NULL},
		{"acts out of order", "BAD_ORDER_OF_TIMES", "history"},
		{"acts end elsewhere", "NOT_OF_STATE", "history"},
	};
	Dossier__LegacyEvent acts[2], *list[2] = {&acts[0], &acts[1]};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		Dossier__LegacyDossier d = in_work();
		struct rules_legacy k = known;
		struct err err = {0};

		dossier__legacy_event__init(&acts[0]);
		dossier__legacy_event__init(&acts[1]);
		acts[0].time_us = acts[1].time_us = now - 1;
		acts[0].state = acts[1].state = d.state;
		if (i == 1)
			k.limit.unit = DOSSIER__LIMIT_UNIT__LIMIT_UNIT_CALENDAR_DAY;
		if (i == 2)
			d.paused_us = now;
		if (i == 3)
			d.finished_us = now;
		if (i == 4)
			d.result_number = "1";
		if (i == 5)
			d.accepted_us = 0;
		if (i == 6 || i == 9)
			d.state = i == 6 ? DOSSIER__DOSSIER_STATE__DOSSIER_STATE_STOPPED
					 : DOSSIER__DOSSIER_STATE__DOSSIER_STATE_PAYMENT_REQUESTED;
		if (i == 7)
			d.due_us = d.accepted_us - 1;
		if (i == 8)
			d.fee_paid = true;
		if (i == 9)
			d.paused_us = now;
		if (i == 10)
			d.state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_UNSPECIFIED;
		if (i == 11)
			d.applicant = NULL;
		if (i == 12)
			applicant.number = "161234567";
		if (i >= 13) {
			d.history = list;
			d.n_history = 2;
			acts[1].time_us = i == 13 ? now - 2 : now;
			acts[1].state =
				i == 13 ? d.state : DOSSIER__DOSSIER_STATE__DOSSIER_STATE_ACCEPTED;
		}
		rules_check_legacy(&d, &k, now, &err);
		if (strcmp(err_code(&err), cases[i].code) != 0 ||
		    (cases[i].field && strcmp(err.items[0].field, cases[i].field) != 0))
			fail_msg("%s: %s at %s", cases[i].what, err_code(&err),
				 err.n_items ? err.items[0].field : "");
	}
}

static void test_due_dates_of_the_import(void **state)
{
	struct rules_office office = {.hours = calendar_timetable_default};
	struct calendar *cal;
	Dossier__LegacyDossier d = in_work();
	struct err err = {0};

	(void)state;
	assert_int_equal(calendar_new(NULL, 0, civil_from_ymd(2024, 1, 1),
				      civil_from_ymd(2024, 12, 31), 1, &cal, &err),
			 0);
	office.cal = cal;
	/* Two days less one hour, from Tuesday 08:00. */
	d.elapsed_minutes = 60;
	assert_true(rules_legacy_due(&d, known.limit, &office, now) ==
		    civil_to_us(civil_from_ymd(2024, 5, 22), 17 * 60));
	/* Used up: due now. */
	d.elapsed_minutes = 961;
	assert_true(rules_legacy_due(&d, known.limit, &office, now) == now);
	d.due_us = 7;
	assert_true(rules_legacy_due(&d, known.limit, &office, now) == 7);
	d.due_us = 0;
	d.accepted_us = 0;
	assert_true(rules_legacy_due(&d, known.limit, &office, now) == 0);
	calendar_free(cal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_cursor_comes_back_as_it_went),
		cmocka_unit_test(test_a_damaged_cursor_is_refused),
		cmocka_unit_test(test_states_that_wait_for_a_role),
		cmocka_unit_test(test_names_are_shown_to_who_may_see_them),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_a_code_has_parts),
		cmocka_unit_test(test_each_rule_of_the_import),
		cmocka_unit_test(test_due_dates_of_the_import),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
