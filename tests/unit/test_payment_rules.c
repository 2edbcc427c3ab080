// with: services/payment/vietqr.c services/payment/adapter.c services/payment/adapter_vnpay.c services/payment/rules.c
/* VietQR payloads against the published vectors, references, collection, VNPay callbacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/base.h"
#include "common/base/crypt.h"
#include "services/payment/payment.h"
#include "services/payment/vietqr.h"

#define KEY "a-provider-secret"

/* Vectors of NAPAS QR_Format_T&C v1.0 section 6.1: the payload without its CRC, and the CRC. */
static const struct {
	const char *payload;
	const char *crc;
} napas[] = {
	{"00020101021138570010A00000072701270006970403011200110123456780208QRIBFTTA53037045802VN630"
	 "4",
	 "F4E5"},
	{"00020101021138600010A00000072701300006970403011697040311012345670208QRIBFTTC53037045802VN"
	 "6304",
	 "4F52"},
	{"00020101021238570010A00000072701270006970403011300110123456780208QRIBFTTA5303704540618000"
	 "05802"
	 "VN62340107NPS68690819thanh toan don hang6304",
	 "2E2E"},
	{"00020101021238600010A00000072701300006970403011697040311012345670208QRIBFTTC5303704540618"
	 "00005"
	 "802VN62340107NPS68690819thanh toan don hang6304",
	 "A203"},
};

static void test_crc(void **state)
{
	char crc[5];

	(void)state;
	assert_int_equal(vietqr_crc("123456789", 9), 0x29b1);
	for (size_t i = 0; i < ARRAY_LEN(napas); i++) {
		snprintf(crc, sizeof(crc), "%04X",
			 vietqr_crc(napas[i].payload, strlen(napas[i].payload)));
		assert_string_equal(crc, napas[i].crc);
	}
}

static void test_payload(void **state)
{
	/* The inputs of the vectors whose account length agrees with its text. */
	const struct {
		struct vietqr qr;
		const char *payload;
	} cases[] = {
		{{"970403", "001101234567", false, 0, "", ""},
		 "00020101021138560010A0000007270126000697040301120011012345670208QRIBFTTA530370458"
		 "02VN"
		 "6304"},
		{{"970403", "9704031101234567", true, 0, "", ""}, napas[1].payload},
		{{"970403", "0011012345678", false, 180000, "NPS6869", "thanh toan don hang"},
		 napas[2].payload},
		{{"970403", "9704031101234567", true, 180000, "NPS6869", "thanh toan don hang"},
		 napas[3].payload},
	};
	char out[VIETQR_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = strlen(cases[i].payload);

		assert_int_equal(vietqr_write(&cases[i].qr, out), 0);
		assert_int_equal(strncmp(out, cases[i].payload, n), 0);
		assert_int_equal(strlen(out), n + 4);
		assert_int_equal(strtol(out + n, NULL, 16), vietqr_crc(out, n));
	}
}

static void test_payload_refused(void **state)
{
	static const struct vietqr bad[] = {
		{"97040", "0011", false, 1, "", ""},                  /* bank of five digits */
		{"97040a", "0011", false, 1, "", ""},                 /* not digits */
		{"970403", "", false, 1, "", ""},                     /* no account */
		{"970403", "12345678901234567890", false, 1, "", ""}, /* 20 characters */
		{"970403", "00 11", false, 1, "", ""},
		{"970403", "0011", false, -1, "", ""},
		{"970403", "0011", false, 10000000000000LL, "", ""}, /* 14 digits */
		{"970403", "0011", false, 1, "", "lệ phí"},          /* not ASCII */
		{"970403", "0011", false, 1, "", "12345678901234567890123456"},
	};
	char out[VIETQR_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(vietqr_write(&bad[i], out), ERR_INVALID);
		assert_string_equal(out, "");
	}
}

static void test_reference(void **state)
{
	char out[PAYMENT_REFERENCE_MAX];

	(void)state;
	assert_int_equal(rules_reference("H40.31.01-240521-0001", 1, out), 0);
	assert_string_equal(out, "H403101240521000101");
	assert_int_equal(rules_reference("000.21.16.H40-240521-0037", 99, out), 0);
	assert_string_equal(out, "0002116H40240521003799");
	assert_int_equal(rules_reference("H40.31.01-240521-0001", 100, out), ERR_INVALID);
	assert_int_equal(rules_reference("H40.31.01-240521-0001", 0, out), ERR_INVALID);
	assert_int_equal(rules_reference("---", 1, out), ERR_INVALID);
	assert_int_equal(rules_reference("H40.31.01.02.03.04.05.06-240521-0001", 1, out),
			 ERR_INVALID);
}

static void test_collect(void **state)
{
	static const struct {
		int state;
		const char *officer;
		int64_t paid;
		const char *code;
	} cases[] = {
		{1, "H40.31", 100000, ""},
		{1, "H40.32", 100000, "NOT_YOUR_AGENCY"},
		{2, "H40.31", 100000, "ORDER_NOT_OPEN"},
		{3, "H40.31", 100000, "ORDER_NOT_OPEN"},
		{1, "H40.31", 99999, "AMOUNT_DIFFERS"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};

		rules_check_collect("H40.31", cases[i].state, 100000, cases[i].officer,
				    cases[i].paid, &err);
		assert_string_equal(err_code(&err), cases[i].code);
	}
}

/* --- callbacks --- */

