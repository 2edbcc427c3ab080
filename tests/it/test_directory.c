/*
 * The directory with a real broker and a real database, asked as a caller asks it; and the
 * reference data that another service keeps of it: this program is that service (--as=task) and
 * shows what it knows through the directory's own messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/civil.h"
#include "common/base/clock.h"
#include "common/svc/refdata.h"
#include "lgsp/directory/v1/events.pb-c.h"
#include "tests/support/ask.h"
#include "tests/support/busrig.h"
#include "tests/support/pg.h"
#include "tests/support/svcd.h"

/* 2024-05-21 08:00 +07:00, when the profile is in force, as an offset to a test's now. */
#define DEMO_US 1716253200000000LL

static const struct person system_itself = {.subject = NULL};
static const struct person operator= {.subject = "op", .role = "operator", .agency = "H40"};
static const struct person clerk = {.subject = "officer-1", .role = "clerk", .agency = "H40.31.01"};
static const struct person citizen = {.subject = "citizen-1", .role = "citizen", .agency = ""};

static struct pg *pg;
static struct busd *bus;
static struct busrig *rig;
static struct svcd *dir;
static struct ask gateway, tool, task;
static char offset[64];

/* --- the other service --- */

static void ref_get_agency(Directory__DirectoryService_Service *svc,
			   const Directory__GetAgencyRequest *in,
			   Directory__GetAgencyReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__GetAgencyReply out = DIRECTORY__GET_AGENCY_REPLY__INIT;
	Directory__Agency agency = DIRECTORY__AGENCY__INIT;
	struct refdata_agency found;
	int32_t day = 0;
	int rc;

	(void)svc;
	civil_parse(in->on_date, &day);
	rc = refdata_agency(c, in->code, day, &found);
	if (rc == 0)
		err_set(&c->err, &err_not_found, "code", in->code);
	if (rc <= 0)
		return call_fail(c);
	agency.code = found.code;
	agency.parent_code = found.parent_code;
	agency.level = found.level;
	agency.unit_code = found.unit_code;
	agency.name = found.name;
	out.agency = &agency;
	reply(&out, data);
}

/* covers_to: the first working day after 2024-05-30; in a transaction, as a handler would ask. */
static void ref_get_calendar(Directory__DirectoryService_Service *svc,
			     const Directory__GetCalendarRequest *in,
			     Directory__GetCalendarReply_Closure reply, void *data)
{
	struct call *c = call_of(data);
	Directory__GetCalendarReply out = DIRECTORY__GET_CALENDAR_REPLY__INIT;
	Directory__Calendar calendar = DIRECTORY__CALENDAR__INIT;
	const struct calendar *cal;
	int64_t pos;
	char next[11];

	(void)svc;
	(void)in;
	tx_begin(c);
	if (refdata_calendar(c, &cal, &pos) < 0)
		return call_fail(c);
	civil_format(calendar_add_working_days(cal, civil_from_ymd(2024, 5, 30), 1), next);
	calendar.version = calendar_version(cal);
	calendar.covers_to = next;
	refdata_calendar_put(cal);
	out.calendar = &calendar;
	if (tx_commit(c, NULL) < 0)
		return call_fail(c);
	reply(&out, data);
}

static Directory__DirectoryService_Service ref_handlers = {
	.base = {.descriptor = &directory__directory_service__descriptor,
		 .invoke = protobuf_c_service_invoke_internal},
	.get_agency = ref_get_agency,
	.get_calendar = ref_get_calendar,
};
static const struct rpc_row ref_rows[] = {{"GetAgency", RPC_SYSTEM, RPC_READ, ""},
					  {"GetCalendar", RPC_SYSTEM, RPC_READ, ""}};
static const struct rpc_table ref_rpcs = {.service = "task",
					  .descriptor = &directory__directory_service__descriptor,
					  .rows = ref_rows,
					  .n_rows = ARRAY_LEN(ref_rows)};
static const struct svc_consumer ref_consumers[] = {
	{.source = "directory", .apply = refdata_apply}};
static const struct svc ref_service = {.name = "task",
				       .rpcs = &ref_rpcs,
				       .handlers = &ref_handlers.base,
				       .consumers = ref_consumers,
				       .n_consumers = 1};

