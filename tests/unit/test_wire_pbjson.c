/* Canonical proto3 JSON both ways; the tables are compared with buf in test_wire_buf.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "common/base/arena.h"
#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/wire/pbcheck.h"
#include "common/wire/pbjson.h"
#include "lgsp/dossier/v1/dossier.pb-c.h"
#include "lgsp/wiretest/v1/wiretest.pb-c.h"
#include "tests/support/pbjson_cases.h"

#define SCALARS &wiretest__scalars__descriptor
#define LISTS   &wiretest__lists__descriptor
#define CHOICE  &wiretest__choice__descriptor
#define TREE    &wiretest__tree__descriptor

static char *rewrite(const ProtobufCMessageDescriptor *desc, const char *json, size_t n,
		     bool defaults, struct err *err)
{
	struct arena arena;
	struct buf out;
	ProtobufCMessage *msg = NULL;
	char *text = NULL;

	arena_init(&arena, 1 << 20);
	buf_init(&out, 1 << 20);
	if (pbjson_read(desc, json, n, &arena, &msg, err) == 0) {
		assert_int_equal(pbjson_write(msg, defaults, &out), 0);
		text = base_strdup(buf_str(&out));
	}
	buf_done(&out);
	arena_done(&arena);
	return text;
}

static void test_accepted(void **state)
{
	(void)state;
	for (const struct pbjson_case *c = pbjson_cases; c->type != NULL; c++) {
		CLEANUP_FREE char *text = NULL;
		struct err err = {0};

		text = rewrite(c->desc, c->in, strlen(c->in), false, &err);
		if (text == NULL)
			fail_msg("%s refused: %s at %s", c->in, err_code(&err), err.items[0].field);
		if (strcmp(text, c->out) != 0)
			fail_msg("%s became %s, not %s", c->in, text, c->out);
	}
}

static const struct {
	const ProtobufCMessageDescriptor *desc;
	const char *in;
	const char *code;
	const char *field;
} refused[] = {
	{SCALARS, "{\"anInt32\":2147483648}", "BAD_VALUE", "an_int32"},
	{SCALARS, "{\"anInt32\":-2147483649}", "BAD_VALUE", "an_int32"},
	{SCALARS, "{\"anInt32\":1.5}", "BAD_VALUE", "an_int32"},
	{SCALARS, "{\"anInt32\":\"1.5\"}", "BAD_VALUE", "an_int32"},
	{SCALARS, "{\"anInt32\":\"\"}", "BAD_VALUE", "an_int32"},
	{SCALARS, "{\"anInt32\":\" 1\"}", "BAD_VALUE", "an_int32"},
	{SCALARS, "{\"anInt32\":\"1 \"}", "BAD_VALUE", "an_int32"},
	{SCALARS, "{\"anInt32\":\"+1\"}", "BAD_VALUE", "an_int32"},
	{SCALARS, "{\"anInt32\":\"01\"}", "BAD_VALUE", "an_int32"},
	{SCALARS, "{\"anInt32\":\"0x10\"}", "BAD_VALUE", "an_int32"},
	{SCALARS, "{\"anInt32\":\"1e\"}", "BAD_VALUE", "an_int32"},
	{SCALARS, "{\"anInt32\":\"1.\"}", "BAD_VALUE", "an_int32"},
	{SCALARS, "{\"anInt32\":\"1\\u0000\"}", "BAD_VALUE", "an_int32"},
	{SCALARS, "{\"anInt32\":\"NaN\"}", "BAD_VALUE", "an_int32"},
	{SCALARS, "{\"anInt32\":true}", "BAD_VALUE", "an_int32"},
	{SCALARS, "{\"anInt32\":[1]}", "BAD_VALUE", "an_int32"},
	{SCALARS, "{\"anInt32\":{}}", "BAD_VALUE", "an_int32"},
	{SCALARS, "{\"aUint32\":-1}", "BAD_VALUE", "a_uint32"},
	{SCALARS, "{\"aUint32\":4294967296}", "BAD_VALUE", "a_uint32"},
	{SCALARS, "{\"anInt64\":\"9223372036854775808\"}", "BAD_VALUE", "an_int64"},
	{SCALARS, "{\"anInt64\":\"-9223372036854775809\"}", "BAD_VALUE", "an_int64"},
	{SCALARS, "{\"anInt64\":\"1e19\"}", "BAD_VALUE", "an_int64"},
	{SCALARS, "{\"anInt64\":\"1e9999\"}", "BAD_VALUE", "an_int64"},
	{SCALARS, "{\"anInt64\":\"1e99999\"}", "BAD_VALUE", "an_int64"},
	/* A double no longer tells this one from its neighbour. */
	{SCALARS, "{\"anInt64\":9007199254740993.0e1}", "BAD_VALUE", "an_int64"},
	{SCALARS, "{\"aUint64\":\"18446744073709551616\"}", "BAD_VALUE", "a_uint64"},
	{SCALARS, "{\"aUint64\":\"-1\"}", "BAD_VALUE", "a_uint64"},
	{SCALARS, "{\"aBool\":1}", "BAD_VALUE", "a_bool"},
	{SCALARS, "{\"aBool\":\"true\"}", "BAD_VALUE", "a_bool"},
	{SCALARS, "{\"aColour\":\"COLOUR_GREEN\"}", "BAD_VALUE", "a_colour"},
	{SCALARS, "{\"aColour\":\"colour_red\"}", "BAD_VALUE", "a_colour"},
	{SCALARS, "{\"aColour\":\"COLOUR_RED\\u0000\"}", "BAD_VALUE", "a_colour"},
	{SCALARS, "{\"aColour\":\"1\"}", "BAD_VALUE", "a_colour"},
	{SCALARS, "{\"aColour\":99}", "BAD_VALUE", "a_colour"},
	{SCALARS, "{\"aString\":1}", "BAD_VALUE", "a_string"},
	{SCALARS, "{\"aString\":\"a\\u0000b\"}", "BAD_VALUE", "a_string"},
	{SCALARS, "{\"someBytes\":\"a\"}", "BAD_VALUE", "some_bytes"},
	{SCALARS, "{\"someBytes\":\"AA A\"}", "BAD_VALUE", "some_bytes"},
	{SCALARS, "{\"someBytes\":\"AQ==AQ==\"}", "BAD_VALUE", "some_bytes"},
	{SCALARS, "{\"someBytes\":[1]}", "BAD_VALUE", "some_bytes"},
	{SCALARS, "{\"nothing\":1}", "UNKNOWN_FIELD", ""},
	{SCALARS, "{\"AnInt32\":1}", "UNKNOWN_FIELD", ""},
	{SCALARS, "{\"\":1}", "UNKNOWN_FIELD", ""},
	{SCALARS, "{\"anInt32\":1,\"an_int32\":1}", "BAD_VALUE", "an_int32"},
	{SCALARS, "{\"anInt32\":1,\"anInt32\":1}", "MALFORMED_JSON", ""},
	{SCALARS, "{\"a\\u0000b\":1}", "MALFORMED_JSON", ""},
	{SCALARS, "[]", "MALFORMED_JSON", ""},
	{SCALARS, "null", "MALFORMED_JSON", ""},
	{SCALARS, "1", "MALFORMED_JSON", ""},
	{SCALARS, " ", "MALFORMED_JSON", ""},
	{SCALARS, "{", "MALFORMED_JSON", ""},
	{SCALARS, "{\"anInt32\":1,}", "MALFORMED_JSON", ""},
	{SCALARS, "{'anInt32':1}", "MALFORMED_JSON", ""},
	{SCALARS, "{\"anInt32\":01}", "MALFORMED_JSON", ""},
	{SCALARS, "{\"anInt32\":NaN}", "MALFORMED_JSON", ""},
	{SCALARS, "{\"anInt32\":1} x", "MALFORMED_JSON", ""},
	{SCALARS, "{} {}", "MALFORMED_JSON", ""},
	{SCALARS, "{/**/}", "MALFORMED_JSON", ""},
	{SCALARS, "\xef\xbb\xbf{}", "MALFORMED_JSON", ""},
	{SCALARS, "{\"aString\":\"\xff\"}", "MALFORMED_JSON", ""},
	{SCALARS, "{\"aString\":\"\xed\xa0\x80\"}", "MALFORMED_JSON", ""},
	{SCALARS, "{\"aString\":\"\\ud800\"}", "MALFORMED_JSON", ""},
	{SCALARS, "{\"aString\":\"a\nb\"}", "MALFORMED_JSON", ""},
	{LISTS, "{\"int32s\":1}", "BAD_VALUE", "int32s"},
	{LISTS, "{\"int32s\":{}}", "BAD_VALUE", "int32s"},
	{LISTS, "{\"int32s\":[1,null]}", "BAD_VALUE", "int32s[1]"},
	{LISTS, "{\"int32s\":[1,\"x\"]}", "BAD_VALUE", "int32s[1]"},
	{LISTS, "{\"colours\":[1,7]}", "BAD_VALUE", "colours[1]"},
	{LISTS, "{\"messages\":[{},{},{\"aBool\":0}]}", "BAD_VALUE", "messages[2].a_bool"},
	{LISTS, "{\"messages\":[{},null]}", "BAD_VALUE", "messages[1]"},
	{LISTS, "{\"messages\":[{},[]]}", "BAD_VALUE", "messages[1]"},
	{LISTS, "{\"messages\":[{\"x\":1}]}", "UNKNOWN_FIELD", "messages[0]"},
	{CHOICE, "{\"scalars\":1}", "BAD_VALUE", "scalars"},
	{CHOICE, "{\"amountVnd\":\"1\",\"text\":\"a\"}", "BAD_VALUE", "text"},
	{CHOICE, "{\"text\":\"a\",\"scalars\":{}}", "BAD_VALUE", "scalars"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		CLEANUP_FREE char *text = NULL;
		struct err err = {0};

		text = rewrite(refused[i].desc, refused[i].in, strlen(refused[i].in), false, &err);
		if (text != NULL)
			fail_msg("%s was taken as %s", refused[i].in, text);
		if (strcmp(err_code(&err), refused[i].code) != 0 ||
		    strcmp(err.items[0].field, refused[i].field) != 0)
			fail_msg("%s: %s at '%s'", refused[i].in, err_code(&err),
				 err.items[0].field);
		assert_int_equal(err.status, ERR_INVALID);
	}
}

