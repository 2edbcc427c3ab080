/* Reference data: the consumer of the directory's feed, and what handlers ask of it. */
#include "common/svc/refdata.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "lgsp/directory/v1/events.pb-c.h"

static const struct err_kind no_calendar = {
	ERR_UNAVAILABLE, "NO_CALENDAR", "Chưa nhận được lịch làm việc từ danh mục dùng chung",
	"no working calendar has arrived from the directory yet"};
static const struct err_kind bad_date = {ERR_INVALID, "BAD_DATE", "Ngày %s không hợp lệ",
					 "%s is not a date"};

/* --- the consumer --- */

static const struct db_stmt put_unit = {
	"INSERT INTO ref_unit (code, level, parent_code, name, valid_from, valid_to,"
	" successor_code) VALUES ($1, $2, $3, $4, $5, $6, $7)"
	" ON CONFLICT (code, valid_from) DO UPDATE SET level = EXCLUDED.level,"
	" parent_code = EXCLUDED.parent_code, name = EXCLUDED.name,"
	" valid_to = EXCLUDED.valid_to, successor_code = EXCLUDED.successor_code"};
static const struct db_stmt put_agency = {
	"INSERT INTO ref_agency (code, parent_code, level, unit_code, name, valid_from, valid_to,"
	" successor_code) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
	" ON CONFLICT (code, valid_from) DO UPDATE SET parent_code = EXCLUDED.parent_code,"
	" level = EXCLUDED.level, unit_code = EXCLUDED.unit_code, name = EXCLUDED.name,"
	" valid_to = EXCLUDED.valid_to, successor_code = EXCLUDED.successor_code"};
static const struct db_stmt put_officer = {
	"INSERT INTO ref_officer (subject, agency_code, name, post, roles, valid_from, valid_to)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7)"
	" ON CONFLICT (subject, agency_code, valid_from) DO UPDATE SET name = EXCLUDED.name,"
	" post = EXCLUDED.post, roles = EXCLUDED.roles, valid_to = EXCLUDED.valid_to"};
static const struct db_stmt put_calendar = {
	"INSERT INTO ref_calendar (version, covers_from, covers_to, pos) VALUES ($1, $2, $3, $4)"
	" ON CONFLICT (one) DO UPDATE SET version = EXCLUDED.version,"
	" covers_from = EXCLUDED.covers_from, covers_to = EXCLUDED.covers_to, pos = EXCLUDED.pos"};
static const struct db_stmt clear_calendar_days = {"DELETE FROM ref_calendar_day"};
static const struct db_stmt put_calendar_day = {
	"INSERT INTO ref_calendar_day (day, kind) VALUES ($1, $2)"};

static const struct db_stmt put_hours = {
	"INSERT INTO ref_hours (scope, weekday, am_start, am_end, pm_start, pm_end, valid_from,"
	" valid_to, pos) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
	" ON CONFLICT (scope, weekday, valid_from) DO UPDATE SET am_start = EXCLUDED.am_start,"
	" am_end = EXCLUDED.am_end, pm_start = EXCLUDED.pm_start, pm_end = EXCLUDED.pm_end,"
	" valid_to = EXCLUDED.valid_to, pos = EXCLUDED.pos"};

static const struct db_stmt put_category = {
	"INSERT INTO ref_category (category, code, name_vi, name_en, needs_note, valid_from,"
	" valid_to) VALUES ($1, $2, $3, $4, $5, $6, $7)"
	" ON CONFLICT (category, code, valid_from) DO UPDATE SET name_vi = EXCLUDED.name_vi,"
	" name_en = EXCLUDED.name_en, needs_note = EXCLUDED.needs_note,"
	" valid_to = EXCLUDED.valid_to"};

static int refdata_day(struct call *c, const char *field, const char *text, int32_t *ret_day)
{
	if (civil_parse(text, ret_day) == 0)
		return 0;
	return err_set(&c->err, &bad_date, field, text);
}

