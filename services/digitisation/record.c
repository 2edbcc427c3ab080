/* Records: registered by hand, or by the dossier's event when a result is issued; declared
 * backlogs. */
#include <string.h>

#include "common/base/civil.h"
#include "common/base/crypt.h"
#include "common/base/uuid.h"
#include "common/svc/refdata.h"
#include "lgsp/digitisation/v1/events.pb-c.h"
#include "lgsp/dossier/v1/events.pb-c.h"
#include "services/digitisation/digitisation.h"

static const struct err_kind no_file = {ERR_INVALID, "UNKNOWN_FILE", "Không có tệp %s",
					"no file %s"};
static const struct err_kind file_unreadable = {
	ERR_CONFLICT, "FILE_QUARANTINED", "Tệp không đọc được nên không thể đăng ký",
	"the file could not be read and cannot become a record"};
static const struct err_kind known_record = {ERR_CONFLICT, "RECORD_EXISTS",
					     "Giấy tờ này đã có trong kho",
					     "this record is registered already"};
static const struct err_kind not_your_agency = {ERR_DENIED, "NOT_YOUR_AGENCY",
						"Chỉ cơ quan %s được kê khai",
						"only agency %s may declare it"};
static const struct err_kind bad_backlog = {ERR_INVALID, "BAD_BACKLOG",
					    "Số lượng hoặc ngày kê khai không hợp lệ",
					    "the number or the date declared is not valid"};

static const struct db_stmt file_state = {"SELECT state FROM file WHERE id = $1"};

static const struct db_stmt insert_record = {
	"INSERT INTO record (id, owner_key, type, number, issuing_agency_code, issued_on, "
	"valid_from, "
	"valid_to, dossier_code, origin, file_id, confirmed, data_class, registered_by, "
	"registered_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, true, $12, $13, $14) "
	"ON CONFLICT (owner_key, type, number, issuing_agency_code) DO NOTHING RETURNING 1"};

static const struct db_stmt put_backlog = {
	"INSERT INTO backlog (agency_code, results, as_of) VALUES ($1, $2, $3) "
	"ON CONFLICT (agency_code) DO UPDATE SET results = excluded.results, "
	"as_of = excluded.as_of, version = backlog.version + 1 RETURNING version"};

/*
 * Writes the row and its event in the open transaction. >0 written, 0 there is such a record
 * already, <0 error. The record's dates are text in rec and days in dates.
 */
static int add_record(struct call *c, Digitisation__Record *rec,
		      const struct rules_record_dates *dates, const uint8_t file_id[static 16])
{
	Digitisation__DigitisationRecordRegistered event =
		DIGITISATION__DIGITISATION_RECORD_REGISTERED__INIT;
	Digitisation__Record told;
	char id_text[UUID_TEXT_BYTES];
	uint8_t id[UUID_BYTES];
	int slot;

	uuid_v7(id);
	uuid_format(id, id_text);
	rec->record_id = arena_strdup(c->arena, id_text);
	rec->confirmed = true;
	slot = tx_add(c, &insert_record, DB_UUID(id), DB_TEXT(rec->owner_key), DB_TEXT(rec->type),
		      DB_TEXT(rec->number), DB_TEXT(rec->issuing_agency_code),
		      DB_DATE(dates->issued_on), DB_DATE(dates->valid_from),
		      DB_DATE(dates->valid_to), DB_TEXT(rec->dossier_code), DB_INT4(rec->origin),
		      DB_UUID(file_id), DB_TEXT(rec->data_class),
		      DB_TEXT(*c->caller.subject ? c->caller.subject : c->caller.member),
		      DB_TIME(c->now_us));
	if (tx_flush(c) < 0)
		return c->err.status;
	if (db_rows(&c->tx, slot) == 0)
		return 0;
	/* The number of an identity document is its owner's: no feed carries it. */
	told = *rec;
	told.number = "";
	event.record = &told;
	tx_event(c, "digitisation.record_registered", id_text, 1, &event.base);
	return 1;
}

static int check_file(struct call *c, const char *text, uint8_t ret_id[static 16])
{
	int slot;

	if (uuid_parse(text, ret_id) < 0)
		return err_set(&c->err, &no_file, "file_id", text);
	slot = tx_add(c, &file_state, DB_UUID(ret_id));
	if (tx_flush(c) < 0)
		return c->err.status;
	if (db_rows(&c->tx, slot) == 0)
		return err_set(&c->err, &no_file, "file_id", text);
	if (db_get_int(&c->tx, slot, 0, 0) == DIGITISATION__FILE_STATE__FILE_STATE_QUARANTINED)
		return err_set(&c->err, &file_unreadable, "file_id", NULL);
	return 0;
}

