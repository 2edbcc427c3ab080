#include "tests/bench/busload.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/base.h"
#include "common/base/uuid.h"
#include "common/bus/bus.h"
#include "common/bus/socket.h"
#include "common/wire/header.h"

const struct busd_member busload_members[BUSLOAD_MEMBERS] = {{"caller", CALLER}, {"echo", WORKER}};
const char busload_rights[] = "grant " CALLER " echo Say\nserve " WORKER " echo\n";

static uint8_t header_bytes[256];
static size_t header_len, message_id_at;

/* --- frames --- */

const uint8_t *busload_reply(size_t *ret_n)
{
	static uint8_t bytes[256];
	static size_t n;
	Bus__ReplyHeader r = BUS__REPLY_HEADER__INIT;
	struct arena arena;
	struct err err;
	uint8_t *packed;

	if (n == 0) {
		arena_init(&arena, 65536);
		r.status = COMMON__STATUS__STATUS_OK;
		r.outcome = COMMON__OUTCOME__OUTCOME_DONE;
		r.served_by = "echo/bench";
		CHECK(header_write(&r.base, &arena, &packed, &n, &err) == 0);
		memcpy(bytes, packed, n);
		arena_done(&arena);
	}
	*ret_n = n;
	return bytes;
}

/* Made once: of a request only the message id changes. */
static void make_header(void)
{
	Bus__RequestHeader h = BUS__REQUEST_HEADER__INIT;
	uint8_t id[16], *bytes;
	struct arena arena;
	char traceparent[56];
	struct err err;

	arena_init(&arena, 65536);
	uuid_v7(id);
	header_new_traceparent(traceparent);
	h.message_id = (ProtobufCBinaryData){.data = id, .len = 16};
	h.method = "Say";
	h.deadline_ms = 30000;
	h.traceparent = traceparent;
	CHECK(header_write(&h.base, &arena, &bytes, &header_len, &err) == 0);
	memcpy(header_bytes, bytes, header_len);
	message_id_at =
		(size_t)((uint8_t *)memmem(header_bytes, header_len, id, 16) - header_bytes);
	arena_done(&arena);
}

bool busload_try_send(void *socket, uint32_t n)
{
	static const uint8_t body[BUSLOAD_BODY];
	struct frames f = {0};

	if (header_len == 0)
		make_header();
	memcpy(header_bytes + message_id_at + 12, &n, sizeof(n));
	frames_add(&f, BUS_MDP_CLIENT, 6);
	frames_add(&f, "\x01", 1);
	frames_add(&f, "echo", 4);
	frames_add(&f, header_bytes, header_len);
	frames_add(&f, body, sizeof(body));
	if (frames_send(&f, socket) == 0)
		return true;
	frames_done(&f);
	return false;
}

void busload_send(void *socket, uint32_t n)
{
	while (!busload_try_send(socket, n))
		usleep(100);
}

uint32_t busload_number(const struct frames *f)
{
	/* The broker writes the message id behind all else. */
	size_t size = frame_size(&f->part[3]);
	uint32_t n = 0;

	CHECK(f->n == 5 && size > 16);
	memcpy(&n, frame_data(&f->part[3]) + size - 4, sizeof(n));
	return n;
}

bool busload_is_ok(const struct frames *f)
{
	/* "LGH1", then field 1 (status) = 1 (OK). */
	return f->n == 5 && memcmp(frame_data(&f->part[3]), "LGH1\x08\x01", 6) == 0 &&
	       frame_size(&f->part[4]) == BUSLOAD_BODY;
}

void busload_wait(void *socket)
{
	zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};

	if (zmq_poll(&item, 1, 10000) == 0) {
		fprintf(stderr, "bench: nothing came for 10 s\n");
		exit(1);
	}
}

