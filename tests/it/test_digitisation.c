/*
 * The digitisation service as a process with its confined reader, a real broker and a real
 * PostgreSQL; the dossier service's feed is played. Business time starts at 2024-05-21 08:00 in
 * Viet Nam.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "lgsp/digitisation/v1/digitisation.pb-c.h"
#include "lgsp/dossier/v1/events.pb-c.h"
#include "tests/support/ask.h"
#include "tests/support/busrig.h"
#include "tests/support/peer.h"
#include "tests/support/pg.h"
#include "tests/support/svcd.h"

#define FIXTURE "tests/fixtures/scan.png"
#define NUMBER  "036190000017"
#define CHUNK   (256 * 1024)

static const struct busd_member members[] = {
	{"digitisation", "VN/GOV/H40/lgsp-digitisation"},
	{"dossier", "VN/GOV/H40/lgsp-dossier"},
	{"gateway", "VN/GOV/H40/lgsp-gateway"},
};

static const char rights[] = "serve VN/GOV/H40/lgsp-digitisation digitisation\n"
			     "serve VN/GOV/H40/lgsp-dossier dossier\n"
			     "grant VN/GOV/H40/lgsp-digitisation * *\n"
			     "feed VN/GOV/H40/lgsp-digitisation * *\n"
			     "grant VN/GOV/H40/lgsp-gateway * * acts_for\n"
			     "feed VN/GOV/H40/lgsp-gateway * * acts_for\n";

static const struct person citizen = {"citizen-1", "citizen", ""};
static const struct person other_citizen = {"citizen-2", "citizen", ""};
static const struct person archivist = {"archivist-1", "archivist", "H40.31.01"};

static struct {
	struct pg *pg;
	struct busd *bus;
	struct svcd *svc;
	struct busrig *rig;
	struct peer *dossier;
	struct bus_client *gateway;
	uint8_t *scan;
	size_t scan_len;
} rig;
static char offset_env[64], blob_env[128];

static int64_t count(const char *sql)
{
	return pg_int(rig.pg, "digitisation", sql);
}

static struct svcd *start_service(const char *const *more)
{
	const char *env[8] = {offset_env, blob_env};
	const struct svcd_config config = {.service = "digitisation",
					   .bus = rig.bus,
					   .dsn = pg_dsn(rig.pg, "digitisation"),
					   .env = env};

	for (int i = 0; more && more[i]; i++)
		env[2 + i] = more[i];
	return svcd_start(&config);
}

static void read_scan(void)
{
	FILE *f = fopen(FIXTURE, "r");

	CHECK(f);
	rig.scan = base_alloc(1 << 20);
	rig.scan_len = fread(rig.scan, 1, 1 << 20, f);
	fclose(f);
}

static int set_up(void **state)
{
	const char *const bus_env[] = {offset_env, NULL};
	struct bus_keys keys;
	int64_t start_us;

	(void)state;
	CHECK(clock_parse_rfc3339("2024-05-21T08:00:00+07:00", &start_us) == 0);
	snprintf(offset_env, sizeof(offset_env), "LGSP_CLOCK_OFFSET_US=%lld",
		 (long long)(start_us - clock_wall_us()));
	rig.pg = pg_new("digitisation");
	rig.bus = busd_start(members, ARRAY_LEN(members), rights, bus_env);
	snprintf(blob_env, sizeof(blob_env), "LGSP_BLOB_DIR=%s/blobs", busd_dir(rig.bus));
	rig.rig = busrig_new();
	rig.dossier = peer_start(rig.rig, rig.bus, "dossier", "dossier", NULL);
	keys = busd_keys(rig.bus, "gateway");
	rig.gateway = busrig_client(rig.rig, busd_member_endpoint(rig.bus), &keys);
	rig.svc = start_service(NULL);
	read_scan();
	return 0;
}

static int tear_down(void **state)
{
	char command[256];

	(void)state;
	svcd_free(rig.svc);
	peer_free(rig.dossier);
	busrig_free(rig.rig);
	snprintf(command, sizeof(command), "rm -rf '%s/blobs'", busd_dir(rig.bus));
	CHECK(system(command) == 0);
	busd_free(rig.bus);
	pg_free(rig.pg);
	free(rig.scan);
	return 0;
}

/* --- uploads --- */

