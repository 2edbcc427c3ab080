/* What the forms say, from the history and the parts of a dossier. */
#include <string.h>

#include "common/base/base.h"

#include "common/base/civil.h"
#include "common/base/money.h"
#include "common/wire/pb.h"
#include "services/dossier/papers.h"
#include "services/dossier/rules_work.h"

static const struct err_kind no_such_paper = {ERR_CONFLICT, "NO_SUCH_PAPER",
					      "Hồ sơ chưa có giấy tờ loại này: %s",
					      "the dossier has no such paper: %s"};

/* Words of a reason's code in the list $n, as they were on the day of a time. */
#define REASON_WORDS(list, code, at)                                                               \
	" coalesce((SELECT k.name_vi FROM ref_category k WHERE k.category = " list                 \
	" AND k.code = " code " AND k.valid_from <= (" at                                          \
	" AT TIME ZONE 'Asia/Ho_Chi_Minh')::date"                                                  \
	" ORDER BY k.valid_from DESC LIMIT 1), " code ")"

/* The act, who did it where, and what had been promised before. */
static const struct db_stmt read_act = {"SELECT h.version, h.at, h.due_at, h.note," REASON_WORDS(
	"$4", "h.reason",
	"h.at") ", coalesce(o.name, ''),"
		" coalesce(a.name, h.agency), coalesce(p.name, ''), coalesce(u.name, ''), b.due_at"
		" FROM history h"
		" LEFT JOIN LATERAL (SELECT name FROM ref_officer r WHERE r.subject = h.actor"
		"  AND r.agency_code = h.agency ORDER BY r.valid_from DESC LIMIT 1) o ON true"
		" LEFT JOIN LATERAL (SELECT name, parent_code, unit_code FROM ref_agency r"
		"  WHERE r.code = h.agency ORDER BY r.valid_from DESC LIMIT 1) a ON true"
		" LEFT JOIN LATERAL (SELECT name FROM ref_agency r WHERE r.code = a.parent_code"
		"  ORDER BY r.valid_from DESC LIMIT 1) p ON true"
		" LEFT JOIN LATERAL (SELECT name FROM ref_unit r WHERE r.code = a.unit_code"
		"  ORDER BY r.valid_from DESC LIMIT 1) u ON true"
		" LEFT JOIN history b ON b.dossier = h.dossier AND b.version = h.version - 1"
		" WHERE h.dossier = $1 AND h.action = ANY($2) AND ($3 = 0 OR h.version = $3)"
		" ORDER BY h.version DESC LIMIT 1"};

/* Of the first rebase behind the act: what it was measured by then. NULL: as now. */
#define BEFORE_REBASE(column)                                                                      \
	"(SELECT r." column " FROM rebase r WHERE r.dossier = $1 AND r.version >"                  \
	" (SELECT max(h.version) FROM history h WHERE h.dossier = $1 AND h.action = ANY($2)"       \
	"   AND ($3 = 0 OR h.version = $3)) ORDER BY r.version LIMIT 1)"

/* $1 code, $2 acts and $3 version, as read_act. */
static const struct db_stmt read_subject = {
	"SELECT f.applicant_name, f.applicant_number, f.applicant_address, f.applicant_phone,"
	" p.code, p.name, p.definition, p.fee_vnd, f.applicant_email"
	" FROM dossier d JOIN filing f ON f.code = d.code"
	" JOIN procedure_version p ON p.code = d.procedure_code"
	" AND p.version = coalesce(" BEFORE_REBASE(
		"from_procedure_version") ", d.procedure_version)"
					  " WHERE d.code = $1"};

static const struct db_stmt read_parts = {
	"SELECT c.code, c.paper_copies, (SELECT count(*) FROM component_file f"
	" WHERE f.dossier = c.dossier AND f.component = c.code)::int"
	" FROM component c WHERE c.dossier = $1"
	" AND c.ordinal <= coalesce(" BEFORE_REBASE(
		"components") ", c.ordinal) ORDER BY c.ordinal"};

