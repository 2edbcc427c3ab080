/* Who read whose dossier: the record, what the person sees of it, and the person's own dossiers. */
#include "services/dossier/lists.h"

#include <string.h>

#include "common/base/civil.h"
#include "common/base/uuid.h"

#define MINE_LIST  'm'
#define READS_LIST 'r'

static const struct err_kind purpose_required = {
	ERR_DENIED, "PURPOSE_REQUIRED",
	"Hồ sơ thuộc loại dữ liệu nhạy cảm: phải nêu mục đích tra cứu",
	"the dossier is of a guarded class: a purpose is required"};

/* Post by the directory on the day $8. */
static const struct db_stmt log_readings = {
	"INSERT INTO read_log (id, dossier, subject, member, agency, purpose, kind, at, post)"
	" SELECT gen_random_uuid(), u.code, $2, $3, $4, $5, $6, $7,"
	" coalesce((SELECT o.post FROM ref_officer o WHERE o.subject = $2 AND o.agency_code = $4"
	" AND o.valid_from <= $8 AND o.valid_to >= $8 ORDER BY o.valid_from DESC LIMIT 1), '')"
	" FROM unnest($1::text[]) AS u (code)"};

static const struct db_stmt read_readings = {
	"SELECT r.at, r.kind, r.agency, coalesce(a.name, ''), r.post, r.purpose, r.id"
	" FROM (SELECT * FROM read_log WHERE dossier = $1 AND (at, id) < ($2, $3)"
	"  ORDER BY at DESC, id DESC LIMIT $4) r"
	" LEFT JOIN LATERAL (SELECT name FROM ref_agency g WHERE g.code = r.agency"
	"  ORDER BY g.valid_from DESC LIMIT 1) a ON true ORDER BY r.at DESC, r.id DESC"};

static const struct db_stmt read_mine = {
	"SELECT d.code, d.procedure_code, p.name, d.state, coalesce(a.name, ''), d.submitted_at,"
	" d.due_at, d.due_provisional, d.verdict"
	" FROM filing f JOIN dossier d ON d.code = f.code"
	" JOIN procedure_version p ON p.code = d.procedure_code AND p.version = d.procedure_version"
	" LEFT JOIN LATERAL (SELECT name FROM ref_agency g WHERE g.code = d.holder_agency"
	"  ORDER BY g.valid_from DESC LIMIT 1) a ON true"
	" WHERE f.filer = $1 AND f.filer_is_citizen AND (d.submitted_at, d.code) < ($2, $3)"
	" ORDER BY d.submitted_at DESC, d.code DESC LIMIT $4"};

void reads_log(struct call *c, const char *const *codes, size_t n, Dossier__ReadKind kind)
{
	if (n == 0)
		return;
	tx_add(c, &log_readings, DB_TEXTS(codes, n), DB_TEXT(dossier_actor(c)),
	       DB_TEXT(c->caller.member), DB_TEXT(c->caller.agency), DB_TEXT(c->caller.purpose),
	       DB_INT4(kind), DB_TIME(c->now_us), DB_DATE(civil_of_us(c->now_us)));
}

int reads_check_purpose(struct call *c, bool guarded)
{
	if (guarded && c->caller.purpose[0] == '\0')
		return err_set(&c->err, &purpose_required, "code", NULL);
	return 0;
}

/* --- shown to the person --- */

static int check_page(struct call *c, char list, uint32_t asked, const char *cursor,
		      struct lists_cursor *after, uint32_t *ret_limit)
{
	if (rules_list_limit(asked, ret_limit, &c->err) < 0)
		return c->err.status;
	if (cursor[0] == '\0')
		return 0;
	return rules_cursor_parse(c->arena, list, cursor, after, &c->err);
}

