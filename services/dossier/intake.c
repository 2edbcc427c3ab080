/*
 * Filing a dossier: what its steps ask, and filing it directly. Filings that come together share a
 * transaction (common/svc/group.h).
 */
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/clock.h"
#include "common/svc/group.h"
#include "services/dossier/intake.h"

static const struct err_kind agency_not_in_force = {
	ERR_INVALID, "AGENCY_NOT_IN_FORCE", "Cơ quan %s không tồn tại hoặc không còn hoạt động",
	"agency %s is unknown or not in force on this date"};
static const struct err_kind not_competent = {
	ERR_INVALID, "AGENCY_NOT_COMPETENT",
	"Cơ quan %s không có thẩm quyền giải quyết thủ tục này",
	"agency %s is not of a level that decides this procedure"};

static const struct err_kind not_your_desk = {
	ERR_DENIED, "NOT_IN_HAND",
	"Bộ phận một cửa của cơ quan %s chỉ tiếp nhận cho cơ quan mình, hoặc hỗ trợ tiếp nhận "
	"(supporting_agency_code) cho cơ quan khác",
	"the desk of agency %s takes in for its own agency, or as the supporting one for another"};
static const struct err_kind internal_procedure = {
	ERR_INVALID, "INTERNAL_PROCEDURE", "Thủ tục %s là thủ tục nội bộ giữa các cơ quan nhà nước",
	"procedure %s is one between state agencies only"};
static const struct err_kind channel_closed = {ERR_INVALID, "CHANNEL_CLOSED",
					       "Kênh nộp hồ sơ này đã đóng từ %s",
					       "this way of filing has been closed since %s"};
static const struct err_kind channel_not_open = {ERR_INVALID, "CHANNEL_CLOSED",
						 "Kênh nộp hồ sơ này chưa mở (mở từ: %s)",
						 "this way of filing is not open yet (opens: %s)"};

/*
 * Levels of the receiving, the competent and the supporting agency, NULL when not in force. Then
 * the channel: whether it is open, since when it is closed with the place to go, from when it
 * opens. Then the post of whoever files, as officer of their agency.
 */
#define LEVEL_OF(column)                                                                           \
	"(SELECT level FROM ref_agency WHERE code = u." column " AND valid_from <= u.day"          \
	" AND valid_to >= u.day ORDER BY valid_from DESC LIMIT 1)"
#define RULES_OF_CHANNEL                                                                           \
	"FROM channel_rule WHERE channel = u.channel"                                              \
	" AND version = (SELECT max(version) FROM channel_rule) AND "

static const struct db_stmt read_places = {
	"SELECT " LEVEL_OF("receiving") ", " LEVEL_OF("competent") ", " LEVEL_OF(
		"supporting") ","
			      " EXISTS (SELECT 1 " RULES_OF_CHANNEL
			      "opens <= u.day AND closes >= u.day),"
			      " (SELECT to_char(closes + 1, 'YYYY-MM-DD') || ': ' || "
			      "instead " RULES_OF_CHANNEL
			      "closes < u.day ORDER BY closes DESC LIMIT 1),"
			      " (SELECT to_char(opens, 'YYYY-MM-DD') " RULES_OF_CHANNEL
			      "opens > u.day ORDER BY opens LIMIT 1),"
			      " coalesce((SELECT post FROM ref_officer WHERE subject = u.actor"
			      "  AND agency_code = u.of AND valid_from <= u.day"
			      "  AND valid_to >= u.day ORDER BY valid_from DESC LIMIT 1), ''), u.n"
			      " FROM unnest($1, $2, $3, $4, $5, $6, $7) WITH ORDINALITY"
			      " AS u (receiving, competent, day, channel, supporting, actor, of, n)"
			      " ORDER BY u.n"};
/* Its columns. */
enum { RECEIVING_LEVEL, COMPETENT_LEVEL, SUPPORTING_LEVEL, IS_OPEN, CLOSED_SINCE, OPENS_ON, POST };

/* Open dossiers of the applicant for the same procedure since a day. */
static const struct db_stmt read_similar = {
	"SELECT s.*, u.n FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY"
	" AS u (number, procedure, since, subject, most, n)"
	" CROSS JOIN LATERAL (SELECT d.code, f.form_names, f.form_values,"
	"  f.filer_is_citizen AND f.filer = u.subject"
	"  FROM (SELECT code, form_names, form_values, filer_is_citizen, filer FROM filing"
	"   WHERE applicant_number = u.number ORDER BY code DESC LIMIT 100) f"
	"  JOIN dossier d ON d.code = f.code WHERE d.procedure_code = u.procedure"
	"  AND d.submitted_at >= u.since AND d.state IN (1, 2, 4, 5, 6, 8)"
	"  ORDER BY d.submitted_at DESC, d.code LIMIT u.most) s ORDER BY u.n"};

