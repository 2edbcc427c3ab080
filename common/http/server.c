/*
 * Connections on libuv. A connection is always in one of the states below; its one timer carries
 * the time-out of the state. Its memory is released when both handles have closed and no exchange
 * is in a handler's hands, whichever comes last; so an exchange can be answered after the client,
 * or the server, has gone.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/metric.h"
#include "common/http/http.h"
#include "common/http/response.h"

#define READ_BYTES       (64 * 1024)
#define RESPONSE_MAX     (64 * 1024 * 1024)
#define LINGER_MAX_BYTES (1024 * 1024)
#define BACKLOG          128
#define CONN_MAGIC       0x48545043u /* "HTPC" */

enum conn_state {
	CONN_IDLE,    /* nothing of a request has come */
	CONN_READING, /* some of one has */
	CONN_BUSY,    /* an exchange is open; what comes is kept for later */
	CONN_WRITING, /* its response is on the way */
	CONN_LINGER,  /* the last response is out; what still comes is thrown away */
	CONN_CLOSING,
};

struct http_exchange {
	unsigned magic;
	struct http_conn *conn;
	void (*on_left)(void *arg);
	void *on_left_arg;
};

union conn_handle {
	uv_handle_t handle;
	uv_stream_t stream;
	uv_pipe_t pipe;
	uv_tcp_t tcp;
};

struct http_conn {
	struct http_server *server; /* NULL once the server was freed */
	struct http_conn *prev, *next;
	enum conn_state state;
	union conn_handle h;
	uv_timer_t timer;
	unsigned open_handles;
	struct http_parser *parser;
	struct http_exchange exchange;
	bool exchange_open;
	bool close_after;
	struct buf ahead; /* bytes behind the request in hand, at most READ_BYTES */
	uv_write_t write_req;
	uv_shutdown_t shutdown_req;
	struct buf out;
	size_t out_left; /* of the last look at the write queue */
	size_t lingered;
};

struct http_server {
	struct loop *loop;
	struct http_config config;
	struct http_limits limits;
	union conn_handle listener;
	bool is_unix;
	bool listening; /* the listener's handle is open */
	bool draining;
	bool freed;
	bool accept_waits; /* a connection waits for a free place */
	struct http_conn *conns;
	unsigned n_conns;
	int port;
	struct metric *refused;
	uint8_t chunk[READ_BYTES];
};

static void conn_next_request(struct http_conn *c);
static void server_accept(struct http_server *s);

/* --- end of a connection --- */

static void conn_release(struct http_conn *c)
{
	if (c->open_handles > 0 || c->exchange_open)
		return;
	http_parser_free(c->parser);
	buf_done(&c->ahead);
	buf_done(&c->out);
	free(c);
}

static void server_release(struct http_server *s)
{
	if (s->freed && !s->listening && s->n_conns == 0)
		free(s);
}

static void conn_unlink(struct http_conn *c)
{
	struct http_server *s = c->server;

	if (c->prev)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->n_conns--;
	c->server = NULL;
	if (s->accept_waits && !s->draining)
		server_accept(s);
	server_release(s);
}

static void conn_on_closed(uv_handle_t *handle)
{
	struct http_conn *c = handle->data;

	c->open_handles--;
	if (c->open_handles == 0)
		conn_unlink(c);
	conn_release(c);
}

static void conn_close(struct http_conn *c)
{
	if (c->state == CONN_CLOSING)
		return;
	c->state = CONN_CLOSING;
	uv_close(&c->h.handle, conn_on_closed);
	uv_close((uv_handle_t *)&c->timer, conn_on_closed);
}

/* --- time-outs --- */

static void conn_arm(struct http_conn *c, uint32_t ms, uv_timer_cb fn)
{
	uv_timer_start(&c->timer, fn, ms, 0);
}

static void conn_on_close_time(uv_timer_t *timer)
{
	conn_close(timer->data);
}

