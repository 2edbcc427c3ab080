/*
 * A member that sends as fast as its connections allow, beside one that calls now and then: the
 * second's p99, quiet and under the flood, and whose turn it is, counted in the broker's records,
 * which no other work on the machine can touch. The first takes real-time scheduling; where that is
 * not allowed (a container without CAP_SYS_NICE) it is skipped. `make bench` has the same figures.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "tests/support/flood.h"

static struct flood flood; /* of the test under way: stopped behind it, however it ends */

static int stop(void **state)
{
	(void)state;
	flood_stop(&flood);
	return 0;
}

/* --- how long the other waits --- */

static void flood_is_refused(unsigned connections, size_t body)
{
	double quiet_us, flooded_us;

	flood_start(&flood, FLOOD_RIGHTS("requests_per_s=500"), body);
	if (!flood.is_real_time) {
		print_message("# SKIP no real-time scheduling: not allowed here\n");
		skip();
	}
	flood_measure(&flood, connections, &quiet_us, &flooded_us);
	printf("# %u connections: p99 %.0f us quiet, %.0f us flooded\n", connections, quiet_us,
	       flooded_us);
	assert_true(flooded_us <= 2 * quiet_us);
}

static void one_connection_over_its_rate_moves_nobody(void **state)
{
	(void)state;
	flood_is_refused(1, 200);
}

static void fifty_connections_over_their_rate_move_nobody(void **state)
{
	(void)state;
	flood_is_refused(FLOOD_CONNECTIONS, 200);
}

static void large_bodies_over_their_rate_move_nobody(void **state)
{
	(void)state;
	flood_is_refused(4, 65536);
}

/* --- whose turn it is, counted in the broker's records --- */

/* Of 8192 bytes a turn (services/bus/service_queue.c), each request of the flood has more than 200.
 */
#define TURN (8192 / 200)

struct times {
	int64_t arrived_us, dispatched_us;
};

struct recorded {
	struct times quiet[FLOOD_CALLS];
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
	} else if (strcmp(e->request->member, GATEWAY) == 0 && r->n_quiet < FLOOD_CALLS) {
		r->quiet[r->n_quiet++] = t;
	}
	return false;
}

static bool all_quiet_recorded(void *arg)
{
	struct recorded *r = arg;

	r->n_quiet = r->n_flood = 0;
	recdir_each(&flood.records, note_request, r);
	return r->n_quiet == FLOOD_CALLS;
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

/* Nothing but turns and queues stands between the two: the worker is busy with the flood. */
static void nobody_waits_longer_than_a_turn(void **state)
{
	struct recorded r = {0};
	unsigned longest = 0, before, overtaken, all_overtaken = 0;

	(void)state;
	flood_start(&flood, FLOOD_RIGHTS("requests_per_s=1000000"), 200);
	assert_true(flood_until_refused(&flood, 4, 100));
	flood_p99_us(&flood);
	flood_set(&flood, 0);
	assert_true(busrig_until(all_quiet_recorded, &r));
	for (unsigned i = 0; i < FLOOD_CALLS; i++) {
		count_around(&r, &r.quiet[i], &before, &overtaken);
		longest = before > longest ? before : longest;
		all_overtaken += overtaken;
	}
	free(r.flood);
	printf("# at most %u of the flood went before a quiet request, which overtook %u\n",
	       longest, all_overtaken / FLOOD_CALLS);
	assert_in_range(longest, 0, TURN);
	assert_true(all_overtaken / FLOOD_CALLS > TURN);
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
	flood_start(&flood, FLOOD_RIGHTS("requests_per_s=1"), 200);
	members_ns = thread_ns(&flood.fixture, MEMBERS_THREAD);
	workers_ns = thread_ns(&flood.fixture, WORKERS_THREAD);
	assert_true(members_ns >= 0 && workers_ns >= 0);
	w = (struct run_wait){&flood.fixture, members_ns + BUSY_NS};
	flood_set(&flood, 1);
	assert_true(busrig_until(has_run, &w));
	workers_ns = thread_ns(&flood.fixture, WORKERS_THREAD) - workers_ns;
	members_ns = thread_ns(&flood.fixture, MEMBERS_THREAD) - members_ns;
	assert_true(members_ns > 10 * workers_ns);
}

#define TEST(fn) cmocka_unit_test_teardown(fn, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_connection_over_its_rate_moves_nobody),
		TEST(fifty_connections_over_their_rate_move_nobody),
		TEST(large_bodies_over_their_rate_move_nobody),
		TEST(nobody_waits_longer_than_a_turn),
		TEST(members_and_workers_are_encrypted_by_threads_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
