/* Papers of a dossier, the register and the figures of an agency. A paper that names a person is
 * recorded as read. */
#include <string.h>

#include "common/base/civil.h"
#include "common/svc/refdata.h"
#include "services/dossier/lists.h"
#include "services/dossier/papers.h"

static const struct err_kind no_such_format = {ERR_INVALID, "NO_SUCH_FORMAT",
					       "Giấy tờ này không có ở định dạng %s",
					       "this paper does not come as %s"};

static const struct err_kind staff_only = {ERR_DENIED, "STAFF_ONLY",
					   "Giấy tờ này chỉ dùng trong cơ quan",
					   "this paper is for the agencies only"};

/* What a request asks for, and what is made of it. */
struct making {
	enum paper_kind kind;
	Dossier__PaperFormat format;
	struct paper_case of;
	struct papers_act act;
	const uint8_t *bytes;
	size_t n;
	const char *media_type, *suffix;
	const char *receiving; /* agency at the head of the control sheet */
};

static const char *format_name(Dossier__PaperFormat format)
{
	return format == DOSSIER__PAPER_FORMAT__PAPER_FORMAT_CSV ? "CSV" : "XLSX";
}

static int take_format(struct call *c, Dossier__PaperFormat asked, struct making *m)
{
	bool table = m->kind >= PAPER_CONTROL_SHEET;

	m->format = asked ? asked : DOSSIER__PAPER_FORMAT__PAPER_FORMAT_PDF;
	if (m->format == DOSSIER__PAPER_FORMAT__PAPER_FORMAT_PDF || table)
		return 0;
	return err_set(&c->err, &no_such_format, "format", format_name(m->format));
}

/* --- making --- */

static int make_table(struct call *c, struct making *m, const struct sheet *sheet)
{
	switch (m->format) {
	case DOSSIER__PAPER_FORMAT__PAPER_FORMAT_CSV:
		m->media_type = "text/csv; charset=utf-8";
		m->suffix = "csv";
		return sheet_csv(sheet, c->arena, &m->bytes, &m->n, &c->err);
	case DOSSIER__PAPER_FORMAT__PAPER_FORMAT_XLSX:
		m->media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
		m->suffix = "xlsx";
		return sheet_xlsx(sheet, m->act.time_us, c->arena, &m->bytes, &m->n, &c->err);
	case DOSSIER__PAPER_FORMAT__PAPER_FORMAT_PDF:
	case DOSSIER__PAPER_FORMAT__PAPER_FORMAT_UNSPECIFIED:
	case _DOSSIER__PAPER_FORMAT_IS_INT_SIZE:
		break;
	}
	return paper_make_sheet(m->kind, &m->of, sheet, m->act.time_us, c->arena, &m->bytes, &m->n,
				&c->err);
}

/* Names of the agency on top of a table. */
static int read_head(struct call *c, const char *code, struct paper_case *of)
{
	struct refdata_agency agency, parent;
	int rc = refdata_agency(c, code, civil_of_us(c->now_us), &agency);

	of->agency = code;
	of->parent_agency = "";
	if (rc <= 0)
		return rc;
	of->agency = agency.name;
	rc = refdata_agency(c, agency.parent_code, civil_of_us(c->now_us), &parent);
	if (rc > 0)
		of->parent_agency = parent.name;
	return rc < 0 ? rc : 0;
}

static int make(struct call *c, const struct papers_slots *s, struct making *m)
{
	struct sheet sheet;

	m->media_type = "application/pdf";
	m->suffix = "pdf";
	if (m->kind != PAPER_CONTROL_SHEET)
		return paper_make(m->kind, &m->of, m->act.time_us, c->arena, &m->bytes, &m->n,
				  &c->err);
	if (read_head(c, m->receiving, &m->of) < 0 || papers_control_sheet(c, s, &sheet) < 0)
		return c->err.status;
	return make_table(c, m, &sheet);
}

static const struct paper_form *form_of(const struct making *m)
{
	return paper_form_of(m->kind, civil_of_us(m->act.time_us));
}

/* --- one paper --- */

