/* Codes of dossiers: <agency>-yymmdd-NNNN. */
#include <string.h>

#include "common/base/civil.h"
#include "common/base/identity.h"
#include "services/dossier/rules.h"

bool rules_dossier_code(const char *s)
{
	const char *dash = strchr(s, '-');
	char agency[36];
	size_t n;

	if (!dash || dash == s || (size_t)(dash - s) >= sizeof(agency))
		return false;
	memcpy(agency, s, (size_t)(dash - s));
	agency[dash - s] = '\0';
	n = strspn(dash + 1, "0123456789");
	if (!identity_agency_code(agency) || n != 6 || dash[7] != '-')
		return false;
	n = strspn(dash + 8, "0123456789");
	return n >= 4 && n <= 9 && dash[8 + n] == '\0';
}

const char *rules_make_code(struct arena *arena, const char *agency, int32_t day, int64_t ordinal)
{
	int y, m, d;

	civil_to_ymd(day, &y, &m, &d);
	return arena_printf(arena, "%s-%02d%02d%02d-%04lld", agency, y % 100, m, d,
			    (long long)ordinal);
}

bool rules_national_code(const char *s)
{
	return rules_matches(s, "^[0-9A-Z][0-9A-Z./-]{3,59}$");
}
