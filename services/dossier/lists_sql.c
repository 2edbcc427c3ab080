#include "services/dossier/lists_sql.h"

#include "services/dossier/row.h"

#define COLUMNS                                                                                    \
	"SELECT d.code, d.version, d.state, d.procedure_code, d.procedure_version,"                \
	" d.receiving_agency, d.competent_agency, d.holder_agency, d.channel, d.submitted_at,"     \
	" d.due_at, d.due_provisional, d.next_due_at, d.assignee, d.applicant_name, d.guarded,"    \
	" d.legacy, "

/* As in the indexes dossier_inbox and dossier_assigned. */
#define IN_HAND "d.state IN (1, 2, 4, 5, 6, 8, 9)"

/*
 * A role's inbox: whose turn the step says it is; without a template the states alone say so. What
 * a leader has signed goes back to the officer who issues it.
 */
#define OF_ROLE(n)                                                                                 \
	" AND (" n " = '' OR d.step_role IN ('', " n ") OR (d.signed_by <> '' AND " n              \
	" = 'officer'))"

#define IN_ORDER                                                                                   \
	" AND (d.next_due_at, d.code) > ($2, $3) AND d.next_due_at <= $4 AND d.state = ANY ($5)"

const struct db_stmt lists_inbox = {
	COLUMNS "'' FROM dossier d WHERE d.holder_agency = $1 AND " IN_HAND IN_ORDER OF_ROLE(
		"$7") " ORDER BY d.next_due_at, d.code LIMIT $6"};

const struct db_stmt lists_inbox_assigned = {
	COLUMNS
	"'' FROM dossier d WHERE d.assignee = $1 AND d.assignee <> '' AND " IN_HAND IN_ORDER
	" AND d.holder_agency = $7" OF_ROLE("$8") " ORDER BY d.next_due_at, d.code LIMIT $6"};

const struct db_stmt lists_counts = {
	"SELECT count(*), count(*) FILTER (WHERE q.next_due_at < $2 AND q.n <= 1000),"
	" count(*) FILTER (WHERE q.next_due_at >= $2 AND q.next_due_at <= $3 AND q.n <= 1000)"
	" FROM (SELECT d.next_due_at, row_number() OVER (ORDER BY d.next_due_at, d.code) AS n"
	" FROM dossier d WHERE d.holder_agency = $1 AND " IN_HAND
	" AND d.state = ANY ($4) AND ($5 = '' OR d.assignee = $5)" OF_ROLE(
		"$6") " ORDER BY d.next_due_at, d.code LIMIT 1001) q"};

/* --- search: one index each --- */

#define SCAN_TIME                                                                                  \
	"(SELECT p.dossier, p.submitted_at AS at, '' AS key FROM party p WHERE p.agency = $1"      \
	" AND p.submitted_at >= $3 AND p.submitted_at < $4 AND (p.submitted_at, p.dossier)"        \
	" < ($7, $5) ORDER BY p.submitted_at DESC, p.dossier DESC LIMIT 1000) s"

#define SCAN_CODE                                                                                  \
	"(SELECT p.dossier, '' AS key FROM party p WHERE p.agency = $1 AND p.dossier >= $2"        \
	" AND p.dossier < $2 || chr(1114111) AND p.dossier > $5 AND p.submitted_at >= $3"          \
	" AND p.submitted_at < $4 ORDER BY p.dossier LIMIT 1000) s"

#define SCAN_NUMBER                                                                                \
	"(SELECT p.dossier, '' AS key FROM filing f JOIN party p ON p.agency = $1"                 \
	" AND p.dossier = f.code WHERE f.applicant_number = $2 AND f.code > $5"                    \
	" AND p.submitted_at >= $3 AND p.submitted_at < $4 ORDER BY f.code LIMIT 1000) s"

/* Words asked for, and the n-th of them ($2 is "<n> <words>"), along whose entries it goes. */
#define WORDS  "string_to_array(name_words(name_fold(substr($2, 3))), ' ')"
#define DRIVER "(" WORDS ")[left($2, 1)::int]"

#define SCAN_NAME                                                                                  \
	"(SELECT p.dossier, p.entry AS key FROM name_word p WHERE p.agency = $1"                   \
	" AND p.entry >= " DRIVER " AND p.entry < " DRIVER " || chr(1114111)"                      \
	" AND (p.entry, p.dossier) > ($6, $5) AND p.submitted_at >= $3"                            \
	" AND p.submitted_at < $4 ORDER BY p.entry, p.dossier LIMIT 1000) s"

/*
 * Every word begins one of the name's; of several words of the name that the driver begins, only
 * the first brings the dossier. Settled before any row of a dossier is looked at.
 */
#define SCAN_WORDS                                                                                 \
	"(SELECT s.* FROM " SCAN_NAME " WHERE NOT EXISTS (SELECT FROM unnest(" WORDS               \
	") AS u (word) WHERE strpos(substr(s.key, strpos(s.key, ' ')), ' ' || u.word) = 0)"        \
	" AND NOT EXISTS (SELECT FROM unnest(string_to_array(s.key, ' ')) AS u (word)"             \
	" WHERE starts_with(u.word, " DRIVER ")"                                                   \
	" AND u.word COLLATE \"C\" < split_part(s.key, ' ', 1))"                                   \
	" ORDER BY s.key, s.dossier OFFSET 0) s"

