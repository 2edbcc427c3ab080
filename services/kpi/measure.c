/*
 * Reading measures. An indicator is a flow (sums of its counter), a stock with a query of its own,
 * or one nobody can compute here; the table below says which.
 */
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/svc/refdata.h"
#include "services/kpi/kpi.h"

static const struct err_kind no_indicator = {ERR_NOT_FOUND, "UNKNOWN_INDICATOR",
					     "Không có chỉ tiêu %s", "no indicator %s"};
static const struct err_kind no_agency = {ERR_NOT_FOUND, "UNKNOWN_AGENCY",
					  "Không có cơ quan %s trong kỳ",
					  "no agency %s in the period"};

static const struct db_stmt flow = {
	KPI_AGENCIES
	"SELECT coalesce(sum(numerator), 0)::bigint, coalesce(sum(denominator), 0)::bigint "
	"FROM counter WHERE indicator_id = $3 AND month >= $4 AND month < $5 "
	"AND " KPI_IN_AGENCIES("agency_code")};

/* R2-05 as of a day: procedures with a fee, decided at the agency's level, and those payable
 * online. */
static const struct db_stmt payable_online = {
	"SELECT count(*) FILTER (WHERE payable), count(*) FROM ("
	"SELECT EXISTS (SELECT 1 FROM fact_fee f WHERE f.procedure_code = p.code AND f.online "
	"AND f.valid_from <= $2 AND f.valid_to >= $2) AS payable "
	"FROM (SELECT DISTINCT ON (code) * FROM fact_procedure ORDER BY code, version DESC) p "
	"WHERE p.fee_vnd > 0 AND p.valid_from <= $2 AND p.valid_to >= $2 "
	"AND ($1 = '' OR position($1 IN p.levels) > 0)) q"};

/*
 * R2-07 as of a day, over agencies that declared a backlog by then: confirmed records still valid,
 * over the newest declared backlog and the results issued since.
 */
static const struct db_stmt digitised = {
	KPI_AGENCIES
	", b AS (SELECT DISTINCT ON (agency_code) agency_code, as_of, results "
	"FROM fact_backlog WHERE as_of <= $3 AND " KPI_IN_AGENCIES(
		"agency_code") "ORDER BY agency_code, as_of DESC) "
			       "SELECT (SELECT count(*) FROM fact_record r JOIN b ON "
			       "b.agency_code = r.agency_code WHERE r.confirmed "
			       "AND r.registered_at < $4 AND r.valid_from <= $3 "
			       "AND r.valid_to >= $3), "
			       "coalesce(sum(b.results), 0)::bigint + "
			       "(SELECT count(*) FROM fact_dossier d JOIN b AS b2 ON "
			       "b2.agency_code = d.competent_agency_code "
			       "WHERE d.finished_at >= (b2.as_of::timestamp AT TIME ZONE "
			       "'Asia/Ho_Chi_Minh') AND d.finished_at < $4), "
			       "count(*) FROM b"};

/* The version of each procedure in force on a day, $1 the agency's level. */
#define IN_FORCE                                                                                   \
	"FROM (SELECT DISTINCT ON (code) * FROM fact_procedure WHERE valid_from <= $2 "            \
	"AND valid_to >= $2 ORDER BY code, version DESC) p "                                       \
	"WHERE ($1 = '' OR position($1 IN p.levels) > 0) "

/* R2-10 as of a day: offered at level 3 or 4, of those for citizens that are fit for it. */
static const struct db_stmt offered_online = {
	"SELECT count(*) FILTER (WHERE p.online_level >= 3), count(*) " IN_FORCE
	"AND NOT p.internal AND p.eligible"};

/* R2-15 as of a day: internal ones that were published by the day they came into force. */
static const struct db_stmt published_in_time = {
	"SELECT count(*) FILTER (WHERE p.published_on <= p.valid_from), count(*) " IN_FORCE
	"AND p.internal"};

/* R6-04 of a period: people who filed online for themselves, and those whose identity was proven.
 */
