#include "services/ctl/profile_apply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/clock.h"
#include "lgsp/directory/v1/directory.pb-c.h"
#include "lgsp/dossier/v1/dossier.pb-c.h"
#include "lgsp/feed/v1/feed.pb-c.h"
#include "lgsp/kpi/v1/kpi.pb-c.h"
#include "lgsp/payment/v1/payment.pb-c.h"
#include "services/ctl/ctl.h"
#include "services/ctl/health.h"
#include "services/ctl/session.h"

#define IMPORT_MS   60000
#define WAIT_S      60
#define AGAIN_US    50000
#define APPLY_BYTES (64 << 20)

const char **profile_split(struct arena *arena, const char *by, const char *words, size_t *ret_n)
{
	size_t n = 0;
	const char **list = arena_calloc(arena, strlen(words) + 1, sizeof *list);

	CHECK(list);
	for (const char *p = words; *p;) {
		size_t len = strcspn(p, by);

		list[n++] = arena_memdup(arena, p, len);
		p += len + (p[len] != '\0');
	}
	*ret_n = n;
	return list;
}

/* --- directory --- */

static void add_places(const struct profile *p, struct arena *arena,
		       Directory__ImportProfileRequest *in)
{
	const struct csv_table *units = &p->tables[PROFILE_UNITS];
	const struct csv_table *agencies = &p->tables[PROFILE_AGENCIES];

	in->n_units = units->n_rows;
	PROFILE_LIST(arena, Directory__Unit, directory__unit__init, in->n_units, in->units);
	for (size_t i = 0; i < in->n_units; i++) {
		const char *const *c = units->rows[i].cells;

		in->units[i]->code = c[UNIT_CODE];
		in->units[i]->level = c[UNIT_LEVEL];
		in->units[i]->parent_code = c[UNIT_PARENT];
		in->units[i]->name = c[UNIT_NAME];
		in->units[i]->valid_from = c[UNIT_FROM];
		in->units[i]->valid_to = c[UNIT_TO];
		in->units[i]->successor_code = c[UNIT_SUCCESSOR];
	}
	in->n_agencies = agencies->n_rows;
	PROFILE_LIST(arena, Directory__Agency, directory__agency__init, in->n_agencies,
		     in->agencies);
	for (size_t i = 0; i < in->n_agencies; i++) {
		const char *const *c = agencies->rows[i].cells;

		in->agencies[i]->code = c[AGENCY_CODE];
		in->agencies[i]->parent_code = c[AGENCY_PARENT];
		in->agencies[i]->level = c[AGENCY_LEVEL];
		in->agencies[i]->unit_code = c[AGENCY_UNIT];
		in->agencies[i]->name = c[AGENCY_NAME];
		in->agencies[i]->valid_from = c[AGENCY_FROM];
		in->agencies[i]->valid_to = c[AGENCY_TO];
		in->agencies[i]->successor_code = c[AGENCY_SUCCESSOR];
	}
}

static const char *date_text(struct arena *arena, int32_t day)
{
	char text[11];

	civil_format(day, text);
	return arena_strdup(arena, text);
}

static void add_calendar(const struct profile *p, struct arena *arena,
			 Directory__ImportProfileRequest *in)
{
	const struct csv_table *t = &p->tables[PROFILE_CALENDAR];
	Directory__Calendar *calendar = arena_alloc(arena, sizeof *calendar);

	CHECK(calendar);
	directory__calendar__init(calendar);
	calendar->covers_from = date_text(arena, p->covers_from);
	calendar->covers_to = date_text(arena, p->covers_to);
	calendar->n_days = t->n_rows;
	PROFILE_LIST(arena, Directory__CalendarDay, directory__calendar_day__init, t->n_rows,
		     calendar->days);
	for (size_t i = 0; i < t->n_rows; i++) {
		const char *const *c = t->rows[i].cells;

		calendar->days[i]->date = c[DAY_DATE];
		calendar->days[i]->kind = c[DAY_KIND];
		calendar->days[i]->why = c[DAY_WHY];
	}
	in->calendar = calendar;
}

