/* Taking a record's validity away: by the agency that issued it, with a reason, once. */
#include <string.h>

#include "common/base/civil.h"
#include "common/base/utf8.h"
#include "common/base/uuid.h"
#include "lgsp/digitisation/v1/events.pb-c.h"
#include "services/digitisation/digitisation.h"

#define REASON_MAX 1000

static const struct err_kind no_record = {ERR_NOT_FOUND, "UNKNOWN_RECORD",
					  "Không có bản ghi %s trong kho", "there is no record %s"};
static const struct err_kind not_issuer = {
	ERR_DENIED, "NOT_ISSUER", "Chỉ cơ quan ban hành (%s) được thu hồi hoặc thay thế",
	"only the agency that issued it (%s) may revoke or replace it"};
static const struct err_kind already_revoked = {ERR_CONFLICT, "ALREADY_REVOKED",
						"Giấy tờ đã được thu hồi hoặc thay thế",
						"the record was revoked or replaced before"};
static const struct err_kind bad_day = {ERR_INVALID, "BAD_DATE",
					"Ngày thu hồi %s không hợp lệ hoặc sau hôm nay",
					"%s is no date, or lies in the future"};
static const struct err_kind other_owner = {ERR_INVALID, "OTHER_RECORD",
					    "Giấy tờ thay thế phải cùng chủ sở hữu và cùng loại",
					    "what replaces it is of the same owner and type"};

static const struct db_stmt lock_record = {
	"SELECT r.issuing_agency_code, r.owner_key, r.type, v.record_id IS NOT NULL"
	" FROM record r LEFT JOIN revocation v ON v.record_id = r.id WHERE r.id = $1"
	" FOR UPDATE OF r"};

static const struct db_stmt read_other = {"SELECT owner_key, type FROM record WHERE id = $1"};

static const struct db_stmt insert_revocation = {
	"INSERT INTO revocation (record_id, from_day, reason, replaced_by, agency_code, revoked_by,"
	" revoked_at) VALUES ($1, $2, $3, nullif($4, '')::uuid, $5, $6, $7)"};

static const struct db_stmt end_record = {
	"UPDATE record SET valid_to = least(valid_to, $2::date - 1) WHERE id = $1"
	" RETURNING valid_to"};

/* The request by itself. */
static int check_request(struct call *c, const Digitisation__RevokeRecordRequest *in,
			 uint8_t ret_id[static UUID_BYTES], uint8_t ret_other[static UUID_BYTES],
			 int32_t *ret_day)
{
	int32_t today = civil_of_us(c->now_us);

	*ret_day = today;
	if (in->reason[strspn(in->reason, " \t\r\n")] == '\0')
		err_add(&c->err, &err_required_field, "reason", NULL);
	else if (utf8_length(in->reason) > REASON_MAX)
		err_add(&c->err, &err_invalid_field, "reason", "1..1000");
	if (in->from_day[0] != '\0' && (civil_parse(in->from_day, ret_day) < 0 || *ret_day > today))
		err_add(&c->err, &bad_day, "from_day", in->from_day);
	if (in->replaced_by[0] != '\0' && uuid_parse(in->replaced_by, ret_other) < 0)
		err_add(&c->err, &no_record, "replaced_by", in->replaced_by);
	if (uuid_parse(in->record_id, ret_id) < 0)
		return err_set(&c->err, &no_record, "record_id", in->record_id);
	return c->err.status;
}

/* The locked record: found, of the caller's agency, not revoked; what replaces it is like it. */
static int check_record(struct call *c, const Digitisation__RevokeRecordRequest *in, int slot,
			int other)
{
	const struct db_tx *tx = &c->tx;

	if (db_rows(tx, slot) == 0)
		return err_set(&c->err, &no_record, "record_id", in->record_id);
	if (strcmp(db_get_text(tx, slot, 0, 0), c->caller.agency) != 0)
		return err_set(&c->err, &not_issuer, "record_id", db_get_text(tx, slot, 0, 0));
	if (db_get_bool(tx, slot, 0, 3))
		return err_set(&c->err, &already_revoked, "record_id", NULL);
	if (in->replaced_by[0] == '\0')
		return 0;
	if (db_rows(tx, other) == 0)
		return err_set(&c->err, &no_record, "replaced_by", in->replaced_by);
	if (strcmp(in->replaced_by, in->record_id) == 0 ||
	    strcmp(db_get_text(tx, slot, 0, 1), db_get_text(tx, other, 0, 0)) != 0 ||
	    strcmp(db_get_text(tx, slot, 0, 2), db_get_text(tx, other, 0, 1)) != 0)
		return err_set(&c->err, &other_owner, "replaced_by", NULL);
	return 0;
}

static int end_validity(struct call *c, const Digitisation__RevokeRecordRequest *in)
{
	Digitisation__DigitisationRecordRevoked event =
		DIGITISATION__DIGITISATION_RECORD_REVOKED__INIT;
	uint8_t id[UUID_BYTES], replaced_by[UUID_BYTES] = {0};
	char id_text[UUID_TEXT_BYTES], last[11];
	int slot, other, ended;
	int32_t day;

	if (check_request(c, in, id, replaced_by, &day) < 0)
		return c->err.status;
	tx_begin(c);
	slot = tx_add(c, &lock_record, DB_UUID(id));
	other = tx_add(c, &read_other, DB_UUID(replaced_by));
	if (tx_flush(c) < 0 || check_record(c, in, slot, other) < 0)
		return c->err.status;
	read_log_add(c, db_get_text(&c->tx, slot, 0, 1), "revoke");
	tx_add(c, &insert_revocation, DB_UUID(id), DB_DATE(day), DB_TEXT(in->reason),
	       DB_TEXT(in->replaced_by), DB_TEXT(c->caller.agency), DB_TEXT(c->caller.subject),
	       DB_TIME(c->now_us));
	ended = tx_add(c, &end_record, DB_UUID(id), DB_DATE(day));
	if (tx_flush(c) < 0)
		return c->err.status;
	uuid_format(id, id_text);
	civil_format(db_get_date(&c->tx, ended, 0, 0), last);
	event.record_id = id_text;
	event.valid_to = last;
	event.replaced_by = in->replaced_by;
	tx_event(c, "digitisation.record_revoked", id_text, 2, &event.base);
	return 0;
}

void digitisation_revoke_record(Digitisation__DigitisationService_Service *svc,
				const Digitisation__RevokeRecordRequest *in,
				Digitisation__RevokeRecordReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Digitisation__RevokeRecordReply out = DIGITISATION__REVOKE_RECORD_REPLY__INIT;

	(void)svc;
	if (end_validity(c, in) < 0 || tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
