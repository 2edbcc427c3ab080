/*
 * The broker, the client and the worker as services use them: a real lgsp-bus process, callers on
 * this thread, workers in a loop or, where they must die, in processes of their own. What no honest
 * peer sends is in test_bus_hostile.c; two brokers, reloads and operators are in
 * test_bus_operation.c.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/uuid.h"
#include "common/wire/header.h"
#include "tests/support/bustest.h"

static int setup_tight(void **state)
{
	static const char *const env[] = {"LGSP_QUEUE_ENTRIES=3", "LGSP_QUEUE_SHARE=2", NULL};

	return bustest_setup_with(state, env);
}

/* A service without workers is given up almost at once. */
static int setup_impatient(void **state)
{
	static const char *const env[] = {"LGSP_GRACE_MS=300", NULL};

	return bustest_setup_with(state, env);
}

static int setup_small(void **state)
{
	static const char *const env[] = {"LGSP_PENDING_MAX=16", NULL};

	return bustest_setup_with(state, env);
}

/* --- plain --- */

static void request_is_answered(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Say", "xin chào");

	bustest_echo(f, &f->echo, 4);
	assert_int_equal(bustest_call(f, f->caller, &req), 0);
	assert_int_equal(f->reply.body_len, strlen("xin chào"));
	assert_memory_equal(f->reply.body, "xin chào", f->reply.body_len);
	assert_string_equal(f->reply.served_by, "echo/echo-1");
	assert_string_equal(f->echo.member, CALLER);
	assert_string_equal(f->echo.subject, "");
	assert_int_equal(f->echo.attempt, 1);
	assert_true(f->echo.left_us > 15 * CLOCK_US_PER_S);
	assert_true(f->echo.left_us < 20 * CLOCK_US_PER_S);
}

static void large_and_empty_bodies_pass(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Say", "");
	CLEANUP_FREE char *body = base_alloc(BUS_BODY_MAX_BYTES + 1);

	bustest_echo(f, &f->echo, 4);
	assert_int_equal(bustest_call(f, f->caller, &req), 0);
	assert_int_equal(f->reply.body_len, 0);
	memset(body, 'x', BUS_BODY_MAX_BYTES);
	req.body = body;
	req.body_len = BUS_BODY_MAX_BYTES;
	assert_int_equal(bustest_call(f, f->caller, &req), 0);
	assert_int_equal(f->reply.body_len, BUS_BODY_MAX_BYTES);
	req.body_len++;
	assert_int_equal(bustest_call(f, f->caller, &req), ERR_TOO_LARGE);
	assert_false(f->err.outcome_unknown);
}

static void replies_find_their_requests(void **state)
{
	struct fixture *f = *state;
	struct flight *flights[200];
	char body[16];

	bustest_echo(f, &f->echo, 64);
	for (unsigned i = 0; i < ARRAY_LEN(flights); i++) {
		snprintf(body, sizeof(body), "n%u", i);
		flights[i] = bustest_send(f, f->caller, bustest_request("Say", body));
	}
	for (unsigned i = 0; i < ARRAY_LEN(flights); i++)
		bustest_land(flights[i], 0, "", false);
}

static void credit_bounds_what_a_worker_holds(void **state)
{
	struct fixture *f = *state;
	struct flight *flights[5];

	bustest_echo(f, &f->echo, 2);
	for (unsigned i = 0; i < ARRAY_LEN(flights); i++)
		flights[i] = bustest_send(f, f->caller, bustest_request("Hold", "b"));
	bustest_wait_held(&f->echo, 2);
	bustest_wait_metric(f, "lgsp_bus_queued{service=\"echo\"}", 3);
	assert_int_equal(f->echo.seen, 2);
	bustest_let_go(&f->echo);
	bustest_wait_seen(&f->echo, 4);
	bustest_let_go(&f->echo);
	bustest_wait_seen(&f->echo, 5);
	bustest_let_go(&f->echo);
	for (unsigned i = 0; i < ARRAY_LEN(flights); i++)
		bustest_land(flights[i], 0, "", false);
}

