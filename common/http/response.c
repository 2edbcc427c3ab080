#include "common/http/response.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/base/base.h"
#include "common/base/clock.h"

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{100, "Continue"},
	{200, "OK"},
	{201, "Created"},
	{204, "No Content"},
	{302, "Found"},
	{303, "See Other"},
	{304, "Not Modified"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{406, "Not Acceptable"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{411, "Length Required"},
	{412, "Precondition Failed"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{415, "Unsupported Media Type"},
	{417, "Expectation Failed"},
	{422, "Unprocessable Content"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{499, "Client Closed Request"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"},
};

const char *http_reason(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		if (reasons[i].status == status)
			return reasons[i].reason;
	}
	return "Unknown";
}

/* RFC 9110 section 5.6.7, without strftime(): names must not follow a locale. */
static void write_date(struct buf *out)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t now = (time_t)(clock_wall_us() / CLOCK_US_PER_S);
	struct tm tm;

	gmtime_r(&now, &tm);
	buf_printf(out, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d GMT\r\n", days + tm.tm_wday * 3,
		   tm.tm_mday, months + tm.tm_mon * 3, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
		   tm.tm_sec);
}

static bool is_clean(const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static bool is_ours(const char *name)
{
	static const char *const names[] = {"Content-Length", "Connection", "Date",
					    "Transfer-Encoding", "Content-Type"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcasecmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

static bool headers_fit(const struct http_response *res)
{
	if (res->content_type && !is_clean(res->content_type))
		return false;
	for (unsigned i = 0; i < res->n_headers; i++) {
		const struct http_header *h = &res->headers[i];

		if (is_ours(h->name) || !is_clean(h->name) || strpbrk(h->name, ": \t") ||
		    !is_clean(h->value))
			return false;
	}
	return true;
}

void response_write(const struct http_response *res, bool without_body, bool close, struct buf *out)
{
	static const struct http_response broken = {.status = 500};
	bool has_body;

	if (res->status < 200 || res->status > 599 || !headers_fit(res))
		res = &broken;
	/* RFC 9110 section 8.6: no Content-Length where there can be no content. */
	has_body = res->status != 204 && res->status != 304;
	buf_printf(out, "HTTP/1.1 %d %s\r\n", res->status, http_reason(res->status));
	write_date(out);
	if (has_body)
		buf_printf(out, "Content-Length: %zu\r\n", res->body_len);
	if (has_body && res->content_type)
		buf_printf(out, "Content-Type: %s\r\n", res->content_type);
	for (unsigned i = 0; i < res->n_headers; i++)
		buf_printf(out, "%s: %s\r\n", res->headers[i].name, res->headers[i].value);
	if (close)
		buf_puts(out, "Connection: close\r\n");
	buf_puts(out, "\r\n");
	if (has_body && !without_body && res->body_len > 0)
		buf_append(out, res->body, res->body_len);
}

void response_write_refusal(int status, struct buf *out)
{
	char body[64];
	int n = snprintf(body, sizeof(body), "%d %s\n", status, http_reason(status));
	struct http_response res = {.status = status,
				    .content_type = "text/plain; charset=utf-8",
				    .body = body,
				    .body_len = (size_t)n};

	response_write(&res, false, true, out);
}
