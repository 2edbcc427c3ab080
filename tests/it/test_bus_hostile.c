/*
 * What no honest peer sends: raw sockets against a real lgsp-bus. Each test ends with the broker
 * still serving (the fixture's teardown asserts a clean end) and its refusal counted.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/uuid.h"
#include "common/bus/frame.h"
#include "common/bus/socket.h"
#include "common/wire/header.h"
#include "tests/support/busd.h"
#include "tests/support/busrig.h"

#define CALLER   "VN/GOV/H40/one-stop"
#define SERVICE  "VN/GOV/H40/lgsp-echo"
#define MOLE     "VN/GOV/H40/mole"
#define OPERATOR "VN/GOV/H40/lgsp-operator"

static const struct busd_member members[] = {
	{"caller", CALLER}, {"echo", SERVICE}, {"mole", MOLE}, {"operator", OPERATOR}};

static const char rights[] = "grant " CALLER " echo *\n"
			     "grant " OPERATOR " bus *\n"
			     "serve " SERVICE " echo\n"
			     "serve " MOLE " mole\n";

struct fixture {
	struct busd *busd;
	void *context;
	void *sockets[128];
	unsigned n_sockets;
	struct arena arena;
	uint8_t message_id[16];
};

static int setup(void **state)
{
	struct fixture *f = base_alloc(sizeof(*f));

	f->busd = busd_start(members, ARRAY_LEN(members), rights, NULL);
	f->context = socket_context_acquire();
	arena_init(&f->arena, 16 << 20);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < f->n_sockets; i++)
		socket_close(f->sockets[i]);
	socket_context_release();
	busd_free(f->busd);
	arena_done(&f->arena);
	free(f);
	return 0;
}

/* --- raw messages --- */

struct bytes {
	const void *p;
	size_t n;
};

#define TEXT(s)    ((struct bytes){s, strlen(s)})
#define COMMAND(c) ((struct bytes){(const uint8_t[]){c}, 1})
#define SEND(s, ...)                                                                               \
	raw_send(s, (const struct bytes[]){__VA_ARGS__},                                           \
		 ARRAY_LEN(((const struct bytes[]){__VA_ARGS__})))

static bool is_writable(void *socket)
{
	return socket_writable(socket);
}

static void *raw_open_as(struct fixture *f, const char *endpoint, const struct bus_keys *keys)
{
	void *s;

	CHECK(f->n_sockets < ARRAY_LEN(f->sockets));
	CHECK(socket_dealer_new(f->context, keys, endpoint, 1000, &s) == 0);
	f->sockets[f->n_sockets++] = s;
	return s;
}

static void *raw_open(struct fixture *f, const char *endpoint, const char *name)
{
	struct bus_keys keys = busd_keys(f->busd, name);
	void *s = raw_open_as(f, endpoint, &keys);

	assert_true(busrig_until(is_writable, s));
	return s;
}

static void raw_send(void *socket, const struct bytes *parts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(
			zmq_send(socket, parts[i].p, parts[i].n, i + 1 < n ? ZMQ_SNDMORE : 0),
			parts[i].n);
}

/* The next message that is no heartbeat; false after ms without one. */
static bool raw_recv(void *socket, struct frames *f, int ms)
{
	zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
	int64_t until_us = clock_mono_us() + ms * 1000LL;

	while (clock_mono_us() < until_us) {
		if (zmq_poll(&item, 1, 20) <= 0)
			continue;
		if (!frames_recv(f, socket))
			continue;
		if (f->n < 2 || frame_command(&f->part[1]) != BUS_W_HEARTBEAT)
			return true;
		frames_done(f);
	}
	return false;
}

static void expect_command(void *socket, int command)
{
	struct frames f;

	assert_true(raw_recv(socket, &f, 10000));
	assert_int_equal(frame_command(&f.part[1]), command);
	frames_done(&f);
}

static struct bytes pack(struct fixture *f, const ProtobufCMessage *msg)
{
	struct err err;
	uint8_t *bytes;
	size_t n;

	CHECK(header_write(msg, &f->arena, &bytes, &n, &err) == 0);
	return (struct bytes){bytes, n};
}

