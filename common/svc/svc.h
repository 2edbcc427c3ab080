/*
 * A service, from the inside. main() is two tables and one call:
 *
 *	int main(int argc, char **argv)
 *	{
 *		return svc_main(argc, argv, &task_service);
 *	}
 *
 * svc_main() reads the options (--help, --check, --version, --healthcheck) and the environment,
 * starts logging, metrics, the health server, the database, the relay, the consumers and the jobs,
 * registers on the bus, serves, and drains on SIGTERM.
 *
 * Threads: the loop thread owns sockets; each of LGSP_WORKERS worker threads owns a connection and
 * runs handlers to their end; the relay, each consumer and each job have a thread and a connection.
 *
 * A unit of work - an RPC, a page of events, a run of a job - is a struct call. Handlers are
 * straight-line code: check, begin, lock, decide by pure rules, write rows and events, commit,
 * reply. Whatever fails, `return call_fail(c)`. A transaction that the database wants again
 * (serialisation, lost connection) is run again whole by svc with the same message id: handlers
 * have no effect but through their transaction.
 */
#ifndef LGSP_SVC_SVC_H
#define LGSP_SVC_SVC_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/crypt.h"
#include "common/base/env.h"
#include "common/base/err.h"
#include "common/bus/client.h"
#include "common/db/db.h"
#include "common/db/outbox.h"
#include "common/wire/rpc.h"
#include "lgsp/feed/v1/feed.pb-c.h"

struct svc_runtime; /* the running process; private to common/svc */

#define CALL_ROLES_MAX 16

/* Who asks. For consumers and jobs: the service itself. */
struct call_caller {
	const char *member;
	const char *subject; /* "" when the member speaks for itself */
	const char *agency;  /* "" for citizens and systems */
	const char *roles[CALL_ROLES_MAX];
	unsigned n_roles;
	const char *purpose;
};

struct call {
	unsigned magic;
	struct svc_runtime *svc;
	struct arena *arena; /* ends with the call */
	struct err err;
	int64_t deadline_us; /* monotonic */
	int64_t now_us;      /* business time, one for the whole call, the same when run again */
	struct call_caller caller;
	uint8_t message_id[16]; /* of the request; of the event in a consumer */
	const char *traceparent;
	const struct rpc_row *row; /* NULL in consumers and jobs */
	struct db_tx tx;
	/* private to common/svc */
	struct db_conn *conn;
	struct call_state *state;
};

/* The call behind a handler's closure data; magic-checked. */
struct call *call_of(void *closure_data);

bool call_has_role(const struct call *c, const char *role);

/* --- transaction of the call --- */

/* Starts it, with the inbox row of the request when its row says effect. Nothing is sent yet. */
void tx_begin(struct call *c);
#define tx_add(c, stmt, ...)     db_add(&(c)->tx, stmt, __VA_ARGS__)
#define tx_add_row(c, stmt, ...) db_add_row(&(c)->tx, stmt, __VA_ARGS__)
/* 0 or the error, also in c->err. */
int tx_flush(struct call *c);
/*
 * The next event of this call vouches for what stands in the service's own books: the digest of the
 * row goes into the event and so under the feed's seals.
 */
void tx_evidence(struct call *c, const uint8_t sha256[static CRYPT_SHA256_BYTES]);
/* Queues an event caused by this call, at its business time; outbox_add() with the call's ids. */
void tx_event(struct call *c, const char *type, const char *subject, int32_t version,
	      const ProtobufCMessage *payload);
/* Stores the reply (NULL in consumers and jobs), commits, wakes the relay. */
int tx_commit(struct call *c, const ProtobufCMessage *reply);

/* One read of its own, without a transaction. Returns the slot or the error. */
int call_query_args(struct call *c, const struct db_stmt *stmt, const struct db_arg *args,
		    size_t n);
#define call_query(c, stmt, ...)                                                                   \
	call_query_args(c, stmt, (const struct db_arg[]){__VA_ARGS__},                             \
			sizeof((const struct db_arg[]){__VA_ARGS__}) / sizeof(struct db_arg))

/*
 * Fields of the answer that must not be stored with it, such as a secret shown once: they go behind
 * what tx_commit() stored, and behind a replayed answer too. So they have to come out the same
 * whenever the request is run, and this is called first in the handler. 0 or the error in c->err.
 */
