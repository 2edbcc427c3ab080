// with: tests/it/dossier_rig.c
/*
 * The dossier service against a model: 10,000 random acts by clerks, officers, leaders, applicants
 * and other agencies, four at a time, business time jumping ahead between them. The model holds its
 * own table of states and moves due dates itself; what it expects - done, or refused and how - must
 * be what the service answers. At the end codes are dense, seals hold, every version has its event,
 * and the statistics are those of the model.
 *
 * The seed is printed; LGSP_SEED sets it, LGSP_MODEL_OPS the number of acts. A failure prints the
 * last acts of the dossier it happened to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/calendar.h"
#include "common/base/civil.h"
#include "common/base/clock.h"
#include "tests/it/dossier_rig.h"

#define OPS       10000
#define THREADS   4
#define PER_ROUND 5 /* acts of a thread at one moment, on different dossiers */
#define DOSSIERS  400
#define LAST      20
#define MINUTE_US (60 * CLOCK_US_PER_S)
#define START     "2024-05-21 08:00"

enum act {
	SUBMIT,
	ACCEPT,
	REFUSE,
	ASK_SUPPLEMENT,
	SUPPLEMENT,
	ASK_PAYMENT,
	PAY,
	FORWARD,
	ASK_OPINION,
	GIVE_OPINION,
	EXTEND,
	STOP,
	CONTINUE,
	ISSUE,
	RETURN,
	WITHDRAW,
	COMPLAIN,
	ANSWER,
	REOPEN,
	RATE,
	RECOUNT,
	ACTS,
};

/* The model's own table: from which states, to which (0: stays, -1: where it was before). */
#define IN(s) (1u << (s))
static const struct {
	const char *name;
	unsigned from;
	int to;
	bool by_holder;
} table[ACTS] = {
	[SUBMIT] = {"submit", 0, 1, false},
	[ACCEPT] = {"accept", IN(1), 2, false},
	[REFUSE] = {"refuse", IN(1), 3, false},
	[ASK_SUPPLEMENT] = {"ask supplement", IN(1) | IN(2) | IN(4), 5, true},
	[SUPPLEMENT] = {"supplement", IN(5), -1, false},
	[ASK_PAYMENT] = {"ask payment", IN(2) | IN(4) | IN(9), 6, true},
	[PAY] = {"pay", IN(6), 4, false},
	[FORWARD] = {"forward", IN(2) | IN(4), 4, true},
	[ASK_OPINION] = {"ask opinion", IN(4), 0, true},
	[GIVE_OPINION] = {"give opinion", IN(4) | IN(5) | IN(6), 0, false},
	[EXTEND] = {"extend", IN(2) | IN(4), 0, true},
	[STOP] = {"stop", IN(2) | IN(4) | IN(5), 8, true},
	[CONTINUE] = {"continue", IN(8), 4, true},
	[ISSUE] = {"issue", IN(4), 9, true},
	[RETURN] = {"return", IN(9), 10, false},
	[WITHDRAW] = {"withdraw", IN(1) | IN(2) | IN(4) | IN(5) | IN(6) | IN(8), 7, false},
	[COMPLAIN] = {"complain", IN(9) | IN(10), 0, false},
	[ANSWER] = {"answer complaint", IN(9) | IN(10), 0, false},
	[REOPEN] = {"reopen", IN(9) | IN(10), 4, false},
	[RATE] = {"rate", IN(9) | IN(10), 0, false},
	[RECOUNT] = {"recount", IN(2) | IN(4) | IN(5) | IN(6) | IN(8), 0, false},
};

static const struct {
	const char *code;
	struct person clerk, officer, leader;
} desks[2] = {
	{COMMUNE,
	 {"clerk-a", "clerk", COMMUNE},
	 {"officer-a", "officer", COMMUNE},
	 {"leader-a", "leader", COMMUNE}},
	{OTHER,
	 {"clerk-b", "clerk", OTHER},
	 {"officer-b", "officer", OTHER},
	 {"leader-b", "leader", OTHER}},
};
static const struct person operator= {"op-1", "operator", "H40"};
static const struct person statistician = {"stat-1", "statistician", "H40"};

