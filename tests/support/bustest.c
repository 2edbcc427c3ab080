#include "tests/support/bustest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/clock.h"

const struct busd_member bustest_members[BUSTEST_MEMBERS] = {
	{"caller", CALLER}, {"gateway", GATEWAY}, {"echo", SERVICE}, {"operator", OPERATOR}};

const char bustest_rights[] = GRANTS "serve " SERVICE " echo\n";

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

void bustest_wait_held(struct echo *e, unsigned held)
{
	struct count c = {.echo = e, .held = held};

	assert_true(busrig_until(has_count, &c));
}

void bustest_wait_seen(struct echo *e, unsigned seen)
{
	struct count c = {.echo = e, .seen = seen};

	assert_true(busrig_until(has_count, &c));
}

/* Answers all held requests with their own bodies, from this thread. */
void bustest_let_go(struct echo *e)
{
	pthread_mutex_lock(&e->mutex);
	while (e->n_held > 0) {
		struct bus_request *req = e->held[--e->n_held];

		bus_reply(req, NULL, req->body, req->body_len, false);
	}
	pthread_mutex_unlock(&e->mutex);
}

struct bus_worker_config bustest_echo_config(struct echo *e, const struct bus_keys *keys,
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

void bustest_echo(struct fixture *f, struct echo *e, unsigned credit)
{
	struct bus_keys keys = busd_keys(f->busd, "echo");
	struct bus_worker_config config =
		bustest_echo_config(e, &keys, busd_backend_endpoint(f->busd), credit);

	e->worker = busrig_worker(f->rig, &config);
}

int bustest_setup_with(void **state, const char *const *env)
{
	struct fixture *f = base_alloc(sizeof(*f));
	struct bus_keys keys;

	f->busd = busd_start(bustest_members, BUSTEST_MEMBERS, bustest_rights, env);
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

int bustest_setup(void **state)
{
	return bustest_setup_with(state, NULL);
}

int bustest_teardown(void **state)
{
	struct fixture *f = *state;

	bustest_let_go(&f->echo);
	busrig_free(f->rig);
	busd_free(f->busd);
	arena_done(&f->arena);
	free(f);
	return 0;
}

struct bus_request_out bustest_request(const char *method, const char *body)
{
	return (struct bus_request_out){.service = "echo",
					.method = method,
					.deadline_ms = 20000,
					.body = body,
					.body_len = strlen(body)};
}

int bustest_call(struct fixture *f, struct bus_client *c, const struct bus_request_out *req)
{
	err_clear(&f->err);
	return bus_client_call(c, req, &f->arena, &f->reply, &f->err);
}

/* --- requests that are sent and awaited apart --- */

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

struct flight *bustest_send(struct fixture *f, struct bus_client *c, struct bus_request_out req)
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
void bustest_land(struct flight *fl, int status, const char *code, bool unknown)
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

void bustest_wait_metric(struct fixture *f, const char *name, long long value)
{
	struct metric_wait m = {f->busd, name, value};

	assert_true(busrig_until(metric_is, &m));
}
