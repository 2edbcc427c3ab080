// with: tests/it/dossier_rig.c
/* Work lists, search, readings: what each agency finds, in which order, and what is recorded. */
#include "tests/it/dossier_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/utf8.h"
#include "lgsp/dossier/v1/lists.pb-c.h"

static const struct person leader = {"leader-31", "leader", DISTRICT};
static const struct person other_leader = {"leader-31-02", "leader", OTHER};
static const struct person nowhere = {"clerk-x", "clerk", ""};

/* --- a stock of dossiers --- */

#define STOCK 12

static const char *const names[STOCK] = {
	"Đỗ Thị Đào",   "đỗ  thị ĐÀO",  "Nguyễn Văn An",   "Nguyễn Văn Ánh",
	"NGUYỄN VĂN Ă", "Trần Thị Mẫu", "Trần Thị Mậu",    "Lê Hoàng Ngọc",
	"Lê Hoàng",     "Phạm Thị Ước", "Hoàng Thị Ý Nhi", "Vũ Đức Đam",
};

static char codes[STOCK][64], secrets[STOCK][64];

static void sql(const char *fmt, const char *arg)
{
	char text[400];

	snprintf(text, sizeof(text), fmt, arg);
	pg_exec(rig.pg, "dossier", text);
}

/* Filed one by one by one citizen; the first six are accepted, due at different days. */
static int make_stock(void **state)
{
	struct filing f;
	struct ask a;

	set_up(state);
	pg_exec(rig.pg, "dossier",
		"UPDATE ref_agency SET parent_code = '" DISTRICT "' WHERE code LIKE 'H40.31.%'");
	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	for (int i = 0; i < STOCK; i++) {
		f.applicant.name = names[i];
		f.applicant.number = i < 2 ? "036190000017" : "036090000018";
		file_one(&a, &f, codes[i], secrets[i]);
	}
	/* As if taken in at the desk, which answers at once. */
	pg_exec(rig.pg, "dossier", "UPDATE dossier SET answer_due_at = NULL");
	for (int i = 0; i < 6; i++) {
		char text[200];

		assert_int_equal(accept_it(&a, &clerk, codes[i], NULL), 0);
		snprintf(text, sizeof(text),
			 "UPDATE dossier SET due_at = timestamptz '2024-05-20 17:30+07' + interval "
			 "'%d day', step_due_at = NULL WHERE code = '%%s'",
			 (5 - i) * 2 - 2);
		sql(text, codes[i]);
	}
	ask_done(&a);
	return 0;
}

static int inbox(struct ask *a, const struct person *who, const char *agency, uint32_t limit,
		 const char *cursor, Dossier__InboxReply **out)
{
	return CALL(a, who, Inbox, inbox, out, in_.agency_code = agency; in_.limit = limit;
		    in_.cursor = cursor);
}

static int64_t reads_of(const char *code, int kind)
{
	char text[200];

	snprintf(text, sizeof(text),
		 "SELECT count(*) FROM read_log WHERE dossier = '%s' AND kind = %d", code, kind);
	return count(text);
}

/* --- inbox --- */

static void test_inbox_is_ordered_by_the_next_deadline(void **state)
{
	Dossier__InboxReply *out;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	assert_int_equal(inbox(&a, &clerk, "", 0, "", &out), 0);
	assert_int_equal(out->n_dossiers, STOCK);
	assert_string_equal(out->next_cursor, "");
	/* Due dates fall with the number; those that have none follow, by code. */
	for (int i = 0; i < 6; i++)
		assert_string_equal(out->dossiers[i]->code, codes[5 - i]);
	for (int i = 6; i < STOCK; i++)
		assert_string_equal(out->dossiers[i]->code, codes[i]);
	assert_true(out->dossiers[0]->overdue);
	assert_false(out->dossiers[2]->overdue);
	assert_true(out->dossiers[0]->next_due_us == out->dossiers[0]->due_us);
	assert_int_equal(out->dossiers[STOCK - 1]->next_due_us, 0);
	assert_string_equal(out->dossiers[0]->applicant_name, names[5]);
	assert_int_equal(reads_of(codes[5], DOSSIER__READ_KIND__READ_KIND_INBOX), 1);
	ask_done(&a);
}

/* Without a deadline it comes last. */
static void file_last(struct ask *a, const struct filing *f, char code[static 64],
		      char secret[static 64])
{
	file_one(a, f, code, secret);
	sql("UPDATE dossier SET answer_due_at = NULL WHERE code = '%s'", code);
}

