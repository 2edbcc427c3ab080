/*
 * What one member may ask of this broker: a bucket of tokens for its requests per second, and
 * gauges of what it has outstanding. Asked before a request's header is read, so that refusing a
 * flood costs little. Limits come from the member's `limit` line, where it says nothing from the
 * environment.
 *
 * Pure data: time is given. One thread.
 */
#ifndef LGSP_SERVICES_BUS_QUOTA_H
#define LGSP_SERVICES_BUS_QUOTA_H

#include <stddef.h>
#include <stdint.h>

/* Nothing is 0: no limit where the environment says 0, the environment's where a line does. */
struct quota_limits {
	uint32_t requests_per_s;
	uint32_t burst; /* tokens the bucket holds; 0: one second's */
	uint32_t in_flight;
	uint64_t bytes_in_flight; /* headers and bodies */
};

/* In the order they are checked. */
enum quota_limit { QUOTA_NONE, QUOTA_IN_FLIGHT, QUOTA_BYTES, QUOTA_RATE, QUOTA_LIMITS };

struct quota {
	int64_t full_us;  /* when the bucket will be full again, if nothing more is taken */
	int64_t pace_us;  /* mean time between ends of its requests */
	int64_t ended_us; /* the last one's */
	uint32_t in_flight;
	uint64_t bytes;
	uint32_t told; /* refused for their rate since one was let through */
	uint64_t refused[QUOTA_LIMITS];
};

/* The line's figures, and where it has none the defaults'. */
struct quota_limits quota_limits_of(const struct quota_limits *line,
				    const struct quota_limits *defaults);

/*
 * May a request of so many bytes come in now? QUOTA_NONE: yes, and a token is taken; else the limit
 * it would break, counted, and the milliseconds to wait in *ret_retry_ms.
 */
enum quota_limit quota_ask(struct quota *q, const struct quota_limits *limits, size_t bytes,
			   int64_t now_us, uint32_t *ret_retry_ms);
/* The request is outstanding from now on; until quota_leave(). */
void quota_enter(struct quota *q, size_t bytes);
void quota_leave(struct quota *q, size_t bytes, int64_t now_us);

/* As in a `limit` line and in refusals: "requests_per_s"; and its value. */
const char *quota_limit_name(enum quota_limit limit);
uint64_t quota_limit_value(const struct quota_limits *limits, enum quota_limit limit);

#endif
