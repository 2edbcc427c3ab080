/* The steps of a procedure's template, and who of the holder may act. */
#include "services/dossier/rules_work.h"

#include <string.h>

static const struct err_kind not_assignee = {ERR_DENIED, "NOT_ASSIGNEE",
					     "Hồ sơ đã được giao cho người khác xử lý (%s)",
					     "the dossier is assigned to somebody else (%s)"};

static const struct err_kind step_forbids = {
	ERR_CONFLICT, "STEP_FORBIDS", "Bước hiện tại của quy trình (%s) không cho phép việc này",
	"the present step of the template (%s) does not allow this"};

bool rules_is_officers(enum rules_action action)
{
	static const enum rules_action acts[] = {
		RULES_REQUEST_SUPPLEMENT,
		RULES_REQUEST_PAYMENT,
		RULES_EXEMPT_FEE,
		RULES_FORWARD,
		RULES_NEXT_STEP,
		RULES_REQUEST_OPINION,
		RULES_WITHDRAW_OPINION,
		RULES_OPEN_CHILD,
		RULES_EXTEND,
		RULES_STOP,
		RULES_CONTINUE,
		RULES_ISSUE_RESULT,
		RULES_REUSE,
	};

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		if (acts[i] == action)
			return true;
	return false;
}

int rules_assignee(const char *assignee, const struct rules_actor *actor, const char **ret_for,
		   struct err *err)
{
	*ret_for = "";
	if (assignee[0] == '\0' || strcmp(assignee, actor->subject) == 0)
		return 0;
	for (size_t i = 0; i < actor->n_absent; i++) {
		if (strcmp(assignee, actor->absent[i]) == 0) {
			*ret_for = assignee;
			return 0;
		}
	}
	return actor->leader ? 0 : err_set(err, &not_assignee, "code", assignee);
}

const Dossier__Step *rules_step(const Dossier__Procedure *p, int ordinal)
{
	for (size_t i = 0; ordinal > 0 && i < p->n_steps; i++)
		if ((int)p->steps[i]->ordinal == ordinal)
			return p->steps[i];
	return NULL;
}

int rules_step_next(const Dossier__Procedure *p, int ordinal)
{
	int next = 0;

	for (size_t i = 0; i < p->n_steps; i++) {
		int o = (int)p->steps[i]->ordinal;

		if (o > ordinal && (next == 0 || o < next))
			next = o;
	}
	return next;
}

const char *rules_step_agency(const Dossier__Step *step, const struct rules_agencies *of)
{
	if (strcmp(step->agency_rule, "receiving") == 0)
		return of->receiving;
	return strcmp(step->agency_rule, "competent") == 0 ? of->competent : step->agency_rule;
}

int rules_step_at(const Dossier__Procedure *p, const struct rules_agencies *of, int ordinal,
		  const char *agency)
{
	for (int o = rules_step_next(p, ordinal); o != 0; o = rules_step_next(p, o))
		if (strcmp(rules_step_agency(rules_step(p, o), of), agency) == 0)
			return o;
	return ordinal;
}

static bool is_leaders(const Dossier__Step *step)
{
	return strcmp(step->role, "leader") == 0;
}

int rules_step_back(const Dossier__Procedure *p, int ordinal)
{
	int back = 0;

	for (size_t i = 0; i < p->n_steps; i++) {
		int o = (int)p->steps[i]->ordinal;

		if (o < ordinal && o > back && !is_leaders(p->steps[i]))
			back = o;
	}
	return back != 0 ? back : ordinal;
}

int rules_step_permits(const Dossier__Step *step, enum rules_action action, struct err *err)
{
	/* Time or an order may have stopped it, which is no act of a step: going on is free. */
	if (!step || step->n_actions == 0 || action == RULES_CONTINUE)
		return 0;
	if (!rules_is_officers(action) && action != RULES_SIGN_OFF && action != RULES_REWORK)
		return 0;
	for (size_t i = 0; i < step->n_actions; i++)
		if (strcmp(step->actions[i], rules_action_name(action)) == 0)
			return 0;
	return err_set(err, &step_forbids, "code", step->name);
}

int rules_step_last(const Dossier__Procedure *p, int ordinal)
{
	int last = ordinal;

	for (size_t i = 0; i < p->n_steps; i++)
		if ((int)p->steps[i]->ordinal > last && is_leaders(p->steps[i]))
			last = (int)p->steps[i]->ordinal;
	return rules_step_next(p, last);
}

bool rules_step_signs(const Dossier__Procedure *p)
{
	for (size_t i = 0; i < p->n_steps; i++)
		if (is_leaders(p->steps[i]))
			return true;
	return false;
}

Dossier__Verdict rules_step_verdict(int64_t due_us, int64_t ended_us)
{
	const int64_t hour_us = INT64_C(3600) * 1000000;

	if (due_us == 0)
		return DOSSIER__VERDICT__VERDICT_ON_TIME;
	if (ended_us > due_us)
		return DOSSIER__VERDICT__VERDICT_LATE;
	return due_us - ended_us >= hour_us ? DOSSIER__VERDICT__VERDICT_EARLY
					    : DOSSIER__VERDICT__VERDICT_ON_TIME;
}
