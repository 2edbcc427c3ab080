/* Text, dates, clocks, ids, hashes and encodings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/arena.h"
#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "common/base/err.h"
#include "common/base/utf8.h"
#include "common/base/uuid.h"

/* --- utf8 --- */

static void utf8_validity(void **state)
{
	static const struct {
		const char *s;
		size_t n;
		bool valid;
	} rows[] = {
		{"", 0, true},
		{"a", 1, true},
		{"Đường", 8, true},
		{"\xf0\x9f\x98\x80", 4, true},
		{"\xf4\x8f\xbf\xbf", 4, true},
		{"\0", 1, false},
		{"a\0b", 3, false},
		{"\xc0\x80", 2, false},         /* overlong NUL */
		{"\xc1\xbf", 2, false},         /* overlong */
		{"\xe0\x9f\xbf", 3, false},     /* overlong */
		{"\xf0\x8f\xbf\xbf", 4, false}, /* overlong */
		{"\xed\xa0\x80", 3, false},     /* surrogate */
		{"\xed\x9f\xbf", 3, true},
		{"\xf4\x90\x80\x80", 4, false}, /* beyond U+10FFFF */
		{"\xf5\x80\x80\x80", 4, false},
		{"\xe1\xbb", 2, false}, /* cut */
		{"\xe1\xbb\x87", 2, false},
		{"\xf0\x9f\x98\x41", 4, false},
		{"\x80", 1, false},
		{"\xff", 1, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (utf8_valid(rows[i].s, rows[i].n) != rows[i].valid)
			fail_msg("row %zu", i);
}

static void utf8_lengths_and_cuts(void **state)
{
	const char *s = "aệđ\xf0\x9f\x98\x80"; /* 1 + 3 + 2 + 4 bytes */
	static const size_t cuts[] = {0, 1, 1, 1, 4, 4, 6, 6, 6, 6, 10, 10, 10};

	(void)state;
	assert_int_equal(utf8_length(s), 4);
	assert_int_equal(utf8_length(""), 0);
	for (size_t max = 0; max < ARRAY_LEN(cuts); max++)
		assert_int_equal(utf8_cut(s, max), cuts[max]);
}

static void utf8_forms(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 16);
	/* e + circumflex + dot below, in both orders, is one character in NFC. */
	assert_string_equal(utf8_nfc(&arena, "Vie\xcc\xa3\xcc\x82t"), "Việt");
	assert_string_equal(utf8_nfc(&arena, "Vie\xcc\x82\xcc\xa3t"), "Việt");
	assert_string_equal(utf8_nfc(&arena, "Việt"), "Việt");
	assert_string_equal(utf8_nfc(&arena, ""), "");
	assert_null(utf8_nfc(&arena, "a\xff"));
	assert_string_equal(utf8_fold(&arena, "  Nguyễn \t\n Văn   ĐƯỜNG\u00a0Ý "),
			    "nguyen van duong y");
	assert_string_equal(utf8_fold(&arena, "\u0300"), "");
	assert_string_equal(utf8_fold(&arena, "한국"), "한국");
	assert_string_equal(utf8_ascii_upper(&arena, "Lệ phí hộ tịch – Đường 3/2 한"),
			    "LE PHI HO TICH  DUONG 3/2 ");
	assert_null(utf8_ascii_upper(&arena, "\xc3"));
	arena_done(&arena);
}

static void utf8_stops_at_the_cap(void **state)
{
	struct arena arena;

	(void)state;
	for (size_t cap = 0; cap < 64; cap++) {
		char *nfc, *fold, *upper;

		arena_init(&arena, cap);
		nfc = utf8_nfc(&arena, "Thủ tục hành chính");
		fold = utf8_fold(&arena, "Thủ tục hành chính");
		upper = utf8_ascii_upper(&arena, "Thủ tục hành chính");
		if (cap < 32)
			assert_null(nfc);
		if (nfc)
			assert_string_equal(nfc, "Thủ tục hành chính");
		if (fold)
			assert_string_equal(fold, "thu tuc hanh chinh");
		assert_true(!upper || !fold || !nfc);
		arena_done(&arena);
	}
}

/* --- civil, clock --- */

static void civil_agrees_with_libc(void **state)
{
	(void)state;
	for (int32_t day = civil_from_ymd(1900, 1, 1); day <= civil_from_ymd(2199, 12, 31); day++) {
		time_t t = (time_t)day * 86400;
		struct tm tm;
		char text[11], expected[16];
		int y, m, d;
		int32_t back = 0;

		gmtime_r(&t, &tm);
		civil_to_ymd(day, &y, &m, &d);
		assert_true(y == tm.tm_year + 1900 && m == tm.tm_mon + 1 && d == tm.tm_mday);
		assert_int_equal(civil_from_ymd(y, m, d), day);
		assert_int_equal(civil_weekday(day), tm.tm_wday);
		civil_format(day, text);
		strftime(expected, sizeof(expected), "%Y-%m-%d", &tm);
		assert_string_equal(text, expected);
		assert_int_equal(civil_parse(text, &back), 0);
		assert_int_equal(back, day);
	}
}

static void civil_refuses_what_is_no_date(void **state)
{
	static const char *const bad[] = {
		"",           "2024-5-21",   "2024-05-2",  "2024-05-211", "2024/05/21",
		"2023-02-29", "2024-02-30",  "2024-13-01", "2024-00-10",  "2024-01-00",
		"1899-12-31", "2200-01-01",  "abcd-ef-gh", "+024-01-01",  "2024-04-31",
		" 024-01-01", "2024-01-01 ",
	};
	int32_t day = 77;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (civil_parse(bad[i], &day) != ERR_INVALID || day != 77)
			fail_msg("%s", bad[i]);
	assert_int_equal(civil_parse_or_forever("", &day), 0);
	assert_int_equal(day, CIVIL_FOREVER);
	assert_int_equal(civil_parse_or_forever("2024-02-29", &day), 0);
	assert_int_equal(day, civil_from_ymd(2024, 2, 29));
	assert_int_equal(civil_parse_or_forever("x", &day), ERR_INVALID);
}

static void civil_is_local_time(void **state)
{
	static const char *const not_minutes[] = {"",      "7:30",  "24:00", "07:60",
						  "07-30", "+7:30", "07:3",  " 7:30"};
	int minute = 0;
	int32_t day = civil_from_ymd(2024, 5, 21);
	int64_t us;
	char text[11] = "x";

	(void)state;
	assert_int_equal(clock_parse_rfc3339("2024-05-20T17:00:00Z", &us), 0);
	assert_int_equal(civil_to_us(day, 0), us); /* midnight in Hanoi is 17:00 UTC */
	assert_int_equal(civil_of_us(us), day);
	assert_int_equal(civil_of_us(us - 1), day - 1);
	assert_int_equal(civil_minute_of_us(us - 1), 1439);
	assert_int_equal(civil_minute_of_us(civil_to_us(day, 450)), 450);
	assert_int_equal(civil_of_us(-1), 0); /* 1970-01-01 06:59:59 local */
	assert_int_equal(civil_of_us(-CLOCK_TZ_OFFSET_US - 1), -1);
	assert_int_equal(civil_minute_of_us(-CLOCK_TZ_OFFSET_US - 1), 1439);
	assert_int_equal(civil_minute_prefix("07:30-11:30", &minute), 0);
	assert_int_equal(minute, 450);
	assert_int_equal(civil_minute_prefix("23:59", &minute), 0);
	assert_int_equal(minute, 1439);
	for (size_t i = 0; i < ARRAY_LEN(not_minutes); i++)
		assert_int_equal(civil_minute_prefix(not_minutes[i], &minute), ERR_INVALID);
	civil_format(CIVIL_FOREVER, text);
	assert_string_equal(text, "");
	assert_true(civil_to_us(CIVIL_FOREVER, 0) == INT64_MAX);
	civil_of_us(INT64_MAX); /* no overflow */
	civil_of_us(INT64_MIN);
	civil_format(INT32_MIN, text);
}

static void clock_text_round_trips(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"2024-05-21T08:00:00+07:00", "2024-05-21T01:00:00.000000Z"},
		{"2024-05-21T01:00:00.123456Z", "2024-05-21T01:00:00.123456Z"},
		{"2024-05-21t01:00:00.5z", "2024-05-21T01:00:00.500000Z"},
		{"2024-12-31 23:59:59-00:30", "2025-01-01T00:29:59.000000Z"},
		{"1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"},
		{"2024-02-29T00:00:00+23:59", "2024-02-28T00:01:00.000000Z"},
	};
	static const char *const bad[] = {
		"",
		"2024-05-21",
		"2024-05-21T",
		"2024-05-21T01:00:00",
		"2024-05-21T24:00:00Z",
		"2024-05-21T01:60:00Z",
		"2024-05-21T01:00:60Z",
		"2024-05-21T01:00:00.Z",
		"2024-05-21T01:00:00.1234567Z",
		"2024-05-21T01:00:00Zx",
		"2024-05-21T01:00:00+7:00",
		"2024-05-21T01:00:00+0700",
		"2024-05-21T1:00:00Z",
		"2023-02-29T01:00:00Z",
	};
	int64_t us = 5;
	char text[28];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (clock_parse_rfc3339(rows[i].in, &us) < 0)
			fail_msg("%s", rows[i].in);
		clock_format_utc(us, text);
		assert_string_equal(text, rows[i].out);
	}
	us = 5;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (clock_parse_rfc3339(bad[i], &us) != ERR_INVALID || us != 5)
			fail_msg("%s", bad[i]);
	clock_format_utc(INT64_MIN, text);
	clock_format_utc(INT64_MAX, text);
}

