/* Facts about files, their bytes and their text. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/uuid.h"
#include "services/digitisation/digitisation.h"
#include "services/digitisation/store.h"

#define STAT_MAX 100

static const struct err_kind no_file = {ERR_NOT_FOUND, "UNKNOWN_FILE", "Không có tệp %s",
					"no file %s"};
static const struct err_kind not_searchable = {ERR_CONFLICT, "NOT_SEARCHABLE",
					       "Tệp chưa được nhận dạng",
					       "the file has not been read yet"};
static const struct err_kind bad_range = {ERR_INVALID, "BAD_RANGE", "Khoảng đọc không hợp lệ",
					  "the range is not in the file"};

static const struct db_stmt stat_files = {
	"SELECT id::text, encode(sha256, 'hex'), size_bytes, media_type, state, pages, reason "
	"FROM file WHERE id::text = ANY ($1)"};

/* $2: the uploader, who may read his own; NULL for staff. */
static const struct db_stmt file_bytes = {
	"SELECT sha256, size_bytes, searchable_sha256, searchable_bytes FROM file "
	"WHERE id = $1 AND ($2::text IS NULL OR uploader = $2)"};

static const struct db_stmt owners_of_file = {
	"SELECT DISTINCT owner_key FROM record WHERE file_id = $1 LIMIT 16"};

static const struct db_stmt file_text = {
	"SELECT t.body, f.confidence FROM file f JOIN file_text t ON t.file_id = f.id "
	"WHERE f.id = $1"};

static const struct db_stmt insert_read = {
	"INSERT INTO read_log (owner_key, what, member, subject, purpose, at) "
	"VALUES ($1, $2, $3, $4, $5, $6)"};

void read_log_add(struct call *c, const char *owner_key, const char *what)
{
	tx_add(c, &insert_read, DB_TEXT(owner_key), DB_TEXT(what), DB_TEXT(c->caller.member),
	       DB_TEXT(c->caller.subject), DB_TEXT(c->caller.purpose ? c->caller.purpose : ""),
	       DB_TIME(c->now_us));
}

static void fill_stat(struct call *c, int slot, int row, Digitisation__FileStat *out)
{
	out->found = true;
	out->sha256 = db_get_text(&c->tx, slot, row, 1);
	out->size_bytes = db_get_int(&c->tx, slot, row, 2);
	out->media_type = db_get_text(&c->tx, slot, row, 3);
	out->state = (Digitisation__FileState)db_get_int(&c->tx, slot, row, 4);
	out->pages = (uint32_t)db_get_int(&c->tx, slot, row, 5);
	out->reason = db_get_text(&c->tx, slot, row, 6);
}

void digitisation_stat(Digitisation__DigitisationService_Service *svc,
		       const Digitisation__StatRequest *in, Digitisation__StatReply_Closure reply,
		       void *data)
{
	struct call *c = call_of(data);
	Digitisation__StatReply out = DIGITISATION__STAT_REPLY__INIT;
	Digitisation__FileStat *stats;
	int slot;

	(void)svc;
	if (in->n_file_ids > STAT_MAX) {
		err_set(&c->err, &err_too_large, "file_ids", "100");
		return call_fail(c);
	}
	slot = call_query(c, &stat_files,
			  DB_TEXTS((const char *const *)in->file_ids, in->n_file_ids));
	if (slot < 0)
		return call_fail(c);
	stats = arena_calloc(c->arena, in->n_file_ids, sizeof(*stats));
	out.files = arena_calloc(c->arena, in->n_file_ids, sizeof(*out.files));
	out.n_files = in->n_file_ids;
	for (size_t i = 0; i < in->n_file_ids; i++) {
		digitisation__file_stat__init(&stats[i]);
		stats[i].file_id = in->file_ids[i];
		out.files[i] = &stats[i];
		for (int row = 0; row < db_rows(&c->tx, slot); row++) {
			if (strcmp(db_get_text(&c->tx, slot, row, 0), in->file_ids[i]) == 0)
				fill_stat(c, slot, row, &stats[i]);
		}
	}
	reply(&out, data);
}

