/* The row of a dossier: locked, read, written with its history. */
#include "services/dossier/dossier.h"
#include "services/dossier/fees.h"
#include "services/dossier/row.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/civil.h"
#include "common/base/utf8.h"
#include "common/wire/pb.h"

#define DIGEST_FORM "2" /* of the evidence, see proof.proto */

const struct err_kind dossier_unknown = {ERR_NOT_FOUND, "UNKNOWN_DOSSIER", "Không có hồ sơ %s",
					 "there is no dossier %s"};

static const struct db_stmt lock_dossier = {
	DOSSIER_ROW
	" f.owner_key, f.filer_is_citizen, f.applicant_phone <> '', f.applicant_email <> '',"
	" f.applicant_address <> '', f.applicant_language,"
	" p.limit_unit, p.limit_value, p.fee_kind, p.fee_vnd, p.online_level, p.result_type,"
	" p.data_class, p.definition"
	" FROM dossier d JOIN filing f ON f.code = d.code"
	" JOIN procedure_version p ON p.code = d.procedure_code"
	" AND p.version = d.procedure_version WHERE d.code = $1 FOR UPDATE OF d"};

static const struct db_stmt update_dossier = {
	"UPDATE dossier SET version = $2, state = $3, holder_agency = $4, accepted_at = $5,"
	" due_at = $6, due_provisional = $7, calendar_version = $8, directory_pos = $9,"
	" clock_from_at = $10, pause_kind = $11, paused_at = $12, finished_at = $13,"
	" resumes_to = $14, answer_due_at = $15, reply_due_at = $16, extended = $17,"
	" verdict = $18, decision = $19, reason = $20, fee_vnd = $21, fee_paid = $22,"
	" order_id = nullif($23, ''), finance_state = $24, result_number = nullif($25, ''),"
	" result_file_id = nullif($26, ''), handover_state = $27, tracking_number = $28,"
	" handoffs = $29, handoffs_electronic = $30, hops = $31, in_transit = $32,"
	" assignee = $33, step = $34, step_from_at = $35, step_due_at = $36, opinions = $37,"
	" opinions_open = $38, opinions_pausing = $39, supplements = $40, signed_by = $41,"
	" rated = $42, procedure_version = $43, complaints = $44, complaints_open = $45,"
	" results = $46, step_role = $47, clock_unit = $48, clock_value = $49 WHERE code = $1"};

static const struct db_stmt insert_history = {
	"INSERT INTO history (dossier, version, state, action, actor, member, roles, agency,"
	" holder_agency, note, at, reason, acting_for, due_at, post)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"};

/* Of a subject in an agency on a day: the post, and the colleagues they stand in for. */
static const struct db_stmt read_actor = {
	"SELECT coalesce((SELECT post FROM ref_officer WHERE subject = $2 AND agency_code = $1"
	"   AND valid_from <= $3 AND valid_to >= $3 ORDER BY valid_from DESC LIMIT 1), ''),"
	" (SELECT array_agg(s.for_subject) FROM stand_in s"
	"   WHERE s.agency = $1 AND s.subject = $2 AND s.valid_from <= $3 AND s.valid_to >= $3"
	"   AND NOT EXISTS (SELECT 1 FROM stand_in n WHERE n.agency = s.agency"
	"     AND n.for_subject = s.for_subject AND n.version > s.version))"};

const char *dossier_actor(const struct call *c)
{
	return c->caller.subject[0] != '\0' ? c->caller.subject : c->caller.member;
}

bool dossier_is_applicant(const struct call *c)
{
	return c->caller.agency[0] == '\0';
}

int dossier_check_note(struct call *c, const char *note, size_t min)
{
	size_t n = utf8_length(note);

	if (n < min)
		return err_set(&c->err, &err_required_field, "note", NULL);
	if (n > RULES_NOTE_MAX)
		return err_set(&c->err, &err_invalid_field, "note", "0..1000");
	return 0;
}

const char *dossier_nfc(struct call *c, const char *s)
{
	const char *nfc = utf8_nfc(c->arena, s);

	return nfc ? nfc : "";
}

const char *dossier_roles(struct call *c)
{
	const char *all = "";

	for (unsigned i = 0; i < c->caller.n_roles; i++) {
		const char *more =
			arena_printf(c->arena, "%s%s%s", all, i ? " " : "", c->caller.roles[i]);

		all = more ? more : all;
	}
	return all;
}

