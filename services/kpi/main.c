#include "common/base/base.h"
#include "services/kpi/kpi.h"

extern const struct rpc_table kpi_rpcs;

static Kpi__KpiService_Service handlers = KPI__KPI_SERVICE__INIT(kpi_);

static const struct svc_consumer consumers[] = {
	{.source = "directory", .apply = kpi_apply_directory},
	{.source = "dossier", .apply = kpi_apply_dossier},
	{.source = "payment", .apply = kpi_apply_payment},
	{.source = "digitisation", .apply = kpi_apply_digitisation},
	{.source = "task", .apply = kpi_apply_task},
};

static const struct svc_publication publications[] = {
	{.feed = "kpi.indicators", .project = kpi_publish_indicators},
};

static const struct svc kpi_service = {
	.name = "kpi",
	.rpcs = &kpi_rpcs,
	.handlers = &handlers.base,
	.consumers = consumers,
	.n_consumers = ARRAY_LEN(consumers),
	.publications = publications,
	.n_publications = ARRAY_LEN(publications),
	.schema_version = 3,
};

int main(int argc, char **argv)
{
	return svc_main(argc, argv, &kpi_service);
}
