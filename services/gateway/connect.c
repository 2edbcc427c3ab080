/*
 * Unary calls of the Connect protocol (connectrpc.com/docs/protocol): POST /<interface>/<method>,
 * JSON or binary. Which methods there are, and who may call them, is in rpc_registry; messages are
 * read and written by their descriptors. No method is named here.
 */
#include <string.h>
#include <strings.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "common/base/utf8.h"
#include "common/base/uuid.h"
#include "common/wire/header.h"
#include "common/wire/pb.h"
#include "common/wire/pbcheck.h"
#include "common/wire/pbjson.h"
#include "services/gateway/gateway.h"

#define KEY_MAX         255
#define PURPOSE_MAX     200
#define REPLY_MAX_BYTES (16 * 1024 * 1024)
#define TIMEOUT_DIGITS  10
#define REPLY_ELEMENTS  200000

static const struct err_kind bad_content_type = {ERR_INVALID, "CONTENT_TYPE",
						 "Chỉ nhận application/json hoặc application/proto",
						 "send application/json or application/proto"};
static const struct err_kind bad_encoding = {ERR_INVALID, "CONTENT_ENCODING",
					     "Không nhận nội dung nén",
					     "compressed bodies are not taken"};
static const struct err_kind bad_header = {ERR_INVALID, "BAD_REQUEST_HEADER",
					   "Tiêu đề %s không hợp lệ", "the header %s is not valid"};
static const struct err_kind no_method = {ERR_NOT_FOUND, "NO_SUCH_METHOD",
					  "Không có phương thức này", "there is no such method"};

static const struct http_header taken_types = {"Accept-Post",
					       "application/json, application/proto"};

struct connect_call {
	const struct rpc_table *table;
	const struct rpc_row *row;
	const ProtobufCMethodDescriptor *method;
	bool json;
	uint8_t message_id[UUID_BYTES];
	char message_id_text[UUID_TEXT_BYTES];
	struct visit_call call;
};

/* --- headers --- */

/* "application/json", perhaps with "; charset=utf-8". */
static bool is_type(const char *value, const char *type)
{
	size_t n = strlen(type);

	if (!value || strncasecmp(value, type, n) != 0)
		return false;
	value += n + strspn(value + n, " \t");
	if (*value == '\0')
		return true;
	if (*value++ != ';')
		return false;
	value += strspn(value, " \t");
	return strcasecmp(value, "charset=utf-8") == 0;
}

static int read_codec(struct visit *v, struct connect_call *cc)
{
	const char *type = http_header(v->req, "Content-Type");
	const char *encoding = http_header(v->req, "Content-Encoding");

	cc->json = is_type(type, "application/json");
	if (!cc->json && !is_type(type, "application/proto"))
		return err_set(&v->err, &bad_content_type, NULL, NULL);
	if (encoding && strcasecmp(encoding, "identity") != 0)
		return err_set(&v->err, &bad_encoding, NULL, NULL);
	return 0;
}

static int refuse_header(struct visit *v, const char *name)
{
	return err_set(&v->err, &bad_header, NULL, name);
}

static int read_timeout(struct visit *v, uint32_t *ret_ms)
{
	const char *text = http_header(v->req, "Connect-Timeout-Ms");
	size_t digits = text ? strspn(text, "0123456789") : 0;
	uint64_t ms = 0;

	*ret_ms = GATEWAY_DEADLINE_MS;
	if (!text)
		return 0;
	if (digits == 0 || digits > TIMEOUT_DIGITS || text[digits] != '\0')
		return refuse_header(v, "Connect-Timeout-Ms");
	for (; *text; text++)
		ms = ms * 10 + (uint64_t)(*text - '0');
	if (ms == 0)
		return err_set(&v->err, &err_deadline_passed, NULL, NULL);
	*ret_ms = ms < GATEWAY_TIMEOUT_MAX_MS ? (uint32_t)ms : GATEWAY_TIMEOUT_MAX_MS;
	return 0;
}

