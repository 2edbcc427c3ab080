/*
 * What tests of the broker's core share: members by number, connections by number, a worker of
 * "echo" that joins, says hello and answers, callers that ask, and what came back.
 */
#ifndef LGSP_TESTS_UNIT_CORERIG_H
#define LGSP_TESTS_UNIT_CORERIG_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "tests/unit/buscore.h"

/* Members of buscore.h. */
#define A    0
#define B    1
#define ECHO 2
#define MOLE 3
#define OP   4

/* Connections. */
#define CALLER  10
#define OTHER   11
#define WORKER  20
#define WORKER2 21

struct fixture {
	struct core *c;
	struct arena arena;
	uint8_t id[16];
	struct err err;
};

/* Fixtures; config NULL: core_config(). */
int corerig_setup_with(void **state, const struct broker_config *config);
int corerig_setup(void **state);
int corerig_teardown(void **state);

/* A worker of "echo" joins with so much credit, or says hello again. */
void core_join(struct fixture *f, uint8_t worker, uint32_t credit);
void core_hello_again(struct fixture *f, uint8_t worker, struct core_part bytes);
/* echo.Say with 10 s, each under an id of its own. */
void core_ask(struct fixture *f, uint8_t peer, int member, const char *body);
void core_ask_flags(struct fixture *f, uint8_t peer, int member, const char *body, uint32_t flags);
/* The i-th REQUEST sent to the worker, and how many there were. */
const struct frames *core_request_to(struct fixture *f, uint8_t worker, unsigned i);
unsigned core_requests_to(struct fixture *f, uint8_t worker);
/* The worker's FINAL to it. */
void core_answer(struct fixture *f, uint8_t worker, const struct frames *request, const char *body);
/* The i-th message to the peer is a FINAL with this status and code; f->err has the rest. */
void core_expect(struct fixture *f, uint8_t peer, unsigned i, int status, const char *code);

#endif
