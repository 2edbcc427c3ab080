/* The kpi part of a profile: indicators and their dated targets. */
#include <string.h>

#include "common/base/civil.h"
#include "lgsp/kpi/v1/events.pb-c.h"
#include "services/kpi/kpi.h"

static const struct err_kind bad_kind = {ERR_INVALID, "BAD_INDICATOR_KIND",
					 "Loại chỉ tiêu %s không hợp lệ",
					 "%s is not a kind of indicator"};
static const struct err_kind bad_scope = {ERR_INVALID, "BAD_SCOPE",
					  "Phạm vi %s không phải T, H, X hoặc ALL",
					  "scope %s is not T, H, X or ALL"};
static const struct err_kind bad_operator = {ERR_INVALID, "BAD_OPERATOR",
					     "Phép so sánh %s không hợp lệ",
					     "operator %s is not >=, > or milestone"};
static const struct err_kind bad_date = {ERR_INVALID, "BAD_DATE", "Ngày %s không hợp lệ",
					 "%s is not a date"};
static const struct err_kind unknown_indicator = {ERR_INVALID, "UNKNOWN_INDICATOR",
						  "Mục tiêu của chỉ tiêu không có: %s",
						  "target of an indicator that does not exist: %s"};
static const struct err_kind duplicate_target = {
	ERR_INVALID, "DUPLICATE_TARGET", "Mục tiêu của chỉ tiêu %s bị lặp",
	"two targets of indicator %s have the same scope and date"};

static const struct db_stmt put_indicator = {
	"INSERT INTO indicator (id, ordinal, name_vi, name_en, numerator, denominator, kind, "
	"scopes, "
	"source, owner_agency_code, note) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
	"ON CONFLICT (id) DO UPDATE SET ordinal = excluded.ordinal, name_vi = excluded.name_vi, "
	"name_en = excluded.name_en, numerator = excluded.numerator, "
	"denominator = excluded.denominator, kind = excluded.kind, scopes = excluded.scopes, "
	"source = excluded.source, owner_agency_code = excluded.owner_agency_code, "
	"note = excluded.note, version = indicator.version + 1 "
	"WHERE (indicator.ordinal, indicator.name_vi, indicator.name_en, indicator.numerator, "
	"indicator.denominator, indicator.kind, indicator.scopes, indicator.source, "
	"indicator.owner_agency_code, indicator.note) IS DISTINCT FROM "
	"(excluded.ordinal, excluded.name_vi, excluded.name_en, excluded.numerator, "
	"excluded.denominator, excluded.kind, excluded.scopes, excluded.source, "
	"excluded.owner_agency_code, excluded.note) RETURNING version"};

static const struct db_stmt put_target = {
	"INSERT INTO target (indicator_id, scope, due, op, value_hundredths, baseline) "
	"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (indicator_id, scope, due) DO UPDATE SET "
	"op = excluded.op, value_hundredths = excluded.value_hundredths, "
	"baseline = excluded.baseline, version = target.version + 1 "
	"WHERE (target.op, target.value_hundredths, target.baseline) IS DISTINCT FROM "
	"(excluded.op, excluded.value_hundredths, excluded.baseline) RETURNING version"};

static const struct db_stmt all_indicators = {
	"SELECT id, name_vi, name_en, numerator, denominator, kind, scopes, source, "
	"owner_agency_code, note FROM indicator ORDER BY ordinal, id"};

static const struct db_stmt all_targets = {
	"SELECT indicator_id, scope, due, op, value_hundredths, baseline FROM target "
	"ORDER BY indicator_id, scope, due"};

static bool one_of(const char *s, const char *const *list)
{
	for (; *list; list++) {
		if (strcmp(*list, s) == 0)
			return true;
	}
	return false;
}

static void check_indicator(struct call *c, const Kpi__Indicator *in, size_t i)
{
	static const char *const kinds[] = {"stock",  "flow",      "distinct",
					    "survey", "milestone", NULL};
	const char *field = arena_printf(c->arena, "indicators[%zu]", i);

	if (!*in->id || !*in->name_vi || !*in->name_en || !*in->source)
		err_add(&c->err, &err_required_field, field, NULL);
	if (!one_of(in->kind, kinds))
		err_add(&c->err, &bad_kind, field, in->kind);
}

