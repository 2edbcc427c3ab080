#include "services/dossier/paper.h"

#include <cairo-pdf.h>
#include <fontconfig/fontconfig.h>
#include <pango/pangocairo.h>
#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/civil.h"

#define MM            (72 / 25.4)
#define A4_SHORT      (210 * MM)
#define A4_LONG       (297 * MM)
#define TOP           (20 * MM)
#define BOTTOM        (20 * MM)
#define LEFT          (25 * MM)
#define RIGHT         (18 * MM)
#define TEXT_POINTS   13
#define SMALL_POINTS  11
#define TABLE_POINTS  11
#define PADDING       3
#define PARAGRAPH_GAP 4
#define SIGNATURE_GAP 48 /* room for the signature itself */
#define QR_POINTS     84
#define FAMILY        "Tinos"

static const struct err_kind font_missing = {ERR_UNAVAILABLE, "FONT_MISSING",
					     "Máy chủ thiếu phông chữ tiếng Việt %s",
					     "the font %s with Vietnamese glyphs is not installed"};

struct paper {
	PangoFontMap *fonts;
	PangoContext *context;
	cairo_surface_t *surface;
	cairo_t *cr;
	struct buf out;
	double width, height; /* of the page */
	double y;
	int page;
	int64_t time_us;
	bool finished;
};

/* --- pages --- */

static cairo_status_t write_out(void *closure, const unsigned char *data, unsigned int n)
{
	struct paper *p = closure;

	return buf_append(&p->out, data, n) == 0 ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static double inner_width(const struct paper *p)
{
	return p->width - LEFT - RIGHT;
}

static PangoLayout *layout_new(const struct paper *p, const char *text, const char *font,
			       double width)
{
	PangoLayout *layout = pango_layout_new(p->context);
	PangoFontDescription *description = pango_font_description_from_string(font);

	pango_layout_set_font_description(layout, description);
	pango_font_description_free(description);
	pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR);
	pango_layout_set_width(layout, (int)(width * PANGO_SCALE));
	pango_layout_set_text(layout, text, -1);
	return layout;
}

static double layout_height(PangoLayout *layout)
{
	int h;

	pango_layout_get_size(layout, NULL, &h);
	return (double)h / PANGO_SCALE;
}

static void put(struct paper *p, PangoLayout *layout, double x, double y)
{
	cairo_move_to(p->cr, x, y);
	pango_cairo_show_layout(p->cr, layout);
}

/* Decree 30/2020: pages are numbered from the second one on, in the middle of the top margin. */
static void number_page(struct paper *p)
{
	char text[16];
	PangoLayout *layout;

	snprintf(text, sizeof(text), "%d", p->page);
	layout = layout_new(p, text, FAMILY " 13", p->width);
	pango_layout_set_alignment(layout, PANGO_ALIGN_CENTER);
	put(p, layout, 0, TOP / 2);
	g_object_unref(layout);
}

static void next_page(struct paper *p)
{
	cairo_show_page(p->cr);
	p->page++;
	p->y = TOP;
	number_page(p);
}

/* What is taller than a page starts on a fresh one and is cut there. */
static void need(struct paper *p, double height)
{
	if (p->y + height > p->height - BOTTOM && p->y > TOP)
		next_page(p);
}

static bool font_is_there(PangoContext *context)
{
	PangoFontDescription *wanted = pango_font_description_from_string(FAMILY " 13");
	PangoFont *font = pango_context_load_font(context, wanted);
	PangoFontDescription *found = font ? pango_font_describe(font) : NULL;
	bool there = found && strcmp(pango_font_description_get_family(found), FAMILY) == 0;

	pango_font_description_free(wanted);
	if (found)
		pango_font_description_free(found);
	if (font)
		g_object_unref(font);
	return there;
}

/* Glyphs where the type designer put them: the paper has no pixels. */
static void unhinted(PangoContext *context)
{
	cairo_font_options_t *options = cairo_font_options_create();

	cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
	cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
	pango_cairo_context_set_font_options(context, options);
	cairo_font_options_destroy(options);
	pango_context_set_round_glyph_positions(context, FALSE);
}

