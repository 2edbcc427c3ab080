/*
 * The broker's core without a network, for tests and the fuzzer: what it sends is kept, time is
 * given. Members: 0 may call echo and more, 1 also acts for people, 2 serves echo, 3 serves mole,
 * 4 may ask the broker itself.
 */
#ifndef LGSP_TESTS_UNIT_BUSCORE_H
#define LGSP_TESTS_UNIT_BUSCORE_H

#include "services/bus/broker.h"

#define CORE_MEMBERS  5
#define CORE_SENT_MAX 256

struct core_sent {
	enum broker_side side;
	struct frames f; /* part 0: the peer's id */
};

struct core {
	struct broker *b;
	struct members *members;
	struct member_key *keys[CORE_MEMBERS];
	struct core_sent sent[CORE_SENT_MAX];
	unsigned n_sent;
	uint8_t gone; /* sends to this peer fail; 0: none */
	bool forget;  /* do not keep what is sent */
	void (*on_send)(struct core *c, enum broker_side side, const struct frames *f);
	void *user;
};

struct core_part {
	const void *p;
	size_t n;
};

#define PART(s)     ((struct core_part){s, strlen(s)})
#define BYTE(c)     ((struct core_part){(const uint8_t[]){c}, 1})
#define BYTES(p, n) ((struct core_part){p, n})
#define DELIVER(c, side, peer, member, ...)                                                        \
	core_deliver(c, side, peer, member, (const struct core_part[]){__VA_ARGS__},               \
		     ARRAY_LEN(((const struct core_part[]){__VA_ARGS__})))

/* config NULL: core_config(). Keys that a test revoked are valid again, quotas unused. */
struct core *core_new(const struct broker_config *config);
void core_free(struct core *c);
struct broker_config core_config(void);

/* As if the parts had come from connection `peer` (1..255) of the member; -1: key unknown. */
void core_deliver(struct core *c, enum broker_side side, uint8_t peer, int member,
		  const struct core_part *parts, size_t n);
/* Lets time pass in steps of 20 ms, with everything that is due. */
void core_pass(struct core *c, int64_t us);

void core_forget_sent(struct core *c);
/* The i-th message sent since, to `peer`; fails when there is none. */
const struct frames *core_sent_to(struct core *c, uint8_t peer, unsigned i);
unsigned core_count_to(struct core *c, uint8_t peer);

/* Header frames; valid until the arena ends. */
struct core_part core_header(struct arena *arena, const char *method, uint32_t deadline_ms,
			     uint32_t flags, const uint8_t id[static 16]);
struct core_part core_hello(struct arena *arena, uint32_t credit, uint32_t parked, bool draining);
struct core_part core_ok(struct arena *arena);
/* Status (0 or ERR_…), code and outcome of a FINAL. */
int core_status(const struct frames *f, struct err *ret_err);

#endif
