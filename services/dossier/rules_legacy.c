/* What may be taken over from an older system. */
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/identity.h"
#include "common/base/number.h"
#include "common/base/utf8.h"
#include "services/dossier/legacy.h"

#define S(name) DOSSIER__DOSSIER_STATE__DOSSIER_STATE_##name

#define OLD_NUMBER_DIGITS 9
#define MINUTES_A_DAY     (8 * 60)

static const struct err_kind bad_code = {ERR_INVALID, "BAD_DOSSIER_CODE",
					 "Mã hồ sơ %s không hợp lệ", "%s is no code of a dossier"};
static const struct err_kind exists = {ERR_INVALID, "DOSSIER_EXISTS", "Đã có hồ sơ %s",
				       "there is a dossier %s already"};
static const struct err_kind no_procedure = {ERR_INVALID, "UNKNOWN_PROCEDURE",
					     "Không có thủ tục %s vào ngày nộp hồ sơ",
					     "there was no procedure %s on the day of filing"};
static const struct err_kind no_agency = {ERR_INVALID, "UNKNOWN_AGENCY", "Không có cơ quan %s",
					  "there is no agency %s"};
static const struct err_kind not_in_force = {
	ERR_INVALID, "AGENCY_NOT_IN_FORCE",
	"Cơ quan %s không còn hoạt động nên không thể giữ hồ sơ",
	"agency %s is not in force and cannot hold an open dossier"};
static const struct err_kind bad_number = {ERR_INVALID, "BAD_APPLICANT_NUMBER",
					   "Số định danh hoặc mã số thuế không hợp lệ",
					   "not a number of a citizen or an organisation"};
static const struct err_kind bad_order = {ERR_INVALID, "BAD_ORDER_OF_TIMES",
					  "Thời điểm này không phù hợp với các thời điểm khác: %s",
					  "this time does not fit the others: %s"};
static const struct err_kind not_of_state = {ERR_INVALID, "NOT_OF_STATE",
					     "Giá trị không phù hợp với trạng thái %s của hồ sơ",
					     "does not fit a dossier in state %s"};
static const struct err_kind needed_in_state = {ERR_INVALID, "NEEDED_IN_STATE",
						"Trạng thái %s của hồ sơ cần có giá trị này",
						"is needed for a dossier in state %s"};

bool rules_legacy_open(Dossier__DossierState state)
{
	return state != S(REFUSED) && state != S(WITHDRAWN) && state != S(RESULT_READY) &&
	       state != S(RETURNED);
}

int rules_split_code(const char *code, size_t *ret_agency, int32_t *ret_day, int64_t *ret_ordinal)
{
	const char *dash = strchr(code, '-');
	char day[12];

	if (!rules_dossier_code(code))
		return ERR_INVALID;
	snprintf(day, sizeof(day), "20%.2s-%.2s-%.2s", dash + 1, dash + 3, dash + 5);
	if (civil_parse(day, ret_day) < 0 || number_prefix(dash + 8, 1, INT64_MAX, ret_ordinal) < 0)
		return ERR_INVALID;
	*ret_agency = (size_t)(dash - code);
	return 0;
}

/* A value that a state needs, and that no other may have. */
static void check_bound(const Dossier__LegacyDossier *d, bool present, bool wanted,
			const char *field, struct err *err)
{
	if (present && !wanted)
		err_add(err, &not_of_state, field, rules_state_name(d->state));
	else if (!present && wanted)
		err_add(err, &needed_in_state, field, rules_state_name(d->state));
}

static void check_text(const char *text, size_t min, size_t max, const char *field, struct err *err)
{
	char rule[32];
	size_t n = utf8_length(text);

	snprintf(rule, sizeof(rule), "%zu..%zu", min, max);
	if (n < min || n > max)
		err_add(err, &err_invalid_field, field, rule);
}

