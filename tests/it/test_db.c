/*
 * common/db on a real PostgreSQL: values there and back, the inbox, refusals that leave nothing,
 * relays that number densely under fire, and reading what they sealed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "common/base/uuid.h"
#include "common/db/db.h"
#include "common/db/outbox.h"
#include "lgsp/task/v1/events.pb-c.h"
#include "tests/support/pg.h"

#define SERVICE "task"

static struct pg *pg;
static struct db_config config;

static int set_up(void **state)
{
	(void)state;
	pg = pg_new(SERVICE);
	config = (struct db_config){.dsn = pg_dsn(pg, SERVICE),
				    .password_file = "",
				    .schema = SERVICE,
				    .name = "test_db"};
	pg_exec_owner(pg, SERVICE,
		      "CREATE TABLE value (id int PRIMARY KEY, b bool, i4 int, i8 bigint, t text, "
		      "y bytea, u uuid, ts timestamptz, d date, ts_a text[], i8_a bigint[])");
	pg_exec_owner(pg, SERVICE,
		      "CREATE TABLE counted (key text PRIMARY KEY, version int NOT NULL, "
		      "CHECK (version < 1000000))");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	pg_free(pg);
	return 0;
}

/* A connection with what a transaction needs around it. */
struct session {
	struct db_conn *conn;
	struct arena arena;
	struct err err;
	struct db_tx tx;
};

static void open_session(struct session *s)
{
	memset(s, 0, sizeof(*s));
	s->conn = db_conn_new(&config);
	arena_init(&s->arena, 16 << 20);
}

static void close_session(struct session *s)
{
	db_end(&s->tx);
	arena_done(&s->arena);
	db_conn_free(s->conn);
}

static int64_t soon(void)
{
	return clock_mono_us() + 10 * CLOCK_US_PER_S;
}

static void begin(struct session *s, const struct db_inbox *inbox)
{
	err_clear(&s->err);
	db_begin(&s->tx, s->conn, inbox, &s->arena, soon(), &s->err);
}

/* --- values --- */

static const struct db_stmt put_value = {
	"INSERT INTO value VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"};
static const struct db_stmt get_value = {
	"SELECT b, i4, i8, t, y, u, ts, d, ts_a FROM value WHERE id = $1"};

static void test_values(void **state)
{
	const char *texts[] = {"một", "", "ba \"phẩy\", \\"};
	const int64_t numbers[] = {INT64_MIN, 0, INT64_MAX};
	const uint8_t bytes[] = {0, 1, 0xff, '\\'};
	uint8_t uuid[UUID_BYTES];
	const char **back;
	struct session s;
	size_t n;
	int slot;

	(void)state;
	uuid_v7(uuid);
	open_session(&s);
	begin(&s, NULL);
	db_add(&s.tx, &put_value, DB_INT4(1), DB_BOOL(true), DB_INT4(-7), DB_INT8(INT64_MIN),
	       DB_TEXT("Phở bò"), DB_BYTEA(bytes, sizeof(bytes)), DB_UUID(uuid),
	       DB_TIME(1716253200123456), DB_DATE(CIVIL_FOREVER), DB_TEXTS(texts, 3),
	       DB_INT8S(numbers, 3));
	db_add(&s.tx, &put_value, DB_INT4(2), DB_NULL, DB_NULL, DB_NULL, DB_TEXT(NULL), DB_NULL,
	       DB_UUID(NULL), DB_TIME(0), DB_NULL, DB_NULL, DB_NULL);
	assert_int_equal(db_commit(&s.tx, NULL, 0), 0);
	assert_int_equal(pg_int(pg, SERVICE,
				"SELECT count(*) FROM value WHERE id = 1 AND d = 'infinity' AND "
				"ts = timestamptz '2024-05-21 08:00:00.123456+07' AND "
				"i8_a = '{-9223372036854775808,0,9223372036854775807}'"),
			 1);

	slot = db_query_args(&s.tx, s.conn, &s.arena, soon(), &s.err, &get_value,
			     (const struct db_arg[]){DB_INT4(1)}, 1);
	assert_int_equal(db_rows(&s.tx, slot), 1);
	assert_true(db_get_bool(&s.tx, slot, 0, 0));
	assert_int_equal(db_get_int(&s.tx, slot, 0, 1), -7);
	assert_true(db_get_int(&s.tx, slot, 0, 2) == INT64_MIN);
	assert_string_equal(db_get_text(&s.tx, slot, 0, 3), "Phở bò");
	assert_memory_equal(db_get_bytes(&s.tx, slot, 0, 4, &n), bytes, sizeof(bytes));
	assert_int_equal(n, sizeof(bytes));
	assert_memory_equal(db_get_bytes(&s.tx, slot, 0, 5, &n), uuid, sizeof(uuid));
	assert_true(db_get_time_us(&s.tx, slot, 0, 6) == 1716253200123456);
	assert_int_equal(db_get_date(&s.tx, slot, 0, 7), CIVIL_FOREVER);
	back = db_get_texts(&s.tx, slot, 0, 8, &n);
	assert_int_equal(n, 3);
	for (int i = 0; i < 3; i++)
		assert_string_equal(back[i], texts[i]);

	slot = db_query_args(&s.tx, s.conn, &s.arena, soon(), &s.err, &get_value,
			     (const struct db_arg[]){DB_INT4(2)}, 1);
	for (int col = 0; col < 9; col++)
		assert_true(db_is_null(&s.tx, slot, 0, col));
	assert_string_equal(db_get_text(&s.tx, slot, 0, 3), "");
	close_session(&s);
}

