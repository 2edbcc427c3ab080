/* What is wrong with a filing is asked for once more, and answered: a new revision of the filing.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/civil.h"
#include "services/dossier/dossier.h"

#define LAST_MINUTE (23 * 60 + 59)

static const struct err_kind too_many_rounds = {ERR_CONFLICT, "TOO_MANY_ROUNDS",
						"Hồ sơ đã được yêu cầu bổ sung quá nhiều lần",
						"supplements were asked for too many times"};

static const struct db_stmt insert_supplement = {
	"INSERT INTO supplement (dossier, round, agency, asked_by, asked_at, reply_due_at, note)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7)"};

static const struct db_stmt insert_items = {
	"INSERT INTO supplement_item (dossier, round, ordinal, field, component, reason, text)"
	" SELECT $1, $2, u.n, u.field, u.component, u.reason, u.text"
	" FROM unnest($3::text[], $4::text[], $5::text[], $6::text[])"
	" WITH ORDINALITY AS u (field, component, reason, text, n)"};

/* What the last round asked for. */
static const struct db_stmt read_asked = {
	"SELECT coalesce(array_agg(field) FILTER (WHERE field <> ''), '{}'::text[]),"
	" coalesce(array_agg(component) FILTER (WHERE component <> ''), '{}'::text[])"
	" FROM supplement_item WHERE dossier = $1"
	" AND round = (SELECT max(round) FROM supplement WHERE dossier = $1)"};

static const struct db_stmt read_form = {
	"SELECT form_names, form_values FROM ("
	"  SELECT round, form_names, form_values FROM filing_revision WHERE dossier = $1"
	"  UNION ALL SELECT 0, form_names, form_values FROM filing WHERE code = $1) r"
	" ORDER BY round DESC LIMIT 1"};

static const struct db_stmt insert_revision = {
	"INSERT INTO filing_revision (dossier, round, form_names, form_values, given_by,"
	" by_applicant, at) VALUES ($1, $2, $3, $4, $5, $6, $7)"};

/* A dossier taken over has no components of its filing: here it gets the first of each. */
static const struct db_stmt insert_component = {
	"WITH c AS (INSERT INTO component (dossier, code, ordinal, paper_copies, reused, demanded)"
	" SELECT $1, $2, count(*) + 1, 0, false, false FROM component WHERE dossier = $1"
	" ON CONFLICT DO NOTHING)"
	" INSERT INTO component_revision (dossier, component, round, paper_copies, file_ids,"
	" sha256) VALUES ($1, $2, $3, $4, $5, $6)"};

/* --- asking --- */

/* What is asked for; and until when the applicant has to answer. */
static int check_items(struct call *c, struct dossier *d,
		       const Dossier__RequestSupplementRequest *in)
{
	const Dossier__Procedure *p;
	struct rules_reasons reasons;
	struct err found = {.status = 0};

	if (d->supplements >= RULES_SUPPLEMENT_ROUNDS_MAX)
		return err_set(&c->err, &too_many_rounds, "code", NULL);
	if (dossier_procedure(c, d, &p) < 0 ||
	    reasons_read(c, RULES_REASON_SUPPLEMENT, &reasons) < 0)
		return c->err.status;
	rules_check_items(p, &reasons, in, &found);
	if (found.status != 0)
		c->err = found;
	d->reply_due_us = civil_to_us(
		civil_of_us(c->now_us) + (int32_t)(in->reply_days ? in->reply_days : p->reply_days),
		LAST_MINUTE);
	return found.status;
}

static int add_items(struct call *c, const struct dossier *d,
		     const Dossier__RequestSupplementRequest *in)
{
	const char **column[4];

	for (size_t i = 0; i < 4; i++) {
		column[i] = arena_calloc(c->arena, in->n_items, sizeof(*column[i]));
		if (!column[i])
			return err_set(&c->err, &err_too_large, NULL, "arena");
	}
	for (size_t i = 0; i < in->n_items; i++) {
		column[0][i] = in->items[i]->field;
		column[1][i] = in->items[i]->component;
		column[2][i] = in->items[i]->reason;
		column[3][i] = dossier_nfc(c, in->items[i]->text);
	}
	tx_add(c, &insert_supplement, DB_TEXT(d->code), DB_INT4(d->supplements),
	       DB_TEXT(c->caller.agency), DB_TEXT(dossier_actor(c)), DB_TIME(c->now_us),
	       DB_TIME(d->reply_due_us), DB_TEXT(dossier_nfc(c, in->note)));
	tx_add(c, &insert_items, DB_TEXT(d->code), DB_INT4(d->supplements),
	       DB_TEXTS(column[0], in->n_items), DB_TEXTS(column[1], in->n_items),
	       DB_TEXTS(column[2], in->n_items), DB_TEXTS(column[3], in->n_items));
	return 0;
}

