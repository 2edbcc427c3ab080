/*
 * What no honest peer sends: raw sockets against a real lgsp-bus. Each test ends with the broker
 * still serving (the fixture's teardown asserts a clean end) and its refusal counted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/clock.h"
#include "common/bus/socket.h"
#include "common/wire/header.h"
#include "tests/support/busraw.h"
#include "tests/support/busrig.h"

/* --- strangers --- */

static void unknown_key_gets_no_connection(void **state)
{
	struct raw *f = *state;
	struct bus_keys keys = busd_stranger(f->busd);
	void *s = raw_open_as(f, busd_member_endpoint(f->busd), &keys);
	void *w = raw_open_as(f, busd_backend_endpoint(f->busd), &keys);
	void *a = raw_open_as(f, busd_admin_endpoint(f->busd), &keys);

	raw_wait_metric(f, "lgsp_bus_handshakes_total{result=\"denied\"}", 3);
	assert_false(raw_is_writable(s) || raw_is_writable(w) || raw_is_writable(a));
	raw_expect_service(f, raw_worker(f), raw_caller(f));
}

static void peer_without_curve_gets_no_connection(void **state)
{
	struct raw *f = *state;
	void *s = zmq_socket(f->context, ZMQ_DEALER);
	struct frames in;

	f->sockets[f->n_sockets++] = s;
	socket_set_int(s, ZMQ_LINGER, 0);
	assert_int_equal(zmq_connect(s, busd_member_endpoint(f->busd)), 0);
	raw_ask(f, s, "in clear");
	assert_false(raw_recv(s, &in, 300));
	assert_int_equal(
		busd_metric(f->busd, "lgsp_bus_member_requests_total{member=\"" CALLER "\"}"), 0);
	raw_expect_service(f, raw_worker(f), raw_caller(f));
}

struct silence {
	int fds[50];
};

/* The broker hangs up on those that never say hello. */
static bool all_closed(void *arg)
{
	struct silence *s = arg;
	char byte[256];

	for (size_t i = 0; i < ARRAY_LEN(s->fds); i++) {
		ssize_t n;

		if (s->fds[i] < 0)
			continue;
		while ((n = recv(s->fds[i], byte, sizeof(byte), MSG_DONTWAIT)) > 0)
			;
		if (n != 0)
			return false;
		close(s->fds[i]);
		s->fds[i] = -1;
	}
	return true;
}

static void silent_connections_are_closed(void **state)
{
	struct raw *f = *state;
	struct silence s;

	for (size_t i = 0; i < ARRAY_LEN(s.fds); i++)
		s.fds[i] = raw_connect(busd_member_endpoint(f->busd));
	raw_expect_service(f, raw_worker(f), raw_caller(f));
	assert_true(busrig_until(all_closed, &s));
}

/* Malformed ZMTP: garbage, a true greeting with garbage behind it, a command of 4 GiB. */
static void malformed_zmtp_is_survived(void **state)
{
	struct raw *f = *state;
	uint8_t bytes[512] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0, 'C', 'U', 'R', 'V', 'E'};
	unsigned seed = 7;

	for (int round = 0; round < 60; round++) {
		int fd = raw_connect(busd_member_endpoint(f->busd));

		for (size_t i = round % 3 == 0 ? 0 : 64; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)rand_r(&seed);
		if (round % 3 == 0)
			bytes[0] = 0xff;
		if (round % 3 == 2)
			memcpy(bytes + 64, "\x06\0\0\0\1\0\0\0\0", 9);
		send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
		close(fd);
	}
	raw_expect_service(f, raw_worker(f), raw_caller(f));
}

static void chosen_routing_id_is_dropped(void **state)
{
	struct raw *f = *state;
	struct bus_keys keys = busd_keys(f->busd, "caller");
	void *s = zmq_socket(f->context, ZMQ_DEALER);
	struct frames in;

	f->sockets[f->n_sockets++] = s;
	socket_set_int(s, ZMQ_LINGER, 0);
	zmq_setsockopt(s, ZMQ_ROUTING_ID, "victim", 6);
	zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, keys.broker_z85, 41);
	zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, keys.public_z85, 41);
	zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, keys.secret_z85, 41);
	assert_int_equal(zmq_connect(s, busd_member_endpoint(f->busd)), 0);
	raw_ask(f, s, "who am I");
	raw_wait_drop(f, "routing_id");
	assert_false(raw_recv(s, &in, 100));
	raw_expect_service(f, raw_worker(f), raw_caller(f));
}

