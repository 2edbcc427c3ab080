/*
 * Two clocks. The technical clock is real: deadlines, time-outs, logs, latencies. The business
 * clock is the technical wall clock plus an offset shared by all processes (LGSP_CLOCK_OFFSET_US):
 * everything legal uses it, and only it - filing times, due dates, validity. The offset is zero in
 * production; a profile's demo sets it to the profile's year.
 *
 * All times are unix microseconds UTC unless a name says otherwise.
 */
#ifndef LGSP_BASE_CLOCK_H
#define LGSP_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define CLOCK_US_PER_S     1000000LL
#define CLOCK_TZ_OFFSET_US (7LL * 3600 * CLOCK_US_PER_S) /* Asia/Ho_Chi_Minh, no DST since 1975 */

/* Monotonic, for deadlines and durations. */
int64_t clock_mono_us(void);
/* Wall, technical. */
int64_t clock_wall_us(void);
/* Wall, business. */
int64_t clock_business_us(void);

/* Set once at start, before threads. */
void clock_set_business_offset_us(int64_t offset_us);
int64_t clock_business_offset_us(void);

/*
 * Tests only: business time stands still at us until called with 0. From outside a process of the
 * builds with crash points: LGSP_CLOCK_FILE names a file of these eight bytes, read again for every
 * question, so that a test moves the time of a running service.
 */
void clock_freeze_business_us(int64_t us);

/* "2024-05-21T01:00:00.123456Z" into out[28]. */
void clock_format_utc(int64_t us, char out[static 28]);
/* Parses RFC 3339 with any offset and up to 6 fraction digits; 0 or ERR_INVALID. */
int clock_parse_rfc3339(const char *s, int64_t *ret_us);

#endif
