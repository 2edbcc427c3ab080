#include "services/bus/quota.h"

#include <stdbool.h>

#include "common/base/clock.h"

#define RETRY_MIN_MS 10
#define RETRY_MAX_MS 5000

struct quota_limits quota_limits_of(const struct quota_limits *line,
				    const struct quota_limits *defaults)
{
	struct quota_limits l = *line;

	if (l.requests_per_s == 0) {
		l.requests_per_s = defaults->requests_per_s;
		l.burst = l.burst ? l.burst : defaults->burst;
	}
	if (l.burst == 0)
		l.burst = l.requests_per_s;
	if (l.in_flight == 0)
		l.in_flight = defaults->in_flight;
	if (l.bytes_in_flight == 0)
		l.bytes_in_flight = defaults->bytes_in_flight;
	return l;
}

static uint32_t clamp_ms(int64_t us)
{
	int64_t ms = us / 1000 + 1;

	if (ms < RETRY_MIN_MS)
		return RETRY_MIN_MS;
	return ms > RETRY_MAX_MS ? RETRY_MAX_MS : (uint32_t)ms;
}

/*
 * A token is so many microseconds of the bucket's filling; what is missing is told by the moment it
 * is full again. Whoever is refused waits for a token of its own: so those told do not come
 * together.
 */
static bool take_token(struct quota *q, const struct quota_limits *l, int64_t now_us,
		       uint32_t *ret_retry_ms)
{
	int64_t token_us, whole_us;

	if (l->requests_per_s == 0)
		return true;
	token_us = CLOCK_US_PER_S / l->requests_per_s;
	whole_us = CLOCK_US_PER_S * (int64_t)l->burst / l->requests_per_s;
	if (token_us == 0)
		token_us = 1;
	if (q->full_us < now_us)
		q->full_us = now_us;
	if (q->full_us + token_us - now_us > whole_us) {
		*ret_retry_ms = clamp_ms(q->full_us + token_us * (1 + (int64_t)q->told++) - now_us -
					 whole_us);
		return false;
	}
	q->full_us += token_us;
	q->told = 0;
	return true;
}

enum quota_limit quota_ask(struct quota *q, const struct quota_limits *limits, size_t bytes,
			   int64_t now_us, uint32_t *ret_retry_ms)
{
	enum quota_limit broken = QUOTA_NONE;

	if (limits->in_flight && q->in_flight >= limits->in_flight)
		broken = QUOTA_IN_FLIGHT;
	else if (limits->bytes_in_flight && q->bytes + bytes > limits->bytes_in_flight)
		broken = QUOTA_BYTES;
	if (broken != QUOTA_NONE)
		*ret_retry_ms = clamp_ms(q->pace_us);
	else if (!take_token(q, limits, now_us, ret_retry_ms))
		broken = QUOTA_RATE;
	q->refused[broken]++;
	return broken;
}

void quota_enter(struct quota *q, size_t bytes)
{
	q->in_flight++;
	q->bytes += bytes;
}

void quota_leave(struct quota *q, size_t bytes, int64_t now_us)
{
	int64_t since_us = now_us - q->ended_us;

	q->in_flight--;
	q->bytes -= bytes;
	q->ended_us = now_us;
	if (since_us < CLOCK_US_PER_S)
		q->pace_us += (since_us - q->pace_us) / 16;
}

const char *quota_limit_name(enum quota_limit limit)
{
	static const char *const names[QUOTA_LIMITS] = {
		[QUOTA_NONE] = "none",
		[QUOTA_IN_FLIGHT] = "in_flight",
		[QUOTA_BYTES] = "bytes_in_flight",
		[QUOTA_RATE] = "requests_per_s",
	};

	return names[limit];
}

uint64_t quota_limit_value(const struct quota_limits *limits, enum quota_limit limit)
{
	switch (limit) {
	case QUOTA_IN_FLIGHT:
		return limits->in_flight;
	case QUOTA_BYTES:
		return limits->bytes_in_flight;
	case QUOTA_RATE:
		return limits->requests_per_s;
	case QUOTA_NONE:
	case QUOTA_LIMITS:
		break;
	}
	return 0;
}
