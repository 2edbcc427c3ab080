// with: tests/it/svc_tiny.c
/*
 * Everything a service refuses whatever it does, provoked one by one with a real broker and a real
 * database and compared with the table in docs/wire.md: status, code, outcome, and whether it says
 * when to come back. What the broker refuses is in tests/unit/test_bus_outcomes.c.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/uuid.h"
#include "tests/it/svc_tiny.h"
#include "tests/support/refusals.h"

static struct tiny t;
static struct svcd *dir;
static struct refusals *table;

static int group_setup(void **state)
{
	static const char *const one_thread[] = {"LGSP_WORKERS=1", NULL};

	(void)state;
	table = refusals_read("worker");
	tiny_setup(&t);
	dir = tiny_start(&t, "directory", one_thread, true);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	svcd_free(dir);
	tiny_teardown(&t);
	refusals_free(table);
	return 0;
}

/* The last call was refused with this code, as the table has it. */
static void expect(const char *code)
{
	assert_string_equal(err_code(&t.err), code);
	refusals_note(table, &t.err);
}

/* --- admission --- */

static void not_for_this_caller(void **state)
{
	Bus__OnBehalfOf person = BUS__ON_BEHALF_OF__INIT;
	const char *citizen[] = {"citizen"}, *officer[] = {"officer"};

	(void)state;
	tiny_call(&t, t.one_stop, "Nothing", NULL);
	expect("UNKNOWN_METHOD");
	person.subject = "somebody";
	person.roles = citizen;
	person.n_roles = 1;
	tiny_call(&t, t.gateway, "ListAgencies", &person);
	expect("EXPOSURE_DENIED");
	person.roles = officer;
	tiny_call(&t, t.gateway, "ListAgencies", &person);
	expect("ROLE_REQUIRED");
}

static void raw(struct bus_client *client, const char *method, const void *body, size_t n)
{
	struct bus_request_out req = {.service = "directory",
				      .method = method,
				      .deadline_ms = 10000,
				      .body = body,
				      .body_len = n};
	struct bus_reply_in reply;

	err_clear(&t.err);
	bus_client_call(client, &req, &t.arena, &reply, &t.err);
}

static void not_the_methods_message(void **state)
{
	(void)state;
	raw(t.one_stop, "GetUnit", "\x0a\x7f", 2);
	expect("MALFORMED_MESSAGE");
	raw(t.one_stop, "GetUnit", "\x0a\x02\xc3\x28", 4);
	expect("BAD_TEXT");
}

/* The method gives the code back, with a little around it. */
static void reply_would_be_too_large(void **state)
{
	size_t n = BUS_BODY_MAX_BYTES - 4;
	CLEANUP_FREE uint8_t *body = base_alloc(n + 4);

	(void)state;
	memset(body, 'x', n + 4);
	body[0] = 1 << 3 | 2;
	for (unsigned i = 0; i < 3; i++)
		body[1 + i] = (uint8_t)((n >> (7 * i) & 0x7f) | (i < 2 ? 0x80 : 0));
	raw(t.one_stop, "GetUnit", body, n + 4);
	expect("TOO_LARGE");
}

/* --- effects --- */

static void id_of_another_request(void **state)
{
	uint8_t id[16];

	(void)state;
	uuid_v7(id);
	assert_int_equal(tiny_appoint(&t, "first", "ok", id, NULL), 0);
	tiny_appoint(&t, "second", "ok", id, NULL);
	expect("MESSAGE_ID_REUSED");
}

static void refused_by_the_database(void **state)
{
	(void)state;
	tiny_appoint(&t, "refused-commit", "ok", NULL, NULL);
	expect("DATA_RULE_BROKEN");
	tiny_appoint(&t, "contended", "fail:1000000", NULL, NULL);
	expect("DATABASE_CONTENTION");
	tiny_appoint(&t, "dropped", "drop:1000000", NULL, NULL);
	expect("DATABASE_AWAY");
}

static void out_of_time(void **state)
{
	const struct tiny_call slow = {.client = t.operator,
				       .service = "directory",
				       .method = "AppointOfficer",
				       .deadline_ms = 1000};
	Directory__AppointOfficerRequest in = DIRECTORY__APPOINT_OFFICER_REQUEST__INIT;
	Directory__Officer officer = DIRECTORY__OFFICER__INIT;
	ProtobufCMessage *out;

	(void)state;
	officer.subject = "slow";
	officer.post = "sleep:30";
	in.officer = &officer;
	tiny_ask(&t, &slow, &in.base, &directory__appoint_officer_reply__descriptor, &out);
	expect("EXPIRED");
	/* COMMIT was on its way. */
	tiny_appoint_within(&t, 1000, "slow-commit", (const uint8_t *)"0123456789abcdef");
	expect("UNAVAILABLE");
}

static void faulty_handler(void **state)
{
	(void)state;
	tiny_appoint(&t, "x", "no_reply", NULL, NULL);
	expect("INTERNAL");
	tiny_appoint(&t, "x", "no_commit", NULL, NULL);
	expect("INTERNAL");
}

/* --- no longer wanted --- */

struct shot {
	uint8_t id[16];
	struct err err;
	bool done;
};

static void on_reply(const struct bus_reply_in *reply, const struct err *err, void *arg)
{
	struct shot *s = arg;

	(void)reply;
	s->err = *err;
	__atomic_store_n(&s->done, true, __ATOMIC_RELEASE);
}

static bool is_done(void *arg)
{
	return __atomic_load_n(&((struct shot *)arg)->done, __ATOMIC_ACQUIRE);
}

