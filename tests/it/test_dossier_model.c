// with: tests/it/dossier_rig.c tests/it/dossier_model.c tests/it/dossier_acts.c tests/it/dossier_world.c
/*
 * The dossier service against a model: 10,000 random acts by clerks, officers, leaders, applicants
 * and other agencies, four at a time, business time jumping ahead between them, procedures,
 * stand-ins and records changing under way. What the model expects - done, or refused with which
 * code - must be what the service answers, and the dossier afterwards the model's. At the end codes
 * are dense, seals hold, every version has its event, the books agree with the rows, and the
 * statistics are those of the model.
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

#include "common/base/civil.h"
#include "common/base/clock.h"
#include "tests/it/dossier_acts.h"
#include "tests/it/dossier_world.h"

#define OPS       10000
#define THREADS   4
#define PER_ROUND 5 /* acts of a thread at one moment, on different dossiers */
#define DOSSIERS  400
#define DRAFTS    12
#define MINUTE_US (60 * CLOCK_US_PER_S)
#define DAY_US    (24 * 60 * MINUTE_US)
#define START     "2024-05-21 08:00"
#define TIDE_DAYS 15 /* answers that can be late are due on the same days: jobs take their time */
#define LATE_MS   60000

/* What happens beside moves on dossiers; each must happen. */
enum turn {
	BATCHED,
	SENT_AGAIN,
	SENT_OTHER,
	SAVED,
	SAVED_AGAIN,
	CHANGED,
	READ,
	NOT_MINE,
	EXPIRED,
	TURNS
};

struct walker {
	pthread_t thread;
	struct actor a;
	uint64_t random;
	struct model dossiers[DOSSIERS];
	size_t n;
	struct draft drafts[DRAFTS];
	size_t n_drafts;
	int64_t done[ACTS], turns[TURNS], refused;
};

static struct walker walkers[THREADS];
static pthread_barrier_t barrier;
static pthread_mutex_t printing = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool failed;
static int64_t rounds;

static const struct person statistician = {"stat-1", "statistician", "H40"};

static int64_t below(struct walker *w, int64_t n)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (int64_t)(w->random % (uint64_t)n);
}

/* --- what was not as expected --- */

static void report(const struct model *m, const char *what, const char *got, const char *want)
{
	pthread_mutex_lock(&printing);
	if (!failed) {
		print_error("%s: %s \"%s\", not \"%s\"\n", m->code, what, got, want);
		for (unsigned i = m->acts > MODEL_LAST ? m->acts - MODEL_LAST : 0; i < m->acts; i++)
			print_error("  %s\n", m->last[i % MODEL_LAST]);
	}
	failed = true;
	pthread_mutex_unlock(&printing);
}

static void note(struct model *m, const struct move *v, const char *got)
{
	char when[28];

	clock_format_utc(world.now_us + CLOCK_TZ_OFFSET_US, when);
	snprintf(m->last[m->acts++ % MODEL_LAST], sizeof(m->last[0]),
		 "%.16s %-16s state %2d step %d by %d/%d with %d %d: %s", when,
		 model_act_name(v->act), m->state, m->step, v->desk, (int)v->hand, v->to, v->flag,
		 got);
}

static void compare(struct walker *w, const struct model *m)
{
	const char *differs = actor_compare(&w->a, m);

	if (differs[0] != '\0')
		report(m, "is", differs, "as the model");
}

/* The move was made: with the outcome expected, and the dossier is what it makes of it. */
static void settle(struct walker *w, struct model *m, const struct move *v, const char *got)
{
	const char *want = v->act < FILINGS ? "" : model_expect(m, v);

	note(m, v, got);
	if (strcmp(got, want) != 0) {
		report(m, model_act_name(v->act), got, want);
		return;
	}
	if (got[0] != '\0') {
		w->refused++;
		return;
	}
	w->done[v->act]++;
	if (v->act >= FILINGS)
		model_apply(m, v);
	if (below(w, 6) == 0)
		compare(w, m);
}

/* --- moves --- */

static int days_to_tide(void)
{
	int32_t since = civil_of_us(world.now_us) - civil_of_us(moment(START));

	return TIDE_DAYS - since % TIDE_DAYS;
}

