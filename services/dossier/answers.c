/*
 * Answers to online filings: due 8 working hours after the filing (Decree 45/2020), by the hours of
 * the agency that received it. Late ones are noticed once, by a job or by the late answer itself.
 */
#include "common/base/civil.h"
#include "services/dossier/lists.h"

#define PER_RUN 20

static const struct db_stmt find_late = {
	"SELECT d.code FROM dossier d WHERE d.state = 1 AND d.answer_due_at < $1"
	" AND NOT EXISTS (SELECT FROM late_answer l WHERE l.dossier = d.code"
	" AND l.due_at = d.answer_due_at)"
	" ORDER BY d.answer_due_at LIMIT $2 FOR UPDATE OF d SKIP LOCKED"};

static const struct db_stmt insert_late = {
	"INSERT INTO late_answer (dossier, due_at, noticed_at) VALUES ($1, $2, $3)"
	" ON CONFLICT DO NOTHING"};

/* What has been noticed: a row is there from the moment the answer is late. */
static const struct db_stmt list_late = {
	"SELECT l.dossier, d.receiving_agency, d.procedure_code, l.due_at, a.at"
	" FROM late_answer l JOIN dossier d ON d.code = l.dossier"
	" LEFT JOIN LATERAL (SELECT min(h.at) AS at FROM history h WHERE h.dossier = l.dossier"
	" AND h.state <> 1 AND h.at >= l.due_at) a ON true"
	" WHERE ($1 = '' OR d.receiving_agency = $1) AND l.due_at BETWEEN $2 AND $3"
	" AND (l.due_at, l.dossier) > ($4, $5) AND NOT ($6 AND a.at IS NOT NULL)"
	" ORDER BY l.due_at, l.dossier LIMIT $7"};

int answers_due(struct call *c, Dossier__Channel channel, const char *agency_code,
		int64_t *ret_due_us)
{
	struct due_office office;

	*ret_due_us = 0;
	if (!rules_answer_counts(channel))
		return 0;
	if (due_office_get(c, agency_code, &office) < 0)
		return c->err.status;
	*ret_due_us = rules_answer_due(&office.office, c->now_us).due_us;
	due_office_put(&office);
	return 0;
}

static void notice_late(struct call *c, const struct dossier *d)
{
	Dossier__DossierAnswerLate ev = DOSSIER__DOSSIER_ANSWER_LATE__INIT;

	tx_add(c, &insert_late, DB_TEXT(d->code), DB_TIME(d->answer_due_us), DB_TIME(c->now_us));
	ev.code = d->code;
	ev.procedure_code = d->procedure_code;
	ev.receiving_agency_code = d->agencies.receiving;
	ev.answer_due_us = d->answer_due_us;
	tx_event(c, "dossier.answer_late", d->code, d->version, &ev.base);
}

void answers_given(struct call *c, const struct dossier *d)
{
	if (d->was == DOSSIER__DOSSIER_STATE__DOSSIER_STATE_FILED && d->state != d->was &&
	    d->answer_due_us != 0 && d->answer_due_us < c->now_us && !d->answer_noticed)
		notice_late(c, d);
}

/* --- the job --- */

static int notice(struct call *c, const char *code, int slot)
{
	struct dossier d;

	if (!dossier_read(c, slot, code, &d) || dossier_step(c, &d, RULES_LATE_ANSWER) < 0)
		return c->err.status;
	dossier_save(c, &d, rules_action_name(RULES_LATE_ANSWER), "");
	notice_late(c, &d);
	return 0;
}

int dossier_job_answers(struct call *c)
{
	const char *codes[PER_RUN];
	int slots[PER_RUN], n, slot;

	tx_begin(c);
	slot = tx_add(c, &find_late, DB_TIME(c->now_us), DB_INT8(PER_RUN));
	if (tx_flush(c) < 0)
		return c->err.status;
	n = db_rows(&c->tx, slot);
	if (n == 0)
		return 0;
	for (int i = 0; i < n; i++) {
		codes[i] = db_get_text(&c->tx, slot, i, 0);
		slots[i] = dossier_lock_add(c, codes[i]);
	}
	if (tx_flush(c) < 0)
		return c->err.status;
	for (int i = 0; i < n; i++)
		if (notice(c, codes[i], slots[i]) < 0)
			return c->err.status;
	return tx_commit(c, NULL) < 0 ? c->err.status : n;
}

/* --- the list --- */

/* First and last moment of the days asked for. */
static int days(struct call *c, const Dossier__ListLateAnswersRequest *in, int64_t *ret_from_us,
		int64_t *ret_to_us)
{
	int32_t from = 0, to = CIVIL_FOREVER;

	if (in->from_date[0] != '\0' && civil_parse(in->from_date, &from) < 0)
		return err_set(&c->err, &err_invalid_field, "from_date", "YYYY-MM-DD");
	if (civil_parse_or_forever(in->to_date, &to) < 0)
		return err_set(&c->err, &err_invalid_field, "to_date", "YYYY-MM-DD");
	*ret_from_us = civil_to_us(from, 0);
	*ret_to_us = to == CIVIL_FOREVER ? INT64_MAX : civil_to_us(to + 1, 0) - 1;
	return 0;
}

/* Statisticians and operators see all, others what lists let them. */
static int whose(struct call *c, const char *asked, const char **ret_agency)
{
	struct lists_view view = {.agency = asked};

	if (!call_has_role(c, "statistician") && !call_has_role(c, "operator") &&
	    lists_view(c, asked, &view) < 0)
		return c->err.status;
	*ret_agency = view.agency;
	return 0;
}

static int fill(struct call *c, int slot, Dossier__ListLateAnswersReply *out)
{
	size_t n = (size_t)db_rows(&c->tx, slot);
	Dossier__LateAnswer *items = arena_calloc(c->arena, n, sizeof(*items));

	out->items = arena_calloc(c->arena, n, sizeof(out->items[0]));
	if (!items || !out->items)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (int i = 0; i < (int)n; i++) {
		dossier__late_answer__init(&items[i]);
		items[i].code = db_get_text(&c->tx, slot, i, 0);
		items[i].receiving_agency_code = db_get_text(&c->tx, slot, i, 1);
		items[i].procedure_code = db_get_text(&c->tx, slot, i, 2);
		items[i].due_us = db_get_time_us(&c->tx, slot, i, 3);
		items[i].answered_us = db_get_time_us(&c->tx, slot, i, 4);
		out->items[out->n_items++] = &items[i];
	}
	return 0;
}

DOSSIER_HANDLER(list_late_answers, ListLateAnswers)
{
	struct call *c = call_of(data);
	Dossier__ListLateAnswersReply out = DOSSIER__LIST_LATE_ANSWERS_REPLY__INIT;
	int64_t from_us = 0, to_us = 0;
	const char *agency = "";
	int slot;

	(void)svc;
	if (in->limit > RULES_LATE_PER_PAGE) {
		err_set(&c->err, &err_invalid_field, "limit", "0..500");
		return call_fail(c);
	}
	if (days(c, in, &from_us, &to_us) < 0 || whose(c, in->agency_code, &agency) < 0)
		return call_fail(c);
	slot = call_query(c, &list_late, DB_TEXT(agency), DB_TIME(from_us), DB_TIME(to_us),
			  DB_TIME(in->after_due_us ? in->after_due_us : from_us - 1),
			  DB_TEXT(in->after_code), DB_BOOL(in->unanswered_only),
			  DB_INT8(in->limit ? in->limit : RULES_LATE_DEFAULT));
	if (slot < 0 || fill(c, slot, &out) < 0)
		return call_fail(c);
	reply(&out, data);
}
