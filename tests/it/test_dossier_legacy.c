// with: tests/it/dossier_rig.c
/* lgspctl dossier import: dry run, control value, the real run, and life after it. */
#include "tests/it/dossier_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/civil.h"
#include "lgsp/dossier/v1/legacy.pb-c.h"
#include "lgsp/dossier/v1/lists.pb-c.h"

#define HEAD                                                                                       \
	"code,procedure,receiving_agency,competent_agency,holder_agency,channel,applicant_kind,"   \
	"applicant_number,applicant_name,applicant_phone,applicant_address,submitted,accepted,"    \
	"due,elapsed_minutes,paused_since,state,finished,fee_vnd,fee_paid,result_number\n"
#define HISTORY_HEAD "code,time,state,actor,note\n"

/* In work with a promised date; in work, its due date counted from 480 minutes used of 3 days;
 * waiting for payment; returned, late; filed and not yet accepted. */
static const char good[] = HEAD
	"H40.31.01-240521-0007,1.001193,H40.31.01,H40.31.01,,counter,citizen,036190000017,"
	"Đỗ Thị Cũ,0912345678,Xã A,2024-05-20 09:00,2024-05-20 09:30,2024-05-23 "
	"17:30,0,,4,,0,false,\n"
	"H40.31.01-240520-0002,1.001193,H40.31.01,H40.31.01,H40.31,post,citizen,161234567,"
	"Nguyễn Văn Cũ,,,2024-05-20 09:00,2024-05-20 09:30,,480,,4,,0,false,\n"
	"H40.31.01-240520-0003,1.004873,H40.31.01,H40.31.01,,counter,citizen,036190000017,"
	"Đỗ Thị Cũ,,,2024-05-20 09:00,2024-05-20 09:30,2024-05-23 17:30,60,2024-05-20 10:30,6,,"
	"15000,false,\n"
	"H40.31.01-240401-0001,1.001193,H40.31.01,H40.31.01,H40.99,counter,citizen,036190000017,"
	"Đỗ Thị Cũ,,,2024-04-01T09:00:00+07:00,2024-04-01 09:30,2024-04-04 17:30,0,,10,"
	"2024-04-08 10:00,0,false,12/KS\n"
	"H40.31.01-240520-0005,1.001193,H40.31.01,H40.31.01,,own_portal,citizen,036190000017,"
	"Đỗ Thị Cũ,,,2024-05-20 19:00,,,0,,1,,0,false,\n";

static const char history[] = HISTORY_HEAD "H40.31.01-240521-0007,2024-05-20 09:00,1,Một cửa,Nộp\n"
					   "H40.31.01-240401-0001,2024-04-08 10:00,9,A,\n"
					   "H40.31.01-240521-0007,2024-05-20 09:30,4,Cán bộ B,\n"
					   "H40.31.01-240401-0001,2024-04-08 11:00,10,A,Trả\n";

static char out[CTL_OUT_BYTES];
static char control[65];

static void write_file(const char *name, const char *text)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", busd_dir(rig.bus), name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int run_import(const char *options)
{
	char words[1200];

	snprintf(words, sizeof(words),
		 "dossier import %s/old.csv --source 'Một cửa 2019' --history %s/acts.csv %s",
		 busd_dir(rig.bus), busd_dir(rig.bus), options);
	return run_ctl(words, out);
}

static void dry_run(void)
{
	const char *at;

	if (run_import("--dry-run") != 0)
		fail_msg("%s", out);
	at = strstr(out, "control ");
	assert_non_null(at);
	snprintf(control, sizeof(control), "%.64s", at + 8);
}

static int real_run(void)
{
	char options[100];

	snprintf(options, sizeof(options), "--control %s", control);
	return run_import(options);
}

static int start(void **state)
{
	set_up(state);
	write_file("old.csv", good);
	write_file("acts.csv", history);
	return 0;
}

/* --- what is wrong --- */

