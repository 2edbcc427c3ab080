/*
 * The relay: moves events from the outbox into the feed, gives them their positions and seals each
 * batch. One thread per process; the row lock on feed_head lets only one move at a time, whichever
 * process it is in. There is no election: the process that committed moves at once.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/metric.h"
#include "common/base/number.h"
#include "common/db/outbox.h"
#include "common/db/tx.h"

#define RELAY_MAGIC     0x52454c41u
#define RELAY_POLL_US   (250 * 1000LL)
#define RELAY_MOVE_US   (4 * CLOCK_US_PER_S)
#define RELAY_BATCH     500
#define RELAY_ARENA_MAX (256 * 1024)
/* Least time between two batches: under load fewer and larger ones, one fsync and one NOTIFY each.
 */
#define RELAY_PACE_US        (4 * 1000LL)
#define RELAY_BACKOFF_US     (100 * 1000LL)
#define RELAY_BACKOFF_MAX_US (2 * CLOCK_US_PER_S)

struct relay {
	unsigned magic;
	struct db_conn *conn;
	struct db_config db;
	void (*on_moved)(int64_t high_water, void *arg);
	void *arg;
	pthread_t thread;
	int wake_fd;
	atomic_bool stopping;
	_Atomic int64_t stop_by_us;
	_Atomic int64_t high_water;
	/* the thread's own */
	bool failing;       /* said so in the log */
	uint64_t listening; /* generation of the connection that LISTENs */
	char listen_sql[128];
	struct db_stmt listen_stmt;
	struct metric *moved;
	struct metric *batches;
	struct metric *failures;
	struct metric *head;
};

/*
 * Reads only: an idle relay writes nothing. By the index, whose entries of moved rows are soon
 * known to be dead; the table itself keeps them until it is vacuumed.
 */
static const struct db_stmt look_stmt = {
	"SELECT h.pos, (SELECT id FROM outbox ORDER BY id LIMIT 1) IS NOT NULL FROM feed_head h"};

/*
 * A statement of its own, so that the next one's snapshot is taken when the lock is held: it sees
 * what the relay before us has moved.
 */
static const struct db_stmt lock_stmt = {"SELECT 1 FROM feed_head WHERE one FOR UPDATE"};

/*
 * Every visible row of the outbox is committed, so none can be skipped; a row that becomes visible
 * later with a lower id just gets a later position. $2: rows at most.
 */
static const struct db_stmt move_stmt = {
	"WITH h0 AS MATERIALIZED (SELECT pos, digest FROM feed_head WHERE one FOR UPDATE),"
	" d AS (DELETE FROM outbox WHERE id = ANY (ARRAY(SELECT id FROM outbox"
	"  WHERE EXISTS (SELECT FROM h0) ORDER BY id LIMIT $2)) RETURNING *),"
	" n AS MATERIALIZED (SELECT h0.pos + row_number() OVER (ORDER BY d.id) AS pos, d.event,"
	"  d.type, d.subject, d.version FROM d, h0),"
	" f AS (INSERT INTO feed(pos, event, type, subject, version)"
	"  SELECT pos, event, type, subject, version FROM n),"
	" s AS MATERIALIZED (SELECT max(n.pos) AS pos, count(*)::int AS count,"
	"  sha256(h0.digest || string_agg(sha256(n.event), ''::bytea ORDER BY n.pos)) AS digest"
	"  FROM n, h0 GROUP BY h0.digest),"
	" l AS (INSERT INTO seal(pos_to, count, digest) SELECT pos, count, digest FROM s),"
	" u AS (UPDATE feed_head h SET pos = s.pos, digest = s.digest FROM s WHERE h.one)"
	" SELECT s.pos, s.count, pg_notify($1, s.pos::text) FROM s"};

static void channel_of(const struct relay *relay, char *out, size_t size)
{
	snprintf(out, size, "lgsp_feed_%s", relay->db.schema);
}

