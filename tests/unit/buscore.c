#include "tests/unit/buscore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/wire/header.h"

#define TICKS 5 /* looks at deadlines between two at workers, as in the server */

static const char *const names[CORE_MEMBERS] = {"VN/GOV/H40/a", "VN/GOV/H40/b", "VN/GOV/H40/echo",
						"VN/GOV/H40/mole", "VN/GOV/H40/op"};

static const char rights[] = "grant VN/GOV/H40/a echo Say\n"
			     "grant VN/GOV/H40/a mole *\n"
			     "grant VN/GOV/H40/b * * acts_for\n"
			     "grant VN/GOV/H40/a echo Old until=2020-12-31\n"
			     "grant VN/GOV/H40/a echo Look purpose=intake\n"
			     "serve VN/GOV/H40/echo echo\n"
			     "serve VN/GOV/H40/mole mole\n"
			     "grant VN/GOV/H40/op bus *\n";

static void write_file(const char *path, const char *text)
{
	CLEANUP_FILE FILE *file = fopen(path, "we");

	CHECK(file && fputs(text, file) >= 0);
}

static void write_files(char dir[static 64], char (*keys)[41])
{
	char path[128], text[256], secret[41];

	snprintf(dir, 64, "/tmp/buscore-XXXXXX");
	CHECK(mkdtemp(dir));
	for (int i = 0; i < CORE_MEMBERS; i++) {
		CHECK(zmq_curve_keypair(keys[i], secret) == 0);
		snprintf(text, sizeof(text),
			 "metadata\n    member = \"%s\"\ncurve\n    public-key = \"%s\"\n",
			 names[i], keys[i]);
		snprintf(path, sizeof(path), "%s/%d.key", dir, i);
		write_file(path, text);
	}
	snprintf(path, sizeof(path), "%s/rights", dir);
	write_file(path, rights);
}

