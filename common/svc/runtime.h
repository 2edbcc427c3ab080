/*
 * The running process behind svc.h; private to common/svc. What belongs to which thread:
 *
 *	loop thread   bus sockets, timers, health server, parked pulls, drain
 *	worker        one connection; takes tasks from the pool's queue, runs each to its end
 *	consumer      one connection, one source
 *	job           one connection, one job
 *	publisher     one connection, all published feeds
 *	main          starts them; after the loop it waits for them
 *
 * Everything else here is set before the threads start, or atomic.
 */
#ifndef LGSP_SVC_RUNTIME_H
#define LGSP_SVC_RUNTIME_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/bus/worker.h"
#include "common/http/http.h"
#include "common/svc/svc.h"

#define RUNTIME_MAGIC 0x53564352u
#define CALL_MAGIC    0x43414c4cu

struct pool;
struct feed_desk;
struct publisher;
struct consumer;
struct job;
struct health;
struct dispatch_metrics;

struct svc_config {
	const char *instance;
	const char *log_level;
	int64_t clock_offset_us;
	const char *bus_backend;
	const char *bus_member;
	const char *key;
	const char *bus_key;
	const char *dsn;
	const char *db_password_file;
	const char *http;
	int64_t workers;
};

/* Tells threads of their own that the process ends, and wakes them. */
struct stopper {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool stopping;
};

struct svc_runtime {
	unsigned magic;
	const struct svc *def;
	struct svc_config config;
	struct loop *loop;
	struct bus_keys keys;
	struct bus_client *client;
	struct bus_worker *worker; /* NULL until the schema is new enough */
	struct relay *_Atomic relay;
	struct pool *pool;
	struct feed_desk *feed;
	struct publisher *publisher; /* NULL: the service publishes nothing */
	struct consumer **consumers;
	struct job **jobs;
	struct health *health;
	struct dispatch_metrics *metrics;
	struct stopper stop;
	atomic_int live; /* consumers, jobs and publisher that have not ended */
	/* loop thread */
	bool draining;
	int exit_code;
	int64_t drain_until_us;
	struct loop_timer *drain_timer;
};

/* svc.c */
struct db_config runtime_db_config(const struct svc_runtime *rt);
/* Loop thread: the schema is new enough; joins the bus, starts relay, consumers and jobs. Once. */
void runtime_serve(struct svc_runtime *rt);
/* Loop thread: ends the process in order; code is the exit code. Twice is fine. */
void runtime_drain(struct svc_runtime *rt, int code);
/* Any thread of ours: sleeps, or returns true at once when the process ends. */
bool runtime_pause(struct svc_runtime *rt, int64_t ms);
bool runtime_stopping(struct svc_runtime *rt);

/* --- pool.c: worker threads and their queue --- */

struct pool_worker {
	struct svc_runtime *rt;
	struct db_conn *conn;
	pthread_t thread;
};

struct pool_task {
	struct pool_task *next;
	void (*run)(struct pool_worker *w, struct pool_task *task);
};

struct pool *pool_new(struct svc_runtime *rt, unsigned n_workers);
/* Any thread. False when the queue is full or closed: the task is not taken. */
bool pool_push(struct pool *pool, struct pool_task *task);
/* Closes the queue; workers end after their task. False: some were still busy after timeout_ms. */
bool pool_stop(struct pool *pool, int64_t timeout_ms);
void pool_free(struct pool *pool); /* after pool_stop() said true */

/* --- call.c: the unit of work --- */

enum call_kind { CALL_RPC, CALL_CONSUMER, CALL_JOB };
enum call_end { CALL_OPEN, CALL_REPLIED, CALL_FAILED };

struct call_state {
	enum call_kind kind;
	enum call_end end;
	const char *method; /* or the consumer's source, the job's name */
	uint8_t request_sha256[32];
	enum db_retry retry;  /* of the failed transaction */
	bool inbox_taken;     /* this request's row is in this attempt's transaction */
	bool committed;       /* in this attempt */
	bool outcome_unknown; /* an earlier attempt may have committed */
	bool has_events;
	bool has_evidence; /* for the next event */
	uint8_t evidence[CRYPT_SHA256_BYTES];
	bool first_try; /* the caller has not sent this message id before */
	bool replayed;
	unsigned attempts;
	const uint8_t *reply;
	size_t reply_len;
	const uint8_t *unstored; /* goes behind the reply */
	size_t unstored_len;
};

