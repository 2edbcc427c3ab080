/* The bytes of a response. */
#ifndef LGSP_HTTP_RESPONSE_H
#define LGSP_HTTP_RESPONSE_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/http/http.h"

/*
 * Head and body of a response. without_body: to a HEAD request. A header that would break the
 * framing (control characters, our own Content-Length, Connection, Date) makes it a plain 500.
 */
void response_write(const struct http_response *res, bool without_body, bool close,
		    struct buf *out);

/* The answer to bytes that are no request; always closes. */
void response_write_refusal(int status, struct buf *out);

#endif
