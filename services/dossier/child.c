/*
 * Linked dossiers (lien thong): the agency that works on one files another for the same applicant
 * with papers of the first, in the way any desk files (intake.h).
 */
#include <string.h>

#include "common/base/base.h"
#include "services/dossier/intake.h"
#include "services/dossier/lists_sql.h"

static const struct err_kind no_paper = {ERR_INVALID, "NO_PAPER",
					 "Hồ sơ chính không có tệp của thành phần %s",
					 "the parent has no file for component %s"};

/* Of the filing, which never changes. */
static const struct db_stmt read_applicant = {
	"SELECT applicant_kind, applicant_number, applicant_name, applicant_phone,"
	" applicant_address, applicant_email, applicant_language FROM filing WHERE code = $1"};

static const struct db_stmt link_child = {
	"UPDATE dossier SET parent = $2, parent_needs = $3 WHERE code = $1"};

static int no_room(struct call *c)
{
	return err_set(&c->err, &err_too_large, NULL, "arena");
}

/* Copies: the next query ends the results of this one. */
static int read_person(struct call *c, const char *code, Dossier__Applicant *a)
{
	int slot = call_query(c, &read_applicant, DB_TEXT(code));
	const char *column[7];

	if (slot < 0)
		return slot;
	if (db_rows(&c->tx, slot) == 0)
		return err_set(&c->err, &dossier_unknown, "code", code);
	for (size_t i = 0; i < ARRAY_LEN(column); i++) {
		column[i] = arena_strdup(c->arena, db_get_text(&c->tx, slot, 0, (int)i));
		if (!column[i])
			return no_room(c);
	}
	a->kind = column[0];
	a->number = column[1];
	a->name = column[2];
	a->phone = column[3];
	a->address = column[4];
	a->email = column[5];
	a->language = column[6];
	return 0;
}

/* The files of the parent's component as they stand now. */
static int take_files(struct call *c, int slot, const Dossier__ChildComponent *from,
		      Dossier__ComponentInput *to)
{
	int n = db_rows(&c->tx, slot);

	to->code = from->code;
	to->file_ids = arena_calloc(c->arena, (size_t)n, sizeof(to->file_ids[0]));
	if (!to->file_ids)
		return no_room(c);
	for (int i = 0; i < n; i++)
		if (strcmp(db_get_text(&c->tx, slot, i, 0), from->from_component) == 0)
			to->file_ids[to->n_file_ids++] =
				arena_strdup(c->arena, db_get_text(&c->tx, slot, i, 1));
	if (to->n_file_ids == 0)
		return err_set(&c->err, &no_paper, "components", from->from_component);
	return 0;
}

static int take_papers(struct call *c, const Dossier__OpenChildRequest *in,
		       Dossier__SubmitRequest *out)
{
	Dossier__ComponentInput *list = arena_calloc(c->arena, in->n_components, sizeof(*list));
	int slot = call_query(c, &read_files, DB_TEXT(in->code));

	out->components = arena_calloc(c->arena, in->n_components, sizeof(out->components[0]));
	if (!list || !out->components)
		return no_room(c);
	if (slot < 0)
		return slot;
	for (size_t i = 0; i < in->n_components; i++) {
		dossier__component_input__init(&list[i]);
		if (take_files(c, slot, in->components[i], &list[i]) < 0)
			return c->err.status;
		out->components[out->n_components++] = &list[i];
	}
	return 0;
}

/* The filing of the child, as the holder's desk files it for another agency. */
static struct filing *child_filing(struct call *c, const Dossier__OpenChildRequest *in)
{
	Dossier__SubmitRequest *out = arena_alloc(c->arena, sizeof(*out));
	Dossier__Applicant *applicant = arena_alloc(c->arena, sizeof(*applicant));

	if (!out || !applicant) {
		no_room(c);
		return NULL;
	}
	dossier__submit_request__init(out);
	dossier__applicant__init(applicant);
	out->procedure_code = in->procedure_code;
	out->agency_code = in->agency_code;
	out->competent_agency_code = in->competent_agency_code;
	if (strcmp(in->agency_code, c->caller.agency) != 0)
		out->supporting_agency_code = c->caller.agency;
	out->channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
	out->applicant = applicant;
	out->form = in->form;
	out->n_form = in->n_form;
	if (read_person(c, in->code, applicant) < 0 || take_papers(c, in, out) < 0)
		return NULL;
	return intake_new(c, out);
}

static void opened(struct call *c, struct dossier *d, const Dossier__OpenChildRequest *in,
		   const char *child)
{
	Dossier__DossierChildOpened ev = DOSSIER__DOSSIER_CHILD_OPENED__INIT;

	tx_add(c, &link_child, DB_TEXT(child), DB_TEXT(d->code), DB_BOOL(in->required));
	dossier_save(c, d, rules_action_name(RULES_OPEN_CHILD), child);
	ev.code = d->code;
	ev.child_code = child;
	ev.procedure_code = in->procedure_code;
	ev.agency_code = in->agency_code;
	ev.required = in->required;
	dossier_tell(c, d, RULES_OPEN_CHILD, "dossier.child_opened", &ev.base);
}

DOSSIER_HANDLER(open_child, OpenChild)
{
	struct call *c = call_of(data);
	Dossier__OpenChildReply out = DOSSIER__OPEN_CHILD_REPLY__INIT;
	struct filing *f = child_filing(c, in);
	struct dossier d;
	int slot;

	(void)svc;
	if (!f || intake_show_secret(c, f) < 0 || intake_look(c, f) < 0)
		return call_fail(c);
	slot = dossier_take_add(c, in->code);
	intake_reads(c, f);
	intake_reserve(c, f);
	if (tx_flush(c) < 0 || dossier_take_check(c, slot, in->code, RULES_OPEN_CHILD, &d) < 0 ||
	    intake_check(c, f) < 0 || intake_rows(c, f) < 0)
		return call_fail(c);
	opened(c, &d, in, f->code);
	out.version = d.version;
	out.child_code = f->code;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
