// with: services/bus/broker.c services/bus/service_queue.c services/bus/pending.c services/bus/backend.c services/bus/member.c services/bus/admin.c services/bus/stats.c services/bus/errors.c services/bus/members.c services/bus/rights.c tests/unit/buscore.c
/*
 * The broker's core in given time: golden bytes of every frame, bounds, turns, losses. What needs
 * sockets is in tests/it/test_bus*.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "common/wire/header.h"
#include "tests/unit/buscore.h"

#define A    0
#define B    1
#define ECHO 2
#define MOLE 3
#define OP   4

/* Connections. */
#define CALLER  10
#define OTHER   11
#define WORKER  20
#define WORKER2 21

struct fixture {
	struct core *c;
	struct arena arena;
	uint8_t id[16];
	struct err err;
};

static int setup_with(void **state, const struct broker_config *config)
{
	struct fixture *f = base_alloc(sizeof(*f));

	f->c = core_new(config);
	arena_init(&f->arena, 64 << 20);
	memcpy(f->id, "0123456789abcdef", 16);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	core_free(f->c);
	arena_done(&f->arena);
	free(f);
	return 0;
}

static void join(struct fixture *f, uint8_t worker, uint32_t credit)
{
	DELIVER(f->c, SIDE_BACKEND, worker, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_READY),
		PART("echo"), core_hello(&f->arena, credit, 0, false));
}

static void hello(struct fixture *f, uint8_t worker, struct core_part bytes)
{
	DELIVER(f->c, SIDE_BACKEND, worker, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_HEARTBEAT),
		bytes);
}

/* Each request under an id of its own. */
static void ask_flags(struct fixture *f, uint8_t peer, int member, const char *body, uint32_t flags)
{
	f->id[0]++;
	DELIVER(f->c, SIDE_MEMBER, peer, member, PART(BUS_MDP_CLIENT), BYTE(BUS_C_REQUEST),
		PART("echo"), core_header(&f->arena, "Say", 10000, flags, f->id), PART(body));
}

static void ask(struct fixture *f, uint8_t peer, int member, const char *body)
{
	ask_flags(f, peer, member, body, 0);
}

/* Token of the i-th message to the worker that is a REQUEST. */
static const struct frames *request_to(struct fixture *f, uint8_t worker, unsigned i)
{
	for (unsigned at = 0;; at++) {
		const struct frames *m = core_sent_to(f->c, worker, at);

		if (frame_command(&m->part[2]) == BUS_W_REQUEST && i-- == 0)
			return m;
	}
}

static unsigned requests_to(struct fixture *f, uint8_t worker)
{
	unsigned n = 0;

	for (unsigned at = 0; at < core_count_to(f->c, worker); at++)
		n += frame_command(&core_sent_to(f->c, worker, at)->part[2]) == BUS_W_REQUEST;
	return n;
}

static void answer(struct fixture *f, uint8_t worker, const struct frames *request,
		   const char *body)
{
	uint8_t token[16];

	memcpy(token, frame_data(&request->part[3]), 16);
	DELIVER(f->c, SIDE_BACKEND, worker, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_FINAL),
		BYTES(token, 16), PART(""), core_ok(&f->arena), PART(body));
}

static void expect(struct fixture *f, uint8_t peer, unsigned i, int status, const char *code)
{
	assert_int_equal(core_status(core_sent_to(f->c, peer, i), &f->err), status);
	assert_string_equal(err_code(&f->err), code);
}

static void assert_hex(const zmq_msg_t *part, const char *hex)
{
	char text[1024];

	assert_true(frame_size(part) * 2 < sizeof(text));
	crypt_hex(frame_data(part), frame_size(part), text);
	assert_string_equal(text, hex);
}

/* --- golden bytes: docs/wire.md shows the same --- */

static void request_to_the_worker_has_these_bytes(void **state)
{
	struct fixture *f = *state;
	const struct frames *m;
	char hex[256];

	join(f, WORKER, 4);
	ask(f, CALLER, A, "body");
	m = request_to(f, WORKER, 0);
	assert_int_equal(m->n, 8);
	assert_hex(&m->part[0], "0000000014"); /* the worker's id: never leaves the broker */
	assert_hex(&m->part[1], "4d4450573032");
	assert_hex(&m->part[2], "02");
	assert_int_equal(frame_size(&m->part[3]), 16);
	assert_hex(&m->part[4], "");
	/* LGH1; 1: "VN/GOV/H40/a"; 2: arrival (8 or 9 bytes); 3: 10000 ms left. */
	crypt_hex(frame_data(&m->part[5]), frame_size(&m->part[5]), hex);
	assert_memory_equal(hex, "4c4748310a0c564e2f474f562f4834302f6110", 38);
	assert_string_equal(hex + strlen(hex) - 6, "18904e");
	/* The header is the caller's own bytes. */
	assert_hex(&m->part[6], "4c4748310a103131323334353637383961626364656612035361791890"
				"4e200132"
				"3730302d30616637363531393136636434336464383434386562323131633830"
				"333139632d623761643662373136393230333333312d3031");
	assert_hex(&m->part[7], "626f6479");
}

