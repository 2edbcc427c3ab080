/*
 * A provider's callback: verified over its raw bytes, matched to an order, settled - once, however
 * often and in whatever order it comes. What cannot be settled is recorded with its outcome.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/log.h"
#include "services/payment/payment.h"

#define KEY_MAX 256

static const struct err_kind no_adapter = {ERR_NOT_FOUND, "NO_ADAPTER",
					   "Không có cổng thanh toán %s", "no payment adapter %s"};
static const struct err_kind no_adapter_key = {ERR_UNAVAILABLE, "ADAPTER_NOT_CONFIGURED",
					       "Cổng thanh toán %s chưa được cấu hình khóa",
					       "payment adapter %s has no key"};

static const struct db_stmt lock_provider_payment = {
	"SELECT outcome FROM provider_payment WHERE adapter = $1 AND provider_ref = $2 FOR UPDATE"};

static const struct db_stmt insert_provider_payment = {
	"INSERT INTO provider_payment "
	"(adapter, provider_ref, reference, amount_vnd, order_id, outcome, received_at) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7)"};

/* The adapter's secret, without the line end; key is wiped by the caller. */
static int read_adapter_key(struct call *c, const char *name, char key[static KEY_MAX])
{
	CLEANUP_FD int fd = -1;
	ssize_t n;
	const char *path = arena_printf(c->arena, "%s/%s.key", payment_config.adapter_keys, name);

	if (*payment_config.adapter_keys)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, key, KEY_MAX - 1) : -1;
	if (n <= 0)
		return err_set(&c->err, &no_adapter_key, "adapter", name);
	key[n] = '\0';
	key[strcspn(key, "\r\n")] = '\0';
	return 0;
}

static void answer(struct call *c, const struct adapter *adapter, enum adapter_answer what,
		   Payment__ReceiveCallbackReply *out)
{
	const char *text = adapter->answer(what);

	(void)c;
	out->http_status = 200;
	out->content_type = adapter->content_type;
	out->body.data = (uint8_t *)text;
	out->body.len = strlen(text);
}

static void record(struct call *c, const struct adapter *adapter, const struct adapter_fact *fact,
		   const uint8_t *order_id, const char *outcome)
{
	tx_add(c, &insert_provider_payment, DB_TEXT(adapter->name), DB_TEXT(fact->provider_ref),
	       DB_TEXT(fact->reference), DB_INT8(fact->amount_vnd), DB_UUID(order_id),
	       DB_TEXT(outcome), DB_TIME(c->now_us));
}

/* Decides on a locked order (NULL: none has the reference) and queues the rows. <0: error. */
static int decide(struct call *c, const struct adapter *adapter, const struct adapter_fact *fact,
		  const struct order_row *order)
{
	const char *account = arena_printf(c->arena, "provider:%s", adapter->name);
	const char *receipt;

	if (!order) {
		record(c, adapter, fact, NULL, "unknown_order");
		return ADAPTER_ANSWER_UNKNOWN_ORDER;
	}
	if (!fact->paid) {
		record(c, adapter, fact, order->id, "failed");
		return ADAPTER_ANSWER_OK;
	}
	if (fact->amount_vnd != order->amount_vnd) {
		record(c, adapter, fact, order->id, "amount_differs");
		return ADAPTER_ANSWER_BAD_AMOUNT;
	}
	if (order->state != PAYMENT__ORDER_STATE__ORDER_STATE_OPEN) {
		record(c, adapter, fact, order->id, "suspense");
		if (settle_suspense(c, order, adapter->name, fact, "order not open") < 0)
			return c->err.status;
		return ADAPTER_ANSWER_ALREADY;
	}
	record(c, adapter, fact, order->id, "settled");
	if (settle_order(c, order, PAYMENT__PAY_METHOD__PAY_METHOD_ONLINE, account, &receipt) < 0)
		return c->err.status;
	return ADAPTER_ANSWER_OK;
}

/* The transaction: a provider's number seen before is answered without effect. */
static int take(struct call *c, const struct adapter *adapter, const struct adapter_fact *fact,
		Payment__ReceiveCallbackReply *out)
{
	struct order_row order;
	int seen, found, what = ADAPTER_ANSWER_ALREADY;

	tx_begin(c);
	seen = tx_add(c, &lock_provider_payment, DB_TEXT(adapter->name),
		      DB_TEXT(fact->provider_ref));
	found = order_lock_by_reference(c, fact->reference, &order);
	if (found < 0)
		return c->err.status;
	if (db_rows(&c->tx, seen) == 0)
		what = decide(c, adapter, fact, found ? &order : NULL);
	if (what < 0)
		return what;
	answer(c, adapter, (enum adapter_answer)what, out);
	log_info("payment.callback", LOG_STR("adapter", adapter->name), LOG_NUM("answer", what));
	return tx_commit(c, &out->base);
}

static enum adapter_check verify(struct call *c, const struct adapter *adapter,
				 const Payment__ReceiveCallbackRequest *in,
				 struct adapter_fact *ret_fact)
{
	char key[KEY_MAX];
	enum adapter_check check;

	if (strcmp(in->http_method, adapter->http_method) != 0)
		return ADAPTER_BAD_SIGNATURE;
	if (read_adapter_key(c, adapter->name, key) < 0)
		return ADAPTER_MALFORMED;
	check = adapter->check(key, (const char *)in->query.data, in->query.len,
			       (const char *)in->body.data, in->body.len, c->arena, ret_fact);
	explicit_bzero(key, sizeof(key));
	return check;
}

void payment_receive_callback(Payment__PaymentService_Service *svc,
			      const Payment__ReceiveCallbackRequest *in,
			      Payment__ReceiveCallbackReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Payment__ReceiveCallbackReply out = PAYMENT__RECEIVE_CALLBACK_REPLY__INIT;
	const struct adapter *adapter = adapter_find(in->adapter);
	struct adapter_fact fact = {0};
	enum adapter_check check;

	(void)svc;
	if (!adapter) {
		err_set(&c->err, &no_adapter, "adapter", in->adapter);
		return call_fail(c);
	}
	check = verify(c, adapter, in, &fact);
	if (c->err.status < 0)
		return call_fail(c);
	if (check == ADAPTER_OK && take(c, adapter, &fact, &out) < 0)
		return call_fail(c);
	if (check != ADAPTER_OK) {
		log_warn(
			"payment.callback_refused", LOG_STR("adapter", adapter->name),
			LOG_STR("why", check == ADAPTER_BAD_SIGNATURE ? "signature" : "malformed"));
		answer(c, adapter,
		       check == ADAPTER_BAD_SIGNATURE ? ADAPTER_ANSWER_BAD_SIGNATURE
						      : ADAPTER_ANSWER_MALFORMED,
		       &out);
		tx_begin(c);
		if (tx_commit(c, &out.base) < 0)
			return call_fail(c);
	}
	reply(&out, data);
}