/* An opinion: mostly one that is open. */
static int pick_opinion(struct walker *w, const struct model *m)
{
	for (int i = 1; i <= m->n_opinions && below(w, 8); i++)
		if (m->opinions[i].state == OPINION_OPEN)
			return i;
	return 1 + (int)below(w, m->n_opinions + 1);
}

static int pick_operand(struct walker *w, const struct model *m, enum act act)
{
	switch ((int)act) {
	case ASK_SUPPLEMENT:
		return below(w, 2) ? 180 : days_to_tide();
	case FORWARD:
		if (below(w, 12) == 0)
			return MODEL_GONE;
		return below(w, 2) ? m->home : (int)below(w, MODEL_DESKS);
	case ASSIGN:
		return below(w, 6) ? OFFICER + (int)below(w, 2) : HANDS + (int)below(w, 2);
	case GIVE_OPINION:
	case WITHDRAW_OPINION:
		return pick_opinion(w, m);
	case ASK_OPINION:
		return below(w, 2) ? 800 : 16;
	case EXTEND:
		return 1 + 3 * (int)below(w, 2);
	case OPEN_CHILD:
		return (int)below(w, 2);
	default:
		return 0;
	}
}

/* Who: mostly one who may, else anybody of staff. */
static void pick_hand(struct walker *w, const struct model *m, struct move *v)
{
	if (!model_is_staffs(v->act)) {
		v->desk = -1;
		return;
	}
	v->desk = below(w, 12) ? model_desk_of(m, v->act) : (int)below(w, MODEL_DESKS);
	do
		v->hand = (enum hand)below(w, HANDS);
	while (!model_hand_fits(v->act, v->hand) && below(w, 20));
}

/* Acts whose refusal would only be somebody else's: a parked event, a locked look-up. */
static bool is_possible(const struct walker *w, const struct model *m, enum act act)
{
	switch ((int)act) {
	case PAY:
		return (m->fee == FEE_REQUESTED || m->fee == FEE_EXPIRED) &&
		       model_from(act) & 1u << m->state;
	case ORDER_EXPIRES:
		return m->state == 6;
	case OPEN_CHILD:
		return m->n_children < (int)ARRAY_LEN(m->children) && w->n < DOSSIERS;
	case SUPPLEMENT_ONLINE:
	case WITHDRAW_ONLINE:
	case COMPLAIN:
	case RATE:
		return m->secret[0] != '\0';
	default:
		return act != TIME_RUNS_OUT;
	}
}

/* Ends are rarer than what goes on. */
static bool is_rare(enum act act)
{
	return act == WITHDRAW || act == WITHDRAW_ONLINE || act == REFUSE || act == STOP ||
	       act == ORDER_EXPIRES || act == EXEMPT_FEE;
}

static struct move any_move(struct walker *w, const struct model *m)
{
	struct move v = {.flag = below(w, 2)};

	for (;;) {
		v.act = (enum act)(FILINGS + below(w, ACTS - FILINGS));
		if (!is_possible(w, m, v.act) || (is_rare(v.act) && below(w, 4)))
			continue;
		if (model_from(v.act) & 1u << m->state || below(w, 20) == 0)
			break;
	}
	v.to = pick_operand(w, m, v.act);
	pick_hand(w, m, &v);
	return v;
}

/* What will be refused is chosen less often than it comes up. */
static struct move choose(struct walker *w, const struct model *m)
{
	struct move v;

	do
		v = any_move(w, m);
	while (model_expect(m, &v)[0] != '\0' && below(w, 3));
	return v;
}

static struct model *new_dossier(struct walker *w)
{
	return &w->dossiers[w->n++];
}

static void act_on(struct walker *w, struct model *m)
{
	struct move v = choose(w, m);
	struct model *child = v.act == OPEN_CHILD ? &w->dossiers[w->n] : NULL;
	const char *got = actor_perform(&w->a, m, &v, child);

	settle(w, m, &v, got);
	if (!child || got[0] != '\0')
		return;
	w->n++;
	child->parent = m;
	child->busy = m->busy;
	m->children[m->n_children++] = child;
	settle(w, child, &(struct move){.act = SUBMIT, .desk = v.desk, .hand = v.hand}, "");
}

/* --- filings --- */