static void final_to_the_caller_has_these_bytes(void **state)
{
	struct fixture *f = *state;
	const struct frames *m;

	join(f, WORKER, 4);
	ask(f, CALLER, A, "body");
	answer(f, WORKER, request_to(f, WORKER, 0), "reply");
	m = core_sent_to(f->c, CALLER, 0);
	assert_int_equal(m->n, 6);
	assert_hex(&m->part[1], "4d4450433032");
	assert_hex(&m->part[2], "03");
	assert_hex(&m->part[3], "6563686f");
	/* LGH1; the worker's status 1, outcome 1, served_by; the broker's message_id behind. */
	assert_hex(&m->part[4], "4c474831080110012a0b6563686f2f6563686f2d31"
				"3a1031313233343536373839616263646566");
	assert_hex(&m->part[5], "7265706c79");
	assert_int_equal(pending_count(f->c->b->pending), 0);
}

static void worker_cannot_answer_for_another_message(void **state)
{
	struct fixture *f = *state;
	Bus__ReplyHeader lie = BUS__REPLY_HEADER__INIT, *h;
	const struct frames *m;
	uint8_t token[16], *bytes;
	size_t n;

	join(f, WORKER, 4);
	ask(f, CALLER, A, "body");
	memcpy(token, frame_data(&request_to(f, WORKER, 0)->part[3]), 16);
	lie.status = COMMON__STATUS__STATUS_OK;
	lie.message_id = (ProtobufCBinaryData){.data = (uint8_t[16]){9}, .len = 16};
	assert_int_equal(header_write(&lie.base, &f->arena, &bytes, &n, &f->err), 0);
	DELIVER(f->c, SIDE_BACKEND, WORKER, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_FINAL),
		BYTES(token, 16), PART(""), BYTES(bytes, n), PART("x"));
	m = core_sent_to(f->c, CALLER, 0);
	assert_int_equal(header_read_reply(frame_data(&m->part[4]), frame_size(&m->part[4]),
					   &f->arena, &h, &f->err),
			 0);
	assert_memory_equal(h->message_id.data, f->id, 16);
}

static void broker_answers_ready_with_a_hello(void **state)
{
	struct fixture *f = *state;
	const struct frames *m;
	Bus__BrokerHello *h;

	clock_set_business_offset_us(-5);
	join(f, WORKER, 4);
	clock_set_business_offset_us(0);
	m = core_sent_to(f->c, WORKER, 0);
	assert_int_equal(m->n, 4);
	assert_int_equal(frame_command(&m->part[2]), BUS_W_HEARTBEAT);
	assert_int_equal(header_read_broker_hello(frame_data(&m->part[3]), frame_size(&m->part[3]),
						  &f->arena, &h, &f->err),
			 0);
	assert_string_equal(h->instance, "bus-t");
	assert_int_equal(h->business_offset_us, -5);
	assert_string_equal(h->rights_hash, members_hash(f->c->members));
	assert_false(h->drain_acknowledged);
	core_forget_sent(f->c);
	hello(f, WORKER, core_hello(&f->arena, 4, 0, true));
	m = core_sent_to(f->c, WORKER, 0);
	assert_int_equal(header_read_broker_hello(frame_data(&m->part[3]), frame_size(&m->part[3]),
						  &f->arena, &h, &f->err),
			 0);
	assert_true(h->drain_acknowledged);
}

/* --- credit --- */

static void workers_take_turns(void **state)
{
	struct fixture *f = *state;

	join(f, WORKER, 3);
	join(f, WORKER2, 3);
	for (int i = 0; i < 6; i++)
		ask(f, CALLER, A, "x");
	assert_int_equal(requests_to(f, WORKER), 3);
	assert_int_equal(requests_to(f, WORKER2), 3);
	ask(f, CALLER, A, "waits");
	assert_int_equal(f->c->b->services.tqh_first->queued, 1);
	answer(f, WORKER2, request_to(f, WORKER2, 0), "r");
	assert_int_equal(requests_to(f, WORKER2), 4);
}

