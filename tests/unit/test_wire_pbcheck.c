/* pb_check() on raw bytes: what protobuf-c 1.4.1 would let through, and what it must not refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/base.h"
#include "common/wire/pb.h"
#include "common/wire/pbcheck.h"
#include "lgsp/wiretest/v1/wiretest.pb-c.h"

#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1
#define SCALARS  &wiretest__scalars__descriptor
#define LISTS    &wiretest__lists__descriptor
#define CHOICE   &wiretest__choice__descriptor
#define TREE     &wiretest__tree__descriptor

struct row {
	const char *name;
	const ProtobufCMessageDescriptor *desc;
	const uint8_t *bytes;
	size_t n;
	const char *code; /* NULL: passes */
	const char *field;
};

/* Tags: number << 3 | wire type (0 varint, 1 eight bytes, 2 length, 3 and 4 groups, 5 four bytes).
 */
static const struct row rows[] = {
	{"empty message", SCALARS, BYTES(""), NULL, NULL},
	{"int32", SCALARS, BYTES("\x08\x96\x01"), NULL, NULL},
	{"int32 negative, ten bytes", SCALARS,
	 BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), NULL, NULL},
	{"fixed32 and fixed64", SCALARS, BYTES("\x2d\1\0\0\0\x51\1\0\0\0\0\0\0\0"), NULL, NULL},
	{"Vietnamese text", SCALARS, BYTES("\x6a\x0eH\xe1\xbb\x93 s\xc6\xa1 \xc4\x91\xe1\xbb\x8f"),
	 NULL, NULL},
	{"four-byte character", SCALARS, BYTES("\x6a\x04\xf0\x9f\x87\xbb"), NULL, NULL},
	{"bytes may be anything", SCALARS, BYTES("\x72\x03\0\xff\xc0"), NULL, NULL},
	{"scalar twice: the last one counts", SCALARS, BYTES("\x08\1\x08\2"), NULL, NULL},
	{"known enum", SCALARS, BYTES("\x60\5"), NULL, NULL},
	{"negative enum", SCALARS, BYTES("\x60\xfd\xff\xff\xff\xff\xff\xff\xff\xff\1"), NULL, NULL},
	{"unknown varint field", SCALARS, BYTES("\xa0\6\1\x08\1"), NULL, NULL},
	{"unknown fixed32, fixed64, bytes", SCALARS,
	 BYTES("\xa5\6\1\2\3\4\xa1\6\1\2\3\4\5\6\7\x08\xa2\6\2\xff\xff"), NULL, NULL},
	{"largest field number", SCALARS, BYTES("\xf8\xff\xff\xff\x0f\1"), NULL, NULL},
	{"packed int32s", LISTS, BYTES("\x0a\3\1\2\3"), NULL, NULL},
	{"unpacked int32s", LISTS, BYTES("\x08\1\x08\2"), NULL, NULL},
	{"packed and unpacked together", LISTS, BYTES("\x0a\1\1\x08\2"), NULL, NULL},
	{"packed nothing", LISTS, BYTES("\x0a\0"), NULL, NULL},
	{"packed sfixed32s", LISTS, BYTES("\x1a\x08\1\0\0\0\2\0\0\0"), NULL, NULL},
	{"packed known enums", LISTS, BYTES("\x32\2\1\5"), NULL, NULL},
	{"unpacked enums", LISTS, BYTES("\x30\1\x30\5"), NULL, NULL},
	{"enums declared unpacked, sent packed", LISTS, BYTES("\x52\2\1\5"), NULL, NULL},
	{"explicit zero of a one-member oneof", CHOICE, BYTES("\x20\0"), NULL, NULL},
	{"two members of a oneof: the last one counts", CHOICE, BYTES("\x08\1\x12\1a"), NULL, NULL},
	{"message in oneof twice is merged", CHOICE, BYTES("\x1a\2\x08\1\x1a\2\x60\1"), NULL, NULL},

	{"enum 99 (trap 2)", SCALARS, BYTES("\x60\x63"), "UNKNOWN_ENUM_VALUE", "a_colour"},
	{"enum beyond 32 bits is cut as protobuf does", SCALARS, BYTES("\x60\x83\x80\x80\x80\x10"),
	 "UNKNOWN_ENUM_VALUE", "a_colour"},
	{"unknown among packed enums", LISTS, BYTES("\x32\3\1\5\7"), "UNKNOWN_ENUM_VALUE",
	 "colours[0]"},
	{"unknown among unpacked enums", LISTS, BYTES("\x30\1\x30\7"), "UNKNOWN_ENUM_VALUE",
	 "colours[1]"},
	{"unknown among packed enums declared unpacked", LISTS, BYTES("\x52\2\1\2"),
	 "UNKNOWN_ENUM_VALUE", "loose_colours[0]"},
	{"NUL in text (trap 3)", SCALARS, BYTES("\x6a\3a\0b"), "BAD_TEXT", "a_string"},
	{"overlong UTF-8", SCALARS, BYTES("\x6a\2\xc0\xaf"), "BAD_TEXT", "a_string"},
	{"surrogate", SCALARS, BYTES("\x6a\3\xed\xa0\x80"), "BAD_TEXT", "a_string"},
	{"beyond U+10FFFF", SCALARS, BYTES("\x6a\4\xf4\x90\x80\x80"), "BAD_TEXT", "a_string"},
	{"text cut in a character", SCALARS, BYTES("\x6a\2\xe1\xbb"), "BAD_TEXT", "a_string"},
	{"bad text in a list", LISTS, BYTES("\x3a\1a\x3a\1\xff"), "BAD_TEXT", "strings[1]"},
	{"bad text inside a message of a list", LISTS, BYTES("\x4a\0\x4a\3\x6a\1\xff"), "BAD_TEXT",
	 "messages[1].a_string"},
	{"bad text in a oneof", CHOICE, BYTES("\x12\1\xff"), "BAD_TEXT", "text"},
	{"field number 0", SCALARS, BYTES("\0\1"), "MALFORMED_MESSAGE", ""},
	{"field number 2^29", SCALARS, BYTES("\x80\x80\x80\x80\x10\1"), "MALFORMED_MESSAGE", ""},
	{"tag without end", SCALARS, BYTES("\x80"), "MALFORMED_MESSAGE", ""},
	{"group start", SCALARS, BYTES("\x0b"), "MALFORMED_MESSAGE", "an_int32"},
	{"group end", SCALARS, BYTES("\x0c"), "MALFORMED_MESSAGE", "an_int32"},
	{"unknown group", SCALARS, BYTES("\xa3\6\xa4\6"), "MALFORMED_MESSAGE", ""},
	{"wire type 6", SCALARS, BYTES("\x0e\1"), "MALFORMED_MESSAGE", "an_int32"},
	{"wire type 7", SCALARS, BYTES("\x0f\1"), "MALFORMED_MESSAGE", "an_int32"},
	{"varint of eleven bytes", SCALARS, BYTES("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\1"),
	 "MALFORMED_MESSAGE", "an_int32"},
	{"varint beyond 64 bits", SCALARS, BYTES("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\2"),
	 "MALFORMED_MESSAGE", "an_int32"},
	{"varint cut", SCALARS, BYTES("\x08\x80"), "MALFORMED_MESSAGE", "an_int32"},
	{"fixed32 cut", SCALARS, BYTES("\x2d\1\0\0"), "MALFORMED_MESSAGE", "a_fixed32"},
	{"fixed64 cut", SCALARS, BYTES("\x51\1\0\0\0\0\0\0"), "MALFORMED_MESSAGE", "a_fixed64"},
	{"length beyond the end", SCALARS, BYTES("\x6a\5ab"), "MALFORMED_MESSAGE", "a_string"},
	{"length of 2 GiB", SCALARS, BYTES("\x6a\x80\x80\x80\x80\x08"), "MALFORMED_MESSAGE",
	 "a_string"},
	{"length of 2^64 - 1", SCALARS, BYTES("\x6a\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"),
	 "MALFORMED_MESSAGE", "a_string"},
	{"text sent as a number", SCALARS, BYTES("\x68\1"), "MALFORMED_MESSAGE", "a_string"},
	{"number sent as text", SCALARS, BYTES("\x0a\1\1"), "MALFORMED_MESSAGE", "an_int32"},
	{"message sent as a number", CHOICE, BYTES("\x18\1"), "MALFORMED_MESSAGE", "scalars"},
	{"packed varint cut", LISTS, BYTES("\x0a\2\1\x80"), "MALFORMED_MESSAGE", "int32s[0]"},
	{"packed sfixed32s cut", LISTS, BYTES("\x1a\6\1\0\0\0\2\0"), "MALFORMED_MESSAGE",
	 "sfixed32s[0]"},
	{"rubbish inside a message", CHOICE, BYTES("\x1a\1\x80"), "MALFORMED_MESSAGE", "scalars"},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		struct err err = {0};
		struct arena arena;
		ProtobufCMessage *msg = NULL;
		int rc;

		arena_init(&arena, 1 << 20);
		rc = pb_unpack(row->desc, row->bytes, row->n, NULL, &arena, &msg, &err);
		if (row->code == NULL && rc != 0)
			fail_msg("%s: refused: %s %s", row->name, err_code(&err),
				 err.items[0].field);
		if (row->code != NULL && strcmp(err_code(&err), row->code) != 0)
			fail_msg("%s: %d %s", row->name, rc, err_code(&err));
		if (row->code != NULL && strcmp(err.items[0].field, row->field) != 0)
			fail_msg("%s: field '%s'", row->name, err.items[0].field);
		assert_int_equal(rc, row->code == NULL ? 0 : ERR_INVALID);
		assert_true((msg != NULL) == (rc == 0));
		arena_done(&arena);
	}
}

