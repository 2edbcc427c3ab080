// with: tests/it/svc_tiny.c services/ctl/seals.c
/*
 * Feeds for outsiders with a real broker and a real database: what they tell and do not tell, who
 * may read them, positions and seals of their own under two replicas and kill -9, backfill.
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
#include "services/ctl/seals.h"
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

static int64_t dir_int(const char *sql)
{
	return pg_int(t.pg, "directory", sql);
}

static void appoint(const char *subject, const char *post)
{
	if (tiny_appoint(&t, subject, post, NULL, NULL) != 0)
		fail_msg("%s %s: %s", subject, post, err_code(&t.err));
}

/* Everything of the outbox is in the feed, and the publisher has looked at all of it. */
static void wait_published(void)
{
	assert_true(pg_wait_int(t.pg, "directory",
				"SELECT (SELECT count(*) FROM outbox) + h.pos - p.cursor"
				" FROM feed_head h, publication p",
				0, 20000));
}

static int pull(struct bus_client *client, const char *feed, int64_t after, Feed__PullReply **page)
{
	Feed__PullRequest in = FEED__PULL_REQUEST__INIT;

	in.feed = feed;
	in.after = after;
	return tiny_pull_feed(&t, client, &in, page);
}

/* Pulls the whole feed and checks its chain; returns the number of entries. */
static int64_t verify(void)
{
	struct seals seals;
	Feed__PullReply *page;
	int64_t n;

	seals_init(&seals);
	do {
		assert_int_equal(pull(t.one_stop, TINY_PUBLISHED, seals.pos, &page), 0);
		if (seals_take(&seals, page) < 0)
			fail_msg("%s", seals.fault);
	} while (seals.pos < page->high_water);
	assert_int_equal(seals.sealed, seals.pos);
	n = seals.pos;
	seals_done(&seals);
	return n;
}

static Feed__Event *event_of(const Feed__Entry *entry)
{
	Feed__Event *ev = feed__event__unpack(NULL, entry->event.len, entry->event.data);

	assert_non_null(ev);
	return ev;
}

/* --- what is told --- */

static void tells_its_own_messages_and_no_more(void **state)
{
	Directory__PublishedCategory *payload;
	Feed__PullReply *page;
	Feed__Event *ev;

	(void)state;
	appoint("first", "ok");
	appoint("hidden", "secret");
	appoint("second", "ok");
	wait_published();
	assert_int_equal(pull(t.one_stop, TINY_PUBLISHED, 0, &page), 0);
	assert_int_equal(page->n_entries, 2);
	assert_int_equal(page->high_water, 2);
	assert_int_equal(page->next, 2);
	assert_int_equal(page->entries[1]->pos, 2); /* dense, although the feed has three */
	ev = event_of(page->entries[1]);
	assert_string_equal(ev->type, "directory.published_category");
	assert_string_equal(ev->subject, "second");
	assert_int_equal(ev->id.len, 16);
	assert_int_equal(ev->causation_id.len, 0); /* whose request it was is nobody's business */
	assert_true(ev->time_us > 0);
	payload = directory__published_category__unpack(NULL, ev->payload.len, ev->payload.data);
	assert_non_null(payload);
	assert_string_equal(payload->entry->code, "second");
	directory__published_category__free_unpacked(payload, NULL);
	feed__event__free_unpacked(ev, NULL);
	assert_int_equal(verify(), 2);
}

static void head_says_where_it_ends(void **state)
{
	const struct tiny_call call = {
		.client = t.one_stop, .service = "directory", .method = "Feed.Head"};
	Feed__HeadRequest in = FEED__HEAD_REQUEST__INIT;
	Feed__HeadReply *head;
	ProtobufCMessage *out;

	(void)state;
	wait_published();
	in.feed = TINY_PUBLISHED;
	assert_int_equal(tiny_ask(&t, &call, &in.base, &feed__head_reply__descriptor, &out), 0);
	head = (Feed__HeadReply *)out;
	assert_int_equal(head->high_water, dir_int("SELECT count(*) FROM published"));
	assert_int_equal(head->seal->pos_to, head->high_water);
	assert_int_equal(head->pending, 0);
}

/* --- who may read --- */

static void feeds_need_their_own_right(void **state)
{
	Feed__PullReply *page;

	(void)state;
	/* "task" is granted the service's own feed only. */
	assert_int_equal(pull(t.task, "directory", 0, &page), 0);
	assert_int_equal(pull(t.task, TINY_PUBLISHED, 0, &page), ERR_DENIED);
	assert_string_equal(err_code(&t.err), "FEED_NOT_GRANTED");
	/* The operator may read all there are. */
	assert_int_equal(pull(t.operator, TINY_PUBLISHED, 0, &page), 0);
	assert_int_equal(pull(t.operator, "directory.nothing", 0, &page), ERR_NOT_FOUND);
	assert_string_equal(err_code(&t.err), "UNKNOWN_FEED");
	/* A name nobody granted says nothing of whether it exists. */
	assert_int_equal(pull(t.one_stop, "directory.nothing", 0, &page), ERR_DENIED);
	assert_string_equal(err_code(&t.err), "FEED_NOT_GRANTED");
}

