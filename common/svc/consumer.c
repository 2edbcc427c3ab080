/*
 * A consumer: follows the feed of one source on a thread and a connection of its own. The cursor is
 * in the database, together with the effects of what lies behind it; so this thread may end, and
 * replicas may run, at any time.
 */
#include "common/svc/consumer.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/metric.h"

#define CONSUMER_ARENA_BYTES (128 * 1024 * 1024)
#define CONSUMER_DEADLINE_US (10 * CLOCK_US_PER_S)
#define CONSUMER_PAUSE_MIN   200
#define CONSUMER_PAUSE_MAX   5000
#define CONSUMER_BUSY_PAUSE  100
#define CONSUMER_ALARM_PAUSE 5000
#define CONSUMER_IN_A_ROW    20

static const struct err_kind feed_gap = {ERR_INTERNAL, "FEED_GAP",
					 "Trang sự kiện không liền sau vị trí đã đọc",
					 "the page does not begin right behind the cursor"};

static const struct db_stmt create_cursor = {
	"INSERT INTO applied (source, epoch, pos) VALUES ($1, '', 0) ON CONFLICT DO NOTHING"};
static const struct db_stmt read_cursor = {"SELECT epoch, pos FROM applied WHERE source = $1"};
/* How many events without a success in between were parked for themselves, up to the cursor. */
static const struct db_stmt count_in_a_row = {
	"SELECT count(*) FILTER (WHERE NOT behind) FROM ("
	"SELECT pos, behind, row_number() OVER (ORDER BY pos DESC) AS n FROM dead_letter"
	" WHERE source = $1 AND pos <= $2 AND settled_at IS NULL) AS d"
	" WHERE d.pos = $2 - d.n + 1"};

static const char *const alarm_codes[] = {"CURSOR_AHEAD", "EPOCH_CHANGED", "FEED_GAP", "STOPPED"};

void consumer_call_init(struct consumer *con, struct call *c, struct call_state *st,
			struct arena *arena)
{
	st->kind = CALL_CONSUMER;
	st->method = con->def->source;
	call_init(c, st, con->rt, con->conn, arena);
	c->caller.member = con->rt->def->name;
	c->deadline_us = clock_mono_us() + CONSUMER_DEADLINE_US;
}

/* --- what others see --- */

static struct metric *consumer_alarm(const struct consumer *con, const char *code)
{
	char labels[128];

	snprintf(labels, sizeof(labels), "source=\"%s\",reason=\"%s\"", con->def->source, code);
	return metric_gauge("lgsp_consumer_alarm", labels,
			    "1 while a consumer stands still and a person is needed");
}

/* code NULL: no alarm. */
static void consumer_set_alarm(struct consumer *con, const char *code)
{
	for (size_t i = 0; i < ARRAY_LEN(alarm_codes); i++) {
		bool on = code != NULL && strcmp(alarm_codes[i], code) == 0;
		struct metric *alarm = consumer_alarm(con, alarm_codes[i]);

		if (on && metric_value(alarm) == 0)
			log_error("svc.consumer_alarm", LOG_STR("source", con->def->source),
				  LOG_STR("err", code), LOG_NUM("pos", con->pos));
		metric_set(alarm, on);
	}
}

static bool consumer_is_alarm(const char *code)
{
	for (size_t i = 0; i < ARRAY_LEN(alarm_codes); i++)
		if (strcmp(alarm_codes[i], code) == 0)
			return true;
	return false;
}

static void consumer_show(struct consumer *con, const char *state)
{
	pthread_mutex_lock(&con->status_mutex);
	if (strcmp(con->state, state) != 0)
		log_info("svc.consumer", LOG_STR("source", con->def->source),
			 LOG_STR("state", state), LOG_NUM("pos", con->pos));
	con->state = state;
	con->status_pos = con->pos;
	if (con->high_water >= con->pos)
		metric_set(con->lag, con->high_water - con->pos);
	pthread_mutex_unlock(&con->status_mutex);
}

static void consumer_saw(struct consumer *con, int64_t high_water)
{
	pthread_mutex_lock(&con->status_mutex);
	con->high_water = high_water;
	pthread_mutex_unlock(&con->status_mutex);
}

void consumer_status(struct consumer *con, struct consumer_status *ret_status)
{
	pthread_mutex_lock(&con->status_mutex);
	*ret_status = (struct consumer_status){
		.source = con->def->source,
		.state = con->state,
		.pos = con->status_pos,
		.high_water = con->high_water,
	};
	pthread_mutex_unlock(&con->status_mutex);
}

/* --- the cursor --- */

static void consumer_take_cursor(struct consumer *con, const struct call *c, int slot)
{
	const char *epoch = db_get_text(&c->tx, slot, 0, 0);

	con->pos = db_get_int(&c->tx, slot, 0, 1);
	/* Told at once: the first pull of one that is up to date comes back seconds later. */
	pthread_mutex_lock(&con->status_mutex);
	con->status_pos = con->pos;
	pthread_mutex_unlock(&con->status_mutex);
	if (strcmp(epoch, con->epoch) == 0)
		return;
	free((char *)con->epoch);
	con->epoch = base_strdup(epoch);
}

static void consumer_check_in_a_row(struct consumer *con, struct call *c)
{
	int slot = call_query(c, &count_in_a_row, DB_TEXT(con->def->source), DB_INT8(con->pos));

	if (slot < 0)
		return;
	con->stopped = db_get_int(&c->tx, slot, 0, 0) >= CONSUMER_IN_A_ROW;
	con->check_in_a_row = con->stopped;
}

