/*
 * Working hours ordered for an agency, with a real broker and a real database: from which day on
 * they count, what a profile takes back of them (nothing), what is refused.
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
#include "tests/support/stage.h"

static const struct person operator= {.subject = "op", .role = "operator", .agency = "H40"};
static const struct person clerk = {.subject = "clerk-1", .role = "clerk", .agency = "H40.31.01"};
static const struct person head = {.subject = "head-1", .role = "leader", .agency = "H40.31.01"};
static const struct person citizen = {.subject = "citizen-1", .role = "citizen", .agency = ""};

static struct stage stage;
static struct ask gateway, tool;

static const struct busd_member members[] = {
	{"directory", "VN/GOV/H40/lgsp-directory"},
	{"operator", "VN/GOV/H40/lgsp-operator"},
	{"gateway", "VN/GOV/H40/lgsp-gateway"},
};
static const char rights[] = "serve VN/GOV/H40/lgsp-directory directory\n"
			     "grant VN/GOV/H40/lgsp-operator directory *\n"
			     "grant VN/GOV/H40/lgsp-gateway directory * acts_for\n";

/* --- the profile: an agency with its own Monday, and the Tuesday of its level --- */

static void fill_hours(Directory__Hours *h, const char *scope, uint32_t weekday, uint32_t am_start)
{
	directory__hours__init(h);
	h->scope = scope;
	h->weekday = weekday;
	h->am_start = am_start;
	h->am_end = h->pm_start = 690;
	h->pm_end = 1020;
	h->valid_from = "2021-01-01";
}

static void import(void)
{
	Directory__ImportProfileRequest in = DIRECTORY__IMPORT_PROFILE_REQUEST__INIT;
	Directory__Unit unit = DIRECTORY__UNIT__INIT, *units[] = {&unit};
	Directory__Agency province = DIRECTORY__AGENCY__INIT, desk,
			  *agencies[] = {&province, &desk};
	Directory__Calendar calendar = DIRECTORY__CALENDAR__INIT;
	Directory__Hours level, own, *hours[] = {&level, &own};

	in.manifest_sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	in.profile = "test";
	unit.code = "36";
	unit.level = "province";
	unit.name = "Tỉnh Nam Định";
	province.code = "H40";
	province.level = "T";
	province.unit_code = "36";
	province.name = "Ủy ban nhân dân tỉnh Nam Định";
	unit.valid_from = province.valid_from = "2021-01-01";
	unit.valid_to = province.valid_to = "2025-06-30";
	desk = province;
	desk.code = "H40.31.01";
	desk.parent_code = "H40";
	desk.level = "X";
	desk.name = "Ủy ban nhân dân phường Hạ Long";
	calendar.covers_from = "2021-01-01";
	calendar.covers_to = "2026-12-31";
	fill_hours(&level, "X", 2, 430);
	fill_hours(&own, "H40.31.01", 1, 440);
	in.units = units;
	in.n_units = 1;
	in.agencies = agencies;
	in.n_agencies = 2;
	in.calendar = &calendar;
	in.hours = hours;
	in.n_hours = 2;
	if (ask(&tool, NULL, "ImportProfile", &in.base,
		&directory__import_profile_reply__descriptor, NULL) < 0)
		fail_msg("ImportProfile: %s %s", err_code(&tool.err), tool.err.items[0].en);
}

/* --- the rig --- */

static int group_setup(void **state)
{
	(void)state;
	stage_setup(&stage, &(struct stage_config){.schemas = "directory",
						   .members = members,
						   .n_members = ARRAY_LEN(members),
						   .rights = rights,
						   .now_us = STAGE_DEMO_US});
	stage_client(&stage, &tool, "operator", "directory");
	stage_client(&stage, &gateway, "gateway", "directory");
	stage_service(&stage, "directory");
	import();
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	stage_teardown(&stage);
	return 0;
}

static int64_t stored(const char *sql)
{
	return pg_int(stage.pg, "directory", sql);
}

/* Once the relay is done. */
static int64_t events(void)
{
	assert_true(pg_wait_int(stage.pg, "directory", "SELECT count(*) FROM outbox", 0, 10000));
	return stored("SELECT pos FROM feed_head");
}

static int get_hours(const char *day, Directory__GetHoursReply **ret)
{
	Directory__GetHoursRequest in = DIRECTORY__GET_HOURS_REQUEST__INIT;

	in.agency_code = "H40.31.01";
	in.on_date = day;
	return ask(&gateway, &citizen, "GetHours", &in.base,
		   &directory__get_hours_reply__descriptor, ret);
}

/* --- orders --- */

/* One weekday of an agency, from a day on: mornings only, beginning at that minute. */
static int order_hours(const struct person *who, const char *agency, const char *from,
		       uint32_t weekday, uint32_t am_start, const char *reason,
		       Directory__SetWorkingHoursReply **ret)
{
	Directory__SetWorkingHoursRequest in = DIRECTORY__SET_WORKING_HOURS_REQUEST__INIT;
	Directory__Hours day = DIRECTORY__HOURS__INIT, *days[] = {&day, &day};

	day.weekday = weekday;
	day.am_start = am_start;
	day.am_end = day.pm_start = day.pm_end = 690;
	in.agency_code = agency;
	in.valid_from = from;
	in.hours = days;
	in.n_hours = strcmp(reason, "twice") == 0 ? 2 : 1;
	in.reason = reason;
	return ask(&gateway, who, "SetWorkingHours", &in.base,
		   &directory__set_working_hours_reply__descriptor, ret);
}