enum complaint { NO_COMPLAINT, COMPLAINT_OPEN, UPHELD, REJECTED };

struct model {
	char code[64], secret[64];
	int home, holder; /* of desks[] */
	int state, back;
	int64_t clock_from, due, paused_at, finished;
	int pause_kind; /* 0: the clock runs; else the state, or 4 for outside */
	bool extended, paid, rated;
	int supplements, opinions, complaints, verdict;
	int open_opinion; /* its number; 0: none */
	bool opinion_pauses;
	enum complaint complaint;
	int64_t busy; /* round it was last used in */
	char last[LAST][96];
	unsigned acts;
};

struct walker {
	pthread_t thread;
	struct ask a;
	uint64_t random;
	struct model dossiers[DOSSIERS];
	size_t n;
	int64_t done[ACTS], refused;
};

static struct walker walkers[THREADS];
static struct calendar *cal;
static pthread_barrier_t barrier;
static pthread_mutex_t database = PTHREAD_MUTEX_INITIALIZER; /* the rig's connection and peers */
static _Atomic bool failed;
static int64_t now_us, rounds;

/* Fridays end early at the first desk; the other has the usual hours. */
static const struct calendar_weekday_hours short_friday[] = {
	{5, INT32_MIN, INT32_MAX, {450, 690, 690, 690}}};
static const struct calendar_timetable hours[2] = {{short_friday, 1}, {NULL, 0}};

static int64_t below(struct walker *w, int64_t n)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (int64_t)(w->random % (uint64_t)n);
}

/* --- the model's clock --- */

static int kind_of(const struct model *m)
{
	if (m->state == 5 || m->state == 6 || m->state == 8)
		return m->state;
	return m->state == 4 && m->open_opinion && m->opinion_pauses ? 4 : 0;
}

static void run_clock(struct model *m)
{
	int kind = kind_of(m);

	if (kind == m->pause_kind)
		return;
	if (m->pause_kind && m->clock_from)
		m->due = calendar_resume(cal, &hours[m->home], CALENDAR_WORKING_DAYS, m->due,
					 m->paused_at, now_us)
				 .due_us;
	m->pause_kind = kind;
	m->paused_at = kind ? now_us : 0;
}

static void start_clock(struct model *m)
{
	m->clock_from = now_us;
	m->due = calendar_due(cal, &hours[m->home], now_us, CALENDAR_WORKING_DAYS, 3).due_us;
}

static int verdict_of(const struct model *m)
{
	int32_t due = civil_of_us(m->due), day = civil_of_us(m->finished);

	return m->due == 0 || due == day ? 2 : day < due ? 1 : 3;
}

static void finish(struct model *m)
{
	run_clock(m);
	m->finished = now_us;
	m->verdict = m->state == 3 ? 0 : verdict_of(m);
}

/* --- what the model expects --- */

/* Beyond state and party: what else refuses the act. */
static int obstacle(const struct model *m, enum act act, int to)
{
	switch ((int)act) {
	case ASK_PAYMENT:
		return m->paid || m->state == 9 ? ERR_CONFLICT
						: 0; /* no fee of theirs is due then */
	case ASK_SUPPLEMENT:
		return m->supplements >= 20 ? ERR_CONFLICT : 0;
	case FORWARD:
		return to == m->holder && m->state != 2 ? ERR_CONFLICT : 0;
	case EXTEND:
		return m->extended || (m->paused_at ? m->paused_at : now_us) > m->due ? ERR_CONFLICT
										      : 0;
	case RECOUNT:
		return m->clock_from ? 0 : ERR_CONFLICT;
	case ISSUE:
		return m->open_opinion ? ERR_CONFLICT : 0;
	case COMPLAIN:
		return m->complaint == COMPLAINT_OPEN || m->complaints >= 20 ? ERR_CONFLICT : 0;
	case ANSWER:
		return m->complaint == NO_COMPLAINT     ? ERR_NOT_FOUND
		       : m->complaint == COMPLAINT_OPEN ? 0
							: ERR_CONFLICT;
	case REOPEN:
		return m->complaint == NO_COMPLAINT ? ERR_NOT_FOUND
		       : m->complaint == UPHELD     ? 0
						    : ERR_CONFLICT;
	case RATE:
		return m->rated ? ERR_CONFLICT : 0;
	default:
		return 0;
	}
}

