#include "services/bus/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/watch.h"
#include "common/bus/socket.h"
#include "services/bus/connections.h"
#include "services/bus/peers.h"
#include "services/bus/zap.h"

#define TICK_MS         100
#define LOOK_CPU_MS     10 /* of all threads, between two looks at memory */
#define SUSPECT_MS      5  /* between looks while a connection is suspect */
#define DRAIN_CHECK_MS  20
#define WATCH_TICKS     2  /* between looks at the files; a change is taken at the second */
#define IDLE_TICKS      50 /* of the deadline timer without requests, then it stops */
#define PENDING_TICK_MS (PENDING_TICK_US / 1000)
#define HANDSHAKE_MS    3000
#define BACKLOG         512
#define IO_THREADS      2
#define MAX_SOCKETS     16384

struct side {
	struct server *server;
	enum broker_side side;
	void *socket;
	struct loop_socket *watch;
	char endpoint[256];
};

struct server {
	struct loop *loop;
	struct server_config config;
	void *context;
	struct zap *zap;
	struct members *members;
	struct peers *peers;
	struct connections *connections;
	struct broker *broker;
	struct side sides[SIDES];
	struct loop_timer *tick, *look, *deadlines, *drain_timer;
	struct watch members_watch, rights_watch;
	unsigned ticks;
	struct metric *lag;
	int64_t ticked_us;
	unsigned idle_ticks;
	int64_t drain_until_us;
	void (*on_drained)(void *arg);
	void *drained_arg;
};

static const struct {
	const char *name;
	long long max_bytes;
	int hwm;
	int io_threads; /* bit mask: members' encryption on a thread of their own */
	mode_t umask;   /* of ipc sockets */
} side_settings[SIDES] = {
	[SIDE_BACKEND] = {"backend", 4 << 20, 10000, 2, 0117},
	[SIDE_ADMIN] = {"admin", 64 << 10, 1000, 2, 0177},
	[SIDE_MEMBER] = {"member", 1 << 20, 1000, 1, 0117},
};

/* --- receiving --- */

/* libzmq's own ids are five bytes, the first zero; anything else the peer chose itself. */
static bool read_peer(const struct side *side, const struct frames *f, struct peer *ret_peer)
{
	const zmq_msg_t *id = &f->part[0];

	if (frame_size(id) != PEER_ID_BYTES || frame_data(id)[0] != 0)
		return false;
	ret_peer->side = side->side;
	memcpy(ret_peer->id, frame_data(id), PEER_ID_BYTES);
	return true;
}

static void on_frames(struct side *side, struct frames *f)
{
	struct server *srv = side->server;
	struct broker *b = srv->broker;
	/* Not from the id frame: that one carries no metadata. */
	const char *user = f->n > 1 ? zmq_msg_gets(&f->part[1], "User-Id") : NULL;
	struct member_key *key;
	struct peer peer;

	if (!user || !*user) {
		stats_drop(&b->stats, DROP_NO_USER_ID);
		return;
	}
	if (!read_peer(side, f, &peer)) {
		stats_drop(&b->stats, DROP_ROUTING_ID);
		return;
	}
	connections_heard(srv->connections, &peer, &f->part[1]);
	key = members_find_key(srv->members, user);
	if (key) {
		key->heard_us = b->now_us;
		peers_heard(srv->peers, &peer, key, b->now_us);
	}
	switch (side->side) {
	case SIDE_BACKEND:
		backend_on_frames(b, &peer, key, f);
		break;
	case SIDE_ADMIN:
		admin_on_frames(b, &peer, key, f);
		break;
	case SIDE_MEMBER:
		member_on_frames(b, &peer, key, f);
		break;
	case SIDES:
		break;
	}
}

static void on_deadlines(void *arg);

/* The deadline timer runs while there are requests, and a second longer. */
static void arm_deadlines(struct server *srv)
{
	srv->idle_ticks = 0;
	if (!srv->deadlines)
		srv->deadlines = loop_timer_start(srv->loop, PENDING_TICK_MS, PENDING_TICK_MS,
						  on_deadlines, srv);
}

static void on_deadlines(void *arg)
{
	struct server *srv = arg;

	srv->broker->now_us = clock_mono_us();
	broker_expire(srv->broker);
	srv->idle_ticks = pending_count(srv->broker->pending) > 0 ? 0 : srv->idle_ticks + 1;
	if (srv->idle_ticks < IDLE_TICKS)
		return;
	loop_timer_stop(srv->deadlines);
	srv->deadlines = NULL;
}

static bool on_ready(void *arg, int budget)
{
	struct side *side = arg;
	struct broker *b = side->server->broker;
	struct frames f;

	for (; budget > 0 && frames_recv(&f, side->socket); budget--) {
		b->now_us = clock_mono_us();
		on_frames(side, &f);
		frames_done(&f);
	}
	if (pending_count(b->pending) > 0)
		arm_deadlines(side->server);
	return budget == 0;
}

static int send_frames(void *arg, enum broker_side side, struct frames *f)
{
	struct server *srv = arg;

	if (!srv->sides[side].socket || !connections_may_send(srv->connections, side, f))
		return -1;
	return frames_send(f, srv->sides[side].socket);
}