/* A write is stalled when nothing of it left since the last look. */
static void conn_on_write_time(uv_timer_t *timer)
{
	struct http_conn *c = timer->data;
	size_t left = uv_stream_get_write_queue_size(&c->h.stream);

	if (left >= c->out_left) {
		conn_close(c);
		return;
	}
	c->out_left = left;
	conn_arm(c, c->server->limits.write_ms, conn_on_write_time);
}

/* --- writing --- */

static void conn_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct http_conn *c = handle->data;

	(void)suggested;
	*buf = uv_buf_init((char *)c->server->chunk, sizeof(c->server->chunk));
}

static void conn_on_lingered(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct http_conn *c = stream->data;

	(void)buf;
	if (n > 0)
		c->lingered += (size_t)n;
	if (n < 0 || c->lingered > LINGER_MAX_BYTES)
		conn_close(c);
}

static void conn_on_shutdown(uv_shutdown_t *req, int status)
{
	struct http_conn *c = req->data;

	if (status < 0)
		conn_close(c);
}

/*
 * Closing with bytes unread would reset the connection, and the client might lose the response
 * (RFC 9112 section 9.6): so say the end, then wait a while for the client's.
 */
static void conn_linger(struct http_conn *c)
{
	c->state = CONN_LINGER;
	c->shutdown_req.data = c;
	conn_arm(c, c->server->limits.linger_ms, conn_on_close_time);
	if (uv_shutdown(&c->shutdown_req, &c->h.stream, conn_on_shutdown) < 0 ||
	    uv_read_start(&c->h.stream, conn_alloc, conn_on_lingered) < 0)
		conn_close(c);
}

static void conn_on_written(uv_write_t *req, int status)
{
	struct http_conn *c = req->data;

	if (c->state != CONN_WRITING)
		return;
	buf_done(&c->out);
	if (status < 0)
		conn_close(c);
	else if (c->close_after)
		conn_linger(c);
	else
		conn_next_request(c);
}

static void conn_write(struct http_conn *c)
{
	uv_buf_t buf = uv_buf_init((char *)c->out.data, (unsigned)c->out.len);

	c->state = CONN_WRITING;
	c->write_req.data = c;
	if (c->out.full || uv_write(&c->write_req, &c->h.stream, &buf, 1, conn_on_written) < 0) {
		conn_close(c);
		return;
	}
	c->out_left = uv_stream_get_write_queue_size(&c->h.stream);
	conn_arm(c, c->server->limits.write_ms, conn_on_write_time);
}

static void conn_refuse(struct http_conn *c, int status)
{
	metric_add(c->server->refused, 1);
	uv_read_stop(&c->h.stream);
	c->close_after = true;
	response_write_refusal(status, &c->out);
	conn_write(c);
}

static void conn_on_head_time(uv_timer_t *timer)
{
	conn_refuse(timer->data, 408);
}

void http_respond(struct http_exchange *x, const struct http_response *res)
{
	struct http_conn *c = x->conn;
	const struct http_request *req;

	CHECK(x->magic == CONN_MAGIC && c->exchange_open);
	c->exchange_open = false;
	if (c->state == CONN_CLOSING) {
		conn_release(c);
		return;
	}
	uv_read_stop(&c->h.stream);
	req = http_parser_request(c->parser);
	c->close_after = !req->keep_alive || c->server->draining;
	response_write(res, strcmp(req->method, "HEAD") == 0, c->close_after, &c->out);
	conn_write(c);
}

/* --- while an exchange is open --- */

void http_on_left(struct http_exchange *x, void (*fn)(void *arg), void *arg)
{
	CHECK(x->magic == CONN_MAGIC && x->conn->exchange_open);
	x->on_left = fn;
	x->on_left_arg = arg;
}

static void conn_client_left(struct http_conn *c)
{
	void (*fn)(void *arg) = c->exchange.on_left;

	c->exchange.on_left = NULL;
	if (fn)
		fn(c->exchange.on_left_arg);
}

