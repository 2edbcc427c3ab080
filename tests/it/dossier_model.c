#include "tests/it/dossier_model.h"

#include <string.h>

#include "common/base/civil.h"
#include "common/base/clock.h"

#define IN(s) (1u << (s))
#define OPEN  (IN(2) | IN(4) | IN(5) | IN(6) | IN(8))
#define ENDED (IN(9) | IN(10))

/* Parties. */
#define HOME    1u
#define HOLDER  2u
#define SUPPORT 4u
#define ASKED   8u

#define C IN(CLERK)
#define O (IN(OFFICER) | IN(COLLEAGUE))
#define L IN(LEADER)

/* From which states, to which (0: stays, -1: where it was before), by whom; free: whoever has it.
 */
static const struct {
	const char *name;
	unsigned from;
	int to;
	unsigned parties, hands;
	bool officers; /* not for others when somebody has it */
} table[ACTS] = {
	[SUBMIT] = {"submit", 0, 1, 0, 0, false},
	[SUBMIT_ONLINE] = {"submit online", 0, 1, 0, 0, false},
	[SUBMIT_NATIONAL] = {"submit from portal", 0, 1, 0, 0, false},
	[SUBMIT_DRAFT] = {"submit draft", 0, 1, 0, 0, false},
	[IMPORT] = {"import", 0, 0, 0, 0, false},
	[ACCEPT] = {"accept", IN(1), 2, HOME, C, false},
	[REFUSE] = {"refuse", IN(1), 3, HOME, C, false},
	[ASK_SUPPLEMENT] = {"ask supplement", IN(1) | IN(2) | IN(4), 5, HOLDER, C | O, true},
	[SUPPLEMENT] = {"supplement", IN(5), -1, HOME | SUPPORT, C, false},
	[SUPPLEMENT_ONLINE] = {"supplement online", IN(5), -1, 0, 0, false},
	[ASK_PAYMENT] = {"ask payment", IN(2) | IN(4) | IN(9), 6, HOLDER, C | O, true},
	[EXEMPT_FEE] = {"exempt fee", OPEN | IN(1) | IN(9), 0, HOLDER, C | O | L, true},
	[PAY] = {"pay", OPEN | ENDED | IN(7), 0, 0, 0, false},
	[ORDER_EXPIRES] = {"order expires", IN(6), 8, 0, 0, false},
	[FORWARD] = {"forward", IN(2) | IN(4), 4, HOLDER, C | O | L, true},
	[RECEIVE] = {"receive", IN(4), 0, HOLDER, C | O | L, false},
	[CLAIM] = {"claim", IN(2) | IN(4), 0, HOLDER, C | O | L, false},
	[ASSIGN] = {"assign", IN(2) | IN(4), 0, HOLDER, L, false},
	[NEXT_STEP] = {"next step", IN(4), 0, HOLDER, C | O | L, true},
	[ASK_OPINION] = {"ask opinion", IN(4), 0, HOLDER, O | L, true},
	[GIVE_OPINION] = {"give opinion", IN(4) | IN(5) | IN(6), 0, ASKED, O | L, false},
	[WITHDRAW_OPINION] = {"withdraw opinion", IN(4), 0, HOLDER, O | L, true},
	[OPEN_CHILD] = {"open child", IN(2) | IN(4), 0, HOLDER, C | O, true},
	[SIGN_OFF] = {"sign off", IN(4), 0, HOLDER, L, false},
	[REWORK] = {"rework", IN(4), 0, HOLDER, L, false},
	[EXTEND] = {"extend", IN(2) | IN(4), 0, HOLDER, O | L, true},
	[STOP] = {"stop", IN(2) | IN(4) | IN(5), 8, HOLDER, O | L, true},
	[CONTINUE] = {"continue", IN(8), 4, HOLDER, O | L, true},
	[ISSUE] = {"issue", IN(4), 9, HOLDER, O | L, true},
	[RETURN] = {"return", IN(9), 10, HOLDER | HOME | SUPPORT, C | O, false},
	[HAND_OVER] = {"hand over", IN(10), 0, HOLDER | HOME | SUPPORT, C | O, false},
	[WITHDRAW] = {"withdraw", OPEN | IN(1), 7, HOME | SUPPORT, C, false},
	[WITHDRAW_ONLINE] = {"withdraw online", OPEN | IN(1), 7, 0, 0, false},
	[COMPLAIN] = {"complain", ENDED, 0, 0, 0, false},
	[ANSWER] = {"answer complaint", ENDED, 0, HOLDER | HOME, L, false},
	[REOPEN] = {"reopen", ENDED, 4, HOLDER | HOME, L, false},
	[RATE] = {"rate", ENDED, 0, 0, 0, false},
	[RECOUNT] = {"recount", OPEN, 0, 0, 0, false},
	[REBASE] = {"rebase", OPEN | IN(1), 0, HOLDER, O | L, false},
	[REUSE] = {"reuse", IN(1) | IN(2) | IN(4) | IN(5), 0, HOLDER, C | O | L, true},
	[TIME_RUNS_OUT] = {"time runs out", IN(5), 0, 0, 0, false},
};

