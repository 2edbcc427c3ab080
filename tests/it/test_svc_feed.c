// with: tests/it/svc_tiny.c
/*
 * Feeds and consumers with a real broker and a real database: waiting pulls, one effect per event
 * with two replicas under kill -9, crash points, poison put aside and replayed in order.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/clock.h"
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

static int64_t task_int(const char *sql)
{
	return pg_int(t.pg, "task", sql);
}

static bool task_becomes(const char *sql, int64_t want)
{
	return pg_wait_int(t.pg, "task", sql, want, 20000);
}

static int64_t head(void)
{
	return pg_int(t.pg, "directory", "SELECT pos FROM feed_head");
}

static void appoint(const char *subject, const char *post)
{
	if (tiny_appoint(&t, subject, post, NULL, NULL) != 0)
		fail_msg("%s %s: %s", subject, post, err_code(&t.err));
}

static bool feed_has(int64_t n)
{
	return pg_wait_int(t.pg, "directory", "SELECT pos FROM feed_head", n, 10000);
}

/* The consumer starts at the end of the feed, with nothing seen and nothing put aside. */
static void reset_task(void)
{
	char sql[400];

	snprintf(sql, sizeof(sql),
		 "TRUNCATE seen, healed, dead_letter, page_start, applied;"
		 "INSERT INTO applied SELECT 'directory', epoch, pos FROM directory.feed_head");
	pg_exec(t.pg, "task", sql);
}

/* --- waiting pulls --- */

static void test_pull_reads_what_is_there(void **state)
{
	Feed__PullReply *page;

	(void)state;
	appoint("first", "ok");
	appoint("second", "ok");
	assert_true(feed_has(2));
	assert_int_equal(tiny_pull(&t, t.one_stop, 0, 0, &page), 0);
	assert_int_equal(page->n_entries, 2);
	assert_int_equal(page->next, 2);
	assert_int_equal(page->high_water, 2);
	assert_true(page->n_seals >= 1);
	assert_int_equal(page->seals[page->n_seals - 1]->pos_to, 2);
	assert_true(page->epoch[0] != '\0');
	assert_int_equal(tiny_pull(&t, t.one_stop, 3, 0, &page), ERR_CONFLICT);
	assert_string_equal(err_code(&t.err), "CURSOR_AHEAD");
}

struct pull {
	struct bus_client *client;
	uint32_t wait_ms;
	int64_t after;
	uint8_t body[64];
	int status;
	int64_t answered_us;
	size_t n_entries;
	bool answered;
};

static void on_page(const struct bus_reply_in *reply, const struct err *err, void *arg)
{
	struct pull *pull = arg;
	Feed__PullReply *page = feed__pull_reply__unpack(NULL, reply->body_len, reply->body);

	(void)err;
	pull->status = reply->status;
	pull->n_entries = page != NULL ? page->n_entries : 0;
	pull->answered_us = clock_mono_us();
	if (page != NULL)
		feed__pull_reply__free_unpacked(page, NULL);
	__atomic_store_n(&pull->answered, true, __ATOMIC_RELEASE);
}

static void send_pull(void *arg)
{
	struct pull *pull = arg;
	Feed__PullRequest in = FEED__PULL_REQUEST__INIT;
	struct bus_request_out req = {.service = "directory",
				      .method = "Feed.Pull",
				      .deadline_ms = 10000,
				      .body = pull->body};

	in.feed = "directory";
	in.after = pull->after;
	in.wait_ms = pull->wait_ms;
	req.body_len = feed__pull_request__pack(&in, pull->body);
	bus_client_send(pull->client, &req, on_page, pull);
}

static void start_pull(struct pull *pull, struct bus_client *client, uint32_t wait_ms)
{
	*pull = (struct pull){.client = client, .wait_ms = wait_ms, .after = head()};
	busrig_run(t.rig, send_pull, pull);
}

static bool is_answered(void *arg)
{
	return __atomic_load_n(&((struct pull *)arg)->answered, __ATOMIC_ACQUIRE);
}

static long long wanted_parked;