/* --- the rig --- */

static const struct busd_member members[] = {
	{"directory", "VN/GOV/H40/lgsp-directory"},
	{"task", "VN/GOV/H40/lgsp-task"},
	{"gateway", "VN/GOV/H40/lgsp-gateway"},
	{"operator", "VN/GOV/H40/lgsp-operator"},
};
static const char rights[] = "serve VN/GOV/H40/lgsp-directory directory\n"
			     "serve VN/GOV/H40/lgsp-task task\n"
			     "grant VN/GOV/H40/lgsp-task directory *\n"
			     "feed VN/GOV/H40/lgsp-task directory directory\n"
			     "grant VN/GOV/H40/lgsp-gateway directory * acts_for\n"
			     "feed VN/GOV/H40/lgsp-gateway directory * acts_for\n"
			     "grant VN/GOV/H40/lgsp-operator directory *\n"
			     "feed VN/GOV/H40/lgsp-operator directory *\n"
			     "grant VN/GOV/H40/lgsp-operator task *\n";

static void client_of(struct ask *a, const char *name, const char *service)
{
	struct bus_keys keys = busd_keys(bus, name);

	ask_init(a, busrig_client(rig, busd_member_endpoint(bus), &keys), service);
}

static struct svcd *start(const char *service, const char *option)
{
	static const char *env[] = {offset, NULL};
	const struct svcd_config config = {.service = service,
					   .bus = bus,
					   .dsn = pg_dsn(pg, service),
					   .env = env,
					   .self_option = option};

	return svcd_start(&config);
}

static int group_setup(void **state)
{
	static const char *env[] = {offset, NULL};

	(void)state;
	snprintf(offset, sizeof(offset), "LGSP_CLOCK_OFFSET_US=%lld",
		 (long long)(DEMO_US - clock_wall_us()));
	pg = pg_new("directory task");
	bus = busd_start(members, ARRAY_LEN(members), rights, env);
	rig = busrig_new();
	client_of(&gateway, "gateway", "directory");
	client_of(&tool, "operator", "directory");
	client_of(&task, "operator", "task");
	dir = start("directory", NULL);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	svcd_free(dir);
	ask_done(&gateway);
	ask_done(&tool);
	ask_done(&task);
	busrig_free(rig);
	busd_free(bus);
	pg_free(pg);
	return 0;
}

/* --- a bundle --- */

static const char *officer_roles[] = {"clerk"};
static Directory__Unit province = DIRECTORY__UNIT__INIT;
static Directory__Agency office = DIRECTORY__AGENCY__INIT, desk = DIRECTORY__AGENCY__INIT;
static Directory__Officer officer = DIRECTORY__OFFICER__INIT;
static Directory__CategoryEntry entry = DIRECTORY__CATEGORY_ENTRY__INIT;
static Directory__System one_stop = DIRECTORY__SYSTEM__INIT;
static Directory__Hours usual, level, own;
static Directory__CalendarDay holiday = DIRECTORY__CALENDAR_DAY__INIT;
static Directory__Calendar calendar = DIRECTORY__CALENDAR__INIT;

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

