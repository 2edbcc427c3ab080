/* svc_main(): a service's process, from its options to its drain. */
#include "common/svc/svc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/svc/publisher.h"
#include "common/svc/runtime.h"

/* SIGTERM to exit in less than 10 s: requests, then threads, then the relay. */
#define SVC_DRAIN_MS      5000
#define SVC_THREADS_MS    2500
#define SVC_RELAY_MS      1000
#define SVC_CREDIT_EXTRA  2
#define SVC_WORKERS_MAX   64
#define SVC_POLL_MS       20
#define SVC_OFFSET_MAX_US (200LL * 366 * 86400 * CLOCK_US_PER_S)

/* --- configuration --- */

/* The common variables and behind them the service's own; process lifetime. */
static struct env_var *svc_env_table(const struct svc *def, struct svc_config *cfg, size_t *ret_n)
{
	static char instance[96];
	const struct env_var common[] = {
		{"LGSP_INSTANCE", ENV_STRING, instance, 0, 0,
		 "unique name of this process, shown in replies and logs", &cfg->instance},
		{"LGSP_LOG_LEVEL", ENV_STRING, "info", 0, 0, "debug, info, warn or error",
		 &cfg->log_level},
		{"LGSP_CLOCK_OFFSET_US", ENV_INT, "0", -SVC_OFFSET_MAX_US, SVC_OFFSET_MAX_US,
		 "business clock minus real time; the same in all processes",
		 &cfg->clock_offset_us},
		{"LGSP_BUS_BACKEND", ENV_STRING, NULL, 0, 0,
		 "brokers' endpoints for workers, space-separated", &cfg->bus_backend},
		{"LGSP_BUS_MEMBER", ENV_STRING, NULL, 0, 0,
		 "brokers' endpoints for members, space-separated", &cfg->bus_member},
		{"LGSP_KEY", ENV_SECRET, NULL, 0, 0, "own secret certificate (lgspctl keys)",
		 &cfg->key},
		{"LGSP_BUS_KEY", ENV_PATH, NULL, 0, 0, "the broker's public certificate",
		 &cfg->bus_key},
		{"LGSP_DSN", ENV_STRING, NULL, 0, 0,
		 "PostgreSQL connection (libpq conninfo, without password)", &cfg->dsn},
		{"LGSP_DB_PASSWORD_FILE", ENV_SECRET, "", 0, 0,
		 "file with the database password; empty for none", &cfg->db_password_file},
		{"LGSP_HTTP", ENV_STRING, NULL, 0, 0,
		 "health and metrics listener: unix:/path or 127.0.0.1:port", &cfg->http},
		{"LGSP_WORKERS", ENV_INT, "4", 1, SVC_WORKERS_MAX,
		 "threads that run handlers, each with a database connection", &cfg->workers},
	};
	size_t n = ARRAY_LEN(common) + def->n_env;
	struct env_var *vars = base_alloc(n * sizeof(*vars));

	snprintf(instance, sizeof(instance), "%s-1", def->name);
	memcpy(vars, common, sizeof(common));
	if (def->n_env > 0)
		memcpy(vars + ARRAY_LEN(common), def->env, def->n_env * sizeof(*vars));
	*ret_n = n;
	return vars;
}

/* Reads everything that can be wrong before a thread runs. 0 or an exit code, reasons printed. */
static int svc_configure(struct svc_runtime *rt, const struct env_var *vars, size_t n_vars)
{
	char endpoints[BUS_ENDPOINTS_MAX][128];
	struct err err = {0};

	if (env_read(vars, n_vars, stderr) > 0)
		return EXIT_CONFIG;
	if (log_init(rt->def->name, rt->config.log_level) < 0) {
		fprintf(stderr, "LGSP_LOG_LEVEL: debug, info, warn or error\n");
		return EXIT_CONFIG;
	}
	clock_set_business_offset_us(rt->config.clock_offset_us);
	if (bus_keys_read(rt->config.key, rt->config.bus_key, &rt->keys, &err) < 0 ||
	    bus_endpoints_split(rt->config.bus_backend, endpoints, &err) < 0 ||
	    bus_endpoints_split(rt->config.bus_member, endpoints, &err) < 0) {
		fprintf(stderr, "%s\n", err.items[0].en);
		return EXIT_CONFIG;
	}
	return 0;
}

static void svc_help(const struct svc *def, const struct env_var *vars, size_t n_vars)
{
	printf("lgsp-%s [--help | --version | --check | --healthcheck]\n\n"
	       "Serves \"%s\" on the bus. Configured by its environment:\n\n",
	       def->name, def->name);
	env_help(vars, n_vars, stdout);
	printf("\nExit codes: 0 ok, 2 usage, 3 configuration, 4 a dependency is absent or too "
	       "new\n");
}

