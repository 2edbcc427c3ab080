/* The loop: posts, timers, signals, and the ZeroMQ bridge. The test itself may speak to libzmq. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/loop/loop.h"

#define MESSAGES 2000

/* Ends a test that waits for something that does not come. */
static void on_too_late(void *arg)
{
	(void)arg;
	fail_msg("the loop waited 20 s in vain");
}

static struct loop *loop_with_deadline(void)
{
	struct loop *loop = loop_new();

	loop_timer_start(loop, 20000, 0, on_too_late, NULL);
	return loop;
}

/* --- posts --- */

#define POSTERS   4
#define POSTS_PER 5000

struct posts {
	struct loop *loop;
	int next[POSTERS];
	int total;
	bool in_order, mine;
};

struct one_post {
	struct posts *posts;
	int poster, number;
};

static void on_post(void *arg)
{
	struct one_post *p = arg;
	struct posts *posts = p->posts;

	posts->in_order &= posts->next[p->poster]++ == p->number;
	posts->mine &= loop_is_mine(posts->loop);
	if (++posts->total == POSTERS * POSTS_PER)
		loop_stop(posts->loop);
	free(p);
}

struct poster {
	struct posts *posts;
	int id;
	bool mine;
};

static void *post_many(void *arg)
{
	struct poster *poster = arg;

	poster->mine = loop_is_mine(poster->posts->loop);
	for (int i = 0; i < POSTS_PER; i++) {
		struct one_post *p = base_alloc(sizeof(*p));

		*p = (struct one_post){poster->posts, poster->id, i};
		loop_post(poster->posts->loop, on_post, p);
	}
	return NULL;
}

static void posts_of_every_thread_run_in_order(void **state)
{
	struct posts posts = {.loop = loop_with_deadline(), .in_order = true, .mine = true};
	struct poster posters[POSTERS];
	pthread_t threads[POSTERS];

	(void)state;
	for (int i = 0; i < POSTERS; i++) {
		posters[i] = (struct poster){&posts, i, true};
		assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
	}
	loop_run(posts.loop);
	for (int i = 0; i < POSTERS; i++) {
		pthread_join(threads[i], NULL);
		assert_false(posters[i].mine);
	}
	assert_int_equal(posts.total, POSTERS * POSTS_PER);
	assert_true(posts.in_order);
	assert_true(posts.mine);
	loop_free(posts.loop);
}

static void count(void *arg)
{
	++*(int *)arg;
}

static void posts_left_over_run_at_the_end(void **state)
{
	struct loop *loop = loop_new();
	int n = 0;

	(void)state;
	loop_post(loop, count, &n);
	loop_post(loop, count, &n);
	loop_free(loop);
	assert_int_equal(n, 2);
	loop_free(NULL);
}

static void stop_before_run_is_kept(void **state)
{
	struct loop *loop = loop_with_deadline();
	int n = 0;

	(void)state;
	loop_post(loop, count, &n);
	loop_stop(loop);
	loop_run(loop);
	assert_int_equal(n, 1);
	loop_stop(loop); /* and it can run again */
	loop_run(loop);
	loop_free(loop);
}

/* --- timers --- */

struct ticks {
	struct loop *loop;
	struct loop_timer *timer;
	int n;
	int64_t first_us;
};

static void on_tick(void *arg)
{
	struct ticks *t = arg;

	if (t->n++ == 0)
		t->first_us = clock_mono_us();
	if (t->n < 5)
		return;
	loop_timer_stop(t->timer); /* inside its own callback */
	loop_stop(t->loop);
}

static void timer_repeats_until_stopped(void **state)
{
	struct ticks t = {.loop = loop_with_deadline()};
	int64_t start = clock_mono_us();
	int never = 0;
	struct loop_timer *other;

	(void)state;
	t.timer = loop_timer_start(t.loop, 20, 5, on_tick, &t);
	other = loop_timer_start(t.loop, 1, 0, count, &never);
	loop_timer_stop(other);
	loop_timer_stop(NULL);
	loop_run(t.loop);
	assert_int_equal(t.n, 5);
	assert_int_equal(never, 0);
	assert_true(t.first_us - start >= 19000); /* libuv rounds to milliseconds */
	loop_free(t.loop);
}

static void on_again(void *arg)
{
	struct ticks *t = arg;

	if (++t->n < 3)
		loop_timer_again(t->timer, 1);
	else
		loop_stop(t->loop);
}

