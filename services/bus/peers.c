#include "services/bus/peers.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/base.h"

#define BUCKETS   4096 /* a power of two */
#define MAX       65536
#define SILENT_US 60000000

struct entry {
	struct entry *next;
	struct peer peer;
	struct member_key *key;
	int64_t heard_us;
};

struct peers {
	struct entry *buckets[BUCKETS];
	unsigned n, next_swept;
};

struct peers *peers_new(void)
{
	return base_alloc(sizeof(struct peers));
}

void peers_free(struct peers *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < BUCKETS; i++)
		while (p->buckets[i]) {
			struct entry *next = p->buckets[i]->next;

			free(p->buckets[i]);
			p->buckets[i] = next;
		}
	free(p);
}

static bool same(const struct peer *a, const struct peer *b)
{
	return a->side == b->side && memcmp(a->id, b->id, PEER_ID_BYTES) == 0;
}

void peers_heard(struct peers *p, const struct peer *peer, struct member_key *key, int64_t now_us)
{
	struct entry **bucket = &p->buckets[(peer->id[4] | (unsigned)peer->id[3] << 8) % BUCKETS];
	struct entry *e = *bucket;

	while (e && !same(&e->peer, peer))
		e = e->next;
	if (e) {
		e->heard_us = now_us;
		return;
	}
	if (p->n == MAX)
		return;
	e = base_alloc(sizeof(*e));
	*e = (struct entry){.next = *bucket, .peer = *peer, .key = key, .heard_us = now_us};
	*bucket = e;
	key->peers++;
	p->n++;
}

static void sweep_bucket(struct peers *p, struct entry **link, int64_t now_us)
{
	while (*link) {
		struct entry *e = *link;

		if (now_us - e->heard_us < SILENT_US) {
			link = &e->next;
			continue;
		}
		*link = e->next;
		e->key->peers--;
		p->n--;
		free(e);
	}
}

/* A sixteenth of the table each time. */
void peers_sweep(struct peers *p, int64_t now_us)
{
	for (unsigned i = 0; i < BUCKETS / 16; i++)
		sweep_bucket(p, &p->buckets[p->next_swept++ % BUCKETS], now_us);
}
