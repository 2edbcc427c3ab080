/* What the task feed adds: tasks as they stand, and TASK-ON-TIME when one is confirmed. */
#include <string.h>

#include "lgsp/task/v1/events.pb-c.h"
#include "services/kpi/kpi.h"

static const struct db_stmt insert_task = {
	"INSERT INTO fact_task (id, lead_agency_code, state, shade) VALUES ($1, $2, $3, $4)"};

static const struct db_stmt update_task = {
	"UPDATE fact_task SET state = $2, shade = coalesce($3, shade), completed_at = $4 "
	"WHERE id = $1"};

static const struct db_stmt update_shade = {"UPDATE fact_task SET shade = $2 WHERE id = $1"};

static int assigned(struct call *c, const Task__TaskAssigned *t)
{
	int shade = *t->deadline ? TASK__SHADE__SHADE_WITHIN : TASK__SHADE__SHADE_NO_DEADLINE;

	tx_add(c, &insert_task, DB_TEXT(t->task_id), DB_TEXT(t->lead_agency_code),
	       DB_INT4(TASK__TASK_STATE__TASK_STATE_ASSIGNED), DB_INT4(shade));
	return 0;
}

static int confirmed(struct call *c, const Task__TaskConfirmed *t)
{
	tx_add(c, &update_task, DB_TEXT(t->task_id),
	       DB_INT4(TASK__TASK_STATE__TASK_STATE_COMPLETED), DB_INT4(t->shade),
	       DB_TIME(t->completed_us));
	if (t->shade != TASK__SHADE__SHADE_NO_DEADLINE)
		counter_add(c, "TASK-ON-TIME", t->lead_agency_code, t->completed_us,
			    t->shade != TASK__SHADE__SHADE_OVERDUE);
	return 0;
}

int kpi_apply_task(struct call *c, const struct svc_event *ev)
{
	const void *p = ev->payload;

	if (!p)
		return 0;
	if (strcmp(ev->type, "task.assigned") == 0)
		return assigned(c, p);
	if (strcmp(ev->type, "task.confirmed") == 0)
		return confirmed(c, p);
	if (strcmp(ev->type, "task.shade_changed") == 0)
		tx_add(c, &update_shade, DB_TEXT(ev->subject),
		       DB_INT4(((const Task__TaskShadeChanged *)p)->shade));
	if (strcmp(ev->type, "task.reported") == 0 || strcmp(ev->type, "task.returned") == 0)
		tx_add(c, &update_task, DB_TEXT(ev->subject),
		       DB_INT4(TASK__TASK_STATE__TASK_STATE_IN_PROGRESS), DB_NULL, DB_NULL);
	if (strcmp(ev->type, "task.completed") == 0)
		tx_add(c, &update_task, DB_TEXT(ev->subject),
		       DB_INT4(TASK__TASK_STATE__TASK_STATE_AWAITING_CONFIRMATION),
		       DB_INT4(((const Task__TaskCompleted *)p)->shade),
		       DB_TIME(((const Task__TaskCompleted *)p)->completed_us));
	return 0;
}
