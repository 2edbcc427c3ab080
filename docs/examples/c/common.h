/* What caller and worker share: keys, a socket, frames. docs/wire.md is the reference. */
#ifndef EXAMPLE_COMMON_H
#define EXAMPLE_COMMON_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>
#include <zmq.h>

#define FRAMES_MAX 8

struct message {
	zmq_msg_t part[FRAMES_MAX];
	int n;
};

/* The variable's value; ends the program when it is not set. */
const char *setting(const char *name);
/* One DEALER for one endpoint, queueing nothing while there is no connection. */
void *open_socket(void *context, const char *endpoint);
/* Waits up to ms for what zmq_poll() calls events. */
int wait_for(void *socket, short events, int ms);
int64_t now_ms(void);
/* Between half of ms and all of it. */
int64_t jitter(int64_t ms);

/* Sends frames of n[i] bytes at p[i]; 0, or -1 when there is no connection. */
int send_frames(void *socket, int count, const void *const *p, const size_t *n);
/* Receives without waiting: 1, or 0 when there is nothing. Release with message_done(). */
int receive(void *socket, struct message *m);
void message_done(struct message *m);
/* The command byte behind the protocol's name; -1 when there is none. */
int command_of(struct message *m);
void *data_of(struct message *m, int i);
size_t size_of(struct message *m, int i);

/* "LGH1" and the message: allocated, *ret_n bytes. */
uint8_t *pack_header(const ProtobufCMessage *header, size_t *ret_n);
/* The message behind "LGH1"; NULL when it is none. */
ProtobufCMessage *unpack_header(const ProtobufCMessageDescriptor *type, struct message *m, int i);

#endif
