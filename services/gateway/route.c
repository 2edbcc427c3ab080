/* From a request to its route, and from its answer to the log, the metrics and the client. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/metric.h"
#include "common/base/uuid.h"
#include "common/wire/header.h"
#include "services/gateway/gateway.h"

#define VISIT_MAGIC     0x56495354u /* "VIST" */
#define ERROR_MAX_BYTES (256 * 1024)
#define BUSY_RETRY_MS   1000
#define HTTP_LEFT       499 /* nginx's, for clients that closed their request */

static const struct err_kind too_many = {ERR_BUSY, "TOO_MANY_REQUESTS",
					 "Hệ thống đang bận, vui lòng thử lại sau giây lát",
					 "too many requests in hand, try again in a moment"};
static const struct err_kind no_page = {ERR_NOT_FOUND, "NO_SUCH_PATH", "Không có địa chỉ này",
					"there is nothing at this address"};
static const struct err_kind bad_method = {ERR_INVALID, "METHOD_NOT_ALLOWED",
					   "Địa chỉ này chỉ nhận phương thức %s",
					   "this address takes only %s"};

/* statuses by hundreds, 2 … 5 */
#define CLASSES 4

struct route {
	const char *path; /* a prefix when it ends with a slash or a dot */
	const char *name; /* label of the metrics */
	enum pool pool;
	void (*serve)(struct visit *v);
};

static void serve_nothing(struct visit *v)
{
	err_set(&v->err, &no_page, NULL, NULL);
	visit_fail(v, NULL);
}

static const struct route routes[] = {
	{"/lgsp.", "connect", POOL_API, connect_serve},
	{"/feeds/", "feeds", POOL_API, feeds_serve},
	{"/callback/", "callback", POOL_PUBLIC, callback_serve},
	{"/", "page", POOL_PUBLIC, page_serve},
	{"/tra-cuu", "page", POOL_PUBLIC, page_serve},
	{"/assets/app.css", "style", POOL_NONE, page_serve_style},
	{"", "none", POOL_NONE, serve_nothing},
};

static struct metric *answers[ARRAY_LEN(routes)][CLASSES];
static struct metric *times[ARRAY_LEN(routes)];
static struct metric *in_hand[2];
static struct metric *left;

void route_start(void)
{
	static const char *const pools[] = {"pool=\"api\"", "pool=\"public\""};
	char labels[64];

	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		snprintf(labels, sizeof(labels), "route=\"%s\"", routes[i].name);
		times[i] = metric_histogram("lgsp_gateway_request_seconds", labels,
					    "Time from a request to its answer.");
		for (int c = 0; c < CLASSES; c++) {
			snprintf(labels, sizeof(labels), "route=\"%s\",class=\"%dxx\"",
				 routes[i].name, c + 2);
			answers[i][c] = metric_counter("lgsp_gateway_requests_total", labels,
						       "Requests answered.");
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(pools); i++)
		in_hand[i] =
			metric_gauge("lgsp_gateway_in_hand", pools[i], "Requests being answered.");
	left = metric_counter("lgsp_gateway_left_total", "",
			      "Requests whose client left before the answer.");
}

struct visit *visit_of(void *arg)
{
	struct visit *v = arg;

	CHECK(v && v->magic == VISIT_MAGIC);
	return v;
}

static const struct route *find_route(const char *path)
{
	const struct route *r = routes;

	for (;; r++) {
		size_t n = strlen(r->path);
		bool is_prefix = n > 1 && strchr("/.", r->path[n - 1]);

		if (n == 0 || (is_prefix && strncmp(path, r->path, n) == 0) ||
		    strcmp(path, r->path) == 0)
			return r;
	}
}

static void pool_change(struct gateway *gw, enum pool pool, int by)
{
	if (pool == POOL_NONE)
		return;
	gw->in_hand[pool] += (unsigned)by;
	metric_set(in_hand[pool], gw->in_hand[pool]);
}

