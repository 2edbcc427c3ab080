// with: services/bus/broker.c services/bus/service_queue.c services/bus/pending.c services/bus/backend.c services/bus/member.c services/bus/quota.c services/bus/admin.c services/bus/admin_report.c services/bus/admin_look.c services/bus/admin_act.c services/bus/stats.c services/bus/account.c services/bus/top.c services/bus/records.c services/bus/record_ring.c services/bus/record_store.c services/bus/errors.c services/bus/members.c tests/unit/buscore.c tests/unit/corerig.c
/*
 * CANCEL, PING, and what operators hold back, in the broker's core. With real workers and clients:
 * tests/it/test_bus_time.c.
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

static struct core_part hello_with_cancel(struct fixture *f, uint32_t credit)
{
	Bus__WorkerHello h = BUS__WORKER_HELLO__INIT;
	struct core_part part;
	uint8_t *bytes;

	h.credit = credit;
	h.instance = "echo-1";
	h.cancel = true;
	assert_int_equal(header_write(&h.base, &f->arena, &bytes, &part.n, &f->err), 0);
	part.p = bytes;
	return part;
}

static void join_with_cancel(struct fixture *f, uint8_t worker, uint32_t credit)
{
	DELIVER(f->c, SIDE_BACKEND, worker, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_READY),
		PART("echo"), hello_with_cancel(f, credit));
}

static void cancel(struct fixture *f, uint8_t peer, int member)
{
	DELIVER(f->c, SIDE_MEMBER, peer, member, PART(BUS_MDP_CLIENT), BYTE(BUS_C_CANCEL),
		BYTES(f->id, 16));
}

static unsigned commands_to(struct fixture *f, uint8_t peer, int command)
{
	unsigned n = 0;

	for (unsigned i = 0; i < core_count_to(f->c, peer); i++)
		n += frame_command(&core_sent_to(f->c, peer, i)->part[2]) == command;
	return n;
}

static int64_t late_cancels(const struct fixture *f)
{
	return metric_value(f->c->b->stats.drops[DROP_LATE_CANCEL]);
}

/* --- CANCEL --- */

static void cancelled_in_the_queue_is_never_handed_out(void **state)
{
	struct fixture *f = *state;

	join_with_cancel(f, WORKER, 1);
	core_ask(f, CALLER, A, "in hand");
	core_ask(f, CALLER, A, "queued");
	cancel(f, CALLER, A);
	core_expect(f, CALLER, 0, ERR_EXPIRED, "CANCELLED");
	assert_false(f->err.outcome_unknown);
	core_answer(f, WORKER, core_request_to(f, WORKER, 0), "r");
	assert_int_equal(core_requests_to(f, WORKER), 1);
	assert_int_equal(commands_to(f, WORKER, BUS_W_CANCEL), 0);
}

static void worker_is_told_what_it_holds_is_cancelled(void **state)
{
	struct fixture *f = *state;
	const struct frames *m;

	join_with_cancel(f, WORKER, 1);
	core_ask(f, CALLER, A, "in hand");
	core_forget_sent(f->c);
	cancel(f, CALLER, A);
	m = core_sent_to(f->c, WORKER, 0);
	assert_int_equal(m->n, 4);
	assert_true(frame_is(&m->part[1], BUS_MDP_WORKER));
	assert_int_equal(frame_command(&m->part[2]), BUS_W_CANCEL);
	assert_int_equal(frame_size(&m->part[3]), BUS_TOKEN_BYTES);
	/* The worker has the last word. */
	assert_int_equal(core_count_to(f->c, CALLER), 0);
	assert_int_equal(pending_count(f->c->b->pending), 1);
}

static void worker_that_does_not_understand_is_left_alone(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 1);
	core_ask(f, CALLER, A, "in hand");
	cancel(f, CALLER, A);
	assert_int_equal(commands_to(f, WORKER, BUS_W_CANCEL), 0);
	core_answer(f, WORKER, core_request_to(f, WORKER, 0), "r");
	core_expect(f, CALLER, 0, 0, "");
}

