/*
 * CANCEL as clients send it: for one of two calls of the same id, for a caller that left and came
 * again, and for what a broker finds in its socket when nobody waits any more. What the broker does
 * with one is in test_bus_time.c.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/uuid.h"
#include "tests/support/bustest.h"

#define QUEUED "lgsp_bus_queued{service=\"echo\"}"

/* A worker of one request at a time, which has one. */
static struct flight *occupy(struct fixture *f)
{
	struct flight *busy;

	bustest_echo(f, &f->echo, 1);
	busy = bustest_send(f, f->caller, bustest_request("Hold", "busy"));
	bustest_wait_held(&f->echo, 1);
	return busy;
}

static void cancel_now(void *arg)
{
	struct flight *fl = arg;

	bus_client_cancel(fl->client, fl->req.message_id, fl);
}

static void cancel(struct fixture *f, struct flight *fl)
{
	busrig_run(f->rig, cancel_now, fl);
}

static void let_go(struct fixture *f, struct flight *busy)
{
	bustest_let_go(&f->echo);
	bustest_land(busy, 0, "", false);
}

/* The same id twice at a time, both waiting at the broker. */
static void ask_twice(struct fixture *f, struct flight **ret_first, struct flight **ret_second)
{
	struct bus_request_out req = bustest_request("Say", "same");

	uuid_v7(req.message_id);
	*ret_first = bustest_send(f, f->caller, req);
	*ret_second = bustest_send(f, f->caller, req);
	bustest_wait_metric(f, QUEUED, 2);
}

/* --- */

static void one_of_two_that_wait_for_the_same_leaves(void **state)
{
	struct fixture *f = *state;
	struct flight *busy = occupy(f), *leaves, *stays;

	ask_twice(f, &leaves, &stays);
	cancel(f, leaves);
	let_go(f, busy);
	bustest_land(stays, 0, "", false);
	bustest_land(leaves, 0, "", false);
}

static void both_leave(void **state)
{
	struct fixture *f = *state;
	struct flight *busy = occupy(f), *first, *second;

	ask_twice(f, &first, &second);
	cancel(f, first);
	cancel(f, second);
	bustest_land(first, ERR_EXPIRED, "CANCELLED", false);
	bustest_land(second, ERR_EXPIRED, "CANCELLED", false);
	let_go(f, busy);
	assert_int_equal(f->echo.seen, 1);
}

static void an_unknown_call_is_not_cancelled(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Say", "stays");
	struct flight *busy = occupy(f), *stays;
	struct flight other = {.client = f->caller};

	uuid_v7(req.message_id);
	stays = bustest_send(f, f->caller, req);
	memcpy(other.req.message_id, req.message_id, sizeof(req.message_id));
	cancel(f, &other); /* its id, but not its caller */
	uuid_v7(other.req.message_id);
	cancel(f, &other);
	let_go(f, busy);
	bustest_land(stays, 0, "", false);
}

struct again {
	struct flight *left, *back;
};

static void on_answer(const struct bus_reply_in *reply, const struct err *err, void *arg)
{
	struct flight *fl = arg;

	(void)reply;
	fl->status = err->status;
	atomic_store(&fl->done, true);
}

/* The word that the first one is cancelled comes when the second one is out. */
static void leave_and_come_again(void *arg)
{
	struct again *a = arg;

	cancel_now(a->left);
	bus_client_send(a->back->client, &a->left->req, on_answer, a->back);
}

static bool is_done(void *arg)
{
	return atomic_load(&((struct flight *)arg)->done);
}

static void who_leaves_and_comes_again_is_answered(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out req = bustest_request("Say", "again");
	struct flight *busy = occupy(f), back = {.client = f->caller};
	struct again a = {.back = &back};

	uuid_v7(req.message_id);
	a.left = bustest_send(f, f->caller, req);
	bustest_wait_metric(f, QUEUED, 1);
	busrig_run(f->rig, leave_and_come_again, &a);
	bustest_land(a.left, ERR_EXPIRED, "CANCELLED", false);
	let_go(f, busy);
	assert_true(busrig_until(is_done, &back));
	assert_int_equal(back.status, 0);
}

/* A second process of the member: the broker cancels all tries of an id. */
static void who_left_another_process_is_asked_for_again(void **state)
{
	struct fixture *f = *state;
	struct bus_keys keys = busd_keys(f->busd, "caller");
	struct bus_client *beside = busrig_client(f->rig, busd_member_endpoint(f->busd), &keys);
	struct bus_request_out req = bustest_request("Say", "moved");
	struct flight *busy = occupy(f), *left, *stays;

	uuid_v7(req.message_id);
	left = bustest_send(f, f->caller, req);
	stays = bustest_send(f, beside, req);
	bustest_wait_metric(f, QUEUED, 2);
	cancel(f, left);
	bustest_land(left, ERR_EXPIRED, "CANCELLED", false);
	bustest_wait_metric(f, QUEUED, 1);
	let_go(f, busy);
	bustest_land(stays, 0, "", false);
}

/*
 * The deadline is from arrival, so a broker that was held up would begin it afresh. What is sent
 * behind shows that it has read both: the request, and that nobody waits for it.
 */
static void what_a_held_up_broker_finds_is_cancelled(void **state)
{
	struct fixture *f = *state;
	struct bus_request_out late = bustest_request("Say", "late");
	struct flight *busy = occupy(f), *behind;

	late.deadline_ms = 1500;
	busd_signal(f->busd, SIGSTOP);
	assert_int_equal(bustest_call(f, f->caller, &late), ERR_EXPIRED);
	assert_true(f->err.outcome_unknown);
	behind = bustest_send(f, f->caller, bustest_request("Say", "behind"));
	busd_signal(f->busd, SIGCONT);
	bustest_wait_metric(f, "lgsp_bus_requests_total{service=\"echo\"}", 3);
	assert_int_equal(busd_metric(f->busd, QUEUED), 1);
	let_go(f, busy);
	bustest_land(behind, 0, "", false);
	assert_int_equal(f->echo.seen, 2);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, bustest_setup, bustest_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_of_two_that_wait_for_the_same_leaves),
		TEST(both_leave),
		TEST(an_unknown_call_is_not_cancelled),
		TEST(who_leaves_and_comes_again_is_answered),
		TEST(who_left_another_process_is_asked_for_again),
		TEST(what_a_held_up_broker_finds_is_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