static void set_metadata(struct paper *p, const char *title)
{
	char day[11], when[32];
	int minute = civil_minute_of_us(p->time_us);

	civil_format(civil_of_us(p->time_us), day);
	snprintf(when, sizeof(when), "%sT%02d:%02d:00+07:00", day, minute / 60, minute % 60);
	cairo_pdf_surface_set_metadata(p->surface, CAIRO_PDF_METADATA_TITLE, title);
	cairo_pdf_surface_set_metadata(p->surface, CAIRO_PDF_METADATA_CREATE_DATE, when);
}

int paper_new(const struct paper_setup *setup, struct paper **ret_paper, struct err *err)
{
	struct paper *p = base_alloc(sizeof(*p));

	p->fonts = pango_cairo_font_map_new();
	pango_cairo_font_map_set_resolution(PANGO_CAIRO_FONT_MAP(p->fonts), 72);
	p->context = pango_font_map_create_context(p->fonts);
	pango_context_set_language(p->context, pango_language_from_string("vi"));
	unhinted(p->context);
	buf_init(&p->out, PAPER_MAX_BYTES);
	p->width = setup->landscape ? A4_LONG : A4_SHORT;
	p->height = setup->landscape ? A4_SHORT : A4_LONG;
	p->time_us = setup->time_us;
	p->y = TOP;
	p->page = 1;
	p->surface = cairo_pdf_surface_create_for_stream(write_out, p, p->width, p->height);
	p->cr = cairo_create(p->surface);
	cairo_set_line_width(p->cr, 0.6);
	set_metadata(p, setup->title);
	if (!font_is_there(p->context)) {
		paper_free(p);
		return err_set(err, &font_missing, NULL, FAMILY);
	}
	*ret_paper = p;
	return 0;
}

void paper_free(struct paper *p)
{
	if (!p)
		return;
	cairo_destroy(p->cr);
	cairo_surface_destroy(p->surface);
	g_object_unref(p->context);
	g_object_unref(p->fonts);
	buf_done(&p->out);
	free(p);
}

void paper_stop(void)
{
	cairo_debug_reset_static_data();
	FcFini();
}

int paper_finish(struct paper *p, struct arena *arena, const uint8_t **ret_bytes, size_t *ret_len,
		 struct err *err)
{
	const uint8_t *bytes;

	CHECK(!p->finished);
	p->finished = true;
	cairo_show_page(p->cr);
	cairo_surface_finish(p->surface);
	if (p->out.full)
		return err_set(err, &err_too_large, NULL, "paper");
	if (cairo_status(p->cr) != CAIRO_STATUS_SUCCESS ||
	    cairo_surface_status(p->surface) != CAIRO_STATUS_SUCCESS)
		return err_set(err, &err_internal, NULL, "cairo");
	bytes = (const uint8_t *)arena_memdup(arena, p->out.data, p->out.len);
	if (!bytes)
		return err_set(err, &err_too_large, NULL, "arena");
	*ret_bytes = bytes;
	*ret_len = p->out.len;
	return 0;
}

/* --- text --- */

static const char *font_of(enum paper_style style)
{
	switch (style) {
	case PAPER_BOLD:
		return FAMILY " Bold 13";
	case PAPER_ITALIC:
		return FAMILY " Italic 13";
	case PAPER_SMALL:
		return FAMILY " 11";
	case PAPER_PLAIN:
	case PAPER_CENTRED:
		break;
	}
	return FAMILY " 13";
}

/* Line by line, so that a long text runs over pages. */
static void flow(struct paper *p, PangoLayout *layout)
{
	PangoLayoutIter *iter = pango_layout_get_iter(layout);

	do {
		PangoRectangle r;
		double height;

		pango_layout_iter_get_line_extents(iter, NULL, &r);
		height = (double)r.height / PANGO_SCALE;
		need(p, height);
		cairo_move_to(p->cr, LEFT + (double)r.x / PANGO_SCALE,
			      p->y + (double)(pango_layout_iter_get_baseline(iter) - r.y) /
					      PANGO_SCALE);
		pango_cairo_show_layout_line(p->cr, pango_layout_iter_get_line_readonly(iter));
		p->y += height;
	} while (pango_layout_iter_next_line(iter));
	pango_layout_iter_free(iter);
	p->y += PARAGRAPH_GAP;
}

