/*
 * member check: what stands between a system and its first call. Each step is shown with what was
 * seen; the first that fails with what to do, and the rest is not tried.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/env.h"
#include "common/wire/rpc.h"
#include "lgsp/bus/v1/admin.pb-c.h"
#include "lgsp/feed/v1/feed.pb-c.h"
#include "services/ctl/ctl.h"
#include "services/ctl/file.h"
#include "services/ctl/member.h"
#include "services/ctl/session.h"

#define DEADLINE_MS 5000

struct check {
	const char *endpoint;
	struct bus_keys keys;
	char expected[CERT_MEMBER_MAX]; /* "" when no name was given */
	int64_t clock_ms;               /* allowed */
	struct session *session;
	struct arena arena;
	const Bus__WhoamiReply *who;
	struct member_step step;
};

static int step_fail(struct check *c, const char *advice, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int step_fail(struct check *c, const char *advice, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(c->step.seen, sizeof c->step.seen, fmt, args);
	va_end(args);
	snprintf(c->step.advice, sizeof c->step.advice, "%s", advice);
	return -1;
}

/* --- the steps --- */

static int step_name(struct check *c)
{
	return member_check_name(c->endpoint, &c->step);
}

static int step_port(struct check *c)
{
	return member_check_port(c->endpoint, &c->step);
}

static int step_key(struct check *c)
{
	return member_check_key(c->endpoint, &c->keys, &c->step);
}

static int ask_whoami(struct check *c, int64_t *ret_rtt_us)
{
	const struct session_how how = {.deadline_ms = DEADLINE_MS};
	Bus__WhoamiRequest in = BUS__WHOAMI_REQUEST__INIT;
	int64_t start_us = clock_mono_us();
	ProtobufCMessage *out = NULL;
	struct err err = {0};

	if (session_open_at(c->endpoint, &c->session) != 0)
		return step_fail(c, "see above", "no connection");
	if (session_call(c->session, "bus", "Whoami", &in.base, &bus__whoami_reply__descriptor,
			 &how, &c->arena, &out, &err) < 0)
		return step_fail(
			c,
			"the connection stands, but the broker does not answer as it should: "
			"the operator looks with lgspctl status",
			"%s %s", err_status_name(err.status), err_code(&err));
	*ret_rtt_us = clock_mono_us() - start_us;
	c->who = (const Bus__WhoamiReply *)out;
	return 0;
}

static int step_clock(struct check *c)
{
	int64_t rtt_us, off_us;

	if (ask_whoami(c, &rtt_us) < 0)
		return -1;
	off_us = clock_wall_us() - rtt_us / 2 - c->who->now_us;
	if (llabs(off_us) > c->clock_ms * 1000)
		return step_fail(
			c,
			"set this machine's clock by NTP; tokens, certificates and records "
			"are about true time",
			"%+.3f s against the broker", (double)off_us / 1e6);
	snprintf(c->step.seen, sizeof c->step.seen,
		 "%+.3f s against the broker, answered in %.1f ms", (double)off_us / 1e6,
		 (double)rtt_us / 1e3);
	return 0;
}

static int step_rights(struct check *c)
{
	unsigned n = 0, later = 0;

	if (c->expected[0] && strcmp(c->expected, c->who->member) != 0)
		return step_fail(c, "use the key of the member that is meant (--key FILE)",
				 "the key is that of %s", c->who->member);
	for (size_t i = 0; i < c->who->n_rights; i++) {
		n += c->who->rights[i]->in_force;
		later += !c->who->rights[i]->in_force;
	}
	if (n == 0)
		return step_fail(
			c,
			"the operator of the bus enters what is agreed: a line \"grant\", "
			"\"feed\" or \"serve\" in the rights file, in force on today's date",
			"%s may do nothing today (%u rights of other days)", c->who->member, later);
	snprintf(c->step.seen, sizeof c->step.seen, "%s: %u in force today, %u on other days",
		 c->who->member, n, later);
	return 0;
}

/* --- one call --- */

struct target {
	char service[64], name[80];
	bool feed;
	const ProtobufCMethodDescriptor *method;
};

static bool row_fits(const struct rpc_row *row, const char *pattern)
{
	size_t n = strcspn(pattern, "*");

	return row->effect == RPC_READ && (row->exposure & (RPC_SYSTEM | RPC_PUBLIC)) &&
	       (pattern[n] == '*' ? strncmp(row->method, pattern, n) == 0
				  : strcmp(row->method, pattern) == 0);
}

/* A method that only reads, of those the line grants. */
static bool pick_method(struct target *t)
{
	const struct rpc_table *table = rpc_find_service(t->service);

	for (size_t i = 0; table && i < table->n_rows; i++)
		if (row_fits(&table->rows[i], t->name)) {
			snprintf(t->name, sizeof t->name, "%s", table->rows[i].method);
			return rpc_find_method(table, t->name, NULL, &t->method);
		}
	return false;
}

static bool pick(const Bus__Right *right, struct target *t)
{
	char verb[16];

	if (!right->in_force || strstr(right->line, " purpose=") ||
	    sscanf(right->line, "%15s %*s %63s %79s", verb, t->service, t->name) != 3)
		return false;
	if (strcmp(t->service, "*") == 0)
		snprintf(t->service, sizeof t->service, "directory");
	t->feed = strcmp(verb, "feed") == 0;
	if (t->feed && strcmp(t->name, "*") == 0)
		snprintf(t->name, sizeof t->name, "%s", t->service);
	return t->feed || (strcmp(verb, "grant") == 0 && pick_method(t));
}

static int call_target(struct check *c, const struct target *t, struct err *err)
{
	const struct session_how how = {.deadline_ms = DEADLINE_MS};
	Feed__HeadRequest head = FEED__HEAD_REQUEST__INIT;
	ProtobufCMessage *in = &head.base, *out = NULL;

	head.feed = t->name;
	if (t->feed)
		return session_call(c->session, t->service, "Feed.Head", in,
				    &feed__head_reply__descriptor, &how, &c->arena, &out, err);
	in = arena_alloc(&c->arena, t->method->input->sizeof_message);
	CHECK(in);
	protobuf_c_message_init(t->method->input, in);
	return session_call(c->session, t->service, t->name, in, t->method->output, &how, &c->arena,
			    &out, err);
}

/* An empty question may be refused by the service itself: then it was reached all the same. */
static bool was_reached(const struct err *err)
{
	static const char *const by_service[] = {"EXPOSURE_DENIED", "ROLE_REQUIRED"};

	for (size_t i = 0; i < ARRAY_LEN(by_service); i++)
		if (strcmp(err_code(err), by_service[i]) == 0)
			return true;
	return err->status == 0 || err->status == ERR_INVALID || err->status == ERR_NOT_FOUND ||
	       err->status == ERR_CONFLICT;
}

static int step_call(struct check *c)
{
	struct target t = {0};
	struct err err = {0};
	size_t i = 0;

	while (i < c->who->n_rights && !pick(c->who->rights[i], &t))
		i++;
	if (i == c->who->n_rights) {
		snprintf(c->step.seen, sizeof c->step.seen,
			 "not tried: nothing is granted that only reads");
		return 0;
	}
	call_target(c, &t, &err);
	if (!was_reached(&err))
		return step_fail(
			c,
			err.status == ERR_NO_SERVICE || err.status == ERR_UNAVAILABLE ||
					err.status == ERR_EXPIRED
				? "the bus is well, the service is away: its operator looks with "
				  "lgspctl services and health; callers repeat with the same id"
				: "the operator finds the request by lgspctl trace",
			"%s %s%s: %s %s", t.service, t.feed ? "feed " : "", t.name,
			err_status_name(err.status), err_code(&err));
	snprintf(c->step.seen, sizeof c->step.seen, "%s %s%s: %s", t.service, t.feed ? "feed " : "",
		 t.name, err_status_name(err.status));
	return 0;
}

/* --- all of them --- */

static const struct {
	const char *name;
	int (*run)(struct check *c);
} steps[] = {
	{"name", step_name},   {"port", step_port},     {"key", step_key},
	{"clock", step_clock}, {"rights", step_rights}, {"call", step_call},
};

static void print_rights(const struct check *c)
{
	for (size_t i = 0; i < c->who->n_rights; i++)
		printf("              %s%s\n", c->who->rights[i]->line,
		       c->who->rights[i]->in_force ? "" : "   # not today");
}

static int check_endpoint(struct check *c)
{
	int rc = 0;

	printf("%s\n", c->endpoint);
	arena_init(&c->arena, 16 << 20);
	for (size_t i = 0; i < ARRAY_LEN(steps) && rc == 0; i++) {
		c->step = (struct member_step){0};
		rc = steps[i].run(c);
		printf("  %-4s %-7s %s\n", rc == 0 ? "ok" : "FAIL", steps[i].name, c->step.seen);
		if (rc < 0)
			printf("       to do:  %s\n", c->step.advice);
		else if (steps[i].run == step_rights)
			print_rights(c);
	}
	fflush(stdout);
	session_close(c->session);
	c->session = NULL;
	c->who = NULL;
	arena_done(&c->arena);
	return rc < 0 ? CTL_FAILED : 0;
}

/* The key that is checked: a file, a member's of the key folder, or lgspctl's own. */
static int choose_key(struct check *c, const char *name, const char *file)
{
	char path[MEMBER_PATH_BYTES];
	struct member_place p;
	int rc = name ? member_place_of(name, &p) : 0;

	if (rc != 0)
		return rc;
	if (name) {
		snprintf(c->expected, sizeof c->expected, "%s", p.member);
		member_secret_path(&p, "", path);
		if (!file && !file_exists(path))
			return ctl_say(CTL_FAILED,
				       "%s: not here; a member that keeps its secret itself is "
				       "checked where it is, or with --key FILE",
				       path);
		file = file ? file : path;
	}
	/* The session of the later steps is this member's. */
	if (file && setenv("LGSP_KEY", file, 1) < 0)
		return CTL_FAILED;
	return 0;
}

static int read_keys(struct check *c)
{
	const char *own = ctl_setting("LGSP_KEY", NULL),
		   *broker = ctl_setting("LGSP_BUS_KEY", NULL);
	struct err err = {0};

	if (!own || !broker)
		return EXIT_CONFIG;
	return bus_keys_read(own, broker, &c->keys, &err) < 0 ? ctl_fail("keys", &err) : 0;
}

int ctl_member_check(int argc, char **argv)
{
	const char *file = NULL, *clock_ms = "2000";
	const struct ctl_option options[] = {{"--key", true, &file}, {"--clock", true, &clock_ms}};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	const char *list = ctl_setting("LGSP_BUS_MEMBER", NULL);
	char endpoints[BUS_ENDPOINTS_MAX][128];
	struct check c = {0};
	struct err err = {0};

	if (words < 0)
		return -words;
	if (words > 2)
		return ctl_say(EXIT_USAGE, "member check takes one name");
	if (!list || ctl_number("--clock", clock_ms, 0, 86400000, &c.clock_ms) != 0)
		return list ? EXIT_USAGE : EXIT_CONFIG;
	int n = bus_endpoints_split(list, endpoints, &err);

	if (n < 0)
		return ctl_fail("LGSP_BUS_MEMBER", &err);
	int rc = choose_key(&c, words == 2 ? argv[1] : NULL, file);

	if (rc == 0)
		rc = read_keys(&c);
	for (int i = 0; i < n && rc != EXIT_CONFIG && c.keys.public_z85[0]; i++) {
		c.endpoint = endpoints[i];
		if (check_endpoint(&c) != 0)
			rc = CTL_FAILED;
	}
	bus_keys_wipe(&c.keys);
	return rc;
}