static void conn_alloc_ahead(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct http_conn *c = handle->data;

	(void)suggested;
	*buf = uv_buf_init((char *)c->server->chunk, (unsigned)(READ_BYTES - c->ahead.len));
}

/* A half-closed connection stays: its client may read the response yet. */
static void conn_on_ahead(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct http_conn *c = stream->data;

	if (n >= 0) {
		CHECK(buf_append(&c->ahead, buf->base, (size_t)n) == 0);
		if (c->ahead.len == READ_BYTES)
			uv_read_stop(stream);
		return;
	}
	uv_read_stop(stream);
	if (n != UV_EOF)
		conn_close(c);
	conn_client_left(c);
}

/* Read on, so that the end is seen. */
static void conn_watch_client(struct http_conn *c)
{
	if (c->ahead.len < READ_BYTES &&
	    uv_read_start(&c->h.stream, conn_alloc_ahead, conn_on_ahead) < 0)
		conn_close(c);
}

/* --- reading --- */

static void conn_open_exchange(struct http_conn *c)
{
	struct http_server *s = c->server;

	uv_read_stop(&c->h.stream);
	uv_timer_stop(&c->timer);
	c->state = CONN_BUSY;
	c->exchange = (struct http_exchange){.magic = CONN_MAGIC, .conn = c};
	c->exchange_open = true;
	s->config.on_request(&c->exchange, http_parser_request(c->parser), s->config.arg);
	if (c->state == CONN_BUSY)
		conn_watch_client(c);
}

static void conn_say_continue(struct http_conn *c)
{
	static char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
	uv_buf_t buf = uv_buf_init(line, sizeof(line) - 1);

	/* A failure shows when the response is written. */
	uv_try_write(&c->h.stream, &buf, 1);
}

/* The time-out follows what is being read: it is set when that begins, not with every byte. */
static void conn_note_progress(struct http_conn *c, bool was_in_head, bool was_in_body)
{
	c->state = CONN_READING;
	if (http_parser_in_body(c->parser) && !was_in_body)
		conn_arm(c, c->server->limits.body_ms, conn_on_head_time);
	else if (http_parser_in_head(c->parser) && !was_in_head)
		conn_arm(c, c->server->limits.head_ms, conn_on_head_time);
	if (http_parser_wants_continue(c->parser))
		conn_say_continue(c);
}

/* Returns how many bytes were taken; the rest belongs to requests behind the one now open. */
static size_t conn_feed(struct http_conn *c, const void *bytes, size_t n)
{
	bool was_in_head = http_parser_in_head(c->parser);
	bool was_in_body = http_parser_in_body(c->parser);
	size_t used = 0;

	switch (http_parser_feed(c->parser, bytes, n, &used)) {
	case HTTP_PARSE_MORE:
		conn_note_progress(c, was_in_head, was_in_body);
		break;
	case HTTP_PARSE_DONE:
		break;
	case HTTP_PARSE_ERROR:
		conn_refuse(c, http_parser_status(c->parser));
		return n;
	}
	return used;
}

static bool conn_is_complete(struct http_conn *c)
{
	size_t used;

	return c->state <= CONN_READING &&
	       http_parser_feed(c->parser, NULL, 0, &used) == HTTP_PARSE_DONE;
}

static void conn_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct http_conn *c = stream->data;
	size_t used;

	if (n < 0) {
		conn_close(c);
		return;
	}
	if (n == 0)
		return;
	used = conn_feed(c, buf->base, (size_t)n);
	if (!conn_is_complete(c))
		return;
	buf_reset(&c->ahead);
	CHECK(buf_append(&c->ahead, buf->base + used, (size_t)n - used) == 0);
	conn_open_exchange(c);
}

static void conn_start_reading(struct http_conn *c)
{
	if (c->state == CONN_IDLE)
		conn_arm(c, c->server->limits.idle_ms, conn_on_close_time);
	if (uv_read_start(&c->h.stream, conn_alloc, conn_on_read) < 0)
		conn_close(c);
}

