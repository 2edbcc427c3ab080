/*
 * One dated row into its table, and its event. The statement itself decides whether the row is new
 * or different: it returns the subject's new version then, and nothing when there is no change. So
 * applying a profile again writes nothing and tells nobody.
 */
#include "common/base/civil.h"
#include "common/base/utf8.h"
#include "services/directory/directory.h"

static const struct db_stmt unit_stmt = {
	"INSERT INTO unit AS t (code, level, parent_code, name, valid_from, valid_to,"
	" successor_code, version) VALUES ($1, $2, $3, $4, $5, $6, $7,"
	" (SELECT coalesce(max(version), 0) + 1 FROM unit WHERE code = $1))"
	" ON CONFLICT (code, valid_from) DO UPDATE SET level = EXCLUDED.level,"
	" parent_code = EXCLUDED.parent_code, name = EXCLUDED.name,"
	" valid_to = EXCLUDED.valid_to, successor_code = EXCLUDED.successor_code,"
	" version = EXCLUDED.version"
	" WHERE (t.level, t.parent_code, t.name, t.valid_to, t.successor_code) IS DISTINCT FROM"
	" (EXCLUDED.level, EXCLUDED.parent_code, EXCLUDED.name, EXCLUDED.valid_to,"
	" EXCLUDED.successor_code)"
	" RETURNING version"};
static const struct db_stmt agency_stmt = {
	"INSERT INTO agency AS t (code, parent_code, level, unit_code, name, valid_from, valid_to,"
	" successor_code, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8,"
	" (SELECT coalesce(max(version), 0) + 1 FROM agency WHERE code = $1))"
	" ON CONFLICT (code, valid_from) DO UPDATE SET parent_code = EXCLUDED.parent_code,"
	" level = EXCLUDED.level, unit_code = EXCLUDED.unit_code, name = EXCLUDED.name,"
	" valid_to = EXCLUDED.valid_to, successor_code = EXCLUDED.successor_code,"
	" version = EXCLUDED.version"
	" WHERE (t.parent_code, t.level, t.unit_code, t.name, t.valid_to, t.successor_code)"
	" IS DISTINCT FROM (EXCLUDED.parent_code, EXCLUDED.level, EXCLUDED.unit_code,"
	" EXCLUDED.name, EXCLUDED.valid_to, EXCLUDED.successor_code)"
	" RETURNING version"};
static const struct db_stmt category_stmt = {
	"INSERT INTO category_entry AS t (category, code, name_vi, name_en, valid_from, valid_to,"
	" needs_note, version) VALUES ($1, $2, $3, $4, $5, $6, $7,"
	" (SELECT coalesce(max(version), 0) + 1"
	" FROM category_entry WHERE category = $1 AND code = $2))"
	" ON CONFLICT (category, code, valid_from) DO UPDATE SET name_vi = EXCLUDED.name_vi,"
	" name_en = EXCLUDED.name_en, valid_to = EXCLUDED.valid_to,"
	" needs_note = EXCLUDED.needs_note, version = EXCLUDED.version"
	" WHERE (t.name_vi, t.name_en, t.valid_to, t.needs_note) IS DISTINCT FROM"
	" (EXCLUDED.name_vi, EXCLUDED.name_en, EXCLUDED.valid_to, EXCLUDED.needs_note)"
	" RETURNING version"};
static const struct db_stmt system_stmt = {
	"INSERT INTO system AS t (member, name, owner_agency_code, valid_from, valid_to,"
	" citizen_facing, version) VALUES ($1, $2, $3, $4, $5, $6,"
	" (SELECT coalesce(max(version), 0) + 1 FROM system WHERE member = $1))"
	" ON CONFLICT (member, valid_from) DO UPDATE SET name = EXCLUDED.name,"
	" owner_agency_code = EXCLUDED.owner_agency_code, valid_to = EXCLUDED.valid_to,"
	" citizen_facing = EXCLUDED.citizen_facing, version = EXCLUDED.version"
	" WHERE (t.name, t.owner_agency_code, t.valid_to, t.citizen_facing) IS DISTINCT FROM"
	" (EXCLUDED.name, EXCLUDED.owner_agency_code, EXCLUDED.valid_to,"
	" EXCLUDED.citizen_facing)"
	" RETURNING version"};