/* Each filing its own ordinal; counters are locked in their order, so that groups never wait in a
 * ring. */
static const struct db_stmt next_ordinal = {
	"WITH u AS (SELECT * FROM unnest($1, $2) WITH ORDINALITY AS u (agency, day, n)),"
	" c AS (INSERT INTO code_counter AS c (agency, day, last)"
	"  SELECT agency, day, count(*) FROM u GROUP BY agency, day ORDER BY agency, day"
	"  ON CONFLICT (agency, day) DO UPDATE SET last = c.last + excluded.last"
	"  RETURNING agency, day, last)"
	" SELECT c.last + 1 - row_number()"
	"  OVER (PARTITION BY u.agency, u.day ORDER BY u.n DESC), u.n"
	" FROM u JOIN c USING (agency, day) ORDER BY u.n"};

int64_t intake_duplicate_days;

static enum rules_filer filer_of(const struct call *c)
{
	if (call_has_role(c, "citizen"))
		return RULES_BY_CITIZEN;
	if (c->caller.subject[0] == '\0' || call_has_role(c, "system"))
		return RULES_BY_SYSTEM;
	return RULES_BY_STAFF;
}

/* The form as it is stored. */
static int take_answers(struct call *c, struct filing *f)
{
	const Dossier__SubmitRequest *in = f->in;
	const char **names = arena_calloc(c->arena, in->n_form, sizeof(*names));
	const char **values = arena_calloc(c->arena, in->n_form, sizeof(*values));

	if (!names || !values)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (size_t i = 0; i < in->n_form; i++) {
		names[i] = in->form[i]->name;
		values[i] = dossier_nfc(c, in->form[i]->value);
	}
	f->answers = (struct rules_answers){.names = names, .values = values, .n = in->n_form};
	return 0;
}

struct filing *intake_new(struct call *c, const Dossier__SubmitRequest *in)
{
	struct filing *f = arena_alloc(c->arena, sizeof(*f));

	if (!f) {
		err_set(&c->err, &err_too_large, NULL, "arena");
		return NULL;
	}
	*f = (struct filing){
		.in = in,
		.filer = filer_of(c),
		.today = civil_of_us(c->now_us),
		.competent =
			in->competent_agency_code[0] ? in->competent_agency_code : in->agency_code,
		.national_code = "",
	};
	return take_answers(c, f) < 0 ? NULL : f;
}

int intake_show_secret(struct call *c, struct filing *f)
{
	Dossier__SubmitReply fields = DOSSIER__SUBMIT_REPLY__INIT;

	if (f->national_code[0] != '\0')
		receipt_secret_of(c, "national", f->national_code, f->secret);
	else
		receipt_secret(c, f->secret);
	fields.receipt_secret = f->secret; /* field 2 in every reply to a filing */
	return call_unstored(c, &fields.base);
}

/* --- before the transaction --- */

static void list_files(struct call *c, struct filing *f)
{
	const Dossier__SubmitRequest *in = f->in;
	size_t n = 0;

	for (size_t i = 0; i < in->n_components; i++)
		n += in->components[i]->n_file_ids;
	if (n > RULES_FILES_MAX)
		return; /* refused already */
	f->files = arena_calloc(c->arena, n, sizeof(*f->files));
	for (size_t i = 0; f->files && i < in->n_components; i++) {
		for (size_t j = 0; j < in->components[i]->n_file_ids; j++) {
			struct intake_file *h = &f->files[f->n_files++];

			h->component = in->components[i]->code;
			h->file_id = in->components[i]->file_ids[j];
			snprintf(h->field, sizeof(h->field), "components[%zu].file_ids[%zu]", i, j);
		}
	}
}

static int stat_files(struct call *c, struct filing *f)
{
	const char **ids = arena_calloc(c->arena, f->n_files, sizeof(*ids));
	const Digitisation__FileStat **stats;
	int r;

	if (!ids)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (size_t i = 0; i < f->n_files; i++)
		ids[i] = f->files[i].file_id;
	r = files_stat(c, ids, f->n_files, &stats);
	if (r < 0)
		return r;
	for (size_t i = 0; i < f->n_files; i++) {
		f->files[i].stat = stats[i];
		files_check(stats[i], ids[i], f->files[i].field, &f->found);
	}
	return 0;
}