static const struct db_stmt proven_applicants = {
	KPI_AGENCIES
	"SELECT count(DISTINCT owner_key) FILTER (WHERE verified), count(DISTINCT owner_key) "
	"FROM fact_online_applicant WHERE month >= $3 AND month < $4 "
	"AND " KPI_IN_AGENCIES("agency_code")};

/*
 * R6-05: citizen-facing systems in operation on the day, and of them those with traffic in the
 * period's months; and whether usage of any of these months was reported at all.
 */
static const struct db_stmt connected = {
	KPI_AGENCIES ", s AS (SELECT DISTINCT member FROM fact_system WHERE citizen_facing "
		     "AND valid_from <= $3 AND valid_to >= $3 AND " KPI_IN_AGENCIES(
			     "owner_agency_code") ") "
						  "SELECT (SELECT count(*) FROM s WHERE EXISTS "
						  "(SELECT 1 FROM fact_usage u "
						  "WHERE u.member = s.member AND u.month >= $4 AND "
						  "u.month < $5 AND u.requests > 0)), "
						  "(SELECT count(*) FROM s), "
						  "(SELECT count(*) FROM fact_usage WHERE month >= "
						  "$4 AND month < $5)"};

static const struct db_stmt indicator_row = {"SELECT id, source FROM indicator WHERE id = $1"};
static const struct db_stmt indicator_rows = {
	"SELECT id, source FROM indicator ORDER BY ordinal, id"};

static const struct db_stmt targets_of = {
	"SELECT scope, due, op, value_hundredths, baseline FROM target WHERE indicator_id = $1 "
	"ORDER BY scope, due LIMIT 64"};

/* What a measure is asked about. */
struct question {
	const char *agency; /* "" the province */
	const char *level;  /* of the agency; "" for the province */
	const char *period_text;
	struct period period;
	int32_t as_of; /* last day of the period, or today when it is running */
	bool alone;
};

static void set_ratio(Kpi__Measure *m, int64_t numerator, int64_t denominator)
{
	m->numerator = numerator;
	m->denominator = denominator;
	m->measurable = denominator > 0;
	if (m->measurable)
		m->value_hundredths = rules_percent_hundredths(numerator, denominator);
	else
		m->reason = "NO_CASES";
}

static int measure_flow(struct call *c, const struct question *q, Kpi__Measure *m)
{
	int slot = call_query(c, &flow, DB_TEXT(q->agency), DB_BOOL(q->alone),
			      DB_TEXT(m->indicator_id), DB_DATE(q->period.from),
			      DB_DATE(q->period.to));

	if (slot < 0)
		return slot;
	set_ratio(m, db_get_int(&c->tx, slot, 0, 0), db_get_int(&c->tx, slot, 0, 1));
	return 0;
}

static int measure_catalogue(struct call *c, const struct db_stmt *stmt, const struct question *q,
			     Kpi__Measure *m)
{
	int slot = call_query(c, stmt, DB_TEXT(q->level), DB_DATE(q->as_of));

	if (slot < 0)
		return slot;
	set_ratio(m, db_get_int(&c->tx, slot, 0, 0), db_get_int(&c->tx, slot, 0, 1));
	return 0;
}

static int measure_payable_online(struct call *c, const struct question *q, Kpi__Measure *m)
{
	return measure_catalogue(c, &payable_online, q, m);
}

static int measure_offered_online(struct call *c, const struct question *q, Kpi__Measure *m)
{
	return measure_catalogue(c, &offered_online, q, m);
}

static int measure_published(struct call *c, const struct question *q, Kpi__Measure *m)
{
	return measure_catalogue(c, &published_in_time, q, m);
}

static int measure_proven_applicants(struct call *c, const struct question *q, Kpi__Measure *m)
{
	int slot = call_query(c, &proven_applicants, DB_TEXT(q->agency), DB_BOOL(q->alone),
			      DB_DATE(q->period.from), DB_DATE(q->period.to));

	if (slot < 0)
		return slot;
	set_ratio(m, db_get_int(&c->tx, slot, 0, 0), db_get_int(&c->tx, slot, 0, 1));
	return 0;
}

