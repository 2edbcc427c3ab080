/* The applicant is not content: complaint, answer, and the processing taken up again. */
#include <string.h>

#include "common/base/utf8.h"
#include "services/dossier/dossier.h"

static const struct err_kind too_many = {ERR_CONFLICT, "TOO_MANY_COMPLAINTS",
					 "Hồ sơ đã có quá nhiều khiếu nại",
					 "there are too many complaints of this dossier"};
static const struct err_kind complaint_open = {ERR_CONFLICT, "COMPLAINT_OPEN",
					       "Khiếu nại trước chưa được trả lời",
					       "the complaint before is not answered yet"};
static const struct err_kind no_complaint = {
	ERR_NOT_FOUND, "UNKNOWN_COMPLAINT", "Không có khiếu nại này", "there is no such complaint"};
static const struct err_kind answered = {ERR_CONFLICT, "COMPLAINT_ANSWERED",
					 "Khiếu nại đã được trả lời",
					 "the complaint was answered already"};
static const struct err_kind not_upheld = {
	ERR_CONFLICT, "COMPLAINT_NOT_UPHELD", "Chỉ mở lại hồ sơ khi khiếu nại được chấp nhận",
	"only a complaint that was upheld opens a dossier again"};

static const struct db_stmt insert_complaint = {
	"INSERT INTO complaint (dossier, ordinal, text, by_secret, at)"
	" VALUES ($1, $2, $3, $4, $5)"};
static const struct db_stmt insert_answer = {
	"INSERT INTO complaint_answer (dossier, ordinal, upheld, text, agency, answered_by, at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7)"};
/* NULL while not answered. */
static const struct db_stmt read_complaint = {
	"SELECT a.upheld FROM complaint k LEFT JOIN complaint_answer a"
	" ON a.dossier = k.dossier AND a.ordinal = k.ordinal"
	" WHERE k.dossier = $1 AND k.ordinal = $2"};

static int check_text(struct call *c, const char *text)
{
	size_t n = utf8_length(text);

	if (n == 0 || n > RULES_TEXT_MAX)
		return err_set(&c->err, &err_invalid_field, "text", "1..4000");
	return 0;
}

static int check_may_complain(struct call *c, const struct dossier *d)
{
	if (d->complaints_open > 0)
		return err_set(&c->err, &complaint_open, "code", NULL);
	if (d->complaints >= RULES_COMPLAINTS_MAX)
		return err_set(&c->err, &too_many, "code", NULL);
	return 0;
}

