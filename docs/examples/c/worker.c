/*
 * A worker of the service "greeting": credit, heartbeats, joining again, deadlines, CANCEL,
 * draining.
 *
 * usage: worker
 * LGSP_BUS_BACKEND: the brokers' endpoints, it serves at all of them; LGSP_BUS_KEY: their public
 * certificate; LGSP_KEY: one's own secret certificate; LGSP_INSTANCE: a name of one's own. SIGTERM
 * drains.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "greeting.pb-c.h"
#include "lgsp/bus/v1/header.pb-c.h"

#define SERVICE       "greeting"
#define CREDIT        8
#define JOBS_MAX      16 /* more than the credit: a broker that exceeds it is not believed */
#define BEAT_MS       2000
#define LOST_MS       6000
#define ENDPOINTS_MAX 4

enum { READY = 1, REQUEST, PARTIAL, FINAL, HEARTBEAT, DISCONNECT, CANCEL = 0x20 };

typedef Lgsp__Bus__V1__RequestHeader RequestHeader;
typedef Lgsp__Bus__V1__ReplyHeader ReplyHeader;
typedef Lgsp__Bus__V1__WorkerHello WorkerHello;
typedef Lgsp__Bus__V1__BrokerHello BrokerHello;
typedef Lgsp__Bus__V1__Caller Caller;
typedef Lgsp__Common__V1__ErrorDetail ErrorDetail;
typedef Lgsp__Common__V1__Violation Violation;
typedef Lgsp__Example__V1__GreetRequest GreetRequest;
typedef Lgsp__Example__V1__GreetReply GreetReply;

/* A request in hand. Nothing here waits: it is answered when it is due. */
struct job {
	bool used, cancelled, method_known;
	uint8_t token[16];
	int64_t due, deadline;
	GreetRequest *request; /* NULL: malformed */
};

/* One broker. */
struct link {
	const char *endpoint;
	void *socket;
	bool joined, drained, announced;
	int64_t heard, said, back_at, pause;
	struct job jobs[JOBS_MAX];
};

static void *context;
static const char *instance;
static char served_by[80];
static volatile sig_atomic_t stopping;

static void on_terminate(int signal)
{
	(void)signal;
	stopping = 1;
}

/* --- saying --- */

static void say(struct link *l, uint8_t command, int count, const void *const *p, const size_t *n)
{
	const void *all[8] = {"MDPW02", &command};
	size_t lengths[8] = {6, 1};

	for (int i = 0; i < count; i++) {
		all[2 + i] = p[i];
		lengths[2 + i] = n[i];
	}
	send_frames(l->socket, count + 2, all, lengths);
	l->said = now_ms();
}

/* READY names the service, HEARTBEAT does not. */
static void say_hello(struct link *l, uint8_t command)
{
	WorkerHello hello = LGSP__BUS__V1__WORKER_HELLO__INIT;
	const void *p[2] = {SERVICE};
	size_t n[2] = {strlen(SERVICE)};
	uint8_t *bytes;
	int service = command == READY;

	hello.credit = CREDIT;
	hello.instance = (char *)(uintptr_t)instance;
	hello.draining = stopping != 0;
	hello.cancel = true;
	bytes = pack_header(&hello.base, &n[service]);
	p[service] = bytes;
	say(l, command, 1 + service, p, n);
	free(bytes);
}

static void say_final(struct link *l, const struct job *job, ReplyHeader *header,
		      const ProtobufCMessage *body)
{
	size_t n[4] = {16, 0, 0, body ? protobuf_c_message_get_packed_size(body) : 0};
	uint8_t *bytes = malloc(n[3] + 1), *head;
	const void *p[4] = {job->token, "", NULL, bytes};

	if (body)
		protobuf_c_message_pack(body, bytes);
	header->served_by = served_by;
	head = pack_header(&header->base, &n[2]);
	p[2] = head;
	say(l, FINAL, 4, p, n);
	free(head);
	free(bytes);
}

/* --- answers --- */

