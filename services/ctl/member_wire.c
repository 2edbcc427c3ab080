/* The steps of member check on the network: name, port, handshake. */
#include <czmq.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "services/ctl/member.h"

#define WAIT_MS 3000
#define MONITOR "inproc://member-check"

static int fail(struct member_step *step, const char *seen, const char *advice)
{
	snprintf(step->seen, sizeof step->seen, "%s", seen);
	snprintf(step->advice, sizeof step->advice, "%s", advice);
	return -1;
}

/* --- addresses --- */

struct address {
	struct sockaddr_storage sock;
	socklen_t len;
};

static int resolve_tcp(const char *where, struct address *ret, struct member_step *step)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	const char *colon = strrchr(where, ':');
	struct addrinfo *found = NULL;
	char host[256], seen[200];

	if (!colon || colon == where || (size_t)(colon - where) >= sizeof host)
		return fail(step, "no tcp://HOST:PORT", "correct LGSP_BUS_MEMBER");
	snprintf(host, sizeof host, "%.*s", (int)(colon - where), where);
	int rc = getaddrinfo(host, colon + 1, &hints, &found);

	if (rc != 0) {
		snprintf(seen, sizeof seen, "%.100s: %.80s", host, gai_strerror(rc));
		return fail(step, seen,
			    "no address has this name here: correct LGSP_BUS_MEMBER, or have the "
			    "name entered in DNS or /etc/hosts");
	}
	memcpy(&ret->sock, found->ai_addr, found->ai_addrlen);
	ret->len = found->ai_addrlen;
	freeaddrinfo(found);
	getnameinfo((struct sockaddr *)&ret->sock, ret->len, step->seen, sizeof step->seen, NULL, 0,
		    NI_NUMERICHOST);
	return 0;
}

static int resolve(const char *endpoint, struct address *ret, struct member_step *step)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&ret->sock;

	if (strncmp(endpoint, "tcp://", 6) == 0)
		return resolve_tcp(endpoint + 6, ret, step);
	if (strncmp(endpoint, "ipc://", 6) != 0 || strlen(endpoint + 6) >= sizeof un->sun_path)
		return fail(step, "neither tcp:// nor ipc://", "correct LGSP_BUS_MEMBER");
	*un = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(un->sun_path, sizeof un->sun_path, "%s", endpoint + 6);
	ret->len = sizeof *un;
	snprintf(step->seen, sizeof step->seen, "%s", un->sun_path);
	if (access(un->sun_path, F_OK) < 0)
		return fail(step, strerror(errno),
			    "there is no such socket: is the broker running on this machine?");
	return 0;
}

int member_check_name(const char *endpoint, struct member_step *step)
{
	struct address address;

	return resolve(endpoint, &address, step);
}

/* --- the port --- */

static int connect_within(int fd, const struct address *a)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t n = sizeof error;

	if (connect(fd, (const struct sockaddr *)&a->sock, a->len) == 0)
		return 0;
	if (errno != EINPROGRESS && errno != EAGAIN)
		return errno;
	if (poll(&p, 1, WAIT_MS) <= 0)
		return ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
	return error;
}

int member_check_port(const char *endpoint, struct member_step *step)
{
	struct address address = {0};

	if (resolve(endpoint, &address, step) < 0)
		return -1;
	CLEANUP_FD int fd =
		socket(address.sock.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = fd < 0 ? errno : connect_within(fd, &address);

	if (error == 0) {
		snprintf(step->seen, sizeof step->seen, "something listens");
		return 0;
	}
	return fail(step, strerror(error),
		    error == ECONNREFUSED ? "nobody listens there: is the broker running, and is "
					    "this its member port?"
		    : error == EACCES
			    ? "this user may not open the broker's socket"
			    : "no answer: is a firewall or NAT between here and the broker? "
			      "its member port must be let through");
}

/* --- the handshake --- */

static void *open_once(void *context, const struct bus_keys *keys)
{
	void *s = zmq_socket(context, ZMQ_DEALER);
	int zero = 0, never = -1;

	CHECK(s);
	zmq_setsockopt(s, ZMQ_LINGER, &zero, sizeof zero);
	zmq_setsockopt(s, ZMQ_RECONNECT_IVL, &never, sizeof never);
	zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, keys->broker_z85, 41);
	zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, keys->public_z85, 41);
	zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, keys->secret_z85, 41);
	return s;
}

/* The next event of the monitor, 0 after ms without one; *ret_value: its detail. */
static int next_event(void *monitor, int ms, uint32_t *ret_value)
{
	zmq_pollitem_t item = {.socket = monitor, .events = ZMQ_POLLIN};
	uint8_t data[6], rest[512];
	uint16_t event;

	if (zmq_poll(&item, 1, ms) <= 0 || zmq_recv(monitor, data, sizeof data, 0) != 6)
		return 0;
	zmq_recv(monitor, rest, sizeof rest, 0); /* the endpoint */
	memcpy(&event, data, sizeof event);
	memcpy(ret_value, data + 2, sizeof *ret_value);
	return event;
}

static int watch_handshake(void *monitor, struct member_step *step)
{
	int64_t end_us = clock_mono_us() + WAIT_MS * 1000LL;
	uint32_t value = 0;
	char seen[64];

	while (clock_mono_us() < end_us) {
		int left_ms = (int)((end_us - clock_mono_us()) / 1000) + 1;

		switch (next_event(monitor, left_ms, &value)) {
		case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
			snprintf(step->seen, sizeof step->seen, "accepted");
			return 0;
		case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
			snprintf(seen, sizeof seen, "the broker refuses the key (%u)", value);
			return fail(
				step, seen,
				"this key is none it knows today: is the member enrolled at this "
				"broker, not revoked, and within the days of its certificate? The "
				"operator sees it with member list");
		case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
		case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
		case ZMQ_EVENT_DISCONNECTED:
			return fail(step, "the broker hangs up in the handshake",
				    "LGSP_BUS_KEY is not the public key of this broker, or what "
				    "listens there is no broker: get broker.key from the operator "
				    "anew");
		default:
			break;
		}
	}
	return fail(
		step, "no handshake within 3 s",
		"what listens there does not answer as a broker does: is it the member port, and "
		"is nothing in between that speaks another protocol?");
}

int member_check_key(const char *endpoint, const struct bus_keys *keys, struct member_step *step)
{
	void *context = zmq_ctx_new(), *s = open_once(context, keys);
	void *monitor = zmq_socket(context, ZMQ_PAIR);
	int rc = -1, zero = 0;

	CHECK(monitor);
	zmq_setsockopt(monitor, ZMQ_LINGER, &zero, sizeof zero);
	if (zmq_socket_monitor(s, MONITOR, ZMQ_EVENT_ALL) == 0 &&
	    zmq_connect(monitor, MONITOR) == 0 && zmq_connect(s, endpoint) == 0)
		rc = watch_handshake(monitor, step);
	else
		fail(step, zmq_strerror(errno), "correct LGSP_BUS_MEMBER");
	zmq_socket_monitor(s, NULL, 0);
	zmq_close(monitor);
	zmq_close(s);
	zmq_ctx_term(context);
	return rc;
}
