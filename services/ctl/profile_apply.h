/* Gives each service its part of a checked profile over the bus. */
#ifndef SERVICES_CTL_PROFILE_APPLY_H
#define SERVICES_CTL_PROFILE_APPLY_H

#include <protobuf-c/protobuf-c.h>

#include "services/ctl/profile.h"

/*
 * Directory first, then dossier, payment and kpi: one ImportProfile each, whose message id is made
 * of the manifest's hash and the service's name, so that applying again is a replay. Then waits
 * until the services have the directory's data. Returns an exit code.
 */
int profile_apply(const struct profile *profile);

/* --- shared by profile_apply*.c --- */

/* An array of n messages of a type and the pointers to them, all initialised, in the arena. */
#define PROFILE_LIST(arena, type, init, n, ret)                                                    \
	do {                                                                                       \
		type *list_ = arena_calloc(arena, (n) ? (n) : 1, sizeof *list_);                   \
		(ret) = arena_calloc(arena, (n) ? (n) : 1, sizeof *(ret));                         \
		CHECK(list_ && (ret));                                                             \
		for (size_t i_ = 0; i_ < (n); i_++) {                                              \
			init(&list_[i_]);                                                          \
			(ret)[i_] = &list_[i_];                                                    \
		}                                                                                  \
	} while (0)

/* "a b c", separated by one of the characters in by, as an array of strings. */
const char **profile_split(struct arena *arena, const char *by, const char *words, size_t *ret_n);

/* Procedures and channels (profile_apply_dossier.c). */
const ProtobufCMessage *profile_dossier_part(const struct profile *p, struct arena *arena);

#endif
