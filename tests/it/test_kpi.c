/*
 * The kpi service as a process, with a real broker and a real PostgreSQL; the feeds it counts are
 * played. Every figure is said here by hand. Business time starts at 2024-05-21 08:00 in Viet Nam.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "lgsp/digitisation/v1/events.pb-c.h"
#include "lgsp/directory/v1/events.pb-c.h"
#include "lgsp/dossier/v1/events.pb-c.h"
#include "lgsp/kpi/v1/kpi.pb-c.h"
#include "lgsp/payment/v1/events.pb-c.h"
#include "lgsp/task/v1/events.pb-c.h"
#include "tests/support/ask.h"
#include "tests/support/busrig.h"
#include "tests/support/peer.h"
#include "tests/support/pg.h"
#include "tests/support/svcd.h"

#define CITY   "H40.31"
#define WARD_1 "H40.31.01"
#define WARD_2 "H40.31.02"
#define OTHER  "H40.32"

static const struct busd_member members[] = {
	{"kpi", "VN/GOV/H40/lgsp-kpi"},           {"dossier", "VN/GOV/H40/lgsp-dossier"},
	{"payment", "VN/GOV/H40/lgsp-payment"},   {"digitisation", "VN/GOV/H40/lgsp-digitisation"},
	{"task", "VN/GOV/H40/lgsp-task"},         {"gateway", "VN/GOV/H40/lgsp-gateway"},
	{"operator", "VN/GOV/H40/lgsp-operator"}, {"directory", "VN/GOV/H40/lgsp-directory"},
};

static const char rights[] = "serve VN/GOV/H40/lgsp-kpi kpi\n"
			     "serve VN/GOV/H40/lgsp-dossier dossier\n"
			     "serve VN/GOV/H40/lgsp-payment payment\n"
			     "serve VN/GOV/H40/lgsp-digitisation digitisation\n"
			     "serve VN/GOV/H40/lgsp-task task\n"
			     "serve VN/GOV/H40/lgsp-directory directory\n"
			     "grant VN/GOV/H40/lgsp-kpi * *\n"
			     "feed VN/GOV/H40/lgsp-kpi * *\n"
			     "grant VN/GOV/H40/lgsp-gateway * * acts_for\n"
			     "feed VN/GOV/H40/lgsp-gateway * * acts_for\n"
			     "grant VN/GOV/H40/lgsp-operator * *\n"
			     "feed VN/GOV/H40/lgsp-operator * *\n";

static const struct person statistician = {"statistician-1", "statistician", "H40"};
static const struct person citizen = {"citizen-1", "citizen", ""};

enum { DOSSIER, PAYMENT, DIGITISATION, TASK, DIRECTORY, PEERS };
static const char *const peer_names[PEERS] = {"dossier", "payment", "digitisation", "task",
					      "directory"};

static struct {
	struct pg *pg;
	struct busd *bus;
	struct svcd *svc;
	struct busrig *rig;
	struct peer *peer[PEERS];
	int64_t published[PEERS];
	struct bus_client *gateway, *ops;
} rig;
static char offset_env[64];

static int64_t moment(const char *text)
{
	int64_t us;

	CHECK(clock_parse_rfc3339(text, &us) == 0);
	return us;
}

static void publish(int peer, const char *type, const char *subject,
		    const ProtobufCMessage *payload)
{
	rig.published[peer] = peer_publish(rig.peer[peer], type, subject, 1, payload);
}

static void wait_counted(void)
{
	char sql[128];

	for (int i = 0; i < PEERS; i++) {
		snprintf(sql, sizeof(sql), "SELECT pos FROM applied WHERE source = '%s'",
			 peer_names[i]);
		assert_true(pg_wait_int(rig.pg, "kpi", sql, rig.published[i], 15000));
	}
}

static void import_profile(void)
{
	Kpi__ImportProfileRequest in = KPI__IMPORT_PROFILE_REQUEST__INIT;
	static const char *const ids[][2] = {
		{"R2-04", "computed:dossier"}, {"R2-05", "computed:x"},
		{"R2-06", "computed:payment"}, {"R2-07", "computed:x"},
		{"R2-12", "computed:dossier"}, {"R2-16", "computed:x"},
		{"R2-01", "reported"},         {"R2-08", "connector:portal"},
		{"R2-18", "computed:dossier"}, {"R6-05", "computed:bus usage"},
		{"R2-09", "computed:dossier"}, {"R2-10", "computed:dossier"},
		{"R2-15", "computed:dossier"}, {"R6-04", "computed:dossier"}};
	Kpi__Indicator rows[ARRAY_LEN(ids)], *list[ARRAY_LEN(ids)];
	Kpi__Target target[2] = {KPI__TARGET__INIT, KPI__TARGET__INIT};
	Kpi__Target *targets[] = {&target[0], &target[1]};
	Kpi__ImportProfileReply *out;
	struct ask a;

	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		kpi__indicator__init(&rows[i]);
		rows[i].id = ids[i][0];
		rows[i].name_vi = rows[i].name_en = "tên";
		rows[i].kind = "flow";
		rows[i].source = ids[i][1];
		list[i] = &rows[i];
	}
	target[0].indicator_id = "R2-04";
	target[0].value_hundredths = 8000;
	target[1].indicator_id = "R2-12";
	target[1].value_hundredths = 5000;
	for (int i = 0; i < 2; i++) {
		target[i].scope = "ALL";
		target[i].due = i == 0 ? "2025-12-31" : "2024-04-30";
		target[i].op = ">=";
	}
	in.indicators = list;
	in.n_indicators = ARRAY_LEN(ids);
	in.targets = targets;
	in.n_targets = 2;
	ask_init(&a, rig.ops, "kpi");
	CHECK(ask(&a, NULL, "ImportProfile", &in.base, &kpi__import_profile_reply__descriptor,
		  &out) == 0);
	CHECK(out->changed == (int)ARRAY_LEN(ids) + 2);
	CHECK(ask(&a, NULL, "ImportProfile", &in.base, &kpi__import_profile_reply__descriptor,
		  &out) == 0);
	CHECK(out->changed == 0);
	target[1].indicator_id = "R9-99";
	CHECK(ask(&a, NULL, "ImportProfile", &in.base, &kpi__import_profile_reply__descriptor,
		  NULL) == ERR_INVALID);
	CHECK(ask_has(&a, "UNKNOWN_INDICATOR", "targets[1]"));
	ask_done(&a);
}

/* --- the feeds --- */

