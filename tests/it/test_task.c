/*
 * The task service as a process, with a real broker and a real PostgreSQL. Business time starts at
 * 2024-05-21 08:00 in Viet Nam, a Tuesday.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/clock.h"
#include "common/base/uuid.h"
#include "lgsp/task/v1/task.pb-c.h"
#include "tests/support/ask.h"
#include "tests/support/busrig.h"
#include "tests/support/pg.h"
#include "tests/support/svcd.h"

static const struct busd_member members[] = {
	{"task", "VN/GOV/H40/lgsp-task"},
	{"gateway", "VN/GOV/H40/lgsp-gateway"},
	{"operator", "VN/GOV/H40/lgsp-operator"},
};

static const char rights[] = "serve VN/GOV/H40/lgsp-task task\n"
			     "grant VN/GOV/H40/lgsp-task * *\n"
			     "feed VN/GOV/H40/lgsp-task * *\n"
			     "grant VN/GOV/H40/lgsp-gateway * * acts_for\n"
			     "feed VN/GOV/H40/lgsp-gateway * * acts_for\n"
			     "grant VN/GOV/H40/lgsp-operator * *\n"
			     "feed VN/GOV/H40/lgsp-operator * *\n";

static const struct person chairman = {"chairman", "leader", "H40"};
static const struct person lead = {"leader-31", "leader", "H40.31"};
static const struct person officer = {"officer-31", "officer", "H40.31"};
static const struct person clerk = {"clerk-31", "clerk", "H40.31"};
static const struct person support = {"leader-19", "leader", "H40.19"};
static const struct person stranger = {"leader-32", "leader", "H40.32"};
static const struct person citizen = {"citizen-1", "citizen", ""};

static struct {
	struct pg *pg;
	struct busd *bus;
	struct svcd *svc;
	struct busrig *rig;
	struct bus_client *gateway, *ops;
} rig;

static int64_t count(const char *sql)
{
	return pg_int(rig.pg, "task", sql);
}

static void relay_all(void)
{
	assert_true(pg_wait_int(rig.pg, "task", "SELECT count(*) FROM outbox", 0, 10000));
}

static int64_t count_events(const char *type, const char *id)
{
	char sql[300];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM feed WHERE type = '%s' AND subject = '%s'",
		 type, id);
	return count(sql);
}

/* --- requests --- */

struct assignment {
	Task__AssignRequest in;
	Task__SourceDocument source;
	const char *supporting[1];
};

static void make_assignment(struct assignment *x)
{
	task__assign_request__init(&x->in);
	task__source_document__init(&x->source);
	x->source.number = "112/UBND-VP1";
	x->source.date = "2024-05-20";
	x->source.signer = "Trần Minh Quân";
	x->source.abstract = "Về việc rà soát";
	x->supporting[0] = "H40.19";
	x->in.title = "Rà soát quy trình";
	x->in.lead_agency_code = "H40.31";
	x->in.accountable_subject = "leader-31";
	x->in.supporting_agency_codes = x->supporting;
	x->in.n_supporting_agency_codes = 1;
	x->in.source = &x->source;
	x->in.deadline = "2024-06-28";
}

static int assign(struct ask *a, const struct person *who, const struct assignment *x, char id[37])
{
	Task__AssignReply *out;
	int r = ask(a, who, "Assign", &x->in.base, &task__assign_reply__descriptor, &out);

	if (r == 0 && id)
		snprintf(id, 37, "%s", out->task_id);
	return r;
}

#define CALL(a, who, Name, name, out, ...)                                                         \
	({                                                                                         \
		Task__##Name##Request in_;                                                         \
		task__##name##_request__init(&in_);                                                \
		__VA_ARGS__;                                                                       \
		ask(a, who, #Name, &in_.base, &task__##name##_reply__descriptor, out);             \
	})

static int report(struct ask *a, const struct person *who, const char *id, uint32_t percent)
{
	return CALL(a, who, Report, report, NULL, in_.task_id = id; in_.percent = percent;
		    in_.text = "Đang làm");
}

static int complete(struct ask *a, const struct person *who, const char *id,
		    Task__CompleteReply **out)
{
	return CALL(a, who, Complete, complete, out, in_.task_id = id; in_.text = "Đã xong");
}

static int confirm(struct ask *a, const struct person *who, const char *id, bool accepted,
		   const char *reason)
{
	return CALL(a, who, Confirm, confirm, NULL, in_.task_id = id; in_.accepted = accepted;
		    in_.reason = reason);
}

static int get(struct ask *a, const struct person *who, const char *id, Task__GetReply **out)
{
	return CALL(a, who, Get, get, out, in_.task_id = id);
}

static void wait_shade(const char *id, int shade)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT shade FROM task WHERE id = '%s'", id);
	assert_true(pg_wait_int(rig.pg, "task", sql, shade, 10000));
}

