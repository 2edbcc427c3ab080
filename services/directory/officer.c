/* Officers: appointments, lists, and who a token's subject is today. */
#include "common/base/civil.h"
#include "services/directory/directory.h"
#include "services/directory/rules.h"

static const struct err_kind agency_not_in_force = {
	ERR_INVALID, "AGENCY_NOT_IN_FORCE", "Cơ quan %s không có hiệu lực vào ngày bổ nhiệm",
	"agency %s is not in force on the first day of the post"};
static const struct err_kind unknown_subject = {ERR_NOT_FOUND, "UNKNOWN_SUBJECT",
						"Người dùng không giữ chức vụ nào hiện nay",
						"the subject holds no post today"};

#define OFFICER_COLUMNS "subject, name, agency_code, post, roles, valid_from, valid_to"

static const struct db_stmt agency_in_force = {
	"SELECT 1 FROM agency WHERE code = $1 AND valid_from <= $2 AND valid_to >= $2"};
static const struct db_stmt posts_there = {"SELECT " OFFICER_COLUMNS
					   " FROM officer WHERE subject = $1 AND agency_code = $2"
					   " AND valid_to >= $3 ORDER BY valid_from FOR UPDATE"};
static const struct db_stmt subject_version = {
	"SELECT coalesce(max(version), 0) FROM officer WHERE subject = $1"};
static const struct db_stmt officers_on = {
	"SELECT " OFFICER_COLUMNS " FROM officer WHERE valid_from <= $1 AND valid_to >= $1"
	" AND ($2 = '' OR agency_code = $2) AND (subject, agency_code) > ($3, $4)"
	" ORDER BY subject, agency_code LIMIT $5"};
/* The newest post in an agency that is itself in force. */
static const struct db_stmt subject_on = {
	"SELECT " OFFICER_COLUMNS " FROM officer o WHERE subject = $1 AND valid_from <= $2"
	" AND valid_to >= $2 AND EXISTS (SELECT 1 FROM agency a WHERE a.code = o.agency_code"
	" AND a.valid_from <= $2 AND a.valid_to >= $2)"
	" ORDER BY valid_from DESC, agency_code LIMIT 1"};

/* --- appointment --- */

struct appointment {
	Directory__Officer post; /* the new one, with its first day */
	struct rules_period period;
	bool ends; /* an earlier post there ends the day before */
	Directory__Officer ended;
};

static int appointment_read(struct call *c, const Directory__Officer *in, struct appointment *a)
{
	char today[11];

	if (in == NULL)
		return err_set(&c->err, &err_required_field, "officer", NULL);
	a->post = *in;
	if (in->valid_from[0] == '\0') {
		civil_format(civil_of_us(c->now_us), today);
		a->post.valid_from = arena_strdup(c->arena, today);
	}
	return rules_check_officer(&a->post, "officer", &a->period, &c->err);
}

/* Locks what the decision depends on and decides. */
static int appointment_decide(struct call *c, struct appointment *a)
{
	const Directory__Officer *post = &a->post;
	struct rules_period posts[RULES_POSTS_MAX];
	int agency, there, n, ends;
	char last[11];

	tx_begin(c);
	row_lock_writers(c);
	agency = tx_add(c, &agency_in_force, DB_TEXT(post->agency_code), DB_DATE(a->period.from));
	there = tx_add(c, &posts_there, DB_TEXT(post->subject), DB_TEXT(post->agency_code),
		       DB_DATE(a->period.from));
	if (tx_flush(c) < 0)
		return c->err.status;
	if (db_rows(&c->tx, agency) == 0)
		return err_set(&c->err, &agency_not_in_force, "officer.agency_code",
			       post->agency_code);
	n = db_rows(&c->tx, there) < RULES_POSTS_MAX ? db_rows(&c->tx, there) : RULES_POSTS_MAX;
	for (int i = 0; i < n; i++)
		posts[i] = (struct rules_period){.from = db_get_date(&c->tx, there, i, 5),
						 .to = db_get_date(&c->tx, there, i, 6)};
	if (rules_check_appointment(posts, n, &a->period, &ends, &c->err) < 0)
		return c->err.status;
	a->ends = ends >= 0;
	if (a->ends) {
		row_officer(c, there, ends, &a->ended);
		civil_format(a->period.from - 1, last);
		a->ended.valid_to = arena_strdup(c->arena, last);
	}
	return 0;
}