/* A good header under a new message id. */
static struct bytes header(struct fixture *f, const char *method, uint32_t deadline_ms)
{
	Bus__RequestHeader h = BUS__REQUEST_HEADER__INIT;

	uuid_v7(f->message_id);
	h.message_id = (ProtobufCBinaryData){.data = f->message_id, .len = 16};
	h.method = method;
	h.deadline_ms = deadline_ms;
	return pack(f, &h.base);
}

static struct bytes ok_reply(struct fixture *f)
{
	Bus__ReplyHeader h = BUS__REPLY_HEADER__INIT;

	h.status = COMMON__STATUS__STATUS_OK;
	h.outcome = COMMON__OUTCOME__OUTCOME_DONE;
	h.served_by = "echo/raw";
	return pack(f, &h.base);
}

/* Awaits a FINAL: its status and first code; the outcome must be as said. */
static void expect_final(struct fixture *f, void *socket, int status, const char *code,
			 Common__Outcome outcome)
{
	Bus__ReplyHeader *h;
	struct frames in;
	struct err err;

	assert_true(raw_recv(socket, &in, 10000));
	assert_int_equal(in.n, 5);
	assert_true(frame_is(&in.part[0], BUS_MDP_CLIENT));
	assert_int_equal(frame_command(&in.part[1]), BUS_C_FINAL);
	assert_int_equal(header_read_reply(frame_data(&in.part[3]), frame_size(&in.part[3]),
					   &f->arena, &h, &err),
			 0);
	assert_int_equal(h->status, status == 0 ? 1 : -status);
	assert_int_equal(h->outcome, outcome);
	if (status < 0) {
		assert_string_equal(h->detail->violations[0]->code, code);
		assert_true(strlen(h->detail->violations[0]->message_vi) > 0);
		assert_true(strlen(h->detail->violations[0]->message_en) > 0);
	}
	frames_done(&in);
}

#define NOT_DONE COMMON__OUTCOME__OUTCOME_NOT_DONE
#define UNKNOWN  COMMON__OUTCOME__OUTCOME_UNKNOWN
#define DONE     COMMON__OUTCOME__OUTCOME_DONE

struct metric_wait {
	struct busd *busd;
	const char *name;
	long long at_least;
};

static bool metric_reached(void *arg)
{
	struct metric_wait *m = arg;

	return busd_metric(m->busd, m->name) >= m->at_least;
}

static void wait_metric(struct fixture *f, const char *name, long long at_least)
{
	struct metric_wait m = {f->busd, name, at_least};

	assert_true(busrig_until(metric_reached, &m));
}

static void wait_drop(struct fixture *f, const char *reason)
{
	char name[96];

	snprintf(name, sizeof(name), "lgsp_bus_dropped_total{reason=\"%s\"}", reason);
	wait_metric(f, name, 1);
}

/* A worker of plain MDP/0.2: READY without a hello. */
static void *raw_worker(struct fixture *f)
{
	void *w = raw_open(f, busd_backend_endpoint(f->busd), "echo");

	SEND(w, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("echo"));
	wait_metric(f, "lgsp_bus_workers{service=\"echo\"}", 1);
	return w;
}

static void *raw_caller(struct fixture *f)
{
	return raw_open(f, busd_member_endpoint(f->busd), "caller");
}

static void ask(struct fixture *f, void *caller, const char *body)
{
	SEND(caller, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"),
	     header(f, "Say", 20000), TEXT(body));
}

/* The worker's next request; its token is copied out. */
static void take_request(void *worker, uint8_t token[static 16])
{
	struct frames in;

	assert_true(raw_recv(worker, &in, 10000));
	assert_int_equal(in.n, 7);
	assert_int_equal(frame_command(&in.part[1]), BUS_W_REQUEST);
	assert_int_equal(frame_size(&in.part[2]), 16);
	memcpy(token, frame_data(&in.part[2]), 16);
	frames_done(&in);
}

#define ANSWER(f, worker, token, body)                                                             \
	SEND(worker, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_FINAL), ((struct bytes){token, 16}),      \
	     TEXT(""), ok_reply(f), TEXT(body))

