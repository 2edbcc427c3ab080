// with: services/bus/broker.c services/bus/service_queue.c services/bus/pending.c services/bus/backend.c services/bus/member.c services/bus/quota.c services/bus/admin.c services/bus/admin_report.c services/bus/admin_look.c services/bus/admin_act.c services/bus/stats.c services/bus/account.c services/bus/top.c services/bus/records.c services/bus/record_ring.c services/bus/record_store.c services/bus/errors.c services/bus/members.c tests/unit/buscore.c
/*
 * The broker's frame handlers and what happens around them. The input is a list of steps: a byte
 * for the socket and the connection, a byte for the number of frames, then each frame as a length
 * byte and bytes. Some lengths stand for what random bytes would never hit: the last token a worker
 * was given, the last message id, a good header, hello, reply. Two of the sockets are none: one
 * lets time pass, the other drains, holds workers back, revokes keys, sets limits, makes peers go.
 * Whatever comes: no abort, every answer to a caller is a FINAL or PARTIAL with a readable header,
 * every request gets exactly one FINAL, nothing stays.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/log.h"
#include "common/wire/header.h"
#include "tests/unit/buscore.h"

#define PARTS_MAX   12
#define BUS         "bus"
#define LEN_TOKEN   255
#define LEN_HEADER  254
#define LEN_HELLO   253
#define LEN_REPLY   252
#define LEN_MDPC    251
#define LEN_MDPW    250
#define LEN_ECHO    249
#define LEN_ADMIN   248
#define LEN_BUS     247
#define LEN_MMI     246
#define LEN_ID      245
#define SOCKET_ACT  6
#define SOCKET_TIME 7

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p, *end;
	struct arena arena;
	uint8_t token[BUS_TOKEN_BYTES];
	uint8_t id[16];
	unsigned asked, finals;
	bool gone; /* some answers went nowhere */
};

