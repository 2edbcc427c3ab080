// with: services/bus/pending.c
/* Tokens and the wheel of deadlines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "services/bus/pending.h"

#define ID ((const uint8_t *)"0123456789abcdef")
#define T0 (1000 * CLOCK_US_PER_S)

static int setup(void **state)
{
	*state = pending_table_new(1000);
	return 0;
}

static int teardown(void **state)
{
	pending_table_free(*state);
	return 0;
}

static void token_finds_its_entry_only(void **state)
{
	struct pending_table *t = *state;
	struct pending *a = pending_add(t, T0, T0 + 1000000, 10, ID);
	struct pending *b = pending_add(t, T0, T0 + 1000000, 20, ID);
	uint8_t ta[BUS_TOKEN_BYTES], tb[BUS_TOKEN_BYTES], wrong[BUS_TOKEN_BYTES];

	pending_token(a, ta);
	pending_token(b, tb);
	assert_ptr_equal(pending_find(t, ta, sizeof(ta)), a);
	assert_ptr_equal(pending_find(t, tb, sizeof(tb)), b);
	assert_int_equal(pending_count(t), 2);
	assert_int_equal(pending_bytes(t), 30);
	/* Every single changed bit is another token. */
	for (unsigned bit = 0; bit < 8 * sizeof(ta); bit++) {
		memcpy(wrong, ta, sizeof(ta));
		wrong[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_null(pending_find(t, wrong, sizeof(wrong)));
	}
	assert_null(pending_find(t, ta, sizeof(ta) - 1));
	assert_null(pending_find(t, "", 0));
}

static void old_tokens_find_nothing(void **state)
{
	struct pending_table *t = *state;
	struct pending *a = pending_add(t, T0, T0 + 1000000, 10, ID), *b;
	uint8_t old[BUS_TOKEN_BYTES], now[BUS_TOKEN_BYTES];

	pending_token(a, old);
	pending_remove(t, a);
	assert_null(pending_find(t, old, sizeof(old)));
	b = pending_add(t, T0, T0 + 1000000, 10, ID);
	assert_ptr_equal(a, b); /* the same slot, another generation */
	assert_null(pending_find(t, old, sizeof(old)));
	pending_token(b, old);
	pending_renew(t, b);
	assert_null(pending_find(t, old, sizeof(old)));
	pending_token(b, now);
	assert_ptr_equal(pending_find(t, now, sizeof(now)), b);
}

static void table_is_bounded(void **state)
{
	struct pending_table *t = *state;
	struct pending *p = NULL;

	for (int i = 0; i < 1000; i++) {
		p = pending_add(t, T0, T0 + 1000000, 1, ID);
		assert_non_null(p);
	}
	assert_null(pending_add(t, T0, T0 + 1000000, 1, ID));
	pending_remove(t, p);
	assert_non_null(pending_add(t, T0, T0 + 1000000, 1, ID));
}

struct expiry {
	struct pending_table *table;
	int64_t now_us;
	unsigned n;
};

static void expired(struct pending *p, void *arg)
{
	struct expiry *e = arg;

	assert_true(p->deadline_us <= e->now_us);
	pending_remove(e->table, p);
	e->n++;
}

static unsigned expire_at(struct pending_table *t, int64_t now_us)
{
	struct expiry e = {.table = t, .now_us = now_us};

	pending_expire(t, now_us, expired, &e);
	return e.n;
}

static void nothing_expires_early_and_all_within_two_ticks(void **state)
{
	struct pending_table *t = *state;
	static const int64_t after_ms[] = {1,     60,    119,   180,   1000,
					   40900, 40960, 41020, 82000, 299999};

	for (size_t i = 0; i < ARRAY_LEN(after_ms); i++)
		pending_add(t, T0, T0 + after_ms[i] * 1000, 1, ID);
	for (size_t i = 0; i < ARRAY_LEN(after_ms); i++) {
		int64_t due_us = T0 + after_ms[i] * 1000;

		expire_at(t, due_us - 1);
		assert_true(pending_count(t) >= ARRAY_LEN(after_ms) - i);
		expire_at(t, due_us + 2 * PENDING_TICK_US);
		assert_true(pending_count(t) < ARRAY_LEN(after_ms) - i);
	}
	assert_int_equal(pending_count(t), 0);
}

static void long_pauses_miss_nothing(void **state)
{
	struct pending_table *t = *state;

	for (int i = 0; i < 500; i++)
		pending_add(t, T0, T0 + i * 100000, 1, ID);
	/* The process was stopped for an hour. */
	assert_int_equal(expire_at(t, T0 + 3600 * CLOCK_US_PER_S), 500);
	pending_add(t, T0 + 3600 * CLOCK_US_PER_S, T0 + 3601 * CLOCK_US_PER_S, 1, ID);
	assert_int_equal(expire_at(t, T0 + 3600 * CLOCK_US_PER_S), 0);
	assert_int_equal(expire_at(t, T0 + 3602 * CLOCK_US_PER_S), 1);
}

/* Against the naive way: every entry looked at, at random times. */
static void wheel_agrees_with_a_plain_walk(void **state)
{
	struct pending_table *t = *state;
	int64_t due[1000] = {0}, now_us = T0;
	unsigned seed = 3, n = 0;

	for (int round = 0; round < 300; round++) {
		unsigned left = 0;

		for (int i = 0; i < 3 && n < ARRAY_LEN(due); i++) {
			due[n] = now_us + 1 + rand_r(&seed) % 300000000;
			pending_add(t, now_us, due[n++], 1, ID);
		}
		now_us += rand_r(&seed) % 2000000;
		/* A tick late at most: so look at what was due a tick ago. */
		expire_at(t, now_us);
		for (unsigned i = 0; i < n; i++)
			left += due[i] > now_us;
		assert_true(pending_count(t) >= left);
		left = 0;
		for (unsigned i = 0; i < n; i++)
			left += due[i] > now_us - PENDING_TICK_US;
		assert_true(pending_count(t) <= left);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(token_finds_its_entry_only),
		TEST(old_tokens_find_nothing),
		TEST(table_is_bounded),
		TEST(nothing_expires_early_and_all_within_two_ticks),
		TEST(long_pauses_miss_nothing),
		TEST(wheel_agrees_with_a_plain_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
