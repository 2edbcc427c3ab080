// with: tests/it/svc_tiny.c
/*
 * common/svc with a real broker and a real database: who may call what, one effect per message id
 * whatever fails, honest answers when a handler is wrong, drain, health.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/uuid.h"
#include "tests/it/svc_tiny.h"

static struct tiny t;
static struct svcd *dir;

static int group_setup(void **state)
{
	(void)state;
	tiny_setup(&t);
	dir = tiny_start(&t, "directory", NULL, true);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	svcd_free(dir);
	tiny_teardown(&t);
	return 0;
}

static int64_t done(const char *subject)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM done WHERE subject = '%s'", subject);
	return pg_int(t.pg, "directory", sql);
}

static bool events_are(const char *subject, int64_t want)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM feed WHERE subject = '%s'", subject);
	return pg_wait_int(t.pg, "directory", sql, want, 5000);
}

/* --- a call that takes half a second, sent without waiting --- */

struct late {
	int status;
	bool unknown;
	bool answered;
};

static void on_late(const struct bus_reply_in *reply, const struct err *err, void *arg)
{
	struct late *late = arg;

	late->status = reply->status;
	late->unknown = err->outcome_unknown;
	__atomic_store_n(&late->answered, true, __ATOMIC_RELEASE);
}

static void send_slow(void *arg)
{
	static uint8_t body[256];
	Directory__AppointOfficerRequest in = DIRECTORY__APPOINT_OFFICER_REQUEST__INIT;
	Directory__Officer officer = DIRECTORY__OFFICER__INIT;
	struct bus_request_out req = {.service = "directory",
				      .method = "AppointOfficer",
				      .deadline_ms = 3000,
				      .body = body};

	officer.subject = "drained";
	officer.post = "sleep:0.5";
	in.officer = &officer;
	req.body_len = directory__appoint_officer_request__pack(&in, body);
	bus_client_send(t.operator, & req, on_late, arg);
}

static bool is_sleeping(void *arg)
{
	(void)arg;
	return pg_int(t.pg, "",
		      "SELECT count(*) FROM pg_stat_activity"
		      " WHERE wait_event = 'PgSleep'") > 0;
}

static bool is_answered(void *arg)
{
	return __atomic_load_n(&((struct late *)arg)->answered, __ATOMIC_ACQUIRE);
}

/* --- who may call what --- */

enum who { ALONE, ANONYMOUS, CITIZEN, CLERK, OFFICER, NO_ROLE, SYSTEM_TOKEN };

static const char *const roles_of[] = {
	[ANONYMOUS] = "anonymous", [CITIZEN] = "citizen", [CLERK] = "clerk",
	[OFFICER] = "officer",     [NO_ROLE] = NULL,      [SYSTEM_TOKEN] = "system",
};

static int call_as(struct bus_client *client, enum who who, const char *method)
{
	Bus__OnBehalfOf person = BUS__ON_BEHALF_OF__INIT;
	const char *role = who == ALONE ? NULL : roles_of[who];

	person.subject = "sub-1";
	person.n_roles = role != NULL;
	person.roles = &role;
	return tiny_call(&t, client, method, who == ALONE ? NULL : &person);
}

static void test_exposure_matrix(void **state)
{
	/* clang-format off */
	static const struct {
		const char *method;
		const char *gateway[7]; /* by enum who; "" allowed, else the code */
		const char *one_stop, *suite; /* speaking for themselves */
	} rows[] = {
#define X "EXPOSURE_DENIED"
#define R "ROLE_REQUIRED"
		{"GetUnit",        {"", "", "", "", "", "", ""}, "", ""},
		{"GetAgency",      {X,  X,  "", X,  X,  X,  X }, X,  X },
		{"ListAgencies",   {X,  X,  X,  "", R,  X,  X }, X,  X },
		{"ListSystems",    {"", X,  X,  X,  X,  X,  ""}, "", ""},
		{"ResolveSubject", {"", X,  X,  X,  X,  X,  X }, X,  ""},
#undef X
#undef R
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (int who = ALONE; who <= SYSTEM_TOKEN; who++) {
			const char *want = rows[i].gateway[who];
			int rc = call_as(t.gateway, (enum who)who, rows[i].method);

			if (strcmp(err_code(&t.err), want) != 0)
				fail_msg("%s by who %d: \"%s\", not \"%s\"", rows[i].method, who,
					 err_code(&t.err), want);
			assert_int_equal(rc, *want ? ERR_DENIED : 0);
		}
		call_as(t.one_stop, ALONE, rows[i].method);
		assert_string_equal(err_code(&t.err), rows[i].one_stop);
		call_as(t.task, ALONE, rows[i].method);
		assert_string_equal(err_code(&t.err), rows[i].suite);
	}
}

