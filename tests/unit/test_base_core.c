/* Arena, buffer, errors, money. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/money.h"
#include "common/base/number.h"
#include "common/base/utf8.h"

static void arena_pieces_are_zeroed_and_aligned(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < 2000; i++) {
		size_t size = i % 97;
		uint8_t *p = arena_alloc(&arena, size);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t j = 0; j < size; j++)
			assert_int_equal(p[j], 0);
		memset(p, 0xff, size);
	}
	arena_done(&arena);
	assert_int_equal(arena.used, 0);
	assert_non_null(arena_alloc(&arena, 1)); /* usable again */
	arena_done(&arena);
}

static void arena_reset_gives_zeroed_pieces_again(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	arena_reset(&arena);
	for (size_t round = 0; round < 50; round++) {
		for (size_t i = 0; i < round * 20; i++) {
			uint8_t *p = arena_alloc(&arena, 33);

			for (size_t j = 0; j < 33; j++)
				assert_int_equal(p[j], 0);
			memset(p, 0xff, 33);
		}
		arena_reset(&arena);
		assert_int_equal(arena.used, 0);
	}
	arena_done(&arena);
}

static void arena_stops_at_its_cap(void **state)
{
	struct arena arena;
	size_t n = 0;

	(void)state;
	arena_init(&arena, 10000);
	while (arena_alloc(&arena, 100))
		n++;
	assert_in_range(n, 80, 100);
	assert_true(arena.used <= arena.cap);
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX - 8));
	assert_null(arena_calloc(&arena, SIZE_MAX / 2, 3));
	assert_null(arena_memdup(&arena, "x", SIZE_MAX));
	assert_null(arena_strdup(&arena,
				 "long enough not to fit into what the loop above left over "
				 "when it could not get one hundred bytes any more........"));
	arena_done(&arena);
	arena_done(NULL);
}

static void arena_large_piece_between_small_ones(void **state)
{
	struct arena arena;
	char *a, *b, *c;

	(void)state;
	arena_init(&arena, 4 << 20);
	a = arena_printf(&arena, "%s-%d", "a", 7);
	b = arena_calloc(&arena, 3, 1 << 20);
	c = arena_memdup(&arena, "xyz", 2);
	assert_string_equal(a, "a-7");
	assert_string_equal(c, "xy");
	assert_int_equal(b[(3 << 20) - 1], 0);
	assert_null(arena_printf(&arena, "%*d", 2 << 20, 1));
	arena_done(&arena);
}

static void buf_grows_and_stops_at_max(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 1000);
	assert_string_equal(buf_str(&buf), "");
	for (int i = 0; i < 100; i++)
		assert_int_equal(buf_printf(&buf, "%09d", i), 0);
	assert_int_equal(buf.len, 900);
	assert_int_equal(buf_append(&buf, buf_str(&buf), 0), 0);
	assert_int_equal(buf_puts(&buf, "x"), 0);
	assert_false(buf.full);
	assert_int_equal(buf_printf(&buf, "%100d", 1), ERR_TOO_LARGE);
	assert_true(buf.full);
	assert_int_equal(buf.len, 901);
	assert_int_equal(buf.data[901], 0);
	assert_int_equal(buf_printf(&buf, "%99d", 1), 0); /* exactly max */
	assert_int_equal(buf_append(&buf, "y", 1), ERR_TOO_LARGE);
	assert_int_equal(strlen(buf_str(&buf)), 1000);
	buf_done(&buf);
	buf_done(NULL);
}

static void buf_consume_and_reset(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 100);
	buf_consume(&buf, 0);
	buf_puts(&buf, "hello world");
	buf_consume(&buf, 6);
	assert_string_equal(buf_str(&buf), "world");
	buf_consume(&buf, 5);
	assert_string_equal(buf_str(&buf), "");
	buf_puts(&buf, "again");
	buf_reset(&buf);
	assert_string_equal(buf_str(&buf), "");
	assert_int_equal(buf.len, 0);
	buf_done(&buf);
}

