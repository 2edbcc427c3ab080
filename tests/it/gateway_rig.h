/*
 * The whole gateway but its main(), over real sockets, on a bus that is played here:
 * bus_client_send() is the test's own, so each test says what a service answers and sees what was
 * asked. The loop runs on a thread of its own; the tests are blocking HTTP clients.
 */
#ifndef LGSP_TESTS_GATEWAY_RIG_H
#define LGSP_TESTS_GATEWAY_RIG_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/jwt.h"
#include "common/base/log.h"
#include "common/wire/pb.h"
#include "lgsp/directory/v1/directory.pb-c.h"
#include "services/gateway/gateway.h"
#include "tests/support/fetch.h"

#define RIG_ISS    "https://issuer.example"
#define RIG_AUD    "lgsp"
#define RIG_UNUSED __attribute__((unused))

/* A request as the services would see it. */
struct seen {
	char service[64], method[64];
	uint8_t message_id[16];
	uint32_t deadline_ms, flags;
	char traceparent[64], purpose[256];
	bool on_behalf;
	char subject[256], agency[64], roles[256];
	uint8_t body[65536];
	size_t body_len;
};

/* What the played service answers. */
struct played {
	int status;
	struct err err;
	uint8_t body[65536];
	size_t body_len;
	bool replayed;
};

struct held {
	bus_reply_fn *fn;
	void *arg;
	uint8_t id[16];
	struct played reply;
};

struct bus_client {
	pthread_mutex_t lock;
	struct loop *loop;
	unsigned calls, resolves; /* business calls; questions to the directory */
	unsigned cancels;
	uint8_t cancelled[16]; /* the last one's id */
	struct seen last;
	struct played next;
	bool hold;         /* the next business call is not answered until rig_release() */
	bool away;         /* the directory does not answer */
	bool hold_resolve; /* as hold, of the next question to the directory */
	struct held *held;
};

struct rig {
	char dir[64];
	char listen[128], inner[128], jwks[128], rights[128];
	struct bus_client bus;
	struct gateway *gw;
	pthread_t thread;
	struct arena arena;
	char *pem;
	volatile bool drained;
};

/* --- the played bus --- */

static void played_answer(void *arg)
{
	struct held *h = arg;
	struct bus_reply_in in = {.status = h->reply.status,
				  .replayed = h->reply.replayed,
				  .body = h->reply.body,
				  .body_len = h->reply.body_len,
				  .served_by = "played"};

	h->fn(&in, &h->reply.err, h->arg);
	free(h);
}

static void played_pack(struct played *p, const ProtobufCMessage *msg)
{
	p->status = 0;
	p->body_len = protobuf_c_message_get_packed_size(msg);
	CHECK(p->body_len <= sizeof(p->body));
	protobuf_c_message_pack(msg, p->body);
}

static void played_error(struct played *p, int status, const char *code)
{
	const struct err_kind kind = {(enum err_status)status, code, "Lỗi thử nghiệm",
				      "a test error"};

	memset(p, 0, sizeof(*p));
	p->status = err_set(&p->err, &kind, "some.field", NULL);
}

/* officer-…: clerk and cashier; operator-…: operator; anyone else: not known. */
static void play_directory(const struct bus_client *bus, const struct bus_request_out *req,
			   struct played *out)
{
	Directory__ResolveSubjectRequest *in =
		directory__resolve_subject_request__unpack(NULL, req->body_len, req->body);
	Directory__ResolveSubjectReply reply = DIRECTORY__RESOLVE_SUBJECT_REPLY__INIT;
	Directory__Officer officer = DIRECTORY__OFFICER__INIT;
	const char *clerk[] = {"clerk", "cashier"};
	const char *operators[] = {"operator"};
	bool is_operator;

	CHECK(in);
	is_operator = strncmp(in->subject, "operator-", 9) == 0;
	officer.subject = in->subject;
	officer.agency_code = "H40.31.01";
	officer.n_roles = is_operator ? 1 : 2;
	officer.roles = is_operator ? operators : clerk;
	reply.officer = &officer;
	if (bus->away)
		played_error(out, ERR_EXPIRED, "AWAY");
	else if (is_operator || strncmp(in->subject, "officer-", 8) == 0)
		played_pack(out, &reply.base);
	else
		played_error(out, ERR_NOT_FOUND, "NO_OFFICER");
	directory__resolve_subject_request__free_unpacked(in, NULL);
}

