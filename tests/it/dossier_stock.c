#include "tests/it/dossier_stock.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "services/dossier/dossier.h"
#include "services/dossier/lists_sql.h"

#define EVERYTHING "'-infinity', 'infinity'"
#define NO_FILTER  "'', '{}', '', '', '', NULL, NULL, true, false, 51"
#define SEARCH_TYPES                                                                               \
	"text, text, timestamptz, timestamptz, text, text, timestamptz, text, bigint[], text, "    \
	"text, text, timestamptz, timestamptz, boolean, boolean, bigint"

const struct stock_query stock_row[1] = {{&dossier_row, "text", "stock_code(%d)"}};

const struct stock_query stock_whole[3] = {
	{&dossier_row, "text", "stock_code(%d)"},
	{&read_filed, "text", "stock_code(%d)"},
	{&read_history, "text", "stock_code(%d)"},
};

const struct stock_query stock_inbox[1] = {
	{&lists_inbox, "text, timestamptz, text, timestamptz, bigint[], bigint, text",
	 "stock_agency(%d), '-infinity', '', 'infinity', '{1,2,4,5,6,8,9}', 50, ''"}};

const struct stock_query stock_name[1] = {{&lists_search[LISTS_BY_NAME], SEARCH_TYPES,
					   "stock_agency(%d), '1 Nguyễn Thị', " EVERYTHING
					   ", '', '', NULL, " NO_FILTER}};

/* A given and a family name: choosing the rarer, and going along it. */
const struct stock_query stock_words[2] = {
	{&lists_rarest_word, "text, text", "stock_agency(%d), 'thi nguy'"},
	{&lists_search[LISTS_BY_NAME], SEARCH_TYPES,
	 "stock_agency(%d), '1 thi nguy', " EVERYTHING ", '', '', NULL, " NO_FILTER}};

const struct stock_query stock_newest[1] = {{&lists_search[LISTS_BY_TIME], SEARCH_TYPES,
					     "stock_agency(%d), '', " EVERYTHING
					     ", '', '', 'infinity', " NO_FILTER}};

/* --- the stock --- */

/*
 * Dossier i of n: filed in order over a thousand days; accepted within minutes, forwarded the next
 * day, decided and returned days later, or not yet.
 */
static const char functions[] =
	"CREATE FUNCTION stock_agency(i int) RETURNS text LANGUAGE sql IMMUTABLE"
	" RETURN 'H41.' || to_char(i %% %2$d, 'FM000');"
	"CREATE FUNCTION stock_at(i int) RETURNS timestamptz LANGUAGE sql IMMUTABLE"
	" RETURN timestamptz '2021-06-01 08:00+07' + i * (interval '1000 days' / %1$d);"
	"CREATE FUNCTION stock_code(i int) RETURNS text LANGUAGE sql IMMUTABLE"
	" RETURN stock_agency(i) || '-' || to_char(stock_at(i) AT TIME ZONE 'Asia/Ho_Chi_Minh',"
	" 'YYMMDD') || '-' || to_char(i / %2$d, 'FM0000');"
	"CREATE TEMP TABLE stock AS SELECT i, stock_code(i) AS code, stock_agency(i) AS agency,"
	" stock_at(i) AS at, (ARRAY[10,10,10,10,10,10,10,10,10,10,10,10,10,10,10,10,9,4,4,2])"
	" [1 + i / %2$d %% 20] AS state,"
	" (ARRAY['Nguyễn','Trần','Lê','Phạm','Hoàng','Đỗ','Vũ'])[1 + i / 3 %% 7] || ' ' ||"
	" (ARRAY['Thị','Văn','Đức','Minh'])[1 + i / 21 %% 4] || ' ' ||"
	" (ARRAY['An','Bình','Chi','Dũng','Đào','Giang','Hoa','Khánh','Lan','Mẫu','Ngọc'])"
	" [1 + i / 84 %% 11] AS name FROM generate_series(1, %1$d) i";