/* Pages by cursor show everything once, although dossiers come in meanwhile. */
static void test_inbox_pages_are_stable(void **state)
{
	Dossier__InboxReply *out;
	char cursor[400] = "", seen[STOCK + 1][64], code[64], secret[64];
	struct filing f;
	struct ask a, b;
	size_t n = 0;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	ask_init(&b, rig.gateway, "dossier");
	make_plain(&f);
	do {
		assert_int_equal(inbox(&a, &clerk, "", 5, cursor, &out), 0);
		for (size_t i = 0; i < out->n_dossiers; i++)
			snprintf(seen[n++], 64, "%s", out->dossiers[i]->code);
		snprintf(cursor, sizeof(cursor), "%s", out->next_cursor);
		if (n == 5)
			file_last(&b, &f, code, secret);
	} while (cursor[0] != '\0');
	assert_int_equal(n, STOCK + 1);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(seen[i], seen[j]);
	assert_string_equal(seen[STOCK], code);
	ask_done(&a);
	ask_done(&b);
	sql("UPDATE dossier SET state = 7, finished_at = submitted_at, verdict = 2"
	    " WHERE code = '%s'",
	    code);
}

static void test_inbox_filters(void **state)
{
	Dossier__InboxReply *out;
	Dossier__InboxCountsReply *counts;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	assert_int_equal(CALL(&a, &clerk, Inbox, inbox, &out,
			      in_.due = DOSSIER__DUE_FILTER__DUE_FILTER_OVERDUE),
			 0);
	assert_int_equal(out->n_dossiers, 2); /* due on the 18th and the 20th */
	/* 2024-05-21 08:00 and 16 working hours: the end of the 22nd is within, the 24th is not. */
	assert_int_equal(
		CALL(&a, &clerk, Inbox, inbox, &out, in_.due = DOSSIER__DUE_FILTER__DUE_FILTER_SOON;
		     in_.soon_hours = 16),
		0);
	assert_int_equal(out->n_dossiers, 1);
	assert_string_equal(out->dossiers[0]->code, codes[3]);
	assert_int_equal(CALL(&a, &officer, Inbox, inbox, &out, in_.role = "officer"), 0);
	assert_int_equal(out->n_dossiers, 6); /* what is accepted */
	assert_int_equal(CALL(&a, &officer, Inbox, inbox, &out, in_.role = "leader"), 0);
	assert_int_equal(out->n_dossiers, 0);
	assert_int_equal(CALL(&a, &clerk, InboxCounts, inbox_counts, &counts, in_.soon_hours = 16),
			 0);
	assert_int_equal(counts->total, STOCK);
	assert_false(counts->more);
	assert_int_equal(counts->overdue, 2);
	assert_int_equal(counts->soon, 1);

	/* Hours of the agency, not of everybody: a desk open in the morning takes longer. */
	pg_exec(rig.pg, "dossier",
		"INSERT INTO ref_hours SELECT '" COMMUNE "', d, 450, 690, 690, 690, '2021-01-01',"
		" 'infinity', 1 FROM generate_series(1, 5) d");
	assert_int_equal(CALL(&a, &clerk, InboxCounts, inbox_counts, &counts, in_.soon_hours = 16),
			 0);
	assert_int_equal(counts->soon, 3); /* until Monday 08:00: the 22nd, 24th and 26th */
	pg_exec(rig.pg, "dossier", "DELETE FROM ref_hours");

	sql("UPDATE dossier SET assignee = 'officer-31-01' WHERE code = '%s'", codes[2]);
	assert_int_equal(CALL(&a, &officer, Inbox, inbox, &out, in_.assignee = "officer-31-01"), 0);
	assert_int_equal(out->n_dossiers, 1);
	assert_string_equal(out->dossiers[0]->code, codes[2]);
	assert_string_equal(out->dossiers[0]->assignee, "officer-31-01");
	assert_int_equal(CALL(&a, &clerk, InboxCounts, inbox_counts, &counts,
			      in_.assignee = "officer-31-01"),
			 0);
	assert_int_equal(counts->total, 1);
	/* The same officer's dossiers in another agency are that agency's. */
	assert_int_equal(CALL(&a, &other_clerk, Inbox, inbox, &out, in_.assignee = "officer-31-01"),
			 0);
	assert_int_equal(out->n_dossiers, 0);
	ask_done(&a);
}

