/*
 * bus.fairness: the p99 of a member that calls now and then, beside one that sends as fast as its
 * connections allow, against twice the p99 it has alone: over its rate with one connection, with
 * fifty and with large bodies, and with no limit but the queue's.
 */
#include <stdio.h>

#include "tests/bench/bench.h"
#include "tests/support/flood.h"

#define BOUND 2

static void measure(const char *name, const char *rights, unsigned connections, size_t body)
{
	static struct flood flood;
	double quiet_us, flooded_us;
	char note[96];

	flood_start(&flood, rights, body);
	flood_measure(&flood, connections, &quiet_us, &flooded_us);
	snprintf(note, sizeof(note), "p99 alone %.0f us; %u connections, %zu B%s", quiet_us,
		 connections, body, flood.is_real_time ? "" : "; no real-time scheduling");
	flood_stop(&flood);
	bench_report(&(struct bench_result){.name = name,
					    .value = flooded_us,
					    .unit = "us",
					    .baseline_value = BOUND * quiet_us,
					    .less_is_better = true,
					    .note = note});
}

int main(void)
{
	static const char limited[] = FLOOD_RIGHTS("requests_per_s=500");
	static const char unlimited[] = FLOOD_RIGHTS("requests_per_s=1000000");

	measure("bus.fairness.one", limited, 1, 200);
	measure("bus.fairness.many", limited, FLOOD_CONNECTIONS, 200);
	measure("bus.fairness.large", limited, 4, 65536);
	measure("bus.fairness.unlimited", unlimited, 4, 200);
	return 0;
}