static const struct db_stmt read_wrongs = {"SELECT i.field, i.component," REASON_WORDS(
	"$2", "i.reason", "s.asked_at") ", i.text, s.reply_due_at, s.asked_at"
					" FROM supplement s JOIN supplement_item i ON i.dossier = "
					"s.dossier AND i.round = s.round"
					" WHERE s.dossier = $1 ORDER BY s.round, i.ordinal"};

/* Hand-overs between agencies, and from step to step within one: who had it next, until when. */
static const struct db_stmt read_hops = {
	"WITH hand AS ("
	" SELECT h.hop, h.from_agency, h.to_agency, '' AS step, h.sent_at, r.received_at,"
	"  h.step_due_at AS due_at, r.received_by, coalesce(nullif(r.remark, ''), h.remark) AS "
	"remark,"
	"  coalesce((SELECT l.verdict FROM step_log l WHERE l.dossier = h.dossier"
	"   AND l.step = h.step AND l.from_at >= h.sent_at ORDER BY l.version LIMIT 1), 0) AS "
	"verdict"
	" FROM handoff h LEFT JOIN handoff_receipt r ON r.dossier = h.dossier AND r.hop = h.hop"
	" WHERE h.dossier = $1"
	" UNION ALL SELECT 0, h.holder_agency, h.holder_agency,"
	"  ', bước ' || coalesce(l.step, d.step), h.at, h.at,"
	"  CASE WHEN l.step IS NULL THEN d.step_due_at ELSE l.due_at END, '', h.note,"
	"  coalesce(l.verdict, 0)"
	" FROM history h JOIN dossier d ON d.code = h.dossier"
	" LEFT JOIN LATERAL (SELECT step, due_at, verdict FROM step_log l"
	"  WHERE l.dossier = h.dossier AND l.version > h.version ORDER BY l.version LIMIT 1) l ON "
	"true"
	" WHERE h.dossier = $1 AND h.action = 'next_step')"
	" SELECT coalesce(a.name, h.from_agency), coalesce(b.name, h.to_agency) || h.step, "
	"h.sent_at,"
	" h.received_at, h.due_at, coalesce(o.name, ''), h.remark, h.verdict FROM hand h"
	" LEFT JOIN LATERAL (SELECT name FROM ref_agency g WHERE g.code = h.from_agency"
	"  ORDER BY g.valid_from DESC LIMIT 1) a ON true"
	" LEFT JOIN LATERAL (SELECT name FROM ref_agency g WHERE g.code = h.to_agency"
	"  ORDER BY g.valid_from DESC LIMIT 1) b ON true"
	" LEFT JOIN LATERAL (SELECT name FROM ref_officer g WHERE g.subject = h.received_by"
	"  ORDER BY g.valid_from DESC LIMIT 1) o ON true"
	" ORDER BY h.sent_at, h.hop"};

static const struct db_stmt read_register = {
	"SELECT d.code, p.name, f.applicant_name, f.applicant_address, coalesce(a.name, ''),"
	" coalesce(d.accepted_at, d.submitted_at), d.due_at, d.finished_at,"
	" (SELECT h.at FROM history h WHERE h.dossier = d.code AND h.action = 'return'"
	"  ORDER BY h.version DESC LIMIT 1), d.state"
	" FROM party q JOIN dossier d ON d.code = q.dossier JOIN filing f ON f.code = d.code"
	" JOIN procedure_version p ON p.code = d.procedure_code AND p.version = d.procedure_version"
	" LEFT JOIN LATERAL (SELECT name FROM ref_agency g WHERE g.code = d.competent_agency"
	"  ORDER BY g.valid_from DESC LIMIT 1) a ON true"
	" WHERE q.agency = $1 AND q.submitted_at >= $2 AND q.submitted_at < $3"
	" AND d.receiving_agency = $1 ORDER BY q.submitted_at, q.dossier LIMIT $4"};