/* Whoever's clock stands still has no deadline, and comes behind those that have one. */
static void test_a_paused_dossier_has_no_deadline(void **state)
{
	Dossier__InboxReply *out;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	sql("UPDATE dossier SET state = 8, pause_kind = 'stop', paused_at = submitted_at,"
	    " resumes_to = 2 WHERE code = '%s'",
	    codes[5]);
	assert_int_equal(inbox(&a, &clerk, "", 0, "", &out), 0);
	assert_string_equal(out->dossiers[0]->code, codes[4]);
	for (size_t i = 0; i < out->n_dossiers; i++)
		if (strcmp(out->dossiers[i]->code, codes[5]) == 0)
			assert_int_equal(out->dossiers[i]->next_due_us, 0);
	sql("UPDATE dossier SET state = 2, pause_kind = '', paused_at = NULL, resumes_to = 0"
	    " WHERE code = '%s'",
	    codes[5]);
	ask_done(&a);
}

static void test_inbox_rights(void **state)
{
	Dossier__InboxReply *out;
	struct ask a;
	int64_t before;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	REFUSED(inbox(&a, &other_clerk, COMMUNE, 0, "", NULL), ERR_DENIED, "LIST_NOT_YOURS");
	REFUSED(inbox(&a, &other_leader, COMMUNE, 0, "", NULL), ERR_DENIED, "LIST_NOT_YOURS");
	REFUSED(inbox(&a, &district, COMMUNE, 0, "", NULL), ERR_DENIED, "LIST_NOT_YOURS");
	REFUSED(inbox(&a, &nowhere, "", 0, "", NULL), ERR_DENIED, "LIST_NOT_YOURS");
	REFUSED(inbox(&a, &citizen, "", 0, "", NULL), ERR_DENIED, "EXPOSURE_DENIED");
	REFUSED(inbox(&a, &cashier, "", 0, "", NULL), ERR_DENIED, "ROLE_REQUIRED");
	assert_int_equal(inbox(&a, &other_clerk, "", 0, "", &out), 0);
	assert_int_equal(out->n_dossiers, 0);
	/* The leader above sees what is there, not whose it is; so there is nothing to record. */
	before = count("SELECT count(*) FROM read_log");
	assert_int_equal(inbox(&a, &leader, COMMUNE, 0, "", &out), 0);
	assert_int_equal(out->n_dossiers, STOCK);
	for (size_t i = 0; i < out->n_dossiers; i++) {
		assert_true(out->dossiers[i]->name_withheld);
		assert_string_equal(out->dossiers[i]->applicant_name, "");
	}
	assert_int_equal(count("SELECT count(*) FROM read_log"), before);
	ask_done(&a);
}

static void test_inbox_refuses_bad_input(void **state)
{
	static const char *const bad[] = {"x", "aWZv", "dDEyCgo", "aTEyCg", "aS0xCgo", "aTEyCv8K"};
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		REFUSED(inbox(&a, &clerk, "", 0, bad[i], NULL), ERR_INVALID, "BAD_CURSOR");
	assert_int_equal(inbox(&a, &clerk, "", 101, "", NULL), ERR_INVALID);
	assert_true(ask_has(&a, "INVALID_FIELD", "limit"));
	assert_int_equal(CALL(&a, &clerk, Inbox, inbox, NULL, in_.role = "king"), ERR_INVALID);
	assert_true(ask_has(&a, "INVALID_FIELD", "role"));
	assert_int_equal(CALL(&a, &clerk, InboxCounts, inbox_counts, NULL, in_.soon_hours = 81),
			 ERR_INVALID);
	assert_true(ask_has(&a, "INVALID_FIELD", "soon_hours"));
	ask_done(&a);
}

/* --- search --- */

#define SEARCH(a, who, out, ...) CALL(a, who, Search, search, out, __VA_ARGS__)