/* Fills in what all kinds share; the caller's memory, all zero before. */
void call_init(struct call *c, struct call_state *state, struct svc_runtime *rt,
	       struct db_conn *conn, struct arena *arena);
/* Forgets the attempt before; what it may have left behind is kept in the state. */
void call_again(struct call *c);
/* Queues BEGIN and, for an effect, the inbox row. */
void call_begin(struct call *c);
/* Takes over what the failed transaction says and ends it. */
void call_note_failure(struct call *c);
/* The closure handlers reply by; data is the call. */
void call_reply(const ProtobufCMessage *reply, void *data);
void call_wake_relay(struct call *c);
/* Puts what must not be stored behind the reply, which is complete then. 0 or the error. */
int call_finish_reply(struct call *c);

/* --- admit.c: who may call what --- */

/* Exposures (enum rpc_exposure) a caller satisfies. */
unsigned admit_exposures(const struct call_caller *caller, bool on_behalf);
/* 0, or ERR_DENIED with code EXPOSURE_DENIED or ROLE_REQUIRED. */
int admit_check(const struct rpc_row *row, const struct call_caller *caller, bool on_behalf,
		struct err *err);

/* --- dispatch.c: a request from the bus --- */

/* Loop thread: bus_worker's on_request. arg is the runtime. */
void dispatch_request(struct bus_request *req, void *arg);
struct dispatch_metrics *dispatch_metrics_new(const struct rpc_table *rpcs);
/* Identity and time of a request as a call. */
void dispatch_call_of(struct bus_request *req, struct pool_worker *w, struct call *c,
		      struct call_state *state);

/* --- feed.c: Feed.Pull and Feed.Head --- */

struct feed_desk *feed_desk_new(struct svc_runtime *rt);
void feed_desk_free(struct feed_desk *desk);
bool feed_is_method(const char *method);
/* Worker thread: answers the request or parks it. */
void feed_serve(struct pool_worker *w, struct bus_request *req);
/* Loop thread: answers every parked pull. */
void feed_desk_drain(struct feed_desk *desk);
/* Loop thread: bus_worker's on_unpark: answers the pull when it is parked. arg is the runtime. */
void feed_on_unpark(struct bus_request *req, void *arg);
/* The relay's on_moved, and the publisher's. Any thread. arg is the runtime. */
void feed_on_moved(int64_t high_water, void *arg);

/* --- consumer.c --- */

struct consumer *consumer_start(struct svc_runtime *rt, const struct svc_consumer *def);
/* After the stopper was set. False: still busy after timeout_ms. */
bool consumer_join(struct consumer *consumer, int64_t timeout_ms);

struct consumer_status {
	const char *source;
	const char *state; /* starting, running, waiting, stopped */
	int64_t pos;
	int64_t high_water;
};
void consumer_status(struct consumer *consumer, struct consumer_status *ret_status);

/* --- deadletter.c: DeadLetter.List, .Replay and .Discard --- */

bool deadletter_is_method(const char *method);
/* Worker thread: answers the request. */
void deadletter_serve(struct pool_worker *w, struct bus_request *req);

/* --- job.c --- */

struct job *job_start(struct svc_runtime *rt, const struct svc_job *def);
bool job_join(struct job *job, int64_t timeout_ms);

/* --- health.c --- */

/* Loop thread. NULL when the address cannot be listened on. */
struct health *health_new(struct svc_runtime *rt);
/* Loop thread: stops listening and probing. */
void health_close(struct health *health);
/* After the loop was freed: work posted to it may still look here. */
void health_free(struct health *health);
/* Loop thread: bus_worker's on_hello. arg is the runtime. */
void health_on_hello(const Bus__BrokerHello *hello, void *arg);
/* The broker's business clock is known and differs from ours. Any thread. */
bool health_clock_differs(const struct health *health);

/* --- thread.c --- */

/* pthread_create() with signals blocked; CHECKed. */
void thread_start(pthread_t *thread, void *(*fn)(void *), void *arg);
bool thread_join(pthread_t thread, int64_t timeout_ms);
void thread_cond_init(pthread_cond_t *cond);
/* Waits at most until a monotonic moment; false at time-out. */
bool thread_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_us);

#endif
