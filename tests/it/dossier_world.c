#include "tests/it/dossier_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "common/base/civil.h"

static struct bundle procedures;
static struct ask ops;
static int32_t stands_in_to[MODEL_DESKS]; /* last day */

/* --- what changes --- */

static void look_who_stands_in(void)
{
	for (int desk = 0; desk < MODEL_DESKS; desk++)
		world.stands_in[desk] = stands_in_to[desk] >= civil_of_us(world.now_us);
}

void world_at(int64_t now_us)
{
	*rig.clock = world.now_us = now_us;
	look_who_stands_in();
}

void world_stand_in(struct ask *a, int desk, int days)
{
	int32_t today = civil_of_us(world.now_us);
	bool on = days >= 0;
	char from[11], to[11];

	stands_in_to[desk] = today + days;
	civil_format(today, from);
	civil_format(on ? stands_in_to[desk] : today, to);
	assert_int_equal(CALL(a, &model_staff[desk][LEADER], SetStandIn, set_stand_in, NULL,
			      in_.for_subject = model_staff[desk][OFFICER].subject;
			      in_.subject = on ? model_staff[desk][COLLEAGUE].subject : "";
			      in_.from = from; in_.to = to),
			 0);
	look_who_stands_in();
}

static void read_version(enum procedure procedure, const char *code)
{
	char sql[120];

	snprintf(sql, sizeof(sql), "SELECT max(version) FROM procedure_version WHERE code = '%s'",
		 code);
	world.newest[procedure].version = (int)count(sql);
}

void world_limit(int unit, int value)
{
	procedures.p[PLAIN].limit_unit = (Dossier__LimitUnit)unit;
	procedures.p[PLAIN].limit_value = value;
	assert_int_equal(import(&ops, &procedures), 1);
	read_version(PLAIN, MARRIAGE);
	world.limits[world.newest[PLAIN].version][0] = unit;
	world.limits[world.newest[PLAIN].version][1] = value;
}

/* --- how it begins --- */

static void put_officers(void)
{
	char sql[300];

	for (int desk = 0; desk < MODEL_DESKS; desk++) {
		for (int hand = 0; hand < HANDS; hand++) {
			const struct person *p = &model_staff[desk][hand];

			snprintf(sql, sizeof(sql),
				 "INSERT INTO ref_officer VALUES ('%s', '%s', '%s', 'Chức vụ %d',"
				 " '{%s}', '2021-01-01', 'infinity')",
				 p->subject, p->agency, p->subject, hand, p->role);
			pg_exec(rig.pg, "dossier", sql);
		}
	}
}

/* The rig's two, and one with the template of dossier_model.c, papers and a fee. */
static void put_procedures(void)
{
	static const char *const roles[] = {"clerk", "officer", "leader", "clerk"};
	static const char *first[] = {"forward", "request_supplement"};
	static const char *third[] = {"sign_off", "return_for_rework", "issue_result", "stop"};
	static Dossier__Step step[4], *list[4];
	static Dossier__StepOpinion opinion, *opinions[1] = {&opinion};
	/* In the bundle BIRTH is second: the model's BARE. */
	Dossier__Procedure *p = &procedures.p[2];

	make_bundle(&procedures);
	for (size_t i = 0; i < ARRAY_LEN(step); i++) {
		dossier__step__init(&step[i]);
		step[i].ordinal = (uint32_t)i + 1;
		step[i].role = roles[i];
		step[i].agency_rule = i == 0 || i == 3 ? "receiving" : "competent";
		step[i].hours = 4;
		step[i].name = "Bước";
		list[i] = &step[i];
	}
	step[0].actions = first;
	step[0].n_actions = ARRAY_LEN(first);
	step[2].actions = third;
	step[2].n_actions = ARRAY_LEN(third);
	dossier__step_opinion__init(&opinion);
	opinion.agency_code = DISTRICT;
	opinion.hours = 8;
	opinion.question = "Có phù hợp quy hoạch không?";
	step[1].opinions = opinions;
	step[1].n_opinions = 1;
	p->code = MODEL_STEPPED;
	p->valid_from = "2021-01-01";
	p->steps = list;
	p->n_steps = ARRAY_LEN(list);
	p->components = procedures.p[0].components;
	p->n_components = procedures.p[0].n_components;
	p->form = procedures.p[0].form;
	p->n_form = procedures.p[0].n_form;
	p->fee_kind = procedures.p[0].fee_kind;
	p->fee_vnd = procedures.p[0].fee_vnd;
	ask_init(&ops, rig.ops, "dossier");
	assert_int_equal(import(&ops, &procedures), 1);
	read_version(PLAIN, MARRIAGE);
	read_version(STEPPED, MODEL_STEPPED);
	read_version(BARE, BIRTH);
	world.limits[world.newest[PLAIN].version][0] = CALENDAR_WORKING_DAYS;
	world.limits[world.newest[PLAIN].version][1] = 3;
}

void world_start(void)
{
	static const struct calendar_day days[] = {
		{19870, CALENDAR_OFF},  /* 2024-05-27 */
		{19875, CALENDAR_WORK}, /* 2024-06-01, a Saturday */
		{19968, CALENDAR_OFF},  /* 2024-09-02 */
		{19969, CALENDAR_OFF},
	};
	struct err err;

	CHECK(calendar_new(days, ARRAY_LEN(days), civil_from_ymd(2021, 1, 1),
			   civil_from_ymd(2024, 12, 31), 2, &world.cal, &err) == 0);
	pg_exec(rig.pg, "dossier",
		"INSERT INTO ref_calendar_day VALUES ('2024-05-27', 'OFF'), ('2024-06-01', 'WORK'),"
		" ('2024-09-02', 'OFF'), ('2024-09-03', 'OFF');"
		"INSERT INTO ref_hours VALUES ('" COMMUNE "', 5, 450, 690, 690, 690, '2021-01-01',"
		" 'infinity', 5)");
	put_calendar(2, "2024-12-31");
	put_officers();
	put_procedures();
	say_held(MODEL_RECORD, NUMBER, "GKS", "", "");
}

void world_stop(void)
{
	ask_done(&ops);
	calendar_free(world.cal);
}