static int refdata_days(struct call *c, const char *from, const char *to, int32_t *ret_from,
			int32_t *ret_to)
{
	if (refdata_day(c, "valid_from", from, ret_from) < 0)
		return c->err.status;
	if (civil_parse_or_forever(to, ret_to) < 0)
		return err_set(&c->err, &bad_date, "valid_to", to);
	return 0;
}

static int refdata_put_unit(struct call *c, const Directory__Unit *u)
{
	int32_t from, to;

	if (u == NULL)
		return err_set(&c->err, &err_required_field, "unit", NULL);
	if (refdata_days(c, u->valid_from, u->valid_to, &from, &to) < 0)
		return c->err.status;
	tx_add(c, &put_unit, DB_TEXT(u->code), DB_TEXT(u->level), DB_TEXT(u->parent_code),
	       DB_TEXT(u->name), DB_DATE(from), DB_DATE(to), DB_TEXT(u->successor_code));
	return 0;
}

static int refdata_put_agency(struct call *c, const Directory__Agency *a)
{
	int32_t from, to;

	if (a == NULL)
		return err_set(&c->err, &err_required_field, "agency", NULL);
	if (refdata_days(c, a->valid_from, a->valid_to, &from, &to) < 0)
		return c->err.status;
	tx_add(c, &put_agency, DB_TEXT(a->code), DB_TEXT(a->parent_code), DB_TEXT(a->level),
	       DB_TEXT(a->unit_code), DB_TEXT(a->name), DB_DATE(from), DB_DATE(to),
	       DB_TEXT(a->successor_code));
	return 0;
}

static int refdata_put_officer(struct call *c, const Directory__Officer *o)
{
	int32_t from, to;

	if (o == NULL)
		return err_set(&c->err, &err_required_field, "officer", NULL);
	if (refdata_days(c, o->valid_from, o->valid_to, &from, &to) < 0)
		return c->err.status;
	tx_add(c, &put_officer, DB_TEXT(o->subject), DB_TEXT(o->agency_code), DB_TEXT(o->name),
	       DB_TEXT(o->post), DB_TEXTS(o->roles, o->n_roles), DB_DATE(from), DB_DATE(to));
	return 0;
}

static int refdata_put_calendar(struct call *c, const Directory__Calendar *cal, int64_t pos)
{
	int32_t from, to, day;

	if (cal == NULL)
		return err_set(&c->err, &err_required_field, "calendar", NULL);
	if (refdata_days(c, cal->covers_from, cal->covers_to, &from, &to) < 0)
		return c->err.status;
	tx_add(c, &put_calendar, DB_INT4(cal->version), DB_DATE(from), DB_DATE(to), DB_INT8(pos));
	db_add_args(&c->tx, &clear_calendar_days, NULL, 0);
	for (size_t i = 0; i < cal->n_days; i++) {
		if (refdata_day(c, "days", cal->days[i]->date, &day) < 0)
			return c->err.status;
		tx_add(c, &put_calendar_day, DB_DATE(day), DB_TEXT(cal->days[i]->kind));
	}
	return 0;
}

static int refdata_put_hours(struct call *c, const Directory__Hours *h, int64_t pos)
{
	int32_t from, to;

	if (h == NULL)
		return err_set(&c->err, &err_required_field, "hours", NULL);
	if (refdata_days(c, h->valid_from, h->valid_to, &from, &to) < 0)
		return c->err.status;
	tx_add(c, &put_hours, DB_TEXT(h->scope), DB_INT4((int32_t)h->weekday),
	       DB_INT4((int32_t)h->am_start), DB_INT4((int32_t)h->am_end),
	       DB_INT4((int32_t)h->pm_start), DB_INT4((int32_t)h->pm_end), DB_DATE(from),
	       DB_DATE(to), DB_INT8(pos));
	return 0;
}

