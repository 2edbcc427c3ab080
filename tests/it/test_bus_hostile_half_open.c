/*
 * Connections that died without a word: the cable is pulled while a caller and a worker are
 * connected over TCP. In a network namespace of this test's own; where the kernel allows none, the
 * tests are skipped and say so.
 */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/support/busraw.h"

#define FOUND_US (40 * CLOCK_US_PER_S) /* ZMTP heartbeats: 5 s apart, 15 s of patience */

static bool own_network;

static int set_loopback(bool up)
{
	CLEANUP_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = up ? IFF_UP : 0};

	return fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
}

/* Before the first thread of this process. */
static bool make_network(void)
{
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	return set_loopback(true) == 0;
}

static int setup(void **state)
{
	*state = NULL;
	return own_network ? raw_setup_tcp(state) : 0;
}

static int teardown(void **state)
{
	return *state ? raw_teardown(state) : 0;
}

static void skip_without_network(void)
{
	if (own_network)
		return;
	print_message("# SKIP no network namespace of our own: not allowed here\n");
	skip();
}

static void wait_long(struct raw *f, const char *name, long long value)
{
	int64_t until_us = clock_mono_us() + FOUND_US;

	while (busd_metric(f->busd, name) != value) {
		assert_true(clock_mono_us() < until_us);
		usleep(50000);
	}
}

static void half_open_connections_are_found(void **state)
{
	struct raw *f = *state;
	void *worker;

	skip_without_network();
	worker = raw_worker(f);
	raw_expect_service(f, worker, raw_caller(f));
	assert_int_equal(busd_metric(f->busd, "lgsp_bus_connections{side=\"member\"}"), 1);
	assert_int_equal(set_loopback(false), 0);
	wait_long(f, "lgsp_bus_workers{service=\"echo\"}", 0);
	wait_long(f, "lgsp_bus_workers_lost_total{service=\"echo\"}", 1);
	wait_long(f, "lgsp_bus_connections{side=\"member\"}", 0);
	wait_long(f, "lgsp_bus_connections{side=\"backend\"}", 0);
	assert_int_equal(set_loopback(true), 0);
	raw_expect_service(f, raw_worker(f), raw_caller(f));
}

/* The request in the lost worker's hands has an end, and it is UNKNOWN. */
static void request_of_a_half_open_worker_ends(void **state)
{
	struct raw *f = *state;
	void *worker, *c;
	uint8_t token[16];

	skip_without_network();
	worker = raw_worker(f);
	c = raw_caller(f);
	raw_ask(f, c, "are you there?");
	raw_take(worker, token);
	assert_int_equal(set_loopback(false), 0);
	wait_long(f, "lgsp_bus_workers_lost_total{service=\"echo\"}", 1);
	wait_long(f, "lgsp_bus_replies_total{service=\"echo\",status=\"WORKER_LOST\"}", 1);
	raw_wait_value(f, "lgsp_bus_pending", 0);
	assert_int_equal(set_loopback(true), 0);
	raw_expect_service(f, raw_worker(f), raw_caller(f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(half_open_connections_are_found, setup, teardown),
		cmocka_unit_test_setup_teardown(request_of_a_half_open_worker_ends, setup,
						teardown),
	};

	own_network = make_network();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
