/*
 * Callbacks of payment providers: GET or POST /callback/<adapter>, passed to payment as raw bytes,
 * because the signature is over them. Nothing is parsed here.
 */
#include <string.h>

#include "common/base/base.h"
#include "common/wire/pb.h"
#include "lgsp/payment/v1/payment.pb-c.h"
#include "services/gateway/gateway.h"

#define ADAPTER_MAX 32
#define CALLBACK_MS 20000

static const struct err_kind no_adapter = {ERR_NOT_FOUND, "NO_ADAPTER",
					   "Không có cổng thanh toán này",
					   "there is no such payment adapter"};

static bool is_adapter(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= ADAPTER_MAX && name[n] == '\0';
}

static void answer(struct visit *v, const Payment__ReceiveCallbackReply *out)
{
	struct http_header headers[] = {{"Cache-Control", "no-store"},
					{"X-Content-Type-Options", "nosniff"}};
	struct http_response res = {
		.status = (int)out->http_status,
		.content_type = out->content_type[0] != '\0' ? out->content_type : NULL,
		.headers = headers,
		.n_headers = ARRAY_LEN(headers),
		.body = out->body.data,
		.body_len = out->body.len,
	};

	if (out->http_status < 200 || out->http_status > 599)
		res.status = 502;
	visit_answer(v, &res);
}

static void on_reply(const struct bus_reply_in *reply, const struct err *err, void *arg)
{
	struct visit *v = visit_of(arg);
	ProtobufCMessage *msg;

	if (reply->status < 0) {
		v->err = *err;
		visit_fail(v, NULL);
		return;
	}
	if (pb_unpack(&payment__receive_callback_reply__descriptor, reply->body, reply->body_len,
		      NULL, v->arena, &msg, &v->err) < 0) {
		v->err.status = ERR_INTERNAL;
		visit_fail(v, NULL);
		return;
	}
	answer(v, (const Payment__ReceiveCallbackReply *)msg);
}

void callback_serve(struct visit *v)
{
	Payment__ReceiveCallbackRequest in = PAYMENT__RECEIVE_CALLBACK_REQUEST__INIT;
	struct visit_call call = {
		.service = "payment", .method = "ReceiveCallback", .deadline_ms = CALLBACK_MS};
	uint8_t *body;

	if (strcmp(v->req->method, "GET") != 0 && strcmp(v->req->method, "POST") != 0) {
		visit_fail_method(v, "GET, POST");
		return;
	}
	in.adapter = v->req->path + strlen("/callback/");
	v->label = in.adapter;
	/* What a provider reports counts, whether it waits for our thanks or not. */
	v->keeps = true;
	if (!is_adapter(in.adapter)) {
		v->label = "";
		err_set(&v->err, &no_adapter, NULL, NULL);
		visit_fail(v, NULL);
		return;
	}
	in.http_method = v->req->method;
	in.query.data = (uint8_t *)v->req->query;
	in.query.len = strlen(v->req->query);
	in.body.data = (uint8_t *)v->req->body;
	in.body.len = v->req->body_len;
	if (pb_pack(&in.base, v->arena, &body, &call.body_len, &v->err) < 0) {
		visit_fail(v, NULL);
		return;
	}
	call.body = body;
	visit_call(v, &call, on_reply);
}