static int expected(const struct model *m, enum act act, int desk, int to)
{
	bool stop_unaccepted = act == STOP && m->state == 5 && m->back == 1;
	bool at_desk = act == ASK_PAYMENT && m->state == 9 && desk == m->home;

	if (!(table[act].from & IN(m->state)) || stop_unaccepted)
		return ERR_CONFLICT;
	if (table[act].by_holder && desk != m->holder && !at_desk)
		return ERR_DENIED;
	return obstacle(m, act, to);
}

static void take_state(struct model *m, enum act act)
{
	int was = m->state;

	if (table[act].to == -1)
		m->state = m->back;
	else if (table[act].to != 0)
		m->state = table[act].to;
	if (m->state == was)
		return;
	if (m->state == 5 || m->state == 6 || m->state == 8)
		m->back = was == 5 || was == 6 || was == 8 ? m->back : was;
}

static void apply(struct model *m, enum act act, int to, bool flag)
{
	take_state(m, act);
	switch ((int)act) {
	case ACCEPT:
		start_clock(m);
		break;
	case REFUSE:
	case ISSUE:
		finish(m);
		break;
	case WITHDRAW:
		m->open_opinion = 0;
		finish(m);
		break;
	case ASK_SUPPLEMENT:
		m->supplements++;
		break;
	case PAY:
		m->paid = true;
		break;
	case FORWARD:
		m->holder = to;
		break;
	case ASK_OPINION:
		m->open_opinion = ++m->opinions;
		m->opinion_pauses = flag;
		break;
	case GIVE_OPINION:
		m->open_opinion = 0;
		break;
	case COMPLAIN:
		m->complaints++;
		m->complaint = COMPLAINT_OPEN;
		break;
	case ANSWER:
		m->complaint = flag ? UPHELD : REJECTED;
		break;
	case REOPEN:
		m->extended = false;
		m->finished = 0;
		m->verdict = 0;
		start_clock(m);
		break;
	case RATE:
		m->rated = true;
		break;
	default:
		break;
	}
	run_clock(m);
}

/* --- asking the service --- */

static int submit_one(struct walker *w, struct model *m)
{
	Dossier__SubmitReply *out;
	struct filing f;
	int r;

	make_filing(&f);
	f.in.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
	f.in.agency_code = desks[m->home].code;
	f.input.n_file_ids = 0;
	f.input.paper_copies = 1;
	r = submit(&w->a, &desks[m->home].clerk, &f, &out);
	if (r == 0) {
		snprintf(m->code, sizeof(m->code), "%s", out->code);
		snprintf(m->secret, sizeof(m->secret), "%s", out->receipt_secret);
	}
	return r;
}

static int ask_supplement(struct walker *w, struct model *m, const struct person *who)
{
	Dossier__SupplementItem item = DOSSIER__SUPPLEMENT_ITEM__INIT, *items[1] = {&item};

	item.component = "TP1";
	item.reason = "unclear";
	item.text = "Bản chụp không rõ";
	return CALL(&w->a, who, RequestSupplement, request_supplement, NULL, in_.code = m->code;
		    in_.items = items; in_.n_items = 1; in_.reply_days = 180; in_.note = "Bổ sung");
}

static int supplement(struct walker *w, struct model *m)
{
	Dossier__ComponentInput input = DOSSIER__COMPONENT_INPUT__INIT, *inputs[1] = {&input};

	input.code = "TP1";
	input.paper_copies = 1;
	return CALL(&w->a, &desks[m->home].clerk, Supplement, supplement, NULL, in_.code = m->code;
		    in_.components = inputs; in_.n_components = 1);
}

/* Payment says it is paid; the rig's own connection is one for all. */
static int pay(struct model *m)
{
	char sql[160];
	bool done;

	pthread_mutex_lock(&database);
	say_paid(m->code, 15000);
	snprintf(sql, sizeof(sql), "SELECT state FROM dossier WHERE code = '%s'", m->code);
	done = pg_wait_int(rig.pg, "dossier", sql, 4, 20000);
	pthread_mutex_unlock(&database);
	return done ? 0 : ERR_UNAVAILABLE;
}