static void credit_can_grow_shrink_and_be_lied_about(void **state)
{
	struct fixture *f = *state;

	join(f, WORKER, 1);
	for (int i = 0; i < 6; i++)
		ask(f, CALLER, A, "x");
	assert_int_equal(requests_to(f, WORKER), 1);
	hello(f, WORKER, core_hello(&f->arena, 3, 0, false));
	assert_int_equal(requests_to(f, WORKER), 3);
	/* One parked: one more. Parked beyond what it holds: no more than it holds. */
	hello(f, WORKER, core_hello(&f->arena, 3, 1, false));
	assert_int_equal(requests_to(f, WORKER), 4);
	hello(f, WORKER, core_hello(&f->arena, 0, 1000, false));
	assert_int_equal(requests_to(f, WORKER), 4);
	hello(f, WORKER, core_hello(&f->arena, 3, 0, true));
	answer(f, WORKER, request_to(f, WORKER, 0), "r");
	answer(f, WORKER, request_to(f, WORKER, 1), "r");
	assert_int_equal(requests_to(f, WORKER), 4); /* draining */
	hello(f, WORKER, core_hello(&f->arena, UINT32_MAX, 0, false));
	assert_int_equal(requests_to(f, WORKER), 6);
}

/* --- bounds --- */

static int setup_bytes(void **state)
{
	struct broker_config config = core_config();

	config.queue_bytes = 4000;
	return setup_with(state, &config);
}

static void queue_is_bounded_by_bytes(void **state)
{
	struct fixture *f = *state;
	char body[1501];

	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = 0;
	join(f, WORKER, 1);
	for (int i = 0; i < 4; i++)
		ask(f, CALLER, A, body);
	expect(f, CALLER, 0, ERR_BUSY, "QUEUE_FULL");
	assert_in_range(f->err.retry_after_ms, 1, 60000);
	assert_false(f->err.outcome_unknown);
}

static int setup_all_bytes(void **state)
{
	struct broker_config config = core_config();

	config.pending_bytes_max = 4000;
	return setup_with(state, &config);
}

static void broker_is_bounded_by_bytes(void **state)
{
	struct fixture *f = *state;
	char body[1501];

	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = 0;
	join(f, WORKER, 10);
	for (int i = 0; i < 3; i++)
		ask(f, CALLER, A, body);
	expect(f, CALLER, 0, ERR_BUSY, "BROKER_FULL");
	answer(f, WORKER, request_to(f, WORKER, 0), "r");
	ask(f, CALLER, A, body);
	assert_int_equal(requests_to(f, WORKER), 3);
}

/* Bytes count, not only requests: the one with large bodies gets fewer of them through. */
static void members_share_a_queue_by_bytes(void **state)
{
	struct fixture *f = *state;
	unsigned large = 0, small = 0;
	char body[15001];

	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = 0;
	join(f, WORKER, 1);
	ask(f, CALLER, A, "first");
	for (int i = 0; i < 20; i++) {
		ask(f, CALLER, A, body);
		ask(f, OTHER, B, "small");
	}
	for (unsigned i = 0; i < 20; i++) {
		const struct frames *m = request_to(f, WORKER, i);

		large += frame_size(&m->part[7]) > 1000;
		small += frame_is(&m->part[7], "small");
		answer(f, WORKER, m, "r");
	}
	assert_in_range(large, 3, 6);
	assert_in_range(small, 13, 16);
}

/* --- losses --- */

static void silent_worker_is_lost_after_three_heartbeats(void **state)
{
	struct fixture *f = *state;

	join(f, WORKER, 4);
	ask(f, CALLER, A, "x");
	core_pass(f->c, 5900000);
	assert_int_equal(core_count_to(f->c, CALLER), 0);
	hello(f, WORKER, core_hello(&f->arena, 4, 0, false));
	core_pass(f->c, 3900000);
	assert_int_equal(core_count_to(f->c, CALLER), 0);
	ask_flags(f, CALLER, A, "y", 0);
	core_pass(f->c, 2300000);
	assert_int_equal(core_count_to(f->c, CALLER), 2);
	expect(f, CALLER, 0, ERR_EXPIRED, "EXPIRED_IN_FLIGHT");
	expect(f, CALLER, 1, ERR_WORKER_LOST, "WORKER_LOST");
	assert_true(f->err.outcome_unknown);
	/* It speaks again: it is told to join again. */
	core_forget_sent(f->c);
	hello(f, WORKER, core_hello(&f->arena, 4, 0, false));
	assert_int_equal(frame_command(&core_sent_to(f->c, WORKER, 0)->part[2]), BUS_W_DISCONNECT);
}

