/*
 * Papers: the forms of the one-stop desk as PDF, laid out with Pango and Cairo. A paper is built
 *from top to bottom - heading, title, lines, tables, signatures - and breaks into pages by itself.
 *Pure: no clock, no database; the same input gives the same bytes. What fails inside (memory,
 *Cairo) is remembered and told by paper_finish().
 *
 * Layout: A4, margins and type of Decree 30/2020/ND-CP Annex I (Times New Roman is replaced by
 *Tinos, which has its metrics and all Vietnamese glyphs).
 *
 *	paper.c         pages, text, tables, QR codes
 *	paper_forms.c   the forms 01-06 of Circular 01/2018/TT-VPCP, 01-07 of Circular
 *03/2025/TT-VPCP sheet.c         the same tables as CSV and XLSX papers.c        what the database
 *has for them
 */
#ifndef LGSP_DOSSIER_PAPER_H
#define LGSP_DOSSIER_PAPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"

#define PAPER_MAX_BYTES   (900 * 1024) /* it travels as one message */
#define PAPER_COLUMNS_MAX 16

struct paper;

struct paper_setup {
	const char *title; /* of the document, in its metadata */
	int64_t time_us;   /* of issue */
	bool landscape;
};

/* ERR_UNAVAILABLE with code FONT_MISSING when no font with Vietnamese glyphs is installed. */
int paper_new(const struct paper_setup *setup, struct paper **ret_paper, struct err *err);
void paper_free(struct paper *p); /* NULL is fine */
/* When no paper will be made any more: gives back what the font library keeps. */
void paper_stop(void);
/* Ends the last page; the bytes are copied into the arena. TOO_LARGE above PAPER_MAX_BYTES. */
int paper_finish(struct paper *p, struct arena *arena, const uint8_t **ret_bytes, size_t *ret_len,
		 struct err *err);

enum paper_style { PAPER_PLAIN, PAPER_BOLD, PAPER_ITALIC, PAPER_CENTRED, PAPER_SMALL };

/* The two columns on top: who issues it (and whose it is), number; the national motto, date. */
struct paper_head {
	const char *parent, *agency, *number;
	const char *place;
};
void paper_heading(struct paper *p, const struct paper_head *head);
void paper_title(struct paper *p, const char *title, const char *subtitle);
void paper_text(struct paper *p, enum paper_style style, const char *text);
/* "label: value", the label plain and the value in bold; nothing for an empty value. */
void paper_field(struct paper *p, const char *label, const char *value);
/* Room in points. */
void paper_gap(struct paper *p, double points);

struct paper_column {
	const char *title;
	double share; /* of the width */
	bool centred;
};
struct paper_table {
	const struct paper_column *columns;
	size_t n_columns;
	const char *const *cells; /* row by row */
	size_t n_rows;
};
/* Its head stands again on every page. */
void paper_rows(struct paper *p, const struct paper_table *table);

struct paper_signature {
	const char *title, *note, *name;
};
/* Side by side, kept on one page; an empty title leaves its side free. */
void paper_signatures(struct paper *p, const struct paper_signature *left,
		      const struct paper_signature *right);
/* A QR code (error correction M) with lines beside it; kept on one page. */
void paper_qr(struct paper *p, const char *content, const char *const *lines, size_t n_lines);

#endif
