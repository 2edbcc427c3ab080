#include "services/bus/stats.h"

#include <stdio.h>

#include "common/base/err.h"
#include "services/bus/broker.h"

static const char *const drop_names[DROP_REASONS] = {
	[DROP_NO_USER_ID] = "no_user_id",   [DROP_ROUTING_ID] = "routing_id",
	[DROP_KEY_REVOKED] = "key_revoked", [DROP_BAD_FRAMES] = "bad_frames",
	[DROP_LATE_REPLY] = "late_reply",   [DROP_FORGED_REPLY] = "forged_reply",
	[DROP_CLIENT_GONE] = "client_gone", [DROP_UNKNOWN_WORKER] = "unknown_worker",
	[DROP_LATE_CANCEL] = "late_cancel",
};

/* Index of a C status in arrays by the wire's number: OK is 1. */
static unsigned index_of(int status)
{
	return status == 0 ? 1 : (unsigned)-status;
}

static void init_statuses(struct metric **out, const char *name, const char *prefix,
			  const char *help)
{
	char labels[160];

	for (int i = 1; i < STATS_STATUSES; i++) {
		snprintf(labels, sizeof(labels), "%sstatus=\"%s\"", prefix,
			 err_status_name(i == 1 ? 0 : -i));
		out[i] = metric_counter(name, labels, help);
	}
}

void stats_init(struct stats *s)
{
	char labels[64];

	for (unsigned i = 0; i < DROP_REASONS; i++) {
		snprintf(labels, sizeof(labels), "reason=\"%s\"", drop_names[i]);
		s->drops[i] = metric_counter("lgsp_bus_dropped_total", labels,
					     "Messages dropped without an answer");
	}
	init_statuses(s->refused_by, "lgsp_bus_refused_total", "",
		      "Requests refused before they were accepted");
	s->pending = metric_gauge("lgsp_bus_pending", "", "Requests accepted and not answered");
	s->pending_bytes = metric_gauge("lgsp_bus_pending_bytes", "", "Their bytes");
	s->reloads = metric_counter("lgsp_bus_reloads_total", "result=\"ok\"",
				    "Reloads of members and rights");
	s->reload_faults = metric_counter("lgsp_bus_reloads_total", "result=\"refused\"",
					  "Reloads of members and rights");
}

void stats_service_init(struct service_stats *s, const char *service)
{
	char l[BUS_NAME_MAX + 16], prefix[BUS_NAME_MAX + 16];

	snprintf(l, sizeof(l), "service=\"%s\"", service);
	snprintf(prefix, sizeof(prefix), "service=\"%s\",", service);
	s->accepted = metric_counter("lgsp_bus_requests_total", l, "Requests accepted");
	s->redispatched = metric_counter("lgsp_bus_redispatched_total", l,
					 "Requests given to a second worker");
	s->lost = metric_counter("lgsp_bus_workers_lost_total", l, "Workers lost");
	init_statuses(s->by_status, "lgsp_bus_replies_total", prefix,
		      "Answers to accepted requests");
	s->wait = metric_histogram("lgsp_bus_wait_seconds", l, "Arrival to dispatch");
	s->total = metric_histogram("lgsp_bus_answer_seconds", l, "Arrival to answer");
	s->queued = metric_gauge("lgsp_bus_queued", l, "Requests waiting");
	s->queued_bytes = metric_gauge("lgsp_bus_queued_bytes", l, "Bytes waiting");
	s->in_flight = metric_gauge("lgsp_bus_in_flight", l, "Requests in workers' hands");
	s->workers = metric_gauge("lgsp_bus_workers", l, "Workers registered");
	s->credit = metric_gauge("lgsp_bus_credit", l, "Requests the workers would take now");
}

void stats_drop(struct stats *s, enum drop_reason reason)
{
	metric_add(s->drops[reason], 1);
}

void stats_answered(struct service_stats *s, int status, int64_t took_us)
{
	metric_add(s->by_status[index_of(status)], 1);
	metric_observe_us(s->total, took_us);
}

void stats_refused(struct stats *s, int status)
{
	s->refused++;
	metric_add(s->refused_by[index_of(status)], 1);
}

/* --- members --- */

static void member_label(const struct member *m, char out[static RIGHTS_MEMBER_MAX + 16])
{
	snprintf(out, RIGHTS_MEMBER_MAX + 16, "member=\"%s\"",
		 m->index < STATS_MEMBERS ? m->name : "other");
}

static struct metric *member_counter(const struct member *m, unsigned wire_status)
{
	char member[RIGHTS_MEMBER_MAX + 16], labels[RIGHTS_MEMBER_MAX + 48];

	member_label(m, member);
	snprintf(labels, sizeof(labels), "%s,status=\"%s\"", member,
		 err_status_name(wire_status == 1 ? 0 : -(int)wire_status));
	return metric_counter("lgsp_bus_member_replies_total", labels,
			      "Answers to a member, refusals among them");
}

void stats_member(struct member *m, int status, int64_t took_us)
{
	unsigned i = index_of(status);
	char label[RIGHTS_MEMBER_MAX + 16];

	if (!m->stats.by_status[i])
		m->stats.by_status[i] = member_counter(m, i);
	metric_add(m->stats.by_status[i], 1);
	if (took_us < 0)
		return;
	if (!m->stats.total) {
		member_label(m, label);
		m->stats.total = metric_histogram("lgsp_bus_member_answer_seconds", label,
						  "Arrival to answer, by calling member");
	}
	metric_observe_us(m->stats.total, took_us);
}

uint64_t stats_count(struct metric *const by_status[static STATS_STATUSES], unsigned wire_status)
{
	return by_status[wire_status] ? (uint64_t)metric_value(by_status[wire_status]) : 0;
}

static void refresh_service(struct service *s)
{
	struct worker *w;
	int64_t credit = 0;

	TAILQ_FOREACH(w, &s->workers, link)
	credit += worker_free_credit(w);
	metric_set(s->stats.queued, s->queued);
	metric_set(s->stats.queued_bytes, (int64_t)s->queued_bytes);
	metric_set(s->stats.in_flight, s->in_flight);
	metric_set(s->stats.workers, s->n_workers);
	metric_set(s->stats.credit, credit);
}

void stats_refresh(struct broker *b)
{
	struct service *s;

	metric_set(b->stats.pending, pending_count(b->pending));
	metric_set(b->stats.pending_bytes, (int64_t)pending_bytes(b->pending));
	TAILQ_FOREACH(s, &b->services, link)
	refresh_service(s);
}
