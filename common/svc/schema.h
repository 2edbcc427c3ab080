/*
 * How new the service's schema is, in its three parts: the common tables, the reference data's and
 * the service's own. `lgspctl migrate` makes it newer; a service waits until it is new enough.
 */
#ifndef LGSP_SVC_SCHEMA_H
#define LGSP_SVC_SCHEMA_H

#include "common/svc/svc.h"

/* The newest files in common/db/sql and common/svc/sql; a unit test compares. */
#define SCHEMA_COMMON_VERSION 3
#define SCHEMA_REF_VERSION    3

enum schema_part { SCHEMA_COMMON, SCHEMA_REF, SCHEMA_OWN, SCHEMA_PARTS };

struct schema_found {
	int version[SCHEMA_PARTS]; /* 0: none yet */
};

enum schema_verdict {
	SCHEMA_WAIT,  /* older than the binary needs */
	SCHEMA_READY, /* own part newer is fine: migrations only add to what is in use */
	SCHEMA_TOO_NEW,
};

/* Reads schema_migration; a table that is not there yet is all zeros. 0 or the error in c->err. */
int schema_read(struct call *c, const char *own, struct schema_found *ret_found);
/* Pure. */
enum schema_verdict schema_judge(const struct svc *def, const struct schema_found *found);

#endif
