/*
 * How dossiers stand with the national portal. The connector asks what the portal does not know,
 * sends it, and reports; a report that is lost is asked for again, and no report touches a dossier.
 */
#include "common/base/utf8.h"
#include "services/dossier/dossier.h"

#define PAGE_DEFAULT  100
#define PAGE_MAX      500
#define MESSAGE_CHARS 500
#define EVENTS_A_RUN  1000

#define SYNC(name) DOSSIER__SYNC_STATE__SYNC_STATE_##name

static const struct err_kind not_offered = {
	ERR_CONFLICT, "SYNC_NOT_OFFERED", "Phiên bản này của hồ sơ %s chưa được giao để đồng bộ",
	"this version of dossier %s was not offered for synchronisation"};

static const struct db_stmt take_cursor = {"SELECT c.pos FROM national_sync_cursor c, feed_head h "
					   "WHERE c.pos < h.pos FOR UPDATE OF c"};

static const struct db_stmt move_cursor = {
	"UPDATE national_sync_cursor SET pos = (SELECT max(pos) FROM"
	" (SELECT pos FROM feed WHERE pos > $1 ORDER BY pos LIMIT $2) p)"};

/* Events that are not about a dossier (procedures) find none; one probe of the key each. */
static const struct db_stmt put_versions = {
	"INSERT INTO national_sync AS s (dossier, version, state, at)"
	" SELECT p.subject, max(p.version), 1, $3"
	" FROM (SELECT subject, version FROM feed WHERE pos > $1 ORDER BY pos LIMIT $2) p"
	" WHERE (SELECT true FROM dossier d WHERE d.code = p.subject) GROUP BY p.subject"
	" ON CONFLICT (dossier) DO UPDATE SET version = excluded.version, state = 1,"
	" at = excluded.at WHERE s.version < excluded.version"};

static const struct db_stmt read_pending = {
	"SELECT s.dossier, s.version, s.acknowledged, s.state, d.state, s.attempts, s.message"
	" FROM national_sync s JOIN dossier d ON d.code = s.dossier"
	" WHERE s.state <> 2 AND s.dossier > $1 AND (s.state = 1 OR $2)"
	" ORDER BY s.dossier LIMIT $3"};

static const struct db_stmt lock_sync = {
	"SELECT version, acknowledged, state, attempts FROM national_sync WHERE dossier = $1"
	" FOR UPDATE"};

static const struct db_stmt save_sync = {
	"UPDATE national_sync SET acknowledged = $2, state = $3, attempts = $4, message = $5,"
	" at = $6 WHERE dossier = $1"};

int dossier_job_sync(struct call *c)
{
	int64_t pos;
	int slot;

	tx_begin(c);
	slot = db_add_args(&c->tx, &take_cursor, NULL, 0);
	if (tx_flush(c) < 0)
		return c->err.status;
	if (db_rows(&c->tx, slot) == 0)
		return 0;
	pos = db_get_int(&c->tx, slot, 0, 0);
	tx_add(c, &put_versions, DB_INT8(pos), DB_INT8(EVENTS_A_RUN), DB_TIME(c->now_us));
	tx_add(c, &move_cursor, DB_INT8(pos), DB_INT8(EVENTS_A_RUN));
	return tx_commit(c, NULL) < 0 ? c->err.status : 1;
}

/* --- what is to be sent --- */

static int fill_pending(struct call *c, int slot, uint32_t limit, Dossier__SyncPendingReply *out)
{
	size_t rows = (size_t)db_rows(&c->tx, slot), n = rows > limit ? limit : rows;
	Dossier__SyncItem *list = arena_calloc(c->arena, n, sizeof(*list));

	out->items = arena_calloc(c->arena, n, sizeof(out->items[0]));
	if (!list || !out->items)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (size_t i = 0; i < n; i++) {
		dossier__sync_item__init(&list[i]);
		list[i].code = db_get_text(&c->tx, slot, (int)i, 0);
		list[i].version = (int32_t)db_get_int(&c->tx, slot, (int)i, 1);
		list[i].version_acknowledged = (int32_t)db_get_int(&c->tx, slot, (int)i, 2);
		list[i].state = (Dossier__SyncState)db_get_int(&c->tx, slot, (int)i, 3);
		list[i].dossier_state = (Dossier__DossierState)db_get_int(&c->tx, slot, (int)i, 4);
		list[i].attempts = (uint32_t)db_get_int(&c->tx, slot, (int)i, 5);
		list[i].message = db_get_text(&c->tx, slot, (int)i, 6);
		out->items[out->n_items++] = &list[i];
	}
	out->more = rows > limit;
	return 0;
}

DOSSIER_HANDLER(sync_pending, SyncPending)
{
	struct call *c = call_of(data);
	Dossier__SyncPendingReply out = DOSSIER__SYNC_PENDING_REPLY__INIT;
	uint32_t limit = in->limit ? in->limit : PAGE_DEFAULT;
	int slot;

	(void)svc;
	if (limit > PAGE_MAX) {
		err_set(&c->err, &err_invalid_field, "limit", "1..500");
		return call_fail(c);
	}
	slot = call_query(c, &read_pending, DB_TEXT(in->after_code), DB_BOOL(in->with_failed),
			  DB_INT8(limit + 1));
	if (slot < 0 || fill_pending(c, slot, limit, &out) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- what came of it --- */

struct sync_row {
	int32_t version, acknowledged;
	Dossier__SyncState state;
	int32_t attempts;
};

/* An acknowledgement settles its version and those before; a refusal only the newest one. */
static void apply_report(struct sync_row *row, const Dossier__SyncReportRequest *in)
{
	if (in->acknowledged) {
		if (in->version > row->acknowledged)
			row->acknowledged = in->version;
		row->attempts = 0;
		row->state = row->acknowledged == row->version ? SYNC(ACKNOWLEDGED) : SYNC(PENDING);
		return;
	}
	row->attempts++;
	if (in->version == row->version && row->acknowledged < row->version)
		row->state = SYNC(FAILED);
}

DOSSIER_HANDLER(sync_report, SyncReport)
{
	struct call *c = call_of(data);
	Dossier__SyncReportReply out = DOSSIER__SYNC_REPORT_REPLY__INIT;
	struct sync_row row;
	int slot;

	(void)svc;
	if (utf8_length(in->message) > MESSAGE_CHARS) {
		err_set(&c->err, &err_invalid_field, "message", "0..500");
		return call_fail(c);
	}
	tx_begin(c);
	slot = tx_add(c, &lock_sync, DB_TEXT(in->code));
	if (tx_flush(c) < 0)
		return call_fail(c);
	if (db_rows(&c->tx, slot) == 0) {
		err_set(&c->err, &dossier_unknown, "code", in->code);
		return call_fail(c);
	}
	row = (struct sync_row){.version = (int32_t)db_get_int(&c->tx, slot, 0, 0),
				.acknowledged = (int32_t)db_get_int(&c->tx, slot, 0, 1),
				.state = (Dossier__SyncState)db_get_int(&c->tx, slot, 0, 2),
				.attempts = (int32_t)db_get_int(&c->tx, slot, 0, 3)};
	if (in->version < 1 || in->version > row.version) {
		err_set(&c->err, &not_offered, "version", in->code);
		return call_fail(c);
	}
	apply_report(&row, in);
	tx_add(c, &save_sync, DB_TEXT(in->code), DB_INT4(row.acknowledged), DB_INT4(row.state),
	       DB_INT4(row.attempts), DB_TEXT(dossier_nfc(c, in->message)), DB_TIME(c->now_us));
	out.state = row.state;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