static const struct err_kind unknown_procedure = {ERR_INVALID, "UNKNOWN_PROCEDURE",
						  "Không có thủ tục %s trong danh mục",
						  "no procedure %s in the catalogue"};

static void err_sentences_take_the_argument(void **state)
{
	struct err err;

	(void)state;
	err_clear(&err);
	assert_string_equal(err_code(&err), "");
	assert_int_equal(err_set(&err, &unknown_procedure, "procedure_code", "1.000"), ERR_INVALID);
	assert_string_equal(err_code(&err), "UNKNOWN_PROCEDURE");
	assert_string_equal(err.items[0].vi, "Không có thủ tục 1.000 trong danh mục");
	assert_string_equal(err.items[0].en, "no procedure 1.000 in the catalogue");
	assert_string_equal(err.items[0].field, "procedure_code");
	err_set(&err, &err_internal, NULL, "unused");
	assert_string_equal(err.items[0].en, "internal error of the system");
	assert_string_equal(err.items[0].field, "");
	assert_int_equal(err.n_items, 1);
	assert_int_equal(err_set_retry(&err, &err_unavailable, "PostgreSQL", 250), ERR_UNAVAILABLE);
	assert_int_equal(err.retry_after_ms, 250);
	err_set(&err, &err_denied, NULL, err.items[0].en); /* argument inside the error itself */
	assert_string_equal(err.items[0].en, "not allowed: PostgreSQL is not available now");
	assert_int_equal(err.retry_after_ms, 0);
}

static void err_long_argument_is_cut_between_characters(void **state)
{
	struct err err;
	char arg[1001];

	(void)state;
	/* One leading byte moves the three-byte characters over every cutting position. */
	for (int shift = 0; shift < 3; shift++) {
		memset(arg, 'x', sizeof(arg));
		for (int i = shift; i + 3 < 1000; i += 3)
			memcpy(arg + i, "ệ", 3);
		arg[1000] = 0;
		err_set(&err, &unknown_procedure, arg, arg);
		assert_true(utf8_valid(err.items[0].vi, strlen(err.items[0].vi)));
		assert_true(utf8_valid(err.items[0].field, strlen(err.items[0].field)));
		assert_in_range(strlen(err.items[0].vi), 236, 239);
		assert_non_null(strstr(err.items[0].vi, " trong danh mục"));
		assert_non_null(strstr(err.items[0].en, " in the catalogue"));
	}
	err_set(&err, &unknown_procedure, NULL, "a\xff\xfe z");
	assert_string_equal(err.items[0].en, "no procedure a?? z in the catalogue");
}

static void err_collects_violations(void **state)
{
	struct err err;

	(void)state;
	err_clear(&err);
	assert_int_equal(err_add(&err, &err_required_field, "a", NULL), ERR_INVALID);
	assert_int_equal(err_add(&err, &err_denied, "b", NULL), ERR_INVALID);
	for (int i = 0; i < ERR_ITEMS_MAX - 2; i++)
		err_add(&err, &err_invalid_field, "c", "x");
	assert_false(err.truncated);
	err_add(&err, &err_invalid_field, "d", "x");
	assert_true(err.truncated);
	assert_int_equal(err.n_items, ERR_ITEMS_MAX);
	assert_string_equal(err_code(&err), "REQUIRED_FIELD");
}

static void err_names_cover_every_status(void **state)
{
	(void)state;
	assert_string_equal(err_status_name(0), "OK");
	for (int s = ERR_INVALID; s >= ERR_INTERNAL; s--)
		assert_string_not_equal(err_status_name(s), "UNKNOWN");
	assert_int_equal(err_side(ERR_INVALID), ERR_SIDE_CALLER);
	assert_int_equal(err_side(ERR_NO_SERVICE), ERR_SIDE_PLATFORM);
	assert_int_equal(err_side(ERR_INTERNAL), ERR_SIDE_SERVICE);
}

