#include "common/base/metric.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/err.h"

#define METRICS_MAX 4096
#define BUCKETS     1024 /* of the table by name and labels */

enum kind { COUNTER, GAUGE, HISTOGRAM };

static const char *const kind_names[] = {"counter", "gauge", "histogram"};

/* Upper bounds; the last, unnamed bucket is +Inf. */
static const struct {
	int64_t us;
	const char *le; /* seconds, as Prometheus wants them */
} bounds[] = {
	{100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"},  {2500, "0.0025"},
	{5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"},  {100000, "0.1"},
	{250000, "0.25"}, {500000, "0.5"},  {1000000, "1"},   {2500000, "2.5"}, {5000000, "5"},
	{10000000, "10"}, {30000000, "30"},
};

struct metric {
	struct metric *next_in_bucket;
	enum kind kind;
	char *name, *labels, *help;
	_Atomic int64_t value; /* histograms: observations */
	_Atomic int64_t sum_us;
	_Atomic int64_t *buckets; /* histograms only: one for each bound and +Inf */
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct metric *registry[METRICS_MAX + 1]; /* + the overflow metric */
static size_t n_metrics;
static struct metric *buckets[BUCKETS];

static struct metric **bucket_of(const char *name, const char *labels)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	for (; *labels; labels++)
		h = (h ^ (unsigned char)*labels) * 16777619u;
	return &buckets[h % BUCKETS];
}

static struct metric *metric_new(enum kind kind, const char *name, const char *labels,
				 const char *help)
{
	struct metric *m = base_alloc(sizeof(*m)), **bucket = bucket_of(name, labels);

	m->next_in_bucket = *bucket;
	*bucket = m;
	m->kind = kind;
	m->name = base_strdup(name);
	m->labels = base_strdup(labels);
	m->help = base_strdup(help);
	if (kind == HISTOGRAM)
		m->buckets = base_alloc((ARRAY_LEN(bounds) + 1) * sizeof(*m->buckets));
	registry[n_metrics++] = m;
	return m;
}

static struct metric *metric_find(const char *name, const char *labels)
{
	struct metric *m = *bucket_of(name, labels);

	while (m && (strcmp(m->name, name) != 0 || strcmp(m->labels, labels) != 0))
		m = m->next_in_bucket;
	return m;
}

static struct metric *metric_get(enum kind kind, const char *name, const char *labels,
				 const char *help)
{
	struct metric *m;

	pthread_mutex_lock(&registry_lock);
	m = metric_find(name, labels);
	if (m)
		CHECK(m->kind == kind);
	else if (n_metrics < METRICS_MAX)
		m = metric_new(kind, name, labels, help);
	else if (n_metrics == METRICS_MAX)
		m = metric_new(COUNTER, "lgsp_metric_overflow_total", "",
			       "Updates of metrics that found no room.");
	else
		m = registry[METRICS_MAX];
	pthread_mutex_unlock(&registry_lock);
	return m;
}

struct metric *metric_counter(const char *name, const char *labels, const char *help)
{
	return metric_get(COUNTER, name, labels, help);
}

struct metric *metric_gauge(const char *name, const char *labels, const char *help)
{
	return metric_get(GAUGE, name, labels, help);
}

struct metric *metric_histogram(const char *name, const char *labels, const char *help)
{
	return metric_get(HISTOGRAM, name, labels, help);
}

void metric_add(struct metric *m, int64_t n)
{
	atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

void metric_set(struct metric *m, int64_t value)
{
	atomic_store_explicit(&m->value, value, memory_order_relaxed);
}

void metric_observe_us(struct metric *m, int64_t us)
{
	size_t i = 0;

	metric_add(m, 1);
	if (!m->buckets) /* the overflow metric */
		return;
	while (i < ARRAY_LEN(bounds) && us > bounds[i].us)
		i++;
	atomic_fetch_add_explicit(&m->buckets[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&m->sum_us, us, memory_order_relaxed);
}

int64_t metric_value(const struct metric *m)
{
	return atomic_load_explicit(&m->value, memory_order_relaxed);
}

int64_t metric_percentile_us(const struct metric *m, unsigned percent)
{
	int64_t total = 0, below = 0;
	double wanted;

	for (size_t i = 0; m->buckets && i <= ARRAY_LEN(bounds); i++)
		total += m->buckets[i];
	wanted = (double)total * percent / 100;
	for (size_t i = 0; total > 0 && i < ARRAY_LEN(bounds); i++) {
		int64_t in = m->buckets[i], from = i > 0 ? bounds[i - 1].us : 0;

		if (in > 0 && (double)(below + in) >= wanted)
			return from + (int64_t)((double)(bounds[i].us - from) *
						(wanted - (double)below) / (double)in);
		below += in;
	}
	return total > 0 ? bounds[ARRAY_LEN(bounds) - 1].us : 0;
}

static int by_name(const void *a, const void *b)
{
	const struct metric *x = *(struct metric *const *)a, *y = *(struct metric *const *)b;
	int order = strcmp(x->name, y->name);

	return order ? order : strcmp(x->labels, y->labels);
}

static void render_histogram(struct buf *out, const struct metric *m)
{
	const char *comma = m->labels[0] ? "," : "";
	const char *open = m->labels[0] ? "{" : "", *close = m->labels[0] ? "}" : "";
	int64_t sum_us = m->sum_us, total = 0;

	/* Cumulated from one reading of the buckets, so that _count always equals +Inf. */
	for (size_t i = 0; i <= ARRAY_LEN(bounds); i++) {
		total += m->buckets[i];
		buf_printf(out, "%s_bucket{%s%sle=\"%s\"} %" PRId64 "\n", m->name, m->labels, comma,
			   i < ARRAY_LEN(bounds) ? bounds[i].le : "+Inf", total);
	}
	buf_printf(out, "%s_sum%s%s%s %" PRId64 ".%06d\n", m->name, open, m->labels, close,
		   sum_us / 1000000, (int)(sum_us % 1000000));
	buf_printf(out, "%s_count%s%s%s %" PRId64 "\n", m->name, open, m->labels, close, total);
}

static void render_one(struct buf *out, const struct metric *m)
{
	if (m->kind == HISTOGRAM)
		render_histogram(out, m);
	else if (m->labels[0])
		buf_printf(out, "%s{%s} %" PRId64 "\n", m->name, m->labels, metric_value(m));
	else
		buf_printf(out, "%s %" PRId64 "\n", m->name, metric_value(m));
}

int metric_render(struct buf *out)
{
	CLEANUP_FREE struct metric **sorted = NULL;
	const char *name = "";
	size_t n;

	pthread_mutex_lock(&registry_lock);
	n = n_metrics;
	sorted = base_alloc((n + 1) * sizeof(struct metric *));
	memcpy(sorted, registry, n * sizeof(struct metric *));
	pthread_mutex_unlock(&registry_lock);

	qsort(sorted, n, sizeof(struct metric *), by_name);
	for (size_t i = 0; i < n; i++) {
		const struct metric *m = sorted[i];

		if (strcmp(m->name, name) != 0)
			buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
				   kind_names[m->kind]);
		name = m->name;
		render_one(out, m);
	}
	return out->full ? ERR_TOO_LARGE : 0;
}