static void procedure(const char *code, int64_t fee_vnd, const char *levels)
{
	Dossier__DossierProcedurePut p = DOSSIER__DOSSIER_PROCEDURE_PUT__INIT;

	p.code = code;
	p.version = 1;
	p.levels = levels;
	p.fee_vnd = fee_vnd;
	p.online_level = 4;
	p.valid_from = "2021-01-01";
	publish(DOSSIER, "dossier.procedure_put", code, &p.base);
}

/* A dossier from filing to result: what it counts in is in its arguments. */
struct life {
	const char *code, *receiving, *competent;
	bool held, demanded, online;
	uint32_t handoffs, electronic;
	Dossier__Verdict verdict;
	const char *finished;
};

static void live(const struct life *l)
{
	Dossier__DossierSubmitted s = DOSSIER__DOSSIER_SUBMITTED__INIT;
	Dossier__DossierResultIssued r = DOSSIER__DOSSIER_RESULT_ISSUED__INIT;
	Dossier__ComponentFact fact = DOSSIER__COMPONENT_FACT__INIT, *facts[] = {&fact};

	fact.code = "TP1";
	fact.held = l->held;
	fact.demanded = l->demanded;
	s.code = r.code = l->code;
	s.procedure_code = r.procedure_code = "1.1";
	s.receiving_agency_code = l->receiving;
	s.competent_agency_code = r.agency_code = l->competent;
	s.channel = r.channel = l->online ? DOSSIER__CHANNEL__CHANNEL_OWN_PORTAL
					  : DOSSIER__CHANNEL__CHANNEL_COUNTER;
	s.online_level = r.online_level = 4;
	s.components = facts;
	s.n_components = 1;
	s.submitted_us = moment("2024-05-02T09:00:00+07:00");
	publish(DOSSIER, "dossier.submitted", l->code, &s.base);
	r.handoffs = l->handoffs;
	r.handoffs_electronic = l->electronic;
	r.verdict = l->verdict;
	r.finished_us = moment(l->finished);
	publish(DOSSIER, "dossier.result_issued", l->code, &r.base);
}

/* Filed with a held component, and open. */
static void file_held(const char *code)
{
	Dossier__DossierSubmitted s = DOSSIER__DOSSIER_SUBMITTED__INIT;
	Dossier__ComponentFact fact = DOSSIER__COMPONENT_FACT__INIT, *facts[] = {&fact};

	fact.code = "TP1";
	fact.held = true;
	s.code = code;
	s.procedure_code = "1.1";
	s.receiving_agency_code = s.competent_agency_code = WARD_1;
	s.channel = DOSSIER__CHANNEL__CHANNEL_COUNTER;
	s.components = facts;
	s.n_components = 1;
	s.submitted_us = moment("2024-05-31T23:59:00+07:00");
	publish(DOSSIER, "dossier.submitted", code, &s.base);
}

