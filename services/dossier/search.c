/*
 * Search among the dossiers an agency is or was a party to. The one condition that orders the list
 * picks the index; the others filter what it brings, a bounded number of entries per page.
 */
#include <string.h>

#include "common/base/civil.h"
#include "common/base/utf8.h"
#include "services/dossier/lists.h"

#define NAME_LETTERS_MIN 2
#define TEXT_BYTES_MAX   400

/* Letters that mark the cursors of each order. */
static const char order_letters[LISTS_ORDERS] = {[LISTS_BY_TIME] = 't',
						 [LISTS_BY_CODE] = 'c',
						 [LISTS_BY_NUMBER] = 'u',
						 [LISTS_BY_NAME] = 'n'};

struct search {
	const Dossier__SearchRequest *in;
	struct lists_view view;
	enum lists_order order;
	const char *text; /* number, name or beginning of the code; "" by time */
	int word;         /* by name: whose entries it goes along, from 1 */
	struct lists_cursor after;
	int64_t from_us, to_us;         /* of submission */
	int64_t due_from_us, due_to_us; /* 0: any */
	int64_t states[RULES_LIST_STATES];
	uint32_t limit;
};

static int set_order(struct call *c, struct search *s)
{
	const char *const texts[LISTS_ORDERS] = {[LISTS_BY_TIME] = "",
						 [LISTS_BY_CODE] = s->in->code,
						 [LISTS_BY_NUMBER] = s->in->applicant_number,
						 [LISTS_BY_NAME] = s->in->applicant_name};

	s->order = LISTS_BY_TIME;
	for (int i = LISTS_BY_CODE; i < LISTS_ORDERS; i++) {
		if (texts[i][0] == '\0')
			continue;
		if (s->order != LISTS_BY_TIME)
			return err_set(&c->err, &err_invalid_field, "applicant_name",
				       "one of code, applicant_number, applicant_name");
		s->order = (enum lists_order)i;
	}
	s->text = texts[s->order];
	if (strlen(s->text) > TEXT_BYTES_MAX)
		return err_set(&c->err, &err_invalid_field, "applicant_name", "0..400 bytes");
	return 0;
}

static int check_name(struct call *c, const struct search *s)
{
	const char *folded = s->order == LISTS_BY_NAME ? utf8_fold(c->arena, s->text) : "..";

	if (!folded || utf8_length(folded) < NAME_LETTERS_MIN)
		return err_set(&c->err, &err_invalid_field, "applicant_name",
			       "at least two letters");
	return 0;
}

/* The moment a day begins, or the one behind its end; left alone when the text is empty. */
static int read_day(struct call *c, const char *field, const char *text, int more, int64_t *us)
{
	int32_t day;

	if (text[0] == '\0')
		return 0;
	if (civil_parse(text, &day) < 0)
		return err_add(&c->err, &err_invalid_field, field, "YYYY-MM-DD");
	*us = civil_to_us(day + more, 0);
	return 0;
}

static int read_days(struct call *c, struct search *s)
{
	s->from_us = INT64_MIN;
	s->to_us = INT64_MAX;
	read_day(c, "submitted_from", s->in->submitted_from, 0, &s->from_us);
	read_day(c, "submitted_to", s->in->submitted_to, 1, &s->to_us);
	read_day(c, "due_from", s->in->due_from, 0, &s->due_from_us);
	read_day(c, "due_to", s->in->due_to, 1, &s->due_to_us);
	return c->err.status;
}

static int read_cursor(struct call *c, struct search *s)
{
	bool by_time = s->order == LISTS_BY_TIME;

	s->after = (struct lists_cursor){.us = by_time ? INT64_MAX : 0, .key = "", .code = ""};
	if (s->in->cursor[0] == '\0')
		return 0;
	if (rules_cursor_parse(c->arena, order_letters[s->order], s->in->cursor, &s->after,
			       &c->err) < 0)
		return c->err.status;
	return s->order == LISTS_BY_NAME
		       ? rules_cursor_word(&s->after, LISTS_WORDS_MAX, &s->word, &c->err)
		       : 0;
}

