#include "tests/support/curvepeer.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/base.h"
#include "tests/support/busraw.h"

#define READ_S        10
#define BOX           crypto_box_MACBYTES
#define SHORT_COMMAND 0x04
#define LONG_COMMAND  0x06
#define LONG_MESSAGE  0x02
#define MESSAGE_MAX   (1 << 20)

void curvepeer_open(struct curvepeer *p, const char *endpoint, const struct bus_keys *keys)
{
	struct timeval limit = {.tv_sec = READ_S};

	CHECK(sodium_init() >= 0);
	*p = (struct curvepeer){.fd = raw_connect(endpoint), .keys = *keys};
	CHECK(setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
	CHECK(zmq_z85_decode(p->server, keys->broker_z85));
	CHECK(zmq_z85_decode(p->public, keys->public_z85));
	CHECK(zmq_z85_decode(p->secret, keys->secret_z85));
	crypto_box_keypair(p->short_public, p->short_secret);
}

void curvepeer_close(struct curvepeer *p)
{
	close(p->fd);
}

/* --- bytes --- */

bool curvepeer_send_raw(struct curvepeer *p, const void *bytes, size_t n)
{
	const uint8_t *at = bytes;

	while (n > 0) {
		ssize_t sent = send(p->fd, at, n, MSG_NOSIGNAL);

		if (sent < 0)
			return false;
		at += sent;
		n -= (size_t)sent;
	}
	return true;
}

static bool read_all(struct curvepeer *p, void *out, size_t n)
{
	return recv(p->fd, out, n, MSG_WAITALL) == (ssize_t)n;
}

bool curvepeer_is_closed(struct curvepeer *p)
{
	uint8_t rest[4096];
	ssize_t n;

	while ((n = recv(p->fd, rest, sizeof(rest), 0)) > 0)
		;
	return n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

/* 16 bytes that say what, 8 that count. */
static void make_nonce(uint8_t out[static 24], const char *what, uint64_t count)
{
	memcpy(out, what, 16);
	for (int i = 0; i < 8; i++)
		out[16 + i] = (uint8_t)(count >> (56 - 8 * i));
}

/* --- handshake --- */

void curvepeer_greeting(uint8_t out[static CURVEPEER_GREETING])
{
	memset(out, 0, CURVEPEER_GREETING);
	out[0] = 0xff;
	out[9] = 0x7f;
	out[10] = 3;
	out[11] = 1;
	memcpy(out + 12, "CURVE", 5);
}

void curvepeer_hello(struct curvepeer *p, uint8_t out[static CURVEPEER_HELLO])
{
	static const uint8_t zeros[64];
	uint8_t nonce[24], *at = out + 2;

	memset(out, 0, CURVEPEER_HELLO);
	out[0] = SHORT_COMMAND;
	out[1] = CURVEPEER_HELLO - 2;
	memcpy(at, "\x05HELLO\x01", 7);
	memcpy(at + 80, p->short_public, 32);
	make_nonce(nonce, "CurveZMQHELLO---", ++p->nonce);
	memcpy(at + 112, nonce + 16, 8);
	CHECK(crypto_box_easy(at + 120, zeros, sizeof(zeros), nonce, p->server, p->short_secret) ==
	      0);
}

bool curvepeer_read_welcome(struct curvepeer *p)
{
	uint8_t greeting[CURVEPEER_GREETING], frame[2 + 168], nonce[24] = "WELCOME-", plain[128];

	if (!read_all(p, greeting, sizeof(greeting)) || !read_all(p, frame, sizeof(frame)) ||
	    memcmp(frame + 2, "\x07WELCOME", 8) != 0)
		return false;
	memcpy(nonce + 8, frame + 10, 16);
	if (crypto_box_open_easy(plain, frame + 26, sizeof(plain) + BOX, nonce, p->server,
				 p->short_secret) != 0)
		return false;
	memcpy(p->server_short, plain, 32);
	memcpy(p->cookie, plain + 32, 96);
	return true;
}

/* Our short key is ours, said with our long one. */
static void vouch(struct curvepeer *p, uint8_t out[static 96])
{
	uint8_t nonce[24] = "VOUCH---", plain[64];

	randombytes_buf(out, 16);
	memcpy(nonce + 8, out, 16);
	memcpy(plain, p->short_public, 32);
	memcpy(plain + 32, p->server, 32);
	CHECK(crypto_box_easy(out + 16, plain, sizeof(plain), nonce, p->server_short, p->secret) ==
	      0);
}

size_t curvepeer_initiate(struct curvepeer *p, uint8_t out[static 512])
{
	static const char metadata[] = "\x0bSocket-Type\0\0\0\x06"
				       "DEALER";
	uint8_t plain[32 + 96 + sizeof(metadata) - 1], nonce[24], *at = out + 9;
	size_t n = 9 + 96 + 8 + sizeof(plain) + BOX;

	memcpy(plain, p->public, 32);
	vouch(p, plain + 32);
	memcpy(plain + 128, metadata, sizeof(metadata) - 1);
	memset(out, 0, 9);
	out[0] = LONG_COMMAND;
	out[7] = (uint8_t)(n >> 8);
	out[8] = (uint8_t)n;
	memcpy(at, "\x08INITIATE", 9);
	memcpy(at + 9, p->cookie, 96);
	make_nonce(nonce, "CurveZMQINITIATE", ++p->nonce);
	memcpy(at + 105, nonce + 16, 8);
	CHECK(crypto_box_easy(at + 113, plain, sizeof(plain), nonce, p->server_short,
			      p->short_secret) == 0);
	return 9 + n;
}

bool curvepeer_read_ready(struct curvepeer *p)
{
	uint8_t head[2], rest[256];

	return read_all(p, head, 2) && head[0] == SHORT_COMMAND && read_all(p, rest, head[1]) &&
	       memcmp(rest, "\x05READY", 6) == 0;
}

bool curvepeer_shake(struct curvepeer *p)
{
	uint8_t greeting[CURVEPEER_GREETING], hello[CURVEPEER_HELLO], initiate[512];
	size_t n;

	curvepeer_greeting(greeting);
	curvepeer_hello(p, hello);
	if (!curvepeer_send_raw(p, greeting, sizeof(greeting)) ||
	    !curvepeer_send_raw(p, hello, sizeof(hello)) || !curvepeer_read_welcome(p))
		return false;
	n = curvepeer_initiate(p, initiate);
	return curvepeer_send_raw(p, initiate, n) && curvepeer_read_ready(p);
}

/* --- messages --- */

bool curvepeer_send(struct curvepeer *p, uint8_t flags, const void *bytes, size_t n)
{
	static uint8_t frame[MESSAGE_MAX + 64], plain[MESSAGE_MAX + 1];
	size_t size = 16 + BOX + 1 + n;
	uint8_t nonce[24];

	CHECK(n <= MESSAGE_MAX);
	memset(frame, 0, 9);
	frame[0] = LONG_MESSAGE;
	for (int i = 0; i < 4; i++)
		frame[5 + i] = (uint8_t)(size >> (24 - 8 * i));
	memcpy(frame + 9, "\x07MESSAGE", 8);
	make_nonce(nonce, "CurveZMQMESSAGEC", ++p->nonce);
	memcpy(frame + 17, nonce + 16, 8);
	plain[0] = flags;
	memcpy(plain + 1, bytes, n);
	CHECK(crypto_box_easy(frame + 25, plain, n + 1, nonce, p->server_short, p->short_secret) ==
	      0);
	return curvepeer_send_raw(p, frame, 9 + size);
}
