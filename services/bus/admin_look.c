#include <stdio.h>
#include <string.h>

#include "common/base/uuid.h"
#include "common/wire/header.h"
#include "lgsp/bus/v1/admin.pb-c.h"
#include "services/bus/admin.h"

#define SECONDS_DEFAULT 10
#define ROWS_DEFAULT    20
#define ROWS_MAX        200
#define TRACE_MAX       200

/* --- who is busy --- */

static void fill_row(const struct top_row *from, Bus__TopRow *out)
{
	bus__top_row__init(out);
	out->member = from->member;
	out->service = from->service;
	out->method = from->method;
	out->requests = from->requests;
	out->failed = from->failed;
	out->request_bytes = from->request_bytes;
	out->reply_bytes = from->reply_bytes;
	out->mean_us = from->took_us / (int64_t)from->requests;
}

int admin_top(struct broker *b, const ProtobufCMessage *in, struct arena *arena,
	      ProtobufCMessage **ret_out)
{
	const Bus__TopRequest *ask = (const Bus__TopRequest *)in;
	Bus__TopReply *out = arena_alloc(arena, sizeof(*out));
	struct top_row rows[ROWS_MAX];
	Bus__TopRow *messages;
	unsigned n;

	if (ask->seconds > TOP_SECONDS)
		return err_set(&b->err, &err_invalid_field, "seconds", "1..60");
	if (ask->limit > ROWS_MAX)
		return err_set(&b->err, &err_invalid_field, "limit", "1..200");
	if (!out)
		return admin_full(b);
	bus__top_reply__init(out);
	out->instance = b->config.instance;
	out->seconds = ask->seconds ? ask->seconds : SECONDS_DEFAULT;
	n = top_read(b->top, out->seconds, b->now_us, rows, ask->limit ? ask->limit : ROWS_DEFAULT);
	messages = arena_calloc(arena, n, sizeof(*messages));
	out->rows = arena_calloc(arena, n, sizeof(*out->rows));
	if (!messages || !out->rows)
		return admin_full(b);
	for (unsigned i = 0; i < n; i++) {
		fill_row(&rows[i], &messages[i]);
		out->rows[out->n_rows++] = &messages[i];
	}
	*ret_out = &out->base;
	return 0;
}

/* --- what became of a request --- */

struct wanted {
	const char *trace_id; /* NULL: the message id */
	uint8_t message_id[UUID_BYTES];
};

static bool is_wanted(const struct record *r, const struct wanted *w)
{
	if (r->gap)
		return false;
	if (w->trace_id)
		return strcmp(r->trace_id, w->trace_id) == 0;
	return r->has_id && memcmp(r->message_id, w->message_id, UUID_BYTES) == 0;
}

static int read_wanted(struct broker *b, const char *id, struct wanted *ret)
{
	if (strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32)
		ret->trace_id = id;
	else if (uuid_parse(id, ret->message_id) < 0)
		return err_set(&b->err, &err_invalid_field, "id",
			       "32 hex digits of a trace, or a message id as a UUID");
	return 0;
}

/* Newest first out of the ring, oldest first into the reply. */
static int find_records(struct broker *b, const struct wanted *w, struct arena *arena,
			Bus__TraceReply *out)
{
	const struct record *found[TRACE_MAX], *r;
	size_t n = 0;

	for (uint32_t i = 0; (r = records_recent(b->config.records, i)); i++) {
		out->reaches_us = r->arrived_us;
		if (n < TRACE_MAX && is_wanted(r, w))
			found[n++] = r;
	}
	out->records = arena_calloc(arena, n, sizeof(*out->records));
	while (out->records && n > 0) {
		Bus__Record *message = arena_alloc(arena, sizeof(*message));

		if (!message)
			return admin_full(b);
		record_store_message(found[--n], message);
		out->records[out->n_records++] = message;
	}
	return out->records ? 0 : admin_full(b);
}

int admin_trace(struct broker *b, const ProtobufCMessage *in, struct arena *arena,
		ProtobufCMessage **ret_out)
{
	Bus__TraceReply *out = arena_alloc(arena, sizeof(*out));
	struct wanted wanted = {0};
	int rc = read_wanted(b, ((const Bus__TraceRequest *)in)->id, &wanted);

	if (rc < 0)
		return rc;
	if (!out)
		return admin_full(b);
	bus__trace_reply__init(out);
	out->instance = b->config.instance;
	if (b->config.records)
		rc = find_records(b, &wanted, arena, out);
	*ret_out = &out->base;
	return rc;
}
