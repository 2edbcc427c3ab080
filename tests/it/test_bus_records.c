/*
 * The operational record of a real broker: each way a request can end leaves its record, kill -9
 * leaves files that can be read, and a writer that is stuck holds up nobody.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/record/record.h"
#include "common/wire/header.h"
#include "tests/support/busraw.h"
#include "tests/support/busrig.h"
#include "tests/support/recdir.h"

#define RING 64

static struct recdir dir;

static int setup_with(void **state, const char *a, const char *b)
{
	const char *env[5] = {dir.env, "LGSP_GRACE_MS=300", a, b, NULL};

	return raw_setup_with(state, env);
}

static int setup(void **state)
{
	recdir_make(&dir);
	return setup_with(state, NULL, NULL);
}

static int teardown(void **state)
{
	int rc = raw_teardown(state);

	recdir_remove(&dir);
	return rc;
}

static const Bus__Record *expect(struct raw *f, const char *code, const char *method, int status,
				 Common__Outcome outcome, Bus__RecordDecider by)
{
	const Bus__Record *r = recdir_wait(&dir, code, method, &f->arena);

	assert_int_equal(r->status, status);
	assert_int_equal(r->outcome, outcome);
	assert_int_equal(r->decided_by, by);
	return r;
}

#define BY_BROKER BUS__RECORD_DECIDER__RECORD_DECIDER_BROKER
#define BY_WORKER BUS__RECORD_DECIDER__RECORD_DECIDER_WORKER
#define S(name)   COMMON__STATUS__STATUS_##name

/* --- what is answered --- */

static void answered_request_tells_all_its_times(void **state)
{
	struct raw *f = *state;
	void *w = raw_worker(f), *c = raw_caller(f);
	const Bus__Record *r;

	raw_expect_service(f, w, c);
	r = expect(f, "", "Say", S(OK), DONE, BY_WORKER);
	assert_string_equal(r->member, CALLER);
	assert_string_equal(r->service, "echo");
	assert_string_equal(r->provider, SERVICE);
	assert_string_equal(r->subject, "");
	assert_int_equal(r->message_id.len, 16);
	assert_memory_equal(r->message_id.data, f->message_id, 16);
	assert_int_equal(strlen(r->trace_id), 32);
	assert_true(r->request_bytes > 20 && r->reply_bytes > 4);
	assert_true(r->arrived_us > 1700000000000000LL);
	assert_true(r->arrived_us <= r->dispatched_us && r->dispatched_us <= r->answered_us &&
		    r->answered_us <= r->forwarded_us);
	assert_int_equal(r->dispatches, 1);
}

static struct bytes refusal_of_worker(struct raw *f)
{
	static const struct err_kind why = {ERR_CONFLICT, "NOT_NOW", "không", "no"};
	struct err err = {0};
	uint8_t *bytes;
	size_t n;

	err_set(&err, &why, NULL, NULL);
	assert_int_equal(header_write(&header_of_error(&err, "echo/echo-1", "", &f->arena)->base,
				      &f->arena, &bytes, &n, &err),
			 0);
	return (struct bytes){bytes, n};
}

static void refusal_of_a_worker_is_its_own(void **state)
{
	struct raw *f = *state;
	void *w = raw_worker(f), *c = raw_caller(f);
	uint8_t token[16];

	raw_ask(f, c, "x");
	raw_take(w, token);
	SEND(w, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_FINAL), ((struct bytes){token, 16}), TEXT(""),
	     refusal_of_worker(f));
	raw_expect_final(f, c, ERR_CONFLICT, "NOT_NOW", NOT_DONE);
	expect(f, "NOT_NOW", "Say", S(CONFLICT), NOT_DONE, BY_WORKER);
}

/* --- what is refused --- */

static void ask_method(struct raw *f, void *c, const char *service, const char *method,
		       uint32_t deadline_ms)
{
	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT(service),
	     raw_header(f, method, deadline_ms), TEXT("body"));
}

static void unreadable_requests_are_recorded(void **state)
{
	struct raw *f = *state;
	void *c = raw_caller(f);
	const Bus__Record *r;

	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST));
	raw_expect_final(f, c, ERR_INVALID, "BAD_FRAMES", NOT_DONE);
	r = expect(f, "BAD_FRAMES", "", S(INVALID), NOT_DONE, BY_BROKER);
	assert_string_equal(r->member, CALLER);
	assert_string_equal(r->service, "");
	SEND(c, TEXT(BUS_MDP_CLIENT), COMMAND(BUS_C_REQUEST), TEXT("echo"), TEXT("no header"));
	raw_expect_final(f, c, ERR_INVALID, "BAD_HEADER", NOT_DONE);
	r = expect(f, "BAD_HEADER", "", S(INVALID), NOT_DONE, BY_BROKER);
	assert_string_equal(r->service, "echo");
	assert_int_equal(r->message_id.len, 0);
	assert_int_equal(r->dispatched_us, 0);
}

