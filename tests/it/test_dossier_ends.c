// with: tests/it/dossier_rig.c
/* Supplements, opinions, refusal, stop, withdrawal, complaint, late money: every way and refusal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lgsp/payment/v1/events.pb-c.h"
#include "tests/it/dossier_rig.h"

static const struct person leader = {"leader-31-01", "leader", COMMUNE};
static const struct person other_officer = {"officer-31-02", "officer", OTHER};
static const struct person district_leader = {"leader-31", "leader", DISTRICT};

static int64_t of_dossier(const char *what, const char *code)
{
	char sql[300];

	snprintf(sql, sizeof(sql), "SELECT %s FROM dossier WHERE code = '%s'", what, code);
	return count(sql);
}

static void set_dossier(const char *what, const char *code)
{
	char sql[300];

	snprintf(sql, sizeof(sql), "UPDATE dossier SET %s WHERE code = '%s'", what, code);
	pg_exec(rig.pg, "dossier", sql);
}

/* A dossier with a form and a component, in state 1, 2 or 4. */
static void dossier_in(struct ask *a, int state, char code[static 64], char secret[static 64])
{
	struct filing f;

	make_filing(&f);
	file_one(a, &f, code, secret);
	if (state >= 2)
		assert_int_equal(accept_it(a, &clerk, code, NULL), 0);
	if (state >= 4)
		assert_int_equal(forward_it(a, &clerk, code, COMMUNE), 0);
}

/* --- supplement --- */

static int ask_more(struct ask *a, const struct person *who, const char *code, const char *field,
		    const char *component)
{
	Dossier__SupplementItem item = DOSSIER__SUPPLEMENT_ITEM__INIT;
	Dossier__SupplementItem *items[] = {&item};

	item.field = field;
	item.component = component;
	item.reason = "unclear";
	item.text = "Bản chụp mờ, của bà Trần Thị Mẫu";
	return CALL(a, who, RequestSupplement, request_supplement, NULL, in_.code = code;
		    in_.items = items; in_.n_items = 1; in_.reply_days = 10);
}

static int answer(struct ask *a, const struct person *who, const char *code, const char *secret,
		  const char *value, const char *file, uint32_t papers)
{
	Dossier__FormField field = DOSSIER__FORM_FIELD__INIT;
	Dossier__ComponentInput input = DOSSIER__COMPONENT_INPUT__INIT;
	Dossier__FormField *form[] = {&field};
	Dossier__ComponentInput *components[] = {&input};
	const char *files[] = {file};

	field.name = "purpose";
	field.value = value ? value : "";
	input.code = "TP1";
	input.file_ids = files;
	input.n_file_ids = file ? 1 : 0;
	input.paper_copies = papers;
	return CALL(a, who, Supplement, supplement, NULL, in_.code = code;
		    in_.receipt_secret = secret; in_.form = form; in_.n_form = value ? 1 : 0;
		    in_.components = components; in_.n_components = file || papers ? 1 : 0);
}

/* From each state it may be asked in, the dossier comes back to that state. */
static void test_supplement_comes_back(void **state)
{
	static const int states[] = {1, 2, 4};
	struct ask a;
	char code[64], secret[64], sql[300];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		dossier_in(&a, states[i], code, secret);
		assert_int_equal(ask_more(&a, &clerk, code, "", "TP1"), 0);
		assert_int_equal(of_dossier("state * 10 + resumes_to", code), 50 + states[i]);
		assert_int_equal(of_dossier("(paused_at IS NOT NULL)::int", code), 1);
		assert_int_equal(answer(&a, &public, code, secret, NULL, FILE_2, 0), 0);
		assert_int_equal(of_dossier("state", code), states[i]);
		assert_int_equal(
			of_dossier("(paused_at IS NULL AND reply_due_at IS NULL)::int", code), 1);
		/* Before acceptance no clock ran, so none stood still. */
		snprintf(sql, sizeof(sql),
			 "SELECT count(*) FROM pause WHERE dossier = '%s' AND reason = "
			 "'supplement'",
			 code);
		assert_int_equal(count(sql), states[i] == 1 ? 0 : 1);
	}
	ask_done(&a);
}

