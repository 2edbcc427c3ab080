#include "services/ctl/csv.h"

#include <csv.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/number.h"
#include "common/base/utf8.h"

#define REPORT_BYTES_MAX 65536
#define ROWS_MAX         20000
#define COLUMNS_MAX      32
#define TEXT_MAX         500

void csv_report_init(struct csv_report *report)
{
	buf_init(&report->text, REPORT_BYTES_MAX);
	report->n = 0;
}

void csv_report_done(struct csv_report *report)
{
	buf_done(&report->text);
}

void csv_fault(struct csv_report *report, const char *file, int line, const char *fmt, ...)
{
	char reason[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof reason, fmt, ap);
	va_end(ap);
	report->n++;
	if (line > 0)
		buf_printf(&report->text, "%s:%d: %s\n", file, line, reason);
	else
		buf_printf(&report->text, "%s: %s\n", file, reason);
}

bool csv_word_in(const char *word, const char *list)
{
	size_t n = strlen(word);

	for (const char *p = list; n > 0 && (p = strstr(p, word)); p += n) {
		if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
			return true;
	}
	return false;
}

int64_t csv_number(const char *cell)
{
	int64_t number = 0;

	number_parse(cell, INT64_MIN, INT64_MAX, &number);
	return number;
}

/* --- cells --- */

/* The first word that is none of values; NULL when all are. */
static const char *bad_word(const char *cell, const char *values, char word[static 64])
{
	for (const char *p = cell; *p;) {
		size_t n = strcspn(p, " ");

		snprintf(word, 64, "%.*s", (int)n, p);
		if (n >= 64 || !csv_word_in(word, values))
			return word;
		p += n + (p[n] == ' ');
	}
	return NULL;
}

/* What is wrong with a cell, in reason; false when nothing is. */
static bool cell_fault(const struct csv_column *col, const char *cell, char *reason, size_t bytes)
{
	int64_t max = col->max > 0 ? col->max : TEXT_MAX;
	char word[64];
	int64_t number;
	int32_t day;

	if (cell[0] == '\0') {
		snprintf(reason, bytes, "%s is empty", col->name);
		return col->kind != CSV_MAYBE && col->kind != CSV_MAYBE_DATE;
	}
	switch (col->kind) {
	case CSV_TEXT:
	case CSV_MAYBE:
		snprintf(reason, bytes, "%s is longer than %" PRId64 " characters", col->name, max);
		return utf8_length(cell) > (size_t)max;
	case CSV_DATE:
	case CSV_MAYBE_DATE:
		snprintf(reason, bytes, "%s \"%.40s\" is not a date YYYY-MM-DD", col->name, cell);
		return civil_parse(cell, &day) < 0;
	case CSV_NUMBER:
		snprintf(reason, bytes,
			 "%s \"%.40s\" is not a whole number of %" PRId64 " to %" PRId64, col->name,
			 cell, col->min, col->max);
		return number_parse(cell, col->min, col->max, &number) < 0;
	case CSV_BOOL:
		snprintf(reason, bytes, "%s \"%.40s\" is neither true nor false", col->name, cell);
		return !csv_word_in(cell, "true false");
	case CSV_WORD:
		snprintf(reason, bytes, "%s \"%.40s\" is none of: %s", col->name, cell,
			 col->values);
		return strchr(cell, ' ') || !csv_word_in(cell, col->values);
	case CSV_WORDS:
		if (!bad_word(cell, col->values, word))
			return false;
		snprintf(reason, bytes, "%s: \"%.40s\" is none of: %s", col->name, word,
			 col->values);
		return true;
	}
	return false;
}

/* --- parsing --- */

struct parse {
	struct csv_table *table;
	struct arena *arena;
	struct csv_report *report;
	int line;     /* being fed */
	int row_line; /* where the row began */
	bool in_row;
	bool in_header;
	size_t n_cells;
	const char *cells[COLUMNS_MAX];
	int column_of[COLUMNS_MAX]; /* position in the file -> column; -1: unknown */
	size_t n_positions;
	size_t capacity;
	bool full;
};

static void on_cell(void *data, size_t n, void *arg)
{
	struct parse *p = arg;

	if (p->n_cells == COLUMNS_MAX || p->full)
		return;
	const char *text = "";

	if (n > 0 && !utf8_valid(data, n)) {
		csv_fault(p->report, p->table->file, p->row_line, "not UTF-8");
	} else if (n > 0) {
		char *copy = arena_memdup(p->arena, data, n);

		text = copy ? utf8_nfc(p->arena, copy) : NULL;
	}
	p->full = !text;
	p->cells[p->n_cells++] = text;
}

