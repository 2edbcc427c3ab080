/* The rows and the event of a filing: the second flush of its transaction. */
#include <string.h>

#include "common/base/identity.h"
#include "services/dossier/intake.h"

/* One statement for one row each: a statement of its own costs as much again as its row. */
static const struct db_stmt insert_dossier = {
	"WITH d AS (INSERT INTO dossier (code, version, state, procedure_code, procedure_version,"
	" receiving_agency, competent_agency, holder_agency, supporting_agency, channel,"
	" submitted_at, applicant_name, guarded, answer_due_at)"
	" VALUES ($1, 1, 1, $2, $3, $4, $5, $4, $25, $6, $7, $10, $24, $39)),"
	" f AS (INSERT INTO filing (code, applicant_kind, applicant_number, applicant_name,"
	" applicant_phone, applicant_address, owner_key, form_names, form_values, filer,"
	" filer_is_citizen, secret_salt, secret_hash, relation, filer_name, filer_number,"
	" authorisation, authorisation_reference, identity_method, identity_level,"
	" identity_reference, identity_number, identity_at, identity_verified, national_code,"
	" content_sha256, suspected)"
	" VALUES ($1, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $26, $27, $28,"
	" $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $40))"
	" INSERT INTO history (dossier, version, state, action, actor, member, roles, agency,"
	" holder_agency, note, at) VALUES ($1, 1, 1, $20, $16, $21, $22, $23, $4, '', $7)"};

static const struct db_stmt insert_suspicions = {
	"INSERT INTO suspicion (dossier, other, at) SELECT $1, other, $3"
	" FROM unnest($2::text[]) AS other"};

static const struct db_stmt insert_parts = {
	"WITH c AS (INSERT INTO component (dossier, code, ordinal, paper_copies, held_record,"
	" held_source, reused, demanded, file_ids)"
	" SELECT $1, u.code, u.n, u.papers, nullif(u.held, ''), nullif(u.source, ''),"
	" u.reused = 1, u.demanded = 1, coalesce((SELECT array_agg(f.file_id ORDER BY f.n)"
	"  FROM unnest($8::text[], $9::text[]) WITH ORDINALITY AS f (component, file_id, n)"
	"  WHERE f.component = u.code), '{}') FROM unnest($2::text[], $3::int8[], $4::text[], "
	"$5::text[],"
	" $6::int8[], $7::int8[])"
	" WITH ORDINALITY AS u (code, papers, held, source, reused, demanded, n))"
	" INSERT INTO component_file (dossier, component, file_id, ordinal, sha256)"
	" SELECT $1, u.component, u.file_id, u.n, u.sha256"
	" FROM unnest($8::text[], $9::text[], $10::text[])"
	" WITH ORDINALITY AS u (component, file_id, sha256, n)"};

static int no_room(struct call *c)
{
	return err_set(&c->err, &err_too_large, NULL, "arena");
}