/* Who holds the receipt sees what is asked, of the last request alone, until it is answered. */
static void test_track_says_what_is_asked(void **state)
{
	Dossier__TrackReply *track;
	struct ask a;
	char code[64], secret[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	dossier_in(&a, 4, code, secret);
	assert_int_equal(ask_more(&a, &clerk, code, "purpose", ""), 0);
	assert_int_equal(answer(&a, &public, code, secret, "Mua nhà", NULL, 0), 0);
	assert_int_equal(ask_more(&a, &clerk, code, "", "TP1"), 0);
	assert_int_equal(track_it(&a, code, secret, &track), 0);
	assert_int_equal(track->state, 5);
	assert_int_equal(track->n_asked, 1);
	assert_string_equal(track->asked[0]->component, "TP1");
	assert_string_equal(track->asked[0]->field, "");
	assert_string_equal(track->asked[0]->reason, "unclear");
	assert_true(track->reply_due_us > track->submitted_us);
	assert_false(track->overdue); /* the clock stands still */
	assert_int_equal(answer(&a, &public, code, secret, NULL, FILE_2, 0), 0);
	assert_int_equal(track_it(&a, code, secret, &track), 0);
	assert_int_equal(track->n_asked, 0);
	assert_int_equal(track->reply_due_us, 0);
	ask_done(&a);
}

/* The days to answer are the request's, else the procedure's. */
static void test_supplement_days(void **state)
{
	Dossier__SupplementItem item = DOSSIER__SUPPLEMENT_ITEM__INIT;
	Dossier__SupplementItem *items[] = {&item};
	Dossier__RequestSupplementReply *out;
	struct ask a;
	char code[64], secret[64];

	(void)state;
	item.component = "TP1";
	item.reason = "unclear";
	item.text = "Bản chụp mờ";
	ask_init(&a, rig.gateway, "dossier");
	set_clock("2024-05-21 09:00");
	for (uint32_t days = 0; days <= 10; days += 10) {
		dossier_in(&a, 1, code, secret);
		assert_int_equal(CALL(&a, &clerk, RequestSupplement, request_supplement, &out,
				      in_.code = code;
				      in_.items = items; in_.n_items = 1; in_.reply_days = days),
				 0);
		assert_int_equal(out->reply_due_us,
				 moment(days ? "2024-05-31 23:59" : "2024-06-20 23:59"));
	}
	set_clock(NULL);
	ask_done(&a);
}

/* The answer is a new revision; what was handed in first stays what it was. */
static void test_supplement_is_a_revision(void **state)
{
	Dossier__GetReply *got;
	struct ask a;
	char code[64], secret[64], sql[300];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	dossier_in(&a, 4, code, secret);
	assert_int_equal(ask_more(&a, &clerk, code, "purpose", ""), 0);
	assert_int_equal(answer(&a, &citizen, code, "", "Mua nhà", NULL, 0), 0);
	assert_int_equal(ask_more(&a, &clerk, code, "", "TP1"), 0);
	assert_int_equal(answer(&a, &clerk, code, "", NULL, NULL, 2), 0); /* paper at the desk */
	assert_int_equal(get_it(&a, &clerk, code, &got), 0);
	assert_string_equal(got->dossier->form[0]->value, "Mua nhà");
	assert_int_equal(got->dossier->components[0]->n_file_ids, 0);
	assert_int_equal(got->dossier->components[0]->paper_copies, 2);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM filing WHERE code = '%s' AND form_values = '{Vay vốn}'",
		 code);
	assert_int_equal(count(sql), 1);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM component_file WHERE dossier = '%s'",
		 code);
	assert_int_equal(count(sql), 2);
	/* What is wrong is told to the applicant, not to the feed. */
	relay_all();
	assert_int_equal(count_events("dossier.supplement_requested", code), 2);
	assert_int_equal(count("SELECT count(*) FROM feed WHERE position("
			       "convert_to('Bản chụp mờ', 'UTF8') IN event) > 0"),
			 0);
	ask_done(&a);
}