static void heartbeats_come_faster_to_busy_workers(void **state)
{
	struct fixture *f = *state;

	join(f, WORKER, 4);
	core_forget_sent(f->c);
	core_pass(f->c, 4100000);
	assert_int_equal(core_count_to(f->c, WORKER), 2);
	ask(f, CALLER, A, "x");
	core_forget_sent(f->c);
	core_pass(f->c, 1100000);
	assert_int_equal(core_count_to(f->c, WORKER), 2);
}

static void vanished_worker_is_found_by_the_probe(void **state)
{
	struct fixture *f = *state;

	join(f, WORKER, 4);
	join(f, WORKER2, 4);
	ask_flags(f, CALLER, A, "again", HEADER_FLAG_REPEATABLE);
	ask_flags(f, CALLER, A, "again", HEADER_FLAG_REPEATABLE);
	f->c->gone = WORKER;
	core_pass(f->c, 600000);
	assert_int_equal(requests_to(f, WORKER2), 2);
	assert_int_equal(core_count_to(f->c, CALLER), 0);
	/* The lost worker's token is worth nothing, even on the new worker's connection. */
	answer(f, WORKER2, request_to(f, WORKER, 0), "forged");
	assert_int_equal(core_count_to(f->c, CALLER), 0);
	answer(f, WORKER2, request_to(f, WORKER2, 0), "r");
	answer(f, WORKER2, request_to(f, WORKER2, 1), "r");
	assert_int_equal(core_count_to(f->c, CALLER), 2);
}

static void worker_gone_at_dispatch_costs_the_request_nothing(void **state)
{
	struct fixture *f = *state;

	join(f, WORKER, 4);
	join(f, WORKER2, 4);
	f->c->gone = WORKER;
	ask(f, CALLER, A, "not repeatable");
	ask(f, CALLER, A, "not repeatable");
	assert_int_equal(requests_to(f, WORKER2), 2);
	assert_true(frame_is(&request_to(f, WORKER2, 0)->part[7], "not repeatable"));
	assert_int_equal(core_count_to(f->c, CALLER), 0);
}

static void redispatched_request_that_finds_no_worker_is_unknown(void **state)
{
	struct fixture *f = *state;

	join(f, WORKER, 4);
	ask_flags(f, CALLER, A, "again", HEADER_FLAG_REPEATABLE);
	DELIVER(f->c, SIDE_BACKEND, WORKER, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_DISCONNECT));
	core_pass(f->c, 200000);
	expect(f, CALLER, 0, ERR_WORKER_LOST, "WORKER_LOST");
	assert_true(f->err.outcome_unknown);
}

static void redispatch_happens_once(void **state)
{
	struct fixture *f = *state;

	for (uint8_t w = WORKER; w < WORKER + 2; w++) {
		join(f, w, 4);
		if (w == WORKER)
			ask_flags(f, CALLER, A, "again", HEADER_FLAG_REPEATABLE);
	}
	for (uint8_t w = WORKER; w < WORKER + 2; w++)
		DELIVER(f->c, SIDE_BACKEND, w, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_DISCONNECT));
	/* Both said good-bye: lost, but not the request's fault. */
	expect(f, CALLER, 0, ERR_WORKER_LOST, "WORKER_LOST");
	assert_int_equal(broker_deaths(f->c->b, f->c->keys[A]->member, f->id), 0);
}

static void deaths_are_forgotten_after_a_while(void **state)
{
	struct fixture *f = *state;

	f->c->gone = WORKER;
	for (int i = 0; i < 2; i++) {
		uint8_t w = (uint8_t)(WORKER + i);

		join(f, w, 4);
		f->c->gone = 0;
		f->id[0] = 'x' - 1; /* the same message each time */
		ask(f, CALLER, A, "poison");
		f->c->gone = w;
		core_pass(f->c, 600000);
	}
	f->c->gone = 0;
	join(f, WORKER, 4);
	core_forget_sent(f->c);
	f->id[0] = 'x' - 1;
	ask(f, CALLER, A, "poison");
	expect(f, CALLER, 0, ERR_INTERNAL, "KILLED_WORKERS");
	assert_true(f->err.outcome_unknown);
	/* Another member's message of that id is another message. */
	f->id[0] = 'x' - 1;
	ask(f, OTHER, B, "fine");
	assert_int_equal(requests_to(f, WORKER), 1);
	f->c->b->now_us += 601 * CLOCK_US_PER_S;
	f->id[0] = 'x' - 1;
	ask(f, CALLER, A, "forgiven");
	assert_int_equal(requests_to(f, WORKER), 2);
}

