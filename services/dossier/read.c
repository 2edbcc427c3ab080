/* The whole dossier for the agencies that have it in hand; each reading is recorded. */
#include <string.h>

#include "common/wire/pb.h"
#include "services/dossier/legacy.h"
#include "services/dossier/lists.h"

struct slots {
	int dossier, filed, history;
	int filing, components, files; /* as revised; 0: stands as filed */
	int asked;                     /* 0: nobody */
};

static int no_room(struct call *c)
{
	return err_set(&c->err, &err_too_large, NULL, "arena");
}

static int fill_form(struct call *c, int slot, Dossier__Dossier *out)
{
	size_t n, n_values;
	const char **names = db_get_texts(&c->tx, slot, 0, FILING_FORM_NAMES, &n);
	const char **values = db_get_texts(&c->tx, slot, 0, FILING_FORM_VALUES, &n_values);
	Dossier__FormField *fields = arena_calloc(c->arena, n, sizeof(*fields));

	out->form = arena_calloc(c->arena, n, sizeof(out->form[0]));
	if (!fields || !out->form)
		return no_room(c);
	for (size_t i = 0; i < n; i++) {
		dossier__form_field__init(&fields[i]);
		fields[i].name = names[i];
		fields[i].value = values[i];
		out->form[out->n_form++] = &fields[i];
	}
	return 0;
}

static int fill_applicant(struct call *c, int slot, Dossier__Dossier *out)
{
	Dossier__Applicant *a = arena_alloc(c->arena, sizeof(*a));

	if (!a)
		return no_room(c);
	dossier__applicant__init(a);
	a->kind = db_get_text(&c->tx, slot, 0, FILING_KIND);
	a->number = db_get_text(&c->tx, slot, 0, FILING_NUMBER);
	a->name = db_get_text(&c->tx, slot, 0, FILING_NAME);
	a->phone = db_get_text(&c->tx, slot, 0, FILING_PHONE);
	a->address = db_get_text(&c->tx, slot, 0, FILING_ADDRESS);
	a->email = db_get_text(&c->tx, slot, 0, FILING_EMAIL);
	a->language = db_get_text(&c->tx, slot, 0, FILING_LANGUAGE);
	out->applicant = a;
	return 0;
}

/* The files of one component: their rows stand together, in the order they were handed in. */
static int fill_files(struct call *c, int slot, Dossier__ComponentInput *component)
{
	int n = db_rows(&c->tx, slot);

	component->file_ids = arena_calloc(c->arena, (size_t)n, sizeof(component->file_ids[0]));
	if (!component->file_ids)
		return no_room(c);
	for (int i = 0; i < n; i++)
		if (strcmp(db_get_text(&c->tx, slot, i, 0), component->code) == 0)
			component->file_ids[component->n_file_ids++] =
				db_get_text(&c->tx, slot, i, 1);
	return 0;
}

/* As they stand now, when that may not be what was filed. */
static int fill_components(struct call *c, int slot, int files, Dossier__Dossier *out)
{
	int n = db_rows(&c->tx, slot);
	Dossier__ComponentInput *list = arena_calloc(c->arena, (size_t)n, sizeof(*list));

	out->components = arena_calloc(c->arena, (size_t)n, sizeof(out->components[0]));
	if (!list || !out->components)
		return no_room(c);
	for (int i = 0; i < n; i++) {
		dossier__component_input__init(&list[i]);
		list[i].code = db_get_text(&c->tx, slot, i, 0);
		list[i].paper_copies = (uint32_t)db_get_int(&c->tx, slot, i, 1);
		list[i].demanded = db_get_bool(&c->tx, slot, i, 2);
		if (fill_files(c, files, &list[i]) < 0)
			return c->err.status;
		out->components[out->n_components++] = &list[i];
	}
	return 0;
}

