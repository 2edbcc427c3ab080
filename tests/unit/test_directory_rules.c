// with: services/directory/rules.c
/* The directory's rules: what a bundle, an appointment and a calendar decision must satisfy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "services/directory/rules.h"

/* --- a bundle that is right, to be broken one way at a time --- */

static Directory__Unit province = {.code = "36"}, commune = {.code = "13633"};
static Directory__Agency office = {.code = "H40"}, desk = {.code = "H40.31.01"};
static Directory__Officer clerk;
static Directory__CategoryEntry entry;
static Directory__System one_stop;
static Directory__Calendar calendar;
static Directory__Hours everybody, saturday;
static Directory__CalendarDay tet, make_up;
static Directory__ImportProfileRequest profile;

static Directory__Unit *units[] = {&province, &commune, NULL};
static Directory__Agency *agencies[] = {&office, &desk, NULL};
static Directory__Officer *officers[] = {&clerk};
static Directory__CategoryEntry *entries[] = {&entry};
static Directory__System *systems[] = {&one_stop};
static Directory__CalendarDay *days[] = {&tet, &make_up};
static Directory__Hours *hours[] = {&everybody, &saturday};
static const char *roles[] = {"clerk", "cashier"};

static void fill_places(void)
{
	directory__unit__init(&province);
	province.code = "36";
	province.level = "province";
	province.name = "Tỉnh Nam Định";
	province.valid_from = "2021-01-01";
	province.valid_to = "2025-06-30";
	province.successor_code = "37"; /* of another province's bundle */
	directory__unit__init(&commune);
	commune.code = "13633";
	commune.level = "commune";
	commune.parent_code = "36";
	commune.name = "Phường Hạ Long";
	commune.valid_from = "2021-01-01";
	directory__agency__init(&office);
	office.code = "H40";
	office.level = "T";
	office.unit_code = "36";
	office.name = "Ủy ban nhân dân tỉnh";
	office.valid_from = "2021-01-01";
	directory__agency__init(&desk);
	desk.code = "H40.31.01";
	desk.parent_code = "H40";
	desk.level = "X";
	desk.unit_code = "13633";
	desk.name = "Ủy ban nhân dân phường Hạ Long";
	desk.valid_from = "2021-01-01";
}

static void fill_rest(void)
{
	directory__officer__init(&clerk);
	clerk.subject = "officer-0001";
	clerk.name = "Nguyễn Văn Thử";
	clerk.agency_code = "H40.31.01";
	clerk.post = "Công chức một cửa";
	clerk.roles = roles;
	clerk.n_roles = 2;
	clerk.valid_from = "2021-06-01";
	directory__category_entry__init(&entry);
	entry.category = "procedure-field";
	entry.code = "civil-status";
	entry.name_vi = "Hộ tịch";
	entry.valid_from = "2021-01-01";
	directory__system__init(&one_stop);
	one_stop.member = "VN/GOV/H40/one-stop";
	one_stop.name = "Hệ thống một cửa";
	one_stop.owner_agency_code = "H40";
	one_stop.valid_from = "2021-01-01";
	directory__calendar_day__init(&tet);
	tet.date = "2024-02-09";
	tet.kind = "OFF";
	directory__calendar_day__init(&make_up);
	make_up.date = "2024-05-04";
	make_up.kind = "WORK";
	directory__calendar__init(&calendar);
	calendar.covers_from = "2021-01-01";
	calendar.covers_to = "2026-12-31";
	calendar.days = days;
	calendar.n_days = 2;
}

static void fill_hours(void)
{
	directory__hours__init(&everybody);
	everybody.scope = "*";
	everybody.weekday = 1;
	everybody.am_start = 450;
	everybody.am_end = 690;
	everybody.pm_start = 810;
	everybody.pm_end = 1050;
	everybody.valid_from = "2021-01-01";
	saturday = everybody;
	saturday.scope = "H40.31.01";
	saturday.weekday = 6;
	saturday.pm_start = saturday.pm_end = 690;
}

static void fill_profile(void)
{
	fill_places();
	fill_rest();
	fill_hours();
	directory__import_profile_request__init(&profile);
	profile.manifest_sha256 =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	profile.profile = "nam-dinh-2021";
	profile.units = units;
	profile.n_units = 2;
	profile.agencies = agencies;
	profile.n_agencies = 2;
	profile.calendar = &calendar;
	profile.officers = officers;
	profile.n_officers = 1;
	profile.categories = entries;
	profile.n_categories = 1;
	profile.systems = systems;
	profile.n_systems = 1;
	profile.hours = hours;
	profile.n_hours = 2;
}

static struct err check(void)
{
	struct err err = {0};
	struct arena arena;

	arena_init(&arena, 1 << 20);
	rules_check_profile(&profile, &arena, &err);
	arena_done(&arena);
	return err;
}

static void test_a_right_bundle_passes(void **state)
{
	struct err err;

	(void)state;
	fill_profile();
	err = check();
	if (err.status != 0)
		fail_msg("%s %s", err_code(&err), err.items[0].field);
}

