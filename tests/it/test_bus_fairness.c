/*
 * A member that sends as fast as its connections allow, beside one that calls now and then.
 *
 * The second's p99, quiet and under the flood, is measured in turns in one run. The flood comes
 * from a process that only gets the processor time nobody else wants: it stands for another
 * machine. That takes real-time scheduling; where it is not allowed (a container without
 * CAP_SYS_NICE) these tests are skipped, for they would measure this machine's scheduler. Whose
 * turn it is shows in the broker's records, which no other work on the machine can touch: that is
 * tested everywhere.
 */
#include <dirent.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/uuid.h"
#include "common/bus/frame.h"
#include "common/bus/socket.h"
#include "common/wire/header.h"
#include "tests/support/bustest.h"
#include "tests/support/recdir.h"

#define SLICES      21 /* of each kind, in turns */
#define CALLS       100
#define CONNECTIONS 50
#define P99(n)      ((n)-1 - (n) / 100)

/* --- the flood: a process of its own, started before this one has ZeroMQ threads --- */

struct flood {
	pid_t pid;
	int commands; /* one byte: how many connections send from now on */
	char endpoint[128];
	struct bus_keys keys;
	size_t body;
};

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
	void *sockets[CONNECTIONS];
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

static void flood_start(struct flood *fl)
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

static void flood_set(const struct flood *fl, unsigned connections)
{
	uint8_t command = (uint8_t)connections;

	CHECK(write(fl->commands, &command, 1) == 1);
}

static void flood_stop(struct flood *fl)
{
	kill(fl->pid, SIGKILL);
	waitpid(fl->pid, NULL, 0);
	close(fl->commands);
}

#define RIGHTS(limit)                                                                              \
	GRANTS "serve " SERVICE " echo\n"                                                          \
	       "limit " CALLER " " limit "\n"

/* --- measuring --- */

