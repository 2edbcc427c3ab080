/*
 * The life of a dossier: which act leads from which state to which, and who may do it. The ten
 * states are those of the national one-stop synchronisation; docs/dossier.md prints the table.
 */
#include "services/dossier/rules.h"

#include <string.h>

#include "common/base/base.h"

#define S(name) DOSSIER__DOSSIER_STATE__DOSSIER_STATE_##name
#define NONE    S(UNSPECIFIED)
#define DESK    (RULES_RECEIVER | RULES_SUPPORTING)
/* The applicant, or the desk for one who comes with a paper. */
#define IN_PERSON (RULES_APPLICANT | DESK)

const struct rules_transition rules_transitions[] = {
	/* intake */
	{NONE, RULES_SUBMIT, S(FILED), IN_PERSON, 0},
	{S(FILED), RULES_ACCEPT, S(ACCEPTED), RULES_RECEIVER, 0},
	{S(FILED), RULES_REFUSE, S(REFUSED), RULES_RECEIVER, 0},
	{S(FILED), RULES_LATE_ANSWER, S(FILED), RULES_SUITE, 0},
	/* supplement */
	{S(FILED), RULES_REQUEST_SUPPLEMENT, S(SUPPLEMENT_REQUESTED), RULES_RECEIVER, 0},
	{S(ACCEPTED), RULES_REQUEST_SUPPLEMENT, S(SUPPLEMENT_REQUESTED), RULES_HOLDER, 0},
	{S(PROCESSING), RULES_REQUEST_SUPPLEMENT, S(SUPPLEMENT_REQUESTED), RULES_HOLDER, 0},
	{S(SUPPLEMENT_REQUESTED), RULES_SUPPLEMENT, S(FILED), IN_PERSON, S(FILED)},
	{S(SUPPLEMENT_REQUESTED), RULES_SUPPLEMENT, S(ACCEPTED), IN_PERSON, S(ACCEPTED)},
	{S(SUPPLEMENT_REQUESTED), RULES_SUPPLEMENT, S(PROCESSING), IN_PERSON, S(PROCESSING)},
	{S(SUPPLEMENT_REQUESTED), RULES_EXPIRE, S(REFUSED), RULES_SUITE, S(FILED)},
	{S(SUPPLEMENT_REQUESTED), RULES_EXPIRE, S(STOPPED), RULES_SUITE, S(ACCEPTED)},
	{S(SUPPLEMENT_REQUESTED), RULES_EXPIRE, S(STOPPED), RULES_SUITE, S(PROCESSING)},
	/* payment; what comes late is recorded where the dossier stands */
	{S(ACCEPTED), RULES_REQUEST_PAYMENT, S(PAYMENT_REQUESTED), RULES_HOLDER, 0},
	{S(PROCESSING), RULES_REQUEST_PAYMENT, S(PAYMENT_REQUESTED), RULES_HOLDER, 0},
	{S(RESULT_READY), RULES_REQUEST_PAYMENT, S(RESULT_READY), RULES_HOLDER | DESK, 0},
	{S(PAYMENT_REQUESTED), RULES_PAY, S(PROCESSING), RULES_SUITE, 0},
	{S(PROCESSING), RULES_PAY, S(PROCESSING), RULES_SUITE, 0},
	{S(SUPPLEMENT_REQUESTED), RULES_PAY, S(SUPPLEMENT_REQUESTED), RULES_SUITE, 0},
	{S(WITHDRAWN), RULES_PAY, S(WITHDRAWN), RULES_SUITE, 0},
	{S(STOPPED), RULES_PAY, S(STOPPED), RULES_SUITE, 0},
	{S(RESULT_READY), RULES_PAY, S(RESULT_READY), RULES_SUITE, 0},
	{S(RETURNED), RULES_PAY, S(RETURNED), RULES_SUITE, 0},
	{S(PAYMENT_REQUESTED), RULES_EXPIRE, S(STOPPED), RULES_SUITE, 0},
	{S(RESULT_READY), RULES_EXPIRE, S(RESULT_READY), RULES_SUITE, 0},
	{S(FILED), RULES_EXEMPT_FEE, S(FILED), RULES_RECEIVER, 0},
	{S(ACCEPTED), RULES_EXEMPT_FEE, S(ACCEPTED), RULES_HOLDER, 0},
	{S(PROCESSING), RULES_EXEMPT_FEE, S(PROCESSING), RULES_HOLDER, 0},
	{S(SUPPLEMENT_REQUESTED), RULES_EXEMPT_FEE, S(SUPPLEMENT_REQUESTED), RULES_HOLDER, 0},
	{S(PAYMENT_REQUESTED), RULES_EXEMPT_FEE, S(PAYMENT_REQUESTED), RULES_HOLDER, 0},
	{S(PAYMENT_REQUESTED), RULES_LIFT_PAYMENT, S(PROCESSING), RULES_HOLDER, 0},
	{S(STOPPED), RULES_EXEMPT_FEE, S(STOPPED), RULES_HOLDER, 0},
	{S(RESULT_READY), RULES_EXEMPT_FEE, S(RESULT_READY), RULES_HOLDER | DESK, 0},
	/* processing */
	{S(ACCEPTED), RULES_FORWARD, S(PROCESSING), RULES_HOLDER, 0},
	{S(PROCESSING), RULES_FORWARD, S(PROCESSING), RULES_HOLDER, 0},
	{S(PROCESSING), RULES_RECEIVE, S(PROCESSING), RULES_HOLDER, 0},
	{S(ACCEPTED), RULES_CLAIM, S(ACCEPTED), RULES_HOLDER, 0},
	{S(PROCESSING), RULES_CLAIM, S(PROCESSING), RULES_HOLDER, 0},
	{S(ACCEPTED), RULES_ASSIGN, S(ACCEPTED), RULES_HOLDER, 0},
	{S(PROCESSING), RULES_ASSIGN, S(PROCESSING), RULES_HOLDER, 0},
	{S(ACCEPTED), RULES_STAND_IN, S(ACCEPTED), RULES_HOLDER, 0},
	{S(PROCESSING), RULES_STAND_IN, S(PROCESSING), RULES_HOLDER, 0},
	{S(PROCESSING), RULES_NEXT_STEP, S(PROCESSING), RULES_HOLDER, 0},
	{S(PROCESSING), RULES_REQUEST_OPINION, S(PROCESSING), RULES_HOLDER, 0},
	{S(PROCESSING), RULES_GIVE_OPINION, S(PROCESSING), RULES_ASKED, 0},
	{S(SUPPLEMENT_REQUESTED), RULES_GIVE_OPINION, S(SUPPLEMENT_REQUESTED), RULES_ASKED, 0},
	{S(PAYMENT_REQUESTED), RULES_GIVE_OPINION, S(PAYMENT_REQUESTED), RULES_ASKED, 0},
	{S(PROCESSING), RULES_WITHDRAW_OPINION, S(PROCESSING), RULES_HOLDER, 0},
	{S(PROCESSING), RULES_LATE_OPINION, S(PROCESSING), RULES_SUITE, 0},
	{S(SUPPLEMENT_REQUESTED), RULES_LATE_OPINION, S(SUPPLEMENT_REQUESTED), RULES_SUITE, 0},
	{S(PAYMENT_REQUESTED), RULES_LATE_OPINION, S(PAYMENT_REQUESTED), RULES_SUITE, 0},
	{S(ACCEPTED), RULES_OPEN_CHILD, S(ACCEPTED), RULES_HOLDER, 0},
	{S(PROCESSING), RULES_OPEN_CHILD, S(PROCESSING), RULES_HOLDER, 0},
	{S(PROCESSING), RULES_SIGN_OFF, S(PROCESSING), RULES_HOLDER, 0},
	{S(PROCESSING), RULES_REWORK, S(PROCESSING), RULES_HOLDER, 0},
	{S(ACCEPTED), RULES_EXTEND, S(ACCEPTED), RULES_HOLDER, 0},
	{S(PROCESSING), RULES_EXTEND, S(PROCESSING), RULES_HOLDER, 0},
	{S(ACCEPTED), RULES_STOP, S(STOPPED), RULES_HOLDER, 0},
	{S(PROCESSING), RULES_STOP, S(STOPPED), RULES_HOLDER, 0},
	{S(SUPPLEMENT_REQUESTED), RULES_STOP, S(STOPPED), RULES_HOLDER, S(ACCEPTED)},
	{S(SUPPLEMENT_REQUESTED), RULES_STOP, S(STOPPED), RULES_HOLDER, S(PROCESSING)},
	{S(STOPPED), RULES_CONTINUE, S(PROCESSING), RULES_HOLDER, 0},
	/* result */
	{S(PROCESSING), RULES_ISSUE_RESULT, S(RESULT_READY), RULES_HOLDER, 0},
	{S(RESULT_READY), RULES_RETURN, S(RETURNED), RULES_HOLDER | DESK, 0},
	{S(RETURNED), RULES_HAND_OVER, S(RETURNED), RULES_HOLDER | DESK | RULES_SUITE, 0},
	{S(RESULT_READY), RULES_RATE, S(RESULT_READY), RULES_APPLICANT, 0},
	{S(RETURNED), RULES_RATE, S(RETURNED), RULES_APPLICANT, 0},
	{S(RESULT_READY), RULES_COMPLAIN, S(RESULT_READY), RULES_APPLICANT, 0},
	{S(RETURNED), RULES_COMPLAIN, S(RETURNED), RULES_APPLICANT, 0},
	{S(RESULT_READY), RULES_ANSWER_COMPLAINT, S(RESULT_READY), RULES_HOLDER | RULES_COMPETENT,
	 0},
	{S(RETURNED), RULES_ANSWER_COMPLAINT, S(RETURNED), RULES_HOLDER | RULES_COMPETENT, 0},
	{S(RESULT_READY), RULES_REOPEN, S(PROCESSING), RULES_HOLDER | RULES_COMPETENT, 0},
	{S(RETURNED), RULES_REOPEN, S(PROCESSING), RULES_HOLDER | RULES_COMPETENT, 0},
	/* withdrawal */
	{S(FILED), RULES_WITHDRAW, S(WITHDRAWN), IN_PERSON, 0},
	{S(ACCEPTED), RULES_WITHDRAW, S(WITHDRAWN), IN_PERSON, 0},
	{S(PROCESSING), RULES_WITHDRAW, S(WITHDRAWN), IN_PERSON, 0},
	{S(SUPPLEMENT_REQUESTED), RULES_WITHDRAW, S(WITHDRAWN), IN_PERSON, 0},
	{S(PAYMENT_REQUESTED), RULES_WITHDRAW, S(WITHDRAWN), IN_PERSON, 0},
	{S(STOPPED), RULES_WITHDRAW, S(WITHDRAWN), IN_PERSON, 0},
	/* what an open dossier is counted by */
	{S(FILED), RULES_REBASE, S(FILED), RULES_RECEIVER | RULES_SUITE, 0},
	{S(ACCEPTED), RULES_REBASE, S(ACCEPTED), RULES_HOLDER | RULES_SUITE, 0},
	{S(PROCESSING), RULES_REBASE, S(PROCESSING), RULES_HOLDER | RULES_SUITE, 0},
	{S(SUPPLEMENT_REQUESTED), RULES_REBASE, S(SUPPLEMENT_REQUESTED), RULES_HOLDER | RULES_SUITE,
	 0},
	{S(PAYMENT_REQUESTED), RULES_REBASE, S(PAYMENT_REQUESTED), RULES_HOLDER | RULES_SUITE, 0},
	{S(STOPPED), RULES_REBASE, S(STOPPED), RULES_HOLDER | RULES_SUITE, 0},
	{S(ACCEPTED), RULES_RECOUNT, S(ACCEPTED), RULES_HOLDER | RULES_SUITE, 0},
	{S(PROCESSING), RULES_RECOUNT, S(PROCESSING), RULES_HOLDER | RULES_SUITE, 0},
	{S(SUPPLEMENT_REQUESTED), RULES_RECOUNT, S(SUPPLEMENT_REQUESTED),
	 RULES_HOLDER | RULES_SUITE, 0},
	{S(PAYMENT_REQUESTED), RULES_RECOUNT, S(PAYMENT_REQUESTED), RULES_HOLDER | RULES_SUITE, 0},
	{S(STOPPED), RULES_RECOUNT, S(STOPPED), RULES_HOLDER | RULES_SUITE, 0},
	{S(FILED), RULES_REUSE, S(FILED), RULES_RECEIVER, 0},
	{S(ACCEPTED), RULES_REUSE, S(ACCEPTED), RULES_HOLDER, 0},
	{S(PROCESSING), RULES_REUSE, S(PROCESSING), RULES_HOLDER, 0},
	{S(SUPPLEMENT_REQUESTED), RULES_REUSE, S(SUPPLEMENT_REQUESTED), RULES_HOLDER, 0},
	/* the opening import; no. 5, 6 and 8 come with what they resume to */
	{NONE, RULES_IMPORT_LEGACY, S(FILED), RULES_SUITE, S(FILED)},
	{NONE, RULES_IMPORT_LEGACY, S(ACCEPTED), RULES_SUITE, S(ACCEPTED)},
	{NONE, RULES_IMPORT_LEGACY, S(REFUSED), RULES_SUITE, S(REFUSED)},
	{NONE, RULES_IMPORT_LEGACY, S(PROCESSING), RULES_SUITE, S(PROCESSING)},
	{NONE, RULES_IMPORT_LEGACY, S(SUPPLEMENT_REQUESTED), RULES_SUITE, S(SUPPLEMENT_REQUESTED)},
	{NONE, RULES_IMPORT_LEGACY, S(PAYMENT_REQUESTED), RULES_SUITE, S(PAYMENT_REQUESTED)},
	{NONE, RULES_IMPORT_LEGACY, S(WITHDRAWN), RULES_SUITE, S(WITHDRAWN)},
	{NONE, RULES_IMPORT_LEGACY, S(STOPPED), RULES_SUITE, S(STOPPED)},
	{NONE, RULES_IMPORT_LEGACY, S(RESULT_READY), RULES_SUITE, S(RESULT_READY)},
	{NONE, RULES_IMPORT_LEGACY, S(RETURNED), RULES_SUITE, S(RETURNED)},
};
const size_t rules_n_transitions = ARRAY_LEN(rules_transitions);

