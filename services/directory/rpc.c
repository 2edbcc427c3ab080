/* Who may call what of the directory. */
#include "common/wire/rpc.h"
#include "common/base/base.h"
#include "lgsp/directory/v1/directory.pb-c.h"

#define READERS (RPC_CITIZEN | RPC_STAFF | RPC_SYSTEM)
/* Names and posts of officers are not for everybody. */
#define INSIDERS (RPC_STAFF | RPC_SYSTEM)

static const struct rpc_row rows[] = {
	{"ImportProfile", RPC_SYSTEM, RPC_EFFECT, ""},
	{"GetUnit", READERS, RPC_READ, ""},
	{"GetAgency", READERS, RPC_READ, ""},
	{"ListAgencies", READERS, RPC_READ, ""},
	{"AppointOfficer", INSIDERS, RPC_EFFECT, "operator"},
	{"ListOfficers", INSIDERS, RPC_READ, ""},
	{"ResolveSubject", RPC_INTERNAL, RPC_READ, ""},
	{"VerifyAccount", INSIDERS, RPC_EFFECT, "clerk"},
	{"ReleaseAccount", INSIDERS, RPC_EFFECT, "operator"},
	{"GetCalendar", READERS, RPC_READ, ""},
	{"SetCalendarDays", INSIDERS, RPC_EFFECT, "operator"},
	{"GetHours", READERS, RPC_READ, ""},
	{"SetWorkingHours", INSIDERS, RPC_EFFECT, "leader operator"},
	{"ListSystems", INSIDERS, RPC_READ, "operator"},
	{"ReportUsage", RPC_SYSTEM, RPC_EFFECT, ""},
	{"GetUsageCursor", RPC_SYSTEM, RPC_READ, ""},
	{"ListCategory", READERS, RPC_READ, ""},
};

const struct rpc_table directory_rpcs = {
	.service = "directory",
	.descriptor = &directory__directory_service__descriptor,
	.rows = rows,
	.n_rows = ARRAY_LEN(rows),
};