/* A copy without slack behind it, so that the sanitizer sees a read beyond the end. */
static int check_exact(const ProtobufCMessageDescriptor *desc, const uint8_t *bytes, size_t n,
		       const struct pb_limits *limits, struct err *err)
{
	uint8_t *copy = malloc(n ? n : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, bytes, n);
	rc = pb_check(desc, copy, n, limits, err);
	free(copy);
	return rc;
}

static void test_every_prefix_is_survived(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t n = 0; n <= rows[i].n; n++) {
			struct err err = {0};
			int rc = check_exact(rows[i].desc, rows[i].bytes, n, NULL, &err);

			assert_true(rc == 0 || rc == ERR_INVALID);
		}
	}
}

static void test_open_enums(void **state)
{
	static const struct pb_limits open = {.open_enums = true};
	struct err err = {0};
	struct arena arena;
	ProtobufCMessage *msg;

	(void)state;
	arena_init(&arena, 1 << 16);
	assert_int_equal(pb_unpack(SCALARS, BYTES("\x60\x63"), &open, &arena, &msg, &err), 0);
	assert_int_equal(((Wiretest__Scalars *)msg)->a_colour, 99);
	assert_int_equal(pb_check(LISTS, BYTES("\x32\3\1\5\7"), &open, &err), 0);
	arena_done(&arena);
}

