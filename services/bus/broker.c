#include "services/bus/broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/wire/header.h"

#define ARENA_CAP        (256 * 1024)
#define DEATH_KEPT_US    (600 * CLOCK_US_PER_S)
#define REPLY_TAIL_BYTES 18 /* message_id = 7: tag, length, 16 bytes */
#define WARN_INTERVAL_US CLOCK_US_PER_S
#define TAG_MESSAGE_ID   (7 << 3 | 2)

struct broker *broker_new(const struct broker_config *config, struct members *members)
{
	struct broker *b = base_alloc(sizeof(*b));

	b->config = *config;
	b->members = members;
	b->now_us = b->started_us = clock_mono_us();
	b->wall_offset_us = clock_wall_us() - b->now_us;
	b->today = rights_today();
	b->pending = pending_table_new(config->pending_max);
	TAILQ_INIT(&b->services);
	TAILQ_INIT(&b->workers);
	arena_init(&b->arena, ARENA_CAP);
	arena_init(&b->out, ARENA_CAP);
	b->top = top_new();
	stats_init(&b->stats);
	snprintf(b->served_by, sizeof(b->served_by), "bus/%s", config->instance);
	return b;
}

void broker_free(struct broker *b)
{
	if (!b)
		return;
	pending_table_free(b->pending);
	while (!TAILQ_EMPTY(&b->workers)) {
		struct worker *w = TAILQ_FIRST(&b->workers);

		TAILQ_REMOVE(&b->workers, w, all_link);
		free(w);
	}
	while (!TAILQ_EMPTY(&b->services)) {
		struct service *s = TAILQ_FIRST(&b->services);

		TAILQ_REMOVE(&b->services, s, link);
		service_free(s);
	}
	top_free(b->top);
	arena_done(&b->arena);
	arena_done(&b->out);
	free(b);
}

bool broker_may_warn(struct broker *b)
{
	if (b->warned_us && b->now_us - b->warned_us < WARN_INTERVAL_US)
		return false;
	b->warned_us = b->now_us;
	return true;
}

/* --- answers --- */

void broker_frames(struct frames *f, const struct peer *to, const char *protocol, uint8_t command)
{
	f->n = 0;
	f->overflow = false;
	frames_add(f, to->id, PEER_ID_BYTES);
	frames_add(f, protocol, strlen(protocol));
	frames_add(f, &command, 1);
}

int broker_send(struct broker *b, enum broker_side side, struct frames *f)
{
	int rc = b->config.send(b->config.send_arg, side, f);

	frames_done(f);
	return rc;
}

/* The reply header of b->err. */
static void add_error_header(struct broker *b, struct frames *f, const char *trace_id,
			     const ProtobufCBinaryData *message_id)
{
	Bus__ReplyHeader *h = header_of_error(&b->err, b->served_by, trace_id, &b->out);
	struct err ignored;
	uint8_t *bytes;
	size_t n;

	CHECK(h);
	if (message_id)
		h->message_id = *message_id;
	CHECK(header_write(&h->base, &b->out, &bytes, &n, &ignored) == 0);
	frames_add(f, bytes, n);
	arena_reset(&b->out);
}

static bool send_to_client(struct broker *b, const struct peer *to, struct frames *f)
{
	if (broker_send(b, to->side, f) == 0)
		return true;
	stats_drop(&b->stats, DROP_CLIENT_GONE);
	return false;
}

void broker_refuse(struct broker *b, const struct peer *to, const zmq_msg_t *service,
		   const ProtobufCBinaryData *message_id, const char *traceparent)
{
	char trace_id[33] = "";
	struct frames f;

	if (traceparent)
		header_trace_id(traceparent, trace_id);
	broker_frames(&f, to, BUS_MDP_CLIENT, BUS_C_FINAL);
	frames_add(&f, service ? frame_data(service) : (const uint8_t *)"",
		   service ? frame_size(service) : 0);
	add_error_header(b, &f, trace_id, message_id);
	frames_add(&f, "", 0);
	send_to_client(b, to, &f);
	stats_refused(&b->stats, b->err.status);
	account_refused(b);
}

