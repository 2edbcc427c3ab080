#include "tests/support/fetch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/buf.h"

#define ANSWER_MAX_BYTES (4 << 20)

static int connect_to(const char *listen)
{
	bool is_unix = strncmp(listen, "unix:", 5) == 0;
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	struct sockaddr_in remote = {.sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	if (is_unix) {
		snprintf(local.sun_path, sizeof(local.sun_path), "%s", listen + 5);
		CHECK(connect(fd, (struct sockaddr *)&local, sizeof(local)) == 0);
	} else {
		CHECK(strncmp(listen, "127.0.0.1:", 10) == 0);
		remote.sin_port = htons((uint16_t)atoi(listen + 10));
		CHECK(connect(fd, (struct sockaddr *)&remote, sizeof(remote)) == 0);
	}
	return fd;
}

int fetch_send_raw(const char *listen, const void *bytes, size_t n)
{
	struct timeval tv = {.tv_sec = 20};
	int fd = connect_to(listen);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	CHECK(send(fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n);
	return fd;
}

int fetch_send(const char *listen, const char *head, const void *body, size_t n)
{
	const char *rest = strstr(head, "\r\n");
	struct buf text;
	int fd;

	CHECK(rest);
	buf_init(&text, ANSWER_MAX_BYTES);
	buf_printf(&text, "%.*s\r\nHost: test\r\nConnection: close\r\nContent-Length: %zu%s\r\n",
		   (int)(rest - head), head, n, rest);
	buf_append(&text, body, n);
	fd = fetch_send_raw(listen, text.data, text.len);
	buf_done(&text);
	return fd;
}

struct fetch_answer *fetch_read(struct arena *arena, int fd)
{
	struct fetch_answer *a = arena_alloc(arena, sizeof(*a));
	struct buf text;
	char chunk[16384];
	const char *all, *end;
	ssize_t n;

	CHECK(a);
	buf_init(&text, ANSWER_MAX_BYTES);
	while ((n = recv(fd, chunk, sizeof(chunk), 0)) > 0)
		CHECK(buf_append(&text, chunk, (size_t)n) == 0);
	CHECK(n == 0);
	close(fd);
	all = buf_str(&text);
	end = strstr(all, "\r\n\r\n");
	CHECK(end && sscanf(all, "HTTP/1.1 %d ", &a->status) == 1);
	a->body_len = text.len - (size_t)(end + 4 - all);
	a->body = arena_memdup(arena, end + 4, a->body_len);
	a->head = arena_memdup(arena, all, (size_t)(end + 2 - all));
	CHECK(a->body && a->head);
	buf_done(&text);
	return a;
}
