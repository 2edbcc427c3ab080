/*
 * The broker, the client and the worker as services use them: a real lgsp-bus process, callers on
 * this thread, workers in a loop or, where they must die, in processes of their own. What no honest
 * peer sends is in test_bus_hostile.c.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
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
#include "lgsp/bus/v1/admin.pb-c.h"
#include "tests/support/busd.h"
#include "tests/support/busrig.h"

#define CALLER   "VN/GOV/H40/one-stop"
#define GATEWAY  "VN/GOV/H40/lgsp-gateway"
#define SERVICE  "VN/GOV/H40/lgsp-echo"
#define OPERATOR "VN/GOV/H40/lgsp-operator"

static const struct busd_member members[] = {
	{"caller", CALLER}, {"gateway", GATEWAY}, {"echo", SERVICE}, {"operator", OPERATOR}};

#define GRANTS                                                                                     \
	"grant " CALLER " echo Say\n"                                                              \
	"grant " CALLER " echo Hold\n"                                                             \
	"grant " CALLER " nobody *\n"                                                              \
	"grant " GATEWAY " * * acts_for\n"                                                         \
	"grant " OPERATOR " bus *\n"

static const char rights[] = GRANTS "serve " SERVICE " echo\n";

#define HELD_MAX 64

/* A worker that answers Say at once and keeps every other request until told. */
struct echo {
	pthread_mutex_t mutex;
	struct bus_request *held[HELD_MAX];
	unsigned n_held, seen;
	bool park;
	struct bus_worker *worker;
	char member[128], subject[64];
	uint32_t attempt;
	uint8_t message_id[16];
	int64_t left_us;
};

struct fixture {
	struct busd *busd;
	struct busrig *rig;
	struct bus_client *caller, *gateway;
	struct echo echo;
	struct arena arena;
	struct err err;
	struct bus_reply_in reply;
};

static void note_request(struct echo *e, const struct bus_request *req)
{
	e->seen++;
	snprintf(e->member, sizeof(e->member), "%s", req->caller->member);
	snprintf(e->subject, sizeof(e->subject), "%s",
		 req->caller->on_behalf_of ? req->caller->on_behalf_of->subject : "");
	e->attempt = req->header->attempt;
	e->left_us = req->deadline_us - clock_mono_us();
	memcpy(e->message_id, req->header->message_id.data, 16);
}

static void on_request(struct bus_request *req, void *arg)
{
	struct echo *e = arg;
	bool say = strcmp(req->header->method, "Say") == 0;

	pthread_mutex_lock(&e->mutex);
	note_request(e, req);
	if (!say) {
		CHECK(e->n_held < HELD_MAX);
		e->held[e->n_held++] = req;
		if (e->park)
			bus_request_park(req);
	}
	pthread_mutex_unlock(&e->mutex);
	if (say)
		bus_reply(req, NULL, req->body, req->body_len, false);
}

struct count {
	struct echo *echo;
	unsigned held, seen;
};

static bool has_count(void *arg)
{
	struct count *c = arg;
	bool yes;

	pthread_mutex_lock(&c->echo->mutex);
	yes = c->echo->n_held >= c->held && c->echo->seen >= c->seen;
	pthread_mutex_unlock(&c->echo->mutex);
	return yes;
}

static void wait_held(struct echo *e, unsigned held)
{
	struct count c = {.echo = e, .held = held};

	assert_true(busrig_until(has_count, &c));
}

static void wait_seen(struct echo *e, unsigned seen)
{
	struct count c = {.echo = e, .seen = seen};

	assert_true(busrig_until(has_count, &c));
}

/* Answers all held requests with their own bodies, from this thread. */
static void let_go(struct echo *e)
{
	pthread_mutex_lock(&e->mutex);
	while (e->n_held > 0) {
		struct bus_request *req = e->held[--e->n_held];

		bus_reply(req, NULL, req->body, req->body_len, false);
	}
	pthread_mutex_unlock(&e->mutex);
}

static struct bus_worker_config echo_config(struct echo *e, const struct bus_keys *keys,
					    const char *endpoints, unsigned credit)
{
	return (struct bus_worker_config){.service = "echo",
					  .endpoints = endpoints,
					  .keys = *keys,
					  .instance = "echo-1",
					  .credit = credit,
					  .on_request = on_request,
					  .arg = e};
}

static void start_echo(struct fixture *f, struct echo *e, unsigned credit)
{
	struct bus_keys keys = busd_keys(f->busd, "echo");
	struct bus_worker_config config =
		echo_config(e, &keys, busd_backend_endpoint(f->busd), credit);

	e->worker = busrig_worker(f->rig, &config);
}

