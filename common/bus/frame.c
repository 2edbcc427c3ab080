#include "common/bus/frame.h"

#include <errno.h>
#include <string.h>

#include "common/base/base.h"

static int recv_part(zmq_msg_t *part, void *socket)
{
	int rc;

	zmq_msg_init(part);
	do
		rc = zmq_msg_recv(part, socket, ZMQ_DONTWAIT);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		zmq_msg_close(part);
	return rc;
}

/* Reads to the end of a message that has too many parts, keeping none. */
static void discard_rest(void *socket)
{
	bool more = true;

	while (more) {
		zmq_msg_t part;

		if (recv_part(&part, socket) < 0)
			return;
		more = zmq_msg_more(&part);
		zmq_msg_close(&part);
	}
}

int frames_recv(struct frames *f, void *socket)
{
	f->n = 0;
	f->overflow = false;
	for (;;) {
		if (recv_part(&f->part[f->n], socket) < 0)
			return f->n > 0;
		f->n++;
		if (!zmq_msg_more(&f->part[f->n - 1]))
			return 1;
		if (f->n == FRAMES_MAX)
			break;
	}
	f->overflow = true;
	discard_rest(socket);
	return 1;
}

void frames_done(struct frames *f)
{
	for (unsigned i = 0; i < f->n; i++)
		zmq_msg_close(&f->part[i]);
	f->n = 0;
}

bool frames_add(struct frames *f, const void *p, size_t n)
{
	if (f->n == FRAMES_MAX)
		return false;
	frame_copy(&f->part[f->n++], p, n);
	return true;
}

bool frames_move(struct frames *f, zmq_msg_t *part)
{
	if (f->n == FRAMES_MAX)
		return false;
	zmq_msg_init(&f->part[f->n]);
	zmq_msg_move(&f->part[f->n++], part);
	return true;
}

int frames_send(struct frames *f, void *socket)
{
	for (unsigned i = 0; i < f->n; i++) {
		int flags = ZMQ_DONTWAIT | (i + 1 < f->n ? ZMQ_SNDMORE : 0), rc;

		do
			rc = zmq_msg_send(&f->part[i], socket, flags);
		while (rc < 0 && errno == EINTR);
		if (rc < 0 && i == 0)
			return -1;
		/* A peer that went away between two parts: libzmq swallows the rest. */
		if (rc < 0)
			zmq_msg_close(&f->part[i]);
	}
	f->n = 0;
	return 0;
}

int frame_command(const zmq_msg_t *part)
{
	return frame_size(part) == 1 ? frame_data(part)[0] : -1;
}

void frame_copy(zmq_msg_t *part, const void *p, size_t n)
{
	CHECK(zmq_msg_init_size(part, n) == 0);
	if (n > 0)
		memcpy(zmq_msg_data(part), p, n);
}
