// with: services/bus/broker.c services/bus/service_queue.c services/bus/pending.c services/bus/backend.c services/bus/member.c services/bus/quota.c services/bus/admin.c services/bus/admin_report.c services/bus/admin_look.c services/bus/admin_act.c services/bus/stats.c services/bus/account.c services/bus/top.c services/bus/records.c services/bus/record_ring.c services/bus/record_store.c services/bus/errors.c services/bus/members.c tests/unit/buscore.c
/*
 * The broker's frame handlers. The input is a list of messages: a byte for the socket and the
 * connection, a byte for the number of frames, then each frame as a length byte and bytes. Some
 * lengths stand for what random bytes would never hit: the last token a worker was given, a good
 * header, a good hello, a good reply. Whatever comes: no abort, every answer to a caller is a
 * FINAL or PARTIAL with a readable header, every request ends in exactly one FINAL, nothing stays.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/log.h"
#include "common/wire/header.h"
#include "tests/unit/buscore.h"

#define PARTS_MAX   12
#define LEN_TOKEN   255
#define LEN_HEADER  254
#define LEN_HELLO   253
#define LEN_REPLY   252
#define LEN_MDPC    251
#define LEN_MDPW    250
#define LEN_ECHO    249
#define SOCKET_TIME 7

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p, *end;
	struct arena arena;
	uint8_t token[BUS_TOKEN_BYTES];
	uint8_t id[16];
	unsigned finals;
};

static uint8_t take_byte(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
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
		CHECK(f->n >= 3 && frame_is(&f->part[1], BUS_MDP_WORKER));
		CHECK(command == BUS_W_REQUEST || command == BUS_W_HEARTBEAT ||
		      command == BUS_W_DISCONNECT);
		if (command != BUS_W_REQUEST)
			return;
		CHECK(f->n == 8 && frame_size(&f->part[3]) == BUS_TOKEN_BYTES);
		memcpy(in->token, frame_data(&f->part[3]), BUS_TOKEN_BYTES);
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
	arena_done(&arena);
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
		return core_header(&in->arena, "Say", 1 + take_byte(in) * 20, take_byte(in) & 3,
				   in->id);
	case LEN_HELLO:
		return core_hello(&in->arena, take_byte(in) & 15, take_byte(in) & 15,
				  (take_byte(in) & 7) == 7);
	case LEN_REPLY:
		return core_ok(&in->arena);
	case LEN_MDPC:
		return PART(BUS_MDP_CLIENT);
	case LEN_MDPW:
		return PART(BUS_MDP_WORKER);
	case LEN_ECHO:
		return PART("echo");
	}
	if (n > (size_t)(in->end - in->p))
		n = (size_t)(in->end - in->p);
	in->p += n;
	return BYTES(in->p - n, n);
}

static void step(struct core *c, struct input *in)
{
	uint8_t what = take_byte(in), n = take_byte(in) % (PARTS_MAX + 1);
	struct core_part parts[PARTS_MAX];

	if ((what & 7) == SOCKET_TIME) {
		core_pass(c, n * 200000LL);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		parts[i] = take_part(in);
	/* The connection decides whose it is: a member has one on each socket. */
	core_deliver(c, (enum broker_side)((what & 7) % SIDES), (uint8_t)(1 + (what >> 3)),
		     (what >> 3) % (CORE_MEMBERS + 1) - 1, parts, n);
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
	core_pass(c, 6000000);
	CHECK(pending_count(c->b->pending) == 0 && pending_bytes(c->b->pending) == 0);
	for (struct service *s = c->b->services.tqh_first; s; s = s->link.tqe_next)
		CHECK(s->queued == 0 && s->queued_bytes == 0 && s->in_flight == 0);
	arena_done(&in.arena);
	core_free(c);
	return 0;
}
