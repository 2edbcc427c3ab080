// with: services/dossier/rules.c services/dossier/rules_steps.c services/dossier/rules_reasons.c services/dossier/rules_notice.c services/dossier/rpc.c
/* docs/dossier.md says what the code does: acts, who may do them, events, notices, reasons. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/wire/rpc.h"
#include "services/dossier/rules_work.h"

#define DOC        "docs/dossier.md"
#define CATEGORIES "deploy/profiles/nam-dinh-2021/categories.csv"

extern const struct rpc_table dossier_rpcs;

/* By which call an act is done ("": by a feed, a job or as part of another), and its event. */
static const struct {
	enum rules_action action;
	const char *rpc, *event;
} acts[] = {
	{RULES_SUBMIT, "Submit", "submitted"},
	{RULES_ACCEPT, "Accept", "accepted"},
	{RULES_REFUSE, "Refuse", "refused"},
	{RULES_REQUEST_SUPPLEMENT, "RequestSupplement", "supplement_requested"},
	{RULES_SUPPLEMENT, "Supplement", "supplemented"},
	{RULES_REQUEST_PAYMENT, "RequestPayment", "payment_requested"},
	{RULES_PAY, "", "resumed"},
	{RULES_EXEMPT_FEE, "ExemptFee", "fee_exempted"},
	{RULES_LIFT_PAYMENT, "ExemptFee", "fee_exempted"},
	{RULES_FORWARD, "Forward", "forwarded"},
	{RULES_RECEIVE, "Receive", "received"},
	{RULES_CLAIM, "Claim", "assigned"},
	{RULES_ASSIGN, "Assign", "assigned"},
	{RULES_STAND_IN, "Claim", "assigned"},
	{RULES_NEXT_STEP, "NextStep", "step_begun"},
	{RULES_REQUEST_OPINION, "RequestOpinion", "opinion_requested"},
	{RULES_GIVE_OPINION, "GiveOpinion", "opinion_given"},
	{RULES_WITHDRAW_OPINION, "WithdrawOpinion", "opinion_withdrawn"},
	{RULES_LATE_OPINION, "", "opinion_late"},
	{RULES_OPEN_CHILD, "OpenChild", "child_opened"},
	{RULES_SIGN_OFF, "SignOff", "signed_off"},
	{RULES_REWORK, "ReturnForRework", "returned_for_rework"},
	{RULES_EXTEND, "Extend", "extended"},
	{RULES_STOP, "Stop", "stopped"},
	{RULES_CONTINUE, "ContinueProcessing", "continued"},
	{RULES_ISSUE_RESULT, "IssueResult", "result_issued"},
	{RULES_RETURN, "ReturnResult", "returned"},
	{RULES_HAND_OVER, "HandOver", "handed_over"},
	{RULES_WITHDRAW, "Withdraw", "withdrawn"},
	{RULES_EXPIRE, "", "stopped"},
	{RULES_REOPEN, "Reopen", "reopened"},
	{RULES_COMPLAIN, "Complain", "complained"},
	{RULES_ANSWER_COMPLAINT, "AnswerComplaint", "complaint_answered"},
	{RULES_RATE, "Rate", "rated"},
	{RULES_REBASE, "Rebase", "rebased"},
	{RULES_RECOUNT, "RecountDue", "due_changed"},
	{RULES_REUSE, "ReuseRecord", "record_reused"},
	{RULES_REISSUE, "ReissueReceipt", "receipt_reissued"},
	{RULES_LATE_ANSWER, "", "answer_late"},
	{RULES_IMPORT_LEGACY, "ImportLegacy", "imported"},
};

static char doc[256 * 1024];

static int read_doc(void **state)
{
	FILE *f = fopen(DOC, "re");
	size_t n;

	(void)state;
	if (!f)
		return -1;
	n = fread(doc, 1, sizeof(doc) - 1, f);
	fclose(f);
	doc[n] = '\0';
	return 0;
}

/* The table must stand in the document as it is; else it is shown, to be put there. */
static void must_hold(const struct buf *table)
{
	char *text = strndup((const char *)table->data, table->len);

	bool there = strstr(doc, text) != NULL;

	if (!there)
		fprintf(stderr, "%s", text);
	free(text);
	if (!there)
		fail_msg(DOC " lacks the table above");
}

static const struct rpc_row *row_of(const char *method)
{
	for (size_t i = 0; i < dossier_rpcs.n_rows; i++)
		if (strcmp(dossier_rpcs.rows[i].method, method) == 0)
			return &dossier_rpcs.rows[i];
	fail_msg("no RPC %s", method);
	return NULL;
}

static void add_parties(struct buf *b, unsigned parties)
{
	const char *comma = "";

	for (unsigned bit = 0; bit < RULES_PARTIES; bit++) {
		if (!(parties & 1u << bit))
			continue;
		buf_printf(b, "%s%s", comma, rules_party_name(bit));
		comma = ", ";
	}
}

/* "2 → 5, 4 → 5": every way of an act. Returns all parties of it. */
static unsigned add_ways(struct buf *b, enum rules_action action)
{
	unsigned parties = 0;
	const char *comma = "";

	for (size_t i = 0; i < rules_n_transitions; i++) {
		const struct rules_transition *t = &rules_transitions[i];

		if (t->action != action)
			continue;
		buf_printf(b, "%s%d → %d", comma, (int)t->from, (int)t->to);
		parties |= t->parties;
		comma = ", ";
	}
	return parties;
}

