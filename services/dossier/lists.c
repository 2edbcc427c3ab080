/* Inboxes: what an agency or an officer has in hand, by the next deadline. */
#include "services/dossier/lists.h"

#include <string.h>

#include "common/base/civil.h"
#include "common/base/clock.h"
#include "common/svc/refdata.h"

#define INBOX_LIST 'i'

static const struct err_kind not_yours = {
	ERR_DENIED, "LIST_NOT_YOURS",
	"Chỉ lãnh đạo cơ quan cấp trên mới được xem danh sách của cơ quan %s",
	"only leaders of an agency above may see the list of agency %s"};

/* Whether $2 stands above $1 on the day $3. Eight levels are more than the state has. */
static const struct db_stmt is_above = {
	"WITH RECURSIVE up AS ("
	" SELECT parent_code, 1 AS height FROM ref_agency"
	"  WHERE code = $1 AND valid_from <= $3 AND valid_to >= $3"
	" UNION ALL SELECT r.parent_code, up.height + 1 FROM up"
	"  JOIN ref_agency r ON r.code = up.parent_code AND r.valid_from <= $3 AND r.valid_to >= $3"
	"  WHERE up.height < 8)"
	" SELECT 1 FROM up WHERE parent_code = $2 LIMIT 1"};

int lists_view(struct call *c, const char *agency, struct lists_view *ret_view)
{
	const char *own = c->caller.agency;
	int slot;

	if (own[0] == '\0')
		return err_set(&c->err, &not_yours, "agency_code", agency);
	if (agency[0] == '\0' || strcmp(agency, own) == 0) {
		*ret_view = (struct lists_view){.agency = own, .own = true};
		return 0;
	}
	if (!call_has_role(c, "leader"))
		return err_set(&c->err, &not_yours, "agency_code", agency);
	slot = call_query(c, &is_above, DB_TEXT(agency), DB_TEXT(own),
			  DB_DATE(civil_of_us(c->now_us)));
	if (slot < 0)
		return slot;
	if (db_rows(&c->tx, slot) == 0)
		return err_set(&c->err, &not_yours, "agency_code", agency);
	*ret_view = (struct lists_view){.agency = agency};
	return 0;
}

/* --- rows --- */

/* One row, in the order of the columns of lists_sql.c; gives the moment it is ordered by. */
static int64_t read_one(const struct call *c, int slot, int row, bool by_deadline,
			bool *ret_guarded, Dossier__ListedDossier *out)
{
	const struct db_tx *tx = &c->tx;
	int64_t next_us = db_get_time_us(tx, slot, row, 12);

	dossier__listed_dossier__init(out);
	out->code = db_get_text(tx, slot, row, 0);
	out->version = (int32_t)db_get_int(tx, slot, row, 1);
	out->state = (Dossier__DossierState)db_get_int(tx, slot, row, 2);
	out->procedure_code = db_get_text(tx, slot, row, 3);
	out->procedure_version = (int32_t)db_get_int(tx, slot, row, 4);
	out->receiving_agency_code = db_get_text(tx, slot, row, 5);
	out->competent_agency_code = db_get_text(tx, slot, row, 6);
	out->holder_agency_code = db_get_text(tx, slot, row, 7);
	out->channel = (Dossier__Channel)db_get_int(tx, slot, row, 8);
	out->submitted_us = db_get_time_us(tx, slot, row, 9);
	out->due_us = db_get_time_us(tx, slot, row, 10);
	out->due_provisional = db_get_bool(tx, slot, row, 11);
	out->next_due_us = next_us == INT64_MAX ? 0 : next_us;
	out->overdue = next_us < c->now_us;
	out->assignee = db_get_text(tx, slot, row, 13);
	out->applicant_name = db_get_text(tx, slot, row, 14);
	*ret_guarded = db_get_bool(tx, slot, row, 15);
	out->legacy = db_get_bool(tx, slot, row, 16);
	return by_deadline ? next_us : out->submitted_us;
}

int lists_read(struct call *c, int slot, const struct lists_view *view, uint32_t limit,
	       bool by_deadline, struct lists_page *ret_page)
{
	size_t rows = (size_t)db_rows(&c->tx, slot);
	struct lists_page page = {.more = rows > limit};
	size_t n = rows > limit ? limit : rows;
	Dossier__ListedDossier *list = arena_calloc(c->arena, n, sizeof(*list));

	page.dossiers = arena_calloc(c->arena, n, sizeof(*page.dossiers));
	page.named = arena_calloc(c->arena, n, sizeof(*page.named));
	if (!list || !page.dossiers || !page.named)
		return err_set(&c->err, &err_too_large, NULL, "arena");
	for (size_t i = 0; i < n; i++) {
		bool guarded;

		page.last.us = read_one(c, slot, (int)i, by_deadline, &guarded, &list[i]);
		page.last.key = db_get_text(&c->tx, slot, (int)i, 17);
		page.last.code = list[i].code;
		if (rules_list_named(view->own, guarded, c->caller.purpose)) {
			page.named[page.n_named++] = list[i].code;
		} else {
			list[i].applicant_name = "";
			list[i].name_withheld = true;
		}
		page.dossiers[page.n++] = &list[i];
	}
	*ret_page = page;
	return 0;
}

/* --- inbox --- */

