/* Opinions of other agencies: asked for in parallel, each with its own deadline. */
#include <string.h>

#include "common/base/civil.h"
#include "common/base/utf8.h"
#include "common/svc/refdata.h"
#include "services/dossier/dossier.h"

#define PER_RUN 20

static const struct err_kind agency_not_in_force = {
	ERR_INVALID, "AGENCY_NOT_IN_FORCE", "Cơ quan %s không tồn tại hoặc không còn hoạt động",
	"agency %s is unknown or not in force on this date"};
static const struct err_kind own_agency = {ERR_INVALID, "OWN_AGENCY",
					   "Không lấy ý kiến của chính cơ quan đang xử lý",
					   "the agency that has the dossier is not asked"};
static const struct err_kind too_many = {ERR_CONFLICT, "TOO_MANY_OPINIONS",
					 "Hồ sơ đã lấy quá nhiều ý kiến",
					 "too many opinions were asked for"};
static const struct err_kind no_opinion = {ERR_NOT_FOUND, "UNKNOWN_OPINION",
					   "Không có yêu cầu cho ý kiến này",
					   "there is no such request for an opinion"};
static const struct err_kind opinion_closed = {ERR_CONFLICT, "OPINION_CLOSED",
					       "Ý kiến đã được gửi hoặc đã được rút yêu cầu",
					       "the opinion was given or withdrawn already"};

static const struct db_stmt insert_opinion = {
	"INSERT INTO opinion (dossier, ordinal, agency, state, question, asked_by, asked_at,"
	" due_at, pauses_clock) VALUES ($1, $2, $3, 1, $4, $5, $6, $7, $8)"};

static const struct db_stmt read_asked = {
	"SELECT agency, question FROM opinion WHERE dossier = $1"};

/* Stable under the dossier's lock, which every change of it takes. */
static const struct db_stmt read_opinion = {
	"SELECT agency, state, due_at, pauses_clock FROM opinion"
	" WHERE dossier = $1 AND ordinal = $2"};

static const struct db_stmt give_opinion = {
	"UPDATE opinion SET state = 2, answer = $3, text = $4, file_id = $5, late = late OR $6,"
	" ended_by = $7, ended_at = $8 WHERE dossier = $1 AND ordinal = $2"};

static const struct db_stmt withdraw_opinion = {
	"UPDATE opinion SET state = 3, ended_by = $3, ended_at = $4"
	" WHERE dossier = $1 AND ordinal = $2"};

/* Opinions of dossiers that stand still are marked when they go on. */
static const struct db_stmt find_late = {
	"SELECT d.code, o.ordinal FROM opinion o JOIN dossier d ON d.code = o.dossier"
	" WHERE o.state = 1 AND NOT o.late AND o.due_at < $1 AND d.state IN (4, 5, 6)"
	" ORDER BY o.due_at LIMIT $2 FOR UPDATE OF d SKIP LOCKED"};
static const struct db_stmt lock_late = {
	"SELECT agency FROM opinion WHERE dossier = $1 AND ordinal = $2 AND state = 1"
	" AND NOT late"};
static const struct db_stmt mark_late = {
	"UPDATE opinion SET late = true WHERE dossier = $1 AND ordinal = $2"};

struct opinion {
	const char *agency;
	int64_t due_us;
	bool pauses_clock;
};

/* By the working hours of the agency that is asked. */
static int opinion_due(struct call *c, struct opinion *o, uint32_t hours)
{
	struct due_office office;

	if (due_office_get(c, o->agency, &office) < 0)
		return c->err.status;
	o->due_us = rules_step_due(office.office.cal, &office.office.hours, c->now_us, (int)hours)
			    .due_us;
	due_office_put(&office);
	return 0;
}

/* --- asking --- */

static int check_request(struct call *c, const Dossier__RequestOpinionRequest *in)
{
	size_t n = utf8_length(in->question);

	if (n == 0 || n > RULES_TEXT_MAX)
		return err_set(&c->err, &err_invalid_field, "question", "1..4000");
	if (in->hours == 0 || in->hours > RULES_OPINION_HOURS_MAX)
		return err_set(&c->err, &err_invalid_field, "hours", "1..800");
	return 0;
}

static int check_asked(struct call *c, const struct dossier *d, const char *agency, bool in_force)
{
	if (!in_force)
		return err_set(&c->err, &agency_not_in_force, "agency_code", agency);
	if (strcmp(agency, d->agencies.holder) == 0)
		return err_set(&c->err, &own_agency, "agency_code", NULL);
	if (d->opinions >= RULES_OPINIONS_MAX)
		return err_set(&c->err, &too_many, "code", NULL);
	return 0;
}

