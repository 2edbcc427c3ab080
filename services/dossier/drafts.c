/* Drafts of filings: saved, taken up again, filed. Only who wrote one sees it. */
#include <string.h>

#include "common/base/clock.h"
#include "common/base/uuid.h"
#include "common/wire/pb.h"
#include "services/dossier/intake.h"

#define DRAFTS_MAX  50 /* of one author */
#define DRAFT_BYTES 65536
#define DAY_US      (24 * 3600 * CLOCK_US_PER_S)

static const struct err_kind unknown_draft = {ERR_NOT_FOUND, "UNKNOWN_DRAFT",
					      "Không có bản nháp %s", "there is no draft %s"};
static const struct err_kind draft_changed = {
	ERR_CONFLICT, "DRAFT_CHANGED", "Bản nháp đã được sửa ở nơi khác (phiên bản %s)",
	"the draft was changed elsewhere (it has version %s)"};
static const struct err_kind too_many_drafts = {ERR_CONFLICT, "TOO_MANY_DRAFTS",
						"Quá nhiều bản nháp (tối đa %s)",
						"too many drafts (at most %s)"};

/* Counts the author's drafts one save at a time. */
static const struct db_stmt lock_author = {
	"SELECT pg_advisory_xact_lock(hashtextextended('dossier.draft.' || $1, 0))::text"};

static const struct db_stmt count_drafts = {
	"SELECT count(*) FROM draft WHERE author = $1 AND member = $2 AND expires_at > $3"};

static const struct db_stmt read_draft = {
	"SELECT version, content, saved_at, expires_at FROM draft"
	" WHERE id = $1 AND author = $2 AND member = $3 AND expires_at > $4"};

static const struct db_stmt lock_draft = {
	"SELECT version FROM draft WHERE id = $1 AND author = $2 AND member = $3"
	" AND expires_at > $4 FOR UPDATE"};

static const struct db_stmt insert_draft = {
	"INSERT INTO draft (id, member, author, version, procedure_code, content, saved_at,"
	" expires_at) VALUES ($1, $2, $3, 1, $4, $5, $6, $7)"};

static const struct db_stmt update_draft = {
	"UPDATE draft SET version = version + 1, procedure_code = $2, content = $3, saved_at = $4,"
	" expires_at = $5 WHERE id = $1"};

static const struct db_stmt delete_draft = {"DELETE FROM draft WHERE id = $1"};

static const struct db_stmt list_drafts = {
	"SELECT id::text, version, procedure_code, saved_at, expires_at FROM draft"
	" WHERE author = $1 AND member = $2 AND expires_at > $3"
	" ORDER BY saved_at DESC, id LIMIT $4"};

static const struct db_stmt delete_expired = {
	"WITH gone AS (DELETE FROM draft WHERE expires_at <= $1 RETURNING 1)"
	" SELECT count(*) FROM gone"};

int64_t drafts_days;

/* --- one draft --- */

static int parse_id(struct call *c, const char *text, uint8_t ret_id[static UUID_BYTES])
{
	return uuid_parse(text, ret_id) == 0 ? 0
					     : err_set(&c->err, &unknown_draft, "draft_id", text);
}

static int lock_add(struct call *c, const uint8_t *id)
{
	return tx_add(c, &lock_draft, DB_UUID(id), DB_TEXT(c->caller.subject),
		      DB_TEXT(c->caller.member), DB_TIME(c->now_us));
}

/* Whether it stands, in the version the caller read. */
static int lock_check(struct call *c, int slot, const char *id, int32_t version)
{
	int64_t stands;

	if (db_rows(&c->tx, slot) == 0)
		return err_set(&c->err, &unknown_draft, "draft_id", id);
	stands = db_get_int(&c->tx, slot, 0, 0);
	if (stands != version)
		return err_set(&c->err, &draft_changed, "version",
			       arena_printf(c->arena, "%lld", (long long)stands));
	return 0;
}

/* --- saving --- */

static int pack(struct call *c, const Dossier__SubmitRequest *filing, uint8_t **ret_bytes,
		size_t *ret_n)
{
	if (!filing)
		return err_set(&c->err, &err_required_field, "filing", NULL);
	if (pb_pack(&filing->base, c->arena, ret_bytes, ret_n, &c->err) < 0)
		return c->err.status;
	if (*ret_n > DRAFT_BYTES)
		return err_set(&c->err, &err_too_large, "filing", "64 KiB");
	return 0;
}