/* A request for supplement that asks for what is held; told twice it counts once. */
static void demand_again(const char *code)
{
	Dossier__DossierSupplementRequested r = DOSSIER__DOSSIER_SUPPLEMENT_REQUESTED__INIT;
	Dossier__ComponentFact fact = DOSSIER__COMPONENT_FACT__INIT, *facts[] = {&fact};

	r.code = code;
	publish(DOSSIER, "dossier.supplement_requested", code, &r.base); /* nothing held in it */
	fact.held = fact.demanded = true;
	r.demanded = facts;
	r.n_demanded = 1;
	for (int i = 0; i < 2; i++)
		publish(DOSSIER, "dossier.supplement_requested", code, &r.base);
}

static const struct life lives[] = {
	{"D1", WARD_1, CITY, true, false, true, 2, 2, DOSSIER__VERDICT__VERDICT_EARLY,
	 "2024-05-10T09:00:00+07:00"},
	{"D2", WARD_1, CITY, true, true, false, 2, 1, DOSSIER__VERDICT__VERDICT_LATE,
	 "2024-05-11T09:00:00+07:00"},
	{"D3", WARD_2, WARD_2, false, false, true, 0, 0, DOSSIER__VERDICT__VERDICT_ON_TIME,
	 "2024-05-12T09:00:00+07:00"},
	{"D4", OTHER, OTHER, false, true, true, 1, 1, DOSSIER__VERDICT__VERDICT_ON_TIME,
	 "2024-05-12T09:00:00+07:00"},
	/* One minute before June in Viet Nam, and one after. */
	{"D5", WARD_2, WARD_2, false, false, true, 0, 0, DOSSIER__VERDICT__VERDICT_ON_TIME,
	 "2024-05-31T23:59:00+07:00"},
	{"D6", WARD_2, WARD_2, false, false, true, 0, 0, DOSSIER__VERDICT__VERDICT_ON_TIME,
	 "2024-06-01T00:00:00+07:00"},
};

/* Ends of another year: withdrawn after acceptance, before it, and a result issued twice. */
static void play_other_ends(void)
{
	static const char *const codes[] = {"E1", "E2", "E3"};
	Dossier__DossierSubmitted s = DOSSIER__DOSSIER_SUBMITTED__INIT;
	Dossier__DossierWithdrawn w = DOSSIER__DOSSIER_WITHDRAWN__INIT;
	Dossier__DossierResultIssued r = DOSSIER__DOSSIER_RESULT_ISSUED__INIT;

	s.receiving_agency_code = s.competent_agency_code = w.agency_code = r.agency_code = CITY;
	s.channel = w.channel = r.channel = DOSSIER__CHANNEL__CHANNEL_OWN_PORTAL;
	s.online_level = w.online_level = r.online_level = 4;
	s.submitted_us = moment("2023-07-03T09:00:00+07:00");
	w.finished_us = r.finished_us = moment("2023-07-05T09:00:00+07:00");
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		s.code = codes[i];
		publish(DOSSIER, "dossier.submitted", codes[i], &s.base);
	}
	w.code = "E1";
	w.accepted = true;
	w.verdict = DOSSIER__VERDICT__VERDICT_EARLY;
	publish(DOSSIER, "dossier.withdrawn", w.code, &w.base);
	w.code = "E2";
	w.accepted = false;
	publish(DOSSIER, "dossier.withdrawn", w.code, &w.base);
	r.code = "E3";
	r.verdict = DOSSIER__VERDICT__VERDICT_LATE;
	r.decision = DOSSIER__DECISION__DECISION_REFUSED;
	publish(DOSSIER, "dossier.result_issued", r.code, &r.base);
	r.again = true;
	r.verdict = DOSSIER__VERDICT__VERDICT_EARLY;
	publish(DOSSIER, "dossier.result_issued", r.code, &r.base);
}

static void pay(const char *order, const char *code, const char *agency, Payment__PayMethod method)
{
	Payment__PaymentPaid p = PAYMENT__PAYMENT_PAID__INIT;

	p.order_id = order;
	p.procedure_code = code;
	p.agency_code = agency;
	p.amount_vnd = 1000;
	p.method = method;
	p.paid_us = moment("2024-05-03T09:00:00+07:00");
	publish(PAYMENT, "payment.paid", order, &p.base);
}

