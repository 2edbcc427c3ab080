// with: tests/it/dossier_rig.c
/*
 * Deadlines on the real service: the hours of the agency, what is counted again and by whom,
 * answers to online filings. Business time is moved by the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tests/it/dossier_rig.h"

static const struct person leader = {"leader-31-01", "leader", COMMUNE};
static const struct person other_leader = {"leader-31-02", "leader", OTHER};
static const struct person operator= {"op-1", "operator", "H40"};
static const struct person statistician = {"stat-1", "statistician", "H40"};

static int64_t number_of(const char *what, const char *code)
{
	char sql[240];

	snprintf(sql, sizeof(sql), "SELECT %s FROM dossier WHERE code = '%s'", what, code);
	return count(sql);
}

static int64_t due_of(const char *code)
{
	return number_of("(extract(epoch FROM due_at) * 1000000)::bigint", code);
}

/* Hours of a scope's weekday, from that day on. */
static void put_hours(const char *scope, int weekday, const char *sessions, const char *from,
		      int pos)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
		 "INSERT INTO ref_hours (scope, weekday, am_start, am_end, pm_start, pm_end,"
		 " valid_from, valid_to, pos) VALUES ('%s', %d, %s, '%s', 'infinity', %d)",
		 scope, weekday, sessions, from, pos);
	pg_exec(rig.pg, "dossier", sql);
}

/* Filed and accepted at the desk at that time; three working days. */
static void accepted(struct ask *a, const char *when, char code[static 64])
{
	Dossier__SubmitReply *out;
	struct filing f;

	set_clock(when);
	make_plain(&f);
	f.in.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
	assert_int_equal(submit(a, &clerk, &f, &out), 0);
	snprintf(code, 64, "%s", out->code);
	assert_int_equal(accept_it(a, &clerk, code, NULL), 0);
}

/* --- hours --- */

static void test_due_date_by_the_hours_of_the_competent_agency(void **state)
{
	char code[64];
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	accepted(&a, "2024-05-21 09:00", code);
	assert_int_equal(due_of(code), moment("2024-05-24 17:30"));
	assert_int_equal(number_of("directory_pos", code), 10); /* of the calendar */
	put_hours("*", 5, "420, 660, 840, 1020", "2021-01-01", 33);
	put_hours(COMMUNE, 5, "450, 690, 690, 690", "2024-05-24", 44);
	accepted(&a, "2024-05-21 09:00", code);
	assert_int_equal(due_of(code), moment("2024-05-24 11:30"));
	assert_int_equal(number_of("directory_pos", code), 44); /* the newest of all that counted */
	accepted(&a, "2024-05-14 09:00", code);
	assert_int_equal(due_of(code),
			 moment("2024-05-17 17:00")); /* everybody's, before its own */
	pg_exec(rig.pg, "dossier", "DELETE FROM ref_hours");
	ask_done(&a);
}

/* --- counting again --- */

static int recount(struct ask *a, const struct person *who, const char *const *codes, size_t n,
		   Dossier__RecountDueReply **out)
{
	return CALL(a, who, RecountDue, recount_due, out, in_.codes = (const char **)codes;
		    in_.n_codes = n; in_.reason = "Công văn 12/UBND");
}

static void test_due_dates_change_by_command_only(void **state)
{
	Dossier__RecountDueReply *out;
	Dossier__GetReply *got;
	char code[64], same[64];
	const char *codes[] = {code, "H40.31.01-000101-0001", same, code};
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	accepted(&a, "2024-06-04 09:00", code);
	accepted(&a, "2024-06-10 09:00", same);
	assert_int_equal(due_of(code), moment("2024-06-07 17:30"));
	pg_exec(rig.pg, "dossier", "INSERT INTO ref_calendar_day VALUES ('2024-06-06', 'OFF')");
	put_calendar(2, "2024-12-31");
	/* Nobody has said so yet: another dossier is accepted, the old date stands. */
	accepted(&a, "2024-06-04 09:00", (char[64]){""});
	assert_int_equal(due_of(code), moment("2024-06-07 17:30"));

	assert_int_equal(recount(&a, &leader, codes, 4, &out), 0);
	assert_int_equal(out->n_items, 3); /* each once, by code */
	assert_string_equal(out->items[0]->refusal, "UNKNOWN_DOSSIER");
	assert_string_equal(out->items[1]->code, code);
	assert_true(out->items[1]->changed);
	assert_int_equal(out->items[1]->due_before_us, moment("2024-06-07 17:30"));
	assert_int_equal(out->items[1]->due_us, moment("2024-06-10 17:30"));
	assert_int_equal(out->items[1]->version, 3);
	assert_false(out->items[2]->changed);
	assert_int_equal(out->items[2]->version, 2);
	assert_int_equal(number_of("calendar_version", same), 2);
	assert_int_equal(get_it(&a, &clerk, code, &got), 0);
	assert_string_equal(got->history[2]->action, "due_changed");
	assert_string_equal(got->history[2]->note, "Công văn 12/UBND");
	relay_all();
	assert_int_equal(count_events("dossier.due_changed", code), 1);
	assert_int_equal(count_events("dossier.due_changed", same), 0);
	ask_done(&a);
}