/* $8: source. A profile leaves what an appointment decided. */
static const struct db_stmt officer_stmt = {
	"INSERT INTO officer AS t (subject, agency_code, name, post, roles, valid_from, valid_to,"
	" source, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8,"
	" (SELECT coalesce(max(version), 0) + 1 FROM officer WHERE subject = $1))"
	" ON CONFLICT (subject, agency_code, valid_from) DO UPDATE SET name = EXCLUDED.name,"
	" post = EXCLUDED.post, roles = EXCLUDED.roles, valid_to = EXCLUDED.valid_to,"
	" source = EXCLUDED.source, version = EXCLUDED.version"
	" WHERE (EXCLUDED.source = 'appointment' OR t.source = 'profile')"
	" AND (t.name, t.post, t.roles, t.valid_to) IS DISTINCT FROM"
	" (EXCLUDED.name, EXCLUDED.post, EXCLUDED.roles, EXCLUDED.valid_to)"
	" RETURNING version"};

/* $9: source. A profile leaves what was ordered. */
static const struct db_stmt hours_stmt = {
	"INSERT INTO hours AS t (scope, weekday, am_start, am_end, pm_start, pm_end, valid_from,"
	" valid_to, source, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,"
	" (SELECT coalesce(max(version), 0) + 1 FROM hours WHERE scope = $1 AND weekday = $2))"
	" ON CONFLICT (scope, weekday, valid_from) DO UPDATE SET am_start = EXCLUDED.am_start,"
	" am_end = EXCLUDED.am_end, pm_start = EXCLUDED.pm_start, pm_end = EXCLUDED.pm_end,"
	" valid_to = EXCLUDED.valid_to, source = EXCLUDED.source, version = EXCLUDED.version"
	" WHERE (EXCLUDED.source = 'order' OR t.source = 'profile')"
	" AND (t.am_start, t.am_end, t.pm_start, t.pm_end, t.valid_to) IS DISTINCT FROM"
	" (EXCLUDED.am_start, EXCLUDED.am_end, EXCLUDED.pm_start, EXCLUDED.pm_end,"
	" EXCLUDED.valid_to) RETURNING version"};

/* --- values: rules.c has checked them --- */

static struct db_arg put_from(const char *date)
{
	int32_t day = 0;

	civil_parse(date, &day);
	return DB_DATE(day);
}

static struct db_arg put_to(const char *date)
{
	int32_t day = CIVIL_FOREVER;

	civil_parse_or_forever(date, &day);
	return DB_DATE(day);
}

/* NFC; at the arena's cap as it is. */
static const char *put_nfc(struct call *c, const char *text)
{
	const char *nfc = utf8_nfc(c->arena, text);

	return nfc != NULL ? nfc : text;
}

/* --- rows --- */

int put_unit(struct call *c, const Directory__Unit *u)
{
	return tx_add(c, &unit_stmt, DB_TEXT(u->code), DB_TEXT(u->level), DB_TEXT(u->parent_code),
		      DB_TEXT(put_nfc(c, u->name)), put_from(u->valid_from), put_to(u->valid_to),
		      DB_TEXT(u->successor_code));
}

int put_agency(struct call *c, const Directory__Agency *a)
{
	return tx_add(c, &agency_stmt, DB_TEXT(a->code), DB_TEXT(a->parent_code), DB_TEXT(a->level),
		      DB_TEXT(a->unit_code), DB_TEXT(put_nfc(c, a->name)), put_from(a->valid_from),
		      put_to(a->valid_to), DB_TEXT(a->successor_code));
}

int put_category(struct call *c, const Directory__CategoryEntry *e)
{
	return tx_add(c, &category_stmt, DB_TEXT(e->category), DB_TEXT(e->code),
		      DB_TEXT(put_nfc(c, e->name_vi)), DB_TEXT(put_nfc(c, e->name_en)),
		      put_from(e->valid_from), put_to(e->valid_to), DB_BOOL(e->needs_note));
}

int put_system(struct call *c, const Directory__System *s)
{
	return tx_add(c, &system_stmt, DB_TEXT(s->member), DB_TEXT(put_nfc(c, s->name)),
		      DB_TEXT(s->owner_agency_code), put_from(s->valid_from), put_to(s->valid_to),
		      DB_BOOL(s->citizen_facing));
}