#define CALL(a, who, Name, name, out, ...)                                                         \
	({                                                                                         \
		Digitisation__##Name##Request in_;                                                 \
		digitisation__##name##_request__init(&in_);                                        \
		__VA_ARGS__;                                                                       \
		ask(a, who, #Name, &in_.base, &digitisation__##name##_reply__descriptor, out);     \
	})

static void hex_of(const void *p, size_t n, char hex[static CRYPT_SHA256_HEX])
{
	uint8_t digest[CRYPT_SHA256_BYTES];

	crypt_sha256(p, n, digest);
	crypt_hex(digest, sizeof(digest), hex);
}

static int create(struct ask *a, const struct person *who, const char *type, const void *p,
		  size_t n, Digitisation__CreateUploadReply **out)
{
	char hex[CRYPT_SHA256_HEX];

	hex_of(p, n, hex);
	return CALL(a, who, CreateUpload, create_upload, out, in_.file_name = "quét.png";
		    in_.media_type = type; in_.size_bytes = (int64_t)n; in_.sha256 = hex);
}

static int put(struct ask *a, const struct person *who, const char *upload, uint32_t index,
	       const uint8_t *p, size_t n)
{
	char hex[CRYPT_SHA256_HEX];

	hex_of(p, n, hex);
	return CALL(a, who, PutChunk, put_chunk, NULL, in_.upload_id = upload; in_.index = index;
		    in_.data.data = (uint8_t *)(uintptr_t)p; in_.data.len = n; in_.sha256 = hex);
}

static int complete(struct ask *a, const struct person *who, const char *upload,
		    Digitisation__CompleteReply **out)
{
	return CALL(a, who, Complete, complete, out, in_.upload_id = upload);
}

/* Uploads whole; the file's id. */
static void upload(const struct person *who, const char *type, const uint8_t *p, size_t n,
		   char id[static 40])
{
	Digitisation__CreateUploadReply *made;
	Digitisation__CompleteReply *done;
	char upload_id[40];
	uint32_t chunks;
	struct ask a;

	ask_init(&a, rig.gateway, "digitisation");
	assert_int_equal(create(&a, who, type, p, n, &made), 0);
	snprintf(upload_id, sizeof(upload_id), "%s", made->upload_id);
	snprintf(id, 40, "%s", made->file_id); /* the store may hold it already */
	chunks = id[0] ? 0 : made->chunks;
	for (uint32_t i = 0; i < chunks; i++) {
		size_t at = (size_t)i * CHUNK;

		assert_int_equal(
			put(&a, who, upload_id, i, p + at, n - at < CHUNK ? n - at : CHUNK), 0);
	}
	if (!id[0]) {
		assert_int_equal(complete(&a, who, upload_id, &done), 0);
		snprintf(id, 40, "%s", done->file_id);
	}
	ask_done(&a);
}

static bool wait_file(const char *id, int file_state)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT state FROM file WHERE id = '%s'", id);
	return pg_wait_int(rig.pg, "digitisation", sql, file_state, 60000);
}

static int64_t events(const char *type, const char *subject)
{
	char sql[256];

	assert_true(pg_wait_int(rig.pg, "digitisation", "SELECT count(*) FROM outbox", 0, 10000));
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM feed WHERE type = '%s' AND subject = '%s'",
		 type, subject);
	return count(sql);
}