static void cancelled_is_not_given_to_a_second_worker(void **state)
{
	struct fixture *f = *state;

	join_with_cancel(f, WORKER, 1);
	core_ask_flags(f, CALLER, A, "again", HEADER_FLAG_REPEATABLE);
	cancel(f, CALLER, A);
	core_join(f, WORKER2, 1);
	DELIVER(f->c, SIDE_BACKEND, WORKER, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_DISCONNECT));
	assert_int_equal(core_requests_to(f, WORKER2), 0);
	core_expect(f, CALLER, 0, ERR_WORKER_LOST, "WORKER_LOST");
	assert_true(f->err.outcome_unknown);
}

/* It lost its first worker and waits for a second one: what the first did nobody knows. */
static void cancelled_between_two_workers_is_unknown(void **state)
{
	struct fixture *f = *state;

	join_with_cancel(f, WORKER, 1);
	core_ask_flags(f, CALLER, A, "again", HEADER_FLAG_REPEATABLE);
	join_with_cancel(f, WORKER2, 0);
	DELIVER(f->c, SIDE_BACKEND, WORKER, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_DISCONNECT));
	cancel(f, CALLER, A);
	core_expect(f, CALLER, 0, ERR_EXPIRED, "CANCELLED");
	assert_true(f->err.outcome_unknown);
}

static void nobody_cancels_for_another(void **state)
{
	struct fixture *f = *state;
	int64_t before;

	join_with_cancel(f, WORKER, 1);
	core_ask(f, CALLER, A, "in hand");
	core_ask(f, CALLER, A, "queued");
	core_forget_sent(f->c);
	before = late_cancels(f);
	cancel(f, OTHER, B);
	cancel(f, OTHER, -1);
	assert_int_equal(late_cancels(f), before + 2);
	assert_int_equal(pending_count(f->c->b->pending), 2);
	assert_int_equal(commands_to(f, WORKER, BUS_W_CANCEL), 0);
	/* Another connection of the same member: the request is the member's. */
	cancel(f, OTHER, A);
	core_expect(f, CALLER, 0, ERR_EXPIRED, "CANCELLED");
}

static void all_tries_of_an_id_are_cancelled(void **state)
{
	struct fixture *f = *state;

	join_with_cancel(f, WORKER, 1);
	core_ask(f, CALLER, A, "in hand");
	core_ask(f, CALLER, A, "first try");
	f->id[0]--;
	core_ask(f, OTHER, A, "second try");
	cancel(f, OTHER, A);
	core_expect(f, CALLER, 0, ERR_EXPIRED, "CANCELLED");
	core_expect(f, OTHER, 0, ERR_EXPIRED, "CANCELLED");
}

static void malformed_and_late_cancels_are_counted(void **state)
{
	struct fixture *f = *state;
	int64_t before = late_cancels(f);

	cancel(f, CALLER, A);
	DELIVER(f->c, SIDE_MEMBER, CALLER, A, PART(BUS_MDP_CLIENT), BYTE(BUS_C_CANCEL));
	DELIVER(f->c, SIDE_MEMBER, CALLER, A, PART(BUS_MDP_CLIENT), BYTE(BUS_C_CANCEL),
		PART("short"));
	DELIVER(f->c, SIDE_MEMBER, CALLER, A, PART(BUS_MDP_CLIENT), BYTE(BUS_C_CANCEL),
		BYTES(f->id, 16), PART("more"));
	assert_int_equal(late_cancels(f), before + 4);
	assert_int_equal(core_count_to(f->c, CALLER), 0);
}

/* --- PING --- */

static void ping_is_answered_to_members_only(void **state)
{
	struct fixture *f = *state;
	const struct frames *m;

	DELIVER(f->c, SIDE_MEMBER, CALLER, A, PART(BUS_MDP_CLIENT), BYTE(BUS_C_PING));
	m = core_sent_to(f->c, CALLER, 0);
	assert_int_equal(m->n, 3);
	assert_true(frame_is(&m->part[1], BUS_MDP_CLIENT));
	assert_int_equal(frame_command(&m->part[2]), BUS_C_PONG);
	DELIVER(f->c, SIDE_MEMBER, OTHER, -1, PART(BUS_MDP_CLIENT), BYTE(BUS_C_PING));
	core_expect(f, OTHER, 0, ERR_INVALID, "BAD_FRAMES");
}

/* --- operators --- */

