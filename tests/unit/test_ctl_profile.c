// with: services/ctl/csv.c services/ctl/profile_read.c services/ctl/profile_rules.c services/ctl/profile_rules_catalogue.c services/ctl/profile_hours.c services/ctl/file.c services/ctl/ctl.c services/dossier/rules.c
/*
 * The checker of profiles: the committed profile has no fault, and each broken copy of it has
 * exactly the fault that was made, named by file, line and reason. Run from the top of the tree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "services/ctl/file.h"
#include "services/ctl/profile.h"
#include "services/dossier/rules.h"

#define PROFILE "deploy/profiles/nam-dinh-2021"
#define BYTES   (4 << 20)

static char dir[] = "/tmp/lgsp-profile-XXXXXX";

static void path_of(char out[static 512], const char *folder, const char *name)
{
	snprintf(out, 512, "%s/%s", folder, name);
}

static void copy_file(const char *name)
{
	char from[512], to[512];
	struct buf bytes;

	path_of(from, PROFILE, name);
	path_of(to, dir, name);
	buf_init(&bytes, BYTES);
	assert_int_equal(file_read(from, &bytes), 0);
	assert_int_equal(file_replace(to, bytes.data, bytes.len, 0600), 0);
	buf_done(&bytes);
}

static void copy_all(void)
{
	copy_file("manifest.csv");
	for (int f = 0; f < PROFILE_FILES; f++)
		copy_file(profile_file_name((enum profile_file)f));
}

/* Replaces the first occurrence of a text in a file of the copy; an empty one: appends. */
static void edit(const char *name, const char *old, const char *new)
{
	char path[512];
	struct buf bytes, out;

	path_of(path, dir, name);
	buf_init(&bytes, BYTES);
	buf_init(&out, BYTES);
	assert_int_equal(file_read(path, &bytes), 0);
	const char *text = buf_str(&bytes);
	const char *at = old[0] ? strstr(text, old) : text + bytes.len;

	assert_non_null(at);
	buf_append(&out, text, (size_t)(at - text));
	buf_puts(&out, new);
	buf_puts(&out, at + strlen(old));
	assert_int_equal(file_replace(path, out.data, out.len, 0600), 0);
	buf_done(&bytes);
	buf_done(&out);
}

struct broken {
	const char *file, *old, *new;
	const char *fault; /* a part of the report */
	unsigned faults;   /* how many lines it has */
};