/* One text field set to a wrong value: code and field of the first violation. */
static void test_each_field_is_checked(void **state)
{
	/* clang-format off */
	static const struct {
		const char **where;
		const char *value, *code, *field;
	} cases[] = {
		{&profile.manifest_sha256, "abc", "BAD_MANIFEST", "manifest_sha256"},
		{&profile.profile, "", "BAD_CODE", "profile"},
		{&province.code, "", "BAD_CODE", "units[0].code"},
		{&commune.code, "13 633", "BAD_CODE", "units[1].code"},
		{&commune.level, "village", "UNKNOWN_LEVEL", "units[1].level"},
		{&commune.name, "", "BAD_NAME", "units[1].name"},
		{&commune.valid_from, "2021-02-30", "BAD_DATE", "units[1].valid_from"},
		{&commune.valid_to, "someday", "BAD_DATE", "units[1].valid_to"},
		{&commune.valid_to, "2020-12-31", "BAD_PERIOD", "units[1].valid_to"},
		{&commune.parent_code, "99", "UNKNOWN_REFERENCE", "units[1].parent_code"},
		{&commune.valid_from, "2020-12-31", "UNKNOWN_REFERENCE", "units[1].parent_code"},
		{&commune.successor_code, "13633", "BAD_SUCCESSOR", "units[1].successor_code"},
		{&desk.level, "Z", "UNKNOWN_LEVEL", "agencies[1].level"},
		{&desk.unit_code, "", "UNKNOWN_REFERENCE", "agencies[1].unit_code"},
		{&desk.parent_code, "H41", "UNKNOWN_REFERENCE", "agencies[1].parent_code"},
		{&clerk.subject, "", "BAD_CODE", "officers[0].subject"},
		{&clerk.post, "", "BAD_NAME", "officers[0].post"},
		{&clerk.agency_code, "H40.99", "UNKNOWN_REFERENCE", "officers[0].agency_code"},
		{&clerk.valid_from, "2020-06-01", "UNKNOWN_REFERENCE", "officers[0].agency_code"},
		{&roles[1], "king", "UNKNOWN_ROLE", "officers[0].roles"},
		{&entry.category, "", "BAD_CODE", "categories[0].category"},
		{&entry.name_vi, "", "BAD_NAME", "categories[0].name_vi"},
		{&one_stop.member, "", "BAD_CODE", "systems[0].code"},
		{&one_stop.owner_agency_code, "X", "UNKNOWN_REFERENCE", "systems[0].owner_agency_code"},
		{&calendar.covers_from, "", "BAD_DATE", "calendar.covers_from"},
		{&calendar.covers_to, "2020-12-31", "BAD_PERIOD", "calendar.covers_to"},
		{&tet.date, "2027-01-01", "DAY_NOT_COVERED", "calendar.days[0].date"},
		{&tet.date, "9/2/2024", "BAD_DATE", "calendar.days[0].date"},
		{&tet.kind, "HOLIDAY", "UNKNOWN_DAY_KIND", "calendar.days[0].kind"},
		{&tet.date, "2024-05-04", "DAY_TWICE", "calendar.days"},
		{&saturday.scope, "H40.99", "UNKNOWN_REFERENCE", "hours[1].scope"},
		{&saturday.valid_from, "2020-12-31", "UNKNOWN_REFERENCE", "hours[1].scope"},
		{&everybody.valid_to, "2020-12-31", "BAD_PERIOD", "hours[0].valid_to"},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err;

		fill_profile();
		roles[1] = "cashier";
		*cases[i].where = cases[i].value;
		err = check();
		if (strcmp(err_code(&err), cases[i].code) != 0 ||
		    strcmp(err.items[0].field, cases[i].field) != 0)
			fail_msg("case %zu (%s): %s at %s", i, cases[i].code, err_code(&err),
				 err.items[0].field);
		assert_int_equal(err.status, ERR_INVALID);
	}
	roles[1] = "cashier";
}

