/*
 * Usage of the bus, as its operational records say: taken in once, summed up by the hour, told in
 * the feed.
 */
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "lgsp/directory/v1/published.pb-c.h"
#include "services/directory/directory.h"

#define ROWS_MAX       500
#define NAME_MAX_BYTES 200
#define HOUR_US        (3600 * CLOCK_US_PER_S)

static const struct err_kind usage_differs = {ERR_CONFLICT, "USAGE_DIFFERS",
					      "Tệp %s đã được báo cáo với nội dung khác",
					      "file %s was reported before with other contents"};

static const struct db_stmt take_report = {
	"INSERT INTO usage_report (broker, file, hour, part, file_sha256, complete)"
	" VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING 1"};
static const struct db_stmt known_digest = {
	"SELECT file_sha256 FROM usage_report WHERE broker = $1 AND file = $2 AND hour = $3"
	" AND part = $4"};
static const struct db_stmt add_usage = {
	"INSERT INTO usage_hour AS u (hour, member, provider, service, method, status, requests,"
	" request_bytes, reply_bytes) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
	" ON CONFLICT (hour, member, provider, service, method, status) DO UPDATE SET"
	" requests = u.requests + EXCLUDED.requests,"
	" request_bytes = u.request_bytes + EXCLUDED.request_bytes,"
	" reply_bytes = u.reply_bytes + EXCLUDED.reply_bytes"};
static const struct db_stmt last_complete = {
	"SELECT file FROM usage_report WHERE broker = $1 AND complete ORDER BY file DESC LIMIT 1"};

/* --- rules --- */

static bool is_name(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= NAME_MAX_BYTES;
}

static bool is_digest(const char *s)
{
	uint8_t bytes[CRYPT_SHA256_BYTES];

	return strlen(s) == 2 * sizeof(bytes) && crypt_unhex(s, sizeof(bytes), bytes) == 0;
}

static void check_row(struct call *c, const Directory__UsageRow *row, size_t i)
{
	const char *field = arena_printf(c->arena, "report.rows[%zu]", i);

	if (strlen(row->member) > NAME_MAX_BYTES || strlen(row->provider) > NAME_MAX_BYTES ||
	    strlen(row->service) > NAME_MAX_BYTES || strlen(row->method) > NAME_MAX_BYTES)
		err_add(&c->err, &err_invalid_field, field, "names of at most 200 bytes");
	if (row->status == COMMON__STATUS__STATUS_UNSPECIFIED)
		err_add(&c->err, &err_invalid_field, field, "a status");
	if (row->requests < 1 || row->request_bytes < 0 || row->reply_bytes < 0)
		err_add(&c->err, &err_invalid_field, field, "requests >= 1, bytes >= 0");
}

static int check_report(struct call *c, const Directory__UsageReport *r)
{
	if (!r)
		return err_set(&c->err, &err_required_field, "report", NULL);
	if (!is_name(r->broker))
		err_add(&c->err, &err_required_field, "report.broker", NULL);
	if (!is_name(r->file))
		err_add(&c->err, &err_required_field, "report.file", NULL);
	if (!is_digest(r->file_sha256))
		err_add(&c->err, &err_invalid_field, "report.file_sha256", "64 hex digits");
	if (r->hour_us <= 0 || r->hour_us % HOUR_US != 0)
		err_add(&c->err, &err_invalid_field, "report.hour_us",
			"the first moment of an hour");
	if (r->part > 100000)
		err_add(&c->err, &err_invalid_field, "report.part", "0..100000");
	if (r->n_rows > ROWS_MAX)
		err_add(&c->err, &err_invalid_field, "report.rows", "at most 500");
	for (size_t i = 0; i < r->n_rows && i < ROWS_MAX; i++)
		check_row(c, r->rows[i], i);
	return c->err.status;
}

/* --- taking it in --- */

static void add_rows(struct call *c, const Directory__UsageReport *r)
{
	for (size_t i = 0; i < r->n_rows; i++) {
		const Directory__UsageRow *row = r->rows[i];

		tx_add(c, &add_usage, DB_TIME(r->hour_us), DB_TEXT(row->member),
		       DB_TEXT(row->provider), DB_TEXT(row->service), DB_TEXT(row->method),
		       DB_INT4((int)row->status), DB_INT8(row->requests),
		       DB_INT8(row->request_bytes), DB_INT8(row->reply_bytes));
	}
}

static void tell(struct call *c, const Directory__UsageReport *r)
{
	Directory__DirectoryUsageReported event = DIRECTORY__DIRECTORY_USAGE_REPORTED__INIT;

	event.report = (Directory__UsageReport *)(uintptr_t)r;
	tx_event(c, "directory.usage_reported", arena_printf(c->arena, "usage/%s", r->broker), 1,
		 &event.base);
}