/* Signs a sorted query as the provider does and puts the hash behind it. */
static void sign(const char *sorted, char *out, size_t max)
{
	uint8_t mac[CRYPT_SHA512_BYTES];
	char hex[2 * sizeof(mac) + 1];

	crypt_hmac_sha512(KEY, strlen(KEY), sorted, strlen(sorted), mac);
	crypt_hex(mac, sizeof(mac), hex);
	snprintf(out, max, "%s&vnp_SecureHash=%s", sorted, hex);
}

#define PAID                                                                                       \
	"vnp_Amount=10000000&vnp_OrderInfo=le+phi&vnp_ResponseCode=00&vnp_TransactionNo=14422574&" \
	"vnp_TransactionStatus=00&vnp_TxnRef=H403101240521000101"

static enum adapter_check check(const char *query, struct arena *arena, struct adapter_fact *fact)
{
	const struct adapter *adapter = adapter_find("vnpay");

	assert_non_null(adapter);
	return adapter->check(KEY, query, strlen(query), NULL, 0, arena, fact);
}

static void test_callback(void **state)
{
	struct adapter_fact fact = {0};
	char query[1024], mixed[1100];
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	sign(PAID, query, sizeof(query));
	assert_int_equal(check(query, &arena, &fact), ADAPTER_OK);
	assert_true(fact.paid);
	assert_int_equal(fact.amount_vnd, 100000);
	assert_string_equal(fact.reference, "H403101240521000101");
	assert_string_equal(fact.provider_ref, "14422574");

	/* The order of the pairs is the sender's business; the hash type is not signed. */
	snprintf(mixed, sizeof(mixed), "vnp_SecureHashType=HMACSHA512&%s&%.*s",
		 strchr(query, '&') + 1, (int)(strchr(query, '&') - query), query);
	assert_int_equal(check(mixed, &arena, &fact), ADAPTER_OK);
	arena_done(&arena);
}

static void test_callback_refused(void **state)
{
	static const struct {
		const char *query; /* signed when true below */
		bool sign;
		enum adapter_check want;
	} cases[] = {
		{"", false, ADAPTER_BAD_SIGNATURE},
		{PAID, false, ADAPTER_BAD_SIGNATURE},
		{PAID "&vnp_SecureHash=00", false, ADAPTER_BAD_SIGNATURE},
		{"novalue", false, ADAPTER_BAD_SIGNATURE},
		{"vnp_Amount=10000000", true, ADAPTER_MALFORMED},
		{"vnp_Amount=10000050&vnp_ResponseCode=00&vnp_TransactionNo=1&vnp_"
		 "TransactionStatus=00&"
		 "vnp_TxnRef=X",
		 true, ADAPTER_MALFORMED}, /* half a dong */
		{"vnp_Amount=-100&vnp_ResponseCode=00&vnp_TransactionNo=1&vnp_TransactionStatus=00&"
		 "vnp_TxnRef=X",
		 true, ADAPTER_MALFORMED},
		{"vnp_Amount=100&vnp_CurrCode=USD&vnp_ResponseCode=00&vnp_TransactionNo=1&"
		 "vnp_TransactionStatus=00&vnp_TxnRef=X",
		 true, ADAPTER_MALFORMED},
		{"vnp_Amount=100&vnp_Amount=200&vnp_ResponseCode=00&vnp_TransactionNo=1&"
		 "vnp_TransactionStatus=00&vnp_TxnRef=X",
		 true, ADAPTER_MALFORMED}, /* twice */
		{"vnp_Amount=100&vnp_ResponseCode=00&vnp_TransactionNo=%zz&vnp_TransactionStatus="
		 "00&"
		 "vnp_TxnRef=X",
		 true, ADAPTER_MALFORMED},
	};
	char query[1024];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct adapter_fact fact = {0};
		struct arena arena;

		arena_init(&arena, 1 << 20);
		if (cases[i].sign)
			sign(cases[i].query, query, sizeof(query));
		else
			snprintf(query, sizeof(query), "%s", cases[i].query);
		assert_int_equal(check(query, &arena, &fact), cases[i].want);
		arena_done(&arena);
	}
}

/* Any flipped bit of a signed callback is noticed. */
static void test_callback_tampered(void **state)
{
	char query[1024];

	(void)state;
	sign(PAID, query, sizeof(query));
	for (size_t i = 0; i < strlen(query); i++) {
		struct adapter_fact fact = {0};
		struct arena arena;
		char kept = query[i];

		arena_init(&arena, 1 << 20);
		query[i] ^= 1;
		/* Hex digits of the hash may change case and mean the same; ^1 never does that. */
		assert_int_equal(check(query, &arena, &fact), ADAPTER_BAD_SIGNATURE);
		query[i] = kept;
		arena_done(&arena);
	}
}

static void test_failed_payment(void **state)
{
	struct adapter_fact fact = {0};
	char query[1024];
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	sign("vnp_Amount=100&vnp_ResponseCode=24&vnp_TransactionNo=1&vnp_TransactionStatus=02&"
	     "vnp_TxnRef=X",
	     query, sizeof(query));
	assert_int_equal(check(query, &arena, &fact), ADAPTER_OK);
	assert_false(fact.paid);
	assert_null(adapter_find("nobody"));
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc),
		cmocka_unit_test(test_payload),
		cmocka_unit_test(test_payload_refused),
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_collect),
		cmocka_unit_test(test_callback),
		cmocka_unit_test(test_callback_refused),
		cmocka_unit_test(test_callback_tampered),
		cmocka_unit_test(test_failed_payment),
	};

	return cmocka_run_group_tests_name("payment_rules", tests, NULL, NULL);
}