/* The desk that files: of the supporting agency when there is one. */
static int check_desk(struct call *c, const struct filing *f)
{
	bool supported = f->in->supporting_agency_code[0] != '\0';
	const char *desk = supported ? f->in->supporting_agency_code : f->in->agency_code;

	if (f->filer != RULES_BY_STAFF || strcmp(desk, c->caller.agency) == 0)
		return 0;
	return err_set(&c->err, &not_your_desk,
		       supported ? "supporting_agency_code" : "agency_code", c->caller.agency);
}

int intake_look(struct call *c, struct filing *f)
{
	if (check_desk(c, f) < 0)
		return c->err.status;
	rules_check_filing(f->in, f->filer, f->today, &f->found);
	rules_check_filer(f->in, f->filer, c->now_us, f->today, &f->found);
	if (f->in->applicant)
		crypt_owner_key(receipt_owner_key(), f->in->applicant->kind,
				f->in->applicant->number, f->owner_key);
	list_files(c, f);
	if (stat_files(c, f) < 0 ||
	    answers_due(c, f->in->channel, f->in->agency_code, &f->answer_due_us) < 0)
		return c->err.status;
	f->looked = f->found;
	return 0;
}

/* --- first flush: what the rules need --- */

void intake_reads(struct call *c, void *item)
{
	struct filing *f = item;
	const Dossier__SubmitRequest *in = f->in;
	int64_t since_us = c->now_us - intake_duplicate_days * 24 * 3600 * CLOCK_US_PER_S;

	f->slot.procedure = catalogue_add(c, in->procedure_code, f->today);
	f->slot.places = tx_add_row(c, &read_places, DB_TEXT(in->agency_code),
				    DB_TEXT(f->competent), DB_DATE(f->today), DB_INT4(in->channel),
				    DB_TEXT(in->supporting_agency_code), DB_TEXT(dossier_actor(c)),
				    DB_TEXT(c->caller.agency));
	f->slot.held = held_add(c, f->owner_key, f->today);
	account_reads(c, f);
	f->slot.similar =
		tx_add_row(c, &read_similar, DB_TEXT(in->applicant ? in->applicant->number : ""),
			   DB_TEXT(in->procedure_code), DB_TIME(since_us),
			   DB_TEXT(c->caller.subject), DB_INT8(INTAKE_DUPLICATES_MAX));
}

void intake_reserve(struct call *c, void *item)
{
	struct filing *f = item;

	if (f->found.status == 0)
		f->slot.ordinal = tx_add_row(c, &next_ordinal, DB_TEXT(f->in->agency_code),
					     DB_DATE(f->today));
}

static void check_agencies(struct call *c, struct filing *f)
{
	const Dossier__SubmitRequest *in = f->in;
	bool two = in->competent_agency_code[0] != '\0';
	const char *field = two ? "competent_agency_code" : "agency_code";

	if (db_is_null(&c->tx, f->slot.places, 0, RECEIVING_LEVEL))
		err_add(&f->found, &agency_not_in_force, "agency_code", in->agency_code);
	if (in->supporting_agency_code[0] != '\0' &&
	    db_is_null(&c->tx, f->slot.places, 0, SUPPORTING_LEVEL))
		err_add(&f->found, &agency_not_in_force, "supporting_agency_code",
			in->supporting_agency_code);
	if (db_is_null(&c->tx, f->slot.places, 0, COMPETENT_LEVEL)) {
		if (two)
			err_add(&f->found, &agency_not_in_force, field, f->competent);
	} else if (f->procedure && !strstr(f->procedure->levels, db_get_text(&c->tx, f->slot.places,
									     0, COMPETENT_LEVEL))) {
		err_add(&f->found, &not_competent, field, f->competent);
	}
}

static void check_channel(struct call *c, struct filing *f)
{
	const struct db_tx *tx = &c->tx;
	int slot = f->slot.places;

	if (f->in->channel == DOSSIER__CHANNEL__CHANNEL_UNSPECIFIED ||
	    db_get_bool(tx, slot, 0, IS_OPEN))
		return;
	if (!db_is_null(tx, slot, 0, CLOSED_SINCE))
		err_add(&f->found, &channel_closed, "channel",
			db_get_text(tx, slot, 0, CLOSED_SINCE));
	else
		err_add(&f->found, &channel_not_open, "channel",
			db_is_null(tx, slot, 0, OPENS_ON) ? "?"
							  : db_get_text(tx, slot, 0, OPENS_ON));
}