static void set_deadline(const char *id, const char *deadline)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "UPDATE task SET deadline = '%s' WHERE id = '%s'", deadline, id);
	pg_exec(rig.pg, "task", sql);
}

/* --- one life --- */

static void test_whole_life(void **state)
{
	struct assignment x;
	Task__CompleteReply *done;
	Task__GetReply *got;
	struct ask a;
	char id[37];

	(void)state;
	ask_init(&a, rig.gateway, "task");
	make_assignment(&x);
	assert_int_equal(assign(&a, &chairman, &x, id), 0);
	assert_int_equal(report(&a, &officer, id, 40), 0);
	assert_int_equal(complete(&a, &lead, id, &done), 0);
	assert_int_equal(done->shade, TASK__SHADE__SHADE_WITHIN);
	assert_int_equal(confirm(&a, &chairman, id, false, "Thiếu phụ lục"), 0);
	assert_int_equal(report(&a, &officer, id, 90), 0);
	assert_int_equal(complete(&a, &lead, id, &done), 0);
	assert_int_equal(confirm(&a, &chairman, id, true, ""), 0);
	assert_int_equal(get(&a, &support, id, &got), 0);
	assert_int_equal(got->task->version, 7);
	assert_int_equal(got->task->state, TASK__TASK_STATE__TASK_STATE_COMPLETED);
	assert_int_equal(got->task->percent, 100);
	assert_int_equal(civil_of_us(got->task->completed_us), civil_from_ymd(2024, 5, 21));
	assert_string_equal(got->task->source->number, "112/UBND-VP1");
	assert_string_equal(got->task->source->date, "2024-05-20");
	assert_string_equal(got->task->deadline, "2024-06-28");
	assert_string_equal(got->task->supporting_agency_codes[0], "H40.19");
	assert_int_equal(got->n_history, 7);
	assert_string_equal(got->history[3]->action, "return");
	assert_string_equal(got->history[3]->text, "Thiếu phụ lục");
	assert_string_equal(got->history[6]->actor, "chairman");
	relay_all();
	assert_int_equal(count_events("task.assigned", id), 1);
	assert_int_equal(count_events("task.reported", id), 2);
	assert_int_equal(count_events("task.completed", id), 2);
	assert_int_equal(count_events("task.returned", id), 1);
	assert_int_equal(count_events("task.confirmed", id), 1);
	assert_int_equal(count_events("task.shade_changed", id), 0);
	ask_done(&a);
}

/* --- refusals --- */

static void test_refused_assignments(void **state)
{
	int64_t tasks = count("SELECT count(*) FROM task");
	struct assignment x;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "task");
#define REFUSED(who, status, code, change)                                                         \
	do {                                                                                       \
		make_assignment(&x);                                                               \
		change;                                                                            \
		assert_int_equal(assign(&a, &who, &x, NULL), status);                              \
		assert_true(ask_has(&a, code, NULL));                                              \
	} while (0)
	REFUSED(chairman, ERR_INVALID, "REQUIRED_FIELD", x.in.title = "");
	REFUSED(chairman, ERR_INVALID, "DEADLINE_PAST", x.in.deadline = "2024-05-20");
	REFUSED(chairman, ERR_INVALID, "AGENCY_NOT_IN_FORCE", x.in.lead_agency_code = "H40.99");
	REFUSED(chairman, ERR_INVALID, "AGENCY_NOT_IN_FORCE", x.supporting[0] = "H40.98");
	REFUSED(chairman, ERR_INVALID, "NOT_IN_OFFICE", x.in.accountable_subject = "nobody");
	REFUSED(chairman, ERR_INVALID, "NOT_IN_OFFICE", x.in.accountable_subject = "retired-31");
	REFUSED(lead, ERR_DENIED, "NOT_PROVINCIAL", (void)0);
	REFUSED(officer, ERR_DENIED, "ROLE_REQUIRED", (void)0);
	REFUSED(citizen, ERR_DENIED, "EXPOSURE_DENIED", (void)0);
	make_assignment(&x);
	x.in.title = "";
	x.in.lead_agency_code = "H40.99";
	x.supporting[0] = "H40.98";
	assert_int_equal(assign(&a, &chairman, &x, NULL), ERR_INVALID);
	assert_int_equal(a.err.n_items, 4);
	assert_true(ask_has(&a, "AGENCY_NOT_IN_FORCE", "supporting_agency_codes[0]"));