static const struct broken broken[] = {
	/* cells */
	{"units.csv", "356,district,36,", "356,county,36,",
	 "units.csv:3: level \"county\" is none of", 0},
	{"agencies.csv", "H40.02,H40,T,36,Sở Nội vụ,2021-01-01",
	 "H40.02,H40,T,36,Sở Nội vụ,2021-13-01",
	 "agencies.csv:4: valid_from \"2021-13-01\" is not a date", 0},
	{"fees.csv", ",15000,", ",15000.5,",
	 "fees.csv:2: amount_vnd \"15000.5\" is not a whole number", 0},
	{"components.csv", ",true,", ",yes,", "components.csv:2: required \"yes\" is neither", 1},
	{"officers.csv", ",leader,", ",boss,", "officers.csv:2: roles: \"boss\" is none of", 1},
	{"categories.csv", "Hộ tịch", "H\xe1\xbb t", "categories.csv:2: not UTF-8", 0},
	{"categories.csv", "reason-stop,unpaid,", "reason-halt,unpaid,",
	 "categories.csv: no entry unpaid of reason-stop", 1},
	{"categories.csv", ",Lý do khác,another reason,true,", ",Lý do khác,another reason,yes,",
	 "needs_note \"yes\" is neither", 1},
	{"steps.csv", "1.001193,1,clerk", "1.001193,1,\"cl\"erk", "steps.csv:2: not CSV", 0},
	{"systems.csv", "", "one,two\n", "systems.csv:11: 2 cells instead of 6", 1},
	{"targets.csv", "indicator,scope", "indicator,skope",
	 "targets.csv:1: unknown column \"skope\"", 0},
	{"targets.csv", "indicator,scope", "indicator,due", "targets.csv:1: column due twice", 0},
	/* units and agencies */
	{"units.csv", "358,district,36,Huyện Mỹ Lộc,2021-01-01,2024-08-31,356",
	 "358,district,36,Huyện Mỹ Lộc,2021-01-01,2024-08-31,",
	 "units.csv:30: parent_gso_code: unit 358 is not in force on 2024-09-01", 0},
	{"units.csv", "2024-08-31,356", "2024-08-31,999",
	 "units.csv:29: successor: there is no unit 999", 0},
	{"units.csv", "37,province,,Tỉnh Ninh Bình,2025-07-01",
	 "37,province,,Tỉnh Ninh Bình,2025-07-02",
	 "units.csv:2: successor 37 is not in force on 2025-07-01", 1},
	{"units.csv", "13633,commune,356,", "13633,commune,13636,",
	 "units.csv:4: parent 13636 is a commune", 1},
	{"units.csv", "", "356,district,36,Thành phố khác,2025-01-01,,\n",
	 "units.csv:240: unit 356 is in force twice", 0},
	{"agencies.csv", "H40.31.01,H40.31,X,13633", "H40.31.01,H40.99,X,13633",
	 "agencies.csv:23: parent_agency_code: there is no agency H40.99", 0},
	{"agencies.csv", "H40.31.01,H40.31,X,13633", "H40.31.01,H40.31,X,99999",
	 "agencies.csv:23: gso_unit_code: there is no unit 99999", 1},
	{"agencies.csv", "H40.31,H40,H,356", "H40.31,H40.31.01,H,356",
	 "agencies.csv:22: parent H40.31.01 is of a lower level", 0},
	{"agencies.csv", "H40.31,H40,H,356", "H40.31,H40.31.01,H,356",
	 "agencies.csv:22: its parents form a circle", 0},
	{"agencies.csv",
	 "H40.31.01,H40.31,X,13633,Ủy ban nhân dân phường Hạ Long,2021-01-01,2025-06-30",
	 "H40.31.01,H40.31,X,13633,Ủy ban nhân dân phường Hạ Long,2025-06-30,2021-01-01",
	 "agencies.csv:23: valid_to is before valid_from", 0},
	/* calendar */
	{"calendar.csv", "2021-01-01,OFF", "2020-12-31,OFF",
	 "calendar.csv:2: 2020-12-31 lies outside the calendar's coverage", 1},
	{"calendar.csv", "2021-02-11,OFF", "2021-02-10,OFF",
	 "calendar.csv:4: 2021-02-10 twice (see line 3)", 1},
	{"calendar.csv", "2021-02-11,OFF", "2021-02-11,WORK",
	 "calendar.csv:4: WORK, but 2021-02-11 is no weekend", 1},
	{"manifest.csv", "reply_days,30", "reply_days,soon",
	 "manifest.csv:7: reply_days is no number of days, 1..180", 1},
	{"manifest.csv", "reply_days,30", "reply_days,181",
	 "manifest.csv:7: reply_days is no number of days, 1..180", 1},
	{"manifest.csv", "reply_days_basis,", "reply_days_why,",
	 "manifest.csv: no line reply_days_basis", 1},
	{"manifest.csv", "calendar_from,2021-01-01", "calendar_from,2027-01-01",
	 "manifest.csv: calendar_to is before calendar_from", 0},
	{"manifest.csv", "demo_time,2024", "demo_time,2034", "demo_time lies outside", 1},
	{"manifest.csv", "demo_time,", "demo-time,", "manifest.csv: no line demo_time", 1},
	/* hours */
	{"hours.csv", "07:30-11:30,13:30", "07:30-1:30,13:30",
	 "hours.csv:2: am and pm are no hours of weekdays 1 2 3 4 5", 1},
	{"hours.csv", "07:30-11:30,13:30", "11:30-07:30,13:30",
	 "hours.csv:2: am and pm are no hours", 1},
	{"hours.csv", "07:30-11:30,13:30-17:30", "07:60-11:30,13:30-17:30",
	 "hours.csv:2: am and pm are no hours", 1},
	{"hours.csv", "07:30-11:30,13:30-17:30", ",", "hours.csv:2: am and pm are no hours", 1},
	{"hours.csv", "07:30-11:30,13:30-17:30", "07:30-11:30,11:00-17:30",
	 "hours.csv:2: am and pm are no hours", 1},
	{"hours.csv", "", "*,5 6,08:00-12:00,,2025-01-01,,assumed\n",
	 "hours.csv:4: a weekday of * has hours twice on some days (see line 2)", 1},
	{"hours.csv", "", "H,5,08:00-12:00,,2025-01-01,2024-12-31,assumed\n",
	 "hours.csv:4: valid_to is before valid_from", 1},
	{"hours.csv", "H40.19,6", "H40.99,6",
	 "hours.csv:3: scope: H40.99 is neither *, a level nor an agency in force", 1},
	{"hours.csv", "H40.19,6", "H40.19,0", "hours.csv:3: weekdays: \"0\" is none of", 0},
	/* people and systems */
	{"officers.csv", ",H40.31.01,", ",H40.31.77,", "agency_code: there is no agency H40.31.77",
	 1},
	{"officers.csv", "2021-01-01,2025-06-30", "2021-01-01,2025-07-01",
	 "officers.csv:2: agency_code: agency H40 is not in force on 2025-07-01", 1},
	{"systems.csv", "VN/GOV/H40/one-stop", "VN/GOV/one-stop",
	 "systems.csv:10: member is not instance/class/member/subsystem", 1},
	/* procedures */
	{"procedures.csv", "1.001193,Đăng ký khai sinh,ho-tich,X,",
	 "1.001193,Đăng ký khai sinh,ho-tich,XX,", "procedures.csv:2: levels \"XX\"", 1},
	{"procedures.csv", "1.001193,Đăng ký khai sinh,ho-tich,",
	 "1.001193,Đăng ký khai sinh,ho-so,", "procedures.csv:2: field: no procedure-field ho-so",
	 1},
	{"procedures.csv", "giay-khai-sinh", "giay-khac",
	 "procedures.csv:2: result_type: no record-type giay-khac", 1},
	{"procedures.csv", "same_day,0,,0,4,child", "same_day,1,,0,4,child",
	 "procedures.csv:2: limit_value does not go with limit_unit", 1},
	{"procedures.csv", "working_day,3,le_phi,15000", "working_day,3,,15000",
	 "procedures.csv:5: fee_kind \"\" does not go with fee_vnd", 0},
	{"procedures.csv", "working_day,3,le_phi,15000", "working_day,1,le_phi,15000",
	 "procedures.csv:5: its steps take 24 hours, its limit leaves 8", 1},
	{"procedures.csv", "working_day,3,le_phi,15000", "working_day,3,le_phi,16000",
	 "fees.csv:2: is not the fee of procedures.csv:5", 2},
	{"procedures.csv", "working_day,3,le_phi,15000", "working_day,3,le_phi,16000",
	 "procedures.csv:5: fee-items.csv makes 15000 dong, fee_vnd is 16000", 2},
	{"procedures.csv", "false,full,true,", "false,information,true,",
	 "procedures.csv:2: online_service information does not go with online_level 4", 1},
	{"procedures.csv", "false,full,true,", "false,full,false,",
	 "procedures.csv:2: is offered at level 4, but not eligible", 1},
	{"procedures.csv", "true,,2020-12-15,2020-12-21,0", "true,,,2020-12-21,0",
	 "procedures.csv:2: published_on without decided_on", 1},
	{"procedures.csv", "true,,2020-12-15,2020-12-21,0",
	 "true,1/QĐ-UBND,2021-01-02,2021-01-01,0",
	 "procedures.csv:2: published_on is before decided_on", 1},
	{"steps.csv", "1.001193,2,officer", "1.001193,3,officer",
	 "steps.csv:3: ordinal 3 instead of 2", 0},
	{"components.csv", "1.001193,to-khai", "9.999999,to-khai",
	 "components.csv:2: there is no procedure 9.999999", 1},
	{"components.csv", ",giay-chung-sinh,1,", ",giay-la,1,",
	 "components.csv:3: record_types: no record-type giay-la", 1},
	{"form-fields.csv", "1.001193,ngay_sinh", "1.001193,ho_ten_tre",
	 "form-fields.csv:3: name ho_ten_tre twice (see line 2)", 1},
	{"form-fields.csv", "text,true,100,2,letters", "text,true,100,2,words",
	 "form-fields.csv:2: pattern \"words\" is none of: letters", 1},
	{"form-fields.csv", "text,true,100,2,letters", "date,true,100,2,letters",
	 "form-fields.csv:2: pattern is only for text", 1},
	{"form-fields.csv", "not_future", "not_tomorrow",
	 "form-fields.csv:3: date_rule \"not_tomorrow\" is none of: not_future", 1},
	{"form-fields.csv", "integer,true,3,0,,,1,99", "integer,true,3,0,,,99,1",
	 "min \"99\" and max \"1\" are no range", 1},
	{"form-fields.csv", "integer,true,3,0,,,1,99", "text,true,3,0,,,1,99",
	 "min is only for integer decimal money", 2},
	{"form-fields.csv", "choice,false,20", "text,false,20", "options go with type choice", 1},
	{"form-fields.csv", "chua-ket-hon=Chưa đăng ký kết hôn", "chua-ket-hon",
	 "options: \"chua-ket-hon\" is not code=label", 1},
	{"form-fields.csv", "tinh_trang=da-ly-hon", "tinh=da-ly-hon",
	 "form-fields.csv:14: required_if: the form has no field tinh", 1},
	{"form-fields.csv", "tinh_trang=da-ly-hon", "ngay_ly_hon",
	 "form-fields.csv:14: required_if: asks its own field", 1},
	{"components.csv", "tinh_trang=da-ly-hon", "ngay_sinh",
	 "components.csv:10: required_if: the form has no field ngay_sinh", 1},
	{"steps.csv", "1.001193,1,clerk,receiving", "1.001193,1,clerk,H40.77",
	 "steps.csv:2: agency_rule: \"H40.77\" is neither", 1},
	{"steps.csv", "accept refuse", "approve refuse", "actions: there is no act \"approve\"", 1},
	{"opinions.csv", "1.009994,2,H40.09", "1.009994,5,H40.09",
	 "opinions.csv:2: procedure 1.009994 has no step 5", 1},
	{"opinions.csv", "1.009994,2,H40.09", "1.009994,2,H40.99",
	 "opinions.csv:2: there is no agency H40.99", 1},
	{"opinions.csv", "1.009994,2,H40.09", "1.009994,2,H40.10",
	 "opinions.csv:3: the same opinion as in line 2", 1},
	{"legal-basis.csv", "1.001193,60/2014/QH13", "9.001193,60/2014/QH13",
	 "legal-basis.csv:2: there is no procedure 9.001193", 1},
	{"fee-items.csv", "phí giải quyết thủ tục,le_phi,15000", "phí giải quyết thủ tục,phi,15000",
	 "fee-items.csv:2: kind phi is not that of", 1},
	/* channels */
	{"channels.csv", "post,2021", "mail,2021", "channels.csv:3: channel \"mail\" is none of",
	 2},
	{"channels.csv", "post,2021", "counter,2021",
	 "channels.csv:3: channel counter is in force twice on some days (see line 2)", 2},
	{"channels.csv", "post,2021", "counter,2021", "channels.csv: says nothing of channel post",
	 2},
	{"channels.csv", ",https://dichvucong.gov.vn", ",",
	 "channels.csv:4: closes, but does not say where to file instead", 1},
	/* money */
	{"fees.csv", "1.004873,le_phi", "1.00487,le_phi",
	 "fees.csv:2: procedure_code: there is no procedure", 2},
	{"accounts.csv", "970436", "97043", "accounts.csv:2: bin is not six digits", 1},
	{"accounts.csv", "H40,970436", "H40.01,970436", "has an account on 2021-01-01", 0},
	/* indicators and targets */
	{"targets.csv", "R2-04,ALL", "R9-04,ALL", "targets.csv:5: there is no indicator R9-04", 1},
	{"targets.csv", "R2-01,T,", "R2-01,X,",
	 "targets.csv:2: scope X, but R2-01 is measured for T", 1},
	{"targets.csv", "2025-12-31,>=,20,", "2025-12-31,>=,20.123,",
	 "value \"20.123\" is no number", 1},
	{"targets.csv", "R2-01,T,2025-12-31,>=", "R2-01,T,2025-12-31,milestone",
	 "targets.csv:2: operator milestone for an indicator of kind stock", 1},
	{"targets.csv", "R2-05,ALL,2030-12-31", "R2-05,ALL,2025-12-31",
	 "the same target as in line 6", 1},
	{"indicators.csv", "R2-02,", "R2-01,", "indicators.csv:3: R2-01 twice", 0},
};

