/*
 * The broker's counters. Counted in the loop's thread, read by /metrics; nothing here is per
 * request but additions.
 */
#ifndef LGSP_SERVICES_BUS_STATS_H
#define LGSP_SERVICES_BUS_STATS_H

#include <stdint.h>

#include "common/base/metric.h"

struct broker;
struct member;
struct service;

/* Messages that got no answer, by reason. */
enum drop_reason {
	DROP_NO_USER_ID,     /* not authenticated: the ZAP handler is dead */
	DROP_ROUTING_ID,     /* a routing id of the peer's own choice */
	DROP_KEY_REVOKED,    /* a message or request of a key no longer in force */
	DROP_BAD_FRAMES,     /* nothing a worker may say */
	DROP_LATE_REPLY,     /* FINAL for a token that is no more */
	DROP_FORGED_REPLY,   /* FINAL for another worker's token */
	DROP_CLIENT_GONE,    /* the reply's caller left or does not read */
	DROP_UNKNOWN_WORKER, /* FINAL of a connection that is no worker */
	DROP_LATE_CANCEL,    /* CANCEL of a request that is no more, or never was */
	DROP_REASONS,
};

#define STATS_STATUSES 14 /* of lgsp.common.v1.Status */

struct service_stats {
	uint64_t requests;
	struct metric *accepted, *redispatched, *lost;
	struct metric *by_status[STATS_STATUSES];
	struct metric *wait, *total; /* arrival to dispatch, arrival to answer */
	struct metric *queued, *queued_bytes, *in_flight, *workers, *credit;
};

/* Made when first counted. Beyond STATS_MEMBERS members share those of "other". */
#define STATS_MEMBERS 128
struct member_stats {
	struct metric *by_status[STATS_STATUSES], *total;
};

struct stats {
	uint64_t requests, refused;
	struct metric *drops[DROP_REASONS];
	struct metric *refused_by[STATS_STATUSES];
	struct metric *pending, *pending_bytes, *reloads, *reload_faults;
};

void stats_init(struct stats *s);
void stats_service_init(struct service_stats *s, const char *service);
void stats_drop(struct stats *s, enum drop_reason reason);
/* status: 0 or ERR_…. */
void stats_answered(struct service_stats *s, int status, int64_t took_us);
void stats_refused(struct stats *s, int status);
/* An answer to a member, of whoever; took_us < 0: it was refused, not answered. */
void stats_member(struct member *m, int status, int64_t took_us);
/* How often this status was answered. */
uint64_t stats_count(struct metric *const by_status[static STATS_STATUSES], unsigned wire_status);
/* Sets the gauges before they are read. */
void stats_refresh(struct broker *b);

#endif
