/*
 * What becomes of money: an order paid (state, receipt, ledger, event), or money in suspense. All
 * in the transaction of whoever heard of it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/civil.h"
#include "common/base/uuid.h"
#include "lgsp/payment/v1/events.pb-c.h"
#include "services/payment/payment.h"

#define ORDER_COLUMNS                                                                              \
	"SELECT id, id::text, dossier_code, procedure_code, agency_code, fee_kind, amount_vnd, "   \
	"state, version, expires_at FROM pay_order WHERE "

static const struct db_stmt lock_by_id = {ORDER_COLUMNS "id = $1 FOR UPDATE"};
static const struct db_stmt lock_by_reference = {ORDER_COLUMNS "reference = $1 FOR UPDATE"};

static const struct db_stmt next_receipt = {
	"INSERT INTO receipt_counter (agency_code, fee_kind, year, last) VALUES ($1, $2, $3, 1) "
	"ON CONFLICT (agency_code, fee_kind, year) "
	"DO UPDATE SET last = receipt_counter.last + 1 RETURNING last"};

static const struct db_stmt mark_paid = {
	"UPDATE pay_order SET state = 2, method = $2, paid_at = $3, receipt_number = $4, "
	"version = version + 1 WHERE id = $1"};

static const struct db_stmt insert_ledger_tx = {
	"INSERT INTO ledger_tx (id, order_id, kind, at) VALUES ($1, $2, $3, $4)"};

static const struct db_stmt insert_ledger_pair = {
	"INSERT INTO ledger_entry (tx_id, line, account, agency_code, debit_vnd, credit_vnd) "
	"VALUES ($1, 1, $2, $4, $5, 0), ($1, 2, $3, $4, 0, $5)"};

static int order_read(struct call *c, int slot, struct order_row *ret_order)
{
	struct db_tx *tx = &c->tx;
	size_t n;

	if (tx_flush(c) < 0)
		return c->err.status;
	if (db_rows(tx, slot) == 0)
		return 0;
	memcpy(ret_order->id, db_get_bytes(tx, slot, 0, 0, &n), sizeof(ret_order->id));
	snprintf(ret_order->id_text, sizeof(ret_order->id_text), "%s", db_get_text(tx, slot, 0, 1));
	ret_order->dossier_code = db_get_text(tx, slot, 0, 2);
	ret_order->procedure_code = db_get_text(tx, slot, 0, 3);
	ret_order->agency_code = db_get_text(tx, slot, 0, 4);
	ret_order->fee_kind = db_get_text(tx, slot, 0, 5);
	ret_order->amount_vnd = db_get_int(tx, slot, 0, 6);
	ret_order->state = (int)db_get_int(tx, slot, 0, 7);
	ret_order->version = (int)db_get_int(tx, slot, 0, 8);
	ret_order->expires_us = db_get_time_us(tx, slot, 0, 9);
	return 1;
}

int order_lock_by_id(struct call *c, const uint8_t id[static 16], struct order_row *ret_order)
{
	return order_read(c, tx_add(c, &lock_by_id, DB_UUID(id)), ret_order);
}

int order_lock_by_reference(struct call *c, const char *reference, struct order_row *ret_order)
{
	return order_read(c, tx_add(c, &lock_by_reference, DB_TEXT(reference)), ret_order);
}

/* One balanced transaction: debit where the money is, credit what it is for. */
static void post(struct call *c, const uint8_t *order_id, const char *kind, const char *agency,
		 const char *debit, const char *credit, int64_t vnd)
{
	uint8_t id[UUID_BYTES];

	uuid_v7(id);
	tx_add(c, &insert_ledger_tx, DB_UUID(id), DB_UUID(order_id), DB_TEXT(kind),
	       DB_TIME(c->now_us));
	tx_add(c, &insert_ledger_pair, DB_UUID(id), DB_TEXT(debit), DB_TEXT(credit),
	       DB_TEXT(agency), DB_INT8(vnd));
}

/* "<agency>/<P|LP>/<year>/<7 digits>": series of phi and le phi are separate. */
static int take_receipt_number(struct call *c, const struct order_row *order,
			       const char **ret_number)
{
	int year, month, day, slot;

	civil_to_ymd(civil_of_us(c->now_us), &year, &month, &day);
	slot = tx_add(c, &next_receipt, DB_TEXT(order->agency_code), DB_TEXT(order->fee_kind),
		      DB_INT4(year));
	if (tx_flush(c) < 0)
		return c->err.status;
	*ret_number = arena_printf(c->arena, "%s/%s/%d/%07" PRId64, order->agency_code,
				   strcmp(order->fee_kind, "phi") == 0 ? "P" : "LP", year,
				   db_get_int(&c->tx, slot, 0, 0));
	return 0;
}

int settle_order(struct call *c, const struct order_row *order, Payment__PayMethod method,
		 const char *account, const char **ret_receipt_number)
{
	Payment__PaymentPaid event = PAYMENT__PAYMENT_PAID__INIT;
	const char *number = NULL;

	if (take_receipt_number(c, order, &number) < 0)
		return c->err.status;
	tx_add(c, &mark_paid, DB_UUID(order->id), DB_INT4(method), DB_TIME(c->now_us),
	       DB_TEXT(number));
	post(c, order->id, "payment", order->agency_code, account,
	     arena_printf(c->arena, "fee:%s", order->fee_kind), order->amount_vnd);

	event.order_id = order->id_text;
	event.dossier_code = order->dossier_code;
	event.procedure_code = order->procedure_code;
	event.agency_code = order->agency_code;
	event.fee_kind = order->fee_kind;
	event.amount_vnd = order->amount_vnd;
	event.method = method;
	event.paid_us = c->now_us;
	tx_event(c, "payment.paid", order->id_text, order->version + 1, &event.base);
	*ret_receipt_number = number;
	return 0;
}

int settle_suspense(struct call *c, const struct order_row *order, const char *adapter,
		    const struct adapter_fact *fact, const char *reason)
{
	Payment__PaymentSuspended event = PAYMENT__PAYMENT_SUSPENDED__INIT;
	const char *subject = arena_printf(c->arena, "%s:%s", adapter, fact->provider_ref);

	post(c, order->id, "suspense", order->agency_code,
	     arena_printf(c->arena, "provider:%s", adapter), "suspense", fact->amount_vnd);
	event.reference = fact->reference;
	event.amount_vnd = fact->amount_vnd;
	event.reason = reason;
	event.adapter = adapter;
	tx_event(c, "payment.suspended", subject, 1, &event.base);
	return 0;
}
