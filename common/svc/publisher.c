#include "common/svc/publisher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "common/base/log.h"
#include "common/base/metric.h"
#include "common/svc/consumer.h"
#include "common/wire/pb.h"

#define PUBLISHER_ARENA_BYTES (64 * 1024 * 1024)
#define PUBLISHER_DEADLINE_US (10 * CLOCK_US_PER_S)
#define PUBLISHER_PAGE        500
#define PUBLISHER_PAGE_BYTES  (512 * 1024)
#define PUBLISHER_POLL_MS     1000
#define PUBLISHER_PAUSE_MIN   200
#define PUBLISHER_PAUSE_MAX   5000
#define PUBLISHER_FLUSH       50

static const struct err_kind event_unknown = {
	ERR_CONFLICT, "EVENT_UNKNOWN",
	"Sự kiện loại %s mới hơn phiên bản này, chờ tiến trình mới hơn công bố",
	"events of the type %s are newer than this build; a newer process will publish them"};

static const struct db_stmt create_publication = {
	"INSERT INTO publication (feed, cursor, pos, digest, epoch, source_epoch)"
	" SELECT $1, 0, 0, decode(repeat('00', 32), 'hex'), gen_random_uuid()::text, epoch"
	" FROM feed_head ON CONFLICT DO NOTHING"};
static const struct db_stmt look_stmt = {"SELECT p.cursor, p.pos, h.pos, p.source_epoch = h.epoch"
					 " FROM publication p, feed_head h WHERE p.feed = $1"};
static const struct db_stmt renew_epoch = {
	"UPDATE publication p SET epoch = gen_random_uuid()::text, source_epoch = h.epoch"
	" FROM feed_head h WHERE p.feed = $1 AND p.source_epoch <> h.epoch"};
static const struct db_stmt lock_stmt = {
	"SELECT pos, digest FROM publication WHERE feed = $1 AND cursor = $2 FOR UPDATE"
	" SKIP LOCKED"};
static const struct db_stmt insert_entry = {
	"INSERT INTO published (feed, pos, event) VALUES ($1, $2, $3)"};
static const struct db_stmt insert_seal = {
	"INSERT INTO published_seal (feed, pos_to, count, digest) VALUES ($1, $2, $3, $4)"};
static const struct db_stmt move_stmt = {
	"UPDATE publication SET cursor = $2, pos = $3, digest = $4 WHERE feed = $1"};
/* Wakes the relays of the other replicas, and through them their publishers and waiting pulls. */
static const struct db_stmt notify_stmt = {"SELECT pg_notify($1, 'published')"};

struct published_feed {
	const struct svc_publication *def;
	_Atomic int64_t high_water;
	struct metric *head, *lag, *entries;
};

struct publisher {
	struct svc_runtime *rt;
	struct db_conn *conn;
	pthread_t thread;
	bool woken; /* under rt->stop.mutex */
	unsigned n;
	struct published_feed *feeds;
	struct metric *failures;
};

/* A page on its way from the service's feed into a published one. */
struct publishing {
	struct publisher *pub;
	struct published_feed *feed;
	struct call c;
	struct call_state st;
	int64_t cursor;
	/* what the lock showed, moved on entry by entry */
	int64_t pos;
	uint8_t digest[CRYPT_SHA256_BYTES];
	struct crypt_hash *hash;
	int32_t n;
};

/* --- one entry --- */

static int pack_entry(struct call *c, const Feed__Event *source, const struct svc_published *out,
		      uint8_t **ret_bytes, size_t *ret_n)
{
	Feed__Event event = FEED__EVENT__INIT;
	uint8_t *payload;
	size_t n;

	if (pb_pack(out->payload, c->arena, &payload, &n, &c->err) < 0)
		return c->err.status;
	event.id = source->id;
	event.type = out->type;
	event.subject = out->subject;
	event.version = source->version;
	event.time_us = source->time_us;
	event.payload = (ProtobufCBinaryData){.data = payload, .len = n};
	return pb_pack(&event.base, c->arena, ret_bytes, ret_n, &c->err);
}

static int add_entry(struct publishing *p, const Feed__Event *source,
		     const struct svc_published *out)
{
	uint8_t digest[CRYPT_SHA256_BYTES], *bytes;
	struct call *c = &p->c;
	size_t n;

	if (pack_entry(c, source, out, &bytes, &n) < 0)
		return c->err.status;
	crypt_sha256(bytes, n, digest);
	crypt_hash_update(p->hash, digest, sizeof(digest));
	tx_add(c, &insert_entry, DB_TEXT(p->feed->def->feed), DB_INT8(++p->pos),
	       DB_BYTEA(bytes, n));
	return ++p->n % PUBLISHER_FLUSH == 0 ? tx_flush(c) : 0;
}

