// with: services/dossier/rules_fees.c services/dossier/rules.c
/* What is to be paid when, what holds up which act, and what the applicant is freed from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/base/base.h"
#include "services/dossier/rules_fees.h"

#define COUNTER     DOSSIER__CHANNEL__CHANNEL_COUNTER
#define PORTAL      DOSSIER__CHANNEL__CHANNEL_OWN_PORTAL
#define FEES_DURING RULES_FEES(DURING)
#define FEES_AFTER  RULES_FEES(AFTER)
#define FEE(n)      DOSSIER__FEE_STATE__FEE_STATE_##n
#define MONEY(n)    DOSSIER__FINANCE_STATE__FINANCE_STATE_##n

/* One fee of each timing; the first is free of charge online, the second is per page. */
struct sample {
	Dossier__Procedure p;
	Dossier__FeeItem item[3], *items[3];
	struct rules_fees fees;
	struct err err;
};

static void make(struct sample *s, Dossier__Channel channel)
{
	static const char *const codes[] = {"ho-so", "tham-dinh", "ket-qua"};

	memset(s, 0, sizeof(*s));
	dossier__procedure__init(&s->p);
	s->p.code = "1.000001";
	s->p.fee_kind = "phi";
	for (int i = 0; i < 3; i++) {
		dossier__fee_item__init(&s->item[i]);
		s->item[i].code = s->item[i].name = codes[i];
		s->item[i].kind = "phi";
		s->item[i].amount_vnd = 10000 * (i + 1);
		s->item[i].timing = (Dossier__FeeTiming)(i + 1);
		s->items[i] = &s->item[i];
		s->p.fee_vnd += s->item[i].amount_vnd;
	}
	s->item[0].exempt_online = true;
	s->item[1].per = "page";
	s->p.fees = s->items;
	s->p.n_fees = 3;
	rules_fees_of(&s->p, channel, &s->fees);
}

static const char *open_item(const struct sample *s, unsigned timings)
{
	const struct rules_fee *f = rules_fees_open(&s->fees, timings);

	return f ? f->item : "";
}

static void test_of_procedure(void **state)
{
	struct sample s;

	(void)state;
	make(&s, COUNTER);
	assert_int_equal(s.fees.n, 3);
	assert_string_equal(open_item(&s, RULES_FEES_ALL), "ho-so");
	assert_int_equal(rules_fees_state(&s.fees), MONEY(UNSPECIFIED));
	assert_int_equal(rules_fees_asked_vnd(&s.fees), 0);
	make(&s, PORTAL);
	assert_string_equal(open_item(&s, RULES_FEES_BEFORE), "");
	assert_string_equal(open_item(&s, RULES_FEES_ALL), "tham-dinh");
	/* Without items there is one amount per quantity, at any time. */
	s.p.n_fees = 0;
	rules_fees_of(&s.p, PORTAL, &s.fees);
	assert_int_equal(s.fees.n, 1);
	assert_string_equal(open_item(&s, RULES_FEES_BEFORE | FEES_DURING), "");
	assert_int_equal(rules_fees_ask(&s.fees, RULES_FEES_AT_WORK, 2, &s.err), 120000);
	s.p.fee_vnd = 0;
	rules_fees_of(&s.p, PORTAL, &s.fees);
	assert_int_equal(s.fees.n, 0);
	assert_int_equal(rules_fees_state(&s.fees), MONEY(UNSPECIFIED));
}

