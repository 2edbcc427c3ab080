/*
 * The inbox: who has done a message id already, and what was answered. The row is inserted first in
 * its transaction, so that a second execution waits at the unique index for the first one's end.
 */
#include "common/db/inbox.h"

#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "common/base/uuid.h"
#include "common/db/tx.h"

static const struct err_kind message_id_reused = {ERR_CONFLICT, "MESSAGE_ID_REUSED",
						  "Mã thông điệp đã được dùng cho một yêu cầu khác",
						  "the message id was used for another request"};
static const struct err_kind already_done = {ERR_CONFLICT, "ALREADY_DONE",
					     "Yêu cầu này đã được thực hiện",
					     "this request has been executed already"};

#define INBOX_INSERT                                                                               \
	"INSERT INTO inbox(caller, subject, message_id, method, request_sha256, keep, reply)"

const struct db_stmt inbox_insert_stmt = {INBOX_INSERT " VALUES ($1, $2, $3, $4, $5, $6, $7)"};

static const struct db_stmt insert_rows_stmt = {
	INBOX_INSERT " SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7)"};

static const struct db_stmt reply_stmt = {
	"UPDATE inbox SET reply = $4 WHERE caller = $1 AND subject = $2 AND message_id = $3"};

/*
 * The lock makes this reading a transaction whose own commit waits for the synchronous standby, and
 * so for the earlier commit too: a row that became visible by a crash or a cancelled wait is not
 * acknowledged before it is safe.
 */
static const struct db_stmt read_stmt = {
	"SELECT method, request_sha256, reply FROM inbox"
	" WHERE caller = $1 AND subject = $2 AND message_id = $3 FOR UPDATE"};

/* The scalar subquery keeps it one index probe each, whatever the planner thinks of the table. */
static const struct db_stmt find_stmt = {
	"SELECT u.n::int FROM unnest($1::text[], $2::text[], $3::text[])"
	" WITH ORDINALITY AS u (caller, subject, id, n)"
	" WHERE (SELECT true FROM inbox i WHERE i.caller = u.caller AND i.subject = u.subject"
	" AND i.message_id = u.id::uuid)"};

static const struct db_stmt prune_stmt = {
	"DELETE FROM inbox WHERE ctid = ANY (ARRAY("
	"SELECT ctid FROM inbox WHERE at < $1 AND NOT keep LIMIT $2))"};

int inbox_encode(struct db_tx *tx, struct conn_params *ret_params)
{
	const struct db_inbox *in = &tx->inbox;
	const struct db_tx_state *st = tx->state;
	const struct db_arg args[] = {DB_TEXT(in->caller),
				      DB_TEXT(in->subject),
				      DB_UUID(in->message_id),
				      DB_TEXT(in->method),
				      DB_BYTEA(in->request_sha256, CRYPT_SHA256_BYTES),
				      DB_BOOL(in->keep_for_ever),
				      DB_BYTEA(st->reply, st->reply_len)};

	return param_encode(&tx->state->mem, args, ARRAY_LEN(args), ret_params);
}

int inbox_push_reply(struct db_tx *tx)
{
	const struct db_inbox *in = &tx->inbox;
	const struct db_tx_state *st = tx->state;
	const void *reply = st->reply ? st->reply : "";
	const struct db_arg args[] = {DB_TEXT(in->caller), DB_TEXT(in->subject),
				      DB_UUID(in->message_id), DB_BYTEA(reply, st->reply_len)};

	return param_encode(&tx->state->mem, args, ARRAY_LEN(args),
			    &tx_push(tx, TX_STATEMENT, &reply_stmt)->params);
}

void inbox_push_read(struct db_tx *tx)
{
	const struct db_inbox *in = &tx->inbox;

	/* A slot of its own; db_add() wants an open transaction, which this still is. */
	tx->state->read_slot = db_add(tx, &read_stmt, DB_TEXT(in->caller), DB_TEXT(in->subject),
				      DB_UUID(in->message_id));
}

void inbox_replay(struct db_tx *tx)
{
	int slot = tx->state->read_slot;
	size_t hash_len;

	if (db_rows(tx, slot) == 0) {
		/* Pruned just now: there is no such row any more. */
		tx->retry = DB_RETRY_TX;
		err_set_retry(tx->err, &db_err_contention, NULL, 1);
		return;
	}
	const uint8_t *hash = db_get_bytes(tx, slot, 0, 1, &hash_len);

	if (hash_len != CRYPT_SHA256_BYTES ||
	    !crypt_equal(hash, tx->inbox.request_sha256, CRYPT_SHA256_BYTES) ||
	    strcmp(db_get_text(tx, slot, 0, 0), tx->inbox.method) != 0) {
		tx->retry = DB_RETRY_NO;
		err_set(tx->err, &message_id_reused, NULL, NULL);
		return;
	}
	const uint8_t *reply = db_get_bytes(tx, slot, 0, 2, &tx->replay_len);

	tx->replay = (const uint8_t *)arena_memdup(tx->arena, reply, tx->replay_len);
	tx->retry = DB_RETRY_REPLAY;
	err_set(tx->err, &already_done, NULL, NULL);
	if (tx->replay)
		return;
	tx->retry = DB_RETRY_NO;
	err_set(tx->err, &err_too_large, NULL, "reply");
}

int inbox_find(struct db_tx *tx, const struct db_inbox *requests, size_t n)
{
	const char **callers = arena_calloc(tx->arena, n, sizeof(*callers));
	const char **subjects = arena_calloc(tx->arena, n, sizeof(*subjects));
	const char **ids = arena_calloc(tx->arena, n, sizeof(*ids));

	if (!callers || !subjects || !ids) {
		tx_refuse(tx, &err_too_large, "requests");
		return db_add_args(tx, &find_stmt, NULL, 0);
	}
	for (size_t i = 0; i < n; i++) {
		char id[2 * UUID_BYTES + 1];

		crypt_hex(requests[i].message_id, UUID_BYTES, id);
		callers[i] = requests[i].caller;
		subjects[i] = requests[i].subject;
		ids[i] = arena_strdup(tx->arena, id);
	}
	return db_add(tx, &find_stmt, DB_TEXTS(callers, n), DB_TEXTS(subjects, n),
		      DB_TEXTS(ids, n));
}

void inbox_add_done(struct db_tx *tx, const struct db_inbox *in, const void *reply,
		    size_t reply_len)
{
	db_add_row(tx, &insert_rows_stmt, DB_TEXT(in->caller), DB_TEXT(in->subject),
		   DB_UUID(in->message_id), DB_TEXT(in->method),
		   DB_BYTEA(in->request_sha256, CRYPT_SHA256_BYTES), DB_BOOL(in->keep_for_ever),
		   DB_BYTEA(reply_len > 0 ? reply : "", reply_len));
}

int inbox_prune(struct db_conn *conn, int64_t before_us, uint32_t limit, struct arena *arena,
		int64_t deadline_us, int64_t *ret_deleted, struct err *err)
{
	const struct db_arg args[] = {DB_TIME(before_us), DB_INT8(limit)};
	struct db_tx tx = {.magic = 0};
	int slot = db_query_args(&tx, conn, arena, deadline_us, err, &prune_stmt, args,
				 ARRAY_LEN(args));

	if (slot >= 0)
		*ret_deleted = db_affected(&tx, slot);
	db_end(&tx);
	return slot < 0 ? slot : 0;
}