static int compare_int64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static int64_t p99_us(struct fixture *f)
{
	struct bus_request_out req = bustest_request("Say", "quiet");
	int64_t took_us[CALLS];

	for (unsigned i = 0; i < CALLS; i++) {
		int64_t start_us = clock_mono_us();

		assert_int_equal(bustest_call(f, f->gateway, &req), 0);
		took_us[i] = clock_mono_us() - start_us;
	}
	qsort(took_us, CALLS, sizeof(took_us[0]), compare_int64);
	return took_us[P99(CALLS)];
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

/* --- */

/* The broker and the flood of the test under way: ended behind it, however it ends. */
static struct {
	struct fixture *f;
	struct flood flood;
	struct recdir records;
	bool is_real_time;
} now;

static void start_broker(struct fixture *f, const char *rights)
{
	static const struct sched_param first = {.sched_priority = 2};
	const char *const env[] = {"LGSP_MEMBER_REQUESTS_PER_S=0", "LGSP_LOG_LEVEL=warn",
				   now.records.env, NULL};

	/* Inherited by the broker: other work on this machine is not what is measured. */
	now.is_real_time = sched_setscheduler(0, SCHED_RR, &first) == 0;
	f->busd = busd_start(bustest_members, BUSTEST_MEMBERS, rights, env);
}

static void start(const char *rights, size_t body)
{
	struct fixture *f = now.f = base_alloc(sizeof(*f));
	struct bus_keys keys;

	recdir_make(&now.records);
	start_broker(f, rights);
	now.flood.body = body;
	now.flood.keys = busd_keys(f->busd, "caller");
	snprintf(now.flood.endpoint, sizeof(now.flood.endpoint), "%s",
		 busd_member_endpoint(f->busd));
	flood_start(&now.flood);
	f->rig = busrig_new();
	pthread_mutex_init(&f->echo.mutex, NULL);
	keys = busd_keys(f->busd, "gateway");
	f->gateway = busrig_client(f->rig, busd_member_endpoint(f->busd), &keys);
	arena_init(&f->arena, 64 << 20);
	bustest_echo(f, &f->echo, 8);
}

static int end(void **state)
{
	struct fixture *f = now.f;

	(void)state;
	flood_stop(&now.flood);
	busrig_free(f->rig);
	busd_free(f->busd);
	recdir_remove(&now.records);
	arena_done(&f->arena);
	free(f);
	return 0;
}

static void flood_until_refused(unsigned connections, long long more)
{
	struct refused_wait w = {.f = now.f, .more_than = refused(now.f) + more};

	flood_set(&now.flood, connections);
	assert_true(busrig_until(is_refused, &w));
}

/* --- how long the other waits --- */

static double median(double *values)
{
	qsort(values, SLICES, sizeof(values[0]), compare_double);
	return values[SLICES / 2];
}

/*
 * The p99 of short slices, quiet and flooded in turns, and of each kind the median slice: what else
 * this machine does falls on both kinds alike, and a slice that it spoils is not the median.
 */
static double measure(unsigned connections)
{
	double quiet_us[SLICES], flooded_us[SLICES];

	p99_us(now.f);
	for (unsigned i = 0; i < SLICES; i++) {
		struct refused_wait w = {.f = now.f};

		assert_true(busrig_until(is_calm, &w));
		quiet_us[i] = (double)p99_us(now.f);
		flood_until_refused(connections, 100);
		flooded_us[i] = (double)p99_us(now.f);
		flood_set(&now.flood, 0);
	}
	printf("# %u connections: p99 %.0f us quiet, %.0f us flooded; refused %lld\n", connections,
	       median(quiet_us), median(flooded_us), refused(now.f));
	return median(flooded_us) / median(quiet_us);
}

static void flood_is_refused(const char *rights, unsigned connections, size_t body)
{
	start(rights, body);
	if (!now.is_real_time) {
		print_message("# SKIP no real-time scheduling: not allowed here\n");
		skip();
	}
	assert_true(measure(connections) <= 2);
}

static void one_connection_over_its_rate_moves_nobody(void **state)
{
	(void)state;
	flood_is_refused(RIGHTS("requests_per_s=500"), 1, 200);
}

static void fifty_connections_over_their_rate_move_nobody(void **state)
{
	(void)state;
	flood_is_refused(RIGHTS("requests_per_s=500"), CONNECTIONS, 200);
}

static void large_bodies_over_their_rate_move_nobody(void **state)
{
	(void)state;
	flood_is_refused(RIGHTS("requests_per_s=500"), 4, 65536);
}

/* Nothing but turns and queues stands between the two: the worker is busy with the flood. */
static void unlimited_flood_moves_nobody(void **state)
{
	(void)state;
	flood_is_refused(RIGHTS("requests_per_s=1000000"), 4, 200);
}

/* --- whose turn it is, counted in the broker's records --- */

#define QUIET_CALLS 100
/* Of 8192 bytes a turn (services/bus/service_queue.c), each request of the flood has more than 200.
 */
#define TURN (8192 / 200)

struct times {
	int64_t arrived_us, dispatched_us;
};

struct recorded {
	struct times quiet[QUIET_CALLS];
	struct times *flood;
	size_t n_quiet, n_flood, room;
};

static bool note_request(const Bus__RecordEntry *e, void *arg)
{
	struct recorded *r = arg;
	struct times t;

	if (e->entry_case != BUS__RECORD_ENTRY__ENTRY_REQUEST || e->request->dispatched_us == 0)
		return false;
	t = (struct times){e->request->arrived_us, e->request->dispatched_us};
	if (strcmp(e->request->member, CALLER) == 0) {
		if (r->n_flood == r->room) {
			r->room = r->room ? r->room * 2 : 1024;
			r->flood = realloc(r->flood, r->room * sizeof(r->flood[0]));
			CHECK(r->flood);
		}
		r->flood[r->n_flood++] = t;
	} else if (strcmp(e->request->member, GATEWAY) == 0 && r->n_quiet < QUIET_CALLS) {
		r->quiet[r->n_quiet++] = t;
	}
	return false;
}

static bool all_quiet_recorded(void *arg)
{
	struct recorded *r = arg;

	r->n_quiet = r->n_flood = 0;
	recdir_each(&now.records, note_request, r);
	return r->n_quiet == QUIET_CALLS;
}

/* Requests of the flood handed on while the quiet one waited; those that waited before it and
 * after. */
static void count_around(const struct recorded *r, const struct times *q, unsigned *ret_before,
			 unsigned *ret_overtaken)
{
	*ret_before = *ret_overtaken = 0;
	for (size_t i = 0; i < r->n_flood; i++) {
		const struct times *t = &r->flood[i];

		*ret_before +=
			t->dispatched_us > q->arrived_us && t->dispatched_us < q->dispatched_us;
		*ret_overtaken +=
			t->arrived_us < q->arrived_us && t->dispatched_us > q->dispatched_us;
	}
}

static void nobody_waits_longer_than_a_turn(void **state)
{
	struct recorded r = {0};
	unsigned longest = 0, before, overtaken, all_overtaken = 0;

	(void)state;
	start(RIGHTS("requests_per_s=1000000"), 200);
	flood_until_refused(4, 100);
	p99_us(now.f);
	flood_set(&now.flood, 0);
	assert_true(busrig_until(all_quiet_recorded, &r));
	for (unsigned i = 0; i < QUIET_CALLS; i++) {
		count_around(&r, &r.quiet[i], &before, &overtaken);
		longest = before > longest ? before : longest;
		all_overtaken += overtaken;
	}
	free(r.flood);
	printf("# at most %u of the flood went before a quiet request, which overtook %u\n",
	       longest, all_overtaken / QUIET_CALLS);
	assert_in_range(longest, 0, TURN);
	assert_true(all_overtaken / QUIET_CALLS > TURN);
}

/* --- what it costs the others' thread --- */

#define MEMBERS_THREAD "ZMQbg/IO/0"
#define WORKERS_THREAD "ZMQbg/IO/1"
#define BUSY_NS        100000000 /* of encryption: heartbeats are nothing beside it */

static bool read_line(const char *path, char out[static 64])
{
	CLEANUP_FILE FILE *file = fopen(path, "re");

	if (!file || !fgets(out, 64, file))
		return false;
	out[strcspn(out, "\n")] = 0;
	return true;
}

/* Nanoseconds the broker's thread of that name has run. */
static long long thread_ns(struct fixture *f, const char *name)
{
	char path[96], text[64];
	long long ns = -1;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)busd_pid(f->busd));
	tasks = opendir(path);
	assert_non_null(tasks);
	for (const struct dirent *d; ns < 0 && (d = readdir(tasks));) {
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/comm", (int)busd_pid(f->busd),
			 d->d_name);
		if (!read_line(path, text) || strcmp(text, name) != 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/schedstat",
			 (int)busd_pid(f->busd), d->d_name);
		assert_true(read_line(path, text));
		assert_int_equal(sscanf(text, "%lld", &ns), 1);
	}
	closedir(tasks);
	return ns;
}

