/*
 * PostgreSQL under straight-line code. A connection belongs to one thread. Statements of a
 * transaction are queued and sent together (libpq pipeline mode); a flush sends what is queued and
 * waits, without blocking in libpq, until the deadline. At the deadline the connection is closed -
 * never cancelled, a cancelled COMMIT may have happened - and the outcome is unknown.
 *
 *	static const struct db_stmt lock_task = {
 *		"SELECT state, version FROM task WHERE id = $1 FOR UPDATE"};
 *
 *	int slot = db_add(tx, &lock_task, DB_UUID(id));
 *	if (db_flush(tx) < 0)
 *		return tx->err->status;
 *	if (db_rows(tx, slot) == 0) …
 *
 * Statements are prepared on first use of a connection. Parameters and results are binary.
 */
#ifndef LGSP_DB_DB_H
#define LGSP_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"

#define DB_TX_STATEMENTS_MAX 4096 /* a profile of a province is one transaction */
#define DB_TX_BYTES_MAX      (8 * 1024 * 1024)

struct db_stmt {
	const char *sql; /* one statement with $1… */
};

enum db_type {
	DB_T_NULL,
	DB_T_BOOL,
	DB_T_INT4,
	DB_T_INT8,
	DB_T_TEXT,
	DB_T_BYTEA,
	DB_T_UUID,
	DB_T_TIMESTAMPTZ, /* unix microseconds; 0 is NULL: no legal act happened in 1970 */
	DB_T_DATE,        /* civil day; CIVIL_FOREVER is 'infinity' */
	DB_T_TEXT_ARRAY,
	DB_T_INT8_ARRAY,
};

struct db_arg {
	enum db_type type;
	int64_t num;
	const void *p;
	size_t n;
};

#define DB_NULL    ((struct db_arg){.type = DB_T_NULL})
#define DB_BOOL(v) ((struct db_arg){.type = DB_T_BOOL, .num = (v) ? 1 : 0})
#define DB_INT4(v) ((struct db_arg){.type = DB_T_INT4, .num = (v)})
#define DB_INT8(v) ((struct db_arg){.type = DB_T_INT8, .num = (v)})
/* NULL pointer: SQL NULL. */
#define DB_TEXT(s)         ((struct db_arg){.type = DB_T_TEXT, .p = (s)})
#define DB_BYTEA(ptr, len) ((struct db_arg){.type = DB_T_BYTEA, .p = (ptr), .n = (len)})
#define DB_UUID(ptr)       ((struct db_arg){.type = DB_T_UUID, .p = (ptr)})
#define DB_TIME(us)        ((struct db_arg){.type = DB_T_TIMESTAMPTZ, .num = (us)})
#define DB_DATE(day)       ((struct db_arg){.type = DB_T_DATE, .num = (day)})
/* An array of const char *, of int64_t. */
#define DB_TEXTS(ptr, len) ((struct db_arg){.type = DB_T_TEXT_ARRAY, .p = (ptr), .n = (len)})
#define DB_INT8S(ptr, len) ((struct db_arg){.type = DB_T_INT8_ARRAY, .p = (ptr), .n = (len)})

struct db_conn;

struct db_config {
	const char *dsn;           /* libpq conninfo, without password */
	const char *password_file; /* "" for none */
	const char *schema;        /* search_path */
	const char *name;          /* application_name */
};

/* Does not connect yet; connecting happens in the first use, within that use's deadline. */
struct db_conn *db_conn_new(const struct db_config *config);
void db_conn_free(struct db_conn *conn); /* NULL is fine */
/* Closes the socket; the next use connects again. */
void db_conn_reset(struct db_conn *conn);

/* Identity of a request, for the inbox. */
struct db_inbox {
	const char *caller;  /* member */
	const char *subject; /* on_behalf_of, "" for the member itself */
	const uint8_t *message_id;
	const char *method;
	const uint8_t *request_sha256;
	bool keep_for_ever; /* money */
};

/* How a failed transaction may be tried again. */
enum db_retry {
	DB_RETRY_NO,     /* a refusal or a bug: the same again gives the same */
	DB_RETRY_TX,     /* serialisation, deadlock, lost connection: run the whole again */
	DB_RETRY_REPLAY, /* the inbox has the reply: tx->replay */
};

