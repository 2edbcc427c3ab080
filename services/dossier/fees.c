/* The fees of a dossier: asked for, paid, not to be paid; what they hold up. */
#include <string.h>

#include "common/base/base.h"
#include "services/dossier/fees.h"

static const struct err_kind fee_not_paid = {
	ERR_CONFLICT, "FEE_NOT_PAID",
	"Chưa nộp phí, lệ phí %s, cần nộp trước khi thực hiện việc này",
	"fee %s is not paid, and is due before this"};

static const struct db_stmt read_fees = {
	"SELECT item, state, quantity, amount_vnd, exempt_vnd, request FROM fee"
	" WHERE dossier = $1 ORDER BY item"};

static const struct db_stmt put_fee = {
	"INSERT INTO fee (dossier, item, state, quantity, amount_vnd, exempt_vnd, request)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (dossier, item) DO UPDATE SET"
	" state = excluded.state, quantity = excluded.quantity, amount_vnd = excluded.amount_vnd,"
	" exempt_vnd = excluded.exempt_vnd, request = excluded.request"};

static const struct db_stmt insert_exemption = {
	"INSERT INTO fee_exemption (dossier, version, item, exempt_vnd, legal_basis, evidence)"
	" VALUES ($1, $2, $3, $4, $5, $6)"};

/* --- what is known --- */

int fees_add(struct call *c, const char *code)
{
	return tx_add(c, &read_fees, DB_TEXT(code));
}

/* Asked for before fees had items of their own: the dossier's row knows. */
static void know_older(const struct dossier *d, struct rules_fees *fees)
{
	struct rules_fee whole = {.item = "",
				  .name = "",
				  .quantity = 1,
				  .unit_vnd = d->fee_vnd,
				  .amount_vnd = d->fee_vnd,
				  .request = 1};

	switch (d->finance_state) {
	case DOSSIER__FINANCE_STATE__FINANCE_STATE_REQUESTED:
		whole.state = DOSSIER__FEE_STATE__FEE_STATE_REQUESTED;
		break;
	case DOSSIER__FINANCE_STATE__FINANCE_STATE_PAID:
		whole.state = DOSSIER__FEE_STATE__FEE_STATE_PAID;
		break;
	case DOSSIER__FINANCE_STATE__FINANCE_STATE_EXPIRED:
		whole.state = DOSSIER__FEE_STATE__FEE_STATE_EXPIRED;
		break;
	case DOSSIER__FINANCE_STATE__FINANCE_STATE_UNSPECIFIED:
	case DOSSIER__FINANCE_STATE__FINANCE_STATE_EXEMPT:
	case _DOSSIER__FINANCE_STATE_IS_INT_SIZE:
		return;
	}
	rules_fees_know(fees, &whole);
}

int fees_read(struct call *c, const struct dossier *d, int slot, struct rules_fees *ret)
{
	const struct db_tx *tx = &c->tx;
	const Dossier__Procedure *p;

	if (dossier_procedure(c, d, &p) < 0)
		return c->err.status;
	rules_fees_of(p, d->channel, ret);
	if (db_rows(tx, slot) == 0)
		know_older(d, ret);
	for (int i = 0; i < db_rows(tx, slot); i++) {
		struct rules_fee row = {
			.item = db_get_text(tx, slot, i, 0),
			.name = "",
			.state = (Dossier__FeeState)db_get_int(tx, slot, i, 1),
			.quantity = (int32_t)db_get_int(tx, slot, i, 2),
			.amount_vnd = db_get_int(tx, slot, i, 3),
			.exempt_vnd = db_get_int(tx, slot, i, 4),
			.request = (int32_t)db_get_int(tx, slot, i, 5),
		};

		rules_fees_know(ret, &row);
	}
	return 0;
}

void fees_set(struct call *c, struct dossier *d, const struct rules_fees *fees)
{
	for (size_t i = 0; i < fees->n; i++) {
		const struct rules_fee *f = &fees->list[i];

		if (f->changed)
			tx_add(c, &put_fee, DB_TEXT(d->code), DB_TEXT(f->item), DB_INT4(f->state),
			       DB_INT4(f->quantity), DB_INT8(f->amount_vnd), DB_INT8(f->exempt_vnd),
			       DB_INT4(f->request));
	}
	d->fee_vnd = rules_fees_asked_vnd(fees);
	d->finance_state = rules_fees_state(fees);
	d->fee_paid = d->finance_state == DOSSIER__FINANCE_STATE__FINANCE_STATE_PAID;
}

