// with: tests/it/dossier_rig.c
/* Fees by timing, from acceptance to hand-over; exemption; orders that ran out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lgsp/payment/v1/events.pb-c.h"
#include "tests/it/dossier_rig.h"

#define LAW   "Luật Phí và lệ phí, Điều 10"
#define PAPER "Giấy chứng nhận hộ nghèo 12/2024"

static const struct person leader = {"leader-31-01", "leader", COMMUNE};
static struct ask a;

/* The birth procedure costs: 10000 before, 20000 a page during, 30000 with the result. */
static int set_up_fees(void **state)
{
	static Dossier__FeeItem item[3];
	static Dossier__FeeItem *items[3];
	static const char *const codes[] = {"ho-so", "tham-dinh", "ket-qua"};
	struct bundle b;
	struct ask ops;

	if (set_up(state) < 0)
		return -1;
	make_bundle(&b);
	for (int i = 0; i < 3; i++) {
		dossier__fee_item__init(&item[i]);
		item[i].code = codes[i];
		item[i].name = "Phí";
		item[i].kind = "phi";
		item[i].amount_vnd = 10000 * (i + 1);
		item[i].per = i == 1 ? "page" : "";
		item[i].timing = (Dossier__FeeTiming)(i + 1);
		items[i] = &item[i];
	}
	b.p[1].fee_kind = "phi";
	b.p[1].fee_vnd = 60000;
	b.p[1].fees = items;
	b.p[1].n_fees = 3;
	b.p[2].valid_from = "2021-01-01"; /* only with the result */
	b.p[2].fee_kind = "phi";
	b.p[2].fee_vnd = 30000;
	b.p[2].fees = items + 2;
	b.p[2].n_fees = 1;
	ask_init(&ops, rig.ops, "dossier");
	CHECK(import(&ops, &b) == 2);
	ask_done(&ops);
	ask_init(&a, rig.gateway, "dossier");
	return 0;
}

static int tear_down_fees(void **state)
{
	ask_done(&a);
	return tear_down(state);
}

static int64_t of_dossier(const char *what, const char *code)
{
	char sql[300];

	snprintf(sql, sizeof(sql), "SELECT %s FROM dossier WHERE code = '%s'", what, code);
	return count(sql);
}

static int64_t of_fee(const char *what, const char *code, const char *item)
{
	char sql[300];

	snprintf(sql, sizeof(sql), "SELECT %s FROM fee WHERE dossier = '%s' AND item = '%s'", what,
		 code, item);
	return count(sql);
}

static void file_it(char code[static 64], const char *procedure)
{
	struct filing f;
	char secret[64];

	make_plain(&f);
	f.in.procedure_code = procedure;
	file_one(&a, &f, code, secret);
}

static int accept_for(const char *code, uint32_t quantity, Dossier__AcceptReply **out)
{
	return CALL(&a, &clerk, Accept, accept, out, in_.code = code; in_.quantity = quantity);
}

static int exempt(const struct person *who, const char *code, const char *item, int64_t vnd,
		  Dossier__ExemptFeeReply **out)
{
	Dossier__FeeExemption e = DOSSIER__FEE_EXEMPTION__INIT, *list[] = {&e};

	e.item = item;
	e.amount_vnd = vnd;
	e.legal_basis = LAW;
	e.evidence = PAPER;
	return CALL(&a, who, ExemptFee, exempt_fee, out, in_.code = code; in_.exemptions = list;
		    in_.n_exemptions = 1; in_.note = "Hộ nghèo");
}

static void say_expired(const char *code)
{
	Payment__PaymentExpired ev = PAYMENT__PAYMENT_EXPIRED__INIT;

	ev.order_id = "order-1";
	ev.dossier_code = code;
	peer_publish(rig.payment, "payment.expired", ev.order_id, 3, &ev.base);
}

static void pay_it(const char *code, int64_t vnd)
{
	say_paid(code, vnd);
	wait_state(code, 4);
}

/* --- timing --- */