static void parked_request_gives_its_credit_back(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Say", "s");
	struct flight *parked;

	f->echo.park = true;
	bustest_echo(f, &f->echo, 1);
	parked = bustest_send(f, f->caller, bustest_request("Hold", "h"));
	bustest_wait_held(&f->echo, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(bustest_call(f, f->caller, &req), 0);
	bustest_let_go(&f->echo);
	bustest_land(parked, 0, "", false);
	assert_int_equal(bustest_call(f, f->caller, &req), 0);
}

/* --- refusals --- */

static void no_worker_is_no_service(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Say", "x");

	assert_int_equal(bustest_call(f, f->caller, &req), ERR_NO_SERVICE);
	assert_code(f, "NO_SERVICE");
	assert_false(f->err.outcome_unknown);
	assert_true(f->err.retry_after_ms > 0);
	req.service = "nobody";
	assert_int_equal(bustest_call(f, f->caller, &req), ERR_NO_SERVICE);
}

/* Whoever starts first waits for the other: nothing else orders the processes of the suite. */
static void request_waits_for_a_service_that_starts(void **state)
{
	struct fixture *f = *state;
	struct flight *fl = bustest_send(f, f->caller, bustest_request("Say", "early"));

	bustest_wait_metric(f, "lgsp_bus_queued{service=\"echo\"}", 1);
	bustest_echo(f, &f->echo, 4);
	bustest_land(fl, 0, "", false);
}

static void rights_are_needed(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Erase", "x");

	bustest_echo(f, &f->echo, 4);
	assert_int_equal(bustest_call(f, f->caller, &req), ERR_DENIED);
	assert_code(f, "NOT_GRANTED");
	assert_false(f->err.outcome_unknown);
	req = bustest_request("Say", "x");
	req.service = "payment";
	assert_int_equal(bustest_call(f, f->caller, &req), ERR_DENIED);
	assert_int_equal(f->echo.seen, 0);
	assert_true(busd_metric(f->busd, "lgsp_bus_member_refused_total{member=\"" CALLER "\"}") ==
		    2);
}

static void only_a_granted_member_acts_for_people(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Say", "x");
	Bus__OnBehalfOf person = BUS__ON_BEHALF_OF__INIT;

	person.subject = "citizen-7";
	req.on_behalf_of = &person;
	bustest_echo(f, &f->echo, 4);
	assert_int_equal(bustest_call(f, f->caller, &req), ERR_DENIED);
	assert_code(f, "ACTS_FOR_NOT_GRANTED");
	assert_int_equal(f->echo.seen, 0);
	assert_int_equal(bustest_call(f, f->gateway, &req), 0);
	assert_string_equal(f->echo.subject, "citizen-7");
	assert_string_equal(f->echo.member, GATEWAY);
}

static void no_queue_flag_is_busy_at_once(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Say", "x");
	struct flight *fl;

	bustest_echo(f, &f->echo, 1);
	fl = bustest_send(f, f->caller, bustest_request("Hold", "h"));
	bustest_wait_held(&f->echo, 1);
	req.flags = HEADER_FLAG_NO_QUEUE;
	assert_int_equal(bustest_call(f, f->caller, &req), ERR_BUSY);
	assert_code(f, "NO_FREE_WORKER");
	assert_true(f->err.retry_after_ms > 0);
	assert_false(f->err.outcome_unknown);
	bustest_let_go(&f->echo);
	bustest_land(fl, 0, "", false);
}

static void queue_is_bounded_for_all_and_for_each(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Say", "x");
	struct flight *fl[4];

	bustest_echo(f, &f->echo, 1);
	fl[0] = bustest_send(f, f->caller, bustest_request("Hold", "h"));
	bustest_wait_held(&f->echo, 1);
	fl[1] = bustest_send(f, f->caller, bustest_request("Say", "a"));
	fl[2] = bustest_send(f, f->caller, bustest_request("Say", "b"));
	assert_int_equal(bustest_call(f, f->caller, &req), ERR_BUSY);
	assert_code(f, "QUEUE_SHARE_FULL");
	assert_true(f->err.retry_after_ms > 0);
	fl[3] = bustest_send(f, f->gateway, bustest_request("Say", "c"));
	assert_int_equal(bustest_call(f, f->gateway, &req), ERR_BUSY);
	assert_code(f, "QUEUE_FULL");
	bustest_let_go(&f->echo);
	for (unsigned i = 0; i < ARRAY_LEN(fl); i++)
		bustest_land(fl[i], 0, "", false);
}

static void broker_holds_a_bounded_number(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Say", "x");
	struct flight *fl[16];

	bustest_echo(f, &f->echo, 32);
	for (unsigned i = 0; i < ARRAY_LEN(fl); i++)
		fl[i] = bustest_send(f, f->caller, bustest_request("Hold", "h"));
	bustest_wait_held(&f->echo, 16);
	assert_int_equal(bustest_call(f, f->caller, &req), ERR_BUSY);
	assert_code(f, "BROKER_FULL");
	bustest_let_go(&f->echo);
	for (unsigned i = 0; i < ARRAY_LEN(fl); i++)
		bustest_land(fl[i], 0, "", false);
}

/* A member with many requests waiting does not keep another's waiting behind all of them. */
static void members_take_turns_in_a_queue(void **state)
{
	struct fixture *f = *state;
	struct flight *first, *many[100], *one;
	unsigned before;

	bustest_echo(f, &f->echo, 1);
	first = bustest_send(f, f->caller, bustest_request("Hold", "h"));
	bustest_wait_held(&f->echo, 1);
	for (unsigned i = 0; i < ARRAY_LEN(many); i++)
		many[i] = bustest_send(f, f->caller, bustest_request("Say", "m"));
	bustest_wait_metric(f, "lgsp_bus_queued{service=\"echo\"}", ARRAY_LEN(many));
	one = bustest_send(f, f->gateway, bustest_request("Hold", "one"));
	bustest_wait_metric(f, "lgsp_bus_queued{service=\"echo\"}", ARRAY_LEN(many) + 1);
	bustest_let_go(&f->echo);
	bustest_wait_held(&f->echo, 1);
	before = f->echo.seen;
	assert_in_range(before, 2, 10);
	bustest_let_go(&f->echo);
	bustest_land(one, 0, "", false);
	bustest_land(first, 0, "", false);
	for (unsigned i = 0; i < ARRAY_LEN(many); i++)
		bustest_land(many[i], 0, "", false);
}

/* --- time --- */

static void deadline_passes_in_the_queue(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Say", "x");
	struct flight *fl;

	bustest_echo(f, &f->echo, 1);
	fl = bustest_send(f, f->caller, bustest_request("Hold", "h"));
	bustest_wait_held(&f->echo, 1);
	req.deadline_ms = 300;
	assert_int_equal(bustest_call(f, f->caller, &req), ERR_EXPIRED);
	assert_code(f, "EXPIRED_IN_QUEUE");
	assert_false(f->err.outcome_unknown);
	bustest_let_go(&f->echo);
	bustest_land(fl, 0, "", false);
	assert_int_equal(f->echo.seen, 1);
}

static void deadline_passes_in_flight(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Hold", "x");

	bustest_echo(f, &f->echo, 1);
	req.deadline_ms = 300;
	assert_int_equal(bustest_call(f, f->caller, &req), ERR_EXPIRED);
	assert_code(f, "EXPIRED_IN_FLIGHT");
	assert_true(f->err.outcome_unknown);
	/* The worker is busy with it all the same. */
	req = bustest_request("Say", "y");
	req.flags = HEADER_FLAG_NO_QUEUE;
	assert_int_equal(bustest_call(f, f->caller, &req), ERR_BUSY);
	bustest_let_go(&f->echo);
	req.flags = 0;
	assert_int_equal(bustest_call(f, f->caller, &req), 0);
	assert_int_equal(busd_metric(f->busd, "lgsp_bus_dropped_total{reason=\"late_reply\"}"), 1);
}

static void absent_broker_is_unavailable(void **state)
{
	struct fixture *f = *state;
	struct bus_keys keys = busd_keys(f->busd, "caller");
	struct bus_client *c = busrig_client(f->rig, "ipc:///tmp/busd-nobody-here", &keys);
	struct bus_request_out req = bustest_request("Say", "x");

	req.deadline_ms = 200;
	assert_int_equal(bustest_call(f, c, &req), ERR_UNAVAILABLE);
	assert_false(f->err.outcome_unknown);
}

/* --- workers that die --- */

/* This program again, as a worker in a process of its own that keeps what it gets. */
static pid_t start_child(struct fixture *f)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		execl("/proc/self/exe", "worker", busd_dir(f->busd), (char *)NULL);
		_exit(125);
	}
	return pid;
}

