/* Transactions: the queue of statements, the flush, and what becomes of it. */
#include "common/db/tx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/metric.h"

#define TX_MAGIC 0x44425458u
/* Advised wait when the database does not answer. */
#define TX_AWAY_MS 500

static const struct db_stmt begin_stmt = {"BEGIN"};
static const struct db_stmt commit_stmt = {"COMMIT"};
static const struct db_stmt rollback_stmt = {"ROLLBACK"};

static const struct err_kind too_large = {ERR_TOO_LARGE, "TRANSACTION_TOO_LARGE",
					  "Giao dịch quá lớn", "the transaction is too large"};
static const struct err_kind number_out_of_range = {
	ERR_INVALID, "VALUE_REFUSED", "Giá trị số vượt giới hạn", "a number is out of range"};

/* --- state --- */

static struct db_tx_state *state_of(const struct db_tx *tx)
{
	CHECK(tx->magic == TX_MAGIC);
	return tx->state;
}

/* Keeps the results of earlier reads: their slots stay good until db_end(). */
static void tx_init(struct db_tx *tx, struct db_conn *conn, struct arena *arena,
		    int64_t deadline_us, struct err *err)
{
	struct db_tx_state *st = tx->magic == TX_MAGIC ? tx->state : base_alloc(sizeof(*st));
	struct tx_slot *slots = st->slots;
	struct tx_item *queue = st->queue;
	int n_slots = st->n_slots, cap_slots = st->cap_slots;
	unsigned cap_queue = st->cap_queue;

	if (tx->magic == TX_MAGIC)
		CHECK(!tx->open);
	arena_done(&st->mem);
	*st = (struct db_tx_state){.slots = slots,
				   .n_slots = n_slots,
				   .cap_slots = cap_slots,
				   .queue = queue,
				   .cap_queue = cap_queue};
	arena_init(&st->mem, DB_TX_BYTES_MAX);
	*tx = (struct db_tx){.magic = TX_MAGIC,
			     .conn = conn,
			     .arena = arena,
			     .err = err,
			     .deadline_us = deadline_us,
			     .open = true,
			     .state = st};
}

struct tx_item *tx_push(struct db_tx *tx, enum tx_kind kind, const struct db_stmt *stmt)
{
	struct db_tx_state *st = tx->state;

	if (st->n_queue == st->cap_queue) {
		st->cap_queue = st->cap_queue ? 2 * st->cap_queue : 16;
		st->queue = base_realloc(st->queue, st->cap_queue * sizeof(*st->queue));
	}
	struct tx_item *item = &st->queue[st->n_queue++];

	*item = (struct tx_item){.kind = kind, .stmt = stmt, .slot = -1};
	return item;
}

static void queue_reset(struct db_tx_state *st)
{
	st->n_queue = 0;
	arena_done(&st->mem);
	arena_init(&st->mem, DB_TX_BYTES_MAX);
}

void db_begin(struct db_tx *tx, struct db_conn *conn, const struct db_inbox *inbox,
	      struct arena *arena, int64_t deadline_us, struct err *err)
{
	tx_init(tx, conn, arena, deadline_us, err);
	tx_push(tx, TX_BEGIN, &begin_stmt);
	if (!inbox)
		return;
	tx->inbox = *inbox;
	tx->has_inbox = true;
	tx_push(tx, TX_INBOX, &inbox_insert_stmt);
}

void tx_open_plain(struct db_tx *tx, struct db_conn *conn, struct arena *arena, int64_t deadline_us,
		   struct err *err)
{
	tx_init(tx, conn, arena, deadline_us, err);
	tx->state->plain = true;
}

void tx_close_plain(struct db_tx *tx)
{
	CHECK(state_of(tx)->plain);
	tx->open = false;
}

void tx_refuse(struct db_tx *tx, const struct err_kind *kind, const char *arg)
{
	struct db_tx_state *st = state_of(tx);

	if (st->refusal)
		return;
	st->refusal = kind;
	snprintf(st->refusal_arg, sizeof(st->refusal_arg), "%s", arg ? arg : "");
}

