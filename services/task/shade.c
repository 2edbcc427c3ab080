/*
 * The sweep: open tasks whose shade is not what the calendar says today. The statement finds them
 * by two dates the calendar gives; the rule decides on the locked row.
 */
#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/svc/refdata.h"
#include "services/task/task.h"

#define PER_RUN 50

/* $1 today, $2 the last deadline that is near: as rules_shade(). */
static const struct db_stmt find_stale = {
	"SELECT id::text FROM task WHERE state IN (1, 2) AND shade <> CASE"
	" WHEN deadline = 'infinity' THEN 1 WHEN deadline < $1 THEN 4 WHEN deadline <= $2 THEN 3"
	" ELSE 2 END ORDER BY deadline, id LIMIT $3 FOR UPDATE SKIP LOCKED"};

static void change(struct call *c, const struct calendar *cal, int slot)
{
	Task__TaskShadeChanged ev = TASK__TASK_SHADE_CHANGED__INIT;
	struct task t;

	CHECK(task_read(c, slot, &t)); /* locked before */
	t.shade = rules_shade(cal, civil_of_us(c->now_us), t.deadline);
	task_save(c, &t, "shade", "");
	ev.task_id = t.id;
	ev.lead_agency_code = t.lead;
	ev.shade = t.shade;
	tx_event(c, "task.shade_changed", t.id, t.version, &ev.base);
}

static int sweep(struct call *c, const struct calendar *cal)
{
	int32_t today = civil_of_us(c->now_us);
	int rows[PER_RUN];
	uint8_t uuid[UUID_BYTES];
	int slot, n;

	tx_begin(c);
	slot = tx_add(c, &find_stale, DB_DATE(today), DB_DATE(rules_near_until(cal, today)),
		      DB_INT8(PER_RUN));
	if (tx_flush(c) < 0)
		return c->err.status;
	n = db_rows(&c->tx, slot);
	for (int i = 0; i < n; i++) {
		CHECK(uuid_parse(db_get_text(&c->tx, slot, i, 0), uuid) == 0);
		rows[i] = task_lock_add(c, uuid);
	}
	if (n == 0)
		return 0;
	if (tx_flush(c) < 0)
		return c->err.status;
	for (int i = 0; i < n; i++)
		change(c, cal, rows[i]);
	return tx_commit(c, NULL) < 0 ? c->err.status : n;
}

int task_job_shades(struct call *c)
{
	const struct calendar *cal;
	int64_t pos;
	int r = refdata_calendar(c, &cal, &pos);

	if (r == ERR_UNAVAILABLE)
		return 0; /* no calendar yet */
	if (r < 0)
		return r;
	r = sweep(c, cal);
	refdata_calendar_put(cal);
	return r;
}