static int measure_digitised(struct call *c, const struct question *q, Kpi__Measure *m)
{
	int slot = call_query(c, &digitised, DB_TEXT(q->agency), DB_BOOL(q->alone),
			      DB_DATE(q->as_of), DB_TIME(civil_to_us(q->as_of + 1, 0)));

	if (slot < 0)
		return slot;
	set_ratio(m, db_get_int(&c->tx, slot, 0, 0), db_get_int(&c->tx, slot, 0, 1));
	if (db_get_int(&c->tx, slot, 0, 2) == 0) {
		m->measurable = false;
		m->reason = "NO_BACKLOG";
	}
	return 0;
}

/* No traffic is a figure, no report of traffic is none. */
static int measure_connected(struct call *c, const struct question *q, Kpi__Measure *m)
{
	int slot = call_query(c, &connected, DB_TEXT(q->agency), DB_BOOL(q->alone),
			      DB_DATE(q->as_of), DB_DATE(q->period.from), DB_DATE(q->period.to));

	if (slot < 0)
		return slot;
	set_ratio(m, db_get_int(&c->tx, slot, 0, 0), db_get_int(&c->tx, slot, 0, 1));
	if (db_get_int(&c->tx, slot, 0, 2) == 0) {
		m->measurable = false;
		m->reason = "NO_USAGE";
	}
	return 0;
}

static const struct {
	const char *id;
	int (*measure)(struct call *c, const struct question *q, Kpi__Measure *m);
} computed[] = {
	{"R2-04", measure_flow},
	{"R2-05", measure_payable_online},
	{"R2-06", measure_flow},
	{"R2-07", measure_digitised},
	{"R2-09", measure_flow},
	{"R2-10", measure_offered_online},
	{"R2-12", measure_flow},
	{"R2-13", measure_flow},
	{"R2-15", measure_published},
	{"R2-16", measure_flow},
	{"R6-04", measure_proven_applicants},
	{"R6-05", measure_connected},
	{"DOSSIER-ON-TIME", measure_flow},
	{"TASK-ON-TIME", measure_flow},
};

/* Why an indicator that no computation is installed for cannot be measured. */
static const char *reason_of_source(const char *source)
{
	if (strncmp(source, "reported", 8) == 0)
		return "NO_REPORT";
	if (strncmp(source, "connector:", 10) == 0)
		return "NOT_CONNECTED";
	return "NOT_COMPUTED";
}

static int measure_value(struct call *c, const struct question *q, const char *source,
			 Kpi__Measure *m)
{
	for (size_t i = 0; i < ARRAY_LEN(computed); i++) {
		if (strcmp(computed[i].id, m->indicator_id) == 0)
			return computed[i].measure(c, q, m);
	}
	m->reason = reason_of_source(source);
	return 0;
}

static Kpi__Target *make_target(struct call *c, const char *indicator, int slot, int row)
{
	Kpi__Target *out = arena_alloc(c->arena, sizeof(*out));
	char due[11];

	kpi__target__init(out);
	civil_format(db_get_date(&c->tx, slot, row, 1), due);
	out->indicator_id = indicator;
	out->scope = arena_strdup(c->arena, db_get_text(&c->tx, slot, row, 0));
	out->due = arena_strdup(c->arena, due);
	out->op = arena_strdup(c->arena, db_get_text(&c->tx, slot, row, 2));
	out->value_hundredths = db_get_int(&c->tx, slot, row, 3);
	out->baseline = arena_strdup(c->arena, db_get_text(&c->tx, slot, row, 4));
	return out;
}

static int judge(struct call *c, const struct question *q, Kpi__Measure *m)
{
	int slot = call_query(c, &targets_of, DB_TEXT(m->indicator_id));
	int n = slot < 0 ? 0 : db_rows(&c->tx, slot);
	struct rules_target targets[64];
	int chosen;

	if (slot < 0)
		return slot;
	for (int i = 0; i < n; i++)
		targets[i] = (struct rules_target){
			db_get_text(&c->tx, slot, i, 0), db_get_date(&c->tx, slot, i, 1),
			db_get_text(&c->tx, slot, i, 2), db_get_int(&c->tx, slot, i, 3)};
	chosen = rules_choose_target(targets, (size_t)n, q->level, &q->period);
	if (!m->measurable)
		m->verdict = KPI__TARGET_VERDICT__TARGET_VERDICT_NOT_MEASURABLE;
	if (chosen < 0)
		return 0;
	m->target = make_target(c, m->indicator_id, slot, chosen);
	if (m->measurable)
		m->verdict = rules_verdict(&targets[chosen], m->value_hundredths, &q->period,
					   civil_of_us(c->now_us));
	return 0;
}