static void fill_bundle(Directory__ImportProfileRequest *in)
{
	static Directory__Unit *units[] = {&province};
	static Directory__Agency *agencies[] = {&office, &desk};
	static Directory__Officer *officers[] = {&officer};
	static Directory__CategoryEntry *entries[] = {&entry};
	static Directory__System *systems[] = {&one_stop};
	static Directory__CalendarDay *days[] = {&holiday};
	static Directory__Hours *hours[] = {&usual, &level, &own};

	directory__import_profile_request__init(in);
	in->manifest_sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	in->profile = "test";
	province = (Directory__Unit)DIRECTORY__UNIT__INIT;
	province.code = "36";
	province.level = "province";
	/* Decomposed, as some systems export it; stored composed. */
	province.name = "Ti\xcc\x89nh Nam \xc4\x90i\xcc\xa3nh";
	province.valid_from = "2021-01-01";
	province.valid_to = "2025-06-30";
	office = (Directory__Agency)DIRECTORY__AGENCY__INIT;
	office.code = "H40";
	office.level = "T";
	office.unit_code = "36";
	office.name = "Ủy ban nhân dân tỉnh Nam Định";
	office.valid_from = "2021-01-01";
	office.valid_to = "2025-06-30";
	desk = office;
	desk.code = "H40.31.01";
	desk.parent_code = "H40";
	desk.level = "X";
	desk.name = "Ủy ban nhân dân phường Hạ Long";
	officer.subject = "officer-1";
	officer.name = "Trần Thị Thử";
	officer.agency_code = "H40.31.01";
	officer.post = "Công chức một cửa";
	officer.roles = officer_roles;
	officer.n_roles = 1;
	officer.valid_from = "2022-01-01";
	entry.category = "procedure-field";
	entry.code = "civil-status";
	entry.name_vi = "Hộ tịch";
	entry.name_en = "civil status";
	entry.valid_from = "2021-01-01";
	entry.needs_note = true;
	one_stop.member = "VN/GOV/H40/one-stop";
	one_stop.name = "Một cửa";
	one_stop.owner_agency_code = "H40";
	one_stop.valid_from = "2021-01-01";
	holiday.date = "2024-05-01";
	holiday.kind = "OFF";
	holiday.why = "Quốc tế Lao động";
	calendar = (Directory__Calendar)DIRECTORY__CALENDAR__INIT;
	calendar.covers_from = "2021-01-01";
	calendar.covers_to = "2026-12-31";
	calendar.days = days;
	calendar.n_days = 1;
	in->units = units;
	in->n_units = 1;
	in->agencies = agencies;
	in->n_agencies = 2;
	in->officers = officers;
	in->n_officers = 1;
	in->categories = entries;
	in->n_categories = 1;
	in->systems = systems;
	in->n_systems = 1;
	in->calendar = &calendar;
	fill_hours(&usual, "*", 1, 420);
	fill_hours(&level, "X", 2, 430);
	fill_hours(&own, "H40.31.01", 1, 440);
	in->hours = hours;
	in->n_hours = 3;
}

static int import(const Directory__ImportProfileRequest *in)
{
	Directory__ImportProfileReply *out = NULL;

	if (ask(&tool, &system_itself, "ImportProfile", &in->base,
		&directory__import_profile_reply__descriptor, &out) < 0)
		return tool.err.status;
	return out->changed;
}

static int64_t stored(const char *sql)
{
	return pg_int(pg, "directory", sql);
}

static int64_t events(void)
{
	assert_true(pg_wait_int(pg, "directory", "SELECT count(*) FROM outbox", 0, 5000));
	return stored("SELECT pos FROM feed_head");
}

/* --- the program --- */

/* Runs lgsp-directory of this build; its exit code, its output in out. */
static int run(const char *env, const char *option, char out[static 8192])
{
	char self[400], cmd[2200];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	FILE *pipe;
	size_t len;

	assert_true(n > 0);
	self[n] = '\0';
	*strstr(self, "/tests/") = '\0';
	snprintf(cmd, sizeof(cmd), "env -i %s %s/bin/lgsp-directory %s 2>&1", env, self, option);
	pipe = popen(cmd, "r");
	assert_non_null(pipe);
	len = fread(out, 1, 8191, pipe);
	out[len] = '\0';
	return WEXITSTATUS(pclose(pipe));
}

static void test_options_and_exit_codes(void **state)
{
	char out[8192], env[256];

	(void)state;
	assert_int_equal(run("", "--help", out), 0);
	assert_non_null(strstr(out, "LGSP_DSN"));
	assert_int_equal(run("", "--version", out), 0);
	assert_int_equal(run("", "--nonsense", out), EXIT_USAGE);
	assert_int_equal(run("", "--check", out), EXIT_CONFIG);
	assert_non_null(strstr(out, "LGSP_KEY"));
	snprintf(env, sizeof(env), "LGSP_HTTP=unix:%s/h", svcd_dir(dir));
	assert_int_equal(run(env, "--healthcheck", out), 0);
	assert_int_equal(run("LGSP_HTTP=unix:/nowhere/h", "--healthcheck", out), 1);
	assert_int_equal(run("", "--healthcheck", out), EXIT_CONFIG);
}

