/* The gateway's life: made, serving, drained, freed. */
#include "services/gateway/gateway.h"

#include <stdlib.h>

#include "common/base/base.h"
#include "common/base/clock.h"

#define BODY_MAX_BYTES    (1024 * 1024)
#define OUTER_CONNECTIONS 1024
#define INNER_CONNECTIONS 32
#define DRAIN_LOOK_MS     20
#define RELOAD_MS         5000

static const struct err_kind cannot_listen = {ERR_UNAVAILABLE, "CANNOT_LISTEN",
					      "Không mở được cổng nghe %s", "cannot listen on %s"};

static int listen_on(struct gateway *gw, const struct http_config *config,
		     struct http_server **ret_server, struct err *err)
{
	if (http_server_new(gw->loop, config, ret_server) < 0)
		return err_set(err, &cannot_listen, NULL, config->listen);
	return 0;
}

static int open_listeners(struct gateway *gw, const struct gateway_config *config, struct err *err)
{
	const struct http_config outer = {.listen = config->listen,
					  .unix_mode = 0660,
					  .body_max = BODY_MAX_BYTES,
					  .max_connections = OUTER_CONNECTIONS,
					  .on_request = route_request,
					  .arg = gw};
	const struct http_config inner = {.listen = config->inner,
					  .unix_mode = 0660,
					  .max_connections = INNER_CONNECTIONS,
					  .on_request = health_request,
					  .arg = gw};

	if (listen_on(gw, &outer, &gw->outer, err) < 0)
		return err->status;
	return listen_on(gw, &inner, &gw->inner, err);
}

void gateway_reload(struct gateway *gw)
{
	auth_reload(gw->auth);
	system_rights_reload(&gw->rights);
}

static void on_reload_time(void *arg)
{
	gateway_reload(arg);
}

/* What runs beside the requests. */
static void start_timers(struct gateway *gw)
{
	gw->reload_timer = loop_timer_start(gw->loop, RELOAD_MS, RELOAD_MS, on_reload_time, gw);
	health_start_probe(gw);
}

int gateway_new(struct loop *loop, struct bus_client *bus, const struct gateway_config *config,
		struct gateway **ret_gateway, struct err *err)
{
	struct gateway *gw = base_alloc(sizeof(*gw));

	gw->loop = loop;
	gw->bus = bus;
	gw->max_in_hand[POOL_API] = config->max_api;
	gw->max_in_hand[POOL_PUBLIC] = config->max_public;
	route_start();
	if (auth_new(&config->auth, &gw->auth, err) < 0 ||
	    system_rights_read(config->rights_path, &gw->rights, err) < 0 ||
	    web_read(config->web_dir, &gw->web, err) < 0 ||
	    (config->listen && open_listeners(gw, config, err) < 0)) {
		gateway_free(gw);
		return err->status;
	}
	if (config->listen)
		start_timers(gw);
	*ret_gateway = gw;
	return 0;
}

void gateway_free(struct gateway *gw)
{
	if (!gw)
		return;
	loop_timer_stop(gw->probe);
	loop_timer_stop(gw->reload_timer);
	loop_timer_stop(gw->drain_timer);
	http_server_free(gw->outer);
	http_server_free(gw->inner);
	auth_free(gw->auth);
	system_rights_free(gw->rights);
	web_free(gw->web);
	free(gw);
}

static void look_drained(void *arg)
{
	struct gateway *gw = arg;

	if (!http_server_idle(gw->outer) && clock_mono_us() < gw->drain_end_us)
		return;
	loop_timer_stop(gw->drain_timer);
	gw->drain_timer = NULL;
	gw->on_drained(gw->on_drained_arg);
}

void gateway_drain(struct gateway *gw, uint32_t timeout_ms, void (*fn)(void *arg), void *arg)
{
	if (gw->draining)
		return;
	gw->draining = true;
	gw->on_drained = fn;
	gw->on_drained_arg = arg;
	gw->drain_end_us = clock_mono_us() + timeout_ms * 1000LL;
	http_server_drain(gw->outer);
	gw->drain_timer = loop_timer_start(gw->loop, 0, DRAIN_LOOK_MS, look_drained, gw);
}