/* What the error says of malformed JSON is its place, never its text: that may be personal data. */
static void test_error_quotes_nothing(void **state)
{
	const char *json = "{\n \"a\": \"036190000017\" \"b\"}";
	struct err err = {0};

	(void)state;
	assert_null(rewrite(SCALARS, json, strlen(json), false, &err));
	assert_string_equal(err_code(&err), "MALFORMED_JSON");
	assert_null(strstr(err.items[0].en, "036190000017"));
	assert_non_null(strstr(err.items[0].en, "2:"));
}

static void test_empty_text(void **state)
{
	CLEANUP_FREE char *text = NULL;
	struct err err = {0};

	(void)state;
	text = rewrite(SCALARS, NULL, 0, false, &err);
	assert_string_equal(text, "{}");
}

static void test_emit_defaults(void **state)
{
	CLEANUP_FREE char *choice = NULL;
	CLEANUP_FREE char *tree = NULL;
	CLEANUP_FREE char *scalars = NULL;
	struct err err = {0};

	(void)state;
	choice = rewrite(CHOICE, "", 0, true, &err);
	assert_string_equal(choice, "{\"beside\":\"\"}");
	tree = rewrite(TREE, "", 0, true, &err);
	assert_string_equal(tree, "{\"children\":[],\"label\":\"\",\"XY9z\":0}");
	scalars = rewrite(SCALARS, "", 0, true, &err);
	assert_string_equal(
		scalars, "{\"anInt32\":0,\"aSint32\":0,\"aSfixed32\":0,\"aUint32\":0,"
			 "\"aFixed32\":0,\"anInt64\":\"0\",\"aSint64\":\"0\",\"aSfixed64\":\"0\","
			 "\"aUint64\":\"0\",\"aFixed64\":\"0\",\"aBool\":false,"
			 "\"aColour\":\"COLOUR_UNSPECIFIED\",\"aString\":\"\",\"someBytes\":\"\"}");
}

