/* The course of a task: reports of the lead unit, completion, the issuer's confirmation. */
#include <string.h>

#include "services/task/task.h"

static const struct err_kind bad_percent = {ERR_INVALID, "BAD_PERCENT",
					    "Tiến độ phải từ 0 đến 99 phần trăm",
					    "progress is 0 to 99 percent"};

TASK_HANDLER(report, Report)
{
	struct call *c = call_of(data);
	Task__ReportReply out = TASK__REPORT_REPLY__INIT;
	Task__TaskReported ev = TASK__TASK_REPORTED__INIT;
	struct task t;

	(void)svc;
	if (in->percent > 99)
		err_add(&c->err, &bad_percent, "percent", NULL);
	if (rules_check_text(in->text, RULES_TEXT_MAX, true, "text", &c->err) < 0 ||
	    task_take(c, in->task_id, RULES_REPORT, &t) < 0)
		return call_fail(c);
	t.percent = in->percent;
	task_save(c, &t, rules_action_name(RULES_REPORT), task_nfc(c, in->text));
	ev.task_id = t.id;
	ev.lead_agency_code = t.lead;
	ev.percent = t.percent;
	tx_event(c, "task.reported", t.id, t.version, &ev.base);
	out.version = t.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* From here on the shade stands still: what counts is how the task stood when it was done. */
TASK_HANDLER(complete, Complete)
{
	struct call *c = call_of(data);
	Task__CompleteReply out = TASK__COMPLETE_REPLY__INIT;
	Task__TaskCompleted ev = TASK__TASK_COMPLETED__INIT;
	struct task t;

	(void)svc;
	if (rules_check_text(in->text, RULES_TEXT_MAX, false, "text", &c->err) < 0 ||
	    task_take(c, in->task_id, RULES_COMPLETE, &t) < 0 ||
	    task_shade(c, t.deadline, &t.shade) < 0)
		return call_fail(c);
	t.completed_us = c->now_us;
	task_save(c, &t, rules_action_name(RULES_COMPLETE), task_nfc(c, in->text));
	ev.task_id = t.id;
	ev.lead_agency_code = t.lead;
	ev.shade = t.shade;
	ev.completed_us = t.completed_us;
	tx_event(c, "task.completed", t.id, t.version, &ev.base);
	out.version = t.version;
	out.shade = t.shade;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

static void confirm(struct call *c, struct task *t, const char *reason)
{
	Task__TaskConfirmed ev = TASK__TASK_CONFIRMED__INIT;

	t->percent = 100;
	task_save(c, t, rules_action_name(RULES_CONFIRM), reason);
	ev.task_id = t->id;
	ev.lead_agency_code = t->lead;
	ev.shade = t->shade;
	ev.completed_us = t->completed_us;
	tx_event(c, "task.confirmed", t->id, t->version, &ev.base);
}

/* Back to the lead unit: the shade is the sweep's again. */
static void give_back(struct call *c, struct task *t, const char *reason)
{
	Task__TaskReturned ev = TASK__TASK_RETURNED__INIT;

	t->completed_us = 0;
	task_save(c, t, rules_action_name(RULES_RETURN), reason);
	ev.task_id = t->id;
	ev.lead_agency_code = t->lead;
	ev.reason = reason;
	tx_event(c, "task.returned", t->id, t->version, &ev.base);
}

TASK_HANDLER(confirm, Confirm)
{
	struct call *c = call_of(data);
	Task__ConfirmReply out = TASK__CONFIRM_REPLY__INIT;
	struct task t;

	(void)svc;
	if (rules_check_text(in->reason, RULES_TEXT_MAX, !in->accepted, "reason", &c->err) < 0 ||
	    task_take(c, in->task_id, in->accepted ? RULES_CONFIRM : RULES_RETURN, &t) < 0)
		return call_fail(c);
	if (in->accepted)
		confirm(c, &t, task_nfc(c, in->reason));
	else
		give_back(c, &t, task_nfc(c, in->reason));
	out.version = t.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