static void refusals_are_recorded(void **state)
{
	struct raw *f = *state;
	void *w = raw_worker(f), *c = raw_caller(f);
	const Bus__Record *r;

	ask_method(f, c, "mole", "Dig", 1000);
	raw_expect_final(f, c, ERR_DENIED, "NOT_GRANTED", NOT_DONE);
	r = expect(f, "NOT_GRANTED", "Dig", S(DENIED), NOT_DONE, BY_BROKER);
	assert_string_equal(r->service, "mole");
	raw_expect_service(f, w, c);
	busd_remove_member(f->busd, "caller");
	busd_signal(f->busd, SIGHUP);
	raw_wait_metric(f, "lgsp_bus_reloads_total{result=\"ok\"}", 1);
	ask_method(f, c, "echo", "Say", 1000);
	r = expect(f, "KEY_REVOKED", "", S(DENIED), NOT_DONE, BY_BROKER);
	assert_string_equal(r->member, CALLER);
}

static void expired_and_lost_requests_are_recorded(void **state)
{
	struct raw *f = *state;
	void *w = raw_worker(f), *c = raw_caller(f);
	const Bus__Record *r;
	uint8_t token[16];

	ask_method(f, c, "echo", "Say", 60);
	raw_take(w, token);
	ask_method(f, c, "echo", "Say", 60); /* RFC 18 worker: the first holds its only credit */
	raw_expect_final(f, c, ERR_EXPIRED, "EXPIRED_IN_FLIGHT", UNKNOWN);
	r = expect(f, "EXPIRED_IN_FLIGHT", "Say", S(EXPIRED), UNKNOWN, BY_BROKER);
	assert_int_equal(r->dispatches, 1);
	assert_int_equal(r->answered_us, 0);
	raw_expect_final(f, c, ERR_EXPIRED, "EXPIRED_IN_QUEUE", NOT_DONE);
	r = expect(f, "EXPIRED_IN_QUEUE", "Say", S(EXPIRED), NOT_DONE, BY_BROKER);
	assert_int_equal(r->dispatches, 0);
	ANSWER(f, w, token, "late");
	ask_method(f, c, "echo", "Say", 10000);
	raw_take(w, token);
	SEND(w, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_DISCONNECT));
	raw_expect_final(f, c, ERR_WORKER_LOST, "WORKER_LOST", UNKNOWN);
	expect(f, "WORKER_LOST", "Say", S(WORKER_LOST), UNKNOWN, BY_BROKER);
	ask_method(f, c, "echo", "Say", 10000);
	raw_expect_final(f, c, ERR_NO_SERVICE, "NO_SERVICE", NOT_DONE);
	expect(f, "NO_SERVICE", "Say", S(NO_SERVICE), NOT_DONE, BY_BROKER);
}

static void malformed_reply_is_recorded(void **state)
{
	struct raw *f = *state;
	void *w = raw_worker(f), *c = raw_caller(f);
	uint8_t token[16];

	raw_ask(f, c, "x");
	raw_take(w, token);
	SEND(w, TEXT(BUS_MDP_WORKER), COMMAND(BUS_W_FINAL), ((struct bytes){token, 16}), TEXT(""),
	     TEXT("rubbish"));
	raw_expect_final(f, c, ERR_INTERNAL, "BAD_REPLY", UNKNOWN);
	expect(f, "BAD_REPLY", "Say", S(INTERNAL), UNKNOWN, BY_BROKER);
}

static void operators_requests_are_recorded(void **state)
{
	struct raw *f = *state;
	void *op = raw_open(f, busd_admin_endpoint(f->busd), "operator");
	const Bus__Record *r;

	ask_method(f, op, "bus", "Explode", 1000);
	raw_expect_final(f, op, ERR_NOT_FOUND, "UNKNOWN_METHOD", NOT_DONE);
	r = expect(f, "UNKNOWN_METHOD", "Explode", S(NOT_FOUND), NOT_DONE, BY_BROKER);
	assert_string_equal(r->member, OPERATOR);
	assert_string_equal(r->service, "bus");
}

/* --- trouble --- */

static uint64_t requests_recorded(void)
{
	uint64_t requests, missing;

	recdir_count(&dir, &requests, &missing);
	return requests;
}

static bool ten_recorded(void *arg)
{
	(void)arg;
	return requests_recorded() >= 10;
}

