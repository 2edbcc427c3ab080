#include "services/bus/connections.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/metric.h"
#include "common/bus/socket.h"
#include "services/bus/kernel.h"

#define BUCKETS        4096 /* a power of two */
#define FDS_MAX        (1 << 20)
#define SLICE          256        /* connections metered each tick */
#define RSS_STEP_BYTES (8 << 20)  /* this much more resident memory: all of them */
#define EVENTS_MAX     4096       /* of one side each tick */
#define EVENT_BYTES    6          /* of a monitor's first frame */
#define QUIET_US       60000000LL /* in that time ... */
#define QUIET_BYTES    4096       /* ... heartbeats may make so many bytes of no message */
#define EVENTS                                                                                     \
	(ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_ACCEPT_FAILED | ZMQ_EVENT_DISCONNECTED |                   \
	 ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |              \
	 ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

static const char *const side_names[SIDES] = {
	[SIDE_BACKEND] = "backend", [SIDE_ADMIN] = "admin", [SIDE_MEMBER] = "member"};

/* Bytes held for peers: at most `each` for one, `all` together. */
struct pool {
	size_t each, all, used;
};

struct connection {
	struct connection *next_in_bucket;
	int fd;
	uint64_t cookie; /* the kernel's: tells a descriptor used again */
	enum broker_side side;
	struct peer peer; /* once it was heard */
	bool named, heard, metered, suspect, cut;
	uint64_t marked; /* bytes read when the last message was heard */
	int64_t marked_us;
	uint64_t suspect_at;  /* the side's count of messages then */
	uint64_t sent, acked; /* bytes on the wire, by our count and by the peer's */
	size_t unfinished, unread;
};

struct watch {
	struct connections *connections;
	enum broker_side side;
	void *socket, *monitor;
	uint64_t messages;
	unsigned open;
	struct metric *open_metric, *closed, *accept_failed;
};

struct connections {
	struct watch sides[SIDES];
	struct connection **by_fd;
	int n_fds, next_fd;
	unsigned suspects;
	struct connection *buckets[BUCKETS];
	struct pool unfinished, unread;
	int64_t now_us, warned_us;
	uint64_t scanned_bytes; /* resident when all were looked at */
	struct metric *cut_endless, *cut_slow;
	struct metric *failed_closed, *failed_protocol, *failed_key;
};

/* --- table --- */

static struct connection **bucket_of(struct connections *c, const struct peer *p)
{
	/* libzmq counts its ids up. */
	return &c->buckets[((unsigned)p->id[4] | (unsigned)p->id[3] << 8) % BUCKETS];
}

static bool same_peer(const struct peer *a, const struct peer *b)
{
	return a->side == b->side && memcmp(a->id, b->id, PEER_ID_BYTES) == 0;
}

static struct connection *find(struct connections *c, const struct peer *p)
{
	struct connection *conn = *bucket_of(c, p);

	while (conn && !same_peer(&conn->peer, p))
		conn = conn->next_in_bucket;
	return conn;
}

static void unname(struct connections *c, struct connection *conn)
{
	struct connection **link = bucket_of(c, &conn->peer);

	if (!conn->named)
		return;
	while (*link != conn)
		link = &(*link)->next_in_bucket;
	*link = conn->next_in_bucket;
	conn->named = false;
}

static void name(struct connections *c, struct connection *conn, const struct peer *peer)
{
	struct connection **bucket = bucket_of(c, peer);

	unname(c, conn);
	conn->peer = *peer;
	conn->named = true;
	conn->next_in_bucket = *bucket;
	*bucket = conn;
}

static struct connection *by_fd(const struct connections *c, int fd)
{
	return fd >= 0 && fd < c->n_fds ? c->by_fd[fd] : NULL;
}

static void room_for(struct connections *c, int fd)
{
	int n = c->n_fds ? c->n_fds : 256;

	if (fd < c->n_fds)
		return;
	while (n <= fd)
		n *= 2;
	c->by_fd = reallocarray(c->by_fd, (size_t)n, sizeof(*c->by_fd));
	CHECK(c->by_fd);
	memset(c->by_fd + c->n_fds, 0, (size_t)(n - c->n_fds) * sizeof(*c->by_fd));
	c->n_fds = n;
}

static void set_suspect(struct connections *c, struct connection *conn, bool on)
{
	c->suspects += on;
	c->suspects -= conn->suspect;
	conn->suspect = on;
}

static void forget(struct connections *c, struct connection *conn)
{
	struct watch *w = &c->sides[conn->side];

	unname(c, conn);
	set_suspect(c, conn, false);
	c->by_fd[conn->fd] = NULL;
	c->unfinished.used -= conn->unfinished;
	c->unread.used -= conn->unread;
	metric_set(w->open_metric, --w->open);
	free(conn);
}

/* --- metering --- */

static size_t limit_of(const struct pool *pool)
{
	size_t left = pool->used < pool->all ? (pool->all - pool->used) / 2 : 0;

	return left < pool->each ? left : pool->each;
}

static void account(struct pool *pool, size_t *held, uint64_t now)
{
	pool->used = pool->used - *held + (size_t)now;
	*held = (size_t)now;
}

static void cut(struct connections *c, struct connection *conn, struct metric *why)
{
	/* Closed by a reset: a peer in the middle of sending shall not wait for a window. */
	const struct linger reset = {.l_onoff = 1};

	if (conn->cut || kernel_cookie(conn->fd) != conn->cookie)
		return;
	conn->cut = true;
	set_suspect(c, conn, false);
	metric_add(why, 1);
	setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	shutdown(conn->fd, SHUT_RDWR);
	if (c->warned_us && c->now_us - c->warned_us < CLOCK_US_PER_S)
		return;
	c->warned_us = c->now_us;
	log_warn("bus.connection_cut", LOG_STR("side", side_names[conn->side]),
		 LOG_STR("reason", why == c->cut_slow ? "slow_reader" : "endless_message"),
		 LOG_NUM("unfinished", (long long)conn->unfinished),
		 LOG_NUM("unread", (long long)conn->unread));
}

/*
 * True when a message of the suspect would have been seen since: all that waited was read, or more
 * than one of every connection, which libzmq reads in turn.
 */
static bool had_its_turn(const struct connections *c, const struct connection *conn)
{
	const struct watch *w = &c->sides[conn->side];

	return w->messages - conn->suspect_at > w->open || !socket_has_input(w->socket);
}

static void meter_in(struct connections *c, struct connection *conn, uint64_t read)
{
	if (conn->heard || read < conn->marked) {
		conn->heard = false;
		set_suspect(c, conn, false);
		conn->marked = read;
		conn->marked_us = c->now_us;
	}
	for (; c->now_us - conn->marked_us > QUIET_US; conn->marked_us += QUIET_US)
		conn->marked +=
			read - conn->marked < QUIET_BYTES ? read - conn->marked : QUIET_BYTES;
	account(&c->unfinished, &conn->unfinished, read - conn->marked);
	if (conn->unfinished <= limit_of(&c->unfinished)) {
		set_suspect(c, conn, false);
	} else if (!conn->suspect) {
		set_suspect(c, conn, true);
		conn->suspect_at = c->sides[conn->side].messages;
	} else if (had_its_turn(c, conn)) {
		cut(c, conn, c->cut_endless);
	}
}

/* Our count lacks heartbeats; with nothing under way both counts mean the same. */
static void meter_out(struct connections *c, struct connection *conn,
		      const struct kernel_figures *f)
{
	if (f->drained || conn->sent < f->acked)
		conn->sent = f->acked;
	conn->acked = f->acked;
	account(&c->unread, &conn->unread, conn->sent - conn->acked);
}

static void meter(struct connections *c, struct connection *conn)
{
	struct kernel_figures f;

	if (!conn->metered || conn->cut || !kernel_measure(conn->fd, &f))
		return;
	meter_in(c, conn, f.read);
	meter_out(c, conn, &f);
}

/* --- events of the monitor --- */

static void on_accepted(struct connections *c, struct watch *w, int fd)
{
	struct connection *old = by_fd(c, fd), *conn;
	struct kernel_figures f;

	if (fd < 0 || fd >= FDS_MAX)
		return;
	if (old)
		forget(c, old);
	room_for(c, fd);
	conn = base_alloc(sizeof(*conn));
	*conn = (struct connection){
		.fd = fd, .cookie = kernel_cookie(fd), .side = w->side, .marked_us = c->now_us};
	conn->metered = conn->cookie != 0 && kernel_measure(fd, &f);
	c->by_fd[fd] = conn;
	metric_set(w->open_metric, ++w->open);
}

static void on_event(struct connections *c, struct watch *w, unsigned event, int value)
{
	struct connection *conn;

	switch (event) {
	case ZMQ_EVENT_ACCEPTED:
		on_accepted(c, w, value);
		break;
	case ZMQ_EVENT_DISCONNECTED:
		conn = by_fd(c, value);
		metric_add(w->closed, 1);
		if (conn && conn->side == w->side)
			forget(c, conn);
		break;
	case ZMQ_EVENT_ACCEPT_FAILED:
		metric_add(w->accept_failed, 1);
		break;
	case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
		metric_add(c->failed_closed, 1);
		break;
	case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
		metric_add(c->failed_protocol, 1);
		break;
	case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
		metric_add(c->failed_key, 1);
		break;
	}
}

/* Event (16 bits) and value (32 bits) in the machine's order; the endpoint behind it. */
static bool read_event(struct watch *w)
{
	struct frames f;
	uint16_t event;
	int32_t value;

	if (!w->monitor || !frames_recv(&f, w->monitor))
		return false;
	if (frame_size(&f.part[0]) == EVENT_BYTES) {
		memcpy(&event, frame_data(&f.part[0]), sizeof(event));
		memcpy(&value, frame_data(&f.part[0]) + sizeof(event), sizeof(value));
		on_event(w->connections, w, event, value);
	}
	frames_done(&f);
	return true;
}

int connections_watch(struct connections *c, void *context, void *socket, enum broker_side side)
{
	struct watch *w = &c->sides[side];
	char endpoint[64];

	snprintf(endpoint, sizeof(endpoint), "inproc://lgsp-monitor-%s", side_names[side]);
	w->socket = socket;
	if (zmq_socket_monitor(socket, endpoint, EVENTS) < 0)
		return -1;
	w->monitor = zmq_socket(context, ZMQ_PAIR);
	/* Unbounded: a full monitor would hold up libzmq's I/O thread. */
	if (!w->monitor || !socket_set_int(w->monitor, ZMQ_RCVHWM, 0) ||
	    !socket_set_int(w->monitor, ZMQ_LINGER, 0) || zmq_connect(w->monitor, endpoint) < 0)
		return -1;
	return 0;
}

void connections_unwatch(struct connections *c, enum broker_side side)
{
	struct watch *w = &c->sides[side];

	if (w->socket)
		zmq_socket_monitor(w->socket, NULL, 0);
	if (w->monitor)
		zmq_close(w->monitor);
	w->socket = w->monitor = NULL;
}

/* Here and not in the loop, which would ask the monitors at each turn. */
static void read_events(struct connections *c)
{
	for (int i = 0; i < SIDES; i++)
		for (int n = 0; n < EVENTS_MAX && read_event(&c->sides[i]); n++)
			;
}

/* --- messages --- */

/* Newer of two ids of one side: libzmq counts them up. */
static bool is_newer(const struct peer *a, const struct peer *b)
{
	return memcmp(a->id, b->id, PEER_ID_BYTES) > 0;
}

/* The first message of a connection; one read after its end may name a descriptor used again. */
static struct connection *get_to_know(struct connections *c, const struct peer *from,
				      zmq_msg_t *part)
{
	struct watch *w = &c->sides[from->side];
	struct connection *conn;

	while (read_event(w))
		;
	conn = by_fd(c, zmq_msg_get(part, ZMQ_SRCFD));
	if (!conn || conn->side != from->side || (conn->named && !is_newer(from, &conn->peer)))
		return NULL;
	name(c, conn, from);
	return conn;
}

void connections_heard(struct connections *c, const struct peer *from, zmq_msg_t *part)
{
	struct connection *conn = find(c, from);

	c->sides[from->side].messages++;
	if (!conn)
		conn = get_to_know(c, from, part);
	if (conn)
		conn->heard = true;
}

/* Of one frame under CURVE: length, "\7MESSAGE", nonce, flags, box. */
static size_t wire_bytes(size_t n)
{
	n += 33;
	return n + (n > 255 ? 9 : 2);
}

bool connections_may_send(struct connections *c, enum broker_side side, const struct frames *f)
{
	struct peer to = {.side = side};
	struct connection *conn;
	struct kernel_figures now;

	memcpy(to.id, frame_data(&f->part[0]), PEER_ID_BYTES);
	conn = find(c, &to);
	if (!conn || !conn->metered)
		return true;
	for (unsigned i = 1; i < f->n; i++)
		conn->sent += wire_bytes(frame_size(&f->part[i]));
	if (conn->sent - conn->acked <= limit_of(&c->unread) / 2)
		return true;
	if (kernel_measure(conn->fd, &now))
		meter_out(c, conn, &now);
	if (conn->unread > limit_of(&c->unread))
		cut(c, conn, c->cut_slow);
	return !conn->cut;
}

/* --- time --- */

/* The next so many connections, in turn. */
static void meter_some(struct connections *c, unsigned left)
{
	for (int i = 0; i < c->n_fds && left > 0; i++) {
		struct connection *conn = c->by_fd[c->next_fd++ % c->n_fds];

		c->next_fd %= c->n_fds;
		if (!conn)
			continue;
		meter(c, conn);
		left--;
	}
}

static bool has_grown(struct connections *c)
{
	uint64_t resident = kernel_resident_bytes();
	bool grown = resident > c->scanned_bytes + RSS_STEP_BYTES;

	if (grown || resident < c->scanned_bytes)
		c->scanned_bytes = resident;
	return grown;
}

/*
 * Every connection is looked at once memory grows or one is suspect: what does it is found before
 * it has taken much more. Memory that does not grow needs no haste.
 */
bool connections_look(struct connections *c, int64_t now_us)
{
	c->now_us = now_us;
	if (has_grown(c) || c->suspects > 0) {
		read_events(c);
		meter_some(c, FDS_MAX);
	}
	return c->suspects > 0;
}

void connections_tick(struct connections *c, int64_t now_us)
{
	c->now_us = now_us;
	read_events(c);
	meter_some(c, c->unfinished.used > c->unfinished.all / 4 ? FDS_MAX : SLICE);
}

/* --- life --- */

static void init_metrics(struct connections *c)
{
	static const char cuts[] = "lgsp_bus_connections_cut_total",
			  cut_help[] = "Connections the broker shut down",
			  fails[] = "lgsp_bus_handshakes_failed_total",
			  fail_help[] = "Connections that ended before they were authenticated";
	char label[32];

	for (int i = 0; i < SIDES; i++) {
		struct watch *w = &c->sides[i];

		snprintf(label, sizeof(label), "side=\"%s\"", side_names[i]);
		w->open_metric = metric_gauge("lgsp_bus_connections", label, "Open connections");
		w->closed = metric_counter("lgsp_bus_connections_closed_total", label,
					   "Connections that ended, by whomever");
		w->accept_failed = metric_counter("lgsp_bus_accept_failed_total", label,
						  "Connections the kernel would not give us");
	}
	c->cut_endless = metric_counter(cuts, "reason=\"endless_message\"", cut_help);
	c->cut_slow = metric_counter(cuts, "reason=\"slow_reader\"", cut_help);
	c->failed_closed = metric_counter(fails, "reason=\"closed\"", fail_help);
	c->failed_protocol = metric_counter(fails, "reason=\"protocol\"", fail_help);
	c->failed_key = metric_counter(fails, "reason=\"key\"", fail_help);
}

struct connections *connections_new(const struct connections_limits *limits)
{
	struct connections *c = base_alloc(sizeof(*c));

	c->unfinished =
		(struct pool){.each = limits->unfinished_bytes, .all = limits->unfinished_total};
	c->unread = (struct pool){.each = limits->unread_bytes, .all = limits->unread_total};
	for (int i = 0; i < SIDES; i++) {
		c->sides[i].connections = c;
		c->sides[i].side = (enum broker_side)i;
	}
	init_metrics(c);
	return c;
}

void connections_free(struct connections *c)
{
	if (!c)
		return;
	for (int fd = 0; fd < c->n_fds; fd++)
		if (c->by_fd[fd])
			forget(c, c->by_fd[fd]);
	free(c->by_fd);
	free(c);
}
