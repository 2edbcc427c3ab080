#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/wire/header.h"
#include "common/wire/pb.h"
#include "lgsp/bus/v1/admin.pb-c.h"
#include "services/bus/admin.h"

#define REPLY_CAP (8u << 20)

static const struct err_kind no_method = {ERR_NOT_FOUND, "UNKNOWN_METHOD",
					  "Bus không có phương thức %s",
					  "the broker has no method %s"};

/* Sends OK with the body; h is NULL for a client of plain MMI (RFC 8), which gets the body alone.
 */
static void answer(struct broker *b, const struct peer *to, const zmq_msg_t *service,
		   const Bus__RequestHeader *h, const void *body, size_t n)
{
	Bus__ReplyHeader reply = BUS__REPLY_HEADER__INIT;
	struct err ignored;
	struct frames f;
	uint8_t *bytes;
	size_t size;

	broker_frames(&f, to, BUS_MDP_CLIENT, BUS_C_FINAL);
	frames_add(&f, frame_data(service), frame_size(service));
	if (h) {
		reply.status = COMMON__STATUS__STATUS_OK;
		reply.outcome = COMMON__OUTCOME__OUTCOME_DONE;
		reply.served_by = b->served_by;
		reply.message_id = h->message_id;
		CHECK(header_write(&reply.base, &b->out, &bytes, &size, &ignored) == 0);
		frames_add(&f, bytes, size);
		arena_reset(&b->out);
	}
	frames_add(&f, body, n);
	account_served(b, n);
	if (broker_send(b, to->side, &f) < 0)
		stats_drop(&b->stats, DROP_CLIENT_GONE);
}

/* --- MMI, ZeroMQ RFC 8 --- */

static bool is_mmi(const zmq_msg_t *service)
{
	return frame_size(service) >= 4 && memcmp(frame_data(service), "mmi.", 4) == 0;
}

static void answer_mmi(struct broker *b, const struct peer *from, const zmq_msg_t *service,
		       const Bus__RequestHeader *h, const zmq_msg_t *question)
{
	const char *code = "501";

	if (frame_is(service, "mmi.service")) {
		struct service *s = NULL;

		if (question)
			s = service_find(b, frame_data(question), frame_size(question));
		code = s && s->n_workers > 0 ? "200" : "404";
	}
	answer(b, from, service, h, code, 3);
}

/* --- Status --- */

static Bus__ServiceStatus *service_status(const struct service *s, struct arena *arena)
{
	Bus__ServiceStatus *out = arena_alloc(arena, sizeof(*out));
	struct worker *w;

	if (!out)
		return NULL;
	bus__service_status__init(out);
	TAILQ_FOREACH(w, &s->workers, link)
	out->credit += worker_free_credit(w);
	out->name = s->name;
	out->workers = s->n_workers;
	out->in_flight = s->in_flight;
	out->queued = s->queued;
	out->queued_bytes = s->queued_bytes;
	out->requests = s->stats.requests;
	return out;
}

static Bus__MemberStatus *member_status(const struct broker *b, const struct member *m,
					struct arena *arena)
{
	Bus__MemberStatus *out = arena_alloc(arena, sizeof(*out));

	if (!out)
		return NULL;
	bus__member_status__init(out);
	out->member = m->name;
	out->peers = members_peers(b->members, m);
	out->requests = m->requests;
	out->refused = m->refused;
	return out;
}

static bool fill_status(const struct broker *b, struct arena *arena, Bus__StatusReply *out)
{
	const struct service *s;

	out->instance = b->config.instance;
	out->version = base_version();
	out->uptime_us = b->now_us - b->started_us;
	out->business_offset_us = clock_business_offset_us();
	out->rights_hash = members_hash(b->members);
	out->requests = b->stats.requests;
	out->refused = b->stats.refused;
	out->services = arena_calloc(arena, b->n_services, sizeof(*out->services));
	out->members = arena_calloc(arena, members_count(b->members), sizeof(*out->members));
	if (!out->services || !out->members)
		return false;
	TAILQ_FOREACH(s, &b->services, link)
	if ((out->services[out->n_services] = service_status(s, arena)))
		out->n_services++;
	for (const struct member *m = members_first(b->members); m; m = m->next)
		if ((out->members[out->n_members] = member_status(b, m, arena)))
			out->n_members++;
	return true;
}

int admin_full(struct broker *b)
{
	return err_set(&b->err, &err_too_large, NULL, "reply");
}