static int new_slot(struct db_tx_state *st)
{
	if (st->n_slots == st->cap_slots) {
		st->cap_slots = st->cap_slots ? 2 * st->cap_slots : 16;
		st->slots = base_realloc(st->slots, (size_t)st->cap_slots * sizeof(*st->slots));
	}
	st->slots[st->n_slots] = (struct tx_slot){.res = NULL};
	return st->n_slots++;
}

void db_share_rows(struct db_tx *tx)
{
	state_of(tx)->sharing = true;
}

bool db_shares_rows(const struct db_tx *tx)
{
	return state_of(tx)->sharing;
}

static void note_encoded(struct db_tx *tx, int rc)
{
	if (rc < 0)
		tx_refuse(tx, rc == ERR_INVALID ? &number_out_of_range : &too_large, NULL);
}

/* The slot of one more statement or row, and whether it may be queued. */
static int take_slot(struct db_tx *tx, bool *ret_room)
{
	struct db_tx_state *st = state_of(tx);
	int slot = new_slot(st);

	/* A transaction that failed says so at every flush; its queue stays empty. */
	*ret_room = tx->open && ++st->n_statements <= DB_TX_STATEMENTS_MAX;
	if (tx->open && !*ret_room)
		tx_refuse(tx, &too_large, NULL);
	return slot;
}

int db_add_args(struct db_tx *tx, const struct db_stmt *stmt, const struct db_arg *args, size_t n)
{
	bool room;
	int slot = take_slot(tx, &room);

	if (!room)
		return slot;
	struct tx_item *item = tx_push(tx, TX_STATEMENT, stmt);

	item->slot = slot;
	note_encoded(tx, param_encode(&tx->state->mem, args, n, &item->params));
	return slot;
}

/* The statement this one is a row of, or a new one. */
static struct tx_item *item_of_rows(struct db_tx *tx, const struct db_stmt *stmt, size_t n_args)
{
	struct db_tx_state *st = tx->state;
	struct tx_item *item;

	for (unsigned i = 0; st->sharing && i < st->n_queue; i++)
		if (st->queue[i].stmt == stmt && st->queue[i].rows)
			return &st->queue[i];
	item = tx_push(tx, TX_STATEMENT, stmt);
	item->rows = rows_new(&st->mem, n_args);
	return item;
}

int db_add_row_args(struct db_tx *tx, const struct db_stmt *stmt, const struct db_arg *args,
		    size_t n)
{
	bool room;
	int slot = take_slot(tx, &room);

	if (!room)
		return slot;
	struct tx_item *item = item_of_rows(tx, stmt, n);

	if (item->slot < 0)
		item->slot = slot;
	note_encoded(tx, item->rows ? rows_add(&tx->state->mem, item->rows, args, n, slot)
				    : ERR_TOO_LARGE);
	return slot;
}

/* --- sending and draining --- */

static int send_queue(struct db_tx *tx)
{
	struct db_tx_state *st = tx->state;

	for (unsigned i = 0; i < st->n_queue; i++) {
		struct tx_item *item = &st->queue[i];

		if (conn_send(tx->conn, item->stmt, &item->params, &item->prepared) < 0)
			return CONN_LOST;
		if (item->kind == TX_COMMIT)
			st->commit_sent = true;
	}
	return conn_sync(tx->conn);
}

static void note_failure(struct db_tx *tx, enum tx_kind kind, const PGresult *res)
{
	struct db_tx_state *st = tx->state;
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
	const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	if (st->failed)
		return;
	st->failed = true;
	st->failed_kind = kind;
	st->fatal = !severity || strcmp(severity, "ERROR") != 0;
	snprintf(tx->sqlstate, sizeof(tx->sqlstate), "%s", state ? state : "");
	snprintf(tx->constraint, sizeof(tx->constraint), "%s", constraint ? constraint : "");
	snprintf(st->message, sizeof(st->message), "%s", message ? message : "");
}