static void log_visit(const struct visit *v, int status, int64_t dur_us)
{
	enum log_level level = status >= 500 ? LOG_WARN : LOG_INFO;
	const struct log_field fields[] = {
		LOG_STR("route", v->route->name),  LOG_STR("call", v->label),
		LOG_STR("method", v->req->method), LOG_NUM("status", status),
		LOG_NUM("dur_us", dur_us),         LOG_STR("err", err_code(&v->err))};

	log_trace_set(v->trace_id);
	/* Style sheets and the like would only hide what matters. */
	if (v->route->pool == POOL_NONE && status < 500)
		level = LOG_DEBUG;
	log_write(level, "http.request", fields, ARRAY_LEN(fields));
	log_trace_set(NULL);
}

/* What we failed to do for a client that has left is no failure of ours. */
static int status_to_count(const struct visit *v, int status)
{
	return v->left && status >= 500 ? HTTP_LEFT : status;
}

void visit_answer(struct visit *v, const struct http_response *res)
{
	size_t at = (size_t)(v->route - routes);
	int64_t dur_us = clock_mono_us() - v->start_us;
	struct http_header headers[16] = {{"Lgsp-Trace-Id", v->trace_id}};
	struct http_response out = *res;
	int status = status_to_count(v, res->status);
	int class = status / 100 - 2;

	CHECK(res->n_headers < ARRAY_LEN(headers));
	for (unsigned i = 0; i < res->n_headers; i++)
		headers[i + 1] = res->headers[i];
	out.headers = headers;
	out.n_headers = res->n_headers + 1;
	if (class >= 0 && class < CLASSES)
		metric_add(answers[at][class], 1);
	metric_observe_us(times[at], dur_us);
	log_visit(v, status, dur_us);
	pool_change(v->gw, v->route->pool, -1);
	v->magic = 0;
	http_respond(v->x, &out);
}

/* What a client may do about an error, as headers. Returns how many were set. */
static unsigned error_headers(struct visit *v, const struct connect_code *code,
			      struct http_header *out)
{
	unsigned n = 0;

	out[n++] = (struct http_header){"Cache-Control", "no-store"};
	out[n++] = (struct http_header){"Lgsp-Status", err_status_name(v->err.status)};
	out[n++] = (struct http_header){"Lgsp-Outcome",
					v->err.outcome_unknown ? "UNKNOWN" : "NOT_DONE"};
	if (v->err.retry_after_ms > 0) {
		const char *s = arena_printf(v->arena, "%u", (v->err.retry_after_ms + 999) / 1000);

		out[n++] = (struct http_header){"Retry-After", s ? s : "1"};
	}
	if (code->http == 401)
		out[n++] = (struct http_header){"WWW-Authenticate",
						strcmp(err_code(&v->err), "TOKEN_MISSING") == 0
							? "Bearer realm=\"lgsp\""
							: "Bearer realm=\"lgsp\", "
							  "error=\"invalid_token\""};
	return n;
}

void visit_fail_http(struct visit *v, const char *why, int http, const struct http_header *more)
{
	const struct connect_code *code =
		why ? connect_code_named(why) : connect_code_of(v->err.status);
	struct http_header headers[8];
	struct http_response res = {.status = http > 0 ? http : code->http,
				    .content_type = "application/json",
				    .headers = headers};
	struct buf body;

	res.n_headers = error_headers(v, code, headers);
	if (more)
		headers[res.n_headers++] = *more;
	buf_init(&body, ERROR_MAX_BYTES);
	error_write(&v->err, code, v->english, v->trace_id, v->arena, &body);
	res.body = buf_str(&body);
	res.body_len = body.len;
	visit_answer(v, &res);
	buf_done(&body);
}

void visit_fail(struct visit *v, const char *why)
{
	visit_fail_http(v, why, 0, NULL);
}

void visit_fail_method(struct visit *v, const char *allow)
{
	const struct http_header h = {"Allow", allow};

	err_set(&v->err, &bad_method, NULL, allow);
	visit_fail_http(v, "unimplemented", 405, &h);
}

/* --- calls --- */

