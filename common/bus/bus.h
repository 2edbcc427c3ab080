/*
 * What client and worker share: identity of a member on the bus, endpoints, the MDP/0.2 constants.
 * Frames, extension and socket settings: docs/wire.md.
 */
#ifndef LGSP_BUS_BUS_H
#define LGSP_BUS_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define BUS_MDP_CLIENT   "MDPC02"
#define BUS_MDP_WORKER   "MDPW02"
#define BUS_C_REQUEST    0x01
#define BUS_C_PARTIAL    0x02
#define BUS_C_FINAL      0x03
#define BUS_C_CANCEL     0x20 /* ours: RFC 18 ends at 0x06 */
#define BUS_C_PING       0x21
#define BUS_C_PONG       0x22
#define BUS_W_READY      0x01
#define BUS_W_REQUEST    0x02
#define BUS_W_PARTIAL    0x03
#define BUS_W_FINAL      0x04
#define BUS_W_HEARTBEAT  0x05
#define BUS_W_DISCONNECT 0x06
#define BUS_W_CANCEL     0x20

#define BUS_BODY_MAX_BYTES (960 * 1024)
#define BUS_TOKEN_BYTES    16
#define BUS_NAME_MAX       64 /* service names, with NUL */
#define BUS_ENDPOINTS_MAX  4

/* A CURVE key pair in Z85 and the broker's public key. */
struct bus_keys {
	char public_z85[41];
	char secret_z85[41];
	char broker_z85[41];
};

/*
 * Reads a certificate made by `lgspctl keys` (czmq's zcert format, secret part included) and the
 * broker's public one. ERR_INVALID with the path in arg.
 */
int bus_keys_read(const char *secret_path, const char *broker_path, struct bus_keys *ret_keys,
		  struct err *err);
void bus_keys_wipe(struct bus_keys *keys);

/* [a-z][a-z0-9._-]{0,62}: what a service may be called. */
bool bus_name_valid(const char *name, size_t n);

/* Splits "tcp://a:5555 tcp://b:5555" at spaces. Returns the number, or ERR_INVALID. */
int bus_endpoints_split(const char *list, char out[static BUS_ENDPOINTS_MAX][128], struct err *err);

#endif
