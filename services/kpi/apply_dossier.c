/*
 * What the dossier feed adds: procedures in force, dossiers, who files online; R2-04, R2-09, R2-12,
 * R2-13, R2-16, on time.
 */
#include <string.h>

#include "common/base/civil.h"
#include "lgsp/dossier/v1/events.pb-c.h"
#include "services/kpi/kpi.h"

#define ONLINE_LEVEL_MIN 3  /* "level 3 or 4" of R2-12 */
#define SATISFIED_MIN    12 /* of 15: the three ratings average 4 of 5 */

static const struct err_kind bad_event = {ERR_INVALID, "BAD_EVENT", "Sự kiện có ngày không hợp lệ",
					  "the event has an invalid date"};

static const struct db_stmt add_to_counter = {
	"INSERT INTO counter (indicator_id, agency_code, month, numerator, denominator) "
	"VALUES ($1, $2, $3, $4, 1) ON CONFLICT (indicator_id, month, agency_code) DO UPDATE SET "
	"numerator = counter.numerator + excluded.numerator, "
	"denominator = counter.denominator + 1"};

static const struct db_stmt put_procedure = {
	"INSERT INTO fact_procedure (code, version, levels, fee_vnd, online_level, valid_from, "
	"valid_to, internal, eligible, published_on) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
	"ON CONFLICT (code, version) DO UPDATE SET "
	"levels = excluded.levels, fee_vnd = excluded.fee_vnd, "
	"online_level = excluded.online_level, valid_from = excluded.valid_from, "
	"valid_to = excluded.valid_to, internal = excluded.internal, "
	"eligible = excluded.eligible, published_on = excluded.published_on"};

static const struct db_stmt put_applicant = {
	"INSERT INTO fact_online_applicant AS a (owner_key, agency_code, month, verified) "
	"VALUES ($1, $2, $3, $4) ON CONFLICT (month, agency_code, owner_key) "
	"DO UPDATE SET verified = a.verified OR excluded.verified"};

static const struct db_stmt insert_dossier = {
	"INSERT INTO fact_dossier (code, procedure_code, receiving_agency_code, "
	"competent_agency_code, channel, online_level, held, demanded, submitted_at) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"};

static const struct db_stmt finish_dossier = {
	"UPDATE fact_dossier SET finished_at = $2, verdict = $3, handoffs = $4, "
	"handoffs_electronic = $5 WHERE code = $1"};

/* Counted as once-only at filing, and asked for again later: the dossier leaves the numerator. */
static const struct db_stmt demand_later = {
	"WITH d AS (UPDATE fact_dossier SET demanded = true WHERE code = $1 AND held"
	" AND NOT demanded RETURNING receiving_agency_code, submitted_at)"
	" UPDATE counter k SET numerator = k.numerator - 1 FROM d WHERE k.indicator_id = 'R2-16'"
	" AND k.agency_code = d.receiving_agency_code AND k.month ="
	" date_trunc('month', d.submitted_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date"};

static const struct db_stmt insert_rating = {
	"INSERT INTO fact_rating (dossier_code, agency_code, satisfied, rated_at) "
	"VALUES ($1, $2, $3, $4)"};

void counter_add(struct call *c, const char *indicator, const char *agency, int64_t at_us,
		 bool in_numerator)
{
	tx_add(c, &add_to_counter, DB_TEXT(indicator), DB_TEXT(agency),
	       DB_DATE(rules_month_of_us(at_us)), DB_INT8(in_numerator ? 1 : 0));
}

static int procedure_put(struct call *c, const Dossier__DossierProcedurePut *p)
{
	int32_t from, to, published = CIVIL_FOREVER;

	if (civil_parse(p->valid_from, &from) < 0 || civil_parse_or_forever(p->valid_to, &to) < 0 ||
	    (p->published_on[0] != '\0' && civil_parse(p->published_on, &published) < 0))
		return err_set(&c->err, &bad_event, NULL, NULL);
	tx_add(c, &put_procedure, DB_TEXT(p->code), DB_INT4(p->version), DB_TEXT(p->levels),
	       DB_INT8(p->fee_vnd), DB_INT4(p->online_level), DB_DATE(from), DB_DATE(to),
	       DB_BOOL(p->internal), DB_BOOL(p->online_eligible), DB_DATE(published));
	return 0;
}

static bool is_online(Dossier__Channel channel)
{
	return channel == DOSSIER__CHANNEL__CHANNEL_OWN_PORTAL ||
	       channel == DOSSIER__CHANNEL__CHANNEL_NATIONAL_PORTAL;
}

/* Whoever files for another is not the person that the pseudonym names. */
static void filed_online(struct call *c, const Dossier__DossierSubmitted *d)
{
	counter_add(c, "R2-09", d->receiving_agency_code, d->submitted_us, d->identity_verified);
	if (d->relation == DOSSIER__RELATION__RELATION_UNSPECIFIED)
		tx_add(c, &put_applicant, DB_TEXT(d->owner_key), DB_TEXT(d->receiving_agency_code),
		       DB_DATE(rules_month_of_us(d->submitted_us)), DB_BOOL(d->identity_verified));
}

