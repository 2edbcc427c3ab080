// with: tests/it/dossier_rig.c
/*
 * Form II.06a on random histories: what the service counts in SQL is compared with a plain replay
 * of the same histories, over random periods; every dossier is counted once; a closed period's
 * figures stay, whatever becomes of its dossiers. The seed is printed; LGSP_SEED sets it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/civil.h"
#include "common/base/clock.h"
#include "tests/it/dossier_rig.h"
#include "tests/support/outside.h"

#define LIVES   1500
#define EVENTS  14
#define PERIODS 60
#define DAY_US  (86400 * CLOCK_US_PER_S)
#define NOW     "2025-01-15 08:00"

static const struct person leader = {"leader-31-01", "leader", COMMUNE};
static const struct person district_leader = {"leader-31", "leader", DISTRICT};
static const struct person statistician = {"stat-1", "statistician", "H40"};

static const char *const agencies[] = {COMMUNE, OTHER, DISTRICT};
static const char *const fields[] = {"Hộ tịch", "Đất đai"};
static const char *const procedures[] = {MARRIAGE ":1", BIRTH ":2"};

struct event {
	int64_t at, due;
	int state;
};

/* A dossier's life as it was made up; what the database gets is made of it. */
struct life {
	int agency, field, channel;
	struct event events[EVENTS];
	int n;
	int64_t outside_from, outside_to; /* a pause for an outside agency; to 0: it lasts */
};

static struct life lives[LIVES];
static uint64_t seed;

static int64_t below(int64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (int64_t)(seed % (uint64_t)n);
}

/* --- making lives up --- */

/* A state that may follow; back: where a pause returns to. */
static int follow(int state, int *back)
{
	static const int next[11][7] = {
		[1] = {2, 2, 2, 3, 5, 7, 2},      [2] = {4, 4, 4, 5, 6, 7, 8},
		[4] = {4, 5, 6, 9, 9, 9, 8},      [5] = {-1, -1, -1, 7, 0, -1, -1},
		[6] = {4, 4, 4, 4, 7, 8, 4},      [8] = {4, 7, 4, 4, 4, 4, 7},
		[9] = {10, 10, 9, 4, 10, 10, 10}, [10] = {10, 10, 4, 10, 10, 10, 10},
	};
	int to = next[state][below(7)];

	if (to == -1)
		to = *back;
	else if (to == 0)
		to = *back == 1 ? 3 : 8;
	if (to == 5)
		*back = state;
	return to;
}

static bool is_closed(int state)
{
	return state == 3 || state == 7 || state == 9 || state == 10;
}

/* The due date behind an event: fixed at acceptance and reopening, moved by pauses. */
static int64_t due_after(const struct event *last, int to, int64_t at, bool limited)
{
	if (!limited || (to != 2 && last->due == 0))
		return last->due;
	if ((last->state == 1 && to == 2) || (last->state >= 9 && to == 4))
		return at + (1 + below(25)) * DAY_US;
	if (last->state == 5 || last->state == 6 || last->state == 8)
		return last->due + below(10) * DAY_US;
	return last->due;
}

static void live(struct life *l, int64_t first, int64_t now)
{
	bool limited = below(10) > 0;
	int back = 1;

	*l = (struct life){.agency = (int)below(3),
			   .field = (int)below(2),
			   .channel = 1 + (int)below(4),
			   .n = 1};
	l->events[0] = (struct event){.at = first, .state = 1};
	while (l->n < EVENTS) {
		const struct event *last = &l->events[l->n - 1];
		int64_t at = last->at + 1 + below(15 * DAY_US);
		int to;

		if (last->state == 4 && l->outside_from == 0 && below(4) == 0) {
			l->outside_from = last->at + 1;
			l->outside_to = l->outside_from + below(30 * DAY_US);
			at = l->outside_to + 1 + below(DAY_US);
		}
		if (at >= now || last->state == 3 || last->state == 7 || below(12) == 0)
			break;
		to = follow(last->state, &back);
		l->events[l->n] = (struct event){
			.at = at, .state = to, .due = due_after(last, to, at, limited)};
		l->n++;
	}
	if (l->outside_to >= now || l->events[l->n - 1].at < l->outside_from)
		l->outside_to = l->outside_from < now && l->outside_from ? 0 : l->outside_to;
}

