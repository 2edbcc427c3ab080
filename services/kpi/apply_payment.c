/* What the payment feed adds: fees payable online, and R2-06. */
#include <string.h>

#include "common/base/civil.h"
#include "lgsp/payment/v1/events.pb-c.h"
#include "services/kpi/kpi.h"

static const struct err_kind bad_fee = {ERR_INVALID, "BAD_EVENT", "Biểu phí có ngày không hợp lệ",
					"the fee has an invalid date"};

static const struct db_stmt put_fee = {
	"INSERT INTO fact_fee (procedure_code, kind, online, valid_from, valid_to) "
	"VALUES ($1, $2, $3, $4, $5) ON CONFLICT (procedure_code, kind, valid_from) "
	"DO UPDATE SET online = excluded.online, valid_to = excluded.valid_to"};

/* The payment, and its counter when the procedure could be paid online on that day (R2-06). */
static const struct db_stmt insert_payment = {
	"WITH p AS (INSERT INTO fact_payment (order_id, procedure_code, agency_code, online, "
	"payable_online, amount_vnd, paid_at) "
	"SELECT $1, $2, $3, $4, EXISTS (SELECT 1 FROM fact_fee WHERE procedure_code = $2 AND "
	"online "
	"AND valid_from <= $7 AND valid_to >= $7), $5, $6 RETURNING online, payable_online) "
	"INSERT INTO counter (indicator_id, agency_code, month, numerator, denominator) "
	"SELECT 'R2-06', $3, $8, p.online::int, 1 FROM p WHERE p.payable_online "
	"ON CONFLICT (indicator_id, month, agency_code) DO UPDATE SET "
	"numerator = counter.numerator + excluded.numerator, denominator = counter.denominator + "
	"1"};

static int fee_put(struct call *c, const Payment__Fee *fee)
{
	int32_t from, to;

	if (!fee || civil_parse(fee->valid_from, &from) < 0 ||
	    civil_parse_or_forever(fee->valid_to, &to) < 0)
		return err_set(&c->err, &bad_fee, NULL, NULL);
	tx_add(c, &put_fee, DB_TEXT(fee->procedure_code), DB_TEXT(fee->kind), DB_BOOL(fee->online),
	       DB_DATE(from), DB_DATE(to));
	return 0;
}

static int paid(struct call *c, const Payment__PaymentPaid *p)
{
	tx_add(c, &insert_payment, DB_TEXT(p->order_id), DB_TEXT(p->procedure_code),
	       DB_TEXT(p->agency_code),
	       DB_BOOL(p->method == PAYMENT__PAY_METHOD__PAY_METHOD_ONLINE), DB_INT8(p->amount_vnd),
	       DB_TIME(p->paid_us), DB_DATE(civil_of_us(p->paid_us)),
	       DB_DATE(rules_month_of_us(p->paid_us)));
	return 0;
}

int kpi_apply_payment(struct call *c, const struct svc_event *ev)
{
	const void *p = ev->payload;

	if (!p)
		return 0;
	if (strcmp(ev->type, "payment.fee_put") == 0)
		return fee_put(c, ((const Payment__PaymentFeePut *)p)->fee);
	if (strcmp(ev->type, "payment.paid") == 0)
		return paid(c, p);
	return 0;
}
