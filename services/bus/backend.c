#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/wire/header.h"
#include "services/bus/broker.h"

#define SILENT_HEARTBEATS 3
#define DEATHS_MAX        2
#define DISPATCHES_MAX    2
#define TAG_TIME_LEFT     (3 << 3)
#define PACE_MAX_US       CLOCK_US_PER_S /* one long pause is not the pace */

/* --- table of workers --- */

static struct worker **bucket_of(struct broker *b, const uint8_t *id)
{
	/* libzmq counts its ids up. */
	return &b->worker_buckets[(id[4] | (unsigned)id[3] << 8) % ARRAY_LEN(b->worker_buckets)];
}

static struct worker *worker_find(struct broker *b, const struct peer *peer)
{
	struct worker *w = *bucket_of(b, peer->id);

	while (w && memcmp(w->peer.id, peer->id, PEER_ID_BYTES) != 0)
		w = w->next_in_bucket;
	return w;
}

static struct worker *worker_add(struct broker *b, const struct peer *peer, struct member_key *key,
				 struct service *s)
{
	struct worker *w = base_alloc(sizeof(*w)), **bucket = bucket_of(b, peer->id);

	w->peer = *peer;
	w->key = key;
	w->service = s;
	w->credit = 1; /* RFC 18: one request at a time, until a hello says more */
	w->heard_us = b->now_us;
	TAILQ_INIT(&w->requests);
	w->next_in_bucket = *bucket;
	*bucket = w;
	TAILQ_INSERT_TAIL(&b->workers, w, all_link);
	TAILQ_INSERT_TAIL(&s->workers, w, link);
	s->n_workers++;
	w->held = s->held;
	s->n_held += w->held;
	b->n_workers++;
	return w;
}

static void worker_unready(struct worker *w)
{
	if (w->ready)
		TAILQ_REMOVE(&w->service->ready, w, ready_link);
	w->ready = false;
}

static void worker_remove(struct broker *b, struct worker *w)
{
	struct worker **p = bucket_of(b, w->peer.id);
	struct service *s = w->service;

	while (*p != w)
		p = &(*p)->next_in_bucket;
	*p = w->next_in_bucket;
	worker_unready(w);
	TAILQ_REMOVE(&b->workers, w, all_link);
	TAILQ_REMOVE(&s->workers, w, link);
	b->n_workers--;
	s->n_held -= w->held;
	if (--s->n_workers == 0)
		s->last_worker_us = b->now_us;
}

/* Parked requests are waited for but hold no credit; a worker cannot park more than it has. */
uint32_t worker_free_credit(const struct worker *w)
{
	uint32_t parked = w->parked < w->in_hand ? w->parked : w->in_hand;
	uint32_t busy = w->in_hand - parked;

	return w->draining || w->held || busy >= w->credit ? 0 : w->credit - busy;
}

/* Into the ready list, at its end so that workers take turns, or out of it. */
static void worker_update(struct worker *w)
{
	worker_unready(w);
	if (worker_free_credit(w) == 0)
		return;
	TAILQ_INSERT_TAIL(&w->service->ready, w, ready_link);
	w->ready = true;
}

/* --- saying --- */

void backend_say_disconnect(struct broker *b, const struct peer *to)
{
	struct frames f;

	broker_frames(&f, to, BUS_MDP_WORKER, BUS_W_DISCONNECT);
	broker_send(b, SIDE_BACKEND, &f);
}

void backend_cancel(struct broker *b, struct pending *p)
{
	uint8_t token[BUS_TOKEN_BYTES];
	struct frames f;

	if (!p->worker->cancels)
		return;
	pending_token(p, token);
	broker_frames(&f, &p->worker->peer, BUS_MDP_WORKER, BUS_W_CANCEL);
	frames_add(&f, token, sizeof(token));
	broker_send(b, SIDE_BACKEND, &f);
}