static void add_dossier(struct call *c, const struct filing *f)
{
	static const Dossier__Identity nobody = DOSSIER__IDENTITY__INIT;
	static const Dossier__Filer oneself = DOSSIER__FILER__INIT;
	const Dossier__SubmitRequest *in = f->in;
	const Dossier__Applicant *a = in->applicant;
	const Dossier__Identity *id = in->identity ? in->identity : &nobody;
	const Dossier__Filer *by = rules_represented(in) ? in->filer : &oneself;
	uint8_t salt[RECEIPT_SALT_BYTES], hash[CRYPT_SHA256_BYTES];

	crypt_random(salt, sizeof(salt));
	receipt_hash(salt, f->secret, hash);
	tx_add(c, &insert_dossier, DB_TEXT(f->code), DB_TEXT(f->procedure->code),
	       DB_INT4(f->procedure->version), DB_TEXT(in->agency_code), DB_TEXT(f->competent),
	       DB_INT4(in->channel), DB_TIME(c->now_us), DB_TEXT(a->kind), DB_TEXT(a->number),
	       DB_TEXT(dossier_nfc(c, a->name)), DB_TEXT(identity_phone_normal(c->arena, a->phone)),
	       DB_TEXT(dossier_nfc(c, a->address)), DB_TEXT(f->owner_key),
	       DB_TEXTS(f->answers.names, f->answers.n), DB_TEXTS(f->answers.values, f->answers.n),
	       DB_TEXT(dossier_actor(c)), DB_BOOL(f->filer == RULES_BY_CITIZEN),
	       DB_BYTEA(salt, sizeof(salt)), DB_BYTEA(hash, sizeof(hash)),
	       DB_TEXT(rules_action_name(RULES_SUBMIT)), DB_TEXT(c->caller.member),
	       DB_TEXT(dossier_roles(c)), DB_TEXT(c->caller.agency),
	       DB_BOOL(strcmp(f->procedure->data_class, "basic") != 0),
	       DB_TEXT(in->supporting_agency_code), DB_INT4(by->relation),
	       DB_TEXT(dossier_nfc(c, by->name)), DB_TEXT(by->number), DB_TEXT(by->authorisation),
	       DB_TEXT(dossier_nfc(c, by->reference)), DB_INT4(id->method), DB_INT4(id->level),
	       DB_TEXT(dossier_nfc(c, id->reference)), DB_TEXT(id->number),
	       DB_TIME(id->authenticated_us), DB_BOOL(rules_identity_verified(in, f->filer)),
	       DB_TEXT(f->national_code),
	       DB_BYTEA(f->content_sha256, f->national_code[0] ? sizeof(f->content_sha256) : 0),
	       DB_TIME(f->answer_due_us), DB_BOOL(f->n_duplicates > 0));
}

/* Columns of the components and of the files handed in for them, as arrays. */
struct parts {
	const char **codes, **held, **source;
	int64_t *papers, *reused, *demanded;
	const char **file_component, **file_id, **sha256;
};

static bool parts_new(struct arena *arena, size_t n, size_t n_files, struct parts *p)
{
	p->codes = arena_calloc(arena, n, sizeof(*p->codes));
	p->held = arena_calloc(arena, n, sizeof(*p->held));
	p->source = arena_calloc(arena, n, sizeof(*p->source));
	p->papers = arena_calloc(arena, n, sizeof(*p->papers));
	p->reused = arena_calloc(arena, n, sizeof(*p->reused));
	p->demanded = arena_calloc(arena, n, sizeof(*p->demanded));
	p->file_component = arena_calloc(arena, n_files, sizeof(*p->file_component));
	p->file_id = arena_calloc(arena, n_files, sizeof(*p->file_id));
	p->sha256 = arena_calloc(arena, n_files, sizeof(*p->sha256));
	return p->codes && p->held && p->source && p->papers && p->reused && p->demanded &&
	       p->file_component && p->file_id && p->sha256;
}

static int add_parts(struct call *c, const struct filing *f)
{
	size_t n = f->procedure->n_components;
	struct parts p;

	if (!parts_new(c->arena, n, f->n_files, &p))
		return no_room(c);
	for (size_t i = 0; i < n; i++) {
		const struct rules_component *r = &f->components[i];

		p.codes[i] = r->component->code;
		p.held[i] = r->held ? r->held->record_id : "";
		p.source[i] = r->held ? r->held->source : "";
		p.papers[i] = r->input ? (int64_t)r->input->paper_copies : 0;
		p.reused[i] = r->reused;
		p.demanded[i] = r->demanded;
	}
	for (size_t i = 0; i < f->n_files; i++) {
		p.file_component[i] = f->files[i].component;
		p.file_id[i] = f->files[i].file_id;
		p.sha256[i] = f->files[i].stat->sha256;
	}
	if (n > 0)
		tx_add(c, &insert_parts, DB_TEXT(f->code), DB_TEXTS(p.codes, n),
		       DB_INT8S(p.papers, n), DB_TEXTS(p.held, n), DB_TEXTS(p.source, n),
		       DB_INT8S(p.reused, n), DB_INT8S(p.demanded, n),
		       DB_TEXTS(p.file_component, f->n_files), DB_TEXTS(p.file_id, f->n_files),
		       DB_TEXTS(p.sha256, f->n_files));
	return 0;
}