void paper_text(struct paper *p, enum paper_style style, const char *text)
{
	PangoLayout *layout = layout_new(p, text, font_of(style), inner_width(p));

	pango_layout_set_alignment(layout,
				   style == PAPER_CENTRED ? PANGO_ALIGN_CENTER : PANGO_ALIGN_LEFT);
	flow(p, layout);
	g_object_unref(layout);
}

void paper_field(struct paper *p, const char *label, const char *value)
{
	PangoAttrList *attributes;
	PangoAttribute *bold;
	PangoLayout *layout;
	char *text;

	if (value[0] == '\0')
		return;
	text = g_strconcat(label, ": ", value, NULL);
	layout = layout_new(p, text, font_of(PAPER_PLAIN), inner_width(p));
	attributes = pango_attr_list_new();
	bold = pango_attr_weight_new(PANGO_WEIGHT_BOLD);
	bold->start_index = (guint)strlen(label) + 2;
	pango_attr_list_insert(attributes, bold);
	pango_layout_set_attributes(layout, attributes);
	pango_attr_list_unref(attributes);
	flow(p, layout);
	g_object_unref(layout);
	g_free(text);
}

void paper_gap(struct paper *p, double points)
{
	p->y += points;
}

/* A line of text in the middle of a column; returns its height. */
static double centred(struct paper *p, const char *text, const char *font, double x, double y,
		      double width)
{
	PangoLayout *layout = layout_new(p, text, font, width);
	double height = layout_height(layout);

	pango_layout_set_alignment(layout, PANGO_ALIGN_CENTER);
	put(p, layout, x, y);
	g_object_unref(layout);
	return height;
}

static void rule(struct paper *p, double middle, double y, double width)
{
	cairo_move_to(p->cr, middle - width / 2, y);
	cairo_line_to(p->cr, middle + width / 2, y);
	cairo_stroke(p->cr);
}

static double head_left(struct paper *p, const struct paper_head *head, double width)
{
	double y = p->y;
	char *parent = g_utf8_strup(head->parent, -1), *agency = g_utf8_strup(head->agency, -1);

	if (*parent)
		y += centred(p, parent, FAMILY " 12", LEFT, y, width);
	y += centred(p, agency, FAMILY " Bold 12", LEFT, y, width) + 2;
	rule(p, LEFT + width / 2, y, width / 3);
	y += 4;
	if (head->number[0])
		y += centred(p, head->number, FAMILY " 13", LEFT, y, width);
	g_free(parent);
	g_free(agency);
	return y;
}

static double head_right(struct paper *p, const struct paper_head *head, double x, double width)
{
	char date[160];
	double y = p->y;
	int year, month, day;

	civil_to_ymd(civil_of_us(p->time_us), &year, &month, &day);
	y += centred(p, "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", FAMILY " Bold 12", x, y, width);
	y += centred(p, "Độc lập - Tự do - Hạnh phúc", FAMILY " Bold 13", x, y, width) + 2;
	rule(p, x + width / 2, y, width * 0.56);
	y += 4;
	snprintf(date, sizeof(date), "%.100s%sngày %02d tháng %02d năm %d", head->place,
		 head->place[0] ? ", " : "", day, month, year);
	return y + centred(p, date, FAMILY " Italic 13", x, y, width);
}

void paper_heading(struct paper *p, const struct paper_head *head)
{
	double left = inner_width(p) * 0.42, right = inner_width(p) * 0.58;
	double a = head_left(p, head, left - 6), b = head_right(p, head, LEFT + left, right);

	p->y = (a > b ? a : b) + 14;
}

void paper_title(struct paper *p, const char *title, const char *subtitle)
{
	char *upper = g_utf8_strup(title, -1);

	p->y += centred(p, upper, FAMILY " Bold 14", LEFT, p->y, inner_width(p));
	if (subtitle[0])
		p->y += centred(p, subtitle, FAMILY " Bold 13", LEFT, p->y, inner_width(p));
	p->y += 10;
	g_free(upper);
}

/* --- tables --- */