int backend_say_hello(struct broker *b, struct worker *w)
{
	Bus__BrokerHello hello = BUS__BROKER_HELLO__INIT;
	struct err ignored;
	struct frames f;
	uint8_t *bytes;
	size_t n;

	hello.instance = b->config.instance;
	hello.business_offset_us = clock_business_offset_us();
	hello.rights_hash = members_hash(b->members);
	hello.drain_acknowledged = w->draining;
	hello.draining = b->draining || w->held;
	CHECK(header_write(&hello.base, &b->out, &bytes, &n, &ignored) == 0);
	broker_frames(&f, &w->peer, BUS_MDP_WORKER, BUS_W_HEARTBEAT);
	frames_add(&f, bytes, n);
	arena_reset(&b->out);
	w->said_us = b->now_us;
	return broker_send(b, SIDE_BACKEND, &f);
}

/* --- dispatch --- */

static void add_caller(struct frames *f, const struct pending *p, int64_t left_us)
{
	uint32_t ms = left_us < 1000 ? 1 : (uint32_t)(left_us / 1000);
	zmq_msg_t *part = &f->part[f->n++];
	size_t n = p->caller_len;
	uint8_t tail[6], *bytes;
	size_t n_tail = 0;

	tail[n_tail++] = TAG_TIME_LEFT;
	for (; ms >= 0x80; ms >>= 7)
		tail[n_tail++] = (uint8_t)(ms | 0x80);
	tail[n_tail++] = (uint8_t)ms;
	CHECK(zmq_msg_init_size(part, n + n_tail) == 0);
	bytes = zmq_msg_data(part);
	memcpy(bytes, p->caller, n);
	memcpy(bytes + n, tail, n_tail);
}

/* Kept back for a second worker where the caller allows one; libzmq shares the bytes. */
static void add_part(struct frames *f, zmq_msg_t *part, bool keep)
{
	zmq_msg_t copy;

	if (!keep) {
		frames_move(f, part);
		return;
	}
	zmq_msg_init(&copy);
	zmq_msg_copy(&copy, part);
	frames_move(f, &copy);
}

int backend_dispatch(struct broker *b, struct worker *w, struct pending *p)
{
	bool keep = (p->flags & HEADER_FLAG_REPEATABLE) && p->dispatches + 1 < DISPATCHES_MAX;
	uint8_t token[BUS_TOKEN_BYTES];
	struct frames f;

	pending_token(p, token);
	broker_frames(&f, &w->peer, BUS_MDP_WORKER, BUS_W_REQUEST);
	frames_add(&f, token, sizeof(token));
	frames_add(&f, "", 0);
	add_caller(&f, p, p->deadline_us - b->now_us);
	add_part(&f, &p->header, keep);
	add_part(&f, &p->body, keep);
	if (b->config.send(b->config.send_arg, SIDE_BACKEND, &f) < 0) {
		zmq_msg_move(&p->header, &f.part[6]);
		zmq_msg_move(&p->body, &f.part[7]);
		frames_done(&f);
		return -1;
	}
	metric_observe_us(w->service->stats.wait, b->now_us - p->arrival_us);
	p->state = PENDING_DISPATCHED;
	p->worker = w;
	p->dispatches++;
	account_dispatched(b, p, w);
	TAILQ_INSERT_TAIL(&w->requests, p, link);
	w->n_requests++;
	w->in_hand++;
	w->service->in_flight++;
	worker_update(w);
	return 0;
}

void backend_release(struct broker *b, struct pending *p, bool still_busy)
{
	struct worker *w = p->worker;

	(void)b;
	CHECK(p->state == PENDING_DISPATCHED && w);
	TAILQ_REMOVE(&w->requests, p, link);
	w->n_requests--;
	w->service->in_flight--;
	if (!still_busy) {
		w->in_hand--;
		worker_update(w);
	}
	p->worker = NULL;
	p->state = PENDING_NEW;
}

unsigned backend_hold(struct broker *b, struct service *s, const char *instance, bool on)
{
	struct worker *w = NULL;
	unsigned n = 0;

	TAILQ_FOREACH(w, &s->workers, link)
	{
		if (*instance && strcmp(w->instance, instance) != 0)
			continue;
		s->n_held += on - w->held;
		w->held = on;
		worker_update(w);
		backend_say_hello(b, w);
		n++;
	}
	return n;
}

