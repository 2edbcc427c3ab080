// with: tests/it/svc_tiny.c
/*
 * Two brokers, two processes of a service with effects in PostgreSQL, two of one that follows its
 * feed, a caller with 128 requests outstanding and one whose pulls always wait. Whatever is
 * restarted or killed meanwhile: each request ends in exactly one effect and one answer.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/uuid.h"
#include "common/wire/header.h"
#include "tests/it/svc_tiny.h"

#define OUTSTANDING 128
#define REPLICAS    2
#define DEADLINE_MS 30000

static struct tiny t;
static struct busd *bus[2];
static struct svcd *directory[REPLICAS], *task[REPLICAS];
static struct bus_client *client, *puller;
static char member[300];

/* --- the rig --- */

static struct svcd *start_replica(const char *service, unsigned i)
{
	char backend[400], callers[400], instance[64];
	const char *env[] = {backend, callers, instance, NULL};

	snprintf(backend, sizeof(backend), "LGSP_BUS_BACKEND=%s %s", busd_backend_endpoint(bus[0]),
		 busd_backend_endpoint(bus[1]));
	snprintf(callers, sizeof(callers), "LGSP_BUS_MEMBER=%s", member);
	snprintf(instance, sizeof(instance), "LGSP_INSTANCE=%s-%u", service, i + 1);
	return tiny_start(&t, service, env, true);
}

static const char *waiting_service;

static bool all_joined(void *arg)
{
	char name[64];

	snprintf(name, sizeof(name), "lgsp_bus_workers{service=\"%s\"}", waiting_service);
	return busd_metric(arg, name) == REPLICAS;
}

static void wait_joined(void)
{
	for (unsigned i = 0; i < 2; i++) {
		waiting_service = "directory";
		assert_true(svcd_until(all_joined, bus[i]));
		waiting_service = "task";
		assert_true(svcd_until(all_joined, bus[i]));
	}
}

static int group_setup(void **state)
{
	struct bus_keys keys;

	(void)state;
	tiny_setup(&t);
	bus[0] = t.bus;
	bus[1] = busd_start_beside(bus[0], "bus-2", NULL);
	snprintf(member, sizeof(member), "%s %s", busd_member_endpoint(bus[0]),
		 busd_member_endpoint(bus[1]));
	for (unsigned i = 0; i < REPLICAS; i++) {
		directory[i] = start_replica("directory", i);
		task[i] = start_replica("task", i);
	}
	keys = busd_keys(bus[0], "operator");
	client = busrig_client(t.rig, member, &keys);
	keys = busd_keys(bus[0], "one-stop");
	puller = busrig_client(t.rig, member, &keys);
	wait_joined();
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < REPLICAS; i++) {
		svcd_free(task[i]);
		svcd_free(directory[i]);
	}
	busd_free(bus[1]);
	tiny_teardown(&t);
	return 0;
}

/* --- the load --- */

/* A request until its last answer; the same id again while its outcome is UNKNOWN. */
struct request {
	struct load *load;
	uint8_t id[16];
	char subject[32];
	unsigned tries, answers;
};

struct load {
	struct request slots[OUTSTANDING];
	unsigned n_slots;
	uint32_t flags;
	bool resend; /* as a caller must; else an UNKNOWN is a failure */
	atomic_bool stopping;
	atomic_uint sent, ok, failed, resent, open;
	unsigned run;
	char failure[80];
	/* the pulls */
	atomic_uint pulled, pull_failed;
	char pull_failure[80];
	bool pulling;
};

static void request_send(struct request *r);

static void request_next(struct request *r)
{
	struct load *l = r->load;

	if (atomic_load(&l->stopping)) {
		atomic_fetch_sub(&l->open, 1);
		return;
	}
	uuid_v7(r->id);
	snprintf(r->subject, sizeof(r->subject), "r%u-%u", l->run, atomic_fetch_add(&l->sent, 1));
	r->tries = 0;
	request_send(r);
}

static void on_answer(const struct bus_reply_in *reply, const struct err *err, void *arg)
{
	struct request *r = arg;
	struct load *l = r->load;

	if (reply->status == 0) {
		atomic_fetch_add(&l->ok, 1);
	} else if (l->resend && err->outcome_unknown && r->tries < 5) {
		atomic_fetch_add(&l->resent, 1);
		request_send(r);
		return;
	} else {
		snprintf(l->failure, sizeof(l->failure), "%s %s %s", r->subject, err_code(err),
			 err->outcome_unknown ? "UNKNOWN" : "NOT_DONE");
		atomic_fetch_add(&l->failed, 1);
	}
	request_next(r);
}

static void request_send(struct request *r)
{
	Directory__AppointOfficerRequest in = DIRECTORY__APPOINT_OFFICER_REQUEST__INIT;
	Directory__Officer officer = DIRECTORY__OFFICER__INIT;
	struct bus_request_out req = {.service = "directory",
				      .method = "AppointOfficer",
				      .deadline_ms = DEADLINE_MS,
				      .flags = r->load->flags};
	uint8_t body[128];

	r->tries++;
	officer.subject = r->subject;
	officer.post = "ok";
	in.officer = &officer;
	memcpy(req.message_id, r->id, 16);
	req.body = body;
	req.body_len = directory__appoint_officer_request__pack(&in, body);
	bus_client_send(client, &req, on_answer, r);
}

