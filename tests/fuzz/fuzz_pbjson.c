/* JSON as a caller may send it: refused, or read, packed, checked and written as the same again. */
#include <string.h>

#include "common/base/base.h"
#include "common/wire/pb.h"
#include "common/wire/pbcheck.h"
#include "common/wire/pbjson.h"
#include "tests/fuzz/fuzz_types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* JSON counts values, protobuf fields and elements: a text at the limit may pass one of them. */
static bool is_limit(const struct err *err)
{
	return strcmp(err_code(err), "TOO_MANY_ELEMENTS") == 0 || err->status == ERR_TOO_LARGE;
}

static void check_message(const ProtobufCMessage *msg, struct arena *arena)
{
	struct err err = {0};
	ProtobufCMessage *again;
	struct buf first;
	struct buf second;
	uint8_t *bytes;
	size_t n;

	buf_init(&first, 1 << 22);
	buf_init(&second, 1 << 22);
	CHECK(pbjson_write(msg, false, &first) == 0);
	CHECK(pb_pack(msg, arena, &bytes, &n, &err) == 0 || is_limit(&err));
	if (err.status == 0 &&
	    pb_unpack(msg->descriptor, bytes, n, NULL, arena, &again, &err) == 0) {
		CHECK(pbjson_write(again, false, &second) == 0);
		CHECK(strcmp(buf_str(&first), buf_str(&second)) == 0);
	} else {
		CHECK(is_limit(&err));
	}
	buf_done(&first);
	buf_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = {0};
	struct arena arena;
	ProtobufCMessage *msg;

	if (size == 0)
		return 0;
	arena_init(&arena, 1 << 24);
	if (pbjson_read(fuzz_type(data[0]), (const char *)data + 1, size - 1, &arena, &msg, &err) ==
	    0)
		check_message(msg, &arena);
	else
		CHECK(err.status == ERR_INVALID || err.status == ERR_TOO_LARGE);
	arena_done(&arena);
	return 0;
}