/* The due date stays: nothing it is counted with has changed. */
static int recount(struct walker *w, struct model *m)
{
	const char *codes[1] = {m->code};
	Dossier__RecountDueReply *out;
	int r = CALL(&w->a, &operator, RecountDue, recount_due, &out, in_.codes = codes;
		     in_.n_codes = 1; in_.reason = "Kiểm tra");

	if (r < 0)
		return r;
	if (out->items[0]->refusal[0] != '\0')
		return ERR_CONFLICT;
	return out->items[0]->changed ? ERR_INTERNAL : 0;
}

static int extend(struct walker *w, struct model *m, const struct person *who, int days)
{
	Dossier__ExtendReply *out;
	int r = CALL(&w->a, who, Extend, extend, &out, in_.code = m->code;
		     in_.reason = "complexity"; in_.apology = "Xin lỗi";
		     in_.working_days = (uint32_t)days);

	if (r == 0) {
		m->due = calendar_due(cal, &hours[m->home], civil_to_us(civil_of_us(m->due), 0),
				      CALENDAR_WORKING_DAYS, days)
				 .due_us;
		m->extended = true;
		if (out->due_us != m->due)
			return ERR_INTERNAL;
	}
	return r;
}

static int perform(struct walker *w, struct model *m, enum act act, int desk, int to, bool flag)
{
	const struct person *by = &desks[desk].officer, *taker = &desks[m->home].clerk;
	const struct person *head = &desks[m->home].leader;
	const char *code = m->code;
	struct ask *a = &w->a;

	switch (act) {
	case SUBMIT:
		return submit_one(w, m);
	case ACCEPT:
		return accept_it(a, taker, code, NULL);
	case REFUSE:
		return CALL(a, taker, Refuse, refuse, NULL, in_.code = code;
			    in_.reason = "not_eligible"; in_.note = "Không đủ điều kiện");
	case ASK_SUPPLEMENT:
		return ask_supplement(w, m, by);
	case SUPPLEMENT:
		return supplement(w, m);
	case ASK_PAYMENT:
		return ask_payment(a, by, code, 1, NULL);
	case PAY:
		return pay(m);
	case FORWARD:
		return forward_it(a, by, code, desks[to].code);
	case ASK_OPINION:
		return CALL(a, by, RequestOpinion, request_opinion, NULL, in_.code = code;
			    in_.agency_code = DISTRICT; in_.question = "Ý kiến?"; in_.hours = 800;
			    in_.pauses_clock = flag);
	case GIVE_OPINION:
		return CALL(a, &district, GiveOpinion, give_opinion, NULL, in_.code = code;
			    in_.opinion = m->open_opinion; in_.text = "Đồng ý";
			    in_.answer = DOSSIER__OPINION_ANSWER__OPINION_ANSWER_AGREE);
	case EXTEND:
		return extend(w, m, by, 1 + to * 3);
	case STOP:
		return CALL(a, by, Stop, stop, NULL, in_.code = code; in_.reason = "dispute";
			    in_.note = "Có tranh chấp");
	case CONTINUE:
		return CALL(a, by, ContinueProcessing, continue_processing, NULL, in_.code = code);
	case ISSUE:
		return issue_it(a, by, code, "", NULL);
	case RETURN:
		return return_it(a, taker, code, "desk");
	case WITHDRAW:
		return CALL(a, taker, Withdraw, withdraw, NULL, in_.code = code;
			    in_.reason = "not_needed"; in_.note = "Theo đơn");
	case COMPLAIN:
		return CALL(a, &public, Complain, complain, NULL, in_.code = code;
			    in_.receipt_secret = m->secret; in_.text = "Sai tên");
	case ANSWER:
		return CALL(a, head, AnswerComplaint, answer_complaint, NULL, in_.code = code;
			    in_.complaint = m->complaints; in_.upheld = flag; in_.text = "Trả lời");
	case REOPEN:
		return CALL(a, head, Reopen, reopen, NULL, in_.code = code;
			    in_.complaint = m->complaints; in_.reason = "complaint_upheld");
	case RATE:
		return rate_it(a, &public, code, m->secret);
	case RECOUNT:
		return recount(w, m);
	case ACTS:
		break;
	}
	return ERR_INTERNAL;
}