/* --- statements over rows --- */

static const struct db_stmt put_row = {
	"INSERT INTO value (id, b, i4, i8, t, y, u, ts, d, ts_a)"
	" SELECT u.id, u.b, u.i4, u.i8, u.t, u.y, u.u, u.ts, u.d, u.ts_a::text[]"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
	" AS u (id, b, i4, i8, t, y, u, ts, d, ts_a)"};

/* As many rows as asked for, the first of them again and again. */
static const struct db_stmt series_row = {
	"SELECT u.name || i, u.n FROM unnest($1, $2) WITH ORDINALITY AS u (name, most, n)"
	" CROSS JOIN LATERAL generate_series(1, u.most) AS i ORDER BY u.n, i"};

/* Through a row a value is the same as through a parameter. */
static void test_row_values(void **state)
{
	const char *texts[] = {"một", "", "ba \"phẩy\", \\", NULL, "NULL", "{}"};
	const uint8_t bytes[] = {0, 1, 0xff, '\\'};
	uint8_t uuid[UUID_BYTES];
	struct session s;

	(void)state;
	uuid_v7(uuid);
	open_session(&s);
	begin(&s, NULL);
	db_share_rows(&s.tx);
	db_add_row(&s.tx, &put_row, DB_INT4(21), DB_BOOL(true), DB_INT4(-7), DB_INT8(INT64_MIN),
		   DB_TEXT("Phở bò"), DB_BYTEA(bytes, sizeof(bytes)), DB_UUID(uuid),
		   DB_TIME(1716253200123456), DB_DATE(CIVIL_FOREVER), DB_TEXTS(texts, 6));
	db_add_row(&s.tx, &put_row, DB_INT4(22), DB_BOOL(false), DB_INT4(0), DB_INT8(0),
		   DB_TEXT(NULL), DB_BYTEA(NULL, 0), DB_UUID(NULL), DB_TIME(0), DB_DATE(0),
		   DB_TEXTS(NULL, 1));
	db_add_row(&s.tx, &put_row, DB_INT4(23), DB_BOOL(true), DB_INT4(0), DB_INT8(0), DB_TEXT(""),
		   DB_BYTEA("", 0), DB_UUID(uuid), DB_TIME(1), DB_DATE(1), DB_TEXTS(texts, 0));
	db_add(&s.tx, &put_value, DB_INT4(24), DB_BOOL(true), DB_INT4(-7), DB_INT8(INT64_MIN),
	       DB_TEXT("Phở bò"), DB_BYTEA(bytes, sizeof(bytes)), DB_UUID(uuid),
	       DB_TIME(1716253200123456), DB_DATE(CIVIL_FOREVER), DB_TEXTS(texts, 6), DB_NULL);
	assert_int_equal(db_commit(&s.tx, NULL, 0), 0);
	assert_int_equal(
		pg_int(pg, SERVICE,
		       "SELECT count(DISTINCT (b, i4, i8, t, y, u, ts, d, ts_a)) FROM value"
		       " WHERE id IN (21, 24)"),
		1);
	assert_int_equal(
		pg_int(pg, SERVICE, "SELECT num_nulls(t, y, u, ts, ts_a) FROM value WHERE id = 22"),
		5);
	assert_int_equal(pg_int(pg, SERVICE,
				"SELECT num_nulls(t, y, u, ts, ts_a) + cardinality(ts_a) FROM value"
				" WHERE id = 23"),
			 0);
	close_session(&s);
}