static int refdata_put_category(struct call *c, const Directory__CategoryEntry *e)
{
	int32_t from, to;

	if (e == NULL)
		return err_set(&c->err, &err_required_field, "entry", NULL);
	if (refdata_days(c, e->valid_from, e->valid_to, &from, &to) < 0)
		return c->err.status;
	tx_add(c, &put_category, DB_TEXT(e->category), DB_TEXT(e->code), DB_TEXT(e->name_vi),
	       DB_TEXT(e->name_en), DB_BOOL(e->needs_note), DB_DATE(from), DB_DATE(to));
	return 0;
}

int refdata_apply(struct call *c, const struct svc_event *ev)
{
	if (ev->payload == NULL)
		return 0;
	if (ev->payload->descriptor == &directory__directory_unit_put__descriptor)
		return refdata_put_unit(c,
					((const Directory__DirectoryUnitPut *)ev->payload)->unit);
	if (ev->payload->descriptor == &directory__directory_agency_put__descriptor)
		return refdata_put_agency(
			c, ((const Directory__DirectoryAgencyPut *)ev->payload)->agency);
	if (ev->payload->descriptor == &directory__directory_officer_put__descriptor)
		return refdata_put_officer(
			c, ((const Directory__DirectoryOfficerPut *)ev->payload)->officer);
	if (ev->payload->descriptor == &directory__directory_calendar_put__descriptor)
		return refdata_put_calendar(
			c, ((const Directory__DirectoryCalendarPut *)ev->payload)->calendar,
			ev->pos);
	if (ev->payload->descriptor == &directory__directory_hours_put__descriptor)
		return refdata_put_hours(
			c, ((const Directory__DirectoryHoursPut *)ev->payload)->hours, ev->pos);
	if (ev->payload->descriptor == &directory__directory_category_put__descriptor)
		return refdata_put_category(
			c, ((const Directory__DirectoryCategoryPut *)ev->payload)->entry);
	return 0;
}

/* --- reading --- */

/* In the call's transaction when it is open, else a read of its own. */
static int refdata_query(struct call *c, const struct db_stmt *stmt, const struct db_arg *args,
			 size_t n)
{
	int slot;

	if (!c->tx.open)
		return call_query_args(c, stmt, args, n);
	slot = db_add_args(&c->tx, stmt, args, n);
	return tx_flush(c) < 0 ? c->err.status : slot;
}

static const struct db_stmt agency_on = {
	"SELECT code, parent_code, level, unit_code, name FROM ref_agency"
	" WHERE code = $1 AND valid_from <= $2 AND valid_to >= $2 ORDER BY valid_from DESC LIMIT "
	"1"};

int refdata_agency(struct call *c, const char *code, int32_t day, struct refdata_agency *ret_agency)
{
	const struct db_arg args[] = {DB_TEXT(code), DB_DATE(day)};
	int slot = refdata_query(c, &agency_on, args, ARRAY_LEN(args));

	if (slot < 0)
		return slot;
	if (db_rows(&c->tx, slot) == 0)
		return 0;
	*ret_agency = (struct refdata_agency){
		.code = arena_strdup(c->arena, db_get_text(&c->tx, slot, 0, 0)),
		.parent_code = arena_strdup(c->arena, db_get_text(&c->tx, slot, 0, 1)),
		.level = arena_strdup(c->arena, db_get_text(&c->tx, slot, 0, 2)),
		.unit_code = arena_strdup(c->arena, db_get_text(&c->tx, slot, 0, 3)),
		.name = arena_strdup(c->arena, db_get_text(&c->tx, slot, 0, 4)),
	};
	if (ret_agency->name == NULL)
		return err_set(&c->err, &err_too_large, NULL, "agency");
	return 1;
}

/* --- categories --- */

static const struct db_stmt category_on = {
	"SELECT code, name_vi, needs_note FROM ref_category"
	" WHERE category = $1 AND valid_from <= $2 AND valid_to >= $2 ORDER BY code"};

