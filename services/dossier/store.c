/* The row of a dossier: locked, read, written with its history. */
#include "services/dossier/dossier.h"

#include "common/base/buf.h"
#include "common/base/utf8.h"

const struct err_kind dossier_unknown = {ERR_NOT_FOUND, "UNKNOWN_DOSSIER", "Không có hồ sơ %s",
					 "there is no dossier %s"};

static const struct db_stmt lock_dossier = {
	"SELECT d.version, d.state, d.procedure_code, d.procedure_version, d.receiving_agency,"
	" d.competent_agency, d.holder_agency, d.channel, d.submitted_at, d.accepted_at, d.due_at,"
	" d.due_provisional, d.calendar_version, d.directory_pos, d.paused_at, d.finished_at,"
	" d.verdict, d.fee_vnd, d.fee_paid, d.order_id, d.result_number, d.result_file_id,"
	" d.handoffs, d.handoffs_electronic, d.rated, f.owner_key, p.limit_unit, p.limit_value,"
	" p.fee_kind, p.fee_vnd, p.online_level, p.result_type, p.data_class"
	" FROM dossier d JOIN filing f ON f.code = d.code"
	" JOIN procedure_version p ON p.code = d.procedure_code AND p.version = d.procedure_version"
	" WHERE d.code = $1 FOR UPDATE OF d"};

static const struct db_stmt update_dossier = {
	"UPDATE dossier SET version = $2, state = $3, holder_agency = $4, accepted_at = $5,"
	" due_at = $6, due_provisional = $7, calendar_version = $8, directory_pos = $9,"
	" paused_at = $10, finished_at = $11, verdict = $12, fee_vnd = $13, fee_paid = $14,"
	" order_id = nullif($15, ''), result_number = nullif($16, ''),"
	" result_file_id = nullif($17, ''), handoffs = $18, handoffs_electronic = $19, rated = $20"
	" WHERE code = $1"};

static const struct db_stmt insert_history = {
	"INSERT INTO history (dossier, version, state, action, actor, member, roles, agency,"
	" holder_agency, note, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"};

const char *dossier_actor(const struct call *c)
{
	return c->caller.subject[0] != '\0' ? c->caller.subject : c->caller.member;
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

static void read_course(struct row *r, struct dossier *d)
{
	d->submitted_us = row_time(r);
	d->accepted_us = row_time(r);
	d->due_us = row_time(r);
	d->due_provisional = row_bool(r);
	d->calendar_version = (int32_t)row_int(r);
	d->directory_pos = row_int(r);
	d->paused_us = row_time(r);
	d->finished_us = row_time(r);
	d->verdict = (Dossier__Verdict)row_int(r);
	d->fee_vnd = row_int(r);
	d->fee_paid = row_bool(r);
	d->order_id = row_text(r);
	d->result_number = row_text(r);
	d->result_file_id = row_text(r);
	d->handoffs = (int32_t)row_int(r);
	d->handoffs_electronic = (int32_t)row_int(r);
	d->rated = row_bool(r);
}

bool dossier_read(const struct call *c, int slot, const char *code, struct dossier *ret_dossier)
{
	struct row r = {.tx = &c->tx, .slot = slot};
	struct dossier d = {.code = code};

	if (db_rows(&c->tx, slot) == 0)
		return false;
	d.version = (int32_t)row_int(&r);
	d.state = (Dossier__DossierState)row_int(&r);
	d.procedure_code = row_text(&r);
	d.procedure_version = (int32_t)row_int(&r);
	d.agencies.receiving = row_text(&r);
	d.agencies.competent = row_text(&r);
	d.agencies.holder = row_text(&r);
	d.channel = (Dossier__Channel)row_int(&r);
	read_course(&r, &d);
	d.owner_key = row_text(&r);
	d.limit.unit = (Dossier__LimitUnit)row_int(&r);
	d.limit.value = (int)row_int(&r);
	d.fee_kind = row_text(&r);
	d.procedure_fee_vnd = row_int(&r);
	d.online_level = (uint32_t)row_int(&r);
	d.result_type = row_text(&r);
	d.data_class = row_text(&r);
	*ret_dossier = d;
	return true;
}

int dossier_take_add(struct call *c, const char *code)
{
	tx_begin(c);
	return dossier_lock_add(c, code);
}

int dossier_take_check(struct call *c, int slot, const char *code, enum rules_action action,
		       struct dossier *ret_dossier)
{
	const struct rules_transition *row;
	struct dossier d;
	int r;

	if (!dossier_read(c, slot, code, &d))
		return err_set(&c->err, &dossier_unknown, "code", code);
	r = rules_transition(d.state, action, &row, &c->err);
	if (r == 0 && row->parties != 0)
		r = rules_party(&d.agencies, row->parties, c->caller.agency, &c->err);
	if (r < 0)
		return r;
	d.was = d.state;
	d.state = row->to;
	*ret_dossier = d;
	return 0;
}

int dossier_take(struct call *c, const char *code, enum rules_action action,
		 struct dossier *ret_dossier)
{
	int slot = dossier_take_add(c, code);

	if (tx_flush(c) < 0)
		return c->err.status;
	return dossier_take_check(c, slot, code, action, ret_dossier);
}

void dossier_history(struct call *c, const struct dossier *d, const char *action, const char *note)
{
	tx_add(c, &insert_history, DB_TEXT(d->code), DB_INT4(d->version), DB_INT4(d->state),
	       DB_TEXT(action), DB_TEXT(dossier_actor(c)), DB_TEXT(c->caller.member),
	       DB_TEXT(dossier_roles(c)), DB_TEXT(c->caller.agency), DB_TEXT(d->agencies.holder),
	       DB_TEXT(note), DB_TIME(c->now_us));
}

void dossier_save(struct call *c, struct dossier *d, const char *action, const char *note)
{
	d->version++;
	tx_add(c, &update_dossier, DB_TEXT(d->code), DB_INT4(d->version), DB_INT4(d->state),
	       DB_TEXT(d->agencies.holder), DB_TIME(d->accepted_us), DB_TIME(d->due_us),
	       DB_BOOL(d->due_provisional), DB_INT4(d->calendar_version), DB_INT8(d->directory_pos),
	       DB_TIME(d->paused_us), DB_TIME(d->finished_us), DB_INT4(d->verdict),
	       DB_INT8(d->fee_vnd), DB_BOOL(d->fee_paid), DB_TEXT(d->order_id),
	       DB_TEXT(d->result_number), DB_TEXT(d->result_file_id), DB_INT4(d->handoffs),
	       DB_INT4(d->handoffs_electronic), DB_BOOL(d->rated));
	dossier_history(c, d, action, note);
}
