// with: services/bus/broker.c services/bus/service_queue.c services/bus/pending.c services/bus/backend.c services/bus/member.c services/bus/quota.c services/bus/admin.c services/bus/admin_report.c services/bus/admin_look.c services/bus/admin_act.c services/bus/stats.c services/bus/account.c services/bus/top.c services/bus/records.c services/bus/record_ring.c services/bus/record_store.c services/bus/errors.c services/bus/members.c tests/unit/buscore.c tests/unit/corerig.c
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
#include "tests/unit/corerig.h"

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

	core_join(f, WORKER, 4);
	core_ask(f, CALLER, A, "body");
	m = core_request_to(f, WORKER, 0);
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

	core_join(f, WORKER, 4);
	core_ask(f, CALLER, A, "body");
	core_answer(f, WORKER, core_request_to(f, WORKER, 0), "reply");
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

	core_join(f, WORKER, 4);
	core_ask(f, CALLER, A, "body");
	memcpy(token, frame_data(&core_request_to(f, WORKER, 0)->part[3]), 16);
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
	core_join(f, WORKER, 4);
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
	core_hello_again(f, WORKER, core_hello(&f->arena, 4, 0, true));
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

	core_join(f, WORKER, 3);
	core_join(f, WORKER2, 3);
	for (int i = 0; i < 6; i++)
		core_ask(f, CALLER, A, "x");
	assert_int_equal(core_requests_to(f, WORKER), 3);
	assert_int_equal(core_requests_to(f, WORKER2), 3);
	core_ask(f, CALLER, A, "waits");
	assert_int_equal(f->c->b->services.tqh_first->queued, 1);
	core_answer(f, WORKER2, core_request_to(f, WORKER2, 0), "r");
	assert_int_equal(core_requests_to(f, WORKER2), 4);
}

static void credit_can_grow_shrink_and_be_lied_about(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 1);
	for (int i = 0; i < 6; i++)
		core_ask(f, CALLER, A, "x");
	assert_int_equal(core_requests_to(f, WORKER), 1);
	core_hello_again(f, WORKER, core_hello(&f->arena, 3, 0, false));
	assert_int_equal(core_requests_to(f, WORKER), 3);
	/* One parked: one more. Parked beyond what it holds: no more than it holds. */
	core_hello_again(f, WORKER, core_hello(&f->arena, 3, 1, false));
	assert_int_equal(core_requests_to(f, WORKER), 4);
	core_hello_again(f, WORKER, core_hello(&f->arena, 0, 1000, false));
	assert_int_equal(core_requests_to(f, WORKER), 4);
	core_hello_again(f, WORKER, core_hello(&f->arena, 3, 0, true));
	core_answer(f, WORKER, core_request_to(f, WORKER, 0), "r");
	core_answer(f, WORKER, core_request_to(f, WORKER, 1), "r");
	assert_int_equal(core_requests_to(f, WORKER), 4); /* draining */
	core_hello_again(f, WORKER, core_hello(&f->arena, UINT32_MAX, 0, false));
	assert_int_equal(core_requests_to(f, WORKER), 6);
}

/* --- bounds --- */

static int setup_bytes(void **state)
{
	struct broker_config config = core_config();

	config.queue_bytes = 4000;
	return corerig_setup_with(state, &config);
}

static void queue_is_bounded_by_bytes(void **state)
{
	struct fixture *f = *state;
	char body[1501];

	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = 0;
	core_join(f, WORKER, 1);
	for (int i = 0; i < 4; i++)
		core_ask(f, CALLER, A, body);
	core_expect(f, CALLER, 0, ERR_BUSY, "QUEUE_FULL");
	assert_in_range(f->err.retry_after_ms, 1, 60000);
	assert_false(f->err.outcome_unknown);
}

static int setup_all_bytes(void **state)
{
	struct broker_config config = core_config();

	config.pending_bytes_max = 4000;
	return corerig_setup_with(state, &config);
}

