/* The clock of a dossier: when it stands, when it runs again, when it has run out. */
#include <string.h>

#include "services/dossier/dossier.h"

static const struct db_stmt insert_pause = {
	"INSERT INTO pause (dossier, from_at, to_at, reason) VALUES ($1, $2, $3, $4)"};

int dossier_start_clock(struct call *c, struct dossier *d)
{
	struct due_office office;

	if (due_office_get(c, d->agencies.competent, &office) < 0)
		return c->err.status;
	d->clock_from_us = c->now_us;
	d->limit = d->procedure_limit;
	due_set(d, &office, rules_due(&office.office, d->limit, d->clock_from_us, NULL, 0));
	due_office_put(&office);
	return 0;
}

static int move_due(struct call *c, struct dossier *d, struct rules_pause pause)
{
	struct due_office office;

	if (due_office_get(c, d->agencies.competent, &office) < 0)
		return c->err.status;
	due_move(d, &office, rules_due_after_pause(&office.office, d->limit, d->due_us, pause));
	due_office_put(&office);
	return 0;
}

/* By the hours of the agency that has the step. */
static int move_step_due(struct call *c, struct dossier *d, struct rules_pause pause)
{
	struct due_office office;

	if (d->step_due_us == 0)
		return 0;
	if (due_office_get(c, d->agencies.holder, &office) < 0)
		return c->err.status;
	d->step_due_us = rules_step_after_pause(&office.office, d->step_due_us, pause);
	due_office_put(&office);
	return 0;
}

/*
 * Before acceptance no clock has run, so none has stood still; what the applicant completed is to
 * be answered in time again.
 */
static int end_pause(struct call *c, struct dossier *d)
{
	struct rules_pause pause = {.from_us = d->paused_us, .to_us = c->now_us};

	if (pause.to_us < pause.from_us)
		pause.to_us = pause.from_us;
	if (d->clock_from_us != 0) {
		if (move_due(c, d, pause) < 0 || move_step_due(c, d, pause) < 0)
			return c->err.status;
		tx_add(c, &insert_pause, DB_TEXT(d->code), DB_TIME(pause.from_us),
		       DB_TIME(pause.to_us), DB_TEXT(d->pause_kind));
	} else if (d->state == DOSSIER__DOSSIER_STATE__DOSSIER_STATE_FILED &&
		   answers_due(c, d->channel, d->agencies.receiving, &d->answer_due_us) < 0) {
		return c->err.status;
	}
	d->paused_us = 0;
	return 0;
}

int dossier_clock(struct call *c, struct dossier *d)
{
	const char *kind = rules_pause_kind(d->state, d->opinions_pausing);

	if (strcmp(kind, d->pause_kind) == 0)
		return 0;
	if (d->pause_kind[0] != '\0' && end_pause(c, d) < 0)
		return c->err.status;
	d->pause_kind = kind;
	d->paused_us = kind[0] != '\0' ? c->now_us : 0;
	return 0;
}

int dossier_finish(struct call *c, struct dossier *d)
{
	if (dossier_clock(c, d) < 0)
		return c->err.status;
	d->finished_us = c->now_us;
	if (d->state != DOSSIER__DOSSIER_STATE__DOSSIER_STATE_REFUSED)
		d->verdict = rules_verdict(d->due_us, d->finished_us);
	return 0;
}
