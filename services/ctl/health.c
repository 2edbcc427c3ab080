/* health: asks every process in LGSP_HEALTH ("name=unix:/path name=127.0.0.1:port ...") whether it
 * is ready. */
#include <arpa/inet.h>
#include <errno.h>
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
#include "common/base/env.h"
#include "services/ctl/ctl.h"

#define ANSWER_MS    2000
#define ANSWER_BYTES 4096
#define NAMES_MAX    64

static int connect_unix(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof addr.sun_path)
		return -1;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof addr) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int connect_tcp(const char *address)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	char host[64];
	int port = 0;

	if (sscanf(address, "%63[0-9.]:%d", host, &port) != 2 || port < 1 || port > 65535 ||
	    inet_pton(AF_INET, host, &addr.sin_addr) != 1)
		return -1;
	addr.sin_port = htons((uint16_t)port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof addr) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Reads what comes until the peer closes or the time is over. */
static size_t read_answer(int fd, char out[static ANSWER_BYTES])
{
	int64_t end_us = clock_mono_us() + ANSWER_MS * 1000;
	size_t n = 0;

	while (n < ANSWER_BYTES - 1) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left_us = end_us - clock_mono_us();

		if (left_us <= 0 || poll(&p, 1, (int)(left_us / 1000) + 1) <= 0)
			break;
		ssize_t got = read(fd, out + n, ANSWER_BYTES - 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	out[n] = '\0';
	return n;
}

/* True when /readyz answers 200; what it says otherwise goes to why. */
static bool is_ready(const char *address, char *why, size_t why_bytes)
{
	static const char request[] =
		"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	char answer[ANSWER_BYTES];
	bool is_unix = strncmp(address, "unix:", 5) == 0;
	CLEANUP_FD int fd = is_unix ? connect_unix(address + 5) : connect_tcp(address);

	if (fd < 0 || write(fd, request, sizeof request - 1) != (ssize_t)sizeof request - 1) {
		snprintf(why, why_bytes, "does not answer");
		return false;
	}
	read_answer(fd, answer);
	const char *body = strstr(answer, "\r\n\r\n");

	body = body ? body + 4 : "no answer";
	snprintf(why, why_bytes, "%.*s", (int)strcspn(body, "\r\n"), body);
	return strncmp(answer, "HTTP/1.1 200", 12) == 0;
}

/* One round. Returns how many are not ready; with print, a line each. */
static int ask_all(const char *list, bool print)
{
	CLEANUP_FREE char *copy = base_strdup(list);
	char *save = NULL;
	int away = 0;

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char *address = strchr(w, '=');
		char why[256];

		if (!address)
			return ctl_say(-1, "LGSP_HEALTH: \"%s\" is not NAME=ADDRESS", w);
		*address++ = '\0';
		bool ready = is_ready(address, why, sizeof why);

		away += !ready;
		if (print)
			printf("%-14s %s%s%s\n", w, ready ? "ready" : "NOT READY",
			       ready ? "" : ": ", ready ? "" : why);
	}
	return away;
}

int ctl_health(int argc, char **argv)
{
	const char *wait = "0";
	const struct ctl_option options[] = {{"--wait", true, &wait}};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	const char *list = ctl_setting("LGSP_HEALTH", NULL);
	int64_t wait_s = 0;

	if (words < 0)
		return -words;
	if (words != 1)
		return ctl_say(EXIT_USAGE, "health takes no words");
	int rc = ctl_number("--wait", wait, 0, 3600, &wait_s);

	if (rc != 0)
		return rc;
	if (!list)
		return EXIT_CONFIG;
	int64_t end_us = clock_mono_us() + wait_s * CLOCK_US_PER_S;

	while (clock_mono_us() < end_us && ask_all(list, false) > 0)
		usleep(100000);
	int away = ask_all(list, true);

	return away < 0 ? EXIT_CONFIG : away > 0 ? CTL_FAILED : 0;
}
