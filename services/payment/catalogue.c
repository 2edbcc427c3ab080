/* The payment part of a profile - fees and accounts - and the trial balance. */
#include <string.h>

#include "common/base/civil.h"
#include "common/base/money.h"
#include "lgsp/payment/v1/events.pb-c.h"
#include "services/payment/payment.h"
#include "services/payment/vietqr.h"

static const struct err_kind bad_fee_kind = {ERR_INVALID, "BAD_FEE_KIND",
					     "Loại khoản thu %s không phải phi hoặc le_phi",
					     "fee kind %s is neither phi nor le_phi"};
static const struct err_kind bad_amount = {ERR_INVALID, "BAD_AMOUNT", "Số tiền không hợp lệ",
					   "the amount is not valid"};
static const struct err_kind bad_dates = {ERR_INVALID, "BAD_DATES", "Khoảng hiệu lực không hợp lệ",
					  "the validity dates are not valid"};
static const struct err_kind bad_account = {ERR_INVALID, "BAD_ACCOUNT",
					    "Tài khoản của cơ quan %s không hợp lệ",
					    "the account of agency %s is not valid"};

/* Only a row that is new or different is written and counted. */
static const struct db_stmt put_fee = {
	"INSERT INTO fee (procedure_code, kind, amount_vnd, online, valid_from, valid_to) "
	"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (procedure_code, kind, valid_from) "
	"DO UPDATE SET amount_vnd = excluded.amount_vnd, online = excluded.online, "
	"valid_to = excluded.valid_to, version = fee.version + 1 "
	"WHERE (fee.amount_vnd, fee.online, fee.valid_to) IS DISTINCT FROM "
	"(excluded.amount_vnd, excluded.online, excluded.valid_to) RETURNING version"};

static const struct db_stmt put_account = {
	"INSERT INTO account (agency_code, bin, number, holder, valid_from, valid_to) "
	"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (agency_code, valid_from) "
	"DO UPDATE SET bin = excluded.bin, number = excluded.number, holder = excluded.holder, "
	"valid_to = excluded.valid_to "
	"WHERE (account.bin, account.number, account.holder, account.valid_to) IS DISTINCT FROM "
	"(excluded.bin, excluded.number, excluded.holder, excluded.valid_to) RETURNING 1"};

static const struct db_stmt balances = {
	"SELECT account, sum(debit_vnd)::bigint, sum(credit_vnd)::bigint FROM ledger_entry "
	"WHERE $1 = '' OR agency_code = $1 GROUP BY account ORDER BY account"};

struct validity {
	int32_t from, to;
};

static int read_validity(struct call *c, const char *field, const char *from, const char *to,
			 struct validity *ret)
{
	if (civil_parse(from, &ret->from) < 0 || civil_parse_or_forever(to, &ret->to) < 0 ||
	    ret->from > ret->to)
		return err_add(&c->err, &bad_dates, field, NULL);
	return 0;
}

static void check_fee(struct call *c, const Payment__Fee *fee, size_t i, struct validity *ret)
{
	const char *field = arena_printf(c->arena, "fees[%zu]", i);

	if (!*fee->procedure_code)
		err_add(&c->err, &err_required_field, field, NULL);
	if (strcmp(fee->kind, "phi") != 0 && strcmp(fee->kind, "le_phi") != 0)
		err_add(&c->err, &bad_fee_kind, field, fee->kind);
	if (fee->amount_vnd <= 0 || fee->amount_vnd > MONEY_MAX_VND)
		err_add(&c->err, &bad_amount, field, NULL);
	read_validity(c, field, fee->valid_from, fee->valid_to, ret);
}

/* An account is valid when a QR payload can be made of it. */
static void check_account(struct call *c, const Payment__Account *account, size_t i,
			  struct validity *ret)
{
	struct vietqr qr = {
		.bin = account->bin, .number = account->number, .bill = "", .purpose = ""};
	const char *field = arena_printf(c->arena, "accounts[%zu]", i);
	char text[VIETQR_MAX];

	if (!*account->agency_code || !*account->holder || vietqr_write(&qr, text) < 0)
		err_add(&c->err, &bad_account, field, account->agency_code);
	read_validity(c, field, account->valid_from, account->valid_to, ret);
}

