/*
 * Peers with a good key and bad manners, and the broker in straits: no descriptors, no ZAP thread.
 * Each test ends with an honest caller served by an honest worker.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include "common/bus/socket.h"
#include "common/wire/header.h"
#include "tests/support/busraw.h"
#include "tests/support/busrig.h"

#define FLOOD    20000
#define STORM    300
#define SILENT   100
#define SPARE_FD 12
#define PENDING  "lgsp_bus_pending"

static long long drops(const struct raw *f, const char *reason)
{
	char name[96];

	snprintf(name, sizeof(name), "lgsp_bus_dropped_total{reason=\"%s\"}", reason);
	return busd_metric(f->busd, name);
}

/* --- coming and going --- */

/* Without waiting for anything: most are gone before their handshake is over. */
static void reconnect_storm_leaves_nothing(void **state)
{
	struct raw *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f);
	struct bus_keys keys = busd_keys(f->busd, "caller");

	for (int i = 0; i < STORM; i++) {
		void *s = raw_open_as(f, busd_member_endpoint(f->busd), &keys);

		if (i % 3 == 0)
			busrig_until(raw_is_writable, s);
		raw_close(f, s);
	}
	raw_expect_service(f, worker, c);
	raw_wait_value(f, "lgsp_bus_connections{side=\"member\"}", 1);
	raw_wait_value(f, "lgsp_bus_connections{side=\"backend\"}", 1);
}

static void callers_that_ask_and_leave_cost_nothing(void **state)
{
	struct raw *f = *state;
	void *worker = raw_worker(f), *c;
	uint8_t token[16];

	for (int i = 0; i < 60; i++) {
		c = raw_caller(f);
		raw_ask(f, c, "bye");
		raw_close(f, c);
		raw_take(worker, token);
		ANSWER(f, worker, token, "gone?");
	}
	raw_wait_drop(f, "client_gone");
	raw_wait_value(f, PENDING, 0);
	raw_expect_service(f, worker, raw_caller(f));
}

/* --- no descriptors --- */

static unsigned open_descriptors(const struct raw *f)
{
	char path[64];
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)busd_pid(f->busd), fd);
		n += access(path, F_OK) == 0 || readlink(path, (char[8]){0}, 8) > 0;
	}
	return n;
}

static void exhausted_descriptors_spare_who_is_there(void **state)
{
	struct raw *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f);
	struct rlimit few = {open_descriptors(f) + SPARE_FD, 4096};
	int fds[SILENT];

	raw_expect_service(f, worker, c);
	assert_int_equal(prlimit(busd_pid(f->busd), RLIMIT_NOFILE, &few, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = raw_connect(busd_member_endpoint(f->busd));
	for (int i = 0; i < 20; i++)
		raw_expect_service(f, worker, c);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	/* After the flood the next one comes in, and the flood is in the figures. */
	raw_expect_service(f, worker, raw_caller(f));
	raw_wait_metric(f, "lgsp_bus_accept_failed_total{side=\"member\"}", 1);
	raw_wait_metric(f, "lgsp_bus_handshakes_failed_total{reason=\"closed\"}", 1);
}

/* --- heartbeats of ZMTP --- */

/* A ping each millisecond, each with the longest time to live there is. */
static void pings_do_not_disturb(void **state)
{
	struct raw *f = *state;
	struct bus_keys keys = busd_keys(f->busd, "caller");
	void *worker = raw_worker(f), *c = raw_caller(f);
	void *s = zmq_socket(f->context, ZMQ_DEALER);

	f->sockets[f->n_sockets++] = s;
	assert_true(socket_set_common(s, 10, 1 << 20));
	assert_true(socket_set_int(s, ZMQ_HEARTBEAT_IVL, 1));
	assert_true(socket_set_int(s, ZMQ_HEARTBEAT_TTL, 6553599));
	zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, keys.broker_z85, 41);
	zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, keys.public_z85, 41);
	zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, keys.secret_z85, 41);
	assert_int_equal(zmq_connect(s, busd_member_endpoint(f->busd)), 0);
	assert_true(busrig_until(raw_is_writable, s));
	for (int i = 0; i < 200; i++)
		raw_expect_service(f, worker, c);
	raw_expect_service(f, worker, s);
}

