// with: services/dossier/rules.c
/* The state table of dossiers, compared whole with one written by hand, and who may act. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "services/dossier/rules.h"

#define STATES 11

/*
 * The whole table again: action, its ways, who. A way is "from>to" or "from(back)>to"; 0 stands for
 * a dossier that does not exist yet.
 */
static const struct {
	enum rules_action action;
	const char *ways;
	const char *parties;
} expected[] = {
	{RULES_SUBMIT, "0>1", "receiver supporting applicant"},
	{RULES_ACCEPT, "1>2", "receiver"},
	{RULES_REFUSE, "1>3", "receiver"},
	{RULES_REQUEST_SUPPLEMENT, "1>5", "receiver"},
	{RULES_REQUEST_SUPPLEMENT, "2>5 4>5", "holder"},
	{RULES_SUPPLEMENT, "5(1)>1 5(2)>2 5(4)>4", "receiver supporting applicant"},
	{RULES_REQUEST_PAYMENT, "2>6 4>6", "holder"},
	{RULES_REQUEST_PAYMENT, "9>9", "receiver holder supporting"},
	{RULES_EXEMPT_FEE, "1>1", "receiver"},
	{RULES_EXEMPT_FEE, "2>2 4>4 5>5 6>6 8>8", "holder"},
	{RULES_EXEMPT_FEE, "9>9", "receiver holder supporting"},
	{RULES_LIFT_PAYMENT, "6>4", "holder"},
	{RULES_PAY, "6>4 4>4 5>5 7>7 8>8 9>9 10>10", "suite"},
	{RULES_FORWARD, "2>4 4>4", "holder"},
	{RULES_RECEIVE, "4>4", "holder"},
	{RULES_CLAIM, "2>2 4>4", "holder"},
	{RULES_ASSIGN, "2>2 4>4", "holder"},
	{RULES_STAND_IN, "2>2 4>4", "holder"},
	{RULES_NEXT_STEP, "4>4", "holder"},
	{RULES_REQUEST_OPINION, "4>4", "holder"},
	{RULES_GIVE_OPINION, "4>4 5>5 6>6", "asked"},
	{RULES_WITHDRAW_OPINION, "4>4", "holder"},
	{RULES_LATE_OPINION, "4>4 5>5 6>6", "suite"},
	{RULES_OPEN_CHILD, "2>2 4>4", "holder"},
	{RULES_SIGN_OFF, "4>4", "holder"},
	{RULES_REWORK, "4>4", "holder"},
	{RULES_EXTEND, "2>2 4>4", "holder"},
	{RULES_STOP, "2>8 4>8 5(2)>8 5(4)>8", "holder"},
	{RULES_CONTINUE, "8>4", "holder"},
	{RULES_ISSUE_RESULT, "4>9", "holder"},
	{RULES_RETURN, "9>10", "receiver holder supporting"},
	{RULES_HAND_OVER, "10>10", "receiver holder supporting suite"},
	{RULES_WITHDRAW, "1>7 2>7 4>7 5>7 6>7 8>7", "receiver supporting applicant"},
	{RULES_EXPIRE, "5(1)>3 5(2)>8 5(4)>8 6>8 9>9", "suite"},
	{RULES_REOPEN, "9>4 10>4", "competent holder"},
	{RULES_COMPLAIN, "9>9 10>10", "applicant"},
	{RULES_ANSWER_COMPLAINT, "9>9 10>10", "competent holder"},
	{RULES_RATE, "9>9 10>10", "applicant"},
	{RULES_REBASE, "1>1", "receiver suite"},
	{RULES_REBASE, "2>2 4>4 5>5 6>6 8>8", "holder suite"},
	{RULES_RECOUNT, "2>2 4>4 5>5 6>6 8>8", "holder suite"},
	{RULES_REUSE, "1>1", "receiver"},
	{RULES_REUSE, "2>2 4>4 5>5", "holder"},
	{RULES_REISSUE, "1>1 2>2 3>3 4>4 5>5 6>6 7>7 8>8 9>9 10>10", "receiver supporting"},
	{RULES_LATE_ANSWER, "1>1", "suite"},
	{RULES_IMPORT_LEGACY,
	 "0(1)>1 0(2)>2 0(3)>3 0(4)>4 0(5)>5 0(6)>6 0(7)>7 0(8)>8 0(9)>9 0(10)>10", "suite"},
};

/* Where a way of the list leads from a state that resumes to back; 0: nowhere. */
static int way_of(const char *ways, int from, int back)
{
	char any[16], one[24];
	char text[256];

	snprintf(text, sizeof(text), " %s", ways);
	snprintf(any, sizeof(any), " %d>", from);
	snprintf(one, sizeof(one), " %d(%d)>", from, back);
	for (const char *const *w = (const char *const[]){any, one, NULL}; *w; w++) {
		const char *at = strstr(text, *w);
		int to;

		if (at && sscanf(at + strlen(*w), "%d", &to) == 1)
			return to;
	}
	return 0;
}

/* Index of the expected row that allows it, or -1. */
static int find(int from, int action, int back, int *ret_to)
{
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		int to = way_of(expected[i].ways, from, back);

		if ((int)expected[i].action == action && to != 0) {
			*ret_to = to;
			return (int)i;
		}
	}
	return -1;
}

static void check_parties(unsigned parties, const char *names)
{
	char text[128] = "";

	for (unsigned bit = 0; bit < RULES_PARTIES; bit++) {
		if (!(parties & 1u << bit))
			continue;
		if (text[0])
			strcat(text, " ");
		strcat(text, rules_party_name(bit));
	}
	assert_string_equal(text, names);
}