int refdata_category(struct call *c, const char *category, int32_t day,
		     struct refdata_entry **ret_entries, size_t *ret_n)
{
	const struct db_arg args[] = {DB_TEXT(category), DB_DATE(day)};
	int slot = refdata_query(c, &category_on, args, ARRAY_LEN(args));
	struct refdata_entry *list;
	int n;

	if (slot < 0)
		return slot;
	n = db_rows(&c->tx, slot);
	list = arena_calloc(c->arena, (size_t)n, sizeof(list[0]));
	for (int i = 0; i < n && list; i++)
		list[i] = (struct refdata_entry){
			.code = arena_strdup(c->arena, db_get_text(&c->tx, slot, i, 0)),
			.name = arena_strdup(c->arena, db_get_text(&c->tx, slot, i, 1)),
			.needs_note = db_get_bool(&c->tx, slot, i, 2),
		};
	if (list == NULL || (n > 0 && list[n - 1].name == NULL))
		return err_set(&c->err, &err_too_large, NULL, "category");
	*ret_entries = list;
	*ret_n = (size_t)n;
	return 0;
}

/* --- hours --- */

static const struct db_stmt hours_of = {
	"SELECT h.weekday % 7, h.valid_from, h.valid_to, h.am_start, h.am_end, h.pm_start,"
	" h.pm_end, h.pos FROM ref_hours h WHERE h.scope IN ($1, '*', (SELECT a.level"
	" FROM ref_agency a WHERE a.code = $1 ORDER BY a.valid_from DESC LIMIT 1))"
	" ORDER BY h.scope <> $1, h.scope = '*', h.weekday, h.valid_from"};

int refdata_hours(struct call *c, const char *agency_code, struct calendar_timetable *ret_hours,
		  int64_t *ret_pos)
{
	const struct db_arg args[] = {DB_TEXT(agency_code)};
	int slot = refdata_query(c, &hours_of, args, ARRAY_LEN(args));
	struct calendar_weekday_hours *rows;
	int64_t pos = 0;
	int n;

	if (slot < 0)
		return slot;
	n = db_rows(&c->tx, slot);
	rows = arena_calloc(c->arena, (size_t)n + 1, sizeof(rows[0]));
	if (rows == NULL)
		return err_set(&c->err, &err_too_large, NULL, "hours");
	for (int i = 0; i < n; i++) {
		rows[i] = (struct calendar_weekday_hours){
			.weekday = (int)db_get_int(&c->tx, slot, i, 0),
			.from = db_get_date(&c->tx, slot, i, 1),
			.to = db_get_date(&c->tx, slot, i, 2),
			.hours = {(int)db_get_int(&c->tx, slot, i, 3),
				  (int)db_get_int(&c->tx, slot, i, 4),
				  (int)db_get_int(&c->tx, slot, i, 5),
				  (int)db_get_int(&c->tx, slot, i, 6)},
		};
		if (db_get_int(&c->tx, slot, i, 7) > pos)
			pos = db_get_int(&c->tx, slot, i, 7);
	}
	*ret_hours = (struct calendar_timetable){.rows = rows, .n = (size_t)n};
	*ret_pos = pos;
	return 0;
}

/* --- the calendar: parsed once per version, shared by all threads --- */

struct refdata_shared {
	struct calendar *cal;
	int32_t version;
	int64_t pos;
	unsigned refs;
	bool current;
	struct refdata_shared *next;
};

static pthread_mutex_t shared_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct refdata_shared *shared_calendars;

static const struct db_stmt calendar_head = {"SELECT version, pos FROM ref_calendar"};
/* One statement, so that head and days are of one moment. */
static const struct db_stmt calendar_rows = {
	"SELECT k.version, k.pos, k.covers_from, k.covers_to, d.day, d.kind = 'WORK'"
	" FROM ref_calendar k LEFT JOIN ref_calendar_day d ON true ORDER BY d.day"};