static int register_record(struct call *c, const Digitisation__RegisterRecordRequest *in,
			   Digitisation__RegisterRecordReply *out)
{
	Digitisation__Record rec = DIGITISATION__RECORD__INIT;
	struct rules_record_dates dates = {0};
	char owner_key[CRYPT_SHA256_HEX];
	uint8_t file_id[UUID_BYTES];
	int added;

	if (rules_check_record(in, civil_of_us(c->now_us), &dates, &c->err) < 0)
		return c->err.status;
	crypt_owner_key(digitisation_config.owner_key, in->owner->kind, in->owner->number,
			owner_key);
	rec.owner_key = owner_key;
	rec.type = in->type;
	rec.number = in->number;
	rec.issuing_agency_code = in->issuing_agency_code;
	rec.issued_on = in->issued_on;
	rec.valid_from = in->valid_from;
	rec.valid_to = in->valid_to;
	rec.dossier_code = in->dossier_code;
	rec.origin = in->origin;
	rec.file_id = in->file_id;
	rec.data_class = in->data_class;
	tx_begin(c);
	if (check_file(c, in->file_id, file_id) < 0)
		return c->err.status;
	added = add_record(c, &rec, &dates, file_id);
	if (added == 0)
		return err_set(&c->err, &known_record, "number", NULL);
	if (added < 0)
		return added;
	out->record_id = rec.record_id;
	return tx_commit(c, &out->base);
}

void digitisation_register_record(Digitisation__DigitisationService_Service *svc,
				  const Digitisation__RegisterRecordRequest *in,
				  Digitisation__RegisterRecordReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Digitisation__RegisterRecordReply out = DIGITISATION__REGISTER_RECORD_REPLY__INIT;

	(void)svc;
	if (register_record(c, in, &out) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* A result issued with a file becomes a record of the applicant, born digital, valid from that day.
 */
static int result_issued(struct call *c, const Dossier__DossierResultIssued *d)
{
	Digitisation__Record rec = DIGITISATION__RECORD__INIT;
	int32_t day = civil_of_us(d->finished_us);
	struct rules_record_dates dates = {day, day, CIVIL_FOREVER};
	uint8_t file_id[UUID_BYTES];
	char date[11];
	int added;

	if (!*d->file_id || !*d->result_type)
		return 0;
	if (check_file(c, d->file_id, file_id) < 0)
		return c->err.status;
	civil_format(day, date);
	rec.owner_key = d->owner_key;
	rec.type = d->result_type;
	rec.number = d->result_number;
	rec.issuing_agency_code = d->agency_code;
	rec.issued_on = date;
	rec.valid_from = date;
	rec.dossier_code = d->code;
	rec.origin = DIGITISATION__RECORD_ORIGIN__RECORD_ORIGIN_BORN_DIGITAL;
	rec.file_id = d->file_id;
	rec.data_class = *d->data_class ? d->data_class : "basic";
	added = add_record(c, &rec, &dates, file_id);
	return added < 0 ? added : 0;
}

int digitisation_apply_dossier(struct call *c, const struct svc_event *ev)
{
	if (strcmp(ev->type, "dossier.result_issued") != 0 || !ev->payload)
		return 0;
	return result_issued(c, (const Dossier__DossierResultIssued *)ev->payload);
}

void digitisation_declare_backlog(Digitisation__DigitisationService_Service *svc,
				  const Digitisation__DeclareBacklogRequest *in,
				  Digitisation__DeclareBacklogReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Digitisation__DeclareBacklogReply out = DIGITISATION__DECLARE_BACKLOG_REPLY__INIT;
	Digitisation__DigitisationBacklogDeclared event =
		DIGITISATION__DIGITISATION_BACKLOG_DECLARED__INIT;
	int32_t as_of = 0;
	int slot;

	(void)svc;
	if (strcmp(in->agency_code, c->caller.agency) != 0)
		err_add(&c->err, &not_your_agency, "agency_code", in->agency_code);
	if (in->results < 0 || civil_parse(in->as_of, &as_of) < 0 || as_of > civil_of_us(c->now_us))
		err_add(&c->err, &bad_backlog, "results", NULL);
	if (c->err.status < 0)
		return call_fail(c);
	tx_begin(c);
	slot = tx_add(c, &put_backlog, DB_TEXT(in->agency_code), DB_INT8(in->results),
		      DB_DATE(as_of));
	if (tx_flush(c) < 0)
		return call_fail(c);
	out.version = (int32_t)db_get_int(&c->tx, slot, 0, 0);
	event.agency_code = in->agency_code;
	event.results = in->results;
	event.as_of = in->as_of;
	tx_event(c, "digitisation.backlog_declared", in->agency_code, out.version, &event.base);
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
