/*
 * The strict request parser. The head is collected byte by byte, so that a bare CR or LF and other
 * control characters are refused at once; when its empty line has come it is taken apart in place.
 * RFC 9112, with every freedom a second parser could read differently taken away (request
 * smuggling).
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/utf8.h"
#include "common/http/http.h"
#include "common/http/uri.h"

#define HEAD_MAX_BYTES   (16 * 1024)
#define TARGET_MAX_BYTES (4 * 1024)
#define LENGTH_MAX_CHARS 18 /* of Content-Length: fits a uint64_t */

enum parser_state { IN_HEAD, IN_BODY, IS_DONE, IS_FAILED };

struct http_parser {
	enum parser_state state;
	int status;
	size_t body_max;
	struct buf head; /* as received; cut into strings once complete */
	struct buf body;
	size_t body_len;        /* by Content-Length */
	unsigned line_end_seen; /* of CR LF CR LF */
	bool wants_continue;
	struct arena arena;
	struct http_request req;
};

/* What the head says about framing and the connection. */
struct head_facts {
	const char *content_length;
	const char *transfer_encoding;
	const char *host;
	const char *expect;
	bool close;
};

struct http_parser *http_parser_new(size_t body_max)
{
	struct http_parser *p = base_alloc(sizeof(*p));

	p->body_max = body_max;
	buf_init(&p->head, HEAD_MAX_BYTES);
	buf_init(&p->body, body_max > 0 ? body_max : 1);
	/* Room for the decoded path and for what a handler makes of the body. */
	arena_init(&p->arena, (size_t)1024 * 1024 + 8 * body_max);
	return p;
}

void http_parser_free(struct http_parser *p)
{
	if (!p)
		return;
	buf_done(&p->head);
	buf_done(&p->body);
	arena_done(&p->arena);
	free(p);
}

void http_parser_reset(struct http_parser *p)
{
	p->state = IN_HEAD;
	p->status = 0;
	buf_reset(&p->head);
	/* An idle connection must not keep the room of the largest body it ever carried. */
	buf_done(&p->body);
	p->body_len = 0;
	p->line_end_seen = 0;
	p->wants_continue = false;
	arena_done(&p->arena);
	memset(&p->req, 0, sizeof(p->req));
}

struct http_request *http_parser_request(struct http_parser *p)
{
	CHECK(p->state == IS_DONE);
	return &p->req;
}

int http_parser_status(const struct http_parser *p)
{
	return p->status;
}

bool http_parser_wants_continue(struct http_parser *p)
{
	bool wants = p->wants_continue && p->state == IN_BODY;

	p->wants_continue = false;
	return wants;
}

bool http_parser_in_head(const struct http_parser *p)
{
	return p->state == IN_HEAD && p->head.len > 0;
}

bool http_parser_in_body(const struct http_parser *p)
{
	return p->state == IN_BODY;
}

static enum http_parse parser_fail(struct http_parser *p, int status)
{
	p->state = IS_FAILED;
	p->status = status;
	return HTTP_PARSE_ERROR;
}

/* RFC 9110 section 5.6.2. */
static bool is_tchar(unsigned char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_token(const char *s)
{
	const char *c = s;

	while (is_tchar((unsigned char)*c))
		c++;
	return c != s && *c == '\0';
}

/* reg-name, IPv4 or bracketed IPv6, and a port: only characters that no URL parser disagrees on. */
static bool is_host(const char *s)
{
	const char *p;

	for (p = s; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (!(is_tchar(c) || c == ':' || c == '[' || c == ']') || strchr("#%^`|\\", c))
			return false;
	}
	return p != s && p - s < 256;
}

/* One element of a comma-separated list, without regard to case. */
static bool list_has(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; *p;) {
		size_t len;

		p += strspn(p, ", \t");
		len = strcspn(p, ", \t");
		if (len == n && strncasecmp(p, word, n) == 0)
			return true;
		p += len;
	}
	return false;
}

static bool is_method(const char *s)
{
	static const char *const methods[] = {"GET",   "HEAD",   "POST",   "PUT",
					      "PATCH", "DELETE", "OPTIONS"};

	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (strcmp(s, methods[i]) == 0)
			return true;
	}
	return false;
}

/* "METHOD SP target SP HTTP/1.1". Returns 0 or the status to refuse with. */
static int parse_request_line(struct http_parser *p, char *line)
{
	char *target = strchr(line, ' ');
	char *version = target ? strchr(target + 1, ' ') : NULL;
	char *query;

	if (!version)
		return 400;
	*target++ = '\0';
	*version++ = '\0';
	if (!is_token(line))
		return 400;
	if (strncmp(version, "HTTP/", 5) != 0)
		return 400;
	if (strcmp(version, "HTTP/1.1") != 0)
		return 505;
	if (!is_method(line))
		return 501;
	if (strlen(target) > TARGET_MAX_BYTES)
		return 414;
	if (!uri_is_origin_form(target))
		return 400;
	p->req.method = line;
	p->req.target = target;
	query = strchr(target, '?');
	p->req.query = query ? query + 1 : "";
	p->req.path = uri_decode_path(&p->arena, target,
				      query ? (size_t)(query - target) : strlen(target));
	return p->req.path ? 0 : 400;
}

/* A header that may stand only once. Returns 0 or 400. */
static int fact_once(const char **slot, const char *value)
{
	if (*slot)
		return 400;
	*slot = value;
	return 0;
}

