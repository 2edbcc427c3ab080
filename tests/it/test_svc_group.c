// with: tests/it/svc_tiny.c
/*
 * Group commit (common/svc/group.h) with a real database: calls that wait together share a
 * transaction, and each keeps its own answer, refusal, replay and outcome.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/uuid.h"
#include "tests/it/svc_tiny.h"

#define CALLS 6 /* behind the one that leads; fewer than the workers */

static struct tiny t;
static struct svcd *dir;

/* A call sent without waiting. */
struct sent {
	uint8_t id[16];
	char subject[32];
	const char *post;
	uint8_t body[256];
	size_t body_len;
	int status;
	int32_t version;
	bool unknown, replayed, answered;
};

static const char *const workers[] = {"LGSP_WORKERS=8", NULL};

static int group_setup(void **state)
{
	(void)state;
	tiny_setup(&t);
	dir = tiny_start(&t, "directory", workers, true);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	svcd_free(dir);
	tiny_teardown(&t);
	return 0;
}

static void on_answer(const struct bus_reply_in *reply, const struct err *err, void *arg)
{
	struct sent *s = arg;
	Directory__AppointOfficerReply *out =
		directory__appoint_officer_reply__unpack(NULL, reply->body_len, reply->body);

	s->status = reply->status;
	s->unknown = err->outcome_unknown;
	s->replayed = reply->replayed;
	s->version = out ? out->version : 0;
	directory__appoint_officer_reply__free_unpacked(out, NULL);
	__atomic_store_n(&s->answered, true, __ATOMIC_RELEASE);
}

static void send_on_loop(void *arg)
{
	struct sent *s = arg;
	struct bus_request_out req = {.service = "directory",
				      .method = "AppointOfficer",
				      .deadline_ms = 10000,
				      .body = s->body,
				      .body_len = s->body_len};

	memcpy(req.message_id, s->id, sizeof(req.message_id));
	bus_client_send(t.operator, & req, on_answer, s);
}

static void send_one(struct sent *s, const char *subject, const char *post)
{
	Directory__AppointOfficerRequest in = DIRECTORY__APPOINT_OFFICER_REQUEST__INIT;
	Directory__Officer officer = DIRECTORY__OFFICER__INIT;

	memset(s, 0, sizeof(*s));
	uuid_v7(s->id);
	snprintf(s->subject, sizeof(s->subject), "%s", subject);
	officer.subject = s->subject;
	officer.name = "group";
	officer.post = post;
	in.officer = &officer;
	s->body_len = directory__appoint_officer_request__pack(&in, s->body);
	busrig_run(t.rig, send_on_loop, s);
}

/* The same request once more. */
static void send_again(struct sent *s)
{
	s->answered = false;
	busrig_run(t.rig, send_on_loop, s);
}

static bool is_answered(void *arg)
{
	return __atomic_load_n(&((struct sent *)arg)->answered, __ATOMIC_ACQUIRE);
}

static void wait_for(struct sent *s)
{
	assert_true(svcd_until(is_answered, s));
}

static bool is_sleeping(void *arg)
{
	(void)arg;
	return pg_int(t.pg, "",
		      "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") > 0;
}

/* One call that holds the lead while the others come: they are the next group. */
static void send_group(struct sent *first, struct sent others[static CALLS], const char *name,
		       const char *odd_post)
{
	char subject[32];

	snprintf(subject, sizeof(subject), "%s-lead", name);
	send_one(first, subject, "sleep:0.7");
	assert_true(svcd_until(is_sleeping, NULL));
	for (int i = 0; i < CALLS; i++) {
		snprintf(subject, sizeof(subject), "%s-%d", name, i);
		send_one(&others[i], subject, i == CALLS / 2 && odd_post ? odd_post : "ok");
	}
}

static int64_t done(const char *like)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM done WHERE subject LIKE '%s'", like);
	return pg_int(t.pg, "directory", sql);
}

static bool events_are(const char *like, int64_t want)
{
	char sql[160];

	snprintf(sql, sizeof(sql),
		 "SELECT count(*) FROM feed WHERE subject LIKE '%s' AND version > 0", like);
	return pg_wait_int(t.pg, "directory", sql, want, 5000);
}

/* All rows of these subjects were written by one transaction. */
static int64_t transactions(const char *like)
{
	char sql[160];

	snprintf(sql, sizeof(sql),
		 "SELECT count(DISTINCT xmin::text) FROM done WHERE subject LIKE '%s'", like);
	return pg_int(t.pg, "directory", sql);
}

static void calls_that_wait_share_a_transaction(void **state)
{
	struct sent first, others[CALLS];
	long long before = svcd_metric(dir, "lgsp_svc_group_transactions_total");

	(void)state;
	send_group(&first, others, "share", NULL);
	wait_for(&first);
	for (int i = 0; i < CALLS; i++) {
		wait_for(&others[i]);
		assert_int_equal(others[i].status, 0);
		assert_false(others[i].replayed);
	}
	assert_int_equal(done("share-_"), CALLS);
	assert_int_equal(transactions("share-_"), 1);
	assert_true(events_are("share-%", CALLS + 1));
	assert_int_equal(svcd_metric(dir, "lgsp_svc_group_transactions_total"), before + 1);
}