static void child_keep(struct bus_request *req, void *arg)
{
	(void)req;
	(void)arg;
}

static int child_main(const char *dir)
{
	struct loop *loop = loop_new();
	struct bus_worker_config config = {
		.service = "echo", .instance = "child", .credit = 4, .on_request = child_keep};
	char secret[256], broker[256], endpoint[256];
	struct bus_worker *worker;
	struct err err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(secret, sizeof(secret), "%s/echo.key_secret", dir);
	snprintf(broker, sizeof(broker), "%s/broker.key", dir);
	snprintf(endpoint, sizeof(endpoint), "ipc://%s/b", dir);
	CHECK(bus_keys_read(secret, broker, &config.keys, &err) == 0);
	config.endpoints = endpoint;
	CHECK(bus_worker_new(loop, &config, &worker, &err) == 0);
	loop_run(loop);
	return 0;
}

static void kill_child(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void killed_worker_is_reported(void **state)
{
	struct fixture *f = *state;
	pid_t child = start_child(f);
	int64_t killed_us;
	struct flight *fl;

	bustest_wait_metric(f, "lgsp_bus_workers{service=\"echo\"}", 1);
	fl = bustest_send(f, f->caller, bustest_request("Hold", "h"));
	bustest_wait_metric(f, "lgsp_bus_in_flight{service=\"echo\"}", 1);
	kill_child(child);
	killed_us = clock_mono_us();
	bustest_land(fl, ERR_WORKER_LOST, "WORKER_LOST", true);
	assert_true(clock_mono_us() - killed_us < 3 * CLOCK_US_PER_S);
	assert_true(busd_logged(f->busd, "bus.worker_lost"));
}

static void repeatable_request_goes_to_a_second_worker(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Say", "again");
	pid_t child = start_child(f);
	struct flight *fl;

	bustest_wait_metric(f, "lgsp_bus_workers{service=\"echo\"}", 1);
	req.flags = HEADER_FLAG_REPEATABLE;
	fl = bustest_send(f, f->caller, req);
	bustest_wait_metric(f, "lgsp_bus_in_flight{service=\"echo\"}", 1);
	bustest_echo(f, &f->echo, 4);
	kill_child(child);
	bustest_land(fl, 0, "", false);
	assert_int_equal(f->echo.seen, 1);
	assert_int_equal(busd_metric(f->busd, "lgsp_bus_redispatched_total{service=\"echo\"}"), 1);
}

static void message_that_kills_twice_is_not_tried_again(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Say", "poison");
	pid_t first = start_child(f), second;
	struct flight *fl;

	uuid_v7(req.message_id);
	bustest_wait_metric(f, "lgsp_bus_workers{service=\"echo\"}", 1);
	req.flags = HEADER_FLAG_REPEATABLE;
	fl = bustest_send(f, f->caller, req);
	bustest_wait_metric(f, "lgsp_bus_in_flight{service=\"echo\"}", 1);
	second = start_child(f);
	bustest_wait_metric(f, "lgsp_bus_workers{service=\"echo\"}", 2);
	kill_child(first);
	bustest_wait_metric(f, "lgsp_bus_redispatched_total{service=\"echo\"}", 1);
	kill_child(second);
	bustest_land(fl, ERR_INTERNAL, "KILLED_WORKERS", true);
	bustest_echo(f, &f->echo, 4);
	assert_int_equal(bustest_call(f, f->caller, &req), ERR_INTERNAL);
	assert_code(f, "KILLED_WORKERS");
	assert_int_equal(f->echo.seen, 0);
	uuid_v7(req.message_id);
	assert_int_equal(bustest_call(f, f->caller, &req), 0);
}

static void queue_outlives_its_workers_a_moment_only(void **state)
{
	struct fixture *f = *state;
	struct flight *in_hand, *waiting;

	bustest_echo(f, &f->echo, 1);
	in_hand = bustest_send(f, f->caller, bustest_request("Hold", "h"));
	bustest_wait_held(&f->echo, 1);
	waiting = bustest_send(f, f->caller, bustest_request("Say", "w"));
	bustest_wait_metric(f, "lgsp_bus_queued{service=\"echo\"}", 1);
	busrig_worker_free(f->rig, f->echo.worker);
	bustest_land(in_hand, ERR_WORKER_LOST, "WORKER_LOST", true);
	bustest_land(waiting, ERR_NO_SERVICE, "NO_SERVICE", false);
}

/* --- restarts --- */

static void broker_restart_loses_no_request(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Hold", "h");
	struct flight *fl;

	bustest_echo(f, &f->echo, 4);
	uuid_v7(req.message_id);
	fl = bustest_send(f, f->caller, req);
	bustest_wait_held(&f->echo, 1);
	busd_kill(f->busd);
	busd_restart(f->busd);
	/* The worker joins again by itself, the client repeats under the same message id. */
	bustest_wait_held(&f->echo, 2);
	assert_memory_equal(f->echo.message_id, req.message_id, 16);
	assert_int_equal(f->echo.attempt, 2);
	bustest_let_go(&f->echo);
	bustest_land(fl, 0, "", false);
}

static void draining_broker_finishes_what_it_has(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Say", "x");
	struct flight *fl;

	bustest_echo(f, &f->echo, 4);
	fl = bustest_send(f, f->caller, bustest_request("Hold", "h"));
	bustest_wait_held(&f->echo, 1);
	busd_signal(f->busd, SIGTERM);
	assert_true(busd_logged(f->busd, "bus.draining"));
	req.deadline_ms = 400;
	assert_int_equal(bustest_call(f, f->caller, &req), ERR_DRAINING);
	assert_code(f, "BUS_DRAINING");
	assert_false(f->err.outcome_unknown);
	bustest_let_go(&f->echo);
	bustest_land(fl, 0, "", false);
	assert_int_equal(busd_wait(f->busd), 0);
	assert_int_equal(f->echo.seen, 1);
}

struct drain {
	struct bus_worker *worker;
	atomic_bool done;
};

static void drain_done(void *arg)
{
	struct drain *d = arg;

	atomic_store(&d->done, true);
}

static void drain_start(void *arg)
{
	struct drain *d = arg;

	bus_worker_drain(d->worker, 8000, drain_done, d);
}

static bool drain_is_done(void *arg)
{
	struct drain *d = arg;

	return atomic_load(&d->done);
}

static void draining_worker_takes_nothing_new(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Say", "x");
	struct drain d = {0};
	struct flight *fl;

	bustest_echo(f, &f->echo, 4);
	fl = bustest_send(f, f->caller, bustest_request("Hold", "h"));
	bustest_wait_held(&f->echo, 1);
	d.worker = f->echo.worker;
	busrig_run(f->rig, drain_start, &d);
	assert_true(busd_logged(f->busd, "bus.worker_draining"));
	req.flags = HEADER_FLAG_NO_QUEUE;
	assert_int_equal(bustest_call(f, f->caller, &req), ERR_BUSY);
	assert_false(drain_is_done(&d));
	bustest_let_go(&f->echo);
	bustest_land(fl, 0, "", false);
	assert_true(busrig_until(drain_is_done, &d));
	assert_true(busd_logged(f->busd, "bus.worker_left"));
	assert_int_equal(f->echo.seen, 1);
}

int main(int argc, char **argv)
{
#define TEST(name, set_up) cmocka_unit_test_setup_teardown(name, set_up, bustest_teardown)
	const struct CMUnitTest tests[] = {
		TEST(request_is_answered, bustest_setup),
		TEST(large_and_empty_bodies_pass, bustest_setup),
		TEST(replies_find_their_requests, bustest_setup),
		TEST(credit_bounds_what_a_worker_holds, bustest_setup),
		TEST(parked_request_gives_its_credit_back, bustest_setup),
		TEST(no_worker_is_no_service, setup_impatient),
		TEST(request_waits_for_a_service_that_starts, bustest_setup),
		TEST(rights_are_needed, bustest_setup),
		TEST(only_a_granted_member_acts_for_people, bustest_setup),
		TEST(no_queue_flag_is_busy_at_once, bustest_setup),
		TEST(queue_is_bounded_for_all_and_for_each, setup_tight),
		TEST(broker_holds_a_bounded_number, setup_small),
		TEST(members_take_turns_in_a_queue, bustest_setup),
		TEST(deadline_passes_in_the_queue, bustest_setup),
		TEST(deadline_passes_in_flight, bustest_setup),
		TEST(absent_broker_is_unavailable, bustest_setup),
		TEST(killed_worker_is_reported, bustest_setup),
		TEST(repeatable_request_goes_to_a_second_worker, bustest_setup),
		TEST(message_that_kills_twice_is_not_tried_again, bustest_setup),
		TEST(queue_outlives_its_workers_a_moment_only, setup_impatient),
		TEST(broker_restart_loses_no_request, bustest_setup),
		TEST(draining_broker_finishes_what_it_has, bustest_setup),
		TEST(draining_worker_takes_nothing_new, bustest_setup),
	};

	if (argc > 1 && strcmp(argv[0], "worker") == 0)
		return child_main(argv[1]);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