static const char *lookup_url = "";

void papers_set_lookup(const char *url)
{
	lookup_url = url;
}

static int no_room(struct call *c)
{
	return err_set(&c->err, &err_too_large, NULL, "arena");
}

/* --- asking --- */

/* Acts a kind of paper is issued with. The control sheet stands for the newest act of all. */
static const char *const *acts_of(enum paper_kind kind, size_t *ret_n)
{
	static const char *const acts[][2] = {
		[PAPER_RECEIPT] = {"accept"},           [PAPER_SUPPLEMENT] = {"request_supplement"},
		[PAPER_REFUSAL] = {"refuse", "expire"}, [PAPER_APOLOGY] = {"extend"},
		[PAPER_STOP] = {"stop", "expire"},      [PAPER_REGISTER] = {""},
	};

	*ret_n = acts[kind][1] ? 2 : 1;
	return acts[kind];
}

/* List of the reasons a kind of paper gives. */
static const char *reasons_of(enum paper_kind kind)
{
	static const enum rules_reason_kind kinds[] = {
		[PAPER_SUPPLEMENT] = RULES_REASON_SUPPLEMENT,
		[PAPER_REFUSAL] = RULES_REASON_REFUSAL,
		[PAPER_APOLOGY] = RULES_REASON_EXTENSION,
		[PAPER_STOP] = RULES_REASON_STOP,
	};

	return (size_t)kind < ARRAY_LEN(kinds) ? rules_reason_list(kinds[kind]) : "";
}

void papers_add(struct call *c, const char *code, enum paper_kind kind, int32_t version,
		struct papers_slots *s)
{
	bool is_of_act = kind != PAPER_CONTROL_SHEET;
	size_t n = 0;
	const char *const *acts = is_of_act ? acts_of(kind, &n) : NULL;

	*s = (struct papers_slots){.act = -1, .parts = -1, .wrongs = -1, .hops = -1};
	s->dossier = dossier_lock_add(c, code);
	s->subject = tx_add(c, &read_subject, DB_TEXT(code), DB_TEXTS(acts, n), DB_INT4(version));
	if (is_of_act)
		s->act = tx_add(c, &read_act, DB_TEXT(code), DB_TEXTS(acts, n), DB_INT4(version),
				DB_TEXT(reasons_of(kind)));
	else
		s->hops = tx_add(c, &read_hops, DB_TEXT(code));
	if (kind == PAPER_RECEIPT)
		s->parts =
			tx_add(c, &read_parts, DB_TEXT(code), DB_TEXTS(acts, n), DB_INT4(version));
	if (kind == PAPER_SUPPLEMENT)
		s->wrongs = tx_add(c, &read_wrongs, DB_TEXT(code), DB_TEXT(reasons_of(kind)));
}

/* --- words --- */

static const char *limit_words(struct arena *arena, const struct rules_limit *limit)
{
	const char *text = "";

	switch (limit->unit) {
	case DOSSIER__LIMIT_UNIT__LIMIT_UNIT_SAME_DAY:
		return "Trong ngày";
	case DOSSIER__LIMIT_UNIT__LIMIT_UNIT_WORKING_DAY:
		text = arena_printf(arena, "%d ngày làm việc", limit->value);
		break;
	case DOSSIER__LIMIT_UNIT__LIMIT_UNIT_CALENDAR_DAY:
		text = arena_printf(arena, "%d ngày", limit->value);
		break;
	case DOSSIER__LIMIT_UNIT__LIMIT_UNIT_WORKING_HOUR:
		text = arena_printf(arena, "%d giờ làm việc", limit->value);
		break;
	case DOSSIER__LIMIT_UNIT__LIMIT_UNIT_UNSPECIFIED:
	case _DOSSIER__LIMIT_UNIT_IS_INT_SIZE:
		break;
	}
	return text ? text : "";
}