static void keep_result(struct db_tx_state *st, const struct tx_item *item, PGresult *res)
{
	if (item->rows)
		rows_deal(item->rows, res, st->slots);
	else
		st->slots[item->slot] = (struct tx_slot){.res = res, .n_rows = PQntuples(res)};
}

/* Takes the result over. item: NULL for what comes with the Sync itself. */
static void take_result(struct db_tx *tx, struct tx_item *item, bool preparing, PGresult *res)
{
	struct db_tx_state *st = tx->state;
	ExecStatusType status = PQresultStatus(res);
	bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

	if (!ok && status != PGRES_PIPELINE_ABORTED)
		note_failure(tx, item ? item->kind : TX_COMMIT, res);
	if (item && preparing) {
		conn_settle(tx->conn, item->prepared, ok);
		item->prepared = NULL;
	} else if (item && ok && item->slot >= 0 && !st->slots[item->slot].res) {
		keep_result(st, item, res);
		return;
	} else if (item && ok && item->kind == TX_COMMIT) {
		st->commit_refused = strcmp(PQcmdStatus(res), "COMMIT") != 0;
	}
	PQclear(res);
}

static int drain(struct db_tx *tx)
{
	struct db_tx_state *st = tx->state;
	unsigned at = 0;
	bool preparing = st->n_queue > 0 && st->queue[0].prepared;

	for (;;) {
		struct tx_item *item = at < st->n_queue ? &st->queue[at] : NULL;
		PGresult *res;

		tx->conn->in_commit = !st->failed && item && item->kind == TX_COMMIT;
		int rc = conn_next(tx->conn, tx->deadline_us, &res);

		if (rc < 0)
			return rc;
		if (res && PQresultStatus(res) == PGRES_PIPELINE_SYNC) {
			PQclear(res);
			return 0;
		}
		if (res) {
			take_result(tx, item, preparing, res);
		} else if (!item) {
			return CONN_LOST; /* an end without a Sync: out of step */
		} else if (preparing) {
			preparing = false;
		} else {
			at++;
			preparing = at < st->n_queue && st->queue[at].prepared;
		}
	}
}

/* Sends the queue and takes every answer. 0 (st->failed: the server refused), or conn_trouble. */
static int exchange(struct db_tx *tx)
{
	struct db_tx_state *st = tx->state;
	int rc;

	if (clock_mono_us() >= tx->deadline_us)
		return CONN_DEADLINE;
	tx->conn->commit_warned = false;
	if (st->begun)
		rc = tx->conn->generation == st->generation && tx->conn->pg ? 0 : CONN_LOST;
	else
		rc = conn_open(tx->conn, tx->deadline_us);
	if (rc == 0) {
		st->generation = tx->conn->generation;
		rc = send_queue(tx);
	}
	if (rc == 0)
		rc = drain(tx);
	tx->conn->in_commit = false;
	queue_reset(st);
	return rc;
}

/* --- failures --- */

static int fail(struct db_tx *tx)
{
	tx->open = false;
	queue_reset(tx->state);
	return tx->err->status;
}

static void mark_unknown(struct db_tx *tx)
{
	tx->err->outcome_unknown = true;
	metric_add(
		metric_counter("lgsp_db_unknown_total", "", "Commits whose outcome was not learnt"),
		1);
}

/* The socket or the time failed: nothing can be asked any more. */
static int fail_trouble(struct db_tx *tx, int trouble)
{
	conn_close(tx->conn);
	if (trouble == CONN_DEADLINE)
		err_set(tx->err, &err_deadline_passed, NULL, NULL);
	else
		err_set_retry(tx->err, &db_err_away, NULL, TX_AWAY_MS);
	tx->retry = DB_RETRY_TX;
	if (tx->state->commit_sent)
		mark_unknown(tx);
	return fail(tx);
}

