/*
 * Uploads in chunks. A chunk is on disk before its row; the row before the answer. Any replica on
 * the same store may take any chunk, in any order, more than once.
 */
#include <string.h>

#include "common/base/base.h"
#include "common/base/crypt.h"
#include "common/base/uuid.h"
#include "lgsp/digitisation/v1/events.pb-c.h"
#include "services/digitisation/digitisation.h"
#include "services/digitisation/store.h"

static const struct err_kind no_upload = {ERR_NOT_FOUND, "UNKNOWN_UPLOAD",
					  "Không có lần tải lên %s", "no upload %s"};
static const struct err_kind bad_chunk = {ERR_INVALID, "BAD_CHUNK",
					  "Mảnh tệp sai số thứ tự, kích thước hoặc mã băm",
					  "the chunk has a wrong index, size or digest"};
static const struct err_kind chunks_missing = {ERR_CONFLICT, "CHUNKS_MISSING",
					       "Tệp chưa được tải lên đủ",
					       "chunks of the file are missing"};
static const struct err_kind bytes_differ = {
	ERR_INVALID, "BYTES_DIFFER", "Nội dung tải lên không khớp mã băm hoặc loại tệp đã khai",
	"the bytes are not those announced: digest or media type differ"};

static const struct err_kind bytes_lost = {ERR_INTERNAL, "BYTES_LOST",
					   "Kho tệp không còn dữ liệu của lần tải lên này",
					   "the store has lost the bytes of this upload"};

static const struct db_stmt find_file = {
	"SELECT id::text FROM file WHERE uploader = $1 AND sha256 = $2"};

static const struct db_stmt insert_upload = {
	"INSERT INTO upload (id, uploader, file_name, media_type, size_bytes, sha256, chunks, "
	"created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"};

#define UPLOAD_COLUMNS                                                                             \
	"SELECT file_name, media_type, size_bytes, sha256, chunks, coalesce(file_id::text, ''), "  \
	"(SELECT count(*) FROM upload_chunk WHERE upload_id = u.id) FROM upload u "                \
	"WHERE id = $1 AND uploader = $2"

static const struct db_stmt show_upload = {UPLOAD_COLUMNS};
static const struct db_stmt lock_upload = {UPLOAD_COLUMNS " FOR UPDATE"};

static const struct db_stmt insert_chunk = {
	"INSERT INTO upload_chunk (upload_id, index) VALUES ($1, $2) ON CONFLICT DO NOTHING"};

static const struct db_stmt missing_chunks = {
	"SELECT i FROM upload u, generate_series(0, u.chunks - 1) i "
	"WHERE u.id = $1 AND u.uploader = $2 AND u.file_id IS NULL AND NOT EXISTS "
	"(SELECT 1 FROM upload_chunk c WHERE c.upload_id = u.id AND c.index = i) ORDER BY i"};

static const struct db_stmt insert_file = {
	"INSERT INTO file (id, uploader, file_name, media_type, size_bytes, sha256, stored_at) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (uploader, sha256) DO NOTHING "
	"RETURNING id::text"};

static const struct db_stmt finish_upload = {
	"UPDATE upload SET file_id = (SELECT id FROM file WHERE uploader = $2 AND sha256 = $3) "
	"WHERE id = $1 RETURNING file_id::text"};

struct upload {
	uint8_t id[UUID_BYTES];
	char id_text[UUID_TEXT_BYTES];
	const char *file_name;
	const char *media_type;
	int64_t size_bytes;
	uint8_t sha256[CRYPT_SHA256_BYTES];
	uint32_t chunks;
	const char *file_id; /* "" until complete */
	uint32_t stored;
};

const char *call_uploader(struct call *c)
{
	return arena_printf(c->arena, "%s %s", c->caller.member, c->caller.subject);
}

/* The canonical text of the id is a file name: nothing a caller wrote ever is. */
static int parse_upload_id(struct call *c, const char *text, struct upload *ret)
{
	if (uuid_parse(text, ret->id) < 0)
		return err_set(&c->err, &no_upload, "upload_id", text);
	uuid_format(ret->id, ret->id_text);
	return 0;
}