static void clocks_move_as_promised(void **state)
{
	int64_t before, after;

	(void)state;
	assert_true(clock_mono_us() <= clock_mono_us());
	clock_set_business_offset_us(-1000000000000);
	before = clock_wall_us() - 1000000000000;
	assert_in_range(clock_business_us(), before, before + 60000000);
	assert_int_equal(clock_business_offset_us(), -1000000000000);
	clock_freeze_business_us(42);
	assert_int_equal(clock_business_us(), 42);
	assert_true(clock_wall_us() > 42);
	clock_freeze_business_us(0);
	clock_set_business_offset_us(0);
	after = clock_wall_us();
	assert_in_range(clock_business_us(), after, after + 60000000);
}

/* --- uuid --- */

static void uuid_has_its_bits(void **state)
{
	uint8_t a[UUID_BYTES], b[UUID_BYTES], back[UUID_BYTES];
	char text[UUID_TEXT_BYTES];
	uint64_t ms = 0;
	int64_t now = clock_wall_us() / 1000;

	(void)state;
	uuid_v7(a);
	uuid_v7(b);
	assert_memory_not_equal(a, b, UUID_BYTES);
	assert_int_equal(a[6] >> 4, 7);
	assert_int_equal(a[8] >> 6, 2);
	for (int i = 0; i < 6; i++)
		ms = ms << 8 | a[i];
	assert_in_range(ms, now, now + 60000);
	uuid_format(a, text);
	assert_int_equal(strlen(text), 36);
	assert_int_equal(uuid_parse(text, back), 0);
	assert_memory_equal(a, back, UUID_BYTES);
}