static void test_check_validates_everything(void **state)
{
	char out[8192], env[1200], key[256];
	int n;

	(void)state;
	busd_secret_path(bus, "directory", key);
	n = snprintf(env, sizeof(env),
		     "LGSP_BUS_BACKEND=%s LGSP_BUS_MEMBER=%s LGSP_KEY=%s LGSP_BUS_KEY=%s"
		     " LGSP_DSN=dbname=x LGSP_HTTP=unix:/tmp/x LGSP_OWNER_KEY=%s/owner.key",
		     busd_backend_endpoint(bus), busd_member_endpoint(bus), key, busd_key_path(bus),
		     svcd_dir(dir));
	assert_int_equal(run(env, "--check", out), 0);
	snprintf(env + n, sizeof(env) - (size_t)n, " LGSP_WORKERS=0");
	assert_int_equal(run(env, "--check", out), EXIT_CONFIG);
	assert_non_null(strstr(out, "LGSP_WORKERS"));
	snprintf(env + n, sizeof(env) - (size_t)n, " LGSP_OWNER_KEY=%s", key);
	assert_int_equal(run(env, "", out), EXIT_CONFIG);
	assert_non_null(strstr(out, "BAD_OWNER_KEY"));
	/* A public certificate where the secret one belongs. */
	snprintf(env + n, sizeof(env) - (size_t)n, " LGSP_KEY=%s", busd_key_path(bus));
	assert_int_equal(run(env, "--check", out), EXIT_CONFIG);
}

/* --- import --- */

static void test_import_writes_and_tells_what_changed(void **state)
{
	Directory__ImportProfileRequest in;

	(void)state;
	fill_bundle(&in);
	assert_int_equal(import(&in), 10);
	assert_int_equal(events(), 10);
	assert_int_equal(stored("SELECT count(*) FROM unit WHERE name ="
				" 'Tỉnh Nam Định'"),
			 1);
	/* Again: nothing is written, nobody is told. */
	assert_int_equal(import(&in), 0);
	assert_int_equal(events(), 10);
	/* One row differs. */
	desk.name = "Ủy ban nhân dân phường Hạ Long (mới)";
	assert_int_equal(import(&in), 1);
	assert_int_equal(events(), 11);
	assert_int_equal(stored("SELECT version FROM feed WHERE pos = 11"), 2);
	assert_int_equal(stored("SELECT count(*) FROM feed WHERE pos = 11"
				" AND type = 'directory.agency_put'"
				" AND subject = 'agency/H40.31.01'"),
			 1);
}

static void test_a_wrong_bundle_changes_nothing(void **state)
{
	Directory__ImportProfileRequest in;
	int64_t before = events();

	(void)state;
	fill_bundle(&in);
	province.name = "Tên mới";
	desk.parent_code = "H99";
	assert_int_equal(import(&in), ERR_INVALID);
	assert_true(ask_has(&tool, "UNKNOWN_REFERENCE", "agencies[1].parent_code"));
	/* Right in itself, but it overlaps a period that is stored. */
	fill_bundle(&in);
	province.name = "Tên mới";
	province.valid_from = "2020-01-01";
	assert_int_equal(import(&in), ERR_CONFLICT);
	assert_true(ask_has(&tool, "OVERLAPPING_PERIODS", NULL));
	assert_int_equal(stored("SELECT count(*) FROM unit"), 1);
	assert_int_equal(events(), before);
}

static void test_import_is_not_for_people(void **state)
{
	Directory__ImportProfileRequest in;

	(void)state;
	fill_bundle(&in);
	assert_int_equal(ask(&gateway, &operator, "ImportProfile", &in.base,
			     &directory__import_profile_reply__descriptor, NULL),
			 ERR_DENIED);
}

/* --- reading --- */

static int get_agency(struct ask *a, const struct person *who, const char *code, const char *day,
		      Directory__GetAgencyReply **ret)
{
	Directory__GetAgencyRequest in = DIRECTORY__GET_AGENCY_REQUEST__INIT;

	in.code = code;
	in.on_date = day;
	return ask(a, who, "GetAgency", &in.base, &directory__get_agency_reply__descriptor, ret);
}

