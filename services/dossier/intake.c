/*
 * Filing a dossier. Filings that come together share a transaction (common/svc/group.h): it brings
 * what the rules need, then takes the ordinals of the codes of those that may be filed - no refusal
 * comes behind that, so codes stay without gaps - and writes.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/identity.h"
#include "common/svc/group.h"
#include "services/dossier/dossier.h"

static const struct err_kind agency_not_in_force = {
	ERR_INVALID, "AGENCY_NOT_IN_FORCE", "Cơ quan %s không tồn tại hoặc không còn hoạt động",
	"agency %s is unknown or not in force on this date"};
static const struct err_kind not_competent = {
	ERR_INVALID, "AGENCY_NOT_COMPETENT",
	"Cơ quan %s không có thẩm quyền giải quyết thủ tục này",
	"agency %s is not of a level that decides this procedure"};

static const struct err_kind channel_closed = {ERR_INVALID, "CHANNEL_CLOSED",
					       "Kênh nộp hồ sơ này đã đóng từ %s",
					       "this way of filing has been closed since %s"};
static const struct err_kind channel_not_open = {ERR_INVALID, "CHANNEL_CLOSED",
						 "Kênh nộp hồ sơ này chưa mở (mở từ: %s)",
						 "this way of filing is not open yet (opens: %s)"};

/*
 * Levels of the receiving and of the competent agency, NULL when not in force. Then the channel:
 * whether it is open, since when it is closed with the place to go, from when it will be open.
 */
static const struct db_stmt read_places = {
	"WITH ch AS (SELECT opens, closes, instead FROM channel_rule WHERE channel = $4"
	"  AND version = (SELECT max(version) FROM channel_rule))"
	" SELECT (SELECT level FROM ref_agency WHERE code = $1 AND valid_from <= $3"
	"  AND valid_to >= $3 ORDER BY valid_from DESC LIMIT 1),"
	" (SELECT level FROM ref_agency WHERE code = $2 AND valid_from <= $3"
	"  AND valid_to >= $3 ORDER BY valid_from DESC LIMIT 1),"
	" EXISTS (SELECT 1 FROM ch WHERE opens <= $3 AND closes >= $3),"
	" (SELECT to_char(closes + 1, 'YYYY-MM-DD') || ': ' || instead FROM ch WHERE closes < $3"
	"  ORDER BY closes DESC LIMIT 1),"
	" (SELECT to_char(opens, 'YYYY-MM-DD') FROM ch WHERE opens > $3 ORDER BY opens LIMIT 1)"};

static const struct db_stmt read_held = {
	"SELECT record_id, type, CASE dossier WHEN '' THEN agency ELSE dossier END"
	" FROM held_record WHERE owner_key = $1 AND valid_from <= $2 AND valid_to >= $2"
	" ORDER BY valid_from DESC, record_id LIMIT 500"};

static const struct db_stmt next_ordinal = {
	"INSERT INTO code_counter AS n (agency, day, last) VALUES ($1, $2, 1)"
	" ON CONFLICT (agency, day) DO UPDATE SET last = n.last + 1 RETURNING last"};

/* One statement for one row each: a statement of its own costs as much again as its row. */
static const struct db_stmt insert_dossier = {
	"WITH d AS (INSERT INTO dossier (code, version, state, procedure_code, procedure_version,"
	" receiving_agency, competent_agency, holder_agency, channel, submitted_at,"
	" applicant_name, guarded, answer_due_at)"
	" VALUES ($1, 1, 1, $2, $3, $4, $5, $4, $6, $7, $10, $24, $25)),"
	" f AS (INSERT INTO filing (code, applicant_kind, applicant_number, applicant_name,"
	" applicant_phone, applicant_address, owner_key, form_names, form_values, filer,"
	" filer_is_citizen, secret_salt, secret_hash)"
	" VALUES ($1, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19))"
	" INSERT INTO history (dossier, version, state, action, actor, member, roles, agency,"
	" holder_agency, note, at) VALUES ($1, 1, 1, $20, $16, $21, $22, $23, $4, '', $7)"};