/* After a response: what the client sent ahead comes first. */
static void conn_next_request(struct http_conn *c)
{
	http_parser_reset(c->parser);
	c->state = CONN_IDLE;
	if (c->server->draining) {
		conn_close(c);
		return;
	}
	if (c->ahead.len > 0) {
		buf_consume(&c->ahead, conn_feed(c, c->ahead.data, c->ahead.len));
		if (conn_is_complete(c)) {
			conn_open_exchange(c);
			return;
		}
	}
	if (c->state <= CONN_READING)
		conn_start_reading(c);
}

/* --- accepting --- */

static struct http_conn *conn_new(struct http_server *s)
{
	struct http_conn *c = base_alloc(sizeof(*c));
	uv_loop_t *uv = loop_uv(s->loop);

	c->server = s;
	if (s->is_unix)
		CHECK(uv_pipe_init(uv, &c->h.pipe, 0) == 0);
	else
		CHECK(uv_tcp_init(uv, &c->h.tcp) == 0);
	CHECK(uv_timer_init(uv, &c->timer) == 0);
	c->h.handle.data = c;
	c->timer.data = c;
	c->open_handles = 2;
	c->parser = http_parser_new(s->config.body_max);
	buf_init(&c->ahead, READ_BYTES);
	buf_init(&c->out, RESPONSE_MAX);
	c->next = s->conns;
	if (c->next)
		c->next->prev = c;
	s->conns = c;
	s->n_conns++;
	return c;
}

/* The connection that has been idle for longest makes place: the time-outs of all are equal. */
static struct http_conn *server_idlest(struct http_server *s)
{
	struct http_conn *found = NULL;
	uint64_t least = UINT64_MAX;

	for (struct http_conn *c = s->conns; c; c = c->next) {
		if (c->state == CONN_IDLE && uv_timer_get_due_in(&c->timer) < least) {
			least = uv_timer_get_due_in(&c->timer);
			found = c;
		}
	}
	return found;
}

static void server_accept(struct http_server *s)
{
	struct http_conn *c;

	s->accept_waits = s->n_conns >= s->config.max_connections;
	if (s->accept_waits) {
		/* Until one has gone, new ones wait in the system's queue: libuv stops accepting.
		 */
		struct http_conn *idle = server_idlest(s);

		if (idle)
			conn_close(idle);
		return;
	}
	c = conn_new(s);
	if (uv_accept(&s->listener.stream, &c->h.stream) < 0)
		conn_close(c);
	else
		conn_start_reading(c);
}

static void server_on_connection(uv_stream_t *listener, int status)
{
	if (status == 0)
		server_accept(listener->data);
}

/* --- listening --- */

/* A socket file that nobody answers on is left from a process that was killed. */
static int remove_stale_socket(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;
	CLEANUP_FD int fd = -1;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : ERR_UNAVAILABLE;
	if (!S_ISSOCK(st.st_mode))
		return ERR_UNAVAILABLE;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return ERR_UNAVAILABLE;
	return unlink(path) == 0 ? 0 : ERR_UNAVAILABLE;
}

static int listen_unix(struct http_server *s, const char *path)
{
	int r = remove_stale_socket(path);

	if (r < 0)
		return r;
	if (uv_pipe_bind(&s->listener.pipe, path) < 0)
		return ERR_UNAVAILABLE;
	/* Nobody can connect before listen(): no moment with a wrong mode. */
	if (chmod(path, (mode_t)s->config.unix_mode) < 0)
		return ERR_UNAVAILABLE;
	return 0;
}

static int listen_tcp(struct http_server *s, const struct sockaddr_in *addr)
{
	struct sockaddr_in got;
	int n = sizeof(got);

	if (uv_tcp_bind(&s->listener.tcp, (const struct sockaddr *)addr, 0) < 0)
		return ERR_UNAVAILABLE;
	if (uv_tcp_getsockname(&s->listener.tcp, (struct sockaddr *)&got, &n) < 0)
		return ERR_UNAVAILABLE;
	s->port = ntohs(got.sin_port);
	return 0;
}