/* As callers do on a loaded machine: what has expired is asked again with the same id. */
static int perform_surely(struct walker *w, struct model *m, enum act act, int desk, int to,
			  bool flag)
{
	int got = ERR_EXPIRED;

	for (size_t i = 0; i < sizeof(w->a.message_id); i++)
		w->a.message_id[i] = (uint8_t)(1 + below(w, 255));
	for (int tries = 0; got == ERR_EXPIRED && tries < 10; tries++)
		got = perform(w, m, act, desk, to, flag);
	memset(w->a.message_id, 0, sizeof(w->a.message_id));
	return got;
}

/* --- comparing --- */

static void report(struct walker *w, const struct model *m, const char *what)
{
	pthread_mutex_lock(&database);
	if (!failed) {
		print_error("%s: %s %s\n", m->code, what, err_code(&w->a.err));
		for (unsigned i = m->acts > LAST ? m->acts - LAST : 0; i < m->acts; i++)
			print_error("  %s\n", m->last[i % LAST]);
	}
	failed = true;
	pthread_mutex_unlock(&database);
}

static void note(struct model *m, enum act act, int desk, int want, int got)
{
	char when[28];

	clock_format_utc(now_us + CLOCK_TZ_OFFSET_US, when);
	snprintf(m->last[m->acts++ % LAST], sizeof(m->last[0]),
		 "%.16s %-16s state %d desk %d: %d, %d", when, table[act].name, m->state, desk,
		 want, got);
}

static void compare(struct walker *w, struct model *m)
{
	Dossier__GetReply *got;
	char text[200];

	if (get_it(&w->a, &desks[m->home].clerk, m->code, &got) < 0) {
		report(w, m, "cannot be read");
		return;
	}
	if ((int)got->dossier->state == m->state && got->dossier->due_us == m->due &&
	    (int)got->dossier->verdict == m->verdict && got->dossier->extended == m->extended &&
	    strcmp(got->dossier->holder_agency_code, desks[m->holder].code) == 0)
		return;
	snprintf(text, sizeof(text), "state %d due %lld verdict %d holder %s, not %d %lld %d %s",
		 (int)got->dossier->state, (long long)got->dossier->due_us,
		 (int)got->dossier->verdict, got->dossier->holder_agency_code, m->state,
		 (long long)m->due, m->verdict, desks[m->holder].code);
	report(w, m, text);
}

/* --- walking --- */

static enum act choose(struct walker *w, const struct model *m)
{
	for (;;) {
		enum act act = (enum act)(1 + below(w, ACTS - 1));
		bool fits = table[act].from & IN(m->state);

		if (act == PAY && (m->state != 6))
			continue; /* would be parked, not refused */
		if (act == GIVE_OPINION && !m->open_opinion)
			continue;
		if (act == ASK_OPINION && m->open_opinion)
			continue; /* the model keeps one open at a time */
		if ((act == WITHDRAW || act == REFUSE || act == STOP) && below(w, 4))
			continue; /* ends are rarer than what goes on */
		if (fits || below(w, 20) == 0)
			return act;
	}
}

static void act_once(struct walker *w, struct model *m)
{
	enum act act = m->code[0] == '\0' ? SUBMIT : choose(w, m);
	int desk = below(w, 8) ? m->holder : 1 - m->holder, to = (int)below(w, 2);
	bool flag = below(w, 2);
	int want = act == SUBMIT ? 0 : expected(m, act, desk, to);
	int got = perform_surely(w, m, act, desk, to, flag);

	note(m, act, desk, want, got);
	if (got != want) {
		report(w, m, "not as expected:");
		return;
	}
	if (got < 0) {
		w->refused++;
		return;
	}
	w->done[act]++;
	if (act == SUBMIT)
		m->state = 1;
	else
		apply(m, act, to, flag);
	if (below(w, 6) == 0)
		compare(w, m);
}

/* A new dossier now and then; the younger are worked on more. */
static struct model *pick(struct walker *w, int64_t round)
{
	struct model *m;

