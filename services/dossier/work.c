/* Who works on a dossier: claiming, assigning, standing in, receiving paper, going through steps.
 */
#include <string.h>

#include "common/base/civil.h"
#include "services/dossier/dossier.h"

static const struct err_kind assigned = {ERR_CONFLICT, "ALREADY_ASSIGNED",
					 "Hồ sơ đã có người xử lý (%s)",
					 "somebody has the dossier already (%s)"};
static const struct err_kind no_officer = {ERR_INVALID, "NOT_AN_OFFICER",
					   "%s không phải là cán bộ đang công tác tại cơ quan",
					   "%s holds no post in the agency today"};
static const struct err_kind not_in_transit = {ERR_CONFLICT, "NOT_IN_TRANSIT",
					       "Hồ sơ không có bàn giao giấy đang chờ nhận",
					       "no hand-off on paper waits to be received"};
static const struct err_kind no_next_step = {ERR_CONFLICT, "NO_NEXT_STEP",
					     "Quy trình không còn bước tiếp theo",
					     "the template has no further step"};
static const struct err_kind step_elsewhere = {
	ERR_CONFLICT, "STEP_ELSEWHERE", "Bước tiếp theo do cơ quan %s thực hiện, cần chuyển hồ sơ",
	"the next step is agency %s's: forward the dossier"};
static const struct err_kind bad_period = {ERR_INVALID, "BAD_PERIOD",
					   "Thời gian làm thay không hợp lệ",
					   "from and to must be dates, in order, and not past"};

static const struct db_stmt is_officer = {
	"SELECT 1 FROM ref_officer WHERE subject = $1 AND agency_code = $2"
	" AND valid_from <= $3 AND valid_to >= $3 LIMIT 1"};

/* The settings of a colleague, one at a time. */
static const struct db_stmt lock_stand_in = {
	"SELECT pg_advisory_xact_lock(hashtextextended('stand_in ' || $1 || ' ' || $2, 0))::text"};
static const struct db_stmt last_stand_in = {
	"SELECT coalesce(max(version), 0) FROM stand_in WHERE agency = $1 AND for_subject = $2"};
static const struct db_stmt insert_stand_in = {
	"INSERT INTO stand_in (agency, for_subject, version, subject, valid_from, valid_to,"
	" set_by, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"};

static int add_is_officer(struct call *c, const char *subject)
{
	return tx_add(c, &is_officer, DB_TEXT(subject), DB_TEXT(c->caller.agency),
		      DB_DATE(civil_of_us(c->now_us)));
}

/* Row, history and event of a dossier that has a new assignee. */
static void set_assignee(struct call *c, struct dossier *d, const char *subject,
			 enum rules_action action)
{
	Dossier__DossierAssigned ev = DOSSIER__DOSSIER_ASSIGNED__INIT;

	d->assignee = subject;
	dossier_save(c, d, rules_action_name(action), subject);
	ev.code = d->code;
	ev.agency_code = d->agencies.holder;
	ev.assignee = d->assignee;
	ev.how = rules_action_name(action);
	dossier_tell(c, d, action, "dossier.assigned", &ev.base);
}

/* A free one, or that of a colleague one stands in for. */
static int check_claim(struct call *c, struct dossier *d, enum rules_action *ret_action)
{
	const char *absent;

	*ret_action = RULES_CLAIM;
	if (d->assignee[0] == '\0')
		return 0;
	d->actor.leader = false; /* a leader assigns */
	if (strcmp(d->assignee, d->actor.subject) == 0 ||
	    rules_assignee(d->assignee, &d->actor, &absent, &c->err) < 0)
		return err_set(&c->err, &assigned, "code", d->assignee);
	*ret_action = RULES_STAND_IN;
	d->acting_for = absent;
	return 0;
}