/* Notes the read for every owner of a record made of the file, and commits. */
static int note_read(struct call *c, int owners, const char *what)
{
	for (int i = 0; i < db_rows(&c->tx, owners); i++)
		read_log_add(c, db_get_text(&c->tx, owners, i, 0), what);
	return tx_commit(c, NULL);
}

static int read_range(struct call *c, const uint8_t *sha256, int64_t offset, size_t n,
		      ProtobufCBinaryData *out)
{
	CLEANUP_FD int fd = -1;

	out->data = arena_alloc(c->arena, n);
	if (!out->data)
		return err_set(&c->err, &err_too_large, "length", "chunk");
	if (store_open_blob(sha256, &fd, &c->err) < 0)
		return c->err.status;
	while (out->len < n) {
		ssize_t r = pread(fd, out->data + out->len, n - out->len, offset + (off_t)out->len);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return err_set(&c->err, &err_internal, NULL, NULL);
		out->len += (size_t)r;
	}
	return 0;
}

static int get_chunk(struct call *c, const Digitisation__GetChunkRequest *in,
		     Digitisation__GetChunkReply *out)
{
	bool own_only = call_has_role(c, "citizen");
	uint8_t id[UUID_BYTES];
	int slot, owners, column = in->searchable ? 2 : 0;
	size_t len;

	if (uuid_parse(in->file_id, id) < 0)
		return err_set(&c->err, &no_file, "file_id", in->file_id);
	tx_begin(c);
	slot = tx_add(c, &file_bytes, DB_UUID(id), DB_TEXT(own_only ? call_uploader(c) : NULL));
	owners = tx_add(c, &owners_of_file, DB_UUID(id));
	if (tx_flush(c) < 0)
		return c->err.status;
	if (db_rows(&c->tx, slot) == 0)
		return err_set(&c->err, &no_file, "file_id", in->file_id);
	if (db_is_null(&c->tx, slot, 0, column))
		return err_set(&c->err, &not_searchable, "searchable", NULL);
	out->size_bytes = db_get_int(&c->tx, slot, 0, column + 1);
	if (in->length < 1 || in->length > DIGITISATION_CHUNK_BYTES || in->offset < 0 ||
	    in->offset >= out->size_bytes)
		return err_set(&c->err, &bad_range, "offset", NULL);
	len = in->offset + in->length > out->size_bytes ? (size_t)(out->size_bytes - in->offset)
							: in->length;
	if (read_range(c, db_get_bytes(&c->tx, slot, 0, column, &(size_t){0}), in->offset, len,
		       &out->data) < 0)
		return c->err.status;
	return note_read(c, owners, "file");
}

void digitisation_get_chunk(Digitisation__DigitisationService_Service *svc,
			    const Digitisation__GetChunkRequest *in,
			    Digitisation__GetChunkReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Digitisation__GetChunkReply out = DIGITISATION__GET_CHUNK_REPLY__INIT;

	(void)svc;
	if (get_chunk(c, in, &out) < 0)
		return call_fail(c);
	reply(&out, data);
}

void digitisation_get_text(Digitisation__DigitisationService_Service *svc,
			   const Digitisation__GetTextRequest *in,
			   Digitisation__GetTextReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Digitisation__GetTextReply out = DIGITISATION__GET_TEXT_REPLY__INIT;
	uint8_t id[UUID_BYTES];
	int slot, owners;

	(void)svc;
	if (uuid_parse(in->file_id, id) < 0) {
		err_set(&c->err, &no_file, "file_id", in->file_id);
		return call_fail(c);
	}
	tx_begin(c);
	slot = tx_add(c, &file_text, DB_UUID(id));
	owners = tx_add(c, &owners_of_file, DB_UUID(id));
	if (tx_flush(c) < 0)
		return call_fail(c);
	if (db_rows(&c->tx, slot) == 0) {
		err_set(&c->err, &not_searchable, "file_id", NULL);
		return call_fail(c);
	}
	out.text = db_get_text(&c->tx, slot, 0, 0);
	out.confidence = (uint32_t)db_get_int(&c->tx, slot, 0, 1);
	if (note_read(c, owners, "text") < 0)
		return call_fail(c);
	reply(&out, data);
}