/* One message for each weekday of a row. */
static void add_hours(const struct profile *p, struct arena *arena,
		      Directory__ImportProfileRequest *in)
{
	const struct csv_table *t = &p->tables[PROFILE_HOURS];
	const size_t most = 7 * t->n_rows;
	struct calendar_hours hours = {0};

	PROFILE_LIST(arena, Directory__Hours, directory__hours__init, most, in->hours);
	for (size_t i = 0; i < t->n_rows; i++) {
		const char *const *c = t->rows[i].cells;

		profile_hours(&t->rows[i], &hours); /* has been checked */
		for (const char *day = c[HOURS_WEEKDAYS]; *day; day++) {
			if (*day == ' ')
				continue;
			Directory__Hours *h = in->hours[in->n_hours++];

			h->scope = c[HOURS_SCOPE];
			h->weekday = (uint32_t)(*day - '0');
			h->am_start = (uint32_t)hours.am_start;
			h->am_end = (uint32_t)hours.am_end;
			h->pm_start = (uint32_t)hours.pm_start;
			h->pm_end = (uint32_t)hours.pm_end;
			h->valid_from = c[HOURS_FROM];
			h->valid_to = c[HOURS_TO];
		}
	}
}

static void add_officers(const struct profile *p, struct arena *arena,
			 Directory__ImportProfileRequest *in)
{
	const struct csv_table *t = &p->tables[PROFILE_OFFICERS];

	in->n_officers = t->n_rows;
	PROFILE_LIST(arena, Directory__Officer, directory__officer__init, t->n_rows, in->officers);
	for (size_t i = 0; i < t->n_rows; i++) {
		const char *const *c = t->rows[i].cells;
		Directory__Officer *o = in->officers[i];

		o->subject = c[OFFICER_SUBJECT];
		o->name = c[OFFICER_NAME];
		o->agency_code = c[OFFICER_AGENCY];
		o->post = c[OFFICER_POST];
		o->roles = profile_split(arena, " ", c[OFFICER_ROLES], &o->n_roles);
		o->valid_from = c[OFFICER_FROM];
		o->valid_to = c[OFFICER_TO];
	}
}

static void add_registers(const struct profile *p, struct arena *arena,
			  Directory__ImportProfileRequest *in)
{
	const struct csv_table *categories = &p->tables[PROFILE_CATEGORIES];
	const struct csv_table *systems = &p->tables[PROFILE_SYSTEMS];

	in->n_categories = categories->n_rows;
	PROFILE_LIST(arena, Directory__CategoryEntry, directory__category_entry__init,
		     in->n_categories, in->categories);
	for (size_t i = 0; i < in->n_categories; i++) {
		const char *const *c = categories->rows[i].cells;

		in->categories[i]->category = c[CATEGORY_NAME];
		in->categories[i]->code = c[CATEGORY_CODE];
		in->categories[i]->name_vi = c[CATEGORY_VI];
		in->categories[i]->name_en = c[CATEGORY_EN];
		in->categories[i]->valid_from = c[CATEGORY_FROM];
		in->categories[i]->valid_to = c[CATEGORY_TO];
		in->categories[i]->needs_note = strcmp(c[CATEGORY_NOTE], "true") == 0;
	}
	in->n_systems = systems->n_rows;
	PROFILE_LIST(arena, Directory__System, directory__system__init, in->n_systems, in->systems);
	for (size_t i = 0; i < in->n_systems; i++) {
		const char *const *c = systems->rows[i].cells;

		in->systems[i]->member = c[SYSTEM_MEMBER];
		in->systems[i]->name = c[SYSTEM_NAME];
		in->systems[i]->owner_agency_code = c[SYSTEM_OWNER];
		in->systems[i]->valid_from = c[SYSTEM_FROM];
		in->systems[i]->valid_to = c[SYSTEM_TO];
		in->systems[i]->citizen_facing = strcmp(c[SYSTEM_FACING], "true") == 0;
	}
}

static const ProtobufCMessage *directory_part(const struct profile *p, struct arena *arena)
{
	Directory__ImportProfileRequest *in = arena_alloc(arena, sizeof *in);

	CHECK(in);
	directory__import_profile_request__init(in);
	in->manifest_sha256 = p->manifest_sha256;
	in->profile = p->name;
	add_places(p, arena, in);
	add_calendar(p, arena, in);
	add_hours(p, arena, in);
	add_officers(p, arena, in);
	add_registers(p, arena, in);
	return &in->base;
}

/* --- payment --- */

