/* The other side of a health check: asks a process for its /healthz. */
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
#include "common/base/number.h"
#include "common/http/http.h"

#define ASK_MS 3000

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

int http_probe(const char *listen)
{
	static const char request[] =
		"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	static const char ok[] = "HTTP/1.1 200 ";
	char head[sizeof(ok) - 1];
	size_t got = 0;
	CLEANUP_FD int fd =
		strncmp(listen, "unix:", 5) == 0 ? connect_unix(listen + 5) : connect_tcp(listen);
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	if (fd < 0 || send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
		return 1;
	while (got < sizeof(head)) {
		ssize_t n = poll(&pfd, 1, ASK_MS) > 0 ? recv(fd, head + got, sizeof(head) - got, 0)
						      : -1;

		if (n <= 0)
			return 1;
		got += (size_t)n;
	}
	return memcmp(head, ok, sizeof(head)) == 0 ? 0 : 1;
}
