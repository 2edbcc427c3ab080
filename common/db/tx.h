/* A transaction's inside; private to common/db. */
#ifndef LGSP_DB_TX_H
#define LGSP_DB_TX_H

#include "common/db/conn.h"

/* What an item of the queue is for. */
enum tx_kind { TX_BEGIN, TX_INBOX, TX_STATEMENT, TX_COMMIT, TX_ROLLBACK };

/* What is queued of a statement over rows; rows.c. */
struct tx_rows;

struct tx_item {
	enum tx_kind kind;
	const struct db_stmt *stmt;
	int slot; /* -1: nobody reads the result; of the first row */
	struct tx_rows *rows;
	struct conn_params params;
	struct conn_prepared *prepared; /* its preparation goes before it in this flush */
};

/* A result, or some rows of it. */
struct tx_slot {
	PGresult *res;
	int first, n_rows;
	bool borrowed; /* another slot's to free */
};

struct db_tx_state {
	struct arena mem; /* of the queue, until it is flushed */
	struct tx_item *queue;
	unsigned n_queue, cap_queue;
	struct tx_slot *slots; /* live until db_end() */
	int n_slots, cap_slots;
	unsigned n_statements;
	bool sharing;        /* db_share_rows() */
	bool plain;          /* no BEGIN and COMMIT */
	bool begun;          /* the server has our transaction open */
	bool commit_sent;    /* from here on trouble means: unknown */
	bool commit_refused; /* COMMIT was answered by ROLLBACK */
	uint64_t generation; /* connection the transaction is on */
	/* the first failure of a flush */
	bool failed;
	bool fatal; /* FATAL or PANIC: the session ended, whatever it was doing */
	enum tx_kind failed_kind;
	char message[256];
	/* set by tx_refuse() */
	const struct err_kind *refusal;
	char refusal_arg[64];
	/* inbox */
	const void *reply;
	size_t reply_len;
	int read_slot;
};

struct tx_item *tx_push(struct db_tx *tx, enum tx_kind kind, const struct db_stmt *stmt);

/* --- rows.c --- */

/* NULL at the arena's cap. */
struct tx_rows *rows_new(struct arena *mem, size_t n_cols);
/* Copies the arguments. 0, ERR_TOO_LARGE, ERR_INVALID. */
int rows_add(struct arena *mem, struct tx_rows *rows, const struct db_arg *args, size_t n,
	     int slot);
int rows_encode(struct arena *mem, const struct tx_rows *rows, struct conn_params *ret_params);
/* Gives each row's slot its part of the result; the first owns it. */
void rows_deal(const struct tx_rows *rows, PGresult *res, struct tx_slot *slots);

/* --- inbox.c --- */

extern const struct db_stmt inbox_insert_stmt;

/* Parameters of the row; with the reply when db_commit() has given it already. */
int inbox_encode(struct db_tx *tx, struct conn_params *ret_params);
/* Queues the UPDATE that stores the reply in a row inserted by an earlier flush. */
int inbox_push_reply(struct db_tx *tx);
/* Queues the SELECT of the row that was there already. */
void inbox_push_read(struct db_tx *tx);
/* Sets tx->err, retry and replay from what inbox_push_read() found. */
void inbox_replay(struct db_tx *tx);

#endif