/* The place of a letter is the unit's own name: "Hạ Long" of "Phường Hạ Long". */
static const char *place_of(const char *unit)
{
	static const char *const kinds[] = {"Tỉnh ",     "Thành phố ", "Huyện ", "Thị xã ",
					    "Thị trấn ", "Phường ",    "Xã "};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strncmp(unit, kinds[i], strlen(kinds[i])) == 0)
			return unit + strlen(kinds[i]);
	return unit;
}

/* Words of the reason's code, as the list had them that day, and of whoever gave it. */
static const char *reason_words(struct arena *arena, const char *words, const char *note)
{
	const char *text;

	if (words[0] == '\0' || note[0] == '\0')
		return words[0] != '\0' ? words : note;
	text = arena_printf(arena, "%s: %s", words, note);
	return text ? text : words;
}

/* --- the parts of a case --- */

static const char *component_name(const Dossier__Procedure *p, const char *code, int *ret_originals)
{
	for (size_t i = 0; i < p->n_components; i++)
		if (strcmp(p->components[i]->code, code) == 0) {
			*ret_originals = (int)p->components[i]->originals;
			return p->components[i]->name;
		}
	*ret_originals = 0;
	return code;
}

static const char *field_label(const Dossier__Procedure *p, const char *name)
{
	for (size_t i = 0; i < p->n_form; i++)
		if (strcmp(p->form[i]->name, name) == 0)
			return p->form[i]->label;
	return name;
}

static int fill_parts(struct call *c, int slot, const Dossier__Procedure *p, struct paper_case *of)
{
	int n = db_rows(&c->tx, slot);
	struct paper_item *items = arena_calloc(c->arena, (size_t)n, sizeof(*items));

	if (!items)
		return no_room(c);
	of->items = items;
	for (int i = 0; i < n; i++) {
		struct paper_item *item = &items[of->n_items];
		int papers = (int)db_get_int(&c->tx, slot, i, 1), originals;

		item->name = component_name(p, db_get_text(&c->tx, slot, i, 0), &originals);
		item->files = (int)db_get_int(&c->tx, slot, i, 2);
		item->originals = papers < originals ? papers : originals;
		item->copies = papers - item->originals;
		item->reason = "";
		of->n_items += papers > 0 || item->files > 0;
	}
	return 0;
}

/* Items of the round that the act asked for: the one asked at its time. */
static int fill_wrongs(struct call *c, int slot, const Dossier__Procedure *p, int64_t act_us,
		       struct paper_case *of)
{
	int n = db_rows(&c->tx, slot), ignored;
	struct paper_item *items = arena_calloc(c->arena, (size_t)n, sizeof(*items));

	if (!items)
		return no_room(c);
	of->items = items;
	for (int i = 0; i < n; i++) {
		const char *field = db_get_text(&c->tx, slot, i, 0);

		if (db_get_time_us(&c->tx, slot, i, 5) != act_us)
			continue;
		items[of->n_items++] = (struct paper_item){
			.name = field[0] ? field_label(p, field)
					 : component_name(p, db_get_text(&c->tx, slot, i, 1),
							  &ignored),
			.reason = reason_words(c->arena, db_get_text(&c->tx, slot, i, 2),
					       db_get_text(&c->tx, slot, i, 3)),
		};
		of->answer_by_us = db_get_time_us(&c->tx, slot, i, 4);
	}
	return 0;
}

static void fill_act(struct call *c, int slot, struct paper_case *of)
{
	const struct db_tx *tx = &c->tx;

	of->version = (int32_t)db_get_int(tx, slot, 0, 0);
	of->due_us = db_get_time_us(tx, slot, 0, 2);
	of->reason =
		reason_words(c->arena, db_get_text(tx, slot, 0, 4), db_get_text(tx, slot, 0, 3));
	of->officer = db_get_text(tx, slot, 0, 5);
	of->agency = db_get_text(tx, slot, 0, 6);
	of->parent_agency = db_get_text(tx, slot, 0, 7);
	of->place = place_of(db_get_text(tx, slot, 0, 8));
	of->previous_due_us = db_get_time_us(tx, slot, 0, 9);
}

