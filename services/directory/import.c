/* ImportProfile: the directory's part of a bundle, whole in one transaction. */
#include "common/base/base.h"
#include "services/directory/directory.h"
#include "services/directory/rules.h"

static const struct err_kind overlap_with_stored = {
	ERR_CONFLICT, "OVERLAPPING_PERIODS", "Khoảng hiệu lực của %s chồng lên dữ liệu đã có",
	"a period of %s overlaps one that is stored"};

static const struct db_stmt find_overlap = {
	"SELECT a.code FROM unit a JOIN unit b ON b.code = a.code"
	" AND b.valid_from > a.valid_from AND b.valid_from <= a.valid_to"
	" UNION ALL SELECT a.code FROM agency a JOIN agency b ON b.code = a.code"
	" AND b.valid_from > a.valid_from AND b.valid_from <= a.valid_to"
	" UNION ALL SELECT a.subject FROM officer a JOIN officer b ON b.subject = a.subject"
	" AND b.agency_code = a.agency_code"
	" AND b.valid_from > a.valid_from AND b.valid_from <= a.valid_to"
	" UNION ALL SELECT a.code FROM category_entry a JOIN category_entry b ON b.code = a.code"
	" AND b.category = a.category"
	" AND b.valid_from > a.valid_from AND b.valid_from <= a.valid_to"
	" UNION ALL SELECT a.member FROM system a JOIN system b ON b.member = a.member"
	" AND b.valid_from > a.valid_from AND b.valid_from <= a.valid_to"
	" UNION ALL SELECT a.scope FROM hours a JOIN hours b ON b.scope = a.scope"
	" AND b.weekday = a.weekday"
	" AND b.valid_from > a.valid_from AND b.valid_from <= a.valid_to LIMIT 1"};
static const struct db_stmt insert_import = {
	"INSERT INTO profile_import (manifest_sha256, profile, imported_at) VALUES ($1, $2, $3)"
	" ON CONFLICT DO NOTHING"};

/*
 * One part of a bundle: rows of one message type, the function that puts one and the one that
 * queues its event. The casts are where C has no generics; the table below pairs them.
 */
struct import_part {
	void *const *rows;
	size_t n;
	int (*put)(struct call *c, const void *row);
	void (*event)(struct call *c, const void *row, int32_t version);
};

#define IMPORT_PART(name, type)                                                                    \
	static int import_put_##name(struct call *c, const void *row)                              \
	{                                                                                          \
		return put_##name(c, (const type *)row);                                           \
	}                                                                                          \
	static void import_event_##name(struct call *c, const void *row, int32_t version)          \
	{                                                                                          \
		event_##name(c, (const type *)row, version);                                       \
	}

IMPORT_PART(unit, Directory__Unit)
IMPORT_PART(agency, Directory__Agency)
IMPORT_PART(category, Directory__CategoryEntry)
IMPORT_PART(system, Directory__System)
IMPORT_PART(hours, Directory__Hours)
IMPORT_PART(officer, Directory__Officer)

/* Two flushes: all rows, then the events of those that changed. */
static int import_part_rows(struct call *c, const struct import_part *part, int32_t *changed)
{
	int *slots = arena_calloc(c->arena, part->n, sizeof(slots[0]));

	if (slots == NULL)
		return err_set(&c->err, &err_too_large, NULL, "profile");
	for (size_t i = 0; i < part->n; i++)
		slots[i] = part->put(c, part->rows[i]);
	if (tx_flush(c) < 0)
		return c->err.status;
	for (size_t i = 0; i < part->n; i++) {
		if (db_rows(&c->tx, slots[i]) == 0)
			continue;
		part->event(c, part->rows[i], (int32_t)db_get_int(&c->tx, slots[i], 0, 0));
		(*changed)++;
	}
	return 0;
}

static int import_rows(struct call *c, const Directory__ImportProfileRequest *in, int32_t *changed)
{
	const struct import_part parts[] = {
		{(void *const *)in->units, in->n_units, import_put_unit, import_event_unit},
		{(void *const *)in->agencies, in->n_agencies, import_put_agency,
		 import_event_agency},
		{(void *const *)in->officers, in->n_officers, import_put_officer,
		 import_event_officer},
		{(void *const *)in->categories, in->n_categories, import_put_category,
		 import_event_category},
		{(void *const *)in->systems, in->n_systems, import_put_system, import_event_system},
		{(void *const *)in->hours, in->n_hours, import_put_hours, import_event_hours},
	};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (import_part_rows(c, &parts[i], changed) < 0)
			return c->err.status;
	return 0;
}

/* A bundle may end a period it knows; what it does not know may stand in the way. */
static int import_check_overlaps(struct call *c)
{
	int slot = db_add_args(&c->tx, &find_overlap, NULL, 0);

	if (tx_flush(c) < 0)
		return c->err.status;
	if (db_rows(&c->tx, slot) > 0)
		return err_set(&c->err, &overlap_with_stored, NULL,
			       db_get_text(&c->tx, slot, 0, 0));
	return 0;
}

void directory_import_profile(Directory__DirectoryService_Service *svc,
			      const Directory__ImportProfileRequest *in,
			      Directory__ImportProfileReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__ImportProfileReply out = DIRECTORY__IMPORT_PROFILE_REPLY__INIT;
	int calendar;

	(void)svc;
	if (rules_check_profile(in, c->arena, &c->err) < 0)
		return call_fail(c);
	tx_begin(c);
	row_lock_writers(c);
	if (import_rows(c, in, &out.changed) < 0 || import_check_overlaps(c) < 0)
		return call_fail(c);
	calendar = calendar_import(c, in->calendar);
	if (calendar < 0)
		return call_fail(c);
	out.changed += calendar;
	tx_add(c, &insert_import, DB_TEXT(in->manifest_sha256), DB_TEXT(in->profile),
	       DB_TIME(c->now_us));
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
