/*
 * The opening import. A dry run checks a piece of the file and remembers it with its faults; the
 * real run takes it whole, once, when the whole file has been checked and nothing changed since.
 */
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/utf8.h"
#include "services/dossier/legacy.h"

#define SOURCE_CHARS 100

static const struct err_kind not_checked = {
	ERR_CONFLICT, "LEGACY_NOT_CHECKED",
	"Tệp phải qua chạy thử không lỗi và không thay đổi trước khi nhập: %s",
	"the file must pass a dry run without faults and stay unchanged: %s"};
static const struct err_kind has_faults = {ERR_CONFLICT, "LEGACY_FAULTS",
					   "Dữ liệu không còn hợp lệ, hãy chạy thử lại (hồ sơ %s)",
					   "no longer valid, run dry again (dossier %s)"};

static const struct db_stmt lock_chunk = {
	"SELECT sha256, faults, imported_at FROM legacy_chunk WHERE control = $1 AND chunk = $2"
	" FOR UPDATE"};

static const struct db_stmt count_checked = {
	"SELECT count(*) FROM legacy_chunk WHERE control = $1 AND faults = 0"};

/* What is known of each: $1… arrays of one entry per dossier; $7 today. */
static const struct db_stmt read_known = {
	"SELECT EXISTS (SELECT FROM dossier d WHERE d.code = u.code),"
	" EXISTS (SELECT FROM ref_agency a WHERE a.code = u.receiving),"
	" EXISTS (SELECT FROM ref_agency a WHERE a.code = u.competent),"
	" EXISTS (SELECT FROM ref_agency a WHERE a.code = u.holder AND a.valid_from <= $7"
	"  AND a.valid_to >= $7),"
	" coalesce(p.version, 0), coalesce(p.limit_unit, 0), coalesce(p.limit_value, 0),"
	" coalesce(p.fee_kind, ''), coalesce(p.online_level, 0),"
	" coalesce(p.data_class <> 'basic', false)"
	" FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int8[])"
	" WITH ORDINALITY AS u (code, procedure, receiving, competent, holder, day, n)"
	" LEFT JOIN LATERAL (SELECT * FROM procedure_version v WHERE v.code = u.procedure"
	"  AND v.valid_from <= date '1970-01-01' + u.day::int"
	"  AND v.valid_to >= date '1970-01-01' + u.day::int ORDER BY v.version DESC LIMIT 1) p"
	" ON true ORDER BY u.n"};

static const struct db_stmt put_chunk = {
	"INSERT INTO legacy_chunk AS k (control, chunk, sha256, dossiers, faults, checked_at)"
	" VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (control, chunk) DO UPDATE SET"
	" sha256 = excluded.sha256, dossiers = excluded.dossiers, faults = excluded.faults,"
	" checked_at = excluded.checked_at WHERE k.imported_at IS NULL"};

static const struct db_stmt chunk_done = {
	"UPDATE legacy_chunk SET imported_at = $3 WHERE control = $1 AND chunk = $2"};

/* A piece on its way; in the call's arena. */
struct piece {
	const Dossier__ImportLegacyRequest *in;
	struct legacy_row *rows;
	uint8_t sha256[CRYPT_SHA256_BYTES];
	struct {
		int chunk, checked, known;
	} slot;
};

static int no_room(struct call *c)
{
	return err_set(&c->err, &err_too_large, NULL, "arena");
}

static int check_request(struct call *c, const Dossier__ImportLegacyRequest *in)
{
	uint8_t control[CRYPT_SHA256_BYTES];

	if (in->source[0] == '\0' || utf8_length(in->source) > SOURCE_CHARS)
		err_add(&c->err, &err_invalid_field, "source", "1..100");
	if (crypt_unhex(in->control, sizeof(control), control) < 0)
		err_add(&c->err, &err_invalid_field, "control", "64 hex digits");
	if (in->chunks < 1 || in->chunks > LEGACY_CHUNKS_MAX || in->chunk >= in->chunks)
		err_add(&c->err, &err_invalid_field, "chunk", "0..chunks - 1, at most 10000");
	if (in->n_dossiers < 1 || in->n_dossiers > LEGACY_CHUNK_MAX)
		err_add(&c->err, &err_invalid_field, "dossiers", "1..100");
	return c->err.status;
}

/* Two packings of the same rows by the same program are the same bytes: a check of sameness, no
 * proof. */