int connect_message_id(const char *key, const char *subject, uint8_t ret_id[static 16])
{
	struct crypt_hash *hash;
	uint8_t digest[CRYPT_SHA256_BYTES];
	size_t n = strlen(key);

	if (uuid_parse(key, ret_id) == 0)
		return 0;
	if (n == 0 || n > KEY_MAX)
		return ERR_INVALID;
	for (size_t i = 0; i < n; i++) {
		if (key[i] < ' ' || key[i] > '~')
			return ERR_INVALID;
	}
	hash = crypt_hash_new();
	crypt_hash_update(hash, subject, strlen(subject) + 1);
	crypt_hash_update(hash, key, n);
	crypt_hash_final(hash, digest);
	memcpy(ret_id, digest, UUID_BYTES);
	/* RFC 9562 section 5.8: version 8, "vendor-specific". */
	ret_id[6] = (uint8_t)((ret_id[6] & 0x0f) | 0x80);
	ret_id[8] = (uint8_t)((ret_id[8] & 0x3f) | 0x80);
	return 0;
}

static int read_message_id(struct visit *v, struct connect_call *cc)
{
	const char *key = http_header(v->req, "Idempotency-Key");

	if (!key)
		uuid_v7(cc->message_id);
	else if (connect_message_id(key, v->who.subject, cc->message_id) < 0)
		return refuse_header(v, "Idempotency-Key");
	uuid_format(cc->message_id, cc->message_id_text);
	memcpy(cc->call.message_id, cc->message_id, UUID_BYTES);
	return 0;
}

static int read_headers(struct visit *v, struct connect_call *cc)
{
	const char *version = http_header(v->req, "Connect-Protocol-Version");
	const char *purpose = http_header(v->req, "Lgsp-Purpose");

	if (version && strcmp(version, "1") != 0)
		return refuse_header(v, "Connect-Protocol-Version");
	if (purpose && (strlen(purpose) > PURPOSE_MAX || !utf8_valid(purpose, strlen(purpose))))
		return refuse_header(v, "Lgsp-Purpose");
	cc->call.purpose = purpose;
	if (read_timeout(v, &cc->call.deadline_ms) < 0)
		return v->err.status;
	return read_message_id(v, cc);
}

/* --- method and body --- */

/* "/lgsp.dossier.v1.DossierService/Submit". A method without a row is no method. */
static int find_method(struct visit *v, struct connect_call *cc)
{
	const char *path = v->req->path + 1;
	const char *slash = strchr(path, '/');
	const char *interface = slash ? arena_memdup(v->arena, path, (size_t)(slash - path)) : NULL;

	cc->table = interface ? rpc_find_interface(interface) : NULL;
	if (!cc->table || !rpc_find_method(cc->table, slash + 1, &cc->row, &cc->method) ||
	    (cc->row->exposure & ~(unsigned)RPC_INTERNAL) == 0)
		return err_set(&v->err, &no_method, NULL, NULL);
	v->label = path;
	cc->call.service = cc->table->service;
	cc->call.method = cc->row->method;
	cc->call.flags = cc->row->effect == RPC_READ ? HEADER_FLAG_REPEATABLE : 0;
	return 0;
}

static int read_body(struct visit *v, struct connect_call *cc)
{
	const ProtobufCMessageDescriptor *desc = cc->method->input;
	ProtobufCMessage *msg;
	uint8_t *bytes;

	if (!cc->json) {
		cc->call.body = v->req->body;
		cc->call.body_len = v->req->body_len;
		return pb_check(desc, v->req->body, v->req->body_len, NULL, &v->err);
	}
	if (pbjson_read(desc, (const char *)v->req->body, v->req->body_len, v->arena, &msg,
			&v->err) < 0 ||
	    pb_pack(msg, v->arena, &bytes, &cc->call.body_len, &v->err) < 0)
		return v->err.status;
	cc->call.body = bytes;
	return 0;
}

/* --- answer --- */

