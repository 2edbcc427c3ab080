/*
 * dossier import: dossiers of an older system from two CSV files, first dry, then - with the
 * control value the dry run printed - for good. Pieces that were taken already are passed over, so
 * an interrupted import is run again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "common/base/env.h"
#include "lgsp/dossier/v1/dossier.pb-c.h"
#include "services/ctl/csv.h"
#include "services/ctl/ctl.h"
#include "services/ctl/file.h"
#include "services/ctl/session.h"

#define FILE_MAX    (64 << 20)
#define ARENA_MAX   (512 << 20)
#define CALL_MAX    (16 << 20)
#define CHUNK       100
#define STATES      10
#define TOTALS_MAX  (256 << 10)
#define PATIENCE_MS 30000
#define MINUTES_MAX 100000000
#define FEE_MAX     1000000000000

enum column {
	CODE,
	PROCEDURE,
	RECEIVING,
	COMPETENT,
	HOLDER,
	CHANNEL,
	KIND,
	NUMBER,
	NAME,
	PHONE,
	ADDRESS,
	SUBMITTED,
	ACCEPTED,
	DUE,
	ELAPSED,
	PAUSED,
	STATE,
	FINISHED,
	FEE,
	PAID,
	RESULT,
	COLUMNS
};

static const struct csv_column columns[COLUMNS] = {
	[CODE] = {"code", CSV_TEXT, NULL, 0, 60},
	[PROCEDURE] = {"procedure", CSV_TEXT, NULL, 0, 60},
	[RECEIVING] = {"receiving_agency", CSV_TEXT, NULL, 0, 60},
	[COMPETENT] = {"competent_agency", CSV_TEXT, NULL, 0, 60},
	[HOLDER] = {"holder_agency", CSV_MAYBE, NULL, 0, 60},
	[CHANNEL] = {"channel", CSV_WORD, "counter post own_portal national_portal", 0, 0},
	[KIND] = {"applicant_kind", CSV_WORD, "citizen organisation", 0, 0},
	[NUMBER] = {"applicant_number", CSV_TEXT, NULL, 0, 20},
	[NAME] = {"applicant_name", CSV_TEXT, NULL, 0, 200},
	[PHONE] = {"applicant_phone", CSV_MAYBE, NULL, 0, 20},
	[ADDRESS] = {"applicant_address", CSV_MAYBE, NULL, 0, 500},
	[SUBMITTED] = {"submitted", CSV_TEXT, NULL, 0, 40},
	[ACCEPTED] = {"accepted", CSV_MAYBE, NULL, 0, 40},
	[DUE] = {"due", CSV_MAYBE, NULL, 0, 40},
	[ELAPSED] = {"elapsed_minutes", CSV_NUMBER, NULL, 0, MINUTES_MAX},
	[PAUSED] = {"paused_since", CSV_MAYBE, NULL, 0, 40},
	[STATE] = {"state", CSV_NUMBER, NULL, 1, STATES},
	[FINISHED] = {"finished", CSV_MAYBE, NULL, 0, 40},
	[FEE] = {"fee_vnd", CSV_NUMBER, NULL, 0, FEE_MAX},
	[PAID] = {"fee_paid", CSV_BOOL, NULL, 0, 0},
	[RESULT] = {"result_number", CSV_MAYBE, NULL, 0, 200},
};

enum history_column { H_CODE, H_TIME, H_STATE, H_ACTOR, H_NOTE, H_COLUMNS };

static const struct csv_column history_columns[H_COLUMNS] = {
	[H_CODE] = {"code", CSV_TEXT, NULL, 0, 60},
	[H_TIME] = {"time", CSV_TEXT, NULL, 0, 40},
	[H_STATE] = {"state", CSV_NUMBER, NULL, 1, STATES},
	[H_ACTOR] = {"actor", CSV_MAYBE, NULL, 0, 200},
	[H_NOTE] = {"note", CSV_MAYBE, NULL, 0, 500},
};

/* A file being brought in; strings live in the arena. */
struct import {
	struct arena arena;
	struct csv_report report;
	struct csv_table table, history;
	struct buf bytes, history_bytes;
	Dossier__LegacyDossier *dossiers; /* in the order of the file */
	size_t n;
	const char *source;
	char control[CRYPT_SHA256_HEX];
	struct buf totals;
};

