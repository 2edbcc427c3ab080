// with: tests/bench/busload.c
/*
 * bus.idle_connection: resident memory the broker keeps for a connection that stands, encrypted and
 * authenticated, and says nothing; against the limit of 48 KiB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/base.h"
#include "common/bus/socket.h"
#include "tests/bench/bench.h"
#include "tests/bench/busload.h"

#define CONNECTIONS 2000
#define AT_A_TIME   50
#define LIMIT_KIB   48
#define OPEN        "lgsp_bus_connections{side=\"member\"}"

static void raise_descriptors(void)
{
	struct rlimit r = {3 * CONNECTIONS, 3 * CONNECTIONS};

	if (setrlimit(RLIMIT_NOFILE, &r) < 0) {
		perror("bench_bus_idle: descriptors");
		exit(1);
	}
}

static void open_some(struct busload *l, void *context, void **sockets, int n)
{
	for (int i = 0; i < n; i++)
		CHECK(socket_dealer_new(context, &l->caller, l->front, 10, &sockets[i]) == 0);
	for (int i = 0; i < n; i++)
		while (!socket_writable(sockets[i]))
			usleep(1000);
}

int main(void)
{
	static void *sockets[CONNECTIONS];
	struct busload load;
	double before, each;
	struct busd *busd;
	void *context;

	raise_descriptors();
	busd = busload_broker(&load, NULL);
	context = zmq_ctx_new();
	zmq_ctx_set(context, ZMQ_MAX_SOCKETS, CONNECTIONS + 100);
	open_some(&load, context, sockets, AT_A_TIME);
	before = busload_rss_kib(busd_pid(busd));
	for (int i = AT_A_TIME; i < CONNECTIONS; i += AT_A_TIME)
		open_some(&load, context, sockets + i, AT_A_TIME);
	CHECK(busd_metric(busd, OPEN) == CONNECTIONS);
	each = (busload_rss_kib(busd_pid(busd)) - before) / (CONNECTIONS - AT_A_TIME);
	bench_report(&(struct bench_result){.name = "bus.idle_connection",
					    .value = each,
					    .unit = "KiB",
					    .baseline_value = LIMIT_KIB,
					    .less_is_better = true,
					    .note = "growth of resident memory over 1950 CURVE "
						    "connections, tcp"});
	for (int i = 0; i < CONNECTIONS; i++)
		socket_close(sockets[i]);
	zmq_ctx_term(context);
	busd_free(busd);
	return 0;
}
