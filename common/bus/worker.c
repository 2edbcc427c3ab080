#include "common/bus/worker.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "common/base/log.h"
#include "common/bus/frame.h"
#include "common/bus/socket.h"
#include "common/wire/header.h"

#define WORKER_MAGIC     0x62757772u
#define REQUEST_MAGIC    0x62757271u
#define TICK_MS          100
#define HEARTBEAT_US     2000000
#define SILENCE_US       (3 * HEARTBEAT_US)
#define BACKOFF_FIRST_US 250000
#define BACKOFF_MAX_US   10000000
#define HWM              10000
#define REQUEST_CAP      (16u << 20)
#define HELLO_CAP        4096
#define REPLY_CAP        (64u * 1024)
#define TEXT_MAX         64

enum link_state {
	LINK_AWAY,    /* no connection, or waiting before the next READY */
	LINK_JOINING, /* READY sent, not answered yet */
	LINK_JOINED,
};

struct request;
TAILQ_HEAD(request_list, request);

enum request_state { REQUEST_WAITING, REQUEST_BEGUN, REQUEST_CANCELLED };

/* One broker. */
struct link {
	struct bus_worker *worker;
	char address[128];
	void *socket;
	struct loop_socket *watch;
	enum link_state state;
	int64_t heard_us, said_us, retry_us, backoff_us;
	struct request_list requests; /* in our hands */
	unsigned parked;
	bool drained; /* the broker has acknowledged our draining */
};

struct bus_worker {
	unsigned magic;
	struct loop *loop;
	void *context;
	struct bus_keys keys;
	char service[BUS_NAME_MAX], instance[TEXT_MAX], served_by[BUS_NAME_MAX + TEXT_MAX];
	unsigned credit;
	void (*on_request)(struct bus_request *req, void *arg);
	void (*on_unpark)(struct bus_request *req, void *arg);
	void (*on_hello)(const Bus__BrokerHello *hello, void *arg);
	void *arg;
	struct link links[BUS_ENDPOINTS_MAX];
	unsigned n_links;
	struct loop_timer *tick;
	unsigned in_hand; /* requests given out and not answered */
	bool draining, freed;
	int64_t drain_until_us;
	void (*on_drained)(void *arg);
	void *drained_arg;
};

/* What bus_request hides: its frames, and the reply on its way to the loop's thread. */
struct request {
	struct bus_request pub;
	struct frames frames;
	zmq_msg_t reply_header, reply_body;
	atomic_int state; /* enum request_state */
	TAILQ_ENTRY(request) link;
};

/* --- talking to one broker --- */

static void hello_pack(const struct link *l, struct arena *arena, uint8_t **ret_bytes,
		       size_t *ret_n)
{
	Bus__WorkerHello hello = BUS__WORKER_HELLO__INIT;
	struct err err;

	hello.credit = l->worker->credit;
	hello.instance = l->worker->instance;
	hello.version = base_version();
	hello.parked = l->parked;
	hello.draining = l->worker->draining;
	hello.cancel = true;
	CHECK(header_write(&hello.base, arena, ret_bytes, ret_n, &err) == 0);
}

/* READY or HEARTBEAT with a hello. False when there is no connection. */
static bool link_say(struct link *l, uint8_t command)
{
	struct frames f = {0};
	struct arena arena;
	uint8_t *bytes;
	size_t n;
	int rc;

	arena_init(&arena, HELLO_CAP);
	hello_pack(l, &arena, &bytes, &n);
	frames_add(&f, BUS_MDP_WORKER, 6);
	frames_add(&f, &command, 1);
	if (command == BUS_W_READY)
		frames_add(&f, l->worker->service, strlen(l->worker->service));
	frames_add(&f, bytes, n);
	arena_done(&arena);
	rc = frames_send(&f, l->socket);
	frames_done(&f);
	l->said_us = clock_mono_us();
	return rc == 0;
}

static void link_say_disconnect(struct link *l)
{
	static const uint8_t command = BUS_W_DISCONNECT;
	struct frames f = {0};

	frames_add(&f, BUS_MDP_WORKER, 6);
	frames_add(&f, &command, 1);
	frames_send(&f, l->socket);
	frames_done(&f);
}