/* What a request asks for although it is held. */
struct demands {
	struct held_demand *list;
	size_t n;
};

static int find_demands(struct call *c, const struct dossier *d,
			const Dossier__RequestSupplementRequest *in, struct demands *ret)
{
	const char **components = arena_calloc(c->arena, in->n_items, sizeof(*components));
	size_t n = 0;

	if (!components)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (size_t i = 0; i < in->n_items; i++)
		if (in->items[i]->component[0] != '\0')
			components[n++] = in->items[i]->component;
	return held_demands(c, d, components, n, &ret->list, &ret->n);
}

static int add_facts(struct call *c, const struct demands *demands,
		     Dossier__DossierSupplementRequested *ev)
{
	Dossier__ComponentFact *facts = arena_calloc(c->arena, demands->n, sizeof(*facts));

	ev->demanded = arena_calloc(c->arena, demands->n, sizeof(ev->demanded[0]));
	if (!facts || !ev->demanded)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (size_t i = 0; i < demands->n; i++) {
		dossier__component_fact__init(&facts[i]);
		facts[i].code = demands->list[i].component;
		facts[i].held = facts[i].demanded = true;
		ev->demanded[ev->n_demanded++] = &facts[i];
	}
	return 0;
}

static int requested_event(struct call *c, const struct dossier *d,
			   const Dossier__RequestSupplementRequest *in,
			   const struct demands *demands)
{
	Dossier__DossierSupplementRequested ev = DOSSIER__DOSSIER_SUPPLEMENT_REQUESTED__INIT;
	Dossier__SupplementItem *items = arena_calloc(c->arena, in->n_items, sizeof(*items));

	ev.items = arena_calloc(c->arena, in->n_items, sizeof(ev.items[0]));
	if (!items || !ev.items)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (size_t i = 0; i < in->n_items; i++) {
		items[i] = *in->items[i];
		items[i].text = ""; /* may speak of the person */
		ev.items[ev.n_items++] = &items[i];
	}
	ev.code = d->code;
	ev.agency_code = c->caller.agency;
	ev.round = d->supplements;
	ev.reply_due_us = d->reply_due_us;
	if (add_facts(c, demands, &ev) < 0)
		return c->err.status;
	dossier_tell(c, d, RULES_REQUEST_SUPPLEMENT, "dossier.supplement_requested", &ev.base);
	return 0;
}

DOSSIER_HANDLER(request_supplement, RequestSupplement)
{
	struct call *c = call_of(data);
	Dossier__RequestSupplementReply out = DOSSIER__REQUEST_SUPPLEMENT_REPLY__INIT;
	struct demands demands;
	struct dossier d;

	(void)svc;
	if (dossier_check_note(c, in->note, 0) < 0 ||
	    dossier_take(c, in->code, RULES_REQUEST_SUPPLEMENT, &d) < 0 ||
	    check_items(c, &d, in) < 0 || find_demands(c, &d, in, &demands) < 0 ||
	    dossier_clock(c, &d) < 0)
		return call_fail(c);
	d.supplements++;
	dossier_save(c, &d, rules_action_name(RULES_REQUEST_SUPPLEMENT), dossier_nfc(c, in->note));
	if (add_items(c, &d, in) < 0)
		return call_fail(c);
	held_demands_add(c, d.code, d.supplements, demands.list, demands.n);
	if (requested_event(c, &d, in, &demands) < 0)
		return call_fail(c);
	out.version = d.version;
	out.reply_due_us = d.reply_due_us;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- answering --- */

/* An answer on its way through the handler; lives in the call's arena. */
struct answer {
	const Dossier__SupplementRequest *in;
	const char **file_ids; /* of all components, in order */
	const char **sha256;
	size_t n_files;
	const char **names, **values; /* of the whole form as it will stand */
	size_t n_form;
	struct err found;
};

static int no_room(struct call *c)
{
	return err_set(&c->err, &err_too_large, NULL, "arena");
}

static int list_files(struct call *c, struct answer *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->in->n_components; i++)
		n += a->in->components[i]->n_file_ids;
	if (n > RULES_FILES_MAX)
		return err_set(&c->err, &err_invalid_field, "components", "0..100 files");
	a->file_ids = arena_calloc(c->arena, n, sizeof(*a->file_ids));
	a->sha256 = arena_calloc(c->arena, n, sizeof(*a->sha256));
	if (!a->file_ids || !a->sha256)
		return no_room(c);
	for (size_t i = 0; i < a->in->n_components; i++)
		for (size_t j = 0; j < a->in->components[i]->n_file_ids; j++)
			a->file_ids[a->n_files++] = a->in->components[i]->file_ids[j];
	return 0;
}

