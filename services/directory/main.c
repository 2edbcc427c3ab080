/* The directory: reference data of the province (README.md). */
#include "common/base/base.h"
#include "services/directory/directory.h"

static Directory__DirectoryService_Service handlers =
	DIRECTORY__DIRECTORY_SERVICE__INIT(directory_);

static const char *owner_key_path;

static const struct env_var env[] = {
	{"LGSP_OWNER_KEY", ENV_SECRET, NULL, 0, 0, "file of 32 bytes: key of owner pseudonyms",
	 &owner_key_path},
};

static int start(struct err *err)
{
	return account_start(owner_key_path, err);
}

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
	.env = env,
	.n_env = ARRAY_LEN(env),
	.schema_version = 6,
	.start = start,
};

int main(int argc, char **argv)
{
	return svc_main(argc, argv, &service);
}
