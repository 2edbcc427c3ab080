/*
 * Checks the seal chain of a feed while it is read in order: positions without a gap, each seal's
 * count and digest. Pure.
 */
#ifndef SERVICES_CTL_SEALS_H
#define SERVICES_CTL_SEALS_H

#include "lgsp/feed/v1/feed.pb-c.h"

struct crypt_hash;

struct seals {
	int64_t pos;             /* last entry seen */
	int64_t sealed;          /* pos_to of the last good seal */
	int64_t n_seals;         /* good ones */
	uint8_t digest[32];      /* of the last good seal */
	struct crypt_hash *hash; /* over the entries behind it */
	char fault[160];         /* "" while all is well */
};

void seals_init(struct seals *seals);
/* As if everything up to pos had been seen and sealed by this digest. */
void seals_init_behind(struct seals *seals, int64_t pos, const uint8_t digest[static 32]);
void seals_done(struct seals *seals);
/* Takes the next page, which follows the last one without a gap. 0, or -1 with fault set. */
int seals_take(struct seals *seals, const Feed__PullReply *page);

#endif
