/*
 * The statements behind lists, search and the whole dossier, apart from their handlers so that
 * tests and benchmarks can explain the very text the service runs.
 *
 * Lists: the columns of lists_columns in every row, the key of the order as text in the last.
 * A search scans at most LISTS_SCAN_MAX entries of one index per page, whatever its filters leave
 * of them; behind a short page the *_stand statement says where the scan stood.
 */
#ifndef LGSP_DOSSIER_LISTS_SQL_H
#define LGSP_DOSSIER_LISTS_SQL_H

#include "common/db/db.h"

#define LISTS_PAGE_MAX  100
#define LISTS_SCAN_MAX  1000
#define LISTS_COUNT_MAX 1000

/*
 * $1 agency or assignee, $2 and $3 time and code to go on behind, $4 latest next deadline,
 * $5 states, $6 limit; of an assignee $7 agency.
 */
extern const struct db_stmt lists_inbox;
extern const struct db_stmt lists_inbox_assigned;
/* $1 agency, $2 now, $3 soon, $4 states, $5 assignee or "" -> total (to LISTS_COUNT_MAX + 1),
 * overdue, soon. */
extern const struct db_stmt lists_counts;

/*
 * $1 agency, $2 number, beginning of the code, or name behind the ordinal of the word to go by, $3
 * and $4 first moment and the one behind the last of submission, $5 code, $6 key (entry of the
 * name) and $7 time to go on behind; the _stand statements take these alone and give key and code.
 * Filters: $8 procedure, $9 states, $10 receiving, $11 competent, $12 holding agency, $13 and $14
 * first moment of the due date and the one behind the last (NULL: any), $15 with guarded ones, $16
 * only those in hand; $17 limit.
 */
enum lists_order { LISTS_BY_TIME, LISTS_BY_CODE, LISTS_BY_NUMBER, LISTS_BY_NAME, LISTS_ORDERS };
extern const struct db_stmt lists_search[LISTS_ORDERS];
extern const struct db_stmt lists_stand[LISTS_ORDERS];
/* $1 agency, $2 name -> ordinal of its rarest word, number of words; no row: no word. */
extern const struct db_stmt lists_rarest_word;
#define LISTS_WORDS_MAX 9

/* $1 code: the parts of a dossier, as Get reads them beside dossier_row (dossier.h). */
extern const struct db_stmt read_filing;
extern const struct db_stmt read_components;
/* As filed, with what was handed in: all there is while no supplement was asked for and the
 * procedure's version is the same. */
extern const struct db_stmt read_filed;
/* Columns of read_filing and read_filed. */
enum {
	FILING_KIND,
	FILING_NUMBER,
	FILING_NAME,
	FILING_PHONE,
	FILING_ADDRESS,
	FILING_EMAIL,
	FILING_LANGUAGE,
	FILING_FORM_NAMES,
	FILING_FORM_VALUES,
	FILING_RELATION,
	FILING_FILER_NAME,
	FILING_FILER_NUMBER,
	FILING_AUTHORISATION,
	FILING_REFERENCE,
	FILING_METHOD,
	FILING_LEVEL,
	FILING_EVIDENCE,
	FILING_PROVEN,
	FILING_PROVEN_AT,
	FILING_VERIFIED,
	FILING_NATIONAL_CODE,
	FILING_SUSPECTED,
	FILING_HANDED_IN, /* of read_filed alone, as the next */
	FILING_HANDED_IN_VERSION
};
extern const struct db_stmt read_files;
extern const struct db_stmt read_history;
/* $1 code, $2 agency: a row when an opinion was asked of it. */
extern const struct db_stmt read_asked;

#endif