/* --- loss --- */

/* A request whose worker is gone: to a second one, or answered. */
static void settle(struct broker *b, struct service *s, struct pending *p, bool crashed)
{
	unsigned deaths =
		crashed ? broker_note_death(b, p) : broker_deaths(b, p->member, p->message_id);
	bool again = (p->flags & HEADER_FLAG_REPEATABLE) && p->dispatches < DISPATCHES_MAX &&
		     deaths < DEATHS_MAX && p->deadline_us > b->now_us && !b->draining &&
		     !p->cancelled;

	if (again) {
		pending_renew(b->pending, p);
		metric_add(s->stats.redispatched, 1);
		service_requeue(s, p);
		return;
	}
	err_clear(&b->err);
	if (deaths >= DEATHS_MAX)
		err_set(&b->err, &bus_killed_workers, NULL, s->name);
	else
		err_set_retry(&b->err, &bus_worker_lost, s->name, 200);
	broker_end(b, p);
}

void backend_lose(struct broker *b, struct worker *w, bool crashed)
{
	struct service *s = w->service;

	if (crashed) {
		metric_add(s->stats.lost, 1);
		log_warn("bus.worker_lost", LOG_STR("service", s->name),
			 LOG_STR("instance", w->instance), LOG_NUM("requests", w->n_requests));
	} else {
		log_info("bus.worker_left", LOG_STR("service", s->name),
			 LOG_STR("instance", w->instance), LOG_NUM("requests", w->n_requests));
	}
	worker_remove(b, w);
	while (!TAILQ_EMPTY(&w->requests)) {
		struct pending *p = TAILQ_LAST(&w->requests, pending_list);

		TAILQ_REMOVE(&w->requests, p, link);
		s->in_flight--;
		p->worker = NULL;
		p->state = PENDING_NEW;
		settle(b, s, p, crashed);
	}
	free(w);
}

static void tick_worker(struct broker *b, struct worker *w)
{
	int64_t every_us = w->in_hand > 0 ? b->config.probe_us : b->config.heartbeat_us;
	struct service *s = w->service;

	if (b->now_us - w->heard_us > SILENT_HEARTBEATS * b->config.heartbeat_us ||
	    (b->now_us - w->said_us >= every_us && backend_say_hello(b, w) < 0)) {
		backend_lose(b, w, true);
		service_pump(b, s);
	}
}

/* Pumping may lose further workers, so the walk starts over after a loss. */
void backend_tick(struct broker *b)
{
	struct worker *w = TAILQ_FIRST(&b->workers);

	while (w) {
		unsigned before = b->n_workers;
		struct worker *next = TAILQ_NEXT(w, all_link);

		tick_worker(b, w);
		w = b->n_workers == before ? next : TAILQ_FIRST(&b->workers);
	}
}

/* --- hearing --- */

static void apply_hello(struct broker *b, struct worker *w, const zmq_msg_t *part)
{
	bool was_draining = w->draining;
	Bus__WorkerHello *hello;

	if (header_read_worker_hello(frame_data(part), frame_size(part), &b->arena, &hello,
				     &b->err) < 0) {
		stats_drop(&b->stats, DROP_BAD_FRAMES);
		return;
	}
	w->credit = hello->credit < BROKER_CREDIT_MAX ? hello->credit : BROKER_CREDIT_MAX;
	w->parked = hello->parked;
	w->draining = hello->draining;
	w->cancels = hello->cancel;
	if (!w->instance[0])
		snprintf(w->instance, sizeof(w->instance), "%.*s", BROKER_TEXT_MAX - 1,
			 hello->instance);
	if (w->draining && !was_draining)
		log_info("bus.worker_draining", LOG_STR("service", w->service->name),
			 LOG_STR("instance", w->instance));
	/* Our answer tells it that nothing more is under way. */
	if (w->draining)
		backend_say_hello(b, w);
}