DOSSIER_HANDLER(claim, Claim)
{
	struct call *c = call_of(data);
	Dossier__ClaimReply out = DOSSIER__CLAIM_REPLY__INIT;
	enum rules_action action;
	struct dossier d;

	(void)svc;
	if (dossier_take(c, in->code, RULES_CLAIM, &d) < 0 || check_claim(c, &d, &action) < 0)
		return call_fail(c);
	set_assignee(c, &d, c->caller.subject, action);
	out.version = d.version;
	out.acting_for = d.acting_for;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

DOSSIER_HANDLER(assign, Assign)
{
	struct call *c = call_of(data);
	Dossier__AssignReply out = DOSSIER__ASSIGN_REPLY__INIT;
	int slot = dossier_take_add(c, in->code);
	int officer = add_is_officer(c, in->subject);
	struct dossier d;

	(void)svc;
	if (tx_flush(c) < 0 || dossier_take_check(c, slot, in->code, RULES_ASSIGN, &d) < 0)
		return call_fail(c);
	if (in->subject[0] != '\0' && db_rows(&c->tx, officer) == 0) {
		err_set(&c->err, &no_officer, "subject", in->subject);
		return call_fail(c);
	}
	set_assignee(c, &d, in->subject, RULES_ASSIGN);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- standing in --- */

struct stand_in {
	int32_t from, to;
	int for_officer, officer, last; /* slots */
};

static int check_period(struct call *c, const Dossier__SetStandInRequest *in, struct stand_in *s)
{
	if (civil_parse(in->from, &s->from) < 0 || civil_parse(in->to, &s->to) < 0 ||
	    s->to < s->from || s->to < civil_of_us(c->now_us))
		return err_set(&c->err, &bad_period, "from", NULL);
	if (strcmp(in->subject, in->for_subject) == 0)
		return err_set(&c->err, &err_invalid_field, "subject", "another person");
	return 0;
}

static int check_people(struct call *c, const Dossier__SetStandInRequest *in,
			const struct stand_in *s)
{
	if (db_rows(&c->tx, s->for_officer) == 0)
		return err_set(&c->err, &no_officer, "for_subject", in->for_subject);
	if (in->subject[0] != '\0' && db_rows(&c->tx, s->officer) == 0)
		return err_set(&c->err, &no_officer, "subject", in->subject);
	return 0;
}

static void add_stand_in(struct call *c, const Dossier__SetStandInRequest *in,
			 const struct stand_in *s, int32_t version)
{
	Dossier__DossierStandInSet ev = DOSSIER__DOSSIER_STAND_IN_SET__INIT;

	tx_add(c, &insert_stand_in, DB_TEXT(c->caller.agency), DB_TEXT(in->for_subject),
	       DB_INT4(version), DB_TEXT(in->subject), DB_DATE(s->from), DB_DATE(s->to),
	       DB_TEXT(dossier_actor(c)), DB_TIME(c->now_us));
	ev.agency_code = c->caller.agency;
	ev.for_subject = in->for_subject;
	ev.subject = in->subject;
	ev.from = in->from;
	ev.to = in->to;
	tx_event(c, "dossier.stand_in_set",
		 arena_printf(c->arena, "stand_in/%s/%s", c->caller.agency, in->for_subject),
		 version, &ev.base);
}

DOSSIER_HANDLER(set_stand_in, SetStandIn)
{
	struct call *c = call_of(data);
	Dossier__SetStandInReply out = DOSSIER__SET_STAND_IN_REPLY__INIT;
	struct stand_in s;

	(void)svc;
	if (check_period(c, in, &s) < 0)
		return call_fail(c);
	tx_begin(c);
	tx_add(c, &lock_stand_in, DB_TEXT(c->caller.agency), DB_TEXT(in->for_subject));
	s.last = tx_add(c, &last_stand_in, DB_TEXT(c->caller.agency), DB_TEXT(in->for_subject));
	s.for_officer = add_is_officer(c, in->for_subject);
	s.officer = add_is_officer(c, in->subject);
	if (tx_flush(c) < 0 || check_people(c, in, &s) < 0)
		return call_fail(c);
	out.version = (int32_t)db_get_int(&c->tx, s.last, 0, 0) + 1;
	add_stand_in(c, in, &s, out.version);
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- paper and steps --- */

DOSSIER_HANDLER(receive, Receive)
{
	struct call *c = call_of(data);
	Dossier__ReceiveReply out = DOSSIER__RECEIVE_REPLY__INIT;
	Dossier__DossierReceived ev = DOSSIER__DOSSIER_RECEIVED__INIT;
	struct dossier d;

	(void)svc;
	if (dossier_check_note(c, in->remark, 0) < 0 ||
	    dossier_take(c, in->code, RULES_RECEIVE, &d) < 0)
		return call_fail(c);
	if (!d.in_transit) {
		err_set(&c->err, &not_in_transit, "code", NULL);
		return call_fail(c);
	}
	steps_receive(c, &d, dossier_nfc(c, in->remark));
	dossier_save(c, &d, rules_action_name(RULES_RECEIVE), dossier_nfc(c, in->remark));
	ev.code = d.code;
	ev.agency_code = d.agencies.holder;
	ev.hop = d.hops;
	dossier_tell(c, &d, RULES_RECEIVE, "dossier.received", &ev.base);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* The next step, when it is one of the same agency. */
static int find_next(struct call *c, const struct dossier *d, int *ret_step)
{
	const Dossier__Procedure *p;
	const char *agency;
	int next;

	if (dossier_procedure(c, d, &p) < 0)
		return c->err.status;
	next = rules_step_next(p, d->step);
	if (next == 0)
		return err_set(&c->err, &no_next_step, "code", NULL);
	agency = rules_step_agency(rules_step(p, next), &d->agencies);
	if (strcmp(agency, d->agencies.holder) != 0)
		return err_set(&c->err, &step_elsewhere, "code", agency);
	*ret_step = next;
	return 0;
}

DOSSIER_HANDLER(next_step, NextStep)
{
	struct call *c = call_of(data);
	Dossier__NextStepReply out = DOSSIER__NEXT_STEP_REPLY__INIT;
	Dossier__DossierStepBegun ev = DOSSIER__DOSSIER_STEP_BEGUN__INIT;
	struct dossier d;
	int32_t before;
	int step = 0;

	(void)svc;
	if (dossier_check_note(c, in->note, 0) < 0 ||
	    dossier_take(c, in->code, RULES_NEXT_STEP, &d) < 0 || find_next(c, &d, &step) < 0)
		return call_fail(c);
	ev.step_verdict = rules_step_verdict(d.step_due_us, c->now_us);
	before = d.step;
	if (steps_enter(c, &d, step) < 0)
		return call_fail(c);
	d.assignee = ""; /* the next step is somebody else's */
	dossier_save(c, &d, rules_action_name(RULES_NEXT_STEP), dossier_nfc(c, in->note));
	ev.code = d.code;
	ev.agency_code = d.agencies.holder;
	ev.step = d.step;
	ev.step_due_us = d.step_due_us;
	dossier_tell(c, &d, RULES_NEXT_STEP, "dossier.step_begun", &ev.base);
	if (opinions_of_step(c, &d, before) < 0)
		return call_fail(c);
	out.version = d.version;
	out.step = d.step;
	out.step_due_us = d.step_due_us;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
