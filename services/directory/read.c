/* Look-ups: units, agencies, categories, systems, hours. One statement each, no transaction. */
#include "common/base/base.h"
#include "services/directory/directory.h"

static const struct db_stmt unit_on = {
	"SELECT code, level, parent_code, name, valid_from, valid_to, successor_code FROM unit"
	" WHERE code = $1 AND valid_from <= $2 AND valid_to >= $2"};
static const struct db_stmt agency_on = {
	"SELECT code, parent_code, level, unit_code, name, valid_from, valid_to, successor_code"
	" FROM agency WHERE code = $1 AND valid_from <= $2 AND valid_to >= $2"};
static const struct db_stmt agencies_on = {
	"SELECT code, parent_code, level, unit_code, name, valid_from, valid_to, successor_code"
	" FROM agency WHERE valid_from <= $1 AND valid_to >= $1 AND ($2 = '' OR parent_code = $2)"
	" AND code > $3 ORDER BY code LIMIT $4"};
static const struct db_stmt systems_all = {
	"SELECT member, name, owner_agency_code, valid_from, valid_to, citizen_facing FROM system"
	" ORDER BY member, valid_from"};
static const struct db_stmt category_all = {
	"SELECT category, code, name_vi, name_en, valid_from, valid_to, needs_note"
	" FROM category_entry"
	" WHERE category = $1 ORDER BY code, valid_from"};

static const struct db_stmt hours_on = {
	"SELECT DISTINCT ON (h.weekday) h.scope, h.weekday, h.am_start, h.am_end, h.pm_start,"
	" h.pm_end, h.valid_from, h.valid_to FROM hours h, agency a"
	" WHERE a.code = $1 AND a.valid_from <= $2 AND a.valid_to >= $2"
	" AND h.scope IN (a.code, a.level, '*') AND h.valid_from <= $2 AND h.valid_to >= $2"
	" ORDER BY h.weekday, h.scope = '*', h.scope = a.level"};

/* --- rows into messages --- */

static void read_unit(struct call *c, int slot, Directory__Unit *u)
{
	u->code = db_get_text(&c->tx, slot, 0, 0);
	u->level = db_get_text(&c->tx, slot, 0, 1);
	u->parent_code = db_get_text(&c->tx, slot, 0, 2);
	u->name = db_get_text(&c->tx, slot, 0, 3);
	u->valid_from = row_date(c, slot, 0, 4);
	u->valid_to = row_date(c, slot, 0, 5);
	u->successor_code = db_get_text(&c->tx, slot, 0, 6);
}

static void read_agency(struct call *c, int slot, int row, Directory__Agency *a)
{
	directory__agency__init(a);
	a->code = db_get_text(&c->tx, slot, row, 0);
	a->parent_code = db_get_text(&c->tx, slot, row, 1);
	a->level = db_get_text(&c->tx, slot, row, 2);
	a->unit_code = db_get_text(&c->tx, slot, row, 3);
	a->name = db_get_text(&c->tx, slot, row, 4);
	a->valid_from = row_date(c, slot, row, 5);
	a->valid_to = row_date(c, slot, row, 6);
	a->successor_code = db_get_text(&c->tx, slot, row, 7);
}

static void read_system(struct call *c, int slot, int row, Directory__System *s)
{
	directory__system__init(s);
	s->member = db_get_text(&c->tx, slot, row, 0);
	s->name = db_get_text(&c->tx, slot, row, 1);
	s->owner_agency_code = db_get_text(&c->tx, slot, row, 2);
	s->valid_from = row_date(c, slot, row, 3);
	s->valid_to = row_date(c, slot, row, 4);
	s->citizen_facing = db_get_bool(&c->tx, slot, row, 5);
}

static void read_category(struct call *c, int slot, int row, Directory__CategoryEntry *e)
{
	directory__category_entry__init(e);
	e->category = db_get_text(&c->tx, slot, row, 0);
	e->code = db_get_text(&c->tx, slot, row, 1);
	e->name_vi = db_get_text(&c->tx, slot, row, 2);
	e->name_en = db_get_text(&c->tx, slot, row, 3);
	e->valid_from = row_date(c, slot, row, 4);
	e->valid_to = row_date(c, slot, row, 5);
	e->needs_note = db_get_bool(&c->tx, slot, row, 6);
}

static void read_hours(struct call *c, int slot, int row, Directory__Hours *h)
{
	directory__hours__init(h);
	h->scope = db_get_text(&c->tx, slot, row, 0);
	h->weekday = (uint32_t)db_get_int(&c->tx, slot, row, 1);
	h->am_start = (uint32_t)db_get_int(&c->tx, slot, row, 2);
	h->am_end = (uint32_t)db_get_int(&c->tx, slot, row, 3);
	h->pm_start = (uint32_t)db_get_int(&c->tx, slot, row, 4);
	h->pm_end = (uint32_t)db_get_int(&c->tx, slot, row, 5);
	h->valid_from = row_date(c, slot, row, 6);
	h->valid_to = row_date(c, slot, row, 7);
}

