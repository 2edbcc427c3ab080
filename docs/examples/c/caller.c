/*
 * Calls greeting.Greet, whatever restarts meanwhile: one message id through all tries and
 * endpoints.
 *
 * usage: caller NAME [AFTER_MS [DEADLINE_MS [GIVE_UP_MS]]]
 * LGSP_BUS_MEMBER: the brokers' endpoints; LGSP_BUS_KEY: their public certificate; LGSP_KEY: one's
 * own secret certificate.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common.h"
#include "greeting.pb-c.h"
#include "lgsp/bus/v1/header.pb-c.h"

#define SILENCE_MS    1000 /* then a PING; three of them and the broker counts as lost */
#define SLICE_MS      50   /* a silent connection is looked at: libzmq takes 100 ms to join again */
#define ENDPOINTS_MAX 4

enum { REQUEST = 0x01, FINAL = 0x03, PING = 0x21 };
enum answer { NOT_SENT, NOBODY_KNOWS, ANSWERED };

typedef Lgsp__Bus__V1__RequestHeader RequestHeader;
typedef Lgsp__Bus__V1__ReplyHeader ReplyHeader;
typedef Lgsp__Example__V1__GreetRequest GreetRequest;
typedef Lgsp__Example__V1__GreetReply GreetReply;

struct bytes {
	uint8_t *p;
	size_t n;
};

static void uuid7(uint8_t id[static 16])
{
	struct timespec t;
	uint64_t ms;

	clock_gettime(CLOCK_REALTIME, &t);
	ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
	if (getrandom(id, 16, 0) != 16)
		abort();
	for (int i = 0; i < 6; i++)
		id[i] = (uint8_t)(ms >> (40 - 8 * i));
	id[6] = (id[6] & 0x0f) | 0x70;
	id[8] = (id[8] & 0x3f) | 0x80;
}

static int send_request(void *socket, const char *service, const RequestHeader *h,
			struct bytes body)
{
	static const uint8_t command = REQUEST;
	size_t n;
	uint8_t *header = pack_header(&h->base, &n);
	const void *p[] = {"MDPC02", &command, service, header, body.p};
	int rc = send_frames(socket, 5, p, (const size_t[]){6, 1, strlen(service), n, body.n});

	free(header);
	return rc;
}

static void ping(void *socket)
{
	static const uint8_t command = PING;
	const void *p[] = {"MDPC02", &command};

	send_frames(socket, 2, p, (const size_t[]){6, 1});
}

/* The reply to this request, of a message received; NULL: it is another's, or no FINAL. */
static ReplyHeader *reply_to(const RequestHeader *h, struct message *m, struct bytes *ret_body)
{
	ReplyHeader *reply = NULL;

	if (command_of(m) == FINAL)
		reply = (ReplyHeader *)unpack_header(&lgsp__bus__v1__reply_header__descriptor, m,
						     3);
	if (reply && (reply->message_id.len != 16 ||
		      memcmp(reply->message_id.data, h->message_id.data, 16) != 0)) {
		protobuf_c_message_free_unpacked(&reply->base, NULL);
		reply = NULL;
	}
	if (reply) {
		ret_body->n = m->n > 4 ? size_of(m, 4) : 0;
		ret_body->p = malloc(ret_body->n + 1);
		memcpy(ret_body->p, m->n > 4 ? data_of(m, 4) : "", ret_body->n);
	}
	return reply;
}

static enum answer ask_once(void *socket, const char *service, const RequestHeader *h,
			    struct bytes body, ReplyHeader **ret_reply, struct bytes *ret_body)
{
	int64_t end = now_ms() + h->deadline_ms + 500;
	struct message m;

	if (!wait_for(socket, ZMQ_POLLOUT, SILENCE_MS) ||
	    send_request(socket, service, h, body) < 0)
		return NOT_SENT;
	for (int silent_ms = 0; now_ms() < end && silent_ms < 3 * SILENCE_MS;) {
		if (!wait_for(socket, ZMQ_POLLIN, SLICE_MS)) {
			if (!wait_for(socket, ZMQ_POLLOUT, 0))
				break; /* the connection has ended, and with it what was asked */
			silent_ms += SLICE_MS;
			if (silent_ms % SILENCE_MS == 0)
				ping(socket);
			continue;
		}
		silent_ms = 0;
		*ret_reply = receive(socket, &m) ? reply_to(h, &m, ret_body) : NULL;
		message_done(&m);
		if (*ret_reply)
			return ANSWERED;
	}
	return NOBODY_KNOWS;
}