static void test_hours_are_in_order_and_weekdays_have_some(void **state)
{
	static const struct {
		Directory__Hours *of;
		uint32_t weekday, am_start, am_end, pm_start, pm_end;
		const char *code;
	} cases[] = {
		{&everybody, 1, 450, 690, 690, 690, ""},
		{&everybody, 1, 0, 0, 0, 0, "BAD_HOURS"},
		{&everybody, 1, 690, 450, 810, 1050, "BAD_HOURS"},
		{&everybody, 1, 450, 690, 600, 1050, "BAD_HOURS"},
		{&everybody, 1, 450, 690, 810, 1441, "BAD_HOURS"},
		{&everybody, 1, 450, 690, 810, 4294967295U, "BAD_HOURS"},
		{&everybody, 0, 450, 690, 810, 1050, "BAD_HOURS"},
		{&everybody, 8, 450, 690, 810, 1050, "BAD_HOURS"},
		{&saturday, 7, 0, 0, 0, 0, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err;

		fill_profile();
		cases[i].of->weekday = cases[i].weekday;
		cases[i].of->am_start = cases[i].am_start;
		cases[i].of->am_end = cases[i].am_end;
		cases[i].of->pm_start = cases[i].pm_start;
		cases[i].of->pm_end = cases[i].pm_end;
		err = check();
		if (strcmp(err.status ? err_code(&err) : "", cases[i].code) != 0)
			fail_msg("case %zu: %s", i, err.status ? err_code(&err) : "passed");
	}
	fill_profile();
	saturday.scope = "*";
	saturday.weekday = 1;
	assert_string_equal(err_code((struct err[]){check()}), "OVERLAPPING_PERIODS");
	saturday.scope = "X"; /* another scope is no overlap */
	assert_int_equal(check().status, 0);
}

static void test_periods_of_a_code_may_touch_but_not_overlap(void **state)
{
	Directory__Unit later;
	struct err err;

	(void)state;
	fill_profile();
	later = commune;
	commune.valid_to = "2024-08-31";
	later.valid_from = "2024-09-01";
	units[2] = &later;
	profile.n_units = 3;
	assert_int_equal(check().status, 0);
	later.valid_from = "2024-08-31";
	err = check();
	assert_string_equal(err_code(&err), "OVERLAPPING_PERIODS");
	assert_string_equal(err.items[0].field, "units[2]");
}

static void test_all_violations_are_told_up_to_a_maximum(void **state)
{
	struct err err;

	(void)state;
	fill_profile();
	commune.name = "";
	desk.level = "";
	tet.kind = "";
	err = check();
	assert_int_equal(err.n_items, 3);
	assert_int_equal(err.status, ERR_INVALID);
}

static void test_a_bundle_without_calendar_is_refused(void **state)
{
	struct err err;

	(void)state;
	fill_profile();
	profile.calendar = NULL;
	err = check();
	assert_string_equal(err_code(&err), "REQUIRED_FIELD");
	assert_string_equal(err.items[0].field, "calendar");
}

/* --- appointments --- */

static struct rules_period period(int from, int to)
{
	return (struct rules_period){.from = from, .to = to};
}

static void test_appointments(void **state)
{
	/* clang-format off */
	const struct {
		struct rules_period posts[2];
		int n;
		struct rules_period new;
		int ends;         /* index, or -1 */
		const char *code; /* "" when allowed */
	} cases[] = {
		{{{0, 0}}, 0, {100, CIVIL_FOREVER}, -1, ""},
		/* The post held there ends the day before. */
		{{{10, CIVIL_FOREVER}}, 1, {100, CIVIL_FOREVER}, 0, ""},
		{{{10, 100}}, 1, {100, CIVIL_FOREVER}, 0, ""},
		/* The same first day again: the row is replaced, nothing ends. */
		{{{100, CIVIL_FOREVER}}, 1, {100, CIVIL_FOREVER}, -1, ""},
		/* A later post stands in the way, unless the new one ends before. */
		{{{150, 200}}, 1, {100, CIVIL_FOREVER}, -1, "LATER_POST"},
		{{{150, 200}}, 1, {100, 149}, -1, ""},
		{{{10, 120}, {150, 200}}, 2, {100, 149}, 0, ""},
		{{{10, 120}, {150, 200}}, 2, {100, 150}, 0, "LATER_POST"},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		int ends = -2;
		int rc = rules_check_appointment(cases[i].posts, cases[i].n, &cases[i].new, &ends,
						 &err);

		assert_string_equal(err_code(&err), cases[i].code);
		assert_int_equal(rc, *cases[i].code ? ERR_CONFLICT : 0);
		if (rc == 0)
			assert_int_equal(ends, cases[i].ends);
	}
}

static void test_officer_needs_a_role(void **state)
{
	struct rules_period p = period(0, 0);
	struct err err = {0};

	(void)state;
	fill_profile();
	assert_int_equal(rules_check_officer(&clerk, "officer", &p, &err), 0);
	assert_int_equal(p.from, civil_from_ymd(2021, 6, 1));
	assert_int_equal(p.to, CIVIL_FOREVER);
	clerk.n_roles = 0;
	assert_int_equal(rules_check_officer(&clerk, "officer", &p, &err), ERR_INVALID);
	assert_string_equal(err.items[0].field, "officer.roles");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_right_bundle_passes),
		cmocka_unit_test(test_each_field_is_checked),
		cmocka_unit_test(test_hours_are_in_order_and_weekdays_have_some),
		cmocka_unit_test(test_periods_of_a_code_may_touch_but_not_overlap),
		cmocka_unit_test(test_all_violations_are_told_up_to_a_maximum),
		cmocka_unit_test(test_a_bundle_without_calendar_is_refused),
		cmocka_unit_test(test_appointments),
		cmocka_unit_test(test_officer_needs_a_role),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