static void test_rows_are_dated(void **state)
{
	Directory__GetAgencyReply *out;

	(void)state;
	assert_int_equal(get_agency(&gateway, &citizen, "H40.31.01", "", &out), 0);
	assert_string_equal(out->agency->parent_code, "H40");
	assert_string_equal(out->agency->valid_to, "2025-06-30");
	assert_int_equal(get_agency(&gateway, &citizen, "H40.31.01", "2025-06-30", &out), 0);
	assert_int_equal(get_agency(&gateway, &citizen, "H40.31.01", "2025-07-01", &out),
			 ERR_NOT_FOUND);
	assert_int_equal(get_agency(&gateway, &citizen, "H40.31.01", "2020-12-31", &out),
			 ERR_NOT_FOUND);
	assert_int_equal(get_agency(&gateway, &citizen, "H40.31.01", "tomorrow", &out),
			 ERR_INVALID);
	assert_true(ask_has(&gateway, "BAD_DATE", "on_date"));
}

static void test_lists_are_paged(void **state)
{
	Directory__ListAgenciesRequest in = DIRECTORY__LIST_AGENCIES_REQUEST__INIT;
	Directory__ListAgenciesReply *out;

	(void)state;
	in.limit = 1;
	assert_int_equal(ask(&gateway, &citizen, "ListAgencies", &in.base,
			     &directory__list_agencies_reply__descriptor, &out),
			 0);
	assert_int_equal(out->n_agencies, 1);
	assert_string_equal(out->agencies[0]->code, "H40");
	in.after_code = "H40";
	assert_int_equal(ask(&gateway, &citizen, "ListAgencies", &in.base,
			     &directory__list_agencies_reply__descriptor, &out),
			 0);
	assert_string_equal(out->agencies[0]->code, "H40.31.01");
	in.after_code = "H40.31.01";
	assert_int_equal(ask(&gateway, &citizen, "ListAgencies", &in.base,
			     &directory__list_agencies_reply__descriptor, &out),
			 0);
	assert_int_equal(out->n_agencies, 0);
	in.limit = 501;
	assert_int_equal(ask(&gateway, &citizen, "ListAgencies", &in.base,
			     &directory__list_agencies_reply__descriptor, &out),
			 ERR_INVALID);
}

static void test_units_categories_and_systems(void **state)
{
	Directory__GetUnitRequest unit = DIRECTORY__GET_UNIT_REQUEST__INIT;
	Directory__GetUnitReply *unit_out;
	Directory__ListCategoryRequest category = DIRECTORY__LIST_CATEGORY_REQUEST__INIT;
	Directory__ListCategoryReply *category_out;
	Directory__ListSystemsRequest systems = DIRECTORY__LIST_SYSTEMS_REQUEST__INIT;
	Directory__ListSystemsReply *systems_out;

	(void)state;
	unit.code = "36";
	assert_int_equal(ask(&gateway, &clerk, "GetUnit", &unit.base,
			     &directory__get_unit_reply__descriptor, &unit_out),
			 0);
	assert_string_equal(unit_out->unit->level, "province");
	category.category = "procedure-field";
	assert_int_equal(ask(&gateway, &clerk, "ListCategory", &category.base,
			     &directory__list_category_reply__descriptor, &category_out),
			 0);
	assert_int_equal(category_out->n_entries, 1);
	assert_string_equal(category_out->entries[0]->name_vi, "Hộ tịch");
	assert_true(category_out->entries[0]->needs_note);
	assert_int_equal(ask(&gateway, &clerk, "ListSystems", &systems.base,
			     &directory__list_systems_reply__descriptor, &systems_out),
			 ERR_DENIED);
	assert_int_equal(ask(&gateway, &operator, "ListSystems", &systems.base,
			     &directory__list_systems_reply__descriptor, &systems_out),
			 0);
	assert_int_equal(systems_out->n_systems, 1);
}

/* --- officers --- */

static int resolve(const char *subject, Directory__ResolveSubjectReply **ret)
{
	Directory__ResolveSubjectRequest in = DIRECTORY__RESOLVE_SUBJECT_REQUEST__INIT;

	in.subject = subject;
	return ask(&gateway, &system_itself, "ResolveSubject", &in.base,
		   &directory__resolve_subject_reply__descriptor, ret);
}

