/* The other side of health checks: asks a process for one of its documents. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/number.h"
#include "common/http/http.h"

#define ASK_MS           3000
#define ANSWER_BYTES_MAX (1024 * 1024)

static int connect_unix(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(addr.sun_path))
		return fd;
	memcpy(addr.sun_path, path, strlen(path));
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 ? fd : (close(fd), -1);
}

static int connect_tcp(const char *host_port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	const char *colon = strrchr(host_port, ':');
	char host[64];
	int64_t port;
	int fd;

	if (colon == NULL || (size_t)(colon - host_port) >= sizeof(host) ||
	    number_parse(colon + 1, 1, 65535, &port) < 0)
		return -1;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - host_port), host_port);
	/* A listener on every address is asked on the loopback one. */
	if (strcmp(host, "0.0.0.0") == 0 || inet_pton(AF_INET, host, &addr.sin_addr) != 1)
		addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr.sin_port = htons((uint16_t)port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 ? fd : (close(fd), -1);
}

/* Reads what comes until the peer closes or the time is over. */
static void read_answer(int fd, struct buf *out)
{
	int64_t end_us = clock_mono_us() + ASK_MS * 1000;
	char chunk[4096];

	for (;;) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		int64_t left_us = end_us - clock_mono_us();

		if (left_us <= 0 || poll(&pfd, 1, (int)(left_us / 1000) + 1) <= 0)
			return;
		ssize_t n = recv(fd, chunk, sizeof(chunk), 0);

		if (n <= 0 || buf_append(out, chunk, (size_t)n) < 0)
			return;
	}
}

/* Status of an answer that is whole up to its body; 0 when it is not. */
static int status_of(const struct buf *answer)
{
	static const char version[] = "HTTP/1.1 ";
	int64_t status = 0;

	if (strncmp(buf_str(answer), version, sizeof(version) - 1) != 0 ||
	    strstr(buf_str(answer), "\r\n\r\n") == NULL)
		return 0;
	number_prefix(buf_str(answer) + sizeof(version) - 1, 100, 599, &status);
	return (int)status;
}

int http_ask(const char *listen, const char *path, struct buf *ret_body)
{
	char request[256];
	struct buf answer;
	CLEANUP_FD int fd =
		strncmp(listen, "unix:", 5) == 0 ? connect_unix(listen + 5) : connect_tcp(listen);
	int n = snprintf(request, sizeof(request),
			 "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);

	if (fd < 0 || n >= (int)sizeof(request) || send(fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		return 0;
	buf_init(&answer, ANSWER_BYTES_MAX);
	read_answer(fd, &answer);
	int status = status_of(&answer);

	if (status > 0 && ret_body)
		buf_puts(ret_body, strstr(buf_str(&answer), "\r\n\r\n") + 4);
	buf_done(&answer);
	return status;
}

int http_probe(const char *listen)
{
	return http_ask(listen, "/healthz", NULL) == 200 ? 0 : 1;
}