/* Up to the version of the row: a later entry may have come between the two readings. */
static int fill_history(struct call *c, int slot, int32_t version, Dossier__GetReply *out)
{
	int n = db_rows(&c->tx, slot);
	Dossier__HistoryEntry *list = arena_calloc(c->arena, (size_t)n, sizeof(*list));

	out->history = arena_calloc(c->arena, (size_t)n, sizeof(out->history[0]));
	if (!list || !out->history)
		return no_room(c);
	for (int i = 0; i < n; i++) {
		dossier__history_entry__init(&list[i]);
		list[i].version = (int32_t)db_get_int(&c->tx, slot, i, 0);
		if (list[i].version > version)
			break;
		list[i].state = (Dossier__DossierState)db_get_int(&c->tx, slot, i, 1);
		list[i].action = db_get_text(&c->tx, slot, i, 2);
		list[i].actor = db_get_text(&c->tx, slot, i, 3);
		list[i].agency_code = db_get_text(&c->tx, slot, i, 4);
		list[i].note = db_get_text(&c->tx, slot, i, 5);
		list[i].time_us = db_get_time_us(&c->tx, slot, i, 6);
		list[i].post = db_get_text(&c->tx, slot, i, 7);
		list[i].reason = db_get_text(&c->tx, slot, i, 8);
		list[i].acting_for = db_get_text(&c->tx, slot, i, 9);
		out->history[out->n_history++] = &list[i];
	}
	return 0;
}

static void fill_work(const struct dossier *d, Dossier__Dossier *out)
{
	out->supporting_agency_code = d->agencies.supporting;
	out->parent_code = d->parent;
	out->assignee = d->assignee;
	out->step = d->step;
	out->step_due_us = d->step_due_us;
	out->pause_kind = d->pause_kind;
	out->reply_due_us = d->reply_due_us;
	out->answer_due_us = d->answer_due_us;
	out->reason = d->reason;
	out->decision = d->decision;
	out->finance_state = d->finance_state;
	out->handover_state = d->handover_state;
	out->tracking_number = d->tracking_number;
	out->extended = d->extended;
	out->signed_by = d->signed_by;
	out->in_transit = d->in_transit;
	out->opinions_open = d->opinions_open;
}

static void fill_dossier(const struct dossier *d, Dossier__Dossier *out)
{
	out->code = d->code;
	out->version = d->version;
	out->state = d->state;
	out->procedure_code = d->procedure_code;
	out->procedure_version = d->procedure_version;
	out->receiving_agency_code = d->agencies.receiving;
	out->competent_agency_code = d->agencies.competent;
	out->holder_agency_code = d->agencies.holder;
	out->channel = d->channel;
	out->submitted_us = d->submitted_us;
	out->accepted_us = d->accepted_us;
	out->due_us = d->due_us;
	out->due_provisional = d->due_provisional;
	out->paused_us = d->paused_us;
	out->finished_us = d->finished_us;
	out->verdict = d->verdict;
	out->fee_vnd = d->fee_vnd;
	out->fee_paid = d->fee_paid;
	out->result_number = d->result_number;
	out->result_file_id = d->result_file_id;
	fill_work(d, out);
}

/* As filed: it came with the filing. */
static int fill_handed_in(struct call *c, int slot, Dossier__Dossier *out)
{
	const Dossier__HandedIn *handed_in;
	ProtobufCMessage *msg;
	size_t n;
	const uint8_t *bytes = db_get_bytes(&c->tx, slot, 0, FILING_HANDED_IN, &n);

	if (pb_unpack(&dossier__handed_in__descriptor, bytes, n, NULL, c->arena, &msg, &c->err) < 0)
		return c->err.status;
	handed_in = (const Dossier__HandedIn *)msg;
	out->components = handed_in->components;
	out->n_components = handed_in->n_components;
	return 0;
}

static int fill_filer(struct call *c, int slot, Dossier__GetReply *out)
{
	const struct db_tx *tx = &c->tx;
	Dossier__Filer *by = arena_alloc(c->arena, sizeof(*by));

	if (!by)
		return no_room(c);
	dossier__filer__init(by);
	by->relation = (Dossier__Relation)db_get_int(tx, slot, 0, FILING_RELATION);
	by->name = db_get_text(tx, slot, 0, FILING_FILER_NAME);
	by->number = db_get_text(tx, slot, 0, FILING_FILER_NUMBER);
	by->authorisation = db_get_text(tx, slot, 0, FILING_AUTHORISATION);
	by->reference = db_get_text(tx, slot, 0, FILING_REFERENCE);
	if (by->relation != DOSSIER__RELATION__RELATION_UNSPECIFIED)
		out->filer = by;
	return 0;
}

