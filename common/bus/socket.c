#include "common/bus/socket.h"

#include <errno.h>
#include <pthread.h>
#include <zmq.h>

#include "common/base/base.h"
#include "common/base/crypt.h"

static pthread_mutex_t context_mutex = PTHREAD_MUTEX_INITIALIZER;
static void *context;
static unsigned context_users;

void *socket_context_acquire(void)
{
	void *c;

	pthread_mutex_lock(&context_mutex);
	if (context_users++ == 0) {
		context = zmq_ctx_new();
		CHECK(context);
	}
	c = context;
	pthread_mutex_unlock(&context_mutex);
	return c;
}

void socket_context_release(void)
{
	pthread_mutex_lock(&context_mutex);
	CHECK(context_users > 0);
	if (--context_users == 0) {
		while (zmq_ctx_term(context) < 0 && errno == EINTR)
			;
		context = NULL;
	}
	pthread_mutex_unlock(&context_mutex);
}

bool socket_set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof(value)) == 0;
}

bool socket_set_common(void *socket, int hwm, long long max_bytes)
{
	int64_t max = max_bytes;

	return socket_set_int(socket, ZMQ_LINGER, 1000) &&
	       socket_set_int(socket, ZMQ_SNDHWM, hwm) && socket_set_int(socket, ZMQ_RCVHWM, hwm) &&
	       zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max, sizeof(max)) == 0 &&
	       socket_set_int(socket, ZMQ_HEARTBEAT_IVL, 5000) &&
	       socket_set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, 15000) &&
	       socket_set_int(socket, ZMQ_HEARTBEAT_TTL, 15000) &&
	       socket_set_int(socket, ZMQ_TCP_KEEPALIVE, 1) &&
	       socket_set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, 60) &&
	       socket_set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, 10) &&
	       socket_set_int(socket, ZMQ_TCP_KEEPALIVE_CNT, 3);
}

static bool set_keys(void *socket, const struct bus_keys *keys)
{
	return zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, keys->broker_z85, 41) == 0 &&
	       zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->public_z85, 41) == 0 &&
	       zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret_z85, 41) == 0;
}

/* Pauses differ from process to process, so that a broker's return is no stampede. */
static bool set_reconnect(void *socket)
{
	uint16_t r;

	crypt_random(&r, sizeof(r));
	return socket_set_int(socket, ZMQ_IMMEDIATE, 1) &&
	       socket_set_int(socket, ZMQ_CONNECT_TIMEOUT, 3000) &&
	       socket_set_int(socket, ZMQ_HANDSHAKE_IVL, 3000) &&
	       socket_set_int(socket, ZMQ_RECONNECT_IVL, 100 + r % 200) &&
	       socket_set_int(socket, ZMQ_RECONNECT_IVL_MAX, 2000 + r % 1000);
}

int socket_dealer_new(void *ctx, const struct bus_keys *keys, const char *endpoint, int hwm,
		      void **ret_socket)
{
	void *s = zmq_socket(ctx, ZMQ_DEALER);

	if (!s)
		return ERR_UNAVAILABLE;
	if (!socket_set_common(s, hwm, 4 << 20) || !set_keys(s, keys) || !set_reconnect(s) ||
	    zmq_connect(s, endpoint) < 0) {
		zmq_close(s);
		return ERR_INVALID;
	}
	*ret_socket = s;
	return 0;
}

void socket_close(void *socket)
{
	if (socket)
		zmq_close(socket);
}

int socket_fd(void *socket)
{
	int fd = -1;
	size_t n = sizeof(fd);

	CHECK(zmq_getsockopt(socket, ZMQ_FD, &fd, &n) == 0);
	return fd;
}

static bool has_event(void *socket, int event)
{
	int events = 0;
	size_t n = sizeof(events);
	int rc;

	do
		rc = zmq_getsockopt(socket, ZMQ_EVENTS, &events, &n);
	while (rc < 0 && errno == EINTR);
	return rc == 0 && (events & event) != 0;
}

bool socket_has_input(void *socket)
{
	return has_event(socket, ZMQ_POLLIN);
}

bool socket_writable(void *socket)
{
	return has_event(socket, ZMQ_POLLOUT);
}
