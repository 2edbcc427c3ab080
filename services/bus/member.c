#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
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

int member_check_rights(struct broker *b, const struct member_key *key, const char *service,
			const Bus__RequestHeader *h)
{
	char what[BUS_NAME_MAX + 80];
	bool acts_for;

	if (!key || !key->valid)
		return err_set(&b->err, &bus_key_revoked, NULL, NULL);
	snprintf(what, sizeof(what), "%s.%s", service, h->method);
	if (!rights_may_call(key->member->rights, service, h->method, &acts_for))
		return err_set(&b->err, &bus_not_granted, NULL, what);
	if (h->on_behalf_of && !acts_for)
		return err_set(&b->err, &bus_acts_for, "on_behalf_of", what);
	return 0;
}

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
static void take_header(struct pending *p, const Bus__RequestHeader *h, zmq_msg_t *frame)
{
	char traceparent[56];
	size_t n = frame_size(frame);
	uint8_t *bytes;

	if (*h->traceparent || n + 2 + TRACEPARENT_BYTES > HEADER_MAX_BYTES) {
		header_trace_id(h->traceparent, p->trace_id);
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

/* The caller frame but for the time left, which is known at dispatch. */
static int make_caller(struct broker *b, struct pending *p, const Bus__RequestHeader *h)
{
	Bus__Caller caller = BUS__CALLER__INIT;
	uint8_t *bytes;
	int rc;

	caller.member = p->member->name;
	caller.arrival_us = clock_wall_us();
	caller.on_behalf_of = h->on_behalf_of;
	rc = header_write(&caller.base, &b->arena, &bytes, &p->caller_len, &b->err);
	if (rc == 0 && p->caller_len + TIME_LEFT_BYTES > HEADER_MAX_BYTES)
		rc = err_set(&b->err, &err_too_large, "on_behalf_of", "on_behalf_of");
	if (rc < 0)
		return rc;
	p->caller = base_alloc(p->caller_len);
	memcpy(p->caller, bytes, p->caller_len);
	return 0;
}

static struct pending *make_pending(struct broker *b, const struct peer *from,
				    const Bus__RequestHeader *h, const struct request_frames *rf)
{
	size_t bytes = frame_size(rf->header) + (rf->body ? frame_size(rf->body) : 0);
	int64_t deadline_us = b->now_us + (int64_t)h->deadline_ms * 1000;
	struct pending *p = NULL;

	if (pending_bytes(b->pending) + bytes <= b->config.pending_bytes_max)
		p = pending_add(b->pending, b->now_us, deadline_us, bytes);
	if (!p) {
		err_set_retry(&b->err, &bus_broker_full, NULL, 1000);
		return NULL;
	}
	p->client = *from;
	p->flags = h->flags;
	memcpy(p->message_id, h->message_id.data, sizeof(p->message_id));
	return p;
}

/* Right after our start the workers are still on their way: what may be served is waited for. */
static struct service *find_service(struct broker *b, const char *name)
{
	struct service *s = service_find(b, name, strlen(name));

	if (!s && b->now_us - b->started_us < b->config.grace_us &&
	    members_may_be_served(b->members, name))
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
	rc = check_request(b, key, name, h, rf->body);
	if (rc < 0)
		return rc;
	s = find_service(b, name);
	if (!s)
		return err_set_retry(&b->err, &bus_no_service, name, 1000);
	p = make_pending(b, from, h, rf);
	if (!p)
		return b->err.status;
	p->member = key->member;
	rc = make_caller(b, p, h);
	if (rc == 0) {
		take_header(p, h, rf->header);
		if (rf->body)
			zmq_msg_move(&p->body, rf->body);
		rc = service_submit(b, s, p);
	}
	if (rc < 0)
		broker_forget(b, p);
	return rc;
}

void member_on_frames(struct broker *b, const struct peer *from, struct member_key *key,
		      struct frames *f)
{
	Bus__RequestHeader *h = NULL;
	struct request_frames rf;
	int rc;

	b->stats.requests++;
	b->err.status = 0;
	rc = member_read_frames(b, f, &rf);
	if (rc == 0)
		rc = header_read_request(frame_data(rf.header), frame_size(rf.header), &b->arena,
					 &h, &b->err);
	if (rc == 0)
		rc = accept_request(b, from, key, h, &rf);
	if (key) {
		key->member->requests++;
		metric_add(key->member->requests_metric, 1);
	}
	if (rc < 0) {
		if (key) {
			key->member->refused++;
			metric_add(key->member->refused_metric, 1);
		}
		broker_refuse(b, from, rf.service, h ? &h->message_id : NULL,
			      h ? h->traceparent : NULL);
	}
	arena_done(&b->arena);
}
