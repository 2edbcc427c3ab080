/*
 * The strict parser: what it takes, and the table of malformed requests, each fed whole, byte by
 * byte and in two pieces at every place: the answer must not depend on how bytes arrive.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/http/http.h"

#define BODY_MAX 64

struct parse_case {
	const char *name;
	const char *bytes;
	size_t n;   /* 0: a string */
	int status; /* to refuse with; 0: a request; -1: more is needed */
};

#define H      "GET / HTTP/1.1\r\nHost: a\r\n"
#define P      "POST / HTTP/1.1\r\nHost: a\r\n"
#define RAW(s) s, sizeof(s) - 1

static const struct parse_case cases[] = {
	{"plain", H "\r\n", 0, 0},
	{"body", P "Content-Length: 7\r\n\r\n1234567", 0, 0},
	{"no body yet", P "Content-Length: 7\r\n\r\n123456", 0, -1},
	{"length zero", P "Content-Length: 0\r\n\r\n", 0, 0},
	{"head not ended", H, 0, -1},
	/* framing */
	{"two different lengths", P "Content-Length: 7\r\nContent-Length: 8\r\n\r\n1234567", 0,
	 400},
	{"two equal lengths", P "Content-Length: 7\r\nContent-Length: 7\r\n\r\n1234567", 0, 400},
	{"length list", P "Content-Length: 7, 7\r\n\r\n1234567", 0, 400},
	{"length with plus", P "Content-Length: +7\r\n\r\n1234567", 0, 400},
	{"length negative", P "Content-Length: -1\r\n\r\n", 0, 400},
	{"length hex", P "Content-Length: 0x7\r\n\r\n1234567", 0, 400},
	{"length empty", P "Content-Length:\r\n\r\n", 0, 400},
	{"length with inner space", P "Content-Length: 1 7\r\n\r\n", 0, 400},
	{"length overflow", P "Content-Length: 18446744073709551623\r\n\r\n1234567", 0, 400},
	{"length above the limit", P "Content-Length: 65\r\n\r\n", 0, 413},
	{"length far above the limit", P "Content-Length: 999999999999999999\r\n\r\n", 0, 413},
	{"length and chunked", P "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	 0, 400},
	{"chunked and length", P "Transfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n0\r\n\r\n",
	 0, 400},
	{"xchunked", P "Transfer-Encoding: xchunked\r\n\r\n", 0, 501},
	{"chunked, identity", P "Transfer-Encoding: chunked, identity\r\n\r\n", 0, 501},
	{"valid chunked", P "Transfer-Encoding: chunked\r\n\r\n7\r\n1234567\r\n0\r\n\r\n", 0, 411},
	{"chunk size 0x7", P "Transfer-Encoding: chunked\r\n\r\n0x7\r\n1234567\r\n0\r\n\r\n", 0,
	 411},
	{"chunked twice", P "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 0,
	 400},
	/* lines */
	{"space before colon", H "X : 1\r\n\r\n", 0, 400},
	{"space before the colon of a length", P "Content-Length : 7\r\n\r\n1234567", 0, 400},
	{"bare LF between headers", "GET / HTTP/1.1\nHost: a\n\n", 0, 400},
	{"bare LF at the end", H "\n", 0, 400},
	{"bare CR in a value", H "X: a\rb\r\n\r\n", 0, 400},
	{"CR CR LF", H "X: a\r\r\n\r\n", 0, 400},
	{"obs-fold", H "X: a\r\n b\r\n\r\n", 0, 400},
	{"obs-fold first", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 0, 400},
	{"NUL in a value", RAW(H "X: a\0b\r\n\r\n"), 400},
	{"NUL in a name", RAW(H "X\0: a\r\n\r\n"), 400},
	{"DEL in a value", H "X: a\x7f\r\n\r\n", 0, 400},
	{"control in a value", H "X: a\x01\r\n\r\n", 0, 400},
	{"tab in a value", H "X: a\tb\r\n\r\n", 0, 0},
	{"no colon", H "X\r\n\r\n", 0, 400},
	{"empty name", H ": 1\r\n\r\n", 0, 400},
	{"empty value", H "X:\r\n\r\n", 0, 0},
	{"name with a slash", H "X/Y: 1\r\n\r\n", 0, 400},
	{"empty line first", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"only empty lines", "\r\n\r\n", 0, 400},
	/* host */
	{"no Host", "GET / HTTP/1.1\r\n\r\n", 0, 400},
	{"two Hosts", H "Host: b\r\n\r\n", 0, 400},
	{"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0, 400},
	{"Host with a slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 0, 400},
	{"Host with an at", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 0, 400},
	{"Host with a port", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 0, 0},
	/* request line */
	{"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"trailing space", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 0, 505},
	{"leading space", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"tab for space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"HTTP/0.9", "GET /\r\n\r\n", 0, 400},
	{"HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", 0, 505},
	{"HTTP/2.0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, 505},
	{"lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 501},
	{"CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 0, 501},
	{"lower-case method", "get / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 501},
	{"method with a colon", "G:T / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"TLS hello", RAW("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), 400},
	{"TLS hello without a NUL", "\x16\x03\x01\x02", 0, 400},
	/* target */
	{"absolute form", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"fragment", "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"backslash", "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"raw UTF-8", "GET /\xc4\x91 HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"escaped UTF-8", "GET /%c4%91 HTTP/1.1\r\nHost: a\r\n\r\n", 0, 0},
	{"escaped Latin-1", "GET /%e9 HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"overlong slash", "GET /%c0%af HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"escaped NUL", "GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"escaped NUL in the query", "GET /?a%00 HTTP/1.1\r\nHost: a\r\n\r\n", 0, 0},
	{"escaped slash", "GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"escaped newline", "GET /a%0a HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"half an escape", "GET /a%2 HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"half an escape in the query", "GET /?a=%z1 HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"dot-dot", "GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"escaped dot-dot", "GET /%2e%2e/b HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
	{"dots in a name", "GET /..a/b..c HTTP/1.1\r\nHost: a\r\n\r\n", 0, 0},
	/* expectations */
	{"100-continue", P "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx", 0, 0},
	{"another expectation", P "Expect: 200-ok\r\nContent-Length: 1\r\n\r\nx", 0, 417},
};

static int outcome(struct http_parser *p, enum http_parse r)
{
	if (r == HTTP_PARSE_ERROR)
		return http_parser_status(p);
	return r == HTTP_PARSE_DONE ? 0 : -1;
}

/* Feeds a piece; bytes left over belong to a next request. */
static int feed(struct http_parser *p, const char *bytes, size_t n)
{
	size_t used = 0;
	enum http_parse r = http_parser_feed(p, bytes, n, &used);

	assert_true(used <= n);
	if (r == HTTP_PARSE_MORE)
		assert_int_equal(used, n);
	return outcome(p, r);
}

static int feed_in_two(const struct parse_case *pc, size_t n, size_t cut)
{
	struct http_parser *p = http_parser_new(BODY_MAX);
	int got = feed(p, pc->bytes, cut);

	if (got == -1)
		got = feed(p, pc->bytes + cut, n - cut);
	http_parser_free(p);
	return got;
}

static int feed_bytewise(const struct parse_case *pc, size_t n)
{
	struct http_parser *p = http_parser_new(BODY_MAX);
	int got = -1;

	for (size_t i = 0; i < n && got == -1; i++)
		got = feed(p, pc->bytes + i, 1);
	http_parser_free(p);
	return got;
}

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct parse_case *pc = &cases[i];
		size_t n = pc->n > 0 ? pc->n : strlen(pc->bytes);
		int bytewise = feed_bytewise(pc, n);

		if (bytewise != pc->status)
			fail_msg("%s, byte by byte: %d, not %d", pc->name, bytewise, pc->status);
		for (size_t cut = 0; cut <= n; cut++) {
			int got = feed_in_two(pc, n, cut);

			if (got != pc->status)
				fail_msg("%s, cut at %zu: %d, not %d", pc->name, cut, got,
					 pc->status);
		}
	}
}

static int parse_built(const struct buf *b)
{
	struct parse_case pc = {.bytes = buf_str(b)};

	return feed_in_two(&pc, b->len, 0);
}

static void test_limits(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	buf_puts(&b, H);
	for (int i = 0; i < 63; i++)
		buf_printf(&b, "X%d: 1\r\n", i);
	buf_puts(&b, "\r\n");
	assert_int_equal(parse_built(&b), 0); /* 64 with Host */

	buf_consume(&b, 0);
	b.len -= 2;
	buf_puts(&b, "X63: 1\r\n\r\n");
	assert_int_equal(parse_built(&b), 431);

	buf_reset(&b);
	buf_puts(&b, H "X: ");
	for (int i = 0; i < 100 * 1024; i++)
		buf_puts(&b, "a");
	assert_int_equal(parse_built(&b), 431); /* without an end in sight */
	buf_puts(&b, "\r\n\r\n");
	assert_int_equal(parse_built(&b), 431);

	buf_reset(&b);
	buf_puts(&b, H);
	for (int i = 0; i < 5000; i++)
		buf_puts(&b, "a:b\r\n");
	buf_puts(&b, "\r\n");
	assert_int_equal(parse_built(&b), 431);

	buf_reset(&b);
	buf_puts(&b, "GET /");
	for (int i = 0; i < 4096; i++)
		buf_puts(&b, "a");
	buf_puts(&b, " HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(parse_built(&b), 414);
	buf_done(&b);
}

static const char *feed_whole(struct http_parser *p, const char *bytes)
{
	size_t used = 0;

	assert_int_equal(http_parser_feed(p, bytes, strlen(bytes), &used), HTTP_PARSE_DONE);
	return bytes + used;
}

static void test_request_as_received(void **state)
{
	struct http_parser *p = http_parser_new(BODY_MAX);
	const char *left = feed_whole(p, "POST /a%20b/?x=1&y=%C4%91 HTTP/1.1\r\n"
					 "HOST: a\r\nX-RoAd: 1 \t\r\nx-road: 2\r\n"
					 "Connection: keep-alive, CLOSE\r\n"
					 "content-length: 3\r\n\r\nabcGET /next");
	struct http_request *r = http_parser_request(p);

	(void)state;
	assert_string_equal(left, "GET /next");
	assert_string_equal(r->method, "POST");
	assert_string_equal(r->target, "/a%20b/?x=1&y=%C4%91");
	assert_string_equal(r->path, "/a b/");
	assert_string_equal(r->query, "x=1&y=%C4%91");
	assert_int_equal(r->n_headers, 5);
	assert_string_equal(r->headers[1].name, "X-RoAd");
	assert_string_equal(r->headers[1].value, "1");
	assert_string_equal(http_header(r, "X-ROAD"), "1");
	assert_null(http_header(r, "X-Roa"));
	assert_int_equal(r->body_len, 3);
	assert_memory_equal(r->body, "abc", 3);
	assert_false(r->keep_alive);
	http_parser_free(p);
}

static void test_next_request_starts_clean(void **state)
{
	struct http_parser *p = http_parser_new(BODY_MAX);
	struct http_request *r;

	(void)state;
	feed_whole(p, P "Connection: close\r\nContent-Length: 2\r\n\r\nxy");
	http_parser_reset(p);
	feed_whole(p, H "\r\n");
	r = http_parser_request(p);
	assert_int_equal(r->body_len, 0);
	assert_int_equal(r->n_headers, 1);
	assert_true(r->keep_alive);
	http_parser_free(p);
}

static void test_continue_is_wanted_once(void **state)
{
	struct http_parser *p = http_parser_new(BODY_MAX);

	(void)state;
	assert_int_equal(feed(p, RAW(P "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n")), -1);
	assert_true(http_parser_in_body(p));
	assert_true(http_parser_wants_continue(p));
	assert_false(http_parser_wants_continue(p));
	http_parser_reset(p);
	assert_int_equal(feed(p, RAW(P "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nxy")), 0);
	assert_false(http_parser_wants_continue(p)); /* the client did not wait */
	http_parser_free(p);
}

static void test_params(void **state)
{
	static const struct {
		const char *text, *name, *want;
	} rows[] = {
		{"a=1&b=2", "b", "2"},
		{"a=1&b=2", "c", NULL},
		{"a=x+y%20z", "a", "x y z"},
		{"a=", "a", ""},
		{"a", "a", NULL},
		{"a=1&a=2", "a", NULL},
		{"a=%zz", "a", NULL},
		{"a=%c4%91", "a", "\u0111"},
		{"a=%c4", "a", NULL},
		{"a=%00", "a", NULL},
		{"%61=1", "a", "1"},
		{"&&a=1&", "a", "1"},
		{"a=b=c", "a", "b=c"},
		{"", "a", NULL},
		{"a=%4", "a", NULL},
		{"b=%zz&a=1", "a", "1"},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 16);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *got = http_param(&arena, rows[i].text, rows[i].name);

		if (!rows[i].want)
			assert_null(got);
		else
			assert_string_equal(got, rows[i].want);
	}
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_request_as_received),
		cmocka_unit_test(test_next_request_starts_clean),
		cmocka_unit_test(test_continue_is_wanted_once),
		cmocka_unit_test(test_params),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