static int publish_event(struct publishing *p, const struct feed_entry *from)
{
	Feed__Entry entry = FEED__ENTRY__INIT;
	struct svc_published out = {0};
	struct consumer_item item;
	struct svc_event ev;
	struct call *c = &p->c;
	int rc;

	entry.pos = from->pos;
	entry.event = (ProtobufCBinaryData){.data = (uint8_t *)from->event, .len = from->event_len};
	if (consumer_item_read(c, &entry, &item) < 0 || consumer_event_of(c, &item, &ev) < 0)
		return c->err.status;
	/* Not ours to pass over: a newer replica may know what it tells. */
	if (!ev.payload)
		return err_set(&c->err, &event_unknown, NULL, item.type);
	rc = p->feed->def->project(&ev, c->arena, &out);
	if (rc < 0)
		return err_set(&c->err, &err_too_large, NULL, "page");
	return rc == 0 ? 0 : add_entry(p, item.event, &out);
}

/* --- one page --- */

/* >0: the row is ours, 0: another replica's, or moved; <0: error. */
static int lock_feed(struct publishing *p)
{
	struct call *c = &p->c;
	const uint8_t *digest;
	size_t n;
	int slot;

	tx_begin(c);
	slot = tx_add(c, &lock_stmt, DB_TEXT(p->feed->def->feed), DB_INT8(p->cursor));
	if (tx_flush(c) < 0)
		return c->err.status;
	if (db_rows(&c->tx, slot) == 0)
		return 0;
	p->pos = db_get_int(&c->tx, slot, 0, 0);
	digest = db_get_bytes(&c->tx, slot, 0, 1, &n);
	memcpy(p->digest, digest, sizeof(p->digest));
	return 1;
}

static void add_seal(struct publishing *p)
{
	struct call *c = &p->c;
	char channel[96];

	crypt_hash_final(p->hash, p->digest);
	p->hash = NULL;
	tx_add(c, &insert_seal, DB_TEXT(p->feed->def->feed), DB_INT8(p->pos), DB_INT4(p->n),
	       DB_BYTEA(p->digest, sizeof(p->digest)));
	snprintf(channel, sizeof(channel), "lgsp_feed_%s", p->pub->rt->def->name);
	tx_add(c, &notify_stmt, DB_TEXT(channel));
}

static int write_page(struct publishing *p, const struct feed_page *page)
{
	struct call *c = &p->c;
	int rc = lock_feed(p);

	if (rc <= 0)
		return rc;
	p->hash = crypt_hash_new();
	crypt_hash_update(p->hash, p->digest, sizeof(p->digest));
	for (size_t i = 0; i < page->n_entries; i++)
		if (publish_event(p, &page->entries[i]) < 0)
			return c->err.status;
	if (p->n > 0)
		add_seal(p);
	tx_add(c, &move_stmt, DB_TEXT(p->feed->def->feed),
	       DB_INT8(page->entries[page->n_entries - 1].pos), DB_INT8(p->pos),
	       DB_BYTEA(p->digest, sizeof(p->digest)));
	CRASH_POINT("publisher.before_commit");
	if (db_commit(&c->tx, NULL, 0) < 0)
		return c->err.status;
	CRASH_POINT("publisher.after_commit");
	metric_add(p->feed->entries, p->n);
	return 1;
}

/* The cursor and the two ends. >0: there is work, 0: none, <0: error. */
static int look(struct publishing *p)
{
	const char *feed = p->feed->def->feed;
	struct call *c = &p->c;
	int64_t source_high;
	int slot = call_query(c, &look_stmt, DB_TEXT(feed));

	if (slot >= 0 && db_rows(&c->tx, slot) == 0) {
		slot = call_query(c, &create_publication, DB_TEXT(feed));
		return slot < 0 ? slot : 1;
	}
	if (slot < 0)
		return slot;
	p->cursor = db_get_int(&c->tx, slot, 0, 0);
	source_high = db_get_int(&c->tx, slot, 0, 2);
	if (db_get_int(&c->tx, slot, 0, 1) > atomic_load(&p->feed->high_water)) {
		atomic_store(&p->feed->high_water, db_get_int(&c->tx, slot, 0, 1));
		feed_on_moved(0, p->pub->rt);
	}
	metric_set(p->feed->head, db_get_int(&c->tx, slot, 0, 1));
	metric_set(p->feed->lag, source_high - p->cursor);
	if (!db_get_bool(&c->tx, slot, 0, 3))
		return call_query(c, &renew_epoch, DB_TEXT(feed)) < 0 ? c->err.status : 1;
	return source_high > p->cursor ? 2 : 0;
}

/* >0: something was done or may be left, 0: up to date, <0: error in p->c.err. */
static int publish_page(struct publishing *p)
{
	struct feed_page page;
	struct call *c = &p->c;
	int rc = look(p);

	if (rc != 2)
		return rc;
	if (feed_read(c->conn, NULL, p->cursor, PUBLISHER_PAGE, PUBLISHER_PAGE_BYTES, "", c->arena,
		      c->deadline_us, &page, &c->err) < 0)
		return c->err.status;
	return page.n_entries == 0 ? 0 : write_page(p, &page);
}