struct run_wait {
	struct fixture *f;
	long long until_ns;
};

static bool has_run(void *arg)
{
	const struct run_wait *w = arg;

	return thread_ns(w->f, MEMBERS_THREAD) > w->until_ns;
}

/* What members flood the thread that decrypts for them with costs the workers' none. */
static void members_and_workers_are_encrypted_by_threads_of_their_own(void **state)
{
	long long members_ns, workers_ns;
	struct run_wait w;

	(void)state;
	start(RIGHTS("requests_per_s=1"), 200);
	members_ns = thread_ns(now.f, MEMBERS_THREAD);
	workers_ns = thread_ns(now.f, WORKERS_THREAD);
	assert_true(members_ns >= 0 && workers_ns >= 0);
	w = (struct run_wait){now.f, members_ns + BUSY_NS};
	flood_set(&now.flood, 1);
	assert_true(busrig_until(has_run, &w));
	workers_ns = thread_ns(now.f, WORKERS_THREAD) - workers_ns;
	members_ns = thread_ns(now.f, MEMBERS_THREAD) - members_ns;
	assert_true(members_ns > 10 * workers_ns);
}

#define TEST(fn) cmocka_unit_test_teardown(fn, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_connection_over_its_rate_moves_nobody),
		TEST(fifty_connections_over_their_rate_move_nobody),
		TEST(large_bodies_over_their_rate_move_nobody),
		TEST(unlimited_flood_moves_nobody),
		TEST(nobody_waits_longer_than_a_turn),
		TEST(members_and_workers_are_encrypted_by_threads_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
