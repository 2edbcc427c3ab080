#include "common/loop/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/base/base.h"

#define TIMER_MAGIC  0x74696d72u
#define SOCKET_MAGIC 0x736f636bu
#define BUDGET       256
#define ALL_TURNS    16 /* so often every socket is read, whatever is known of it */

struct post {
	struct post *next;
	void (*fn)(void *arg);
	void *arg;
};

struct hook {
	void (*fn)(void *arg);
	void *arg;
};

struct loop_timer {
	uint32_t magic;
	uv_timer_t handle;
	struct hook hook;
	struct loop *loop;
	struct loop_timer *prev, *next;
};

struct loop_socket {
	uint32_t magic;
	uv_poll_t handle;
	bool (*has_input)(void *socket);
	void *socket;
	bool (*on_ready)(void *arg, int budget);
	void *arg;
	struct loop *loop;
	struct loop_socket *next;
	bool ready, removed;
};

struct loop {
	uv_loop_t uv;
	uv_async_t wake;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t spin; /* active while a socket has input: the loop then does not block */
	uv_signal_t sigterm, sigint, sighup, sigprof;
	_Atomic pthread_t owner;

	pthread_mutex_t lock; /* posts */
	struct post *posts, **posts_end;
	_Atomic bool stopping;

	struct hook terminate, hangup, cpu;
	bool terminating;

	struct loop_timer *timers;
	struct loop_socket *sockets;
	unsigned turns;

	uint64_t turn_ns, idle_ns; /* clock and idle time when the former turn ended */
	int64_t lag_us;
};

/* --- posts --- */

static void run_posts(struct loop *loop)
{
	struct post *post;

	pthread_mutex_lock(&loop->lock);
	post = loop->posts;
	loop->posts = NULL;
	loop->posts_end = &loop->posts;
	pthread_mutex_unlock(&loop->lock);

	while (post) {
		struct post *next = post->next;

		post->fn(post->arg);
		free(post);
		post = next;
	}
}

static void on_wake(uv_async_t *handle)
{
	struct loop *loop = handle->data;

	run_posts(loop);
	if (loop->stopping)
		uv_stop(&loop->uv);
}

void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct post *post = base_alloc(sizeof(*post));

	post->fn = fn;
	post->arg = arg;
	pthread_mutex_lock(&loop->lock);
	*loop->posts_end = post;
	loop->posts_end = &post->next;
	pthread_mutex_unlock(&loop->lock);
	uv_async_send(&loop->wake);
}

void loop_stop(struct loop *loop)
{
	loop->stopping = true;
	uv_async_send(&loop->wake);
}

/* --- ZeroMQ sockets --- */

static void on_edge(uv_poll_t *handle, int status, int events)
{
	struct loop_socket *s = handle->data;

	(void)status;
	(void)events;
	s->ready = true;
}

/* Each question is a system call or two: no more of them than one needs not to block. */
static bool any_input(const struct loop *loop)
{
	for (struct loop_socket *s = loop->sockets; s; s = s->next)
		if (s->ready || (s->ready = s->has_input(s->socket)))
			return true;
	return false;
}

static void on_spin(uv_idle_t *handle)
{
	(void)handle;
}

static void measure_turn(struct loop *loop)
{
	uint64_t now = uv_hrtime(), idle = uv_metrics_idle_time(&loop->uv);

	loop->lag_us = (int64_t)((now - loop->turn_ns) - (idle - loop->idle_ns)) / 1000;
	loop->turn_ns = now;
	loop->idle_ns = idle;
}

static void on_prepare(uv_prepare_t *handle)
{
	struct loop *loop = handle->data;

	measure_turn(loop);
	if (any_input(loop))
		uv_idle_start(&loop->spin, on_spin);
	else
		uv_idle_stop(&loop->spin);
}