/* A file of three chunks of which the middle one comes late and twice. */
static void test_resumed(void **state)
{
	size_t n = 2 * CHUNK + 1000;
	uint8_t *bytes = base_alloc(n);
	Digitisation__CreateUploadReply *made;
	Digitisation__MissingReply *missing;
	Digitisation__CompleteReply *done;
	char id[40], file[40];
	struct ask a;

	(void)state;
	memcpy(bytes, "%PDF-1.4\n", 9);
	ask_init(&a, rig.gateway, "digitisation");
	assert_int_equal(create(&a, &citizen, "application/pdf", bytes, n, &made), 0);
	assert_int_equal(made->chunks, 3);
	snprintf(id, sizeof(id), "%s", made->upload_id);
	assert_int_equal(put(&a, &citizen, id, 2, bytes + 2 * CHUNK, 1000), 0);
	assert_int_equal(put(&a, &citizen, id, 0, bytes, CHUNK), 0);
	assert_int_equal(complete(&a, &citizen, id, NULL), ERR_CONFLICT);
	assert_true(ask_has(&a, "CHUNKS_MISSING", "upload_id"));

	/* Whatever dies meanwhile. */
	svcd_kill(rig.svc);
	svcd_restart(rig.svc);
	assert_int_equal(CALL(&a, &citizen, Missing, missing, &missing, in_.upload_id = id), 0);
	assert_int_equal(missing->n_indexes, 1);
	assert_int_equal(missing->indexes[0], 1);
	assert_int_equal(put(&a, &citizen, id, 1, bytes + CHUNK, CHUNK), 0);
	assert_int_equal(put(&a, &citizen, id, 1, bytes + CHUNK, CHUNK), 0);
	assert_int_equal(complete(&a, &citizen, id, &done), 0);
	snprintf(file, sizeof(file), "%s", done->file_id);
	assert_int_equal(complete(&a, &citizen, id, &done), 0);
	assert_string_equal(done->file_id, file);
	assert_int_equal(events("digitisation.file_stored", file), 1);

	/* The same bytes again: nothing to upload; for another uploader there is nothing to see. */
	assert_int_equal(create(&a, &citizen, "application/pdf", bytes, n, &made), 0);
	assert_string_equal(made->file_id, file);
	assert_int_equal(create(&a, &other_citizen, "application/pdf", bytes, n, &made), 0);
	assert_string_equal(made->file_id, "");
	assert_int_equal(CALL(&a, &other_citizen, Missing, missing, NULL, in_.upload_id = id),
			 ERR_NOT_FOUND);
	ask_done(&a);
	free(bytes);
}

static void test_refused(void **state)
{
	uint8_t bytes[100] = "%PDF-1.4\nsmall", other[100] = "%PDF-1.4\nother";
	Digitisation__CreateUploadReply *made;
	char id[40];
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "digitisation");
	assert_int_equal(create(&a, &citizen, "image/gif", bytes, 100, NULL), ERR_INVALID);
	assert_true(ask_has(&a, "BAD_MEDIA_TYPE", "media_type"));
	assert_int_equal(
		CALL(&a, &citizen, CreateUpload, create_upload, NULL, in_.size_bytes = 1LL << 40;
		     in_.sha256 = "zz"),
		ERR_INVALID);
	assert_true(ask_has(&a, "BAD_SIZE", "size_bytes"));
	assert_true(ask_has(&a, "BAD_SHA256", "sha256"));
	assert_true(ask_has(&a, "BAD_FILE_NAME", "file_name"));

	assert_int_equal(create(&a, &citizen, "application/pdf", bytes, 100, &made), 0);
	snprintf(id, sizeof(id), "%s", made->upload_id);
	assert_int_equal(put(&a, &citizen, id, 0, bytes, 99), ERR_INVALID);
	assert_int_equal(put(&a, &citizen, id, 1, bytes, 100), ERR_INVALID);
	assert_int_equal(put(&a, &other_citizen, id, 0, bytes, 100), ERR_NOT_FOUND);
	assert_int_equal(put(&a, &citizen, "../../etc/passwd", 0, bytes, 100), ERR_NOT_FOUND);
	/* Other bytes than announced. */
	assert_int_equal(put(&a, &citizen, id, 0, other, 100), 0);
	assert_int_equal(complete(&a, &citizen, id, NULL), ERR_INVALID);
	assert_true(ask_has(&a, "BYTES_DIFFER", "upload_id"));
	/* The right ones mend it. */
	assert_int_equal(put(&a, &citizen, id, 0, bytes, 100), 0);
	assert_int_equal(complete(&a, &citizen, id, NULL), 0);

	/* A PDF that calls itself a PNG. */
	assert_int_equal(create(&a, &citizen, "image/png", other, 100, &made), 0);
	snprintf(id, sizeof(id), "%s", made->upload_id);
	assert_int_equal(put(&a, &citizen, id, 0, other, 100), 0);
	assert_int_equal(complete(&a, &citizen, id, NULL), ERR_INVALID);
	ask_done(&a);
}

