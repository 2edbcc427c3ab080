/*
 * Moving an open dossier to its procedure's version in force: an explicit act, refused with
 * everything the new version asks that was not handed in. What it no longer asks stays on record.
 * The due date promised at acceptance stays too.
 */
#include <string.h>

#include "common/base/civil.h"
#include "services/dossier/dossier.h"
#include "services/dossier/lists_sql.h"

static const struct err_kind already_newest = {
	ERR_CONFLICT, "ALREADY_NEWEST", "Hồ sơ đã theo phiên bản đang có hiệu lực của thủ tục (%s)",
	"the dossier already has the version in force of its procedure (%s)"};

/* Components a record meets, from filing and later. */
static const struct db_stmt read_met = {
	"SELECT code FROM component WHERE dossier = $1 AND reused"
	" UNION SELECT component FROM component_reuse WHERE dossier = $1"};

static const struct db_stmt insert_component = {
	"INSERT INTO component (dossier, code, ordinal, paper_copies, held_record, held_source,"
	" reused, demanded) VALUES ($1, $2, $3, 0, nullif($4, ''), nullif($5, ''), $6, false)"
	" ON CONFLICT DO NOTHING"};

static const struct db_stmt insert_rebase = {
	"INSERT INTO rebase (dossier, version, from_procedure_version, components)"
	" VALUES ($1, $2, $3, $4)"};

/* What stands of the filing, and what it is measured against. */
struct look {
	int procedure, filing, components, files, met, held; /* slots */
};

static int read_all(struct call *c, const struct dossier *d, struct look *ret)
{
	int32_t today = civil_of_us(c->now_us);

	ret->procedure = catalogue_add(c, d->procedure_code, today);
	ret->filing = tx_add(c, &read_filing, DB_TEXT(d->code));
	ret->components = tx_add(c, &read_components, DB_TEXT(d->code));
	ret->files = tx_add(c, &read_files, DB_TEXT(d->code));
	ret->met = tx_add(c, &read_met, DB_TEXT(d->code));
	ret->held = held_add(c, d->owner_key, today);
	return tx_flush(c);
}

static bool asks_component(const Dossier__Procedure *p, const char *code)
{
	for (size_t i = 0; i < p->n_components; i++)
		if (strcmp(p->components[i]->code, code) == 0)
			return true;
	return false;
}

static bool asks_field(const Dossier__Procedure *p, const char *name)
{
	for (size_t i = 0; i < p->n_form; i++)
		if (strcmp(p->form[i]->name, name) == 0)
			return true;
	return false;
}

static bool has_row(const struct call *c, int slot, const char *code)
{
	for (int i = 0; i < db_rows(&c->tx, slot); i++)
		if (strcmp(db_get_text(&c->tx, slot, i, 0), code) == 0)
			return true;
	return false;
}

/* The form as filed, as far as the version asks for it. */
static int take_form(struct call *c, const struct look *look, const Dossier__Procedure *p,
		     Dossier__SubmitRequest *out)
{
	size_t n, n_values;
	const char **names = db_get_texts(&c->tx, look->filing, 0, FILING_FORM_NAMES, &n);
	const char **values = db_get_texts(&c->tx, look->filing, 0, FILING_FORM_VALUES, &n_values);
	Dossier__FormField *fields = arena_calloc(c->arena, n, sizeof(*fields));

	out->form = arena_calloc(c->arena, n, sizeof(out->form[0]));
	if (!fields || !out->form)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (size_t i = 0; i < n; i++) {
		if (!asks_field(p, names[i]))
			continue;
		dossier__form_field__init(&fields[i]);
		fields[i].name = names[i];
		fields[i].value = values[i];
		out->form[out->n_form++] = &fields[i];
	}
	return 0;
}

/* The components handed in or met, as far as the version asks for them. */
static int take_components(struct call *c, const struct look *look, const Dossier__Procedure *p,
			   Dossier__SubmitRequest *out)
{
	size_t n = (size_t)db_rows(&c->tx, look->components);
	Dossier__ComponentInput *list = arena_calloc(c->arena, n, sizeof(*list));

	out->components = arena_calloc(c->arena, n, sizeof(out->components[0]));
	if (!list || !out->components)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (size_t i = 0; i < n; i++) {
		const char *code = db_get_text(&c->tx, look->components, (int)i, 0);
		bool given = db_get_int(&c->tx, look->components, (int)i, 1) > 0 ||
			     has_row(c, look->files, code) || has_row(c, look->met, code);

		if (!given || !asks_component(p, code))
			continue;
		dossier__component_input__init(&list[i]);
		list[i].code = code;
		list[i].paper_copies = 1; /* stands for whatever it is met by */
		out->components[out->n_components++] = &list[i];
	}
	return 0;
}

