/*
 * Form II.06a: what was taken in, settled and left open in a period, counted from the histories as
 * they were at the period's end. So a closed period's figures never change, whatever happens to its
 * dossiers later.
 */
#include "common/base/base.h"
#include "common/base/civil.h"
#include "services/dossier/lists.h"
#include "services/dossier/papers.h"

/*
 * One row per dossier that may matter ("one"), told apart by its state before the period and at its
 * end. A filing counts from the first decision on it (entered); one that was sent back and waits
 * completed is open. Closed are 3, 7, 9, 10; the closing row is the first behind the last open one.
 * $1 agency, $2 with those below, $3 begin, $4 end (not included), $5 last day, $6 field or '',
 * $7 $8 keyset, $9 limit, $10 moment the figures are of.
 */
static const struct db_stmt count_all = {
	"WITH RECURSIVE tree AS (SELECT $1::text AS code UNION SELECT r.code FROM ref_agency r"
	"  JOIN tree t ON r.parent_code = t.code"
	"  WHERE $2 AND r.valid_from <= $5 AND r.valid_to >= $5),"
	" one AS (SELECT d.competent_agency AS agency, p.field, d.channel, f.at AS entered,"
	"  s.state IN (3, 7, 9, 10) AS was_closed, e.state, c.at AS closed_at,"
	"  CASE WHEN c.due_at IS NULL THEN 0 ELSE"
	"   sign(floor((extract(epoch FROM c.at) + 25200) / 86400)"
	"   - floor((extract(epoch FROM c.due_at) + 25200) / 86400)) END AS lateness,"
	"  e.state IN (5, 6, 8) OR o.from_at IS NOT NULL AS paused,"
	"  coalesce(e.due_at < least($10, z.at, o.from_at), false) AS overdue"
	" FROM tree t JOIN dossier d ON d.competent_agency = t.code"
	" JOIN procedure_version p ON p.code = d.procedure_code AND p.version = d.procedure_version"
	" JOIN LATERAL (SELECT state, due_at FROM history WHERE dossier = d.code AND at < $4"
	"  ORDER BY version DESC LIMIT 1) e ON true"
	" LEFT JOIN LATERAL (SELECT state FROM history WHERE dossier = d.code AND at < $3"
	"  ORDER BY version DESC LIMIT 1) s ON true"
	" JOIN LATERAL (SELECT min(at) FILTER (WHERE state <> 1) AS at,"
	"  coalesce(max(version) FILTER (WHERE state NOT IN (3, 7, 9, 10)), 0) AS last_open,"
	"  coalesce(max(version) FILTER (WHERE state NOT IN (5, 6, 8)), 0) AS last_running"
	"  FROM history WHERE dossier = d.code AND at < $4) f ON true"
	" LEFT JOIN history c ON c.dossier = d.code AND c.version = f.last_open + 1"
	"  AND e.state IN (3, 7, 9, 10)"
	" LEFT JOIN history z ON z.dossier = d.code AND z.version = f.last_running + 1"
	"  AND e.state IN (5, 6, 8)"
	" LEFT JOIN LATERAL (SELECT from_at FROM pause WHERE dossier = d.code AND reason = "
	"'outside'"
	"  AND from_at < $4 AND to_at >= $4 UNION ALL SELECT d.paused_at"
	"  WHERE d.pause_kind = 'outside' AND d.paused_at < $4 LIMIT 1) o ON e.state = 4"
	" WHERE d.submitted_at < $4 AND ($6 = '' OR p.field = $6)"
	"  AND NOT coalesce(d.finished_at < $3, false)),"
	" counted AS (SELECT *, entered IS NULL AS awaiting, entered >= $3 AS is_new,"
	"  entered < $3 AND was_closed AS reopened FROM one"
	"  WHERE entered IS NULL OR entered >= $3 OR NOT was_closed"
	"  OR state NOT IN (3, 7, 9, 10) OR closed_at >= $3)"
	" SELECT agency, field,"
	"  count(*) FILTER (WHERE is_new AND channel IN (3, 4)),"
	"  count(*) FILTER (WHERE is_new AND channel NOT IN (2, 3, 4)),"
	"  count(*) FILTER (WHERE is_new AND channel = 2),"
	"  count(*) FILTER (WHERE NOT is_new),"
	"  count(*) FILTER (WHERE reopened),"
	"  count(*) FILTER (WHERE state IN (7, 9, 10) AND lateness < 0),"
	"  count(*) FILTER (WHERE state IN (7, 9, 10) AND lateness = 0),"
	"  count(*) FILTER (WHERE state IN (7, 9, 10) AND lateness > 0),"
	"  count(*) FILTER (WHERE state = 7),"
	"  count(*) FILTER (WHERE state = 3),"
	"  count(*) FILTER (WHERE NOT awaiting AND state IN (1, 2, 4) AND NOT paused"
	"   AND NOT overdue),"
	"  count(*) FILTER (WHERE NOT awaiting AND state IN (1, 2, 4) AND NOT paused AND overdue),"
	"  count(*) FILTER (WHERE paused),"
	"  count(*) FILTER (WHERE paused AND overdue),"
	"  count(*) FILTER (WHERE awaiting),"
	"  coalesce((SELECT name FROM ref_agency r WHERE r.code = agency AND r.valid_from <= $5"
	"   ORDER BY r.valid_from DESC LIMIT 1), '')"
	" FROM counted GROUP BY agency, field HAVING (agency, field) > ($7, $8)"
	" ORDER BY agency, field LIMIT $9"};

