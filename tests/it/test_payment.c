/*
 * The payment service as a process, with a real broker and a real PostgreSQL; the dossier service's
 * feed is played. Business time starts at 2024-05-21 08:00 in Viet Nam.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "lgsp/dossier/v1/events.pb-c.h"
#include "lgsp/payment/v1/payment.pb-c.h"
#include "tests/support/ask.h"
#include "tests/support/busrig.h"
#include "tests/support/peer.h"
#include "tests/support/pg.h"
#include "tests/support/svcd.h"

#define WARD      "H40.31.01"
#define PROCEDURE "1.004873"
#define FEE_VND   15000
#define SECRET    "the-provider-secret"

static const struct busd_member members[] = {
	{"payment", "VN/GOV/H40/lgsp-payment"},
	{"dossier", "VN/GOV/H40/lgsp-dossier"},
	{"gateway", "VN/GOV/H40/lgsp-gateway"},
	{"operator", "VN/GOV/H40/lgsp-operator"},
};

static const char rights[] = "serve VN/GOV/H40/lgsp-payment payment\n"
			     "serve VN/GOV/H40/lgsp-dossier dossier\n"
			     "grant VN/GOV/H40/lgsp-payment * *\n"
			     "feed VN/GOV/H40/lgsp-payment * *\n"
			     "grant VN/GOV/H40/lgsp-gateway * * acts_for\n"
			     "feed VN/GOV/H40/lgsp-gateway * * acts_for\n"
			     "grant VN/GOV/H40/lgsp-operator * *\n"
			     "feed VN/GOV/H40/lgsp-operator * *\n";

static const struct person cashier = {"cashier-1", "cashier", WARD};
static const struct person other_cashier = {"cashier-2", "cashier", "H40.31.02"};
static const struct person clerk = {"clerk-1", "clerk", WARD};

static struct {
	struct pg *pg;
	struct busd *bus;
	struct svcd *svc;
	struct busrig *rig;
	struct peer *dossier;
	struct bus_client *gateway, *ops;
	unsigned dossiers;
	char keys[64];
} rig;
static char offset_env[64], keys_env[128];

static int64_t count(const char *sql)
{
	return pg_int(rig.pg, "payment", sql);
}

static void relay_all(void)
{
	assert_true(pg_wait_int(rig.pg, "payment", "SELECT count(*) FROM outbox", 0, 10000));
}

static struct svcd *start_service(const char *const *more)
{
	const char *env[8] = {offset_env, keys_env};
	const struct svcd_config config = {
		.service = "payment", .bus = rig.bus, .dsn = pg_dsn(rig.pg, "payment"), .env = env};

	for (int i = 0; more && more[i]; i++)
		env[2 + i] = more[i];
	return svcd_start(&config);
}

static void write_adapter_key(void)
{
	char path[96];
	FILE *f;

	snprintf(rig.keys, sizeof(rig.keys), "%s/adapters", busd_dir(rig.bus));
	CHECK(mkdir(rig.keys, 0700) == 0);
	snprintf(path, sizeof(path), "%s/vnpay.key", rig.keys);
	f = fopen(path, "w");
	CHECK(f && fputs(SECRET "\n", f) >= 0 && fclose(f) == 0);
	snprintf(keys_env, sizeof(keys_env), "LGSP_ADAPTER_KEYS=%s", rig.keys);
}

static void import_profile(void)
{
	Payment__ImportProfileRequest in = PAYMENT__IMPORT_PROFILE_REQUEST__INIT;
	Payment__Fee fee = PAYMENT__FEE__INIT, *fees[] = {&fee};
	Payment__Account account = PAYMENT__ACCOUNT__INIT, *accounts[] = {&account};
	Payment__ImportProfileReply *out;
	struct ask a;

	fee.procedure_code = PROCEDURE;
	fee.kind = "le_phi";
	fee.amount_vnd = FEE_VND;
	fee.valid_from = "2021-01-01";
	fee.online = true;
	account.agency_code = "H40.31";
	account.bin = "970415";
	account.number = "112360000003101";
	account.holder = "Kho bạc";
	account.valid_from = "2021-01-01";
	in.fees = fees;
	in.n_fees = 1;
	in.accounts = accounts;
	in.n_accounts = 1;
	ask_init(&a, rig.ops, "payment");
	CHECK(ask(&a, NULL, "ImportProfile", &in.base, &payment__import_profile_reply__descriptor,
		  &out) == 0);
	CHECK(out->changed == 2);
	CHECK(ask(&a, NULL, "ImportProfile", &in.base, &payment__import_profile_reply__descriptor,
		  &out) == 0);
	CHECK(out->changed == 0);
	fee.amount_vnd = -1;
	CHECK(ask(&a, NULL, "ImportProfile", &in.base, &payment__import_profile_reply__descriptor,
		  NULL) == ERR_INVALID);
	CHECK(ask_has(&a, "BAD_AMOUNT", "fees[0]"));
	ask_done(&a);
}

static int set_up(void **state)
{
	const char *const bus_env[] = {offset_env, NULL};
	struct bus_keys keys;
	int64_t start_us;

	(void)state;
	CHECK(clock_parse_rfc3339("2024-05-21T08:00:00+07:00", &start_us) == 0);
	snprintf(offset_env, sizeof(offset_env), "LGSP_CLOCK_OFFSET_US=%lld",
		 (long long)(start_us - clock_wall_us()));
	rig.pg = pg_new("payment");
	rig.bus = busd_start(members, ARRAY_LEN(members), rights, bus_env);
	write_adapter_key();
	pg_exec(rig.pg, "payment",
		"INSERT INTO ref_agency VALUES ('" WARD "', 'H40.31', 'X', '1', 'Phường', "
		"'2021-01-01', 'infinity', ''), ('H40.31', 'H40', 'H', '2', 'Thành phố', "
		"'2021-01-01', 'infinity', '')");
	rig.rig = busrig_new();
	rig.dossier = peer_start(rig.rig, rig.bus, "dossier", "dossier", NULL);
	keys = busd_keys(rig.bus, "gateway");
	rig.gateway = busrig_client(rig.rig, busd_member_endpoint(rig.bus), &keys);
	keys = busd_keys(rig.bus, "operator");
	rig.ops = busrig_client(rig.rig, busd_member_endpoint(rig.bus), &keys);
	rig.svc = start_service(NULL);
	import_profile();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	svcd_free(rig.svc);
	peer_free(rig.dossier);
	busrig_free(rig.rig);
	busd_free(rig.bus);
	pg_free(rig.pg);
	return 0;
}

/* --- orders and callbacks --- */