static void test_unknown_methods(void **state)
{
	(void)state;
	/* Of the interface, but without a row; of no interface; of the common ones. */
	assert_int_equal(tiny_call(&t, t.one_stop, "GetCalendar", NULL), ERR_NOT_FOUND);
	assert_string_equal(err_code(&t.err), "UNKNOWN_METHOD");
	assert_int_equal(tiny_call(&t, t.one_stop, "Nothing", NULL), ERR_NOT_FOUND);
	assert_string_equal(err_code(&t.err), "UNKNOWN_METHOD");
	assert_int_equal(tiny_call(&t, t.one_stop, "Feed.Push", NULL), ERR_NOT_FOUND);
	assert_string_equal(err_code(&t.err), "UNKNOWN_METHOD");
	assert_int_equal(tiny_call(&t, t.one_stop, "DeadLetter.List", NULL), ERR_DENIED);
}

static void send_bytes(const void *body, size_t n)
{
	struct bus_request_out req = {.service = "directory",
				      .method = "GetUnit",
				      .deadline_ms = 5000,
				      .body = body,
				      .body_len = n};
	struct bus_reply_in reply;

	bus_client_call(t.one_stop, &req, &t.arena, &reply, &t.err);
}

static void test_malformed_body(void **state)
{
	(void)state;
	send_bytes("\x0a\xff\x01", 3); /* a length beyond the end */
	assert_string_equal(err_code(&t.err), "MALFORMED_MESSAGE");
	assert_int_equal(t.err.status, ERR_INVALID);
	send_bytes("\x0a\x01\x00", 3); /* NUL in a text */
	assert_string_equal(err_code(&t.err), "BAD_TEXT");
	assert_true(svcd_is_ready(dir));
}

/* --- one effect per message id --- */

static void test_same_message_id_gets_the_same_answer(void **state)
{
	int32_t first = 0, again = 0;
	uint8_t id[16];

	(void)state;
	uuid_v7(id);
	assert_int_equal(tiny_appoint(&t, "twice", "ok", id, &first), 0);
	assert_int_equal(tiny_appoint(&t, "twice", "ok", id, &again), 0);
	assert_int_equal(first, again);
	assert_int_equal(done("twice"), 1);
	assert_true(events_are("twice", 1));
	/* Another request under the same id is a mistake of the caller. */
	assert_int_equal(tiny_appoint(&t, "other", "ok", id, NULL), ERR_CONFLICT);
	assert_string_equal(err_code(&t.err), "MESSAGE_ID_REUSED");
	assert_int_equal(done("other"), 0);
}

static void test_retry_is_not_refused_for_what_it_did_itself(void **state)
{
	int32_t first = 0, again = 0;
	uint8_t id[16];

	(void)state;
	uuid_v7(id);
	assert_int_equal(tiny_appoint(&t, "settled", "refuse_if_done", id, &first), 0);
	/* The handler would refuse now, before its transaction: the stored answer wins. */
	assert_int_equal(tiny_appoint(&t, "settled", "refuse_if_done", id, &again), 0);
	assert_int_equal(first, again);
	assert_int_equal(tiny_appoint(&t, "settled", "refuse_if_done", NULL, NULL), ERR_CONFLICT);
	assert_string_equal(err_code(&t.err), "ALREADY_DONE");
	assert_int_equal(done("settled"), 1);
}

static void test_refusals_are_not_stored(void **state)
{
	uint8_t id[16];

	(void)state;
	uuid_v7(id);
	assert_int_equal(tiny_appoint(&t, "free", "ok", NULL, NULL), 0);
	assert_int_equal(tiny_appoint(&t, "free", "refuse_if_done", id, NULL), ERR_CONFLICT);
	pg_exec(t.pg, "directory", "DELETE FROM done WHERE subject = 'free'");
	assert_int_equal(tiny_appoint(&t, "free", "refuse_if_done", id, NULL), 0);
}

