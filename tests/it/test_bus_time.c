// with: tests/it/svc_tiny.c
/*
 * Time on the bus with a real broker, a real service of one thread and a real database: what
 * expires or is cancelled before a thread has taken it is never begun; what has begun is answered
 * truthfully. The database counts what was done.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/uuid.h"
#include "tests/it/svc_tiny.h"

static struct tiny t;
static struct svcd *dir;

static int group_setup(void **state)
{
	static const char *const one_thread[] = {"LGSP_WORKERS=1", NULL};

	(void)state;
	tiny_setup(&t);
	dir = tiny_start(&t, "directory", one_thread, true);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	svcd_free(dir);
	tiny_teardown(&t);
	return 0;
}

/* --- calls that are sent and awaited apart --- */

struct shot {
	struct bus_client *client;
	const char *subject, *post;
	uint32_t deadline_ms;
	uint8_t id[16];
	uint8_t body[256];
	int status;
	char code[48];
	bool unknown, done;
};

static void on_reply(const struct bus_reply_in *reply, const struct err *err, void *arg)
{
	struct shot *s = arg;

	s->status = reply->status;
	s->unknown = err->outcome_unknown;
	snprintf(s->code, sizeof(s->code), "%s", err_code(err));
	__atomic_store_n(&s->done, true, __ATOMIC_RELEASE);
}

static void shoot(void *arg)
{
	struct shot *s = arg;
	Directory__AppointOfficerRequest in = DIRECTORY__APPOINT_OFFICER_REQUEST__INIT;
	Directory__Officer officer = DIRECTORY__OFFICER__INIT;
	struct bus_request_out req = {.service = "directory",
				      .method = "AppointOfficer",
				      .deadline_ms = s->deadline_ms,
				      .body = s->body};

	officer.subject = s->subject;
	officer.post = s->post;
	in.officer = &officer;
	memcpy(req.message_id, s->id, 16);
	req.body_len = directory__appoint_officer_request__pack(&in, s->body);
	bus_client_send(s->client, &req, on_reply, s);
}

static void send_shot(struct shot *s, const char *subject, const char *post, uint32_t deadline_ms)
{
	*s = (struct shot){
		.client = t.operator, .subject = subject, .post = post, .deadline_ms = deadline_ms};
	uuid_v7(s->id);
	busrig_run(t.rig, shoot, s);
}

static bool is_done(void *arg)
{
	return __atomic_load_n(&((struct shot *)arg)->done, __ATOMIC_ACQUIRE);
}

static void land(struct shot *s, int status, const char *code, bool unknown)
{
	assert_true(svcd_until(is_done, s));
	assert_string_equal(s->code, code);
	assert_int_equal(s->status, status);
	assert_int_equal(s->unknown, unknown);
}

static void cancel_now(void *arg)
{
	struct shot *s = arg;

	bus_client_cancel(s->client, s->id, s);
}

static bool is_queued_in_the_service(void *arg)
{
	(void)arg;
	return svcd_metric(dir, "lgsp_svc_queued") == 1;
}

/* The only thread is busy, and the broker has handed out one more. */
static void occupy(struct shot *busy, struct shot *behind, uint32_t deadline_ms)
{
	send_shot(busy, "busy", "sleep:1.5", 10000);
	assert_true(pg_wait_int(t.pg, "directory",
				"SELECT count(*)::int FROM pg_stat_activity WHERE query LIKE "
				"'%misbehave%' AND state = 'active' AND pid <> pg_backend_pid()",
				1, 10000));
	send_shot(behind, "behind", "ok", deadline_ms);
	assert_true(svcd_until(is_queued_in_the_service, NULL));
}

static int64_t done(const char *subject)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT count(*)::int FROM done WHERE subject = '%s'", subject);
	return pg_int(t.pg, "directory", sql);
}

static long long not_begun(const char *code)
{
	char name[64];
	long long n;

	snprintf(name, sizeof(name), "lgsp_svc_not_begun_total{code=\"%s\"}", code);
	n = svcd_metric(dir, name);
	return n < 0 ? 0 : n;
}

static bool has_not_begun(void *arg)
{
	return not_begun("EXPIRED") == *(long long *)arg;
}

/* --- */

static void what_expired_before_a_thread_took_it_is_not_begun(void **state)
{
	long long want = not_begun("EXPIRED") + 1;
	struct shot busy, behind;

	(void)state;
	occupy(&busy, &behind, 700);
	/* The broker cannot know that nothing was begun; the worker's word comes too late. */
	land(&behind, ERR_EXPIRED, "EXPIRED_IN_FLIGHT", true);
	land(&busy, 0, "", false);
	assert_true(svcd_until(has_not_begun, &want));
	assert_int_equal(done("behind"), 0);
	assert_true(busd_metric(t.bus, "lgsp_bus_dropped_total{reason=\"late_reply\"}") >= 1);
}

