// with: services/bus/broker.c services/bus/service_queue.c services/bus/pending.c services/bus/backend.c services/bus/member.c services/bus/quota.c services/bus/admin.c services/bus/admin_report.c services/bus/admin_look.c services/bus/admin_act.c services/bus/stats.c services/bus/account.c services/bus/top.c services/bus/records.c services/bus/record_ring.c services/bus/record_store.c services/bus/errors.c services/bus/members.c tests/unit/buscore.c tests/unit/corerig.c
/*
 * What operators ask the broker, in given time: services, members, queues, quotas, who is busy,
 * what became of a request; and what is noted of each request.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/uuid.h"
#include "common/wire/header.h"
#include "common/wire/pb.h"
#include "lgsp/bus/v1/admin.pb-c.h"
#include "tests/unit/corerig.h"

#define OPERATOR 30

static struct records *records;

static int setup(void **state)
{
	static const struct record_store_config none = {.dir = "", .broker = "bus-t"};
	struct broker_config config = core_config();

	records = records_new(&none, 64);
	config.records = records;
	return corerig_setup_with(state, &config);
}

static int teardown(void **state)
{
	int rc = corerig_teardown(state);

	records_free(records);
	return rc;
}

static void send_method(struct fixture *f, const char *method, const ProtobufCMessage *in)
{
	uint8_t *bytes;
	size_t n;

	assert_int_equal(pb_pack(in, &f->arena, &bytes, &n, &f->err), 0);
	core_forget_sent(f->c);
	f->id[0]++;
	DELIVER(f->c, SIDE_ADMIN, OPERATOR, OP, PART(BUS_MDP_CLIENT), BYTE(BUS_C_REQUEST),
		PART("bus"), core_header(&f->arena, method, 1000, 0, f->id), BYTES(bytes, n));
}

static ProtobufCMessage *ask_bus(struct fixture *f, const char *method, const ProtobufCMessage *in,
				 const ProtobufCMessageDescriptor *desc)
{
	const struct frames *m;
	ProtobufCMessage *out;

	send_method(f, method, in);
	m = core_sent_to(f->c, OPERATOR, 0);
	core_expect(f, OPERATOR, 0, 0, "");
	assert_int_equal(pb_unpack(desc, frame_data(&m->part[5]), frame_size(&m->part[5]), NULL,
				   &f->arena, &out, &f->err),
			 0);
	return out;
}

#define ASK(f, Method, type, in)                                                                   \
	(Bus__##Method##Reply *)ask_bus(f, #Method, &(in)->base, &bus__##type##_reply__descriptor)

/* --- keys --- */

static void keys_show_whether_they_are_heard(void **state)
{
	struct fixture *f = *state;
	Bus__KeysRequest in = BUS__KEYS_REQUEST__INIT;
	Bus__KeysReply *out;

	f->c->keys[A]->heard_us = f->c->b->now_us - 5000;
	f->c->keys[A]->valid = false;
	f->c->keys[B]->heard_us = 0;
	out = ASK(f, Keys, keys, &in);
	assert_int_equal(out->n_keys, CORE_MEMBERS);
	in.member = "VN/GOV/H40/a";
	out = ASK(f, Keys, keys, &in);
	assert_int_equal(out->n_keys, 1);
	assert_string_equal(out->keys[0]->key, f->c->keys[A]->z85);
	assert_string_equal(out->keys[0]->member, in.member);
	assert_false(out->keys[0]->valid);
	assert_int_equal(out->now_us - out->keys[0]->last_heard_us, 5000);
	in.member = "VN/GOV/H40/b";
	out = ASK(f, Keys, keys, &in);
	assert_true(out->keys[0]->valid);
	assert_int_equal(out->keys[0]->last_heard_us, 0);
	in.member = "VN/GOV/H40/nobody";
	out = ASK(f, Keys, keys, &in);
	assert_int_equal(out->n_keys, 0);
}