static void restart_attempts(void)
{
	pg_exec(t.pg, "directory", "ALTER SEQUENCE attempts RESTART");
}

static void test_serialisation_failures_are_run_again(void **state)
{
	(void)state;
	restart_attempts();
	assert_int_equal(tiny_appoint(&t, "fails", "fail:3", NULL, NULL), 0);
	assert_int_equal(done("fails"), 1);
	assert_true(events_are("fails", 1));
	assert_int_equal(pg_int(t.pg, "directory", "SELECT last_value FROM attempts"), 4);
}

static void test_gives_up_after_five_more_attempts(void **state)
{
	(void)state;
	restart_attempts();
	assert_int_equal(tiny_appoint(&t, "hopeless", "fail:99", NULL, NULL), ERR_UNAVAILABLE);
	assert_true(t.err.retry_after_ms > 0);
	assert_false(t.err.outcome_unknown);
	assert_int_equal(pg_int(t.pg, "directory", "SELECT last_value FROM attempts"), 6);
	assert_int_equal(done("hopeless"), 0);
}

static void test_lost_connection_is_run_again(void **state)
{
	(void)state;
	restart_attempts();
	assert_int_equal(tiny_appoint(&t, "dropped", "drop:2", NULL, NULL), 0);
	assert_int_equal(done("dropped"), 1);
	assert_true(events_are("dropped", 1));
}

/* The deadline passes while COMMIT is under way: nobody knows yet, and the retry finds out. */
static void test_deadline_during_commit_is_unknown_and_settled(void **state)
{
	int64_t start_us = clock_mono_us();
	uint8_t id[16];

	(void)state;
	uuid_v7(id);
	assert_int_equal(tiny_appoint_within(&t, 1000, "slow-commit", id), ERR_UNAVAILABLE);
	assert_true(t.err.outcome_unknown);
	assert_true(clock_mono_us() - start_us < 1100000);
	assert_int_equal(tiny_appoint(&t, "slow-commit", "ok", id, NULL), 0);
	assert_int_equal(done("slow-commit"), 1);
	assert_true(events_are("slow-commit", 1));
}

static void test_frozen_backend_is_answered_in_time(void **state)
{
	struct late late = {0};
	pid_t backend;

	(void)state;
	busrig_run(t.rig, send_slow, &late);
	assert_true(svcd_until(is_sleeping, NULL));
	backend = (pid_t)pg_int(t.pg, "",
				"SELECT pid FROM pg_stat_activity"
				" WHERE wait_event = 'PgSleep'");
	assert_int_equal(kill(backend, SIGSTOP), 0);
	assert_true(svcd_until(is_answered, &late));
	kill(backend, SIGCONT);
	/* COMMIT was never sent: it is known that nothing happened. */
	assert_int_equal(late.status, ERR_EXPIRED);
	assert_false(late.unknown);
	assert_int_equal(done("drained"), 0);
}

static void test_refused_commit_leaves_no_event(void **state)
{
	(void)state;
	assert_int_equal(tiny_appoint(&t, "refused-commit", "ok", NULL, NULL), ERR_CONFLICT);
	assert_int_equal(done("refused-commit"), 0);
	assert_true(events_are("refused-commit", 0));
	assert_int_equal(pg_int(t.pg, "directory",
				"SELECT count(*) FROM outbox WHERE"
				" subject = 'refused-commit'"),
			 0);
}

/* --- wrong handlers --- */

static void test_missing_reply_is_internal(void **state)
{
	(void)state;
	assert_int_equal(tiny_appoint(&t, "silent", "no_reply", NULL, NULL), ERR_INTERNAL);
	assert_true(svcd_logged(dir, "event=svc.no_reply"));
}