/* Acts that a fee of each timing holds up. */
static void test_holds_up(void **state)
{
	static const struct {
		enum rules_action action;
		bool negative, before, during, after;
	} cases[] = {
		{RULES_FORWARD, false, true, false, false},
		{RULES_NEXT_STEP, false, true, false, false},
		{RULES_REQUEST_OPINION, false, true, false, false},
		{RULES_OPEN_CHILD, false, true, false, false},
		{RULES_SIGN_OFF, false, true, false, false},
		{RULES_ISSUE_RESULT, false, true, true, false},
		{RULES_RETURN, false, true, true, true},
		{RULES_RETURN, true, true, true, false},
		{RULES_ACCEPT, false, false, false, false},
		{RULES_CLAIM, false, false, false, false},
		{RULES_REQUEST_SUPPLEMENT, false, false, false, false},
		{RULES_STOP, false, false, false, false},
		{RULES_CONTINUE, false, false, false, false},
		{RULES_WITHDRAW, false, false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned t = rules_fees_before(cases[i].action, cases[i].negative);

		assert_int_equal((t & RULES_FEES_BEFORE) != 0, cases[i].before);
		assert_int_equal((t & FEES_DURING) != 0, cases[i].during);
		assert_int_equal((t & FEES_AFTER) != 0, cases[i].after);
		assert_int_equal(t & RULES_FEES(UNSPECIFIED), 0); /* holds up nothing */
	}
}

static void test_asked_by_timing(void **state)
{
	struct sample s;

	(void)state;
	make(&s, COUNTER);
	assert_int_equal(rules_fees_ask(&s.fees, RULES_FEES_BEFORE, 4, &s.err), 10000);
	assert_int_equal(rules_fees_state(&s.fees), MONEY(REQUESTED));
	assert_int_equal(rules_fees_pay(&s.fees, 10000), 0);
	assert_int_equal(rules_fees_state(&s.fees), MONEY(PAID));
	assert_string_equal(open_item(&s, RULES_FEES_BEFORE), "");
	assert_string_equal(open_item(&s, RULES_FEES_BEFORE | FEES_DURING), "tham-dinh");
	/* Each request has its number; what is counted is asked for by quantity. */
	assert_int_equal(rules_fees_ask(&s.fees, RULES_FEES_AT_WORK, 4, &s.err), 80000);
	assert_int_equal(rules_fees_item(&s.fees, "tham-dinh")->request, 2);
	assert_int_equal(rules_fees_item(&s.fees, "tham-dinh")->quantity, 4);
	assert_int_equal(rules_fees_pay(&s.fees, 79999), -1);
	assert_int_equal(rules_fees_pay(&s.fees, 80001), -1);
	assert_int_equal(rules_fees_state(&s.fees), MONEY(REQUESTED));
	assert_int_equal(rules_fees_pay(&s.fees, 80000), 0);
	assert_int_equal(rules_fees_ask(&s.fees, RULES_FEES_ALL, 0, &s.err), 30000);
	assert_int_equal(rules_fees_asked_vnd(&s.fees), 120000);
	assert_int_equal(rules_fees_ask(&s.fees, RULES_FEES_ALL, RULES_QUANTITY_MAX + 1, &s.err),
			 ERR_INVALID);
	assert_string_equal(s.err.items[0].field, "quantity");
}

static void refused(struct sample *s, unsigned timings, const char *code)
{
	s->err.status = 0;
	s->err.n_items = 0;
	assert_int_equal(rules_fees_ask(&s->fees, timings, 1, &s->err), 0);
	assert_int_equal(rules_fees_refuse(&s->fees, timings, s->p.code, &s->err), ERR_CONFLICT);
	assert_string_equal(err_code(&s->err), code);
}

static void test_nothing_to_ask_for(void **state)
{
	struct sample s;

	(void)state;
	make(&s, COUNTER);
	s.p.n_fees = 0;
	s.p.fee_vnd = 0;
	rules_fees_of(&s.p, COUNTER, &s.fees);
	refused(&s, RULES_FEES_ALL, "NO_FEE");
	make(&s, COUNTER);
	assert_true(rules_fees_ask(&s.fees, RULES_FEES_AT_WORK, 1, &s.err) > 0);
	refused(&s, RULES_FEES_AT_WORK, "FEE_ASKED");
	assert_int_equal(rules_fees_pay(&s.fees, 30000), 0);
	refused(&s, RULES_FEES_AT_WORK, "FEE_LATER");
	assert_true(rules_fees_ask(&s.fees, RULES_FEES_ALL, 1, &s.err) > 0);
	assert_int_equal(rules_fees_pay(&s.fees, 30000), 0);
	refused(&s, RULES_FEES_ALL, "FEE_PAID");
	make(&s, COUNTER); /* without items, once there is a result */
	s.p.n_fees = 0;
	rules_fees_of(&s.p, COUNTER, &s.fees);
	refused(&s, RULES_FEES_TIMED, "FEE_TOO_LATE");
	make(&s, PORTAL);
	s.p.n_fees = 1;
	rules_fees_of(&s.p, PORTAL, &s.fees);
	assert_int_equal(rules_fees_state(&s.fees), MONEY(EXEMPT));
	refused(&s, RULES_FEES_ALL, "FEE_EXEMPT");
}

/* An order that ran out can be asked for again, and is paid when the money comes late. */
static void test_expired(void **state)
{
	struct sample s;

	(void)state;
	make(&s, COUNTER);
	rules_fees_ask(&s.fees, RULES_FEES_BEFORE, 1, &s.err);
	rules_fees_expire(&s.fees);
	assert_int_equal(rules_fees_state(&s.fees), MONEY(EXPIRED));
	assert_string_equal(open_item(&s, RULES_FEES_BEFORE), "ho-so");
	assert_int_equal(rules_fees_ask(&s.fees, RULES_FEES_BEFORE, 1, &s.err), 10000);
	assert_int_equal(rules_fees_item(&s.fees, "ho-so")->request, 2);
	rules_fees_expire(&s.fees);
	assert_int_equal(rules_fees_pay(&s.fees, 10000), 0);
	assert_int_equal(rules_fees_state(&s.fees), MONEY(PAID));
}

/* --- rows --- */

static void test_rows_known(void **state)
{
	struct rules_fee row = {.item = "tham-dinh",
				.name = "",
				.state = FEE(REQUESTED),
				.quantity = 3,
				.amount_vnd = 60000,
				.exempt_vnd = 20000,
				.request = 1};
	struct sample s;

	(void)state;
	make(&s, COUNTER);
	rules_fees_know(&s.fees, &row);
	assert_int_equal(rules_fees_sum(&s.fees, FEE(REQUESTED)), 40000);
	assert_int_equal(rules_fees_item(&s.fees, "tham-dinh")->timing,
			 DOSSIER__FEE_TIMING__FEE_TIMING_DURING);
	/* Paid under an older version of the procedure: it counts, and holds up nothing. */
	row.item = "cu";
	row.state = FEE(PAID);
	rules_fees_know(&s.fees, &row);
	assert_int_equal(rules_fees_asked_vnd(&s.fees), 80000);
	row.state = FEE(DUE);
	row.item = "bo";
	rules_fees_know(&s.fees, &row);
	assert_null(rules_fees_item(&s.fees, "bo"));
	/* From before there were items: it stands for all of them. */
	make(&s, COUNTER);
	row.item = "";
	row.state = FEE(PAID);
	rules_fees_know(&s.fees, &row);
	assert_string_equal(open_item(&s, RULES_FEES_ALL), "");
}

/* --- exemption --- */

static int64_t exempt(struct sample *s, const char *item, int64_t vnd, const char *basis,
		      const char *paper)
{
	Dossier__FeeExemption e = DOSSIER__FEE_EXEMPTION__INIT, *list[] = {&e};
	Dossier__ExemptFeeRequest in = DOSSIER__EXEMPT_FEE_REQUEST__INIT;
	int64_t vnd_out = 0;

	e.item = item;
	e.amount_vnd = vnd;
	e.legal_basis = basis;
	e.evidence = paper;
	in.exemptions = list;
	in.n_exemptions = 1;
	memset(&s->err, 0, sizeof(s->err));
	rules_fees_exempt(&s->fees, &in, &vnd_out, &s->err);
	return vnd_out;
}
#define LAW   "Luật Phí và lệ phí, Điều 10"
#define PAPER "Giấy chứng nhận hộ nghèo 12/2024"

static void test_exempt_in_part(void **state)
{
	struct sample s;

	(void)state;
	make(&s, COUNTER);
	assert_int_equal(exempt(&s, "ket-qua", 10000, LAW, PAPER), 10000);
	assert_int_equal(rules_fees_state(&s.fees), MONEY(UNSPECIFIED));
	assert_int_equal(rules_fees_ask(&s.fees, RULES_FEES_ALL, 1, &s.err), 10000 + 20000 + 20000);
	/* Of what is asked for; the rest, and what was paid beyond it when the money was on its
	 * way. */
	assert_int_equal(exempt(&s, "ket-qua", 5000, LAW, PAPER), 5000);
	assert_int_equal(rules_fees_sum(&s.fees, FEE(REQUESTED)), 45000);
	assert_int_equal(exempt(&s, "ket-qua", 0, LAW, PAPER), 15000);
	assert_int_equal(rules_fees_item(&s.fees, "ket-qua")->state, FEE(EXEMPT));
	assert_int_equal(rules_fees_pay(&s.fees, 50000), 20000);
	assert_int_equal(rules_fees_state(&s.fees), MONEY(PAID));
	assert_int_equal(rules_fees_asked_vnd(&s.fees), 30000);
}

static void test_exempt_from_all(void **state)
{
	static const char *const items[] = {"ho-so", "tham-dinh", "ket-qua"};
	struct sample s;

	(void)state;
	make(&s, COUNTER);
	for (size_t i = 0; i < ARRAY_LEN(items); i++)
		assert_int_equal(exempt(&s, items[i], 0, LAW, PAPER), 10000 * ((int64_t)i + 1));
	assert_int_equal(rules_fees_state(&s.fees), MONEY(EXEMPT));
	assert_string_equal(open_item(&s, RULES_FEES_ALL), "");
	refused(&s, RULES_FEES_ALL, "FEE_EXEMPT");
	assert_int_equal(rules_fees_pay(&s.fees, 1), -1);
}

static void test_exemption_refused(void **state)
{
	static const struct {
		const char *item;
		int64_t vnd;
		const char *basis, *paper, *code, *field;
	} cases[] = {
		{"gi-do", 0, LAW, PAPER, "UNKNOWN_FEE", "exemptions[0]"},
		{"ket-qua", 30001, LAW, PAPER, "INVALID_FIELD", "exemptions[0].amount_vnd"},
		{"ket-qua", -1, LAW, PAPER, "INVALID_FIELD", "exemptions[0].amount_vnd"},
		{"ket-qua", 0, "", PAPER, "REQUIRED_FIELD", "exemptions[0].legal_basis"},
		{"ket-qua", 0, LAW, "", "REQUIRED_FIELD", "exemptions[0].evidence"},
		{"ho-so", 0, LAW, PAPER, "FEE_PAID", "exemptions[0]"},
		{"tham-dinh", 0, LAW, PAPER, "FEE_EXEMPT", "exemptions[0]"},
	};
	struct sample s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		make(&s, COUNTER);
		rules_fees_ask(&s.fees, RULES_FEES_BEFORE, 1, &s.err);
		rules_fees_pay(&s.fees, 10000);
		exempt(&s, "tham-dinh", 0, LAW, PAPER);
		assert_int_equal(
			exempt(&s, cases[i].item, cases[i].vnd, cases[i].basis, cases[i].paper), 0);
		assert_string_equal(err_code(&s.err), cases[i].code);
		assert_string_equal(s.err.items[0].field, cases[i].field);
		assert_int_equal(rules_fees_item(&s.fees, "ket-qua")->exempt_vnd, 0);
	}
}