/* The broker serves: one request through the given worker and caller. */
static void expect_service(struct fixture *f, void *worker, void *caller)
{
	uint8_t token[16];

	ask(f, caller, "still there?");
	take_request(worker, token);
	ANSWER(f, worker, token, "yes");
	expect_final(f, caller, 0, "", DONE);
}

/* --- strangers --- */

static void unknown_key_gets_no_connection(void **state)
{
	struct fixture *f = *state;
	struct bus_keys keys = busd_stranger(f->busd);
	void *s = raw_open_as(f, busd_member_endpoint(f->busd), &keys);
	void *w = raw_open_as(f, busd_backend_endpoint(f->busd), &keys);
	void *a = raw_open_as(f, busd_admin_endpoint(f->busd), &keys);

	wait_metric(f, "lgsp_bus_handshakes_total{result=\"denied\"}", 3);
	assert_false(is_writable(s) || is_writable(w) || is_writable(a));
	expect_service(f, raw_worker(f), raw_caller(f));
}

static void peer_without_curve_gets_no_connection(void **state)
{
	struct fixture *f = *state;
	void *s = zmq_socket(f->context, ZMQ_DEALER);
	struct frames in;

	f->sockets[f->n_sockets++] = s;
	socket_set_int(s, ZMQ_LINGER, 0);
	assert_int_equal(zmq_connect(s, busd_member_endpoint(f->busd)), 0);
	ask(f, s, "in clear");
	assert_false(raw_recv(s, &in, 300));
	assert_int_equal(
		busd_metric(f->busd, "lgsp_bus_member_requests_total{member=\"" CALLER "\"}"), 0);
	expect_service(f, raw_worker(f), raw_caller(f));
}

static int connect_raw(struct fixture *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s",
		 busd_member_endpoint(f->busd) + strlen("ipc://"));
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
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
	struct fixture *f = *state;
	struct silence s;

	for (size_t i = 0; i < ARRAY_LEN(s.fds); i++)
		s.fds[i] = connect_raw(f);
	expect_service(f, raw_worker(f), raw_caller(f));
	assert_true(busrig_until(all_closed, &s));
}

/* Malformed ZMTP: garbage, a true greeting with garbage behind it, a command of 4 GiB. */
static void malformed_zmtp_is_survived(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[512] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0, 'C', 'U', 'R', 'V', 'E'};
	unsigned seed = 7;

	for (int round = 0; round < 60; round++) {
		int fd = connect_raw(f);

		for (size_t i = round % 3 == 0 ? 0 : 64; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)rand_r(&seed);
		if (round % 3 == 0)
			bytes[0] = 0xff;
		if (round % 3 == 2)
			memcpy(bytes + 64, "\x06\0\0\0\1\0\0\0\0", 9);
		send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
		close(fd);
	}
	expect_service(f, raw_worker(f), raw_caller(f));
}

static void chosen_routing_id_is_dropped(void **state)
{
	struct fixture *f = *state;
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
	ask(f, s, "who am I");
	wait_drop(f, "routing_id");
	assert_false(raw_recv(s, &in, 100));
	expect_service(f, raw_worker(f), raw_caller(f));
}

/* --- clients that speak badly --- */

static void legacy_client_is_told_what_is_missing(void **state)
{
	struct fixture *f = *state;
	void *c = raw_caller(f);

	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"), TEXT("hello"));
	expect_final(f, c, ERR_INVALID, "BAD_HEADER", NOT_DONE);
	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"), TEXT("hello"),
	     TEXT("world"));
	expect_final(f, c, ERR_INVALID, "BAD_HEADER", NOT_DONE);
}