static void timer_is_called_once_for_each_again(void **state)
{
	struct ticks t = {.loop = loop_with_deadline()};

	(void)state;
	/* Sooner than it was to come, and from inside its own callback. */
	t.timer = loop_timer_start(t.loop, 60000, 60000, on_again, &t);
	loop_timer_again(t.timer, 1);
	loop_run(t.loop);
	assert_int_equal(t.n, 3);
	loop_timer_stop(t.timer);
	loop_free(t.loop);
}

struct cpu {
	struct loop *loop;
	int calls;
};

static void on_cpu(void *arg)
{
	struct cpu *c = arg;

	if (++c->calls == 3)
		loop_stop(c->loop);
}

/* A turn that works for a while, again and again. */
static void work(void *arg)
{
	struct cpu *c = arg;

	for (int64_t until_us = clock_mono_us() + 2000; clock_mono_us() < until_us;)
		;
	if (c->calls < 3)
		loop_post(c->loop, work, c);
}

static void cpu_hook_counts_processor_time(void **state)
{
	struct cpu c = {.loop = loop_with_deadline()};
	clock_t began = clock();
	double used_ms;

	(void)state;
	loop_on_cpu(c.loop, 10, on_cpu, &c);
	loop_post(c.loop, work, &c);
	loop_run(c.loop);
	used_ms = (double)(clock() - began) * 1000 / CLOCKS_PER_SEC;
	assert_int_equal(c.calls, 3);
	assert_true(used_ms >= 20); /* the first may count what was used before */
	loop_on_cpu(c.loop, 0, NULL, NULL);
	raise(SIGPROF); /* one that was under way */
	loop_free(c.loop);
}

static void burn(void *arg)
{
	int64_t until = clock_mono_us() + 30000;

	(void)arg;
	while (clock_mono_us() < until)
		;
}

struct lag {
	struct loop *loop;
	int64_t least_us, worst_us;
	int n;
};

static void read_lag(void *arg)
{
	struct lag *lag = arg;

	int64_t us = loop_lag_us(lag->loop);

	if (us > lag->worst_us)
		lag->worst_us = us;
	if (us < lag->least_us)
		lag->least_us = us;
	if (++lag->n == 5)
		loop_stop(lag->loop);
}

static void lag_shows_a_long_callback_but_not_idleness(void **state)
{
	struct lag lag = {.loop = loop_with_deadline(), .least_us = INT64_MAX};

	(void)state;
	loop_timer_start(lag.loop, 10, 20, read_lag, &lag);
	loop_run(lag.loop);
	assert_true(lag.least_us < 15000); /* each turn slept 20 ms */
	lag.n = 0;
	loop_post(lag.loop, burn, NULL);
	loop_run(lag.loop);
	assert_true(lag.worst_us >= 30000);
	loop_free(lag.loop);
}

/* --- signals --- */

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

static void send_signals(void *arg)
{
	(void)arg;
	raise(SIGHUP);
	raise(SIGTERM);
}

static void signals_reach_their_hooks(void **state)
{
	struct loop *loop = loop_with_deadline();
	int hangups = 0;

	(void)state;
	loop_on_hangup(loop, count, &hangups);
	loop_on_terminate(loop, stop_loop, loop);
	loop_post(loop, send_signals, NULL);
	loop_run(loop);
	assert_int_equal(hangups, 1);
	loop_free(loop);
}

static void raise_again(void *arg)
{
	(void)arg;
	raise(SIGINT);
}

static void second_termination_ends_the_process(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		struct loop *loop = loop_new();

		/* The first one "drains" for ever and asks for the second. */
		loop_on_terminate(loop, raise_again, NULL);
		loop_post(loop, send_signals, NULL);
		signal(SIGHUP, SIG_IGN);
		alarm(20);
		loop_run(loop);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

/* --- the bridge --- */

static bool zmq_has_input(void *socket)
{
	int events = 0;
	size_t n = sizeof(events);

	return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &n) == 0 && events & ZMQ_POLLIN;
}

static int zmq_fd(void *socket)
{
	int fd = -1;
	size_t n = sizeof(fd);

	assert_int_equal(zmq_getsockopt(socket, ZMQ_FD, &fd, &n), 0);
	return fd;
}

struct bridge {
	struct loop *loop;
	void *ctx, *near, *far; /* near is watched; far belongs to a thread that echoes */
	struct loop_timer *sender;
	struct loop_socket *watch;
	int sent, received, budget_seen, most_in_one_turn;
	bool seen[MESSAGES];
};

static void *echo(void *arg)
{
	struct bridge *b = arg;
	uint32_t number;

	for (int i = 0; i < MESSAGES; i++) {
		assert_int_equal(zmq_recv(b->far, &number, sizeof(number), 0), sizeof(number));
		/* Now and then the loop goes to sleep before the echo comes. */
		if (i % 50 == 0)
			usleep(500);
		assert_int_equal(zmq_send(b->far, &number, sizeof(number), 0), sizeof(number));
	}
	return NULL;
}

