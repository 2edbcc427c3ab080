/* The digitisation service, and with --reader its confined reader of untrusted files. README.md. */
#include <string.h>

#include "common/base/base.h"
#include "common/base/crypt.h"
#include "common/svc/refdata.h"
#include "services/digitisation/digitisation.h"
#include "services/digitisation/reader.h"
#include "services/digitisation/store.h"

extern const struct rpc_table digitisation_rpcs;

struct digitisation_config digitisation_config;

static Digitisation__DigitisationService_Service handlers =
	DIGITISATION__DIGITISATION_SERVICE__INIT(digitisation_);

static const struct svc_consumer consumers[] = {
	{.source = "directory", .apply = refdata_apply},
	{.source = "dossier", .apply = digitisation_apply_dossier},
};

static const struct svc_job jobs[] = {
	{.name = "recognise", .every_ms = 500, .run = digitisation_recognise},
};

static const struct env_var env[] = {
	{"LGSP_BLOB_DIR", ENV_STRING, NULL, 0, 0, "folder of the files, shared by replicas",
	 &digitisation_config.blob_dir},
	{"LGSP_OWNER_KEY", ENV_SECRET, NULL, 0, 0, "key of the owners' pseudonyms, 32 bytes",
	 &digitisation_config.owner_key_file},
};

static int start(struct err *err)
{
	if (crypt_read_key(digitisation_config.owner_key_file, digitisation_config.owner_key,
			   sizeof(digitisation_config.owner_key)) < 0)
		return err_set(err, &err_invalid_field, "LGSP_OWNER_KEY", "32 bytes");
	if (store_open(digitisation_config.blob_dir, err) < 0)
		return err->status;
	return reader_start(err);
}

static const struct svc digitisation_service = {
	.name = "digitisation",
	.rpcs = &digitisation_rpcs,
	.handlers = &handlers.base,
	.consumers = consumers,
	.n_consumers = ARRAY_LEN(consumers),
	.jobs = jobs,
	.n_jobs = ARRAY_LEN(jobs),
	.env = env,
	.n_env = ARRAY_LEN(env),
	.schema_version = 2,
	.start = start,
	.stop = reader_stop,
};

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], READER_OPTION) == 0)
		return reader_main();
	return svc_main(argc, argv, &digitisation_service);
}
