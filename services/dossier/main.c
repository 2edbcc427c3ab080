/* The dossier service: README.md. */
#include "common/base/base.h"
#include "services/dossier/intake.h"
#include "services/dossier/papers.h"

extern const struct rpc_table dossier_rpcs;

static const char *owner_key_path, *lookup_url;

static const struct env_var env[] = {
	{"LGSP_OWNER_KEY", ENV_SECRET, NULL, 0, 0, "file of 32 bytes: key of owner pseudonyms",
	 &owner_key_path},
	{"LGSP_DRAFT_DAYS", ENV_INT, "30", 1, 365, "days a draft is kept after its last change",
	 &drafts_days},
	{"LGSP_DUPLICATE_DAYS", ENV_INT, "30", 0, 365,
	 "days within which a like filing is suspected to be the same; 0: never",
	 &intake_duplicate_days},
	{"LGSP_LOOKUP_URL", ENV_STRING, "", 0, 0,
	 "page where dossiers can be followed, for the QR codes of papers", &lookup_url},
};

static Dossier__DossierService_Service handlers = DOSSIER__DOSSIER_SERVICE__INIT(dossier_);

static const struct svc_consumer consumers[] = {
	{.source = "directory", .apply = dossier_on_directory},
	{.source = "payment", .apply = dossier_on_payment},
	{.source = "digitisation", .apply = dossier_on_digitisation},
};

static const struct svc_publication publications[] = {
	{.feed = "dossier.states", .project = dossier_publish_state},
};

static const struct svc_job jobs[] = {
	{.name = "due", .every_ms = 2000, .run = dossier_job_due},
	{.name = "sync", .every_ms = 1000, .run = dossier_job_sync},
	{.name = "drafts", .every_ms = 60000, .run = dossier_job_drafts},
	{.name = "overdue", .every_ms = 5000, .run = dossier_job_overdue},
	{.name = "track_locks", .every_ms = 600000, .run = dossier_job_track_locks},
};

static int start(struct err *err)
{
	intake_start();
	papers_set_lookup(lookup_url);
	return receipt_start(owner_key_path, err);
}

static void stop(void)
{
	intake_stop();
	paper_stop();
}

static const struct svc dossier_service = {
	.name = "dossier",
	.rpcs = &dossier_rpcs,
	.handlers = &handlers.base,
	.consumers = consumers,
	.n_consumers = ARRAY_LEN(consumers),
	.publications = publications,
	.n_publications = ARRAY_LEN(publications),
	.jobs = jobs,
	.n_jobs = ARRAY_LEN(jobs),
	.env = env,
	.n_env = ARRAY_LEN(env),
	.schema_version = 26,
	.start = start,
	.stop = stop,
};

int main(int argc, char **argv)
{
	return svc_main(argc, argv, &dossier_service);
}
