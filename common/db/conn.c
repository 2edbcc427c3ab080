/* An open connection: sending, waiting, prepared statements. Connecting is in connect.c. */
#include "common/db/conn.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"

static int poll_ms(int64_t until_us)
{
	int64_t left_us = until_us - clock_mono_us();

	if (left_us <= 0)
		return 0;
	if (left_us / 1000 >= INT_MAX)
		return INT_MAX;
	return (int)((left_us + 999) / 1000);
}

int conn_wait(struct db_conn *conn, short events, int64_t deadline_us)
{
	struct pollfd pfd = {.fd = PQsocket(conn->pg), .events = events};

	for (;;) {
		int rc = poll(&pfd, 1, poll_ms(deadline_us));

		if (rc > 0)
			return pfd.revents;
		if (rc == 0 && clock_mono_us() >= deadline_us)
			return CONN_DEADLINE;
		if (rc < 0 && errno != EINTR)
			return CONN_LOST;
	}
}

int conn_next(struct db_conn *conn, int64_t deadline_us, PGresult **ret_result)
{
	for (;;) {
		/*
		 * Reading goes on while writing is stuck: the server may be stuck writing to us, or
		 * may have said why it hung up (libpq keeps the failed write for later).
		 */
		bool unsent = PQflush(conn->pg) == 1;

		if (!PQisBusy(conn->pg))
			break;
		int rc = conn_wait(conn, unsent ? POLLIN | POLLOUT : POLLIN, deadline_us);

		if (rc < 0)
			return rc;
		if ((rc & ~POLLOUT) != 0 && !PQconsumeInput(conn->pg))
			return CONN_LOST;
	}
	*ret_result = PQgetResult(conn->pg);
	if (PQstatus(conn->pg) != CONNECTION_BAD)
		return 0;
	/* Results that libpq makes up for a broken connection carry no SQLSTATE. */
	if (*ret_result && PQresultErrorField(*ret_result, PG_DIAG_SQLSTATE))
		return 0;
	PQclear(*ret_result);
	*ret_result = NULL;
	return CONN_LOST;
}

/* --- prepared statements --- */

static unsigned bucket_of(const struct db_stmt *stmt)
{
	return (unsigned)(((uintptr_t)stmt >> 4) * 2654435761u) % CONN_BUCKETS;
}

static bool types_fit(const struct conn_prepared *p, const struct conn_params *params)
{
	if (p->n != params->n)
		return false;
	for (int i = 0; i < p->n; i++)
		if (params->types[i] != 0 && params->types[i] != p->types[i])
			return false;
	return true;
}

static struct conn_prepared *prepared_find(struct db_conn *conn, const struct db_stmt *stmt,
					   const struct conn_params *params)
{
	for (struct conn_prepared *p = conn->prepared[bucket_of(stmt)]; p; p = p->next)
		if (p->stmt == stmt && types_fit(p, params))
			return p;
	return NULL;
}

static struct conn_prepared *prepared_add(struct db_conn *conn, const struct db_stmt *stmt,
					  const struct conn_params *params)
{
	struct conn_prepared **bucket = &conn->prepared[bucket_of(stmt)];
	struct conn_prepared *p = base_alloc(sizeof(*p));

	p->stmt = stmt;
	p->state = CONN_PREPARED_SENT;
	p->name = ++conn->n_prepared;
	p->n = params->n;
	p->types = base_alloc((size_t)(params->n + 1) * sizeof(Oid));
	if (params->n > 0) /* a statement without parameters has no types to copy */
		memcpy(p->types, params->types, (size_t)params->n * sizeof(Oid));
	p->next = *bucket;
	*bucket = p;
	return p;
}

static void prepared_free(struct conn_prepared *p)
{
	free(p->types);
	free(p);
}

void conn_settle(struct db_conn *conn, struct conn_prepared *prepared, bool ok)
{
	struct conn_prepared **at = &conn->prepared[bucket_of(prepared->stmt)];

	prepared->state = CONN_PREPARED_READY;
	if (ok)
		return;
	while (*at != prepared)
		at = &(*at)->next;
	*at = prepared->next;
	prepared_free(prepared);
}

static void prepared_forget(struct db_conn *conn)
{
	for (unsigned i = 0; i < CONN_BUCKETS; i++) {
		while (conn->prepared[i]) {
			struct conn_prepared *p = conn->prepared[i];

			conn->prepared[i] = p->next;
			prepared_free(p);
		}
	}
	conn->n_prepared = 0;
}

int conn_send(struct db_conn *conn, const struct db_stmt *stmt, const struct conn_params *params,
	      struct conn_prepared **ret_prepared)
{
	static const int binary[CONN_PARAMS_MAX] = {[0 ... CONN_PARAMS_MAX - 1] = 1};
	struct conn_prepared *p = prepared_find(conn, stmt, params);
	char name[16];

	*ret_prepared = NULL;
	if (!p) {
		p = prepared_add(conn, stmt, params);
		snprintf(name, sizeof(name), "s%u", p->name);
		if (!PQsendPrepare(conn->pg, name, stmt->sql, params->n, params->types))
			return CONN_LOST;
		*ret_prepared = p;
	}
	snprintf(name, sizeof(name), "s%u", p->name);
	if (!PQsendQueryPrepared(conn->pg, name, params->n, params->values, params->lengths, binary,
				 1))
		return CONN_LOST;
	return 0;
}

int conn_sync(struct db_conn *conn)
{
	return PQpipelineSync(conn->pg) ? 0 : CONN_LOST;
}

void conn_close(struct db_conn *conn)
{
	prepared_forget(conn);
	if (conn->pg)
		PQfinish(conn->pg);
	conn->pg = NULL;
	conn->in_commit = false;
	conn->commit_warned = false;
}

/* --- notifications --- */

bool conn_wait_input(struct db_conn *conn, int fd, int64_t until_us)
{
	struct pollfd pfds[2] = {{.fd = fd, .events = POLLIN},
				 {.fd = conn->pg ? PQsocket(conn->pg) : -1, .events = POLLIN}};
	int rc = poll(pfds, ARRAY_LEN(pfds), poll_ms(until_us));

	return rc > 0 && pfds[0].revents != 0;
}

bool conn_take_notify(struct db_conn *conn, char *payload, size_t size)
{
	if (!conn->pg)
		return false;
	if (!PQconsumeInput(conn->pg)) {
		conn_close(conn);
		return false;
	}
	PGnotify *notify = PQnotifies(conn->pg);

	if (!notify)
		return false;
	snprintf(payload, size, "%s", notify->extra);
	PQfreemem(notify);
	return true;
}
