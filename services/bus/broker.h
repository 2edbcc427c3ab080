/*
 * The broker's core: what it knows, and what its rooms may ask of each other. It holds no socket:
 * frames come in through member_on_frames(), admin_on_frames() and backend_on_frames(), and go out
 * through the send hook; time is b->now_us, set by whoever calls in. So the whole of it runs in
 * tests and under the fuzzer without a network. One thread.
 *
 *	server.c         sockets, identity of a message      -> one of the three *_on_frames()
 *	member.c         client requests: limits, header, rights
 *	quota.c          what one member may have outstanding, and how fast
 *	service_queue.c  queues of a service, fair between members; dispatch
 *	backend.c        workers: READY, credit, heartbeats, FINAL, loss
 *	pending.c        tokens and deadlines
 *	admin.c          mmi.service and the Status of the broker
 *	account.c        what is noted of each request: its record, its member's counters
 *	top.c            who was busy in the last minute
 *	stats.c          metrics
 */
#ifndef LGSP_SERVICES_BUS_BROKER_H
#define LGSP_SERVICES_BUS_BROKER_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/bus/frame.h"
#include "lgsp/bus/v1/header.pb-c.h"
#include "services/bus/account.h"
#include "services/bus/members.h"
#include "services/bus/pending.h"
#include "services/bus/records.h"
#include "services/bus/stats.h"
#include "services/bus/top.h"

#define BROKER_SERVICES_MAX 1024
#define BROKER_WORKERS_MAX  4096
#define BROKER_CREDIT_MAX   4096
#define BROKER_TEXT_MAX     64
#define BROKER_DEATHS       1024
#define SERVICE_PACED       16 /* answers after which a service's pace is known */

struct broker_config {
	const char *instance;
	uint32_t pending_max;     /* requests accepted and not answered */
	size_t pending_bytes_max; /* their bytes */
	uint32_t queue_entries;   /* waiting per service */
	size_t queue_bytes;
	uint32_t queue_share;       /* waiting per service and member */
	struct quota_limits member; /* of members whose `limit` line says nothing; 0: none */
	int64_t heartbeat_us;       /* to each worker; lost after three without a word */
	int64_t probe_us;           /* to workers that hold requests: finds a dead one sooner */
	int64_t grace_us;           /* a service without workers keeps its queue so long */
	/*
	 * Sends all parts (the first is the peer's id) without waiting: 0 and the parts are
	 * consumed, or -1 and nothing happened.
	 */
	int (*send)(void *arg, enum broker_side side, struct frames *f);
	void *send_arg;
	/* Members and rights again: 0, or -1 with the reason and nothing changed. Of send_arg. */
	int (*reload)(void *arg, char fault[static MEMBERS_FAULT_MAX]);
	struct records *records; /* the caller's; NULL: none are kept */
};

/* One member's requests waiting for one service. */
struct lane {
	struct member *member;
	struct pending_list waiting;
	uint32_t n;
	size_t bytes;
	size_t deficit; /* bytes it may send on in this turn */
	bool active, on_turn;
	TAILQ_ENTRY(lane) link;
};
TAILQ_HEAD(lane_list, lane);

struct worker {
	struct worker *next_in_bucket;
	struct peer peer;
	struct member_key *key;
	struct service *service;
	char instance[BROKER_TEXT_MAX];
	uint32_t credit, parked;
	uint32_t n_requests; /* in the list below */
	uint32_t in_hand;    /* n_requests and those we no longer wait for */
	bool draining;       /* it says so */
	bool held;           /* an operator says so: nothing is handed to it meanwhile */
	bool cancels;        /* it understands CANCEL */
	bool ready;          /* in the service's ready list */
	int64_t heard_us, said_us;
	struct pending_list requests;
	TAILQ_ENTRY(worker) link, ready_link, all_link;
};
TAILQ_HEAD(worker_list, worker);

