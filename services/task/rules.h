/*
 * The pure rules of tasks: states and who may move them, the shade against the deadline, what may
 * be assigned. No clock, no database.
 */
#ifndef LGSP_TASK_RULES_H
#define LGSP_TASK_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/calendar.h"
#include "common/base/err.h"
#include "lgsp/task/v1/task.pb-c.h"

#define RULES_TITLE_MAX      500
#define RULES_TEXT_MAX       4000
#define RULES_SUPPORTING_MAX 50
#define RULES_NEAR_DAYS      3 /* working days left at which a task is near its deadline */

enum rules_action {
	RULES_ASSIGN = 1,
	RULES_REPORT,
	RULES_COMPLETE,
	RULES_CONFIRM,
	RULES_RETURN, /* the issuer does not accept it as done */
};
#define RULES_ACTIONS RULES_RETURN

enum rules_party { RULES_ISSUER = 1, RULES_LEAD = 2 };

struct rules_transition {
	Task__TaskState from; /* UNSPECIFIED: the task does not exist yet */
	enum rules_action action;
	Task__TaskState to;
	enum rules_party party; /* whose staff may */
};

/* The state table: what is not in it is refused. */
extern const struct rules_transition rules_transitions[];
extern const size_t rules_n_transitions;

const char *rules_action_name(enum rules_action action);

/* The row for an action in a state; ERR_CONFLICT with code WRONG_STATE. */
int rules_transition(Task__TaskState from, enum rules_action action,
		     const struct rules_transition **ret_row, struct err *err);
/* ERR_DENIED with code NOT_ISSUER or NOT_LEAD. */
int rules_party(const char *issuer, const char *lead, enum rules_party party, const char *agency,
		struct err *err);

/* How an open task stands on a day; deadline CIVIL_FOREVER: none. */
Task__Shade rules_shade(const struct calendar *cal, int32_t today, int32_t deadline);
/* Last deadline that is near on a day: everything after it, up to forever, is within. */
int32_t rules_near_until(const struct calendar *cal, int32_t today);

/* What may be assigned on a day; adds all errors. ret_deadline: CIVIL_FOREVER without one. */
void rules_check_assign(const Task__AssignRequest *in, int32_t today, int32_t *ret_deadline,
			struct err *err);
/* A required text of at most max characters. */
int rules_check_text(const char *s, size_t max, bool required, const char *field, struct err *err);

#endif