#undef REFUSED
	assert_int_equal(count("SELECT count(*) FROM task"), tasks);
	ask_done(&a);
}

static void test_refused_steps(void **state)
{
	struct assignment x;
	struct ask a;
	char id[37];

	(void)state;
	ask_init(&a, rig.gateway, "task");
	make_assignment(&x);
	assert_int_equal(assign(&a, &chairman, &x, id), 0);
#define REFUSED(call, status, code_)                                                               \
	do {                                                                                       \
		assert_int_equal(call, status);                                                    \
		assert_true(ask_has(&a, code_, NULL));                                             \
	} while (0)
	REFUSED(report(&a, &chairman, id, 1), ERR_DENIED, "NOT_LEAD");
	REFUSED(report(&a, &support, id, 1), ERR_DENIED, "NOT_LEAD");
	REFUSED(report(&a, &clerk, id, 1), ERR_DENIED, "ROLE_REQUIRED");
	REFUSED(report(&a, &officer, id, 100), ERR_INVALID, "BAD_PERCENT");
	REFUSED(report(&a, &officer, "0190d0a0-0000-7000-8000-000000000001", 1), ERR_NOT_FOUND,
		"UNKNOWN_TASK");
	REFUSED(report(&a, &officer, "x", 1), ERR_NOT_FOUND, "UNKNOWN_TASK");
	REFUSED(confirm(&a, &chairman, id, true, ""), ERR_CONFLICT, "WRONG_STATE");
	assert_int_equal(complete(&a, &officer, id, NULL), 0);
	REFUSED(complete(&a, &officer, id, NULL), ERR_CONFLICT, "WRONG_STATE");
	REFUSED(report(&a, &officer, id, 1), ERR_CONFLICT, "WRONG_STATE");
	REFUSED(confirm(&a, &lead, id, true, ""), ERR_DENIED, "NOT_ISSUER");
	REFUSED(confirm(&a, &chairman, id, false, " "), ERR_INVALID, "REQUIRED_FIELD");
	REFUSED(get(&a, &stranger, id, NULL), ERR_NOT_FOUND, "UNKNOWN_TASK");
	REFUSED(get(&a, &citizen, id, NULL), ERR_DENIED, "EXPOSURE_DENIED");
	assert_int_equal(confirm(&a, &chairman, id, true, ""), 0);
	REFUSED(confirm(&a, &chairman, id, true, ""), ERR_CONFLICT, "WRONG_STATE");
#undef REFUSED
	ask_done(&a);
}

/* --- the sweep --- */