static int note_fact(struct head_facts *facts, const struct http_header *h)
{
	if (strcasecmp(h->name, "Content-Length") == 0)
		return fact_once(&facts->content_length, h->value);
	if (strcasecmp(h->name, "Transfer-Encoding") == 0)
		return fact_once(&facts->transfer_encoding, h->value);
	if (strcasecmp(h->name, "Host") == 0)
		return fact_once(&facts->host, h->value);
	if (strcasecmp(h->name, "Expect") == 0)
		return fact_once(&facts->expect, h->value);
	if (strcasecmp(h->name, "Connection") == 0)
		facts->close = facts->close || list_has(h->value, "close");
	return 0;
}

/* "name:OWS value OWS". A line that starts with white space (obs-fold) has no valid name. */
static int parse_header(struct http_parser *p, char *line, struct head_facts *facts)
{
	char *colon = strchr(line, ':');
	struct http_header *h;
	char *value, *end;

	if (!colon)
		return 400;
	*colon = '\0';
	if (!is_token(line))
		return 400;
	if (p->req.n_headers == HTTP_HEADERS_MAX)
		return 431;
	value = colon + 1 + strspn(colon + 1, " \t");
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	h = &p->req.headers[p->req.n_headers++];
	h->name = line;
	h->value = value;
	return note_fact(facts, h);
}

static int parse_length(struct http_parser *p, const char *text)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t n = 0;

	if (digits == 0 || digits > LENGTH_MAX_CHARS || text[digits] != '\0')
		return 400;
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (uint64_t)(text[i] - '0');
	if (n > p->body_max)
		return 413;
	p->body_len = (size_t)n;
	return 0;
}

/* The body's length, from Content-Length only. */
static int frame_body(struct http_parser *p, const struct head_facts *facts)
{
	if (!facts->host || !is_host(facts->host))
		return 400;
	if (facts->transfer_encoding && facts->content_length)
		return 400;
	if (facts->transfer_encoding)
		return strcasecmp(facts->transfer_encoding, "chunked") == 0 ? 411 : 501;
	if (facts->expect && strcasecmp(facts->expect, "100-continue") != 0)
		return 417;
	p->wants_continue = facts->expect != NULL;
	return facts->content_length ? parse_length(p, facts->content_length) : 0;
}

/* Cuts the complete head into lines. Returns 0 or the status to refuse with. */
static int parse_head(struct http_parser *p)
{
	struct head_facts facts = {0};
	char *line = (char *)p->head.data;
	char *next = strstr(line, "\r\n");
	int status;

	*next = '\0';
	status = parse_request_line(p, line);
	for (line = next + 2; status == 0 && line[0] != '\r'; line = next + 2) {
		next = strstr(line, "\r\n");
		*next = '\0';
		status = parse_header(p, line, &facts);
	}
	if (status == 0)
		status = frame_body(p, &facts);
	p->req.keep_alive = !facts.close;
	return status;
}

/* Follows CR LF CR LF. False when a byte may not stand where it does. */
static bool head_byte(struct http_parser *p, unsigned char c)
{
	bool want_lf = p->line_end_seen % 2 == 1;

	if ((c == '\n') != want_lf)
		return false;
	if (c == '\n' || c == '\r') {
		p->line_end_seen++;
		return true;
	}
	p->line_end_seen = 0;
	/* No other control character has a place in a head: a TLS client learns it at once. */
	return (c >= ' ' && c != 0x7f) || c == '\t';
}

static enum http_parse feed_head(struct http_parser *p, const uint8_t *bytes, size_t n,
				 size_t *used)
{
	size_t room = HEAD_MAX_BYTES - p->head.len;
	size_t i = 0;
	int status;

	while (i < n && p->line_end_seen < 4) {
		if (i == room)
			return parser_fail(p, 431);
		if (!head_byte(p, bytes[i++]))
			return parser_fail(p, 400);
	}
	CHECK(buf_append(&p->head, bytes, i) == 0);
	*used += i;
	if (p->line_end_seen < 4) {
		/* An empty first line: nothing in front of a request is skipped. */
		return p->head.len >= 2 && p->head.data[0] == '\r' ? parser_fail(p, 400)
								   : HTTP_PARSE_MORE;
	}
	if (p->head.data[0] == '\r')
		return parser_fail(p, 400);
	p->req.arena = &p->arena;
	status = parse_head(p);
	if (status != 0)
		return parser_fail(p, status);
	p->state = IN_BODY;
	return HTTP_PARSE_MORE;
}

static enum http_parse feed_body(struct http_parser *p, const uint8_t *bytes, size_t n,
				 size_t *used)
{
	size_t want = p->body_len - p->body.len;
	size_t take = n < want ? n : want;

	if (take > 0) {
		CHECK(buf_append(&p->body, bytes, take) == 0);
		*used += take;
	}
	if (p->body.len < p->body_len)
		return HTTP_PARSE_MORE;
	p->req.body = (const uint8_t *)buf_str(&p->body);
	p->req.body_len = p->body_len;
	p->state = IS_DONE;
	return HTTP_PARSE_DONE;
}

enum http_parse http_parser_feed(struct http_parser *p, const void *bytes, size_t n,
				 size_t *ret_used)
{
	const uint8_t *at = bytes;
	size_t used = 0;
	enum http_parse r = HTTP_PARSE_MORE;

	if (p->state == IN_HEAD && n > 0)
		r = feed_head(p, at, n, &used);
	if (p->state == IN_BODY)
		r = feed_body(p, at + used, n - used, &used);
	else if (p->state == IS_DONE)
		r = HTTP_PARSE_DONE;
	else if (p->state == IS_FAILED)
		r = HTTP_PARSE_ERROR;
	*ret_used = used;
	return r;
}

const char *http_header(const struct http_request *req, const char *name)
{
	for (unsigned i = 0; i < req->n_headers; i++) {
		if (strcasecmp(req->headers[i].name, name) == 0)
			return req->headers[i].value;
	}
	return NULL;
}