static void uuid_text_is_strict(void **state)
{
	static const char *const bad[] = {
		"",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398f0",
		"017f22e279b07cc398c4dc0c0c07398f",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
		"{17f22e2-79b0-7cc3-98c4-dc0c0c07398f",
		"017f22e2-79b0-7cc3-98c-4dc0c0c07398f",
		"017f22e-279b0-7cc3-98c4-dc0c0c07398f",
	};
	uint8_t uuid[UUID_BYTES] = {9};
	char text[UUID_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(uuid_parse(bad[i], uuid), ERR_INVALID);
	assert_int_equal(uuid[0], 9);
	assert_int_equal(uuid_parse("017F22E2-79b0-7cC3-98c4-dc0c0c07398f", uuid), 0);
	uuid_format(uuid, text);
	assert_string_equal(text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"); /* RFC 9562 A.6 */
}

/* --- crypt --- */

static void digests_match_published_vectors(void **state)
{
	static const uint8_t key[20] = {0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b,
					0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b};
	struct crypt_hash *h = crypt_hash_new();
	uint8_t out[CRYPT_SHA512_BYTES], expected[CRYPT_SHA256_BYTES];
	char hex[2 * CRYPT_SHA512_BYTES + 1];

	(void)state;
	crypt_sha256_texts((const char *const[]){"ab", "", "c"}, 3, out);
	crypt_sha256("ab\0\0c", 6, expected);
	assert_memory_equal(out, expected, sizeof(expected));
	crypt_sha256("abc", 3, out); /* FIPS 180-2 B.1 */
	crypt_hex(out, 32, hex);
	assert_string_equal(hex,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	crypt_hash_update(h, "a", 1);
	crypt_hash_update(h, "", 0);
	crypt_hash_update(h, "bc", 2);
	crypt_hash_final(h, out);
	crypt_hex(out, 32, hex);
	assert_string_equal(hex,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	crypt_hash_free(crypt_hash_new());
	crypt_hash_free(NULL);
	crypt_hmac_sha256(key, 20, "Hi There", 8, out); /* RFC 4231 4.2 */
	crypt_hex(out, 32, hex);
	assert_string_equal(hex,
			    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	crypt_hmac_sha512(key, 20, "Hi There", 8, out);
	crypt_hex(out, 64, hex);
	assert_string_equal(hex,
			    "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
			    "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854");
}

static void hex_both_ways(void **state)
{
	uint8_t out[3] = {0};
	char hex[7];

	(void)state;
	assert_int_equal(crypt_unhex("00fFa9", 3, out), 0);
	crypt_hex(out, 3, hex);
	assert_string_equal(hex, "00ffa9");
	assert_int_equal(crypt_unhex("00fFa", 3, out), ERR_INVALID);
	assert_int_equal(crypt_unhex("00fFa9b", 3, out), ERR_INVALID);
	assert_int_equal(crypt_unhex("00fFag", 3, out), ERR_INVALID);
	assert_int_equal(out[1], 0xff);
	assert_int_equal(crypt_unhex("", 0, out), 0);
}

static void base64_both_ways(void **state)
{
	static const struct {
		const char *plain, *encoded;
	} rows[] = {{"", ""},
		    {"f", "Zg=="},
		    {"fo", "Zm8="},
		    {"foo", "Zm9v"},
		    {"foob", "Zm9vYg=="},
		    {"fooba", "Zm9vYmE="},
		    {"foobar", "Zm9vYmFy"}}; /* RFC 4648 section 10 */
	static const char *const bad[] = {"Z",    "Zg=",   "Zh==",   "Zm9=", "Zg==Zg==", "Z===",
					  "====", "Zg ==", "Zm9v\n", "=",    "Zm8",      "Zm9vY"};
	struct arena arena;
	uint8_t *out;
	size_t n;

	(void)state;
	arena_init(&arena, 1 << 16);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = strlen(rows[i].plain);
		char *url = crypt_base64url(&arena, rows[i].plain, len);

		assert_string_equal(crypt_base64(&arena, rows[i].plain, len), rows[i].encoded);
		assert_int_equal(
			crypt_unbase64(&arena, rows[i].encoded, strlen(rows[i].encoded), &out, &n),
			0);
		assert_int_equal(n, len);
		assert_memory_equal(out, rows[i].plain, len);
		assert_null(strchr(url, '='));
		assert_int_equal(crypt_unbase64(&arena, url, strlen(url), &out, &n), 0);
		assert_int_equal(n, len);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		/* Unpadded "Zm8" is fine: the one good row among the bad. */
		int r = crypt_unbase64(&arena, bad[i], strlen(bad[i]), &out, &n);

		if ((r == 0) != (strcmp(bad[i], "Zm8") == 0))
			fail_msg("%s", bad[i]);
	}
	assert_string_equal(crypt_base64(&arena, "\xfb\xff\xbf", 3), "+/+/");
	assert_string_equal(crypt_base64url(&arena, "\xfb\xff\xbf", 3), "-_-_");
	assert_int_equal(crypt_unbase64(&arena, "-_+/", 4, &out, &n), 0);
	assert_memory_equal(out, "\xfb\xff\xbf", 3);
	arena_done(&arena);
	arena_init(&arena, 8);
	assert_null(crypt_base64(&arena, "too long for it", 15));
	assert_true(crypt_unbase64(&arena, "Zm9vYmFyZm9vYmFy", 16, &out, &n) < 0);
	arena_done(&arena);
}

static void owner_keys_keep_kind_and_number_apart(void **state)
{
	static const uint8_t key[32] = {1}, other[32] = {2};
	char a[CRYPT_SHA256_HEX], b[CRYPT_SHA256_HEX];

	(void)state;
	crypt_owner_key(key, "citizen", "036190000017", a);
	assert_int_equal(strlen(a), 64);
	crypt_owner_key(key, "citizen", "036190000017", b);
	assert_string_equal(a, b);
	crypt_owner_key(other, "citizen", "036190000017", b);
	assert_string_not_equal(a, b);
	crypt_owner_key(key, "citizen0", "36190000017", b);
	assert_string_not_equal(a, b);
	crypt_owner_key(key, "organisation", "036190000017", b);
	assert_string_not_equal(a, b);
}

static void key_files_have_their_exact_size(void **state)
{
	char path[] = "/tmp/lgsp-key-XXXXXX";
	CLEANUP_FD int fd = mkstemp(path);
	uint8_t key[32], expected[32];

	(void)state;
	assert_true(fd >= 0);
	crypt_random(expected, 32);
	assert_int_equal(write(fd, expected, 31), 31);
	assert_int_equal(crypt_read_key(path, key, 32), ERR_INVALID);
	assert_int_equal(write(fd, expected + 31, 1), 1);
	assert_int_equal(crypt_read_key(path, key, 32), 0);
	assert_true(crypt_equal(key, expected, 32));
	key[31] ^= 1;
	assert_false(crypt_equal(key, expected, 32));
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(crypt_read_key(path, key, 32), ERR_INVALID);
	unlink(path);
	assert_int_equal(crypt_read_key(path, key, 32), ERR_INVALID);
}

/* Wherever it stands, among what is looked at eight bytes at a time too. */
static void utf8_is_looked_at_byte_by_byte(void **state)
{
	char text[41];

	(void)state;
	for (size_t at = 0; at < 38; at++) {
		memset(text, 'a', sizeof(text));
		assert_true(utf8_valid(text, 40));
		text[at] = 0;
		assert_false(utf8_valid(text, 40));
		text[at] = 1;
		assert_true(utf8_valid(text, 40));
		text[at] = (char)0x80;
		assert_false(utf8_valid(text, 40));
		memcpy(text + at, "ế", 3);
		assert_int_equal(utf8_valid(text, 40), at + 3 <= 40);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_is_looked_at_byte_by_byte),
		cmocka_unit_test(utf8_validity),
		cmocka_unit_test(utf8_lengths_and_cuts),
		cmocka_unit_test(utf8_forms),
		cmocka_unit_test(utf8_stops_at_the_cap),
		cmocka_unit_test(civil_agrees_with_libc),
		cmocka_unit_test(civil_refuses_what_is_no_date),
		cmocka_unit_test(civil_is_local_time),
		cmocka_unit_test(clock_text_round_trips),
		cmocka_unit_test(clocks_move_as_promised),
		cmocka_unit_test(uuid_has_its_bits),
		cmocka_unit_test(uuid_text_is_strict),
		cmocka_unit_test(digests_match_published_vectors),
		cmocka_unit_test(hex_both_ways),
		cmocka_unit_test(base64_both_ways),
		cmocka_unit_test(owner_keys_keep_kind_and_number_apart),
		cmocka_unit_test(key_files_have_their_exact_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