struct order {
	char dossier[32];
	char id[40];
	char reference[32];
};

/* A dossier asks for its fee; the order that payment opens for it. */
static void open_order(struct order *o)
{
	Dossier__DossierPaymentRequested event = DOSSIER__DOSSIER_PAYMENT_REQUESTED__INIT;
	Payment__ListOrdersRequest in = PAYMENT__LIST_ORDERS_REQUEST__INIT;
	Payment__ListOrdersReply *out;
	char sql[160];
	struct ask a;

	snprintf(o->dossier, sizeof(o->dossier), WARD "-240521-%04u", ++rig.dossiers);
	event.code = o->dossier;
	event.procedure_code = PROCEDURE;
	event.agency_code = WARD;
	event.fee_kind = "le_phi";
	event.amount_vnd = FEE_VND;
	peer_publish(rig.dossier, "dossier.payment_requested", o->dossier, 3, &event.base);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM pay_order WHERE dossier_code = '%s'",
		 o->dossier);
	assert_true(pg_wait_int(rig.pg, "payment", sql, 1, 10000));

	ask_init(&a, rig.gateway, "payment");
	in.dossier_code = o->dossier;
	assert_int_equal(ask(&a, &clerk, "ListOrders", &in.base,
			     &payment__list_orders_reply__descriptor, &out),
			 0);
	assert_int_equal(out->n_orders, 1);
	assert_int_equal(out->orders[0]->state, PAYMENT__ORDER_STATE__ORDER_STATE_OPEN);
	assert_int_equal(out->orders[0]->amount_vnd, FEE_VND);
	assert_int_equal(strncmp(out->orders[0]->qr_payload, "000201010212", 12), 0);
	assert_non_null(strstr(out->orders[0]->qr_payload, out->orders[0]->reference));
	snprintf(o->id, sizeof(o->id), "%s", out->orders[0]->id);
	snprintf(o->reference, sizeof(o->reference), "%s", out->orders[0]->reference);
	ask_done(&a);
}

