/*
 * What operators do about events that were put aside: see them, have those of a subject applied
 * again in order, or give one up. Served by worker threads; the cursor's row is locked as by the
 * consumer, so that no later event of the subject slips in between.
 */
#include <string.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/svc/consumer.h"
#include "common/wire/pb.h"

#define LETTERS_DEFAULT 100
#define LETTERS_MAX     500

static const struct rpc_row deadletter_row = {
	.method = "DeadLetter",
	.exposure = RPC_INTERNAL | RPC_STAFF,
	.effect = RPC_READ, /* settled by the letter's own state, not by the inbox */
	.roles = "operator",
};

static const struct err_kind unknown_source = {ERR_NOT_FOUND, "UNKNOWN_SOURCE",
					       "Dịch vụ này không nhận sự kiện từ %s",
					       "this service does not follow %s"};
static const struct err_kind unknown_letter = {ERR_NOT_FOUND, "UNKNOWN_DEAD_LETTER",
					       "Không có sự kiện nào đang chờ ở vị trí này",
					       "no event is put aside at this position"};
static const struct err_kind unknown_letter_method = {ERR_NOT_FOUND, "UNKNOWN_METHOD",
						      "Không có chức năng %s", "no method %s"};

static const struct db_stmt list_letters = {
	"SELECT pos, subject, type, behind, code, reason_vi, reason_en, parked_at FROM dead_letter"
	" WHERE source = $1 AND pos > $2 AND settled_at IS NULL ORDER BY pos LIMIT $3"};
static const struct db_stmt lock_source = {"SELECT 1 FROM applied WHERE source = $1 FOR UPDATE"};
static const struct db_stmt first_letter = {
	"SELECT pos, event FROM dead_letter WHERE source = $1 AND subject = $2"
	" AND settled_at IS NULL ORDER BY pos LIMIT 1"};
static const struct db_stmt settle_letter = {
	"UPDATE dead_letter SET settled_at = $3, settlement = $4, settled_by = $5"
	" WHERE source = $1 AND pos = $2 AND settled_at IS NULL"};
static const struct db_stmt refuse_again = {
	"UPDATE dead_letter SET behind = false, code = $3, reason_vi = $4, reason_en = $5"
	" WHERE source = $1 AND pos = $2"};
static const struct db_stmt count_letters = {
	"SELECT count(*) FROM dead_letter WHERE source = $1 AND subject = $2"
	" AND settled_at IS NULL"};

bool deadletter_is_method(const char *method)
{
	return strncmp(method, "DeadLetter.", 11) == 0;
}

static const struct svc_consumer *deadletter_consumer(const struct svc *def, const char *source)
{
	for (size_t i = 0; i < def->n_consumers; i++)
		if (strcmp(def->consumers[i].source, source) == 0)
			return &def->consumers[i];
	return NULL;
}

/* Who asks, for the record. */
static const char *deadletter_by(struct call *c, const char *why)
{
	return arena_printf(c->arena, "%s%s%s%s%s", c->caller.member,
			    c->caller.subject[0] != '\0' ? " " : "", c->caller.subject,
			    why[0] != '\0' ? ": " : "", why);
}

/* --- list --- */

static int deadletter_list(struct call *c, const ProtobufCMessage *msg, ProtobufCMessage **ret_out)
{
	const Feed__ListDeadLettersRequest *in = (const Feed__ListDeadLettersRequest *)msg;
	Feed__ListDeadLettersReply *out = arena_alloc(c->arena, sizeof(*out));
	uint32_t limit = in->limit == 0 ? LETTERS_DEFAULT : in->limit;
	int slot = call_query(c, &list_letters, DB_TEXT(in->source), DB_INT8(in->after),
			      DB_INT4(limit < LETTERS_MAX ? limit : LETTERS_MAX));
	Feed__DeadLetter *letters;
	size_t n;

	if (slot < 0)
		return slot;
	n = (size_t)db_rows(&c->tx, slot);
	letters = arena_calloc(c->arena, n, sizeof(*letters));
	if (out == NULL || letters == NULL)
		return err_set(&c->err, &err_too_large, NULL, "reply");
	feed__list_dead_letters_reply__init(out);
	out->letters = arena_calloc(c->arena, n, sizeof(out->letters[0]));
	if (out->letters == NULL)
		return err_set(&c->err, &err_too_large, NULL, "reply");
	for (int i = 0; i < (int)n; i++) {
		Feed__DeadLetter *l = out->letters[out->n_letters++] = &letters[i];

		feed__dead_letter__init(l);
		l->pos = db_get_int(&c->tx, slot, i, 0);
		l->subject = db_get_text(&c->tx, slot, i, 1);
		l->type = db_get_text(&c->tx, slot, i, 2);
		l->behind = db_get_bool(&c->tx, slot, i, 3);
		l->code = db_get_text(&c->tx, slot, i, 4);
		l->reason_vi = db_get_text(&c->tx, slot, i, 5);
		l->reason_en = db_get_text(&c->tx, slot, i, 6);
		l->parked_us = db_get_time_us(&c->tx, slot, i, 7);
	}
	*ret_out = &out->base;
	return 0;
}