/* Why it may not join, as the log says it; NULL: it may. */
static const char *refusal(struct broker *b, const struct member_key *key, const struct frames *f,
			   char ret_name[static BUS_NAME_MAX])
{
	const zmq_msg_t *service = &f->part[3];

	ret_name[0] = 0;
	if ((f->n != 4 && f->n != 5) ||
	    !bus_name_valid((const char *)frame_data(service), frame_size(service)))
		return "BAD_FRAMES";
	memcpy(ret_name, frame_data(service), frame_size(service));
	ret_name[frame_size(service)] = 0;
	if (b->draining)
		return "BUS_DRAINING";
	if (b->n_workers == BROKER_WORKERS_MAX)
		return "BROKER_FULL";
	if (strcmp(ret_name, "bus") == 0 || strncmp(ret_name, "mmi.", 4) == 0)
		return "RESERVED_NAME"; /* the broker's own */
	return rights_may_serve(key->member->rights, ret_name, b->today) ? NULL : "NOT_GRANTED";
}

static void refuse_worker(struct broker *b, const struct peer *from, const struct member_key *key,
			  const char *service, const char *why)
{
	if (broker_may_warn(b))
		log_warn("bus.worker_refused", LOG_STR("member", key->member->name),
			 LOG_STR("service", service), LOG_STR("why", why));
	stats_drop(&b->stats, DROP_BAD_FRAMES);
	backend_say_disconnect(b, from);
}

/* id, MDPW02, READY, service[, hello]. */
static void on_ready(struct broker *b, const struct peer *from, struct member_key *key,
		     struct frames *f)
{
	char name[BUS_NAME_MAX];
	const char *why = refusal(b, key, f, name);
	struct service *s = why ? NULL : service_find_or_add(b, name, strlen(name));
	struct worker *w;

	if (!s) {
		refuse_worker(b, from, key, name, why ? why : "BROKER_FULL");
		return;
	}
	w = worker_add(b, from, key, s);
	if (f->n == 5)
		apply_hello(b, w, &f->part[4]);
	log_info("bus.worker_joined", LOG_STR("service", s->name), LOG_STR("instance", w->instance),
		 LOG_STR("member", key->member->name), LOG_NUM("credit", w->credit));
	backend_say_hello(b, w);
	worker_update(w);
	service_pump(b, s);
}

static void on_heartbeat(struct broker *b, struct worker *w, struct frames *f)
{
	struct service *s = w->service;

	if (f->n > 3)
		apply_hello(b, w, &f->part[3]);
	worker_update(w);
	service_pump(b, s);
}

/* The request the worker answers, if it holds its token. */
static struct pending *find_own(struct broker *b, struct worker *w, const zmq_msg_t *token)
{
	struct pending *p = pending_find(b->pending, frame_data(token), frame_size(token));

	if (p && p->state == PENDING_DISPATCHED && p->worker == w)
		return p;
	if (p) {
		if (broker_may_warn(b))
			log_warn("bus.forged_reply", LOG_STR("member", w->key->member->name));
		stats_drop(&b->stats, DROP_FORGED_REPLY);
		return NULL;
	}
	stats_drop(&b->stats, DROP_LATE_REPLY);
	return NULL;
}

/* While requests wait the workers have all they can do: how fast they answer then is their pace. */
static void note_pace(struct broker *b, struct service *s)
{
	int64_t d = b->now_us - s->answered_us;
	bool pressed = s->pressed;

	s->answered_us = b->now_us;
	s->pressed = s->queued > 0;
	if (!pressed)
		return;
	if (s->paced < SERVICE_PACED)
		s->paced++;
	/* The mean of the first ones, and then a moving one. */
	s->pace_us += ((d < PACE_MAX_US ? d : PACE_MAX_US) - s->pace_us) / (int64_t)s->paced;
}

