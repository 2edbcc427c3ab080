/*
 * Events: written to the outbox in the transaction of the change, moved into the feed by a relay
 * that numbers them densely and seals each batch, read from the feed by position.
 *
 * Why so: a visible outbox row is committed, so the relay cannot skip one; the event is inserted
 * after the aggregate's row was locked, so per subject the order is the order of versions.
 */
#ifndef LGSP_DB_OUTBOX_H
#define LGSP_DB_OUTBOX_H

#include <protobuf-c/protobuf-c.h>

#include "common/db/db.h"

struct outbox_event {
	const char *type; /* "dossier.accepted" */
	const char *subject;
	int32_t version;          /* of the subject after the change */
	const uint8_t *causation; /* message id of the request or id of the event behind it: 16
				     bytes; NULL: none */
	const uint8_t
		*evidence; /* SHA-256 of what the service wrote in its own books; NULL: none */
	int64_t time_us;   /* business time */
	const ProtobufCMessage *payload;
};

/* Queues an event in an open transaction, behind the statements that changed its subject. */
void outbox_add(struct db_tx *tx, const struct outbox_event *what);

/* --- relay: one thread per process; several processes may run one --- */

struct relay;

struct relay_config {
	struct db_config db;
	/* Relay's thread, after each batch committed here or by another process (NOTIFY). */
	void (*on_moved)(int64_t high_water, void *arg);
	void *arg;
};

struct relay *relay_start(const struct relay_config *config);
/* Looks at the outbox now. Any thread, never blocks; call it after a commit that added events. */
void relay_signal(struct relay *relay);
/* Moves what is there (at most timeout_ms) and ends the thread. NULL is fine. */
void relay_stop(struct relay *relay, uint32_t timeout_ms);
/* Position of the newest event this relay knows of. */
int64_t relay_high_water(const struct relay *relay);

/* --- reading --- */

struct feed_entry {
	int64_t pos;
	const uint8_t *event; /* packed lgsp.feed.v1.Event */
	size_t event_len;
};

struct feed_seal {
	int64_t pos_to;
	int32_t count;
	const uint8_t *digest; /* 32 bytes */
};

struct feed_page {
	struct feed_entry *entries;
	size_t n_entries;
	struct feed_seal
		*seals; /* pos_to > after, up to the first one at or behind the last entry */
	size_t n_seals;
	int64_t high_water;
	const char *epoch;
};

/*
 * feed: NULL for the service's own feed, else the name of a published one (0003_published.sql); one
 * that was never written answers ERR_UNAVAILABLE.
 *
 * Entries behind a position, at most limit and max_bytes (one always fits). ERR_CONFLICT with code
 * CURSOR_AHEAD when after is beyond the high water, EPOCH_CHANGED when epoch ("" = any) is another.
 */
int feed_read(struct db_conn *conn, const char *feed, int64_t after, uint32_t limit,
	      uint32_t max_bytes, const char *epoch, struct arena *arena, int64_t deadline_us,
	      struct feed_page *ret_page, struct err *err);

/*
 * The end of the feed: seals has at most one entry, the last. pending: rows still in the outbox; of
 * a published feed: events of the service's own that it has not looked at.
 */
int feed_head(struct db_conn *conn, const char *feed, struct arena *arena, int64_t deadline_us,
	      struct feed_page *ret_page, int64_t *ret_pending, struct err *err);

#endif
