/* What other services' feeds mean for dossiers: the fee is paid, a record is held. */
#include <string.h>

#include "common/base/civil.h"
#include "lgsp/digitisation/v1/events.pb-c.h"
#include "lgsp/payment/v1/events.pb-c.h"
#include "services/dossier/fees.h"

static const struct err_kind amount_differs = {ERR_CONFLICT, "AMOUNT_DIFFERS",
					       "Số tiền đã nộp khác số tiền phải nộp của hồ sơ %s",
					       "what was paid is not what dossier %s owes"};
static const struct err_kind bad_record = {ERR_INVALID, "BAD_RECORD",
					   "Bản ghi số hóa %s thiếu mã hoặc ngày hiệu lực",
					   "record %s lacks an id or its dates"};

static const struct db_stmt put_record = {
	"INSERT INTO held_record AS h (record_id, owner_key, type, number, agency, dossier,"
	" valid_from, valid_to, pos) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
	" ON CONFLICT (record_id) DO UPDATE SET owner_key = excluded.owner_key,"
	" type = excluded.type, number = excluded.number, agency = excluded.agency,"
	" dossier = excluded.dossier, valid_from = excluded.valid_from,"
	" valid_to = excluded.valid_to, pos = excluded.pos WHERE h.pos < excluded.pos"};

static const struct db_stmt end_record = {
	"UPDATE held_record SET valid_to = $2, pos = $3 WHERE record_id = $1 AND pos < $3"};

/* --- payment --- */

static void resumed_event(struct call *c, const struct dossier *d, int64_t overpaid_vnd)
{
	Dossier__DossierResumed ev = DOSSIER__DOSSIER_RESUMED__INIT;

	ev.code = d->code;
	ev.due_us = d->due_us;
	ev.due_provisional = d->due_provisional;
	ev.order_id = d->order_id;
	ev.overpaid_vnd = overpaid_vnd;
	dossier_tell(c, d, RULES_PAY, "dossier.resumed", &ev.base);
}

/* Nothing waited for it: the dossier stays where it is. */
static void recorded_event(struct call *c, const struct dossier *d, int64_t overpaid_vnd)
{
	Dossier__DossierPaymentRecorded ev = DOSSIER__DOSSIER_PAYMENT_RECORDED__INIT;

	ev.code = d->code;
	ev.order_id = d->order_id;
	ev.overpaid_vnd = overpaid_vnd;
	dossier_tell(c, d, RULES_PAY, "dossier.payment_recorded", &ev.base);
}

static int take_for_payment(struct call *c, const char *code, struct dossier *d,
			    struct rules_fees *fees)
{
	int slot = dossier_lock_add(c, code), rows = fees_add(c, code);

	if (tx_flush(c) < 0)
		return c->err.status;
	if (!dossier_read(c, slot, code, d))
		return err_set(&c->err, &dossier_unknown, "dossier_code", code);
	return fees_read(c, d, rows, fees);
}

static int paid(struct call *c, const Payment__PaymentPaid *ev)
{
	struct rules_fees fees;
	int64_t overpaid_vnd;
	struct dossier d;

	if (take_for_payment(c, ev->dossier_code, &d, &fees) < 0)
		return c->err.status;
	if (d.fee_paid)
		return 0; /* a second order for the same fee: payment refunds it */
	overpaid_vnd = rules_fees_pay(&fees, ev->amount_vnd);
	if (overpaid_vnd < 0)
		return err_set(&c->err, &amount_differs, "amount_vnd", d.code);
	if (dossier_step(c, &d, RULES_PAY) < 0 || dossier_clock(c, &d) < 0)
		return c->err.status;
	fees_set(c, &d, &fees);
	d.order_id = ev->order_id;
	dossier_save(c, &d, rules_action_name(RULES_PAY), "payment");
	if (d.was == DOSSIER__DOSSIER_STATE__DOSSIER_STATE_PAYMENT_REQUESTED)
		resumed_event(c, &d, overpaid_vnd);
	else
		recorded_event(c, &d, overpaid_vnd);
	return 0;
}