/* --- into the database --- */

static void put_time(struct buf *b, int64_t us)
{
	char text[28];

	clock_format_utc(us, text);
	buf_printf(b, us ? "'%s'" : "NULL", text);
}

static void put_code(struct buf *b, size_t i)
{
	buf_printf(b, "'%s-240101-%04zu'", agencies[lives[i].agency], i);
}

static const char *pause_kind(const struct life *l, int state)
{
	return state == 5                                        ? "supplement"
	       : state == 6                                      ? "payment"
	       : state == 8                                      ? "stop"
	       : state == 4 && l->outside_from && !l->outside_to ? "outside"
								 : "";
}

/* The verdict as it is frozen: by the date of the row that closed it. */
static int verdict_of(const struct event *closing)
{
	int32_t due = civil_of_us(closing->due), day = civil_of_us(closing->at);

	return closing->due == 0 || day == due ? 2 : day < due ? 1 : 3;
}

/* The row that closed it last: behind the last open one. */
static const struct event *closing_of(const struct life *l, int n)
{
	while (n > 1 && is_closed(l->events[n - 2].state))
		n--;
	return &l->events[n - 1];
}

static void put_dossier(struct buf *b, size_t i)
{
	const struct life *l = &lives[i];
	const struct event *end = &l->events[l->n - 1];
	int s = end->state;
	const char *kind = pause_kind(l, s);
	bool outside = strcmp(kind, "outside") == 0;
	bool accepted = s != 1 && s != 3 && s != 7 && s != 5;

	buf_puts(b, "(");
	put_code(b, i);
	buf_printf(b, ",%d,%d,'%.8s',%s,'%s','%s','%s',%d,", l->n, s, procedures[l->field],
		   procedures[l->field] + 9, agencies[l->agency], agencies[l->agency],
		   agencies[l->agency], l->channel);
	put_time(b, l->events[0].at);
	buf_puts(b, ",");
	put_time(b, accepted ? l->events[0].at : 0);
	buf_puts(b, ",");
	put_time(b, accepted ? l->events[0].at : 0);
	buf_puts(b, ",");
	put_time(b, end->due);
	buf_printf(b, ",'%s',", kind);
	put_time(b, outside ? l->outside_from : kind[0] ? end->at : 0);
	buf_puts(b, ",");
	put_time(b, is_closed(s) ? closing_of(l, l->n)->at : 0);
	buf_printf(b, ",%d,%d,%d,%d,%d,%d,%d)",
		   is_closed(s) && s != 3 ? verdict_of(closing_of(l, l->n)) : 0, s >= 9, s >= 9,
		   s == 5             ? 1
		   : s == 6 || s == 8 ? 4
				      : 0,
		   outside, outside, outside);
}

static void put_history(struct buf *b, size_t i, int v)
{
	const struct event *e = &lives[i].events[v];

	buf_puts(b, "(");
	put_code(b, i);
	buf_printf(b, ",%d,%d,'x','x','x','x','x','x','',", v + 1, e->state);
	put_time(b, e->at);
	buf_puts(b, ",");
	put_time(b, e->due);
	buf_puts(b, ")");
}

static void flush(struct buf *b)
{
	pg_exec(rig.pg, "dossier", buf_str(b));
	buf_done(b);
	buf_init(b, 1 << 22);
}