/* A stopping process waits no longer than it was told to. */
static int64_t deadline_us(const struct relay *relay)
{
	int64_t at_us = clock_mono_us() + RELAY_MOVE_US;

	if (atomic_load(&relay->stopping) && atomic_load(&relay->stop_by_us) < at_us)
		return atomic_load(&relay->stop_by_us);
	return at_us;
}

static void advance(struct relay *relay, int64_t high_water)
{
	if (high_water <= atomic_load(&relay->high_water))
		return;
	atomic_store(&relay->high_water, high_water);
	metric_set(relay->head, high_water);
	if (relay->on_moved)
		relay->on_moved(high_water, relay->arg);
}

/* LISTEN belongs to a session: said again on each new one. */
static int listen_again(struct relay *relay, struct arena *arena, struct err *err)
{
	struct db_tx tx = {.magic = 0};

	if (relay->conn->pg && relay->listening == relay->conn->generation)
		return 0;
	int rc = db_query_args(&tx, relay->conn, arena, deadline_us(relay), err,
			       &relay->listen_stmt, NULL, 0);

	db_end(&tx);
	if (rc >= 0)
		relay->listening = relay->conn->generation;
	return rc < 0 ? rc : 0;
}

/* >0: something waits, 0: nothing, <0: trouble. */
static int look(struct relay *relay, struct arena *arena, struct err *err)
{
	struct db_tx tx = {.magic = 0};
	int rc = db_query_args(&tx, relay->conn, arena, deadline_us(relay), err, &look_stmt, NULL,
			       0);

	if (rc >= 0) {
		int slot = rc;

		advance(relay, db_get_int(&tx, slot, 0, 0));
		rc = db_get_bool(&tx, slot, 0, 1);
	}
	db_end(&tx);
	return rc;
}

/* Moves one batch. Returns its size or the error. */
static int move(struct relay *relay, struct arena *arena, struct err *err)
{
	struct db_tx tx = {.magic = 0};
	char channel[96];
	int moved = 0;

	channel_of(relay, channel, sizeof(channel));
	db_begin(&tx, relay->conn, NULL, arena, deadline_us(relay), err);
	db_add_args(&tx, &lock_stmt, NULL, 0);
	int slot = db_add(&tx, &move_stmt, DB_TEXT(channel), DB_INT8(RELAY_BATCH));

	CRASH_POINT("relay.before_commit");
	int rc = db_commit(&tx, NULL, 0);

	if (rc == 0 && db_rows(&tx, slot) > 0) {
		CRASH_POINT("relay.after_commit");
		moved = (int)db_get_int(&tx, slot, 0, 1);
		metric_add(relay->moved, moved);
		metric_add(relay->batches, 1);
		advance(relay, db_get_int(&tx, slot, 0, 0));
	}
	db_end(&tx);
	return rc < 0 ? rc : moved;
}

static bool out_of_time(const struct relay *relay)
{
	return atomic_load(&relay->stopping) && clock_mono_us() >= atomic_load(&relay->stop_by_us);
}

static int work(struct relay *relay)
{
	struct arena arena;
	struct err err = {.status = 0};

	arena_init(&arena, RELAY_ARENA_MAX);
	int rc = listen_again(relay, &arena, &err);

	if (rc == 0)
		rc = look(relay, &arena, &err);
	if (rc > 0)
		rc = move(relay, &arena, &err);
	if (rc < 0)
		metric_add(relay->failures, 1);
	if (rc < 0 && !relay->failing)
		log_warn("relay.failed", LOG_STR("code", err_code(&err)));
	else if (rc >= 0 && relay->failing)
		log_info("relay.works_again");
	relay->failing = rc < 0;
	arena_done(&arena);
	return rc;
}