struct model_world world;

const char *const model_desks[MODEL_DESKS + 1] = {COMMUNE, OTHER, DISTRICT, GONE};

const struct person model_staff[MODEL_DESKS][HANDS] = {
	{{"clerk-a", "clerk", COMMUNE},
	 {"officer-a", "officer", COMMUNE},
	 {"colleague-a", "officer", COMMUNE},
	 {"leader-a", "leader", COMMUNE}},
	{{"clerk-b", "clerk", OTHER},
	 {"officer-b", "officer", OTHER},
	 {"colleague-b", "officer", OTHER},
	 {"leader-b", "leader", OTHER}},
	{{"clerk-c", "clerk", DISTRICT},
	 {"officer-c", "officer", DISTRICT},
	 {"colleague-c", "officer", DISTRICT},
	 {"leader-c", "leader", DISTRICT}},
};

/* Fridays end early at the first desk; the others have the usual hours. */
static const struct calendar_weekday_hours short_friday[] = {
	{5, INT32_MIN, INT32_MAX, {450, 690, 690, 690}}};
static const struct calendar_timetable hours[MODEL_DESKS] = {
	{short_friday, 1}, {NULL, 0}, {NULL, 0}};

const char *model_act_name(enum act act)
{
	return table[act].name;
}

unsigned model_from(enum act act)
{
	return table[act].from;
}

bool model_is_staffs(enum act act)
{
	return table[act].hands != 0;
}

bool model_hand_fits(enum act act, enum hand hand)
{
	return table[act].hands & IN(hand);
}

int model_desk_of(const struct model *m, enum act act)
{
	unsigned parties = table[act].parties;

	if (parties & ASKED)
		return MODEL_ASKED;
	return parties & HOLDER ? m->holder : m->home;
}

/* --- the template of STEPPED: desk, unit, leader, desk; all of the receiving agency --- */

#define STEPS       4
#define STEP_HOURS  4
#define ASKING_STEP 2
#define LEADER_STEP 3

static bool step_permits(const struct model *m, enum act act)
{
	if (m->step == 1)
		return act == FORWARD || act == ASK_SUPPLEMENT || act == CONTINUE;
	if (m->step == LEADER_STEP)
		return act == SIGN_OFF || act == REWORK || act == ISSUE || act == STOP ||
		       act == CONTINUE;
	return true;
}

/* After a hand-off to a desk, from the step it was in. */
static int step_at(const struct model *m, int from, int desk)
{
	return m->procedure == STEPPED && desk == m->home && from < STEPS ? from + 1 : from;
}

static void enter(struct model *m, int step)
{
	if (step == m->step)
		return;
	m->step = step;
	m->step_due = step == 0 ? 0
				: calendar_add_working_minutes(world.cal, &hours[m->home],
							       world.now_us, STEP_HOURS * 60)
					  .due_us;
}

