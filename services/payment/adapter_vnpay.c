#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/crypt.h"
#include "common/base/err.h"
#include "common/base/money.h"
#include "common/base/utf8.h"
#include "services/payment/adapter.h"

#define PAIRS_MAX 64

/* One name=value of the query, still encoded. */
struct pair {
	const char *p;
	size_t n;
	size_t name_len;
};

static int pair_order(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	size_t n = x->name_len < y->name_len ? x->name_len : y->name_len;
	int order = memcmp(x->p, y->p, n);

	if (order != 0)
		return order;
	return (x->name_len > y->name_len) - (x->name_len < y->name_len);
}

static bool pair_is(const struct pair *pair, const char *name)
{
	return pair->name_len == strlen(name) && memcmp(pair->p, name, pair->name_len) == 0;
}

/* Splits at '&'; returns the number of pairs, or -1 when one has no '=' or there are too many. */
static int split(const char *query, size_t len, struct pair pairs[static PAIRS_MAX])
{
	int n = 0;

	for (size_t at = 0; at < len;) {
		const char *p = query + at;
		const char *amp = memchr(p, '&', len - at);
		size_t pair_len = amp ? (size_t)(amp - p) : len - at;
		const char *eq = memchr(p, '=', pair_len);

		if (!eq || n == PAIRS_MAX)
			return -1;
		pairs[n++] = (struct pair){p, pair_len, (size_t)(eq - p)};
		at += pair_len + 1;
	}
	return n;
}

/* The value of the only pair of that name, percent-decoded; NULL when absent, twice or malformed.
 */
static const char *value_of(const struct pair *pairs, int n, const char *name, struct arena *arena)
{
	const struct pair *found = NULL;
	const char *from;
	char *out;
	size_t len, o = 0;

	for (int i = 0; i < n; i++) {
		if (!pair_is(&pairs[i], name))
			continue;
		if (found)
			return NULL;
		found = &pairs[i];
	}
	if (!found)
		return NULL;
	from = found->p + found->name_len + 1;
	len = found->n - found->name_len - 1;
	out = arena_alloc(arena, len + 1);
	for (size_t i = 0; out && i < len; i++) {
		if (from[i] != '%') {
			out[o++] = from[i] == '+' ? ' ' : from[i];
			continue;
		}
		char hex[3] = {i + 2 < len ? from[i + 1] : 0, i + 2 < len ? from[i + 2] : 0, 0};
		if (crypt_unhex(hex, 1, out + o) < 0)
			return NULL;
		o++;
		i += 2;
	}
	return out && utf8_valid(out, o) ? out : NULL;
}

static bool signature_ok(const char *key, const struct pair *pairs, int n, const char *hash,
			 struct arena *arena, size_t max)
{
	uint8_t want[CRYPT_SHA512_BYTES], got[CRYPT_SHA512_BYTES];
	char *text = arena_alloc(arena, max + 1);
	size_t len = 0;

	if (!text || strlen(hash) != 2 * sizeof(got) || crypt_unhex(hash, sizeof(got), got) < 0)
		return false;
	for (int i = 0; i < n; i++) {
		if (pair_is(&pairs[i], "vnp_SecureHash") ||
		    pair_is(&pairs[i], "vnp_SecureHashType"))
			continue;
		if (len > 0)
			text[len++] = '&';
		memcpy(text + len, pairs[i].p, pairs[i].n);
		len += pairs[i].n;
	}
	crypt_hmac_sha512(key, strlen(key), text, len, want);
	return crypt_equal(want, got, sizeof(got));
}

/* VNPay counts hundredths of a dong; a fraction of a dong is malformed. */
static int parse_amount(const char *s, int64_t *ret_vnd)
{
	int64_t hundredths;

	if (money_parse(s, &hundredths) < 0 || hundredths % 100 != 0 || hundredths == 0)
		return ERR_INVALID;
	*ret_vnd = hundredths / 100;
	return 0;
}

static enum adapter_check vnpay_check(const char *key, const char *query, size_t query_len,
				      const char *body, size_t body_len, struct arena *arena,
				      struct adapter_fact *ret_fact)
{
	struct pair pairs[PAIRS_MAX];
	const char *hash, *amount, *code, *status, *currency;
	int n = split(query, query_len, pairs);

	(void)body;
	if (n <= 0 || body_len > 0)
		return ADAPTER_BAD_SIGNATURE;
	qsort(pairs, (size_t)n, sizeof(pairs[0]), pair_order);
	hash = value_of(pairs, n, "vnp_SecureHash", arena);
	if (!hash || !signature_ok(key, pairs, n, hash, arena, query_len))
		return ADAPTER_BAD_SIGNATURE;

	ret_fact->reference = value_of(pairs, n, "vnp_TxnRef", arena);
	ret_fact->provider_ref = value_of(pairs, n, "vnp_TransactionNo", arena);
	amount = value_of(pairs, n, "vnp_Amount", arena);
	code = value_of(pairs, n, "vnp_ResponseCode", arena);
	status = value_of(pairs, n, "vnp_TransactionStatus", arena);
	currency = value_of(pairs, n, "vnp_CurrCode", arena);
	if (!ret_fact->reference || !ret_fact->provider_ref || !amount || !code || !status ||
	    !*ret_fact->provider_ref || parse_amount(amount, &ret_fact->amount_vnd) < 0 ||
	    (currency && strcmp(currency, "VND") != 0))
		return ADAPTER_MALFORMED;
	ret_fact->paid = strcmp(code, "00") == 0 && strcmp(status, "00") == 0;
	return ADAPTER_OK;
}

static const char *vnpay_answer(enum adapter_answer answer)
{
	switch (answer) {
	case ADAPTER_ANSWER_OK:
		return "{\"RspCode\":\"00\",\"Message\":\"Confirm Success\"}";
	case ADAPTER_ANSWER_UNKNOWN_ORDER:
		return "{\"RspCode\":\"01\",\"Message\":\"Order not found\"}";
	case ADAPTER_ANSWER_ALREADY:
		return "{\"RspCode\":\"02\",\"Message\":\"Order already confirmed\"}";
	case ADAPTER_ANSWER_BAD_AMOUNT:
		return "{\"RspCode\":\"04\",\"Message\":\"Invalid amount\"}";
	case ADAPTER_ANSWER_BAD_SIGNATURE:
		return "{\"RspCode\":\"97\",\"Message\":\"Invalid signature\"}";
	case ADAPTER_ANSWER_MALFORMED:
		return "{\"RspCode\":\"99\",\"Message\":\"Input data required\"}";
	}
	return "";
}

const struct adapter adapter_vnpay = {
	.name = "vnpay",
	.http_method = "GET",
	.check = vnpay_check,
	.answer = vnpay_answer,
	.content_type = "application/json",
};