/* --- clients that speak badly --- */

static void legacy_client_is_told_what_is_missing(void **state)
{
	struct raw *f = *state;
	void *c = raw_caller(f);

	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"), TEXT("hello"));
	raw_expect_final(f, c, ERR_INVALID, "BAD_HEADER", NOT_DONE);
	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"), TEXT("hello"),
	     TEXT("world"));
	raw_expect_final(f, c, ERR_INVALID, "BAD_HEADER", NOT_DONE);
}

static void malformed_headers_are_refused(void **state)
{
	struct raw *f = *state;
	void *c = raw_caller(f);
	static uint8_t big[HEADER_MAX_BYTES + 1] = "LGH1";
	uint8_t cut[128];
	struct bytes good = raw_header(f, "Say", 1000);
	const struct bytes bad[] = {
		TEXT(""),
		TEXT("LGH"),
		TEXT("LGH1"),
		TEXT("LGH2\x0a\x01x"),
		TEXT("LGH1\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
		TEXT("LGH1\x0a\x7f"),
		{big, sizeof(big)},
		raw_header(f, "no/slash", 1000),
		raw_header(f, "", 1000),
		raw_header(f, "Say", 0),
		raw_header(f, "Say", HEADER_DEADLINE_MAX_MS + 1),
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"), bad[i],
		     TEXT("body"));
		raw_expect_final(f, c, ERR_INVALID, "BAD_HEADER", NOT_DONE);
	}
	/* Every prefix of a good one: refused, or a good header that asks for less. */
	memcpy(cut, good.p, good.n);
	for (size_t n = 0; n + 3 < good.n; n++) {
		SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"),
		     ((struct bytes){cut, n}), TEXT("body"));
		raw_expect_final(f, c, ERR_INVALID, "BAD_HEADER", NOT_DONE);
	}
	raw_expect_service(f, raw_worker(f), c);
}

static void malformed_frames_are_refused(void **state)
{
	struct raw *f = *state;
	void *c = raw_caller(f);
	struct bytes h = raw_header(f, "Say", 1000);
	struct bytes many[100];

	SEND(c, TEXT("x"));
	raw_expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	SEND(c, TEXT(""), TEXT(""), TEXT(""), TEXT(""), TEXT(""));
	raw_expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	SEND(c, TEXT("MDPC01"), COMMAND(BUS_C_REQUEST), TEXT("echo"), h, TEXT("b"));
	raw_expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(0x77), TEXT("echo"), h, TEXT("b"));
	raw_expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"));
	raw_expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("Echo Echo"), h, TEXT("b"));
	raw_expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	/* A caller frame of the client's own making would be one frame too many. */
	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"), h, h, TEXT("b"));
	raw_expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	/* Worker commands on the members' socket. */
	SEND(c, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("echo"));
	raw_expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = TEXT(BUS_MDP_CLIENT);
	raw_send(c, many, 9);
	raw_expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	raw_send(c, many, ARRAY_LEN(many));
	raw_expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	raw_expect_service(f, raw_worker(f), c);
}

static void oversized_bodies_are_refused(void **state)
{
	struct raw *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f), *other = raw_caller(f);
	CLEANUP_FREE uint8_t *body = base_alloc(4 << 20);

	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"),
	     raw_header(f, "Say", 1000), ((struct bytes){body, BUS_BODY_MAX_BYTES + 1}));
	raw_expect_final(f, c, ERR_TOO_LARGE, "BODY_TOO_LARGE", NOT_DONE);
	/* Beyond ZMQ_MAXMSGSIZE libzmq hangs up before it takes the bytes. */
	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"),
	     raw_header(f, "Say", 1000), ((struct bytes){body, 4 << 20}));
	assert_true(busrig_until(raw_is_cut, c));
	raw_expect_service(f, worker, other);
}

/* --- workers that lie --- */