static void members_may_ask_who_they_are(void **state)
{
	struct fixture *f = *state;
	ProtobufCMessage *msg;
	Bus__WhoamiReply *out;
	const struct frames *m;
	unsigned in_force = 0;

	f->c->b->now_us += 5;
	DELIVER(f->c, SIDE_MEMBER, CALLER, A, PART(BUS_MDP_CLIENT), BYTE(BUS_C_REQUEST),
		PART("bus"), core_header(&f->arena, "Whoami", 1000, 0, f->id));
	core_expect(f, CALLER, 0, 0, "");
	m = core_sent_to(f->c, CALLER, 0);
	assert_int_equal(pb_unpack(&bus__whoami_reply__descriptor, frame_data(&m->part[5]),
				   frame_size(&m->part[5]), NULL, &f->arena, &msg, &f->err),
			 0);
	out = (Bus__WhoamiReply *)msg;
	assert_string_equal(out->member, "VN/GOV/H40/a");
	for (size_t i = 0; i < out->n_rights; i++)
		in_force += out->rights[i]->in_force;
	assert_int_equal(out->n_rights, 4);
	assert_int_equal(in_force, 3);
	assert_true(out->now_us > 0);
	/* Nothing else of the broker's own, and nothing for a key that is out. */
	DELIVER(f->c, SIDE_MEMBER, CALLER, A, PART(BUS_MDP_CLIENT), BYTE(BUS_C_REQUEST),
		PART("bus"), core_header(&f->arena, "Status", 1000, 0, f->id));
	core_expect(f, CALLER, 1, ERR_DENIED, "NOT_GRANTED");
	f->c->keys[A]->valid = false;
	DELIVER(f->c, SIDE_MEMBER, CALLER, A, PART(BUS_MDP_CLIENT), BYTE(BUS_C_REQUEST),
		PART("bus"), core_header(&f->arena, "Whoami", 1000, 0, f->id));
	core_expect(f, CALLER, 2, ERR_DENIED, "KEY_REVOKED");
}

/* --- services, members, queues --- */

static void services_show_workers_and_answers(void **state)
{
	struct fixture *f = *state;
	Bus__ServicesRequest in = BUS__SERVICES_REQUEST__INIT;
	Bus__ServicesReply *out;

	core_join(f, WORKER, 5);
	core_ask(f, CALLER, A, "x");
	f->c->b->now_us += 2000;
	core_answer(f, WORKER, core_request_to(f, WORKER, 0), "y");
	core_ask(f, CALLER, A, "x");
	f->c->b->now_us += 300000;
	out = ASK(f, Services, services, &in);
	assert_string_equal(out->instance, "bus-t");
	assert_int_equal(out->n_services, 1);
	assert_string_equal(out->services[0]->name, "echo");
	assert_int_equal(out->services[0]->requests, 2);
	assert_int_equal(out->services[0]->in_flight, 1);
	assert_int_equal(out->services[0]->n_workers, 1);
	assert_string_equal(out->services[0]->workers[0]->instance, "echo-1");
	assert_string_equal(out->services[0]->workers[0]->member, "VN/GOV/H40/echo");
	assert_int_equal(out->services[0]->workers[0]->credit, 5);
	assert_int_equal(out->services[0]->workers[0]->free, 4);
	assert_int_equal(out->services[0]->workers[0]->held, 1);
	assert_int_equal(out->services[0]->workers[0]->silent_us, 300000);
	in.service = "echo";
	out = ASK(f, Services, services, &in);
	assert_int_equal(out->n_services, 1);
	in.service = "nobody";
	send_method(f, "Services", &in.base);
	core_expect(f, OPERATOR, 0, ERR_NOT_FOUND, "NOT_FOUND");
}

static const Bus__MemberDetail *member_of(const Bus__MembersReply *out, const char *name)
{
	for (size_t i = 0; i < out->n_members; i++)
		if (strcmp(out->members[i]->member, name) == 0)
			return out->members[i];
	fail();
	return NULL;
}

static uint64_t count_of(const Bus__MemberDetail *m, Common__Status status)
{
	for (size_t i = 0; i < m->n_replies; i++)
		if (m->replies[i]->status == status)
			return m->replies[i]->count;
	return 0;
}