static bool parked_are(void *arg)
{
	return svcd_metric(arg, "lgsp_feed_parked") == wanted_parked;
}

static void wait_parked(long long n)
{
	wanted_parked = n;
	assert_true(svcd_until(parked_are, dir));
}

static void test_parked_pull_wakes_with_the_event(void **state)
{
	struct pull pull;
	int64_t start_us;

	(void)state;
	start_pull(&pull, t.one_stop, 5000);
	wait_parked(1);
	start_us = clock_mono_us();
	appoint("third", "ok");
	assert_true(svcd_until(is_answered, &pull));
	assert_int_equal(pull.status, 0);
	assert_int_equal(pull.n_entries, 1);
	assert_true(pull.answered_us - start_us < 2 * CLOCK_US_PER_S);
	wait_parked(0);
}

static void test_parked_pull_ends_with_its_time(void **state)
{
	struct pull pull;
	int64_t start_us = clock_mono_us();

	(void)state;
	start_pull(&pull, t.one_stop, 300);
	assert_true(svcd_until(is_answered, &pull));
	assert_int_equal(pull.status, 0);
	assert_int_equal(pull.n_entries, 0);
	assert_true(pull.answered_us - start_us >= 300000);
}

static void test_more_parked_pulls_than_workers(void **state)
{
	struct pull pulls[3 * 2];
	struct bus_client *const clients[] = {t.one_stop, t.operator, t.gateway };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pulls); i++)
		start_pull(&pulls[i], clients[i / 2], 4000);
	wait_parked(ARRAY_LEN(pulls));
	/* Four workers, credit for six: calls are served all the same. */
	appoint("while-parked", "ok");
	for (size_t i = 0; i < ARRAY_LEN(pulls); i++) {
		assert_true(svcd_until(is_answered, &pulls[i]));
		assert_int_equal(pulls[i].n_entries, 1);
	}
}

static void test_third_parked_pull_of_a_member_is_busy(void **state)
{
	struct pull a, b, c;

	(void)state;
	start_pull(&a, t.one_stop, 3000);
	start_pull(&b, t.one_stop, 3000);
	wait_parked(2);
	start_pull(&c, t.one_stop, 3000);
	assert_true(svcd_until(is_answered, &c));
	assert_int_equal(c.status, ERR_BUSY);
	appoint("fourth", "ok");
	assert_true(svcd_until(is_answered, &a));
	assert_true(svcd_until(is_answered, &b));
}

static void test_drain_answers_parked_pulls(void **state)
{
	struct pull pull;
	int64_t start_us;

	(void)state;
	start_pull(&pull, t.one_stop, 5000);
	wait_parked(1);
	start_us = clock_mono_us();
	svcd_signal(dir, SIGTERM);
	assert_int_equal(svcd_wait(dir), 0);
	assert_true(clock_mono_us() - start_us < 3 * CLOCK_US_PER_S);
	assert_true(svcd_until(is_answered, &pull));
	assert_int_equal(pull.status, 0);
	assert_int_equal(pull.n_entries, 0);
	svcd_restart(dir);
}

/* --- consumers --- */

#define MISSING                                                                                    \
	"SELECT count(*) FROM directory.feed f WHERE pos > %lld AND (SELECT count(*) FROM seen s"  \
	" WHERE s.pos = f.pos) <> 1"
/* Within a subject the order of versions is the order of application. */
#define DISORDER                                                                                   \
	"SELECT count(*) FROM seen a JOIN seen b ON b.subject = a.subject AND b.id > a.id"         \
	" AND b.version <= a.version"

static void assert_each_once_after(int64_t from)
{
	char sql[256];

	snprintf(sql, sizeof(sql), MISSING, (long long)from);
	assert_int_equal(task_int(sql), 0);
	assert_int_equal(task_int(DISORDER), 0);
}

