/*
 * bus.request_reply: 256-byte requests, 128 outstanding, one caller and one worker process, through
 * lgsp-bus and through zmq_proxy with CURVE on both sides forwarding the caller's same frames. The
 * callers and workers are the same raw loops, TCP on the loopback; the two are measured in turns.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/uuid.h"
#include "common/bus/frame.h"
#include "common/bus/socket.h"
#include "common/wire/header.h"
#include "tests/bench/bench.h"
#include "tests/support/busd.h"

#define ROUNDS      5
#define REQUESTS    20000
#define WARM_UP     2000
#define OUTSTANDING 128
#define BODY_BYTES  256
#define CREDIT      128
#define CALLER      "VN/GOV/H40/one-stop"
#define WORKER      "VN/GOV/H40/lgsp-echo"

static const struct busd_member members[] = {{"caller", CALLER}, {"echo", WORKER}};
static const char rights[] = "grant " CALLER " echo Say\nserve " WORKER " echo\n";

struct middle {
	const char *name;
	pid_t pid;
	char front[64], back[64];
	bool broker;
	pid_t worker;
	void *caller;
	double rates[ROUNDS], cpu[ROUNDS];
};

static uint8_t header_bytes[256], reply_bytes[256];
static size_t header_len, reply_len, message_id_at;

/* --- frames --- */

static void make_headers(void)
{
	Bus__RequestHeader h = BUS__REQUEST_HEADER__INIT;
	Bus__ReplyHeader r = BUS__REPLY_HEADER__INIT;
	uint8_t id[16], *bytes;
	struct arena arena;
	char traceparent[56];
	struct err err;

	arena_init(&arena, 65536);
	uuid_v7(id);
	header_new_traceparent(traceparent);
	h.message_id = (ProtobufCBinaryData){.data = id, .len = 16};
	h.method = "Say";
	h.deadline_ms = 30000;
	h.traceparent = traceparent;
	CHECK(header_write(&h.base, &arena, &bytes, &header_len, &err) == 0);
	memcpy(header_bytes, bytes, header_len);
	message_id_at =
		(size_t)((uint8_t *)memmem(header_bytes, header_len, id, 16) - header_bytes);
	r.status = COMMON__STATUS__STATUS_OK;
	r.outcome = COMMON__OUTCOME__OUTCOME_DONE;
	r.served_by = "echo/bench";
	CHECK(header_write(&r.base, &arena, &bytes, &reply_len, &err) == 0);
	memcpy(reply_bytes, bytes, reply_len);
	arena_done(&arena);
}

static void wait_readable(void *socket)
{
	zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};

	if (zmq_poll(&item, 1, 10000) == 0) {
		fprintf(stderr, "bench_bus: nothing came for 10 s\n");
		exit(1);
	}
}

/* --- worker: a process --- */

static void say_ready(void *socket)
{
	Bus__WorkerHello hello = BUS__WORKER_HELLO__INIT;
	struct frames f = {0};
	struct arena arena;
	struct err err;
	uint8_t *bytes;
	size_t n;

	arena_init(&arena, 4096);
	hello.credit = CREDIT;
	hello.instance = "bench";
	CHECK(header_write(&hello.base, &arena, &bytes, &n, &err) == 0);
	frames_add(&f, BUS_MDP_WORKER, 6);
	frames_add(&f, "\x01", 1);
	frames_add(&f, "echo", 4);
	frames_add(&f, bytes, n);
	arena_done(&arena);
	while (frames_send(&f, socket) < 0)
		usleep(1000);
}

static void answer_broker(void *socket, struct frames *in)
{
	struct frames out = {0};

	if (frame_command(&in->part[1]) != BUS_W_REQUEST) {
		frames_add(&out, BUS_MDP_WORKER, 6);
		frames_add(&out, "\x05", 1); /* a heartbeat for a heartbeat */
	} else {
		frames_add(&out, BUS_MDP_WORKER, 6);
		frames_add(&out, "\x04", 1);
		frames_move(&out, &in->part[2]);
		frames_add(&out, "", 0);
		frames_add(&out, reply_bytes, reply_len);
		frames_move(&out, &in->part[6]);
	}
	CHECK(frames_send(&out, socket) == 0);
}

