// with: services/bus/broker.c services/bus/service_queue.c services/bus/pending.c services/bus/backend.c services/bus/member.c services/bus/quota.c services/bus/admin.c services/bus/admin_report.c services/bus/admin_look.c services/bus/admin_act.c services/bus/stats.c services/bus/account.c services/bus/top.c services/bus/records.c services/bus/record_ring.c services/bus/record_store.c services/bus/errors.c services/bus/members.c tests/unit/buscore.c tests/unit/corerig.c
/*
 * Limits of members and services, and turns: the quota by itself, then the broker's core in given
 * time. tests/it/test_bus_fairness.c measures the same on real sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/wire/header.h"
#include "tests/unit/corerig.h"

#define T0 (1000 * CLOCK_US_PER_S)

/* --- the bucket --- */

static unsigned take_all(struct quota *q, const struct quota_limits *l, int64_t now_us)
{
	uint32_t retry_ms;
	unsigned n = 0;

	while (n < 100000 && quota_ask(q, l, 1, now_us, &retry_ms) == QUOTA_NONE)
		n++;
	return n;
}

static void bucket_holds_a_burst_and_fills_at_its_rate(void **state)
{
	static const struct {
		uint32_t per_s, burst;
		int64_t pause_us;
		unsigned first, then;
	} cases[] = {
		{10, 10, 1000000, 10, 10},
		{10, 10, 100000, 10, 1},
		{10, 10, 99999, 10, 0},
		{10, 30, 1000000, 30, 10},
		{10, 30, 60000000, 30, 30},
		{1000, 50, 20000, 50, 20},
		{1, 1, 999999, 1, 0},
		{1, 1, 1000000, 1, 1},
		{2000, 4000, 500000, 4000, 1000},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct quota_limits l = {.requests_per_s = cases[i].per_s,
					       .burst = cases[i].burst};
		struct quota q = {0};

		assert_int_equal(take_all(&q, &l, T0), cases[i].first);
		assert_int_equal(take_all(&q, &l, T0 + cases[i].pause_us), cases[i].then);
	}
}

/* Over any time, whatever the pattern: no more than the burst and what the rate brings. */
static void rate_is_never_exceeded(void **state)
{
	const struct quota_limits l = {.requests_per_s = 100, .burst = 20};
	struct quota q = {0};
	unsigned passed = 0;
	uint32_t retry_ms;
	int64_t now_us = T0;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		now_us += (i * 7919 + 13) % 251;
		passed += quota_ask(&q, &l, 1, now_us, &retry_ms) == QUOTA_NONE;
	}
	assert_in_range(passed, (now_us - T0) / 10000, 20 + (now_us - T0) / 10000 + 1);
}

/* Each one refused is told a moment of its own, and finds its token then. */
static void refused_are_told_when_to_come_back(void **state)
{
	const struct quota_limits l = {.requests_per_s = 10, .burst = 1};
	struct quota q = {0};
	uint32_t told[5], retry_ms;

	(void)state;
	assert_int_equal(quota_ask(&q, &l, 1, T0, &retry_ms), QUOTA_NONE);
	for (size_t i = 0; i < ARRAY_LEN(told); i++)
		assert_int_equal(quota_ask(&q, &l, 1, T0, &told[i]), QUOTA_RATE);
	for (size_t i = 0; i < ARRAY_LEN(told); i++) {
		assert_in_range(told[i], 100 * (i + 1), 100 * (i + 1) + 1);
		assert_int_equal(quota_ask(&q, &l, 1, T0 + told[i] * 1000, &retry_ms), QUOTA_NONE);
	}
	assert_int_equal(q.refused[QUOTA_RATE], ARRAY_LEN(told));
}

static void waits_are_bounded(void **state)
{
	const struct quota_limits l = {.requests_per_s = 1, .burst = 1};
	struct quota q = {0};
	uint32_t retry_ms = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		quota_ask(&q, &l, 1, T0, &retry_ms);
	assert_int_equal(retry_ms, 5000);
}