static void broker_is_bounded_by_bytes(void **state)
{
	struct fixture *f = *state;
	char body[1501];

	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = 0;
	core_join(f, WORKER, 10);
	for (int i = 0; i < 3; i++)
		core_ask(f, CALLER, A, body);
	core_expect(f, CALLER, 0, ERR_BUSY, "BROKER_FULL");
	core_answer(f, WORKER, core_request_to(f, WORKER, 0), "r");
	core_ask(f, CALLER, A, body);
	assert_int_equal(core_requests_to(f, WORKER), 3);
}

/* Bytes count, not only requests: the one with large bodies gets fewer of them through. */
static void members_share_a_queue_by_bytes(void **state)
{
	struct fixture *f = *state;
	unsigned large = 0, small = 0;
	char body[15001];

	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = 0;
	core_join(f, WORKER, 1);
	core_ask(f, CALLER, A, "first");
	for (int i = 0; i < 20; i++) {
		core_ask(f, CALLER, A, body);
		core_ask(f, OTHER, B, "small");
	}
	for (unsigned i = 0; i < 20; i++) {
		const struct frames *m = core_request_to(f, WORKER, i);

		large += frame_size(&m->part[7]) > 1000;
		small += frame_is(&m->part[7], "small");
		core_answer(f, WORKER, m, "r");
	}
	assert_in_range(large, 3, 6);
	assert_in_range(small, 13, 16);
}

/* --- losses --- */

static void silent_worker_is_lost_after_three_heartbeats(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 4);
	core_ask(f, CALLER, A, "x");
	core_pass(f->c, 5900000);
	assert_int_equal(core_count_to(f->c, CALLER), 0);
	core_hello_again(f, WORKER, core_hello(&f->arena, 4, 0, false));
	core_pass(f->c, 3900000);
	assert_int_equal(core_count_to(f->c, CALLER), 0);
	core_ask_flags(f, CALLER, A, "y", 0);
	core_pass(f->c, 2300000);
	assert_int_equal(core_count_to(f->c, CALLER), 2);
	core_expect(f, CALLER, 0, ERR_EXPIRED, "EXPIRED_IN_FLIGHT");
	core_expect(f, CALLER, 1, ERR_WORKER_LOST, "WORKER_LOST");
	assert_true(f->err.outcome_unknown);
	/* It speaks again: it is told to join again. */
	core_forget_sent(f->c);
	core_hello_again(f, WORKER, core_hello(&f->arena, 4, 0, false));
	assert_int_equal(frame_command(&core_sent_to(f->c, WORKER, 0)->part[2]), BUS_W_DISCONNECT);
}

static void heartbeats_come_faster_to_busy_workers(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 4);
	core_forget_sent(f->c);
	core_pass(f->c, 4100000);
	assert_int_equal(core_count_to(f->c, WORKER), 2);
	core_ask(f, CALLER, A, "x");
	core_forget_sent(f->c);
	core_pass(f->c, 1100000);
	assert_int_equal(core_count_to(f->c, WORKER), 2);
}

static void vanished_worker_is_found_by_the_probe(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 4);
	core_join(f, WORKER2, 4);
	core_ask_flags(f, CALLER, A, "again", HEADER_FLAG_REPEATABLE);
	core_ask_flags(f, CALLER, A, "again", HEADER_FLAG_REPEATABLE);
	f->c->gone = WORKER;
	core_pass(f->c, 600000);
	assert_int_equal(core_requests_to(f, WORKER2), 2);
	assert_int_equal(core_count_to(f->c, CALLER), 0);
	/* The lost worker's token is worth nothing, even on the new worker's connection. */
	core_answer(f, WORKER2, core_request_to(f, WORKER, 0), "forged");
	assert_int_equal(core_count_to(f->c, CALLER), 0);
	core_answer(f, WORKER2, core_request_to(f, WORKER2, 0), "r");
	core_answer(f, WORKER2, core_request_to(f, WORKER2, 1), "r");
	assert_int_equal(core_count_to(f->c, CALLER), 2);
}

