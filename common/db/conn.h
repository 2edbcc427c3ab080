/*
 * A connection and its waiting; private to common/db, the only room that knows libpq.
 *
 * The connection is always in pipeline mode and non-blocking. Whatever goes wrong with the socket
 * or the time ends in conn_close(): a request that hangs is never cancelled. A cancel that reaches
 * a COMMIT waiting for its synchronous standby makes the server answer success for a row that a
 * failover loses. For the same reason client_connection_check_interval stays off.
 */
#ifndef LGSP_DB_CONN_H
#define LGSP_DB_CONN_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/db/db.h"

#define CONN_PARAMS_MAX 64

/* Outcome of waiting: 0, or */
enum conn_trouble {
	CONN_LOST = -1,     /* the connection is gone or of no use */
	CONN_DEADLINE = -2, /* the time is up; the connection may be frozen */
};

/* A statement's parameters in the form libpq takes them; values NULL: SQL NULL. */
struct conn_params {
	int n;
	Oid *types;
	const char **values;
	int *lengths;
};

enum conn_prepared_state { CONN_PREPARED_SENT, CONN_PREPARED_READY };

/*
 * A statement prepared on this connection. The same SQL may be prepared again for other parameter
 * types; type 0 (an untyped NULL) fits every type.
 */
struct conn_prepared {
	const struct db_stmt *stmt;
	enum conn_prepared_state state;
	unsigned name; /* "s<name>" */
	int n;
	Oid *types;
	struct conn_prepared *next;
};

#define CONN_BUCKETS   64
#define CONN_HOSTS_MAX 8

struct conn_host {
	char host[256];
	char port[8];
};

struct db_conn {
	unsigned magic;
	/* configuration */
	PQconninfoOption *options; /* of the DSN; NULL when it cannot be parsed */
	char *password_file;
	char *settings; /* libpq's "options" */
	char *name;
	struct conn_host hosts[CONN_HOSTS_MAX];
	unsigned n_hosts;
	unsigned good_host; /* tried first: libpq 15 would always begin with the first */
	int64_t attempt_us;
	/* the open connection */
	PGconn *pg;
	uint64_t generation; /* counts connects; session state (locks, LISTEN) ends with one */
	struct conn_prepared *prepared[CONN_BUCKETS];
	unsigned n_prepared;
	bool in_commit;      /* every statement before COMMIT is answered */
	bool commit_warned;  /* the server warned while it committed: an unknown outcome */
	unsigned lost_stmts; /* failures "no such prepared statement" in a row */
	bool down;           /* said so in the log */
};

/* Open and idle, or connects until the deadline. 0, CONN_LOST, CONN_DEADLINE. */
int conn_open(struct db_conn *conn, int64_t deadline_us);
void conn_close(struct db_conn *conn);

/*
 * Queues a statement, preceded by its preparation when this connection has not seen it. Nothing is
 * waited for. ret_prepared: the entry to settle by conn_settle() when the answer to the
 * preparation, which comes before the statement's, is known; NULL when there is none.
 */
int conn_send(struct db_conn *conn, const struct db_stmt *stmt, const struct conn_params *params,
	      struct conn_prepared **ret_prepared);
void conn_settle(struct db_conn *conn, struct conn_prepared *prepared, bool ok);
/* Ends what was queued; its answer is a PGRES_PIPELINE_SYNC. */
int conn_sync(struct db_conn *conn);

/* Waits for poll events on the socket. The events that came, CONN_LOST or CONN_DEADLINE. */
int conn_wait(struct db_conn *conn, short events, int64_t deadline_us);

/*
 * Sends what is queued while waiting for the next result; *ret_result is NULL at the end of a
 * statement's results.
 */
int conn_next(struct db_conn *conn, int64_t deadline_us, PGresult **ret_result);

/* Waits for input on the connection (when open) or on fd until a moment; true: fd is readable. */
bool conn_wait_input(struct db_conn *conn, int fd, int64_t until_us);
/* Takes one notification's payload; false when none waits. Closes a dead connection. */
bool conn_take_notify(struct db_conn *conn, char *payload, size_t size);

/* --- param.c --- */

/* Parameters in PostgreSQL's binary form, in mem. 0, or ERR_TOO_LARGE, or ERR_INVALID. */
int param_encode(struct arena *mem, const struct db_arg *args, size_t n,
		 struct conn_params *ret_params);

/* Type and binary value of one; *ret NULL: SQL NULL. An array becomes its text. */
int param_encode_cell(struct arena *mem, const struct db_arg *arg, Oid *ret_type, const char **ret,
		      int *ret_n);
/* Header and elements of a one-dimensional array, in libpq's terms. */
char *param_put_header(char *out, size_t n, bool nulls, Oid element);
char *param_put_element(char *out, const void *p, size_t n);
#define PARAM_HEADER_BYTES 20

/* --- sqlstate.c --- */

/* What a failed statement means. */
struct sqlstate_rule {
	const char *prefix;          /* of the SQLSTATE; the longest decides */
	const struct err_kind *kind; /* arg: the constraint or what is away */
	enum db_retry retry;
	uint32_t retry_after_ms; /* for trouble */
	bool reconnect;          /* this connection is of no use any more */
};

/* Never NULL: what is not in the table is a bug of ours. */
const struct sqlstate_rule *sqlstate_find(const char *sqlstate);

extern const struct err_kind db_err_away;       /* UNAVAILABLE: no connection */
extern const struct err_kind db_err_contention; /* UNAVAILABLE: somebody else was quicker */

/* --- tx.c, for the rest of the room --- */

/*
 * Statements without BEGIN and COMMIT: one flush, each its own snapshot, all of them committed or
 * none. For reads, and for effects of one statement.
 */
void tx_open_plain(struct db_tx *tx, struct db_conn *conn, struct arena *arena, int64_t deadline_us,
		   struct err *err);
/* Ends what tx_open_plain() opened; results stay until db_end(). */
void tx_close_plain(struct db_tx *tx);
/* Makes the next flush fail with this error. */
void tx_refuse(struct db_tx *tx, const struct err_kind *kind, const char *arg);
/* The result of a slot - all of it, or rows of it; CHECKs that there is one. */
struct tx_view {
	const PGresult *res;
	int first, n_rows;
};
struct tx_view tx_result(const struct db_tx *tx, int slot);

#endif