static void gauges_count_what_is_under_way(void **state)
{
	const struct quota_limits l = {.in_flight = 2, .bytes_in_flight = 100};
	struct quota q = {0};
	uint32_t retry_ms = 0;

	(void)state;
	assert_int_equal(quota_ask(&q, &l, 101, T0, &retry_ms), QUOTA_BYTES);
	assert_true(retry_ms > 0);
	quota_enter(&q, 60);
	assert_int_equal(quota_ask(&q, &l, 41, T0, &retry_ms), QUOTA_BYTES);
	assert_int_equal(quota_ask(&q, &l, 40, T0, &retry_ms), QUOTA_NONE);
	quota_enter(&q, 40);
	assert_int_equal(quota_ask(&q, &l, 0, T0, &retry_ms), QUOTA_IN_FLIGHT);
	quota_leave(&q, 60, T0);
	assert_int_equal(quota_ask(&q, &l, 60, T0, &retry_ms), QUOTA_NONE);
	assert_int_equal(q.refused[QUOTA_BYTES], 2);
	assert_int_equal(q.refused[QUOTA_IN_FLIGHT], 1);
}

static void line_goes_before_the_environment(void **state)
{
	const struct quota_limits env = {100, 200, 300, 400};
	struct quota_limits l;

	(void)state;
	l = quota_limits_of(&(struct quota_limits){0}, &env);
	assert_memory_equal(&l, &env, sizeof(l));
	/* A rate of its own brings a burst of its own. */
	l = quota_limits_of(&(struct quota_limits){.requests_per_s = 7}, &env);
	assert_int_equal(l.requests_per_s, 7);
	assert_int_equal(l.burst, 7);
	assert_int_equal(l.in_flight, 300);
	l = quota_limits_of(&(struct quota_limits){.burst = 9, .bytes_in_flight = 8}, &env);
	assert_int_equal(l.requests_per_s, 100);
	assert_int_equal(l.burst, 9);
	assert_int_equal(l.bytes_in_flight, 8);
}

/* --- members in the broker --- */

static const char *text_of(const struct fixture *f)
{
	return f->err.items[0].en;
}

static void over_its_rate_is_refused_by_name(void **state)
{
	struct fixture *f = *state;
	struct member *a = f->c->keys[A]->member;

	a->limits = (struct quota_limits){.requests_per_s = 10, .burst = 2};
	core_join(f, WORKER, 10);
	for (int i = 0; i < 3; i++)
		core_ask(f, CALLER, A, "x");
	assert_int_equal(core_requests_to(f, WORKER), 2);
	core_expect(f, CALLER, 0, ERR_BUSY, "MEMBER_RATE");
	assert_non_null(strstr(text_of(f), "requests_per_s=10"));
	assert_in_range(f->err.retry_after_ms, 100, 101);
	assert_false(f->err.outcome_unknown);
	assert_int_equal(a->quota.refused[QUOTA_RATE], 1);
	/* Others have limits of their own. */
	core_ask(f, OTHER, B, "x");
	assert_int_equal(core_requests_to(f, WORKER), 3);
	f->c->b->now_us += 100000;
	core_ask(f, CALLER, A, "x");
	assert_int_equal(core_requests_to(f, WORKER), 4);
}