static void play_payments(void)
{
	Payment__PaymentFeePut put = PAYMENT__PAYMENT_FEE_PUT__INIT;
	Payment__Fee fee = PAYMENT__FEE__INIT;

	put.fee = &fee;
	fee.kind = "phi";
	fee.valid_from = "2021-01-01";
	fee.procedure_code = "1.1";
	fee.online = true;
	publish(PAYMENT, "payment.fee_put", "1.1", &put.base);
	fee.procedure_code = "1.2";
	fee.online = false;
	publish(PAYMENT, "payment.fee_put", "1.2", &put.base);
	pay("O1", "1.1", WARD_1, PAYMENT__PAY_METHOD__PAY_METHOD_ONLINE);
	pay("O2", "1.1", WARD_1, PAYMENT__PAY_METHOD__PAY_METHOD_COUNTER);
	pay("O3", "1.1", OTHER, PAYMENT__PAY_METHOD__PAY_METHOD_ONLINE);
	/* Not payable online: outside R2-06. */
	pay("O4", "1.2", WARD_1, PAYMENT__PAY_METHOD__PAY_METHOD_COUNTER);
}

static void play_records(void)
{
	Digitisation__DigitisationBacklogDeclared b =
		DIGITISATION__DIGITISATION_BACKLOG_DECLARED__INIT;
	Digitisation__DigitisationRecordRegistered put =
		DIGITISATION__DIGITISATION_RECORD_REGISTERED__INIT;
	Digitisation__DigitisationRecordRevoked gone =
		DIGITISATION__DIGITISATION_RECORD_REVOKED__INIT;
	Digitisation__Record r = DIGITISATION__RECORD__INIT;
	char id[8];

	b.agency_code = CITY;
	b.results = 6;
	b.as_of = "2024-05-01";
	publish(DIGITISATION, "digitisation.backlog_declared", CITY, &b.base);
	put.record = &r;
	r.issuing_agency_code = CITY;
	r.valid_from = "2024-05-01";
	r.confirmed = true;
	for (int i = 0; i < 3; i++) {
		snprintf(id, sizeof(id), "R%d", i);
		r.record_id = id;
		r.valid_to = i == 2 ? "2024-05-10" : ""; /* the last one is no longer valid */
		publish(DIGITISATION, "digitisation.record_registered", id, &put.base);
	}
	/* One more, but it was revoked. */
	r.record_id = gone.record_id = "R-GONE";
	r.valid_to = "";
	publish(DIGITISATION, "digitisation.record_registered", "R-GONE", &put.base);
	gone.valid_to = "2024-05-02";
	publish(DIGITISATION, "digitisation.record_revoked", "R-GONE", &gone.base);
}

static void task(const char *id, const char *lead, const char *deadline, Task__Shade shade,
		 bool done)
{
	Task__TaskAssigned a = TASK__TASK_ASSIGNED__INIT;
	Task__TaskShadeChanged s = TASK__TASK_SHADE_CHANGED__INIT;
	Task__TaskConfirmed c = TASK__TASK_CONFIRMED__INIT;

	a.task_id = s.task_id = c.task_id = id;
	a.lead_agency_code = c.lead_agency_code = lead;
	a.deadline = deadline;
	publish(TASK, "task.assigned", id, &a.base);
	s.shade = c.shade = shade;
	publish(TASK, "task.shade_changed", id, &s.base);
	c.completed_us = moment("2024-05-15T09:00:00+07:00");
	if (done)
		publish(TASK, "task.confirmed", id, &c.base);
}

/* --- the register of systems, and their traffic --- */

#define PORTAL   "VN/GOV/H40/portal"
#define ONE_STOP "VN/GOV/H40/one-stop"
#define OLD_DESK "VN/GOV/H40/old-desk"
#define INSIDE   "VN/GOV/H40/inside"

static void system_is(const char *member, const char *owner, bool facing, const char *to)
{
	Directory__DirectorySystemPut put = DIRECTORY__DIRECTORY_SYSTEM_PUT__INIT;
	Directory__System s = DIRECTORY__SYSTEM__INIT;

	put.system = &s;
	s.member = member;
	s.owner_agency_code = owner;
	s.valid_from = "2021-01-01";
	s.valid_to = to;
	s.citizen_facing = facing;
	publish(DIRECTORY, "directory.system_put", member, &put.base);
}

