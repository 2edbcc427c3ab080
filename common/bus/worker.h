/*
 * Serving a service on the bus: one DEALER per broker endpoint, registered with all of them. Lives
 * in a loop; replies may come from any thread. Heartbeats both ways every 2 s; a broker silent for
 * 3 intervals is left and joined again with growing, jittered pauses.
 */
#ifndef LGSP_BUS_WORKER_H
#define LGSP_BUS_WORKER_H

#include "common/base/arena.h"
#include "common/bus/bus.h"
#include "common/loop/loop.h"
#include "lgsp/bus/v1/header.pb-c.h"

struct bus_worker;

/* A request in a worker's hands. Everything lives in its arena until it is replied to. */
struct bus_request {
	unsigned magic;
	struct bus_worker *worker;
	struct arena arena; /* 16 MiB cap */
	const Bus__Caller *caller;
	const Bus__RequestHeader *header;
	const uint8_t *body;
	size_t body_len;
	int64_t deadline_us; /* monotonic, by the broker's time left on receipt */
	char trace_id[33];
	void *user;   /* the service's own */
	bool hurried; /* loop thread: not to be parked: answer with what is there */
	/* private to worker.c */
	unsigned endpoint;
	uint8_t token[BUS_TOKEN_BYTES];
	bool parked;
};

struct bus_worker_config {
	const char *service;
	const char *endpoints; /* backend endpoints of all brokers, space-separated */
	struct bus_keys keys;
	const char *instance;
	unsigned credit; /* worker threads + 2 */
	/* Loop thread. Takes the request over; a malformed one never gets here. */
	void (*on_request)(struct bus_request *req, void *arg);
	/*
	 * Loop thread: a parked request is to be answered now: its caller cancelled it, or its
	 * broker stops. NULL when nothing is ever parked.
	 */
	void (*on_unpark)(struct bus_request *req, void *arg);
	/* Loop thread: a broker's hello (may be called often); NULL when not wanted. */
	void (*on_hello)(const Bus__BrokerHello *hello, void *arg);
	void *arg;
};

int bus_worker_new(struct loop *loop, const struct bus_worker_config *config,
		   struct bus_worker **ret_worker, struct err *err);
void bus_worker_free(struct bus_worker *worker); /* NULL is fine */

/*
 * Any thread, before the request's work begins: 0, or EXPIRED when its deadline has passed or its
 * caller cancelled it. Then nothing may be begun: answer with err, whose outcome is NOT_DONE.
 */
int bus_request_begin(struct bus_request *req, struct err *err);

/*
 * Answers and frees the request. Any thread. err NULL or without an error: OK with body; else the
 * error. replayed: the body was stored by an earlier execution.
 */
void bus_reply(struct bus_request *req, const struct err *err, const void *body, size_t body_len,
	       bool replayed);

/* Loop thread: a parked request gives its credit back; it must be answered before its deadline. */
void bus_request_park(struct bus_request *req);

/* At least one broker has answered our READY within the last three heartbeats. */
bool bus_worker_registered(const struct bus_worker *worker);

/*
 * Says DISCONNECT-soon to all brokers (hello.draining), takes no new requests, and calls fn on the
 * loop's thread when the last one in hand is answered, or after timeout_ms.
 */
void bus_worker_drain(struct bus_worker *worker, uint32_t timeout_ms, void (*fn)(void *arg),
		      void *arg);

#endif