/* --- recognition --- */

static void test_scan(void **state)
{
	Digitisation__GetTextReply *text;
	Digitisation__GetChunkReply *chunk;
	char id[40];
	struct ask a;

	(void)state;
	upload(&archivist, "image/png", rig.scan, rig.scan_len, id);
	assert_true(wait_file(id, 2));
	assert_int_equal(events("digitisation.file_searchable", id), 1);
	ask_init(&a, rig.gateway, "digitisation");
	assert_int_equal(CALL(&a, &archivist, GetText, get_text, &text, in_.file_id = id), 0);
	assert_non_null(strstr(text->text, "Phở bò Hạ Long"));
	assert_in_range(text->confidence, 70, 100);
	assert_int_equal(CALL(&a, &citizen, GetText, get_text, NULL, in_.file_id = id), ERR_DENIED);
	assert_int_equal(CALL(&a, &archivist, GetChunk, get_chunk, &chunk, in_.file_id = id;
			      in_.searchable = true; in_.length = 5),
			 0);
	assert_memory_equal(chunk->data.data, "%PDF-", 5);
	assert_int_equal(CALL(&a, &archivist, GetChunk, get_chunk, &chunk, in_.file_id = id;
			      in_.offset = 1; in_.length = 3),
			 0);
	assert_memory_equal(chunk->data.data, "PNG", 3);
	assert_int_equal(
		CALL(&a, &citizen, GetChunk, get_chunk, NULL, in_.file_id = id; in_.length = 1),
		ERR_NOT_FOUND);
	assert_int_equal(CALL(&a, &archivist, GetChunk, get_chunk, NULL, in_.file_id = id;
			      in_.offset = 1LL << 40; in_.length = 1),
			 ERR_INVALID);
	ask_done(&a);
}

static void test_broken_scan(void **state)
{
	char broken[40], good[40];
	uint8_t *copy = base_alloc(rig.scan_len);

	(void)state;
	memcpy(copy, rig.scan, rig.scan_len);
	upload(&archivist, "image/png", copy, rig.scan_len / 2, broken);
	copy[rig.scan_len - 1] ^= 1; /* behind the picture: another file, the same scan */
	upload(&archivist, "image/png", copy, rig.scan_len, good);
	assert_true(wait_file(broken, 3));
	assert_int_equal(events("digitisation.file_quarantined", broken), 1);
	assert_int_equal(
		count("SELECT count(*) FROM file WHERE reason = 'UNREADABLE' AND tries = 1 "
		      "AND media_type = 'image/png'"),
		1);
	assert_true(wait_file(good, 2) || wait_file(good, 3));
	free(copy);
}

/* --- records --- */

static int register_it(struct ask *a, const char *file, const char *number, const char *class)
{
	Digitisation__Owner owner = DIGITISATION__OWNER__INIT;

	owner.kind = "citizen";
	owner.number = NUMBER;
	return CALL(a, &archivist, RegisterRecord, register_record, NULL, in_.owner = &owner;
		    in_.type = "GCN"; in_.number = number; in_.issuing_agency_code = "H40.31";
		    in_.issued_on = "2024-05-20"; in_.valid_from = "2024-05-20";
		    in_.origin = DIGITISATION__RECORD_ORIGIN__RECORD_ORIGIN_SCANNED_ORIGINAL;
		    in_.file_id = file; in_.data_class = class);
}

static size_t search(struct ask *a, const char *query)
{
	Digitisation__SearchTextReply *out;

	assert_int_equal(CALL(a, &archivist, SearchText, search_text, &out, in_.query = query), 0);
	return out->n_records;
}

