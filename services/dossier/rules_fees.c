/* What is to be paid when, and what the applicant is freed from. */
#include "services/dossier/rules_fees.h"

#include <stdio.h>
#include <string.h>

#include "common/base/money.h"
#include "common/base/utf8.h"

#define S(name) DOSSIER__FEE_STATE__FEE_STATE_##name

static const struct err_kind no_fee = {ERR_CONFLICT, "NO_FEE", "Thủ tục %s không thu phí, lệ phí",
				       "procedure %s has no fee"};
static const struct err_kind fee_exempt = {ERR_CONFLICT, "FEE_EXEMPT",
					   "Hồ sơ được miễn phí, lệ phí (%s)",
					   "nothing of this fee is to be paid (%s)"};
static const struct err_kind fee_paid = {ERR_CONFLICT, "FEE_PAID", "Phí, lệ phí đã được nộp (%s)",
					 "this fee is paid (%s)"};
static const struct err_kind fee_asked = {ERR_CONFLICT, "FEE_ASKED",
					  "Đã yêu cầu nộp phí, lệ phí (%s)",
					  "this fee is asked for already (%s)"};
static const struct err_kind fee_later = {ERR_CONFLICT, "FEE_LATER",
					  "Phí, lệ phí thu khi trả kết quả (%s)",
					  "this fee is due with the result (%s)"};
static const struct err_kind fee_too_late = {ERR_CONFLICT, "FEE_TOO_LATE",
					     "Phí, lệ phí thu trước khi có kết quả (%s)",
					     "this fee is asked for before there is a result (%s)"};
static const struct err_kind unknown_fee = {ERR_INVALID, "UNKNOWN_FEE",
					    "Thủ tục không có khoản phí, lệ phí %s",
					    "the procedure has no fee %s"};
static const struct err_kind fee_twice = {ERR_INVALID, "DUPLICATE_FEE",
					  "Khoản phí, lệ phí %s được nêu hai lần",
					  "fee %s is named twice"};

static int64_t due_vnd(const struct rules_fee *f)
{
	return f->amount_vnd - f->exempt_vnd;
}

static bool is_portal(Dossier__Channel channel)
{
	return channel == DOSSIER__CHANNEL__CHANNEL_OWN_PORTAL ||
	       channel == DOSSIER__CHANNEL__CHANNEL_NATIONAL_PORTAL;
}

static void add_item(struct rules_fees *fees, const Dossier__FeeItem *item, bool online)
{
	bool exempt = online && item->exempt_online;

	fees->list[fees->n++] = (struct rules_fee){
		.item = item->code,
		.name = item->name,
		.timing = item->timing,
		.unit_vnd = item->amount_vnd,
		.counted = item->per[0] != '\0',
		.state = exempt ? S(EXEMPT) : S(DUE),
		.quantity = 1,
		.amount_vnd = item->amount_vnd,
		.exempt_vnd = exempt ? item->amount_vnd : 0,
	};
}

void rules_fees_of(const Dossier__Procedure *p, Dossier__Channel channel, struct rules_fees *ret)
{
	ret->n = 0;
	for (size_t i = 0; i < p->n_fees && i < RULES_FEES_MAX; i++)
		add_item(ret, p->fees[i], is_portal(channel));
	if (ret->n == 0 && p->fee_vnd > 0)
		ret->list[ret->n++] = (struct rules_fee){
			.item = "",
			.name = "",
			.unit_vnd = p->fee_vnd,
			.counted = true,
			.state = S(DUE),
			.quantity = 1,
			.amount_vnd = p->fee_vnd,
		};
}

/* --- what is known --- */

static void know_all(struct rules_fees *fees, Dossier__FeeState state)
{
	for (size_t i = 0; i < fees->n; i++)
		if (fees->list[i].state == S(DUE))
			fees->list[i].state = state;
}

static bool is_money(Dossier__FeeState state)
{
	return state == S(PAID) || state == S(REQUESTED);
}

void rules_fees_know(struct rules_fees *fees, const struct rules_fee *row)
{
	for (size_t i = 0; i < fees->n; i++) {
		struct rules_fee *f = &fees->list[i];

		if (strcmp(f->item, row->item) != 0)
			continue;
		f->state = row->state;
		f->quantity = row->quantity;
		f->amount_vnd = row->amount_vnd;
		f->exempt_vnd = row->exempt_vnd;
		f->request = row->request;
		return;
	}
	if (row->item[0] == '\0')
		know_all(fees, row->state);
	else if (is_money(row->state) && fees->n < 2 * RULES_FEES_MAX)
		fees->list[fees->n++] = *row;
}