static void worker_gone_at_dispatch_costs_the_request_nothing(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 4);
	core_join(f, WORKER2, 4);
	f->c->gone = WORKER;
	core_ask(f, CALLER, A, "not repeatable");
	core_ask(f, CALLER, A, "not repeatable");
	assert_int_equal(core_requests_to(f, WORKER2), 2);
	assert_true(frame_is(&core_request_to(f, WORKER2, 0)->part[7], "not repeatable"));
	assert_int_equal(core_count_to(f->c, CALLER), 0);
}

static void redispatched_request_that_finds_no_worker_is_unknown(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 4);
	core_ask_flags(f, CALLER, A, "again", HEADER_FLAG_REPEATABLE);
	DELIVER(f->c, SIDE_BACKEND, WORKER, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_DISCONNECT));
	core_pass(f->c, 200000);
	core_expect(f, CALLER, 0, ERR_WORKER_LOST, "WORKER_LOST");
	assert_true(f->err.outcome_unknown);
}

static void redispatch_happens_once(void **state)
{
	struct fixture *f = *state;

	for (uint8_t w = WORKER; w < WORKER + 2; w++) {
		core_join(f, w, 4);
		if (w == WORKER)
			core_ask_flags(f, CALLER, A, "again", HEADER_FLAG_REPEATABLE);
	}
	for (uint8_t w = WORKER; w < WORKER + 2; w++)
		DELIVER(f->c, SIDE_BACKEND, w, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_DISCONNECT));
	/* Both said good-bye: lost, but not the request's fault. */
	core_expect(f, CALLER, 0, ERR_WORKER_LOST, "WORKER_LOST");
	assert_int_equal(broker_deaths(f->c->b, f->c->keys[A]->member, f->id), 0);
}

static void deaths_are_forgotten_after_a_while(void **state)
{
	struct fixture *f = *state;

	f->c->gone = WORKER;
	for (int i = 0; i < 2; i++) {
		uint8_t w = (uint8_t)(WORKER + i);

		core_join(f, w, 4);
		f->c->gone = 0;
		f->id[0] = 'x' - 1; /* the same message each time */
		core_ask(f, CALLER, A, "poison");
		f->c->gone = w;
		core_pass(f->c, 600000);
	}
	f->c->gone = 0;
	core_join(f, WORKER, 4);
	core_forget_sent(f->c);
	f->id[0] = 'x' - 1;
	core_ask(f, CALLER, A, "poison");
	core_expect(f, CALLER, 0, ERR_INTERNAL, "KILLED_WORKERS");
	assert_true(f->err.outcome_unknown);
	/* Another member's message of that id is another message. */
	f->id[0] = 'x' - 1;
	core_ask(f, OTHER, B, "fine");
	assert_int_equal(core_requests_to(f, WORKER), 1);
	f->c->b->now_us += 601 * CLOCK_US_PER_S;
	f->id[0] = 'x' - 1;
	core_ask(f, CALLER, A, "forgiven");
	assert_int_equal(core_requests_to(f, WORKER), 2);
}

/* --- time --- */

static void late_answer_frees_the_worker(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 1);
	core_ask(f, CALLER, A, "slow");
	for (int i = 0; i < 6; i++) {
		core_pass(f->c, 1990000);
		core_hello_again(f, WORKER, core_hello(&f->arena, 1, 0, false));
	}
	core_expect(f, CALLER, 0, ERR_EXPIRED, "EXPIRED_IN_FLIGHT");
	core_ask(f, CALLER, A, "next");
	assert_int_equal(core_requests_to(f, WORKER), 1);
	core_answer(f, WORKER, core_request_to(f, WORKER, 0), "late");
	assert_int_equal(core_count_to(f->c, CALLER), 1);
	assert_int_equal(core_requests_to(f, WORKER), 2);
	/* FINALs for nothing do not make credit. */
	core_answer(f, WORKER, core_request_to(f, WORKER, 0), "late");
	core_ask(f, CALLER, A, "third");
	assert_int_equal(core_requests_to(f, WORKER), 2);
}

/* --- drain --- */

