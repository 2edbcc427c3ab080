/*
 * The inner listener: /healthz (the process turns), /readyz (it could serve: the bus answers and it
 * is not draining), /metrics.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/metric.h"
#include "common/wire/header.h"
#include "common/wire/pb.h"
#include "lgsp/directory/v1/directory.pb-c.h"
#include "services/gateway/gateway.h"

#define METRICS_MAX_BYTES (4 * 1024 * 1024)
#define PROBE_EVERY_MS    2000
#define PROBE_MS          1500
#define PROBE_SUBJECT     "lgsp-gateway"

static void answer_text(struct http_exchange *x, int status, const char *text)
{
	struct http_response res = {.status = status,
				    .content_type = "text/plain; charset=utf-8",
				    .body = text,
				    .body_len = strlen(text)};

	http_respond(x, &res);
}

static void answer_metrics(struct http_exchange *x)
{
	struct http_response res = {.status = 200,
				    .content_type = "text/plain; version=0.0.4; charset=utf-8"};
	struct buf out;

	buf_init(&out, METRICS_MAX_BYTES);
	if (metric_render(&out) < 0)
		res.status = 500;
	res.body = buf_str(&out);
	res.body_len = out.len;
	http_respond(x, &res);
	buf_done(&out);
}

static bool bus_answers(const struct gateway *gw)
{
	int64_t age_us = clock_mono_us() - gw->bus_seen_us;

	return gw->bus_seen_us != 0 && age_us < 3 * PROBE_EVERY_MS * 1000LL;
}

static void answer_ready(struct http_exchange *x, const struct gateway *gw)
{
	bool bus = bus_answers(gw);
	bool ready = bus && !gw->draining;
	json_t *json = json_pack("{s:b, s:s, s:s, s:I, s:{s:b, s:b}}", "ready", ready, "service",
				 "gateway", "version", base_version(), "business_offset_us",
				 (json_int_t)clock_business_offset_us(), "checks", "bus", bus,
				 "serving", !gw->draining);
	char *text = json_dumps(json, JSON_COMPACT);
	struct http_response res = {.status = ready ? 200 : 503,
				    .content_type = "application/json",
				    .body = text,
				    .body_len = strlen(text)};

	http_respond(x, &res);
	free(text);
	json_decref(json);
}

void health_request(struct http_exchange *x, const struct http_request *req, void *gateway)
{
	if (strcmp(req->method, "GET") != 0 && strcmp(req->method, "HEAD") != 0)
		answer_text(x, 405, "GET only\n");
	else if (strcmp(req->path, "/healthz") == 0)
		answer_text(x, 200, "ok\n");
	else if (strcmp(req->path, "/readyz") == 0)
		answer_ready(x, gateway);
	else if (strcmp(req->path, "/metrics") == 0)
		answer_metrics(x);
	else
		answer_text(x, 404, "not here\n");
}

/* Whatever it says, an answer came over the bus - unless it is the client's own. */
static void on_probed(const struct bus_reply_in *reply, const struct err *err, void *arg)
{
	struct gateway *gw = arg;

	(void)err;
	if (reply->status == 0 || reply->status == ERR_NOT_FOUND || reply->status == ERR_NO_SERVICE)
		gw->bus_seen_us = clock_mono_us();
}

static void probe(void *arg)
{
	struct gateway *gw = arg;
	Directory__ResolveSubjectRequest in = DIRECTORY__RESOLVE_SUBJECT_REQUEST__INIT;
	struct bus_request_out out = {.service = "directory",
				      .method = "ResolveSubject",
				      .deadline_ms = PROBE_MS,
				      .flags = HEADER_FLAG_REPEATABLE};
	struct arena arena;
	struct err err = {0};
	uint8_t *body;

	arena_init(&arena, 4096);
	in.subject = PROBE_SUBJECT;
	CHECK(pb_pack(&in.base, &arena, &body, &out.body_len, &err) == 0);
	out.body = body;
	bus_client_send(gw->bus, &out, on_probed, gw);
	arena_done(&arena);
}

void health_start_probe(struct gateway *gw)
{
	gw->probe = loop_timer_start(gw->loop, 0, PROBE_EVERY_MS, probe, gw);
}