/* Between state agencies only: no citizen files it, nor does a portal. */
static void check_internal(struct filing *f)
{
	bool desk = f->in->channel == DOSSIER__CHANNEL__CHANNEL_COUNTER ||
		    f->in->channel == DOSSIER__CHANNEL__CHANNEL_POST;

	if (f->procedure->internal && (f->filer == RULES_BY_CITIZEN || !desk))
		err_add(&f->found, &internal_procedure, "procedure_code", f->procedure->code);
}

static void find_duplicates(struct call *c, struct filing *f)
{
	int slot = f->slot.similar, n = db_rows(&c->tx, slot);

	for (int i = 0; i < n && intake_duplicate_days > 0; i++) {
		struct rules_answers other;
		size_t n_values;
		const char *code = db_get_text(&c->tx, slot, i, 0);

		other.names = db_get_texts(&c->tx, slot, i, 1, &other.n);
		other.values = db_get_texts(&c->tx, slot, i, 2, &n_values);
		if (!rules_similar(&f->answers, &other))
			continue;
		f->duplicates[f->n_duplicates++] = code;
		if (f->filer != RULES_BY_CITIZEN || db_get_bool(&c->tx, slot, i, 3))
			f->shown[f->n_shown++] = code;
	}
}

int intake_check(struct call *c, void *item)
{
	struct filing *f = item;
	int r;

	/* It may have been decided before, in a group that failed. */
	f->found = f->looked;
	f->procedure = NULL;
	f->n_duplicates = f->n_shown = 0;
	r = catalogue_read(c, f->slot.procedure, f->in->procedure_code, &f->found, &f->procedure);

	if (r < 0)
		return r;
	f->post = db_get_text(&c->tx, f->slot.places, 0, POST);
	check_agencies(c, f);
	check_channel(c, f);
	account_check(c, f);
	if (held_read(c, f->slot.held, &f->held, &f->n_held) < 0)
		return c->err.status;
	if (f->procedure) {
		f->components =
			arena_calloc(c->arena, f->procedure->n_components, sizeof(*f->components));
		if (!f->components)
			return err_set(&c->err, &err_too_large, NULL, "arena");
		check_internal(f);
		rules_check_form(f->procedure, f->in, f->today, &f->found);
		rules_check_components(f->procedure, f->in, f->held, f->n_held, f->components,
				       &f->found);
	}
	c->err = f->found;
	if (c->err.status == 0)
		find_duplicates(c, f);
	return c->err.status;
}

/* --- reply --- */

Dossier__FileReceipt **intake_files(struct call *c, const struct filing *f)
{
	Dossier__FileReceipt *files = arena_calloc(c->arena, f->n_files, sizeof(*files));
	Dossier__FileReceipt **list = arena_calloc(c->arena, f->n_files, sizeof(*list));

	for (size_t i = 0; files && list && i < f->n_files; i++) {
		dossier__file_receipt__init(&files[i]);
		files[i].file_id = f->files[i].file_id;
		files[i].sha256 = f->files[i].stat->sha256;
		list[i] = &files[i];
	}
	return files ? list : NULL;
}

int intake_receipt(struct call *c, const struct filing *f, Dossier__SubmitReply *out)
{
	out->files = intake_files(c, f);
	if (!out->files)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	out->n_files = f->n_files;
	out->code = f->code;
	out->submitted_us = c->now_us;
	out->duplicate_suspected = f->n_duplicates > 0;
	out->suspected_duplicates = (const char **)f->shown;
	out->n_suspected_duplicates = f->n_shown;
	return 0;
}

static int write_and_answer(struct call *c, void *item, const ProtobufCMessage **ret_reply)
{
	struct filing *f = item;

	dossier__submit_reply__init(&f->out);
	*ret_reply = &f->out.base;
	if (intake_rows(c, f) < 0)
		return c->err.status;
	return intake_receipt(c, f, &f->out);
}

static struct group *filings;

void intake_start(void)
{
	static const struct group_steps steps = {.reads = intake_reads,
						 .decide = intake_check,
						 .reserve = intake_reserve,
						 .write = write_and_answer};

	filings = group_new(&steps);
}

void intake_stop(void)
{
	group_free(filings);
}

DOSSIER_HANDLER(submit, Submit)
{
	struct call *c = call_of(data);
	struct filing *f = intake_new(c, in);

	(void)svc;
	if (!f || intake_show_secret(c, f) < 0 || intake_look(c, f) < 0 ||
	    tx_group(c, filings, f) < 0)
		return call_fail(c);
	reply(&f->out, data);
}