/* As an order on hours arrives: what is accepted later counts with it, the rest on command. */
static void test_other_hours_change_due_dates_by_command_only(void **state)
{
	Dossier__RecountDueReply *out;
	char code[64], later[64];
	const char *codes[] = {code};
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	accepted(&a, "2024-07-02 09:00", code);
	assert_int_equal(due_of(code), moment("2024-07-05 17:30"));
	put_hours(COMMUNE, 5, "450, 690, 690, 690", "2024-07-05", 55);
	accepted(&a, "2024-07-02 10:00", later);
	assert_int_equal(due_of(later), moment("2024-07-05 11:30"));
	assert_int_equal(due_of(code), moment("2024-07-05 17:30"));
	assert_int_equal(recount(&a, &leader, codes, 1, &out), 0);
	assert_true(out->items[0]->changed);
	assert_int_equal(due_of(code), moment("2024-07-05 11:30"));
	assert_int_equal(number_of("directory_pos", code), 55);
	pg_exec(rig.pg, "dossier", "DELETE FROM ref_hours");
	ask_done(&a);
}

static void test_an_agency_is_counted_page_by_page(void **state)
{
	Dossier__RecountDueReply *out;
	char code[64];
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	accepted(&a, "2024-07-02 09:00", code);
	pg_exec(rig.pg, "dossier", "INSERT INTO ref_calendar_day VALUES ('2024-07-04', 'OFF')");
	put_calendar(3, "2024-12-31");
	assert_int_equal(
		CALL(&a, &operator, RecountDue, recount_due, &out, in_.agency_code = COMMUNE;
		     in_.reason = "13/QĐ"),
		0);
	assert_true(out->n_items >= 4);
	assert_string_equal(out->next_code, "");
	assert_int_equal(due_of(code), moment("2024-07-08 17:30"));
	assert_int_equal(
		CALL(&a, &operator, RecountDue, recount_due, &out, in_.agency_code = COMMUNE;
		     in_.reason = "13/QĐ"; in_.after_code = code),
		0);
	for (size_t i = 0; i < out->n_items; i++)
		assert_true(strcmp(out->items[i]->code, code) > 0);
	ask_done(&a);
}

static void test_who_may_not_count_again(void **state)
{
	static const char *many[101];
	Dossier__RecountDueReply *out;
	char code[64], filed[64], secret[64];
	const char *codes[] = {code}, *early[] = {filed};
	struct filing f;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	accepted(&a, "2024-05-21 09:00", code);
	make_plain(&f);
	file_one(&a, &f, filed, secret);
	assert_int_equal(recount(&a, &officer, codes, 1, NULL), ERR_DENIED);
	assert_int_equal(recount(&a, &other_leader, codes, 1, &out), 0);
	assert_string_equal(out->items[0]->refusal, "NOT_IN_HAND");
	assert_int_equal(recount(&a, &leader, early, 1, &out), 0);
	assert_string_equal(out->items[0]->refusal, "WRONG_STATE");
	assert_int_equal(recount(&a, &leader, NULL, 0, NULL), ERR_INVALID);
	assert_true(ask_has(&a, "CODES_OR_AGENCY", "codes"));
	assert_int_equal(CALL(&a, &leader, RecountDue, recount_due, NULL, in_.codes = codes;
			      in_.n_codes = 1; in_.agency_code = COMMUNE; in_.reason = "x"),
			 ERR_INVALID);
	assert_int_equal(CALL(&a, &leader, RecountDue, recount_due, NULL, in_.codes = codes;
			      in_.n_codes = 1),
			 ERR_INVALID);
	assert_true(ask_has(&a, "REQUIRED_FIELD", "reason"));
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = code;
	assert_int_equal(recount(&a, &leader, many, ARRAY_LEN(many), NULL), ERR_INVALID);
	ask_done(&a);
}