static void test_every_fault_of_every_row_is_named(void **state)
{
	static const char bad[] = HEAD
		"X-1,1.1,H40.31.01,H40.00,,counter,citizen,036190000017,A,,,2024-05-20 09:00,"
		"2024-05-20 09:30,,0,,4,,0,false,\n"
		"H40.31.01-240520-0011,1.001193,H40.31.01,H40.31.01,H40.99,counter,citizen,12,A,x,,"
		"2024-05-22 09:00,2024-05-20 08:00,2024-05-19 17:30,0,2024-05-20 "
		"09:00,2,,0,false,\n"
		"H40.31.01-249920-0012,1.001193,H40.31.01,H40.31.01,,counter,citizen,036190000017,"
		"A,"
		",,2024-05-20 09:00,2024-05-20 09:30,,0,,9,,0,true,\n";
	static const char *const wanted[] = {
		"old.csv:2: code: BAD_DOSSIER_CODE",
		"old.csv:2: procedure_code: UNKNOWN_PROCEDURE",
		"old.csv:2: competent_agency_code: UNKNOWN_AGENCY",
		"old.csv:3: holder_agency_code: AGENCY_NOT_IN_FORCE",
		"old.csv:3: applicant.number: BAD_APPLICANT_NUMBER",
		"old.csv:3: applicant.phone: INVALID_FIELD",
		"old.csv:3: paused_us: NOT_OF_STATE",
		"old.csv:3: submitted_us: BAD_ORDER_OF_TIMES",
		"old.csv:3: accepted_us: BAD_ORDER_OF_TIMES",
		"old.csv:3: due_us: BAD_ORDER_OF_TIMES",
		"old.csv:4: code: BAD_DOSSIER_CODE",
		"old.csv:4: finished_us: NEEDED_IN_STATE",
		"old.csv:4: result_number: NEEDED_IN_STATE",
		"old.csv:4: fee_vnd: INVALID_FIELD",
		"faults, nothing imported",
	};

	(void)state;
	write_file("old.csv", bad);
	write_file("acts.csv", HISTORY_HEAD);
	assert_int_equal(run_import("--dry-run"), 1);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		if (!strstr(out, wanted[i]))
			fail_msg("not said: %s\n%s", wanted[i], out);
	assert_null(strstr(out, "control "));
	assert_int_equal(count("SELECT count(*) FROM dossier"), 0);
	assert_int_equal(count("SELECT count(*) FROM legacy_chunk WHERE faults > 0"), 1);
}

static void test_faults_of_the_files_are_named(void **state)
{
	(void)state;
	write_file(
		"old.csv", HEAD
		"H40.31.01-240520-0005,1.001193,H40.31.01,H40.31.01,,counter,citizen,036190000017,"
		"A,,,20/5/2024,,,0,,1,,0,false,\n"
		"H40.31.01-240520-0005,1.001193,H40.31.01,H40.31.01,,counter,citizen,036190000017,"
		"A,,,2024-05-20 19:00,,,0,,1,,0,false,\n");
	write_file("acts.csv", HISTORY_HEAD "H40.31.01-240520-0009,2024-05-20 25:00,1,,\n");
	assert_int_equal(run_import("--dry-run"), 1);
	assert_non_null(strstr(out, "old.csv:2: submitted: \"20/5/2024\" is no time"));
	assert_non_null(strstr(out, "old.csv:3: code: H40.31.01-240520-0005 is on line 2 too"));
	assert_non_null(strstr(out, "acts.csv:2: code: H40.31.01-240520-0009 is no dossier"));
	write_file("old.csv", HEAD "H40.31.01-240520-0005,1.001193\n");
	assert_int_equal(run_import("--dry-run"), 1);
	write_file("old.csv", HEAD);
	write_file("acts.csv", HISTORY_HEAD);
	assert_int_equal(run_import("--dry-run"), 1);
	assert_non_null(strstr(out, "no dossier in it"));
	assert_int_equal(run_import("--dry-run --control 00"), 2);
	assert_int_equal(run_import(""), 2);
}

/* --- what is right --- */