DOSSIER_HANDLER(complain, Complain)
{
	struct call *c = call_of(data);
	Dossier__ComplainReply out = DOSSIER__COMPLAIN_REPLY__INIT;
	Dossier__DossierComplained ev = DOSSIER__DOSSIER_COMPLAINED__INIT;
	struct dossier d;

	(void)svc;
	if (check_text(c, in->text) < 0 ||
	    dossier_take_applicant(c, in->code, in->receipt_secret, RULES_COMPLAIN, &d) < 0 ||
	    check_may_complain(c, &d) < 0)
		return call_fail(c);
	d.complaints++;
	d.complaints_open++;
	dossier_save(c, &d, rules_action_name(RULES_COMPLAIN), "");
	tx_add(c, &insert_complaint, DB_TEXT(d.code), DB_INT4(d.complaints),
	       DB_TEXT(dossier_nfc(c, in->text)), DB_BOOL(in->receipt_secret[0] != '\0'),
	       DB_TIME(c->now_us));
	ev.code = d.code;
	ev.agency_code = d.agencies.holder;
	ev.complaint = d.complaints;
	dossier_tell(c, &d, RULES_COMPLAIN, "dossier.complained", &ev.base);
	out.version = d.version;
	out.complaint = d.complaints;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

DOSSIER_HANDLER(answer_complaint, AnswerComplaint)
{
	struct call *c = call_of(data);
	Dossier__AnswerComplaintReply out = DOSSIER__ANSWER_COMPLAINT_REPLY__INIT;
	Dossier__DossierComplaintAnswered ev = DOSSIER__DOSSIER_COMPLAINT_ANSWERED__INIT;
	int slot = dossier_take_add(c, in->code);
	int complaint = tx_add(c, &read_complaint, DB_TEXT(in->code), DB_INT4(in->complaint));
	struct dossier d;

	(void)svc;
	if (check_text(c, in->text) < 0 || tx_flush(c) < 0 ||
	    dossier_take_check(c, slot, in->code, RULES_ANSWER_COMPLAINT, &d) < 0)
		return call_fail(c);
	if (db_rows(&c->tx, complaint) == 0 || !db_is_null(&c->tx, complaint, 0, 0)) {
		err_set(&c->err, db_rows(&c->tx, complaint) == 0 ? &no_complaint : &answered,
			"complaint", NULL);
		return call_fail(c);
	}
	d.complaints_open--;
	dossier_save(c, &d, rules_action_name(RULES_ANSWER_COMPLAINT), "");
	tx_add(c, &insert_answer, DB_TEXT(d.code), DB_INT4(in->complaint), DB_BOOL(in->upheld),
	       DB_TEXT(dossier_nfc(c, in->text)), DB_TEXT(c->caller.agency),
	       DB_TEXT(dossier_actor(c)), DB_TIME(c->now_us));
	ev.code = d.code;
	ev.agency_code = c->caller.agency;
	ev.complaint = in->complaint;
	ev.upheld = in->upheld;
	dossier_tell(c, &d, RULES_ANSWER_COMPLAINT, "dossier.complaint_answered", &ev.base);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- reopen --- */

/* As if it came to its holder now: no result, no signature, a new clock from here. */
static int start_again(struct call *c, struct dossier *d)
{
	const Dossier__Procedure *p;

	d->finished_us = 0;
	d->verdict = DOSSIER__VERDICT__VERDICT_UNSPECIFIED;
	d->decision = DOSSIER__DECISION__DECISION_UNSPECIFIED;
	d->handover_state = DOSSIER__HANDOVER_STATE__HANDOVER_STATE_UNSPECIFIED;
	d->tracking_number = d->result_number = d->result_file_id = d->signed_by = "";
	d->extended = false;
	if (dossier_start_clock(c, d) < 0 || dossier_procedure(c, d, &p) < 0)
		return c->err.status;
	return steps_enter(c, d, rules_step_at(p, &d->agencies, 0, d->agencies.holder));
}

static void reopened_event(struct call *c, const struct dossier *d,
			   const Dossier__ReopenRequest *in, const struct dossier *before)
{
	Dossier__DossierReopened ev = DOSSIER__DOSSIER_REOPENED__INIT;

	ev.code = d->code;
	ev.procedure_code = d->procedure_code;
	ev.agency_code = d->agencies.holder;
	ev.complaint = in->complaint;
	ev.reason = d->why;
	ev.due_us = d->due_us;
	ev.due_provisional = d->due_provisional;
	ev.verdict = before->verdict;
	ev.finished_us = before->finished_us;
	dossier_tell(c, d, RULES_REOPEN, "dossier.reopened", &ev.base);
}

static int check_upheld(struct call *c, int complaint)
{
	if (db_rows(&c->tx, complaint) == 0)
		return err_set(&c->err, &no_complaint, "complaint", NULL);
	if (!db_get_bool(&c->tx, complaint, 0, 0))
		return err_set(&c->err, &not_upheld, "complaint", NULL);
	return 0;
}

DOSSIER_HANDLER(reopen, Reopen)
{
	struct call *c = call_of(data);
	Dossier__ReopenReply out = DOSSIER__REOPEN_REPLY__INIT;
	struct dossier d, before;
	int slot, complaint;

	(void)svc;
	if (reasons_check(c, RULES_REASON_REOPENING, in->reason, in->note) < 0 ||
	    dossier_check_note(c, in->note, 0) < 0)
		return call_fail(c);
	slot = dossier_take_add(c, in->code);
	complaint = tx_add(c, &read_complaint, DB_TEXT(in->code), DB_INT4(in->complaint));
	if (tx_flush(c) < 0 || dossier_take_check(c, slot, in->code, RULES_REOPEN, &d) < 0 ||
	    check_upheld(c, complaint) < 0)
		return call_fail(c);
	before = d;
	if (start_again(c, &d) < 0)
		return call_fail(c);
	d.why = in->reason;
	dossier_save(c, &d, rules_action_name(RULES_REOPEN), dossier_nfc(c, in->note));
	reopened_event(c, &d, in, &before);
	out.version = d.version;
	out.due_us = d.due_us;
	out.due_provisional = d.due_provisional;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
