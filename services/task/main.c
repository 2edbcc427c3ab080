/* The task service: README.md. */
#include "common/base/base.h"
#include "common/svc/refdata.h"
#include "services/task/task.h"

extern const struct rpc_table task_rpcs;

static Task__TaskService_Service handlers = TASK__TASK_SERVICE__INIT(task_);

static const struct svc_consumer consumers[] = {
	{.source = "directory", .apply = refdata_apply},
};

static const struct svc_job jobs[] = {
	{.name = "shades", .every_ms = 2000, .run = task_job_shades},
};

static const struct svc task_service = {
	.name = "task",
	.rpcs = &task_rpcs,
	.handlers = &handlers.base,
	.consumers = consumers,
	.n_consumers = ARRAY_LEN(consumers),
	.jobs = jobs,
	.n_jobs = ARRAY_LEN(jobs),
	.schema_version = 1,
};

int main(int argc, char **argv)
{
	return svc_main(argc, argv, &task_service);
}