static void shared_sweep(void)
{
	struct refdata_shared **p = &shared_calendars;

	while (*p != NULL) {
		struct refdata_shared *s = *p;

		if (s->refs > 0 || s->current) {
			p = &s->next;
			continue;
		}
		*p = s->next;
		calendar_free(s->cal);
		free(s);
	}
}

static const struct calendar *shared_get(int32_t version, int64_t pos)
{
	const struct calendar *cal = NULL;

	pthread_mutex_lock(&shared_mutex);
	for (struct refdata_shared *s = shared_calendars; s != NULL && cal == NULL; s = s->next) {
		if (s->version != version || s->pos != pos)
			continue;
		s->refs++;
		cal = s->cal;
	}
	pthread_mutex_unlock(&shared_mutex);
	return cal;
}

static const struct calendar *shared_put_new(struct calendar *cal, int32_t version, int64_t pos)
{
	struct refdata_shared *s = base_alloc(sizeof(*s));

	*s = (struct refdata_shared){
		.cal = cal, .version = version, .pos = pos, .refs = 1, .current = true};
	pthread_mutex_lock(&shared_mutex);
	for (struct refdata_shared *o = shared_calendars; o != NULL; o = o->next)
		o->current = false;
	s->next = shared_calendars;
	shared_calendars = s;
	shared_sweep();
	pthread_mutex_unlock(&shared_mutex);
	return cal;
}

void refdata_calendar_put(const struct calendar *cal)
{
	if (cal == NULL)
		return;
	pthread_mutex_lock(&shared_mutex);
	for (struct refdata_shared *s = shared_calendars; s != NULL; s = s->next)
		if (s->cal == cal)
			s->refs--;
	shared_sweep();
	pthread_mutex_unlock(&shared_mutex);
}

static int refdata_load_calendar(struct call *c, const struct calendar **ret_calendar,
				 int64_t *ret_pos)
{
	int slot = refdata_query(c, &calendar_rows, NULL, 0);
	struct calendar_day *days;
	struct calendar *cal;
	int32_t version;
	size_t n = 0;

	if (slot < 0)
		return slot;
	if (db_rows(&c->tx, slot) == 0)
		return err_set_retry(&c->err, &no_calendar, NULL, 2000);
	days = arena_calloc(c->arena, (size_t)db_rows(&c->tx, slot), sizeof(days[0]));
	if (days == NULL)
		return err_set(&c->err, &err_too_large, NULL, "calendar");
	for (int i = 0; i < db_rows(&c->tx, slot); i++) {
		if (db_is_null(&c->tx, slot, i, 4))
			continue;
		days[n++] = (struct calendar_day){
			.day = db_get_date(&c->tx, slot, i, 4),
			.kind = db_get_bool(&c->tx, slot, i, 5) ? CALENDAR_WORK : CALENDAR_OFF,
		};
	}
	version = (int32_t)db_get_int(&c->tx, slot, 0, 0);
	if (calendar_new(days, n, db_get_date(&c->tx, slot, 0, 2), db_get_date(&c->tx, slot, 0, 3),
			 version, &cal, &c->err) < 0)
		return c->err.status;
	*ret_pos = db_get_int(&c->tx, slot, 0, 1);
	*ret_calendar = shared_put_new(cal, version, *ret_pos);
	return 0;
}

int refdata_calendar(struct call *c, const struct calendar **ret_calendar, int64_t *ret_pos)
{
	int slot = refdata_query(c, &calendar_head, NULL, 0);
	const struct calendar *cal;
	int64_t pos;

	if (slot < 0)
		return slot;
	if (db_rows(&c->tx, slot) == 0)
		return err_set_retry(&c->err, &no_calendar, NULL, 2000);
	pos = db_get_int(&c->tx, slot, 0, 1);
	cal = shared_get((int32_t)db_get_int(&c->tx, slot, 0, 0), pos);
	if (cal == NULL)
		return refdata_load_calendar(c, ret_calendar, ret_pos);
	*ret_calendar = cal;
	*ret_pos = pos;
	return 0;
}
