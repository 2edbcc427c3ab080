// with: tests/it/dossier_rig.c tests/it/dossier_stock.c services/dossier/lists_sql.c
/*
 * dossier.read: pages of the database a look-up and a page of a list read at 500,000 dossiers,
 * against what is promised. The statements are the service's own; the most of 200 executions
 * counts.
 */
#include <stdio.h>

#include "tests/bench/bench.h"
#include "tests/it/dossier_rig.h"
#include "tests/it/dossier_stock.h"

#define STOCK   500000
#define SAMPLES 200

static void measure(PGconn *conn, const char *name, const struct stock_query *queries, size_t n,
		    int most)
{
	bench_report(&(struct bench_result){
		.name = name,
		.value = stock_buffers(conn, queries, n, STOCK, SAMPLES),
		.unit = "buffers",
		.baseline_value = most,
		.less_is_better = true,
		.note = "500,000 dossiers of 250 agencies, the most of 200 executions"});
}

int main(void)
{
	PGconn *conn;

	set_up(NULL);
	conn = pg_admin(rig.pg);
	stock_make(conn, STOCK);
	measure(conn, "dossier.read.row", stock_row, 1, STOCK_ROW_MAX);
	measure(conn, "dossier.read.whole", stock_whole, 3, STOCK_WHOLE_MAX);
	measure(conn, "dossier.read.inbox", stock_inbox, 1, STOCK_INBOX_MAX);
	measure(conn, "dossier.read.newest", stock_newest, 1, STOCK_SEARCH_MAX);
	measure(conn, "dossier.read.name", stock_name, 1, STOCK_SEARCH_MAX);
	measure(conn, "dossier.read.words", stock_words, 2, STOCK_SEARCH_MAX);
	tear_down(NULL);
	return 0;
}
