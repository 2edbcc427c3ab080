/* Working on a dossier: accept, forward, ask for payment, issue the result, return it. */
#include <string.h>

#include "common/base/civil.h"
#include "common/base/money.h"
#include "common/base/utf8.h"
#include "common/svc/refdata.h"
#include "services/dossier/dossier.h"

static const struct err_kind agency_not_in_force = {
	ERR_INVALID, "AGENCY_NOT_IN_FORCE", "Cơ quan %s không tồn tại hoặc không còn hoạt động",
	"agency %s is unknown or not in force on this date"};
static const struct err_kind same_agency = {ERR_CONFLICT, "SAME_AGENCY",
					    "Hồ sơ đang ở chính cơ quan %s",
					    "the dossier is with agency %s already"};
static const struct err_kind no_fee = {ERR_CONFLICT, "NO_FEE", "Thủ tục %s không thu phí, lệ phí",
				       "procedure %s has no fee"};
static const struct err_kind fee_paid = {ERR_CONFLICT, "FEE_PAID",
					 "Phí, lệ phí của hồ sơ đã được nộp",
					 "the fee of this dossier is paid"};

/* --- accept --- */

static void accepted_event(struct call *c, const struct dossier *d)
{
	Dossier__DossierAccepted ev = DOSSIER__DOSSIER_ACCEPTED__INIT;

	ev.code = d->code;
	ev.procedure_code = d->procedure_code;
	ev.receiving_agency_code = d->agencies.receiving;
	ev.competent_agency_code = d->agencies.competent;
	ev.accepted_us = d->accepted_us;
	ev.due_us = d->due_us;
	ev.due_provisional = d->due_provisional;
	tx_event(c, "dossier.accepted", d->code, d->version, &ev.base);
}

