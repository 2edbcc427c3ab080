// with: tests/it/dossier_rig.c
/*
 * feed.pull: reading a feed through the bus (CURVE) and the dossier service, against a plain SELECT
 * of the same rows over libpq; pages of 500, one reader each, in turns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "lgsp/feed/v1/feed.pb-c.h"
#include "tests/bench/bench.h"
#include "tests/it/dossier_rig.h"

#define ROUNDS 7
#define EVENTS 20000
#define PAGE   500

/* Events of the size of a filing's. */
static const char fill[] =
	"INSERT INTO outbox (event, type, subject, version) "
	"SELECT convert_to(rpad('H40.31.01-240521-' || i, 320, 'x'), 'UTF8'), 'dossier.submitted', "
	"'H40.31.01-240521-' || i, 1 FROM generate_series(1, 20000) i";

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_feed: %s\n", what);
	exit(1);
}

/* Reads the feed from position 0; events per second. */
static double pull_all(struct ask *a)
{
	int64_t start_us = clock_mono_us(), after = 0, n = 0;

	for (;;) {
		Feed__PullRequest in = FEED__PULL_REQUEST__INIT;
		Feed__PullReply *out;

		in.feed = "dossier";
		in.after = after;
		in.limit = PAGE;
		check(ask(a, NULL, "Feed.Pull", &in.base, &feed__pull_reply__descriptor, &out) == 0,
		      "Feed.Pull");
		if (out->n_entries == 0)
			break;
		n += (int64_t)out->n_entries;
		after = out->next;
	}
	check(n >= EVENTS, "too few events");
	return (double)n * CLOCK_US_PER_S / (double)(clock_mono_us() - start_us);
}

static double select_all(PGconn *conn)
{
	int64_t start_us = clock_mono_us(), n = 0;
	char after[24] = "0";

	for (;;) {
		const char *values[] = {after};
		PGresult *r = PQexecPrepared(conn, "page", 1, values, NULL, NULL, 0);
		int rows = PQntuples(r);

		check(PQresultStatus(r) == PGRES_TUPLES_OK, PQerrorMessage(conn));
		if (rows > 0)
			snprintf(after, sizeof(after), "%s", PQgetvalue(r, rows - 1, 0));
		PQclear(r);
		if (rows == 0)
			break;
		n += rows;
	}
	return (double)n * CLOCK_US_PER_S / (double)(clock_mono_us() - start_us);
}

static PGconn *connect_plain(void)
{
	PGconn *conn = PQconnectdb(pg_dsn(rig.pg, "dossier"));
	PGresult *r;

	check(PQstatus(conn) == CONNECTION_OK, PQerrorMessage(conn));
	PQclear(PQexec(conn, "SET search_path = dossier"));
	r = PQprepare(conn, "page",
		      "SELECT pos, event FROM feed WHERE pos > $1::bigint ORDER BY pos LIMIT 500",
		      1, NULL);
	check(PQresultStatus(r) == PGRES_COMMAND_OK, PQerrorMessage(conn));
	PQclear(r);
	return conn;
}

int main(void)
{
	double ours[ROUNDS], theirs[ROUNDS];
	PGconn *conn;
	struct ask a;

	set_up(NULL);
	pg_exec(rig.pg, "dossier", fill);
	relay_all();
	pg_exec(rig.pg, "dossier", "VACUUM ANALYZE feed");
	conn = connect_plain();
	ask_init(&a, rig.ops, "dossier");
	pull_all(&a); /* warms up */
	select_all(conn);
	for (int i = 0; i < ROUNDS; i++) {
		ours[i] = pull_all(&a);
		theirs[i] = select_all(conn);
	}
	bench_report(&(struct bench_result){
		.name = "feed.pull",
		.value = bench_median(ours, ROUNDS),
		.unit = "events/s",
		.baseline = "a plain SELECT of the same pages over libpq",
		.baseline_value = bench_median(theirs, ROUNDS),
		.note = "pages of 500 events of 320 bytes, one reader, bus with CURVE"});
	ask_done(&a);
	PQfinish(conn);
	tear_down(NULL);
	return 0;
}