static void send_appointment(struct shot *s, const char *post)
{
	Directory__AppointOfficerRequest in = DIRECTORY__APPOINT_OFFICER_REQUEST__INIT;
	Directory__Officer officer = DIRECTORY__OFFICER__INIT;
	struct bus_request_out req = {
		.service = "directory", .method = "AppointOfficer", .deadline_ms = 10000};
	uint8_t body[128];

	officer.subject = "shot";
	officer.post = post;
	in.officer = &officer;
	uuid_v7(s->id);
	memcpy(req.message_id, s->id, 16);
	req.body = body;
	req.body_len = directory__appoint_officer_request__pack(&in, body);
	bus_client_send(t.operator, & req, on_reply, s);
}

/* One keeps the only thread busy, the other waits behind it in the service. */
static void send_two(void *arg)
{
	struct shot *two = arg;

	send_appointment(&two[0], "sleep:1");
	send_appointment(&two[1], "ok");
}

static void cancel_second(void *arg)
{
	struct shot *second = (struct shot *)arg + 1;

	bus_client_cancel(t.operator, second->id, second);
}

static bool one_waits(void *arg)
{
	(void)arg;
	return svcd_metric(dir, "lgsp_svc_queued") == 1;
}

static void cancelled_before_it_began(void **state)
{
	struct shot two[2] = {0};

	(void)state;
	busrig_run(t.rig, send_two, two);
	assert_true(svcd_until(one_waits, NULL));
	busrig_run(t.rig, cancel_second, two);
	assert_true(svcd_until(is_done, &two[0]) && svcd_until(is_done, &two[1]));
	assert_int_equal(two[0].err.status, 0);
	t.err = two[1].err;
	expect("CANCELLED");
}

/* --- feeds --- */

struct pull {
	const char *feed, *epoch;
	int64_t after;
	uint32_t wait_ms;
};

static size_t pack_pull(const struct pull *p, uint8_t *out)
{
	Feed__PullRequest in = FEED__PULL_REQUEST__INIT;

	in.feed = p->feed;
	in.epoch = p->epoch ? p->epoch : "";
	in.after = p->after;
	in.wait_ms = p->wait_ms;
	return feed__pull_request__pack(&in, out);
}

static void pull(struct bus_client *client, const struct pull *p)
{
	uint8_t body[256];

	raw(client, "Feed.Pull", body, pack_pull(p, body));
}

static void send_waiting(void *arg)
{
	const struct pull p = {.feed = "directory", .after = 1000000, .wait_ms = 3000};
	struct bus_request_out req = {
		.service = "directory", .method = "Feed.Pull", .deadline_ms = 10000};
	struct pull at = p;
	uint8_t body[256];

	at.after = pg_int(t.pg, "directory", "SELECT pos FROM feed_head");
	req.body = body;
	req.body_len = pack_pull(&at, body);
	bus_client_send(t.one_stop, &req, on_reply, arg);
}

static bool two_wait(void *arg)
{
	(void)arg;
	return svcd_metric(dir, "lgsp_feed_parked") == 2;
}

static void pulls(void **state)
{
	struct shot waiting[2] = {0};

	(void)state;
	assert_true(pg_wait_int(t.pg, "directory", "SELECT count(*)::int FROM outbox", 0, 10000));
	pull(t.one_stop, &(struct pull){.feed = "nothing"});
	expect("FEED_NOT_GRANTED");
	pull(t.operator, &(struct pull){.feed = "nothing"});
	expect("UNKNOWN_FEED");
	pull(t.one_stop, &(struct pull){.feed = "directory", .after = 1000000});
	expect("CURSOR_AHEAD");
	pull(t.one_stop, &(struct pull){.feed = "directory", .epoch = "another"});
	expect("EPOCH_CHANGED");
	for (unsigned i = 0; i < 2; i++)
		busrig_run(t.rig, send_waiting, &waiting[i]);
	assert_true(svcd_until(two_wait, NULL));
	pull(t.one_stop,
	     &(struct pull){.feed = "directory",
			    .after = pg_int(t.pg, "directory", "SELECT pos FROM feed_head"),
			    .wait_ms = 1000});
	expect("TOO_MANY_WAITING");
	for (unsigned i = 0; i < 2; i++)
		assert_true(svcd_until(is_done, &waiting[i]));
}

/* --- a clock of its own; last, for it never becomes ready --- */

static bool joined(void *arg)
{
	(void)arg;
	return busd_metric(t.bus, "lgsp_bus_workers{service=\"directory\"}") == 1;
}

static void another_business_clock(void **state)
{
	static const char *const env[] = {"LGSP_CLOCK_OFFSET_US=5000000", NULL};

	(void)state;
	svcd_free(dir);
	dir = tiny_start(&t, "directory", env, false);
	assert_true(svcd_until(joined, NULL));
	tiny_appoint(&t, "x", "ok", NULL, NULL);
	expect("CLOCK_DIFFERS");
}

static void every_row_was_provoked(void **state)
{
	(void)state;
	refusals_all_noted(table);
}

int main(int argc, char **argv)
{
	int code = tiny_main(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_for_this_caller),
		cmocka_unit_test(not_the_methods_message),
		cmocka_unit_test(reply_would_be_too_large),
		cmocka_unit_test(id_of_another_request),
		cmocka_unit_test(refused_by_the_database),
		cmocka_unit_test(out_of_time),
		cmocka_unit_test(faulty_handler),
		cmocka_unit_test(cancelled_before_it_began),
		cmocka_unit_test(pulls),
		cmocka_unit_test(another_business_clock),
		cmocka_unit_test(every_row_was_provoked),
	};

	if (code >= 0)
		return code;
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
