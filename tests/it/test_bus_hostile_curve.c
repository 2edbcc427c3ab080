/*
 * What libzmq would never send, from a CURVE client of the tests' own: malformed handshakes by the
 * thousand, and an authenticated peer whose messages never end. TCP; the broker's memory is
 * watched.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/busraw.h"
#include "tests/support/busrig.h"
#include "tests/support/curvepeer.h"

#define MIB     (1LL << 20)
#define FLAT    (24 * MIB)
#define ROUNDS  2000
#define ENDLESS (512 * MIB)
#define KEPT    (64 * MIB) /* of an endless peer, until it is cut */

static int setup(void **state)
{
	static char asan[512];
	const char *inherited = getenv("ASAN_OPTIONS");
	const char *env[] = {"MALLOC_ARENA_MAX=2", inherited ? asan : NULL, NULL};

	snprintf(asan, sizeof(asan),
		 "ASAN_OPTIONS=%s:quarantine_size_mb=1:thread_local_quarantine_size_kb=64",
		 inherited ? inherited : "");
	return raw_setup_tcp_with(state, env);
}

static void open_as(struct raw *f, struct curvepeer *p, const char *name)
{
	struct bus_keys keys = busd_keys(f->busd, name);

	curvepeer_open(p, busd_member_endpoint(f->busd), &keys);
}

static void open_shaken(struct raw *f, struct curvepeer *p, const char *name)
{
	open_as(f, p, name);
	assert_true(curvepeer_shake(p));
}

static bool send_text(struct curvepeer *p, uint8_t flags, const char *text)
{
	return curvepeer_send(p, flags, text, strlen(text));
}

/* --- the peer itself --- */

/* It is a good client as long as it wants: its garbage is answered, its handshake accepted. */
static void own_peer_is_let_in(void **state)
{
	struct raw *f = *state;
	struct curvepeer p;
	uint8_t head[2];

	open_shaken(f, &p, "caller");
	assert_true(send_text(&p, CURVEPEER_MORE, BUS_MDP_CLIENT) && send_text(&p, 0, "x"));
	assert_int_equal(read(p.fd, head, 2), 2);
	raw_wait_metric(f, "lgsp_bus_refused_total{status=\"INVALID\"}", 1);
	curvepeer_close(&p);
}

/* --- malformed ZMTP and CURVE --- */

static void mutate(uint8_t *bytes, size_t n, unsigned *seed)
{
	for (int i = 1 + rand_r(seed) % 4; i > 0; i--)
		bytes[(size_t)rand_r(seed) % n] = (uint8_t)rand_r(seed);
}

/* A greeting and a HELLO, of which anything may be wrong, missing or too much. */
static void say_first_words(struct curvepeer *p, unsigned *seed)
{
	uint8_t bytes[CURVEPEER_GREETING + CURVEPEER_HELLO + 512];
	size_t good = CURVEPEER_GREETING + CURVEPEER_HELLO, n;

	curvepeer_greeting(bytes);
	curvepeer_hello(p, bytes + CURVEPEER_GREETING);
	for (size_t i = good; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)rand_r(seed);
	n = (size_t)rand_r(seed) % sizeof(bytes);
	if (rand_r(seed) % 8)
		mutate(bytes, good, seed);
	if (rand_r(seed) % 4 == 0)
		memcpy(bytes + 12, rand_r(seed) % 2 ? "NULL\0" : "PLAIN", 5);
	curvepeer_send_raw(p, bytes, n);
}

/* A good beginning, then an INITIATE of which a bit is wrong. */
static void say_wrong_initiate(struct curvepeer *p, unsigned *seed)
{
	uint8_t bytes[512];
	size_t n;

	curvepeer_greeting(bytes);
	curvepeer_send_raw(p, bytes, CURVEPEER_GREETING);
	curvepeer_hello(p, bytes);
	curvepeer_send_raw(p, bytes, CURVEPEER_HELLO);
	if (!curvepeer_read_welcome(p))
		return;
	n = curvepeer_initiate(p, bytes);
	mutate(bytes, n, seed);
	curvepeer_send_raw(p, bytes, n);
}

