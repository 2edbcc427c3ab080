/* A blocking HTTP client for tests: one request per connection. */
#ifndef LGSP_TESTS_SUPPORT_FETCH_H
#define LGSP_TESTS_SUPPORT_FETCH_H

#include <stddef.h>

#include "common/base/arena.h"

/* Lives in the arena it was read into. */
struct fetch_answer {
	int status;
	const char *head; /* ends with CR LF */
	const char *body; /* with a NUL behind */
	size_t body_len;
};

/*
 * Sends a request to "unix:/path" or "127.0.0.1:port". head: request line and headers, each with CR
 * LF; Host, Connection: close and Content-Length are added. Returns the socket for fetch_read().
 */
int fetch_send(const char *listen, const char *head, const void *body, size_t n);
/* Sends bytes as they are. */
int fetch_send_raw(const char *listen, const void *bytes, size_t n);
/* Reads until the server closes; waits 20 s at most. Aborts the test when what comes is no answer.
 */
struct fetch_answer *fetch_read(struct arena *arena, int fd);

#endif