static void copy_string(char *out, size_t size, const char *s)
{
	snprintf(out, size, "%s", s ? s : "");
}

static void note_seen(struct seen *seen, const struct bus_request_out *req)
{
	memset(seen, 0, sizeof(*seen));
	copy_string(seen->service, sizeof(seen->service), req->service);
	copy_string(seen->method, sizeof(seen->method), req->method);
	copy_string(seen->traceparent, sizeof(seen->traceparent), req->traceparent);
	copy_string(seen->purpose, sizeof(seen->purpose), req->purpose);
	memcpy(seen->message_id, req->message_id, 16);
	seen->deadline_ms = req->deadline_ms;
	seen->flags = req->flags;
	CHECK(req->body_len <= sizeof(seen->body));
	memcpy(seen->body, req->body, req->body_len);
	seen->body_len = req->body_len;
	seen->on_behalf = req->on_behalf_of != NULL;
	if (!seen->on_behalf)
		return;
	for (size_t i = 0; i < req->on_behalf_of->n_roles; i++) {
		strcat(seen->roles, i > 0 ? " " : "");
		strcat(seen->roles, req->on_behalf_of->roles[i]);
	}
	copy_string(seen->subject, sizeof(seen->subject), req->on_behalf_of->subject);
	copy_string(seen->agency, sizeof(seen->agency), req->on_behalf_of->agency);
}

void bus_client_send(struct bus_client *bus, const struct bus_request_out *req, bus_reply_fn *fn,
		     void *arg)
{
	struct held *h = base_alloc(sizeof(*h));
	bool hold = false;

	h->fn = fn;
	h->arg = arg;
	pthread_mutex_lock(&bus->lock);
	if (strcmp(req->service, "directory") == 0 && strcmp(req->method, "ResolveSubject") == 0) {
		play_directory(bus, req, &h->reply);
		bus->resolves += req->deadline_ms > 2000; /* not the probe of /readyz */
		hold = bus->hold_resolve && req->deadline_ms > 2000;
		bus->hold_resolve = bus->hold_resolve && !hold;
	} else {
		note_seen(&bus->last, req);
		h->reply = bus->next;
		hold = bus->hold;
		bus->hold = false;
		bus->calls++;
	}
	memcpy(h->id, req->message_id, sizeof(h->id));
	if (hold)
		bus->held = h;
	pthread_mutex_unlock(&bus->lock);
	if (!hold)
		loop_post(bus->loop, played_answer, h);
}

void bus_client_cancel(struct bus_client *bus, const uint8_t message_id[static 16], const void *arg)
{
	pthread_mutex_lock(&bus->lock);
	CHECK(!bus->held || bus->held->arg == arg);
	memcpy(bus->cancelled, message_id, sizeof(bus->cancelled));
	bus->cancels++;
	pthread_mutex_unlock(&bus->lock);
}

RIG_UNUSED static void rig_play(struct rig *rig, const ProtobufCMessage *msg)
{
	pthread_mutex_lock(&rig->bus.lock);
	memset(&rig->bus.next, 0, sizeof(rig->bus.next));
	played_pack(&rig->bus.next, msg);
	pthread_mutex_unlock(&rig->bus.lock);
}

RIG_UNUSED static void rig_play_error(struct rig *rig, int status, const char *code)
{
	pthread_mutex_lock(&rig->bus.lock);
	played_error(&rig->bus.next, status, code);
	pthread_mutex_unlock(&rig->bus.lock);
}

/* The test thread's wait: never longer than 20 s. */
static void rig_pause(int64_t *end_us)
{
	if (*end_us == 0)
		*end_us = clock_mono_us() + 20 * CLOCK_US_PER_S;
	assert_true(clock_mono_us() < *end_us);
	usleep(1000);
}

/* Waits until a held call has come in; with take, takes it over. */
static struct held *rig_await_held(struct rig *rig, bool take)
{
	int64_t end_us = 0;

