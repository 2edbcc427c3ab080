/*
 * A request from the bus, from its arrival in the loop thread to its answer by a worker thread:
 * deadline, row, exposure and roles, raw bytes checked and unpacked, the handler run - again when
 * the database wants it - and exactly one answer.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/crypt.h"
#include "common/base/log.h"
#include "common/base/metric.h"
#include "common/svc/runtime.h"
#include "common/wire/pb.h"
#include "common/wire/pbcheck.h"

#define DISPATCH_ATTEMPTS_MAX 6 /* one and five more */
#define DISPATCH_BACKOFF_MS   10
#define DISPATCH_ELEMENTS_MAX 20000
#define DISPATCH_RETRY_AFTER  1000
#define DISPATCH_MARGIN_US    (100 * 1000)
#define DISPATCH_DEADLINE_GAP (50 * 1000)
#define DISPATCH_SLOW_READ_US (1000 * 1000)

static const struct err_kind unknown_method = {ERR_NOT_FOUND, "UNKNOWN_METHOD",
					       "Không có chức năng %s", "no method %s"};
static const struct err_kind clock_differs = {
	ERR_UNAVAILABLE, "CLOCK_DIFFERS",
	"Đồng hồ nghiệp vụ của %s khác với trục tích hợp, chưa thể xử lý",
	"the business clock of %s differs from the bus; nothing is decided meanwhile"};

struct dispatch_task {
	struct pool_task task;
	struct bus_request *req;
	void (*serve)(struct pool_worker *w, struct bus_request *req);
};

/* --- identity --- */

static void dispatch_caller_of(const struct bus_request *req, struct call_caller *caller)
{
	const Bus__OnBehalfOf *person = req->caller->on_behalf_of;

	caller->member = req->caller->member;
	caller->purpose = req->header->purpose;
	if (person == NULL)
		return;
	caller->subject = person->subject;
	caller->agency = person->agency;
	caller->n_roles =
		person->n_roles < CALL_ROLES_MAX ? (unsigned)person->n_roles : CALL_ROLES_MAX;
	for (unsigned i = 0; i < caller->n_roles; i++)
		caller->roles[i] = person->roles[i];
}

/* A little before the caller's: what we know by then still reaches it. */
static int64_t dispatch_deadline(int64_t deadline_us)
{
	int64_t tenth_us = (deadline_us - clock_mono_us()) / 10;

	if (tenth_us <= 0)
		return deadline_us;
	return deadline_us - (tenth_us < DISPATCH_MARGIN_US ? tenth_us : DISPATCH_MARGIN_US);
}

void dispatch_call_of(struct bus_request *req, struct pool_worker *w, struct call *c,
		      struct call_state *state)
{
	call_init(c, state, w->rt, w->conn, &req->arena);
	dispatch_caller_of(req, &c->caller);
	c->deadline_us = dispatch_deadline(req->deadline_us);
	c->traceparent = req->header->traceparent;
	memcpy(c->message_id, req->header->message_id.data, sizeof(c->message_id));
	state->kind = CALL_RPC;
	state->method = req->header->method;
	state->first_try = req->header->attempt <= 1;
}

/* --- admission: nothing has happened when it refuses --- */

static int dispatch_admit(struct call *c, const struct bus_request *req,
			  const ProtobufCMethodDescriptor **ret_method)
{
	const struct svc *def = c->svc->def;

	if (clock_mono_us() >= c->deadline_us)
		return err_set(&c->err, &err_deadline_passed, NULL, NULL);
	if (!rpc_find_method(def->rpcs, c->state->method, &c->row, ret_method))
		return err_set(&c->err, &unknown_method, NULL, c->state->method);
	if (admit_check(c->row, &c->caller, req->caller->on_behalf_of != NULL, &c->err) < 0)
		return c->err.status;
	if (c->row->effect == RPC_EFFECT && health_clock_differs(c->svc->health))
		return err_set_retry(&c->err, &clock_differs, def->name, DISPATCH_RETRY_AFTER);
	return 0;
}

