/* What the holder of a receipt may do without an account: look up one dossier and rate it. */
#include <string.h>

#include "services/dossier/dossier.h"

static const struct err_kind not_yours = {
	ERR_DENIED, "NOT_YOURS", "Cần mã tra cứu trên giấy tiếp nhận hoặc tài khoản đã nộp hồ sơ",
	"the receipt secret is needed, or the account that filed the dossier"};
static const struct err_kind already_rated = {ERR_CONFLICT, "ALREADY_RATED",
					      "Hồ sơ đã được đánh giá",
					      "the dossier has been rated already"};

static const struct db_stmt read_track = {
	"SELECT d.code, p.name, d.state, a.name, d.submitted_at, d.due_at, d.due_provisional,"
	" d.verdict, d.fee_vnd, d.fee_paid, d.reply_due_at, d.finance_state, d.handover_state,"
	" d.state IN (2, 4) AND d.paused_at IS NULL AND d.due_at < $2,"
	" (SELECT e.apology FROM extension e WHERE e.dossier = d.code ORDER BY e.version DESC "
	"LIMIT 1)"
	" FROM dossier d"
	" JOIN procedure_version p ON p.code = d.procedure_code AND p.version = d.procedure_version"
	" LEFT JOIN LATERAL (SELECT name FROM ref_agency r WHERE r.code = d.holder_agency"
	"   ORDER BY r.valid_from DESC LIMIT 1) a ON true"
	" WHERE d.code = $1"};

static const struct db_stmt read_steps = {
	"SELECT h.state, h.at, a.name FROM history h"
	" LEFT JOIN LATERAL (SELECT name FROM ref_agency r WHERE r.code = h.holder_agency"
	"   ORDER BY r.valid_from DESC LIMIT 1) a ON true"
	" WHERE h.dossier = $1 AND h.action NOT IN ('rate', 'due_changed', 'reissue_receipt') "
	"ORDER BY h.version"};

/* Of the last request for supplement, while it waits for its answer. */
static const struct db_stmt read_wanted = {
	"SELECT i.field, i.component, i.reason, i.text FROM dossier d"
	" JOIN supplement_item i ON i.dossier = d.code AND i.round = (SELECT max(s.round)"
	"   FROM supplement s WHERE s.dossier = d.code)"
	" WHERE d.code = $1 AND d.state = 5 ORDER BY i.ordinal"};

static const struct db_stmt read_children = {
	"SELECT d.code, p.name, d.state, a.name, d.due_at FROM dossier d"
	" JOIN procedure_version p ON p.code = d.procedure_code AND p.version = d.procedure_version"
	" LEFT JOIN LATERAL (SELECT name FROM ref_agency r WHERE r.code = d.holder_agency"
	"   ORDER BY r.valid_from DESC LIMIT 1) a ON true"
	" WHERE d.parent = $1 AND d.parent <> '' ORDER BY d.code LIMIT 100"};

static const struct db_stmt is_filer = {
	"SELECT 1 FROM filing WHERE code = $1 AND filer = $2 AND filer_is_citizen"};

static const struct db_stmt insert_rating = {
	"INSERT INTO rating (dossier, speed, attitude, result, by_secret, at)"
	" VALUES ($1, $2, $3, $4, $5, $6)"};

static int fill_steps(struct call *c, int slot, Dossier__TrackReply *out)
{
	int n = db_rows(&c->tx, slot);
	Dossier__TrackStep *steps = arena_calloc(c->arena, (size_t)n, sizeof(*steps));

	out->steps = arena_calloc(c->arena, (size_t)n, sizeof(out->steps[0]));
	if (!steps || !out->steps)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (int i = 0; i < n; i++) {
		dossier__track_step__init(&steps[i]);
		steps[i].state = (Dossier__DossierState)db_get_int(&c->tx, slot, i, 0);
		steps[i].time_us = db_get_time_us(&c->tx, slot, i, 1);
		steps[i].agency_name = db_get_text(&c->tx, slot, i, 2);
		out->steps[out->n_steps++] = &steps[i];
	}
	return 0;
}

static int fill_asked(struct call *c, int slot, Dossier__TrackReply *out)
{
	int n = db_rows(&c->tx, slot);
	Dossier__TrackAsked *list = arena_calloc(c->arena, (size_t)n, sizeof(*list));

	out->asked = arena_calloc(c->arena, (size_t)n, sizeof(out->asked[0]));
	if (!list || !out->asked)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (int i = 0; i < n; i++) {
		dossier__track_asked__init(&list[i]);
		list[i].field = db_get_text(&c->tx, slot, i, 0);
		list[i].component = db_get_text(&c->tx, slot, i, 1);
		list[i].reason = db_get_text(&c->tx, slot, i, 2);
		list[i].text = db_get_text(&c->tx, slot, i, 3);
		out->asked[out->n_asked++] = &list[i];
	}
	return 0;
}