static void test_records(void **state)
{
	Digitisation__FindRecordsReply *found;
	Digitisation__Owner owner = DIGITISATION__OWNER__INIT;
	char id[40], type[] = "GCN", *types[] = {type};
	struct ask a;

	(void)state;
	upload(&archivist, "image/png", rig.scan, rig.scan_len, id);
	ask_init(&a, rig.gateway, "digitisation");
	assert_int_equal(register_it(&a, id, "36A1", "basic"), 0);
	assert_int_equal(register_it(&a, id, "36A1", "basic"), ERR_CONFLICT);
	assert_int_equal(register_it(&a, id, "36A2", "sensitive"), 0);
	assert_int_equal(register_it(&a, id, "36A3", "secret"), ERR_INVALID);
	assert_int_equal(register_it(&a, "0190d0a0-0000-7000-8000-00000000000f", "36A4", "basic"),
			 ERR_INVALID);

	/* Twelve digits alone make no citizen. */
	owner.kind = "citizen";
	owner.number = "003300000001";
	assert_int_equal(
		CALL(&a, &archivist, RegisterRecord, register_record, NULL, in_.owner = &owner),
		ERR_INVALID);
	assert_true(ask_has(&a, "BAD_OWNER", "owner"));
	owner.number = NUMBER;
	a.purpose = "xét hồ sơ";
	assert_int_equal(CALL(&a, &archivist, FindRecords, find_records, &found, in_.owner = &owner;
			      in_.types = (const char **)(uintptr_t)types; in_.n_types = 1),
			 0);
	assert_int_equal(found->n_records, 2);
	assert_int_equal(count("SELECT count(*) FROM read_log WHERE what = 'records' AND subject = "
			       "'archivist-1' AND purpose = 'xét hồ sơ'"),
			 1);
	assert_int_equal(count("SELECT count(*) FROM read_log WHERE owner_key LIKE '%" NUMBER "%'"),
			 0);

	/* By text, without accents; what is sensitive is not found. */
	assert_int_equal(search(&a, "pho bo ha long"), 1);
	assert_int_equal(search(&a, "Phở bò"), 1);
	assert_int_equal(search(&a, "bún chả"), 0);
	ask_done(&a);
}

static int revoke_it(struct ask *a, const struct person *who, const char *id, const char *from,
		     const char *by)
{
	return CALL(a, who, RevokeRecord, revoke_record, NULL, in_.record_id = id;
		    in_.reason = "Quyết định 7/QĐ-UBND"; in_.from_day = from; in_.replaced_by = by);
}

/* Registers two records, the second of another number, both of the archivist's agency. */
static void register_two(struct ask *a, const char *file, const char *type, char ids[2][40])
{
	Digitisation__Owner owner = DIGITISATION__OWNER__INIT;
	static const char *const numbers[] = {"7/GCN", "8/GCN"};

	owner.kind = "citizen";
	owner.number = NUMBER;
	for (int i = 0; i < 2; i++) {
		Digitisation__RegisterRecordReply *out;

		assert_int_equal(
			CALL(a, &archivist, RegisterRecord, register_record, &out,
			     in_.owner = &owner;
			     in_.type = type; in_.number = numbers[i];
			     in_.issuing_agency_code = "H40.31.01"; in_.issued_on = "2024-05-20";
			     in_.valid_from = "2024-05-20"; in_.file_id = file;
			     in_.origin = DIGITISATION__RECORD_ORIGIN__RECORD_ORIGIN_BORN_DIGITAL;
			     in_.data_class = "basic"),
			0);
		snprintf(ids[i], 40, "%s", out->record_id);
	}
}