static void bad_cursors_are_refused(void **state)
{
	Feed__PullRequest in = FEED__PULL_REQUEST__INIT;
	Feed__PullReply *page;

	(void)state;
	wait_published();
	assert_int_equal(pull(t.one_stop, TINY_PUBLISHED, 1000000, &page), ERR_CONFLICT);
	assert_string_equal(err_code(&t.err), "CURSOR_AHEAD");
	in.feed = TINY_PUBLISHED;
	in.epoch = "another";
	assert_int_equal(tiny_pull_feed(&t, t.one_stop, &in, &page), ERR_CONFLICT);
	assert_string_equal(err_code(&t.err), "EPOCH_CHANGED");
}

/* --- waiting --- */

struct waiting {
	uint8_t body[64];
	size_t n_entries;
	int status;
	bool answered;
};

static void on_page(const struct bus_reply_in *reply, const struct err *err, void *arg)
{
	struct waiting *w = arg;
	Feed__PullReply *page = feed__pull_reply__unpack(NULL, reply->body_len, reply->body);

	(void)err;
	w->status = reply->status;
	w->n_entries = page ? page->n_entries : 0;
	if (page)
		feed__pull_reply__free_unpacked(page, NULL);
	__atomic_store_n(&w->answered, true, __ATOMIC_RELEASE);
}

static void send_waiting(void *arg)
{
	struct waiting *w = arg;
	Feed__PullRequest in = FEED__PULL_REQUEST__INIT;
	struct bus_request_out req = {.service = "directory",
				      .method = "Feed.Pull",
				      .deadline_ms = 10000,
				      .body = w->body};

	in.feed = TINY_PUBLISHED;
	in.after = dir_int("SELECT pos FROM publication");
	in.wait_ms = 5000;
	req.body_len = feed__pull_request__pack(&in, w->body);
	bus_client_send(t.one_stop, &req, on_page, w);
}

static bool is_answered(void *arg)
{
	return __atomic_load_n(&((struct waiting *)arg)->answered, __ATOMIC_ACQUIRE);
}

static bool one_parked(void *arg)
{
	return svcd_metric(arg, "lgsp_feed_parked") == 1;
}

/* An event it does not tell leaves it asleep; one it tells wakes it. */
static void waiting_pulls_wake_with_the_entry(void **state)
{
	struct waiting w = {0};

	(void)state;
	wait_published();
	busrig_run(t.rig, send_waiting, &w);
	assert_true(svcd_until(one_parked, dir));
	appoint("not told", "secret");
	wait_published();
	assert_false(is_answered(&w));
	appoint("told", "ok");
	assert_true(svcd_until(is_answered, &w));
	assert_int_equal(w.status, 0);
	assert_int_equal(w.n_entries, 1);
}

/* Published by another replica: the NOTIFY wakes this one's. */
static void waiting_pulls_wake_at_every_replica(void **state)
{
	struct waiting w[2] = {0};
	struct svcd *second = tiny_start(&t, "directory", NULL, true);

	(void)state;
	wait_published();
	busrig_run(t.rig, send_waiting, &w[0]);
	busrig_run(t.rig, send_waiting, &w[1]);
	appoint("for both", "ok");
	assert_true(svcd_until(is_answered, &w[0]));
	assert_true(svcd_until(is_answered, &w[1]));
	assert_int_equal(w[0].n_entries, 1);
	assert_int_equal(w[1].n_entries, 1);
	svcd_free(second);
}

/* --- exactly once --- */

static void two_replicas_under_kill_9(void **state)
{
	struct svcd *second = tiny_start(&t, "directory", NULL, true), *both[2] = {dir, second};
	int64_t before;
	char subject[16];

	(void)state;
	wait_published();
	before = verify();
	for (int i = 0; i < 120; i++) {
		snprintf(subject, sizeof(subject), "s%d", i % 7);
		appoint(subject, "ok");
		if (i % 30 != 29)
			continue;
		svcd_kill(both[i / 30 % 2]);
		svcd_restart(both[i / 30 % 2]);
	}
	wait_published();
	assert_int_equal(verify(), before + 120);
	assert_int_equal(dir_int("SELECT count(*) FROM published"), before + 120);
	svcd_free(second);
}