static void test_shades(void **state)
{
	struct assignment x;
	Task__CompleteReply *done;
	struct ask a;
	char near[37], none[37], late[37];

	(void)state;
	ask_init(&a, rig.gateway, "task");
	make_assignment(&x);
	x.in.deadline = "2024-05-24"; /* three working days from Tuesday 21 */
	assert_int_equal(assign(&a, &chairman, &x, near), 0);
	x.in.deadline = "";
	assert_int_equal(assign(&a, &chairman, &x, none), 0);
	x.in.deadline = "2024-05-27"; /* four */
	assert_int_equal(assign(&a, &chairman, &x, late), 0);
	wait_shade(near, TASK__SHADE__SHADE_NEAR_DUE);
	wait_shade(none, TASK__SHADE__SHADE_NO_DEADLINE);
	wait_shade(late, TASK__SHADE__SHADE_WITHIN);
	/* As if days had passed. */
	set_deadline(late, "2024-05-20");
	wait_shade(late, TASK__SHADE__SHADE_OVERDUE);
	relay_all();
	assert_int_equal(count_events("task.shade_changed", near), 1);
	assert_int_equal(count_events("task.shade_changed", none), 0);
	assert_int_equal(count_events("task.shade_changed", late), 1);

	/* Frozen at completion: what comes later changes nothing, until it is returned. */
	assert_int_equal(complete(&a, &officer, near, &done), 0);
	assert_int_equal(done->shade, TASK__SHADE__SHADE_NEAR_DUE);
	set_deadline(near, "2024-05-20");
	set_deadline(late, "2024-06-28"); /* a sweep has run when this one is within again */
	wait_shade(late, TASK__SHADE__SHADE_WITHIN);
	wait_shade(near, TASK__SHADE__SHADE_NEAR_DUE);
	assert_int_equal(confirm(&a, &chairman, near, false, "Chưa đạt"), 0);
	wait_shade(near, TASK__SHADE__SHADE_OVERDUE);
	assert_int_equal(complete(&a, &officer, near, &done), 0);
	assert_int_equal(done->shade, TASK__SHADE__SHADE_OVERDUE);
	ask_done(&a);
}

/* --- lists --- */

static void test_list(void **state)
{
	Task__ListReply *out;
	struct ask a, system;
	char after[37] = "";
	size_t n = 0;
	int64_t all = count("SELECT count(*) FROM task");

	(void)state;
	ask_init(&a, rig.gateway, "task");
	ask_init(&system, rig.ops, "task");
	assert_true(all > 3);
	/* Page by page, by deadline, each once. */
	for (;;) {
		static char last[11];
		const char *deadline;

		assert_int_equal(
			CALL(&a, &lead, List, list, &out, in_.limit = 2; in_.after_task_id = after),
			0);
		if (out->n_tasks == 0)
			break;
		for (size_t i = 0; i < out->n_tasks; i++, n++) {
			deadline = out->tasks[i]->deadline[0] ? out->tasks[i]->deadline : "9";
			assert_true(strcmp(last, deadline) <= 0);
			snprintf(last, sizeof(last), "%s", deadline);
		}
		snprintf(after, sizeof(after), "%s", out->tasks[out->n_tasks - 1]->id);
	}
	assert_int_equal(n, all);
	assert_int_equal(CALL(&a, &stranger, List, list, &out, (void)0), 0);
	assert_int_equal(out->n_tasks, 0);
	assert_int_equal(CALL(&a, &support, List, list, &out, in_.agency_code = "H40.19"), 0);
	assert_int_equal(out->n_tasks, all);
	assert_int_equal(CALL(&system, NULL, List, list, &out, in_.open_only = true), 0);
	assert_int_equal(out->n_tasks, count("SELECT count(*) FROM task WHERE state < 4"));
	assert_int_equal(CALL(&a, &lead, List, list, &out, in_.limit = 201), ERR_INVALID);
	assert_int_equal(CALL(&a, &lead, List, list, &out, in_.after_task_id = "x"), ERR_INVALID);
	ask_done(&a);
	ask_done(&system);
}

/* --- idempotency and races --- */

static void test_replay(void **state)
{
	struct assignment x;
	struct ask a;
	char first[37], again[37];
	int64_t tasks = count("SELECT count(*) FROM task");

	(void)state;
	ask_init(&a, rig.gateway, "task");
	uuid_v7(a.message_id);
	make_assignment(&x);
	assert_int_equal(assign(&a, &chairman, &x, first), 0);
	assert_int_equal(assign(&a, &chairman, &x, again), 0);
	assert_true(a.reply.replayed);
	assert_string_equal(first, again);
	assert_int_equal(count("SELECT count(*) FROM task"), tasks + 1);
	x.in.title = "Khác";
	assert_int_equal(assign(&a, &chairman, &x, again), ERR_CONFLICT);
	ask_done(&a);
}

struct racer {
	pthread_t thread;
	const char *id;
	int status;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	struct ask a;

	ask_init(&a, rig.gateway, "task");
	r->status = complete(&a, &officer, r->id, NULL);
	ask_done(&a);
	return NULL;
}