static int setup_with(void **state, const char *const *env)
{
	struct fixture *f = base_alloc(sizeof(*f));
	struct bus_keys keys;

	f->busd = busd_start(members, ARRAY_LEN(members), rights, env);
	f->rig = busrig_new();
	pthread_mutex_init(&f->echo.mutex, NULL);
	keys = busd_keys(f->busd, "caller");
	f->caller = busrig_client(f->rig, busd_member_endpoint(f->busd), &keys);
	keys = busd_keys(f->busd, "gateway");
	f->gateway = busrig_client(f->rig, busd_member_endpoint(f->busd), &keys);
	arena_init(&f->arena, 64 << 20);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, NULL);
}

static int setup_tight(void **state)
{
	static const char *const env[] = {"LGSP_QUEUE_ENTRIES=3", "LGSP_QUEUE_SHARE=2", NULL};

	return setup_with(state, env);
}

/* A service without workers is given up almost at once. */
static int setup_impatient(void **state)
{
	static const char *const env[] = {"LGSP_GRACE_MS=300", NULL};

	return setup_with(state, env);
}

static int setup_small(void **state)
{
	static const char *const env[] = {"LGSP_PENDING_MAX=16", NULL};

	return setup_with(state, env);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	let_go(&f->echo);
	busrig_free(f->rig);
	busd_free(f->busd);
	arena_done(&f->arena);
	free(f);
	return 0;
}

static struct bus_request_out request(const char *method, const char *body)
{
	return (struct bus_request_out){.service = "echo",
					.method = method,
					.deadline_ms = 20000,
					.body = body,
					.body_len = strlen(body)};
}

static int call(struct fixture *f, struct bus_client *c, const struct bus_request_out *req)
{
	err_clear(&f->err);
	return bus_client_call(c, req, &f->arena, &f->reply, &f->err);
}

#define assert_code(f, code) assert_string_equal(err_code(&(f)->err), code)

/* --- requests that are sent and awaited apart --- */

struct flight {
	struct bus_client *client;
	struct bus_request_out req;
	char body[32];
	atomic_bool done;
	int status;
	struct err err;
	char answer[32], served_by[64];
};

static void flight_done(const struct bus_reply_in *reply, const struct err *err, void *arg)
{
	struct flight *fl = arg;

	fl->status = reply->status;
	fl->err = *err;
	snprintf(fl->answer, sizeof(fl->answer), "%.*s", (int)reply->body_len,
		 reply->body ? (const char *)reply->body : "");
	snprintf(fl->served_by, sizeof(fl->served_by), "%s", reply->served_by);
	atomic_store(&fl->done, true);
}

static void flight_send(void *arg)
{
	struct flight *fl = arg;

	bus_client_send(fl->client, &fl->req, flight_done, fl);
}

static struct flight *take_off(struct fixture *f, struct bus_client *c, struct bus_request_out req)
{
	struct flight *fl = base_alloc(sizeof(*fl));

	fl->client = c;
	fl->req = req;
	snprintf(fl->body, sizeof(fl->body), "%.*s", (int)req.body_len, (const char *)req.body);
	fl->req.body = fl->body;
	busrig_run(f->rig, flight_send, fl);
	return fl;
}

static bool flight_is_done(void *arg)
{
	struct flight *fl = arg;

	return atomic_load(&fl->done);
}

/* Waits for the answer; status, code and outcome. Frees the flight. */
static void land(struct flight *fl, int status, const char *code, bool unknown)
{
	assert_true(busrig_until(flight_is_done, fl));
	assert_int_equal(fl->status, status);
	assert_string_equal(err_code(&fl->err), code);
	assert_int_equal(fl->err.outcome_unknown, unknown);
	if (status == 0)
		assert_string_equal(fl->answer, fl->body);
	free(fl);
}

/* --- the broker's own figures --- */

struct metric_wait {
	struct busd *busd;
	const char *name;
	long long value;
};

static bool metric_is(void *arg)
{
	struct metric_wait *m = arg;

	return busd_metric(m->busd, m->name) == m->value;
}

static void wait_metric(struct fixture *f, const char *name, long long value)
{
	struct metric_wait m = {f->busd, name, value};

	assert_true(busrig_until(metric_is, &m));
}

/* --- plain --- */