static void thousands_of_malformed_peers_are_survived(void **state)
{
	struct raw *f = *state;
	void *worker = raw_worker(f), *c = raw_caller(f);
	long long before;
	unsigned seed = 20240521;

	raw_expect_service(f, worker, c);
	before = raw_resident(f);
	for (int i = 0; i < ROUNDS; i++) {
		struct curvepeer p;

		open_as(f, &p, "caller");
		if (i % 4 == 3)
			say_wrong_initiate(&p, &seed);
		else
			say_first_words(&p, &seed);
		curvepeer_close(&p);
		if (i % 500 == 0)
			raw_expect_service(f, worker, c);
	}
	raw_wait_value(f, "lgsp_bus_connections{side=\"member\"}", 1);
	raw_wait_metric(f, "lgsp_bus_handshakes_failed_total{reason=\"protocol\"}", ROUNDS / 8);
	assert_true(raw_resident(f) - before < FLAT);
	raw_expect_service(f, worker, c);
}

/* --- authenticated, and wrong --- */

static void repeated_nonce_is_hung_up_on(void **state)
{
	struct raw *f = *state;
	struct curvepeer p;

	open_shaken(f, &p, "caller");
	assert_true(send_text(&p, 0, "one"));
	p.nonce--;
	send_text(&p, 0, "again");
	assert_true(curvepeer_is_closed(&p));
	curvepeer_close(&p);
	raw_wait_metric(f, "lgsp_bus_handshakes_failed_total{reason=\"protocol\"}", 1);
	raw_wait_value(f, "lgsp_bus_refused_total{status=\"INVALID\"}", 1);
	raw_expect_service(f, raw_worker(f), raw_caller(f));
}

static void clear_text_after_the_handshake_is_hung_up_on(void **state)
{
	struct raw *f = *state;
	struct curvepeer p;

	open_shaken(f, &p, "caller");
	curvepeer_send_raw(&p, "\0\x06MDPC02", 8);
	assert_true(curvepeer_is_closed(&p));
	curvepeer_close(&p);
	raw_wait_metric(f, "lgsp_bus_handshakes_failed_total{reason=\"protocol\"}", 1);
	raw_expect_service(f, raw_worker(f), raw_caller(f));
}

/* --- without end --- */

/* Sends the same until the broker hangs up; how much it took. */
static long long push_until_cut(struct curvepeer *p, uint8_t flags, const char *start, size_t n)
{
	CLEANUP_FREE char *bytes = base_alloc(n);
	long long sent = 0;

	memcpy(bytes, start, strlen(start));
	while (sent < ENDLESS && curvepeer_send(p, flags, bytes, n))
		sent += (long long)n;
	return sent;
}

static void expect_cut(struct raw *f, uint8_t flags, const char *start, size_t n)
{
	void *worker = raw_worker(f), *c = raw_caller(f);
	struct curvepeer p;
	long long before, sent, kept;

	open_shaken(f, &p, "caller");
	raw_expect_service(f, worker, c);
	before = raw_resident(f);
	sent = push_until_cut(&p, flags, start, n);
	raw_wait_cut(f, "endless_message");
	kept = raw_resident(f) - before;
	printf("# %lld MiB went out, %lld MiB were kept\n", sent / MIB, kept / MIB);
	assert_true(sent < KEPT);
	assert_true(kept < KEPT);
	curvepeer_close(&p);
	raw_expect_service(f, worker, c);
	raw_wait_value(f, "lgsp_bus_connections{side=\"member\"}", 1);
}

static void frames_without_end_are_cut(void **state)
{
	expect_cut(*state, CURVEPEER_MORE, BUS_MDP_CLIENT, 64 << 10);
}

static void small_frames_without_end_are_cut(void **state)
{
	expect_cut(*state, CURVEPEER_MORE, BUS_MDP_CLIENT, 1000);
}

/* A PING's context is at most 16 bytes; these have a MiB, and the longest time to live. */
static void pings_without_end_are_cut(void **state)
{
	expect_cut(*state, CURVEPEER_COMMAND, "\x04PING\xff\xff", (size_t)MIB - 64);
}

static void unknown_commands_without_end_are_cut(void **state)
{
	expect_cut(*state, CURVEPEER_COMMAND, "\x07WHATNOT", 32 << 10);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, raw_teardown)
	const struct CMUnitTest tests[] = {
		TEST(own_peer_is_let_in),
		TEST(thousands_of_malformed_peers_are_survived),
		TEST(repeated_nonce_is_hung_up_on),
		TEST(clear_text_after_the_handshake_is_hung_up_on),
		TEST(frames_without_end_are_cut),
		TEST(small_frames_without_end_are_cut),
		TEST(pings_without_end_are_cut),
		TEST(unknown_commands_without_end_are_cut),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