int fees_check(struct call *c, const struct dossier *d, int slot, enum rules_action action)
{
	bool negative = d->decision == DOSSIER__DECISION__DECISION_REFUSED;
	unsigned timings = rules_fees_before(action, negative);
	const struct rules_fee *open;
	struct rules_fees fees;

	if (timings == 0 || d->procedure_fee_vnd == 0)
		return 0;
	if (fees_read(c, d, slot, &fees) < 0)
		return c->err.status;
	open = rules_fees_open(&fees, timings);
	if (!open)
		return 0;
	return err_set(&c->err, &fee_not_paid, "code", open->item[0] ? open->item : d->fee_kind);
}

/* --- asking --- */

/* One line for each fee that has been changed. */
static int lines(struct call *c, const struct rules_fees *fees, Dossier__FeeLine ***ret_lines,
		 size_t *ret_n)
{
	Dossier__FeeLine *room = arena_calloc(c->arena, fees->n, sizeof(*room));
	Dossier__FeeLine **list = arena_calloc(c->arena, fees->n, sizeof(*list));
	size_t n = 0;

	if (!room || !list)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (size_t i = 0; i < fees->n; i++) {
		const struct rules_fee *f = &fees->list[i];

		if (!f->changed)
			continue;
		dossier__fee_line__init(&room[n]);
		room[n].item = f->item;
		room[n].name = f->name;
		room[n].timing = f->timing;
		room[n].quantity = (uint32_t)f->quantity;
		room[n].amount_vnd = f->amount_vnd - f->exempt_vnd;
		room[n].exempt_vnd = f->exempt_vnd;
		list[n] = &room[n];
		n++;
	}
	*ret_lines = list;
	*ret_n = n;
	return 0;
}

static int requested_event(struct call *c, const struct dossier *d, const struct rules_fees *fees,
			   int64_t amount_vnd)
{
	Dossier__DossierPaymentRequested ev = DOSSIER__DOSSIER_PAYMENT_REQUESTED__INIT;

	ev.code = d->code;
	ev.procedure_code = d->procedure_code;
	ev.agency_code = d->agencies.holder;
	ev.fee_kind = d->fee_kind;
	ev.amount_vnd = amount_vnd;
	ev.state = d->state;
	for (size_t i = 0; i < fees->n; i++)
		if (fees->list[i].changed)
			ev.request = (uint32_t)fees->list[i].request;
	if (lines(c, fees, &ev.items, &ev.n_items) < 0)
		return c->err.status;
	dossier_tell(c, d, RULES_REQUEST_PAYMENT, "dossier.payment_requested", &ev.base);
	return 0;
}

/* The act, with its state taken: what was asked for in fees is written and told. */
static int request(struct call *c, struct dossier *d, const struct rules_fees *fees,
		   int64_t amount_vnd)
{
	if (dossier_clock(c, d) < 0)
		return c->err.status;
	fees_set(c, d, fees);
	dossier_save(c, d, rules_action_name(RULES_REQUEST_PAYMENT), "");
	return requested_event(c, d, fees, amount_vnd);
}

int fees_request_with(struct call *c, struct dossier *d, struct rules_fees *fees, unsigned timings,
		      uint32_t quantity, int64_t *ret_vnd)
{
	int64_t vnd = rules_fees_ask(fees, timings, quantity, &c->err);

	if (vnd < 0)
		return c->err.status;
	*ret_vnd = vnd;
	if (vnd == 0)
		return 0;
	if (dossier_step(c, d, RULES_REQUEST_PAYMENT) < 0)
		return c->err.status;
	return request(c, d, fees, vnd);
}

/* What may be asked for now. */
static unsigned timings_now(const struct dossier *d)
{
	if (d->was != DOSSIER__DOSSIER_STATE__DOSSIER_STATE_RESULT_READY)
		return RULES_FEES_AT_WORK;
	return d->decision == DOSSIER__DECISION__DECISION_REFUSED
		       ? RULES_FEES_TIMED & ~RULES_FEES_AT_RESULT
		       : RULES_FEES_TIMED;
}