static void check_series(struct session *s, const int *slots, const int *most, int n)
{
	char name[16];

	for (int i = 0; i < n; i++) {
		assert_int_equal(db_rows(&s->tx, slots[i]), most[i]);
		for (int row = 0; row < most[i]; row++) {
			snprintf(name, sizeof(name), "%c%d", 'a' + i, row + 1);
			assert_string_equal(db_get_text(&s->tx, slots[i], row, 0), name);
			assert_false(db_is_null(&s->tx, slots[i], row, 0));
		}
	}
}

/* Each slot has its own rows, none included, whether they came alone or together. */
static void test_rows_of_each(void **state)
{
	const int most[] = {0, 3, 0, 1, 2, 0, 7, 0};
	enum { N = sizeof(most) / sizeof(most[0]) };
	int slots[N], between[N];

	(void)state;
	for (int sharing = 0; sharing < 2; sharing++) {
		struct session s;

		open_session(&s);
		begin(&s, NULL);
		if (sharing)
			db_share_rows(&s.tx);
		assert_int_equal(db_shares_rows(&s.tx), sharing);
		for (int i = 0; i < N; i++) {
			char name[2] = {(char)('a' + i), '\0'};

			slots[i] = db_add_row(&s.tx, &series_row, DB_TEXT(name), DB_INT4(most[i]));
			between[i] = db_add(&s.tx, &get_value, DB_INT4(-i));
		}
		assert_int_equal(db_flush(&s.tx), 0);
		check_series(&s, slots, most, N);
		for (int i = 0; i < N; i++)
			assert_int_equal(db_rows(&s.tx, between[i]), 0);
		/* The next flush begins anew. */
		slots[0] = db_add_row(&s.tx, &series_row, DB_TEXT("a"), DB_INT4(2));
		assert_int_equal(db_commit(&s.tx, NULL, 0), 0);
		check_series(&s, slots, (const int[]){2}, 1);
		close_session(&s);
	}
}

static const struct db_stmt put_keys = {
	"INSERT INTO counted SELECT u.key, u.version FROM unnest($1, $2) AS u (key, version)"};

/* One bad row fails the statement for all, and so the transaction. */
static void test_row_refused(void **state)
{
	struct session s;

	(void)state;
	open_session(&s);
	begin(&s, NULL);
	db_share_rows(&s.tx);
	db_add_row(&s.tx, &put_keys, DB_TEXT("row-good"), DB_INT4(1));
	db_add_row(&s.tx, &put_keys, DB_TEXT("row-bad"), DB_INT4(1000000));
	assert_true(db_commit(&s.tx, NULL, 0) < 0);
	assert_string_equal(s.tx.sqlstate, "23514");
	begin(&s, NULL);
	db_share_rows(&s.tx);
	db_add_row(&s.tx, &put_keys, DB_TEXT("row-good"), DB_INT4(1));
	db_add_row(&s.tx, &put_keys, DB_TEXT("row-bad"), DB_INT4(INT64_MAX));
	assert_int_equal(db_commit(&s.tx, NULL, 0), ERR_INVALID);
	begin(&s, NULL);
	for (int i = 0; i <= DB_TX_STATEMENTS_MAX; i++)
		db_add_row(&s.tx, &put_keys, DB_TEXT("row-many"), DB_INT4(1));
	assert_int_equal(db_commit(&s.tx, NULL, 0), ERR_TOO_LARGE);
	assert_int_equal(pg_int(pg, SERVICE, "SELECT count(*) FROM counted WHERE key LIKE 'row-%'"),
			 0);
	close_session(&s);
}

