/*
 * Filings of the national portal. Its code is the key: what came in before under the same code is
 * found again, whoever asks how often. One filing per code at a time, by a lock of the transaction.
 */
#include <string.h>

#include "common/wire/pb.h"
#include "services/dossier/intake.h"

static const struct err_kind national_code_taken = {
	ERR_CONFLICT, "NATIONAL_CODE_TAKEN",
	"Mã hồ sơ quốc gia đã được dùng cho nội dung khác (hồ sơ %s)",
	"the national code came with other content before (dossier %s)"};

static const struct db_stmt lock_code = {
	"SELECT pg_advisory_xact_lock(hashtextextended('dossier.national.' || $1, 0))::text"};

static const struct db_stmt read_filed = {
	"SELECT f.code, f.content_sha256, d.submitted_at FROM filing f"
	" JOIN dossier d ON d.code = f.code WHERE f.national_code = $1"};

static const struct db_stmt read_filed_files = {
	"SELECT file_id, sha256 FROM component_file WHERE dossier ="
	" (SELECT code FROM filing WHERE national_code = $1) ORDER BY ordinal"};

/* What was filed under a code before. */
struct filed {
	int row, files; /* slots */
};

static int check_request(struct call *c, const Dossier__SubmitFromPortalRequest *in)
{
	if (!rules_national_code(in->national_code))
		err_add(&c->err, &err_invalid_field, "national_code", "[0-9A-Z./-]{4,60}");
	if (!in->filing)
		err_add(&c->err, &err_required_field, "filing", NULL);
	else if (in->filing->channel != DOSSIER__CHANNEL__CHANNEL_UNSPECIFIED &&
		 in->filing->channel != DOSSIER__CHANNEL__CHANNEL_NATIONAL_PORTAL)
		err_add(&c->err, &err_invalid_field, "filing.channel", "NATIONAL_PORTAL");
	return c->err.status;
}

static struct filing *new_filing(struct call *c, const Dossier__SubmitFromPortalRequest *in)
{
	Dossier__SubmitRequest *copy =
		(Dossier__SubmitRequest *)arena_memdup(c->arena, in->filing, sizeof(*copy));
	struct filing *f;
	uint8_t *bytes;
	size_t n;

	if (!copy) {
		err_set(&c->err, &err_too_large, NULL, "arena");
		return NULL;
	}
	copy->channel = DOSSIER__CHANNEL__CHANNEL_NATIONAL_PORTAL;
	f = intake_new(c, copy);
	if (!f || pb_pack(&copy->base, c->arena, &bytes, &n, &c->err) < 0)
		return NULL;
	f->national_code = in->national_code;
	crypt_sha256(bytes, n, f->content_sha256);
	return f;
}

static int read_before(struct call *c, const struct filing *f, struct filed *ret)
{
	tx_begin(c);
	tx_add(c, &lock_code, DB_TEXT(f->national_code));
	ret->row = tx_add(c, &read_filed, DB_TEXT(f->national_code));
	ret->files = tx_add(c, &read_filed_files, DB_TEXT(f->national_code));
	if (tx_flush(c) < 0)
		return c->err.status;
	return db_rows(&c->tx, ret->row) > 0 ? 1 : 0;
}

/* The answer of before, when it is the same filing. */
static int again(struct call *c, const struct filing *f, const struct filed *filed,
		 Dossier__SubmitFromPortalReply *out)
{
	const struct db_tx *tx = &c->tx;
	int n = db_rows(tx, filed->files);
	Dossier__FileReceipt *files = arena_calloc(c->arena, (size_t)n, sizeof(*files));
	size_t n_sha;
	const uint8_t *sha = db_get_bytes(tx, filed->row, 0, 1, &n_sha);

	if (n_sha != sizeof(f->content_sha256) || memcmp(sha, f->content_sha256, n_sha) != 0)
		return err_set(&c->err, &national_code_taken, "national_code",
			       db_get_text(tx, filed->row, 0, 0));
	out->files = arena_calloc(c->arena, (size_t)n, sizeof(out->files[0]));
	if (!files || !out->files)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	out->code = db_get_text(tx, filed->row, 0, 0);
	out->submitted_us = db_get_time_us(tx, filed->row, 0, 2);
	out->already_filed = true;
	for (int i = 0; i < n; i++) {
		dossier__file_receipt__init(&files[i]);
		files[i].file_id = db_get_text(tx, filed->files, i, 0);
		files[i].sha256 = db_get_text(tx, filed->files, i, 1);
		out->files[out->n_files++] = &files[i];
	}
	return 0;
}

static int file(struct call *c, struct filing *f, Dossier__SubmitFromPortalReply *out)
{
	intake_reads(c, f);
	intake_reserve(c, f);
	if (tx_flush(c) < 0 || intake_check(c, f) < 0 || intake_rows(c, f) < 0)
		return c->err.status;
	out->files = intake_files(c, f);
	if (!out->files)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	out->n_files = f->n_files;
	out->code = f->code;
	out->submitted_us = c->now_us;
	out->suspected_duplicates = (const char **)f->shown;
	out->n_suspected_duplicates = f->n_shown;
	return 0;
}

DOSSIER_HANDLER(submit_from_portal, SubmitFromPortal)
{
	struct call *c = call_of(data);
	Dossier__SubmitFromPortalReply out = DOSSIER__SUBMIT_FROM_PORTAL_REPLY__INIT;
	struct filing *f;
	struct filed filed;
	int r;

	(void)svc;
	if (check_request(c, in) < 0)
		return call_fail(c);
	f = new_filing(c, in);
	if (!f || intake_show_secret(c, f) < 0 || intake_look(c, f) < 0)
		return call_fail(c);
	r = read_before(c, f, &filed);
	if (r < 0 || (r > 0 ? again(c, f, &filed, &out) : file(c, f, &out)) < 0)
		return call_fail(c);
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
