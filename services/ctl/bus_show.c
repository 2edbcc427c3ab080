/* services, members, queues, top: what the brokers have to do, as tables or JSON lines. */
#include <inttypes.h>
#include <stdio.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/env.h"
#include "common/base/err.h"
#include "lgsp/bus/v1/admin.pb-c.h"
#include "services/ctl/brokers.h"
#include "services/ctl/ctl.h"

/* "OK 12 BUSY 3": answers by status. */
static void print_counts(Bus__StatusCount *const *counts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int status = (int)counts[i]->status;

		printf(" %s %" PRIu64, err_status_name(status == 1 ? 0 : -status),
		       counts[i]->count);
	}
	putchar('\n');
}

/* Milliseconds with three decimals: what a person compares. */
static double ms(int64_t us)
{
	return (double)us / 1000;
}

/* --- services --- */

static void print_worker(const Bus__WorkerDetail *w)
{
	printf("    %-20s %-32s %6u %6u %6u %6u %9.1f%s%s\n", w->instance, w->member, w->credit,
	       w->free, w->held, w->parked, (double)w->silent_us / 1e6,
	       w->draining ? " draining" : "", w->held_back ? " held back" : "");
}

static void print_services(const ProtobufCMessage *out)
{
	const Bus__ServicesReply *r = (const Bus__ServicesReply *)out;

	printf("%s\n", r->instance);
	for (size_t i = 0; i < r->n_services; i++) {
		const Bus__ServiceDetail *s = r->services[i];

		printf("%s%s: queued %u, in flight %u, accepted %" PRIu64 ", answered", s->name,
		       s->held ? " (held back)" : "", s->queued, s->in_flight, s->requests);
		print_counts(s->replies, s->n_replies);
		printf("  ms: wait p50 %.3f p99 %.3f, answer p50 %.3f p99 %.3f\n",
		       ms(s->wait_p50_us), ms(s->wait_p99_us), ms(s->answer_p50_us),
		       ms(s->answer_p99_us));
		if (s->n_workers > 0)
			printf("    %-20s %-32s %6s %6s %6s %6s %9s\n", "worker", "member",
			       "credit", "free", "held", "parked", "silent s");
		for (size_t k = 0; k < s->n_workers; k++)
			print_worker(s->workers[k]);
	}
	putchar('\n');
}

/* --json and at most one word. 0 or an exit code (said). */
static int one_word(int argc, char **argv, const char **ret_json, const char **ret_word)
{
	const struct ctl_option options[] = {{"--json", false, ret_json}};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));

	if (words < 0)
		return -words;
	if (words > 2)
		return ctl_say(EXIT_USAGE, "%s takes at most one name", argv[0]);
	*ret_word = words == 2 ? argv[1] : "";
	return 0;
}

int ctl_services(int argc, char **argv)
{
	static const struct brokers_command command = {"Services", &bus__services_reply__descriptor,
						       print_services};
	Bus__ServicesRequest in = BUS__SERVICES_REQUEST__INIT;
	const char *json = NULL;
	int rc = one_word(argc, argv, &json, &in.service);

	return rc != 0 ? rc : brokers_run(&command, &in.base, json);
}

/* --- members --- */

static void print_members(const ProtobufCMessage *out)
{
	const Bus__MembersReply *r = (const Bus__MembersReply *)out;

	printf("%s\n%-40s %6s %10s %9s %9s %9s  %s\n", r->instance, "member", "peers", "requests",
	       "in flight", "p50 ms", "p99 ms", "answered");
	for (size_t i = 0; i < r->n_members; i++) {
		const Bus__MemberDetail *m = r->members[i];

		printf("%-40s %6u %10" PRIu64 " %9u %9.3f %9.3f %s", m->member, m->peers,
		       m->requests, m->in_flight, ms(m->answer_p50_us), ms(m->answer_p99_us),
		       m->present ? "" : " (no key in force)");
		print_counts(m->replies, m->n_replies);
	}
	putchar('\n');
}