int dossier_lock_add(struct call *c, const char *code)
{
	return tx_add(c, &lock_dossier, DB_TEXT(code));
}

/* Reads the columns of a row one after the other. */
struct row {
	const struct db_tx *tx;
	int slot;
	int col;
};

static int64_t row_int(struct row *r)
{
	return db_get_int(r->tx, r->slot, 0, r->col++);
}

static const char *row_text(struct row *r)
{
	return db_get_text(r->tx, r->slot, 0, r->col++);
}

static int64_t row_time(struct row *r)
{
	return db_get_time_us(r->tx, r->slot, 0, r->col++);
}

static bool row_bool(struct row *r)
{
	return db_get_bool(r->tx, r->slot, 0, r->col++);
}

static struct rules_limit row_limit(struct row *r)
{
	Dossier__LimitUnit unit = (Dossier__LimitUnit)row_int(r);

	return (struct rules_limit){.unit = unit, .value = (int)row_int(r)};
}

static void read_course(struct row *r, struct dossier *d)
{
	d->submitted_us = row_time(r);
	d->accepted_us = row_time(r);
	d->due_us = row_time(r);
	d->due_provisional = row_bool(r);
	d->calendar_version = (int32_t)row_int(r);
	d->directory_pos = row_int(r);
	d->clock_from_us = row_time(r);
	d->limit = row_limit(r);
	d->pause_kind = row_text(r);
	d->paused_us = row_time(r);
	d->finished_us = row_time(r);
	d->resumes_to = (Dossier__DossierState)row_int(r);
	d->answer_due_us = row_time(r);
	d->reply_due_us = row_time(r);
	d->extended = row_bool(r);
	d->verdict = (Dossier__Verdict)row_int(r);
	d->decision = (Dossier__Decision)row_int(r);
	d->reason = row_text(r);
	d->answer_noticed = row_bool(r);
}

static void read_money(struct row *r, struct dossier *d)
{
	d->fee_vnd = row_int(r);
	d->fee_paid = row_bool(r);
	d->order_id = row_text(r);
	d->finance_state = (Dossier__FinanceState)row_int(r);
	d->result_number = row_text(r);
	d->result_file_id = row_text(r);
	d->handover_state = (Dossier__HandoverState)row_int(r);
	d->tracking_number = row_text(r);
}

static void read_work(struct row *r, struct dossier *d)
{
	d->handoffs = (int32_t)row_int(r);
	d->handoffs_electronic = (int32_t)row_int(r);
	d->hops = (int32_t)row_int(r);
	d->in_transit = row_bool(r);
	d->assignee = row_text(r);
	d->step = (int32_t)row_int(r);
	d->step_from_us = row_time(r);
	d->step_due_us = row_time(r);
	d->step_role = row_text(r);
	d->opinions = (int32_t)row_int(r);
	d->opinions_open = (int32_t)row_int(r);
	d->opinions_pausing = (int32_t)row_int(r);
	d->supplements = (int32_t)row_int(r);
	d->signed_by = row_text(r);
	d->parent = row_text(r);
	d->parent_needs = row_bool(r);
	d->complaints = (int32_t)row_int(r);
	d->complaints_open = (int32_t)row_int(r);
	d->results = (int32_t)row_int(r);
	d->rated = row_bool(r);
}

static void read_procedure(struct row *r, struct dossier *d)
{
	d->owner_key = row_text(r);
	d->has_account = row_bool(r);
	d->has_phone = row_bool(r);
	d->has_email = row_bool(r);
	d->has_address = row_bool(r);
	d->language = row_text(r);
	d->procedure_limit = row_limit(r);
	d->fee_kind = row_text(r);
	d->procedure_fee_vnd = row_int(r);
	d->online_level = (uint32_t)row_int(r);
	d->result_type = row_text(r);
	d->data_class = row_text(r);
	d->definition = db_get_bytes(r->tx, r->slot, 0, r->col++, &d->definition_len);
}

bool dossier_read(const struct call *c, int slot, const char *code, struct dossier *ret_dossier)
{
	struct row r = {.tx = &c->tx, .slot = slot};
	struct dossier d = {.code = code, .why = "", .acting_for = "", .post = ""};

	if (db_rows(&c->tx, slot) == 0)
		return false;
	d.version = (int32_t)row_int(&r);
	d.state = d.was = (Dossier__DossierState)row_int(&r);
	d.procedure_code = row_text(&r);
	d.procedure_version = (int32_t)row_int(&r);
	d.agencies.receiving = row_text(&r);
	d.agencies.competent = row_text(&r);
	d.agencies.holder = row_text(&r);
	d.agencies.supporting = row_text(&r);
	d.channel = (Dossier__Channel)row_int(&r);
	read_course(&r, &d);
	read_money(&r, &d);
	read_work(&r, &d);
	read_procedure(&r, &d);
	*ret_dossier = d;
	return true;
}

