#include "common/bus/client.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "common/base/log.h"
#include "common/base/uuid.h"
#include "common/bus/frame.h"
#include "common/bus/socket.h"
#include "common/wire/header.h"
#include "common/wire/pb.h"

#define CLIENT_MAGIC      0x6275636cu
#define OUTSTANDING_MAX   1024
#define BUCKETS           1024 /* a power of two */
#define TICK_MS           20
#define ENDPOINT_NONE     UINT32_MAX
#define MARGIN_US         50000 /* the broker's verdict says more than our own clock: let it be first */
#define MOVE_MIN_US       250000  /* how long a broker may be silent at least … */
#define MOVE_MAX_US       1500000 /* … and at most, before a call goes to another */
#define PING_US           200000  /* to a broker that is silent so long while calls wait there */
#define PAUSE_DRAINING_US 100000
#define AVOID_US          1000000 /* a broker that said it stops */
#define ARENA_CAP         (64 * 1024)
#define HEADER_TAIL_MAX   16 /* deadline_ms and attempt as varints with their tags */

static const struct err_kind err_too_many = {ERR_BUSY, "TOO_MANY_OUTSTANDING",
					     "Quá nhiều yêu cầu đang chờ trả lời",
					     "too many requests are waiting for their replies"};
static const struct err_kind err_bad_service = {
	ERR_INVALID, "BAD_SERVICE_NAME", "Tên dịch vụ không hợp lệ: %s", "bad service name: %s"};

/* One request until its callback ran. */
struct call_out {
	TAILQ_ENTRY(call_out) link;
	struct call_out *next_in_bucket;
	uint8_t message_id[16];
	char service[BUS_NAME_MAX];
	/* The packed header but for deadline_ms and attempt, which differ from try to try. */
	zmq_msg_t header, body;
	int64_t deadline_us, sent_us, retry_us;
	uint32_t endpoint; /* of the last try; ENDPOINT_NONE: waits until retry_us for the next */
	uint32_t attempt;
	unsigned refusals; /* endpoints that answered NO_SERVICE or DRAINING */
	bool ever_sent, cancelled;
	bool maybe_begun; /* an earlier try was left without an answer */
	bool asked_again; /* after somebody else's CANCEL of the same id */
	bus_reply_fn *fn;
	void *arg;
};
TAILQ_HEAD(call_list, call_out);

struct endpoint {
	struct bus_client *client;
	void *socket;
	struct loop_socket *watch;
	char address[128];
	bool up;
	int64_t heard_us, pinged_us, avoid_until_us;
	unsigned n_calls; /* whose last try it has */
};

struct bus_client {
	unsigned magic;
	struct loop *loop;
	void *context;
	struct endpoint endpoints[BUS_ENDPOINTS_MAX];
	uint32_t n_endpoints, preferred;
	struct call_list calls;
	struct call_out *buckets[BUCKETS];
	unsigned n_calls, max_calls;
	struct loop_timer *tick;
};

/* --- table of outstanding calls --- */

static struct call_out **bucket_of(struct bus_client *c, const uint8_t id[static 16])
{
	/* The last bytes of a UUIDv7 are random. */
	return &c->buckets[(id[14] | (unsigned)id[15] << 8) & (BUCKETS - 1)];
}

static bool has_id(const struct call_out *call, const uint8_t *id)
{
	return memcmp(call->message_id, id, 16) == 0;
}

/*
 * The same id may be asked for twice at a time, by a caller that left and came again. Any answer
 * does for both, but that it was cancelled is for the one that was. NULL: late.
 */
static struct call_out *call_for_reply(struct bus_client *c, const uint8_t *id, bool is_cancelled)
{
	struct call_out *found = NULL;

	for (struct call_out *o = *bucket_of(c, id); o; o = o->next_in_bucket)
		if (has_id(o, id) && (!found || o->cancelled == is_cancelled))
			found = o;
	return found;
}

/* Another call that waits for the same answer. */
static bool has_twin(struct bus_client *c, const struct call_out *call)
{
	for (struct call_out *o = *bucket_of(c, call->message_id); o; o = o->next_in_bucket)
		if (o != call && !o->cancelled && has_id(o, call->message_id))
			return true;
	return false;
}

