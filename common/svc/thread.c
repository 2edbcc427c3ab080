/* Threads of a service: started without signals, joined with a limit, woken by monotonic time. */
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/svc/runtime.h"

void thread_start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	sigset_t all, before;

	/* Signals belong to the loop; a thread that got one would hide it. */
	sigfillset(&all);
	CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	CHECK(pthread_create(thread, NULL, fn, arg) == 0);
	CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

static struct timespec timespec_of_us(int64_t us)
{
	return (struct timespec){
		.tv_sec = us / CLOCK_US_PER_S,
		.tv_nsec = us % CLOCK_US_PER_S * 1000,
	};
}

bool thread_join(pthread_t thread, int64_t timeout_ms)
{
	struct timespec until = timespec_of_us(clock_mono_us() + timeout_ms * 1000);

	return pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0;
}

void thread_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	CHECK(pthread_condattr_init(&attr) == 0);
	CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(cond, &attr) == 0);
	pthread_condattr_destroy(&attr);
}

bool thread_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_us)
{
	struct timespec until = timespec_of_us(until_us);

	return pthread_cond_timedwait(cond, mutex, &until) != ETIMEDOUT;
}
