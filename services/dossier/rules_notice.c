/* What the applicant is told, by which template: every act that changes what they have to expect.
 */
#include "services/dossier/rules_work.h"

#include "common/base/base.h"

#define S(name) DOSSIER__DOSSIER_STATE__DOSSIER_STATE_##name

/* What is good to know: where it can be read at leisure. */
#define INFORM (RULES_PORTAL | RULES_EMAIL)
/* What the applicant waits for or has to do something about. */
#define PROMPT (RULES_PORTAL | RULES_SMS | RULES_EMAIL)
/* What is given in writing beside: requests, refusals, delays, answers to complaints. */
#define IN_WRITING (RULES_PORTAL | RULES_SMS | RULES_EMAIL | RULES_POST)

/* The first that fits counts. */
const struct rules_notice rules_notices[] = {
	{RULES_SUBMIT, 0, 0, "submitted", 1, RULES_TELL_NOTHING, INFORM},
	{RULES_ACCEPT, 0, 0, "accepted", 1, RULES_TELL_DUE, PROMPT},
	{RULES_REFUSE, 0, 0, "refused", 1, RULES_TELL_NOTHING, IN_WRITING},
	{RULES_REQUEST_SUPPLEMENT, 0, 0, "supplement_requested", 1, RULES_TELL_REPLY_BY,
	 IN_WRITING},
	{RULES_SUPPLEMENT, 0, 0, "supplement_received", 1, RULES_TELL_DUE, INFORM},
	{RULES_REQUEST_PAYMENT, 0, 0, "payment_requested", 1, RULES_TELL_NOTHING, PROMPT},
	{RULES_PAY, S(PAYMENT_REQUESTED), 0, "paid", 1, RULES_TELL_DUE, INFORM},
	{RULES_PAY, 0, 0, "paid_late", 1, RULES_TELL_NOTHING, INFORM},
	{RULES_EXEMPT_FEE, 0, 0, "fee_exempted", 1, RULES_TELL_NOTHING, INFORM},
	{RULES_LIFT_PAYMENT, 0, 0, "fee_exempted", 1, RULES_TELL_DUE, INFORM},
	{RULES_EXTEND, 0, 0, "extended", 1, RULES_TELL_DUE, IN_WRITING},
	{RULES_RECOUNT, 0, 0, "due_changed", 1, RULES_TELL_DUE, IN_WRITING},
	{RULES_STOP, 0, 0, "stopped", 1, RULES_TELL_NOTHING, IN_WRITING},
	{RULES_EXPIRE, 0, S(REFUSED), "refused", 1, RULES_TELL_NOTHING, IN_WRITING},
	{RULES_EXPIRE, 0, S(STOPPED), "stopped", 1, RULES_TELL_NOTHING, IN_WRITING},
	{RULES_EXPIRE, 0, S(RESULT_READY), "payment_expired", 1, RULES_TELL_NOTHING, PROMPT},
	{RULES_CONTINUE, 0, 0, "continued", 1, RULES_TELL_DUE, INFORM},
	{RULES_ISSUE_RESULT, 0, 0, "result_ready", 1, RULES_TELL_NOTHING, PROMPT},
	{RULES_RETURN, 0, 0, "returned", 1, RULES_TELL_NOTHING, PROMPT},
	{RULES_HAND_OVER, 0, 0, "handed_over", 1, RULES_TELL_NOTHING, INFORM},
	{RULES_WITHDRAW, 0, 0, "withdrawn", 1, RULES_TELL_NOTHING, PROMPT},
	{RULES_COMPLAIN, 0, 0, "complaint_received", 1, RULES_TELL_NOTHING, INFORM},
	{RULES_ANSWER_COMPLAINT, 0, 0, "complaint_answered", 1, RULES_TELL_NOTHING, IN_WRITING},
	{RULES_REOPEN, 0, 0, "reopened", 1, RULES_TELL_DUE, PROMPT},
};
const size_t rules_n_notices = ARRAY_LEN(rules_notices);

const struct rules_notice *rules_notice(enum rules_action action, Dossier__DossierState from,
					Dossier__DossierState to)
{
	for (size_t i = 0; i < rules_n_notices; i++) {
		const struct rules_notice *n = &rules_notices[i];

		if (n->action == action && (n->from == S(UNSPECIFIED) || n->from == from) &&
		    (n->to == S(UNSPECIFIED) || n->to == to))
			return n;
	}
	return NULL;
}

unsigned rules_notice_ways(const struct rules_notice *n, unsigned given)
{
	return n->ways & given ? n->ways & given : given & RULES_POST;
}

const char *rules_way_name(unsigned bit)
{
	static const char *const names[RULES_WAYS] = {"portal", "sms", "email", "post"};

	return bit < RULES_WAYS ? names[bit] : "";
}