static void used(const char *member, const char *provider, const char *hour)
{
	Directory__DirectoryUsageReported event = DIRECTORY__DIRECTORY_USAGE_REPORTED__INIT;
	Directory__UsageReport r = DIRECTORY__USAGE_REPORT__INIT;
	Directory__UsageRow row = DIRECTORY__USAGE_ROW__INIT, *rows[] = {&row};

	event.report = &r;
	r.hour_us = moment(hour);
	r.rows = rows;
	r.n_rows = 1;
	row.member = member;
	row.provider = provider;
	row.requests = 5;
	publish(DIRECTORY, "directory.usage_reported", "usage/bus-1", &event.base);
}

static void play_usage(void)
{
	system_is(PORTAL, CITY, true, "");
	system_is(ONE_STOP, OTHER, true, "");
	system_is(OLD_DESK, OTHER, true, "2024-04-30");
	system_is(INSIDE, CITY, false, "");
	used(INSIDE, PORTAL, "2024-05-10T09:00:00+07:00");
	used(INSIDE, PORTAL, "2024-05-10T10:00:00+07:00");
	used(ONE_STOP, "", "2024-05-10T10:00:00+07:00"); /* refused: that connects nobody */
	used(ONE_STOP, INSIDE, "2024-06-01T00:00:00+07:00");
}

/* --- who files online, and what the catalogue says --- */

static void apply(const char *code, const char *agency, const char *owner, bool verified,
		  Dossier__Relation relation, const char *at)
{
	Dossier__DossierSubmitted s = DOSSIER__DOSSIER_SUBMITTED__INIT;

	s.code = code;
	s.procedure_code = "1.1";
	s.receiving_agency_code = s.competent_agency_code = agency;
	s.channel = DOSSIER__CHANNEL__CHANNEL_NATIONAL_PORTAL;
	s.owner_key = owner;
	s.identity_verified = verified;
	s.relation = relation;
	s.submitted_us = moment(at);
	publish(DOSSIER, "dossier.submitted", code, &s.base);
}

/* Of another year. Lan three times, proven once; Minh never; Hoa's father for her; one in Q1. */
static void play_applicants(void)
{
	const Dossier__Relation self = DOSSIER__RELATION__RELATION_UNSPECIFIED;

	apply("A1", WARD_1, "lan", false, self, "2022-05-02T09:00:00+07:00");
	apply("A2", WARD_1, "lan", true, self, "2022-05-03T09:00:00+07:00");
	apply("A3", OTHER, "lan", false, self, "2022-06-03T09:00:00+07:00");
	apply("A4", WARD_2, "minh", false, self, "2022-05-04T09:00:00+07:00");
	apply("A5", WARD_2, "hoa", true, DOSSIER__RELATION__RELATION_GUARDIAN,
	      "2022-05-05T09:00:00+07:00");
	apply("A6", WARD_2, "tam", true, self, "2022-03-31T23:59:00+07:00");
}

static void version_of(const char *code, int32_t version, const char *from, uint32_t level,
		       const char *published)
{
	Dossier__DossierProcedurePut p = DOSSIER__DOSSIER_PROCEDURE_PUT__INIT;

	p.code = code;
	p.version = version;
	p.levels = strncmp(code, "2.", 2) == 0 ? "X" : "T";
	p.valid_from = from;
	p.online_level = level;
	p.internal = *published != '-';
	p.online_eligible = *published == '-';
	p.published_on = *published == '-' ? "" : published;
	publish(DOSSIER, "dossier.procedure_put", code, &p.base);
}

/* "-": for citizens and fit for level 3 or 4; else an internal one with its day of publication. */
static void play_catalogue(void)
{
	version_of("2.1", 1, "2021-01-01", 4, "-");
	version_of("2.2", 1, "2021-01-01", 2, "-");
	version_of("2.2", 2, "2024-05-10", 3, "-");
	version_of("2.3", 1, "2021-01-01", 2, "-");
	version_of("3.1", 1, "2024-05-10", 0, "2024-05-10");
	version_of("3.2", 1, "2024-05-10", 0, "2024-05-11");
	version_of("3.3", 1, "2024-04-01", 0, "");
}

static void play_all(void)
{
	play_usage();
	play_applicants();
	play_catalogue();
	procedure("1.1", 1000, "HX");
	procedure("1.2", 2000, "X");
	procedure("1.3", 0, "X");
	for (size_t i = 0; i < ARRAY_LEN(lives); i++)
		live(&lives[i]);
	file_held("D7");
	demand_again("D7");
	demand_again("D3"); /* nothing was held of it at filing */
	play_other_ends();
	play_payments();
	play_records();
	task("T1", CITY, "2024-05-20", TASK__SHADE__SHADE_WITHIN, true);
	task("T2", CITY, "2024-05-10", TASK__SHADE__SHADE_OVERDUE, true);
	task("T3", CITY, "", TASK__SHADE__SHADE_NO_DEADLINE, true);
	task("T4", WARD_1, "2024-05-22", TASK__SHADE__SHADE_NEAR_DUE, false);
	task("T5", OTHER, "2024-05-01", TASK__SHADE__SHADE_OVERDUE, false);
	wait_counted();
}

