/* Working hours ordered for an agency: the week from a day on, who ordered it and why. */
#include <string.h>

#include "common/base/civil.h"
#include "common/base/utf8.h"
#include "services/directory/directory.h"
#include "services/directory/rules.h"

static const struct err_kind agency_not_in_force = {ERR_INVALID, "AGENCY_NOT_IN_FORCE",
						    "Cơ quan %s không có hiệu lực vào ngày bắt đầu",
						    "agency %s is not in force on the first day"};
static const struct err_kind not_your_agency = {
	ERR_DENIED, "NOT_YOUR_AGENCY", "Lãnh đạo chỉ đặt giờ làm việc của cơ quan mình (%s)",
	"a leader orders hours of their own agency only, not of %s"};
static const struct err_kind later_hours = {ERR_CONFLICT, "LATER_HOURS",
					    "Đã có giờ làm việc bắt đầu từ ngày %s",
					    "hours that begin on %s are ordered already"};

static const struct db_stmt agency_in_force = {
	"SELECT 1 FROM agency WHERE code = $1 AND valid_from <= $2 AND valid_to >= $2"};
/* What the agency has of its own on that day or later. */
static const struct db_stmt own_hours = {
	"SELECT weekday, am_start, am_end, pm_start, pm_end, valid_from, valid_to FROM hours"
	" WHERE scope = $1 AND valid_to >= $2 ORDER BY weekday, valid_from"};
static const struct db_stmt last_order = {
	"SELECT coalesce(max(version), 0) FROM hours_order WHERE agency_code = $1"};
static const struct db_stmt insert_order = {
	"INSERT INTO hours_order (agency_code, version, valid_from, weekdays, reason, subject,"
	" member, at) VALUES ($1, $2, $3, $4::text[]::int[], $5, $6, $7, $8)"};

struct order {
	const Directory__SetWorkingHoursRequest *in;
	int32_t from;
	const char *from_text, *day_before;
	int agency, own, last; /* slots */
	uint32_t weekdays[7];  /* that are new or different */
	size_t n;
};

static void row_hours(struct call *c, int slot, int row, Directory__Hours *h)
{
	directory__hours__init(h);
	h->weekday = (uint32_t)db_get_int(&c->tx, slot, row, 0);
	h->am_start = (uint32_t)db_get_int(&c->tx, slot, row, 1);
	h->am_end = (uint32_t)db_get_int(&c->tx, slot, row, 2);
	h->pm_start = (uint32_t)db_get_int(&c->tx, slot, row, 3);
	h->pm_end = (uint32_t)db_get_int(&c->tx, slot, row, 4);
	h->valid_from = row_date(c, slot, row, 5);
	h->valid_to = row_date(c, slot, row, 6);
}

static int check_right(struct call *c, const char *agency_code)
{
	if (c->caller.agency[0] == '\0' || call_has_role(c, "operator") ||
	    strcmp(c->caller.agency, agency_code) == 0)
		return 0;
	return err_set(&c->err, &not_your_agency, "agency_code", agency_code);
}

static int order_read(struct call *c, struct order *o)
{
	char day[11];

	if (check_right(c, o->in->agency_code) < 0 ||
	    rules_check_order(o->in, civil_of_us(c->now_us), &o->from, &c->err) < 0)
		return c->err.status;
	civil_format(o->from - 1, day);
	o->day_before = arena_strdup(c->arena, day);
	tx_begin(c);
	row_lock_writers(c);
	o->agency = tx_add(c, &agency_in_force, DB_TEXT(o->in->agency_code), DB_DATE(o->from));
	o->own = tx_add(c, &own_hours, DB_TEXT(o->in->agency_code), DB_DATE(o->from));
	o->last = tx_add(c, &last_order, DB_TEXT(o->in->agency_code));
	if (tx_flush(c) < 0)
		return c->err.status;
	if (db_rows(&c->tx, o->agency) == 0)
		return err_set(&c->err, &agency_not_in_force, "agency_code", o->in->agency_code);
	return 0;
}

