// with: services/bus/broker.c services/bus/service_queue.c services/bus/pending.c services/bus/backend.c services/bus/member.c services/bus/quota.c services/bus/admin.c services/bus/admin_report.c services/bus/admin_look.c services/bus/admin_act.c services/bus/stats.c services/bus/account.c services/bus/top.c services/bus/records.c services/bus/record_ring.c services/bus/record_store.c services/bus/errors.c services/bus/members.c tests/unit/buscore.c tests/unit/corerig.c
/*
 * Everything the broker refuses, provoked one by one in its core and compared with the table in
 * docs/wire.md: status, code, outcome, and whether it says when to come back. What services refuse
 * is in tests/it/test_bus_outcomes.c.
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
#include "common/wire/header.h"
#include "tests/support/refusals.h"
#include "tests/unit/corerig.h"

#define SOURCE_MAX 65536

static struct refusals *table;

static int read_table(void **state)
{
	(void)state;
	table = refusals_read("broker");
	return 0;
}

static int free_table(void **state)
{
	(void)state;
	refusals_free(table);
	return 0;
}

static int setup(void **state)
{
	struct broker_config config = core_config();

	config.queue_entries = 4;
	config.queue_share = 3;
	config.queue_bytes = 100000;
	config.pending_max = 12;
	return corerig_setup_with(state, &config);
}

/* The i-th answer to the peer is a refusal with this code, as the table has it. */
static void expect(struct fixture *f, uint8_t peer, unsigned i, const char *code)
{
	core_status(core_sent_to(f->c, peer, i), &f->err);
	assert_string_equal(err_code(&f->err), code);
	refusals_note(table, &f->err);
}

struct ask {
	const char *method, *purpose;
	const Bus__OnBehalfOf *person;
	uint32_t deadline_ms;
	size_t body;
};

static void ask(struct fixture *f, int member, struct ask what)
{
	Bus__RequestHeader h = BUS__REQUEST_HEADER__INIT;
	void *body = arena_calloc(&f->arena, what.body + 1, 1);
	uint8_t *bytes;
	size_t n;

	h.message_id = (ProtobufCBinaryData){.data = f->id, .len = 16};
	h.method = what.method ? what.method : "Say";
	h.purpose = what.purpose ? what.purpose : "";
	h.deadline_ms = what.deadline_ms ? what.deadline_ms : 100;
	h.on_behalf_of = (Bus__OnBehalfOf *)(uintptr_t)what.person;
	assert_int_equal(header_write(&h.base, &f->arena, &bytes, &n, &f->err), 0);
	DELIVER(f->c, SIDE_MEMBER, CALLER, member, PART(BUS_MDP_CLIENT), BYTE(BUS_C_REQUEST),
		PART("echo"), BYTES(bytes, n), BYTES(body, what.body));
}

static void cancel(struct fixture *f)
{
	DELIVER(f->c, SIDE_MEMBER, CALLER, A, PART(BUS_MDP_CLIENT), BYTE(BUS_C_CANCEL),
		BYTES(f->id, 16));
}

static void leave(struct fixture *f, uint8_t worker)
{
	DELIVER(f->c, SIDE_BACKEND, worker, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_DISCONNECT));
}

/* A request that lost its worker and waits for a second one, which has no credit. */
static void lose_one(struct fixture *f)
{
	core_join(f, WORKER, 1);
	core_ask_flags(f, CALLER, A, "again", HEADER_FLAG_REPEATABLE);
	core_join(f, WORKER2, 0);
	leave(f, WORKER);
	core_forget_sent(f->c);
}

/* --- what is no request --- */

static void malformed(void **state)
{
	struct fixture *f = *state;

	DELIVER(f->c, SIDE_MEMBER, CALLER, A, PART(BUS_MDP_CLIENT), BYTE(9));
	expect(f, CALLER, 0, "BAD_FRAMES");
	ask(f, A, (struct ask){.deadline_ms = HEADER_DEADLINE_MAX_MS + 1});
	expect(f, CALLER, 1, "BAD_HEADER");
}

/* --- rights --- */

static void denied(void **state)
{
	struct fixture *f = *state;
	Bus__OnBehalfOf person = BUS__ON_BEHALF_OF__INIT;

	person.subject = "somebody";
	core_join(f, WORKER, 9);
	core_forget_sent(f->c);
	ask(f, -1, (struct ask){0});
	expect(f, CALLER, 0, "KEY_REVOKED");
	ask(f, A, (struct ask){.method = "Erase"});
	expect(f, CALLER, 1, "NOT_GRANTED");
	ask(f, A, (struct ask){.method = "Old"});
	expect(f, CALLER, 2, "GRANT_NOT_IN_FORCE");
	ask(f, A, (struct ask){.method = "Look"});
	expect(f, CALLER, 3, "PURPOSE_REQUIRED");
	ask(f, A, (struct ask){.method = "Look", .purpose = "gossip"});
	expect(f, CALLER, 4, "PURPOSE_NOT_GRANTED");
	ask(f, A, (struct ask){.person = &person});
	expect(f, CALLER, 5, "ACTS_FOR_NOT_GRANTED");
	assert_int_equal(core_requests_to(f, WORKER), 0);
}