/* An open one of the older system's, at any point of its way. */
static void make_imported(struct walker *w, struct model *m)
{
	static const int states[] = {1, 2, 4, 4, 5, 8};
	int32_t day = civil_of_us(moment(START)) - 1;

	m->state = states[below(w, ARRAY_LEN(states))];
	if (m->state == 1)
		return;
	m->entered = true;
	m->clock_from = civil_to_us(day, 15 * 60);
	m->due = civil_to_us(day + 3 + (int)below(w, 20), 17 * 60);
	m->unit = CALENDAR_WORKING_DAYS;
	if (m->state == 4)
		m->holder = (int)below(w, MODEL_DESKS);
	if (m->state != 5 && m->state != 8)
		return;
	m->pause_kind = m->state;
	m->paused_at = civil_to_us(day, 16 * 60);
	m->back = 4;
}

static void file_one_more(struct walker *w, struct model *m)
{
	static const enum act acts[] = {SUBMIT,        SUBMIT,        SUBMIT,          SUBMIT,
					SUBMIT_ONLINE, SUBMIT_ONLINE, SUBMIT_NATIONAL, IMPORT};
	struct move v = {.act = acts[below(w, ARRAY_LEN(acts))], .desk = -1};

	model_begin(m, v.act == IMPORT ? BARE : below(w, 2) ? PLAIN : STEPPED, (int)below(w, 2));
	if (v.act == SUBMIT_ONLINE)
		m->channel = DOSSIER__CHANNEL__CHANNEL_OWN_PORTAL;
	if (v.act == SUBMIT_NATIONAL)
		m->channel = DOSSIER__CHANNEL__CHANNEL_NATIONAL_PORTAL;
	if (v.act == SUBMIT_ONLINE || v.act == SUBMIT_NATIONAL)
		m->reused = m->reused_at_filing = below(w, 2);
	if (v.act == IMPORT)
		make_imported(w, m);
	settle(w, m, &v, actor_perform(&w->a, m, &v, NULL));
}

static void expect(struct walker *w, const struct model *m, const char *what, const char *got,
		   const char *want, enum turn turn)
{
	if (strcmp(got, want) != 0)
		report(m, what, got, want);
	w->turns[turn]++;
}

static void send_again(struct walker *w, struct model *m)
{
	bool other = below(w, 2);

	expect(w, m, "sent again", actor_send_again(&w->a, m, other),
	       other ? "NATIONAL_CODE_TAKEN" : "", other ? SENT_OTHER : SENT_AGAIN);
}

/* --- drafts --- */

static void file_draft(struct walker *w, struct draft *d, const char *fault)
{
	static const struct move v = {.act = SUBMIT_DRAFT, .desk = -1};
	struct model *m = &w->dossiers[w->n];
	const char *got;

	model_begin(m, PLAIN, 0);
	m->channel = DOSSIER__CHANNEL__CHANNEL_OWN_PORTAL;
	got = actor_file_draft(&w->a, d, d->version, m);
	if (fault[0] != '\0' || got[0] != '\0') {
		expect(w, m, "draft filed", got, fault, EXPIRED);
		return;
	}
	w->n++;
	d->gone = true;
	settle(w, m, &v, got);
}

static void use_draft(struct walker *w, struct draft *d)
{
	static const struct model none;
	bool expired = d->gone || world.now_us >= d->saved_us + MODEL_DRAFT_DAYS * DAY_US;
	const char *fault = expired ? "UNKNOWN_DRAFT" : "";

	switch (below(w, 5)) {
	case 0:
		expect(w, &none, "draft read", actor_read_draft(&w->a, d, &w->a.citizen), fault,
		       expired ? EXPIRED : READ);
		break;
	case 1:
		expect(w, &none, "another's draft", actor_read_draft(&w->a, d, &other_citizen),
		       "UNKNOWN_DRAFT", NOT_MINE);
		break;
	case 2:
		expect(w, &none, "an old draft saved", actor_save_draft(&w->a, d, d->version + 1),
		       expired ? "UNKNOWN_DRAFT" : "DRAFT_CHANGED", CHANGED);
		break;
	case 3:
		expect(w, &none, "draft saved again", actor_save_draft(&w->a, d, d->version), fault,
		       expired ? EXPIRED : SAVED_AGAIN);
		break;
	default:
		if (below(w, 4) == 0 && w->n < DOSSIERS)
			file_draft(w, d, fault);
		break;
	}
}

