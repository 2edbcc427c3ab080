/* Who may call what of the dossier service. */
#include "common/wire/rpc.h"
#include "common/base/base.h"
#include "lgsp/dossier/v1/dossier.pb-c.h"

#define ANYBODY_KNOWN (RPC_PUBLIC | RPC_CITIZEN | RPC_STAFF | RPC_SYSTEM)

static const struct rpc_row rows[] = {
	{"ImportProfile", RPC_INTERNAL, RPC_EFFECT, ""},
	{"GetProcedure", ANYBODY_KNOWN, RPC_READ, ""},
	{"ListProcedures", ANYBODY_KNOWN, RPC_READ, ""},
	{"Submit", RPC_CITIZEN | RPC_STAFF | RPC_SYSTEM, RPC_EFFECT, "clerk"},
	{"SubmitFromPortal", RPC_SYSTEM, RPC_EFFECT, ""},
	{"SaveDraft", RPC_CITIZEN | RPC_STAFF, RPC_EFFECT, "clerk"},
	{"GetDraft", RPC_CITIZEN | RPC_STAFF, RPC_READ, "clerk"},
	{"ListDrafts", RPC_CITIZEN | RPC_STAFF, RPC_READ, "clerk"},
	{"DiscardDraft", RPC_CITIZEN | RPC_STAFF, RPC_EFFECT, "clerk"},
	{"SubmitDraft", RPC_CITIZEN | RPC_STAFF, RPC_EFFECT, "clerk"},
	{"ListHeld", RPC_STAFF, RPC_READ, "clerk officer leader"},
	{"ReuseRecord", RPC_STAFF, RPC_EFFECT, "clerk officer leader"},
	{"Rebase", RPC_STAFF, RPC_EFFECT, "officer leader operator"},
	{"Accept", RPC_STAFF, RPC_EFFECT, "clerk"},
	{"Forward", RPC_STAFF, RPC_EFFECT, "clerk officer leader"},
	{"RequestPayment", RPC_STAFF, RPC_EFFECT, "clerk officer"},
	{"IssueResult", RPC_STAFF, RPC_EFFECT, "officer leader"},
	{"ReturnResult", RPC_STAFF, RPC_EFFECT, "clerk officer"},
	{"Rate", RPC_PUBLIC | RPC_CITIZEN, RPC_EFFECT, ""},
	{"Get", RPC_STAFF, RPC_READ, "clerk officer leader"},
	{"Inbox", RPC_STAFF, RPC_READ, "clerk officer leader"},
	{"InboxCounts", RPC_STAFF, RPC_READ, "clerk officer leader"},
	{"Search", RPC_STAFF, RPC_READ, "clerk officer leader"},
	{"MyDossiers", RPC_CITIZEN, RPC_READ, ""},
	{"WhoRead", RPC_PUBLIC | RPC_CITIZEN, RPC_READ, ""},
	{"States", ANYBODY_KNOWN, RPC_READ, ""},
	{"Proof", RPC_INTERNAL, RPC_READ, ""},
	{"SyncPending", RPC_SYSTEM, RPC_READ, ""},
	{"SyncReport", RPC_SYSTEM, RPC_EFFECT, ""},
	{"RecountDue", RPC_STAFF, RPC_EFFECT, "leader operator"},
	{"Statistics", RPC_STAFF, RPC_READ, "leader statistician operator"},
	{"ListLateAnswers", RPC_STAFF, RPC_READ, "clerk officer leader statistician operator"},
	{"Track", RPC_PUBLIC | RPC_CITIZEN, RPC_READ, ""},
};

const struct rpc_table dossier_rpcs = {
	.service = "dossier",
	.descriptor = &dossier__dossier_service__descriptor,
	.rows = rows,
	.n_rows = ARRAY_LEN(rows),
};
