// with: tests/it/dossier_rig.c
/* The life of dossiers: catalogue, every step and every refusal of one, payment, due dates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/civil.h"
#include "common/base/crypt.h"
#include "lgsp/digitisation/v1/events.pb-c.h"
#include "tests/it/dossier_rig.h"

/* --- catalogue --- */

static void test_import(void **state)
{
	Dossier__GetProcedureReply *got;
	Dossier__ListProceduresReply *list;
	struct bundle b;
	struct ask a;

	(void)state;
	ask_init(&a, rig.ops, "dossier");
	make_bundle(&b);
	assert_int_equal(import(&a, &b), 0); /* the set-up imported it */
	b.p[1].limit_value = 5;
	assert_int_equal(import(&a, &b), 1);
	assert_int_equal(import(&a, &b), 0);
	assert_int_equal(CALL(&a, NULL, GetProcedure, get_procedure, &got, in_.code = BIRTH), 0);
	assert_int_equal(got->procedure->version, 2);
	assert_int_equal(got->procedure->limit_value, 5);
	assert_int_equal(count("SELECT count(*) FROM procedure_version"), 4);

	assert_int_equal(CALL(&a, NULL, GetProcedure, get_procedure, &got, in_.code = FUTURE),
			 ERR_NOT_FOUND);
	assert_int_equal(CALL(&a, NULL, GetProcedure, get_procedure, &got, in_.code = FUTURE;
			      in_.on_date = "2025-06-01"),
			 0);
	assert_int_equal(CALL(&a, NULL, GetProcedure, get_procedure, &got, in_.code = FUTURE;
			      in_.on_date = "1/6/2025"),
			 ERR_INVALID);
	assert_int_equal(CALL(&a, NULL, ListProcedures, list_procedures, &list, (void)0), 0);
	assert_int_equal(list->n_procedures, 2);
	assert_string_equal(list->procedures[0]->code, BIRTH);
	assert_int_equal(
		CALL(&a, NULL, ListProcedures, list_procedures, &list, in_.after_code = BIRTH;
		     in_.limit = 1; in_.field = "Hộ tịch"),
		0);
	assert_int_equal(list->n_procedures, 1);
	assert_string_equal(list->procedures[0]->code, MARRIAGE);
	assert_int_equal(list->procedures[0]->n_components, 2);
	assert_int_equal(CALL(&a, NULL, ListProcedures, list_procedures, &list, in_.limit = 201),
			 ERR_INVALID);

	/* Two first days of one code are two versions; the same twice is a mistake. */
	b.p[2].code = BIRTH;
	assert_int_equal(import(&a, &b), 1);
	b.p[2].valid_from = "2021-01-01";
	assert_int_equal(import(&a, &b), ERR_INVALID);
	assert_true(ask_has(&a, "DUPLICATE_PROCEDURE", "procedures[2]"));
	b.p[2].code = FUTURE;
	b.p[2].levels = "Q";
	assert_int_equal(import(&a, &b), ERR_INVALID);
	assert_true(ask_has(&a, "INVALID_FIELD", "procedures[2].levels"));
	ask_done(&a);

	ask_init(&a, rig.gateway, "dossier");
	make_bundle(&b);
	assert_int_equal(ask(&a, &clerk, "ImportProfile", &b.in.base, NULL, NULL), ERR_DENIED);
	assert_int_equal(count("SELECT count(*) FROM procedure_version"), 5);
	ask_done(&a);
}

/* --- one life --- */

