/*
 * Recognition in the background: a replica takes one stored file for a while, has it read by the
 * reader, and records what came of it. A file that ends two readings without a result is
 * quarantined with a reason an officer understands; its original stays.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/utf8.h"
#include "common/base/uuid.h"
#include "lgsp/digitisation/v1/events.pb-c.h"
#include "services/digitisation/digitisation.h"
#include "services/digitisation/reader.h"
#include "services/digitisation/store.h"

#define TRIES_MAX    2
#define TAKEN_FOR_US (20 * 60 * CLOCK_US_PER_S)
#define TX_US        (30 * CLOCK_US_PER_S)
#define TEXT_MAX     (512 * 1024)

static const struct db_stmt take_file = {
	"UPDATE file SET taken_until = $1, tries = tries + 1 WHERE id = ("
	"SELECT id FROM file WHERE state = 1 AND (taken_until IS NULL OR taken_until < $2) "
	"ORDER BY stored_at LIMIT 1 FOR UPDATE SKIP LOCKED) "
	"RETURNING id, id::text, sha256, media_type, tries, version, size_bytes"};

static const struct db_stmt mark_searchable = {
	"UPDATE file SET state = 2, pages = $2, confidence = $3, searchable_sha256 = $4, "
	"searchable_bytes = $5, taken_until = NULL, version = version + 1 "
	"WHERE id = $1 AND state = 1 RETURNING version"};

static const struct db_stmt insert_text = {
	"INSERT INTO file_text (file_id, body, folded) VALUES ($1, $2, to_tsvector('simple', $3))"};

static const struct db_stmt mark_quarantined = {
	"UPDATE file SET state = 3, reason = $2, taken_until = NULL, version = version + 1 "
	"WHERE id = $1 AND state = 1 RETURNING version"};

struct taken {
	uint8_t id[UUID_BYTES];
	const char *id_text;
	uint8_t sha256[CRYPT_SHA256_BYTES];
	int64_t size_bytes;
	const char *media_type;
	int tries;
};

/* What a reading gave. */
struct reading {
	struct reader_result result;
	const char *text;
	struct store_facts searchable;
};

static int take(struct call *c, struct taken *f)
{
	const uint8_t *bytes;
	size_t n;
	int slot;

	tx_begin(c);
	slot = tx_add(c, &take_file, DB_TIME(c->now_us + TAKEN_FOR_US), DB_TIME(c->now_us));
	if (tx_flush(c) < 0)
		return c->err.status;
	if (db_rows(&c->tx, slot) == 0)
		return 0;
	bytes = db_get_bytes(&c->tx, slot, 0, 0, &n);
	memcpy(f->id, bytes, sizeof(f->id));
	f->id_text = arena_strdup(c->arena, db_get_text(&c->tx, slot, 0, 1));
	bytes = db_get_bytes(&c->tx, slot, 0, 2, &n);
	memcpy(f->sha256, bytes, sizeof(f->sha256));
	f->media_type = arena_strdup(c->arena, db_get_text(&c->tx, slot, 0, 3));
	f->tries = (int)db_get_int(&c->tx, slot, 0, 4);
	f->size_bytes = db_get_int(&c->tx, slot, 0, 6);
	return tx_commit(c, NULL) < 0 ? c->err.status : 1;
}

/* The text as it may be stored: valid, NFC, without what PostgreSQL cannot hold, cut to a bound. */
static const char *read_text(struct call *c, int fd)
{
	char *raw = arena_alloc(c->arena, TEXT_MAX + 1);
	const char *text;
	ssize_t n = raw ? pread(fd, raw, TEXT_MAX, 0) : -1;

	if (n <= 0)
		return "";
	for (ssize_t i = 0; i < n; i++) {
		if ((unsigned char)raw[i] < ' ' && raw[i] != '\n' && raw[i] != '\t')
			raw[i] = ' ';
	}
	raw[utf8_cut(raw, (size_t)n)] = '\0';
	text = utf8_nfc(c->arena, raw);
	return text ? text : "";
}

static int keep_outputs(struct call *c, const struct taken *f, int text_fd, int pdf_fd,
			const char *pdf_path, struct reading *r)
{
	r->text = read_text(c, text_fd);
	if (r->result.outcome == READER_TEXT_LAYER) {
		memcpy(r->searchable.sha256, f->sha256, sizeof(f->sha256));
		r->searchable.size_bytes = f->size_bytes;
		return 0;
	}
	if (r->result.outcome != READER_OK)
		return 0;
	return store_adopt_temp(pdf_path, pdf_fd, &r->searchable, &c->err);
}

