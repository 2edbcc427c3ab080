#include "tests/support/busrig.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/base.h"
#include "common/base/clock.h"

#define PARTS_MAX 16

struct busrig {
	struct loop *loop;
	pthread_t thread;
	struct bus_client *clients[PARTS_MAX];
	struct bus_worker *workers[PARTS_MAX];
	unsigned n_clients, n_workers;
};

static void *run_loop(void *arg)
{
	loop_run(((struct busrig *)arg)->loop);
	return NULL;
}

struct busrig *busrig_new(void)
{
	struct busrig *rig = base_alloc(sizeof(*rig));

	rig->loop = loop_new();
	CHECK(pthread_create(&rig->thread, NULL, run_loop, rig) == 0);
	return rig;
}

/* --- running on the loop --- */

struct errand {
	void (*fn)(void *arg);
	void *arg;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool done;
};

static void run_errand(void *arg)
{
	struct errand *e = arg;

	e->fn(e->arg);
	pthread_mutex_lock(&e->mutex);
	e->done = true;
	pthread_cond_signal(&e->cond);
	pthread_mutex_unlock(&e->mutex);
}

void busrig_run(struct busrig *rig, void (*fn)(void *arg), void *arg)
{
	struct errand e = {.fn = fn,
			   .arg = arg,
			   .mutex = PTHREAD_MUTEX_INITIALIZER,
			   .cond = PTHREAD_COND_INITIALIZER};

	loop_post(rig->loop, run_errand, &e);
	pthread_mutex_lock(&e.mutex);
	while (!e.done)
		pthread_cond_wait(&e.cond, &e.mutex);
	pthread_mutex_unlock(&e.mutex);
}

/* --- parts --- */

struct making {
	struct busrig *rig;
	const struct bus_client_config *client_config;
	const struct bus_worker_config *worker_config;
	struct bus_worker *worker;
	bool registered;
};

static void make_client(void *arg)
{
	struct making *m = arg;
	struct err err;

	CHECK(m->rig->n_clients < PARTS_MAX);
	CHECK(bus_client_new(m->rig->loop, m->client_config, &m->rig->clients[m->rig->n_clients++],
			     &err) == 0);
}

struct bus_client *busrig_client(struct busrig *rig, const char *endpoints,
				 const struct bus_keys *keys)
{
	const struct bus_client_config config = {.endpoints = endpoints, .keys = *keys};
	struct making m = {.rig = rig, .client_config = &config};

	busrig_run(rig, make_client, &m);
	return rig->clients[rig->n_clients - 1];
}

static void make_worker(void *arg)
{
	struct making *m = arg;
	struct err err;

	CHECK(m->rig->n_workers < PARTS_MAX);
	CHECK(bus_worker_new(m->rig->loop, m->worker_config, &m->worker, &err) == 0);
	m->rig->workers[m->rig->n_workers++] = m->worker;
}

static void ask_registered(void *arg)
{
	struct making *m = arg;

	m->registered = bus_worker_registered(m->worker);
}

bool busrig_registered(struct busrig *rig, struct bus_worker *worker)
{
	struct making m = {.rig = rig, .worker = worker};

	busrig_run(rig, ask_registered, &m);
	return m.registered;
}

static bool is_registered(void *arg)
{
	struct making *m = arg;

	busrig_run(m->rig, ask_registered, m);
	return m->registered;
}

struct bus_worker *busrig_worker(struct busrig *rig, const struct bus_worker_config *config)
{
	struct making m = {.rig = rig, .worker_config = config};

	busrig_run(rig, make_worker, &m);
	CHECK(busrig_until(is_registered, &m));
	return m.worker;
}

static void free_worker(void *arg)
{
	struct making *m = arg;

	for (unsigned i = 0; i < m->rig->n_workers; i++)
		if (m->rig->workers[i] == m->worker)
			m->rig->workers[i] = NULL;
	bus_worker_free(m->worker);
}

void busrig_worker_free(struct busrig *rig, struct bus_worker *worker)
{
	struct making m = {.rig = rig, .worker = worker};

	busrig_run(rig, free_worker, &m);
}

static void free_parts(void *arg)
{
	struct busrig *rig = arg;

	for (unsigned i = 0; i < rig->n_clients; i++)
		bus_client_free(rig->clients[i]);
	for (unsigned i = 0; i < rig->n_workers; i++)
		bus_worker_free(rig->workers[i]);
}

void busrig_free(struct busrig *rig)
{
	busrig_run(rig, free_parts, rig);
	loop_stop(rig->loop);
	pthread_join(rig->thread, NULL);
	loop_free(rig->loop);
	free(rig);
}

bool busrig_until(bool (*condition)(void *arg), void *arg)
{
	int64_t until_us = clock_mono_us() + 10 * CLOCK_US_PER_S;

	while (!condition(arg)) {
		if (clock_mono_us() > until_us)
			return false;
		usleep(2000);
	}
	return true;
}
