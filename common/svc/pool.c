/*
 * The worker threads of a service. Each owns a connection and takes tasks - requests, pulls that
 * were woken, probes of the database - from one bounded queue, in order.
 */
#include <stdlib.h>

#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/metric.h"
#include "common/svc/runtime.h"

/* The broker's credit keeps the queue at a few entries; this bounds a broker gone mad. */
#define POOL_QUEUE_MAX 512

struct pool {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	struct pool_task *first;
	struct pool_task **last;
	unsigned n_queued;
	bool closed;
	struct metric *queued;
	unsigned n_workers;
	struct pool_worker workers[];
};

static struct pool_task *pool_take(struct pool *pool)
{
	struct pool_task *task;

	pthread_mutex_lock(&pool->mutex);
	while (pool->first == NULL && !pool->closed)
		pthread_cond_wait(&pool->cond, &pool->mutex);
	task = pool->first;
	if (task != NULL) {
		pool->first = task->next;
		if (pool->first == NULL)
			pool->last = &pool->first;
		metric_set(pool->queued, --pool->n_queued);
	}
	pthread_mutex_unlock(&pool->mutex);
	return task;
}

static void *pool_worker_run(void *arg)
{
	struct pool_worker *w = arg;
	struct pool_task *task;

	while ((task = pool_take(w->rt->pool)) != NULL)
		task->run(w, task);
	return NULL;
}

struct pool *pool_new(struct svc_runtime *rt, unsigned n_workers)
{
	struct pool *pool = base_alloc(sizeof(*pool) + n_workers * sizeof(pool->workers[0]));
	struct db_config db = runtime_db_config(rt);

	CHECK(pthread_mutex_init(&pool->mutex, NULL) == 0);
	thread_cond_init(&pool->cond);
	pool->last = &pool->first;
	pool->n_workers = n_workers;
	pool->queued = metric_gauge("lgsp_svc_queued", "", "Tasks waiting for a worker thread");
	rt->pool = pool;
	for (unsigned i = 0; i < n_workers; i++) {
		pool->workers[i] = (struct pool_worker){.rt = rt, .conn = db_conn_new(&db)};
		thread_start(&pool->workers[i].thread, pool_worker_run, &pool->workers[i]);
	}
	return pool;
}

bool pool_push(struct pool *pool, struct pool_task *task)
{
	bool taken;

	pthread_mutex_lock(&pool->mutex);
	taken = !pool->closed && pool->n_queued < POOL_QUEUE_MAX;
	if (taken) {
		task->next = NULL;
		*pool->last = task;
		pool->last = &task->next;
		metric_set(pool->queued, ++pool->n_queued);
		pthread_cond_signal(&pool->cond);
	}
	pthread_mutex_unlock(&pool->mutex);
	return taken;
}

bool pool_stop(struct pool *pool, int64_t timeout_ms)
{
	int64_t until_us = clock_mono_us() + timeout_ms * 1000;
	bool all = true;

	pthread_mutex_lock(&pool->mutex);
	pool->closed = true;
	pthread_cond_broadcast(&pool->cond);
	pthread_mutex_unlock(&pool->mutex);
	for (unsigned i = 0; i < pool->n_workers; i++)
		all &= thread_join(pool->workers[i].thread, (until_us - clock_mono_us()) / 1000);
	return all;
}

void pool_free(struct pool *pool)
{
	for (unsigned i = 0; i < pool->n_workers; i++)
		db_conn_free(pool->workers[i].conn);
	pthread_cond_destroy(&pool->cond);
	pthread_mutex_destroy(&pool->mutex);
	free(pool);
}
