// with: services/gateway/route.c services/gateway/connect.c services/gateway/auth.c services/gateway/rights.c services/gateway/status.c services/gateway/feeds.c services/gateway/callback.c services/gateway/page.c services/gateway/html.c services/gateway/web.c services/gateway/health.c services/gateway/gateway.c
/* Calls, tokens, errors, callbacks, overload and the end, from outside. */
#include <jansson.h>

#include "common/base/crypt.h"
#include "common/base/uuid.h"
#include "lgsp/common/v1/status.pb-c.h"
#include "lgsp/dossier/v1/dossier.pb-c.h"
#include "lgsp/payment/v1/payment.pb-c.h"
#include "tests/it/gateway_rig.h"

#define DOSSIER "POST /lgsp.dossier.v1.DossierService/"
#define JSON    "Content-Type: application/json\r\n"
#define UUID    "018f0000-0000-7000-8000-000000000001"
#define BEARER  "Authorization: Bearer %s\r\n"

static struct fetch_answer *call_as(struct rig *rig, const char *sub, const char *method,
				    const char *more, const char *body)
{
	char *head = arena_printf(&rig->arena, DOSSIER "%s HTTP/1.1\r\n" BEARER JSON "%s", method,
				  rig_token(rig, sub, NULL), more);

	return rig_ask(rig, head, body);
}

/* The answer is an error with this status and Connect code; returns its document. */
static json_t *assert_error(const struct fetch_answer *a, int status, const char *code)
{
	json_t *json = json_loadb(a->body, a->body_len, 0, NULL);

	if (a->status != status)
		fail_msg("%d, not %d: %s", a->status, status, a->body);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "code")), code);
	assert_true(strlen(json_string_value(json_object_get(json, "message"))) > 0);
	return json;
}

static const char *machine_code(const json_t *error)
{
	const json_t *detail = json_array_get(json_object_get(error, "details"), 0);
	const json_t *debug = json_object_get(detail, "debug");
	const json_t *first = json_array_get(json_object_get(debug, "violations"), 0);

	return json_string_value(json_object_get(first, "code"));
}

static void assert_refused(const struct fetch_answer *a, int status, const char *code,
			   const char *machine)
{
	json_t *json = assert_error(a, status, code);

	assert_string_equal(machine_code(json), machine);
	json_decref(json);
}

static void play_accept(struct rig *rig)
{
	Dossier__AcceptReply reply = DOSSIER__ACCEPT_REPLY__INIT;

	reply.version = 2;
	reply.due_us = 1716256800000000;
	rig_play(rig, &reply.base);
}

