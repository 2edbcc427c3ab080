/* The catalogue of procedures: versions from profiles, looked up by date. */
#include <stdio.h>
#include <string.h>

#include "common/base/civil.h"
#include "common/wire/pb.h"
#include "services/dossier/dossier.h"

#define LIST_DEFAULT   50
#define LIST_MAX       200
#define PROCEDURES_MAX 1000

static const struct err_kind unknown_procedure = {ERR_INVALID, "UNKNOWN_PROCEDURE",
						  "Không có thủ tục %s", "no procedure %s"};
static const struct err_kind not_in_force = {ERR_INVALID, "PROCEDURE_NOT_IN_FORCE",
					     "Thủ tục %s không có hiệu lực vào ngày này",
					     "procedure %s is not in force on this date"};
static const struct err_kind procedure_twice = {
	ERR_INVALID, "DUPLICATE_PROCEDURE", "Thủ tục %s bị lặp với cùng ngày hiệu lực",
	"procedure %s is given twice with the same first day"};

/* One import at a time: version numbers are counted here. */
static const struct db_stmt lock_catalogue = {
	"SELECT pg_advisory_xact_lock(hashtextextended('dossier.catalogue', 0))::text"};

/* The newest version with each first day, and the highest version of the code. */
static const struct db_stmt read_versions = {
	"SELECT DISTINCT ON (code, valid_from) code, valid_from, sha256,"
	" max(version) OVER (PARTITION BY code)"
	" FROM procedure_version WHERE code = ANY($1) ORDER BY code, valid_from, version DESC"};

static const struct db_stmt insert_version = {
	"INSERT INTO procedure_version (code, version, name, field, limit_unit, limit_value,"
	" fee_kind, fee_vnd, online_level, result_type, data_class, valid_from, valid_to, "
	"definition,"
	" sha256, manifest_sha256, imported_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"};

static const struct db_stmt read_procedure = {
	"SELECT p.*, u.n FROM unnest($1, $2) WITH ORDINALITY AS u (code, day, n)"
	" CROSS JOIN LATERAL (SELECT valid_from <= u.day AND valid_to >= u.day, definition"
	"  FROM procedure_version WHERE code = u.code ORDER BY 1 DESC, version DESC LIMIT 1"
	" ) p ORDER BY u.n"};

static const struct db_stmt read_procedure_of = {
	"SELECT p.definition FROM dossier d JOIN procedure_version p ON p.code = d.procedure_code"
	" AND p.version = d.procedure_version WHERE d.code = $1"};

static const struct db_stmt list_procedures = {
	"SELECT definition FROM ("
	"  SELECT DISTINCT ON (code) code, field, definition FROM procedure_version"
	"  WHERE valid_from <= $1 AND valid_to >= $1 AND code > $2"
	"  ORDER BY code, version DESC) p"
	" WHERE $3 = '' OR field = $3 ORDER BY code LIMIT $4"};

static int unpack(struct call *c, int slot, int row, int col, const Dossier__Procedure **ret)
{
	ProtobufCMessage *msg;
	size_t n;
	const uint8_t *bytes = db_get_bytes(&c->tx, slot, row, col, &n);
	int r = pb_unpack(&dossier__procedure__descriptor, bytes, n, NULL, c->arena, &msg, &c->err);

	if (r == 0)
		*ret = (const Dossier__Procedure *)msg;
	return r;
}

/* --- import --- */

/* A procedure on its way into the catalogue. */
struct import {
	Dossier__Procedure *p; /* texts in NFC, version set when new */
	int32_t from, to;
	uint8_t sha256[CRYPT_SHA256_BYTES]; /* without the version */
};

static const char *nfc(struct call *c, const char *s)
{
	return dossier_nfc(c, s);
}

static int prepare(struct call *c, const Dossier__Procedure *in, struct import *im)
{
	uint8_t *bytes;
	size_t n;
	int r;

	im->p = (Dossier__Procedure *)arena_memdup(c->arena, in, sizeof(*in));
	if (!im->p)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	im->p->name = nfc(c, in->name);
	im->p->field = nfc(c, in->field);
	im->p->version = 0;
	civil_parse(in->valid_from, &im->from);
	civil_parse_or_forever(in->valid_to, &im->to);
	r = pb_pack(&im->p->base, c->arena, &bytes, &n, &c->err);
	if (r == 0)
		crypt_sha256(bytes, n, im->sha256);
	return r;
}

static int check_import(struct call *c, const Dossier__ImportProfileRequest *in,
			struct import *imports)
{
	char path[48];