static void test_search_by_name_ignores_case_and_accents(void **state)
{
	static const struct {
		const char *name;
		size_t n;
	} cases[] = {
		{"Đỗ Thị Đào", 2},
		{"do thi dao", 2},
		{"  DO THI ", 2},
		{"nguyen van a", 3},
		{"nguyễn văn á", 3},
		{"nguyen van an", 2},
		{"tran thi m", 3},
		{"le hoang", 2},
		{"Lê Hoàng N", 1},
		{"pham thi uoc", 1},
		{"vu duc dam", 1},
		{"hoang thi y", 1},
		{"zz", 0},
		/* words in any order, each by its beginning, each dossier once */
		{"thi", 7},
		{"dao do", 2},
		{"an nguyen", 2},
		{"hoang", 3},
		{"ngoc le", 1},
		{"m thi", 3},
		{"d d", 3},
		{"nhi y thi hoang", 1},
		{"van thi", 0},
		{"guyen", 0},
		{"nhi, hoang.", 1},
	};
	Dossier__SearchReply *out;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(SEARCH(&a, &clerk, &out, in_.applicant_name = cases[i].name), 0);
		if (out->n_dossiers != cases[i].n)
			fail_msg("%s: %zu found, wanted %zu", cases[i].name, out->n_dossiers,
				 cases[i].n);
	}
	assert_int_equal(SEARCH(&a, &clerk, &out, in_.applicant_name = "nguyễn văn"), 0);
	assert_string_equal(out->dossiers[0]->applicant_name, "NGUYỄN VĂN Ă");
	assert_true(reads_of(codes[4], DOSSIER__READ_KIND__READ_KIND_SEARCH) > 0);
	/* In NFD, as other systems send it. */
	assert_int_equal(SEARCH(&a, &clerk, &out, in_.applicant_name = "Vu\xcc\x83 \xc4\x90"), 0);
	assert_int_equal(out->n_dossiers, 1);
	ask_done(&a);
}

/* A frequent word beside a rare one: the pages go along the rare one, whatever comes meanwhile. */
static void test_search_by_words_pages_along_the_rarest(void **state)
{
	Dossier__SearchReply *out;
	char cursor[400];
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	pg_exec(rig.pg, "dossier",
		"INSERT INTO party SELECT '" OTHER "', 'W-' || to_char(i, 'FM0000'),"
		" '2024-05-21 08:00+07', CASE WHEN i % 500 = 0 THEN 'tran thi lan (anh)'"
		" ELSE 'tran van lanh' END FROM generate_series(1, 2500) i");
	pg_exec(rig.pg, "dossier",
		"INSERT INTO dossier (code, version, state, procedure_code, procedure_version,"
		" receiving_agency, competent_agency, holder_agency, channel, submitted_at,"
		" applicant_name) SELECT p.dossier, 1, 1, d.procedure_code, d.procedure_version,"
		" p.agency, p.agency, p.agency, 1, p.submitted_at, 'Trần Thị Lan (Anh)'"
		" FROM party p, (SELECT * FROM dossier LIMIT 1) d"
		" WHERE p.dossier LIKE 'W-%' AND p.name_key LIKE '%anh)'");
	assert_int_equal(
		SEARCH(&a, &other_clerk, &out, in_.applicant_name = "tran lan anh"; in_.limit = 2),
		0);
	assert_int_equal(out->n_dossiers, 2);
	snprintf(cursor, sizeof(cursor), "%s", out->next_cursor);
	/* By now the other words are rarer than this one: the list goes on as it began. */
	pg_exec(rig.pg, "dossier",
		"INSERT INTO party SELECT '" OTHER "', 'V-' || i, '2024-05-21 08:00+07', 'anh'"
		" FROM generate_series(1, 300) i");
	assert_int_equal(SEARCH(&a, &other_clerk, &out, in_.applicant_name = "tran lan anh";
				in_.limit = 50; in_.cursor = cursor),
			 0);
	assert_int_equal(out->n_dossiers, 3);
	assert_string_equal(out->dossiers[0]->code, "W-1500");
	assert_string_equal(out->next_cursor, "");
	ask_done(&a);
}

/* What is in hand of an agency nobody else uses: n dossiers, late with their answer. */
static void put_late(int from, int to)
{
	char text[700];

	snprintf(text, sizeof(text),
		 "INSERT INTO dossier (code, version, state, procedure_code, procedure_version,"
		 " receiving_agency, competent_agency, holder_agency, channel, submitted_at,"
		 " answer_due_at) SELECT 'L-' || i, 1, 1, d.procedure_code, d.procedure_version,"
		 " '" DISTRICT "', '" DISTRICT "', '" DISTRICT "', 4, '2024-05-20 08:00+07',"
		 " '2024-05-20 17:00+07' FROM generate_series(%d, %d) i,"
		 " (SELECT * FROM dossier LIMIT 1) d",
		 from, to);
	pg_exec(rig.pg, "dossier", text);
}

static void test_counts_say_when_there_are_more(void **state)
{
	Dossier__InboxCountsReply *counts;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	put_late(1, 1000);
	assert_int_equal(
		CALL(&a, &district, InboxCounts, inbox_counts, &counts, in_.soon_hours = 8), 0);
	assert_int_equal(counts->total, 1000);
	assert_int_equal(counts->overdue, 1000);
	assert_false(counts->more);
	put_late(1001, 1001);
	assert_int_equal(
		CALL(&a, &district, InboxCounts, inbox_counts, &counts, in_.soon_hours = 8), 0);
	assert_int_equal(counts->total, 1000);
	assert_int_equal(counts->overdue, 1000);
	assert_true(counts->more);
	ask_done(&a);
}