static bool may_be_repeated(const ReplyHeader *reply)
{
	switch (reply->status) {
	case LGSP__COMMON__V1__STATUS__STATUS_BUSY:
	case LGSP__COMMON__V1__STATUS__STATUS_EXPIRED:
	case LGSP__COMMON__V1__STATUS__STATUS_NO_SERVICE:
	case LGSP__COMMON__V1__STATUS__STATUS_WORKER_LOST:
	case LGSP__COMMON__V1__STATUS__STATUS_DRAINING:
	case LGSP__COMMON__V1__STATUS__STATUS_UNAVAILABLE:
		return true;
	default:
		return false;
	}
}

static void pause_ms(int64_t ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* *ret_unknown: the effect may exist. NULL: no answer at all. */
static ReplyHeader *call(void **sockets, int n, RequestHeader *h, struct bytes body,
			 int64_t give_up, struct bytes *ret_body, bool *ret_unknown)
{
	int64_t end = now_ms() + give_up, pause = 100;
	bool unknown = false;

	for (int at = 0;; at = (at + 1) % n) {
		ReplyHeader *reply = NULL;
		int64_t wait = jitter(pause);
		enum answer got;

		h->attempt++;
		got = ask_once(sockets[at], "greeting", h, body, &reply, ret_body);
		/* A refusal says nothing about an earlier try that nobody answered. */
		if (got == NOBODY_KNOWS)
			unknown = true;
		else if (got == ANSWERED)
			unknown = reply->outcome != LGSP__COMMON__V1__OUTCOME__OUTCOME_DONE &&
				  (unknown ||
				   reply->outcome != LGSP__COMMON__V1__OUTCOME__OUTCOME_NOT_DONE);
		*ret_unknown = unknown;
		if ((reply && !may_be_repeated(reply)) || now_ms() > end)
			return reply;
		if (reply && reply->retry_after_ms > wait)
			wait = reply->retry_after_ms;
		if (reply) {
			protobuf_c_message_free_unpacked(&reply->base, NULL);
			free(ret_body->p);
			ret_body->p = NULL;
		}
		pause_ms(wait);
		pause = pause * 2 < 2000 ? pause * 2 : 2000;
	}
}

/* Exit code. */
static int tell(const ReplyHeader *reply, struct bytes body, bool unknown)
{
	const ProtobufCEnumValue *status;
	bool detailed = reply && reply->detail && reply->detail->n_violations > 0;

	if (reply && reply->status == LGSP__COMMON__V1__STATUS__STATUS_OK) {
		GreetReply *greeting = lgsp__example__v1__greet_reply__unpack(NULL, body.n, body.p);

		printf("%s (%s)\n", greeting ? greeting->text : "?", reply->served_by);
		lgsp__example__v1__greet_reply__free_unpacked(greeting, NULL);
		return 0;
	}
	status = protobuf_c_enum_descriptor_get_value(&lgsp__common__v1__status__descriptor,
						      reply ? (int)reply->status : -1);
	printf("%s %s %s\n", status ? status->name + strlen("STATUS_") : "NO_ANSWER",
	       detailed ? reply->detail->violations[0]->code : "-",
	       unknown ? "UNKNOWN" : "NOT_DONE");
	return 1;
}

int main(int argc, char **argv)
{
	GreetRequest request = LGSP__EXAMPLE__V1__GREET_REQUEST__INIT;
	RequestHeader header = LGSP__BUS__V1__REQUEST_HEADER__INIT;
	void *context = zmq_ctx_new(), *sockets[ENDPOINTS_MAX];
	char *list = strdup(setting("LGSP_BUS_MEMBER")), *rest = list, *endpoint;
	struct bytes body, answer = {NULL, 0};
	ReplyHeader *reply;
	uint8_t id[16];
	bool unknown;
	int n = 0, code;

	srand((unsigned)now_ms());
	while (n < ENDPOINTS_MAX && (endpoint = strsep(&rest, " ")))
		sockets[n++] = open_socket(context, endpoint);
	uuid7(id);
	request.name = argc > 1 ? argv[1] : "";
	request.after_ms = argc > 2 ? (uint32_t)atoi(argv[2]) : 0;
	body.n = lgsp__example__v1__greet_request__get_packed_size(&request);
	body.p = malloc(body.n + 1);
	lgsp__example__v1__greet_request__pack(&request, body.p);
	header.message_id = (ProtobufCBinaryData){.data = id, .len = sizeof(id)};
	header.method = "Greet";
	header.deadline_ms = argc > 3 ? (uint32_t)atoi(argv[3]) : 5000;
	reply = call(sockets, n, &header, body, argc > 4 ? atoi(argv[4]) : 20000, &answer,
		     &unknown);
	code = tell(reply, answer, unknown);
	if (reply)
		protobuf_c_message_free_unpacked(&reply->base, NULL);
	free(answer.p);
	free(body.p);
	free(list);
	for (int i = 0; i < n; i++)
		zmq_close(sockets[i]);
	zmq_ctx_term(context);
	return code;
}
