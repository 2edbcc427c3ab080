#include "common/svc/schema.h"

#include <string.h>

#include "common/base/base.h"

static const struct db_stmt table_exists = {"SELECT to_regclass('schema_migration') IS NOT NULL"};
static const struct db_stmt read_versions = {
	"SELECT part, max(version)::int FROM schema_migration GROUP BY part"};

int schema_read(struct call *c, const char *own, struct schema_found *ret_found)
{
	const char *const names[SCHEMA_PARTS] = {"common", "ref", own};
	struct schema_found found = {0};
	int slot = call_query_args(c, &table_exists, NULL, 0);

	if (slot < 0)
		return slot;
	if (!db_get_bool(&c->tx, slot, 0, 0)) {
		*ret_found = found;
		return 0;
	}
	slot = call_query_args(c, &read_versions, NULL, 0);
	if (slot < 0)
		return slot;
	for (int i = 0; i < db_rows(&c->tx, slot); i++)
		for (size_t part = 0; part < SCHEMA_PARTS; part++)
			if (strcmp(db_get_text(&c->tx, slot, i, 0), names[part]) == 0)
				found.version[part] = (int)db_get_int(&c->tx, slot, i, 1);
	*ret_found = found;
	return 0;
}

enum schema_verdict schema_judge(const struct svc *def, const struct schema_found *found)
{
	if (found->version[SCHEMA_COMMON] > SCHEMA_COMMON_VERSION)
		return SCHEMA_TOO_NEW;
	if (found->version[SCHEMA_COMMON] < SCHEMA_COMMON_VERSION ||
	    found->version[SCHEMA_REF] < SCHEMA_REF_VERSION ||
	    found->version[SCHEMA_OWN] < def->schema_version)
		return SCHEMA_WAIT;
	return SCHEMA_READY;
}
