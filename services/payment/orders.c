/*
 * Orders: opened by the dossier's events, shown, paid at the counter, expired.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/civil.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/uuid.h"
#include "lgsp/dossier/v1/events.pb-c.h"
#include "lgsp/payment/v1/events.pb-c.h"
#include "services/payment/payment.h"
#include "services/payment/vietqr.h"

#define US_PER_HOUR  (3600LL * CLOCK_US_PER_S)
#define EXPIRE_BATCH 100

static const struct err_kind no_such_order = {ERR_NOT_FOUND, "UNKNOWN_ORDER",
					      "Không có khoản thu %s", "no order %s"};
static const struct err_kind bad_dossier_code = {
	ERR_INVALID, "BAD_REFERENCE", "Không lập được nội dung chuyển khoản từ mã hồ sơ %s",
	"no payment reference can be made from dossier code %s"};

static const struct db_stmt count_orders = {
	"SELECT count(*) FROM pay_order WHERE dossier_code = $1"};

/* The account of the agency itself, else of the nearest agency above it that has one. */
static const struct db_stmt find_account = {
	"WITH RECURSIVE up AS ("
	"  SELECT code, parent_code, 0 AS depth FROM ref_agency "
	"  WHERE code = $1 AND valid_from <= $2 AND valid_to >= $2 "
	"  UNION ALL SELECT a.code, a.parent_code, up.depth + 1 FROM ref_agency a "
	"  JOIN up ON a.code = up.parent_code "
	"  WHERE a.valid_from <= $2 AND a.valid_to >= $2 AND up.depth < 8) "
	"SELECT acc.bin, acc.number FROM up JOIN account acc ON acc.agency_code = up.code "
	"WHERE acc.valid_from <= $2 AND acc.valid_to >= $2 ORDER BY up.depth LIMIT 1"};

static const struct db_stmt insert_order = {
	"INSERT INTO pay_order (id, reference, dossier_code, ordinal, procedure_code, agency_code, "
	"fee_kind, amount_vnd, qr_payload, opened_at, expires_at) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"};

#define SHOW_COLUMNS                                                                               \
	"SELECT id::text, reference, dossier_code, procedure_code, agency_code, fee_kind, "        \
	"amount_vnd, state, method, qr_payload, opened_at, expires_at, paid_at, version, "         \
	"coalesce(receipt_number, '') FROM pay_order WHERE "

static const struct db_stmt show_order = {SHOW_COLUMNS "id = $1"};
static const struct db_stmt show_orders_of = {SHOW_COLUMNS
					      "dossier_code = $1 ORDER BY ordinal DESC LIMIT 100"};

static const struct db_stmt cancel_orders = {
	"UPDATE pay_order SET state = 4, version = version + 1 WHERE dossier_code = $1"
	" AND state = 1 RETURNING id::text, version"};

static const struct db_stmt expire_orders = {
	"UPDATE pay_order SET state = 3, version = version + 1 WHERE id IN ("
	"SELECT id FROM pay_order WHERE state = 1 AND expires_at <= $1 ORDER BY expires_at "
	"LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING id::text, dossier_code, version"};

/* The QR payload, "" when the agency has no account: the counter still takes the money. */
static void make_qr(struct call *c, int slot, const char *reference, int64_t amount_vnd,
		    char out[static VIETQR_MAX])
{
	struct vietqr qr = {.amount_vnd = amount_vnd, .bill = "", .purpose = reference};

	out[0] = '\0';
	if (db_rows(&c->tx, slot) == 0)
		return;
	qr.bin = db_get_text(&c->tx, slot, 0, 0);
	qr.number = db_get_text(&c->tx, slot, 0, 1);
	if (vietqr_write(&qr, out) < 0)
		log_warn("payment.bad_account", LOG_STR("reference", reference));
}

static void announce_open(struct call *c, const Dossier__DossierPaymentRequested *asked,
			  const char *id_text, int64_t expires_us)
{
	Payment__PaymentOrderOpened event = PAYMENT__PAYMENT_ORDER_OPENED__INIT;

	event.order_id = id_text;
	event.dossier_code = asked->code;
	event.procedure_code = asked->procedure_code;
	event.agency_code = asked->agency_code;
	event.fee_kind = asked->fee_kind;
	event.amount_vnd = asked->amount_vnd;
	event.expires_us = expires_us;
	tx_event(c, "payment.order_opened", id_text, 1, &event.base);
}