static bool old_number(const Dossier__Applicant *a)
{
	return strcmp(a->kind, "citizen") == 0 && strlen(a->number) == OLD_NUMBER_DIGITS &&
	       strspn(a->number, "0123456789") == OLD_NUMBER_DIGITS;
}

static void check_applicant(const Dossier__Applicant *a, int32_t today, struct err *err)
{
	if (!a) {
		err_add(err, &err_required_field, "applicant", NULL);
		return;
	}
	if (!identity_owner(a->kind, a->number, today) && !old_number(a))
		err_add(err, &bad_number, "applicant.number", NULL);
	check_text(a->name, 1, RULES_NAME_MAX, "applicant.name", err);
	check_text(a->address, 0, RULES_ADDRESS_MAX, "applicant.address", err);
	if (a->phone[0] != '\0' && !identity_phone(a->phone))
		err_add(err, &err_invalid_field, "applicant.phone", "0..., +84...");
}

/* Whether a dossier of a state has been accepted: yes, no, or either (5 and 7). */
static void check_accepted(const Dossier__LegacyDossier *d, struct err *err)
{
	bool either = d->state == S(SUPPLEMENT_REQUESTED) || d->state == S(WITHDRAWN);

	if (!either)
		check_bound(d, d->accepted_us != 0, d->state != S(FILED) && d->state != S(REFUSED),
			    "accepted_us", err);
}

static void check_times(const Dossier__LegacyDossier *d, int64_t now_us, struct err *err)
{
	int64_t behind_us = d->accepted_us > d->submitted_us ? d->accepted_us : d->submitted_us;

	if (d->submitted_us <= 0 || d->submitted_us > now_us)
		err_add(err, &bad_order, "submitted_us", "submitted <= now");
	if (d->accepted_us != 0 && (d->accepted_us < d->submitted_us || d->accepted_us > now_us))
		err_add(err, &bad_order, "accepted_us", "submitted <= accepted <= now");
	if (d->due_us != 0 && (d->accepted_us == 0 || d->due_us < d->accepted_us))
		err_add(err, &bad_order, "due_us", "accepted <= due");
	if (d->paused_us != 0 && (d->paused_us < behind_us || d->paused_us > now_us))
		err_add(err, &bad_order, "paused_us", "accepted <= paused <= now");
	if (d->finished_us != 0 && (d->finished_us < behind_us || d->finished_us > now_us))
		err_add(err, &bad_order, "finished_us", "accepted <= finished <= now");
}

/* Same-day and calendar-day limits cannot be counted from working minutes used up. */
static void check_due(const Dossier__LegacyDossier *d, struct rules_limit limit, struct err *err)
{
	bool countable = limit.unit == DOSSIER__LIMIT_UNIT__LIMIT_UNIT_UNSPECIFIED ||
			 limit.unit == DOSSIER__LIMIT_UNIT__LIMIT_UNIT_WORKING_DAY ||
			 limit.unit == DOSSIER__LIMIT_UNIT__LIMIT_UNIT_WORKING_HOUR;

	if (rules_legacy_open(d->state) && d->accepted_us != 0 && d->due_us == 0 && !countable)
		err_add(err, &needed_in_state, "due_us", rules_state_name(d->state));
	if (d->elapsed_minutes > INT32_MAX)
		err_add(err, &err_invalid_field, "elapsed_minutes", "0..2147483647");
}

static void check_money(const Dossier__LegacyDossier *d, struct err *err)
{
	bool asked = d->state == S(PAYMENT_REQUESTED);

	if (d->fee_vnd < 0 || (d->fee_vnd == 0 && (asked || d->fee_paid)))
		err_add(err, &err_invalid_field, "fee_vnd", "> 0");
	if (asked && d->fee_paid)
		err_add(err, &not_of_state, "fee_paid", rules_state_name(d->state));
}