static void test_whole_life(void **state)
{
	Dossier__SubmitReply *filed;
	Dossier__AcceptReply *accepted;
	Dossier__RequestPaymentReply *payment;
	Dossier__IssueResultReply *issued;
	Dossier__TrackReply *track;
	Dossier__GetReply *got;
	struct filing f;
	struct ask a;
	char code[64], secret[64], sql[256];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	assert_int_equal(submit(&a, &citizen, &f, &filed), 0);
	assert_true(strncmp(filed->code, COMMUNE "-240521-", 17) == 0);
	assert_int_equal(strlen(filed->receipt_secret), 24);
	assert_int_equal(civil_of_us(filed->submitted_us), civil_from_ymd(2024, 5, 21));
	assert_int_equal(filed->n_files, 2);
	assert_string_equal(filed->files[1]->file_id, FILE_2);
	assert_int_equal(filed->files[1]->sha256[63], '2');
	snprintf(code, sizeof(code), "%s", filed->code);
	snprintf(secret, sizeof(secret), "%s", filed->receipt_secret);

	assert_int_equal(accept_it(&a, &clerk, code, &accepted), 0);
	assert_int_equal(civil_of_us(accepted->due_us), civil_from_ymd(2024, 5, 24));
	assert_false(accepted->due_provisional);
	snprintf(sql, sizeof(sql),
		 "SELECT (extract(epoch FROM due_at) * 1000000)::bigint FROM history"
		 " WHERE dossier = '%s' AND version = 2",
		 code);
	assert_int_equal(count(sql), accepted->due_us);

	assert_int_equal(ask_payment(&a, &clerk, code, 2, &payment), 0);
	assert_int_equal(payment->amount_vnd, 30000);
	assert_int_equal(track_it(&a, code, secret, &track), 0);
	assert_int_equal(track->state, 6);
	assert_int_equal(track->fee_vnd, 30000);
	assert_false(track->fee_paid);
	assert_int_equal(track->finance_state, 1);
	assert_false(track->overdue || track->result_ready);
	assert_int_equal(track->n_asked + track->n_children, 0);
	/* Another pause that began in the same instant and ended at once is no obstacle. */
	snprintf(sql, sizeof(sql),
		 "INSERT INTO pause (dossier, from_at, to_at, reason)"
		 " SELECT code, paused_at, paused_at, 'payment' FROM dossier WHERE code = '%s'",
		 code);
	pg_exec(rig.pg, "dossier", sql);
	say_paid(code, 30000);
	wait_state(code, 4);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM (SELECT from_at FROM pause WHERE dossier = '%s'"
		 " GROUP BY from_at HAVING count(*) = 2) p",
		 code);
	assert_int_equal(count(sql), 1);

	assert_int_equal(forward_it(&a, &officer, code, DISTRICT), 0);
	assert_int_equal(issue_it(&a, &officer, code, FILE_1, NULL), ERR_DENIED); /* handed over */
	assert_int_equal(issue_it(&a, &district, code, FILE_1, &issued), 0);
	assert_int_equal(issued->verdict, DOSSIER__VERDICT__VERDICT_EARLY);
	assert_int_equal(track_it(&a, code, secret, &track), 0);
	assert_true(track->result_ready);
	assert_int_equal(track->handover_state, 1);
	assert_int_equal(return_it(&a, &clerk, code, "desk"), 0);
	assert_int_equal(rate_it(&a, &public, code, secret), 0);
	assert_int_equal(rate_it(&a, &citizen, code, ""), ERR_CONFLICT);
	assert_true(ask_has(&a, "ALREADY_RATED", NULL));

	a.purpose = "kiểm tra";
	assert_int_equal(get_it(&a, &clerk, code, &got), 0);
	a.purpose = NULL;
	assert_int_equal(got->dossier->version, 8);
	assert_int_equal(got->n_history, 8);
	assert_int_equal(got->dossier->state, 10);
	assert_string_equal(got->dossier->applicant->number, NUMBER);
	assert_string_equal(got->dossier->applicant->phone, "0912345678");
	assert_string_equal(got->dossier->form[0]->value, "Vay vốn");
	assert_int_equal(got->dossier->components[0]->n_file_ids, 2);
	assert_string_equal(got->dossier->components[0]->file_ids[0], FILE_1);
	assert_string_equal(got->dossier->holder_agency_code, DISTRICT);
	assert_true(got->dossier->fee_paid);
	for (size_t i = 0; i < got->n_history; i++)
		assert_int_equal(got->history[i]->version, i + 1);
	assert_string_equal(got->history[1]->actor, "clerk-31-01");
	assert_string_equal(got->history[4]->note, "Chuyển xử lý");
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM read_log WHERE dossier = '%s' AND subject = 'clerk-31-01'"
		 " AND purpose = 'kiểm tra' AND agency = '" COMMUNE "'",
		 code);
	assert_int_equal(count(sql), 1);

	assert_int_equal(track_it(&a, code, secret, &track), 0);
	assert_int_equal(track->n_steps, 7); /* the rating is no step */
	assert_string_equal(track->steps[4]->agency_name, "Cơ quan " DISTRICT);
	assert_string_equal(track->procedure_name, "Cấp Giấy xác nhận tình trạng hôn nhân");
	ask_done(&a);
}