static void store_lives(void)
{
	struct buf b;

	buf_init(&b, 1 << 22);
	buf_puts(&b, "INSERT INTO dossier (code, version, state, procedure_code, procedure_version,"
		     " receiving_agency, competent_agency, holder_agency, channel, submitted_at,"
		     " accepted_at, clock_from_at, due_at, pause_kind, paused_at, finished_at,"
		     " verdict, decision, handover_state, resumes_to, opinions, opinions_open,"
		     " opinions_pausing) VALUES ");
	for (size_t i = 0; i < LIVES; i++) {
		buf_puts(&b, i ? "," : "");
		put_dossier(&b, i);
	}
	flush(&b);
	buf_puts(&b, "INSERT INTO history (dossier, version, state, action, actor, member, roles,"
		     " agency, holder_agency, note, at, due_at) VALUES ");
	for (size_t i = 0; i < LIVES; i++) {
		for (int v = 0; v < lives[i].n; v++) {
			buf_puts(&b, i || v ? "," : "");
			put_history(&b, i, v);
		}
	}
	flush(&b);
	for (size_t i = 0; i < LIVES; i++) {
		if (!lives[i].outside_to)
			continue;
		buf_puts(&b, "INSERT INTO pause VALUES (");
		put_code(&b, i);
		buf_puts(&b, ",");
		put_time(&b, lives[i].outside_from);
		buf_puts(&b, ",");
		put_time(&b, lives[i].outside_to);
		buf_puts(&b, ",'outside');");
	}
	if (b.len > 0)
		flush(&b);
	buf_done(&b);
}

static int make_lives(void **state)
{
	const char *given = getenv("LGSP_SEED");
	struct bundle bundle;
	struct ask a;

	set_up(state);
	seed = given ? strtoull(given, NULL, 10) : (uint64_t)clock_wall_us();
	print_message("seed %llu\n", (unsigned long long)seed);
	pg_exec(rig.pg, "dossier",
		"UPDATE ref_agency SET parent_code = '" DISTRICT "' WHERE code LIKE 'H40.31.%'");
	ask_init(&a, rig.ops, "dossier");
	make_bundle(&bundle);
	bundle.p[1].field = fields[1];
	assert_int_equal(import(&a, &bundle), 1); /* its version 2 */
	ask_done(&a);
	for (size_t i = 0; i < LIVES; i++)
		live(&lives[i], moment("2024-01-01 00:00") + below(360 * DAY_US), moment(NOW));
	store_lives();
	set_clock(NOW);
	return 0;
}

/* --- the naive recount --- */

struct figures {
	int64_t online, counter, post, carried, reopened, early, on_time, late, withdrawn, refused;
	int64_t in_time, overdue, paused, paused_overdue, awaiting;
};

enum situation { NOTHING, AWAITS, OPEN, CLOSED };

/* What a life has come to before a moment, step by step. */
struct replay {
	enum situation situation;
	const struct event *last, *closing, *paused, *decided;
	bool reopened; /* since from */
};

static struct replay replay(const struct life *l, int64_t from, int64_t end)
{
	struct replay r = {NOTHING, NULL, NULL, NULL, NULL, false};

	for (int v = 0; v < l->n && l->events[v].at < end; v++) {
		const struct event *e = &l->events[v];
		bool pauses = e->state == 5 || e->state == 6 || e->state == 8;

		if (e->state != 1 && !r.decided)
			r.decided = e;
		if (is_closed(e->state) && r.situation != CLOSED)
			r.closing = e;
		if (!is_closed(e->state) && r.situation == CLOSED && e->at >= from)
			r.reopened = true;
		if (!pauses)
			r.paused = NULL;
		else if (!r.paused)
			r.paused = e;
		r.situation = is_closed(e->state) ? CLOSED : r.decided ? OPEN : AWAITS;
		r.last = e;
	}
	return r;
}

static void add_end(struct figures *f, const struct life *l, const struct replay *r, int64_t end)
{
	bool outside = r->last->state == 4 && l->outside_from && l->outside_from < end &&
		       (l->outside_to == 0 || l->outside_to >= end);
	int64_t stood = r->paused ? r->paused->at : outside ? l->outside_from : INT64_MAX;
	int64_t until = stood < end ? stood : end;
	bool overdue = r->last->due != 0 && r->last->due < until;

	if (r->situation == OPEN) {
		f->paused += stood != INT64_MAX;
		f->paused_overdue += stood != INT64_MAX && overdue;
		f->in_time += stood == INT64_MAX && !overdue;
		f->overdue += stood == INT64_MAX && overdue;
		return;
	}
	f->refused += r->last->state == 3;
	if (r->last->state == 3)
		return;
	f->withdrawn += r->last->state == 7;
	f->early += verdict_of(r->closing) == 1;
	f->on_time += verdict_of(r->closing) == 2;
	f->late += verdict_of(r->closing) == 3;
}

