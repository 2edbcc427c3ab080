/* The unit of work: a handler's, a consumer's or a job's struct call, and its transaction. */
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/svc/runtime.h"
#include "common/wire/header.h"
#include "common/wire/pb.h"

/* What call_service() keeps of the deadline for the caller's own transaction and answer. */
#define CALL_MARGIN_MS 100

struct call *call_of(void *closure_data)
{
	struct call *c = closure_data;

	CHECK(c != NULL && c->magic == CALL_MAGIC);
	return c;
}

bool call_has_role(const struct call *c, const char *role)
{
	for (unsigned i = 0; i < c->caller.n_roles; i++)
		if (strcmp(c->caller.roles[i], role) == 0)
			return true;
	return false;
}

void call_init(struct call *c, struct call_state *state, struct svc_runtime *rt,
	       struct db_conn *conn, struct arena *arena)
{
	c->magic = CALL_MAGIC;
	c->svc = rt;
	c->conn = conn;
	c->arena = arena;
	c->state = state;
	c->now_us = clock_business_us();
	c->caller.member = "";
	c->caller.subject = "";
	c->caller.agency = "";
	c->caller.purpose = "";
	c->traceparent = "";
}

void call_again(struct call *c)
{
	struct call_state *st = c->state;

	err_clear(&c->err);
	st->end = CALL_OPEN;
	st->retry = DB_RETRY_NO;
	st->inbox_taken = false;
	st->committed = false;
	st->has_events = false;
	st->has_evidence = false;
	st->reply = NULL;
	st->reply_len = 0;
	st->unstored = NULL;
	st->unstored_len = 0;
	st->attempts++;
}

void call_begin(struct call *c)
{
	const struct call_state *st = c->state;
	const struct db_inbox inbox = {
		.caller = c->caller.member,
		.subject = c->caller.subject,
		.message_id = c->message_id,
		.method = st->method,
		.request_sha256 = st->request_sha256,
		.keep_for_ever = c->svc->def->inbox_for_ever,
	};
	bool effect = c->row != NULL && c->row->effect == RPC_EFFECT;

	db_begin(&c->tx, c->conn, effect ? &inbox : NULL, c->arena, c->deadline_us, &c->err);
}

void tx_begin(struct call *c)
{
	/* A consumer's transaction is the page's. */
	CHECK(c->state->kind != CALL_CONSUMER);
	/* A job may take work in one transaction and record it done in the next. */
	if (c->state->kind == CALL_JOB)
		c->state->committed = false;
	CHECK(!c->state->committed);
	call_begin(c);
}

int tx_flush(struct call *c)
{
	int rc = db_flush(&c->tx);

	if (rc == 0 && c->tx.has_inbox)
		c->state->inbox_taken = true;
	return rc;
}

void tx_evidence(struct call *c, const uint8_t sha256[static CRYPT_SHA256_BYTES])
{
	memcpy(c->state->evidence, sha256, sizeof(c->state->evidence));
	c->state->has_evidence = true;
}

void tx_event(struct call *c, const char *type, const char *subject, int32_t version,
	      const ProtobufCMessage *payload)
{
	static const uint8_t none[16];
	bool caused = memcmp(c->message_id, none, sizeof(none)) != 0;

	outbox_add(&c->tx, &(struct outbox_event){
				   .type = type,
				   .subject = subject,
				   .version = version,
				   .causation = caused ? c->message_id : NULL,
				   .evidence = c->state->has_evidence ? c->state->evidence : NULL,
				   .time_us = c->now_us,
				   .payload = payload,
			   });
	c->state->has_events = true;
	c->state->has_evidence = false;
}

void call_wake_relay(struct call *c)
{
	struct relay *relay = atomic_load(&c->svc->relay);

	if (c->state->has_events && relay != NULL)
		relay_signal(relay);
}

int tx_commit(struct call *c, const ProtobufCMessage *reply)
{
	struct call_state *st = c->state;
	uint8_t *bytes = NULL;
	size_t n = 0;

	CHECK(st->kind != CALL_CONSUMER);
	CHECK(!st->committed);
	if (reply != NULL && pb_pack(reply, c->arena, &bytes, &n, &c->err) < 0)
		return c->err.status;
	CRASH_POINT("svc.before_commit");
	if (db_commit(&c->tx, bytes, n) < 0)
		return c->err.status;
	CRASH_POINT("svc.after_commit");
	st->committed = true;
	st->reply = bytes;
	st->reply_len = n;
	call_wake_relay(c);
	return 0;
}

int call_query_args(struct call *c, const struct db_stmt *stmt, const struct db_arg *args, size_t n)
{
	return db_query_args(&c->tx, c->conn, c->arena, c->deadline_us, &c->err, stmt, args, n);
}