/* --- cells --- */

/* "2024-05-21 08:00" in Viet Nam, or RFC 3339; 0 for an empty cell. */
static int64_t read_time(struct import *im, const struct csv_table *table,
			 const struct csv_row *row, size_t column)
{
	const char *text = row->cells[column];
	char day[11];
	int minute = 0;
	int32_t date;
	int64_t us = 0;

	if (text[0] == '\0' || clock_parse_rfc3339(text, &us) == 0)
		return us;
	snprintf(day, sizeof(day), "%s", text);
	if (strlen(text) == 16 && text[10] == ' ' && civil_parse(day, &date) == 0 &&
	    civil_minute_prefix(text + 11, &minute) == 0)
		return civil_to_us(date, minute);
	csv_fault(&im->report, table->file, row->line,
		  "%s: \"%s\" is no time (YYYY-MM-DD HH:MM in Viet Nam, or RFC 3339)",
		  table->columns[column].name, text);
	return 0;
}

static Dossier__Channel channel_of(const char *word)
{
	static const char *const words[] = {"counter", "post", "own_portal", "national_portal"};

	for (int i = 0; i < 4; i++)
		if (strcmp(word, words[i]) == 0)
			return (Dossier__Channel)(i + 1);
	return DOSSIER__CHANNEL__CHANNEL_UNSPECIFIED;
}

static void fill_applicant(struct import *im, const struct csv_row *row, Dossier__LegacyDossier *d)
{
	Dossier__Applicant *a = arena_alloc(&im->arena, sizeof *a);

	CHECK(a);
	dossier__applicant__init(a);
	a->kind = row->cells[KIND];
	a->number = row->cells[NUMBER];
	a->name = row->cells[NAME];
	a->phone = row->cells[PHONE];
	a->address = row->cells[ADDRESS];
	d->applicant = a;
}

static void fill_dossier(struct import *im, const struct csv_row *row, Dossier__LegacyDossier *d)
{
	dossier__legacy_dossier__init(d);
	d->line = (uint32_t)row->line;
	d->code = row->cells[CODE];
	d->procedure_code = row->cells[PROCEDURE];
	d->receiving_agency_code = row->cells[RECEIVING];
	d->competent_agency_code = row->cells[COMPETENT];
	d->holder_agency_code = row->cells[HOLDER];
	d->channel = channel_of(row->cells[CHANNEL]);
	fill_applicant(im, row, d);
	d->submitted_us = read_time(im, &im->table, row, SUBMITTED);
	d->accepted_us = read_time(im, &im->table, row, ACCEPTED);
	d->due_us = read_time(im, &im->table, row, DUE);
	d->elapsed_minutes = (uint32_t)csv_number(row->cells[ELAPSED]);
	d->paused_us = read_time(im, &im->table, row, PAUSED);
	d->state = (Dossier__DossierState)csv_number(row->cells[STATE]);
	d->finished_us = read_time(im, &im->table, row, FINISHED);
	d->fee_vnd = csv_number(row->cells[FEE]);
	d->fee_paid = strcmp(row->cells[PAID], "true") == 0;
	d->result_number = row->cells[RESULT];
}

/* --- the files as a whole --- */

static int by_code(const void *a, const void *b)
{
	const Dossier__LegacyDossier *x = *(Dossier__LegacyDossier *const *)a;
	const Dossier__LegacyDossier *y = *(Dossier__LegacyDossier *const *)b;
	int r = strcmp(x->code, y->code);

	return r ? r : (x->line > y->line) - (x->line < y->line);
}