/* Reported before: the same, or another file under its name. */
static int compare(struct call *c, const Directory__UsageReport *r)
{
	int slot = tx_add(c, &known_digest, DB_TEXT(r->broker), DB_TEXT(r->file),
			  DB_TIME(r->hour_us), DB_INT4((int)r->part));

	if (tx_flush(c) < 0)
		return c->err.status;
	if (strcmp(db_get_text(&c->tx, slot, 0, 0), r->file_sha256) != 0)
		return err_set(&c->err, &usage_differs, "report.file", r->file);
	return 0;
}

void directory_report_usage(Directory__DirectoryService_Service *svc,
			    const Directory__ReportUsageRequest *in,
			    Directory__ReportUsageReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__ReportUsageReply out = DIRECTORY__REPORT_USAGE_REPLY__INIT;
	const Directory__UsageReport *r = in->report;
	int slot;

	(void)svc;
	if (check_report(c, r) < 0)
		return call_fail(c);
	tx_begin(c);
	slot = tx_add(c, &take_report, DB_TEXT(r->broker), DB_TEXT(r->file), DB_TIME(r->hour_us),
		      DB_INT4((int)r->part), DB_TEXT(r->file_sha256), DB_BOOL(r->complete));
	if (tx_flush(c) < 0)
		return call_fail(c);
	out.already = db_rows(&c->tx, slot) == 0;
	if (out.already && compare(c, r) < 0)
		return call_fail(c);
	if (!out.already) {
		add_rows(c, r);
		tell(c, r);
	}
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

void directory_get_usage_cursor(Directory__DirectoryService_Service *svc,
				const Directory__GetUsageCursorRequest *in,
				Directory__GetUsageCursorReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__GetUsageCursorReply out = DIRECTORY__GET_USAGE_CURSOR_REPLY__INIT;
	int slot;

	(void)svc;
	if (!is_name(in->broker)) {
		err_set(&c->err, &err_required_field, "broker", NULL);
		return call_fail(c);
	}
	slot = call_query(c, &last_complete, DB_TEXT(in->broker));
	if (slot < 0)
		return call_fail(c);
	if (db_rows(&c->tx, slot) > 0)
		out.file = db_get_text(&c->tx, slot, 0, 0);
	reply(&out, data);
}

/* --- what others learn --- */

static bool same_parties(const Directory__PublishedUsageRow *a, const Directory__UsageRow *b)
{
	return strcmp(a->member, b->member) == 0 && strcmp(a->provider, b->provider) == 0 &&
	       strcmp(a->service, b->service) == 0;
}

/* The row of these parties, the last one first: rows come sorted. NULL at the arena's cap. */
static Directory__PublishedUsageRow *row_of(Directory__PublishedUsage *out,
					    const Directory__UsageRow *from, struct arena *arena)
{
	Directory__PublishedUsageRow *row;

	for (size_t i = out->n_rows; i > 0; i--)
		if (same_parties(out->rows[i - 1], from))
			return out->rows[i - 1];
	row = arena_alloc(arena, sizeof(*row));
	if (!row)
		return NULL;
	directory__published_usage_row__init(row);
	row->member = from->member;
	row->provider = from->provider;
	row->service = from->service;
	out->rows[out->n_rows++] = row;
	return row;
}

int directory_publish_usage(const struct svc_event *ev, struct arena *arena,
			    struct svc_published *ret)
{
	const Directory__UsageReport *r;
	Directory__PublishedUsage *out;

	if (strcmp(ev->type, "directory.usage_reported") != 0)
		return 0;
	r = ((const Directory__DirectoryUsageReported *)ev->payload)->report;
	out = arena_alloc(arena, sizeof(*out));
	if (!out)
		return -1;
	directory__published_usage__init(out);
	out->hour_us = r->hour_us;
	out->rows = arena_calloc(arena, r->n_rows, sizeof(*out->rows));
	for (size_t i = 0; out->rows && i < r->n_rows; i++) {
		Directory__PublishedUsageRow *row = row_of(out, r->rows[i], arena);

		if (!row)
			return -1;
		row->requests += r->rows[i]->requests;
		row->bytes += r->rows[i]->request_bytes + r->rows[i]->reply_bytes;
		if (r->rows[i]->status != COMMON__STATUS__STATUS_OK)
			row->failed += r->rows[i]->requests;
	}
	*ret = (struct svc_published){"directory.published_usage", ev->subject, &out->base};
	return out->rows ? 1 : -1;
}