/* --- replay --- */

static int deadletter_apply(struct call *c, const struct svc_consumer *consumer, int64_t pos,
			    int slot)
{
	struct consumer_item item;
	Feed__Entry *entry = arena_alloc(c->arena, sizeof(*entry));

	if (entry == NULL)
		return err_set(&c->err, &err_too_large, NULL, "event");
	feed__entry__init(entry);
	entry->pos = pos;
	entry->event.data = (uint8_t *)db_get_bytes(&c->tx, slot, 0, 1, &entry->event.len);
	if (consumer_item_read(c, entry, &item) < 0)
		return c->err.status;
	return consumer_item_apply(consumer, c, &item);
}

/* The subject's first event, in a transaction. >0 applied (*ret_pos), 0 none left, <0 refused. */
static int deadletter_replay_one(struct call *c, const struct svc_consumer *consumer,
				 const char *subject, int64_t *ret_pos)
{
	const char *source = consumer->source;
	const char *by = deadletter_by(c, "");
	int slot;

	call_begin(c);
	tx_add(c, &lock_source, DB_TEXT(source));
	slot = tx_add(c, &first_letter, DB_TEXT(source), DB_TEXT(subject));
	if (tx_flush(c) < 0)
		return c->err.status;
	if (db_rows(&c->tx, slot) == 0)
		return 0;
	*ret_pos = db_get_int(&c->tx, slot, 0, 0);
	if (deadletter_apply(c, consumer, *ret_pos, slot) < 0)
		return c->err.status;
	tx_add(c, &settle_letter, DB_TEXT(source), DB_INT8(*ret_pos), DB_TIME(c->now_us),
	       DB_TEXT("replayed"), DB_TEXT(by));
	if (db_commit(&c->tx, NULL, 0) < 0)
		return c->err.status;
	call_wake_relay(c);
	return 1;
}

/* What is left, and why; the refused one is no longer merely behind. */
static int deadletter_tell(struct call *c, const Feed__ReplayDeadLettersRequest *in, int64_t pos,
			   Feed__ReplayDeadLettersReply *out)
{
	struct err why = c->err;
	int slot;

	err_clear(&c->err);
	if (why.status != 0) {
		out->code = arena_strdup(c->arena, err_code(&why));
		out->reason_vi = arena_strdup(c->arena, why.items[0].vi);
		out->reason_en = arena_strdup(c->arena, why.items[0].en);
		if (call_query(c, &refuse_again, DB_TEXT(in->source), DB_INT8(pos),
			       DB_TEXT(out->code), DB_TEXT(out->reason_vi),
			       DB_TEXT(out->reason_en)) < 0)
			return c->err.status;
	}
	slot = call_query(c, &count_letters, DB_TEXT(in->source), DB_TEXT(in->subject));
	if (slot < 0)
		return slot;
	out->remaining = (int32_t)db_get_int(&c->tx, slot, 0, 0);
	return 0;
}