/* --- when it must be settled --- */

unsigned rules_fees_before(enum rules_action action, bool negative)
{
	static const enum rules_action moves[] = {
		RULES_FORWARD,    RULES_NEXT_STEP, RULES_REQUEST_OPINION,
		RULES_OPEN_CHILD, RULES_SIGN_OFF,
	};

	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++)
		if (moves[i] == action)
			return RULES_FEES_BEFORE;
	if (action == RULES_ISSUE_RESULT || (action == RULES_RETURN && negative))
		return RULES_FEES_BEFORE | RULES_FEES(DURING);
	if (action == RULES_RETURN)
		return RULES_FEES_TIMED;
	return 0;
}

static bool is_settled(const struct rules_fee *f)
{
	return f->state == S(PAID) || f->state == S(EXEMPT);
}

const struct rules_fee *rules_fees_open(const struct rules_fees *fees, unsigned timings)
{
	for (size_t i = 0; i < fees->n; i++)
		if ((timings & 1u << fees->list[i].timing) && !is_settled(&fees->list[i]))
			return &fees->list[i];
	return NULL;
}

/* --- asking --- */

static bool may_ask(const struct rules_fee *f, unsigned timings)
{
	return (timings & 1u << f->timing) && (f->state == S(DUE) || f->state == S(EXPIRED));
}

static int32_t next_request(const struct rules_fees *fees)
{
	int32_t last = 0;

	for (size_t i = 0; i < fees->n; i++)
		if (fees->list[i].request > last)
			last = fees->list[i].request;
	return last + 1;
}

int64_t rules_fees_ask(struct rules_fees *fees, unsigned timings, uint32_t quantity,
		       struct err *err)
{
	int32_t request = next_request(fees);
	int64_t sum = 0;

	if (quantity > RULES_QUANTITY_MAX)
		return err_set(err, &err_invalid_field, "quantity", "0..10000");
	for (size_t i = 0; i < fees->n; i++) {
		struct rules_fee *f = &fees->list[i];

		if (!may_ask(f, timings))
			continue;
		f->quantity = f->counted && quantity > 0 ? (int32_t)quantity : 1;
		f->amount_vnd = f->unit_vnd * f->quantity;
		if (due_vnd(f) <= 0 || f->amount_vnd > MONEY_MAX_VND - sum)
			return err_set(err, &err_invalid_field, "quantity", "fee");
		f->state = S(REQUESTED);
		f->request = request;
		f->changed = true;
		sum += due_vnd(f);
	}
	return sum;
}

int rules_fees_refuse(const struct rules_fees *fees, unsigned timings, const char *procedure,
		      struct err *err)
{
	const struct rules_fee *open = rules_fees_open(fees, timings);

	if (fees->n == 0)
		return err_set(err, &no_fee, "code", procedure);
	if (open)
		return err_set(err, &fee_asked, "code", open->item);
	if (rules_fees_open(fees, RULES_FEES_AT_RESULT))
		return err_set(err, &fee_later, "code", procedure);
	if (rules_fees_open(fees, RULES_FEES_ALL))
		return err_set(err, &fee_too_late, "code", procedure);
	if (rules_fees_state(fees) == DOSSIER__FINANCE_STATE__FINANCE_STATE_EXEMPT)
		return err_set(err, &fee_exempt, "code", procedure);
	return err_set(err, &fee_paid, "code", procedure);
}

/* --- exemption --- */

static struct rules_fee *find(struct rules_fees *fees, const char *item)
{
	for (size_t i = 0; i < fees->n; i++)
		if (strcmp(fees->list[i].item, item) == 0)
			return &fees->list[i];
	return NULL;
}

const struct rules_fee *rules_fees_item(const struct rules_fees *fees, const char *item)
{
	for (size_t i = 0; i < fees->n; i++)
		if (strcmp(fees->list[i].item, item) == 0)
			return &fees->list[i];
	return NULL;
}

static void check_text(const char *text, const char *path, const char *name, struct err *err)
{
	size_t length = utf8_length(text);
	char field[64];

	snprintf(field, sizeof(field), "%s.%s", path, name);
	if (length == 0)
		err_add(err, &err_required_field, field, NULL);
	else if (length > RULES_EVIDENCE_MAX)
		err_add(err, &err_invalid_field, field, "1..200");
}

