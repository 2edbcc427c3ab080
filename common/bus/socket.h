/*
 * The one constructor of ZeroMQ sockets on the client side of the bus, so that none is ever made
 * without CURVE, limits and LINGER. Private to common/bus and tests.
 */
#ifndef LGSP_BUS_SOCKET_H
#define LGSP_BUS_SOCKET_H

#include <stdbool.h>

#include "common/bus/bus.h"

/* Context of the process, counted: the last release ends it. */
void *socket_context_acquire(void);
void socket_context_release(void);

/*
 * A DEALER connected to one endpoint of a broker. It queues nothing while there is no connection
 * (ZMQ_IMMEDIATE), so a failed send means the broker is away. hwm bounds messages each way.
 */
int socket_dealer_new(void *context, const struct bus_keys *keys, const char *endpoint, int hwm,
		      void **ret_socket);
void socket_close(void *socket); /* NULL is fine */

int socket_fd(void *socket);
/*
 * For loop_socket_add(), and before each message that is read from a DEALER: libzmq 4.3.4 takes
 * note of a lost connection every hundred frames, in the middle of a message if it comes so, and
 * aborts then (fq.cpp, !_more), because ZMQ_IMMEDIATE ends the pipe at once. Asking makes it take
 * note between two messages.
 */
bool socket_has_input(void *socket);
/* There is a connection to send on. */
bool socket_writable(void *socket);

/* Limits every socket of the bus shares, broker's and clients'; false when one is refused. */
bool socket_set_common(void *socket, int hwm, long long max_bytes);
bool socket_set_int(void *socket, int option, int value);

#endif