static int check_count(struct call *c, int slot)
{
	if (db_get_int(&c->tx, slot, 0, 0) < DRAFTS_MAX)
		return 0;
	return err_set(&c->err, &too_many_drafts, NULL, "50");
}

static int save(struct call *c, const Dossier__SaveDraftRequest *in, Dossier__SaveDraftReply *out)
{
	bool is_new = in->draft_id[0] == '\0';
	uint8_t id[UUID_BYTES], *bytes = NULL;
	size_t n = 0;
	int slot;

	if (pack(c, in->filing, &bytes, &n) < 0)
		return c->err.status;
	uuid_v7(id);
	if (!is_new && parse_id(c, in->draft_id, id) < 0)
		return c->err.status;
	tx_begin(c);
	if (is_new)
		tx_add(c, &lock_author, DB_TEXT(c->caller.subject));
	slot = is_new ? tx_add(c, &count_drafts, DB_TEXT(c->caller.subject),
			       DB_TEXT(c->caller.member), DB_TIME(c->now_us))
		      : lock_add(c, id);
	if (tx_flush(c) < 0 ||
	    (is_new ? check_count(c, slot) : lock_check(c, slot, in->draft_id, in->version)) < 0)
		return c->err.status;
	out->expires_us = c->now_us + drafts_days * DAY_US;
	out->version = is_new ? 1 : in->version + 1;
	if (is_new)
		tx_add(c, &insert_draft, DB_UUID(id), DB_TEXT(c->caller.member),
		       DB_TEXT(c->caller.subject), DB_TEXT(in->filing->procedure_code),
		       DB_BYTEA(bytes, n), DB_TIME(c->now_us), DB_TIME(out->expires_us));
	else
		tx_add(c, &update_draft, DB_UUID(id), DB_TEXT(in->filing->procedure_code),
		       DB_BYTEA(bytes, n), DB_TIME(c->now_us), DB_TIME(out->expires_us));
	out->draft_id = arena_alloc(c->arena, UUID_TEXT_BYTES);
	if (!out->draft_id)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	uuid_format(id, (char *)out->draft_id);
	return 0;
}