	if (in->n_procedures > PROCEDURES_MAX)
		return err_set(&c->err, &err_too_large, "procedures", "procedures");
	for (size_t i = 0; i < in->n_procedures; i++) {
		int r;

		snprintf(path, sizeof(path), "procedures[%zu]", i);
		r = rules_check_procedure(in->procedures[i], path, &c->err);
		if (r == 0)
			r = prepare(c, in->procedures[i], &imports[i]);
		if (r < 0)
			return r;
		for (size_t j = 0; j < i; j++)
			if (imports[j].from == imports[i].from &&
			    strcmp(imports[j].p->code, imports[i].p->code) == 0)
				return err_set(&c->err, &procedure_twice, path, imports[i].p->code);
	}
	return 0;
}

/* The version to give: 0 when the newest with this first day is the same; also counts siblings. */
static int32_t next_version(const struct call *c, int slot, const struct import *im)
{
	int32_t highest = 0;
	size_t n;

	for (int row = 0; row < db_rows(&c->tx, slot); row++) {
		if (strcmp(db_get_text(&c->tx, slot, row, 0), im->p->code) != 0)
			continue;
		highest = (int32_t)db_get_int(&c->tx, slot, row, 3);
		if (db_get_date(&c->tx, slot, row, 1) == im->from &&
		    memcmp(db_get_bytes(&c->tx, slot, row, 2, &n), im->sha256,
			   sizeof(im->sha256)) == 0)
			return 0;
	}
	return highest + 1;
}

static int insert(struct call *c, const struct import *im, const char *manifest)
{
	Dossier__DossierProcedurePut ev = DOSSIER__DOSSIER_PROCEDURE_PUT__INIT;
	const Dossier__Procedure *p = im->p;
	uint8_t *bytes;
	size_t n;
	int r = pb_pack(&p->base, c->arena, &bytes, &n, &c->err);

	if (r < 0)
		return r;
	tx_add(c, &insert_version, DB_TEXT(p->code), DB_INT4(p->version), DB_TEXT(p->name),
	       DB_TEXT(p->field), DB_INT4(p->limit_unit), DB_INT4(p->limit_value),
	       DB_TEXT(p->fee_kind), DB_INT8(p->fee_vnd), DB_INT4(p->online_level),
	       DB_TEXT(p->result_type), DB_TEXT(p->data_class), DB_DATE(im->from), DB_DATE(im->to),
	       DB_BYTEA(bytes, n), DB_BYTEA(im->sha256, sizeof(im->sha256)), DB_TEXT(manifest),
	       DB_TIME(c->now_us));
	ev.code = p->code;
	ev.version = p->version;
	ev.field = p->field;
	ev.levels = p->levels;
	ev.fee_vnd = p->fee_vnd;
	ev.fee_kind = p->fee_kind;
	ev.online_level = p->online_level;
	ev.valid_from = p->valid_from;
	ev.valid_to = p->valid_to;
	ev.result_type = p->result_type;
	ev.internal = p->internal;
	ev.online_service = p->online_service;
	ev.online_eligible = p->online_eligible;
	ev.decided_on = p->decided_on;
	ev.published_on = p->published_on;
	tx_event(c, "dossier.procedure_put", p->code, p->version, &ev.base);
	return 0;
}

/* Versions of one code that are new in this import follow each other. */
static int32_t siblings(const struct import *imports, size_t i)
{
	int32_t n = 0;

	for (size_t j = 0; j < i; j++)
		n += imports[j].p->version > 0 &&
		     strcmp(imports[j].p->code, imports[i].p->code) == 0;
	return n;
}

static int import_all(struct call *c, const Dossier__ImportProfileRequest *in,
		      struct import *imports, int32_t *ret_changed)
{
	const char **codes = arena_calloc(c->arena, in->n_procedures, sizeof(*codes));
	int slot, channels, r = 0;

	if (!codes)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (size_t i = 0; i < in->n_procedures; i++)
		codes[i] = imports[i].p->code;
	tx_begin(c);
	db_add_args(&c->tx, &lock_catalogue, NULL, 0);
	slot = tx_add(c, &read_versions, DB_TEXTS(codes, in->n_procedures));
	channels = channels_add(c);
	if (tx_flush(c) < 0)
		return c->err.status;
	for (size_t i = 0; i < in->n_procedures && r == 0; i++) {
		int32_t version = next_version(c, slot, &imports[i]);

		if (version == 0)
			continue;
		imports[i].p->version = version + siblings(imports, i);
		r = insert(c, &imports[i], in->manifest_sha256);
		++*ret_changed;
	}
	*ret_changed += channels_import(c, channels, in);
	return r;
}

