#include "services/bus/pending.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/crypt.h"

#define SLOTS       2048 /* x 20 ms = 41 s; longer deadlines pass by and stay */
#define RANDOM_POOL 4096
#define ID_BITS_MAX 14  /* of the hash of message ids */
#define CALLER_ROOM 192 /* a member and a short subject */

struct pending_table {
	uint32_t max, n_made, count;
	size_t bytes;
	struct pending **entries;
	struct pending_list free_list;
	struct pending_list wheel[SLOTS];
	struct pending **by_id;
	unsigned id_bits;
	uint64_t id_keys[2];
	int64_t swept; /* tick up to which the wheel was swept */
	uint8_t pool[RANDOM_POOL];
	size_t pool_left;
};

/* No more buckets than requests. */
static unsigned id_bits_for(uint32_t max)
{
	unsigned bits = 1;

	while (bits < ID_BITS_MAX && 1u << bits < max)
		bits++;
	return bits;
}

struct pending_table *pending_table_new(uint32_t max)
{
	struct pending_table *t = base_alloc(sizeof(*t));

	t->max = max;
	t->entries = base_alloc(max * sizeof(*t->entries));
	t->id_bits = id_bits_for(max);
	t->by_id = base_alloc(sizeof(*t->by_id) << t->id_bits);
	TAILQ_INIT(&t->free_list);
	crypt_random(t->id_keys, sizeof(t->id_keys));
	for (unsigned i = 0; i < SLOTS; i++)
		TAILQ_INIT(&t->wheel[i]);
	return t;
}

void pending_table_free(struct pending_table *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->n_made; i++)
		if (t->entries[i]->state != PENDING_FREE)
			pending_remove(t, t->entries[i]);
	for (uint32_t i = 0; i < t->n_made; i++) {
		free(t->entries[i]->caller);
		free(t->entries[i]);
	}
	free(t->entries);
	free(t->by_id);
	free(t);
}

uint32_t pending_count(const struct pending_table *t)
{
	return t->count;
}

size_t pending_bytes(const struct pending_table *t)
{
	return t->bytes;
}

/* From a pool: one call of the generator per 512 tokens. */
static void take_random(struct pending_table *t, uint8_t out[static 8])
{
	if (t->pool_left < 8) {
		crypt_random(t->pool, sizeof(t->pool));
		t->pool_left = sizeof(t->pool);
	}
	t->pool_left -= 8;
	memcpy(out, t->pool + t->pool_left, 8);
	explicit_bzero(t->pool + t->pool_left, 8);
}

static struct pending *take_entry(struct pending_table *t)
{
	struct pending *p = TAILQ_FIRST(&t->free_list);

	if (p) {
		TAILQ_REMOVE(&t->free_list, p, wheel_link);
		return p;
	}
	if (t->n_made == t->max)
		return NULL;
	p = base_alloc(sizeof(*p));
	p->index = t->n_made;
	t->entries[t->n_made++] = p;
	return p;
}

/* Callers choose their ids; which of them meet in a bucket they cannot know. */
static struct pending **bucket_of(struct pending_table *t, const uint8_t id[static 16])
{
	uint64_t half[2];

	memcpy(half, id, sizeof(half));
	half[0] = half[0] * (t->id_keys[0] | 1) ^ half[1] * (t->id_keys[1] | 1);
	return &t->by_id[half[0] >> (64 - t->id_bits)];
}

static void unlink_id(struct pending_table *t, struct pending *p)
{
	struct pending **at = bucket_of(t, p->message_id);

	while (*at != p)
		at = &(*at)->next_by_id;
	*at = p->next_by_id;
}

/* All but what an entry keeps from one request to the next. */
static void clear_entry(struct pending *p)
{
	uint32_t index = p->index, generation = p->generation + 1;
	uint8_t *caller = p->caller;
	size_t room = p->caller_room;

	memset(p, 0, sizeof(*p));
	p->index = index;
	p->generation = generation;
	p->caller = caller;
	p->caller_room = room;
}

/* The tick in which the deadline has surely passed. */
static int64_t tick_of(int64_t deadline_us)
{
	return deadline_us / PENDING_TICK_US + 1;
}