static void request_is_answered(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = request("Say", "xin chào");

	start_echo(f, &f->echo, 4);
	assert_int_equal(call(f, f->caller, &req), 0);
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
	struct bus_request_out req = request("Say", "");
	CLEANUP_FREE char *body = base_alloc(BUS_BODY_MAX_BYTES + 1);

	start_echo(f, &f->echo, 4);
	assert_int_equal(call(f, f->caller, &req), 0);
	assert_int_equal(f->reply.body_len, 0);
	memset(body, 'x', BUS_BODY_MAX_BYTES);
	req.body = body;
	req.body_len = BUS_BODY_MAX_BYTES;
	assert_int_equal(call(f, f->caller, &req), 0);
	assert_int_equal(f->reply.body_len, BUS_BODY_MAX_BYTES);
	req.body_len++;
	assert_int_equal(call(f, f->caller, &req), ERR_TOO_LARGE);
	assert_false(f->err.outcome_unknown);
}

static void replies_find_their_requests(void **state)
{
	struct fixture *f = *state;
	struct flight *flights[200];
	char body[16];

	start_echo(f, &f->echo, 64);
	for (unsigned i = 0; i < ARRAY_LEN(flights); i++) {
		snprintf(body, sizeof(body), "n%u", i);
		flights[i] = take_off(f, f->caller, request("Say", body));
	}
	for (unsigned i = 0; i < ARRAY_LEN(flights); i++)
		land(flights[i], 0, "", false);
}

static void credit_bounds_what_a_worker_holds(void **state)
{
	struct fixture *f = *state;
	struct flight *flights[5];

	start_echo(f, &f->echo, 2);
	for (unsigned i = 0; i < ARRAY_LEN(flights); i++)
		flights[i] = take_off(f, f->caller, request("Hold", "b"));
	wait_held(&f->echo, 2);
	wait_metric(f, "lgsp_bus_queued{service=\"echo\"}", 3);
	assert_int_equal(f->echo.seen, 2);
	let_go(&f->echo);
	wait_seen(&f->echo, 4);
	let_go(&f->echo);
	wait_seen(&f->echo, 5);
	let_go(&f->echo);
	for (unsigned i = 0; i < ARRAY_LEN(flights); i++)
		land(flights[i], 0, "", false);
}

