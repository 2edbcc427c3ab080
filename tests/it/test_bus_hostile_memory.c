/*
 * Peers that would have the broker keep what they send, or what they do not read. Every test
 * watches its resident memory: it must stay flat, the connection must be ended and counted, and an
 * honest caller must be served meanwhile. TCP, where the kernel counts bytes.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include "common/bus/socket.h"
#include "tests/support/busraw.h"
#include "tests/support/busrig.h"

#define MIB      (1LL << 20)
#define FLAT     (24 * MIB) /* growth that still counts as none */
#define GREETING 64

/* Freed memory must be memory again: a small quarantine where there is a sanitizer. */
static int setup(void **state)
{
	static char asan[512];
	const char *inherited = getenv("ASAN_OPTIONS");
	const char *env[] = {"LGSP_UNREAD_BYTES=2097152", "MALLOC_ARENA_MAX=2",
			     inherited ? asan : NULL, NULL};

	snprintf(asan, sizeof(asan),
		 "ASAN_OPTIONS=%s:quarantine_size_mb=1:thread_local_quarantine_size_kb=64",
		 inherited ? inherited : "");
	return raw_setup_tcp_with(state, env);
}

/* --- before authentication --- */

/* A CURVE greeting, then the header of a long command of n bytes. */
static int open_giant(struct raw *f, uint64_t n)
{
	uint8_t head[GREETING + 9] = {0xff, 0, 0, 0,   0,   0,   0,   0,  1,
				      0x7f, 3, 0, 'C', 'U', 'R', 'V', 'E'};
	int fd = raw_connect(busd_member_endpoint(f->busd));

	head[GREETING] = 0x06;
	for (int i = 0; i < 8; i++)
		head[GREETING + 1 + i] = (uint8_t)(n >> (56 - 8 * i));
	assert_int_equal(send(fd, head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
	return fd;
}

/* Sends until n bytes are gone or the broker hangs up; how many it took. */
static uint64_t push(int fd, uint64_t n)
{
	static const uint8_t junk[64 << 10];
	uint64_t sent = 0;

	while (sent < n) {
		size_t want = n - sent < sizeof(junk) ? (size_t)(n - sent) : sizeof(junk);
		ssize_t rc = send(fd, junk, want, MSG_NOSIGNAL);

		if (rc < 0)
			break;
		sent += (uint64_t)rc;
	}
	return sent;
}

static bool hung_up(void *arg)
{
	int *fd = arg;
	char byte[256];
	ssize_t n;

	while ((n = recv(*fd, byte, sizeof(byte), MSG_DONTWAIT)) > 0)
		;
	return n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

static void expect_hang_up(int fd)
{
	assert_true(busrig_until(hung_up, &fd));
	close(fd);
}

static void giant_frames_of_strangers_are_not_kept(void **state)
{
	struct raw *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f);
	long long before;

	raw_expect_service(f, worker, c);
	before = raw_resident(f);
	for (int i = 0; i < 40; i++) {
		int fd = open_giant(f, i % 2 ? 1ULL << 40 : (uint64_t)MIB - 1);

		push(fd, i % 2 ? 32 * MIB : MIB - 1);
		expect_hang_up(fd);
		assert_true(raw_resident(f) - before < FLAT);
	}
	raw_wait_metric(f, "lgsp_bus_handshakes_failed_total{reason=\"protocol\"}", 1);
	raw_expect_service(f, worker, c);
}

/* Each within its bound: together they are not. */
static void many_unfinished_frames_are_bounded_together(void **state)
{
	struct raw *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f);
	long long before = raw_resident(f);
	int fds[120];

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = open_giant(f, (uint64_t)MIB - 1);
		push(fds[i], MIB - 2);
	}
	assert_true(raw_resident(f) - before < 96 * MIB);
	raw_expect_service(f, worker, c);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		expect_hang_up(fds[i]); /* the handshake's time is over */
	raw_expect_service(f, worker, c);
}

/* --- after it --- */

static void *raw_mole(struct raw *f)
{
	return raw_open(f, busd_backend_endpoint(f->busd), "mole");
}

/* A message of n parts of nearly a MiB: within ZMQ_MAXMSGSIZE, one by one. */
static void send_endless(void *socket, int n)
{
	static uint8_t part[MIB - 64];

	for (int i = 0; i < n; i++)
		if (zmq_send(socket, part, sizeof(part), i + 1 < n ? ZMQ_SNDMORE : 0) < 0)
			return;
}