/* Until a signal, a notification, or the time. Signals that came meanwhile count as one. */
static void rest(struct relay *relay, int64_t until_us)
{
	char payload[32];
	int64_t pos;
	uint64_t n;

	conn_wait_input(relay->conn, relay->wake_fd, until_us);
	if (read(relay->wake_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		log_error("relay.wake", LOG_NUM("errno", errno));
	while (conn_take_notify(relay->conn, payload, sizeof(payload))) {
		if (number_parse(payload, 0, INT64_MAX, &pos) == 0)
			advance(relay, pos);
		else if (relay->on_moved) /* a published feed moved */
			relay->on_moved(atomic_load(&relay->high_water), relay->arg);
	}
}

static void pause_us(int64_t us)
{
	const struct timespec ts = {.tv_sec = us / CLOCK_US_PER_S,
				    .tv_nsec = us % CLOCK_US_PER_S * 1000};

	nanosleep(&ts, NULL);
}

static int64_t backoff_us(int64_t last_us)
{
	int64_t next_us = last_us ? 2 * last_us : RELAY_BACKOFF_US;

	return next_us < RELAY_BACKOFF_MAX_US ? next_us : RELAY_BACKOFF_MAX_US;
}

static void *run(void *arg)
{
	struct relay *relay = arg;
	int64_t wait_us = 0;

	for (;;) {
		bool stopping = atomic_load(&relay->stopping);
		int rc = work(relay);

		if (out_of_time(relay) || (stopping && rc == 0))
			return NULL;
		if (rc < 0) {
			wait_us = backoff_us(wait_us);
			pause_us(stopping ? RELAY_BACKOFF_US : wait_us);
			continue;
		}
		wait_us = 0;
		if (rc == 0)
			rest(relay, clock_mono_us() + RELAY_POLL_US);
		else if (rc < RELAY_BATCH)
			pause_us(RELAY_PACE_US);
	}
}

/* Signals are the loop thread's. */
static void start_thread(struct relay *relay)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	CHECK(pthread_create(&relay->thread, NULL, run, relay) == 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct relay *relay_start(const struct relay_config *config)
{
	struct relay *relay = base_alloc(sizeof(*relay));
	char channel[96];

	relay->magic = RELAY_MAGIC;
	relay->db = config->db;
	relay->db.schema = base_strdup(config->db.schema);
	relay->conn = db_conn_new(&config->db);
	relay->on_moved = config->on_moved;
	relay->arg = config->arg;
	relay->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	CHECK(relay->wake_fd >= 0);
	channel_of(relay, channel, sizeof(channel));
	snprintf(relay->listen_sql, sizeof(relay->listen_sql), "LISTEN %s", channel);
	relay->listen_stmt.sql = relay->listen_sql;
	relay->moved = metric_counter("lgsp_relay_events_total", "", "Events moved into the feed");
	relay->batches = metric_counter("lgsp_relay_batches_total", "", "Batches sealed");
	relay->failures = metric_counter("lgsp_relay_failures_total", "", "Moves that failed");
	relay->head = metric_gauge("lgsp_feed_high_water", "", "Position of the newest event");
	start_thread(relay);
	return relay;
}

void relay_signal(struct relay *relay)
{
	uint64_t one = 1;

	CHECK(relay->magic == RELAY_MAGIC);
	/* Full means signalled. */
	if (write(relay->wake_fd, &one, sizeof(one)) < 0)
		CHECK(errno == EAGAIN);
}

void relay_stop(struct relay *relay, uint32_t timeout_ms)
{
	if (!relay)
		return;
	atomic_store(&relay->stop_by_us, clock_mono_us() + (int64_t)timeout_ms * 1000);
	atomic_store(&relay->stopping, true);
	relay_signal(relay);
	pthread_join(relay->thread, NULL);
	db_conn_free(relay->conn);
	close(relay->wake_fd);
	free((char *)relay->db.schema);
	relay->magic = 0;
	free(relay);
}

int64_t relay_high_water(const struct relay *relay)
{
	return atomic_load(&relay->high_water);
}
