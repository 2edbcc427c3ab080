/* status: the broker's own account of itself, from its admin socket. */
#include <inttypes.h>
#include <stdio.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/env.h"
#include "common/wire/pbjson.h"
#include "lgsp/bus/v1/admin.pb-c.h"
#include "services/ctl/ctl.h"
#include "services/ctl/session.h"

static void print_table(const Bus__StatusReply *s)
{
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
}

int ctl_status(int argc, char **argv)
{
	const char *as_json = NULL;
	const struct ctl_option options[] = {{"--json", false, &as_json}};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	Bus__StatusRequest in = BUS__STATUS_REQUEST__INIT;
	ProtobufCMessage *out = NULL;
	struct session *session = NULL;
	struct session_how how = {.deadline_ms = 5000};
	struct err err = {0};
	struct arena arena;
	struct buf json;

	if (words < 0)
		return -words;
	if (words != 1)
		return ctl_say(EXIT_USAGE, "status takes no words");
	int rc = session_open("LGSP_BUS_ADMIN", &session);

	if (rc != 0)
		return rc;
	arena_init(&arena, 16 << 20);
	buf_init(&json, 4 << 20);
	if (session_call(session, "bus", "Status", &in.base, &bus__status_reply__descriptor, &how,
			 &arena, &out, &err) < 0)
		rc = ctl_fail("status", &err);
	else if (!as_json)
		print_table((const Bus__StatusReply *)out);
	else if (pbjson_write(out, true, &json) == 0)
		puts(buf_str(&json));
	session_close(session);
	buf_done(&json);
	arena_done(&arena);
	return rc;
}