static void fill_subject(struct call *c, int slot, const struct dossier *d, struct paper_case *of)
{
	const struct db_tx *tx = &c->tx;
	int64_t fee_vnd = db_get_int(tx, slot, 0, 7);
	char money[32];

	of->code = d->code;
	of->applicant = db_get_text(tx, slot, 0, 0);
	of->identity = db_get_text(tx, slot, 0, 1);
	of->address = db_get_text(tx, slot, 0, 2);
	of->phone = db_get_text(tx, slot, 0, 3);
	of->email = db_get_text(tx, slot, 0, 8);
	of->procedure_code = db_get_text(tx, slot, 0, 4);
	of->procedure_name = db_get_text(tx, slot, 0, 5);
	of->limit = limit_words(c->arena, d->clock_from_us ? &d->limit : &d->procedure_limit);
	of->received_us = d->accepted_us ? d->accepted_us : d->submitted_us;
	if (fee_vnd == 0)
		return;
	money_format(fee_vnd, money);
	of->fee = arena_strdup(c->arena, money);
}

static int fill_lookup(struct call *c, const char *secret, struct paper_case *of)
{
	const char *url = "";

	if (lookup_url[0] != '\0')
		url = arena_printf(c->arena, "%s?code=%s", lookup_url, of->code);
	if (!url)
		return no_room(c);
	of->lookup_url = url;
	of->secret = secret;
	return 0;
}

static int unpack_procedure(struct call *c, int slot, const Dossier__Procedure **ret)
{
	size_t n;
	const uint8_t *bytes = db_get_bytes(&c->tx, slot, 0, 6, &n);
	ProtobufCMessage *msg;
	int rc =
		pb_unpack(&dossier__procedure__descriptor, bytes, n, NULL, c->arena, &msg, &c->err);

	if (rc == 0)
		*ret = (const Dossier__Procedure *)msg;
	return rc;
}

static int refuse(struct call *c, enum paper_kind kind)
{
	static const char *const names[] = {
		[PAPER_RECEIPT] = "receipt", [PAPER_SUPPLEMENT] = "supplement",
		[PAPER_REFUSAL] = "refusal", [PAPER_APOLOGY] = "apology",
		[PAPER_STOP] = "stop",       [PAPER_CONTROL_SHEET] = "control_sheet",
	};

	return err_set(&c->err, &no_such_paper, "kind", names[kind]);
}

/* An expiry is a refusal before acceptance and a stop behind it: the state it led to says which. */
static bool is_of_kind(enum paper_kind kind, const struct dossier *d)
{
	if (kind == PAPER_REFUSAL)
		return d->state == DOSSIER__DOSSIER_STATE__DOSSIER_STATE_REFUSED;
	return true;
}

int papers_case(struct call *c, const struct papers_slots *s, const struct dossier *d,
		enum paper_kind kind, const char *secret, struct paper_case *of,
		struct papers_act *ret_act)
{
	const Dossier__Procedure *p;
	int rc;

	*of = (struct paper_case){.parent_agency = "",
				  .agency = "",
				  .place = "",
				  .email = "",
				  .fee = "",
				  .reason = "",
				  .officer = ""};
	fill_subject(c, s->subject, d, of);
	*ret_act = (struct papers_act){.time_us = c->now_us};
	if (s->act >= 0) {
		if (db_rows(&c->tx, s->act) == 0 || !is_of_kind(kind, d))
			return refuse(c, kind);
		fill_act(c, s->act, of);
		*ret_act = (struct papers_act){of->version, db_get_time_us(&c->tx, s->act, 0, 1)};
	}
	if (!paper_form_of(kind, civil_of_us(ret_act->time_us)))
		return refuse(c, kind);
	rc = unpack_procedure(c, s->subject, &p);
	if (rc == 0 && s->parts >= 0)
		rc = fill_parts(c, s->parts, p, of);
	if (rc == 0 && s->wrongs >= 0)
		rc = fill_wrongs(c, s->wrongs, p, ret_act->time_us, of);
	if (rc == 0)
		rc = fill_lookup(c, secret, of);
	of->due_provisional = d->due_provisional && of->due_us == d->due_us;
	return rc;
}