static void members_show_use_and_answers(void **state)
{
	struct fixture *f = *state;
	Bus__MembersRequest in = BUS__MEMBERS_REQUEST__INIT;
	const Bus__MemberDetail *before, *after;

	before = member_of(ASK(f, Members, members, &in), "VN/GOV/H40/a");
	core_join(f, WORKER, 5);
	core_ask(f, CALLER, A, "x");
	core_answer(f, WORKER, core_request_to(f, WORKER, 0), "y");
	core_ask(f, CALLER, A, "held");
	DELIVER(f->c, SIDE_MEMBER, CALLER, A, PART("rubbish"));
	after = member_of(ASK(f, Members, members, &in), "VN/GOV/H40/a");
	assert_int_equal(after->in_flight, before->in_flight + 1);
	assert_true(after->bytes_in_flight > 4);
	assert_int_equal(count_of(after, COMMON__STATUS__STATUS_OK),
			 count_of(before, COMMON__STATUS__STATUS_OK) + 1);
	assert_int_equal(count_of(after, COMMON__STATUS__STATUS_INVALID),
			 count_of(before, COMMON__STATUS__STATUS_INVALID) + 1);
	in.member = "VN/GOV/H40/nobody";
	send_method(f, "Members", &in.base);
	core_expect(f, OPERATOR, 0, ERR_NOT_FOUND, "NOT_FOUND");
}

static void queues_show_whose_and_since_when(void **state)
{
	struct fixture *f = *state;
	Bus__QueuesRequest in = BUS__QUEUES_REQUEST__INIT;
	Bus__QueuesReply *out;

	core_join(f, WORKER, 1);
	core_ask(f, CALLER, A, "held");
	core_ask(f, CALLER, A, "one");
	f->c->b->now_us += 1000;
	core_ask(f, CALLER, A, "two");
	core_ask(f, OTHER, B, "three");
	f->c->b->now_us += 1000;
	out = ASK(f, Queues, queues, &in);
	assert_int_equal(out->pending, 4);
	assert_int_equal(out->pending_max, 1000);
	assert_int_equal(out->queue_entries_max, 100);
	assert_int_equal(out->n_queues, 1);
	assert_int_equal(out->queues[0]->queued, 3);
	assert_int_equal(out->queues[0]->oldest_us, 2000);
	assert_int_equal(out->queues[0]->n_lanes, 2);
	assert_string_equal(out->queues[0]->lanes[0]->member, "VN/GOV/H40/a");
	assert_int_equal(out->queues[0]->lanes[0]->queued, 2);
	assert_int_equal(out->queues[0]->lanes[0]->oldest_us, 2000);
	assert_string_equal(out->queues[0]->lanes[1]->member, "VN/GOV/H40/b");
	assert_int_equal(out->queues[0]->lanes[1]->oldest_us, 1000);
}

static void quota_shows_limits_and_use(void **state)
{
	struct fixture *f = *state;
	Bus__QuotaRequest in = BUS__QUOTA_REQUEST__INIT;
	Bus__QuotaReply *out;

	f->c->b->config.member =
		(struct quota_limits){.requests_per_s = 7, .burst = 9, .in_flight = 2};
	core_join(f, WORKER, 5);
	for (int i = 0; i < 3; i++)
		core_ask(f, CALLER, A, "x");
	core_answer(f, WORKER, core_request_to(f, WORKER, 0), "y");
	in.member = "VN/GOV/H40/a";
	out = ASK(f, Quota, quota, &in);
	assert_int_equal(out->n_members, 1);
	assert_int_equal(out->members[0]->requests_per_s, 7);
	assert_int_equal(out->members[0]->burst, 9);
	assert_int_equal(out->members[0]->in_flight, 2);
	assert_int_equal(out->members[0]->bytes_in_flight, 0);
	assert_int_equal(out->members[0]->used_in_flight, 1);
	assert_true(out->members[0]->refused_in_flight >= 1);
	assert_int_equal(out->members[0]->requests_lately, 2); /* those that ended */
	in.member = "";
	out = ASK(f, Quota, quota, &in);
	assert_int_equal(out->n_members, CORE_MEMBERS);
}

/* --- who is busy --- */

static struct record ended(const char *member, const char *method, int status)
{
	struct record r = {.member = member,
			   .status = status,
			   .by_worker = true,
			   .request_bytes = 10,
			   .reply_bytes = 20,
			   .service = "echo"};

	snprintf(r.method, sizeof(r.method), "%s", method);
	return r;
}

