/* status: each broker's own account of itself, and where the brokers differ. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/env.h"
#include "lgsp/bus/v1/admin.pb-c.h"
#include "services/ctl/brokers.h"
#include "services/ctl/ctl.h"

static void print_table(const ProtobufCMessage *out)
{
	const Bus__StatusReply *s = (const Bus__StatusReply *)out;

	printf("%s %s, up %" PRId64 " s, business clock %+" PRId64 " s, rights %.12s\n",
	       s->instance, s->version, s->uptime_us / 1000000, s->business_offset_us / 1000000,
	       s->rights_hash);
	printf("requests %" PRIu64 ", refused %" PRIu64 "\n\n", s->requests, s->refused);
	printf("%-16s %8s %8s %9s %8s %12s %10s\n", "service", "workers", "credit", "in flight",
	       "queued", "queued bytes", "requests");
	for (size_t i = 0; i < s->n_services; i++) {
		const Bus__ServiceStatus *v = s->services[i];

		printf("%-16s %8u %8u %9u %8u %12" PRIu64 " %10" PRIu64 "\n", v->name, v->workers,
		       v->credit, v->in_flight, v->queued, v->queued_bytes, v->requests);
	}
	printf("\n%-40s %8s %10s %10s\n", "member", "peers", "requests", "refused");
	for (size_t i = 0; i < s->n_members; i++) {
		const Bus__MemberStatus *m = s->members[i];

		printf("%-40s %8u %10" PRIu64 " %10" PRIu64 "\n", m->member, m->peers, m->requests,
		       m->refused);
	}
	putchar('\n');
}

static int differ(const Bus__StatusReply *a, const Bus__StatusReply *b)
{
	int rc = 0;

	if (strcmp(a->rights_hash, b->rights_hash) != 0)
		rc = ctl_say(CTL_FAILED,
			     "DIFFERENT RIGHTS: %s has %.12s, %s has %.12s; compare their members "
			     "folder and rights file, then lgspctl reload",
			     a->instance, a->rights_hash, b->instance, b->rights_hash);
	if (a->business_offset_us != b->business_offset_us)
		rc = ctl_say(CTL_FAILED,
			     "DIFFERENT BUSINESS CLOCKS: %s %+" PRId64 " us, %s %+" PRId64
			     " us; LGSP_CLOCK_OFFSET_US must be one for all",
			     a->instance, a->business_offset_us, b->instance,
			     b->business_offset_us);
	if (strcmp(a->instance, b->instance) == 0)
		rc = ctl_say(CTL_FAILED, "two brokers are called %s; LGSP_INSTANCE names one each",
			     a->instance);
	return rc;
}

/* Each with the first that answered. Another version is normal while they are restarted in turn. */
static int compare(const struct brokers *b)
{
	const Bus__StatusReply *first = NULL;
	int rc = 0;

	for (unsigned i = 0; i < b->n; i++) {
		const Bus__StatusReply *s = (const Bus__StatusReply *)b->of[i].out;

		if (s && first && differ(first, s) != 0)
			rc = CTL_FAILED;
		if (!first)
			first = s;
	}
	return rc;
}

int ctl_status(int argc, char **argv)
{
	const char *json = NULL;
	const struct ctl_option options[] = {{"--json", false, &json}};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	Bus__StatusRequest in = BUS__STATUS_REQUEST__INIT;
	struct brokers b;

	if (words < 0)
		return -words;
	if (words != 1)
		return ctl_say(EXIT_USAGE, "status takes no words");
	int rc = brokers_ask(&b, NULL, "Status", &in.base, &bus__status_reply__descriptor);

	if (rc == 0)
		rc = brokers_show(&b, json, "status", print_table);
	if (rc != 0 || compare(&b) != 0)
		rc = rc != 0 ? rc : CTL_FAILED;
	brokers_done(&b);
	return rc;
}
