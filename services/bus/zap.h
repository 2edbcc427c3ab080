/*
 * The ZAP handler (ZeroMQ RFC 27) on a thread of its own: answers each CURVE handshake from a table
 * of keys in memory. The User-Id it gives a connection is the public key itself (Z85), so that the
 * broker can refuse a revoked key message by message.
 *
 * libzmq 4.3.4 lets everybody in when no handler is bound; therefore the handler is bound before
 * zap_start() returns, the end of its thread ends the process, and the broker drops what comes
 * without a User-Id all the same. A handler that hangs lets nobody in; zap_check() ends the process
 * then, since a new one would.
 */
#ifndef LGSP_SERVICES_BUS_ZAP_H
#define LGSP_SERVICES_BUS_ZAP_H

#include <stddef.h>

#define ZAP_SILENT_CHECKS 50

struct zap;

struct zap *zap_start(void *context);
/* Thread-safe; replaces the table. */
void zap_set_keys(struct zap *zap, const char (*keys)[41], size_t n);
/* Ends the process after ZAP_SILENT_CHECKS calls without a sign of the thread; call every 100 ms.
 */
void zap_check(struct zap *zap);
/* After all sockets of the context were closed. NULL is fine. */
void zap_stop(struct zap *zap);

#endif