static bool has_indicator(const Kpi__ImportProfileRequest *in, const char *id)
{
	for (size_t i = 0; i < in->n_indicators; i++) {
		if (strcmp(in->indicators[i]->id, id) == 0)
			return true;
	}
	return false;
}

static bool is_repeated(const Kpi__ImportProfileRequest *in, size_t i)
{
	const Kpi__Target *t = in->targets[i];

	for (size_t k = 0; k < i; k++) {
		const Kpi__Target *other = in->targets[k];

		if (strcmp(other->indicator_id, t->indicator_id) == 0 &&
		    strcmp(other->scope, t->scope) == 0 && strcmp(other->due, t->due) == 0)
			return true;
	}
	return false;
}

static void check_target(struct call *c, const Kpi__ImportProfileRequest *in, size_t i,
			 int32_t *ret_due)
{
	static const char *const scopes[] = {"T", "H", "X", "ALL", NULL};
	static const char *const operators[] = {">=", ">", "milestone", NULL};
	const Kpi__Target *t = in->targets[i];
	const char *field = arena_printf(c->arena, "targets[%zu]", i);

	if (!has_indicator(in, t->indicator_id))
		err_add(&c->err, &unknown_indicator, field, t->indicator_id);
	if (!one_of(t->scope, scopes))
		err_add(&c->err, &bad_scope, field, t->scope);
	if (!one_of(t->op, operators))
		err_add(&c->err, &bad_operator, field, t->op);
	if (civil_parse(t->due, ret_due) < 0)
		err_add(&c->err, &bad_date, field, t->due);
	if (is_repeated(in, i))
		err_add(&c->err, &duplicate_target, field, t->indicator_id);
}

static void put_rows(struct call *c, const Kpi__ImportProfileRequest *in, const int32_t *dues,
		     int *slots)
{
	for (size_t i = 0; i < in->n_indicators; i++) {
		const Kpi__Indicator *n = in->indicators[i];

		slots[i] =
			tx_add(c, &put_indicator, DB_TEXT(n->id), DB_INT4((int)i + 1),
			       DB_TEXT(n->name_vi), DB_TEXT(n->name_en), DB_TEXT(n->numerator),
			       DB_TEXT(n->denominator), DB_TEXT(n->kind), DB_TEXT(n->scopes),
			       DB_TEXT(n->source), DB_TEXT(n->owner_agency_code), DB_TEXT(n->note));
	}
	for (size_t i = 0; i < in->n_targets; i++) {
		const Kpi__Target *t = in->targets[i];

		slots[in->n_indicators + i] =
			tx_add(c, &put_target, DB_TEXT(t->indicator_id), DB_TEXT(t->scope),
			       DB_DATE(dues[i]), DB_TEXT(t->op), DB_INT8(t->value_hundredths),
			       DB_TEXT(t->baseline));
	}
}

/* An event for each row that was new or different; returns their number. */
static int announce(struct call *c, const Kpi__ImportProfileRequest *in, const int *slots)
{
	int changed = 0;

	for (size_t i = 0; i < in->n_indicators; i++) {
		Kpi__KpiIndicatorPut event = KPI__KPI_INDICATOR_PUT__INIT;

		if (db_rows(&c->tx, slots[i]) == 0)
			continue;
		event.indicator = in->indicators[i];
		tx_event(c, "kpi.indicator_put", in->indicators[i]->id,
			 (int32_t)db_get_int(&c->tx, slots[i], 0, 0), &event.base);
		changed++;
	}
	for (size_t i = 0; i < in->n_targets; i++) {
		Kpi__KpiTargetPut event = KPI__KPI_TARGET_PUT__INIT;
		const Kpi__Target *t = in->targets[i];
		int slot = slots[in->n_indicators + i];

		if (db_rows(&c->tx, slot) == 0)
			continue;
		event.target = in->targets[i];
		tx_event(c, "kpi.target_put",
			 arena_printf(c->arena, "%s/%s/%s", t->indicator_id, t->scope, t->due),
			 (int32_t)db_get_int(&c->tx, slot, 0, 0), &event.base);
		changed++;
	}
	return changed;
}

