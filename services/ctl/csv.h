/*
 * CSV files of a profile: a first line of column names, then rows; every cell is checked by its
 * column's kind and kept in NFC. All faults are collected, each with file, line and reason.
 */
#ifndef SERVICES_CTL_CSV_H
#define SERVICES_CTL_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buf.h"

/* --- faults --- */

struct csv_report {
	struct buf text; /* "units.csv:12: ..." lines */
	unsigned n;      /* faults found, also those that no longer fitted */
};

void csv_report_init(struct csv_report *report);
void csv_report_done(struct csv_report *report);
/* line 0: the file as a whole. */
void csv_fault(struct csv_report *report, const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* --- tables --- */

enum csv_kind {
	CSV_TEXT,  /* not empty; at most max characters (0: 500) */
	CSV_MAYBE, /* as CSV_TEXT, or empty */
	CSV_DATE,
	CSV_MAYBE_DATE,
	CSV_NUMBER, /* min..max */
	CSV_BOOL,   /* true or false */
	CSV_WORD,   /* one of values */
	CSV_WORDS,  /* some of values, separated by spaces */
};

struct csv_column {
	const char *name;
	enum csv_kind kind;
	const char *values;
	int64_t min, max;
};

struct csv_row {
	int line;
	const char **cells; /* in the order of the table's columns */
};

struct csv_table {
	const char *file;
	const struct csv_column *columns;
	size_t n_columns;
	struct csv_row *rows;
	size_t n_rows;
};

/* Parses a file's bytes into the table, whose file and columns are set. Faults go to the report. */
void csv_read(struct csv_table *table, const char *bytes, size_t n, struct arena *arena,
	      struct csv_report *report);

/* One word of a list separated by spaces. */
bool csv_word_in(const char *word, const char *list);
/* The number of a cell that was checked; 0 for others. */
int64_t csv_number(const char *cell);

#endif
