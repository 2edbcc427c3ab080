#include "common/wire/pb.h"

#include <string.h>

#include "common/wire/pb_events.h"
#include "common/wire/pbcheck.h"

struct arena_alloc_state {
	struct arena *arena;
	bool full;
};

static void *arena_pb_alloc(void *data, size_t size)
{
	struct arena_alloc_state *state = data;
	void *p = arena_alloc(state->arena, size);

	state->full = state->full || p == NULL;
	return p;
}

static void arena_pb_free(void *data, void *p)
{
	(void)data;
	(void)p;
}

static const struct err_kind not_unpacked = {ERR_INVALID, "MALFORMED_MESSAGE",
					     "Thông điệp protobuf sai cấu trúc",
					     "malformed protobuf message"};

int pb_unpack(const ProtobufCMessageDescriptor *desc, const uint8_t *bytes, size_t n,
	      const struct pb_limits *limits, struct arena *arena, ProtobufCMessage **ret_msg,
	      struct err *err)
{
	static const uint8_t empty[1];
	struct arena_alloc_state state = {.arena = arena};
	ProtobufCAllocator allocator = {arena_pb_alloc, arena_pb_free, &state};
	ProtobufCMessage *msg;
	int rc;

	rc = pb_check(desc, bytes, n, limits, err);
	if (rc < 0)
		return rc;
	msg = protobuf_c_message_unpack(desc, &allocator, n, bytes ? bytes : empty);
	if (msg == NULL && state.full)
		return err_set(err, &err_too_large, NULL, desc->short_name);
	if (msg == NULL)
		return err_set(err, &not_unpacked, NULL, NULL);
	*ret_msg = msg;
	return 0;
}

int pb_pack(const ProtobufCMessage *msg, struct arena *arena, uint8_t **ret_bytes, size_t *ret_n,
	    struct err *err)
{
	size_t n = protobuf_c_message_get_packed_size(msg);
	uint8_t *bytes = arena_alloc(arena, n);

	if (bytes == NULL)
		return err_set(err, &err_too_large, NULL, msg->descriptor->short_name);
	protobuf_c_message_pack(msg, bytes);
	*ret_bytes = bytes;
	*ret_n = n;
	return 0;
}

const ProtobufCMessageDescriptor *pb_event_descriptor(const char *event_type)
{
	for (const struct pb_event_row *row = pb_event_rows; row->type != NULL; row++)
		if (strcmp(row->type, event_type) == 0)
			return row->descriptor;
	return NULL;
}