static void draft_once(struct walker *w)
{
	static const struct model none;

	if (w->n_drafts < DRAFTS && (w->n_drafts == 0 || below(w, 3) == 0))
		expect(w, &none, "draft saved",
		       actor_save_draft(&w->a, &w->drafts[w->n_drafts++], 0), "", SAVED);
	else
		use_draft(w, &w->drafts[below(w, (int64_t)w->n_drafts)]);
}

/* --- batches --- */

static void batch_once(struct walker *w, struct model *first, int64_t round)
{
	struct move v = choose(w, first);
	struct model *list[MODEL_BATCH] = {first};
	char got[MODEL_BATCH][64];
	size_t n = 1;

	for (int i = 0; i < 20 && !actor_can_batch(v.act); i++)
		v = choose(w, first);
	if (!actor_can_batch(v.act))
		return;
	first->busy = round;
	for (int i = 0; i < 10 * MODEL_BATCH && n < MODEL_BATCH; i++) {
		struct model *m = &w->dossiers[below(w, (int64_t)w->n)];

		if (m->busy == round || (!(model_from(v.act) & 1u << m->state) && below(w, 8)))
			continue;
		m->busy = round;
		list[n++] = m;
	}
	if (!actor_perform_all(&w->a, list, n, &v, got)) {
		report(first, "batch", err_code(&w->a.people.err), "");
		return;
	}
	w->turns[BATCHED]++;
	for (size_t i = 0; i < n && !failed; i++)
		settle(w, list[i], &v, got[i]);
}

/* --- walking --- */

/* A new dossier now and then; the younger are worked on more. */
static struct model *pick(struct walker *w, int64_t round)
{
	size_t span = w->n < 40 ? w->n : 40;
	struct model *m;

	if (w->n < DOSSIERS && (w->n < 10 || below(w, 16) == 0))
		return new_dossier(w);
	m = &w->dossiers[below(w, 4) ? w->n - 1 - (size_t)below(w, (int64_t)span)
				     : (size_t)below(w, (int64_t)w->n)];
	if (m->busy == round || ((m->state == 3 || m->state == 7) && below(w, 10)))
		return NULL; /* what has ended is asked about less */
	return m;
}

static void turn(struct walker *w, struct model *m, int64_t round)
{
	bool is_new = m->code[0] == '\0';

	if (is_new)
		file_one_more(w, m);
	else if (below(w, 30) == 0)
		draft_once(w);
	else if (below(w, 10) == 0 && m->national[0] != '\0')
		send_again(w, m);
	else if (below(w, 30) == 0)
		batch_once(w, m, round);
	else
		act_on(w, m);
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
			turn(w, m, round);
			m->busy = round;
			n++;
		}
		pthread_barrier_wait(&barrier);
	}
	for (size_t i = 0; i < w->n && !failed; i++)
		compare(w, &w->dossiers[i]);
	return NULL;
}

/* --- between rounds nobody acts: time moves on, and what is so for all --- */

/* Answers that are overdue now: the service's own job has to see them. */
static void run_out_of_time(void)
{
	static const struct move v = {.act = TIME_RUNS_OUT, .desk = -1};
	char sql[200];
	size_t n = 0;

	for (int i = 0; i < THREADS; i++) {
		for (size_t k = 0; k < walkers[i].n; k++) {
			struct model *m = &walkers[i].dossiers[k];

			if (m->state != 5 || m->reply_due == 0 || m->reply_due > world.now_us)
				continue;
			note(m, &v, "");
			model_apply(m, &v);
			walkers[i].done[TIME_RUNS_OUT]++;
			n++;
		}
	}
	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM dossier WHERE state = 5 AND reply_due_at <="
		 " timestamptz 'epoch' + %lld * interval '1 microsecond'",
		 (long long)world.now_us);
	if (n > 0)
		assert_true(pg_wait_int(rig.pg, "dossier", sql, 0, LATE_MS));
}

