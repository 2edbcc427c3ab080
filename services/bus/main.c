/* lgsp-bus: the broker's process. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/env.h"
#include "common/base/log.h"
#include "common/bus/cert.h"
#include "common/http/http.h"
#include "common/record/record.h"
#include "services/bus/http.h"
#include "services/bus/server.h"

#define OFFSET_MAX_US (200LL * 366 * 86400 * CLOCK_US_PER_S)
#define HEARTBEAT_US  2000000
#define PROBE_US      500000

static struct {
	const char *instance, *log_level, *bind_member, *bind_backend, *bind_admin, *key;
	const char *members_dir, *rights, *http;
	int64_t clock_offset_us, queue_entries, queue_bytes, queue_share, pending_max;
	int64_t pending_bytes, grace_ms, drain_ms, unfinished_bytes, unread_bytes;
	int64_t member_per_s, member_burst, member_in_flight, member_bytes;
	const char *records_dir;
	int64_t records_ring, records_max_bytes, records_max_s, records_keep_days;
	int64_t records_keep_bytes;
} env;

static const struct env_var vars[] = {
	{"LGSP_INSTANCE", ENV_STRING, "bus-1", 0, 0, "unique name of this broker", &env.instance},
	{"LGSP_LOG_LEVEL", ENV_STRING, "info", 0, 0, "debug, info, warn or error", &env.log_level},
	{"LGSP_CLOCK_OFFSET_US", ENV_INT, "0", -OFFSET_MAX_US, OFFSET_MAX_US,
	 "business clock minus real time; told to all workers", &env.clock_offset_us},
	{"LGSP_BIND_MEMBER", ENV_STRING, NULL, 0, 0, "endpoints for callers, space-separated",
	 &env.bind_member},
	{"LGSP_BIND_BACKEND", ENV_STRING, NULL, 0, 0, "endpoints for workers, space-separated",
	 &env.bind_backend},
	{"LGSP_BIND_ADMIN", ENV_STRING, NULL, 0, 0, "endpoint for operators (ipc)",
	 &env.bind_admin},
	{"LGSP_KEY", ENV_SECRET, NULL, 0, 0, "the broker's secret certificate", &env.key},
	{"LGSP_MEMBERS_DIR", ENV_STRING, NULL, 0, 0, "folder of the members' certificates",
	 &env.members_dir},
	{"LGSP_RIGHTS", ENV_PATH, NULL, 0, 0, "rights file", &env.rights},
	{"LGSP_HTTP", ENV_STRING, NULL, 0, 0,
	 "health and metrics listener: unix:/path or 127.0.0.1:port", &env.http},
	{"LGSP_QUEUE_ENTRIES", ENV_INT, "1024", 1, 1000000, "requests waiting per service",
	 &env.queue_entries},
	{"LGSP_QUEUE_BYTES", ENV_INT, "33554432", 1 << 20, 1LL << 34, "their bytes",
	 &env.queue_bytes},
	{"LGSP_QUEUE_SHARE", ENV_INT, "512", 1, 1000000,
	 "requests one member may have waiting per service", &env.queue_share},
	{"LGSP_PENDING_MAX", ENV_INT, "65536", 16, 1 << 22,
	 "requests accepted and not answered, in all", &env.pending_max},
	{"LGSP_PENDING_BYTES", ENV_INT, "268435456", 1 << 20, 1LL << 34, "their bytes",
	 &env.pending_bytes},
	{"LGSP_MEMBER_REQUESTS_PER_S", ENV_INT, "3000", 0, 1000000,
	 "of a member whose `limit` line in the rights file says nothing; 0: no limit",
	 &env.member_per_s},
	{"LGSP_MEMBER_BURST", ENV_INT, "6000", 0, 1000000,
	 "requests it may send at once after a pause; 0: one second's", &env.member_burst},
	{"LGSP_MEMBER_IN_FLIGHT", ENV_INT, "2048", 0, 1 << 22,
	 "its requests accepted and not answered; 0: no limit", &env.member_in_flight},
	{"LGSP_MEMBER_BYTES", ENV_INT, "67108864", 0, 1LL << 34, "their bytes; 0: no limit",
	 &env.member_bytes},
	{"LGSP_UNFINISHED_BYTES", ENV_INT, "4194304", 2 << 20, 1 << 30,
	 "of a TCP connection without making a whole message, then it is cut; 16 times that in all",
	 &env.unfinished_bytes},
	{"LGSP_UNREAD_BYTES", ENV_INT, "33554432", 2 << 20, 1LL << 32,
	 "of answers a TCP connection does not read, then it is cut; 8 times that in all",
	 &env.unread_bytes},
	{"LGSP_GRACE_MS", ENV_INT, "5000", 0, 300000,
	 "how long requests wait for a service without workers, also after our start",
	 &env.grace_ms},
	{"LGSP_DRAIN_MS", ENV_INT, "5000", 0, 300000,
	 "how long SIGTERM waits for requests in flight", &env.drain_ms},
	{"LGSP_RECORDS_DIR", ENV_STRING, "", 0, 0,
	 "folder of the operational records; empty: none are written", &env.records_dir},
	{"LGSP_RECORDS_RING", ENV_INT, "16384", 64, 1 << 20,
	 "records that may wait for the disk; a power of two", &env.records_ring},
	{"LGSP_RECORDS_MAX_BYTES", ENV_INT, "67108864", 4096, 1LL << 34,
	 "a record file is closed at this size", &env.records_max_bytes},
	{"LGSP_RECORDS_MAX_S", ENV_INT, "600", 1, 86400,
	 "and when it is so old; usage is counted from closed files", &env.records_max_s},
	{"LGSP_RECORDS_KEEP_DAYS", ENV_INT, "90", 1, 36500,
	 "closed record files are removed after so many days", &env.records_keep_days},
	{"LGSP_RECORDS_KEEP_BYTES", ENV_INT, "10737418240", 1 << 20, 1LL << 44,
	 "and the oldest when all together are larger", &env.records_keep_bytes},
};

struct bus {
	struct loop *loop;
	struct server *server;
	struct bus_http *http;
};

static void help(void)
{
	printf("lgsp-bus [--help | --version | --check | --healthcheck]\n\n"
	       "The broker. Configured by its environment:\n\n");
	env_help(vars, ARRAY_LEN(vars), stdout);
	printf("\nSIGHUP reads members and rights again. "
	       "Exit codes: 0 ok, 2 usage, 3 configuration, 4 a dependency is absent\n");
}

static bool records_valid(void)
{
	if ((env.records_ring & (env.records_ring - 1)) != 0) {
		fprintf(stderr, "LGSP_RECORDS_RING: not a power of two\n");
		return false;
	}
	if (*env.records_dir && !record_broker_valid(env.instance)) {
		fprintf(stderr, "LGSP_INSTANCE: letters, digits, - and _ only: "
				"record files are named after it\n");
		return false;
	}
	return true;
}

static struct record_store_config records_config(void)
{
	return (struct record_store_config){
		.dir = env.records_dir,
		.broker = env.instance,
		.max_bytes = (uint64_t)env.records_max_bytes,
		.max_age_us = env.records_max_s * CLOCK_US_PER_S,
		.keep_us = env.records_keep_days * 86400 * CLOCK_US_PER_S,
		.keep_bytes = (uint64_t)env.records_keep_bytes,
	};
}

static int configure(struct server_config *ret_config)
{
	struct cert cert;
	struct err err;

	if (env_read(vars, ARRAY_LEN(vars), stderr) > 0)
		return EXIT_CONFIG;
	if (log_init("bus", env.log_level) < 0) {
		fprintf(stderr, "LGSP_LOG_LEVEL: debug, info, warn or error\n");
		return EXIT_CONFIG;
	}
	if (!records_valid())
		return EXIT_CONFIG;
	clock_set_business_offset_us(env.clock_offset_us);
	if (cert_read(env.key, &cert, &err) < 0) {
		fprintf(stderr, "LGSP_KEY: %s\n", err.items[0].en);
		return EXIT_CONFIG;
	}
	if (!cert.secret_z85[0]) {
		fprintf(stderr, "LGSP_KEY: %s has no secret key\n", env.key);
		return EXIT_CONFIG;
	}
	*ret_config = (struct server_config){
		.broker = {.instance = env.instance,
			   .pending_max = (uint32_t)env.pending_max,
			   .pending_bytes_max = (size_t)env.pending_bytes,
			   .queue_entries = (uint32_t)env.queue_entries,
			   .queue_bytes = (size_t)env.queue_bytes,
			   .queue_share = (uint32_t)env.queue_share,
			   .member = {.requests_per_s = (uint32_t)env.member_per_s,
				      .burst = (uint32_t)env.member_burst,
				      .in_flight = (uint32_t)env.member_in_flight,
				      .bytes_in_flight = (uint64_t)env.member_bytes},
			   .heartbeat_us = HEARTBEAT_US,
			   .probe_us = PROBE_US,
			   .grace_us = env.grace_ms * 1000},
		.connections = {.unfinished_bytes = (size_t)env.unfinished_bytes,
				.unfinished_total = 16 * (size_t)env.unfinished_bytes,
				.unread_bytes = (size_t)env.unread_bytes,
				.unread_total = 8 * (size_t)env.unread_bytes},
		.bind = {[SIDE_BACKEND] = env.bind_backend,
			 [SIDE_ADMIN] = env.bind_admin,
			 [SIDE_MEMBER] = env.bind_member},
		.members_dir = env.members_dir,
		.rights_path = env.rights,
		.drain_ms = (uint32_t)env.drain_ms,
		.records = records_config(),
		.records_ring = (uint32_t)env.records_ring,
	};
	memcpy(ret_config->public_z85, cert.public_z85, sizeof(cert.public_z85));
	memcpy(ret_config->secret_z85, cert.secret_z85, sizeof(cert.secret_z85));
	explicit_bzero(&cert, sizeof(cert));
	return 0;
}

/* Members, rights and endpoints, without serving. */
static int check(const struct server_config *config)
{
	char fault[MEMBERS_FAULT_MAX], list[BUS_ENDPOINTS_MAX][128];
	struct members *members = members_new();
	int rc = members_load(members, config->members_dir, config->rights_path, fault);
	struct err err;

	members_free(members);
	if (rc < 0) {
		fprintf(stderr, "%s\n", fault);
		return EXIT_CONFIG;
	}
	for (int i = 0; i < SIDES; i++)
		if (bus_endpoints_split(config->bind[i], list, &err) < 0) {
			fprintf(stderr, "%s\n", err.items[0].en);
			return EXIT_CONFIG;
		}
	if (*env.records_dir && access(env.records_dir, W_OK | X_OK) < 0) {
		fprintf(stderr, "LGSP_RECORDS_DIR: %s: %s\n", env.records_dir, strerror(errno));
		return EXIT_CONFIG;
	}
	printf("configuration OK\n");
	return 0;
}