static void test_supplement_refused(void **state)
{
	struct ask a;
	char code[64], secret[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	dossier_in(&a, 2, code, secret);
	REFUSED(CALL(&a, &clerk, RequestSupplement, request_supplement, NULL, in_.code = code),
		ERR_INVALID, "NO_ITEM");
	REFUSED(ask_more(&a, &clerk, code, "colour", ""), ERR_INVALID, "UNKNOWN_ITEM");
	REFUSED(ask_more(&a, &other_clerk, code, "", "TP1"), ERR_DENIED, "NOT_IN_HAND");
	REFUSED(answer(&a, &citizen, code, "", NULL, FILE_2, 0), ERR_CONFLICT, "WRONG_STATE");
	assert_int_equal(ask_more(&a, &clerk, code, "", "TP1"), 0);
	REFUSED(ask_more(&a, &clerk, code, "", "TP1"), ERR_CONFLICT, "WRONG_STATE");
	REFUSED(answer(&a, &other_citizen, code, "", NULL, FILE_2, 0), ERR_DENIED, "NOT_YOURS");
	REFUSED(answer(&a, &public, code, "WRONG", NULL, FILE_2, 0), ERR_NOT_FOUND,
		"TRACK_NOT_FOUND");
	REFUSED(answer(&a, &other_clerk, code, "", NULL, FILE_2, 0), ERR_DENIED, "NOT_IN_HAND");
	REFUSED(answer(&a, &citizen, code, "", NULL, NULL, 0), ERR_INVALID, "NOT_ANSWERED");
	REFUSED(answer(&a, &citizen, code, "", NULL, NO_FILE, 0), ERR_INVALID, "FILE_UNKNOWN");
	REFUSED(answer(&a, &citizen, code, "", NULL, NULL, 1), ERR_INVALID, "INVALID_FIELD");
	REFUSED(answer(&a, &citizen, code, "", "Khác", FILE_2, 0), ERR_INVALID, "NOT_ASKED");
	assert_int_equal(answer(&a, &citizen, code, "", NULL, FILE_2, 0), 0);
	/* The whole form keeps its rules: the field is required. */
	assert_int_equal(ask_more(&a, &clerk, code, "purpose", ""), 0);
	assert_int_equal(answer(&a, &citizen, code, "", " ", NULL, 0), ERR_INVALID);
	ask_done(&a);
}

/* Nobody answered: refused when not accepted yet, else stopped. */
static void test_supplement_expires(void **state)
{
	static const struct {
		int from, to;
	} ways[] = {{1, 3}, {2, 8}, {4, 8}};
	struct ask a;
	char code[64], secret[64], sql[300];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		dossier_in(&a, ways[i].from, code, secret);
		assert_int_equal(ask_more(&a, &clerk, code, "", "TP1"), 0);
		set_dossier("reply_due_at = '2024-05-20 23:59+07'", code);
		wait_state(code, ways[i].to);
		assert_int_equal(of_dossier("(reason = 'no_answer')::int", code), 1);
		assert_int_equal(of_dossier("(finished_at IS NOT NULL)::int", code),
				 ways[i].to == 3);
		snprintf(sql, sizeof(sql),
			 "SELECT count(*) FROM history WHERE dossier = '%s' AND action = 'expire'"
			 " AND reason = 'no_answer' AND agency = ''",
			 code);
		assert_int_equal(count(sql), 1);
	}
	/* A stopped one can go on. */
	assert_int_equal(
		CALL(&a, &officer, ContinueProcessing, continue_processing, NULL, in_.code = code),
		0);
	assert_int_equal(of_dossier("state", code), 4);
	ask_done(&a);
}