/*
 * Sends from a timer, waits until echoes are there, and looks at the socket like any code may: each
 * of these calls empties the mailbox and so swallows the edge. Nothing else wakes the loop then (a
 * timer stopped here would: closing a handle keeps libuv from blocking).
 */
static void on_send_timer(void *arg)
{
	struct bridge *b = arg;

	for (int i = 0; i < 7 && b->sent < MESSAGES; i++) {
		uint32_t number = (uint32_t)b->sent++;

		assert_int_equal(zmq_send(b->near, &number, sizeof(number), ZMQ_DONTWAIT),
				 sizeof(number));
	}
	while (!zmq_has_input(b->near) && b->sent % 2 == 0)
		sched_yield();
}

static bool on_ready(void *arg, int budget)
{
	struct bridge *b = arg;
	uint32_t number;
	int n = 0;

	b->budget_seen = budget;
	while (n < budget &&
	       zmq_recv(b->near, &number, sizeof(number), ZMQ_DONTWAIT) == sizeof(number)) {
		assert_true(number < MESSAGES && !b->seen[number]);
		b->seen[number] = true;
		n++;
	}
	if (n > b->most_in_one_turn)
		b->most_in_one_turn = n;
	b->received += n;
	if (b->received == MESSAGES)
		loop_stop(b->loop);
	else if (b->received == b->sent) {
		loop_timer_stop(b->sender);
		b->sender = loop_timer_start(b->loop, 0, 0, on_send_timer, b);
	}
	return n == budget;
}

static void bridge_loses_no_message_sent_from_timers(void **state)
{
	struct bridge b = {.loop = loop_with_deadline(), .ctx = zmq_ctx_new()};
	pthread_t thread;

	(void)state;
	b.near = zmq_socket(b.ctx, ZMQ_DEALER);
	b.far = zmq_socket(b.ctx, ZMQ_DEALER);
	assert_int_equal(zmq_bind(b.near, "inproc://bridge"), 0);
	assert_int_equal(zmq_connect(b.far, "inproc://bridge"), 0);
	b.watch = loop_socket_add(b.loop, zmq_fd(b.near), zmq_has_input, b.near, on_ready, &b);
	b.sender = loop_timer_start(b.loop, 1, 0, on_send_timer, &b);
	assert_int_equal(pthread_create(&thread, NULL, echo, &b), 0);

	loop_run(b.loop);
	pthread_join(thread, NULL);
	assert_int_equal(b.sent, MESSAGES);
	assert_int_equal(b.received, MESSAGES);
	assert_int_equal(b.budget_seen, 256);

	loop_socket_remove(b.watch);
	loop_free(b.loop);
	zmq_close(b.near);
	zmq_close(b.far);
	zmq_ctx_term(b.ctx);
}

/* More waits than one budget: the rest must come without a new edge, and timers in between. */
static void budget_leaves_turns_to_others(void **state)
{
	struct bridge b = {.loop = loop_with_deadline(), .ctx = zmq_ctx_new()};
	int ticks = 0;

	(void)state;
	b.near = zmq_socket(b.ctx, ZMQ_PAIR);
	b.far = zmq_socket(b.ctx, ZMQ_PAIR);
	zmq_setsockopt(b.near, ZMQ_RCVHWM, &(int){0}, sizeof(int));
	zmq_setsockopt(b.far, ZMQ_SNDHWM, &(int){0}, sizeof(int));
	assert_int_equal(zmq_bind(b.near, "inproc://bridge"), 0);
	assert_int_equal(zmq_connect(b.far, "inproc://bridge"), 0);
	for (uint32_t i = 0; i < MESSAGES; i++)
		assert_int_equal(zmq_send(b.far, &i, sizeof(i), ZMQ_DONTWAIT), sizeof(i));
	b.watch = loop_socket_add(b.loop, zmq_fd(b.near), zmq_has_input, b.near, on_ready, &b);
	loop_post(b.loop, count, &ticks);
	loop_run(b.loop);
	assert_int_equal(b.received, MESSAGES);
	assert_int_equal(b.most_in_one_turn, 256);
	assert_int_equal(ticks, 1);
	loop_free(b.loop); /* closes the watch too */
	zmq_close(b.near);
	zmq_close(b.far);
	zmq_ctx_term(b.ctx);
}

static bool always(void *socket)
{
	(void)socket;
	return true;
}

