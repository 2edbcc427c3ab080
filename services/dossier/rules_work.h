/*
 * The pure rules of processing: who of the holder may act, the steps of a procedure's template,
 * codes of reasons, what a request for supplement may ask and its answer must hold, and what the
 * applicant is told. As rules.h: no clock, no database, no bus.
 */
#ifndef LGSP_DOSSIER_RULES_WORK_H
#define LGSP_DOSSIER_RULES_WORK_H

#include "services/dossier/rules.h"

#define RULES_SUPPLEMENT_ITEMS_MAX  50
#define RULES_SUPPLEMENT_ROUNDS_MAX 20
#define RULES_OPINIONS_MAX          50
#define RULES_OPINION_HOURS_MAX     800
#define RULES_COMPLAINTS_MAX        20
#define RULES_TEXT_MAX              4000
#define RULES_TRACKING_MAX          40

/* --- who of the holder --- */

/* Whether an act is for the officer who has the dossier; others of the agency may not do it. */
bool rules_is_officers(enum rules_action action);

struct rules_actor {
	const char *subject;
	bool leader;
	const char *const *absent; /* colleagues the actor stands in for today */
	size_t n_absent;
};

/*
 * Whether the actor may do an officer's act on a dossier of that assignee: nobody has it, they have
 * it, they lead, or they stand in - then *ret_for is the assignee, else "". ERR_DENIED with code
 * NOT_ASSIGNEE.
 */
int rules_assignee(const char *assignee, const struct rules_actor *actor, const char **ret_for,
		   struct err *err);

/* --- steps (rules_steps.c) --- */

/* The step of that ordinal; NULL without one. */
const Dossier__Step *rules_step(const Dossier__Procedure *p, int ordinal);
/* Ordinal behind another in the template (0: the first); 0 when there is none. */
int rules_step_next(const Dossier__Procedure *p, int ordinal);
/* The agency a step is done by. */
const char *rules_step_agency(const Dossier__Step *step, const struct rules_agencies *of);
/* The step a dossier is in after it was forwarded to an agency; outside the template: the same. */
int rules_step_at(const Dossier__Procedure *p, const struct rules_agencies *of, int ordinal,
		  const char *agency);
/* The step to go back to when a leader does not sign: the last before it that is no leader's. */
int rules_step_back(const Dossier__Procedure *p, int ordinal);
/*
 * Whether an officer's act or a leader's may be done in a step; without a step, or one that names
 * no acts, all may; continuing is never forbidden. ERR_CONFLICT with code STEP_FORBIDS.
 */
int rules_step_permits(const Dossier__Step *step, enum rules_action action, struct err *err);
/* The step that hands the result over: the one behind the leader's, or behind the present. */
int rules_step_last(const Dossier__Procedure *p, int ordinal);
/* The template has a leader sign before a result is issued. */
bool rules_step_signs(const Dossier__Procedure *p);
/* Verdict on a step by the hour; without a due date on time. */
Dossier__Verdict rules_step_verdict(int64_t due_us, int64_t ended_us);

/* --- reasons (rules_reasons.c) --- */

enum rules_reason_kind {
	RULES_REASON_SUPPLEMENT = 1,
	RULES_REASON_REFUSAL,
	RULES_REASON_STOP,
	RULES_REASON_WITHDRAWAL,
	RULES_REASON_DECISION, /* negative */
	RULES_REASON_REOPENING,
	RULES_REASON_EXTENSION,
};
#define RULES_REASON_KINDS RULES_REASON_EXTENSION

struct rules_reason {
	const char *code;
	bool needs_note;
};
/* The list of a kind in force today, from the directory. */
struct rules_reasons {
	const struct rules_reason *list;
	size_t n;
};

extern const struct err_kind rules_unknown_reason; /* UNKNOWN_REASON, arg = code */

/* The directory's list of a kind: "reason-supplement", …. */
const char *rules_reason_list(enum rules_reason_kind kind);
/* Given by a feed or a job, never by people. */
bool rules_reason_by_suite(const char *code);
/*
 * Whether people may give that code, with that note beside it: ERR_INVALID with code UNKNOWN_REASON
 * at the field, or REQUIRED_FIELD at "note".
 */
int rules_reason(const struct rules_reasons *reasons, const char *code, const char *note,
		 const char *field, struct err *err);

#define RULES_NO_ANSWER "no_answer" /* the applicant did not answer in time */
#define RULES_UNPAID    "unpaid"    /* the order ran out */

/* --- supplement (rules_supplement.c); adds all errors --- */

/* Reasons: those of supplements; an item's text is its note. */
void rules_check_items(const Dossier__Procedure *p, const struct rules_reasons *reasons,
		       const Dossier__RequestSupplementRequest *in, struct err *err);

/* What was asked for in the round at hand. */
struct rules_asked {
	const char *const *fields;
	size_t n_fields;
	const char *const *components;
	size_t n_components;
	/* Asked by an older system, nobody knows for what: these are all that may be handed in. */
	bool unknown;
};
/* Every item answered - unless it is unknown which -, once, and nothing that was not asked for. */
void rules_check_answer(const struct rules_asked *asked, const Dossier__SupplementRequest *in,
			struct err *err);

/* --- what the applicant is told (rules_notice.c) --- */

enum rules_notice_date { RULES_TELL_NOTHING, RULES_TELL_DUE, RULES_TELL_REPLY_BY };

/* Ways a notice can go: bits, in this order. */
#define RULES_WAYS   4
#define RULES_PORTAL 1u
#define RULES_SMS    2u
#define RULES_EMAIL  4u
#define RULES_POST   8u

struct rules_notice {
	enum rules_action action;
	Dossier__DossierState from, to; /* UNSPECIFIED: any */
	const char *name;               /* of the template */
	uint32_t version;
	enum rules_notice_date date;
	unsigned ways;
};
extern const struct rules_notice rules_notices[];
extern const size_t rules_n_notices;

/* The template for an act; NULL when the applicant need not hear of it. */
const struct rules_notice *rules_notice(enum rules_action action, Dossier__DossierState from,
					Dossier__DossierState to);
/*
 * Which of the given ways a notice goes: those of its template; who gave none of them is written to
 * by post, where there is an address.
 */
unsigned rules_notice_ways(const struct rules_notice *n, unsigned given);
/* "portal", "sms", "email", "post", by the number of the bit. */
const char *rules_way_name(unsigned bit);

#endif
