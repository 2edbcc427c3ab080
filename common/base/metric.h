/*
 * Counters, gauges and latency histograms, rendered in the Prometheus text format. Metrics are
 * registered once at start (process lifetime) and updated from any thread without locks.
 */
#ifndef LGSP_BASE_METRIC_H
#define LGSP_BASE_METRIC_H

#include <stdint.h>

#include "common/base/buf.h"

struct metric;

/*
 * name: e.g. "lgsp_svc_requests_total"; labels: e.g. "method=\"Submit\",status=\"OK\"" or "".
 * Registering the same name and labels again returns the same metric. At most 4096 exist; beyond,
 * a shared overflow metric is returned.
 */
struct metric *metric_counter(const char *name, const char *labels, const char *help);
struct metric *metric_gauge(const char *name, const char *labels, const char *help);
/*
 * Microsecond observations in buckets from 100 us to 30 s; rendered in seconds as Prometheus wants,
 * so the name ends in _seconds.
 */
struct metric *metric_histogram(const char *name, const char *labels, const char *help);

void metric_add(struct metric *m, int64_t n);
void metric_set(struct metric *m, int64_t value);
void metric_observe_us(struct metric *m, int64_t us);
int64_t metric_value(const struct metric *m); /* histograms: number of observations */
/*
 * Of a histogram: about so long took at most `percent` of 100 observations (1..100), as fine as its
 * buckets are; 0 when there are none.
 */
int64_t metric_percentile_us(const struct metric *m, unsigned percent);

/* All metrics, grouped by name with HELP and TYPE. */
int metric_render(struct buf *out);

#endif