/* Files must be there; paper is handed in at a desk. */
static int check_papers(struct call *c, struct answer *a)
{
	const Digitisation__FileStat **stats;
	size_t n = 0;
	char field[64];

	if (list_files(c, a) < 0 || files_stat(c, a->file_ids, a->n_files, &stats) < 0)
		return c->err.status;
	for (size_t i = 0; i < a->in->n_components; i++) {
		const Dossier__ComponentInput *input = a->in->components[i];

		for (size_t j = 0; j < input->n_file_ids; j++, n++) {
			snprintf(field, sizeof(field), "components[%zu].file_ids[%zu]", i, j);
			files_check(stats[n], input->file_ids[j], field, &a->found);
			a->sha256[n] = stats[n] ? stats[n]->sha256 : "";
		}
		snprintf(field, sizeof(field), "components[%zu].paper_copies", i);
		if (input->paper_copies > (dossier_is_applicant(c) ? 0 : RULES_PAPERS_MAX))
			err_add(&a->found, &err_invalid_field, field, "0; desk: 0..200");
	}
	return 0;
}

static bool is_answered(const struct answer *a, const char *name)
{
	for (size_t i = 0; i < a->in->n_form; i++)
		if (strcmp(a->in->form[i]->name, name) == 0)
			return true;
	return false;
}

/* New values first, so that paths of errors are those of the request; then what stays. */
static int merge_form(struct call *c, struct answer *a, int slot)
{
	size_t n_old, n_values;
	const char **names = db_get_texts(&c->tx, slot, 0, 0, &n_old);
	const char **values = db_get_texts(&c->tx, slot, 0, 1, &n_values);

	a->names = arena_calloc(c->arena, a->in->n_form + n_old, sizeof(*a->names));
	a->values = arena_calloc(c->arena, a->in->n_form + n_old, sizeof(*a->values));
	if (!a->names || !a->values)
		return no_room(c);
	for (size_t i = 0; i < a->in->n_form; i++) {
		a->names[a->n_form] = a->in->form[i]->name;
		a->values[a->n_form++] = dossier_nfc(c, a->in->form[i]->value);
	}
	for (size_t i = 0; i < n_old; i++) {
		if (is_answered(a, names[i]))
			continue;
		a->names[a->n_form] = names[i];
		a->values[a->n_form++] = values[i];
	}
	return 0;
}

/* The whole form must keep the procedure's rules, as at filing. */
static int check_form(struct call *c, const Dossier__Procedure *p, struct answer *a)
{
	Dossier__SubmitRequest whole = DOSSIER__SUBMIT_REQUEST__INIT;
	Dossier__FormField *fields = arena_calloc(c->arena, a->n_form, sizeof(*fields));

	whole.form = arena_calloc(c->arena, a->n_form, sizeof(whole.form[0]));
	if (!fields || !whole.form)
		return no_room(c);
	for (size_t i = 0; i < a->n_form; i++) {
		dossier__form_field__init(&fields[i]);
		fields[i].name = a->names[i];
		fields[i].value = a->values[i];
		whole.form[whole.n_form++] = &fields[i];
	}
	rules_check_form(p, &whole, civil_of_us(c->now_us), &a->found);
	return 0;
}

