#include "services/dossier/sheet.h"

#include <csv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xlsxwriter.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/civil.h"

#define CELL_MAX_BYTES    32767 /* what a cell of a spreadsheet can hold */
#define WORKSHEET_NAME    "Bảng"
#define SHEET_WIDTH_CHARS 150

/* --- CSV --- */

static bool is_formula(const char *text)
{
	return text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL;
}

static int put_cell(struct buf *out, const char *text)
{
	char safe[CELL_MAX_BYTES + 2], quoted[2 * sizeof(safe) + 2];
	int n = snprintf(safe, sizeof(safe), "%s%s", is_formula(text) ? "'" : "", text);

	if (n < 0 || (size_t)n >= sizeof(safe)) {
		out->full = true;
		return ERR_TOO_LARGE;
	}
	return buf_append(out, quoted, csv_write(quoted, sizeof(quoted), safe, (size_t)n));
}

static void put_row(struct buf *out, const struct sheet *sheet, const char *const *cells)
{
	for (size_t i = 0; i < sheet->n_columns; i++) {
		if (i > 0)
			buf_puts(out, ",");
		put_cell(out, cells ? cells[i] : sheet->columns[i].title);
	}
	buf_puts(out, "\r\n");
}

int sheet_csv(const struct sheet *sheet, struct arena *arena, const uint8_t **ret_bytes,
	      size_t *ret_len, struct err *err)
{
	struct buf out;
	char *copy = NULL;

	buf_init(&out, SHEET_MAX_BYTES);
	buf_puts(&out, "\xef\xbb\xbf");
	put_row(&out, sheet, NULL);
	for (size_t i = 0; i < sheet->n_rows; i++)
		put_row(&out, sheet, sheet->cells + i * sheet->n_columns);
	if (!out.full)
		copy = arena_memdup(arena, out.data, out.len);
	*ret_len = out.len;
	buf_done(&out);
	if (!copy)
		return err_set(err, &err_too_large, NULL, "csv");
	*ret_bytes = (const uint8_t *)copy;
	return 0;
}

/* --- XLSX --- */

static void set_properties(lxw_workbook *book, const struct sheet *sheet, int64_t time_us)
{
	lxw_doc_properties properties = {.title = (char *)(uintptr_t)sheet->title,
					 .created = (time_t)(time_us / 1000000)};

	workbook_set_properties(book, &properties);
}

static void put(lxw_worksheet *page, const struct sheet *sheet, size_t i, lxw_format *format)
{
	lxw_row_t row = (lxw_row_t)(2 + i / sheet->n_columns);
	lxw_col_t column = (lxw_col_t)(i % sheet->n_columns);

	if (sheet->first_figure > 0 && column >= sheet->first_figure)
		worksheet_write_number(page, row, column, strtod(sheet->cells[i], NULL), format);
	else
		worksheet_write_string(page, row, column, sheet->cells[i], format);
}

static void fill(lxw_workbook *book, const struct sheet *sheet)
{
	lxw_worksheet *page = workbook_add_worksheet(book, WORKSHEET_NAME);
	lxw_format *bold = workbook_add_format(book), *wrapped = workbook_add_format(book);

	format_set_bold(bold);
	format_set_text_wrap(bold);
	format_set_text_wrap(wrapped);
	worksheet_write_string(page, 0, 0, sheet->title, bold);
	worksheet_freeze_panes(page, 2, 0);
	for (size_t i = 0; i < sheet->n_columns; i++) {
		worksheet_set_column(page, (lxw_col_t)i, (lxw_col_t)i,
				     sheet->columns[i].share * SHEET_WIDTH_CHARS, NULL);
		worksheet_write_string(page, 1, (lxw_col_t)i, sheet->columns[i].title, bold);
	}
	for (size_t i = 0; i < sheet->n_rows * sheet->n_columns; i++)
		put(page, sheet, i, wrapped);
}

/* The library writes files: this one is memory. */
static int read_back(int fd, struct arena *arena, const uint8_t **ret_bytes, size_t *ret_len,
		     struct err *err)
{
	struct stat st;
	uint8_t *bytes;

	if (fstat(fd, &st) < 0)
		return err_set(err, &err_internal, NULL, "xlsx");
	if (st.st_size > SHEET_MAX_BYTES)
		return err_set(err, &err_too_large, NULL, "xlsx");
	bytes = arena_alloc(arena, (size_t)st.st_size);
	if (!bytes)
		return err_set(err, &err_too_large, NULL, "arena");
	if (pread(fd, bytes, (size_t)st.st_size, 0) != st.st_size)
		return err_set(err, &err_internal, NULL, "xlsx");
	*ret_bytes = bytes;
	*ret_len = (size_t)st.st_size;
	return 0;
}

int sheet_xlsx(const struct sheet *sheet, int64_t time_us, struct arena *arena,
	       const uint8_t **ret_bytes, size_t *ret_len, struct err *err)
{
	CLEANUP_FD int fd = memfd_create("sheet", MFD_CLOEXEC);
	char path[32];
	lxw_workbook *book;

	if (fd < 0)
		return err_set(err, &err_internal, NULL, "memfd");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	book = workbook_new(path);
	if (!book)
		return err_set(err, &err_internal, NULL, "xlsx");
	set_properties(book, sheet, time_us);
	fill(book, sheet);
	if (workbook_close(book) != LXW_NO_ERROR)
		return err_set(err, &err_internal, NULL, "xlsx");
	return read_back(fd, arena, ret_bytes, ret_len, err);
}