void kpi_import_profile(Kpi__KpiService_Service *svc, const Kpi__ImportProfileRequest *in,
			Kpi__ImportProfileReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Kpi__ImportProfileReply out = KPI__IMPORT_PROFILE_REPLY__INIT;
	int32_t *dues = arena_calloc(c->arena, in->n_targets, sizeof(*dues));
	int *slots = arena_calloc(c->arena, in->n_indicators + in->n_targets, sizeof(*slots));

	(void)svc;
	for (size_t i = 0; i < in->n_indicators; i++)
		check_indicator(c, in->indicators[i], i);
	for (size_t i = 0; i < in->n_targets; i++)
		check_target(c, in, i, &dues[i]);
	if (c->err.status < 0)
		return call_fail(c);
	tx_begin(c);
	put_rows(c, in, dues, slots);
	if (tx_flush(c) < 0)
		return call_fail(c);
	out.changed = announce(c, in, slots);
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

static int list_indicators(struct call *c, Kpi__ListIndicatorsReply *out)
{
	int slot = call_query(c, &all_indicators);
	int n = slot < 0 ? 0 : db_rows(&c->tx, slot);
	Kpi__Indicator *rows = arena_calloc(c->arena, (size_t)n, sizeof(*rows));

	if (slot < 0)
		return slot;
	out->indicators = arena_calloc(c->arena, (size_t)n, sizeof(*out->indicators));
	out->n_indicators = (size_t)n;
	for (int i = 0; i < n; i++) {
		const char **fields[] = {
			&rows[i].id,        &rows[i].name_vi,     &rows[i].name_en,
			&rows[i].numerator, &rows[i].denominator, &rows[i].kind,
			&rows[i].scopes,    &rows[i].source,      &rows[i].owner_agency_code,
			&rows[i].note};

		kpi__indicator__init(&rows[i]);
		for (int k = 0; k < 10; k++)
			*fields[k] = arena_strdup(c->arena, db_get_text(&c->tx, slot, i, k));
		out->indicators[i] = &rows[i];
	}
	return 0;
}

static int list_targets(struct call *c, Kpi__ListIndicatorsReply *out)
{
	int slot = call_query(c, &all_targets);
	int n = slot < 0 ? 0 : db_rows(&c->tx, slot);
	Kpi__Target *rows = arena_calloc(c->arena, (size_t)n, sizeof(*rows));

	if (slot < 0)
		return slot;
	out->targets = arena_calloc(c->arena, (size_t)n, sizeof(*out->targets));
	out->n_targets = (size_t)n;
	for (int i = 0; i < n; i++) {
		char due[11];

		kpi__target__init(&rows[i]);
		civil_format(db_get_date(&c->tx, slot, i, 2), due);
		rows[i].indicator_id = db_get_text(&c->tx, slot, i, 0);
		rows[i].scope = db_get_text(&c->tx, slot, i, 1);
		rows[i].due = arena_strdup(c->arena, due);
		rows[i].op = db_get_text(&c->tx, slot, i, 3);
		rows[i].value_hundredths = db_get_int(&c->tx, slot, i, 4);
		rows[i].baseline = db_get_text(&c->tx, slot, i, 5);
		out->targets[i] = &rows[i];
	}
	return 0;
}

void kpi_list_indicators(Kpi__KpiService_Service *svc, const Kpi__ListIndicatorsRequest *in,
			 Kpi__ListIndicatorsReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Kpi__ListIndicatorsReply out = KPI__LIST_INDICATORS_REPLY__INIT;

	(void)svc;
	(void)in;
	if (list_indicators(c, &out) < 0 || list_targets(c, &out) < 0)
		return call_fail(c);
	reply(&out, data);
}