static void make_query(char out[static 1024], const char *reference, const char *number,
		       int64_t vnd)
{
	uint8_t mac[CRYPT_SHA512_BYTES];
	char hex[2 * sizeof(mac) + 1];
	int n = snprintf(out, 1024,
			 "vnp_Amount=%lld&vnp_ResponseCode=00&vnp_TransactionNo=%s"
			 "&vnp_TransactionStatus=00&vnp_TxnRef=%s",
			 (long long)vnd * 100, number, reference);

	crypt_hmac_sha512(SECRET, strlen(SECRET), out, (size_t)n, mac);
	crypt_hex(mac, sizeof(mac), hex);
	snprintf(out + n, 1024 - (size_t)n, "&vnp_SecureHash=%s", hex);
}

/* The provider calls; its RspCode, or the (negative) status of the call. */
static int call_back(struct ask *a, const char *query)
{
	Payment__ReceiveCallbackRequest in = PAYMENT__RECEIVE_CALLBACK_REQUEST__INIT;
	Payment__ReceiveCallbackReply *out;
	char body[256];
	int r;

	in.adapter = "vnpay";
	in.http_method = "GET";
	in.query.data = (uint8_t *)query;
	in.query.len = strlen(query);
	r = ask(a, NULL, "ReceiveCallback", &in.base, &payment__receive_callback_reply__descriptor,
		&out);
	if (r < 0)
		return r;
	assert_int_equal(out->http_status, 200);
	snprintf(body, sizeof(body), "%.*s", (int)out->body.len, (const char *)out->body.data);
	assert_non_null(strstr(body, "\"RspCode\":\""));
	return (int)strtol(strstr(body, "RspCode\":\"") + 10, NULL, 10);
}

static int pay(const char *reference, const char *number, int64_t vnd)
{
	char query[1024];
	struct ask a;
	int code;

	make_query(query, reference, number, vnd);
	ask_init(&a, rig.ops, "payment");
	code = call_back(&a, query);
	ask_done(&a);
	return code;
}

static int64_t events(const char *type, const char *subject)
{
	char sql[256];

	relay_all();
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM feed WHERE type = '%s' AND subject = '%s'",
		 type, subject);
	return count(sql);
}

static void test_paid_online_once(void **state)
{
	struct order o;
	char sql[256];

	(void)state;
	open_order(&o);
	assert_int_equal(events("payment.order_opened", o.id), 1);
	assert_int_equal(pay(o.reference, "1001", FEE_VND), 0);
	/* The provider repeats itself: answered, without effect. */
	assert_int_equal(pay(o.reference, "1001", FEE_VND), 2);
	assert_int_equal(events("payment.paid", o.id), 1);
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM ledger_tx WHERE order_id = '%s'", o.id);
	assert_int_equal(count(sql), 1);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM pay_order WHERE id = '%s' AND state = 2 AND method = 2 AND "
		 "receipt_number LIKE '" WARD "/LP/2024/%%'",
		 o.id);
	assert_int_equal(count(sql), 1);

	/* Somebody pays again: the money lies in suspense, the order stays as it is. */
	assert_int_equal(pay(o.reference, "1002", FEE_VND), 2);
	assert_int_equal(events("payment.suspended", "vnpay:1002"), 1);
	assert_int_equal(events("payment.paid", o.id), 1);
	assert_int_equal(
		count("SELECT sum(credit_vnd) FROM ledger_entry WHERE account = 'suspense'"),
		FEE_VND);
}

