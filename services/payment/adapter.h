/*
 * Payment providers. An adapter turns a provider's raw callback into facts, after it has verified
 * the signature over the bytes as they came, and writes the answer the provider expects. Pure: no
 * database, no network.
 *
 * vnpay: HMAC-SHA512 over the query's pairs sorted by name, without vnp_SecureHash and
 * vnp_SecureHashType, as 128 hex digits; amounts in hundredths of a dong; a GET with a query.
 */
#ifndef LGSP_PAYMENT_ADAPTER_H
#define LGSP_PAYMENT_ADAPTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"

/* What a verified callback says. Strings live in the arena. */
struct adapter_fact {
	const char *reference;    /* our order's reference */
	const char *provider_ref; /* the provider's transaction number */
	int64_t amount_vnd;
	bool paid;
};

enum adapter_check {
	ADAPTER_OK,
	ADAPTER_BAD_SIGNATURE,
	ADAPTER_MALFORMED, /* signed, yet a field is missing or not what it must be */
};

/* How we decided, to be told to the provider. */
enum adapter_answer {
	ADAPTER_ANSWER_OK,
	ADAPTER_ANSWER_UNKNOWN_ORDER,
	ADAPTER_ANSWER_ALREADY,
	ADAPTER_ANSWER_BAD_AMOUNT,
	ADAPTER_ANSWER_BAD_SIGNATURE,
	ADAPTER_ANSWER_MALFORMED,
};

struct adapter {
	const char *name;
	const char *http_method;
	enum adapter_check (*check)(const char *key, const char *query, size_t query_len,
				    const char *body, size_t body_len, struct arena *arena,
				    struct adapter_fact *ret_fact);
	/* Body and content type of the HTTP 200 answer. */
	const char *(*answer)(enum adapter_answer answer);
	const char *content_type;
};

/* NULL when there is no such adapter. */
const struct adapter *adapter_find(const char *name);

extern const struct adapter adapter_vnpay;

#endif