#define FILTERS                                                                                    \
	" JOIN dossier d ON d.code = s.dossier WHERE ($8 = '' OR d.procedure_code = $8)"           \
	" AND (cardinality($9) = 0 OR d.state = ANY ($9))"                                         \
	" AND ($10 = '' OR d.receiving_agency = $10) AND ($11 = '' OR d.competent_agency = $11)"   \
	" AND ($12 = '' OR d.holder_agency = $12)"                                                 \
	" AND ($13 IS NULL OR d.due_at >= $13) AND ($14 IS NULL OR d.due_at < $14)"                \
	" AND (NOT d.guarded OR ($15 AND (NOT $16 OR $1 IN (d.receiving_agency,"                   \
	" d.competent_agency, d.holder_agency))))"

const struct db_stmt lists_search[LISTS_ORDERS] = {
	[LISTS_BY_TIME] = {COLUMNS "s.key FROM " SCAN_TIME FILTERS
				   " ORDER BY s.at DESC, s.dossier DESC LIMIT $17"},
	[LISTS_BY_CODE] = {COLUMNS "s.key FROM " SCAN_CODE FILTERS " ORDER BY s.dossier LIMIT $17"},
	[LISTS_BY_NUMBER] = {COLUMNS "s.key FROM " SCAN_NUMBER FILTERS
				     " ORDER BY s.dossier LIMIT $17"},
	[LISTS_BY_NAME] = {COLUMNS "s.key FROM " SCAN_WORDS FILTERS
				   " ORDER BY s.key, s.dossier LIMIT $17"},
};

#define STAND(scan, at)                                                                            \
	{                                                                                          \
		"SELECT s.dossier, s.key, " at " FROM " scan " OFFSET 999"                         \
	}

const struct db_stmt lists_stand[LISTS_ORDERS] = {
	[LISTS_BY_TIME] = STAND(SCAN_TIME, "s.at"),
	[LISTS_BY_CODE] = STAND(SCAN_CODE, "NULL::timestamptz"),
	[LISTS_BY_NUMBER] = STAND(SCAN_NUMBER, "NULL::timestamptz"),
	[LISTS_BY_NAME] = STAND(SCAN_NAME, "NULL::timestamptz"),
};

/* Counted up to a bound: which of two frequent words is rarer does not matter. */
const struct db_stmt lists_rarest_word = {
	"SELECT u.n::int, count(*) OVER ()::int"
	" FROM unnest(string_to_array(name_words(name_fold($2)), ' ')) WITH ORDINALITY"
	" AS u (word, n) ORDER BY (SELECT count(*) FROM (SELECT FROM name_word p"
	" WHERE p.agency = $1 AND p.entry >= u.word AND p.entry < u.word || chr(1114111)"
	" LIMIT 200) q), u.n LIMIT 1"};

/* --- the whole dossier --- */

const struct db_stmt dossier_row = {DOSSIER_ROW
				    " '', false, false, false, false, '', 0, 0, '', 0, 0, '',"
				    " CASE WHEN d.guarded THEN 'guarded' ELSE '' END, ''::bytea"
				    " FROM dossier d WHERE d.code = $1"};

#define APPLICANT                                                                                  \
	"SELECT applicant_kind, applicant_number, applicant_name, applicant_phone,"                \
	" applicant_address, applicant_email, applicant_language,"

/* Who filed by which evidence, and what it looked like. */
#define FILER                                                                                      \
	", relation, filer_name, filer_number, authorisation, authorisation_reference,"            \
	" identity_method, identity_level, identity_reference, identity_number, identity_at,"      \
	" identity_verified, national_code,"                                                       \
	" CASE WHEN f.suspected THEN"                                                              \
	" ARRAY(SELECT other FROM suspicion WHERE dossier = f.code ORDER BY other)"                \
	" ELSE '{}'::text[] END"

const struct db_stmt read_filed = {APPLICANT " form_names, form_values" FILER
					     ", handed_in, handed_in_version"
					     " FROM filing f WHERE f.code = $1"};

/* The form as it stands: of the last supplement, or as filed. */
const struct db_stmt read_filing = {
	APPLICANT
	" coalesce(r.form_names, f.form_names), coalesce(r.form_values, f.form_values)" FILER
	" FROM filing f LEFT JOIN LATERAL (SELECT form_names, form_values FROM filing_revision"
	"   WHERE dossier = f.code ORDER BY round DESC LIMIT 1) r ON true"
	" WHERE f.code = $1"};

/* Components as they came last: of the last supplement that brought one. */
#define REVISED                                                                                    \
	"WITH r AS MATERIALIZED (SELECT DISTINCT ON (component) component, paper_copies, file_ids" \
	" FROM component_revision WHERE dossier = $1 ORDER BY component, round DESC)"

const struct db_stmt read_components = {
	REVISED " SELECT c.code, coalesce(r.paper_copies, c.paper_copies), c.demanded"
		" FROM component c LEFT JOIN r ON r.component = c.code"
		" WHERE c.dossier = $1 ORDER BY c.ordinal"};

const struct db_stmt read_files = {
	REVISED " SELECT component, file_id FROM ("
		"SELECT component, file_id, ordinal::bigint FROM component_file f"
		" WHERE dossier = $1 AND component NOT IN (SELECT component FROM r)"
		" UNION ALL SELECT component, u.file_id, u.n"
		" FROM r, unnest(r.file_ids) WITH ORDINALITY AS u (file_id, n)) x"
		" ORDER BY component, ordinal"};

const struct db_stmt read_asked = {
	"SELECT agency FROM opinion WHERE dossier = $1 AND agency = $2 LIMIT 1"};

const struct db_stmt read_history = {"SELECT version, state, action, actor, agency, note, at,"
				     " post, reason, acting_for FROM history"
				     " WHERE dossier = $1 ORDER BY version"};
