// with: services/ctl/seals.c
/*
 * The seal chain of a feed: a true one passes however it is cut into pages; a lost, swapped,
 * changed or invented event and a forged seal do not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/base.h"
#include "common/base/crypt.h"
#include "services/ctl/seals.h"

#define EVENTS 12

/* A feed of EVENTS events under seals at 1, 5, 6 and 12, made by the definition in feed.proto. */
struct chain {
	char bytes[EVENTS][16];
	Feed__Entry entries[EVENTS];
	Feed__Seal seals[4];
	uint8_t digests[4][32];
};

static void make_chain(struct chain *c)
{
	static const int ends[4] = {1, 5, 6, 12};
	uint8_t previous[32] = {0}, digest[32];
	int at = 0;

	for (int s = 0; s < 4; s++) {
		struct crypt_hash *h = crypt_hash_new();
		int from = at;

		crypt_hash_update(h, previous, 32);
		for (; at < ends[s]; at++) {
			Feed__Entry *e = &c->entries[at];

			feed__entry__init(e);
			e->pos = at + 1;
			e->event.len =
				(size_t)snprintf(c->bytes[at], sizeof c->bytes[at], "event %d", at);
			e->event.data = (uint8_t *)c->bytes[at];
			crypt_sha256(e->event.data, e->event.len, digest);
			crypt_hash_update(h, digest, 32);
		}
		crypt_hash_final(h, c->digests[s]);
		memcpy(previous, c->digests[s], 32);
		feed__seal__init(&c->seals[s]);
		c->seals[s].pos_to = ends[s];
		c->seals[s].count = ends[s] - from;
		c->seals[s].digest.data = c->digests[s];
		c->seals[s].digest.len = 32;
	}
}

/* Gives the chain in pages of n events, each with the seals that fall in or end it. */
static int take_pages(struct seals *s, struct chain *c, int n)
{
	for (int at = 0; at < EVENTS; at += n) {
		Feed__PullReply page = FEED__PULL_REPLY__INIT;
		Feed__Entry *entries[EVENTS];
		Feed__Seal *seals[4];
		int end = at + n < EVENTS ? at + n : EVENTS;

		page.entries = entries;
		page.seals = seals;
		for (int i = at; i < end; i++)
			entries[page.n_entries++] = &c->entries[i];
		/* One behind the page may come too: it ends the next. */
		for (int i = 0; i < 4; i++) {
			bool behind = page.n_seals > 0 && seals[page.n_seals - 1]->pos_to >= end;

			if (c->seals[i].pos_to > at && !behind)
				seals[page.n_seals++] = &c->seals[i];
		}
		if (seals_take(s, &page) < 0)
			return -1;
	}
	return 0;
}

static int check(struct chain *c, int page, struct seals *ret)
{
	seals_init(ret);
	int rc = take_pages(ret, c, page);

	seals_done(ret);
	return rc;
}

static void test_true_chain_in_pages_of_every_size(void **state)
{
	struct chain c;
	struct seals s;

	(void)state;
	make_chain(&c);
	for (int n = 1; n <= EVENTS; n++) {
		assert_int_equal(check(&c, n, &s), 0);
		assert_int_equal(s.pos, EVENTS);
		assert_int_equal(s.sealed, EVENTS);
		assert_int_equal(s.n_seals, 4);
	}
}

static void test_events_behind_the_last_seal_are_not_sealed(void **state)
{
	struct chain c;
	struct seals s;

	(void)state;
	make_chain(&c);
	c.seals[3].pos_to = EVENTS + 5;
	assert_int_equal(check(&c, 5, &s), 0);
	assert_int_equal(s.sealed, 6);
	assert_int_equal(s.pos, EVENTS);
}

static void change_byte(struct chain *c)
{
	c->bytes[7][0] ^= 1;
}

static void swap_events(struct chain *c)
{
	ProtobufCBinaryData kept = c->entries[2].event;

	c->entries[2].event = c->entries[3].event;
	c->entries[3].event = kept;
}

static void lose_event(struct chain *c)
{
	for (int i = 4; i < EVENTS; i++)
		c->entries[i].pos++;
}

static void forge_digest(struct chain *c)
{
	c->digests[1][31] ^= 0x80;
}

static void forge_count(struct chain *c)
{
	c->seals[2].count = 2;
}

static void shorten_digest(struct chain *c)
{
	c->seals[0].digest.len = 31;
}

static void test_every_change_is_found(void **state)
{
	static const struct {
		void (*change)(struct chain *c);
		const char *fault;
	} cases[] = {
		{change_byte, "the seal at 12 does not fit the events 7 to 12"},
		{swap_events, "the seal at 5 does not fit the events 2 to 5"},
		{lose_event, "position 6 follows 4: events are missing"},
		{forge_digest, "the seal at 5 does not fit the events 2 to 5"},
		{forge_count, "the seal at 6 does not fit the events 6 to 6"},
		{shorten_digest, "the seal at 1 does not fit the events 1 to 1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (int n = 1; n <= EVENTS; n += 4) {
			struct chain c;
			struct seals s;

			make_chain(&c);
			cases[i].change(&c);
			assert_int_equal(check(&c, n, &s), -1);
			assert_string_equal(s.fault, cases[i].fault);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_true_chain_in_pages_of_every_size),
		cmocka_unit_test(test_events_behind_the_last_seal_are_not_sealed),
		cmocka_unit_test(test_every_change_is_found),
	};

	return cmocka_run_group_tests_name("ctl_seals", tests, NULL, NULL);
}