/* --- time --- */

static void late_answer_frees_the_worker(void **state)
{
	struct fixture *f = *state;

	join(f, WORKER, 1);
	ask(f, CALLER, A, "slow");
	for (int i = 0; i < 6; i++) {
		core_pass(f->c, 1990000);
		hello(f, WORKER, core_hello(&f->arena, 1, 0, false));
	}
	expect(f, CALLER, 0, ERR_EXPIRED, "EXPIRED_IN_FLIGHT");
	ask(f, CALLER, A, "next");
	assert_int_equal(requests_to(f, WORKER), 1);
	answer(f, WORKER, request_to(f, WORKER, 0), "late");
	assert_int_equal(core_count_to(f->c, CALLER), 1);
	assert_int_equal(requests_to(f, WORKER), 2);
	/* FINALs for nothing do not make credit. */
	answer(f, WORKER, request_to(f, WORKER, 0), "late");
	ask(f, CALLER, A, "third");
	assert_int_equal(requests_to(f, WORKER), 2);
}

/* --- drain --- */

static void drain_refuses_waits_and_ends(void **state)
{
	struct fixture *f = *state;

	join(f, WORKER, 1);
	ask(f, CALLER, A, "in flight");
	ask(f, CALLER, A, "queued");
	broker_drain(f->c->b);
	expect(f, CALLER, 0, ERR_DRAINING, "BUS_DRAINING");
	assert_false(f->err.outcome_unknown);
	ask(f, CALLER, A, "new");
	expect(f, CALLER, 1, ERR_DRAINING, "BUS_DRAINING");
	assert_false(broker_drained(f->c->b));
	answer(f, WORKER, request_to(f, WORKER, 0), "r");
	expect(f, CALLER, 2, 0, "");
	assert_true(broker_drained(f->c->b));
	join(f, WORKER2, 1);
	assert_int_equal(frame_command(&core_sent_to(f->c, WORKER2, 0)->part[2]), BUS_W_DISCONNECT);
	core_forget_sent(f->c);
	broker_dismiss(f->c->b);
	assert_int_equal(frame_command(&core_sent_to(f->c, WORKER, 0)->part[2]), BUS_W_DISCONNECT);
}

/* --- keys --- */

static void revoked_keys_are_refused_everywhere(void **state)
{
	struct fixture *f = *state;

	join(f, WORKER, 4);
	f->c->keys[A]->valid = false;
	ask(f, CALLER, A, "x");
	expect(f, CALLER, 0, ERR_DENIED, "KEY_REVOKED");
	ask(f, OTHER, -1, "x");
	expect(f, OTHER, 0, ERR_DENIED, "KEY_REVOKED");
	ask(f, OTHER, B, "in flight");
	f->c->keys[ECHO]->valid = false;
	core_forget_sent(f->c);
	hello(f, WORKER, core_hello(&f->arena, 4, 0, false));
	assert_int_equal(frame_command(&core_sent_to(f->c, WORKER, 0)->part[2]), BUS_W_DISCONNECT);
	expect(f, OTHER, 0, ERR_WORKER_LOST, "WORKER_LOST");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(request_to_the_worker_has_these_bytes),
		TEST(final_to_the_caller_has_these_bytes),
		TEST(worker_cannot_answer_for_another_message),
		TEST(broker_answers_ready_with_a_hello),
		TEST(workers_take_turns),
		TEST(credit_can_grow_shrink_and_be_lied_about),
		cmocka_unit_test_setup_teardown(queue_is_bounded_by_bytes, setup_bytes, teardown),
		cmocka_unit_test_setup_teardown(broker_is_bounded_by_bytes, setup_all_bytes,
						teardown),
		TEST(members_share_a_queue_by_bytes),
		TEST(silent_worker_is_lost_after_three_heartbeats),
		TEST(heartbeats_come_faster_to_busy_workers),
		TEST(vanished_worker_is_found_by_the_probe),
		TEST(worker_gone_at_dispatch_costs_the_request_nothing),
		TEST(redispatched_request_that_finds_no_worker_is_unknown),
		TEST(redispatch_happens_once),
		TEST(deaths_are_forgotten_after_a_while),
		TEST(late_answer_frees_the_worker),
		TEST(drain_refuses_waits_and_ends),
		TEST(revoked_keys_are_refused_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
