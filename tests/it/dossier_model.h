/*
 * A model of the dossier service for test_dossier_model.c: its own table of who may do what in
 * which state, its own clock, and what an act makes of a dossier. It shares with the service only
 * the counting of calendars, which others check. Pure: time and place come with the call.
 *
 * dossier_acts.c asks the service for the same.
 */
#ifndef LGSP_TESTS_IT_DOSSIER_MODEL_H
#define LGSP_TESTS_IT_DOSSIER_MODEL_H

#include "common/base/calendar.h"
#include "tests/it/dossier_rig.h"

#define MODEL_DESKS      3 /* the third receives nothing: it is asked, and gets dossiers forwarded */
#define MODEL_ASKED      2
#define MODEL_GONE       3 /* of agencies: one that is no more */
#define MODEL_OPINIONS   50
#define MODEL_COMPLAINTS 20
#define MODEL_LAST       24
#define MODEL_BATCH      6
#define MODEL_DRAFT_DAYS 30
#define MODEL_STEPPED    "1.001612"
#define MODEL_RECORD     "record-held" /* of the applicant, meets TP1 */
#define MODEL_TRACKING   "VN123"
#define MODEL_FEE_VND    15000

enum act {
	SUBMIT,
	SUBMIT_ONLINE,
	SUBMIT_NATIONAL,
	SUBMIT_DRAFT,
	IMPORT,
	ACCEPT,
	REFUSE,
	ASK_SUPPLEMENT,
	SUPPLEMENT,
	SUPPLEMENT_ONLINE,
	ASK_PAYMENT,
	EXEMPT_FEE,
	PAY,
	ORDER_EXPIRES,
	FORWARD,
	RECEIVE,
	CLAIM,
	ASSIGN,
	NEXT_STEP,
	ASK_OPINION,
	GIVE_OPINION,
	WITHDRAW_OPINION,
	OPEN_CHILD,
	SIGN_OFF,
	REWORK,
	EXTEND,
	STOP,
	CONTINUE,
	ISSUE,
	RETURN,
	HAND_OVER,
	WITHDRAW,
	WITHDRAW_ONLINE,
	COMPLAIN,
	ANSWER,
	REOPEN,
	RATE,
	RECOUNT,
	REBASE,
	REUSE,
	TIME_RUNS_OUT, /* nobody's act: the answer to a request for supplement is overdue */
	ACTS,
};
#define FILINGS ACCEPT /* acts before it begin a dossier */

/* Who of a desk acts, as roles the calls ask for. */
enum hand { CLERK, OFFICER, COLLEAGUE, LEADER, HANDS };

struct move {
	enum act act;
	int desk; /* of the actor; -1: the applicant, a system, the suite */
	enum hand hand;
	int to; /* an agency, days, a number: what the act takes */
	bool flag;
};

enum procedure { PLAIN, STEPPED, BARE, PROCEDURES }; /* BARE: no paper, no form, no fee */

/* As the contract's FinanceState. */
enum fee { FEE_DUE, FEE_REQUESTED, FEE_PAID, FEE_EXEMPT, FEE_EXPIRED };
enum opinion_state { OPINION_OPEN = 1, OPINION_GIVEN, OPINION_WITHDRAWN };
enum complaint { COMPLAINT_OPEN = 1, COMPLAINT_UPHELD, COMPLAINT_REJECTED };

struct model {
	char code[64], secret[64]; /* no secret: nobody has one */
	char national[64];         /* code of the portal it came from */
	enum procedure procedure;
	int version; /* of the procedure */
	int channel;
	int home, holder, supporting; /* desks; -1: none */
	struct model *parent;
	bool parent_needs, entered;
	int state, back;
	int64_t clock_from, due, paused_at, finished, reply_due;
	int unit, value; /* what the clock counts by */
	int pause_kind;  /* 0: the clock runs; else the state, or 4 for outside */
	enum fee fee;
	bool extended, rated, reused, reused_at_filing, in_transit, posted;
	int supplements, verdict, decision;
	const char *assignee, *signed_by; /* subjects; "": nobody */
	int step;
	int64_t step_due;
	bool step_asked; /* the template's opinion */
	int n_opinions, n_complaints, n_children;
	struct {
		enum opinion_state state;
		bool pauses;
	} opinions[MODEL_OPINIONS + 1]; /* from 1 */
	enum complaint complaints[MODEL_COMPLAINTS + 1];
	struct model *children[8];
	int64_t busy; /* round it was last used in */
	char last[MODEL_LAST][112];
	unsigned acts;
};

/* What is so for all dossiers at one moment. */
struct model_world {
	struct calendar *cal;
	int64_t now_us;
	struct {
		int version, unit, value;
	} newest[PROCEDURES];
	int limits[64][2];           /* of PLAIN by version: unit, value */
	bool stands_in[MODEL_DESKS]; /* COLLEAGUE for OFFICER, today */
};
extern struct model_world world;

extern const char *const model_desks[MODEL_DESKS + 1];
extern const struct person model_staff[MODEL_DESKS][HANDS];

const char *model_act_name(enum act act);
/* States it may be done in, as bits; whether staff do it; of these, the hands whose role fits. */
unsigned model_from(enum act act);
bool model_is_staffs(enum act act);
bool model_hand_fits(enum act act, enum hand hand);
/* A desk that is party to the act on this dossier. */
int model_desk_of(const struct model *m, enum act act);

/* Opinions that are waited for. */
int model_open_opinions(const struct model *m);
/* A dossier that is about to be filed. */
void model_begin(struct model *m, enum procedure procedure, int home);
/* The code the service must refuse with; "" when it must do it. */
const char *model_expect(const struct model *m, const struct move *v);
/* What the act makes of it. */
void model_apply(struct model *m, const struct move *v);

#endif