/* Of a dossier taken over it is unknown what was asked for: all of the procedure. */
static int ask_all(struct call *c, const Dossier__Procedure *p, struct rules_asked *asked)
{
	const char **fields = arena_calloc(c->arena, p->n_form, sizeof(*fields));
	const char **components = arena_calloc(c->arena, p->n_components, sizeof(*components));

	if (!fields || !components)
		return no_room(c);
	for (size_t i = 0; i < p->n_form; i++)
		fields[i] = p->form[i]->name;
	for (size_t i = 0; i < p->n_components; i++)
		components[i] = p->components[i]->code;
	*asked = (struct rules_asked){.fields = fields,
				      .n_fields = p->n_form,
				      .components = components,
				      .n_components = p->n_components,
				      .unknown = true};
	return 0;
}

static int check_answer(struct call *c, const struct dossier *d, struct answer *a, int asked_slot,
			int form_slot)
{
	struct rules_asked asked = {.unknown = false};
	const Dossier__Procedure *p;

	if (dossier_procedure(c, d, &p) < 0)
		return c->err.status;
	asked.fields = db_get_texts(&c->tx, asked_slot, 0, 0, &asked.n_fields);
	asked.components = db_get_texts(&c->tx, asked_slot, 0, 1, &asked.n_components);
	if (asked.n_fields + asked.n_components == 0 && ask_all(c, p, &asked) < 0)
		return c->err.status;
	rules_check_answer(&asked, a->in, &a->found);
	if (merge_form(c, a, form_slot) < 0 || check_form(c, p, a) < 0)
		return c->err.status;
	if (a->found.status != 0)
		c->err = a->found;
	return a->found.status;
}

static void add_rows(struct call *c, const struct dossier *d, const struct answer *a)
{
	size_t n = 0;

	tx_add(c, &insert_revision, DB_TEXT(d->code), DB_INT4(d->supplements),
	       DB_TEXTS(a->names, a->n_form), DB_TEXTS(a->values, a->n_form),
	       DB_TEXT(dossier_actor(c)), DB_BOOL(dossier_is_applicant(c)), DB_TIME(c->now_us));
	for (size_t i = 0; i < a->in->n_components; i++) {
		const Dossier__ComponentInput *input = a->in->components[i];

		tx_add(c, &insert_component, DB_TEXT(d->code), DB_TEXT(input->code),
		       DB_INT4(d->supplements), DB_INT4(input->paper_copies),
		       DB_TEXTS(a->file_ids + n, input->n_file_ids),
		       DB_TEXTS(a->sha256 + n, input->n_file_ids));
		n += input->n_file_ids;
	}
}

static void supplemented_event(struct call *c, const struct dossier *d, const struct answer *a)
{
	Dossier__DossierSupplemented ev = DOSSIER__DOSSIER_SUPPLEMENTED__INIT;

	ev.code = d->code;
	ev.round = d->supplements;
	ev.state = d->state;
	ev.due_us = d->due_us;
	ev.due_provisional = d->due_provisional;
	ev.file_ids = a->file_ids;
	ev.n_file_ids = a->n_files;
	dossier_tell(c, d, RULES_SUPPLEMENT, "dossier.supplemented", &ev.base);
}

DOSSIER_HANDLER(supplement, Supplement)
{
	struct call *c = call_of(data);
	Dossier__SupplementReply out = DOSSIER__SUPPLEMENT_REPLY__INIT;
	struct answer a = {.in = in};
	int slot, asked, form;
	struct dossier d;

	(void)svc;
	if ((dossier_is_applicant(c) &&
	     dossier_check_applicant(c, in->code, in->receipt_secret) < 0) ||
	    check_papers(c, &a) < 0)
		return call_fail(c);
	slot = dossier_take_add(c, in->code);
	asked = tx_add(c, &read_asked, DB_TEXT(in->code));
	form = tx_add(c, &read_form, DB_TEXT(in->code));
	if (tx_flush(c) < 0 ||
	    dossier_take_check_applicant(c, slot, in->code, RULES_SUPPLEMENT, &d) < 0 ||
	    check_answer(c, &d, &a, asked, form) < 0 || dossier_clock(c, &d) < 0)
		return call_fail(c);
	d.reply_due_us = 0;
	dossier_save(c, &d, rules_action_name(RULES_SUPPLEMENT), "");
	add_rows(c, &d, &a);
	supplemented_event(c, &d, &a);
	out.version = d.version;
	out.state = d.state;
	out.due_us = d.due_us;
	out.due_provisional = d.due_provisional;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