/* A fee before the processing is asked for by the acceptance itself; the clock stops. */
static void test_before_is_asked_at_acceptance(void **state)
{
	Dossier__AcceptReply *out;
	char code[64];

	(void)state;
	file_it(code, BIRTH);
	assert_int_equal(accept_for(code, 7, &out), 0);
	assert_int_equal(out->state, 6);
	assert_int_equal(out->amount_vnd, 10000); /* not counted by quantity */
	assert_int_equal(out->version, 3);
	assert_int_equal(of_dossier("state * 10 + finance_state", code), 61);
	assert_int_equal(of_dossier("(pause_kind = 'payment')::int", code), 1);
	relay_all();
	assert_int_equal(count_events("dossier.accepted", code), 1);
	assert_int_equal(count_events("dossier.payment_requested", code), 1);
	REFUSED(forward_it(&a, &clerk, code, COMMUNE), ERR_CONFLICT, "WRONG_STATE");
	pay_it(code, 10000);
	assert_int_equal(forward_it(&a, &clerk, code, DISTRICT), 0);
}

/* Stopped as unpaid and continued: nothing moves on until it is asked for again and paid. */
static void test_before_holds_up_the_processing(void **state)
{
	char code[64];

	(void)state;
	file_it(code, BIRTH);
	assert_int_equal(accept_for(code, 0, NULL), 0);
	say_expired(code);
	wait_state(code, 8);
	assert_int_equal(of_dossier("finance_state", code), 4);
	assert_int_equal(
		CALL(&a, &officer, ContinueProcessing, continue_processing, NULL, in_.code = code),
		0);
	REFUSED(forward_it(&a, &clerk, code, DISTRICT), ERR_CONFLICT, "FEE_NOT_PAID");
	assert_non_null(strstr(a.err.items[0].en, "ho-so"));
	REFUSED(CALL(&a, &officer, RequestOpinion, request_opinion, NULL, in_.code = code;
		     in_.agency_code = DISTRICT; in_.question = "?"; in_.hours = 8),
		ERR_CONFLICT, "FEE_NOT_PAID");
	REFUSED(CALL(&a, &leader, SignOff, sign_off, NULL, in_.code = code), ERR_CONFLICT,
		"FEE_NOT_PAID");
	REFUSED(issue_it(&a, &officer, code, "", NULL), ERR_CONFLICT, "FEE_NOT_PAID");
	assert_int_equal(CALL(&a, &officer, Claim, claim, NULL, in_.code = code), 0);
	assert_int_equal(ask_payment(&a, &officer, code, 2, NULL), 0); /* with what is due during */
	wait_state(code, 6);
	assert_int_equal(of_fee("request", code, "ho-so"), 2);
	pay_it(code, 10000 + 2 * 20000);
	assert_int_equal(of_dossier("fee_vnd", code), 50000);
	assert_int_equal(forward_it(&a, &officer, code, DISTRICT), 0);
}

/* A fee during the processing holds up the result, one after it the hand-over. */
static void test_during_and_after(void **state)
{
	Dossier__RequestPaymentReply *asked;
	Dossier__IssueResultReply *issued;
	char code[64];

	(void)state;
	file_it(code, BIRTH);
	assert_int_equal(accept_for(code, 0, NULL), 0);
	pay_it(code, 10000);
	REFUSED(issue_it(&a, &officer, code, "", NULL), ERR_CONFLICT, "FEE_NOT_PAID");
	assert_non_null(strstr(a.err.items[0].en, "tham-dinh"));
	assert_int_equal(ask_payment(&a, &officer, code, 3, &asked), 0);
	assert_int_equal(asked->amount_vnd, 60000);
	pay_it(code, 60000);
	REFUSED(ask_payment(&a, &officer, code, 1, NULL), ERR_CONFLICT, "FEE_LATER");
	assert_int_equal(issue_it(&a, &officer, code, "", &issued), 0);
	assert_int_equal(issued->amount_vnd, 30000); /* asked for with the result */
	assert_int_equal(of_dossier("state * 10 + finance_state", code), 91);
	REFUSED(return_it(&a, &clerk, code, "desk"), ERR_CONFLICT, "FEE_NOT_PAID");
	assert_non_null(strstr(a.err.items[0].en, "ket-qua"));
	REFUSED(ask_payment(&a, &clerk, code, 1, NULL), ERR_CONFLICT, "FEE_ASKED");
}