static void take_header(struct parse *p)
{
	const struct csv_table *t = p->table;

	for (size_t i = 0; i < p->n_cells; i++) {
		p->column_of[i] = -1;
		for (size_t c = 0; c < t->n_columns; c++) {
			if (strcmp(t->columns[c].name, p->cells[i]) == 0)
				p->column_of[i] = (int)c;
		}
		if (p->column_of[i] < 0)
			csv_fault(p->report, t->file, p->row_line, "unknown column \"%.60s\"",
				  p->cells[i]);
		for (size_t k = 0; k < i; k++) {
			if (p->column_of[i] >= 0 && p->column_of[k] == p->column_of[i])
				csv_fault(p->report, t->file, p->row_line, "column %s twice",
					  p->cells[i]);
		}
	}
	p->n_positions = p->n_cells;
	for (size_t c = 0; c < t->n_columns; c++) {
		size_t i = 0;

		while (i < p->n_positions && p->column_of[i] != (int)c)
			i++;
		if (i == p->n_positions)
			csv_fault(p->report, t->file, p->row_line, "no column %s",
				  t->columns[c].name);
	}
	p->in_header = false;
}

static struct csv_row *new_row(struct parse *p)
{
	struct csv_table *t = p->table;

	if (t->n_rows == p->capacity) {
		size_t capacity = p->capacity ? p->capacity * 2 : 64;
		struct csv_row *rows = arena_calloc(p->arena, capacity, sizeof *rows);

		if (!rows || capacity > ROWS_MAX)
			return NULL;
		if (t->n_rows > 0)
			memcpy(rows, t->rows, t->n_rows * sizeof *rows);
		t->rows = rows;
		p->capacity = capacity;
	}
	struct csv_row *row = &t->rows[t->n_rows];

	row->cells = arena_calloc(p->arena, t->n_columns, sizeof *row->cells);
	row->line = p->row_line;
	return row->cells ? row : NULL;
}

static void take_row(struct parse *p)
{
	struct csv_table *t = p->table;
	char reason[512];

	if (p->n_cells != p->n_positions) {
		csv_fault(p->report, t->file, p->row_line, "%zu cells instead of %zu", p->n_cells,
			  p->n_positions);
		return;
	}
	struct csv_row *row = new_row(p);

	if (!row) {
		p->full = true;
		return;
	}
	for (size_t c = 0; c < t->n_columns; c++)
		row->cells[c] = "";
	for (size_t i = 0; i < p->n_positions; i++) {
		if (p->column_of[i] >= 0)
			row->cells[p->column_of[i]] = p->cells[i];
	}
	t->n_rows++;
	for (size_t c = 0; c < t->n_columns; c++) {
		if (cell_fault(&t->columns[c], row->cells[c], reason, sizeof reason))
			csv_fault(p->report, t->file, row->line, "%s", reason);
	}
}

static void on_row(int end, void *arg)
{
	struct parse *p = arg;

	(void)end;
	if (p->full)
		return;
	if (p->in_header)
		take_header(p);
	else
		take_row(p);
	p->n_cells = 0;
	p->in_row = false;
}

void csv_read(struct csv_table *table, const char *bytes, size_t n, struct arena *arena,
	      struct csv_report *report)
{
	struct parse p = {.table = table, .arena = arena, .report = report, .in_header = true};
	struct csv_parser parser;
	bool ok = true;

	table->n_rows = 0;
	if (n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
		bytes += 3;
		n -= 3;
	}
	CHECK(csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) == 0);
	/* Line by line, so that a row knows where it began. */
	for (size_t at = 0; at < n && ok;) {
		const char *nl = memchr(bytes + at, '\n', n - at);
		size_t len = nl ? (size_t)(nl - bytes) - at + 1 : n - at;

		p.line++;
		if (!p.in_row)
			p.row_line = p.line;
		p.in_row = true;
		ok = csv_parse(&parser, bytes + at, len, on_cell, on_row, &p) == len;
		at += len;
	}
	ok = ok && csv_fini(&parser, on_cell, on_row, &p) == 0;
	csv_free(&parser);
	if (!ok)
		csv_fault(report, table->file, p.row_line, "not CSV (RFC 4180): a stray quote?");
	if (p.full)
		csv_fault(report, table->file, 0, "too large");
	if (p.in_header)
		csv_fault(report, table->file, 0, "no line of column names");
}