static void service_of_another_is_not_served(void **state)
{
	struct raw *f = *state;
	void *mole = raw_open(f, busd_backend_endpoint(f->busd), "mole");
	void *caller = raw_open(f, busd_backend_endpoint(f->busd), "caller");

	SEND(mole, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("echo"));
	raw_expect_command(mole, BUS_W_DISCONNECT);
	SEND(mole, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("bus"));
	raw_expect_command(mole, BUS_W_DISCONNECT);
	SEND(mole, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("*"));
	raw_expect_command(mole, BUS_W_DISCONNECT);
	SEND(caller, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("echo"));
	raw_expect_command(caller, BUS_W_DISCONNECT);
	assert_int_equal(busd_metric(f->busd, "lgsp_bus_workers{service=\"echo\"}"), -1);
}

static void forged_final_is_dropped(void **state)
{
	struct raw *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f);
	void *mole = raw_open(f, busd_backend_endpoint(f->busd), "mole");
	uint8_t token[16], guessed[16];
	struct frames in;

	SEND(mole, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("mole"));
	raw_wait_metric(f, "lgsp_bus_workers{service=\"mole\"}", 1);
	raw_ask(f, c, "secret");
	raw_take(worker, token);
	/* With the right token, as if it had leaked; then guessed. */
	ANSWER(f, mole, token, "forged");
	raw_wait_drop(f, "forged_reply");
	memcpy(guessed, token, 16);
	guessed[15] ^= 1;
	ANSWER(f, mole, guessed, "forged");
	raw_wait_drop(f, "late_reply");
	assert_false(raw_recv(c, &in, 100));
	ANSWER(f, worker, token, "true");
	assert_true(raw_recv(c, &in, 10000));
	assert_true(frame_is(&in.part[4], "true"));
	frames_done(&in);
}

static void second_final_is_dropped(void **state)
{
	struct raw *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f);
	uint8_t token[16];
	struct frames in;

	raw_ask(f, c, "once");
	raw_take(worker, token);
	ANSWER(f, worker, token, "one");
	ANSWER(f, worker, token, "two");
	raw_expect_final(f, c, 0, "", DONE);
	raw_wait_drop(f, "late_reply");
	assert_false(raw_recv(c, &in, 100));
	raw_expect_service(f, worker, c);
}

static void bad_reply_header_is_internal(void **state)
{
	struct raw *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f);
	uint8_t token[16];

	raw_ask(f, c, "x");
	raw_take(worker, token);
	SEND(worker, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_FINAL), ((struct bytes){token, 16}),
	     TEXT(""), TEXT("plain MDP body"));
	raw_expect_final(f, c, ERR_INTERNAL, "BAD_REPLY", UNKNOWN);
	raw_expect_service(f, worker, c);
}

static void out_of_place_commands_are_answered_disconnect(void **state)
{
	struct raw *f = *state;
	void *w = raw_open(f, busd_backend_endpoint(f->busd), "echo");
	uint8_t token[16] = {0};
	struct bytes many[60];

	SEND(w, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_HEARTBEAT)); /* before READY */
	raw_expect_command(w, BUS_W_DISCONNECT);
	ANSWER(f, w, token, "x");
	raw_expect_command(w, BUS_W_DISCONNECT);
	SEND(w, TEXT("garbage"));
	raw_expect_command(w, BUS_W_DISCONNECT);
	SEND(w, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"),
	     raw_header(f, "Say", 99), TEXT("b"));
	raw_expect_command(w, BUS_W_DISCONNECT);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = TEXT(BUS_MDP_WORKER);
	raw_send(w, many, ARRAY_LEN(many));
	raw_expect_command(w, BUS_W_DISCONNECT);
	SEND(w, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("echo"));
	SEND(w, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("echo"));
	raw_expect_command(w, BUS_W_DISCONNECT);
	raw_wait_drop(f, "bad_frames");
	raw_expect_service(f, raw_worker(f), raw_caller(f));
}

/* --- plain RFC 18 --- */