static void add_act(struct buf *b, size_t i)
{
	const struct rules_notice *n = NULL;
	unsigned parties;

	buf_printf(b, "| %s | ", rules_action_name(acts[i].action));
	parties = add_ways(b, acts[i].action);
	buf_printf(b, " | ");
	add_parties(b, parties);
	if (acts[i].rpc[0] != '\0') {
		const char *roles = row_of(acts[i].rpc)->roles;

		buf_printf(b, " | %s%s%s", acts[i].rpc, roles[0] ? ": " : "", roles);
	} else {
		buf_printf(b, " | ");
	}
	for (size_t j = 0; j < rules_n_notices && !n; j++)
		n = rules_notices[j].action == acts[i].action ? &rules_notices[j] : NULL;
	buf_printf(b, " | %s | %s |\n", acts[i].event, n ? n->name : "");
}

/* As `lgspctl dossier states` prints it. */
static void test_states(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 64 * 1024);
	buf_printf(&b, "| from | act | to | when it resumes to | who |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < rules_n_transitions; i++) {
		const struct rules_transition *t = &rules_transitions[i];

		buf_printf(&b, "| %d %s | %s | %d %s | %s | ", (int)t->from,
			   rules_state_name(t->from), rules_action_name(t->action), (int)t->to,
			   rules_state_name(t->to), t->back ? rules_state_name(t->back) : "");
		add_parties(&b, t->parties);
		buf_printf(&b, " |\n");
	}
	must_hold(&b);
	buf_done(&b);
}

static void test_acts(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 64 * 1024);
	buf_printf(&b, "| act | ways | who | call: roles | event | notice |\n"
		       "|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		add_act(&b, i);
	must_hold(&b);
	buf_done(&b);
}

/* Each act of the table is in the list once. */
static void test_acts_whole(void **state)
{
	(void)state;
	for (int a = 1; a <= RULES_ACTIONS; a++) {
		int n = 0;

		for (size_t i = 0; i < ARRAY_LEN(acts); i++)
			n += (int)acts[i].action == a;
		if (n != 1)
			fail_msg("%s is there %d times", rules_action_name((enum rules_action)a),
				 n);
	}
}

/* The next cell of a line of CSV, in place; a cell in quotes may hold commas. */
static char *next_cell(char **line)
{
	bool quoted = **line == '"';
	char *cell = *line + quoted,
	     *end = quoted ? strchr(cell, '"') : cell + strcspn(cell, ",\n");

	*line = quoted ? end + 2 : end + 1;
	*end = '\0';
	return cell;
}

/* The profile's lists are those the document shows, and each kind has one. */
static void test_reasons(void **state)
{
	FILE *file = fopen(CATEGORIES, "re");
	bool seen[RULES_REASON_KINDS + 1] = {false};
	char line[1024];
	struct buf b;

	(void)state;
	assert_non_null(file);
	buf_init(&b, 64 * 1024);
	buf_printf(&b, "| list | code | words | a note is needed | given by |\n"
		       "|---|---|---|---|---|\n");
	while (fgets(line, sizeof(line), file)) {
		char *at = line, *list = next_cell(&at), *code, *words, *note;

		if (strncmp(list, "reason-", 7) != 0)
			continue;
		code = next_cell(&at);
		words = next_cell(&at);
		next_cell(&at);
		note = next_cell(&at);
		for (int k = 1; k <= RULES_REASON_KINDS; k++)
			seen[k] |= strcmp(list, rules_reason_list((enum rules_reason_kind)k)) == 0;
		buf_printf(&b, "| %s | %s | %s | %s | %s |\n", list, code, words,
			   strcmp(note, "true") == 0 ? "yes" : "",
			   rules_reason_by_suite(code) ? "suite" : "people");
	}
	fclose(file);
	for (int k = 1; k <= RULES_REASON_KINDS; k++)
		assert_true(seen[k]);
	must_hold(&b);
	buf_done(&b);
}

static void test_notices(void **state)
{
	static const char *const dates[] = {"", "the due date", "until when to answer"};
	struct buf b;

	(void)state;
	buf_init(&b, 64 * 1024);
	buf_printf(&b, "| template | version | act | speaks of | goes by |\n"
		       "|---|---|---|---|---|\n");
	for (size_t i = 0; i < rules_n_notices; i++) {
		const struct rules_notice *n = &rules_notices[i];

		buf_printf(&b, "| %s | %u | %s", n->name, (unsigned)n->version,
			   rules_action_name(n->action));
		if (n->from != 0)
			buf_printf(&b, " from %d", (int)n->from);
		if (n->to != 0)
			buf_printf(&b, " to %d", (int)n->to);
		buf_printf(&b, " | %s |", dates[n->date]);
		for (unsigned way = 0; way < RULES_WAYS; way++)
			if (n->ways & 1u << way)
				buf_printf(&b, " %s", rules_way_name(way));
		buf_printf(&b, " |\n");
	}
	must_hold(&b);
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),     cmocka_unit_test(test_acts),
		cmocka_unit_test(test_acts_whole), cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_notices),
	};

	return cmocka_run_group_tests(tests, read_doc, NULL);
}