/* An order for what is due with the result: it can be asked for again, and nothing else moves. */
static int expired_with_result(struct call *c, struct dossier *d, const char *order_id)
{
	Dossier__DossierPaymentExpired ev = DOSSIER__DOSSIER_PAYMENT_EXPIRED__INIT;

	if (dossier_step(c, d, RULES_EXPIRE) < 0)
		return c->err.status;
	dossier_save(c, d, rules_action_name(RULES_EXPIRE), "payment");
	ev.code = d->code;
	ev.order_id = order_id;
	dossier_tell(c, d, RULES_EXPIRE, "dossier.payment_expired", &ev.base);
	return 0;
}

/* An order that ran out stops the dossier when it waits for that very money. */
static int order_expired(struct call *c, const Payment__PaymentExpired *ev)
{
	struct rules_fees fees;
	struct dossier d;

	if (take_for_payment(c, ev->dossier_code, &d, &fees) < 0)
		return c->err.status;
	if (d.finance_state != DOSSIER__FINANCE_STATE__FINANCE_STATE_REQUESTED)
		return 0;
	rules_fees_expire(&fees);
	if (d.state == DOSSIER__DOSSIER_STATE__DOSSIER_STATE_PAYMENT_REQUESTED) {
		fees_set(c, &d, &fees);
		return dossier_expire(c, &d, RULES_UNPAID);
	}
	if (d.state != DOSSIER__DOSSIER_STATE__DOSSIER_STATE_RESULT_READY)
		return 0;
	fees_set(c, &d, &fees);
	return expired_with_result(c, &d, ev->order_id);
}

int dossier_on_payment(struct call *c, const struct svc_event *ev)
{
	if (!ev->payload)
		return 0;
	if (strcmp(ev->type, "payment.paid") == 0)
		return paid(c, (const Payment__PaymentPaid *)ev->payload);
	if (strcmp(ev->type, "payment.expired") == 0)
		return order_expired(c, (const Payment__PaymentExpired *)ev->payload);
	return 0;
}

/* --- digitisation --- */

static int registered(struct call *c, const Digitisation__Record *r, int64_t pos)
{
	int32_t from, to;

	if (!r || r->record_id[0] == '\0' || civil_parse(r->valid_from, &from) < 0 ||
	    civil_parse_or_forever(r->valid_to, &to) < 0)
		return err_set(&c->err, &bad_record, "record", r ? r->record_id : "");
	tx_add(c, &put_record, DB_TEXT(r->record_id), DB_TEXT(r->owner_key), DB_TEXT(r->type),
	       DB_TEXT(r->number), DB_TEXT(r->issuing_agency_code), DB_TEXT(r->dossier_code),
	       DB_DATE(from), DB_DATE(to), DB_INT8(pos));
	return 0;
}

/* No longer offered from the day after; what was reused before stays as it was. */
static int revoked(struct call *c, const Digitisation__DigitisationRecordRevoked *r, int64_t pos)
{
	int32_t last;

	if (civil_parse(r->valid_to, &last) < 0)
		return err_set(&c->err, &bad_record, "record", r->record_id);
	tx_add(c, &end_record, DB_TEXT(r->record_id), DB_DATE(last), DB_INT8(pos));
	return 0;
}

int dossier_on_digitisation(struct call *c, const struct svc_event *ev)
{
	const void *p = ev->payload;

	if (p && strcmp(ev->type, "digitisation.record_registered") == 0)
		return registered(c,
				  ((const Digitisation__DigitisationRecordRegistered *)p)->record,
				  ev->pos);
	if (p && strcmp(ev->type, "digitisation.record_revoked") == 0)
		return revoked(c, p, ev->pos);
	return 0;
}