/* The database folds names as the rest of the suite does. */
static void test_names_fold_alike_in_the_database_and_outside(void **state)
{
	static const char *const more[] = {
		"ẮẰẲẴẶ ắằẳẵặ", "ẤẦẨẪẬ",     "Ế Ề Ể Ễ Ệ",   "Ố Ồ Ổ Ỗ Ộ", "Ớ Ờ Ở Ỡ Ợ",
		"Ứ Ừ Ử Ữ Ự",   "Ý Ỳ Ỷ Ỹ Ỵ", " \t a \n b ", "Đđ",        "Müller Ñandú Čapek Łódź"};
	PGconn *conn = pg_admin(rig.pg);
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(more) + STOCK; i++) {
		const char *name = i < STOCK ? names[i] : more[i - STOCK];
		PGresult *r = PQexecParams(conn, "SELECT dossier.name_fold($1)", 1, NULL, &name,
					   NULL, NULL, 0);

		assert_string_equal(PQgetvalue(r, 0, 0), utf8_fold(&arena, name));
		PQclear(r);
	}
	arena_done(&arena);
}

static void test_search_by_number_code_and_filters(void **state)
{
	Dossier__SearchReply *out;
	Dossier__DossierState accepted[] = {DOSSIER__DOSSIER_STATE__DOSSIER_STATE_ACCEPTED};
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	assert_int_equal(SEARCH(&a, &clerk, &out, in_.applicant_number = "036190000017"), 0);
	assert_int_equal(out->n_dossiers, 3);
	assert_int_equal(SEARCH(&a, &clerk, &out, in_.applicant_number = "03619000001"), 0);
	assert_int_equal(out->n_dossiers, 0);
	assert_int_equal(SEARCH(&a, &clerk, &out, in_.code = COMMUNE "-240521-000"), 0);
	assert_int_equal(out->n_dossiers, 9);
	assert_string_equal(out->dossiers[0]->code, COMMUNE "-240521-0001");
	assert_int_equal(SEARCH(&a, &clerk, &out, in_.code = codes[4]), 0);
	assert_int_equal(out->n_dossiers, 1);
	assert_int_equal(SEARCH(&a, &clerk, &out, in_.states = accepted; in_.n_states = 1), 0);
	assert_int_equal(out->n_dossiers, 6);
	assert_string_equal(out->dossiers[0]->code, codes[5]); /* the newest first */
	assert_int_equal(SEARCH(&a, &clerk, &out, in_.procedure_code = MARRIAGE), 0);
	assert_int_equal(out->n_dossiers, 0);
	assert_int_equal(SEARCH(&a, &clerk, &out, in_.procedure_code = BIRTH;
				in_.receiving_agency_code = COMMUNE;
				in_.competent_agency_code = COMMUNE;
				in_.holder_agency_code = COMMUNE; in_.applicant_name = "do thi"),
			 0);
	assert_int_equal(out->n_dossiers, 2);
	assert_int_equal(SEARCH(&a, &clerk, &out, in_.holder_agency_code = OTHER), 0);
	assert_int_equal(out->n_dossiers, 0);
	assert_int_equal(
		SEARCH(&a, &clerk, &out, in_.due_from = "2024-05-18"; in_.due_to = "2024-05-20"),
		0);
	assert_int_equal(out->n_dossiers, 2);
	assert_int_equal(SEARCH(&a, &clerk, &out, in_.submitted_from = "2024-05-22"), 0);
	assert_int_equal(out->n_dossiers, 0);
	assert_int_equal(SEARCH(&a, &clerk, &out, in_.submitted_from = "2024-05-21";
				in_.submitted_to = "2024-05-21"),
			 0);
	assert_int_equal(out->n_dossiers, STOCK + 1);
	ask_done(&a);
}

