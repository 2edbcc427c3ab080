#include "tests/support/busraw.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/clock.h"
#include "common/base/uuid.h"
#include "common/bus/socket.h"
#include "common/wire/header.h"
#include "tests/support/busrig.h"

static const struct busd_member members[] = {
	{"caller", CALLER}, {"echo", SERVICE}, {"mole", MOLE}, {"operator", OPERATOR}};

static const char rights[] = "grant " CALLER " echo *\n"
			     "grant " OPERATOR " bus *\n"
			     "serve " SERVICE " echo\n"
			     "serve " MOLE " mole\n";

int raw_setup_with(void **state, const char *const *env)
{
	struct raw *f = base_alloc(sizeof(*f));

	f->busd = busd_start(members, ARRAY_LEN(members), rights, env);
	f->context = socket_context_acquire();
	arena_init(&f->arena, 16 << 20);
	*state = f;
	return 0;
}

int raw_setup(void **state)
{
	return raw_setup_with(state, NULL);
}

static void add_free_port(char out[static 64], const char *name)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	CLEANUP_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(addr);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&addr, &n) == 0);
	snprintf(out, 64, "%s=tcp://127.0.0.1:%d", name, ntohs(addr.sin_port));
}

int raw_setup_tcp_with(void **state, const char *const *env)
{
	const char *all[16] = {NULL};
	char member[64], backend[64];
	unsigned n = 0;

	add_free_port(member, "LGSP_BIND_MEMBER");
	add_free_port(backend, "LGSP_BIND_BACKEND");
	all[n++] = member;
	all[n++] = backend;
	for (; env && *env && n + 1 < ARRAY_LEN(all); env++)
		all[n++] = *env;
	return raw_setup_with(state, all);
}

int raw_setup_tcp(void **state)
{
	return raw_setup_tcp_with(state, NULL);
}

int raw_teardown(void **state)
{
	struct raw *f = *state;

	for (unsigned i = 0; i < f->n_sockets; i++)
		socket_close(f->sockets[i]);
	socket_context_release();
	busd_free(f->busd);
	arena_done(&f->arena);
	free(f);
	return 0;
}

/* --- sockets --- */

void raw_close(struct raw *f, void *socket)
{
	for (unsigned i = 0; i < f->n_sockets; i++)
		if (f->sockets[i] == socket)
			f->sockets[i] = f->sockets[--f->n_sockets];
	socket_close(socket);
}

bool raw_is_cut(void *socket)
{
	return !socket_writable(socket);
}

static int connect_ipc(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

int raw_connect(const char *endpoint)
{
	static const char ipc[] = "ipc://";
	struct sockaddr_in addr = {.sin_family = AF_INET};
	int fd;

	if (strncmp(endpoint, ipc, strlen(ipc)) == 0)
		return connect_ipc(endpoint + strlen(ipc));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr.sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1));
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

bool raw_is_writable(void *socket)
{
	return socket_writable(socket);
}

void *raw_open_as(struct raw *f, const char *endpoint, const struct bus_keys *keys)
{
	void *s;

	CHECK(f->n_sockets < ARRAY_LEN(f->sockets));
	CHECK(socket_dealer_new(f->context, keys, endpoint, 1000, &s) == 0);
	f->sockets[f->n_sockets++] = s;
	return s;
}

void *raw_open(struct raw *f, const char *endpoint, const char *name)
{
	struct bus_keys keys = busd_keys(f->busd, name);
	void *s = raw_open_as(f, endpoint, &keys);

	assert_true(busrig_until(raw_is_writable, s));
	return s;
}

/* --- messages --- */

void raw_send(void *socket, const struct bytes *parts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(
			zmq_send(socket, parts[i].p, parts[i].n, i + 1 < n ? ZMQ_SNDMORE : 0),
			parts[i].n);
}

/* The next message that is no heartbeat; false after ms without one. */
bool raw_recv(void *socket, struct frames *f, int ms)
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

void raw_expect_command(void *socket, int command)
{
	struct frames f;

	assert_true(raw_recv(socket, &f, 10000));
	assert_int_equal(frame_command(&f.part[1]), command);
	frames_done(&f);
}

static struct bytes pack(struct raw *f, const ProtobufCMessage *msg)
{
	struct err err;
	uint8_t *bytes;
	size_t n;