static int submitted(struct call *c, const Dossier__DossierSubmitted *d)
{
	bool held = false, demanded = false;

	for (size_t i = 0; i < d->n_components; i++) {
		held |= d->components[i]->held;
		demanded |= d->components[i]->held && d->components[i]->demanded;
	}
	tx_add(c, &insert_dossier, DB_TEXT(d->code), DB_TEXT(d->procedure_code),
	       DB_TEXT(d->receiving_agency_code), DB_TEXT(d->competent_agency_code),
	       DB_INT4(d->channel), DB_INT4(d->online_level), DB_BOOL(held), DB_BOOL(demanded),
	       DB_TIME(d->submitted_us));
	if (held)
		counter_add(c, "R2-16", d->receiving_agency_code, d->submitted_us, !demanded);
	if (is_online(d->channel))
		filed_online(c, d);
	return 0;
}

static int supplement_requested(struct call *c, const Dossier__DossierSupplementRequested *d)
{
	if (d->n_demanded > 0)
		tx_add(c, &demand_later, DB_TEXT(d->code));
	return 0;
}

/* What is open counts here when it ends; what had ended was the older system's to count. */
static int imported(struct call *c, const Dossier__DossierImported *d)
{
	if (d->finished_us == 0)
		tx_add(c, &insert_dossier, DB_TEXT(d->code), DB_TEXT(d->procedure_code),
		       DB_TEXT(d->receiving_agency_code), DB_TEXT(d->competent_agency_code),
		       DB_INT4(d->channel), DB_INT4(d->online_level), DB_BOOL(false),
		       DB_BOOL(false), DB_TIME(d->submitted_us));
	return 0;
}

/* What the indicators need of a dossier that ended. */
struct resolved {
	const char *code, *agency;
	int64_t finished_us;
	Dossier__Verdict verdict;
	Dossier__Channel channel;
	uint32_t online_level, handoffs, handoffs_electronic;
};

static void count_resolved(struct call *c, const struct resolved *r)
{
	if (r->handoffs > 0)
		counter_add(c, "R2-04", r->agency, r->finished_us,
			    r->handoffs == r->handoffs_electronic);
	counter_add(c, "R2-12", r->agency, r->finished_us,
		    is_online(r->channel) && r->online_level >= ONLINE_LEVEL_MIN);
	counter_add(c, "DOSSIER-ON-TIME", r->agency, r->finished_us,
		    r->verdict != DOSSIER__VERDICT__VERDICT_LATE);
}

static void finish(struct call *c, const struct resolved *r)
{
	tx_add(c, &finish_dossier, DB_TEXT(r->code), DB_TIME(r->finished_us), DB_INT4(r->verdict),
	       DB_INT4(r->handoffs), DB_INT4(r->handoffs_electronic));
}

/* Granted or refused alike. One that was reopened has been counted with its first result. */
static int result_issued(struct call *c, const Dossier__DossierResultIssued *d)
{
	const struct resolved r = {.code = d->code,
				   .agency = d->agency_code,
				   .finished_us = d->finished_us,
				   .verdict = d->verdict,
				   .channel = d->channel,
				   .online_level = d->online_level,
				   .handoffs = d->handoffs,
				   .handoffs_electronic = d->handoffs_electronic};

	if (d->again)
		return 0;
	finish(c, &r);
	count_resolved(c, &r);
	return 0;
}

/*
 * The national statistics count 7 beside 9 and 10 as resolved. One that was never accepted is none
 * of the agency's work, as one refused at intake; one withdrawn after it was reopened is counted.
 */
static int withdrawn(struct call *c, const Dossier__DossierWithdrawn *d)
{
	const struct resolved r = {.code = d->code,
				   .agency = d->agency_code,
				   .finished_us = d->finished_us,
				   .verdict = d->verdict,
				   .channel = d->channel,
				   .online_level = d->online_level,
				   .handoffs = d->handoffs,
				   .handoffs_electronic = d->handoffs_electronic};

	if (!d->accepted || d->again)
		return 0;
	finish(c, &r);
	count_resolved(c, &r);
	return 0;
}

static int rated(struct call *c, const Dossier__DossierRated *d, int64_t at_us)
{
	bool satisfied = d->speed + d->attitude + d->result >= SATISFIED_MIN;

	tx_add(c, &insert_rating, DB_TEXT(d->code), DB_TEXT(d->agency_code), DB_BOOL(satisfied),
	       DB_TIME(at_us));
	counter_add(c, "R2-13", d->agency_code, at_us, satisfied);
	return 0;
}

int kpi_apply_dossier(struct call *c, const struct svc_event *ev)
{
	const void *p = ev->payload;

	if (!p)
		return 0;
	if (strcmp(ev->type, "dossier.procedure_put") == 0)
		return procedure_put(c, p);
	if (strcmp(ev->type, "dossier.submitted") == 0)
		return submitted(c, p);
	if (strcmp(ev->type, "dossier.supplement_requested") == 0)
		return supplement_requested(c, p);
	if (strcmp(ev->type, "dossier.imported") == 0)
		return imported(c, p);
	if (strcmp(ev->type, "dossier.result_issued") == 0)
		return result_issued(c, p);
	if (strcmp(ev->type, "dossier.withdrawn") == 0)
		return withdrawn(c, p);
	if (strcmp(ev->type, "dossier.rated") == 0)
		return rated(c, p, ev->time_us);
	return 0;
}