static void on_check(uv_check_t *handle)
{
	struct loop *loop = handle->data;
	bool all = ++loop->turns % ALL_TURNS == 0;

	/* A removed socket's memory lives until the closing phase, so next stays readable. */
	for (struct loop_socket *s = loop->sockets; s; s = s->next)
		if (!s->removed && (s->ready || all))
			s->ready = s->on_ready(s->arg, BUDGET);
}

struct loop_socket *loop_socket_add(struct loop *loop, int fd, bool (*has_input)(void *socket),
				    void *socket, bool (*on_ready)(void *arg, int budget),
				    void *arg)
{
	struct loop_socket *s = base_alloc(sizeof(*s)), **end = &loop->sockets;

	s->magic = SOCKET_MAGIC;
	s->has_input = has_input;
	s->socket = socket;
	s->on_ready = on_ready;
	s->arg = arg;
	s->loop = loop;
	CHECK(uv_poll_init(&loop->uv, &s->handle, fd) == 0);
	s->handle.data = s;
	CHECK(uv_poll_start(&s->handle, UV_READABLE, on_edge) == 0);
	while (*end)
		end = &(*end)->next;
	*end = s;
	return s;
}

static void on_socket_closed(uv_handle_t *handle)
{
	struct loop_socket *s = handle->data;

	s->magic = 0;
	free(s);
}

void loop_socket_remove(struct loop_socket *s)
{
	struct loop_socket **at;

	if (!s)
		return;
	CHECK(s->magic == SOCKET_MAGIC && !s->removed);
	for (at = &s->loop->sockets; *at != s; at = &(*at)->next)
		CHECK(*at != NULL);
	*at = s->next;
	s->removed = true;
	uv_close((uv_handle_t *)&s->handle, on_socket_closed);
}

/* --- timers --- */

static void on_timer(uv_timer_t *handle)
{
	struct loop_timer *timer = handle->data;

	CHECK(timer->magic == TIMER_MAGIC);
	timer->hook.fn(timer->hook.arg);
}

struct loop_timer *loop_timer_start(struct loop *loop, uint64_t first_ms, uint64_t repeat_ms,
				    void (*fn)(void *arg), void *arg)
{
	struct loop_timer *timer = base_alloc(sizeof(*timer));

	timer->magic = TIMER_MAGIC;
	timer->hook = (struct hook){fn, arg};
	timer->loop = loop;
	timer->next = loop->timers;
	if (timer->next)
		timer->next->prev = timer;
	loop->timers = timer;
	CHECK(uv_timer_init(&loop->uv, &timer->handle) == 0);
	timer->handle.data = timer;
	/* libuv counts from its cached time, which is old when a callback has run for long. */
	uv_update_time(&loop->uv);
	CHECK(uv_timer_start(&timer->handle, on_timer, first_ms, repeat_ms) == 0);
	return timer;
}

