/*
 * A loop on a thread of its own, with clients and workers in it, for tests that call from their own
 * thread: what a service looks like from the bus.
 */
#ifndef LGSP_TESTS_SUPPORT_BUSRIG_H
#define LGSP_TESTS_SUPPORT_BUSRIG_H

#include <stdbool.h>

#include "common/bus/client.h"
#include "common/bus/worker.h"

struct busrig;

struct busrig *busrig_new(void);
/* Frees its clients and workers, ends the loop and joins the thread. */
void busrig_free(struct busrig *rig);

/* Runs fn(arg) on the loop's thread and waits for it. */
void busrig_run(struct busrig *rig, void (*fn)(void *arg), void *arg);

struct bus_client *busrig_client(struct busrig *rig, const char *endpoints,
				 const struct bus_keys *keys);
/* Waits until it is registered. */
struct bus_worker *busrig_worker(struct busrig *rig, const struct bus_worker_config *config);
bool busrig_registered(struct busrig *rig, struct bus_worker *worker);
/* Ends one worker before the rig does. */
void busrig_worker_free(struct busrig *rig, struct bus_worker *worker);

/* Waits up to 10 s until the condition holds. */
bool busrig_until(bool (*condition)(void *arg), void *arg);

#endif