/* The dossiers by code, for look-ups; a code twice is a fault. */
static Dossier__LegacyDossier **sort_codes(struct import *im)
{
	Dossier__LegacyDossier **sorted = arena_calloc(&im->arena, im->n, sizeof(*sorted));

	CHECK(sorted);
	for (size_t i = 0; i < im->n; i++)
		sorted[i] = &im->dossiers[i];
	qsort(sorted, im->n, sizeof(*sorted), by_code);
	for (size_t i = 1; i < im->n; i++)
		if (strcmp(sorted[i]->code, sorted[i - 1]->code) == 0)
			csv_fault(&im->report, im->table.file, (int)sorted[i]->line,
				  "code: %s is on line %u too", sorted[i]->code,
				  sorted[i - 1]->line);
	return sorted;
}

static int find_code(const void *key, const void *element)
{
	return strcmp(key, (*(Dossier__LegacyDossier *const *)element)->code);
}

/* Gives every act to its dossier, in the order of the file. */
static void share_history(struct import *im, Dossier__LegacyDossier **sorted)
{
	size_t n = im->history.n_rows;
	Dossier__LegacyDossier **owner = arena_calloc(&im->arena, n, sizeof(*owner));
	Dossier__LegacyEvent *events = arena_calloc(&im->arena, n, sizeof(*events));

	CHECK(owner && events);
	for (size_t i = 0; i < n; i++) {
		const struct csv_row *row = &im->history.rows[i];
		Dossier__LegacyDossier **found =
			bsearch(row->cells[H_CODE], sorted, im->n, sizeof(*sorted), find_code);

		if (!found) {
			csv_fault(&im->report, im->history.file, row->line,
				  "code: %s is no dossier of %s", row->cells[H_CODE],
				  im->table.file);
			continue;
		}
		owner[i] = *found;
		owner[i]->n_history++;
	}
	for (size_t i = 0; i < im->n; i++) {
		im->dossiers[i].history = arena_calloc(&im->arena, im->dossiers[i].n_history,
						       sizeof(Dossier__LegacyEvent *));
		CHECK(im->dossiers[i].history);
		im->dossiers[i].n_history = 0;
	}
	for (size_t i = 0; i < n; i++) {
		const struct csv_row *row = &im->history.rows[i];

		if (!owner[i])
			continue;
		dossier__legacy_event__init(&events[i]);
		events[i].time_us = read_time(im, &im->history, row, H_TIME);
		events[i].state = (Dossier__DossierState)csv_number(row->cells[H_STATE]);
		events[i].actor = row->cells[H_ACTOR];
		events[i].note = row->cells[H_NOTE];
		owner[i]->history[owner[i]->n_history++] = &events[i];
	}
}

static int read_table(struct import *im, const char *path, struct buf *bytes,
		      struct csv_table *table)
{
	if (file_read(path, bytes) < 0)
		return ctl_say(CTL_FAILED, "%s: %s", path, strerror(errno));
	table->file = path;
	csv_read(table, buf_str(bytes), bytes->len, &im->arena, &im->report);
	return 0;
}

static int read_files(struct import *im, const char *path, const char *history_path)
{
	Dossier__LegacyDossier **sorted;
	int rc = read_table(im, path, &im->bytes, &im->table);

	if (rc == 0 && history_path)
		rc = read_table(im, history_path, &im->history_bytes, &im->history);
	if (rc != 0 || im->report.n > 0)
		return rc;
	im->n = im->table.n_rows;
	im->dossiers = arena_calloc(&im->arena, im->n, sizeof(*im->dossiers));
	CHECK(im->dossiers);
	for (size_t i = 0; i < im->n; i++)
		fill_dossier(im, &im->table.rows[i], &im->dossiers[i]);
	sorted = sort_codes(im);
	share_history(im, sorted);
	if (im->n == 0)
		csv_fault(&im->report, path, 0, "no dossier in it");
	return 0;
}