static int publish_once(struct publisher *pub, struct published_feed *feed)
{
	struct publishing p = {.pub = pub, .feed = feed};
	struct arena arena;
	int rc;

	arena_init(&arena, PUBLISHER_ARENA_BYTES);
	p.st.kind = CALL_JOB;
	p.st.method = feed->def->feed;
	call_init(&p.c, &p.st, pub->rt, pub->conn, &arena);
	p.c.deadline_us = clock_mono_us() + PUBLISHER_DEADLINE_US;
	rc = publish_page(&p);
	if (rc < 0) {
		metric_add(pub->failures, 1);
		log_warn("svc.publish_failed", LOG_STR("feed", feed->def->feed),
			 LOG_STR("err", err_code(&p.c.err)));
	}
	crypt_hash_free(p.hash);
	if (p.c.tx.magic != 0)
		db_end(&p.c.tx);
	arena_done(&arena);
	return rc;
}

/* --- the thread --- */

/* Until something is new, or the time. */
static void rest(struct publisher *pub, int64_t ms)
{
	struct stopper *stop = &pub->rt->stop;
	int64_t until_us = clock_mono_us() + ms * 1000;

	pthread_mutex_lock(&stop->mutex);
	while (!stop->stopping && !pub->woken && clock_mono_us() < until_us)
		thread_cond_wait_until(&stop->cond, &stop->mutex, until_us);
	pub->woken = false;
	pthread_mutex_unlock(&stop->mutex);
}

/* Every feed a page. Returns what publish_once() did for the busiest, or that one failed. */
static int publish_all(struct publisher *pub)
{
	int most = 0;
	bool failed = false;

	for (unsigned i = 0; i < pub->n; i++) {
		int rc = publish_once(pub, &pub->feeds[i]);

		failed |= rc < 0;
		most = rc > most ? rc : most;
	}
	return failed ? -1 : most;
}

static void *publisher_run(void *arg)
{
	struct publisher *pub = arg;
	int64_t pause_ms = 0;

	while (!runtime_stopping(pub->rt)) {
		int rc = publish_all(pub);

		if (rc < 0) {
			pause_ms = pause_ms == 0 ? PUBLISHER_PAUSE_MIN : pause_ms * 2;
			pause_ms = pause_ms < PUBLISHER_PAUSE_MAX ? pause_ms : PUBLISHER_PAUSE_MAX;
			runtime_pause(pub->rt, pause_ms);
			continue;
		}
		pause_ms = 0;
		if (rc == 0)
			rest(pub, PUBLISHER_POLL_MS);
	}
	atomic_fetch_sub(&pub->rt->live, 1);
	return NULL;
}

static void feed_init(struct published_feed *feed, const struct svc_publication *def)
{
	char labels[96];

	feed->def = def;
	snprintf(labels, sizeof(labels), "feed=\"%s\"", def->feed);
	feed->head = metric_gauge("lgsp_published_high_water", labels,
				  "Position of the newest entry of a published feed");
	feed->lag = metric_gauge("lgsp_published_lag_events", labels,
				 "Events of the service not yet looked at by the publisher");
	feed->entries = metric_counter("lgsp_published_entries_total", labels,
				       "Entries published by this process");
}

struct publisher *publisher_start(struct svc_runtime *rt)
{
	struct db_config db = runtime_db_config(rt);
	struct publisher *pub;

	if (rt->def->n_publications == 0)
		return NULL;
	pub = base_alloc(sizeof(*pub));
	pub->rt = rt;
	pub->conn = db_conn_new(&db);
	pub->n = (unsigned)rt->def->n_publications;
	pub->feeds = base_alloc(pub->n * sizeof(pub->feeds[0]));
	for (unsigned i = 0; i < pub->n; i++)
		feed_init(&pub->feeds[i], &rt->def->publications[i]);
	pub->failures = metric_counter("lgsp_publish_failures_total", "",
				       "Pages of published feeds that failed");
	thread_start(&pub->thread, publisher_run, pub);
	return pub;
}

bool publisher_join(struct publisher *pub, int64_t timeout_ms)
{
	if (!pub)
		return true;
	if (!thread_join(pub->thread, timeout_ms))
		return false;
	db_conn_free(pub->conn);
	pub->conn = NULL;
	return true;
}

void publisher_free(struct publisher *pub)
{
	if (!pub)
		return;
	free(pub->feeds);
	free(pub);
}

void publisher_wake(struct publisher *pub)
{
	if (!pub)
		return;
	pthread_mutex_lock(&pub->rt->stop.mutex);
	pub->woken = true;
	pthread_cond_broadcast(&pub->rt->stop.cond);
	pthread_mutex_unlock(&pub->rt->stop.mutex);
}

int64_t publisher_high_water(const struct publisher *pub, unsigned n)
{
	return pub ? atomic_load(&pub->feeds[n].high_water) : 0;
}
