/* The directory: reference data of the province (README.md). */
#include "common/base/base.h"
#include "services/directory/directory.h"

static Directory__DirectoryService_Service handlers =
	DIRECTORY__DIRECTORY_SERVICE__INIT(directory_);

static const struct svc_publication publications[] = {
	{.feed = "directory.catalogue", .project = directory_publish_catalogue},
	{.feed = "directory.usage", .project = directory_publish_usage},
};

static const struct svc service = {
	.name = "directory",
	.rpcs = &directory_rpcs,
	.handlers = &handlers.base,
	.publications = publications,
	.n_publications = ARRAY_LEN(publications),
	.schema_version = 3,
};

int main(int argc, char **argv)
{
	return svc_main(argc, argv, &service);
}