/* --- running --- */

static void dispatch_sleep_ms(int64_t ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&ts, NULL);
}

/* 10, 20, 40 … ms and as much again at random; false when the deadline does not leave the room. */
static bool dispatch_back_off(const struct call *c)
{
	int64_t ms = (int64_t)DISPATCH_BACKOFF_MS << (c->state->attempts - 1);
	uint16_t jitter;

	crypt_random(&jitter, sizeof(jitter));
	ms += jitter % ms;
	if (clock_mono_us() + ms * 1000 + DISPATCH_DEADLINE_GAP >= c->deadline_us)
		return false;
	dispatch_sleep_ms(ms);
	return true;
}

/* What the handler left, made into exactly one end: an answer or an error. */
static void dispatch_check_end(struct call *c)
{
	struct call_state *st = c->state;
	bool effect = c->row->effect == RPC_EFFECT;
	bool promised = st->end == CALL_REPLIED && effect && !st->committed;

	if (st->end == CALL_FAILED)
		return;
	if (st->end == CALL_REPLIED && !promised && !c->tx.open)
		return;
	/* Bugs of ours: no answer, an effect acknowledged without its commit, a forgotten commit.
	 */
	log_error(st->end == CALL_OPEN ? "svc.no_reply" : "svc.reply_without_commit",
		  LOG_STR("method", st->method));
	err_set(&c->err, &err_internal, NULL, NULL);
	c->err.outcome_unknown = st->committed;
	call_note_failure(c);
	st->retry = DB_RETRY_NO;
	st->end = CALL_FAILED;
}

/*
 * A handler may refuse before its transaction met the inbox, for instance because the world has
 * moved on since the first execution of this request. A retry still gets the first one's answer.
 */
static void dispatch_settle_refusal(struct call *c)
{
	struct call_state *st = c->state;
	struct err refusal = c->err;

	if (c->row->effect != RPC_EFFECT || st->inbox_taken || st->committed ||
	    st->retry != DB_RETRY_NO || err_side(refusal.status) != ERR_SIDE_CALLER)
		return;
	err_clear(&c->err);
	call_begin(c);
	st->inbox_taken = db_flush(&c->tx) == 0;
	call_note_failure(c);
	if (st->retry == DB_RETRY_REPLAY)
		return;
	st->retry = DB_RETRY_NO;
	if (st->inbox_taken || (st->first_try && st->attempts == 1))
		c->err = refusal;
	else if (err_side(c->err.status) != ERR_SIDE_CALLER)
		st->outcome_unknown = true;
}

static void dispatch_run_once(struct call *c, const ProtobufCMessage *in, unsigned method_index)
{
	ProtobufCService *handlers = c->svc->def->handlers;

	call_again(c);
	handlers->invoke(handlers, method_index, in, call_reply, c);
	dispatch_check_end(c);
	if (c->state->end == CALL_FAILED)
		dispatch_settle_refusal(c);
}

/* Runs the handler to its end; the call then holds the answer or the error. */
static void dispatch_run(struct call *c, const ProtobufCMessage *in, unsigned method_index)
{
	struct call_state *st = c->state;

	do {
		dispatch_run_once(c, in, method_index);
	} while (st->end == CALL_FAILED && st->retry == DB_RETRY_TX &&
		 st->attempts < DISPATCH_ATTEMPTS_MAX && dispatch_back_off(c));
	if (st->end == CALL_FAILED && st->retry == DB_RETRY_REPLAY) {
		st->end = CALL_REPLIED;
		st->replayed = true;
		err_clear(&c->err);
	}
	if (st->end == CALL_FAILED && st->outcome_unknown) {
		/* Some attempt may have committed: whatever the last one said, that is the news. */
		err_set_retry(&c->err, &err_unavailable, c->svc->def->name, DISPATCH_RETRY_AFTER);
		c->err.outcome_unknown = true;
	}
	if (st->end == CALL_REPLIED && call_finish_reply(c) < 0)
		c->err.outcome_unknown = st->committed || st->replayed;
	if (c->tx.magic != 0)
		db_end(&c->tx);
}