static void add_filer_facts(const struct filing *f, Dossier__DossierSubmitted *ev)
{
	const Dossier__SubmitRequest *in = f->in;

	ev->supporting_agency_code = in->supporting_agency_code;
	if (in->identity) {
		ev->identity_method = in->identity->method;
		ev->identity_level = in->identity->level;
	}
	ev->identity_verified = rules_identity_verified(in, f->filer);
	if (rules_represented(in))
		ev->relation = in->filer->relation;
	ev->national_code = f->national_code;
	ev->suspected_duplicates = (const char **)f->duplicates;
	ev->n_suspected_duplicates = f->n_duplicates;
}

static int add_event(struct call *c, const struct filing *f)
{
	Dossier__DossierSubmitted ev = DOSSIER__DOSSIER_SUBMITTED__INIT;
	size_t n = f->procedure->n_components;
	Dossier__ComponentFact *facts = arena_calloc(c->arena, n, sizeof(*facts));
	Dossier__ComponentFact **list = arena_calloc(c->arena, n, sizeof(*list));
	const char **ids = arena_calloc(c->arena, f->n_files, sizeof(*ids));
	const Dossier__Applicant *applicant = f->in->applicant;
	const struct dossier entry = {.code = f->code,
				      .version = 1,
				      .state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_FILED,
				      .procedure_code = f->procedure->code,
				      .agencies.holder = f->in->agency_code,
				      .has_account = f->filer == RULES_BY_CITIZEN,
				      .has_phone = applicant->phone[0] != '\0',
				      .has_address = applicant->address[0] != '\0',
				      .why = "",
				      .acting_for = "",
				      .post = ""};

	if (!facts || !list || !ids)
		return no_room(c);
	for (size_t i = 0; i < n; i++) {
		const struct rules_component *r = &f->components[i];

		dossier__component_fact__init(&facts[i]);
		facts[i].code = r->component->code;
		facts[i].held = r->held != NULL;
		facts[i].reused = r->reused;
		facts[i].demanded = r->demanded;
		list[i] = &facts[i];
	}
	for (size_t i = 0; i < f->n_files; i++)
		ids[i] = f->files[i].file_id;
	ev.code = f->code;
	ev.procedure_code = f->procedure->code;
	ev.receiving_agency_code = f->in->agency_code;
	ev.competent_agency_code = f->competent;
	ev.channel = f->in->channel;
	ev.online_level = f->procedure->online_level;
	ev.owner_key = f->owner_key;
	ev.components = list;
	ev.n_components = n;
	ev.submitted_us = c->now_us;
	ev.file_ids = ids;
	ev.n_file_ids = f->n_files;
	add_filer_facts(f, &ev);
	dossier_vouch(c, &entry, rules_action_name(RULES_SUBMIT), "");
	dossier_tell(c, &entry, RULES_SUBMIT, "dossier.submitted", &ev.base);
	return 0;
}

int intake_rows(struct call *c, struct filing *f)
{
	f->code = rules_make_code(c->arena, f->in->agency_code, f->today,
				  db_get_int(&c->tx, f->slot.ordinal, 0, 0));
	if (!f->code)
		return no_room(c);
	add_dossier(c, f);
	if (add_parts(c, f) < 0 || add_event(c, f) < 0)
		return c->err.status;
	if (f->n_duplicates > 0)
		tx_add(c, &insert_suspicions, DB_TEXT(f->code),
		       DB_TEXTS(f->duplicates, f->n_duplicates), DB_TIME(c->now_us));
	return 0;
}