/* How late the tick is, is how long somebody else had to wait for the loop. */
static void note_lag(struct server *srv)
{
	int64_t now_us = srv->broker->now_us;
	int64_t late_us = now_us - srv->ticked_us - TICK_MS * 1000;

	metric_observe_us(srv->lag, late_us > 0 ? late_us : 0);
	srv->ticked_us = now_us;
}

static void give_keys(struct server *srv)
{
	char(*keys)[41] = base_alloc(MEMBERS_KEYS_MAX * sizeof(*keys));

	zap_set_keys(srv->zap, keys, members_keys(srv->members, keys));
	free(keys);
}

/* Replaced by rename, a file changes its folder's time; so nobody needs to tell us. */
static void look_at_files(struct server *srv)
{
	char fault[MEMBERS_FAULT_MAX];
	int32_t today = rights_today();

	if (today != srv->broker->today) {
		broker_set_today(srv->broker, today);
		give_keys(srv);
	}
	if (++srv->ticks % WATCH_TICKS != 0)
		return;
	/* Both are asked: each keeps its own look. */
	if (watch_settled(&srv->members_watch) + watch_settled(&srv->rights_watch) > 0)
		server_reload(srv, fault);
}

static void on_tick(void *arg)
{
	struct server *srv = arg;

	srv->broker->now_us = clock_mono_us();
	note_lag(srv);
	broker_tick(srv->broker);
	peers_sweep(srv->peers, srv->broker->now_us);
	connections_tick(srv->connections, srv->broker->now_us);
	look_at_files(srv);
	zap_check(srv->zap);
}

/* What comes in costs processor time: an idle broker need not look, and a slowed one not in vain.
 */
static void on_look(void *arg)
{
	struct server *srv = arg;

	if (connections_look(srv->connections, clock_mono_us()))
		loop_timer_again(srv->look, SUSPECT_MS);
}

/* --- sockets --- */

static bool set_options(void *s, const struct server_config *config, enum broker_side side)
{
	uint64_t affinity = (uint64_t)side_settings[side].io_threads;

	return socket_set_common(s, side_settings[side].hwm, side_settings[side].max_bytes) &&
	       socket_set_int(s, ZMQ_CURVE_SERVER, 1) &&
	       zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, config->secret_z85, 41) == 0 &&
	       zmq_setsockopt(s, ZMQ_ZAP_DOMAIN, side_settings[side].name,
			      strlen(side_settings[side].name)) == 0 &&
	       zmq_setsockopt(s, ZMQ_AFFINITY, &affinity, sizeof(affinity)) == 0 &&
	       socket_set_int(s, ZMQ_ROUTER_MANDATORY, 1) &&
	       socket_set_int(s, ZMQ_ROUTER_HANDOVER, 0) &&
	       socket_set_int(s, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) &&
	       socket_set_int(s, ZMQ_BACKLOG, BACKLOG);
}

static int bind_one(struct side *side, const char *endpoint)
{
	size_t n = sizeof(side->endpoint);
	mode_t old = umask(side_settings[side->side].umask);
	int rc = zmq_bind(side->socket, endpoint);

	umask(old);
	if (rc < 0) {
		log_error("bus.bind", LOG_STR("endpoint", endpoint),
			  LOG_STR("err", zmq_strerror(errno)));
		return -1;
	}
	if (!side->endpoint[0])
		zmq_getsockopt(side->socket, ZMQ_LAST_ENDPOINT, side->endpoint, &n);
	log_info("bus.listening", LOG_STR("side", side_settings[side->side].name),
		 LOG_STR("endpoint", endpoint));
	return 0;
}

static int side_open(struct server *srv, enum broker_side which)
{
	struct side *side = &srv->sides[which];
	char list[BUS_ENDPOINTS_MAX][128];
	struct err err;
	int n = bus_endpoints_split(srv->config.bind[which], list, &err), rc = 0;

	if (n < 0) {
		log_error("bus.bind", LOG_STR("err", err.items[0].en));
		return -1;
	}
	side->server = srv;
	side->side = which;
	side->socket = zmq_socket(srv->context, ZMQ_ROUTER);
	if (!side->socket || !set_options(side->socket, &srv->config, which) ||
	    connections_watch(srv->connections, srv->context, side->socket, which) < 0) {
		log_error("bus.socket", LOG_STR("err", zmq_strerror(errno)));
		return -1;
	}
	for (int i = 0; i < n && rc == 0; i++)
		rc = bind_one(side, list[i]);
	if (rc == 0)
		side->watch = loop_socket_add(srv->loop, socket_fd(side->socket), socket_has_input,
					      side->socket, on_ready, side);
	return rc;
}

static void side_close(struct side *side)
{
	loop_socket_remove(side->watch);
	if (side->socket) {
		connections_unwatch(side->server->connections, side->side);
		zmq_close(side->socket);
	}
	side->watch = NULL;
	side->socket = NULL;
}

/* --- members --- */