static void drain_refuses_waits_and_ends(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 1);
	core_ask(f, CALLER, A, "in flight");
	core_ask(f, CALLER, A, "queued");
	broker_drain(f->c->b);
	core_expect(f, CALLER, 0, ERR_DRAINING, "BUS_DRAINING");
	assert_false(f->err.outcome_unknown);
	core_ask(f, CALLER, A, "new");
	core_expect(f, CALLER, 1, ERR_DRAINING, "BUS_DRAINING");
	assert_false(broker_drained(f->c->b));
	core_answer(f, WORKER, core_request_to(f, WORKER, 0), "r");
	core_expect(f, CALLER, 2, 0, "");
	assert_true(broker_drained(f->c->b));
	core_join(f, WORKER2, 1);
	assert_int_equal(frame_command(&core_sent_to(f->c, WORKER2, 0)->part[2]), BUS_W_DISCONNECT);
	core_forget_sent(f->c);
	broker_dismiss(f->c->b);
	assert_int_equal(frame_command(&core_sent_to(f->c, WORKER, 0)->part[2]), BUS_W_DISCONNECT);
}

/* --- keys --- */

static void a_revoked_key_gets_nothing_more(void **state)
{
	struct fixture *f = *state;
	struct member_key *key = f->c->keys[A];

	core_join(f, WORKER, 1);
	core_ask(f, CALLER, A, "in flight");
	core_ask(f, CALLER, A, "queued");
	core_ask(f, OTHER, B, "queued behind");
	key->valid = false;
	core_forget_sent(f->c);
	broker_rights_changed(f->c->b);
	assert_int_equal(pending_count(f->c->b->pending), 1);
	assert_int_equal(key->member->quota.in_flight, 0);
	assert_int_equal(core_count_to(f->c, CALLER), 0);
	/* The worker is still busy with the first; then it gets the other member's. */
	assert_int_equal(core_requests_to(f, WORKER), 0);
	core_pass(f->c, 20000000);
	assert_int_equal(core_count_to(f->c, CALLER), 0);
}

static void keys_and_services_end_at_midnight(void **state)
{
	struct fixture *f = *state;
	struct member_key *key = f->c->keys[A];

	core_join(f, WORKER, 1);
	core_ask(f, CALLER, A, "over night");
	key->valid_until = f->c->b->today;
	core_forget_sent(f->c);
	broker_set_today(f->c->b, f->c->b->today + 1);
	assert_false(key->valid);
	assert_true(f->c->keys[B]->valid);
	assert_int_equal(pending_count(f->c->b->pending), 0);
	assert_int_equal(core_count_to(f->c, CALLER), 0);
	broker_set_today(f->c->b, f->c->b->today - 1);
	assert_true(key->valid);
	key->valid_until = INT32_MAX;
}

static void revoked_keys_are_refused_everywhere(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 4);
	f->c->keys[A]->valid = false;
	core_ask(f, CALLER, A, "x");
	core_expect(f, CALLER, 0, ERR_DENIED, "KEY_REVOKED");
	core_ask(f, OTHER, -1, "x");
	core_expect(f, OTHER, 0, ERR_DENIED, "KEY_REVOKED");
	core_ask(f, OTHER, B, "in flight");
	f->c->keys[ECHO]->valid = false;
	core_forget_sent(f->c);
	core_hello_again(f, WORKER, core_hello(&f->arena, 4, 0, false));
	assert_int_equal(frame_command(&core_sent_to(f->c, WORKER, 0)->part[2]), BUS_W_DISCONNECT);
	core_expect(f, OTHER, 0, ERR_WORKER_LOST, "WORKER_LOST");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, corerig_setup, corerig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(request_to_the_worker_has_these_bytes),
		TEST(final_to_the_caller_has_these_bytes),
		TEST(worker_cannot_answer_for_another_message),
		TEST(broker_answers_ready_with_a_hello),
		TEST(workers_take_turns),
		TEST(credit_can_grow_shrink_and_be_lied_about),
		cmocka_unit_test_setup_teardown(queue_is_bounded_by_bytes, setup_bytes,
						corerig_teardown),
		cmocka_unit_test_setup_teardown(broker_is_bounded_by_bytes, setup_all_bytes,
						corerig_teardown),
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
		TEST(a_revoked_key_gets_nothing_more),
		TEST(keys_and_services_end_at_midnight),
		TEST(revoked_keys_are_refused_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