static const struct db_stmt insert_parts = {
	"WITH c AS (INSERT INTO component (dossier, code, ordinal, paper_copies, held_record,"
	" held_source, reused, demanded)"
	" SELECT $1, u.code, u.n, u.papers, nullif(u.held, ''), nullif(u.source, ''),"
	" u.reused = 1, u.demanded = 1 FROM unnest($2::text[], $3::int8[], $4::text[], $5::text[],"
	" $6::int8[], $7::int8[])"
	" WITH ORDINALITY AS u (code, papers, held, source, reused, demanded, n))"
	" INSERT INTO component_file (dossier, component, file_id, ordinal, sha256)"
	" SELECT $1, u.component, u.file_id, u.n, u.sha256"
	" FROM unnest($8::text[], $9::text[], $10::text[])"
	" WITH ORDINALITY AS u (component, file_id, sha256, n)"};

/* One file handed in, for one component. */
struct handed {
	const char *component;
	const char *file_id;
	const Digitisation__FileStat *stat;
	char field[64];
};

/* A filing on its way through the handler; lives in the call's arena. */
struct filing {
	const Dossier__SubmitRequest *in;
	enum rules_filer filer;
	int32_t today;
	const char *competent;
	char owner_key[CRYPT_SHA256_HEX];
	struct handed *files;
	size_t n_files;
	const Dossier__Procedure *procedure;
	struct rules_held *held;
	size_t n_held;
	struct rules_component *components; /* one per component of the procedure */
	const char *code;
	int64_t answer_due_us; /* 0: at the desk, which answers at once */
	char secret[RECEIPT_SECRET_CHARS + 1];
	struct err found; /* every broken rule */
	Dossier__SubmitReply out;
	struct {
		int procedure, places, held, ordinal;
	} slot;
};

static enum rules_filer filer_of(const struct call *c)
{
	if (call_has_role(c, "citizen"))
		return RULES_BY_CITIZEN;
	if (c->caller.subject[0] == '\0' || call_has_role(c, "system"))
		return RULES_BY_SYSTEM;
	return RULES_BY_STAFF;
}

/* The secret goes out with the answer and with every repetition of it, and is nowhere stored. */
static int show_secret(struct call *c, struct filing *f)
{
	Dossier__SubmitReply fields = DOSSIER__SUBMIT_REPLY__INIT;

	receipt_secret(c, f->secret);
	fields.receipt_secret = f->secret;
	return call_unstored(c, &fields.base);
}

/* --- before the transaction --- */

static void list_files(struct call *c, struct filing *f)
{
	const Dossier__SubmitRequest *in = f->in;
	size_t n = 0;

	for (size_t i = 0; i < in->n_components; i++)
		n += in->components[i]->n_file_ids;
	if (n > RULES_FILES_MAX)
		return; /* refused already */
	f->files = arena_calloc(c->arena, n, sizeof(*f->files));
	for (size_t i = 0; f->files && i < in->n_components; i++) {
		for (size_t j = 0; j < in->components[i]->n_file_ids; j++) {
			struct handed *h = &f->files[f->n_files++];

			h->component = in->components[i]->code;
			h->file_id = in->components[i]->file_ids[j];
			snprintf(h->field, sizeof(h->field), "components[%zu].file_ids[%zu]", i, j);
		}
	}
}

static int stat_files(struct call *c, struct filing *f)
{
	const char **ids = arena_calloc(c->arena, f->n_files, sizeof(*ids));
	const Digitisation__FileStat **stats;
	int r;

	if (!ids)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (size_t i = 0; i < f->n_files; i++)
		ids[i] = f->files[i].file_id;
	r = files_stat(c, ids, f->n_files, &stats);
	if (r < 0)
		return r;
	for (size_t i = 0; i < f->n_files; i++) {
		f->files[i].stat = stats[i];
		files_check(stats[i], ids[i], f->files[i].field, &f->found);
	}
	return 0;
}

/* What can be said without the database; ends early only on trouble or when it is not theirs. */
static int look(struct call *c, struct filing *f)
{
	const struct rules_agencies of = {.receiving = f->in->agency_code};

	if (f->filer == RULES_BY_STAFF &&
	    rules_party(&of, RULES_RECEIVER, c->caller.agency, &c->err) < 0)
		return c->err.status;
	rules_check_filing(f->in, f->filer, f->today, &f->found);
	if (f->in->applicant)
		crypt_owner_key(receipt_owner_key(), f->in->applicant->kind,
				f->in->applicant->number, f->owner_key);
	list_files(c, f);
	return stat_files(c, f);
}

/* --- first flush: what the rules need --- */