static void pull_send(struct load *l);

static void on_page(const struct bus_reply_in *reply, const struct err *err, void *arg)
{
	struct load *l = arg;

	if (reply->status == 0) {
		atomic_fetch_add(&l->pulled, 1);
	} else {
		snprintf(l->pull_failure, sizeof(l->pull_failure), "%s", err_code(err));
		atomic_fetch_add(&l->pull_failed, 1);
	}
	if (!atomic_load(&l->stopping)) {
		pull_send(l);
		return;
	}
	atomic_fetch_sub(&l->open, 1);
}

/* Beyond all events, so that it waits for its time or is sent back by somebody who stops. */
static void pull_send(struct load *l)
{
	Feed__PullRequest in = FEED__PULL_REQUEST__INIT;
	struct bus_request_out req = {
		.service = "directory", .method = "Feed.Pull", .deadline_ms = DEADLINE_MS};
	uint8_t body[128];

	in.feed = "directory";
	in.after = pg_int(t.pg, "directory", "SELECT pos FROM feed_head");
	in.wait_ms = 5000;
	req.body = body;
	req.body_len = feed__pull_request__pack(&in, body);
	bus_client_send(puller, &req, on_page, l);
}

static void load_begin(void *arg)
{
	struct load *l = arg;

	for (unsigned i = 0; i < l->n_slots; i++) {
		l->slots[i].load = l;
		atomic_fetch_add(&l->open, 1);
		request_next(&l->slots[i]);
	}
	if (l->pulling) {
		atomic_fetch_add(&l->open, 1);
		pull_send(l);
	}
}

static struct load *load_start(struct load what)
{
	static unsigned runs;
	struct load *l = base_alloc(sizeof(*l));

	*l = what;
	l->run = runs++;
	if (l->n_slots == 0)
		l->n_slots = OUTSTANDING;
	busrig_run(t.rig, load_begin, l);
	return l;
}

static unsigned wanted_ok;

static bool has_answers(void *arg)
{
	return atomic_load(&((struct load *)arg)->ok) >= wanted_ok;
}

/* So many more answers: the load runs, whatever was just done. */
static void let_run(struct load *l, unsigned answers)
{
	wanted_ok = atomic_load(&l->ok) + answers;
	assert_true(svcd_until(has_answers, l));
}

static bool is_over(void *arg)
{
	return atomic_load(&((struct load *)arg)->open) == 0;
}

static int64_t done(const struct load *l, const char *what)
{
	char sql[160];

	snprintf(sql, sizeof(sql), "SELECT count(%s)::int FROM done WHERE subject LIKE 'r%u-%%'",
		 what, l->run);
	return pg_int(t.pg, "directory", sql);
}

/* Every request: one answer, OK, and one effect; every event reached the other service once. */
static void load_end(struct load *l)
{
	atomic_store(&l->stopping, true);
	assert_true(svcd_until(is_over, l));
	if (atomic_load(&l->failed) > 0)
		fail_msg("%u of %u failed, the last: %s", atomic_load(&l->failed),
			 atomic_load(&l->sent), l->failure);
	if (atomic_load(&l->pull_failed) > 0)
		fail_msg("%u pulls failed, the last: %s", atomic_load(&l->pull_failed),
			 l->pull_failure);
	assert_int_equal(atomic_load(&l->ok), atomic_load(&l->sent));
	assert_int_equal(done(l, "*"), atomic_load(&l->sent));
	assert_int_equal(done(l, "DISTINCT subject"), atomic_load(&l->sent));
	printf("# %u requests, %u sent again, %u pulls\n", atomic_load(&l->sent),
	       atomic_load(&l->resent), atomic_load(&l->pulled));
	free(l);
}

static void consumers_have_all(void)
{
	int64_t n = pg_int(t.pg, "directory", "SELECT count(*) FROM done");

	assert_true(pg_wait_int(t.pg, "task", "SELECT count(*) FROM seen", n, 30000));
	assert_int_equal(pg_int(t.pg, "task", "SELECT count(DISTINCT subject) FROM seen"), n);
}

/* --- restarts as they should be --- */

static void restart_broker(unsigned i)
{
	int64_t start_us = clock_mono_us();

	busd_signal(bus[i], SIGTERM);
	assert_int_equal(busd_wait(bus[i]), 0);
	/* It waits for no parked pull: those would take their five seconds. */
	assert_true(clock_mono_us() - start_us < 4 * CLOCK_US_PER_S);
	busd_restart(bus[i]);
	wait_joined();
}

static void restart_service(struct svcd *d)
{
	svcd_signal(d, SIGTERM);
	assert_int_equal(svcd_wait(d), 0);
	svcd_restart(d);
	wait_joined();
}

