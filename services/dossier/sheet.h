/*
 * A table as CSV and as XLSX. All cells are text but those of columns of figures: dates and codes
 * stay as they were written, and no spreadsheet takes a name for a formula.
 */
#ifndef LGSP_DOSSIER_SHEET_H
#define LGSP_DOSSIER_SHEET_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "services/dossier/paper.h"

#define SHEET_MAX_BYTES (900 * 1024) /* it travels as one message */

struct sheet {
	const char *title;
	const struct paper_column *columns;
	size_t n_columns;
	const char *const *cells; /* row by row */
	size_t n_rows;
	size_t first_figure; /* from this column on: a spreadsheet may add them up; 0: none */
};

/*
 * RFC 4180, UTF-8 with a byte order mark (spreadsheets need it to see Vietnamese), CRLF. A cell
 * that a spreadsheet would run (first character = + - @, tab, CR) gets an apostrophe in front.
 */
int sheet_csv(const struct sheet *sheet, struct arena *arena, const uint8_t **ret_bytes,
	      size_t *ret_len, struct err *err);
/* Office Open XML with one worksheet: title, bold head, frozen; TOO_LARGE above SHEET_MAX_BYTES. */
int sheet_xlsx(const struct sheet *sheet, int64_t time_us, struct arena *arena,
	       const uint8_t **ret_bytes, size_t *ret_len, struct err *err);

#endif