struct service {
	TAILQ_ENTRY(service) link;
	char name[BUS_NAME_MAX];
	struct worker_list workers, ready;
	uint32_t n_workers, n_held; /* n_held: of them, by an operator */
	bool held;                  /* workers that join are held too */
	int64_t last_worker_us;     /* when the last one left */
	struct pending_list again;  /* redispatched; before all lanes */
	struct lane_list lanes;     /* active ones, in turn */
	struct lane **lane_of;      /* by member index */
	unsigned n_lane_of;
	uint32_t queued, in_flight;
	size_t queued_bytes;
	unsigned n_active; /* lanes in the list above */
	int64_t pace_us;   /* mean time between answers while requests wait */
	unsigned paced;    /* of how many, up to SERVICE_PACED */
	int64_t answered_us;
	bool pressed; /* requests waited at the last answer */
	struct service_stats stats;
};
TAILQ_HEAD(service_list, service);

/* A message id that was in the hands of a worker that died. */
struct death {
	const struct member *member;
	uint8_t message_id[16];
	unsigned count;
	int64_t when_us;
};

struct broker {
	struct broker_config config;
	int64_t now_us, started_us;
	int64_t wall_offset_us; /* wall minus monotonic clock, looked at every tick */
	int32_t today;          /* rights_today(), as of the last tick */
	struct members *members;
	struct pending_table *pending;
	struct service_list services;
	unsigned n_services;
	struct worker *worker_buckets[1024];
	struct worker_list workers;
	unsigned n_workers;
	struct death deaths[BROKER_DEATHS];
	struct arena arena; /* of the message in hand */
	struct arena out;   /* of the answer being made */
	struct err err;
	struct record record;  /* of the message in hand */
	struct member *caller; /* who sent it; NULL: unknown */
	struct top *top;
	struct stats stats;
	char served_by[BROKER_TEXT_MAX + 8];
	int64_t warned_us; /* peers cannot fill the log: one such line a second */
	bool draining;
	bool stopping; /* and for good */
};

/* --- broker.c --- */

/* members and the send hook stay the caller's. */
struct broker *broker_new(const struct broker_config *config, struct members *members);
void broker_free(struct broker *b); /* NULL is fine */
/* Deadlines. Call every PENDING_TICK_US while requests are pending. */
void broker_expire(struct broker *b);
/* Heartbeats, lost workers, abandoned queues. Call every 100 ms or so. */
void broker_tick(struct broker *b);
/*
 * After members_load() and on another day: sends away workers that may no longer serve, and forgets
 * what is outstanding of keys no longer in force, without a word to them.
 */
void broker_rights_changed(struct broker *b);
/* Another day: keys and rights begin and end. */
void broker_set_today(struct broker *b, int32_t today);
/* New requests are answered DRAINING from now on, waiting ones at once. */
void broker_drain(struct broker *b);
/* The end of a broker_drain() that was no stop. */
void broker_resume(struct broker *b);
/*
 * Hands nothing more to the workers of a service with this instance name, or to any of them (""),
 * until told otherwise (on false) or, of an instance, until it joins anew. What they hold they
 * answer, parked requests at once. A service all of whose workers are held refuses with DRAINING:
 * its callers go to another broker. Returns the number of workers; -1: no such service.
 */
int broker_hold(struct broker *b, const char *service, const char *instance, bool on);
/* Nothing is in flight any more. */
bool broker_drained(const struct broker *b);
/* Says DISCONNECT to all workers. */
void broker_dismiss(struct broker *b);

/* May a line about a peer's fault be logged now? */
bool broker_may_warn(struct broker *b);
/* Starts a message to a peer: its id, protocol, command. */
void broker_frames(struct frames *f, const struct peer *to, const char *protocol, uint8_t command);
int broker_send(struct broker *b, enum broker_side side, struct frames *f);

/* Answers a request that never became pending; b->err says why. service, id: NULL when unknown. */
void broker_refuse(struct broker *b, const struct peer *to, const zmq_msg_t *service,
		   const ProtobufCBinaryData *message_id, const char *traceparent);
/* Answers a pending request with b->err and forgets it. Its outcome is UNKNOWN once dispatched. */
void broker_end(struct broker *b, struct pending *p);
/* Passes a worker's FINAL or PARTIAL on: header and body are consumed. false: the caller has gone.
 */
