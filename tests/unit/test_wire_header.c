/* The LGH1 frames: golden bytes, everything a header may be refused for, errors there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/base.h"
#include "common/wire/header.h"

#define ID16     "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20"
#define TRACE    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1

static struct arena arena;

static int set_up(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_done(&arena);
	return 0;
}

static Bus__RequestHeader good_request(void)
{
	static uint8_t id[] = ID16;
	Bus__RequestHeader h = BUS__REQUEST_HEADER__INIT;

	h.message_id.data = id;
	h.message_id.len = 16;
	h.method = "Submit";
	h.deadline_ms = 5000;
	h.attempt = 1;
	return h;
}

static int round_trip(const Bus__RequestHeader *in, Bus__RequestHeader **ret, struct err *err)
{
	uint8_t *frame;
	size_t n;

	assert_int_equal(header_write(&in->base, &arena, &frame, &n, err), 0);
	return header_read_request(frame, n, &arena, ret, err);
}

static void test_golden_bytes(void **state)
{
	Bus__RequestHeader in = good_request();
	struct err err = {0};
	uint8_t *frame;
	size_t n;

	(void)state;
	assert_int_equal(header_write(&in.base, &arena, &frame, &n, &err), 0);
	assert_int_equal(n, 4 + 18 + 8 + 3 + 2);
	assert_memory_equal(frame, "LGH1\x0a\x10" ID16 "\x12\6Submit\x18\x88\x27\x20\1", n);
}

static void test_request_round_trip(void **state)
{
	Bus__RequestHeader in = good_request();
	Bus__OnBehalfOf person = BUS__ON_BEHALF_OF__INIT;
	const char *roles[] = {"clerk", "officer"};
	Bus__RequestHeader *out;
	struct err err = {0};

	(void)state;
	person.subject = "u-17";
	person.roles = roles;
	person.n_roles = 2;
	person.agency = "H40.31.01";
	in.on_behalf_of = &person;
	in.traceparent = TRACE;
	in.purpose = "giải quyết hồ sơ";
	assert_int_equal(round_trip(&in, &out, &err), 0);
	assert_memory_equal(out->message_id.data, ID16, 16);
	assert_string_equal(out->method, "Submit");
	assert_string_equal(out->on_behalf_of->roles[1], "officer");
	assert_string_equal(out->purpose, in.purpose);
}

static void test_request_fields_refused(void **state)
{
	static uint8_t zero[16];
	static char method65[66];
	static char purpose201[202];
	static const char *const traces[] = {
		"x",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-010",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
		"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
		"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
	};
	static const char *const methods[] = {"",         "Sub mit", "Submit2",
					      "Submit\n", "Nộp",     method65};
	static const uint32_t deadlines[] = {0, HEADER_DEADLINE_MAX_MS + 1, UINT32_MAX};
	Bus__RequestHeader *out;

	(void)state;
	memset(method65, 'a', 65);
	memset(purpose201, 'p', 201);
	for (size_t i = 0; i < ARRAY_LEN(traces); i++) {
		Bus__RequestHeader in = good_request();
		struct err err = {0};

		in.traceparent = traces[i];
		assert_int_equal(round_trip(&in, &out, &err), ERR_INVALID);
		assert_string_equal(err.items[0].field, "traceparent");
	}
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		Bus__RequestHeader in = good_request();
		struct err err = {0};

		in.method = methods[i];
		assert_int_equal(round_trip(&in, &out, &err), ERR_INVALID);
		assert_string_equal(err.items[0].field, "method");
	}
	for (size_t i = 0; i < ARRAY_LEN(deadlines); i++) {
		Bus__RequestHeader in = good_request();
		struct err err = {0};

		in.deadline_ms = deadlines[i];
		assert_int_equal(round_trip(&in, &out, &err), ERR_INVALID);
		assert_string_equal(err.items[0].field, "deadline_ms");
	}
	for (size_t len = 0; len <= 17; len++) {
		Bus__RequestHeader in = good_request();
		uint8_t id[17] = {1};
		struct err err = {0};

		in.message_id.data = id;
		in.message_id.len = len;
		assert_int_equal(round_trip(&in, &out, &err), len == 16 ? 0 : ERR_INVALID);
		assert_string_equal(err.items[0].field, len == 16 ? "" : "message_id");
	}
	for (unsigned i = 0; i < 2; i++) {
		Bus__RequestHeader in = good_request();
		struct err err = {0};

		if (i == 0)
			in.message_id.data = zero;
		else
			in.purpose = purpose201;
		assert_int_equal(round_trip(&in, &out, &err), ERR_INVALID);
		assert_string_equal(err_code(&err), "BAD_HEADER");
	}
}

static void test_frames_refused(void **state)
{
	static uint8_t big[HEADER_MAX_BYTES + 1] = "LGH1";
	static const struct {
		const char *name;
		const uint8_t *bytes;
		size_t n;
	} table[] = {
		{"nothing", BYTES("")},
		{"part of the magic", BYTES("LGH")},
		{"another magic", BYTES("LGH2\x0a\x10" ID16 "\x12\6Submit\x18\1")},
		{"no magic", BYTES("\x0a\x10" ID16 "\x12\6Submit\x18\1")},
		{"magic only", BYTES("LGH1")},
		{"cut", BYTES("LGH1\x0a\x10\1\2")},
		{"NUL in the method", BYTES("LGH1\x0a\x10" ID16 "\x12\6Sub\0it\x18\1")},
		{"too large", big, sizeof(big)},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		Bus__RequestHeader *out = NULL;
		struct err err = {0};

		if (header_read_request(table[i].bytes, table[i].n, &arena, &out, &err) !=
			    ERR_INVALID ||
		    strcmp(err_code(&err), "BAD_HEADER") != 0 || out != NULL)
			fail_msg("%s: %s", table[i].name, err_code(&err));
	}
}

static void test_trace_ids(void **state)
{
	Bus__RequestHeader header = BUS__REQUEST_HEADER__INIT;
	char id[33];
	char fresh[56];
	char again[56];

	(void)state;
	header_trace_id(TRACE, id);
	assert_string_equal(id, "0af7651916cd43dd8448eb211c80319c");
	header_trace_id("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes", id);
	assert_string_equal(id, "0af7651916cd43dd8448eb211c80319c");
	header_trace_id(NULL, id);
	assert_string_equal(id, "");
	header_new_traceparent(fresh);
	header_new_traceparent(again);
	assert_int_equal(strlen(fresh), 55);
	assert_string_not_equal(fresh, again);
	header_trace_id(fresh, id);
	assert_memory_equal(id, fresh + 3, 32);
	header.traceparent = fresh;
	header_request_trace_id(&header, again);
	assert_string_equal(again, id);
	header.traceparent = "";
	header_request_trace_id(&header, again);
	assert_string_equal(again, "");
}

static int reply_round_trip(const struct err *in, struct err *out)
{
	Bus__ReplyHeader *h = header_of_error(in, "task/task-1", "trace", &arena);
	Bus__ReplyHeader *back;
	struct err err = {0};
	uint8_t *frame;
	size_t n;

	assert_non_null(h);
	assert_int_equal(header_write(&h->base, &arena, &frame, &n, &err), 0);
	assert_int_equal(header_read_reply(frame, n, &arena, &back, &err), 0);
	assert_string_equal(back->served_by, "task/task-1");
	return header_to_error(back, out);
}

static void test_every_status_there_and_back(void **state)
{
	static const enum err_status all[] = {
		ERR_INVALID,     ERR_DENIED,   ERR_NOT_FOUND,   ERR_CONFLICT,
		ERR_BUSY,        ERR_EXPIRED,  ERR_NO_SERVICE,  ERR_TOO_LARGE,
		ERR_WORKER_LOST, ERR_DRAINING, ERR_UNAVAILABLE, ERR_INTERNAL,
	};
	struct err out;

	(void)state;
	assert_int_equal(reply_round_trip(NULL, &out), 0);
	assert_int_equal(out.status, 0);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct err_kind kind = {all[i], "SOME_CODE", "câu %s", "sentence %s"};
		struct err in = {0};

		err_set_retry(&in, &kind, "x", 250);
		in.outcome_unknown = i % 2;
		assert_int_equal(reply_round_trip(&in, &out), all[i]);
		assert_int_equal(out.status, all[i]);
		assert_int_equal(out.outcome_unknown, i % 2);
		assert_int_equal(out.retry_after_ms, 250);
		assert_string_equal(out.items[0].vi, "câu x");
	}
}

/* Sixteen violations with every text at its longest fit into a reply header. */
static void test_fullest_error_fits(void **state)
{
	char code[48], field[96], text[240];
	struct err_kind kind = {ERR_INVALID, code, text, text};
	struct err in = {0};
	struct err out;

	(void)state;
	memset(code, 'C', sizeof(code) - 1);
	memset(field, 'f', sizeof(field) - 1);
	memset(text, 't', sizeof(text) - 1);
	code[sizeof(code) - 1] = field[sizeof(field) - 1] = text[sizeof(text) - 1] = '\0';
	for (unsigned i = 0; i < ERR_ITEMS_MAX; i++)
		err_add(&in, &kind, field, NULL);
	assert_int_equal(reply_round_trip(&in, &out), ERR_INVALID);
	assert_int_equal(out.n_items, ERR_ITEMS_MAX);
	assert_memory_equal(&out.items[ERR_ITEMS_MAX - 1], &in.items[ERR_ITEMS_MAX - 1],
			    sizeof(in.items[0]));
}