/* Writes both rows and their events; gives the subject's version. */
static int appointment_write(struct call *c, const struct appointment *a, int32_t *ret_version)
{
	int ended = a->ends ? put_officer_appointed(c, &a->ended) : -1;
	int begun = put_officer_appointed(c, &a->post);
	int version = tx_add(c, &subject_version, DB_TEXT(a->post.subject));

	if (tx_flush(c) < 0)
		return c->err.status;
	if (ended >= 0 && db_rows(&c->tx, ended) > 0)
		event_officer(c, &a->ended, (int32_t)db_get_int(&c->tx, ended, 0, 0));
	if (db_rows(&c->tx, begun) > 0)
		event_officer(c, &a->post, (int32_t)db_get_int(&c->tx, begun, 0, 0));
	*ret_version = (int32_t)db_get_int(&c->tx, version, 0, 0);
	return 0;
}

void directory_appoint_officer(Directory__DirectoryService_Service *svc,
			       const Directory__AppointOfficerRequest *in,
			       Directory__AppointOfficerReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__AppointOfficerReply out = DIRECTORY__APPOINT_OFFICER_REPLY__INIT;
	struct appointment a = {0};

	(void)svc;
	if (appointment_read(c, in->officer, &a) < 0)
		return call_fail(c);
	if (appointment_decide(c, &a) < 0 || appointment_write(c, &a, &out.version) < 0)
		return call_fail(c);
	if (tx_commit(c, &out.base) < 0)
		return call_fail(c);
	reply(&out, data);
}

/* --- reading --- */

void directory_list_officers(Directory__DirectoryService_Service *svc,
			     const Directory__ListOfficersRequest *in,
			     Directory__ListOfficersReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__ListOfficersReply out = DIRECTORY__LIST_OFFICERS_REPLY__INIT;
	int32_t day, limit;
	int slot;

	(void)svc;
	if (row_day(c, in->on_date, &day) < 0 || row_limit(c, in->limit, &limit) < 0)
		return call_fail(c);
	slot = call_query(c, &officers_on, DB_DATE(day), DB_TEXT(in->agency_code),
			  DB_TEXT(in->after_subject), DB_TEXT(in->after_agency_code),
			  DB_INT4(limit));
	if (slot < 0)
		return call_fail(c);
	out.officers = row_messages(c, slot, sizeof(Directory__Officer), &out.n_officers);
	if (out.officers == NULL)
		return call_fail(c);
	for (size_t i = 0; i < out.n_officers; i++)
		row_officer(c, slot, (int)i, out.officers[i]);
	reply(&out, data);
}

void directory_resolve_subject(Directory__DirectoryService_Service *svc,
			       const Directory__ResolveSubjectRequest *in,
			       Directory__ResolveSubjectReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__ResolveSubjectReply out = DIRECTORY__RESOLVE_SUBJECT_REPLY__INIT;
	Directory__Officer officer;
	int slot =
		call_query(c, &subject_on, DB_TEXT(in->subject), DB_DATE(civil_of_us(c->now_us)));

	(void)svc;
	if (slot < 0)
		return call_fail(c);
	if (db_rows(&c->tx, slot) == 0) {
		err_set(&c->err, &unknown_subject, "subject", NULL);
		return call_fail(c);
	}
	row_officer(c, slot, 0, &officer);
	out.officer = &officer;
	reply(&out, data);
}