static void test_callbacks_refused(void **state)
{
	struct order o;
	char query[1024];
	struct ask a;

	(void)state;
	open_order(&o);
	assert_int_equal(pay("NOBODY01", "2001", FEE_VND), 1);
	assert_int_equal(pay(o.reference, "2002", FEE_VND + 1), 4);
	assert_int_equal(
		count("SELECT count(*) FROM provider_payment WHERE provider_ref IN "
		      "('2001', '2002') AND outcome IN ('unknown_order', 'amount_differs')"),
		2);

	ask_init(&a, rig.ops, "payment");
	make_query(query, o.reference, "2003", FEE_VND);
	query[11] ^= 1; /* a digit of the amount */
	assert_int_equal(call_back(&a, query), 97);
	ask_done(&a);
	assert_int_equal(count("SELECT count(*) FROM provider_payment WHERE provider_ref = '2003'"),
			 0);
	assert_int_equal(events("payment.paid", o.id), 0);
}

static int collect(struct ask *a, const struct person *who, const struct order *o, int64_t vnd,
		   Payment__RecordCounterPaymentReply **out)
{
	Payment__RecordCounterPaymentRequest in = PAYMENT__RECORD_COUNTER_PAYMENT_REQUEST__INIT;

	in.order_id = o->id;
	in.amount_vnd = vnd;
	return ask(a, who, "RecordCounterPayment", &in.base,
		   &payment__record_counter_payment_reply__descriptor, out);
}

static void test_paid_at_the_counter(void **state)
{
	Payment__RecordCounterPaymentReply *out;
	struct order o, none = {.id = "0190d0a0-0000-7000-8000-000000000001"};
	struct ask a;

	(void)state;
	open_order(&o);
	ask_init(&a, rig.gateway, "payment");
	assert_int_equal(collect(&a, &clerk, &o, FEE_VND, NULL), ERR_DENIED);
	assert_int_equal(collect(&a, &other_cashier, &o, FEE_VND, NULL), ERR_DENIED);
	assert_true(ask_has(&a, "NOT_YOUR_AGENCY", NULL));
	assert_int_equal(collect(&a, &cashier, &o, FEE_VND - 1, NULL), ERR_INVALID);
	assert_true(ask_has(&a, "AMOUNT_DIFFERS", "amount_vnd"));
	assert_int_equal(collect(&a, &cashier, &none, FEE_VND, NULL), ERR_NOT_FOUND);
	assert_int_equal(collect(&a, &cashier, &o, FEE_VND, &out), 0);
	assert_int_equal(strncmp(out->receipt_number, WARD "/LP/2024/", 18), 0);
	assert_int_equal(collect(&a, &cashier, &o, FEE_VND, NULL), ERR_CONFLICT);
	assert_true(ask_has(&a, "ORDER_NOT_OPEN", "order_id"));
	assert_int_equal(events("payment.paid", o.id), 1);
	ask_done(&a);
}

/* --- many at once --- */

#define PAYERS 8

static void *pay_in_thread(void *arg)
{
	const struct order *o = arg;
	char number[16];

	snprintf(number, sizeof(number), "3%s", o->dossier + strlen(o->dossier) - 4);
	/* Twice, as providers do. */
	return (void *)(intptr_t)(pay(o->reference, number, FEE_VND) +
				  pay(o->reference, number, FEE_VND));
}

static void test_receipts_have_no_gaps(void **state)
{
	struct order o[PAYERS];
	pthread_t threads[PAYERS];

	(void)state;
	for (int i = 0; i < PAYERS; i++)
		open_order(&o[i]);
	for (int i = 0; i < PAYERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, pay_in_thread, &o[i]), 0);
	for (int i = 0; i < PAYERS; i++) {
		void *codes;

		pthread_join(threads[i], &codes);
		assert_int_equal((intptr_t)codes, 2); /* "00", then "02" */
	}
	assert_int_equal(
		count("SELECT count(*) - max(right(receipt_number, 7)::int) FROM pay_order "
		      "WHERE state = 2"),
		0);
	assert_int_equal(count("SELECT count(DISTINCT receipt_number) - count(*) FROM pay_order "
			       "WHERE state = 2"),
			 0);
}

/* --- the books --- */

static void test_ledger(void **state)
{
	Payment__TrialBalanceRequest in = PAYMENT__TRIAL_BALANCE_REQUEST__INIT;
	Payment__TrialBalanceReply *out;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "payment");
	assert_int_equal(ask(&a, &cashier, "TrialBalance", &in.base,
			     &payment__trial_balance_reply__descriptor, &out),
			 0);
	assert_true(out->total_debit_vnd > 0);
	assert_int_equal(out->total_debit_vnd, out->total_credit_vnd);
	ask_done(&a);
}