/* Half of pause_us to all of it, so that workers do not come back in step. */
static int64_t jittered(int64_t pause_us)
{
	uint32_t r;

	crypt_random(&r, sizeof(r));
	return pause_us / 2 + r % (pause_us / 2);
}

/* It shall not wait for anything: answered now when it is parked, and never parked from now on. */
static void request_hurry(struct request *r)
{
	struct bus_worker *w = r->pub.worker;

	r->pub.hurried = true;
	if (r->pub.parked && w->on_unpark)
		w->on_unpark(&r->pub, w->arg);
}

/* The broker waits for its requests to end. */
static void link_hurry(struct link *l)
{
	struct request *r = TAILQ_FIRST(&l->requests), *next;

	for (; r; r = next) {
		next = TAILQ_NEXT(r, link);
		request_hurry(r);
	}
}

/* The broker that asked has forgotten it, and the caller asks again elsewhere. */
static void link_orphan(struct link *l)
{
	struct request *r;

	TAILQ_FOREACH(r, &l->requests, link)
	{
		int waiting = REQUEST_WAITING;

		atomic_compare_exchange_strong(&r->state, &waiting, REQUEST_CANCELLED);
	}
	link_hurry(l);
}

static void link_leave(struct link *l, const char *why)
{
	if (l->state == LINK_JOINED)
		log_warn("bus.left", LOG_STR("broker", l->address), LOG_STR("why", why));
	l->state = LINK_AWAY;
	l->parked = 0;
	link_orphan(l);
}

static void link_back_off(struct link *l)
{
	l->retry_us = clock_mono_us() + jittered(l->backoff_us);
	l->backoff_us = l->backoff_us * 2 < BACKOFF_MAX_US ? l->backoff_us * 2 : BACKOFF_MAX_US;
}

static bool on_ready(void *arg, int budget);

static int link_open(struct link *l)
{
	int rc = socket_dealer_new(l->worker->context, &l->worker->keys, l->address, HWM,
				   &l->socket);

	if (rc < 0)
		return rc;
	l->watch = loop_socket_add(l->worker->loop, socket_fd(l->socket), socket_has_input,
				   l->socket, on_ready, l);
	return 0;
}

static void link_close(struct link *l)
{
	loop_socket_remove(l->watch);
	socket_close(l->socket);
	l->watch = NULL;
	l->socket = NULL;
}

/* A broker that does not answer gets a fresh connection: this one may be half open. */
static void link_reset(struct link *l, const char *why)
{
	link_leave(l, why);
	link_close(l);
	link_back_off(l);
	if (link_open(l) < 0)
		log_error("bus.socket", LOG_STR("broker", l->address));
}

static void link_tick_away(struct link *l, int64_t now_us)
{
	if (now_us < l->retry_us || l->worker->draining)
		return;
	if (!socket_writable(l->socket) || !link_say(l, BUS_W_READY))
		return;
	l->state = LINK_JOINING;
	l->heard_us = now_us;
}

static void link_tick(struct link *l, int64_t now_us)
{
	if (!l->socket && link_open(l) < 0)
		return;
	if (l->state == LINK_AWAY) {
		link_tick_away(l, now_us);
		return;
	}
	if (!socket_writable(l->socket))
		link_leave(l, "connection lost");
	else if (now_us - l->heard_us > SILENCE_US)
		link_reset(l, "silent");
	else if (l->state == LINK_JOINED && now_us - l->said_us >= HEARTBEAT_US)
		link_say(l, BUS_W_HEARTBEAT);
}

/* --- requests --- */

static void request_free(struct request *r)
{
	frames_done(&r->frames);
	arena_done(&r->pub.arena);
	r->pub.magic = 0;
	free(r);
}

static void drain_check(struct bus_worker *w);