static int put_hours_of(struct call *c, const Directory__Hours *h, const char *source)
{
	return tx_add(c, &hours_stmt, DB_TEXT(h->scope), DB_INT4((int32_t)h->weekday),
		      DB_INT4((int32_t)h->am_start), DB_INT4((int32_t)h->am_end),
		      DB_INT4((int32_t)h->pm_start), DB_INT4((int32_t)h->pm_end),
		      put_from(h->valid_from), put_to(h->valid_to), DB_TEXT(source));
}

int put_hours(struct call *c, const Directory__Hours *hours)
{
	return put_hours_of(c, hours, "profile");
}

int put_hours_ordered(struct call *c, const Directory__Hours *hours)
{
	return put_hours_of(c, hours, "order");
}

static int put_officer_of(struct call *c, const Directory__Officer *o, const char *source)
{
	return tx_add(c, &officer_stmt, DB_TEXT(o->subject), DB_TEXT(o->agency_code),
		      DB_TEXT(put_nfc(c, o->name)), DB_TEXT(put_nfc(c, o->post)),
		      DB_TEXTS(o->roles, o->n_roles), put_from(o->valid_from), put_to(o->valid_to),
		      DB_TEXT(source));
}

int put_officer(struct call *c, const Directory__Officer *officer)
{
	return put_officer_of(c, officer, "profile");
}

int put_officer_appointed(struct call *c, const Directory__Officer *officer)
{
	return put_officer_of(c, officer, "appointment");
}

/* --- events: the whole row, as it is stored --- */

void event_unit(struct call *c, const Directory__Unit *unit, int32_t version)
{
	Directory__DirectoryUnitPut event = DIRECTORY__DIRECTORY_UNIT_PUT__INIT;
	Directory__Unit row = *unit;

	row.name = put_nfc(c, unit->name);
	event.unit = &row;
	tx_event(c, "directory.unit_put", arena_printf(c->arena, "unit/%s", unit->code), version,
		 &event.base);
}

void event_agency(struct call *c, const Directory__Agency *agency, int32_t version)
{
	Directory__DirectoryAgencyPut event = DIRECTORY__DIRECTORY_AGENCY_PUT__INIT;
	Directory__Agency row = *agency;

	row.name = put_nfc(c, agency->name);
	event.agency = &row;
	tx_event(c, "directory.agency_put", arena_printf(c->arena, "agency/%s", agency->code),
		 version, &event.base);
}

void event_category(struct call *c, const Directory__CategoryEntry *entry, int32_t version)
{
	Directory__DirectoryCategoryPut event = DIRECTORY__DIRECTORY_CATEGORY_PUT__INIT;
	Directory__CategoryEntry row = *entry;

	row.name_vi = put_nfc(c, entry->name_vi);
	row.name_en = put_nfc(c, entry->name_en);
	event.entry = &row;
	tx_event(c, "directory.category_put",
		 arena_printf(c->arena, "category/%s/%s", entry->category, entry->code), version,
		 &event.base);
}

void event_system(struct call *c, const Directory__System *system, int32_t version)
{
	Directory__DirectorySystemPut event = DIRECTORY__DIRECTORY_SYSTEM_PUT__INIT;
	Directory__System row = *system;

	row.name = put_nfc(c, system->name);
	event.system = &row;
	tx_event(c, "directory.system_put", arena_printf(c->arena, "system/%s", system->member),
		 version, &event.base);
}

void event_hours(struct call *c, const Directory__Hours *hours, int32_t version)
{
	Directory__DirectoryHoursPut event = DIRECTORY__DIRECTORY_HOURS_PUT__INIT;
	Directory__Hours row = *hours;

	event.hours = &row;
	tx_event(c, "directory.hours_put",
		 arena_printf(c->arena, "hours/%s/%u", hours->scope, hours->weekday), version,
		 &event.base);
}

void event_officer(struct call *c, const Directory__Officer *officer, int32_t version)
{
	Directory__DirectoryOfficerPut event = DIRECTORY__DIRECTORY_OFFICER_PUT__INIT;
	Directory__Officer row = *officer;

	row.name = put_nfc(c, officer->name);
	row.post = put_nfc(c, officer->post);
	event.officer = &row;
	tx_event(c, "directory.officer_put", arena_printf(c->arena, "officer/%s", officer->subject),
		 version, &event.base);
}
