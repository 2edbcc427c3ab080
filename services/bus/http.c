#include "services/bus/http.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"

#define METRICS_MAX (4u << 20)
#define CONNECTIONS 32

struct bus_http {
	struct loop *loop;
	struct broker *broker;
	struct http_server *server;
};

static void respond(struct http_exchange *x, int status, const char *type, const void *body,
		    size_t n)
{
	http_respond(x,
		     &(struct http_response){
			     .status = status, .content_type = type, .body = body, .body_len = n});
}

static void respond_text(struct http_exchange *x, int status, const char *text)
{
	respond(x, status, "text/plain; charset=utf-8", text, strlen(text));
}

static void respond_metrics(struct bus_http *h, struct http_exchange *x)
{
	struct buf out;

	stats_refresh(h->broker);
	buf_init(&out, METRICS_MAX);
	if (metric_render(&out) < 0)
		respond_text(x, 500, "too many metrics\n");
	else
		respond(x, 200, "text/plain; version=0.0.4; charset=utf-8", out.data, out.len);
	buf_done(&out);
}

static void on_request(struct http_exchange *x, const struct http_request *req, void *arg)
{
	struct bus_http *h = arg;

	if (strcmp(req->method, "GET") != 0)
		respond_text(x, 405, "GET only\n");
	else if (strcmp(req->path, "/metrics") == 0)
		respond_metrics(h, x);
	else if (strcmp(req->path, "/healthz") == 0)
		respond_text(x, 200, "ok\n");
	else if (strcmp(req->path, "/readyz") == 0)
		respond_text(x, h->broker->draining ? 503 : 200,
			     h->broker->draining ? "draining\n" : "ready\n");
	else
		respond_text(x, 404, "no such page\n");
}

int bus_http_new(struct loop *loop, const char *listen, struct broker *broker,
		 struct bus_http **ret_http)
{
	struct bus_http *h = base_alloc(sizeof(*h));
	const struct http_config config = {.listen = listen,
					   .unix_mode = 0660,
					   .body_max = 1024,
					   .max_connections = CONNECTIONS,
					   .on_request = on_request,
					   .arg = h};
	int rc;

	h->loop = loop;
	h->broker = broker;
	rc = http_server_new(loop, &config, &h->server);
	if (rc < 0) {
		free(h);
		return rc;
	}
	*ret_http = h;
	return 0;
}

void bus_http_free(struct bus_http *h)
{
	if (!h)
		return;
	http_server_free(h->server);
	free(h);
}