static void refuse(struct link *l, const struct job *job, Lgsp__Common__V1__Status status,
		   const char *code, const char *vietnamese, const char *english)
{
	ReplyHeader header = LGSP__BUS__V1__REPLY_HEADER__INIT;
	ErrorDetail detail = LGSP__COMMON__V1__ERROR_DETAIL__INIT;
	Violation violation = LGSP__COMMON__V1__VIOLATION__INIT, *violations[] = {&violation};

	violation.code = (char *)(uintptr_t)code;
	violation.message_vi = (char *)(uintptr_t)vietnamese;
	violation.message_en = (char *)(uintptr_t)english;
	detail.side = LGSP__COMMON__V1__SIDE__SIDE_CALLER;
	detail.violations = violations;
	detail.n_violations = 1;
	header.status = status;
	header.outcome = LGSP__COMMON__V1__OUTCOME__OUTCOME_NOT_DONE;
	header.detail = &detail;
	say_final(l, job, &header, NULL);
}

static void greet(struct link *l, const struct job *job)
{
	ReplyHeader header = LGSP__BUS__V1__REPLY_HEADER__INIT;
	GreetReply reply = LGSP__EXAMPLE__V1__GREET_REPLY__INIT;
	size_t n = strlen(job->request->name) + 32;
	char *text = malloc(n);

	printf("greeted %s\n", job->request->name);
	snprintf(text, n, "Xin chào, %s!", job->request->name);
	reply.text = text;
	header.status = LGSP__COMMON__V1__STATUS__STATUS_OK;
	header.outcome = LGSP__COMMON__V1__OUTCOME__OUTCOME_DONE;
	say_final(l, job, &header, &reply.base);
	free(text);
}

/* What is expired or cancelled before it is begun is never begun. */
static void answer(struct link *l, const struct job *job)
{
	if (job->cancelled) {
		refuse(l, job, LGSP__COMMON__V1__STATUS__STATUS_EXPIRED, "CANCELLED",
		       "Yêu cầu đã được hủy", "the caller cancelled the request");
	} else if (now_ms() >= job->deadline) {
		printf("expired\n");
		refuse(l, job, LGSP__COMMON__V1__STATUS__STATUS_EXPIRED, "EXPIRED",
		       "Đã quá thời hạn", "the deadline has passed");
	} else if (!job->method_known) {
		refuse(l, job, LGSP__COMMON__V1__STATUS__STATUS_NOT_FOUND, "UNKNOWN_METHOD",
		       "Không có phương thức này", "there is no such method");
	} else if (!job->request) {
		refuse(l, job, LGSP__COMMON__V1__STATUS__STATUS_INVALID, "MALFORMED_MESSAGE",
		       "Thông điệp hỏng", "the message is malformed");
	} else {
		greet(l, job);
	}
	fflush(stdout);
}

static void forget(struct job *job)
{
	lgsp__example__v1__greet_request__free_unpacked(job->request, NULL);
	*job = (struct job){0};
}

/* --- hearing --- */

static void take_request(struct link *l, struct message *m)
{
	Caller *caller = (Caller *)unpack_header(&lgsp__bus__v1__caller__descriptor, m, 4);
	RequestHeader *header =
		(RequestHeader *)unpack_header(&lgsp__bus__v1__request_header__descriptor, m, 5);
	struct job *job = l->jobs;

	while (job < l->jobs + JOBS_MAX && job->used)
		job++;
	if (caller && header && m->n == 7 && size_of(m, 2) == 16 && job < l->jobs + JOBS_MAX) {
		job->used = true;
		memcpy(job->token, data_of(m, 2), 16);
		job->deadline = l->heard + caller->time_left_ms;
		job->method_known = strcmp(header->method, "Greet") == 0;
		job->request = lgsp__example__v1__greet_request__unpack(NULL, size_of(m, 6),
									data_of(m, 6));
		job->due = l->heard + (job->request ? job->request->after_ms : 0);
	}
	if (caller)
		protobuf_c_message_free_unpacked(&caller->base, NULL);
	if (header)
		protobuf_c_message_free_unpacked(&header->base, NULL);
}

static void cancel(struct link *l, struct message *m)
{
	for (int i = 0; i < JOBS_MAX; i++)
		if (l->jobs[i].used && m->n > 2 && size_of(m, 2) == 16 &&
		    memcmp(l->jobs[i].token, data_of(m, 2), 16) == 0) {
			l->jobs[i].cancelled = true;
			l->jobs[i].due = l->heard;
		}
}