static void test_consumer_follows(void **state)
{
	struct svcd *task;
	int64_t from = head();

	(void)state;
	reset_task();
	task = tiny_start(&t, "task", NULL, true);
	for (int i = 0; i < 10; i++)
		appoint("followed", "ok");
	assert_true(feed_has(from + 10));
	assert_true(task_becomes("SELECT count(*) FROM seen", 10));
	assert_each_once_after(from);
	svcd_free(task);
	/* From the beginning: a replay is an old cursor. */
	pg_exec(t.pg, "task", "TRUNCATE seen; UPDATE applied SET pos = 0");
	task = tiny_start(&t, "task", NULL, true);
	assert_true(task_becomes("SELECT count(*) FROM seen", from + 10));
	assert_each_once_after(0);
	assert_int_equal(svcd_metric(task, "lgsp_consumer_lag_events{source=\"directory\"}"), 0);
	svcd_free(task);
}

static void test_two_replicas_under_kill_9(void **state)
{
	struct svcd *replicas[2];
	int64_t from = head();
	char subject[16];

	(void)state;
	reset_task();
	replicas[0] = tiny_start(&t, "task", NULL, true);
	replicas[1] = tiny_start(&t, "task", NULL, true);
	for (int i = 0; i < 200; i++) {
		snprintf(subject, sizeof(subject), "s%d", i % 7);
		appoint(subject, "ok");
		if (i % 25 != 24)
			continue;
		svcd_kill(replicas[i / 25 % 2]);
		svcd_restart_no_wait(replicas[i / 25 % 2]);
	}
	assert_true(feed_has(from + 200));
	assert_true(task_becomes("SELECT count(*) FROM seen", 200));
	assert_each_once_after(from);
	assert_int_equal(task_int("SELECT count(*) FROM dead_letter"), 0);
	svcd_wait_ready(replicas[0]);
	svcd_wait_ready(replicas[1]);
	svcd_free(replicas[0]);
	svcd_free(replicas[1]);
}

static void crash_at(const char *point)
{
	char log[200], log_env[220], point_env[120];
	const char *env[] = {point_env, log_env, NULL};
	struct svcd *task;
	int64_t from = head();

	reset_task();
	snprintf(log, sizeof(log), "%s/crash-%s", busd_dir(t.bus), point);
	snprintf(log_env, sizeof(log_env), "LGSP_CRASH_LOG=%s", log);
	snprintf(point_env, sizeof(point_env), "LGSP_CRASH_POINT=%s", point);
	appoint("crashing", "ok");
	assert_true(feed_has(from + 1));
	task = tiny_start(&t, "task", env, false);
	assert_int_equal(svcd_wait(task), 128 + SIGKILL);
	assert_int_equal(access(log, F_OK), 0); /* the point did fire */
	svcd_free(task);
	task = tiny_start(&t, "task", NULL, true);
	assert_true(task_becomes("SELECT count(*) FROM seen", 1));
	appoint("crashing", "ok");
	assert_true(task_becomes("SELECT count(*) FROM seen", 2));
	assert_each_once_after(from);
	svcd_free(task);
}

static void test_crash_before_commit(void **state)
{
	(void)state;
	crash_at("consumer.before_commit");
}

static void test_crash_after_commit(void **state)
{
	(void)state;
	crash_at("consumer.after_commit");
}

/* --- poison --- */

static int replay(const char *subject, Feed__ReplayDeadLettersReply **ret_reply)
{
	const struct tiny_call call = {
		.client = t.operator, .service = "task", .method = "DeadLetter.Replay"};
	Feed__ReplayDeadLettersRequest in = FEED__REPLAY_DEAD_LETTERS_REQUEST__INIT;
	ProtobufCMessage *out;
	int rc;

	in.source = "directory";
	in.subject = subject;
	rc = tiny_ask(&t, &call, &in.base, &feed__replay_dead_letters_reply__descriptor, &out);
	*ret_reply = rc == 0 ? (Feed__ReplayDeadLettersReply *)out : NULL;
	return rc;
}