DOSSIER_HANDLER(save_draft, SaveDraft)
{
	struct call *c = call_of(data);
	Dossier__SaveDraftReply out = DOSSIER__SAVE_DRAFT_REPLY__INIT;

	(void)svc;
	if (save(c, in, &out) < 0 || tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

DOSSIER_HANDLER(discard_draft, DiscardDraft)
{
	struct call *c = call_of(data);
	Dossier__DiscardDraftReply out = DOSSIER__DISCARD_DRAFT_REPLY__INIT;
	uint8_t id[UUID_BYTES];
	int slot;

	(void)svc;
	if (parse_id(c, in->draft_id, id) < 0)
		return call_fail(c);
	tx_begin(c);
	slot = lock_add(c, id);
	if (tx_flush(c) < 0)
		return call_fail(c);
	if (db_rows(&c->tx, slot) == 0) {
		err_set(&c->err, &unknown_draft, "draft_id", in->draft_id);
		return call_fail(c);
	}
	tx_add(c, &delete_draft, DB_UUID(id));
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- reading --- */

/* > 0: found, 0: there is none, < 0: trouble. */
static int find(struct call *c, const char *text, Dossier__GetDraftReply *out)
{
	ProtobufCMessage *filing;
	uint8_t id[UUID_BYTES];
	const uint8_t *bytes;
	size_t n;
	int slot;

	if (uuid_parse(text, id) < 0)
		return 0;
	slot = call_query(c, &read_draft, DB_UUID(id), DB_TEXT(c->caller.subject),
			  DB_TEXT(c->caller.member), DB_TIME(c->now_us));
	if (slot < 0 || db_rows(&c->tx, slot) == 0)
		return slot < 0 ? slot : 0;
	bytes = db_get_bytes(&c->tx, slot, 0, 1, &n);
	if (pb_unpack(&dossier__submit_request__descriptor, bytes, n, NULL, c->arena, &filing,
		      &c->err) < 0)
		return c->err.status;
	out->filing = (Dossier__SubmitRequest *)filing;
	out->version = (int32_t)db_get_int(&c->tx, slot, 0, 0);
	out->saved_us = db_get_time_us(&c->tx, slot, 0, 2);
	out->expires_us = db_get_time_us(&c->tx, slot, 0, 3);
	return 1;
}

DOSSIER_HANDLER(get_draft, GetDraft)
{
	struct call *c = call_of(data);
	Dossier__GetDraftReply out = DOSSIER__GET_DRAFT_REPLY__INIT;
	int r = find(c, in->draft_id, &out);

	(void)svc;
	if (r == 0)
		err_set(&c->err, &unknown_draft, "draft_id", in->draft_id);
	if (r <= 0)
		return call_fail(c);
	reply(&out, data);
}

DOSSIER_HANDLER(list_drafts, ListDrafts)
{
	struct call *c = call_of(data);
	Dossier__ListDraftsReply out = DOSSIER__LIST_DRAFTS_REPLY__INIT;
	Dossier__DraftSummary *list;
	int slot, n;

	(void)svc;
	(void)in;
	slot = call_query(c, &list_drafts, DB_TEXT(c->caller.subject), DB_TEXT(c->caller.member),
			  DB_TIME(c->now_us), DB_INT8(DRAFTS_MAX));
	if (slot < 0)
		return call_fail(c);
	n = db_rows(&c->tx, slot);
	list = arena_calloc(c->arena, (size_t)n, sizeof(*list));
	out.drafts = arena_calloc(c->arena, (size_t)n, sizeof(out.drafts[0]));
	for (int i = 0; list && out.drafts && i < n; i++) {
		dossier__draft_summary__init(&list[i]);
		list[i].draft_id = db_get_text(&c->tx, slot, i, 0);
		list[i].version = (int32_t)db_get_int(&c->tx, slot, i, 1);
		list[i].procedure_code = db_get_text(&c->tx, slot, i, 2);
		list[i].saved_us = db_get_time_us(&c->tx, slot, i, 3);
		list[i].expires_us = db_get_time_us(&c->tx, slot, i, 4);
		out.drafts[out.n_drafts++] = &list[i];
	}
	reply(&out, data);
}

/* --- filing --- */

/*
 * A draft that is gone may have been filed by this very request: the transaction's inbox row then
 * answers as before. Otherwise it is a refusal.
 */
static int refuse_gone(struct call *c, const char *id)
{
	tx_begin(c);
	if (tx_flush(c) < 0)
		return c->err.status;
	return err_set(&c->err, &unknown_draft, "draft_id", id);
}

static int file(struct call *c, const Dossier__SubmitDraftRequest *in, struct filing *f)
{
	uint8_t id[UUID_BYTES];
	int slot;

	if (parse_id(c, in->draft_id, id) < 0 || intake_look(c, f) < 0)
		return c->err.status;
	tx_begin(c);
	slot = lock_add(c, id);
	intake_reads(c, f);
	intake_reserve(c, f);
	if (tx_flush(c) < 0 || lock_check(c, slot, in->draft_id, in->version) < 0 ||
	    intake_check(c, f) < 0 || intake_rows(c, f) < 0)
		return c->err.status;
	tx_add(c, &delete_draft, DB_UUID(id));
	return 0;
}

static void copy_receipt(const Dossier__SubmitReply *from, Dossier__SubmitDraftReply *out)
{
	out->code = from->code;
	out->submitted_us = from->submitted_us;
	out->files = from->files;
	out->n_files = from->n_files;
	out->duplicate_suspected = from->duplicate_suspected;
	out->suspected_duplicates = from->suspected_duplicates;
	out->n_suspected_duplicates = from->n_suspected_duplicates;
}

DOSSIER_HANDLER(submit_draft, SubmitDraft)
{
	static const Dossier__SubmitRequest nothing = DOSSIER__SUBMIT_REQUEST__INIT;
	struct call *c = call_of(data);
	Dossier__SubmitDraftReply out = DOSSIER__SUBMIT_DRAFT_REPLY__INIT;
	Dossier__SubmitReply receipt = DOSSIER__SUBMIT_REPLY__INIT;
	Dossier__GetDraftReply draft = DOSSIER__GET_DRAFT_REPLY__INIT;
	struct filing *f;
	int r = find(c, in->draft_id, &draft);

	(void)svc;
	if (r < 0)
		return call_fail(c);
	f = intake_new(c, r > 0 ? draft.filing : &nothing);
	if (!f || intake_show_secret(c, f) < 0 ||
	    (r > 0 ? file(c, in, f) : refuse_gone(c, in->draft_id)) < 0 ||
	    intake_receipt(c, f, &receipt) < 0)
		return call_fail(c);
	copy_receipt(&receipt, &out);
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- forgetting --- */

int dossier_job_drafts(struct call *c)
{
	int slot = call_query(c, &delete_expired, DB_TIME(c->now_us));

	return slot < 0 ? slot : 0;
}