static const struct err_kind wrong_state = {
	ERR_CONFLICT, "WRONG_STATE", "Trạng thái hiện tại của hồ sơ (%s) không cho phép việc này",
	"the dossier's present state (%s) does not allow this"};
static const struct err_kind not_in_hand = {
	ERR_DENIED, "NOT_IN_HAND", "Hồ sơ không do cơ quan %s xử lý ở bước này",
	"the dossier is not in the hands of agency %s at this step"};

static const char *const action_names[RULES_ACTIONS + 1] = {
	[0] = "",
	[RULES_SUBMIT] = "submit",
	[RULES_ACCEPT] = "accept",
	[RULES_REFUSE] = "refuse",
	[RULES_REQUEST_SUPPLEMENT] = "request_supplement",
	[RULES_SUPPLEMENT] = "supplement",
	[RULES_REQUEST_PAYMENT] = "request_payment",
	[RULES_PAY] = "pay",
	[RULES_EXEMPT_FEE] = "exempt_fee",
	[RULES_LIFT_PAYMENT] = "lift_payment",
	[RULES_FORWARD] = "forward",
	[RULES_RECEIVE] = "receive",
	[RULES_CLAIM] = "claim",
	[RULES_ASSIGN] = "assign",
	[RULES_STAND_IN] = "stand_in",
	[RULES_NEXT_STEP] = "next_step",
	[RULES_REQUEST_OPINION] = "request_opinion",
	[RULES_GIVE_OPINION] = "give_opinion",
	[RULES_WITHDRAW_OPINION] = "withdraw_opinion",
	[RULES_LATE_OPINION] = "late_opinion",
	[RULES_OPEN_CHILD] = "open_child",
	[RULES_SIGN_OFF] = "sign_off",
	[RULES_REWORK] = "return_for_rework",
	[RULES_EXTEND] = "extend",
	[RULES_STOP] = "stop",
	[RULES_CONTINUE] = "continue",
	[RULES_ISSUE_RESULT] = "issue_result",
	[RULES_RETURN] = "return",
	[RULES_HAND_OVER] = "hand_over",
	[RULES_WITHDRAW] = "withdraw",
	[RULES_EXPIRE] = "expire",
	[RULES_REOPEN] = "reopen",
	[RULES_COMPLAIN] = "complain",
	[RULES_ANSWER_COMPLAINT] = "answer_complaint",
	[RULES_RATE] = "rate",
	[RULES_REBASE] = "rebase",
	[RULES_RECOUNT] = "due_changed",
	[RULES_REUSE] = "reuse",
	[RULES_LATE_ANSWER] = "late_answer",
	[RULES_IMPORT_LEGACY] = "import_legacy",
};