/* --healthcheck runs beside the process: only the address matters. */
static int svc_healthcheck(void)
{
	const char *listen = getenv("LGSP_HTTP");

	if (listen == NULL) {
		fprintf(stderr, "LGSP_HTTP is not set\n");
		return EXIT_CONFIG;
	}
	return http_probe(listen);
}

/* --- the runtime's own --- */

struct db_config runtime_db_config(const struct svc_runtime *rt)
{
	return (struct db_config){
		.dsn = rt->config.dsn,
		.password_file = rt->config.db_password_file,
		.schema = rt->def->name,
		.name = rt->config.instance,
	};
}

bool runtime_stopping(struct svc_runtime *rt)
{
	bool stopping;

	pthread_mutex_lock(&rt->stop.mutex);
	stopping = rt->stop.stopping;
	pthread_mutex_unlock(&rt->stop.mutex);
	return stopping;
}

bool runtime_pause(struct svc_runtime *rt, int64_t ms)
{
	int64_t until_us = clock_mono_us() + ms * 1000;
	bool stopping;

	pthread_mutex_lock(&rt->stop.mutex);
	while (!rt->stop.stopping && clock_mono_us() < until_us)
		thread_cond_wait_until(&rt->stop.cond, &rt->stop.mutex, until_us);
	stopping = rt->stop.stopping;
	pthread_mutex_unlock(&rt->stop.mutex);
	return stopping;
}

/* --- serving --- */

static int svc_join_bus(struct svc_runtime *rt, struct err *err)
{
	const struct bus_client_config client = {
		.endpoints = rt->config.bus_member,
		.keys = rt->keys,
	};
	const struct bus_worker_config worker = {
		.service = rt->def->name,
		.endpoints = rt->config.bus_backend,
		.keys = rt->keys,
		.instance = rt->config.instance,
		.credit = (unsigned)rt->config.workers + SVC_CREDIT_EXTRA,
		.on_request = dispatch_request,
		.on_unpark = feed_on_unpark,
		.on_hello = health_on_hello,
		.arg = rt,
	};

	if (bus_client_new(rt->loop, &client, &rt->client, err) < 0)
		return err->status;
	return bus_worker_new(rt->loop, &worker, &rt->worker, err);
}

static void svc_start_threads(struct svc_runtime *rt)
{
	const struct svc *def = rt->def;
	const struct relay_config relay = {
		.db = runtime_db_config(rt),
		.on_moved = feed_on_moved,
		.arg = rt,
	};

	atomic_store(&rt->live, (int)(def->n_consumers + def->n_jobs) + (def->n_publications > 0));
	rt->publisher = publisher_start(rt);
	atomic_store(&rt->relay, relay_start(&relay));
	rt->consumers = base_alloc((def->n_consumers + 1) * sizeof(rt->consumers[0]));
	rt->jobs = base_alloc((def->n_jobs + 1) * sizeof(rt->jobs[0]));
	for (size_t i = 0; i < def->n_consumers; i++)
		rt->consumers[i] = consumer_start(rt, &def->consumers[i]);
	for (size_t i = 0; i < def->n_jobs; i++)
		rt->jobs[i] = job_start(rt, &def->jobs[i]);
}

void runtime_serve(struct svc_runtime *rt)
{
	struct err err = {0};

	if (rt->draining || rt->client != NULL)
		return;
	if (svc_join_bus(rt, &err) < 0) {
		log_error("svc.cannot_join_bus", LOG_STR("err", err_code(&err)));
		runtime_drain(rt, EXIT_DEPENDENCY);
		return;
	}
	svc_start_threads(rt);
	log_info("svc.serving", LOG_STR("instance", rt->config.instance),
		 LOG_STR("version", base_version()),
		 LOG_NUM("business_offset_us", clock_business_offset_us()));
}

/* --- drain --- */

static void svc_wait_threads(void *arg)
{
	struct svc_runtime *rt = arg;

	/* Threads may still ask other services: the loop runs until they have ended. */
	if (atomic_load(&rt->live) > 0 && clock_mono_us() < rt->drain_until_us)
		return;
	loop_timer_stop(rt->drain_timer);
	loop_stop(rt->loop);
}

static void svc_on_drained(void *arg)
{
	struct svc_runtime *rt = arg;

	rt->drain_until_us = clock_mono_us() + SVC_THREADS_MS * 1000LL;
	rt->drain_timer = loop_timer_start(rt->loop, 0, SVC_POLL_MS, svc_wait_threads, rt);
}

