#include "services/ctl/health.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/env.h"
#include "common/base/number.h"
#include "services/ctl/ctl.h"

#define ANSWER_MS        2000
#define ANSWER_BYTES_MAX 65536
#define AGAIN_US         100000

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
	const char *colon = strrchr(address, ':');
	char host[64];
	int64_t port;

	if (!colon || number_parse(colon + 1, 1, 65535, &port) < 0 ||
	    snprintf(host, sizeof host, "%.*s", (int)(colon - address), address) >=
		    (int)sizeof host ||
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
static void read_answer(int fd, struct buf *out)
{
	int64_t end_us = clock_mono_us() + ANSWER_MS * 1000;
	char chunk[4096];

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left_us = end_us - clock_mono_us();

		if (left_us <= 0 || poll(&p, 1, (int)(left_us / 1000) + 1) <= 0)
			return;
		ssize_t n = read(fd, chunk, sizeof chunk);

		if (n <= 0 || buf_append(out, chunk, (size_t)n) < 0)
			return;
	}
}

int health_get(const char *address, const char *path, json_t **ret_json)
{
	bool is_unix = strncmp(address, "unix:", 5) == 0;
	CLEANUP_FD int fd = is_unix ? connect_unix(address + 5) : connect_tcp(address);
	struct buf answer;
	char request[256];
	int64_t status = 0;

	if (ret_json)
		*ret_json = NULL;
	int n = snprintf(request, sizeof request,
			 "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);

	if (fd < 0 || send(fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		return 0;
	buf_init(&answer, ANSWER_BYTES_MAX);
	read_answer(fd, &answer);
	const char *body = strstr(buf_str(&answer), "\r\n\r\n");

	if (!body || strncmp(buf_str(&answer), "HTTP/1.1 ", 9) != 0 ||
	    number_prefix(buf_str(&answer) + 9, 100, 599, &status) < 0)
		status = 0;
	else if (ret_json)
		*ret_json = json_loads(body + 4, 0, NULL);
	buf_done(&answer);
	return status;
}

int health_each(const char *list, int (*fn)(const char *, const char *, void *), void *arg)
{
	CLEANUP_FREE char *copy = base_strdup(list);
	char *save = NULL;

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char *address = strchr(w, '=');

		if (!address)
			return ctl_say(EXIT_CONFIG, "LGSP_HEALTH: \"%s\" is not NAME=ADDRESS", w);
		*address++ = '\0';
		int rc = fn(w, address, arg);

		if (rc != 0)
			return rc;
	}
	return 0;
}

struct asking {
	bool print;
	int away;
};

/* " database schema": the checks of a document that are false. */
static void print_failed(json_t *json)
{
	const char *name;
	json_t *ok;

	json_object_foreach(json_object_get(json, "checks"), name, ok)
	{
		if (json_is_false(ok))
			printf(" %s", name);
	}
}

static int ask(const char *name, const char *address, void *arg)
{
	struct asking *asking = arg;
	json_t *json = NULL;
	int status = health_get(address, "/readyz", &json);

	asking->away += status != 200;
	if (asking->print) {
		printf("%-14s %s", name,
		       status == 200 ? "ready"
		       : status == 0 ? "does not answer"
				     : "not ready:");
		if (status != 200)
			print_failed(json);
		putchar('\n');
	}
	json_decref(json);
	return 0;
}

static int ask_all(const char *list, bool print, int *ret_away)
{
	struct asking asking = {.print = print};
	int rc = health_each(list, ask, &asking);

	*ret_away = asking.away;
	return rc;
}

int ctl_health(int argc, char **argv)
{
	const char *wait = "0";
	const struct ctl_option options[] = {{"--wait", true, &wait}};
	int words = ctl_options(argc, argv, options, ARRAY_LEN(options));
	const char *list = ctl_setting("LGSP_HEALTH", NULL);
	int64_t wait_s = 0;
	int away = 1;

	if (words < 0)
		return -words;
	if (words != 1)
		return ctl_say(EXIT_USAGE, "health takes no words");
	int rc = ctl_number("--wait", wait, 0, 3600, &wait_s);

	if (rc != 0 || !list)
		return rc != 0 ? rc : EXIT_CONFIG;
	int64_t end_us = clock_mono_us() + wait_s * CLOCK_US_PER_S;

	while (rc == 0 && away > 0 && clock_mono_us() < end_us) {
		rc = ask_all(list, false, &away);
		if (away > 0)
			usleep(AGAIN_US);
	}
	if (rc == 0)
		rc = ask_all(list, true, &away);
	return rc != 0 ? rc : away > 0 ? CTL_FAILED : 0;
}