static void remove_files(const char *dir)
{
	char path[128];

	for (int i = 0; i < CORE_MEMBERS; i++) {
		snprintf(path, sizeof(path), "%s/%d.key", dir, i);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/rights", dir);
	unlink(path);
	rmdir(dir);
}

static int keep(void *arg, enum broker_side side, struct frames *f)
{
	struct core *c = arg;

	if (c->gone && frame_data(&f->part[0])[4] == c->gone)
		return -1;
	if (c->on_send)
		c->on_send(c, side, f);
	if (c->forget) {
		frames_done(f);
		return 0;
	}
	CHECK(c->n_sent < CORE_SENT_MAX);
	c->sent[c->n_sent].side = side;
	c->sent[c->n_sent++].f = *f;
	f->n = 0;
	return 0;
}

/* The files were removed at once: there is nothing to read again. */
static int refuse_reload(void *arg, char fault[static MEMBERS_FAULT_MAX])
{
	(void)arg;
	snprintf(fault, MEMBERS_FAULT_MAX, "rights: line 7: no such thing");
	return -1;
}

struct broker_config core_config(void)
{
	return (struct broker_config){.instance = "bus-t",
				      .pending_max = 1000,
				      .pending_bytes_max = 1 << 20,
				      .queue_entries = 100,
				      .queue_bytes = 1 << 20,
				      .queue_share = 50,
				      .heartbeat_us = 2000000,
				      .probe_us = 500000,
				      .grace_us = 0};
}

/* Made once for the whole process: making keys is slow, and the fuzzer makes many cores. */
static struct members *load_members(char (*keys)[41])
{
	char dir[64], fault[MEMBERS_FAULT_MAX], path[128];
	struct members *m = members_new();

	write_files(dir, keys);
	snprintf(path, sizeof(path), "%s/rights", dir);
	if (members_load(m, dir, path, fault) < 0) {
		fprintf(stderr, "%s\n", fault);
		abort();
	}
	remove_files(dir);
	return m;
}

struct core *core_new(const struct broker_config *config)
{
	static struct members *members;
	static char keys[CORE_MEMBERS][41];
	struct core *c = base_alloc(sizeof(*c));
	struct broker_config conf = config ? *config : core_config();

	if (!members)
		members = load_members(keys);
	c->members = members;
	for (int i = 0; i < CORE_MEMBERS; i++) {
		c->keys[i] = members_find_key(members, keys[i]);
		c->keys[i]->valid = true;
		c->keys[i]->member->quota = (struct quota){0};
		c->keys[i]->member->limits = (struct quota_limits){0};
	}
	conf.send = keep;
	conf.send_arg = c;
	conf.reload = refuse_reload;
	c->b = broker_new(&conf, c->members);
	return c;
}

void core_free(struct core *c)
{
	core_forget_sent(c);
	broker_free(c->b);
	free(c);
}

void core_deliver(struct core *c, enum broker_side side, uint8_t peer, int member,
		  const struct core_part *parts, size_t n)
{
	struct member_key *key = member < 0 ? NULL : c->keys[member];
	struct peer from = {.side = side, .id = {0, 0, 0, 0, peer}};
	struct frames f = {0};

	frames_add(&f, from.id, sizeof(from.id));
	for (size_t i = 0; i < n; i++)
		if (!frames_add(&f, parts[i].p, parts[i].n))
			f.overflow = true;
	switch (side) {
	case SIDE_BACKEND:
		backend_on_frames(c->b, &from, key, &f);
		break;
	case SIDE_ADMIN:
		admin_on_frames(c->b, &from, key, &f);
		break;
	case SIDE_MEMBER:
	case SIDES:
		member_on_frames(c->b, &from, key, &f);
		break;
	}
	frames_done(&f);
}

void core_pass(struct core *c, int64_t us)
{
	unsigned n = 0;

	for (; us > 0; us -= PENDING_TICK_US) {
		c->b->now_us += us < PENDING_TICK_US ? us : PENDING_TICK_US;
		broker_expire(c->b);
		if (++n % TICKS == 0 || us <= PENDING_TICK_US)
			broker_tick(c->b);
	}
}

void core_forget_sent(struct core *c)
{
	for (unsigned i = 0; i < c->n_sent; i++)
		frames_done(&c->sent[i].f);
	c->n_sent = 0;
}

const struct frames *core_sent_to(struct core *c, uint8_t peer, unsigned i)
{
	for (unsigned at = 0; at < c->n_sent; at++)
		if (frame_data(&c->sent[at].f.part[0])[4] == peer && i-- == 0)
			return &c->sent[at].f;
	fprintf(stderr, "nothing more was sent to peer %u\n", peer);
	abort();
}

unsigned core_count_to(struct core *c, uint8_t peer)
{
	unsigned n = 0;

	for (unsigned at = 0; at < c->n_sent; at++)
		n += frame_data(&c->sent[at].f.part[0])[4] == peer;
	return n;
}

static struct core_part pack(struct arena *arena, const ProtobufCMessage *msg)
{
	struct err err;
	uint8_t *bytes;
	size_t n;

	CHECK(header_write(msg, arena, &bytes, &n, &err) == 0);
	return (struct core_part){bytes, n};
}

struct core_part core_header(struct arena *arena, const char *method, uint32_t deadline_ms,
			     uint32_t flags, const uint8_t id[static 16])
{
	Bus__RequestHeader h = BUS__REQUEST_HEADER__INIT;

	h.message_id = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)id, .len = 16};
	h.method = method;
	h.deadline_ms = deadline_ms;
	h.attempt = 1;
	h.flags = flags;
	h.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
	return pack(arena, &h.base);
}

struct core_part core_hello(struct arena *arena, uint32_t credit, uint32_t parked, bool draining)
{
	Bus__WorkerHello h = BUS__WORKER_HELLO__INIT;

	h.credit = credit;
	h.instance = "echo-1";
	h.parked = parked;
	h.draining = draining;
	return pack(arena, &h.base);
}

struct core_part core_ok(struct arena *arena)
{
	Bus__ReplyHeader h = BUS__REPLY_HEADER__INIT;

	h.status = COMMON__STATUS__STATUS_OK;
	h.outcome = COMMON__OUTCOME__OUTCOME_DONE;
	h.served_by = "echo/echo-1";
	return pack(arena, &h.base);
}

int core_status(const struct frames *f, struct err *ret_err)
{
	Bus__ReplyHeader *h;
	struct arena arena;
	int status;

	arena_init(&arena, 1 << 20);
	CHECK(f->n == 6 && frame_is(&f->part[1], BUS_MDP_CLIENT));
	CHECK(frame_command(&f->part[2]) == BUS_C_FINAL);
	CHECK(header_read_reply(frame_data(&f->part[4]), frame_size(&f->part[4]), &arena, &h,
				ret_err) == 0);
	status = header_to_error(h, ret_err);
	arena_done(&arena);
	return status;
}
