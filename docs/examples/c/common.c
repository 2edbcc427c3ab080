#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *setting(const char *name)
{
	const char *value = getenv(name);

	if (!value) {
		fprintf(stderr, "%s is not set\n", name);
		exit(2);
	}
	return value;
}

/* A key (Z85) of a certificate file made by `lgspctl keys` or `lgspctl member`. */
static void read_key(const char *path, const char *part, char out[static 41])
{
	char line[256], *at;
	FILE *file = fopen(path, "r");

	out[0] = 0;
	while (file && fgets(line, sizeof(line), file)) {
		at = strstr(line, part);
		if (at && (at = strchr(at, '"')))
			snprintf(out, 41, "%.40s", at + 1);
	}
	if (file)
		fclose(file);
	if (strlen(out) != 40) {
		fprintf(stderr, "%s: no %s\n", path, part);
		exit(2);
	}
}

static void set_int(void *socket, int option, int value)
{
	zmq_setsockopt(socket, option, &value, sizeof(value));
}

void *open_socket(void *context, const char *endpoint)
{
	char broker[41], public[41], secret[41];
	void *socket = zmq_socket(context, ZMQ_DEALER);

	read_key(setting("LGSP_BUS_KEY"), "public-key", broker);
	read_key(setting("LGSP_KEY"), "public-key", public);
	read_key(setting("LGSP_KEY"), "secret-key", secret);
	set_int(socket, ZMQ_LINGER, 1000);
	set_int(socket, ZMQ_IMMEDIATE, 1);
	set_int(socket, ZMQ_HEARTBEAT_IVL, 5000);
	set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, 15000);
	zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, broker, 41);
	zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public, 41);
	zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, 41);
	if (zmq_connect(socket, endpoint) < 0) {
		perror(endpoint);
		exit(2);
	}
	return socket;
}

int wait_for(void *socket, short events, int ms)
{
	zmq_pollitem_t item = {.socket = socket, .events = events};

	return zmq_poll(&item, 1, ms) > 0;
}

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t jitter(int64_t ms)
{
	return ms / 2 + rand() % (ms / 2 + 1);
}

int send_frames(void *socket, int count, const void *const *p, const size_t *n)
{
	for (int i = 0; i < count; i++)
		if (zmq_send(socket, p[i], n[i], ZMQ_DONTWAIT | (i + 1 < count ? ZMQ_SNDMORE : 0)) <
		    0)
			return -1;
	return 0;
}

int receive(void *socket, struct message *m)
{
	int more = 1;

	for (m->n = 0; more; more = zmq_msg_more(&m->part[m->n - 1])) {
		if (m->n == FRAMES_MAX)
			zmq_msg_close(&m->part[--m->n]); /* more than any message has */
		zmq_msg_init(&m->part[m->n]);
		if (zmq_msg_recv(&m->part[m->n], socket, ZMQ_DONTWAIT) < 0)
			return 0;
		m->n++;
	}
	return 1;
}

void message_done(struct message *m)
{
	while (m->n > 0)
		zmq_msg_close(&m->part[--m->n]);
}

int command_of(struct message *m)
{
	return m->n > 1 && size_of(m, 1) == 1 ? *(uint8_t *)data_of(m, 1) : -1;
}

void *data_of(struct message *m, int i)
{
	return zmq_msg_data(&m->part[i]);
}

size_t size_of(struct message *m, int i)
{
	return zmq_msg_size(&m->part[i]);
}

uint8_t *pack_header(const ProtobufCMessage *header, size_t *ret_n)
{
	size_t n = protobuf_c_message_get_packed_size(header);
	uint8_t *bytes = malloc(4 + n);

	memcpy(bytes, "LGH1", 4);
	*ret_n = 4 + protobuf_c_message_pack(header, bytes + 4);
	return bytes;
}

ProtobufCMessage *unpack_header(const ProtobufCMessageDescriptor *type, struct message *m, int i)
{
	if (i >= m->n || size_of(m, i) < 4 || memcmp(data_of(m, i), "LGH1", 4) != 0)
		return NULL;
	return protobuf_c_message_unpack(type, NULL, size_of(m, i) - 4,
					 (const uint8_t *)data_of(m, i) + 4);
}
