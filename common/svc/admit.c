/*
 * Who may call what: a caller satisfies one or more exposures, an RPC's row names those it is open
 * to. The broker has already checked the member's right to the method and to speak for somebody.
 */
#include <string.h>

#include "common/svc/runtime.h"

static const struct err_kind exposure_denied = {
	ERR_DENIED, "EXPOSURE_DENIED", "Chức năng này không mở cho đối tượng gọi là %s",
	"this operation is not open to callers of the kind %s"};
static const struct err_kind role_required = {ERR_DENIED, "ROLE_REQUIRED",
					      "Cần một trong các vai trò: %s",
					      "one of these roles is required: %s"};

/* Members of the suite are named lgsp-<service>; the rights file says which keys bear the name. */
static bool admit_is_suite(const char *member)
{
	const char *name = strrchr(member, '/');

	return name != NULL && strncmp(name, "/lgsp-", 6) == 0;
}

static bool admit_is_gateway(const char *member)
{
	const char *name = strrchr(member, '/');

	return name != NULL && strcmp(name, "/lgsp-gateway") == 0;
}

static unsigned admit_exposure_of_role(const char *role)
{
	if (strcmp(role, "anonymous") == 0)
		return RPC_PUBLIC;
	if (strcmp(role, "citizen") == 0)
		return RPC_CITIZEN;
	if (strcmp(role, "system") == 0)
		return RPC_SYSTEM;
	return RPC_STAFF;
}

unsigned admit_exposures(const struct call_caller *caller, bool on_behalf)
{
	unsigned have = RPC_PUBLIC;

	/* Through the gateway nobody reaches what is internal, whatever the token says. */
	if (admit_is_suite(caller->member) && !(on_behalf && admit_is_gateway(caller->member)))
		have |= RPC_INTERNAL;
	if (!on_behalf)
		return have | RPC_SYSTEM;
	for (unsigned i = 0; i < caller->n_roles; i++)
		have |= admit_exposure_of_role(caller->roles[i]);
	return have;
}

static bool admit_has_staff_role(const struct rpc_row *row, const struct call_caller *caller)
{
	if (row->roles[0] == '\0')
		return true;
	for (unsigned i = 0; i < caller->n_roles; i++)
		if (rpc_role_in(row->roles, caller->roles[i]))
			return true;
	return false;
}

static const char *admit_kind_name(unsigned have)
{
	if (have & RPC_STAFF)
		return "staff";
	if (have & RPC_CITIZEN)
		return "citizen";
	if (have & RPC_SYSTEM)
		return "system";
	return "public";
}

int admit_check(const struct rpc_row *row, const struct call_caller *caller, bool on_behalf,
		struct err *err)
{
	unsigned have = admit_exposures(caller, on_behalf);
	unsigned open = have & row->exposure;

	if (open == 0)
		return err_set(err, &exposure_denied, NULL, admit_kind_name(have));
	/* Roles are asked of staff only, and of them although all are of the public, too. */
	if ((open & ~(unsigned)RPC_PUBLIC) == RPC_STAFF && !admit_has_staff_role(row, caller))
		return err_set(err, &role_required, NULL, row->roles);
	return 0;
}