static void parked_request_gives_its_credit_back(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = request("Say", "s");
	struct flight *parked;

	f->echo.park = true;
	start_echo(f, &f->echo, 1);
	parked = take_off(f, f->caller, request("Hold", "h"));
	wait_held(&f->echo, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(call(f, f->caller, &req), 0);
	let_go(&f->echo);
	land(parked, 0, "", false);
	assert_int_equal(call(f, f->caller, &req), 0);
}

/* --- refusals --- */

static void no_worker_is_no_service(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = request("Say", "x");

	assert_int_equal(call(f, f->caller, &req), ERR_NO_SERVICE);
	assert_code(f, "NO_SERVICE");
	assert_false(f->err.outcome_unknown);
	assert_true(f->err.retry_after_ms > 0);
	req.service = "nobody";
	assert_int_equal(call(f, f->caller, &req), ERR_NO_SERVICE);
}

/* Whoever starts first waits for the other: nothing else orders the processes of the suite. */
static void request_waits_for_a_service_that_starts(void **state)
{
	struct fixture *f = *state;
	struct flight *fl = take_off(f, f->caller, request("Say", "early"));

	wait_metric(f, "lgsp_bus_queued{service=\"echo\"}", 1);
	start_echo(f, &f->echo, 4);
	land(fl, 0, "", false);
}

static void rights_are_needed(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = request("Erase", "x");

	start_echo(f, &f->echo, 4);
	assert_int_equal(call(f, f->caller, &req), ERR_DENIED);
	assert_code(f, "NOT_GRANTED");
	assert_false(f->err.outcome_unknown);
	req = request("Say", "x");
	req.service = "payment";
	assert_int_equal(call(f, f->caller, &req), ERR_DENIED);
	assert_int_equal(f->echo.seen, 0);
	assert_true(busd_metric(f->busd, "lgsp_bus_member_refused_total{member=\"" CALLER "\"}") ==
		    2);
}

static void only_a_granted_member_acts_for_people(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = request("Say", "x");
	Bus__OnBehalfOf person = BUS__ON_BEHALF_OF__INIT;

	person.subject = "citizen-7";
	req.on_behalf_of = &person;
	start_echo(f, &f->echo, 4);
	assert_int_equal(call(f, f->caller, &req), ERR_DENIED);
	assert_code(f, "ACTS_FOR_NOT_GRANTED");
	assert_int_equal(f->echo.seen, 0);
	assert_int_equal(call(f, f->gateway, &req), 0);
	assert_string_equal(f->echo.subject, "citizen-7");
	assert_string_equal(f->echo.member, GATEWAY);
}

static void no_queue_flag_is_busy_at_once(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = request("Say", "x");
	struct flight *fl;

	start_echo(f, &f->echo, 1);
	fl = take_off(f, f->caller, request("Hold", "h"));
	wait_held(&f->echo, 1);
	req.flags = HEADER_FLAG_NO_QUEUE;
	assert_int_equal(call(f, f->caller, &req), ERR_BUSY);
	assert_code(f, "NO_FREE_WORKER");
	assert_true(f->err.retry_after_ms > 0);
	assert_false(f->err.outcome_unknown);
	let_go(&f->echo);
	land(fl, 0, "", false);
}

static void queue_is_bounded_for_all_and_for_each(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = request("Say", "x");
	struct flight *fl[4];

	start_echo(f, &f->echo, 1);
	fl[0] = take_off(f, f->caller, request("Hold", "h"));
	wait_held(&f->echo, 1);
	fl[1] = take_off(f, f->caller, request("Say", "a"));
	fl[2] = take_off(f, f->caller, request("Say", "b"));
	assert_int_equal(call(f, f->caller, &req), ERR_BUSY);
	assert_code(f, "QUEUE_SHARE_FULL");
	assert_true(f->err.retry_after_ms > 0);
	fl[3] = take_off(f, f->gateway, request("Say", "c"));
	assert_int_equal(call(f, f->gateway, &req), ERR_BUSY);
	assert_code(f, "QUEUE_FULL");
	let_go(&f->echo);
	for (unsigned i = 0; i < ARRAY_LEN(fl); i++)
		land(fl[i], 0, "", false);
}

static void broker_holds_a_bounded_number(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = request("Say", "x");
	struct flight *fl[16];

	start_echo(f, &f->echo, 32);
	for (unsigned i = 0; i < ARRAY_LEN(fl); i++)
		fl[i] = take_off(f, f->caller, request("Hold", "h"));
	wait_held(&f->echo, 16);
	assert_int_equal(call(f, f->caller, &req), ERR_BUSY);
	assert_code(f, "BROKER_FULL");
	let_go(&f->echo);
	for (unsigned i = 0; i < ARRAY_LEN(fl); i++)
		land(fl[i], 0, "", false);
}

/* A member with many requests waiting does not keep another's waiting behind all of them. */
static void members_take_turns_in_a_queue(void **state)
{
	struct fixture *f = *state;
	struct flight *first, *many[100], *one;
	unsigned before;

	start_echo(f, &f->echo, 1);
	first = take_off(f, f->caller, request("Hold", "h"));
	wait_held(&f->echo, 1);
	for (unsigned i = 0; i < ARRAY_LEN(many); i++)
		many[i] = take_off(f, f->caller, request("Say", "m"));
	wait_metric(f, "lgsp_bus_queued{service=\"echo\"}", ARRAY_LEN(many));
	one = take_off(f, f->gateway, request("Hold", "one"));
	wait_metric(f, "lgsp_bus_queued{service=\"echo\"}", ARRAY_LEN(many) + 1);
	let_go(&f->echo);
	wait_held(&f->echo, 1);
	before = f->echo.seen;
	assert_in_range(before, 2, 10);
	let_go(&f->echo);
	land(one, 0, "", false);
	land(first, 0, "", false);
	for (unsigned i = 0; i < ARRAY_LEN(many); i++)
		land(many[i], 0, "", false);
}

/* --- time --- */

static void deadline_passes_in_the_queue(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = request("Say", "x");
	struct flight *fl;

	start_echo(f, &f->echo, 1);
	fl = take_off(f, f->caller, request("Hold", "h"));
	wait_held(&f->echo, 1);
	req.deadline_ms = 300;
	assert_int_equal(call(f, f->caller, &req), ERR_EXPIRED);
	assert_code(f, "EXPIRED_IN_QUEUE");
	assert_false(f->err.outcome_unknown);
	let_go(&f->echo);
	land(fl, 0, "", false);
	assert_int_equal(f->echo.seen, 1);
}

static void deadline_passes_in_flight(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = request("Hold", "x");

	start_echo(f, &f->echo, 1);
	req.deadline_ms = 300;
	assert_int_equal(call(f, f->caller, &req), ERR_EXPIRED);
	assert_code(f, "EXPIRED_IN_FLIGHT");
	assert_true(f->err.outcome_unknown);
	/* The worker is busy with it all the same. */
	req = request("Say", "y");
	req.flags = HEADER_FLAG_NO_QUEUE;
	assert_int_equal(call(f, f->caller, &req), ERR_BUSY);
	let_go(&f->echo);
	req.flags = 0;
	assert_int_equal(call(f, f->caller, &req), 0);
	assert_int_equal(busd_metric(f->busd, "lgsp_bus_dropped_total{reason=\"late_reply\"}"), 1);
}

static void absent_broker_is_unavailable(void **state)
{
	struct fixture *f = *state;
	struct bus_keys keys = busd_keys(f->busd, "caller");
	struct bus_client *c = busrig_client(f->rig, "ipc:///tmp/busd-nobody-here", &keys);
	struct bus_request_out req = request("Say", "x");

	req.deadline_ms = 200;
	assert_int_equal(call(f, c, &req), ERR_UNAVAILABLE);
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

	wait_metric(f, "lgsp_bus_workers{service=\"echo\"}", 1);
	fl = take_off(f, f->caller, request("Hold", "h"));
	wait_metric(f, "lgsp_bus_in_flight{service=\"echo\"}", 1);
	kill_child(child);
	killed_us = clock_mono_us();
	land(fl, ERR_WORKER_LOST, "WORKER_LOST", true);
	assert_true(clock_mono_us() - killed_us < 3 * CLOCK_US_PER_S);
	assert_true(busd_logged(f->busd, "bus.worker_lost"));
}

static void repeatable_request_goes_to_a_second_worker(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = request("Say", "again");
	pid_t child = start_child(f);
	struct flight *fl;

	wait_metric(f, "lgsp_bus_workers{service=\"echo\"}", 1);
	req.flags = HEADER_FLAG_REPEATABLE;
	fl = take_off(f, f->caller, req);
	wait_metric(f, "lgsp_bus_in_flight{service=\"echo\"}", 1);
	start_echo(f, &f->echo, 4);
	kill_child(child);
	land(fl, 0, "", false);
	assert_int_equal(f->echo.seen, 1);
	assert_int_equal(busd_metric(f->busd, "lgsp_bus_redispatched_total{service=\"echo\"}"), 1);
}

static void message_that_kills_twice_is_not_tried_again(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = request("Say", "poison");
	pid_t first = start_child(f), second;
	struct flight *fl;

	uuid_v7(req.message_id);
	wait_metric(f, "lgsp_bus_workers{service=\"echo\"}", 1);
	req.flags = HEADER_FLAG_REPEATABLE;
	fl = take_off(f, f->caller, req);
	wait_metric(f, "lgsp_bus_in_flight{service=\"echo\"}", 1);
	second = start_child(f);
	wait_metric(f, "lgsp_bus_workers{service=\"echo\"}", 2);
	kill_child(first);
	wait_metric(f, "lgsp_bus_redispatched_total{service=\"echo\"}", 1);
	kill_child(second);
	land(fl, ERR_INTERNAL, "KILLED_WORKERS", true);
	start_echo(f, &f->echo, 4);
	assert_int_equal(call(f, f->caller, &req), ERR_INTERNAL);
	assert_code(f, "KILLED_WORKERS");
	assert_int_equal(f->echo.seen, 0);
	uuid_v7(req.message_id);
	assert_int_equal(call(f, f->caller, &req), 0);
}

static void queue_outlives_its_workers_a_moment_only(void **state)
{
	struct fixture *f = *state;
	struct flight *in_hand, *waiting;

	start_echo(f, &f->echo, 1);
	in_hand = take_off(f, f->caller, request("Hold", "h"));
	wait_held(&f->echo, 1);
	waiting = take_off(f, f->caller, request("Say", "w"));
	wait_metric(f, "lgsp_bus_queued{service=\"echo\"}", 1);
	busrig_worker_free(f->rig, f->echo.worker);
	land(in_hand, ERR_WORKER_LOST, "WORKER_LOST", true);
	land(waiting, ERR_NO_SERVICE, "NO_SERVICE", false);
}

/* --- restarts --- */

static void broker_restart_loses_no_request(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = request("Hold", "h");
	struct flight *fl;

	start_echo(f, &f->echo, 4);
	uuid_v7(req.message_id);
	fl = take_off(f, f->caller, req);
	wait_held(&f->echo, 1);
	busd_kill(f->busd);
	busd_restart(f->busd);
	/* The worker joins again by itself, the client repeats under the same message id. */
	wait_held(&f->echo, 2);
	assert_memory_equal(f->echo.message_id, req.message_id, 16);
	assert_int_equal(f->echo.attempt, 2);
	let_go(&f->echo);
	land(fl, 0, "", false);
}

static void draining_broker_finishes_what_it_has(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = request("Say", "x");
	struct flight *fl;

	start_echo(f, &f->echo, 4);
	fl = take_off(f, f->caller, request("Hold", "h"));
	wait_held(&f->echo, 1);
	busd_signal(f->busd, SIGTERM);
	assert_true(busd_logged(f->busd, "bus.draining"));
	req.deadline_ms = 400;
	assert_int_equal(call(f, f->caller, &req), ERR_DRAINING);
	assert_code(f, "BUS_DRAINING");
	assert_false(f->err.outcome_unknown);
	let_go(&f->echo);
	land(fl, 0, "", false);
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
	struct bus_request_out req = request("Say", "x");
	struct drain d = {0};
	struct flight *fl;

	start_echo(f, &f->echo, 4);
	fl = take_off(f, f->caller, request("Hold", "h"));
	wait_held(&f->echo, 1);
	d.worker = f->echo.worker;
	busrig_run(f->rig, drain_start, &d);
	assert_true(busd_logged(f->busd, "bus.worker_draining"));
	req.flags = HEADER_FLAG_NO_QUEUE;
	assert_int_equal(call(f, f->caller, &req), ERR_BUSY);
	assert_false(drain_is_done(&d));
	let_go(&f->echo);
	land(fl, 0, "", false);
	assert_true(busrig_until(drain_is_done, &d));
	assert_true(busd_logged(f->busd, "bus.worker_left"));
	assert_int_equal(f->echo.seen, 1);
}

/* --- two brokers --- */

struct pair {
	struct fixture f;
	struct busd *second;
	struct bus_client *both;
	char member[256], backend[256];
};

/* Both with the same keys: the second's files are links to the first's. */
static int setup_pair(void **state)
{
	struct fixture *f;
	struct pair *p = base_alloc(sizeof(*p));
	char env[5][256], path[200];
	const char *list[6] = {env[0], env[1], env[2], env[3], env[4], NULL};
	struct bus_keys keys;

	setup(state);
	f = *state;
	p->f = *f;
	free(f);
	snprintf(path, sizeof(path), "%s", busd_dir(p->f.busd));
	snprintf(env[0], sizeof(env[0]), "LGSP_MEMBERS_DIR=%s/members", path);
	snprintf(env[1], sizeof(env[1]), "LGSP_RIGHTS=%s/rights", path);
	snprintf(env[2], sizeof(env[2]), "LGSP_KEY=%s/broker.key_secret", path);
	snprintf(env[3], sizeof(env[3]), "LGSP_INSTANCE=bus-2");
	snprintf(env[4], sizeof(env[4]), "LGSP_DRAIN_MS=5000");
	p->second = busd_start(members, ARRAY_LEN(members), rights, list);
	snprintf(p->member, sizeof(p->member), "%s %s", busd_member_endpoint(p->f.busd),
		 busd_member_endpoint(p->second));
	snprintf(p->backend, sizeof(p->backend), "%s %s", busd_backend_endpoint(p->f.busd),
		 busd_backend_endpoint(p->second));
	keys = busd_keys(p->f.busd, "caller");
	p->both = busrig_client(p->f.rig, p->member, &keys);
	*state = p;
	return 0;
}

static int teardown_pair(void **state)
{
	struct pair *p = *state;
	struct busd *second = p->second;

	let_go(&p->f.echo);
	busrig_free(p->f.rig);
	busd_free(p->f.busd);
	busd_free(second);
	arena_done(&p->f.arena);
	free(p);
	return 0;
}

static void start_echo_on_both(struct pair *p)
{
	struct bus_keys keys = busd_keys(p->f.busd, "echo");
	struct bus_worker_config config = echo_config(&p->f.echo, &keys, p->backend, 4);
	struct fixture second = {.busd = p->second};

	p->f.echo.worker = busrig_worker(p->f.rig, &config);
	wait_metric(&p->f, "lgsp_bus_workers{service=\"echo\"}", 1);
	wait_metric(&second, "lgsp_bus_workers{service=\"echo\"}", 1);
}

static void call_moves_to_the_other_broker(void **state)
{
	struct pair *p = *state;
	struct bus_request_out req = request("Hold", "h");
	struct flight *fl;

	start_echo_on_both(p);
	uuid_v7(req.message_id);
	fl = take_off(&p->f, p->both, req);
	wait_held(&p->f.echo, 1);
	busd_kill(p->f.busd);
	wait_held(&p->f.echo, 2);
	assert_memory_equal(p->f.echo.message_id, req.message_id, 16);
	assert_int_equal(p->f.echo.attempt, 2);
	let_go(&p->f.echo);
	land(fl, 0, "", false);
	req = request("Say", "x");
	assert_int_equal(call(&p->f, p->both, &req), 0);
	busd_restart(p->f.busd);
	wait_metric(&p->f, "lgsp_bus_workers{service=\"echo\"}", 1);
}

static void drained_broker_sends_calls_to_the_other(void **state)
{
	struct pair *p = *state;
	struct bus_request_out req = request("Say", "x");
	struct flight *fl;

	start_echo_on_both(p);
	fl = take_off(&p->f, p->both, request("Hold", "h"));
	wait_held(&p->f.echo, 1);
	busd_signal(p->f.busd, SIGTERM);
	assert_true(busd_logged(p->f.busd, "bus.draining"));
	assert_int_equal(call(&p->f, p->both, &req), 0);
	assert_int_equal(p->f.echo.attempt, 2);
	let_go(&p->f.echo);
	land(fl, 0, "", false);
	assert_int_equal(busd_wait(p->f.busd), 0);
	assert_int_equal(call(&p->f, p->both, &req), 0);
}

/* --- members and rights --- */

static void reload(struct fixture *f, const char *logged)
{
	busd_signal(f->busd, SIGHUP);
	assert_true(busd_logged(f->busd, logged));
}

static void faulty_rights_are_refused_and_the_old_kept(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = request("Say", "x");

	start_echo(f, &f->echo, 4);
	busd_write_rights(f->busd, "grant " CALLER " echo Say\nallow everybody everything\n");
	reload(f, "line 2: a member is instance/class/member/subsystem");
	assert_int_equal(call(f, f->caller, &req), 0);
	assert_int_equal(busd_metric(f->busd, "lgsp_bus_reloads_total{result=\"refused\"}"), 1);
}

static void rights_are_taken_away_while_running(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = request("Say", "x");

	start_echo(f, &f->echo, 4);
	assert_int_equal(call(f, f->caller, &req), 0);
	busd_write_rights(f->busd, "grant " GATEWAY " echo Say\nserve " SERVICE " echo\n");
	busd_signal(f->busd, SIGHUP);
	wait_metric(f, "lgsp_bus_reloads_total{result=\"ok\"}", 1);
	assert_int_equal(call(f, f->caller, &req), ERR_DENIED);
	assert_int_equal(call(f, f->gateway, &req), 0);
	/* A worker that may no longer serve is sent away. */
	busd_write_rights(f->busd, GRANTS);
	reload(f, "bus.worker_revoked");
	wait_metric(f, "lgsp_bus_workers{service=\"echo\"}", 0);
}

static void revoked_key_is_refused_on_a_live_connection(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = request("Say", "x");

	start_echo(f, &f->echo, 4);
	assert_int_equal(call(f, f->caller, &req), 0);
	busd_remove_member(f->busd, "caller");
	busd_signal(f->busd, SIGHUP);
	wait_metric(f, "lgsp_bus_reloads_total{result=\"ok\"}", 1);
	assert_int_equal(call(f, f->caller, &req), ERR_DENIED);
	assert_code(f, "KEY_REVOKED");
	assert_int_equal(call(f, f->gateway, &req), 0);
}

/* --- operators --- */

static void operator_reads_the_state(void **state)
{
	struct fixture *f = *state;
	struct bus_keys keys = busd_keys(f->busd, "operator");
	struct bus_client *c = busrig_client(f->rig, busd_admin_endpoint(f->busd), &keys);
	struct bus_request_out req = {.service = "bus", .method = "Status", .deadline_ms = 5000};
	Bus__StatusRequest in = BUS__STATUS_REQUEST__INIT;
	Bus__StatusReply *out;
	ProtobufCMessage *msg;

	start_echo(f, &f->echo, 7);
	assert_int_equal(bus_client_call_pb(c, &req, &in.base, &bus__status_reply__descriptor,
					    &f->arena, &msg, &f->err),
			 0);
	out = (Bus__StatusReply *)msg;
	assert_string_equal(out->instance, "bus-1");
	assert_int_equal(strlen(out->rights_hash), 64);
	assert_int_equal(out->n_services, 1);
	assert_string_equal(out->services[0]->name, "echo");
	assert_int_equal(out->services[0]->workers, 1);
	assert_int_equal(out->services[0]->credit, 7);
	assert_int_equal(out->n_members, ARRAY_LEN(members));
	for (size_t i = 0; i < out->n_members; i++)
		if (strcmp(out->members[i]->member, OPERATOR) == 0)
			assert_int_equal(out->members[i]->peers, 1);
	req = (struct bus_request_out){
		.service = "mmi.service", .method = "mmi.service", .deadline_ms = 5000};
	req.body = "echo";
	req.body_len = 4;
	assert_int_equal(call(f, c, &req), 0);
	assert_memory_equal(f->reply.body, "200", 3);
	req.body_len = 3;
	assert_int_equal(call(f, c, &req), 0);
	assert_memory_equal(f->reply.body, "404", 3);
	req.service = "mmi.nonsense";
	assert_int_equal(call(f, c, &req), 0);
	assert_memory_equal(f->reply.body, "501", 3);
	req = (struct bus_request_out){.service = "bus", .method = "Explode", .deadline_ms = 5000};
	assert_int_equal(call(f, c, &req), ERR_NOT_FOUND);
	req.service = "echo";
	assert_int_equal(call(f, c, &req), ERR_NO_SERVICE);
}

static void others_read_nothing(void **state)
{
	struct fixture *f = *state;
	struct bus_keys keys = busd_keys(f->busd, "caller");
	struct bus_client *c = busrig_client(f->rig, busd_admin_endpoint(f->busd), &keys);
	struct bus_request_out req = {.service = "bus", .method = "Status", .deadline_ms = 5000};

	assert_int_equal(call(f, c, &req), ERR_DENIED);
	req.service = "mmi.service";
	req.method = "mmi.service";
	assert_int_equal(call(f, c, &req), ERR_DENIED);
}

static int setup_tcp(void **state)
{
	static const char *const env[] = {"LGSP_BIND_MEMBER=tcp://127.0.0.1:*", NULL};

	return setup_with(state, env);
}

/* The port the system chose stands in the log. */
static void bus_serves_over_tcp(void **state)
{
	struct fixture *f = *state;
	struct bus_keys keys = busd_keys(f->busd, "caller");
	struct bus_request_out req = request("Say", "over tcp");
	char path[128], text[8192], endpoint[64];
	CLEANUP_FILE FILE *log = NULL;
	const char *at;

	assert_true(busd_logged(f->busd, "bus.serving"));
	snprintf(path, sizeof(path), "%s/log", busd_dir(f->busd));
	log = fopen(path, "re");
	assert_non_null(log);
	text[fread(text, 1, sizeof(text) - 1, log)] = 0;
	at = strstr(text, "member=tcp://");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "member=%63s", endpoint), 1);
	start_echo(f, &f->echo, 4);
	assert_int_equal(call(f, busrig_client(f->rig, endpoint, &keys), &req), 0);
	assert_memory_equal(f->reply.body, "over tcp", 8);
}