static void test_poison_is_parked_and_replayed_in_order(void **state)
{
	struct svcd *task;
	Feed__ReplayDeadLettersReply *reply;
	int64_t from = head();

	(void)state;
	reset_task();
	appoint("good", "ok");
	appoint("bad", "ok");
	appoint("bad", "poison");
	appoint("good", "ok");
	appoint("bad", "ok");
	appoint("bad", "ok");
	assert_true(feed_has(from + 6));
	task = tiny_start(&t, "task", NULL, true);
	/* One refused, two behind it; everything else is applied. */
	assert_true(task_becomes("SELECT count(*) FROM dead_letter", 3));
	assert_true(task_becomes("SELECT count(*) FROM seen", 3));
	assert_int_equal(task_int("SELECT count(*) FROM dead_letter WHERE NOT behind"
				  " AND code = 'POISON' AND reason_vi LIKE 'Sự kiện bad%'"),
			 1);
	assert_int_equal(task_int("SELECT count(*) FROM dead_letter WHERE behind"), 2);
	/* Not healed yet: stays, with nothing applied out of order. */
	assert_int_equal(replay("bad", &reply), 0);
	assert_int_equal(reply->replayed, 0);
	assert_int_equal(reply->remaining, 3);
	assert_string_equal(reply->code, "POISON");
	pg_exec(t.pg, "task", "INSERT INTO healed VALUES (true)");
	assert_int_equal(replay("bad", &reply), 0);
	assert_int_equal(reply->replayed, 3);
	assert_int_equal(reply->remaining, 0);
	assert_each_once_after(from);
	/* The subject flows again. */
	appoint("bad", "ok");
	assert_true(task_becomes("SELECT count(*) FROM seen", 7));
	assert_each_once_after(from);
	svcd_free(task);
}

static void test_discard_and_list(void **state)
{
	struct tiny_call call = {
		.client = t.operator, .service = "task", .method = "DeadLetter.List"};
	Feed__ListDeadLettersRequest list = FEED__LIST_DEAD_LETTERS_REQUEST__INIT;
	Feed__DiscardDeadLetterRequest in = FEED__DISCARD_DEAD_LETTER_REQUEST__INIT;
	Feed__ReplayDeadLettersReply *reply;
	struct svcd *task;
	ProtobufCMessage *out;
	const Feed__ListDeadLettersReply *letters;

	(void)state;
	reset_task();
	appoint("lost", "poison");
	appoint("lost", "ok");
	task = tiny_start(&t, "task", NULL, true);
	assert_true(task_becomes("SELECT count(*) FROM dead_letter", 2));
	list.source = "directory";
	assert_int_equal(
		tiny_ask(&t, &call, &list.base, &feed__list_dead_letters_reply__descriptor, &out),
		0);
	letters = (const Feed__ListDeadLettersReply *)out;
	assert_int_equal(letters->n_letters, 2);
	assert_string_equal(letters->letters[0]->code, "POISON");
	assert_string_equal(letters->letters[1]->code, "BEHIND_PARKED");
	in.source = "directory";
	in.pos = letters->letters[0]->pos;
	call.method = "DeadLetter.Discard";
	assert_int_equal(
		tiny_ask(&t, &call, &in.base, &feed__discard_dead_letter_reply__descriptor, &out),
		ERR_INVALID); /* without a reason */
	in.reason = "sent twice by the one-stop system";
	assert_int_equal(
		tiny_ask(&t, &call, &in.base, &feed__discard_dead_letter_reply__descriptor, &out),
		0);
	assert_int_equal(replay("lost", &reply), 0);
	assert_int_equal(reply->replayed, 1);
	assert_int_equal(task_int("SELECT count(*) FROM dead_letter WHERE settled_at IS NULL"), 0);
	assert_int_equal(task_int("SELECT count(*) FROM seen"), 1);
	svcd_free(task);
}

static void test_killer_event_is_parked_after_its_crashes(void **state)
{
	struct svcd *task = NULL;
	int64_t from = head();
	int deaths = 0;

	(void)state;
	reset_task();
	appoint("before", "ok");
	appoint("deadly", "killer");
	appoint("after", "ok");
	assert_true(feed_has(from + 3));
	task = tiny_start(&t, "task", NULL, false);
	while (!pg_wait_int(t.pg, "task", "SELECT count(*) FROM dead_letter", 1, 100)) {
		if (svcd_running(task))
			continue;
		assert_int_equal(svcd_wait(task), 128 + SIGKILL);
		assert_true(++deaths <= 4);
		svcd_restart_no_wait(task);
	}
	/* Two as a page, two singly. */
	assert_int_equal(deaths, 4);
	assert_true(task_becomes("SELECT count(*) FROM seen", 2));
	assert_int_equal(task_int("SELECT count(*) FROM dead_letter WHERE code = 'EVENT_CRASHES'"
				  " AND subject = 'deadly'"),
			 1);
	svcd_free(task);
}