static uint8_t take_byte(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

static void check_sent_to_worker(struct input *in, const struct frames *f, int command)
{
	CHECK(f->n >= 3 && frame_is(&f->part[1], BUS_MDP_WORKER));
	if (command == BUS_W_REQUEST) {
		CHECK(f->n == 8 && frame_size(&f->part[3]) == BUS_TOKEN_BYTES);
		memcpy(in->token, frame_data(&f->part[3]), BUS_TOKEN_BYTES);
		return;
	}
	if (command == BUS_W_CANCEL)
		CHECK(f->n == 4 && frame_size(&f->part[3]) == BUS_TOKEN_BYTES);
	else
		CHECK(command == BUS_W_HEARTBEAT || command == BUS_W_DISCONNECT);
}

/* What the broker says must be as docs/wire.md has it. */
static void check_sent(struct core *c, enum broker_side side, const struct frames *f)
{
	struct input *in = c->user;
	struct arena arena;
	Bus__ReplyHeader *h;
	struct err err;
	int command = f->n > 2 ? frame_command(&f->part[2]) : -1;

	if (side == SIDE_BACKEND) {
		check_sent_to_worker(in, f, command);
		return;
	}
	if (command == BUS_C_PONG) {
		CHECK(f->n == 3 && frame_is(&f->part[1], BUS_MDP_CLIENT));
		return;
	}
	CHECK(f->n >= 5 && frame_is(&f->part[1], BUS_MDP_CLIENT));
	CHECK(command == BUS_C_FINAL || command == BUS_C_PARTIAL);
	in->finals += command == BUS_C_FINAL;
	if (f->n == 5)
		return; /* plain MMI */
	arena_init(&arena, 1 << 20);
	CHECK(header_read_reply(frame_data(&f->part[4]), frame_size(&f->part[4]), &arena, &h,
				&err) == 0);
	CHECK(h->status >= COMMON__STATUS__STATUS_OK &&
	      h->status <= COMMON__STATUS__STATUS_INTERNAL);
	CHECK(h->status == COMMON__STATUS__STATUS_OK ||
	      h->outcome != COMMON__OUTCOME__OUTCOME_UNSPECIFIED);
	arena_done(&arena);
}

static struct core_part take_hello(struct input *in)
{
	struct core_part hello = core_hello(&in->arena, take_byte(in) & 15, take_byte(in) & 15,
					    (take_byte(in) & 7) == 7);
	uint8_t *bytes = arena_alloc(&in->arena, hello.n + 2);

	if (take_byte(in) % 2)
		return hello;
	memcpy(bytes, hello.p, hello.n);
	memcpy(bytes + hello.n, "\x30\x01", 2); /* cancel = 6 */
	return BYTES(bytes, hello.n + 2);
}

static struct core_part take_admin_header(struct input *in)
{
	static const char *const methods[] = {"Status", "Services", "Members", "Queues", "Top",
					      "Trace",  "Quota",    "Drain",   "Reload", "mmi.x"};

	in->id[1]++;
	return core_header(&in->arena, methods[take_byte(in) % ARRAY_LEN(methods)], 1000, 0,
			   in->id);
}

static struct core_part take_part(struct input *in)
{
	size_t n = take_byte(in);

	switch (n) {
	case LEN_TOKEN:
		return BYTES(in->token, sizeof(in->token));
	case LEN_HEADER:
		in->id[0] = take_byte(in);
		in->id[1]++;
		return core_header(&in->arena, "Say", 1 + take_byte(in) * 4, take_byte(in) & 3,
				   in->id);
	case LEN_HELLO:
		return take_hello(in);
	case LEN_REPLY:
		return core_ok(&in->arena);
	case LEN_MDPC:
		return PART(BUS_MDP_CLIENT);
	case LEN_MDPW:
		return PART(BUS_MDP_WORKER);
	case LEN_ECHO:
		return PART("echo");
	case LEN_ADMIN:
		return take_admin_header(in);
	case LEN_BUS:
		return PART(BUS);
	case LEN_MMI:
		return PART("mmi.service");
	case LEN_ID:
		return BYTES(in->id, sizeof(in->id));
	}
	if (n > (size_t)(in->end - in->p))
		n = (size_t)(in->end - in->p);
	in->p += n;
	return BYTES(in->p - n, n);
}

/* What an operator, the files and the network do meanwhile. */
static void act(struct core *c, struct input *in, uint8_t which, uint8_t what)
{
	struct member_key *key = c->keys[which % CORE_MEMBERS];

	switch (what % 8) {
	case 0:
		broker_drain(c->b);
		break;
	case 1:
		broker_resume(c->b);
		break;
	case 2:
	case 3:
		broker_hold(c->b, "echo", which % 2 ? "echo-1" : "", what % 2);
		break;
	case 4:
		in->gone = true; /* a revoked key gets no answers any more */
		key->valid = !key->valid;
		broker_rights_changed(c->b);
		break;
	case 5:
		c->gone = (uint8_t)(1 + which);
		in->gone = true;
		break;
	case 6:
		c->gone = 0;
		break;
	case 7:
		key->member->limits = (struct quota_limits){.in_flight = which % 4};
		break;
	}
}

/* CANCEL and PING have no FINAL of their own; a stranger's PING is refused. */
static bool is_request(const struct core_part *parts, unsigned n, bool known)
{
	uint8_t command;

	if (n < 2 || parts[0].n != 6 || memcmp(parts[0].p, BUS_MDP_CLIENT, 6) != 0 ||
	    parts[1].n != 1)
		return true;
	command = *(const uint8_t *)parts[1].p;
	return command != BUS_C_CANCEL && (command != BUS_C_PING || !known);
}

static void step(struct core *c, struct input *in)
{
	uint8_t what = take_byte(in), n = take_byte(in), which = what >> 3;
	struct core_part parts[PARTS_MAX];
	enum broker_side side = (enum broker_side)((what & 7) % SIDES);
	int member = which % (CORE_MEMBERS + 1) - 1;
	bool known = member >= 0 && c->keys[member]->valid;

	if ((what & 7) == SOCKET_TIME) {
		core_pass(c, n % (PARTS_MAX + 1) * 200000LL);
		return;
	}
	if ((what & 7) == SOCKET_ACT) {
		act(c, in, which, n);
		return;
	}
	n %= PARTS_MAX + 1;
	for (unsigned i = 0; i < n; i++)
		parts[i] = take_part(in);
	in->asked += side == SIDE_ADMIN || (side == SIDE_MEMBER && is_request(parts, n, known));
	/* The connection decides whose it is: a member has one on each socket. */
	core_deliver(c, side, (uint8_t)(1 + which), member, parts, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct broker_config config = core_config();
	struct input in = {.p = data, .end = data + size};
	static bool quiet;
	struct core *c;

	if (!quiet)
		log_init("fuzz", "error");
	quiet = true;
	config.pending_max = 20;
	config.queue_entries = 8;
	config.queue_share = 5;
	c = core_new(&config);
	c->forget = true;
	c->on_send = check_sent;
	c->user = &in;
	arena_init(&in.arena, 16 << 20);
	in.id[2] = 1;
	while (in.p < in.end)
		step(c, &in);
	/* In the end every deadline passes and nothing is left. */
	core_pass(c, 1200000);
	CHECK(in.gone || in.finals == in.asked);
	CHECK(pending_count(c->b->pending) == 0 && pending_bytes(c->b->pending) == 0);
	for (struct service *s = c->b->services.tqh_first; s; s = s->link.tqe_next)
		CHECK(s->queued == 0 && s->queued_bytes == 0 && s->in_flight == 0);
	arena_done(&in.arena);
	core_free(c);
	return 0;
}