/* Brings the connection back to idle, or closes it. */
static void roll_back(struct db_tx *tx)
{
	struct db_conn *conn = tx->conn;
	struct db_tx_state *st = tx->state;

	queue_reset(st);
	if (!conn->pg || conn->generation != st->generation)
		return;
	if (PQtransactionStatus(conn->pg) == PQTRANS_IDLE)
		return;
	tx_push(tx, TX_ROLLBACK, &rollback_stmt);
	st->begun = true;
	if (exchange(tx) < 0 || PQtransactionStatus(conn->pg) != PQTRANS_IDLE)
		conn_close(conn);
}

/* No such prepared statement, or its result type changed: once again on a fresh connection. */
static bool again_unprepared(struct db_tx *tx)
{
	if (strcmp(tx->sqlstate, "26000") != 0 && strcmp(tx->sqlstate, "0A000") != 0)
		return true;
	return ++tx->conn->lost_stmts < 2;
}

/* The server refused a statement. */
static int fail_sql(struct db_tx *tx)
{
	struct db_tx_state *st = tx->state;
	const struct sqlstate_rule *rule = sqlstate_find(tx->sqlstate);

	if (!again_unprepared(tx))
		rule = sqlstate_find("");
	if (rule->kind == &err_internal)
		log_error("db.bug", LOG_STR("sqlstate", tx->sqlstate),
			  LOG_STR("message", st->message));
	tx->retry = rule->retry;
	if (rule->retry_after_ms > 0)
		err_set_retry(tx->err, rule->kind, NULL, rule->retry_after_ms);
	else
		err_set(tx->err, rule->kind, NULL, tx->constraint);
	/* An ERROR is the server's word that nothing was committed; a FATAL one is not. */
	if (st->fatal && st->commit_sent) {
		tx->retry = DB_RETRY_TX;
		mark_unknown(tx);
	}
	if (rule->reconnect || st->fatal)
		conn_close(tx->conn);
	roll_back(tx);
	return fail(tx);
}

/* The message id is in the inbox: answers what was answered then. */
static int fail_duplicate(struct db_tx *tx)
{
	struct db_tx_state *st = tx->state;

	roll_back(tx);
	*tx->sqlstate = *tx->constraint = '\0';
	st->failed = st->begun = st->commit_sent = false;
	tx_push(tx, TX_BEGIN, &begin_stmt);
	inbox_push_read(tx);
	tx_push(tx, TX_COMMIT, &commit_stmt);
	int rc = exchange(tx);

	if (rc < 0)
		return fail_trouble(tx, rc);
	if (st->failed)
		return fail_sql(tx);
	if (tx->conn->commit_warned || PQtransactionStatus(tx->conn->pg) != PQTRANS_IDLE)
		return fail_trouble(tx, CONN_LOST);
	inbox_replay(tx);
	return fail(tx);
}

static int flush_failed(struct db_tx *tx, int trouble)
{
	struct db_tx_state *st = tx->state;

	if (trouble < 0)
		return fail_trouble(tx, trouble);
	if (st->failed_kind == TX_INBOX && strcmp(tx->sqlstate, "23505") == 0)
		return fail_duplicate(tx);
	return fail_sql(tx);
}

/* --- the public steps --- */

static int fail_refused(struct db_tx *tx)
{
	struct db_tx_state *st = tx->state;

	err_set(tx->err, st->refusal, NULL, st->refusal_arg);
	tx->retry = DB_RETRY_NO;
	if (st->begun)
		roll_back(tx);
	return fail(tx);
}

/* Statements that are complete only now. */
static void encode_rows(struct db_tx *tx)
{
	struct db_tx_state *st = tx->state;

	for (unsigned i = 0; i < st->n_queue && !st->refusal; i++) {
		struct tx_item *item = &st->queue[i];

		if (item->rows && rows_encode(&st->mem, item->rows, &item->params) < 0)
			tx_refuse(tx, &too_large, NULL);
	}
}

