#include "tests/support/peer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/uuid.h"
#include "common/wire/pb.h"
#include "common/wire/pbcheck.h"
#include "lgsp/feed/v1/feed.pb-c.h"

#define EVENTS_MAX  256
#define METHODS_MAX 8
#define PULLS_MAX   16
#define WAIT_S      2

static const struct err_kind no_method = {ERR_NOT_FOUND, "UNKNOWN_METHOD", "%s", "%s"};

struct pull {
	struct bus_request *req;
	int64_t after;
	int64_t until_us;
};

struct peer {
	struct busrig *rig;
	struct bus_worker *worker;
	struct peer_method methods[METHODS_MAX];
	unsigned calls[METHODS_MAX + 1]; /* the last: Feed.Pull */
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool stop;
	struct {
		uint8_t *bytes;
		size_t n;
	} events[EVENTS_MAX];
	int64_t n_events;
	struct pull pulls[PULLS_MAX];
	unsigned n_pulls;
};

/* --- the feed; all with the mutex held --- */

static void answer_pull(struct peer *p, const struct pull *pull)
{
	Feed__PullReply out = FEED__PULL_REPLY__INIT;
	struct arena *arena = &pull->req->arena;
	size_t n = pull->after < p->n_events ? (size_t)(p->n_events - pull->after) : 0;
	Feed__Entry *entries = arena_calloc(arena, n, sizeof(*entries));
	struct err err = {.status = 0};
	uint8_t *bytes;
	size_t n_bytes;

	out.entries = arena_calloc(arena, n, sizeof(out.entries[0]));
	for (size_t i = 0; i < n; i++) {
		int64_t pos = pull->after + 1 + (int64_t)i;

		feed__entry__init(&entries[i]);
		entries[i].pos = pos;
		entries[i].event.data = p->events[pos - 1].bytes;
		entries[i].event.len = p->events[pos - 1].n;
		out.entries[out.n_entries++] = &entries[i];
	}
	out.next = p->n_events;
	out.high_water = p->n_events;
	out.epoch = "00000000-0000-7000-8000-000000000001";
	CHECK(pb_pack(&out.base, arena, &bytes, &n_bytes, &err) == 0);
	bus_reply(pull->req, NULL, bytes, n_bytes, false);
}

static void answer_due(struct peer *p)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < p->n_pulls; i++) {
		struct pull pull = p->pulls[i];

		if (pull.after < p->n_events || p->stop || clock_mono_us() >= pull.until_us)
			answer_pull(p, &pull);
		else
			p->pulls[kept++] = pull;
	}
	p->n_pulls = kept;
}

static void *run(void *arg)
{
	struct peer *p = arg;

	pthread_mutex_lock(&p->mutex);
	while (!p->stop) {
		struct timespec ts;

		clock_gettime(CLOCK_REALTIME, &ts);
		ts.tv_nsec += 100000000;
		ts.tv_sec += ts.tv_nsec / 1000000000;
		ts.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&p->cond, &p->mutex, &ts);
		answer_due(p);
	}
	answer_due(p);
	pthread_mutex_unlock(&p->mutex);
	return NULL;
}

static void on_pull(struct peer *p, struct bus_request *req)
{
	ProtobufCMessage *msg;
	struct err err = {.status = 0};

	CHECK(pb_unpack(&feed__pull_request__descriptor, req->body, req->body_len, NULL,
			&req->arena, &msg, &err) == 0);
	pthread_mutex_lock(&p->mutex);
	CHECK(p->n_pulls < PULLS_MAX);
	p->calls[METHODS_MAX]++;
	p->pulls[p->n_pulls++] = (struct pull){
		.req = req,
		.after = ((const Feed__PullRequest *)msg)->after,
		.until_us = clock_mono_us() + WAIT_S * CLOCK_US_PER_S,
	};
	if (p->stop)
		answer_due(p);
	pthread_cond_signal(&p->cond);
	pthread_mutex_unlock(&p->mutex);
}