static int dispatch_unpack(struct call *c, const struct bus_request *req,
			   const ProtobufCMethodDescriptor *method, ProtobufCMessage **ret_in)
{
	static const struct pb_limits limits = {.elements = DISPATCH_ELEMENTS_MAX};

	crypt_sha256(req->body, req->body_len, c->state->request_sha256);
	return pb_unpack(method->input, req->body, req->body_len, &limits, c->arena, ret_in,
			 &c->err);
}

/* A call within a call: the caller's connection, thread and deadline, everything else its own. */
static void dispatch_inner(struct call *c, const struct call *outer, struct call_state *st,
			   const uint8_t *message_id, struct arena *arena)
{
	call_init(c, st, outer->svc, outer->conn, arena);
	c->caller = outer->caller;
	c->deadline_us = outer->deadline_us;
	c->now_us = outer->now_us;
	c->traceparent = outer->traceparent;
	memcpy(c->message_id, message_id, sizeof(c->message_id));
}

int call_method(struct call *c, const char *method, const uint8_t message_id[static 16],
		const ProtobufCMessage *in, struct arena *arena, ProtobufCMessage **ret_out,
		struct err *err)
{
	const ProtobufCServiceDescriptor *service = c->svc->def->rpcs->descriptor;
	struct call_state st = {.kind = CALL_RPC, .method = method};
	const ProtobufCMethodDescriptor *desc = NULL;
	struct call inner = {0};
	uint8_t *bytes;
	size_t n;

	CHECK(!c->tx.open);
	dispatch_inner(&inner, c, &st, message_id, arena);
	CHECK(rpc_find_method(c->svc->def->rpcs, method, &inner.row, &desc));
	if (admit_check(inner.row, &inner.caller, inner.caller.subject[0] != '\0', &inner.err) ==
		    0 &&
	    pb_pack(in, arena, &bytes, &n, &inner.err) == 0) {
		crypt_sha256(bytes, n, st.request_sha256);
		dispatch_run(&inner, in, (unsigned)(desc - service->methods));
	}
	if (inner.err.status == 0)
		pb_unpack(desc->output, st.reply, st.reply_len, NULL, arena, ret_out, &inner.err);
	*err = inner.err;
	return err->status;
}

/* --- the edge: one answer, one log line, two metrics --- */

/* Registered when first counted: most pairs of method and status never happen. */
struct dispatch_metrics {
	struct metric *_Atomic calls[1 - ERR_INTERNAL];
	struct metric *_Atomic time;
};

struct dispatch_metrics *dispatch_metrics_new(const struct rpc_table *rpcs)
{
	return base_alloc((rpcs->n_rows + 1) * sizeof(struct dispatch_metrics));
}

static void dispatch_count(const struct call *c, int64_t dur_us)
{
	const struct rpc_table *rpcs = c->svc->def->rpcs;
	/* Callers choose the names of unknown methods: those share the last entry. */
	size_t i = c->row != NULL ? (size_t)(c->row - rpcs->rows) : rpcs->n_rows;
	const char *method = c->row != NULL ? c->row->method : "unknown";
	struct dispatch_metrics *m = &c->svc->metrics[i];
	struct metric *calls = atomic_load(&m->calls[-c->err.status]);
	char labels[160];

	if (calls == NULL) {
		/* The time first: another thread that sees the counter takes it for granted. */
		snprintf(labels, sizeof(labels), "method=\"%s\"", method);
		atomic_store(&m->time,
			     metric_histogram("lgsp_svc_call_seconds", labels,
					      "From a worker taking a call to its answer"));
		snprintf(labels, sizeof(labels), "method=\"%s\",status=\"%s\"", method,
			 err_status_name(c->err.status));
		calls = metric_counter("lgsp_svc_calls_total", labels, "Calls answered");
		atomic_store(&m->calls[-c->err.status], calls);
	}
	metric_add(calls, 1);
	metric_observe_us(atomic_load(&m->time), dur_us);
}

