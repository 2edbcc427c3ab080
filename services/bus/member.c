#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/wire/header.h"
#include "services/bus/broker.h"

#define DEATHS_MAX        2
#define TAG_TRACEPARENT   (6 << 3 | 2)
#define TRACEPARENT_BYTES 55
#define TIME_LEFT_BYTES   6 /* what backend_dispatch() puts behind it */

/* id, MDPC02, REQUEST, service, header[, body]. */
int member_read_frames(struct broker *b, struct frames *f, struct request_frames *ret)
{
	*ret = (struct request_frames){0};
	if (f->n > 3 &&
	    bus_name_valid((const char *)frame_data(&f->part[3]), frame_size(&f->part[3])))
		ret->service = &f->part[3];
	account_frames(b, ret->service, f);
	if (f->overflow || f->n > 6)
		return err_set(&b->err, &bus_bad_frames, NULL, "too many frames");
	if (f->n < 3 || !frame_is(&f->part[1], BUS_MDP_CLIENT))
		return err_set(&b->err, &bus_bad_frames, NULL, "expected MDPC02");
	if (frame_command(&f->part[2]) != BUS_C_REQUEST)
		return err_set(&b->err, &bus_bad_frames, NULL, "expected the command REQUEST");
	if (f->n < 5)
		return err_set(&b->err, &bus_bad_frames, NULL, "too few frames");
	if (!ret->service)
		return err_set(&b->err, &bus_bad_frames, NULL, "bad service name");
	ret->header = &f->part[4];
	ret->body = f->n > 5 ? &f->part[5] : NULL;
	return 0;
}

int member_read_header(struct broker *b, const struct request_frames *rf,
		       Bus__RequestHeader **ret_header)
{
	int rc = header_read_request(frame_data(rf->header), frame_size(rf->header), &b->arena,
				     ret_header, &b->err);

	if (rc == 0)
		account_header(b, *ret_header);
	return rc;
}

static struct rights_question question_of(const struct broker *b, const char *service,
					  const Bus__RequestHeader *h)
{
	return (struct rights_question){
		.service = service,
		.method = h->method,
		.purpose = h->purpose,
		.on_behalf = h->on_behalf_of != NULL,
		.today = b->today,
	};
}

static int refuse_revoked(struct broker *b)
{
	stats_drop(&b->stats, DROP_KEY_REVOKED);
	return err_set(&b->err, &bus_key_revoked, NULL, NULL);
}

int member_check_rights(struct broker *b, const struct member_key *key, const char *service,
			const Bus__RequestHeader *h)
{
	const struct rights_question q = question_of(b, service, h);

	if (!key || !key->valid)
		return refuse_revoked(b);
	return rights_refuse(rights_ask(key->member->rights, &q), &q, &b->err);
}

/* --- what is looked at before the header is read --- */

static size_t request_bytes(const struct request_frames *rf)
{
	return frame_size(rf->header) + (rf->body ? frame_size(rf->body) : 0);
}

static int check_quota(struct broker *b, struct member *m, const struct request_frames *rf)
{
	static const struct err_kind *const kinds[QUOTA_LIMITS] = {
		[QUOTA_IN_FLIGHT] = &bus_member_in_flight,
		[QUOTA_BYTES] = &bus_member_bytes,
		[QUOTA_RATE] = &bus_member_rate,
	};
	struct quota_limits limits = quota_limits_of(&m->limits, &b->config.member);
	uint32_t retry_ms = 0;
	enum quota_limit broken =
		quota_ask(&m->quota, &limits, request_bytes(rf), b->now_us, &retry_ms);
	char what[64];

	if (broken == QUOTA_NONE)
		return 0;
	snprintf(what, sizeof(what), "%s=%" PRIu64, quota_limit_name(broken),
		 quota_limit_value(&limits, broken));
	return err_set_retry(&b->err, kinds[broken], what, retry_ms);
}

static int check_cheap(struct broker *b, const struct member_key *key,
		       const struct request_frames *rf)
{
	if (!key || !key->valid)
		return refuse_revoked(b);
	return check_quota(b, key->member, rf);
}

/* --- what the header says --- */

/* Everything but the service's state: 0, or the status in b->err. */
static int check_request(struct broker *b, const struct member_key *key, const char *service,
			 const Bus__RequestHeader *h, const zmq_msg_t *body)
{
	char max[16];
	int rc = member_check_rights(b, key, service, h);

	if (rc < 0)
		return rc;
	if (body && frame_size(body) > BUS_BODY_MAX_BYTES) {
		snprintf(max, sizeof(max), "%d", BUS_BODY_MAX_BYTES);
		return err_set(&b->err, &bus_body_too_large, NULL, max);
	}
	if (broker_deaths(b, key->member, h->message_id.data) >= DEATHS_MAX) {
		err_set(&b->err, &bus_killed_workers, NULL, service);
		b->err.outcome_unknown = true;
		return b->err.status;
	}
	if (b->draining)
		return err_set_retry(&b->err, &bus_draining, NULL, 100);
	return 0;
}