static void too_large(void **state)
{
	struct fixture *f = *state;
	Bus__OnBehalfOf person = BUS__ON_BEHALF_OF__INIT;
	char subject[4064];

	core_join(f, WORKER, 9);
	ask(f, A, (struct ask){.body = BUS_BODY_MAX_BYTES + 1});
	expect(f, CALLER, 0, "BODY_TOO_LARGE");
	/* As long as the request's header allows: longer with the member's name. */
	memset(subject, 's', sizeof(subject) - 1);
	subject[sizeof(subject) - 1] = 0;
	person.subject = subject;
	ask(f, B, (struct ask){.method = "S", .person = &person});
	expect(f, CALLER, 1, "TOO_LARGE");
	assert_int_equal(pending_count(f->c->b->pending), 0);
}

/* --- limits --- */

static void over_a_members_limit(void **state)
{
	struct fixture *f = *state;
	struct member *a = f->c->keys[A]->member;

	core_join(f, WORKER, 9);
	a->limits = (struct quota_limits){.bytes_in_flight = 1000};
	ask(f, A, (struct ask){.body = 1000});
	expect(f, CALLER, 0, "MEMBER_BYTES");
	a->limits = (struct quota_limits){.in_flight = 1};
	ask(f, A, (struct ask){0});
	ask(f, A, (struct ask){0});
	expect(f, CALLER, 1, "MEMBER_IN_FLIGHT");
	a->limits = (struct quota_limits){.requests_per_s = 1, .burst = 1};
	ask(f, A, (struct ask){0});
	ask(f, A, (struct ask){0});
	expect(f, CALLER, 2, "MEMBER_RATE");
}

static void over_a_queues_limit(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 1);
	core_ask_flags(f, CALLER, A, "in hand", 0);
	core_ask_flags(f, CALLER, A, "x", HEADER_FLAG_NO_QUEUE);
	expect(f, CALLER, 0, "NO_FREE_WORKER");
	for (int i = 0; i < 4; i++)
		core_ask(f, CALLER, A, "x");
	expect(f, CALLER, 1, "QUEUE_SHARE_FULL");
	core_ask(f, OTHER, B, "x");
	core_ask(f, OTHER, B, "displaces one");
	expect(f, CALLER, 2, "QUEUE_SHARE_FULL");
	core_ask(f, OTHER, B, "x");
	expect(f, OTHER, 0, "QUEUE_FULL");
	ask(f, A, (struct ask){.body = 100000});
	expect(f, CALLER, 3, "QUEUE_FULL");
}

static void over_the_brokers_limit(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 20);
	for (int i = 0; i < 13; i++)
		core_ask(f, CALLER, A, "x");
	expect(f, CALLER, 0, "BROKER_FULL");
	core_pass(f->c, 11 * CLOCK_US_PER_S);
	core_forget_sent(f->c);
	core_join(f, WORKER2, 20);
	for (int i = 0; i < 2; i++)
		ask(f, A, (struct ask){.body = 600000});
	expect(f, CALLER, 0, "BROKER_FULL");
}

/* --- nobody there --- */

static void no_service(void **state)
{
	struct fixture *f = *state;

	core_ask(f, CALLER, A, "x");
	expect(f, CALLER, 0, "NO_SERVICE");
	/* It was there, and went while a request waited. */
	core_join(f, WORKER, 0);
	core_ask(f, CALLER, A, "x");
	leave(f, WORKER);
	core_pass(f->c, 200000);
	expect(f, CALLER, 1, "NO_SERVICE");
}

static void draining(void **state)
{
	struct fixture *f = *state;

	lose_one(f);
	broker_hold(f->c->b, "echo", "", true);
	expect(f, CALLER, 0, "SERVICE_DRAINING");
	assert_true(f->err.outcome_unknown);
	core_ask(f, CALLER, A, "x");
	expect(f, CALLER, 1, "SERVICE_DRAINING");
	assert_false(f->err.outcome_unknown);
	broker_hold(f->c->b, "echo", "", false);
	leave(f, WORKER2);
	lose_one(f);
	broker_drain(f->c->b);
	expect(f, CALLER, 0, "BUS_DRAINING");
	assert_true(f->err.outcome_unknown);
	core_ask(f, CALLER, A, "x");
	expect(f, CALLER, 1, "BUS_DRAINING");
	assert_false(f->err.outcome_unknown);
}