/* Whether the caller may see an agency's figures: its own, one below, or all by role. */
static int check_rights(struct call *c, const char *agency_code)
{
	struct lists_view view;

	if (agency_code[0] == '\0')
		return err_set(&c->err, &err_required_field, "agency_code", NULL);
	if (call_has_role(c, "statistician") || call_has_role(c, "operator"))
		return 0;
	return lists_view(c, agency_code, &view);
}

static void read_row(const struct call *c, int slot, int row, Dossier__StatisticsRow *out)
{
	uint32_t *const figures[] = {
		&out->new_online, &out->new_counter,    &out->new_post,         &out->carried,
		&out->reopened,   &out->resolved_early, &out->resolved_on_time, &out->resolved_late,
		&out->withdrawn,  &out->refused,        &out->open_in_time,     &out->open_overdue,
		&out->paused,     &out->paused_overdue, &out->awaiting,
	};

	dossier__statistics_row__init(out);
	out->agency_code = db_get_text(&c->tx, slot, row, 0);
	out->field = db_get_text(&c->tx, slot, row, 1);
	for (size_t i = 0; i < ARRAY_LEN(figures); i++)
		*figures[i] = (uint32_t)db_get_int(&c->tx, slot, row, (int)i + 2);
	out->agency_name = db_get_text(&c->tx, slot, row, 2 + (int)ARRAY_LEN(figures));
}

static int read_rows(struct call *c, int slot, uint32_t limit, Dossier__StatisticsReply *out)
{
	size_t n = (size_t)db_rows(&c->tx, slot);
	Dossier__StatisticsRow *rows;

	out->more = n > limit;
	n = n > limit ? limit : n;
	rows = arena_calloc(c->arena, n, sizeof(*rows));
	out->rows = arena_calloc(c->arena, n, sizeof(out->rows[0]));
	if (!rows || !out->rows)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (; out->n_rows < n; out->n_rows++) {
		out->rows[out->n_rows] = &rows[out->n_rows];
		read_row(c, slot, (int)out->n_rows, &rows[out->n_rows]);
	}
	return 0;
}

static int count(struct call *c, const Dossier__StatisticsRequest *in,
		 const struct rules_span *span, uint32_t limit, Dossier__StatisticsReply *out)
{
	int64_t end_us = civil_to_us(span->to + 1, 0);
	int slot;

	out->as_of_us = end_us < c->now_us ? end_us : c->now_us;
	slot = call_query(c, &count_all, DB_TEXT(in->agency_code), DB_BOOL(in->with_subordinates),
			  DB_TIME(civil_to_us(span->from, 0)), DB_TIME(end_us), DB_DATE(span->to),
			  DB_TEXT(in->field), DB_TEXT(in->after_agency_code),
			  DB_TEXT(in->after_field), DB_INT8(limit + 1), DB_TIME(out->as_of_us));
	return slot < 0 ? slot : read_rows(c, slot, limit, out);
}

int statistics_count(struct call *c, const Dossier__StatisticsRequest *in, uint32_t limit,
		     struct rules_span *ret_span, Dossier__StatisticsReply *out)
{
	rules_statistics_span(in, ret_span, &c->err);
	if (in->limit > limit)
		err_add(&c->err, &err_invalid_field, "limit", "0..500");
	if (c->err.status != 0 || check_rights(c, in->agency_code) < 0)
		return c->err.status;
	return count(c, in, ret_span, in->limit ? in->limit : limit, out);
}

DOSSIER_HANDLER(statistics, Statistics)
{
	struct call *c = call_of(data);
	Dossier__StatisticsReply out = DOSSIER__STATISTICS_REPLY__INIT;
	struct rules_span span;
	char from[11], to[11];

	(void)svc;
	if (statistics_count(c, in, RULES_STATISTICS_ROWS, &span, &out) < 0)
		return call_fail(c);
	civil_format(span.from, from);
	civil_format(span.to, to);
	out.from_date = from;
	out.to_date = to;
	reply(&out, data);
}
