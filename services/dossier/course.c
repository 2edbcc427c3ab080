/* The course of a dossier, for those who have it in hand: who had it, what was asked of whom. */
#include <string.h>

#include "services/dossier/lists.h"

static const struct db_stmt read_hops = {
	"SELECT h.hop, h.from_agency, h.to_agency, h.sent_by, h.sent_at, h.electronic, h.step,"
	" h.remark, r.received_at, coalesce(r.received_by, ''), coalesce(r.remark, '')"
	" FROM handoff h LEFT JOIN handoff_receipt r ON r.dossier = h.dossier AND r.hop = h.hop"
	" WHERE h.dossier = $1 ORDER BY h.hop"};

static const struct db_stmt read_opinions = {
	"SELECT ordinal, agency, state, question, asked_at, due_at, pauses_clock, late, answer,"
	" text, file_id, ended_at FROM opinion WHERE dossier = $1 ORDER BY ordinal"};

static const struct db_stmt read_rounds = {
	"SELECT s.round, s.asked_at, s.reply_due_at, s.note, r.at FROM supplement s"
	" LEFT JOIN filing_revision r ON r.dossier = s.dossier AND r.round = s.round"
	" WHERE s.dossier = $1 ORDER BY s.round"};

static const struct db_stmt read_items = {
	"SELECT round, field, component, reason, text FROM supplement_item"
	" WHERE dossier = $1 ORDER BY round, ordinal"};

static const struct db_stmt read_children = {
	"SELECT code, procedure_code, holder_agency, state, parent_needs, due_at FROM dossier"
	" WHERE parent = $1 AND parent <> '' ORDER BY submitted_at, code"};

static const struct db_stmt read_complaints = {
	"SELECT k.ordinal, k.text, k.at, a.at, coalesce(a.upheld, false), coalesce(a.text, '')"
	" FROM complaint k LEFT JOIN complaint_answer a"
	" ON a.dossier = k.dossier AND a.ordinal = k.ordinal"
	" WHERE k.dossier = $1 ORDER BY k.ordinal"};

/* With why the applicant was freed from it last. */
static const struct db_stmt read_fees = {
	"SELECT f.item, f.state, f.quantity, f.amount_vnd, f.exempt_vnd,"
	" coalesce(e.legal_basis, ''), coalesce(e.evidence, '') FROM fee f"
	" LEFT JOIN LATERAL (SELECT legal_basis, evidence FROM fee_exemption"
	" WHERE dossier = f.dossier AND item = f.item ORDER BY version DESC LIMIT 1) e ON true"
	" WHERE f.dossier = $1 ORDER BY f.item"};

struct slots {
	int dossier, asked, hops, opinions, rounds, items, children, complaints, fees;
};