static int appoint(const Directory__Officer *post, int32_t *ret_version)
{
	Directory__AppointOfficerRequest in = DIRECTORY__APPOINT_OFFICER_REQUEST__INIT;
	Directory__AppointOfficerReply *out;
	int rc;

	in.officer = (Directory__Officer *)post;
	rc = ask(&gateway, &operator, "AppointOfficer", &in.base,
		 &directory__appoint_officer_reply__descriptor, &out);
	if (rc == 0)
		*ret_version = out->version;
	return rc;
}

static void test_appointment_ends_the_post_held_there(void **state)
{
	const char *roles[] = {"officer", "leader"};
	Directory__ResolveSubjectReply *out;
	Directory__ImportProfileRequest in;
	Directory__Officer post;
	int64_t before = events();
	int32_t version = 0;

	(void)state;
	assert_int_equal(resolve("officer-1", &out), 0);
	assert_string_equal(out->officer->roles[0], "clerk");
	fill_bundle(&in);
	post = officer;
	post.post = "Phó Chủ tịch";
	post.roles = roles;
	post.n_roles = 2;
	post.valid_from = ""; /* today, by the business clock */
	assert_int_equal(appoint(&post, &version), 0);
	assert_int_equal(version, 3);
	assert_int_equal(events(), before + 2);
	assert_int_equal(resolve("officer-1", &out), 0);
	assert_string_equal(out->officer->post, "Phó Chủ tịch");
	assert_int_equal(out->officer->n_roles, 2);
	assert_string_equal(out->officer->valid_from, "2024-05-21");
	assert_int_equal(stored("SELECT count(*) FROM officer WHERE"
				" valid_to = '2024-05-20'"),
			 1);
	/* The same profile again does not bring the old post back. */
	assert_int_equal(import(&in), 1); /* the desk's name of an earlier test */
	assert_int_equal(resolve("officer-1", &out), 0);
	assert_string_equal(out->officer->post, "Phó Chủ tịch");
	/* Nor may an earlier appointment overrun a later one. */
	post.valid_from = "2024-01-01";
	assert_int_equal(appoint(&post, &version), ERR_CONFLICT);
	assert_true(ask_has(&gateway, "LATER_POST", "officer.valid_from"));
}

static void test_appointments_that_are_refused(void **state)
{
	const char *king[] = {"king"};
	Directory__Officer post;
	int32_t version;

	(void)state;
	post = officer;
	post.subject = "officer-2";
	post.agency_code = "H40.99";
	assert_int_equal(appoint(&post, &version), ERR_INVALID);
	assert_true(ask_has(&gateway, "AGENCY_NOT_IN_FORCE", "officer.agency_code"));
	post.agency_code = "H40";
	post.valid_from = "2025-07-01"; /* the agency has ended */
	assert_int_equal(appoint(&post, &version), ERR_INVALID);
	assert_true(ask_has(&gateway, "AGENCY_NOT_IN_FORCE", "officer.agency_code"));
	post.valid_from = "2024-05-01";
	post.roles = king;
	assert_int_equal(appoint(&post, &version), ERR_INVALID);
	assert_true(ask_has(&gateway, "UNKNOWN_ROLE", "officer.roles"));
	assert_int_equal(stored("SELECT count(*) FROM officer WHERE"
				" subject = 'officer-2'"),
			 0);
}

static void test_resolve_is_internal_and_honest(void **state)
{
	Directory__ResolveSubjectRequest in = DIRECTORY__RESOLVE_SUBJECT_REQUEST__INIT;
	Directory__ResolveSubjectReply *out;

	(void)state;
	in.subject = "officer-1";
	assert_int_equal(ask(&gateway, &operator, "ResolveSubject", &in.base,
			     &directory__resolve_subject_reply__descriptor, &out),
			 ERR_DENIED);
	assert_int_equal(resolve("nobody", &out), ERR_NOT_FOUND);
	assert_true(ask_has(&gateway, "UNKNOWN_SUBJECT", "subject"));
}