/* One event per version, in order, none with personal data. */
/* Filed before components stood beside the filing, or taken over: read from their own rows. */
static void test_filing_from_before(void **state)
{
	Dossier__GetReply *kept, *read;
	char code[64], secret[64], sql[200];
	struct filing f;
	struct ask a, before;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	ask_init(&before, rig.gateway, "dossier");
	make_filing(&f);
	file_one(&a, &f, code, secret);
	assert_int_equal(get_it(&before, &clerk, code, &kept), 0);
	snprintf(sql, sizeof(sql),
		 "UPDATE filing SET handed_in = NULL, handed_in_version = 0 WHERE code = '%s'",
		 code);
	pg_exec_owner(rig.pg, "dossier", "ALTER TABLE filing DISABLE TRIGGER filing_append_only");
	pg_exec_owner(rig.pg, "dossier", sql);
	pg_exec_owner(rig.pg, "dossier", "ALTER TABLE filing ENABLE TRIGGER filing_append_only");
	assert_int_equal(get_it(&a, &clerk, code, &read), 0);
	assert_int_equal(kept->dossier->n_components, 2);
	assert_int_equal(read->dossier->n_components, kept->dossier->n_components);
	for (size_t i = 0; i < kept->dossier->n_components; i++) {
		const Dossier__ComponentInput *one = kept->dossier->components[i],
					      *other = read->dossier->components[i];

		assert_string_equal(one->code, other->code);
		assert_int_equal(one->paper_copies, other->paper_copies);
		assert_int_equal(one->n_file_ids, other->n_file_ids);
		for (size_t j = 0; j < one->n_file_ids; j++)
			assert_string_equal(one->file_ids[j], other->file_ids[j]);
	}
	assert_string_equal(read->dossier->form[0]->value, kept->dossier->form[0]->value);
	ask_done(&a);
	ask_done(&before);
}

static void test_events(void **state)
{
	static const char *const types[] = {
		"dossier.submitted", "dossier.accepted",  "dossier.payment_requested",
		"dossier.resumed",   "dossier.forwarded", "dossier.result_issued",
		"dossier.returned",  "dossier.rated",
	};
	static const char *const code = COMMUNE "-240521-0001";
	int64_t last = 0;

	(void)state;
	relay_all();
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		int64_t pos = ask_feed("min(pos)", types[i], code);

		assert_int_equal(count_events(types[i], code), 1);
		assert_true(pos > last);
		last = pos;
	}
	assert_int_equal(
		count("SELECT count(*) FROM feed WHERE position('" NUMBER "'::bytea IN event) > 0"),
		0);
	assert_int_equal(count("SELECT count(*) FROM feed WHERE position("
			       "convert_to('Mẫu', 'UTF8') IN event) > 0"),
			 0);
	assert_int_equal(count("SELECT count(*) FROM feed WHERE position("
			       "'912345678'::bytea IN event) > 0"),
			 0);
	assert_true(count("SELECT count(*) FROM feed f JOIN filing g ON"
			  " position(convert_to(g.owner_key, 'UTF8') IN f.event) > 0") >= 2);
}

static void test_late(void **state)
{
	Dossier__IssueResultReply *issued;
	struct filing f;
	struct ask a;
	char code[64], secret[64], sql[160];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	file_one(&a, &f, code, secret);
	assert_int_equal(accept_it(&a, &clerk, code, NULL), 0);
	assert_int_equal(forward_it(&a, &clerk, code, COMMUNE), 0); /* desk to its own unit */
	assert_int_equal(forward_it(&a, &clerk, code, COMMUNE), ERR_CONFLICT);
	assert_true(ask_has(&a, "SAME_AGENCY", "to_agency_code"));
	snprintf(sql, sizeof(sql),
		 "UPDATE dossier SET due_at = '2024-05-20 17:30+07' WHERE code = '%s'", code);
	pg_exec(rig.pg, "dossier", sql);
	assert_int_equal(issue_it(&a, &officer, code, "", &issued), 0);
	assert_int_equal(issued->verdict, DOSSIER__VERDICT__VERDICT_LATE);
	snprintf(sql, sizeof(sql), "SELECT handoffs FROM dossier WHERE code = '%s'", code);
	assert_int_equal(count(sql), 0);
	ask_done(&a);
}

