/* The task board's counts, and how far each feed has been counted. */
#include "common/base/civil.h"
#include "services/kpi/kpi.h"

/* One row per (completed in the period or open) and shade; states and shades of lgsp.task.v1. */
static const struct db_stmt buckets = {
	KPI_AGENCIES
	"SELECT state = 4, shade, count(*) FROM fact_task "
	"WHERE " KPI_IN_AGENCIES("lead_agency_code") "AND (state <> 4 OR (completed_at >= $3 AND "
						     "completed_at < $4)) GROUP BY 1, 2"};

static const struct db_stmt cursors = {
	"SELECT source, pos, epoch FROM applied ORDER BY source LIMIT 64"};

static void put_bucket(Kpi__TaskBucketsReply *out, bool completed, int shade, int64_t n)
{
	/* By shade: none, no deadline, within, near due, overdue. */
	int64_t *open[] = {NULL, &out->open_no_deadline, &out->open_within, &out->open_near_due,
			   &out->open_overdue};
	int64_t *done[] = {NULL, &out->completed_no_deadline, &out->completed_within,
			   &out->completed_within, &out->completed_overdue};

	if (shade < 1 || shade > 4)
		return;
	if (completed)
		*done[shade] += n;
	else
		*open[shade] += n;
}

void kpi_task_buckets(Kpi__KpiService_Service *svc, const Kpi__TaskBucketsRequest *in,
		      Kpi__TaskBucketsReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Kpi__TaskBucketsReply out = KPI__TASK_BUCKETS_REPLY__INIT;
	struct period period;
	int slot;

	(void)svc;
	if (rules_period(in->period, &period) < 0) {
		err_set(&c->err, &rules_bad_period, "period", in->period);
		return call_fail(c);
	}
	slot = call_query(c, &buckets, DB_TEXT(in->agency_code), DB_BOOL(in->alone),
			  DB_TIME(civil_to_us(period.from, 0)), DB_TIME(civil_to_us(period.to, 0)));
	if (slot < 0)
		return call_fail(c);
	for (int i = 0; i < db_rows(&c->tx, slot); i++)
		put_bucket(&out, db_get_bool(&c->tx, slot, i, 0),
			   (int)db_get_int(&c->tx, slot, i, 1), db_get_int(&c->tx, slot, i, 2));
	reply(&out, data);
}

void kpi_cursors(Kpi__KpiService_Service *svc, const Kpi__CursorsRequest *in,
		 Kpi__CursorsReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Kpi__CursorsReply out = KPI__CURSORS_REPLY__INIT;
	Kpi__Cursor *rows;
	int slot = call_query(c, &cursors);
	int n;

	(void)svc;
	(void)in;
	if (slot < 0)
		return call_fail(c);
	n = db_rows(&c->tx, slot);
	rows = arena_calloc(c->arena, (size_t)n, sizeof(*rows));
	out.cursors = arena_calloc(c->arena, (size_t)n, sizeof(*out.cursors));
	out.n_cursors = (size_t)n;
	for (int i = 0; i < n; i++) {
		kpi__cursor__init(&rows[i]);
		rows[i].source = db_get_text(&c->tx, slot, i, 0);
		rows[i].pos = db_get_int(&c->tx, slot, i, 1);
		rows[i].epoch = db_get_text(&c->tx, slot, i, 2);
		out.cursors[i] = &rows[i];
	}
	reply(&out, data);
}