static void answer_bytes(struct visit *v, const void *body, size_t n, bool replayed)
{
	const struct connect_call *cc = v->user;
	struct http_header headers[3] = {{"Cache-Control", "no-store"},
					 {"Lgsp-Message-Id", cc->message_id_text},
					 {"Lgsp-Replayed", "true"}};
	struct http_response res = {
		.status = 200,
		.content_type = cc->json ? "application/json" : "application/proto",
		.headers = headers,
		.n_headers = replayed ? 3 : 2,
		.body = body,
		.body_len = n,
	};

	visit_answer(v, &res);
}

/* With the message id: an interrupted call is repeated with it. */
static void fail_call(struct visit *v)
{
	const struct connect_call *cc = v->user;
	const struct http_header id = {"Lgsp-Message-Id", cc->message_id_text};

	visit_fail_http(v, NULL, 0, &id);
}

static int write_json(struct visit *v, const struct bus_reply_in *reply, struct buf *out)
{
	const struct connect_call *cc = v->user;
	const struct pb_limits limits = {.elements = REPLY_ELEMENTS, .open_enums = true};
	ProtobufCMessage *msg;

	if (pb_unpack(cc->method->output, reply->body, reply->body_len, &limits, v->arena, &msg,
		      &v->err) < 0)
		return v->err.status;
	if (pbjson_write(msg, false, out) < 0)
		return err_set(&v->err, &err_too_large, NULL, "reply");
	return 0;
}

static void on_reply(const struct bus_reply_in *reply, const struct err *err, void *arg)
{
	struct visit *v = visit_of(arg);
	const struct connect_call *cc = v->user;
	struct buf json;

	if (reply->status < 0) {
		v->err = *err;
		fail_call(v);
		return;
	}
	if (!cc->json) {
		answer_bytes(v, reply->body, reply->body_len, reply->replayed);
		return;
	}
	buf_init(&json, REPLY_MAX_BYTES);
	if (write_json(v, reply, &json) < 0) {
		/* The service answered OK, so this is our side's failure; the effect exists. */
		v->err.status = ERR_INTERNAL;
		v->err.outcome_unknown = cc->row->effect == RPC_EFFECT;
		fail_call(v);
	} else {
		answer_bytes(v, buf_str(&json), json.len, reply->replayed);
	}
	buf_done(&json);
}

/* What finding out who asks has used up is the call's. */
static uint32_t time_left(const struct visit *v, uint32_t deadline_ms)
{
	int64_t used_ms = (clock_mono_us() - v->start_us) / 1000;

	return used_ms < deadline_ms ? deadline_ms - (uint32_t)used_ms : 1;
}

static void on_known(struct visit *v, int status)
{
	struct connect_call *cc = v->user;

	if (status < 0) {
		visit_fail(v, status == ERR_DENIED ? "unauthenticated" : NULL);
		return;
	}
	if (find_method(v, cc) < 0) {
		visit_fail_http(v, "unimplemented", 404, NULL);
		return;
	}
	if (identity_check_call(&v->who, v->gw->rights, cc->table, cc->row,
				http_header(v->req, "Lgsp-Purpose"), &v->err) < 0 ||
	    read_headers(v, cc) < 0 || read_body(v, cc) < 0) {
		visit_fail(v, NULL);
		return;
	}
	cc->call.who = &v->who;
	cc->call.deadline_ms = time_left(v, cc->call.deadline_ms);
	visit_call(v, &cc->call, on_reply);
}

void connect_serve(struct visit *v)
{
	struct connect_call *cc = arena_alloc(v->arena, sizeof(*cc));

	CHECK(cc); /* first in a fresh arena */
	v->user = cc;
	if (strcmp(v->req->method, "POST") != 0) {
		visit_fail_method(v, "POST");
		return;
	}
	if (read_codec(v, cc) < 0) {
		visit_fail_http(v, NULL, 415, &taken_types);
		return;
	}
	auth_identify(v, on_known);
}