static void test_refused_steps(void **state)
{
	struct filing f;
	struct ask a;
	char code[64], secret[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	file_one(&a, &f, code, secret);
	REFUSED(accept_it(&a, &clerk, COMMUNE "-240521-9998", NULL), ERR_NOT_FOUND,
		"UNKNOWN_DOSSIER");
	REFUSED(accept_it(&a, &other_clerk, code, NULL), ERR_DENIED, "NOT_IN_HAND");
	REFUSED(accept_it(&a, &cashier, code, NULL), ERR_DENIED, "ROLE_REQUIRED");
	REFUSED(accept_it(&a, &citizen, code, NULL), ERR_DENIED, "EXPOSURE_DENIED");
	REFUSED(forward_it(&a, &clerk, code, DISTRICT), ERR_CONFLICT, "WRONG_STATE");
	REFUSED(issue_it(&a, &officer, code, "", NULL), ERR_CONFLICT, "WRONG_STATE");
	REFUSED(return_it(&a, &clerk, code, "desk"), ERR_CONFLICT, "WRONG_STATE");
	REFUSED(rate_it(&a, &public, code, secret), ERR_CONFLICT, "WRONG_STATE");
	assert_int_equal(accept_it(&a, &clerk, code, NULL), 0);
	REFUSED(accept_it(&a, &clerk, code, NULL), ERR_CONFLICT, "WRONG_STATE");
	REFUSED(forward_it(&a, &clerk, code, GONE), ERR_INVALID, "AGENCY_NOT_IN_FORCE");
	REFUSED(forward_it(&a, &other_clerk, code, OTHER), ERR_DENIED, "NOT_IN_HAND");
	REFUSED(ask_payment(&a, &clerk, code, 0, NULL), ERR_CONFLICT, "NO_FEE");
	assert_int_equal(forward_it(&a, &clerk, code, OTHER), 0);
	REFUSED(issue_it(&a, &officer, code, "", NULL), ERR_DENIED, "NOT_IN_HAND");
	assert_int_equal(forward_it(&a, &other_clerk, code, COMMUNE), 0);
	REFUSED(issue_it(&a, &officer, code, NO_FILE, NULL), ERR_INVALID, "FILE_UNKNOWN");
	REFUSED(issue_it(&a, &officer, code, BAD_FILE, NULL), ERR_INVALID, "FILE_QUARANTINED");
	assert_int_equal(issue_it(&a, &officer, code, "", NULL), 0);
	REFUSED(return_it(&a, &clerk, code, "drone"), ERR_INVALID, "INVALID_FIELD");
	REFUSED(return_it(&a, &other_clerk, code, "desk"), ERR_DENIED, "NOT_IN_HAND");
	REFUSED(rate_it(&a, &other_citizen, code, ""), ERR_DENIED, "NOT_YOURS");
	REFUSED(rate_it(&a, &public, code, ""), ERR_DENIED, "NOT_YOURS");
	REFUSED(rate_it(&a, &public, code, "WRONG"), ERR_NOT_FOUND, "TRACK_NOT_FOUND");
	REFUSED(CALL(&a, &citizen, Rate, rate, NULL, in_.code = code; in_.speed = 6), ERR_INVALID,
		"INVALID_FIELD");
	assert_int_equal(a.err.n_items, 3);
	assert_int_equal(rate_it(&a, &citizen, code, ""), 0); /* the filer needs no secret */
	REFUSED(get_it(&a, &district, code, NULL), ERR_DENIED, "NOT_IN_HAND");
	REFUSED(get_it(&a, &citizen, code, NULL), ERR_DENIED, "EXPOSURE_DENIED");
	REFUSED(get_it(&a, &clerk, "x", NULL), ERR_NOT_FOUND, "UNKNOWN_DOSSIER");
	ask_done(&a);
}

/* --- once-only, payment, calendar --- */

static void test_held_record(void **state)
{
	struct filing f;
	struct ask a;
	char code[64], secret[64], sql[300];

	(void)state;
	say_held("rec-1", "036090000018", "GKS", "H40.31.02-200101-0001", "");

	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	f.in.n_components = 0;
	assert_int_equal(refuse(&a, &citizen, &f, "MISSING_COMPONENT", "components"), ERR_INVALID);
	f.applicant.number = "036090000018";
	file_one(&a, &f, code, secret);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM component WHERE dossier = '%s' AND code = 'TP1' AND reused"
		 " AND NOT demanded AND held_record = 'rec-1'"
		 " AND held_source = 'H40.31.02-200101-0001'",
		 code);
	assert_int_equal(count(sql), 1);

	/* The desk demands the paper although it is held. */
	f.in.n_components = 1;
	f.in.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
	f.input.n_file_ids = 0;
	f.input.paper_copies = 1;
	f.input.demanded = true;
	assert_int_equal(submit(&a, &clerk, &f, NULL), 0);
	assert_int_equal(count("SELECT count(*) FROM component WHERE demanded AND NOT reused"), 1);
	ask_done(&a);
}