static void call_unlink(struct bus_client *c, struct call_out *call)
{
	struct call_out **p = bucket_of(c, call->message_id);

	while (*p != call)
		p = &(*p)->next_in_bucket;
	*p = call->next_in_bucket;
	TAILQ_REMOVE(&c->calls, call, link);
	c->n_calls--;
}

static void call_free(struct call_out *call)
{
	zmq_msg_close(&call->header);
	zmq_msg_close(&call->body);
	free(call);
}

/* The try is over for the client: answered, refused, or left. */
static void call_leave(struct bus_client *c, struct call_out *call)
{
	if (call->endpoint != ENDPOINT_NONE)
		c->endpoints[call->endpoint].n_calls--;
	call->endpoint = ENDPOINT_NONE;
}

/* Takes the call out of the table first: its callback may send the next one. */
static void call_finish(struct bus_client *c, struct call_out *call,
			const struct bus_reply_in *reply, const struct err *err)
{
	call_leave(c, call);
	call_unlink(c, call);
	call->fn(reply, err, call->arg);
	call_free(call);
}

static void call_finish_error(struct bus_client *c, struct call_out *call, const struct err *err)
{
	struct bus_reply_in reply = {.status = err->status, .served_by = ""};

	call_finish(c, call, &reply, err);
}

/* --- sending --- */