/* Every order pages through the same set. */
static void test_search_pages(void **state)
{
	static const size_t want[] = {STOCK + 1, STOCK + 1, STOCK - 2, 3};
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	for (int order = 0; order < 4; order++) {
		Dossier__SearchReply *out;
		char cursor[400] = "", last[64] = "";
		size_t n = 0;

		do {
			assert_int_equal(
				SEARCH(&a, &clerk, &out, in_.limit = 2; in_.cursor = cursor;
				       if (order == 1) in_.code = COMMUNE;
				       if (order == 2) in_.applicant_number = "036090000018";
				       if (order == 3) in_.applicant_name = "nguyen"),
				0);
			n += out->n_dossiers;
			assert_true(out->n_dossiers > 0);
			assert_string_not_equal(out->dossiers[0]->code, last);
			snprintf(last, sizeof(last), "%s",
				 out->dossiers[out->n_dossiers - 1]->code);
			snprintf(cursor, sizeof(cursor), "%s", out->next_cursor);
		} while (cursor[0] != '\0');
		assert_int_equal(n, want[order]);
		if (order == 0)
			continue;
		/* A cursor belongs to its order. */
		assert_int_equal(SEARCH(&a, &clerk, &out, in_.limit = 2), 0);
		snprintf(cursor, sizeof(cursor), "%s", out->next_cursor);
		REFUSED(SEARCH(&a, &clerk, NULL, in_.cursor = cursor; in_.code = COMMUNE),
			ERR_INVALID, "BAD_CURSOR");
	}
	ask_done(&a);
}

/* A filter that leaves little of much: a page may be empty, and the next goes on behind it. */
static void test_search_scans_a_bounded_part(void **state)
{
	Dossier__SearchReply *out;
	char cursor[400] = "";
	size_t n = 0, pages = 0;
	struct ask a;

	(void)state;
	pg_exec(rig.pg, "dossier",
		"INSERT INTO party SELECT '" OTHER "', d.code, d.submitted_at, '' FROM dossier d"
		" WHERE d.state = 2");
	pg_exec(rig.pg, "dossier",
		"INSERT INTO party SELECT '" OTHER "', 'X-' || i,"
		" now() + i * interval '1 second', 'x' FROM generate_series(1, 2500) i");
	ask_init(&a, rig.gateway, "dossier");
	do {
		assert_int_equal(SEARCH(&a, &other_clerk, &out, in_.cursor = cursor), 0);
		n += out->n_dossiers;
		pages++;
		snprintf(cursor, sizeof(cursor), "%s", out->next_cursor);
	} while (cursor[0] != '\0');
	assert_int_equal(n, 6);
	assert_int_equal(pages, 3);
	ask_done(&a);
	pg_exec(rig.pg, "dossier", "ALTER TABLE party DISABLE TRIGGER party_append_only");
	pg_exec(rig.pg, "dossier", "DELETE FROM party WHERE agency = '" OTHER "'");
	pg_exec(rig.pg, "dossier", "ALTER TABLE party ENABLE TRIGGER party_append_only");
}

static void test_search_finds_what_the_agency_is_party_to(void **state)
{
	Dossier__SearchReply *out;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	assert_int_equal(SEARCH(&a, &other_clerk, &out, in_.applicant_name = "nguyen"), 0);
	assert_int_equal(out->n_dossiers, 0);
	assert_int_equal(SEARCH(&a, &other_clerk, &out, in_.applicant_number = "036090000018"), 0);
	assert_int_equal(out->n_dossiers, 0);
	assert_int_equal(forward_it(&a, &officer, codes[2], OTHER), 0);
	assert_int_equal(SEARCH(&a, &other_clerk, &out, in_.applicant_name = "nguyen"), 0);
	assert_int_equal(out->n_dossiers, 1);
	assert_string_equal(out->dossiers[0]->code, codes[2]);
	/* It stays with both when it comes back. */
	assert_int_equal(forward_it(&a, &other_clerk, codes[2], COMMUNE), 0);
	assert_int_equal(SEARCH(&a, &other_clerk, &out, in_.code = codes[2]), 0);
	assert_int_equal(out->n_dossiers, 1);
	assert_int_equal(SEARCH(&a, &clerk, &out, in_.code = codes[2]), 0);
	assert_int_equal(out->n_dossiers, 1);
	/* A leader above sees it nameless. */
	assert_int_equal(SEARCH(&a, &leader, &out, in_.agency_code = OTHER), 0);
	assert_int_equal(out->n_dossiers, 1);
	assert_true(out->dossiers[0]->name_withheld);
	REFUSED(SEARCH(&a, &other_leader, NULL, in_.agency_code = COMMUNE), ERR_DENIED,
		"LIST_NOT_YOURS");
	ask_done(&a);
}