static int measure_one(struct call *c, const struct question *q, const char *id, const char *source,
		       Kpi__Measure *m)
{
	kpi__measure__init(m);
	m->indicator_id = id;
	m->agency_code = q->agency;
	m->period = q->period_text;
	if (measure_value(c, q, source, m) < 0)
		return c->err.status;
	return judge(c, q, m);
}

static int ask(struct call *c, const char *agency, const char *period, bool alone,
	       struct question *q)
{
	struct refdata_agency row;
	int32_t today = civil_of_us(c->now_us);
	int found;

	*q = (struct question){
		.agency = agency, .level = "", .period_text = period, .alone = alone};
	if (rules_period(period, &q->period) < 0)
		return err_set(&c->err, &rules_bad_period, "period", period);
	q->as_of = q->period.to - 1 < today ? q->period.to - 1 : today;
	if (!*agency)
		return 0;
	found = refdata_agency(c, agency, q->as_of, &row);
	if (found == 0)
		return err_set(&c->err, &no_agency, "agency_code", agency);
	if (found > 0)
		q->level = arena_strdup(c->arena, row.level);
	return found < 0 ? found : 0;
}

void kpi_get(Kpi__KpiService_Service *svc, const Kpi__GetRequest *in, Kpi__GetReply_Closure reply,
	     void *data)
{
	struct call *c = call_of(data);
	Kpi__GetReply out = KPI__GET_REPLY__INIT;
	Kpi__Measure measure;
	struct question q;
	int slot;

	(void)svc;
	if (ask(c, in->agency_code, in->period, in->alone, &q) < 0)
		return call_fail(c);
	slot = call_query(c, &indicator_row, DB_TEXT(in->indicator_id));
	if (slot < 0)
		return call_fail(c);
	if (db_rows(&c->tx, slot) == 0) {
		err_set(&c->err, &no_indicator, "indicator_id", in->indicator_id);
		return call_fail(c);
	}
	if (measure_one(c, &q, in->indicator_id,
			arena_strdup(c->arena, db_get_text(&c->tx, slot, 0, 1)), &measure) < 0)
		return call_fail(c);
	out.measure = &measure;
	reply(&out, data);
}

void kpi_list(Kpi__KpiService_Service *svc, const Kpi__ListRequest *in,
	      Kpi__ListReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Kpi__ListReply out = KPI__LIST_REPLY__INIT;
	Kpi__Measure *measures;
	const char **ids, **sources;
	struct question q;
	int slot, n;

	(void)svc;
	if (ask(c, in->agency_code, in->period, in->alone, &q) < 0)
		return call_fail(c);
	slot = call_query(c, &indicator_rows);
	if (slot < 0)
		return call_fail(c);
	n = db_rows(&c->tx, slot);
	measures = arena_calloc(c->arena, (size_t)n, sizeof(*measures));
	out.measures = arena_calloc(c->arena, (size_t)n, sizeof(*out.measures));
	ids = arena_calloc(c->arena, (size_t)n, sizeof(*ids));
	sources = arena_calloc(c->arena, (size_t)n, sizeof(*sources));
	for (int i = 0; i < n; i++) {
		ids[i] = arena_strdup(c->arena, db_get_text(&c->tx, slot, i, 0));
		sources[i] = arena_strdup(c->arena, db_get_text(&c->tx, slot, i, 1));
	}
	for (int i = 0; i < n; i++) {
		if (measure_one(c, &q, ids[i], sources[i], &measures[i]) < 0)
			return call_fail(c);
		out.measures[i] = &measures[i];
	}
	out.n_measures = (size_t)n;
	reply(&out, data);
}