const char *rules_action_name(enum rules_action action)
{
	return action > 0 && action <= RULES_ACTIONS ? action_names[action] : "";
}

const char *rules_party_name(unsigned bit)
{
	static const char *const names[RULES_PARTIES] = {
		"receiver", "competent", "holder", "supporting", "asked", "applicant", "suite"};

	return bit < RULES_PARTIES ? names[bit] : "";
}

const char *rules_state_name(Dossier__DossierState state)
{
	const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(
		&dossier__dossier_state__descriptor, (int)state);

	return value && state != NONE ? value->name + strlen("DOSSIER_STATE_") : "-";
}

int rules_transition(Dossier__DossierState from, enum rules_action action,
		     Dossier__DossierState back, const struct rules_transition **ret_row,
		     struct err *err)
{
	for (size_t i = 0; i < rules_n_transitions; i++) {
		const struct rules_transition *row = &rules_transitions[i];

		if (row->from == from && row->action == action &&
		    (row->back == NONE || row->back == back)) {
			*ret_row = row;
			return 0;
		}
	}
	return err_set(err, &wrong_state, "code", rules_state_name(from));
}

bool rules_paused(Dossier__DossierState state)
{
	return state == S(SUPPLEMENT_REQUESTED) || state == S(PAYMENT_REQUESTED) ||
	       state == S(STOPPED);
}

Dossier__DossierState rules_resumes_to(Dossier__DossierState from, Dossier__DossierState back,
				       Dossier__DossierState to)
{
	if (!rules_paused(to))
		return NONE;
	return rules_paused(from) ? back : from;
}

const char *rules_pause_kind(Dossier__DossierState state, int opinions_pausing)
{
	if (state == S(SUPPLEMENT_REQUESTED))
		return "supplement";
	if (state == S(PAYMENT_REQUESTED))
		return "payment";
	if (state == S(STOPPED))
		return "stop";
	return state == S(PROCESSING) && opinions_pausing > 0 ? "outside" : "";
}

int rules_party(const struct rules_agencies *of, unsigned parties, const char *agency,
		struct err *err)
{
	const char *const agencies[] = {of->receiving, of->competent, of->holder, of->supporting,
					of->asked};

	for (size_t i = 0; agency[0] != '\0' && i < ARRAY_LEN(agencies); i++)
		if ((parties & 1u << i) && agencies[i] && strcmp(agency, agencies[i]) == 0)
			return 0;
	return err_set(err, &not_in_hand, "code", agency);
}