static void test_committed_profile_is_whole(void **state)
{
	struct profile p;

	(void)state;
	profile_load(&p, PROFILE);
	profile_check(&p);
	assert_string_equal(buf_str(&p.report.text), "");
	assert_int_equal(p.report.n, 0);
	assert_string_equal(p.name, "nam-dinh-2021");
	assert_int_equal(p.covers_to, civil_from_ymd(2026, 12, 31));
	assert_int_equal(p.tables[PROFILE_AGENCIES].n_rows, 270);
	assert_int_equal(p.tables[PROFILE_TARGETS].n_rows, 75);
	profile_done(&p);
}

static void test_each_broken_copy_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		const struct broken *b = &broken[i];
		struct profile p;

		copy_all();
		edit(b->file, b->old, b->new);
		assert_int_equal(profile_seal(dir), 0);
		profile_load(&p, dir);
		profile_check(&p);
		if (!strstr(buf_str(&p.report.text), b->fault))
			fail_msg("case %zu: \"%s\" is not in:\n%s", i, b->fault,
				 buf_str(&p.report.text));
		if (b->faults > 0 && b->faults != p.report.n)
			fail_msg("case %zu: %u faults instead of %u:\n%s", i, p.report.n, b->faults,
				 buf_str(&p.report.text));
		profile_done(&p);
	}
}