static int hash_rows(struct call *c, struct piece *p)
{
	struct crypt_hash *h = crypt_hash_new();

	for (size_t i = 0; i < p->in->n_dossiers; i++) {
		size_t n = dossier__legacy_dossier__get_packed_size(p->in->dossiers[i]);
		uint8_t *bytes = arena_alloc(c->arena, n);

		if (!bytes) {
			crypt_hash_free(h);
			return no_room(c);
		}
		dossier__legacy_dossier__pack(p->in->dossiers[i], bytes);
		crypt_hash_update(h, bytes, n);
	}
	crypt_hash_final(h, p->sha256);
	return 0;
}

static const char *holder_of(const Dossier__LegacyDossier *d)
{
	return d->holder_agency_code[0] ? d->holder_agency_code : d->receiving_agency_code;
}

static int add_reads(struct call *c, struct piece *p)
{
	size_t n = p->in->n_dossiers;
	const char **texts = arena_calloc(c->arena, 5 * n, sizeof(*texts));
	int64_t *days = arena_calloc(c->arena, n, sizeof(*days));

	if (!texts || !days)
		return no_room(c);
	for (size_t i = 0; i < n; i++) {
		const Dossier__LegacyDossier *d = p->in->dossiers[i];

		texts[i] = d->code;
		texts[n + i] = d->procedure_code;
		texts[2 * n + i] = d->receiving_agency_code;
		texts[3 * n + i] = d->competent_agency_code;
		texts[4 * n + i] = holder_of(d);
		/* What is no time is a fault of its own. */
		days[i] = civil_of_us(d->submitted_us > 0 && d->submitted_us <= c->now_us
					      ? d->submitted_us
					      : c->now_us);
	}
	p->slot.chunk = tx_add(c, &lock_chunk, DB_TEXT(p->in->control), DB_INT4(p->in->chunk));
	p->slot.checked = tx_add(c, &count_checked, DB_TEXT(p->in->control));
	p->slot.known = tx_add(c, &read_known, DB_TEXTS(texts, n), DB_TEXTS(texts + n, n),
			       DB_TEXTS(texts + 2 * n, n), DB_TEXTS(texts + 3 * n, n),
			       DB_TEXTS(texts + 4 * n, n), DB_INT8S(days, n),
			       DB_DATE(civil_of_us(c->now_us)));
	return tx_flush(c);
}

static int read_rows(struct call *c, struct piece *p)
{
	const struct db_tx *tx = &c->tx;

	p->rows = arena_calloc(c->arena, p->in->n_dossiers, sizeof(*p->rows));
	if (!p->rows)
		return no_room(c);
	for (size_t i = 0; i < p->in->n_dossiers; i++) {
		struct rules_legacy *k = &p->rows[i].known;
		int slot = p->slot.known, row = (int)i;

		p->rows[i].in = p->in->dossiers[i];
		k->exists = db_get_bool(tx, slot, row, 0);
		k->receiving_known = db_get_bool(tx, slot, row, 1);
		k->competent_known = db_get_bool(tx, slot, row, 2);
		k->holder_in_force = db_get_bool(tx, slot, row, 3);
		k->procedure_version = (int32_t)db_get_int(tx, slot, row, 4);
		k->limit.unit = (Dossier__LimitUnit)db_get_int(tx, slot, row, 5);
		k->limit.value = (int)db_get_int(tx, slot, row, 6);
		k->fee_kind = db_get_text(tx, slot, row, 7);
		k->online_level = (uint32_t)db_get_int(tx, slot, row, 8);
		k->guarded = db_get_bool(tx, slot, row, 9);
	}
	return 0;
}

/* A code twice in one piece; the file as a whole is the operator's command's to look at. */
static bool is_repeated(const struct piece *p, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (strcmp(p->in->dossiers[j]->code, p->in->dossiers[i]->code) == 0)
			return true;
	return false;
}

static void check_row(struct call *c, struct piece *p, size_t i, struct err *found)
{
	struct rules_legacy known = p->rows[i].known;

	known.exists = known.exists || is_repeated(p, i);
	rules_check_legacy(p->rows[i].in, &known, c->now_us, found);
}

/* --- dry run --- */

static int add_faults(struct call *c, uint32_t line, const struct err *found,
		      Dossier__ImportLegacyReply *out)
{
	Dossier__LegacyFault **all =
		arena_calloc(c->arena, out->n_faults + found->n_items, sizeof(*all));
	Dossier__LegacyFault *more = arena_calloc(c->arena, found->n_items, sizeof(*more));

	if (!all || !more)
		return no_room(c);
	if (out->n_faults > 0)
		memcpy(all, out->faults, out->n_faults * sizeof(*all));
	out->faults = all;
	for (unsigned i = 0; i < found->n_items; i++) {
		dossier__legacy_fault__init(&more[i]);
		more[i].line = line;
		more[i].field = arena_strdup(c->arena, found->items[i].field);
		more[i].code = arena_strdup(c->arena, found->items[i].code);
		more[i].message_vi = arena_strdup(c->arena, found->items[i].vi);
		more[i].message_en = arena_strdup(c->arena, found->items[i].en);
		if (!more[i].field || !more[i].code || !more[i].message_vi || !more[i].message_en)
			return no_room(c);
		out->faults[out->n_faults++] = &more[i];
	}
	return 0;
}