static int read_file(struct call *c, const struct taken *f, struct reading *r)
{
	enum reader_kind kind =
		strcmp(f->media_type, "application/pdf") == 0 ? READER_PDF : READER_IMAGE;
	char text_path[STORE_PATH_MAX], pdf_path[STORE_PATH_MAX];
	CLEANUP_FD int in = -1, text = -1, pdf = -1;
	int rc;

	if (store_open_blob(f->sha256, &in, &c->err) < 0 ||
	    store_temp(text_path, &text, &c->err) < 0)
		return c->err.status;
	unlink(text_path);
	if (store_temp(pdf_path, &pdf, &c->err) < 0)
		return c->err.status;
	rc = reader_read(kind, in, text, pdf, &r->result, &c->err);
	if (rc == 0)
		rc = keep_outputs(c, f, text, pdf, pdf_path, r);
	unlink(pdf_path);
	return rc;
}

static const char *reason_of(enum reader_outcome outcome)
{
	switch (outcome) {
	case READER_OK:
	case READER_TEXT_LAYER:
		return "";
	case READER_UNREADABLE:
		return "UNREADABLE";
	case READER_TOO_LARGE:
		return "TOO_LARGE";
	case READER_TIMED_OUT:
		return "TIMED_OUT";
	case READER_VIOLATION:
		return "VIOLATION";
	case READER_CRASHED:
		return "CRASHED";
	}
	return "";
}

static int record_searchable(struct call *c, const struct taken *f, const struct reading *r)
{
	Digitisation__DigitisationFileSearchable event =
		DIGITISATION__DIGITISATION_FILE_SEARCHABLE__INIT;
	const char *folded = utf8_fold(c->arena, r->text);
	int slot;

	c->deadline_us = clock_mono_us() + TX_US;
	tx_begin(c);
	slot = tx_add(c, &mark_searchable, DB_UUID(f->id), DB_INT4(r->result.pages),
		      DB_INT4(r->result.confidence),
		      DB_BYTEA(r->searchable.sha256, sizeof(r->searchable.sha256)),
		      DB_INT8(r->searchable.size_bytes));
	if (tx_flush(c) < 0)
		return c->err.status;
	if (db_rows(&c->tx, slot) == 0) /* another replica was faster after all */
		return 0;
	tx_add(c, &insert_text, DB_UUID(f->id), DB_TEXT(r->text), DB_TEXT(folded ? folded : ""));
	event.file_id = f->id_text;
	event.pages = r->result.pages;
	event.confidence = r->result.confidence;
	tx_event(c, "digitisation.file_searchable", f->id_text,
		 (int32_t)db_get_int(&c->tx, slot, 0, 0), &event.base);
	return tx_commit(c, NULL);
}

static int quarantine(struct call *c, const struct taken *f, const char *reason)
{
	Digitisation__DigitisationFileQuarantined event =
		DIGITISATION__DIGITISATION_FILE_QUARANTINED__INIT;
	int slot;

	c->deadline_us = clock_mono_us() + TX_US;
	tx_begin(c);
	slot = tx_add(c, &mark_quarantined, DB_UUID(f->id), DB_TEXT(reason));
	if (tx_flush(c) < 0)
		return c->err.status;
	if (db_rows(&c->tx, slot) == 0)
		return 0;
	event.file_id = f->id_text;
	event.reason = reason;
	tx_event(c, "digitisation.file_quarantined", f->id_text,
		 (int32_t)db_get_int(&c->tx, slot, 0, 0), &event.base);
	log_warn("digitisation.quarantined", LOG_STR("file", f->id_text),
		 LOG_STR("reason", reason));
	return tx_commit(c, NULL);
}

int digitisation_recognise(struct call *c)
{
	struct reading r = {0};
	struct taken f;
	int got = take(c, &f);

	if (got <= 0)
		return got;
	/* Whoever took it before died over it, twice: that is an answer too. */
	if (f.tries > TRIES_MAX)
		return quarantine(c, &f, "CRASHED") < 0 ? c->err.status : 1;
	if (read_file(c, &f, &r) < 0)
		return c->err.status;
	if (r.result.outcome == READER_OK || r.result.outcome == READER_TEXT_LAYER)
		return record_searchable(c, &f, &r) < 0 ? c->err.status : 1;
	return quarantine(c, &f, reason_of(r.result.outcome)) < 0 ? c->err.status : 1;
}