static struct svcd *start_service(void)
{
	static const char *env[] = {offset_env, NULL};
	const struct svcd_config config = {
		.service = "kpi", .bus = rig.bus, .dsn = pg_dsn(rig.pg, "kpi"), .env = env};

	return svcd_start(&config);
}

static int set_up(void **state)
{
	const char *const bus_env[] = {offset_env, NULL};
	struct bus_keys keys;

	(void)state;
	/* Also the clock of the peers, which are in this process. */
	clock_set_business_offset_us(moment("2024-05-21T08:00:00+07:00") - clock_wall_us());
	snprintf(offset_env, sizeof(offset_env), "LGSP_CLOCK_OFFSET_US=%lld",
		 (long long)clock_business_offset_us());
	rig.pg = pg_new("kpi");
	rig.bus = busd_start(members, ARRAY_LEN(members), rights, bus_env);
	pg_exec(rig.pg, "kpi",
		"INSERT INTO ref_agency SELECT code, parent, level, '', code, '2021-01-01', "
		"'infinity', "
		"'' FROM (VALUES ('H40', '', 'T'), ('" CITY "', 'H40', 'H'), ('" OTHER
		"', 'H40', 'H'), ('" WARD_1 "', '" CITY "', 'X'), ('" WARD_2 "', '" CITY
		"', 'X')) v (code, parent, level)");
	rig.rig = busrig_new();
	for (int i = 0; i < PEERS; i++)
		rig.peer[i] = peer_start(rig.rig, rig.bus, peer_names[i], peer_names[i], NULL);
	keys = busd_keys(rig.bus, "gateway");
	rig.gateway = busrig_client(rig.rig, busd_member_endpoint(rig.bus), &keys);
	keys = busd_keys(rig.bus, "operator");
	rig.ops = busrig_client(rig.rig, busd_member_endpoint(rig.bus), &keys);
	rig.svc = start_service();
	import_profile();
	play_all();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	svcd_free(rig.svc);
	for (int i = 0; i < PEERS; i++)
		peer_free(rig.peer[i]);
	busrig_free(rig.rig);
	busd_free(rig.bus);
	pg_free(rig.pg);
	return 0;
}

/* --- figures --- */

#define MET     KPI__TARGET_VERDICT__TARGET_VERDICT_MET
#define NOT_MET KPI__TARGET_VERDICT__TARGET_VERDICT_NOT_MET
#define NOT_YET KPI__TARGET_VERDICT__TARGET_VERDICT_NOT_YET_DUE
#define NONE    KPI__TARGET_VERDICT__TARGET_VERDICT_NOT_MEASURABLE
#define NO_GOAL KPI__TARGET_VERDICT__TARGET_VERDICT_UNSPECIFIED

