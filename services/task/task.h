/*
 * What the files of the task service share: the row of a task as handlers work on it, and the
 * handlers. A change takes the task (lock, state table, agency), decides, saves it with its history
 * and writes the event, in one transaction of two flushes.
 */
#ifndef LGSP_TASK_TASK_H
#define LGSP_TASK_TASK_H

#include "common/base/uuid.h"
#include "common/svc/svc.h"
#include "lgsp/task/v1/events.pb-c.h"
#include "lgsp/task/v1/task.pb-c.h"
#include "services/task/rules.h"

/* Strings live as long as the transaction's results. */
struct task {
	const char *id;
	uint8_t uuid[UUID_BYTES];
	int32_t version;
	Task__TaskState state;
	Task__Shade shade;
	const char *issuer;
	const char *lead;
	int32_t deadline; /* CIVIL_FOREVER: none */
	int64_t completed_us;
	uint32_t percent;
};

extern const struct err_kind task_unknown; /* UNKNOWN_TASK, arg = id */

/*
 * Begins the transaction, locks the task and applies the state table: t->state is the state after
 * the action. NOT_FOUND with UNKNOWN_TASK, CONFLICT with WRONG_STATE, DENIED with NOT_ISSUER or
 * NOT_LEAD.
 */
int task_take(struct call *c, const char *id, enum rules_action action, struct task *ret_task);
/* Queues the locking read in an open transaction; task_read() takes it, false when absent. */
int task_lock_add(struct call *c, const uint8_t uuid[static UUID_BYTES]);
bool task_read(const struct call *c, int slot, struct task *ret_task);
/* Queues the row with version + 1 (set in t too) and its history entry. */
void task_save(struct call *c, struct task *t, const char *action, const char *text);
/* Queues the history entry of the present version. */
void task_history(struct call *c, const struct task *t, const char *action, const char *text);
/* Shade of an open task today by the calendar. 0 or the error. */
int task_shade(struct call *c, int32_t deadline, Task__Shade *ret_shade);
/* The text in NFC. */
const char *task_nfc(struct call *c, const char *s);

#define TASK_HANDLER(name, Name)                                                                   \
	void task_##name(Task__TaskService_Service *svc, const Task__##Name##Request *in,          \
			 Task__##Name##Reply_Closure reply, void *data)

TASK_HANDLER(assign, Assign);
TASK_HANDLER(report, Report);
TASK_HANDLER(complete, Complete);
TASK_HANDLER(confirm, Confirm);
TASK_HANDLER(get, Get);
TASK_HANDLER(list, List);

/* Finds open tasks whose shade is not what the calendar says today, and says so by event. */
int task_job_shades(struct call *c);

#endif
