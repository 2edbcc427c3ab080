/*
 * What a process says about itself over HTTP: /healthz (the loop turns), /readyz (it can serve, and
 * what is missing when not), /metrics. The database is probed by a task in the workers' queue, so
 * that the answer is about the connections calls really use.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/metric.h"
#include "common/svc/agreement.h"
#include "common/svc/runtime.h"
#include "common/svc/schema.h"

#define HEALTH_PROBE_MS      1000
#define HEALTH_PROBE_US      (2 * CLOCK_US_PER_S)
#define HEALTH_STALE_US      (5 * CLOCK_US_PER_S)
#define HEALTH_METRICS_BYTES (2 * 1024 * 1024)
#define HEALTH_CONNECTIONS   32

struct health {
	struct pool_task task; /* the probe; in the queue while probing is set */
	struct svc_runtime *rt;
	struct http_server *http;
	struct loop_timer *timer;
	atomic_bool probing;
	bool wanted_schema_logged;
	/* of the last probe */
	atomic_llong db_ok_us; /* monotonic; 0 never */
	atomic_int versions[SCHEMA_PARTS];
	atomic_int schema; /* enum schema_verdict */
	/* of the broker's hello; loop thread writes */
	atomic_bool hello;
	atomic_llong broker_offset_us;
	struct agreement rights; /* loop thread */
	struct metric *rights_differ;
	struct metric *ready;
	struct metric *lag;
};

/* --- the database: a worker probes, the loop decides --- */

static void health_on_schema(void *arg)
{
	struct health *health = arg;
	enum schema_verdict verdict = atomic_load(&health->schema);

	if (verdict == SCHEMA_TOO_NEW) {
		log_error("svc.schema_too_new", LOG_STR("part", "common"),
			  LOG_NUM("found", atomic_load(&health->versions[SCHEMA_COMMON])),
			  LOG_NUM("known", SCHEMA_COMMON_VERSION));
		runtime_drain(health->rt, EXIT_DEPENDENCY);
	}
	if (verdict == SCHEMA_WAIT && !health->wanted_schema_logged) {
		health->wanted_schema_logged = true;
		log_info("svc.waits_for_schema", LOG_STR("schema", health->rt->def->name));
	}
	if (verdict == SCHEMA_READY)
		runtime_serve(health->rt);
}

static void health_probe(struct pool_worker *w, struct pool_task *task)
{
	struct health *health = (struct health *)task;
	struct schema_found found = {0};
	struct call_state st = {.kind = CALL_JOB, .method = "probe"};
	struct call c = {0};
	struct arena arena;

	arena_init(&arena, 256 * 1024);
	call_init(&c, &st, w->rt, w->conn, &arena);
	c.deadline_us = clock_mono_us() + HEALTH_PROBE_US;
	if (schema_read(&c, w->rt->def->name, &found) == 0) {
		for (size_t i = 0; i < SCHEMA_PARTS; i++)
			atomic_store(&health->versions[i], found.version[i]);
		atomic_store(&health->schema, (int)schema_judge(w->rt->def, &found));
		atomic_store(&health->db_ok_us, clock_mono_us());
		loop_post(w->rt->loop, health_on_schema, health);
	}
	if (c.tx.magic != 0)
		db_end(&c.tx);
	arena_done(&arena);
	atomic_store(&health->probing, false);
}

static bool health_db_ok(const struct health *health)
{
	int64_t ok_us = atomic_load(&health->db_ok_us);

	return ok_us != 0 && clock_mono_us() - ok_us < HEALTH_STALE_US;
}

/* --- the broker --- */

static void health_hear_rights(struct health *health, const Bus__BrokerHello *hello)
{
	bool differ = agreement_hear(&health->rights, hello->instance, hello->rights_hash,
				     clock_mono_us());

	if (differ && metric_value(health->rights_differ) == 0)
		log_error("svc.rights_differ", LOG_STR("broker", hello->instance),
			  LOG_STR("hash", hello->rights_hash));
	if (!differ && metric_value(health->rights_differ) == 1)
		log_info("svc.rights_agree");
	metric_set(health->rights_differ, differ);
}

void health_on_hello(const Bus__BrokerHello *hello, void *arg)
{
	struct health *health = ((struct svc_runtime *)arg)->health;
	int64_t ours = clock_business_offset_us();

	if (hello->business_offset_us != ours &&
	    (!atomic_load(&health->hello) ||
	     atomic_load(&health->broker_offset_us) != hello->business_offset_us))
		log_error("svc.clock_differs", LOG_NUM("ours_us", ours),
			  LOG_NUM("broker_us", hello->business_offset_us));
	atomic_store(&health->broker_offset_us, hello->business_offset_us);
	atomic_store(&health->hello, true);
	health_hear_rights(health, hello);
}

bool health_clock_differs(const struct health *health)
{
	return atomic_load(&health->hello) &&
	       atomic_load(&health->broker_offset_us) != clock_business_offset_us();
}

/* --- documents: loop thread --- */

struct health_checks {
	bool database, schema, bus, clock, serving;
};