static void add_reads(struct call *c, void *item)
{
	struct filing *f = item;
	const Dossier__SubmitRequest *in = f->in;

	f->slot.procedure = catalogue_add(c, in->procedure_code, f->today);
	f->slot.places = tx_add(c, &read_places, DB_TEXT(in->agency_code), DB_TEXT(f->competent),
				DB_DATE(f->today), DB_INT4(in->channel));
	f->slot.held = tx_add(c, &read_held, DB_TEXT(f->owner_key), DB_DATE(f->today));
}

static void read_held_records(struct call *c, struct filing *f)
{
	int n = db_rows(&c->tx, f->slot.held);

	f->n_held = 0;
	f->held = arena_calloc(c->arena, (size_t)n, sizeof(*f->held));
	for (int i = 0; f->held && i < n; i++)
		f->held[f->n_held++] = (struct rules_held){
			.record_id = db_get_text(&c->tx, f->slot.held, i, 0),
			.type = db_get_text(&c->tx, f->slot.held, i, 1),
			.source = db_get_text(&c->tx, f->slot.held, i, 2),
		};
}

static void check_agencies(struct call *c, struct filing *f)
{
	const Dossier__SubmitRequest *in = f->in;
	bool two = in->competent_agency_code[0] != '\0';
	const char *field = two ? "competent_agency_code" : "agency_code";

	if (db_is_null(&c->tx, f->slot.places, 0, 0))
		err_add(&f->found, &agency_not_in_force, "agency_code", in->agency_code);
	if (db_is_null(&c->tx, f->slot.places, 0, 1)) {
		if (two)
			err_add(&f->found, &agency_not_in_force, field, f->competent);
	} else if (f->procedure &&
		   !strstr(f->procedure->levels, db_get_text(&c->tx, f->slot.places, 0, 1))) {
		err_add(&f->found, &not_competent, field, f->competent);
	}
}

static void check_channel(struct call *c, struct filing *f)
{
	const struct db_tx *tx = &c->tx;
	int slot = f->slot.places;

	if (f->in->channel == DOSSIER__CHANNEL__CHANNEL_UNSPECIFIED || db_get_bool(tx, slot, 0, 2))
		return;
	if (!db_is_null(tx, slot, 0, 3))
		err_add(&f->found, &channel_closed, "channel", db_get_text(tx, slot, 0, 3));
	else
		err_add(&f->found, &channel_not_open, "channel",
			db_is_null(tx, slot, 0, 4) ? "?" : db_get_text(tx, slot, 0, 4));
}

/* Every rule that needs the database. 0 when all hold, else c->err has all that do not. */
static int check(struct call *c, void *item)
{
	struct filing *f = item;
	int r = catalogue_read(c, f->slot.procedure, f->in->procedure_code, &f->found,
			       &f->procedure);

	if (r < 0)
		return r;
	check_agencies(c, f);
	check_channel(c, f);
	read_held_records(c, f);
	if (f->procedure) {
		f->components =
			arena_calloc(c->arena, f->procedure->n_components, sizeof(*f->components));
		if (!f->components)
			return err_set(&c->err, &err_too_large, NULL, "arena");
		rules_check_form(f->procedure, f->in, f->today, &f->found);
		rules_check_components(f->procedure, f->in, f->held, f->n_held, f->components,
				       &f->found);
	}
	c->err = f->found;
	return c->err.status;
}

/* --- second flush: the rows --- */

static int no_room(struct call *c)
{
	return err_set(&c->err, &err_too_large, NULL, "arena");
}

