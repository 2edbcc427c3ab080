#include "services/bus/record_ring.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"

struct record_ring {
	uint32_t slots;
	_Atomic uint64_t put, taken; /* counts since the beginning */
	/* the producer's */
	struct record gap;
	_Atomic uint64_t missing;
	struct record slot[];
};

void record_copy(struct record *to, const struct record *from)
{
	memcpy(to, from, offsetof(struct record, purpose) + strlen(from->purpose) + 1);
}

struct record_ring *record_ring_new(uint32_t slots)
{
	struct record_ring *ring;

	CHECK(slots > 0 && (slots & (slots - 1)) == 0);
	ring = base_alloc(sizeof(*ring) + slots * sizeof(ring->slot[0]));
	ring->slots = slots;
	return ring;
}

void record_ring_free(struct record_ring *ring)
{
	free(ring);
}

/* Only the producer moves put on, only the consumer taken. */
static struct record *free_slot(struct record_ring *ring, uint64_t *ret_put)
{
	uint64_t put = atomic_load_explicit(&ring->put, memory_order_relaxed);
	uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_acquire);

	*ret_put = put;
	return put - taken < ring->slots ? &ring->slot[put & (ring->slots - 1)] : NULL;
}

static bool put_one(struct record_ring *ring, const struct record *r)
{
	uint64_t put;
	struct record *slot = free_slot(ring, &put);

	if (!slot)
		return false;
	record_copy(slot, r);
	atomic_store_explicit(&ring->put, put + 1, memory_order_release);
	return true;
}

/* A gap knows when its first and its last request came. */
static void miss(struct record_ring *ring, const struct record *r)
{
	if (ring->gap.gap++ == 0)
		ring->gap.arrived_us = r->arrived_us;
	ring->gap.answered_us = r->arrived_us;
	atomic_fetch_add_explicit(&ring->missing, 1, memory_order_relaxed);
}

bool record_ring_settle(struct record_ring *ring)
{
	if (ring->gap.gap == 0)
		return false;
	ring->gap.member = ring->gap.provider = "";
	if (!put_one(ring, &ring->gap))
		return true;
	ring->gap.gap = 0;
	return false;
}

bool record_ring_put(struct record_ring *ring, const struct record *r)
{
	if (!record_ring_settle(ring) && put_one(ring, r))
		return true;
	miss(ring, r);
	return false;
}

const struct record *record_ring_recent(const struct record_ring *ring, uint32_t i)
{
	uint64_t put = atomic_load_explicit(&ring->put, memory_order_relaxed);

	if (i >= put || i >= ring->slots)
		return NULL;
	return &ring->slot[(put - 1 - i) & (ring->slots - 1)];
}

uint64_t record_ring_missing(const struct record_ring *ring)
{
	return atomic_load_explicit(&ring->missing, memory_order_relaxed);
}

const struct record *record_ring_oldest(const struct record_ring *ring)
{
	uint64_t put = atomic_load_explicit(&ring->put, memory_order_acquire);
	uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);

	return put == taken ? NULL : &ring->slot[taken & (ring->slots - 1)];
}

void record_ring_take(struct record_ring *ring)
{
	uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);

	atomic_store_explicit(&ring->taken, taken + 1, memory_order_release);
}

uint32_t record_ring_fill(const struct record_ring *ring)
{
	uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_acquire);

	return (uint32_t)(atomic_load_explicit(&ring->put, memory_order_acquire) - taken);
}

uint32_t record_ring_slots(const struct record_ring *ring)
{
	return ring->slots;
}