/* The paper's kind; the control sheet is the agency's own. */
static int take_kind(struct call *c, const Dossier__GetPaperRequest *in, struct making *m)
{
	if (in->kind == DOSSIER__PAPER_KIND__PAPER_KIND_UNSPECIFIED)
		return err_set(&c->err, &err_required_field, "kind", NULL);
	m->kind = (enum paper_kind)in->kind;
	return take_format(c, in->format, m);
}

static bool is_staff(const struct call *c)
{
	return c->caller.agency[0] != '\0' && !call_has_role(c, "citizen");
}

/* The applicant shows it by account or secret; a secret staff give is checked before it is printed.
 */
static int check_applicant(struct call *c, const Dossier__GetPaperRequest *in)
{
	if (is_staff(c))
		return in->receipt_secret[0] ? receipt_check(c, in->code, in->receipt_secret) : 0;
	if (in->kind == DOSSIER__PAPER_KIND__PAPER_KIND_CONTROL_SHEET)
		return err_set(&c->err, &staff_only, "kind", NULL);
	return dossier_check_applicant(c, in->code, in->receipt_secret);
}

static int check_staff(struct call *c, const struct dossier *d)
{
	if (!is_staff(c))
		return 0;
	return rules_party(&d->agencies, RULES_AGENCIES, c->caller.agency, &c->err);
}

static int read_case(struct call *c, const Dossier__GetPaperRequest *in, struct papers_slots *s,
		     struct making *m)
{
	struct dossier d;

	tx_begin(c);
	papers_add(c, in->code, m->kind, in->version, s);
	if (tx_flush(c) < 0)
		return c->err.status;
	if (!dossier_read(c, s->dossier, in->code, &d))
		return err_set(&c->err, &dossier_unknown, "code", in->code);
	if (check_staff(c, &d) < 0)
		return c->err.status;
	m->receiving = d.agencies.receiving;
	return papers_case(c, s, &d, m->kind, m->kind == PAPER_RECEIPT ? in->receipt_secret : "",
			   &m->of, &m->act);
}

