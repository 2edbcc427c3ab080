/*
 * Calling services over the bus. One client lives in a loop; it keeps one DEALER per broker
 * endpoint. A call goes to the endpoint that answered last. The same message id is sent to the next
 * when the connection is lost, when the broker says nothing at all for a share of the deadline (it
 * is pinged meanwhile: a slow service is no silent broker), or refuses with DRAINING or NO_SERVICE.
 * The deadline is the caller's and always ends the call: EXPIRED with outcome UNKNOWN when the
 * request was sent. A refusal after an earlier try was left unanswered is UNKNOWN too.
 */
#ifndef LGSP_BUS_CLIENT_H
#define LGSP_BUS_CLIENT_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "common/base/arena.h"
#include "common/bus/bus.h"
#include "common/loop/loop.h"
#include "lgsp/bus/v1/header.pb-c.h"

struct bus_client;

struct bus_client_config {
	const char *endpoints; /* members' endpoints of all brokers, space-separated */
	struct bus_keys keys;
	unsigned max_outstanding; /* 0: 1024; beyond, BUSY */
};

struct bus_request_out {
	const char *service;
	const char *method;
	uint8_t message_id[16]; /* all zero: a new one */
	uint32_t deadline_ms;
	uint32_t flags;                      /* HEADER_FLAG_… */
	const char *traceparent;             /* NULL: a new one */
	const Bus__OnBehalfOf *on_behalf_of; /* NULL: the member itself */
	const char *purpose;                 /* NULL: none */
	const void *body;
	size_t body_len;
};

struct bus_reply_in {
	int status; /* 0 or ERR_…; err has the detail */
	bool replayed;
	const uint8_t *body;
	size_t body_len;
	const char *served_by;
};

/* The endpoints need not exist yet. */
int bus_client_new(struct loop *loop, const struct bus_client_config *config,
		   struct bus_client **ret_client, struct err *err);
/* Outstanding calls are cancelled and end with UNAVAILABLE, outcome UNKNOWN. NULL is fine. */
void bus_client_free(struct bus_client *client);

/* Loop thread. reply and err are valid during the callback, which is called exactly once. */
typedef void bus_reply_fn(const struct bus_reply_in *reply, const struct err *err, void *arg);
void bus_client_send(struct bus_client *client, const struct bus_request_out *req, bus_reply_fn *fn,
		     void *arg);

/*
 * The caller of this message id, sent with this arg, no longer waits (loop thread). What no worker
 * has begun never will be: the call ends EXPIRED, CANCELLED, outcome NOT_DONE. What has begun goes
 * on, and the call ends with its reply or at its deadline as before. While another call of the same
 * id waits here, the broker is told nothing. Unknown ids do nothing. A call that ends at its
 * deadline unanswered is cancelled by itself.
 */
void bus_client_cancel(struct bus_client *client, const uint8_t message_id[static 16],
		       const void *arg);

struct loop *bus_client_loop(struct bus_client *client);

/*
 * Any other thread: sends and waits. Returns the reply's status (0 or ERR_…); the reply body is
 * copied into the arena.
 */
int bus_client_call(struct bus_client *client, const struct bus_request_out *req,
		    struct arena *arena, struct bus_reply_in *ret_reply, struct err *err);

/* As bus_client_call() with messages: packs in, checks and unpacks the reply as ret_out. */
int bus_client_call_pb(struct bus_client *client, const struct bus_request_out *req,
		       const ProtobufCMessage *in, const ProtobufCMessageDescriptor *out_desc,
		       struct arena *arena, ProtobufCMessage **ret_out, struct err *err);

#endif
