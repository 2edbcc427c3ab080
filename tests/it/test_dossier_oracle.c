// with: services/dossier/rules_due.c
/*
 * Due dates counted twice: by the service's rules, and in SQL by somebody who has read only
 * docs/adr/0001-deadlines.md - one row per working session with running sums, no loop over days.
 * 100,000 random filings and pauses, a quarter of them over Tet, agencies with hours of their own.
 * The seed is printed; LGSP_SEED sets it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/civil.h"
#include "common/base/clock.h"
#include "services/dossier/rules_deadline.h"
#include "tests/support/pg.h"

#define CASES     100000
#define BATCH     5000 /* lines of one COPY message */
#define MINUTE_US (60 * CLOCK_US_PER_S)
#define DAY_US    (1440 * MINUTE_US)

/* As announced for 2021-2026. */
static const char *const off_days[] = {
	"2021-01-01", "2021-02-10", "2021-02-11", "2021-02-12", "2021-02-15", "2021-02-16",
	"2021-04-21", "2021-04-30", "2021-05-03", "2021-09-02", "2021-09-03", "2022-01-03",
	"2022-01-31", "2022-02-01", "2022-02-02", "2022-02-03", "2022-02-04", "2022-04-11",
	"2022-05-02", "2022-05-03", "2022-09-01", "2022-09-02", "2023-01-02", "2023-01-20",
	"2023-01-23", "2023-01-24", "2023-01-25", "2023-01-26", "2023-05-01", "2023-05-02",
	"2023-05-03", "2023-09-01", "2023-09-04", "2024-01-01", "2024-02-08", "2024-02-09",
	"2024-02-12", "2024-02-13", "2024-02-14", "2024-04-18", "2024-04-29", "2024-04-30",
	"2024-05-01", "2024-09-02", "2024-09-03", "2025-01-01", "2025-01-27", "2025-01-28",
	"2025-01-29", "2025-01-30", "2025-01-31", "2025-04-07", "2025-04-30", "2025-05-01",
	"2025-05-02", "2025-09-01", "2025-09-02", "2026-01-01", "2026-01-02", "2026-02-16",
	"2026-02-17", "2026-02-18", "2026-02-19", "2026-02-20", "2026-04-27", "2026-04-30",
	"2026-05-01", "2026-08-31", "2026-09-01", "2026-09-02", "2026-11-24",
};
static const char *const work_days[] = {"2024-05-04", "2025-04-26", "2026-01-10", "2026-08-22"};
/* The last working day before Tet and the first behind it. */
static const char *const tets[][2] = {
	{"2021-02-09", "2021-02-17"}, {"2022-01-28", "2022-02-07"}, {"2023-01-19", "2023-01-27"},
	{"2024-02-07", "2024-02-15"}, {"2025-01-24", "2025-02-03"}, {"2026-02-13", "2026-02-23"},
};

#define ALWAYS INT32_MIN, INT32_MAX

static const struct calendar_weekday_hours ward[] = {
	{5, ALWAYS, {450, 690, 690, 690}}, /* Friday mornings */
	{6, ALWAYS, {450, 690, 690, 690}}, /* service on Saturdays */
};
static const struct calendar_weekday_hours seasons[] = {
	/* summer 2023 and 2024, in days since 1970 */
	{1, 19478, 19600, {405, 660, 810, 1020}},
	{2, 19478, 19600, {405, 660, 810, 1020}},
	{3, 19844, 19966, {390, 660, 840, 1050}},
	{1, ALWAYS, {480, 720, 780, 1020}},
};
static const struct calendar_weekday_hours odd[] = {
	{1, ALWAYS, {720, 720, 780, 1080}}, /* afternoons only */
	{2, ALWAYS, {420, 720, 720, 900}},  /* without lunch */
	{0, ALWAYS, {480, 600, 900, 960}},  /* service on Sundays */
};
static const struct calendar_timetable offices[] = {
	{NULL, 0},
	{ward, ARRAY_LEN(ward)},
	{seasons, ARRAY_LEN(seasons)},
	{odd, ARRAY_LEN(odd)},
};