/* --- tables --- */

static const char *verdict_words(int64_t verdict)
{
	static const char *const words[] = {"", "Trước hạn", "Đúng hạn", "Quá hạn"};

	return verdict > 0 && verdict < (int64_t)ARRAY_LEN(words) ? words[verdict] : "";
}

int papers_control_sheet(struct call *c, const struct papers_slots *s, struct sheet *ret_sheet)
{
	const struct db_tx *tx = &c->tx;
	int n = db_rows(tx, s->hops);
	struct paper_hop *hops = arena_calloc(c->arena, (size_t)n, sizeof(*hops));

	if (!hops)
		return no_room(c);
	for (int i = 0; i < n; i++)
		hops[i] = (struct paper_hop){
			.from = db_get_text(tx, s->hops, i, 0),
			.to = db_get_text(tx, s->hops, i, 1),
			.sent_us = db_get_time_us(tx, s->hops, i, 2),
			.received_us = db_get_time_us(tx, s->hops, i, 3),
			.due_us = db_get_time_us(tx, s->hops, i, 4),
			.received_by = db_get_text(tx, s->hops, i, 5),
			.remark = db_get_text(tx, s->hops, i, 6),
			.verdict = verdict_words(db_get_int(tx, s->hops, i, 7)),
		};
	return paper_control_sheet(hops, (size_t)n, c->arena, ret_sheet, &c->err);
}

int papers_register_add(struct call *c, const char *agency, int32_t from, int32_t to)
{
	return tx_add(c, &read_register, DB_TEXT(agency), DB_TIME(civil_to_us(from, 0)),
		      DB_TIME(civil_to_us(to + 1, 0)), DB_INT8(PAPERS_REGISTER_MAX + 1));
}

static const char *state_words(int64_t state)
{
	static const char *const words[] = {
		"",           "Mới đăng ký",     "Được tiếp nhận",  "Không được tiếp nhận",
		"Đang xử lý", "Yêu cầu bổ sung", "Yêu cầu nộp phí", "Công dân rút hồ sơ",
		"Dừng xử lý", "Đã xử lý xong",   "Đã trả kết quả",
	};

	return state > 0 && state < (int64_t)ARRAY_LEN(words) ? words[state] : "";
}

int papers_register(struct call *c, int slot, struct sheet *ret_sheet)
{
	const struct db_tx *tx = &c->tx;
	int n = db_rows(tx, slot);
	struct paper_entry *entries = arena_calloc(c->arena, (size_t)n, sizeof(*entries));

	if (n > PAPERS_REGISTER_MAX)
		return err_set(&c->err, &err_too_large, "to", "5000");
	if (!entries)
		return no_room(c);
	for (int i = 0; i < n; i++)
		entries[i] = (struct paper_entry){
			.code = db_get_text(tx, slot, i, 0),
			.procedure = db_get_text(tx, slot, i, 1),
			.applicant = db_get_text(tx, slot, i, 2),
			.address = db_get_text(tx, slot, i, 3),
			.competent = db_get_text(tx, slot, i, 4),
			.received_us = db_get_time_us(tx, slot, i, 5),
			.due_us = db_get_time_us(tx, slot, i, 6),
			.finished_us = db_get_time_us(tx, slot, i, 7),
			.returned_us = db_get_time_us(tx, slot, i, 8),
			.remark = state_words(db_get_int(tx, slot, i, 9)),
		};
	return paper_register(entries, (size_t)n, c->arena, ret_sheet, &c->err);
}
