/* What the files of common/rights share: rights as they lie in memory. */
#ifndef LGSP_RIGHTS_ROOM_H
#define LGSP_RIGHTS_ROOM_H

#include "common/base/arena.h"
#include "common/rights/rights.h"

#define RIGHTS_BUCKETS  4096 /* of members by name, a power of two */
#define RIGHTS_PURPOSES 16

struct rule {
	struct rule *next;
	const char *line; /* as written, for people */
	const char *service;
	const char *name; /* method or feed; NULL: serve */
	size_t prefix;    /* of name, when a "*" is behind it; SIZE_MAX: the whole name */
	int32_t from, until;
	bool acts_for;
	unsigned n_purposes;
	const char *purposes[RIGHTS_PURPOSES];
};

struct in_group {
	const struct in_group *next;
	struct rights_of *group;
};

/* A member, a group ("group:NAME"), or "*". */
struct rights_of {
	struct rights_of *next, *next_in_bucket;
	const char *name;
	unsigned line;                 /* that named it first */
	bool defined;                  /* of a group */
	const struct in_group *groups; /* of a member, in the order of the file */
	struct rule *grants;           /* those with a "*" once all is read */
	struct rule *feeds, *serves;
	struct rule **exact; /* other grants, by service and method */
	unsigned n_grants, n_feeds;
	unsigned exact_mask;              /* buckets - 1 */
	bool limited;                     /* has a limit line */
	struct rights_limits own, limits; /* as written; and with what groups and "*" add */
};

struct rights {
	struct arena arena;
	struct rights_of *first;
	struct rights_of *buckets[RIGHTS_BUCKETS];
	struct rights_limits everybody;
	unsigned rules;
};

uint32_t rights_hash(const char *a, const char *b);
struct rights_of *rights_find_holder(const struct rights *r, const char *name);
/* Puts grants into their buckets and works out limits; NULL or the fault, with its line. */
const char *rights_settle(struct rights *r, unsigned *ret_line);

#endif