static struct health_checks health_look(const struct health *health)
{
	const struct svc_runtime *rt = health->rt;

	return (struct health_checks){
		.database = health_db_ok(health),
		.schema = atomic_load(&health->schema) == SCHEMA_READY,
		.bus = rt->worker != NULL && bus_worker_registered(rt->worker),
		.clock = !health_clock_differs(health),
		.serving = !rt->draining,
	};
}

static bool health_is_ready(const struct health_checks *c)
{
	return c->database && c->schema && c->bus && c->clock && c->serving;
}

static json_t *health_schema_json(const struct health *health)
{
	return json_pack("{s:i, s:i, s:i}", "common", atomic_load(&health->versions[SCHEMA_COMMON]),
			 "ref", atomic_load(&health->versions[SCHEMA_REF]), "own",
			 atomic_load(&health->versions[SCHEMA_OWN]));
}

static json_t *health_consumers_json(const struct svc_runtime *rt)
{
	json_t *list = json_array();

	for (size_t i = 0; rt->consumers != NULL && i < rt->def->n_consumers; i++) {
		struct consumer_status s;

		consumer_status(rt->consumers[i], &s);
		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I}", "source", s.source,
						      "state", s.state, "pos", (json_int_t)s.pos,
						      "high_water", (json_int_t)s.high_water));
	}
	return list;
}

static json_t *health_json(const struct health *health)
{
	const struct svc_runtime *rt = health->rt;
	struct health_checks c = health_look(health);

	return json_pack("{s:b, s:s, s:s, s:s, s:I, s:{s:b, s:b, s:b, s:b, s:b}, s:o, s:o}",
			 "ready", health_is_ready(&c), "service", rt->def->name, "instance",
			 rt->config.instance, "version", base_version(), "business_offset_us",
			 (json_int_t)clock_business_offset_us(), "checks", "database", c.database,
			 "schema", c.schema, "bus", c.bus, "clock", c.clock, "serving", c.serving,
			 "schema", health_schema_json(health), "consumers",
			 health_consumers_json(rt));
}

static void health_respond_json(struct http_exchange *x, int status, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);
	struct http_response res = {.status = status, .content_type = "application/json"};

	CHECK(text != NULL);
	res.body = text;
	res.body_len = strlen(text);
	http_respond(x, &res);
	free(text);
	json_decref(json);
}

static void health_respond_metrics(struct health *health, struct http_exchange *x)
{
	struct health_checks c = health_look(health);
	struct http_response res = {.status = 200, .content_type = "text/plain; version=0.0.4"};
	struct buf buf;

	metric_set(health->ready, health_is_ready(&c));
	metric_set(health->lag, loop_lag_us(health->rt->loop));
	buf_init(&buf, HEALTH_METRICS_BYTES);
	if (metric_render(&buf) < 0)
		res.status = 500;
	res.body = buf_str(&buf);
	res.body_len = buf.len;
	http_respond(x, &res);
	buf_done(&buf);
}

static void health_on_request(struct http_exchange *x, const struct http_request *req, void *arg)
{
	struct health *health = arg;
	struct health_checks c = health_look(health);
	struct http_response none = {.status = 404};

	if (strcmp(req->method, "GET") != 0) {
		none.status = 405;
		http_respond(x, &none);
	} else if (strcmp(req->path, "/healthz") == 0) {
		health_respond_json(x, 200, health_json(health));
	} else if (strcmp(req->path, "/readyz") == 0) {
		health_respond_json(x, health_is_ready(&c) ? 200 : 503, health_json(health));
	} else if (strcmp(req->path, "/metrics") == 0) {
		health_respond_metrics(health, x);
	} else {
		http_respond(x, &none);
	}
}

static void health_on_timer(void *arg)
{
	struct health *health = arg;

	if (health->rt->draining || atomic_exchange(&health->probing, true))
		return;
	if (!pool_push(health->rt->pool, &health->task))
		atomic_store(&health->probing, false);
}

struct health *health_new(struct svc_runtime *rt)
{
	struct health *health = base_alloc(sizeof(*health));
	const struct http_config config = {
		.listen = rt->config.http,
		.unix_mode = 0660,
		.body_max = 4096,
		.max_connections = HEALTH_CONNECTIONS,
		.on_request = health_on_request,
		.arg = health,
	};

	health->rt = rt;
	health->task.run = health_probe;
	if (http_server_new(rt->loop, &config, &health->http) < 0) {
		free(health);
		return NULL;
	}
	health->ready = metric_gauge("lgsp_ready", "", "1 while the process can serve");
	health->rights_differ =
		metric_gauge("lgsp_bus_rights_differ", "",
			     "1 while brokers have different members or rights in force");
	health->lag = metric_gauge("lgsp_loop_lag_us", "", "Time of the loop's last turn");
	health->timer = loop_timer_start(rt->loop, 0, HEALTH_PROBE_MS, health_on_timer, health);
	return health;
}

void health_close(struct health *health)
{
	loop_timer_stop(health->timer);
	http_server_free(health->http);
}

void health_free(struct health *health)
{
	free(health);
}
