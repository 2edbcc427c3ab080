/*
 * A bounded ring of records between the loop's thread, which never waits, and the writer's. One
 * producer, one consumer, no lock. What finds no room is counted, and the count goes in as a gap
 * before the next record that does. A slot keeps its record until the ring comes round: the
 * producer may look back at the newest ones.
 */
#ifndef LGSP_SERVICES_BUS_RECORD_RING_H
#define LGSP_SERVICES_BUS_RECORD_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bus/bus.h"

#define RECORD_METHOD_MAX  65
#define RECORD_SUBJECT_MAX 128
#define RECORD_PURPOSE_MAX 201
#define RECORD_CODE_MAX    48
#define RECORD_WORKER_MAX  64

/* lgsp.bus.v1.Record in place; times are wall microseconds. gap > 0: so many have no record. */
struct record {
	const char *provider; /* the last worker's member, as `member` */
	const char *member;   /* names live until the broker is freed; "" when unknown */
	uint64_t gap;
	int64_t arrived_us, dispatched_us, answered_us, forwarded_us;
	uint64_t request_bytes, reply_bytes;
	uint32_t attempt, dispatches;
	int status; /* 0 or ERR_… */
	bool unknown, by_worker, has_id;
	uint8_t message_id[16];
	char trace_id[33];
	char service[BUS_NAME_MAX];
	char method[RECORD_METHOD_MAX];
	char code[RECORD_CODE_MAX];
	char worker[RECORD_WORKER_MAX];
	char subject[RECORD_SUBJECT_MAX];
	char purpose[RECORD_PURPOSE_MAX]; /* last: record_copy() leaves out what is not used */
};

void record_copy(struct record *to, const struct record *from);

struct record_ring;

/* slots: a power of two. */
struct record_ring *record_ring_new(uint32_t slots);
void record_ring_free(struct record_ring *ring); /* NULL is fine */

/* Producer. false: no room, counted as missing. */
bool record_ring_put(struct record_ring *ring, const struct record *r);
/* Producer: puts the gap in when there is one and room for it; true while one waits still. */
bool record_ring_settle(struct record_ring *ring);
/* Producer: the i-th newest record, NULL when it is no more. Gaps count. */
const struct record *record_ring_recent(const struct record_ring *ring, uint32_t i);
uint64_t record_ring_missing(const struct record_ring *ring);

/* Consumer: the oldest record, NULL when there is none. record_ring_take() lets it go. */
const struct record *record_ring_oldest(const struct record_ring *ring);
void record_ring_take(struct record_ring *ring);

/* Either: records waiting, slots. */
uint32_t record_ring_fill(const struct record_ring *ring);
uint32_t record_ring_slots(const struct record_ring *ring);

#endif
