#include "services/ctl/brokers.h"

#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/env.h"
#include "common/bus/bus.h"
#include "common/wire/pbjson.h"
#include "lgsp/bus/v1/admin.pb-c.h"
#include "services/ctl/ctl.h"
#include "services/ctl/session.h"

#define ARENA_CAP   (64u << 20)
#define JSON_MAX    (16u << 20)
#define DEADLINE_MS 3000

_Static_assert(BROKERS_MAX == BUS_ENDPOINTS_MAX, "a broker an endpoint");

/* 0, or an exit code (said); a refusal stands in a->err. */
static int ask_one(struct broker_answer *a, struct arena *arena, const char *method,
		   const ProtobufCMessage *in, const ProtobufCMessageDescriptor *out_desc)
{
	const struct session_how how = {.deadline_ms = DEADLINE_MS};
	struct session *session = NULL;
	ProtobufCMessage *out = NULL;
	int rc = session_open_at(a->endpoint, &session);

	if (rc != 0)
		return rc;
	if (session_call(session, "bus", method, in, out_desc, &how, arena, &out, &a->err) == 0)
		a->out = out;
	session_close(session);
	return 0;
}

static int split_endpoints(struct brokers *b)
{
	const char *list = ctl_setting("LGSP_BUS_ADMIN", NULL);
	char endpoints[BUS_ENDPOINTS_MAX][128];
	struct err err = {0};
	int n;

	if (!list)
		return EXIT_CONFIG;
	n = bus_endpoints_split(list, endpoints, &err);
	if (n < 0)
		return ctl_say(EXIT_CONFIG, "LGSP_BUS_ADMIN: %s", err.items[0].en);
	b->n = (unsigned)n;
	for (unsigned i = 0; i < b->n; i++)
		memcpy(b->of[i].endpoint, endpoints[i], sizeof(endpoints[i]));
	return 0;
}

/* Keeps the broker with this instance name alone. */
static int choose(struct brokers *b, const char *only)
{
	Bus__StatusRequest in = BUS__STATUS_REQUEST__INIT;

	for (unsigned i = 0; i < b->n; i++) {
		struct broker_answer a = b->of[i];
		int rc = ask_one(&a, &b->arena, "Status", &in.base, &bus__status_reply__descriptor);

		if (rc != 0)
			return rc;
		if (!a.out || strcmp(((const Bus__StatusReply *)a.out)->instance, only) != 0)
			continue;
		b->of[0] = b->of[i];
		b->n = 1;
		return 0;
	}
	return ctl_say(CTL_FAILED, "no broker of LGSP_BUS_ADMIN says it is %s", only);
}

int brokers_ask(struct brokers *b, const char *only, const char *method, const ProtobufCMessage *in,
		const ProtobufCMessageDescriptor *out_desc)
{
	int rc;

	*b = (struct brokers){0};
	arena_init(&b->arena, ARENA_CAP);
	rc = split_endpoints(b);
	if (rc == 0 && only)
		rc = choose(b, only);
	for (unsigned i = 0; i < b->n && rc == 0; i++)
		rc = ask_one(&b->of[i], &b->arena, method, in, out_desc);
	return rc;
}

void brokers_done(struct brokers *b)
{
	arena_done(&b->arena);
}

/* What to look at, by what came back. */
static const char *advice(const struct err *err)
{
	switch (err->status) {
	case ERR_UNAVAILABLE:
	case ERR_EXPIRED:
	case ERR_NO_SERVICE:
		return "is this broker running, is LGSP_BUS_ADMIN its address, may this user open "
		       "it?";
	case ERR_DENIED:
		return "LGSP_KEY needs `grant MEMBER bus METHOD` in the rights file of this broker";
	}
	return NULL;
}

static void say_refusal(const struct broker_answer *a, const char *what)
{
	const char *hint = advice(&a->err);

	ctl_fail(what, &a->err);
	fprintf(stderr, "  at %s%s%s\n", a->endpoint, hint ? ": " : "", hint ? hint : "");
}

static void print_json(const struct broker_answer *a)
{
	struct buf json;

	buf_init(&json, JSON_MAX);
	if (!a->out)
		printf("{\"endpoint\":\"%s\",\"error\":\"%s\",\"code\":\"%s\"}\n", a->endpoint,
		       err_status_name(a->err.status), err_code(&a->err));
	else if (pbjson_write(a->out, true, &json) == 0)
		puts(buf_str(&json));
	buf_done(&json);
}

int brokers_show(const struct brokers *b, const char *json, const char *what,
		 void (*fn)(const ProtobufCMessage *out))
{
	int rc = 0;

	for (unsigned i = 0; i < b->n; i++) {
		const struct broker_answer *a = &b->of[i];

		if (!a->out) {
			say_refusal(a, what);
			rc = CTL_FAILED;
		}
		if (json)
			print_json(a);
		else if (a->out)
			fn(a->out);
	}
	return rc;
}

int brokers_run(const struct brokers_command *command, const ProtobufCMessage *in, const char *json)
{
	struct brokers b;
	int rc = brokers_ask(&b, NULL, command->method, in, command->out);

	if (rc == 0)
		rc = brokers_show(&b, json, command->method, command->show);
	brokers_done(&b);
	return rc;
}