/* By name: the first page chooses its rarest word, later ones go on along the same. */
static int set_word(struct call *c, struct search *s)
{
	int slot;

	if (s->order != LISTS_BY_NAME)
		return 0;
	if (s->word == 0) {
		slot = call_query(c, &lists_rarest_word, DB_TEXT(s->view.agency), DB_TEXT(s->text));
		if (slot < 0)
			return slot;
		if (db_rows(&c->tx, slot) == 0 || db_get_int(&c->tx, slot, 0, 1) > LISTS_WORDS_MAX)
			return err_set(&c->err, &err_invalid_field, "applicant_name", "1..9 words");
		s->word = (int)db_get_int(&c->tx, slot, 0, 0);
	}
	s->text = arena_printf(c->arena, "%d %s", s->word, s->text);
	return s->text ? 0 : err_set(&c->err, &err_too_large, NULL, "arena");
}

static int check(struct call *c, struct search *s)
{
	if (s->in->n_states > RULES_LIST_STATES)
		return err_set(&c->err, &err_invalid_field, "states", "0..10");
	for (size_t i = 0; i < s->in->n_states; i++)
		s->states[i] = s->in->states[i];
	if (set_order(c, s) < 0 || check_name(c, s) < 0 || read_days(c, s) < 0 ||
	    rules_list_limit(s->in->limit, &s->limit, &c->err) < 0 || read_cursor(c, s) < 0)
		return c->err.status;
	if (lists_view(c, s->in->agency_code, &s->view) < 0)
		return c->err.status;
	return set_word(c, s);
}

/*
 * Guarded dossiers are found by number and name only by who has them in hand and says why; in other
 * orders they are listed without a name.
 */
static bool with_guarded(const struct call *c, const struct search *s)
{
	return s->view.own && c->caller.purpose[0] != '\0';
}

static int add_search(struct call *c, const struct search *s)
{
	const Dossier__SearchRequest *in = s->in;
	bool guarded = s->order == LISTS_BY_NAME || s->order == LISTS_BY_NUMBER;

	return tx_add(c, &lists_search[s->order], DB_TEXT(s->view.agency), DB_TEXT(s->text),
		      DB_TIME(s->from_us), DB_TIME(s->to_us), DB_TEXT(s->after.code),
		      DB_TEXT(s->after.key), DB_TIME(s->after.us), DB_TEXT(in->procedure_code),
		      DB_INT8S(s->states, in->n_states), DB_TEXT(in->receiving_agency_code),
		      DB_TEXT(in->competent_agency_code), DB_TEXT(in->holder_agency_code),
		      DB_TIME(s->due_from_us), DB_TIME(s->due_to_us),
		      DB_BOOL(!guarded || with_guarded(c, s)), DB_BOOL(guarded),
		      DB_INT8(s->limit + 1));
}

/* Where the scan behind a short page ended: at its bound, or - no row - at the end of the list. */
static int add_stand(struct call *c, const struct search *s)
{
	return tx_add(c, &lists_stand[s->order], DB_TEXT(s->view.agency), DB_TEXT(s->text),
		      DB_TIME(s->from_us), DB_TIME(s->to_us), DB_TEXT(s->after.code),
		      DB_TEXT(s->after.key), DB_TIME(s->after.us));
}

static int find_next(struct call *c, const struct search *s, struct lists_page *page)
{
	int slot;

	if (page->more)
		return 0;
	slot = add_stand(c, s);
	if (tx_flush(c) < 0)
		return c->err.status;
	if (db_rows(&c->tx, slot) == 0)
		return 0;
	page->more = true;
	page->last.code = db_get_text(&c->tx, slot, 0, 0);
	page->last.key = db_get_text(&c->tx, slot, 0, 1);
	page->last.us = db_get_time_us(&c->tx, slot, 0, 2);
	return 0;
}

DOSSIER_HANDLER(search, Search)
{
	struct call *c = call_of(data);
	Dossier__SearchReply out = DOSSIER__SEARCH_REPLY__INIT;
	struct search s = {.in = in};
	struct lists_page page;
	int slot;

	(void)svc;
	if (check(c, &s) < 0)
		return call_fail(c);
	tx_begin(c);
	slot = add_search(c, &s);
	if (tx_flush(c) < 0 || lists_read(c, slot, &s.view, s.limit, false, &page) < 0 ||
	    find_next(c, &s, &page) < 0)
		return call_fail(c);
	reads_log(c, page.named, page.n_named, DOSSIER__READ_KIND__READ_KIND_SEARCH);
	out.dossiers = page.dossiers;
	out.n_dossiers = page.n;
	if (page.more) {
		page.last.list = order_letters[s.order];
		if (s.order == LISTS_BY_NAME)
			page.last.key = arena_printf(c->arena, "%d %s", s.word, page.last.key);
		out.next_cursor = rules_cursor_text(c->arena, &page.last);
	}
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}