/* --- extension --- */

static int extend_it(struct ask *a, const struct person *who, const char *code, uint32_t days,
		     Dossier__ExtendReply **out)
{
	return CALL(a, who, Extend, extend, out, in_.code = code; in_.reason = "complexity";
		    in_.apology = "Xin lỗi vì sự chậm trễ"; in_.working_days = days);
}

static void test_one_extension_with_an_apology(void **state)
{
	Dossier__RecountDueReply *again;
	Dossier__ExtendReply *out;
	Dossier__GetReply *got;
	char code[64], sql[240];
	const char *codes[] = {code};
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	accepted(&a, "2024-09-10 09:00", code);
	assert_int_equal(due_of(code), moment("2024-09-13 17:30"));
	set_clock("2024-09-13 17:30");
	assert_int_equal(extend_it(&a, &officer, code, 3, &out), 0);
	assert_int_equal(out->due_us, moment("2024-09-18 17:30"));
	assert_int_equal(extend_it(&a, &officer, code, 3, NULL), ERR_CONFLICT);
	assert_true(ask_has(&a, "ALREADY_EXTENDED", "code"));
	assert_int_equal(get_it(&a, &clerk, code, &got), 0);
	assert_string_equal(got->history[2]->action, "extend");
	assert_string_equal(got->history[2]->note, "Xin lỗi vì sự chậm trễ");
	assert_true(got->dossier->extended);
	snprintf(sql, sizeof(sql),
		 "SELECT working_days FROM extension WHERE dossier = '%s' AND version = 3"
		 " AND reason = 'complexity' AND due_before = '2024-09-13 17:30+07'",
		 code);
	assert_int_equal(count(sql), 3);
	relay_all();
	assert_int_equal(count_events("dossier.extended", code), 1);
	assert_int_equal(count_events("dossier.notice", code), 3); /* filed, accepted, extended */
	/* Outsiders hear of it: filed, accepted, extended. */
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM published WHERE position(convert_to('%s', 'UTF8') in event) "
		 "> 0",
		 code);
	assert_true(pg_wait_int(rig.pg, "dossier", sql, 3, 10000));
	/* Counted again, it stays extended; a day off before the first date moves both. */
	assert_int_equal(recount(&a, &leader, codes, 1, &again), 0);
	assert_false(again->items[0]->changed);
	pg_exec(rig.pg, "dossier", "INSERT INTO ref_calendar_day VALUES ('2024-09-12', 'OFF')");
	put_calendar(4, "2024-12-31");
	assert_int_equal(recount(&a, &leader, codes, 1, &again), 0);
	assert_int_equal(again->items[0]->due_us, moment("2024-09-19 17:30"));
	ask_done(&a);
}

/* The holder of the receipt sees that it is late, and the apology when it was extended in time. */
static void test_track_tells_of_lateness(void **state)
{
	Dossier__SubmitReply *filed;
	Dossier__TrackReply *track;
	char code[64], secret[64];
	struct filing f;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	set_clock("2024-09-10 09:00");
	make_plain(&f);
	f.in.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
	assert_int_equal(submit(&a, &clerk, &f, &filed), 0);
	snprintf(code, sizeof(code), "%s", filed->code);
	snprintf(secret, sizeof(secret), "%s", filed->receipt_secret);
	assert_int_equal(accept_it(&a, &clerk, code, NULL), 0);
	set_clock("2024-09-13 17:30");
	assert_int_equal(track_it(&a, code, secret, &track), 0);
	assert_false(track->overdue);
	assert_string_equal(track->apology, "");
	assert_int_equal(extend_it(&a, &officer, code, 3, NULL), 0);
	set_clock("2024-09-14 09:00");
	assert_int_equal(track_it(&a, code, secret, &track), 0);
	assert_false(track->overdue);
	assert_string_equal(track->apology, "Xin lỗi vì sự chậm trễ");
	assert_true(track->due_us > moment("2024-09-14 09:00"));
	set_clock("2024-10-01 09:00");
	assert_int_equal(track_it(&a, code, secret, &track), 0);
	assert_true(track->overdue);
	ask_done(&a);
}