static size_t put_varint(uint8_t *out, uint32_t v)
{
	size_t n = 0;

	while (v >= 0x80) {
		out[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	out[n++] = (uint8_t)v;
	return n;
}

/* header.proto: deadline_ms = 3, attempt = 4; protobuf fields may stand in any order. */
static void add_header(struct frames *f, const struct call_out *call, uint32_t deadline_ms)
{
	uint8_t bytes[HEADER_MAX_BYTES];
	size_t n = frame_size(&call->header);

	memcpy(bytes, frame_data(&call->header), n);
	bytes[n++] = 3 << 3;
	n += put_varint(bytes + n, deadline_ms);
	bytes[n++] = 4 << 3;
	n += put_varint(bytes + n, call->attempt + 1);
	frames_add(f, bytes, n);
}

/* CANCEL with a message id, or PING. */
static void endpoint_say(struct endpoint *ep, uint8_t command, const uint8_t *id)
{
	struct frames f = {0};

	frames_add(&f, BUS_MDP_CLIENT, 6);
	frames_add(&f, &command, 1);
	if (id)
		frames_add(&f, id, 16);
	frames_send(&f, ep->socket);
	frames_done(&f);
}

static bool endpoint_send(struct endpoint *ep, struct call_out *call, int64_t now_us)
{
	static const uint8_t request = BUS_C_REQUEST;
	int64_t left_us = call->deadline_us - now_us;
	struct frames f = {0};
	zmq_msg_t body;

	if (left_us < 2 * MARGIN_US)
		left_us = left_us * 3 / 4;
	else
		left_us -= MARGIN_US;
	if (left_us < 1000)
		return false;
	zmq_msg_init(&body);
	zmq_msg_copy(&body, &call->body);
	frames_add(&f, BUS_MDP_CLIENT, 6);
	frames_add(&f, &request, 1);
	frames_add(&f, call->service, strlen(call->service));
	add_header(&f, call, (uint32_t)(left_us / 1000));
	frames_move(&f, &body);
	if (frames_send(&f, ep->socket) < 0) {
		frames_done(&f);
		ep->up = false;
		return false;
	}
	ep->up = true;
	return true;
}

static bool call_try(struct bus_client *c, struct call_out *call, uint32_t e, int64_t now_us)
{
	if (!endpoint_send(&c->endpoints[e], call, now_us))
		return false;
	call->endpoint = e;
	c->endpoints[e].n_calls++;
	call->attempt++;
	call->ever_sent = true;
	call->sent_us = now_us;
	return true;
}

/*
 * Sends the call to the first endpoint from `first` on that takes it, those that are stopping last;
 * else it waits for one.
 */
static void call_send(struct bus_client *c, struct call_out *call, uint32_t first)
{
	int64_t now_us = clock_mono_us();

	call_leave(c, call);
	call->retry_us = 0;
	for (uint32_t i = 0; i < 2 * c->n_endpoints; i++) {
		uint32_t e = (first + i) % c->n_endpoints;
		bool avoided = c->endpoints[e].avoid_until_us > now_us;

		if (avoided == (i >= c->n_endpoints) && call_try(c, call, e, now_us))
			return;
	}
}

/* The try may have come through: only its own answer could have said that it did not. */
static void call_move(struct bus_client *c, struct call_out *call)
{
	call->maybe_begun = true;
	call_send(c, call, call->endpoint + 1);
}

/* Every endpoint may hold a try of it. */
static void say_cancelled(struct bus_client *c, struct call_out *call)
{
	call->cancelled = true;
	for (uint32_t i = 0; i < c->n_endpoints; i++)
		if (call->ever_sent)
			endpoint_say(&c->endpoints[i], BUS_C_CANCEL, call->message_id);
}

/* --- receiving --- */

static bool is_cancelled(const struct err *err)
{
	return err->status == ERR_EXPIRED && strcmp(err_code(err), err_cancelled.code) == 0;
}

static bool same_service(const zmq_msg_t *part, const struct call_out *call)
{
	return frame_is(part, call->service);
}

/* Half of pause_us to half as much again. */
static int64_t jittered(int64_t pause_us)
{
	uint32_t r;

	crypt_random(&r, sizeof(r));
	return pause_us / 2 + r % pause_us;
}

/*
 * A refusal that another endpoint, or this one later, may not repeat. DRAINING is waited out until
 * the deadline; NO_SERVICE is asked of each endpoint once.
 */
static bool call_try_elsewhere(struct bus_client *c, struct call_out *call, int status)
{
	int64_t retry_us;

	if ((status != ERR_NO_SERVICE && status != ERR_DRAINING) || call->cancelled)
		return false;
	if (++call->refusals < c->n_endpoints) {
		call_send(c, call, call->endpoint + 1);
		return true;
	}
	retry_us = clock_mono_us() + jittered(PAUSE_DRAINING_US);
	if (status != ERR_DRAINING || retry_us + PAUSE_DRAINING_US > call->deadline_us)
		return false;
	call->refusals = 0;
	call_leave(c, call);
	call->retry_us = retry_us;
	return true;
}

/*
 * Somebody cancelled this id, but not this call: another process of the member, whose caller left
 * it and came to us. The request is asked once more.
 */
static bool call_ask_again(struct bus_client *c, struct call_out *call, const struct err *err)
{
	if (call->cancelled || call->asked_again || !is_cancelled(err))
		return false;
	call->asked_again = true;
	call_send(c, call, call->endpoint);
	return true;
}

/* Trouble at an endpoint the call has left: the try under way elsewhere has the last word. */
static bool is_stale_trouble(const struct endpoint *ep, const struct call_out *call, int status)
{
	return call->endpoint != (uint32_t)(ep - ep->client->endpoints) && status < 0 &&
	       err_side(status) != ERR_SIDE_CALLER;
}

/* What a broker refuses says nothing of an earlier try; a service knows that one by its id. */
static void note_outcome(const struct call_out *call, const char *served_by, struct err *err)
{
	if (call->maybe_begun &&
	    (strncmp(served_by, "bus/", 4) == 0 || err_side(err->status) != ERR_SIDE_CALLER))
		err->outcome_unknown = true;
}

static void note_health(struct endpoint *ep, int status, const struct err *err)
{
	if (status != ERR_DRAINING && status != ERR_NO_SERVICE)
		ep->client->preferred = (uint32_t)(ep - ep->client->endpoints);
	else if (strcmp(err_code(err), "BUS_DRAINING") == 0)
		ep->avoid_until_us = clock_mono_us() + jittered(AVOID_US);
}

static void take_reply(struct endpoint *ep, struct frames *f, struct arena *arena)
{
	struct bus_client *c = ep->client;
	struct bus_reply_in reply = {.served_by = ""};
	Bus__ReplyHeader *header;
	struct call_out *call;
	struct err err;

	err_clear(&err);
	if (header_read_reply(frame_data(&f->part[3]), frame_size(&f->part[3]), arena, &header,
			      &err) < 0 ||
	    header->message_id.len != 16)
		return;
	reply.status = header_to_error(header, &err);
	call = call_for_reply(c, header->message_id.data, is_cancelled(&err));
	if (!call || !same_service(&f->part[2], call))
		return; /* late: the call ended or the other endpoint was faster */
	note_health(ep, reply.status, &err);
	if (is_stale_trouble(ep, call, reply.status))
		return;
	if (reply.status < 0) {
		note_outcome(call, header->served_by, &err);
		call->maybe_begun = call->maybe_begun || err.outcome_unknown;
		if (call_ask_again(c, call, &err) || call_try_elsewhere(c, call, reply.status))
			return;
	}
	reply.replayed = header->replayed;
	reply.served_by = header->served_by;
	reply.body = f->n > 4 ? frame_data(&f->part[4]) : (const uint8_t *)"";
	reply.body_len = f->n > 4 ? frame_size(&f->part[4]) : 0;
	call_finish(c, call, &reply, &err);
}

static void on_frames(struct endpoint *ep, struct frames *f)
{
	struct arena arena;

	ep->heard_us = clock_mono_us();
	if (f->overflow || f->n < 4 || !frame_is(&f->part[0], BUS_MDP_CLIENT) ||
	    frame_command(&f->part[1]) != BUS_C_FINAL)
		return;
	arena_init(&arena, 4 * HEADER_REPLY_MAX_BYTES);
	take_reply(ep, f, &arena);
	arena_done(&arena);
}

static bool on_ready(void *arg, int budget)
{
	struct endpoint *ep = arg;

	while (budget-- > 0) {
		struct frames f;

		if (!socket_has_input(ep->socket) || !frames_recv(&f, ep->socket))
			return false;
		on_frames(ep, &f);
		frames_done(&f);
	}
	return true;
}

/* --- time --- */

static void call_expire(struct bus_client *c, struct call_out *call)
{
	struct err err;

	err_clear(&err);
	if (call->ever_sent) {
		/* A broker that was held up may only now find the request in its socket. */
		if (!call->cancelled && !has_twin(c, call))
			say_cancelled(c, call);
		err_set(&err, &err_deadline_passed, NULL, NULL);
		err.outcome_unknown = true;
	} else {
		err_set_retry(&err, &err_unavailable, "bus", 1000);
	}
	call_finish_error(c, call, &err);
}

/* Cancelled, and no endpoint will say what became of it. */
static void call_give_up(struct bus_client *c, struct call_out *call)
{
	struct err err;

	err_clear(&err);
	err_set(&err, &err_cancelled, NULL, NULL);
	err.outcome_unknown = call->ever_sent;
	call_finish_error(c, call, &err);
}

static void call_abandon(struct bus_client *c, struct call_out *call)
{
	call_leave(c, call);
	call_give_up(c, call);
}

/*
 * Has the broker been silent for this call's patience? An answer to anything, a PONG too, shows
 * that it lives and will say what becomes of the call: however long a service takes, nothing is
 * asked twice for that.
 */
static bool is_silent(const struct bus_client *c, const struct call_out *call, int64_t now_us)
{
	const struct endpoint *ep = &c->endpoints[call->endpoint];
	int64_t since_us = ep->heard_us > call->sent_us ? ep->heard_us : call->sent_us;
	int64_t patience_us = (call->deadline_us - call->sent_us) / c->n_endpoints;

	if (patience_us > MOVE_MAX_US)
		patience_us = MOVE_MAX_US;
	if (patience_us < MOVE_MIN_US)
		patience_us = MOVE_MIN_US;
	return now_us - since_us >= patience_us;
}

static void call_tick(struct bus_client *c, struct call_out *call, int64_t now_us)
{
	if (now_us >= call->deadline_us)
		call_expire(c, call);
	else if (call->endpoint == ENDPOINT_NONE && call->cancelled)
		call_give_up(c, call);
	else if (call->endpoint == ENDPOINT_NONE) {
		if (now_us >= call->retry_us)
			call_send(c, call, c->preferred);
	} else if (!c->endpoints[call->endpoint].up ||
		   (c->n_endpoints > 1 && is_silent(c, call, now_us))) {
		/* What was sent into a connection that is gone may be lost. */
		if (call->cancelled)
			call_abandon(c, call);
		else
			call_move(c, call);
	}
}

static void endpoint_tick(struct endpoint *ep, int64_t now_us)
{
	ep->up = socket_writable(ep->socket);
	if (!ep->up || ep->n_calls == 0 || ep->client->n_endpoints == 1 ||
	    now_us - ep->heard_us < PING_US || now_us - ep->pinged_us < PING_US)
		return;
	ep->pinged_us = now_us;
	endpoint_say(ep, BUS_C_PING, NULL);
}

/* Callbacks may add calls (at the tail) while the list is walked; they never remove others. */
static void on_tick(void *arg)
{
	struct bus_client *c = arg;
	int64_t now_us = clock_mono_us();
	struct call_out *call = TAILQ_FIRST(&c->calls), *next;

	for (uint32_t i = 0; i < c->n_endpoints; i++)
		endpoint_tick(&c->endpoints[i], now_us);
	for (; call; call = next) {
		next = TAILQ_NEXT(call, link);
		call_tick(c, call, now_us);
	}
	if (c->n_calls == 0 && c->tick) {
		loop_timer_stop(c->tick);
		c->tick = NULL;
	}
}

/* --- life --- */

static int endpoint_open(struct bus_client *c, const struct bus_client_config *config, uint32_t i,
			 struct err *err)
{
	struct endpoint *ep = &c->endpoints[i];
	int rc = socket_dealer_new(c->context, &config->keys, ep->address, 2 * (int)c->max_calls,
				   &ep->socket);

	if (rc < 0)
		return err_set(err, &err_invalid_field, "endpoints", ep->address);
	ep->client = c;
	ep->watch = loop_socket_add(c->loop, socket_fd(ep->socket), socket_has_input, ep->socket,
				    on_ready, ep);
	return 0;
}

int bus_client_new(struct loop *loop, const struct bus_client_config *config,
		   struct bus_client **ret_client, struct err *err)
{
	char addresses[BUS_ENDPOINTS_MAX][128];
	int n = bus_endpoints_split(config->endpoints, addresses, err), rc = 0;
	struct bus_client *c;

	if (n < 0)
		return n;
	c = base_alloc(sizeof(*c));
	c->magic = CLIENT_MAGIC;
	c->loop = loop;
	c->context = socket_context_acquire();
	c->max_calls = config->max_outstanding ? config->max_outstanding : OUTSTANDING_MAX;
	TAILQ_INIT(&c->calls);
	for (int i = 0; i < n && rc == 0; i++) {
		memcpy(c->endpoints[i].address, addresses[i], sizeof(addresses[i]));
		c->n_endpoints++;
		rc = endpoint_open(c, config, (uint32_t)i, err);
	}
	if (rc < 0) {
		bus_client_free(c);
		return rc;
	}
	*ret_client = c;
	return 0;
}

void bus_client_free(struct bus_client *c)
{
	struct err err;

	if (!c)
		return;
	CHECK(c->magic == CLIENT_MAGIC);
	err_clear(&err);
	err_set(&err, &err_unavailable, NULL, "bus");
	while (!TAILQ_EMPTY(&c->calls)) {
		say_cancelled(c, TAILQ_FIRST(&c->calls));
		err.outcome_unknown = TAILQ_FIRST(&c->calls)->ever_sent;
		call_finish_error(c, TAILQ_FIRST(&c->calls), &err);
	}
	loop_timer_stop(c->tick);
	for (uint32_t i = 0; i < c->n_endpoints; i++) {
		loop_socket_remove(c->endpoints[i].watch);
		socket_close(c->endpoints[i].socket);
	}
	socket_context_release();
	c->magic = 0;
	free(c);
}

/* --- requests --- */

static int check_request(struct bus_client *c, const struct bus_request_out *req, struct err *err)
{
	if (c->n_calls >= c->max_calls)
		return err_set_retry(err, &err_too_many, NULL, 100);
	if (!bus_name_valid(req->service, strlen(req->service)))
		return err_set(err, &err_bad_service, "service", req->service);
	if (req->body_len > BUS_BODY_MAX_BYTES)
		return err_set(err, &err_too_large, "body", "body");
	return 0;
}

/* The header with everything but deadline and attempt; checked as the broker will check it. */
static int pack_header(const struct bus_request_out *req, const uint8_t id[static 16],
		       struct arena *arena, zmq_msg_t *ret_header, struct err *err)
{
	Bus__RequestHeader h = BUS__REQUEST_HEADER__INIT, *checked;
	char traceparent[56];
	uint8_t *bytes;
	size_t n;
	int rc;

	h.message_id = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)id, .len = 16};
	h.method = req->method;
	h.flags = req->flags;
	h.traceparent = req->traceparent;
	if (!req->traceparent || !*req->traceparent) {
		header_new_traceparent(traceparent);
		h.traceparent = traceparent;
	}
	h.on_behalf_of = (Bus__OnBehalfOf *)(uintptr_t)req->on_behalf_of;
	h.purpose = req->purpose ? req->purpose : "";
	h.deadline_ms = req->deadline_ms;
	rc = header_write(&h.base, arena, &bytes, &n, err);
	if (rc == 0)
		rc = header_read_request(bytes, n, arena, &checked, err);
	if (rc < 0)
		return rc;
	h.deadline_ms = 0;
	rc = header_write(&h.base, arena, &bytes, &n, err);
	if (rc == 0 && n + HEADER_TAIL_MAX > HEADER_MAX_BYTES)
		rc = err_set(err, &err_too_large, NULL, "header");
	if (rc == 0)
		frame_copy(ret_header, bytes, n);
	return rc;
}