int dossier_procedure(struct call *c, const struct dossier *d,
		      const Dossier__Procedure **ret_procedure)
{
	ProtobufCMessage *msg;
	int r = pb_unpack(&dossier__procedure__descriptor, d->definition, d->definition_len, NULL,
			  c->arena, &msg, &c->err);

	if (r == 0)
		*ret_procedure = (const Dossier__Procedure *)msg;
	return r;
}

int dossier_actor_add(struct call *c)
{
	return tx_add(c, &read_actor, DB_TEXT(c->caller.agency), DB_TEXT(dossier_actor(c)),
		      DB_DATE(civil_of_us(c->now_us)));
}

void dossier_read_actor(const struct call *c, int slot, struct dossier *d)
{
	d->post = db_get_text(&c->tx, slot, 0, 0);
	d->actor.subject = dossier_actor(c);
	d->actor.leader = call_has_role(c, "leader");
	d->actor.absent = db_get_texts(&c->tx, slot, 0, 1, &d->actor.n_absent);
}

int dossier_take_add(struct call *c, const char *code)
{
	int slot;

	tx_begin(c);
	slot = dossier_lock_add(c, code);
	dossier_actor_add(c);
	fees_add(c, code);
	return slot;
}

static void take_row(struct dossier *d, const struct rules_transition *row)
{
	d->was = d->state;
	d->state = row->to;
	d->resumes_to = rules_resumes_to(d->was, d->resumes_to, row->to);
}

int dossier_step(struct call *c, struct dossier *d, enum rules_action action)
{
	const struct rules_transition *row;

	if (rules_transition(d->state, action, d->resumes_to, &row, &c->err) < 0)
		return c->err.status;
	take_row(d, row);
	return 0;
}

/* Acts of the template's step it is in. */
static int check_step(struct call *c, const struct dossier *d, enum rules_action action)
{
	const Dossier__Procedure *p = NULL;

	if (d->step == 0)
		return 0;
	if (dossier_procedure(c, d, &p) < 0)
		return c->err.status;
	return rules_step_permits(rules_step(p, d->step), action, &c->err);
}

/* What staff of the party must fulfil beside. */
static int check_staff(struct call *c, struct dossier *d, enum rules_action action)
{
	if (rules_is_officers(action) &&
	    rules_assignee(d->assignee, &d->actor, &d->acting_for, &c->err) < 0)
		return c->err.status;
	if (check_step(c, d, action) < 0)
		return c->err.status;
	if (d->in_transit && strcmp(c->caller.agency, d->agencies.holder) == 0 &&
	    action != RULES_RECEIVE)
		steps_receive(c, d, "");
	return fees_check(c, d, d->fees, action);
}

static int take_check(struct call *c, int slot, const char *code, enum rules_action action,
		      bool applicant, struct dossier *ret_dossier)
{
	const struct rules_transition *row;
	struct dossier d;

	if (!dossier_read(c, slot, code, &d))
		return err_set(&c->err, &dossier_unknown, "code", code);
	d.fees = slot + 2;
	if (rules_transition(d.state, action, d.resumes_to, &row, &c->err) < 0)
		return c->err.status;
	if (!applicant && (row->parties & RULES_AGENCIES)) {
		dossier_read_actor(c, slot + 1, &d);
		if (rules_party(&d.agencies, row->parties, c->caller.agency, &c->err) < 0 ||
		    check_staff(c, &d, action) < 0)
			return c->err.status;
	}
	take_row(&d, row);
	*ret_dossier = d;
	return 0;
}

int dossier_take_check(struct call *c, int slot, const char *code, enum rules_action action,
		       struct dossier *ret_dossier)
{
	return take_check(c, slot, code, action, false, ret_dossier);
}

int dossier_take_check_applicant(struct call *c, int slot, const char *code,
				 enum rules_action action, struct dossier *ret_dossier)
{
	return take_check(c, slot, code, action, dossier_is_applicant(c), ret_dossier);
}

int dossier_take(struct call *c, const char *code, enum rules_action action,
		 struct dossier *ret_dossier)
{
	int slot = dossier_take_add(c, code);

