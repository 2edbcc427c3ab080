// with: tests/bench/busload.c
/*
 * bus.request_reply: 256-byte requests, 128 outstanding, one caller and one worker process, through
 * lgsp-bus and through zmq_proxy with CURVE on both sides forwarding the caller's same frames. The
 * callers and workers are the same raw loops, TCP on the loopback; the two are measured in turns.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/bus/socket.h"
#include "tests/bench/bench.h"
#include "tests/bench/busload.h"

#define ROUNDS   15
#define REQUESTS 8000
#define WARM_UP  1000

struct middle {
	pid_t pid, worker;
	char front[64], back[64];
	void *caller;
	double rates[ROUNDS], cpu[ROUNDS];
};

/* --- proxy --- */

/* id, MDPC02, REQUEST, service, header, body. */
static void answer_proxy(void *socket, struct frames *in)
{
	struct frames out = {0};
	size_t n;
	const uint8_t *reply = busload_reply(&n);

	frames_move(&out, &in->part[0]);
	frames_add(&out, BUS_MDP_CLIENT, 6);
	frames_add(&out, "\x03", 1);
	frames_move(&out, &in->part[3]);
	frames_add(&out, reply, n);
	frames_move(&out, &in->part[5]);
	CHECK(frames_send(&out, socket) == 0);
}

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

/* --- rounds --- */

static void run_round(struct middle *m, int round)
{
	int64_t began_us;
	double cpu;

	busload_exchange(m->caller, WARM_UP);
	began_us = clock_mono_us();
	cpu = busload_cpu(m->pid);
	busload_exchange(m->caller, REQUESTS);
	m->rates[round] = REQUESTS * 1e6 / (double)(clock_mono_us() - began_us);
	m->cpu[round] = (busload_cpu(m->pid) - cpu) * 1e6 / REQUESTS;
}

static pid_t spawn_worker(const struct middle *m, const struct bus_keys *keys, bool mdp)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		busload_work(keys, m->back, mdp, mdp ? busload_answer : answer_proxy);
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

/* Inherited by every process here: what else this machine does is not what is measured. */
static void go_first(void)
{
	static const struct sched_param first = {.sched_priority = 1};

	sched_setscheduler(0, SCHED_RR, &first); /* where it is allowed */
}

int main(void)
{
	struct middle bus = {0}, proxy = {0};
	struct bus_keys broker_keys;
	struct busload load;
	struct busd *busd;
	void *context;

	go_first();
	busd = busload_broker(&load, NULL);
	broker_keys = busd_keys(busd, "broker");
	bus.pid = busd_pid(busd);
	snprintf(bus.front, sizeof(bus.front), "%s", load.front);
	snprintf(bus.back, sizeof(bus.back), "%s", load.back);
	busload_endpoint(proxy.front);
	busload_endpoint(proxy.back);
	/* All processes before the first ZeroMQ context of this one. */
	proxy.pid = spawn_proxy(&proxy, broker_keys.secret_z85);
	bus.worker = spawn_worker(&bus, &load.worker, true);
	proxy.worker = spawn_worker(&proxy, &load.worker, false);
	context = socket_context_acquire();
	CHECK(socket_dealer_new(context, &load.caller, bus.front, 10000, &bus.caller) == 0);
	CHECK(socket_dealer_new(context, &load.caller, proxy.front, 10000, &proxy.caller) == 0);
	busload_wait_workers(&load);
	for (int i = 0; i < ROUNDS; i++) {
		run_round(&proxy, i);
		run_round(&bus, i);
	}
	report(&bus, &proxy);
	busload_stop(bus.worker);
	busload_stop(proxy.worker);
	busload_stop(proxy.pid);
	socket_close(bus.caller);
	socket_close(proxy.caller);
	socket_context_release();
	busd_free(busd);
	return 0;
}
