/*
 * A strict HTTP/1.1 server on libuv: for the gateway behind nginx, and for the health and metrics
 * of each process. Requests carry Content-Length only (a valid chunked body is refused with 411);
 * header names and order are kept as received; everything odd is refused with an error response and
 * a closed connection. One request at a time per connection: while one is answered, what comes
 * behind it is kept, up to 64 KiB, and no more is read.
 *
 * Limits: head 16 KiB, 64 headers, target 4 KiB, body as configured; 10 s for a head, 60 s for a
 * body, 60 s idle, 30 s for a stalled write. docs/http.md tabulates what is refused how.
 */
#ifndef LGSP_HTTP_HTTP_H
#define LGSP_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/loop/loop.h"

#define HTTP_HEADERS_MAX 64

struct http_header {
	const char *name; /* as received */
	const char *value;
};

struct http_request {
	struct arena *arena; /* for the handler's use too; lives until http_respond() */
	const char *method;
	const char *target; /* as received */
	const char *path; /* percent-decoded, valid UTF-8, without NUL; the server refuses others */
	const char *query; /* raw, without '?'; "" when absent */
	struct http_header headers[HTTP_HEADERS_MAX];
	unsigned n_headers;
	const uint8_t *body;
	size_t body_len;
	bool keep_alive;
};

/* Case-insensitive; the first of that name; NULL when absent. */
const char *http_header(const struct http_request *req, const char *name);
/*
 * Decoded value of a query or form parameter in the arena; NULL when absent, given twice,
 * malformed, not UTF-8 or with a NUL.
 */
const char *http_param(struct arena *arena, const char *urlencoded, const char *name);

/* --- parser, without I/O (fuzzed) --- */

struct http_parser;
enum http_parse { HTTP_PARSE_MORE, HTTP_PARSE_DONE, HTTP_PARSE_ERROR };
struct http_parser *http_parser_new(size_t body_max);
void http_parser_free(struct http_parser *p);
/*
 * Consumes up to n bytes; *ret_used says how many. DONE: http_parser_request() holds a request
 * until http_parser_reset(). ERROR: http_parser_status() is the status to answer before closing.
 */
enum http_parse http_parser_feed(struct http_parser *p, const void *bytes, size_t n,
				 size_t *ret_used);
struct http_request *http_parser_request(struct http_parser *p);
int http_parser_status(const struct http_parser *p);
void http_parser_reset(struct http_parser *p);
/* True once per request: its head asked for "100 Continue" and its body has not come yet. */
bool http_parser_wants_continue(struct http_parser *p);
/* Something of a request has been read, but not all of it. */
bool http_parser_in_head(const struct http_parser *p);
bool http_parser_in_body(const struct http_parser *p);

/* --- server --- */

struct http_server;
struct http_exchange; /* one request and its response */

struct http_response {
	int status;
	const char *content_type; /* NULL: none */
	const struct http_header *headers;
	unsigned n_headers;
	const void *body; /* copied */
	size_t body_len;
};

/* Milliseconds; 0 takes the usual value. Tests shorten them. */
struct http_limits {
	uint32_t head_ms, body_ms, idle_ms, write_ms, linger_ms;
};

struct http_config {
	/* "unix:/path" or "127.0.0.1:9101"; port 0 lets the system choose. */
	const char *listen;
	int unix_mode;   /* file mode of the socket, e.g. 0660 */
	size_t body_max; /* e.g. 1 MiB */
	unsigned max_connections;
	/* Loop thread; HEAD is answered as GET would be, the server leaves the body out. */
	void (*on_request)(struct http_exchange *x, const struct http_request *req, void *arg);
	void *arg;
	struct http_limits limits; /* zeros: the limits above */
};

/* 0, ERR_INVALID (bad address) or ERR_UNAVAILABLE (cannot listen). */
int http_server_new(struct loop *loop, const struct http_config *config,
		    struct http_server **ret_server);
/* The port in use; 0 for unix sockets. */
int http_server_port(const struct http_server *server);
/* Stops accepting; idle connections are closed, open exchanges answered with Connection: close. */
void http_server_drain(struct http_server *server);
/* No connection is open: after a drain, everything has been answered and sent. */
bool http_server_idle(const struct http_server *server);
/* NULL is fine. Exchanges still open may be responded to afterwards, while the loop lives. */
void http_server_free(struct http_server *server);

/* Reason phrase of a status, e.g. "Bad Request"; "Unknown" for others. */
const char *http_reason(int status);

/*
 * Answers the exchange, once, now or later, on the loop's thread. When the client has gone the
 * response is dropped. x is invalid afterwards.
 */
void http_respond(struct http_exchange *x, const struct http_response *res);

/*
 * Calls fn, at most once, when the client leaves before it is answered: it has closed its
 * connection, or its half of it (over TCP the two look alike). The exchange is still to be
 * answered: one that closed only its half reads the response. Nobody is watched behind more than 64
 * KiB of further requests. Loop thread, from on_request() until http_respond().
 */
void http_on_left(struct http_exchange *x, void (*fn)(void *arg), void *arg);

/*
 * Asks the process that listens there (as http_config.listen) for /healthz: 0 when it answers 200,
 * else 1. Blocks up to 3 s; for --healthcheck.
 */
int http_probe(const char *listen);
/*
 * GET path of a process of ours, blocking, at most 3 s: the status, or 0 when nobody answers. The
 * body (at most 1 MiB) is appended to ret_body, which may be NULL.
 */
int http_ask(const char *listen, const char *path, struct buf *ret_body);

#endif
