// with: tests/bench/busload.c
/*
 * bus.overload: five times what a service can do, for ten seconds. The worker does eight requests
 * at once, 8 ms each; the broker lets as many wait again. What it admits must be answered within
 * three times the p99 of normal load (half of what the service can do), the rest refused at once,
 * and its memory stay under the cap.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/bus/bus.h"
#include "common/bus/socket.h"
#include "tests/bench/bench.h"
#include "tests/bench/busload.h"

#define SLOTS      8
#define SERVICE_US 8000
#define CREDIT     (SLOTS + 2)
#define QUEUE      "8"
#define CAPACITY   (SLOTS * 1000000 / SERVICE_US) /* requests/s */
#define SECONDS    10
#define TIMES      5
#define BOUND      3
#define CAP_MIB    64
#define ASKED_MAX  (CAPACITY * TIMES * SECONDS + 1)

/* --- worker: a process --- */

struct job {
	struct frames in;
	int64_t due_us;
};

struct bench {
	struct job jobs[CREDIT]; /* in order of arrival; the first SLOTS are being done */
	unsigned n;
};

/* A job enters a slot when one is free; all take equally long, so the oldest ends first. */
static void start_jobs(struct bench *b, int64_t now_us)
{
	for (unsigned i = 0; i < b->n && i < SLOTS; i++)
		if (b->jobs[i].due_us == 0)
			b->jobs[i].due_us = now_us + SERVICE_US;
}

static void finish_jobs(struct bench *b, void *socket, int64_t now_us)
{
	while (b->n > 0 && b->jobs[0].due_us != 0 && b->jobs[0].due_us <= now_us) {
		busload_answer(socket, &b->jobs[0].in);
		frames_done(&b->jobs[0].in);
		memmove(&b->jobs[0], &b->jobs[1], (b->n - 1) * sizeof(b->jobs[0]));
		b->n--;
		start_jobs(b, now_us);
	}
}

static void take_all(struct bench *b, void *socket)
{
	struct frames in;

	while (frames_recv(&in, socket)) {
		if (frame_command(&in.part[1]) == BUS_W_REQUEST && b->n < CREDIT) {
			b->jobs[b->n++] = (struct job){.in = in};
			continue;
		}
		busload_answer(socket, &in);
		frames_done(&in);
	}
	start_jobs(b, clock_mono_us());
}

static _Noreturn void run_worker(const struct busload *l)
{
	void *context = socket_context_acquire(), *socket;
	static struct bench b;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	CHECK(socket_dealer_new(context, &l->worker, l->back, 10000, &socket) == 0);
	busload_ready(socket, CREDIT);
	for (;;) {
		zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};

		zmq_poll(&item, 1, b.n > 0 ? 1 : -1);
		take_all(&b, socket);
		finish_jobs(&b, socket, clock_mono_us());
	}
}

/* --- callers: requests at a given rate, whatever becomes of them --- */

struct run {
	int64_t *sent_us;
	double *took_ms;
	uint32_t asked, answered, admitted;
};

static void hear(void *socket, struct run *r)
{
	struct frames f;

	while (frames_recv(&f, socket)) {
		if (busload_is_ok(&f)) {
			int64_t took_us = clock_mono_us() - r->sent_us[busload_number(&f)];

			r->took_ms[r->admitted++] = (double)took_us / 1000;
		}
		r->answered++;
		frames_done(&f);
	}
}

static void offer(void *socket, uint32_t per_s, struct run *r)
{
	int64_t began_us = clock_mono_us(), end_us = began_us + SECONDS * CLOCK_US_PER_S, now_us;
	zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};

	while ((now_us = clock_mono_us()) < end_us) {
		uint32_t due = (uint32_t)((now_us - began_us) * per_s / CLOCK_US_PER_S);

		for (; r->asked < due && r->asked < ASKED_MAX; r->asked++) {
			r->sent_us[r->asked] = clock_mono_us();
			busload_send(socket, r->asked);
		}
		zmq_poll(&item, 1, 1);
		hear(socket, r);
	}
	while (r->answered < r->asked) {
		busload_wait(socket);
		hear(socket, r);
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The p99 of what was admitted, ms. */
static double p99_of(struct run *r)
{
	CHECK(r->admitted > 100);
	qsort(r->took_ms, r->admitted, sizeof(*r->took_ms), compare);
	return r->took_ms[r->admitted * 99 / 100];
}

static struct run load(void *socket, uint32_t per_s)
{
	struct run r = {.sent_us = base_alloc(ASKED_MAX * sizeof(int64_t)),
			.took_ms = base_alloc(ASKED_MAX * sizeof(double))};

	offer(socket, per_s, &r);
	return r;
}

/* --- the whole --- */

static void report(struct run *calm, struct run *flood, double grown_mib)
{
	double normal = p99_of(calm), p99 = p99_of(flood);
	char note[200];

	snprintf(note, sizeof(note),
		 "%d/s offered to a service of %d/s for %d s: %u admitted, %u refused at once; "
		 "p99 %.1f ms at half load; limit: %d times that",
		 CAPACITY * TIMES, CAPACITY, SECONDS, flood->admitted,
		 flood->answered - flood->admitted, normal, BOUND);
	bench_report(&(struct bench_result){.name = "bus.overload.p99",
					    .value = p99,
					    .unit = "ms",
					    .baseline_value = BOUND * normal,
					    .less_is_better = true,
					    .note = note});
	bench_report(&(struct bench_result){.name = "bus.overload.memory",
					    .value = grown_mib,
					    .unit = "MiB",
					    .baseline_value = CAP_MIB,
					    .less_is_better = true,
					    .note = "resident memory of the broker behind it"});
}

int main(void)
{
	const char *env[] = {"LGSP_QUEUE_ENTRIES=" QUEUE, NULL};
	struct run calm, flood;
	struct busload l;
	void *socket, *context;
	double rss;
	pid_t worker;

	busload_broker(&l, env);
	worker = fork();
	CHECK(worker >= 0);
	if (worker == 0)
		run_worker(&l);
	context = socket_context_acquire();
	CHECK(socket_dealer_new(context, &l.caller, l.front, 100000, &socket) == 0);
	busload_wait_workers(&l);
	calm = load(socket, CAPACITY / 2);
	flood = load(socket, CAPACITY * TIMES);
	rss = busload_rss_kib(busd_pid(l.busd)) / 1024;
	report(&calm, &flood, rss);
	busload_stop(worker);
	socket_close(socket);
	socket_context_release();
	busd_free(l.busd);
	return 0;
}
