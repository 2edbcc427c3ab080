/*
 * Once only: what the administration holds of an applicant, looked up at filing and while the
 * dossier is in work. A record is offered while it is valid and was not revoked.
 */
#include <string.h>

#include "common/base/civil.h"
#include "services/dossier/lists.h"

#define HELD_MAX 500

static const struct err_kind record_not_held = {
	ERR_INVALID, "RECORD_NOT_HELD", "Không có bản ghi số hóa %s còn hiệu lực của chủ hồ sơ",
	"no valid record %s of the applicant is held"};
static const struct err_kind record_not_fitting = {
	ERR_INVALID, "RECORD_NOT_FITTING", "Bản ghi loại %s không thay được thành phần hồ sơ này",
	"a record of type %s does not meet this component"};
static const struct err_kind unknown_component = {ERR_INVALID, "UNKNOWN_COMPONENT",
						  "Thủ tục không có thành phần hồ sơ %s",
						  "the procedure has no component %s"};
static const struct err_kind already_reused = {ERR_CONFLICT, "ALREADY_REUSED",
					       "Bản ghi %s đã được dùng cho thành phần hồ sơ này",
					       "record %s already meets this component"};

#define HELD_COLUMNS                                                                               \
	"SELECT h.record_id, h.type, CASE h.dossier WHEN '' THEN h.agency ELSE h.dossier END,"     \
	" h.valid_from, h.valid_to FROM held_record h"
#define HELD_ORDER " ORDER BY h.valid_from DESC, h.record_id"

static const struct db_stmt read_held = {
	"SELECT h.*, u.n FROM unnest($1, $2, $3) WITH ORDINALITY"
	" AS u (owner_key, day, most, n) CROSS JOIN LATERAL (" HELD_COLUMNS
	" WHERE h.owner_key = u.owner_key AND h.valid_from <= u.day"
	" AND h.valid_to >= u.day" HELD_ORDER " LIMIT u.most) h ORDER BY u.n"};

static const struct db_stmt read_held_of = {
	HELD_COLUMNS " JOIN filing f ON f.owner_key = h.owner_key WHERE f.code = $1"
		     " AND h.valid_from <= $2 AND h.valid_to >= $2" HELD_ORDER " LIMIT $3"};

/* Component and record pairs a dossier uses, from filing and later. */
static const struct db_stmt read_reused = {
	"SELECT code, held_record FROM component WHERE dossier = $1 AND reused"
	" UNION SELECT component, record_id FROM component_reuse WHERE dossier = $1"};

static const struct db_stmt insert_reuse = {
	"INSERT INTO component_reuse (dossier, component, record_id, source, version)"
	" VALUES ($1, $2, $3, $4, $5)"};

static const struct db_stmt insert_demand = {
	"INSERT INTO component_demand (dossier, round, component, record_id, source)"
	" VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"};

int held_add(struct call *c, const char *owner_key, int32_t day)
{
	return tx_add_row(c, &read_held, DB_TEXT(owner_key), DB_DATE(day), DB_INT8(HELD_MAX));
}

int held_add_of(struct call *c, const char *code, int32_t day)
{
	return tx_add(c, &read_held_of, DB_TEXT(code), DB_DATE(day), DB_INT8(HELD_MAX));
}

int held_read(struct call *c, int slot, struct rules_held **ret_held, size_t *ret_n)
{
	int n = db_rows(&c->tx, slot);
	struct rules_held *held = arena_calloc(c->arena, (size_t)n, sizeof(*held));

	if (!held)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (int i = 0; i < n; i++)
		held[i] = (struct rules_held){
			.record_id = db_get_text(&c->tx, slot, i, 0),
			.type = db_get_text(&c->tx, slot, i, 1),
			.source = db_get_text(&c->tx, slot, i, 2),
			.valid_from = db_get_date(&c->tx, slot, i, 3),
			.valid_to = db_get_date(&c->tx, slot, i, 4),
		};
	*ret_held = held;
	*ret_n = (size_t)n;
	return 0;
}

