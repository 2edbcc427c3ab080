/* The rows and the event of a filing: the second flush of its transaction. */
#include <string.h>

#include "common/base/identity.h"
#include "common/wire/pb.h"
#include "services/dossier/intake.h"

static const struct db_stmt insert_dossier = {
	"INSERT INTO dossier (version, state, code, procedure_code, procedure_version,"
	" receiving_agency, holder_agency, competent_agency, supporting_agency, channel,"
	" submitted_at, applicant_name, guarded, answer_due_at)"
	" SELECT 1, 1, u.code, u.procedure, u.version, u.receiving, u.receiving,"
	" u.competent, u.supporting, u.channel, u.at, u.name, u.guarded, u.answer_due"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
	" AS u (code, procedure, version, receiving, competent, supporting, channel, at,"
	" name, guarded, answer_due)"};

static const struct db_stmt insert_filing = {
	"INSERT INTO filing (code, applicant_kind, applicant_number, applicant_name,"
	" applicant_phone, applicant_address, owner_key, form_names, form_values, filer,"
	" filer_is_citizen, secret_salt, secret_hash, relation, filer_name, filer_number,"
	" authorisation, authorisation_reference, identity_method, identity_level,"
	" identity_reference, identity_number, identity_at, identity_verified,"
	" national_code, content_sha256, suspected, handed_in, handed_in_version,"
	" applicant_email, applicant_language)"
	" SELECT u.code, u.kind, u.number, u.name, u.phone, u.address, u.owner_key,"
	" u.names::text[], u.answers::text[], u.filer, u.is_citizen, u.salt, u.hash,"
	" u.relation, u.filer_name, u.filer_number, u.authorisation, u.reference, u.method,"
	" u.level, u.id_reference, u.id_number, u.id_at, u.verified, u.national, u.content,"
	" u.suspected, u.handed_in, u.version, u.email, u.language"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,"
	" $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31)"
	" AS u (code, kind, number, name, phone, address, owner_key, names, answers, filer,"
	" is_citizen, salt, hash, relation, filer_name, filer_number, authorisation,"
	" reference, method, level, id_reference, id_number, id_at, verified, national,"
	" content, suspected, handed_in, version, email, language)"};

static const struct db_stmt insert_history = {
	"INSERT INTO history (version, state, note, dossier, action, actor, member, roles,"
	" agency, holder_agency, at, post) SELECT 1, 1, '', u.*"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) AS u"};

static const struct db_stmt insert_suspicions = {
	"INSERT INTO suspicion (dossier, other, at) SELECT $1, other, $3"
	" FROM unnest($2::text[]) AS other"};

static const struct db_stmt insert_component = {
	"INSERT INTO component (dossier, code, ordinal, paper_copies, held_record,"
	" held_source, reused, demanded) SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)"};

static const struct db_stmt insert_file = {
	"INSERT INTO component_file (dossier, component, file_id, ordinal, sha256)"
	" SELECT * FROM unnest($1, $2, $3, $4, $5)"};

static int no_room(struct call *c)
{
	return err_set(&c->err, &err_too_large, NULL, "arena");
}

static void add_dossier(struct call *c, const struct filing *f)
{
	const Dossier__SubmitRequest *in = f->in;

	tx_add_row(c, &insert_dossier, DB_TEXT(f->code), DB_TEXT(f->procedure->code),
		   DB_INT4(f->procedure->version), DB_TEXT(in->agency_code), DB_TEXT(f->competent),
		   DB_TEXT(in->supporting_agency_code), DB_INT4(in->channel), DB_TIME(c->now_us),
		   DB_TEXT(dossier_nfc(c, in->applicant->name)),
		   DB_BOOL(strcmp(f->procedure->data_class, "basic") != 0),
		   DB_TIME(f->answer_due_us));
}

/* What is read with the filing: its components, whether anything was handed in for them or not. */
static int pack_handed_in(struct call *c, const struct filing *f, uint8_t **ret, size_t *ret_n)
{
	Dossier__HandedIn out = DOSSIER__HANDED_IN__INIT;
	size_t n = f->procedure->n_components;
	Dossier__ComponentInput *list = arena_calloc(c->arena, n, sizeof(*list));

	out.components = arena_calloc(c->arena, n, sizeof(out.components[0]));
	if (!list || !out.components)
		return no_room(c);
	for (size_t i = 0; i < n; i++) {
		const struct rules_component *r = &f->components[i];

		dossier__component_input__init(&list[i]);
		if (r->input)
			list[i] = *r->input;
		list[i].code = r->component->code;
		list[i].demanded = r->demanded;
		out.components[out.n_components++] = &list[i];
	}
	return pb_pack(&out.base, c->arena, ret, ret_n, &c->err);
}