	if (w->n < DOSSIERS && (w->n < 10 || below(w, 16) == 0)) {
		m = &w->dossiers[w->n++];
		m->home = m->holder = (int)below(w, 2);
	} else {
		size_t span = w->n < 40 ? w->n : 40;

		m = &w->dossiers[below(w, 4) ? w->n - 1 - (size_t)below(w, (int64_t)span)
					     : (size_t)below(w, (int64_t)w->n)];
	}
	if (m->busy == round || ((m->state == 3 || m->state == 7) && below(w, 10)))
		return NULL; /* what has ended is asked about less */
	m->busy = round;
	return m;
}

static void *walk(void *arg)
{
	struct walker *w = arg;

	for (int64_t round = 1; round <= rounds; round++) {
		pthread_barrier_wait(&barrier);
		for (int n = 0; n < PER_ROUND && !failed;) {
			struct model *m = pick(w, round);

			if (!m)
				continue;
			act_once(w, m);
			n++;
		}
		pthread_barrier_wait(&barrier);
	}
	for (size_t i = 0; i < w->n && !failed; i++)
		compare(w, &w->dossiers[i]);
	return NULL;
}

/* Between rounds nobody asks: time moves ahead, by minutes or over a night, a week-end. */
static void drive(void)
{
	now_us = moment(START);
	for (int64_t round = 1; round <= rounds; round++) {
		now_us += (1 + below(&walkers[0], round % 10 ? 120 : 2000)) * MINUTE_US +
			  below(&walkers[0], MINUTE_US);
		*rig.clock = now_us;
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
	}
}

static void test_ten_thousand_acts_agree_with_the_model(void **state)
{
	int64_t done = 0, refused = 0;

	(void)state;
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++) {
		ask_init(&walkers[i].a, rig.gateway, "dossier");
		assert_int_equal(pthread_create(&walkers[i].thread, NULL, walk, &walkers[i]), 0);
	}
	drive();
	for (int i = 0; i < THREADS; i++) {
		pthread_join(walkers[i].thread, NULL);
		ask_done(&walkers[i].a);
		refused += walkers[i].refused;
		for (int act = 0; act < ACTS; act++)
			done += walkers[i].done[act];
	}
	pthread_barrier_destroy(&barrier);
	assert_false(failed);
	print_message("%lld acts done, %lld refused\n", (long long)done, (long long)refused);
	assert_int_equal(done + refused, rounds * THREADS * PER_ROUND);
	for (int act = 0; act < ACTS && done >= OPS / 2; act++) {
		int64_t n = 0;

		for (int i = 0; i < THREADS; i++)
			n += walkers[i].done[act];
		if (n == 0)
			fail_msg("nobody ever did %s", table[act].name);
	}
	assert_true(refused > done / 20);
}

/* --- what must hold of everything that happened --- */

static void test_codes_are_dense(void **state)
{
	(void)state;
	assert_int_equal(count("SELECT count(*) FROM (SELECT count(*) AS n,"
			       " max(split_part(code, '-', 3)::int) AS last FROM dossier"
			       " GROUP BY receiving_agency, split_part(code, '-', 2)) d"
			       " WHERE n <> last"),
			 0);
	assert_true(count("SELECT count(*) FROM dossier") > 10);
}

static void test_every_version_has_its_history_and_event(void **state)
{
	(void)state;
	relay_all();
	assert_int_equal(count("SELECT count(*) FROM dossier d WHERE version <> (SELECT count(*)"
			       " FROM history WHERE dossier = d.code)"),
			 0);
	assert_int_equal(count("SELECT count(*) FROM history h WHERE NOT EXISTS (SELECT FROM feed f"
			       " WHERE f.subject = h.dossier AND f.version = h.version)"),
			 0);
	assert_int_equal(count("SELECT count(*) FROM history h JOIN history g ON g.dossier ="
			       " h.dossier AND g.version = h.version + 1 WHERE g.at < h.at"),
			 0);
}

