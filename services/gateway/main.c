/* lgsp-gateway: the environment, the loop, the bus, the gateway; until SIGTERM. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/env.h"
#include "common/base/log.h"
#include "services/gateway/gateway.h"

/* SIGTERM to exit in less than 10 s. */
#define DRAIN_MS 8000

static struct {
	const char *instance, *log_level, *bus_member, *key, *bus_key;
	int64_t clock_offset_us, max_api, max_public;
	struct gateway_config gateway;
} config;

static const struct env_var vars[] = {
	{"LGSP_INSTANCE", ENV_STRING, "gateway-1", 0, 0, "name of this process", &config.instance},
	{"LGSP_LOG_LEVEL", ENV_STRING, "info", 0, 0, "debug, info, warn or error",
	 &config.log_level},
	{"LGSP_CLOCK_OFFSET_US", ENV_INT, "0", INT64_MIN / 4, INT64_MAX / 4,
	 "business clock minus real clock, microseconds", &config.clock_offset_us},
	{"LGSP_BUS_MEMBER", ENV_STRING, NULL, 0, 0, "members' endpoints of the brokers",
	 &config.bus_member},
	{"LGSP_KEY", ENV_SECRET, NULL, 0, 0, "own secret certificate", &config.key},
	{"LGSP_BUS_KEY", ENV_PATH, NULL, 0, 0, "the broker's public certificate", &config.bus_key},
	{"LGSP_LISTEN", ENV_STRING, NULL, 0, 0, "unix:/path or address:port for nginx",
	 &config.gateway.listen},
	{"LGSP_HTTP", ENV_STRING, NULL, 0, 0, "unix:/path or address:port for health and metrics",
	 &config.gateway.inner},
	{"LGSP_JWKS", ENV_PATH, NULL, 0, 0, "keys that sign access tokens (JWKS)",
	 &config.gateway.auth.jwks_path},
	{"LGSP_TOKEN_ISSUER", ENV_STRING, NULL, 0, 0, "issuer a token must name",
	 &config.gateway.auth.issuer},
	{"LGSP_TOKEN_AUDIENCE", ENV_STRING, NULL, 0, 0, "audience a token must name",
	 &config.gateway.auth.audience},
	{"LGSP_RIGHTS", ENV_PATH, "", 0, 0,
	 "the broker's rights file, for systems' tokens; empty: systems have no rights over HTTP",
	 &config.gateway.rights_path},
	{"LGSP_WEB_DIR", ENV_STRING, NULL, 0, 0, "folder of the page's texts and style",
	 &config.gateway.web_dir},
	{"LGSP_MAX_API", ENV_INT, "256", 1, 10000, "API calls in hand", &config.max_api},
	{"LGSP_MAX_PUBLIC", ENV_INT, "128", 1, 10000, "page requests and callbacks in hand",
	 &config.max_public},
};

/* The running process. */
struct process {
	struct loop *loop;
	struct bus_client *bus;
	struct gateway *gateway;
};

static void on_drained(void *arg)
{
	struct process *p = arg;

	loop_stop(p->loop);
}

static void on_terminate(void *arg)
{
	struct process *p = arg;

	log_info("gateway.draining");
	gateway_drain(p->gateway, DRAIN_MS, on_drained, p);
}

static void on_hangup(void *arg)
{
	struct process *p = arg;

	gateway_reload(p->gateway);
}

static int fail(const struct err *err)
{
	log_error("gateway.not_started", LOG_STR("code", err_code(err)),
		  LOG_STR("err", err->n_items > 0 ? err->items[0].en : ""));
	return err->status == ERR_INVALID ? EXIT_CONFIG : EXIT_DEPENDENCY;
}

/* The order of the end matters: calls still out are answered before the listeners go. */
static void process_done(struct process *p)
{
	bus_client_free(p->bus);
	gateway_free(p->gateway);
	loop_free(p->loop);
}

static int process_start(struct process *p, struct err *err)
{
	struct bus_client_config bus = {.endpoints = config.bus_member};
	int r;

	p->loop = loop_new();
	r = bus_keys_read(config.key, config.bus_key, &bus.keys, err);
	if (r == 0)
		r = bus_client_new(p->loop, &bus, &p->bus, err);
	bus_keys_wipe(&bus.keys);
	if (r == 0)
		r = gateway_new(p->loop, p->bus, &config.gateway, &p->gateway, err);
	if (r < 0)
		return r;
	loop_on_terminate(p->loop, on_terminate, p);
	loop_on_hangup(p->loop, on_hangup, p);
	return 0;
}

static int run(bool check_only)
{
	struct process p = {0};
	struct err err = {0};
	int code = 0;

	if (check_only)
		config.gateway.listen = NULL; /* the running process has it */
	if (process_start(&p, &err) < 0) {
		code = fail(&err);
	} else if (!check_only) {
		log_info("gateway.started", LOG_STR("version", base_version()),
			 LOG_STR("instance", config.instance));
		loop_run(p.loop);
		log_info("gateway.stopped");
	}
	process_done(&p);
	return code;
}

static int healthcheck(void)
{
	const char *listen = getenv("LGSP_HTTP");

	if (!listen) {
		fprintf(stderr, "LGSP_HTTP is not set\n");
		return EXIT_CONFIG;
	}
	return http_probe(listen);
}

static int configure(void)
{
	if (env_read(vars, ARRAY_LEN(vars), stderr) != 0 ||
	    log_init("gateway", config.log_level) < 0)
		return EXIT_CONFIG;
	config.gateway.max_api = (unsigned)config.max_api;
	config.gateway.max_public = (unsigned)config.max_public;
	clock_set_business_offset_us(config.clock_offset_us);
	return 0;
}

int main(int argc, char **argv)
{
	const char *option = argc == 2 ? argv[1] : "";
	int code;

	if (strcmp(option, "--help") == 0) {
		printf("lgsp-gateway [--help | --version | --check | --healthcheck]\n\n"
		       "The HTTP edge of the suite. Environment:\n\n");
		env_help(vars, ARRAY_LEN(vars), stdout);
		return 0;
	}
	if (strcmp(option, "--version") == 0) {
		printf("lgsp-gateway %s\n", base_version());
		return 0;
	}
	if (strcmp(option, "--healthcheck") == 0)
		return healthcheck();
	if (argc > 1 && strcmp(option, "--check") != 0) {
		fprintf(stderr, "unknown option; try --help\n");
		return EXIT_USAGE;
	}
	code = configure();
	return code == 0 ? run(argc > 1) : code;
}