static void top_forgets_after_a_minute(void **state)
{
	static const char a[] = "a", b[] = "b";
	struct top_row rows[10];
	struct top *t = top_new();
	int64_t t0 = 1000 * CLOCK_US_PER_S;
	struct record r = ended(a, "Say", 0);

	(void)state;
	top_note(t, &r, 100, t0);
	top_note(t, &r, 300, t0 + CLOCK_US_PER_S);
	r = ended(b, "Say", ERR_CONFLICT);
	for (int i = 0; i < 5; i++)
		top_note(t, &r, 1000, t0 + 30 * CLOCK_US_PER_S);
	assert_int_equal(top_read(t, 60, t0 + 31 * CLOCK_US_PER_S, rows, 10), 2);
	assert_string_equal(rows[0].member, "b");
	assert_int_equal(rows[0].requests, 5);
	assert_int_equal(rows[0].failed, 5);
	assert_int_equal(rows[1].requests, 2);
	assert_int_equal(rows[1].took_us, 400);
	assert_int_equal(rows[1].request_bytes, 20);
	assert_int_equal(rows[1].reply_bytes, 40);
	assert_int_equal(top_read(t, 10, t0 + 31 * CLOCK_US_PER_S, rows, 10), 1);
	assert_int_equal(top_read(t, 60, t0 + 31 * CLOCK_US_PER_S, rows, 1), 1);
	assert_int_equal(top_read(t, 60, t0 + 60 * CLOCK_US_PER_S, rows, 10), 2);
	assert_int_equal(rows[1].requests, 1);
	assert_int_equal(top_read(t, 60, t0 + 90 * CLOCK_US_PER_S, rows, 10), 0);
	assert_int_equal(top_of_member(t, b, 60, t0 + 31 * CLOCK_US_PER_S), 5);
	top_free(t);
}

/* Nobody can fill the table for good, or with what was not granted. */
static void top_is_bounded(void **state)
{
	static const char a[] = "a", b[] = "b";
	struct top_row rows[2000];
	struct top *t = top_new();
	int64_t t0 = 1000 * CLOCK_US_PER_S;
	uint64_t sum = 0;
	char method[32];
	unsigned n;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		struct record r;

		snprintf(method, sizeof(method), "M%c%c%c", 'a' + i % 26, 'a' + i / 26 % 26,
			 'a' + i / 676);
		r = ended(a, method, 0);
		top_note(t, &r, 1, t0);
		r = ended(b, method, ERR_DENIED);
		r.by_worker = false;
		top_note(t, &r, 1, t0);
	}
	n = top_read(t, 60, t0, rows, 2000);
	assert_true(n <= TOP_ROWS + 1);
	for (unsigned i = 0; i < n; i++) {
		sum += rows[i].requests;
		assert_true(strcmp(rows[i].member, "b") != 0 ||
			    (rows[i].requests == 5000 && !*rows[i].method));
	}
	assert_int_equal(sum, 10000);
	/* Places are free again when nobody used them for a minute. */
	{
		struct record r = ended(b, "Say", 0);

		top_note(t, &r, 1, t0 + 61 * CLOCK_US_PER_S);
	}
	assert_int_equal(top_read(t, 60, t0 + 61 * CLOCK_US_PER_S, rows, 2000), 1);
	assert_string_equal(rows[0].method, "Say");
	top_free(t);
}

static void top_is_asked_within_bounds(void **state)
{
	struct fixture *f = *state;
	Bus__TopRequest in = BUS__TOP_REQUEST__INIT;
	Bus__TopReply *out;

	core_join(f, WORKER, 5);
	core_ask(f, CALLER, A, "x");
	f->c->b->now_us += 500;
	core_answer(f, WORKER, core_request_to(f, WORKER, 0), "y");
	out = ASK(f, Top, top, &in);
	assert_int_equal(out->seconds, 10);
	assert_int_equal(out->n_rows, 1);
	assert_string_equal(out->rows[0]->member, "VN/GOV/H40/a");
	assert_string_equal(out->rows[0]->service, "echo");
	assert_string_equal(out->rows[0]->method, "Say");
	assert_int_equal(out->rows[0]->mean_us, 500);
	in.seconds = 61;
	send_method(f, "Top", &in.base);
	core_expect(f, OPERATOR, 0, ERR_INVALID, "INVALID_FIELD");
	in.seconds = 60;
	in.limit = 201;
	send_method(f, "Top", &in.base);
	core_expect(f, OPERATOR, 0, ERR_INVALID, "INVALID_FIELD");
}