static void test_seals_hold(void **state)
{
	(void)state;
	assert_int_equal(
		count("SELECT count(*) FROM (SELECT pos_to, digest,"
		      " lag(pos_to, 1, 0::bigint) OVER (ORDER BY pos_to) AS pos_from,"
		      " lag(digest, 1, decode(repeat('00', 32), 'hex')) OVER (ORDER BY pos_to)"
		      " AS before FROM seal) s WHERE digest <> sha256(before || (SELECT"
		      " string_agg(sha256(event), ''::bytea ORDER BY pos) FROM feed"
		      " WHERE pos > pos_from AND pos <= pos_to))"),
		0);
	assert_true(count("SELECT count(*) FROM seal") > 10);
}

/* Over the whole time everything is new, and ends as the model's dossiers stand. */
static void test_statistics_are_the_models(void **state)
{
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	for (int home = 0; home < 2; home++) {
		Dossier__StatisticsRow want = DOSSIER__STATISTICS_ROW__INIT;
		Dossier__StatisticsReply *out;
		const Dossier__StatisticsRow *got;

		for (int i = 0; i < THREADS; i++) {
			for (size_t k = 0; k < walkers[i].n; k++) {
				const struct model *m = &walkers[i].dossiers[k];

				if (m->home != home)
					continue;
				want.resolved_early += m->verdict == 1;
				want.resolved_on_time += m->verdict == 2;
				want.resolved_late += m->verdict == 3;
				want.withdrawn += m->state == 7;
				want.refused += m->state == 3;
				want.paused += m->pause_kind != 0;
			}
		}
		assert_int_equal(CALL(&a, &statistician, Statistics, statistics, &out,
				      in_.agency_code = desks[home].code;
				      in_.from_date = "2024-05-01"; in_.to_date = "2024-12-31"),
				 0);
		got = out->rows[0];
		assert_int_equal(got->resolved_early, want.resolved_early);
		assert_int_equal(got->resolved_on_time, want.resolved_on_time);
		assert_int_equal(got->resolved_late, want.resolved_late);
		assert_int_equal(got->withdrawn, want.withdrawn);
		assert_int_equal(got->refused, want.refused);
		assert_int_equal(got->paused, want.paused);
		assert_int_equal(got->new_counter, got->resolved_early + got->resolved_on_time +
							   got->resolved_late + got->refused +
							   got->open_in_time + got->open_overdue +
							   got->paused);
	}
	ask_done(&a);
}

/* --- the rig --- */

static int start(void **state)
{
	static const struct calendar_day days[] = {
		{19870, CALENDAR_OFF},  /* 2024-05-27 */
		{19875, CALENDAR_WORK}, /* 2024-06-01, a Saturday */
		{19968, CALENDAR_OFF},  /* 2024-09-02 */
		{19969, CALENDAR_OFF},
	};
	const char *given = getenv("LGSP_SEED"), *ops = getenv("LGSP_MODEL_OPS");
	uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)clock_wall_us();
	struct err err;

	set_up(state);
	print_message("seed %llu\n", (unsigned long long)seed);
	for (uint64_t i = 0; i < THREADS; i++)
		walkers[i].random = seed * 2654435761U + i + 1;
	rounds = (ops ? strtoll(ops, NULL, 10) : OPS) / (THREADS * PER_ROUND);
	CHECK(calendar_new(days, ARRAY_LEN(days), civil_from_ymd(2021, 1, 1),
			   civil_from_ymd(2024, 12, 31), 2, &cal, &err) == 0);
	pg_exec(rig.pg, "dossier",
		"INSERT INTO ref_calendar_day VALUES ('2024-05-27', 'OFF'), ('2024-06-01', 'WORK'),"
		" ('2024-09-02', 'OFF'), ('2024-09-03', 'OFF');"
		"INSERT INTO ref_hours VALUES ('" COMMUNE "', 5, 450, 690, 690, 690, '2021-01-01',"
		" 'infinity', 5)");
	put_calendar(2, "2024-12-31");
	return 0;
}

static int stop(void **state)
{
	calendar_free(cal);
	return tear_down(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ten_thousand_acts_agree_with_the_model),
		cmocka_unit_test(test_codes_are_dense),
		cmocka_unit_test(test_every_version_has_its_history_and_event),
		cmocka_unit_test(test_seals_hold),
		cmocka_unit_test(test_statistics_are_the_models),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