/* Colleagues stand in for officers for some days, or no longer. */
static void change_stand_ins(struct ask *a)
{
	for (int desk = 0; desk < MODEL_DESKS; desk++)
		world_stand_in(a, desk, below(&walkers[0], 3) ? (int)below(&walkers[0], 8) : -1);
}

static void change_world(struct ask *a, int64_t round)
{
	static const int limits[][2] = {{CALENDAR_CALENDAR_DAYS, 5},
					{CALENDAR_WORKING_HOURS, 20},
					{CALENDAR_WORKING_DAYS, 4},
					{CALENDAR_SAME_DAY, 0}};
	int64_t every = rounds / (int64_t)(ARRAY_LEN(limits) + 1) + 1;

	if (round % every == 0)
		world_limit(limits[round / every - 1][0], limits[round / every - 1][1]);
	if (round % 20 == 1)
		change_stand_ins(a);
}

/* By minutes, or over a night, a week-end. */
static void drive(void)
{
	struct ask a;

	ask_init(&a, rig.gateway, "dossier");
	world.now_us = moment(START);
	for (int64_t round = 1; round <= rounds; round++) {
		world_at(world.now_us +
			 (1 + below(&walkers[0], round % 10 ? 120 : 2000)) * MINUTE_US +
			 below(&walkers[0], MINUTE_US));
		if (!failed) {
			change_world(&a, round);
			run_out_of_time();
		}
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
	}
	ask_done(&a);
}

static void check_everything_happened(void)
{
	for (int act = 0; act < ACTS; act++) {
		int64_t n = 0;

		for (int i = 0; i < THREADS; i++)
			n += walkers[i].done[act];
		if (n == 0)
			fail_msg("nobody ever did %s", model_act_name((enum act)act));
	}
	for (int kind = 0; kind < TURNS; kind++) {
		int64_t n = 0;

		for (int i = 0; i < THREADS; i++)
			n += walkers[i].turns[kind];
		if (n == 0)
			fail_msg("never a turn of kind %d", kind);
	}
}

static void test_ten_thousand_acts_agree_with_the_model(void **state)
{
	int64_t done = 0, refused = 0;

	(void)state;
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++) {
		actor_init(&walkers[i].a, i);
		assert_int_equal(pthread_create(&walkers[i].thread, NULL, walk, &walkers[i]), 0);
	}
	drive();
	for (int i = 0; i < THREADS; i++) {
		pthread_join(walkers[i].thread, NULL);
		actor_done(&walkers[i].a);
		refused += walkers[i].refused;
		for (int act = 0; act < ACTS; act++)
			done += walkers[i].done[act];
	}
	pthread_barrier_destroy(&barrier);
	assert_false(failed);
	print_message("%lld acts done, %lld refused\n", (long long)done, (long long)refused);
	if (done + refused >= OPS * 9 / 10) /* the rest are turns of other kinds */
		check_everything_happened();
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
			       " WHERE f.subject = h.dossier AND f.version = h.version)"
			       " AND NOT EXISTS (SELECT FROM outbox o"
			       " WHERE o.subject = h.dossier AND o.version = h.version)"),
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

/* What the rows say that others count again: opinions, complaints, hand-offs, pauses, steps. */
static void test_books_agree_with_the_rows(void **state)
{
	static const char *const faults[] = {
		"dossier d WHERE (opinions, opinions_open, opinions_pausing) <> (SELECT count(*),"
		" count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 1 AND"
		" pauses_clock) FROM opinion WHERE dossier = d.code)",
		"dossier d WHERE (complaints, complaints_open) <> (SELECT count(*), count(*) FILTER"
		" (WHERE a.dossier IS NULL) FROM complaint k LEFT JOIN complaint_answer a"
		" ON a.dossier = k.dossier AND a.ordinal = k.ordinal WHERE k.dossier = d.code)",
		"dossier d WHERE (hops, hops) <> (SELECT count(*), coalesce(max(hop), 0) FROM "
		"handoff"
		" WHERE dossier = d.code)",
		"dossier d WHERE in_transit <> (hops > 0 AND NOT EXISTS (SELECT FROM"
		" handoff_receipt r WHERE r.dossier = d.code AND r.hop = d.hops))",
		"dossier d WHERE supplements <> (SELECT count(*) FROM supplement"
		" WHERE dossier = d.code)",
		"pause p WHERE to_at < from_at OR EXISTS (SELECT FROM pause q WHERE q.dossier ="
		" p.dossier AND q.from_at > p.from_at AND q.from_at < p.to_at)",
		"step_log s WHERE to_at < from_at OR EXISTS (SELECT FROM step_log t WHERE "
		"t.dossier ="
		" s.dossier AND t.version > s.version AND t.from_at < s.to_at)",
		"dossier d WHERE extended <> EXISTS (SELECT FROM extension e WHERE e.dossier = "
		"d.code"
		" AND e.at >= d.clock_from_at)",
	};
	char sql[600];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", faults[i]);
		if (count(sql) != 0)
			fail_msg("%lld: %s", (long long)count(sql), faults[i]);
	}
}