static struct call_out *call_new(const struct bus_request_out *req, const uint8_t id[static 16],
				 zmq_msg_t *header)
{
	struct call_out *call = base_alloc(sizeof(*call));

	memcpy(call->message_id, id, 16);
	memcpy(call->service, req->service, strlen(req->service) + 1);
	zmq_msg_init(&call->header);
	zmq_msg_move(&call->header, header);
	frame_copy(&call->body, req->body, req->body_len);
	call->deadline_us = clock_mono_us() + (int64_t)req->deadline_ms * 1000;
	call->endpoint = ENDPOINT_NONE;
	return call;
}

static void call_add(struct bus_client *c, struct call_out *call)
{
	struct call_out **bucket = bucket_of(c, call->message_id);

	call->next_in_bucket = *bucket;
	*bucket = call;
	TAILQ_INSERT_TAIL(&c->calls, call, link);
	c->n_calls++;
	if (!c->tick)
		c->tick = loop_timer_start(c->loop, TICK_MS, TICK_MS, on_tick, c);
}

void bus_client_send(struct bus_client *c, const struct bus_request_out *req, bus_reply_fn *fn,
		     void *arg)
{
	static const uint8_t zero[16];
	struct bus_reply_in refused = {.served_by = ""};
	struct call_out *call;
	struct arena arena;
	uint8_t id[16];
	zmq_msg_t header;
	struct err err;

	CHECK(c->magic == CLIENT_MAGIC && loop_is_mine(c->loop));
	err_clear(&err);
	arena_init(&arena, ARENA_CAP);
	zmq_msg_init(&header);
	memcpy(id, req->message_id, 16);
	if (memcmp(id, zero, 16) == 0)
		uuid_v7(id);
	refused.status = check_request(c, req, &err);
	if (refused.status == 0)
		refused.status = pack_header(req, id, &arena, &header, &err);
	arena_done(&arena);
	if (refused.status < 0) {
		zmq_msg_close(&header);
		fn(&refused, &err, arg);
		return;
	}
	call = call_new(req, id, &header);
	call->fn = fn;
	call->arg = arg;
	call_add(c, call);
	call_send(c, call, c->preferred);
}

/* --- no longer wanted --- */

void bus_client_cancel(struct bus_client *c, const uint8_t message_id[static 16], const void *arg)
{
	struct call_out *call = *bucket_of(c, message_id);

	CHECK(c->magic == CLIENT_MAGIC && loop_is_mine(c->loop));
	while (call && (call->cancelled || call->arg != arg || !has_id(call, message_id)))
		call = call->next_in_bucket;
	if (!call)
		return;
	if (has_twin(c, call))
		call->cancelled = true;
	else
		say_cancelled(c, call);
}

struct loop *bus_client_loop(struct bus_client *c)
{
	return c->loop;
}