static void test_extensions_that_are_refused(void **state)
{
	char code[64], filed[64], secret[64];
	struct filing f;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	accepted(&a, "2024-10-01 09:00", code);
	assert_int_equal(extend_it(&a, &officer, code, 0, NULL), ERR_INVALID);
	assert_int_equal(CALL(&a, &officer, Extend, extend, NULL, in_.code = code;
			      in_.reason = "laziness"; in_.apology = "x"; in_.working_days = 1),
			 ERR_INVALID);
	assert_true(ask_has(&a, "UNKNOWN_REASON", "reason"));
	assert_int_equal(CALL(&a, &officer, Extend, extend, NULL, in_.code = code;
			      in_.reason = "complexity"; in_.working_days = 1),
			 ERR_INVALID); /* without an apology */
	assert_int_equal(CALL(&a, &officer, Extend, extend, NULL, in_.code = code;
			      in_.reason = "complexity"; in_.apology = "x";
			      in_.due_date = "2024-10-03"),
			 ERR_INVALID);
	assert_true(ask_has(&a, "DUE_DATE_NOT_LATER", "due_date"));
	assert_int_equal(extend_it(&a, &clerk, code, 1, NULL), ERR_DENIED);
	assert_int_equal(extend_it(&a, &district, code, 1, NULL), ERR_DENIED);
	make_plain(&f);
	file_one(&a, &f, filed, secret);
	assert_int_equal(extend_it(&a, &officer, filed, 1, NULL), ERR_CONFLICT);
	set_clock("2024-10-04 17:31");
	assert_int_equal(extend_it(&a, &officer, code, 1, NULL), ERR_CONFLICT);
	assert_true(ask_has(&a, "DUE_DATE_PASSED", "code"));
	/* What was refused leaves nothing. */
	assert_int_equal(due_of(code), moment("2024-10-04 17:30"));
	assert_int_equal(number_of("version", code), 2);
	ask_done(&a);
}

/* --- steps --- */

static void test_a_pause_moves_the_step_too(void **state)
{
	char code[64], sql[300];
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	accepted(&a, "2024-11-05 09:00", code);
	snprintf(sql, sizeof(sql),
		 "UPDATE dossier SET step = 1, step_from_at = '2024-11-05 09:00+07',"
		 " step_due_at = '2024-11-05 16:00+07' WHERE code = '%s'",
		 code);
	pg_exec(rig.pg, "dossier", sql);
	set_clock("2024-11-05 10:00");
	assert_int_equal(CALL(&a, &officer, Stop, stop, NULL, in_.code = code;
			      in_.reason = "dispute"; in_.note = "x"),
			 0);
	set_clock("2024-11-06 09:00");
	assert_int_equal(
		CALL(&a, &officer, ContinueProcessing, continue_processing, NULL, in_.code = code),
		0);
	/* seven working hours: 10:00 to 17:30 less lunch, and 7:30 to 9:00 */
	assert_int_equal(number_of("(extract(epoch FROM step_due_at) * 1000000)::bigint", code),
			 moment("2024-11-06 15:00"));
	assert_int_equal(due_of(code), moment("2024-11-11 16:30"));
	ask_done(&a);
}

/* --- answers --- */

static int late_list(struct ask *a, const struct person *who, const char *agency, bool open,
		     Dossier__ListLateAnswersReply **out)
{
	return CALL(a, who, ListLateAnswers, list_late_answers, out, in_.agency_code = agency;
		    in_.from_date = "2024-08-06"; in_.unanswered_only = open);
}