/* The header as received; one without a trace gets a new one behind it (field 6). */
static void take_header(const struct broker *b, struct pending *p, const Bus__RequestHeader *h,
			zmq_msg_t *frame)
{
	char traceparent[56];
	size_t n = frame_size(frame);
	uint8_t *bytes;

	if (*h->traceparent || n + 2 + TRACEPARENT_BYTES > HEADER_MAX_BYTES) {
		memcpy(p->trace_id, b->record.trace_id, sizeof(p->trace_id));
		zmq_msg_move(&p->header, frame);
		return;
	}
	header_new_traceparent(traceparent);
	header_trace_id(traceparent, p->trace_id);
	CHECK(zmq_msg_init_size(&p->header, n + 2 + TRACEPARENT_BYTES) == 0);
	bytes = zmq_msg_data(&p->header);
	memcpy(bytes, frame_data(frame), n);
	bytes[n] = TAG_TRACEPARENT;
	bytes[n + 1] = TRACEPARENT_BYTES;
	memcpy(bytes + n + 2, traceparent, TRACEPARENT_BYTES);
}

/*
 * The caller frame but for the time left, which is known at dispatch. The broker reads no body, so
 * the service is told which feeds may be read.
 */
static int make_caller(struct broker *b, struct pending *p, const char *service,
		       const Bus__RequestHeader *h)
{
	const char *feeds[RIGHTS_FEEDS_MAX];
	Bus__Caller caller = BUS__CALLER__INIT;
	uint8_t *bytes;
	size_t n;
	int rc;

	caller.member = p->member->name;
	caller.arrival_us = b->now_us + b->wall_offset_us;
	caller.on_behalf_of = h->on_behalf_of;
	if (rights_is_feed_method(h->method)) {
		const struct rights_question q = question_of(b, service, h);

		caller.n_feeds = rights_feeds(p->member->rights, &q, feeds);
		caller.feeds = feeds;
	}
	rc = header_write(&caller.base, &b->arena, &bytes, &n, &b->err);
	if (rc == 0 && n + TIME_LEFT_BYTES > HEADER_MAX_BYTES)
		rc = err_set(&b->err, &err_too_large, "on_behalf_of", "on_behalf_of");
	if (rc < 0)
		return rc;
	pending_set_caller(p, bytes, n);
	return 0;
}

static int refuse_full(struct broker *b, const char *limit, uint64_t value)
{
	char what[64];

	snprintf(what, sizeof(what), "%s=%" PRIu64, limit, value);
	return err_set_retry(&b->err, &bus_broker_full, what, 1000);
}

/* NULL: the broker is full, b->err says of what. */
static struct pending *make_pending(struct broker *b, const struct peer *from,
				    const struct member_key *key, const Bus__RequestHeader *h,
				    const struct request_frames *rf)
{
	struct member *m = key->member;
	size_t bytes = request_bytes(rf);
	int64_t deadline_us = b->now_us + (int64_t)h->deadline_ms * 1000;
	struct pending *p;

	if (pending_bytes(b->pending) + bytes > b->config.pending_bytes_max) {
		refuse_full(b, "pending_bytes", b->config.pending_bytes_max);
		return NULL;
	}
	p = pending_add(b->pending, b->now_us, deadline_us, bytes, h->message_id.data);
	if (!p) {
		refuse_full(b, "pending", b->config.pending_max);
		return NULL;
	}
	quota_enter(&m->quota, bytes);
	p->member = m;
	p->key = key;
	p->client = *from;
	p->flags = h->flags;
	return p;
}

/* Right after our start the workers are still on their way: what may be served is waited for. */
static struct service *find_service(struct broker *b, const char *name)
{
	struct service *s = service_find(b, name, strlen(name));

	if (!s && b->now_us - b->started_us < b->config.grace_us &&
	    members_may_be_served(b->members, name, b->today))
		s = service_find_or_add(b, name, strlen(name));
	return s && service_alive(b, s) ? s : NULL;
}

