#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/wire/header.h"
#include "services/bus/broker.h"

#define QUANTUM_BYTES   8192 /* what a member may send on before it is another's turn */
#define REQUEST_COST    4096 /* so that small requests count too */
#define RETRY_MIN_MS    50
#define RETRY_MAX_MS    5000
#define PACE_UNKNOWN_US 10000

struct service *service_find(struct broker *b, const void *name, size_t n)
{
	struct service *s;

	TAILQ_FOREACH(s, &b->services, link)
	if (strlen(s->name) == n && memcmp(s->name, name, n) == 0)
		return s;
	return NULL;
}

struct service *service_find_or_add(struct broker *b, const void *name, size_t n)
{
	struct service *s = service_find(b, name, n);

	if (s || b->n_services == BROKER_SERVICES_MAX)
		return s;
	CHECK(bus_name_valid(name, n));
	s = base_alloc(sizeof(*s));
	memcpy(s->name, name, n);
	TAILQ_INIT(&s->workers);
	TAILQ_INIT(&s->ready);
	TAILQ_INIT(&s->again);
	TAILQ_INIT(&s->lanes);
	s->pace_us = PACE_UNKNOWN_US;
	stats_service_init(&s->stats, s->name);
	TAILQ_INSERT_TAIL(&b->services, s, link);
	b->n_services++;
	return s;
}

void service_free(struct service *s)
{
	for (unsigned i = 0; i < s->n_lane_of; i++)
		free(s->lane_of[i]);
	free(s->lane_of);
	free(s);
}

bool service_held(const struct service *s)
{
	return s->n_workers > 0 && s->n_held == s->n_workers;
}

bool service_alive(const struct broker *b, const struct service *s)
{
	return s->n_workers > 0 || b->now_us - b->started_us < b->config.grace_us ||
	       (s->last_worker_us && b->now_us - s->last_worker_us < b->config.grace_us);
}

/* --- lanes --- */

static struct lane *lane_find(const struct service *s, const struct member *m)
{
	return m->index < s->n_lane_of ? s->lane_of[m->index] : NULL;
}

static struct lane *lane_find_or_add(struct service *s, struct member *m)
{
	struct lane *lane = lane_find(s, m);

	if (lane)
		return lane;
	if (m->index >= s->n_lane_of) {
		unsigned n = m->index + 16;

		s->lane_of = base_realloc(s->lane_of, n * sizeof(*s->lane_of));
		memset(s->lane_of + s->n_lane_of, 0, (n - s->n_lane_of) * sizeof(*s->lane_of));
		s->n_lane_of = n;
	}
	lane = base_alloc(sizeof(*lane));
	lane->member = m;
	TAILQ_INIT(&lane->waiting);
	s->lane_of[m->index] = lane;
	return lane;
}

static void lane_add(struct service *s, struct pending *p)
{
	struct lane *lane = lane_find_or_add(s, p->member);

	TAILQ_INSERT_TAIL(&lane->waiting, p, link);
	lane->n++;
	lane->bytes += p->bytes;
	if (lane->active)
		return;
	/* What it had left of its last turn is gone: idle members save nothing up. */
	lane->active = true;
	lane->on_turn = false;
	lane->deficit = 0;
	s->n_active++;
	TAILQ_INSERT_TAIL(&s->lanes, lane, link);
}

static void lane_remove(struct service *s, struct pending *p)
{
	struct lane *lane = lane_find(s, p->member);

	TAILQ_REMOVE(&lane->waiting, p, link);
	lane->bytes -= p->bytes;
	if (--lane->n > 0)
		return;
	lane->active = false;
	s->n_active--;
	TAILQ_REMOVE(&s->lanes, lane, link);
}

/* --- queue --- */

static void enqueue(struct service *s, struct pending *p, bool first)
{
	p->state = PENDING_QUEUED;
	p->first = first;
	s->queued++;
	s->queued_bytes += p->bytes;
	if (first)
		TAILQ_INSERT_HEAD(&s->again, p, link);
	else
		lane_add(s, p);
}

void service_requeue(struct service *s, struct pending *p)
{
	enqueue(s, p, true);
}

void service_unqueue(struct service *s, struct pending *p)
{
	if (p->first)
		TAILQ_REMOVE(&s->again, p, link);
	else
		lane_remove(s, p);
	p->state = PENDING_NEW;
	s->queued--;
	s->queued_bytes -= p->bytes;
}

static size_t cost_of(const struct pending *p)
{
	return REQUEST_COST + p->bytes;
}

/*
 * Deficit round robin (Shreedhar and Varghese 1995): whose turn it is gets a quantum, sends on what
 * it can pay, and keeps the rest for its next turn while it has requests waiting.
 */
static struct pending *next_waiting(struct service *s)
{
	struct lane *lane;

	if (!TAILQ_EMPTY(&s->again))
		return TAILQ_FIRST(&s->again);
	while ((lane = TAILQ_FIRST(&s->lanes))) {
		if (!lane->on_turn)
			lane->deficit += QUANTUM_BYTES;
		lane->on_turn = true;
		if (lane->deficit >= cost_of(TAILQ_FIRST(&lane->waiting)))
			return TAILQ_FIRST(&lane->waiting);
		lane->on_turn = false;
		TAILQ_REMOVE(&s->lanes, lane, link);
		TAILQ_INSERT_TAIL(&s->lanes, lane, link);
	}
	return NULL;
}

