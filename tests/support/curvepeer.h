/*
 * A CURVE client without libzmq (ZeroMQ RFC 26 over ZMTP 3.1, RFC 37), so that tests can say what
 * libzmq would never send: frames without end, commands out of place, a nonce twice. A stream
 * socket, blocking, with a deadline of ten seconds on each read.
 */
#ifndef LGSP_TESTS_SUPPORT_CURVEPEER_H
#define LGSP_TESTS_SUPPORT_CURVEPEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bus/bus.h"

#define CURVEPEER_GREETING 64
#define CURVEPEER_HELLO    202 /* frame of the HELLO command */

/* Bits of a message's first, encrypted byte. */
#define CURVEPEER_MORE    1
#define CURVEPEER_COMMAND 2

struct curvepeer {
	int fd;
	struct bus_keys keys;
	uint8_t server[32], public[32], secret[32]; /* long-term */
	uint8_t short_public[32], short_secret[32], server_short[32], cookie[96];
	uint64_t nonce;
};

/* Connected, nothing said. */
void curvepeer_open(struct curvepeer *p, const char *endpoint, const struct bus_keys *keys);
void curvepeer_close(struct curvepeer *p);

/* The whole handshake; false when the broker hangs up. */
bool curvepeer_shake(struct curvepeer *p);
/* Its steps, for tests that stop or lie in between. */
void curvepeer_greeting(uint8_t out[static CURVEPEER_GREETING]);
void curvepeer_hello(struct curvepeer *p, uint8_t out[static CURVEPEER_HELLO]);
bool curvepeer_read_welcome(struct curvepeer *p);
/* Frame of INITIATE; returns its length, at most 512. */
size_t curvepeer_initiate(struct curvepeer *p, uint8_t out[static 512]);
bool curvepeer_read_ready(struct curvepeer *p);

/* Sends bytes as they are; false when the broker has hung up. */
bool curvepeer_send_raw(struct curvepeer *p, const void *bytes, size_t n);
/* One encrypted message frame. n: at most 1 MiB. */
bool curvepeer_send(struct curvepeer *p, uint8_t flags, const void *bytes, size_t n);
/* The broker has hung up, or does within ten seconds. */
bool curvepeer_is_closed(struct curvepeer *p);

#endif