/* The template's opinion is asked for once, when its step begins in other hands than the asked. */
static void ask_of_step(struct model *m, int before)
{
	if (m->step == before || m->step != ASKING_STEP || m->step_asked ||
	    m->holder == MODEL_ASKED || m->n_opinions >= MODEL_OPINIONS)
		return;
	m->step_asked = true;
	m->opinions[++m->n_opinions].state = OPINION_OPEN;
	m->opinions[m->n_opinions].pauses = false;
}

/* --- the clock --- */

static int open_opinions(const struct model *m, bool pausing)
{
	int n = 0;

	for (int i = 1; i <= m->n_opinions; i++)
		n += m->opinions[i].state == OPINION_OPEN && (!pausing || m->opinions[i].pauses);
	return n;
}

int model_open_opinions(const struct model *m)
{
	return open_opinions(m, false);
}

static int kind_of(const struct model *m)
{
	if (m->state == 5 || m->state == 6 || m->state == 8)
		return m->state;
	return m->state == 4 && open_opinions(m, true) > 0 ? 4 : 0;
}

static void resume(struct model *m)
{
	int64_t minutes =
		calendar_working_minutes(world.cal, &hours[m->holder], m->paused_at, world.now_us);

	if (m->unit)
		m->due = calendar_resume(world.cal, &hours[m->home], (enum calendar_limit)m->unit,
					 m->due, m->paused_at, world.now_us)
				 .due_us;
	if (m->step_due && minutes > 0)
		m->step_due = calendar_add_working_minutes(world.cal, &hours[m->holder],
							   m->step_due, minutes)
				      .due_us;
}

static void run_clock(struct model *m)
{
	int kind = kind_of(m);

	if (kind == m->pause_kind)
		return;
	if (m->pause_kind && m->clock_from)
		resume(m);
	m->pause_kind = kind;
	m->paused_at = kind ? world.now_us : 0;
}

static void start_clock(struct model *m)
{
	m->clock_from = world.now_us;
	m->unit = m->procedure == PLAIN ? world.limits[m->version][0] : CALENDAR_WORKING_DAYS;
	m->value = m->procedure == PLAIN ? world.limits[m->version][1] : 3;
	m->due = calendar_due(world.cal, &hours[m->home], world.now_us,
			      (enum calendar_limit)m->unit, m->value)
			 .due_us;
}

static void finish(struct model *m)
{
	int32_t due, day;

	run_clock(m);
	m->finished = world.now_us;
	due = civil_of_us(m->due);
	day = civil_of_us(m->finished);
	if (m->state != 3)
		m->verdict = m->due == 0 || due == day ? 2 : day < due ? 1 : 3;
}

/* --- what is expected --- */

static const char *opinion_fault(const struct model *m, int n)
{
	if (n < 1 || n > m->n_opinions)
		return "UNKNOWN_OPINION";
	return m->opinions[n].state == OPINION_OPEN ? "" : "OPINION_CLOSED";
}

static const char *issue_fault(const struct model *m, const struct move *v)
{
	if (open_opinions(m, false) > 0)
		return "OPINIONS_OPEN";
	for (int i = 0; i < m->n_children; i++)
		if (m->children[i]->parent_needs &&
		    !((ENDED | IN(3) | IN(7)) & IN(m->children[i]->state)))
			return "CHILDREN_OPEN";
	if (m->procedure == STEPPED && m->signed_by[0] == '\0' && v->hand != LEADER)
		return "NOT_SIGNED";
	return "";
}

static const char *next_step_fault(const struct model *m)
{
	if (m->procedure != STEPPED || m->step == STEPS)
		return "NO_NEXT_STEP";
	return m->holder == m->home ? "" : "STEP_ELSEWHERE";
}

static const char *claim_fault(const struct model *m, const struct move *v)
{
	bool absent = v->hand == COLLEAGUE && world.stands_in[v->desk] &&
		      strcmp(m->assignee, model_staff[v->desk][OFFICER].subject) == 0;

	return m->assignee[0] == '\0' || absent ? "" : "ALREADY_ASSIGNED";
}

static const char *extend_fault(const struct model *m)
{
	if (m->due == 0)
		return "NO_DUE_DATE";
	if (m->extended)
		return "ALREADY_EXTENDED";
	return (m->paused_at ? m->paused_at : world.now_us) > m->due ? "DUE_DATE_PASSED" : "";
}

