/*
 * The request parser: must not crash, must read the same whole and byte by byte, and whatever it
 * takes must be framed by a single Content-Length at most.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/base.h"
#include "common/http/http.h"

#define BODY_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(struct http_request *req)
{
	unsigned lengths = 0;

	for (unsigned i = 0; i < req->n_headers; i++) {
		CHECK(strcasecmp(req->headers[i].name, "Transfer-Encoding") != 0);
		lengths += strcasecmp(req->headers[i].name, "Content-Length") == 0;
		CHECK(strpbrk(req->headers[i].value, "\r\n") == NULL);
	}
	CHECK(lengths <= 1 && (lengths == 1 || req->body_len == 0));
	CHECK(req->path[0] == '/' && strstr(req->path, "/../") == NULL);
	CHECK(http_header(req, "Host") != NULL);
	http_param(req->arena, req->query, "a");
}

/* Result of the first request in the bytes, and how many were used. */
static enum http_parse parse(struct http_parser *p, const uint8_t *data, size_t size, size_t step,
			     size_t *ret_used)
{
	enum http_parse r = HTTP_PARSE_MORE;
	size_t at = 0;

	while (at < size && r == HTTP_PARSE_MORE) {
		size_t n = size - at < step ? size - at : step;
		size_t used = 0;

		r = http_parser_feed(p, data + at, n, &used);
		CHECK(used <= n && (used == n || r != HTTP_PARSE_MORE));
		at += used;
	}
	*ret_used = at;
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_parser *whole = http_parser_new(BODY_MAX);
	struct http_parser *bytes = http_parser_new(BODY_MAX);
	size_t used_whole, used_bytes;
	enum http_parse a = parse(whole, data, size, size, &used_whole);
	enum http_parse b = parse(bytes, data, size, 1, &used_bytes);

	CHECK(a == b && http_parser_status(whole) == http_parser_status(bytes));
	if (a == HTTP_PARSE_DONE) {
		CHECK(used_whole == used_bytes);
		check_request(http_parser_request(whole));
		http_parser_reset(whole);
		parse(whole, data + used_whole, size - used_whole, size, &used_whole);
	}
	http_parser_free(whole);
	http_parser_free(bytes);
	return 0;
}