static const ProtobufCMessage *payment_part(const struct profile *p, struct arena *arena)
{
	const struct csv_table *fees = &p->tables[PROFILE_FEES];
	const struct csv_table *accounts = &p->tables[PROFILE_ACCOUNTS];
	Payment__ImportProfileRequest *in = arena_alloc(arena, sizeof *in);

	CHECK(in);
	payment__import_profile_request__init(in);
	in->manifest_sha256 = p->manifest_sha256;
	in->profile = p->name;
	in->n_fees = fees->n_rows;
	PROFILE_LIST(arena, Payment__Fee, payment__fee__init, in->n_fees, in->fees);
	for (size_t i = 0; i < in->n_fees; i++) {
		const char *const *c = fees->rows[i].cells;

		in->fees[i]->procedure_code = c[FEE_PROCEDURE];
		in->fees[i]->kind = c[FEE_KIND];
		in->fees[i]->amount_vnd = csv_number(c[FEE_AMOUNT]);
		in->fees[i]->online = strcmp(c[FEE_ONLINE], "true") == 0;
		in->fees[i]->valid_from = c[FEE_FROM];
		in->fees[i]->valid_to = c[FEE_TO];
	}
	in->n_accounts = accounts->n_rows;
	PROFILE_LIST(arena, Payment__Account, payment__account__init, in->n_accounts, in->accounts);
	for (size_t i = 0; i < in->n_accounts; i++) {
		const char *const *c = accounts->rows[i].cells;

		in->accounts[i]->agency_code = c[ACCOUNT_AGENCY];
		in->accounts[i]->bin = c[ACCOUNT_BIN];
		in->accounts[i]->number = c[ACCOUNT_NUMBER];
		in->accounts[i]->holder = c[ACCOUNT_HOLDER];
		in->accounts[i]->valid_from = c[ACCOUNT_FROM];
		in->accounts[i]->valid_to = c[ACCOUNT_TO];
	}
	return &in->base;
}

/* --- kpi --- */

static void add_targets(const struct profile *p, struct arena *arena, Kpi__ImportProfileRequest *in)
{
	const struct csv_table *t = &p->tables[PROFILE_TARGETS];

	in->n_targets = t->n_rows;
	PROFILE_LIST(arena, Kpi__Target, kpi__target__init, in->n_targets, in->targets);
	for (size_t i = 0; i < in->n_targets; i++) {
		const char *const *c = t->rows[i].cells;

		in->targets[i]->indicator_id = c[TARGET_INDICATOR];
		in->targets[i]->scope = c[TARGET_SCOPE];
		in->targets[i]->due = c[TARGET_DUE];
		in->targets[i]->op = c[TARGET_OPERATOR];
		in->targets[i]->value_hundredths = profile_hundredths(c[TARGET_VALUE]);
		in->targets[i]->baseline = c[TARGET_BASELINE];
	}
}

static const ProtobufCMessage *kpi_part(const struct profile *p, struct arena *arena)
{
	const struct csv_table *t = &p->tables[PROFILE_INDICATORS];
	Kpi__ImportProfileRequest *in = arena_alloc(arena, sizeof *in);

	CHECK(in);
	kpi__import_profile_request__init(in);
	in->manifest_sha256 = p->manifest_sha256;
	in->profile = p->name;
	in->n_indicators = t->n_rows;
	PROFILE_LIST(arena, Kpi__Indicator, kpi__indicator__init, t->n_rows, in->indicators);
	for (size_t i = 0; i < t->n_rows; i++) {
		const char *const *c = t->rows[i].cells;
		Kpi__Indicator *out = in->indicators[i];

		out->id = c[INDICATOR_ID];
		out->name_vi = c[INDICATOR_VI];
		out->name_en = c[INDICATOR_EN];
		out->numerator = c[INDICATOR_NUMERATOR];
		out->denominator = c[INDICATOR_DENOMINATOR];
		out->kind = c[INDICATOR_KIND];
		out->scopes = c[INDICATOR_SCOPES];
		out->source = c[INDICATOR_SOURCE];
		out->owner_agency_code = c[INDICATOR_OWNER];
		out->note = c[INDICATOR_NOTE];
	}
	add_targets(p, arena, in);
	return &in->base;
}

/* --- giving --- */

