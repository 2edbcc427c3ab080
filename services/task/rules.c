#include "services/task/rules.h"

#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/utf8.h"

#define S(name) TASK__TASK_STATE__TASK_STATE_##name

const struct rules_transition rules_transitions[] = {
	{S(UNSPECIFIED), RULES_ASSIGN, S(ASSIGNED), RULES_ISSUER},
	{S(ASSIGNED), RULES_REPORT, S(IN_PROGRESS), RULES_LEAD},
	{S(IN_PROGRESS), RULES_REPORT, S(IN_PROGRESS), RULES_LEAD},
	{S(ASSIGNED), RULES_COMPLETE, S(AWAITING_CONFIRMATION), RULES_LEAD},
	{S(IN_PROGRESS), RULES_COMPLETE, S(AWAITING_CONFIRMATION), RULES_LEAD},
	{S(AWAITING_CONFIRMATION), RULES_CONFIRM, S(COMPLETED), RULES_ISSUER},
	{S(AWAITING_CONFIRMATION), RULES_RETURN, S(IN_PROGRESS), RULES_ISSUER},
};
const size_t rules_n_transitions = ARRAY_LEN(rules_transitions);

static const struct err_kind wrong_state = {
	ERR_CONFLICT, "WRONG_STATE",
	"Trạng thái hiện tại của nhiệm vụ (%s) không cho phép việc này",
	"the task's present state (%s) does not allow this"};
static const struct err_kind not_issuer = {ERR_DENIED, "NOT_ISSUER",
					   "Cơ quan %s không phải cơ quan giao nhiệm vụ",
					   "agency %s did not issue the task"};
static const struct err_kind not_lead = {ERR_DENIED, "NOT_LEAD",
					 "Cơ quan %s không chủ trì nhiệm vụ",
					 "agency %s does not lead the task"};
static const struct err_kind bad_text = {ERR_INVALID, "BAD_TEXT",
					 "Nội dung quá dài (tối đa %s ký tự)",
					 "too long (at most %s characters)"};
static const struct err_kind bad_date = {ERR_INVALID, "BAD_DATE", "Ngày không hợp lệ (YYYY-MM-DD)",
					 "not a valid date (YYYY-MM-DD)"};
static const struct err_kind deadline_past = {
	ERR_INVALID, "DEADLINE_PAST", "Thời hạn nhiệm vụ đã qua", "the deadline lies in the past"};
static const struct err_kind too_many = {ERR_INVALID, "TOO_MANY", "Quá nhiều mục (tối đa %s)",
					 "too many entries (at most %s)"};
static const struct err_kind agency_twice = {
	ERR_INVALID, "AGENCY_TWICE", "Cơ quan %s được nêu hai lần", "agency %s is named twice"};

const char *rules_action_name(enum rules_action action)
{
	switch (action) {
	case RULES_ASSIGN:
		return "assign";
	case RULES_REPORT:
		return "report";
	case RULES_COMPLETE:
		return "complete";
	case RULES_CONFIRM:
		return "confirm";
	case RULES_RETURN:
		return "return";
	}
	return "";
}

int rules_transition(Task__TaskState from, enum rules_action action,
		     const struct rules_transition **ret_row, struct err *err)
{
	const ProtobufCEnumValue *name;

	for (size_t i = 0; i < rules_n_transitions; i++) {
		const struct rules_transition *row = &rules_transitions[i];

		if (row->from == from && row->action == action) {
			*ret_row = row;
			return 0;
		}
	}
	name = protobuf_c_enum_descriptor_get_value(&task__task_state__descriptor, (int)from);
	return err_set(err, &wrong_state, "task_id",
		       name ? name->name + strlen("TASK_STATE_") : "?");
}

int rules_party(const char *issuer, const char *lead, enum rules_party party, const char *agency,
		struct err *err)
{
	const char *needed = party == RULES_ISSUER ? issuer : lead;

	if (agency[0] != '\0' && strcmp(agency, needed) == 0)
		return 0;
	return err_set(err, party == RULES_ISSUER ? &not_issuer : &not_lead, "task_id", agency);
}

int32_t rules_near_until(const struct calendar *cal, int32_t today)
{
	return calendar_add_working_days(cal, today, RULES_NEAR_DAYS + 1) - 1;
}

Task__Shade rules_shade(const struct calendar *cal, int32_t today, int32_t deadline)
{
	if (deadline == CIVIL_FOREVER)
		return TASK__SHADE__SHADE_NO_DEADLINE;
	if (deadline < today)
		return TASK__SHADE__SHADE_OVERDUE;
	return calendar_working_days_between(cal, today, deadline) <= RULES_NEAR_DAYS
		       ? TASK__SHADE__SHADE_NEAR_DUE
		       : TASK__SHADE__SHADE_WITHIN;
}

static bool is_blank(const char *s)
{
	return s[strspn(s, " \t\r\n")] == '\0';
}

/* Adds what is wrong with a text. */
static void check_text(const char *s, size_t max, bool required, const char *field, struct err *err)
{
	char arg[24];

	snprintf(arg, sizeof(arg), "%zu", max);
	if (required && is_blank(s))
		err_add(err, &err_required_field, field, NULL);
	else if (utf8_length(s) > max)
		err_add(err, &bad_text, field, arg);
}

int rules_check_text(const char *s, size_t max, bool required, const char *field, struct err *err)
{
	check_text(s, max, required, field, err);
	return err->status;
}

static void check_supporting(const Task__AssignRequest *in, struct err *err)
{
	char field[64];

	if (in->n_supporting_agency_codes > RULES_SUPPORTING_MAX) {
		err_add(err, &too_many, "supporting_agency_codes", "50");
		return;
	}
	for (size_t i = 0; i < in->n_supporting_agency_codes; i++) {
		const char *code = in->supporting_agency_codes[i];
		bool twice = strcmp(code, in->lead_agency_code) == 0;

		for (size_t j = 0; j < i && !twice; j++)
			twice = strcmp(code, in->supporting_agency_codes[j]) == 0;
		snprintf(field, sizeof(field), "supporting_agency_codes[%zu]", i);
		if (twice)
			err_add(err, &agency_twice, field, code);
	}
}

/* A task from a meeting has no document; a document has at least number and date. */
static void check_source(const Task__SourceDocument *s, struct err *err)
{
	int32_t day;

	if (!s)
		return;
	check_text(s->number, 100, true, "source.number", err);
	check_text(s->signer, 200, false, "source.signer", err);
	check_text(s->abstract, 1000, false, "source.abstract", err);
	if (civil_parse(s->date, &day) < 0)
		err_add(err, &bad_date, "source.date", NULL);
}

void rules_check_assign(const Task__AssignRequest *in, int32_t today, int32_t *ret_deadline,
			struct err *err)
{
	int32_t deadline = CIVIL_FOREVER;

	check_text(in->title, RULES_TITLE_MAX, true, "title", err);
	if (is_blank(in->lead_agency_code))
		err_add(err, &err_required_field, "lead_agency_code", NULL);
	if (is_blank(in->accountable_subject))
		err_add(err, &err_required_field, "accountable_subject", NULL);
	check_supporting(in, err);
	check_source(in->source, err);
	if (civil_parse_or_forever(in->deadline, &deadline) < 0)
		err_add(err, &bad_date, "deadline", NULL);
	else if (deadline < today)
		err_add(err, &deadline_past, "deadline", NULL);
	*ret_deadline = deadline;
}