static const struct {
	const char *indicator, *agency, *period;
	bool alone;
	int64_t numerator, denominator;
	Kpi__TargetVerdict verdict;
	const char *reason;
} figures[] = {
	/* Hand-offs all electronic: D1, D4 of D1, D2, D4. */
	{"R2-04", "", "2024-05", false, 2, 3, NOT_YET, ""},
	{"R2-04", CITY, "2024-05", false, 1, 2, NOT_YET, ""},
	{"R2-04", OTHER, "2024-05", false, 1, 1, MET, ""},
	{"R2-04", WARD_1, "2024-05", false, 0, 0, NONE, "NO_CASES"},
	{"R2-04", "", "2024-04", false, 0, 0, NONE, "NO_CASES"},
	/* Fee procedures: 1.1 of 1.1 and 1.2; 1.2 is decided at X only. */
	{"R2-05", "", "2024-05", false, 1, 2, NO_GOAL, ""},
	{"R2-05", CITY, "2024-05", false, 1, 1, NO_GOAL, ""},
	{"R2-06", "", "2024-05", false, 2, 3, NO_GOAL, ""},
	{"R2-06", CITY, "2024-05", false, 1, 2, NO_GOAL, ""},
	{"R2-06", CITY, "2024-05", true, 0, 0, NONE, "NO_CASES"},
	/* Two valid records of six declared and two issued since. */
	{"R2-07", CITY, "2024-05", false, 2, 8, NO_GOAL, ""},
	{"R2-07", OTHER, "2024-05", false, 0, 0, NONE, "NO_BACKLOG"},
	/* Online: all but D2; D6 is of June. The target was due in April and is to be kept. */
	{"R2-12", "", "2024-05", false, 4, 5, MET, ""},
	{"R2-12", CITY, "2024-05", true, 1, 2, MET, ""},
	{"R2-12", CITY, "2024-05", false, 3, 4, MET, ""},
	{"R2-12", "", "2024-Q2", false, 5, 6, MET, ""},
	{"R2-12", "", "2024", false, 5, 6, MET, ""},
	/* Held at filing: D1, D2, D7, which was asked again later; D4 for what nobody held. */
	{"R2-16", "", "2024-05", false, 1, 3, NO_GOAL, ""},
	/* Online filings, however often the same person; represented ones, too. */
	{"R2-09", "", "2022-05", false, 2, 4, NO_GOAL, ""},
	{"R2-09", CITY, "2022-Q2", false, 2, 4, NO_GOAL, ""},
	{"R2-09", OTHER, "2022-06", false, 0, 1, NO_GOAL, ""},
	/* Fit for level 3 or 4: 2.1 and, since May the 10th, 2.2; of three at X. */
	{"R2-10", "", "2024-04", false, 1, 3, NO_GOAL, ""},
	{"R2-10", "", "2024-05", false, 2, 3, NO_GOAL, ""},
	{"R2-10", WARD_1, "2024-05", false, 2, 3, NO_GOAL, ""},
	{"R2-10", CITY, "2024-05", false, 0, 0, NONE, "NO_CASES"},
	/* Internal: published in time, a day late, never. */
	{"R2-15", "", "2024-05", false, 1, 3, NO_GOAL, ""},
	{"R2-15", "", "2024-04", false, 0, 1, NO_GOAL, ""},
	{"R2-15", "", "2024-03", false, 0, 0, NONE, "NO_CASES"},
	/* People who filed for themselves: Lan and Minh; Tam before. */
	{"R6-04", "", "2022-05", false, 1, 2, NO_GOAL, ""},
	{"R6-04", "", "2022-Q2", false, 1, 2, NO_GOAL, ""},
	{"R6-04", OTHER, "2022-Q2", false, 0, 1, NO_GOAL, ""},
	{"R6-04", "", "2022", false, 2, 3, NO_GOAL, ""},
	{"R6-04", CITY, "2022-07", false, 0, 0, NONE, "NO_CASES"},
	{"DOSSIER-ON-TIME", "", "2024-05", false, 4, 5, NO_GOAL, ""},
	{"TASK-ON-TIME", "", "2024-05", false, 1, 2, NO_GOAL, ""},
	/* Portal answered; one-stop was refused in May and asked in June; the old desk is gone. */
	{"R6-05", "", "2024-05", false, 1, 2, NO_GOAL, ""},
	{"R6-05", CITY, "2024-05", false, 1, 1, NO_GOAL, ""},
	{"R6-05", OTHER, "2024-05", false, 0, 1, NO_GOAL, ""},
	{"R6-05", "", "2024-Q2", false, 2, 2, NO_GOAL, ""},
	{"R6-05", WARD_1, "2024-05", false, 0, 0, NONE, "NO_CASES"},
	{"R6-05", "", "2024-03", false, 0, 3, NONE, "NO_USAGE"},
	{"R2-01", "", "2024-05", false, 0, 0, NONE, "NO_REPORT"},
	{"R2-08", "", "2024-05", false, 0, 0, NONE, "NOT_CONNECTED"},
	{"R2-18", "", "2024-05", false, 0, 0, NONE, "NOT_COMPUTED"},
};

static int get(struct ask *a, const struct person *who, size_t i, Kpi__GetReply **out)
{
	Kpi__GetRequest in = KPI__GET_REQUEST__INIT;

	in.indicator_id = figures[i].indicator;
	in.agency_code = figures[i].agency;
	in.period = figures[i].period;
	in.alone = figures[i].alone;
	return ask(a, who, "Get", &in.base, &kpi__get_reply__descriptor, out);
}

