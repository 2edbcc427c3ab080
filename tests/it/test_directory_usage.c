/*
 * Usage as the directory takes it in, with a real broker and a real database: each report once,
 * whatever is repeated; sums; what is refused; what outsiders learn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "lgsp/directory/v1/directory.pb-c.h"
#include "lgsp/directory/v1/published.pb-c.h"
#include "lgsp/feed/v1/feed.pb-c.h"
#include "tests/support/stage.h"

#define HOUR  1716253200000000LL /* 2024-05-21T01:00:00Z */
#define SHA   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "ff23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct stage stage;
static struct ask tool, stranger;

static const struct busd_member members[] = {
	{"directory", "VN/GOV/H40/lgsp-directory"},
	{"operator", "VN/GOV/H40/lgsp-operator"},
	{"gateway", "VN/GOV/H40/lgsp-gateway"},
};
static const char rights[] = "serve VN/GOV/H40/lgsp-directory directory\n"
			     "grant VN/GOV/H40/lgsp-operator directory *\n"
			     "feed VN/GOV/H40/lgsp-operator directory *\n"
			     "grant VN/GOV/H40/lgsp-gateway directory * acts_for\n";

static int group_setup(void **state)
{
	(void)state;
	stage_setup(&stage, &(struct stage_config){.schemas = "directory",
						   .members = members,
						   .n_members = ARRAY_LEN(members),
						   .rights = rights});
	stage_client(&stage, &tool, "operator", "directory");
	stage_client(&stage, &stranger, "gateway", "directory");
	stage_service(&stage, "directory");
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	stage_teardown(&stage);
	return 0;
}

/* --- reports --- */

static Directory__UsageRow row[3];
static Directory__UsageRow *rows[3] = {&row[0], &row[1], &row[2]};

static Directory__UsageReport make(const char *file, uint32_t part)
{
	Directory__UsageReport r = DIRECTORY__USAGE_REPORT__INIT;

	for (int i = 0; i < 3; i++) {
		directory__usage_row__init(&row[i]);
		row[i].member = i == 2 ? "VN/GOV/H40/portal" : "VN/GOV/H40/one-stop";
		row[i].provider = "VN/GOV/H40/lgsp-dossier";
		row[i].service = "dossier";
		row[i].method = i == 1 ? "GetProcedure" : "Submit";
		row[i].status = i == 1 ? COMMON__STATUS__STATUS_BUSY : COMMON__STATUS__STATUS_OK;
		row[i].requests = 10 + i;
		row[i].request_bytes = 100;
		row[i].reply_bytes = 1000;
	}
	r.broker = "bus-1";
	r.file = file;
	r.file_sha256 = SHA;
	r.hour_us = HOUR;
	r.part = part;
	r.rows = rows;
	r.n_rows = 3;
	return r;
}

static int report(struct ask *a, const Directory__UsageReport *r, bool *ret_already)
{
	Directory__ReportUsageRequest in = DIRECTORY__REPORT_USAGE_REQUEST__INIT;
	Directory__ReportUsageReply *out = NULL;
	int rc;

	in.report = (Directory__UsageReport *)(uintptr_t)r;
	rc = ask(a, NULL, "ReportUsage", &in.base, &directory__report_usage_reply__descriptor,
		 &out);
	if (rc == 0 && ret_already)
		*ret_already = out->already;
	return rc;
}

static int64_t number(const char *sql)
{
	return pg_int(stage.pg, "directory", sql);
}

static const char *cursor_of(const char *broker)
{
	Directory__GetUsageCursorRequest in = DIRECTORY__GET_USAGE_CURSOR_REQUEST__INIT;
	Directory__GetUsageCursorReply *out;

	in.broker = broker;
	assert_int_equal(ask(&tool, NULL, "GetUsageCursor", &in.base,
			     &directory__get_usage_cursor_reply__descriptor, &out),
			 0);
	return out->file;
}

static void each_report_counts_once(void **state)
{
	Directory__UsageReport r = make("f1", 0);
	int64_t events;
	bool already = true;

	(void)state;
	assert_string_equal(cursor_of("bus-1"), "");
	assert_int_equal(report(&tool, &r, &already), 0);
	assert_false(already);
	assert_int_equal(number("SELECT sum(requests) FROM usage_hour"), 33);
	events = number("SELECT (SELECT count(*) FROM feed) + (SELECT count(*) FROM outbox)");
	assert_int_equal(report(&tool, &r, &already), 0);
	assert_true(already);
	assert_int_equal(number("SELECT sum(requests) FROM usage_hour"), 33);
	assert_int_equal(
		number("SELECT (SELECT count(*) FROM feed) + (SELECT count(*) FROM outbox)"),
		events);
	assert_string_equal(cursor_of("bus-1"), ""); /* not complete yet */
	r = make("f1", 1);
	r.complete = true;
	assert_int_equal(report(&tool, &r, &already), 0);
	assert_false(already);
	assert_int_equal(number("SELECT sum(requests) FROM usage_hour"), 66);
	assert_int_equal(number("SELECT requests FROM usage_hour WHERE status = 6"), 22);
	assert_int_equal(number("SELECT sum(reply_bytes) FROM usage_hour"), 6000);
	assert_string_equal(cursor_of("bus-1"), "f1");
	assert_string_equal(cursor_of("bus-2"), "");
}