/* The order for it ran out: the state stays, it is asked for again, and the result handed over. */
static void test_after_ran_out(void **state)
{
	char code[64];

	(void)state;
	file_it(code, FUTURE);
	assert_int_equal(accept_for(code, 0, NULL), 0);
	assert_int_equal(of_dossier("state", code), 2);
	assert_int_equal(forward_it(&a, &clerk, code, COMMUNE), 0);
	assert_int_equal(issue_it(&a, &officer, code, "", NULL), 0);
	REFUSED(ask_payment(&a, &clerk, code, 1, NULL), ERR_CONFLICT, "FEE_ASKED");
	say_expired(code);
	assert_true(pg_wait_int(rig.pg, "dossier",
				"SELECT count(*) FROM dossier WHERE state = 9 AND"
				" finance_state = 4",
				1, 10000));
	REFUSED(return_it(&a, &clerk, code, "desk"), ERR_CONFLICT, "FEE_NOT_PAID");
	assert_int_equal(ask_payment(&a, &clerk, code, 1, NULL), 0);
	say_paid(code, 30000);
	assert_true(pg_wait_int(rig.pg, "dossier",
				"SELECT count(*) FROM dossier WHERE state = 9 AND fee_paid", 1,
				10000));
	assert_int_equal(return_it(&a, &clerk, code, "desk"), 0);
	relay_all();
	assert_int_equal(count_events("dossier.payment_expired", code), 1);
	assert_int_equal(count_events("dossier.payment_recorded", code), 1);
}

/* With a negative decision nothing is due for the result. */
static void test_not_with_a_negative_result(void **state)
{
	char code[64];

	(void)state;
	file_it(code, FUTURE);
	assert_int_equal(accept_for(code, 0, NULL), 0);
	assert_int_equal(forward_it(&a, &clerk, code, COMMUNE), 0);
	assert_int_equal(CALL(&a, &officer, IssueResult, issue_result, NULL, in_.code = code;
			      in_.result_number = "13/TB";
			      in_.decision = DOSSIER__DECISION__DECISION_REFUSED;
			      in_.reason = "planning"; in_.note = "Không phù hợp quy hoạch"),
			 0);
	assert_int_equal(of_dossier("finance_state", code), 0);
	assert_int_equal(return_it(&a, &clerk, code, "desk"), 0);
}

/* --- exemption --- */

/* Before acceptance: nothing is asked for then. */
static void test_exempt_before_acceptance(void **state)
{
	Dossier__ExemptFeeReply *out;
	Dossier__AcceptReply *accepted;
	char code[64];

	(void)state;
	file_it(code, BIRTH);
	assert_int_equal(exempt(&clerk, code, "ho-so", 0, &out), 0);
	assert_int_equal(out->state, 1);
	assert_int_equal(out->finance_state, 0); /* the others are due later */
	assert_int_equal(accept_for(code, 0, &accepted), 0);
	assert_int_equal(accepted->state, 2);
	assert_int_equal(accepted->amount_vnd, 0);
	assert_int_equal(forward_it(&a, &clerk, code, DISTRICT), 0);
}