static void malformed_headers_are_refused(void **state)
{
	struct fixture *f = *state;
	void *c = raw_caller(f);
	static uint8_t big[HEADER_MAX_BYTES + 1] = "LGH1";
	uint8_t cut[128];
	struct bytes good = header(f, "Say", 1000);
	const struct bytes bad[] = {
		TEXT(""),
		TEXT("LGH"),
		TEXT("LGH1"),
		TEXT("LGH2\x0a\x01x"),
		TEXT("LGH1\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
		TEXT("LGH1\x0a\x7f"),
		{big, sizeof(big)},
		header(f, "no/slash", 1000),
		header(f, "", 1000),
		header(f, "Say", 0),
		header(f, "Say", HEADER_DEADLINE_MAX_MS + 1),
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"), bad[i],
		     TEXT("body"));
		expect_final(f, c, ERR_INVALID, "BAD_HEADER", NOT_DONE);
	}
	/* Every prefix of a good one: refused, or a good header that asks for less. */
	memcpy(cut, good.p, good.n);
	for (size_t n = 0; n + 3 < good.n; n++) {
		SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"),
		     ((struct bytes){cut, n}), TEXT("body"));
		expect_final(f, c, ERR_INVALID, "BAD_HEADER", NOT_DONE);
	}
	expect_service(f, raw_worker(f), c);
}

static void malformed_frames_are_refused(void **state)
{
	struct fixture *f = *state;
	void *c = raw_caller(f);
	struct bytes h = header(f, "Say", 1000);
	struct bytes many[100];

	SEND(c, TEXT("x"));
	expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	SEND(c, TEXT(""), TEXT(""), TEXT(""), TEXT(""), TEXT(""));
	expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	SEND(c, TEXT("MDPC01"), COMMAND(BUS_C_REQUEST), TEXT("echo"), h, TEXT("b"));
	expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(0x77), TEXT("echo"), h, TEXT("b"));
	expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"));
	expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("Echo Echo"), h, TEXT("b"));
	expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	/* A caller frame of the client's own making would be one frame too many. */
	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"), h, h, TEXT("b"));
	expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	/* Worker commands on the members' socket. */
	SEND(c, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("echo"));
	expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = TEXT(BUS_MDP_CLIENT);
	raw_send(c, many, 9);
	expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	raw_send(c, many, ARRAY_LEN(many));
	expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	expect_service(f, raw_worker(f), c);
}

static bool is_not_writable(void *socket)
{
	return !socket_writable(socket);
}

static void oversized_bodies_are_refused(void **state)
{
	struct fixture *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f), *other = raw_caller(f);
	CLEANUP_FREE uint8_t *body = base_alloc(4 << 20);

	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"), header(f, "Say", 1000),
	     ((struct bytes){body, BUS_BODY_MAX_BYTES + 1}));
	expect_final(f, c, ERR_TOO_LARGE, "BODY_TOO_LARGE", NOT_DONE);
	/* Beyond ZMQ_MAXMSGSIZE libzmq hangs up before it takes the bytes. */
	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"), header(f, "Say", 1000),
	     ((struct bytes){body, 4 << 20}));
	assert_true(busrig_until(is_not_writable, c));
	expect_service(f, worker, other);
}

/* --- workers that lie --- */

static void service_of_another_is_not_served(void **state)
{
	struct fixture *f = *state;
	void *mole = raw_open(f, busd_backend_endpoint(f->busd), "mole");
	void *caller = raw_open(f, busd_backend_endpoint(f->busd), "caller");

	SEND(mole, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("echo"));
	expect_command(mole, BUS_W_DISCONNECT);
	SEND(mole, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("bus"));
	expect_command(mole, BUS_W_DISCONNECT);
	SEND(mole, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("*"));
	expect_command(mole, BUS_W_DISCONNECT);
	SEND(caller, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("echo"));
	expect_command(caller, BUS_W_DISCONNECT);
	assert_int_equal(busd_metric(f->busd, "lgsp_bus_workers{service=\"echo\"}"), -1);
}

static void forged_final_is_dropped(void **state)
{
	struct fixture *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f);
	void *mole = raw_open(f, busd_backend_endpoint(f->busd), "mole");
	uint8_t token[16], guessed[16];
	struct frames in;

	SEND(mole, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("mole"));
	wait_metric(f, "lgsp_bus_workers{service=\"mole\"}", 1);
	ask(f, c, "secret");
	take_request(worker, token);
	/* With the right token, as if it had leaked; then guessed. */
	ANSWER(f, mole, token, "forged");
	wait_drop(f, "forged_reply");
	memcpy(guessed, token, 16);
	guessed[15] ^= 1;
	ANSWER(f, mole, guessed, "forged");
	wait_drop(f, "late_reply");
	assert_false(raw_recv(c, &in, 100));
	ANSWER(f, worker, token, "true");
	assert_true(raw_recv(c, &in, 10000));
	assert_true(frame_is(&in.part[4], "true"));
	frames_done(&in);
}