static void another_file_under_a_known_name_is_refused(void **state)
{
	Directory__UsageReport r = make("f2", 0);
	int64_t before;

	(void)state;
	assert_int_equal(report(&tool, &r, NULL), 0);
	before = number("SELECT sum(requests) FROM usage_hour");
	r.file_sha256 = OTHER;
	assert_int_equal(report(&tool, &r, NULL), ERR_CONFLICT);
	assert_true(ask_has(&tool, "USAGE_DIFFERS", "report.file"));
	assert_int_equal(number("SELECT sum(requests) FROM usage_hour"), before);
}

/* --- refusals --- */

static void no_broker(Directory__UsageReport *r)
{
	r->broker = "";
}
static void no_file(Directory__UsageReport *r)
{
	r->file = "";
}
static void bad_digest(Directory__UsageReport *r)
{
	r->file_sha256 = "abc";
}
static void odd_hour(Directory__UsageReport *r)
{
	r->hour_us++;
}
static void no_requests(Directory__UsageReport *r)
{
	r->rows[1]->requests = 0;
}
static void negative_bytes(Directory__UsageReport *r)
{
	r->rows[2]->reply_bytes = -1;
}
static void no_status(Directory__UsageReport *r)
{
	r->rows[0]->status = COMMON__STATUS__STATUS_UNSPECIFIED;
}
static void far_part(Directory__UsageReport *r)
{
	r->part = 100001;
}
static void too_many(Directory__UsageReport *r)
{
	static Directory__UsageRow *many[501];

	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = &row[0];
	r->rows = many;
	r->n_rows = ARRAY_LEN(many);
}

static void faulty_reports_are_refused(void **state)
{
	static const struct {
		void (*spoil)(Directory__UsageReport *r);
		const char *code, *field;
	} cases[] = {
		{no_broker, "REQUIRED_FIELD", "report.broker"},
		{no_file, "REQUIRED_FIELD", "report.file"},
		{bad_digest, "INVALID_FIELD", "report.file_sha256"},
		{odd_hour, "INVALID_FIELD", "report.hour_us"},
		{no_requests, "INVALID_FIELD", "report.rows[1]"},
		{negative_bytes, "INVALID_FIELD", "report.rows[2]"},
		{no_status, "INVALID_FIELD", "report.rows[0]"},
		{far_part, "INVALID_FIELD", "report.part"},
		{too_many, "INVALID_FIELD", "report.rows"},
	};
	int64_t before = number("SELECT count(*) FROM usage_report");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		Directory__UsageReport r = make("bad", 0);

		cases[i].spoil(&r);
		assert_int_equal(report(&tool, &r, NULL), ERR_INVALID);
		if (!ask_has(&tool, cases[i].code, cases[i].field))
			fail_msg("%s is not said", cases[i].field);
	}
	assert_int_equal(report(&tool, NULL, NULL), ERR_INVALID);
	assert_true(ask_has(&tool, "REQUIRED_FIELD", "report"));
	assert_int_equal(number("SELECT count(*) FROM usage_report"), before);
}

/* Nobody who speaks for a person reports usage. */
static void people_report_nothing(void **state)
{
	static const struct person clerk = {
		.subject = "officer-1", .role = "operator", .agency = "H40"};
	Directory__ReportUsageRequest in = DIRECTORY__REPORT_USAGE_REQUEST__INIT;
	Directory__UsageReport r = make("f9", 0);

	(void)state;
	in.report = &r;
	assert_int_equal(ask(&stranger, &clerk, "ReportUsage", &in.base,
			     &directory__report_usage_reply__descriptor, NULL),
			 ERR_DENIED);
}

/* --- what outsiders learn --- */

static void outsiders_learn_who_used_what(void **state)
{
	Feed__PullRequest in = FEED__PULL_REQUEST__INIT;
	Directory__PublishedUsage *usage;
	Feed__PullReply *page;
	Feed__Event *ev;

	(void)state;
	assert_true(pg_wait_int(stage.pg, "directory",
				"SELECT (SELECT count(*) FROM outbox) + h.pos - min(p.cursor)"
				" FROM feed_head h, publication p GROUP BY h.pos",
				0, 20000));
	in.feed = "directory.usage";
	assert_int_equal(
		ask(&tool, NULL, "Feed.Pull", &in.base, &feed__pull_reply__descriptor, &page), 0);
	assert_int_equal(page->n_entries, 3); /* f1 in two parts, f2 */
	ev = feed__event__unpack(NULL, page->entries[0]->event.len, page->entries[0]->event.data);
	assert_non_null(ev);
	assert_string_equal(ev->type, "directory.published_usage");
	usage = directory__published_usage__unpack(NULL, ev->payload.len, ev->payload.data);
	assert_non_null(usage);
	assert_int_equal(usage->hour_us, HOUR);
	assert_int_equal(usage->n_rows, 2); /* methods and statuses are summed up */
	assert_string_equal(usage->rows[0]->member, "VN/GOV/H40/one-stop");
	assert_string_equal(usage->rows[0]->provider, "VN/GOV/H40/lgsp-dossier");
	assert_int_equal(usage->rows[0]->requests, 21);
	assert_int_equal(usage->rows[0]->failed, 11);
	assert_int_equal(usage->rows[0]->bytes, 2200);
	assert_int_equal(usage->rows[1]->requests, 12);
	assert_int_equal(usage->rows[1]->failed, 0);
	directory__published_usage__free_unpacked(usage, NULL);
	feed__event__free_unpacked(ev, NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_report_counts_once),
		cmocka_unit_test(another_file_under_a_known_name_is_refused),
		cmocka_unit_test(faulty_reports_are_refused),
		cmocka_unit_test(people_report_nothing),
		cmocka_unit_test(outsiders_learn_who_used_what),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