static const char *complaint_fault(const struct model *m, enum act act)
{
	enum complaint last = m->complaints[m->n_complaints];

	if (act == COMPLAIN) {
		if (m->n_complaints > 0 && last == COMPLAINT_OPEN)
			return "COMPLAINT_OPEN";
		return m->n_complaints >= MODEL_COMPLAINTS ? "TOO_MANY_COMPLAINTS" : "";
	}
	if (m->n_complaints == 0)
		return "UNKNOWN_COMPLAINT";
	if (act == ANSWER)
		return last == COMPLAINT_OPEN ? "" : "COMPLAINT_ANSWERED";
	return last == COMPLAINT_UPHELD ? "" : "COMPLAINT_NOT_UPHELD";
}

/* The fee has no timing: it is asked for until there is a result. */
static const char *money_fault(const struct model *m, enum act act)
{
	if (m->procedure == BARE)
		return act == EXEMPT_FEE ? "UNKNOWN_FEE" : "NO_FEE";
	if (m->fee == FEE_PAID || m->fee == FEE_EXEMPT)
		return m->fee == FEE_PAID ? "FEE_PAID" : "FEE_EXEMPT";
	return act == ASK_PAYMENT && m->state == 9 ? "FEE_TOO_LATE" : "";
}

static const char *ask_opinion_fault(const struct model *m)
{
	if (m->holder == MODEL_ASKED)
		return "OWN_AGENCY";
	return m->n_opinions >= MODEL_OPINIONS ? "TOO_MANY_OPINIONS" : "";
}

static const char *forward_fault(const struct model *m, const struct move *v)
{
	if (v->to == MODEL_GONE)
		return "AGENCY_NOT_IN_FORCE";
	return v->to == m->holder && m->state != 2 ? "SAME_AGENCY" : "";
}

static const char *reuse_fault(const struct model *m)
{
	if (m->procedure == BARE)
		return "UNKNOWN_COMPONENT";
	return m->reused ? "ALREADY_REUSED" : "";
}

static const char *recount_fault(const struct model *m)
{
	return m->clock_from ? "" : "NO_DUE_DATE";
}

/* Beyond state, party, officer and step: what else refuses the act. */
static const char *own_fault(const struct model *m, const struct move *v)
{
	switch ((int)v->act) {
	case ASK_SUPPLEMENT:
		return m->supplements >= 20   ? "TOO_MANY_ROUNDS"
		       : m->procedure == BARE ? "UNKNOWN_ITEM"
					      : "";
	case ASK_PAYMENT:
	case EXEMPT_FEE:
		return money_fault(m, v->act);
	case FORWARD:
		return forward_fault(m, v);
	case RECEIVE:
		return m->in_transit ? "" : "NOT_IN_TRANSIT";
	case CLAIM:
		return claim_fault(m, v);
	case ASSIGN:
		return v->to == HANDS ? "NOT_AN_OFFICER" : "";
	case NEXT_STEP:
		return next_step_fault(m);
	case ASK_OPINION:
		return ask_opinion_fault(m);
	case WITHDRAW_OPINION:
		return opinion_fault(m, v->to);
	case SIGN_OFF:
		return m->signed_by[0] ? "ALREADY_SIGNED" : "";
	case EXTEND:
		return extend_fault(m);
	case ISSUE:
		return issue_fault(m, v);
	case HAND_OVER:
		return m->posted && !v->flag ? "" : "TRACKING_DIFFERS";
	case COMPLAIN:
	case ANSWER:
	case REOPEN:
		return complaint_fault(m, v->act);
	case RATE:
		return m->rated ? "ALREADY_RATED" : "";
	case RECOUNT:
		return recount_fault(m);
	case REBASE:
		return m->version == world.newest[m->procedure].version ? "ALREADY_NEWEST" : "";
	case REUSE:
		return reuse_fault(m);
	default:
		return "";
	}
}

