/* Reading tasks: staff see those their agency has a part in, systems with the right see all. */
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "services/task/task.h"

#define LIST_DEFAULT 50
#define LIST_MAX     200

#define TASK_COLUMNS                                                                               \
	"id::text, version, title, state, shade, issuer_agency, lead_agency, accountable,"         \
	" supporting, source_number, source_date, source_signer, source_abstract, deadline,"       \
	" assigned_at, completed_at, percent"

/* $2: agency of the staff who ask, '' for a system. */
#define VISIBLE "($2 = '' OR issuer_agency = $2 OR lead_agency = $2 OR supporting @> ARRAY[$2])"

static const struct db_stmt read_task = {"SELECT " TASK_COLUMNS
					 " FROM task WHERE id = $1 AND " VISIBLE};

static const struct db_stmt read_history = {
	"SELECT version, state, action, actor, text, at FROM history WHERE task_id = $1"
	" ORDER BY version"};

static const struct db_stmt list_tasks = {
	"SELECT " TASK_COLUMNS " FROM task"
	" WHERE ($1 = '' OR lead_agency = $1 OR supporting @> ARRAY[$1]) AND " VISIBLE
	" AND (NOT $3 OR state < 4)"
	" AND ($4::uuid IS NULL OR (deadline, id) > (SELECT p.deadline, p.id FROM task p"
	"   WHERE p.id = $4::uuid))"
	" ORDER BY deadline, id LIMIT $5"};

/* A person of no agency sees nothing; "-" is no agency's code. */
static const char *eyes_of(const struct call *c)
{
	if (c->caller.subject[0] == '\0' || call_has_role(c, "system"))
		return "";
	return c->caller.agency[0] != '\0' ? c->caller.agency : "-";
}

static int no_room(struct call *c)
{
	return err_set(&c->err, &err_too_large, NULL, "arena");
}

static const char *date_text(struct call *c, int32_t day)
{
	char *text = arena_alloc(c->arena, 11);

	if (!text)
		return "";
	civil_format(day, text);
	return text;
}

static int fill_source(struct call *c, int slot, int row, Task__Task *t)
{
	Task__SourceDocument *s;

	if (db_is_null(&c->tx, slot, row, 9))
		return 0;
	s = arena_alloc(c->arena, sizeof(*s));
	if (!s)
		return no_room(c);
	task__source_document__init(s);
	s->number = db_get_text(&c->tx, slot, row, 9);
	s->date = date_text(c, db_get_date(&c->tx, slot, row, 10));
	s->signer = db_get_text(&c->tx, slot, row, 11);
	s->abstract = db_get_text(&c->tx, slot, row, 12);
	t->source = s;
	return 0;
}

static int fill_task(struct call *c, int slot, int row, Task__Task **ret_task)
{
	const struct db_tx *tx = &c->tx;
	Task__Task *t = arena_alloc(c->arena, sizeof(*t));

	if (!t)
		return no_room(c);
	task__task__init(t);
	t->id = db_get_text(tx, slot, row, 0);
	t->version = (int32_t)db_get_int(tx, slot, row, 1);
	t->title = db_get_text(tx, slot, row, 2);
	t->state = (Task__TaskState)db_get_int(tx, slot, row, 3);
	t->shade = (Task__Shade)db_get_int(tx, slot, row, 4);
	t->issuer_agency_code = db_get_text(tx, slot, row, 5);
	t->lead_agency_code = db_get_text(tx, slot, row, 6);
	t->accountable_subject = db_get_text(tx, slot, row, 7);
	t->supporting_agency_codes = db_get_texts(tx, slot, row, 8, &t->n_supporting_agency_codes);
	t->deadline = date_text(c, db_get_date(tx, slot, row, 13));
	t->assigned_us = db_get_time_us(tx, slot, row, 14);
	t->completed_us = db_get_time_us(tx, slot, row, 15);
	t->percent = (uint32_t)db_get_int(tx, slot, row, 16);
	*ret_task = t;
	return fill_source(c, slot, row, t);
}

static int fill_history(struct call *c, int slot, Task__GetReply *out)
{
	int n = db_rows(&c->tx, slot);
	Task__HistoryEntry *list = arena_calloc(c->arena, (size_t)n, sizeof(*list));

	out->history = arena_calloc(c->arena, (size_t)n, sizeof(out->history[0]));
	if (!list || !out->history)
		return no_room(c);
	for (int i = 0; i < n; i++) {
		task__history_entry__init(&list[i]);
		list[i].version = (int32_t)db_get_int(&c->tx, slot, i, 0);
		list[i].state = (Task__TaskState)db_get_int(&c->tx, slot, i, 1);
		list[i].action = db_get_text(&c->tx, slot, i, 2);
		list[i].actor = db_get_text(&c->tx, slot, i, 3);
		list[i].text = db_get_text(&c->tx, slot, i, 4);
		list[i].time_us = db_get_time_us(&c->tx, slot, i, 5);
		out->history[out->n_history++] = &list[i];
	}
	return 0;
}

TASK_HANDLER(get, Get)
{
	struct call *c = call_of(data);
	Task__GetReply out = TASK__GET_REPLY__INIT;
	uint8_t uuid[UUID_BYTES];
	int slot, history;

	(void)svc;
	if (uuid_parse(in->task_id, uuid) < 0) {
		err_set(&c->err, &task_unknown, "task_id", in->task_id);
		return call_fail(c);
	}
	tx_begin(c);
	slot = tx_add(c, &read_task, DB_UUID(uuid), DB_TEXT(eyes_of(c)));
	history = tx_add(c, &read_history, DB_UUID(uuid));
	if (tx_flush(c) < 0)
		return call_fail(c);
	if (db_rows(&c->tx, slot) == 0) {
		err_set(&c->err, &task_unknown, "task_id", in->task_id);
		return call_fail(c);
	}
	if (fill_task(c, slot, 0, &out.task) < 0 || fill_history(c, history, &out) < 0 ||
	    tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

static int fill_list(struct call *c, int slot, Task__ListReply *out)
{
	int n = db_rows(&c->tx, slot);

	out->tasks = arena_calloc(c->arena, (size_t)n, sizeof(out->tasks[0]));
	if (!out->tasks)
		return no_room(c);
	for (int i = 0; i < n; i++)
		if (fill_task(c, slot, i, &out->tasks[out->n_tasks++]) < 0)
			return c->err.status;
	return 0;
}

TASK_HANDLER(list, List)
{
	struct call *c = call_of(data);
	Task__ListReply out = TASK__LIST_REPLY__INIT;
	uint32_t limit = in->limit ? in->limit : LIST_DEFAULT;
	uint8_t after[UUID_BYTES];
	bool first = in->after_task_id[0] == '\0';
	int slot;

	(void)svc;
	if (limit > LIST_MAX)
		err_add(&c->err, &err_invalid_field, "limit", "0..200");
	if (!first && uuid_parse(in->after_task_id, after) < 0)
		err_add(&c->err, &err_invalid_field, "after_task_id", "id");
	if (c->err.status != 0)
		return call_fail(c);
	slot = call_query(c, &list_tasks, DB_TEXT(in->agency_code), DB_TEXT(eyes_of(c)),
			  DB_BOOL(in->open_only), first ? DB_NULL : DB_UUID(after), DB_INT8(limit));
	if (slot < 0 || fill_list(c, slot, &out) < 0)
		return call_fail(c);
	reply(&out, data);
}
