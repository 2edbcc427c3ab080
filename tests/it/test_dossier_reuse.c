// with: tests/it/dossier_rig.c
/* Once only while a dossier is in work, and its move to another version of its procedure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lgsp/digitisation/v1/events.pb-c.h"
#include "tests/it/dossier_rig.h"

#define HOLDER "036190000033"
#define SOURCE "H40.31.02-200101-0001"

static const struct person platform = {"operator-1", "operator", "H40.11"};

static int reuse(struct ask *a, const struct person *who, const char *code, const char *component,
		 const char *record)
{
	return CALL(a, who, ReuseRecord, reuse_record, NULL, in_.code = code;
		    in_.component_code = component; in_.record_id = record);
}

static int list(struct ask *a, const struct person *who, const char *code,
		Dossier__ListHeldReply **out)
{
	return CALL(a, who, ListHeld, list_held, out, in_.code = code);
}

static int rebase(struct ask *a, const struct person *who, const char *code, const char *reason,
		  Dossier__RebaseReply **out)
{
	return CALL(a, who, Rebase, rebase, out, in_.code = code; in_.reason = reason);
}

static int64_t about(const char *what, const char *from, const char *code)
{
	char sql[300];

	snprintf(sql, sizeof(sql), "SELECT %s FROM %s WHERE dossier = '%s'", what, from, code);
	return count(sql);
}

/* Filed and accepted with files, so that nothing was reused. */
static void accept_one(struct ask *a, struct filing *f, char code[static 64])
{
	char secret[64];

	file_one(a, f, code, secret);
	assert_int_equal(accept_it(a, &clerk, code, NULL), 0);
}

