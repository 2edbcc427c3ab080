#include "common/wire/rpc.h"
#include "common/base/base.h"
#include "lgsp/kpi/v1/kpi.pb-c.h"

extern const struct rpc_table kpi_rpcs;

static const struct rpc_row rows[] = {
	{"ImportProfile", RPC_SYSTEM, RPC_EFFECT, ""},
	{"Get", RPC_STAFF | RPC_SYSTEM, RPC_READ, ""},
	{"List", RPC_STAFF | RPC_SYSTEM, RPC_READ, ""},
	{"ListIndicators", RPC_STAFF | RPC_SYSTEM, RPC_READ, ""},
	{"TaskBuckets", RPC_STAFF | RPC_SYSTEM, RPC_READ, ""},
	{"Cursors", RPC_STAFF | RPC_SYSTEM, RPC_READ, "operator statistician"},
};

const struct rpc_table kpi_rpcs = {
	.service = "kpi",
	.descriptor = &kpi__kpi_service__descriptor,
	.rows = rows,
	.n_rows = ARRAY_LEN(rows),
};
