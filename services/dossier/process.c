/* The plain path of a dossier: accept, forward, ask for payment. */
#include <string.h>

#include "common/base/civil.h"
#include "common/base/money.h"
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
static const struct err_kind fee_exempt = {
	ERR_CONFLICT, "FEE_EXEMPT", "Hồ sơ nộp trực tuyến của thủ tục %s được miễn phí, lệ phí",
	"filed through a portal, procedure %s is free of charge"};
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
	dossier_tell(c, d, RULES_ACCEPT, "dossier.accepted", &ev.base);
}

static int first_step(struct call *c, struct dossier *d)
{
	const Dossier__Procedure *p;

	if (dossier_procedure(c, d, &p) < 0)
		return c->err.status;
	return steps_enter(c, d, rules_step_next(p, 0));
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
	if (dossier_start_clock(c, &d) < 0 || first_step(c, &d) < 0)
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
static int check_target(struct call *c, const struct dossier *d, const char *to, bool in_force)
{
	if (!in_force)
		return err_set(&c->err, &agency_not_in_force, "to_agency_code", to);
	if (strcmp(to, d->agencies.holder) == 0 &&
	    d->was != DOSSIER__DOSSIER_STATE__DOSSIER_STATE_ACCEPTED)
		return err_set(&c->err, &same_agency, "to_agency_code", to);
	return 0;
}

/* Changes hands: the step of the template it comes to, a row of the control sheet. */
static int move(struct call *c, struct dossier *d, const Dossier__ForwardRequest *in)
{
	const char *from = d->agencies.holder;
	const Dossier__Procedure *p;

	if (dossier_procedure(c, d, &p) < 0 ||
	    steps_enter(c, d, rules_step_at(p, &d->agencies, d->step, in->to_agency_code)) < 0)
		return c->err.status;
	if (strcmp(in->to_agency_code, from) != 0) {
		d->handoffs++;
		d->handoffs_electronic += in->electronic;
	}
	d->agencies.holder = in->to_agency_code;
	d->assignee = "";
	steps_hand_off(c, d, from, in->electronic || strcmp(from, in->to_agency_code) == 0,
		       dossier_nfc(c, in->note));
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
	dossier_tell(c, d, RULES_FORWARD, "dossier.forwarded", &ev.base);
}

DOSSIER_HANDLER(forward, Forward)
{
	struct call *c = call_of(data);
	Dossier__ForwardReply out = DOSSIER__FORWARD_REPLY__INIT;
	struct refdata_agency agency;
	struct dossier d;
	const char *from;
	int slot, in_force;
	int32_t step;

	(void)svc;
	if (dossier_check_note(c, in->note, 0) < 0)
		return call_fail(c);
	slot = dossier_take_add(c, in->code);
	in_force = refdata_agency(c, in->to_agency_code, civil_of_us(c->now_us), &agency);
	if (in_force < 0 || dossier_take_check(c, slot, in->code, RULES_FORWARD, &d) < 0)
		return call_fail(c);
	from = d.agencies.holder;
	step = d.step;
	if (check_target(c, &d, in->to_agency_code, in_force > 0) < 0 || move(c, &d, in) < 0)
		return call_fail(c);
	dossier_save(c, &d, rules_action_name(RULES_FORWARD), dossier_nfc(c, in->note));
	forwarded_event(c, &d, from, in->electronic);
	if (opinions_of_step(c, &d, step) < 0)
		return call_fail(c);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- payment --- */

/* The fees for the quantity asked, as far as the channel is not freed of them; 0 or the refusal. */
static int set_fee(struct call *c, struct dossier *d, uint32_t quantity)
{
	const Dossier__Procedure *p;

	if (d->fee_paid)
		return err_set(&c->err, &fee_paid, "code", NULL);
	if (d->procedure_fee_vnd == 0)
		return err_set(&c->err, &no_fee, "code", d->procedure_code);
	if (quantity > RULES_QUANTITY_MAX)
		return err_set(&c->err, &err_invalid_field, "quantity", "0..10000");
	if (dossier_procedure(c, d, &p) < 0)
		return c->err.status;
	d->fee_vnd = rules_fee_vnd(p, d->channel, quantity ? quantity : 1);
	if (d->fee_vnd == 0)
		return err_set(&c->err, &fee_exempt, "code", d->procedure_code);
	if (d->fee_vnd > MONEY_MAX_VND)
		return err_set(&c->err, &err_invalid_field, "quantity", "fee");
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
	dossier_tell(c, &d, RULES_REQUEST_PAYMENT, "dossier.payment_requested", &ev.base);
	out.version = d.version;
	out.amount_vnd = d.fee_vnd;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