void runtime_drain(struct svc_runtime *rt, int code)
{
	if (rt->draining)
		return;
	rt->draining = true;
	rt->exit_code = code;
	log_info("svc.draining", LOG_NUM("code", code));
	pthread_mutex_lock(&rt->stop.mutex);
	rt->stop.stopping = true;
	pthread_cond_broadcast(&rt->stop.cond);
	pthread_mutex_unlock(&rt->stop.mutex);
	feed_desk_drain(rt->feed);
	if (rt->worker != NULL)
		bus_worker_drain(rt->worker, SVC_DRAIN_MS, svc_on_drained, rt);
	else
		svc_on_drained(rt);
}

static void svc_on_terminate(void *arg)
{
	runtime_drain(arg, 0);
}

/* False when a thread is stuck in its work: its deadline is longer than our patience. */
static bool svc_join_threads(struct svc_runtime *rt)
{
	const struct svc *def = rt->def;
	bool all = pool_stop(rt->pool, SVC_POLL_MS);

	if (rt->consumers == NULL)
		return all;
	for (size_t i = 0; i < def->n_consumers; i++)
		all &= consumer_join(rt->consumers[i], SVC_POLL_MS);
	for (size_t i = 0; i < def->n_jobs; i++)
		all &= job_join(rt->jobs[i], SVC_POLL_MS);
	all &= publisher_join(rt->publisher, SVC_POLL_MS);
	return all;
}

static void svc_end(struct svc_runtime *rt)
{
	bool all = svc_join_threads(rt);

	relay_stop(atomic_exchange(&rt->relay, NULL), SVC_RELAY_MS);
	log_info("svc.ended", LOG_NUM("clean", all));
	if (!all)
		/* Their transactions are rolled back; their callers repeat the message id. */
		_exit(rt->exit_code);
	if (rt->def->stop != NULL)
		rt->def->stop();
	bus_worker_free(rt->worker);
	bus_client_free(rt->client);
	health_close(rt->health);
	/* Runs what was posted last, which looks at the others. */
	loop_free(rt->loop);
	health_free(rt->health);
	publisher_free(rt->publisher);
	feed_desk_free(rt->feed);
	pool_free(rt->pool);
	free(rt->consumers);
	free(rt->jobs);
	free(rt->metrics);
	bus_keys_wipe(&rt->keys);
	pthread_cond_destroy(&rt->stop.cond);
	pthread_mutex_destroy(&rt->stop.mutex);
}

static int svc_run(struct svc_runtime *rt)
{
	struct err err = {0};

	CHECK(pthread_mutex_init(&rt->stop.mutex, NULL) == 0);
	thread_cond_init(&rt->stop.cond);
	if (rt->def->start != NULL && rt->def->start(&err) < 0) {
		log_error("svc.start_failed", LOG_STR("err", err_code(&err)),
			  LOG_STR("why", err.items[0].en));
		return EXIT_CONFIG;
	}
	rt->loop = loop_new();
	rt->metrics = dispatch_metrics_new(rt->def->rpcs);
	rt->feed = feed_desk_new(rt);
	rt->pool = pool_new(rt, (unsigned)rt->config.workers);
	rt->health = health_new(rt);
	if (rt->health == NULL) {
		log_error("svc.cannot_listen", LOG_STR("address", rt->config.http));
		_exit(EXIT_DEPENDENCY);
	}
	loop_on_terminate(rt->loop, svc_on_terminate, rt);
	loop_run(rt->loop);
	svc_end(rt);
	return rt->exit_code;
}

int svc_main(int argc, char **argv, const struct svc *def)
{
	static struct svc_runtime rt;
	const char *option = argc == 2 ? argv[1] : "";
	bool check = strcmp(option, "--check") == 0;
	size_t n_vars;
	CLEANUP_FREE struct env_var *vars = NULL;
	int code;

	rt.magic = RUNTIME_MAGIC;
	rt.def = def;
	vars = svc_env_table(def, &rt.config, &n_vars);
	if (strcmp(option, "--help") == 0) {
		svc_help(def, vars, n_vars);
		return 0;
	}
	if (strcmp(option, "--version") == 0) {
		printf("lgsp-%s %s\n", def->name, base_version());
		return 0;
	}
	if (strcmp(option, "--healthcheck") == 0)
		return svc_healthcheck();
	if (argc > 1 && !check) {
		fprintf(stderr, "unknown option; try --help\n");
		return EXIT_USAGE;
	}
	code = svc_configure(&rt, vars, n_vars);
	if (code == 0 && check)
		printf("configuration OK\n");
	if (code != 0 || check)
		return code;
	return svc_run(&rt);
}