static int read_upload(struct call *c, int slot, struct upload *ret)
{
	const uint8_t *digest;
	size_t n;

	if (slot < 0)
		return slot;
	if (db_rows(&c->tx, slot) == 0)
		return err_set(&c->err, &no_upload, "upload_id", ret->id_text);
	ret->file_name = db_get_text(&c->tx, slot, 0, 0);
	ret->media_type = db_get_text(&c->tx, slot, 0, 1);
	ret->size_bytes = db_get_int(&c->tx, slot, 0, 2);
	digest = db_get_bytes(&c->tx, slot, 0, 3, &n);
	CHECK(n == sizeof(ret->sha256));
	memcpy(ret->sha256, digest, n);
	ret->chunks = (uint32_t)db_get_int(&c->tx, slot, 0, 4);
	ret->file_id = db_get_text(&c->tx, slot, 0, 5);
	ret->stored = (uint32_t)db_get_int(&c->tx, slot, 0, 6);
	return 0;
}

void digitisation_create_upload(Digitisation__DigitisationService_Service *svc,
				const Digitisation__CreateUploadRequest *in,
				Digitisation__CreateUploadReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Digitisation__CreateUploadReply out = DIGITISATION__CREATE_UPLOAD_REPLY__INIT;
	uint8_t sha256[CRYPT_SHA256_BYTES], id[UUID_BYTES];
	char id_text[UUID_TEXT_BYTES];
	const char *uploader = call_uploader(c);
	int found;

	(void)svc;
	if (rules_check_upload(in, sha256, &c->err) < 0)
		return call_fail(c);
	tx_begin(c);
	found = tx_add(c, &find_file, DB_TEXT(uploader), DB_BYTEA(sha256, sizeof(sha256)));
	if (tx_flush(c) < 0)
		return call_fail(c);
	out.chunk_bytes = DIGITISATION_CHUNK_BYTES;
	out.chunks = rules_chunks(in->size_bytes);
	if (db_rows(&c->tx, found) > 0) {
		out.file_id = db_get_text(&c->tx, found, 0, 0);
	} else {
		uuid_v7(id);
		uuid_format(id, id_text);
		out.upload_id = id_text;
		tx_add(c, &insert_upload, DB_UUID(id), DB_TEXT(uploader), DB_TEXT(in->file_name),
		       DB_TEXT(in->media_type), DB_INT8(in->size_bytes),
		       DB_BYTEA(sha256, sizeof(sha256)), DB_INT4(out.chunks), DB_TIME(c->now_us));
	}
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

static int check_chunk(struct call *c, const struct upload *u,
		       const Digitisation__PutChunkRequest *in)
{
	uint8_t want[CRYPT_SHA256_BYTES], got[CRYPT_SHA256_BYTES];

	if (in->index >= u->chunks || in->data.len != rules_chunk_size(u->size_bytes, in->index) ||
	    strlen(in->sha256) != 2 * sizeof(want) ||
	    crypt_unhex(in->sha256, sizeof(want), want) < 0)
		return err_set(&c->err, &bad_chunk, "index", NULL);
	crypt_sha256(in->data.data, in->data.len, got);
	if (memcmp(want, got, sizeof(got)) != 0)
		return err_set(&c->err, &bad_chunk, "sha256", NULL);
	return 0;
}

void digitisation_put_chunk(Digitisation__DigitisationService_Service *svc,
			    const Digitisation__PutChunkRequest *in,
			    Digitisation__PutChunkReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Digitisation__PutChunkReply out = DIGITISATION__PUT_CHUNK_REPLY__INIT;
	struct upload u;

	(void)svc;
	if (parse_upload_id(c, in->upload_id, &u) < 0 ||
	    read_upload(c, call_query(c, &show_upload, DB_UUID(u.id), DB_TEXT(call_uploader(c))),
			&u) < 0 ||
	    check_chunk(c, &u, in) < 0)
		return call_fail(c);
	if (!*u.file_id) {
		off_t at = (off_t)in->index * DIGITISATION_CHUNK_BYTES;

		if (store_put_chunk(u.id_text, at, in->data.data, in->data.len, &c->err) < 0)
			return call_fail(c);
		tx_begin(c);
		tx_add(c, &insert_chunk, DB_UUID(u.id), DB_INT4(in->index));
		if (tx_commit(c, &out.base) < 0)
			return call_fail(c);
	}
	reply(&out, data);
}

void digitisation_missing(Digitisation__DigitisationService_Service *svc,
			  const Digitisation__MissingRequest *in,
			  Digitisation__MissingReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Digitisation__MissingReply out = DIGITISATION__MISSING_REPLY__INIT;
	const char *uploader = call_uploader(c);
	struct upload u;
	int slot;

	(void)svc;
	if (parse_upload_id(c, in->upload_id, &u) < 0 ||
	    read_upload(c, call_query(c, &show_upload, DB_UUID(u.id), DB_TEXT(uploader)), &u) < 0)
		return call_fail(c);
	slot = call_query(c, &missing_chunks, DB_UUID(u.id), DB_TEXT(uploader));
	if (slot < 0)
		return call_fail(c);
	out.n_indexes = (size_t)db_rows(&c->tx, slot);
	out.indexes = arena_calloc(c->arena, out.n_indexes, sizeof(*out.indexes));
	for (size_t i = 0; i < out.n_indexes; i++)
		out.indexes[i] = (uint32_t)db_get_int(&c->tx, slot, (int)i, 0);
	reply(&out, data);
}

/*
 * The bytes are those announced, and of the type announced; then they are in the store for good. An
 * upload that is not there any more was moved by a run that died before its commit: it had checked.
 */
static int keep_bytes(struct call *c, const struct upload *u)
{
	struct store_facts facts;
	const char *type;
	int found = store_inspect_upload(u->id_text, &facts, &c->err);

	if (found < 0)
		return found;
	if (found == 0)
		return store_has_blob(u->sha256) ? 0
						 : err_set(&c->err, &bytes_lost, "upload_id", NULL);
	type = rules_media_type(facts.head, sizeof(facts.head));
	if (facts.size_bytes != u->size_bytes ||
	    memcmp(facts.sha256, u->sha256, sizeof(u->sha256)) != 0 || !type ||
	    strcmp(type, u->media_type) != 0)
		return err_set(&c->err, &bytes_differ, "upload_id", NULL);
	return store_adopt_upload(u->id_text, u->sha256, &c->err);
}

static void announce(struct call *c, const struct upload *u, const char *file_id)
{
	Digitisation__DigitisationFileStored event = DIGITISATION__DIGITISATION_FILE_STORED__INIT;
	char hex[CRYPT_SHA256_HEX];

	crypt_hex(u->sha256, sizeof(u->sha256), hex);
	event.file_id = file_id;
	event.sha256 = hex;
	event.size_bytes = u->size_bytes;
	event.media_type = u->media_type;
	tx_event(c, "digitisation.file_stored", file_id, 1, &event.base);
}

/* The file's row, its event, the end of the upload. Under the upload's lock. */
static int make_file(struct call *c, const struct upload *u, const char **ret_file_id)
{
	const char *uploader = call_uploader(c);
	uint8_t id[UUID_BYTES];
	int inserted, finished;

	uuid_v7(id);
	inserted = tx_add(c, &insert_file, DB_UUID(id), DB_TEXT(uploader), DB_TEXT(u->file_name),
			  DB_TEXT(u->media_type), DB_INT8(u->size_bytes),
			  DB_BYTEA(u->sha256, sizeof(u->sha256)), DB_TIME(c->now_us));
	finished = tx_add(c, &finish_upload, DB_UUID(u->id), DB_TEXT(uploader),
			  DB_BYTEA(u->sha256, sizeof(u->sha256)));
	if (tx_flush(c) < 0)
		return c->err.status;
	*ret_file_id = db_get_text(&c->tx, finished, 0, 0);
	if (db_rows(&c->tx, inserted) > 0)
		announce(c, u, *ret_file_id);
	return 0;
}

void digitisation_complete(Digitisation__DigitisationService_Service *svc,
			   const Digitisation__CompleteRequest *in,
			   Digitisation__CompleteReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Digitisation__CompleteReply out = DIGITISATION__COMPLETE_REPLY__INIT;
	struct upload u;
	int slot;

	(void)svc;
	if (parse_upload_id(c, in->upload_id, &u) < 0)
		return call_fail(c);
	tx_begin(c);
	slot = tx_add(c, &lock_upload, DB_UUID(u.id), DB_TEXT(call_uploader(c)));
	if (tx_flush(c) < 0 || read_upload(c, slot, &u) < 0)
		return call_fail(c);
	out.file_id = u.file_id;
	if (!*u.file_id) {
		if (u.stored < u.chunks) {
			err_set(&c->err, &chunks_missing, "upload_id", NULL);
			return call_fail(c);
		}
		if (keep_bytes(c, &u) < 0 || make_file(c, &u, &out.file_id) < 0)
			return call_fail(c);
	}
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
