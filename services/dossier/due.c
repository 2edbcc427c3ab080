/*
 * Due dates beyond the calendar's coverage are provisional. When a newer calendar has come, this
 * job counts them again from acceptance (or reopening), all pauses included, and says so by event.
 */
#include <string.h>

#include "common/base/base.h"

#include "common/svc/refdata.h"
#include "services/dossier/dossier.h"

#define PER_RUN 20

static const struct db_stmt find_provisional = {
	"SELECT code FROM dossier WHERE due_provisional AND state IN (2, 4, 5, 6, 8)"
	" AND calendar_version < $1 ORDER BY code LIMIT $2 FOR UPDATE SKIP LOCKED"};

static const struct db_stmt read_pauses = {
	"SELECT p.from_at, p.to_at FROM pause p JOIN dossier d ON d.code = p.dossier"
	" WHERE p.dossier = $1 AND p.from_at >= d.clock_from_at ORDER BY p.from_at LIMIT $2"};

static const struct db_stmt touch = {
	"UPDATE dossier SET calendar_version = $2, directory_pos = $3 WHERE code = $1"};

struct job {
	const struct calendar *cal;
	int64_t directory_pos;
	int n;
	struct {
		const char *code;
		int dossier, pauses; /* slots */
	} item[PER_RUN];
};

static struct calendar_due count(const struct call *c, const struct job *job, int slot,
				 const struct dossier *d)
{
	struct rules_pause pauses[RULES_PAUSES_MAX];
	int n = db_rows(&c->tx, slot);

	for (int i = 0; i < n; i++)
		pauses[i] = (struct rules_pause){
			.from_us = db_get_time_us(&c->tx, slot, i, 0),
			.to_us = db_get_time_us(&c->tx, slot, i, 1),
		};
	return rules_due(job->cal, d->limit, d->clock_from_us, pauses, (size_t)n);
}

static void recount(struct call *c, const struct job *job, int i)
{
	Dossier__DossierDueChanged ev = DOSSIER__DOSSIER_DUE_CHANGED__INIT;
	struct calendar_due due;
	struct dossier d;

	CHECK(dossier_read(c, job->item[i].dossier, job->item[i].code, &d)); /* locked before */
	due = count(c, job, job->item[i].pauses, &d);
	d.calendar_version = calendar_version(job->cal);
	d.directory_pos = job->directory_pos;
	if (due.due_us == d.due_us && due.provisional) {
		tx_add(c, &touch, DB_TEXT(d.code), DB_INT4(d.calendar_version),
		       DB_INT8(d.directory_pos));
		return;
	}
	d.due_us = due.due_us;
	d.due_provisional = due.provisional;
	dossier_save(c, &d, rules_action_name(RULES_RECOUNT), "calendar");
	ev.code = d.code;
	ev.due_us = d.due_us;
	ev.due_provisional = d.due_provisional;
	ev.reason = "calendar";
	tx_event(c, "dossier.due_changed", d.code, d.version, &ev.base);
}

static int find(struct call *c, struct job *job)
{
	int slot;

	tx_begin(c);
	slot = tx_add(c, &find_provisional, DB_INT4(calendar_version(job->cal)), DB_INT8(PER_RUN));
	if (tx_flush(c) < 0)
		return c->err.status;
	job->n = db_rows(&c->tx, slot);
	for (int i = 0; i < job->n; i++) {
		job->item[i].code = db_get_text(&c->tx, slot, i, 0);
		job->item[i].dossier = dossier_lock_add(c, job->item[i].code);
		job->item[i].pauses = tx_add(c, &read_pauses, DB_TEXT(job->item[i].code),
					     DB_INT8(RULES_PAUSES_MAX));
	}
	return job->n > 0 ? tx_flush(c) : 0;
}

int dossier_job_due(struct call *c)
{
	struct job job = {.n = 0};
	int r = refdata_calendar(c, &job.cal, &job.directory_pos);

	if (r == ERR_UNAVAILABLE)
		return 0; /* no calendar yet, so nothing was counted with one */
	if (r < 0)
		return r;
	r = find(c, &job);
	for (int i = 0; i < job.n && r == 0; i++)
		recount(c, &job, i);
	if (r == 0 && job.n > 0)
		r = tx_commit(c, NULL);
	refdata_calendar_put(job.cal);
	return r < 0 ? r : job.n;
}
