#include "common/wire/rpc.h"
#include "common/base/base.h"
#include "lgsp/digitisation/v1/digitisation.pb-c.h"

extern const struct rpc_table digitisation_rpcs;

#define ANYONE_KNOWN (RPC_CITIZEN | RPC_STAFF | RPC_SYSTEM)

static const struct rpc_row rows[] = {
	{"CreateUpload", ANYONE_KNOWN, RPC_EFFECT, ""},
	/* Chunks are made durable by the store and are harmless to repeat: no inbox row for them.
	 */
	{"PutChunk", ANYONE_KNOWN, RPC_READ, ""},
	{"Missing", ANYONE_KNOWN, RPC_READ, ""},
	{"Complete", ANYONE_KNOWN, RPC_EFFECT, ""},
	{"Stat", RPC_STAFF | RPC_SYSTEM | RPC_INTERNAL, RPC_READ, ""},
	{"GetChunk", ANYONE_KNOWN, RPC_READ, "clerk officer leader archivist"},
	{"GetText", RPC_STAFF, RPC_READ, "clerk officer leader archivist"},
	{"RegisterRecord", RPC_STAFF, RPC_EFFECT, "clerk officer archivist"},
	{"RevokeRecord", RPC_STAFF, RPC_EFFECT, "officer leader archivist"},
	{"FindRecords", RPC_STAFF, RPC_READ, "clerk officer leader archivist"},
	{"SearchText", RPC_STAFF, RPC_READ, "clerk officer leader archivist"},
	{"DeclareBacklog", RPC_STAFF, RPC_EFFECT, "leader archivist statistician"},
};

const struct rpc_table digitisation_rpcs = {
	.service = "digitisation",
	.descriptor = &digitisation__digitisation_service__descriptor,
	.rows = rows,
	.n_rows = ARRAY_LEN(rows),
};