static void add_life(struct figures *f, const struct life *l, int64_t from, int64_t end)
{
	struct replay before = replay(l, from, from), r = replay(l, from, end);

	f->awaiting += r.situation == AWAITS;
	if (r.situation != OPEN && r.situation != CLOSED)
		return;
	if (before.situation == CLOSED && !r.reopened)
		return; /* settled before */
	if (before.situation == OPEN || before.situation == CLOSED) {
		f->carried++;
		f->reopened += before.situation == CLOSED;
	} else {
		f->online += l->channel >= 3;
		f->counter += l->channel == 1;
		f->post += l->channel == 2;
	}
	add_end(f, l, &r, end);
}

/* --- comparing --- */

static struct figures of_row(const Dossier__StatisticsRow *r)
{
	return (struct figures){r->new_online,       r->new_counter,    r->new_post,
				r->carried,          r->reopened,       r->resolved_early,
				r->resolved_on_time, r->resolved_late,  r->withdrawn,
				r->refused,          r->open_in_time,   r->open_overdue,
				r->paused,           r->paused_overdue, r->awaiting};
}

static void expect_same(const char *what, const struct figures *want, const struct figures *got)
{
	static const char *const names[] = {"online",    "counter",        "post",    "carried",
					    "reopened",  "early",          "on time", "late",
					    "withdrawn", "refused",        "in time", "overdue",
					    "paused",    "paused overdue", "awaiting"};
	const int64_t *w = (const int64_t *)want, *g = (const int64_t *)got;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (w[i] != g[i])
			fail_msg("%s: %s %lld, not %lld", what, names[i], (long long)g[i],
				 (long long)w[i]);
	assert_int_equal(got->online + got->counter + got->post + got->carried,
			 got->early + got->on_time + got->late + got->refused + got->in_time +
				 got->overdue + got->paused);
}

static void ask_period(struct ask *a, const char *from, const char *to, const char *field,
		       Dossier__StatisticsReply **out)
{
	assert_int_equal(
		CALL(a, &statistician, Statistics, statistics, out, in_.agency_code = DISTRICT;
		     in_.with_subordinates = true; in_.field = field; in_.from_date = from;
		     in_.to_date = to),
		0);
}

/* Every row of a reply against the replay, and nothing left out. */
static void compare(struct ask *a, int32_t from, int32_t to)
{
	Dossier__StatisticsReply *out;
	char first[11], last[11];
	size_t rows = 0;

	civil_format(from, first);
	civil_format(to, last);
	ask_period(a, first, last, "", &out);
	for (int agency = 0; agency < 3; agency++) {
		for (int field = 0; field < 2; field++) {
			struct figures want = {0}, none = {0}, got = {0};

			for (size_t i = 0; i < LIVES; i++)
				if (lives[i].agency == agency && lives[i].field == field)
					add_life(&want, &lives[i], civil_to_us(from, 0),
						 civil_to_us(to + 1, 0));
			for (size_t i = 0; i < out->n_rows; i++)
				if (strcmp(out->rows[i]->agency_code, agencies[agency]) == 0 &&
				    strcmp(out->rows[i]->field, fields[field]) == 0)
					got = of_row(out->rows[i]);
			expect_same(agencies[agency], &want, &got);
			rows += memcmp(&want, &none, sizeof(want)) != 0;
		}
	}
	assert_int_equal(out->n_rows, rows);
}

