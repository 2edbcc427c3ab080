/* Reading the feed. */
#include <string.h>

#include "common/base/base.h"
#include "common/db/outbox.h"
#include "common/db/tx.h"

static const struct err_kind cursor_ahead = {ERR_CONFLICT, "CURSOR_AHEAD",
					     "Con trỏ đọc vượt quá cuối luồng sự kiện (%s)",
					     "the cursor is beyond the end of the feed (%s)"};
static const struct err_kind epoch_changed = {
	ERR_CONFLICT, "EPOCH_CHANGED", "Luồng sự kiện đã được khôi phục, kỷ nguyên hiện tại là %s",
	"the feed was restored, its epoch is now %s"};

/* A statement about the service's own feed, and the same about a published one, named last. */
struct feed_stmt {
	struct db_stmt own, published;
};

/*
 * The running sum cuts the page before bytes leave the server: a page of large events is not read
 * to be thrown away. octet_length() does not read what is stored out of line.
 */
#define ENTRIES(from)                                                                              \
	"SELECT pos, event FROM (SELECT pos, event, sum(octet_length(event)) OVER (ORDER BY pos"   \
	" ROWS UNBOUNDED PRECEDING) AS upto FROM (SELECT pos, event FROM " from " pos > $1"        \
	" ORDER BY pos LIMIT $2) p) q WHERE upto <= $3 OR upto = octet_length(event)"

static const struct feed_stmt entries_stmt = {{ENTRIES("feed WHERE")},
					      {ENTRIES("published WHERE feed = $4 AND")}};
static const struct feed_stmt head_stmt = {{"SELECT pos, epoch FROM feed_head"},
					   {"SELECT pos, epoch FROM publication WHERE feed = $1"}};
static const struct feed_stmt seals_stmt = {
	{"SELECT pos_to, count, digest FROM seal WHERE pos_to > $1 ORDER BY pos_to LIMIT $2"},
	{"SELECT pos_to, count, digest FROM published_seal WHERE feed = $3 AND pos_to > $1"
	 " ORDER BY pos_to LIMIT $2"}};
static const struct feed_stmt last_seal_stmt = {
	{"SELECT pos_to, count, digest FROM seal ORDER BY pos_to DESC LIMIT 1"},
	{"SELECT pos_to, count, digest FROM published_seal WHERE feed = $1"
	 " ORDER BY pos_to DESC LIMIT 1"}};
static const struct feed_stmt pending_stmt = {
	{"SELECT count(*) FROM outbox"},
	{"SELECT h.pos - p.cursor FROM feed_head h, publication p WHERE p.feed = $1"}};

static int add(struct db_tx *tx, const char *feed, const struct feed_stmt *stmt,
	       const struct db_arg *args, size_t n)
{
	struct db_arg all[4];

	if (!feed)
		return db_add_args(tx, &stmt->own, args, n);
	if (n > 0)
		memcpy(all, args, n * sizeof(*args));
	all[n] = DB_TEXT(feed);
	return db_add_args(tx, &stmt->published, all, n + 1);
}

static int copy_entries(const struct db_tx *tx, int slot, struct arena *arena,
			struct feed_page *page)
{
	size_t n = (size_t)db_rows(tx, slot);

	page->entries = arena_calloc(arena, n, sizeof(*page->entries));
	for (size_t i = 0; page->entries && i < n; i++) {
		struct feed_entry *e = &page->entries[i];
		const uint8_t *event = db_get_bytes(tx, slot, (int)i, 1, &e->event_len);

		e->pos = db_get_int(tx, slot, (int)i, 0);
		e->event = (const uint8_t *)arena_memdup(arena, event, e->event_len);
		if (!e->event)
			return ERR_TOO_LARGE;
	}
	page->n_entries = n;
	return page->entries ? 0 : ERR_TOO_LARGE;
}

/* Up to the first seal at or behind pos. */
static int copy_seals(const struct db_tx *tx, int slot, struct arena *arena, int64_t pos,
		      struct feed_page *page)
{
	size_t n = (size_t)db_rows(tx, slot);
	size_t digest_len;

	page->seals = arena_calloc(arena, n, sizeof(*page->seals));
	for (size_t i = 0; page->seals && i < n; i++) {
		struct feed_seal *s = &page->seals[page->n_seals];
		const uint8_t *digest = db_get_bytes(tx, slot, (int)i, 2, &digest_len);

		s->pos_to = db_get_int(tx, slot, (int)i, 0);
		s->count = (int32_t)db_get_int(tx, slot, (int)i, 1);
		s->digest = (const uint8_t *)arena_memdup(arena, digest, digest_len);
		if (!s->digest)
			return ERR_TOO_LARGE;
		page->n_seals++;
		if (s->pos_to >= pos)
			break;
	}
	return page->seals ? 0 : ERR_TOO_LARGE;
}

