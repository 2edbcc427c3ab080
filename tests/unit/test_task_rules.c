// with: services/task/rules.c
/* The task service's pure rules: state table, who may act, shade by the calendar, assignment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "services/task/rules.h"

/* The whole table again, by hand: from (rows) x action (columns) -> to, 0 = refused. */
static const int expected[5][RULES_ACTIONS + 1] = {
	/*     -  asg rep cpl cnf ret */
	[0] = {0, 1, 0, 0, 0, 0},
	[1] = {0, 0, 2, 3, 0, 0},
	[2] = {0, 0, 2, 3, 0, 0},
	[3] = {0, 0, 0, 0, 4, 2},
	[4] = {0},
};

static void test_states(void **state)
{
	size_t allowed = 0;

	(void)state;
	for (int from = 0; from <= 4; from++) {
		for (int action = 1; action <= RULES_ACTIONS; action++) {
			const struct rules_transition *row = NULL;
			struct err err = {.status = 0};
			int r = rules_transition((Task__TaskState)from, (enum rules_action)action,
						 &row, &err);

			if (expected[from][action] == 0) {
				assert_int_equal(r, ERR_CONFLICT);
				assert_string_equal(err_code(&err), "WRONG_STATE");
				continue;
			}
			assert_int_equal(r, 0);
			assert_int_equal(row->to, expected[from][action]);
			assert_int_equal(row->party,
					 action == RULES_REPORT || action == RULES_COMPLETE
						 ? RULES_LEAD
						 : RULES_ISSUER);
			allowed++;
		}
	}
	assert_int_equal(allowed, rules_n_transitions);
}

static void test_party(void **state)
{
	struct err err = {.status = 0};

	(void)state;
	assert_int_equal(rules_party("H40", "H40.03", RULES_ISSUER, "H40", &err), 0);
	assert_int_equal(rules_party("H40", "H40.03", RULES_LEAD, "H40.03", &err), 0);
	assert_int_equal(rules_party("H40", "H40.03", RULES_ISSUER, "H40.03", &err), ERR_DENIED);
	assert_string_equal(err_code(&err), "NOT_ISSUER");
	assert_int_equal(rules_party("H40", "H40.03", RULES_LEAD, "H40", &err), ERR_DENIED);
	assert_string_equal(err_code(&err), "NOT_LEAD");
	assert_int_equal(rules_party("", "", RULES_LEAD, "", &err), ERR_DENIED);
}

static struct calendar *make_calendar(void)
{
	static const int off[] = {29, 30};
	struct calendar_day days[4];
	struct calendar *cal;
	struct err err;

	for (int i = 0; i < 2; i++)
		days[i] = (struct calendar_day){civil_from_ymd(2024, 4, off[i]), CALENDAR_OFF};
	days[2] = (struct calendar_day){civil_from_ymd(2024, 5, 1), CALENDAR_OFF};
	days[3] = (struct calendar_day){civil_from_ymd(2024, 5, 4), CALENDAR_WORK};
	assert_int_equal(calendar_new(days, 4, civil_from_ymd(2024, 1, 1),
				      civil_from_ymd(2024, 12, 31), 1, &cal, &err),
			 0);
	return cal;
}

static void test_shade(void **state)
{
	/* From Friday 26 April: worked are 2, 3, 4 (a Saturday), 6, 7 May. */
	static const struct {
		int month, day;
		Task__Shade shade;
	} cases[] = {
		{4, 25, TASK__SHADE__SHADE_OVERDUE},  {4, 26, TASK__SHADE__SHADE_NEAR_DUE},
		{4, 28, TASK__SHADE__SHADE_NEAR_DUE}, {5, 2, TASK__SHADE__SHADE_NEAR_DUE},
		{5, 4, TASK__SHADE__SHADE_NEAR_DUE},  {5, 5, TASK__SHADE__SHADE_NEAR_DUE},
		{5, 6, TASK__SHADE__SHADE_WITHIN},    {12, 31, TASK__SHADE__SHADE_WITHIN},
	};
	struct calendar *cal = make_calendar();
	int32_t today = civil_from_ymd(2024, 4, 26);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
			rules_shade(cal, today, civil_from_ymd(2024, cases[i].month, cases[i].day)),
			cases[i].shade);
	assert_int_equal(rules_shade(cal, today, CIVIL_FOREVER), TASK__SHADE__SHADE_NO_DEADLINE);
	calendar_free(cal);
}