static bool is_party(const struct model *m, const struct move *v)
{
	unsigned parties = table[v->act].parties;

	if ((v->act == ASK_PAYMENT || v->act == EXEMPT_FEE) && m->state == 9)
		parties |= HOME | SUPPORT; /* the result is with the desk */
	return (parties & HOME && v->desk == m->home) ||
	       (parties & HOLDER && v->desk == m->holder) ||
	       (parties & SUPPORT && v->desk == m->supporting) ||
	       (parties & ASKED && v->desk == MODEL_ASKED);
}

/* An act for who has the dossier, by another. */
static bool is_anothers(const struct model *m, const struct move *v)
{
	const char *subject = model_staff[v->desk][v->hand].subject;

	if (!table[v->act].officers || m->assignee[0] == '\0' || v->hand == LEADER ||
	    strcmp(m->assignee, subject) == 0)
		return false;
	return !(v->hand == COLLEAGUE && world.stands_in[v->desk] &&
		 strcmp(m->assignee, model_staff[v->desk][OFFICER].subject) == 0);
}

/* Acts a step may forbid: an officer's, and the leader's two. */
static bool is_of_a_step(enum act act)
{
	return table[act].officers || act == SIGN_OFF || act == REWORK;
}

const char *model_expect(const struct model *m, const struct move *v)
{
	bool staff = model_is_staffs(v->act);

	if (staff && !model_hand_fits(v->act, v->hand))
		return "ROLE_REQUIRED";
	if (!(table[v->act].from & IN(m->state)) ||
	    (v->act == STOP && m->state == 5 && m->back == 1))
		return "WRONG_STATE";
	if (v->act == GIVE_OPINION && opinion_fault(m, v->to)[0])
		return opinion_fault(m, v->to);
	if (staff && !is_party(m, v))
		return "NOT_IN_HAND";
	if (staff && is_anothers(m, v))
		return "NOT_ASSIGNEE";
	if (staff && is_of_a_step(v->act) && m->step > 0 && !step_permits(m, v->act))
		return "STEP_FORBIDS";
	return own_fault(m, v);
}

/* --- what an act makes of it --- */

void model_begin(struct model *m, enum procedure procedure, int home)
{
	memset(m, 0, sizeof(*m));
	m->procedure = procedure;
	m->version = world.newest[procedure].version;
	m->channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
	m->home = m->holder = home;
	m->supporting = -1;
	m->state = 1;
	m->assignee = m->signed_by = "";
}

static void take_state(struct model *m, enum act act)
{
	int was = m->state;

	if (table[act].to == -1)
		m->state = m->back;
	else if (table[act].to != 0)
		m->state = table[act].to;
	else if ((act == PAY || act == EXEMPT_FEE) && was == 6)
		m->state = 4;
	else if (act == TIME_RUNS_OUT)
		m->state = m->back == 1 ? 3 : 8;
	if (m->state == was)
		return;
	m->entered = true;
	if (m->state == 5 || m->state == 6 || m->state == 8)
		m->back = was == 5 || was == 6 || was == 8 ? m->back : was;
}

static void start_again(struct model *m)
{
	m->extended = m->posted = false;
	m->finished = 0;
	m->verdict = m->decision = 0;
	m->signed_by = "";
	start_clock(m);
	enter(m, step_at(m, 0, m->holder));
}

static void forward(struct model *m, const struct move *v)
{
	int before = m->step;

	enter(m, step_at(m, m->step, v->to));
	m->in_transit = !v->flag && v->to != m->holder;
	m->holder = v->to;
	m->assignee = "";
	ask_of_step(m, before);
}

static void next_step(struct model *m)
{
	int before = m->step;

	enter(m, m->step + 1);
	m->assignee = "";
	ask_of_step(m, before);
}

static void issue(struct model *m, const struct move *v)
{
	if (m->signed_by[0] == '\0' && v->hand == LEADER)
		m->signed_by = model_staff[v->desk][LEADER].subject;
	finish(m);
	m->decision = v->flag ? 2 : 1;
	if (m->procedure == STEPPED && m->step == STEPS)
		enter(m, 0);
	else if (m->procedure == STEPPED)
		enter(m, STEPS);
}

