/*
 * Who exists: the members' public certificates from a folder, with their rights. Loaded together
 * and swapped as one; a faulty folder or file leaves what was in force. Member and key objects live
 * as long as the process, so that counters and workers may point at them: a revoked key is one
 * whose `valid` fell.
 */
#ifndef LGSP_SERVICES_BUS_MEMBERS_H
#define LGSP_SERVICES_BUS_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/crypt.h"
#include "common/base/metric.h"
#include "common/rights/rights.h"
#include "services/bus/quota.h"
#include "services/bus/stats.h"

#define MEMBERS_KEYS_MAX  4096
#define MEMBERS_FAULT_MAX 512
#define MEMBERS_KEYS_OF   2 /* keys of one member at a time: the old and the new one */

struct member {
	struct member *next;
	char name[RIGHTS_MEMBER_MAX];
	unsigned index; /* dense, for tables by member */
	const struct rights_of *rights;
	bool present; /* has a valid key */
	struct quota quota;
	struct quota_limits limits; /* of its `limit` line; 0: the environment's */
	uint64_t requests, refused;
	struct metric *requests_metric, *refused_metric;
	struct member_stats stats;
};

struct member_key {
	struct member_key *next_in_bucket;
	char z85[41];
	struct member *member;
	bool listed;                     /* a certificate names it */
	bool valid;                      /* and today is one of its days */
	int32_t valid_from, valid_until; /* as base/civil.h counts days */
	unsigned peers;                  /* connections heard lately */
	int64_t heard_us;                /* monotonic; 0: never */
};

struct members;

struct members *members_new(void);
void members_free(struct members *members);

/*
 * Reads folder and file; 0, or -1 with file, line and reason in fault and nothing changed. A member
 * with more than two keys that are or will be valid is a fault.
 */
int members_load(struct members *members, const char *dir, const char *rights_path,
		 char fault[static MEMBERS_FAULT_MAX]);

/* Keys begin and end by themselves: call it on another day. True when that changed some key. */
bool members_set_today(struct members *members, int32_t today);
/* Calls fn for every key there ever was. */
void members_each_key(const struct members *members,
		      void (*fn)(const struct member_key *key, void *arg), void *arg);

/* By public key, 40 characters and NUL. NULL when it was never known; look at valid. */
struct member_key *members_find_key(const struct members *members, const char *z85);
struct member *members_first(const struct members *members);
unsigned members_count(const struct members *members);
/* Connections of all keys of the member. */
unsigned members_peers(const struct members *members, const struct member *member);

/* Some member with a valid key may serve it today. */
bool members_may_be_served(const struct members *members, const char *service, int32_t today);

/* SHA-256 (hex) over keys, their days, members and rights. */
const char *members_hash(const struct members *members);

/* Copies the valid keys, for the ZAP thread: at most MEMBERS_KEYS_MAX. */
size_t members_keys(const struct members *members, char (*out)[41]);

#endif
