// with: tests/it/dossier_rig.c
/* The catalogue at work: channels by date, procedures in full, forms with rules between fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tests/it/dossier_rig.h"

/* Imports the bundle with one channel's dates changed. */
static int set_portal(struct ask *a, const char *opens, const char *closes)
{
	struct bundle b;

	make_bundle(&b);
	b.channel[2].opens = opens;
	b.channel[2].closes = closes;
	b.channel[2].instead = closes[0] ? "https://dichvucong.gov.vn" : "";
	return import(a, &b);
}

/* A closed channel is named with the day it closed and the place to go to. */
static void test_closed_channel(void **state)
{
	struct ask ops, a;
	struct filing f;

	(void)state;
	ask_init(&ops, rig.ops, "dossier");
	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	assert_int_equal(submit(&a, &citizen, &f, NULL), 0);
	assert_int_equal(set_portal(&ops, "2021-01-01", "2024-05-20"), 1);
	assert_int_equal(refuse(&a, &citizen, &f, "CHANNEL_CLOSED", "channel"), ERR_INVALID);
	assert_non_null(strstr(a.err.items[0].en, "2024-05-21: https://dichvucong.gov.vn"));
	assert_non_null(strstr(a.err.items[0].vi, "2024-05-21: https://dichvucong.gov.vn"));
	/* Until the end of its last day it is open. */
	assert_int_equal(set_portal(&ops, "2021-01-01", "2024-05-21"), 1);
	assert_int_equal(submit(&a, &citizen, &f, NULL), 0);
	assert_int_equal(set_portal(&ops, "2024-05-22", ""), 1);
	assert_int_equal(refuse(&a, &citizen, &f, "CHANNEL_CLOSED", "channel"), ERR_INVALID);
	assert_non_null(strstr(a.err.items[0].en, "2024-05-22"));
	/* Others are not touched. */
	f.in.channel = DOSSIER__CHANNEL__CHANNEL_POST;
	assert_int_equal(submit(&a, &clerk, &f, NULL), 0);
	ask_done(&ops);
	ask_done(&a);
}

/* A list that leaves a channel out closes it; the same list again is no new version. */
static void test_list_is_whole(void **state)
{
	struct ask ops, a;
	struct bundle b;
	struct filing f;
	int64_t versions;

	(void)state;
	ask_init(&ops, rig.ops, "dossier");
	ask_init(&a, rig.gateway, "dossier");
	make_bundle(&b);
	b.in.n_channels = 3; /* not the national portal */
	assert_int_equal(import(&ops, &b), 1);
	make_filing(&f);
	assert_int_equal(submit(&a, &citizen, &f, NULL), 0);
	ask_done(&a);
	ask_init(&a, rig.one_stop, "dossier");
	f.in.channel = DOSSIER__CHANNEL__CHANNEL_NATIONAL_PORTAL;
	assert_int_equal(refuse(&a, NULL, &f, "CHANNEL_CLOSED", "channel"), ERR_INVALID);
	make_bundle(&b);
	assert_int_equal(import(&ops, &b), 1);
	assert_int_equal(submit(&a, NULL, &f, NULL), 0);
	versions = count("SELECT max(version) FROM channel_rule");
	assert_int_equal(import(&ops, &b), 0);
	b.in.n_channels = 0; /* says nothing of channels */
	assert_int_equal(import(&ops, &b), 0);
	assert_int_equal(count("SELECT max(version) FROM channel_rule"), versions);
	ask_done(&ops);
	ask_done(&a);
}

static void test_refused_channels(void **state)
{
	struct bundle b;
	struct ask ops;

	(void)state;
	ask_init(&ops, rig.ops, "dossier");
	make_bundle(&b);
	b.channel[1].opens = "2021-02-30";
	assert_int_equal(import(&ops, &b), ERR_INVALID);
	assert_true(ask_has(&ops, "INVALID_FIELD", "channels[1].opens"));
	make_bundle(&b);
	b.channel[4] = b.channel[3];
	b.in.n_channels = 5;
	assert_int_equal(import(&ops, &b), ERR_INVALID);
	assert_true(ask_has(&ops, "INVALID_FIELD", "channels[4]"));
	ask_done(&ops);
}

