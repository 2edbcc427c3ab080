/*
 * Due dates by command: the one extension, and counting again with the calendar and the hours of
 * today.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/utf8.h"
#include "services/dossier/dossier.h"

#define CODES_MAX 100

static const struct err_kind codes_or_agency = {ERR_INVALID, "CODES_OR_AGENCY",
						"Cần danh sách mã hồ sơ hoặc mã cơ quan",
						"give codes of dossiers, or an agency"};

/* In the order of codes, in which everybody locks. */
static const struct db_stmt lock_codes = {
	"SELECT code FROM dossier WHERE code = ANY($1) ORDER BY code FOR UPDATE"};

static const struct db_stmt lock_agency = {
	"SELECT code FROM dossier WHERE competent_agency = $1 AND state IN (2, 4, 5, 6, 8)"
	" AND due_at IS NOT NULL AND code > $2 ORDER BY code LIMIT $3 FOR UPDATE"};

static const struct db_stmt insert_extension = {
	"INSERT INTO extension (dossier, version, at, due_before, due_after, working_days, to_day,"
	" reason, apology) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"};

/* --- the extension --- */

/* Moves the due date of the locked dossier, when that is allowed. */
static int extend(struct call *c, struct dossier *d, struct rules_extension extension)
{
	const struct rules_extendable of = {
		.due_us = d->due_us, .paused_us = d->paused_us, .extended = d->extended};
	struct due_office office;
	struct calendar_due due;
	int r;

	if (due_office_get(c, d->agencies.competent, &office) < 0)
		return c->err.status;
	due = rules_due_extended(&office.office, d->due_us, extension);
	r = rules_check_extend(&of, c->now_us, due.due_us, &c->err);
	if (r == 0)
		due_move(d, &office, due);
	due_office_put(&office);
	d->extended = true;
	return r;
}

static void add_extension(struct call *c, const struct dossier *d, int64_t before_us,
			  struct rules_extension e, const char *apology)
{
	tx_add(c, &insert_extension, DB_TEXT(d->code), DB_INT4(d->version), DB_TIME(c->now_us),
	       DB_TIME(before_us), DB_TIME(d->due_us), DB_INT4(e.working_days),
	       e.working_days > 0 ? DB_NULL : DB_DATE(e.to_day), DB_TEXT(d->why), DB_TEXT(apology));
}

static void extended_event(struct call *c, const struct dossier *d, int64_t before_us)
{
	Dossier__DossierExtended ev = DOSSIER__DOSSIER_EXTENDED__INIT;

	ev.code = d->code;
	ev.agency_code = d->agencies.holder;
	ev.reason = d->why;
	ev.due_before_us = before_us;
	ev.due_us = d->due_us;
	ev.due_provisional = d->due_provisional;
	dossier_tell(c, d, RULES_EXTEND, "dossier.extended", &ev.base);
}