/* More than both socket buffers hold, in one flush. */
static void test_large_pipeline(void **state)
{
	static const struct db_stmt echo = {"SELECT $1::text"};
	char *text = base_alloc(100001);
	struct session s;
	int slot = 0;

	(void)state;
	memset(text, 'x', 100000);
	open_session(&s);
	begin(&s, NULL);
	for (int i = 0; i < 60; i++)
		slot = db_add(&s.tx, &echo, DB_TEXT(text));
	assert_int_equal(db_flush(&s.tx), 0);
	assert_int_equal(strlen(db_get_text(&s.tx, slot, 0, 0)), 100000);
	assert_int_equal(db_commit(&s.tx, NULL, 0), 0);
	begin(&s, NULL);
	for (int i = 0; i < 100; i++)
		db_add(&s.tx, &echo, DB_TEXT(text));
	assert_int_equal(db_flush(&s.tx), ERR_TOO_LARGE);
	close_session(&s);
	free(text);
}

/* --- inbox --- */

static const struct db_stmt count_up = {"INSERT INTO counted VALUES ($1, 1) ON CONFLICT (key) DO "
					"UPDATE SET version = counted.version + 1"};

static void test_inbox(void **state)
{
	uint8_t id[UUID_BYTES], hash[32] = {1}, other[32] = {2};
	struct db_inbox inbox = {.caller = "m",
				 .subject = "s",
				 .message_id = id,
				 .method = "Do",
				 .request_sha256 = hash};
	struct session s;

	(void)state;
	uuid_v7(id);
	open_session(&s);
	for (int i = 0; i < 3; i++) {
		begin(&s, &inbox);
		db_add(&s.tx, &count_up, DB_TEXT("inbox"));
		if (i == 0) {
			assert_int_equal(db_commit(&s.tx, "reply", 5), 0);
			continue;
		}
		assert_int_equal(db_commit(&s.tx, "another", 7), ERR_CONFLICT);
		assert_int_equal(s.tx.retry, DB_RETRY_REPLAY);
		assert_int_equal(s.tx.replay_len, 5);
		assert_memory_equal(s.tx.replay, "reply", 5);
	}
	inbox.request_sha256 = other;
	begin(&s, &inbox);
	db_add(&s.tx, &count_up, DB_TEXT("inbox"));
	assert_int_equal(db_commit(&s.tx, "x", 1), ERR_CONFLICT);
	assert_int_equal(s.tx.retry, DB_RETRY_NO);
	assert_string_equal(err_code(&s.err), "MESSAGE_ID_REUSED");
	/* Another person's request with the same id is another request. */
	inbox.subject = "t";
	begin(&s, &inbox);
	db_add(&s.tx, &count_up, DB_TEXT("inbox"));
	assert_int_equal(db_commit(&s.tx, "x", 1), 0);
	close_session(&s);
	assert_int_equal(pg_int(pg, SERVICE, "SELECT version FROM counted WHERE key = 'inbox'"), 2);
}

/* --- refusals --- */

static void add_event(struct db_tx *tx, const char *key, int32_t version)
{
	Task__TaskReported event = TASK__TASK_REPORTED__INIT;

	event.task_id = key;
	event.percent = (uint32_t)version % 100;
	outbox_add(tx, &(struct outbox_event){.type = "task.reported",
					      .subject = key,
					      .version = version,
					      .time_us = clock_wall_us(),
					      .payload = &event.base});
}