static void test_reuse_in_work(void **state)
{
	Dossier__ListHeldReply *held;
	struct filing f;
	struct ask a;
	char code[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	f.applicant.number = HOLDER;
	accept_one(&a, &f, code);
	assert_int_equal(list(&a, &officer, code, &held), 0);
	assert_int_equal(held->n_records, 0);
	say_held("held-1", HOLDER, "GKS", SOURCE, "");
	say_held("held-2", HOLDER, "CCCD", "", "");
	say_held("held-3", HOLDER, "GKS", "", "2024-05-20"); /* over */
	say_held("held-4", "036190000041", "GKS", "", "");   /* another's */
	assert_int_equal(list(&a, &officer, code, &held), 0);
	assert_int_equal(held->n_records, 1);
	assert_string_equal(held->records[0]->component_code, "TP1");
	assert_string_equal(held->records[0]->record_id, "held-1");
	assert_string_equal(held->records[0]->source, SOURCE);
	assert_string_equal(held->records[0]->valid_from, "2020-01-01");
	assert_string_equal(held->records[0]->valid_to, "");
	assert_false(held->records[0]->reused);
	assert_int_equal(about("count(*)", "read_log", code), 2);

	assert_int_equal(reuse(&a, &officer, code, "TP1", "held-1"), 0);
	assert_int_equal(about("count(*)", "component_reuse", code), 1);
	relay_all();
	assert_int_equal(count_events("dossier.record_reused", code), 1);
	assert_int_equal(list(&a, &officer, code, &held), 0);
	assert_true(held->records[0]->reused);
	ask_done(&a);
}

static void test_refused_reuse(void **state)
{
	struct filing f;
	struct ask a;
	char code[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	f.applicant.number = HOLDER;
	accept_one(&a, &f, code);
	assert_int_equal(reuse(&a, &officer, code, "TP9", "held-1"), ERR_INVALID);
	assert_true(ask_has(&a, "UNKNOWN_COMPONENT", "component_code"));
	assert_int_equal(reuse(&a, &officer, code, "TP1", "held-3"), ERR_INVALID);
	assert_true(ask_has(&a, "RECORD_NOT_HELD", "record_id"));
	assert_int_equal(reuse(&a, &officer, code, "TP1", "held-4"), ERR_INVALID);
	assert_true(ask_has(&a, "RECORD_NOT_HELD", "record_id"));
	assert_int_equal(reuse(&a, &officer, code, "TP1", "held-2"), ERR_INVALID);
	assert_true(ask_has(&a, "RECORD_NOT_FITTING", "record_id"));
	assert_int_equal(reuse(&a, &district, code, "TP1", "held-1"), ERR_DENIED);
	assert_true(ask_has(&a, "NOT_IN_HAND", NULL));
	assert_int_equal(list(&a, &district, code, NULL), ERR_DENIED);
	assert_int_equal(list(&a, &officer, COMMUNE "-240521-9999", NULL), ERR_NOT_FOUND);
	assert_int_equal(reuse(&a, &officer, COMMUNE "-240521-9999", "TP1", "held-1"),
			 ERR_NOT_FOUND);
	assert_int_equal(reuse(&a, &citizen, code, "TP1", "held-1"), ERR_DENIED);
	assert_int_equal(reuse(&a, &officer, code, "TP1", "held-1"), 0);
	assert_int_equal(reuse(&a, &officer, code, "TP1", "held-1"), ERR_CONFLICT);
	assert_true(ask_has(&a, "ALREADY_REUSED", "record_id"));
	ask_done(&a);
}

/* A record that was reused at filing is no longer to be reused, and a finished dossier reuses none.
 */
static void test_reuse_has_its_time(void **state)
{
	struct filing f;
	struct ask a;
	char code[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	f.applicant.number = HOLDER;
	f.in.n_components = 0;
	accept_one(&a, &f, code);
	assert_int_equal(reuse(&a, &officer, code, "TP1", "held-1"), ERR_CONFLICT);
	assert_true(ask_has(&a, "ALREADY_REUSED", "record_id"));
	pg_exec(rig.pg, "dossier",
		"INSERT INTO held_record VALUES ('held-5', (SELECT owner_key FROM held_record"
		" WHERE record_id = 'held-1'), 'GKS', '', '" OTHER
		"', '', '2023-01-01', 'infinity', 99)");
	assert_int_equal(reuse(&a, &officer, code, "TP1", "held-5"), 0);
	assert_int_equal(ask_payment(&a, &clerk, code, 1, NULL), 0);
	assert_int_equal(reuse(&a, &officer, code, "TP1", "held-1"), ERR_CONFLICT);
	assert_true(ask_has(&a, "WRONG_STATE", NULL));
	ask_done(&a);
}

/* From the day its issuer took it back a record is offered nowhere. */
static void test_revoked_record(void **state)
{
	Digitisation__DigitisationRecordRevoked ev =
		DIGITISATION__DIGITISATION_RECORD_REVOKED__INIT;
	Dossier__ListHeldReply *held;
	struct filing f;
	struct ask a;
	char code[64], secret[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	say_held("held-6", "036190000058", "GKS", SOURCE, "");
	make_filing(&f);
	f.applicant.number = "036190000058";
	f.in.n_components = 0;
	file_one(&a, &f, code, secret);
	ev.record_id = "held-6";
	ev.valid_to = "2024-05-20";
	peer_publish(rig.digitisation, "digitisation.record_revoked", ev.record_id, 2, &ev.base);
	assert_true(pg_wait_int(rig.pg, "dossier",
				"SELECT count(*) FROM held_record WHERE record_id = 'held-6'"
				" AND valid_to = '2024-05-20'",
				1, 10000));
	assert_int_equal(refuse(&a, &citizen, &f, "MISSING_COMPONENT", "components"), ERR_INVALID);
	assert_int_equal(list(&a, &officer, code, &held), 0);
	assert_int_equal(held->n_records, 0);
	/* What was reused before stays so. */
	assert_int_equal(about("count(*) FILTER (WHERE reused)", "component", code), 1);
	ask_done(&a);
}

/* A supplement that asks for what is held is a demand, whatever its reason; other fields are not.
 */
static void test_supplement_although_held(void **state)
{
	Dossier__SupplementItem item[2] = {DOSSIER__SUPPLEMENT_ITEM__INIT,
					   DOSSIER__SUPPLEMENT_ITEM__INIT};
	Dossier__SupplementItem *items[] = {&item[0], &item[1]};
	struct filing f;
	struct ask a;
	char code[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	f.applicant.number = HOLDER;
	accept_one(&a, &f, code);
	item[0].component = "TP1"; /* GKS: held-1 */
	item[0].reason = "unclear";
	item[0].text = "Bản chụp mờ";
	item[1].component = "TP2"; /* of no type */
	item[1].reason = "unclear";
	item[1].text = "Bản chụp mờ";
	assert_int_equal(
		CALL(&a, &clerk, RequestSupplement, request_supplement, NULL, in_.code = code;
		     in_.items = items; in_.n_items = 2),
		0);
	assert_int_equal(about("count(*)", "component_demand", code), 1);
	assert_int_equal(about("count(*) FILTER (WHERE component = 'TP1' AND round = 1)",
			       "component_demand", code),
			 1);
	ask_done(&a);
	/* Nobody holds anything of the next applicant. */
	ask_init(&a, rig.gateway, "dossier");
	f.applicant.number = "036190000066";
	accept_one(&a, &f, code);
	assert_int_equal(
		CALL(&a, &clerk, RequestSupplement, request_supplement, NULL, in_.code = code;
		     in_.items = items; in_.n_items = 2),
		0);
	assert_int_equal(about("count(*)", "component_demand", code), 0);
	ask_done(&a);
}

/* --- another version --- */

/* Imports the marriage procedure with a new required paper and a required field. */
static void import_next(struct bundle *b)
{
	static Dossier__FormFieldRule email;
	static Dossier__FormFieldRule *rules[2];
	struct ask ops;

	ask_init(&ops, rig.ops, "dossier");
	make_bundle(b);
	dossier__form_field_rule__init(&email);
	email.name = "email";
	email.label = "Thư điện tử";
	email.type = "email";
	email.required = true;
	rules[0] = b->rules[0];
	rules[1] = &email;
	b->p[0].form = rules;
	b->p[0].n_form = 2;
	b->component[1].required = true;
	assert_int_equal(import(&ops, b), 1);
	ask_done(&ops);
}

static void test_rebase_lists_what_is_missing(void **state)
{
	Dossier__GetReply *got;
	struct bundle b;
	struct filing f;
	struct ask a;
	char code[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	make_filing(&f);
	accept_one(&a, &f, code);
	assert_int_equal(rebase(&a, &officer, code, "Thủ tục mới", NULL), ERR_CONFLICT);
	assert_true(ask_has(&a, "ALREADY_NEWEST", "code"));
	import_next(&b);
	/* An open dossier keeps its version until somebody moves it. */
	assert_int_equal(get_it(&a, &officer, code, &got), 0);
	assert_int_equal(got->dossier->procedure_version, 1);
	assert_int_equal(rebase(&a, &officer, code, "Thủ tục mới", NULL), ERR_INVALID);
	assert_int_equal(a.err.n_items, 2);
	assert_true(ask_has(&a, "MISSING_FORM_FIELD", "form.email"));
	assert_true(ask_has(&a, "MISSING_COMPONENT", "components"));
	assert_int_equal(rebase(&a, &officer, code, " ", NULL), ERR_INVALID);
	assert_true(ask_has(&a, "REQUIRED_FIELD", "reason"));
	assert_int_equal(rebase(&a, &district, code, "x", NULL), ERR_DENIED);
	assert_true(ask_has(&a, "NOT_IN_HAND", NULL));
	assert_int_equal(rebase(&a, &clerk, code, "x", NULL), ERR_DENIED);
	assert_true(ask_has(&a, "ROLE_REQUIRED", NULL));
	assert_int_equal(rebase(&a, &platform, COMMUNE "-240521-9999", "x", NULL), ERR_NOT_FOUND);
	ask_done(&a);
}

static Dossier__GetPaperReply *receipt_of(struct ask *a, const char *code)
{
	Dossier__GetPaperReply *out;

	assert_int_equal(CALL(a, &clerk, GetPaper, get_paper, &out, in_.code = code;
			      in_.kind = DOSSIER__PAPER_KIND__PAPER_KIND_RECEIPT),
			 0);
	return out;
}

static void test_rebase(void **state)
{
	Dossier__GetPaperReply *before, *after;
	Dossier__RebaseReply *out;
	Dossier__AcceptReply *accepted;
	Dossier__GetReply *got;
	struct bundle b;
	struct filing f;
	struct ask a, ops, old;
	char code[64], secret[64];
	int64_t due, version;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	ask_init(&ops, rig.ops, "dossier");
	ask_init(&old, rig.gateway, "dossier");
	make_bundle(&b);
	assert_int_equal(import(&ops, &b), 1); /* as it was, under a number of its own */
	make_filing(&f);
	file_one(&a, &f, code, secret);
	assert_int_equal(accept_it(&a, &clerk, code, &accepted), 0);
	due = accepted->due_us;
	before = receipt_of(&old, code);
	/* Another limit; the paper of before is no longer asked for, another may be handed in. */
	b.p[0].limit_value = 10;
	b.component[0].code = "TP3";
	b.component[0].required = false;
	assert_int_equal(import(&ops, &b), 1);
	assert_int_equal(rebase(&a, &platform, code, "Thủ tục sửa đổi", &out), 0);
	version = out->to_procedure_version;
	assert_int_equal(version, out->from_procedure_version + 1);
	assert_int_equal(get_it(&a, &officer, code, &got), 0);
	assert_int_equal(got->dossier->procedure_version, version);
	assert_int_equal(got->dossier->due_us, due);               /* what was promised */
	assert_int_equal(about("count(*)", "component", code), 3); /* TP1 stays on record */
	assert_int_equal(got->dossier->n_components, 3);
	assert_int_equal(got->dossier->components[0]->n_file_ids, 2);
	assert_string_equal(got->history[2]->action, "rebase");
	assert_string_equal(got->history[2]->note, "Thủ tục sửa đổi");
	relay_all();
	assert_int_equal(count_events("dossier.rebased", code), 1);
	/* The receipt says what was promised and handed in then. */
	after = receipt_of(&a, code);
	assert_int_equal(after->content.len, before->content.len);
	assert_memory_equal(after->content.data, before->content.data, before->content.len);
	assert_int_equal(forward_it(&a, &clerk, code, COMMUNE), 0);
	ask_done(&a);
	ask_done(&ops);
	ask_done(&old);
}

/* A recount changes nothing; when it is due. */
static int64_t recounted_due(struct ask *a, const char *code)
{
	const char *codes[1] = {code};
	Dossier__RecountDueReply *out;

	assert_int_equal(CALL(a, &platform, RecountDue, recount_due, &out, in_.codes = codes;
			      in_.n_codes = 1; in_.reason = "Kiểm tra"),
			 0);
	assert_string_equal(out->items[0]->refusal, "");
	assert_false(out->items[0]->changed);
	return out->items[0]->due_us;
}

/* Decided, complained of with success, and opened again: when it is due now. */
static int64_t reopened_due(struct ask *a, const char *code, const char *secret)
{
	static const struct person leader = {"leader-31-01", "leader", COMMUNE};
	Dossier__ReopenReply *out;

	assert_int_equal(issue_it(a, &officer, code, FILE_1, NULL), 0);
	assert_int_equal(CALL(a, &public, Complain, complain, NULL, in_.code = code;
			      in_.receipt_secret = secret; in_.text = "Sai tên"),
			 0);
	assert_int_equal(CALL(a, &leader, AnswerComplaint, answer_complaint, NULL, in_.code = code;
			      in_.complaint = 1; in_.upheld = true; in_.text = "Đúng"),
			 0);
	assert_int_equal(CALL(a, &leader, Reopen, reopen, &out, in_.code = code; in_.complaint = 1;
			      in_.reason = "complaint_upheld"),
			 0);
	return out->due_us;
}

static void test_a_rebased_dossier_keeps_the_promised_limit(void **state)
{
	struct bundle b;
	struct filing f;
	struct ask a, ops;
	char code[64], secret[64];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	ask_init(&ops, rig.ops, "dossier");
	make_bundle(&b);
	b.p[1].limit_value = 4;
	assert_true(import(&ops, &b) >= 1);
	make_plain(&f);
	set_clock("2024-05-21 09:00");
	file_one(&a, &f, code, secret);
	assert_int_equal(accept_it(&a, &clerk, code, NULL), 0);
	b.p[1].limit_unit = DOSSIER__LIMIT_UNIT__LIMIT_UNIT_CALENDAR_DAY;
	b.p[1].limit_value = 20;
	assert_int_equal(import(&ops, &b), 1);
	assert_int_equal(rebase(&a, &platform, code, "Thủ tục sửa đổi", NULL), 0);
	assert_int_equal(recounted_due(&a, code), moment("2024-05-27 17:30"));
	/* A pause is made good by working time, as it would have been. */
	assert_int_equal(forward_it(&a, &clerk, code, COMMUNE), 0);
	assert_int_equal(CALL(&a, &officer, Stop, stop, NULL, in_.code = code;
			      in_.reason = "dispute"; in_.note = "Tranh chấp"),
			 0);
	set_clock("2024-05-22 09:00");
	assert_int_equal(
		CALL(&a, &officer, ContinueProcessing, continue_processing, NULL, in_.code = code),
		0);
	assert_int_equal(recounted_due(&a, code), moment("2024-05-28 17:30"));
	assert_int_equal(reopened_due(&a, code, secret), moment("2024-06-11 17:30"));
	set_clock(NULL);
	ask_done(&a);
	ask_done(&ops);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reuse_in_work),
		cmocka_unit_test(test_refused_reuse),
		cmocka_unit_test(test_reuse_has_its_time),
		cmocka_unit_test(test_revoked_record),
		cmocka_unit_test(test_supplement_although_held),
		cmocka_unit_test(test_rebase_lists_what_is_missing),
		cmocka_unit_test(test_rebase),
		cmocka_unit_test(test_a_rebased_dossier_keeps_the_promised_limit),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