/* Back on the loop's thread. A link that was left meanwhile has a broker that forgot the token. */
static void request_answer(void *arg)
{
	static const uint8_t command = BUS_W_FINAL;
	struct request *r = arg;
	struct bus_worker *w = r->pub.worker;
	struct link *l = &w->links[r->pub.endpoint];
	struct frames f = {0};

	if (r->pub.parked && l->parked > 0) {
		/* The credit is taken back before the broker counts the request as answered. */
		l->parked--;
		if (l->state == LINK_JOINED)
			link_say(l, BUS_W_HEARTBEAT);
	}
	frames_add(&f, BUS_MDP_WORKER, 6);
	frames_add(&f, &command, 1);
	frames_add(&f, r->pub.token, BUS_TOKEN_BYTES);
	frames_add(&f, "", 0);
	frames_move(&f, &r->reply_header);
	frames_move(&f, &r->reply_body);
	if (!w->freed && l->socket && frames_send(&f, l->socket) < 0)
		log_warn("bus.reply_lost", LOG_STR("broker", l->address));
	frames_done(&f);
	TAILQ_REMOVE(&l->requests, r, link);
	request_free(r);
	w->in_hand--;
	drain_check(w);
	if (w->freed && w->in_hand == 0)
		free(w);
}

static void pack_reply(struct request *r, const struct err *err, bool replayed)
{
	struct arena arena;
	Bus__ReplyHeader *h;
	struct err ignored;
	uint8_t *bytes;
	size_t n;

	arena_init(&arena, REPLY_CAP);
	h = header_of_error(err, r->pub.worker->served_by, r->pub.trace_id, &arena);
	CHECK(h);
	h->replayed = replayed;
	CHECK(header_write(&h->base, &arena, &bytes, &n, &ignored) == 0);
	frame_copy(&r->reply_header, bytes, n);
	arena_done(&arena);
}

void bus_reply(struct bus_request *req, const struct err *err, const void *body, size_t body_len,
	       bool replayed)
{
	struct request *r = (struct request *)req;
	struct err too_large;

	CHECK(req->magic == REQUEST_MAGIC);
	if (body_len > BUS_BODY_MAX_BYTES) {
		err_clear(&too_large);
		err_set(&too_large, &err_too_large, NULL, "reply");
		too_large.outcome_unknown = true;
		err = &too_large;
	}
	if (err && err->status < 0)
		body_len = 0;
	pack_reply(r, err, replayed);
	frame_copy(&r->reply_body, body, body_len);
	if (loop_is_mine(req->worker->loop))
		request_answer(r);
	else
		loop_post(req->worker->loop, request_answer, r);
}

void bus_request_park(struct bus_request *req)
{
	struct link *l = &req->worker->links[req->endpoint];

	CHECK(req->magic == REQUEST_MAGIC && loop_is_mine(req->worker->loop));
	if (req->parked)
		return;
	req->parked = true;
	l->parked++;
	if (l->state == LINK_JOINED)
		link_say(l, BUS_W_HEARTBEAT);
}

int bus_request_begin(struct bus_request *req, struct err *err)
{
	struct request *r = (struct request *)req;
	int waiting = REQUEST_WAITING;

	CHECK(req->magic == REQUEST_MAGIC);
	if (clock_mono_us() >= req->deadline_us)
		return err_set(err, &err_deadline_passed, NULL, NULL);
	if (!atomic_compare_exchange_strong(&r->state, &waiting, REQUEST_BEGUN))
		return err_set(err, &err_cancelled, NULL, NULL);
	return 0;
}

static struct request *request_find(struct link *l, const uint8_t *token)
{
	struct request *r;

	TAILQ_FOREACH(r, &l->requests, link)
	if (memcmp(r->pub.token, token, BUS_TOKEN_BYTES) == 0)
		return r;
	return NULL;
}

/* MDPW02, CANCEL, token. What has begun goes on, and its answer says what became of it. */
static void on_cancel(struct link *l, const struct frames *f)
{
	int waiting = REQUEST_WAITING;
	struct request *r;

	if (f->n != 3 || frame_size(&f->part[2]) != BUS_TOKEN_BYTES)
		return;
	r = request_find(l, frame_data(&f->part[2]));
	if (r && !atomic_compare_exchange_strong(&r->state, &waiting, REQUEST_CANCELLED))
		request_hurry(r);
}