static int fill_children(struct call *c, int slot, Dossier__TrackReply *out)
{
	int n = db_rows(&c->tx, slot);
	Dossier__TrackChild *list = arena_calloc(c->arena, (size_t)n, sizeof(*list));

	out->children = arena_calloc(c->arena, (size_t)n, sizeof(out->children[0]));
	if (!list || !out->children)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (int i = 0; i < n; i++) {
		dossier__track_child__init(&list[i]);
		list[i].code = db_get_text(&c->tx, slot, i, 0);
		list[i].procedure_name = db_get_text(&c->tx, slot, i, 1);
		list[i].state = (Dossier__DossierState)db_get_int(&c->tx, slot, i, 2);
		list[i].agency_name = db_get_text(&c->tx, slot, i, 3);
		list[i].due_us = db_get_time_us(&c->tx, slot, i, 4);
		list[i].result_ready =
			list[i].state == DOSSIER__DOSSIER_STATE__DOSSIER_STATE_RESULT_READY;
		out->children[out->n_children++] = &list[i];
	}
	return 0;
}

static void fill_track(const struct db_tx *tx, int slot, Dossier__TrackReply *out)
{
	out->code = db_get_text(tx, slot, 0, 0);
	out->procedure_name = db_get_text(tx, slot, 0, 1);
	out->state = (Dossier__DossierState)db_get_int(tx, slot, 0, 2);
	out->agency_name = db_get_text(tx, slot, 0, 3);
	out->submitted_us = db_get_time_us(tx, slot, 0, 4);
	out->due_us = db_get_time_us(tx, slot, 0, 5);
	out->due_provisional = db_get_bool(tx, slot, 0, 6);
	out->verdict = (Dossier__Verdict)db_get_int(tx, slot, 0, 7);
	out->fee_vnd = db_get_int(tx, slot, 0, 8);
	out->fee_paid = db_get_bool(tx, slot, 0, 9);
	out->reply_due_us = db_get_time_us(tx, slot, 0, 10);
	out->finance_state = (Dossier__FinanceState)db_get_int(tx, slot, 0, 11);
	out->handover_state = (Dossier__HandoverState)db_get_int(tx, slot, 0, 12);
	out->overdue = db_get_bool(tx, slot, 0, 13);
	out->apology = db_get_text(tx, slot, 0, 14);
	out->result_ready = out->state == DOSSIER__DOSSIER_STATE__DOSSIER_STATE_RESULT_READY;
}

DOSSIER_HANDLER(track, Track)
{
	struct call *c = call_of(data);
	Dossier__TrackReply out = DOSSIER__TRACK_REPLY__INIT;
	int slot, steps, asked, children;

	(void)svc;
	if (receipt_check(c, in->code, in->receipt_secret) < 0)
		return call_fail(c);
	tx_begin(c);
	slot = tx_add(c, &read_track, DB_TEXT(in->code), DB_TIME(c->now_us));
	steps = tx_add(c, &read_steps, DB_TEXT(in->code));
	asked = tx_add(c, &read_wanted, DB_TEXT(in->code));
	children = tx_add(c, &read_children, DB_TEXT(in->code));
	if (tx_flush(c) < 0 || fill_steps(c, steps, &out) < 0 || fill_asked(c, asked, &out) < 0 ||
	    fill_children(c, children, &out) < 0)
		return call_fail(c);
	fill_track(&c->tx, slot, &out);
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- rating --- */

static int check_marks(struct call *c, const Dossier__RateRequest *in)
{
	static const char *const rule = "1..5";

	if (in->speed < 1 || in->speed > 5)
		err_add(&c->err, &err_invalid_field, "speed", rule);
	if (in->attitude < 1 || in->attitude > 5)
		err_add(&c->err, &err_invalid_field, "attitude", rule);
	if (in->result < 1 || in->result > 5)
		err_add(&c->err, &err_invalid_field, "result", rule);
	return c->err.status;
}

int dossier_check_applicant(struct call *c, const char *code, const char *secret)
{
	int slot;

	if (secret[0] != '\0')
		return receipt_check(c, code, secret);
	if (!call_has_role(c, "citizen") || c->caller.subject[0] == '\0')
		return err_set(&c->err, &not_yours, "receipt_secret", NULL);
	slot = call_query(c, &is_filer, DB_TEXT(code), DB_TEXT(c->caller.subject));
	if (slot < 0)
		return slot;
	if (db_rows(&c->tx, slot) == 0)
		return err_set(&c->err, &not_yours, "receipt_secret", NULL);
	return 0;
}

DOSSIER_HANDLER(rate, Rate)
{
	struct call *c = call_of(data);
	Dossier__RateReply out = DOSSIER__RATE_REPLY__INIT;
	Dossier__DossierRated ev = DOSSIER__DOSSIER_RATED__INIT;
	struct dossier d;

	(void)svc;
	if (check_marks(c, in) < 0 ||
	    dossier_take_applicant(c, in->code, in->receipt_secret, RULES_RATE, &d) < 0)
		return call_fail(c);
	if (d.rated) {
		err_set(&c->err, &already_rated, "code", NULL);
		return call_fail(c);
	}
	d.rated = true;
	dossier_save(c, &d, rules_action_name(RULES_RATE), "");
	tx_add(c, &insert_rating, DB_TEXT(d.code), DB_INT4(in->speed), DB_INT4(in->attitude),
	       DB_INT4(in->result), DB_BOOL(in->receipt_secret[0] != '\0'), DB_TIME(c->now_us));
	ev.code = d.code;
	ev.agency_code = d.agencies.holder;
	ev.speed = in->speed;
	ev.attitude = in->attitude;
	ev.result = in->result;
	dossier_tell(c, &d, RULES_RATE, "dossier.rated", &ev.base);
	out.version = d.version;
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