/* Refusals find their request, though its header was not read. */
static void refusal_before_the_header_carries_the_message_id(void **state)
{
	struct fixture *f = *state;
	const struct frames *m;
	Bus__ReplyHeader *h;

	f->c->keys[A]->member->limits = (struct quota_limits){.in_flight = 1};
	core_join(f, WORKER, 1);
	core_ask(f, CALLER, A, "x");
	core_ask(f, CALLER, A, "y");
	core_expect(f, CALLER, 0, ERR_BUSY, "MEMBER_IN_FLIGHT");
	assert_non_null(strstr(text_of(f), "in_flight=1"));
	m = core_sent_to(f->c, CALLER, 0);
	assert_int_equal(header_read_reply(frame_data(&m->part[4]), frame_size(&m->part[4]),
					   &f->arena, &h, &f->err),
			 0);
	assert_int_equal(h->message_id.len, 16);
	assert_memory_equal(h->message_id.data, f->id, 16);
	/* Answered: the next one is let in. */
	core_answer(f, WORKER, core_request_to(f, WORKER, 0), "r");
	core_ask(f, CALLER, A, "z");
	assert_int_equal(core_requests_to(f, WORKER), 2);
}

/* What is no header costs a token too, and is still told so while there are some. */
static void garbage_counts(void **state)
{
	struct fixture *f = *state;

	f->c->keys[A]->member->limits = (struct quota_limits){.requests_per_s = 1, .burst = 2};
	for (int i = 0; i < 3; i++)
		DELIVER(f->c, SIDE_MEMBER, CALLER, A, PART(BUS_MDP_CLIENT), BYTE(BUS_C_REQUEST),
			PART("echo"), PART("no header"), PART("x"));
	core_expect(f, CALLER, 0, ERR_INVALID, "BAD_HEADER");
	core_expect(f, CALLER, 1, ERR_INVALID, "BAD_HEADER");
	core_expect(f, CALLER, 2, ERR_BUSY, "MEMBER_RATE");
}

/* Whatever ends a request gives its place back. */
static void every_end_leaves_the_quota(void **state)
{
	struct fixture *f = *state;
	struct quota *q = &f->c->keys[A]->member->quota;

	core_join(f, WORKER, 1);
	core_ask(f, CALLER, A, "answered");
	core_ask(f, CALLER, A, "queued, expires");
	core_ask_flags(f, CALLER, A, "refused", HEADER_FLAG_NO_QUEUE);
	assert_int_equal(q->in_flight, 2);
	core_answer(f, WORKER, core_request_to(f, WORKER, 0), "r");
	assert_int_equal(q->in_flight, 1);
	core_pass(f->c, 11 * CLOCK_US_PER_S); /* dispatched, its worker falls silent */
	assert_int_equal(q->in_flight, 0);
	assert_int_equal(q->bytes, 0);
	core_join(f, WORKER2, 1);
	core_ask(f, CALLER, A, "lost");
	core_ask(f, CALLER, A, "drained");
	DELIVER(f->c, SIDE_BACKEND, WORKER2, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_DISCONNECT));
	assert_int_equal(q->in_flight, 1);
	broker_drain(f->c->b);
	assert_int_equal(q->in_flight, 0);
	assert_int_equal(q->bytes, 0);
}

/* --- turns --- */

/* How many of the worker's requests from `from` on were of each kind of body. */
static unsigned count_bodies(struct fixture *f, unsigned from, unsigned to, const char *start)
{
	unsigned n = 0;

	for (unsigned i = from; i < to; i++) {
		const zmq_msg_t *body = &core_request_to(f, WORKER, i)->part[7];

		n += frame_size(body) >= strlen(start) &&
		     memcmp(frame_data(body), start, strlen(start)) == 0;
	}
	return n;
}

static void answer_from(struct fixture *f, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		core_answer(f, WORKER, core_request_to(f, WORKER, i), "r");
}

/* A member that comes to a queue full of another's waits for one quantum, not for a round more. */
static void newcomer_is_next_but_a_quantum(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 1);
	for (int i = 0; i < 40; i++)
		core_ask(f, CALLER, A, "many");
	core_ask(f, OTHER, B, "one");
	answer_from(f, 0, 3);
	assert_int_equal(count_bodies(f, 0, 4, "one"), 1);
}