/* MDPW02, REQUEST, token, empty, caller, header, body. */
static int request_read(struct request *r, struct err *err)
{
	struct frames *f = &r->frames;
	struct bus_request *req = &r->pub;
	Bus__Caller *caller;
	Bus__RequestHeader *header;
	int rc;

	rc = header_read_caller(frame_data(&f->part[4]), frame_size(&f->part[4]), &req->arena,
				&caller, err);
	if (rc == 0)
		rc = header_read_request(frame_data(&f->part[5]), frame_size(&f->part[5]),
					 &req->arena, &header, err);
	if (rc < 0)
		return rc;
	req->caller = caller;
	req->header = header;
	req->body = f->n > 6 ? frame_data(&f->part[6]) : (const uint8_t *)"";
	req->body_len = f->n > 6 ? frame_size(&f->part[6]) : 0;
	req->deadline_us = clock_mono_us() + (int64_t)caller->time_left_ms * 1000;
	header_trace_id(header->traceparent, req->trace_id);
	return 0;
}

static void on_request(struct link *l, struct frames *f)
{
	struct bus_worker *w = l->worker;
	struct request *r;
	struct err err;

	if (f->n < 6 || f->overflow || frame_size(&f->part[2]) != BUS_TOKEN_BYTES)
		return;
	r = base_alloc(sizeof(*r));
	r->pub.magic = REQUEST_MAGIC;
	r->pub.worker = w;
	r->pub.endpoint = (unsigned)(l - w->links);
	memcpy(r->pub.token, frame_data(&f->part[2]), BUS_TOKEN_BYTES);
	arena_init(&r->pub.arena, REQUEST_CAP);
	r->frames = *f;
	f->n = 0;
	TAILQ_INSERT_TAIL(&l->requests, r, link);
	w->in_hand++;
	err_clear(&err);
	if (request_read(r, &err) < 0)
		bus_reply(&r->pub, &err, NULL, 0, false);
	else
		w->on_request(&r->pub, w->arg);
}

/* --- receiving --- */

static void take_hello(struct link *l, const zmq_msg_t *part)
{
	struct bus_worker *w = l->worker;
	Bus__BrokerHello *hello;
	struct arena arena;
	struct err err;

	arena_init(&arena, HELLO_CAP * 4);
	if (header_read_broker_hello(frame_data(part), frame_size(part), &arena, &hello, &err) ==
	    0) {
		l->drained = l->drained || hello->drain_acknowledged;
		if (hello->draining)
			link_hurry(l);
		if (w->on_hello)
			w->on_hello(hello, w->arg);
	}
	arena_done(&arena);
}

static void on_heartbeat(struct link *l, const struct frames *f)
{
	if (l->state == LINK_AWAY)
		return;
	if (l->state == LINK_JOINING) {
		l->state = LINK_JOINED;
		l->backoff_us = BACKOFF_FIRST_US;
		log_info("bus.joined", LOG_STR("broker", l->address),
			 LOG_STR("service", l->worker->service));
	}
	if (f->n > 2)
		take_hello(l, &f->part[2]);
	drain_check(l->worker);
}

/* Refused (we were joining), or the broker stops or has forgotten us. */
static void on_disconnect(struct link *l)
{
	if (l->state == LINK_JOINING)
		log_warn("bus.refused", LOG_STR("broker", l->address),
			 LOG_STR("service", l->worker->service));
	link_leave(l, "sent away");
	link_back_off(l);
	drain_check(l->worker);
}

static void on_frames(struct link *l, struct frames *f)
{
	if (f->n < 2 || !frame_is(&f->part[0], BUS_MDP_WORKER))
		return;
	l->heard_us = clock_mono_us();
	switch (frame_command(&f->part[1])) {
	case BUS_W_REQUEST:
		on_request(l, f);
		break;
	case BUS_W_CANCEL:
		on_cancel(l, f);
		break;
	case BUS_W_HEARTBEAT:
		on_heartbeat(l, f);
		break;
	case BUS_W_DISCONNECT:
		on_disconnect(l);
		break;
	}
}

static bool on_ready(void *arg, int budget)
{
	struct link *l = arg;

	while (budget-- > 0) {
		struct frames f;

		if (!l->socket || !socket_has_input(l->socket) || !frames_recv(&f, l->socket))
			return false;
		on_frames(l, &f);
		frames_done(&f);
	}
	return true;
}

/* --- life --- */

static void on_tick(void *arg)
{
	struct bus_worker *w = arg;
	int64_t now_us = clock_mono_us();

	for (unsigned i = 0; i < w->n_links; i++)
		link_tick(&w->links[i], now_us);
	drain_check(w);
}