/* --- what became of a request --- */

static void trace_finds_by_trace_and_message(void **state)
{
	struct fixture *f = *state;
	Bus__TraceRequest in = BUS__TRACE_REQUEST__INIT;
	char id[UUID_TEXT_BYTES];
	Bus__TraceReply *out;

	core_join(f, WORKER, 5);
	core_ask(f, CALLER, A, "first");
	uuid_format(f->id, id);
	core_ask(f, CALLER, A, "second");
	core_answer(f, WORKER, core_request_to(f, WORKER, 0), "y");
	core_answer(f, WORKER, core_request_to(f, WORKER, 1), "y");
	in.id = id;
	out = ASK(f, Trace, trace, &in);
	assert_int_equal(out->n_records, 1);
	assert_string_equal(out->records[0]->worker, "echo-1");
	assert_int_equal(out->records[0]->status, COMMON__STATUS__STATUS_OK);
	assert_true(out->reaches_us > 0);
	in.id = "0af7651916cd43dd8448eb211c80319c"; /* of core_header() */
	out = ASK(f, Trace, trace, &in);
	assert_true(out->n_records >= 2);
	assert_true(out->records[0]->arrived_us <= out->records[1]->arrived_us);
	in.id = "ffffffffffffffffffffffffffffffff";
	out = ASK(f, Trace, trace, &in);
	assert_int_equal(out->n_records, 0);
	in.id = "yesterday";
	send_method(f, "Trace", &in.base);
	core_expect(f, OPERATOR, 0, ERR_INVALID, "INVALID_FIELD");
}

static void malformed_questions_are_refused(void **state)
{
	struct fixture *f = *state;

	core_forget_sent(f->c);
	DELIVER(f->c, SIDE_ADMIN, OPERATOR, OP, PART(BUS_MDP_CLIENT), BYTE(BUS_C_REQUEST),
		PART("bus"), core_header(&f->arena, "Top", 1000, 0, f->id), PART("\xff\xff"));
	core_expect(f, OPERATOR, 0, ERR_INVALID, "MALFORMED_MESSAGE");
	DELIVER(f->c, SIDE_ADMIN, OPERATOR, A, PART(BUS_MDP_CLIENT), BYTE(BUS_C_REQUEST),
		PART("bus"), core_header(&f->arena, "Top", 1000, 0, f->id), PART(""));
	core_expect(f, OPERATOR, 1, ERR_DENIED, "NOT_GRANTED");
}

/* --- drain --- */

static void drained_service_refuses_and_goes_on_again(void **state)
{
	struct fixture *f = *state;
	Bus__DrainRequest in = BUS__DRAIN_REQUEST__INIT;
	Bus__ServicesRequest services = BUS__SERVICES_REQUEST__INIT;
	Bus__DrainReply *out;
	Bus__ServicesReply *seen;

	core_join(f, WORKER, 5);
	core_ask(f, CALLER, A, "held");
	in.service = "echo";
	out = ASK(f, Drain, drain, &in);
	assert_int_equal(out->workers, 1);
	assert_int_equal(out->in_flight, 1);
	seen = ASK(f, Services, services, &services);
	assert_true(seen->services[0]->held && seen->services[0]->workers[0]->held_back);
	core_ask(f, CALLER, A, "x");
	core_expect(f, CALLER, 0, ERR_DRAINING, "SERVICE_DRAINING");
	in.resume = true;
	ASK(f, Drain, drain, &in);
	core_ask(f, CALLER, A, "x");
	assert_int_equal(core_requests_to(f, WORKER), 1);
	in.worker = "echo-7";
	send_method(f, "Drain", &in.base);
	core_expect(f, OPERATOR, 0, ERR_NOT_FOUND, "NO_SUCH_WORKER");
	in.service = "nobody";
	send_method(f, "Drain", &in.base);
	core_expect(f, OPERATOR, 0, ERR_NOT_FOUND, "NOT_FOUND");
	in.service = "";
	send_method(f, "Drain", &in.base);
	core_expect(f, OPERATOR, 0, ERR_INVALID, "REQUIRED_FIELD");
}