/* As the service's own role: the database refuses what the books may not contain. */
static void test_ledger_cannot_be_bent(void **state)
{
	static const struct {
		const char *sql, *sqlstate;
	} cases[] = {
		{"INSERT INTO ledger_tx VALUES ('0190d0a0-0000-7000-8000-0000000000aa', NULL, 'x', "
		 "'2024-05-21'); INSERT INTO ledger_entry VALUES "
		 "('0190d0a0-0000-7000-8000-0000000000aa', 1, 'cash', 'A', 5, 0)",
		 "23514"},
		{"UPDATE ledger_entry SET debit_vnd = debit_vnd + 1", "42501"},
		{"DELETE FROM ledger_entry", "42501"},
		{"DELETE FROM ledger_tx", "42501"},
	};
	PGconn *conn = PQconnectdb(pg_dsn(rig.pg, "payment"));

	(void)state;
	assert_int_equal(PQstatus(conn), CONNECTION_OK);
	PQclear(PQexec(conn, "SET search_path = payment"));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		PGresult *r = PQexec(conn, cases[i].sql);

		assert_int_equal(PQresultStatus(r), PGRES_FATAL_ERROR);
		assert_string_equal(PQresultErrorField(r, PG_DIAG_SQLSTATE), cases[i].sqlstate);
		PQclear(r);
	}
	PQfinish(conn);
}

/* --- death --- */

/* The provider calls until it is answered, whatever dies meanwhile: one payment, receipt and event.
 */
static void check_crash(const char *point, const char *number)
{
	char point_env[64], log_env[96], log[80], line[128] = "";
	const char *const env[] = {point_env, log_env, "LGSP_INSTANCE=payment-2", NULL};
	struct svcd *dying;
	struct order o;
	struct ask a;
	char query[1024], sql[200];
	FILE *f;
	int code;

	open_order(&o);
	make_query(query, o.reference, number, FEE_VND);
	snprintf(log, sizeof(log), "%s/crash.%s", busd_dir(rig.bus), point);
	snprintf(point_env, sizeof(point_env), "LGSP_CRASH_POINT=%s", point);
	snprintf(log_env, sizeof(log_env), "LGSP_CRASH_LOG=%s", log);
	svcd_kill(rig.svc);
	dying = start_service(env);
	ask_init(&a, rig.ops, "payment");
	call_back(&a, query);
	assert_int_equal(svcd_wait(dying), 128 + 9);
	svcd_free(dying);
	f = fopen(log, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	assert_int_equal(strncmp(line, point, strlen(point)), 0);
	fclose(f);

	svcd_restart(rig.svc);
	code = call_back(&a, query);
	ask_done(&a);
	assert_true(code == 0 || code == 2);
	assert_int_equal(events("payment.paid", o.id), 1);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM pay_order p JOIN ledger_tx l ON l.order_id = p.id "
		 "WHERE p.id = '%s' AND p.receipt_number IS NOT NULL",
		 o.id);
	assert_int_equal(count(sql), 1);
}

static void test_crash_points(void **state)
{
	(void)state;
	check_crash("svc.before_commit", "4001");
	check_crash("svc.after_commit", "4002");
	check_crash("relay.before_commit", "4003");
	check_crash("relay.after_commit", "4004");
}

/* --- what need not be paid any more --- */

static int64_t of_dossier(const char *what, const struct order *o)
{
	char sql[200];

	snprintf(sql, sizeof(sql), "SELECT %s FROM pay_order WHERE dossier_code = '%s'", what,
		 o->dossier);
	return count(sql);
}

static void say_exempted(const struct order *o, int64_t requested_vnd, int version)
{
	Dossier__DossierFeeExempted event = DOSSIER__DOSSIER_FEE_EXEMPTED__INIT;

	event.code = o->dossier;
	event.procedure_code = PROCEDURE;
	event.agency_code = WARD;
	event.fee_kind = "le_phi";
	event.requested_vnd = requested_vnd;
	peer_publish(rig.dossier, "dossier.fee_exempted", o->dossier, version, &event.base);
}

