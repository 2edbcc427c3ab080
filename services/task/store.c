/* The row of a task: locked, read, written with its history. */
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/utf8.h"
#include "common/svc/refdata.h"
#include "services/task/task.h"

const struct err_kind task_unknown = {ERR_NOT_FOUND, "UNKNOWN_TASK", "Không có nhiệm vụ %s",
				      "there is no task %s"};

static const struct db_stmt lock_task = {
	"SELECT id::text, version, state, shade, issuer_agency, lead_agency, deadline,"
	" completed_at, percent FROM task WHERE id = $1 FOR UPDATE"};

static const struct db_stmt update_task = {
	"UPDATE task SET version = $2, state = $3, shade = $4, completed_at = $5, percent = $6"
	" WHERE id = $1"};

static const struct db_stmt insert_history = {
	"INSERT INTO history (task_id, version, state, action, actor, member, agency, text, at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"};

const char *task_nfc(struct call *c, const char *s)
{
	const char *nfc = utf8_nfc(c->arena, s);

	return nfc ? nfc : "";
}

int task_lock_add(struct call *c, const uint8_t uuid[static UUID_BYTES])
{
	return tx_add(c, &lock_task, DB_UUID(uuid));
}

bool task_read(const struct call *c, int slot, struct task *ret_task)
{
	const struct db_tx *tx = &c->tx;
	struct task t;

	if (db_rows(tx, slot) == 0)
		return false;
	t.id = db_get_text(tx, slot, 0, 0);
	CHECK(uuid_parse(t.id, t.uuid) == 0);
	t.version = (int32_t)db_get_int(tx, slot, 0, 1);
	t.state = (Task__TaskState)db_get_int(tx, slot, 0, 2);
	t.shade = (Task__Shade)db_get_int(tx, slot, 0, 3);
	t.issuer = db_get_text(tx, slot, 0, 4);
	t.lead = db_get_text(tx, slot, 0, 5);
	t.deadline = db_get_date(tx, slot, 0, 6);
	t.completed_us = db_get_time_us(tx, slot, 0, 7);
	t.percent = (uint32_t)db_get_int(tx, slot, 0, 8);
	*ret_task = t;
	return true;
}

int task_take(struct call *c, const char *id, enum rules_action action, struct task *ret_task)
{
	const struct rules_transition *row;
	uint8_t uuid[UUID_BYTES];
	struct task t;
	int slot;

	if (uuid_parse(id, uuid) < 0)
		return err_set(&c->err, &task_unknown, "task_id", id);
	tx_begin(c);
	slot = task_lock_add(c, uuid);
	if (tx_flush(c) < 0)
		return c->err.status;
	if (!task_read(c, slot, &t))
		return err_set(&c->err, &task_unknown, "task_id", id);
	if (rules_transition(t.state, action, &row, &c->err) < 0 ||
	    rules_party(t.issuer, t.lead, row->party, c->caller.agency, &c->err) < 0)
		return c->err.status;
	t.state = row->to;
	*ret_task = t;
	return 0;
}

void task_history(struct call *c, const struct task *t, const char *action, const char *text)
{
	const char *actor = c->caller.subject[0] != '\0' ? c->caller.subject : c->caller.member;

	tx_add(c, &insert_history, DB_UUID(t->uuid), DB_INT4(t->version), DB_INT4(t->state),
	       DB_TEXT(action), DB_TEXT(actor), DB_TEXT(c->caller.member),
	       DB_TEXT(c->caller.agency), DB_TEXT(text), DB_TIME(c->now_us));
}

void task_save(struct call *c, struct task *t, const char *action, const char *text)
{
	t->version++;
	tx_add(c, &update_task, DB_UUID(t->uuid), DB_INT4(t->version), DB_INT4(t->state),
	       DB_INT4(t->shade), DB_TIME(t->completed_us), DB_INT4(t->percent));
	task_history(c, t, action, text);
}

int task_shade(struct call *c, int32_t deadline, Task__Shade *ret_shade)
{
	const struct calendar *cal;
	int64_t pos;
	int r = refdata_calendar(c, &cal, &pos);

	if (r < 0)
		return r;
	*ret_shade = rules_shade(cal, civil_of_us(c->now_us), deadline);
	refdata_calendar_put(cal);
	return 0;
}