/* Exactly the frames of RFC 18, with caller and header in front of the body; credit one. */
static void plain_worker_gets_one_request_at_a_time(void **state)
{
	struct raw *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f);
	Bus__RequestHeader *h;
	Bus__Caller *caller;
	struct frames in;
	struct err err;
	uint8_t token[16];
	char trace[33];

	raw_ask(f, c, "first");
	raw_ask(f, c, "second");
	assert_true(raw_recv(worker, &in, 10000));
	assert_int_equal(in.n, 7);
	assert_true(frame_is(&in.part[0], BUS_MDP_WORKER));
	assert_int_equal(frame_command(&in.part[1]), BUS_W_REQUEST);
	memcpy(token, frame_data(&in.part[2]), 16);
	assert_int_equal(frame_size(&in.part[3]), 0);
	assert_int_equal(header_read_caller(frame_data(&in.part[4]), frame_size(&in.part[4]),
					    &f->arena, &caller, &err),
			 0);
	assert_string_equal(caller->member, CALLER);
	assert_in_range(caller->time_left_ms, 10000, 20000);
	assert_true(llabs(caller->arrival_us - clock_wall_us()) < 20 * CLOCK_US_PER_S);
	assert_null(caller->on_behalf_of);

	assert_int_equal(header_read_request(frame_data(&in.part[5]), frame_size(&in.part[5]),
					     &f->arena, &h, &err),
			 0);
	/* The caller sent no trace: the broker made one. */
	header_trace_id(h->traceparent, trace);
	assert_int_equal(strlen(trace), 32);
	assert_true(frame_is(&in.part[6], "first"));
	frames_done(&in);
	assert_false(raw_recv(worker, &in, 200));
	ANSWER(f, worker, token, "1");
	raw_expect_final(f, c, 0, "", DONE);
	raw_take(worker, token);
	ANSWER(f, worker, token, "2");
	raw_expect_final(f, c, 0, "", DONE);
}

static void partial_replies_are_passed_on(void **state)
{
	struct raw *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f);
	uint8_t token[16];

	raw_ask(f, c, "much");
	raw_take(worker, token);
	SEND(worker, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_PARTIAL), ((struct bytes){token, 16}),
	     TEXT(""), raw_ok_reply(f), TEXT("part"));
	raw_expect_command(c, BUS_C_PARTIAL);
	ANSWER(f, worker, token, "rest");
	raw_expect_final(f, c, 0, "", DONE);
}

/* RFC 8 as a stock client asks it: no header, one body frame each way. */
static void plain_mmi_is_answered(void **state)
{
	struct raw *f = *state;
	void *op = raw_open(f, busd_admin_endpoint(f->busd), "operator");
	struct frames in;

	raw_worker(f);
	SEND(op, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("mmi.service"), TEXT("echo"));
	assert_true(raw_recv(op, &in, 10000));
	assert_int_equal(in.n, 4);
	assert_true(frame_is(&in.part[2], "mmi.service"));
	assert_true(frame_is(&in.part[3], "200"));
	frames_done(&in);
}

/* The pace of a caller that never reads is its own: its replies are dropped, nobody waits. */
static void caller_that_leaves_is_forgotten(void **state)
{
	struct raw *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f);
	uint8_t token[16];

	raw_ask(f, c, "bye");
	raw_take(worker, token);
	socket_close(c);
	f->sockets[--f->n_sockets] = NULL;
	while (busd_metric(f->busd, "lgsp_bus_dropped_total{reason=\"client_gone\"}") < 1) {
		ANSWER(f, worker, token, "hello?");
		raw_ask(f, raw_caller(f), "bye");
		raw_take(worker, token);
		socket_close(f->sockets[--f->n_sockets]);
	}
	ANSWER(f, worker, token, "x");
	raw_expect_service(f, worker, raw_caller(f));
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, raw_setup, raw_teardown)
	const struct CMUnitTest tests[] = {
		TEST(unknown_key_gets_no_connection),
		TEST(peer_without_curve_gets_no_connection),
		TEST(silent_connections_are_closed),
		TEST(malformed_zmtp_is_survived),
		TEST(chosen_routing_id_is_dropped),
		TEST(legacy_client_is_told_what_is_missing),
		TEST(malformed_headers_are_refused),
		TEST(malformed_frames_are_refused),
		TEST(oversized_bodies_are_refused),
		TEST(service_of_another_is_not_served),
		TEST(forged_final_is_dropped),
		TEST(second_final_is_dropped),
		TEST(bad_reply_header_is_internal),
		TEST(out_of_place_commands_are_answered_disconnect),
		TEST(plain_worker_gets_one_request_at_a_time),
		TEST(partial_replies_are_passed_on),
		TEST(plain_mmi_is_answered),
		TEST(caller_that_leaves_is_forgotten),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