static int open_order(struct call *c, const Dossier__DossierPaymentRequested *asked)
{
	char reference[PAYMENT_REFERENCE_MAX], id_text[UUID_TEXT_BYTES], qr[VIETQR_MAX];
	uint8_t id[UUID_BYTES];
	int64_t expires_us = c->now_us + payment_config.order_ttl_hours * US_PER_HOUR;
	int count, account, ordinal;

	count = tx_add(c, &count_orders, DB_TEXT(asked->code));
	account = tx_add(c, &find_account, DB_TEXT(asked->agency_code),
			 DB_DATE(civil_of_us(c->now_us)));
	if (tx_flush(c) < 0)
		return c->err.status;
	ordinal = (int)db_get_int(&c->tx, count, 0, 0) + 1;
	if (rules_reference(asked->code, ordinal, reference) < 0)
		return err_set(&c->err, &bad_dossier_code, "code", asked->code);
	uuid_v7(id);
	uuid_format(id, id_text);
	make_qr(c, account, reference, asked->amount_vnd, qr);
	tx_add(c, &insert_order, DB_UUID(id), DB_TEXT(reference), DB_TEXT(asked->code),
	       DB_INT4(ordinal), DB_TEXT(asked->procedure_code), DB_TEXT(asked->agency_code),
	       DB_TEXT(asked->fee_kind), DB_INT8(asked->amount_vnd), DB_TEXT(qr),
	       DB_TIME(c->now_us), DB_TIME(expires_us));
	announce_open(c, asked, id_text, expires_us);
	return 0;
}

/* What is open of a dossier need not be paid any more; how many orders that were, or the error. */
static int cancel_open(struct call *c, const char *dossier_code, const char *reason)
{
	int slot = tx_add(c, &cancel_orders, DB_TEXT(dossier_code)), n;

	if (tx_flush(c) < 0)
		return c->err.status;
	n = db_rows(&c->tx, slot);
	for (int i = 0; i < n; i++) {
		Payment__PaymentOrderCancelled event = PAYMENT__PAYMENT_ORDER_CANCELLED__INIT;

		event.order_id = db_get_text(&c->tx, slot, i, 0);
		event.dossier_code = dossier_code;
		event.reason = reason;
		tx_event(c, "payment.order_cancelled", event.order_id,
			 (int32_t)db_get_int(&c->tx, slot, i, 1), &event.base);
	}
	return n;
}

/* An order of the old amount is void; one of what is left takes its place, unless it was paid. */
static int exempted(struct call *c, const Dossier__DossierFeeExempted *ev)
{
	Dossier__DossierPaymentRequested rest = DOSSIER__DOSSIER_PAYMENT_REQUESTED__INIT;
	int n = cancel_open(c, ev->code, "exempt");

	if (n <= 0 || ev->requested_vnd == 0)
		return n < 0 ? n : 0;
	rest.code = ev->code;
	rest.procedure_code = ev->procedure_code;
	rest.agency_code = ev->agency_code;
	rest.fee_kind = ev->fee_kind;
	rest.amount_vnd = ev->requested_vnd;
	return open_order(c, &rest);
}

int payment_apply_dossier(struct call *c, const struct svc_event *ev)
{
	if (!ev->payload)
		return 0;
	if (strcmp(ev->type, "dossier.payment_requested") == 0)
		return open_order(c, (const Dossier__DossierPaymentRequested *)ev->payload);
	if (strcmp(ev->type, "dossier.fee_exempted") == 0)
		return exempted(c, (const Dossier__DossierFeeExempted *)ev->payload);
	if (strcmp(ev->type, "dossier.withdrawn") == 0) {
		int n = cancel_open(c, ((const Dossier__DossierWithdrawn *)ev->payload)->code,
				    "withdrawn");

		return n < 0 ? n : 0;
	}
	return 0;
}

int payment_expire_orders(struct call *c)
{
	int slot, n;

	tx_begin(c);
	slot = tx_add(c, &expire_orders, DB_TIME(c->now_us), DB_INT8(EXPIRE_BATCH));
	if (tx_flush(c) < 0)
		return c->err.status;
	n = db_rows(&c->tx, slot);
	if (n == 0) /* nothing to commit */
		return 0;
	for (int i = 0; i < n; i++) {
		Payment__PaymentExpired event = PAYMENT__PAYMENT_EXPIRED__INIT;

		event.order_id = db_get_text(&c->tx, slot, i, 0);
		event.dossier_code = db_get_text(&c->tx, slot, i, 1);
		tx_event(c, "payment.expired", event.order_id,
			 (int32_t)db_get_int(&c->tx, slot, i, 2), &event.base);
	}
	return tx_commit(c, NULL) < 0 ? c->err.status : n;
}