/* The acts a step may name are those of the state table. */
static void test_every_act_may_stand_in_a_step(void **state)
{
	char new[80];

	(void)state;
	for (int a = 1; a <= RULES_ACTIONS; a++) {
		struct profile p;

		copy_all();
		snprintf(new, sizeof(new), "%s refuse", rules_action_name((enum rules_action)a));
		edit("steps.csv", "accept refuse", new);
		assert_int_equal(profile_seal(dir), 0);
		profile_load(&p, dir);
		profile_check(&p);
		assert_string_equal(buf_str(&p.report.text), "");
		profile_done(&p);
	}
}

/* All faults at once, not only the first. */
static void test_all_faults_are_reported(void **state)
{
	struct profile p;

	(void)state;
	copy_all();
	edit("officers.csv", ",leader,", ",boss,");
	edit("calendar.csv", "2021-01-01,OFF", "2020-12-31,OFF");
	edit("targets.csv", "R2-04,ALL", "R9-04,ALL");
	assert_int_equal(profile_seal(dir), 0);
	profile_load(&p, dir);
	profile_check(&p);
	assert_int_equal(p.report.n, 3);
	assert_non_null(strstr(buf_str(&p.report.text), "officers.csv:2: "));
	assert_non_null(strstr(buf_str(&p.report.text), "calendar.csv:2: "));
	assert_non_null(strstr(buf_str(&p.report.text), "targets.csv:5: "));
	profile_done(&p);
}