/* The sweep's statement finds by two dates what the rule says day by day. */
static void test_near_until(void **state)
{
	struct calendar *cal = make_calendar();

	(void)state;
	for (int32_t today = civil_from_ymd(2024, 4, 1); today < civil_from_ymd(2024, 6, 1);
	     today++) {
		int32_t near = rules_near_until(cal, today);

		for (int32_t deadline = today - 3; deadline < today + 30; deadline++) {
			Task__Shade by_dates = deadline < today   ? TASK__SHADE__SHADE_OVERDUE
					       : deadline <= near ? TASK__SHADE__SHADE_NEAR_DUE
								  : TASK__SHADE__SHADE_WITHIN;

			assert_int_equal(rules_shade(cal, today, deadline), by_dates);
		}
	}
	calendar_free(cal);
}

static void make_assign(Task__AssignRequest *in, Task__SourceDocument *source)
{
	task__assign_request__init(in);
	task__source_document__init(source);
	source->number = "12/CT-UBND";
	source->date = "2024-05-20";
	in->title = "Rà soát thủ tục";
	in->lead_agency_code = "H40.03";
	in->accountable_subject = "leader-03";
	in->source = source;
	in->deadline = "2024-05-31";
}

static bool has(const struct err *err, const char *code, const char *field)
{
	for (unsigned i = 0; i < err->n_items; i++)
		if (strcmp(err->items[i].code, code) == 0 &&
		    strcmp(err->items[i].field, field) == 0)
			return true;
	return false;
}

static void test_assign(void **state)
{
	int32_t today = civil_from_ymd(2024, 5, 21), deadline;
	static const char *twice[] = {"H40.04", "H40.04"}, *lead[] = {"H40.03"};
	static const char *many[51];
	static char title[RULES_TITLE_MAX + 2];
	Task__AssignRequest in;
	Task__SourceDocument source;
	struct err err;

	(void)state;
	memset(title, 'a', sizeof(title) - 1);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = "x";
#define CHECKED(change)                                                                            \
	do {                                                                                       \
		memset(&err, 0, sizeof(err));                                                      \
		make_assign(&in, &source);                                                         \
		change;                                                                            \
		rules_check_assign(&in, today, &deadline, &err);                                   \
	} while (0)
#define REFUSED(change, code, field)                                                               \
	do {                                                                                       \
		CHECKED(change);                                                                   \
		assert_int_equal(err.n_items, 1);                                                  \
		assert_true(has(&err, code, field));                                               \
	} while (0)
	CHECKED((void)0);
	assert_int_equal(err.status, 0);
	assert_int_equal(deadline, civil_from_ymd(2024, 5, 31));
	CHECKED(in.source = NULL; in.deadline = "");
	assert_int_equal(err.status, 0);
	assert_int_equal(deadline, CIVIL_FOREVER);
	CHECKED(in.deadline = "2024-05-21");
	assert_int_equal(err.status, 0);
	REFUSED(in.title = " ", "REQUIRED_FIELD", "title");
	REFUSED(in.title = title, "BAD_TEXT", "title");
	REFUSED(in.lead_agency_code = "", "REQUIRED_FIELD", "lead_agency_code");
	REFUSED(in.accountable_subject = "", "REQUIRED_FIELD", "accountable_subject");
	REFUSED(in.deadline = "2024-05-20", "DEADLINE_PAST", "deadline");
	REFUSED(in.deadline = "31/05/2024", "BAD_DATE", "deadline");
	REFUSED(source.number = "", "REQUIRED_FIELD", "source.number");
	REFUSED(source.date = "", "BAD_DATE", "source.date");
	REFUSED(in.supporting_agency_codes = twice;
		in.n_supporting_agency_codes = 2, "AGENCY_TWICE", "supporting_agency_codes[1]");
	REFUSED(in.supporting_agency_codes = lead;
		in.n_supporting_agency_codes = 1, "AGENCY_TWICE", "supporting_agency_codes[0]");
	REFUSED(in.supporting_agency_codes = many;
		in.n_supporting_agency_codes = 51, "TOO_MANY", "supporting_agency_codes");
	CHECKED(in.title = ""; in.lead_agency_code = ""; in.deadline = "x"; source.date = "y");
	assert_int_equal(err.n_items, 4);
#undef REFUSED
#undef CHECKED
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states), cmocka_unit_test(test_party),
		cmocka_unit_test(test_shade),  cmocka_unit_test(test_near_until),
		cmocka_unit_test(test_assign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