/* --- while it is in work --- */

/* What both acts read beside the dossier's row. */
struct look {
	int procedure, held, reused; /* slots */
};

static void look_add(struct call *c, const char *code, struct look *ret)
{
	ret->procedure = catalogue_add_of(c, code);
	ret->held = held_add_of(c, code, civil_of_us(c->now_us));
	ret->reused = tx_add(c, &read_reused, DB_TEXT(code));
}

static bool is_reused(const struct call *c, int slot, const char *component, const char *record)
{
	for (int i = 0; i < db_rows(&c->tx, slot); i++)
		if (strcmp(db_get_text(&c->tx, slot, i, 0), component) == 0 &&
		    strcmp(db_get_text(&c->tx, slot, i, 1), record) == 0)
			return true;
	return false;
}

static const char *date_text(struct call *c, int32_t day)
{
	char text[11];

	if (day >= CIVIL_FOREVER)
		return "";
	civil_format(day, text);
	return arena_strdup(c->arena, text);
}

static Dossier__HeldRecord *new_record(struct call *c, const struct look *look,
				       const Dossier__Component *component,
				       const struct rules_held *held)
{
	Dossier__HeldRecord *r = arena_alloc(c->arena, sizeof(*r));

	if (!r)
		return NULL;
	dossier__held_record__init(r);
	r->component_code = component->code;
	r->record_id = held->record_id;
	r->type = held->type;
	r->source = held->source;
	r->valid_from = date_text(c, held->valid_from);
	r->valid_to = date_text(c, held->valid_to);
	r->reused = is_reused(c, look->reused, component->code, held->record_id);
	return r;
}

static int fill_held(struct call *c, const struct look *look, Dossier__ListHeldReply *out)
{
	const Dossier__Procedure *p = NULL;
	struct rules_held *held;
	size_t n;

	if (catalogue_read_of(c, look->procedure, &p) < 0 ||
	    held_read(c, look->held, &held, &n) < 0)
		return c->err.status;
	out->records = arena_calloc(c->arena, n * p->n_components, sizeof(out->records[0]));
	for (size_t i = 0; out->records && i < p->n_components; i++) {
		for (size_t j = 0; j < n; j++) {
			if (!rules_held_fits(p->components[i], &held[j]))
				continue;
			out->records[out->n_records] =
				new_record(c, look, p->components[i], &held[j]);
			if (!out->records[out->n_records++])
				return err_set(&c->err, &err_too_large, NULL, "arena");
		}
	}
	return out->records ? 0 : err_set(&c->err, &err_too_large, NULL, "arena");
}

static int check_reader(struct call *c, int slot, const char *code, struct dossier *ret)
{
	if (!dossier_read(c, slot, code, ret))
		return err_set(&c->err, &dossier_unknown, "code", code);
	if (rules_party(&ret->agencies, RULES_AGENCIES, c->caller.agency, &c->err) < 0)
		return c->err.status;
	return reads_check_purpose(c, ret->data_class[0] != '\0');
}

DOSSIER_HANDLER(list_held, ListHeld)
{
	struct call *c = call_of(data);
	Dossier__ListHeldReply out = DOSSIER__LIST_HELD_REPLY__INIT;
	struct dossier d;
	struct look look;
	int slot;

	(void)svc;
	tx_begin(c);
	slot = tx_add(c, &dossier_row, DB_TEXT(in->code));
	look_add(c, in->code, &look);
	if (tx_flush(c) < 0 || check_reader(c, slot, in->code, &d) < 0 ||
	    fill_held(c, &look, &out) < 0)
		return call_fail(c);
	reads_log(c, &d.code, 1, DOSSIER__READ_KIND__READ_KIND_DETAIL);
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- reuse --- */

static const struct rules_held *find_held(const struct rules_held *held, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(held[i].record_id, id) == 0)
			return &held[i];
	return NULL;
}

static const Dossier__Component *find_component(const Dossier__Procedure *p, const char *code)
{
	for (size_t i = 0; i < p->n_components; i++)
		if (strcmp(p->components[i]->code, code) == 0)
			return p->components[i];
	return NULL;
}