static struct pg *pg;
static struct calendar *cal;
static uint64_t seed;

static int64_t below(int64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (int64_t)(seed % (uint64_t)n);
}

static int32_t day_of(const char *text)
{
	int32_t day = 0;

	CHECK(civil_parse(text, &day) == 0);
	return day;
}

/* --- the facts, for both --- */

static void make_calendar(void)
{
	struct calendar_day rows[ARRAY_LEN(off_days) + ARRAY_LEN(work_days)];
	struct err err;
	char sql[120];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(off_days); i++)
		rows[n++] = (struct calendar_day){day_of(off_days[i]), CALENDAR_OFF};
	for (size_t i = 0; i < ARRAY_LEN(work_days); i++)
		rows[n++] = (struct calendar_day){day_of(work_days[i]), CALENDAR_WORK};
	CHECK(calendar_new(rows, n, day_of("2021-01-01"), day_of("2026-12-31"), 1, &cal, &err) ==
	      0);
	pg_exec(pg, "dossier", "CREATE TABLE o_row (day int PRIMARY KEY, works boolean NOT NULL)");
	for (size_t i = 0; i < n; i++) {
		snprintf(sql, sizeof(sql), "INSERT INTO o_row VALUES (%d, %s)", rows[i].day,
			 rows[i].kind == CALENDAR_WORK ? "true" : "false");
		pg_exec(pg, "dossier", sql);
	}
}

static void put_hours(void)
{
	char sql[200];

	pg_exec(pg, "dossier",
		"CREATE TABLE o_hours (office int, ord int, weekday int, from_day int,"
		" to_day int, am int, noon int, pm int, night int)");
	for (int o = 0; o < (int)ARRAY_LEN(offices); o++) {
		for (size_t i = 0; i < offices[o].n; i++) {
			const struct calendar_weekday_hours *r = &offices[o].rows[i];

			snprintf(sql, sizeof(sql),
				 "INSERT INTO o_hours VALUES (%d, %zu, %d, %d, %d, %d, %d, %d, %d)",
				 o, i, r->weekday, r->from, r->to, r->hours.am_start,
				 r->hours.am_end, r->hours.pm_start, r->hours.pm_end);
			pg_exec(pg, "dossier", sql);
		}
	}
}

/*
 * Local microseconds since 1970 throughout. o_day: whether a day is worked and the how-manieth
 * working day it is (rules 1, 2, 4). o_session: when an office works; desk: with service hours
 * (rules 8, 9); sum: worked until the session's end.
 */
