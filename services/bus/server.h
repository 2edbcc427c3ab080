/*
 * The broker on its sockets: three ROUTERs in one loop, backend first, then admin, then member, so
 * that replies, which free memory and credit, are read before new requests. Every message is
 * checked here for whose it is; one without an authenticated key, or from a peer that chose its own
 * routing id, is dropped and counted.
 */
#ifndef LGSP_SERVICES_BUS_SERVER_H
#define LGSP_SERVICES_BUS_SERVER_H

#include "common/loop/loop.h"
#include "services/bus/broker.h"
#include "services/bus/connections.h"

#define SERVER_BINDS_MAX 4

struct server_config {
	struct broker_config broker; /* its send hook and records are set here */
	struct connections_limits connections;
	const char *bind[SIDES]; /* endpoints, separated by spaces */
	char public_z85[41], secret_z85[41];
	const char *members_dir, *rights_path;
	uint32_t drain_ms;
	struct record_store_config records;
	uint32_t records_ring; /* slots */
};

struct server;

/*
 * Loads members and rights, starts the ZAP handler, binds. 0, or -1 after logging what is wrong.
 * The loop is the caller's.
 */
int server_new(struct loop *loop, const struct server_config *config, struct server **ret_server);
/* Closes what is open and ends the ZeroMQ context. NULL is fine. */
void server_free(struct server *server);
struct broker *server_broker(struct server *server);
/*
 * Reads members and rights again: 0, or -1 with file, line and reason in fault (and the log), and
 * the old in force. Loop thread.
 */
int server_reload(struct server *server, char fault[static MEMBERS_FAULT_MAX]);
/* Stops taking requests, waits for those in flight (drain_ms at most), then calls fn. */
void server_drain(struct server *server, void (*fn)(void *arg), void *arg);
/* The endpoint really bound (port 0 resolved): first of the side's list. */
const char *server_endpoint(const struct server *server, enum broker_side side);

#endif