/* The bundle is immutable: a file that is not the manifest's, a stranger, a missing one. */
static void test_bundle_is_what_the_manifest_says(void **state)
{
	struct profile p;
	char path[512];

	(void)state;
	copy_all();
	edit("units.csv", "Phường Hạ Long", "Phường Hạ");
	path_of(path, dir, "extra.csv");
	assert_int_equal(file_replace(path, "a\n", 2, 0600), 0);
	path_of(path, dir, "fees.csv");
	assert_int_equal(unlink(path), 0);
	profile_load(&p, dir);
	assert_non_null(strstr(buf_str(&p.report.text), "units.csv: changed: its SHA-256"));
	assert_non_null(strstr(buf_str(&p.report.text), "extra.csv: no file of a profile"));
	assert_non_null(strstr(buf_str(&p.report.text), "fees.csv: No such file"));
	profile_done(&p);
	path_of(path, dir, "extra.csv");
	unlink(path);
}

static void test_hundredths(void **state)
{
	static const struct {
		const char *text;
		int64_t value;
	} cases[] = {
		{"80", 8000}, {"12.5", 1250}, {"12.55", 1255}, {"0", 0},           {"1", 100},
		{"", -1},     {".5", -1},     {"5.", -1},      {"1.234", -1},      {"-1", -1},
		{"1e3", -1},  {"1 ", -1},     {"1.2.3", -1},   {"9999999999", -1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(profile_hundredths(cases[i].text), cases[i].value);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char path[512];

	(void)state;
	copy_all();
	path_of(path, dir, "manifest.csv");
	unlink(path);
	for (int f = 0; f < PROFILE_FILES; f++) {
		path_of(path, dir, profile_file_name((enum profile_file)f));
		unlink(path);
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_committed_profile_is_whole),
		cmocka_unit_test(test_each_broken_copy_is_named),
		cmocka_unit_test(test_every_act_may_stand_in_a_step),
		cmocka_unit_test(test_all_faults_are_reported),
		cmocka_unit_test(test_bundle_is_what_the_manifest_says),
		cmocka_unit_test(test_hundredths),
	};

	return cmocka_run_group_tests_name("ctl_profile", tests, set_up, tear_down);
}
