/*
 * What the tests of the running bus share: a broker with four members, a worker of the service
 * "echo" that answers Say at once and keeps every other request until told, and requests that are
 * sent and awaited apart.
 */
#ifndef LGSP_TESTS_SUPPORT_BUSTEST_H
#define LGSP_TESTS_SUPPORT_BUSTEST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "tests/support/busd.h"
#include "tests/support/busrig.h"

#define CALLER   "VN/GOV/H40/one-stop"
#define GATEWAY  "VN/GOV/H40/lgsp-gateway"
#define SERVICE  "VN/GOV/H40/lgsp-echo"
#define OPERATOR "VN/GOV/H40/lgsp-operator"

#define GRANTS                                                                                     \
	"grant " CALLER " echo Say\n"                                                              \
	"grant " CALLER " echo Hold\n"                                                             \
	"grant " CALLER " nobody *\n"                                                              \
	"grant " GATEWAY " * * acts_for\n"                                                         \
	"grant " OPERATOR " bus *\n"

#define BUSTEST_MEMBERS 4
extern const struct busd_member bustest_members[BUSTEST_MEMBERS];
extern const char bustest_rights[];

#define HELD_MAX 64

/* A worker that answers Say at once and keeps every other request until told. */
struct echo {
	pthread_mutex_t mutex;
	struct bus_request *held[HELD_MAX];
	unsigned n_held, seen;
	bool park;
	struct bus_worker *worker;
	char member[128], subject[64];
	uint32_t attempt;
	uint8_t message_id[16];
	int64_t left_us;
};

struct fixture {
	struct busd *busd;
	struct busrig *rig;
	struct bus_client *caller, *gateway;
	struct echo echo;
	struct arena arena;
	struct err err;
	struct bus_reply_in reply;
};

struct flight {
	struct bus_client *client;
	struct bus_request_out req;
	char body[32];
	atomic_bool done;
	int status;
	struct err err;
	char answer[32], served_by[64];
};

/* Waits until the worker holds that many requests, or has seen so many. */
void bustest_wait_held(struct echo *e, unsigned held);
void bustest_wait_seen(struct echo *e, unsigned seen);
/* Answers all held requests with their own bodies, from this thread. */
void bustest_let_go(struct echo *e);
/* A worker of "echo"; bustest_echo() starts it at the fixture's broker. */
struct bus_worker_config bustest_echo_config(struct echo *e, const struct bus_keys *keys,
					     const char *endpoints, unsigned credit);
void bustest_echo(struct fixture *f, struct echo *e, unsigned credit);
/* A broker with these variables (NULL-ended, may be NULL), two clients, no worker yet. */
int bustest_setup_with(void **state, const char *const *env);
int bustest_setup(void **state);
int bustest_teardown(void **state);
/* A request to "echo" with 20 s; bustest_call() waits for its answer in f->reply and f->err. */
struct bus_request_out bustest_request(const char *method, const char *body);
int bustest_call(struct fixture *f, struct bus_client *c, const struct bus_request_out *req);
/* Sends now; bustest_land() waits for status, code and outcome, and frees the flight. */
struct flight *bustest_send(struct fixture *f, struct bus_client *c, struct bus_request_out req);
void bustest_land(struct flight *fl, int status, const char *code, bool unknown);
/* Waits until the broker's own figure has this value. */
void bustest_wait_metric(struct fixture *f, const char *name, long long value);

#define assert_code(f, code) assert_string_equal(err_code(&(f)->err), code)

#endif