static void test_the_dry_run_says_the_totals(void **state)
{
	static const char *const wanted[] = {
		"dossiers: 5\nacts: 4\n", "state 1: 1\nstate 4: 2\nstate 6: 1\nstate 10: 1\n",
		"agency H40.31.01: 5\n", "fees: 15000 VND, of them paid 0\n",
		"filed: 2024-04-01 to 2024-05-20\n"};

	(void)state;
	write_file("old.csv", good);
	write_file("acts.csv", history);
	dry_run();
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		if (!strstr(out, wanted[i]))
			fail_msg("not said: %s\n%s", wanted[i], out);
	assert_int_equal(count("SELECT count(*) FROM dossier"), 0);
}

static void test_only_what_was_run_dry_is_taken(void **state)
{
	char other[sizeof(good) + 8], first[65];

	(void)state;
	snprintf(first, sizeof(first), "%s", control);
	/* Another file under the old control value. */
	snprintf(other, sizeof(other), "%s", good);
	memcpy(strstr(other, "Xã A"), "Xã B", strlen("Xã B"));
	write_file("old.csv", other);
	assert_int_equal(real_run(), 1);
	assert_non_null(strstr(out, "the files are not those of the dry run"));
	/* Its own control value, never run dry. */
	snprintf(control, sizeof(control), "%.64s", strstr(out, "control ") + 8);
	assert_int_equal(real_run(), 1);
	assert_non_null(strstr(out, "LEGACY_NOT_CHECKED"));
	assert_int_equal(count("SELECT count(*) FROM dossier"), 0);
	snprintf(control, sizeof(control), "%s", first);
	write_file("old.csv", good);
}

static void test_the_real_run_takes_all_once(void **state)
{
	(void)state;
	if (real_run() != 0)
		fail_msg("%s", out);
	assert_non_null(strstr(out, "5 dossiers imported, 0 had been imported before"));
	assert_int_equal(real_run(), 0);
	assert_non_null(strstr(out, "0 dossiers imported, 5 had been imported before"));
	assert_int_equal(count("SELECT count(*) FROM dossier WHERE legacy"), 5);
	assert_int_equal(count("SELECT count(*) FROM legacy_history"), 4);
	relay_all();
	assert_int_equal(count("SELECT count(*) FROM feed WHERE type = 'dossier.imported'"), 5);
	assert_int_equal(
		count("SELECT count(*) FROM feed WHERE type = 'dossier.payment_requested'"), 1);
	/* Another run of the same dossiers is refused dry. */
	assert_int_equal(run_ctl("help", out), 0);
	write_file(
		"old.csv", HEAD
		"H40.31.01-240520-0005,1.001193,H40.31.01,H40.31.01,,counter,citizen,036190000017,"
		"A,,,2024-05-20 19:00,,,0,,1,,0,false,\n");
	write_file("acts.csv", HISTORY_HEAD);
	assert_int_equal(run_import("--dry-run"), 1);
	assert_non_null(strstr(out, "old.csv:2: code: DOSSIER_EXISTS"));
}

static int64_t field_of(const char *code, const char *what)
{
	char sql[300];

	snprintf(sql, sizeof(sql), "SELECT %s FROM dossier WHERE code = '%s'", what, code);
	return count(sql);
}

static void test_clocks_and_verdicts_are_taken_over(void **state)
{
	(void)state;
	/* 480 of 1440 minutes used; 960 more from Tuesday 08:00: Thursday 08:00. */
	assert_int_equal(field_of("H40.31.01-240520-0002",
				  "(extract(epoch FROM due_at - '2024-05-23 08:00+07')::bigint"
				  " BETWEEN 0 AND 120)::int"),
			 1);
	assert_int_equal(field_of("H40.31.01-240520-0002", "calendar_version"), 1);
	assert_int_equal(field_of("H40.31.01-240401-0001", "verdict"),
			 DOSSIER__VERDICT__VERDICT_LATE);
	assert_int_equal(field_of("H40.31.01-240520-0003", "(pause_kind = 'payment')::int"), 1);
	assert_int_equal(field_of("H40.31.01-240520-0003", "resumes_to"), 4);
	assert_int_equal(field_of("H40.31.01-240520-0005", "(accepted_at IS NULL)::int"), 1);
}

