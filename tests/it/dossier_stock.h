/*
 * A province's stock of dossiers, made by SQL, and the buffers a statement of the service reads on
 * it. The stock is what years leave behind: 250 agencies, most dossiers returned, one in six open,
 * histories written as time went by, so that the entries of one dossier lie apart.
 */
#ifndef LGSP_TESTS_IT_DOSSIER_STOCK_H
#define LGSP_TESTS_IT_DOSSIER_STOCK_H

#include <libpq-fe.h>

#include "common/db/db.h"

#define STOCK_AGENCIES 250

/* Fills the empty schema of a rig whose procedures are imported. SQL may then use stock_code(i). */
void stock_make(PGconn *conn, int n);

struct stock_query {
	const struct db_stmt *stmt;
	const char *types; /* of its parameters, "text, bigint" */
	const char *args;  /* SQL of them; each %d becomes the number of a dossier */
};

/*
 * Most buffers (found in the cache or not) any of so many executions of the queries together read,
 * each execution about another dossier; planned for all parameters alike, as a server does that has
 * seen the statement often.
 */
int stock_buffers(PGconn *conn, const struct stock_query *queries, size_t n, int stock,
		  int samples);
/* Rows the last execution of stock_buffers() gave. */
int stock_rows(void);

/* What is promised, whatever the number of dossiers. */
extern const struct stock_query stock_row[1];
extern const struct stock_query stock_whole[3];
extern const struct stock_query stock_inbox[1];
extern const struct stock_query stock_name[1];
extern const struct stock_query stock_words[2];
extern const struct stock_query stock_newest[1];
#define STOCK_ROW_MAX    6
#define STOCK_WHOLE_MAX  20
#define STOCK_INBOX_MAX  80
#define STOCK_SEARCH_MAX 400 /* a page of 50 with its way to each row */

#endif