static void test_twenty_in_a_row_stop_the_consumer(void **state)
{
	struct svcd *task;
	char subject[16];

	(void)state;
	reset_task();
	for (int i = 0; i < 25; i++) {
		snprintf(subject, sizeof(subject), "row%d", i);
		appoint(subject, "poison");
	}
	task = tiny_start(&t, "task", NULL, true);
	assert_true(svcd_logged(task, "event=svc.consumer_alarm source=directory err=STOPPED"));
	assert_int_equal(task_int("SELECT count(*) FROM dead_letter"), 20);
	assert_int_equal(svcd_metric(task, "lgsp_consumer_alarm{source=\"directory\","
					   "reason=\"STOPPED\"}"),
			 1);
	/* An operator settles them: it goes on by itself. */
	pg_exec(t.pg, "task",
		"INSERT INTO healed VALUES (true);"
		"UPDATE dead_letter SET settled_at = now(), settlement = 'discarded'");
	assert_true(task_becomes("SELECT count(*) FROM seen", 5));
	svcd_free(task);
}

static void test_database_trouble_never_parks(void **state)
{
	struct svcd *task;
	int64_t from = head();

	(void)state;
	reset_task();
	task = tiny_start(&t, "task", NULL, true);
	for (int i = 0; i < 6; i++) {
		appoint("troubled", "ok");
		pg_crash();
		svcd_wait_ready(dir);
	}
	assert_true(feed_has(from + 6));
	assert_true(task_becomes("SELECT count(*) FROM seen", 6));
	assert_each_once_after(from);
	assert_int_equal(task_int("SELECT count(*) FROM dead_letter"), 0);
	svcd_free(task);
}

static void test_cursor_ahead_and_new_epoch_are_alarms(void **state)
{
	struct svcd *task;

	(void)state;
	reset_task();
	pg_exec(t.pg, "task", "UPDATE applied SET pos = pos + 1000");
	task = tiny_start(&t, "task", NULL, true);
	assert_true(
		svcd_logged(task, "event=svc.consumer_alarm source=directory err=CURSOR_AHEAD"));
	svcd_free(task);
	reset_task();
	pg_exec(t.pg, "task", "UPDATE applied SET epoch = 'before the restore'");
	task = tiny_start(&t, "task", NULL, true);
	assert_true(
		svcd_logged(task, "event=svc.consumer_alarm source=directory err=EPOCH_CHANGED"));
	svcd_free(task);
}

int main(int argc, char **argv)
{
	int code = tiny_main(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pull_reads_what_is_there),
		cmocka_unit_test(test_parked_pull_wakes_with_the_event),
		cmocka_unit_test(test_parked_pull_ends_with_its_time),
		cmocka_unit_test(test_more_parked_pulls_than_workers),
		cmocka_unit_test(test_third_parked_pull_of_a_member_is_busy),
		cmocka_unit_test(test_drain_answers_parked_pulls),
		cmocka_unit_test(test_consumer_follows),
		cmocka_unit_test(test_two_replicas_under_kill_9),
		cmocka_unit_test(test_crash_before_commit),
		cmocka_unit_test(test_crash_after_commit),
		cmocka_unit_test(test_poison_is_parked_and_replayed_in_order),
		cmocka_unit_test(test_discard_and_list),
		cmocka_unit_test(test_killer_event_is_parked_after_its_crashes),
		cmocka_unit_test(test_twenty_in_a_row_stop_the_consumer),
		cmocka_unit_test(test_database_trouble_never_parks),
		cmocka_unit_test(test_cursor_ahead_and_new_epoch_are_alarms),
	};

	if (code >= 0)
		return code;
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