static bool read_reply(struct broker *b, const struct frames *f, int *ret_status,
		       Bus__ReplyHeader **ret_header)
{
	Bus__ReplyHeader *h;

	if (frame_size(&f->part[5]) > HEADER_REPLY_MAX_BYTES - 32 ||
	    header_read_reply(frame_data(&f->part[5]), frame_size(&f->part[5]), &b->arena, &h,
			      &b->err) < 0 ||
	    h->status <= COMMON__STATUS__STATUS_UNSPECIFIED ||
	    h->status > COMMON__STATUS__STATUS_INTERNAL)
		return false;
	*ret_header = h;
	*ret_status = h->status == COMMON__STATUS__STATUS_OK ? 0 : -(int)h->status;
	return f->n < 7 || frame_size(&f->part[6]) <= BUS_BODY_MAX_BYTES;
}

/* id, MDPW02, FINAL or PARTIAL, token, empty, header[, body]. */
static void on_reply(struct broker *b, struct worker *w, struct frames *f, bool final)
{
	struct service *s = w->service;
	struct pending *p = find_own(b, w, &f->part[3]);
	zmq_msg_t *body = f->n > 6 ? &f->part[6] : NULL;
	Bus__ReplyHeader *header = NULL;
	int status = 0;
	bool good;

	if (!p) {
		/* Late: the worker is free again all the same. */
		if (final && w->in_hand > w->n_requests)
			w->in_hand--;
		worker_update(w);
		service_pump(b, s);
		return;
	}
	good = read_reply(b, f, &status, &header);
	if (!final) {
		if (good)
			broker_forward(b, p, BUS_C_PARTIAL, &f->part[5], body);
		return;
	}
	backend_release(b, p, false);
	note_pace(b, s);
	if (good) {
		bool sent = broker_forward(b, p, BUS_C_FINAL, &f->part[5], body);

		account_answered(b, p, status, header, sent);
		stats_answered(&s->stats, status, b->now_us - p->arrival_us);
		broker_forget(b, p);
	} else {
		err_clear(&b->err);
		err_set(&b->err, &bus_bad_reply, NULL, s->name);
		broker_end(b, p);
	}
	service_pump(b, s);
}

static void on_known(struct broker *b, struct worker *w, struct frames *f, int command)
{
	struct service *s = w->service;

	w->heard_us = b->now_us;
	switch (command) {
	case BUS_W_HEARTBEAT:
		on_heartbeat(b, w, f);
		return;
	case BUS_W_FINAL:
	case BUS_W_PARTIAL:
		if (f->n == 6 || f->n == 7) {
			on_reply(b, w, f, command == BUS_W_FINAL);
			return;
		}
		break;
	case BUS_W_DISCONNECT:
		backend_lose(b, w, false);
		service_pump(b, s);
		return;
	}
	/* A second READY, or nothing a worker may say: RFC 18 answers DISCONNECT. */
	stats_drop(&b->stats, DROP_BAD_FRAMES);
	backend_say_disconnect(b, &w->peer);
	backend_lose(b, w, false);
	service_pump(b, s);
}

static void on_unknown(struct broker *b, const struct peer *from, struct member_key *key,
		       struct frames *f, int command)
{
	if (command == BUS_W_READY) {
		on_ready(b, from, key, f);
		return;
	}
	if (command == BUS_W_DISCONNECT)
		return;
	/* From before our start, or one we gave up: it shall join again. */
	if (command != BUS_W_HEARTBEAT)
		stats_drop(&b->stats, DROP_UNKNOWN_WORKER);
	backend_say_disconnect(b, from);
}

void backend_on_frames(struct broker *b, const struct peer *from, struct member_key *key,
		       struct frames *f)
{
	struct worker *w = worker_find(b, from);
	int command = f->n > 2 && !f->overflow && frame_is(&f->part[1], BUS_MDP_WORKER)
			      ? frame_command(&f->part[2])
			      : -1;

	if (!key || !key->valid || (w && w->key != key)) {
		stats_drop(&b->stats, DROP_KEY_REVOKED);
		backend_say_disconnect(b, from);
		if (w)
			backend_lose(b, w, false);
		return;
	}
	if (w)
		on_known(b, w, f, command);
	else
		on_unknown(b, from, key, f, command);
	arena_reset(&b->arena);
}