static void money_is_checked(void **state)
{
	int64_t v = -1;

	(void)state;
	assert_int_equal(money_add(1, 2, &v), 0);
	assert_int_equal(v, 3);
	assert_int_equal(money_add(MONEY_MAX_VND, 1, &v), ERR_INVALID);
	assert_int_equal(money_add(-1, 1, &v), ERR_INVALID);
	assert_int_equal(v, 3); /* untouched on failure */
	assert_int_equal(money_multiply(MONEY_MAX_VND, 1, &v), 0);
	assert_int_equal(money_multiply(MONEY_MAX_VND, UINT32_MAX, &v), ERR_INVALID);
	assert_int_equal(money_multiply(8000, 0, &v), 0);
	assert_int_equal(v, 0);
}

static void money_text(void **state)
{
	static const char *const bad[] = {"",
					  "-1",
					  "+1",
					  " 1",
					  "1 ",
					  "1.000",
					  "1e3",
					  "0x1",
					  "1000000000000001",
					  "99999999999999999999999999"};
	static const struct {
		int64_t vnd;
		const char *text;
	} good[] = {{0, "0 đ"},
		    {999, "999 đ"},
		    {1000, "1.000 đ"},
		    {1234567, "1.234.567 đ"},
		    {MONEY_MAX_VND, "1.000.000.000.000.000 đ"},
		    {-25000, "-25.000 đ"},
		    {INT64_MIN, "-9.223.372.036.854.775.808 đ"}};
	char out[32];
	int64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(money_parse(bad[i], &v), ERR_INVALID);
	assert_int_equal(money_parse("1000000000000000", &v), 0);
	assert_int_equal(v, MONEY_MAX_VND);
	assert_int_equal(money_parse("007", &v), 0);
	assert_int_equal(v, 7);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		money_format(good[i].vnd, out);
		assert_string_equal(out, good[i].text);
	}
}

static void numbers_are_whole(void **state)
{
	static const char *const bad[] = {"",
					  "-",
					  "+1",
					  " 1",
					  "1 ",
					  "1.0",
					  "0x1",
					  "--1",
					  "11",
					  "-6",
					  "9223372036854775808",
					  "99999999999999999999999"};
	int64_t n = 77;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (number_parse(bad[i], -5, 10, &n) != ERR_INVALID || n != 77)
			fail_msg("%s", bad[i]);
	assert_int_equal(number_parse("-9223372036854775808", INT64_MIN, INT64_MAX, &n), 0);
	assert_true(n == INT64_MIN);
	assert_int_equal(number_parse("9223372036854775807", INT64_MIN, INT64_MAX, &n), 0);
	assert_true(n == INT64_MAX);
	assert_int_equal(number_parse("-0010", -10, 0, &n), 0);
	assert_int_equal(n, -10);
	assert_int_equal(number_prefix("0012_feed.sql", 1, 9999, &n), 0);
	assert_int_equal(n, 12);
	assert_int_equal(number_prefix("x", 1, 9999, &n), ERR_INVALID);
	assert_int_equal(number_prefix("-1", -1, 9999, &n), ERR_INVALID);
	assert_int_equal(n, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_pieces_are_zeroed_and_aligned),
		cmocka_unit_test(arena_reset_gives_zeroed_pieces_again),
		cmocka_unit_test(arena_stops_at_its_cap),
		cmocka_unit_test(arena_large_piece_between_small_ones),
		cmocka_unit_test(buf_grows_and_stops_at_max),
		cmocka_unit_test(buf_consume_and_reset),
		cmocka_unit_test(err_sentences_take_the_argument),
		cmocka_unit_test(err_long_argument_is_cut_between_characters),
		cmocka_unit_test(err_collects_violations),
		cmocka_unit_test(err_names_cover_every_status),
		cmocka_unit_test(numbers_are_whole),
		cmocka_unit_test(money_is_checked),
		cmocka_unit_test(money_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