static void drained_broker_refuses_and_goes_on_again(void **state)
{
	struct fixture *f = *state;
	Bus__DrainRequest in = BUS__DRAIN_REQUEST__INIT;
	Bus__DrainReply *out;

	core_join(f, WORKER, 5);
	out = ASK(f, Drain, drain, &in);
	assert_int_equal(out->workers, 1);
	assert_int_equal(out->in_flight, 0);
	core_ask(f, CALLER, A, "x");
	core_expect(f, CALLER, 0, ERR_DRAINING, "BUS_DRAINING");
	in.resume = true;
	ASK(f, Drain, drain, &in);
	core_ask(f, CALLER, A, "x");
	assert_int_equal(core_requests_to(f, WORKER), 1);
	f->c->b->stopping = true;
	send_method(f, "Drain", &in.base);
	core_expect(f, OPERATOR, 0, ERR_CONFLICT, "BUS_STOPPING");
}

static void refused_reload_says_why(void **state)
{
	struct fixture *f = *state;
	Bus__ReloadRequest in = BUS__RELOAD_REQUEST__INIT;

	send_method(f, "Reload", &in.base);
	core_expect(f, OPERATOR, 0, ERR_CONFLICT, "RIGHTS_REFUSED");
	assert_non_null(strstr(f->err.items[0].en, "line 7: no such thing"));
}

/* --- what is noted --- */

static void long_texts_are_cut_at_a_character(void **state)
{
	struct fixture *f = *state;
	Bus__RequestHeader h = BUS__REQUEST_HEADER__INIT;
	Bus__OnBehalfOf who = BUS__ON_BEHALF_OF__INIT;
	char subject[400] = "";

	for (int i = 0; i < 64; i++)
		strcat(subject, i == 63 ? "\u1ed9xyz" : "ng");
	who.subject = subject; /* bytes 126 to 128 are one character */
	h.message_id = (ProtobufCBinaryData){.data = f->id, .len = 16};
	h.method = "Say";
	h.traceparent = "";
	h.on_behalf_of = &who;
	account_begin(f->c->b, f->c->keys[A]);
	account_header(f->c->b, &h);
	assert_int_equal(strlen(f->c->b->record.subject), 126);
	assert_memory_equal(f->c->b->record.subject, subject, 126);
}

static void request_that_moved_to_a_second_worker_is_one_record(void **state)
{
	struct fixture *f = *state;
	const struct record *r;

	core_join(f, WORKER, 5);
	core_ask_flags(f, CALLER, A, "x", HEADER_FLAG_REPEATABLE);
	core_join(f, WORKER2, 5);
	core_forget_sent(f->c);
	DELIVER(f->c, SIDE_BACKEND, WORKER, ECHO, PART(BUS_MDP_WORKER), BYTE(BUS_W_DISCONNECT));
	assert_null(records_recent(records, 0));
	core_answer(f, WORKER2, core_request_to(f, WORKER2, 0), "y");
	r = records_recent(records, 0);
	assert_non_null(r);
	assert_int_equal(r->dispatches, 2);
	assert_int_equal(r->status, 0);
	assert_null(records_recent(records, 1));
}

static void caller_that_left_is_seen(void **state)
{
	struct fixture *f = *state;
	const struct record *r;

	core_join(f, WORKER, 5);
	core_ask(f, CALLER, A, "x");
	f->c->gone = CALLER;
	core_answer(f, WORKER, core_request_to(f, WORKER, 0), "y");
	r = records_recent(records, 0);
	assert_non_null(r);
	assert_true(r->answered_us > 0);
	assert_int_equal(r->forwarded_us, 0);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(keys_show_whether_they_are_heard),
		TEST(members_may_ask_who_they_are),
		TEST(services_show_workers_and_answers),
		TEST(members_show_use_and_answers),
		TEST(queues_show_whose_and_since_when),
		TEST(quota_shows_limits_and_use),
		cmocka_unit_test(top_forgets_after_a_minute),
		cmocka_unit_test(top_is_bounded),
		TEST(top_is_asked_within_bounds),
		TEST(trace_finds_by_trace_and_message),
		TEST(malformed_questions_are_refused),
		TEST(drained_service_refuses_and_goes_on_again),
		TEST(refused_reload_says_why),
		TEST(drained_broker_refuses_and_goes_on_again),
		TEST(long_texts_are_cut_at_a_character),
		TEST(request_that_moved_to_a_second_worker_is_one_record),
		TEST(caller_that_left_is_seen),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