/* Those with most versions are proved by the operator's command. */
static void test_long_histories_are_proved(void **state)
{
	static char out[CTL_OUT_BYTES];
	char words[100];

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		const struct model *longest = &walkers[i].dossiers[0];

		for (size_t k = 0; k < walkers[i].n; k++)
			if (walkers[i].dossiers[k].acts > longest->acts)
				longest = &walkers[i].dossiers[k];
		snprintf(words, sizeof(words), "dossier verify %s", longest->code);
		if (run_ctl(words, out) != 0)
			fail_msg("%s: %s", words, out);
	}
}

static void add_figures(const struct model *m, Dossier__StatisticsRow *want)
{
	want->resolved_early += m->verdict == 1;
	want->resolved_on_time += m->verdict == 2;
	want->resolved_late += m->verdict == 3;
	want->withdrawn += m->state == 7;
	want->refused += m->state == 3;
	want->paused += m->pause_kind != 0;
	want->awaiting += !m->entered;
	if (!m->entered)
		return;
	if (m->channel == DOSSIER__CHANNEL__CHANNEL_COUNTER)
		want->new_counter++;
	else
		want->new_online++;
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

		for (int i = 0; i < THREADS; i++)
			for (size_t k = 0; k < walkers[i].n; k++)
				if (walkers[i].dossiers[k].home == home)
					add_figures(&walkers[i].dossiers[k], &want);
		assert_int_equal(CALL(&a, &statistician, Statistics, statistics, &out,
				      in_.agency_code = model_desks[home];
				      in_.from_date = "2024-01-01"; in_.to_date = "2024-12-31"),
				 0);
		got = out->rows[0];
		assert_int_equal(got->new_online, want.new_online);
		assert_int_equal(got->new_counter, want.new_counter);
		assert_int_equal(got->awaiting, want.awaiting);
		assert_int_equal(got->resolved_early, want.resolved_early);
		assert_int_equal(got->resolved_on_time, want.resolved_on_time);
		assert_int_equal(got->resolved_late, want.resolved_late);
		assert_int_equal(got->withdrawn, want.withdrawn);
		assert_int_equal(got->refused, want.refused);
		assert_int_equal(got->paused, want.paused);
		assert_int_equal(got->new_online + got->new_counter + got->new_post + got->carried,
				 got->resolved_early + got->resolved_on_time + got->resolved_late +
					 got->refused + got->open_in_time + got->open_overdue +
					 got->paused);
	}
	ask_done(&a);
}

/* --- the rig --- */

static int start(void **state)
{
	const char *given = getenv("LGSP_SEED"), *acts = getenv("LGSP_MODEL_OPS");
	uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)clock_wall_us();

	set_up(state);
	print_message("seed %llu\n", (unsigned long long)seed);
	for (uint64_t i = 0; i < THREADS; i++)
		walkers[i].random = seed * 2654435761U + i + 1;
	rounds = (acts ? strtoll(acts, NULL, 10) : OPS) / (THREADS * PER_ROUND);
	world_start();
	return 0;
}

static int stop(void **state)
{
	world_stop();
	return tear_down(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ten_thousand_acts_agree_with_the_model),
		cmocka_unit_test(test_codes_are_dense),
		cmocka_unit_test(test_every_version_has_its_history_and_event),
		cmocka_unit_test(test_seals_hold),
		cmocka_unit_test(test_books_agree_with_the_rows),
		cmocka_unit_test(test_long_histories_are_proved),
		cmocka_unit_test(test_statistics_are_the_models),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