/* --- refuse, stop, withdraw --- */

static void test_refuse(void **state)
{
	struct ask a;
	char code[64], secret[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	dossier_in(&a, 1, code, secret);
#define REFUSE(who, why, words)                                                                    \
	CALL(&a, who, Refuse, refuse, NULL, in_.code = code; in_.reason = why; in_.note = words)
	REFUSED(REFUSE(&clerk, "no_answer", "…"), ERR_INVALID, "UNKNOWN_REASON"); /* a job's */
	REFUSED(REFUSE(&clerk, "incomplete", ""), ERR_INVALID, "REQUIRED_FIELD");
	REFUSED(REFUSE(&other_clerk, "incomplete", "…"), ERR_DENIED, "NOT_IN_HAND");
	REFUSED(REFUSE(&officer, "incomplete", "…"), ERR_DENIED, "ROLE_REQUIRED");
	assert_int_equal(REFUSE(&clerk, "incomplete", "Thiếu giấy tờ"), 0);
	assert_int_equal(of_dossier("state * 10 + verdict", code), 30);
	REFUSED(REFUSE(&clerk, "incomplete", "…"), ERR_CONFLICT, "WRONG_STATE");
	dossier_in(&a, 2, code, secret);
	REFUSED(REFUSE(&clerk, "incomplete", "…"), ERR_CONFLICT, "WRONG_STATE");
#undef REFUSE
	ask_done(&a);
}

static void test_stop_and_continue(void **state)
{
	struct ask a;
	char code[64], secret[64];
	int64_t due;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	dossier_in(&a, 2, code, secret);
#define STOP(who, why, words)                                                                      \
	CALL(&a, who, Stop, stop, NULL, in_.code = code; in_.reason = why; in_.note = words)
	REFUSED(STOP(&officer, "incorrect", "…"), ERR_INVALID, "UNKNOWN_REASON");
	REFUSED(STOP(&other_officer, "dispute", "…"), ERR_DENIED, "NOT_IN_HAND");
	assert_int_equal(STOP(&officer, "dispute", "Có tranh chấp"), 0);
	assert_int_equal(of_dossier("state * 10 + resumes_to", code), 82);
	/* A week later the due date is a week later, too. */
	due = of_dossier("extract(epoch FROM due_at)::bigint", code);
	set_dossier("paused_at = paused_at - interval '7 days'", code);
	assert_int_equal(
		CALL(&a, &officer, ContinueProcessing, continue_processing, NULL, in_.code = code),
		0);
	assert_int_equal(of_dossier("state", code), 4);
	assert_true(of_dossier("extract(epoch FROM due_at)::bigint", code) - due >= 7 * 86400);
	REFUSED(CALL(&a, &officer, ContinueProcessing, continue_processing, NULL, in_.code = code),
		ERR_CONFLICT, "WRONG_STATE");
	/* Out of a supplement, too. */
	assert_int_equal(ask_more(&a, &clerk, code, "", "TP1"), 0);
	assert_int_equal(STOP(&officer, "applicant_absent", "Không liên hệ được"), 0);
	assert_int_equal(of_dossier("state * 10 + resumes_to", code), 84);
	dossier_in(&a, 1, code, secret);
	assert_int_equal(ask_more(&a, &clerk, code, "", "TP1"), 0);
	REFUSED(STOP(&officer, "dispute", "…"), ERR_CONFLICT, "WRONG_STATE"); /* not accepted */
#undef STOP
	ask_done(&a);
}

/* The lists are the directory's, of the day; some reasons ask for words; without a list nothing
 * goes. */
static void test_reasons_are_the_directorys(void **state)
{
	struct ask a;
	char code[64], secret[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	dossier_in(&a, 1, code, secret);
#define WITHDRAW(why, words)                                                                       \
	CALL(&a, &citizen, Withdraw, withdraw, NULL, in_.code = code; in_.reason = why;            \
	     in_.note = words)
	REFUSED(WITHDRAW("other", ""), ERR_INVALID, "REQUIRED_FIELD");
	REFUSED(WITHDRAW("moved_away", ""), ERR_INVALID, "UNKNOWN_REASON");
	pg_exec(rig.pg, "dossier",
		"INSERT INTO ref_category VALUES ('reason-withdrawal', 'moved_away', 'Chuyển đi',"
		" 'moved', false, '2024-05-01', '2024-05-20')");
	REFUSED(WITHDRAW("moved_away", ""), ERR_INVALID, "UNKNOWN_REASON"); /* until yesterday */
	pg_exec(rig.pg, "dossier",
		"UPDATE ref_category SET valid_to = 'infinity' WHERE code = 'moved_away'");
	pg_exec(rig.pg, "dossier",
		"UPDATE ref_category SET category = 'away' WHERE category = 'reason-stop'");
	assert_int_equal(WITHDRAW("moved_away", ""), 0);
#undef WITHDRAW
	dossier_in(&a, 2, code, secret);
	REFUSED(CALL(&a, &officer, Stop, stop, NULL, in_.code = code; in_.reason = "dispute";
		     in_.note = "…"),
		ERR_UNAVAILABLE, "NO_REASONS");
	pg_exec(rig.pg, "dossier",
		"UPDATE ref_category SET category = 'reason-stop' WHERE category = 'away'");
	ask_done(&a);
}

static int withdraw(struct ask *a, const struct person *who, const char *code, const char *secret,
		    const char *note)
{
	return CALL(a, who, Withdraw, withdraw, NULL, in_.code = code; in_.receipt_secret = secret;
		    in_.reason = "not_needed"; in_.note = note);
}

static void test_withdraw(void **state)
{
	struct ask a;
	char code[64], secret[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	dossier_in(&a, 1, code, secret);
	REFUSED(withdraw(&a, &other_citizen, code, "", ""), ERR_DENIED, "NOT_YOURS");
	REFUSED(CALL(&a, &citizen, Withdraw, withdraw, NULL, in_.code = code; in_.reason = "bored"),
		ERR_INVALID, "UNKNOWN_REASON");
	assert_int_equal(withdraw(&a, &public, code, secret, ""), 0);
	assert_int_equal(of_dossier("state * 10 + verdict", code), 72);
	REFUSED(withdraw(&a, &citizen, code, "", ""), ERR_CONFLICT, "WRONG_STATE");
	dossier_in(&a, 4, code, secret);
	REFUSED(withdraw(&a, &clerk, code, "", ""), ERR_INVALID, "REQUIRED_FIELD");
	REFUSED(withdraw(&a, &other_clerk, code, "", "Đơn"), ERR_DENIED, "NOT_IN_HAND");
	/* Open to the public, and yet of staff only to the desk's. */
	REFUSED(withdraw(&a, &officer, code, "", "Đơn"), ERR_DENIED, "ROLE_REQUIRED");
	REFUSED(withdraw(&a, &cashier, code, "", "Đơn"), ERR_DENIED, "ROLE_REQUIRED");
	assert_int_equal(withdraw(&a, &clerk, code, "", "Đơn xin rút ngày 21/5"), 0);
	assert_int_equal(of_dossier("state", code), 7);
	relay_all();
	assert_int_equal(count_events("dossier.withdrawn", code), 1);
	ask_done(&a);
}

/* --- opinions --- */

static int ask_opinion(struct ask *a, const struct person *who, const char *code,
		       const char *agency, bool pauses)
{
	return CALL(a, who, RequestOpinion, request_opinion, NULL, in_.code = code;
		    in_.agency_code = agency; in_.question = "Ý kiến về quy hoạch?"; in_.hours = 8;
		    in_.pauses_clock = pauses);
}

static int give(struct ask *a, const struct person *who, const char *code, int opinion, int answer_,
		const char *text, Dossier__GiveOpinionReply **out)
{
	return CALL(a, who, GiveOpinion, give_opinion, out, in_.code = code; in_.opinion = opinion;
		    in_.answer = (Dossier__OpinionAnswer)answer_; in_.text = text);
}

/* Two in parallel: the clock stands until the last that stops it is there. */
static void test_opinions(void **state)
{
	Dossier__GetReply *got;
	struct ask a;
	char code[64], secret[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	dossier_in(&a, 4, code, secret);
	REFUSED(ask_opinion(&a, &officer, code, COMMUNE, true), ERR_INVALID, "OWN_AGENCY");
	REFUSED(ask_opinion(&a, &officer, code, GONE, true), ERR_INVALID, "AGENCY_NOT_IN_FORCE");
	REFUSED(ask_opinion(&a, &district, code, OTHER, true), ERR_DENIED, "NOT_IN_HAND");
	REFUSED(get_it(&a, &district, code, NULL), ERR_DENIED, "NOT_IN_HAND");
	assert_int_equal(ask_opinion(&a, &officer, code, DISTRICT, true), 0);
	assert_int_equal(ask_opinion(&a, &officer, code, OTHER, false), 0);
	assert_int_equal(of_dossier("opinions_open * 10 + opinions_pausing", code), 21);
	assert_int_equal(of_dossier("(state = 4 AND pause_kind = 'outside')::int", code), 1);
	assert_int_equal(get_it(&a, &district, code, &got), 0); /* who is asked may read */
	assert_int_equal(got->dossier->opinions_open, 2);
	REFUSED(issue_it(&a, &officer, code, "", NULL), ERR_CONFLICT, "OPINIONS_OPEN");
	REFUSED(give(&a, &other_officer, code, 1, 1, "", NULL), ERR_DENIED, "NOT_IN_HAND");
	REFUSED(give(&a, &district, code, 3, 1, "", NULL), ERR_NOT_FOUND, "UNKNOWN_OPINION");
	REFUSED(give(&a, &district, code, 1, 0, "", NULL), ERR_INVALID, "REQUIRED_FIELD");
	REFUSED(give(&a, &district, code, 1, 2, "", NULL), ERR_INVALID, "REQUIRED_FIELD");
	/* Asked meanwhile for a supplement: the one pause ends where the other begins. */
	assert_int_equal(ask_more(&a, &clerk, code, "", "TP1"), 0);
	assert_int_equal(answer(&a, &citizen, code, "", NULL, FILE_2, 0), 0);
	assert_int_equal(of_dossier("(pause_kind = 'outside')::int", code), 1);
	assert_int_equal(give(&a, &district, code, 1, 3, "", NULL), 0);
	assert_int_equal(of_dossier("(paused_at IS NULL)::int", code), 1);
	REFUSED(give(&a, &district, code, 1, 1, "", NULL), ERR_CONFLICT, "OPINION_CLOSED");
	assert_int_equal(
		CALL(&a, &officer, WithdrawOpinion, withdraw_opinion, NULL, in_.code = code;
		     in_.opinion = 2),
		0);
	REFUSED(CALL(&a, &officer, WithdrawOpinion, withdraw_opinion, NULL, in_.code = code;
		     in_.opinion = 2),
		ERR_CONFLICT, "OPINION_CLOSED");
	assert_int_equal(issue_it(&a, &officer, code, "", NULL), 0);
	ask_done(&a);
}

static void test_late_opinion(void **state)
{
	Dossier__GiveOpinionReply *out;
	struct ask a;
	char code[64], secret[64], sql[200];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	dossier_in(&a, 4, code, secret);
	assert_int_equal(ask_opinion(&a, &officer, code, DISTRICT, false), 0);
	assert_int_equal(ask_opinion(&a, &officer, code, OTHER, false), 0);
	snprintf(sql, sizeof(sql),
		 "UPDATE opinion SET due_at = '2024-05-20 17:00+07' WHERE dossier = '%s'", code);
	pg_exec(rig.pg, "dossier", sql);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM opinion WHERE dossier = '%s' AND late",
		 code);
	assert_true(pg_wait_int(rig.pg, "dossier", sql, 2, 15000));
	assert_int_equal(give(&a, &district, code, 1, 2, "Chưa phù hợp quy hoạch", &out), 0);
	assert_true(out->late);
	/* Withdrawn dossiers wait for nobody. */
	assert_int_equal(withdraw(&a, &citizen, code, "", ""), 0);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM opinion WHERE dossier = '%s' AND state = 1", code);
	assert_int_equal(count(sql), 0);
	relay_all();
	assert_int_equal(count_events("dossier.opinion_late", code), 2);
	ask_done(&a);
}

/* --- complaint --- */

static int complain(struct ask *a, const struct person *who, const char *code, const char *secret)
{
	return CALL(a, who, Complain, complain, NULL, in_.code = code; in_.receipt_secret = secret;
		    in_.text = "Kết quả sai tên");
}

static int answer_complaint(struct ask *a, const struct person *who, const char *code, int n,
			    bool upheld)
{
	return CALL(a, who, AnswerComplaint, answer_complaint, NULL, in_.code = code;
		    in_.complaint = n; in_.upheld = upheld; in_.text = "Đã kiểm tra");
}

static int reopen(struct ask *a, const struct person *who, const char *code, int n)
{
	return CALL(a, who, Reopen, reopen, NULL, in_.code = code; in_.complaint = n;
		    in_.reason = "result_incorrect");
}

static void test_complaint(void **state)
{
	Dossier__GetReply *got;
	struct ask a;
	char code[64], secret[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	dossier_in(&a, 4, code, secret);
	REFUSED(complain(&a, &citizen, code, ""), ERR_CONFLICT, "WRONG_STATE");
	assert_int_equal(issue_it(&a, &officer, code, "", NULL), 0);
	REFUSED(complain(&a, &other_citizen, code, ""), ERR_DENIED, "NOT_YOURS");
	assert_int_equal(complain(&a, &public, code, secret), 0);
	REFUSED(complain(&a, &citizen, code, ""), ERR_CONFLICT, "COMPLAINT_OPEN");
	REFUSED(reopen(&a, &leader, code, 1), ERR_CONFLICT, "COMPLAINT_NOT_UPHELD");
	REFUSED(answer_complaint(&a, &district_leader, code, 1, false), ERR_DENIED, "NOT_IN_HAND");
	REFUSED(answer_complaint(&a, &leader, code, 2, false), ERR_NOT_FOUND, "UNKNOWN_COMPLAINT");
	assert_int_equal(answer_complaint(&a, &leader, code, 1, false), 0);
	REFUSED(answer_complaint(&a, &leader, code, 1, true), ERR_CONFLICT, "COMPLAINT_ANSWERED");
	REFUSED(reopen(&a, &leader, code, 1), ERR_CONFLICT, "COMPLAINT_NOT_UPHELD");
	assert_int_equal(return_it(&a, &clerk, code, "desk"), 0);
	assert_int_equal(complain(&a, &citizen, code, ""), 0);
	assert_int_equal(answer_complaint(&a, &leader, code, 2, true), 0);
	REFUSED(reopen(&a, &officer, code, 2), ERR_DENIED, "ROLE_REQUIRED");
	REFUSED(reopen(&a, &leader, code, 3), ERR_NOT_FOUND, "UNKNOWN_COMPLAINT");
	assert_int_equal(reopen(&a, &leader, code, 2), 0);
	/* As before the result, with a clock of its own. */
	assert_int_equal(get_it(&a, &clerk, code, &got), 0);
	assert_int_equal(got->dossier->state, 4);
	assert_int_equal(got->dossier->verdict, 0);
	assert_int_equal(got->dossier->finished_us, 0);
	assert_string_equal(got->dossier->result_number, "");
	assert_string_equal(got->dossier->reason, "result_incorrect");
	assert_true(got->dossier->due_us > 0);
	assert_int_equal(issue_it(&a, &officer, code, "", NULL), 0);
	assert_int_equal(of_dossier("results", code), 2);
	ask_done(&a);
}

/* --- money --- */

static void say_expired(const char *code)
{
	Payment__PaymentExpired ev = PAYMENT__PAYMENT_EXPIRED__INIT;

	ev.order_id = "order-1";
	ev.dossier_code = code;
	peer_publish(rig.payment, "payment.expired", ev.order_id, 3, &ev.base);
}

/* An order that ran out stops the dossier; money that comes later is recorded where it stands. */
static void test_unpaid(void **state)
{
	struct ask a;
	char code[64], secret[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	dossier_in(&a, 2, code, secret);
	assert_int_equal(ask_payment(&a, &clerk, code, 1, NULL), 0);
	assert_int_equal(of_dossier("finance_state", code), 1);
	say_expired(code);
	wait_state(code, 8);
	assert_int_equal(of_dossier("finance_state", code), 4);
	assert_int_equal(of_dossier("(reason = 'unpaid')::int", code), 1);
	say_paid(code, 15000);
	assert_true(pg_wait_int(rig.pg, "dossier",
				"SELECT count(*) FROM dossier WHERE state = 8 AND fee_paid", 1,
				10000));
	assert_int_equal(of_dossier("finance_state", code), 2);
	relay_all();
	assert_int_equal(count_events("dossier.payment_recorded", code), 1);
	assert_int_equal(count_events("dossier.resumed", code), 0);
	/* An order that ran out when nothing waits for it changes nothing. */
	dossier_in(&a, 2, code, secret);
	assert_int_equal(ask_payment(&a, &clerk, code, 1, NULL), 0);
	assert_int_equal(withdraw(&a, &citizen, code, "", ""), 0);
	say_expired(code);
	say_paid(code, 15000);
	assert_true(pg_wait_int(rig.pg, "dossier",
				"SELECT count(*) FROM dossier WHERE state = 7 AND fee_paid", 1,
				10000));
	assert_int_equal(count("SELECT count(*) FROM dead_letter"), 0);
	ask_done(&a);
}

/* An event per version; every act the applicant must know of has its notice. */
static void test_books(void **state)
{
	(void)state;
	relay_all();
	assert_int_equal(count("SELECT count(*) FROM dossier d WHERE d.version <> (SELECT count(*)"
			       " FROM feed f WHERE f.subject = d.code AND"
			       " f.type <> 'dossier.notice')"),
			 0);
	assert_int_equal(
		count("SELECT count(*) FROM history h WHERE action IN ('accept', 'refuse',"
		      " 'request_supplement', 'supplement', 'stop', 'continue', 'withdraw',"
		      " 'expire', 'reopen', 'pay', 'complain', 'answer_complaint')"
		      " AND NOT EXISTS (SELECT 1 FROM feed f WHERE f.type ="
		      " 'dossier.notice' AND f.subject = h.dossier"
		      " AND f.version = h.version)"),
		0);
	assert_int_equal(count("SELECT count(*) FROM feed WHERE position('" NUMBER "'::bytea IN"
			       " event) > 0 OR position('912345678'::bytea IN event) > 0"),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_supplement_comes_back),
		cmocka_unit_test(test_track_says_what_is_asked),
		cmocka_unit_test(test_supplement_days),
		cmocka_unit_test(test_supplement_is_a_revision),
		cmocka_unit_test(test_supplement_refused),
		cmocka_unit_test(test_supplement_expires),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_stop_and_continue),
		cmocka_unit_test(test_reasons_are_the_directorys),
		cmocka_unit_test(test_withdraw),
		cmocka_unit_test(test_opinions),
		cmocka_unit_test(test_late_opinion),
		cmocka_unit_test(test_complaint),
		cmocka_unit_test(test_unpaid),
		cmocka_unit_test(test_books),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
