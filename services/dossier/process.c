/* The plain path of a dossier: accept, forward. */
#include <string.h>

#include "common/base/civil.h"
#include "common/svc/refdata.h"
#include "services/dossier/fees.h"

static const struct err_kind agency_not_in_force = {
	ERR_INVALID, "AGENCY_NOT_IN_FORCE", "Cơ quan %s không tồn tại hoặc không còn hoạt động",
	"agency %s is unknown or not in force on this date"};
static const struct err_kind same_agency = {ERR_CONFLICT, "SAME_AGENCY",
					    "Hồ sơ đang ở chính cơ quan %s",
					    "the dossier is with agency %s already"};

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
	struct rules_fees fees;
	struct dossier d;

	(void)svc;
	if (dossier_take(c, in->code, RULES_ACCEPT, &d) < 0 || fees_read(c, &d, d.fees, &fees) < 0)
		return call_fail(c);
	d.accepted_us = c->now_us;
	if (dossier_start_clock(c, &d) < 0 || first_step(c, &d) < 0)
		return call_fail(c);
	fees_set(c, &d, &fees);
	dossier_save(c, &d, rules_action_name(RULES_ACCEPT), "");
	accepted_event(c, &d);
	if (fees_request_with(c, &d, &fees, RULES_FEES_BEFORE, in->quantity, &out.amount_vnd) < 0)
		return call_fail(c);
	out.version = d.version;
	out.state = d.state;
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