static void test_officers_are_listed_for_staff(void **state)
{
	Directory__ListOfficersRequest in = DIRECTORY__LIST_OFFICERS_REQUEST__INIT;
	Directory__ListOfficersReply *out;

	(void)state;
	in.agency_code = "H40.31.01";
	assert_int_equal(ask(&gateway, &citizen, "ListOfficers", &in.base,
			     &directory__list_officers_reply__descriptor, &out),
			 ERR_DENIED);
	assert_int_equal(ask(&gateway, &clerk, "ListOfficers", &in.base,
			     &directory__list_officers_reply__descriptor, &out),
			 0);
	assert_int_equal(out->n_officers, 1);
	in.after_subject = "officer-1";
	in.after_agency_code = "H40.31.01";
	assert_int_equal(ask(&gateway, &clerk, "ListOfficers", &in.base,
			     &directory__list_officers_reply__descriptor, &out),
			 0);
	assert_int_equal(out->n_officers, 0);
}

/* --- the calendar, and what others make of it --- */

static int set_day(const char *date, const char *kind, const char *covers_to, const char *decision,
		   int32_t *ret_version)
{
	Directory__SetCalendarDaysRequest in = DIRECTORY__SET_CALENDAR_DAYS_REQUEST__INIT;
	Directory__SetCalendarDaysReply *out;
	Directory__CalendarDay day = DIRECTORY__CALENDAR_DAY__INIT, *days[] = {&day};
	int rc;

	day.date = date;
	day.kind = kind;
	in.days = days;
	in.n_days = 1;
	in.covers_to = covers_to;
	in.decision = decision;
	rc = ask(&gateway, &operator, "SetCalendarDays", &in.base,
		 &directory__set_calendar_days_reply__descriptor, &out);
	if (rc == 0)
		*ret_version = out->version;
	return rc;
}

static void test_decisions_on_the_calendar_stand(void **state)
{
	Directory__GetCalendarRequest get = DIRECTORY__GET_CALENDAR_REQUEST__INIT;
	Directory__GetCalendarReply *out;
	Directory__ImportProfileRequest in;
	int32_t version = 0;

	(void)state;
	assert_int_equal(set_day("2024-05-31", "OFF", "", "", &version), ERR_INVALID);
	assert_true(ask_has(&gateway, "DECISION_REQUIRED", "decision"));
	assert_int_equal(set_day("2027-05-31", "OFF", "", "12/QĐ", &version), ERR_INVALID);
	assert_true(ask_has(&gateway, "DAY_NOT_COVERED", "days[0].date"));
	assert_int_equal(set_day("2024-05-31", "OFF", "2025-12-31", "12/QĐ", &version),
			 ERR_INVALID);
	assert_true(ask_has(&gateway, "COVERAGE_SHRINKS", "covers_to"));
	assert_int_equal(set_day("2024-05-31", "OFF", "2027-12-31", "12/QĐ", &version), 0);
	assert_int_equal(version, 2);
	/* Said twice, it changes nothing. */
	assert_int_equal(set_day("2024-05-31", "OFF", "", "12/QĐ", &version), 0);
	assert_int_equal(version, 2);
	fill_bundle(&in);
	import(&in);
	assert_int_equal(ask(&gateway, &citizen, "GetCalendar", &get.base,
			     &directory__get_calendar_reply__descriptor, &out),
			 0);
	assert_int_equal(out->calendar->version, 2);
	assert_string_equal(out->calendar->covers_to, "2027-12-31");
	assert_int_equal(out->calendar->n_days, 2);
}

static void test_a_day_dropped_from_the_profile_goes(void **state)
{
	Directory__ImportProfileRequest in;

	(void)state;
	fill_bundle(&in);
	calendar.n_days = 0;
	assert_int_equal(import(&in), 1);
	assert_int_equal(stored("SELECT count(*) FROM calendar_day"), 1);
	assert_int_equal(stored("SELECT version FROM calendar"), 3);
}

static int get_hours(struct ask *a, const struct person *who, const char *agency, const char *day,
		     Directory__GetHoursReply **ret)
{
	Directory__GetHoursRequest in = DIRECTORY__GET_HOURS_REQUEST__INIT;

	in.agency_code = agency;
	in.on_date = day;
	return ask(a, who, "GetHours", &in.base, &directory__get_hours_reply__descriptor, ret);
}

