/*
 * The publisher: one thread and connection per service that keeps its published feeds up with its
 * own. A page of events is read, projected, and written with positions, seal and cursor in one
 * transaction that holds the feed's row; so it may end, and replicas may run, at any time, and a
 * new publication begins with the first event there ever was.
 */
#ifndef LGSP_SVC_PUBLISHER_H
#define LGSP_SVC_PUBLISHER_H

#include "common/svc/runtime.h"

struct publisher;

/* NULL when the service publishes nothing. */
struct publisher *publisher_start(struct svc_runtime *rt);
/* After the stopper was set. False: still busy after timeout_ms. NULL is fine. */
bool publisher_join(struct publisher *publisher, int64_t timeout_ms);
void publisher_free(struct publisher *publisher); /* after join; NULL is fine */

/* Any thread: there may be new events. NULL is fine. */
void publisher_wake(struct publisher *publisher);
/* Position of the newest entry known of the service's n-th publication. Any thread. */
int64_t publisher_high_water(const struct publisher *publisher, unsigned n);

#endif