/* All of a request, or nothing of it. */
static void test_exemption_is_whole(void **state)
{
	Dossier__FeeExemption e[2] = {DOSSIER__FEE_EXEMPTION__INIT, DOSSIER__FEE_EXEMPTION__INIT};
	Dossier__FeeExemption *list[] = {&e[0], &e[1]};
	Dossier__ExemptFeeRequest in = DOSSIER__EXEMPT_FEE_REQUEST__INIT;
	struct sample s;
	int64_t vnd[2];

	(void)state;
	make(&s, COUNTER);
	for (int i = 0; i < 2; i++) {
		e[i].item = "ket-qua";
		e[i].legal_basis = LAW;
		e[i].evidence = PAPER;
	}
	in.exemptions = list;
	in.n_exemptions = 2;
	rules_fees_exempt(&s.fees, &in, vnd, &s.err);
	assert_string_equal(err_code(&s.err), "DUPLICATE_FEE");
	assert_string_equal(s.err.items[0].field, "exemptions[1]");
	assert_int_equal(rules_fees_item(&s.fees, "ket-qua")->exempt_vnd, 0);
	in.n_exemptions = 0;
	memset(&s.err, 0, sizeof(s.err));
	rules_fees_exempt(&s.fees, &in, vnd, &s.err);
	assert_string_equal(s.err.items[0].field, "exemptions");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_procedure),      cmocka_unit_test(test_holds_up),
		cmocka_unit_test(test_asked_by_timing),   cmocka_unit_test(test_nothing_to_ask_for),
		cmocka_unit_test(test_expired),           cmocka_unit_test(test_rows_known),
		cmocka_unit_test(test_exempt_in_part),    cmocka_unit_test(test_exempt_from_all),
		cmocka_unit_test(test_exemption_refused), cmocka_unit_test(test_exemption_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