static void requested_event(struct call *c, const struct dossier *d, const struct opinion *o)
{
	Dossier__DossierOpinionRequested ev = DOSSIER__DOSSIER_OPINION_REQUESTED__INIT;

	ev.code = d->code;
	ev.opinion = d->opinions;
	ev.from_agency_code = d->agencies.holder;
	ev.agency_code = o->agency;
	ev.due_us = o->due_us;
	ev.pauses_clock = o->pauses_clock;
	dossier_tell(c, d, RULES_REQUEST_OPINION, "dossier.opinion_requested", &ev.base);
}

/* The opinion's row, an entry of the history and an event; the clock stops when it says so. */
static int ask(struct call *c, struct dossier *d, const struct opinion *o, const char *question)
{
	d->opinions++;
	d->opinions_open++;
	d->opinions_pausing += o->pauses_clock;
	if (dossier_clock(c, d) < 0)
		return c->err.status;
	tx_add(c, &insert_opinion, DB_TEXT(d->code), DB_INT4(d->opinions), DB_TEXT(o->agency),
	       DB_TEXT(dossier_nfc(c, question)), DB_TEXT(dossier_actor(c)), DB_TIME(c->now_us),
	       DB_TIME(o->due_us), DB_BOOL(o->pauses_clock));
	dossier_save(c, d, rules_action_name(RULES_REQUEST_OPINION), o->agency);
	requested_event(c, d, o);
	return 0;
}

/* --- what the step of the template asks for --- */

static bool was_asked(const struct call *c, int slot, const Dossier__StepOpinion *of)
{
	for (int i = 0; i < db_rows(&c->tx, slot); i++)
		if (strcmp(db_get_text(&c->tx, slot, i, 0), of->agency_code) == 0 &&
		    strcmp(db_get_text(&c->tx, slot, i, 1), of->question) == 0)
			return true;
	return false;
}

/* An agency that is no more, or has the dossier itself, is not asked: an officer may ask another.
 */
static int ask_for_step(struct call *c, struct dossier *d, const Dossier__StepOpinion *of)
{
	struct opinion o = {.agency = of->agency_code};
	struct refdata_agency agency;
	int in_force = refdata_agency(c, o.agency, civil_of_us(c->now_us), &agency);

	if (in_force < 0)
		return in_force;
	if (in_force == 0 || strcmp(o.agency, d->agencies.holder) == 0 ||
	    d->opinions >= RULES_OPINIONS_MAX)
		return 0;
	if (opinion_due(c, &o, of->hours) < 0)
		return c->err.status;
	d->was = d->state;
	d->why = "";
	return ask(c, d, &o, of->question);
}

int opinions_of_step(struct call *c, struct dossier *d, int32_t before)
{
	const Dossier__Procedure *p;
	const Dossier__Step *step;
	int slot;

	if (d->step == before || d->step == 0)
		return 0;
	if (dossier_procedure(c, d, &p) < 0)
		return c->err.status;
	step = rules_step(p, d->step);
	if (!step || step->n_opinions == 0)
		return 0;
	slot = tx_add(c, &read_asked, DB_TEXT(d->code));
	if (tx_flush(c) < 0)
		return c->err.status;
	for (size_t i = 0; i < step->n_opinions; i++)
		if (!was_asked(c, slot, step->opinions[i]) &&
		    ask_for_step(c, d, step->opinions[i]) < 0)
			return c->err.status;
	return 0;
}