static void test_json_call(void **state)
{
	struct rig *rig = *state;
	const struct seen *seen = &rig->bus.last;
	char id[UUID_TEXT_BYTES];
	struct fetch_answer *a;
	Dossier__AcceptRequest *in;

	play_accept(rig);
	a = call_as(rig, "officer-1", "Accept",
		    "Connect-Protocol-Version: 1\r\nConnect-Timeout-Ms: 2500\r\n"
		    "Idempotency-Key: " UUID "\r\nLgsp-Purpose: tiep nhan\r\n"
		    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
		    "{\"code\":\"H40.31.01-240521-0001\"}");
	assert_int_equal(a->status, 200);
	assert_string_equal(a->body, "{\"version\":2,\"dueUs\":\"1716256800000000\"}");
	assert_non_null(strstr(a->head, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(a->head, "\r\nLgsp-Trace-Id: 0af7651916cd43dd8448eb211c80319c\r\n"));
	assert_non_null(strstr(a->head, "\r\nLgsp-Message-Id: " UUID "\r\n"));
	assert_null(strstr(a->head, "Lgsp-Replayed"));
	assert_string_equal(seen->service, "dossier");
	assert_string_equal(seen->method, "Accept");
	assert_string_equal(seen->subject, "officer-1");
	assert_string_equal(seen->roles, "clerk cashier");
	assert_string_equal(seen->agency, "H40.31.01");
	assert_string_equal(seen->purpose, "tiep nhan");
	assert_in_range(seen->deadline_ms, 1, 2500);
	assert_int_equal(seen->flags, 0); /* an effect: the client repeats it, not the broker */
	assert_string_equal(seen->traceparent,
			    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
	uuid_format(seen->message_id, id);
	assert_string_equal(id, UUID);
	in = dossier__accept_request__unpack(NULL, seen->body_len, seen->body);
	assert_string_equal(in->code, "H40.31.01-240521-0001");
	dossier__accept_request__free_unpacked(in, NULL);
}

static void test_binary_call(void **state)
{
	struct rig *rig = *state;
	Dossier__AcceptRequest in = DOSSIER__ACCEPT_REQUEST__INIT;
	uint8_t body[64];
	char *head = arena_printf(&rig->arena,
				  DOSSIER "Accept HTTP/1.1\r\nAuthorization: bearer %s\r\n"
					  "Content-Type: application/proto\r\n",
				  rig_token(rig, "officer-1", NULL));
	struct fetch_answer *a;
	size_t n;

	in.code = "x";
	n = dossier__accept_request__pack(&in, body);
	play_accept(rig);
	rig->bus.next.replayed = true;
	a = fetch_read(&rig->arena, fetch_send(rig->listen, head, body, n));
	assert_int_equal(a->status, 200);
	assert_non_null(strstr(a->head, "\r\nContent-Type: application/proto\r\n"));
	assert_non_null(strstr(a->head, "\r\nLgsp-Replayed: true\r\n"));
	assert_int_equal(a->body_len, rig->bus.next.body_len);
	assert_memory_equal(a->body, rig->bus.next.body, a->body_len);
	assert_int_equal(rig->bus.last.body_len, n);
	assert_memory_equal(rig->bus.last.body, body, n);
	assert_in_range(rig->bus.last.deadline_ms, GATEWAY_DEADLINE_MS / 2, GATEWAY_DEADLINE_MS);
}

static void accepted_id(struct rig *rig, const char *sub, const char *more, uint8_t out[16])
{
	assert_int_equal(call_as(rig, sub, "Accept", more, "{}")->status, 200);
	memcpy(out, rig->bus.last.message_id, 16);
}

static void test_message_ids(void **state)
{
	struct rig *rig = *state;
	uint8_t first[16], again[16], other[16];
	const char *key = "Idempotency-Key: don 17 cua toi\r\n";

	play_accept(rig);
	accepted_id(rig, "officer-1", key, first);
	accepted_id(rig, "officer-1", key, again);
	accepted_id(rig, "officer-2", key, other);
	assert_memory_equal(first, again, 16);
	assert_memory_not_equal(first, other, 16);
	assert_int_equal(first[6] >> 4, 8);
	assert_int_equal(first[8] >> 6, 2);
	/* Without a key every request is a new one. */
	accepted_id(rig, "officer-1", "", first);
	accepted_id(rig, "officer-1", "", again);
	assert_memory_not_equal(first, again, 16);
	assert_refused(call_as(rig, "officer-1", "Accept", "Idempotency-Key:\r\n", "{}"), 400,
		       "invalid_argument", "BAD_REQUEST_HEADER");
}

static void test_without_token(void **state)
{
	static const char *const heads[] = {
		DOSSIER "Accept HTTP/1.1\r\n" JSON,
		/* Public by its row; over HTTP only the page asks it without a token. */
		DOSSIER "Track HTTP/1.1\r\n" JSON,
		DOSSIER "Accept HTTP/1.1\r\nAuthorization: Basic eDp5\r\n" JSON,
		"GET /feeds/dossier HTTP/1.1\r\n",
		"POST /lgsp.no.such.Interface/X HTTP/1.1\r\n" JSON,
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		struct fetch_answer *a = rig_ask(rig, heads[i], "");

		assert_refused(a, 401, "unauthenticated", "TOKEN_MISSING");
		assert_non_null(strstr(a->head, "\r\nWWW-Authenticate: Bearer realm=\"lgsp\"\r\n"));
	}
	assert_int_equal(rig->bus.calls, 0);
	assert_int_equal(rig->bus.resolves, 0);
}

static struct fetch_answer *accept_with(struct rig *rig, const char *token)
{
	char *head = arena_printf(&rig->arena, DOSSIER "Accept HTTP/1.1\r\n" BEARER JSON, token);

	return rig_ask(rig, head, "{}");
}

static void test_bad_tokens(void **state)
{
	struct rig *rig = *state;
	struct err err = {0};
	char *pem, *jwks, *token, *head;
	int64_t now_s = clock_wall_us() / CLOCK_US_PER_S;
	struct fetch_answer *a;

	assert_int_equal(jwt_key_new(&rig->arena, &pem, &jwks), 0);
	assert_int_equal(jwt_sign(pem, RIG_ISS, RIG_AUD, "officer-1", NULL, now_s, 60, &rig->arena,
				  &token, &err),
			 0);
	a = accept_with(rig, token);
	assert_refused(a, 401, "unauthenticated", "TOKEN_INVALID");
	assert_non_null(strstr(a->head, "error=\"invalid_token\""));
	assert_int_equal(jwt_sign(rig->pem, RIG_ISS, RIG_AUD, "officer-1", NULL, 1700000000, 60,
				  &rig->arena, &token, &err),
			 0);
	assert_refused(accept_with(rig, token), 401, "unauthenticated", "TOKEN_EXPIRED");
	/* Two Authorization headers: which one would the log believe? */
	token = rig_token(rig, "officer-1", NULL);
	head = arena_printf(&rig->arena, DOSSIER "Accept HTTP/1.1\r\n" BEARER BEARER JSON, token,
			    token);
	assert_refused(rig_ask(rig, head, "{}"), 401, "unauthenticated", "TOKEN_MISSING");
	assert_int_equal(rig->bus.calls, 0);
}

static void test_who_may_call(void **state)
{
	struct rig *rig = *state;
	Dossier__SubmitReply submitted = DOSSIER__SUBMIT_REPLY__INIT;
	char *head;

	assert_refused(call_as(rig, "citizen-1", "Accept", "", "{}"), 403, "permission_denied",
		       "NOT_ALLOWED");
	assert_refused(call_as(rig, "operator-1", "Accept", "", "{}"), 403, "permission_denied",
		       "NOT_ALLOWED");
	assert_non_null(strstr(call_as(rig, "operator-1", "Accept", "", "{}")->body,
			       "this is for people with the role: clerk"));
	assert_int_equal(rig->bus.calls, 0);
	rig_play(rig, &submitted.base);
	assert_int_equal(call_as(rig, "citizen-1", "Submit", "", "{}")->status, 200);
	assert_string_equal(rig->bus.last.subject, "citizen-1");
	assert_string_equal(rig->bus.last.roles, "citizen");
	assert_string_equal(rig->bus.last.agency, "");
	/* Internal rows do not exist here, and neither does what has no row. */
	head = arena_printf(
		&rig->arena,
		"POST /lgsp.payment.v1.PaymentService/ReceiveCallback HTTP/1.1\r\n" BEARER JSON,
		rig_token(rig, "operator-1", NULL));
	assert_refused(rig_ask(rig, head, "{}"), 404, "unimplemented", "NO_SUCH_METHOD");
	assert_refused(call_as(rig, "officer-1", "Nothing", "", "{}"), 404, "unimplemented",
		       "NO_SUCH_METHOD");
	assert_refused(call_as(rig, "officer-1", "Accept/x", "", "{}"), 404, "unimplemented",
		       "NO_SUCH_METHOD");
	assert_int_equal(rig->bus.calls, 1);
}

static struct fetch_answer *system_call(struct rig *rig, const char *path, const char *token)
{
	char *head = arena_printf(&rig->arena, "POST %s HTTP/1.1\r\n" BEARER JSON, path, token);

	return rig_ask(rig, head, "{}");
}

/* A system has the rights of its member, although the gateway's own are far wider. */
static void test_systems(void **state)
{
	struct rig *rig = *state;
	Dossier__SubmitReply submitted = DOSSIER__SUBMIT_REPLY__INIT;
	char *granted = rig_token(rig, "client-7", "VN/GOV/H40/one-stop");
	char *stranger = rig_token(rig, "client-8", "VN/GOV/H40/stranger");

	rig_play(rig, &submitted.base);
	assert_int_equal(
		system_call(rig, "/lgsp.dossier.v1.DossierService/Submit", granted)->status, 200);
	assert_string_equal(rig->bus.last.subject, "VN/GOV/H40/one-stop");
	assert_string_equal(rig->bus.last.roles, "system");
	assert_int_equal(rig->bus.resolves, 0);
	assert_refused(system_call(rig, "/lgsp.payment.v1.PaymentService/ListOrders", granted), 403,
		       "permission_denied", "NOT_GRANTED");
	assert_refused(system_call(rig, "/lgsp.dossier.v1.DossierService/Submit", stranger), 403,
		       "permission_denied", "NOT_GRANTED");
	assert_int_equal(rig->bus.calls, 1);
}

static void test_identity_is_kept_a_while(void **state)
{
	struct rig *rig = *state;
	char *token = rig_token(rig, "officer-1", NULL);

	play_accept(rig);
	assert_int_equal(accept_with(rig, token)->status, 200);
	assert_int_equal(accept_with(rig, token)->status, 200);
	assert_int_equal(rig->bus.resolves, 1);
	assert_int_equal(rig->bus.calls, 2);
}

static void test_directory_away(void **state)
{
	struct rig *rig = *state;
	struct fetch_answer *a;

	rig->bus.away = true;
	a = call_as(rig, "officer-1", "Accept", "", "{}");
	assert_refused(a, 503, "unavailable", "UNAVAILABLE");
	assert_non_null(strstr(a->head, "\r\nRetry-After: 1\r\n"));
	rig->bus.away = false;
	play_accept(rig);
	assert_int_equal(call_as(rig, "officer-1", "Accept", "", "{}")->status, 200);
}

struct reload {
	struct rig *rig;
	volatile bool done;
};

static void do_reload(void *arg)
{
	struct reload *r = arg;

	gateway_reload(r->rig->gw);
	r->done = true;
}

static void reload(struct rig *rig, const char *path, const char *text)
{
	struct reload r = {.rig = rig};
	int64_t end_us = 0;

	rig_write(path, text);
	loop_post(rig->bus.loop, do_reload, &r);
	while (!r.done)
		rig_pause(&end_us);
}

/* New keys end what old ones vouched for; a broken file changes nothing. */
static void test_new_keys(void **state)
{
	struct rig *rig = *state;
	char *token = rig_token(rig, "officer-1", NULL);
	char *jwks;

	play_accept(rig);
	assert_int_equal(accept_with(rig, token)->status, 200);
	reload(rig, rig->jwks, "{}");
	assert_int_equal(accept_with(rig, token)->status, 200);
	assert_int_equal(jwt_key_new(&rig->arena, &rig->pem, &jwks), 0);
	reload(rig, rig->jwks, jwks);
	assert_refused(accept_with(rig, token), 401, "unauthenticated", "TOKEN_INVALID");
	assert_int_equal(call_as(rig, "officer-1", "Accept", "", "{}")->status, 200);
}

static void test_new_rights(void **state)
{
	struct rig *rig = *state;
	Dossier__SubmitReply submitted = DOSSIER__SUBMIT_REPLY__INIT;
	char *token = rig_token(rig, "client-8", "VN/GOV/H40/stranger");
	const char *submit = "/lgsp.dossier.v1.DossierService/Submit";

	rig_play(rig, &submitted.base);
	assert_int_equal(system_call(rig, submit, token)->status, 403);
	reload(rig, rig->rights, "grant VN/GOV/H40/stranger dossier Submit\n");
	assert_int_equal(system_call(rig, submit, token)->status, 200);
	reload(rig, rig->rights, "grant nonsense\n");
	assert_int_equal(system_call(rig, submit, token)->status, 200);
	reload(rig, rig->rights, "# nobody\n");
	assert_int_equal(system_call(rig, submit, token)->status, 403);
}

static void test_bad_requests(void **state)
{
	static const struct {
		const char *more, *body;
		int status;
		const char *machine;
	} rows[] = {
		{"", "{\"code\":", 400, "MALFORMED_JSON"},
		{"", "{\"cod\":\"x\"}", 400, "UNKNOWN_FIELD"},
		{"", "{\"code\":7}", 400, "BAD_VALUE"},
		{"Connect-Protocol-Version: 2\r\n", "{}", 400, "BAD_REQUEST_HEADER"},
		{"Connect-Timeout-Ms: x\r\n", "{}", 400, "BAD_REQUEST_HEADER"},
		{"Connect-Timeout-Ms: 12345678901\r\n", "{}", 400, "BAD_REQUEST_HEADER"},
		{"Connect-Timeout-Ms: -1\r\n", "{}", 400, "BAD_REQUEST_HEADER"},
		{"Lgsp-Purpose: \xff\r\n", "{}", 400, "BAD_REQUEST_HEADER"},
		{"Content-Encoding: gzip\r\n", "{}", 415, "CONTENT_ENCODING"},
	};
	struct rig *rig = *state;
	struct fetch_answer *a;
	char *head;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		a = call_as(rig, "officer-1", "Accept", rows[i].more, rows[i].body);
		assert_refused(a, rows[i].status, "invalid_argument", rows[i].machine);
	}
	a = call_as(rig, "officer-1", "Accept", "Connect-Timeout-Ms: 0\r\n", "{}");
	json_decref(assert_error(a, 504, "deadline_exceeded"));
	head = arena_printf(&rig->arena,
			    DOSSIER "Accept HTTP/1.1\r\n" BEARER
				    "Content-Type: application/proto\r\n",
			    rig_token(rig, "officer-1", NULL));
	assert_refused(rig_ask(rig, head, "\x0a\x05zz"), 400, "invalid_argument",
		       "MALFORMED_MESSAGE");
	assert_refused(rig_ask(rig, DOSSIER "Accept HTTP/1.1\r\nContent-Type: text/plain\r\n", ""),
		       415, "invalid_argument", "CONTENT_TYPE");
	a = rig_ask(rig, "GET /lgsp.dossier.v1.DossierService/Get HTTP/1.1\r\n", "");
	assert_refused(a, 405, "unimplemented", "METHOD_NOT_ALLOWED");
	assert_non_null(strstr(a->head, "\r\nAllow: POST\r\n"));
	assert_refused(rig_ask(rig, "GET /nothing HTTP/1.1\r\n", ""), 404, "not_found",
		       "NO_SUCH_PATH");
	assert_int_equal(rig->bus.calls, 0);
}

static void test_field_of_an_error(void **state)
{
	struct rig *rig = *state;
	struct fetch_answer *a = call_as(rig, "citizen-1", "Submit", "",
					 "{\"applicant\":{\"number\":\"1\",\"nubmer\":\"2\"}}");

	assert_refused(a, 400, "invalid_argument", "UNKNOWN_FIELD");
	assert_non_null(strstr(a->body, "\"field\":\"applicant"));
}

static void test_statuses(void **state)
{
	static const struct {
		int status, http;
		const char *code, *name;
	} rows[] = {
		{ERR_INVALID, 400, "invalid_argument", "INVALID"},
		{ERR_DENIED, 403, "permission_denied", "DENIED"},
		{ERR_NOT_FOUND, 404, "not_found", "NOT_FOUND"},
		{ERR_CONFLICT, 400, "failed_precondition", "CONFLICT"},
		{ERR_BUSY, 429, "resource_exhausted", "BUSY"},
		{ERR_EXPIRED, 504, "deadline_exceeded", "EXPIRED"},
		{ERR_NO_SERVICE, 503, "unavailable", "NO_SERVICE"},
		{ERR_TOO_LARGE, 400, "out_of_range", "TOO_LARGE"},
		{ERR_WORKER_LOST, 503, "unavailable", "WORKER_LOST"},
		{ERR_DRAINING, 503, "unavailable", "DRAINING"},
		{ERR_UNAVAILABLE, 503, "unavailable", "UNAVAILABLE"},
		{ERR_INTERNAL, 500, "internal", "INTERNAL"},
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *line = arena_printf(&rig->arena, "\r\nLgsp-Status: %s\r\n", rows[i].name);
		struct fetch_answer *a;

		rig_play_error(rig, rows[i].status, "TEST_CODE");
		a = call_as(rig, "officer-1", "Accept", "", "{}");
		assert_refused(a, rows[i].http, rows[i].code, "TEST_CODE");
		assert_non_null(strstr(a->head, line));
		assert_non_null(strstr(a->head, "\r\nLgsp-Outcome: NOT_DONE\r\n"));
	}
}

static void assert_detail(struct rig *rig, const struct fetch_answer *a, const char *value)
{
	uint8_t *bytes;
	size_t n;
	Common__ErrorDetail *d;

	assert_null(strchr(value, '='));
	assert_int_equal(crypt_unbase64(&rig->arena, value, strlen(value), &bytes, &n), 0);
	d = common__error_detail__unpack(NULL, n, bytes);
	assert_int_equal(d->n_violations, 1);
	assert_string_equal(d->violations[0]->code, "TEST_CODE");
	assert_string_equal(d->violations[0]->field, "some.field");
	assert_string_equal(d->violations[0]->message_vi, "Lỗi thử nghiệm");
	assert_string_equal(d->violations[0]->message_en, "a test error");
	assert_int_equal(strlen(d->trace_id), 32);
	assert_non_null(strstr(a->head, d->trace_id));
	common__error_detail__free_unpacked(d, NULL);
}

/* The detail in binary, as a Connect client reads it; the sentence in the client's language. */
static void test_error_detail(void **state)
{
	struct rig *rig = *state;
	struct fetch_answer *a;
	json_t *json, *detail;

	rig_play_error(rig, ERR_UNAVAILABLE, "TEST_CODE");
	rig->bus.next.err.outcome_unknown = true;
	rig->bus.next.err.retry_after_ms = 1500;
	a = call_as(rig, "officer-1", "Accept",
		    "Accept-Language: en-GB\r\nIdempotency-Key: " UUID "\r\n", "{}");
	assert_non_null(strstr(a->head, "\r\nLgsp-Message-Id: " UUID "\r\n"));
	assert_non_null(strstr(a->head, "\r\nLgsp-Outcome: UNKNOWN\r\n"));
	assert_non_null(strstr(a->head, "\r\nRetry-After: 2\r\n"));
	json = assert_error(a, 503, "unavailable");
	assert_string_equal(json_string_value(json_object_get(json, "message")), "a test error");
	detail = json_array_get(json_object_get(json, "details"), 0);
	assert_string_equal(json_string_value(json_object_get(detail, "type")),
			    "lgsp.common.v1.ErrorDetail");
	assert_detail(rig, a, json_string_value(json_object_get(detail, "value")));
	json_decref(json);
	a = call_as(rig, "officer-1", "Accept", "", "{}");
	assert_non_null(strstr(a->body, "\"message\":\"Lỗi thử nghiệm\""));
}

static void test_reply_that_cannot_be_read(void **state)
{
	struct rig *rig = *state;
	struct fetch_answer *a;

	rig->bus.next.body[0] = 0x08; /* a field without its value */
	rig->bus.next.body_len = 1;
	a = call_as(rig, "officer-1", "Accept", "", "{}");
	json_decref(assert_error(a, 500, "internal"));
	assert_non_null(strstr(a->head, "\r\nLgsp-Outcome: UNKNOWN\r\n"));
}

static void test_callback(void **state)
{
	static const char body[] = "a=1&b=%zz\0\xff";
	static const char query[] = "vnp_TxnRef=1&x=%41";
	struct rig *rig = *state;
	Payment__ReceiveCallbackReply reply = PAYMENT__RECEIVE_CALLBACK_REPLY__INIT;
	Payment__ReceiveCallbackRequest *in;
	struct fetch_answer *a;

	reply.http_status = 202;
	reply.content_type = "application/json";
	reply.body.data = (uint8_t *)"{\"RspCode\":\"00\"}";
	reply.body.len = 16;
	rig_play(rig, &reply.base);
	a = fetch_read(&rig->arena,
		       fetch_send(rig->listen,
				  "POST /callback/vnpay?vnp_TxnRef=1&x=%41 HTTP/1.1\r\n", body,
				  sizeof(body) - 1));
	assert_int_equal(a->status, 202);
	assert_string_equal(a->body, "{\"RspCode\":\"00\"}");
	assert_non_null(strstr(a->head, "\r\nContent-Type: application/json\r\n"));
	assert_string_equal(rig->bus.last.service, "payment");
	assert_string_equal(rig->bus.last.method, "ReceiveCallback");
	assert_false(rig->bus.last.on_behalf);
	in = payment__receive_callback_request__unpack(NULL, rig->bus.last.body_len,
						       rig->bus.last.body);
	assert_string_equal(in->adapter, "vnpay");
	assert_string_equal(in->http_method, "POST");
	assert_int_equal(in->query.len, sizeof(query) - 1);
	assert_memory_equal(in->query.data, query, sizeof(query) - 1);
	assert_int_equal(in->body.len, sizeof(body) - 1);
	assert_memory_equal(in->body.data, body, sizeof(body) - 1);
	payment__receive_callback_request__free_unpacked(in, NULL);

	assert_int_equal(rig_ask(rig, "GET /callback/vnpay?a=1 HTTP/1.1\r\n", "")->status, 202);
	assert_int_equal(rig_ask(rig, "PUT /callback/vnpay HTTP/1.1\r\n", "")->status, 405);
	assert_int_equal(rig_ask(rig, "POST /callback/ HTTP/1.1\r\n", "")->status, 404);
	assert_int_equal(rig_ask(rig, "POST /callback/a/b HTTP/1.1\r\n", "")->status, 404);
	assert_int_equal(rig_ask(rig, "POST /callback/A HTTP/1.1\r\n", "")->status, 404);
	rig_play_error(rig, ERR_UNAVAILABLE, "AWAY");
	assert_int_equal(rig_ask(rig, "POST /callback/vnpay HTTP/1.1\r\n", "")->status, 503);
	assert_int_equal(rig->bus.calls, 3);
}

/* A flood of API calls is refused above its bound. */
static void test_overload_of_the_api(void **state)
{
	struct rig *rig = *state;
	char *token = rig_token(rig, "officer-1", NULL);
	char *head = arena_printf(&rig->arena, DOSSIER "Accept HTTP/1.1\r\n" BEARER JSON, token);
	struct fetch_answer *a;
	int first, second;

	play_accept(rig);
	rig->bus.hold = true;
	first = fetch_send(rig->listen, head, "{}", 2);
	rig_await_held(rig, false);
	assert_int_equal(accept_with(rig, token)->status, 200); /* the second of two */
	struct held *kept = rig_await_held(rig, true);
	rig->bus.hold = true;
	second = fetch_send(rig->listen, head, "{}", 2);
	rig_await_held(rig, false);
	a = accept_with(rig, token);
	assert_refused(a, 429, "resource_exhausted", "TOO_MANY_REQUESTS");
	assert_non_null(strstr(a->head, "\r\nRetry-After: 1\r\n"));
	assert_int_equal(rig_ask(rig, "GET / HTTP/1.1\r\n", "")->status, 200);
	rig_release(rig);
	assert_int_equal(fetch_read(&rig->arena, second)->status, 200);
	loop_post(rig->bus.loop, played_answer, kept);
	assert_int_equal(fetch_read(&rig->arena, first)->status, 200);
	assert_int_equal(accept_with(rig, token)->status, 200);
}

static void test_overload_of_the_public_side(void **state)
{
	struct rig *rig = *state;
	Payment__ReceiveCallbackReply reply = PAYMENT__RECEIVE_CALLBACK_REPLY__INIT;
	struct fetch_answer *a;
	int held;

	reply.http_status = 200;
	rig_play(rig, &reply.base);
	rig->bus.hold = true;
	held = fetch_send(rig->listen, "GET /callback/vnpay HTTP/1.1\r\n", "", 0);
	rig_await_held(rig, false);
	assert_int_equal(rig_ask(rig, "GET /callback/vnpay HTTP/1.1\r\n", "")->status, 429);
	a = rig_ask(rig, "GET / HTTP/1.1\r\n", "");
	assert_int_equal(a->status, 503);
	assert_non_null(strstr(a->body, "Hệ thống đang bận"));
	rig_release(rig);
	assert_int_equal(fetch_read(&rig->arena, held)->status, 200);
	assert_int_equal(rig_ask(rig, "GET / HTTP/1.1\r\n", "")->status, 200);
}

static struct fetch_answer *inner(struct rig *rig, const char *path)
{
	char *head = arena_printf(&rig->arena, "GET %s HTTP/1.1\r\n", path);

	return fetch_read(&rig->arena, fetch_send(rig->inner, head, "", 0));
}

static const char *await_ready(struct rig *rig, int status)
{
	int64_t end_us = 0;
	struct fetch_answer *a;

	while ((a = inner(rig, "/readyz"))->status != status)
		rig_pause(&end_us);
	return a->body;
}

static void test_health(void **state)
{
	struct rig *rig = *state;
	struct fetch_answer *a;

	await_ready(rig, 200);
	assert_int_equal(inner(rig, "/healthz")->status, 200);
	assert_int_equal(inner(rig, "/else")->status, 404);
	assert_int_equal(rig_ask(rig, "GET / HTTP/1.1\r\n", "")->status, 200);
	a = inner(rig, "/metrics");
	assert_int_equal(a->status, 200);
	assert_non_null(
		strstr(a->body, "lgsp_gateway_requests_total{route=\"page\",class=\"2xx\"}"));
	/* What is for operators does not answer on the public side. */
	assert_int_equal(rig_ask(rig, "GET /metrics HTTP/1.1\r\n", "")->status, 404);
}

/* The bus stops answering: alive, but not ready. */
static void test_not_ready(void **state)
{
	struct rig *rig = *state;

	await_ready(rig, 200);
	rig->bus.away = true;
	assert_non_null(strstr(await_ready(rig, 503), "\"bus\":false"));
	assert_int_equal(inner(rig, "/healthz")->status, 200);
}

static void on_drained(void *arg)
{
	((struct rig *)arg)->drained = true;
}

static void do_drain(void *arg)
{
	struct rig *rig = arg;

	gateway_drain(rig->gw, 10000, on_drained, rig);
}

static void test_drain(void **state)
{
	struct rig *rig = *state;
	char *head = arena_printf(&rig->arena, DOSSIER "Accept HTTP/1.1\r\n" BEARER JSON,
				  rig_token(rig, "officer-1", NULL));
	int64_t end_us = 0;
	int held;

	play_accept(rig);
	rig->bus.hold = true;
	held = fetch_send(rig->listen, head, "{}", 2);
	rig_await_held(rig, false);
	await_ready(rig, 200);
	loop_post(rig->bus.loop, do_drain, rig);
	assert_non_null(strstr(await_ready(rig, 503), "\"serving\":false"));
	assert_int_equal(access(rig->listen + 5, F_OK), -1);
	assert_false(rig->drained);
	rig_release(rig);
	assert_int_equal(fetch_read(&rig->arena, held)->status, 200);
	while (!rig->drained)
		rig_pause(&end_us);
}

static bool may(const struct system_rights *rights, const char *member, const char *method)
{
	const struct rights_question q = {
		.service = "d", .method = method, .purpose = "", .today = rights_today()};
	struct err err = {0};

	return system_rights_check(rights, member, &q, &err) == 0;
}

static void test_rights_file(void **state)
{
	static const struct {
		const char *text;
		int status;
	} rows[] = {
		{"grant a b\n", ERR_INVALID},
		{"grant a/b/c/d b C acts_for more\n", ERR_INVALID},
		{"grant a/b/c/d b Feed.Pull\n", ERR_INVALID},
		{"grant a/b/c/d b C acts_for\n", 0},
		{"# grant a\n\n \t\nserve a/b/c/d y\n", 0},
		{"", 0},
	};
	struct rig *rig = *state;
	struct system_rights *rights = NULL;
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		rig_write(rig->rights, rows[i].text);
		assert_int_equal(system_rights_read(rig->rights, &rights, &err), rows[i].status);
		if (rows[i].status == 0)
			system_rights_free(rights);
	}
	assert_int_equal(system_rights_read("/no/such/file", &rights, &err), ERR_INVALID);
	assert_int_equal(system_rights_read("", &rights, &err), 0);
	assert_false(may(rights, "a/b/c/d", "Get"));
	assert_false(system_rights_feed(rights, "a/b/c/d", "d", "d"));
	system_rights_free(rights);
	rig_write(rig->rights, "grant a/b/c/d * Get\nfeed a/b/c/d d d.public\n");
	assert_int_equal(system_rights_read(rig->rights, &rights, &err), 0);
	assert_true(may(rights, "a/b/c/d", "Get"));
	assert_false(may(rights, "a/b/c/d", "Set"));
	assert_false(may(rights, "a/b/c/e", "Get"));
	assert_true(system_rights_feed(rights, "a/b/c/d", "d", "d.public"));
	assert_false(system_rights_feed(rights, "a/b/c/d", "d", "d"));
	system_rights_free(rights);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_json_call),
		TEST(test_binary_call),
		TEST(test_message_ids),
		TEST(test_without_token),
		TEST(test_bad_tokens),
		TEST(test_who_may_call),
		TEST(test_systems),
		TEST(test_identity_is_kept_a_while),
		TEST(test_directory_away),
		TEST(test_new_keys),
		TEST(test_new_rights),
		TEST(test_bad_requests),
		TEST(test_field_of_an_error),
		TEST(test_statuses),
		TEST(test_error_detail),
		TEST(test_reply_that_cannot_be_read),
		TEST(test_callback),
		TEST(test_overload_of_the_api),
		TEST(test_overload_of_the_public_side),
		TEST(test_health),
		TEST(test_not_ready),
		TEST(test_drain),
		TEST(test_rights_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
