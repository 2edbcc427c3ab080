// with: tests/it/dossier_rig.c
/* Working on dossiers: who has one, steps and hand-offs, sign-off, result and its return. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tests/it/dossier_rig.h"

#define STEPPED "1.001612" /* clerk, officer, leader, clerk */
#define ASKING  "1.009994" /* as that, and its second step asks two agencies */

static const struct person leader = {"leader-31-01", "leader", COMMUNE};
static const struct person colleague = {"officer-31-01b", "officer", COMMUNE};
static const struct person other_officer = {"officer-31-02", "officer", OTHER};
static const struct person district_leader = {"leader-31", "leader", DISTRICT};

static void put_officer(const char *subject, const char *agency, const char *post)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
		 "INSERT INTO ref_officer VALUES ('%s', '%s', '%s', '%s', '{officer}',"
		 " '2021-01-01', 'infinity')",
		 subject, agency, subject, post);
	pg_exec(rig.pg, "dossier", sql);
}

/* The rig's procedures and one with a template of steps. */
static int set_up_work(void **state)
{
	static const char *const roles[] = {"clerk", "officer", "leader", "clerk"};
	static const char *const rules[] = {"receiving", "competent", "competent", "receiving"};
	static const char *first[] = {"forward", "request_supplement"};
	Dossier__Step step[4], *list[4];
	Dossier__StepOpinion opinion[3], *opinions[3];
	struct bundle b;
	struct ask a;

	if (set_up(state) < 0)
		return -1;
	make_bundle(&b);
	for (size_t i = 0; i < 4; i++) {
		dossier__step__init(&step[i]);
		step[i].ordinal = (uint32_t)i + 1;
		step[i].role = roles[i];
		step[i].agency_rule = rules[i];
		step[i].hours = 4;
		step[i].name = "Bước";
		list[i] = &step[i];
	}
	step[0].actions = first;
	step[0].n_actions = 2;
	b.p[2].code = STEPPED;
	b.p[2].valid_from = "2021-01-01";
	b.p[2].steps = list;
	b.p[2].n_steps = 4;
	ask_init(&a, rig.ops, "dossier");
	assert_int_equal(import(&a, &b), 1);
	for (size_t i = 0; i < 3; i++) {
		static const char *const asked[] = {DISTRICT, OTHER, GONE};

		dossier__step_opinion__init(&opinion[i]);
		opinion[i].agency_code = asked[i];
		opinion[i].hours = 8;
		opinion[i].question = "Có phù hợp quy hoạch không?";
		opinions[i] = &opinion[i];
	}
	step[1].opinions = opinions;
	step[1].n_opinions = 3;
	b.p[2].code = ASKING;
	assert_int_equal(import(&a, &b), 1);
	ask_done(&a);
	put_officer("officer-31-01", COMMUNE, "Chuyên viên");
	put_officer("officer-31-01b", COMMUNE, "Chuyên viên");
	put_officer("leader-31-01", COMMUNE, "Phó Chủ tịch");
	put_officer("officer-31", DISTRICT, "Chuyên viên");
	return 0;
}

/* A dossier of a procedure, accepted. */
static void accepted(struct ask *a, const char *procedure, char code[static 64])
{
	struct filing f;
	char secret[64];

	make_plain(&f);
	f.in.procedure_code = procedure;
	file_one(a, &f, code, secret);
	assert_int_equal(accept_it(a, &clerk, code, NULL), 0);
}

/* One that the commune's own unit works on. */
static void processing(struct ask *a, const char *procedure, char code[static 64])
{
	accepted(a, procedure, code);
	assert_int_equal(forward_it(a, &clerk, code, COMMUNE), 0);
}

static int64_t of_dossier(const char *what, const char *code)
{
	char sql[200];

	snprintf(sql, sizeof(sql), "SELECT %s FROM dossier WHERE code = '%s'", what, code);
	return count(sql);
}

static int claim(struct ask *a, const struct person *who, const char *code)
{
	return CALL(a, who, Claim, claim, NULL, in_.code = code);
}

