/* The result: signed off, issued, on its way to the applicant. */
#include <string.h>

#include "common/base/utf8.h"
#include "services/dossier/fees.h"

static const struct err_kind not_signed = {ERR_CONFLICT, "NOT_SIGNED",
					   "Kết quả chưa được lãnh đạo phê duyệt",
					   "a leader has not signed the result off yet"};
static const struct err_kind already_signed = {ERR_CONFLICT, "ALREADY_SIGNED",
					       "Kết quả đã được %s phê duyệt",
					       "%s has signed it off already"};
static const struct err_kind opinions_open = {ERR_CONFLICT, "OPINIONS_OPEN",
					      "Còn ý kiến của cơ quan phối hợp chưa trả lời",
					      "opinions are still waited for"};
static const struct err_kind children_open = {ERR_CONFLICT, "CHILDREN_OPEN",
					      "Hồ sơ liên thông %s chưa có kết quả",
					      "linked dossier %s has no result yet"};
static const struct err_kind tracking_differs = {
	ERR_CONFLICT, "TRACKING_DIFFERS",
	"Số vận đơn không khớp hoặc kết quả không gửi qua bưu chính",
	"the tracking number differs, or the result was not posted"};

/* A linked dossier the result waits for. */
static const struct db_stmt read_open_child = {
	"SELECT code FROM dossier WHERE parent = $1 AND parent_needs"
	" AND state NOT IN (3, 7, 9, 10) ORDER BY code LIMIT 1"};

/* --- sign-off --- */

