#include "tests/support/stage.h"

#include <stdio.h>

#include "common/base/base.h"
#include "common/base/clock.h"

void stage_setup(struct stage *s, const struct stage_config *config)
{
	*s = (struct stage){0};
	if (config->now_us != 0) {
		snprintf(s->offset, sizeof(s->offset), "LGSP_CLOCK_OFFSET_US=%lld",
			 (long long)(config->now_us - clock_wall_us()));
		s->env[0] = s->offset;
	}
	s->pg = pg_new(config->schemas);
	s->bus = busd_start(config->members, config->n_members, config->rights, s->env);
	s->rig = busrig_new();
}

void stage_client(struct stage *s, struct ask *a, const char *key, const char *service)
{
	struct bus_keys keys = busd_keys(s->bus, key);

	CHECK(s->n_asks < STAGE_ASKS);
	ask_init(a, busrig_client(s->rig, busd_member_endpoint(s->bus), &keys), service);
	s->asks[s->n_asks++] = a;
}

struct svcd *stage_service(struct stage *s, const char *service)
{
	const struct svcd_config config = {
		.service = service, .bus = s->bus, .dsn = pg_dsn(s->pg, service), .env = s->env};

	CHECK(s->n_services < STAGE_SERVICES);
	return s->services[s->n_services++] = svcd_start(&config);
}

void stage_teardown(struct stage *s)
{
	while (s->n_services > 0)
		svcd_free(s->services[--s->n_services]);
	while (s->n_asks > 0)
		ask_done(s->asks[--s->n_asks]);
	busrig_free(s->rig);
	busd_free(s->bus);
	pg_free(s->pg);
}
