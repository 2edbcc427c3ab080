/* What the digitisation feed adds: records and declared backlogs, for R2-07. */
#include <string.h>

#include "common/base/civil.h"
#include "lgsp/digitisation/v1/events.pb-c.h"
#include "services/kpi/kpi.h"

static const struct err_kind bad_event = {ERR_INVALID, "BAD_EVENT", "Sự kiện có ngày không hợp lệ",
					  "the event has an invalid date"};

static const struct db_stmt put_record = {
	"INSERT INTO fact_record (record_id, agency_code, dossier_code, confirmed, registered_at, "
	"valid_from, valid_to) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (record_id) "
	"DO UPDATE SET confirmed = excluded.confirmed, valid_from = excluded.valid_from, "
	"valid_to = excluded.valid_to"};

static const struct db_stmt end_record = {
	"UPDATE fact_record SET valid_to = $2 WHERE record_id = $1"};

static const struct db_stmt put_backlog = {
	"INSERT INTO fact_backlog (agency_code, as_of, results) VALUES ($1, $2, $3) "
	"ON CONFLICT (agency_code, as_of) DO UPDATE SET results = excluded.results"};

static int record_registered(struct call *c, const Digitisation__Record *r, int64_t at_us)
{
	int32_t from, to;

	if (!r || civil_parse(r->valid_from, &from) < 0 ||
	    civil_parse_or_forever(r->valid_to, &to) < 0)
		return err_set(&c->err, &bad_event, NULL, NULL);
	tx_add(c, &put_record, DB_TEXT(r->record_id), DB_TEXT(r->issuing_agency_code),
	       DB_TEXT(r->dossier_code), DB_BOOL(r->confirmed), DB_TIME(at_us), DB_DATE(from),
	       DB_DATE(to));
	return 0;
}

static int record_revoked(struct call *c, const Digitisation__DigitisationRecordRevoked *r)
{
	int32_t last;

	if (civil_parse(r->valid_to, &last) < 0)
		return err_set(&c->err, &bad_event, NULL, NULL);
	tx_add(c, &end_record, DB_TEXT(r->record_id), DB_DATE(last));
	return 0;
}

static int backlog_declared(struct call *c, const Digitisation__DigitisationBacklogDeclared *b)
{
	int32_t as_of;

	if (civil_parse(b->as_of, &as_of) < 0 || b->results < 0)
		return err_set(&c->err, &bad_event, NULL, NULL);
	tx_add(c, &put_backlog, DB_TEXT(b->agency_code), DB_DATE(as_of), DB_INT8(b->results));
	return 0;
}

int kpi_apply_digitisation(struct call *c, const struct svc_event *ev)
{
	const void *p = ev->payload;

	if (!p)
		return 0;
	if (strcmp(ev->type, "digitisation.record_registered") == 0)
		return record_registered(
			c, ((const Digitisation__DigitisationRecordRegistered *)p)->record,
			ev->time_us);
	if (strcmp(ev->type, "digitisation.record_revoked") == 0)
		return record_revoked(c, p);
	if (strcmp(ev->type, "digitisation.backlog_declared") == 0)
		return backlog_declared(c, p);
	return 0;
}
