#include "services/ctl/seals.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/crypt.h"

/* A chain begins with the digest before it; the first one's is 32 zero bytes. */
static void begin(struct seals *s)
{
	s->hash = crypt_hash_new();
	crypt_hash_update(s->hash, s->digest, sizeof s->digest);
}

void seals_init(struct seals *s)
{
	memset(s, 0, sizeof *s);
	begin(s);
}

void seals_init_behind(struct seals *s, int64_t pos, const uint8_t digest[static 32])
{
	memset(s, 0, sizeof *s);
	s->pos = s->sealed = pos;
	memcpy(s->digest, digest, sizeof s->digest);
	begin(s);
}

void seals_done(struct seals *s)
{
	crypt_hash_free(s->hash);
	s->hash = NULL;
}

static int take_entry(struct seals *s, const Feed__Entry *e)
{
	uint8_t digest[CRYPT_SHA256_BYTES];

	if (e->pos != s->pos + 1) {
		snprintf(s->fault, sizeof s->fault,
			 "position %" PRId64 " follows %" PRId64 ": events are missing", e->pos,
			 s->pos);
		return -1;
	}
	crypt_sha256(e->event.data, e->event.len, digest);
	crypt_hash_update(s->hash, digest, sizeof digest);
	s->pos = e->pos;
	return 0;
}

static int take_seal(struct seals *s, const Feed__Seal *seal)
{
	uint8_t digest[CRYPT_SHA256_BYTES];

	crypt_hash_final(s->hash, digest);
	s->hash = NULL;
	if (seal->count != s->pos - s->sealed || seal->digest.len != sizeof digest ||
	    memcmp(seal->digest.data, digest, sizeof digest) != 0) {
		snprintf(s->fault, sizeof s->fault,
			 "the seal at %" PRId64 " does not fit the events %" PRId64 " to %" PRId64,
			 seal->pos_to, s->sealed + 1, s->pos);
		return -1;
	}
	memcpy(s->digest, digest, sizeof digest);
	s->sealed = seal->pos_to;
	s->n_seals++;
	begin(s);
	return 0;
}

int seals_take(struct seals *s, const Feed__PullReply *page)
{
	size_t next = 0;

	for (size_t i = 0; i < page->n_entries; i++) {
		if (take_entry(s, page->entries[i]) < 0)
			return -1;
		/* A page may repeat a seal of the one before. */
		while (next < page->n_seals && page->seals[next]->pos_to < s->pos)
			next++;
		if (next < page->n_seals && page->seals[next]->pos_to == s->pos &&
		    take_seal(s, page->seals[next++]) < 0)
			return -1;
	}
	return 0;
}