	for (;;) {
		struct held *h;

		pthread_mutex_lock(&rig->bus.lock);
		h = rig->bus.held;
		if (take)
			rig->bus.held = NULL;
		pthread_mutex_unlock(&rig->bus.lock);
		if (h)
			return h;
		rig_pause(&end_us);
	}
}

RIG_UNUSED static void rig_release(struct rig *rig)
{
	loop_post(rig->bus.loop, played_answer, rig_await_held(rig, true));
}

/* --- life --- */

static void rig_write(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void *rig_run(void *arg)
{
	loop_run(((struct rig *)arg)->bus.loop);
	return NULL;
}

static struct gateway_config rig_config(struct rig *rig)
{
	snprintf(rig->listen, sizeof(rig->listen), "unix:%s/s", rig->dir);
	snprintf(rig->inner, sizeof(rig->inner), "unix:%s/i", rig->dir);
	snprintf(rig->jwks, sizeof(rig->jwks), "%s/jwks", rig->dir);
	snprintf(rig->rights, sizeof(rig->rights), "%s/rights", rig->dir);
	return (struct gateway_config){
		.listen = rig->listen,
		.inner = rig->inner,
		.auth = {rig->jwks, RIG_ISS, RIG_AUD},
		.rights_path = rig->rights,
		.web_dir = "services/gateway/web",
		.max_api = 2,
		.max_public = 1,
	};
}

static struct rig *rig_new(void)
{
	struct rig *rig = base_alloc(sizeof(*rig));
	struct gateway_config config;
	struct err err = {0};
	char *jwks;

	arena_init(&rig->arena, 64 << 20);
	snprintf(rig->dir, sizeof(rig->dir), "/tmp/gw-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	config = rig_config(rig);
	assert_int_equal(jwt_key_new(&rig->arena, &rig->pem, &jwks), 0);
	rig_write(rig->jwks, jwks);
	rig_write(rig->rights, "# test\n"
			       "grant VN/GOV/H40/one-stop dossier Submit\n"
			       "feed VN/GOV/H40/reader dossier dossier # a reader\n"
			       "feed VN/GOV/H40/outsider dossier dossier.states\n"
			       "serve VN/GOV/H40/lgsp-dossier dossier\n");
	pthread_mutex_init(&rig->bus.lock, NULL);
	rig->bus.loop = loop_new();
	log_init("gateway", "error");
	if (gateway_new(rig->bus.loop, &rig->bus, &config, &rig->gw, &err) < 0)
		fail_msg("%s", err.items[0].en);
	assert_int_equal(pthread_create(&rig->thread, NULL, rig_run, rig), 0);
	return rig;
}

static void rig_stop(void *arg)
{
	struct rig *rig = arg;

	gateway_free(rig->gw);
	loop_stop(rig->bus.loop);
}

static void rig_free(struct rig *rig)
{
	loop_post(rig->bus.loop, rig_stop, rig);
	pthread_join(rig->thread, NULL);
	assert_null(rig->bus.held);
	loop_free(rig->bus.loop);
	pthread_mutex_destroy(&rig->bus.lock);
	unlink(rig->jwks);
	unlink(rig->rights);
	assert_int_equal(rmdir(rig->dir), 0);
	arena_done(&rig->arena);
	free(rig);
}

RIG_UNUSED static int rig_setup(void **state)
{
	*state = rig_new();
	return 0;
}

RIG_UNUSED static int rig_teardown(void **state)
{
	rig_free(*state);
	return 0;
}

/* --- clients --- */

RIG_UNUSED static struct fetch_answer *rig_ask(struct rig *rig, const char *head, const char *body)
{
	return fetch_read(&rig->arena, fetch_send(rig->listen, head, body, strlen(body)));
}

RIG_UNUSED static char *rig_token(struct rig *rig, const char *sub, const char *member)
{
	struct err err = {0};
	char *token = NULL;

	assert_int_equal(jwt_sign(rig->pem, RIG_ISS, RIG_AUD, sub, member,
				  clock_wall_us() / CLOCK_US_PER_S, 600, &rig->arena, &token, &err),
			 0);
	return token;
}

#endif