static void crash_at(const char *point)
{
	char log[200], log_env[220], point_env[120];
	const char *env[] = {point_env, log_env, NULL};
	int64_t before = verify();
	struct svcd *second;

	snprintf(log, sizeof(log), "%s/crash-%s", busd_dir(t.bus), point);
	snprintf(log_env, sizeof(log_env), "LGSP_CRASH_LOG=%s", log);
	snprintf(point_env, sizeof(point_env), "LGSP_CRASH_POINT=%s", point);
	svcd_signal(dir, SIGTERM);
	assert_int_equal(svcd_wait(dir), 0);
	/* Without a publisher the feed goes on; the next one begins where the last stopped. */
	pg_exec(t.pg, "directory",
		"INSERT INTO outbox (event, type, subject, version)"
		" SELECT event, type, subject, version FROM feed WHERE subject = 'told'"
		" LIMIT 1");
	second = tiny_start(&t, "directory", env, false);
	assert_int_equal(svcd_wait(second), 128 + SIGKILL);
	assert_int_equal(access(log, F_OK), 0); /* the point did fire */
	svcd_free(second);
	svcd_restart(dir);
	wait_published();
	assert_int_equal(verify(), before + 1);
}

static void death_at_the_commit_tells_nothing_twice(void **state)
{
	(void)state;
	crash_at("publisher.before_commit");
	crash_at("publisher.after_commit");
}

static void backfill_tells_the_same(void **state)
{
	int64_t n, sum;
	const char *hash = "SELECT ('x' || left(encode(sha256(string_agg(event, '' ORDER BY pos)),"
			   " 'hex'), 15))::bit(60)::bigint FROM published";

	(void)state;
	wait_published();
	n = verify();
	sum = dir_int(hash);
	assert_true(n > 0 && sum != 0);
	svcd_signal(dir, SIGTERM);
	assert_int_equal(svcd_wait(dir), 0);
	pg_exec(t.pg, "directory", "TRUNCATE publication, published, published_seal");
	svcd_restart(dir);
	assert_true(pg_wait_int(t.pg, "directory", "SELECT count(*) FROM published", n, 20000));
	wait_published();
	assert_int_equal(verify(), n);
	assert_int_equal(dir_int(hash), sum);
}

static void a_restore_changes_the_epoch(void **state)
{
	Feed__PullRequest in = FEED__PULL_REQUEST__INIT;
	Feed__PullReply *page;

	(void)state;
	wait_published();
	assert_int_equal(pull(t.one_stop, TINY_PUBLISHED, 0, &page), 0);
	pg_exec(t.pg, "directory", "UPDATE feed_head SET epoch = 'after a restore'");
	assert_true(pg_wait_int(t.pg, "directory",
				"SELECT count(*) FROM publication WHERE source_epoch ="
				" 'after a restore'",
				1, 10000));
	in.feed = TINY_PUBLISHED;
	in.epoch = page->epoch;
	assert_int_equal(tiny_pull_feed(&t, t.one_stop, &in, &page), ERR_CONFLICT);
	assert_string_equal(err_code(&t.err), "EPOCH_CHANGED");
}

static void what_was_published_is_not_changed(void **state)
{
	static const char *const attempts[] = {
		"UPDATE published SET event = ''", "DELETE FROM published",
		"UPDATE published_seal SET count = 1", "DELETE FROM published_seal"};
	PGconn *admin = pg_admin(t.pg);

	(void)state;
	PQclear(PQexec(admin, "SET search_path = directory"));
	for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
		PGresult *res = PQexec(admin, attempts[i]);

		assert_int_equal(PQresultStatus(res), PGRES_FATAL_ERROR);
		assert_non_null(strstr(PQresultErrorMessage(res), "is append-only"));
		PQclear(res);
	}
}

/* An old replica beside a new one must not pass over what only the new one understands. */
static void unknown_events_wait_for_a_newer_build(void **state)
{
	int64_t before;

	(void)state;
	wait_published();
	before = verify();
	pg_exec(t.pg, "directory",
		"INSERT INTO outbox (event, type, subject, version)"
		" VALUES ('\\x0a10000102030405060708090a0b0c0d0e0f'::bytea ||"
		" '\\x120e6469726563746f72792e66757478'::bytea, 'directory.futx', 'x', 1)");
	assert_true(svcd_logged(dir, "EVENT_UNKNOWN"));
	assert_int_equal(dir_int("SELECT h.pos - p.cursor FROM feed_head h, publication p"), 1);
	assert_int_equal(verify(), before);
}

int main(int argc, char **argv)
{
	int code = tiny_main(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_its_own_messages_and_no_more),
		cmocka_unit_test(head_says_where_it_ends),
		cmocka_unit_test(feeds_need_their_own_right),
		cmocka_unit_test(bad_cursors_are_refused),
		cmocka_unit_test(waiting_pulls_wake_with_the_entry),
		cmocka_unit_test(waiting_pulls_wake_at_every_replica),
		cmocka_unit_test(two_replicas_under_kill_9),
		cmocka_unit_test(death_at_the_commit_tells_nothing_twice),
		cmocka_unit_test(backfill_tells_the_same),
		cmocka_unit_test(a_restore_changes_the_epoch),
		cmocka_unit_test(what_was_published_is_not_changed),
		cmocka_unit_test(unknown_events_wait_for_a_newer_build),
	};

	if (code >= 0)
		return code;
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
