#include "tests/support/flood.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/uuid.h"
#include "common/bus/frame.h"
#include "common/bus/socket.h"
#include "common/wire/header.h"

#define SLICES        21 /* of each kind, in turns */
#define P99(n)        ((n)-1 - (n) / 100)
#define REFUSED_TRIES 6 /* of 10 s each */

/* --- a process of its own, started before this one has ZeroMQ threads --- */

static size_t flood_header(uint8_t out[static 256])
{
	Bus__RequestHeader h = BUS__REQUEST_HEADER__INIT;
	struct arena arena;
	uint8_t id[16], *bytes;
	struct err err;
	size_t n;

	arena_init(&arena, 65536);
	uuid_v7(id);
	h.message_id = (ProtobufCBinaryData){.data = id, .len = 16};
	h.method = "Say";
	h.deadline_ms = 2000;
	CHECK(header_write(&h.base, &arena, &bytes, &n, &err) == 0 && n <= 256);
	memcpy(out, bytes, n);
	arena_done(&arena);
	return n;
}

static void flood_once(void *socket, const uint8_t *header, size_t header_len, size_t body_len)
{
	static const uint8_t body[65536];
	struct frames f = {0};

	for (unsigned i = 0; i < 16; i++) {
		frames_add(&f, BUS_MDP_CLIENT, 6);
		frames_add(&f, "\x01", 1);
		frames_add(&f, "echo", 4);
		frames_add(&f, header, header_len);
		frames_add(&f, body, body_len);
		if (frames_send(&f, socket) < 0) {
			frames_done(&f);
			break;
		}
	}
	while (frames_recv(&f, socket))
		frames_done(&f);
}

static void flood_run(const struct flood *fl, int commands)
{
	static const struct sched_param second = {.sched_priority = 1};
	void *sockets[FLOOD_CONNECTIONS];
	void *context = socket_context_acquire();
	unsigned n = 0, opened = 0;
	uint8_t header[256], command;
	size_t header_len = flood_header(header);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sched_setscheduler(0, SCHED_RR, &second);
	for (;;) {
		ssize_t got = n == 0 ? read(commands, &command, 1) : 0;

		if (n > 0) {
			struct timeval now = {0};
			fd_set set;

			FD_ZERO(&set);
			FD_SET(commands, &set);
			if (select(commands + 1, &set, NULL, NULL, &now) > 0)
				got = read(commands, &command, 1);
		}
		if (got == 1)
			n = command;
		while (opened < n)
			CHECK(socket_dealer_new(context, &fl->keys, fl->endpoint, 1000,
						&sockets[opened++]) == 0);
		for (unsigned i = 0; i < n; i++)
			flood_once(sockets[i], header, header_len, fl->body);
	}
}

static void spawn(struct flood *fl)
{
	int pipes[2];

	CHECK(pipe(pipes) == 0);
	fl->pid = fork();
	CHECK(fl->pid >= 0);
	if (fl->pid == 0)
		flood_run(fl, pipes[0]);
	close(pipes[0]);
	fl->commands = pipes[1];
}

void flood_set(struct flood *fl, unsigned connections)
{
	uint8_t command = (uint8_t)connections;

	CHECK(write(fl->commands, &command, 1) == 1);
}

/* --- what it is let loose on --- */

static void start_broker(struct flood *fl, const char *rights)
{
	static const struct sched_param first = {.sched_priority = 2};
	const char *const env[] = {"LGSP_MEMBER_REQUESTS_PER_S=0", "LGSP_LOG_LEVEL=warn",
				   fl->records.env, NULL};

	/* Inherited by the broker: other work on this machine is not what is measured. */
	fl->is_real_time = sched_setscheduler(0, SCHED_RR, &first) == 0;
	fl->fixture.busd = busd_start(bustest_members, BUSTEST_MEMBERS, rights, env);
}

void flood_start(struct flood *fl, const char *rights, size_t body)
{
	struct fixture *f = &fl->fixture;
	struct bus_keys keys;

	*fl = (struct flood){.body = body};
	recdir_make(&fl->records);
	start_broker(fl, rights);
	fl->keys = busd_keys(f->busd, "caller");
	snprintf(fl->endpoint, sizeof(fl->endpoint), "%s", busd_member_endpoint(f->busd));
	spawn(fl);
	f->rig = busrig_new();
	pthread_mutex_init(&f->echo.mutex, NULL);
	keys = busd_keys(f->busd, "gateway");
	f->gateway = busrig_client(f->rig, busd_member_endpoint(f->busd), &keys);
	arena_init(&f->arena, 64 << 20);
	bustest_echo(f, &f->echo, 8);
}

void flood_stop(struct flood *fl)
{
	struct fixture *f = &fl->fixture;

	kill(fl->pid, SIGKILL);
	waitpid(fl->pid, NULL, 0);
	close(fl->commands);
	busrig_free(f->rig);
	busd_free(f->busd);
	recdir_remove(&fl->records);
	arena_done(&f->arena);
}

/* --- measuring --- */

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double flood_p99_us(struct flood *fl)
{
	struct bus_request_out req = bustest_request("Say", "quiet");
	double took_us[FLOOD_CALLS];

	for (unsigned i = 0; i < FLOOD_CALLS; i++) {
		int64_t start_us = clock_mono_us();

		CHECK(bustest_call(&fl->fixture, fl->fixture.gateway, &req) == 0);
		took_us[i] = (double)(clock_mono_us() - start_us);
	}
	qsort(took_us, FLOOD_CALLS, sizeof(took_us[0]), compare_double);
	return took_us[P99(FLOOD_CALLS)];
}

static long long refused(struct fixture *f)
{
	return busd_metric(f->busd, "lgsp_bus_member_refused_total{member=\"" CALLER "\"}");
}

struct refused_wait {
	struct fixture *f;
	long long more_than;
	unsigned still;
};

static bool is_refused(void *arg)
{
	struct refused_wait *w = arg;

	return refused(w->f) > w->more_than;
}

/* What was under way has been refused: for a few looks nothing more is. */
static bool is_calm(void *arg)
{
	struct refused_wait *w = arg;
	long long now = refused(w->f);

	w->still = now == w->more_than ? w->still + 1 : 0;
	w->more_than = now;
	return w->still == 3;
}

bool flood_until_refused(struct flood *fl, unsigned connections, long long more)
{
	struct refused_wait w = {.f = &fl->fixture, .more_than = refused(&fl->fixture) + more};

	bool done = false;

	flood_set(fl, connections);
	/* Without a limit only a full queue refuses: on a fast machine that may take a while. */
	for (unsigned i = 0; i < REFUSED_TRIES && !done; i++)
		done = busrig_until(is_refused, &w);
	return done;
}

static double median(double *values)
{
	qsort(values, SLICES, sizeof(values[0]), compare_double);
	return values[SLICES / 2];
}

void flood_measure(struct flood *fl, unsigned connections, double *ret_quiet_us,
		   double *ret_flooded_us)
{
	double quiet_us[SLICES], flooded_us[SLICES];

	flood_p99_us(fl);
	for (unsigned i = 0; i < SLICES; i++) {
		struct refused_wait w = {.f = &fl->fixture};

		CHECK(busrig_until(is_calm, &w));
		quiet_us[i] = flood_p99_us(fl);
		CHECK(flood_until_refused(fl, connections, 100));
		flooded_us[i] = flood_p99_us(fl);
		flood_set(fl, 0);
	}
	*ret_quiet_us = median(quiet_us);
	*ret_flooded_us = median(flooded_us);
}