static void kill_leaves_files_that_can_be_read(void **state)
{
	struct raw *f = *state;
	void *w = raw_worker(f), *c = raw_caller(f);
	struct record_link link;
	char fault[RECORD_NAME_MAX], **names;

	for (int i = 0; i < 10; i++)
		raw_expect_service(f, w, c);
	assert_true(busrig_until(ten_recorded, NULL));
	busd_kill(f->busd);
	assert_int_equal(record_list(dir.path, &f->arena, &names), 1);
	assert_true(record_is_open(names[0], "bus-1"));
	assert_int_equal(requests_recorded(), 10);
	busd_restart(f->busd);
	raw_expect_service(f, raw_worker(f), raw_caller(f));
	recdir_wait(&dir, "", "Say", &f->arena);
	busd_signal(f->busd, SIGTERM);
	assert_int_equal(busd_wait(f->busd), 0);
	assert_int_equal(record_list(dir.path, &f->arena, &names), 2);
	assert_true(record_is_closed(names[0], "bus-1") && record_is_closed(names[1], "bus-1"));
	assert_int_equal(requests_recorded(), 11);
	assert_int_equal(record_recover(dir.path, "bus-1", 0, &link, fault), 0);
	assert_string_equal(link.name, names[1]);
}

static char fifo[256];

/*
 * What a crash seems to have left is a FIFO: the writer, about to close it up, waits for what
 * nobody writes, as it would at a disk that hangs.
 */
static int setup_stuck(void **state)
{
	recdir_make(&dir);
	snprintf(fifo, sizeof(fifo), "%s/20240521T010000.000000Z.bus-1.open", dir.path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	return setup_with(state, "LGSP_RECORDS_RING=64", NULL);
}

/* Its last writer goes and its name is gone: for the broker's writer the file ends. */
static void let_the_writer_go(void)
{
	int fd = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(unlink(fifo), 0);
	assert_int_equal(write(fd, "\0", 1), 1); /* no entry has length 0 */
	close(fd);
}

static bool all_accounted(void *arg)
{
	const uint64_t *asked = arg;
	uint64_t requests, missing;

	recdir_count(&dir, &requests, &missing);
	return requests + missing == *asked;
}

static void stuck_writer_holds_up_nobody(void **state)
{
	struct raw *f = *state;
	void *w = raw_worker(f), *c = raw_caller(f);
	uint64_t asked = 3 * RING, requests, missing;

	for (uint64_t i = 0; i < asked; i++)
		raw_expect_service(f, w, c);
	raw_wait_metric(f, "lgsp_bus_records_lost_total{reason=\"ring_full\"}", 2 * RING);
	assert_true(busd_logged(f->busd, "bus.records_lost what=ring"));
	assert_int_equal(busd_metric(f->busd, "lgsp_bus_records_waiting"), RING);
	let_the_writer_go();
	assert_true(busrig_until(all_accounted, &asked));
	recdir_count(&dir, &requests, &missing);
	assert_int_equal(missing, 2 * RING);
	raw_expect_service(f, w, c);
	asked++;
	assert_true(busrig_until(all_accounted, &asked));
}

static int setup_no_folder(void **state)
{
	recdir_make(&dir);
	assert_int_equal(rmdir(dir.path), 0);
	return setup_with(state, NULL, NULL);
}

static void missing_folder_is_an_alarm_and_no_stop(void **state)
{
	struct raw *f = *state;
	void *w = raw_worker(f), *c = raw_caller(f);
	uint64_t asked = 2;

	raw_expect_service(f, w, c);
	raw_wait_metric(f, "lgsp_bus_records_lost_total{reason=\"write_failed\"}", 1);
	assert_true(busd_logged(f->busd, "No such file or directory"));
	assert_int_equal(mkdir(dir.path, 0700), 0);
	raw_expect_service(f, w, c);
	assert_true(busrig_until(all_accounted, &asked));
}

int main(int argc, char **argv)
{
#define TEST(name, set_up) cmocka_unit_test_setup_teardown(name, set_up, teardown)
	const struct CMUnitTest tests[] = {
		TEST(answered_request_tells_all_its_times, setup),
		TEST(refusal_of_a_worker_is_its_own, setup),
		TEST(unreadable_requests_are_recorded, setup),
		TEST(refusals_are_recorded, setup),
		TEST(expired_and_lost_requests_are_recorded, setup),
		TEST(malformed_reply_is_recorded, setup),
		TEST(operators_requests_are_recorded, setup),
		TEST(kill_leaves_files_that_can_be_read, setup),
		TEST(stuck_writer_holds_up_nobody, setup_stuck),
		TEST(missing_folder_is_an_alarm_and_no_stop, setup_no_folder),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