static int copy_head(const struct db_tx *tx, int slot, struct arena *arena, struct feed_page *page,
		     struct err *err)
{
	/* A published feed gets its row when its service starts; the service's own has one always.
	 */
	if (db_rows(tx, slot) != 1)
		return err_set_retry(err, &err_unavailable, "feed", 1000);
	page->high_water = db_get_int(tx, slot, 0, 0);
	page->epoch = arena_strdup(arena, db_get_text(tx, slot, 0, 1));
	return page->epoch ? 0 : err_set(err, &err_too_large, NULL, "feed");
}

static int check_cursor(const struct feed_page *page, int64_t after, const char *epoch,
			struct arena *arena, struct err *err)
{
	if (epoch[0] && strcmp(epoch, page->epoch) != 0)
		return err_set(err, &epoch_changed, "epoch", page->epoch);
	if (after > page->high_water)
		return err_set(err, &cursor_ahead, "after",
			       arena_printf(arena, "%lld > %lld", (long long)after,
					    (long long)page->high_water));
	return 0;
}

/* Entries first: what the later statements see is at least as new. */
static int read_page(struct db_tx *tx, const char *feed, const struct db_arg bounds[static 3],
		     const char *epoch, struct feed_page *page)
{
	int entries = add(tx, feed, &entries_stmt, bounds, 3);
	int head = add(tx, feed, &head_stmt, NULL, 0);
	int seals = add(tx, feed, &seals_stmt, bounds, 2);
	int64_t after = bounds[0].num;

	if (db_flush(tx) < 0 || copy_head(tx, head, tx->arena, page, tx->err) < 0 ||
	    check_cursor(page, after, epoch, tx->arena, tx->err) < 0)
		return tx->err->status;
	if (copy_entries(tx, entries, tx->arena, page) < 0)
		return err_set(tx->err, &err_too_large, NULL, "feed");
	if (page->n_entries == 0)
		return 0;
	int64_t last = page->entries[page->n_entries - 1].pos;

	if (copy_seals(tx, seals, tx->arena, last, page) < 0)
		return err_set(tx->err, &err_too_large, NULL, "feed");
	return 0;
}

int feed_read(struct db_conn *conn, const char *feed, int64_t after, uint32_t limit,
	      uint32_t max_bytes, const char *epoch, struct arena *arena, int64_t deadline_us,
	      struct feed_page *ret_page, struct err *err)
{
	struct feed_page page = {.epoch = ""};
	struct db_tx tx = {.magic = 0};

	tx_open_plain(&tx, conn, arena, deadline_us, err);
	int rc = read_page(
		&tx, feed,
		(const struct db_arg[]){DB_INT8(after), DB_INT8(limit), DB_INT8(max_bytes)}, epoch,
		&page);

	tx_close_plain(&tx);
	db_end(&tx);
	if (rc == 0)
		*ret_page = page;
	return rc;
}

static int read_head(struct db_tx *tx, const char *feed, struct feed_page *page,
		     int64_t *ret_pending)
{
	int pending = add(tx, feed, &pending_stmt, NULL, 0);
	int seal = add(tx, feed, &last_seal_stmt, NULL, 0);
	int head = add(tx, feed, &head_stmt, NULL, 0);

	if (db_flush(tx) < 0 || copy_head(tx, head, tx->arena, page, tx->err) < 0)
		return tx->err->status;
	if (copy_seals(tx, seal, tx->arena, 0, page) < 0)
		return err_set(tx->err, &err_too_large, NULL, "feed");
	*ret_pending = db_get_int(tx, pending, 0, 0);
	return 0;
}

int feed_head(struct db_conn *conn, const char *feed, struct arena *arena, int64_t deadline_us,
	      struct feed_page *ret_page, int64_t *ret_pending, struct err *err)
{
	struct feed_page page = {.epoch = ""};
	struct db_tx tx = {.magic = 0};

	tx_open_plain(&tx, conn, arena, deadline_us, err);
	int rc = read_head(&tx, feed, &page, ret_pending);

	tx_close_plain(&tx);
	db_end(&tx);
	if (rc == 0)
		*ret_page = page;
	return rc;
}