	if (tx_flush(c) < 0)
		return c->err.status;
	return take_check(c, slot, code, action, false, ret_dossier);
}

int dossier_take_applicant(struct call *c, const char *code, const char *secret,
			   enum rules_action action, struct dossier *ret_dossier)
{
	int slot;

	if (dossier_is_applicant(c) && dossier_check_applicant(c, code, secret) < 0)
		return c->err.status;
	slot = dossier_take_add(c, code);
	if (tx_flush(c) < 0)
		return c->err.status;
	return dossier_take_check_applicant(c, slot, code, action, ret_dossier);
}

void dossier_vouch(struct call *c, const struct dossier *d, const char *action, const char *note)
{
	char version[16], state[16], due[24], at[24];
	const char *const entry[] = {DIGEST_FORM,
				     version,
				     state,
				     action,
				     dossier_actor(c),
				     c->caller.member,
				     dossier_roles(c),
				     c->caller.agency,
				     d->agencies.holder,
				     note,
				     d->why,
				     d->acting_for,
				     due,
				     at,
				     d->post};
	uint8_t digest[CRYPT_SHA256_BYTES];

	snprintf(version, sizeof(version), "%d", d->version);
	snprintf(state, sizeof(state), "%d", (int)d->state);
	snprintf(due, sizeof(due), "%" PRId64, d->due_us);
	snprintf(at, sizeof(at), "%" PRId64, c->now_us);
	crypt_sha256_texts(entry, ARRAY_LEN(entry), digest);
	tx_evidence(c, digest);
}

void dossier_history(struct call *c, const struct dossier *d, const char *action, const char *note)
{
	tx_add(c, &insert_history, DB_TEXT(d->code), DB_INT4(d->version), DB_INT4(d->state),
	       DB_TEXT(action), DB_TEXT(dossier_actor(c)), DB_TEXT(c->caller.member),
	       DB_TEXT(dossier_roles(c)), DB_TEXT(c->caller.agency), DB_TEXT(d->agencies.holder),
	       DB_TEXT(note), DB_TIME(c->now_us), DB_TEXT(d->why), DB_TEXT(d->acting_for),
	       DB_TIME(d->due_us), DB_TEXT(d->post));
	dossier_vouch(c, d, action, note);
}

void dossier_save(struct call *c, struct dossier *d, const char *action, const char *note)
{
	d->version++;
	if (d->state != d->was || d->why[0] != '\0')
		d->reason = d->why;
	answers_given(c, d);
	tx_add(c, &update_dossier, DB_TEXT(d->code), DB_INT4(d->version), DB_INT4(d->state),
	       DB_TEXT(d->agencies.holder), DB_TIME(d->accepted_us), DB_TIME(d->due_us),
	       DB_BOOL(d->due_provisional), DB_INT4(d->calendar_version), DB_INT8(d->directory_pos),
	       DB_TIME(d->clock_from_us), DB_TEXT(d->pause_kind), DB_TIME(d->paused_us),
	       DB_TIME(d->finished_us), DB_INT4(d->resumes_to), DB_TIME(d->answer_due_us),
	       DB_TIME(d->reply_due_us), DB_BOOL(d->extended), DB_INT4(d->verdict),
	       DB_INT4(d->decision), DB_TEXT(d->reason), DB_INT8(d->fee_vnd), DB_BOOL(d->fee_paid),
	       DB_TEXT(d->order_id), DB_INT4(d->finance_state), DB_TEXT(d->result_number),
	       DB_TEXT(d->result_file_id), DB_INT4(d->handover_state), DB_TEXT(d->tracking_number),
	       DB_INT4(d->handoffs), DB_INT4(d->handoffs_electronic), DB_INT4(d->hops),
	       DB_BOOL(d->in_transit), DB_TEXT(d->assignee), DB_INT4(d->step),
	       DB_TIME(d->step_from_us), DB_TIME(d->step_due_us), DB_INT4(d->opinions),
	       DB_INT4(d->opinions_open), DB_INT4(d->opinions_pausing), DB_INT4(d->supplements),
	       DB_TEXT(d->signed_by), DB_BOOL(d->rated), DB_INT4(d->procedure_version),
	       DB_INT4(d->complaints), DB_INT4(d->complaints_open), DB_INT4(d->results),
	       DB_TEXT(d->step_role), DB_INT4(d->limit.unit), DB_INT4(d->limit.value));
	dossier_history(c, d, action, note);
}