static void end_all_opinions(struct model *m)
{
	for (int i = 1; i <= m->n_opinions; i++)
		if (m->opinions[i].state == OPINION_OPEN)
			m->opinions[i].state = OPINION_WITHDRAWN;
}

static void apply_work(struct model *m, const struct move *v)
{
	switch ((int)v->act) {
	case FORWARD:
		forward(m, v);
		break;
	case CLAIM:
		m->assignee = model_staff[v->desk][v->hand].subject;
		break;
	case ASSIGN:
		m->assignee = v->to == HANDS + 1 ? "" : model_staff[v->desk][v->to].subject;
		break;
	case NEXT_STEP:
		next_step(m);
		break;
	case SIGN_OFF:
		m->signed_by = model_staff[v->desk][LEADER].subject;
		break;
	case REWORK:
		m->signed_by = "";
		if (m->procedure == STEPPED && m->step > 1)
			enter(m, m->step == 2 ? 1 : 2);
		break;
	case ASK_OPINION:
		m->opinions[++m->n_opinions].state = OPINION_OPEN;
		m->opinions[m->n_opinions].pauses = v->flag;
		break;
	case GIVE_OPINION:
		m->opinions[v->to].state = OPINION_GIVEN;
		break;
	case WITHDRAW_OPINION:
		m->opinions[v->to].state = OPINION_WITHDRAWN;
		break;
	default:
		break;
	}
}

static void extend(struct model *m, const struct move *v)
{
	m->due = calendar_due(world.cal, &hours[m->home], civil_to_us(civil_of_us(m->due), 0),
			      CALENDAR_WORKING_DAYS, v->to)
			 .due_us;
	m->extended = true;
}

static void apply_course(struct model *m, const struct move *v)
{
	switch ((int)v->act) {
	case ACCEPT:
		start_clock(m);
		if (m->procedure == STEPPED)
			enter(m, 1);
		break;
	case ASK_SUPPLEMENT:
		m->supplements++;
		m->reply_due = civil_to_us(civil_of_us(world.now_us) + v->to, 23 * 60 + 59);
		break;
	case ASK_PAYMENT:
		m->fee = FEE_REQUESTED;
		break;
	case EXEMPT_FEE:
		m->fee = FEE_EXEMPT;
		break;
	case PAY:
		m->fee = FEE_PAID;
		break;
	case ORDER_EXPIRES:
		m->fee = FEE_EXPIRED;
		break;
	case EXTEND:
		extend(m, v);
		break;
	case REBASE:
		m->version = world.newest[m->procedure].version;
		break;
	case REUSE:
		m->reused = true;
		break;
	case TIME_RUNS_OUT:
		if (m->state == 3)
			finish(m);
		break;
	default:
		break;
	}
}

static void apply_end(struct model *m, const struct move *v)
{
	switch ((int)v->act) {
	case REFUSE:
		finish(m);
		break;
	case ISSUE:
		issue(m, v);
		break;
	case RETURN:
		m->posted = v->flag;
		enter(m, 0);
		break;
	case HAND_OVER:
		m->posted = false;
		break;
	case WITHDRAW:
	case WITHDRAW_ONLINE:
		end_all_opinions(m);
		finish(m);
		enter(m, 0);
		break;
	case COMPLAIN:
		m->complaints[++m->n_complaints] = COMPLAINT_OPEN;
		break;
	case ANSWER:
		m->complaints[m->n_complaints] = v->flag ? COMPLAINT_UPHELD : COMPLAINT_REJECTED;
		break;
	case REOPEN:
		start_again(m);
		break;
	case RATE:
		m->rated = true;
		break;
	default:
		break;
	}
}

/* What came on paper counts as received by the first act of its holder's staff. */
static bool receives(const struct model *m, const struct move *v)
{
	return model_is_staffs(v->act) && v->act != GIVE_OPINION && v->desk == m->holder;
}

void model_apply(struct model *m, const struct move *v)
{
	if (receives(m, v))
		m->in_transit = false;
	take_state(m, v->act);
	if (m->state != 5)
		m->reply_due = 0;
	apply_course(m, v);
	apply_work(m, v);
	apply_end(m, v);
	run_clock(m);
}