int64_t peer_publish(struct peer *p, const char *type, const char *subject, int32_t version,
		     const ProtobufCMessage *payload)
{
	Feed__Event ev = FEED__EVENT__INIT;
	uint8_t id[UUID_BYTES];
	uint8_t body[8192];
	int64_t pos;

	CHECK(protobuf_c_message_get_packed_size(payload) <= sizeof(body));
	uuid_v7(id);
	ev.id = (ProtobufCBinaryData){.len = sizeof(id), .data = id};
	ev.type = type;
	ev.subject = subject;
	ev.version = version;
	ev.time_us = clock_business_us();
	ev.payload.data = body;
	ev.payload.len = protobuf_c_message_pack(payload, body);
	pthread_mutex_lock(&p->mutex);
	CHECK(p->n_events < EVENTS_MAX);
	p->events[p->n_events].bytes = base_alloc(feed__event__get_packed_size(&ev));
	p->events[p->n_events].n = feed__event__pack(&ev, p->events[p->n_events].bytes);
	pos = ++p->n_events;
	pthread_cond_signal(&p->cond);
	pthread_mutex_unlock(&p->mutex);
	return pos;
}

/* --- methods --- */

static void answer(struct bus_request *req, const ProtobufCMessage *reply, struct err *err)
{
	uint8_t *bytes = NULL;
	size_t n = 0;

	if (err->status == 0)
		pb_pack(reply, &req->arena, &bytes, &n, err);
	bus_reply(req, err->status != 0 ? err : NULL, bytes, n, false);
}

static void on_request(struct bus_request *req, void *arg)
{
	struct peer *p = arg;
	ProtobufCMessage *reply = NULL;
	struct err err = {.status = 0};

	if (strcmp(req->header->method, "Feed.Pull") == 0) {
		on_pull(p, req);
		return;
	}
	for (unsigned i = 0; i < METHODS_MAX && p->methods[i].name; i++) {
		if (strcmp(req->header->method, p->methods[i].name) != 0)
			continue;
		pthread_mutex_lock(&p->mutex);
		p->calls[i]++;
		pthread_mutex_unlock(&p->mutex);
		p->methods[i].fn(req, &reply, &err, p->methods[i].arg);
		answer(req, reply, &err);
		return;
	}
	err_set(&err, &no_method, NULL, req->header->method);
	answer(req, NULL, &err);
}

unsigned peer_calls(struct peer *p, const char *method)
{
	unsigned n = 0;

	pthread_mutex_lock(&p->mutex);
	if (strcmp(method, "Feed.Pull") == 0)
		n = p->calls[METHODS_MAX];
	for (unsigned i = 0; i < METHODS_MAX && p->methods[i].name; i++)
		if (strcmp(method, p->methods[i].name) == 0)
			n = p->calls[i];
	pthread_mutex_unlock(&p->mutex);
	return n;
}

struct peer *peer_start(struct busrig *rig, const struct busd *bus, const char *service,
			const char *key, const struct peer_method *methods)
{
	struct peer *p = base_alloc(sizeof(*p));
	struct bus_worker_config config = {
		.service = service,
		.endpoints = busd_backend_endpoint(bus),
		.keys = busd_keys(bus, key),
		.instance = key,
		.credit = PULLS_MAX,
		.on_request = on_request,
		.arg = p,
	};

	p->rig = rig;
	for (unsigned i = 0; methods && methods[i].name; i++) {
		CHECK(i < METHODS_MAX);
		p->methods[i] = methods[i];
	}
	pthread_mutex_init(&p->mutex, NULL);
	pthread_cond_init(&p->cond, NULL);
	CHECK(pthread_create(&p->thread, NULL, run, p) == 0);
	p->worker = busrig_worker(rig, &config);
	return p;
}

void peer_free(struct peer *p)
{
	if (!p)
		return;
	/* No request may be in hand when the worker goes. */
	pthread_mutex_lock(&p->mutex);
	p->stop = true;
	pthread_cond_signal(&p->cond);
	pthread_mutex_unlock(&p->mutex);
	pthread_join(p->thread, NULL);
	busrig_worker_free(p->rig, p->worker);
	for (int64_t i = 0; i < p->n_events; i++)
		free(p->events[i].bytes);
	free(p);
}