/* Emits an event for each fee the database found new or different; returns their number. */
static int announce_fees(struct call *c, const Payment__ImportProfileRequest *in, int first_slot)
{
	int changed = 0;

	for (size_t i = 0; i < in->n_fees; i++) {
		Payment__PaymentFeePut event = PAYMENT__PAYMENT_FEE_PUT__INIT;
		int slot = first_slot + (int)i;

		if (db_rows(&c->tx, slot) == 0)
			continue;
		event.fee = in->fees[i];
		tx_event(c, "payment.fee_put", in->fees[i]->procedure_code,
			 (int32_t)db_get_int(&c->tx, slot, 0, 0), &event.base);
		changed++;
	}
	return changed;
}

static int import(struct call *c, const Payment__ImportProfileRequest *in,
		  const struct validity *fees, const struct validity *accounts,
		  Payment__ImportProfileReply *out)
{
	int first_fee = 0, first_account = 0;

	tx_begin(c);
	for (size_t i = 0; i < in->n_fees; i++) {
		const Payment__Fee *f = in->fees[i];
		int slot = tx_add(c, &put_fee, DB_TEXT(f->procedure_code), DB_TEXT(f->kind),
				  DB_INT8(f->amount_vnd), DB_BOOL(f->online), DB_DATE(fees[i].from),
				  DB_DATE(fees[i].to));
		if (i == 0)
			first_fee = slot;
	}
	for (size_t i = 0; i < in->n_accounts; i++) {
		const Payment__Account *a = in->accounts[i];
		int slot = tx_add(c, &put_account, DB_TEXT(a->agency_code), DB_TEXT(a->bin),
				  DB_TEXT(a->number), DB_TEXT(a->holder), DB_DATE(accounts[i].from),
				  DB_DATE(accounts[i].to));
		if (i == 0)
			first_account = slot;
	}
	if (tx_flush(c) < 0)
		return c->err.status;
	out->changed = announce_fees(c, in, first_fee);
	for (size_t i = 0; i < in->n_accounts; i++)
		out->changed += db_rows(&c->tx, first_account + (int)i);
	return tx_commit(c, &out->base);
}

void payment_import_profile(Payment__PaymentService_Service *svc,
			    const Payment__ImportProfileRequest *in,
			    Payment__ImportProfileReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Payment__ImportProfileReply out = PAYMENT__IMPORT_PROFILE_REPLY__INIT;
	struct validity *fees = arena_calloc(c->arena, in->n_fees, sizeof(*fees));
	struct validity *accounts = arena_calloc(c->arena, in->n_accounts, sizeof(*accounts));

	(void)svc;
	for (size_t i = 0; i < in->n_fees; i++)
		check_fee(c, in->fees[i], i, &fees[i]);
	for (size_t i = 0; i < in->n_accounts; i++)
		check_account(c, in->accounts[i], i, &accounts[i]);
	if (c->err.status < 0 || import(c, in, fees, accounts, &out) < 0)
		return call_fail(c);
	reply(&out, data);
}

void payment_trial_balance(Payment__PaymentService_Service *svc,
			   const Payment__TrialBalanceRequest *in,
			   Payment__TrialBalanceReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Payment__TrialBalanceReply out = PAYMENT__TRIAL_BALANCE_REPLY__INIT;
	Payment__AccountBalance *rows;
	int slot = call_query(c, &balances, DB_TEXT(in->agency_code));
	int n;

	(void)svc;
	if (slot < 0)
		return call_fail(c);
	n = db_rows(&c->tx, slot);
	rows = arena_calloc(c->arena, (size_t)n, sizeof(*rows));
	out.accounts = arena_calloc(c->arena, (size_t)n, sizeof(*out.accounts));
	out.n_accounts = (size_t)n;
	for (int i = 0; i < n; i++) {
		payment__account_balance__init(&rows[i]);
		rows[i].account = db_get_text(&c->tx, slot, i, 0);
		rows[i].debit_vnd = db_get_int(&c->tx, slot, i, 1);
		rows[i].credit_vnd = db_get_int(&c->tx, slot, i, 2);
		out.total_debit_vnd += rows[i].debit_vnd;
		out.total_credit_vnd += rows[i].credit_vnd;
		out.accounts[i] = &rows[i];
	}
	reply(&out, data);
}