DOSSIER_HANDLER(request_payment, RequestPayment)
{
	struct call *c = call_of(data);
	Dossier__RequestPaymentReply out = DOSSIER__REQUEST_PAYMENT_REPLY__INIT;
	struct rules_fees fees;
	struct dossier d;

	(void)svc;
	if (dossier_take(c, in->code, RULES_REQUEST_PAYMENT, &d) < 0 ||
	    fees_read(c, &d, d.fees, &fees) < 0)
		return call_fail(c);
	out.amount_vnd = rules_fees_ask(&fees, timings_now(&d), in->quantity, &c->err);
	if (out.amount_vnd == 0)
		rules_fees_refuse(&fees, timings_now(&d), d.procedure_code, &c->err);
	if (out.amount_vnd <= 0 || request(c, &d, &fees, out.amount_vnd) < 0)
		return call_fail(c);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- exemption --- */

static int exempted_event(struct call *c, const struct dossier *d, const struct rules_fees *fees,
			  const Dossier__ExemptFeeRequest *in, enum rules_action action)
{
	Dossier__DossierFeeExempted ev = DOSSIER__DOSSIER_FEE_EXEMPTED__INIT;

	ev.code = d->code;
	ev.procedure_code = d->procedure_code;
	ev.agency_code = d->agencies.holder;
	ev.fee_kind = d->fee_kind;
	ev.requested_vnd = rules_fees_sum(fees, DOSSIER__FEE_STATE__FEE_STATE_REQUESTED);
	ev.finance_state = d->finance_state;
	ev.state = d->state;
	ev.resumed = action == RULES_LIFT_PAYMENT;
	ev.due_us = d->due_us;
	ev.due_provisional = d->due_provisional;
	ev.legal_bases = arena_calloc(c->arena, fees->n, sizeof(ev.legal_bases[0]));
	if (lines(c, fees, &ev.items, &ev.n_items) < 0)
		return c->err.status;
	if (!ev.legal_bases)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (; ev.n_legal_bases < ev.n_items; ev.n_legal_bases++)
		for (size_t i = 0; i < in->n_exemptions; i++)
			if (strcmp(ev.items[ev.n_legal_bases]->item, in->exemptions[i]->item) == 0)
				ev.legal_bases[ev.n_legal_bases] =
					dossier_nfc(c, in->exemptions[i]->legal_basis);
	dossier_tell(c, d, action, "dossier.fee_exempted", &ev.base);
	return 0;
}

static void add_exemptions(struct call *c, const struct dossier *d,
			   const Dossier__ExemptFeeRequest *in, const int64_t *vnd)
{
	for (size_t i = 0; i < in->n_exemptions; i++) {
		const Dossier__FeeExemption *e = in->exemptions[i];

		tx_add(c, &insert_exemption, DB_TEXT(d->code), DB_INT4(d->version),
		       DB_TEXT(e->item), DB_INT8(vnd[i]), DB_TEXT(dossier_nfc(c, e->legal_basis)),
		       DB_TEXT(dossier_nfc(c, e->evidence)));
	}
}

/* Nothing is left that the dossier waits for: the processing goes on. */
static int go_on(struct call *c, struct dossier *d, const struct rules_fees *fees,
		 enum rules_action *action)
{
	*action = RULES_EXEMPT_FEE;
	if (d->state != DOSSIER__DOSSIER_STATE__DOSSIER_STATE_PAYMENT_REQUESTED ||
	    rules_fees_sum(fees, DOSSIER__FEE_STATE__FEE_STATE_REQUESTED) > 0)
		return 0;
	*action = RULES_LIFT_PAYMENT;
	return dossier_step(c, d, RULES_LIFT_PAYMENT) < 0 ? c->err.status : dossier_clock(c, d);
}

static int exempt(struct call *c, const struct dossier *d, const Dossier__ExemptFeeRequest *in,
		  struct rules_fees *fees, int64_t *vnd)
{
	struct err found = {.status = 0};

	if (fees_read(c, d, d->fees, fees) < 0)
		return c->err.status;
	rules_fees_exempt(fees, in, vnd, &found);
	if (found.status != 0)
		c->err = found;
	return found.status;
}

DOSSIER_HANDLER(exempt_fee, ExemptFee)
{
	struct call *c = call_of(data);
	Dossier__ExemptFeeReply out = DOSSIER__EXEMPT_FEE_REPLY__INIT;
	int64_t vnd[RULES_FEES_MAX];
	enum rules_action action;
	struct rules_fees fees;
	struct dossier d;

	(void)svc;
	if (dossier_check_note(c, in->note, 0) < 0 ||
	    dossier_take(c, in->code, RULES_EXEMPT_FEE, &d) < 0 ||
	    exempt(c, &d, in, &fees, vnd) < 0 || go_on(c, &d, &fees, &action) < 0)
		return call_fail(c);
	fees_set(c, &d, &fees);
	dossier_save(c, &d, rules_action_name(action), dossier_nfc(c, in->note));
	add_exemptions(c, &d, in, vnd);
	if (exempted_event(c, &d, &fees, in, action) < 0)
		return call_fail(c);
	out.version = d.version;
	out.state = d.state;
	out.finance_state = d.finance_state;
	out.requested_vnd = rules_fees_sum(&fees, DOSSIER__FEE_STATE__FEE_STATE_REQUESTED);
	out.due_us = d.due_us;
	out.due_provisional = d.due_provisional;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