static int deadletter_replay(struct call *c, const ProtobufCMessage *msg,
			     ProtobufCMessage **ret_out)
{
	const Feed__ReplayDeadLettersRequest *in = (const Feed__ReplayDeadLettersRequest *)msg;
	const struct svc_consumer *consumer = deadletter_consumer(c->svc->def, in->source);
	Feed__ReplayDeadLettersReply *out = arena_alloc(c->arena, sizeof(*out));
	int64_t pos = 0;
	int rc;

	if (consumer == NULL)
		return err_set(&c->err, &unknown_source, "source", in->source);
	if (out == NULL)
		return err_set(&c->err, &err_too_large, NULL, "reply");
	feed__replay_dead_letters_reply__init(out);
	while ((rc = deadletter_replay_one(c, consumer, in->subject, &pos)) > 0)
		out->replayed++;
	db_end(&c->tx);
	/* Trouble is no news about the event: the caller asks again. */
	if (rc < 0 && err_side(rc) != ERR_SIDE_CALLER && rc != ERR_INTERNAL)
		return rc;
	*ret_out = &out->base;
	return deadletter_tell(c, in, pos, out);
}

/* --- discard --- */

static int deadletter_discard(struct call *c, const ProtobufCMessage *msg,
			      ProtobufCMessage **ret_out)
{
	const Feed__DiscardDeadLetterRequest *in = (const Feed__DiscardDeadLetterRequest *)msg;
	Feed__DiscardDeadLetterReply *out = arena_alloc(c->arena, sizeof(*out));
	int slot;

	if (in->reason[0] == '\0')
		return err_set(&c->err, &err_required_field, "reason", NULL);
	if (out == NULL)
		return err_set(&c->err, &err_too_large, NULL, "reply");
	slot = call_query(c, &settle_letter, DB_TEXT(in->source), DB_INT8(in->pos),
			  DB_TIME(c->now_us), DB_TEXT("discarded"),
			  DB_TEXT(deadletter_by(c, in->reason)));
	if (slot < 0)
		return slot;
	if (db_affected(&c->tx, slot) == 0)
		return err_set(&c->err, &unknown_letter, "pos", NULL);
	feed__discard_dead_letter_reply__init(out);
	*ret_out = &out->base;
	return 0;
}

/* --- serving --- */

static const struct {
	const char *method;
	const ProtobufCMessageDescriptor *input;
	int (*serve)(struct call *c, const ProtobufCMessage *in, ProtobufCMessage **ret_out);
} deadletter_methods[] = {
	{"DeadLetter.List", &feed__list_dead_letters_request__descriptor, deadletter_list},
	{"DeadLetter.Replay", &feed__replay_dead_letters_request__descriptor, deadletter_replay},
	{"DeadLetter.Discard", &feed__discard_dead_letter_request__descriptor, deadletter_discard},
};

static int deadletter_answer(struct call *c, const struct bus_request *req,
			     ProtobufCMessage **ret_out)
{
	ProtobufCMessage *in;

	if (clock_mono_us() >= c->deadline_us)
		return err_set(&c->err, &err_deadline_passed, NULL, NULL);
	if (admit_check(&deadletter_row, &c->caller, req->caller->on_behalf_of != NULL, &c->err) <
	    0)
		return c->err.status;
	for (size_t i = 0; i < ARRAY_LEN(deadletter_methods); i++) {
		if (strcmp(deadletter_methods[i].method, c->state->method) != 0)
			continue;
		if (pb_unpack(deadletter_methods[i].input, req->body, req->body_len, NULL, c->arena,
			      &in, &c->err) < 0)
			return c->err.status;
		return deadletter_methods[i].serve(c, in, ret_out);
	}
	return err_set(&c->err, &unknown_letter_method, NULL, c->state->method);
}

void deadletter_serve(struct pool_worker *w, struct bus_request *req)
{
	struct call_state st = {0};
	struct call c = {0};
	ProtobufCMessage *out = NULL;
	uint8_t *bytes = NULL;
	size_t n = 0;

	log_trace_set(req->trace_id);
	dispatch_call_of(req, w, &c, &st);
	/* Handlers' apply functions belong to a consumer's transaction. */
	st.kind = CALL_CONSUMER;
	if (deadletter_answer(&c, req, &out) == 0)
		pb_pack(out, c.arena, &bytes, &n, &c.err);
	log_info("svc.dead_letter", LOG_STR("method", st.method),
		 LOG_STR("member", c.caller.member), LOG_STR("err", err_code(&c.err)));
	if (c.tx.magic != 0)
		db_end(&c.tx);
	bus_reply(req, c.err.status != 0 ? &c.err : NULL, bytes, n, false);
	log_trace_set(NULL);
}