static void test_refusal_leaves_nothing(void **state)
{
	static const struct {
		struct db_stmt stmt;
		const char *sqlstate;
	} cases[] = {
		{{"INSERT INTO counted VALUES ('refused', 2000000)"}, "23514"},
		{{"INSERT INTO counted VALUES ('refused', 1), ('refused', 1)"}, "23505"},
		{{"SELECT 1 / (SELECT 0)"}, "22012"},
		{{"SELECT nothing FROM nowhere"}, "42P01"},
		{{"INSERT INTO other_schema.x VALUES (1)"}, "42P01"},
	};
	struct session s;

	(void)state;
	open_session(&s);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		begin(&s, NULL);
		add_event(&s.tx, "refused", 1);
		db_add_args(&s.tx, &cases[i].stmt, NULL, 0);
		add_event(&s.tx, "refused", 2);
		assert_true(db_commit(&s.tx, NULL, 0) < 0);
		assert_string_equal(s.tx.sqlstate, cases[i].sqlstate);
		assert_false(s.err.outcome_unknown);
		db_end(&s.tx);
		s.tx = (struct db_tx){0};
	}
	/* And the connection is as good as new. */
	begin(&s, NULL);
	db_add(&s.tx, &count_up, DB_TEXT("after"));
	assert_int_equal(db_commit(&s.tx, NULL, 0), 0);
	close_session(&s);
	assert_int_equal(
		pg_int(pg, SERVICE,
		       "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM counted "
		       "WHERE key = 'refused')"),
		0);
}

/* --- relay and feed --- */

#define WRITERS 4
#define KEYS    5
#define EACH    150

static const struct db_stmt lock_key = {"SELECT version FROM counted WHERE key = $1 FOR UPDATE"};
static const struct db_stmt set_version = {"UPDATE counted SET version = $2 WHERE key = $1"};

static void *write_events(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	struct session s;

	open_session(&s);
	for (int i = 0; i < EACH; i++) {
		char key[16];
		int slot, version;

		snprintf(key, sizeof(key), "hot-%d", rand_r(&seed) % KEYS);
		begin(&s, NULL);
		slot = db_add(&s.tx, &lock_key, DB_TEXT(key));
		CHECK(db_flush(&s.tx) == 0);
		version = (int)db_get_int(&s.tx, slot, 0, 0) + 1;
		db_add(&s.tx, &set_version, DB_TEXT(key), DB_INT4(version));
		add_event(&s.tx, key, version);
		/* Every tenth thinks better of it. */
		if (i % 10 != 9)
			CHECK(db_commit(&s.tx, NULL, 0) == 0);
		db_end(&s.tx);
		s.tx = (struct db_tx){0};
		arena_done(&s.arena);
		arena_init(&s.arena, 16 << 20);
	}
	close_session(&s);
	return NULL;
}

/* The seals of the page chain over its entries; all of the feed is one page here. */
static void check_seals(void)
{
	uint8_t chain[32] = {0}, digest[32];
	struct feed_page page;
	struct session s;
	size_t at = 0;

	open_session(&s);
	assert_int_equal(
		feed_read(s.conn, NULL, 0, 1000, 900000, "", &s.arena, soon(), &page, &s.err), 0);
	assert_true(page.n_entries > 0);
	for (size_t i = 0; i < page.n_seals; i++) {
		struct crypt_hash *sum = crypt_hash_new();
		size_t first = at;

		crypt_hash_update(sum, chain, sizeof(chain));
		for (; at < page.n_entries && page.entries[at].pos <= page.seals[i].pos_to; at++) {
			crypt_sha256(page.entries[at].event, page.entries[at].event_len, digest);
			crypt_hash_update(sum, digest, sizeof(digest));
		}
		crypt_hash_final(sum, chain);
		assert_memory_equal(chain, page.seals[i].digest, sizeof(chain));
		assert_int_equal(at - first, page.seals[i].count);
	}
	assert_int_equal(at, page.n_entries);
	close_session(&s);
}