DOSSIER_HANDLER(accept, Accept)
{
	struct call *c = call_of(data);
	Dossier__AcceptReply out = DOSSIER__ACCEPT_REPLY__INIT;
	struct dossier d;

	(void)svc;
	if (dossier_take(c, in->code, RULES_ACCEPT, &d) < 0)
		return call_fail(c);
	d.accepted_us = c->now_us;
	if (dossier_start_clock(c, &d) < 0)
		return call_fail(c);
	dossier_save(c, &d, rules_action_name(RULES_ACCEPT), "");
	accepted_event(c, &d);
	out.version = d.version;
	out.due_us = d.due_us;
	out.due_provisional = d.due_provisional;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- forward --- */

/*
 * To another agency, or - once, from the desk that accepted it - to the professional unit of the
 * same agency; the latter is no hand-off between agencies.
 */
static int move(struct call *c, struct dossier *d, const Dossier__ForwardRequest *in, bool in_force)
{
	if (!in_force)
		return err_set(&c->err, &agency_not_in_force, "to_agency_code", in->to_agency_code);
	if (strcmp(in->to_agency_code, d->agencies.holder) != 0) {
		d->hops++;
		d->handoffs++;
		d->handoffs_electronic += in->electronic;
	} else if (d->was != DOSSIER__DOSSIER_STATE__DOSSIER_STATE_ACCEPTED) {
		return err_set(&c->err, &same_agency, "to_agency_code", in->to_agency_code);
	}
	d->agencies.holder = in->to_agency_code;
	return 0;
}

static void forwarded_event(struct call *c, const struct dossier *d, const char *from,
			    bool electronic)
{
	Dossier__DossierForwarded ev = DOSSIER__DOSSIER_FORWARDED__INIT;

	ev.code = d->code;
	ev.from_agency_code = from;
	ev.to_agency_code = d->agencies.holder;
	ev.electronic = electronic;
	tx_event(c, "dossier.forwarded", d->code, d->version, &ev.base);
}

static int check_note(struct call *c, const char *note)
{
	if (utf8_length(note) > RULES_NOTE_MAX)
		return err_set(&c->err, &err_invalid_field, "note", "0..1000");
	return 0;
}

DOSSIER_HANDLER(forward, Forward)
{
	struct call *c = call_of(data);
	Dossier__ForwardReply out = DOSSIER__FORWARD_REPLY__INIT;
	struct refdata_agency agency;
	struct dossier d;
	const char *from;
	int slot, in_force;

	(void)svc;
	if (check_note(c, in->note) < 0)
		return call_fail(c);
	slot = dossier_take_add(c, in->code);
	in_force = refdata_agency(c, in->to_agency_code, civil_of_us(c->now_us), &agency);
	if (in_force < 0 || dossier_take_check(c, slot, in->code, RULES_FORWARD, &d) < 0)
		return call_fail(c);
	from = d.agencies.holder;
	if (move(c, &d, in, in_force > 0) < 0)
		return call_fail(c);
	dossier_save(c, &d, rules_action_name(RULES_FORWARD), dossier_nfc(c, in->note));
	forwarded_event(c, &d, from, in->electronic);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- payment --- */

/* The fee for the quantity asked; 0 or the refusal. */
static int set_fee(struct call *c, struct dossier *d, uint32_t quantity)
{
	if (d->fee_paid)
		return err_set(&c->err, &fee_paid, "code", NULL);
	if (d->procedure_fee_vnd == 0)
		return err_set(&c->err, &no_fee, "code", d->procedure_code);
	if (quantity > RULES_QUANTITY_MAX ||
	    money_multiply(d->procedure_fee_vnd, quantity ? quantity : 1, &d->fee_vnd) < 0)
		return err_set(&c->err, &err_invalid_field, "quantity", "0..10000");
	return 0;
}

DOSSIER_HANDLER(request_payment, RequestPayment)
{
	struct call *c = call_of(data);
	Dossier__RequestPaymentReply out = DOSSIER__REQUEST_PAYMENT_REPLY__INIT;
	Dossier__DossierPaymentRequested ev = DOSSIER__DOSSIER_PAYMENT_REQUESTED__INIT;
	struct dossier d;

	(void)svc;
	if (dossier_take(c, in->code, RULES_REQUEST_PAYMENT, &d) < 0 ||
	    set_fee(c, &d, in->quantity) < 0 || dossier_clock(c, &d) < 0)
		return call_fail(c);
	d.finance_state = DOSSIER__FINANCE_STATE__FINANCE_STATE_REQUESTED;
	dossier_save(c, &d, rules_action_name(RULES_REQUEST_PAYMENT), "");
	ev.code = d.code;
	ev.procedure_code = d.procedure_code;
	ev.agency_code = d.agencies.holder;
	ev.fee_kind = d.fee_kind;
	ev.amount_vnd = d.fee_vnd;
	tx_event(c, "dossier.payment_requested", d.code, d.version, &ev.base);
	out.version = d.version;
	out.amount_vnd = d.fee_vnd;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- result --- */

static int check_result(struct call *c, const Dossier__IssueResultRequest *in)
{
	const Digitisation__FileStat **stats;
	struct err found = {.status = 0};

	if (in->result_number[0] == '\0')
		return err_set(&c->err, &err_required_field, "result_number", NULL);
	if (utf8_length(in->result_number) > RULES_NAME_MAX)
		return err_set(&c->err, &err_invalid_field, "result_number", "1..200");
	if (in->file_id[0] == '\0')
		return 0;
	if (files_stat(c, &in->file_id, 1, &stats) < 0)
		return c->err.status;
	files_check(stats[0], in->file_id, "file_id", &found);
	if (found.status != 0)
		c->err = found;
	return found.status;
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
	tx_event(c, "dossier.result_issued", d->code, d->version, &ev.base);
}

DOSSIER_HANDLER(issue_result, IssueResult)
{
	struct call *c = call_of(data);
	Dossier__IssueResultReply out = DOSSIER__ISSUE_RESULT_REPLY__INIT;
	struct dossier d;

	(void)svc;
	if (check_result(c, in) < 0 || dossier_take(c, in->code, RULES_ISSUE_RESULT, &d) < 0)
		return call_fail(c);
	if (dossier_finish(c, &d) < 0)
		return call_fail(c);
	d.decision = DOSSIER__DECISION__DECISION_GRANTED;
	d.handover_state = DOSSIER__HANDOVER_STATE__HANDOVER_STATE_READY;
	d.result_number = dossier_nfc(c, in->result_number);
	d.result_file_id = in->file_id;
	dossier_save(c, &d, rules_action_name(RULES_ISSUE_RESULT), "");
	result_event(c, &d);
	out.version = d.version;
	out.verdict = d.verdict;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

static int check_how(struct call *c, const char *how)
{
	if (strcmp(how, "desk") == 0 || strcmp(how, "post") == 0 || strcmp(how, "online") == 0)
		return 0;
	return err_set(&c->err, &err_invalid_field, "how", "desk, post, online");
}

DOSSIER_HANDLER(return_result, ReturnResult)
{
	struct call *c = call_of(data);
	Dossier__ReturnResultReply out = DOSSIER__RETURN_RESULT_REPLY__INIT;
	Dossier__DossierReturned ev = DOSSIER__DOSSIER_RETURNED__INIT;
	struct dossier d;

	(void)svc;
	if (check_how(c, in->how) < 0 || dossier_take(c, in->code, RULES_RETURN, &d) < 0)
		return call_fail(c);
	d.handover_state = strcmp(in->how, "online") == 0
				   ? DOSSIER__HANDOVER_STATE__HANDOVER_STATE_ONLINE
				   : DOSSIER__HANDOVER_STATE__HANDOVER_STATE_HANDED_OVER;
	dossier_save(c, &d, rules_action_name(RULES_RETURN), in->how);
	ev.code = d.code;
	ev.agency_code = c->caller.agency;
	ev.how = in->how;
	ev.returned_us = c->now_us;
	tx_event(c, "dossier.returned", d.code, d.version, &ev.base);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