/* --- control totals --- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_agencies(struct import *im)
{
	const char **agencies = arena_calloc(&im->arena, im->n, sizeof(*agencies));
	size_t same = 0;

	CHECK(agencies);
	for (size_t i = 0; i < im->n; i++)
		agencies[i] = im->dossiers[i].receiving_agency_code;
	qsort(agencies, im->n, sizeof(*agencies), by_text);
	for (size_t i = 0; i < im->n; i++) {
		same++;
		if (i + 1 < im->n && strcmp(agencies[i], agencies[i + 1]) == 0)
			continue;
		buf_printf(&im->totals, "agency %s: %zu\n", agencies[i], same);
		same = 0;
	}
}

static void add_range(struct import *im, const char *what, int64_t min_us, int64_t max_us)
{
	char from[11] = "-", to[11] = "-";

	if (max_us > 0) {
		civil_format(civil_of_us(min_us), from);
		civil_format(civil_of_us(max_us), to);
	}
	buf_printf(&im->totals, "%s: %s to %s\n", what, from, to);
}

static void widen(int64_t us, int64_t *min_us, int64_t *max_us)
{
	if (us == 0)
		return;
	*min_us = us < *min_us ? us : *min_us;
	*max_us = us > *max_us ? us : *max_us;
}

/* What the older system's people compare with their own figures. */
static void add_totals(struct import *im)
{
	int64_t filed[2] = {INT64_MAX, 0}, due[2] = {INT64_MAX, 0}, fees = 0, paid = 0;
	size_t states[STATES + 1] = {0};

	for (size_t i = 0; i < im->n; i++) {
		const Dossier__LegacyDossier *d = &im->dossiers[i];

		states[d->state]++;
		fees += d->fee_vnd;
		paid += d->fee_paid ? d->fee_vnd : 0;
		widen(d->submitted_us, &filed[0], &filed[1]);
		widen(d->due_us, &due[0], &due[1]);
	}
	buf_printf(&im->totals, "dossiers: %zu\nacts: %zu\n", im->n, im->history.n_rows);
	for (int s = 1; s <= STATES; s++)
		if (states[s] > 0)
			buf_printf(&im->totals, "state %d: %zu\n", s, states[s]);
	add_agencies(im);
	buf_printf(&im->totals, "fees: %" PRId64 " VND, of them paid %" PRId64 "\n", fees, paid);
	add_range(im, "filed", filed[0], filed[1]);
	add_range(im, "due", due[0], due[1]);
}

/* Names the run: any byte of the files, or of the totals read from them, changes it. */
static void set_control(struct import *im)
{
	struct crypt_hash *h = crypt_hash_new();
	uint8_t digest[CRYPT_SHA256_BYTES];

	crypt_hash_update(h, buf_str(&im->bytes), im->bytes.len);
	crypt_hash_update(h, "", 1);
	crypt_hash_update(h, buf_str(&im->history_bytes), im->history_bytes.len);
	crypt_hash_update(h, "", 1);
	crypt_hash_update(h, buf_str(&im->totals), im->totals.len);
	crypt_hash_update(h, im->source, strlen(im->source));
	crypt_hash_final(h, digest);
	crypt_hex(digest, sizeof digest, im->control);
}

/* --- calls --- */

