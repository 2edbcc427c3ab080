/* kpi.indicators: what is measured and aimed at, for outsiders. */
#include <string.h>

#include "lgsp/kpi/v1/events.pb-c.h"
#include "lgsp/kpi/v1/published.pb-c.h"
#include "services/kpi/kpi.h"

static int publish_indicator(const struct svc_event *ev, struct arena *arena,
			     struct svc_published *out)
{
	Kpi__PublishedIndicator *row = arena_alloc(arena, sizeof(*row));

	if (!row)
		return -1;
	kpi__published_indicator__init(row);
	row->indicator = ((const Kpi__KpiIndicatorPut *)ev->payload)->indicator;
	*out = (struct svc_published){"kpi.published_indicator", ev->subject, &row->base};
	return 1;
}

static int publish_target(const struct svc_event *ev, struct arena *arena,
			  struct svc_published *out)
{
	Kpi__PublishedTarget *row = arena_alloc(arena, sizeof(*row));

	if (!row)
		return -1;
	kpi__published_target__init(row);
	row->target = ((const Kpi__KpiTargetPut *)ev->payload)->target;
	*out = (struct svc_published){"kpi.published_target", ev->subject, &row->base};
	return 1;
}

int kpi_publish_indicators(const struct svc_event *ev, struct arena *arena,
			   struct svc_published *out)
{
	if (strcmp(ev->type, "kpi.indicator_put") == 0)
		return publish_indicator(ev, arena, out);
	if (strcmp(ev->type, "kpi.target_put") == 0)
		return publish_target(ev, arena, out);
	return 0;
}