static void split_roles(const struct identity *who, struct arena *arena, Bus__OnBehalfOf *out)
{
	char *copy = arena_strdup(arena, who->roles);
	char *save = NULL;

	out->roles = arena_calloc(arena, GATEWAY_ROLES_MAX, sizeof(*out->roles));
	if (!copy || !out->roles)
		return;
	for (char *r = strtok_r(copy, " ", &save); r && out->n_roles < GATEWAY_ROLES_MAX;
	     r = strtok_r(NULL, " ", &save))
		out->roles[out->n_roles++] = r;
}

/* For a client that has left nothing is begun. */
static void refuse_left(struct visit *v, bus_reply_fn *fn)
{
	struct bus_reply_in reply = {.served_by = ""};
	struct err err;

	err_clear(&err);
	reply.status = err_set(&err, &err_cancelled, NULL, NULL);
	fn(&reply, &err, v);
}

static void on_left(void *arg)
{
	struct visit *v = visit_of(arg);

	metric_add(left, 1);
	if (v->keeps)
		return;
	v->left = true;
	bus_client_cancel(v->gw->bus, v->call_id, v);
}

void visit_call(struct visit *v, const struct visit_call *call, bus_reply_fn *fn)
{
	static const uint8_t none[16];
	Bus__OnBehalfOf who = BUS__ON_BEHALF_OF__INIT;
	struct bus_request_out out = {
		.service = call->service,
		.method = call->method,
		.deadline_ms = call->deadline_ms,
		.flags = call->flags,
		.traceparent = v->traceparent,
		.purpose = call->purpose,
		.body = call->body,
		.body_len = call->body_len,
	};

	if (v->left) {
		refuse_left(v, fn);
		return;
	}
	memcpy(v->call_id, call->message_id, sizeof(v->call_id));
	if (memcmp(v->call_id, none, sizeof(none)) == 0)
		uuid_v7(v->call_id);
	memcpy(out.message_id, v->call_id, sizeof(out.message_id));
	if (call->who) {
		who.subject = call->who->subject;
		who.agency = call->who->agency;
		split_roles(call->who, v->arena, &who);
		out.on_behalf_of = &who;
	}
	bus_client_send(v->gw->bus, &out, fn, v);
}

/* --- arrival --- */

static void take_trace(struct visit *v)
{
	const char *given = http_header(v->req, "traceparent");

	header_trace_id(given, v->trace_id);
	if (v->trace_id[0] != '\0' && strlen(given) < sizeof(v->traceparent)) {
		memcpy(v->traceparent, given, strlen(given) + 1);
		return;
	}
	header_new_traceparent(v->traceparent);
	header_trace_id(v->traceparent, v->trace_id);
}

static bool prefers_english(const struct http_request *req)
{
	const char *languages = http_header(req, "Accept-Language");

	return languages && strncasecmp(languages, "en", 2) == 0;
}

static void serve_or_refuse(struct visit *v)
{
	struct gateway *gw = v->gw;
	enum pool pool = v->route->pool;

	if (pool == POOL_NONE || gw->in_hand[pool] <= gw->max_in_hand[pool]) {
		v->route->serve(v);
		return;
	}
	err_set_retry(&v->err, &too_many, NULL, BUSY_RETRY_MS);
	if (v->route->serve == page_serve)
		page_serve_busy(v);
	else
		visit_fail(v, NULL);
}

void route_request(struct http_exchange *x, const struct http_request *req, void *gateway)
{
	struct visit *v = arena_alloc(req->arena, sizeof(*v));

	CHECK(v); /* the arena is fresh, its cap above 1 MiB */
	v->magic = VISIT_MAGIC;
	v->gw = gateway;
	v->x = x;
	v->req = req;
	v->arena = req->arena;
	v->route = find_route(req->path);
	v->label = "";
	v->start_us = clock_mono_us();
	v->english = prefers_english(req);
	v->who = identity_anonymous;
	take_trace(v);
	http_on_left(x, on_left, v);
	pool_change(v->gw, v->route->pool, 1);
	serve_or_refuse(v);
}