static void test_search_refuses_bad_input(void **state)
{
	Dossier__DossierState many[11] = {0};
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	assert_int_equal(SEARCH(&a, &clerk, NULL, in_.applicant_name = "a"), ERR_INVALID);
	assert_int_equal(SEARCH(&a, &clerk, NULL, in_.applicant_name = "-- ."), ERR_INVALID);
	assert_int_equal(SEARCH(&a, &clerk, NULL, in_.applicant_name = "a b c d e f g h i k"),
			 ERR_INVALID);
	assert_true(ask_has(&a, "INVALID_FIELD", "applicant_name"));
	assert_int_equal(SEARCH(&a, &clerk, NULL, in_.applicant_name = "do thi";
				in_.applicant_number = "036190000017"),
			 ERR_INVALID);
	assert_true(ask_has(&a, "INVALID_FIELD", "applicant_name"));
	assert_int_equal(SEARCH(&a, &clerk, NULL, in_.submitted_from = "21/5/2024";
				in_.due_to = "2024-02-30"),
			 ERR_INVALID);
	assert_true(ask_has(&a, "INVALID_FIELD", "submitted_from"));
	assert_true(ask_has(&a, "INVALID_FIELD", "due_to"));
	assert_int_equal(SEARCH(&a, &clerk, NULL, in_.states = many; in_.n_states = 11),
			 ERR_INVALID);
	assert_true(ask_has(&a, "INVALID_FIELD", "states"));
	assert_int_equal(SEARCH(&a, &clerk, NULL, in_.limit = 101), ERR_INVALID);
	ask_done(&a);
}

/* --- readings --- */

static int who_read(struct ask *a, const struct person *who, const char *code, const char *secret,
		    Dossier__WhoReadReply **out)
{
	return CALL(a, who, WhoRead, who_read, out, in_.code = code; in_.receipt_secret = secret);
}

static void test_the_person_sees_who_read(void **state)
{
	Dossier__WhoReadReply *out;
	char cursor[400];
	int64_t all;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	pg_exec(rig.pg, "dossier",
		"INSERT INTO ref_officer VALUES ('clerk-31-01', '" COMMUNE "', 'Nguyễn A',"
		" 'Công chức một cửa', '{clerk}', '2021-01-01', 'infinity')");
	a.purpose = "Kiểm tra thành phần";
	assert_int_equal(get_it(&a, &clerk, codes[7], NULL), 0);
	a.purpose = NULL;
	assert_int_equal(who_read(&a, &public, codes[7], secrets[7], &out), 0);
	assert_true(out->n_readings > 1);
	assert_int_equal(out->readings[0]->kind, DOSSIER__READ_KIND__READ_KIND_DETAIL);
	assert_string_equal(out->readings[0]->agency_name, "Cơ quan " COMMUNE);
	assert_string_equal(out->readings[0]->post, "Công chức một cửa");
	assert_string_equal(out->readings[0]->purpose, "Kiểm tra thành phần");
	all = (int64_t)out->n_readings;
	/* The account that filed it needs no secret; pages come behind each other. */
	assert_int_equal(
		CALL(&a, &citizen, WhoRead, who_read, &out, in_.code = codes[7]; in_.limit = 1), 0);
	assert_int_equal(out->n_readings, 1);
	snprintf(cursor, sizeof(cursor), "%s", out->next_cursor);
	assert_int_equal(CALL(&a, &citizen, WhoRead, who_read, &out, in_.code = codes[7];
			      in_.cursor = cursor),
			 0);
	assert_int_equal(out->n_readings, all - 1);
	assert_string_equal(out->next_cursor, "");
	REFUSED(who_read(&a, &other_citizen, codes[7], "", NULL), ERR_DENIED, "NOT_YOURS");
	REFUSED(who_read(&a, &public, codes[7], "", NULL), ERR_DENIED, "NOT_YOURS");
	REFUSED(who_read(&a, &public, codes[7], "WRONG", NULL), ERR_NOT_FOUND, "TRACK_NOT_FOUND");
	ask_done(&a);
}

static void test_my_dossiers(void **state)
{
	Dossier__MyDossiersReply *out;
	char cursor[400];
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "dossier");
	assert_int_equal(CALL(&a, &citizen, MyDossiers, my_dossiers, &out, in_.limit = 10), 0);
	assert_int_equal(out->n_dossiers, 10);
	assert_string_equal(out->dossiers[0]->procedure_name, "Đăng ký khai sinh");
	assert_string_equal(out->dossiers[1]->code, codes[STOCK - 1]);
	snprintf(cursor, sizeof(cursor), "%s", out->next_cursor);
	assert_int_equal(CALL(&a, &citizen, MyDossiers, my_dossiers, &out, in_.cursor = cursor), 0);
	assert_int_equal(out->n_dossiers, STOCK + 1 - 10);
	assert_string_equal(out->next_cursor, "");
	assert_int_equal(CALL(&a, &other_citizen, MyDossiers, my_dossiers, &out, (void)0), 0);
	assert_int_equal(out->n_dossiers, 0);
	REFUSED(CALL(&a, &clerk, MyDossiers, my_dossiers, NULL, (void)0), ERR_DENIED,
		"EXPOSURE_DENIED");
	ask_done(&a);
}

