/*
 * pb_check() and what stands behind it: what it passes, protobuf-c unpacks without trouble, packs
 * again into bytes that pass too, and pbjson writes and reads back as the same message.
 */
#include <string.h>

#include "common/base/base.h"
#include "common/wire/pb.h"
#include "common/wire/pbcheck.h"
#include "common/wire/pbjson.h"
#include "tests/fuzz/fuzz_types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(const ProtobufCMessage *msg, struct arena *arena)
{
	struct err err = {0};
	ProtobufCMessage *again;
	struct buf first;
	struct buf second;

	buf_init(&first, 1 << 22);
	buf_init(&second, 1 << 22);
	if (pbjson_write(msg, false, &first) == 0 &&
	    pbjson_read(msg->descriptor, buf_str(&first), first.len, arena, &again, &err) == 0) {
		CHECK(pbjson_write(again, false, &second) == 0);
		CHECK(strcmp(buf_str(&first), buf_str(&second)) == 0);
	} else {
		CHECK(first.full || err.status == ERR_TOO_LARGE ||
		      strcmp(err_code(&err), "TOO_MANY_ELEMENTS") == 0);
	}
	buf_done(&first);
	buf_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const ProtobufCMessageDescriptor *desc;
	struct pb_limits limits = {0};
	struct err err = {0};
	struct arena arena;
	ProtobufCMessage *msg;
	uint8_t *bytes;
	size_t n;

	if (size == 0)
		return 0;
	desc = fuzz_type(data[0]);
	limits.open_enums = data[0] & 0x80;
	arena_init(&arena, 1 << 24);
	if (pb_unpack(desc, data + 1, size - 1, &limits, &arena, &msg, &err) == 0) {
		CHECK(pb_pack(msg, &arena, &bytes, &n, &err) == 0);
		CHECK(pb_check(desc, bytes, n, &limits, &err) == 0);
		if (!limits.open_enums) /* pbjson refuses the numbers it cannot name */
			check_json(msg, &arena);
	} else {
		CHECK(err.status == ERR_INVALID || err.status == ERR_TOO_LARGE);
	}
	arena_done(&arena);
	return 0;
}