static void check_figures(void)
{
	struct ask a;

	ask_init(&a, rig.gateway, "kpi");
	for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
		Kpi__GetReply *out;
		const Kpi__Measure *m;

		assert_int_equal(get(&a, &statistician, i, &out), 0);
		m = out->measure;
		if (m->numerator != figures[i].numerator ||
		    m->denominator != figures[i].denominator || m->verdict != figures[i].verdict)
			print_error("%s %s %s: %lld of %lld, verdict %d\n", figures[i].indicator,
				    figures[i].agency, figures[i].period, (long long)m->numerator,
				    (long long)m->denominator, m->verdict);
		assert_int_equal(m->numerator, figures[i].numerator);
		assert_int_equal(m->denominator, figures[i].denominator);
		assert_int_equal(m->verdict, figures[i].verdict);
		assert_string_equal(m->reason, figures[i].reason);
		assert_int_equal(m->measurable, *m->reason == '\0');
	}
	ask_done(&a);
}

static void test_figures(void **state)
{
	(void)state;
	check_figures();
}

static void test_refused(void **state)
{
	Kpi__GetRequest in = KPI__GET_REQUEST__INIT;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "kpi");
	assert_int_equal(get(&a, &citizen, 0, NULL), ERR_DENIED);
	in.indicator_id = "R9-99";
	in.period = "2024-05";
	assert_int_equal(ask(&a, &statistician, "Get", &in.base, &kpi__get_reply__descriptor, NULL),
			 ERR_NOT_FOUND);
	in.agency_code = "H99";
	assert_int_equal(ask(&a, &statistician, "Get", &in.base, &kpi__get_reply__descriptor, NULL),
			 ERR_NOT_FOUND);
	assert_true(ask_has(&a, "UNKNOWN_AGENCY", "agency_code"));
	in.period = "May";
	assert_int_equal(ask(&a, &statistician, "Get", &in.base, &kpi__get_reply__descriptor, NULL),
			 ERR_INVALID);
	assert_true(ask_has(&a, "BAD_PERIOD", "period"));
	ask_done(&a);
}

static void test_board(void **state)
{
	Kpi__TaskBucketsRequest in = KPI__TASK_BUCKETS_REQUEST__INIT;
	Kpi__TaskBucketsReply *out;
	struct ask a;

	(void)state;
	ask_init(&a, rig.gateway, "kpi");
	in.period = "2024-05";
	assert_int_equal(ask(&a, &statistician, "TaskBuckets", &in.base,
			     &kpi__task_buckets_reply__descriptor, &out),
			 0);
	assert_int_equal(out->completed_within, 1);
	assert_int_equal(out->completed_overdue, 1);
	assert_int_equal(out->completed_no_deadline, 1);
	assert_int_equal(out->open_near_due, 1);
	assert_int_equal(out->open_overdue, 1);
	assert_int_equal(out->open_within + out->open_no_deadline, 0);
	in.agency_code = CITY;
	in.alone = true;
	assert_int_equal(ask(&a, &statistician, "TaskBuckets", &in.base,
			     &kpi__task_buckets_reply__descriptor, &out),
			 0);
	assert_int_equal(out->open_near_due + out->open_overdue, 0);
	ask_done(&a);
}

/* kill -9, and reading everything again from position 0: the same figures. */
static void test_again(void **state)
{
	(void)state;
	svcd_kill(rig.svc);
	svcd_restart(rig.svc);
	check_figures();
	svcd_kill(rig.svc);
	pg_exec(rig.pg, "kpi",
		"TRUNCATE counter, fact_procedure, fact_fee, fact_dossier, fact_rating, "
		"fact_payment, "
		"fact_record, fact_backlog, fact_task, fact_system, fact_usage, "
		"fact_online_applicant; "
		"DELETE FROM applied");
	svcd_restart(rig.svc);
	wait_counted();
	check_figures();
}

/* Withdrawn after acceptance is resolved, a negative decision too, and a reopened one once. */
static void test_other_ends(void **state)
{
	static const char sql[] = "SELECT numerator * 10 + denominator FROM counter WHERE"
				  " agency_code = '" CITY "' AND month = '2023-07-01'"
				  " AND indicator_id = ";
	char text[300];

	(void)state;
	snprintf(text, sizeof(text), "%s'DOSSIER-ON-TIME'", sql);
	assert_int_equal(pg_int(rig.pg, "kpi", text), 12); /* E1 of E1 and E3 */
	snprintf(text, sizeof(text), "%s'R2-12'", sql);
	assert_int_equal(pg_int(rig.pg, "kpi", text), 22);
	assert_int_equal(pg_int(rig.pg, "kpi",
				"SELECT count(*) FROM fact_dossier WHERE code = 'E2'"
				" AND finished_at IS NULL"),
			 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_figures), cmocka_unit_test(test_other_ends),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_board),
		cmocka_unit_test(test_again),
	};

	return cmocka_run_group_tests_name("kpi", tests, set_up, tear_down);
}