static void rolling_restart_of_everything_fails_nothing(void **state)
{
	struct load *l = load_start((struct load){.pulling = true});

	(void)state;
	let_run(l, 200);
	for (unsigned i = 0; i < 2; i++) {
		restart_broker(i);
		let_run(l, 100);
	}
	for (unsigned i = 0; i < REPLICAS; i++) {
		restart_service(directory[i]);
		let_run(l, 100);
		restart_service(task[i]);
		let_run(l, 100);
	}
	load_end(l);
	consumers_have_all();
}

/* --- deaths --- */

static void kill_broker(unsigned i)
{
	busd_kill(bus[i]);
}

static void return_broker(unsigned i)
{
	busd_restart(bus[i]);
	wait_joined();
}

static void killed_broker_loses_nothing(void **state)
{
	struct load *l = load_start((struct load){.pulling = true});

	(void)state;
	for (unsigned round = 0; round < 4; round++) {
		let_run(l, 200);
		kill_broker(round % 2);
		let_run(l, 200);
		return_broker(round % 2);
	}
	load_end(l);
	consumers_have_all();
}

/* For a moment there is none at all. */
static void both_brokers_killed_lose_nothing(void **state)
{
	struct load *l = load_start((struct load){0});

	(void)state;
	let_run(l, 200);
	kill_broker(0);
	kill_broker(1);
	busd_restart(bus[1]);
	let_run(l, 200);
	return_broker(0);
	load_end(l);
	consumers_have_all();
}

/* What may be repeated the broker repeats itself. */
static void killed_worker_loses_nothing_that_may_be_repeated(void **state)
{
	struct load *l = load_start((struct load){.flags = HEADER_FLAG_REPEATABLE});

	(void)state;
	for (unsigned i = 0; i < REPLICAS; i++) {
		let_run(l, 200);
		svcd_kill(directory[i]);
		let_run(l, 100);
		svcd_restart(directory[i]);
		wait_joined();
	}
	load_end(l);
	consumers_have_all();
}

/* For the rest the caller is told that it does not know, and asks again. */
static void killed_worker_leaves_an_honest_answer(void **state)
{
	struct load *l = load_start((struct load){.resend = true});

	(void)state;
	let_run(l, 200);
	svcd_kill(directory[0]);
	let_run(l, 100);
	svcd_restart(directory[0]);
	wait_joined();
	load_end(l);
	consumers_have_all();
}

/* A broker and a worker at once. */
static void killed_together_they_lose_nothing(void **state)
{
	struct load *l = load_start((struct load){.resend = true});

	(void)state;
	let_run(l, 200);
	busd_signal(bus[0], SIGKILL);
	svcd_kill(directory[1]);
	busd_wait(bus[0]);
	let_run(l, 100);
	svcd_restart_no_wait(directory[1]);
	return_broker(0);
	load_end(l);
	consumers_have_all();
}

/* --- slow and dead are told apart --- */

/* Nobody closes its connections: only its silence shows. */
static void frozen_broker_is_left_for_the_other(void **state)
{
	struct load *l = load_start((struct load){0});

	(void)state;
	let_run(l, 100);
	for (unsigned i = 0; i < 2; i++) {
		busd_signal(bus[i], SIGSTOP);
		let_run(l, 300);
		busd_signal(bus[i], SIGCONT);
		let_run(l, 100);
	}
	wait_joined();
	load_end(l);
	consumers_have_all();
}

static long long executions(void)
{
	static const char name[] = "lgsp_svc_calls_total{method=\"AppointOfficer\",status=\"OK\"}";
	long long n = 0;

	for (unsigned i = 0; i < REPLICAS; i++) {
		long long own = svcd_metric(directory[i], name);

		n += own > 0 ? own : 0;
	}
	return n;
}

/* Longer than its share of the deadline, at a broker that answers PING: it is asked once. */
static void slow_call_is_not_sent_twice(void **state)
{
	const struct tiny_call call = {.client = client,
				       .service = "directory",
				       .method = "AppointOfficer",
				       .deadline_ms = 6000};
	Directory__AppointOfficerRequest in = DIRECTORY__APPOINT_OFFICER_REQUEST__INIT;
	Directory__Officer officer = DIRECTORY__OFFICER__INIT;
	long long before = executions();
	ProtobufCMessage *out;

	(void)state;
	officer.subject = "slow";
	officer.post = "sleep:4";
	in.officer = &officer;
	assert_int_equal(
		tiny_ask(&t, &call, &in.base, &directory__appoint_officer_reply__descriptor, &out),
		0);
	assert_int_equal(executions(), before + 1);
}

int main(int argc, char **argv)
{
	int code = tiny_main(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rolling_restart_of_everything_fails_nothing),
		cmocka_unit_test(killed_broker_loses_nothing),
		cmocka_unit_test(both_brokers_killed_lose_nothing),
		cmocka_unit_test(killed_worker_loses_nothing_that_may_be_repeated),
		cmocka_unit_test(killed_worker_leaves_an_honest_answer),
		cmocka_unit_test(killed_together_they_lose_nothing),
		cmocka_unit_test(frozen_broker_is_left_for_the_other),
		cmocka_unit_test(slow_call_is_not_sent_twice),
	};

	if (code >= 0)
		return code;
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