DOSSIER_HANDLER(get_paper, GetPaper)
{
	struct call *c = call_of(data);
	Dossier__GetPaperReply out = DOSSIER__GET_PAPER_REPLY__INIT;
	struct making m = {.kind = 0};
	struct papers_slots s;

	(void)svc;
	if (take_kind(c, in, &m) < 0 || check_applicant(c, in) < 0 ||
	    read_case(c, in, &s, &m) < 0 || make(c, &s, &m) < 0)
		return call_fail(c);
	out.content = (ProtobufCBinaryData){.len = m.n, .data = (uint8_t *)(uintptr_t)m.bytes};
	out.media_type = m.media_type;
	out.file_name = arena_printf(c->arena, "%s-%s.%s", in->code, form_of(&m)->number, m.suffix);
	out.form_number = form_of(&m)->number;
	out.circular = form_of(&m)->circular;
	out.version = m.act.version;
	if (is_staff(c))
		reads_log(c, &in->code, 1, DOSSIER__READ_KIND__READ_KIND_PAPER);
	if (tx_commit(c, NULL) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- the register --- */

static int take_days(struct call *c, const Dossier__GetRegisterRequest *in, int32_t *ret_from,
		     int32_t *ret_to)
{
	if (civil_parse(in->from, ret_from) < 0)
		return err_set(&c->err, &err_invalid_field, "from", "YYYY-MM-DD");
	if (civil_parse(in->to, ret_to) < 0 || *ret_to < *ret_from || *ret_to - *ret_from > 366)
		return err_set(&c->err, &err_invalid_field, "to", "from .. from + 366");
	return 0;
}

static void log_all(struct call *c, const struct sheet *sheet)
{
	const char **codes = arena_calloc(c->arena, sheet->n_rows, sizeof(*codes));

	for (size_t i = 0; codes && i < sheet->n_rows; i++)
		codes[i] = sheet->cells[i * sheet->n_columns + 1];
	reads_log(c, codes, codes ? sheet->n_rows : 0, DOSSIER__READ_KIND__READ_KIND_PAPER);
}

DOSSIER_HANDLER(get_register, GetRegister)
{
	struct call *c = call_of(data);
	Dossier__GetRegisterReply out = DOSSIER__GET_REGISTER_REPLY__INIT;
	struct making m = {.kind = PAPER_REGISTER, .act = {.time_us = c->now_us}, .of.place = ""};
	struct sheet sheet;
	int32_t from, to;
	int slot;

	(void)svc;
	if (take_format(c, in->format, &m) < 0 || take_days(c, in, &from, &to) < 0)
		return call_fail(c);
	tx_begin(c);
	slot = papers_register_add(c, c->caller.agency, from, to);
	m.media_type = "application/pdf";
	m.suffix = "pdf";
	if (tx_flush(c) < 0 || read_head(c, c->caller.agency, &m.of) < 0 ||
	    papers_register(c, slot, &sheet) < 0 || make_table(c, &m, &sheet) < 0)
		return call_fail(c);
	out.content = (ProtobufCBinaryData){.len = m.n, .data = (uint8_t *)(uintptr_t)m.bytes};
	out.media_type = m.media_type;
	out.file_name = arena_printf(c->arena, "%s-%s-%s-%s.%s", c->caller.agency,
				     form_of(&m)->number, in->from, in->to, m.suffix);
	out.form_number = form_of(&m)->number;
	out.circular = form_of(&m)->circular;
	out.rows = (uint32_t)sheet.n_rows;
	log_all(c, &sheet);
	if (tx_commit(c, NULL) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- the figures --- */

/* A sheet is whole: it has no pages to ask for. */
static int check_whole(struct call *c, const Dossier__StatisticsRequest *of)
{
	if (!of)
		return err_set(&c->err, &err_required_field, "of", NULL);
	if (of->limit != 0)
		return err_set(&c->err, &err_invalid_field, "of.limit", "0");
	if (of->after_agency_code[0] != '\0' || of->after_field[0] != '\0')
		return err_set(&c->err, &err_invalid_field, "of.after_agency_code", "\"\"");
	return 0;
}

static int make_figures(struct call *c, const Dossier__GetStatisticsSheetRequest *in,
			struct making *m, struct rules_span *ret_span, uint32_t *ret_rows)
{
	Dossier__StatisticsReply figures = DOSSIER__STATISTICS_REPLY__INIT;
	struct sheet sheet;

	/* The head first: the texts of the figures are those of the last query. */
	if (read_head(c, in->of->agency_code, &m->of) < 0 ||
	    statistics_count(c, in->of, RULES_STATISTICS_LINES, ret_span, &figures) < 0)
		return c->err.status;
	if (figures.more)
		return err_set(&c->err, &err_too_large, "of", "5000");
	if (paper_statistics(figures.rows, figures.n_rows, c->arena, &sheet, &c->err) < 0)
		return c->err.status;
	*ret_rows = (uint32_t)figures.n_rows;
	return make_table(c, m, &sheet);
}

DOSSIER_HANDLER(get_statistics_sheet, GetStatisticsSheet)
{
	struct call *c = call_of(data);
	Dossier__GetStatisticsSheetReply out = DOSSIER__GET_STATISTICS_SHEET_REPLY__INIT;
	struct making m = {.kind = PAPER_STATISTICS, .act = {.time_us = c->now_us}, .of.place = ""};
	char from[11], to[11];
	struct rules_span span;

	(void)svc;
	m.media_type = "application/pdf";
	m.suffix = "pdf";
	if (take_format(c, in->format, &m) < 0 || check_whole(c, in->of) < 0 ||
	    make_figures(c, in, &m, &span, &out.rows) < 0)
		return call_fail(c);
	civil_format(span.from, from);
	civil_format(span.to, to);
	out.content = (ProtobufCBinaryData){.len = m.n, .data = (uint8_t *)(uintptr_t)m.bytes};
	out.media_type = m.media_type;
	out.file_name = arena_printf(c->arena, "%s-%s-%s-%s.%s", in->of->agency_code,
				     form_of(&m)->number, from, to, m.suffix);
	out.form_number = form_of(&m)->number;
	out.circular = form_of(&m)->circular;
	reply(&out, data);
}