static void test_imported_dossiers_live_on(void **state)
{
	static const char *const codes[] = {"H40.31.01-240521-0007", "H40.31.01-240520-0002",
					    "H40.31.01-240520-0003", "H40.31.01-240401-0001",
					    "H40.31.01-240520-0005"};
	Dossier__ReissueReceiptReply *receipt;
	Dossier__TrackReply *track;
	Dossier__InboxReply *box;
	Dossier__GetReply *got;
	struct ask a;
	char words[100], secret[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	assert_int_equal(CALL(&a, &clerk, Inbox, inbox, &box, (void)0), 0);
	assert_int_equal(box->n_dossiers, 3); /* one is the district's, one returned */
	assert_true(box->dossiers[0]->legacy);
	assert_int_equal(get_it(&a, &clerk, codes[0], &got), 0);
	assert_string_equal(got->dossier->applicant->name, "Đỗ Thị Cũ");
	assert_int_equal(got->n_history, 1);
	assert_string_equal(got->history[0]->action, "import_legacy");
	assert_int_equal(got->n_legacy_history, 2);
	assert_string_equal(got->legacy_history[1]->actor, "Cán bộ B");
	assert_int_equal(got->legacy_history[0]->time_us,
			 civil_to_us(civil_from_ymd(2024, 5, 20), 9 * 60));
	/* Its receipt was another system's: the desk gives one. */
	assert_int_equal(
		CALL(&a, &clerk, ReissueReceipt, reissue_receipt, &receipt, in_.code = codes[0];
		     in_.note = "Chủ hồ sơ xuất trình CCCD"),
		0);
	snprintf(secret, sizeof(secret), "%s", receipt->receipt_secret);
	assert_int_equal(track_it(&a, codes[0], secret, &track), 0);
	assert_string_equal(track->code, codes[0]);
	assert_int_equal(accept_it(&a, &clerk, codes[4], NULL), 0);
	say_paid(codes[2], 15000);
	wait_state(codes[2], 4);
	relay_all();
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		snprintf(words, sizeof(words), "dossier verify %s", codes[i]);
		if (run_ctl(words, out) != 0)
			fail_msg("%s", out);
	}
	ask_done(&a);
}

/* What moved the date before is another system's: only what happens here moves it. */
static void test_a_recount_keeps_the_date_taken_over(void **state)
{
	static const char *const codes[] = {"H40.31.01-240520-0002", "H40.31.01-240520-0003",
					    "H40.31.01-240521-0007"};
	static const struct person ops_officer = {"op-1", "operator", "H40"};
	Dossier__RecountDueReply *got;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	assert_int_equal(CALL(&a, &ops_officer, RecountDue, recount_due, &got,
			      in_.codes = (const char **)(uintptr_t)codes;
			      in_.n_codes = 3; in_.reason = "Kiểm tra"),
			 0);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(got->items[i]->refusal, "");
		assert_false(got->items[i]->changed);
	}
	ask_done(&a);
}