static void test_figures_equal_a_naive_recount(void **state)
{
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	for (int i = 0; i < PERIODS; i++) {
		int32_t from = civil_from_ymd(2023, 12, 20) + (int32_t)below(370);
		int32_t to = from + (int32_t)below(i % 3 ? 40 : 200);
		int32_t last = civil_from_ymd(2025, 1, 14);

		compare(&a, from, to < last ? to : last);
	}
	ask_done(&a);
}

/* What one period leaves open the next one carries, but for what it opens again. */
static void test_periods_join(void **state)
{
	int64_t open = 0;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	for (uint32_t month = 1; month <= 12; month++) {
		Dossier__StatisticsReply *out;
		int64_t carried = 0, left = 0;

		assert_int_equal(CALL(&a, &statistician, Statistics, statistics, &out,
				      in_.agency_code = DISTRICT;
				      in_.with_subordinates = true;
				      in_.kind = DOSSIER__PERIOD_KIND__PERIOD_KIND_MONTH;
				      in_.year = 2024; in_.ordinal = month),
				 0);
		for (size_t i = 0; i < out->n_rows; i++) {
			const Dossier__StatisticsRow *r = out->rows[i];

			carried += r->carried - r->reopened;
			left += r->open_in_time + r->open_overdue + r->paused;
		}
		assert_int_equal(carried, open);
		open = left;
	}
	assert_true(open > 0);
	ask_done(&a);
}

/* A dossier of March is opened again in January: March stays what it was. */
static void test_a_closed_period_does_not_change(void **state)
{
	Dossier__StatisticsReply *out;
	struct figures before[6], after;
	struct ask a;
	size_t n;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	ask_period(&a, "2024-03-01", "2024-03-31", "", &out);
	n = out->n_rows;
	for (size_t i = 0; i < n; i++)
		before[i] = of_row(out->rows[i]);
	pg_exec(rig.pg, "dossier",
		"UPDATE dossier SET state = 4, version = version + 1, finished_at = NULL, verdict "
		"= 0,"
		" decision = 0, handover_state = 0 WHERE state = 10;"
		"INSERT INTO history (dossier, version, state, action, actor, member, roles, "
		"agency,"
		" holder_agency, note, at, due_at) SELECT code, version, 4, 'reopen', 'x', 'x', "
		"'x',"
		" 'x', 'x', '', '2025-01-14 09:00+07', '2025-02-14 17:30+07' FROM dossier d"
		" WHERE NOT EXISTS (SELECT FROM history h WHERE h.dossier = d.code"
		" AND h.version = d.version)");
	ask_period(&a, "2024-03-01", "2024-03-31", "", &out);
	assert_int_equal(out->n_rows, n);
	for (size_t i = 0; i < n; i++) {
		after = of_row(out->rows[i]);
		expect_same("March", &before[i], &after);
	}
	ask_period(&a, "2025-01-14", "2025-01-14", "", &out);
	assert_true(out->rows[0]->reopened > 0);
	ask_done(&a);
}

/* --- who, and how much --- */

static int ask_of(struct ask *a, const struct person *who, const char *agency, uint32_t limit,
		  Dossier__StatisticsReply **out)
{
	return CALL(a, who, Statistics, statistics, out, in_.agency_code = agency;
		    in_.with_subordinates = true; in_.kind = DOSSIER__PERIOD_KIND__PERIOD_KIND_YEAR;
		    in_.year = 2024; in_.limit = limit);
}

static void test_who_sees_figures(void **state)
{
	Dossier__StatisticsReply *out;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	assert_int_equal(ask_of(&a, &clerk, COMMUNE, 0, NULL), ERR_DENIED);
	assert_int_equal(ask_of(&a, &citizen, COMMUNE, 0, NULL), ERR_DENIED);
	assert_int_equal(ask_of(&a, &leader, OTHER, 0, NULL), ERR_DENIED);
	assert_true(ask_has(&a, "LIST_NOT_YOURS", NULL));
	assert_int_equal(ask_of(&a, &leader, COMMUNE, 0, &out), 0);
	assert_int_equal(out->n_rows, 2);
	assert_string_equal(out->rows[0]->agency_code, COMMUNE);
	assert_int_equal(ask_of(&a, &district_leader, COMMUNE, 0, &out), 0);
	assert_int_equal(ask_of(&a, &statistician, "", 0, NULL), ERR_INVALID);
	assert_true(ask_has(&a, "REQUIRED_FIELD", "agency_code"));
	assert_int_equal(ask_of(&a, &statistician, COMMUNE, 501, NULL), ERR_INVALID);
	assert_int_equal(
		CALL(&a, &statistician, Statistics, statistics, NULL, in_.agency_code = COMMUNE),
		ERR_INVALID);
	ask_done(&a);
}