static void test_lost_race(void **state)
{
	struct racer racers[6] = {0};
	struct assignment x;
	struct ask a;
	char id[37];
	int won = 0;

	(void)state;
	ask_init(&a, rig.gateway, "task");
	make_assignment(&x);
	assert_int_equal(assign(&a, &chairman, &x, id), 0);
	for (size_t i = 0; i < ARRAY_LEN(racers); i++) {
		racers[i].id = id;
		pthread_create(&racers[i].thread, NULL, race, &racers[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(racers); i++) {
		pthread_join(racers[i].thread, NULL);
		won += racers[i].status == 0;
		assert_true(racers[i].status == 0 || racers[i].status == ERR_CONFLICT);
	}
	assert_int_equal(won, 1);
	relay_all();
	assert_int_equal(count_events("task.completed", id), 1);
	ask_done(&a);
}

/* A history entry and an event per version, over all that happened. */
static void test_books(void **state)
{
	(void)state;
	relay_all();
	assert_int_equal(count("SELECT count(*) FROM task t WHERE t.version <> (SELECT count(*)"
			       " FROM history h WHERE h.task_id = t.id)"),
			 0);
	assert_int_equal(count("SELECT (SELECT sum(version) FROM task)"
			       " - (SELECT count(*) FROM feed)"),
			 0);
}

/* --- rig --- */

static void put_directory(void)
{
	static const char *const rows[] = {
		"INSERT INTO ref_agency VALUES"
		" ('H40', '', 'T', '36', 'UBND tỉnh', '2021-01-01', '2025-06-30', ''),"
		" ('H40.19', 'H40', 'T', '36', 'Trung tâm', '2021-01-01', '2025-06-30', ''),"
		" ('H40.31', 'H40', 'H', '356', 'Thành phố', '2021-01-01', '2025-06-30', ''),"
		" ('H40.32', 'H40', 'H', '358', 'Mỹ Lộc', '2021-01-01', '2025-06-30', ''),"
		" ('H40.99', 'H40', 'H', '359', 'Cũ', '2021-01-01', '2024-05-20', '')",
		"INSERT INTO ref_officer VALUES"
		" ('leader-31', 'H40.31', 'A', 'Chủ tịch', '{leader}', '2021-01-01', 'infinity'),"
		" ('retired-31', 'H40.31', 'B', 'Chủ tịch', '{leader}', '2021-01-01',"
		" '2024-05-20')",
		"INSERT INTO ref_calendar VALUES (true, 1, '2021-01-01', '2024-12-31', 1)",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		pg_exec(rig.pg, "task", rows[i]);
}

static int set_up(void **state)
{
	static char offset[64];
	const char *const env[] = {offset, NULL};
	struct bus_keys gateway, ops;
	int64_t start_us;

	(void)state;
	CHECK(clock_parse_rfc3339("2024-05-21T08:00:00+07:00", &start_us) == 0);
	snprintf(offset, sizeof(offset), "LGSP_CLOCK_OFFSET_US=%lld",
		 (long long)(start_us - clock_wall_us()));
	rig.pg = pg_new("task");
	rig.bus = busd_start(members, ARRAY_LEN(members), rights, env);
	put_directory();
	rig.rig = busrig_new();
	gateway = busd_keys(rig.bus, "gateway");
	ops = busd_keys(rig.bus, "operator");
	rig.gateway = busrig_client(rig.rig, busd_member_endpoint(rig.bus), &gateway);
	rig.ops = busrig_client(rig.rig, busd_member_endpoint(rig.bus), &ops);
	rig.svc = svcd_start(&(struct svcd_config){
		.service = "task", .bus = rig.bus, .dsn = pg_dsn(rig.pg, "task"), .env = env});
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	svcd_free(rig.svc);
	busrig_free(rig.rig);
	busd_free(rig.bus);
	pg_free(rig.pg);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_life),    cmocka_unit_test(test_refused_assignments),
		cmocka_unit_test(test_refused_steps), cmocka_unit_test(test_shades),
		cmocka_unit_test(test_list),          cmocka_unit_test(test_replay),
		cmocka_unit_test(test_lost_race),     cmocka_unit_test(test_books),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