void busload_exchange(void *socket, uint32_t total)
{
	uint32_t sent = 0, got = 0;

	while (sent < BUSLOAD_OUTSTANDING)
		busload_send(socket, sent++);
	while (got < total) {
		struct frames f;

		if (!frames_recv(&f, socket)) {
			busload_wait(socket);
			continue;
		}
		if (!busload_is_ok(&f)) {
			fprintf(stderr, "bench: a request was refused\n");
			exit(1);
		}
		frames_done(&f);
		if (++got && sent < total)
			busload_send(socket, sent++);
	}
}

/* --- a worker --- */

void busload_ready(void *socket, uint32_t credit)
{
	Bus__WorkerHello hello = BUS__WORKER_HELLO__INIT;
	struct frames f = {0};
	struct arena arena;
	struct err err;
	uint8_t *bytes;
	size_t n;

	arena_init(&arena, 4096);
	hello.credit = credit;
	hello.instance = "bench";
	CHECK(header_write(&hello.base, &arena, &bytes, &n, &err) == 0);
	frames_add(&f, BUS_MDP_WORKER, 6);
	frames_add(&f, "\x01", 1);
	frames_add(&f, "echo", 4);
	frames_add(&f, bytes, n);
	arena_done(&arena);
	while (frames_send(&f, socket) < 0)
		usleep(1000);
}

void busload_answer(void *socket, struct frames *in)
{
	struct frames out = {0};
	size_t n;
	const uint8_t *reply = busload_reply(&n);

	frames_add(&out, BUS_MDP_WORKER, 6);
	if (frame_command(&in->part[1]) != BUS_W_REQUEST) {
		frames_add(&out, "\x05", 1); /* a heartbeat for a heartbeat */
	} else {
		frames_add(&out, "\x04", 1);
		frames_move(&out, &in->part[2]);
		frames_add(&out, "", 0);
		frames_add(&out, reply, n);
		frames_move(&out, &in->part[6]);
	}
	CHECK(frames_send(&out, socket) == 0);
}

void busload_work(const struct bus_keys *keys, const char *endpoint, bool mdp,
		  void (*answer)(void *socket, struct frames *in))
{
	void *context = socket_context_acquire(), *socket;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	CHECK(socket_dealer_new(context, keys, endpoint, 10000, &socket) == 0);
	if (mdp)
		busload_ready(socket, BUSLOAD_CREDIT);
	for (;;) {
		struct frames in;

		if (!frames_recv(&in, socket)) {
			zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};

			zmq_poll(&item, 1, -1);
			continue;
		}
		answer(socket, &in);
		frames_done(&in);
	}
}

/* --- processes --- */

void busload_endpoint(char out[static 64])
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	CLEANUP_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(addr);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&addr, &n) == 0);
	snprintf(out, 64, "tcp://127.0.0.1:%d", ntohs(addr.sin_port));
}

struct busd *busload_broker(struct busload *l, const char *const *more)
{
	char env[2][128];
	const char *list[16] = {env[0], env[1], "LGSP_LOG_LEVEL=error",
				"LGSP_MEMBER_REQUESTS_PER_S=0", "LGSP_MEMBER_IN_FLIGHT=0"};

	for (unsigned n = 5; more && *more; more++)
		list[n++] = *more;
	busload_endpoint(l->front);
	busload_endpoint(l->back);
	snprintf(env[0], sizeof(env[0]), "LGSP_BIND_MEMBER=%s", l->front);
	snprintf(env[1], sizeof(env[1]), "LGSP_BIND_BACKEND=%s", l->back);
	l->busd = busd_start(busload_members, BUSLOAD_MEMBERS, busload_rights, list);
	l->caller = busd_keys(l->busd, "caller");
	l->worker = busd_keys(l->busd, "echo");
	return l->busd;
}

void busload_wait_workers(const struct busload *l)
{
	while (busd_metric(l->busd, "lgsp_bus_workers{service=\"echo\"}") != 1)
		usleep(1000);
}

double busload_cpu(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	CHECK(clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &t) == 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double busload_rss_kib(pid_t pid)
{
	char path[64];
	long pages = 0;
	CLEANUP_FILE FILE *file = NULL;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	file = fopen(path, "re");
	CHECK(file && fscanf(file, "%*d %ld", &pages) == 1);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

void busload_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