	CHECK(header_write(msg, &f->arena, &bytes, &n, &err) == 0);
	return (struct bytes){bytes, n};
}

/* A good header under a new message id. */
struct bytes raw_header(struct raw *f, const char *method, uint32_t deadline_ms)
{
	Bus__RequestHeader h = BUS__REQUEST_HEADER__INIT;

	uuid_v7(f->message_id);
	h.message_id = (ProtobufCBinaryData){.data = f->message_id, .len = 16};
	h.method = method;
	h.deadline_ms = deadline_ms;
	return pack(f, &h.base);
}

struct bytes raw_hello(struct raw *f, uint32_t credit, uint32_t parked)
{
	Bus__WorkerHello h = BUS__WORKER_HELLO__INIT;

	h.credit = credit;
	h.parked = parked;
	h.instance = "echo/raw";
	return pack(f, &h.base);
}

struct bytes raw_ok_reply(struct raw *f)
{
	Bus__ReplyHeader h = BUS__REPLY_HEADER__INIT;

	h.status = COMMON__STATUS__STATUS_OK;
	h.outcome = COMMON__OUTCOME__OUTCOME_DONE;
	h.served_by = "echo/raw";
	return pack(f, &h.base);
}

/* Awaits a FINAL: its status and first code; the outcome must be as said. */
void raw_expect_final(struct raw *f, void *socket, int status, const char *code,
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

/* --- the broker's figures --- */

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

void raw_wait_metric(struct raw *f, const char *name, long long at_least)
{
	struct metric_wait m = {f->busd, name, at_least};

	assert_true(busrig_until(metric_reached, &m));
}

static bool metric_is(void *arg)
{
	struct metric_wait *m = arg;

	return busd_metric(m->busd, m->name) == m->at_least;
}

void raw_wait_value(struct raw *f, const char *name, long long value)
{
	struct metric_wait m = {f->busd, name, value};

	assert_true(busrig_until(metric_is, &m));
}

void raw_wait_drop(struct raw *f, const char *reason)
{
	char name[96];

	snprintf(name, sizeof(name), "lgsp_bus_dropped_total{reason=\"%s\"}", reason);
	raw_wait_metric(f, name, 1);
}

void raw_wait_cut(struct raw *f, const char *reason)
{
	char name[96];

	snprintf(name, sizeof(name), "lgsp_bus_connections_cut_total{reason=\"%s\"}", reason);
	raw_wait_metric(f, name, 1);
}

long long raw_resident(const struct raw *f)
{
	CLEANUP_FILE FILE *file = NULL;
	char path[64];
	long pages = 0;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)busd_pid(f->busd));
	file = fopen(path, "re");
	assert_true(file && fscanf(file, "%*d %ld", &pages) == 1);
	return pages * (long long)sysconf(_SC_PAGESIZE);
}

/* --- honest parts --- */

/* A worker of plain MDP/0.2: READY without a hello. */
void *raw_worker(struct raw *f)
{
	void *w = raw_open(f, busd_backend_endpoint(f->busd), "echo");

	SEND(w, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_READY), TEXT("echo"));
	raw_wait_metric(f, "lgsp_bus_workers{service=\"echo\"}", 1);
	return w;
}

void *raw_caller(struct raw *f)
{
	return raw_open(f, busd_member_endpoint(f->busd), "caller");
}

void raw_ask(struct raw *f, void *caller, const char *body)
{
	SEND(caller, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"),
	     raw_header(f, "Say", 20000), TEXT(body));
}

/* The worker's next request; its token is copied out. */
void raw_take(void *worker, uint8_t token[static 16])
{
	struct frames in;

	assert_true(raw_recv(worker, &in, 10000));
	assert_int_equal(in.n, 7);
	assert_int_equal(frame_command(&in.part[1]), BUS_W_REQUEST);
	assert_int_equal(frame_size(&in.part[2]), 16);
	memcpy(token, frame_data(&in.part[2]), 16);
	frames_done(&in);
}

/* The broker serves: one request through the given worker and caller. */
void raw_expect_service(struct raw *f, void *worker, void *caller)
{
	uint8_t token[16];

	raw_ask(f, caller, "still there?");
	raw_take(worker, token);
	ANSWER(f, worker, token, "yes");
	raw_expect_final(f, caller, 0, "", DONE);
}
