/*
 * Headers as a peer may send them: the first byte picks the reader. What is read can be written,
 * and an error survives its way over the wire.
 */
#include <string.h>

#include "common/base/base.h"
#include "common/wire/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rewrite(const ProtobufCMessage *msg, struct arena *arena)
{
	struct err err = {0};
	uint8_t *frame;
	size_t n;

	/* A varint may come longer than need be; never shorter. */
	CHECK(header_write(msg, arena, &frame, &n, &err) == 0 || err.status == ERR_TOO_LARGE);
}

static void read_request(const uint8_t *data, size_t size, struct arena *arena)
{
	Bus__RequestHeader *h;
	struct err err = {0};
	char trace_id[33];

	if (header_read_request(data, size, arena, &h, &err) < 0) {
		CHECK(strcmp(err_code(&err), "BAD_HEADER") == 0);
		return;
	}
	CHECK(h->message_id.len == 16 && strlen(h->method) <= 64);
	CHECK(h->deadline_ms >= 1 && h->deadline_ms <= HEADER_DEADLINE_MAX_MS);
	header_trace_id(h->traceparent, trace_id);
	CHECK((trace_id[0] != '\0') == (h->traceparent[0] != '\0'));
	check_rewrite(&h->base, arena);
}

static bool same_item(const struct err_item *a, const struct err_item *b)
{
	return strcmp(a->code, b->code) == 0 && strcmp(a->field, b->field) == 0 &&
	       strcmp(a->vi, b->vi) == 0 && strcmp(a->en, b->en) == 0;
}

static void read_reply(const uint8_t *data, size_t size, struct arena *arena)
{
	Bus__ReplyHeader *h;
	struct err err = {0};
	struct err again = {0};
	int status;

	if (header_read_reply(data, size, arena, &h, &err) < 0)
		return;
	status = header_to_error(h, &err);
	CHECK(status == err.status && (status == 0) == (err.n_items == 0));
	h = header_of_error(&err, "x/1", "", arena);
	CHECK(h != NULL && header_to_error(h, &again) == status);
	CHECK(again.n_items == err.n_items && again.outcome_unknown == err.outcome_unknown);
	for (unsigned i = 0; i < err.n_items; i++)
		CHECK(same_item(&again.items[i], &err.items[i]));
	check_rewrite(&h->base, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = {0};
	struct arena arena;
	Bus__Caller *caller;
	Bus__WorkerHello *worker;
	Bus__BrokerHello *broker;

	if (size == 0)
		return 0;
	arena_init(&arena, 1 << 20);
	switch (data[0] % 5) {
	case 0:
		read_request(data + 1, size - 1, &arena);
		break;
	case 1:
		read_reply(data + 1, size - 1, &arena);
		break;
	case 2:
		if (header_read_caller(data + 1, size - 1, &arena, &caller, &err) == 0)
			check_rewrite(&caller->base, &arena);
		break;
	case 3:
		if (header_read_worker_hello(data + 1, size - 1, &arena, &worker, &err) == 0)
			check_rewrite(&worker->base, &arena);
		break;
	default:
		if (header_read_broker_hello(data + 1, size - 1, &arena, &broker, &err) == 0)
			check_rewrite(&broker->base, &arena);
		break;
	}
	arena_done(&arena);
	return 0;
}