/* Effects always, reads only when they failed for our fault or were slow. Never a payload. */
static void dispatch_log(const struct call *c, int64_t dur_us)
{
	const struct call_state *st = c->state;
	bool trouble = c->err.status != 0 && err_side(c->err.status) != ERR_SIDE_CALLER;
	bool effect = c->row != NULL && c->row->effect == RPC_EFFECT;
	enum log_level level = trouble ? LOG_WARN : LOG_INFO;

	if (!effect && !trouble && dur_us < DISPATCH_SLOW_READ_US)
		level = LOG_DEBUG;
	LOG_EVENT(level, "svc.call", LOG_STR("method", st->method),
		  LOG_STR("status", err_status_name(c->err.status)),
		  LOG_STR("err", err_code(&c->err)), LOG_STR("member", c->caller.member),
		  LOG_NUM("attempts", st->attempts), LOG_NUM("replayed", st->replayed),
		  LOG_NUM("unknown", c->err.outcome_unknown), LOG_NUM("dur_us", dur_us));
}

static void dispatch_handle(struct pool_worker *w, struct bus_request *req)
{
	const ProtobufCMethodDescriptor *method = NULL;
	struct call_state st = {0};
	struct call c = {0};
	ProtobufCMessage *in = NULL;
	int64_t start_us = clock_mono_us();
	int64_t dur_us;

	log_trace_set(req->trace_id);
	dispatch_call_of(req, w, &c, &st);
	if (dispatch_admit(&c, req, &method) == 0 && dispatch_unpack(&c, req, method, &in) == 0)
		dispatch_run(&c, in, (unsigned)(method - w->rt->def->rpcs->descriptor->methods));
	dur_us = clock_mono_us() - start_us;
	dispatch_count(&c, dur_us);
	dispatch_log(&c, dur_us);
	bus_reply(req, c.err.status != 0 ? &c.err : NULL, st.reply, st.reply_len, st.replayed);
	log_trace_set(NULL);
}

/* What waited here too long, or is wanted no more, is never begun. */
static void dispatch_take(struct pool_worker *w, struct pool_task *pool_task)
{
	struct dispatch_task *task = (struct dispatch_task *)pool_task;
	struct err err = {0};
	char labels[32];

	if (bus_request_begin(task->req, &err) == 0) {
		task->serve(w, task->req);
		return;
	}
	snprintf(labels, sizeof(labels), "code=\"%s\"", err_code(&err));
	metric_add(metric_counter("lgsp_svc_not_begun_total", labels,
				  "Calls whose time was over when a thread took them"),
		   1);
	bus_reply(task->req, &err, NULL, 0, false);
}

static void dispatch_choose(struct dispatch_task *task)
{
	const char *method = task->req->header->method;

	task->task.run = dispatch_take;
	if (feed_is_method(method))
		task->serve = feed_serve;
	else if (deadletter_is_method(method))
		task->serve = deadletter_serve;
	else
		task->serve = dispatch_handle;
}

void dispatch_request(struct bus_request *req, void *arg)
{
	struct svc_runtime *rt = arg;
	struct dispatch_task *task = arena_alloc(&req->arena, sizeof(*task));
	struct err err = {0};

	if (task != NULL) {
		task->req = req;
		dispatch_choose(task);
		if (pool_push(rt->pool, &task->task))
			return;
	}
	err_set_retry(&err, &err_unavailable, rt->def->name, DISPATCH_RETRY_AFTER);
	bus_reply(req, &err, NULL, 0, false);
}