/* depth messages inside each other; returns the first byte used of buf[size]. */
static size_t nest(uint8_t *buf, size_t size, unsigned depth)
{
	size_t at = size;

	for (unsigned i = 0; i + 1 < depth; i++) {
		size_t len = size - at;

		/* Length as a varint of three bytes, not the shortest form, always fits. */
		at -= 3;
		buf[at] = (uint8_t)(len & 0x7f) | 0x80;
		buf[at + 1] = (uint8_t)(len >> 7 & 0x7f) | 0x80;
		buf[at + 2] = (uint8_t)(len >> 14 & 0x7f);
		buf[--at] = 0x0a;
	}
	return at;
}

static void test_depth(void **state)
{
	static uint8_t buf[40000];
	static const struct {
		unsigned depth;
		struct pb_limits limits;
		const char *code;
	} table[] = {
		{1, {0}, ""},
		{PB_CHECK_DEPTH, {0}, ""},
		{PB_CHECK_DEPTH + 1, {0}, "TOO_DEEP"},
		{10000, {0}, "TOO_DEEP"}, /* trap 4: crashes protobuf-c's unpack */
		{2, {.depth = 1}, "TOO_DEEP"},
		{3, {.depth = 3}, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct err err = {0};
		size_t at = nest(buf, sizeof(buf), table[i].depth);

		pb_check(TREE, buf + at, sizeof(buf) - at, &table[i].limits, &err);
		assert_string_equal(err_code(&err), table[i].code);
	}
}

static void test_deep_path_is_cut_not_overrun(void **state)
{
	static uint8_t buf[400];
	struct err err = {0};
	size_t at = nest(buf, sizeof(buf), PB_CHECK_DEPTH + 1);

	(void)state;
	assert_int_equal(pb_check(TREE, buf + at, sizeof(buf) - at, NULL, &err), ERR_INVALID);
	assert_memory_equal(err.items[0].field, "child.child.child.", 18);
	assert_true(strlen(err.items[0].field) < sizeof(err.items[0].field));
}

static void test_elements(void **state)
{
	static uint8_t strings[1 << 20]; /* trap 5: 2-byte empty strings */
	static uint8_t packed[PB_CHECK_ELEMENTS + 8];
	static const struct pb_limits three = {.elements = 3};
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(strings); i += 2)
		strings[i] = 0x3a;
	assert_int_equal(pb_check(LISTS, strings, PB_CHECK_ELEMENTS * 2, NULL, &err), 0);
	pb_check(LISTS, strings, PB_CHECK_ELEMENTS * 2 + 2, NULL, &err);
	assert_string_equal(err_code(&err), "TOO_MANY_ELEMENTS");
	err_clear(&err);
	pb_check(LISTS, strings, sizeof(strings), NULL, &err);
	assert_string_equal(err_code(&err), "TOO_MANY_ELEMENTS");

	/* Packed: the field itself is an element too. Length 10000 is 0x90 0x4e. */
	memcpy(packed, "\x0a\x90\x4e", 3);
	err_clear(&err);
	pb_check(LISTS, packed, PB_CHECK_ELEMENTS + 3, NULL, &err);
	assert_string_equal(err_code(&err), "TOO_MANY_ELEMENTS");
	memcpy(packed, "\x0a\x8f\x4e", 3);
	assert_int_equal(pb_check(LISTS, packed, PB_CHECK_ELEMENTS + 2, NULL, &err), 0);

	err_clear(&err);
	assert_int_equal(pb_check(LISTS, BYTES("\x0a\2\1\2"), &three, &err), 0);
	pb_check(LISTS, BYTES("\x0a\3\1\2\3"), &three, &err);
	assert_string_equal(err_code(&err), "TOO_MANY_ELEMENTS");
	err_clear(&err);
	pb_check(LISTS, BYTES("\xa0\6\1\xa0\6\1\xa0\6\1\xa0\6\1"), &three, &err); /* unknown ones */
	assert_string_equal(err_code(&err), "TOO_MANY_ELEMENTS");
}