static int load_members(struct server *srv, char fault[static MEMBERS_FAULT_MAX])
{
	watch_init(&srv->members_watch, srv->config.members_dir);
	watch_init(&srv->rights_watch, srv->config.rights_path);
	if (members_load(srv->members, srv->config.members_dir, srv->config.rights_path, fault) <
	    0) {
		log_error("bus.rights_refused", LOG_STR("err", fault));
		return -1;
	}
	give_keys(srv);
	log_info("bus.rights", LOG_STR("hash", members_hash(srv->members)),
		 LOG_NUM("members", members_count(srv->members)));
	return 0;
}

int server_reload(struct server *srv, char fault[static MEMBERS_FAULT_MAX])
{
	if (load_members(srv, fault) < 0) {
		metric_add(srv->broker->stats.reload_faults, 1);
		return -1;
	}
	metric_add(srv->broker->stats.reloads, 1);
	srv->broker->now_us = clock_mono_us();
	broker_rights_changed(srv->broker);
	return 0;
}

static int reload_for_broker(void *arg, char fault[static MEMBERS_FAULT_MAX])
{
	return server_reload(arg, fault);
}

/* --- life --- */

int server_new(struct loop *loop, const struct server_config *config, struct server **ret_server)
{
	struct server *srv = base_alloc(sizeof(*srv));
	char fault[MEMBERS_FAULT_MAX];
	int rc;

	srv->loop = loop;
	srv->config = *config;
	srv->config.broker.send = send_frames;
	srv->config.broker.send_arg = srv;
	srv->config.broker.reload = reload_for_broker;
	srv->config.broker.records = records_new(&config->records, config->records_ring);
	srv->context = zmq_ctx_new();
	CHECK(srv->context);
	zmq_ctx_set(srv->context, ZMQ_IO_THREADS, IO_THREADS);
	zmq_ctx_set(srv->context, ZMQ_MAX_SOCKETS, MAX_SOCKETS);
	srv->members = members_new();
	srv->peers = peers_new();
	srv->connections = connections_new(&config->connections);
	srv->zap = zap_start(srv->context);
	srv->broker = broker_new(&srv->config.broker, srv->members);
	rc = load_members(srv, fault);
	for (int i = 0; i < SIDES && rc == 0; i++)
		rc = side_open(srv, (enum broker_side)i);
	if (rc < 0) {
		server_free(srv);
		return -1;
	}
	srv->lag = metric_histogram("lgsp_bus_loop_lag_seconds", "",
				    "How late the loop came to a timer due every 100 ms");
	srv->ticked_us = clock_mono_us();
	srv->tick = loop_timer_start(loop, TICK_MS, TICK_MS, on_tick, srv);
	srv->look = loop_timer_start(loop, TICK_MS, 0, on_look, srv);
	loop_on_cpu(loop, LOOK_CPU_MS, on_look, srv);
	*ret_server = srv;
	return 0;
}

void server_free(struct server *srv)
{
	if (!srv)
		return;
	if (srv->look)
		loop_on_cpu(srv->loop, 0, NULL, NULL);
	loop_timer_stop(srv->tick);
	loop_timer_stop(srv->look);
	loop_timer_stop(srv->deadlines);
	loop_timer_stop(srv->drain_timer);
	for (int i = 0; i < SIDES; i++)
		side_close(&srv->sides[i]);
	zap_stop(srv->zap);
	while (zmq_ctx_term(srv->context) < 0 && errno == EINTR)
		;
	broker_free(srv->broker);
	records_free(srv->config.broker.records); /* its records point at members */
	connections_free(srv->connections);
	peers_free(srv->peers);
	members_free(srv->members);
	explicit_bzero(&srv->config, sizeof(srv->config));
	free(srv);
}

struct broker *server_broker(struct server *srv)
{
	return srv->broker;
}

const char *server_endpoint(const struct server *srv, enum broker_side side)
{
	return srv->sides[side].endpoint;
}

/* --- drain --- */

static void on_drain_check(void *arg)
{
	struct server *srv = arg;

	if (!broker_drained(srv->broker) && clock_mono_us() < srv->drain_until_us)
		return;
	loop_timer_stop(srv->drain_timer);
	srv->drain_timer = NULL;
	log_info("bus.drained", LOG_NUM("left", pending_count(srv->broker->pending)));
	broker_dismiss(srv->broker);
	srv->on_drained(srv->drained_arg);
}

void server_drain(struct server *srv, void (*fn)(void *arg), void *arg)
{
	if (srv->broker->stopping)
		return;
	srv->broker->stopping = true;
	srv->on_drained = fn;
	srv->drained_arg = arg;
	srv->broker->now_us = clock_mono_us();
	srv->drain_until_us = srv->broker->now_us + (int64_t)srv->config.drain_ms * 1000;
	log_info("bus.draining", LOG_NUM("pending", pending_count(srv->broker->pending)));
	broker_drain(srv->broker);
	srv->drain_timer =
		loop_timer_start(srv->loop, DRAIN_CHECK_MS, DRAIN_CHECK_MS, on_drain_check, srv);
}