/* id, MDPC02, REQUEST, service, header, body. */
static void answer_proxy(void *socket, struct frames *in)
{
	struct frames out = {0};

	frames_move(&out, &in->part[0]);
	frames_add(&out, BUS_MDP_CLIENT, 6);
	frames_add(&out, "\x03", 1);
	frames_move(&out, &in->part[3]);
	frames_add(&out, reply_bytes, reply_len);
	frames_move(&out, &in->part[5]);
	CHECK(frames_send(&out, socket) == 0);
}

static void run_worker(const struct middle *m, const struct bus_keys *keys)
{
	void *context = socket_context_acquire(), *socket;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	CHECK(socket_dealer_new(context, keys, m->back, 10000, &socket) == 0);
	if (m->broker)
		say_ready(socket);
	for (;;) {
		struct frames in;

		if (!frames_recv(&in, socket)) {
			zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};

			zmq_poll(&item, 1, -1);
			continue;
		}
		if (m->broker)
			answer_broker(socket, &in);
		else
			answer_proxy(socket, &in);
		frames_done(&in);
	}
}

/* --- proxy: a process --- */

static void *proxy_side(void *context, int type, const char *secret, const char *endpoint)
{
	void *s = zmq_socket(context, type);

	CHECK(s && socket_set_common(s, 10000, 4 << 20));
	CHECK(socket_set_int(s, ZMQ_CURVE_SERVER, 1));
	CHECK(zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, secret, 41) == 0);
	CHECK(zmq_bind(s, endpoint) == 0);
	return s;
}

/* With as many I/O threads as the broker, shared out alike. */
static void run_proxy(const struct middle *m, const char *secret)
{
	void *context = zmq_ctx_new();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	zmq_ctx_set(context, ZMQ_IO_THREADS, 2);
	zmq_proxy(proxy_side(context, ZMQ_ROUTER, secret, m->front),
		  proxy_side(context, ZMQ_DEALER, secret, m->back), NULL);
}

/* --- caller --- */

static void send_request(void *socket, uint32_t n)
{
	static const uint8_t body[BODY_BYTES];
	struct frames f = {0};

	memcpy(header_bytes + message_id_at + 12, &n, sizeof(n));
	frames_add(&f, BUS_MDP_CLIENT, 6);
	frames_add(&f, "\x01", 1);
	frames_add(&f, "echo", 4);
	frames_add(&f, header_bytes, header_len);
	frames_add(&f, body, sizeof(body));
	while (frames_send(&f, socket) < 0)
		usleep(100);
}

static void check_reply(const struct frames *f)
{
	/* "LGH1", then field 1 (status) = 1 (OK). */
	if (f->n == 5 && memcmp(frame_data(&f->part[3]), "LGH1\x08\x01", 6) == 0 &&
	    frame_size(&f->part[4]) == BODY_BYTES)
		return;
	fprintf(stderr, "bench_bus: a request was refused\n");
	exit(1);
}

static void exchange(void *socket, uint32_t total)
{
	uint32_t sent = 0, got = 0;

	while (sent < OUTSTANDING)
		send_request(socket, sent++);
	while (got < total) {
		struct frames f;

		if (!frames_recv(&f, socket)) {
			wait_readable(socket);
			continue;
		}
		check_reply(&f);
		frames_done(&f);
		if (++got && sent < total)
			send_request(socket, sent++);
	}
}