static int admin_status(struct broker *b, const ProtobufCMessage *in, struct arena *arena,
			ProtobufCMessage **ret_out)
{
	Bus__StatusReply *out = arena_alloc(arena, sizeof(*out));

	(void)in;
	if (out)
		bus__status_reply__init(out);
	if (!out || !fill_status(b, arena, out))
		return admin_full(b);
	*ret_out = &out->base;
	return 0;
}

/* --- methods --- */

static const struct {
	const char *name;
	const ProtobufCMessageDescriptor *in;
	admin_method *run;
} methods[] = {
	{"Status", &bus__status_request__descriptor, admin_status},
	{"Services", &bus__services_request__descriptor, admin_services},
	{"Members", &bus__members_request__descriptor, admin_members},
	{"Queues", &bus__queues_request__descriptor, admin_queues},
	{"Top", &bus__top_request__descriptor, admin_top},
	{"Trace", &bus__trace_request__descriptor, admin_trace},
	{"Quota", &bus__quota_request__descriptor, admin_quota},
	{"Drain", &bus__drain_request__descriptor, admin_drain},
	{"Reload", &bus__reload_request__descriptor, admin_reload},
	{"Keys", &bus__keys_request__descriptor, admin_keys},
	{"Whoami", &bus__whoami_request__descriptor, admin_whoami},
};

static int call_method(struct broker *b, const struct peer *from, const Bus__RequestHeader *h,
		       const struct request_frames *rf, size_t method, struct arena *arena)
{
	const uint8_t *body = rf->body ? frame_data(rf->body) : NULL;
	ProtobufCMessage *in, *out;
	uint8_t *bytes;
	size_t n;
	int rc = pb_unpack(methods[method].in, body, rf->body ? frame_size(rf->body) : 0, NULL,
			   arena, &in, &b->err);

	if (rc == 0)
		rc = methods[method].run(b, in, arena, &out);
	if (rc == 0)
		rc = pb_pack(out, arena, &bytes, &n, &b->err);
	if (rc == 0 && n > BUS_BODY_MAX_BYTES)
		rc = admin_full(b);
	if (rc == 0)
		answer(b, from, rf->service, h, bytes, n);
	return rc;
}

static int answer_method(struct broker *b, const struct peer *from, const Bus__RequestHeader *h,
			 const struct request_frames *rf)
{
	struct arena arena;
	int rc;

	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (strcmp(methods[i].name, h->method) != 0)
			continue;
		arena_init(&arena, REPLY_CAP);
		rc = call_method(b, from, h, rf, i, &arena);
		arena_done(&arena);
		return rc;
	}
	return err_set(&b->err, &no_method, "method", h->method);
}

int admin_answer_whoami(struct broker *b, const struct peer *from, const struct member_key *key,
			const Bus__RequestHeader *h, const struct request_frames *rf)
{
	if (!key || !key->valid)
		return err_set(&b->err, &bus_key_revoked, NULL, NULL);
	return answer_method(b, from, h, rf);
}

/* --- the socket --- */

static int serve(struct broker *b, const struct peer *from, const struct member_key *key,
		 const Bus__RequestHeader *h, const struct request_frames *rf)
{
	bool mmi = is_mmi(rf->service);
	int rc;

	if (!mmi && !frame_is(rf->service, "bus"))
		return err_set_retry(&b->err, &bus_no_service, "the admin socket", 0);
	rc = member_check_rights(b, key, "bus", h);
	if (rc < 0)
		return rc;
	if (!mmi)
		return answer_method(b, from, h, rf);
	answer_mmi(b, from, rf->service, h, rf->body);
	return 0;
}

/* A plain MMI request: no header, the question is the only body frame. */
static bool is_plain_mmi(const struct request_frames *rf)
{
	return rf->service && is_mmi(rf->service) && rf->header && !rf->body;
}

void admin_on_frames(struct broker *b, const struct peer *from, struct member_key *key,
		     struct frames *f)
{
	Bus__RequestHeader plain = BUS__REQUEST_HEADER__INIT, *h = NULL;
	struct request_frames rf;
	int rc;

	account_begin(b, key);
	plain.method = "mmi.service";
	rc = member_read_frames(b, f, &rf);
	if (rc == 0 && is_plain_mmi(&rf)) {
		rc = member_check_rights(b, key, "bus", &plain);
		if (rc == 0)
			answer_mmi(b, from, rf.service, NULL, rf.header);
	} else if (rc == 0) {
		rc = member_read_header(b, &rf, &h);
		if (rc == 0)
			rc = serve(b, from, key, h, &rf);
	}
	if (rc < 0)
		broker_refuse(b, from, rf.service, h ? &h->message_id : NULL,
			      h ? h->traceparent : NULL);
	arena_reset(&b->arena);
}