int call_unstored(struct call *c, const ProtobufCMessage *fields);

/*
 * Runs another method of the service for the same caller, outside a transaction (CHECKed), as a
 * request of its own: roles, inbox by that message id, its own transaction, run again when the
 * database wants it. 0 with the answer in arena, or the error in err, which the caller judges: a
 * refusal is this method's, trouble (err_side()) is the whole call's.
 */
int call_method(struct call *c, const char *method, const uint8_t message_id[static 16],
		const ProtobufCMessage *in, struct arena *arena, ProtobufCMessage **ret_out,
		struct err *err);

/*
 * Ends a handler that could not do its work; c->err says why. The reply is sent by svc (or the
 * handler is run again). Returns nothing: `return call_fail(c);` reads well in void handlers.
 */
void call_fail(struct call *c);

/*
 * Asks another service, before the transaction, never inside it (CHECKed). In: a message of its
 * .proto; out: unpacked in the call's arena. The person the call speaks for is passed on only when
 * as_caller; else the service asks for itself.
 */
int call_service(struct call *c, const char *service, const char *method,
		 const ProtobufCMessage *in, const ProtobufCMessageDescriptor *out_desc,
		 bool as_caller, ProtobufCMessage **ret_out);

/* --- consumers --- */

/* One event of a page, in the page's transaction: c->tx is open, c->message_id is the event's id.
 */
struct svc_event {
	int64_t pos;
	const char *type;
	const char *subject;
	int32_t version;
	int64_t time_us;
	const ProtobufCMessage *payload; /* of pb_event_descriptor(type); NULL when unknown: skip */
};

struct svc_consumer {
	const char *source; /* service whose feed it follows */
	/*
	 * 0, or an error in c->err. ERR_INVALID, NOT_FOUND, CONFLICT, DENIED: the event is parked
	 * in dead_letter with the reason, and later ones of its subject behind it. Anything else:
	 * the page is tried again. Unknown event types: return 0.
	 */
	int (*apply)(struct call *c, const struct svc_event *ev);
};

/* --- publications: feeds for outsiders --- */

struct svc_published {
	const char *type; /* "dossier.published_state": message PublishedState of published.proto */
	const char *subject; /* what it is about, as outsiders may know it */
	const ProtobufCMessage *payload;
};

struct svc_publication {
	const char *feed; /* "<service>.<what>", e.g. dossier.states; rights name it */
	/*
	 * What outsiders learn of an event of the service's own feed: 1 with *out filled, 0
	 * nothing, -1 at the arena's cap. Pure: no clock, no database. It is called for every event
	 * since the first, in order, each once; id, version and business time are the event's.
	 */
	int (*project)(const struct svc_event *ev, struct arena *arena, struct svc_published *out);
};

/* --- jobs: periodic work on a thread of its own --- */

struct svc_job {
	const char *name;
	uint32_t every_ms;
	/*
	 * Short work is one transaction. Long work takes the item in one (with a lease), works, and
	 * records it in a second, having set c->deadline_us anew.
	 * Returns how many items it did (> 0: run again at once), 0: nothing to do, < 0: c->err.
	 */
	int (*run)(struct call *c);
};

/* --- the definition --- */

struct svc {
	const char *name; /* "task": the bus service, the schema, the feed */
	const struct rpc_table *rpcs;
	ProtobufCService *handlers; /* generated X__INIT(prefix_) */
	const struct svc_consumer *consumers;
	size_t n_consumers;
	const struct svc_publication *publications;
	size_t n_publications;
	const struct svc_job *jobs;
	size_t n_jobs;
	const struct env_var *env; /* of the service itself, beside the common ones */
	size_t n_env;
	bool inbox_for_ever; /* money: the inbox is not pruned */
	int schema_version;  /* newest file in its sql/ */
	/* After the environment was read, before serving; may be NULL. 0 or the error. */
	int (*start)(struct err *err);
	/* After the last call ended; may be NULL. */
	void (*stop)(void);
};

/* Runs the service until SIGTERM. Returns the exit code. */
int svc_main(int argc, char **argv, const struct svc *def);

#endif