static void test_replies_of_strangers(void **state)
{
	static const struct {
		int status, outcome, want;
		bool unknown;
	} table[] = {
		{0, 0, ERR_INTERNAL, true},
		{99, 2, ERR_INTERNAL, false},
		{-5, 3, ERR_INTERNAL, true},
		{5, 7, ERR_CONFLICT, true}, /* an outcome of a newer peer */
		{8, 2, ERR_NO_SERVICE, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		Bus__ReplyHeader h = BUS__REPLY_HEADER__INIT;
		struct err err;

		h.status = (Common__Status)table[i].status;
		h.outcome = (Common__Outcome)table[i].outcome;
		assert_int_equal(header_to_error(&h, &err), table[i].want);
		assert_int_equal(err.outcome_unknown, table[i].unknown);
		assert_string_equal(err_code(&err), "NO_DETAIL");
	}
}

static void test_long_text_of_a_stranger_is_cut_between_characters(void **state)
{
	Bus__ReplyHeader h = BUS__REPLY_HEADER__INIT;
	Common__ErrorDetail detail = COMMON__ERROR_DETAIL__INIT;
	Common__Violation v = COMMON__VIOLATION__INIT;
	Common__Violation *list[ERR_ITEMS_MAX + 1];
	char text[301];
	struct err err;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		memcpy(text + 3 * i, "ồ", 3);
	text[300] = '\0';
	v.message_vi = text;
	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		list[i] = &v;
	detail.violations = list;
	detail.n_violations = ARRAY_LEN(list);
	h.status = COMMON__STATUS__STATUS_INVALID;
	h.outcome = COMMON__OUTCOME__OUTCOME_NOT_DONE;
	h.detail = &detail;
	assert_int_equal(header_to_error(&h, &err), ERR_INVALID);
	assert_int_equal(strlen(err.items[0].vi), 237);
	assert_int_equal(err.n_items, ERR_ITEMS_MAX);
	assert_true(err.truncated);
}

static void test_hellos_and_caller(void **state)
{
	Bus__WorkerHello worker = BUS__WORKER_HELLO__INIT;
	Bus__BrokerHello broker = BUS__BROKER_HELLO__INIT;
	Bus__Caller caller = BUS__CALLER__INIT;
	Bus__WorkerHello *worker_out;
	Bus__BrokerHello *broker_out;
	Bus__Caller *caller_out;
	struct err err = {0};
	uint8_t *frame;
	size_t n;

	(void)state;
	worker.credit = 6;
	assert_int_equal(header_write(&worker.base, &arena, &frame, &n, &err), 0);
	assert_int_equal(header_read_worker_hello(frame, n, &arena, &worker_out, &err), 0);
	assert_int_equal(worker_out->credit, 6);
	broker.business_offset_us = -1;
	assert_int_equal(header_write(&broker.base, &arena, &frame, &n, &err), 0);
	assert_int_equal(header_read_broker_hello(frame, n, &arena, &broker_out, &err), 0);
	assert_int_equal(broker_out->business_offset_us, -1);
	caller.member = "VN/GOV/H40/one-stop";
	assert_int_equal(header_write(&caller.base, &arena, &frame, &n, &err), 0);
	assert_int_equal(header_read_caller(frame, n, &arena, &caller_out, &err), 0);
	assert_string_equal(caller_out->member, "VN/GOV/H40/one-stop");
}

static void test_write_refuses_what_no_reader_takes(void **state)
{
	Bus__Caller caller = BUS__CALLER__INIT;
	char *member = malloc(HEADER_MAX_BYTES + 1);
	struct err err = {0};
	uint8_t *frame = NULL;
	size_t n;

	(void)state;
	assert_non_null(member);
	memset(member, 'm', HEADER_MAX_BYTES);
	member[HEADER_MAX_BYTES] = '\0';
	caller.member = member;
	assert_int_equal(header_write(&caller.base, &arena, &frame, &n, &err), ERR_TOO_LARGE);
	assert_null(frame);
	free(member);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_golden_bytes),
		TEST(test_request_round_trip),
		TEST(test_request_fields_refused),
		TEST(test_frames_refused),
		TEST(test_trace_ids),
		TEST(test_every_status_there_and_back),
		TEST(test_fullest_error_fits),
		TEST(test_replies_of_strangers),
		TEST(test_long_text_of_a_stranger_is_cut_between_characters),
		TEST(test_hellos_and_caller),
		TEST(test_write_refuses_what_no_reader_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
