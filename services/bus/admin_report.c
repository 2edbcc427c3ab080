#include <string.h>

#include "common/base/clock.h"
#include "common/wire/header.h"
#include "lgsp/bus/v1/admin.pb-c.h"
#include "services/bus/admin.h"

/* The list of those statuses that were answered. */
static Bus__StatusCount **counts(struct metric *const by_status[static STATS_STATUSES],
				 struct arena *arena, size_t *ret_n)
{
	Bus__StatusCount **list = arena_calloc(arena, STATS_STATUSES, sizeof(*list));
	Bus__StatusCount *rows = arena_calloc(arena, STATS_STATUSES, sizeof(*rows));
	size_t n = 0;

	for (unsigned i = 1; list && rows && i < STATS_STATUSES; i++) {
		uint64_t count = stats_count(by_status, i);

		if (count == 0)
			continue;
		bus__status_count__init(&rows[n]);
		rows[n].status = (Common__Status)i;
		rows[n].count = count;
		list[n] = &rows[n];
		n++;
	}
	*ret_n = n;
	return list;
}

/* --- services --- */

static Bus__WorkerDetail *worker_detail(const struct broker *b, const struct worker *w,
					struct arena *arena)
{
	Bus__WorkerDetail *out = arena_alloc(arena, sizeof(*out));

	if (!out)
		return NULL;
	bus__worker_detail__init(out);
	out->instance = w->instance;
	out->member = w->key->member->name;
	out->credit = w->credit;
	out->free = worker_free_credit(w);
	out->held = w->in_hand;
	out->parked = w->parked;
	out->draining = w->draining;
	out->held_back = w->held;
	out->silent_us = b->now_us - w->heard_us;
	return out;
}

static Bus__ServiceDetail *service_detail(const struct broker *b, const struct service *s,
					  struct arena *arena)
{
	Bus__ServiceDetail *out = arena_alloc(arena, sizeof(*out));
	const struct worker *w;

	if (!out)
		return NULL;
	bus__service_detail__init(out);
	out->name = s->name;
	out->queued = s->queued;
	out->queued_bytes = s->queued_bytes;
	out->in_flight = s->in_flight;
	out->held = s->held;
	out->requests = s->stats.requests;
	out->replies = counts(s->stats.by_status, arena, &out->n_replies);
	out->wait_p50_us = metric_percentile_us(s->stats.wait, 50);
	out->wait_p99_us = metric_percentile_us(s->stats.wait, 99);
	out->answer_p50_us = metric_percentile_us(s->stats.total, 50);
	out->answer_p99_us = metric_percentile_us(s->stats.total, 99);
	out->workers = arena_calloc(arena, s->n_workers, sizeof(*out->workers));
	if (!out->replies || !out->workers)
		return NULL;
	TAILQ_FOREACH(w, &s->workers, link)
	if (!(out->workers[out->n_workers++] = worker_detail(b, w, arena)))
		return NULL;
	return out;
}

int admin_services(struct broker *b, const ProtobufCMessage *in, struct arena *arena,
		   ProtobufCMessage **ret_out)
{
	const char *only = ((const Bus__ServicesRequest *)in)->service;
	Bus__ServicesReply *out = arena_alloc(arena, sizeof(*out));
	const struct service *s;

	if (!out)
		return admin_full(b);
	bus__services_reply__init(out);
	out->instance = b->config.instance;
	out->services = arena_calloc(arena, b->n_services, sizeof(*out->services));
	if (!out->services)
		return admin_full(b);
	TAILQ_FOREACH(s, &b->services, link)
	{
		if (*only && strcmp(only, s->name) != 0)
			continue;
		if (!(out->services[out->n_services++] = service_detail(b, s, arena)))
			return admin_full(b);
	}
	if (*only && out->n_services == 0)
		return err_set(&b->err, &err_not_found, "service", only);
	*ret_out = &out->base;
	return 0;
}

/* --- members --- */

static Bus__MemberDetail *member_detail(const struct broker *b, const struct member *m,
					struct arena *arena)
{
	Bus__MemberDetail *out = arena_alloc(arena, sizeof(*out));

	if (!out)
		return NULL;
	bus__member_detail__init(out);
	out->member = m->name;
	out->present = m->present;
	out->peers = members_peers(b->members, m);
	out->requests = m->requests;
	out->refused = m->refused;
	out->in_flight = m->quota.in_flight;
	out->bytes_in_flight = m->quota.bytes;
	out->replies = counts(m->stats.by_status, arena, &out->n_replies);
	if (m->stats.total) {
		out->answer_p50_us = metric_percentile_us(m->stats.total, 50);
		out->answer_p99_us = metric_percentile_us(m->stats.total, 99);
	}
	return out->replies ? out : NULL;
}