static void test_rows_come_in_pages(void **state)
{
	Dossier__StatisticsReply *all, *page;
	char agency[64] = "", field[64] = "";
	struct ask a, b;
	size_t n = 0;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	ask_init(&b, rig.gateway, "dossier");
	assert_int_equal(ask_of(&a, &statistician, DISTRICT, 0, &all), 0);
	assert_int_equal(all->n_rows, 6);
	assert_false(all->more);
	assert_string_equal(all->from_date, "2024-01-01");
	assert_int_equal(all->as_of_us, moment("2025-01-01 00:00"));
	do {
		assert_int_equal(CALL(&b, &statistician, Statistics, statistics, &page,
				      in_.agency_code = DISTRICT;
				      in_.with_subordinates = true;
				      in_.kind = DOSSIER__PERIOD_KIND__PERIOD_KIND_YEAR;
				      in_.year = 2024; in_.limit = 1;
				      in_.after_agency_code = agency; in_.after_field = field),
				 0);
		assert_int_equal(page->n_rows, 1);
		assert_string_equal(page->rows[0]->agency_code, all->rows[n]->agency_code);
		assert_string_equal(page->rows[0]->field, all->rows[n]->field);
		snprintf(agency, sizeof(agency), "%s", page->rows[0]->agency_code);
		snprintf(field, sizeof(field), "%s", page->rows[0]->field);
		n++;
	} while (page->more);
	assert_int_equal(n, 6);
	ask_period(&a, "2024-01-01", "2024-12-31", fields[1], &page);
	assert_int_equal(page->n_rows, 3);
	ask_done(&a);
	ask_done(&b);
}

/* --- as a form --- */

static struct outside outside;

static int sheet_of(struct ask *a, const struct person *who, Dossier__StatisticsRequest *of,
		    Dossier__PaperFormat format, Dossier__GetStatisticsSheetReply **out)
{
	return CALL(a, who, GetStatisticsSheet, get_statistics_sheet, out, in_.of = of;
		    in_.format = format);
}

static void ask_year(Dossier__StatisticsRequest *of)
{
	dossier__statistics_request__init(of);
	of->agency_code = DISTRICT;
	of->with_subordinates = true;
	of->kind = DOSSIER__PERIOD_KIND__PERIOD_KIND_YEAR;
	of->year = 2024;
}

static void count_totals(const Dossier__StatisticsReply *all, char *out, size_t n)
{
	uint32_t taken = 0, carried = 0, resolved = 0, left = 0;

	for (size_t i = 0; i < all->n_rows; i++) {
		const Dossier__StatisticsRow *r = all->rows[i];

		taken += r->new_online + r->new_counter + r->new_post;
		carried += r->carried;
		resolved += r->resolved_early + r->resolved_on_time + r->resolved_late;
		left += r->refused + r->open_in_time + r->open_overdue + r->paused;
	}
	assert_true(taken > 0);
	snprintf(out, n, "%zu Tổng cộng %u %u %u %u\n", all->n_rows + 2, taken + carried, carried,
		 resolved, left);
}