/* Being idle saves nothing up: who comes back gets one turn, as everybody. */
static void returning_member_has_no_deficit(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 1);
	core_ask(f, CALLER, A, "many");
	for (int round = 0; round < 5; round++) {
		core_ask(f, OTHER, B, "back");
		core_ask(f, CALLER, A, "many");
		answer_from(f, (unsigned)round * 2, (unsigned)round * 2 + 2);
	}
	for (int i = 0; i < 30; i++) {
		core_ask(f, CALLER, A, "many");
		core_ask(f, OTHER, B, "back");
	}
	answer_from(f, 10, 30);
	assert_in_range(count_bodies(f, 11, 31, "back"), 9, 11);
}

/* --- waits that would be too long --- */

/* The worker answers its requests from..to-1, one each so many ms. */
static void answer_slowly(struct fixture *f, unsigned from, unsigned to, int64_t ms)
{
	for (unsigned i = from; i < to; i++) {
		f->c->b->now_us += ms * 1000;
		answer_from(f, i, i + 1);
	}
}

static void ask_within(struct fixture *f, uint32_t deadline_ms)
{
	f->id[0]++;
	DELIVER(f->c, SIDE_MEMBER, CALLER, A, PART(BUS_MDP_CLIENT), BYTE(BUS_C_REQUEST),
		PART("echo"), core_header(&f->arena, "Say", deadline_ms, 0, f->id), PART("x"));
}

static void keep_asking(struct fixture *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ask_within(f, 60000);
}

/* At 400 ms a request, 10 s are 25 of them. */
static void what_would_expire_in_the_queue_is_refused(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 1);
	keep_asking(f, 43);
	answer_slowly(f, 0, 17, 400);
	core_forget_sent(f->c);
	ask_within(f, 10000);
	assert_int_equal(core_count_to(f->c, CALLER), 0);
	ask_within(f, 10000);
	core_expect(f, CALLER, 0, ERR_BUSY, "QUEUE_FULL");
	assert_non_null(strstr(text_of(f), "echo, wait_ms=10400"));
	assert_int_equal(f->err.retry_after_ms, 5000);
	assert_false(f->err.outcome_unknown);
	/* Who has more time may wait, and who has little waiting does not wait so long. */
	ask_within(f, 11000);
	core_ask(f, OTHER, B, "x");
	assert_int_equal(core_count_to(f->c, CALLER), 1);
	assert_int_equal(core_count_to(f->c, OTHER), 0);
}

/* Time in which nobody asked, or without enough answers, is no pace. */
static void pace_is_that_of_a_busy_service(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 1);
	for (unsigned i = 0; i < 40; i++) {
		keep_asking(f, 1);
		answer_slowly(f, i, i + 1, 900);
	}
	keep_asking(f, 16);
	answer_slowly(f, 40, 55, 900);
	keep_asking(f, 20);
	core_forget_sent(f->c);
	ask_within(f, 5000);
	assert_int_equal(core_count_to(f->c, CALLER), 0);
}

/* Or a service that was slow once would be without requests for ever. */
static void empty_queue_takes_whatever_its_pace(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 1);
	keep_asking(f, 18);
	answer_slowly(f, 0, 17, 800);
	core_forget_sent(f->c);
	ask_within(f, 300);
	assert_int_equal(core_count_to(f->c, CALLER), 0);
	ask_within(f, 300);
	core_expect(f, CALLER, 0, ERR_BUSY, "QUEUE_FULL");
	assert_non_null(strstr(text_of(f), "wait_ms=800"));
}

/* --- full queues --- */

static int setup_ten(void **state)
{
	struct broker_config config = core_config();

	config.queue_entries = 10;
	config.queue_share = 10;
	return corerig_setup_with(state, &config);
}