/* --- time --- */

static void expired(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 1);
	core_ask(f, CALLER, A, "in hand");
	core_ask(f, CALLER, A, "queued");
	for (int i = 0; i < 6; i++) {
		core_pass(f->c, 2 * CLOCK_US_PER_S);
		core_hello_again(f, WORKER, core_hello(&f->arena, 1, 0, false));
	}
	expect(f, CALLER, 0, "EXPIRED_IN_FLIGHT");
	assert_true(f->err.outcome_unknown);
	expect(f, CALLER, 1, "EXPIRED_IN_QUEUE");
	assert_false(f->err.outcome_unknown);
	leave(f, WORKER);
	lose_one(f);
	for (int i = 0; i < 6; i++) {
		core_pass(f->c, 2 * CLOCK_US_PER_S);
		core_hello_again(f, WORKER2, core_hello(&f->arena, 0, 0, false));
	}
	expect(f, CALLER, 0, "EXPIRED_IN_QUEUE");
	assert_true(f->err.outcome_unknown);
}

static void cancelled(void **state)
{
	struct fixture *f = *state;

	lose_one(f);
	cancel(f);
	expect(f, CALLER, 0, "CANCELLED");
	assert_true(f->err.outcome_unknown);
	core_ask(f, CALLER, A, "queued");
	cancel(f);
	expect(f, CALLER, 1, "CANCELLED");
	assert_false(f->err.outcome_unknown);
}

/* --- workers --- */

static void lost(void **state)
{
	struct fixture *f = *state;

	core_join(f, WORKER, 1);
	core_ask(f, CALLER, A, "x");
	leave(f, WORKER);
	expect(f, CALLER, 0, "WORKER_LOST");
}

/* Two die, and the third is spared. */
static void killed_two(void **state)
{
	struct fixture *f = *state;

	for (uint8_t w = WORKER; w < WORKER + 2; w++) {
		core_join(f, w, 1);
		f->id[0] = 'x' - 1;
		core_ask(f, CALLER, A, "poison");
		f->c->gone = w;
		core_pass(f->c, 600000);
		f->c->gone = 0;
	}
	expect(f, CALLER, 0, "WORKER_LOST");
	expect(f, CALLER, 1, "KILLED_WORKERS");
	core_join(f, WORKER, 1);
	f->id[0] = 'x' - 1;
	core_ask(f, CALLER, A, "poison");
	expect(f, CALLER, 2, "KILLED_WORKERS");
	assert_int_equal(core_requests_to(f, WORKER), 1);
}

static void bad_reply(void **state)
{
	struct fixture *f = *state;
	uint8_t token[16];

	core_join(f, WORKER, 1);
	core_ask(f, CALLER, A, "x");
	memcpy(token, frame_data(&core_request_to(f, WORKER, 0)->part[3]), 16);
	DELIVER(f->c, SIDE_BACKEND, WORKER, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_FINAL),
		BYTES(token, 16), PART(""), PART("no header"), PART("x"));
	expect(f, CALLER, 0, "BAD_REPLY");
}

/* --- the table itself --- */

/* Each kind in errors.c: {ERR_NAME, "CODE", …}. */
static void every_kind_stands_in_the_table(void **state)
{
	CLEANUP_FREE char *text = base_alloc(SOURCE_MAX);
	CLEANUP_FILE FILE *file = fopen("services/bus/errors.c", "re");
	unsigned n = 0;

	(void)state;
	assert_non_null(file);
	text[fread(text, 1, SOURCE_MAX - 1, file)] = 0;
	for (const char *at = text; (at = strstr(at, "ERR_")); at++) {
		char status[32], code[48];
		bool found = false;

		assert_int_equal(sscanf(at, "ERR_%31[A-Z_], \"%47[A-Z_]\"", status, code), 2);
		for (int i = 2; i <= 13 && !found; i++)
			found = strcmp(err_status_name(-i), status) == 0 &&
				refusals_have(table, code, -i);
		if (!found)
			fail_msg("docs/wire.md does not have %s as %s", code, status);
		n++;
	}
	assert_true(n > 15);
}

static void every_row_was_provoked(void **state)
{
	(void)state;
	refusals_all_noted(table);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, corerig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(malformed),
		TEST(denied),
		TEST(too_large),
		TEST(over_a_members_limit),
		TEST(over_a_queues_limit),
		TEST(over_the_brokers_limit),
		TEST(no_service),
		TEST(draining),
		TEST(expired),
		TEST(cancelled),
		TEST(lost),
		TEST(killed_two),
		TEST(bad_reply),
		cmocka_unit_test(every_kind_stands_in_the_table),
		cmocka_unit_test(every_row_was_provoked),
	};

	return cmocka_run_group_tests(tests, read_table, free_table);
}
