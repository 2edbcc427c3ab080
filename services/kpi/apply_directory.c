/*
 * What the directory's feed adds beside the reference data every service keeps: the register of
 * systems, and their traffic on the bus (R6-05).
 */
#include <string.h>

#include "common/base/civil.h"
#include "common/svc/refdata.h"
#include "lgsp/directory/v1/events.pb-c.h"
#include "services/kpi/kpi.h"

static const struct err_kind bad_system = {ERR_INVALID, "BAD_EVENT",
					   "Hệ thống có ngày hiệu lực không hợp lệ",
					   "the system has an invalid date"};

static const struct db_stmt put_system = {
	"INSERT INTO fact_system (member, owner_agency_code, citizen_facing, valid_from, valid_to) "
	"VALUES ($1, $2, $3, $4, $5) ON CONFLICT (member, valid_from) DO UPDATE SET "
	"owner_agency_code = excluded.owner_agency_code, "
	"citizen_facing = excluded.citizen_facing, valid_to = excluded.valid_to"};
static const struct db_stmt add_usage = {
	"INSERT INTO fact_usage AS u (month, member, requests) VALUES ($1, $2, $3) "
	"ON CONFLICT (month, member) DO UPDATE SET requests = u.requests + excluded.requests"};

static int system_put(struct call *c, const Directory__System *s)
{
	int32_t from, to;

	if (!s || civil_parse(s->valid_from, &from) < 0 ||
	    civil_parse_or_forever(s->valid_to, &to) < 0)
		return err_set(&c->err, &bad_system, NULL, NULL);
	tx_add(c, &put_system, DB_TEXT(s->member), DB_TEXT(s->owner_agency_code),
	       DB_BOOL(s->citizen_facing), DB_DATE(from), DB_DATE(to));
	return 0;
}

/*
 * Both sides of a request have traffic once it came to a worker; what was refused before connects
 * nobody. The month has a row all the same: its usage is known.
 */
static int usage_reported(struct call *c, const Directory__UsageReport *r)
{
	int32_t month;

	if (!r)
		return 0;
	month = rules_month_of_us(r->hour_us);
	for (size_t i = 0; i < r->n_rows; i++) {
		const Directory__UsageRow *row = r->rows[i];
		int64_t requests = *row->provider ? row->requests : 0;

		tx_add(c, &add_usage, DB_DATE(month), DB_TEXT(row->member), DB_INT8(requests));
		if (*row->provider)
			tx_add(c, &add_usage, DB_DATE(month), DB_TEXT(row->provider),
			       DB_INT8(requests));
	}
	return 0;
}

int kpi_apply_directory(struct call *c, const struct svc_event *ev)
{
	const void *p = ev->payload;

	if (p && strcmp(ev->type, "directory.system_put") == 0)
		return system_put(c, ((const Directory__DirectorySystemPut *)p)->system);
	if (p && strcmp(ev->type, "directory.usage_reported") == 0)
		return usage_reported(c, ((const Directory__DirectoryUsageReported *)p)->report);
	return refdata_apply(c, ev);
}