static const char *const schema[] = {
	"CREATE TABLE o_day AS SELECT d AS day, (d + 4) % 7 AS weekday, works,"
	" sum(works::int) OVER (ORDER BY d)::int AS nth FROM generate_series(18500, 21500) d"
	" CROSS JOIN LATERAL (SELECT coalesce((SELECT works FROM o_row WHERE day = d),"
	" (d + 4) % 7 BETWEEN 1 AND 5) AS works) w",
	"CREATE UNIQUE INDEX ON o_day (day)",
	"CREATE UNIQUE INDEX ON o_day (nth) WHERE works",
	"CREATE TABLE o_open AS SELECT o.office, d.day, k.desk, h.am, h.noon, h.pm, h.night"
	" FROM generate_series(0, 3) o (office) CROSS JOIN o_day d"
	" CROSS JOIN (VALUES (false), (true)) k (desk)"
	/* a make-up day is a Monday; a rest day serves unless a holiday is beside it */
	" CROSS JOIN LATERAL (SELECT CASE WHEN d.works AND d.weekday IN (0, 6) THEN 1"
	"  ELSE d.weekday END AS weekday, d.works OR (k.desk AND d.weekday IN (0, 6) AND NOT EXISTS"
	"  (SELECT FROM o_row r WHERE NOT r.works AND r.day IN (d.day,"
	"   d.day - CASE d.weekday WHEN 6 THEN 1 ELSE 2 END,"
	"   d.day + CASE d.weekday WHEN 6 THEN 2 ELSE 1 END))) AS open) e"
	" CROSS JOIN LATERAL (SELECT am, noon, pm, night FROM (SELECT ord, am, noon, pm, night"
	"  FROM o_hours q WHERE q.office = o.office AND q.weekday = e.weekday"
	"  AND d.day BETWEEN q.from_day AND q.to_day"
	"  UNION ALL SELECT 99, 450, 690, 810, 1050 WHERE e.weekday BETWEEN 1 AND 5) x"
	"  ORDER BY ord LIMIT 1) h WHERE e.open",
	"CREATE TABLE o_session AS SELECT office, desk, day, b, e,"
	" sum(e - b) OVER (PARTITION BY office, desk ORDER BY b)::bigint AS sum"
	" FROM o_open CROSS JOIN LATERAL (VALUES (am, noon), (pm, night)) s (m1, m2)"
	" CROSS JOIN LATERAL (SELECT day * 86400000000 + m1 * 60000000::bigint AS b,"
	"  day * 86400000000 + m2 * 60000000::bigint AS e) t WHERE m1 < m2",
	"CREATE INDEX ON o_session (office, desk, b)",
	"CREATE INDEX ON o_session (office, desk, sum)",
	"CREATE INDEX ON o_session (office, desk, day)",
	/* The end of a working day, or of the next one when it is none. */
	"CREATE TABLE o_close AS SELECT s.office, y.day, max(s.e) AS close FROM o_day y"
	" JOIN o_day z ON z.works AND z.nth = y.nth + (NOT y.works)::int"
	" JOIN o_session s ON s.day = z.day AND NOT s.desk GROUP BY s.office, y.day",
	"CREATE UNIQUE INDEX ON o_close (office, day)",
	"CREATE TABLE o_case (id int, office int, unit int, value int, at bigint, stop bigint,"
	" go bigint, c_due bigint, c_after bigint, c_answer bigint, c_minutes bigint)",
};

/* clang-format off */
/* Working time of the case's office before a moment; the first moment with w of it behind. */
#define WORKED(desk_, t) \
	" (SELECT sum - (e - b) + least(" t ", e) - b FROM o_session WHERE office = c.office" \
	" AND desk = " desk_ " AND b <= " t " ORDER BY b DESC LIMIT 1) "
#define REACH(desk_, w) \
	" (SELECT e - (sum - " w ") FROM o_session WHERE office = c.office AND desk = " desk_ \
	" AND sum >= " w " ORDER BY sum LIMIT 1) "
#define CLOSE(d) " (SELECT close FROM o_close WHERE office = c.office AND day = " d ") "
#define HOURS    " * 3600000000 "
#define DAY      " 86400000000 "
/* A step with a name; OFFSET 0: counted once, instead of written out wherever it is used. */
#define STEP(name, is) " CROSS JOIN LATERAL (SELECT " is " AS " name " OFFSET 0) step_" name