static void test_revocation(void **state)
{
	static const struct person elsewhere = {"archivist-2", "archivist", "H40.31.02"};
	char file[40], ids[2][40], others[2][40], sql[200];
	struct ask a;

	(void)state;
	upload(&archivist, "image/png", rig.scan, rig.scan_len, file);
	ask_init(&a, rig.gateway, "digitisation");
	register_two(&a, file, "GPXD", ids);
	register_two(&a, file, "GPLX", others);
	assert_int_equal(revoke_it(&a, &elsewhere, ids[0], "", ""), ERR_DENIED);
	assert_true(ask_has(&a, "NOT_ISSUER", "record_id"));
	assert_int_equal(revoke_it(&a, &citizen, ids[0], "", ""), ERR_DENIED);
	assert_int_equal(revoke_it(&a, &archivist, "x", "", ""), ERR_NOT_FOUND);
	assert_int_equal(revoke_it(&a, &archivist, file, "", ""), ERR_NOT_FOUND);
	assert_true(ask_has(&a, "UNKNOWN_RECORD", "record_id"));
	assert_int_equal(revoke_it(&a, &archivist, ids[0], "2034-01-01", ""), ERR_INVALID);
	assert_true(ask_has(&a, "BAD_DATE", "from_day"));
	assert_int_equal(
		CALL(&a, &archivist, RevokeRecord, revoke_record, NULL, in_.record_id = ids[0];
		     in_.reason = " "),
		ERR_INVALID);
	assert_true(ask_has(&a, "REQUIRED_FIELD", "reason"));
	assert_int_equal(revoke_it(&a, &archivist, ids[0], "", ids[0]), ERR_INVALID);
	assert_int_equal(revoke_it(&a, &archivist, ids[0], "", others[0]), ERR_INVALID);
	assert_true(ask_has(&a, "OTHER_RECORD", "replaced_by"));
	assert_int_equal(revoke_it(&a, &archivist, ids[0], "", file), ERR_NOT_FOUND);
	assert_true(ask_has(&a, "UNKNOWN_RECORD", "replaced_by"));
	assert_int_equal(revoke_it(&a, &archivist, ids[0], "2024-05-21", ids[1]), 0);
	assert_int_equal(revoke_it(&a, &archivist, ids[0], "", ids[1]), ERR_CONFLICT);
	assert_true(ask_has(&a, "ALREADY_REVOKED", "record_id"));
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM record WHERE id = '%s' AND valid_to = '2024-05-20'", ids[0]);
	assert_int_equal(count(sql), 1);
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM feed WHERE type = 'digitisation.record_revoked'"
		 " AND subject = '%s'",
		 ids[0]);
	assert_true(pg_wait_int(rig.pg, "digitisation", sql, 1, 10000));
	ask_done(&a);
}

static void test_backlog(void **state)
{
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "digitisation");
	assert_int_equal(CALL(&a, &archivist, DeclareBacklog, declare_backlog, NULL,
			      in_.agency_code = "H40.31.01";
			      in_.results = 1200; in_.as_of = "2024-05-01"),
			 0);
	assert_int_equal(CALL(&a, &archivist, DeclareBacklog, declare_backlog, NULL,
			      in_.agency_code = "H40.31";
			      in_.results = 1; in_.as_of = "2024-05-01"),
			 ERR_DENIED);
	assert_int_equal(CALL(&a, &archivist, DeclareBacklog, declare_backlog, NULL,
			      in_.agency_code = "H40.31.01";
			      in_.results = 1; in_.as_of = "2024-05-22"),
			 ERR_INVALID);
	assert_int_equal(events("digitisation.backlog_declared", "H40.31.01"), 1);
	ask_done(&a);
}