static void what_is_cancelled_before_a_thread_took_it_is_not_begun(void **state)
{
	long long before = not_begun("CANCELLED");
	struct shot busy, behind;

	(void)state;
	occupy(&busy, &behind, 10000);
	busrig_run(t.rig, cancel_now, &behind);
	land(&behind, ERR_EXPIRED, "CANCELLED", false);
	land(&busy, 0, "", false);
	assert_int_equal(not_begun("CANCELLED"), before + 1);
	assert_int_equal(done("behind"), 0);
}

static void what_has_begun_is_answered_though_cancelled(void **state)
{
	int64_t before = done("busy");
	struct shot busy, behind;

	(void)state;
	occupy(&busy, &behind, 10000);
	busrig_run(t.rig, cancel_now, &busy);
	land(&busy, 0, "", false);
	land(&behind, 0, "", false);
	assert_int_equal(done("busy"), before + 1);
	assert_int_equal(done("behind"), 1);
}

/* With a credit of three, the fifth waits in the broker. */
static void cancelled_in_the_broker_is_answered_at_once(void **state)
{
	struct shot shots[5];
	int64_t start_us;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shots); i++)
		send_shot(&shots[i], i == 4 ? "fifth" : "first", i == 0 ? "sleep:2" : "ok", 10000);
	while (busd_metric(t.bus, "lgsp_bus_queued{service=\"directory\"}") < 2)
		assert_false(__atomic_load_n(&shots[0].done, __ATOMIC_ACQUIRE));
	start_us = clock_mono_us();
	busrig_run(t.rig, cancel_now, &shots[4]);
	land(&shots[4], ERR_EXPIRED, "CANCELLED", false);
	assert_true(clock_mono_us() - start_us < CLOCK_US_PER_S);
	for (size_t i = 0; i < 4; i++)
		land(&shots[i], 0, "", false);
	assert_int_equal(done("fifth"), 0);
}

/* --- a parked pull --- */

static void send_pull(void *arg)
{
	struct shot *s = arg;
	Feed__PullRequest in = FEED__PULL_REQUEST__INIT;
	struct bus_request_out req = {.service = "directory",
				      .method = "Feed.Pull",
				      .deadline_ms = 20000,
				      .body = s->body};

	in.feed = "directory";
	in.after = pg_int(t.pg, "directory", "SELECT pos FROM feed_head");
	in.wait_ms = 5000;
	memcpy(req.message_id, s->id, 16);
	req.body_len = feed__pull_request__pack(&in, s->body);
	bus_client_send(s->client, &req, on_reply, s);
}

static bool is_parked(void *arg)
{
	(void)arg;
	return svcd_metric(dir, "lgsp_feed_parked") == 1;
}

static void park(struct shot *s)
{
	assert_true(pg_wait_int(t.pg, "directory", "SELECT count(*)::int FROM outbox", 0, 10000));
	*s = (struct shot){.client = t.one_stop};
	uuid_v7(s->id);
	busrig_run(t.rig, send_pull, s);
	assert_true(svcd_until(is_parked, NULL));
}

static void cancelled_pull_is_answered_at_once(void **state)
{
	int64_t start_us;
	struct shot pull;

	(void)state;
	park(&pull);
	start_us = clock_mono_us();
	busrig_run(t.rig, cancel_now, &pull);
	land(&pull, 0, "", false);
	assert_true(clock_mono_us() - start_us < 2 * CLOCK_US_PER_S);
}

/* Last: it ends the broker. */
static void parked_pulls_do_not_hold_up_a_broker_that_stops(void **state)
{
	int64_t start_us;
	struct shot pull;

	(void)state;
	park(&pull);
	start_us = clock_mono_us();
	busd_signal(t.bus, SIGTERM);
	assert_int_equal(busd_wait(t.bus), 0);
	assert_true(clock_mono_us() - start_us < 2 * CLOCK_US_PER_S);
	land(&pull, 0, "", false);
	busd_restart(t.bus);
}

int main(int argc, char **argv)
{
	int code = tiny_main(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_expired_before_a_thread_took_it_is_not_begun),
		cmocka_unit_test(what_is_cancelled_before_a_thread_took_it_is_not_begun),
		cmocka_unit_test(what_has_begun_is_answered_though_cancelled),
		cmocka_unit_test(cancelled_in_the_broker_is_answered_at_once),
		cmocka_unit_test(cancelled_pull_is_answered_at_once),
		cmocka_unit_test(parked_pulls_do_not_hold_up_a_broker_that_stops),
	};

	if (code >= 0)
		return code;
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