void call_note_failure(struct call *c)
{
	struct call_state *st = c->state;

	st->retry = c->tx.retry;
	if (st->retry == DB_RETRY_REPLAY) {
		st->reply = (const uint8_t *)arena_memdup(c->arena, c->tx.replay, c->tx.replay_len);
		st->reply_len = c->tx.replay_len;
	}
	/* Our own row went in: no earlier attempt has committed, nor can one any more. */
	if (st->inbox_taken)
		st->outcome_unknown = false;
	if (c->err.outcome_unknown)
		st->outcome_unknown = true;
	if (c->tx.magic != 0)
		db_end(&c->tx);
}

void call_fail(struct call *c)
{
	struct call_state *st = c->state;

	CHECK(st->end == CALL_OPEN && !st->committed);
	if (c->err.status == 0) {
		log_error("svc.fail_without_error", LOG_STR("method", st->method));
		err_set(&c->err, &err_internal, NULL, NULL);
	}
	call_note_failure(c);
	st->end = CALL_FAILED;
}

void call_reply(const ProtobufCMessage *reply, void *data)
{
	struct call *c = call_of(data);
	struct call_state *st = c->state;
	uint8_t *bytes;

	CHECK(st->end == CALL_OPEN && reply != NULL);
	st->end = CALL_REPLIED;
	/* What was committed with the inbox row is what every retry will get: so does this one. */
	if (st->committed && st->reply != NULL)
		return;
	if (pb_pack(reply, c->arena, &bytes, &st->reply_len, &c->err) < 0) {
		st->end = CALL_FAILED;
		return;
	}
	st->reply = bytes;
}

int call_unstored(struct call *c, const ProtobufCMessage *fields)
{
	struct call_state *st = c->state;
	uint8_t *bytes;
	int r = pb_pack(fields, c->arena, &bytes, &st->unstored_len, &c->err);

	if (r == 0)
		st->unstored = bytes;
	return r;
}

/* Two packed messages of one type in a row are one message with the fields of both. */
int call_finish_reply(struct call *c)
{
	struct call_state *st = c->state;
	uint8_t *whole;

	if (st->unstored == NULL)
		return 0;
	whole = arena_alloc(c->arena, st->reply_len + st->unstored_len);
	if (whole == NULL)
		return err_set(&c->err, &err_too_large, NULL, "reply");
	if (st->reply_len > 0)
		memcpy(whole, st->reply, st->reply_len);
	memcpy(whole + st->reply_len, st->unstored, st->unstored_len);
	st->reply = whole;
	st->reply_len += st->unstored_len;
	return 0;
}

static const Bus__OnBehalfOf *call_person(const struct call *c, Bus__OnBehalfOf *person)
{
	if (c->caller.subject[0] == '\0')
		return NULL;
	*person = (Bus__OnBehalfOf)BUS__ON_BEHALF_OF__INIT;
	person->subject = c->caller.subject;
	person->agency = c->caller.agency;
	person->n_roles = c->caller.n_roles;
	person->roles = (const char **)c->caller.roles;
	return person;
}

static uint32_t call_flags_for(const char *service, const char *method)
{
	const struct rpc_table *table = rpc_find_service(service);
	const struct rpc_row *row = NULL;

	if (table == NULL || !rpc_find_method(table, method, &row, NULL))
		return 0;
	return row->effect == RPC_READ ? HEADER_FLAG_REPEATABLE : 0;
}

int call_service(struct call *c, const char *service, const char *method,
		 const ProtobufCMessage *in, const ProtobufCMessageDescriptor *out_desc,
		 bool as_caller, ProtobufCMessage **ret_out)
{
	Bus__OnBehalfOf person;
	int64_t left_ms = (c->deadline_us - clock_mono_us()) / 1000 - CALL_MARGIN_MS;
	const struct bus_request_out req = {
		.service = service,
		.method = method,
		.deadline_ms = left_ms < 1 ? 1 : (uint32_t)left_ms,
		.flags = call_flags_for(service, method),
		.traceparent = c->traceparent[0] != '\0' ? c->traceparent : NULL,
		.on_behalf_of = as_caller ? call_person(c, &person) : NULL,
		.purpose = c->caller.purpose[0] != '\0' ? c->caller.purpose : NULL,
	};

	/* A lock held while another service thinks is how a standstill spreads. */
	CHECK(!c->tx.open);
	if (left_ms < 1)
		return err_set(&c->err, &err_deadline_passed, NULL, NULL);
	return bus_client_call_pb(c->svc->client, &req, in, out_desc, c->arena, ret_out, &c->err);
}