/* Checks what stands against the version; *ret_parts has one entry per component of it. */
static int check(struct call *c, const struct look *look, const Dossier__Procedure *p,
		 const struct dossier *d, struct rules_component **ret_parts)
{
	Dossier__SubmitRequest standing = DOSSIER__SUBMIT_REQUEST__INIT;
	struct rules_component *parts = arena_calloc(c->arena, p->n_components, sizeof(*parts));
	struct err found = {.status = 0};
	struct rules_held *held;
	size_t n;

	if (!parts)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	if (take_form(c, look, p, &standing) < 0 || take_components(c, look, p, &standing) < 0 ||
	    held_read(c, look->held, &held, &n) < 0)
		return c->err.status;
	rules_check_form(p, &standing, civil_of_us(d->submitted_us), &found);
	rules_check_components(p, &standing, held, n, parts, &found);
	*ret_parts = parts;
	c->err = found;
	return c->err.status;
}

/* Components the version asks for beyond those the dossier has a row of. */
static void add_components(struct call *c, const struct look *look, const struct dossier *d,
			   const struct rules_component *parts, size_t n)
{
	int have = db_rows(&c->tx, look->components);

	for (size_t i = 0; i < n; i++) {
		const struct rules_component *r = &parts[i];

		if (has_row(c, look->components, r->component->code))
			continue;
		tx_add(c, &insert_component, DB_TEXT(d->code), DB_TEXT(r->component->code),
		       DB_INT4(++have), DB_TEXT(r->held ? r->held->record_id : ""),
		       DB_TEXT(r->held ? r->held->source : ""), DB_BOOL(r->reused));
	}
}

/* The holder's officer, or the operator, who is of no agency of the dossier. */
static int take(struct call *c, const char *code, struct dossier *ret)
{
	int slot = dossier_take_add(c, code);

	if (tx_flush(c) < 0)
		return c->err.status;
	if (!call_has_role(c, "operator"))
		return dossier_take_check(c, slot, code, RULES_REBASE, ret);
	if (!dossier_read(c, slot, code, ret))
		return err_set(&c->err, &dossier_unknown, "code", code);
	dossier_read_actor(c, slot + 1, ret);
	return dossier_step(c, ret, RULES_REBASE);
}

/* Reads, checks, and queues the rows; d is the locked dossier. */
static int rebase(struct call *c, struct dossier *d, const char *reason, Dossier__RebaseReply *out)
{
	const Dossier__Procedure *p = NULL;
	struct rules_component *parts;
	struct look look;

	if (read_all(c, d, &look) < 0 ||
	    catalogue_read(c, look.procedure, d->procedure_code, &c->err, &p) <= 0)
		return c->err.status;
	if (p->version == d->procedure_version)
		return err_set(&c->err, &already_newest, "code",
			       arena_printf(c->arena, "%d", p->version));
	if (check(c, &look, p, d, &parts) < 0)
		return c->err.status;
	out->from_procedure_version = d->procedure_version;
	out->to_procedure_version = d->procedure_version = p->version;
	dossier_save(c, d, rules_action_name(RULES_REBASE), dossier_nfc(c, reason));
	tx_add(c, &insert_rebase, DB_TEXT(d->code), DB_INT4(d->version),
	       DB_INT4(out->from_procedure_version), DB_INT4(db_rows(&c->tx, look.components)));
	add_components(c, &look, d, parts, p->n_components);
	out->version = d->version;
	return 0;
}

DOSSIER_HANDLER(rebase, Rebase)
{
	struct call *c = call_of(data);
	Dossier__RebaseReply out = DOSSIER__REBASE_REPLY__INIT;
	Dossier__DossierRebased ev = DOSSIER__DOSSIER_REBASED__INIT;
	struct dossier d;

	(void)svc;
	rules_check_required_text(in->reason, RULES_NOTE_MAX, "reason", &c->err);
	if (c->err.status < 0 || take(c, in->code, &d) < 0 || rebase(c, &d, in->reason, &out) < 0)
		return call_fail(c);
	ev.code = d.code;
	ev.procedure_code = d.procedure_code;
	ev.from_version = out.from_procedure_version;
	ev.to_version = out.to_procedure_version;
	ev.reason = in->reason;
	tx_event(c, "dossier.rebased", d.code, d.version, &ev.base);
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