static void nest(struct buf *json, unsigned depth)
{
	buf_init(json, 1 << 20);
	for (unsigned i = 1; i < depth; i++)
		buf_puts(json, "{\"children\":[");
	buf_puts(json, "{}");
	for (unsigned i = 1; i < depth; i++)
		buf_puts(json, "]}");
}

static void test_depth(void **state)
{
	static const struct {
		unsigned depth;
		const char *code;
	} table[] = {{PB_CHECK_DEPTH, ""}, {PB_CHECK_DEPTH + 1, "TOO_DEEP"}, {10000, "TOO_DEEP"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		CLEANUP_FREE char *text = NULL;
		struct err err = {0};
		struct buf json;

		nest(&json, table[i].depth);
		text = rewrite(TREE, buf_str(&json), json.len, false, &err);
		assert_string_equal(err_code(&err), table[i].code);
		assert_true(text == NULL || strcmp(text, buf_str(&json)) == 0);
		buf_done(&json);
	}
}

/* Brackets in text do not nest, and an escaped quote does not end it. */
static void test_size_check_reads_strings(void **state)
{
	CLEANUP_FREE char *text = NULL;
	const char *json =
		"{\"aString\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\\\"}";
	struct err err = {0};

	(void)state;
	text = rewrite(SCALARS, json, strlen(json), false, &err);
	assert_string_equal(text, json);
}

static void test_elements(void **state)
{
	struct err err = {0};
	struct buf json;

	(void)state;
	buf_init(&json, 1 << 20);
	buf_puts(&json, "{\"int32s\":[0");
	for (unsigned i = 0; i < 2 * PB_CHECK_ELEMENTS; i++)
		buf_puts(&json, ",0");
	buf_puts(&json, "]}");
	assert_null(rewrite(LISTS, buf_str(&json), json.len, false, &err));
	assert_string_equal(err_code(&err), "TOO_MANY_ELEMENTS");
	buf_done(&json);
}

static void test_arena_cap(void **state)
{
	const char *json = "{\"strings\":[\"a\",\"b\",\"c\",\"d\"],\"messages\":[{},{},{}]}";
	ProtobufCMessage *msg = NULL;
	bool done = false;

	(void)state;
	/* Every size of arena from none up: an error or the whole message, never half of it. */
	for (size_t cap = 0; cap < 4096 && !done; cap += 8) {
		struct err err = {0};
		struct arena arena;
		int rc;

		arena_init(&arena, cap);
		msg = NULL;
		rc = pbjson_read(LISTS, json, strlen(json), &arena, &msg, &err);
		assert_true(rc == 0 || rc == ERR_TOO_LARGE);
		assert_true((rc == 0) == (msg != NULL));
		done = rc == 0;
		arena_done(&arena);
	}
	assert_true(done);
}

static void test_write_to_a_full_buffer(void **state)
{
	Wiretest__Choice choice = WIRETEST__CHOICE__INIT;
	struct buf out;

	(void)state;
	choice.beside = "longer than the buffer";
	buf_init(&out, 8);
	assert_int_equal(pbjson_write(&choice.base, false, &out), ERR_TOO_LARGE);
	buf_done(&out);
}

static void test_write_what_only_c_can_hold(void **state)
{
	Wiretest__Scalars scalars = WIRETEST__SCALARS__INIT;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	scalars.a_string = NULL; /* counts as empty */
	scalars.a_colour = (Wiretest__Colour)99;
	assert_int_equal(pbjson_write(&scalars.base, false, &out), 0);
	assert_string_equal(buf_str(&out), "{\"aColour\":99}");
	buf_reset(&out);
	scalars.a_string = "\xff";
	assert_int_equal(pbjson_write(&scalars.base, false, &out), ERR_INVALID);
	assert_int_equal(out.len, 0);
	buf_done(&out);
}

static void test_to_json_composes(void **state)
{
	Wiretest__Tree tree = WIRETEST__TREE__INIT;
	struct json_t *json = NULL;

	(void)state;
	tree.label = "gốc";
	assert_int_equal(pbjson_to_json(&tree.base, false, &json), 0);
	assert_string_equal(json_string_value(json_object_get(json, "label")), "gốc");
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_error_quotes_nothing),
		cmocka_unit_test(test_empty_text),
		cmocka_unit_test(test_emit_defaults),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_size_check_reads_strings),
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_arena_cap),
		cmocka_unit_test(test_write_to_a_full_buffer),
		cmocka_unit_test(test_write_what_only_c_can_hold),
		cmocka_unit_test(test_to_json_composes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