/* --- guarded classes --- */

/* A child's dossier: named only with a purpose, found by name only in hand. Runs last. */
static void test_guarded_dossiers_need_a_purpose(void **state)
{
	Dossier__SearchReply *out;
	Dossier__InboxReply *box;
	char code[64], secret[64];
	struct bundle b;
	struct filing f;
	struct ask a;

	(void)state;
	ask_init(&a, rig.ops, "dossier");
	make_bundle(&b);
	b.p[1].data_class = "child";
	assert_int_equal(import(&a, &b), 1);
	ask_done(&a);

	ask_init(&a, rig.gateway, "dossier");
	make_plain(&f);
	f.applicant.name = "Bé Xuân";
	file_one(&a, &f, code, secret);
	REFUSED(get_it(&a, &clerk, code, NULL), ERR_DENIED, "PURPOSE_REQUIRED");
	assert_int_equal(SEARCH(&a, &clerk, &out, in_.applicant_name = "be xuan"), 0);
	assert_int_equal(out->n_dossiers, 0);
	assert_int_equal(SEARCH(&a, &clerk, &out, in_.code = code), 0);
	assert_int_equal(out->n_dossiers, 1);
	assert_true(out->dossiers[0]->name_withheld);
	assert_int_equal(reads_of(code, DOSSIER__READ_KIND__READ_KIND_SEARCH), 0);
	assert_int_equal(inbox(&a, &clerk, "", 0, "", &box), 0);
	for (size_t i = 0; i < box->n_dossiers; i++)
		assert_int_equal(box->dossiers[i]->name_withheld,
				 strcmp(box->dossiers[i]->code, code) == 0);

	a.purpose = "Trả lời công dân";
	assert_int_equal(get_it(&a, &clerk, code, NULL), 0);
	assert_int_equal(SEARCH(&a, &clerk, &out, in_.applicant_name = "be xuan"), 0);
	assert_int_equal(out->n_dossiers, 1);
	assert_string_equal(out->dossiers[0]->applicant_name, "Bé Xuân");
	assert_int_equal(accept_it(&a, &clerk, code, NULL), 0);
	assert_int_equal(forward_it(&a, &clerk, code, OTHER), 0);
	assert_int_equal(forward_it(&a, &other_clerk, code, COMMUNE), 0);
	/* The other agency had it and has it no more: by code, not by name or number. */
	assert_int_equal(SEARCH(&a, &other_clerk, &out, in_.applicant_name = "be xuan"), 0);
	assert_int_equal(out->n_dossiers, 0);
	assert_int_equal(SEARCH(&a, &other_clerk, &out, in_.applicant_number = NUMBER), 0);
	assert_int_equal(out->n_dossiers, 0);
	assert_int_equal(SEARCH(&a, &other_clerk, &out, in_.code = code), 0);
	assert_int_equal(out->n_dossiers, 1);
	a.purpose = NULL;
	ask_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inbox_is_ordered_by_the_next_deadline),
		cmocka_unit_test(test_inbox_pages_are_stable),
		cmocka_unit_test(test_inbox_filters),
		cmocka_unit_test(test_a_paused_dossier_has_no_deadline),
		cmocka_unit_test(test_inbox_rights),
		cmocka_unit_test(test_inbox_refuses_bad_input),
		cmocka_unit_test(test_search_by_name_ignores_case_and_accents),
		cmocka_unit_test(test_names_fold_alike_in_the_database_and_outside),
		cmocka_unit_test(test_search_by_number_code_and_filters),
		cmocka_unit_test(test_search_pages),
		cmocka_unit_test(test_search_scans_a_bounded_part),
		cmocka_unit_test(test_search_finds_what_the_agency_is_party_to),
		cmocka_unit_test(test_search_refuses_bad_input),
		cmocka_unit_test(test_the_person_sees_who_read),
		cmocka_unit_test(test_my_dossiers),
		cmocka_unit_test(test_guarded_dossiers_need_a_purpose),
		cmocka_unit_test(test_search_by_words_pages_along_the_rarest),
		cmocka_unit_test(test_counts_say_when_there_are_more),
	};

	return cmocka_run_group_tests(tests, make_stock, tear_down);
}
