/* Where in the procedure's template a dossier is, and how it gets from hand to hand. */
#include "services/dossier/dossier.h"

static const struct db_stmt insert_step = {
	"INSERT INTO step_log (dossier, version, step, agency, from_at, due_at, to_at, verdict)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"};

static const struct db_stmt insert_handoff = {
	"INSERT INTO handoff (dossier, hop, from_agency, to_agency, sent_by, sent_at, electronic,"
	" step, step_due_at, remark) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"};

static const struct db_stmt insert_receipt = {
	"INSERT INTO handoff_receipt (dossier, hop, received_by, received_at, remark)"
	" VALUES ($1, $2, $3, $4, $5)"};

/* By whom it was held is told by the hand-off that follows; here it is whoever has it now. */
static void end_step(struct call *c, const struct dossier *d)
{
	tx_add(c, &insert_step, DB_TEXT(d->code), DB_INT4(d->version + 1), DB_INT4(d->step),
	       DB_TEXT(d->agencies.holder), DB_TIME(d->step_from_us), DB_TIME(d->step_due_us),
	       DB_TIME(c->now_us), DB_INT4(rules_step_verdict(d->step_due_us, c->now_us)));
}

static int begin_step(struct call *c, struct dossier *d, const Dossier__Step *step)
{
	struct due_office office;

	d->step = step ? (int32_t)step->ordinal : 0;
	d->step_role = step ? step->role : "";
	d->step_from_us = step ? c->now_us : 0;
	d->step_due_us = 0;
	if (!step || step->hours == 0)
		return 0;
	if (due_office_get(c, rules_step_agency(step, &d->agencies), &office) < 0)
		return c->err.status;
	d->step_due_us =
		rules_step_due(office.office.cal, &office.office.hours, c->now_us, (int)step->hours)
			.due_us;
	due_office_put(&office);
	return 0;
}

int steps_enter(struct call *c, struct dossier *d, int step)
{
	const Dossier__Procedure *p;

	if (step == d->step)
		return 0;
	if (dossier_procedure(c, d, &p) < 0)
		return c->err.status;
	if (d->step != 0)
		end_step(c, d);
	return begin_step(c, d, rules_step(p, step));
}

static void add_receipt(struct call *c, struct dossier *d, const char *by, const char *remark)
{
	tx_add(c, &insert_receipt, DB_TEXT(d->code), DB_INT4(d->hops), DB_TEXT(by),
	       DB_TIME(c->now_us), DB_TEXT(remark));
	d->in_transit = false;
}

void steps_receive(struct call *c, struct dossier *d, const char *remark)
{
	add_receipt(c, d, dossier_actor(c), remark);
}

void steps_hand_off(struct call *c, struct dossier *d, const char *from, bool electronic,
		    const char *remark)
{
	d->hops++;
	tx_add(c, &insert_handoff, DB_TEXT(d->code), DB_INT4(d->hops), DB_TEXT(from),
	       DB_TEXT(d->agencies.holder), DB_TEXT(dossier_actor(c)), DB_TIME(c->now_us),
	       DB_BOOL(electronic), DB_INT4(d->step), DB_TIME(d->step_due_us), DB_TEXT(remark));
	if (electronic)
		add_receipt(c, d, "", ""); /* the system delivers at once */
	else
		d->in_transit = true;
}