/* From all that the dossier waits for: the processing goes on, and payment hears of it. */
static void test_exempt_from_what_is_waited_for(void **state)
{
	Dossier__GetCourseReply *course;
	Dossier__ExemptFeeReply *out;
	char code[64], sql[300];

	(void)state;
	file_it(code, BIRTH);
	assert_int_equal(accept_for(code, 0, NULL), 0);
	assert_int_equal(exempt(&clerk, code, "ho-so", 4000, &out), 0);
	assert_int_equal(out->state, 6);
	assert_int_equal(out->requested_vnd, 6000);
	assert_int_equal(out->finance_state, 1);
	assert_int_equal(exempt(&officer, code, "ho-so", 0, &out), 0);
	assert_int_equal(out->state, 4);
	assert_int_equal(out->requested_vnd, 0);
	assert_true(out->due_us > 0);
	assert_int_equal(of_dossier("fee_vnd", code), 0);
	assert_int_equal(of_dossier("(pause_kind = '')::int", code), 1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(exempt(&leader, code, i == 0 ? "tham-dinh" : "ket-qua", 0, &out),
				 0);
	assert_int_equal(out->finance_state, 3);
	assert_int_equal(of_dossier("finance_state", code), 3);
	relay_all();
	assert_int_equal(count_events("dossier.fee_exempted", code), 4);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM feed WHERE subject = '%s' AND type = 'dossier.fee_exempted'"
		 " AND position('12/2024'::bytea IN event) > 0",
		 code);
	assert_int_equal(count(sql), 0); /* the evidence stays here */
	assert_int_equal(CALL(&a, &officer, GetCourse, get_course, &course, in_.code = code), 0);
	assert_int_equal(course->n_fees, 3);
	assert_string_equal(course->fees[0]->item, "ho-so");
	assert_int_equal(course->fees[0]->state, DOSSIER__FEE_STATE__FEE_STATE_EXEMPT);
	assert_int_equal(course->fees[0]->exempt_vnd, 10000);
	assert_string_equal(course->fees[0]->legal_basis, LAW);
	assert_string_equal(course->fees[0]->evidence, PAPER);
	assert_int_equal(issue_it(&a, &officer, code, "", NULL), 0);
	assert_int_equal(return_it(&a, &clerk, code, "desk"), 0);
}

/* The old amount was paid meanwhile: paid, and what is beyond it is told. */
static void test_paid_when_exempt_in_part(void **state)
{
	char code[64];

	(void)state;
	file_it(code, BIRTH);
	assert_int_equal(accept_for(code, 0, NULL), 0);
	assert_int_equal(exempt(&clerk, code, "ho-so", 4000, NULL), 0);
	pay_it(code, 10000);
	assert_int_equal(of_dossier("finance_state", code), 2);
	assert_int_equal(of_dossier("fee_vnd", code), 6000);
	assert_int_equal(count("SELECT count(*) FROM dead_letter"), 0);
}

static void test_exemption_refused(void **state)
{
	char code[64];

	(void)state;
	file_it(code, BIRTH);
	REFUSED(exempt(&clerk, code, "gi-do", 0, NULL), ERR_INVALID, "UNKNOWN_FEE");
	REFUSED(exempt(&clerk, code, "ho-so", 10001, NULL), ERR_INVALID, "INVALID_FIELD");
	REFUSED(exempt(&other_clerk, code, "ho-so", 0, NULL), ERR_DENIED, "NOT_IN_HAND");
	REFUSED(exempt(&cashier, code, "ho-so", 0, NULL), ERR_DENIED, "ROLE_REQUIRED");
	REFUSED(exempt(&citizen, code, "ho-so", 0, NULL), ERR_DENIED, "EXPOSURE_DENIED");
	assert_int_equal(exempt(&clerk, code, "ho-so", 0, NULL), 0);
	REFUSED(exempt(&clerk, code, "ho-so", 0, NULL), ERR_CONFLICT, "FEE_EXEMPT");
	REFUSED(accept_for(code, 10001, NULL), ERR_INVALID, "INVALID_FIELD");
	assert_int_equal(accept_for(code, 0, NULL), 0);
	REFUSED(ask_payment(&a, &clerk, code, 10001, NULL), ERR_INVALID, "INVALID_FIELD");
	assert_int_equal(ask_payment(&a, &clerk, code, 1, NULL), 0);
	pay_it(code, 20000);
	REFUSED(exempt(&clerk, code, "tham-dinh", 0, NULL), ERR_CONFLICT, "FEE_PAID");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_is_asked_at_acceptance),
		cmocka_unit_test(test_before_holds_up_the_processing),
		cmocka_unit_test(test_during_and_after),
		cmocka_unit_test(test_after_ran_out),
		cmocka_unit_test(test_not_with_a_negative_result),
		cmocka_unit_test(test_exempt_before_acceptance),
		cmocka_unit_test(test_exempt_from_what_is_waited_for),
		cmocka_unit_test(test_paid_when_exempt_in_part),
		cmocka_unit_test(test_exemption_refused),
	};

	return cmocka_run_group_tests(tests, set_up_fees, tear_down_fees);
}