static void check_exemption(const struct rules_fees *fees, const Dossier__FeeExemption *e,
			    const char *path, struct err *err)
{
	const struct rules_fee *f = rules_fees_item(fees, e->item);
	char field[64];

	check_text(e->legal_basis, path, "legal_basis", err);
	check_text(e->evidence, path, "evidence", err);
	snprintf(field, sizeof(field), "%s.amount_vnd", path);
	if (!f)
		err_add(err, &unknown_fee, path, e->item);
	else if (f->state == S(PAID))
		err_add(err, &fee_paid, path, e->item);
	else if (f->state == S(EXEMPT))
		err_add(err, &fee_exempt, path, e->item);
	else if (e->amount_vnd < 0 || e->amount_vnd > due_vnd(f))
		err_add(err, &err_invalid_field, field, "0, or up to what is due");
}

static int64_t exempt(struct rules_fee *f, int64_t amount_vnd)
{
	int64_t left = due_vnd(f), vnd = amount_vnd ? amount_vnd : left;

	f->exempt_vnd += vnd;
	f->changed = true;
	if (vnd == left)
		f->state = S(EXEMPT);
	return vnd;
}

void rules_fees_exempt(struct rules_fees *fees, const Dossier__ExemptFeeRequest *in,
		       int64_t *ret_vnd, struct err *err)
{
	char path[32];

	if (in->n_exemptions == 0 || in->n_exemptions > RULES_FEES_MAX)
		err_add(err, &err_invalid_field, "exemptions", "1..20");
	for (size_t i = 0; i < in->n_exemptions && i < RULES_FEES_MAX; i++) {
		snprintf(path, sizeof(path), "exemptions[%zu]", i);
		check_exemption(fees, in->exemptions[i], path, err);
		for (size_t j = 0; j < i; j++)
			if (strcmp(in->exemptions[i]->item, in->exemptions[j]->item) == 0)
				err_add(err, &fee_twice, path, in->exemptions[i]->item);
	}
	for (size_t i = 0; i < in->n_exemptions && err->status == 0; i++)
		ret_vnd[i] =
			exempt(find(fees, in->exemptions[i]->item), in->exemptions[i]->amount_vnd);
}

/* --- money --- */

static void change(struct rules_fees *fees, Dossier__FeeState from, Dossier__FeeState to)
{
	for (size_t i = 0; i < fees->n; i++) {
		if (fees->list[i].state != from)
			continue;
		fees->list[i].state = to;
		fees->list[i].changed = true;
	}
}

/* What was asked for once and is not to be paid any more. */
static int64_t void_vnd(const struct rules_fees *fees)
{
	int64_t sum = 0;

	for (size_t i = 0; i < fees->n; i++)
		if (fees->list[i].request > 0)
			sum += fees->list[i].exempt_vnd;
	return sum;
}

int64_t rules_fees_pay(struct rules_fees *fees, int64_t amount_vnd)
{
	int64_t asked = rules_fees_sum(fees, S(REQUESTED));
	Dossier__FeeState from = asked > 0 ? S(REQUESTED) : S(EXPIRED);
	int64_t beyond = amount_vnd - rules_fees_sum(fees, from);

	if (beyond < 0 || beyond > void_vnd(fees))
		return -1;
	change(fees, from, S(PAID));
	return beyond;
}

void rules_fees_expire(struct rules_fees *fees)
{
	change(fees, S(REQUESTED), S(EXPIRED));
}

int64_t rules_fees_sum(const struct rules_fees *fees, Dossier__FeeState state)
{
	int64_t sum = 0;

	for (size_t i = 0; i < fees->n; i++)
		if (fees->list[i].state == state)
			sum += due_vnd(&fees->list[i]);
	return sum;
}

int64_t rules_fees_asked_vnd(const struct rules_fees *fees)
{
	return rules_fees_sum(fees, S(REQUESTED)) + rules_fees_sum(fees, S(EXPIRED)) +
	       rules_fees_sum(fees, S(PAID));
}

static bool has(const struct rules_fees *fees, Dossier__FeeState state)
{
	for (size_t i = 0; i < fees->n; i++)
		if (fees->list[i].state == state)
			return true;
	return false;
}

Dossier__FinanceState rules_fees_state(const struct rules_fees *fees)
{
	if (has(fees, S(REQUESTED)))
		return DOSSIER__FINANCE_STATE__FINANCE_STATE_REQUESTED;
	if (has(fees, S(EXPIRED)))
		return DOSSIER__FINANCE_STATE__FINANCE_STATE_EXPIRED;
	if (has(fees, S(PAID)))
		return DOSSIER__FINANCE_STATE__FINANCE_STATE_PAID;
	if (has(fees, S(EXEMPT)) && !has(fees, S(DUE)))
		return DOSSIER__FINANCE_STATE__FINANCE_STATE_EXEMPT;
	return DOSSIER__FINANCE_STATE__FINANCE_STATE_UNSPECIFIED;
}
