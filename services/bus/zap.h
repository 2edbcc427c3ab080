/*
 * The ZAP handler (ZeroMQ RFC 27) on a thread of its own: answers each CURVE handshake from a table
 * of keys in memory. The User-Id it gives a connection is the public key itself (Z85), so that the
 * broker can refuse a revoked key message by message.
 *
 * libzmq 4.3.4 lets everybody in when no handler is bound; therefore the handler is bound before
 * zap_start() returns, the end of its thread ends the process, and the broker drops what comes
 * without a User-Id all the same.
 */
#ifndef LGSP_SERVICES_BUS_ZAP_H
#define LGSP_SERVICES_BUS_ZAP_H

#include <stddef.h>

struct zap;

struct zap *zap_start(void *context);
/* Thread-safe; replaces the table. */
void zap_set_keys(struct zap *zap, const char (*keys)[41], size_t n);
/* After all sockets of the context were closed. NULL is fine. */
void zap_stop(struct zap *zap);

#endif
