#include "common/wire/rpc.h"

#include <string.h>

const struct rpc_table *rpc_find_service(const char *service)
{
	for (const struct rpc_table *const *t = rpc_registry; *t != NULL; t++)
		if (strcmp((*t)->service, service) == 0)
			return *t;
	return NULL;
}

const struct rpc_table *rpc_find_interface(const char *full_name)
{
	for (const struct rpc_table *const *t = rpc_registry; *t != NULL; t++)
		if (strcmp((*t)->descriptor->name, full_name) == 0)
			return *t;
	return NULL;
}

bool rpc_find_method(const struct rpc_table *table, const char *method,
		     const struct rpc_row **ret_row, const ProtobufCMethodDescriptor **ret_method)
{
	const ProtobufCMethodDescriptor *found =
		protobuf_c_service_descriptor_get_method_by_name(table->descriptor, method);

	if (found == NULL)
		return false;
	for (size_t i = 0; i < table->n_rows; i++) {
		if (strcmp(table->rows[i].method, method) != 0)
			continue;
		if (ret_row != NULL)
			*ret_row = &table->rows[i];
		if (ret_method != NULL)
			*ret_method = found;
		return true;
	}
	return false;
}

bool rpc_role_in(const char *roles, const char *role)
{
	size_t n = strlen(role);

	if (n == 0)
		return false;
	for (const char *p = roles; *p != '\0';) {
		size_t len = strcspn(p, " ");

		if (len == n && strncmp(p, role, n) == 0)
			return true;
		p += len;
		p += strspn(p, " ");
	}
	return false;
}
