#include "services/payment/adapter.h"

#include <string.h>

#include "common/base/base.h"

static const struct adapter *const adapters[] = {&adapter_vnpay};

const struct adapter *adapter_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(adapters); i++) {
		if (strcmp(adapters[i]->name, name) == 0)
			return adapters[i];
	}
	return NULL;
}