static void test_effect_without_commit_is_not_acknowledged(void **state)
{
	(void)state;
	assert_int_equal(tiny_appoint(&t, "uncommitted", "no_commit", NULL, NULL), ERR_INTERNAL);
	assert_true(svcd_logged(dir, "event=svc.reply_without_commit"));
	assert_int_equal(done("uncommitted"), 0);
	/* The worker and its connection are fit for the next call. */
	for (int i = 0; i < 8; i++)
		assert_int_equal(tiny_appoint(&t, "next", "ok", NULL, NULL), 0);
}

/* --- what the log says, and what not --- */

static void test_one_line_per_effect_without_payload(void **state)
{
	(void)state;
	assert_int_equal(tiny_appoint(&t, "036190000017", "ok", NULL, NULL), 0);
	assert_true(svcd_logged(dir, "method=AppointOfficer status=OK"));
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "grep -q 036190000017 %s/log", svcd_dir(dir));
	assert_int_not_equal(system(cmd), 0);
}

/* --- health --- */

static void test_health_documents(void **state)
{
	const char *text;
	int status;

	(void)state;
	text = svcd_get(dir, "/readyz", &status);
	assert_int_equal(status, 200);
	assert_non_null(strstr(text, "\"ready\":true"));
	assert_non_null(strstr(text, "\"business_offset_us\":0"));
	assert_non_null(strstr(text, "\"instance\":\"directory-1\""));
	svcd_get(dir, "/healthz", &status);
	assert_int_equal(status, 200);
	svcd_get(dir, "/nothing", &status);
	assert_int_equal(status, 404);
	assert_true(
		svcd_metric(dir, "lgsp_svc_calls_total{method=\"AppointOfficer\",status=\"OK\"}") >
		0);
	assert_int_equal(svcd_metric(dir, "lgsp_ready"), 1);
}

static bool is_registered(void *arg)
{
	int status;

	return strstr(svcd_get(arg, "/readyz", &status), "\"bus\":true") != NULL;
}

static void test_another_clock_decides_nothing(void **state)
{
	static const char *const env[] = {"LGSP_CLOCK_OFFSET_US=60000000", NULL};
	struct svcd *other;
	int status, rc = 0;

	(void)state;
	svcd_free(dir);
	other = tiny_start(&t, "directory", env, false);
	assert_true(svcd_until(is_registered, other));
	assert_true(svcd_logged(other, "event=svc.clock_differs"));
	assert_non_null(strstr(svcd_get(other, "/readyz", &status), "\"clock\":false"));
	assert_int_equal(status, 503);
	rc = tiny_appoint(&t, "late", "ok", NULL, NULL);
	assert_int_equal(rc, ERR_UNAVAILABLE);
	assert_string_equal(err_code(&t.err), "CLOCK_DIFFERS");
	assert_int_equal(tiny_call(&t, t.one_stop, "GetUnit", NULL), 0);
	svcd_free(other);
	dir = tiny_start(&t, "directory", NULL, true);
}

static bool not_ready(void *arg)
{
	return !svcd_is_ready(arg);
}

static bool ready(void *arg)
{
	return svcd_is_ready(arg);
}

static void test_waits_for_its_schema(void **state)
{
	struct svcd *other;

	(void)state;
	pg_exec(t.pg, "directory", "ALTER TABLE schema_migration RENAME TO hidden");
	other = tiny_start(&t, "directory", NULL, false);
	assert_true(svcd_logged(other, "event=svc.waits_for_schema"));
	assert_false(svcd_is_ready(other));
	pg_exec(t.pg, "directory", "ALTER TABLE hidden RENAME TO schema_migration");
	assert_true(svcd_until(ready, other));
	svcd_free(other);
	/* Newer common tables than the binary knows: it must not touch them. */
	pg_exec(t.pg, "directory",
		"INSERT INTO schema_migration (part, version, name, sha256)"
		" VALUES ('common', 9999, 'future', repeat('0', 64))");
	other = tiny_start(&t, "directory", NULL, false);
	assert_int_equal(svcd_wait(other), EXIT_DEPENDENCY);
	svcd_free(other);
	assert_int_equal(svcd_wait(dir), EXIT_DEPENDENCY);
	pg_exec(t.pg, "directory", "DELETE FROM schema_migration WHERE version = 9999");
	svcd_restart(dir);
}