static void test_payment_parked(void **state)
{
	struct filing f;
	struct ask a;
	char code[64], secret[64], sql[200];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	file_one(&a, &f, code, secret);
	assert_int_equal(accept_it(&a, &clerk, code, NULL), 0);
	assert_int_equal(ask_payment(&a, &clerk, code, 10001, NULL), ERR_INVALID);
	assert_int_equal(ask_payment(&a, &clerk, code, 0, NULL), 0);
	assert_int_equal(ask_payment(&a, &clerk, code, 0, NULL), ERR_CONFLICT);
	say_paid(code, 14999);
	say_paid("H40.31.01-240521-7777", 1);
	assert_true(pg_wait_int(rig.pg, "dossier", "SELECT count(*) FROM dead_letter", 2, 10000));
	assert_int_equal(count("SELECT count(*) FROM dead_letter WHERE code = 'AMOUNT_DIFFERS'"),
			 1);
	wait_state(code, 6);
	snprintf(sql, sizeof(sql), "SELECT fee_paid::int FROM dossier WHERE code = '%s'", code);
	assert_int_equal(count(sql), 0);
	ask_done(&a);
}

/* Beyond the calendar's coverage a due date is provisional, and counted again when rows come. */
static void test_due_changed(void **state)
{
	Dossier__AcceptReply *accepted;
	Dossier__GetReply *got;
	struct filing f;
	struct ask a;
	char code[64], secret[64], sql[200];

	(void)state;
	put_calendar(2, "2024-05-22");
	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	file_one(&a, &f, code, secret);
	assert_int_equal(accept_it(&a, &clerk, code, &accepted), 0);
	assert_true(accepted->due_provisional);
	pg_exec(rig.pg, "dossier", "INSERT INTO ref_calendar_day VALUES ('2024-05-23', 'OFF')");
	put_calendar(3, "2024-12-31");
	snprintf(sql, sizeof(sql), "SELECT due_provisional::int FROM dossier WHERE code = '%s'",
		 code);
	assert_true(pg_wait_int(rig.pg, "dossier", sql, 0, 10000));
	assert_int_equal(get_it(&a, &clerk, code, &got), 0);
	assert_false(got->dossier->due_provisional);
	assert_int_equal(civil_of_us(got->dossier->due_us), civil_from_ymd(2024, 5, 27));
	assert_string_equal(got->history[2]->action, "due_changed");
	snprintf(sql, sizeof(sql), "SELECT directory_pos FROM dossier WHERE code = '%s'", code);
	assert_int_equal(count(sql), 30);
	relay_all();
	assert_int_equal(count_events("dossier.due_changed", code), 1);
	/* One that was not provisional is left alone. */
	assert_int_equal(count("SELECT count(*) FROM dossier WHERE calendar_version = 1") > 0, 1);
	ask_done(&a);
}

/* What was written stays, whoever tries. */
static void test_append_only(void **state)
{
	static const char *const tables[] = {
		"procedure_version", "filing", "component", "component_file",
		"history",           "pause",  "rating",    "read_log"};
	PGconn *conn = pg_admin(rig.pg);
	char sql[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		PGresult *r;

		snprintf(sql, sizeof(sql), "DELETE FROM dossier.%s", tables[i]);
		r = PQexec(conn, sql);
		assert_string_equal(PQresultErrorField(r, PG_DIAG_SQLSTATE), "42501");
		PQclear(r);
	}
	assert_true(count("SELECT count(*) FROM history") > 20);
}

/* A history entry and an event per version, over all that happened; notices come beside. */
static void test_books(void **state)
{
	(void)state;
	relay_all();
	assert_int_equal(count("SELECT count(*) FROM dossier d WHERE d.version <> (SELECT count(*)"
			       " FROM history h WHERE h.dossier = d.code)"),
			 0);
	assert_int_equal(count("SELECT (SELECT sum(version) FROM dossier)"
			       " + (SELECT count(*) FROM procedure_version)"
			       " - (SELECT count(*) FROM feed WHERE type <> 'dossier.notice')"),
			 0);
	assert_int_equal(count("SELECT count(*) FROM dossier d JOIN history h ON h.dossier = d.code"
			       " AND h.version = d.version WHERE h.state <> d.state"),
			 0);
	assert_false(svcd_log_has(rig.svc, NUMBER));
	assert_false(svcd_log_has(rig.svc, "912345678"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_life),     cmocka_unit_test(test_filing_from_before),
		cmocka_unit_test(test_events),         cmocka_unit_test(test_late),
		cmocka_unit_test(test_refused_steps),  cmocka_unit_test(test_held_record),
		cmocka_unit_test(test_payment_parked), cmocka_unit_test(test_due_changed),
		cmocka_unit_test(test_import),         cmocka_unit_test(test_append_only),
		cmocka_unit_test(test_books),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