DOSSIER_HANDLER(request_opinion, RequestOpinion)
{
	struct call *c = call_of(data);
	Dossier__RequestOpinionReply out = DOSSIER__REQUEST_OPINION_REPLY__INIT;
	struct opinion o = {.agency = in->agency_code, .pauses_clock = in->pauses_clock};
	struct refdata_agency agency;
	int slot, in_force;
	struct dossier d;

	(void)svc;
	if (check_request(c, in) < 0)
		return call_fail(c);
	slot = dossier_take_add(c, in->code);
	in_force = refdata_agency(c, in->agency_code, civil_of_us(c->now_us), &agency);
	if (in_force < 0 || dossier_take_check(c, slot, in->code, RULES_REQUEST_OPINION, &d) < 0 ||
	    check_asked(c, &d, in->agency_code, in_force > 0) < 0 ||
	    opinion_due(c, &o, in->hours) < 0 || ask(c, &d, &o, in->question) < 0)
		return call_fail(c);
	out.version = d.version;
	out.opinion = d.opinions;
	out.due_us = o.due_us;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- giving, withdrawing --- */

/* The open opinion of a slot; NOT_FOUND, or CONFLICT when it is closed. */
static int read_open(struct call *c, int slot, struct opinion *ret)
{
	if (db_rows(&c->tx, slot) == 0)
		return err_set(&c->err, &no_opinion, "opinion", NULL);
	if (db_get_int(&c->tx, slot, 0, 1) != DOSSIER__OPINION_STATE__OPINION_STATE_OPEN)
		return err_set(&c->err, &opinion_closed, "opinion", NULL);
	ret->agency = db_get_text(&c->tx, slot, 0, 0);
	ret->due_us = db_get_time_us(&c->tx, slot, 0, 2);
	ret->pauses_clock = db_get_bool(&c->tx, slot, 0, 3);
	return 0;
}

/* One opinion less is waited for; with the last that stopped the clock it runs again. */
static int close_opinion(struct call *c, struct dossier *d, const struct opinion *o)
{
	d->opinions_open--;
	d->opinions_pausing -= o->pauses_clock;
	return dossier_clock(c, d);
}

static int check_given(struct call *c, const Dossier__GiveOpinionRequest *in)
{
	const Digitisation__FileStat **stats;
	struct err found = {.status = 0};

	if (in->answer == DOSSIER__OPINION_ANSWER__OPINION_ANSWER_UNSPECIFIED)
		return err_set(&c->err, &err_required_field, "answer", NULL);
	if (utf8_length(in->text) > RULES_TEXT_MAX)
		return err_set(&c->err, &err_invalid_field, "text", "0..4000");
	if (in->text[0] == '\0' && in->answer == DOSSIER__OPINION_ANSWER__OPINION_ANSWER_DISAGREE)
		return err_set(&c->err, &err_required_field, "text", NULL);
	if (in->file_id[0] == '\0')
		return 0;
	if (files_stat(c, &in->file_id, 1, &stats) < 0)
		return c->err.status;
	files_check(stats[0], in->file_id, "file_id", &found);
	if (found.status != 0)
		c->err = found;
	return found.status;
}

/* The caller's agency must be the one that was asked. */
static int take_given(struct call *c, int slot, int opinion, const char *code, struct dossier *d,
		      struct opinion *o)
{
	const struct rules_transition *row;

	if (!dossier_read(c, slot, code, d))
		return err_set(&c->err, &dossier_unknown, "code", code);
	if (rules_transition(d->state, RULES_GIVE_OPINION, d->resumes_to, &row, &c->err) < 0 ||
	    read_open(c, opinion, o) < 0)
		return c->err.status;
	dossier_read_actor(c, slot + 1, d);
	d->agencies.asked = o->agency;
	if (rules_party(&d->agencies, row->parties, c->caller.agency, &c->err) < 0)
		return c->err.status;
	return dossier_step(c, d, RULES_GIVE_OPINION);
}

static void given_event(struct call *c, const struct dossier *d, const struct opinion *o,
			const Dossier__GiveOpinionRequest *in, bool late)
{
	Dossier__DossierOpinionGiven ev = DOSSIER__DOSSIER_OPINION_GIVEN__INIT;

	ev.code = d->code;
	ev.opinion = in->opinion;
	ev.agency_code = o->agency;
	ev.answer = in->answer;
	ev.late = late;
	ev.due_us = d->due_us;
	dossier_tell(c, d, RULES_GIVE_OPINION, "dossier.opinion_given", &ev.base);
}

DOSSIER_HANDLER(give_opinion, GiveOpinion)
{
	struct call *c = call_of(data);
	Dossier__GiveOpinionReply out = DOSSIER__GIVE_OPINION_REPLY__INIT;
	int slot, opinion;
	struct opinion o;
	struct dossier d;

	(void)svc;
	if (check_given(c, in) < 0)
		return call_fail(c);
	slot = dossier_take_add(c, in->code);
	opinion = tx_add(c, &read_opinion, DB_TEXT(in->code), DB_INT4(in->opinion));
	if (tx_flush(c) < 0 || take_given(c, slot, opinion, in->code, &d, &o) < 0 ||
	    close_opinion(c, &d, &o) < 0)
		return call_fail(c);
	out.late = c->now_us > o.due_us;
	tx_add(c, &give_opinion, DB_TEXT(d.code), DB_INT4(in->opinion), DB_INT4(in->answer),
	       DB_TEXT(dossier_nfc(c, in->text)), DB_TEXT(in->file_id), DB_BOOL(out.late),
	       DB_TEXT(dossier_actor(c)), DB_TIME(c->now_us));
	dossier_save(c, &d, rules_action_name(RULES_GIVE_OPINION), "");
	given_event(c, &d, &o, in, out.late);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

DOSSIER_HANDLER(withdraw_opinion, WithdrawOpinion)
{
	struct call *c = call_of(data);
	Dossier__WithdrawOpinionReply out = DOSSIER__WITHDRAW_OPINION_REPLY__INIT;
	Dossier__DossierOpinionWithdrawn ev = DOSSIER__DOSSIER_OPINION_WITHDRAWN__INIT;
	int slot, opinion;
	struct opinion o;
	struct dossier d;

	(void)svc;
	if (dossier_check_note(c, in->note, 0) < 0)
		return call_fail(c);
	slot = dossier_take_add(c, in->code);
	opinion = tx_add(c, &read_opinion, DB_TEXT(in->code), DB_INT4(in->opinion));
	if (tx_flush(c) < 0 ||
	    dossier_take_check(c, slot, in->code, RULES_WITHDRAW_OPINION, &d) < 0 ||
	    read_open(c, opinion, &o) < 0 || close_opinion(c, &d, &o) < 0)
		return call_fail(c);
	tx_add(c, &withdraw_opinion, DB_TEXT(d.code), DB_INT4(in->opinion),
	       DB_TEXT(dossier_actor(c)), DB_TIME(c->now_us));
	dossier_save(c, &d, rules_action_name(RULES_WITHDRAW_OPINION), dossier_nfc(c, in->note));
	ev.code = d.code;
	ev.opinion = in->opinion;
	ev.agency_code = o.agency;
	ev.due_us = d.due_us;
	dossier_tell(c, &d, RULES_WITHDRAW_OPINION, "dossier.opinion_withdrawn", &ev.base);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- late --- */

struct late {
	const char *code;
	int32_t ordinal;
	int dossier, opinion; /* slots */
};

static int mark(struct call *c, const struct late *l)
{
	Dossier__DossierOpinionLate ev = DOSSIER__DOSSIER_OPINION_LATE__INIT;
	struct dossier d;

	if (!dossier_read(c, l->dossier, l->code, &d) || db_rows(&c->tx, l->opinion) == 0)
		return 0;
	if (dossier_step(c, &d, RULES_LATE_OPINION) < 0)
		return c->err.status;
	tx_add(c, &mark_late, DB_TEXT(l->code), DB_INT4(l->ordinal));
	ev.agency_code = db_get_text(&c->tx, l->opinion, 0, 0);
	dossier_save(c, &d, rules_action_name(RULES_LATE_OPINION), ev.agency_code);
	ev.code = d.code;
	ev.opinion = l->ordinal;
	dossier_tell(c, &d, RULES_LATE_OPINION, "dossier.opinion_late", &ev.base);
	return 0;
}

/* One of a dossier at a time: two would both be read at the same version. */
static int find(struct call *c, struct late late[static PER_RUN], int *ret_n)
{
	int found, n = 0;

	tx_begin(c);
	found = tx_add(c, &find_late, DB_TIME(c->now_us), DB_INT8(PER_RUN));
	if (tx_flush(c) < 0)
		return c->err.status;
	for (int i = 0; i < db_rows(&c->tx, found); i++) {
		const char *code = db_get_text(&c->tx, found, i, 0);
		bool again = false;

		for (int j = 0; j < n; j++)
			again = again || strcmp(late[j].code, code) == 0;
		if (again)
			continue;
		late[n].code = code;
		late[n].ordinal = (int32_t)db_get_int(&c->tx, found, i, 1);
		late[n].dossier = dossier_lock_add(c, code);
		late[n].opinion = tx_add(c, &lock_late, DB_TEXT(code), DB_INT4(late[n].ordinal));
		n++;
	}
	*ret_n = n;
	return n > 0 ? tx_flush(c) : 0;
}

int opinions_mark_late(struct call *c)
{
	struct late late[PER_RUN];
	int n;

	if (find(c, late, &n) < 0)
		return c->err.status;
	if (n == 0)
		return 0;
	for (int i = 0; i < n; i++)
		if (mark(c, &late[i]) < 0)
			return c->err.status;
	return tx_commit(c, NULL) < 0 ? c->err.status : n;
}
