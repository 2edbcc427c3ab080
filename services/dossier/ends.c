/* How a dossier ends without a result, or halts: refused, withdrawn, stopped, continued, expired.
 */
#include "common/base/base.h"
#include "services/dossier/dossier.h"

#define PER_RUN 20

static const struct db_stmt withdraw_opinions = {
	"UPDATE opinion SET state = 3, ended_by = $2, ended_at = $3"
	" WHERE dossier = $1 AND state = 1"};

static const struct db_stmt find_unanswered = {
	"SELECT code FROM dossier WHERE state = 5 AND reply_due_at <= $1"
	" ORDER BY reply_due_at LIMIT $2 FOR UPDATE SKIP LOCKED"};

/* --- refuse --- */

static void refused_event(struct call *c, const struct dossier *d, enum rules_action action)
{
	Dossier__DossierRefused ev = DOSSIER__DOSSIER_REFUSED__INIT;

	ev.code = d->code;
	ev.procedure_code = d->procedure_code;
	ev.agency_code = d->agencies.receiving;
	ev.reason = d->why;
	ev.refused_us = d->finished_us;
	dossier_tell(c, d, action, "dossier.refused", &ev.base);
}

DOSSIER_HANDLER(refuse, Refuse)
{
	struct call *c = call_of(data);
	Dossier__RefuseReply out = DOSSIER__REFUSE_REPLY__INIT;
	struct dossier d;

	(void)svc;
	if (reasons_check(c, RULES_REASON_REFUSAL, in->reason, in->note) < 0 ||
	    dossier_check_note(c, in->note, 1) < 0 ||
	    dossier_take(c, in->code, RULES_REFUSE, &d) < 0 || dossier_finish(c, &d) < 0)
		return call_fail(c);
	d.why = in->reason;
	dossier_save(c, &d, rules_action_name(RULES_REFUSE), dossier_nfc(c, in->note));
	refused_event(c, &d, RULES_REFUSE);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- stop, continue --- */

static void stopped_event(struct call *c, const struct dossier *d, enum rules_action action)
{
	Dossier__DossierStopped ev = DOSSIER__DOSSIER_STOPPED__INIT;

	ev.code = d->code;
	ev.agency_code = d->agencies.holder;
	ev.reason = d->why;
	dossier_tell(c, d, action, "dossier.stopped", &ev.base);
}

DOSSIER_HANDLER(stop, Stop)
{
	struct call *c = call_of(data);
	Dossier__StopReply out = DOSSIER__STOP_REPLY__INIT;
	struct dossier d;

	(void)svc;
	if (reasons_check(c, RULES_REASON_STOP, in->reason, in->note) < 0 ||
	    dossier_check_note(c, in->note, 1) < 0 ||
	    dossier_take(c, in->code, RULES_STOP, &d) < 0 || dossier_clock(c, &d) < 0)
		return call_fail(c);
	d.why = in->reason;
	d.reply_due_us = 0;
	dossier_save(c, &d, rules_action_name(RULES_STOP), dossier_nfc(c, in->note));
	stopped_event(c, &d, RULES_STOP);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

DOSSIER_HANDLER(continue_processing, ContinueProcessing)
{
	struct call *c = call_of(data);
	Dossier__ContinueProcessingReply out = DOSSIER__CONTINUE_PROCESSING_REPLY__INIT;
	Dossier__DossierContinued ev = DOSSIER__DOSSIER_CONTINUED__INIT;
	struct dossier d;

	(void)svc;
	if (dossier_check_note(c, in->note, 0) < 0 ||
	    dossier_take(c, in->code, RULES_CONTINUE, &d) < 0 || dossier_clock(c, &d) < 0)
		return call_fail(c);
	dossier_save(c, &d, rules_action_name(RULES_CONTINUE), dossier_nfc(c, in->note));
	ev.code = d.code;
	ev.agency_code = d.agencies.holder;
	ev.due_us = out.due_us = d.due_us;
	ev.due_provisional = out.due_provisional = d.due_provisional;
	dossier_tell(c, &d, RULES_CONTINUE, "dossier.continued", &ev.base);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- withdraw --- */

/* By the applicant a reason is enough; the desk notes the written request it keeps. */
static int check_withdrawal(struct call *c, const Dossier__WithdrawRequest *in)
{
	bool desk = c->caller.agency[0] != '\0';

	if (reasons_check(c, RULES_REASON_WITHDRAWAL, in->reason, in->note) < 0)
		return c->err.status;
	return dossier_check_note(c, in->note, desk ? 1 : 0);
}

/* Nobody waits for others any more. */
static void end_opinions(struct call *c, struct dossier *d)
{
	if (d->opinions_open > 0)
		tx_add(c, &withdraw_opinions, DB_TEXT(d->code), DB_TEXT(dossier_actor(c)),
		       DB_TIME(c->now_us));
	d->opinions_open = d->opinions_pausing = 0;
}

static void withdrawn_event(struct call *c, const struct dossier *d)
{
	Dossier__DossierWithdrawn ev = DOSSIER__DOSSIER_WITHDRAWN__INIT;

	ev.code = d->code;
	ev.procedure_code = d->procedure_code;
	ev.agency_code = d->agencies.holder;
	ev.reason = d->why;
	ev.accepted = d->accepted_us != 0;
	ev.verdict = d->verdict;
	ev.finished_us = d->finished_us;
	ev.channel = d->channel;
	ev.online_level = d->online_level;
	ev.handoffs = (uint32_t)d->handoffs;
	ev.handoffs_electronic = (uint32_t)d->handoffs_electronic;
	ev.again = d->results > 0;
	dossier_tell(c, d, RULES_WITHDRAW, "dossier.withdrawn", &ev.base);
}

DOSSIER_HANDLER(withdraw, Withdraw)
{
	struct call *c = call_of(data);
	Dossier__WithdrawReply out = DOSSIER__WITHDRAW_REPLY__INIT;
	struct dossier d;

	(void)svc;
	if (check_withdrawal(c, in) < 0 ||
	    dossier_take_applicant(c, in->code, in->receipt_secret, RULES_WITHDRAW, &d) < 0)
		return call_fail(c);
	end_opinions(c, &d);
	if (dossier_finish(c, &d) < 0 || steps_enter(c, &d, 0) < 0)
		return call_fail(c);
	d.why = in->reason;
	d.reply_due_us = 0;
	dossier_save(c, &d, rules_action_name(RULES_WITHDRAW), dossier_nfc(c, in->note));
	withdrawn_event(c, &d);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- expire --- */

int dossier_expire(struct call *c, struct dossier *d, const char *reason)
{
	bool refused;

	if (dossier_step(c, d, RULES_EXPIRE) < 0)
		return c->err.status;
	refused = d->state == DOSSIER__DOSSIER_STATE__DOSSIER_STATE_REFUSED;
	if ((refused ? dossier_finish(c, d) : dossier_clock(c, d)) < 0)
		return c->err.status;
	d->why = reason;
	d->reply_due_us = 0;
	dossier_save(c, d, rules_action_name(RULES_EXPIRE), "");
	if (refused)
		refused_event(c, d, RULES_EXPIRE);
	else
		stopped_event(c, d, RULES_EXPIRE);
	return 0;
}

int expire_unanswered(struct call *c)
{
	int slots[PER_RUN], found, n;
	struct dossier d;

	tx_begin(c);
	found = tx_add(c, &find_unanswered, DB_TIME(c->now_us), DB_INT8(PER_RUN));
	if (tx_flush(c) < 0)
		return c->err.status;
	n = db_rows(&c->tx, found);
	for (int i = 0; i < n; i++)
		slots[i] = dossier_lock_add(c, db_get_text(&c->tx, found, i, 0));
	if (n == 0 || tx_flush(c) < 0)
		return n == 0 ? 0 : c->err.status;
	for (int i = 0; i < n; i++)
		if (dossier_read(c, slots[i], db_get_text(&c->tx, found, i, 0), &d) &&
		    dossier_expire(c, &d, RULES_NO_ANSWER) < 0)
			return c->err.status;
	return tx_commit(c, NULL) < 0 ? c->err.status : n;
}

int dossier_job_overdue(struct call *c)
{
	int (*const parts[])(struct call *) = {expire_unanswered, opinions_mark_late,
					       dossier_job_answers};
	int n = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		int r = parts[i](c);

		if (r < 0)
			return r;
		db_end(&c->tx);
		n += r;
	}
	return n;
}