static bool on_busy(void *arg, int budget)
{
	(void)budget;
	++*(int *)arg;
	return true;
}

static bool on_swallowed(void *arg, int budget)
{
	struct bridge *b = arg;
	char byte;

	(void)budget;
	if (zmq_recv(b->near, &byte, 1, ZMQ_DONTWAIT) == 1) {
		b->received++;
		loop_stop(b->loop);
	}
	return false;
}

/* Beside a socket that never lets the loop block. */
static void swallowed_edge_is_found_by_a_busy_loop(void **state)
{
	struct bridge b = {.loop = loop_with_deadline(), .ctx = zmq_ctx_new()};
	void *other = zmq_socket(b.ctx, ZMQ_PAIR);
	struct loop_socket *busy;
	int turns = 0;

	(void)state;
	b.near = zmq_socket(b.ctx, ZMQ_PAIR);
	b.far = zmq_socket(b.ctx, ZMQ_PAIR);
	assert_int_equal(zmq_bind(b.near, "inproc://bridge"), 0);
	assert_int_equal(zmq_connect(b.far, "inproc://bridge"), 0);
	assert_int_equal(zmq_send(b.far, "x", 1, ZMQ_DONTWAIT), 1);
	assert_true(zmq_has_input(b.near));
	busy = loop_socket_add(b.loop, zmq_fd(other), always, other, on_busy, &turns);
	b.watch = loop_socket_add(b.loop, zmq_fd(b.near), zmq_has_input, b.near, on_swallowed, &b);
	loop_run(b.loop);
	assert_int_equal(b.received, 1);
	assert_in_range(turns, 1, 20);
	loop_socket_remove(busy);
	loop_socket_remove(b.watch);
	loop_free(b.loop);
	zmq_close(other);
	zmq_close(b.near);
	zmq_close(b.far);
	zmq_ctx_term(b.ctx);
}

struct removal {
	struct loop *loop;
	void *sockets[3];
	struct loop_socket *watch[3];
	int calls[3];
};

static void remove_all(struct removal *r, int who)
{
	r->calls[who]++;
	for (int i = 0; i < 3; i++) {
		loop_socket_remove(r->watch[i]);
		r->watch[i] = NULL;
	}
	loop_stop(r->loop);
}

static bool on_ready_0(void *arg, int budget)
{
	(void)budget;
	remove_all(arg, 0);
	return true;
}

static bool on_ready_other(void *arg, int budget)
{
	(void)budget;
	remove_all(arg, 1);
	return true;
}

static void sockets_may_be_removed_from_a_callback(void **state)
{
	struct removal r = {.loop = loop_with_deadline()};
	void *ctx = zmq_ctx_new(), *peers[3];
	char name[32];

	(void)state;
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "inproc://r%d", i);
		r.sockets[i] = zmq_socket(ctx, ZMQ_PAIR);
		peers[i] = zmq_socket(ctx, ZMQ_PAIR);
		assert_int_equal(zmq_bind(r.sockets[i], name), 0);
		assert_int_equal(zmq_connect(peers[i], name), 0);
		assert_int_equal(zmq_send(peers[i], "x", 1, ZMQ_DONTWAIT), 1);
		r.watch[i] = loop_socket_add(r.loop, zmq_fd(r.sockets[i]), zmq_has_input,
					     r.sockets[i], i ? on_ready_other : on_ready_0, &r);
	}
	loop_run(r.loop);
	assert_int_equal(r.calls[0], 1); /* the first added is read first */
	assert_int_equal(r.calls[1], 0); /* and the others were gone by then */
	for (int i = 0; i < 3; i++) {
		zmq_close(r.sockets[i]);
		zmq_close(peers[i]);
	}
	loop_free(r.loop);
	zmq_ctx_term(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(posts_of_every_thread_run_in_order),
		cmocka_unit_test(posts_left_over_run_at_the_end),
		cmocka_unit_test(stop_before_run_is_kept),
		cmocka_unit_test(timer_repeats_until_stopped),
		cmocka_unit_test(timer_is_called_once_for_each_again),
		cmocka_unit_test(cpu_hook_counts_processor_time),
		cmocka_unit_test(lag_shows_a_long_callback_but_not_idleness),
		cmocka_unit_test(signals_reach_their_hooks),
		cmocka_unit_test(second_termination_ends_the_process),
		cmocka_unit_test(bridge_loses_no_message_sent_from_timers),
		cmocka_unit_test(budget_leaves_turns_to_others),
		cmocka_unit_test(swallowed_edge_is_found_by_a_busy_loop),
		cmocka_unit_test(sockets_may_be_removed_from_a_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
