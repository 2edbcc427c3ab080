/* The working calendar: what a profile brings, what an authority decides, what readers get. */
#include "common/base/civil.h"
#include "common/base/utf8.h"
#include "services/directory/directory.h"
#include "services/directory/rules.h"

static const struct err_kind no_calendar = {ERR_NOT_FOUND, "NO_CALENDAR", "Chưa có lịch làm việc",
					    "there is no calendar yet"};
static const struct err_kind no_decision = {ERR_INVALID, "DECISION_REQUIRED",
					    "Cần số quyết định làm căn cứ",
					    "the number of the decision is required"};
static const struct err_kind coverage_shrinks = {ERR_INVALID, "COVERAGE_SHRINKS",
						 "Phạm vi lịch không thể thu hẹp (hiện đến %s)",
						 "the coverage cannot shrink (now until %s)"};

static const struct db_stmt get_head = {"SELECT covers_from, covers_to, version FROM calendar"};
/* One statement, so that head and days are of one moment. */
static const struct db_stmt get_all = {
	"SELECT k.covers_from, k.covers_to, k.version, d.day, d.kind, d.why FROM calendar k"
	" LEFT JOIN calendar_day d ON true ORDER BY d.day"};
/* Version 0 is a calendar without an event; it is raised when something has changed. */
static const struct db_stmt put_head = {
	"INSERT INTO calendar AS k (covers_from, covers_to, version) VALUES ($1, $2, 0)"
	" ON CONFLICT (one) DO UPDATE SET covers_from = least(k.covers_from, $1),"
	" covers_to = greatest(k.covers_to, $2)"
	" WHERE $1 < k.covers_from OR $2 > k.covers_to"};
static const struct db_stmt put_day = {
	"INSERT INTO calendar_day AS d (day, kind, why, decision) VALUES ($1, $2, $3, $4)"
	" ON CONFLICT (day) DO UPDATE SET kind = EXCLUDED.kind, why = EXCLUDED.why,"
	" decision = EXCLUDED.decision"
	" WHERE (EXCLUDED.decision <> '' OR d.decision = '')"
	" AND (d.kind, d.why) IS DISTINCT FROM (EXCLUDED.kind, EXCLUDED.why)"};
static const struct db_stmt drop_days = {
	"DELETE FROM calendar_day WHERE decision = '' AND day BETWEEN $1 AND $2"
	" AND to_char(day, 'YYYY-MM-DD') <> ALL($3)"};
static const struct db_stmt raise_version = {"UPDATE calendar SET version = version + 1"};

/* --- the whole calendar as a message --- */

static int calendar_read(struct call *c, int slot, Directory__Calendar *cal)
{
	Directory__CalendarDay *day;

	if (db_rows(&c->tx, slot) == 0)
		return err_set(&c->err, &no_calendar, NULL, NULL);
	cal->covers_from = row_date(c, slot, 0, 0);
	cal->covers_to = row_date(c, slot, 0, 1);
	cal->version = (int32_t)db_get_int(&c->tx, slot, 0, 2);
	/* Without days the join gives one row of NULLs. */
	if (db_is_null(&c->tx, slot, 0, 3))
		return 0;
	cal->days = row_messages(c, slot, sizeof(*day), &cal->n_days);
	if (cal->days == NULL)
		return c->err.status;
	for (size_t i = 0; i < cal->n_days; i++) {
		day = cal->days[i];
		directory__calendar_day__init(day);
		day->date = row_date(c, slot, (int)i, 3);
		day->kind = db_get_text(&c->tx, slot, (int)i, 4);
		day->why = db_get_text(&c->tx, slot, (int)i, 5);
	}
	return 0;
}

/* Raises the version and tells everybody; gives the calendar as it now is. */
static int calendar_publish(struct call *c, Directory__Calendar *cal)
{
	Directory__DirectoryCalendarPut event = DIRECTORY__DIRECTORY_CALENDAR_PUT__INIT;
	int slot;

	db_add_args(&c->tx, &raise_version, NULL, 0);
	slot = db_add_args(&c->tx, &get_all, NULL, 0);
	if (tx_flush(c) < 0 || calendar_read(c, slot, cal) < 0)
		return c->err.status;
	event.calendar = cal;
	tx_event(c, "directory.calendar_put", "calendar", cal->version, &event.base);
	return 0;
}

/* --- changes --- */

struct calendar_change {
	int *slots; /* of statements whose affected rows tell whether anything changed */
	size_t n;
};

static int calendar_change_init(struct call *c, struct calendar_change *change, size_t n)
{
	change->n = 0;
	change->slots = arena_calloc(c->arena, n, sizeof(change->slots[0]));
	return change->slots != NULL ? 0 : err_set(&c->err, &err_too_large, NULL, "calendar");
}

static void calendar_add_days(struct call *c, struct calendar_change *change,
			      Directory__CalendarDay *const *days, size_t n, const char *decision)
{
	for (size_t i = 0; i < n; i++) {
		const char *why = utf8_nfc(c->arena, days[i]->why);
		int32_t day = 0;

		civil_parse(days[i]->date, &day); /* rules.c has checked it */
		change->slots[change->n++] =
			tx_add(c, &put_day, DB_DATE(day), DB_TEXT(days[i]->kind),
			       DB_TEXT(why != NULL ? why : ""), DB_TEXT(decision));
	}
}