static void full_queue_makes_room_for_who_has_less(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 1);
	for (int i = 0; i < 11; i++)
		core_ask(f, CALLER, A, "flood");
	assert_int_equal(core_count_to(f->c, CALLER), 0);
	core_ask(f, OTHER, B, "quiet");
	core_expect(f, CALLER, 0, ERR_BUSY, "QUEUE_SHARE_FULL");
	assert_non_null(strstr(text_of(f), "echo, queue_entries=10"));
	assert_true(f->err.retry_after_ms > 0);
	assert_false(f->err.outcome_unknown);
	assert_int_equal(core_count_to(f->c, OTHER), 0);
	/* Halves, and not more: then whoever comes is refused itself. */
	for (int i = 0; i < 4; i++)
		core_ask(f, OTHER, B, "quiet");
	assert_int_equal(core_count_to(f->c, CALLER), 5);
	core_ask(f, OTHER, B, "quiet");
	core_expect(f, OTHER, 0, ERR_BUSY, "QUEUE_FULL");
	core_ask(f, CALLER, A, "flood");
	core_expect(f, CALLER, 5, ERR_BUSY, "QUEUE_FULL");
	assert_int_equal(f->c->b->services.tqh_first->queued, 10);
}

static int setup_bytes(void **state)
{
	struct broker_config config = core_config();

	config.queue_bytes = 40000;
	return corerig_setup_with(state, &config);
}

static void bytes_make_room_too(void **state)
{
	struct fixture *f = *state;
	char body[9001];

	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = 0;
	core_join(f, WORKER, 1);
	for (int i = 0; i < 5; i++)
		core_ask(f, CALLER, A, body);
	body[6000] = 0;
	core_ask(f, OTHER, B, body);
	core_expect(f, CALLER, 0, ERR_BUSY, "QUEUE_SHARE_FULL");
	assert_non_null(strstr(text_of(f), "queue_bytes=40000"));
	assert_int_equal(core_count_to(f->c, OTHER), 0);
	assert_true(f->c->b->services.tqh_first->queued_bytes <= 40000);
}

/* What was handed out once keeps its place, whoever comes. */
static void redispatched_are_never_displaced(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 10);
	for (int i = 0; i < 10; i++)
		core_ask_flags(f, CALLER, A, "again", HEADER_FLAG_REPEATABLE);
	core_join(f, WORKER2, 0);
	DELIVER(f->c, SIDE_BACKEND, WORKER, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_DISCONNECT));
	assert_int_equal(f->c->b->services.tqh_first->queued, 10);
	core_ask(f, OTHER, B, "quiet");
	core_expect(f, OTHER, 0, ERR_BUSY, "QUEUE_FULL");
	assert_int_equal(core_count_to(f->c, CALLER), 0);
	core_hello_again(f, WORKER2, core_hello(&f->arena, 10, 0, false));
	assert_int_equal(core_requests_to(f, WORKER2), 10);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, corerig_setup, corerig_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bucket_holds_a_burst_and_fills_at_its_rate),
		cmocka_unit_test(rate_is_never_exceeded),
		cmocka_unit_test(refused_are_told_when_to_come_back),
		cmocka_unit_test(waits_are_bounded),
		cmocka_unit_test(gauges_count_what_is_under_way),
		cmocka_unit_test(line_goes_before_the_environment),
		TEST(over_its_rate_is_refused_by_name),
		TEST(refusal_before_the_header_carries_the_message_id),
		TEST(garbage_counts),
		TEST(every_end_leaves_the_quota),
		TEST(newcomer_is_next_but_a_quantum),
		TEST(returning_member_has_no_deficit),
		TEST(what_would_expire_in_the_queue_is_refused),
		TEST(pace_is_that_of_a_busy_service),
		TEST(empty_queue_takes_whatever_its_pace),
		cmocka_unit_test_setup_teardown(full_queue_makes_room_for_who_has_less, setup_ten,
						corerig_teardown),
		cmocka_unit_test_setup_teardown(bytes_make_room_too, setup_bytes, corerig_teardown),
		cmocka_unit_test_setup_teardown(redispatched_are_never_displaced, setup_ten,
						corerig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