/* The moment that many working hours of the agency from now. */
static int soon_us(struct call *c, const char *agency, uint32_t hours, int64_t *ret_us)
{
	struct due_office o;

	if (due_office_get(c, agency, &o) < 0)
		return c->err.status;
	*ret_us = calendar_add_working_minutes(o.office.cal, &o.office.hours, c->now_us,
					       (int64_t)hours * 60)
			  .due_us;
	due_office_put(&o);
	return 0;
}

/* Latest next deadline the filter lets through. */
static int latest_us(struct call *c, const Dossier__InboxRequest *in, const char *agency,
		     int64_t *ret_us)
{
	uint32_t hours;

	if (rules_list_soon(in->soon_hours, &hours, &c->err) < 0)
		return c->err.status;
	switch (in->due) {
	case DOSSIER__DUE_FILTER__DUE_FILTER_OVERDUE:
		*ret_us = c->now_us - 1;
		return 0;
	case DOSSIER__DUE_FILTER__DUE_FILTER_SOON:
		return soon_us(c, agency, hours, ret_us);
	case DOSSIER__DUE_FILTER__DUE_FILTER_UNSPECIFIED:
	case _DOSSIER__DUE_FILTER_IS_INT_SIZE:
		break;
	}
	*ret_us = INT64_MAX;
	return 0;
}

/* What an inbox is asked for, checked. */
struct inbox {
	struct lists_view view;
	struct lists_cursor after;
	int64_t states[RULES_LIST_STATES];
	int n_states;
	int64_t latest_us;
	uint32_t limit;
};

static int check(struct call *c, const Dossier__InboxRequest *in, struct inbox *box)
{
	bool soon = in->due == DOSSIER__DUE_FILTER__DUE_FILTER_SOON;

	box->after = (struct lists_cursor){.us = soon ? c->now_us : INT64_MIN, .code = ""};
	box->n_states = rules_list_states(in->role, box->states, &c->err);
	if (box->n_states < 0 || rules_list_limit(in->limit, &box->limit, &c->err) < 0)
		return c->err.status;
	if (in->cursor[0] != '\0' &&
	    rules_cursor_parse(c->arena, INBOX_LIST, in->cursor, &box->after, &c->err) < 0)
		return c->err.status;
	if (lists_view(c, in->agency_code, &box->view) < 0)
		return c->err.status;
	return latest_us(c, in, box->view.agency, &box->latest_us);
}

static int add_inbox(struct call *c, const Dossier__InboxRequest *in, const struct inbox *box)
{
	if (in->assignee[0] == '\0')
		return tx_add(c, &lists_inbox, DB_TEXT(box->view.agency), DB_TIME(box->after.us),
			      DB_TEXT(box->after.code), DB_TIME(box->latest_us),
			      DB_INT8S(box->states, (size_t)box->n_states), DB_INT8(box->limit + 1),
			      DB_TEXT(in->role));
	return tx_add(c, &lists_inbox_assigned, DB_TEXT(in->assignee), DB_TIME(box->after.us),
		      DB_TEXT(box->after.code), DB_TIME(box->latest_us),
		      DB_INT8S(box->states, (size_t)box->n_states), DB_INT8(box->limit + 1),
		      DB_TEXT(box->view.agency), DB_TEXT(in->role));
}

DOSSIER_HANDLER(inbox, Inbox)
{
	struct call *c = call_of(data);
	Dossier__InboxReply out = DOSSIER__INBOX_REPLY__INIT;
	struct lists_page page;
	struct inbox box;
	int slot;

	(void)svc;
	if (check(c, in, &box) < 0)
		return call_fail(c);
	tx_begin(c);
	slot = add_inbox(c, in, &box);
	if (tx_flush(c) < 0 || lists_read(c, slot, &box.view, box.limit, true, &page) < 0)
		return call_fail(c);
	reads_log(c, page.named, page.n_named, DOSSIER__READ_KIND__READ_KIND_INBOX);
	out.dossiers = page.dossiers;
	out.n_dossiers = page.n;
	if (page.more) {
		page.last.list = INBOX_LIST;
		page.last.key = "";
		out.next_cursor = rules_cursor_text(c->arena, &page.last);
	}
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

DOSSIER_HANDLER(inbox_counts, InboxCounts)
{
	struct call *c = call_of(data);
	Dossier__InboxCountsReply out = DOSSIER__INBOX_COUNTS_REPLY__INIT;
	int64_t states[RULES_LIST_STATES], until_us = 0;
	struct lists_view view = {.agency = ""};
	uint32_t hours = 0;
	int slot, n = rules_list_states(in->role, states, &c->err);

	(void)svc;
	if (n < 0 || rules_list_soon(in->soon_hours, &hours, &c->err) < 0 ||
	    lists_view(c, in->agency_code, &view) < 0 ||
	    soon_us(c, view.agency, hours, &until_us) < 0)
		return call_fail(c);
	slot = call_query(c, &lists_counts, DB_TEXT(view.agency), DB_TIME(c->now_us),
			  DB_TIME(until_us), DB_INT8S(states, (size_t)n), DB_TEXT(in->assignee),
			  DB_TEXT(in->role));
	if (slot < 0)
		return call_fail(c);
	out.total = (uint32_t)db_get_int(&c->tx, slot, 0, 0);
	out.more = out.total > LISTS_COUNT_MAX;
	if (out.more)
		out.total = LISTS_COUNT_MAX;
	out.overdue = (uint32_t)db_get_int(&c->tx, slot, 0, 1);
	out.soon = (uint32_t)db_get_int(&c->tx, slot, 0, 2);
	reply(&out, data);
}
