/*
 * The table of a service's RPCs: who may call each, from where, and whether it has an effect. Each
 * service defines one in services/<service>/rpc.c, a row per rpc of its .proto; the gateway and
 * lgspctl link all of them. An rpc without a row is refused and fails a test.
 */
#ifndef LGSP_WIRE_RPC_H
#define LGSP_WIRE_RPC_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

/* Who may reach an RPC; a row may name several. */
enum rpc_exposure {
	RPC_INTERNAL = 1, /* members of the suite only; never through the gateway */
	RPC_PUBLIC = 2,   /* anybody, without a token */
	RPC_CITIZEN = 4,  /* a person with the role citizen */
	RPC_STAFF = 8,    /* a person the directory knows, with one of the row's roles */
	RPC_SYSTEM = 16,  /* a member or a system's token, speaking for itself */
};

enum rpc_effect {
	RPC_READ = 1,
	RPC_EFFECT = 2, /* idempotent by message id through the inbox */
};

struct rpc_row {
	const char *method; /* as in the .proto */
	unsigned exposure;  /* of enum rpc_exposure */
	enum rpc_effect effect;
	const char *roles; /* staff: "clerk officer"; "" any role */
};

struct rpc_table {
	const char *service; /* name on the bus, e.g. "dossier" */
	const ProtobufCServiceDescriptor *descriptor;
	const struct rpc_row *rows;
	size_t n_rows;
};

/* All tables of the suite; generated from services/<service>/rpc.c by the build. NULL-terminated.
 */
extern const struct rpc_table *const rpc_registry[];

const struct rpc_table *rpc_find_service(const char *service);
/* By full protobuf name, e.g. "lgsp.dossier.v1.DossierService". */
const struct rpc_table *rpc_find_interface(const char *full_name);
/* The row and the protobuf method; false when either is missing. Outputs may be NULL. */
bool rpc_find_method(const struct rpc_table *table, const char *method,
		     const struct rpc_row **ret_row, const ProtobufCMethodDescriptor **ret_method);

/* One role of a space-separated list. */
bool rpc_role_in(const char *roles, const char *role);

#endif
