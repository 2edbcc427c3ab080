#include "common/wire/rpc.h"
#include "common/base/base.h"
#include "lgsp/payment/v1/payment.pb-c.h"

extern const struct rpc_table payment_rpcs;

static const struct rpc_row rows[] = {
	{"ImportProfile", RPC_SYSTEM, RPC_EFFECT, ""},
	{"GetOrder", RPC_STAFF | RPC_SYSTEM, RPC_READ, "clerk officer cashier leader operator"},
	{"ListOrders", RPC_STAFF | RPC_SYSTEM, RPC_READ, "clerk officer cashier leader operator"},
	{"RecordCounterPayment", RPC_STAFF, RPC_EFFECT, "cashier"},
	{"ReceiveCallback", RPC_INTERNAL, RPC_EFFECT, ""},
	{"TrialBalance", RPC_STAFF | RPC_SYSTEM, RPC_READ, "cashier leader statistician operator"},
};

const struct rpc_table payment_rpcs = {
	.service = "payment",
	.descriptor = &payment__payment_service__descriptor,
	.rows = rows,
	.n_rows = ARRAY_LEN(rows),
};