static void on_drained(void *arg)
{
	struct bus *bus = arg;

	loop_stop(bus->loop);
}

static void on_terminate(void *arg)
{
	struct bus *bus = arg;

	server_drain(bus->server, on_drained, bus);
}

static void on_hangup(void *arg)
{
	char fault[MEMBERS_FAULT_MAX];
	struct bus *bus = arg;

	server_reload(bus->server, fault);
}

static int serve(const struct server_config *config)
{
	struct bus bus = {.loop = loop_new()};
	int code = 0;

	if (server_new(bus.loop, config, &bus.server) < 0)
		code = EXIT_CONFIG;
	if (code == 0 &&
	    bus_http_new(bus.loop, env.http, server_broker(bus.server), &bus.http) < 0) {
		log_error("bus.http", LOG_STR("listen", env.http));
		code = EXIT_CONFIG;
	}
	if (code == 0) {
		loop_on_terminate(bus.loop, on_terminate, &bus);
		loop_on_hangup(bus.loop, on_hangup, &bus);
		log_info("bus.serving", LOG_STR("instance", env.instance),
			 LOG_STR("version", base_version()),
			 LOG_STR("member", server_endpoint(bus.server, SIDE_MEMBER)));
		loop_run(bus.loop);
	}
	bus_http_free(bus.http);
	server_free(bus.server);
	loop_free(bus.loop);
	if (code == 0)
		log_info("bus.stopped");
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

int main(int argc, char **argv)
{
	const char *option = argc == 2 ? argv[1] : "";
	struct server_config config;
	int code;

	if (strcmp(option, "--help") == 0) {
		help();
		return 0;
	}
	if (strcmp(option, "--version") == 0) {
		printf("lgsp-bus %s\n", base_version());
		return 0;
	}
	if (strcmp(option, "--healthcheck") == 0)
		return healthcheck();
	if (argc > 1 && strcmp(option, "--check") != 0) {
		fprintf(stderr, "unknown option; try --help\n");
		return EXIT_USAGE;
	}
	if (!zmq_has("curve")) {
		fprintf(stderr, "this libzmq has no CURVE\n");
		return EXIT_DEPENDENCY;
	}
	code = configure(&config);
	if (code == 0)
		code = argc > 1 ? check(&config) : serve(&config);
	explicit_bzero(&config, sizeof(config));
	return code;
}