/* Every state, every action, every state to come back to: allowed as written, else refused. */
static void test_every_pair(void **state)
{
	size_t seen[256] = {0}, rows = 0;

	(void)state;
	assert_true(rules_n_transitions < ARRAY_LEN(seen));
	for (int n = 0; n < STATES * (RULES_ACTIONS + 1) * STATES; n++) {
		int from = n % STATES, back = n / STATES % STATES, action = n / STATES / STATES;
		const struct rules_transition *row = NULL;
		struct err err = {.status = 0};
		int to = 0, want = find(from, action, back, &to);
		int r = rules_transition((Dossier__DossierState)from, (enum rules_action)action,
					 (Dossier__DossierState)back, &row, &err);

		if (want < 0) {
			if (r != ERR_CONFLICT)
				fail_msg("%s from %d(%d) is allowed",
					 rules_action_name((enum rules_action)action), from, back);
			assert_string_equal(err_code(&err), "WRONG_STATE");
			assert_null(row);
			continue;
		}
		if (r != 0 || (int)row->to != to)
			fail_msg("%s from %d(%d) leads not to %d",
				 rules_action_name((enum rules_action)action), from, back, to);
		check_parties(row->parties, expected[want].parties);
		seen[row - rules_transitions]++;
	}
	for (size_t i = 0; i < rules_n_transitions; i++)
		rows += seen[i] > 0;
	assert_int_equal(rows, rules_n_transitions); /* none is shadowed by another */
}

static void test_names(void **state)
{
	(void)state;
	for (int a = 1; a <= RULES_ACTIONS; a++) {
		assert_true(rules_action_name((enum rules_action)a)[0] != '\0');
		for (int b = 1; b < a; b++)
			assert_string_not_equal(rules_action_name((enum rules_action)a),
						rules_action_name((enum rules_action)b));
	}
	assert_string_equal(rules_action_name((enum rules_action)0), "");
	assert_string_equal(rules_action_name((enum rules_action)(RULES_ACTIONS + 1)), "");
	assert_string_equal(rules_party_name(RULES_PARTIES), "");
	assert_string_equal(rules_state_name((Dossier__DossierState)0), "-");
	assert_string_equal(rules_state_name((Dossier__DossierState)5), "SUPPLEMENT_REQUESTED");
	assert_string_equal(rules_state_name((Dossier__DossierState)77), "-");
}

/* A pause inside a pause comes back to where the first began. */
static void test_resumes_to(void **state)
{
	static const int cases[][4] = {/* from, back, to, want */
				       {1, 0, 5, 1}, {2, 0, 5, 2}, {4, 0, 6, 4}, {4, 0, 8, 4},
				       {5, 2, 8, 2}, {6, 2, 8, 2}, {5, 4, 4, 0}, {8, 2, 4, 0},
				       {5, 1, 3, 0}, {4, 0, 9, 0}, {5, 4, 5, 4}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(rules_resumes_to((Dossier__DossierState)cases[i][0],
						  (Dossier__DossierState)cases[i][1],
						  (Dossier__DossierState)cases[i][2]),
				 cases[i][3]);
}

static void test_pause_kinds(void **state)
{
	static const char *const kinds[STATES] = {"",        "", "",     "", "", "supplement",
						  "payment", "", "stop", "", ""};

	(void)state;
	for (int s = 0; s < STATES; s++) {
		assert_string_equal(rules_pause_kind((Dossier__DossierState)s, 0), kinds[s]);
		assert_string_equal(rules_pause_kind((Dossier__DossierState)s, 1),
				    s == 4 ? "outside" : kinds[s]);
		assert_int_equal(rules_paused((Dossier__DossierState)s), kinds[s][0] != '\0');
	}
}

static void test_parties(void **state)
{
	static const struct rules_agencies of = {.receiving = "H40.31.01",
						 .competent = "H40.31",
						 .holder = "H40.03",
						 .supporting = "H40.19",
						 .asked = "H40.20"};
	static const struct {
		unsigned parties;
		const char *agency;
		bool may;
	} cases[] = {
		{RULES_RECEIVER, "H40.31.01", true},
		{RULES_RECEIVER, "H40.31", false},
		{RULES_RECEIVER, "H40.03", false},
		{RULES_COMPETENT, "H40.31", true},
		{RULES_HOLDER, "H40.03", true},
		{RULES_HOLDER, "H40.31.01", false},
		{RULES_HOLDER | RULES_RECEIVER, "H40.31.01", true},
		{RULES_SUPPORTING, "H40.19", true},
		{RULES_HOLDER | RULES_RECEIVER, "H40.19", false},
		{RULES_ASKED, "H40.20", true},
		{RULES_AGENCIES & ~RULES_ASKED, "H40.20", false},
		{RULES_APPLICANT | RULES_SUITE, "H40.03", false},
		{RULES_RECEIVER | RULES_COMPETENT | RULES_HOLDER, "H40", false},
		{RULES_RECEIVER | RULES_COMPETENT | RULES_HOLDER, "", false},
		{0, "H40.03", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {.status = 0};
		int r = rules_party(&of, cases[i].parties, cases[i].agency, &err);

		assert_int_equal(r, cases[i].may ? 0 : ERR_DENIED);
		assert_string_equal(err_code(&err), cases[i].may ? "" : "NOT_IN_HAND");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair), cmocka_unit_test(test_names),
		cmocka_unit_test(test_resumes_to), cmocka_unit_test(test_pause_kinds),
		cmocka_unit_test(test_parties),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