/* The row of the inbox is made as late as possible: db_commit() may have given the reply. */
static void encode_inbox(struct db_tx *tx)
{
	struct db_tx_state *st = tx->state;

	for (unsigned i = 0; i < st->n_queue && i < 2; i++)
		if (st->queue[i].kind == TX_INBOX && inbox_encode(tx, &st->queue[i].params) < 0)
			tx_refuse(tx, &too_large, NULL);
}

static int flush(struct db_tx *tx)
{
	struct db_tx_state *st = tx->state;

	encode_inbox(tx);
	encode_rows(tx);
	if (st->refusal)
		return fail_refused(tx);
	int rc = exchange(tx);

	if (rc < 0 || st->failed)
		return flush_failed(tx, rc);
	tx->conn->lost_stmts = 0;
	st->begun = !st->plain;
	return 0;
}

int db_flush(struct db_tx *tx)
{
	struct db_tx_state *st = state_of(tx);

	if (!tx->open)
		return tx->err->status;
	if (st->n_queue == 0 && !st->refusal)
		return 0;
	if (flush(tx) < 0)
		return tx->err->status;
	if (PQtransactionStatus(tx->conn->pg) != (st->plain ? PQTRANS_IDLE : PQTRANS_INTRANS))
		return fail_trouble(tx, CONN_LOST);
	return 0;
}

/* COMMIT was answered; was it the answer we want? */
static int check_committed(struct db_tx *tx)
{
	struct db_tx_state *st = tx->state;

	if (st->commit_refused) {
		st->commit_sent = false; /* it said ROLLBACK: known */
		return fail_trouble(tx, CONN_LOST);
	}
	if (tx->conn->commit_warned || PQtransactionStatus(tx->conn->pg) != PQTRANS_IDLE)
		return fail_trouble(tx, CONN_LOST);
	tx->open = false;
	return 0;
}

int db_commit(struct db_tx *tx, const void *reply, size_t reply_len)
{
	struct db_tx_state *st = state_of(tx);

	if (!tx->open)
		return tx->err->status;
	CHECK(!st->plain);
	if (!tx->has_inbox && st->n_statements == 0 && !st->refusal) {
		queue_reset(st);
		tx->open = false;
		return 0;
	}
	st->reply = reply;
	st->reply_len = reply_len;
	if (tx->has_inbox && st->begun && inbox_push_reply(tx) < 0)
		tx_refuse(tx, &too_large, NULL);
	if (tx->has_inbox)
		CRASH_POINT("tx.before_commit");
	tx_push(tx, TX_COMMIT, &commit_stmt);
	if (flush(tx) < 0 || check_committed(tx) < 0)
		return tx->err->status;
	if (tx->has_inbox)
		CRASH_POINT("tx.after_commit");
	return 0;
}

void db_end(struct db_tx *tx)
{
	if (tx->magic != TX_MAGIC)
		return;
	struct db_tx_state *st = tx->state;

	if (tx->open && st->begun)
		roll_back(tx);
	for (int i = 0; i < st->n_slots; i++)
		if (!st->slots[i].borrowed)
			PQclear(st->slots[i].res);
	arena_done(&st->mem);
	free(st->slots);
	free(st->queue);
	free(st);
	tx->state = NULL;
	tx->open = false;
	tx->magic = 0;
}

int db_query_args(struct db_tx *tx, struct db_conn *conn, struct arena *arena, int64_t deadline_us,
		  struct err *err, const struct db_stmt *stmt, const struct db_arg *args, size_t n)
{
	tx_open_plain(tx, conn, arena, deadline_us, err);
	int slot = db_add_args(tx, stmt, args, n);
	int rc = db_flush(tx);

	tx_close_plain(tx);
	return rc < 0 ? rc : slot;
}

struct tx_view tx_result(const struct db_tx *tx, int slot)
{
	const struct db_tx_state *st = state_of(tx);

	CHECK(slot >= 0 && slot < st->n_slots && st->slots[slot].res);
	const struct tx_slot *s = &st->slots[slot];

	return (struct tx_view){.res = s->res, .first = s->first, .n_rows = s->n_rows};
}