static void take_hello(struct link *l, struct message *m)
{
	BrokerHello *hello =
		(BrokerHello *)unpack_header(&lgsp__bus__v1__broker_hello__descriptor, m, 2);

	l->pause = 100;
	if (!hello)
		return;
	l->drained = hello->drain_acknowledged;
	protobuf_c_message_free_unpacked(&hello->base, NULL);
}

/* The broker went, or never came: another socket, after a growing, jittered pause. */
static void leave(struct link *l)
{
	for (int i = 0; i < JOBS_MAX; i++)
		forget(&l->jobs[i]); /* settled by the broker that had given them */
	zmq_setsockopt(l->socket, ZMQ_LINGER, &(int){0}, sizeof(int));
	zmq_close(l->socket);
	l->socket = NULL;
	l->joined = l->drained = l->announced = false;
	l->back_at = now_ms() + jitter(l->pause);
	l->pause = l->pause * 2 < 5000 ? l->pause * 2 : 5000;
}

static void hear(struct link *l)
{
	struct message m;

	while (l->socket && receive(l->socket, &m)) {
		l->heard = now_ms();
		switch (command_of(&m)) {
		case REQUEST:
			take_request(l, &m);
			break;
		case CANCEL:
			cancel(l, &m);
			break;
		case HEARTBEAT:
			take_hello(l, &m);
			break;
		case DISCONNECT:
			leave(l);
			break;
		}
		message_done(&m);
	}
}

/* --- time --- */

static void tick(struct link *l)
{
	int64_t now = now_ms();

	if (!l->socket) {
		if (now < l->back_at || stopping)
			return;
		l->socket = open_socket(context, l->endpoint);
		l->heard = now;
	}
	if (!l->joined && wait_for(l->socket, ZMQ_POLLOUT, 0)) {
		l->joined = true;
		l->heard = now;
		say_hello(l, READY);
	} else if (l->joined && (now - l->said >= BEAT_MS || (stopping && !l->announced))) {
		l->announced = stopping != 0;
		say_hello(l, HEARTBEAT);
	}
	if (now - l->heard > LOST_MS)
		leave(l);
}

/* Answers what is due; how many are left. */
static int work(struct link *l)
{
	int left = 0;

	for (int i = 0; i < JOBS_MAX; i++) {
		struct job *job = &l->jobs[i];

		if (job->used && job->due <= now_ms()) {
			answer(l, job);
			forget(job);
		}
		left += job->used;
	}
	return left;
}

/* Nothing is in hand and nothing will come. */
static bool run_once(struct link *links, int n)
{
	zmq_pollitem_t items[ENDPOINTS_MAX] = {0};
	bool done = stopping != 0;
	int open = 0;

	for (int i = 0; i < n; i++) {
		struct link *l = &links[i];

		tick(l);
		if (work(l) > 0 || (l->joined && !l->drained))
			done = false;
		if (l->socket)
			items[open++] = (zmq_pollitem_t){.socket = l->socket, .events = ZMQ_POLLIN};
	}
	if (done)
		return false;
	zmq_poll(items, open, 20);
	for (int i = 0; i < n; i++)
		hear(&links[i]);
	return true;
}

int main(void)
{
	char *list = strdup(setting("LGSP_BUS_BACKEND")), *rest = list, *endpoint;
	static struct link links[ENDPOINTS_MAX];
	int n = 0;

	signal(SIGTERM, on_terminate);
	srand((unsigned)now_ms());
	context = zmq_ctx_new();
	instance = getenv("LGSP_INSTANCE") ? getenv("LGSP_INSTANCE") : "c-1";
	snprintf(served_by, sizeof(served_by), SERVICE "/%s", instance);
	while (n < ENDPOINTS_MAX && (endpoint = strsep(&rest, " ")))
		links[n++] = (struct link){.endpoint = endpoint, .pause = 100};
	while (run_once(links, n))
		;
	for (int i = 0; i < n; i++) {
		if (links[i].joined)
			say(&links[i], DISCONNECT, 0, NULL, NULL);
		if (links[i].socket)
			zmq_close(links[i].socket);
	}
	zmq_ctx_term(context);
	free(list);
	return 0;
}
