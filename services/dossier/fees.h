/*
 * The fees of a dossier as handlers work on them: read behind the dossier's lock, decided by
 * rules_fees.h, written with the dossier's row.
 */
#ifndef LGSP_DOSSIER_FEES_H
#define LGSP_DOSSIER_FEES_H

#include "services/dossier/dossier.h"
#include "services/dossier/rules_fees.h"

/* Queues the reading of the rows behind the lock; dossier_take_add() does it, d->fees is its slot.
 */
int fees_add(struct call *c, const char *code);
int fees_read(struct call *c, const struct dossier *d, int slot, struct rules_fees *ret);
/* Queues what has changed, and sets the sums in the dossier's row. Before dossier_save(). */
void fees_set(struct call *c, struct dossier *d, const struct rules_fees *fees);

/*
 * Beside the act at hand, which is saved and told: asks for what is due of these timings, as an act
 * of its own with a version of its own. *ret_vnd: the sum, 0 when nothing is.
 */
int fees_request_with(struct call *c, struct dossier *d, struct rules_fees *fees, unsigned timings,
		      uint32_t quantity, int64_t *ret_vnd);

#endif