int admin_members(struct broker *b, const ProtobufCMessage *in, struct arena *arena,
		  ProtobufCMessage **ret_out)
{
	const char *only = ((const Bus__MembersRequest *)in)->member;
	Bus__MembersReply *out = arena_alloc(arena, sizeof(*out));

	if (!out)
		return admin_full(b);
	bus__members_reply__init(out);
	out->instance = b->config.instance;
	out->members = arena_calloc(arena, members_count(b->members), sizeof(*out->members));
	if (!out->members)
		return admin_full(b);
	for (const struct member *m = members_first(b->members); m; m = m->next) {
		if (*only && strcmp(only, m->name) != 0)
			continue;
		if (!(out->members[out->n_members++] = member_detail(b, m, arena)))
			return admin_full(b);
	}
	if (*only && out->n_members == 0)
		return err_set(&b->err, &err_not_found, "member", only);
	*ret_out = &out->base;
	return 0;
}

/* --- queues --- */

static int64_t waiting_us(const struct broker *b, const struct pending_list *list)
{
	const struct pending *p = TAILQ_FIRST(list);

	return p ? b->now_us - p->arrival_us : 0;
}

static Bus__LaneDetail *lane_detail(const struct broker *b, const struct lane *lane,
				    struct arena *arena)
{
	Bus__LaneDetail *out = arena_alloc(arena, sizeof(*out));

	if (!out)
		return NULL;
	bus__lane_detail__init(out);
	out->member = lane->member->name;
	out->queued = lane->n;
	out->oldest_us = waiting_us(b, &lane->waiting);
	return out;
}

static Bus__QueueDetail *queue_detail(const struct broker *b, const struct service *s,
				      struct arena *arena)
{
	Bus__QueueDetail *out = arena_alloc(arena, sizeof(*out));
	const struct lane *lane;
	size_t n = 0;

	TAILQ_FOREACH(lane, &s->lanes, link)
	n++;
	if (!out)
		return NULL;
	bus__queue_detail__init(out);
	out->service = s->name;
	out->queued = s->queued;
	out->queued_bytes = s->queued_bytes;
	out->oldest_us = waiting_us(b, &s->again);
	out->lanes = arena_calloc(arena, n, sizeof(*out->lanes));
	if (!out->lanes)
		return NULL;
	TAILQ_FOREACH(lane, &s->lanes, link)
	{
		Bus__LaneDetail *row = lane_detail(b, lane, arena);

		if (!row)
			return NULL;
		if (row->oldest_us > out->oldest_us)
			out->oldest_us = row->oldest_us;
		out->lanes[out->n_lanes++] = row;
	}
	return out;
}

int admin_queues(struct broker *b, const ProtobufCMessage *in, struct arena *arena,
		 ProtobufCMessage **ret_out)
{
	Bus__QueuesReply *out = arena_alloc(arena, sizeof(*out));
	const struct service *s;

	(void)in;
	if (!out)
		return admin_full(b);
	bus__queues_reply__init(out);
	out->instance = b->config.instance;
	out->pending = pending_count(b->pending);
	out->pending_bytes = pending_bytes(b->pending);
	out->pending_max = b->config.pending_max;
	out->pending_bytes_max = b->config.pending_bytes_max;
	out->queue_entries_max = b->config.queue_entries;
	out->queue_bytes_max = b->config.queue_bytes;
	out->queues = arena_calloc(arena, b->n_services, sizeof(*out->queues));
	if (!out->queues)
		return admin_full(b);
	TAILQ_FOREACH(s, &b->services, link)
	if (!(out->queues[out->n_queues++] = queue_detail(b, s, arena)))
		return admin_full(b);
	*ret_out = &out->base;
	return 0;
}

/* --- quota --- */

static Bus__QuotaDetail *quota_detail(const struct broker *b, const struct member *m,
				      struct arena *arena)
{
	struct quota_limits limits = quota_limits_of(&m->limits, &b->config.member);
	Bus__QuotaDetail *out = arena_alloc(arena, sizeof(*out));

	if (!out)
		return NULL;
	bus__quota_detail__init(out);
	out->member = m->name;
	out->requests_per_s = limits.requests_per_s;
	out->burst = limits.burst;
	out->in_flight = limits.in_flight;
	out->bytes_in_flight = limits.bytes_in_flight;
	out->used_in_flight = m->quota.in_flight;
	out->used_bytes = m->quota.bytes;
	out->requests_lately = top_of_member(b->top, m->name, 10, b->now_us);
	out->refused_rate = m->quota.refused[QUOTA_RATE];
	out->refused_in_flight = m->quota.refused[QUOTA_IN_FLIGHT];
	out->refused_bytes = m->quota.refused[QUOTA_BYTES];
	return out;
}