DOSSIER_HANDLER(import_profile, ImportProfile)
{
	struct call *c = call_of(data);
	Dossier__ImportProfileReply out = DOSSIER__IMPORT_PROFILE_REPLY__INIT;
	struct import *imports = arena_calloc(c->arena, in->n_procedures, sizeof(*imports));

	(void)svc;
	if (!imports) {
		err_set(&c->err, &err_too_large, NULL, "arena");
		return call_fail(c);
	}
	if (check_import(c, in, imports) < 0 || channels_check_import(c, in) < 0 ||
	    import_all(c, in, imports, &out.changed) < 0)
		return call_fail(c);
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- looking up --- */

int catalogue_add(struct call *c, const char *code, int32_t day)
{
	return tx_add_row(c, &read_procedure, DB_TEXT(code), DB_DATE(day));
}

int catalogue_read(struct call *c, int slot, const char *code, struct err *err,
		   const Dossier__Procedure **ret_procedure)
{
	int r;

	if (db_rows(&c->tx, slot) == 0) {
		err_add(err, &unknown_procedure, "procedure_code", code);
		return 0;
	}
	if (!db_get_bool(&c->tx, slot, 0, 0)) {
		err_add(err, &not_in_force, "procedure_code", code);
		return 0;
	}
	r = unpack(c, slot, 0, 1, ret_procedure);
	return r < 0 ? r : 1;
}

int catalogue_add_of(struct call *c, const char *dossier)
{
	return tx_add(c, &read_procedure_of, DB_TEXT(dossier));
}

int catalogue_read_of(struct call *c, int slot, const Dossier__Procedure **ret_procedure)
{
	if (db_rows(&c->tx, slot) == 0)
		return err_set(&c->err, &err_not_found, "code", "");
	return unpack(c, slot, 0, 0, ret_procedure);
}

/* The date asked for, today when empty. */
static int date_of(struct call *c, const char *s, int32_t *ret_day)
{
	*ret_day = civil_of_us(c->now_us);
	if (s[0] == '\0' || civil_parse(s, ret_day) == 0)
		return 0;
	return err_set(&c->err, &err_invalid_field, "on_date", "YYYY-MM-DD");
}

DOSSIER_HANDLER(get_procedure, GetProcedure)
{
	struct call *c = call_of(data);
	Dossier__GetProcedureReply out = DOSSIER__GET_PROCEDURE_REPLY__INIT;
	const Dossier__Procedure *p = NULL;
	int32_t day;
	int slot;

	(void)svc;
	if (date_of(c, in->on_date, &day) < 0)
		return call_fail(c);
	tx_begin(c);
	slot = catalogue_add(c, in->code, day);
	if (tx_flush(c) < 0)
		return call_fail(c);
	if (db_rows(&c->tx, slot) == 0 || !db_get_bool(&c->tx, slot, 0, 0)) {
		err_set(&c->err, &err_not_found, "code", in->code);
		return call_fail(c);
	}
	if (unpack(c, slot, 0, 1, &p) < 0)
		return call_fail(c);
	out.procedure = (Dossier__Procedure *)p;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

DOSSIER_HANDLER(list_procedures, ListProcedures)
{
	struct call *c = call_of(data);
	Dossier__ListProceduresReply out = DOSSIER__LIST_PROCEDURES_REPLY__INIT;
	uint32_t limit = in->limit ? in->limit : LIST_DEFAULT;
	int32_t day;
	int slot, n;

	(void)svc;
	if (date_of(c, in->on_date, &day) < 0)
		return call_fail(c);
	if (limit > LIST_MAX) {
		err_set(&c->err, &err_invalid_field, "limit", "0..200");
		return call_fail(c);
	}
	slot = call_query(c, &list_procedures, DB_DATE(day), DB_TEXT(in->after_code),
			  DB_TEXT(in->field), DB_INT8(limit));
	if (slot < 0)
		return call_fail(c);
	n = db_rows(&c->tx, slot);
	out.procedures = arena_calloc(c->arena, (size_t)n, sizeof(out.procedures[0]));
	for (int i = 0; i < n && out.procedures; i++) {
		const Dossier__Procedure *p = NULL;

		if (unpack(c, slot, i, 0, &p) < 0)
			return call_fail(c);
		out.procedures[out.n_procedures++] = (Dossier__Procedure *)p;
	}
	reply(&out, data);
}