/* The rules of the decision record, in its order. */
static const char compare[] =
	"CREATE TABLE o_answer AS SELECT c.*, due, after, answer, minutes FROM o_case c"
	" JOIN o_day d ON d.day = c.at /" DAY
	STEP("late", "c.at %" DAY ">= 54000000000")
	/* the working day a limit in days ends on; hours begin on the next one when it is late */
	STEP("goal", "CASE c.unit WHEN 1 THEN d.nth + (late OR NOT d.works)::int"
		" WHEN 2 THEN d.nth + CASE WHEN c.value = 0 THEN (NOT d.works)::int ELSE c.value END"
		" WHEN 4 THEN d.nth + 1 END")
	STEP("last", "CASE WHEN c.unit = 3 THEN d.day + c.value ELSE"
		" (SELECT day FROM o_day WHERE works AND nth = goal) END")
	STEP("start", "CASE WHEN d.works AND NOT late THEN c.at ELSE (SELECT min(b) FROM o_session"
		" WHERE office = c.office AND NOT desk AND day = last) END")
	STEP("begun", WORKED("false", "start"))
	STEP("due", "CASE WHEN c.unit < 4 THEN" CLOSE("last") "WHEN c.value = 0 THEN start"
		" ELSE" REACH("false", "(begun + c.value" HOURS ")") "END")
	/* a pause, by working time or by civil days; then off closed days */
	STEP("stood", "CASE WHEN c.unit = 3 OR c.go <= c.stop THEN 0 ELSE"
		WORKED("false", "c.go") "-" WORKED("false", "c.stop") "END")
	STEP("before", WORKED("false", "due"))
	STEP("moved", "CASE WHEN c.unit = 3 AND c.go > c.stop"
		" THEN" CLOSE("(due /" DAY "+ c.go /" DAY "- c.stop /" DAY ")")
		"WHEN stood = 0 THEN due ELSE" REACH("false", "(before + stood)") "END")
	STEP("after", "(SELECT CASE WHEN works THEN moved ELSE" CLOSE("day") "END"
		" FROM o_day WHERE day = moved /" DAY ")")
	/* the desk, whose service hours count */
	STEP("filed", WORKED("true", "c.at"))
	STEP("answer", REACH("true", "(filed + 8" HOURS ")"))
	STEP("minutes", "CASE WHEN c.go > c.stop THEN (" WORKED("true", "c.go") "-"
		WORKED("true", "c.stop") ") / 60000000 ELSE 0 END");
/* clang-format on */

/* --- the cases --- */

struct interval {
	int64_t at, stop, go;
};

static int64_t moment_on(int32_t day)
{
	int64_t of_day = below(4) ? (420 + below(660)) * MINUTE_US : below(DAY_US);

	return civil_to_us(day, 0) + of_day + (below(2) ? below(MINUTE_US) : 0);
}

static struct interval random_interval(void)
{
	struct interval i;
	size_t year = (size_t)below(ARRAY_LEN(tets));

	if (below(4) == 0) {
		i.stop = moment_on(day_of(tets[year][0]) - (int32_t)below(4));
		i.go = moment_on(day_of(tets[year][1]) + (int32_t)below(4) - (int32_t)below(3));
		i.at = i.stop - below(20 * DAY_US);
		return i;
	}
	i.at = moment_on(day_of("2021-01-04") + (int32_t)below(2050));
	i.stop = i.at + below(15 * DAY_US);
	i.go = i.stop + (below(50) ? below(40 * DAY_US) : -below(DAY_US));
	return i;
}

static int64_t local(int64_t us)
{
	return us + CLOCK_TZ_OFFSET_US;
}

/* One line of COPY: the case and what the rules make of it. */
static void add_case(struct buf *b, int id)
{
	int office = (int)below(ARRAY_LEN(offices));
	struct rules_office of = {.cal = cal, .hours = offices[office]};
	struct rules_limit limit = {.unit = (Dossier__LimitUnit)(1 + below(4))};
	struct interval i = random_interval();
	struct calendar_due due, after;

	limit.value =
		(int)below(limit.unit == DOSSIER__LIMIT_UNIT__LIMIT_UNIT_WORKING_HOUR ? 120 : 45);
	due = rules_due(&of, limit, i.at, NULL, 0);
	after = rules_due_after_pause(&of, limit, due.due_us, (struct rules_pause){i.stop, i.go});
	buf_printf(b, "%d\t%d\t%d\t%d\t%lld\t%lld\t%lld\t%lld\t%lld\t%lld\t%lld\n", id, office,
		   (int)limit.unit, limit.value, (long long)local(i.at), (long long)local(i.stop),
		   (long long)local(i.go), (long long)local(due.due_us),
		   (long long)local(after.due_us),
		   (long long)local(rules_answer_due(&of, i.at).due_us),
		   (long long)calendar_working_minutes(cal, &of.hours, i.stop, i.go));
}