/* "127.0.0.1:9101". */
static int parse_tcp(const char *listen, struct sockaddr_in *ret_addr)
{
	char host[64];
	const char *colon = strrchr(listen, ':');
	char *end;
	long port;

	if (!colon || colon == listen || (size_t)(colon - listen) >= sizeof(host))
		return ERR_INVALID;
	memcpy(host, listen, (size_t)(colon - listen));
	host[colon - listen] = '\0';
	if (colon[1] < '0' || colon[1] > '9')
		return ERR_INVALID;
	port = strtol(colon + 1, &end, 10);
	if (*end != '\0' || port > 65535)
		return ERR_INVALID;
	return uv_ip4_addr(host, (int)port, ret_addr) == 0 ? 0 : ERR_INVALID;
}

/* The address is looked at before any handle exists. */
static int server_listen(struct http_server *s)
{
	const char *listen = s->config.listen;
	uv_loop_t *uv = loop_uv(s->loop);
	struct sockaddr_in addr;
	int r;

	s->is_unix = strncmp(listen, "unix:", 5) == 0;
	if (s->is_unix &&
	    (listen[5] != '/' || strlen(listen + 5) >= sizeof(((struct sockaddr_un *)0)->sun_path)))
		return ERR_INVALID;
	if (!s->is_unix && parse_tcp(listen, &addr) < 0)
		return ERR_INVALID;
	if (s->is_unix)
		CHECK(uv_pipe_init(uv, &s->listener.pipe, 0) == 0);
	else
		CHECK(uv_tcp_init(uv, &s->listener.tcp) == 0);
	s->listener.handle.data = s;
	s->listening = true;
	r = s->is_unix ? listen_unix(s, listen + 5) : listen_tcp(s, &addr);
	if (r == 0 && uv_listen(&s->listener.stream, BACKLOG, server_on_connection) < 0)
		r = ERR_UNAVAILABLE;
	return r;
}

static uint32_t or_usual(uint32_t ms, uint32_t usual)
{
	return ms > 0 ? ms : usual;
}

int http_server_new(struct loop *loop, const struct http_config *config,
		    struct http_server **ret_server)
{
	struct http_server *s = base_alloc(sizeof(*s));
	int r;

	CHECK(config->on_request && config->max_connections > 0);
	/* libuv writes without MSG_NOSIGNAL: a client that has gone is no reason to end. */
	signal(SIGPIPE, SIG_IGN);
	s->loop = loop;
	s->config = *config;
	s->limits = (struct http_limits){
		.head_ms = or_usual(config->limits.head_ms, 10000),
		.body_ms = or_usual(config->limits.body_ms, 60000),
		.idle_ms = or_usual(config->limits.idle_ms, 60000),
		.write_ms = or_usual(config->limits.write_ms, 30000),
		.linger_ms = or_usual(config->limits.linger_ms, 2000),
	};
	s->refused = metric_counter("lgsp_http_refused_total", "",
				    "Connections closed over bytes that are no request.");
	r = server_listen(s);
	if (r < 0) {
		http_server_free(s);
		return r;
	}
	*ret_server = s;
	return 0;
}

int http_server_port(const struct http_server *server)
{
	return server->port;
}

bool http_server_idle(const struct http_server *server)
{
	return server->n_conns == 0;
}

static void server_on_listener_closed(uv_handle_t *handle)
{
	struct http_server *s = handle->data;

	s->listening = false;
	server_release(s);
}

void http_server_drain(struct http_server *server)
{
	if (server->draining)
		return;
	server->draining = true;
	if (server->listening)
		uv_close(&server->listener.handle, server_on_listener_closed);
	for (struct http_conn *c = server->conns, *next; c; c = next) {
		next = c->next;
		if (c->state == CONN_IDLE)
			conn_close(c);
	}
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	http_server_drain(server);
	server->freed = true;
	for (struct http_conn *c = server->conns, *next; c; c = next) {
		next = c->next;
		conn_close(c);
	}
	server_release(server);
}