/* >0 something changed, 0 nothing, <0 error. */
static int calendar_flush(struct call *c, const struct calendar_change *change)
{
	int64_t changed = 0;

	if (tx_flush(c) < 0)
		return c->err.status;
	for (size_t i = 0; i < change->n; i++)
		changed += db_affected(&c->tx, change->slots[i]);
	return changed > 0;
}

static int calendar_drop_days(struct call *c, const Directory__Calendar *in, int32_t from,
			      int32_t to)
{
	const char **dates = arena_calloc(c->arena, in->n_days, sizeof(dates[0]));

	if (dates == NULL)
		return err_set(&c->err, &err_too_large, NULL, "calendar");
	for (size_t i = 0; i < in->n_days; i++)
		dates[i] = in->days[i]->date;
	return tx_add(c, &drop_days, DB_DATE(from), DB_DATE(to), DB_TEXTS(dates, in->n_days));
}

int calendar_import(struct call *c, const Directory__Calendar *in)
{
	Directory__Calendar cal = DIRECTORY__CALENDAR__INIT;
	struct calendar_change change;
	int32_t from = 0, to = 0;
	int rc;

	civil_parse(in->covers_from, &from);
	civil_parse(in->covers_to, &to);
	if (calendar_change_init(c, &change, in->n_days + 2) < 0)
		return c->err.status;
	change.slots[change.n++] = tx_add(c, &put_head, DB_DATE(from), DB_DATE(to));
	rc = calendar_drop_days(c, in, from, to);
	if (rc < 0)
		return rc;
	change.slots[change.n++] = rc;
	calendar_add_days(c, &change, in->days, in->n_days, "");
	rc = calendar_flush(c, &change);
	if (rc > 0 && calendar_publish(c, &cal) < 0)
		return c->err.status;
	return rc;
}

/* The coverage after the decision: as it was, or further. */
static int calendar_coverage(struct call *c, const Directory__SetCalendarDaysRequest *in, int slot,
			     struct rules_period *covers)
{
	int32_t to;
	char now[11];

	if (db_rows(&c->tx, slot) == 0)
		return err_set(&c->err, &no_calendar, NULL, NULL);
	covers->from = db_get_date(&c->tx, slot, 0, 0);
	covers->to = db_get_date(&c->tx, slot, 0, 1);
	if (in->covers_to[0] == '\0')
		return 0;
	if (civil_parse(in->covers_to, &to) < 0)
		return err_set(&c->err, &err_invalid_field, "covers_to", "YYYY-MM-DD");
	if (to < covers->to) {
		civil_format(covers->to, now);
		return err_set(&c->err, &coverage_shrinks, "covers_to", now);
	}
	covers->to = to;
	return 0;
}

/* Locks, decides and writes; gives the version that now is in force. */
static int calendar_decide(struct call *c, const Directory__SetCalendarDaysRequest *in,
			   int32_t *ret_version)
{
	Directory__Calendar cal = DIRECTORY__CALENDAR__INIT;
	struct calendar_change change;
	struct rules_period covers;
	int head, changed;

	tx_begin(c);
	row_lock_writers(c);
	head = db_add_args(&c->tx, &get_head, NULL, 0);
	if (tx_flush(c) < 0 || calendar_coverage(c, in, head, &covers) < 0)
		return c->err.status;
	if (rules_check_days(in->days, in->n_days, &covers, "days", &c->err) < 0 ||
	    calendar_change_init(c, &change, in->n_days + 1) < 0)
		return c->err.status;
	change.slots[change.n++] = tx_add(c, &put_head, DB_DATE(covers.from), DB_DATE(covers.to));
	calendar_add_days(c, &change, in->days, in->n_days, in->decision);
	changed = calendar_flush(c, &change);
	if (changed < 0 || (changed > 0 && calendar_publish(c, &cal) < 0))
		return c->err.status;
	*ret_version = changed > 0 ? cal.version : (int32_t)db_get_int(&c->tx, head, 0, 2);
	return 0;
}

/* --- handlers --- */

void directory_set_calendar_days(Directory__DirectoryService_Service *svc,
				 const Directory__SetCalendarDaysRequest *in,
				 Directory__SetCalendarDaysReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__SetCalendarDaysReply out = DIRECTORY__SET_CALENDAR_DAYS_REPLY__INIT;

	(void)svc;
	if (in->decision[0] == '\0') {
		err_set(&c->err, &no_decision, "decision", NULL);
		return call_fail(c);
	}
	if (calendar_decide(c, in, &out.version) < 0 || tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

void directory_get_calendar(Directory__DirectoryService_Service *svc,
			    const Directory__GetCalendarRequest *in,
			    Directory__GetCalendarReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__GetCalendarReply out = DIRECTORY__GET_CALENDAR_REPLY__INIT;
	Directory__Calendar cal = DIRECTORY__CALENDAR__INIT;
	int slot = call_query_args(c, &get_all, NULL, 0);

	(void)svc;
	(void)in;
	if (slot < 0 || calendar_read(c, slot, &cal) < 0)
		return call_fail(c);
	out.calendar = &cal;
	reply(&out, data);
}