int main(int argc, char **argv)
{
#define TEST(name, set_up) cmocka_unit_test_setup_teardown(name, set_up, teardown)
	const struct CMUnitTest tests[] = {
		TEST(request_is_answered, setup),
		TEST(large_and_empty_bodies_pass, setup),
		TEST(replies_find_their_requests, setup),
		TEST(credit_bounds_what_a_worker_holds, setup),
		TEST(parked_request_gives_its_credit_back, setup),
		TEST(no_worker_is_no_service, setup_impatient),
		TEST(request_waits_for_a_service_that_starts, setup),
		TEST(rights_are_needed, setup),
		TEST(only_a_granted_member_acts_for_people, setup),
		TEST(no_queue_flag_is_busy_at_once, setup),
		TEST(queue_is_bounded_for_all_and_for_each, setup_tight),
		TEST(broker_holds_a_bounded_number, setup_small),
		TEST(members_take_turns_in_a_queue, setup),
		TEST(deadline_passes_in_the_queue, setup),
		TEST(deadline_passes_in_flight, setup),
		TEST(absent_broker_is_unavailable, setup),
		TEST(killed_worker_is_reported, setup),
		TEST(repeatable_request_goes_to_a_second_worker, setup),
		TEST(message_that_kills_twice_is_not_tried_again, setup),
		TEST(queue_outlives_its_workers_a_moment_only, setup_impatient),
		TEST(broker_restart_loses_no_request, setup),
		TEST(draining_broker_finishes_what_it_has, setup),
		TEST(draining_worker_takes_nothing_new, setup),
		cmocka_unit_test_setup_teardown(call_moves_to_the_other_broker, setup_pair,
						teardown_pair),
		cmocka_unit_test_setup_teardown(drained_broker_sends_calls_to_the_other, setup_pair,
						teardown_pair),
		TEST(faulty_rights_are_refused_and_the_old_kept, setup),
		TEST(rights_are_taken_away_while_running, setup),
		TEST(revoked_key_is_refused_on_a_live_connection, setup),
		TEST(operator_reads_the_state, setup),
		TEST(others_read_nothing, setup),
		TEST(bus_serves_over_tcp, setup_tcp),
	};

	if (argc > 1 && strcmp(argv[0], "worker") == 0)
		return child_main(argv[1]);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