static void check_history(const Dossier__LegacyDossier *d, int64_t now_us, struct err *err)
{
	int64_t before_us = 0;

	if (d->n_history > LEGACY_HISTORY_MAX) {
		err_add(err, &err_invalid_field, "history", "0..200");
		return;
	}
	for (size_t i = 0; i < d->n_history; i++) {
		const Dossier__LegacyEvent *e = d->history[i];

		if (e->time_us < before_us || e->time_us > now_us)
			err_add(err, &bad_order, "history", "one after the other, <= now");
		if (e->state == S(UNSPECIFIED))
			err_add(err, &err_required_field, "history", NULL);
		check_text(e->actor, 0, RULES_NAME_MAX, "history", err);
		check_text(e->note, 0, RULES_NOTE_MAX, "history", err);
		before_us = e->time_us;
	}
	if (d->n_history > 0 && d->history[d->n_history - 1]->state != d->state)
		err_add(err, &not_of_state, "history", rules_state_name(d->state));
}

static void check_places(const Dossier__LegacyDossier *d, const struct rules_legacy *known,
			 struct err *err)
{
	const char *holder =
		d->holder_agency_code[0] ? d->holder_agency_code : d->receiving_agency_code;

	if (known->exists)
		err_add(err, &exists, "code", d->code);
	if (known->procedure_version == 0)
		err_add(err, &no_procedure, "procedure_code", d->procedure_code);
	if (!known->receiving_known)
		err_add(err, &no_agency, "receiving_agency_code", d->receiving_agency_code);
	if (!known->competent_known)
		err_add(err, &no_agency, "competent_agency_code", d->competent_agency_code);
	if (!known->holder_in_force && rules_legacy_open(d->state))
		err_add(err, &not_in_force, "holder_agency_code", holder);
}

void rules_check_legacy(const Dossier__LegacyDossier *d, const struct rules_legacy *known,
			int64_t now_us, struct err *err)
{
	bool paused = rules_paused(d->state);
	size_t agency;
	int32_t day;
	int64_t ordinal;

	if (rules_split_code(d->code, &agency, &day, &ordinal) < 0)
		err_add(err, &bad_code, "code", d->code);
	check_places(d, known, err);
	if (d->channel == DOSSIER__CHANNEL__CHANNEL_UNSPECIFIED)
		err_add(err, &err_required_field, "channel", NULL);
	if (d->state == S(UNSPECIFIED)) {
		err_add(err, &err_required_field, "state", NULL);
		return;
	}
	check_applicant(d->applicant, civil_of_us(now_us), err);
	check_accepted(d, err);
	check_bound(d, d->paused_us != 0, paused, "paused_us", err);
	check_bound(d, d->finished_us != 0, !rules_legacy_open(d->state), "finished_us", err);
	check_bound(d, d->result_number[0] != '\0',
		    d->state == S(RESULT_READY) || d->state == S(RETURNED), "result_number", err);
	check_text(d->result_number, 0, RULES_NAME_MAX, "result_number", err);
	check_times(d, now_us, err);
	check_due(d, known->limit, err);
	check_money(d, err);
	check_history(d, now_us, err);
}

int64_t rules_legacy_due(const Dossier__LegacyDossier *d, struct rules_limit limit,
			 const struct rules_office *office, int64_t now_us)
{
	int64_t minutes, from_us = d->paused_us ? d->paused_us : now_us;

	if (d->due_us != 0 || d->accepted_us == 0 || !rules_legacy_open(d->state) ||
	    limit.unit == DOSSIER__LIMIT_UNIT__LIMIT_UNIT_UNSPECIFIED)
		return d->due_us;
	minutes = limit.unit == DOSSIER__LIMIT_UNIT__LIMIT_UNIT_WORKING_DAY
			  ? (int64_t)limit.value * MINUTES_A_DAY
			  : (int64_t)limit.value * 60;
	minutes -= (int64_t)d->elapsed_minutes;
	return calendar_add_working_minutes(office->cal, &office->hours, from_us,
					    minutes > 0 ? minutes : 0)
		.due_us;
}
