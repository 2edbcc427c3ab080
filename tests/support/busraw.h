/*
 * Raw sockets against a real lgsp-bus, for tests of what no library of ours would send: a broker
 * with the members below, DEALERs that say exactly what they are told, and the broker's own
 * figures.
 */
#ifndef LGSP_TESTS_SUPPORT_BUSRAW_H
#define LGSP_TESTS_SUPPORT_BUSRAW_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/base.h"
#include "common/base/err.h"
#include "common/bus/frame.h"
#include "lgsp/bus/v1/header.pb-c.h"
#include "tests/support/busd.h"

#define CALLER   "VN/GOV/H40/one-stop"
#define SERVICE  "VN/GOV/H40/lgsp-echo"
#define MOLE     "VN/GOV/H40/mole"
#define OPERATOR "VN/GOV/H40/lgsp-operator"

#define RAW_SOCKETS 128

/* Members: caller (may call echo), echo (serves it), mole (serves mole), operator. */
struct raw {
	struct busd *busd;
	void *context;
	void *sockets[RAW_SOCKETS];
	unsigned n_sockets;
	struct arena arena;
	uint8_t message_id[16];
};

struct bytes {
	const void *p;
	size_t n;
};

#define TEXT(s)    ((struct bytes){s, strlen(s)})
#define COMMAND(c) ((struct bytes){(const uint8_t[]){c}, 1})
#define SEND(s, ...)                                                                               \
	raw_send(s, (const struct bytes[]){__VA_ARGS__},                                           \
		 ARRAY_LEN(((const struct bytes[]){__VA_ARGS__})))
#define ANSWER(f, worker, token, body)                                                             \
	SEND(worker, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_FINAL), ((struct bytes){token, 16}),      \
	     TEXT(""), raw_ok_reply(f), TEXT(body))

#define NOT_DONE COMMON__OUTCOME__OUTCOME_NOT_DONE
#define UNKNOWN  COMMON__OUTCOME__OUTCOME_UNKNOWN
#define DONE     COMMON__OUTCOME__OUTCOME_DONE

/* For cmocka; env: further variables of the broker, NULL-ended. Teardown asserts a clean end. */
int raw_setup_with(void **state, const char *const *env);
int raw_setup(void **state);
/* The same on TCP, ports of the system's choice. */
int raw_setup_tcp(void **state);
int raw_setup_tcp_with(void **state, const char *const *env);
int raw_teardown(void **state);

/* --- sockets; all are closed at the end --- */

void *raw_open_as(struct raw *f, const char *endpoint, const struct bus_keys *keys);
/* With the member's key, and connected. */
void *raw_open(struct raw *f, const char *endpoint, const char *name);
void raw_close(struct raw *f, void *socket);
bool raw_is_writable(void *socket);
/* The connection was ended: nothing can be sent. */
bool raw_is_cut(void *socket);
/* A stream socket to an ipc or tcp endpoint, without ZeroMQ. */
int raw_connect(const char *endpoint);

/* --- messages --- */

void raw_send(void *socket, const struct bytes *parts, size_t n);
/* The next message that is no heartbeat; false after ms without one. */
bool raw_recv(void *socket, struct frames *f, int ms);
void raw_expect_command(void *socket, int command);
/* A good header under a new message id. */
struct bytes raw_header(struct raw *f, const char *method, uint32_t deadline_ms);
struct bytes raw_hello(struct raw *f, uint32_t credit, uint32_t parked);
struct bytes raw_ok_reply(struct raw *f);
/* Awaits a FINAL: its status and first code; the outcome must be as said. */
void raw_expect_final(struct raw *f, void *socket, int status, const char *code,
		      Common__Outcome outcome);

/* --- the broker's figures --- */

/* Waits until the metric has at least this value. */
void raw_wait_metric(struct raw *f, const char *name, long long at_least);
/* Waits until it has exactly this one. */
void raw_wait_value(struct raw *f, const char *name, long long value);
void raw_wait_drop(struct raw *f, const char *reason);
void raw_wait_cut(struct raw *f, const char *reason);
/* Resident memory, bytes. */
long long raw_resident(const struct raw *f);

/* --- honest parts --- */

/* A worker of plain MDP/0.2: READY without a hello. */
void *raw_worker(struct raw *f);
void *raw_caller(struct raw *f);
/* A request to echo.Say with 20 s. */
void raw_ask(struct raw *f, void *caller, const char *body);
/* The worker's next request; its token is copied out. */
void raw_take(void *worker, uint8_t token[static 16]);
/* The broker serves: one request through the given worker and caller. */
void raw_expect_service(struct raw *f, void *worker, void *caller);

#endif
