#include "services/dossier/rules.h"

#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"

#define S(name) DOSSIER__DOSSIER_STATE__DOSSIER_STATE_##name

const struct rules_transition rules_transitions[] = {
	{S(UNSPECIFIED), RULES_SUBMIT, S(FILED), RULES_RECEIVER},
	{S(FILED), RULES_ACCEPT, S(ACCEPTED), RULES_RECEIVER},
	{S(ACCEPTED), RULES_FORWARD, S(PROCESSING), RULES_HOLDER},
	{S(PROCESSING), RULES_FORWARD, S(PROCESSING), RULES_HOLDER},
	{S(ACCEPTED), RULES_REQUEST_PAYMENT, S(PAYMENT_REQUESTED), RULES_HOLDER},
	{S(PROCESSING), RULES_REQUEST_PAYMENT, S(PAYMENT_REQUESTED), RULES_HOLDER},
	{S(PAYMENT_REQUESTED), RULES_RESUME, S(PROCESSING), 0},
	{S(PROCESSING), RULES_ISSUE_RESULT, S(RESULT_READY), RULES_HOLDER},
	{S(RESULT_READY), RULES_RETURN, S(RETURNED), RULES_HOLDER | RULES_RECEIVER},
	{S(RESULT_READY), RULES_RATE, S(RESULT_READY), 0},
	{S(RETURNED), RULES_RATE, S(RETURNED), 0},
};
const size_t rules_n_transitions = ARRAY_LEN(rules_transitions);

static const struct err_kind wrong_state = {
	ERR_CONFLICT, "WRONG_STATE", "Trạng thái hiện tại của hồ sơ (%s) không cho phép việc này",
	"the dossier's present state (%s) does not allow this"};
static const struct err_kind not_in_hand = {
	ERR_DENIED, "NOT_IN_HAND", "Hồ sơ không do cơ quan %s xử lý ở bước này",
	"the dossier is not in the hands of agency %s at this step"};

const char *rules_action_name(enum rules_action action)
{
	switch (action) {
	case RULES_SUBMIT:
		return "submit";
	case RULES_ACCEPT:
		return "accept";
	case RULES_FORWARD:
		return "forward";
	case RULES_REQUEST_PAYMENT:
		return "request_payment";
	case RULES_RESUME:
		return "resume";
	case RULES_ISSUE_RESULT:
		return "issue_result";
	case RULES_RETURN:
		return "return";
	case RULES_RATE:
		return "rate";
	}
	return "";
}

static const char *state_name(Dossier__DossierState state)
{
	const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(
		&dossier__dossier_state__descriptor, (int)state);

	return value ? value->name + strlen("DOSSIER_STATE_") : "?";
}

int rules_transition(Dossier__DossierState from, enum rules_action action,
		     const struct rules_transition **ret_row, struct err *err)
{
	for (size_t i = 0; i < rules_n_transitions; i++) {
		const struct rules_transition *row = &rules_transitions[i];

		if (row->from == from && row->action == action) {
			*ret_row = row;
			return 0;
		}
	}
	return err_set(err, &wrong_state, "code", state_name(from));
}

int rules_party(const struct rules_agencies *of, unsigned parties, const char *agency,
		struct err *err)
{
	if (agency[0] != '\0' &&
	    (((parties & RULES_RECEIVER) && strcmp(agency, of->receiving) == 0) ||
	     ((parties & RULES_COMPETENT) && strcmp(agency, of->competent) == 0) ||
	     ((parties & RULES_HOLDER) && strcmp(agency, of->holder) == 0)))
		return 0;
	return err_set(err, &not_in_hand, "code", agency);
}

struct calendar_due rules_due_after_pause(const struct calendar *cal, struct rules_limit limit,
					  int64_t due_us, struct rules_pause pause)
{
	if (limit.unit == DOSSIER__LIMIT_UNIT__LIMIT_UNIT_UNSPECIFIED || due_us == 0)
		return (struct calendar_due){.due_us = 0};
	return calendar_resume(cal, &calendar_timetable_default, (enum calendar_limit)limit.unit,
			       due_us, pause.from_us, pause.to_us);
}

struct calendar_due rules_due(const struct calendar *cal, struct rules_limit limit,
			      int64_t accepted_us, const struct rules_pause *pauses,
			      size_t n_pauses)
{
	struct calendar_due due;
	bool provisional;

	if (limit.unit == DOSSIER__LIMIT_UNIT__LIMIT_UNIT_UNSPECIFIED)
		return (struct calendar_due){.due_us = 0};
	due = calendar_due(cal, &calendar_timetable_default, accepted_us,
			   (enum calendar_limit)limit.unit, limit.value);
	provisional = due.provisional;
	for (size_t i = 0; i < n_pauses; i++) {
		due = rules_due_after_pause(cal, limit, due.due_us, pauses[i]);
		provisional = provisional || due.provisional;
	}
	due.provisional = provisional;
	return due;
}

Dossier__Verdict rules_verdict(int64_t due_us, int64_t finished_us)
{
	int32_t due_day, day;

	if (due_us == 0)
		return DOSSIER__VERDICT__VERDICT_ON_TIME;
	due_day = civil_of_us(due_us);
	day = civil_of_us(finished_us);
	if (day < due_day)
		return DOSSIER__VERDICT__VERDICT_EARLY;
	return day == due_day ? DOSSIER__VERDICT__VERDICT_ON_TIME : DOSSIER__VERDICT__VERDICT_LATE;
}