struct pending *pending_add(struct pending_table *t, int64_t now_us, int64_t deadline_us,
			    size_t bytes, const uint8_t message_id[static 16])
{
	struct pending *p = take_entry(t), **bucket = bucket_of(t, message_id);

	if (!p)
		return NULL;
	clear_entry(p);
	p->state = PENDING_NEW;
	p->arrival_us = now_us;
	p->deadline_us = deadline_us;
	p->bytes = bytes;
	memcpy(p->message_id, message_id, sizeof(p->message_id));
	p->next_by_id = *bucket;
	*bucket = p;
	take_random(t, p->random);
	zmq_msg_init(&p->header);
	zmq_msg_init(&p->body);
	if (t->count++ == 0)
		t->swept = now_us / PENDING_TICK_US;
	t->bytes += bytes;
	p->slot = (unsigned)(tick_of(deadline_us) % SLOTS);
	TAILQ_INSERT_TAIL(&t->wheel[p->slot], p, wheel_link);
	return p;
}

void pending_set_caller(struct pending *p, const void *bytes, size_t n)
{
	if (n > p->caller_room) {
		free(p->caller);
		p->caller_room = n < CALLER_ROOM ? CALLER_ROOM : n;
		p->caller = base_alloc(p->caller_room);
	}
	memcpy(p->caller, bytes, n);
	p->caller_len = n;
}

void pending_remove(struct pending_table *t, struct pending *p)
{
	CHECK(p->state != PENDING_FREE);
	TAILQ_REMOVE(&t->wheel[p->slot], p, wheel_link);
	unlink_id(t, p);
	zmq_msg_close(&p->header);
	zmq_msg_close(&p->body);
	if (p->caller_room > CALLER_ROOM) {
		free(p->caller);
		p->caller = NULL;
		p->caller_room = 0;
	}
	p->state = PENDING_FREE;
	t->count--;
	t->bytes -= p->bytes;
	TAILQ_INSERT_HEAD(&t->free_list, p, wheel_link);
}

void pending_renew(struct pending_table *t, struct pending *p)
{
	p->generation++;
	take_random(t, p->random);
}

void pending_token(const struct pending *p, uint8_t out[static BUS_TOKEN_BYTES])
{
	memcpy(out, &p->index, 4);
	memcpy(out + 4, &p->generation, 4);
	memcpy(out + 8, p->random, 8);
}

struct pending *pending_find(const struct pending_table *t, const void *token, size_t n)
{
	uint8_t own[BUS_TOKEN_BYTES];
	struct pending *p;
	uint32_t index;

	if (n != BUS_TOKEN_BYTES)
		return NULL;
	memcpy(&index, token, 4);
	if (index >= t->n_made)
		return NULL;
	p = t->entries[index];
	if (p->state == PENDING_FREE)
		return NULL;
	pending_token(p, own);
	return crypt_equal(own, token, sizeof(own)) ? p : NULL;
}

unsigned pending_each_id(struct pending_table *t, const struct member *member,
			 const uint8_t message_id[static 16],
			 void (*fn)(struct pending *p, void *arg), void *arg)
{
	struct pending *p = *bucket_of(t, message_id), *next;
	unsigned n = 0;

	for (; p; p = next) {
		next = p->next_by_id;
		if (p->member != member || memcmp(p->message_id, message_id, 16) != 0)
			continue;
		fn(p, arg);
		n++;
	}
	return n;
}

static void expire_slot(struct pending_list *slot, int64_t now_us,
			void (*fn)(struct pending *p, void *arg), void *arg)
{
	struct pending *p = TAILQ_FIRST(slot), *next;

	for (; p; p = next) {
		next = TAILQ_NEXT(p, wheel_link);
		if (p->deadline_us <= now_us)
			fn(p, arg);
	}
}

void pending_expire(struct pending_table *t, int64_t now_us,
		    void (*fn)(struct pending *p, void *arg), void *arg)
{
	int64_t tick = now_us / PENDING_TICK_US;

	/* After a long pause one turn of the wheel is enough. */
	if (tick - t->swept > SLOTS)
		t->swept = tick - SLOTS;
	while (t->swept < tick && t->count > 0)
		expire_slot(&t->wheel[++t->swept % SLOTS], now_us, fn, arg);
	if (t->count == 0)
		t->swept = tick;
}

void pending_each(struct pending_table *t, void (*fn)(struct pending *p, void *arg), void *arg)
{
	for (uint32_t i = 0; i < t->n_made; i++)
		if (t->entries[i]->state != PENDING_FREE)
			fn(t->entries[i], arg);
}