/* Room for the rows of a slot: messages, and the list of pointers to them. */
static void *room(struct call *c, int slot, size_t size, void *ret_list)
{
	size_t n = (size_t)db_rows(&c->tx, slot);
	void *messages = arena_calloc(c->arena, n, size);
	void **list = arena_calloc(c->arena, n, sizeof(*list));

	if (!messages || !list) {
		err_set(&c->err, &err_too_large, NULL, "arena");
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		list[i] = (char *)messages + i * size;
	*(void ***)ret_list = list;
	return messages;
}

static int fill_hops(struct call *c, int slot, Dossier__GetCourseReply *out)
{
	Dossier__Hop *hops = room(c, slot, sizeof(*hops), &out->hops);
	const struct db_tx *tx = &c->tx;

	if (!hops)
		return c->err.status;
	out->n_hops = (size_t)db_rows(tx, slot);
	for (int i = 0; i < db_rows(tx, slot); i++) {
		dossier__hop__init(&hops[i]);
		hops[i].hop = (int32_t)db_get_int(tx, slot, i, 0);
		hops[i].from_agency_code = db_get_text(tx, slot, i, 1);
		hops[i].to_agency_code = db_get_text(tx, slot, i, 2);
		hops[i].sent_by = db_get_text(tx, slot, i, 3);
		hops[i].sent_us = db_get_time_us(tx, slot, i, 4);
		hops[i].electronic = db_get_bool(tx, slot, i, 5);
		hops[i].step = (int32_t)db_get_int(tx, slot, i, 6);
		hops[i].remark = db_get_text(tx, slot, i, 7);
		hops[i].received_us = db_get_time_us(tx, slot, i, 8);
		hops[i].received_by = db_get_text(tx, slot, i, 9);
		hops[i].received_remark = db_get_text(tx, slot, i, 10);
	}
	return 0;
}

static int fill_opinions(struct call *c, int slot, Dossier__GetCourseReply *out)
{
	Dossier__Opinion *list = room(c, slot, sizeof(*list), &out->opinions);
	const struct db_tx *tx = &c->tx;

	if (!list)
		return c->err.status;
	out->n_opinions = (size_t)db_rows(tx, slot);
	for (int i = 0; i < db_rows(tx, slot); i++) {
		dossier__opinion__init(&list[i]);
		list[i].opinion = (int32_t)db_get_int(tx, slot, i, 0);
		list[i].agency_code = db_get_text(tx, slot, i, 1);
		list[i].state = (Dossier__OpinionState)db_get_int(tx, slot, i, 2);
		list[i].question = db_get_text(tx, slot, i, 3);
		list[i].asked_us = db_get_time_us(tx, slot, i, 4);
		list[i].due_us = db_get_time_us(tx, slot, i, 5);
		list[i].pauses_clock = db_get_bool(tx, slot, i, 6);
		list[i].late = db_get_bool(tx, slot, i, 7);
		list[i].answer = (Dossier__OpinionAnswer)db_get_int(tx, slot, i, 8);
		list[i].text = db_get_text(tx, slot, i, 9);
		list[i].file_id = db_get_text(tx, slot, i, 10);
		list[i].ended_us = db_get_time_us(tx, slot, i, 11);
	}
	return 0;
}

/* The items of a round stand together, in order. */
static int fill_items(struct call *c, int slot, Dossier__SupplementRound *round)
{
	Dossier__SupplementItem *items = room(c, slot, sizeof(*items), &round->items);
	const struct db_tx *tx = &c->tx;

	if (!items)
		return c->err.status;
	for (int i = 0; i < db_rows(tx, slot); i++) {
		Dossier__SupplementItem *item = &items[round->n_items];

		if (db_get_int(tx, slot, i, 0) != round->round)
			continue;
		dossier__supplement_item__init(item);
		item->field = db_get_text(tx, slot, i, 1);
		item->component = db_get_text(tx, slot, i, 2);
		item->reason = db_get_text(tx, slot, i, 3);
		item->text = db_get_text(tx, slot, i, 4);
		round->n_items++;
	}
	return 0;
}

static int fill_rounds(struct call *c, const struct slots *s, Dossier__GetCourseReply *out)
{
	Dossier__SupplementRound *rounds = room(c, s->rounds, sizeof(*rounds), &out->supplements);
	const struct db_tx *tx = &c->tx;

	if (!rounds)
		return c->err.status;
	out->n_supplements = (size_t)db_rows(tx, s->rounds);
	for (int i = 0; i < db_rows(tx, s->rounds); i++) {
		dossier__supplement_round__init(&rounds[i]);
		rounds[i].round = (int32_t)db_get_int(tx, s->rounds, i, 0);
		rounds[i].asked_us = db_get_time_us(tx, s->rounds, i, 1);
		rounds[i].reply_due_us = db_get_time_us(tx, s->rounds, i, 2);
		rounds[i].note = db_get_text(tx, s->rounds, i, 3);
		rounds[i].answered_us = db_get_time_us(tx, s->rounds, i, 4);
		if (fill_items(c, s->items, &rounds[i]) < 0)
			return c->err.status;
	}
	return 0;
}

static int fill_children(struct call *c, int slot, Dossier__GetCourseReply *out)
{
	Dossier__Child *list = room(c, slot, sizeof(*list), &out->children);
	const struct db_tx *tx = &c->tx;

	if (!list)
		return c->err.status;
	out->n_children = (size_t)db_rows(tx, slot);
	for (int i = 0; i < db_rows(tx, slot); i++) {
		dossier__child__init(&list[i]);
		list[i].code = db_get_text(tx, slot, i, 0);
		list[i].procedure_code = db_get_text(tx, slot, i, 1);
		list[i].holder_agency_code = db_get_text(tx, slot, i, 2);
		list[i].state = (Dossier__DossierState)db_get_int(tx, slot, i, 3);
		list[i].required = db_get_bool(tx, slot, i, 4);
		list[i].due_us = db_get_time_us(tx, slot, i, 5);
	}
	return 0;
}

static int fill_complaints(struct call *c, int slot, Dossier__GetCourseReply *out)
{
	Dossier__Complaint *list = room(c, slot, sizeof(*list), &out->complaints);
	const struct db_tx *tx = &c->tx;

	if (!list)
		return c->err.status;
	out->n_complaints = (size_t)db_rows(tx, slot);
	for (int i = 0; i < db_rows(tx, slot); i++) {
		dossier__complaint__init(&list[i]);
		list[i].complaint = (int32_t)db_get_int(tx, slot, i, 0);
		list[i].text = db_get_text(tx, slot, i, 1);
		list[i].time_us = db_get_time_us(tx, slot, i, 2);
		list[i].answered_us = db_get_time_us(tx, slot, i, 3);
		list[i].upheld = db_get_bool(tx, slot, i, 4);
		list[i].answer = db_get_text(tx, slot, i, 5);
	}
	return 0;
}

static int fill_fees(struct call *c, int slot, Dossier__GetCourseReply *out)
{
	Dossier__DossierFee *list = room(c, slot, sizeof(*list), &out->fees);
	const struct db_tx *tx = &c->tx;

	if (!list)
		return c->err.status;
	out->n_fees = (size_t)db_rows(tx, slot);
	for (int i = 0; i < db_rows(tx, slot); i++) {
		dossier__dossier_fee__init(&list[i]);
		list[i].item = db_get_text(tx, slot, i, 0);
		list[i].state = (Dossier__FeeState)db_get_int(tx, slot, i, 1);
		list[i].quantity = (uint32_t)db_get_int(tx, slot, i, 2);
		list[i].amount_vnd = db_get_int(tx, slot, i, 3);
		list[i].exempt_vnd = db_get_int(tx, slot, i, 4);
		list[i].legal_basis = db_get_text(tx, slot, i, 5);
		list[i].evidence = db_get_text(tx, slot, i, 6);
	}
	return 0;
}

static void add_reads(struct call *c, const char *code, struct slots *s)
{
	s->dossier = tx_add(c, &dossier_row, DB_TEXT(code));
	s->asked = tx_add(c, &read_asked, DB_TEXT(code), DB_TEXT(c->caller.agency));
	s->hops = tx_add(c, &read_hops, DB_TEXT(code));
	s->opinions = tx_add(c, &read_opinions, DB_TEXT(code));
	s->rounds = tx_add(c, &read_rounds, DB_TEXT(code));
	s->items = tx_add(c, &read_items, DB_TEXT(code));
	s->children = tx_add(c, &read_children, DB_TEXT(code));
	s->complaints = tx_add(c, &read_complaints, DB_TEXT(code));
	s->fees = tx_add(c, &read_fees, DB_TEXT(code));
}

static int take(struct call *c, const struct slots *s, const char *code, struct dossier *d)
{
	if (!dossier_read(c, s->dossier, code, d))
		return err_set(&c->err, &dossier_unknown, "code", code);
	return read_check_right(c, s->asked, d);
}

DOSSIER_HANDLER(get_course, GetCourse)
{
	struct call *c = call_of(data);
	Dossier__GetCourseReply out = DOSSIER__GET_COURSE_REPLY__INIT;
	struct slots s;
	struct dossier d;

	(void)svc;
	tx_begin(c);
	add_reads(c, in->code, &s);
	if (tx_flush(c) < 0 || take(c, &s, in->code, &d) < 0 || fill_hops(c, s.hops, &out) < 0 ||
	    fill_opinions(c, s.opinions, &out) < 0 || fill_rounds(c, &s, &out) < 0 ||
	    fill_children(c, s.children, &out) < 0 || fill_complaints(c, s.complaints, &out) < 0 ||
	    fill_fees(c, s.fees, &out) < 0)
		return call_fail(c);
	reads_log(c, &d.code, 1, DOSSIER__READ_KIND__READ_KIND_DETAIL);
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