static void test_online_filings_are_answered_in_eight_hours(void **state)
{
	Dossier__ListLateAnswersReply *late;
	char desk[64], in_time[64], never[64], late_one[64], secret[64], sql[200];
	int64_t before;
	struct filing f;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	pg_exec(rig.pg, "dossier", "UPDATE dossier SET answer_due_at = NULL"); /* of other tests */
	before = count("SELECT count(*) FROM late_answer");
	accepted(&a, "2024-08-05 16:00", desk);
	assert_int_equal(number_of("(answer_due_at IS NULL)::int", desk), 1);
	make_plain(&f);
	file_one(&a, &f, in_time, secret);
	assert_int_equal(
		number_of("(extract(epoch FROM answer_due_at) * 1000000)::bigint", in_time),
		moment("2024-08-06 16:00"));
	file_one(&a, &f, never, secret);
	file_one(&a, &f, late_one, secret);
	set_clock("2024-08-06 16:00");
	assert_int_equal(accept_it(&a, &clerk, in_time, NULL), 0);
	/* Late by a minute, whether the job sees it first or the answer. */
	set_clock("2024-08-06 16:01");
	assert_int_equal(accept_it(&a, &clerk, late_one, NULL), 0);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM late_answer WHERE dossier = '%s'", never);
	assert_true(pg_wait_int(rig.pg, "dossier", sql, 1, 15000));
	assert_int_equal(count("SELECT count(*) FROM late_answer"), before + 2);
	relay_all();
	assert_int_equal(count_events("dossier.answer_late", never), 1);
	assert_int_equal(count_events("dossier.answer_late", late_one), 1);
	assert_int_equal(count_events("dossier.answer_late", in_time), 0);

	assert_int_equal(late_list(&a, &clerk, "", false, &late), 0);
	assert_int_equal(late->n_items, 2);
	assert_string_equal(late->items[0]->code, never);
	assert_int_equal(late->items[0]->answered_us, 0);
	assert_int_equal(late->items[1]->answered_us, moment("2024-08-06 16:01"));
	assert_int_equal(late_list(&a, &statistician, "", true, &late), 0);
	assert_int_equal(late->n_items, 1);
	/* Answered later still, it stays in the list, and is told once. */
	set_clock("2024-08-07 09:00");
	assert_int_equal(accept_it(&a, &clerk, never, NULL), 0);
	assert_int_equal(late_list(&a, &statistician, COMMUNE, true, &late), 0);
	assert_int_equal(late->n_items, 0);
	relay_all();
	assert_int_equal(count_events("dossier.answer_late", never), 1);
	ask_done(&a);
}

static void test_lists_of_late_answers_are_bounded(void **state)
{
	Dossier__ListLateAnswersReply *late;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	assert_int_equal(late_list(&a, &clerk, OTHER, false, NULL), ERR_DENIED);
	assert_true(ask_has(&a, "LIST_NOT_YOURS", NULL));
	assert_int_equal(
		CALL(&a, &clerk, ListLateAnswers, list_late_answers, NULL, in_.limit = 501),
		ERR_INVALID);
	assert_int_equal(CALL(&a, &clerk, ListLateAnswers, list_late_answers, NULL,
			      in_.from_date = "7/8/2024"),
			 ERR_INVALID);
	assert_int_equal(CALL(&a, &clerk, ListLateAnswers, list_late_answers, &late,
			      in_.to_date = "2024-08-05"),
			 0);
	assert_int_equal(late->n_items, 0);
	assert_int_equal(CALL(&a, &clerk, ListLateAnswers, list_late_answers, &late,
			      in_.from_date = "2024-08-06";
			      in_.to_date = "2024-08-06"; in_.limit = 1),
			 0);
	assert_int_equal(late->n_items, 1);
	assert_int_equal(CALL(&a, &clerk, ListLateAnswers, list_late_answers, &late,
			      in_.after_due_us = moment("2024-08-06 16:00");
			      in_.after_code = "H40.31.01-240805-0003"),
			 0);
	assert_int_equal(late->n_items, 1);
	ask_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_due_date_by_the_hours_of_the_competent_agency),
		cmocka_unit_test(test_due_dates_change_by_command_only),
		cmocka_unit_test(test_other_hours_change_due_dates_by_command_only),
		cmocka_unit_test(test_an_agency_is_counted_page_by_page),
		cmocka_unit_test(test_who_may_not_count_again),
		cmocka_unit_test(test_one_extension_with_an_apology),
		cmocka_unit_test(test_track_tells_of_lateness),
		cmocka_unit_test(test_extensions_that_are_refused),
		cmocka_unit_test(test_a_pause_moves_the_step_too),
		cmocka_unit_test(test_online_filings_are_answered_in_eight_hours),
		cmocka_unit_test(test_lists_of_late_answers_are_bounded),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