static bool same(const Directory__Hours *a, const Directory__Hours *b)
{
	return a->am_start == b->am_start && a->am_end == b->am_end && a->pm_start == b->pm_start &&
	       a->pm_end == b->pm_end;
}

/*
 * The agency's own row of a weekday that is in force on the first day, in ret; 0 when there is
 * none. A later one stands in the way.
 */
static int present(struct call *c, const struct order *o, uint32_t weekday, Directory__Hours *ret)
{
	int found = 0;

	for (int i = 0; i < db_rows(&c->tx, o->own); i++) {
		if (db_get_int(&c->tx, o->own, i, 0) != weekday)
			continue;
		if (db_get_date(&c->tx, o->own, i, 5) > o->from)
			return err_set(&c->err, &later_hours, "valid_from",
				       row_date(c, o->own, i, 5));
		row_hours(c, o->own, i, ret);
		found = 1;
	}
	return found;
}

/* One row into its table with its event. */
static int put(struct call *c, const Directory__Hours *row)
{
	int slot = put_hours_ordered(c, row);

	if (tx_flush(c) < 0)
		return c->err.status;
	if (db_rows(&c->tx, slot) > 0)
		event_hours(c, row, (int32_t)db_get_int(&c->tx, slot, 0, 0));
	return 0;
}

/* A weekday: what was ends the day before, unless it began on the same day. */
static int order_weekday(struct call *c, struct order *o, const Directory__Hours *in)
{
	Directory__Hours row = *in, before;
	int found = present(c, o, in->weekday, &before);

	if (found < 0)
		return found;
	if (found && same(&before, in) && before.valid_to[0] == '\0')
		return 0;
	row.scope = before.scope = o->in->agency_code;
	row.valid_from = o->in->valid_from;
	row.valid_to = "";
	if (found && strcmp(before.valid_from, o->in->valid_from) != 0) {
		before.valid_to = o->day_before;
		if (put(c, &before) < 0)
			return c->err.status;
	}
	o->weekdays[o->n++] = in->weekday;
	return put(c, &row);
}

static void write_order(struct call *c, const struct order *o, int32_t version)
{
	Directory__DirectoryHoursOrdered ev = DIRECTORY__DIRECTORY_HOURS_ORDERED__INIT;
	const char *reason = utf8_nfc(c->arena, o->in->reason);
	const char *days[7];

	for (size_t i = 0; i < o->n; i++)
		days[i] = arena_printf(c->arena, "%u", o->weekdays[i]);
	tx_add(c, &insert_order, DB_TEXT(o->in->agency_code), DB_INT4(version), DB_DATE(o->from),
	       DB_TEXTS(days, o->n), DB_TEXT(reason ? reason : ""), DB_TEXT(c->caller.subject),
	       DB_TEXT(c->caller.member), DB_TIME(c->now_us));
	ev.agency_code = o->in->agency_code;
	ev.valid_from = o->in->valid_from;
	ev.weekdays = (uint32_t *)o->weekdays;
	ev.n_weekdays = o->n;
	ev.reason = reason ? reason : "";
	ev.ordered_by = c->caller.subject[0] ? c->caller.subject : c->caller.member;
	tx_event(c, "directory.hours_ordered",
		 arena_printf(c->arena, "hours-order/%s", o->in->agency_code), version, &ev.base);
}

void directory_set_working_hours(Directory__DirectoryService_Service *svc,
				 const Directory__SetWorkingHoursRequest *in,
				 Directory__SetWorkingHoursReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__SetWorkingHoursReply out = DIRECTORY__SET_WORKING_HOURS_REPLY__INIT;
	struct order o = {.in = in};

	(void)svc;
	if (order_read(c, &o) < 0)
		return call_fail(c);
	out.version = (int32_t)db_get_int(&c->tx, o.last, 0, 0);
	for (size_t i = 0; i < in->n_hours; i++)
		if (order_weekday(c, &o, in->hours[i]) < 0)
			return call_fail(c);
	if (o.n > 0)
		write_order(c, &o, ++out.version);
	out.changed = (int32_t)o.n;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