/* What expired in the queue costs its member nothing. */
static void pay(struct service *s, const struct pending *p)
{
	if (!p->first)
		lane_find(s, p->member)->deficit -= cost_of(p);
}

void service_pump(struct broker *b, struct service *s)
{
	while (s->queued > 0 && !TAILQ_EMPTY(&s->ready)) {
		struct worker *w = TAILQ_FIRST(&s->ready);
		struct pending *p = next_waiting(s);

		if (p->deadline_us <= b->now_us) {
			err_clear(&b->err);
			err_set(&b->err, &bus_expired_in_queue, NULL, NULL);
			broker_end(b, p);
			continue;
		}
		pay(s, p);
		service_unqueue(s, p);
		if (backend_dispatch(b, w, p) == 0)
			continue;
		enqueue(s, p, true);
		backend_lose(b, w, true);
	}
}

/* --- admission --- */

static uint32_t retry_after_ms(const struct service *s)
{
	int64_t ms = (int64_t)(s->queued + 1) * s->pace_us / 1000;

	return (uint32_t)(ms < RETRY_MIN_MS ? RETRY_MIN_MS
					    : (ms > RETRY_MAX_MS ? RETRY_MAX_MS : ms));
}

static int refuse_bound(struct broker *b, const struct service *s, const struct err_kind *kind,
			const char *limit, size_t value)
{
	char what[BUS_NAME_MAX + 64];

	snprintf(what, sizeof(what), "%s, %s=%zu", s->name, limit, value);
	return err_set_retry(&b->err, kind, what, retry_after_ms(s));
}

/* The member with most waiting, in requests or in bytes. */
static struct lane *fullest_lane(const struct service *s, bool by_bytes)
{
	struct lane *it, *fullest = NULL;

	TAILQ_FOREACH(it, &s->lanes, link)
	if (!fullest || (by_bytes ? it->bytes > fullest->bytes : it->n > fullest->n))
		fullest = it;
	return fullest;
}

/*
 * A full queue belongs to whoever fills it: a member with less waiting takes the place of the last
 * requests of the member with most, which were never handed out and are told so. False: this member
 * itself has most.
 */
static bool make_room(struct broker *b, struct service *s, const struct pending *p, bool by_bytes)
{
	const struct lane *own = lane_find(s, p->member);
	struct lane *fullest = fullest_lane(s, by_bytes);
	size_t has = own ? (by_bytes ? own->bytes : own->n) : 0;

	if (!fullest || has + (by_bytes ? p->bytes : 1) >= (by_bytes ? fullest->bytes : fullest->n))
		return false;
	refuse_bound(b, s, &bus_share_full, by_bytes ? "queue_bytes" : "queue_entries",
		     by_bytes ? b->config.queue_bytes : b->config.queue_entries);
	broker_end(b, TAILQ_LAST(&fullest->waiting, pending_list));
	return true;
}

/*
 * How long a further request of this lane would wait, by the service's pace: one of each member who
 * has some goes before each of its own, and never more than there are.
 */
static int64_t expected_wait_us(const struct service *s, const struct lane *lane)
{
	uint64_t own = lane ? lane->n : 0;
	uint64_t ahead = (own + 1) * (s->n_active + (own == 0));

	return (int64_t)(ahead < s->queued ? ahead : s->queued) * s->pace_us;
}

/*
 * What would expire in the queue is refused while its caller has time to go elsewhere. Only an
 * empty queue takes it: so a pace that was slow once is measured again.
 */
static int check_wait(struct broker *b, const struct service *s, const struct lane *lane,
		      const struct pending *p)
{
	int64_t wait_us = expected_wait_us(s, lane);

	if (s->paced < SERVICE_PACED || s->queued == 0 || wait_us <= p->deadline_us - b->now_us)
		return 0;
	return refuse_bound(b, s, &bus_queue_full, "wait_ms", (size_t)(wait_us / 1000));
}

static int check_bounds(struct broker *b, struct service *s, const struct pending *p)
{
	const struct broker_config *c = &b->config;
	const struct lane *lane = lane_find(s, p->member);

	if (p->flags & HEADER_FLAG_NO_QUEUE)
		return err_set_retry(&b->err, &bus_no_credit, s->name, retry_after_ms(s));
	if (lane && lane->n >= c->queue_share)
		return refuse_bound(b, s, &bus_share_full, "queue_share", c->queue_share);
	if (check_wait(b, s, lane, p) < 0)
		return b->err.status;
	while (s->queued_bytes + p->bytes > c->queue_bytes)
		if (!make_room(b, s, p, true))
			return refuse_bound(b, s, &bus_queue_full, "queue_bytes", c->queue_bytes);
	if (s->queued >= c->queue_entries && !make_room(b, s, p, false))
		return refuse_bound(b, s, &bus_queue_full, "queue_entries", c->queue_entries);
	return 0;
}

int service_submit(struct broker *b, struct service *s, struct pending *p)
{
	int rc = 0;

	if (service_held(s))
		rc = err_set_retry(&b->err, &bus_service_draining, s->name, 100);
	else if (TAILQ_EMPTY(&s->ready))
		rc = check_bounds(b, s, p);
	if (rc < 0)
		return rc;
	p->service = s;
	s->stats.requests++;
	metric_add(s->stats.accepted, 1);
	enqueue(s, p, false);
	service_pump(b, s);
	return 0;
}