/* 0: accepted; else the status in b->err. */
static int accept_request(struct broker *b, const struct peer *from, struct member_key *key,
			  const Bus__RequestHeader *h, struct request_frames *rf)
{
	char name[BUS_NAME_MAX] = "";
	struct service *s;
	struct pending *p;
	int rc;

	memcpy(name, frame_data(rf->service), frame_size(rf->service));
	if (strcmp(name, "bus") == 0 && strcmp(h->method, "Whoami") == 0)
		return admin_answer_whoami(b, from, key, h, rf);
	rc = check_request(b, key, name, h, rf->body);
	if (rc < 0)
		return rc;
	s = find_service(b, name);
	if (!s)
		return err_set_retry(&b->err, &bus_no_service, name, 1000);
	p = make_pending(b, from, key, h, rf);
	if (!p)
		return b->err.status;
	rc = make_caller(b, p, name, h);
	if (rc == 0) {
		take_header(b, p, h, rf->header);
		if (rf->body)
			zmq_msg_move(&p->body, rf->body);
		account_accepted(b, p);
		rc = service_submit(b, s, p);
	}
	if (rc < 0)
		broker_forget(b, p);
	return rc;
}

/*
 * The message id of a header that was not read, so that its refusal finds the caller's request:
 * every packer we know writes field 1 first. False: it stands elsewhere, or nowhere.
 */
static bool peek_message_id(const struct request_frames *rf, ProtobufCBinaryData *ret_id)
{
	static const uint8_t start[] = {'L', 'G', 'H', '1', 1 << 3 | 2, 16};
	uint8_t *bytes;

	if (!rf->header || frame_size(rf->header) < sizeof(start) + 16)
		return false;
	bytes = (uint8_t *)(uintptr_t)frame_data(rf->header);
	if (memcmp(bytes, start, sizeof(start)) != 0)
		return false;
	*ret_id = (ProtobufCBinaryData){.data = bytes + sizeof(start), .len = 16};
	return true;
}

static void refuse(struct broker *b, const struct peer *from, struct member_key *key,
		   const struct request_frames *rf, const Bus__RequestHeader *h)
{
	ProtobufCBinaryData id;
	bool known = h || peek_message_id(rf, &id);

	if (key) {
		key->member->refused++;
		metric_add(key->member->refused_metric, 1);
	}
	if (h)
		id = h->message_id;
	else if (known)
		account_message_id(b, id.data);
	broker_refuse(b, from, rf->service, known ? &id : NULL, h ? h->traceparent : NULL);
}

static void cancel_one(struct pending *p, void *arg)
{
	struct broker *b = arg;

	p->cancelled = true;
	if (p->state == PENDING_DISPATCHED) {
		backend_cancel(b, p);
		return;
	}
	err_clear(&b->err);
	err_set(&b->err, &err_cancelled, NULL, NULL);
	broker_end(b, p);
}

/*
 * id, MDPC02, CANCEL, message id: the caller no longer waits. What is queued is answered at once;
 * what a worker holds it is told of, and answers whether it had begun. All tries of the request.
 */
static void on_cancel(struct broker *b, const struct member_key *key, const struct frames *f)
{
	unsigned n = 0;

	if (key && key->valid && f->n == 4 && frame_size(&f->part[3]) == 16)
		n = pending_each_id(b->pending, key->member, frame_data(&f->part[3]), cancel_one,
				    b);
	if (n == 0)
		stats_drop(&b->stats, DROP_LATE_CANCEL);
}

/* A client asks whether we live. */
static void on_ping(struct broker *b, const struct peer *from)
{
	struct frames f;

	broker_frames(&f, from, BUS_MDP_CLIENT, BUS_C_PONG);
	if (broker_send(b, from->side, &f) < 0)
		stats_drop(&b->stats, DROP_CLIENT_GONE);
}

/* What is no request, and gets no FINAL of its own. */
static bool take_other(struct broker *b, const struct peer *from, const struct member_key *key,
		       const struct frames *f)
{
	if (f->n < 3 || !frame_is(&f->part[1], BUS_MDP_CLIENT))
		return false;
	switch (frame_command(&f->part[2])) {
	case BUS_C_CANCEL:
		on_cancel(b, key, f);
		return true;
	case BUS_C_PING:
		if (!key || !key->valid)
			return false;
		on_ping(b, from);
		return true;
	}
	return false;
}

void member_on_frames(struct broker *b, const struct peer *from, struct member_key *key,
		      struct frames *f)
{
	Bus__RequestHeader *h = NULL;
	struct request_frames rf;
	int rc;

	if (take_other(b, from, key, f))
		return;
	b->stats.requests++;
	b->err.status = 0;
	account_begin(b, key);
	rc = member_read_frames(b, f, &rf);
	if (rc == 0)
		rc = check_cheap(b, key, &rf);
	if (rc == 0)
		rc = member_read_header(b, &rf, &h);
	if (rc == 0)
		rc = accept_request(b, from, key, h, &rf);
	if (key) {
		key->member->requests++;
		metric_add(key->member->requests_metric, 1);
	}
	if (rc < 0)
		refuse(b, from, key, &rf, h);
	arena_reset(&b->arena);
}
