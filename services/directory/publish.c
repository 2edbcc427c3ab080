/* directory.catalogue: units, agencies and categories for outsiders. */
#include <string.h>

#include "lgsp/directory/v1/published.pb-c.h"
#include "services/directory/directory.h"

static int publish_unit(const struct svc_event *ev, struct arena *arena, struct svc_published *out)
{
	Directory__PublishedUnit *row = arena_alloc(arena, sizeof(*row));

	if (!row)
		return -1;
	directory__published_unit__init(row);
	row->unit = ((const Directory__DirectoryUnitPut *)ev->payload)->unit;
	*out = (struct svc_published){"directory.published_unit", ev->subject, &row->base};
	return 1;
}

static int publish_agency(const struct svc_event *ev, struct arena *arena,
			  struct svc_published *out)
{
	Directory__PublishedAgency *row = arena_alloc(arena, sizeof(*row));

	if (!row)
		return -1;
	directory__published_agency__init(row);
	row->agency = ((const Directory__DirectoryAgencyPut *)ev->payload)->agency;
	*out = (struct svc_published){"directory.published_agency", ev->subject, &row->base};
	return 1;
}

static int publish_category(const struct svc_event *ev, struct arena *arena,
			    struct svc_published *out)
{
	Directory__PublishedCategory *row = arena_alloc(arena, sizeof(*row));

	if (!row)
		return -1;
	directory__published_category__init(row);
	row->entry = ((const Directory__DirectoryCategoryPut *)ev->payload)->entry;
	*out = (struct svc_published){"directory.published_category", ev->subject, &row->base};
	return 1;
}

int directory_publish_catalogue(const struct svc_event *ev, struct arena *arena,
				struct svc_published *out)
{
	if (strcmp(ev->type, "directory.unit_put") == 0)
		return publish_unit(ev, arena, out);
	if (strcmp(ev->type, "directory.agency_put") == 0)
		return publish_agency(ev, arena, out);
	if (strcmp(ev->type, "directory.category_put") == 0)
		return publish_category(ev, arena, out);
	return 0;
}
