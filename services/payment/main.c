#include "common/base/base.h"
#include "common/svc/refdata.h"
#include "services/payment/payment.h"

extern const struct rpc_table payment_rpcs;

struct payment_config payment_config;

static Payment__PaymentService_Service handlers = PAYMENT__PAYMENT_SERVICE__INIT(payment_);

static const struct svc_consumer consumers[] = {
	{.source = "directory", .apply = refdata_apply},
	{.source = "dossier", .apply = payment_apply_dossier},
};

static const struct svc_job jobs[] = {
	{.name = "expire", .every_ms = 60000, .run = payment_expire_orders},
};

static const struct env_var env[] = {
	{"LGSP_ORDER_TTL_HOURS", ENV_INT, "720", 1, 8760, "hours an order stays open",
	 &payment_config.order_ttl_hours},
	{"LGSP_ADAPTER_KEYS", ENV_STRING, "", 0, 0,
	 "folder with <adapter>.key, the providers' secrets", &payment_config.adapter_keys},
};

static const struct svc payment_service = {
	.name = "payment",
	.rpcs = &payment_rpcs,
	.handlers = &handlers.base,
	.consumers = consumers,
	.n_consumers = ARRAY_LEN(consumers),
	.jobs = jobs,
	.n_jobs = ARRAY_LEN(jobs),
	.env = env,
	.n_env = ARRAY_LEN(env),
	.inbox_for_ever = true,
	.schema_version = 1,
};

int main(int argc, char **argv)
{
	return svc_main(argc, argv, &payment_service);
}
