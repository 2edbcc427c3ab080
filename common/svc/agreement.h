/*
 * Do the brokers agree on who may do what? Each says the hash of members and rights in force in its
 * hello. Brokers read their files at slightly different moments, so only a difference that lasts
 * is one. Pure: time is given.
 */
#ifndef LGSP_SVC_AGREEMENT_H
#define LGSP_SVC_AGREEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bus/bus.h"

#define AGREEMENT_LASTS_US (5 * 1000000LL)
#define AGREEMENT_STALE_US (15 * 1000000LL) /* a broker that is away has no say */

struct agreement {
	struct {
		char instance[64], hash[65];
		int64_t heard_us;
	} of[BUS_ENDPOINTS_MAX];
	int64_t since_us; /* they differ; 0: they do not */
};

/* All zero before the first. True while they differ lastingly. */
bool agreement_hear(struct agreement *a, const char *instance, const char *hash, int64_t now_us);

#endif
