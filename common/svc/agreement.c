#include "common/svc/agreement.h"

#include <stdio.h>
#include <string.h>

/* Its place, or that of the one heard longest ago. */
static unsigned place_of(const struct agreement *a, const char *instance)
{
	unsigned oldest = 0;

	for (unsigned i = 0; i < BUS_ENDPOINTS_MAX; i++) {
		if (a->of[i].heard_us && strcmp(a->of[i].instance, instance) == 0)
			return i;
		if (a->of[i].heard_us < a->of[oldest].heard_us)
			oldest = i;
	}
	return oldest;
}

static bool is_fresh(const struct agreement *a, unsigned i, int64_t now_us)
{
	return a->of[i].heard_us && now_us - a->of[i].heard_us < AGREEMENT_STALE_US;
}

bool agreement_hear(struct agreement *a, const char *instance, const char *hash, int64_t now_us)
{
	unsigned own = place_of(a, instance);
	bool differ = false;

	snprintf(a->of[own].instance, sizeof(a->of[own].instance), "%s", instance);
	snprintf(a->of[own].hash, sizeof(a->of[own].hash), "%s", hash);
	a->of[own].heard_us = now_us;
	for (unsigned i = 0; i < BUS_ENDPOINTS_MAX; i++)
		differ |= is_fresh(a, i, now_us) && strcmp(a->of[i].hash, a->of[own].hash) != 0;
	if (!differ)
		a->since_us = 0;
	else if (a->since_us == 0)
		a->since_us = now_us;
	return differ && now_us - a->since_us >= AGREEMENT_LASTS_US;
}