/* User and system time of a process with all its threads, seconds. */
static double cpu_of(pid_t pid)
{
	char path[64], text[1024];
	unsigned long user = 0, system = 0;
	CLEANUP_FILE FILE *file = NULL;
	char *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	at = strrchr(text, ')');
	if (at)
		sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
		       &system);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void run_round(struct middle *m, int round)
{
	int64_t began_us;
	double cpu;

	exchange(m->caller, WARM_UP);
	began_us = clock_mono_us();
	cpu = cpu_of(m->pid);
	exchange(m->caller, REQUESTS);
	m->rates[round] = REQUESTS * 1e6 / (double)(clock_mono_us() - began_us);
	m->cpu[round] = (cpu_of(m->pid) - cpu) * 1e6 / REQUESTS;
}

/* --- the whole --- */

static void choose_endpoint(char out[static 64])
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	CLEANUP_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(addr);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&addr, &n) == 0);
	snprintf(out, 64, "tcp://127.0.0.1:%d", ntohs(addr.sin_port));
}

static pid_t spawn_worker(const struct middle *m, const struct bus_keys *keys)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		run_worker(m, keys);
	return pid;
}

static pid_t spawn_proxy(const struct middle *m, const char *secret)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		run_proxy(m, secret);
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void report(struct middle *bus, struct middle *proxy)
{
	char note[160];

	snprintf(note, sizeof(note),
		 "256 B, 128 outstanding, tcp, CURVE both sides; CPU per request %.1f us, "
		 "zmq_proxy %.1f us; medians of %d rounds in turns",
		 bench_median(bus->cpu, ROUNDS), bench_median(proxy->cpu, ROUNDS), ROUNDS);
	bench_report(&(struct bench_result){.name = "bus.request_reply",
					    .value = bench_median(bus->rates, ROUNDS),
					    .unit = "requests/s",
					    .baseline = "zmq_proxy",
					    .baseline_value = bench_median(proxy->rates, ROUNDS),
					    .note = note});
}

int main(void)
{
	struct middle bus = {.name = "lgsp-bus", .broker = true}, proxy = {.name = "zmq_proxy"};
	char env[2][128];
	const char *list[] = {env[0], env[1], "LGSP_LOG_LEVEL=warn", "LGSP_MEMBER_REQUESTS_PER_S=0",
			      NULL};
	struct bus_keys caller_keys, worker_keys, broker_keys;
	struct busd *busd;
	void *context;

	make_headers();
	choose_endpoint(bus.front);
	choose_endpoint(bus.back);
	choose_endpoint(proxy.front);
	choose_endpoint(proxy.back);
	snprintf(env[0], sizeof(env[0]), "LGSP_BIND_MEMBER=%s", bus.front);
	snprintf(env[1], sizeof(env[1]), "LGSP_BIND_BACKEND=%s", bus.back);
	busd = busd_start(members, ARRAY_LEN(members), rights, list);
	bus.pid = busd_pid(busd);
	caller_keys = busd_keys(busd, "caller");
	worker_keys = busd_keys(busd, "echo");
	broker_keys = busd_keys(busd, "broker");
	/* All processes before the first ZeroMQ context of this one. */
	proxy.pid = spawn_proxy(&proxy, broker_keys.secret_z85);
	bus.worker = spawn_worker(&bus, &worker_keys);
	proxy.worker = spawn_worker(&proxy, &worker_keys);
	context = socket_context_acquire();
	CHECK(socket_dealer_new(context, &caller_keys, bus.front, 10000, &bus.caller) == 0);
	CHECK(socket_dealer_new(context, &caller_keys, proxy.front, 10000, &proxy.caller) == 0);
	while (busd_metric(busd, "lgsp_bus_workers{service=\"echo\"}") != 1)
		usleep(1000);
	for (int i = 0; i < ROUNDS; i++) {
		run_round(&proxy, i);
		run_round(&bus, i);
	}
	report(&bus, &proxy);
	stop(bus.worker);
	stop(proxy.worker);
	stop(proxy.pid);
	socket_close(bus.caller);
	socket_close(proxy.caller);
	socket_context_release();
	busd_free(busd);
	return 0;
}
