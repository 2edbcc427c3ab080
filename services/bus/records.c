#include "services/bus/records.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/metric.h"

#define IDLE_MS 1000 /* the writer looks for itself so often: files grow old */

struct records {
	struct record_ring *ring;
	struct record_store_config config;
	pthread_t thread;
	int wake; /* eventfd; -1: no files */
	atomic_bool stop;
	atomic_bool awake; /* the writer was woken and has not looked yet */
	_Atomic uint64_t disk_lost;
	/* the loop's */
	uint64_t ring_said, ring_counted, disk_counted;
	int64_t alarmed_us;
	struct metric *written, *ring_lost_metric, *disk_lost_metric, *fill;
};

/* --- the writer --- */

static void drain(struct records *r, struct record_store *store)
{
	const struct record *record;

	while ((record = record_ring_oldest(r->ring))) {
		record_store_add(store, record, clock_wall_us());
		metric_add(r->written, record->gap ? 0 : 1);
		record_ring_take(r->ring);
	}
	record_store_flush(store, clock_wall_us());
	atomic_store(&r->disk_lost, record_store_lost(store));
}

static void wait_for_work(struct records *r)
{
	struct pollfd fd = {.fd = r->wake, .events = POLLIN};
	uint64_t n;

	if (poll(&fd, 1, IDLE_MS) > 0 && read(r->wake, &n, sizeof(n)) < 0)
		CHECK(errno == EINTR || errno == EAGAIN);
	atomic_store(&r->awake, false);
}

static void *run(void *arg)
{
	struct records *r = arg;
	struct record_store *store = record_store_new(&r->config);

	while (!atomic_load(&r->stop)) {
		drain(r, store);
		wait_for_work(r);
	}
	/* The loop's thread waits for us: what it could not put in is ours. */
	drain(r, store);
	record_ring_settle(r->ring);
	drain(r, store);
	record_store_free(store, clock_wall_us());
	return NULL;
}

/* --- the loop --- */

struct records *records_new(const struct record_store_config *store, uint32_t slots)
{
	struct records *r = base_alloc(sizeof(*r));

	r->ring = record_ring_new(slots);
	r->config = *store;
	r->wake = -1;
	r->written = metric_counter("lgsp_bus_records_written_total", "",
				    "Operational records given to the disk");
	r->ring_lost_metric = metric_counter("lgsp_bus_records_lost_total", "reason=\"ring_full\"",
					     "Requests without an operational record");
	r->disk_lost_metric =
		metric_counter("lgsp_bus_records_lost_total", "reason=\"write_failed\"",
			       "Requests without an operational record");
	r->fill = metric_gauge("lgsp_bus_records_waiting", "", "Records the writer has not taken");
	if (!*store->dir)
		return r;
	r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK(r->wake >= 0);
	CHECK(pthread_create(&r->thread, NULL, run, r) == 0);
	pthread_setname_np(r->thread, "bus-records");
	return r;
}

static void wake_writer(struct records *r)
{
	uint64_t one = 1;

	if (atomic_exchange(&r->awake, true))
		return;
	if (write(r->wake, &one, sizeof(one)) < 0)
		CHECK(errno == EAGAIN || errno == EINTR);
}

void records_free(struct records *r)
{
	if (!r)
		return;
	if (r->wake >= 0) {
		atomic_store(&r->stop, true);
		atomic_store(&r->awake, false);
		wake_writer(r);
		pthread_join(r->thread, NULL);
		close(r->wake);
	}
	record_ring_free(r->ring);
	free(r);
}

void records_put(struct records *r, const struct record *record)
{
	uint32_t slots = record_ring_slots(r->ring);

	if (r->wake < 0 && record_ring_fill(r->ring) == slots)
		record_ring_take(r->ring); /* nobody else does */
	record_ring_put(r->ring, record);
	/* Once on the way from half full to full, not at each record. */
	if (r->wake >= 0 && record_ring_fill(r->ring) == slots / 2)
		wake_writer(r);
}

const struct record *records_recent(const struct records *r, uint32_t i)
{
	return record_ring_recent(r->ring, i);
}

static void say_lost(struct records *r, uint64_t missing)
{
	int64_t now_us = clock_mono_us();

	if (missing == r->ring_said || (r->alarmed_us && now_us - r->alarmed_us < CLOCK_US_PER_S))
		return;
	r->alarmed_us = now_us;
	log_error("bus.records_lost", LOG_STR("what", "ring"), LOG_STR("err", "the ring is full"),
		  LOG_NUM("lost", missing - r->ring_said));
	r->ring_said = missing;
}

void records_tick(struct records *r)
{
	uint64_t missing = record_ring_missing(r->ring), disk = atomic_load(&r->disk_lost);

	metric_add(r->ring_lost_metric, (int64_t)(missing - r->ring_counted));
	metric_add(r->disk_lost_metric, (int64_t)(disk - r->disk_counted));
	r->ring_counted = missing;
	r->disk_counted = disk;
	metric_set(r->fill, r->wake < 0 ? 0 : record_ring_fill(r->ring));
	say_lost(r, missing);
	record_ring_settle(r->ring);
	if (r->wake >= 0 && record_ring_fill(r->ring) > 0)
		wake_writer(r);
}
