/*
 * Requests accepted and not yet answered: a table with broker-minted tokens, and a wheel of their
 * deadlines. A token is 16 bytes - index, generation, eight random bytes - and is all that a worker
 * ever learns of the caller's connection; an old or guessed one finds nothing.
 *
 * Pure data: no sockets, time is given. Not thread-safe.
 */
#ifndef LGSP_SERVICES_BUS_PENDING_H
#define LGSP_SERVICES_BUS_PENDING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <zmq.h>

#include "common/bus/bus.h"
#include "services/bus/record_ring.h"

#define PENDING_TICK_US 20000
#define PEER_ID_BYTES   5

struct member;
struct member_key;
struct service;
struct worker;

/* Sockets of the broker, in the order they are read: replies free what requests need. */
enum broker_side { SIDE_BACKEND, SIDE_ADMIN, SIDE_MEMBER, SIDES };

/* A connection: libzmq's own five bytes, never ones the peer chose. */
struct peer {
	enum broker_side side;
	uint8_t id[PEER_ID_BYTES];
};

enum pending_state { PENDING_FREE, PENDING_NEW, PENDING_QUEUED, PENDING_DISPATCHED };

struct pending {
	/* the table's */
	uint32_t index, generation;
	uint8_t random[8];
	unsigned slot;
	struct pending *next_by_id;
	TAILQ_ENTRY(pending) wheel_link; /* of the free list too */
	/* the broker's */
	enum pending_state state;
	struct peer client;
	struct member *member;
	const struct member_key *key; /* of the connection it came over */
	struct service *service;
	struct worker *worker;
	uint8_t message_id[16];
	uint32_t flags;
	unsigned dispatches;
	bool first;                      /* queued before all others */
	bool cancelled;                  /* not to be begun again */
	int64_t arrival_us, deadline_us; /* monotonic */
	size_t bytes;
	zmq_msg_t header, body; /* empty once dispatched, unless it may be repeated */
	uint8_t *caller;        /* the caller frame but for time_left_ms; its room is kept */
	size_t caller_len, caller_room;
	char trace_id[33];
	struct record record;      /* what is known of it so far */
	TAILQ_ENTRY(pending) link; /* in a queue, or in its worker's hands */
};
TAILQ_HEAD(pending_list, pending);

struct pending_table;

struct pending_table *pending_table_new(uint32_t max);
void pending_table_free(struct pending_table *t); /* NULL is fine */
uint32_t pending_count(const struct pending_table *t);
size_t pending_bytes(const struct pending_table *t);

/* A fresh entry with a new token, in the wheel; NULL when the table is full. */
struct pending *pending_add(struct pending_table *t, int64_t now_us, int64_t deadline_us,
			    size_t bytes, const uint8_t message_id[static 16]);
/* The caller frame but for time_left_ms: a copy. */
void pending_set_caller(struct pending *p, const void *bytes, size_t n);
/* Forgets the entry and its frames; its token finds nothing from now on. */
void pending_remove(struct pending_table *t, struct pending *p);

/* A new token for the same request: the worker that held the old one is out. */
void pending_renew(struct pending_table *t, struct pending *p);
void pending_token(const struct pending *p, uint8_t out[static BUS_TOKEN_BYTES]);
/* NULL when no entry has this token. */
struct pending *pending_find(const struct pending_table *t, const void *token, size_t n);

/* Calls fn for the entries of this member with this message id; fn may remove it. Their number. */
unsigned pending_each_id(struct pending_table *t, const struct member *member,
			 const uint8_t message_id[static 16],
			 void (*fn)(struct pending *p, void *arg), void *arg);

/* Calls fn for every entry whose deadline has passed; fn must remove it. */
void pending_expire(struct pending_table *t, int64_t now_us,
		    void (*fn)(struct pending *p, void *arg), void *arg);

/* Calls fn for every entry; fn may remove it. */
void pending_each(struct pending_table *t, void (*fn)(struct pending *p, void *arg), void *arg);

#endif