void broker_end(struct broker *b, struct pending *p)
{
	ProtobufCBinaryData id = {.data = p->message_id, .len = sizeof(p->message_id)};
	struct frames f;

	b->err.outcome_unknown = p->dispatches > 0;
	broker_frames(&f, &p->client, BUS_MDP_CLIENT, BUS_C_FINAL);
	frames_add(&f, p->service->name, strlen(p->service->name));
	add_error_header(b, &f, p->trace_id, &id);
	frames_add(&f, "", 0);
	account_ended(b, p, send_to_client(b, &p->client, &f));
	stats_answered(&p->service->stats, b->err.status, b->now_us - p->arrival_us);
	broker_forget(b, p);
}

/* The worker's header with the message id behind it: in protobuf the last value of a field counts.
 */
static void add_reply_header(struct frames *f, const zmq_msg_t *header, const uint8_t *id)
{
	size_t n = frame_size(header);
	zmq_msg_t *part = &f->part[f->n++];
	uint8_t *bytes;

	CHECK(zmq_msg_init_size(part, n + REPLY_TAIL_BYTES) == 0);
	bytes = zmq_msg_data(part);
	memcpy(bytes, frame_data(header), n);
	bytes[n] = TAG_MESSAGE_ID;
	bytes[n + 1] = 16;
	memcpy(bytes + n + 2, id, 16);
}

bool broker_forward(struct broker *b, struct pending *p, uint8_t command, zmq_msg_t *header,
		    zmq_msg_t *body)
{
	struct frames f;

	account_reply(b, p, frame_size(header) + (body ? frame_size(body) : 0));
	broker_frames(&f, &p->client, BUS_MDP_CLIENT, command);
	frames_add(&f, p->service->name, strlen(p->service->name));
	add_reply_header(&f, header, p->message_id);
	if (body)
		frames_move(&f, body);
	else
		frames_add(&f, "", 0);
	return send_to_client(b, &p->client, &f);
}

void broker_forget(struct broker *b, struct pending *p)
{
	if (p->state == PENDING_QUEUED)
		service_unqueue(p->service, p);
	else if (p->state == PENDING_DISPATCHED)
		backend_release(b, p, true);
	quota_leave(&p->member->quota, p->bytes, b->now_us);
	pending_remove(b->pending, p);
}

/* --- messages that kill --- */

/* The last bytes of a message id are random, or the caller's own loss. */
static struct death *death_slot(const struct broker *b, const uint8_t *id)
{
	uint32_t h;

	memcpy(&h, id + 12, sizeof(h));
	return (struct death *)(uintptr_t)&b->deaths[h % BROKER_DEATHS];
}

unsigned broker_deaths(const struct broker *b, const struct member *member,
		       const uint8_t message_id[static 16])
{
	const struct death *d = death_slot(b, message_id);

	if (d->member != member || memcmp(d->message_id, message_id, 16) != 0 ||
	    b->now_us - d->when_us > DEATH_KEPT_US)
		return 0;
	return d->count;
}

unsigned broker_note_death(struct broker *b, const struct pending *p)
{
	struct death *d = death_slot(b, p->message_id);

	if (broker_deaths(b, p->member, p->message_id) == 0) {
		*d = (struct death){.member = p->member};
		memcpy(d->message_id, p->message_id, 16);
	}
	d->when_us = b->now_us;
	return ++d->count;
}

/* --- time --- */

static void expire_one(struct pending *p, void *arg)
{
	struct broker *b = arg;
	bool queued = p->state == PENDING_QUEUED;

	err_clear(&b->err);
	err_set(&b->err, queued ? &bus_expired_in_queue : &bus_expired_in_flight, NULL, NULL);
	broker_end(b, p);
}

void broker_expire(struct broker *b)
{
	pending_expire(b->pending, b->now_us, expire_one, b);
}

static void abandon_one(struct pending *p, void *arg)
{
	struct broker *b = arg;

	if (p->state != PENDING_QUEUED || service_alive(b, p->service))
		return;
	err_clear(&b->err);
	err_set_retry(&b->err, p->dispatches > 0 ? &bus_worker_lost : &bus_no_service,
		      p->service->name, 1000);
	broker_end(b, p);
}