static void wait_cancelled(const struct order *o)
{
	char sql[160];

	snprintf(sql, sizeof(sql), "SELECT state FROM pay_order WHERE id = '%s'", o->id);
	assert_true(pg_wait_int(rig.pg, "payment", sql, 4, 10000));
}

/* Freed from a part: the order is void, one of the rest takes its place. */
static void test_exempted_in_part(void **state)
{
	struct order o;

	(void)state;
	open_order(&o);
	say_exempted(&o, FEE_VND - 3000, 4);
	wait_cancelled(&o);
	assert_int_equal(events("payment.order_cancelled", o.id), 1);
	assert_int_equal(of_dossier("count(*)", &o), 2);
	assert_int_equal(of_dossier("sum(amount_vnd) FILTER (WHERE state = 1)", &o),
			 FEE_VND - 3000);
	/* Money for the void order lies in suspense. */
	assert_int_equal(pay(o.reference, "6001", FEE_VND), 2);
	assert_int_equal(events("payment.suspended", "vnpay:6001"), 1);
	assert_int_equal(events("payment.paid", o.id), 0);
}

/* Freed from all, or withdrawn: nothing takes its place. */
static void test_exempted_or_withdrawn(void **state)
{
	Dossier__DossierWithdrawn event = DOSSIER__DOSSIER_WITHDRAWN__INIT;
	struct order o;

	(void)state;
	open_order(&o);
	say_exempted(&o, 0, 4);
	wait_cancelled(&o);
	assert_int_equal(of_dossier("count(*)", &o), 1);
	open_order(&o);
	event.code = o.dossier;
	peer_publish(rig.dossier, "dossier.withdrawn", o.dossier, 4, &event.base);
	wait_cancelled(&o);
	assert_int_equal(events("payment.order_cancelled", o.id), 1);
}

/* Paid before payment heard of the exemption: no second order. */
static void test_exempted_when_paid(void **state)
{
	struct order o, mark;

	(void)state;
	open_order(&o);
	assert_int_equal(pay(o.reference, "6002", FEE_VND), 0);
	say_exempted(&o, FEE_VND - 3000, 4);
	open_order(&mark); /* comes behind it */
	assert_int_equal(of_dossier("count(*)", &o), 1);
	assert_int_equal(of_dossier("max(state)", &o), 2);
	assert_int_equal(events("payment.order_cancelled", o.id), 0);
}

/* Last: an order nobody pays ends by the business clock. */
static void test_expiry(void **state)
{
	struct order o;
	char sql[200];

	(void)state;
	open_order(&o);
	snprintf(sql, sizeof(sql), "UPDATE pay_order SET expires_at = opened_at WHERE id = '%s'",
		 o.id);
	pg_exec(rig.pg, "payment", sql);
	svcd_kill(rig.svc);
	svcd_restart(rig.svc); /* the job runs at once after a start */
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM pay_order WHERE id = '%s' AND state = 3",
		 o.id);
	assert_true(pg_wait_int(rig.pg, "payment", sql, 1, 10000));
	assert_int_equal(events("payment.expired", o.id), 1);
	/* Paid after all: suspense, not a paid order. */
	assert_int_equal(pay(o.reference, "5001", FEE_VND), 2);
	assert_int_equal(events("payment.suspended", "vnpay:5001"), 1);
	assert_int_equal(events("payment.paid", o.id), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paid_online_once),
		cmocka_unit_test(test_callbacks_refused),
		cmocka_unit_test(test_paid_at_the_counter),
		cmocka_unit_test(test_receipts_have_no_gaps),
		cmocka_unit_test(test_ledger),
		cmocka_unit_test(test_ledger_cannot_be_bent),
		cmocka_unit_test(test_crash_points),
		cmocka_unit_test(test_exempted_in_part),
		cmocka_unit_test(test_exempted_or_withdrawn),
		cmocka_unit_test(test_exempted_when_paid),
		cmocka_unit_test(test_expiry),
	};

	return cmocka_run_group_tests_name("payment", tests, set_up, tear_down);
}