static int fill_identity(struct call *c, int slot, Dossier__GetReply *out)
{
	const struct db_tx *tx = &c->tx;
	Dossier__Identity *id = arena_alloc(c->arena, sizeof(*id));

	if (!id)
		return no_room(c);
	dossier__identity__init(id);
	id->method = (Dossier__IdentityMethod)db_get_int(tx, slot, 0, FILING_METHOD);
	id->level = (uint32_t)db_get_int(tx, slot, 0, FILING_LEVEL);
	id->reference = db_get_text(tx, slot, 0, FILING_EVIDENCE);
	id->number = db_get_text(tx, slot, 0, FILING_PROVEN);
	id->authenticated_us = db_get_time_us(tx, slot, 0, FILING_PROVEN_AT);
	if (id->method != DOSSIER__IDENTITY_METHOD__IDENTITY_METHOD_UNSPECIFIED)
		out->identity = id;
	out->identity_verified = db_get_bool(tx, slot, 0, FILING_VERIFIED);
	out->national_code = db_get_text(tx, slot, 0, FILING_NATIONAL_CODE);
	out->suspected_duplicates =
		db_get_texts(tx, slot, 0, FILING_SUSPECTED, &out->n_suspected_duplicates);
	return 0;
}

static int fill_parts(struct call *c, const struct slots *s, Dossier__GetReply *out)
{
	Dossier__Dossier *o = out->dossier;
	int filing = s->filing ? s->filing : s->filed;

	if (fill_applicant(c, filing, o) < 0 || fill_form(c, filing, o) < 0 ||
	    fill_filer(c, filing, out) < 0 || fill_identity(c, filing, out) < 0)
		return c->err.status;
	return s->filing ? fill_components(c, s->components, s->files, o)
			 : fill_handed_in(c, s->filed, o);
}

static int fill(struct call *c, const struct slots *s, const struct dossier *d,
		Dossier__GetReply *out)
{
	Dossier__Dossier *o = arena_alloc(c->arena, sizeof(*o));

	if (!o)
		return no_room(c);
	dossier__dossier__init(o);
	out->dossier = o;
	fill_dossier(d, o);
	if (fill_parts(c, s, out) < 0)
		return c->err.status;
	return fill_history(c, s->history, d->version, out);
}

int read_check_right(struct call *c, int asked, struct dossier *d)
{
	if (asked != 0 && db_rows(&c->tx, asked) > 0)
		d->agencies.asked = db_get_text(&c->tx, asked, 0, 0);
	if (rules_party(&d->agencies, RULES_AGENCIES, c->caller.agency, &c->err) < 0)
		return c->err.status;
	return reads_check_purpose(c, d->data_class[0] != '\0');
}

/*
 * What stands may differ from what was filed when a supplement was asked for, and when the dossier
 * has moved to another version of its procedure, which may have other components.
 */
static bool stands_as_filed(const struct call *c, const struct slots *s, const struct dossier *d)
{
	return d->supplements == 0 &&
	       db_get_int(&c->tx, s->filed, 0, FILING_HANDED_IN_VERSION) == d->procedure_version;
}

static int read_whole(struct call *c, const char *code, struct slots *s, struct dossier *d)
{
	s->dossier = tx_add(c, &dossier_row, DB_TEXT(code));
	s->filed = tx_add(c, &read_filed, DB_TEXT(code));
	s->history = tx_add(c, &read_history, DB_TEXT(code));
	if (tx_flush(c) < 0)
		return c->err.status;
	if (!dossier_read(c, s->dossier, code, d))
		return err_set(&c->err, &dossier_unknown, "code", code);
	if (!stands_as_filed(c, s, d)) {
		s->filing = tx_add(c, &read_filing, DB_TEXT(code));
		s->components = tx_add(c, &read_components, DB_TEXT(code));
		s->files = tx_add(c, &read_files, DB_TEXT(code));
	}
	if (d->opinions > 0)
		s->asked = tx_add(c, &read_asked, DB_TEXT(code), DB_TEXT(c->caller.agency));
	return tx_flush(c);
}

DOSSIER_HANDLER(get, Get)
{
	struct call *c = call_of(data);
	Dossier__GetReply out = DOSSIER__GET_REPLY__INIT;
	struct slots s = {.filing = 0};
	struct dossier d;

	(void)svc;
	tx_begin(c);
	if (read_whole(c, in->code, &s, &d) < 0 || read_check_right(c, s.asked, &d) < 0 ||
	    fill(c, &s, &d, &out) < 0 || legacy_fill_history(c, &out) < 0)
		return call_fail(c);
	reads_log(c, &d.code, 1, DOSSIER__READ_KIND__READ_KIND_DETAIL);
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