static bool any_abandoned(const struct broker *b)
{
	struct service *s;

	TAILQ_FOREACH(s, &b->services, link)
	if (s->queued > 0 && !service_alive(b, s))
		return true;
	return false;
}

void broker_tick(struct broker *b)
{
	b->wall_offset_us = clock_wall_us() - clock_mono_us();
	if (b->config.records)
		records_tick(b->config.records);
	backend_tick(b);
	if (any_abandoned(b))
		pending_each(b->pending, abandon_one, b);
}

/* --- life --- */

static bool worker_may_stay(const struct broker *b, const struct worker *w)
{
	return w->key->valid &&
	       rights_may_serve(w->key->member->rights, w->service->name, b->today);
}

/* Nothing is sent to a key that is out; the worker that still has its request may stop. */
static void forget_revoked(struct pending *p, void *arg)
{
	struct broker *b = arg;

	if (p->key->valid && p->key->member == p->member)
		return;
	err_clear(&b->err);
	err_set(&b->err, &bus_key_revoked, NULL, NULL);
	b->err.outcome_unknown = p->dispatches > 0;
	if (p->state == PENDING_DISPATCHED)
		backend_cancel(b, p);
	stats_drop(&b->stats, DROP_KEY_REVOKED);
	account_ended(b, p, false);
	stats_answered(&p->service->stats, b->err.status, b->now_us - p->arrival_us);
	broker_forget(b, p);
}

void broker_set_today(struct broker *b, int32_t today)
{
	b->today = today;
	members_set_today(b->members, today);
	broker_rights_changed(b);
}

void broker_rights_changed(struct broker *b)
{
	struct worker *w = TAILQ_FIRST(&b->workers), *next;

	pending_each(b->pending, forget_revoked, b);
	for (; w; w = next) {
		next = TAILQ_NEXT(w, all_link);
		if (worker_may_stay(b, w))
			continue;
		log_warn("bus.worker_revoked", LOG_STR("member", w->key->member->name),
			 LOG_STR("service", w->service->name));
		backend_say_disconnect(b, &w->peer);
		backend_lose(b, w, false);
	}
}

/* Ends what waits; what workers have in hand they may answer, parked requests at once. */
static void drain_one(struct pending *p, void *arg)
{
	struct broker *b = arg;

	if (p->state != PENDING_QUEUED)
		return;
	err_clear(&b->err);
	err_set_retry(&b->err, &bus_draining, NULL, 100);
	broker_end(b, p);
}

static void tell_workers(struct broker *b)
{
	struct worker *w;

	TAILQ_FOREACH(w, &b->workers, all_link)
	backend_say_hello(b, w);
}

void broker_drain(struct broker *b)
{
	b->draining = true;
	pending_each(b->pending, drain_one, b);
	tell_workers(b);
}

void broker_resume(struct broker *b)
{
	b->draining = false;
	tell_workers(b);
}

static void hold_one(struct pending *p, void *arg)
{
	struct broker *b = arg;

	if (p->state != PENDING_QUEUED || !service_held(p->service))
		return;
	err_clear(&b->err);
	err_set_retry(&b->err, &bus_service_draining, p->service->name, 100);
	broker_end(b, p);
}

int broker_hold(struct broker *b, const char *service, const char *instance, bool on)
{
	struct service *s = service_find(b, service, strlen(service));
	unsigned n;

	if (!s)
		return -1;
	if (!*instance)
		s->held = on;
	n = backend_hold(b, s, instance, on);
	log_info("bus.hold", LOG_STR("service", service), LOG_STR("instance", instance),
		 LOG_NUM("on", on), LOG_NUM("workers", n));
	pending_each(b->pending, hold_one, b);
	service_pump(b, s);
	return (int)n;
}

bool broker_drained(const struct broker *b)
{
	return pending_count(b->pending) == 0;
}

void broker_dismiss(struct broker *b)
{
	struct worker *w;

	TAILQ_FOREACH(w, &b->workers, all_link)
	backend_say_disconnect(b, &w->peer);
}