/* --- workers --- */

static void take_two(struct raw *f, void *worker, void *a, void *b, uint8_t tokens[2][16])
{
	raw_ask(f, a, "first");
	raw_take(worker, tokens[0]);
	raw_ask(f, b, "second");
	raw_take(worker, tokens[1]);
}

/* A worker that will hold so many, and says so in a hello. */
static void *hello_worker(struct raw *f, uint32_t credit, uint32_t parked)
{
	void *w = raw_open(f, busd_backend_endpoint(f->busd), "echo");

	SEND(w, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("echo"),
	     raw_hello(f, credit, parked));
	raw_wait_metric(f, "lgsp_bus_workers{service=\"echo\"}", 1);
	return w;
}

/* Parts without end for a caller that does not read them: they are dropped, nobody waits. */
static void flood_of_partials_is_dropped(void **state)
{
	struct raw *f = *state;
	void *worker = hello_worker(f, 4, 0), *c = raw_caller(f), *deaf = raw_caller(f);
	struct bytes ok = raw_ok_reply(f);
	uint8_t tokens[2][16];
	char part[512];

	memset(part, 'p', sizeof(part));
	take_two(f, worker, deaf, c, tokens);
	for (int i = 0; i < FLOOD; i++)
		SEND(worker, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_PARTIAL),
		     ((struct bytes){tokens[0], 16}), TEXT(""), ok,
		     ((struct bytes){part, sizeof(part)}));
	ANSWER(f, worker, tokens[1], "done");
	raw_expect_final(f, c, 0, "", DONE);
	raw_wait_drop(f, "client_gone");
	raw_expect_service(f, worker, c);
}

static void flood_of_heartbeats_is_borne(void **state)
{
	struct raw *f = *state;
	void *worker = hello_worker(f, 4, 0), *c = raw_caller(f);
	void *mole = raw_open(f, busd_backend_endpoint(f->busd), "mole");
	struct bytes few = raw_hello(f, 0, 7), many = raw_hello(f, 9, 0);

	SEND(mole, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("mole"));
	for (int i = 0; i < FLOOD; i++) {
		SEND(mole, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_HEARTBEAT), i % 2 ? few : many);
		if (i % 1000 == 0)
			raw_expect_service(f, worker, c);
	}
	SEND(mole, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_HEARTBEAT), TEXT("LGH1\xff\xff"));
	raw_wait_drop(f, "bad_frames");
	raw_expect_service(f, worker, c);
}

static void absurd_credit_is_capped(void **state)
{
	struct raw *f = *state;
	void *worker = hello_worker(f, UINT32_MAX, UINT32_MAX), *c = raw_caller(f);

	raw_wait_value(f, "lgsp_bus_credit{service=\"echo\"}", 4096);
	raw_expect_service(f, worker, c);
	SEND(worker, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_HEARTBEAT), raw_hello(f, 0, UINT32_MAX));
	raw_wait_value(f, "lgsp_bus_credit{service=\"echo\"}", 0);
	SEND(worker, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_HEARTBEAT), raw_hello(f, 2, 0));
	raw_expect_service(f, worker, c);
}

/* --- revoked keys on live connections --- */

static void revoked_worker_gets_nothing_and_is_not_believed(void **state)
{
	struct raw *f = *state;
	void *worker = hello_worker(f, 4, 0), *c = raw_caller(f);
	uint8_t token[16];
	struct frames in;

	raw_ask(f, c, "who answers?");
	raw_take(worker, token);
	busd_remove_member(f->busd, "echo");
	busd_signal(f->busd, SIGHUP);
	raw_expect_command(worker, BUS_W_DISCONNECT);
	raw_expect_final(f, c, ERR_WORKER_LOST, "WORKER_LOST", UNKNOWN);
	ANSWER(f, worker, token, "I do");
	raw_wait_drop(f, "key_revoked");
	SEND(worker, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("echo"));
	raw_wait_value(f, "lgsp_bus_workers{service=\"echo\"}", 0);
	assert_false(raw_recv(c, &in, 100));
	assert_true(drops(f, "key_revoked") >= 1);
}

