/*
 * The golden frames of the bus: what stands in tests/golden/frames.json is what our code packs and
 * reads, to the byte. The same table is checked in Python and Node (tests/it/test_golden.sh), and
 * docs/wire.md shows some of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "common/base/arena.h"
#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/bus/bus.h"
#include "common/wire/header.h"
#include "common/wire/pbjson.h"

#define FRAME_MAX 1024

struct golden {
	json_t *table;
	struct arena arena;
	struct err err;
};

static int setup(void **state)
{
	struct golden *g = base_alloc(sizeof(*g));

	g->table = json_load_file("tests/golden/frames.json", 0, NULL);
	arena_init(&g->arena, 1 << 20);
	*state = g;
	return json_is_array(g->table) ? 0 : -1;
}

static int teardown(void **state)
{
	struct golden *g = *state;

	json_decref(g->table);
	arena_done(&g->arena);
	free(g);
	return 0;
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	assert_non_null(text);
	return text;
}

static size_t unhex(const json_t *frame, uint8_t out[static FRAME_MAX])
{
	const char *hex = text_of(frame, "hex");
	size_t n = strlen(hex) / 2;

	assert_true(n <= FRAME_MAX);
	for (size_t i = 0; i < n; i++) {
		char byte[3] = {hex[2 * i], hex[2 * i + 1], 0};

		out[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return n;
}

static const ProtobufCMessageDescriptor *descriptor_of(const char *name)
{
	static const ProtobufCMessageDescriptor *const all[] = {
		&bus__request_header__descriptor, &bus__reply_header__descriptor,
		&bus__caller__descriptor, &bus__worker_hello__descriptor,
		&bus__broker_hello__descriptor};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (strcmp(all[i]->short_name, name) == 0)
			return all[i];
	fail_msg("no header is called %s", name);
	return NULL;
}

/* By the reader that the bus itself uses for this kind of header. */
static const ProtobufCMessage *read_strictly(struct golden *g, const char *name,
					     const uint8_t *frame, size_t n)
{
	Bus__RequestHeader *request;
	Bus__ReplyHeader *reply;
	Bus__Caller *caller;
	Bus__WorkerHello *worker;
	Bus__BrokerHello *broker;

	if (strcmp(name, "RequestHeader") == 0 &&
	    header_read_request(frame, n, &g->arena, &request, &g->err) == 0)
		return &request->base;
	if (strcmp(name, "ReplyHeader") == 0 &&
	    header_read_reply(frame, n, &g->arena, &reply, &g->err) == 0)
		return &reply->base;
	if (strcmp(name, "Caller") == 0 &&
	    header_read_caller(frame, n, &g->arena, &caller, &g->err) == 0)
		return &caller->base;
	if (strcmp(name, "WorkerHello") == 0 &&
	    header_read_worker_hello(frame, n, &g->arena, &worker, &g->err) == 0)
		return &worker->base;
	if (strcmp(name, "BrokerHello") == 0 &&
	    header_read_broker_hello(frame, n, &g->arena, &broker, &g->err) == 0)
		return &broker->base;
	fail_msg("%s is refused", name);
	return NULL;
}

static void check_header(struct golden *g, const json_t *frame)
{
	const char *name = text_of(frame, "header");
	json_t *fields = json_object_get(frame, "fields"), *back;
	char *json = json_dumps(fields, JSON_COMPACT);
	uint8_t golden[FRAME_MAX], *packed;
	size_t n = unhex(frame, golden), n_packed;
	ProtobufCMessage *msg;

	assert_int_equal(
		pbjson_read(descriptor_of(name), json, strlen(json), &g->arena, &msg, &g->err), 0);
	free(json);
	assert_int_equal(header_write(msg, &g->arena, &packed, &n_packed, &g->err), 0);
	assert_int_equal(n_packed, n);
	assert_memory_equal(packed, golden, n);
	assert_int_equal(pbjson_to_json(read_strictly(g, name, golden, n), false, &back), 0);
	assert_true(json_equal(back, fields));
	json_decref(back);
}

static void headers_are_packed_and_read_to_the_byte(void **state)
{
	struct golden *g = *state;
	json_t *message, *frame;
	unsigned checked = 0;
	size_t i, k;

	json_array_foreach(g->table, i, message)
	{
		json_array_foreach(json_object_get(message, "frames"), k, frame)
		{
			if (!json_object_get(frame, "header"))
				continue;
			check_header(g, frame);
			checked++;
		}
	}
	assert_in_range(checked, 10, 100);
}

static void commands_are_those_of_the_code(void **state)
{
	static const struct {
		const char *message, *protocol;
		uint8_t command;
		size_t frames;
	} known[] = {
		{"client_request", BUS_MDP_CLIENT, BUS_C_REQUEST, 5},
		{"client_request_for_a_person", BUS_MDP_CLIENT, BUS_C_REQUEST, 5},
		{"client_cancel", BUS_MDP_CLIENT, BUS_C_CANCEL, 3},
		{"client_ping", BUS_MDP_CLIENT, BUS_C_PING, 2},
		{"client_pong", BUS_MDP_CLIENT, BUS_C_PONG, 2},
		{"client_final", BUS_MDP_CLIENT, BUS_C_FINAL, 5},
		{"client_refusal", BUS_MDP_CLIENT, BUS_C_FINAL, 5},
		{"client_partial", BUS_MDP_CLIENT, BUS_C_PARTIAL, 5},
		{"worker_ready_plain", BUS_MDP_WORKER, BUS_W_READY, 3},
		{"worker_ready", BUS_MDP_WORKER, BUS_W_READY, 4},
		{"worker_request", BUS_MDP_WORKER, BUS_W_REQUEST, 7},
		{"worker_cancel", BUS_MDP_WORKER, BUS_W_CANCEL, 3},
		{"worker_final", BUS_MDP_WORKER, BUS_W_FINAL, 6},
		{"worker_partial", BUS_MDP_WORKER, BUS_W_PARTIAL, 6},
		{"worker_heartbeat", BUS_MDP_WORKER, BUS_W_HEARTBEAT, 3},
		{"broker_heartbeat", BUS_MDP_WORKER, BUS_W_HEARTBEAT, 3},
		{"worker_disconnect", BUS_MDP_WORKER, BUS_W_DISCONNECT, 2},
	};
	struct golden *g = *state;
	uint8_t bytes[FRAME_MAX];

	assert_int_equal(json_array_size(g->table), ARRAY_LEN(known));
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		const json_t *message = json_array_get(g->table, i);
		const json_t *frames = json_object_get(message, "frames");

		assert_string_equal(text_of(message, "message"), known[i].message);
		assert_int_equal(json_array_size(frames), known[i].frames);
		assert_int_equal(unhex(json_array_get(frames, 0), bytes), 6);
		assert_memory_equal(bytes, known[i].protocol, 6);
		assert_int_equal(unhex(json_array_get(frames, 1), bytes), 1);
		assert_int_equal(bytes[0], known[i].command);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_packed_and_read_to_the_byte),
		cmocka_unit_test(commands_are_those_of_the_code),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