static int assign(struct ask *a, const struct person *who, const char *code, const char *subject)
{
	return CALL(a, who, Assign, assign, NULL, in_.code = code; in_.subject = subject);
}

static int stand_in(struct ask *a, const struct person *who, const char *for_subject,
		    const char *subject, const char *to)
{
	return CALL(a, who, SetStandIn, set_stand_in, NULL, in_.for_subject = for_subject;
		    in_.subject = subject; in_.from = "2024-05-01"; in_.to = to);
}

static int next_step(struct ask *a, const struct person *who, const char *code,
		     Dossier__NextStepReply **out)
{
	return CALL(a, who, NextStep, next_step, out, in_.code = code);
}

/* --- who has it --- */

static void test_claim(void **state)
{
	Dossier__GetReply *got;
	struct ask a;
	char code[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	processing(&a, BIRTH, code);
	REFUSED(claim(&a, &district, code), ERR_DENIED, "NOT_IN_HAND");
	assert_int_equal(claim(&a, &officer, code), 0);
	REFUSED(claim(&a, &officer, code), ERR_CONFLICT, "ALREADY_ASSIGNED");
	REFUSED(claim(&a, &colleague, code), ERR_CONFLICT, "ALREADY_ASSIGNED");
	REFUSED(claim(&a, &leader, code), ERR_CONFLICT, "ALREADY_ASSIGNED"); /* leaders assign */
	REFUSED(issue_it(&a, &colleague, code, "", NULL), ERR_DENIED, "NOT_ASSIGNEE");
	REFUSED(forward_it(&a, &colleague, code, DISTRICT), ERR_DENIED, "NOT_ASSIGNEE");
	assert_int_equal(get_it(&a, &officer, code, &got), 0);
	assert_string_equal(got->dossier->assignee, "officer-31-01");
	assert_string_equal(got->history[3]->action, "claim");
	assert_string_equal(got->history[3]->post, "Chuyên viên");
	assert_int_equal(issue_it(&a, &officer, code, "", NULL), 0);
	ask_done(&a);
}

static void test_assign(void **state)
{
	struct ask a;
	char code[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	processing(&a, BIRTH, code);
	REFUSED(assign(&a, &officer, code, "officer-31-01b"), ERR_DENIED, "ROLE_REQUIRED");
	REFUSED(assign(&a, &leader, code, "officer-31"), ERR_INVALID, "NOT_AN_OFFICER");
	REFUSED(assign(&a, &district_leader, code, "officer-31"), ERR_DENIED, "NOT_IN_HAND");
	assert_int_equal(assign(&a, &leader, code, "officer-31-01b"), 0);
	REFUSED(issue_it(&a, &officer, code, "", NULL), ERR_DENIED, "NOT_ASSIGNEE");
	assert_int_equal(assign(&a, &leader, code, ""), 0); /* given back to all */
	assert_int_equal(claim(&a, &officer, code), 0);
	assert_int_equal(assign(&a, &leader, code, "officer-31-01b"), 0);
	/* Another agency's officers start with it free. */
	assert_int_equal(forward_it(&a, &colleague, code, DISTRICT), 0);
	assert_int_equal(issue_it(&a, &district, code, "", NULL), 0);
	relay_all();
	assert_int_equal(count_events("dossier.assigned", code), 4);
	ask_done(&a);
}

static void test_stand_in(void **state)
{
	Dossier__ClaimReply *out;
	Dossier__GetReply *got;
	struct ask a;
	char code[64], sql[200];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	processing(&a, BIRTH, code);
	assert_int_equal(claim(&a, &officer, code), 0);
	REFUSED(stand_in(&a, &officer, "officer-31-01", "officer-31-01b", "2024-05-31"), ERR_DENIED,
		"ROLE_REQUIRED");
	REFUSED(stand_in(&a, &leader, "officer-31-01", "officer-31", "2024-05-31"), ERR_INVALID,
		"NOT_AN_OFFICER");
	REFUSED(stand_in(&a, &leader, "officer-31", "officer-31-01b", "2024-05-31"), ERR_INVALID,
		"NOT_AN_OFFICER");
	REFUSED(stand_in(&a, &leader, "officer-31-01", "officer-31-01", "2024-05-31"), ERR_INVALID,
		"INVALID_FIELD");
	REFUSED(stand_in(&a, &leader, "officer-31-01", "officer-31-01b", "2024-05-20"), ERR_INVALID,
		"BAD_PERIOD");
	REFUSED(stand_in(&a, &leader, "officer-31-01", "officer-31-01b", "2024-04-30"), ERR_INVALID,
		"BAD_PERIOD");
	assert_int_equal(stand_in(&a, &leader, "officer-31-01", "officer-31-01b", "2024-05-31"), 0);
	/* An act in the absent colleague's stead says so; nothing changes hands. */
	assert_int_equal(
		CALL(&a, &colleague, RequestOpinion, request_opinion, NULL, in_.code = code;
		     in_.agency_code = DISTRICT; in_.question = "?"; in_.hours = 8),
		0);
	assert_int_equal(get_it(&a, &clerk, code, &got), 0);
	assert_string_equal(got->history[4]->acting_for, "officer-31-01");
	assert_string_equal(got->dossier->assignee, "officer-31-01");
	assert_int_equal(CALL(&a, &colleague, Claim, claim, &out, in_.code = code), 0);
	assert_string_equal(out->acting_for, "officer-31-01");
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM history WHERE dossier = '%s' AND action = 'stand_in'", code);
	assert_int_equal(count(sql), 1);
	/* Ended: the newest setting counts. */
	assert_int_equal(stand_in(&a, &leader, "officer-31-01", "", "2024-05-31"), 0);
	processing(&a, BIRTH, code);
	assert_int_equal(claim(&a, &officer, code), 0);
	REFUSED(claim(&a, &colleague, code), ERR_CONFLICT, "ALREADY_ASSIGNED");
	relay_all();
	assert_int_equal(count_events("dossier.stand_in_set", "stand_in/" COMMUNE "/officer-31-01"),
			 2);
	ask_done(&a);
}

/* --- steps and hand-offs --- */

static bool waits_for(struct ask *a, const char *role, const char *code)
{
	Dossier__InboxReply *out;

	assert_int_equal(CALL(a, &leader, Inbox, inbox, &out, in_.role = role; in_.limit = 100), 0);
	for (size_t i = 0; i < out->n_dossiers; i++)
		if (strcmp(out->dossiers[i]->code, code) == 0)
			return true;
	return false;
}

/* Opinions of the template are asked for with the step, once, of agencies that are in force. */
static void test_opinions_of_a_step(void **state)
{
	struct ask a;
	char code[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	accepted(&a, ASKING, code);
	assert_int_equal(of_dossier("opinions", code), 0);
	assert_int_equal(forward_it(&a, &clerk, code, COMMUNE), 0);
	assert_int_equal(of_dossier("opinions", code), 2);
	assert_int_equal(of_dossier("opinions_open", code), 2);
	relay_all();
	assert_int_equal(count_events("dossier.opinion_requested", code), 2);
	REFUSED(issue_it(&a, &leader, code, "", NULL), ERR_CONFLICT, "OPINIONS_OPEN");
	assert_int_equal(next_step(&a, &officer, code, NULL), 0);
	assert_int_equal(
		CALL(&a, &leader, ReturnForRework, return_for_rework, NULL, in_.code = code;
		     in_.note = "Chờ ý kiến"),
		0);
	assert_int_equal(of_dossier("opinions", code), 2); /* not asked again */
	assert_int_equal(CALL(&a, &district, GiveOpinion, give_opinion, NULL, in_.code = code;
			      in_.opinion = 1;
			      in_.answer = DOSSIER__OPINION_ANSWER__OPINION_ANSWER_AGREE;
			      in_.text = "Phù hợp"),
			 0);
	assert_int_equal(of_dossier("opinions_open", code), 1);
	ask_done(&a);
}

/* Each role's inbox shows what its step has come to. */
static void test_inbox_of_a_role(void **state)
{
	struct ask a;
	char code[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	accepted(&a, STEPPED, code);
	assert_true(waits_for(&a, "clerk", code));
	assert_false(waits_for(&a, "officer", code));
	assert_int_equal(forward_it(&a, &clerk, code, COMMUNE), 0);
	assert_true(waits_for(&a, "officer", code));
	assert_false(waits_for(&a, "leader", code));
	assert_int_equal(next_step(&a, &officer, code, NULL), 0);
	assert_true(waits_for(&a, "leader", code));
	assert_false(waits_for(&a, "officer", code));
	assert_int_equal(CALL(&a, &leader, SignOff, sign_off, NULL, in_.code = code), 0);
	assert_true(waits_for(&a, "officer", code)); /* to issue it */
	assert_int_equal(issue_it(&a, &officer, code, "", NULL), 0);
	assert_true(waits_for(&a, "clerk", code));
	assert_true(waits_for(&a, "", code));
	ask_done(&a);
}

static unsigned count_of(const Dossier__GetPaperReply *paper, const char *text)
{
	const char *at = (const char *)paper->content.data, *end = at + paper->content.len;
	unsigned n = 0;

	while ((at = memmem(at, (size_t)(end - at), text, strlen(text)))) {
		at += strlen(text);
		n++;
	}
	return n;
}

static void test_steps(void **state)
{
	Dossier__GetPaperReply *sheet;
	Dossier__NextStepReply *next;
	Dossier__GetReply *got;
	struct ask a;
	char code[64], sql[300];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	accepted(&a, STEPPED, code);
	assert_int_equal(of_dossier("step", code), 1);
	REFUSED(next_step(&a, &clerk, code, NULL), ERR_CONFLICT, "WRONG_STATE");
	REFUSED(ask_payment(&a, &clerk, code, 1, NULL), ERR_CONFLICT, "STEP_FORBIDS");
	assert_int_equal(forward_it(&a, &clerk, code, COMMUNE), 0);
	assert_int_equal(of_dossier("step", code), 2);
	assert_int_equal(claim(&a, &officer, code), 0);
	REFUSED(issue_it(&a, &officer, code, "", NULL), ERR_CONFLICT, "NOT_SIGNED");
	assert_int_equal(next_step(&a, &officer, code, &next), 0);
	assert_int_equal(next->step, 3);
	assert_true(next->step_due_us > 0);
	assert_int_equal(get_it(&a, &clerk, code, &got), 0);
	assert_int_equal(got->dossier->step, 3);
	assert_string_equal(got->dossier->assignee, ""); /* the next step is somebody else's */
	assert_int_equal(
		CALL(&a, &leader, ReturnForRework, return_for_rework, NULL, in_.code = code),
		ERR_INVALID);
	assert_int_equal(
		CALL(&a, &leader, ReturnForRework, return_for_rework, NULL, in_.code = code;
		     in_.note = "Thiếu căn cứ"),
		0);
	assert_int_equal(of_dossier("step", code), 2);
	assert_int_equal(next_step(&a, &officer, code, NULL), 0);
	/* The control sheet tells of steps within one agency, too: in order, with who has it now.
	 */
	assert_int_equal(CALL(&a, &clerk, GetPaper, get_paper, &sheet, in_.code = code;
			      in_.kind = DOSSIER__PAPER_KIND__PAPER_KIND_CONTROL_SHEET;
			      in_.format = DOSSIER__PAPER_FORMAT__PAPER_FORMAT_CSV),
			 0);
	assert_int_equal(count_of(sheet, ", bước 3"), 2);
	REFUSED(CALL(&a, &officer, SignOff, sign_off, NULL, in_.code = code), ERR_DENIED,
		"ROLE_REQUIRED");
	assert_int_equal(CALL(&a, &leader, SignOff, sign_off, NULL, in_.code = code), 0);
	REFUSED(CALL(&a, &leader, SignOff, sign_off, NULL, in_.code = code), ERR_CONFLICT,
		"ALREADY_SIGNED");
	assert_int_equal(issue_it(&a, &officer, code, "", NULL), 0);
	assert_int_equal(of_dossier("step", code), 4);
	assert_int_equal(return_it(&a, &clerk, code, "desk"), 0);
	assert_int_equal(of_dossier("step", code), 0);
	/* 1, 2, 3, 2 again, 3 again, 4: each ended with a verdict. */
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM step_log WHERE dossier = '%s' AND verdict = 1", code);
	assert_int_equal(count(sql), 6);
	ask_done(&a);
}

static void test_steps_end(void **state)
{
	struct ask a;
	char code[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	processing(&a, BIRTH, code);
	REFUSED(next_step(&a, &officer, code, NULL), ERR_CONFLICT, "NO_NEXT_STEP");
	/* Decided elsewhere than filed: the next step is not for those who have it. */
	accepted(&a, STEPPED, code);
	assert_int_equal(forward_it(&a, &clerk, code, OTHER), 0); /* outside the template */
	assert_int_equal(of_dossier("step", code), 1);
	REFUSED(next_step(&a, &other_clerk, code, NULL), ERR_CONFLICT, "STEP_FORBIDS");
	pg_exec(rig.pg, "dossier", "UPDATE dossier SET step = 3 WHERE holder_agency = '" OTHER "'");
	REFUSED(next_step(&a, &other_clerk, code, NULL), ERR_CONFLICT, "STEP_ELSEWHERE");
	ask_done(&a);
}

/* A leader who issues signs in the same act. */
static void test_leader_issues(void **state)
{
	struct ask a;
	char code[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	processing(&a, STEPPED, code);
	assert_int_equal(issue_it(&a, &leader, code, "", NULL), 0);
	assert_int_equal(of_dossier("(signed_by = 'leader-31-01')::int", code), 1);
	ask_done(&a);
}

static void forward_on_paper(struct ask *a, const char *code)
{
	assert_int_equal(CALL(a, &officer, Forward, forward, NULL, in_.code = code;
			      in_.to_agency_code = DISTRICT; in_.note = "1 bộ"),
			 0);
}

static void test_paper(void **state)
{
	Dossier__GetReply *got;
	struct ask a;
	char code[64], sql[300];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	processing(&a, BIRTH, code);
	REFUSED(CALL(&a, &officer, Receive, receive, NULL, in_.code = code), ERR_CONFLICT,
		"NOT_IN_TRANSIT");
	forward_on_paper(&a, code);
	assert_int_equal(get_it(&a, &district, code, &got), 0);
	assert_true(got->dossier->in_transit);
	REFUSED(CALL(&a, &officer, Receive, receive, NULL, in_.code = code), ERR_DENIED,
		"NOT_IN_HAND");
	assert_int_equal(CALL(&a, &district, Receive, receive, NULL, in_.code = code;
			      in_.remark = "Đủ 1 bộ"),
			 0);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM handoff h JOIN handoff_receipt r USING (dossier, hop)"
		 " WHERE dossier = '%s' AND hop = 2 AND NOT electronic AND h.remark = '1 bộ'"
		 " AND r.received_by = 'officer-31' AND r.remark = 'Đủ 1 bộ'",
		 code);
	assert_int_equal(count(sql), 1);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM handoff h JOIN handoff_receipt r USING (dossier, hop)"
		 " WHERE dossier = '%s' AND hop = 1 AND from_agency = to_agency"
		 " AND received_by = ''",
		 code);
	assert_int_equal(count(sql), 1); /* the desk to its own unit */
	assert_int_equal(of_dossier("hops * 10 + handoffs", code), 21);
	/* What nobody received by an act of its own is received by the first act on it. */
	processing(&a, BIRTH, code);
	forward_on_paper(&a, code);
	assert_int_equal(issue_it(&a, &district, code, "", NULL), 0);
	assert_int_equal(of_dossier("in_transit::int", code), 0);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM handoff_receipt WHERE dossier = '%s'",
		 code);
	assert_int_equal(count(sql), 2);
	ask_done(&a);
}

/* --- result --- */

static int refuse_result(struct ask *a, const char *code, const char *reason, const char *note)
{
	return CALL(a, &officer, IssueResult, issue_result, NULL, in_.code = code;
		    in_.result_number = "13/TB"; in_.decision = DOSSIER__DECISION__DECISION_REFUSED;
		    in_.reason = reason; in_.note = note);
}

/* The negative decision is a result like another, with its reason. */
static void test_negative_decision(void **state)
{
	Dossier__GetReply *got;
	struct ask a;
	char code[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	processing(&a, BIRTH, code);
	REFUSED(refuse_result(&a, code, "", "Không đủ"), ERR_INVALID, "UNKNOWN_REASON");
	REFUSED(refuse_result(&a, code, "planning", ""), ERR_INVALID, "REQUIRED_FIELD");
	assert_int_equal(refuse_result(&a, code, "conditions_not_met", "Chưa đủ tuổi"), 0);
	assert_int_equal(get_it(&a, &clerk, code, &got), 0);
	assert_int_equal(got->dossier->state, 9);
	assert_int_equal(got->dossier->decision, DOSSIER__DECISION__DECISION_REFUSED);
	assert_int_equal(got->dossier->verdict, DOSSIER__VERDICT__VERDICT_EARLY);
	assert_string_equal(got->dossier->reason, "conditions_not_met");
	assert_string_equal(got->history[3]->reason, "conditions_not_met");
	assert_string_equal(got->history[3]->note, "Chưa đủ tuổi");
	ask_done(&a);
}

static int post_it(struct ask *a, const char *code, const char *number)
{
	return CALL(a, &clerk, ReturnResult, return_result, NULL, in_.code = code; in_.how = "post";
		    in_.tracking_number = number);
}

static int arrived(struct ask *a, const char *code, const char *number)
{
	return CALL(a, &clerk, HandOver, hand_over, NULL, in_.code = code;
		    in_.tracking_number = number);
}

static void test_posted(void **state)
{
	struct ask a;
	char code[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	processing(&a, BIRTH, code);
	assert_int_equal(issue_it(&a, &officer, code, "", NULL), 0);
	assert_int_equal(of_dossier("handover_state", code), 1);
	REFUSED(arrived(&a, code, "EP1VN"), ERR_CONFLICT, "WRONG_STATE");
	REFUSED(post_it(&a, code, ""), ERR_INVALID, "REQUIRED_FIELD");
	REFUSED(CALL(&a, &clerk, ReturnResult, return_result, NULL, in_.code = code;
		     in_.how = "desk"; in_.tracking_number = "EP1VN"),
		ERR_INVALID, "INVALID_FIELD");
	assert_int_equal(post_it(&a, code, "EP1VN"), 0);
	assert_int_equal(of_dossier("state * 10 + handover_state", code), 102);
	REFUSED(arrived(&a, code, "EP2VN"), ERR_CONFLICT, "TRACKING_DIFFERS");
	assert_int_equal(arrived(&a, code, "EP1VN"), 0);
	assert_int_equal(of_dossier("state * 10 + handover_state", code), 103);
	REFUSED(arrived(&a, code, "EP1VN"), ERR_CONFLICT, "TRACKING_DIFFERS");
	processing(&a, BIRTH, code);
	assert_int_equal(issue_it(&a, &officer, code, "", NULL), 0);
	assert_int_equal(return_it(&a, &clerk, code, "online"), 0);
	assert_int_equal(of_dossier("handover_state", code), 4);
	ask_done(&a);
}

/* --- linked dossiers, batches --- */

static int open_child(struct ask *a, const struct person *who, const char *code, const char *agency,
		      const char *from, Dossier__OpenChildReply **out)
{
	Dossier__ChildComponent paper = DOSSIER__CHILD_COMPONENT__INIT;
	Dossier__ChildComponent *papers[] = {&paper};
	Dossier__FormField field = DOSSIER__FORM_FIELD__INIT;
	Dossier__FormField *form[] = {&field};

	paper.code = "TP1";
	paper.from_component = from;
	field.name = "purpose";
	field.value = "Liên thông";
	return CALL(a, who, OpenChild, open_child, out, in_.code = code;
		    in_.procedure_code = MARRIAGE; in_.agency_code = agency;
		    in_.components = papers; in_.n_components = 1; in_.form = form; in_.n_form = 1;
		    in_.required = true);
}

/* The parent's applicant and papers, a code, a receipt and a clock of its own. */
static void test_child(void **state)
{
	Dossier__OpenChildReply *opened;
	Dossier__TrackReply *track;
	Dossier__GetCourseReply *course;
	Dossier__GetReply *got;
	struct filing f;
	struct ask a;
	char code[64], secret[64], parents[64], child[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	file_one(&a, &f, code, parents);
	REFUSED(open_child(&a, &officer, code, OTHER, "TP1", NULL), ERR_CONFLICT, "WRONG_STATE");
	assert_int_equal(accept_it(&a, &clerk, code, NULL), 0);
	assert_int_equal(forward_it(&a, &clerk, code, COMMUNE), 0);
	REFUSED(open_child(&a, &officer, code, OTHER, "TP2", NULL), ERR_INVALID, "NO_PAPER");
	REFUSED(open_child(&a, &officer, code, GONE, "TP1", NULL), ERR_INVALID,
		"AGENCY_NOT_IN_FORCE");
	REFUSED(open_child(&a, &officer, COMMUNE "-240521-9999", OTHER, "TP1", NULL), ERR_NOT_FOUND,
		"UNKNOWN_DOSSIER");
	REFUSED(open_child(&a, &district, code, OTHER, "TP1", NULL), ERR_DENIED, "NOT_IN_HAND");
	assert_int_equal(open_child(&a, &officer, code, OTHER, "TP1", &opened), 0);
	snprintf(child, sizeof(child), "%s", opened->child_code);
	snprintf(secret, sizeof(secret), "%s", opened->receipt_secret);
	assert_true(strncmp(child, OTHER "-240521-", strlen(OTHER) + 8) == 0);
	assert_int_equal(track_it(&a, child, secret, &track), 0);
	assert_int_equal(track->state, 1);
	assert_int_equal(track->n_children, 0);
	/* The parent's receipt shows how it stands, and opens no more of it. */
	assert_int_equal(track_it(&a, code, parents, &track), 0);
	assert_int_equal(track->n_children, 1);
	assert_string_equal(track->children[0]->code, child);
	assert_int_equal(track->children[0]->state, 1);
	assert_string_equal(track->children[0]->agency_name, "Cơ quan " OTHER);
	assert_false(track->children[0]->result_ready);
	assert_int_equal(track_it(&a, child, parents, NULL), ERR_NOT_FOUND);
	assert_int_equal(get_it(&a, &other_clerk, child, &got), 0);
	assert_string_equal(got->dossier->parent_code, code);
	assert_string_equal(got->dossier->applicant->number, NUMBER);
	assert_string_equal(got->dossier->supporting_agency_code, COMMUNE);
	assert_int_equal(got->dossier->components[0]->n_file_ids, 2);
	/* The parent's result waits for it. */
	REFUSED(issue_it(&a, &officer, code, "", NULL), ERR_CONFLICT, "CHILDREN_OPEN");
	assert_int_equal(CALL(&a, &officer, GetCourse, get_course, &course, in_.code = code), 0);
	assert_int_equal(course->n_children, 1);
	assert_string_equal(course->children[0]->code, child);
	assert_true(course->children[0]->required);
	assert_int_equal(course->n_hops, 1);
	assert_int_equal(accept_it(&a, &other_clerk, child, NULL), 0);
	assert_int_equal(forward_it(&a, &other_clerk, child, OTHER), 0);
	assert_int_equal(issue_it(&a, &other_officer, child, "", NULL), 0);
	assert_int_equal(track_it(&a, code, parents, &track), 0);
	assert_true(track->children[0]->result_ready);
	assert_true(track->children[0]->due_us > 0);
	assert_int_equal(issue_it(&a, &officer, code, "", NULL), 0);
	ask_done(&a);
}

/* Every item has its own outcome; the same batch again does nothing twice. */
static void test_batch(void **state)
{
	Dossier__AcceptRequest act = DOSSIER__ACCEPT_REQUEST__INIT;
	Dossier__BatchReply *out;
	const char *codes[4];
	char filed[3][64], secret[64];
	struct filing f;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	for (int i = 0; i < 3; i++) {
		file_one(&a, &f, filed[i], secret);
		codes[i] = filed[i];
	}
	codes[3] = COMMUNE "-240521-9999";
	assert_int_equal(accept_it(&a, &clerk, filed[1], NULL), 0);
#define BATCH(who, n)                                                                              \
	CALL(&a, who, Batch, batch, &out, in_.codes = codes; in_.n_codes = n;                      \
	     in_.act_case = DOSSIER__BATCH_REQUEST__ACT_ACCEPT; in_.accept = &act)
	for (int i = 0; i < 16; i++)
		a.message_id[i] = (uint8_t)(i + 1);
	assert_int_equal(BATCH(&clerk, 4), 0);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(out->n_items, 4);
		assert_int_equal(out->done, 2);
		assert_int_equal(out->items[0]->version, 2);
		assert_string_equal(out->items[1]->refusal, "WRONG_STATE");
		assert_string_equal(out->items[1]->code, filed[1]);
		assert_int_equal(out->items[2]->version, 2);
		assert_string_equal(out->items[3]->refusal, "UNKNOWN_DOSSIER");
		assert_int_equal(BATCH(&clerk, 4), 0);
		assert_true(a.reply.replayed);
	}
	memset(a.message_id, 0, sizeof(a.message_id));
	assert_int_equal(of_dossier("version", filed[0]), 2);
	/* Roles and agencies are those of the act. */
	assert_int_equal(BATCH(&officer, 1), 0);
	assert_string_equal(out->items[0]->refusal, "ROLE_REQUIRED");
	REFUSED(BATCH(&clerk, 0), ERR_INVALID, "INVALID_FIELD");
	codes[1] = codes[0];
	REFUSED(BATCH(&clerk, 2), ERR_INVALID, "DUPLICATE_CODE");
	REFUSED(CALL(&a, &clerk, Batch, batch, NULL, in_.codes = codes; in_.n_codes = 1),
		ERR_INVALID, "REQUIRED_FIELD");
#undef BATCH
	ask_done(&a);
}

static void test_course_refused(void **state)
{
	struct ask a;
	char code[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	processing(&a, BIRTH, code);
	REFUSED(CALL(&a, &district, GetCourse, get_course, NULL, in_.code = code), ERR_DENIED,
		"NOT_IN_HAND");
	REFUSED(CALL(&a, &clerk, GetCourse, get_course, NULL, in_.code = "x"), ERR_NOT_FOUND,
		"UNKNOWN_DOSSIER");
	ask_done(&a);
}

/* A history entry and an event per version; each act the applicant must know of has its notice. */
static void test_books(void **state)
{
	(void)state;
	relay_all();
	assert_int_equal(count("SELECT count(*) FROM dossier d WHERE d.version <> (SELECT count(*)"
			       " FROM feed f WHERE f.subject = d.code AND"
			       " f.type <> 'dossier.notice')"),
			 0);
	assert_int_equal(count("SELECT count(*) FROM history h WHERE action IN ('submit', 'accept',"
			       " 'issue_result', 'return', 'hand_over') AND NOT EXISTS (SELECT 1"
			       " FROM feed f WHERE f.type = 'dossier.notice'"
			       " AND f.subject = h.dossier AND f.version = h.version)"),
			 0);
	assert_int_equal(count("SELECT count(*) FROM feed WHERE position('" NUMBER "'::bytea IN"
			       " event) > 0 OR position('912345678'::bytea IN event) > 0"),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_claim),
		cmocka_unit_test(test_assign),
		cmocka_unit_test(test_stand_in),
		cmocka_unit_test(test_inbox_of_a_role),
		cmocka_unit_test(test_opinions_of_a_step),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_steps_end),
		cmocka_unit_test(test_leader_issues),
		cmocka_unit_test(test_paper),
		cmocka_unit_test(test_negative_decision),
		cmocka_unit_test(test_posted),
		cmocka_unit_test(test_child),
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_course_refused),
		cmocka_unit_test(test_books),
	};

	return cmocka_run_group_tests(tests, set_up_work, tear_down);
}