static PangoLayout *cell_new(const struct paper *p, const struct paper_column *column,
			     const char *text, bool head)
{
	double width = column->share * inner_width(p) - 2 * PADDING;
	PangoLayout *layout = layout_new(p, text, head ? FAMILY " Bold 11" : FAMILY " 11", width);

	pango_layout_set_alignment(layout,
				   head || column->centred ? PANGO_ALIGN_CENTER : PANGO_ALIGN_LEFT);
	return layout;
}

static void draw_row(struct paper *p, const struct paper_table *t, PangoLayout **cells,
		     double height)
{
	double x = LEFT;

	for (size_t i = 0; i < t->n_columns; i++) {
		double width = t->columns[i].share * inner_width(p);

		cairo_rectangle(p->cr, x, p->y, width, height);
		cairo_stroke(p->cr);
		put(p, cells[i], x + PADDING, p->y + PADDING);
		x += width;
	}
	p->y += height;
}

/* texts NULL: the head. */
static void table_row(struct paper *p, const struct paper_table *t, const char *const *texts)
{
	bool head = !texts;
	PangoLayout *cells[PAPER_COLUMNS_MAX];
	double height = 0;

	for (size_t i = 0; i < t->n_columns; i++) {
		double h;

		cells[i] =
			cell_new(p, &t->columns[i], texts ? texts[i] : t->columns[i].title, head);
		h = layout_height(cells[i]) + 2 * PADDING;
		height = h > height ? h : height;
	}
	if (!head && p->y + height > p->height - BOTTOM) {
		next_page(p);
		table_row(p, t, NULL);
	}
	draw_row(p, t, cells, height);
	for (size_t i = 0; i < t->n_columns; i++)
		g_object_unref(cells[i]);
}

void paper_rows(struct paper *p, const struct paper_table *t)
{
	CHECK(t->n_columns <= PAPER_COLUMNS_MAX);
	need(p, 3 * (TABLE_POINTS + 2 * PADDING)); /* no head without a row */
	table_row(p, t, NULL);
	for (size_t i = 0; i < t->n_rows; i++)
		table_row(p, t, t->cells + i * t->n_columns);
	p->y += PARAGRAPH_GAP * 2;
}

/* --- signatures, QR codes --- */

static void sign(struct paper *p, const struct paper_signature *s, double x, double width)
{
	double y = p->y;
	char *title = g_utf8_strup(s->title, -1);

	y += centred(p, title, FAMILY " Bold 13", x, y, width);
	y += centred(p, s->note, FAMILY " Italic 12", x, y, width) + SIGNATURE_GAP;
	centred(p, s->name, FAMILY " Bold 13", x, y, width);
	g_free(title);
}

void paper_signatures(struct paper *p, const struct paper_signature *left,
		      const struct paper_signature *right)
{
	double height = 3 * TEXT_POINTS * 1.4 + SIGNATURE_GAP;

	p->y += 8;
	need(p, height);
	if (left->title[0])
		sign(p, left, LEFT, inner_width(p) / 2);
	if (right->title[0])
		sign(p, right, LEFT + inner_width(p) / 2, inner_width(p) / 2);
	p->y += height;
}

static void draw_qr(struct paper *p, const QRcode *qr, double x, double y)
{
	double module = QR_POINTS / (qr->width + 8.0); /* four modules of quiet zone on each side */

	for (int row = 0; row < qr->width; row++)
		for (int col = 0; col < qr->width; col++)
			if (qr->data[row * qr->width + col] & 1)
				cairo_rectangle(p->cr, x + (col + 4) * module,
						y + (row + 4) * module, module, module);
	cairo_fill(p->cr);
}

void paper_qr(struct paper *p, const char *content, const char *const *lines, size_t n_lines)
{
	QRcode *qr = QRcode_encodeString8bit(content, 0, QR_ECLEVEL_M);
	double y;

	need(p, QR_POINTS);
	y = p->y + 6;
	if (qr)
		draw_qr(p, qr, LEFT, p->y);
	QRcode_free(qr);
	for (size_t i = 0; i < n_lines; i++) {
		PangoLayout *layout =
			layout_new(p, lines[i], FAMILY " 11", inner_width(p) - QR_POINTS - 8);

		put(p, layout, LEFT + QR_POINTS + 8, y);
		y += layout_height(layout);
		g_object_unref(layout);
	}
	p->y += QR_POINTS + PARAGRAPH_GAP;
}
