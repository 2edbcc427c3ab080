#include "services/ctl/session.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/env.h"
#include "common/base/uuid.h"
#include "common/bus/client.h"
#include "common/loop/loop.h"
#include "services/ctl/ctl.h"

#define RETRY_MS            200
#define DEADLINE_DEFAULT_MS 30000
#define ROLES_MAX           16

struct session {
	struct loop *loop;
	struct bus_client *client;
	pthread_t thread;
	bool running;
	sem_t started;
};

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

/* Loop thread: from here on the loop is its, and others may call. */
static void say_started(void *arg)
{
	sem_post(&((struct session *)arg)->started);
}

/* Loop thread. */
static void end_loop(void *arg)
{
	struct session *s = arg;

	bus_client_free(s->client);
	loop_stop(s->loop);
}

void session_close(struct session *s)
{
	if (!s)
		return;
	if (s->running) {
		loop_post(s->loop, end_loop, s);
		pthread_join(s->thread, NULL);
	} else {
		bus_client_free(s->client);
	}
	loop_free(s->loop);
	free(s);
}

static int start(struct session *s, const struct bus_client_config *config)
{
	struct err err = {0};

	s->loop = loop_new();
	if (bus_client_new(s->loop, config, &s->client, &err) < 0)
		return ctl_fail("bus", &err);
	CHECK(pthread_create(&s->thread, NULL, run_loop, s->loop) == 0);
	s->running = true;
	loop_post(s->loop, say_started, s);
	while (sem_wait(&s->started) < 0)
		; /* interrupted by a signal */
	return 0;
}

int session_open(const char *endpoints_setting, struct session **ret_session)
{
	const char *endpoints = ctl_setting(endpoints_setting, NULL);

	return endpoints ? session_open_at(endpoints, ret_session) : EXIT_CONFIG;
}

int session_open_at(const char *endpoints, struct session **ret_session)
{
	const char *key = ctl_setting("LGSP_KEY", NULL);
	const char *broker = ctl_setting("LGSP_BUS_KEY", NULL);
	struct bus_client_config config = {.endpoints = endpoints};
	struct err err = {0};

	if (!key || !broker)
		return EXIT_CONFIG;
	if (bus_keys_read(key, broker, &config.keys, &err) < 0) {
		ctl_fail("keys", &err);
		return EXIT_CONFIG;
	}
	struct session *s = base_alloc(sizeof *s);

	CHECK(sem_init(&s->started, 0, 0) == 0);
	int rc = start(s, &config);

	bus_keys_wipe(&config.keys);
	if (rc != 0) {
		session_close(s);
		return rc;
	}
	*ret_session = s;
	return 0;
}

/* Trouble that may be over at the next try; a refusal stays one. */
static bool may_pass(int status)
{
	return status == ERR_BUSY || status == ERR_EXPIRED || status == ERR_NO_SERVICE ||
	       status == ERR_WORKER_LOST || status == ERR_DRAINING || status == ERR_UNAVAILABLE;
}

static void wait_ms(uint32_t ms)
{
	const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000L};

	nanosleep(&pause, NULL);
}

int session_call(struct session *s, const char *service, const char *method,
		 const ProtobufCMessage *in, const ProtobufCMessageDescriptor *out_desc,
		 const struct session_how *how, struct arena *arena, ProtobufCMessage **ret_out,
		 struct err *err)
{
	static const struct session_how plain;
	static const uint8_t none[UUID_BYTES];

	if (!how)
		how = &plain;
	int64_t end_us = clock_mono_us() + how->patience_ms * 1000LL;
	struct bus_request_out req = {
		.service = service,
		.method = method,
		.deadline_ms = how->deadline_ms ? how->deadline_ms : DEADLINE_DEFAULT_MS,
		.on_behalf_of = how->on_behalf_of,
	};

	memcpy(req.message_id, how->message_id, sizeof req.message_id);
	if (memcmp(req.message_id, none, sizeof none) == 0)
		uuid_v7(req.message_id);
	for (;;) {
		err_clear(err);
		int rc = bus_client_call_pb(s->client, &req, in, out_desc, arena, ret_out, err);

		if (rc == 0 || !may_pass(rc) || clock_mono_us() >= end_us)
			return rc;
		wait_ms(err->retry_after_ms ? err->retry_after_ms : RETRY_MS);
	}
}

int session_parse_as(const char *text, struct arena *arena, Bus__OnBehalfOf **ret)
{
	char *copy = arena_strdup(arena, text);
	char *roles = strchr(copy, ':');
	char *agency = roles ? strchr(roles + 1, ':') : NULL;
	Bus__OnBehalfOf *who = arena_alloc(arena, sizeof *who);
	char *save = NULL;

	if (!agency || roles == copy)
		return ctl_say(EXIT_USAGE, "\"%s\" is not SUBJECT:ROLE,ROLE:AGENCY", text);
	*roles++ = '\0';
	*agency++ = '\0';
	bus__on_behalf_of__init(who);
	who->subject = copy;
	who->agency = agency;
	who->roles = arena_calloc(arena, ROLES_MAX, sizeof *who->roles);
	for (char *r = strtok_r(roles, ", ", &save); r; r = strtok_r(NULL, ", ", &save)) {
		if (who->n_roles == ROLES_MAX)
			return ctl_say(EXIT_USAGE, "more than %d roles", ROLES_MAX);
		who->roles[who->n_roles++] = r;
	}
	*ret = who;
	return 0;
}