static void show(struct call *c, int slot, int row, Payment__Order *out)
{
	struct db_tx *tx = &c->tx;

	payment__order__init(out);
	out->id = db_get_text(tx, slot, row, 0);
	out->reference = db_get_text(tx, slot, row, 1);
	out->dossier_code = db_get_text(tx, slot, row, 2);
	out->procedure_code = db_get_text(tx, slot, row, 3);
	out->agency_code = db_get_text(tx, slot, row, 4);
	out->fee_kind = db_get_text(tx, slot, row, 5);
	out->amount_vnd = db_get_int(tx, slot, row, 6);
	out->state = (Payment__OrderState)db_get_int(tx, slot, row, 7);
	out->method = (Payment__PayMethod)db_get_int(tx, slot, row, 8);
	out->qr_payload = db_get_text(tx, slot, row, 9);
	out->opened_us = db_get_time_us(tx, slot, row, 10);
	out->expires_us = db_get_time_us(tx, slot, row, 11);
	out->paid_us = db_get_time_us(tx, slot, row, 12);
	out->version = (int32_t)db_get_int(tx, slot, row, 13);
	out->receipt_number = db_get_text(tx, slot, row, 14);
}

void payment_get_order(Payment__PaymentService_Service *svc, const Payment__GetOrderRequest *in,
		       Payment__GetOrderReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Payment__GetOrderReply out = PAYMENT__GET_ORDER_REPLY__INIT;
	Payment__Order order;
	uint8_t id[UUID_BYTES];
	int slot;

	(void)svc;
	if (uuid_parse(in->id, id) < 0) {
		err_set(&c->err, &no_such_order, "id", in->id);
		return call_fail(c);
	}
	slot = call_query(c, &show_order, DB_UUID(id));
	if (slot < 0)
		return call_fail(c);
	if (db_rows(&c->tx, slot) == 0) {
		err_set(&c->err, &no_such_order, "id", in->id);
		return call_fail(c);
	}
	show(c, slot, 0, &order);
	out.order = &order;
	reply(&out, data);
}

void payment_list_orders(Payment__PaymentService_Service *svc, const Payment__ListOrdersRequest *in,
			 Payment__ListOrdersReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Payment__ListOrdersReply out = PAYMENT__LIST_ORDERS_REPLY__INIT;
	Payment__Order *orders;
	int slot, n;

	(void)svc;
	if (!*in->dossier_code) {
		err_set(&c->err, &err_required_field, "dossier_code", NULL);
		return call_fail(c);
	}
	slot = call_query(c, &show_orders_of, DB_TEXT(in->dossier_code));
	if (slot < 0)
		return call_fail(c);
	n = db_rows(&c->tx, slot);
	orders = arena_calloc(c->arena, (size_t)n, sizeof(*orders));
	out.orders = arena_calloc(c->arena, (size_t)n, sizeof(*out.orders));
	for (int i = 0; i < n; i++) {
		show(c, slot, i, &orders[i]);
		out.orders[i] = &orders[i];
	}
	out.n_orders = (size_t)n;
	reply(&out, data);
}

void payment_record_counter_payment(Payment__PaymentService_Service *svc,
				    const Payment__RecordCounterPaymentRequest *in,
				    Payment__RecordCounterPaymentReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Payment__RecordCounterPaymentReply out = PAYMENT__RECORD_COUNTER_PAYMENT_REPLY__INIT;
	struct order_row order;
	uint8_t id[UUID_BYTES];
	int found = 0;

	(void)svc;
	if (uuid_parse(in->order_id, id) == 0) {
		tx_begin(c);
		found = order_lock_by_id(c, id, &order);
	}
	if (found == 0)
		err_set(&c->err, &no_such_order, "order_id", in->order_id);
	if (found <= 0 || rules_check_collect(order.agency_code, order.state, order.amount_vnd,
					      c->caller.agency, in->amount_vnd, &c->err) < 0)
		return call_fail(c);
	if (settle_order(c, &order, PAYMENT__PAY_METHOD__PAY_METHOD_COUNTER, "cash",
			 &out.receipt_number) < 0)
		return call_fail(c);
	out.version = order.version + 1;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