int admin_quota(struct broker *b, const ProtobufCMessage *in, struct arena *arena,
		ProtobufCMessage **ret_out)
{
	const char *only = ((const Bus__QuotaRequest *)in)->member;
	Bus__QuotaReply *out = arena_alloc(arena, sizeof(*out));

	if (!out)
		return admin_full(b);
	bus__quota_reply__init(out);
	out->instance = b->config.instance;
	out->members = arena_calloc(arena, members_count(b->members), sizeof(*out->members));
	if (!out->members)
		return admin_full(b);
	for (const struct member *m = members_first(b->members); m; m = m->next) {
		if (*only ? strcmp(only, m->name) != 0 : !m->present)
			continue;
		if (!(out->members[out->n_members++] = quota_detail(b, m, arena)))
			return admin_full(b);
	}
	if (*only && out->n_members == 0)
		return err_set(&b->err, &err_not_found, "member", only);
	*ret_out = &out->base;
	return 0;
}

/* --- keys --- */

/* A walk over the keys. */
struct listing {
	const struct broker *b;
	const char *member; /* "": all */
	struct arena *arena;
	Bus__KeysReply *out;
	bool full;
};

static bool is_listed(const struct listing *l, const struct member_key *key)
{
	return !*l->member || strcmp(key->member->name, l->member) == 0;
}

static void count_key(const struct member_key *key, void *arg)
{
	struct listing *l = arg;

	l->out->n_keys += is_listed(l, key);
}

static void list_key(const struct member_key *key, void *arg)
{
	struct listing *l = arg;
	Bus__KeyStatus *out;

	if (!is_listed(l, key) || l->full)
		return;
	out = arena_alloc(l->arena, sizeof(*out));
	if (!out) {
		l->full = true;
		return;
	}
	bus__key_status__init(out);
	out->key = key->z85;
	out->member = key->member->name;
	out->valid = key->valid;
	out->last_heard_us = key->heard_us ? key->heard_us + l->b->wall_offset_us : 0;
	out->peers = key->peers;
	l->out->keys[l->out->n_keys++] = out;
}

int admin_keys(struct broker *b, const ProtobufCMessage *request, struct arena *arena,
	       ProtobufCMessage **ret_out)
{
	struct listing l = {.b = b,
			    .member = ((const Bus__KeysRequest *)request)->member,
			    .arena = arena,
			    .out = arena_alloc(arena, sizeof(*l.out))};

	if (!l.out)
		return admin_full(b);
	bus__keys_reply__init(l.out);
	members_each_key(b->members, count_key, &l);
	l.out->keys = arena_calloc(arena, l.out->n_keys, sizeof(*l.out->keys));
	if (!l.out->keys)
		return admin_full(b);
	l.out->n_keys = 0;
	members_each_key(b->members, list_key, &l);
	if (l.full)
		return admin_full(b);
	l.out->instance = b->config.instance;
	l.out->now_us = b->now_us + b->wall_offset_us;
	*ret_out = &l.out->base;
	return 0;
}

/* --- who am I --- */

#define RIGHTS_SHOWN 1000

struct rights_list {
	struct arena *arena;
	Bus__WhoamiReply *out;
};

static void add_right(const char *line, bool in_force, void *arg)
{
	struct rights_list *l = arg;
	Bus__Right *right = arena_alloc(l->arena, sizeof(*right));

	if (!right || l->out->n_rights == RIGHTS_SHOWN)
		return;
	bus__right__init(right);
	right->line = line;
	right->in_force = in_force;
	l->out->rights[l->out->n_rights++] = right;
}

int admin_whoami(struct broker *b, const ProtobufCMessage *request, struct arena *arena,
		 ProtobufCMessage **ret_out)
{
	struct rights_list l = {arena, arena_alloc(arena, sizeof(Bus__WhoamiReply))};

	(void)request;
	if (!l.out)
		return admin_full(b);
	bus__whoami_reply__init(l.out);
	l.out->rights = arena_calloc(arena, RIGHTS_SHOWN, sizeof(*l.out->rights));
	if (!l.out->rights)
		return admin_full(b);
	l.out->instance = b->config.instance;
	l.out->member = b->caller ? b->caller->name : "";
	l.out->now_us = b->now_us + b->wall_offset_us;
	l.out->business_offset_us = clock_business_offset_us();
	if (b->caller)
		rights_each(b->caller->rights, b->today, add_right, &l);
	*ret_out = &l.out->base;
	return 0;
}