static void copy_cases(void)
{
	PGconn *conn = pg_admin(pg);
	PGresult *r = PQexec(conn, "COPY dossier.o_case FROM STDIN");

	assert_int_equal(PQresultStatus(r), PGRES_COPY_IN);
	PQclear(r);
	for (int id = 0; id < CASES;) {
		struct buf b;

		buf_init(&b, 1 << 20);
		for (int n = 0; n < BATCH; n++)
			add_case(&b, id++);
		assert_int_equal(PQputCopyData(conn, (const char *)b.data, (int)b.len), 1);
		buf_done(&b);
	}
	assert_int_equal(PQputCopyEnd(conn, NULL), 1);
	r = PQgetResult(conn);
	assert_int_equal(PQresultStatus(r), PGRES_COMMAND_OK);
	PQclear(r);
	while ((r = PQgetResult(conn)))
		PQclear(r);
}

static void show(const char *column, const char *theirs)
{
	char sql[600];
	PGresult *r;

	snprintf(sql, sizeof(sql),
		 "SELECT concat_ws(' ', id, office, unit, value, v(at), v(stop), v(go), v(due), "
		 "'%s:',"
		 " %s, 'sql:', %s) FROM o_answer WHERE %s IS DISTINCT FROM %s LIMIT 5",
		 column, theirs, column, column, theirs);
	r = PQexec(pg_admin(pg), sql);
	for (int i = 0; i < PQntuples(r); i++)
		print_message("%s\n", PQgetvalue(r, i, 0));
	PQclear(r);
}

static void test_sql_counts_the_same(void **state)
{
	static const char *const columns[][2] = {{"due", "c_due"},
						 {"after", "c_after"},
						 {"answer", "c_answer"},
						 {"minutes", "c_minutes"}};
	char sql[200];

	(void)state;
	copy_cases();
	pg_exec(pg, "dossier", "ANALYZE o_case");
	pg_exec(pg, "dossier", compare);
	assert_int_equal(pg_int(pg, "dossier", "SELECT count(*) FROM o_answer"), CASES);
	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		int64_t differ;

		snprintf(sql, sizeof(sql),
			 "SELECT count(*) FROM o_answer WHERE %s IS DISTINCT FROM %s",
			 columns[i][0], columns[i][1]);
		differ = pg_int(pg, "dossier", sql);
		if (differ > 0)
			show(columns[i][0], columns[i][1]);
		assert_int_equal(differ, 0);
	}
	/* The cases are what they should be: over Tet, on days off, outside hours. */
	assert_true(pg_int(pg, "dossier", "SELECT count(*) FROM o_answer WHERE after <> due") >
		    CASES / 2);
	assert_true(
		pg_int(pg, "dossier",
		       "SELECT count(*) FROM o_answer a JOIN o_day d ON d.day = at / 86400000000"
		       " WHERE NOT d.works") > CASES / 10);
}

static int set_up(void **state)
{
	const char *given = getenv("LGSP_SEED");

	(void)state;
	seed = given ? strtoull(given, NULL, 10) : (uint64_t)clock_wall_us();
	print_message("seed %llu\n", (unsigned long long)seed);
	pg = pg_new("dossier");
	make_calendar();
	put_hours();
	for (size_t i = 0; i < ARRAY_LEN(schema); i++)
		pg_exec(pg, "dossier", schema[i]);
	pg_exec(pg, "dossier",
		"CREATE FUNCTION v(t bigint) RETURNS text LANGUAGE sql AS $$"
		" SELECT to_char(timestamp 'epoch' + t * interval '1 microsecond',"
		" 'Dy YYYY-MM-DD HH24:MI:SS.US') $$");
	pg_exec(pg, "dossier", "ANALYZE");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	calendar_free(cal);
	pg_free(pg);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_sql_counts_the_same)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