bool broker_forward(struct broker *b, struct pending *p, uint8_t command, zmq_msg_t *header,
		    zmq_msg_t *body);
/* Forgets a pending request, wherever it is. */
void broker_forget(struct broker *b, struct pending *p);

/* Notes that a worker died with this request; returns how many did, lately. */
unsigned broker_note_death(struct broker *b, const struct pending *p);
unsigned broker_deaths(const struct broker *b, const struct member *member,
		       const uint8_t message_id[static 16]);

/* --- service_queue.c --- */

struct service *service_find(struct broker *b, const void *name, size_t n);
/* NULL when there are BROKER_SERVICES_MAX. */
struct service *service_find_or_add(struct broker *b, const void *name, size_t n);
void service_free(struct service *s);
/* An operator holds all its workers: what comes, and what waits, is refused. */
bool service_held(const struct service *s);
/* There is a worker, there was one a moment ago, or we started only then and it may yet join. */
bool service_alive(const struct broker *b, const struct service *s);
/* Dispatches or queues a new request; 0, or the status in b->err and p is the caller's still. */
int service_submit(struct broker *b, struct service *s, struct pending *p);
/* Puts a request of a lost worker first. */
void service_requeue(struct service *s, struct pending *p);
/* Takes a queued request out. */
void service_unqueue(struct service *s, struct pending *p);
/* Dispatches while there are waiting requests and credit. */
void service_pump(struct broker *b, struct service *s);

/* --- backend.c --- */

void backend_on_frames(struct broker *b, const struct peer *from, struct member_key *key,
		       struct frames *f);
void backend_tick(struct broker *b);
/* Takes the worker out and settles what it held. crashed: it did not say good-bye. */
void backend_lose(struct broker *b, struct worker *w, bool crashed);
void backend_say_disconnect(struct broker *b, const struct peer *to);
/* The worker holds the request no more (still_busy: but has not said so). */
void backend_release(struct broker *b, struct pending *p, bool still_busy);
int backend_say_hello(struct broker *b, struct worker *w);
/* See broker_hold(). Returns the number of workers. */
unsigned backend_hold(struct broker *b, struct service *s, const char *instance, bool on);
/* Tells the worker that p's caller no longer waits, if it understands. */
void backend_cancel(struct broker *b, struct pending *p);
/* Hands p, which is in no list, to w: 0, or -1 when w has gone (p is untouched). */
int backend_dispatch(struct broker *b, struct worker *w, struct pending *p);
uint32_t worker_free_credit(const struct worker *w);

/* --- member.c --- */

void member_on_frames(struct broker *b, const struct peer *from, struct member_key *key,
		      struct frames *f);

/* --- admin.c --- */

void admin_on_frames(struct broker *b, const struct peer *from, struct member_key *key,
		     struct frames *f);

struct request_frames;
/* bus.Whoami, which members may ask on their own socket: 0, or the status in b->err. */
int admin_answer_whoami(struct broker *b, const struct peer *from, const struct member_key *key,
			const Bus__RequestHeader *h, const struct request_frames *rf);

/* What a client's message must look like, on both of its sockets. */
struct request_frames {
	zmq_msg_t *service, *header, *body; /* body NULL: empty */
};
/* 0, or the status in b->err; *ret has what was found so far. */
int member_read_frames(struct broker *b, struct frames *f, struct request_frames *ret);
/* 0, or the status in b->err. */
int member_read_header(struct broker *b, const struct request_frames *rf,
		       Bus__RequestHeader **ret_header);
/* Key, rights, purpose and on_behalf_of: 0, or the status in b->err. */
int member_check_rights(struct broker *b, const struct member_key *key, const char *service,
			const Bus__RequestHeader *h);

/* --- kinds of refusal (errors.c) --- */

extern const struct err_kind bus_bad_frames, bus_key_revoked, bus_no_service, bus_queue_full,
	bus_share_full, bus_no_credit, bus_broker_full, bus_member_rate, bus_member_in_flight,
	bus_member_bytes, bus_body_too_large, bus_expired_in_queue, bus_expired_in_flight,
	bus_worker_lost, bus_draining, bus_service_draining, bus_killed_workers, bus_bad_reply;

#endif
