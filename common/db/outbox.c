/* Writing events. */
#include "common/db/outbox.h"

#include "common/base/base.h"
#include "common/base/crypt.h"
#include "common/base/uuid.h"
#include "common/db/tx.h"
#include "lgsp/feed/v1/feed.pb-c.h"

/* One event must fit into an answer of Feed.Pull. */
#define OUTBOX_EVENT_MAX_BYTES 917504

static const struct err_kind event_too_large = {ERR_TOO_LARGE, "EVENT_TOO_LARGE",
						"Sự kiện %s quá lớn", "the event %s is too large"};

#define OUTBOX_INSERT "INSERT INTO outbox(event, type, subject, version)"

static const struct db_stmt insert_stmt = {OUTBOX_INSERT " VALUES ($1, $2, $3, $4)"};

static const struct db_stmt insert_rows_stmt = {
	OUTBOX_INSERT " SELECT u.event, u.type, u.subject, u.version FROM"
		      " unnest($1, $2, $3, $4) WITH ORDINALITY"
		      " AS u (event, type, subject, version, n) ORDER BY u.n"};

/* Packs the payload and the event around it once: these bytes are stored, hashed and handed on. */
static uint8_t *pack_event(struct arena *arena, Feed__Event *event, const ProtobufCMessage *payload,
			   size_t *ret_n)
{
	size_t payload_len = protobuf_c_message_get_packed_size(payload);

	if (payload_len > OUTBOX_EVENT_MAX_BYTES)
		return NULL;
	event->payload.data = arena_alloc(arena, payload_len);
	event->payload.len = payload_len;
	if (!event->payload.data)
		return NULL;
	protobuf_c_message_pack(payload, event->payload.data);
	*ret_n = feed__event__get_packed_size(event);
	uint8_t *bytes = *ret_n <= OUTBOX_EVENT_MAX_BYTES ? arena_alloc(arena, *ret_n) : NULL;

	if (bytes)
		feed__event__pack(event, bytes);
	return bytes;
}

void outbox_add(struct db_tx *tx, const struct outbox_event *what)
{
	uint8_t id[UUID_BYTES];
	Feed__Event event = FEED__EVENT__INIT;
	size_t n;

	uuid_v7(id);
	event.id = (ProtobufCBinaryData){.data = id, .len = sizeof(id)};
	event.type = what->type;
	event.subject = what->subject;
	event.version = what->version;
	event.time_us = what->time_us;
	if (what->causation)
		event.causation_id = (ProtobufCBinaryData){.data = (uint8_t *)what->causation,
							   .len = UUID_BYTES};
	if (what->evidence)
		event.evidence = (ProtobufCBinaryData){.data = (uint8_t *)what->evidence,
						       .len = CRYPT_SHA256_BYTES};
	uint8_t *bytes = pack_event(tx->arena, &event, what->payload, &n);

	if (!bytes)
		tx_refuse(tx, &event_too_large, what->type);
	else if (db_shares_rows(tx))
		db_add_row(tx, &insert_rows_stmt, DB_BYTEA(bytes, n), DB_TEXT(what->type),
			   DB_TEXT(what->subject), DB_INT4(what->version));
	else
		db_add(tx, &insert_stmt, DB_BYTEA(bytes, n), DB_TEXT(what->type),
		       DB_TEXT(what->subject), DB_INT4(what->version));
}