static void revoked_caller_reaches_no_worker(void **state)
{
	struct raw *f = *state;
	void *worker = hello_worker(f, 4, 0), *c = raw_caller(f);
	struct frames in;

	raw_expect_service(f, worker, c);
	busd_remove_member(f->busd, "caller");
	busd_signal(f->busd, SIGHUP);
	raw_wait_metric(f, "lgsp_bus_reloads_total{result=\"ok\"}", 1);
	for (int i = 0; i < 10; i++)
		raw_ask(f, c, "still me");
	raw_wait_metric(f, "lgsp_bus_member_refused_total{member=\"" CALLER "\"}", 10);
	assert_false(raw_recv(worker, &in, 200));
}

/* --- the ZAP thread --- */

static char fault_path[64];

static void arm(const char *point)
{
	CLEANUP_FILE FILE *file = fopen(fault_path, "we");

	assert_true(file && fputs(point, file) >= 0);
}

static int setup_faults(void **state)
{
	static char fault[128];
	const char *env[] = {fault, "LGSP_CRASH_LOG=/dev/null", NULL};
	int fd;

	snprintf(fault_path, sizeof(fault_path), "/tmp/lgsp-fault-XXXXXX");
	fd = mkstemp(fault_path);
	CHECK(fd >= 0);
	close(fd);
	snprintf(fault, sizeof(fault), "LGSP_FAULT_POINT=@%s", fault_path);
	return raw_setup_with(state, env);
}

static int teardown_faults(void **state)
{
	unlink(fault_path);
	return raw_teardown(state);
}

static void *stranger(struct raw *f)
{
	struct bus_keys keys = busd_stranger(f->busd);

	return raw_open_as(f, busd_member_endpoint(f->busd), &keys);
}

/* libzmq would let everybody in from now on: there must be no broker to come in to. */
static void broker_ends_with_its_zap_thread(void **state)
{
	struct raw *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f), *s;

	raw_expect_service(f, worker, c);
	arm("zap.end");
	s = stranger(f);
	assert_int_equal(busd_wait(f->busd), 128 + SIGABRT);
	assert_false(raw_is_writable(s));
	arm("");
	busd_restart(f->busd);
	raw_wait_metric(f, "lgsp_bus_handshakes_total{result=\"denied\"}", 1);
	assert_false(raw_is_writable(s));
	raw_expect_service(f, raw_worker(f), raw_caller(f));
}

/* Nobody comes in, who is in is served, and soon a new broker has a new thread. */
static void hanging_zap_thread_lets_nobody_in(void **state)
{
	struct raw *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f), *s;

	raw_expect_service(f, worker, c);
	arm("zap.hang");
	s = stranger(f);
	raw_expect_service(f, worker, c);
	assert_int_equal(busd_wait(f->busd), 128 + SIGABRT);
	assert_false(raw_is_writable(s));
	arm("");
	busd_restart(f->busd);
	raw_expect_service(f, raw_worker(f), raw_caller(f));
}

int main(int argc, char **argv)
{
#define TEST(name)  cmocka_unit_test_setup_teardown(name, raw_setup, raw_teardown)
#define FAULT(name) cmocka_unit_test_setup_teardown(name, setup_faults, teardown_faults)
	const struct CMUnitTest tests[] = {
		TEST(reconnect_storm_leaves_nothing),
		TEST(callers_that_ask_and_leave_cost_nothing),
		cmocka_unit_test_setup_teardown(exhausted_descriptors_spare_who_is_there,
						raw_setup_tcp, raw_teardown),
		TEST(pings_do_not_disturb),
		TEST(flood_of_partials_is_dropped),
		TEST(flood_of_heartbeats_is_borne),
		TEST(absurd_credit_is_capped),
		TEST(revoked_worker_gets_nothing_and_is_not_believed),
		TEST(revoked_caller_reaches_no_worker),
		FAULT(broker_ends_with_its_zap_thread),
		FAULT(hanging_zap_thread_lets_nobody_in),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
