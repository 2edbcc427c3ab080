/*
 * Checks what is said to have happened to a dossier against the state table and against the events
 * that vouch for it. Pure; the seals over the events are seals.h's.
 */
#ifndef SERVICES_CTL_VERIFY_H
#define SERVICES_CTL_VERIFY_H

#include "common/base/arena.h"
#include "lgsp/dossier/v1/proof.pb-c.h"
#include "lgsp/feed/v1/feed.pb-c.h"

struct verify {
	const Dossier__StatesReply *states;
	const Dossier__ProofReply *proof;
	struct arena *arena; /* unpacked events */
	/* of the entry before */
	Dossier__DossierState state, back;
	int64_t time_us;
	char fault[240]; /* "" while all is well */
};

void verify_init(struct verify *v, const Dossier__StatesReply *states,
		 const Dossier__ProofReply *proof, struct arena *arena);
/*
 * Takes the next entry, in order: its version, its step in the state table, its time, and the event
 * that vouches for it, which is in *ret_event with its position. 0, or -1 with fault set.
 */
int verify_entry(struct verify *v, size_t i, const Feed__Event **ret_event, int64_t *ret_pos);
/* Behind the last: as many as the dossier has versions, and its state. 0, or -1 with fault set. */
int verify_end(struct verify *v);

/* "FILED", …; "-" for UNSPECIFIED. */
const char *verify_state_name(Dossier__DossierState state);

#endif
