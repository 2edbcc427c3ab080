/* Who may call what of the task service. */
#include "common/wire/rpc.h"
#include "common/base/base.h"
#include "lgsp/task/v1/task.pb-c.h"

extern const struct rpc_table task_rpcs;

static const struct rpc_row rows[] = {
	{"Assign", RPC_STAFF, RPC_EFFECT, "leader"},
	{"Report", RPC_STAFF, RPC_EFFECT, "officer leader"},
	{"Complete", RPC_STAFF, RPC_EFFECT, "officer leader"},
	{"Confirm", RPC_STAFF, RPC_EFFECT, "leader"},
	{"Get", RPC_STAFF | RPC_SYSTEM, RPC_READ, ""},
	{"List", RPC_STAFF | RPC_SYSTEM, RPC_READ, ""},
};

const struct rpc_table task_rpcs = {
	.service = "task",
	.descriptor = &task__task_service__descriptor,
	.rows = rows,
	.n_rows = ARRAY_LEN(rows),
};