/* From its first day on; before it the agency has what it had; the profile takes nothing back. */
static void test_ordered_hours(void **state)
{
	Directory__SetWorkingHoursReply *set;
	Directory__GetHoursReply *out;
	int64_t before = events();

	(void)state;
	assert_int_equal(order_hours(&head, "H40.31.01", "2024-06-10", 1, 450, "QĐ 7", &set), 0);
	assert_int_equal(set->version, 1);
	assert_int_equal(set->changed, 1);
	assert_int_equal(events(), before + 3); /* what ended, what begins, the order */
	assert_int_equal(stored("SELECT count(*) FROM feed WHERE type = 'directory.hours_ordered'"
				" AND subject = 'hours-order/H40.31.01'"),
			 1);
	assert_int_equal(stored("SELECT count(*) FROM hours_order WHERE reason = 'QĐ 7' AND"
				" subject = 'head-1' AND weekdays = '{1}'"),
			 1);
	assert_int_equal(get_hours("2024-06-09", &out), 0);
	assert_int_equal(out->hours[0]->am_start, 440);
	assert_int_equal(get_hours("2024-06-10", &out), 0);
	assert_int_equal(out->hours[0]->am_start, 450);
	assert_int_equal(out->hours[1]->am_start, 430); /* Tuesday stays its level's */
	/* The same again is no order; on the same day another is taken instead. */
	assert_int_equal(order_hours(&head, "H40.31.01", "2024-06-10", 1, 450, "QĐ 7", &set), 0);
	assert_int_equal(set->version, 1);
	assert_int_equal(set->changed, 0);
	assert_int_equal(order_hours(&operator, "H40.31.01", "2024-06-10", 1, 460, "QĐ 8", &set),
			 0);
	assert_int_equal(set->version, 2);
	assert_int_equal(get_hours("2024-06-10", &out), 0);
	assert_int_equal(out->hours[0]->am_start, 460);
	import();
	assert_int_equal(get_hours("2024-06-10", &out), 0);
	assert_int_equal(out->hours[0]->am_start, 460);
	assert_int_equal(get_hours("2024-06-09", &out), 0);
	assert_int_equal(out->hours[0]->am_start, 440);
	PGresult *gone = PQexec(pg_admin(stage.pg), "DELETE FROM directory.hours_order");

	assert_string_equal(PQresultErrorField(gone, PG_DIAG_SQLSTATE), "42501");
	PQclear(gone);
}

static void test_orders_that_are_refused(void **state)
{
	static const struct {
		const struct person *who;
		const char *agency, *from;
		uint32_t weekday, am_start;
		const char *reason;
		int status;
		const char *code;
	} cases[] = {
		{&head, "H40", "2024-06-10", 1, 450, "QĐ", ERR_DENIED, "NOT_YOUR_AGENCY"},
		{&clerk, "H40.31.01", "2024-06-10", 1, 450, "QĐ", ERR_DENIED, "ROLE_REQUIRED"},
		{&head, "H40.31.01", "2024-05-20", 1, 450, "QĐ", ERR_INVALID, "PAST_DATE"},
		{&head, "H40.31.01", "soon", 1, 450, "QĐ", ERR_INVALID, "BAD_DATE"},
		{&head, "H40.31.01", "2024-06-10", 1, 700, "QĐ", ERR_INVALID, "BAD_HOURS"},
		{&head, "H40.31.01", "2024-06-10", 1, 690, "QĐ", ERR_INVALID, "BAD_HOURS"},
		{&head, "H40.31.01", "2024-06-10", 8, 450, "QĐ", ERR_INVALID, "BAD_HOURS"},
		{&head, "H40.31.01", "2024-06-10", 1, 450, "", ERR_INVALID, "REQUIRED_FIELD"},
		{&head, "H40.31.01", "2024-06-10", 1, 450, "twice", ERR_INVALID, "WEEKDAY_TWICE"},
		{&head, "H40.31.01", "2024-06-03", 1, 450, "QĐ", ERR_CONFLICT, "LATER_HOURS"},
		{&head, "H40.31.01", "2025-07-01", 1, 450, "QĐ", ERR_INVALID,
		 "AGENCY_NOT_IN_FORCE"},
	};
	int64_t before = events();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(order_hours(cases[i].who, cases[i].agency, cases[i].from,
					     cases[i].weekday, cases[i].am_start, cases[i].reason,
					     NULL),
				 cases[i].status);
		if (!ask_has(&gateway, cases[i].code, NULL))
			fail_msg("wanted %s, got %s", cases[i].code, err_code(&gateway.err));
	}
	assert_int_equal(events(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ordered_hours),
		cmocka_unit_test(test_orders_that_are_refused),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