/* In the order things happened, so that acts of one dossier lie as far apart as they came. */
static const char *const rows[] = {
	"INSERT INTO dossier (code, version, state, procedure_code, procedure_version,"
	" receiving_agency, competent_agency, holder_agency, channel, submitted_at, accepted_at,"
	" clock_from_at, due_at, finished_at, verdict, decision, handover_state, applicant_name)"
	" SELECT code, CASE state WHEN 10 THEN 5 WHEN 9 THEN 4 WHEN 4 THEN 3 ELSE 2 END, state,"
	" '1.004873', 1, agency, agency, agency, 1, at, at, at,"
	" at + interval '3 days' + i % 97 * interval '1 hour',"
	" CASE WHEN state > 8 THEN at + interval '3 days' END,"
	" CASE WHEN state > 8 THEN 2 ELSE 0 END, (state > 8)::int,"
	" CASE state WHEN 10 THEN 3 WHEN 9 THEN 1 ELSE 0 END, name FROM stock ORDER BY i",
	"INSERT INTO filing (code, applicant_kind, applicant_number, applicant_name,"
	" applicant_phone, applicant_address, owner_key, form_names, form_values, filer,"
	" filer_is_citizen, secret_salt, secret_hash, handed_in, handed_in_version)"
	" SELECT code, 'citizen', '0361' || to_char(i / 3, 'FM00000000'), name, '0912345678',"
	" 'Phường Hạ Long', repeat('a', 64), '{purpose}', '{Vay vốn}', 'clerk', false,"
	" decode(repeat('00', 16), 'hex'), decode(repeat('00', 32), 'hex'),"
	" decode(repeat('00', 94), 'hex'), 1 FROM stock ORDER BY i",
	"INSERT INTO party (agency, dossier, submitted_at, name_key)"
	" SELECT agency, code, at, name_fold(name) FROM stock ORDER BY i",
	"INSERT INTO name_word (agency, entry, dossier, submitted_at)"
	" SELECT agency, word || ' ' || name_fold(name), code, at FROM stock,"
	" unnest(string_to_array(name_fold(name), ' ')) AS word ORDER BY i",
	"INSERT INTO component (dossier, code, ordinal, paper_copies, reused, demanded)"
	" SELECT code, 'TP' || k, k, 0, false, false"
	" FROM stock, generate_series(1, 2) k ORDER BY i, k",
	"INSERT INTO history (dossier, version, state, action, actor, member, roles, agency,"
	" holder_agency, note, at) SELECT code, v, (ARRAY[1,2,4,9,10])[v],"
	" (ARRAY['submit','accept','forward','issue_result','return'])[v], 'officer-1',"
	" 'VN/GOV/H40/lgsp-gateway', 'officer', agency, agency, 'Chuyển xử lý', at + after"
	" FROM stock, (VALUES (1, interval '0'), (2, interval '4 minutes'), (3, interval '1 day'),"
	" (4, interval '3 days'), (5, interval '4 days')) AS act (v, after)"
	" WHERE v <= CASE state WHEN 10 THEN 5 WHEN 9 THEN 4 WHEN 4 THEN 3 ELSE 2 END"
	" ORDER BY at + after",
	"ANALYZE dossier, filing, component, history, party",
	"VACUUM ANALYZE name_word",
};

static void run(PGconn *conn, const char *sql)
{
	PGresult *r = PQexec(conn, sql);

	if (PQresultStatus(r) != PGRES_COMMAND_OK) {
		fprintf(stderr, "stock: %s%.200s\n", PQerrorMessage(conn), sql);
		exit(1);
	}
	PQclear(r);
}

void stock_make(PGconn *conn, int n)
{
	char sql[4096];

	run(conn, "SET search_path = dossier");
	/* What the references would find is there: no look at it a million times. */
	run(conn, "SET session_replication_role = replica");
	snprintf(sql, sizeof(sql), functions, n, STOCK_AGENCIES);
	run(conn, sql);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		run(conn, rows[i]);
	run(conn, "SET session_replication_role = origin");
}

/* --- buffers --- */

static int last_rows;

int stock_rows(void)
{
	return last_rows;
}

/* Hit and read, from the plan as JSON. */
static int count_buffers(PGresult *r)
{
	json_t *all = json_loads(PQgetvalue(r, 0, 0), 0, NULL);
	json_t *plan = json_object_get(json_array_get(all, 0), "Plan");
	int n = (int)(json_integer_value(json_object_get(plan, "Shared Hit Blocks")) +
		      json_integer_value(json_object_get(plan, "Shared Read Blocks")));

	last_rows = (int)json_number_value(json_object_get(plan, "Actual Rows"));
	json_decref(all);
	return n;
}

static int explain(PGconn *conn, size_t q, const char *args, int dossier)
{
	char filled[1024], sql[1200];
	PGresult *r;
	int n;

	snprintf(filled, sizeof(filled), args, dossier);
	snprintf(sql, sizeof(sql),
		 "EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT JSON) EXECUTE q%zu(%s)", q, filled);
	r = PQexec(conn, sql);
	if (PQresultStatus(r) != PGRES_TUPLES_OK) {
		fprintf(stderr, "stock: %s%s\n", PQerrorMessage(conn), sql);
		exit(1);
	}
	n = count_buffers(r);
	PQclear(r);
	return n;
}

int stock_buffers(PGconn *conn, const struct stock_query *queries, size_t n, int stock, int samples)
{
	char sql[4096];
	int most = 0;

	run(conn, "SET plan_cache_mode = force_generic_plan");
	for (size_t q = 0; q < n; q++) {
		snprintf(sql, sizeof(sql), "PREPARE q%zu (%s) AS %s", q, queries[q].types,
			 queries[q].stmt->sql);
		run(conn, sql);
	}
	for (int i = 0; i < samples; i++) {
		int dossier = 1 + (int)((int64_t)i * 7919 * 13 % stock), sum = 0;

		for (size_t q = 0; q < n; q++)
			sum += explain(conn, q, queries[q].args, dossier);
		most = sum > most ? sum : most;
	}
	run(conn, "DEALLOCATE ALL");
	return most;
}