DOSSIER_HANDLER(extend, Extend)
{
	struct call *c = call_of(data);
	Dossier__ExtendReply out = DOSSIER__EXTEND_REPLY__INIT;
	struct rules_extension extension;
	const char *apology = dossier_nfc(c, in->apology);
	struct dossier d;
	int64_t before_us;

	(void)svc;
	rules_check_extension(in->working_days, in->due_date, &extension, &c->err);
	if (c->err.status != 0 ||
	    reasons_check(c, RULES_REASON_EXTENSION, in->reason, in->apology) < 0 ||
	    dossier_check_note(c, in->apology, 1) < 0 ||
	    dossier_take(c, in->code, RULES_EXTEND, &d) < 0)
		return call_fail(c);
	before_us = d.due_us;
	d.why = in->reason;
	if (extend(c, &d, extension) < 0)
		return call_fail(c);
	dossier_save(c, &d, rules_action_name(RULES_EXTEND), apology);
	add_extension(c, &d, before_us, extension, apology);
	extended_event(c, &d, before_us);
	out.version = d.version;
	out.due_us = d.due_us;
	out.due_provisional = d.due_provisional;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- recounting --- */

struct recount {
	const Dossier__RecountDueRequest *in;
	const char **codes;        /* to be counted, in order */
	int actor, *rows, *shifts; /* slots */
	size_t n;
	const char *reason;
	Dossier__RecountedDue *items, **list;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_request(struct call *c, struct recount *r)
{
	const Dossier__RecountDueRequest *in = r->in;

	if ((in->n_codes == 0) == (in->agency_code[0] == '\0'))
		return err_set(&c->err, &codes_or_agency, "codes", NULL);
	if (in->n_codes > CODES_MAX)
		return err_set(&c->err, &err_invalid_field, "codes", "1..100");
	rules_check_required_text(in->reason, RULES_NOTE_MAX, "reason", &c->err);
	r->reason = dossier_nfc(c, in->reason);
	return c->err.status;
}

static int make_room(struct call *c, struct recount *r)
{
	r->codes = arena_calloc(c->arena, CODES_MAX, sizeof(*r->codes));
	r->rows = arena_calloc(c->arena, CODES_MAX, sizeof(*r->rows));
	r->shifts = arena_calloc(c->arena, CODES_MAX, sizeof(*r->shifts));
	r->items = arena_calloc(c->arena, CODES_MAX, sizeof(*r->items));
	r->list = arena_calloc(c->arena, CODES_MAX, sizeof(*r->list));
	if (!r->codes || !r->rows || !r->shifts || !r->items || !r->list)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	return 0;
}

/* The request's codes, each once. */
static void take_codes(struct recount *r)
{
	for (size_t i = 0; i < r->in->n_codes; i++)
		r->codes[i] = r->in->codes[i];
	qsort(r->codes, r->in->n_codes, sizeof(*r->codes), by_text);
	for (size_t i = 0; i < r->in->n_codes; i++)
		if (r->n == 0 || strcmp(r->codes[r->n - 1], r->codes[i]) != 0)
			r->codes[r->n++] = r->codes[i];
}

static int lock(struct call *c, struct recount *r)
{
	int slot;

	if (r->in->n_codes > 0) {
		take_codes(r);
		tx_add(c, &lock_codes, DB_TEXTS(r->codes, r->n));
		return 0;
	}
	slot = tx_add(c, &lock_agency, DB_TEXT(r->in->agency_code), DB_TEXT(r->in->after_code),
		      DB_INT8(CODES_MAX));
	if (tx_flush(c) < 0)
		return c->err.status;
	for (r->n = 0; r->n < (size_t)db_rows(&c->tx, slot); r->n++)
		r->codes[r->n] = db_get_text(&c->tx, slot, (int)r->n, 0);
	return 0;
}

/* An operator may for every agency; others as the state table says. */
static int may_recount(struct call *c, struct dossier *d, struct err *err)
{
	const struct rules_transition *row;
	int r = rules_transition(d->state, RULES_RECOUNT, d->resumes_to, &row, err);

	if (r == 0 && d->clock_from_us == 0)
		r = err_set(err, &rules_no_due_date, "code", NULL); /* never accepted */
	if (r < 0 || call_has_role(c, "operator"))
		return r;
	return rules_party(&d->agencies, row->parties, c->caller.agency, err);
}

static int count_again(struct call *c, struct recount *r, size_t i, struct dossier *d)
{
	Dossier__RecountedDue *item = &r->items[i];
	struct due_office office;

	if (due_office_get(c, d->agencies.competent, &office) < 0)
		return c->err.status;
	dossier_read_actor(c, r->actor, d);
	item->due_before_us = d->due_us;
	due_set(d, &office, due_recount(c, r->shifts[i], &office, d));
	due_office_put(&office);
	item->due_us = d->due_us;
	item->due_provisional = d->due_provisional;
	item->changed = item->due_us != item->due_before_us;
	if (item->changed) {
		dossier_save(c, d, rules_action_name(RULES_RECOUNT), r->reason);
		due_changed_event(c, d, item->due_before_us, r->reason);
	} else {
		due_touch(c, d);
	}
	item->version = d->version;
	return 0;
}

static int recount_one(struct call *c, struct recount *r, size_t i)
{
	Dossier__RecountedDue *item = &r->items[i];
	struct err refusal = {.status = 0};
	struct dossier d;

	dossier__recounted_due__init(item);
	r->list[i] = item;
	item->code = r->codes[i];
	if (!dossier_read(c, r->rows[i], r->codes[i], &d))
		err_set(&refusal, &dossier_unknown, "code", r->codes[i]);
	else
		may_recount(c, &d, &refusal);
	if (refusal.status == 0)
		return count_again(c, r, i, &d);
	item->refusal = arena_strdup(c->arena, err_code(&refusal));
	return item->refusal ? 0 : err_set(&c->err, &err_too_large, NULL, "arena");
}

static int recount_all(struct call *c, struct recount *r)
{
	tx_begin(c);
	if (lock(c, r) < 0)
		return c->err.status;
	r->actor = dossier_actor_add(c);
	for (size_t i = 0; i < r->n; i++) {
		r->rows[i] = dossier_lock_add(c, r->codes[i]);
		r->shifts[i] = due_shifts_add(c, r->codes[i]);
	}
	if (tx_flush(c) < 0)
		return c->err.status;
	for (size_t i = 0; i < r->n; i++)
		if (recount_one(c, r, i) < 0)
			return c->err.status;
	return 0;
}

DOSSIER_HANDLER(recount_due, RecountDue)
{
	struct call *c = call_of(data);
	Dossier__RecountDueReply out = DOSSIER__RECOUNT_DUE_REPLY__INIT;
	struct recount r = {.in = in};

	(void)svc;
	if (check_request(c, &r) < 0 || make_room(c, &r) < 0 || recount_all(c, &r) < 0)
		return call_fail(c);
	out.items = r.list;
	out.n_items = r.n;
	if (in->n_codes == 0 && r.n == CODES_MAX)
		out.next_code = r.codes[r.n - 1];
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