static void test_database_away_and_back(void **state)
{
	(void)state;
	pg_server_stop();
	assert_int_equal(tiny_appoint(&t, "away", "ok", NULL, NULL), ERR_UNAVAILABLE);
	assert_true(svcd_until(not_ready, dir));
	pg_server_start();
	assert_true(svcd_until(ready, dir));
	assert_int_equal(tiny_appoint(&t, "away", "ok", NULL, NULL), 0);
}

/* --- drain --- */

static void test_drain_finishes_what_is_in_hand(void **state)
{
	struct late late = {0};
	int64_t start_us;

	(void)state;
	busrig_run(t.rig, send_slow, &late);
	assert_true(svcd_until(is_sleeping, NULL));
	start_us = clock_mono_us();
	svcd_signal(dir, SIGTERM);
	assert_int_equal(svcd_wait(dir), 0);
	assert_true(clock_mono_us() - start_us < 10 * CLOCK_US_PER_S);
	assert_true(svcd_until(is_answered, &late));
	assert_int_equal(late.status, 0);
	assert_int_equal(done("drained"), 1);
	svcd_restart(dir);
	/* Its event went into the feed before the end, or at the next start: never nowhere. */
	assert_true(events_are("drained", 1));
}

static void test_idle_service_ends_at_once(void **state)
{
	int64_t start_us = clock_mono_us();

	(void)state;
	svcd_signal(dir, SIGTERM);
	assert_int_equal(svcd_wait(dir), 0);
	assert_true(clock_mono_us() - start_us < 3 * CLOCK_US_PER_S);
	svcd_restart(dir);
}

static void test_killed_after_commit_is_settled_by_the_retry(void **state)
{
	char log[200], crash_log[220];
	const char *env[] = {"LGSP_CRASH_POINT=svc.after_commit", crash_log, NULL};
	struct svcd *crasher;
	uint8_t id[16];

	(void)state;
	snprintf(log, sizeof(log), "%s/crash", busd_dir(t.bus));
	snprintf(crash_log, sizeof(crash_log), "LGSP_CRASH_LOG=%s", log);
	svcd_free(dir);
	crasher = tiny_start(&t, "directory", env, true);
	uuid_v7(id);
	assert_int_not_equal(tiny_appoint(&t, "crashed", "ok", id, NULL), 0);
	assert_true(t.err.outcome_unknown);
	assert_int_equal(svcd_wait(crasher), 128 + SIGKILL);
	assert_int_equal(access(log, F_OK), 0);
	svcd_free(crasher);
	dir = tiny_start(&t, "directory", NULL, true);
	assert_int_equal(tiny_appoint(&t, "crashed", "ok", id, NULL), 0);
	assert_int_equal(done("crashed"), 1);
	assert_true(events_are("crashed", 1));
}

int main(int argc, char **argv)
{
	int code = tiny_main(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exposure_matrix),
		cmocka_unit_test(test_unknown_methods),
		cmocka_unit_test(test_malformed_body),
		cmocka_unit_test(test_same_message_id_gets_the_same_answer),
		cmocka_unit_test(test_retry_is_not_refused_for_what_it_did_itself),
		cmocka_unit_test(test_refusals_are_not_stored),
		cmocka_unit_test(test_serialisation_failures_are_run_again),
		cmocka_unit_test(test_gives_up_after_five_more_attempts),
		cmocka_unit_test(test_lost_connection_is_run_again),
		cmocka_unit_test(test_deadline_during_commit_is_unknown_and_settled),
		cmocka_unit_test(test_frozen_backend_is_answered_in_time),
		cmocka_unit_test(test_refused_commit_leaves_no_event),
		cmocka_unit_test(test_missing_reply_is_internal),
		cmocka_unit_test(test_effect_without_commit_is_not_acknowledged),
		cmocka_unit_test(test_one_line_per_effect_without_payload),
		cmocka_unit_test(test_health_documents),
		cmocka_unit_test(test_another_clock_decides_nothing),
		cmocka_unit_test(test_waits_for_its_schema),
		cmocka_unit_test(test_database_away_and_back),
		cmocka_unit_test(test_drain_finishes_what_is_in_hand),
		cmocka_unit_test(test_idle_service_ends_at_once),
		cmocka_unit_test(test_killed_after_commit_is_settled_by_the_retry),
	};

	if (code >= 0)
		return code;
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
