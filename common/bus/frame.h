/*
 * Multipart messages on raw ZeroMQ sockets: received whole into a fixed array, sent whole or not at
 * all. Private to common/bus and services/bus (zmq.h).
 */
#ifndef LGSP_BUS_FRAME_H
#define LGSP_BUS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <zmq.h>

#define FRAMES_MAX 8

struct frames {
	zmq_msg_t part[FRAMES_MAX];
	unsigned n;
	bool overflow; /* there were more; they were read and thrown away */
};

/* Receives one message without waiting: 1, or 0 when none waits. Release with frames_done(). */
int frames_recv(struct frames *f, void *socket);
void frames_done(struct frames *f);
/* Appends a frame with a copy of n bytes; false when there are FRAMES_MAX already. */
bool frames_add(struct frames *f, const void *p, size_t n);
/* Appends a frame by moving it; *part is empty afterwards. */
bool frames_move(struct frames *f, zmq_msg_t *part);

/*
 * Sends all parts without waiting. 0 and the parts are consumed; or -1 with errno EHOSTUNREACH (a
 * ROUTER's peer has gone) or EAGAIN (its pipe is full, or a DEALER has no connection) and nothing
 * was sent: libzmq decides at the first part, the later ones cannot fail then.
 */
int frames_send(struct frames *f, void *socket);

/* Asked a hundred times per request; zmq.h takes non-const messages where it only reads. */
static inline const uint8_t *frame_data(const zmq_msg_t *part)
{
	return (const uint8_t *)zmq_msg_data((zmq_msg_t *)(uintptr_t)part);
}

static inline size_t frame_size(const zmq_msg_t *part)
{
	return zmq_msg_size(part);
}

/* The part's bytes are exactly this text. */
static inline bool frame_is(const zmq_msg_t *part, const char *text)
{
	size_t n = strlen(text);

	return frame_size(part) == n && memcmp(frame_data(part), text, n) == 0;
}

/* The command byte of a one-byte part; -1 otherwise. */
int frame_command(const zmq_msg_t *part);
/* A part with a copy of n bytes. */
void frame_copy(zmq_msg_t *part, const void *p, size_t n);

#endif