static void endless_message_is_cut(struct raw *f, void *socket, int parts)
{
	void *worker = raw_worker(f), *c = raw_caller(f);
	long long before;

	raw_expect_service(f, worker, c);
	before = raw_resident(f);
	send_endless(socket, parts);
	raw_wait_cut(f, "endless_message");
	assert_true(raw_resident(f) - before < 64 * MIB);
	raw_expect_service(f, worker, c);
}

/* The first thing it says never ends, so that the broker has never heard of it. */
static void endless_first_message_is_cut(void **state)
{
	struct raw *f = *state;

	endless_message_is_cut(f, raw_caller(f), 300);
}

static void endless_message_of_a_known_caller_is_cut(void **state)
{
	struct raw *f = *state;
	void *c = raw_caller(f);

	SEND(c, TEXT("x"));
	raw_expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	endless_message_is_cut(f, c, 300);
	/* It may come again, and behave. */
	assert_true(busrig_until(raw_is_writable, c));
	SEND(c, TEXT("x"));
	raw_expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
}

static void endless_message_of_a_worker_is_cut(void **state)
{
	struct raw *f = *state;
	void *mole = raw_mole(f);

	SEND(mole, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("mole"));
	raw_wait_metric(f, "lgsp_bus_workers{service=\"mole\"}", 1);
	endless_message_is_cut(f, mole, 300);
}

/* The bound is for messages that do not end: much in many messages is welcome. */
static void busy_caller_is_not_cut(void **state)
{
	struct raw *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f);
	CLEANUP_FREE char *body = base_alloc(BUS_BODY_MAX_BYTES + 1);
	uint8_t token[16];

	memset(body, 'x', BUS_BODY_MAX_BYTES);
	for (int i = 0; i < 60; i++) {
		raw_ask(f, c, body);
		raw_take(worker, token);
		ANSWER(f, worker, token, body);
		raw_expect_final(f, c, 0, "", DONE);
	}
	assert_int_equal(busd_metric(f->busd, "lgsp_bus_connections_cut_total"
					      "{reason=\"endless_message\"}"),
			 0);
	assert_int_equal(busd_metric(f->busd, "lgsp_bus_connections_cut_total"
					      "{reason=\"slow_reader\"}"),
			 0);
}

/* --- that do not read --- */

static void *deaf_caller(struct raw *f)
{
	struct bus_keys keys = busd_keys(f->busd, "caller");
	void *s = zmq_socket(f->context, ZMQ_DEALER);

	f->sockets[f->n_sockets++] = s;
	assert_true(socket_set_int(s, ZMQ_LINGER, 0) && socket_set_int(s, ZMQ_RCVHWM, 1) &&
		    socket_set_int(s, ZMQ_RCVBUF, 4096) && socket_set_int(s, ZMQ_IMMEDIATE, 1));
	zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, keys.broker_z85, 41);
	zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, keys.public_z85, 41);
	zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, keys.secret_z85, 41);
	assert_int_equal(zmq_connect(s, busd_member_endpoint(f->busd)), 0);
	assert_true(busrig_until(raw_is_writable, s));
	return s;
}

static long long slow_cuts(const struct raw *f)
{
	return busd_metric(f->busd, "lgsp_bus_connections_cut_total{reason=\"slow_reader\"}");
}

static void caller_that_never_reads_is_cut(void **state)
{
	struct raw *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f), *deaf = deaf_caller(f);
	CLEANUP_FREE char *body = base_alloc(BUS_BODY_MAX_BYTES + 1);
	long long before = raw_resident(f);
	uint8_t token[16];

	memset(body, 'x', BUS_BODY_MAX_BYTES);
	for (int i = 0; i < 100 && slow_cuts(f) == 0; i++) {
		raw_ask(f, deaf, "much");
		raw_take(worker, token);
		ANSWER(f, worker, token, body);
		raw_expect_service(f, worker, c);
	}
	raw_wait_cut(f, "slow_reader");
	raw_wait_drop(f, "client_gone");
	assert_true(raw_resident(f) - before < FLAT);
	raw_expect_service(f, worker, c);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, raw_teardown)
	const struct CMUnitTest tests[] = {
		TEST(giant_frames_of_strangers_are_not_kept),
		TEST(many_unfinished_frames_are_bounded_together),
		TEST(endless_first_message_is_cut),
		TEST(endless_message_of_a_known_caller_is_cut),
		TEST(endless_message_of_a_worker_is_cut),
		TEST(busy_caller_is_not_cut),
		TEST(caller_that_never_reads_is_cut),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