static int fill_readings(struct call *c, int slot, uint32_t limit, Dossier__WhoReadReply *out)
{
	size_t rows = (size_t)db_rows(&c->tx, slot), n = rows > limit ? limit : rows, n_id;
	Dossier__Reading *list = arena_calloc(c->arena, n, sizeof(*list));
	struct lists_cursor last = {.list = READS_LIST, .key = ""};
	char id[UUID_TEXT_BYTES];

	out->readings = arena_calloc(c->arena, n, sizeof(*out->readings));
	if (!list || !out->readings)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (size_t i = 0; i < n; i++) {
		dossier__reading__init(&list[i]);
		list[i].time_us = last.us = db_get_time_us(&c->tx, slot, (int)i, 0);
		list[i].kind = (Dossier__ReadKind)db_get_int(&c->tx, slot, (int)i, 1);
		list[i].agency_code = db_get_text(&c->tx, slot, (int)i, 2);
		list[i].agency_name = db_get_text(&c->tx, slot, (int)i, 3);
		list[i].post = db_get_text(&c->tx, slot, (int)i, 4);
		list[i].purpose = db_get_text(&c->tx, slot, (int)i, 5);
		uuid_format(db_get_bytes(&c->tx, slot, (int)i, 6, &n_id), id);
		out->readings[out->n_readings++] = &list[i];
	}
	if (rows > limit) {
		last.code = id;
		out->next_cursor = rules_cursor_text(c->arena, &last);
	}
	return 0;
}

DOSSIER_HANDLER(who_read, WhoRead)
{
	struct call *c = call_of(data);
	Dossier__WhoReadReply out = DOSSIER__WHO_READ_REPLY__INIT;
	struct lists_cursor after = {.us = INT64_MAX,
				     .code = "ffffffff-ffff-ffff-ffff-ffffffffffff"};
	uint8_t id[UUID_BYTES] = {0};
	uint32_t limit;
	int slot;

	(void)svc;
	if (check_page(c, READS_LIST, in->limit, in->cursor, &after, &limit) < 0)
		return call_fail(c);
	uuid_parse(after.code, id); /* of another make: nothing is found behind it */
	if (dossier_check_applicant(c, in->code, in->receipt_secret) < 0)
		return call_fail(c);
	slot = call_query(c, &read_readings, DB_TEXT(in->code), DB_TIME(after.us), DB_UUID(id),
			  DB_INT8(limit + 1));
	if (slot < 0 || fill_readings(c, slot, limit, &out) < 0)
		return call_fail(c);
	reply(&out, data);
}

static int fill_mine(struct call *c, int slot, uint32_t limit, Dossier__MyDossiersReply *out)
{
	size_t rows = (size_t)db_rows(&c->tx, slot), n = rows > limit ? limit : rows;
	Dossier__MyDossier *list = arena_calloc(c->arena, n, sizeof(*list));
	struct lists_cursor last = {.list = MINE_LIST, .key = ""};

	out->dossiers = arena_calloc(c->arena, n, sizeof(*out->dossiers));
	if (!list || !out->dossiers)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (size_t i = 0; i < n; i++) {
		dossier__my_dossier__init(&list[i]);
		list[i].code = last.code = db_get_text(&c->tx, slot, (int)i, 0);
		list[i].procedure_code = db_get_text(&c->tx, slot, (int)i, 1);
		list[i].procedure_name = db_get_text(&c->tx, slot, (int)i, 2);
		list[i].state = (Dossier__DossierState)db_get_int(&c->tx, slot, (int)i, 3);
		list[i].agency_name = db_get_text(&c->tx, slot, (int)i, 4);
		list[i].submitted_us = last.us = db_get_time_us(&c->tx, slot, (int)i, 5);
		list[i].due_us = db_get_time_us(&c->tx, slot, (int)i, 6);
		list[i].due_provisional = db_get_bool(&c->tx, slot, (int)i, 7);
		list[i].verdict = (Dossier__Verdict)db_get_int(&c->tx, slot, (int)i, 8);
		out->dossiers[out->n_dossiers++] = &list[i];
	}
	if (rows > limit)
		out->next_cursor = rules_cursor_text(c->arena, &last);
	return 0;
}

DOSSIER_HANDLER(my_dossiers, MyDossiers)
{
	struct call *c = call_of(data);
	Dossier__MyDossiersReply out = DOSSIER__MY_DOSSIERS_REPLY__INIT;
	struct lists_cursor after = {.us = INT64_MAX, .code = ""};
	uint32_t limit;
	int slot;

	(void)svc;
	if (check_page(c, MINE_LIST, in->limit, in->cursor, &after, &limit) < 0)
		return call_fail(c);
	slot = call_query(c, &read_mine, DB_TEXT(c->caller.subject), DB_TIME(after.us),
			  DB_TEXT(after.code), DB_INT8(limit + 1));
	if (slot < 0 || fill_mine(c, slot, limit, &out) < 0)
		return call_fail(c);
	reply(&out, data);
}