struct part {
	const char *service;
	const ProtobufCMessage *(*make)(const struct profile *p, struct arena *arena);
	const ProtobufCMessageDescriptor *reply;
	int32_t (*changed)(const ProtobufCMessage *reply);
};

#define CHANGED_OF(name, type)                                                                     \
	static int32_t name(const ProtobufCMessage *reply)                                         \
	{                                                                                          \
		return ((const type *)reply)->changed;                                             \
	}
CHANGED_OF(directory_changed, Directory__ImportProfileReply)
CHANGED_OF(dossier_changed, Dossier__ImportProfileReply)
CHANGED_OF(payment_changed, Payment__ImportProfileReply)
CHANGED_OF(kpi_changed, Kpi__ImportProfileReply)

static const struct part parts[] = {
	{"directory", directory_part, &directory__import_profile_reply__descriptor,
	 directory_changed},
	{"dossier", profile_dossier_part, &dossier__import_profile_reply__descriptor,
	 dossier_changed},
	{"payment", payment_part, &payment__import_profile_reply__descriptor, payment_changed},
	{"kpi", kpi_part, &kpi__import_profile_reply__descriptor, kpi_changed},
};

/* A UUIDv8-shaped id: the same bundle and part, the same request, for ever. */
static void message_id(const struct profile *p, const char *service, uint8_t out[static 16])
{
	uint8_t digest[CRYPT_SHA256_BYTES];
	char text[256];
	int n = snprintf(text, sizeof text, "profile %s %s", p->manifest_sha256, service);

	crypt_sha256(text, (size_t)n, digest);
	memcpy(out, digest, 16);
	out[6] = (uint8_t)((out[6] & 0x0f) | 0x80);
	out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
}

static int give(const struct profile *p, struct session *session, const struct part *part)
{
	struct session_how how = {.deadline_ms = IMPORT_MS, .patience_ms = IMPORT_MS};
	ProtobufCMessage *out = NULL;
	struct err err = {0};
	struct arena arena;
	int rc = 0;

	arena_init(&arena, APPLY_BYTES);
	message_id(p, part->service, how.message_id);
	if (session_call(session, part->service, "ImportProfile", part->make(p, &arena),
			 part->reply, &how, &arena, &out, &err) < 0)
		rc = ctl_fail(part->service, &err);
	else
		printf("profile %s: %s has its part, %d rows were new or different\n", p->name,
		       part->service, part->changed(out));
	arena_done(&arena);
	return rc;
}

/* --- waiting for the reference data --- */

static int directory_head(struct session *session, int64_t *ret_pos, int64_t *ret_pending)
{
	Feed__HeadRequest in = FEED__HEAD_REQUEST__INIT;
	ProtobufCMessage *out = NULL;
	struct err err = {0};
	struct arena arena;
	int rc = 0;

	arena_init(&arena, 65536);
	in.feed = "directory";
	if (session_call(session, "directory", "Feed.Head", &in.base, &feed__head_reply__descriptor,
			 NULL, &arena, &out, &err) < 0) {
		rc = ctl_fail("directory", &err);
	} else {
		*ret_pos = ((const Feed__HeadReply *)out)->high_water;
		*ret_pending = ((const Feed__HeadReply *)out)->pending;
	}
	arena_done(&arena);
	return rc;
}

static int wait_for_reference(struct session *session)
{
	const char *list = getenv("LGSP_HEALTH");
	int64_t end_us = clock_mono_us() + WAIT_S * CLOCK_US_PER_S, pos = 0, pending = 1;
	int rc = 0;

	while (rc == 0 && pending > 0 && clock_mono_us() < end_us) {
		rc = directory_head(session, &pos, &pending);
		if (pending > 0)
			usleep(AGAIN_US);
	}
	if (rc != 0 || !list || !list[0])
		return rc;
	if (health_wait_consumers(NULL, "directory", pos, end_us - clock_mono_us()) < 0)
		return CTL_FAILED;
	printf("profile: every service has the directory's feed up to %" PRId64 "\n", pos);
	return 0;
}

int profile_apply(const struct profile *p)
{
	struct session *session = NULL;
	int rc = session_open("LGSP_BUS_MEMBER", &session);

	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(parts); i++)
		rc = give(p, session, &parts[i]);
	if (rc == 0)
		rc = wait_for_reference(session);
	session_close(session);
	return rc;
}
