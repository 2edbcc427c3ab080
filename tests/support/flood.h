/*
 * A broker, a worker of "echo", a member that calls now and then, and one that sends as fast as its
 * connections allow. The flood comes from a process that only gets the processor time nobody else
 * wants: it stands for another machine. That takes real-time scheduling (CAP_SYS_NICE); without it,
 * times measured beside the flood are those of this machine's scheduler.
 */
#ifndef LGSP_TESTS_SUPPORT_FLOOD_H
#define LGSP_TESTS_SUPPORT_FLOOD_H

#include <stdbool.h>

#include "tests/support/bustest.h"
#include "tests/support/recdir.h"

#define FLOOD_CONNECTIONS 50  /* at most */
#define FLOOD_CALLS       100 /* of the quiet member in a slice */

/* Rights in which the member that floods has this limit. */
#define FLOOD_RIGHTS(limit)                                                                        \
	GRANTS "serve " SERVICE " echo\n"                                                          \
	       "limit " CALLER " " limit "\n"

struct flood {
	struct fixture fixture;
	struct recdir records;
	bool is_real_time;
	pid_t pid;
	int commands; /* one byte: how many connections send from now on */
	char endpoint[128];
	struct bus_keys keys;
	size_t body;
};

/* body: bytes of each request, at most 65536. */
void flood_start(struct flood *fl, const char *rights, size_t body);
void flood_stop(struct flood *fl);
/* So many connections send from now on; 0: none. */
void flood_set(struct flood *fl, unsigned connections);
/* As flood_set(); waits until so many more of its requests are refused. False: not in a minute. */
bool flood_until_refused(struct flood *fl, unsigned connections, long long more);
/* FLOOD_CALLS calls of the quiet member, one after the other: their p99. */
double flood_p99_us(struct flood *fl);
/*
 * The p99 of short slices, quiet and flooded in turns, and of each kind the median slice: what else
 * this machine does falls on both kinds alike, and a slice that it spoils is not the median.
 */
void flood_measure(struct flood *fl, unsigned connections, double *ret_quiet_us,
		   double *ret_flooded_us);

#endif
