/*
 * The broker's open connections, metered where libzmq does not: ZMQ_MAXMSGSIZE bounds a frame, not
 * a message of endlessly many frames, and a high-water mark counts messages, not bytes. The kernel
 * counts the bytes of every TCP connection (TCP_INFO), so what came in without making a message,
 * and what a peer has not read, is known from outside; a connection over its bound is shut down,
 * and libzmq lets go of what it held for it. Connections over unix sockets are counted, not
 * metered: the kernel keeps no such figures, and file modes say who may open them.
 *
 * Bounds are per connection and, together, for all: nobody may take more than half of what is
 * left. Connections and failed handshakes come from a socket monitor. Loop thread only.
 */
#ifndef LGSP_SERVICES_BUS_CONNECTIONS_H
#define LGSP_SERVICES_BUS_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/bus/frame.h"
#include "services/bus/pending.h"

struct connections;

struct connections_limits {
	size_t unfinished_bytes, unfinished_total; /* came in, and are no whole message yet */
	size_t unread_bytes, unread_total;         /* sent, and the peer has not taken them */
};

struct connections *connections_new(const struct connections_limits *limits);
/* After connections_unwatch() of every side. NULL is fine. */
void connections_free(struct connections *c);

/* Watches a side's socket, before it is bound. 0, or -1 when libzmq refuses. */
int connections_watch(struct connections *c, void *context, void *socket, enum broker_side side);
/* Before the socket is closed. */
void connections_unwatch(struct connections *c, enum broker_side side);

/* A whole message came: `part` is any of it but its first. */
void connections_heard(struct connections *c, const struct peer *from, zmq_msg_t *part);
/* This message may be sent. False: the peer does not read, and its connection was shut down. */
bool connections_may_send(struct connections *c, enum broker_side side, const struct frames *f);
/*
 * Finds what makes memory grow. Call after every few milliseconds of processor time; true: a
 * connection is suspect, look again soon.
 */
bool connections_look(struct connections *c, int64_t now_us);
/* Reads the monitors and meters some connections. Call every 100 ms or so. */
void connections_tick(struct connections *c, int64_t now_us);

#endif
