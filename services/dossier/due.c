/*
 * What due dates are counted with, and counting them again: by a job when they were provisional and
 * a newer calendar has come, else only by command (deadline.c).
 */
#include <string.h>

#include "common/base/base.h"
#include "common/svc/refdata.h"
#include "services/dossier/dossier.h"

#define PER_RUN 20

static const struct db_stmt find_provisional = {
	"SELECT code FROM dossier WHERE due_provisional AND state IN (2, 4, 5, 6, 8)"
	" AND calendar_version < $1 ORDER BY code LIMIT $2 FOR UPDATE SKIP LOCKED"};

/*
 * A pause moves the due date when it ends, an extension when it is given. Before them the date a
 * dossier was taken over with: what had moved that one is not known here.
 */
static const struct db_stmt read_shifts = {
	"SELECT 1 AS kind, NULL::timestamptz, h.due_at, 0, NULL::date, d.clock_from_at AS at"
	" FROM dossier d JOIN history h ON h.dossier = d.code AND h.version = 1"
	" WHERE d.code = $1 AND d.legacy AND d.clock_from_at = d.accepted_at"
	" AND h.due_at IS NOT NULL"
	" UNION ALL SELECT 2, p.from_at, p.to_at, 0, NULL, p.to_at FROM pause p"
	" JOIN dossier d ON d.code = p.dossier WHERE p.dossier = $1 AND p.from_at >= "
	"d.clock_from_at"
	" UNION ALL SELECT 3, NULL, NULL, e.working_days, e.to_day, e.at FROM extension e"
	" JOIN dossier d ON d.code = e.dossier WHERE e.dossier = $1 AND e.at >= d.clock_from_at"
	" ORDER BY at, kind LIMIT $2"};
/* Its kinds. */
enum { TAKEN_OVER = 1, PAUSE, EXTENSION };

static const struct db_stmt touch = {
	"UPDATE dossier SET calendar_version = $2, directory_pos = $3 WHERE code = $1"};

/* --- the office --- */

int due_office_get(struct call *c, const char *agency_code, struct due_office *ret)
{
	struct due_office o = {.directory_pos = 0};
	int64_t hours_pos;
	int r = refdata_calendar(c, &o.office.cal, &o.directory_pos);

	if (r < 0)
		return r;
	r = refdata_hours(c, agency_code, &o.office.hours, &hours_pos);
	if (r < 0) {
		refdata_calendar_put(o.office.cal);
		return r;
	}
	o.calendar_version = calendar_version(o.office.cal);
	if (hours_pos > o.directory_pos)
		o.directory_pos = hours_pos;
	*ret = o;
	return 0;
}

void due_office_put(struct due_office *office)
{
	refdata_calendar_put(office->office.cal);
	office->office.cal = NULL;
}

void due_set(struct dossier *d, const struct due_office *office, struct calendar_due due)
{
	d->due_us = due.due_us;
	d->due_provisional = due.provisional;
	d->calendar_version = office->calendar_version;
	d->directory_pos = office->directory_pos;
}

void due_move(struct dossier *d, const struct due_office *office, struct calendar_due due)
{
	if (d->due_provisional)
		d->due_us = due.due_us;
	else
		due_set(d, office, due);
}

void due_touch(struct call *c, const struct dossier *d)
{
	tx_add(c, &touch, DB_TEXT(d->code), DB_INT4(d->calendar_version),
	       DB_INT8(d->directory_pos));
}

/* --- counting again --- */

int due_shifts_add(struct call *c, const char *code)
{
	return tx_add(c, &read_shifts, DB_TEXT(code), DB_INT8(RULES_SHIFTS_MAX));
}

struct calendar_due due_recount(const struct call *c, int slot, const struct due_office *office,
				const struct dossier *d)
{
	struct rules_shift shifts[RULES_SHIFTS_MAX];
	int n = db_rows(&c->tx, slot);
	bool taken_over = n > 0 && db_get_int(&c->tx, slot, 0, 0) == TAKEN_OVER;

	for (int i = 0; i < n; i++)
		shifts[i] = (struct rules_shift){
			.is_extension = db_get_int(&c->tx, slot, i, 0) == EXTENSION,
			.pause = {.from_us = db_get_time_us(&c->tx, slot, i, 1),
				  .to_us = db_get_time_us(&c->tx, slot, i, 2)},
			.extension = {.working_days = (int)db_get_int(&c->tx, slot, i, 3),
				      .to_day = db_get_date(&c->tx, slot, i, 4)},
		};
	if (taken_over)
		return rules_due_moved(&office->office, d->limit, shifts[0].pause.to_us, shifts + 1,
				       (size_t)n - 1);
	return rules_due(&office->office, d->limit, d->clock_from_us, shifts, (size_t)n);
}

void due_changed_event(struct call *c, const struct dossier *d, int64_t before_us,
		       const char *reason)
{
	Dossier__DossierDueChanged ev = DOSSIER__DOSSIER_DUE_CHANGED__INIT;

	ev.code = d->code;
	ev.due_us = d->due_us;
	ev.due_provisional = d->due_provisional;
	ev.reason = reason;
	ev.due_before_us = before_us;
	ev.calendar_version = d->calendar_version;
	dossier_tell(c, d, RULES_RECOUNT, "dossier.due_changed", &ev.base);
}

/* --- the job --- */

struct job {
	int n;
	struct {
		const char *code;
		int dossier, shifts; /* slots */
	} item[PER_RUN];
};

static int recount(struct call *c, const struct job *job, int i)
{
	struct due_office office;
	struct calendar_due due;
	struct dossier d;
	int64_t before;

	CHECK(dossier_read(c, job->item[i].dossier, job->item[i].code, &d)); /* locked before */
	if (due_office_get(c, d.agencies.competent, &office) < 0)
		return c->err.status;
	due = due_recount(c, job->item[i].shifts, &office, &d);
	before = d.due_us;
	due_set(&d, &office, due);
	due_office_put(&office);
	if (due.due_us == before && due.provisional) {
		due_touch(c, &d);
		return 0;
	}
	dossier_save(c, &d, rules_action_name(RULES_RECOUNT), "calendar");
	due_changed_event(c, &d, before, "calendar");
	return 0;
}

static int find(struct call *c, struct job *job, int32_t version)
{
	int slot;

	tx_begin(c);
	slot = tx_add(c, &find_provisional, DB_INT4(version), DB_INT8(PER_RUN));
	if (tx_flush(c) < 0)
		return c->err.status;
	job->n = db_rows(&c->tx, slot);
	for (int i = 0; i < job->n; i++) {
		job->item[i].code = db_get_text(&c->tx, slot, i, 0);
		job->item[i].dossier = dossier_lock_add(c, job->item[i].code);
		job->item[i].shifts = due_shifts_add(c, job->item[i].code);
	}
	return job->n > 0 ? tx_flush(c) : 0;
}

int dossier_job_due(struct call *c)
{
	const struct calendar *cal;
	struct job job = {.n = 0};
	int64_t pos;
	int32_t version;
	int r = refdata_calendar(c, &cal, &pos);

	if (r == ERR_UNAVAILABLE)
		return 0; /* no calendar yet, so nothing was counted with one */
	if (r < 0)
		return r;
	version = calendar_version(cal);
	refdata_calendar_put(cal);
	r = find(c, &job, version);
	for (int i = 0; i < job.n && r == 0; i++)
		r = recount(c, &job, i);
	if (r == 0 && job.n > 0)
		r = tx_commit(c, NULL);
	return r < 0 ? r : job.n;
}