static void test_arena_cap_is_too_large(void **state)
{
	static uint8_t strings[2000];
	struct err err = {0};
	struct arena arena;
	ProtobufCMessage *msg = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(strings); i += 2)
		strings[i] = 0x3a;
	arena_init(&arena, 4096);
	assert_int_equal(pb_unpack(LISTS, strings, sizeof(strings), NULL, &arena, &msg, &err),
			 ERR_TOO_LARGE);
	assert_null(msg);
	arena_done(&arena);
}

static void test_null_bytes_are_an_empty_message(void **state)
{
	struct err err = {0};
	struct arena arena;
	ProtobufCMessage *msg;
	uint8_t *bytes;
	size_t n;

	(void)state;
	arena_init(&arena, 1 << 16);
	assert_int_equal(pb_unpack(SCALARS, NULL, 0, NULL, &arena, &msg, &err), 0);
	assert_string_equal(((Wiretest__Scalars *)msg)->a_string, "");
	assert_int_equal(pb_pack(msg, &arena, &bytes, &n, &err), 0);
	assert_non_null(bytes);
	assert_int_equal(n, 0);
	arena_done(&arena);
}

static void test_unknown_fields_survive_a_repack(void **state)
{
	Wiretest__TreeNext next = WIRETEST__TREE_NEXT__INIT;
	struct err err = {0};
	struct arena arena;
	ProtobufCMessage *msg;
	uint8_t *sent;
	uint8_t *packed;
	size_t n_sent;
	size_t n_packed;

	(void)state;
	next.label = "nhãn";
	next.later_number = UINT64_MAX;
	next.later_text = "sau này";
	next.later_fixed32 = 7;
	next.later_fixed64 = 8;
	arena_init(&arena, 1 << 16);
	assert_int_equal(pb_pack(&next.base, &arena, &sent, &n_sent, &err), 0);
	assert_int_equal(pb_unpack(TREE, sent, n_sent, NULL, &arena, &msg, &err), 0);
	assert_string_equal(((Wiretest__Tree *)msg)->label, "nhãn");
	assert_int_equal(pb_pack(msg, &arena, &packed, &n_packed, &err), 0);
	assert_int_equal(n_packed, n_sent);
	assert_memory_equal(packed, sent, n_sent);
	arena_done(&arena);
}

static void test_pack_at_the_cap(void **state)
{
	Wiretest__Tree tree = WIRETEST__TREE__INIT;
	struct err err = {0};
	struct arena arena;
	uint8_t *bytes = NULL;
	size_t n = 0;

	(void)state;
	tree.label = "a label longer than the arena";
	arena_init(&arena, 8);
	assert_int_equal(pb_pack(&tree.base, &arena, &bytes, &n, &err), ERR_TOO_LARGE);
	assert_null(bytes);
	arena_done(&arena);
}

static void test_event_descriptors(void **state)
{
	const ProtobufCMessageDescriptor *desc = pb_event_descriptor("dossier.payment_requested");

	(void)state;
	assert_non_null(desc);
	assert_string_equal(desc->name, "lgsp.dossier.v1.DossierPaymentRequested");
	assert_null(pb_event_descriptor("dossier.never_heard_of"));
	assert_null(pb_event_descriptor(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_every_prefix_is_survived),
		cmocka_unit_test(test_open_enums),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_deep_path_is_cut_not_overrun),
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_arena_cap_is_too_large),
		cmocka_unit_test(test_null_bytes_are_an_empty_message),
		cmocka_unit_test(test_unknown_fields_survive_a_repack),
		cmocka_unit_test(test_pack_at_the_cap),
		cmocka_unit_test(test_event_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