static void each_gets_the_answer_of_its_own_rows(void **state)
{
	struct sent first, others[CALLS];
	char sql[96];

	(void)state;
	send_group(&first, others, "own", NULL);
	wait_for(&first);
	for (int i = 0; i < CALLS; i++) {
		wait_for(&others[i]);
		snprintf(sql, sizeof(sql), "SELECT id FROM done WHERE subject = 'own-%d'", i);
		assert_int_equal(pg_int(t.pg, "directory", sql), others[i].version);
	}
}

static void one_refusal_leaves_the_others_and_nothing_behind(void **state)
{
	struct sent first, others[CALLS];

	(void)state;
	send_group(&first, others, "refuse", "refuse");
	wait_for(&first);
	for (int i = 0; i < CALLS; i++) {
		wait_for(&others[i]);
		assert_int_equal(others[i].status, i == CALLS / 2 ? ERR_CONFLICT : 0);
		assert_false(others[i].unknown);
	}
	assert_int_equal(done("refuse-_"), CALLS - 1);
	assert_int_equal(transactions("refuse-_"), 1);
}

static void a_repeated_request_gets_the_stored_answer(void **state)
{
	struct sent first, others[CALLS];
	int32_t version;

	(void)state;
	send_group(&first, others, "again", NULL);
	wait_for(&first);
	for (int i = 0; i < CALLS; i++)
		wait_for(&others[i]);
	version = others[2].version;
	send_one(&first, "again-lead2", "sleep:0.5");
	assert_true(svcd_until(is_sleeping, NULL));
	send_again(&others[2]);
	send_one(&others[3], "again-new", "ok");
	wait_for(&others[2]);
	wait_for(&others[3]);
	wait_for(&first);
	assert_int_equal(others[2].status, 0);
	assert_true(others[2].replayed);
	assert_int_equal(others[2].version, version);
	assert_int_equal(others[3].status, 0);
	assert_int_equal(done("again-2"), 1);
	assert_int_equal(done("again-new"), 1);
}

static void a_failing_group_is_settled_call_by_call(void **state)
{
	struct sent first, others[CALLS];

	(void)state;
	pg_exec(t.pg, "directory", "ALTER SEQUENCE attempts RESTART");
	send_group(&first, others, "fail", "fail:1");
	wait_for(&first);
	for (int i = 0; i < CALLS; i++) {
		wait_for(&others[i]);
		assert_int_equal(others[i].status, 0);
	}
	assert_int_equal(done("fail-_"), CALLS);
	assert_true(transactions("fail-_") > 1);
	assert_true(events_are("fail-%", CALLS + 1));
}

static void a_lost_connection_is_settled_call_by_call(void **state)
{
	struct sent first, others[CALLS];

	(void)state;
	pg_exec(t.pg, "directory", "ALTER SEQUENCE attempts RESTART");
	send_group(&first, others, "drop", "drop:1");
	wait_for(&first);
	for (int i = 0; i < CALLS; i++) {
		wait_for(&others[i]);
		assert_int_equal(others[i].status, 0);
	}
	assert_int_equal(done("drop-_"), CALLS);
}

/* Killed beside a group's COMMIT: all or none is there, and the retry makes it one each. */
static void die_at(const char *point, const char *name, bool committed)
{
	char log[200], crash_point[64], crash_log[220], like[32];
	const char *env[] = {"LGSP_WORKERS=8", crash_point, crash_log, NULL};
	struct sent first, others[CALLS];

	snprintf(log, sizeof(log), "%s/crash-%s", busd_dir(t.bus), name);
	snprintf(crash_point, sizeof(crash_point), "LGSP_CRASH_POINT=%s", point);
	snprintf(crash_log, sizeof(crash_log), "LGSP_CRASH_LOG=%s", log);
	svcd_free(dir);
	dir = tiny_start(&t, "directory", env, true);
	send_group(&first, others, name, NULL);
	assert_int_equal(svcd_wait(dir), 128 + SIGKILL);
	assert_int_equal(access(log, F_OK), 0);
	svcd_free(dir);
	dir = tiny_start(&t, "directory", workers, true);
	wait_for(&first);
	for (int i = 0; i < CALLS; i++) {
		wait_for(&others[i]);
		send_again(&others[i]);
		wait_for(&others[i]);
		assert_int_equal(others[i].status, 0);
		assert_int_equal(others[i].replayed, committed);
	}
	snprintf(like, sizeof(like), "%s-_", name);
	assert_int_equal(done(like), CALLS);
	assert_true(events_are(like, CALLS));
}

static void death_before_the_commit_leaves_none(void **state)
{
	(void)state;
	die_at("group.before_commit", "before", false);
}

static void death_behind_the_commit_loses_none(void **state)
{
	(void)state;
	die_at("group.after_commit", "after", true);
}

int main(int argc, char **argv)
{
	int code = tiny_main(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_that_wait_share_a_transaction),
		cmocka_unit_test(each_gets_the_answer_of_its_own_rows),
		cmocka_unit_test(one_refusal_leaves_the_others_and_nothing_behind),
		cmocka_unit_test(a_repeated_request_gets_the_stored_answer),
		cmocka_unit_test(a_failing_group_is_settled_call_by_call),
		cmocka_unit_test(a_lost_connection_is_settled_call_by_call),
		cmocka_unit_test(death_before_the_commit_leaves_none),
		cmocka_unit_test(death_behind_the_commit_loses_none),
	};

	if (code >= 0)
		return code;
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