/* --- handlers --- */

void directory_get_unit(Directory__DirectoryService_Service *svc,
			const Directory__GetUnitRequest *in, Directory__GetUnitReply_Closure reply,
			void *data)
{
	struct call *c = call_of(data);
	Directory__GetUnitReply out = DIRECTORY__GET_UNIT_REPLY__INIT;
	Directory__Unit unit = DIRECTORY__UNIT__INIT;
	int32_t day;
	int slot;

	(void)svc;
	if (row_day(c, in->on_date, &day) < 0)
		return call_fail(c);
	slot = call_query(c, &unit_on, DB_TEXT(in->code), DB_DATE(day));
	if (slot < 0)
		return call_fail(c);
	if (db_rows(&c->tx, slot) == 0) {
		err_set(&c->err, &err_not_found, "code", in->code);
		return call_fail(c);
	}
	read_unit(c, slot, &unit);
	out.unit = &unit;
	reply(&out, data);
}

void directory_get_agency(Directory__DirectoryService_Service *svc,
			  const Directory__GetAgencyRequest *in,
			  Directory__GetAgencyReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__GetAgencyReply out = DIRECTORY__GET_AGENCY_REPLY__INIT;
	Directory__Agency agency;
	int32_t day;
	int slot;

	(void)svc;
	if (row_day(c, in->on_date, &day) < 0)
		return call_fail(c);
	slot = call_query(c, &agency_on, DB_TEXT(in->code), DB_DATE(day));
	if (slot < 0)
		return call_fail(c);
	if (db_rows(&c->tx, slot) == 0) {
		err_set(&c->err, &err_not_found, "code", in->code);
		return call_fail(c);
	}
	read_agency(c, slot, 0, &agency);
	out.agency = &agency;
	reply(&out, data);
}

void directory_list_agencies(Directory__DirectoryService_Service *svc,
			     const Directory__ListAgenciesRequest *in,
			     Directory__ListAgenciesReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__ListAgenciesReply out = DIRECTORY__LIST_AGENCIES_REPLY__INIT;
	int32_t day, limit;
	int slot;

	(void)svc;
	if (row_day(c, in->on_date, &day) < 0 || row_limit(c, in->limit, &limit) < 0)
		return call_fail(c);
	slot = call_query(c, &agencies_on, DB_DATE(day), DB_TEXT(in->parent_code),
			  DB_TEXT(in->after_code), DB_INT4(limit));
	if (slot < 0)
		return call_fail(c);
	out.agencies = row_messages(c, slot, sizeof(Directory__Agency), &out.n_agencies);
	if (out.agencies == NULL)
		return call_fail(c);
	for (size_t i = 0; i < out.n_agencies; i++)
		read_agency(c, slot, (int)i, out.agencies[i]);
	reply(&out, data);
}

void directory_get_hours(Directory__DirectoryService_Service *svc,
			 const Directory__GetHoursRequest *in,
			 Directory__GetHoursReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__GetHoursReply out = DIRECTORY__GET_HOURS_REPLY__INIT;
	int32_t day;
	int slot;

	(void)svc;
	if (row_day(c, in->on_date, &day) < 0)
		return call_fail(c);
	slot = call_query(c, &hours_on, DB_TEXT(in->agency_code), DB_DATE(day));
	if (slot < 0)
		return call_fail(c);
	out.hours = row_messages(c, slot, sizeof(Directory__Hours), &out.n_hours);
	if (out.hours == NULL)
		return call_fail(c);
	for (size_t i = 0; i < out.n_hours; i++)
		read_hours(c, slot, (int)i, out.hours[i]);
	reply(&out, data);
}

void directory_list_systems(Directory__DirectoryService_Service *svc,
			    const Directory__ListSystemsRequest *in,
			    Directory__ListSystemsReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__ListSystemsReply out = DIRECTORY__LIST_SYSTEMS_REPLY__INIT;
	int slot = call_query_args(c, &systems_all, NULL, 0);

	(void)svc;
	(void)in;
	if (slot < 0)
		return call_fail(c);
	out.systems = row_messages(c, slot, sizeof(Directory__System), &out.n_systems);
	if (out.systems == NULL)
		return call_fail(c);
	for (size_t i = 0; i < out.n_systems; i++)
		read_system(c, slot, (int)i, out.systems[i]);
	reply(&out, data);
}

void directory_list_category(Directory__DirectoryService_Service *svc,
			     const Directory__ListCategoryRequest *in,
			     Directory__ListCategoryReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__ListCategoryReply out = DIRECTORY__LIST_CATEGORY_REPLY__INIT;
	int slot = call_query(c, &category_all, DB_TEXT(in->category));

	(void)svc;
	if (slot < 0)
		return call_fail(c);
	out.entries = row_messages(c, slot, sizeof(Directory__CategoryEntry), &out.n_entries);
	if (out.entries == NULL)
		return call_fail(c);
	for (size_t i = 0; i < out.n_entries; i++)
		read_category(c, slot, (int)i, out.entries[i]);
	reply(&out, data);
}