DOSSIER_HANDLER(sign_off, SignOff)
{
	struct call *c = call_of(data);
	Dossier__SignOffReply out = DOSSIER__SIGN_OFF_REPLY__INIT;
	Dossier__DossierSignedOff ev = DOSSIER__DOSSIER_SIGNED_OFF__INIT;
	struct dossier d;

	(void)svc;
	if (dossier_check_note(c, in->note, 0) < 0 ||
	    dossier_take(c, in->code, RULES_SIGN_OFF, &d) < 0)
		return call_fail(c);
	if (d.signed_by[0] != '\0') {
		err_set(&c->err, &already_signed, "code", d.signed_by);
		return call_fail(c);
	}
	d.signed_by = dossier_actor(c);
	dossier_save(c, &d, rules_action_name(RULES_SIGN_OFF), dossier_nfc(c, in->note));
	ev.code = d.code;
	ev.agency_code = d.agencies.holder;
	dossier_tell(c, &d, RULES_SIGN_OFF, "dossier.signed_off", &ev.base);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* Back to the step of the officer; who had it then claims it again. */
static int go_back(struct call *c, struct dossier *d)
{
	const Dossier__Procedure *p;

	if (dossier_procedure(c, d, &p) < 0)
		return c->err.status;
	d->signed_by = "";
	return steps_enter(c, d, rules_step_back(p, d->step));
}

DOSSIER_HANDLER(return_for_rework, ReturnForRework)
{
	struct call *c = call_of(data);
	Dossier__ReturnForReworkReply out = DOSSIER__RETURN_FOR_REWORK_REPLY__INIT;
	Dossier__DossierReturnedForRework ev = DOSSIER__DOSSIER_RETURNED_FOR_REWORK__INIT;
	struct dossier d;

	(void)svc;
	if (dossier_check_note(c, in->note, 1) < 0 ||
	    dossier_take(c, in->code, RULES_REWORK, &d) < 0 || go_back(c, &d) < 0)
		return call_fail(c);
	dossier_save(c, &d, rules_action_name(RULES_REWORK), dossier_nfc(c, in->note));
	ev.code = d.code;
	ev.agency_code = d.agencies.holder;
	ev.step = d.step;
	dossier_tell(c, &d, RULES_REWORK, "dossier.returned_for_rework", &ev.base);
	out.version = d.version;
	out.step = d.step;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- issue --- */

static bool is_refusal(const Dossier__IssueResultRequest *in)
{
	return in->decision == DOSSIER__DECISION__DECISION_REFUSED;
}

static int check_result(struct call *c, const Dossier__IssueResultRequest *in)
{
	const Digitisation__FileStat **stats;
	struct err found = {.status = 0};

	if (in->result_number[0] == '\0')
		return err_set(&c->err, &err_required_field, "result_number", NULL);
	if (utf8_length(in->result_number) > RULES_NAME_MAX)
		return err_set(&c->err, &err_invalid_field, "result_number", "1..200");
	if (is_refusal(in) && (reasons_check(c, RULES_REASON_DECISION, in->reason, in->note) < 0 ||
			       dossier_check_note(c, in->note, 1) < 0))
		return c->err.status;
	if (in->file_id[0] == '\0')
		return 0;
	if (files_stat(c, &in->file_id, 1, &stats) < 0)
		return c->err.status;
	files_check(stats[0], in->file_id, "file_id", &found);
	if (found.status != 0)
		c->err = found;
	return found.status;
}

/* Nothing is waited for, and a leader has signed where the template wants it: a leader who issues
 * signs in the same act. */
static int check_ready(struct call *c, struct dossier *d, int children, const Dossier__Procedure *p)
{
	if (d->opinions_open > 0)
		return err_set(&c->err, &opinions_open, "code", NULL);
	if (db_rows(&c->tx, children) > 0)
		return err_set(&c->err, &children_open, "code",
			       db_get_text(&c->tx, children, 0, 0));
	if (d->signed_by[0] == '\0' && d->actor.leader)
		d->signed_by = d->actor.subject;
	if (d->signed_by[0] == '\0' && rules_step_signs(p))
		return err_set(&c->err, &not_signed, "code", NULL);
	return 0;
}

static void result_event(struct call *c, const struct dossier *d)
{
	Dossier__DossierResultIssued ev = DOSSIER__DOSSIER_RESULT_ISSUED__INIT;

	ev.code = d->code;
	ev.procedure_code = d->procedure_code;
	ev.agency_code = d->agencies.holder;
	ev.owner_key = d->owner_key;
	ev.result_type = d->result_type;
	ev.data_class = d->data_class;
	ev.result_number = d->result_number;
	ev.file_id = d->result_file_id;
	ev.verdict = d->verdict;
	ev.finished_us = d->finished_us;
	ev.channel = d->channel;
	ev.online_level = d->online_level;
	ev.handoffs = (uint32_t)d->handoffs;
	ev.handoffs_electronic = (uint32_t)d->handoffs_electronic;
	ev.decision = d->decision;
	ev.reason = d->why;
	ev.again = d->results > 1;
	dossier_tell(c, d, RULES_ISSUE_RESULT, "dossier.result_issued", &ev.base);
}

/* The result stands: what was decided, by when, and the step that hands it over. */
static int decide(struct call *c, struct dossier *d, const Dossier__IssueResultRequest *in,
		  const Dossier__Procedure *p)
{
	if (dossier_finish(c, d) < 0 || steps_enter(c, d, rules_step_last(p, d->step)) < 0)
		return c->err.status;
	d->decision = is_refusal(in) ? DOSSIER__DECISION__DECISION_REFUSED
				     : DOSSIER__DECISION__DECISION_GRANTED;
	d->why = is_refusal(in) ? in->reason : "";
	d->handover_state = DOSSIER__HANDOVER_STATE__HANDOVER_STATE_READY;
	d->result_number = dossier_nfc(c, in->result_number);
	d->result_file_id = in->file_id;
	d->results++;
	return 0;
}

/* Beside a result that grants: what is to be paid before it is handed over. */
static int ask_with_result(struct call *c, struct dossier *d, const Dossier__IssueResultRequest *in,
			   int64_t *ret_vnd)
{
	struct rules_fees fees;

	*ret_vnd = 0;
	if (is_refusal(in))
		return 0;
	if (fees_read(c, d, d->fees, &fees) < 0)
		return c->err.status;
	return fees_request_with(c, d, &fees, RULES_FEES_AT_RESULT, in->quantity, ret_vnd);
}

DOSSIER_HANDLER(issue_result, IssueResult)
{
	struct call *c = call_of(data);
	Dossier__IssueResultReply out = DOSSIER__ISSUE_RESULT_REPLY__INIT;
	const Dossier__Procedure *p;
	int slot, children;
	struct dossier d;

	(void)svc;
	if (check_result(c, in) < 0)
		return call_fail(c);
	slot = dossier_take_add(c, in->code);
	children = tx_add(c, &read_open_child, DB_TEXT(in->code));
	if (tx_flush(c) < 0 || dossier_take_check(c, slot, in->code, RULES_ISSUE_RESULT, &d) < 0 ||
	    dossier_procedure(c, &d, &p) < 0 || check_ready(c, &d, children, p) < 0 ||
	    decide(c, &d, in, p) < 0)
		return call_fail(c);
	dossier_save(c, &d, rules_action_name(RULES_ISSUE_RESULT), dossier_nfc(c, in->note));
	result_event(c, &d);
	if (ask_with_result(c, &d, in, &out.amount_vnd) < 0)
		return call_fail(c);
	out.version = d.version;
	out.verdict = d.verdict;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- return --- */

static int check_return(struct call *c, const Dossier__ReturnResultRequest *in)
{
	bool post = strcmp(in->how, "post") == 0;

	if (!post && strcmp(in->how, "desk") != 0 && strcmp(in->how, "online") != 0)
		return err_set(&c->err, &err_invalid_field, "how", "desk, post, online");
	if (post && in->tracking_number[0] == '\0')
		return err_set(&c->err, &err_required_field, "tracking_number", NULL);
	if (utf8_length(in->tracking_number) > (post ? RULES_TRACKING_MAX : 0))
		return err_set(&c->err, &err_invalid_field, "tracking_number", "post: 1..40");
	return 0;
}

static Dossier__HandoverState handover_of(const char *how)
{
	if (strcmp(how, "post") == 0)
		return DOSSIER__HANDOVER_STATE__HANDOVER_STATE_POSTED;
	return strcmp(how, "online") == 0 ? DOSSIER__HANDOVER_STATE__HANDOVER_STATE_ONLINE
					  : DOSSIER__HANDOVER_STATE__HANDOVER_STATE_HANDED_OVER;
}

DOSSIER_HANDLER(return_result, ReturnResult)
{
	struct call *c = call_of(data);
	Dossier__ReturnResultReply out = DOSSIER__RETURN_RESULT_REPLY__INIT;
	Dossier__DossierReturned ev = DOSSIER__DOSSIER_RETURNED__INIT;
	struct dossier d;

	(void)svc;
	if (check_return(c, in) < 0 || dossier_take(c, in->code, RULES_RETURN, &d) < 0 ||
	    steps_enter(c, &d, 0) < 0)
		return call_fail(c);
	d.handover_state = handover_of(in->how);
	d.tracking_number = in->tracking_number;
	dossier_save(c, &d, rules_action_name(RULES_RETURN), in->how);
	ev.code = d.code;
	ev.agency_code = c->caller.agency;
	ev.how = in->how;
	ev.returned_us = c->now_us;
	ev.handover_state = d.handover_state;
	dossier_tell(c, &d, RULES_RETURN, "dossier.returned", &ev.base);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

DOSSIER_HANDLER(hand_over, HandOver)
{
	struct call *c = call_of(data);
	Dossier__HandOverReply out = DOSSIER__HAND_OVER_REPLY__INIT;
	Dossier__DossierHandedOver ev = DOSSIER__DOSSIER_HANDED_OVER__INIT;
	struct dossier d;

	(void)svc;
	if (dossier_take(c, in->code, RULES_HAND_OVER, &d) < 0)
		return call_fail(c);
	if (d.handover_state != DOSSIER__HANDOVER_STATE__HANDOVER_STATE_POSTED ||
	    strcmp(d.tracking_number, in->tracking_number) != 0) {
		err_set(&c->err, &tracking_differs, "tracking_number", NULL);
		return call_fail(c);
	}
	d.handover_state = DOSSIER__HANDOVER_STATE__HANDOVER_STATE_HANDED_OVER;
	dossier_save(c, &d, rules_action_name(RULES_HAND_OVER), d.tracking_number);
	ev.code = d.code;
	ev.agency_code = c->caller.agency;
	dossier_tell(c, &d, RULES_HAND_OVER, "dossier.handed_over", &ev.base);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