void loop_timer_again(struct loop_timer *timer, uint64_t ms)
{
	CHECK(timer->magic == TIMER_MAGIC);
	uv_update_time(&timer->loop->uv);
	CHECK(uv_timer_start(&timer->handle, on_timer, ms, 0) == 0);
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void loop_timer_stop(struct loop_timer *timer)
{
	if (!timer)
		return;
	CHECK(timer->magic == TIMER_MAGIC);
	timer->magic = 0;
	if (timer->prev)
		timer->prev->next = timer->next;
	else
		timer->loop->timers = timer->next;
	if (timer->next)
		timer->next->prev = timer->prev;
	uv_close((uv_handle_t *)&timer->handle, on_timer_closed);
}

/* --- signals --- */

static void on_terminate(uv_signal_t *handle, int signum)
{
	struct loop *loop = handle->data;

	(void)signum;
	if (loop->terminating)
		_exit(1);
	loop->terminating = true;
	loop->terminate.fn(loop->terminate.arg);
}

static void on_hangup(uv_signal_t *handle, int signum)
{
	struct loop *loop = handle->data;

	(void)signum;
	loop->hangup.fn(loop->hangup.arg);
}

void loop_on_terminate(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	loop->terminate = (struct hook){fn, arg};
	CHECK(uv_signal_start(&loop->sigterm, on_terminate, SIGTERM) == 0);
	CHECK(uv_signal_start(&loop->sigint, on_terminate, SIGINT) == 0);
}

void loop_on_hangup(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	loop->hangup = (struct hook){fn, arg};
	CHECK(uv_signal_start(&loop->sighup, on_hangup, SIGHUP) == 0);
}

static void on_cpu(uv_signal_t *handle, int signum)
{
	struct loop *loop = handle->data;

	(void)signum;
	if (loop->cpu.fn)
		loop->cpu.fn(loop->cpu.arg);
}

static void set_cpu_timer(unsigned ms)
{
	const struct timeval every = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	CHECK(setitimer(ITIMER_PROF, &(struct itimerval){every, every}, NULL) == 0);
}

void loop_on_cpu(struct loop *loop, unsigned ms, void (*fn)(void *arg), void *arg)
{
	loop->cpu = (struct hook){fn, arg};
	if (ms > 0)
		CHECK(uv_signal_start(&loop->sigprof, on_cpu, SIGPROF) == 0);
	set_cpu_timer(ms);
	if (ms > 0)
		return;
	/* One under way must not end the process. */
	uv_signal_stop(&loop->sigprof);
	signal(SIGPROF, SIG_IGN);
}

/* --- life --- */

static void init_handles(struct loop *loop)
{
	CHECK(uv_async_init(&loop->uv, &loop->wake, on_wake) == 0);
	CHECK(uv_prepare_init(&loop->uv, &loop->prepare) == 0);
	CHECK(uv_check_init(&loop->uv, &loop->check) == 0);
	CHECK(uv_idle_init(&loop->uv, &loop->spin) == 0);
	CHECK(uv_signal_init(&loop->uv, &loop->sigterm) == 0);
	CHECK(uv_signal_init(&loop->uv, &loop->sigint) == 0);
	CHECK(uv_signal_init(&loop->uv, &loop->sighup) == 0);
	CHECK(uv_signal_init(&loop->uv, &loop->sigprof) == 0);
	loop->wake.data = loop->prepare.data = loop->check.data = loop;
	loop->sigterm.data = loop->sigint.data = loop->sighup.data = loop;
	loop->sigprof.data = loop;
	CHECK(uv_prepare_start(&loop->prepare, on_prepare) == 0);
	CHECK(uv_check_start(&loop->check, on_check) == 0);
}

struct loop *loop_new(void)
{
	struct loop *loop = base_alloc(sizeof(*loop));

	CHECK(uv_loop_init(&loop->uv) == 0);
	CHECK(uv_loop_configure(&loop->uv, UV_METRICS_IDLE_TIME) == 0);
	CHECK(pthread_mutex_init(&loop->lock, NULL) == 0);
	loop->posts_end = &loop->posts;
	loop->owner = pthread_self();
	loop->turn_ns = uv_hrtime();
	init_handles(loop);
	/* A peer that hangs up is an error of the write, not the end of the process. */
	signal(SIGPIPE, SIG_IGN);
	return loop;
}

void loop_run(struct loop *loop)
{
	loop->owner = pthread_self();
	loop->turn_ns = uv_hrtime();
	loop->idle_ns = uv_metrics_idle_time(&loop->uv);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	loop->stopping = false;
}

static void close_foreign(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	run_posts(loop);
	while (loop->timers)
		loop_timer_stop(loop->timers);
	while (loop->sockets)
		loop_socket_remove(loop->sockets);
	uv_walk(&loop->uv, close_foreign, NULL);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	run_posts(loop); /* of close callbacks */
	CHECK(uv_loop_close(&loop->uv) == 0);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

uv_loop_t *loop_uv(struct loop *loop)
{
	return &loop->uv;
}

bool loop_is_mine(const struct loop *loop)
{
	return pthread_equal(loop->owner, pthread_self());
}

int64_t loop_lag_us(const struct loop *loop)
{
	return loop->lag_us;
}