int ctl_members(int argc, char **argv)
{
	static const struct brokers_command command = {"Members", &bus__members_reply__descriptor,
						       print_members};
	Bus__MembersRequest in = BUS__MEMBERS_REQUEST__INIT;
	const char *json = NULL, *word = NULL;
	char member[128];
	int rc = one_word(argc, argv, &json, &word);

	if (rc != 0)
		return rc;
	in.member = ctl_member_address(word, member);
	return brokers_run(&command, &in.base, json);
}

/* --- queues --- */

static void print_queue(const Bus__QueueDetail *q)
{
	printf("%-40s %8u %12" PRIu64 " %10.3f\n", q->service, q->queued, q->queued_bytes,
	       ms(q->oldest_us));
	for (size_t k = 0; k < q->n_lanes; k++)
		printf("  %-38s %8u %12s %10.3f\n", q->lanes[k]->member, q->lanes[k]->queued, "",
		       ms(q->lanes[k]->oldest_us));
}

static void print_queues(const ProtobufCMessage *out)
{
	const Bus__QueuesReply *r = (const Bus__QueuesReply *)out;

	printf("%s: accepted and not answered %u of %u, bytes %" PRIu64 " of %" PRIu64
	       "; a queue holds %u, bytes %" PRIu64 "\n",
	       r->instance, r->pending, r->pending_max, r->pending_bytes, r->pending_bytes_max,
	       r->queue_entries_max, r->queue_bytes_max);
	printf("%-40s %8s %12s %10s\n", "service, and whose", "waiting", "bytes", "oldest ms");
	for (size_t i = 0; i < r->n_queues; i++)
		print_queue(r->queues[i]);
	putchar('\n');
}

int ctl_queues(int argc, char **argv)
{
	static const struct brokers_command command = {"Queues", &bus__queues_reply__descriptor,
						       print_queues};
	Bus__QueuesRequest in = BUS__QUEUES_REQUEST__INIT;
	const char *json = NULL, *word = NULL;
	int rc = one_word(argc, argv, &json, &word);

	if (rc == 0 && *word)
		rc = ctl_say(EXIT_USAGE, "queues takes no words");
	return rc != 0 ? rc : brokers_run(&command, &in.base, json);
}

/* --- top --- */

static void print_top(const ProtobufCMessage *out)
{
	const Bus__TopReply *r = (const Bus__TopReply *)out;

	printf("%s, last %u s\n%-40s %-40s %8s %8s %10s %12s %12s\n", r->instance, r->seconds,
	       "member", "method", "requests", "failed", "mean ms", "bytes in", "bytes out");
	for (size_t i = 0; i < r->n_rows; i++) {
		const Bus__TopRow *t = r->rows[i];
		char what[160] = "(refused)";

		if (*t->service)
			snprintf(what, sizeof(what), "%s %s", t->service, t->method);
		printf("%-40s %-40s %8" PRIu64 " %8" PRIu64 " %10.3f %12" PRIu64 " %12" PRIu64 "\n",
		       *t->member ? t->member : "(others)", what, t->requests, t->failed,
		       ms(t->mean_us), t->request_bytes, t->reply_bytes);
	}
	putchar('\n');
}

int ctl_top(int argc, char **argv)
{
	static const struct brokers_command command = {"Top", &bus__top_reply__descriptor,
						       print_top};
	const char *json = NULL, *seconds = "10", *limit = "20";
	const struct ctl_option options[] = {
		{"--json", false, &json}, {"--seconds", true, &seconds}, {"--limit", true, &limit}};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	Bus__TopRequest in = BUS__TOP_REQUEST__INIT;
	int64_t n_seconds = 0, n_limit = 0;

	if (words < 0)
		return -words;
	if (words != 1)
		return ctl_say(EXIT_USAGE, "top takes no words");
	int rc = ctl_number("--seconds", seconds, 1, 60, &n_seconds);

	if (rc == 0)
		rc = ctl_number("--limit", limit, 1, 200, &n_limit);
	if (rc != 0)
		return rc;
	in.seconds = (uint32_t)n_seconds;
	in.limit = (uint32_t)n_limit;
	return brokers_run(&command, &in.base, json);
}