struct db_tx {
	unsigned magic;
	struct db_conn *conn;
	struct arena *arena;
	struct err *err;
	int64_t deadline_us; /* monotonic */
	struct db_inbox inbox;
	bool has_inbox;
	bool open;
	enum db_retry retry; /* after a failure */
	const uint8_t *replay;
	size_t replay_len;
	char sqlstate[6]; /* of the failed statement, "" when none */
	char constraint[64];
	struct db_tx_state *state;
};

/*
 * Starts a transaction: queues BEGIN and, with inbox, the insertion of its row. Nothing is sent
 * yet. Results and error texts live in the arena or until db_end().
 */
void db_begin(struct db_tx *tx, struct db_conn *conn, const struct db_inbox *inbox,
	      struct arena *arena, int64_t deadline_us, struct err *err);

/*
 * Queues a statement with copies of its arguments; returns its slot. Too many or too large: the
 * next flush fails.
 */
int db_add_args(struct db_tx *tx, const struct db_stmt *stmt, const struct db_arg *args, size_t n);
#define db_add(tx, stmt, ...)                                                                      \
	db_add_args(tx, stmt, (const struct db_arg[]){__VA_ARGS__},                                \
		    sizeof((const struct db_arg[]){__VA_ARGS__}) / sizeof(struct db_arg))

/*
 * The same for a statement over rows: each of its parameters is an array with one element a row -
 * FROM unnest($1, $2 …) WITH ORDINALITY -, and what it returns comes ordered by the ordinal, its
 * last column. This queues one row, and the slot has what came of it. An array in a row travels as
 * its text: cast it, u.names::text[].
 */
int db_add_row_args(struct db_tx *tx, const struct db_stmt *stmt, const struct db_arg *args,
		    size_t n);
#define db_add_row(tx, stmt, ...)                                                                  \
	db_add_row_args(tx, stmt, (const struct db_arg[]){__VA_ARGS__},                            \
			sizeof((const struct db_arg[]){__VA_ARGS__}) / sizeof(struct db_arg))

/*
 * From here on rows of the same statement that are queued before a flush are sent together, in the
 * place of the first one; before, and in other transactions, each row is a statement of its own.
 */
void db_share_rows(struct db_tx *tx);
bool db_shares_rows(const struct db_tx *tx);

/*
 * Sends what is queued and waits for every result. 0, or the error with tx->err and tx->retry set;
 * the transaction is then rolled back. A row of the inbox that is there already with the same hash:
 * ERR_CONFLICT with DB_RETRY_REPLAY; with another hash: ERR_CONFLICT, code MESSAGE_ID_REUSED.
 */
int db_flush(struct db_tx *tx);

/*
 * Queues the reply for the inbox row (when there is one) and COMMIT, and flushes. After a failure
 * whose outcome is not known err->outcome_unknown is set: running the whole again with the same
 * inbox settles it.
 */
int db_commit(struct db_tx *tx, const void *reply, size_t reply_len);

/* Ends without commit when still open, frees results. Always call it; twice is fine. */
void db_end(struct db_tx *tx);

/*
 * One statement of its own, committed when it succeeds, outside any transaction: for reads.
 * tx must not be open. Returns the slot or the error.
 */
int db_query_args(struct db_tx *tx, struct db_conn *conn, struct arena *arena, int64_t deadline_us,
		  struct err *err, const struct db_stmt *stmt, const struct db_arg *args, size_t n);

/* --- results of a flushed slot --- */

int db_rows(const struct db_tx *tx, int slot);
/* Rows a statement without RETURNING changed: all of it, also when it was for many. */
int64_t db_affected(const struct db_tx *tx, int slot);
bool db_is_null(const struct db_tx *tx, int slot, int row, int col);
/* The column's type must fit the function (CHECK); NULL gives 0, "", false. */
bool db_get_bool(const struct db_tx *tx, int slot, int row, int col);
int64_t db_get_int(const struct db_tx *tx, int slot, int row, int col); /* int2, int4, int8 */
const char *db_get_text(const struct db_tx *tx, int slot, int row, int col);
const uint8_t *db_get_bytes(const struct db_tx *tx, int slot, int row, int col, size_t *ret_n);
int64_t db_get_time_us(const struct db_tx *tx, int slot, int row, int col);
int32_t db_get_date(const struct db_tx *tx, int slot, int row, int col);
/* text[]: array in the tx's arena; *ret_n its length. */
const char **db_get_texts(const struct db_tx *tx, int slot, int row, int col, size_t *ret_n);

#endif