static void second_final_is_dropped(void **state)
{
	struct fixture *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f);
	uint8_t token[16];
	struct frames in;

	ask(f, c, "once");
	take_request(worker, token);
	ANSWER(f, worker, token, "one");
	ANSWER(f, worker, token, "two");
	expect_final(f, c, 0, "", DONE);
	wait_drop(f, "late_reply");
	assert_false(raw_recv(c, &in, 100));
	expect_service(f, worker, c);
}

static void bad_reply_header_is_internal(void **state)
{
	struct fixture *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f);
	uint8_t token[16];

	ask(f, c, "x");
	take_request(worker, token);
	SEND(worker, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_FINAL), ((struct bytes){token, 16}),
	     TEXT(""), TEXT("plain MDP body"));
	expect_final(f, c, ERR_INTERNAL, "BAD_REPLY", UNKNOWN);
	expect_service(f, worker, c);
}

static void out_of_place_commands_are_answered_disconnect(void **state)
{
	struct fixture *f = *state;
	void *w = raw_open(f, busd_backend_endpoint(f->busd), "echo");
	uint8_t token[16] = {0};
	struct bytes many[60];

	SEND(w, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_HEARTBEAT)); /* before READY */
	expect_command(w, BUS_W_DISCONNECT);
	ANSWER(f, w, token, "x");
	expect_command(w, BUS_W_DISCONNECT);
	SEND(w, TEXT("garbage"));
	expect_command(w, BUS_W_DISCONNECT);
	SEND(w, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"), header(f, "Say", 99),
	     TEXT("b"));
	expect_command(w, BUS_W_DISCONNECT);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = TEXT(BUS_MDP_WORKER);
	raw_send(w, many, ARRAY_LEN(many));
	expect_command(w, BUS_W_DISCONNECT);
	SEND(w, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("echo"));
	SEND(w, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("echo"));
	expect_command(w, BUS_W_DISCONNECT);
	wait_drop(f, "bad_frames");
	expect_service(f, raw_worker(f), raw_caller(f));
}

/* --- plain RFC 18 --- */

/* Exactly the frames of RFC 18, with caller and header in front of the body; credit one. */
static void plain_worker_gets_one_request_at_a_time(void **state)
{
	struct fixture *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f);
	Bus__RequestHeader *h;
	Bus__Caller *caller;
	struct frames in;
	struct err err;
	uint8_t token[16];
	char trace[33];

	ask(f, c, "first");
	ask(f, c, "second");
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
	expect_final(f, c, 0, "", DONE);
	take_request(worker, token);
	ANSWER(f, worker, token, "2");
	expect_final(f, c, 0, "", DONE);
}

static void partial_replies_are_passed_on(void **state)
{
	struct fixture *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f);
	uint8_t token[16];

	ask(f, c, "much");
	take_request(worker, token);
	SEND(worker, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_PARTIAL), ((struct bytes){token, 16}),
	     TEXT(""), ok_reply(f), TEXT("part"));
	expect_command(c, BUS_C_PARTIAL);
	ANSWER(f, worker, token, "rest");
	expect_final(f, c, 0, "", DONE);
}

/* RFC 8 as a stock client asks it: no header, one body frame each way. */
static void plain_mmi_is_answered(void **state)
{
	struct fixture *f = *state;
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
	struct fixture *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f);
	uint8_t token[16];

	ask(f, c, "bye");
	take_request(worker, token);
	socket_close(c);
	f->sockets[--f->n_sockets] = NULL;
	while (busd_metric(f->busd, "lgsp_bus_dropped_total{reason=\"client_gone\"}") < 1) {
		ANSWER(f, worker, token, "hello?");
		ask(f, raw_caller(f), "bye");
		take_request(worker, token);
		socket_close(f->sockets[--f->n_sockets]);
	}
	ANSWER(f, worker, token, "x");
	expect_service(f, worker, raw_caller(f));
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
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