static int call_chunk(struct import *im, struct session *session, size_t chunk, bool dry,
		      size_t *ret_imported, size_t *ret_already)
{
	const struct session_how how = {.patience_ms = PATIENCE_MS};
	Dossier__ImportLegacyRequest in = DOSSIER__IMPORT_LEGACY_REQUEST__INIT;
	Dossier__LegacyDossier *list[CHUNK];
	ProtobufCMessage *out = NULL;
	struct err err = {0};
	struct arena arena;

	arena_init(&arena, CALL_MAX);
	in.source = im->source;
	in.control = im->control;
	in.chunk = (uint32_t)chunk;
	in.chunks = (uint32_t)((im->n + CHUNK - 1) / CHUNK);
	in.dry_run = dry;
	in.dossiers = list;
	for (size_t i = chunk * CHUNK; i < im->n && in.n_dossiers < CHUNK; i++)
		list[in.n_dossiers++] = &im->dossiers[i];
	int rc = session_call(session, "dossier", "ImportLegacy", &in.base,
			      &dossier__import_legacy_reply__descriptor, &how, &arena, &out, &err);

	if (rc < 0) {
		arena_done(&arena);
		return ctl_fail("dossier import", &err);
	}
	const Dossier__ImportLegacyReply *reply = (const Dossier__ImportLegacyReply *)out;

	for (size_t i = 0; i < reply->n_faults; i++)
		csv_fault(&im->report, im->table.file, (int)reply->faults[i]->line, "%s: %s %s",
			  reply->faults[i]->field, reply->faults[i]->code,
			  reply->faults[i]->message_en);
	*ret_imported += reply->imported;
	*ret_already += reply->already;
	arena_done(&arena);
	return 0;
}

static int call_all(struct import *im, bool dry)
{
	struct session *session = NULL;
	size_t imported = 0, already = 0;
	int rc = session_open("LGSP_BUS_MEMBER", &session);

	for (size_t chunk = 0; rc == 0 && chunk * CHUNK < im->n; chunk++)
		rc = call_chunk(im, session, chunk, dry, &imported, &already);
	session_close(session);
	if (rc == 0 && !dry)
		printf("%zu dossiers imported, %zu had been imported before\n", imported, already);
	return rc;
}

static int say_faults(const struct import *im)
{
	fputs(buf_str(&im->report.text), stderr);
	return ctl_say(CTL_FAILED, "%u faults, nothing imported", im->report.n);
}

static int run(struct import *im, const char *control)
{
	int rc;

	add_totals(im);
	set_control(im);
	if (control && strcmp(control, im->control) != 0)
		return ctl_say(CTL_FAILED, "the files are not those of the dry run: control %s",
			       im->control);
	rc = call_all(im, !control);
	if (rc != 0)
		return rc;
	if (im->report.n > 0)
		return say_faults(im);
	if (!control)
		printf("%scontrol %s\n", buf_str(&im->totals), im->control);
	return 0;
}

static int import(const char *path, const char *history, const char *source, const char *control)
{
	struct import im = {
		.table = {.columns = columns, .n_columns = COLUMNS},
		.history = {.columns = history_columns, .n_columns = H_COLUMNS},
		.source = source,
	};

	arena_init(&im.arena, ARENA_MAX);
	csv_report_init(&im.report);
	buf_init(&im.bytes, FILE_MAX);
	buf_init(&im.history_bytes, FILE_MAX);
	buf_init(&im.totals, TOTALS_MAX);
	int rc = read_files(&im, path, history);

	if (rc == 0)
		rc = im.report.n > 0 ? say_faults(&im) : run(&im, control);
	buf_done(&im.totals);
	buf_done(&im.history_bytes);
	buf_done(&im.bytes);
	csv_report_done(&im.report);
	arena_done(&im.arena);
	return rc;
}

int ctl_dossier_import(int argc, char **argv)
{
	const char *history = NULL, *source = NULL, *control = NULL, *dry = NULL;
	const struct ctl_option options[] = {
		{"--history", true, &history},
		{"--source", true, &source},
		{"--control", true, &control},
		{"--dry-run", false, &dry},
	};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));

	if (words < 0)
		return -words;
	if (words != 2 || !source || (dry != NULL) == (control != NULL))
		return ctl_say(EXIT_USAGE, "dossier import needs FILE, --source, and --dry-run or "
					   "the --control it printed");
	return import(argv[1], history, source, control);
}
