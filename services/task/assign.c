/* Assigning a task: one transaction of two flushes, the first brings who is in office. */
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "services/task/task.h"

static const struct err_kind not_provincial = {ERR_DENIED, "NOT_PROVINCIAL",
					       "Chỉ cơ quan cấp tỉnh giao nhiệm vụ",
					       "only an agency of the province assigns tasks"};
static const struct err_kind agency_not_in_force = {
	ERR_INVALID, "AGENCY_NOT_IN_FORCE", "Cơ quan %s không tồn tại hoặc không còn hoạt động",
	"agency %s is unknown or not in force on this date"};
static const struct err_kind not_in_office = {
	ERR_INVALID, "NOT_IN_OFFICE", "Người chịu trách nhiệm không giữ chức vụ tại cơ quan %s",
	"the accountable person holds no post in agency %s"};

static const struct db_stmt read_issuer = {
	"SELECT 1 FROM ref_agency WHERE code = $1 AND valid_from <= $2 AND valid_to >= $2"
	" AND level = 'T' LIMIT 1"};

static const struct db_stmt read_missing = {
	"SELECT u.code FROM unnest($1::text[]) AS u (code) WHERE NOT EXISTS ("
	" SELECT 1 FROM ref_agency r WHERE r.code = u.code"
	" AND r.valid_from <= $2 AND r.valid_to >= $2)"};

static const struct db_stmt read_officer = {
	"SELECT 1 FROM ref_officer WHERE subject = $1 AND agency_code = $2"
	" AND valid_from <= $3 AND valid_to >= $3 LIMIT 1"};

static const struct db_stmt insert_task = {
	"INSERT INTO task (id, version, title, state, shade, issuer_agency, lead_agency,"
	" accountable, supporting, source_number, source_date, source_signer, source_abstract,"
	" deadline, assigned_at, percent)"
	" VALUES ($1, 1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0)"};

/* An assignment on its way through the handler. */
struct assignment {
	const Task__AssignRequest *in;
	int32_t today;
	int32_t deadline;
	const char **agencies; /* lead, then supporting */
	size_t n_agencies;
	struct task task;
	struct err found; /* every broken rule */
	struct {
		int issuer, missing, officer;
	} slot;
};

static int list_agencies(struct call *c, struct assignment *a)
{
	const Task__AssignRequest *in = a->in;

	a->agencies =
		arena_calloc(c->arena, in->n_supporting_agency_codes + 1, sizeof(a->agencies[0]));
	if (!a->agencies)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	a->agencies[a->n_agencies++] = in->lead_agency_code;
	for (size_t i = 0; i < in->n_supporting_agency_codes; i++)
		a->agencies[a->n_agencies++] = in->supporting_agency_codes[i];
	return 0;
}

static const char *field_of(const struct assignment *a, const char *code, char out[static 64])
{
	for (size_t i = 1; i < a->n_agencies; i++) {
		if (strcmp(a->agencies[i], code) != 0)
			continue;
		snprintf(out, 64, "supporting_agency_codes[%zu]", i - 1);
		return out;
	}
	return "lead_agency_code";
}

static int check(struct call *c, struct assignment *a)
{
	char field[64];

	if (db_rows(&c->tx, a->slot.issuer) == 0)
		return err_set(&c->err, &not_provincial, NULL, NULL);
	for (int i = 0; i < db_rows(&c->tx, a->slot.missing); i++) {
		const char *code = db_get_text(&c->tx, a->slot.missing, i, 0);

		err_add(&a->found, &agency_not_in_force, field_of(a, code, field), code);
	}
	if (db_rows(&c->tx, a->slot.officer) == 0)
		err_add(&a->found, &not_in_office, "accountable_subject", a->in->lead_agency_code);
	c->err = a->found;
	return c->err.status;
}

static void add_reads(struct call *c, struct assignment *a)
{
	const Task__AssignRequest *in = a->in;

	a->slot.issuer = tx_add(c, &read_issuer, DB_TEXT(c->caller.agency), DB_DATE(a->today));
	a->slot.missing =
		tx_add(c, &read_missing, DB_TEXTS(a->agencies, a->n_agencies), DB_DATE(a->today));
	a->slot.officer = tx_add(c, &read_officer, DB_TEXT(in->accountable_subject),
				 DB_TEXT(in->lead_agency_code), DB_DATE(a->today));
}

static void add_row(struct call *c, struct assignment *a)
{
	const Task__AssignRequest *in = a->in;
	const Task__SourceDocument *s = in->source;
	int32_t source_day = 0;

	if (s)
		civil_parse(s->date, &source_day); /* checked */
	tx_add(c, &insert_task, DB_UUID(a->task.uuid), DB_TEXT(task_nfc(c, in->title)),
	       DB_INT4(a->task.shade), DB_TEXT(c->caller.agency), DB_TEXT(in->lead_agency_code),
	       DB_TEXT(in->accountable_subject), DB_TEXTS(a->agencies + 1, a->n_agencies - 1),
	       DB_TEXT(s ? task_nfc(c, s->number) : NULL), s ? DB_DATE(source_day) : DB_NULL,
	       DB_TEXT(s ? task_nfc(c, s->signer) : NULL),
	       DB_TEXT(s ? task_nfc(c, s->abstract) : NULL), DB_DATE(a->deadline),
	       DB_TIME(c->now_us));
	task_history(c, &a->task, rules_action_name(RULES_ASSIGN), "");
}

static void add_event(struct call *c, const struct assignment *a)
{
	Task__TaskAssigned ev = TASK__TASK_ASSIGNED__INIT;

	ev.task_id = a->task.id;
	ev.issuer_agency_code = c->caller.agency;
	ev.lead_agency_code = a->in->lead_agency_code;
	ev.supporting_agency_codes = a->agencies + 1;
	ev.n_supporting_agency_codes = a->n_agencies - 1;
	ev.deadline = a->in->deadline;
	ev.assigned_us = c->now_us;
	tx_event(c, "task.assigned", a->task.id, 1, &ev.base);
}

TASK_HANDLER(assign, Assign)
{
	struct call *c = call_of(data);
	Task__AssignReply out = TASK__ASSIGN_REPLY__INIT;
	struct assignment *a = arena_alloc(c->arena, sizeof(*a));
	char id[UUID_TEXT_BYTES];

	(void)svc;
	CHECK(a);
	a->in = in;
	a->today = civil_of_us(c->now_us);
	rules_check_assign(in, a->today, &a->deadline, &a->found);
	if (list_agencies(c, a) < 0)
		return call_fail(c);
	tx_begin(c);
	add_reads(c, a);
	if (tx_flush(c) < 0 || check(c, a) < 0)
		return call_fail(c);
	uuid_v7(a->task.uuid);
	uuid_format(a->task.uuid, id);
	a->task.id = id;
	a->task.version = 1;
	a->task.state = TASK__TASK_STATE__TASK_STATE_ASSIGNED;
	a->task.shade = a->deadline == CIVIL_FOREVER ? TASK__SHADE__SHADE_NO_DEADLINE
						     : TASK__SHADE__SHADE_WITHIN;
	add_row(c, a);
	add_event(c, a);
	out.task_id = id;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