static int check_reuse(struct call *c, const Dossier__ReuseRecordRequest *in,
		       const struct look *look, const struct rules_held **ret_held)
{
	const Dossier__Component *component;
	const Dossier__Procedure *p = NULL;
	struct rules_held *held;
	size_t n;

	if (catalogue_read_of(c, look->procedure, &p) < 0 ||
	    held_read(c, look->held, &held, &n) < 0)
		return c->err.status;
	component = find_component(p, in->component_code);
	*ret_held = find_held(held, n, in->record_id);
	if (!component)
		return err_set(&c->err, &unknown_component, "component_code", in->component_code);
	if (!*ret_held)
		return err_set(&c->err, &record_not_held, "record_id", in->record_id);
	if (!rules_held_fits(component, *ret_held))
		return err_set(&c->err, &record_not_fitting, "record_id", (*ret_held)->type);
	if (is_reused(c, look->reused, component->code, in->record_id))
		return err_set(&c->err, &already_reused, "record_id", in->record_id);
	return 0;
}

DOSSIER_HANDLER(reuse_record, ReuseRecord)
{
	struct call *c = call_of(data);
	Dossier__ReuseRecordReply out = DOSSIER__REUSE_RECORD_REPLY__INIT;
	Dossier__DossierRecordReused ev = DOSSIER__DOSSIER_RECORD_REUSED__INIT;
	const struct rules_held *held = NULL;
	struct dossier d;
	struct look look;
	int slot = dossier_take_add(c, in->code);

	(void)svc;
	look_add(c, in->code, &look);
	if (tx_flush(c) < 0 || dossier_take_check(c, slot, in->code, RULES_REUSE, &d) < 0 ||
	    check_reuse(c, in, &look, &held) < 0)
		return call_fail(c);
	dossier_save(c, &d, rules_action_name(RULES_REUSE), in->component_code);
	tx_add(c, &insert_reuse, DB_TEXT(d.code), DB_TEXT(in->component_code),
	       DB_TEXT(held->record_id), DB_TEXT(held->source), DB_INT4(d.version));
	ev.code = d.code;
	ev.component_code = in->component_code;
	ev.record_id = held->record_id;
	ev.source = held->source;
	tx_event(c, "dossier.record_reused", d.code, d.version, &ev.base);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- demanded although held --- */

static const struct rules_held *first_fitting(const Dossier__Component *component,
					      const struct rules_held *held, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rules_held_fits(component, &held[i]))
			return &held[i];
	return NULL;
}

int held_demands(struct call *c, const struct dossier *d, const char *const *components, size_t n,
		 struct held_demand **ret_demands, size_t *ret_n)
{
	struct held_demand *demands = arena_calloc(c->arena, n, sizeof(*demands));
	int slot = held_add(c, d->owner_key, civil_of_us(c->now_us));
	const Dossier__Procedure *p;
	struct rules_held *held;
	size_t n_held, found = 0;

	if (!demands)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	if (dossier_procedure(c, d, &p) < 0 || tx_flush(c) < 0 ||
	    held_read(c, slot, &held, &n_held) < 0)
		return c->err.status;
	for (size_t i = 0; i < n; i++) {
		const Dossier__Component *component = find_component(p, components[i]);
		const struct rules_held *fits =
			component ? first_fitting(component, held, n_held) : NULL;

		if (fits)
			demands[found++] = (struct held_demand){component->code, fits};
	}
	*ret_demands = demands;
	*ret_n = found;
	return 0;
}

void held_demands_add(struct call *c, const char *code, int32_t round,
		      const struct held_demand *demands, size_t n)
{
	for (size_t i = 0; i < n; i++)
		tx_add(c, &insert_demand, DB_TEXT(code), DB_INT4(round),
		       DB_TEXT(demands[i].component), DB_TEXT(demands[i].held->record_id),
		       DB_TEXT(demands[i].held->source));
}