/* What a procedure says of itself comes back as it was imported, and goes out in its event. */
static void test_procedure_in_full(void **state)
{
	Dossier__LegalBasis basis = DOSSIER__LEGAL_BASIS__INIT, *bases[] = {&basis};
	Dossier__Condition when = DOSSIER__CONDITION__INIT;
	const char *const values[] = {"Ly hôn"};
	Dossier__GetProcedureReply *got;
	struct filing f;
	struct bundle b;
	struct ask a;

	(void)state;
	ask_init(&a, rig.ops, "dossier");
	make_bundle(&b);
	basis.number = "60/2014/QH13";
	basis.title = "Luật Hộ tịch";
	b.p[0].legal_bases = bases;
	b.p[0].n_legal_bases = 1;
	b.p[0].online_service = DOSSIER__ONLINE_SERVICE__ONLINE_SERVICE_FULL;
	b.p[0].online_eligible = true;
	b.p[0].decided_on = "2024-01-02";
	b.p[0].published_on = "2024-01-12";
	when.field = "purpose";
	when.values = (const char **)values;
	when.n_values = 1;
	b.component[1].required_if = &when;
	assert_int_equal(import(&a, &b), 1);
	assert_int_equal(CALL(&a, NULL, GetProcedure, get_procedure, &got, in_.code = MARRIAGE), 0);
	assert_string_equal(got->procedure->legal_bases[0]->number, "60/2014/QH13");
	assert_int_equal(got->procedure->online_service,
			 DOSSIER__ONLINE_SERVICE__ONLINE_SERVICE_FULL);
	assert_string_equal(got->procedure->published_on, "2024-01-12");
	relay_all();
	assert_int_equal(count("SELECT count(*) FROM feed WHERE type = 'dossier.procedure_put'"
			       " AND position('2024-01-12'::bytea IN event) > 0"),
			 1);
	ask_done(&a);

	/* The other paper is asked for only when the form says so. */
	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	assert_int_equal(submit(&a, &citizen, &f, NULL), 0);
	f.field.value = "Ly hôn";
	assert_int_equal(refuse(&a, &citizen, &f, "MISSING_COMPONENT", "components"), ERR_INVALID);
	ask_done(&a);
}

/* Fees by item: per copy or once, and free of charge through a portal where the law says so. */
static void test_fees_by_item(void **state)
{
	Dossier__FeeItem item[2] = {DOSSIER__FEE_ITEM__INIT, DOSSIER__FEE_ITEM__INIT};
	Dossier__FeeItem *items[] = {&item[0], &item[1]};
	Dossier__AcceptReply *accepted;
	Dossier__SubmitReply *filed;
	struct bundle b;
	struct filing f;
	struct ask a;
	char code[64], secret[64], sql[160];

	(void)state;
	ask_init(&a, rig.ops, "dossier");
	make_bundle(&b);
	for (int i = 0; i < 2; i++) {
		item[i].code = i == 0 ? "cap" : "ban-sao";
		item[i].name = "Lệ phí";
		item[i].kind = "le_phi";
		item[i].amount_vnd = i == 0 ? 10000 : 5000;
		item[i].per = i == 0 ? "" : "copy";
		item[i].timing = DOSSIER__FEE_TIMING__FEE_TIMING_BEFORE;
		item[i].exempt_online = true;
	}
	b.p[1].fee_kind = "le_phi";
	b.p[1].fee_vnd = 15000;
	b.p[1].fees = items;
	b.p[1].n_fees = 2;
	assert_true(import(&a, &b) >= 1);
	ask_done(&a);

	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	file_one(&a, &f, code, secret);
	assert_int_equal(accept_it(&a, &clerk, code, &accepted), 0);
	assert_int_equal(accepted->state, DOSSIER__DOSSIER_STATE__DOSSIER_STATE_ACCEPTED);
	snprintf(sql, sizeof(sql), "SELECT finance_state FROM dossier WHERE code = '%s'", code);
	assert_int_equal(count(sql), DOSSIER__FINANCE_STATE__FINANCE_STATE_EXEMPT);
	assert_int_equal(ask_payment(&a, &clerk, code, 3, NULL), ERR_CONFLICT);
	assert_true(ask_has(&a, "FEE_EXEMPT", "code"));
	f.in.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
	assert_int_equal(submit(&a, &clerk, &f, &filed), 0);
	snprintf(code, sizeof(code), "%s", filed->code);
	assert_int_equal(
		CALL(&a, &clerk, Accept, accept, &accepted, in_.code = code; in_.quantity = 3), 0);
	assert_int_equal(accepted->amount_vnd, 10000 + 3 * 5000);
	ask_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed_channel),   cmocka_unit_test(test_list_is_whole),
		cmocka_unit_test(test_refused_channels), cmocka_unit_test(test_procedure_in_full),
		cmocka_unit_test(test_fees_by_item),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