/* Nobody knows what the older system asked for: the desk takes what is brought. */
static void test_a_supplement_asked_for_before_is_answered(void **state)
{
	Dossier__ComponentInput input = DOSSIER__COMPONENT_INPUT__INIT, *inputs[] = {&input};
	Dossier__FormField field = DOSSIER__FORM_FIELD__INIT, *form[] = {&field};
	Dossier__SupplementReply *got;
	Dossier__GetReply *after;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	write_file("old.csv", HEAD
		   "H40.31.01-240519-0001,1.004873,H40.31.01,H40.31.01,,counter,citizen,"
		   "036190000017,Đỗ Thị Cũ,,,2024-05-19 09:00,2024-05-19 09:30,2024-05-23 17:30,60,"
		   "2024-05-19 10:30,5,,0,false,\n");
	write_file("acts.csv", HISTORY_HEAD);
	dry_run();
	if (real_run() != 0)
		fail_msg("%s", out);
	input.code = "TP1";
	input.paper_copies = 1;
	field.name = "purpose";
	field.value = "Vay vốn";
#define ANSWER(n)                                                                                  \
	CALL(&a, &clerk, Supplement, supplement, &got, in_.code = "H40.31.01-240519-0001";         \
	     in_.components = inputs; in_.n_components = n; in_.form = form; in_.n_form = n)
	assert_int_equal(ANSWER(0), ERR_INVALID); /* the form was never filled in here */
	assert_true(ask_has(&a, "MISSING_FORM_FIELD", "form.purpose"));
	input.code = "TP9";
	assert_int_equal(ANSWER(1), ERR_INVALID);
	assert_true(ask_has(&a, "NOT_ASKED", "components[0]"));
	input.code = "TP1";
	assert_int_equal(ANSWER(1), 0);
#undef ANSWER
	assert_int_equal(got->state, 4);
	assert_int_equal(get_it(&a, &clerk, "H40.31.01-240519-0001", &after), 0);
	assert_int_equal(after->dossier->n_components, 1);
	assert_string_equal(after->dossier->form[0]->value, "Vay vốn");
	ask_done(&a);
}

/* A new filing of that agency and day gets none of the codes that were taken over. */
static void test_codes_do_not_collide(void **state)
{
	struct filing f;
	struct ask a;
	char code[64], secret[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	file_one(&a, &f, code, secret);
	assert_string_equal(code, COMMUNE "-240521-0008");
	ask_done(&a);
}

/* --- the call itself --- */

static void make_call(Dossier__ImportLegacyRequest *in)
{
	dossier__import_legacy_request__init(in);
	in->source = "x";
	in->control = control;
	in->chunks = 1;
	in->dry_run = true;
}

static void test_refusals(void **state)
{
	Dossier__ImportLegacyRequest in;
	Dossier__LegacyDossier d = DOSSIER__LEGACY_DOSSIER__INIT, *list[] = {&d};
	struct ask a, b;

	(void)state;
	ask_init(&a, rig.ops, "dossier");
	ask_init(&b, rig.gateway, "dossier");
	make_call(&in);
	in.source = "";
	in.control = "00";
	in.chunk = 1;
	assert_int_equal(ask(&a, NULL, "ImportLegacy", &in.base, NULL, NULL), ERR_INVALID);
	assert_true(ask_has(&a, "INVALID_FIELD", "source"));
	assert_true(ask_has(&a, "INVALID_FIELD", "control"));
	assert_true(ask_has(&a, "INVALID_FIELD", "chunk"));
	assert_true(ask_has(&a, "INVALID_FIELD", "dossiers"));
	make_call(&in);
	in.dossiers = list;
	in.n_dossiers = 1;
	assert_int_equal(ask(&b, &clerk, "ImportLegacy", &in.base, NULL, NULL), ERR_DENIED);
	/* The real run with rows that are not those checked. */
	in.dry_run = false;
	assert_int_equal(ask(&a, NULL, "ImportLegacy", &in.base, NULL, NULL), ERR_CONFLICT);
	assert_true(ask_has(&a, "LEGACY_NOT_CHECKED", "dossiers"));
	ask_done(&a);
	ask_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_fault_of_every_row_is_named),
		cmocka_unit_test(test_faults_of_the_files_are_named),
		cmocka_unit_test(test_the_dry_run_says_the_totals),
		cmocka_unit_test(test_only_what_was_run_dry_is_taken),
		cmocka_unit_test(test_the_real_run_takes_all_once),
		cmocka_unit_test(test_clocks_and_verdicts_are_taken_over),
		cmocka_unit_test(test_imported_dossiers_live_on),
		cmocka_unit_test(test_a_recount_keeps_the_date_taken_over),
		cmocka_unit_test(test_a_supplement_asked_for_before_is_answered),
		cmocka_unit_test(test_codes_do_not_collide),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, start, tear_down);
}