static bool last_hello_drains(struct fixture *f, uint8_t worker)
{
	unsigned n = core_count_to(f->c, worker);
	const struct frames *m = core_sent_to(f->c, worker, n - 1);
	Bus__BrokerHello *h;

	assert_int_equal(frame_command(&m->part[2]), BUS_W_HEARTBEAT);
	assert_int_equal(header_read_broker_hello(frame_data(&m->part[3]), frame_size(&m->part[3]),
						  &f->arena, &h, &f->err),
			 0);
	return h->draining;
}

static void held_service_refuses_and_sends_elsewhere(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 1);
	core_ask(f, CALLER, A, "in hand");
	core_ask(f, CALLER, A, "queued");
	assert_int_equal(broker_hold(f->c->b, "echo", "", true), 1);
	assert_true(last_hello_drains(f, WORKER));
	core_expect(f, CALLER, 0, ERR_DRAINING, "SERVICE_DRAINING");
	assert_false(f->err.outcome_unknown);
	core_ask(f, CALLER, A, "new");
	core_expect(f, CALLER, 1, ERR_DRAINING, "SERVICE_DRAINING");
	/* What it holds it answers; who joins meanwhile is held as well. */
	core_answer(f, WORKER, core_request_to(f, WORKER, 0), "r");
	core_expect(f, CALLER, 2, 0, "");
	core_join(f, WORKER2, 1);
	core_ask(f, CALLER, A, "new");
	core_expect(f, CALLER, 3, ERR_DRAINING, "SERVICE_DRAINING");
	assert_int_equal(broker_hold(f->c->b, "echo", "", false), 2);
	assert_false(last_hello_drains(f, WORKER));
	core_ask(f, CALLER, A, "again");
	assert_int_equal(core_requests_to(f, WORKER) + core_requests_to(f, WORKER2), 2);
	assert_int_equal(broker_hold(f->c->b, "nobody", "", true), -1);
}

static void held_instance_gets_nothing_until_it_joins_anew(void **state)
{
	struct fixture *f = *state;
	Bus__WorkerHello h = BUS__WORKER_HELLO__INIT;
	uint8_t *bytes;
	size_t n;

	core_join(f, WORKER, 4); /* echo-1 */
	h.credit = 4;
	h.instance = "echo-2";
	assert_int_equal(header_write(&h.base, &f->arena, &bytes, &n, &f->err), 0);
	DELIVER(f->c, SIDE_BACKEND, WORKER2, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_READY),
		PART("echo"), BYTES(bytes, n));
	assert_int_equal(broker_hold(f->c->b, "echo", "echo-2", true), 1);
	for (int i = 0; i < 4; i++)
		core_ask(f, CALLER, A, "x");
	assert_int_equal(core_requests_to(f, WORKER), 4);
	core_ask(f, CALLER, A, "waits");
	assert_int_equal(core_requests_to(f, WORKER2), 0);
	assert_int_equal(core_count_to(f->c, CALLER), 0);
	DELIVER(f->c, SIDE_BACKEND, WORKER2, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_DISCONNECT));
	DELIVER(f->c, SIDE_BACKEND, WORKER2, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_READY),
		PART("echo"), BYTES(bytes, n));
	assert_int_equal(core_requests_to(f, WORKER2), 1);
}

static void drained_broker_can_resume(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 1);
	broker_drain(f->c->b);
	assert_true(last_hello_drains(f, WORKER));
	core_ask(f, CALLER, A, "x");
	core_expect(f, CALLER, 0, ERR_DRAINING, "BUS_DRAINING");
	broker_resume(f->c->b);
	assert_false(last_hello_drains(f, WORKER));
	core_ask(f, CALLER, A, "x");
	assert_int_equal(core_requests_to(f, WORKER), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, corerig_setup, corerig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(cancelled_in_the_queue_is_never_handed_out),
		TEST(worker_is_told_what_it_holds_is_cancelled),
		TEST(worker_that_does_not_understand_is_left_alone),
		TEST(cancelled_is_not_given_to_a_second_worker),
		TEST(cancelled_between_two_workers_is_unknown),
		TEST(nobody_cancels_for_another),
		TEST(all_tries_of_an_id_are_cancelled),
		TEST(malformed_and_late_cancels_are_counted),
		TEST(ping_is_answered_to_members_only),
		TEST(held_service_refuses_and_sends_elsewhere),
		TEST(held_instance_gets_nothing_until_it_joins_anew),
		TEST(drained_broker_can_resume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