static int consumer_read_cursor(struct consumer *con, struct arena *arena, struct err *err)
{
	struct call_state st = {0};
	struct call c = {0};
	int slot;

	consumer_call_init(con, &c, &st, arena);
	slot = call_query(&c, &read_cursor, DB_TEXT(con->def->source));
	if (slot >= 0 && db_rows(&c.tx, slot) == 0) {
		slot = call_query(&c, &create_cursor, DB_TEXT(con->def->source));
		if (slot >= 0)
			slot = call_query(&c, &read_cursor, DB_TEXT(con->def->source));
	}
	if (slot >= 0 && db_rows(&c.tx, slot) > 0)
		consumer_take_cursor(con, &c, slot);
	if (slot >= 0 && con->check_in_a_row)
		consumer_check_in_a_row(con, &c);
	if (c.err.status != 0)
		*err = c.err;
	if (c.tx.magic != 0)
		db_end(&c.tx);
	return err->status;
}

/* --- the thread --- */

/* 200 ms, doubled up to 5 s. */
static int64_t consumer_next_pause(int64_t ms)
{
	if (ms == 0)
		return CONSUMER_PAUSE_MIN;
	return ms * 2 < CONSUMER_PAUSE_MAX ? ms * 2 : CONSUMER_PAUSE_MAX;
}

static int64_t consumer_on_error(struct consumer *con, const struct err *err, int64_t last_ms)
{
	const char *code = err_code(err);

	if (runtime_stopping(con->rt))
		return 0;
	if (consumer_is_alarm(code)) {
		consumer_set_alarm(con, code);
		consumer_show(con, "stopped");
		return CONSUMER_ALARM_PAUSE;
	}
	if (last_ms == 0)
		log_warn("svc.consumer_waits", LOG_STR("source", con->def->source),
			 LOG_STR("err", code), LOG_NUM("pos", con->pos));
	consumer_show(con, "waiting");
	return consumer_next_pause(last_ms);
}

static int consumer_check_page(const struct consumer *con, const Feed__PullReply *page,
			       struct err *err)
{
	for (size_t i = 0; i < page->n_entries; i++)
		if (page->entries[i]->pos != con->pos + 1 + (int64_t)i)
			return err_set(err, &feed_gap, NULL, NULL);
	return 0;
}

/* One page. Returns the pause before the next in ms. */
static int64_t consumer_round(struct consumer *con, struct arena *arena, int64_t last_ms)
{
	const Feed__PullReply *page = NULL;
	struct err err = {0};
	enum page_end end;

	if (consumer_read_cursor(con, arena, &err) < 0)
		return consumer_on_error(con, &err, last_ms);
	if (con->stopped) {
		consumer_set_alarm(con, "STOPPED");
		consumer_show(con, "stopped");
		return CONSUMER_ALARM_PAUSE;
	}
	if (consumer_pull(con, arena, &page, &err) < 0 || consumer_check_page(con, page, &err) < 0)
		return consumer_on_error(con, &err, last_ms);
	consumer_set_alarm(con, NULL);
	consumer_saw(con, page->high_water);
	if (page->n_entries == 0) {
		consumer_show(con, "running");
		return 0;
	}
	end = consumer_apply_page(con, page, arena, &err);
	if (end == PAGE_TROUBLE)
		return consumer_on_error(con, &err, last_ms);
	consumer_show(con, "running");
	return end == PAGE_MOVED ? CONSUMER_BUSY_PAUSE : 0;
}

static void *consumer_run(void *arg)
{
	struct consumer *con = arg;
	int64_t pause_ms = 0;

	while (!runtime_stopping(con->rt)) {
		struct arena arena;

		arena_init(&arena, CONSUMER_ARENA_BYTES);
		pause_ms = consumer_round(con, &arena, pause_ms);
		arena_done(&arena);
		consumer_settle_note(con);
		if (pause_ms > 0)
			runtime_pause(con->rt, pause_ms);
	}
	atomic_fetch_sub(&con->rt->live, 1);
	return NULL;
}

struct consumer *consumer_start(struct svc_runtime *rt, const struct svc_consumer *def)
{
	struct consumer *con = base_alloc(sizeof(*con));
	struct db_config db = runtime_db_config(rt);
	char labels[96];

	con->rt = rt;
	con->def = def;
	con->conn = db_conn_new(&db);
	con->epoch = base_strdup("");
	con->state = "starting";
	con->check_in_a_row = true;
	snprintf(labels, sizeof(labels), "source=\"%s\"", def->source);
	con->lag = metric_gauge("lgsp_consumer_lag_events", labels,
				"Events of the source not yet applied");
	con->applied = metric_counter("lgsp_consumer_events_total", labels, "Events passed");
	con->parked = metric_counter("lgsp_consumer_parked_total", labels, "Events put aside");
	CHECK(pthread_mutex_init(&con->status_mutex, NULL) == 0);
	consumer_set_alarm(con, NULL);
	thread_start(&con->thread, consumer_run, con);
	return con;
}

bool consumer_join(struct consumer *con, int64_t timeout_ms)
{
	if (!thread_join(con->thread, timeout_ms))
		return false;
	db_conn_free(con->conn);
	pthread_mutex_destroy(&con->status_mutex);
	free((char *)con->epoch);
	free(con);
	return true;
}