static int run_dry(struct call *c, struct piece *p, Dossier__ImportLegacyReply *out)
{
	for (size_t i = 0; i < p->in->n_dossiers; i++) {
		struct err found = {.status = 0};

		check_row(c, p, i, &found);
		if (found.status != 0 && add_faults(c, p->rows[i].in->line, &found, out) < 0)
			return c->err.status;
	}
	tx_add(c, &put_chunk, DB_TEXT(p->in->control), DB_INT4(p->in->chunk),
	       DB_BYTEA(p->sha256, sizeof(p->sha256)), DB_INT4(p->in->n_dossiers),
	       DB_INT4(out->n_faults), DB_TIME(c->now_us));
	return 0;
}

/* --- the real run --- */

/* > 0: to be taken, 0: was taken before, < 0: refused. */
static int check_checked(struct call *c, const struct piece *p)
{
	int slot = p->slot.chunk;
	const uint8_t *sha256;
	size_t n;

	if (db_rows(&c->tx, slot) == 0)
		return err_set(&c->err, &not_checked, "chunk", "no dry run");
	sha256 = db_get_bytes(&c->tx, slot, 0, 0, &n);
	if (n != sizeof(p->sha256) || memcmp(sha256, p->sha256, n) != 0)
		return err_set(&c->err, &not_checked, "dossiers", "changed since");
	if (!db_is_null(&c->tx, slot, 0, 2))
		return 0;
	if (db_get_int(&c->tx, slot, 0, 1) != 0 ||
	    db_get_int(&c->tx, p->slot.checked, 0, 0) != p->in->chunks)
		return err_set(&c->err, &not_checked, "chunks", "faults or pieces missing");
	return 1;
}

/* Due date, and the calendar it was counted with. */
static int set_due(struct call *c, struct legacy_row *row)
{
	struct due_office o;

	row->due_us = row->in->due_us;
	if (row->due_us != 0 || row->in->accepted_us == 0 || !rules_legacy_open(row->in->state))
		return 0;
	if (due_office_get(c, row->in->competent_agency_code, &o) < 0)
		return c->err.status;
	row->due_us = rules_legacy_due(row->in, row->known.limit, &o.office, c->now_us);
	row->calendar_version = o.calendar_version;
	row->directory_pos = o.directory_pos;
	due_office_put(&o);
	return 0;
}

static int run(struct call *c, struct piece *p, Dossier__ImportLegacyReply *out)
{
	int r = check_checked(c, p);

	if (r <= 0) {
		out->already = (uint32_t)p->in->n_dossiers;
		return r;
	}
	for (size_t i = 0; i < p->in->n_dossiers; i++) {
		struct err found = {.status = 0};

		check_row(c, p, i, &found);
		if (found.status != 0)
			return err_set(&c->err, &has_faults, "dossiers", p->rows[i].in->code);
		if (set_due(c, &p->rows[i]) < 0)
			return c->err.status;
	}
	for (size_t i = 0; i < p->in->n_dossiers; i++)
		if (legacy_add(c, p->in, &p->rows[i]) < 0)
			return c->err.status;
	if (legacy_raise_counters(c, p->in) < 0)
		return c->err.status;
	tx_add(c, &chunk_done, DB_TEXT(p->in->control), DB_INT4(p->in->chunk), DB_TIME(c->now_us));
	out->imported = (uint32_t)p->in->n_dossiers;
	return 0;
}

DOSSIER_HANDLER(import_legacy, ImportLegacy)
{
	struct call *c = call_of(data);
	Dossier__ImportLegacyReply out = DOSSIER__IMPORT_LEGACY_REPLY__INIT;
	struct piece p = {.in = in};

	(void)svc;
	if (check_request(c, in) < 0 || hash_rows(c, &p) < 0)
		return call_fail(c);
	tx_begin(c);
	if (add_reads(c, &p) < 0 || read_rows(c, &p) < 0 ||
	    (in->dry_run ? run_dry(c, &p, &out) : run(c, &p, &out)) < 0 ||
	    tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