static void test_relays(void **state)
{
	const struct relay_config relay_config = {.db = config};
	struct relay *relays[3];
	pthread_t writers[WRITERS];

	(void)state;
	pg_exec(pg, SERVICE,
		"INSERT INTO counted SELECT 'hot-' || i, 0 FROM generate_series(0, 4) i");
	for (int i = 0; i < 3; i++)
		relays[i] = relay_start(&relay_config);
	for (uintptr_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, write_events, (void *)(i + 1)),
				 0);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	relay_signal(relays[0]);
	assert_true(pg_wait_int(pg, SERVICE, "SELECT count(*) FROM outbox", 0, 15000));
	for (int i = 0; i < 3; i++)
		relay_stop(relays[i], 5000);

	assert_int_equal(pg_int(pg, SERVICE, "SELECT count(*) FROM feed"), WRITERS * EACH * 9 / 10);
	assert_int_equal(pg_int(pg, SERVICE, "SELECT max(pos) - count(*) FROM feed"), 0);
	/* Per subject the order of positions is the order of versions, without gap or double. */
	assert_int_equal(
		pg_int(pg, SERVICE,
		       "SELECT count(*) FROM (SELECT version, row_number() OVER (PARTITION BY "
		       "subject ORDER BY pos) n FROM feed) q WHERE version <> n"),
		0);
	assert_int_equal(
		pg_int(pg, SERVICE, "SELECT sum(version) FROM counted WHERE key LIKE 'hot-%'"),
		WRITERS * EACH * 9 / 10);
	check_seals();
}

static void test_reading(void **state)
{
	struct feed_page page;
	struct session s;
	int64_t high = pg_int(pg, SERVICE, "SELECT max(pos) FROM feed"), pending = -1;

	(void)state;
	open_session(&s);
	assert_int_equal(
		feed_read(s.conn, NULL, 10, 5, 900000, "", &s.arena, soon(), &page, &s.err), 0);
	assert_int_equal(page.n_entries, 5);
	assert_int_equal(page.entries[0].pos, 11);
	assert_int_equal(page.high_water, high);
	/* One event always fits. */
	assert_int_equal(feed_read(s.conn, NULL, 0, 100, 1, "", &s.arena, soon(), &page, &s.err),
			 0);
	assert_int_equal(page.n_entries, 1);
	assert_int_equal(
		feed_read(s.conn, NULL, high + 1, 5, 1000, "", &s.arena, soon(), &page, &s.err),
		ERR_CONFLICT);
	assert_string_equal(err_code(&s.err), "CURSOR_AHEAD");
	assert_int_equal(
		feed_read(s.conn, NULL, 0, 5, 1000, "another", &s.arena, soon(), &page, &s.err),
		ERR_CONFLICT);
	assert_string_equal(err_code(&s.err), "EPOCH_CHANGED");
	err_clear(&s.err);
	assert_int_equal(feed_head(s.conn, NULL, &s.arena, soon(), &page, &pending, &s.err), 0);
	assert_int_equal(page.high_water, high);
	assert_int_equal(page.seals[0].pos_to, high);
	assert_int_equal(pending, 0);
	close_session(&s);
}

/* --- trouble --- */

static void test_server_away(void **state)
{
	struct session s;

	(void)state;
	open_session(&s);
	begin(&s, NULL);
	db_add(&s.tx, &count_up, DB_TEXT("before"));
	assert_int_equal(db_commit(&s.tx, NULL, 0), 0);
	pg_crash();
	/* The connection is dead: nothing was sent for good, so the whole may be run again. */
	for (int i = 0; i < 50; i++) {
		begin(&s, NULL);
		db_add(&s.tx, &count_up, DB_TEXT("again"));
		if (db_commit(&s.tx, NULL, 0) == 0)
			break;
		assert_int_equal(s.err.status, ERR_UNAVAILABLE);
		db_end(&s.tx);
		s.tx = (struct db_tx){0};
	}
	close_session(&s);
	assert_int_equal(pg_int(pg, SERVICE, "SELECT version FROM counted WHERE key = 'again'"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_row_values),
		cmocka_unit_test(test_rows_of_each),
		cmocka_unit_test(test_row_refused),
		cmocka_unit_test(test_large_pipeline),
		cmocka_unit_test(test_inbox),
		cmocka_unit_test(test_refusal_leaves_nothing),
		cmocka_unit_test(test_relays),
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_server_away),
	};

	return cmocka_run_group_tests_name("db", tests, set_up, tear_down);
}