/* An agency's own hours go before its level's, and these before everybody's. */
static void test_hours_of_an_agency(void **state)
{
	Directory__GetHoursReply *out;

	(void)state;
	assert_int_equal(get_hours(&gateway, &citizen, "H40.31.01", "", &out), 0);
	assert_int_equal(out->n_hours, 2);
	assert_int_equal(out->hours[0]->am_start, 440);
	assert_string_equal(out->hours[1]->scope, "X");
	assert_int_equal(get_hours(&gateway, &citizen, "H40", "", &out), 0);
	assert_int_equal(out->n_hours, 1);
	assert_int_equal(out->hours[0]->am_start, 420);
	assert_int_equal(get_hours(&gateway, &citizen, "H40", "2020-12-31", &out), 0);
	assert_int_equal(out->n_hours, 0);
	assert_int_equal(get_hours(&gateway, &citizen, "H40", "yesterday", &out), ERR_INVALID);
}

static void test_others_keep_the_reference_data(void **state)
{
	Directory__GetCalendarRequest get = DIRECTORY__GET_CALENDAR_REQUEST__INIT;
	Directory__GetCalendarReply *cal;
	Directory__GetAgencyReply *agency;
	struct svcd *other = start("task", "--as=task");
	char sql[96];
	int32_t version;

	(void)state;
	snprintf(sql, sizeof(sql), "SELECT pos FROM applied WHERE source = 'directory'");
	assert_true(pg_wait_int(pg, "task", sql, events(), 10000));
	assert_int_equal(get_agency(&task, &system_itself, "H40.31.01", "2024-05-21", &agency), 0);
	assert_string_equal(agency->agency->unit_code, "36");
	assert_string_equal(agency->agency->name, desk.name);
	assert_int_equal(get_agency(&task, &system_itself, "H40.31.01", "2025-07-01", &agency),
			 ERR_NOT_FOUND);
	assert_int_equal(pg_int(pg, "task", "SELECT am_start FROM ref_hours WHERE scope = 'X'"),
			 430);
	assert_int_equal(pg_int(pg, "task",
				"SELECT count(*) FROM ref_category WHERE code = 'civil-status' AND"
				" needs_note"),
			 1);
	/* 2024-05-31 is off by decision; 1 and 2 June are a weekend. */
	assert_int_equal(ask(&task, &system_itself, "GetCalendar", &get.base,
			     &directory__get_calendar_reply__descriptor, &cal),
			 0);
	assert_string_equal(cal->calendar->covers_to, "2024-06-03");
	/* A change arrives, in every thread's next look. */
	assert_int_equal(set_day("2024-06-01", "WORK", "", "13/QĐ", &version), 0);
	assert_true(pg_wait_int(pg, "task", sql, events(), 10000));
	for (int i = 0; i < 8; i++) {
		assert_int_equal(ask(&task, &system_itself, "GetCalendar", &get.base,
				     &directory__get_calendar_reply__descriptor, &cal),
				 0);
		assert_string_equal(cal->calendar->covers_to, "2024-06-01");
	}
	assert_int_equal(pg_int(pg, "task", "SELECT count(*) FROM ref_officer"), 2);
	svcd_free(other);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_and_exit_codes),
		cmocka_unit_test(test_check_validates_everything),
		cmocka_unit_test(test_import_writes_and_tells_what_changed),
		cmocka_unit_test(test_a_wrong_bundle_changes_nothing),
		cmocka_unit_test(test_import_is_not_for_people),
		cmocka_unit_test(test_rows_are_dated),
		cmocka_unit_test(test_lists_are_paged),
		cmocka_unit_test(test_units_categories_and_systems),
		cmocka_unit_test(test_appointment_ends_the_post_held_there),
		cmocka_unit_test(test_appointments_that_are_refused),
		cmocka_unit_test(test_resolve_is_internal_and_honest),
		cmocka_unit_test(test_officers_are_listed_for_staff),
		cmocka_unit_test(test_decisions_on_the_calendar_stand),
		cmocka_unit_test(test_a_day_dropped_from_the_profile_goes),
		cmocka_unit_test(test_hours_of_an_agency),
		cmocka_unit_test(test_others_keep_the_reference_data),
	};

	if (argc == 2 && strcmp(argv[1], "--as=task") == 0)
		return svc_main(1, argv, &ref_service);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