static int add_filing(struct call *c, const struct filing *f)
{
	static const Dossier__Filer oneself = DOSSIER__FILER__INIT;
	const Dossier__SubmitRequest *in = f->in;
	const Dossier__Applicant *a = in->applicant;
	const Dossier__Identity *id = rules_identity(in, f->filer);
	const Dossier__Filer *by = rules_represented(in) ? in->filer : &oneself;
	uint8_t salt[RECEIPT_SALT_BYTES], hash[CRYPT_SHA256_BYTES], *handed_in;
	size_t n_handed_in;

	if (pack_handed_in(c, f, &handed_in, &n_handed_in) < 0)
		return c->err.status;
	crypt_random(salt, sizeof(salt));
	receipt_hash(salt, f->secret, hash);
	tx_add_row(c, &insert_filing, DB_TEXT(f->code), DB_TEXT(a->kind), DB_TEXT(a->number),
		   DB_TEXT(dossier_nfc(c, a->name)),
		   DB_TEXT(identity_phone_normal(c->arena, a->phone)),
		   DB_TEXT(dossier_nfc(c, a->address)), DB_TEXT(f->owner_key),
		   DB_TEXTS(f->answers.names, f->answers.n),
		   DB_TEXTS(f->answers.values, f->answers.n), DB_TEXT(dossier_actor(c)),
		   DB_BOOL(f->filer == RULES_BY_CITIZEN), DB_BYTEA(salt, sizeof(salt)),
		   DB_BYTEA(hash, sizeof(hash)), DB_INT4(by->relation),
		   DB_TEXT(dossier_nfc(c, by->name)), DB_TEXT(by->number),
		   DB_TEXT(by->authorisation), DB_TEXT(dossier_nfc(c, by->reference)),
		   DB_INT4(id->method), DB_INT4(id->level), DB_TEXT(dossier_nfc(c, id->reference)),
		   DB_TEXT(id->number), DB_TIME(id->authenticated_us),
		   DB_BOOL(rules_identity_verified(in, f->filer)), DB_TEXT(f->national_code),
		   DB_BYTEA(f->content_sha256, f->national_code[0] ? sizeof(f->content_sha256) : 0),
		   DB_BOOL(f->n_duplicates > 0), DB_BYTEA(handed_in, n_handed_in),
		   DB_INT4(f->procedure->version), DB_TEXT(a->email),
		   DB_TEXT(a->language[0] ? a->language : "vi"));
	return 0;
}

static void add_history(struct call *c, const struct filing *f)
{
	tx_add_row(c, &insert_history, DB_TEXT(f->code), DB_TEXT(rules_action_name(RULES_SUBMIT)),
		   DB_TEXT(dossier_actor(c)), DB_TEXT(c->caller.member), DB_TEXT(dossier_roles(c)),
		   DB_TEXT(c->caller.agency), DB_TEXT(f->in->agency_code), DB_TIME(c->now_us),
		   DB_TEXT(f->post));
}

static void add_parts(struct call *c, const struct filing *f)
{
	for (size_t i = 0; i < f->procedure->n_components; i++) {
		const struct rules_component *r = &f->components[i];

		tx_add_row(c, &insert_component, DB_TEXT(f->code), DB_TEXT(r->component->code),
			   DB_INT4(i + 1), DB_INT4(r->input ? r->input->paper_copies : 0),
			   DB_TEXT(r->held ? r->held->record_id : NULL),
			   DB_TEXT(r->held ? r->held->source : NULL), DB_BOOL(r->reused),
			   DB_BOOL(r->demanded));
	}
	for (size_t i = 0; i < f->n_files; i++)
		tx_add_row(c, &insert_file, DB_TEXT(f->code), DB_TEXT(f->files[i].component),
			   DB_TEXT(f->files[i].file_id), DB_INT4(i + 1),
			   DB_TEXT(f->files[i].stat->sha256));
}

static void add_filer_facts(const struct filing *f, Dossier__DossierSubmitted *ev)
{
	const Dossier__SubmitRequest *in = f->in;

	ev->supporting_agency_code = in->supporting_agency_code;
	ev->identity_method = rules_identity(in, f->filer)->method;
	ev->identity_level = rules_identity(in, f->filer)->level;
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
				      .has_email = applicant->email[0] != '\0',
				      .has_address = applicant->address[0] != '\0',
				      .language = applicant->language,
				      .why = "",
				      .acting_for = "",
				      .post = f->post};

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
	if (add_filing(c, f) < 0)
		return c->err.status;
	add_history(c, f);
	add_parts(c, f);
	if (add_event(c, f) < 0)
		return c->err.status;
	if (f->n_duplicates > 0)
		tx_add(c, &insert_suspicions, DB_TEXT(f->code),
		       DB_TEXTS(f->duplicates, f->n_duplicates), DB_TIME(c->now_us));
	return 0;
}