/* A result that the dossier service issued becomes a record of the applicant, once. */
static void test_result_becomes_record(void **state)
{
	Dossier__DossierResultIssued event = DOSSIER__DOSSIER_RESULT_ISSUED__INIT;
	int64_t finished_us;
	char id[40];

	(void)state;
	CHECK(clock_parse_rfc3339("2024-05-21T09:00:00+07:00", &finished_us) == 0);
	upload(&archivist, "image/png", rig.scan, rig.scan_len, id);
	event.code = "H40.31.01-240521-0001";
	event.agency_code = "H40.31";
	event.owner_key = "0000000000000000000000000000000000000000000000000000000000000001";
	event.result_type = "GCN";
	event.result_number = "36A9";
	event.file_id = id;
	event.finished_us = finished_us;
	peer_publish(rig.dossier, "dossier.result_issued", event.code, 7, &event.base);
	assert_true(pg_wait_int(rig.pg, "digitisation",
				"SELECT count(*) FROM record WHERE dossier_code = "
				"'H40.31.01-240521-0001' AND confirmed AND origin = 3 AND "
				"issued_on = '2024-05-21' AND valid_to = 'infinity'",
				1, 10000));
	/* A result on paper has no file and makes no record. */
	event.code = "H40.31.01-240521-0002";
	event.file_id = "";
	peer_publish(rig.dossier, "dossier.result_issued", event.code, 7, &event.base);
	assert_true(pg_wait_int(rig.pg, "digitisation",
				"SELECT pos FROM applied WHERE source = 'dossier'", 2, 10000));
	assert_int_equal(count("SELECT count(*) FROM record WHERE dossier_code <> ''"), 1);
}

/* --- death --- */

/* After the bytes went into the store, before their row: the same request finds them. */
static void test_dies_while_completing(void **state)
{
	char log_env[96], log[80], id[40], point[96] = "";
	const char *const env[] = {"LGSP_CRASH_POINT=svc.before_commit", log_env,
				   "LGSP_INSTANCE=digitisation-2", NULL};
	uint8_t bytes[64] = "%PDF-1.4\ndies";
	Digitisation__CreateUploadReply *made;
	struct svcd *dying;
	struct ask a;
	FILE *f;

	(void)state;
	snprintf(log, sizeof(log), "%s/crash", busd_dir(rig.bus));
	snprintf(log_env, sizeof(log_env), "LGSP_CRASH_LOG=%s", log);
	ask_init(&a, rig.gateway, "digitisation");
	assert_int_equal(create(&a, &citizen, "application/pdf", bytes, sizeof(bytes), &made), 0);
	snprintf(id, sizeof(id), "%s", made->upload_id);
	assert_int_equal(put(&a, &citizen, id, 0, bytes, sizeof(bytes)), 0);
	assert_true(pg_wait_int(rig.pg, "digitisation", "SELECT count(*) FROM file WHERE state = 1",
				0, 60000));
	svcd_kill(rig.svc);
	dying = start_service(env);
	assert_int_not_equal(complete(&a, &citizen, id, NULL), 0);
	assert_int_equal(svcd_wait(dying), 128 + 9);
	svcd_free(dying);
	f = fopen(log, "r");
	assert_non_null(f);
	assert_non_null(fgets(point, sizeof(point), f));
	fclose(f);
	assert_int_equal(strncmp(point, "svc.before_commit ", 18), 0);
	svcd_restart(rig.svc);
	assert_int_equal(complete(&a, &citizen, id, NULL), 0);
	ask_done(&a);
}

/* Killed while it reads: the file is read by the next one, once its lease is over. */
static void test_dies_while_reading(void **state)
{
	uint8_t *copy = base_alloc(rig.scan_len + 4);
	char id[40], sql[160];

	(void)state;
	memcpy(copy, rig.scan, rig.scan_len);
	upload(&archivist, "image/png", copy, rig.scan_len + 4, id);
	snprintf(sql, sizeof(sql), "SELECT tries FROM file WHERE id = '%s'", id);
	assert_true(pg_wait_int(rig.pg, "digitisation", sql, 1, 10000));
	svcd_kill(rig.svc);
	snprintf(sql, sizeof(sql),
		 "UPDATE file SET taken_until = NULL WHERE id = '%s' AND state = 1", id);
	pg_exec(rig.pg, "digitisation", sql);
	svcd_restart(rig.svc);
	assert_true(wait_file(id, 2));
	assert_int_equal(events("digitisation.file_searchable", id), 1);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resumed),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_broken_scan),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_revocation),
		cmocka_unit_test(test_backlog),
		cmocka_unit_test(test_result_becomes_record),
		cmocka_unit_test(test_dies_while_completing),
		cmocka_unit_test(test_dies_while_reading),
	};

	return cmocka_run_group_tests_name("digitisation", tests, set_up, tear_down);
}