/* Lines and totals of the sheet, read by another, are those of the figures. */
static void test_the_form_holds_the_figures(void **state)
{
	Dossier__GetStatisticsSheetReply *out;
	Dossier__StatisticsReply *all;
	Dossier__StatisticsRequest of;
	struct ask a, b;
	char totals[160];

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	ask_init(&b, rig.gateway, "dossier");
	outside_init(&outside);
	assert_int_equal(ask_of(&a, &statistician, DISTRICT, 0, &all), 0);
	assert_string_equal(all->rows[0]->agency_name, "Cơ quan " DISTRICT);
	count_totals(all, totals, sizeof(totals));
	ask_year(&of);
	assert_int_equal(
		sheet_of(&b, &statistician, &of, DOSSIER__PAPER_FORMAT__PAPER_FORMAT_CSV, &out), 0);
	assert_int_equal(out->rows, all->n_rows);
	assert_string_equal(out->file_name, DISTRICT "-II.06a-2024-01-01-2024-12-31.csv");
	assert_string_equal(out->circular, "Thông tư 01/2020/TT-VPCP");
	outside_write(&outside, "sheet.csv", out->content.data, out->content.len);
	assert_string_equal(
		outside_run(&outside,
			    "python3 -c \"import csv; r = list(csv.reader(open('sheet.csv',"
			    " encoding='utf-8-sig', newline=''))); l = r[-1];"
			    " print(len(r), l[1], l[3], l[6], l[7], sum(map(int, l[11:15])))\""),
		totals);
	assert_int_equal(
		sheet_of(&b, &statistician, &of, DOSSIER__PAPER_FORMAT__PAPER_FORMAT_XLSX, &out),
		0);
	outside_write(&outside, "sheet.xlsx", out->content.data, out->content.len);
	outside_run(&outside, "python3 -m zipfile -e sheet.xlsx x");
	outside_expect(outside_run(&outside, "cat x/xl/sharedStrings.xml"), "Cơ quan " COMMUNE);
	outside_expect(outside_run(&outside, "cat x/xl/worksheets/sheet1.xml"), "<v>");
	assert_int_equal(sheet_of(&b, &statistician, &of, 0, &out), 0);
	outside_write(&outside, "sheet.pdf", out->content.data, out->content.len);
	outside_expect(outside_run(&outside, "pdftotext -layout sheet.pdf -"),
		       "Biểu số II.06a/VPCP/KSTT - Thông tư 01/2020/TT-VPCP");
	outside_done(&outside);
	ask_done(&a);
	ask_done(&b);
}

static void test_refused_forms(void **state)
{
	Dossier__StatisticsRequest of;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	ask_year(&of);
	assert_int_equal(sheet_of(&a, &clerk, &of, 0, NULL), ERR_DENIED);
	assert_int_equal(sheet_of(&a, &leader, &of, 0, NULL), ERR_DENIED);
	assert_true(ask_has(&a, "LIST_NOT_YOURS", NULL));
	assert_int_equal(sheet_of(&a, &statistician, NULL, 0, NULL), ERR_INVALID);
	assert_true(ask_has(&a, "REQUIRED_FIELD", "of"));
	of.limit = 10;
	assert_int_equal(sheet_of(&a, &statistician, &of, 0, NULL), ERR_INVALID);
	assert_true(ask_has(&a, "INVALID_FIELD", "of.limit"));
	of.limit = 0;
	of.after_field = "Hộ tịch";
	assert_int_equal(sheet_of(&a, &statistician, &of, 0, NULL), ERR_INVALID);
	assert_true(ask_has(&a, "INVALID_FIELD", "of.after_agency_code"));
	of.after_field = "";
	of.year = 1;
	assert_int_equal(sheet_of(&a, &statistician, &of, 0, NULL), ERR_INVALID);
	assert_true(ask_has(&a, "INVALID_FIELD", "year"));
	ask_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_figures_equal_a_naive_recount),
		cmocka_unit_test(test_periods_join),
		cmocka_unit_test(test_who_sees_figures),
		cmocka_unit_test(test_rows_come_in_pages),
		cmocka_unit_test(test_the_form_holds_the_figures),
		cmocka_unit_test(test_refused_forms),
		cmocka_unit_test(test_a_closed_period_does_not_change),
	};

	return cmocka_run_group_tests(tests, make_lives, tear_down);
}