int bus_worker_new(struct loop *loop, const struct bus_worker_config *config,
		   struct bus_worker **ret_worker, struct err *err)
{
	char addresses[BUS_ENDPOINTS_MAX][128];
	int n = bus_endpoints_split(config->endpoints, addresses, err), rc = 0;
	struct bus_worker *w;

	if (n < 0)
		return n;
	CHECK(bus_name_valid(config->service, strlen(config->service)) && config->on_request);
	w = base_alloc(sizeof(*w));
	w->magic = WORKER_MAGIC;
	w->loop = loop;
	w->context = socket_context_acquire();
	w->keys = config->keys;
	w->credit = config->credit;
	w->on_request = config->on_request;
	w->on_unpark = config->on_unpark;
	w->on_hello = config->on_hello;
	w->arg = config->arg;
	snprintf(w->service, sizeof(w->service), "%s", config->service);
	snprintf(w->instance, sizeof(w->instance), "%s", config->instance);
	snprintf(w->served_by, sizeof(w->served_by), "%s/%s", w->service, w->instance);
	for (int i = 0; i < n && rc == 0; i++) {
		struct link *l = &w->links[w->n_links++];

		l->worker = w;
		TAILQ_INIT(&l->requests);
		l->backoff_us = BACKOFF_FIRST_US;
		memcpy(l->address, addresses[i], sizeof(l->address));
		rc = link_open(l);
		if (rc < 0)
			rc = err_set(err, &err_invalid_field, "endpoints", l->address);
	}
	if (rc < 0) {
		bus_worker_free(w);
		return rc;
	}
	w->tick = loop_timer_start(loop, TICK_MS, TICK_MS, on_tick, w);
	*ret_worker = w;
	return 0;
}

/* Requests still in other threads' hands keep the memory until they are answered. */
void bus_worker_free(struct bus_worker *w)
{
	if (!w)
		return;
	CHECK(w->magic == WORKER_MAGIC && !w->freed);
	loop_timer_stop(w->tick);
	for (unsigned i = 0; i < w->n_links; i++) {
		struct link *l = &w->links[i];

		if (l->socket && l->state != LINK_AWAY)
			link_say_disconnect(l);
		l->state = LINK_AWAY;
		if (l->socket)
			link_close(l);
	}
	socket_context_release();
	bus_keys_wipe(&w->keys);
	w->on_drained = NULL;
	w->freed = true;
	if (w->in_hand == 0)
		free(w);
}

bool bus_worker_registered(const struct bus_worker *w)
{
	for (unsigned i = 0; i < w->n_links; i++)
		if (w->links[i].state == LINK_JOINED)
			return true;
	return false;
}

/* --- drain --- */

/* Nothing is under way to us: every broker we are with has said that it saw us draining. */
static bool drain_quiet(const struct bus_worker *w)
{
	for (unsigned i = 0; i < w->n_links; i++)
		if (w->links[i].state == LINK_JOINED && !w->links[i].drained)
			return false;
	return w->in_hand == 0;
}

static void drain_check(struct bus_worker *w)
{
	void (*fn)(void *arg) = w->on_drained;

	if (!w->draining || !fn)
		return;
	if (!drain_quiet(w) && clock_mono_us() < w->drain_until_us)
		return;
	w->on_drained = NULL;
	for (unsigned i = 0; i < w->n_links; i++) {
		struct link *l = &w->links[i];

		if (l->state != LINK_AWAY)
			link_say_disconnect(l);
		l->state = LINK_AWAY;
	}
	loop_post(w->loop, fn, w->drained_arg);
}

void bus_worker_drain(struct bus_worker *w, uint32_t timeout_ms, void (*fn)(void *arg), void *arg)
{
	w->draining = true;
	w->drain_until_us = clock_mono_us() + (int64_t)timeout_ms * 1000;
	w->on_drained = fn;
	w->drained_arg = arg;
	for (unsigned i = 0; i < w->n_links; i++)
		if (w->links[i].state == LINK_JOINED)
			link_say(&w->links[i], BUS_W_HEARTBEAT);
	drain_check(w);
}