static int add_dossier(struct call *c, const struct filing *f)
{
	const Dossier__SubmitRequest *in = f->in;
	const Dossier__Applicant *a = in->applicant;
	const char **names = arena_calloc(c->arena, in->n_form, sizeof(*names));
	const char **values = arena_calloc(c->arena, in->n_form, sizeof(*values));
	uint8_t salt[RECEIPT_SALT_BYTES], hash[CRYPT_SHA256_BYTES];

	if (!names || !values)
		return no_room(c);
	for (size_t i = 0; i < in->n_form; i++) {
		names[i] = in->form[i]->name;
		values[i] = dossier_nfc(c, in->form[i]->value);
	}
	crypt_random(salt, sizeof(salt));
	receipt_hash(salt, f->secret, hash);
	tx_add(c, &insert_dossier, DB_TEXT(f->code), DB_TEXT(f->procedure->code),
	       DB_INT4(f->procedure->version), DB_TEXT(in->agency_code), DB_TEXT(f->competent),
	       DB_INT4(in->channel), DB_TIME(c->now_us), DB_TEXT(a->kind), DB_TEXT(a->number),
	       DB_TEXT(dossier_nfc(c, a->name)), DB_TEXT(identity_phone_normal(c->arena, a->phone)),
	       DB_TEXT(dossier_nfc(c, a->address)), DB_TEXT(f->owner_key),
	       DB_TEXTS(names, in->n_form), DB_TEXTS(values, in->n_form), DB_TEXT(dossier_actor(c)),
	       DB_BOOL(f->filer == RULES_BY_CITIZEN), DB_BYTEA(salt, sizeof(salt)),
	       DB_BYTEA(hash, sizeof(hash)), DB_TEXT(rules_action_name(RULES_SUBMIT)),
	       DB_TEXT(c->caller.member), DB_TEXT(dossier_roles(c)), DB_TEXT(c->caller.agency),
	       DB_BOOL(strcmp(f->procedure->data_class, "basic") != 0), DB_TIME(f->answer_due_us));
	return 0;
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

static int add_event(struct call *c, const struct filing *f)
{
	Dossier__DossierSubmitted ev = DOSSIER__DOSSIER_SUBMITTED__INIT;
	size_t n = f->procedure->n_components;
	Dossier__ComponentFact *facts = arena_calloc(c->arena, n, sizeof(*facts));
	Dossier__ComponentFact **list = arena_calloc(c->arena, n, sizeof(*list));
	const char **ids = arena_calloc(c->arena, f->n_files, sizeof(*ids));
	const struct dossier entry = {.version = 1,
				      .state = DOSSIER__DOSSIER_STATE__DOSSIER_STATE_FILED,
				      .agencies.holder = f->in->agency_code,
				      .why = "",
				      .acting_for = ""};

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
	dossier_vouch(c, &entry, rules_action_name(RULES_SUBMIT), "");
	tx_event(c, "dossier.submitted", f->code, 1, &ev.base);
	return 0;
}

/* --- reply --- */

static int fill_reply(struct call *c, const struct filing *f, Dossier__SubmitReply *out)
{
	Dossier__FileReceipt *files = arena_calloc(c->arena, f->n_files, sizeof(*files));

	out->files = arena_calloc(c->arena, f->n_files, sizeof(out->files[0]));
	if (!files || !out->files)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	out->code = f->code;
	out->submitted_us = c->now_us;
	for (size_t i = 0; i < f->n_files; i++) {
		dossier__file_receipt__init(&files[i]);
		files[i].file_id = f->files[i].file_id;
		files[i].sha256 = f->files[i].stat->sha256;
		out->files[out->n_files++] = &files[i];
	}
	return 0;
}

/* --- together --- */

/* The counter's row is locked until the end: only for a filing that may succeed. */
static void take_ordinal(struct call *c, void *item)
{
	struct filing *f = item;

	if (f->found.status == 0)
		f->slot.ordinal =
			tx_add(c, &next_ordinal, DB_TEXT(f->in->agency_code), DB_DATE(f->today));
}

static int write_rows(struct call *c, void *item, const ProtobufCMessage **ret_reply)
{
	struct filing *f = item;

	f->code = rules_make_code(c->arena, f->in->agency_code, f->today,
				  db_get_int(&c->tx, f->slot.ordinal, 0, 0));
	dossier__submit_reply__init(&f->out);
	*ret_reply = &f->out.base;
	if (add_dossier(c, f) < 0 || add_parts(c, f) < 0 || add_event(c, f) < 0)
		return c->err.status;
	return fill_reply(c, f, &f->out);
}

static struct group *filings;

void intake_start(void)
{
	static const struct group_steps steps = {
		.reads = add_reads, .decide = check, .reserve = take_ordinal, .write = write_rows};

	filings = group_new(&steps);
}

void intake_stop(void)
{
	group_free(filings);
}

DOSSIER_HANDLER(submit, Submit)
{
	struct call *c = call_of(data);
	struct filing *f = arena_alloc(c->arena, sizeof(*f));

	(void)svc;
	CHECK(f);
	f->in = in;
	f->filer = filer_of(c);
	f->today = civil_of_us(c->now_us);
	f->competent = in->competent_agency_code[0] ? in->competent_agency_code : in->agency_code;
	if (show_secret(c, f) < 0 || look(c, f) < 0 ||
	    answers_due(c, in->channel, in->agency_code, &f->answer_due_us) < 0 ||
	    tx_group(c, filings, f) < 0)
		return call_fail(c);
	reply(&f->out, data);
}
